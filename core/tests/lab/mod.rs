//! Replicas driven effect by effect over devices that forget what was not synced: for tests that crash a replica between
//! any two of its effects and look at what every replica says about its snapshots.

use crate::cluster::{CLUSTER, GROUP, Sum};
use seedfast_core::client::{Request, Response, Status, Verb};
use seedfast_core::journal::{Identity, Options, Standing, format};
use seedfast_core::paxos::observe::Observation;
use seedfast_core::paxos::{Ballot, Config, Replica, Slot, founding};
use seedfast_core::storage::{Durability, Step};
use seedfast_core::{
    Buffer, Command, Completion, ConnectionId, Duration, Geometry, Incarnation, Input, Instant, Kind, NodeId,
    Now, Outbox, Output, PeerSet, Process, SessionId, Start, TimerId, WallTime,
};
use std::collections::{BTreeMap, VecDeque};

/// What every device has.
pub(crate) const CAPACITY: u64 = 192 << 10;
/// How it is formatted: room for a small snapshot, and a ring that a few dozen commands fill.
pub(crate) const OPTIONS: Options = Options { copy: 512, area: 16 << 10, segment: 8 << 10, segments: 8 };
/// Every effect brings so much time, in nanoseconds.
const TICK: u64 = 1_000_000;

/// A device: what is visible, and what would survive a power loss.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) visible: Vec<u8>,
    durable: Vec<u8>,
}

impl Disk {
    fn formatted(identity: &Identity) -> Self {
        let mut visible = vec![0; CAPACITY as usize];
        for (at, bytes) in format(identity, &Geometry::disk(CAPACITY), &OPTIONS).expect("it fits") {
            visible[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
        }
        Disk { durable: visible.clone(), visible }
    }
}

pub(crate) struct Member {
    pub(crate) replica: Option<Replica<Sum>>,
    pub(crate) disk: Disk,
    inbox: VecDeque<Input>,
    timers: [Option<Instant>; 8],
    incarnation: u32,
    /// Nothing reaches it, and it reaches nobody.
    pub(crate) cut: bool,
    /// Effects so far, and after how many of them it crashes.
    pub(crate) effects: u64,
    pub(crate) crash_after: Option<u64>,
    pub(crate) halted: Option<String>,
    /// What it said, in order.
    pub(crate) said: Vec<Observation>,
    /// The slot of its durable snapshot, as it said.
    durable: Slot,
    /// The votes that it announced.
    votes: BTreeMap<Slot, Ballot>,
    pub(crate) frames: BTreeMap<u8, u64>,
    /// Kinds of message that are lost when it sends them.
    pub(crate) lost: Vec<Kind>,
}

/// A group of replicas.
pub(crate) struct Lab {
    pub(crate) members: Vec<Member>,
    out: Outbox,
    now: u64,
    config: Config,
    /// The digest after each slot, by whoever applied it first.
    digests: BTreeMap<u64, u64>,
    pub(crate) answers: Vec<Answer>,
    /// How many requests were refused for want of room.
    pub(crate) overloaded: u64,
    /// Whether a crash takes what was not synced.
    pub(crate) power: bool,
}

/// An answer that a client got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: Status,
    pub(crate) session: SessionId,
    pub(crate) sequence: u64,
}

impl Lab {
    /// `count` formatted replicas that take a snapshot every eight slots and keep a tail of two, unless `change` says
    /// otherwise.
    pub(crate) fn new(count: usize, change: impl Fn(&mut Config)) -> Self {
        let mut config = Config::new(GROUP, PeerSet::first(count));
        (config.snapshot_slots, config.tail_slots) = (8, 2);
        (config.piece_bytes, config.batch_bytes, config.sessions) = (64, 2048, 4);
        change(&mut config);
        let member = |id: usize| Member {
            replica: None,
            disk: Disk::formatted(&founding(CLUSTER, GROUP, NodeId(id as u8))),
            inbox: VecDeque::new(),
            timers: [None; 8],
            incarnation: 0,
            cut: false,
            effects: 0,
            crash_after: None,
            halted: None,
            said: Vec::new(),
            durable: Slot(0),
            votes: BTreeMap::new(),
            frames: BTreeMap::new(),
            lost: Vec::new(),
        };
        let mut lab = Lab {
            members: (0..count).map(member).collect(),
            out: Outbox::new(true),
            now: 0,
            config,
            digests: BTreeMap::new(),
            answers: Vec::new(),
            overloaded: 0,
            power: true,
        };
        (0..count).for_each(|id| lab.start(id));
        lab
    }

