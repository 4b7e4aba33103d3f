//! Logical clocks: what can be said about the order of events without asking what time it is.
//!
//! | clock | one reading | says |
//! |---|---|---|
//! | [`Lamport`] | one number | if one event happened before another, its reading is lower |
//! | [`VectorClock`] | a number for each node | that, and the converse: it tells concurrent events apart |
//! | [`HybridClock`] | wall time and a counter | what Lamport's says, while staying close to wall time |
//!
//! None of them reads a clock. The hybrid one is handed the turn's wall time, which may step both ways.
//! `happened before` is Lamport's relation (Lamport, "Time, clocks, and the ordering of events in a distributed
//! system", CACM 1978): earlier at the same node, or sent before received, or a chain of these.

mod hybrid;
mod lamport;
mod vector;

#[cfg(test)]
mod laws;

pub use hybrid::{HybridClock, HybridTimestamp, TooFarAhead};
pub use lamport::{Exhausted, Lamport, LamportTime};
pub use vector::{AheadOfItsOwner, VectorClock};
