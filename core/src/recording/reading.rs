//! Reads a recording, block by block, as far as it is whole.

use super::block::{HEAD, Head};
use super::record::Records;
use super::{Header, MAGIC, Record};
use crate::buffer::Buffer;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;

/// Where the bytes of a recording come from.
pub trait Source {
    /// Why they cannot be had.
    type Error;

    /// Appends the next `count` bytes; fewer only at the end.
    ///
    /// # Errors
    /// They cannot be had.
    fn read(&mut self, into: &mut Vec<u8>, count: usize) -> Result<(), Self::Error>;
}

impl Source for &[u8] {
    type Error = Infallible;

    fn read(&mut self, into: &mut Vec<u8>, count: usize) -> Result<(), Infallible> {
        let (taken, rest) = self.split_at(count.min(self.len()));
        into.extend_from_slice(taken);
        *self = rest;
        Ok(())
    }
}

/// Why there is nothing more to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable<E> {
    /// The bytes cannot be had.
    Source(E),
    /// It does not begin like a recording.
    NotOne,
    /// It is a recording of a format that this build does not know.
    Version(u8),
    /// Bytes that were written whole are not what was written.
    Damaged {
        /// Where the block begins that they belong to, in bytes from the beginning.
        at: u64,
    },
    /// The last block was never written whole: whoever wrote it was killed, or still writes.
    Torn {
        /// Where it begins.
        at: u64,
    },
}

impl<E: fmt::Display> fmt::Display for Unreadable<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Source(why) => write!(f, "it cannot be read: {why}"),
            Unreadable::NotOne => f.write_str("it is no recording: it does not begin like one"),
            Unreadable::Version(version) => {
                write!(f, "it is a recording of format {version}, and this build reads format {}", MAGIC[7])
            }
            Unreadable::Damaged { at } => {
                write!(f, "it is damaged at byte {at}: what follows cannot be replayed")
            }
            Unreadable::Torn { at } => write!(
                f,
                "its last block, at byte {at}, was never written whole: whoever wrote it was killed, or still writes"
            ),
        }
    }
}

/// A recording that is read from its beginning.
pub struct Reading<S> {
    source: S,
    /// Where the next block begins.
    at: u64,
    /// Where the current block begins.
    block: u64,
    number: u32,
    header: Header,
    records: Records,
}

impl<S: Source> Reading<S> {
    /// Reads the header.
    ///
    /// # Errors
    /// It is no recording, or one whose header cannot be read.
    pub fn open(mut source: S) -> Result<Self, Unreadable<S::Error>> {
        let mut magic = Vec::new();
        source.read(&mut magic, MAGIC.len()).map_err(Unreadable::Source)?;
        if magic != MAGIC {
            return Err(match magic.split_last() {
                Some((version, name)) if name == &MAGIC[..7] => Unreadable::Version(*version),
                _ if MAGIC.starts_with(&magic) => Unreadable::Torn { at: 0 },
                _ => Unreadable::NotOne,
            });
        }
        let at = magic.len() as u64;
        let content = content(&mut source, at, 0)?.ok_or(Unreadable::Torn { at })?;
        let header = Header::decode(&content).map_err(|_| Unreadable::Damaged { at })?;
        let next = at + (HEAD + content.len()) as u64;
        let records = Records::new(Buffer::new());
        Ok(Reading { source, at: next, block: at, number: 0, header, records })
    }

    /// What the process was made from.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next record; `None` where the bytes end behind a whole block.
    ///
    /// # Errors
    /// The next block is not whole. Everything before it was.
    pub fn record(&mut self) -> Result<Option<Record>, Unreadable<S::Error>> {
        loop {
            match self.records.next() {
                Ok(None) => {}
                Ok(record) => return Ok(record),
                Err(_) => return Err(Unreadable::Damaged { at: self.block }),
            }
            self.number += 1;
            let Some(content) = content(&mut self.source, self.at, self.number)? else { return Ok(None) };
            self.block = self.at;
            self.at += (HEAD + content.len()) as u64;
            self.records = Records::new(Buffer::from(content));
        }
    }
}

/// The content of block `number`, which begins at `at`; `None` at the end.
fn content<S: Source>(source: &mut S, at: u64, number: u32) -> Result<Option<Vec<u8>>, Unreadable<S::Error>> {
    let mut bytes = Vec::new();
    source.read(&mut bytes, HEAD).map_err(Unreadable::Source)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Err(Unreadable::Torn { at }) };
    let Some(head) = Head::read(head, number) else {
        // A machine that lost its power may leave zeros where the file had grown.
        while bytes.iter().all(|byte| *byte == 0) {
            bytes.clear();
            source.read(&mut bytes, 64 << 10).map_err(Unreadable::Source)?;
            if bytes.is_empty() {
                return Err(Unreadable::Torn { at });
            }
        }
        return Err(Unreadable::Damaged { at });
    };
    bytes.clear();
    source.read(&mut bytes, head.length).map_err(Unreadable::Source)?;
    if bytes.len() < head.length {
        return Err(Unreadable::Torn { at });
    }
    if head.holds(&bytes) { Ok(Some(bytes)) } else { Err(Unreadable::Damaged { at }) }
}
