//! How long to wait before connecting again.

use crate::random::Random;
use crate::time::Duration;

/// Waits that double from `least` to `most`, each drawn from its upper half so that nodes which failed together do not
/// try together again ("equal jitter": Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
#[derive(Clone, Debug)]
pub struct Backoff {
    least: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits between half of `least` and `most`.
    pub fn new(least: Duration, most: Duration) -> Self {
        Backoff { least, most, failures: 0 }
    }

    /// A connection that had lived for so long is gone (zero: it never came to be). Returns how long to wait.
    ///
    /// Only one that outlived the longest wait counts as a success: a peer that accepts and ends at once must not be
    /// asked again and again without a pause.
    pub fn ended(&mut self, lived: Duration, random: &mut Random) -> Duration {
        if lived > self.most {
            self.failures = 0;
        }
        let doubled = self.least.as_nanos().saturating_mul(1 << self.failures.min(32));
        self.failures = self.failures.saturating_add(1);
        let ceiling = doubled.min(self.most.as_nanos());
        let half = ceiling / 2;
        Duration::from_nanos(ceiling - half + random.below(half + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_each_is_drawn_from_its_upper_half() {
        let mut random = Random::from_seed(1);
        let (least, most) = (Duration::from_millis(10), Duration::from_millis(100));
        let mut backoff = Backoff::new(least, most);
        for ceiling in [10, 20, 40, 80, 100, 100, 100] {
            let wait = backoff.ended(Duration::ZERO, &mut random);
            assert!(wait >= Duration::from_millis(ceiling).over(2) && wait <= Duration::from_millis(ceiling));
        }
        for _ in 0..100 {
            let wait = backoff.ended(Duration::ZERO, &mut random);
            assert!(wait <= most, "it never overflows");
        }
    }

    #[test]
    fn only_a_connection_that_lasted_starts_over() {
        let mut random = Random::from_seed(2);
        let (least, most) = (Duration::from_millis(10), Duration::from_millis(100));
        let mut backoff = Backoff::new(least, most);
        for _ in 0..5 {
            backoff.ended(Duration::ZERO, &mut random);
        }
        assert!(backoff.ended(most, &mut random) > least);
        assert!(backoff.ended(Duration::from_millis(101), &mut random) <= least);
    }

    #[test]
    fn two_nodes_do_not_wait_equally_long() {
        let wait = |seed| {
            let mut random = Random::from_seed(seed);
            Backoff::new(Duration::from_secs(1), Duration::from_secs(9)).ended(Duration::ZERO, &mut random)
        };
        assert_ne!(wait(1), wait(2));
        assert_eq!(wait(1), wait(1), "the jitter is what was handed in");
    }
}
