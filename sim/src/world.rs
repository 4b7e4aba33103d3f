//! The world: one thread, one total order of events, everything else a consequence of them.
//!
//! What may happen and what can never happen is said where it is decided: messages in `network.rs`, streams in
//! `clients.rs`, turns in `turn.rs`, clocks in `clock.rs`, devices in `disk.rs` and `storage.rs`, faults in
//! `faults.rs` (and, for users, in `docs/faults.md`). Of the whole:
//!
//! - Events happen in the order of (time, sequence number); nothing else decides.
//! - A node is a machine that a process lives on. Its clocks, devices and links survive the process.
//! - No state of a run survives [`World::reset`] but capacity: the same seed gives the same bytes in a cold world and
//!   after a thousand others.

use crate::clients::{Client, Connection};
use crate::draw::{Draw, Purpose};
use crate::effects::Effects;
use crate::event::Event;
use crate::faults::Active;
use crate::network::Link;
use crate::node::Node;
use crate::outcome::{Broken, Outcome};
use crate::queue::Queue;
use crate::scene::{ClientId, ClientOutput, Progress, Scene, Violation};
use crate::schedule::{Disk, Fault, Network, Schedule, Turns};
use crate::storage::Submission;
use crate::trace::{TraceSink, encode::Trace};
use seedfast_core::{Buffer, ClusterId, Incarnation, Instant, NodeId, Outbox, Output, Process, SessionId};
use std::collections::BTreeMap;

/// The cluster that every [`Start`](seedfast_core::Start) names.
pub const CLUSTER: ClusterId = ClusterId(0x5eed_fa57_0000_0000_0000_0000_0000_0001);
/// How many storage operations a process may have in flight at once; one more is a violation.
pub const QUEUE_DEPTH: u32 = 128;
/// No frame between nodes may be longer, in bytes; a longer one is a violation.
pub const FRAME_LIMIT: u32 = 16 << 20;
/// More turns than this at one simulated instant are a livelock.
pub const TURNS_PER_INSTANT: u32 = 100_000;

/// A simulated world, reusable between seeds.
pub struct World {
    pub(crate) now: u64,
    pub(crate) queue: Queue<Event>,
    pub(crate) draw: Draw,
    pub(crate) trace: Trace,
    pub(crate) effects: Effects,
    pub(crate) out: Outbox,
    pub(crate) spare: Vec<Output>,
    pub(crate) client_spare: Vec<ClientOutput>,

    pub(crate) nodes: Vec<Node>,
    /// How many of `nodes` this run uses; the others are memory to reuse.
    pub(crate) node_count: usize,
    pub(crate) clients: Vec<Client>,
    pub(crate) client_count: usize,
    pub(crate) connections: Vec<Connection>,
    /// Directed links, `from * endpoints + to`.
    pub(crate) links: Vec<Link>,
    /// Messages held by clogged links, in order, each with its link.
    pub(crate) held: Vec<(usize, Event)>,
    pub(crate) messages: u64,
    pub(crate) submissions: Vec<Submission>,
    pub(crate) free_submissions: Vec<u32>,

    pub(crate) network: Network,
    pub(crate) disk: Disk,
    pub(crate) turns: Turns,
    pub(crate) end: u64,
    pub(crate) faults: Vec<Fault>,
    pub(crate) active: Vec<Active>,
    pub(crate) starving: bool,
    /// Bit `n`: damage has struck node `n`.
    pub(crate) damaged: u64,

    pub(crate) checks: bool,
    pub(crate) turns_now: u32,
    /// The node whose turn is running, for naming a panic.
    pub(crate) running: Option<u8>,
    pub(crate) delivered: u64,
    pub(crate) probes: BTreeMap<String, u64>,
    pub(crate) broken: Option<Broken>,
    /// An observation was made or a client moved: the scene is asked whether it has seen enough.
    pub(crate) moved: bool,
    pub(crate) over: bool,
}

impl Default for World {
    fn default() -> Self {
        World::new()
    }
}

