//! Scenarios made for testing the harness: three nodes that ping each other, and one fault of every kind that a
//! harness must tell apart.
#![allow(dead_code, reason = "every test uses its own part")]

use seedfast::cli;
use seedfast::text::Console;
use seedfast_core::random::Random;
use seedfast_core::{
    Duration, GroupId, Input, Instant, Kind, NodeId, Now, ObservationKind, Outbox, PeerSet, Process, TimerId,
};
use seedfast_sim::{
    Disk, Fault, Network, Plan, Scenario, Scene, Schedule, Seen, Target, Timed, Turns, Violation,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What is wrong with a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// The judge objects in some seeds.
    Broken,
    /// A process sends what a static counts.
    OwnRandomness,
    /// A process panics in some seeds.
    Panics,
    /// A turn never ends.
    Loops,
    /// The scenario cannot draw its plan.
    PlanPanics,
    /// The scenario refuses its own plan.
    Refuses,
    /// The scenario cannot cast its scene in some seeds.
    ScenePanics,
    /// A process sends what a static counts, and the judge objects later on.
    BrokenAndOwnRandomness,
    /// The judge says what a static counts.
    OwnJudge,
    /// The judge objects at the end.
    BrokenAtTheEnd,
    /// The judge panics in some seeds, when he is asked for states.
    JudgePanics,
    /// A process halts, and the judge objects later on.
    Halts,
    /// The judge objects, and from the fourth ping on a process sends what [`BUILD`] says.
    AnotherBuild,
}

pub(crate) struct Pings {
    name: &'static str,
    flaw: Flaw,
}

pub(crate) static STEADY: Pings = Pings { name: "pings", flaw: Flaw::None };
pub(crate) static OTHER: Pings = Pings { name: "more-pings", flaw: Flaw::None };
pub(crate) static BROKEN: Pings = Pings { name: "broken", flaw: Flaw::Broken };
pub(crate) static OWN_RANDOMNESS: Pings = Pings { name: "own-randomness", flaw: Flaw::OwnRandomness };
pub(crate) static PANICS: Pings = Pings { name: "panics", flaw: Flaw::Panics };
pub(crate) static LOOPS: Pings = Pings { name: "loops", flaw: Flaw::Loops };
pub(crate) static PLAN_PANICS: Pings = Pings { name: "plan-panics", flaw: Flaw::PlanPanics };
pub(crate) static REFUSES: Pings = Pings { name: "refuses", flaw: Flaw::Refuses };
pub(crate) static SCENE_PANICS: Pings = Pings { name: "scene-panics", flaw: Flaw::ScenePanics };
pub(crate) static BOTH: Pings = Pings { name: "both", flaw: Flaw::BrokenAndOwnRandomness };
pub(crate) static OWN_JUDGE: Pings = Pings { name: "own-judge", flaw: Flaw::OwnJudge };
pub(crate) static AT_THE_END: Pings = Pings { name: "at-the-end", flaw: Flaw::BrokenAtTheEnd };
pub(crate) static JUDGE_PANICS: Pings = Pings { name: "judge-panics", flaw: Flaw::JudgePanics };
pub(crate) static HALTS: Pings = Pings { name: "halts", flaw: Flaw::Halts };
pub(crate) static ANOTHER_BUILD: Pings = Pings { name: "another-build", flaw: Flaw::AnotherBuild };

/// Stands for what two builds do differently.
pub(crate) static BUILD: AtomicU64 = AtomicU64::new(0);

pub(crate) fn all() -> Vec<&'static dyn Scenario> {
    vec![
        &STEADY,
        &OTHER,
        &BROKEN,
        &OWN_RANDOMNESS,
        &PANICS,
        &LOOPS,
        &PLAN_PANICS,
        &REFUSES,
        &SCENE_PANICS,
        &BOTH,
        &OWN_JUDGE,
        &AT_THE_END,
        &JUDGE_PANICS,
        &HALTS,
        &ANOTHER_BUILD,
    ]
}

const MILLIS: u64 = 1_000_000;
const PING: ObservationKind = ObservationKind(1);

impl Scenario for Pings {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        "three nodes ping each other"
    }

    fn planted(&self) -> Option<&'static str> {
        (self.flaw != Flaw::None).then_some("a flaw for the tests of the harness")
    }

    fn probes(&self) -> Vec<&'static str> {
        vec!["a second ping arrived", "a ping fell from the sky"]
    }

    fn plan(&self, seed: u64) -> Plan {
        assert!(self.flaw != Flaw::PlanPanics, "this scenario cannot draw a plan");
        let mut entropy = [1; 32];
        entropy[..8].copy_from_slice(&seed.to_le_bytes());
        let mut random = Random::new(&entropy);
        let mut plan = Plan::default();
        // Every fifth seed is one in which the flaw shows.
        plan.workload.insert("flawed".to_owned(), u64::from(seed % 5 == 3));
        plan.schedule = Schedule {
            nodes: 3,
            clients: 0,
            end: 200 * MILLIS,
            network: Network {
                latency_min: 1000,
                latency_max: 3 * MILLIS,
                loss: 100_000,
                ..Network::default()
            },
            disk: Disk::default(),
            turns: Turns::default(),
            clocks: Vec::new(),
            faults: vec![Timed {
                at: random.below(100 * MILLIS),
                fault: Fault::Pause { target: Target::Node(1), lasts: 20 * MILLIS, sampled: false },
            }],
        };
        plan
    }

    fn scene(&self, plan: &Plan, _seed: u64) -> Result<Box<dyn Scene>, String> {
        if self.flaw == Flaw::Refuses {
            return Err("it refuses every plan".to_owned());
        }
        assert!(self.flaw != Flaw::ScenePanics, "this scenario has no cast");
        let flawed = plan.workload.get("flawed").ok_or("the workload says nothing of `flawed`")?;
        Ok(Box::new(Judge { flaw: if *flawed == 1 { self.flaw } else { Flaw::None }, seen: 0 }))
    }
}

