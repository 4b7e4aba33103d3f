//! The TLA+ specifications, checked by `tla-checker` (no Java): that they hold, with how many states, and that their
//! broken variants are rejected for the right reason.
//!
//! `spec/check.list` holds a check a line: the arguments of `tla`, then what must come out.
//!
//! ```text
//! SingleSlot.tla : holds, 107791 states
//! SingleSlot.tla --constant Bug="no-adopt" : violates I1_Agreement
//! ```
//! A line that begins with `slow` is left out by `--quick`.

use crate::options::Options;
use crate::{Verdict, failed, lines, shell};
use serde_json::Value;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// Another version may count states otherwise.
const VERSION: &str = "0.24.11";

/// What a line of the list expects.
#[derive(Debug, PartialEq, Eq)]
enum Expected<'a> {
    /// No violation, and so many states.
    Holds(u64),
    /// This invariant or property is violated.
    Violates(&'a str),
}

/// A line of the list: its text, the checker's arguments, what must come out.
type Check<'a> = (&'a str, Vec<String>, Expected<'a>);

/// Runs every line of the list, as many at once as there are processors, and prints each when it is done.
pub(crate) fn run(options: &Options) -> Verdict {
    let checker = checker()?;
    let list = shell::read(&shell::root().join("spec/check.list"))?;
    let checks = chosen(&list, options.has("quick"))?;
    let (next, (done, results)) = (AtomicUsize::new(0), mpsc::channel());
    let mut wrong = 0;
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        for _ in 0..workers {
            let (done, next, checks, checker) = (done.clone(), &next, &checks, &checker);
            scope.spawn(move || {
                while let Some(check) = checks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let found = check_one(checker, &check.1);
                    // Nobody hears of it only if another one could not be run at all.
                    let _ = done.send((check, found, start.elapsed().as_secs_f64()));
                }
            });
        }
        drop(done);
        results.iter().try_for_each(|((line, _, expected), found, seconds)| {
            let found = found?;
            let verdict = if found.is(expected) { "as expected" } else { "WRONG" };
            wrong += usize::from(!found.is(expected));
            println!("{line}\n    {verdict}: {} ({seconds:.1} s)", found.text());
            Ok(())
        })
    })?;
    if wrong > 0 {
        failed(format!("{wrong} checks of the specification did not come out as spec/check.list says"))
    } else {
        Ok(())
    }
}

/// The lines to run.
fn chosen(list: &str, is_quick: bool) -> Verdict<Vec<Check<'_>>> {
    let mut checks = Vec::new();
    for line in lines::meaningful(list) {
        let (slow, check) = line.strip_prefix("slow ").map_or((false, line), |check| (true, check));
        if slow && is_quick {
            continue;
        }
        let Some((arguments, expected)) = parse(check) else {
            return failed(format!(
                "spec/check.list: `{line}` is not `ARGUMENTS : holds, N states` or `: violates NAME`"
            ));
        };
        checks.push((check, arguments, expected));
    }
    Ok(checks)
}

fn parse(line: &str) -> Option<(Vec<String>, Expected<'_>)> {
    let (arguments, expected) = line.rsplit_once(" : ")?;
    let expected = match expected.trim().split_once(' ')? {
        ("holds,", states) => Expected::Holds(states.strip_suffix(" states")?.replace('_', "").parse().ok()?),
        ("violates", name) => Expected::Violates(name.trim()),
        _ => return None,
    };
    Some((arguments.split_whitespace().map(str::to_owned).collect(), expected))
}

/// What the checker said.
#[derive(Debug)]
struct Found {
    states: Option<u64>,
    violated: Option<String>,
    raw: String,
}

impl Found {
    fn is(&self, expected: &Expected<'_>) -> bool {
        match expected {
            Expected::Holds(states) => self.violated.is_none() && self.states == Some(*states),
            Expected::Violates(name) => self.violated.as_deref() == Some(name),
        }
    }

    fn text(&self) -> String {
        match (&self.violated, self.states) {
            (Some(name), _) => format!("violates {name}"),
            (None, Some(states)) => format!("holds, {states} states"),
            (None, None) => self.raw.trim().to_owned(),
        }
    }
}

fn check_one(checker: &PathBuf, arguments: &[String]) -> Verdict<Found> {
    let mut command = shell::command(checker);
    command.current_dir(shell::root().join("spec")).args(arguments).arg("--json");
    let output = shell::output(&mut command)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let object =
        text.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok()).unwrap_or_default();
    Ok(understand(&object, &text, &String::from_utf8_lossy(&output.stderr)))
}

fn understand(object: &Value, text: &str, errors: &str) -> Found {
    let violated = ["invariant_name", "property"].iter().find_map(|key| object[*key].as_str());
    let states = (object["status"] == "ok").then(|| object["stats"]["states_explored"].as_u64()).flatten();
    let last =
        |text: &str| text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
    let raw = if errors.trim().is_empty() { last(text) } else { last(errors) };
    Found { states, violated: violated.map(str::to_owned), raw }
}

/// The checker, installed beside the builds the first time.
fn checker() -> Verdict<PathBuf> {
    let tools = shell::target().join("tools").join(format!("tla-checker-{VERSION}"));
    let program = tools.join("bin").join(format!("tla{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        let mut cargo = shell::cargo();
        cargo
            .args(["install", "--quiet", "tla-checker", "--version", VERSION, "--locked", "--root"])
            .arg(&tools);
        // Its own build directory, so that it shares nothing with ours; it is built for longer than it runs.
        cargo.env("CARGO_TARGET_DIR", tools.join("build"));
        cargo.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        shell::run(&mut cargo)?;
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_to_run_and_what_must_come_out() {
        let (arguments, expected) = parse("A.tla --constant Bug=\"x\" : violates I1_Agreement").unwrap();
        assert_eq!(arguments, ["A.tla", "--constant", "Bug=\"x\""]);
        assert_eq!(expected, Expected::Violates("I1_Agreement"));
        assert_eq!(parse("A.tla : holds, 107_791 states").unwrap().1, Expected::Holds(107_791));
        assert!(parse("A.tla").is_none());
    }
}
