//! Runs a scenario's seeds in one thread and prints what broke, what happened and what it cost:
//! `cargo run --release -p seedfast-scenarios --example campaign -- everything 0 1000`.
//!
//! The command line does more; this one is for looking at the scenarios themselves.

use seedfast_scenarios::efficacy::Efficacy;
use seedfast_sim::{NoTrace, World};
use std::collections::BTreeMap;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "everything".into());
    let mut number = |default| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (first, last): (u64, u64) = (number(0), number(100));
    let Some(scenario) = seedfast_scenarios::all().into_iter().find(|scenario| scenario.name() == name)
    else {
        eprintln!("there is no scenario `{name}`");
        return;
    };
    let mut world = World::new();
    let (mut effects, mut probes) = (BTreeMap::<String, (u64, u64)>::new(), BTreeMap::<String, u64>::new());
    let mut broken = BTreeMap::<String, Vec<(u64, String)>>::new();
    let (mut events, mut delivered, mut nanos, mut full) = (0, 0, 0, [0u64; 5]);
    let mut lacking = Vec::new();
    for seed in first..last {
        let plan = scenario.plan(seed);
        let mut scene = scenario.scene(&plan, seed).expect("a drawn plan makes sense");
        let outcome = world.run(seed, &plan.schedule, &mut *scene, &mut NoTrace);
        events += outcome.events;
        delivered += outcome.delivered;
        nanos += outcome.sim_nanos;
        let seen = Efficacy::of(&outcome);
        for (count, seen) in
            full.iter_mut().zip([seen.crash, seen.partition, seen.leader_change, seen.tear, seen.is_full()])
        {
            *count += u64::from(seen);
        }
        if !seen.is_full() {
            lacking.push(seed);
        }
        for (name, count) in outcome.effects {
            let entry = effects.entry(name.to_string()).or_default();
            *entry = (entry.0 + 1, entry.1 + count);
        }
        for (name, count) in outcome.probes {
            *probes.entry(name).or_default() += count;
        }
        if let Some(broke) = outcome.broken {
            let what = format!("at {} ms: {}", broke.at / 1_000_000, broke.violation.what);
            broken.entry(broke.violation.invariant).or_default().push((seed, what));
        }
    }
    let seeds = last - first;
    println!(
        "{name}: {seeds} seeds, a seed has {} events, {} deliveries, {} ms",
        events / seeds,
        delivered / seeds,
        nanos / seeds / 1_000_000
    );
    println!(
        "crash {} partition {} leader change {} tear {} all four {}",
        full[0], full[1], full[2], full[3], full[4]
    );
    println!("without one of them: seeds {:?}", &lacking[..lacking.len().min(10)]);
    for (name, (seeds, count)) in effects {
        println!("  {name:28} in {seeds:6} seeds, {count} times");
    }
    for (name, count) in probes {
        println!("  probe {count:8} {name}");
    }
    for (invariant, seeds) in broken {
        println!("{invariant}: {} seeds", seeds.len());
        for (seed, what) in seeds.iter().take(4) {
            println!("  seed {seed} {what}");
        }
    }
}
