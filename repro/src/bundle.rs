//! The bundle of a failing seed: one text file that replays without the sampler, on another machine, years later.
//!
//! A header (format, scenario, seed, what broke, the trace's hash, which build saw it), then the explicit plan. It
//! may be edited by hand: a hash of what is run stands in the header, so that a replay knows that the recorded verdict
//! no longer applies.

use crate::files;
use crate::identity::Identity;
use crate::layout;
use crate::recorded::Recorded;
use crate::trouble::Trouble;
use seedfast_sim::{Outcome, Plan};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The format that this build writes. It reads those of all earlier builds too: format 1 knew no `events`.
pub const FORMAT: i64 = 2;

/// What is written about a failing seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// [`FORMAT`].
    pub format: i64,
    /// The scenario's name.
    pub scenario: String,
    /// The seed: of the draws below the plan.
    pub seed: u64,
    /// What the run showed; absent in a bundle that was written without running it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// A hash of `scenario`, `seed` and `plan` as they were written.
    pub plan_hash: String,
    /// Which build saw it.
    pub build: Identity,
    /// What is run.
    pub plan: Plan,
    /// What is kept of its events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Recorded>,
}

/// What a run showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The invariant that broke; absent if all held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invariant: Option<String>,
    /// What was seen, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// True time in nanoseconds when it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// XXH3-128 of the canonical trace, in hexadecimal: what `xxh128sum` prints for the file of `--trace`.
    pub trace_hash: String,
    /// How many events the trace holds.
    pub events: u64,
}

impl Verdict {
    /// What `outcome` showed.
    pub fn of(outcome: &Outcome) -> Self {
        let broken = outcome.broken.as_ref();
        Verdict {
            invariant: broken.map(|broken| broken.violation.invariant.clone()),
            what: broken.map(|broken| broken.violation.what.clone()),
            at: broken.map(|broken| broken.at),
            trace_hash: hash(outcome.trace_hash),
            events: outcome.events,
        }
    }
}

/// Everything but the plan, in the order in which people want to read it.
#[derive(Serialize)]
struct HeadText<'a> {
    format: i64,
    scenario: &'a str,
    seed: u64,
    plan_hash: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a Verdict>,
    build: &'a Identity,
}

/// What stands below the plan.
#[derive(Serialize)]
struct TailText<'a> {
    events: &'a Recorded,
}

/// What a bundle of any format is expected to say.
#[derive(Deserialize)]
struct Head {
    format: Option<i64>,
    build: Option<HeadBuild>,
}

#[derive(Deserialize)]
struct HeadBuild {
    commit: Option<String>,
}

/// A trace's hash as it is printed everywhere.
pub fn hash(trace_hash: u128) -> String {
    format!("{trace_hash:032x}")
}

impl Bundle {
    /// The bundle of a seed and, if it was run, of what that showed.
    ///
    /// # Errors
    /// If the plan holds something that the format cannot express.
    pub fn new(scenario: &str, seed: u64, plan: Plan, outcome: Option<&Outcome>) -> Result<Self, Trouble> {
        Ok(Bundle {
            format: FORMAT,
            scenario: scenario.to_owned(),
            seed,
            verdict: outcome.map(Verdict::of),
            plan_hash: plan_hash(scenario, seed, &plan)?,
            build: Identity::current().clone(),
            plan,
            events: None,
        })
    }

    /// The same with the events of a trace of its run, so that a later build can name the first one that is not the
    /// same.
    pub fn with_events(self, trace: &[u8]) -> Self {
        Bundle { events: Recorded::of(trace), ..self }
    }

    /// The file's name: the scenario and the seed.
    pub fn file_name(&self) -> String {
        format!("{}-{}.repro", self.scenario_in_names(), self.seed)
    }

    /// What the file of a schedule that was bred is called, without `.repro`: it is not the one that its seed draws, and
    /// must not be taken for it, nor for another one that was bred under the same seed.
    pub(crate) fn bred_stem(&self) -> String {
        format!("{}-guided-{}", self.scenario_in_names(), self.plan_hash)
    }

    fn scenario_in_names(&self) -> String {
        self.scenario.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect()
    }

    /// The file's text.
    ///
    /// # Errors
    /// If the plan holds something that the format cannot express.
    pub fn to_text(&self) -> Result<String, Trouble> {
        let head = HeadText {
            format: self.format,
            scenario: &self.scenario,
            seed: self.seed,
            plan_hash: &self.plan_hash,
            verdict: self.verdict.as_ref(),
            build: &self.build,
        };
        let mut body = toml::to_string(&head).map_err(|error| unwritable(&error))?;
        body.push('\n');
        body.push_str(&layout::table("plan", &self.plan).map_err(|error| unwritable(&error))?);
        if let Some(events) = &self.events {
            body.push_str("\n# The events of the run, for `replay --check`; they may be cut off.\n");
            body.push_str(&toml::to_string(&TailText { events }).map_err(|error| unwritable(&error))?);
        }
        let name = self.file_name();
        Ok(format!(
            "# A failing seed of {program}. This replays it:\n\
             #     {command} replay {name}\n\
             # [plan] may be edited: times are nanoseconds, probabilities parts per million, clock rates parts per\n\
             # billion. Without a fault it replays the same run without that fault.\n\n{body}",
            program = self.build.program,
            command = self.build.command(),
        ))
    }

