//! One run of one plan in a world that may have run others before.

use crate::trouble::Trouble;
use seedfast_sim::trace::TraceSink;
use seedfast_sim::{Outcome, Plan, Scenario, World};

/// Runs `plan`, drawn for `seed` or read from a bundle, and hands the trace to `sink`.
///
/// # Errors
/// If the scenario refuses the plan, or the world does.
pub fn execute(
    world: &mut World,
    scenario: &dyn Scenario,
    seed: u64,
    plan: &Plan,
    sink: &mut dyn TraceSink,
) -> Result<Outcome, Trouble> {
    let refused = |why: String| {
        Trouble::new(format!("scenario `{}` cannot run the plan of seed {seed}: {why}", scenario.name()))
    };
    let mut scene = scenario.scene(plan, seed).map_err(refused)?;
    Ok(world.run(seed, &plan.schedule, &mut *scene, sink))
}
