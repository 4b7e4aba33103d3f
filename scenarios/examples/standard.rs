//! How many standard schedules one core runs in a second, all oracles on: `standard [SEEDS]` prints one JSON object.
//!
//! `per_s` is by the wall clock, `per_cpu_s` by the time that the processor really spent here, which is what a quiet
//! machine would show. A standard schedule is described in `scenarios/src/library/standard.rs`.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a benchmark measures real time")]

use seedfast_scenarios::efficacy::Efficacy;
use seedfast_scenarios::library::STANDARD;
use seedfast_sim::{NoTrace, Scenario, World};
use std::time::Instant;

fn cpu_nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

fn main() {
    let seeds: u64 = std::env::args().nth(1).map_or(400, |text| text.parse().expect("a number of seeds"));
    let mut world = World::new();
    let (mut delivered, mut events, mut full, mut fewest) = (0, 0, 0, u64::MAX);
    let mut run = |seed| {
        let plan = STANDARD.plan(seed);
        let mut scene = STANDARD.scene(&plan, seed).expect("a drawn plan makes sense");
        let outcome = world.run(seed, &plan.schedule, &mut *scene, &mut NoTrace);
        assert_eq!(outcome.broken, None, "seed {seed}");
        outcome
    };
    (0..20).for_each(|seed| drop(run(1_000_000 + seed)));
    let (wall, cpu) = (Instant::now(), cpu_nanos());
    for seed in 0..seeds {
        let outcome = run(seed);
        delivered += outcome.delivered;
        events += outcome.events;
        fewest = fewest.min(outcome.delivered);
        // Its disks do not tear.
        let seen = Efficacy::of(&outcome);
        full += u64::from(seen.crash && seen.partition && seen.leader_change);
    }
    let wall = wall.elapsed().as_secs_f64();
    let cpu = (cpu_nanos() - cpu) as f64 / 1e9;
    println!(
        "{{\"standard.schedules_per_s\": {:.1}, \"standard.schedules_per_cpu_s\": {:.1}, \
         \"standard.delivered_each\": {}, \"standard.delivered_fewest\": {fewest}, \"standard.events_each\": {}, \
         \"standard.efficacy_percent\": {:.2}}}",
        seeds as f64 / wall,
        seeds as f64 / cpu,
        delivered / seeds,
        events / seeds,
        100.0 * full as f64 / seeds as f64
    );
}
