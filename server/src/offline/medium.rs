//! Where a journal is read from: a device of a stopped replica, a backup, or memory; and where a new one is written to.

use seedfast_core::Buffer;
use seedfast_core::storage::{Failure, Range};
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Something that a journal can be read from.
pub(crate) trait Source {
    /// How many bytes it has.
    fn length(&self) -> u64;

    /// The bytes of `range`, which lies within it.
    ///
    /// # Errors
    /// [`Failure::Media`] if the medium cannot give them back, [`Failure::Device`] for anything else.
    fn read(&self, range: Range) -> Result<Vec<u8>, Failure>;
}

/// Something that a journal can be written to as well.
pub(crate) trait Medium: Source {
    /// Puts `bytes` at offset `at`.
    ///
    /// # Errors
    /// What the device says.
    fn write(&mut self, at: u64, bytes: &Buffer) -> Result<(), Failure>;

    /// Makes durable what was written.
    ///
    /// # Errors
    /// What the device says.
    fn sync(&mut self) -> Result<(), Failure>;
}

/// The kernel holds what a process had in flight, and its lock with it, for a moment after the process was killed.
const PATIENCE: Duration = Duration::from_secs(1);

/// A file or a block device that nobody serves from meanwhile.
pub(crate) struct Stopped {
    file: File,
    length: u64,
}

/// Why a file cannot be looked at.
#[derive(Debug)]
pub(crate) enum Closed {
    /// A process serves from it.
    InUse(PathBuf),
    /// The system says no.
    Refused(PathBuf, io::Error),
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Closed::InUse(path) => write!(
                f,
                "{}: a process serves from it: stop that one first, or look at a copy made while it was stopped",
                path.display()
            ),
            Closed::Refused(path, why) => write!(f, "{} cannot be read: {why}", path.display()),
        }
    }
}

impl Stopped {
    /// Opens it for reading. Others may read it too; a replica that starts meanwhile finds it in use.
    ///
    /// # Errors
    /// It is not there, may not be read, or a replica serves from it.
    pub(crate) fn open(path: &Path) -> Result<Self, Closed> {
        let refused = |why| Closed::Refused(path.to_owned(), why);
        let file = File::open(path).map_err(refused)?;
        let until = Instant::now() + PATIENCE;
        loop {
            match file.try_lock_shared() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(PATIENCE / 50),
                Err(TryLockError::WouldBlock) => return Err(Closed::InUse(path.to_owned())),
                Err(TryLockError::Error(why)) => return Err(refused(why)),
            }
        }
        if file.metadata().map_err(refused)?.is_dir() {
            return Err(refused(io::ErrorKind::IsADirectory.into()));
        }
        let length = io::Seek::seek(&mut &file, io::SeekFrom::End(0)).map_err(refused)?;
        Ok(Stopped { file, length })
    }
}

impl Source for Stopped {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, range: Range) -> Result<Vec<u8>, Failure> {
        read(&self.file, range)
    }
}

fn read(file: &File, range: Range) -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![0; range.length as usize];
    match file.read_exact_at(&mut bytes, range.at) {
        Ok(()) => Ok(bytes),
        // EIO, ENODATA, EBADMSG, EILSEQ: the medium, as for the device that serves.
        Err(why) if matches!(why.raw_os_error(), Some(5 | 61 | 74 | 84)) => Err(Failure::Media),
        Err(_) => Err(Failure::Device),
    }
}

/// A file that a new journal is written to.
pub(crate) struct Fresh(pub(crate) File);

impl Source for Fresh {
    fn length(&self) -> u64 {
        self.0.metadata().map_or(0, |found| found.len())
    }

    fn read(&self, range: Range) -> Result<Vec<u8>, Failure> {
        read(&self.0, range)
    }
}

impl Medium for Fresh {
    fn write(&mut self, at: u64, bytes: &Buffer) -> Result<(), Failure> {
        self.0.write_all_at(bytes, at).map_err(|why| match why.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Failure::NoSpace,
            _ => Failure::Device,
        })
    }

    fn sync(&mut self) -> Result<(), Failure> {
        self.0.sync_data().map_err(|_| Failure::Device)
    }
}

/// Another medium that is never changed: what is written stands before it, in memory.
pub(crate) struct Shielded<'a> {
    behind: &'a dyn Source,
    writes: Vec<(u64, Buffer)>,
}

impl<'a> Shielded<'a> {
    pub(crate) fn new(behind: &'a dyn Source) -> Self {
        Shielded { behind, writes: Vec::new() }
    }

    /// What would have been written, in order: offsets and lengths.
    pub(crate) fn writes(&self) -> impl Iterator<Item = Range> + '_ {
        self.writes.iter().map(|(at, bytes)| Range { at: *at, length: bytes.len() as u64 })
    }
}

impl Source for Shielded<'_> {
    fn length(&self) -> u64 {
        self.behind.length()
    }

    fn read(&self, range: Range) -> Result<Vec<u8>, Failure> {
        let mut bytes = self.behind.read(range)?;
        for (at, written) in &self.writes {
            let from = range.at.max(*at);
            let to = (range.at + range.length).min(at + written.len() as u64);
            if from < to {
                bytes[(from - range.at) as usize..(to - range.at) as usize]
                    .copy_from_slice(&written[(from - at) as usize..(to - at) as usize]);
            }
        }
        Ok(bytes)
    }
}

impl Medium for Shielded<'_> {
    fn write(&mut self, at: u64, bytes: &Buffer) -> Result<(), Failure> {
        self.writes.push((at, bytes.clone()));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// Bytes of a whole range, with zeros where the medium cannot give any, and where that is. `unit` bounds how finely a
/// failure is narrowed down.
pub(crate) fn read_around(source: &dyn Source, range: Range, unit: u64) -> (Vec<u8>, Vec<Range>) {
    const CHUNK: u64 = 1 << 20;
    let mut bytes = vec![0; range.length as usize];
    let mut bad = Vec::new();
    let mut pending: Vec<Range> = (0..range.length.div_ceil(CHUNK))
        .rev()
        .map(|index| Range { at: range.at + index * CHUNK, length: CHUNK.min(range.length - index * CHUNK) })
        .collect();
    while let Some(part) = pending.pop() {
        match source.read(part) {
            Ok(found) => {
                let at = (part.at - range.at) as usize;
                bytes[at..at + found.len()].copy_from_slice(&found);
            }
            Err(_) if part.length > unit => {
                let half = (part.length / 2).next_multiple_of(unit);
                pending.push(Range { at: part.at + half, length: part.length - half });
                pending.push(Range { at: part.at, length: half });
            }
            Err(_) => bad.push(part),
        }
    }
    (bytes, bad)
}
