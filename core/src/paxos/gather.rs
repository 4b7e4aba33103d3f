//! Whether a batch waits for those who were just answered.
//!
//! Clients that ask again as soon as they are answered are otherwise split in two: half of them is under way while the
//! other half gathers for the next slot, each half asks behind the answer of its own, and there are twice as many slots as
//! there need be. So a batch that is not full waits for as many commands as were answered, besides those that it has: no
//! longer than has passed since the last proposal, which is what being late costs, and no longer than
//! [`Config::gather`](super::Config::gather). If not even half of them come back it was in vain: then the next batch does
//! not wait, then the next two, and so on.

use crate::time::{Duration, Instant};

/// How many batches in a row do not wait, at most.
const SELDOM: u32 = 64;

pub(crate) struct Gather {
    /// Commands that were answered since the last look.
    answered: u32,
    /// The open batch waits for so many commands, until then; with this many by then it was worth the while.
    wanted: u32,
    until: Instant,
    worthwhile: u32,
    /// It does.
    waiting: bool,
    /// How many batches do not wait, from the next one on, and how many did not when it was last in vain.
    pass: u32,
    vain: u32,
    /// When something was proposed last.
    proposed: Instant,
}

impl Gather {
    pub(crate) fn new(now: Instant) -> Self {
        Gather {
            answered: 0,
            wanted: 0,
            until: now,
            worthwhile: 0,
            waiting: false,
            pass: 0,
            vain: 0,
            proposed: now,
        }
    }

    /// A batch was proposed. If it was still waiting, it became full.
    pub(crate) fn proposed(&mut self, now: Instant) {
        self.proposed = now;
        self.end(true);
    }

    /// So many commands were decided and are being answered.
    pub(crate) fn answered(&mut self, commands: usize) {
        self.answered = self.answered.saturating_add(commands as u32);
    }

    /// The batch with `held` commands might be proposed now. Until when it waits instead, if it does.
    pub(crate) fn wait_until(&mut self, now: Instant, held: u32, most: Duration) -> Option<Instant> {
        let answered = core::mem::take(&mut self.answered);
        if self.waiting {
            // Another slot was decided meanwhile: its clients are welcome too, but nobody waits longer for them.
            self.wanted = self.wanted.saturating_add(answered);
        } else if answered > 0 && self.pass > 0 {
            (self.pass, self.wanted) = (self.pass - 1, 0);
        } else if answered > 0 {
            self.wanted = held.saturating_add(answered);
            self.worthwhile = held.saturating_add(answered.div_ceil(2));
            self.until = now + now.since(self.proposed).min(most);
        }
        if held == 0 {
            return None;
        }
        if held < self.wanted && now < self.until {
            self.waiting = true;
            return Some(self.until);
        }
        self.end(held >= self.worthwhile);
        None
    }

    /// The wait is over, if there was one.
    fn end(&mut self, came: bool) {
        if self.waiting {
            self.vain = if came { self.vain / 2 } else { (self.vain * 2).clamp(1, SELDOM) };
            self.pass = if came { 0 } else { self.vain };
        }
        (self.waiting, self.wanted) = (false, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const MOST: Duration = Duration::from_micros(1000);

    fn at(micros: u64) -> Instant {
        Instant::from_nanos(micros * 1000)
    }

    /// Proposed at 0, `answered` commands decided at 300 while `held` were waiting.
    fn behind(answered: usize, held: u32) -> (Gather, Option<Instant>) {
        let mut gather = Gather::new(at(0));
        gather.answered(answered);
        let until = gather.wait_until(at(300), held, MOST);
        (gather, until)
    }

    #[test]
    fn a_batch_waits_until_those_who_were_answered_are_back() {
        let (mut gather, until) = behind(3, 2);
        assert_eq!(until, Some(at(600)), "as long again as the proposal took");
        assert_eq!(gather.wait_until(at(350), 4, MOST), Some(at(600)));
        assert_eq!(gather.wait_until(at(360), 5, MOST), None);
    }

    #[test]
    fn whoever_is_alone_never_waits() {
        let (mut gather, until) = behind(1, 0);
        assert_eq!(until, None);
        assert_eq!(gather.wait_until(at(330), 1, MOST), None);
    }

    #[test]
    fn no_batch_waits_longer_than_it_is_told_to() {
        let (mut gather, until) = behind(3, 1);
        assert!(until.is_some());
        assert_eq!(gather.wait_until(at(599), 3, MOST), Some(at(600)));
        assert_eq!(gather.wait_until(at(600), 3, MOST), None);
        let mut slow = Gather::new(at(0));
        slow.answered(2);
        assert_eq!(slow.wait_until(at(5000), 1, MOST), Some(at(6000)));
        slow.answered(7);
        assert_eq!(slow.wait_until(at(5900), 3, MOST), Some(at(6000)), "nor for others who are answered");
        assert_eq!(slow.wait_until(at(6000), 3, MOST), None);
        let mut never = Gather::new(at(0));
        never.answered(2);
        assert_eq!(never.wait_until(at(5000), 1, Duration::ZERO), None);
    }

    #[test]
    fn a_batch_that_became_full_leaves_nothing_to_wait_for() {
        let (mut gather, until) = behind(3, 1);
        assert!(until.is_some());
        gather.proposed(at(400));
        assert_eq!(gather.wait_until(at(400), 1, MOST), None, "what begins behind it does not wait");
        gather.answered(3);
        assert!(gather.wait_until(at(700), 1, MOST).is_some(), "and it was not in vain");
    }

    /// Which of `rounds` batches waited, if those who are answered come back, or do not. `held` says how many had come when
    /// the batch before was decided.
    fn waited(gather: &mut Gather, rounds: u64, back: bool, held: impl Fn(u64) -> u32) -> Vec<u64> {
        let mut those = Vec::new();
        for round in 0..rounds {
            let start = 10_000 * round;
            gather.proposed(at(start));
            gather.answered(2);
            let mut until = gather.wait_until(at(start + 300), held(round), MOST);
            if until.is_some() {
                those.push(round);
                let (later, held) = if back { (350, 3) } else { (600, 1) };
                until = gather.wait_until(at(start + later), held, MOST);
            }
            assert_eq!(until, None);
            // Somebody comes, at last.
            assert_eq!(gather.wait_until(at(start + 5000), 1, MOST), None);
        }
        those
    }

    #[test]
    fn waiting_in_vain_is_done_more_and_more_seldom_and_pays_again_when_they_come() {
        let mut gather = Gather::new(at(0));
        assert_eq!(waited(&mut gather, 12, false, |_| 1), [0, 2, 5, 10], "behind one, two, four");
        waited(&mut gather, 200, false, |_| 1);
        assert_eq!(waited(&mut gather, 6500, false, |_| 1).len(), 100, "behind 64 at most");
        assert!(waited(&mut gather, 1000, true, |_| 1).len() > 900);
    }

    #[test]
    fn a_batch_that_did_not_wait_says_nothing_of_whether_waiting_pays() {
        let mut gather = Gather::new(at(0));
        let those = waited(&mut gather, 400, false, |round| u32::from(round % 2 == 0));
        assert!(those.len() < 20, "{those:?}");
    }
}
