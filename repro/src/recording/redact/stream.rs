//! The bytes of a snapshot, of which every replica that stopped at one slot writes the same ones.
//!
//! ```text
//! snapshot: version u8 | slot u64 | time i64 | digest u64 | sessions u32 | digest u64 | session block ... | machine
//! session:  generation u32 | acknowledged_below u64 | last_used u64 | replies u32 | (sequence u64 | reply block) ...
//! ```
//! Replies and the machine's bytes are made blank, the digest in front is changed as all of them are, and the rest
//! stays: it is numbers of the protocol. Pieces are cut anywhere, so nothing is known of a byte before everything in
//! front of it came by; what is not known is blank.

use super::secret::BLANK;
use seedfast_core::codec::{Malformed, Reader};
use xxhash_rust::xxh3::Xxh3;

/// Before the sessions.
const HEAD: usize = 25;
/// Where the digest of all of it stands.
const DIGEST: usize = 17;

/// One snapshot, as far as it came by from its beginning.
#[derive(Default)]
pub(super) struct Stream {
    /// Everything before the machine's bytes.
    front: Vec<u8>,
    /// The front as it may be told, as far as it is understood.
    told: Vec<u8>,
    /// The front ends there: the machine's bytes follow.
    is_whole: bool,
    received: u64,
    was: Xxh3,
    is: Xxh3,
}

impl Stream {
    /// Takes the bytes from `offset` on, unless there is a gap before them or they came by already.
    pub(super) fn feed(&mut self, offset: u64, bytes: &[u8], mask: u64) {
        let Some(known) = self.received.checked_sub(offset).and_then(|known| usize::try_from(known).ok())
        else {
            return;
        };
        let Some(bytes) = bytes.get(known..).filter(|bytes| !bytes.is_empty()) else { return };
        self.was.update(bytes);
        self.received += bytes.len() as u64;
        if self.is_whole {
            self.is.update(&vec![BLANK; bytes.len()]);
            return;
        }
        self.front.extend_from_slice(bytes);
        let mut told = Vec::new();
        match front(&self.front, mask, &mut told) {
            Ok(()) => {
                self.is_whole = true;
                self.is.update(&told);
                self.is.update(&vec![BLANK; self.front.len() - told.len()]);
                self.front = Vec::new();
            }
            Err(Malformed) => told.truncate(self.front.len()),
        }
        self.told = told;
    }

    /// The bytes from `offset` on, as they may be told.
    pub(super) fn told(&self, offset: u64, bytes: &[u8]) -> Vec<u8> {
        let mut told = vec![BLANK; bytes.len()];
        let known =
            usize::try_from(offset).ok().and_then(|offset| self.told.get(offset..)).unwrap_or_default();
        let count = known.len().min(told.len());
        told[..count].copy_from_slice(&known[..count]);
        told
    }

    /// The checksum of all of it as it may be told, if it has so many bytes and this checksum.
    pub(super) fn checksum(&self, bytes: u64, checksum: u64) -> Option<u64> {
        (self.is_whole && self.received == bytes && self.was.digest() == checksum).then(|| self.is.digest())
    }
}

/// Appends what stands before the machine's bytes, as far as it is there.
fn front(bytes: &[u8], mask: u64, told: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut fields = Reader::new(bytes);
    let head = fields.bytes(HEAD)?;
    told.extend_from_slice(&head[..DIGEST]);
    let digest = Reader::new(&head[DIGEST..]).u64()?;
    told.extend_from_slice(&(digest ^ mask).to_le_bytes());
    let count = fields.u32()?;
    let digest = fields.u64()?;
    told.extend_from_slice(&count.to_le_bytes());
    told.extend_from_slice(&digest.to_le_bytes());
    for _ in 0..count {
        let block = fields.block()?;
        told.extend_from_slice(&(block.len() as u32).to_le_bytes());
        // One that makes no sense is refused whatever stands in it.
        told.extend(session(block).unwrap_or_else(|Malformed| vec![BLANK; block.len()]));
    }
    Ok(())
}

fn session(block: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut fields = Reader::new(block);
    let mut told = fields.bytes(20)?.to_vec();
    let count = fields.u32()?;
    told.extend_from_slice(&count.to_le_bytes());
    for _ in 0..count {
        told.extend_from_slice(fields.bytes(8)?);
        let reply = fields.block()?;
        told.extend_from_slice(&(reply.len() as u32).to_le_bytes());
        told.resize(told.len() + reply.len(), BLANK);
    }
    fields.end()?;
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::codec::Write;
    use xxhash_rust::xxh3::xxh3_64;

    /// A snapshot with two sessions, one of which holds a reply; and the same as it may be told.
    fn snapshot() -> (Vec<u8>, Vec<u8>) {
        let of = |digest: u64, reply: &[u8], machine: &[u8]| {
            let mut bytes = vec![1];
            bytes.u64(7);
            bytes.u64(8);
            bytes.u64(digest);
            bytes.u32(2);
            bytes.u64(10);
            for replies in [&[][..], &[reply]] {
                let mut session = Vec::new();
                session.u32(1);
                session.u64(2);
                session.u64(3);
                session.u32(replies.len() as u32);
                for reply in replies {
                    session.u64(5);
                    session.block(reply);
                }
                bytes.block(&session);
            }
            bytes.bytes(machine);
            bytes
        };
        (of(9, b"reply", b"machine"), of(9 ^ 77, b"#####", b"#######"))
    }

    #[test]
    fn replies_and_the_machines_bytes_are_blank_however_it_is_cut() {
        let (was, is) = snapshot();
        for size in 1..=was.len() {
            let mut stream = Stream::default();
            for (number, piece) in was.chunks(size).enumerate() {
                stream.feed((number * size) as u64, piece, 77);
                // What comes twice is taken once.
                stream.feed(0, &was[..size.min(3)], 77);
            }
            let told: Vec<u8> = was
                .chunks(size)
                .enumerate()
                .flat_map(|(n, piece)| stream.told((n * size) as u64, piece))
                .collect();
            assert_eq!(told, is, "pieces of {size}");
            assert_eq!(stream.checksum(was.len() as u64, xxh3_64(&was)), Some(xxh3_64(&is)));
            assert_eq!(stream.checksum(was.len() as u64, 1), None);
        }
    }

    #[test]
    fn what_is_behind_a_gap_is_blank() {
        let (was, _) = snapshot();
        let mut stream = Stream::default();
        stream.feed(0, &was[..30], 77);
        stream.feed(40, &was[40..], 77);
        assert!(stream.told(40, &was[40..]).iter().all(|byte| *byte == BLANK));
        assert_eq!(stream.checksum(was.len() as u64, xxh3_64(&was)), None);
    }
}
