//! The only randomness a process has: a small generator seeded with the entropy that [`Start`](crate::Start) hands
//! over.

/// `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). Its draws
/// decide timeouts, never anything that an adversary must not guess.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator from 32 bytes of entropy.
    pub fn new(entropy: &[u8; 32]) -> Self {
        let words =
            entropy.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
        Random(words.fold(0, |state, word| mix(state ^ word)))
    }

    /// A generator from a number, for samplers that draw a plan from a seed: equal seeds, equal streams.
    pub const fn from_seed(seed: u64) -> Self {
        Random(mix(seed))
    }

    /// The next 64 bits.
    #[expect(clippy::should_implement_trait, reason = "a generator never ends, so it is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, zero if `bound` is zero (multiply and shift: Lemire, "Fast random integer generation
    /// in an interval", 2019, without the rejection step, whose bias is below one in 2^32 for the bounds used here).
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// The finalizer of `SplitMix64`: a bijection on 64 bits that scatters them.
pub const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_pinned() {
        let mut random = Random(0);
        // First outputs of the reference implementation for seed 0.
        assert_eq!(random.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn draws_stay_below_their_bound() {
        let mut random = Random::new(&[7; 32]);
        assert!((0..1000).all(|_| random.below(10) < 10));
        assert_eq!(random.below(0), 0);
    }
}
