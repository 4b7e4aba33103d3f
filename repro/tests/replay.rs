//! Replays: the same bytes from a seed, from its bundle, cold and warm; and what is refused.

mod fakes;

use fakes::{Scratch, read, seedfast};

/// Runs the broken scenario and gives the path of the bundle.
fn bundle(scratch: &Scratch) -> String {
    let ran = seedfast(&["run", "broken", "--seeds", "0..10", "--out", scratch.path()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    scratch.file("broken-3.repro")
}

fn edit(path: &str, from: &str, to: &str) -> String {
    let text = String::from_utf8(read(path)).expect("a bundle is text");
    assert!(text.contains(from), "{from}: {text}");
    let edited = format!("{path}.edited");
    std::fs::write(&edited, text.replace(from, to)).expect("there is room");
    edited
}

#[test]
fn a_seed_and_its_bundle_give_the_same_bytes_and_the_file_is_what_was_hashed() {
    let scratch = Scratch::new("same-bytes");
    let bundle = bundle(&scratch);
    let (by_seed, by_bundle) = (scratch.file("seed.trace"), scratch.file("bundle.trace"));
    let ran = seedfast(&["replay", "broken", "3", "--trace", &by_seed]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let again = seedfast(&["replay", &bundle, "--trace", &by_bundle]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.err.is_empty(), "the same build does not warn: {}", again.err);
    assert!(again.out.contains("recorded the same trace and the same verdict"), "{}", again.out);
    assert_eq!(read(&by_seed), read(&by_bundle));
    let hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&read(&by_seed)));
    assert!(ran.out.contains(&hash), "{hash}: {}", ran.out);
}

#[test]
fn check_compares_a_cold_world_with_a_warm_one() {
    let ran = seedfast(&["replay", "pings", "12", "--check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("gave the same bytes"), "{}", ran.out);
    let ran = seedfast(&["replay", "own-randomness", "3", "--check"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.out.contains("the first event that differs is number"), "{}", ran.out);
}

#[test]
fn exports_are_written_whole() {
    let scratch = Scratch::new("exports");
    let (history, events) = (scratch.file("h.jsonl"), scratch.file("e.jsonl"));
    let ran = seedfast(&["replay", "pings", "1", "--history", &history, "--events", &events]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(String::from_utf8_lossy(&read(history)).starts_with("{\"pings\":"));
    assert!(read(events).is_empty());
    assert_eq!(scratch.names(), ["e.jsonl", "h.jsonl"]);
}

#[test]
fn until_stops_there_and_keeps_the_prefix() {
    let scratch = Scratch::new("until");
    let (whole, part) = (scratch.file("whole"), scratch.file("part"));
    assert_eq!(seedfast(&["replay", "broken", "3", "--trace", &whole]).code, 1);
    let ran = seedfast(&["replay", "broken", "3", "--until", "10ms", "--trace", &part]);
    assert_eq!(ran.code, 0, "it breaks later: {ran:?}");
    assert!(ran.out.contains("stopped at 0.010s"), "{}", ran.out);
    let (whole, part) = (read(whole), read(part));
    let common = whole.iter().zip(&part).take_while(|(a, b)| a == b).count();
    assert!(
        common > part.len() / 2 && part.len() < whole.len(),
        "{common} of {} and {}",
        part.len(),
        whole.len()
    );
}

#[test]
fn verbose_prints_one_line_for_each_event_and_filters() {
    let all = seedfast(&["replay", "pings", "1", "--verbose"]);
    assert_eq!(all.code, 0);
    let lines = |text: &str| text.lines().count();
    let some = seedfast(&["replay", "pings", "1", "--verbose", "--node", "2"]);
    assert!(lines(&some.out) < lines(&all.out) && lines(&some.out) > 20, "{}", some.out);
    let kinds = seedfast(&["replay", "pings", "1", "--verbose", "--kind", "timer"]);
    assert!(lines(&kinds.out) < lines(&all.out) && lines(&kinds.out) > 20, "{}", kinds.out);
}

#[test]
fn a_redacted_bundle_holds_no_bytes_of_the_run_and_replays_the_same() {
    let scratch = Scratch::new("redacted");
    let (whole, redacted) = (bundle(&scratch), scratch.file("redacted.repro"));
    let ran = seedfast(&["replay", &whole, "--redact", &redacted]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let text = |path: &str| String::from_utf8(read(path)).expect("a bundle is text");
    assert!(
        text(&whole).contains("\nhead = ") && !text(&redacted).contains("\nhead = "),
        "{}",
        text(&redacted)
    );
    let plan = |path: &str| {
        text(path).split("[plan").nth(1).map(|plan| plan.split("# The events").next().map(str::to_owned))
    };
    assert_eq!(plan(&whole), plan(&redacted));
    let again = seedfast(&["replay", &redacted, "--check"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.out.contains("recorded the same trace and the same verdict"), "{}", again.out);
    let cut = seedfast(&["replay", &whole, "--until", "10ms", "--redact", &redacted]);
    assert_eq!(cut.code, 2, "{cut:?}");
}

#[test]
fn the_legend_stands_above_the_lines_and_lanes_are_named_as_in_them() {
    let verbose = |more: &[&str]| seedfast(&[&["replay", "pings", "1", "--verbose"], more].concat());
    let all = verbose(&[]);
    assert!(all.out.starts_with("     true time who /life what"), "{}", all.out);
    assert_eq!(verbose(&["--node", "n2"]).out, verbose(&["--node", "2"]).out);
    // The pause strikes n1, and there are no clients.
    let of_client = verbose(&["--node", "c0"]);
    assert_eq!(of_client.out.lines().filter(|line| line.contains("s n") || line.contains("s -")).count(), 0);
    let ran = verbose(&["--node", "x1"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("`x1` is no node and no client"), "{}", ran.err);
    // Columns: whatever the time, who stands in the same place.
    let begins = all.out.find("who").expect("in the legend");
    for line in all.out.lines().skip(2).take(50) {
        assert!(line.as_bytes()[begins - 1] == b' ' && b"nc-".contains(&line.as_bytes()[begins]), "{line}");
    }
}

#[test]
fn an_edited_bundle_is_run_as_it_is_now() {
    let scratch = Scratch::new("edited");
    let calm = edit(&bundle(&scratch), "flawed = 1", "flawed = 0");
    let ran = seedfast(&["replay", &calm]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("edited"), "{}", ran.err);
}

#[test]
fn an_edited_scenario_or_seed_is_a_run_of_what_the_bundle_says_now() {
    let scratch = Scratch::new("edited-head");
    let path = bundle(&scratch);
    for (from, to, code) in [
        ("\nseed = 3\n", "\nseed = 4\n", 1),
        ("scenario = \"broken\"", "scenario = \"pings\"", 0),
        ("scenario = \"broken\"", "scenario = \"at-the-end\"", 1),
    ] {
        let edited = edit(&path, from, to);
        for foreign in [edited.clone(), edit(&edited, "compiler = \"", "compiler = \"not ")] {
            let ran = seedfast(&["replay", &foreign]);
            assert_eq!(ran.code, code, "{to}: {ran:?}");
            assert!(ran.err.contains("the bundle was edited"), "{to}: {}", ran.err);
            assert!(!ran.out.contains("recorded another trace"), "{to}: {}", ran.out);
        }
    }
}

#[test]
fn a_cut_run_is_not_asked_for_its_last_judgement() {
    let scratch = Scratch::new("cut");
    let part = scratch.file("part");
    let ran = seedfast(&["replay", "at-the-end", "3", "--until", "10ms", "--trace", &part, "--verbose"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("stopped at 0.010s") && !ran.out.contains("F2"), "{}", ran.out);
    assert!(!read(&part).windows(2).any(|pair| pair == b"F2"), "nor does the trace say so");
    let whole = seedfast(&["replay", "at-the-end", "3"]);
    let ran = seedfast(&["replay", "at-the-end", "3", "--until", "1h"]);
    assert_eq!((ran.code, ran.out), (1, whole.out), "nothing was cut");
}

#[test]
fn a_panic_before_the_cut_is_the_same_verdict() {
    let whole = seedfast(&["replay", "panics", "3"]);
    let ran = seedfast(&["replay", "panics", "3", "--until", "150ms"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("the seventh ping is one too many"), "{}", ran.out);
    assert_eq!(ran.out, whole.out);
}

#[test]
fn faults_pass_the_filter_of_the_nodes_that_they_struck() {
    let of = |node: &str| {
        let ran = seedfast(&["replay", "pings", "1", "--verbose", "--node", node]);
        ["fault 0 ", "fault 0 ended"].map(|word| ran.out.lines().filter(|line| line.contains(word)).count())
    };
    let all = seedfast(&["replay", "pings", "1", "--verbose"]);
    assert!(all.out.contains("pause n1"), "{}", all.out);
    assert!(of("1")[0] > 0, "{}", all.out);
    assert_eq!(of("1"), ["fault 0 ", "fault 0 ended"].map(|word| all.out.matches(word).count()));
    assert_eq!(of("2"), [0, 0]);
    let scratch = Scratch::new("node-less");
    let calm = edit(&bundle(&scratch), "scenario = \"broken\"", "scenario = \"pings\"");
    let cut = edit(
        &calm,
        "kind = \"pause\", target = { node = 1 }, lasts = 20000000, sampled = false",
        "kind = \"partition\", groups = [[0], [1, 2]], lasts = 1000",
    );
    let ran = seedfast(&["replay", &cut, "--verbose", "--node", "2"]);
    assert!(ran.out.contains("partition [[0], [1, 2]]"), "{ran:?}");
}

#[test]
fn a_bundle_of_another_build_says_what_differs_and_is_no_mismatch() {
    let scratch = Scratch::new("another-build");
    let path = bundle(&scratch);
    let foreign =
        edit(&edit(&path, "compiler = \"", "compiler = \"not "), "trace_hash = \"", "trace_hash = \"f0");
    let ran = seedfast(&["replay", &foreign]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("another build") && ran.err.contains("compiler not rustc"), "{}", ran.err);
    assert!(ran.out.contains("this build repeats itself"), "{}", ran.out);
}

#[test]
fn the_first_event_that_differs_from_the_recorded_ones_is_named_with_both_sides() {
    let scratch = Scratch::new("recorded");
    let ran = seedfast(&["run", "another-build", "--seeds", "3..4", "--out", scratch.path()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let path = scratch.file("another-build-3.repro");
    let (before, after) = (scratch.file("before"), scratch.file("after"));
    assert_eq!(seedfast(&["replay", &path, "--check", "--trace", &before]).code, 1);
    fakes::BUILD.store(7, std::sync::atomic::Ordering::Relaxed);
    let foreign = edit(&path, "compiler = \"", "compiler = \"not ");
    let theirs = seedfast(&["replay", &foreign, "--trace", &after]);
    let checked = seedfast(&["replay", &foreign, "--check"]);
    let ours = seedfast(&["replay", &path]);
    let text = String::from_utf8(read(&foreign)).expect("a bundle is text");
    let cut = text.split("\n# The events of the run").next().expect("it has events");
    std::fs::write(&foreign, cut.replace("format = 2", "format = 1")).expect("there is room");
    let old = seedfast(&["replay", &foreign]);
    fakes::BUILD.store(0, std::sync::atomic::Ordering::Relaxed);

    let (before, after) = (read(before), read(after));
    let at = before.iter().zip(&after).position(|(a, b)| a != b).expect("they differ");
    let reader = seedfast_sim::trace::Reader::new(&before).expect("a trace");
    let number = reader.event_at(at as u64).expect("an event").index;
    for ran in [&theirs, &checked, &ours] {
        assert!(
            ran.out.contains(&format!("the first event that differs is number {number} ")),
            "{}",
            ran.out
        );
        assert!(ran.out.contains("    bundle  ") && ran.out.contains("    here    "), "{}", ran.out);
        assert!(
            ran.out.contains("8 bytes 0400000000000000") && ran.out.contains("8 bytes 0b00000000000000"),
            "{}",
            ran.out
        );
    }
    assert!(theirs.out.contains("this build repeats itself"), "{}", theirs.out);
    assert_eq!((theirs.code, checked.code, ours.code), (1, 3, 3));
    assert!(old.out.contains("cannot be named: the bundle keeps no events"), "{}", old.out);
    assert_eq!(old.code, 1, "{old:?}");
}

#[test]
fn the_same_build_with_another_trace_is_exit_3() {
    let scratch = Scratch::new("same-build");
    let changed = edit(&bundle(&scratch), "trace_hash = \"", "trace_hash = \"f0");
    let ran = seedfast(&["replay", &changed]);
    assert_eq!(ran.code, 3, "{ran:?}");
}

#[test]
fn a_turn_that_never_ends_does_not_hang_the_replay() {
    let ran = seedfast(&["replay", "loops", "3", "--watchdog", "300ms"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("STUCK  loops, seed 3"), "{}", ran.out);
}

#[test]
fn what_cannot_be_replayed_is_one_sentence_and_exit_2() {
    let scratch = Scratch::new("refused");
    let path = bundle(&scratch);
    let strange = edit(&path, "scenario = \"broken\"", "scenario = \"brokne\"");
    let html = scratch.file("page.html");
    std::fs::write(&html, "<html></html>").expect("there is room");
    let binary = scratch.file("binary");
    std::fs::write(&binary, [0xff, 0, 0xfe]).expect("there is room");
    let future = format!("{path}.future");
    std::fs::write(
        &future,
        String::from_utf8(read(&path)).expect("text").replace("format = 2", "format = 3"),
    )
    .expect("there is room");
    let senseless = format!("{path}.senseless");
    std::fs::write(
        &senseless,
        String::from_utf8(read(&path)).expect("text").replace("nodes = 3", "nodes = 99"),
    )
    .expect("there is room");
    let under_a_file = format!("{path}/trace");
    let cases: &[(&[&str], &str)] = &[
        (&["replay", "pings"], "which seed of `pings`?"),
        (&["replay", "nowhere.repro"], "there is no bundle nowhere.repro"),
        (&["replay", "pigns", "3"], "did you mean `pings`?"),
        (&["replay", "pings", "three"], "is no seed"),
        (&["replay", &strange], "did you mean `broken`?"),
        (&["replay", &html], "is no bundle"),
        (&["replay", &binary], "is not text"),
        (&["replay", &future], "format 3, this build reads formats 1 to 2"),
        (&["replay", &senseless], "plan cannot be run"),
        (&["replay", scratch.path()], "is a directory"),
        (&["replay", "pings", "1", "--trace", &under_a_file], "cannot write"),
        (&["replay", "pings", "1", "--until", "soon"], "is no length of time"),
        (&["replay", "refuses", "1"], "it refuses every plan"),
        (&["replay", "pings", "1", "--node", "2"], "--verbose"),
    ];
    for (arguments, expected) in cases {
        let ran = seedfast(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(expected), "{arguments:?}: {}", ran.err);
        assert!(ran.err.lines().filter(|line| !line.is_empty()).count() <= 6, "{}", ran.err);
    }
}
