//! One run of one plan in a world that may have run others before.

use crate::identity;
use crate::panics::quietly;
use crate::trouble::Trouble;
use seedfast_sim::trace::TraceSink;
use seedfast_sim::{Outcome, Plan, Scenario, Scene, World};

/// Runs `plan`, drawn for `seed` or read from a bundle, and hands the trace to `sink`.
///
/// # Errors
/// If the scenario refuses the plan, or panics when it casts its scene.
pub fn execute(
    world: &mut World,
    scenario: &dyn Scenario,
    seed: u64,
    plan: &Plan,
    sink: &mut dyn TraceSink,
) -> Result<Outcome, Trouble> {
    let mut scene = scene(scenario, seed, plan)?;
    Ok(world.run(seed, &plan.schedule, &mut *scene, sink))
}

/// Draws the plan of `seed`.
///
/// # Errors
/// If the scenario panics.
pub fn plan(scenario: &dyn Scenario, seed: u64) -> Result<Plan, Trouble> {
    quietly(|| scenario.plan(seed)).map_err(|panic| panicked(scenario, seed, "drew its plan", &panic))
}

/// The cast and the judge of one run.
///
/// # Errors
/// If the scenario refuses the plan, or panics.
pub fn scene(scenario: &dyn Scenario, seed: u64, plan: &Plan) -> Result<Box<dyn Scene>, Trouble> {
    match quietly(|| scenario.scene(plan, seed)) {
        Ok(Ok(scene)) => Ok(scene),
        Ok(Err(why)) => Err(Trouble::new(format!(
            "scenario `{}` cannot run the plan of seed {seed}: {why}",
            scenario.name()
        ))),
        Err(panic) => Err(panicked(scenario, seed, "made its scene", &panic)),
    }
}

fn panicked(scenario: &dyn Scenario, seed: u64, doing: &str, panic: &str) -> Trouble {
    let name = scenario.name();
    Trouble::new(format!(
        "scenario `{name}` panicked when it {doing} for seed {seed}: {panic}; `{} replay {name} {seed}` shows it again",
        identity::invocation()
    ))
}
