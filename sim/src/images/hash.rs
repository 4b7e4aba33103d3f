//! The hash of an image: the exclusive or of its words' hashes, so that changing a word changes it in constant time.

use seedfast_core::random::mix;

/// Odd constants that spread neighbouring positions (the golden ratio and the square root of three, in 64 bits).
const LOW: u64 = 0x9e37_79b9_7f4a_7c15;
const HIGH: u64 = 0xbb67_ae85_84ca_a73b;

/// The hash of one word at byte offset `at`; a word of zeros adds nothing, so an empty device has the hash zero.
#[inline]
pub fn hash_word(at: u64, value: u64) -> u128 {
    if value == 0 {
        return 0;
    }
    let low = mix(value ^ at.wrapping_add(1).wrapping_mul(LOW));
    let high = mix(value.rotate_left(32) ^ at.wrapping_add(2).wrapping_mul(HIGH));
    u128::from(high) << 64 | u128::from(low)
}

/// The hash of `bytes` that stand at byte offset `at`; both are multiples of eight.
///
/// # Panics
/// If the length is no multiple of eight.
pub fn hash(at: u64, bytes: &[u8]) -> u128 {
    let (words, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty(), "an image is made of whole words");
    let mut hash = 0;
    for (index, word) in words.iter().enumerate() {
        hash ^= hash_word(at + 8 * index as u64, u64::from_le_bytes(*word));
    }
    hash
}
