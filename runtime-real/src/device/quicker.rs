//! Which of two ways to make a write durable takes less time, here and now.
//!
//! A disk with a volatile cache and without forced unit access needs a flush behind the write, and somebody who asks for
//! it. Behind a write that is to be durable by itself (`RWF_DSYNC`) that is a thread of the kernel's work queues, bound to
//! the processor where the write completed: there is no quicker way on an idle machine, and none slower where that
//! processor computes for others, perhaps for a whole time slice. A sync linked behind the write is done by a thread of
//! the ring, which costs two more changes of threads and runs wherever there is room. So both are measured: the better one
//! is taken, and the other one tried now and then, the more seldom the longer it stays behind.
//!
//! Source: `fs/iomap/direct-io.c` and `io_uring/io-wq.c` of Linux.

use seedfast_core::time::Duration;

/// How a write is made durable that is the only one to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By itself.
    Through,
    /// By a sync linked behind it.
    Linked,
}

/// How many writes a trial has.
const TRIAL: u32 = 4;
/// How many writes are between two trials: at first, and at most.
const SOON: u32 = 32;
const SELDOM: u32 = 4096;

/// What was seen of both.
pub(super) struct Quicker {
    /// What writes take on the way that is preferred, on average, in nanoseconds, and what they took when both were
    /// compared last; 0: not known.
    takes: u64,
    compared: u64,
    preferred: Way,
    /// How many writes go the preferred way until the next trial, and how many that will be behind it.
    left: u32,
    gap: u32,
    /// How many writes of a trial are to be made, and of how many the end is to be heard.
    to_try: u32,
    to_hear: u32,
    /// How many of them were made durable, and in what time together.
    tried: u32,
    time: u64,
}

impl Default for Quicker {
    fn default() -> Self {
        Quicker {
            takes: 0,
            compared: 0,
            preferred: Way::Through,
            left: SOON,
            gap: SOON,
            to_try: 0,
            to_hear: 0,
            tried: 0,
            time: 0,
        }
    }
}

impl Way {
    fn other(self) -> Way {
        match self {
            Way::Through => Way::Linked,
            Way::Linked => Way::Through,
        }
    }
}

impl Quicker {
    /// The way of the next write.
    pub(super) fn next(&mut self) -> Way {
        if self.to_try > 0 {
            self.to_try -= 1;
            return self.preferred.other();
        }
        // The next trial begins when the last one is over.
        if self.to_hear == 0 {
            self.left -= 1;
            if self.left == 0 {
                (self.to_try, self.to_hear) = (TRIAL, TRIAL);
                (self.tried, self.time) = (0, 0);
            }
        }
        self.preferred
    }

    /// A write was made durable that way, in so long a time.
    pub(super) fn took(&mut self, way: Way, time: Duration) {
        let nanos = time.as_nanos();
        if way == self.preferred {
            self.takes = if self.takes == 0 { nanos } else { self.takes - self.takes / 32 + nanos / 32 };
            // It is not as it was: a trial that is far off would come too late.
            if self.to_hear == 0 && self.compared > 0 && self.takes > self.compared * 2 {
                (self.left, self.gap) = (self.left.min(1), SOON);
            }
        } else {
            self.tried += 1;
            self.time += nanos;
            self.heard();
        }
    }

    /// A write that went that way failed, or was cut short before it was durable.
    pub(super) fn lost(&mut self, way: Way) {
        if way != self.preferred {
            self.heard();
        }
    }

    /// The end of one more write on the other way: of this trial, or late, of what was preferred before.
    fn heard(&mut self) {
        if self.to_hear == 0 {
            return;
        }
        self.to_hear -= 1;
        if self.to_hear > 0 {
            return;
        }
        let trial = self.time.checked_div(self.tried.into());
        match trial {
            // Not for a hair's breadth.
            Some(trial) if self.takes == 0 || trial < self.takes / 8 * 7 => {
                (self.preferred, self.takes, self.gap) = (self.preferred.other(), trial, SOON);
            }
            _ => self.gap = (self.gap * 2).min(SELDOM),
        }
        (self.left, self.compared) = (self.gap, self.takes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `writes` take, one by one, on ways that take so many microseconds; and how many of them went through.
    fn play(quicker: &mut Quicker, writes: u32, through: u64, linked: u64) -> u32 {
        let mut count = 0;
        for _ in 0..writes {
            let way = quicker.next();
            count += u32::from(way == Way::Through);
            let takes = if way == Way::Through { through } else { linked };
            quicker.took(way, Duration::from_micros(takes));
        }
        count
    }

    #[test]
    fn the_quicker_way_is_taken_and_the_other_tried_more_and_more_seldom() {
        let mut quicker = Quicker::default();
        assert_eq!(play(&mut quicker, 32 + 4 + 64 + 4, 80, 150), 32 + 64);
        assert!(play(&mut quicker, 100_000, 80, 150) > 99_800);
    }

    #[test]
    fn the_way_changes_soon_after_the_times_do() {
        let mut quicker = Quicker::default();
        play(&mut quicker, 10_000, 80, 150);
        // The processor is wanted by others.
        play(&mut quicker, 10, 4000, 150);
        assert_eq!(play(&mut quicker, 20, 4000, 150), 0);
        // That they are gone shows at the next trial.
        play(&mut quicker, 10_000, 4000, 150);
        play(&mut quicker, SELDOM + TRIAL, 80, 150);
        assert_eq!(play(&mut quicker, 20, 80, 150), 20);
    }

    #[test]
    fn a_hair_s_breadth_changes_nothing() {
        let mut quicker = Quicker::default();
        assert!(play(&mut quicker, 10_000, 100, 95) > 9_900);
    }

    #[test]
    fn trials_whose_ends_are_told_late_are_counted_once() {
        let mut quicker = Quicker::default();
        let ways: Vec<Way> = (0..200).map(|_| quicker.next()).collect();
        let tried = ways.iter().filter(|way| **way == Way::Linked).count();
        assert_eq!(tried as u32, TRIAL, "one trial at a time");
        for way in ways {
            quicker.took(way, Duration::from_micros(if way == Way::Through { 150 } else { 80 }));
        }
        assert_eq!(quicker.next(), Way::Linked);
    }

    #[test]
    fn a_trial_that_fails_is_over_and_shows_nothing() {
        let mut quicker = Quicker::default();
        let mut count = 0;
        for _ in 0..10_000 {
            match quicker.next() {
                Way::Through => quicker.took(Way::Through, Duration::from_micros(100)),
                Way::Linked => {
                    count += 1;
                    quicker.lost(Way::Linked);
                }
            }
        }
        assert!((2 * TRIAL..20 * TRIAL).contains(&count), "{count} were tried");
    }
}
