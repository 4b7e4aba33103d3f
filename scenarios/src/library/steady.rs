//! Nothing goes wrong.
//!
//! Three, five or seven replicas, a network and devices of every speed, clients that keep them busy. Whatever breaks
//! here needs no fault to break; and whatever a fault scenario costs is measured against this one.

use super::Mix;
use crate::sampler::{Draws, SECOND, Sketch, environment};
use seedfast_sim::Plan;

/// See the module.
pub const STEADY: Mix = Mix { name: "steady", about: "nothing goes wrong: clients, replicas and time", plan };

fn plan(seed: u64) -> Plan {
    let draws = Draws::new("steady", seed);
    let mut draw = draws.of("cluster");
    let (nodes, workers) = (draw.one_of(&[3, 3, 5, 5, 7]), draw.between(2, 8) as u8);
    let mut sketch = Sketch::calm(nodes, workers, draw.between(80, 200), 3 * SECOND);
    sketch.network = environment::network(&mut draws.of("network"));
    sketch.disk = environment::disk(&mut draws.of("disk"));
    sketch.turns = environment::turns(&mut draws.of("turns"));
    sketch.plan()
}
