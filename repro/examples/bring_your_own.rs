//! Bring your own protocol: a consensus, its judge and its faults in under 100 lines of code. It has a bug.
//!
//! `docs/tutorial.md` walks through it: `cargo run --release --example bring_your_own -- run vote`.

use seedfast_core::random::Random;
use seedfast_core::{Duration, GroupId, Input, Kind, NodeId, ObservationKind};
use seedfast_core::{Now, Outbox, PeerSet, Process, TimerId};
use seedfast_sim::{
    Cut, Fault, Loss, Network, Plan, Scenario, Scene, Schedule, Seen, Target, Timed, Violation,
};
use std::process::ExitCode;

const DECIDED: ObservationKind = ObservationKind(1);

/// Three of these vote for 0 or 1 and tell each other; two equal votes decide.
#[derive(Default)]
struct Voter {
    me: NodeId,
    votes: [Option<u8>; 3],
    decided: bool,
}

impl Voter {
    fn hear(&mut self, from: NodeId, vote: u8, out: &mut Outbox) {
        self.votes[usize::from(from.0)] = Some(vote);
        let equal = self.votes.iter().filter(|heard| **heard == Some(vote)).count();
        if equal >= 2 && !self.decided {
            self.decided = true;
            out.observe(DECIDED, |bytes| bytes.push(vote));
        }
    }

    fn speak(&self, now: Now, out: &mut Outbox) {
        if let Some(vote) = self.votes[usize::from(self.me.0)] {
            let mut frame = out.buffer();
            frame.push(vote);
            out.send(PeerSet::first(3).without(self.me), Kind(1), GroupId(0), frame.freeze());
            out.timer(TimerId(1), Some(now.monotonic + Duration::from_millis(10)));
        }
    }
}

impl Process for Voter {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Start(start) => {
                self.me = start.node;
                self.hear(self.me, Random::new(&start.entropy).below(2) as u8, out);
                self.speak(now, out);
            }
            Input::Receive { from, frame, .. } => {
                if let [vote @ 0..=1] = frame[..] {
                    self.hear(from, vote, out);
                }
            }
            Input::Timer { .. } => self.speak(now, out),
            _ => {}
        }
    }

    fn describe(&self, _kind: Kind, frame: &[u8]) -> Option<String> {
        frame.first().map(|vote| format!("vote for {vote}"))
    }
}

/// Remembers the first decision; every other one must be equal.
struct Judge(Option<(NodeId, u8)>);

impl Scene for Judge {
    fn process(&mut self, _node: NodeId) -> Box<dyn Process> {
        Box::new(Voter::default())
    }

    fn observe(&mut self, seen: Seen<'_>) -> Result<(), Violation> {
        let (first, value) = *self.0.get_or_insert((seen.node, seen.bytes[0]));
        if seen.bytes[0] == value {
            return Ok(());
        }
        let what = format!("{first} decided {value}, and {} decided {}", seen.node, seen.bytes[0]);
        Err(Violation { invariant: "agreement".into(), what })
    }
}

/// What goes wrong: one of the three crashes in the first 50 ms and comes back 10 ms later.
struct Vote;

impl Scenario for Vote {
    fn name(&self) -> &'static str {
        "vote"
    }

    fn about(&self) -> &'static str {
        "three nodes vote, two equal votes decide"
    }

    fn plan(&self, seed: u64) -> Plan {
        let mut random = Random::new(&[seed.to_le_bytes(); 4].concat().try_into().expect("32 bytes"));
        let target = Target::Node(random.below(3) as u8);
        let at = random.below(Duration::from_millis(50).as_nanos());
        let restart_after = Some(Duration::from_millis(10).as_nanos());
        let crash = Fault::Crash { target, loss: Loss::Power, cut: Cut::Now, restart_after };
        let network = Network { latency_min: 100_000, latency_max: 2_000_000, ..Network::default() };
        let end = Duration::from_millis(200).as_nanos();
        let faults = vec![Timed { at, fault: crash }];
        Plan {
            schedule: Schedule { nodes: 3, end, network, faults, ..Schedule::default() },
            ..Plan::default()
        }
    }

    fn scene(&self, _plan: &Plan, _seed: u64) -> Result<Box<dyn Scene>, String> {
        Ok(Box::new(Judge(None)))
    }
}

fn main() -> ExitCode {
    seedfast::cli::main(&[&Vote])
}
