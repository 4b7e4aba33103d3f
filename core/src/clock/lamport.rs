//! Lamport's clock: one counter that never falls behind what it has seen (Lamport, CACM 1978, section "Logical
//! clocks").

use core::fmt;

/// A reading. If an event happened before another, its reading is the lower one; the converse does not hold. Two
/// nodes can have the same reading: break ties by node where a total order is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LamportTime(pub u64);

/// A remote reading leaves no number above itself: it is a lie or damage, since no clock gets there by ticking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the remote clock reads the largest number there is, so no later event could be numbered")
    }
}

impl core::error::Error for Exhausted {}

/// One node's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lamport(LamportTime);

impl Lamport {
    /// A clock that has seen nothing.
    pub const fn new() -> Self {
        Lamport(LamportTime(0))
    }

    /// A clock that goes on after `last`, which a former life made durable.
    pub const fn resume(last: LamportTime) -> Self {
        Lamport(last)
    }

    /// The reading of the latest event.
    pub const fn last(&self) -> LamportTime {
        self.0
    }

    /// Numbers an event of this node; the sending of a message is one, and the message carries the reading.
    ///
    /// # Panics
    /// After 2^64 events.
    pub fn tick(&mut self) -> LamportTime {
        self.0.0 = self.0.0.checked_add(1).expect("a node has fewer than 2^64 events");
        self.0
    }

    /// Numbers the receipt of a message that carried `remote`.
    ///
    /// # Errors
    /// [`Exhausted`] if there is no number above `remote` and one more event; the clock is then unchanged.
    pub fn observe(&mut self, remote: LamportTime) -> Result<LamportTime, Exhausted> {
        let latest = self.0.0.max(remote.0);
        // One short of the end, so that this node's own next event still has a number.
        if latest >= u64::MAX - 1 {
            return Err(Exhausted);
        }
        self.0 = LamportTime(latest + 1);
        Ok(self.0)
    }
}
