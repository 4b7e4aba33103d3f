//! Leading: phase 2, pipelined and batched, and the rounds by which reads are confirmed.

use super::batch::{Builder, Command};
use super::candidate::Campaign;
use super::engine::{Engine, Role, Waiter, Withheld};
use super::gather::Gather;
use super::log::Value;
use super::observe::{CommandSeen, Observation};
use super::timer::Timer;
use super::wire::{Entry, Message};
use super::{Ballot, Slot, batch};
use crate::buffer::Buffer;
use crate::client::{REQUEST_HEADER, Status, Verb};
use crate::id::{NodeId, PeerSet, SessionId};
use crate::outbox::Outbox;
use crate::process::Room;
use crate::time::{Instant, Now, WallTime};
use crate::{ensures, requires};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What a leader knows of a peer.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    heard: Instant,
    round: u64,
}

/// A question that waits for a quorum to confirm that this node still leads (I16).
pub(crate) struct Read {
    pub(crate) waiter: Waiter,
    pub(crate) query: Buffer,
    /// The round that confirms it.
    round: u64,
    /// Everything below must be applied before it is answered.
    pub(crate) index: Slot,
}

/// A term of office.
pub(crate) struct Leadership {
    pub(crate) ballot: Ballot,
    /// The promises that were counted.
    quorum: PeerSet,
    /// Where the next batch goes.
    next: Slot,
    /// The no-op that this leader proposed first: once it is decided, so is everything that was before.
    barrier: Slot,
    open: Builder,
    pub(crate) open_waiters: Vec<Waiter>,
    /// Who waits for which slot, in order of slots.
    pub(crate) waiters: VecDeque<(Slot, Vec<Waiter>)>,
    /// Proposed in this burst and not sent yet.
    unsent: Vec<Slot>,
    pub(crate) reads: VecDeque<Read>,
    round: u64,
    peers: Vec<(NodeId, Peer)>,
    gather: Gather,
    /// When the timer ends the open batch's wait, if it is set.
    gathering: Option<Instant>,
}

/// A frame of entries is ended when it holds this much.
const FRAME_BYTES: usize = 512 << 10;
/// How many slots are sent again to one peer at a time.
const RESEND: usize = 64;

impl Leadership {
    /// The highest round that a quorum answered, this node included.
    fn confirmed(&self, majority: usize) -> u64 {
        let rounds = || self.peers.iter().map(|(_, peer)| peer.round).chain([self.round]);
        let by_majority = |round: &u64| rounds().filter(|other| other >= round).count() >= majority;
        rounds().filter(by_majority).max().unwrap_or(0)
    }

    fn peer(&mut self, node: NodeId) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|(id, _)| *id == node).map(|(_, peer)| peer)
    }
}

impl Engine {
    /// A quorum promised: propose again what may have been decided, close the holes, and take office.
    pub(crate) fn lead(&mut self, now: Now, campaign: Campaign, out: &mut Outbox) {
        let Campaign { ballot, from, promises, best } = campaign;
        requires!("I6", promises.len() >= self.config.voters.majority(), "{promises:?} is no quorum");
        requires!(
            "I4",
            self.promised == ballot,
            "leading under {ballot} while {} is promised",
            self.promised
        );
        self.observe(out, || Observation::Leader { ballot });
        let fresh = Peer { heard: now.monotonic, round: 0 };
        let peers = self.config.peers(self.me).iter().map(|node| (node, fresh)).collect();
        let end = best.keys().next_back().map_or(from, |last| last.next()).max(self.log.decided());
        self.role = Role::Leader(Box::new(Leadership {
            ballot,
            quorum: promises,
            next: from,
            barrier: end,
            open: Builder::new(),
            open_waiters: Vec::new(),
            waiters: VecDeque::new(),
            unsent: Vec::new(),
            reads: VecDeque::new(),
            round: 0,
            peers,
            gather: Gather::new(now.monotonic),
            gathering: None,
        }));
        self.leader = Some(self.me);
        let mut best = best;
        let mut slot = from;
        while slot < end {
            if !self.log.is_chosen(slot) {
                let value = match best.remove(&slot) {
                    Some((_, value)) => {
                        out.sometimes(true, "a new leader proposed a value again that it had heard of");
                        // A copy, or it would hold on to all of the promise that brought it.
                        Value { id: value.id, bytes: self.log.keep(&value.bytes) }
                    }
                    None => {
                        out.sometimes(true, "a new leader closed a hole with a no-op");
                        self.no_op(now)
                    }
                };
                self.propose(now, slot, value, out);
            }
            slot = slot.next();
        }
        let barrier = self.no_op(now);
        self.propose(now, end, barrier, out);
        self.send_proposals(now, out);
        out.timer(Timer::Heartbeat.id(), Some(now.monotonic + self.config.heartbeat));
        out.timer(Timer::Retransmit.id(), Some(now.monotonic + self.config.retransmit));
    }

