//! The durable mark's second copy: how far the log was durable when it came to rest.

use super::frame::VERSION;
use super::layout::Identity;
use crate::id::{ClusterId, GroupId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How many bytes a mark takes; zeros fill its unit.
pub const MARK: usize = 64;

/// What one copy of the mark says: every record up to `number` was durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The cluster.
    pub cluster: ClusterId,
    /// The group.
    pub group: GroupId,
    /// The life that wrote it.
    pub incarnation: u32,
    /// The number of the last durable record.
    pub number: u64,
    /// The checksum of that record.
    pub checksum: u64,
}

/// What stands where a mark should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkCopy {
    /// A whole one.
    Whole(Mark),
    /// It was never written.
    Empty,
    /// It is torn, damaged or another journal's.
    Unreadable,
}

impl Mark {
    /// The encoding, seeded with the serial of `identity`.
    pub fn encode(&self, serial: u64) -> [u8; MARK] {
        let mut bytes = [0; MARK];
        bytes[8..12].copy_from_slice(b"SFJD");
        bytes[12] = VERSION;
        bytes[16..32].copy_from_slice(&self.cluster.0.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.group.0.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.incarnation.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.number.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.checksum.to_le_bytes());
        let checksum = xxh3_64_with_seed(&bytes[8..], serial);
        bytes[..8].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// What stands at the beginning of `bytes`, as a mark of `identity`'s journal.
    pub fn read(identity: &Identity, bytes: &[u8]) -> MarkCopy {
        let Some(bytes) = bytes.first_chunk::<MARK>() else { return MarkCopy::Unreadable };
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        if bytes == &[0; MARK] {
            return MarkCopy::Empty;
        }
        let mark = Mark {
            cluster: ClusterId(u128::from(long(16)) | u128::from(long(24)) << 64),
            group: GroupId(word(32)),
            incarnation: word(36),
            number: long(40),
            checksum: long(48),
        };
        let whole = bytes[8..12] == *b"SFJD"
            && mark.cluster == identity.cluster
            && mark.group == identity.group
            && long(0) == xxh3_64_with_seed(&bytes[8..], identity.serial);
        if whole { MarkCopy::Whole(mark) } else { MarkCopy::Unreadable }
    }
}