    /// A new life of a member begins.
    pub(crate) fn start(&mut self, id: usize) {
        let config = self.config.clone();
        let member = &mut self.members[id];
        member.replica = Some(Replica::new(config, Sum::default()).expect("the configuration is valid"));
        member.incarnation += 1;
        member.halted = None;
        let start = Start {
            incarnation: Incarnation(member.incarnation),
            entropy: [id as u8 * 16 + member.incarnation as u8; 32],
            cluster: CLUSTER,
            node: NodeId(id as u8),
            devices: vec![Geometry::disk(CAPACITY)],
            queue_depth: 16,
            frame_limit: 16 << 20,
        };
        member.inbox.push_back(Input::Start(start));
    }

    /// A life ends; what was not synced goes with the power.
    pub(crate) fn crash(&mut self, id: usize) {
        let power = self.power;
        let member = &mut self.members[id];
        member.replica = None;
        member.inbox.clear();
        member.timers = [None; 8];
        member.crash_after = None;
        if power {
            member.disk.visible.clone_from(&member.disk.durable);
        }
    }

    /// The member's device is lost, and another one formatted in its place.
    pub(crate) fn replace(&mut self, id: usize) {
        self.crash(id);
        let founding = founding(CLUSTER, GROUP, NodeId(id as u8));
        let identity = Identity { serial: founding.serial ^ 99, standing: Standing::Replacement, ..founding };
        self.members[id].disk = Disk::formatted(&identity);
        self.members[id].durable = Slot(0);
        self.members[id].votes.clear();
    }

    pub(crate) fn is_up(&self, id: usize) -> bool {
        self.members[id].replica.is_some()
    }

    fn turn(&mut self, id: usize, input: Input) {
        let now = Now { monotonic: Instant::from_nanos(self.now), wall: WallTime(self.now as i64) };
        let Some(replica) = &mut self.members[id].replica else { return };
        replica.turn(now, input, &mut self.out);
        let mut outputs = Vec::new();
        self.out.swap(&mut outputs);
        for output in outputs {
            if !self.is_up(id) {
                break;
            }
            self.carry_out(id, output);
        }
    }

    /// Counts an effect; false if the member crashed instead.
    fn effect(&mut self, id: usize) -> bool {
        let member = &mut self.members[id];
        if member.crash_after == Some(member.effects) {
            self.crash(id);
            return false;
        }
        member.effects += 1;
        self.now += TICK / 100;
        true
    }

    fn carry_out(&mut self, id: usize, output: Output) {
        match output {
            Output::Send { to, kind, group, frame } => {
                if !self.effect(id) || self.members[id].cut || self.members[id].lost.contains(&kind) {
                    return;
                }
                *self.members[id].frames.entry(kind.0).or_default() += 1;
                for peer in to.iter().map(|peer| usize::from(peer.0)) {
                    if !self.members[peer].cut && self.is_up(peer) {
                        let (frame, from) = (frame.clone(), NodeId(id as u8));
                        self.members[peer].inbox.push_back(Input::Receive { from, kind, group, frame });
                    }
                }
            }
            Output::Timer { id: TimerId(timer), at } => self.members[id].timers[timer as usize] = at,
            Output::Submit { op, chain, durability, .. } => {
                let ends = (durability == Durability::Durable).then_some(Step::Barrier);
                for step in chain.into_iter().chain(ends) {
                    if !self.effect(id) {
                        return;
                    }
                    let disk = &mut self.members[id].disk;
                    match step {
                        Step::Write { at, buffer } => {
                            disk.visible[at as usize..at as usize + buffer.len()].copy_from_slice(&buffer);
                        }
                        Step::Barrier | Step::Persist(_) => disk.durable.clone_from(&disk.visible),
                        Step::Drain => {}
                    }
                }
                if self.effect(id) {
                    self.complete(id, Input::Completed { op, result: Completion::Done });
                }
            }
            Output::Read { op, range, .. } => {
                let bytes = &self.members[id].disk.visible[range.at as usize..][..range.length as usize];
                let result = Completion::Data(Buffer::copy_from(bytes));
                self.complete(id, Input::Completed { op, result });
            }
            Output::Respond { bytes, .. } if !self.members[id].cut => {
                let Response { status, session, sequence, .. } = Response::decode(&bytes).expect("an answer");
                self.overloaded += u64::from(status == Status::Overloaded);
                self.answers.push(Answer { status, session, sequence });
            }
            Output::Halt { why } => {
                self.members[id].halted = Some(String::from_utf8_lossy(&why).into_owned());
                self.members[id].replica = None;
            }
            Output::Observe { kind, bytes } => {
                if let Ok(Some(said)) = Observation::decode(kind, &bytes) {
                    self.judge(id, &said);
                    self.members[id].said.push(said);
                }
            }
            _ => {}
        }
    }

