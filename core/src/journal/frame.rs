//! The record frame: 104 bytes of header, then the payload. The log and the snapshot areas use the same one.

use super::layout::GRAIN;
use crate::id::{ClusterId, GroupId};
use alloc::vec::Vec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The bytes "SFJR" with which, after its checksum, every record begins.
pub const MAGIC: u32 = u32::from_le_bytes(*b"SFJR");
/// The version of the format that this code writes, and the highest that it reads.
pub const VERSION: u8 = 1;
/// How many bytes a frame has before its payload.
pub const HEADER: usize = 104;
/// Flag: the last record of its group, or the last piece of its snapshot.
pub const LAST: u8 = 1;
/// In `position`: this is a snapshot piece, not a record of the log.
pub const PIECE: u64 = 1 << 63;
/// In `position` of a snapshot piece: it belongs to area B.
pub const PIECE_IN_B: u64 = 1 << 62;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A ballot was promised: slot 0, no payload.
    Promise = 1,
    /// A vote: the value's id in 8 bytes, then the value.
    Vote = 2,
    /// A decided value that was learned: the value's id in 8 bytes, then the value.
    Learned = 3,
    /// Nothing but the durable mark and the decided prefix that every record carries: no payload.
    Note = 4,
    /// A configuration: the payload is the owner's.
    Configuration = 5,
    /// A piece of a snapshot: the payload is the owner's. Never in the log.
    Piece = 6,
}

impl Kind {
    /// The kind of that number.
    pub const fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Kind::Promise),
            2 => Some(Kind::Vote),
            3 => Some(Kind::Learned),
            4 => Some(Kind::Note),
            5 => Some(Kind::Configuration),
            6 => Some(Kind::Piece),
            _ => None,
        }
    }
}

/// The fields of a frame, as they stand on the device behind the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The format version of its writer.
    pub version: u8,
    /// What the record says: a [`Kind`] by number.
    pub kind: u8,
    /// [`LAST`] or nothing.
    pub flags: u8,
    /// Header and payload, in bytes; zeros up to a multiple of 64 follow.
    pub length: u32,
    /// The group.
    pub group: GroupId,
    /// The cluster.
    pub cluster: ClusterId,
    /// The slot that it is about; of a snapshot piece, the snapshot's.
    pub slot: u64,
    /// The ballot that it is about.
    pub ballot: u64,
    /// The configuration's epoch.
    pub epoch: u32,
    /// The life that wrote it.
    pub incarnation: u32,
    /// From 1, never reused within a chain; of a snapshot piece, its index from 1.
    pub number: u64,
    /// Lap times log size plus offset; of a snapshot piece see [`PIECE`].
    pub position: u64,
    /// The checksum of the record before; of the first piece of a snapshot 0.
    pub previous: u64,
    /// Every record up to this number was known durable when this one was written.
    pub mark: u64,
    /// The decided prefix. The values below it stand in records up to and including this one.
    pub decided: u64,
}

/// Why bytes are no whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFrame {
    /// No frame begins here: the magic is missing.
    Nothing,
    /// One began here once, and is torn, damaged, cut off or seeded with another serial.
    Unreadable,
}

/// A frame whose checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its checksum.
    pub checksum: u64,
    /// Its fields.
    pub header: Header,
    /// What follows the header.
    pub payload: &'a [u8],
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Whether a frame's magic stands at the beginning of `bytes`: the first and cheapest question.
#[inline]
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER && bytes[8..12] == *b"SFJR"
}

impl Header {
    /// The fields of the frame at the beginning of `bytes`, of which nothing is verified.
    ///
    /// # Errors
    /// [`NoFrame::Nothing`] without the magic, [`NoFrame::Unreadable`] if the length is impossible.
    pub fn peek(bytes: &[u8]) -> Result<Header, NoFrame> {
        if !begins(bytes) {
            return Err(NoFrame::Nothing);
        }
        // One check of the length for all of the fields.
        let bytes = &bytes[..bytes.len()];
        let length = word(bytes, 16);
        if (length as usize) < HEADER || length as usize > bytes.len() {
            return Err(NoFrame::Unreadable);
        }
        Ok(Header {
            version: bytes[12],
            kind: bytes[13],
            flags: bytes[14],
            length,
            group: GroupId(word(bytes, 20)),
            cluster: ClusterId(u128::from(long(bytes, 24)) | u128::from(long(bytes, 32)) << 64),
            slot: long(bytes, 40),
            ballot: long(bytes, 48),
            epoch: word(bytes, 56),
            incarnation: word(bytes, 60),
            number: long(bytes, 64),
            position: long(bytes, 72),
            previous: long(bytes, 80),
            mark: long(bytes, 88),
            decided: long(bytes, 96),
        })
    }

