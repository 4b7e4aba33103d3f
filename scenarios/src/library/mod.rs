//! The scenarios: each file tells one story and draws its plans.

pub mod clocks;
pub mod crashes;
pub mod everything;
pub mod lossy;
pub mod media;
pub mod partitions;
pub mod standard;
pub mod steady;

use crate::paxos_scene::PaxosScene;
use crate::probes;
use crate::workload;
use seedfast_sim::{Plan, Scenario, Scene};
use std::collections::BTreeMap;

pub use clocks::CLOCKS;
pub use crashes::CRASHES;
pub use everything::EVERYTHING;
pub use lossy::LOSSY;
pub use media::{AMNESIA, BIT_ROT, FULL_DISK, NO_GOOD_COPY, SLOW_DISK, SNAPSHOTS, TORN_DISK, TORN_NVM};
pub use partitions::PARTITIONS;
pub use standard::STANDARD;
pub use steady::STEADY;

/// A scenario of the replicated store: a name, a story in one line, and how a plan is drawn.
pub struct Mix {
    name: &'static str,
    about: &'static str,
    plan: fn(u64) -> Plan,
}

impl Scenario for Mix {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn plan(&self, seed: u64) -> Plan {
        (self.plan)(seed)
    }

    fn calm(&self) -> BTreeMap<String, u64> {
        workload::calm().to_plan()
    }

    fn probes(&self) -> Vec<&'static str> {
        probes::of_a_replica()
    }

    fn scene(&self, plan: &Plan, seed: u64) -> Result<Box<dyn Scene>, String> {
        Ok(Box::new(PaxosScene::new(plan, seed)?))
    }
}

/// Every scenario of this library, the default mix first.
pub const ALL: [&dyn Scenario; 15] = [
    &EVERYTHING,
    &STEADY,
    &PARTITIONS,
    &CRASHES,
    &CLOCKS,
    &LOSSY,
    &TORN_DISK,
    &TORN_NVM,
    &BIT_ROT,
    &NO_GOOD_COPY,
    &FULL_DISK,
    &SLOW_DISK,
    &AMNESIA,
    &SNAPSHOTS,
    &STANDARD,
];
