//! The consensus engine of one replica: everything but the state machine and its sessions. It routes; the roles
//! stand in `acceptor`, `candidate`, `leader` and `learner`.

use super::candidate::{Campaign, Soundings};
use super::config::Config;
use super::journal::{Full, Identity, Journal, Record, Recovered, Recovery, Unusable};
use super::leader::Leadership;
use super::log::Log;
use super::observe::{HaltCause, Observation, VoteSeen};
use super::timer::Timer;
use super::wire::{Address, Entry, Message};
use super::{Ballot, Slot, batch};
use crate::buffer::Buffer;
use crate::client::{Response, Status};
use crate::id::{ConnectionId, NodeId, OperationId, PeerSet, SessionId};
use crate::input::{Input, Start};
use crate::outbox::Outbox;
use crate::random::Random;
use crate::storage::Completion;
use crate::time::{Duration, Instant, Now, WallTime};
use crate::{invariant, requires};
use alloc::collections::VecDeque;
use alloc::string::ToString;
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
    Leader(Leadership),
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
    pub(crate) journal: Journal,
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
    recovery: Option<Recovery>,
    spare_waiters: Vec<Vec<Waiter>>,
}

/// Why a life ended early.
pub(crate) enum Ended {
    Unusable(Unusable),
    Storage,
    Full,
}

impl Ended {
    /// What kind of end that is.
    pub(crate) fn cause(&self) -> HaltCause {
        match self {
            Ended::Unusable(Unusable::Unformatted) => HaltCause::Lost,
            Ended::Unusable(Unusable::Foreign) => HaltCause::Foreign,
            Ended::Unusable(Unusable::Failed) | Ended::Storage => HaltCause::Device,
            Ended::Full => HaltCause::Full,
        }
    }

    /// One sentence for the operator.
    pub(crate) fn why(&self) -> &'static str {
        match self {
            Ended::Unusable(Unusable::Unformatted) => {
                "the device holds no identity: format it for this node, or give back the one that it had"
            }
            Ended::Unusable(Unusable::Foreign) => {
                "the device belongs to another cluster, group or node: give this node its own"
            }
            Ended::Unusable(Unusable::Failed) => "the device could not be read: check it, then start again",
            Ended::Full => "the device is full: give this node a larger one",
            Ended::Storage => {
                "a write or a sync failed, so what this node promised may be lost: check the device, then start again"
            }
        }
    }
}

