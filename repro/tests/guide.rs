//! Guided campaigns: the same result for the same base and corpus, a corpus that is kept, bundles that replay.

mod fakes;

use fakes::{Scratch, read, seedfast_over};
use seedfast::cli;
use seedfast::text::Console;
use seedfast_scenarios::library::EVERYTHING;
use seedfast_scenarios::toy::{TOY, TOY_DOUBLE_VOTE};
use seedfast_sim::Scenario;
use serde_json::Value;
use std::path::Path;

const SCENARIOS: [&dyn Scenario; 3] = [&EVERYTHING, &TOY, &TOY_DOUBLE_VOTE];

fn seedfast(arguments: &[&str]) -> (u8, String) {
    let ran = seedfast_over(&SCENARIOS, arguments);
    assert_ne!(ran.code, 2, "{}", ran.err);
    (ran.code, ran.out)
}

/// A guided campaign's object, without what the clock and the number of workers say.
fn guided(arguments: &[&str]) -> (u8, Value) {
    let (code, text) = seedfast(&[&["run", "--guide", "--json", "--no-shrink"], arguments].concat());
    let mut object: Value = serde_json::from_str(&text).expect("it prints JSON");
    for clock in ["wall_seconds", "seeds_per_second", "jobs", "scenarios"] {
        object.as_object_mut().expect("an object").remove(clock);
    }
    (code, object)
}

#[test]
fn the_result_does_not_depend_on_the_number_of_workers() {
    let scratch = Scratch::new("guided-jobs");
    let run = |jobs: &str| {
        let flags = ["toy", "toy-double-vote", "--seeds", "0..400", "--keep-going", "--jobs", jobs];
        guided(&[&flags[..], &["--out", scratch.path()]].concat())
    };
    let (code, one) = run("1");
    assert_eq!(code, 1);
    assert_eq!((code, one.clone()), run("3"));
    assert!(one["guided"]["mutants"].as_u64() > Some(100), "{}", one["guided"]);
}

#[test]
fn every_bundle_replays_as_it_was_seen() {
    let scratch = Scratch::new("guided-bundles");
    // From a seed on behind which the first batch, which is blind, holds.
    let (code, found) =
        guided(&["toy-double-vote", "--seeds", "40..4000", "--keep-going", "--out", scratch.path()]);
    assert_eq!((code, &found["rerun_mismatches"]), (1, &Value::from(0)));
    let failed = found["failed"].as_array().expect("a list");
    assert!(!failed.is_empty());
    for one in failed {
        let bundle = one["bundle"].as_str().expect("it was written");
        let (code, text) = seedfast(&["replay", bundle]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(one["invariant"].as_str().expect("it is named")), "{text}");
        assert!(text.contains(one["trace_hash"].as_str().expect("it is known")), "{text}");
    }
}

#[test]
fn whoever_is_told_of_a_find_is_told_of_its_bundle() {
    let scratch = Scratch::new("guided-told");
    let file = scratch.file("junit.xml");
    let flags =
        ["--seeds", "40..1000", "--keep-going", "--annotate", "--junit", &file, "--out", scratch.path()];
    let (code, found) = guided(&[&["toy-double-vote"], &flags[..]].concat());
    assert_eq!(code, 1);
    let (_, shown) = seedfast(&[&["run", "toy-double-vote", "--guide", "--no-shrink"], &flags[..]].concat());
    let notes: String = shown.lines().filter(|line| line.starts_with("::error ")).collect();
    let junit = String::from_utf8(read(&file)).expect("it is text");
    assert!(
        shown.contains("the same broke in bundle") && !shown.contains("the same broke in seed"),
        "{shown}"
    );
    for told in [&shown, &notes, &junit, &found.to_string()] {
        assert!(told.contains("-guided-") && !told.contains("replay toy-double-vote"), "{told}");
    }
    for signature in found["signatures"].as_array().expect("a list") {
        let soonest = &signature["soonest"];
        let bundle = soonest["bundle"].as_str().expect("it was written");
        assert!(soonest["replay"].as_str().is_some_and(|line| line.ends_with(bundle)), "{soonest}");
        let (code, text) = seedfast(&["replay", bundle]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(soonest["trace_hash"].as_str().expect("it is known")), "{text}");
    }
}

#[test]
fn a_corpus_is_kept_and_the_next_campaign_begins_with_it() {
    let (scratch, other) = (Scratch::new("guided-corpus"), Scratch::new("guided-corpus-copy"));
    let run = |seeds: &str, corpus: &Scratch| {
        guided(&["everything", "--seeds", seeds, "--rerun", "0", "--corpus", corpus.path()])
    };
    let (code, first) = run("0..64", &scratch);
    assert_eq!((code, &first["guided"]["kept"]), (0, &Value::from(0)));
    let kept = scratch.names();
    assert_eq!(Some(kept.len() as u64), first["guided"]["corpus"].as_u64());
    assert!(kept.iter().all(|name| name.starts_with("everything-") && name.ends_with(".repro")), "{kept:?}");
    for name in kept {
        std::fs::copy(scratch.file(&name), other.file(&name)).expect("a copy");
    }
    let (code, second) = run("1000..1064", &scratch);
    assert_eq!(code, 0);
    assert!(second["guided"]["kept"].as_u64() > Some(10), "{}", second["guided"]);
    assert_eq!(second, run("1000..1064", &other).1, "the same corpus, the same base");
}

