//! The oracles: each knows one invariant of `docs/paxos.md`, watches what the core observes, and names the invariant
//! when it breaks. They run on every seed, so each costs a few table look-ups a step.
//!
//! - [`Judge`] feeds them all; [`step`] is what they are fed
//! - what is chosen: [`agreement`] I1, [`validity`] I2, [`prefix`] I3, [`majority`] I10
//! - how it comes about: [`durability`] I4 and I22, [`one_value`] I5, [`phase_one`] I6, [`promises`] I8, [`ownership`]
//!   I9, [`amnesia`] I20
//! - what clients are owed: [`acknowledged`] I12, [`exactly_once`] I13, [`digests`] I15 and I21, [`liveness`] I19;
//!   linearizability, I14 and I16, is judged by [`crate::linearizable`]
//! - [`events`] keeps the protocol trace for outsiders

pub mod acknowledged;
pub mod agreement;
pub mod amnesia;
mod by_slot;
pub mod digests;
pub mod durability;
pub mod events;
pub mod exactly_once;
pub mod judge;
pub mod liveness;
pub mod majority;
pub mod one_value;
pub mod ownership;
pub mod phase_one;
pub mod prefix;
pub mod promises;
pub mod step;
#[cfg(test)]
pub(crate) mod testing;
pub mod validity;

pub use judge::Judge;
pub use step::{By, Step};

use seedfast_sim::Violation;

/// What an oracle says: nothing, or what broke.
pub type Verdict = Result<(), Violation>;

/// Watches the steps of a run.
pub trait Oracle {
    /// Takes one step in the world's total order.
    ///
    /// # Errors
    /// The invariant that it breaks.
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict;
}

/// The verdict that `invariant` broke.
#[cold]
pub(crate) fn broken(invariant: &str, what: String) -> Verdict {
    Err(Violation { invariant: invariant.into(), what })
}
