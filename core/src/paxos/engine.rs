//! The consensus engine of one replica: everything but the state machine and its sessions. It routes; the roles
//! stand in `acceptor`, `candidate`, `leader` and `learner`.

use super::candidate::{Campaign, Soundings};
use super::config::Config;
use super::durable::{Durable, Found, Read, Unreadable, restore};
use super::keeper::Keeper;
use super::leader::Leadership;
use super::log::Log;
use super::observe::{HaltCause, Observation, VoteSeen};
use super::timer::Timer;
use super::wire::{Address, Entry, Message};
use super::{Ballot, Slot};
use crate::buffer::Buffer;
use crate::client::{Response, Status};
use crate::id::{ConnectionId, NodeId, OperationId, PeerSet, SessionId};
use crate::input::{Input, Start};
use crate::journal::{Full, Happened, Refusal, Restored, SnapshotFound, Standing};
use crate::outbox::Outbox;
use crate::random::Random;
use crate::storage::Completion;
use crate::time::{Duration, Instant, Now, WallTime};
use crate::{invariant, requires};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What a replica is doing.
pub(crate) enum Role {
    /// It follows a leader, or waits for one.
    Follower,
    /// It asks whether it would be promised a ballot (pre-election).
    Sounding(Soundings),
    /// It asks for promises.
    Candidate(Campaign),
    /// It leads.
    Leader(Box<Leadership>),
}

/// A reply that is withheld until what it says is durable (I7).
pub(crate) enum Withheld {
    Promise { ballot: Ballot, from: Slot, to: NodeId },
    OwnPromise { ballot: Ballot },
    Accepted { ballot: Ballot, first: Slot, count: u32, to: NodeId },
    OwnAccept { ballot: Ballot, slot: Slot },
}

/// Who waits for a command to be applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    pub(crate) connection: ConnectionId,
    pub(crate) session: SessionId,
    pub(crate) sequence: u64,
}

pub(crate) struct Engine {
    pub(crate) config: Config,
    pub(crate) me: NodeId,
    pub(crate) address: Address,
    pub(crate) random: Random,
    pub(crate) journal: Durable,
    pub(crate) log: Log,
    /// The highest ballot promised; durable before anybody hears of it (I4, I7).
    pub(crate) promised: Ballot,
    /// The highest ballot heard of: a new one must be above it.
    pub(crate) highest_seen: Ballot,
    pub(crate) role: Role,
    pub(crate) withheld: VecDeque<(u64, Withheld)>,
    /// The leader that this replica follows, and when it was last heard.
    pub(crate) leader: Option<NodeId>,
    pub(crate) last_heard: Option<Instant>,
    pub(crate) election_timeout: Duration,
    /// How far somebody knows the log to be decided, and who said so.
    pub(crate) commit_seen: Slot,
    pub(crate) commit_source: Option<NodeId>,
    pub(crate) repairing: bool,
    /// The hybrid timestamp of the latest batch known.
    pub(crate) last_time: WallTime,
    /// Below this slot, the state machine has applied everything; the replica keeps it.
    pub(crate) applied: Slot,
    /// The state machine holds a state: that of the beginning, or of a snapshot that was read.
    pub(crate) ready: bool,
    pub(crate) keeper: Keeper,
    /// What the journal holds, until all of it was read.
    found: Vec<Found>,
    /// The device took the place of a lost one: what this node promised is not known, so it only learns (I20).
    pub(crate) amnesiac: bool,
    /// How many bytes of the journal it would have taken to lead when there was no room, while everything below that slot
    /// was decided.
    pub(crate) needed: (Slot, u64),
    /// The timer that ends the journal's rest is set.
    resting: bool,
    spare_waiters: Vec<Vec<Waiter>>,
    /// Empty: for the entries of the next message, sent or received.
    pub(crate) entries: Vec<Entry>,
}

/// Why a life ended early.
pub(crate) enum Ended {
    /// The journal refuses to be served from; the device was not changed.
    Refused(Refusal),
    /// The segments of the log hold values of so many bytes, and a batch may have more.
    Segments(usize),
    Storage,
    Full,
}

