//! What a put costs in allocations, three replicas on real machines together. Prints one JSON object.
//!
//! Unlike a time it does not depend on who shares the machine, or hardly: snapshots come when they come.

#[path = "../tests/counted/mod.rs"]
#[allow(dead_code, reason = "each user takes what it needs")]
mod counted;

use counted::{Tongue, cost};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Clients, and how often each of them asks.
const LOADS: [(usize, usize); 2] = [(1, 6000), (64, 1000)];

fn main() {
    let figures: Vec<String> = LOADS
        .into_iter()
        .map(|(clients, rounds)| {
            let each = cost(Tongue::Resp, clients, rounds) as f64 / (clients * rounds) as f64;
            format!("\"kv.allocations_per_command.{clients}\": {each:.4}")
        })
        .collect();
    println!("{{{}}}", figures.join(", "));
}
