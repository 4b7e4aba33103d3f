//! The toy consensus under its faults: the right one holds, the planted double vote is caught.

use seedfast_scenarios::toy::{TOY, TOY_DOUBLE_VOTE, Toy};
use seedfast_sim::{NoTrace, Outcome, Scenario, World};
use std::collections::BTreeSet;

const SEEDS: u64 = 500;

fn run(world: &mut World, toy: &Toy, seed: u64) -> Outcome {
    let plan = toy.plan(seed);
    let mut scene = toy.scene(&plan, seed).expect("a plan of its own");
    world.run(seed, &plan.schedule, &mut *scene, &mut NoTrace)
}

#[test]
fn nodes_that_remember_their_votes_agree_whatever_goes_wrong() {
    let mut world = World::new();
    let (mut votes, mut decisions, mut remembered) = (0, 0, 0);
    for seed in 0..SEEDS {
        let outcome = run(&mut world, &TOY, seed);
        assert_eq!(outcome.broken, None, "seed {seed}");
        votes += outcome.effects["toy-votes"];
        decisions += outcome.effects["toy-decisions"];
        remembered += outcome.probes.get("toy: a vote was read back after a restart").copied().unwrap_or(0);
    }
    // What proves nothing if nothing happens: most lives vote, most nodes decide, many lives are not the first.
    assert!(votes > 2 * SEEDS && decisions > 2 * SEEDS, "{votes} votes, {decisions} decisions");
    assert!(remembered > SEEDS / 2, "{remembered} votes read back");
}

#[test]
fn a_node_that_votes_twice_is_caught() {
    let mut world = World::new();
    let broken: Vec<String> = (0..SEEDS)
        .filter_map(|seed| run(&mut world, &TOY_DOUBLE_VOTE, seed).broken)
        .map(|broken| broken.violation.invariant)
        .collect();
    let found: BTreeSet<&str> = broken.iter().map(String::as_str).collect();
    // Two different decisions, if the second vote makes one in the turn that casts it; otherwise the two votes.
    assert_eq!(found, BTreeSet::from(["T1", "T3"]));
    assert!(broken.len() as u64 > SEEDS / 50, "only {} of {SEEDS} seeds found it", broken.len());
}

#[test]
fn a_seed_is_the_same_in_a_cold_world_and_in_a_warm_one() {
    let mut warm = World::new();
    for seed in 0..20 {
        assert_eq!(run(&mut warm, &TOY_DOUBLE_VOTE, seed), run(&mut World::new(), &TOY_DOUBLE_VOTE, seed));
    }
}
