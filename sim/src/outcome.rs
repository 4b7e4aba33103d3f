//! How a run ended.

use crate::scene::Violation;
use std::collections::BTreeMap;

/// A violation and where it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What.
    pub violation: Violation,
    /// True time in nanoseconds.
    pub at: u64,
    /// After how many events of the trace.
    pub event: u64,
}

/// Everything that a run leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The first invariant that broke; none if all held.
    pub broken: Option<Broken>,
    /// XXH3-128 of the trace's bytes.
    pub trace_hash: u128,
    /// Length of the trace in bytes.
    pub trace_bytes: u64,
    /// How many events the trace holds.
    pub events: u64,
    /// How many messages were delivered to processes.
    pub delivered: u64,
    /// True time when the run ended, in nanoseconds.
    pub sim_nanos: u64,
    /// What went wrong, by effect: the world's counters and the scene's.
    pub effects: BTreeMap<&'static str, u64>,
    /// Probes reached and how often.
    pub probes: BTreeMap<String, u64>,
}