    fn no_op(&mut self, now: Now) -> Value {
        let time = self.tick(now);
        let (id, bytes) = Builder::new().seal(time, |bytes| self.log.keep(bytes));
        Value { id, bytes }
    }

    /// The next hybrid timestamp: above every earlier one, and near the wall clock.
    fn tick(&mut self, now: Now) -> WallTime {
        self.last_time = WallTime(self.last_time.0.saturating_add(1)).max(now.wall);
        self.last_time
    }

    /// Phase 2a for one slot: this node votes at once, and the others are asked when the burst ends.
    fn propose(&mut self, now: Now, slot: Slot, value: Value, out: &mut Outbox) {
        let Role::Leader(leadership) = &mut self.role else { return };
        let (ballot, quorum) = (leadership.ballot, leadership.quorum);
        requires!("I5", slot >= leadership.next, "slot {slot} was proposed before under {ballot}");
        requires!("I3", !self.log.is_chosen(slot), "slot {slot} is decided and was proposed again");
        leadership.next = slot.next();
        leadership.unsent.push(slot);
        leadership.gather.proposed(now.monotonic);
        if let Ok(time) = batch::time_of(&value.bytes) {
            self.last_time = self.last_time.max(time);
        }
        self.observe(out, || Observation::Propose {
            ballot,
            slot,
            value: value.id,
            quorum,
            commands: commands_seen(&value.bytes),
        });
        let again = self.log.vote_for(slot, value.id).is_some();
        let position = self.journal.vote(slot, ballot, &value, again, out);
        self.log.vote(slot, ballot, value, position);
        if let Some(cell) = self.log.get_mut(slot) {
            cell.sent = now.monotonic;
        }
        self.withhold(now, position, Withheld::OwnAccept { ballot, slot }, out);
    }

    /// Takes a command into the open batch, or says why not.
    pub(crate) fn submit(&mut self, now: Now, waiter: Waiter, command: &Command<'_>, out: &mut Outbox) {
        let (batch_bytes, batch_commands) = (self.config.batch_bytes as usize, self.config.batch_commands);
        let held = self.log.bytes();
        let Role::Leader(leadership) = &self.role else {
            return self.refuse(waiter, Status::NotLeader, out);
        };
        let size = batch::COMMAND_HEADER + command.payload.len();
        if command.payload.len() > batch::largest_payload(self.config.batch_bytes) {
            return self.refuse(waiter, Status::Malformed, out);
        }
        let full = leadership.open.count() >= batch_commands || leadership.open.len() + size > batch_bytes;
        if full {
            self.close_batch(now, out);
        }
        let Role::Leader(leadership) = &mut self.role else { return };
        let still_full = full && leadership.open.count() > 0;
        if still_full
            || held + size as u64 > self.config.log_bytes
            || !self.journal.has_room(leadership.open.len() + size)
        {
            out.sometimes(true, "a command was refused for want of room");
            return self.refuse(waiter, Status::Overloaded, out);
        }
        leadership.open.push(command);
        leadership.open_waiters.push(waiter);
    }

