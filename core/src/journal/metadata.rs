//! The metadata: two copies, updated one behind the other, so that one of them is whole at every moment.

use super::layout::{Identity, Layout, Standing};
use crate::codec::Write;
use crate::id::{ClusterId, GroupId, NodeId};
use alloc::vec::Vec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The bytes "SFJM" with which, after its checksum, a metadata copy begins.
pub const METADATA_MAGIC: u32 = u32::from_le_bytes(*b"SFJM");
/// The seed of a metadata copy's checksum: the metadata brings the serial, so it cannot be seeded with it.
pub const METADATA_SEED: u64 = u64::from_le_bytes(*b"SFJMETA1");
/// How many bytes metadata takes before the configuration.
pub const FIXED: u64 = 200;

/// Where the log begins: the oldest record that still counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Its position: lap times log size plus offset.
    pub position: u64,
    /// The checksum of the record before it; 0 for the first of all.
    pub previous: u64,
}

/// The snapshot that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// In which area: 0 for A, 1 for B.
    pub area: u8,
    /// Every slot below it is in the snapshot.
    pub slot: u64,
    /// How many pieces.
    pub pieces: u32,
    /// How many bytes of the area they take.
    pub bytes: u64,
    /// The checksum of the last piece; through the chain it vouches for all.
    pub checksum: u64,
    /// The digest of the state, as its owner computes it.
    pub digest: u64,
}

/// Everything that a metadata copy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Who the device belongs to.
    pub identity: Identity,
    /// Where the parts stand.
    pub layout: Layout,
    /// How large the device was when it was formatted, in bytes.
    pub capacity: u64,
    /// Counts updates, from 1.
    pub generation: u64,
    /// The life that wrote it; 0 for the formatting.
    pub incarnation: u32,
    /// A ballot was promised at least as high as this.
    pub promised: u64,
    /// Everything below this slot is decided, and its values stand in the snapshot or in the log.
    pub decided: u64,
    /// Every record up to this number was durable when this was written.
    pub mark: u64,
    /// Where the log begins.
    pub head: Head,
    /// The snapshot that counts, if there is one.
    pub snapshot: Option<Snapshot>,
    /// The configuration's epoch.
    pub epoch: u32,
    /// The configuration, as its owner encodes it.
    pub configuration: Vec<u8>,
}

/// What stands where a metadata copy should.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "two of them live on the stack for a moment, and never in a list"
)]
pub enum MetadataCopy {
    /// A whole one.
    Whole(Metadata),
    /// Nothing but zeros.
    Empty,
    /// Something that was never a metadata copy.
    Unknown,
    /// A metadata copy that is torn or damaged.
    Damaged,
    /// A whole one of a later format, of that version.
    Newer(u8),
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

impl Metadata {
    /// Appends the encoding, without the zeros that fill the copy's place.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        let length = FIXED as u32 + self.configuration.len() as u32;
        bytes.u64(0);
        bytes.u32(METADATA_MAGIC);
        bytes.u8(super::frame::VERSION);
        bytes.u8(match self.identity.standing {
            Standing::Founding => 1,
            Standing::Replacement => 2,
        });
        bytes.u16(0);
        bytes.u32(length);
        bytes.u32(self.identity.group.0);
        bytes.u64(self.identity.cluster.0 as u64);
        bytes.u64((self.identity.cluster.0 >> 64) as u64);
        bytes.u64(self.identity.serial);
        bytes.u32(u32::from(self.identity.node.0));
        bytes.u32(self.incarnation);
        bytes.u64(self.generation);
        bytes.u64(self.capacity);
        bytes.u32(self.layout.unit as u32);
        bytes.u32(self.layout.copy as u32);
        bytes.u32(self.layout.segments);
        bytes.u32(0);
        bytes.u64(self.layout.segment);
        bytes.u64(self.layout.area);
        bytes.u64(self.promised);
        bytes.u64(self.decided);
        bytes.u64(self.mark);
        bytes.u64(self.head.number);
        bytes.u64(self.head.position);
        bytes.u64(self.head.previous);
        let none = Snapshot { area: 0, slot: 0, pieces: 0, bytes: 0, checksum: 0, digest: 0 };
        let snapshot = self.snapshot.unwrap_or(none);
        bytes.u64(snapshot.slot);
        bytes.u64(snapshot.bytes);
        bytes.u64(snapshot.checksum);
        bytes.u64(snapshot.digest);
        bytes.u32(snapshot.pieces);
        bytes.u32(self.snapshot.map_or(0, |snapshot| u32::from(snapshot.area) + 1));
        bytes.u32(self.epoch);
        bytes.u32(self.configuration.len() as u32);
        bytes.extend_from_slice(&self.configuration);
        let checksum = xxh3_64_with_seed(&bytes[start + 8..], METADATA_SEED);
        bytes[start..start + 8].copy_from_slice(&checksum.to_le_bytes());
    }