/// What a campaign keeps, without the time that it took and where its corpus is.
fn kept(directory: &str) -> Value {
    let text = read(format!("{directory}/campaign.json"));
    let mut kept: Value = serde_json::from_slice(&text).expect("it is JSON");
    for (object, name) in [("", "wall_nanos"), ("/guided", "corpus")] {
        kept.pointer_mut(object).and_then(Value::as_object_mut).expect("an object").remove(name);
    }
    for pointer in ["/guided/learned", "/guided/left"] {
        let text = kept.pointer(pointer).expect("it is kept").to_string();
        // Their files are where the corpus is, too.
        let places: Vec<&str> = text.split('"').filter(|word| !word.ends_with(".repro")).collect();
        *kept.pointer_mut(pointer).expect("it is kept") = places.concat().into();
    }
    kept
}

#[test]
fn a_guided_campaign_goes_on_where_it_was() {
    let scratch = Scratch::new("guided-resume");
    // An earlier campaign left a corpus; the campaign that is interrupted has not run all of it.
    let corpus = Scratch::new("guided-resume-corpus");
    let (code, _) = guided(&["everything", "--seeds", "900..964", "--rerun", "0", "--corpus", corpus.path()]);
    assert_eq!(code, 0);
    let copy = |name: &str| {
        let to = scratch.file(name);
        std::fs::create_dir_all(&to).expect("there is room");
        for entry in std::fs::read_dir(corpus.path()).expect("it exists").flatten() {
            std::fs::copy(entry.path(), format!("{to}/{}", entry.file_name().to_string_lossy()))
                .expect("there is room");
        }
        to
    };
    let (whole, pieces) = (scratch.file("whole"), scratch.file("pieces"));
    let (of_whole, of_pieces) = (copy("corpus-whole"), copy("corpus-pieces"));
    let run = |seeds: &str, out: &str, corpus: &str| {
        let (code, mut found) =
            guided(&["everything", "--seeds", seeds, "--out", out, "--resume", "--corpus", corpus]);
        found.as_object_mut().expect("an object").remove("build");
        (code, found)
    };
    let expected = run("0..128", &whole, &of_whole);
    run("0..64", &pieces, &of_pieces);
    let file = format!("{pieces}/campaign.json");
    let mut interrupted: Value = serde_json::from_slice(&read(&file)).expect("it is JSON");
    assert!(
        !interrupted["guided"]["left"][0].as_array().expect("a list").is_empty(),
        "nothing is left to run"
    );
    (interrupted["end"], interrupted["is_complete"]) = (128.into(), false.into());
    std::fs::write(&file, interrupted.to_string()).expect("there is room");
    assert_eq!(run("0..128", &pieces, &of_pieces), expected);
    assert_eq!(kept(&pieces), kept(&whole));

    for (flags, why) in [
        (&["--guide"][..], "--corpus "),
        (&[], "--guide yes there, no here"),
        (&["--guide", "--corpus", &of_whole], "corpus-pieces there, "),
    ] {
        let all = ["run", "everything", "--seeds", "0..128", "--resume", "--out", &pieces];
        let ran = seedfast_over(&SCENARIOS, &[&all[..], flags].concat());
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains("holds another campaign") && ran.err.contains(why), "{}", ran.err);
    }
}

#[test]
fn a_corpus_that_cannot_be_kept_does_not_cost_the_findings() {
    let (scratch, full) = (Scratch::new("guided-room"), Scratch::new("guided-full"));
    let run = |corpus: &Scratch| {
        let flags = ["--seeds", "40..400", "--keep-going", "--rerun", "0", "--no-shrink", "--json"];
        let out = scratch.file("out");
        let rest = ["--out", &out, "--corpus", corpus.path()];
        seedfast_over(&SCENARIOS, &[&["run", "toy-double-vote", "--guide"], &flags[..], &rest].concat())
    };
    let whole = Scratch::new("guided-whole");
    assert_eq!(run(&whole).code, 1);
    let names = whole.names();
    // What one of the files would be written to before it gets its name is a directory.
    let blocked = format!(".{}.{}.tmp", names[names.len() / 2], std::process::id());
    std::fs::create_dir(full.file(&blocked)).expect("there is room");
    let ran = run(&full);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("error: cannot write") && ran.err.contains("guided-full"), "{}", ran.err);
    assert!(full.names().len() < names.len(), "nothing is written behind it");
    let found = |text: &str| -> Value { serde_json::from_str(text).expect("it prints JSON") };
    let (found, expected) = (found(&ran.out), found(&run(&Scratch::new("guided-whole-again")).out));
    for part in ["seeds", "failures", "trace_hash_sum", "guided", "failed"] {
        assert_eq!(found[part], expected[part], "{part}");
    }
    assert!(found["failures"].as_u64() > Some(0));
}

