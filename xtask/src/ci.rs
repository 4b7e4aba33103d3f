//! Everything that CI does, in its order.

use crate::campaign::{Flavour, build, build_release};
use crate::options::Options;
use crate::{Trouble, Verdict, cannot, determinism, edges, failed, golden, shell, spec, torture};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

/// How many seeds the campaign of each CI run executes, from a base that moves with the commit.
const CAMPAIGN: &str = "10000";

/// One step: its name and what it does.
type Step = (&'static str, fn() -> Verdict);

/// Cheap checks first; the tests last, so that their count closes the output.
const STEPS: [Step; 10] = [
    ("format", format),
    ("clippy", clippy),
    ("edges", edges::run),
    ("release builds", build_release),
    ("golden hashes", || golden::run(&Options::default())),
    ("determinism", || determinism::run(&Options::default())),
    ("campaign", campaign),
    ("specification", || {
        Options::parse(["--quick".to_owned()].into_iter()).and_then(|quick| spec::run(&quick))
    }),
    ("torture", torture::short),
    ("tests", tests),
];

/// Runs every step; stops at the first that fails.
pub(crate) fn run() -> Verdict {
    let begin = Instant::now();
    for (number, (name, step)) in STEPS.iter().enumerate() {
        eprintln!("\n== {}/{} {name}", number + 1, STEPS.len());
        let start = Instant::now();
        step()?;
        eprintln!("== {name}: {:.1} s", start.elapsed().as_secs_f64());
    }
    eprintln!("== all: {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// The style that can be checked is a test like any other.
pub(crate) fn tidy() -> Verdict {
    shell::run(shell::cargo().args(["test", "--quiet", "--locked", "-p", "xtask", "--test", "tidy"]))
}

fn component(tool: &str, name: &str) -> Verdict {
    match shell::output(shell::cargo().args([tool, "--version"])) {
        Ok(output) if output.status.success() => Ok(()),
        _ => cannot(format!("`cargo {tool}` is missing; `rustup component add {name}` installs it")),
    }
}

fn format() -> Verdict {
    component("fmt", "rustfmt")?;
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Verdict {
    component("clippy", "clippy")?;
    let arguments = ["clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    shell::run(shell::cargo().args(arguments))
}

fn campaign() -> Verdict {
    let summary = build(Flavour::USUAL)?.run(&["--seeds", CAMPAIGN])?;
    let figures = ["seeds", "failures", "events", "rerun_checked", "rerun_mismatches", "trace_hash_sum"];
    let figures: Vec<String> = figures.iter().map(|name| format!("{name} {}", summary[*name])).collect();
    println!("{}", figures.join(", "));
    if summary["failures"] != 0 {
        println!("{}", summary["failed"]);
    }
    match (summary["failures"].as_u64(), summary["rerun_mismatches"].as_u64()) {
        (Some(0), Some(0)) => Ok(()),
        _ => failed(
            "the campaign above did not hold; `seedfast run` with the same --seeds prints the line to replay",
        ),
    }
}

/// The README's test command, its results added up.
fn tests() -> Verdict {
    let mut cargo = shell::cargo();
    cargo.args(["test", "--locked", "--workspace"]).stdout(Stdio::piped());
    eprintln!("$ {}", shell::line(&cargo));
    let mut child =
        cargo.spawn().map_err(|error| Trouble::Cannot(format!("cargo cannot be started: {error}")))?;
    let mut sum = [0; 3];
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok) {
        println!("{line}");
        if let Some(counts) = line.strip_prefix("test result: ") {
            for (sum, count) in sum.iter_mut().zip(results(counts)) {
                *sum += count;
            }
        }
    }
    let status = child.wait().map_err(|error| Trouble::Cannot(format!("cargo was lost: {error}")))?;
    let [passed, broken, skipped] = sum;
    println!("\n{passed} passed, {broken} failed, {skipped} skipped");
    if status.success() && passed > 0 {
        Ok(())
    } else {
        failed(format!("`cargo test --workspace` ended with {status}"))
    }
}

/// Passed, failed and ignored in `ok. 3 passed; 0 failed; 1 ignored; ...`.
fn results(line: &str) -> [u64; 3] {
    ["passed", "failed", "ignored"].map(|what| {
        let words: Vec<&str> = line.split([' ', ';']).filter(|word| !word.is_empty()).collect();
        let at = words.iter().position(|word| *word == what);
        at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok()).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests_of_results {
    #[test]
    fn the_runner_s_closing_line_is_read() {
        let line = "ok. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.03s";
        assert_eq!(super::results(line), [12, 1, 2]);
    }
}
