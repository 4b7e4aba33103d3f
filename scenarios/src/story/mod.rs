//! Stories: directed tests that read like one.
//!
//! ```
//! use seedfast_scenarios::story::Story;
//!
//! let mut story = Story::new(3);
//! story.until_leader(0);
//! story.propose("x", 0);
//! story.advance_millis(100);
//! story.cut(&[&[0], &[1, 2]]);
//! story.propose("lost", 0);
//! story.until_leader(2);
//! story.mend();
//! story.advance_millis(1_000);
//! assert_eq!(story.applied(0), ["x"]);
//! assert_eq!(story.applied(0), story.applied(2));
//! ```
//!
//! A story runs in the very world that campaigns run in, judged by the same oracles; only its faults come from the
//! teller. Each node has a client of its own beside it, cut off together with it. Elections are predictable: the lower
//! a node's number, the shorter its timeout, so n0 leads first. A node says no to a pre-vote until its own timeout is
//! over; hence n2 follows n0 in office among three nodes, and n3 among five. [`script`] tells stories from text files.

mod scene;
pub mod script;

use scene::{StoryScene, config};
use seedfast_core::client::{Request, Verb};
use seedfast_core::paxos::Ballot;
use seedfast_core::{Buffer, Duration, Instant, NodeId, SessionId};
use seedfast_kv::Command;
use seedfast_sim::{ClientId, Cut, Disk, Fault, Loss, NoTrace, Schedule, Target, Turns, World};

pub use scene::{Answer, Event};

/// The list that stories append to.
const KEY: &[u8] = b"story";
/// No story waits longer than this for anything, in simulated time.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than any story.
const FOR_EVER: u64 = 3_600_000_000_000;

/// A cluster, and whoever tells what happens to it.
pub struct Story {
    world: World,
    scene: StoryScene,
    nodes: u8,
    session: Option<SessionId>,
    sequence: u64,
    /// The words proposed so far, by sequence number.
    words: Vec<(u64, String)>,
}

impl Story {
    /// A cluster of `nodes` replicas that have just started, on a calm network.
    pub fn new(nodes: u8) -> Self {
        Story::seeded(nodes, 1)
    }

    /// The same, with other draws: a power loss leaves something else of what was not durable, and timeouts differ by
    /// milliseconds.
    pub fn seeded(nodes: u8, seed: u64) -> Self {
        Story::with_snapshots(nodes, seed, None)
    }

    /// The same, with replicas that take a snapshot every so many `slots`.
    pub fn with_snapshots(nodes: u8, seed: u64, slots: Option<u64>) -> Self {
        let network =
            seedfast_sim::Network { latency_min: 1_000_000, latency_max: 1_000_000, ..Default::default() };
        let disk = Disk {
            write_min: 50_000,
            write_max: 50_000,
            sync_min: 100_000,
            sync_max: 100_000,
            ..Disk::default()
        };
        let schedule = Schedule {
            nodes,
            clients: nodes,
            end: FOR_EVER,
            network,
            disk,
            turns: Turns::default(),
            clocks: Vec::new(),
            faults: Vec::new(),
        };
        let mut scene = StoryScene::new(nodes, slots);
        let mut world = World::new();
        world.reset(seed, &schedule, &mut scene);
        Story { world, scene, nodes, session: None, sequence: 0, words: Vec::new() }
    }

    /// The present, in simulated time.
    pub fn now(&self) -> Instant {
        self.world.now()
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        let until = self.world.now() + time;
        self.world.run_until(until, &mut self.scene, &mut NoTrace);
        self.check();
    }

    /// Lets `millis` milliseconds pass.
    pub fn advance_millis(&mut self, millis: u64) {
        self.advance(Duration::from_millis(millis));
    }

