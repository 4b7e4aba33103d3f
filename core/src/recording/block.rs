//! Blocks: the unit that is whole or torn.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Before the content of a block: its length (4), its number in the file from 0 (4), the checksum of the content (8,
/// XXH3-64 seeded with the number) and that of these sixteen bytes (8).
pub(super) const HEAD: usize = 24;
/// No block holds more: a length beyond it is damage, not a large block.
pub(super) const LARGEST: usize = 1 << 30;

/// Makes a block of `bytes`, whose first 24 bytes were left free for its head.
///
/// # Panics
/// If there are fewer, or more than 1 GiB.
pub fn seal(bytes: &mut [u8], number: u32) {
    let (head, content) = bytes.split_first_chunk_mut::<HEAD>().expect("room for the head was left");
    assert!(content.len() <= LARGEST, "a block holds at most 1 GiB");
    head[0..4].copy_from_slice(&(content.len() as u32).to_le_bytes());
    head[4..8].copy_from_slice(&number.to_le_bytes());
    head[8..16].copy_from_slice(&xxh3_64_with_seed(content, number.into()).to_le_bytes());
    let own = xxh3_64(&head[..16]);
    head[16..24].copy_from_slice(&own.to_le_bytes());
}

/// The head of a block.
pub(super) struct Head {
    pub(super) length: usize,
    number: u32,
    checksum: u64,
}

impl Head {
    /// The head of block `number`; `None` if these bytes are not one.
    pub(super) fn read(bytes: &[u8; HEAD], number: u32) -> Option<Head> {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let head = Head { length: word(0) as usize, number: word(4), checksum: long(8) };
        let whole = long(16) == xxh3_64(&bytes[..16]) && head.number == number && head.length <= LARGEST;
        whole.then_some(head)
    }

    /// Whether this is its content.
    pub(super) fn holds(&self, content: &[u8]) -> bool {
        content.len() == self.length && self.checksum == xxh3_64_with_seed(content, self.number.into())
    }
}
