//! A node's clocks as a function of true time.
//!
//! Both clocks of a node run at the same rate: true time's, made faster or slower by the drift, or zero while frozen.
//! The monotonic clock is a piecewise linear map that never steps back, because a change of rate starts a new piece at
//! the reading of the old one; it lives outside the process, so a restart does not touch it. The wall clock is the
//! monotonic one plus a difference that steps change.

use seedfast_core::{Instant, Now, WallTime};

use crate::schedule::Clock;

/// What a perfect wall clock reads at true time zero: 2026-01-01T00:00:00Z in nanoseconds since the Unix epoch.
pub const WALL_EPOCH: i64 = 1_767_225_600_000_000_000;

/// Fixed point: rates in units of 2^-40, below a millionth of a part per billion off.
const ONE: u64 = 1 << 40;
/// The fastest clock runs a thousand times faster than true time.
const FASTEST: i64 = 999_000_000_000;
const SLOWEST: i64 = -999_999_999;

/// The clocks of one node.
#[derive(Clone, Debug)]
pub(crate) struct LocalClock {
    /// Where the current piece begins, in true time and on the monotonic clock.
    since: u64,
    reading: u64,
    rate: u64,
    frozen: bool,
    wall: i64,
}

fn rate_of(drift: i64) -> u64 {
    let drift = i128::from(drift.clamp(SLOWEST, FASTEST));
    (i128::from(ONE) + drift * i128::from(ONE) / 1_000_000_000) as u64
}

impl LocalClock {
    pub(crate) fn new(clock: Clock) -> Self {
        LocalClock {
            since: 0,
            reading: clock.monotonic_offset,
            rate: rate_of(clock.drift),
            frozen: false,
            wall: WALL_EPOCH.wrapping_add(clock.wall_offset).wrapping_sub(clock.monotonic_offset as i64),
        }
    }

    /// The monotonic clock at true time `now`, which lies in the current piece.
    #[inline]
    pub(crate) fn monotonic(&self, now: u64) -> u64 {
        if self.frozen {
            return self.reading;
        }
        let elapsed = now.saturating_sub(self.since);
        if self.rate == ONE {
            return self.reading.saturating_add(elapsed);
        }
        self.reading.saturating_add(((u128::from(elapsed) * u128::from(self.rate)) >> 40) as u64)
    }

    /// Both clocks at true time `now`.
    #[inline]
    pub(crate) fn read(&self, now: u64) -> Now {
        let monotonic = self.monotonic(now);
        Now {
            monotonic: Instant::from_nanos(monotonic),
            wall: WallTime((monotonic as i64).wrapping_add(self.wall)),
        }
    }

    /// The first true time, not before `now`, at which the monotonic clock reads `due` or more; none if it never does
    /// in the current piece.
    pub(crate) fn when(&self, due: u64, now: u64) -> Option<u64> {
        let ahead = due.saturating_sub(self.reading);
        if ahead == 0 {
            return Some(now);
        }
        if self.frozen || due == u64::MAX {
            return None;
        }
        let elapsed = if self.rate == ONE {
            ahead
        } else {
            let elapsed = (u128::from(ahead) << 40).div_ceil(u128::from(self.rate));
            u64::try_from(elapsed).unwrap_or(u64::MAX)
        };
        Some(self.since.saturating_add(elapsed).max(now))
    }

    fn new_piece(&mut self, now: u64) {
        self.reading = self.monotonic(now);
        self.since = now;
    }

    /// From now on both clocks run by `drift` parts per billion faster than true time.
    pub(crate) fn drift(&mut self, now: u64, drift: i64) {
        self.new_piece(now);
        self.rate = rate_of(drift);
    }

    /// Both clocks stop, or go on from where they stopped.
    pub(crate) fn freeze(&mut self, now: u64, frozen: bool) {
        self.new_piece(now);
        self.frozen = frozen;
    }

    /// The wall clock jumps.
    pub(crate) fn step(&mut self, by: i64) {
        self.wall = self.wall.wrapping_add(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_is_exact_to_a_nanosecond_over_an_hour() {
        let clock = LocalClock::new(Clock { monotonic_offset: 5, wall_offset: -7, drift: 100_000 });
        let hour = 3_600_000_000_000;
        assert!(clock.monotonic(hour).abs_diff(5 + hour + hour / 10_000) <= 4);
        assert_eq!(clock.read(0).wall.0, WALL_EPOCH - 7);
    }

    #[test]
    fn the_inverse_is_the_first_instant_at_which_the_reading_is_reached() {
        for drift in [0, 1, -1, 200_000_000, -999_999_000, 5_000_000_000] {
            let clock = LocalClock::new(Clock { monotonic_offset: 1_000, wall_offset: 0, drift });
            for due in [1_001, 1_234, 50_000, 1_000_000_007] {
                let at = clock.when(due, 0).expect("it runs");
                assert!(clock.monotonic(at) >= due, "drift {drift}: {at} is late enough");
                assert!(at == 0 || clock.monotonic(at - 1) < due, "drift {drift}: {at} is not too late");
            }
        }
    }

    #[test]
    fn the_monotonic_clock_never_steps_back_whatever_is_done_to_it() {
        let mut clock = LocalClock::new(Clock::default());
        let mut last = 0;
        for now in 0..5_000u64 {
            match now % 7 {
                0 => clock.drift(now, (now as i64 % 3 - 1) * 900_000_000),
                2 => clock.freeze(now, now % 2 == 0),
                4 => clock.step(-1_000_000),
                _ => {}
            }
            let reading = clock.read(now);
            assert!(reading.monotonic.as_nanos() >= last, "at {now}");
            last = reading.monotonic.as_nanos();
        }
        assert!(last > 0);
    }

    #[test]
    fn a_frozen_clock_reaches_nothing_and_goes_on_from_where_it_stopped() {
        let mut clock = LocalClock::new(Clock::default());
        clock.freeze(100, true);
        assert_eq!(clock.monotonic(5_000), 100);
        assert_eq!(clock.when(101, 5_000), None);
        assert_eq!(clock.when(100, 5_000), Some(5_000));
        clock.freeze(5_000, false);
        assert_eq!(clock.monotonic(5_001), 101);
        assert_eq!(clock.when(101, 5_000), Some(5_001));
    }
}