struct Judge {
    flaw: Flaw,
    seen: u64,
}

impl Scene for Judge {
    fn process(&mut self, _node: NodeId) -> Box<dyn Process> {
        Box::new(Node { flaw: self.flaw, node: NodeId(0), pings: 0 })
    }

    fn observe(&mut self, _seen: Seen<'_>) -> Result<(), Violation> {
        self.seen += 1;
        let what = match (self.flaw, self.seen) {
            (Flaw::Broken, 10) => "the tenth ping arrived, which must never happen".to_owned(),
            (Flaw::BrokenAndOwnRandomness | Flaw::Halts | Flaw::AnotherBuild, 50) => {
                "the fiftieth ping arrived".to_owned()
            }
            (Flaw::OwnJudge, 10) => format!("ping {} arrived", OUTSIDE.fetch_add(1, Ordering::Relaxed)),
            _ => return Ok(()),
        };
        Err(Violation { invariant: "F1".to_owned(), what })
    }

    fn finish(&mut self, _at: Instant) -> Result<(), Violation> {
        if self.flaw != Flaw::BrokenAtTheEnd {
            return Ok(());
        }
        Err(Violation { invariant: "F2".to_owned(), what: "the pings never stopped".to_owned() })
    }

    fn states(&self) -> Vec<u64> {
        assert!(self.flaw != Flaw::JudgePanics, "this judge has no words");
        Vec::new()
    }

    fn history(&self) -> String {
        format!("{{\"pings\":{}}}\n", self.seen)
    }
}

struct Node {
    flaw: Flaw,
    node: NodeId,
    pings: u64,
}

/// State that survives a run: what no process may have.
static OUTSIDE: AtomicU64 = AtomicU64::new(0);

impl Process for Node {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let again = now.monotonic + Duration::from_millis(5);
        match input {
            Input::Start(start) => {
                self.node = start.node;
                out.timer(TimerId(1), Some(again));
            }
            Input::Timer { .. } => {
                self.pings += 1;
                match self.flaw {
                    Flaw::Panics if self.pings == 7 => panic!("the seventh ping is one too many"),
                    Flaw::Halts if self.node == NodeId(1) && self.pings == 2 => {
                        out.halt("the device is gone");
                        return;
                    }
                    Flaw::Loops => loop {
                        std::thread::sleep(std::time::Duration::from_secs(1));
                    },
                    _ => {}
                }
                let mut payload = self.pings;
                let is_own = matches!(self.flaw, Flaw::OwnRandomness | Flaw::BrokenAndOwnRandomness);
                if is_own && self.pings == 4 {
                    payload += OUTSIDE.fetch_add(1, Ordering::Relaxed);
                }
                if self.flaw == Flaw::AnotherBuild && self.pings >= 4 {
                    payload += BUILD.load(Ordering::Relaxed);
                }
                let mut frame = out.buffer();
                frame.extend_from_slice(&payload.to_le_bytes());
                out.send(PeerSet::first(3).without(self.node), Kind(9), GroupId(0), frame.freeze());
                out.timer(TimerId(1), Some(again));
            }
            Input::Receive { frame, .. } => {
                out.observe(PING, |bytes| bytes.extend_from_slice(&frame));
                out.sometimes(frame.first() == Some(&2), "a second ping arrived");
            }
            _ => {}
        }
    }
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the command line over the scenarios of this file.
pub(crate) fn seedfast(arguments: &[&str]) -> Ran {
    seedfast_over(&all(), arguments)
}

/// Runs the command line over some scenarios.
pub(crate) fn seedfast_over(scenarios: &[&'static dyn Scenario], arguments: &[&str]) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console { out: &mut out, err: &mut err, colour: false, live: false };
    let arguments = std::iter::once("seedfast").chain(arguments.iter().copied());
    let code = cli::run_with(scenarios, arguments, &mut console);
    let text = |bytes| String::from_utf8(bytes).expect("output is text");
    Ran { code, out: text(out), err: text(err) }
}

/// A directory of its own for one test, empty at first and gone at the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("seedfast-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the temporary directory can be written");
        Scratch(path)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a temporary path is text").to_owned()
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("a temporary path is text")
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("it exists");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn read(path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(path).expect("it was just written")
}
