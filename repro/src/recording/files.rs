//! Recordings as files.

use crate::trouble::Trouble;
use seedfast_core::recording::{MAGIC, Source};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What the name of a recording ends with.
const EXTENSION: &str = "rec";

/// A file that is read from its beginning to its end.
pub(super) struct Bytes(File);

impl Source for Bytes {
    type Error = io::Error;

    fn read(&mut self, into: &mut Vec<u8>, count: usize) -> io::Result<()> {
        (&mut self.0).take(count as u64).read_to_end(into).map(|_| ())
    }
}

/// The recordings that `path` means: itself, or all in it in the order of their names. None if it is something else.
///
/// # Errors
/// It cannot be looked at.
pub(super) fn find(path: &Path) -> Result<Option<Vec<PathBuf>>, Trouble> {
    let trouble = |why: io::Error| Trouble::new(format!("{} cannot be read: {why}", path.display()));
    let Ok(found) = fs::metadata(path) else { return Ok(None) };
    if !found.is_dir() {
        let mut magic = Vec::new();
        File::open(path)
            .map(Bytes)
            .and_then(|mut file| file.read(&mut magic, MAGIC.len()))
            .map_err(trouble)?;
        // Of whatever version: this build then says that it does not know it.
        return Ok(magic.starts_with(&MAGIC[..7]).then(|| vec![path.to_path_buf()]));
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(trouble)? {
        let path = entry.map_err(trouble)?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(Trouble::new(format!(
            "{} is a directory without a recording (`.{EXTENSION}`): name one that `seedfast-kv serve --record` \
             wrote, or a bundle's file",
            path.display()
        )));
    }
    Ok(Some(paths))
}

/// Opens a recording.
///
/// # Errors
/// It cannot be opened.
pub(super) fn open(path: &Path) -> io::Result<Bytes> {
    File::open(path).map(Bytes)
}
