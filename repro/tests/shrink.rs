//! Shrinking: the same invariant, nothing superfluous, the same result whatever the jobs, and a test that can be pasted.

mod fakes;

use fakes::{Scratch, seedfast, seedfast_over};
use seedfast::bundle::Bundle;
use seedfast_scenarios::toy::TOY_DOUBLE_VOTE;
use seedfast_sim::{NoTrace, Plan, Scenario, World};
use serde_json::Value;
use std::path::Path;

/// Runs the command line over the scenarios of this repository.
fn ours(arguments: &[&str]) -> fakes::Ran {
    seedfast_over(&seedfast_scenarios::all(), arguments)
}

/// What breaks when `plan` is run.
fn breaks(scenario: &dyn Scenario, seed: u64, plan: &Plan) -> Option<String> {
    let mut scene = scenario.scene(plan, seed).ok()?;
    let outcome = World::new().run(seed, &plan.schedule, &mut *scene, &mut NoTrace);
    outcome.broken.map(|broken| broken.violation.invariant)
}

/// The first `count` seeds that break the toy.
fn broken_toys(count: usize) -> Vec<u64> {
    let breaks = |seed: &u64| breaks(&TOY_DOUBLE_VOTE, *seed, &TOY_DOUBLE_VOTE.plan(*seed)).is_some();
    (0..3_000).filter(breaks).take(count).collect()
}