impl World {
    /// A world in which nothing exists yet.
    pub fn new() -> Self {
        World {
            now: 0,
            queue: Queue::new(),
            draw: Draw::new(0),
            trace: Trace::new(),
            effects: Effects::new(),
            out: Outbox::new(true),
            spare: Vec::new(),
            client_spare: Vec::new(),
            nodes: Vec::new(),
            node_count: 0,
            clients: Vec::new(),
            client_count: 0,
            connections: Vec::new(),
            links: Vec::new(),
            held: Vec::new(),
            messages: 0,
            submissions: Vec::new(),
            free_submissions: Vec::new(),
            network: Network::default(),
            disk: Disk::default(),
            turns: Turns::default(),
            end: 0,
            faults: Vec::new(),
            active: Vec::new(),
            starving: false,
            damaged: 0,
            checks: false,
            turns_now: 0,
            running: None,
            delivered: 0,
            probes: BTreeMap::new(),
            broken: None,
            moved: false,
            over: false,
        }
    }

    /// Runs a seed from beginning to end. A panic of a process (or of the scene) ends the run and is reported as the
    /// violation `panic`, or under the contract's number if a contract panicked.
    pub fn run(
        &mut self,
        seed: u64,
        schedule: &Schedule,
        scene: &mut dyn Scene,
        trace: &mut dyn TraceSink,
    ) -> Outcome {
        let ran = crate::panics::catch(|| {
            self.reset(seed, schedule, scene);
            while self.step(scene, trace) {}
            self.judge(scene);
        });
        if let Err(panic) = ran {
            self.panicked(&panic);
        }
        self.conclude(scene, trace)
    }

    /// Prepares the world for a seed and starts all nodes and clients at true time zero. A schedule that makes no
    /// sense is reported as the violation `schedule`.
    pub fn reset(&mut self, seed: u64, schedule: &Schedule, scene: &mut dyn Scene) {
        self.forget();
        if let Err(what) = schedule.check() {
            self.trace.begin(seed, 0, 0, 0);
            self.violate(Violation { invariant: "schedule".into(), what });
            return;
        }
        self.draw = Draw::new(seed);
        self.trace.begin(seed, schedule.nodes, schedule.clients, schedule.end);
        self.node_count = usize::from(schedule.nodes);
        self.client_count = usize::from(schedule.clients);
        (self.network, self.disk, self.turns) = (schedule.network, schedule.disk, schedule.turns);
        self.end = schedule.end;
        self.checks = scene.checks_every_turn();

        let endpoints = self.endpoints();
        self.links.resize_with(self.links.len().max(endpoints * endpoints), Link::default);
        for from in 0..endpoints {
            for to in 0..endpoints {
                let link = &mut self.links[from * endpoints + to];
                link.reset(self.draw.key(Purpose::Network, (from << 8 | to) as u64));
                link.behave(&self.network);
            }
        }
        self.nodes.resize_with(self.nodes.len().max(self.node_count), Node::default);
        for (index, node) in self.nodes[..self.node_count].iter_mut().enumerate() {
            let clock = schedule.clocks.get(index).copied().unwrap_or_default();
            node.reset(clock, self.draw.key(Purpose::Burst, index as u64), self.disk);
            let devices = scene.devices(NodeId(index as u8));
            node.equip(&devices);
        }
        self.clients.resize_with(self.clients.len().max(self.client_count), Client::default);
        for client in &mut self.clients[..self.client_count] {
            client.reset(self.node_count);
        }

        // Faults go first, so that one strikes before whatever else happens at its instant.
        for (number, timed) in schedule.faults.iter().enumerate() {
            self.faults.push(timed.fault.clone());
            self.queue.push(timed.at, Event::Fault(number as u32));
        }
        for node in 0..self.node_count {
            self.start(node, scene);
        }
        for client in 0..self.client_count {
            self.start_client(client, scene);
        }
    }

