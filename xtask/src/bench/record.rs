//! What the flight recorder costs: the same load on replicas that do not record and on replicas that all do, in turns.
//!
//! - `kv.record_cpu_ratio.64`: the processor time of all replicas for a put of 64 clients, with recorders over without;
//!   `kv.record_cpu_ratio.pipelined`: for a set of `redis-benchmark -P 64 -c 50`
//! - `kv.record_off_per_s...`, `kv.record_on_per_s...`, `kv.record_speed_ratio...`: commands a second, and with recorders over
//!   without
//! - `kv.record_off_cpu_us...`, `kv.record_on_cpu_us...`: both, in microseconds; `kv.record_thread_us...`: how much of it
//!   the threads take that write the recordings, which hardly depends on who else uses the machine
//!
//! Processor time tells more than commands a second: whoever shares the machine takes less part in it.

use super::clusters::Kv;
use super::figures::Figures;
use super::service::{Programs, pipelined, puts};
use crate::Verdict;
use std::path::Path;

/// What the names of these figures begin with.
pub(super) const FIGURES: &str = "kv.record";
/// The loads, as the figures' names have them.
const LOADS: [&str; 2] = ["64", "pipelined"];
/// How often each run has both, one after the other.
const TURNS: u32 = 2;

/// Measures both, in turns. `kv` does not run, before and behind it.
pub(super) fn measure(programs: &Programs, kv: &mut Kv, place: &Path, figures: &mut Figures) -> Verdict {
    let recordings = place.join("recordings");
    let directory = recordings.display().to_string();
    for _ in 0..TURNS {
        let without = turn(programs, kv, &[])?;
        let with = turn(programs, kv, &["--record", &directory, "--record-limit", "8GiB"])?;
        // Everything that was told is in memory or in files that nobody replays.
        let _ = std::fs::remove_dir_all(&recordings);
        for ((load, off), on) in LOADS.iter().zip(without).zip(with) {
            figures.add(&format!("{FIGURES}_off_cpu_us.{load}"), off.cpu_us);
            figures.add(&format!("{FIGURES}_on_cpu_us.{load}"), on.cpu_us);
            figures.add(&format!("{FIGURES}_thread_us.{load}"), on.recorder_us);
            figures.add(&format!("{FIGURES}_off_per_s.{load}"), off.per_s);
            figures.add(&format!("{FIGURES}_on_per_s.{load}"), on.per_s);
        }
    }
    Ok(())
}

/// What follows from the medians.
pub(super) fn compare(figures: &mut Figures) {
    for load in LOADS {
        let name = |what: &str| format!("{FIGURES}_{what}.{load}");
        figures.ratio(&name("cpu_ratio"), &name("on_cpu_us"), &name("off_cpu_us"));
        figures.ratio(&name("speed_ratio"), &name("on_per_s"), &name("off_per_s"));
    }
}

/// Processor time of all replicas for one command, and commands a second.
struct Cost {
    cpu_us: f64,
    recorder_us: f64,
    per_s: f64,
}

/// Both loads on replicas with these options.
fn turn(programs: &Programs, kv: &mut Kv, options: &[&str]) -> Verdict<Vec<Cost>> {
    kv.start(options)?;
    // Until every block of memory was used once.
    puts(programs, &kv.leader()?, "resp", 64, 64, &[])?;
    let mut costs = Vec::new();
    for load in LOADS {
        let before = kv.spent()?;
        let per_s = match load {
            "64" => puts(programs, &kv.leader()?, "resp", 64, 64, &[])?["per_s"],
            _ => pipelined(&kv.leader()?, "set", 3)?,
        };
        let spent = kv.spent()?.since(&before);
        let (cpu_us, recorder_us) = (spent.cpu_us / spent.commands, spent.recorder_us / spent.commands);
        costs.push(Cost { cpu_us, recorder_us, per_s });
    }
    kv.stop();
    Ok(costs)
}
