//! Whether a batch waits for those who were just answered.
//!
//! Clients that ask again as soon as they are answered are otherwise split in two: half of them is under way while the
//! other half gathers for the next slot, each half asks behind the answer of its own, and there are twice as many slots as
//! there need be. So a batch waits for as many commands as were answered, besides those that it has: no longer than the
//! last proposal took to be decided, which is what being late costs, and no longer than
//! [`Config::gather`](super::Config::gather). If not even half of them come back it was in vain: then the next batch does
//! not wait, then the next two, and so on.

use crate::time::{Duration, Instant};

/// How many batches in a row do not wait, at most.
const SELDOM: u32 = 64;

pub(crate) struct Gather {
    /// Commands that were answered since the last look.
    answered: u32,
    /// The open batch waits for so many commands, until then; if it has not got this many by then, it was in vain.
    wanted: u32,
    until: Instant,
    worthwhile: u32,
    /// How many batches do not wait, from the next one on, and how many did not when it was last in vain.
    pass: u32,
    vain: u32,
    /// When something was proposed last.
    proposed: Instant,
}

impl Gather {
    pub(crate) fn new(now: Instant) -> Self {
        Gather { answered: 0, wanted: 0, until: now, worthwhile: 0, pass: 0, vain: 0, proposed: now }
    }

    /// Something was proposed.
    pub(crate) fn proposed(&mut self, now: Instant) {
        self.proposed = now;
    }

    /// So many commands were decided and are being answered.
    pub(crate) fn answered(&mut self, commands: usize) {
        self.answered = self.answered.saturating_add(commands as u32);
    }

    /// Until when a batch that holds `held` commands waits for more; `None` if it does not, or not any more.
    pub(crate) fn until(&mut self, now: Instant, held: u32, most: Duration) -> Option<Instant> {
        let answered = core::mem::take(&mut self.answered);
        if answered > 0 {
            if self.pass > 0 {
                (self.pass, self.wanted) = (self.pass - 1, 0);
            } else {
                self.wanted = held.saturating_add(answered);
                self.worthwhile = held.saturating_add(answered.div_ceil(2));
                self.until = now + now.since(self.proposed).min(most);
            }
        }
        if held == 0 {
            return None;
        }
        if held < self.wanted && now < self.until {
            return Some(self.until);
        }
        if self.wanted > 0 {
            let came = held >= self.worthwhile;
            self.vain = if came { self.vain / 2 } else { (self.vain * 2).clamp(1, SELDOM) };
            self.pass = if came { 0 } else { self.vain };
            self.wanted = 0;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_micros(1000);

    fn at(micros: u64) -> Instant {
        Instant::from_nanos(micros * 1000)
    }

    /// Proposed at 0, `answered` commands decided at 300 while `held` were waiting.
    fn behind(answered: usize, held: u32) -> (Gather, Option<Instant>) {
        let mut gather = Gather::new(at(0));
        gather.proposed(at(0));
        gather.answered(answered);
        let until = gather.until(at(300), held, MOST);
        (gather, until)
    }

    #[test]
    fn a_batch_waits_until_those_who_were_answered_are_back() {
        let (mut gather, until) = behind(3, 2);
        assert_eq!(until, Some(at(600)), "as long again as the proposal took");
        assert_eq!(gather.until(at(350), 4, MOST), Some(at(600)));
        assert_eq!(gather.until(at(360), 5, MOST), None);
    }

    #[test]
    fn whoever_is_alone_never_waits() {
        let (mut gather, until) = behind(1, 0);
        assert_eq!(until, None);
        assert_eq!(gather.until(at(330), 1, MOST), None);
    }

    #[test]
    fn no_batch_waits_longer_than_it_is_told_to() {
        let (mut gather, until) = behind(3, 1);
        assert!(until.is_some());
        assert_eq!(gather.until(at(599), 3, MOST), Some(at(600)));
        assert_eq!(gather.until(at(600), 3, MOST), None);
        let mut slow = Gather::new(at(0));
        slow.answered(2);
        assert_eq!(slow.until(at(5000), 1, MOST), Some(at(6000)));
        let mut never = Gather::new(at(0));
        never.answered(2);
        assert_eq!(never.until(at(5000), 1, Duration::ZERO), None);
    }

    /// How many of `rounds` batches waited, if those who are answered come back, or do not.
    fn waited(gather: &mut Gather, rounds: u64, back: bool) -> u32 {
        let mut count = 0;
        for round in 0..rounds {
            let start = 10_000 * round;
            gather.proposed(at(start));
            gather.answered(2);
            if gather.until(at(start + 300), 1, MOST).is_some() {
                count += 1;
                let (later, held) = if back { (350, 3) } else { (600, 1) };
                assert_eq!(gather.until(at(start + later), held, MOST), None);
            }
        }
        count
    }

    #[test]
    fn waiting_in_vain_is_done_more_and_more_seldom_and_pays_again_when_they_come() {
        let mut gather = Gather::new(at(0));
        assert_eq!(waited(&mut gather, 1 + 1 + 1 + 2 + 1, false), 3, "behind one, behind two");
        waited(&mut gather, 100, false);
        assert_eq!(waited(&mut gather, 6500, false), 100, "behind 64 at most");
        assert!(waited(&mut gather, 1000, true) > 900);
    }
}
