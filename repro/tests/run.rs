//! Campaigns: verdicts, exit codes, JSON, and results that do not depend on the number of jobs.

mod fakes;

use fakes::{Scratch, seedfast};
use serde_json::Value;

fn json(arguments: &[&str]) -> (u8, Value) {
    let ran = seedfast(arguments);
    (ran.code, serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}")))
}

#[test]
fn what_holds_exits_0_and_says_so() {
    let ran = seedfast(&["run", "pings", "--seeds", "0..40", "--jobs", "2"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("HELD  40 seeds, no invariant broken"), "{}", ran.out);
    assert!(ran.out.contains("a second ping arrived"), "{}", ran.out);
}

#[test]
fn what_breaks_exits_1_and_prints_the_line_and_the_bundle() {
    let scratch = Scratch::new("breaks");
    let ran = seedfast(&["run", "broken", "--seeds", "100..200", "--jobs", "2", "--out", scratch.path()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(scratch.names(), ["broken-103.repro"], "the lowest seed that fails, and nothing half-written");
    for expected in ["F1  the tenth ping arrived", "replay broken 103", "broken-103.repro", "the last events"]
    {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
    assert!(ran.out.contains("BROKEN  1 of 4 seeds: F1 in broken"), "{}", ran.out);
}

#[test]
fn keep_going_finds_all_of_them_and_groups_them() {
    let scratch = Scratch::new("keep-going");
    let flags =
        ["run", "broken", "panics", "--seeds", "0..50", "--keep-going", "--json", "--out", scratch.path()];
    let (code, found) = json(&flags);
    assert_eq!((code, &found["seeds"], &found["failures"]), (1, &50.into(), &10.into()));
    let signatures: Vec<_> =
        found["signatures"].as_array().expect("a list").iter().map(|s| s["invariant"].as_str()).collect();
    assert_eq!(signatures, [Some("F1"), Some("panic")]);
}

#[test]
fn json_has_every_promised_field() {
    let (code, found) = json(&["run", "pings", "--seeds", "0..20", "--json", "--rerun", "50"]);
    assert_eq!(code, 0);
    for field in [
        "scenario",
        "seeds",
        "failures",
        "events",
        "sim_seconds",
        "wall_seconds",
        "seeds_per_second",
        "rerun_checked",
        "rerun_mismatches",
        "faults",
        "probes",
        "efficacy",
        "scenarios",
    ] {
        assert!(!found[field].is_null(), "{field}: {found}");
    }
    assert_eq!(found["scenario"], "pings");
    assert_eq!(found["seeds"], 20);
    assert_eq!(found["rerun_mismatches"], 0);
    assert!(found["rerun_checked"].as_u64().is_some_and(|checked| checked > 3), "{found}");
    assert_eq!(found["probes"]["a second ping arrived"].as_u64().map(|times| times > 0), Some(true));
}

#[test]
fn the_number_of_jobs_changes_nothing() {
    let timeless = |jobs: &str, more: &[&str]| {
        let scratch = Scratch::new(&format!("jobs-{jobs}-{}", more.len()));
        let flags =
            ["run", "pings", "more-pings", "broken", "--json", "--jobs", jobs, "--out", scratch.path()];
        let (code, mut found) = json(&[&flags, more].concat());
        let bundles: Vec<_> =
            scratch.names().into_iter().map(|name| fakes::read(scratch.0.join(name))).collect();
        forget_time(&mut found);
        (code, found, bundles)
    };
    for more in [
        &["--seeds", "0..300", "--keep-going"][..],
        &["--seeds", "0..300"],
        &["--seeds", "7..90", "--shard", "2/3"],
    ] {
        let one = timeless("1", more);
        assert_eq!(one.0, 1);
        assert_eq!(one, timeless("8", more), "{more:?}");
    }
}

/// Removes what may differ between two runs of the same campaign.
fn forget_time(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in ["wall_seconds", "seeds_per_second", "jobs", "bundle"] {
                fields.remove(name);
            }
            fields.values_mut().for_each(forget_time);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_time),
        _ => {}
    }
}

#[test]
fn own_randomness_is_exit_3_with_the_first_event_that_differs() {
    for jobs in ["1", "4"] {
        let ran = seedfast(&["run", "own-randomness", "--seeds", "0..60", "--jobs", jobs, "--rerun", "100"]);
        assert_eq!(ran.code, 3, "{ran:?}");
        for expected in [
            "two runs of one seed differed",
            "the first event that differs is number",
            "first   ",
            "second  ",
        ] {
            assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
        }
    }
}

#[test]
fn a_panicking_process_fails_its_seed() {
    let scratch = Scratch::new("panics");
    let ran = seedfast(&["run", "panics", "--seeds", "0..10", "--jobs", "1", "--out", scratch.path()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("the seventh ping is one too many"), "{}", ran.out);
    assert!(ran.out.contains("panics, seed 3"), "{}", ran.out);
}

#[test]
fn a_turn_that_never_ends_is_named_by_the_watchdog() {
    let ran = seedfast(&["run", "loops", "--seeds", "0..10", "--jobs", "2", "--watchdog", "300ms"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("STUCK  loops, seed 3"), "{}", ran.out);
    let (code, found) = json(&["run", "loops", "--seeds", "3..4", "--json", "--watchdog", "300ms"]);
    assert_eq!((code, &found["failures"], &found["stuck"]["seed"]), (1, &1.into(), &3.into()));
}

#[test]
#[should_panic(expected = "this scenario cannot draw a plan")]
fn a_panic_of_the_harness_is_not_swallowed() {
    seedfast(&["run", "plan-panics", "--seeds", "0..3", "--jobs", "1"]);
}

#[test]
fn wrong_usage_is_one_sentence_and_exit_2() {
    let scratch = Scratch::new("usage");
    std::fs::write(scratch.file("a-file"), "x").expect("there is room");
    let under_a_file = scratch.file("a-file/deeper");
    let cases: &[(&[&str], &str)] = &[
        (&["run", "pigns"], "there is no scenario `pigns`; did you mean `pings`?"),
        (&["run", "qqq"], "there is no scenario `qqq`"),
        (&["run", "--seeds", "9..3"], "is empty"),
        (&["run", "--seeds", "many"], "is no set of seeds"),
        (&["run", "--seeds", "0"], "prove nothing"),
        (&["run", "--shard", "5/4"], "does not exist"),
        (&["run", "--shard", "0/4"], "shards count from 1"),
        (&["run", "pings", "--seeds", "10..12", "--shard", "1/9"], "has none of the 2 seeds"),
        (&["run", "--for", "fast"], "is no length of time"),
        (&["run", "--jobs", "0"], "0 is not in"),
        (&["run", "--rerun", "101"], "101 is not in"),
        (&["run", "--sedes", "4"], "--sedes"),
        (&["run", "refuses", "--seeds", "1"], "it refuses every plan"),
        (&["run", "pings", "--seeds", "5", "--out", &under_a_file], "bundles cannot be written into"),
        (&["frobnicate"], "frobnicate"),
    ];
    for (arguments, expected) in cases {
        let ran = seedfast(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(expected), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn a_time_limit_ends_a_campaign_without_seeds_to_end_it() {
    let (code, found) = json(&["run", "pings", "--for", "300ms", "--json", "--jobs", "2"]);
    assert_eq!(code, 0);
    assert!(found["seeds"].as_u64().is_some_and(|seeds| seeds > 0), "{found}");
}

#[test]
fn shards_add_up_to_the_whole() {
    let events = |more: &[&str]| {
        let flags = ["run", "pings", "more-pings", "--seeds", "5..65", "--json"];
        json(&[&flags, more].concat()).1["events"].as_u64().expect("a number")
    };
    let parts: u64 = ["1/3", "2/3", "3/3"].iter().map(|shard| events(&["--shard", shard])).sum();
    assert_eq!(parts, events(&[]));
}

#[test]
fn scenarios_are_listed_with_their_planted_bugs() {
    let ran = seedfast(&["scenarios"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("pings") && ran.out.contains("planted bug: a flaw"), "{}", ran.out);
    let (_, list) = json(&["scenarios", "--json"]);
    assert_eq!(list["scenarios"][0]["name"], "pings");
    assert!(list["scenarios"][0]["planted"].is_null() && list["scenarios"][2]["planted"].is_string());
}