    /// Header and payload, zeros up to the grain included: where the next record of the group begins.
    pub fn padded(&self) -> u64 {
        u64::from(self.length).next_multiple_of(GRAIN)
    }

    /// Writes the fields over the first [`HEADER`] bytes of `frame`, the checksum aside.
    pub(super) fn put(&self, frame: &mut [u8]) {
        let frame: &mut [u8; HEADER] = (&mut frame[..HEADER]).try_into().expect("a header's length");
        frame[8..12].copy_from_slice(b"SFJR");
        frame[12] = self.version;
        frame[13] = self.kind;
        frame[14] = self.flags;
        frame[15] = 0;
        frame[16..20].copy_from_slice(&self.length.to_le_bytes());
        frame[20..24].copy_from_slice(&self.group.0.to_le_bytes());
        frame[24..40].copy_from_slice(&self.cluster.0.to_le_bytes());
        frame[40..48].copy_from_slice(&self.slot.to_le_bytes());
        frame[48..56].copy_from_slice(&self.ballot.to_le_bytes());
        frame[56..60].copy_from_slice(&self.epoch.to_le_bytes());
        frame[60..64].copy_from_slice(&self.incarnation.to_le_bytes());
        frame[64..72].copy_from_slice(&self.number.to_le_bytes());
        frame[72..80].copy_from_slice(&self.position.to_le_bytes());
        frame[80..88].copy_from_slice(&self.previous.to_le_bytes());
        frame[88..96].copy_from_slice(&self.mark.to_le_bytes());
        frame[96..104].copy_from_slice(&self.decided.to_le_bytes());
    }
}

/// The checksum of a whole frame: XXH3-64 over bytes 8 to `length`, seeded with the serial.
#[inline]
pub fn checksum(serial: u64, frame: &[u8], length: u32) -> u64 {
    xxh3_64_with_seed(&frame[8..length as usize], serial)
}

/// Writes the checksum of a frame of `length` bytes into its place, and returns it.
pub(super) fn seal(serial: u64, frame: &mut [u8], length: u32) -> u64 {
    let checksum = checksum(serial, frame, length);
    frame[..8].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

/// Appends one frame with zeros up to the grain, and returns its checksum. `header.length` is set here.
pub fn encode(serial: u64, header: &Header, payload: &[u8], bytes: &mut Vec<u8>) -> u64 {
    let start = bytes.len();
    let length = (HEADER + payload.len()) as u32;
    bytes.resize(start + HEADER, 0);
    Header { length, ..*header }.put(&mut bytes[start..]);
    bytes.extend_from_slice(payload);
    let checksum = seal(serial, &mut bytes[start..], length);
    bytes.resize(start + (length as usize).next_multiple_of(GRAIN as usize), 0);
    checksum
}

/// Reads the frame at the beginning of `bytes`; whatever lies behind it does not matter.
///
/// # Errors
/// [`NoFrame`]: no frame begins here, or not a whole one of this serial.
pub fn decode(serial: u64, bytes: &[u8]) -> Result<Frame<'_>, NoFrame> {
    let header = Header::peek(bytes)?;
    let found = long(bytes, 0);
    if checksum(serial, bytes, header.length) != found {
        return Err(NoFrame::Unreadable);
    }
    Ok(Frame { checksum: found, header, payload: &bytes[HEADER..header.length as usize] })
}

impl Frame<'_> {
    /// Whether the body is one that this version could have written: a known kind, the right payload for it, nothing
    /// in the bytes that must be zero.
    pub fn is_well_formed(&self, raw: &[u8]) -> bool {
        let Header { kind, flags, slot, .. } = self.header;
        let body = match Kind::of(kind) {
            Some(Kind::Promise) => self.payload.is_empty() && slot == 0,
            Some(Kind::Note) => self.payload.is_empty(),
            Some(Kind::Vote | Kind::Learned) => self.payload.len() >= 8,
            Some(Kind::Configuration | Kind::Piece) => true,
            None => false,
        };
        body && flags & !LAST == 0 && raw[15] == 0
    }
}
