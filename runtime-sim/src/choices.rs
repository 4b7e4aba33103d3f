//! What this life draws: which task runs next, where a stream is cut, fresh entropy.
//!
//! Every draw is keyed by the life's entropy, the instant of the turn and its place among the draws of that instant,
//! so that what happened earlier does not reshuffle what is drawn now.

use seedfast_core::random::{Random, mix};
use seedfast_sim::draw::Draws;
use std::cell::Cell;

/// The draws of one life.
pub(crate) struct Choices {
    key: Cell<u64>,
    instant: Cell<u64>,
    place: Cell<u64>,
    entropies: Cell<u64>,
}

impl Choices {
    pub(crate) fn new() -> Self {
        Choices {
            key: Cell::new(0),
            instant: Cell::new(u64::MAX),
            place: Cell::new(0),
            entropies: Cell::new(0),
        }
    }

    /// The life begins with this entropy.
    pub(crate) fn seed(&self, entropy: &[u8; 32]) {
        self.key.set(Random::new(entropy).next());
    }

    /// A turn begins at this reading of the node's clock.
    pub(crate) fn at(&self, nanos: u64) {
        if self.instant.replace(nanos) != nanos {
            self.place.set(0);
        }
    }

    fn bits(&self) -> u64 {
        let place = self.place.get();
        self.place.set(place + 1);
        Draws::of(self.key.get(), self.instant.get()).bits(place)
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&self, bound: usize) -> usize {
        if bound < 2 {
            return 0;
        }
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// 32 bytes that no other call gets.
    pub(crate) fn entropy(&self) -> [u8; 32] {
        let number = self.entropies.get();
        self.entropies.set(number + 1);
        let mut random = Random::from_seed(mix(self.key.get()) ^ number);
        let mut bytes = [0; 32];
        for word in bytes.chunks_exact_mut(8) {
            word.copy_from_slice(&random.next().to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_from_the_instant_and_the_place_and_not_from_earlier_draws() {
        let (first, second) = (Choices::new(), Choices::new());
        first.seed(&[7; 32]);
        second.seed(&[7; 32]);
        first.at(1);
        (0..5).for_each(|_| {
            first.below(9);
        });
        first.at(2);
        second.at(2);
        let draw = |choices: &Choices| (0..200).map(|_| choices.below(1000)).collect::<Vec<_>>();
        let (of_first, of_second) = (draw(&first), draw(&second));
        assert_eq!(of_first, of_second);
        let mut sorted = of_first;
        sorted.sort_unstable();
        sorted.dedup();
        assert!(sorted.len() > 150, "200 draws below 1000 gave {} values", sorted.len());
    }
}
