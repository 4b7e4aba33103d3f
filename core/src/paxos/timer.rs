//! Every reason for which a replica wakes by itself.

use crate::id::TimerId;

/// A replica's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// A follower or a candidate heard of no leader for its election timeout.
    Election,
    /// A leader lets itself be heard, and asks whether a quorum still hears it.
    Heartbeat,
    /// A candidate's prepare or a leader's accept was not answered.
    Retransmit,
    /// A gap in the decided prefix did not close by itself.
    Repair,
    /// A write found the device full and is made again.
    Storage,
    /// A snapshot goes on, or a peer that hands one out is silent.
    Snapshot,
    /// The journal has rested for a while, and its mark is to be written.
    Rest,
    /// Those whom an open batch waits for have not come.
    Gather,
}

impl Timer {
    /// All of them.
    pub const ALL: [Timer; 8] = [
        Timer::Election,
        Timer::Heartbeat,
        Timer::Retransmit,
        Timer::Repair,
        Timer::Storage,
        Timer::Snapshot,
        Timer::Rest,
        Timer::Gather,
    ];

    /// Its number at the boundary.
    pub const fn id(self) -> TimerId {
        TimerId(self as u16)
    }

    /// The timer of that number.
    pub fn of(id: TimerId) -> Option<Self> {
        Self::ALL.into_iter().find(|timer| timer.id() == id)
    }
}