#[test]
fn a_file_of_the_corpus_that_leads_nowhere_new_goes() {
    let scratch = Scratch::new("guided-bounded");
    let run = |seeds: &str| {
        let (code, found) = guided(&["toy", "--seeds", seeds, "--rerun", "0", "--corpus", scratch.path()]);
        assert_eq!(code, 0);
        found["guided"]["corpus"].as_u64().expect("a number") as usize
    };
    let first = run("0..200");
    assert_eq!(scratch.names().len(), first);
    // The seeds of the first campaign again: some of its schedules are drawn before they are read.
    for seeds in ["1000..1400", "0..400", "2000..2400"] {
        let corpus = run(seeds);
        assert_eq!(scratch.names().len(), corpus, "after {seeds}");
    }
    // What somebody else put there stays.
    let mine = scratch.file("zz-mine.repro");
    std::fs::copy(scratch.file(&scratch.names()[0]), &mine).expect("there is room");
    let corpus = run("3000..3400");
    assert_eq!(scratch.names().len(), corpus + 1);
    assert!(Path::new(&mine).exists());
}

#[test]
fn probes_that_no_run_reached_are_named() {
    let flags = ["run", "pings", "--guide", "--seeds", "0..40", "--json", "--no-shrink"];
    let ran = seedfast_over(&fakes::all(), &flags);
    let found: Value = serde_json::from_str(&ran.out).expect("it prints JSON");
    assert_eq!(found["probes_not_reached"], serde_json::json!(["a ping fell from the sky"]));
}

#[test]
fn a_schedule_that_does_not_end_is_kept() {
    let scratch = Scratch::new("guided-stuck");
    let flags = ["run", "loops", "--guide", "--seeds", "0..40", "--watchdog", "300ms", "--jobs", "1"];
    for more in [&[][..], &["--json"]] {
        let ran = seedfast_over(&fakes::all(), &[&flags[..], &["--out", scratch.path()], more].concat());
        assert_eq!(ran.code, 1, "{ran:?}");
        let names = scratch.names();
        let bundle = names.iter().find(|name| name.starts_with("loops-guided-")).expect("it was written");
        let path = scratch.file(bundle);
        for told in if more.is_empty() { vec![&ran.out] } else { vec![&ran.out, &ran.err] } {
            assert!(told.contains(&format!("replay {path}")), "{told}");
        }
        let ran = seedfast_over(&fakes::all(), &["replay", &path, "--watchdog", "300ms"]);
        assert!(ran.code == 1 && ran.out.contains("STUCK  loops, seed 3"), "{ran:?}");
    }
}

#[test]
fn a_schedule_over_which_the_harness_panics_is_kept() {
    let scratch = Scratch::new("guided-panicked");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut console = Console { out: &mut out, err: &mut err, colour: false, live: false };
        let flags =
            ["seedfast", "run", "judge-panics", "--guide", "--seeds", "0..40", "--out", scratch.path()];
        cli::run_with(&fakes::all(), flags, &mut console)
    }));
    assert!(ended.is_err(), "it leaves as the panic that it is");
    let told = String::from_utf8(err).expect("output is text");
    let names = scratch.names();
    let bundle = names.iter().find(|name| name.starts_with("judge-panics-guided-")).expect("it was written");
    assert!(told.contains("the harness panicked (this judge has no words)"), "{told}");
    assert!(told.contains(&format!("replay {}", scratch.file(bundle))), "{told}");
}

#[test]
fn small_bundles_of_one_seed_do_not_take_each_others_place() {
    let scratch = Scratch::new("guided-small");
    let flags =
        ["run", "toy-double-vote", "--guide", "--seeds", "40..1000", "--json", "--out", scratch.path()];
    let (code, text) = seedfast(&flags);
    assert_eq!(code, 1);
    let found: Value = serde_json::from_str(&text).expect("it prints JSON");
    let small = found["shrunk"].as_array().expect("a list");
    assert!(!small.is_empty(), "{found}");
    for small in small {
        let path = small["bundle"].as_str().expect("it was written");
        let whole = path.strip_suffix("-shrunk.repro").expect("it is named after the whole one");
        assert!(whole.contains("-guided-") && Path::new(&format!("{whole}.repro")).exists(), "{path}");
    }
}

#[test]
fn a_corpus_without_guidance_is_refused() {
    let ran = seedfast_over(&SCENARIOS, &["run", "toy", "--corpus", "somewhere"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--guide"), "{}", ran.err);
}
