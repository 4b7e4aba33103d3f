//! What streams are cut into: chunks, each of them one message of the world.
//!
//! ```text
//! checksum u64 | version u8 | flags u8 | port u16 | stream u64 | at u64 | received u64 | limit u64 | payload ...
//! ```
//! The checksum is XXH3-64 of everything behind it. Integers are little-endian.

use seedfast_core::codec::{Malformed, Reader, Write};
use xxhash_rust::xxh3::xxh3_64;

const VERSION: u8 = 1;

/// What a chunk means beside its payload.
pub(crate) mod flag {
    /// The first of its stream: somebody wants to talk to `port`.
    pub(crate) const OPEN: u8 = 1;
    /// No byte follows behind the payload.
    pub(crate) const END: u8 = 2;
    /// The stream does not exist (any more).
    pub(crate) const RESET: u8 = 4;
    /// To be answered at once.
    pub(crate) const PROBE: u8 = 8;
}

/// One chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    /// See [`flag`].
    pub(crate) flags: u8,
    /// Where the stream was opened to.
    pub(crate) port: u16,
    /// Which stream, as its opener named it.
    pub(crate) stream: u64,
    /// The offset of the payload in the sender's half.
    pub(crate) at: u64,
    /// Up to which offset the sender has received the other half; its end counts as one byte.
    pub(crate) received: u64,
    /// Up to which offset the sender takes the other half.
    pub(crate) limit: u64,
    /// Bytes.
    pub(crate) payload: &'a [u8],
}

impl<'a> Chunk<'a> {
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.u64(0);
        out.u8(VERSION);
        out.u8(self.flags);
        out.u16(self.port);
        out.u64(self.stream);
        out.u64(self.at);
        out.u64(self.received);
        out.u64(self.limit);
        out.bytes(self.payload);
        let checksum = xxh3_64(&out[start + 8..]);
        out[start..start + 8].copy_from_slice(&checksum.to_le_bytes());
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(bytes);
        if fields.u64()? != xxh3_64(&bytes[8..]) || fields.u8()? != VERSION {
            return Err(Malformed);
        }
        Ok(Chunk {
            flags: fields.u8()?,
            port: fields.u16()?,
            stream: fields.u64()?,
            at: fields.u64()?,
            received: fields.u64()?,
            limit: fields.u64()?,
            payload: fields.bytes(fields.remaining())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_comes_back_as_it_went_in_and_a_damaged_one_is_refused() {
        let chunk = Chunk {
            flags: flag::OPEN,
            port: 7,
            stream: 9,
            at: 1,
            received: 2,
            limit: 3,
            payload: b"some bytes",
        };
        let mut bytes = Vec::new();
        chunk.encode(&mut bytes);
        assert_eq!(Chunk::decode(&bytes), Ok(chunk));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Chunk::decode(&damaged), Err(Malformed), "bit {bit}");
        }
    }
}
