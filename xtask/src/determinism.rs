//! The same seed, the same bytes: whatever the run, the number of jobs, the environment, the profile, the contracts.

use crate::campaign::{Binary, Flavour, build};
use crate::options::Options;
use crate::{Verdict, failed};
use serde_json::Value;
use std::process::Command;

/// What a campaign's summary says that may differ between two machines.
const MAY_DIFFER: [&str; 3] = ["wall_seconds", "seeds_per_second", "jobs"];

/// Compares a few seeds of every scenario in every way that must not matter.
pub(crate) fn run(options: &Options) -> Verdict {
    let seeds = options.number("seeds", 3)?;
    let usual = build(Flavour::USUAL)?;
    let others = [("debug", build(Flavour::DEBUG)?), ("without contracts", build(Flavour::PRODUCTION)?)];
    for scenario in usual.scenarios()? {
        let mut bytes = 0;
        for seed in 0..seeds {
            let name = scenario.as_str();
            let expected = usual.trace(name, seed, |_| ())?;
            bytes += expected.len();
            let same = |how: &str, found: &[u8]| same(name, seed, how, &expected, found);
            same("run again", &usual.trace(name, seed, |_| ())?)?;
            same("in another environment and directory", &usual.trace(name, seed, elsewhere)?)?;
            for (how, binary) in &others {
                same(how, &binary.trace(name, seed, |_| ())?)?;
            }
        }
        jobs(&usual, &scenario)?;
        println!(
            "{:20} {seeds} seeds, {bytes} bytes of trace, the same in four ways; jobs 1 = jobs 8",
            scenario
        );
    }
    Ok(())
}

/// Nothing of this may reach a trace.
fn elsewhere(command: &mut Command) {
    command.current_dir(std::env::temp_dir());
    for name in ["HOME", "USER", "LANG", "TERM", "PWD"] {
        command.env_remove(name);
    }
    command.env("TZ", "Asia/Kathmandu").env("LC_ALL", "tr_TR.UTF-8").env("RUST_BACKTRACE", "full");
    command.env("COLUMNS", "37").env("SEEDFAST_UNRELATED", "x".repeat(4096));
}

fn same(scenario: &str, seed: u64, how: &str, expected: &[u8], found: &[u8]) -> Verdict {
    if expected == found {
        return Ok(());
    }
    let at = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    failed(format!(
        "{scenario} seed {seed} differs {how}: at byte {at} of {} and {}; `seedfast replay {scenario} {seed} --check` \
         names the event",
        expected.len(),
        found.len()
    ))
}

/// One worker, and eight on whatever cores there are, give the same summary.
fn jobs(binary: &Binary, scenario: &str) -> Verdict {
    let summary =
        |jobs: &str| binary.run(&[scenario, "--seeds", "0..64", "--keep-going", "--jobs", jobs]).map(strip);
    let (one, eight) = (summary("1")?, summary("8")?);
    if one != eight {
        return failed(format!("{scenario}: seeds 0..64 with --jobs 1 and --jobs 8 differ:\n{one}\n{eight}"));
    }
    Ok(())
}

fn strip(summary: Value) -> Value {
    match summary {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| !MAY_DIFFER.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name, strip(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(strip).collect()),
        other => other,
    }
}
