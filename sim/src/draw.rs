//! Every draw of the world, keyed by what it decides about.
//!
//! There is no generator whose state advances from draw to draw: what happens to a message, a write or a burst is a
//! function of the seed and of that thing's own identity. Taking one fault out of a schedule therefore leaves every
//! draw about everything else as it was.
//!
//! ```text
//! expanded seed  = seed (8 bytes, little end first) ++ "seedfast world, stream 1" (24 bytes)
//! purpose key p  = 64-bit word number p of ChaCha8(expanded seed), stream 0
//! entity key     = mix(purpose key ^ mix(entity + G))          G = 0x9e3779b97f4a7c15
//! draws of one thing: state = entity key ^ mix(identity + G); draw k = mix(state + (k + 1) * G)
//! entropy of a process or client = first 32 bytes of ChaCha8(expanded seed), stream 1<<56 | entity<<32 | life
//! ```
//! `mix` is the finalizer of `SplitMix64`, so a thing's draws are a `SplitMix64` stream that starts at a place only
//! this thing knows. Integers only; golden vectors below pin all of it.
//!
//! # Drawing a schedule
//!
//! A scenario's [`plan`](crate::Scenario::plan) can draw with the same means: [`Draws::of`] with the seed as key gives
//! the draws of one purpose, [`Draws::part`] those about one of several things. As every draw has a number of its own,
//! one more draw, or one more crash, leaves all the others as they were.
//!
//! ```
//! use seedfast_sim::draw::Draws;
//! use seedfast_sim::{Cut, Disk, Fault, Loss, Network, Schedule, Target, Timed};
//!
//! const MS: u64 = 1_000_000;
//! /// What a draw is for; each purpose has draws of its own.
//! const WEATHER: u64 = 0;
//! const CRASHES: u64 = 1;
//!
//! fn schedule(seed: u64) -> Schedule {
//!     let weather = Draws::of(seed, WEATHER);
//!     let mut network = Network::lan();
//!     if weather.chance(0, 500_000) {
//!         network.loss = weather.between(1, 1, 100_000) as u32;
//!     }
//!     let crashes = Draws::of(seed, CRASHES);
//!     let mut faults: Vec<Timed> = (0..crashes.between(0, 1, 4))
//!         .map(|number| {
//!             let draws = crashes.part(number);
//!             let fault = Fault::Crash {
//!                 target: Target::Node(draws.below(0, 3) as u8),
//!                 loss: if draws.chance(1, 600_000) { Loss::Power } else { Loss::Process },
//!                 cut: Cut::Drawn,
//!                 restart_after: Some(draws.between(2, 10 * MS, 100 * MS)),
//!             };
//!             Timed { at: draws.below(3, 500 * MS), fault }
//!         })
//!         .collect();
//!     faults.sort_by_key(|timed| timed.at);
//!     faults.push(Timed { at: 600 * MS, fault: Fault::Heal });
//!     Schedule { nodes: 3, end: 1_000 * MS, network, disk: Disk::nvme(), faults, ..Schedule::default() }
//! }
//!
//! assert_eq!(schedule(7), schedule(7));
//! assert!((0..100).all(|seed| schedule(seed).check().is_ok()));
//! assert!((0..100).any(|seed| schedule(seed) != schedule(seed + 1)));
//! ```

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use seedfast_core::random::mix;

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a draw is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What happens to a message; the entity is `from << 8 | to`.
    Network = 0,
    /// How long a storage step takes; the entity is `node << 8 | device`.
    Disk = 1,
    /// What a crash leaves of a write; the entity is `node << 8 | device`.
    Image = 2,
    /// Where a burst ends; the entity is the node.
    Burst = 3,
    /// After which output a crash falls; the entity is the node.
    Cut = 4,
    /// What becomes of a former life's operations; the entity is `node << 8 | device`.
    Orphan = 5,
    /// What fails and what is damaged; the entity is `node << 8 | device`.
    Damage = 6,
}

const PURPOSES: usize = 7;

/// A seed's keys.
#[derive(Clone, Debug)]
pub struct Draw {
    seed: u64,
    keys: [u64; PURPOSES],
}

