//! What stands in for bytes that must not be told.

use std::hash::{BuildHasher, RandomState};

/// Stands for every byte of which only the number counts: what a state machine answers, and what it keeps.
pub(super) const BLANK: u8 = b'#';

/// Drawn for one run of the command, and never written down: without it, nobody can try which payload a digest is of.
/// The keyed hash is that of the standard library's maps, made so that whoever lacks the key cannot foretell it.
pub(in crate::recording) struct Secret(RandomState);

impl Secret {
    /// A new one.
    pub(in crate::recording) fn draw() -> Self {
        Secret(RandomState::new())
    }

    /// As many bytes as `payload` has, the same for the same payload.
    pub(super) fn payload(&self, payload: &[u8]) -> Vec<u8> {
        let name = [0u8, 1].map(|half| self.0.hash_one((half, payload)));
        let words = (0..).flat_map(|at: u64| self.0.hash_one((2u8, name, at)).to_le_bytes());
        words.take(payload.len()).collect()
    }

    /// Stands for a checksum over bytes that are not known.
    pub(super) fn checksum(&self, checksum: u64) -> u64 {
        // None is 0, for which there is no need.
        if checksum == 0 { 0 } else { self.0.hash_one((3u8, checksum)) }
    }

    /// What every digest of a state is changed by: these are added up with others that stay as they are, so that
    /// nothing but bits can be turned.
    pub(super) fn mask(&self) -> u64 {
        self.0.hash_one(4u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_payloads_stay_equal_and_no_other_secret_gives_the_same() {
        let (one, other) = (Secret::draw(), Secret::draw());
        for length in [0, 1, 7, 8, 9, 1000] {
            assert_eq!(one.payload(&vec![7; length]).len(), length);
        }
        assert_eq!(one.payload(b"a payload"), one.payload(b"a payload"));
        assert_ne!(one.payload(b"a payload"), one.payload(b"a payloae"));
        assert_ne!(one.payload(b"a payload"), other.payload(b"a payload"));
        assert_ne!(one.mask(), other.mask());
        assert_eq!(one.checksum(0), 0);
    }
}
