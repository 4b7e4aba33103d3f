//! A bundle as a test: it fails as long as the bundle's plan breaks an invariant, and passes when nothing breaks any
//! more.

use super::Shrunk;
use crate::bundle::Bundle;
use crate::execute;
use crate::identity::Identity;
use crate::scenarios;
use crate::trouble::Trouble;
use seedfast_sim::trace::NoTrace;
use seedfast_sim::{Broken, Outcome, Scenario, World};
use std::fmt::Write as _;

/// Replays a bundle's text in a test; `scenarios` are those among which its own is found.
///
/// ```
/// # let scenario = &seedfast_scenarios::toy::TOY;
/// # let plan = seedfast_sim::Scenario::plan(scenario, 7);
/// # let text = seedfast::bundle::Bundle::new("toy", 7, plan, None).unwrap().to_text().unwrap();
/// // let text = include_str!("toy-7-shrunk.repro");
/// seedfast::replay_bundle(&seedfast_scenarios::all(), &text);
/// ```
///
/// # Panics
/// If an invariant breaks, with what was seen; or if the text is no bundle of one of these scenarios.
pub fn replay_bundle(scenarios: &[&'static dyn Scenario], text: &str) {
    let outcome = judge_bundle(scenarios, text).unwrap_or_else(|trouble| panic!("{trouble}"));
    if let Some(Broken { violation, at, event }) = outcome.broken {
        let at = super::time(at);
        panic!("{} broke at {at}, event {event}: {}", violation.invariant, violation.what);
    }
}

/// Replays a bundle's text and gives what the run came to, whatever its build.
///
/// # Errors
/// If it is no bundle of this format, or of none of these scenarios, or its plan cannot be run.
pub fn judge_bundle(scenarios: &[&'static dyn Scenario], text: &str) -> Result<Outcome, Trouble> {
    let bundle = Bundle::from_text(text, "the bundle")?;
    let scenario = scenarios::find(scenarios, &bundle.scenario)?;
    bundle
        .plan
        .schedule
        .check()
        .map_err(|why| Trouble::new(format!("the bundle's plan cannot be run: {why}; correct it by hand")))?;
    execute::execute(&mut World::new(), scenario, bundle.seed, &bundle.plan, &mut NoTrace)
}

/// The test to paste, with the bundle in it.
///
/// # Errors
/// If the bundle cannot be written.
pub(crate) fn test(shrunk: &Shrunk) -> Result<String, Trouble> {
    // A test says what is run; it compares no events.
    let text = Bundle { events: None, ..shrunk.bundle.clone() }.to_text()?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let body: String = lines.flat_map(|line| [line, "\n"]).collect();
    let mut fence = "#".to_owned();
    while body.contains(&format!("\"{fence}")) {
        fence.push('#');
    }
    let mut test = String::new();
    for line in std::iter::once(shrunk.headline()).chain(shrunk.faults.iter().cloned()) {
        let _ = writeln!(test, "// {line}");
    }
    let known = if Identity::current().is_ours() {
        "&seedfast_scenarios::all()"
    } else {
        test.push_str("// SCENARIOS: what this program hands to `seedfast::cli::main`.\n");
        "SCENARIOS"
    };
    let name = function_name(shrunk.scenario, shrunk.seed, &shrunk.signature.invariant);
    let _ = write!(
        test,
        "#[test]\nfn {name}() {{\n    seedfast::replay_bundle(\n        {known},\n        r{fence}\"\n{body}\"{fence},\n    );\n}}\n"
    );
    Ok(test)
}

/// A name for the test: scenario, seed and invariant, in what a Rust name may hold.
fn function_name(scenario: &str, seed: u64, invariant: &str) -> String {
    let text = format!("{scenario}_{seed}_{invariant}").to_lowercase();
    let name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("seed_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_has_a_name_that_rust_takes() {
        assert_eq!(function_name("toy-double-vote", 7, "T1"), "toy_double_vote_7_t1");
        assert_eq!(function_name("3 nodes", 7, "A/B"), "seed_3_nodes_7_a_b");
    }
}
