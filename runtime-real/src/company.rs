//! Whether a thread that spins has its processor to itself.
//!
//! Between two looks it gives the processor up, in case somebody else wants it. Nobody there: it has it back at once.
//! Where it comes back late, somebody computed meanwhile, perhaps for a whole time slice, and whatever completed then
//! waited as well; a thread that sleeps would have been woken into that slice. So in company it sleeps, and now and then it
//! looks whether it is alone again: seldom, because each look may cost a slice. Others who spin as well, and do a turn's
//! work now and then, are no company: all of them pass the processor on.

use seedfast_core::time::{Duration, Instant};

/// Giving the processor up takes less than this if nobody wants it but for a turn: a time slice is some milliseconds.
const ALONE: Duration = Duration::from_micros(500);
/// How long it sleeps before it looks again: at first, and at most.
const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_millis(320);

/// What it knows of others on its processor.
pub(crate) struct Company {
    /// Until when it sleeps.
    until: Option<Instant>,
    /// For how long, when it meets somebody next.
    rest: Duration,
}

impl Default for Company {
    fn default() -> Self {
        Company { until: None, rest: SHORT }
    }
}

impl Company {
    /// Whether spinning is worth a try at `now`.
    pub(crate) fn alone(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// The processor was given up at `before`, and is back at `now`. Returns whether nobody had it meanwhile.
    pub(crate) fn back(&mut self, before: Instant, now: Instant) -> bool {
        if now.since(before) < ALONE {
            return true;
        }
        self.until = Some(now + self.rest);
        self.rest = (self.rest + self.rest).min(LONG);
        false
    }

    /// It waited alone, and what it waited for came.
    pub(crate) fn undisturbed(&mut self) {
        self.rest = SHORT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_nanos(micros * 1000)
    }

    #[test]
    fn whoever_comes_back_late_sleeps_and_twice_as_long_the_next_time() {
        let mut company = Company::default();
        assert!(company.alone(at(0)));
        assert!(company.back(at(0), at(499)));
        assert!(company.alone(at(499)));
        let mut now = 1000;
        for rest in [20_000, 40_000, 80_000, 160_000, 320_000, 320_000] {
            assert!(!company.back(at(now), at(now + 500)));
            assert!(!company.alone(at(now + 500 + rest - 1)));
            assert!(company.alone(at(now + 500 + rest)));
            now += 500 + rest;
        }
        company.undisturbed();
        assert!(!company.back(at(now), at(now + 3000)));
        assert!(company.alone(at(now + 3000 + 20_000)));
    }
}