    /// Reads a bundle's text; `name` is what the user calls it.
    ///
    /// # Errors
    /// If it is no bundle of this format.
    pub fn from_text(text: &str, name: &str) -> Result<Self, Trouble> {
        let head: Head = toml::from_str(text).map_err(|error| {
            Trouble::new(format!("{name} is no bundle that can be read: {}", located(&error, text)))
        })?;
        match head.format {
            Some(1..=FORMAT) => {}
            Some(other) => {
                let commit = head.build.and_then(|build| build.commit);
                let commit = commit.map_or_else(String::new, |commit| format!(" (commit {commit})"));
                return Err(Trouble::new(format!(
                    "{name} is a bundle of format {other}, this build reads formats 1 to {FORMAT}; replay it with the \
                     build that wrote it{commit}"
                )));
            }
            None => {
                return Err(Trouble::new(format!(
                    "{name} is no bundle: it does not begin with a line such as `format = {FORMAT}`"
                )));
            }
        }
        toml::from_str(text)
            .map_err(|error| Trouble::new(format!("{name} cannot be replayed: {}", located(&error, text))))
    }

    /// Reads a bundle's file.
    ///
    /// # Errors
    /// If it cannot be read or is no bundle of this format.
    pub fn read(path: &Path) -> Result<Self, Trouble> {
        Bundle::from_text(&files::read_text(path)?, &path.display().to_string())
    }

    /// Whether somebody changed the scenario, the seed or the plan after they were written.
    pub fn is_edited(&self) -> bool {
        plan_hash(&self.scenario, self.seed, &self.plan).map_or(true, |hash| hash != self.plan_hash)
    }
}

/// A hash of everything that decides what a replay runs.
fn plan_hash(scenario: &str, seed: u64, plan: &Plan) -> Result<String, Trouble> {
    let plan = toml::to_string(plan).map_err(|error| unwritable(&error))?;
    let text = format!("{scenario}\n{seed}\n{plan}");
    Ok(format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes())))
}

fn unwritable(error: &toml::ser::Error) -> Trouble {
    Trouble::new(format!("the scenario drew a plan that a bundle cannot express: {error}"))
}

/// Where and what, in one line.
fn located(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().replace('\n', " ");
    match error.span() {
        Some(span) => {
            let line = text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1);
            format!("line {line}: {message}")
        }
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_sim::{Clock, Cut, Fault, Loss, Network, Target, Timed};

    /// A plan with every shape of fault.
    fn plan() -> Plan {
        let mut plan = Plan::default();
        plan.workload.insert("commands".to_owned(), u64::MAX);
        plan.schedule.nodes = 3;
        plan.schedule.clocks = vec![Clock { drift: -5, ..Clock::default() }];
        let fault = |at, fault| Timed { at, fault };
        plan.schedule.faults = vec![
            fault(
                1,
                Fault::Crash {
                    target: Target::Node(2),
                    loss: Loss::Power,
                    cut: Cut::AfterOutput(1),
                    restart_after: Some(7),
                },
            ),
            fault(
                2,
                Fault::Crash {
                    target: Target::Focus,
                    loss: Loss::Process,
                    cut: Cut::Drawn,
                    restart_after: None,
                },
            ),
            fault(3, Fault::Partition { groups: vec![vec![0, 1], vec![2]], lasts: None }),
            fault(
                4,
                Fault::Degrade {
                    from: None,
                    to: Some(1),
                    network: Network { loss: 9, ..Network::default() },
                    lasts: 5,
                },
            ),
            fault(5, Fault::Step { target: Target::Node(0), by: -3 }),
            fault(6, Fault::Starve { message: 3, to: None, lasts: 1 }),
            fault(7, Fault::Heal),
        ];
        plan
    }

    #[test]
    fn a_bundle_reads_back_what_was_written() {
        let bundle = Bundle::new("everything", u64::MAX, plan(), Some(&Outcome::default())).expect("it fits");
        let text = bundle.to_text().expect("it fits");
        let again = Bundle::from_text(&text, "it").unwrap_or_else(|trouble| panic!("{trouble}\n{text}"));
        assert_eq!(again, bundle);
        assert!(!again.is_edited());
        for (from, to) in [
            ("loss = 9", "loss = 10"),
            ("seed = 18446744073709551615", "seed = 4"),
            ("scenario = \"everything\"", "scenario = \"steady\""),
        ] {
            let edited = text.replace(from, to);
            assert_ne!(edited, text, "{from}");
            assert!(Bundle::from_text(&edited, "it").expect("still a bundle").is_edited(), "{from}");
        }
    }

    #[test]
    fn every_fault_stands_on_one_line() {
        let text = Bundle::new("x", 1, plan(), None).and_then(|bundle| bundle.to_text()).expect("it fits");
        let line = r#"    { at = 1, kind = "crash", target = { node = 2 }, loss = "power", cut = { after-output = 1 }, restart_after = 7 },"#;
        assert!(text.lines().any(|found| found == line), "{text}");
    }

    #[test]
    fn what_is_no_bundle_is_refused_in_one_sentence() {
        let text = Bundle::new("x", 1, plan(), None).and_then(|bundle| bundle.to_text()).expect("it fits");
        let cases = [
            ("<html>".to_owned(), "line 1"),
            (String::new(), "is no bundle"),
            ("a = 1".to_owned(), "is no bundle"),
            (text.replace("format = 2", "format = 9"), "format 9, this build reads formats 1 to 2"),
            (text.replace("seed = 1", "sede = 1"), "sede"),
            (text.replace("\"heal\"", "\"hail\""), "hail"),
            (text[..text.len() / 2].to_owned(), "it"),
        ];
        for (text, expected) in cases {
            let sentence = Bundle::from_text(&text, "it").expect_err(expected).to_string();
            assert!(sentence.contains(expected) && !sentence.contains('\n'), "{sentence}");
        }
    }
}