/// A bundle without its comments.
fn without_comments(path: &Path) -> String {
    let text = String::from_utf8(fakes::read(path)).expect("a bundle is text");
    text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn a_small_bundle_breaks_the_same_and_needs_every_line() {
    let scratch = Scratch::new("shrink-minimal");
    for seed in broken_toys(12) {
        let out = scratch.file("small.repro");
        let before = TOY_DOUBLE_VOTE.plan(seed);
        let invariant = breaks(&TOY_DOUBLE_VOTE, seed, &before);
        let ran = ours(&["shrink", "toy-double-vote", &seed.to_string(), "--out", &out]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("and nothing simpler breaks"), "{}", ran.out);
        let small = Bundle::read(Path::new(&out)).expect("it was just written");
        assert!(!small.is_edited());
        assert_eq!(breaks(&TOY_DOUBLE_VOTE, small.seed, &small.plan), invariant, "seed {seed}");
        let faults = &small.plan.schedule.faults;
        assert!(faults.len() <= before.schedule.faults.len());
        assert!((1..=3).contains(&faults.len()), "seed {seed}: {faults:?}");
        for line in 0..faults.len() {
            let mut plan = small.plan.clone();
            plan.schedule.faults.remove(line);
            let without = breaks(&TOY_DOUBLE_VOTE, small.seed, &plan);
            assert_ne!(without, invariant, "seed {seed} without line {line}");
        }
        // Every fault has its line, and the bundle tells the same story.
        let text = String::from_utf8(fakes::read(&out)).expect("text");
        assert_eq!(ran.out.lines().filter(|line| line.starts_with("    t=")).count(), faults.len());
        assert_eq!(text.lines().filter(|line| line.starts_with("#     t=")).count(), faults.len());
    }
}

#[test]
fn a_second_shrink_changes_nothing() {
    let scratch = Scratch::new("shrink-twice");
    for seed in broken_toys(8) {
        let (first, second) = (scratch.file("first.repro"), scratch.file("second.repro"));
        assert_eq!(ours(&["shrink", "toy-double-vote", &seed.to_string(), "--out", &first]).code, 0);
        assert_eq!(ours(&["shrink", &first, "--out", &second]).code, 0);
        let (first, second) = (without_comments(first.as_ref()), without_comments(second.as_ref()));
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn the_number_of_jobs_changes_nothing() {
    let scratch = Scratch::new("shrink-jobs");
    for seed in broken_toys(4) {
        let shrunk = |jobs: &str| {
            let out = scratch.file("small.repro");
            let seed = seed.to_string();
            let ran = ours(&["shrink", "toy-double-vote", &seed, "--jobs", jobs, "--out", &out, "--json"]);
            let mut object: Value = serde_json::from_str(&ran.out).expect("one object");
            object["wall_seconds"] = Value::Null;
            (object, without_comments(out.as_ref()))
        };
        let one = shrunk("1");
        assert_eq!(one.0["whole"], true, "{}", one.0);
        for jobs in ["2", "7"] {
            assert_eq!(one, shrunk(jobs), "seed {seed}, {jobs} jobs");
        }
    }
}

#[test]
fn a_scenario_s_own_numbers_shrink_too_and_so_does_what_is_judged_at_the_end() {
    let scratch = Scratch::new("shrink-fakes");
    for (scenario, invariant) in
        [("broken", "F1"), ("at-the-end", "F2"), ("panics", "panic"), ("halts", "F1")]
    {
        let out = scratch.file("small.repro");
        let ran = seedfast(&["shrink", scenario, "3", "--out", &out, "--json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let object: Value = serde_json::from_str(&ran.out).expect("one object");
        assert_eq!(object["invariant"], invariant);
        assert_eq!(object["faults"], serde_json::json!([]), "the pause has nothing to do with it");
        assert_eq!(object["settings"], serde_json::json!(["workload: flawed 1"]), "{object}");
        let small = Bundle::read(Path::new(&out)).expect("it was just written");
        assert_eq!(small.plan.workload["flawed"], 1, "without it nothing breaks");
        // Of those that halt, two do not hear enough pings.
        assert_eq!(small.plan.schedule.nodes < 3, scenario != "halts", "{scenario}");
    }
}

#[test]
fn a_panic_elsewhere_is_another_failure() {
    let scratch = Scratch::new("shrink-panic");
    let out = scratch.file("small.repro");
    let ran = seedfast(&["shrink", "panics", "3", "--out", &out]);
    assert!(ran.out.contains("the seventh ping is one too many"), "{}", ran.out);
}

#[test]
fn what_holds_or_differs_is_not_shrunk() {
    let ran = seedfast(&["shrink", "pings", "3"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("seed 3 of scenario `pings` breaks nothing here"), "{}", ran.err);
    let ran = seedfast(&["shrink", "both", "3"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("two runs of seed 3 of scenario `both` differed"), "{}", ran.err);
    let ran = seedfast(&["shrink", "loops", "3", "--watchdog", "200ms"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("seed 3 of scenario `loops` takes longer than 200ms"), "{}", ran.err);
    let ran = seedfast(&["shrink", "nobody-s.repro"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("there is no bundle nobody-s.repro"), "{}", ran.err);
}

#[test]
fn the_time_that_it_is_given_ends_it_with_what_it_has() {
    let scratch = Scratch::new("shrink-time");
    let out = scratch.file("small.repro");
    let seed = broken_toys(1)[0];
    let ran = ours(&["shrink", "toy-double-vote", &seed.to_string(), "--for", "1ns", "--out", &out]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("the time was up"), "{}", ran.out);
    let small = Bundle::read(Path::new(&out)).expect("it was just written");
    assert_eq!(small.plan, TOY_DOUBLE_VOTE.plan(seed), "there was no time for anything");
}

#[test]
fn run_shrinks_the_first_failure_of_each_signature() {
    let scratch = Scratch::new("shrink-run");
    let flags = ["run", "broken", "panics", "--seeds", "0..50", "--keep-going", "--out", scratch.path()];
    let ran = seedfast(&flags);
    assert_eq!(ran.code, 1, "{ran:?}");
    let small: Vec<String> = scratch.names().into_iter().filter(|name| name.contains("-shrunk")).collect();
    assert_eq!(small.len(), 2, "{:?}", scratch.names());
    for name in &small {
        assert!(ran.out.contains(name), "{name}: {}", ran.out);
        let path = scratch.file(name);
        assert_eq!(seedfast(&["replay", &path]).code, 1, "{name}");
    }
    let ran = seedfast(&[&flags[..], &["--json"]].concat());
    let object: Value = serde_json::from_str(&ran.out).expect("one object");
    assert_eq!(object["shrunk"].as_array().map(Vec::len), Some(2), "{}", object["shrunk"]);
    let other = Scratch::new("shrink-run-not");
    let ran = seedfast(&["run", "broken", "--seeds", "3..4", "--no-shrink", "--out", other.path()]);
    assert!(other.names().iter().all(|name| !name.contains("-shrunk")), "{:?}", other.names());
    assert!(!ran.out.contains("SHRUNK"), "{}", ran.out);
}

/// A test without the lines that name a build.
fn without_build(test: &str) -> Vec<&str> {
    const BUILD: [&str; 10] = [
        "program",
        "commit",
        "dirty",
        "sources",
        "lock",
        "compiler",
        "contracts",
        "executable",
        "plan_hash",
        "scenario",
    ];
    let names_build = |line: &&str| !BUILD.iter().any(|key| line.starts_with(&format!("{key} = ")));
    let known = |line: &&str| !line.contains("&seedfast_scenarios::all(),") && !line.contains("SCENARIOS");
    test.lines().filter(names_build).filter(known).collect()
}

#[test]
fn the_printed_test_is_the_one_that_was_pasted_and_keeps_its_promise() {
    let scratch = Scratch::new("shrink-pasted");
    let ran = ours(&["shrink", "toy-double-vote", "26", "--out", &scratch.file("small.repro"), "--json"]);
    let object: Value = serde_json::from_str(&ran.out).expect("one object");
    let test = object["test"].as_str().expect("a test");
    let pasted = include_str!("shrink_pasted.rs");
    let (_, pasted) = pasted.split_once("\n\n").expect("a head and the test");
    assert_eq!(without_build(test), without_build(pasted), "paste it again");

    let (_, rest) = test.split_once("r#\"\n").expect("a raw string");
    let (bundle, _) = rest.split_once("\"#,").expect("its end");
    let replay = |bundle: &str| {
        let run = || seedfast::replay_bundle(&seedfast_scenarios::all(), bundle);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
            .map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
    };
    let failed = replay(bundle).expect_err("the bug is there");
    assert!(failed.starts_with("T1 broke at 0.004339575s, event "), "{failed}");
    let mended = bundle.replace("toy-double-vote", "toy");
    assert_eq!(replay(&mended), Ok(()), "the same without the bug");
    let wrong = replay(&bundle.replace("toy-double-vote", "nobody")).expect_err("there is no such scenario");
    assert!(wrong.contains("there is no scenario `nobody`"), "{wrong}");
}
