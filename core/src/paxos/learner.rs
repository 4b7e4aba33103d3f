//! Learning: what was decided, how gaps close, and when a slot may be forgotten.

use super::engine::{Engine, Role};
use super::log::Value;
use super::observe::Observation;
use super::timer::Timer;
use super::wire::{Entry, Message};
use super::{Ballot, Slot, batch};
use crate::id::{NodeId, PeerSet};
use crate::outbox::Outbox;
use crate::requires;
use crate::time::Now;
use alloc::vec::Vec;

/// A learn message is ended when it holds this much, or this many slots.
const LEARN_BYTES: usize = 256 << 10;
const LEARN_SLOTS: usize = 512;
/// The decided prefix is written to an idle device when it has grown by so many slots.
const DECIDED_LAG: u64 = 64;

impl Engine {
    /// `slot` is decided.
    pub(crate) fn decide(&mut self, slot: Slot, value: Value, out: &mut Outbox) {
        let id = value.id;
        out.sometimes(slot > self.log.decided(), "a slot was decided out of order");
        self.log.choose(slot, value);
        self.observe(out, || Observation::Decide { slot, value: id });
        if let Role::Leader(_) = self.role {
            self.commit_seen = self.commit_seen.max(self.log.decided());
        }
    }

    /// The leader of `ballot` says that everything below `commit` is decided. That speaks for this node's vote only
    /// where the vote is under the very same ballot (I10); elsewhere the value must be learned.
    pub(crate) fn advance_commit(
        &mut self,
        now: Now,
        from: NodeId,
        ballot: Ballot,
        commit: Slot,
        out: &mut Outbox,
    ) {
        requires!(
            "I10",
            ballot == self.promised,
            "a commit under {ballot} while {} is promised",
            self.promised
        );
        while self.log.decided() < commit {
            let slot = self.log.decided();
            let Some(cell) = self.log.get(slot).filter(|cell| cell.ballot == ballot) else { break };
            let value = cell.vote.clone();
            self.decide(slot, value, out);
        }
        self.note_commit(now, from, commit, out);
    }

    /// Somebody knows the log to be decided up to `commit`; if this node does not catch up by itself, it will ask.
    pub(crate) fn note_commit(&mut self, now: Now, from: NodeId, commit: Slot, out: &mut Outbox) {
        if commit > self.commit_seen {
            self.commit_seen = commit;
        }
        if commit > self.log.decided() {
            self.commit_source = Some(from);
            if !self.repairing {
                self.repairing = true;
                out.timer(Timer::Repair.id(), Some(now.monotonic + self.config.retransmit.over(2)));
            }
        }
    }

    pub(crate) fn on_repair_timer(&mut self, now: Now, out: &mut Outbox) {
        self.repairing = false;
        if self.log.decided() >= self.commit_seen {
            return;
        }
        let source = self.leader.filter(|leader| *leader != self.me).or(self.commit_source);
        if let Some(source) = source {
            self.ask_to_catch_up(source, out);
        }
        self.repairing = true;
        out.timer(Timer::Repair.id(), Some(now.monotonic + self.config.retransmit));
    }

    pub(crate) fn ask_to_catch_up(&self, source: NodeId, out: &mut Outbox) {
        out.sometimes(true, "a replica asked to catch up");
        self.send(PeerSet::one(source), &self.catch_up(), out);
    }

    /// A peer asks for decided values; whoever has them answers, leader or not. What is not in the log any more, a
    /// snapshot stands in for.
    pub(crate) fn on_catch_up(&mut self, from: NodeId, slot: Slot, stateless: bool, out: &mut Outbox) {
        if stateless {
            return self.offer_snapshot(from, slot, out);
        }
        if slot < self.log.first() {
            return self.offer_snapshot(from, slot.next(), out);
        }
        let decided = self.log.decided();
        let mut entries = Vec::new();
        let (mut bytes, mut at) = (0, slot);
        while at < decided && bytes < LEARN_BYTES && entries.len() < LEARN_SLOTS {
            let Some(value) = self.log.chosen(at) else { break };
            bytes += value.bytes.len();
            entries.push(Entry { slot: at, ballot: Ballot::ZERO, id: value.id, value: value.bytes.clone() });
            at = at.next();
        }
        if !entries.is_empty() {
            self.send(PeerSet::one(from), &Message::Learn { decided, entries }, out);
        }
    }

    /// Decided values arrive. They are kept durably, because a slot is forgotten by all once all hold it.
    pub(crate) fn on_learn(
        &mut self,
        now: Now,
        from: NodeId,
        decided: Slot,
        entries: Vec<Entry>,
        out: &mut Outbox,
    ) {
        let before = self.log.decided();
        for entry in &entries {
            let slot = entry.slot;
            if slot < self.log.first() || self.log.is_chosen(slot) {
                continue;
            }
            if !self.journal.has_room(entry.value.len()) {
                out.sometimes(true, "a learner had no room");
                break;
            }
            if let Ok(time) = batch::time_of(&entry.value) {
                self.last_time = self.last_time.max(time);
            }
            let vote =
                self.log.get(slot).filter(|cell| cell.ballot != Ballot::ZERO && cell.vote.id == entry.id);
            let value = match vote {
                // It is there, in memory and in the journal.
                Some(cell) => cell.vote.clone(),
                None => {
                    let value = Value { id: entry.id, bytes: self.log.keep(&entry.value) };
                    self.journal.learned(slot, &value, out);
                    value
                }
            };
            out.sometimes(true, "a replica learned a value that it had not voted for in time");
            self.decide(slot, value, out);
        }
        self.recycle_entries(entries);
        self.note_commit(now, from, decided, out);
        if self.log.decided() > before && self.log.decided() < decided {
            self.ask_to_catch_up(from, out);
        }
    }

    /// The leader lives: follow it, confirm its round, learn how far it has come.
    pub(crate) fn on_heartbeat(
        &mut self,
        now: Now,
        from: NodeId,
        ballot: Ballot,
        round: u64,
        commit: Slot,
        out: &mut Outbox,
    ) {
        if !self.admits(from, ballot, out) {
            return;
        }
        self.follow(now, from, ballot, out);
        self.advance_commit(now, from, ballot, commit, out);
        self.send(PeerSet::one(from), &Message::HeartbeatReply { ballot, round }, out);
    }

    /// Whether the device should be told how far the log is decided although nothing else is written, so that a later life
    /// knows more of it.
    pub(crate) fn decided_lags(&self) -> bool {
        self.log.decided().0 - self.journal.submitted_decided().0 >= DECIDED_LAG
    }
}
