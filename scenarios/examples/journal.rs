//! How many crash images of a journal one core explores in a second: `journal [SEEDS]` prints one JSON object.
//!
//! An image counts once, when it is new: built, recovered by the shipped code, judged. `per_s` is by the wall clock,
//! `per_cpu_s` by the time that the processor really spent here, which is what a quiet machine would show.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a benchmark measures real time")]

use seedfast_scenarios::explore::{Explorer, Limits, generate};
use seedfast_sim::images::Model;
use std::time::Instant;

fn cpu_nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

fn main() {
    let seeds: u64 = std::env::args().nth(1).map_or(40, |text| text.parse().expect("a number of seeds"));
    let mut explorer = Explorer::new(Limits::default());
    let mut run = |model, seed| {
        let sequence = generate::drawn(model, seed);
        if let Err(violation) = explorer.explore(&sequence) {
            for op in &sequence.ops {
                eprintln!("{op}");
            }
            panic!("seed {seed}: {violation:?}");
        }
        explorer.take_tally()
    };
    let name = |model| if model == Model::Sectors { "disk_" } else { "" };
    let mut figures = Vec::new();
    for model in [Model::Relaxed8, Model::Sectors] {
        run(model, 1_000_000);
        let (wall, cpu) = (Instant::now(), cpu_nanos());
        let mut images = 0;
        for seed in 0..seeds {
            images += run(model, seed).images;
        }
        let wall = wall.elapsed().as_secs_f64();
        let cpu = (cpu_nanos() - cpu) as f64 / 1e9;
        let name = name(model);
        figures.push(format!(
            "\"journal.{name}images_per_s\": {:.0}, \"journal.{name}images_per_cpu_s\": {:.0}, \
             \"journal.{name}images_each\": {}",
            images as f64 / wall,
            images as f64 / cpu,
            images / seeds
        ));
    }
    println!("{{{}}}", figures.join(", "));
}