impl Engine {
    /// A new life begins; the journal is read first.
    pub(crate) fn start(config: Config, start: &Start, out: &mut Outbox) -> Self {
        let mut journal = Journal::new(start.incarnation, start.devices[0]);
        let recovery = Recovery::begin(&mut journal, out);
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
            recovery: Some(recovery),
            spare_waiters: Vec::new(),
            config,
        }
    }

    /// Whether the journal has been read and the replica takes part.
    pub(crate) fn is_running(&self) -> bool {
        self.recovery.is_none()
    }

    /// One input. `Request`s do not come here: the replica hands commands in by [`submit`](Self::submit).
    pub(crate) fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) -> Result<(), Ended> {
        match input {
            Input::Completed { op, result } => self.completed(now, op, result, out)?,
            _ if !self.is_running() => {}
            Input::Receive { from, kind, frame, .. } => self.receive(now, from, kind, &frame, out),
            Input::Timer { id } => match Timer::of(id) {
                Some(Timer::Election) => self.on_election_timer(now, out),
                Some(Timer::Heartbeat) => self.on_heartbeat_timer(now, out),
                Some(Timer::Retransmit) => self.on_retransmit_timer(now, out),
                Some(Timer::Repair) => self.on_repair_timer(now, out),
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
            Message::decode(&self.address, from, kind, frame)
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

    fn on_message(&mut self, now: Now, from: NodeId, message: Message, out: &mut Outbox) {
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
            Message::Accept { ballot, commit, trim, entries } => {
                self.on_accept(now, from, ballot, commit, entries, out);
                self.trim_to(trim);
            }
            Message::Accepted { ballot, first, count, durable } => {
                if let Some(peer) = self.note_peer(now, from, ballot) {
                    peer.durable = peer.durable.max(durable);
                    self.on_accepted(from, ballot, first, count, out);
                    self.trim_to(self.trim_point());
                }
            }
            Message::Heartbeat { ballot, round, commit, trim } => {
                self.on_heartbeat(now, from, ballot, round, commit, trim, out);
            }
            Message::HeartbeatReply { ballot, round, durable } => {
                self.on_heartbeat_reply(now, from, ballot, round, durable);
            }
            Message::CatchUp { from: slot } => self.on_catch_up(from, slot, out),
            Message::Learn { decided, entries } => self.on_learn(now, from, decided, entries, out),
            Message::Snapshot { .. } | Message::Fetch { .. } | Message::Piece { .. } => {}
        }
    }

    fn end_of_burst(&mut self, now: Now, out: &mut Outbox) -> Result<(), Ended> {
        self.close_batches(now, out);
        self.journal.commit(self.log.decided(), self.decided_lags(), out).map_err(|Full| Ended::Full)
    }

    fn completed(
        &mut self,
        now: Now,
        op: OperationId,
        result: Completion,
        out: &mut Outbox,
    ) -> Result<(), Ended> {
        if let Some(recovery) = &mut self.recovery {
            if !recovery.waits_for(op) {
                return Ok(());
            }
            return self.recover(now, result, out);
        }
        let ours = op.incarnation == self.journal.incarnation();
        match result {
            Completion::Done if ours && self.journal.completed(op) => {
                self.speak(now, out);
                Ok(())
            }
            Completion::Failed(_) | Completion::Unknown if ours => Err(Ended::Storage),
            _ => Ok(()),
        }
    }

    fn recover(&mut self, now: Now, result: Completion, out: &mut Outbox) -> Result<(), Ended> {
        let data = match &result {
            Completion::Done => None,
            Completion::Data(bytes) => Some(bytes),
            _ => return Err(Ended::Unusable(Unusable::Failed)),
        };
        let expected = Identity { cluster: self.address.cluster, group: self.address.group, node: self.me };
        let Some(mut recovery) = self.recovery.take() else { return Ok(()) };
        let (log, promised, last_time) = (&mut self.log, &mut self.promised, &mut self.last_time);
        let mut each = |record| restore(log, promised, last_time, record);
        match recovery.step(&mut self.journal, data, expected, &mut each, out).map_err(Ended::Unusable)? {
            Recovered::More => self.recovery = Some(recovery),
            Recovered::All => {
                self.highest_seen = self.promised;
                self.commit_seen = self.log.decided();
                out.sometimes(self.log.end() > Slot(0), "a replica recovered votes from its journal");
                let (promised, first, votes) = (self.promised, self.log.first(), self.votes_seen(Slot(0)));
                self.observe(out, || Observation::Restart { promised, first, votes });
                self.arm_election(now, out);
            }
        }
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

    pub(crate) fn recycle_waiters(&mut self, mut waiters: Vec<Waiter>) {
        waiters.clear();
        if self.spare_waiters.len() < 64 {
            self.spare_waiters.push(waiters);
        }
    }
}

/// Puts one record of the journal back where it came from.
fn restore(log: &mut Log, promised: &mut Ballot, last_time: &mut WallTime, record: Record) {
    let mut note = |bytes: &[u8]| {
        if let Ok(time) = batch::time_of(bytes) {
            *last_time = (*last_time).max(time);
        }
    };
    match record {
        Record::Promise { ballot } => *promised = (*promised).max(ballot),
        Record::Vote { slot, ballot, value } => {
            note(&value.bytes);
            log.vote(slot, ballot, value, 0);
            // A vote is a promise as well: nobody votes below what he promised.
            *promised = (*promised).max(ballot);
        }
        Record::Learned { slot, value } => {
            note(&value.bytes);
            log.choose(slot, value);
        }
        Record::Decided { below } => {
            while log.decided() < below {
                let slot = log.decided();
                let vote =
                    log.get(slot).filter(|cell| cell.ballot != Ballot::ZERO).map(|cell| cell.vote.clone());
                invariant!(
                    "I3",
                    vote.is_some(),
                    "the journal says slot {slot} was decided and holds no value for it"
                );
                let Some(vote) = vote else { break };
                log.choose(slot, vote);
            }
        }
    }
}

/// The sentence that an oracle is told when a life ends early.
pub(crate) fn observe_end(engine: Option<&Engine>, ended: &Ended, out: &mut Outbox) {
    let why = ended.why();
    if let Some(engine) = engine {
        engine.observe(out, || Observation::Halt { cause: ended.cause(), why: why.to_string() });
    }
    out.halt(why);
}