    /// Everything of the last run goes, capacity stays.
    fn forget(&mut self) {
        self.now = 0;
        self.queue.clear();
        self.effects = Effects::new();
        // A panic can have left outputs behind.
        self.spare.clear();
        self.out.swap(&mut self.spare);
        self.spare.clear();
        self.client_spare.clear();
        for node in &mut self.nodes {
            node.process = None;
        }
        self.node_count = 0;
        self.client_count = 0;
        self.connections.clear();
        self.held.clear();
        self.messages = 0;
        self.submissions.clear();
        self.free_submissions.clear();
        self.faults.clear();
        self.active.clear();
        self.starving = false;
        self.damaged = 0;
        self.turns_now = 0;
        self.running = None;
        self.delivered = 0;
        self.probes.clear();
        self.broken = None;
        self.moved = false;
        self.over = false;
    }

    /// Lets one event happen. False when the run is over (done, violated, its end reached, stopped by the sink) or
    /// nothing is left to happen.
    #[inline]
    pub fn step(&mut self, scene: &mut dyn Scene, trace: &mut dyn TraceSink) -> bool {
        if self.over {
            return false;
        }
        let Some(at) = self.queue.next_at() else { return false };
        if at > self.end {
            self.now = self.end;
            self.over = true;
            return false;
        }
        if at != self.now {
            self.now = at;
            self.turns_now = 0;
        }
        if let Some(event) = self.queue.pop() {
            self.happen(event, scene);
        }
        self.settle(scene, trace)
    }

    /// After anything happened: is there more to see?
    #[inline]
    fn settle(&mut self, scene: &mut dyn Scene, trace: &mut dyn TraceSink) -> bool {
        if self.moved {
            self.moved = false;
            if scene.progress() == Progress::Done {
                self.over = true;
            }
        }
        if self.trace.is_full() && self.trace.flush(trace).is_break() {
            self.over = true;
        }
        !self.over
    }

    #[inline]
    fn happen(&mut self, event: Event, scene: &mut dyn Scene) {
        match event {
            Event::Deliver(message) => self.deliver(message, scene),
            Event::Timer { endpoint, slot, life } => self.check_timer(endpoint, slot, life, scene),
            Event::BurstEnd { node, burst } => self.burst_end(usize::from(node), burst, scene),
            Event::Stream { id, connection, cargo } => self.stream_arrives(id, connection, cargo, scene),
            Event::Storage { submission, generation, milestone } => {
                self.storage_event(submission, generation, milestone, scene);
            }
            Event::SlowTurnEnd { node, life } => self.slow_turn_end(usize::from(node), life, scene),
            Event::Refuse { node, life, op } => self.refuse(usize::from(node), life, op, scene),
            Event::Restart { node, life } => self.restart(usize::from(node), life, scene),
            Event::Fault(number) => {
                let fault = self.faults[number as usize].clone();
                self.strike(number, fault, scene);
            }
            Event::FaultEnd(number) => self.fault_ends(number, scene),
            Event::Nothing => {}
        }
    }

    /// Lets everything happen up to and including true time `at`, which is then the present.
    pub fn run_until(&mut self, at: Instant, scene: &mut dyn Scene, trace: &mut dyn TraceSink) {
        while !self.over && self.queue.next_at().is_some_and(|next| next <= at.as_nanos()) {
            self.step(scene, trace);
        }
        if !self.over && self.now < at.as_nanos() {
            self.now = at.as_nanos();
            self.turns_now = 0;
        }
    }

    /// A fault strikes now.
    pub fn inject(&mut self, fault: Fault, scene: &mut dyn Scene, trace: &mut dyn TraceSink) {
        let number = self.faults.len() as u32;
        self.faults.push(fault.clone());
        self.strike(number, fault, scene);
        self.settle(scene, trace);
    }

    /// A client sends a request of the story's own, as if the scene had asked for it.
    pub fn request(
        &mut self,
        client: ClientId,
        to: NodeId,
        session: SessionId,
        sequence: u64,
        bytes: Buffer,
    ) {
        self.client_output(usize::from(client.0), ClientOutput::Request { to, session, sequence, bytes });
    }

