//! What CI systems are told: JUnit files and annotations.

mod fakes;

use fakes::{Scratch, read, seedfast};
use roxmltree::{Document, Node};

/// The cases of a file: the suite, the name, and what became of it.
fn cases(text: &str) -> Vec<(String, String, &'static str)> {
    let document = Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    let mut cases = Vec::new();
    for suite in root.children().filter(Node::is_element) {
        assert_eq!(suite.tag_name().name(), "testsuite");
        let of_suite: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
        let count = |tag: &str| {
            let with = of_suite.iter().filter(|case| case.children().any(|child| child.has_tag_name(tag)));
            with.count().to_string()
        };
        assert_eq!(suite.attribute("tests"), Some(of_suite.len().to_string().as_str()));
        for (attribute, tag) in [("failures", "failure"), ("errors", "error"), ("skipped", "skipped")] {
            assert_eq!(suite.attribute(attribute), Some(count(tag).as_str()), "{attribute}");
        }
        for case in of_suite {
            let outcomes: Vec<_> = case.children().filter(Node::is_element).collect();
            assert!(outcomes.len() <= 1, "readers keep one");
            let outcome = match outcomes.first().map(|node| node.tag_name().name()) {
                None => "passed",
                Some("failure") => "failure",
                Some("error") => "error",
                Some("skipped") => "skipped",
                Some(other) => panic!("{other}"),
            };
            let name = suite.attribute("name").expect("a name");
            assert_eq!(case.attribute("classname"), Some(format!("seedfast.{name}").as_str()));
            cases.push((name.to_owned(), case.attribute("name").expect("a name").to_owned(), outcome));
        }
    }
    for (attribute, outcome) in [("failures", "failure"), ("errors", "error")] {
        let count = cases.iter().filter(|case| case.2 == outcome).count().to_string();
        assert_eq!(root.attribute(attribute), Some(count.as_str()));
    }
    cases
}

fn expected(cases: &[(&str, &str, &'static str)]) -> Vec<(String, String, &'static str)> {
    cases.iter().map(|(suite, case, outcome)| ((*suite).to_owned(), (*case).to_owned(), *outcome)).collect()
}

#[test]
fn a_campaign_is_one_suite_for_each_scenario() {
    let scratch = Scratch::new("junit");
    let file = scratch.file("junit.xml");
    let run = |arguments: &[&str]| {
        let flags = ["--junit", &file, "--out", scratch.path(), "--jobs", "2"];
        let code = seedfast(&[&["run"], arguments, &flags].concat()).code;
        (code, String::from_utf8(read(&file)).expect("it is text"))
    };
    let (code, text) = run(&["pings", "broken", "panics", "--seeds", "0..60", "--keep-going"]);
    assert_eq!(code, 1);
    let broken = [
        ("pings", "holds", "passed"),
        ("pings", "repeats", "passed"),
        ("broken", "holds", "failure"),
        ("broken", "repeats", "passed"),
        ("panics", "holds", "failure"),
        ("panics", "repeats", "passed"),
    ];
    assert_eq!(cases(&text), expected(&broken));
    let document = Document::parse(&text).expect("it is XML");
    let failure = document.descendants().find(|node| node.has_tag_name("failure")).expect("one");
    assert!(failure.attribute("message").is_some_and(|text| text.starts_with("F1 in ")), "{text}");
    assert_eq!(failure.attribute("type"), Some("F1"));
    let screen = failure.text().expect("a screen");
    assert!(
        screen.contains("replay it    ") && screen.contains("the last events before it broke:"),
        "{screen}"
    );

    let (code, text) = run(&["pings", "broken", "--seeds", "0..1", "--rerun", "0"]);
    assert_eq!(code, 0);
    let skipped = [
        ("pings", "holds", "passed"),
        ("pings", "repeats", "skipped"),
        ("broken", "holds", "skipped"),
        ("broken", "repeats", "skipped"),
    ];
    let mut found = cases(&text);
    found.sort_by_key(|case| case.0 == "broken");
    assert_eq!(found.iter().filter(|case| case.2 == "passed").count(), 1, "{found:?}");
    assert_eq!(found.len(), skipped.len());

    let (code, text) = run(&["own-randomness", "--seeds", "0..40", "--rerun", "100"]);
    assert_eq!(code, 3);
    assert_eq!(cases(&text)[1].2, "failure");
    assert!(text.contains("two runs of 1 seed differed"), "{text}");

    let (code, text) = run(&["loops", "--seeds", "0..10", "--watchdog", "300ms"]);
    assert_eq!(code, 1);
    assert_eq!(cases(&text)[0].2, "failure");

    let (code, text) = run(&["scene-panics", "--seeds", "0..10"]);
    assert_eq!(code, 2);
    assert_eq!(
        cases(&text),
        expected(&[("campaign", "complete", "error")]),
        "what it could not judge did not pass"
    );
    assert_eq!(seedfast(&["run", "pings", "--seeds", "1", "--junit", &scratch.file("no/such/file")]).code, 2);
}

#[test]
fn a_merge_that_lacks_a_part_is_an_error_of_its_own() {
    let scratch = Scratch::new("junit-merge");
    let (part, file) = (scratch.file("1"), scratch.file("junit.xml"));
    let flags = ["run", "pings", "--seeds", "0..40", "--shard", "1/2", "--out", &part];
    assert_eq!(seedfast(&flags).code, 0);
    let merge = |more: &[&str]| {
        let ran = seedfast(&[&["merge", &part, "--junit", &file, "--annotate"], more].concat());
        (ran, cases(&String::from_utf8(read(&file)).expect("it is text")))
    };
    let holds = [("pings", "holds", "passed"), ("pings", "repeats", "passed")];
    let (ran, found) = merge(&[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.out.ends_with("\n::error title=a part of the campaign is missing::shard 2/2\n"),
        "{}",
        ran.out
    );
    assert_eq!(found, expected(&[&holds[..], &[("campaign", "complete", "error")]].concat()));
    let (ran, found) = merge(&["--partial"]);
    assert_eq!((ran.code, found), (0, expected(&holds)));
    assert!(!ran.out.contains("::error"), "{}", ran.out);
}

#[test]
fn annotations_are_one_line_for_each_kind_of_failure() {
    let scratch = Scratch::new("annotations");
    let run = |more: &[&str]| {
        let flags = ["run", "broken", "panics", "--seeds", "0..60", "--keep-going", "--out", scratch.path()];
        seedfast(&[&flags[..], more].concat())
    };
    let lines = |text: &str| {
        text.lines().filter(|line| line.starts_with("::")).map(str::to_owned).collect::<Vec<_>>()
    };
    let ran = run(&["--annotate"]);
    let found = lines(&ran.out);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("::error title=broken%3A F1 broke in "), "{found:?}");
    assert!(
        found[0].contains("::the tenth ping arrived, which must never happen%0Areplay it: "),
        "{found:?}"
    );
    let ran = run(&["--annotate", "--json"]);
    assert_eq!(lines(&ran.err), found, "the object is alone on its stream");
    assert!(serde_json::from_str::<serde_json::Value>(&ran.out).is_ok());
    let ran = seedfast(&["run", "own-randomness", "--seeds", "3..4", "--annotate"]);
    assert_eq!(lines(&ran.out).len(), 1, "{}", ran.out);
    let ran = seedfast(&["run", "pings", "--seeds", "3..4", "--annotate"]);
    assert_eq!((ran.code, lines(&ran.out)), (0, Vec::new()));
}
