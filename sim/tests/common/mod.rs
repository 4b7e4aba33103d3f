//! A toy: processes that do what a closure says, and a scene that remembers what it was told.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use seedfast_core::{
    Durability, GroupId, Incarnation, Input, Instant, Kind, NodeId, Now, ObservationKind, OperationId,
    Outbox, PeerSet, Process, Step, TimerId,
};
use seedfast_core::{Geometry, Start};
use seedfast_sim::*;

/// A process's behaviour: its node, the time, the input, the outbox.
pub type Behaviour = fn(&mut Toy, Now, Input, &mut Outbox);

pub struct Toy {
    pub node: NodeId,
    pub life: Incarnation,
    pub count: u64,
    behaviour: Behaviour,
}

impl Process for Toy {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if let Input::Start(Start { incarnation, .. }) = &input {
            self.life = *incarnation;
        }
        (self.behaviour)(self, now, input, out);
    }
}

impl Toy {
    pub fn op(&self, number: u32) -> OperationId {
        OperationId { incarnation: self.life, number }
    }

    /// Sends `bytes` to one node.
    pub fn send(&self, out: &mut Outbox, to: u8, bytes: &[u8]) {
        let mut frame = out.buffer();
        frame.extend_from_slice(bytes);
        out.send(PeerSet::one(NodeId(to)), Kind(1), GroupId(0), frame.freeze());
    }

    /// Sets timer 0 to `after` nanoseconds from now.
    pub fn wake(&self, out: &mut Outbox, now: Now, after: u64) {
        out.timer(TimerId(0), Some(now.monotonic + seedfast_core::Duration::from_nanos(after)));
    }

    /// Writes one byte repeated over whole sectors.
    pub fn write(
        &self,
        out: &mut Outbox,
        number: u32,
        sector: u64,
        sectors: usize,
        byte: u8,
        how: Durability,
    ) {
        let mut buffer = out.buffer();
        buffer.resize(sectors * 512, byte);
        let mut chain = out.chain();
        chain.push(Step::Write { at: sector * 512, buffer: buffer.freeze() });
        out.submit(self.op(number), seedfast_core::DeviceId(0), chain, how);
    }

    /// Tells the scene something.
    pub fn say(&self, out: &mut Outbox, bytes: &[u8]) {
        out.observe(ObservationKind(1), |to| to.extend_from_slice(bytes));
    }
}

/// One thing that a scene was told: when, by whom, in which life, what.
pub type Told = (u64, u8, u32, Vec<u8>);

pub struct Stage {
    pub behaviour: Behaviour,
    pub disk: u64,
    pub heard: Vec<Told>,
    pub focus: Option<NodeId>,
    pub client: fn(u64, ClientInput, &mut dyn ClientOutbox),
    pub client_heard: Vec<(u64, ClientInput)>,
    pub lives: Vec<(u64, u8, u32, bool)>,
    pub healed: Option<u64>,
}

impl Stage {
    pub fn new(behaviour: Behaviour) -> Self {
        Stage {
            behaviour,
            disk: 0,
            heard: vec![],
            focus: None,
            client: |_, _, _| (),
            client_heard: vec![],
            lives: vec![],
            healed: None,
        }
    }

    pub fn with_disk(behaviour: Behaviour) -> Self {
        Stage { disk: 1 << 20, ..Stage::new(behaviour) }
    }

    /// What `node` said.
    pub fn said(&self, node: u8) -> Vec<(u64, Vec<u8>)> {
        self.heard.iter().filter(|told| told.1 == node).map(|told| (told.0, told.3.clone())).collect()
    }
}

impl Scene for Stage {
    fn process(&mut self, node: NodeId) -> Box<dyn Process> {
        Box::new(Toy { node, life: Incarnation(0), count: 0, behaviour: self.behaviour })
    }

    fn devices(&mut self, _node: NodeId) -> Formatted {
        if self.disk == 0 { vec![] } else { vec![(Geometry::disk(self.disk), vec![])] }
    }

    fn client(&mut self, _client: ClientId, now: Instant, input: ClientInput, out: &mut dyn ClientOutbox) {
        self.client_heard.push((now.as_nanos(), input.clone()));
        (self.client)(now.as_nanos(), input, out);
    }

    fn observe(&mut self, seen: Seen<'_>) -> Result<(), Violation> {
        self.heard.push((seen.at.as_nanos(), seen.node.0, seen.incarnation.0, seen.bytes.to_vec()));
        Ok(())
    }

    fn lifecycle(&mut self, at: Instant, node: NodeId, incarnation: Incarnation, up: bool) {
        self.lives.push((at.as_nanos(), node.0, incarnation.0, up));
    }

    fn healed(&mut self, at: Instant) {
        self.healed = Some(at.as_nanos());
    }

    fn focus(&self) -> Option<NodeId> {
        self.focus
    }
}

/// One millisecond.
pub const MS: u64 = 1_000_000;

/// `nodes` nodes, links of exactly one millisecond, the end at one second.
pub fn calm(nodes: u8) -> Schedule {
    Schedule {
        nodes,
        end: 1_000 * MS,
        network: Network { latency_min: MS, latency_max: MS, ..Network::default() },
        disk: Disk { write_min: MS, write_max: 2 * MS, sync_min: MS, sync_max: 2 * MS, ..Disk::default() },
        ..Schedule::default()
    }
}

/// `schedule` with one more fault.
pub fn with(mut schedule: Schedule, at: u64, fault: Fault) -> Schedule {
    schedule.faults.push(Timed { at, fault });
    schedule
}

/// Runs a seed in a cold world.
pub fn run(seed: u64, schedule: &Schedule, stage: &mut Stage) -> Outcome {
    World::new().run(seed, schedule, stage, &mut NoTrace)
}

/// How often an effect was counted.
pub fn count(outcome: &Outcome, effect: Effect) -> u64 {
    outcome.effects.get(effect.name()).copied().unwrap_or_default()
}

/// A beacon: node 0 sends its counter to node 1 every ten milliseconds; node 1 says what it hears.
pub fn beacon(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
    match input {
        Input::Start(_) | Input::Timer { .. } if toy.node.0 == 0 => {
            let counter = toy.count.to_le_bytes();
            toy.count += 1;
            toy.send(out, 1, &counter);
            toy.wake(out, now, 10 * MS);
        }
        Input::Receive { frame, .. } => toy.say(out, &frame),
        _ => {}
    }
}
