//! What a campaign found, as CI systems read it: JUnit XML.
//!
//! One suite for each scenario with the same two cases every time, so that a system which follows a case from build to
//! build can: `holds` (no invariant broke) and `repeats` (two runs of one seed gave the same bytes). A failed `holds`
//! carries the screens of all its signatures; readers keep one failure of a case only. Parts that are missing from a
//! merge are a failed case of a suite of their own.

use crate::campaign::Findings;
use crate::markup::{attribute, content};
use crate::report::{self, Again, Saved};
use crate::tally::Tally;
use crate::text::{Paint, count};
use std::fmt::Write as _;

/// The suite of what concerns no scenario.
const CAMPAIGN: &str = "campaign";

/// What became of a case.
enum Outcome {
    Passed,
    Skipped(String),
    /// In one line, what kind, and everything.
    Failed(String, String, String),
    /// The same where it is no verdict on what was tested.
    Erred(String, String, String),
}

struct Case {
    name: &'static str,
    outcome: Outcome,
}

struct Suite {
    name: String,
    properties: Vec<(&'static str, String)>,
    cases: Vec<Case>,
}

/// The file of a campaign that ended, or of merged parts; `missing` is what these lack, in words.
pub(crate) fn file(findings: &Findings, saved: &Saved, missing: &[String], again: Again<'_>) -> String {
    let mut suites: Vec<Suite> =
        findings.scenarios.iter().map(|(name, tally)| suite(findings, saved, name, tally, again)).collect();
    if !missing.is_empty() {
        let outcome = Outcome::Erred(
            format!("missing: {}", missing.join("; ")),
            "missing".to_owned(),
            missing.join("\n"),
        );
        let cases = vec![Case { name: "complete", outcome }];
        suites.push(Suite { name: CAMPAIGN.to_owned(), properties: Vec::new(), cases });
    }
    xml(&suites, Some(findings.wall.as_secs_f64()))
}

/// The file of a campaign that is running: what is left of one that was killed must not look like a success.
pub(crate) fn unfinished() -> String {
    let text = "the campaign did not come to its end: it was killed, or could not go on; its log says more";
    let outcome = Outcome::Erred(text.to_owned(), "unfinished".to_owned(), String::new());
    let cases = vec![Case { name: "complete", outcome }];
    xml(&[Suite { name: CAMPAIGN.to_owned(), properties: Vec::new(), cases }], None)
}

fn suite(findings: &Findings, saved: &Saved, name: &str, tally: &Tally, again: Again<'_>) -> Suite {
    let properties = vec![
        ("seeds", tally.seeds.to_string()),
        ("failures", tally.failures.to_string()),
        ("events", tally.events.to_string()),
        ("rerun_checked", tally.rerun_checked.to_string()),
        ("trace_hash_sum", format!("{:032x}", tally.trace_hash)),
    ];
    let cases = vec![
        Case { name: "holds", outcome: holds(findings, saved, name, tally, again) },
        Case { name: "repeats", outcome: repeats(findings, name, tally, again) },
    ];
    Suite { name: name.to_owned(), properties, cases }
}

fn holds(findings: &Findings, saved: &Saved, name: &str, tally: &Tally, again: Again<'_>) -> Outcome {
    let (mut short, mut kinds, mut screens) = (Vec::new(), Vec::new(), String::new());
    for ((scenario, invariant), signature) in &findings.signatures {
        if scenario != &name {
            continue;
        }
        let first = &signature.examples[0];
        short.push(format!(
            "{invariant} in {}, first in seed {}: {}",
            count(signature.seeds, "seed"),
            first.seed,
            first.what
        ));
        kinds.push(invariant.as_str());
        screens.push_str(&report::failure(signature, saved, Paint(false), again));
    }
    let stuck = findings.stuck.as_ref().filter(|stuck| stuck.scenario.name() == name);
    if let Some(stuck) = stuck {
        short.push(format!("seed {} does not end", stuck.seed));
        kinds.push("stuck");
        screens.push_str(&report::stuck(stuck, saved, Paint(false), again));
    }
    match short.is_empty() {
        true if tally.seeds == 0 => Outcome::Skipped("no seed of it was run".to_owned()),
        true => Outcome::Passed,
        false => Outcome::Failed(short.join("; "), kinds.join(" "), screens),
    }
}

fn repeats(findings: &Findings, name: &str, tally: &Tally, again: Again<'_>) -> Outcome {
    if tally.rerun_mismatches == 0 {
        return match tally.rerun_checked {
            0 => Outcome::Skipped("no seed of it was run twice".to_owned()),
            _ => Outcome::Passed,
        };
    }
    let screens: String = findings
        .mismatches
        .iter()
        .filter(|mismatch| mismatch.scenario == name)
        .take(1)
        .map(|mismatch| report::mismatch(mismatch, Paint(false), again))
        .collect();
    let short = format!("two runs of {} differed", count(tally.rerun_mismatches, "seed"));
    Outcome::Failed(short, "mismatch".to_owned(), screens)
}

fn xml(suites: &[Suite], seconds: Option<f64>) -> String {
    let all = |of: fn(&Outcome) -> bool| -> usize { suites.iter().map(|suite| number(suite, of)).sum() };
    let time = seconds.map_or_else(String::new, |seconds| format!(" time=\"{seconds:.3}\""));
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        text,
        "<testsuites name=\"seedfast\" tests=\"{}\" failures=\"{}\" errors=\"{}\"{time}>",
        all(|_| true),
        all(is_failed),
        all(is_erred)
    );
    for suite in suites {
        let name = attribute(&suite.name);
        let _ = writeln!(
            text,
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">",
            suite.cases.len(),
            number(suite, is_failed),
            number(suite, is_erred),
            number(suite, |outcome| matches!(outcome, Outcome::Skipped(_)))
        );
        if !suite.properties.is_empty() {
            text.push_str("    <properties>\n");
            for (name, value) in &suite.properties {
                let _ = writeln!(text, "      <property name=\"{name}\" value=\"{}\"/>", attribute(value));
            }
            text.push_str("    </properties>\n");
        }
        for Case { name: case, outcome } in &suite.cases {
            let _ = write!(text, "    <testcase classname=\"seedfast.{name}\" name=\"{case}\"");
            match outcome {
                Outcome::Passed => text.push_str("/>\n"),
                Outcome::Skipped(why) => {
                    let _ =
                        writeln!(text, ">\n      <skipped message=\"{}\"/>\n    </testcase>", attribute(why));
                }
                Outcome::Failed(short, kind, all) => body(&mut text, "failure", short, kind, all),
                Outcome::Erred(short, kind, all) => body(&mut text, "error", short, kind, all),
            }
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn body(text: &mut String, element: &str, short: &str, kind: &str, all: &str) {
    let (short, kind, all) = (attribute(short), attribute(kind), content(all));
    let _ = writeln!(
        text,
        ">\n      <{element} message=\"{short}\" type=\"{kind}\">{all}</{element}>\n    </testcase>"
    );
}

fn number(suite: &Suite, of: fn(&Outcome) -> bool) -> usize {
    suite.cases.iter().filter(|case| of(&case.outcome)).count()
}

fn is_failed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(..))
}

fn is_erred(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Erred(..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use roxmltree::Document;

    fn failed(text: &str) -> Vec<Suite> {
        let outcome = Outcome::Failed(text.to_owned(), text.to_owned(), text.to_owned());
        vec![Suite {
            name: text.to_owned(),
            properties: vec![("seeds", text.to_owned())],
            cases: vec![
                Case { name: "holds", outcome },
                Case { name: "repeats", outcome: Outcome::Skipped(text.to_owned()) },
            ],
        }]
    }

    #[test]
    fn hostile_text_comes_out_of_a_parser_as_it_went_in() {
        for hostile in [
            "]]></failure><failure message=\"",
            "<!--<![CDATA[ &amp; &#0; ' \" >",
            "two\nlines\tand\r\na tab",
            "ünïcödé \u{1f41e} \u{202e}",
            "",
        ] {
            let text = xml(&failed(hostile), Some(1.5));
            let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let failures: Vec<_> =
                document.descendants().filter(|node| node.has_tag_name("failure")).collect();
            assert_eq!(failures.len(), 1, "{text}");
            for attribute in ["message", "type"] {
                assert_eq!(failures[0].attribute(attribute), Some(hostile), "{text}");
            }
            assert_eq!(failures[0].text().unwrap_or(""), hostile, "{text}");
            let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).expect("one");
            assert_eq!(suite.attribute("name"), Some(hostile));
        }
        // What no XML 1.0 can hold.
        for (hostile, expected) in
            [("a\0b\x1b[31mc\x7f", "a\u{fffd}b\u{fffd}[31mc\u{fffd}"), ("\u{ffff}", "\u{fffd}")]
        {
            let text = xml(&failed(hostile), None);
            let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let failure = document.descendants().find(|node| node.has_tag_name("failure")).expect("one");
            assert_eq!(failure.attribute("message"), Some(expected));
        }
    }

    #[test]
    fn what_is_left_of_a_killed_campaign_is_an_error() {
        let text = unfinished();
        let document = Document::parse(&text).expect("it is XML");
        let root = document.root_element();
        assert_eq!((root.attribute("tests"), root.attribute("errors")), (Some("1"), Some("1")));
    }
}