    /// Lets time pass until `condition` holds.
    ///
    /// # Panics
    /// If it does not within 20 simulated seconds.
    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&Story) -> bool) {
        let deadline = self.world.now() + PATIENCE;
        while !condition(self) {
            assert!(self.world.now() < deadline, "the story waited in vain for {what}");
            if !self.world.step(&mut self.scene, &mut NoTrace) {
                self.check();
                panic!("the world ended before {what}");
            }
        }
        self.check();
    }

    /// Lets time pass until `node` leads.
    pub fn until_leader(&mut self, node: u8) {
        self.until(&format!("n{node} to lead"), |story| story.leads(node).is_some());
    }

    /// Lets time pass until some node leads, and says which.
    pub fn until_some_leader(&mut self) -> u8 {
        self.until("a leader", |story| story.leader().is_some());
        self.leader().unwrap_or_default()
    }

    /// Lets time pass until `node` takes a step of the protocol: `what` as [`events`](Self::events) words it, or the
    /// beginning of it. Steps of before do not count.
    pub fn until_step(&mut self, node: u8, what: &str) {
        let since = self.scene.event_count();
        self.until(&format!("n{node}: {what}"), |story| story.scene.happened(since, node, what));
    }

    /// Cuts the cluster into groups; a node in none is alone. Messages on their way across are lost.
    pub fn cut(&mut self, groups: &[&[u8]]) {
        let groups = groups.iter().map(|group| self.with_clients(group)).collect();
        self.inject(Fault::Partition { groups, lasts: None });
    }

    /// Ends the cut.
    pub fn mend(&mut self) {
        let all: Vec<u8> = (0..self.nodes).collect();
        self.cut(&[&all]);
    }

    fn with_clients(&self, group: &[u8]) -> Vec<u8> {
        group.iter().copied().chain(group.iter().map(|node| node + self.nodes)).collect()
    }

    /// Crashes a node between two turns.
    pub fn crash(&mut self, node: u8, loss: Loss) {
        self.inject(Fault::Crash { target: Target::Node(node), loss, cut: Cut::Now, restart_after: None });
    }

    /// Crashes a node in its next turn with more than `outputs` outputs, after so many of them; observations do not count.
    pub fn crash_after(&mut self, node: u8, loss: Loss, outputs: u16) {
        let cut = Cut::AfterOutput(outputs);
        self.inject(Fault::Crash { target: Target::Node(node), loss, cut, restart_after: None });
    }

    /// Starts a crashed node from what its device kept.
    pub fn restart(&mut self, node: u8) {
        self.inject(Fault::Restart { node });
    }

    /// A node loses its device; another one, formatted to take its place, is put in. The node is down until it is
    /// restarted.
    pub fn lose(&mut self, node: u8) {
        self.inject(Fault::LoseDevices { target: Target::Node(node), restart_after: None });
    }

    /// Lets any fault strike now.
    pub fn inject(&mut self, fault: Fault) {
        self.world.inject(fault, &mut self.scene, &mut NoTrace);
        self.check();
    }

    /// Ends everything that goes wrong; crashed nodes start.
    pub fn heal(&mut self) {
        self.inject(Fault::Heal);
    }

    /// A client asks `node` to append `word` to the list. The answer comes later, if at all.
    pub fn propose(&mut self, word: &str, node: u8) {
        let session = self.session(node);
        self.sequence += 1;
        self.words.push((self.sequence, word.to_owned()));
        self.scene.word(session, self.sequence, word);
        // The story does not say that it holds an answer, so that it can ask again.
        self.command(session, self.sequence, 1, word, node);
    }

    /// As [`propose`](Self::propose), and the client says that it holds the answers up to that of `known`: it will
    /// never ask for them again.
    ///
    /// # Panics
    /// If `known` was never proposed.
    pub fn propose_knowing(&mut self, word: &str, known: &str, node: u8) {
        let below = self.sequence_of(known) + 1;
        let session = self.session(node);
        self.sequence += 1;
        self.words.push((self.sequence, word.to_owned()));
        self.scene.word(session, self.sequence, word);
        self.command(session, self.sequence, below, word, node);
    }

    /// A client asks `node` to append `word`, in a session that nobody ever opened.
    pub fn propose_as_stranger(&mut self, word: &str, node: u8) {
        let stranger = SessionId(u64::MAX);
        self.sequence += 1;
        self.scene.word(stranger, self.sequence, word);
        self.command(stranger, self.sequence, 1, word, node);
    }

    /// So many other clients open a session each, all at once, at `node`.
    pub fn open_sessions(&mut self, count: u32, node: u8) {
        for _ in 0..count {
            self.open(node);
        }
    }

    /// The client asks `node` for the very same command again.
    ///
    /// # Panics
    /// If `word` was never proposed.
    pub fn retry(&mut self, word: &str, node: u8) {
        let sequence = self.sequence_of(word);
        let session = self.session(node);
        self.command(session, sequence, 1, word, node);
    }

    fn sequence_of(&self, word: &str) -> u64 {
        let found = self.words.iter().find(|(_, known)| known == word);
        found.unwrap_or_else(|| panic!("`{word}` was never proposed")).0
    }

    fn command(&mut self, session: SessionId, sequence: u64, below: u64, word: &str, node: u8) {
        let mut payload = Vec::new();
        Command::PushRight { key: KEY, elements: [word.as_bytes()].as_slice().into() }.encode(&mut payload);
        let request = Request { verb: Verb::Command, acknowledged_below: below, payload: &payload };
        self.request(&request, session, sequence, node);
    }

    /// A client asks `node` for the list.
    pub fn read(&mut self, node: u8) {
        let mut payload = Vec::new();
        Command::ListRange { key: KEY, start: 0, stop: -1 }.encode(&mut payload);
        let request = Request { verb: Verb::Query, acknowledged_below: 1, payload: &payload };
        self.request(&request, SessionId::NONE, u64::MAX, node);
    }

    fn request(&mut self, request: &Request<'_>, session: SessionId, sequence: u64, node: u8) {
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        self.world.request(ClientId(node), NodeId(node), session, sequence, Buffer::from(bytes));
        self.check();
    }

    /// The story's session; opened at `node` the first time, or at whoever leads then.
    fn session(&mut self, node: u8) -> SessionId {
        if let Some(session) = self.session {
            return session;
        }
        let node = self.leader().unwrap_or(node);
        self.open(node);
        self.until("a session", |story| story.scene.opened().is_some());
        let session = self.scene.opened().unwrap_or(SessionId::NONE);
        self.session = Some(session);
        session
    }

    fn open(&mut self, node: u8) {
        let request = Request { verb: Verb::OpenSession, acknowledged_below: 0, payload: &[] };
        self.request(&request, SessionId::NONE, 0, node);
    }

    /// The ballot under which `node` leads, as far as it knows.
    pub fn leads(&self, node: u8) -> Option<Ballot> {
        self.scene.node(node).leads
    }

    /// The leader of the highest ballot.
    pub fn leader(&self) -> Option<u8> {
        (0..self.nodes).filter(|node| self.leads(*node).is_some()).max_by_key(|node| self.leads(*node))
    }

    /// Whether a process lives on `node`.
    pub fn is_up(&self, node: u8) -> bool {
        self.world.is_up(NodeId(node))
    }

    /// The words that `node` has applied in this life, in order.
    pub fn applied(&self, node: u8) -> Vec<String> {
        self.scene.node(node).applied.clone()
    }

    /// How many slots `node` has applied in this life.
    pub fn applied_slots(&self, node: u8) -> u64 {
        self.scene.node(node).slots
    }

    /// The highest ballot that `node` is known to have promised.
    pub fn promised(&self, node: u8) -> Ballot {
        self.scene.node(node).promised
    }

    /// How many answers came since they were last [taken](Self::answers).
    pub fn answered(&self) -> usize {
        self.scene.answer_count()
    }

    /// The answers that came since this was last asked.
    pub fn answers(&mut self) -> Vec<Answer> {
        self.scene.take_answers()
    }

    /// The protocol's steps since this was last asked.
    pub fn events(&mut self) -> Vec<Event> {
        self.scene.take_events()
    }

    /// Whether the probe named `name` was reached so far: what makes a story sure that it told what it meant to.
    pub fn reached(&self, name: &str) -> bool {
        self.world.probes().contains_key(name)
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> u8 {
        self.nodes
    }

    fn check(&self) {
        if let Some(broken) = self.world.broken() {
            panic!("{} broke at {}: {}", broken.violation.invariant, self.world.now(), broken.violation.what);
        }
    }

    /// What every node's configuration is, for those who compute with timeouts.
    pub fn config(&self, node: u8) -> seedfast_core::paxos::Config {
        config(self.nodes, node, self.scene.slots)
    }
}