    /// How much more clients may ask without being refused. A node that does not lead says so at once, to any number.
    pub(crate) fn room(&self) -> Room {
        let Role::Leader(leadership) = &self.role else { return Room::ANY };
        let config = &self.config;
        let (count, held) = (leadership.open.count() as usize, leadership.open.len());
        let (most, most_bytes) = (config.batch_commands as usize, config.batch_bytes as usize);
        let in_flight = leadership.next.0.saturating_sub(self.log.decided().0);
        let largest = REQUEST_HEADER + batch::largest_payload(config.batch_bytes);
        let (requests, bytes) = match u64::from(config.window).saturating_sub(in_flight) as usize {
            0 => (most.saturating_sub(count), most_bytes.saturating_sub(held)),
            // What does not fit a batch any more begins the next one, so that each may be left half empty.
            batches => ((batches * most / 2).max(1), (batches * most_bytes / 2).max(largest + Room::EACH)),
        };
        let log = config.log_bytes.saturating_sub(self.log.bytes()).saturating_sub(held as u64);
        let journal = self.journal.room(config.batch_bytes).saturating_sub(held as u64);
        let reads = (config.waiting as usize).saturating_sub(leadership.reads.len());
        Room { requests: requests.min(reads), bytes: bytes.min(log as usize).min(journal as usize), largest }
    }

    /// Closes the open batch if the window lets it out.
    fn close_batch(&mut self, now: Now, out: &mut Outbox) {
        let decided = self.log.decided();
        let Role::Leader(leadership) = &mut self.role else { return };
        let in_flight = leadership.next.0.saturating_sub(decided.0);
        if leadership.open.count() == 0 {
            return;
        }
        if in_flight >= u64::from(self.config.window) {
            out.sometimes(true, "the window was full");
            return;
        }
        out.sometimes(in_flight > 0, "two proposals were in flight at once");
        let time = self.tick(now);
        let spare = self.take_waiters();
        let Role::Leader(leadership) = &mut self.role else { return };
        let slot = leadership.next;
        let (id, bytes) = leadership.open.seal(time, |bytes| self.log.keep(bytes));
        out.sometimes(leadership.open_waiters.len() > 1, "a batch held several commands");
        let waiters = core::mem::replace(&mut leadership.open_waiters, spare);
        leadership.waiters.push_back((slot, waiters));
        self.propose(now, slot, Value { id, bytes }, out);
    }

    /// The burst is over: the batch closes unless it is worth waiting for more, proposals leave, and one round confirms
    /// all new reads.
    pub(crate) fn close_batches(&mut self, now: Now, out: &mut Outbox) {
        let decided = self.log.decided();
        let Role::Leader(leadership) = &mut self.role else { return };
        let config = &self.config;
        let eager = leadership.next.0.saturating_sub(decided.0) < u64::from(config.eager);
        let (held, bytes) = (leadership.open.count(), leadership.open.len() + batch::COMMAND_HEADER);
        let full = held >= config.batch_commands || bytes > config.batch_bytes as usize;
        let until = if eager && !full {
            leadership.gather.wait_until(now.monotonic, held, config.gather)
        } else {
            None
        };
        out.sometimes(until.is_some(), "a batch waited for those who were just answered");
        if leadership.gathering != until {
            leadership.gathering = until;
            out.timer(Timer::Gather.id(), until);
        }
        if eager && until.is_none() {
            self.close_batch(now, out);
        }
        self.send_proposals(now, out);
        let Role::Leader(leadership) = &mut self.role else { return };
        if leadership.reads.back().is_some_and(|read| read.round > leadership.round) {
            leadership.round += 1;
            self.send_heartbeat(out);
        }
    }

    fn send_proposals(&mut self, now: Now, out: &mut Outbox) {
        let Role::Leader(leadership) = &mut self.role else { return };
        if leadership.unsent.is_empty() {
            return;
        }
        let mut slots = core::mem::take(&mut leadership.unsent);
        self.send_accepts(now, self.config.voters, &slots, out);
        slots.clear();
        if let Role::Leader(leadership) = &mut self.role {
            leadership.unsent = slots;
        }
    }

