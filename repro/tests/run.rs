//! Campaigns: verdicts, exit codes, JSON, and results that do not depend on the number of jobs.

mod fakes;

use fakes::{Scratch, seedfast};
use seedfast_sim::Scenario;
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
    assert!(ran.out.contains("  1 probe not reached\n  a ping fell from the sky\n"), "{}", ran.out);
}

#[test]
fn what_breaks_exits_1_and_prints_the_line_and_the_bundle() {
    let scratch = Scratch::new("breaks");
    let ran = seedfast(&["run", "broken", "--seeds", "100..200", "--jobs", "2", "--out", scratch.path()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let names = [".campaign.lock", "broken-103-shrunk.repro", "broken-103.repro", "campaign.json"];
    assert_eq!(scratch.names(), names, "the lowest seed that fails, and nothing half-written");
    for expected in [
        "F1  the tenth ping arrived",
        "replay broken 103",
        "broken-103.repro",
        "broken-103-shrunk.repro",
        "the last events",
    ] {
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
    assert_eq!(found["probes_not_reached"], serde_json::json!(["a ping fell from the sky"]));
    assert_eq!(found["probes"]["a second ping arrived"].as_u64().map(|times| times > 0), Some(true));
}

#[test]
fn the_number_of_jobs_changes_nothing() {
    let timeless = |jobs: &str, more: &[&str]| {
        let scratch = Scratch::new(&format!("jobs-{jobs}-{}", more.len()));
        let flags =
            ["run", "pings", "more-pings", "broken", "--json", "--jobs", jobs, "--out", scratch.path()];
        let (code, mut found) = json(&[&flags, more].concat());
        let mut kept: Value =
            serde_json::from_slice(&fakes::read(scratch.file("campaign.json"))).expect("it is JSON");
        let names = scratch.names().into_iter().filter(|name| name.ends_with(".repro"));
        let bundles: Vec<_> = names.map(|name| fakes::read(scratch.0.join(name))).collect();
        forget_time(&mut found);
        forget_time(&mut kept);
        (code, found, kept, bundles)
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
            for name in ["wall_seconds", "wall_nanos", "seeds_per_second", "jobs", "bundle"] {
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
    assert!(ran.out.contains("\nBROKEN  seed 3 of loops does not end"), "{}", ran.out);
    let ran = seedfast(&["run", "loops", "--seeds", "3..5", "--jobs", "1", "--watchdog", "300ms"]);
    assert!(ran.out.ends_with("BROKEN  seed 3 of loops does not end\n"), "{}", ran.out);
    let (code, found) = json(&["run", "loops", "--seeds", "3..4", "--json", "--watchdog", "300ms"]);
    assert_eq!((code, &found["failures"], &found["stuck"]["seed"]), (1, &1.into(), &3.into()));
}

#[test]
fn a_scenario_that_panics_outside_a_run_is_one_sentence_and_exit_2() {
    for (name, expected) in
        [("plan-panics", "this scenario cannot draw a plan"), ("scene-panics", "this scenario has no cast")]
    {
        for arguments in [
            &["run", name, "--seeds", "4..5", "--jobs", "1"][..],
            &["replay", name, "4"],
            &["replay", name, "4", "--until", "1ms"],
        ] {
            let ran = seedfast(arguments);
            assert_eq!(ran.code, 2, "{ran:?}");
            assert!(ran.err.contains(&format!("scenario `{name}` panicked")), "{}", ran.err);
            assert!(ran.err.contains(expected) && ran.err.contains("mod.rs:"), "{}", ran.err);
            assert!(ran.err.contains(&format!("replay {name} 4`")), "{}", ran.err);
            assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        }
    }
}

#[test]
fn what_broke_but_does_not_repeat_is_not_said_to_replay() {
    let scratch = Scratch::new("both");
    let flags = ["run", "both", "--seeds", "3..4", "--jobs", "1", "--out", scratch.path()];
    let ran = seedfast(&flags);
    assert_eq!(ran.code, 3, "{ran:?}");
    let (above, below) = ran.out.split_once("BROKEN  both, seed 3").expect("it broke too");
    assert!(above.contains("NOT THE SAME  both, seed 3"), "{}", ran.out);
    assert!(below.contains("it does not replay: see above"), "{}", ran.out);
    assert!(below.contains("unreliable   the bundle"), "{}", ran.out);
    assert!(!ran.out.contains("replayed from its bundle"), "{}", ran.out);
    let (_, found) = json(&[&flags[..], &["--json"]].concat());
    assert_eq!(found["failed"][0]["repeats"], false, "{found}");
    let ran = seedfast(&["run", "broken", "--seeds", "3..4", "--out", scratch.path()]);
    assert!(ran.out.contains("run again and replayed from its bundle: the same"), "{}", ran.out);
    assert!(!ran.out.contains("unreliable"), "{}", ran.out);
}

#[test]
fn mismatches_are_told_once_for_each_scenario() {
    let ran = seedfast(&["run", "own-randomness", "--seeds", "0..100", "--keep-going", "--rerun", "100"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(ran.out.matches("the first event that differs").count(), 1, "{}", ran.out);
    assert!(ran.out.contains("NOT THE SAME  own-randomness, seed 3"), "{}", ran.out);
    assert!(ran.out.contains("so did two runs of seeds 8, 13 and 17 more"), "{}", ran.out);
}

#[test]
fn the_first_seed_of_each_scenario_is_always_run_twice() {
    let seed = (0..).map(|block| block * 5 + 3).find(|seed| !seedfast::seeds::is_sampled(*seed, 10));
    let seeds = seed.map(|seed| format!("{seed}..{}", seed + 1)).expect("nine in ten are not sampled");
    let run = |more: &[&str]| seedfast(&[&["run", "own-randomness", "--seeds", &seeds], more].concat());
    for jobs in ["1", "3"] {
        assert_eq!(run(&["--jobs", jobs]).code, 3);
    }
    assert_eq!(run(&["--rerun", "0"]).code, 0, "nothing is, if that is what was asked for");
}

#[test]
fn the_hint_follows_who_differs() {
    let ran = seedfast(&["run", "own-judge", "--seeds", "3..4"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.out.contains("that event is the verdict, so it is the scene that differs"), "{}", ran.out);
    assert!(!ran.out.contains("entropy of `Start`"), "{}", ran.out);
    let ran = seedfast(&["run", "own-randomness", "--seeds", "3..4"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    for expected in ["something in the process", "thread_rng", "HashMap", "Instant::now", "an address"] {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
}

#[test]
fn why_processes_halted_is_told_once() {
    let scratch = Scratch::new("halts");
    for arguments in
        [&["run", "halts", "--seeds", "3..4", "--out", scratch.path()][..], &["replay", "halts", "3"]]
    {
        let ran = seedfast(arguments);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert_eq!(ran.out.matches("  halted       n1: the device is gone").count(), 1, "{}", ran.out);
    }
}

#[test]
fn two_scenarios_of_one_name_are_refused() {
    let two: [&dyn Scenario; 3] = [&fakes::STEADY, &fakes::OTHER, &fakes::STEADY];
    for arguments in
        [&["run", "more-pings", "--seeds", "0..2"][..], &["scenarios"], &["replay", "pings", "1"]]
    {
        let ran = fakes::seedfast_over(&two, arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains("two scenarios of this program are called `pings`"), "{}", ran.err);
    }
}

#[test]
fn a_foreign_program_names_its_executable_and_whose_commit_it_is() {
    // This test is one.
    let ran = seedfast(&["run", "pings", "--seeds", "1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("(the base of this executable)"), "{}", ran.out);
    assert!(ran.out.contains("seedfast commit ") && ran.out.contains("(executable "), "{}", ran.out);
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
