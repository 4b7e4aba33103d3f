//! A small file system for one replica, which can be filled.
//!
//! It is mounted, opened, and taken from the tree again at once: the open directory keeps it alive, and it is gone when
//! this process is, however it ends. Replicas reach it through `/proc`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is not of the journal: the file system's own, an identity.
const SLACK: u64 = 24 << 20;
const BLOCK: usize = 4096;

/// A file system that is ours alone.
pub(crate) struct Disk {
    /// Keeps it mounted.
    _directory: File,
    path: PathBuf,
    kind: &'static str,
    bytes: u64,
}

impl Disk {
    /// A file system with room for a journal of `bytes`: ext4 in a file below `near`, or else in memory.
    ///
    /// # Errors
    /// This process may not mount, in one sentence.
    pub(crate) fn mount(near: &Path, bytes: u64) -> Result<Disk, String> {
        let at = near.join("small");
        fs::create_dir_all(&at).map_err(|why| format!("{} cannot be made: {why}", at.display()))?;
        let kind = match ext4(near, &at, bytes + SLACK) {
            Ok(()) => "ext4",
            Err(first) => {
                let size = format!("size={}", bytes + SLACK);
                run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at))
                    .map_err(|second| format!("{first}; {second}"))?;
                "tmpfs"
            }
        };
        let opened = File::open(&at);
        let left = run(Command::new("umount").arg("--lazy").arg(&at));
        let directory = opened.map_err(|why| format!("{}: {why}", at.display()))?;
        left?;
        use std::os::fd::AsRawFd;
        let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), directory.as_raw_fd()));
        Ok(Disk { _directory: directory, path, kind, bytes: bytes + SLACK })
    }

    /// Its root.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Takes all room that is left.
    ///
    /// # Errors
    /// Something else than a full disk came of it.
    pub(crate) fn fill(&self) -> io::Result<()> {
        let ballast = self.ballast();
        fs::create_dir_all(&ballast)?;
        // Most of it without a write, if there is such a command: what does not fit is tried in halves.
        let mut piece = self.bytes;
        while piece >= 1 << 20 {
            let mut reserve = Command::new("fallocate");
            // Whether it fits or not: what is left afterwards is less than that.
            let _ = run(reserve.args(["-l", &piece.to_string()]).arg(ballast.join(piece.to_string())));
            piece /= 2;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(ballast.join("rest"))?;
        for size in [1 << 20, BLOCK, 1024] {
            let zeros = vec![0; size];
            loop {
                match file.write(&zeros) {
                    Ok(_) => {}
                    Err(why) if why.kind() == io::ErrorKind::StorageFull => break,
                    Err(why) => return Err(why),
                }
            }
            // A file system that puts off where it puts what was written finds out now.
            match file.sync_data() {
                Err(why) if why.kind() != io::ErrorKind::StorageFull => return Err(why),
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives it back.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub(crate) fn empty(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.ballast()) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        }
    }
}

fn ext4(near: &Path, at: &Path, bytes: u64) -> Result<(), String> {
    let image = near.join("small.img");
    let made = File::create(&image).and_then(|file| file.set_len(bytes));
    made.map_err(|why| format!("{} cannot be made: {why}", image.display()))?;
    run(Command::new("mkfs.ext4").args(["-q", "-m", "0", "-b", "1024", "-O", "^has_journal"]).arg(&image))?;
    let mounted = run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(at));
    // The loop device holds it.
    let _ = fs::remove_file(&image);
    mounted
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|why| format!("`{name}`: {why}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("`{name}`: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Replaces a file by one with holes where it has zeros, so that a full disk has something to refuse.
///
/// # Errors
/// Of files.
pub(crate) fn hollow(path: &Path) -> io::Result<()> {
    let hollow = path.with_extension("hollow");
    let (mut from, mut to) = (File::open(path)?, File::create(&hollow)?);
    to.set_len(from.metadata()?.len())?;
    let (mut block, mut at) = (vec![0; BLOCK], 0);
    loop {
        let mut count = 0;
        while count < BLOCK {
            match from.read(&mut block[count..])? {
                0 => break,
                more => count += more,
            }
        }
        if count == 0 {
            break;
        }
        if block[..count].iter().any(|byte| *byte != 0) {
            to.seek(SeekFrom::Start(at))?;
            to.write_all(&block[..count])?;
        }
        at += count as u64;
    }
    to.sync_all()?;
    // Only now is the room of the first one given back: two fit, because this one is all holes.
    fs::rename(&hollow, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hollow_file_reads_as_before_and_takes_less_room() {
        use std::os::unix::fs::MetadataExt;
        let path = std::env::temp_dir().join(format!("hollow-{}", std::process::id()));
        let mut bytes = vec![0; 1 << 20];
        bytes[5000] = 7;
        bytes.push(9);
        fs::write(&path, &bytes).expect("it can be written");
        hollow(&path).expect("it can be replaced");
        let (read, room) = (fs::read(&path), fs::metadata(&path).map(|found| found.blocks() * 512));
        fs::remove_file(&path).expect("it is there");
        assert!(read.expect("it can be read") == bytes);
        assert!(room.expect("it is there") < 1 << 18);
    }
}
