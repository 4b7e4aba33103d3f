//! Parts of a campaign: what they keep, how they go on, and how they are added up.

mod fakes;

use fakes::{Ran, Scratch, read, seedfast};
use serde_json::Value;

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// A campaign over scenarios that hold, break, and panic.
const CAMPAIGN: [&str; 9] =
    ["run", "pings", "broken", "panics", "--keep-going", "--seeds", "10..160", "--jobs", "2"];

/// Runs the parts of it with these numbers into directories of these names.
fn parts(scratch: &Scratch, parts: &[(&str, &str)]) {
    for (shard, directory) in parts {
        let more = ["--shard", shard, "--out", &scratch.file(directory), "--json"];
        let ran = seedfast(&[&CAMPAIGN[..], &more].concat());
        assert_eq!(ran.code, 1, "{ran:?}");
    }
}

#[test]
fn parts_add_up_to_the_whole_campaign() {
    let scratch = Scratch::new("merge-whole");
    parts(&scratch, &[("1/3", "a"), ("2/3", "b"), ("3/3", "c"), ("1/1", "whole/all")]);
    let merge = |directories: &[&str]| {
        let paths: Vec<String> = directories.iter().map(|name| scratch.file(name)).collect();
        let arguments: Vec<&str> =
            ["merge", "--json"].into_iter().chain(paths.iter().map(String::as_str)).collect();
        let ran = seedfast(&arguments);
        assert_eq!(ran.code, 1, "{ran:?}");
        json(&ran)
    };
    let (mut one, mut other, mut whole) =
        (merge(&["a", "b", "c"]), merge(&["c", "a", "b"]), merge(&["whole"]));
    assert_eq!(one["parts"].as_array().map(Vec::len), Some(3));
    assert_eq!((&one["seeds"], &one["missing"]), (&150.into(), &Value::Array(Vec::new())));
    for found in [&mut one, &mut other, &mut whole] {
        forget(found);
    }
    assert_eq!(one, other, "the order of the directories does not show");
    assert_eq!(one, whole);
    assert_eq!(one["probes_not_reached"], serde_json::json!(["a ping fell from the sky"]));
    assert!(one["signatures"].as_array().is_some_and(|signatures| signatures.len() == 2), "{one}");
}

/// Removes what differs between a campaign and its parts: time, places, and that each part runs the first seed of each
/// scenario twice.
fn forget(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in
                ["wall_seconds", "work_seconds", "seeds_per_second", "bundle", "parts", "rerun_checked"]
            {
                fields.remove(name);
            }
            fields.values_mut().for_each(forget);
        }
        Value::Array(items) => items.iter_mut().for_each(forget),
        _ => {}
    }
}

#[test]
fn signatures_are_grouped_with_their_counts_and_the_seed_that_breaks_soonest() {
    let scratch = Scratch::new("merge-signatures");
    parts(&scratch, &[("1/2", "a"), ("2/2", "b")]);
    let found = json(&seedfast(&["merge", "--json", scratch.path()]));
    for signature in found["signatures"].as_array().expect("a list") {
        let scenario = signature["scenario"].as_str().expect("a name");
        // What every seed shows on its own.
        let mut broke = Vec::new();
        for seed in 10..160 {
            let of_seed = format!("{seed}..{}", seed + 1);
            let ran = seedfast(&[
                "run", "pings", "broken", "panics", "--seeds", &of_seed, "--json", "--rerun", "0",
            ]);
            let found = json(&ran);
            if let Some(failed) = found["failed"].get(0).filter(|failed| failed["scenario"] == scenario) {
                broke.push((failed["event"].as_u64().expect("a number"), seed));
            }
        }
        assert_eq!(signature["seeds"], broke.len(), "{signature}");
        let soonest = broke.iter().min().expect("some did");
        assert_eq!(
            (&signature["soonest"]["event"], &signature["soonest"]["seed"]),
            (&soonest.0.into(), &soonest.1.into())
        );
        let lowest: Vec<u64> = broke.iter().map(|(_, seed)| *seed).take(3).collect();
        let examples: Vec<u64> = found["failed"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|failed| failed["scenario"] == scenario)
            .map(|failed| failed["seed"].as_u64().expect("a number"))
            .collect();
        assert_eq!(examples, lowest);
        let bundle = signature["soonest"]["bundle"].as_str().expect("it was saved");
        assert_eq!(seedfast(&["replay", bundle]).code, 1);
    }
    let ran = seedfast(&["merge", scratch.path()]);
    assert!(ran.out.contains("  soonest      seed "), "{}", ran.out);
}

