//! The standard schedule, by which speed is stated: one minute in the life of five replicas.
//!
//! 60 simulated seconds, 500 commands from eight clients, the server's own timeouts and heartbeats, clocks that differ,
//! more than 10,000 delivered messages. The leader crashes with commands in flight and recovers, twice; a leader is
//! cut off until another one decides commands, twice, while a third node crashes; all oracles are on. The run goes on
//! to its end even when there is nothing left to see.

use super::Mix;
use crate::sampler::{Draws, SECOND, Sketch, environment, faults};
use seedfast_sim::Plan;

/// See the module.
pub const STANDARD: Mix = Mix {
    name: "standard",
    about: "the standard schedule: 5 replicas, 60 s, 500 commands, by which speed is stated",
    plan,
};

/// Clocks differ in rate by at most this many parts per billion: a hundred parts per million.
const DRIFT: u64 = 100_000;

fn plan(seed: u64) -> Plan {
    let draws = Draws::new("standard", seed);
    // The workload is done in the 40 seconds before the heal, with time to spare.
    let mut sketch = Sketch::calm(5, 8, 500, 36 * SECOND);
    sketch.heal = 42 * SECOND;
    sketch.workload.whole = 1;
    sketch.clocks = environment::clocks(&mut draws.of("clocks"), 5, DRIFT);
    let mut draw = draws.of("crashes");
    for at in [5 * SECOND, 20 * SECOND] {
        faults::leader_crash(&mut sketch, &mut draw, &(at..at + 2 * SECOND));
    }
    let mut draw = draws.of("isolations");
    for at in [12 * SECOND, 28 * SECOND] {
        faults::isolation_and_crash(&mut sketch, &mut draw, &(at..at + 2 * SECOND));
    }
    let mut plan = sketch.plan();
    plan.schedule.end = 60 * SECOND;
    plan
}
