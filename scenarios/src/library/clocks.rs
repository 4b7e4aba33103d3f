//! No two clocks agree, and none can be trusted.
//!
//! Clocks start apart and run apart; they jump, freeze and change their rate; processes stand still between the look
//! at the clock and the turn. Nothing that is promised may rest on any of it: agreement, durability and linearizable
//! reads hold under any clocks. The network and the devices are well.

use super::Mix;
use crate::sampler::{Draws, MILLI, SECOND, Sketch, environment, faults};
use seedfast_sim::Plan;

/// See the module.
pub const CLOCKS: Mix =
    Mix { name: "clocks", about: "clocks start apart, drift, jump and freeze; processes pause", plan };

/// Half as fast again, or half as slow.
const DRIFT: u64 = 500_000_000;

fn plan(seed: u64) -> Plan {
    let draws = Draws::new("clocks", seed);
    let mut draw = draws.of("cluster");
    let (nodes, workers) = (draw.one_of(&[3, 5, 5, 7]), draw.between(3, 6) as u8);
    let mut sketch = Sketch::calm(nodes, workers, draw.between(120, 200), draw.between(6, 9) * SECOND);
    sketch.network = environment::network(&mut draws.of("network"));
    sketch.turns = environment::turns(&mut draws.of("turns"));
    sketch.clocks = environment::clocks(&mut draws.of("clocks"), nodes, DRIFT);
    let when = 500 * MILLI..sketch.heal - 500 * MILLI;

    let mut draw = draws.of("odd clocks");
    (0..draw.between(2, 8)).for_each(|_| faults::odd_clock(&mut sketch, &mut draw, &when, DRIFT));
    let mut draw = draws.of("pauses");
    (0..draw.between(1, 4)).for_each(|_| faults::sluggish(&mut sketch, &mut draw, &when));
    sketch.plan()
}
