//! The network loses, doubles, delays, reorders and damages messages all the time, and is worse for a while now and
//! then; one kind of message may not get through at all. Processes live, links are never quite cut.

use super::Mix;
use crate::sampler::{Draws, MILLI, SECOND, Sketch, environment, faults};
use seedfast_sim::Plan;

/// See the module.
pub const LOSSY: Mix =
    Mix { name: "lossy", about: "messages are lost, doubled, late, reordered, damaged and starved", plan };

fn plan(seed: u64) -> Plan {
    let draws = Draws::new("lossy", seed);
    let mut draw = draws.of("cluster");
    let (nodes, workers) = (draw.one_of(&[3, 5, 5, 7]), draw.between(3, 6) as u8);
    let mut sketch = Sketch::calm(nodes, workers, draw.between(120, 200), draw.between(5, 8) * SECOND);
    let mut draw = draws.of("network");
    let network = environment::network(&mut draw);
    sketch.network = environment::unreliable(network, &mut draw, 100_000);
    if draw.percent(20) {
        sketch.network.throttle = draw.between(50_000, 1_000_000);
    }
    sketch.turns = environment::turns(&mut draws.of("turns"));
    let when = 500 * MILLI..sketch.heal - 500 * MILLI;

    let mut draw = draws.of("degraded");
    (0..draw.between(1, 3)).for_each(|_| faults::degrade(&mut sketch, &mut draw, &when));
    let mut draw = draws.of("starved");
    (0..draw.between(0, 3)).for_each(|_| faults::starve(&mut sketch, &mut draw, &when));
    sketch.plan()
}
