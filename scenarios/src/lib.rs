//! What is run and how it is judged: clusters, workloads, fault mixes, oracles.
#![forbid(unsafe_code)]

pub mod client;
pub mod efficacy;
pub mod explore;
pub mod full_stack;
pub mod history;
pub mod library;
pub mod linearizable;
pub mod oracles;
pub mod paxos_scene;
pub mod probes;
pub mod recorded;
pub mod sampler;
pub mod states;
pub mod story;
pub mod strange;
pub mod toy;
pub mod workload;

use seedfast_sim::Scenario;

/// Every scenario, the default mix first; those with a planted bug last.
pub fn all() -> Vec<&'static dyn Scenario> {
    let mut all = library::ALL.to_vec();
    all.extend([&full_stack::FULL_STACK as &dyn Scenario, &toy::TOY, &toy::TOY_DOUBLE_VOTE]);
    all
}
