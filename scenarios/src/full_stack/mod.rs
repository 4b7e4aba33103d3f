//! The whole stack, deterministically: replicas behind the loop that drives them on a real machine, and clients over
//! byte streams.
//!
//! Other scenarios hand inputs to a replica directly. Here each node is async code over
//! [`seedfast_runtime_sim`]: `drive` feeds the replica from a runtime's endpoint, device and connections, as
//! it does in production; a listener and a task for each stream carry requests in and answers out. Clients are the same
//! clients, behind streams that are cut, half-closed and broken. The faults are those of `everything`, the judge is the
//! same judge.
//!
//! Some clients speak the native protocol ([`seedfast_kv::native`]), with sessions and exactly once; the others RESP
//! (`seedfast_kv::server`), without.
//!
//! - [`server`] is a node, [`bridge`] a client's streams, [`resp`] what it says in RESP, [`scene`] puts them together

pub mod bridge;
pub mod resp;
pub mod scene;
pub mod server;

use crate::library::EVERYTHING;
use crate::probes;
use scene::FullStack;
use seedfast_core::random::mix;
use seedfast_sim::{Plan, Scenario, Scene};
use std::collections::BTreeMap;

/// See the module.
pub struct Whole;

/// The whole stack under every fault.
pub const FULL_STACK: Whole = Whole;

impl Scenario for Whole {
    fn name(&self) -> &'static str {
        "full-stack"
    }

    fn about(&self) -> &'static str {
        "replicas driven as in production, clients over byte streams: everything's faults on async code"
    }

    fn plan(&self, seed: u64) -> Plan {
        let mut plan = EVERYTHING.plan(seed);
        // The last client is the probe, whose command has to have a name.
        let most = u64::from(plan.schedule.clients).saturating_sub(1);
        plan.workload.insert("resp".into(), mix(seed ^ u64::from_le_bytes(*b"dialects")) % (most + 1));
        plan
    }

    fn calm(&self) -> BTreeMap<String, u64> {
        EVERYTHING.calm()
    }

    fn probes(&self) -> Vec<&'static str> {
        probes::of_a_replica()
    }

    fn scene(&self, plan: &Plan, seed: u64) -> Result<Box<dyn Scene>, String> {
        Ok(Box::new(FullStack::new(plan, seed)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_sim::{NoTrace, Outcome, World};

    fn run(scenario: &dyn Scenario, seed: u64) -> Outcome {
        let plan = scenario.plan(seed);
        let mut scene = scenario.scene(&plan, seed).expect("the plan makes sense");
        World::new().run(seed, &plan.schedule, &mut *scene, &mut NoTrace)
    }

    #[test]
    fn some_clients_speak_resp_and_the_probe_never_does() {
        let clients = |seed| {
            let plan = FULL_STACK.plan(seed);
            (plan.workload["resp"], u64::from(plan.schedule.clients))
        };
        assert!((0..50).map(clients).all(|(resp, clients)| resp < clients));
        let all = (0..50).map(clients).filter(|(resp, clients)| resp + 1 == *clients).count();
        let none = (0..50).map(clients).filter(|(resp, _)| *resp == 0).count();
        assert!(all > 2 && none > 2 && all + none < 40, "{all} {none}");
    }

    #[test]
    fn the_whole_stack_stands_every_fault_and_a_seed_gives_the_same_bytes() {
        for seed in 0..4 {
            let outcome = run(&FULL_STACK, seed);
            assert_eq!(outcome.broken, None, "seed {seed}");
            assert!(outcome.effects["client.ok"] > 20, "seed {seed}: {:?}", outcome.effects);
            assert_eq!(run(&FULL_STACK, seed).trace_hash, outcome.trace_hash, "seed {seed}");
        }
    }
}
