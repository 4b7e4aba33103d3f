//! Every scenario of the library holds, does what its story says, and does it again.

use seedfast_scenarios::efficacy::Efficacy;
use seedfast_scenarios::library::{ALL, EVERYTHING, NO_GOOD_COPY, SNAPSHOTS, STANDARD};
use seedfast_sim::{NoTrace, Outcome, Plan, Scenario, World};

fn run(world: &mut World, scenario: &dyn Scenario, seed: u64) -> Outcome {
    let plan = scenario.plan(seed);
    let mut scene = scenario.scene(&plan, seed).expect("a drawn plan makes sense");
    world.run(seed, &plan.schedule, &mut *scene, &mut NoTrace)
}

#[test]
fn every_scenario_holds_on_its_first_seeds() {
    let mut world = World::new();
    for scenario in ALL {
        let seeds = if scenario.name() == "standard" { 3 } else { 25 };
        for seed in 0..seeds {
            let outcome = run(&mut world, scenario, seed);
            assert_eq!(outcome.broken, None, "{} {seed}", scenario.name());
            assert!(
                outcome.effects.get("client.ok").is_some_and(|&done| done > 20),
                "{} {seed}",
                scenario.name()
            );
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_outcome_in_a_cold_world_and_in_a_warm_one() {
    let mut warm = World::new();
    for scenario in ALL {
        run(&mut warm, scenario, 7);
        let again = run(&mut warm, scenario, 3);
        assert_eq!(run(&mut World::new(), scenario, 3), again, "{}", scenario.name());
    }
}

#[test]
fn a_scene_that_keeps_its_events_runs_the_same_bytes_and_exports_what_happened() {
    let plan = EVERYTHING.plan(1);
    let mut scene = EVERYTHING.scene(&plan, 1).expect("a drawn plan makes sense");
    scene.collect_events();
    let outcome = World::new().run(1, &plan.schedule, &mut *scene, &mut NoTrace);
    assert_eq!(run(&mut World::new(), &EVERYTHING, 1), outcome);
    for step in
        ["prepare", "promise", "propose", "accept", "decide", "apply", "restart", "crash", "start", "leader"]
    {
        assert!(scene.events().contains(&format!("{{\"e\":\"{step}\",")), "no {step}");
    }
    let history = scene.history();
    for kind in ["invoke", "ok"] {
        assert!(history.contains(&format!("\"type\":\"{kind}\"")), "no {kind}");
    }
    let (invoked, ended) = history.lines().partition::<Vec<_>, _>(|line| line.contains("\"invoke\""));
    assert_eq!(invoked.len(), ended.len(), "every operation ends");
}

#[test]
fn nearly_every_seed_of_everything_sees_a_crash_a_partition_and_a_leader_change() {
    let mut world = World::new();
    let full = (0..300).filter(|&seed| Efficacy::of(&run(&mut world, &EVERYTHING, seed)).is_full()).count();
    assert!(full >= 297, "{full} of 300");
}

#[test]
fn the_standard_schedule_is_what_it_says() {
    let mut world = World::new();
    for seed in 0..3 {
        let plan = STANDARD.plan(seed);
        assert_eq!(
            (plan.schedule.nodes, plan.schedule.end, plan.workload["commands"]),
            (5, 60_000_000_000, 500)
        );
        let outcome = run(&mut world, &STANDARD, seed);
        assert_eq!(outcome.sim_nanos, 60_000_000_000);
        assert!(outcome.delivered >= 10_000, "{} messages", outcome.delivered);
        let seen = Efficacy::of(&outcome);
        assert!(seen.crash && seen.partition && seen.leader_change, "seed {seed}: {seen:?}");
        assert!(outcome.effects.contains_key("recovery"));
    }
}

/// What they found: a sync that failed before the heal and was reported behind it; a leader that proposed for a slot
/// that all others had forgotten; a candidate that forgot, behind a snapshot, votes that it was about to
/// report; a leader without room; a header cut in two by a line that could not be read; a ring that was full of the same
/// values under one ballot after the other.
#[test]
fn seeds_that_broke_once_hold() {
    let mut world = World::new();
    let broke: [(&dyn Scenario, u64); 7] = [
        (&EVERYTHING, 5_002_314),
        (&EVERYTHING, 9_051_014),
        (&EVERYTHING, 9_099_336),
        (&EVERYTHING, 152_016_436),
        (&SNAPSHOTS, 244),
        (&SNAPSHOTS, 668),
        (&NO_GOOD_COPY, 188),
    ];
    for (scenario, seed) in broke {
        assert_eq!(run(&mut world, scenario, seed).broken, None, "{} {seed}", scenario.name());
    }
}

#[test]
fn a_plan_that_makes_no_sense_is_refused_in_one_sentence() {
    let refused = |change: fn(&mut Plan)| {
        let mut plan = EVERYTHING.plan(0);
        change(&mut plan);
        EVERYTHING.scene(&plan, 0).err().expect("it makes no sense")
    };
    assert_eq!(refused(|plan| plan.schedule.nodes = 16), "a group has 1 to 15 replicas, and this plan 16");
    assert_eq!(
        refused(|plan| plan.schedule.clients = 1),
        "there are 2 to 11 clients, the probe included, and this plan has 1"
    );
    assert!(refused(|plan| plan.workload.clear()).starts_with("the workload lacks `commands`"));
}
