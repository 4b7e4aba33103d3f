//! What a campaign adds up. Sums and counts only, so that neither the number of jobs nor the order of their results
//! shows.

use crate::names::hexadecimal;
use seedfast_sim::Outcome;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How often something happened, and in how many seeds at least once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frequency {
    /// In all seeds together.
    pub times: u64,
    /// Seeds in which it happened.
    pub seeds: u64,
}

impl Frequency {
    fn add(&mut self, times: u64) {
        self.times += times;
        self.seeds += u64::from(times > 0);
    }

    fn merge(&mut self, other: Frequency) {
        self.times += other.times;
        self.seeds += other.seeds;
    }
}

/// The sums over the seeds of one scenario, or of a whole campaign.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Seeds that were run to their verdict.
    pub seeds: u64,
    /// Seeds that broke an invariant.
    pub failures: u64,
    /// Events of all traces.
    pub events: u64,
    /// Messages delivered to processes.
    pub delivered: u64,
    /// Simulated time in nanoseconds.
    pub sim_nanos: u128,
    /// Bytes of all traces.
    pub trace_bytes: u64,
    /// The sum of all trace hashes: equal campaigns have equal sums, whatever the order.
    #[serde(with = "hexadecimal")]
    pub trace_hash: u128,
    /// Seeds that were run again and compared.
    pub rerun_checked: u64,
    /// Seeds of which two runs differed.
    pub rerun_mismatches: u64,
    /// What went wrong, by effect.
    pub effects: BTreeMap<String, Frequency>,
    /// Probes reached.
    pub probes: BTreeMap<String, Frequency>,
}

impl Tally {
    /// Adds one run.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.failures += u64::from(outcome.broken.is_some());
        self.events += outcome.events;
        self.delivered += outcome.delivered;
        self.sim_nanos += u128::from(outcome.sim_nanos);
        self.trace_bytes += outcome.trace_bytes;
        self.trace_hash = self.trace_hash.wrapping_add(outcome.trace_hash);
        for (name, times) in &outcome.effects {
            entry(&mut self.effects, name).add(*times);
        }
        for (name, times) in &outcome.probes {
            entry(&mut self.probes, name).add(*times);
        }
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Tally) {
        self.seeds += other.seeds;
        self.failures += other.failures;
        self.events += other.events;
        self.delivered += other.delivered;
        self.sim_nanos += other.sim_nanos;
        self.trace_bytes += other.trace_bytes;
        self.trace_hash = self.trace_hash.wrapping_add(other.trace_hash);
        self.rerun_checked += other.rerun_checked;
        self.rerun_mismatches += other.rerun_mismatches;
        for (name, frequency) in &other.effects {
            entry(&mut self.effects, name).merge(*frequency);
        }
        for (name, frequency) in &other.probes {
            entry(&mut self.probes, name).merge(*frequency);
        }
    }
}

/// The entry of `name`, without allocating a name that is there already.
fn entry<'a>(map: &'a mut BTreeMap<String, Frequency>, name: &str) -> &'a mut Frequency {
    if !map.contains_key(name) {
        map.insert(name.to_owned(), Frequency::default());
    }
    map.get_mut(name).expect("it was just inserted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up_whatever_the_order() {
        let outcome = |crashes| Outcome {
            events: 3,
            effects: BTreeMap::from([("crash", crashes)]),
            ..Outcome::default()
        };
        let (mut all, mut parts) = (Tally::default(), Tally::default());
        for crashes in [0, 2, 5] {
            all.add(&outcome(crashes));
            let mut one = Tally::default();
            one.add(&outcome(crashes));
            one.merge(&parts);
            parts = one;
        }
        assert_eq!(all, parts);
        assert_eq!(all.effects["crash"], Frequency { times: 7, seeds: 2 });
        assert_eq!((all.seeds, all.events), (3, 9));
    }
}