#[test]
fn shards_that_have_no_seed_are_not_missed() {
    let scratch = Scratch::new("merge-empty-shards");
    let flags = |shard| ["run", "pings", "--seeds", "0..3", "--shard", shard];
    for shard in ["1/5", "2/5", "3/5", "4/5"] {
        let out = ["--out", &scratch.file(&shard[..1])];
        assert_eq!(seedfast(&[&flags(shard)[..], &out].concat()).code, if shard == "4/5" { 2 } else { 0 });
    }
    let ran = seedfast(&["merge", scratch.path()]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_campaign_that_came_to_nothing_is_not_taken_for_the_one_before() {
    let scratch = Scratch::new("merge-before");
    assert_eq!(seedfast(&["run", "pings", "--seeds", "0..40", "--out", scratch.path()]).code, 0);
    assert_eq!(seedfast(&["merge", scratch.path()]).code, 0);
    assert_eq!(seedfast(&["run", "refuses", "--seeds", "0..40", "--out", scratch.path()]).code, 2);
    let ran = seedfast(&["merge", scratch.path()]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.out.contains("was interrupted after 0 seeds"), "{}", ran.out);
}

#[test]
fn a_part_that_is_missing_or_was_interrupted_is_named_and_is_no_success() {
    let scratch = Scratch::new("merge-missing");
    for shard in ["1/4", "3/4", "4/4"] {
        let directory = scratch.file(&shard.replace('/', "-"));
        let flags = ["run", "pings", "--seeds", "0..40", "--shard", shard, "--out", &directory];
        assert_eq!(seedfast(&flags).code, 0);
    }
    let ran = seedfast(&["merge", scratch.path()]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.out.contains("MISSING  shard 2/4\n"), "{}", ran.out);
    assert!(ran.err.contains("parts of the campaign are missing"), "{}", ran.err);
    let found = json(&seedfast(&["merge", "--json", scratch.path()]));
    assert_eq!((&found["exit_code"], &found["missing"][0]), (&2.into(), &"shard 2/4".into()));
    assert_eq!(seedfast(&["merge", scratch.path(), "--partial"]).code, 0);

    let file = scratch.file("3-4/campaign.json");
    let text = String::from_utf8(read(&file)).expect("it is text");
    std::fs::write(&file, text.replace("\"is_complete\":true", "\"is_complete\":false"))
        .expect("there is room");
    let ran = seedfast(&["merge", scratch.path()]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.out.contains("MISSING  shard 3/4 in") && ran.out.contains("after 10 seeds of 10 seeds"),
        "{}",
        ran.out
    );
}

#[test]
fn what_does_not_belong_together_is_refused_in_one_sentence() {
    let scratch = Scratch::new("merge-refused");
    parts(&scratch, &[("1/3", "a"), ("2/3", "b")]);
    let run = |directory: &str, arguments: &[&str]| {
        seedfast(&[&["run", "--out", &scratch.file(directory)], arguments].concat());
    };
    run("again", &["pings", "broken", "panics", "--seeds", "20..40", "--keep-going"]);
    run("others", &["pings", "more-pings", "--seeds", "1000..1040"]);
    run("disjoint", &["more-pings", "--seeds", "0..40"]);
    let copy = scratch.file("foreign");
    std::fs::create_dir(&copy).expect("there is room");
    let text = String::from_utf8(read(scratch.file("b/campaign.json"))).expect("it is text");
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}: {text}");
        std::fs::write(format!("{copy}/campaign.json"), text.replace(from, to)).expect("there is room");
        seedfast(&["merge", &scratch.file("a"), &copy])
    };
    let (a, b) = (scratch.file("a"), scratch.file("b"));
    let cases = [
        (seedfast(&["merge", &a, &a]), "both ran seed 12"),
        (seedfast(&["merge", &a, &b, &scratch.file("again")]), "both ran seed 21"),
        (seedfast(&["merge", &a, &scratch.file("others")]), "ran `pings` among different scenarios"),
        (with("\"compiler\":\"", "\"compiler\":\"not "), "of different builds (compiler"),
        (with("format 1", "format 9"), "this build reads `seedfast campaign, format 1`"),
        (with("\"first\":10", "\"first\":-10"), "cannot be read"),
        (with("\"first\":10", "\"first\":1000"), "contradicts itself"),
        (with("{", "["), "is no campaign's file"),
        (seedfast(&["merge", &scratch.file("nowhere")]), "there is no campaign.json in"),
        (seedfast(&["merge"]), "DIR"),
    ];
    for (ran, expected) in cases {
        assert_eq!(ran.code, 2, "{expected}: {ran:?}");
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
    }
    let ran = seedfast(&["merge", &a, &scratch.file("disjoint"), "--partial"]);
    assert_eq!(ran.code, 1, "campaigns of different scenarios are added up: {ran:?}");
}

