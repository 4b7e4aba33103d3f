//! Files that are there whole or not at all.

use crate::trouble::Trouble;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file so that a reader, or a full disk, never leaves half of it: into a temporary neighbour first, synced,
/// then renamed. Something that is no regular file (a pipe, `/dev/stdout`) is written to directly.
///
/// # Errors
/// If the file cannot be written, and why.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    let written = match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory")),
        Ok(found) if !found.is_file() => {
            fs::OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(bytes))
        }
        _ => write_atomically(path, bytes),
    };
    written.map_err(|error| {
        Trouble::new(format!(
            "cannot write {}: {}; make room or name another place (nothing half-written was left)",
            path.display(),
            plain(&error)
        ))
    })
}

fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name =
        path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let temporary = path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let attempt = || {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    attempt().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// Makes sure before a long campaign that its bundles will find a place.
///
/// # Errors
/// If the directory cannot be created or written to, and why.
pub fn prepare_directory(path: &Path) -> Result<(), Trouble> {
    let probe: PathBuf = path.join(format!(".seedfast.{}.tmp", std::process::id()));
    let attempt = || {
        fs::create_dir_all(path)?;
        let written = fs::File::create(&probe).and_then(|mut file| {
            file.write_all(b"room for a bundle\n")?;
            file.sync_all()
        });
        let _ = fs::remove_file(&probe);
        written
    };
    attempt().map_err(|error| {
        Trouble::new(format!(
            "bundles cannot be written into {}: {}; name another directory with --out",
            path.display(),
            plain(&error)
        ))
    })
}

/// Reads a text file of at most 64 MiB.
///
/// # Errors
/// If it cannot be read, is larger, or is not text.
pub fn read_text(path: &Path) -> Result<String, Trouble> {
    const LARGEST: u64 = 64 << 20;
    let trouble = |why: String| Trouble::new(format!("cannot read {}: {why}", path.display()));
    let found = fs::metadata(path).map_err(|error| trouble(plain(&error)))?;
    if found.is_dir() {
        return Err(trouble("it is a directory; name the bundle itself".to_owned()));
    }
    if found.len() > LARGEST {
        return Err(trouble(format!("it has {} bytes, a bundle has at most {LARGEST}", found.len())));
    }
    let bytes = fs::read(path).map_err(|error| trouble(plain(&error)))?;
    String::from_utf8(bytes).map_err(|_| trouble("it is not text, so it is no bundle".to_owned()))
}

/// An error without the number that the standard library appends.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_no_neighbour() {
        let directory = std::env::temp_dir().join(format!("seedfast-files-{}", std::process::id()));
        prepare_directory(&directory).expect("the temporary directory can be written");
        let path = directory.join("a.repro");
        write(&path, b"first").expect("there is room");
        write(&path, b"second").expect("there is room");
        assert_eq!(read_text(&path).expect("it was just written"), "second");
        assert_eq!(fs::read_dir(&directory).expect("it exists").count(), 1);
        let under_a_file = path.join("deeper");
        assert!(prepare_directory(&under_a_file).is_err());
        assert!(write(&under_a_file.join("b.repro"), b"x").is_err());
        assert!(write(&directory, b"x").unwrap_err().to_string().contains("is a directory"));
        fs::remove_dir_all(&directory).expect("it is ours");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_device_is_said_in_one_sentence() {
        let sentence = write(Path::new("/dev/full"), b"x").unwrap_err().to_string();
        assert!(sentence.contains("no space left on device"), "{sentence}");
    }
}
