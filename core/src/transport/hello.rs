//! The first bytes in each direction of a connection between replicas.
//!
//! ```text
//!  0 "SEEDFAST" | 8 newest version u16 | 10 oldest version u16 | 12 from u8 | 13 to u8 | 14 zero u16
//! 16 cluster u128 | 32 frame limit u32 | 36 zero u32 | 40 checksum u64 over bytes 0..40
//! ```
//! Numbers are little end first. This shape is the same in every version, so that two nodes that understand nothing
//! else of each other can still say so. No group is named: one connection carries all of them.

use super::Refused;
use crate::codec::{Reader, Write};
use crate::id::{ClusterId, NodeId};
use alloc::vec::Vec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How long a hello is, in bytes.
pub const HELLO: usize = 48;
/// The newest and the oldest version of the transport that this build speaks.
pub const VERSION: u16 = 1;
/// See [`VERSION`].
pub const OLDEST: u16 = 1;

const MAGIC: &[u8; 8] = b"SEEDFAST";
const SEED: u64 = 0x5eed_fa57_0000_0001;

/// Who speaks to whom, and what it understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The newest and the oldest version that the speaker understands.
    pub versions: (u16, u16),
    /// Its cluster.
    pub cluster: ClusterId,
    /// Who speaks.
    pub from: NodeId,
    /// Whom it means to reach.
    pub to: NodeId,
    /// The longest frame that it takes, in bytes.
    pub frame_limit: u32,
}

impl Hello {
    /// The hello of this build.
    pub fn new(cluster: ClusterId, from: NodeId, to: NodeId, frame_limit: u32) -> Self {
        Hello { versions: (VERSION, OLDEST), cluster, from, to, frame_limit }
    }

    /// Appends its [`HELLO`] bytes.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let start = into.len();
        into.bytes(MAGIC);
        into.u16(self.versions.0);
        into.u16(self.versions.1);
        into.u8(self.from.0);
        into.u8(self.to.0);
        into.u16(0);
        into.bytes(&self.cluster.0.to_le_bytes());
        into.u32(self.frame_limit);
        into.u32(0);
        let checksum = xxh3_64_with_seed(&into[start..], SEED);
        into.u64(checksum);
    }

    /// Reads one from exactly [`HELLO`] bytes.
    ///
    /// # Errors
    /// [`Refused::NotAPeer`] and [`Refused::Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        if !bytes.starts_with(MAGIC) || bytes.len() != HELLO {
            return Err(Refused::NotAPeer);
        }
        let (body, checksum) = bytes.split_at(HELLO - 8);
        if xxh3_64_with_seed(body, SEED).to_le_bytes() != checksum {
            return Err(Refused::Damaged);
        }
        let mut reader = Reader::new(&body[MAGIC.len()..]);
        let mut fields = || -> Result<Hello, crate::codec::Malformed> {
            let versions = (reader.u16()?, reader.u16()?);
            let (from, to) = (NodeId(reader.u8()?), NodeId(reader.u8()?));
            reader.u16()?;
            let mut cluster = [0; 16];
            cluster.copy_from_slice(reader.bytes(16)?);
            let cluster = ClusterId(u128::from_le_bytes(cluster));
            Ok(Hello { versions, cluster, from, to, frame_limit: reader.u32()? })
        };
        fields().map_err(|_| Refused::Damaged)
    }

    /// Checks what the other end said against what this end, which would say `self`, expects. Returns the version that
    /// both speak.
    ///
    /// # Errors
    /// Another version, another cluster, another node.
    pub fn agree(&self, theirs: &Hello) -> Result<u16, Refused> {
        let version = self.versions.0.min(theirs.versions.0);
        if version < self.versions.1.max(theirs.versions.1) {
            let turned = |(newest, oldest)| (oldest, newest);
            return Err(Refused::Version { theirs: turned(theirs.versions), ours: turned(self.versions) });
        }
        if theirs.cluster != self.cluster {
            return Err(Refused::Cluster(theirs.cluster));
        }
        if theirs.to != self.from {
            return Err(Refused::Node { expected: self.from, found: theirs.to });
        }
        if theirs.from != self.to {
            return Err(Refused::Node { expected: self.to, found: theirs.from });
        }
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello::new(ClusterId(0x0102_0304), NodeId(1), NodeId(2), 1 << 20)
    }

    fn bytes(hello: &Hello) -> Vec<u8> {
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        bytes
    }

    #[test]
    fn a_hello_is_read_as_it_was_written_and_its_layout_is_pinned() {
        let bytes = bytes(&hello());
        assert_eq!(bytes.len(), HELLO);
        assert_eq!(bytes[..16], *b"SEEDFAST\x01\x00\x01\x00\x01\x02\x00\x00");
        assert_eq!(bytes[16..24], [4, 3, 2, 1, 0, 0, 0, 0]);
        assert_eq!(bytes[32..40], [0, 0, 16, 0, 0, 0, 0, 0]);
        assert_eq!(Hello::decode(&bytes), Ok(hello()));
    }

    #[test]
    fn every_flipped_bit_of_a_hello_is_refused() {
        let good = bytes(&hello());
        for bit in 0..HELLO * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit < 64 { Refused::NotAPeer } else { Refused::Damaged };
            assert_eq!(Hello::decode(&bad), Err(expected), "bit {bit}");
        }
        assert_eq!(Hello::decode(&good[..40]), Err(Refused::NotAPeer));
    }

    #[test]
    fn an_end_agrees_with_its_counterpart_and_with_nobody_else() {
        let mine = hello();
        let theirs = Hello { from: mine.to, to: mine.from, ..mine };
        assert_eq!(mine.agree(&theirs), Ok(VERSION));
        let cases = [
            (Hello { cluster: ClusterId(9), ..theirs }, Refused::Cluster(ClusterId(9))),
            (Hello { to: NodeId(7), ..theirs }, Refused::Node { expected: NodeId(1), found: NodeId(7) }),
            (Hello { from: NodeId(7), ..theirs }, Refused::Node { expected: NodeId(2), found: NodeId(7) }),
            (Hello { versions: (9, 5), ..theirs }, Refused::Version { theirs: (5, 9), ours: (1, 1) }),
            (Hello { versions: (0, 0), ..theirs }, Refused::Version { theirs: (0, 0), ours: (1, 1) }),
        ];
        for (theirs, why) in cases {
            assert_eq!(mine.agree(&theirs), Err(why));
        }
    }

    #[test]
    fn a_newer_build_that_still_knows_this_version_is_spoken_to_in_this_version() {
        let mine = hello();
        let theirs = Hello { from: mine.to, to: mine.from, versions: (VERSION + 1, OLDEST), ..mine };
        assert_eq!(mine.agree(&theirs), Ok(VERSION));
        assert_eq!(theirs.agree(&mine), Ok(VERSION));
    }
}