    fn complete(&mut self, id: usize, input: Input) {
        self.members[id].inbox.push_back(input);
    }

    /// I15, I20, I21 and I22, as far as they are about one step.
    fn judge(&mut self, id: usize, said: &Observation) {
        match said {
            Observation::Apply { slot, digest, .. } => {
                let first = *self.digests.entry(slot.0).or_insert(*digest);
                assert_eq!(first, *digest, "I15: slot {slot} on n{id}");
            }
            Observation::Snapshot { slot, digest } => {
                assert_eq!(
                    self.digests.get(&(slot.0 - 1)),
                    Some(digest),
                    "I21: snapshot below {slot} of n{id}"
                );
                assert!(*slot >= self.members[id].durable, "I22: an older snapshot");
                self.members[id].durable = *slot;
            }
            Observation::Install { slot, digest } => {
                assert_eq!(
                    self.digests.get(&(slot.0 - 1)),
                    Some(digest),
                    "I21: n{id} installed below {slot}"
                );
                assert_eq!(self.members[id].durable, *slot, "I22: n{id} installed what is not durable");
            }
            Observation::Trim { below } => {
                assert!(*below <= self.members[id].durable, "I22: n{id} forgot what is below {below}");
            }
            Observation::Accept { vote }
                if self.members[id].said.iter().all(|said| *said != Observation::Amnesiac) =>
            {
                self.members[id].votes.insert(vote.slot, vote.ballot);
            }
            Observation::Restart { first, votes, .. } => {
                let member = &mut self.members[id];
                assert!(*first >= member.durable, "I22: n{id} lost its durable snapshot");
                member.durable = *first;
                for (slot, ballot) in member.votes.range(*first..) {
                    let kept = votes.iter().any(|vote| vote.slot == *slot && vote.ballot >= *ballot);
                    assert!(kept, "I4: n{id} lost its vote at slot {slot} behind its snapshot below {first}");
                }
            }
            Observation::Promise { .. } | Observation::Accept { .. } | Observation::Prepare { .. } => {
                let amnesiac = self.members[id].said.contains(&Observation::Amnesiac);
                assert!(!amnesiac, "I20: n{id} says {said:?}");
            }
            _ => {}
        }
    }

    /// One burst of every member, and the timers that are due.
    pub(crate) fn round(&mut self) {
        self.now += TICK;
        for id in 0..self.members.len() {
            for timer in 0..8 {
                let due = self.members[id].timers[timer].is_some_and(|at| at.as_nanos() <= self.now);
                if due {
                    self.members[id].timers[timer] = None;
                    self.members[id].inbox.push_back(Input::Timer { id: TimerId(timer as u16) });
                }
            }
            let mut waiting = self.members[id].inbox.len();
            if waiting == 0 {
                continue;
            }
            while waiting > 0
                && let Some(input) = self.members[id].inbox.pop_front()
            {
                waiting -= 1;
                self.turn(id, input);
            }
            self.turn(id, Input::EndOfBurst);
        }
    }

