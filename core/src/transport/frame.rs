//! One frame on a connection, and the decoder that finds frames in bytes however they were cut.
//!
//! ```text
//!  0 checksum u64 over bytes 8..32 | 8 checksum u64 over the frame | 16 length u32 | 20 group u32
//! 24 kind u8 | 25 seven zeros | 32 the frame
//! ```
//! Both checksums are XXH3-64, seeded with the cluster and the sender, so that no byte of another cluster or of another
//! node passes for a frame of this one. The header has a checksum of its own: a damaged length is noticed before anybody
//! waits for, or makes room for, so many bytes. A header is the same for all receivers and made once.

use super::Refused;
use crate::buffer::{Buffer, BufferMut, Pool};
use crate::codec::Write;
use crate::id::{ClusterId, GroupId, Kind, NodeId};
use crate::random::mix;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How long the header before each frame is, in bytes.
pub const HEADER: usize = 32;

/// The header of a frame, as it stands on the wire.
pub type HeaderBytes = [u8; HEADER];

/// What makes frames of one sender its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal(u64);

#[derive(Clone, Copy, Debug)]
struct Header {
    checksum: u64,
    length: u32,
    group: GroupId,
    kind: Kind,
}

impl Seal {
    /// The seal of `from` in `cluster`.
    pub fn new(cluster: ClusterId, from: NodeId) -> Self {
        let cluster = mix(cluster.0 as u64) ^ (cluster.0 >> 64) as u64;
        Seal(mix(mix(cluster) ^ u64::from(from.0)))
    }

    /// The header of a frame.
    ///
    /// # Panics
    /// If the frame has 4 GiB or more.
    pub fn header(&self, kind: Kind, group: GroupId, frame: &[u8]) -> HeaderBytes {
        let length = u32::try_from(frame.len()).expect("a frame is below 4 GiB");
        let mut header = [0; HEADER];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(8, &xxh3_64_with_seed(frame, self.0).to_le_bytes());
        put(16, &length.to_le_bytes());
        put(20, &group.0.to_le_bytes());
        put(24, &[kind.0]);
        let checksum = xxh3_64_with_seed(&header[8..], self.0);
        header[..8].copy_from_slice(&checksum.to_le_bytes());
        header
    }

    /// Appends a frame behind its header.
    pub fn encode(&self, kind: Kind, group: GroupId, frame: &[u8], into: &mut alloc::vec::Vec<u8>) {
        into.bytes(&self.header(kind, group, frame));
        into.bytes(frame);
    }

    fn open(&self, header: &HeaderBytes, limit: u32) -> Result<Header, Refused> {
        let u64_at = |at: usize| u64::from_le_bytes(core::array::from_fn(|index| header[at + index]));
        let u32_at = |at: usize| u32::from_le_bytes(core::array::from_fn(|index| header[at + index]));
        if xxh3_64_with_seed(&header[8..], self.0) != u64_at(0) {
            return Err(Refused::Damaged);
        }
        let length = u32_at(16);
        if length > limit {
            return Err(Refused::Oversize { length, limit });
        }
        Ok(Header { checksum: u64_at(8), length, group: GroupId(u32_at(20)), kind: Kind(header[24]) })
    }
}

/// Finds the frames in a stream of bytes. It holds the frame that is not whole yet and nothing else, and makes room for
/// no more than the limit.
pub struct Decoder {
    seal: Seal,
    limit: u32,
    header: HeaderBytes,
    /// How many bytes of `header` have come.
    have: usize,
    open: Option<(Header, BufferMut)>,
    refused: Option<Refused>,
}

impl Decoder {
    /// A decoder for a connection behind its hello. `limit` is the longest frame that is taken, in bytes.
    pub fn new(seal: Seal, limit: u32) -> Self {
        Decoder { seal, limit, header: [0; HEADER], have: 0, open: None, refused: None }
    }

    /// Takes the next bytes and hands over every frame that they complete, in order.
    ///
    /// # Errors
    /// Damage, a foreign sender or an oversized frame; frames before it have been handed over, and nothing is taken any
    /// more: where the next frame begins cannot be known.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        pool: &mut Pool,
        mut each: impl FnMut(Kind, GroupId, Buffer),
    ) -> Result<(), Refused> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        loop {
            let Some((header, _)) = &self.open else {
                if bytes.is_empty() {
                    return Ok(());
                }
                let taken = bytes.len().min(HEADER - self.have);
                self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
                self.have += taken;
                bytes = &bytes[taken..];
                if self.have == HEADER {
                    let header = self.seal.open(&self.header, self.limit).map_err(|why| self.refuse(why))?;
                    let mut frame = pool.take();
                    frame.reserve(header.length as usize);
                    self.open = Some((header, frame));
                }
                continue;
            };
            let length = header.length as usize;
            let Some((_, frame)) = &mut self.open else { continue };
            let taken = bytes.len().min(length - frame.len());
            frame.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if frame.len() < length {
                return Ok(());
            }
            self.have = 0;
            if let Some((header, frame)) = self.open.take() {
                if xxh3_64_with_seed(&frame, self.seal.0) != header.checksum {
                    return Err(self.refuse(Refused::Damaged));
                }
                each(header.kind, header.group, frame.freeze());
            }
        }
    }

    /// How many bytes it has made room for.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.open.as_ref().map_or(0, |(_, frame)| frame.capacity())
    }

    fn refuse(&mut self, why: Refused) -> Refused {
        self.refused = Some(why);
        self.open = None;
        why
    }
}
