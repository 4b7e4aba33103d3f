//! Hybrid logical clocks: timestamps that respect causality and stay close to wall time (Kulkarni, Demirbas, Madappa,
//! Avva and Leone, "Logical physical clocks", OPODIS 2014, figure 5).
//!
//! A timestamp's wall part is the highest wall time that its node has read or heard of; the logical part tells apart
//! the events that share it. A node whose wall clock is wrong could drag everyone into the future, so a remote
//! timestamp further ahead of the local wall clock than a stated bound is refused.

use crate::codec::{Malformed, Reader, Write};
use crate::time::{Duration, WallTime};
use alloc::vec::Vec;
use core::fmt;

/// A reading, totally ordered: by wall time, then by the counter. Two nodes can have the same one: break ties by node
/// where the order must be total over all events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridTimestamp {
    /// The highest wall time known, in nanoseconds since the Unix epoch.
    pub wall: WallTime,
    /// How many events this wall time has seen already.
    pub logical: u32,
}

impl HybridTimestamp {
    /// Below every timestamp that a clock hands out.
    pub const MIN: HybridTimestamp = HybridTimestamp { wall: WallTime(i64::MIN), logical: 0 };

    /// Appends the encoding: the wall time in eight bytes, the counter in four, little end first.
    pub fn encode(self, out: &mut Vec<u8>) {
        out.u64(self.wall.0.cast_unsigned());
        out.u32(self.logical);
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes end first.
    pub fn decode(fields: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(HybridTimestamp { wall: WallTime(fields.u64()?.cast_signed()), logical: fields.u32()? })
    }

    /// The lowest timestamp above this one. A full counter moves the wall part on by a nanosecond.
    fn next(self) -> Self {
        match self.logical.checked_add(1) {
            Some(logical) => HybridTimestamp { logical, ..self },
            None => {
                let wall = self.wall.0.checked_add(1).expect("the end of time is in 2262");
                HybridTimestamp { wall: WallTime(wall), logical: 0 }
            }
        }
    }
}

impl fmt::Display for HybridTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.wall.0, self.logical)
    }
}

/// A remote timestamp is further ahead of the local wall clock than the bound allows. One of the two clocks is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFarAhead {
    /// The timestamp that was refused.
    pub remote: HybridTimestamp,
    /// What the local wall clock read.
    pub now: WallTime,
    /// How far ahead it may be.
    pub bound: Duration,
}

impl fmt::Display for TooFarAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ahead = i128::from(self.remote.wall.0) - i128::from(self.now.0);
        write!(
            f,
            "a remote timestamp is {ahead} ns ahead of the local wall clock, more than the {} allowed: compare both \
             nodes' clocks",
            self.bound
        )
    }
}

impl core::error::Error for TooFarAhead {}

/// One node's clock.
#[derive(Clone, Copy, Debug)]
pub struct HybridClock {
    last: HybridTimestamp,
    bound: Duration,
}

impl HybridClock {
    /// A clock that has seen nothing and follows nobody further than `bound` ahead of its own wall clock.
    pub const fn new(bound: Duration) -> Self {
        Self::resume(HybridTimestamp::MIN, bound)
    }

    /// A clock that goes on after `last`, which a former life made durable.
    pub const fn resume(last: HybridTimestamp, bound: Duration) -> Self {
        HybridClock { last, bound }
    }

    /// The timestamp of the latest event, [`HybridTimestamp::MIN`] before the first.
    pub const fn last(&self) -> HybridTimestamp {
        self.last
    }

    /// Stamps an event of this node, at local wall time `now`; the sending of a message is one, and the message
    /// carries the timestamp. A wall clock that stepped back is outlasted by counting.
    pub fn tick(&mut self, now: WallTime) -> HybridTimestamp {
        self.last = self.last.next().max(HybridTimestamp { wall: now, logical: 0 });
        self.last
    }

    /// Stamps the receipt, at local wall time `now`, of a message that carried `remote`.
    ///
    /// # Errors
    /// [`TooFarAhead`] if `remote` is ahead of `now` by more than the bound; the clock is then unchanged.
    pub fn observe(
        &mut self,
        now: WallTime,
        remote: HybridTimestamp,
    ) -> Result<HybridTimestamp, TooFarAhead> {
        let ahead = i128::from(remote.wall.0) - i128::from(now.0);
        if ahead > i128::from(self.bound.as_nanos()) {
            return Err(TooFarAhead { remote, now, bound: self.bound });
        }
        self.last = self.last.max(remote).next().max(HybridTimestamp { wall: now, logical: 0 });
        Ok(self.last)
    }
}
