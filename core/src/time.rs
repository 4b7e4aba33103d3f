//! Time as integers of nanoseconds, so that it can be written in a trace and built from a number.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A reading of one node's monotonic clock: nanoseconds since an origin that only this node knows.
///
/// Monotonic time may drift, stall and differ between nodes; it never steps back within one life of a process.
/// Readings of two lives, or of two nodes, cannot be compared, so none is ever written to a device or a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

/// A length of time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

/// A reading of one node's wall clock: nanoseconds since the Unix epoch. It may step both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub i64);

/// What a process knows of time in one turn: its own two clocks, sampled after the input was harvested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock: timers and leases rest on it.
    pub monotonic: Instant,
    /// The wall clock: hybrid logical clocks rest on it, nothing else may.
    pub wall: WallTime,
}

impl Instant {
    /// The clock's origin.
    pub const ZERO: Instant = Instant(0);
    /// Later than every reading.
    pub const FAR_FUTURE: Instant = Instant(u64::MAX);

    /// An instant `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time since `earlier`, or zero if `earlier` is later.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Duration = Duration(0);

    /// `nanos` nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Duration(nanos)
    }

    /// `micros` microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Duration(micros * 1_000)
    }

    /// `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Duration(millis * 1_000_000)
    }

    /// `secs` seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Duration(secs * 1_000_000_000)
    }

    /// The length in nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// `self` taken `factor` times.
    pub const fn times(self, factor: u64) -> Duration {
        Duration(self.0.saturating_mul(factor))
    }

    /// `self` divided by `divisor`, rounded down.
    ///
    /// # Panics
    /// If `divisor` is zero.
    pub const fn over(self, divisor: u64) -> Duration {
        Duration(self.0 / divisor)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, rhs: Duration) -> Instant {
        Instant(self.0.saturating_add(rhs.0))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;
    fn sub(self, rhs: Duration) -> Instant {
        Instant(self.0.saturating_sub(rhs.0))
    }
}

impl Add for Duration {
    type Output = Duration;
    fn add(self, rhs: Duration) -> Duration {
        Duration(self.0.saturating_add(rhs.0))
    }
}

/// Seconds with as many decimals as the value needs, at least three: `1.200s`, `0.000000017s`.
fn seconds(f: &mut fmt::Formatter<'_>, nanos: u64) -> fmt::Result {
    let (whole, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if rest.is_multiple_of(1_000_000) {
        write!(f, "{whole}.{:03}s", rest / 1_000_000)
    } else if rest.is_multiple_of(1_000) {
        write!(f, "{whole}.{:06}s", rest / 1_000)
    } else {
        write!(f, "{whole}.{rest:09}s")
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        seconds(f, self.0)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        seconds(f, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn time_prints_as_seconds_without_losing_a_nanosecond() {
        assert_eq!(format!("{}", Duration::from_millis(1200)), "1.200s");
        assert_eq!(format!("{}", Duration::from_micros(1)), "0.000001s");
        assert_eq!(format!("{}", Instant::from_nanos(17)), "0.000000017s");
    }

    #[test]
    fn since_never_goes_below_zero() {
        let (early, late) = (Instant::from_nanos(5), Instant::from_nanos(9));
        assert_eq!(late.since(early), Duration::from_nanos(4));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