    /// An operator's command reaches a node at once; its answers go to nobody.
    pub fn control(&mut self, node: NodeId, bytes: Buffer, scene: &mut dyn Scene, trace: &mut dyn TraceSink) {
        self.command(usize::from(node.0), bytes, scene);
        self.settle(scene, trace);
    }

    /// True time.
    pub fn now(&self) -> Instant {
        Instant::from_nanos(self.now)
    }

    /// Whether the run is over.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The first violation, if there was one.
    pub fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    /// How often something went wrong so far, by effect.
    pub fn count(&self, effect: crate::effects::Effect) -> u64 {
        self.effects.of(effect)
    }

    /// Which probes were reached so far, and how often.
    pub fn probes(&self) -> &BTreeMap<String, u64> {
        &self.probes
    }

    /// Whether a process lives on `node`.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.process(node).is_some()
    }

    /// The life that `node` is in, or was in when it crashed.
    pub fn incarnation(&self, node: NodeId) -> Incarnation {
        Incarnation(self.nodes.get(usize::from(node.0)).map_or(0, |node| node.life))
    }

    /// The process that lives on `node`.
    pub fn process(&self, node: NodeId) -> Option<&dyn Process> {
        self.nodes[..self.node_count].get(usize::from(node.0))?.process.as_deref()
    }

    /// The last judgement and the outcome. The world must be reset before it is used again.
    pub fn finish(&mut self, scene: &mut dyn Scene, trace: &mut dyn TraceSink) -> Outcome {
        self.judge(scene);
        self.conclude(scene, trace)
    }

    /// The outcome of a run that is cut short here: as [`finish`](Self::finish), but without the last judgement, which
    /// only a whole run can be asked for. The world must be reset before it is used again.
    pub fn stop(&mut self, scene: &mut dyn Scene, trace: &mut dyn TraceSink) -> Outcome {
        self.conclude(scene, trace)
    }

    fn judge(&mut self, scene: &mut dyn Scene) {
        if self.broken.is_none()
            && let Err(violation) = scene.finish(Instant::from_nanos(self.now))
        {
            self.violate(violation);
        }
        self.over = true;
    }

    fn conclude(&mut self, scene: &mut dyn Scene, trace: &mut dyn TraceSink) -> Outcome {
        self.over = true;
        let (invariant, what) = match &self.broken {
            Some(broken) => (broken.violation.invariant.as_str(), broken.violation.what.as_str()),
            None => ("", ""),
        };
        self.trace.verdict(self.now, invariant, what);
        // The run is over: it no longer matters whether the sink wants more.
        let _ = self.trace.flush(trace);
        let (trace_hash, trace_bytes) = self.trace.digest();
        let mut effects = self.effects.seen();
        for (name, count) in crate::panics::catch(|| scene.effects()).unwrap_or_default() {
            *effects.entry(name).or_default() += count;
        }
        Outcome {
            broken: self.broken.clone(),
            trace_hash,
            trace_bytes,
            events: self.trace.records(),
            delivered: self.delivered,
            sim_nanos: self.now,
            effects,
            probes: core::mem::take(&mut self.probes),
        }
    }

    /// Something that must never happen, happened. The first one counts; the run is over.
    pub(crate) fn violate(&mut self, violation: Violation) {
        self.over = true;
        if self.broken.is_none() {
            self.broken = Some(Broken { violation, at: self.now, event: self.trace.records() });
        }
    }

    fn panicked(&mut self, panic: &str) {
        let who = self.running.map_or("the scene".to_string(), |node| format!("n{node}"));
        let number = panic.strip_prefix("contract ").and_then(|rest| rest.split([' ', ':']).next());
        let invariant = number.unwrap_or("panic").to_string();
        self.violate(Violation { invariant, what: format!("{who}: {panic}") });
    }

    pub(crate) fn endpoints(&self) -> usize {
        self.node_count + self.client_count
    }

    #[inline]
    pub(crate) fn link(&self, from: usize, to: usize) -> usize {
        from * self.endpoints() + to
    }

    /// The next message's id.
    #[inline]
    pub(crate) fn next_id(&mut self) -> u64 {
        self.messages += 1;
        self.messages
    }
}