    /// What stands at the beginning of `bytes`, of which the copy's place is no longer.
    pub fn read(bytes: &[u8]) -> MetadataCopy {
        if bytes.len() < FIXED as usize || word(bytes, 8) != METADATA_MAGIC {
            let blank = bytes.iter().take(FIXED as usize).all(|byte| *byte == 0);
            return if blank { MetadataCopy::Empty } else { MetadataCopy::Unknown };
        }
        let length = word(bytes, 16) as usize;
        if !(FIXED as usize..=bytes.len()).contains(&length)
            || long(bytes, 0) != xxh3_64_with_seed(&bytes[8..length], METADATA_SEED)
        {
            return MetadataCopy::Damaged;
        }
        if bytes[12] > super::frame::VERSION {
            return MetadataCopy::Newer(bytes[12]);
        }
        Self::fields(&bytes[..length]).map_or(MetadataCopy::Damaged, MetadataCopy::Whole)
    }

    /// The fields of a copy whose checksum holds; `None` if they make no sense together.
    fn fields(bytes: &[u8]) -> Option<Metadata> {
        let standing = match bytes[13] {
            1 => Standing::Founding,
            2 => Standing::Replacement,
            _ => return None,
        };
        let layout = Layout {
            unit: u64::from(word(bytes, 72)),
            copy: u64::from(word(bytes, 76)),
            segments: word(bytes, 80),
            segment: long(bytes, 88),
            area: long(bytes, 96),
        };
        layout.check().ok()?;
        let head = Head { number: long(bytes, 128), position: long(bytes, 136), previous: long(bytes, 144) };
        let snapshot = match word(bytes, 188) {
            0 => None,
            area @ 1..=2 => Some(Snapshot {
                area: area as u8 - 1,
                slot: long(bytes, 152),
                bytes: long(bytes, 160),
                checksum: long(bytes, 168),
                digest: long(bytes, 176),
                pieces: word(bytes, 184),
            }),
            _ => return None,
        };
        let configuration = bytes[FIXED as usize..].to_vec();
        let sane = bytes[12] > 0
            && word(bytes, 48) < 256
            && word(bytes, 196) as usize == configuration.len()
            && head.number > 0
            && head.position.is_multiple_of(super::layout::GRAIN)
            && head.position < 1 << 62
            && layout.end() <= long(bytes, 64)
            && snapshot.is_none_or(|snapshot| snapshot.bytes <= layout.area);
        sane.then_some(Metadata {
            identity: Identity {
                cluster: ClusterId(u128::from(long(bytes, 24)) | u128::from(long(bytes, 32)) << 64),
                group: GroupId(word(bytes, 20)),
                node: NodeId(bytes[48]),
                serial: long(bytes, 40),
                standing,
            },
            layout,
            capacity: long(bytes, 64),
            generation: long(bytes, 56),
            incarnation: word(bytes, 52),
            promised: long(bytes, 104),
            decided: long(bytes, 112),
            mark: long(bytes, 120),
            head,
            snapshot,
            epoch: word(bytes, 192),
            configuration,
        })
    }
}
