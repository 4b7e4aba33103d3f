//! Processes die and power fails, at every place of a turn, and nothing else goes wrong.
//!
//! The leader crashes with commands in flight; nodes crash again while they recover; now and then the power goes
//! everywhere at once. What was promised, voted for and acknowledged has to be on the devices.

use super::Mix;
use crate::sampler::{Draws, MILLI, SECOND, Sketch, environment, faults};
use seedfast_sim::Plan;

/// See the module.
pub const CRASHES: Mix =
    Mix { name: "crashes", about: "processes die and power fails, in recovery too", plan };

fn plan(seed: u64) -> Plan {
    let draws = Draws::new("crashes", seed);
    let mut draw = draws.of("cluster");
    let (nodes, workers) = (draw.one_of(&[3, 5, 5, 7]), draw.between(3, 6) as u8);
    let mut sketch = Sketch::calm(nodes, workers, draw.between(120, 200), draw.between(7, 10) * SECOND);
    sketch.network = environment::network(&mut draws.of("network"));
    sketch.disk = environment::disk(&mut draws.of("disk"));
    sketch.turns = environment::turns(&mut draws.of("turns"));
    if draws.of("padding").percent(60) {
        sketch.workload.padding = draws.of("how much padding").between(200, 1_500);
    }
    let when = SECOND..sketch.heal - 500 * MILLI;

    let mut draw = draws.of("leader crashes");
    faults::leader_crash(&mut sketch, &mut draw, &(SECOND..1_800 * MILLI));
    if draw.percent(50) {
        faults::leader_crash(&mut sketch, &mut draw, &(4 * SECOND..5_500 * MILLI));
    }
    let mut draw = draws.of("stray crashes");
    (0..draw.between(1, 5)).for_each(|_| faults::stray_crash(&mut sketch, &mut draw, &when));
    let mut draw = draws.of("crashes mid-write");
    (0..draw.between(0, 3)).for_each(|_| faults::crash_mid_write(&mut sketch, &mut draw, &when));
    let mut draw = draws.of("blackout");
    if draw.percent(40) {
        faults::blackout(&mut sketch, &mut draw, &when);
    }
    sketch.plan()
}
