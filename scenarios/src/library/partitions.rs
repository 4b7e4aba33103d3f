//! The network falls apart, again and again, and nothing else does.
//!
//! The leader is cut off for long enough that another one is elected, and comes back believing that it leads; groups
//! form that hold a majority and groups that do not; single directions are cut, flap, or hold their messages back and
//! let them go when nobody expects them any more. No process crashes: whatever a replica forgets here, it never wrote.

use super::Mix;
use crate::sampler::{Draws, MILLI, SECOND, Sketch, environment, faults};
use seedfast_sim::Plan;

/// See the module.
pub const PARTITIONS: Mix =
    Mix { name: "partitions", about: "the network falls apart again and again; processes live", plan };

fn plan(seed: u64) -> Plan {
    let draws = Draws::new("partitions", seed);
    let mut draw = draws.of("cluster");
    let (nodes, workers) = (draw.one_of(&[3, 5, 5, 7]), draw.between(3, 6) as u8);
    let mut sketch = Sketch::calm(nodes, workers, draw.between(120, 200), draw.between(7, 10) * SECOND);
    sketch.network = environment::network(&mut draws.of("network"));
    sketch.turns = environment::turns(&mut draws.of("turns"));
    let when = SECOND..sketch.heal - 500 * MILLI;

    let mut draw = draws.of("isolations");
    faults::isolation(&mut sketch, &mut draw, &(SECOND..1_800 * MILLI));
    if draw.percent(50) {
        faults::isolation(&mut sketch, &mut draw, &(4 * SECOND..5_500 * MILLI));
    }
    let mut draw = draws.of("partitions");
    (0..draw.between(1, 3)).for_each(|_| faults::partition(&mut sketch, &mut draw, &when));
    let mut draw = draws.of("links");
    (0..draw.between(1, 5)).for_each(|_| faults::bad_link(&mut sketch, &mut draw, &when));
    let mut draw = draws.of("late voices");
    (0..draw.between(0, 3)).for_each(|_| faults::late_voice(&mut sketch, &mut draw, &when));
    sketch.plan()
}