    fn send_accepts(&mut self, now: Now, to: PeerSet, slots: &[Slot], out: &mut Outbox) {
        let Role::Leader(leadership) = &self.role else { return };
        let ballot = leadership.ballot;
        let commit = self.log.decided();
        let mut entries = core::mem::take(&mut self.entries);
        let mut bytes = 0;
        for slot in slots {
            let Some(cell) = self.log.get_mut(*slot).filter(|cell| cell.ballot == ballot) else { continue };
            cell.sent = now.monotonic;
            bytes += cell.vote.bytes.len();
            entries.push(Entry { slot: *slot, ballot, id: cell.vote.id, value: cell.vote.bytes.clone() });
            if bytes >= FRAME_BYTES {
                bytes = 0;
                entries = self.send_accept(to, ballot, commit, entries, out);
            }
        }
        if !entries.is_empty() {
            entries = self.send_accept(to, ballot, commit, entries, out);
        }
        self.entries = entries;
    }

    /// Sends one frame of them, and gives the vector back empty.
    fn send_accept(
        &self,
        to: PeerSet,
        ballot: Ballot,
        commit: Slot,
        entries: Vec<Entry>,
        out: &mut Outbox,
    ) -> Vec<Entry> {
        let message = Message::Accept { ballot, commit, entries };
        self.send(to, &message, out);
        message.into_entries()
    }

    /// What this leader knows of `from`, who just answered under `ballot`; `None` if that is not its ballot.
    pub(crate) fn note_peer(&mut self, now: Now, from: NodeId, ballot: Ballot) -> Option<&mut Peer> {
        let Role::Leader(leadership) = &mut self.role else { return None };
        if leadership.ballot != ballot {
            return None;
        }
        let peer = leadership.peer(from)?;
        peer.heard = now.monotonic;
        Some(peer)
    }

    /// Phase 2b arrives.
    pub(crate) fn on_accepted(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        first: Slot,
        count: u32,
        out: &mut Outbox,
    ) {
        let Role::Leader(leadership) = &self.role else { return };
        let last = first.plus(u64::from(count)).min(leadership.next);
        let mut slot = first.max(self.log.first());
        while slot < last {
            self.record_ack(from, ballot, slot, out);
            slot = slot.next();
        }
    }

    /// `from` has voted for this leader's proposal at `slot`, durably; with a quorum of such votes it is decided.
    pub(crate) fn record_ack(&mut self, from: NodeId, ballot: Ballot, slot: Slot, out: &mut Outbox) {
        let majority = self.config.voters.majority();
        let leads = matches!(&self.role, Role::Leader(leadership) if leadership.ballot == ballot);
        let Some(cell) = self.log.get_mut(slot).filter(|cell| leads && cell.ballot == ballot) else { return };
        cell.acks = cell.acks.with(from);
        if cell.acks.len() < majority || cell.chosen.is_some() {
            return;
        }
        ensures!("I10", cell.acks.and(self.config.voters) == cell.acks, "{:?} are not all voters", cell.acks);
        let value = cell.vote.clone();
        self.decide(slot, value, out);
    }

    pub(crate) fn on_heartbeat_timer(&mut self, now: Now, out: &mut Outbox) {
        let majority = self.config.voters.majority();
        let Role::Leader(leadership) = &self.role else { return };
        let lively = |peer: &Peer| now.monotonic < peer.heard + self.config.election_max;
        let reachable = 1 + leadership.peers.iter().filter(|(_, peer)| lively(peer)).count();
        if reachable < majority {
            out.sometimes(true, "a leader out of reach of a quorum stepped down");
            return self.step_down(now, out);
        }
        self.send_heartbeat(out);
        out.timer(Timer::Heartbeat.id(), Some(now.monotonic + self.config.heartbeat));
    }

    fn send_heartbeat(&mut self, out: &mut Outbox) {
        let Role::Leader(leadership) = &self.role else { return };
        let (ballot, round) = (leadership.ballot, leadership.round);
        let commit = self.log.decided();
        self.send(self.config.voters, &Message::Heartbeat { ballot, round, commit }, out);
    }

