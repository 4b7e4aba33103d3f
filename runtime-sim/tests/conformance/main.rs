//! The conformance suite against the simulated world: calm, and with everything going wrong that may.

mod host;

use host::SimHost;
use seedfast_core::runtime::conformance::{Case, Host, cases};
use seedfast_runtime_sim::SimRuntime;
use seedfast_sim::draw::Draws;
use seedfast_sim::{Clock, Disk, Fault, Network, Schedule, Target, Timed, Turns};

const MICROS: u64 = 1_000;
const MILLIS: u64 = 1_000_000;

/// Every case in each of these worlds; says what did not hold and where.
fn try_all(worlds: impl Iterator<Item = SimHost>) {
    let mut failures = Vec::new();
    let tell = option_env!("SEEDFAST_CASE").is_some();
    for mut host in worlds {
        for case in chosen() {
            if tell {
                println!("{} in seed {}", case.name, host.seed);
            }
            if let Err(what) = host.run(&case) {
                let at = if host.outside { "" } else { " with clients inside" };
                failures.push(format!("{} (seed {}{at}): {what}", case.name, host.seed));
            }
        }
    }
    assert!(failures.is_empty(), "{} did not hold:\n{}", failures.len(), failures.join("\n"));
}

/// All cases, or those whose names hold what the variable says: for finding out about one of them.
fn chosen() -> Vec<Case<SimRuntime>> {
    let mut chosen = cases();
    if let Some(name) = option_env!("SEEDFAST_CASE") {
        chosen.retain(|case: &Case<SimRuntime>| case.name.contains(name));
    }
    chosen
}

fn calm() -> Schedule {
    let turns = Turns { burst: 300_000, burst_max: 50 * MICROS };
    Schedule { network: Network::lan(), disk: Disk::nvme(), turns, ..Schedule::default() }
}

/// A world in which whatever may happen to messages, clocks and turns does; nobody crashes but by himself.
fn rough(seed: u64) -> Schedule {
    let draws = Draws::of(seed, 1);
    let network = Network {
        latency_min: 50 * MICROS,
        latency_max: draws.between(0, 200 * MICROS, 20 * MILLIS),
        tail: draws.below(1, 50_000) as u32,
        tail_max: 50 * MILLIS,
        loss: draws.below(2, 60_000) as u32,
        duplication: draws.below(3, 60_000) as u32,
        reordering: draws.below(4, 60_000) as u32,
        corruption: 0,
        throttle: 0,
    };
    let disk = Disk { stall: draws.below(5, 50_000) as u32, stall_max: 20 * MILLIS, ..Disk::nvme() };
    let turns = Turns { burst: draws.below(6, 600_000) as u32, burst_max: 500 * MICROS };
    let drift = |node: u64| draws.below(7 + node, 400_000_000) as i64 - 200_000_000;
    let clocks = (0..2).map(|node| Clock { drift: drift(node), ..Clock::default() }).collect();
    let mut faults: Vec<Timed> = (0..12)
        .map(|number| {
            let draws = draws.part(number);
            let target = Target::Node(draws.below(0, 2) as u8);
            let lasts = draws.below(1, 40 * MILLIS) + 1;
            let fault = match draws.below(2, 4) {
                0 => Fault::Pause { target, lasts, sampled: draws.chance(3, 500_000) },
                1 => Fault::Slow { target, turn: draws.below(4, MILLIS), lasts },
                2 => Fault::Freeze { target, lasts },
                _ => Fault::Isolate { target, clients_too: true, lasts: lasts * 20 },
            };
            Timed { at: draws.below(5, 500 * MILLIS), fault }
        })
        .collect();
    faults.sort_by_key(|timed| timed.at);
    Schedule { network, disk, turns, clocks, faults, ..Schedule::default() }
}

#[test]
fn every_claim_holds_in_a_calm_world() {
    try_all((0..2).map(|seed| SimHost::new(seed, calm())));
}

#[test]
fn every_claim_holds_in_a_calm_world_with_clients_that_are_nodes() {
    try_all((0..2).map(|seed| SimHost { outside: false, ..SimHost::new(seed, calm()) }));
}

#[test]
fn every_claim_holds_in_a_rough_world() {
    try_all((100..110).map(|seed| SimHost { outside: seed % 2 == 0, ..SimHost::new(seed, rough(seed)) }));
}
