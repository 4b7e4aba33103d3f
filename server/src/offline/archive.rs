//! The file of a backup: what counts of one device, piece by piece, each with its checksum (`docs/backup.md`).
//!
//! It can be read as the device that it was made from: what was left out is zeros.

use super::medium::Source;
use crate::identity::{self, Identity};
use seedfast_core::storage::{Failure, Range};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

const MAGIC: &[u8; 8] = b"SFBACKUP";
const VERSION: u32 = 1;
const HEADER: usize = 128;
/// Checksum, offset and length of a part.
const PART: usize = 24;
/// A part has no more than this, in bytes, so that damage is told within narrow bounds.
const LARGEST: u64 = 1 << 20;
/// The text of `identity` is a few hundred bytes.
const TEXT: u64 = 64 << 10;
const SEED: u64 = u64::from_le_bytes(*MAGIC);

/// Why a file cannot be used as a backup.
#[derive(Debug)]
pub(crate) enum Unusable {
    Io(PathBuf, io::Error),
    /// It begins with something else.
    NoBackup(PathBuf),
    /// Whoever wrote it did not come to the end.
    Unfinished(PathBuf),
    Newer(PathBuf, u32),
    /// The header, the identity, or the part at that offset of the file.
    Damaged(PathBuf, u64),
    Short {
        path: PathBuf,
        has: u64,
        takes: u64,
    },
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Io(path, why) => write!(f, "{}: {why}", path.display()),
            Unusable::NoBackup(path) => write!(f, "{} is no backup of seedfast-kv", path.display()),
            Unusable::Unfinished(path) => write!(
                f,
                "{}: the backup was interrupted while it was written: make it again",
                path.display()
            ),
            Unusable::Newer(path, version) => write!(
                f,
                "{} has format version {version} and this program reads up to {VERSION}: use a newer program",
                path.display()
            ),
            Unusable::Damaged(path, at) => write!(
                f,
                "{} is damaged at byte {at}: take another copy of it, or the backup of another replica",
                path.display()
            ),
            Unusable::Short { path, has, takes } => write!(
                f,
                "{} has {has} bytes and the backup takes {takes}: take a whole copy of it",
                path.display()
            ),
        }
    }
}

impl Unusable {
    /// Whether another file was meant, or another program, or the file cannot be read here: nothing is known to be wrong
    /// with a backup.
    pub(crate) fn is_usage(&self) -> bool {
        match self {
            Unusable::Io(..) | Unusable::NoBackup(_) | Unusable::Newer(..) => true,
            Unusable::Unfinished(_) | Unusable::Damaged(..) | Unusable::Short { .. } => false,
        }
    }
}

/// A backup whose every byte was verified.
pub(crate) struct Archive {
    file: File,
    /// Of the device that it was made from, in bytes.
    capacity: u64,
    /// What stands for its contents: the same parts have the same.
    pub(crate) content: u64,
    /// When it was made, in seconds since 1970.
    pub(crate) taken: u64,
    pub(crate) identity: Identity,
    /// Where each part stood on the device, and where it stands in the file.
    parts: Vec<(Range, u64)>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Whether a file begins as a backup does, or as one that was interrupted: the identity behind a header of zeros.
pub(crate) fn is_one(path: &Path) -> bool {
    let mut front = [0; HEADER + identity::TITLE.len()];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut front, 0));
    let (header, text) = front.split_at(HEADER);
    let interrupted = header.iter().all(|byte| *byte == 0) && text == identity::TITLE.as_bytes();
    read.is_ok() && (header[8..16] == *MAGIC || interrupted)
}

