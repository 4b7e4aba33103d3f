//! An outside core that finds randomness of its own, and the same one handed the world's.
//!
//! A library that keeps a `HashMap`, or calls a thread's generator, does something else each time it runs, and no seed
//! can bring a failure back. `seedfast run own-randomness` says so (exit code 3, the first event that differs);
//! `seedfast run handed-randomness` finds nothing. `docs/tutorial.md` walks through it.

use seedfast_core::{Duration, GroupId, Input, Kind, NodeId, Now, Outbox, PeerSet, Process, TimerId};
use seedfast_sim::{Network, Plan, Scenario, Scene, Schedule};
use std::process::ExitCode;

/// A sans-IO library as one finds them: it picks a peer to gossip with at each tick.
mod outside {
    use std::hash::BuildHasher;

    pub(super) struct Gossip {
        random: Box<dyn FnMut() -> u64>,
    }

    impl Gossip {
        /// The convenient constructor: its randomness comes from the operating system.
        pub(super) fn new() -> Self {
            let state = std::hash::RandomState::new();
            let mut drawn = 0u64;
            Self::with_random(move || {
                drawn += 1;
                state.hash_one(drawn)
            })
        }

        /// The constructor for tests: its randomness is handed over.
        pub(super) fn with_random(random: impl FnMut() -> u64 + 'static) -> Self {
            Gossip { random: Box::new(random) }
        }

        pub(super) fn pick(&mut self, peers: u8) -> u8 {
            ((self.random)() % u64::from(peers)) as u8
        }
    }
}

/// The adapter: the boundary on one side, the library on the other.
struct Adapter {
    handed: bool,
    me: NodeId,
    gossip: Option<outside::Gossip>,
}

const NODES: u8 = 5;

impl Process for Adapter {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Start(start) => {
                self.me = start.node;
                self.gossip = Some(if self.handed {
                    let mut random = seedfast_core::random::Random::new(&start.entropy);
                    outside::Gossip::with_random(move || random.next())
                } else {
                    outside::Gossip::new()
                });
            }
            Input::Timer { .. } => {}
            _ => return,
        }
        if let Some(gossip) = &mut self.gossip {
            let peer = NodeId((self.me.0 + 1 + gossip.pick(NODES - 1)) % NODES);
            let frame = out.buffer().freeze();
            out.send(PeerSet::one(peer), Kind(1), GroupId(0), frame);
            out.timer(TimerId(1), Some(now.monotonic + Duration::from_millis(10)));
        }
    }
}

/// Nothing to judge: both variants are right, and one of them cannot be replayed.
struct Nothing(bool);

impl Scene for Nothing {
    fn process(&mut self, _node: NodeId) -> Box<dyn Process> {
        Box::new(Adapter { handed: self.0, me: NodeId(0), gossip: None })
    }
}

struct Randomness {
    handed: bool,
}

impl Scenario for Randomness {
    fn name(&self) -> &'static str {
        if self.handed { "handed-randomness" } else { "own-randomness" }
    }

    fn about(&self) -> &'static str {
        if self.handed {
            "an outside core that is handed its entropy"
        } else {
            "an outside core that finds its own"
        }
    }

    fn plan(&self, _seed: u64) -> Plan {
        let network = Network { latency_min: 100_000, latency_max: 2_000_000, ..Network::default() };
        let end = Duration::from_millis(200).as_nanos();
        Plan { schedule: Schedule { nodes: NODES, end, network, ..Schedule::default() }, ..Plan::default() }
    }

    fn scene(&self, _plan: &Plan, _seed: u64) -> Result<Box<dyn Scene>, String> {
        Ok(Box::new(Nothing(self.handed)))
    }
}

fn main() -> ExitCode {
    seedfast::cli::main(&[&Randomness { handed: false }, &Randomness { handed: true }])
}