    pub(crate) fn on_heartbeat_reply(&mut self, now: Now, from: NodeId, ballot: Ballot, round: u64) {
        let Role::Leader(leadership) = &self.role else { return };
        let current = leadership.round;
        if let Some(peer) = self.note_peer(now, from, ballot) {
            requires!("I16", round <= current, "{from} confirms round {round} of {current}");
            peer.round = peer.round.max(round);
        }
    }

    /// Accepts or prepares that were not answered are sent again.
    pub(crate) fn on_retransmit_timer(&mut self, now: Now, out: &mut Outbox) {
        match &self.role {
            Role::Follower | Role::Sounding(_) => {}
            Role::Candidate(_) => self.retransmit_prepare(now, out),
            Role::Leader(leadership) => {
                let next = leadership.next;
                out.timer(Timer::Retransmit.id(), Some(now.monotonic + self.config.retransmit));
                // What is due is settled before anything is sent: sending to one peer must not make the others wait.
                let mut due = Vec::new();
                let mut slot = self.log.decided();
                while slot < next && due.len() < RESEND {
                    let cell = self.log.get(slot).filter(|cell| cell.chosen.is_none());
                    if let Some(cell) =
                        cell.filter(|cell| cell.sent + self.config.retransmit <= now.monotonic)
                    {
                        due.push((slot, cell.acks));
                    }
                    slot = slot.next();
                }
                out.sometimes(!due.is_empty(), "an accept was sent again");
                for peer in self.config.peers(self.me).iter() {
                    let missing = due.iter().filter(|(_, acks)| !acks.contains(peer));
                    let slots: Vec<Slot> = missing.map(|(slot, _)| *slot).collect();
                    self.send_accepts(now, PeerSet::one(peer), &slots, out);
                }
            }
        }
    }

    /// Takes a question; it is answered once a quorum confirms this leader in a round that begins after it came, and
    /// everything decided before it is applied (Ongaro, section 6.4).
    pub(crate) fn submit_read(&mut self, waiter: Waiter, query: Buffer, out: &mut Outbox) {
        let decided = self.log.decided();
        let Role::Leader(leadership) = &mut self.role else {
            return self.refuse(waiter, Status::NotLeader, out);
        };
        if leadership.reads.len() >= self.config.waiting as usize {
            return self.refuse(waiter, Status::Overloaded, out);
        }
        let index = decided.max(leadership.barrier.next());
        leadership.reads.push_back(Read { waiter, query, round: leadership.round + 1, index });
    }

    /// The next question that may be answered now.
    pub(crate) fn ready_read(&mut self) -> Option<(Read, Ballot)> {
        let majority = self.config.voters.majority();
        let Role::Leader(leadership) = &mut self.role else { return None };
        let read = leadership.reads.front()?;
        if read.index > self.applied || read.round > leadership.confirmed(majority) {
            return None;
        }
        ensures!(
            "I16",
            read.index > leadership.barrier,
            "a read was answered before this leader's first slot"
        );
        Some((leadership.reads.pop_front()?, leadership.ballot))
    }

    /// Takes out who waits for `slot`, to be answered, if this node proposed it and still leads.
    pub(crate) fn take_waiters_of(&mut self, slot: Slot) -> Option<Vec<Waiter>> {
        let Role::Leader(leadership) = &mut self.role else { return None };
        if leadership.waiters.front()?.0 != slot {
            return None;
        }
        let (_, waiters) = leadership.waiters.pop_front()?;
        leadership.gather.answered(waiters.len());
        Some(waiters)
    }
}

fn commands_seen(batch: &[u8]) -> Vec<CommandSeen> {
    // What comes without a session cannot be told apart, but for requests to open one.
    let is_named =
        |command: &Command<'_>| command.verb == Verb::OpenSession || command.session != SessionId::NONE;
    batch::Commands::of(batch)
        .into_iter()
        .flatten()
        .flatten()
        .filter(is_named)
        .map(|command| CommandSeen { session: command.session, sequence: command.sequence })
        .collect()
}
