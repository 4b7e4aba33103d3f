//! The register under crashes and a bad network: one scenario, one judge, two tests.
//!
//! `cargo test -p example-register`, or `cargo nextest run -p example-register`. The second test plants a bug and must
//! fail; take its `#[should_panic]` away to see what a failure looks like.

use example_register::{Answer, BACKUP, PRIMARY, Register};
use seedfast_core::{Duration, Instant, NodeId, Process, SessionId};
use seedfast_sim::draw::Draws;
use seedfast_sim::{
    ClientId, ClientInput, ClientOutbox, Cut, Fault, Loss, Network, Plan, Progress, Scenario, Scene,
    Schedule, Target, Timed, Violation,
};

const MS: u64 = 1_000_000;
/// How many operations the client begins.
const OPERATIONS: u64 = 60;

/// The register, right or with its bug.
struct Cluster(Answer);

impl Scenario for Cluster {
    fn name(&self) -> &'static str {
        match self.0 {
            Answer::OnceCopied => "register",
            Answer::AtOnce => "register-early-answer",
        }
    }

    fn about(&self) -> &'static str {
        "a primary and a backup, crashed one at a time"
    }

    fn plan(&self, seed: u64) -> Plan {
        let weather = Draws::of(seed, 0);
        let network = Network {
            loss: weather.below(0, 100_000) as u32,
            duplication: weather.below(1, 100_000) as u32,
            reordering: weather.below(2, 100_000) as u32,
            // Late enough to meet a later life.
            tail: weather.below(3, 100_000) as u32,
            tail_max: 200 * MS,
            ..Network::lan()
        };
        // Every 100 ms one of the two crashes and is back within 20 ms: the protocol survives one at a time.
        let crash = |number: u64| {
            let draws = Draws::of(seed, 1).part(number);
            let node = if draws.chance(0, 700_000) { PRIMARY } else { BACKUP };
            let fault = Fault::Crash {
                target: Target::Node(node.0),
                loss: Loss::Power,
                cut: Cut::Drawn,
                restart_after: Some(draws.between(1, MS, 20 * MS)),
            };
            Timed { at: number * 100 * MS + draws.below(2, 20 * MS), fault }
        };
        let mut faults: Vec<Timed> = (1..=5).map(crash).collect();
        faults.push(Timed { at: 600 * MS, fault: Fault::Heal });
        let schedule =
            Schedule { nodes: 2, clients: 1, end: 1_000 * MS, network, faults, ..Schedule::default() };
        Plan { schedule, ..Plan::default() }
    }

    fn scene(&self, _plan: &Plan, _seed: u64) -> Result<Box<dyn Scene>, String> {
        Ok(Box::new(Stage { answer: self.0, begun: 0, write: None, highest: 0, broken: None }))
    }
}

/// Both nodes, the client and the judge. The client writes 1, 2, 3 ... and reads after every third write.
struct Stage {
    answer: Answer,
    /// How many operations were begun.
    begun: u64,
    /// The write under way; none if it is a read.
    write: Option<u64>,
    /// The highest number that was acknowledged or read: nothing lower may be read any more.
    highest: u64,
    broken: Option<Violation>,
}

const ASK_AGAIN: u16 = 1;

impl Stage {
    /// Asks, and will ask again: a write that is repeated changes nothing.
    fn ask(&self, now: Instant, out: &mut dyn ClientOutbox) {
        let mut bytes = out.buffer();
        if let Some(write) = self.write {
            bytes.extend(write.to_le_bytes());
        }
        // An answer to an earlier question must not be taken for one to this: each has a connection of its own.
        out.close(PRIMARY);
        out.request(PRIMARY, SessionId::NONE, 0, bytes.freeze());
        out.timer(ASK_AGAIN, Some(now + Duration::from_millis(15)));
    }

    fn next(&mut self, now: Instant, out: &mut dyn ClientOutbox) {
        self.begun += 1;
        self.write = (!self.begun.is_multiple_of(4)).then_some(self.begun);
        if self.begun <= OPERATIONS {
            self.ask(now, out);
        } else {
            out.timer(ASK_AGAIN, None);
        }
    }

    /// The judge.
    fn answered(&mut self, number: u64) {
        if self.write.is_none() && number < self.highest {
            let what = format!("{} was read after {} had been acknowledged", number, self.highest);
            self.broken = Some(Violation { invariant: "R1".into(), what });
        }
        self.highest = self.highest.max(number);
    }
}

impl Scene for Stage {
    fn process(&mut self, _node: NodeId) -> Box<dyn Process> {
        Box::new(Register::new(self.answer))
    }

    fn client(&mut self, _client: ClientId, now: Instant, input: ClientInput, out: &mut dyn ClientOutbox) {
        match input {
            ClientInput::Start { .. } => self.next(now, out),
            ClientInput::Response { bytes, .. } => {
                self.answered(u64::from_le_bytes(bytes[..].try_into().expect("an answer has eight bytes")));
                self.next(now, out);
            }
            ClientInput::Timer { .. } => self.ask(now, out),
            // The node is down; the timer asks again.
            ClientInput::Closed { .. } => {}
        }
    }

    fn progress(&self) -> Progress {
        if self.begun > OPERATIONS || self.broken.is_some() { Progress::Done } else { Progress::Continue }
    }

    fn finish(&mut self, _at: Instant) -> Result<(), Violation> {
        self.broken.take().map_or(Ok(()), Err)
    }
}

/// R1: nothing is read that is older than what was acknowledged or read before.
#[seedfast::test(seeds = 500)]
fn nothing_acknowledged_is_lost() -> impl Scenario {
    Cluster(Answer::OnceCopied)
}

/// A judge that never found anything is not trusted.
#[seedfast::test(seeds = 500)]
#[should_panic(expected = "R1  ")]
fn an_early_answer_is_found_out() -> impl Scenario {
    Cluster(Answer::AtOnce)
}