impl Archive {
    /// Opens a backup, and verifies all of it.
    ///
    /// # Errors
    /// It is none, or not a whole one.
    pub(crate) fn open(path: &Path) -> Result<Self, Unusable> {
        let failed = |why: io::Error| Unusable::Io(path.to_owned(), why);
        let damaged = |at: u64| Unusable::Damaged(path.to_owned(), at);
        let file = File::open(path).map_err(failed)?;
        let has = (&file).seek(SeekFrom::End(0)).map_err(failed)?;
        let mut header = [0; HEADER];
        if has < HEADER as u64 {
            return Err(Unusable::NoBackup(path.to_owned()));
        }
        file.read_exact_at(&mut header, 0).map_err(failed)?;
        if header == [0; HEADER] {
            return Err(Unusable::Unfinished(path.to_owned()));
        }
        if header[8..16] != *MAGIC {
            return Err(Unusable::NoBackup(path.to_owned()));
        }
        let version = word(&header, 16);
        if version > VERSION {
            return Err(Unusable::Newer(path.to_owned(), version));
        }
        if long(&header, 0) != xxh3_64_with_seed(&header[8..], SEED) || version == 0 {
            return Err(damaged(0));
        }
        let (count, takes, content) = (word(&header, 20), long(&header, 24), long(&header, 32));
        if has != takes {
            return Err(Unusable::Short { path: path.to_owned(), has, takes });
        }
        let text_length = u64::from(word(&header, 56));
        let mut reader = BufReader::new(&file);
        reader.seek(SeekFrom::Start(HEADER as u64)).map_err(failed)?;
        let mut text = vec![0; text_length.min(TEXT) as usize];
        reader.read_exact(&mut text).map_err(failed)?;
        let sound = long(&header, 64) == xxh3_64_with_seed(&text, SEED);
        let identity =
            String::from_utf8(text).ok().filter(|_| sound).and_then(|text| identity::decode(&text));
        let identity = identity.ok_or_else(|| damaged(HEADER as u64))?;
        let mut at = HEADER as u64 + text_length;
        let (mut parts, mut digest) = (Vec::new(), Xxh3::new());
        for index in 0..u64::from(count) {
            let mut front = [0; PART];
            reader.read_exact(&mut front).map_err(|_| damaged(at))?;
            let range = Range { at: long(&front, 8), length: long(&front, 16) };
            let fits = range.at.checked_add(range.length).is_some_and(|end| end <= long(&header, 48));
            if range.length > LARGEST || !fits {
                return Err(damaged(at));
            }
            let mut bytes = front.to_vec();
            bytes.resize(PART + range.length as usize, 0);
            reader.read_exact(&mut bytes[PART..]).map_err(|_| damaged(at))?;
            if long(&front, 0) != xxh3_64_with_seed(&bytes[8..], index) {
                return Err(damaged(at));
            }
            digest.update(&front[..8]);
            parts.push((range, at + PART as u64));
            at += PART as u64 + range.length;
        }
        if at != takes || digest.digest() != content {
            return Err(damaged(at.min(takes)));
        }
        Ok(Archive { file, capacity: long(&header, 48), content, taken: long(&header, 40), identity, parts })
    }
}

impl Source for Archive {
    fn length(&self) -> u64 {
        self.capacity
    }

    fn read(&self, range: Range) -> Result<Vec<u8>, Failure> {
        let mut bytes = vec![0; range.length as usize];
        for (part, at) in &self.parts {
            let from = range.at.max(part.at);
            let to = (range.at + range.length).min(part.at + part.length);
            if from < to {
                let place = &mut bytes[(from - range.at) as usize..(to - range.at) as usize];
                self.file.read_exact_at(place, at + from - part.at).map_err(|_| Failure::Device)?;
            }
        }
        Ok(bytes)
    }
}

/// Writes a backup of `ranges` of `source` where no file is, durably. The header comes last: what was interrupted is no
/// backup.
///
/// # Errors
/// What the file system says, or the medium; then there is no file.
pub(crate) fn write(
    path: &Path,
    source: &dyn Source,
    identity: &Identity,
    ranges: &[Range],
    taken: u64,
) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let written = fill(&file, source, identity, ranges, taken);
    if written.is_err() {
        let _ = std::fs::remove_file(path);
        return written;
    }
    // The name, too, must survive.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn fill(
    file: &File,
    source: &dyn Source,
    identity: &Identity,
    ranges: &[Range],
    taken: u64,
) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    let text = identity.encode();
    out.write_all(&[0; HEADER])?;
    out.write_all(text.as_bytes())?;
    let mut length = (HEADER + text.len()) as u64;
    let (mut index, mut digest) = (0_u64, Xxh3::new());
    for range in ranges {
        let end = range.at + range.length;
        let mut at = range.at;
        while at < end {
            let part = Range { at, length: LARGEST.min(end - at) };
            let read = source.read(part);
            let read =
                read.map_err(|_| io::Error::other(format!("the device cannot be read at byte {at}")))?;
            let mut bytes = vec![0; 8];
            bytes.extend_from_slice(&part.at.to_le_bytes());
            bytes.extend_from_slice(&part.length.to_le_bytes());
            bytes.extend_from_slice(&read);
            let checksum = xxh3_64_with_seed(&bytes[8..], index).to_le_bytes();
            bytes[..8].copy_from_slice(&checksum);
            digest.update(&checksum);
            out.write_all(&bytes)?;
            length += bytes.len() as u64;
            (index, at) = (index + 1, at + part.length);
        }
    }
    out.flush()?;
    file.sync_data()?;
    let mut header = [0; HEADER];
    header[8..16].copy_from_slice(MAGIC);
    header[16..20].copy_from_slice(&VERSION.to_le_bytes());
    header[20..24].copy_from_slice(&(index as u32).to_le_bytes());
    header[24..32].copy_from_slice(&length.to_le_bytes());
    header[32..40].copy_from_slice(&digest.digest().to_le_bytes());
    header[40..48].copy_from_slice(&taken.to_le_bytes());
    header[48..56].copy_from_slice(&source.length().to_le_bytes());
    header[56..60].copy_from_slice(&(text.len() as u32).to_le_bytes());
    header[64..72].copy_from_slice(&xxh3_64_with_seed(text.as_bytes(), SEED).to_le_bytes());
    let checksum = xxh3_64_with_seed(&header[8..], SEED);
    header[..8].copy_from_slice(&checksum.to_le_bytes());
    file.write_all_at(&header, 0)?;
    file.sync_all()
}