impl Ended {
    /// What kind of end that is.
    pub(crate) fn cause(&self) -> HaltCause {
        match self {
            Ended::Refused(refusal) => match refusal {
                Refusal::Unformatted
                | Refusal::TooShort { .. }
                | Refusal::Contradiction
                | Refusal::MetadataLost
                | Refusal::Damage { .. }
                | Refusal::Malformed { .. } => HaltCause::Lost,
                // It may pass; if it does not, nobody can serve from it.
                Refusal::Unreadable { .. } => HaltCause::Device,
                Refusal::NotAJournal
                | Refusal::Alignment { .. }
                | Refusal::NewerFormat { .. }
                | Refusal::NewerRecord { .. }
                | Refusal::Foreign { .. } => HaltCause::Foreign,
                Refusal::Device => HaltCause::Device,
            },
            Ended::Segments(_) => HaltCause::Foreign,
            Ended::Storage => HaltCause::Device,
            Ended::Full => HaltCause::Full,
        }
    }

    /// One sentence for the operator.
    pub(crate) fn why(&self) -> String {
        match self {
            Ended::Refused(refusal) => refusal.to_string(),
            Ended::Segments(most) => alloc::format!(
                "the journal was formatted for values of at most {most} bytes and batches may be larger: lower \
                 batch_bytes, or format a device with larger segments"
            ),
            Ended::Full => "the device is full: give this node a larger one".to_string(),
            Ended::Storage => {
                "a write or a sync failed, so what this node promised may be lost: check the device, then \
                               start again"
                    .to_string()
            }
        }
    }
}

impl Engine {
    /// A new life begins; the journal is read first.
    pub(crate) fn start(config: Config, start: &Start, out: &mut Outbox) -> Self {
        let journal = Durable::open(start, config.group, out);
        let election_timeout = config.election_max;
        Engine {
            address: Address { cluster: start.cluster, group: config.group, epoch: 0 },
            me: start.node,
            random: Random::new(&start.entropy),
            journal,
            log: Log::default(),
            promised: Ballot::ZERO,
            highest_seen: Ballot::ZERO,
            role: Role::Follower,
            withheld: VecDeque::new(),
            leader: None,
            last_heard: None,
            election_timeout,
            commit_seen: Slot(0),
            commit_source: None,
            repairing: false,
            last_time: WallTime(0),
            applied: Slot(0),
            ready: true,
            keeper: Keeper::default(),
            found: Vec::new(),
            amnesiac: false,
            needed: (Slot(0), 0),
            resting: false,
            spare_waiters: Vec::new(),
            entries: Vec::new(),
            config,
        }
    }

    /// Whether the journal has been read and the replica takes part.
    pub(crate) fn is_running(&self) -> bool {
        self.journal.is_open()
    }