#[test]
fn a_mismatch_in_any_part_is_exit_3_and_a_seed_that_does_not_end_exit_1() {
    let scratch = Scratch::new("merge-worse");
    for shard in ["1/2", "2/2"] {
        let flags = ["run", "own-randomness", "--seeds", "0..40", "--shard", shard, "--rerun", "100"];
        let out = scratch.file(&format!("random/{}", &shard[..1]));
        assert_eq!(seedfast(&[&flags[..], &["--out", &out]].concat()).code, 3);
    }
    let ran = seedfast(&["merge", &scratch.file("random")]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.out.contains("the first event that differs is number"), "{}", ran.out);
    let stuck = scratch.file("stuck");
    let flags = ["run", "loops", "--seeds", "0..10", "--watchdog", "300ms", "--out", &stuck];
    assert_eq!(seedfast(&flags).code, 1);
    let ran = seedfast(&["merge", &stuck]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("STUCK  loops, seed 3"), "{}", ran.out);
    assert!(ran.out.contains("MISSING  shard 1/1 in") && ran.out.contains("does not end"), "{}", ran.out);
}

#[test]
fn a_campaign_goes_on_only_in_its_own_directory() {
    let scratch = Scratch::new("resume-own");
    let out = scratch.file("d");
    let run = |arguments: &[&str]| seedfast(&[&["run", "--out", &out, "--resume"], arguments].concat());
    let ran = run(&["pings", "--seeds", "0..40"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.err.contains("going on"), "{}", ran.err);
    let first = read(format!("{out}/campaign.json"));
    let ran = run(&["pings", "--seeds", "0..40"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("going on behind 40 seeds that were run before"), "{}", ran.err);
    assert!(ran.out.contains("HELD  40 seeds"), "{}", ran.out);
    for (arguments, expected) in [
        (&["pings", "--seeds", "0..41"][..], "seeds 0..40 there, 0..41 here"),
        (&["more-pings", "--seeds", "0..40"], "scenarios pings there, more-pings here"),
        (&["pings", "--seeds", "0..40", "--shard", "1/2"], "shard 1/1 there, 1/2 here"),
        (&["pings", "--seeds", "0..40", "--rerun", "0"], "--rerun 10 there, 0 here"),
        (&["pings", "--seeds", "0..40", "--keep-going"], "--keep-going no there, yes here"),
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains("holds another campaign") && ran.err.contains(expected), "{}", ran.err);
    }
    let kept: Value = serde_json::from_slice(&read(format!("{out}/campaign.json"))).expect("it is JSON");
    let before: Value = serde_json::from_slice(&first).expect("it is JSON");
    assert_eq!(kept["sums"], before["sums"], "nothing was touched");
    let ran = seedfast(&["run", "pings", "--seeds", "0..40", "--resume"]);
    assert_eq!(ran.code, 2, "it needs to be told where: {ran:?}");
}

#[test]
fn what_was_found_before_an_interruption_is_kept_and_not_run_again() {
    let scratch = Scratch::new("resume-sums");
    let run = |out: &str, seeds: &str| {
        let flags = ["run", "pings", "broken", "--keep-going", "--resume", "--seeds", seeds, "--out"];
        seedfast(&[&flags[..], &[&scratch.file(out)]].concat())
    };
    assert_eq!(run("pieces", "5..45").code, 1);
    assert_eq!(run("whole", "5..85").code, 1);
    let kept = |out: &str| -> Value {
        let mut kept: Value =
            serde_json::from_slice(&read(scratch.file(&format!("{out}/campaign.json")))).expect("it is JSON");
        kept.as_object_mut().expect("an object").remove("wall_nanos");
        kept
    };
    // The file as it was when a campaign over twice as many seeds was killed; and what no seed can add to it.
    const MARK: u64 = 1 << 40;
    let mut interrupted = kept("pieces");
    interrupted["end"] = 85.into();
    interrupted["is_complete"] = false.into();
    interrupted["wall_nanos"] = 0.into();
    let delivered = &mut interrupted["sums"]["tallies"][0]["delivered"];
    *delivered = (delivered.as_u64().expect("a number") + MARK).into();
    std::fs::write(scratch.file("pieces/campaign.json"), interrupted.to_string()).expect("there is room");
    let ran = run("pieces", "5..85");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("going on behind 40 seeds"), "{}", ran.err);
    let mut expected = kept("whole");
    let delivered = &mut expected["sums"]["tallies"][0]["delivered"];
    *delivered = (delivered.as_u64().expect("a number") + MARK).into();
    assert_eq!(kept("pieces"), expected);
}