fn generator(seed: u64) -> ChaCha8Rng {
    let mut expanded = *b"........seedfast world, stream 1";
    expanded[..8].copy_from_slice(&seed.to_le_bytes());
    ChaCha8Rng::from_seed(expanded)
}

impl Draw {
    /// The keys of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut generator = generator(seed);
        Draw { seed, keys: core::array::from_fn(|_| generator.next_u64()) }
    }

    /// The key of one entity for one purpose.
    #[inline]
    pub fn key(&self, purpose: Purpose, entity: u64) -> u64 {
        mix(self.keys[purpose as usize] ^ mix(entity.wrapping_add(GOLDEN)))
    }

    /// The randomness handed to `endpoint` in its life number `life` (0 for a client).
    pub fn entropy(&self, endpoint: u8, life: u32) -> [u8; 32] {
        let mut generator = generator(self.seed);
        generator.set_stream(1 << 56 | u64::from(endpoint) << 32 | u64::from(life));
        let mut entropy = [0; 32];
        generator.fill_bytes(&mut entropy);
        entropy
    }
}

/// The draws about one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws(u64);

impl Draws {
    /// The draws about the thing called `identity` among those of the entity whose key is `key`.
    #[inline]
    pub fn of(key: u64, identity: u64) -> Self {
        Draws(key ^ mix(identity.wrapping_add(GOLDEN)))
    }

    /// The draws about `part` of this thing.
    #[inline]
    pub fn part(self, part: u64) -> Self {
        Draws::of(mix(self.0), part)
    }

    /// Draw number `index`: 64 bits.
    #[inline]
    pub fn bits(self, index: u64) -> u64 {
        mix(self.0.wrapping_add((index + 1).wrapping_mul(GOLDEN)))
    }

    /// Draw number `index`, below `bound`; zero if `bound` is zero.
    #[inline]
    pub fn below(self, index: u64, bound: u64) -> u64 {
        scale(self.bits(index), bound)
    }

    /// Draw number `index`, true in `ppm` of a million cases.
    #[inline]
    pub fn chance(self, index: u64, ppm: u32) -> bool {
        hits(self.bits(index) >> 32, threshold(ppm))
    }

    /// Draw number `index`, from `low` to `high` inclusive; `low` if `high` is below it.
    #[inline]
    pub fn between(self, index: u64, low: u64, high: u64) -> u64 {
        low + self.below(index, high.saturating_sub(low).saturating_add(1))
    }
}

/// 64 random bits as a number below `bound` (multiply and shift).
#[inline]
pub fn scale(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// A probability in parts per million as a threshold for 32 random bits: 0 never, 2^32 always.
#[inline]
pub fn threshold(ppm: u32) -> u64 {
    (u64::from(ppm.min(1_000_000)) << 32) / 1_000_000
}

/// Whether 32 random bits fall below a [`threshold`].
#[inline]
pub fn hits(bits: u64, threshold: u64) -> bool {
    bits < threshold
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chance_is_never_at_zero_and_always_at_a_million() {
        let draws = |identity| Draws::of(7, identity);
        assert!((0..1000).all(|identity| !draws(identity).chance(0, 0)));
        assert!((0..1000).all(|identity| draws(identity).chance(0, 1_000_000)));
        let hit = (0..100_000).filter(|&identity| draws(identity).chance(0, 50_000)).count();
        assert!((4_700..5_300).contains(&hit), "{hit} of 100000 at 5 %");
    }

    #[test]
    fn ranges_reach_both_ends_and_nothing_beyond() {
        let seen: std::collections::BTreeSet<u64> =
            (0..200).map(|identity| Draws::of(1, identity).between(0, 3, 6)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert_eq!(Draws::of(1, 1).between(0, 9, 2), 9);
    }

    #[test]
    fn things_purposes_entities_and_lives_do_not_share_draws() {
        let draw = Draw::new(1);
        assert_ne!(draw.key(Purpose::Network, 1), draw.key(Purpose::Network, 2));
        assert_ne!(draw.key(Purpose::Network, 1), draw.key(Purpose::Disk, 1));
        assert_ne!(draw.entropy(0, 1), draw.entropy(0, 2));
        assert_ne!(draw.entropy(0, 1), draw.entropy(1, 1));
        assert_ne!(Draws::of(1, 1).bits(0), Draws::of(1, 1).part(0).bits(0));
    }
}
