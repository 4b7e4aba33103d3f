//! Multi-Paxos: pipelined and batched, with the invariants of `docs/paxos.md` stated as contracts.

use crate::id::NodeId;
use core::fmt;

mod acceptor;
mod batch;
mod candidate;
mod config;
pub mod control;
mod durable;
mod engine;
mod gather;
mod keeper;
mod leader;
mod learner;
mod log;
pub mod observe;
#[cfg(test)]
mod properties;
mod replica;
mod sessions;
mod shelves;
mod snapshot;
pub mod timer;
mod transfer;
pub mod wire;

pub use crate::journal::format;
pub use config::{Config, ConfigError};
pub use durable::founding;
pub use replica::{Replica, Standing};

/// A ballot: a round and the node that owns it, in one number that orders them. `Ballot(0)` is below every real one.
///
/// The round stands in the upper 56 bits, the node in the lower 8, so that rounds decide and nodes break ties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot(pub u64);

impl Ballot {
    /// Below every ballot that a node ever uses.
    pub const ZERO: Ballot = Ballot(0);

    /// The ballot of `node` in `round`, which starts at 1.
    pub const fn new(round: u64, node: NodeId) -> Self {
        Ballot(round << 8 | node.0 as u64)
    }

    /// Its round; 0 only for [`Ballot::ZERO`].
    pub const fn round(self) -> u64 {
        self.0 >> 8
    }

    /// The only node that may use it.
    pub const fn node(self) -> NodeId {
        NodeId(self.0 as u8)
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.round(), self.node().0)
    }
}

/// A position in the replicated log, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u64);

impl Slot {
    /// The slot after this one.
    pub const fn next(self) -> Slot {
        Slot(self.0 + 1)
    }

    /// The slot `count` further.
    pub const fn plus(self, count: u64) -> Slot {
        Slot(self.0 + count)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A name for a proposed value: the XXH3-64 of its encoded batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u64);