    /// One input. `Request`s do not come here: the replica hands commands in by [`submit`](Self::submit).
    pub(crate) fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) -> Result<(), Ended> {
        match input {
            Input::Completed { op, result } => self.completed(now, op, result, out)?,
            Input::Control(command) => self.on_control(&command, out),
            _ if !self.is_running() => {}
            Input::Receive { from, kind, frame, .. } => self.receive(now, from, kind, &frame, out),
            Input::Timer { id } => match Timer::of(id) {
                Some(Timer::Election) => self.on_election_timer(now, out),
                Some(Timer::Heartbeat) => self.on_heartbeat_timer(now, out),
                Some(Timer::Retransmit) => self.on_retransmit_timer(now, out),
                Some(Timer::Repair) => self.on_repair_timer(now, out),
                Some(Timer::Storage) => self.on_storage_timer(out),
                Some(Timer::Snapshot) => self.on_snapshot_timer(now, out),
                Some(Timer::Rest) => self.on_rest_timer(out),
                // The burst ends, and with it the wait.
                Some(Timer::Gather) => {}
                None => {}
            },
            Input::EndOfBurst => self.end_of_burst(now, out)?,
            _ => {}
        }
        Ok(())
    }

    fn receive(&mut self, now: Now, from: NodeId, kind: crate::Kind, frame: &Buffer, out: &mut Outbox) {
        let member = self.config.voters.contains(from) && from != self.me;
        let decoded = if member {
            Message::decode_with(&self.address, from, kind, frame, &mut self.entries)
        } else {
            Err(super::wire::Refusal::Sender)
        };
        match decoded {
            Ok(message) => self.on_message(now, from, message, out),
            Err(refusal) => {
                out.sometimes(true, "a frame was refused");
                self.observe(out, || Observation::Refused { from, why: refusal as u8 });
            }
        }
    }

    /// What a replica that lost its memory hears: how far the log is decided, and what was decided. It answers nothing
    /// that rests on what it once promised or voted for, not even that it follows a leader.
    fn on_message_as_amnesiac(&mut self, now: Now, from: NodeId, message: Message, out: &mut Outbox) {
        match message {
            Message::Accept { ballot, commit, .. } | Message::Heartbeat { ballot, commit, .. } => {
                if ballot >= self.highest_seen && ballot.node() == from {
                    self.highest_seen = ballot;
                    self.leader = Some(from);
                }
                self.note_commit(now, from, commit, out);
            }
            Message::CatchUp { .. }
            | Message::Learn { .. }
            | Message::Snapshot { .. }
            | Message::Fetch { .. }
            | Message::Piece { .. } => self.on_learning(now, from, message, out),
            _ => out.sometimes(true, "an amnesiac kept silent"),
        }
    }

    fn on_message(&mut self, now: Now, from: NodeId, message: Message, out: &mut Outbox) {
        if self.amnesiac {
            return self.on_message_as_amnesiac(now, from, message, out);
        }
        match message {
            Message::PreVote { ballot, decided } => self.on_pre_vote(now, from, ballot, decided, out),
            Message::PreVoteReply { ballot, granted, promised, decided } => {
                self.on_pre_vote_reply(now, from, ballot, granted, promised, decided, out);
            }
            Message::Prepare { ballot, from: slot } => self.on_prepare(now, from, ballot, slot, out),
            Message::Promise { ballot, from: slot, votes } => {
                self.on_promise(now, from, ballot, slot, votes, out);
            }
            Message::Reject { promised } => self.on_reject(now, promised, out),
            Message::Accept { ballot, commit, entries } => {
                self.on_accept(now, from, ballot, commit, entries, out);
            }
            Message::Accepted { ballot, first, count } => {
                if self.note_peer(now, from, ballot).is_some() {
                    self.on_accepted(from, ballot, first, count, out);
                }
            }
            Message::Heartbeat { ballot, round, commit } => {
                self.on_heartbeat(now, from, ballot, round, commit, out);
            }
            Message::HeartbeatReply { ballot, round } => self.on_heartbeat_reply(now, from, ballot, round),
            learning => self.on_learning(now, from, learning, out),
        }
    }

    /// The messages by which decided values and snapshots go from who has them to who asks for them.
    fn on_learning(&mut self, now: Now, from: NodeId, message: Message, out: &mut Outbox) {
        match message {
            Message::CatchUp { from: slot, stateless } => self.on_catch_up(from, slot, stateless, out),
            Message::Learn { decided, entries } => self.on_learn(now, from, decided, entries, out),
            Message::Snapshot { name, digest, decided } => {
                self.on_snapshot(now, from, name, digest, decided, out);
            }
            Message::Fetch { name, offset } => self.on_fetch(now, from, name, offset, out),
            Message::Piece { name, offset, bytes } => self.on_piece(name, offset, &bytes, out),
            _ => {}
        }
    }

    fn end_of_burst(&mut self, now: Now, out: &mut Outbox) -> Result<(), Ended> {
        self.close_batches(now, out);
        let lags = self.decided_lags();
        self.journal.end_of_burst(self.log.decided(), lags, out).map_err(|Full| Ended::Full)?;
        if self.config.rest == Duration::ZERO {
            self.journal.journal_mut().rest(out);
        } else if !self.resting && self.journal.journal().wants_rest() {
            self.resting = true;
            out.timer(Timer::Rest.id(), Some(now.monotonic + self.config.rest));
        }
        Ok(())
    }

    /// The journal came to rest a while ago. If it writes again by now, it will rest another time.
    fn on_rest_timer(&mut self, out: &mut Outbox) {
        self.resting = false;
        self.journal.journal_mut().rest(out);
    }

    fn completed(
        &mut self,
        now: Now,
        op: OperationId,
        result: Completion,
        out: &mut Outbox,
    ) -> Result<(), Ended> {
        if !self.is_running() {
            return self.recover(now, op, &result, out);
        }
        match self.journal.completed(op, result, out) {
            Happened::Durable => {
                self.observe_durable(out);
                self.speak(now, out);
            }
            Happened::NoSpace => {
                out.sometimes(true, "a write found the device full and waits");
                out.timer(Timer::Storage.id(), Some(now.monotonic + self.config.retransmit));
            }
            Happened::Dead(_) => return Err(Ended::Storage),
            happened => self.on_snapshot_io(happened, out),
        }
        Ok(())
    }

    fn observe_durable(&self, out: &mut Outbox) {
        let (last, newest) = (self.journal.durable(), self.journal.journal().newest());
        self.observe(out, || Observation::Durable { last, at: newest.at, length: newest.length });
    }

    /// The device was full a while ago: the same writes are made again.
    fn on_storage_timer(&mut self, out: &mut Outbox) {
        self.journal.journal_mut().retry(out);
    }

    fn recover(
        &mut self,
        now: Now,
        op: OperationId,
        result: &Completion,
        out: &mut Outbox,
    ) -> Result<(), Ended> {
        let found = &mut self.found;
        let step = self.journal.step(op, result, &mut |record| found.push(Found::from(&record)), out);
        match step {
            Ok(Read::More) => Ok(()),
            Ok(Read::All(restored)) => self.begin(now, &restored, out),
            Err(Unreadable::Refused(refusal)) => Err(Ended::Refused(refusal)),
            Err(Unreadable::Failed) => Err(Ended::Storage),
        }
    }

    /// The journal was read, and what was read is durable: from here on the replica speaks.
    fn begin(&mut self, now: Now, restored: &Restored, out: &mut Outbox) -> Result<(), Ended> {
        let most = self.journal.journal().largest();
        if !self.journal.fits(self.config.batch_bytes as usize) {
            return Err(Ended::Segments(most));
        }
        let snapshot = match restored.snapshot {
            SnapshotFound::None => None,
            SnapshotFound::Whole(snapshot) | SnapshotFound::Damaged(snapshot) => Some(snapshot),
        };
        // What a snapshot stands in for may still be there, or not; what follows it is.
        let first = Slot(snapshot.map_or(0, |snapshot| snapshot.slot));
        self.log = Log::behind(first);
        for found in core::mem::take(&mut self.found) {
            restore(&mut self.log, &mut self.promised, &mut self.last_time, found);
        }
        self.ready = snapshot.is_none();
        self.keeper.begin(first, &restored.snapshot);
        self.promised = self.promised.max(Ballot(restored.promised));
        self.highest_seen = self.promised;
        self.commit_seen = self.log.decided();
        out.sometimes(self.log.end() > Slot(0), "a replica recovered votes from its journal");
        self.amnesiac = restored.standing == Standing::Replacement;
        if self.amnesiac {
            self.observe(out, || Observation::Amnesiac);
        } else {
            self.arm_election(now, out);
        }
        let (promised, votes) = (self.promised, self.votes_seen(Slot(0)));
        self.observe(out, || Observation::Restart { promised, first, votes });
        self.observe_durable(out);
        Ok(())
    }

    /// Hands out every withheld reply whose record is durable by now.
    fn speak(&mut self, now: Now, out: &mut Outbox) {
        while let Some((position, _)) = self.withheld.front() {
            if *position > self.journal.durable() {
                break;
            }
            let Some((_, reply)) = self.withheld.pop_front() else { break };
            self.release(now, reply, out);
        }
    }

    /// Withholds a reply until the journal is durable up to `position`; one that already is leaves at once.
    pub(crate) fn withhold(&mut self, now: Now, position: u64, reply: Withheld, out: &mut Outbox) {
        if position <= self.journal.durable() {
            self.release(now, reply, out);
        } else {
            invariant!(
                "I7",
                self.withheld.back().is_none_or(|(last, _)| *last <= position),
                "replies are withheld out of order"
            );
            self.withheld.push_back((position, reply));
        }
    }

    /// Sends `message` to every member of `to`.
    pub(crate) fn send(&self, to: PeerSet, message: &Message, out: &mut Outbox) {
        let to = to.without(self.me);
        if !to.is_empty() {
            let frame = message.encode(&self.address, self.me, out);
            out.send(to, message.kind(), self.config.group, frame);
        }
    }

    pub(crate) fn observe(&self, out: &mut Outbox, what: impl FnOnce() -> Observation) {
        if out.observing() {
            let what = what();
            out.observe(what.kind(), |bytes| what.encode(bytes));
        }
    }

    /// This acceptor's votes from `from` on, as oracles see them.
    pub(crate) fn votes_seen(&self, from: Slot) -> Vec<VoteSeen> {
        self.log
            .votes_from(from)
            .map(|(slot, cell)| VoteSeen { slot, ballot: cell.ballot, value: cell.vote.id })
            .collect()
    }

    /// This acceptor's votes from `from` on, as a promise reports them (I8).
    pub(crate) fn votes_from(&self, from: Slot) -> Vec<Entry> {
        self.log
            .votes_from(from)
            .map(|(slot, cell)| Entry {
                slot,
                ballot: cell.ballot,
                id: cell.vote.id,
                value: cell.vote.bytes.clone(),
            })
            .collect()
    }

    /// Answers a client without a payload.
    pub(crate) fn refuse(&self, waiter: Waiter, status: Status, out: &mut Outbox) {
        let mut bytes = out.buffer();
        let leader = self.leader.or(matches!(self.role, Role::Leader(_)).then_some(self.me));
        let (session, sequence) = (waiter.session, waiter.sequence);
        Response { status, leader, session, sequence, payload: &[] }.encode(&mut bytes);
        out.respond(waiter.connection, bytes.freeze());
    }

    /// Ends whatever this replica was leading or campaigning for.
    pub(crate) fn step_down(&mut self, now: Now, out: &mut Outbox) {
        let ballot = match core::mem::replace(&mut self.role, Role::Follower) {
            Role::Follower | Role::Sounding(_) => return,
            Role::Candidate(campaign) => campaign.ballot,
            Role::Leader(mut leadership) => {
                out.timer(Timer::Heartbeat.id(), None);
                out.timer(Timer::Gather.id(), None);
                // Whoever it was, it is not this node any more: clients must not be sent back here.
                self.leader = None;
                for (_, waiters) in leadership.waiters.drain(..) {
                    // They were proposed: another leader may yet decide them.
                    waiters.iter().for_each(|waiter| self.refuse(*waiter, Status::InDoubt, out));
                }
                for waiter in &leadership.open_waiters {
                    self.refuse(*waiter, Status::NotLeader, out);
                }
                for read in leadership.reads.drain(..) {
                    self.refuse(read.waiter, Status::NotLeader, out);
                }
                out.sometimes(true, "a leader stepped down");
                leadership.ballot
            }
        };
        out.timer(Timer::Retransmit.id(), None);
        self.observe(out, || Observation::StepDown { ballot });
        self.last_heard = None;
        self.arm_election(now, out);
    }

    /// Takes a higher ballot as its own promise. The caller records it durably, alone or as a vote, and withholds
    /// whatever it says about it.
    pub(crate) fn promise(&mut self, now: Now, ballot: Ballot, out: &mut Outbox) {
        requires!("I4", ballot >= self.promised, "promised {ballot} after {}", self.promised);
        requires!("I20", !self.amnesiac, "an amnesiac is to promise {ballot}");
        if ballot > self.promised {
            self.step_down(now, out);
            self.promised = ballot;
            self.leader = None;
        }
        self.highest_seen = self.highest_seen.max(ballot);
    }

    pub(crate) fn take_waiters(&mut self) -> Vec<Waiter> {
        self.spare_waiters.pop().unwrap_or_default()
    }

    pub(crate) fn recycle_entries(&mut self, mut entries: Vec<Entry>) {
        entries.clear();
        self.entries = entries;
    }

    pub(crate) fn recycle_waiters(&mut self, mut waiters: Vec<Waiter>) {
        waiters.clear();
        if self.spare_waiters.len() < 64 {
            self.spare_waiters.push(waiters);
        }
    }
}

/// The sentence that an oracle is told when a life ends early.
pub(crate) fn observe_end(engine: Option<&Engine>, ended: &Ended, out: &mut Outbox) {
    let why = ended.why();
    if let Some(engine) = engine {
        engine.observe(out, || Observation::Halt { cause: ended.cause(), why: why.clone() });
    }
    out.halt(&why);
}