    /// Rounds until `done`, at most for a minute of simulated time.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&Lab) -> bool) {
        let end = self.now + Duration::from_secs(60).as_nanos();
        while !done(self) {
            assert!(self.now < end, "{what}: not within a minute; halted: {:?}", self.halted());
            self.round();
        }
    }

    pub(crate) fn rounds(&mut self, count: usize) {
        (0..count).for_each(|_| self.round());
    }

    fn halted(&self) -> Vec<Option<&str>> {
        self.members.iter().map(|member| member.halted.as_deref()).collect()
    }

    /// Who leads, of those that are not cut off.
    pub(crate) fn leader(&self) -> Option<usize> {
        let ballot = |id: usize| {
            let member = &self.members[id];
            let status = member.replica.as_ref().filter(|_| !member.cut)?.status()?;
            status.leads.map(|ballot| (ballot, id))
        };
        (0..self.members.len()).filter_map(ballot).max().map(|(_, id)| id)
    }

    pub(crate) fn sum(&self, id: usize) -> Option<(u64, u64)> {
        let machine = self.members[id].replica.as_ref()?.machine();
        Some((machine.sum, machine.count))
    }

    /// The client has the answers below `acknowledged_below`.
    fn request(
        &mut self,
        to: usize,
        verb: Verb,
        session: SessionId,
        (sequence, acknowledged_below): (u64, u64),
        payload: &[u8],
    ) {
        let mut bytes = self.out.buffer();
        Request { verb, acknowledged_below, payload }.encode(&mut bytes);
        let (bytes, connection) = (bytes.freeze(), ConnectionId(1));
        self.members[to].inbox.push_back(Input::Request {
            group: GROUP,
            connection,
            session,
            sequence,
            bytes,
        });
    }

    /// An operator asks one member.
    pub(crate) fn control(&mut self, to: usize, words: &[u8]) {
        let command = Command { connection: ConnectionId(1), bytes: Buffer::copy_from(words) };
        self.members[to].inbox.push_back(Input::Control(command));
    }

    /// A client asks until it is answered.
    #[track_caller]
    fn ask(&mut self, verb: Verb, session: SessionId, sequence: u64, payload: &[u8]) -> SessionId {
        for _ in 0..400 {
            self.answers.clear();
            self.until("a leader", |lab| lab.leader().is_some());
            let leader = self.leader().expect("somebody leads");
            self.request(leader, verb, session, (sequence, sequence), payload);
            for _ in 0..40 {
                self.round();
                // A stale one took effect, and a later command has acknowledged it.
                let done = self.answers.iter().find(|answer| {
                    answer.sequence == sequence && matches!(answer.status, Status::Done | Status::Stale)
                });
                if let Some(answer) = done {
                    return answer.session;
                }
                if self.answers.iter().any(|answer| answer.sequence == sequence) {
                    break;
                }
            }
        }
        panic!("{verb:?} {sequence} was never answered: {:?}, halted: {:?}", self.answers, self.halted());
    }

    pub(crate) fn open_session(&mut self) -> SessionId {
        self.ask(Verb::OpenSession, SessionId::NONE, 1, &[])
    }

    /// Commands `from..to` of a session, each of which adds its own number.
    #[track_caller]
    pub(crate) fn commands(&mut self, session: SessionId, from: u64, to: u64) {
        for number in from..to {
            self.ask(Verb::Command, session, number, &number.to_le_bytes());
        }
    }

    /// So many large commands at once to the leader, whose answers nobody waits for.
    pub(crate) fn burst(&mut self, session: SessionId, from: u64, to: u64) {
        let leader = self.leader().expect("somebody leads");
        for number in from..to {
            let mut payload = number.to_le_bytes().to_vec();
            payload.resize(1500, 0);
            // None of them was answered yet. Of two that are under way the later one may be decided alone.
            self.request(leader, Verb::Command, session, (number, from), &payload);
        }
    }

    /// Messages of these kinds are lost from now on, whoever sends them.
    pub(crate) fn lose(&mut self, kinds: &[Kind]) {
        self.members.iter_mut().for_each(|member| member.lost = kinds.to_vec());
    }

    /// Everybody that runs comes to what the commands `1..to` add up to, each once.
    #[track_caller]
    pub(crate) fn converge(&mut self, to: u64) {
        let expected = Some(((1..to).sum(), to - 1));
        self.until("every replica has applied everything once", |lab| {
            (0..lab.members.len()).all(|id| lab.sum(id) == expected)
        });
    }
}