#[test]
fn without_resume_a_campaign_begins_anew_and_loses_no_interrupted_one() {
    let scratch = Scratch::new("resume-not");
    let run = |arguments: &[&str]| seedfast(&[&["run", "--out", scratch.path()], arguments].concat());
    assert_eq!(run(&["pings", "--seeds", "0..40"]).code, 0);
    let ran = run(&["more-pings", "--seeds", "0..20"]);
    assert!(ran.code == 0 && ran.err.is_empty(), "a finished one is replaced: {ran:?}");
    let file = scratch.file("campaign.json");
    let text = String::from_utf8(read(&file)).expect("it is text");
    let interrupted = text.replace("\"is_complete\":true", "\"is_complete\":false");
    std::fs::write(&file, &interrupted).expect("there is room");
    let ran = run(&["pings", "--seeds", "0..40"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("interrupted after 20 seeds"), "{}", ran.err);
    assert_eq!(read(scratch.file("campaign.interrupted.json")), interrupted.into_bytes());
}

#[test]
fn two_processes_do_not_keep_one_directory() {
    let scratch = Scratch::new("resume-twice");
    let lock = std::fs::File::create(scratch.file(".campaign.lock")).expect("there is room");
    lock.lock().expect("nobody else has it");
    let run = |more: &[&str]| {
        seedfast(&[&["run", "broken", "--seeds", "3..4", "--out", scratch.path()], more].concat())
    };
    let ran = run(&["--resume"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("another process is running a campaign in"), "{}", ran.err);
    let ran = run(&[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("this one's are not kept"), "{}", ran.err);
    assert_eq!(scratch.names(), [".campaign.lock", "broken-3-shrunk.repro", "broken-3.repro"]);
}
