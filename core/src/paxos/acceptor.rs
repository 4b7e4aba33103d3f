//! The acceptor: promises and votes, each durable before anybody hears of it.

use super::engine::{Engine, Withheld};
use super::log::Value;
use super::observe::{Observation, VoteSeen};
use super::wire::{Entry, Message};
use super::{Ballot, Slot, batch};
use crate::id::{NodeId, PeerSet};
use crate::outbox::Outbox;
use crate::time::Now;
use crate::{ensures, requires};

impl Engine {
    /// Phase 1a arrives ("Paxos Made Simple", section 2.2): promise, unless a higher ballot was promised.
    pub(crate) fn on_prepare(
        &mut self,
        now: Now,
        from: NodeId,
        ballot: Ballot,
        slot: Slot,
        out: &mut Outbox,
    ) {
        if !self.admits(from, ballot, out) {
            return;
        }
        if ballot > self.promised {
            self.promise(now, ballot, out);
            self.journal.promise(ballot, out);
            // Whoever was promised a ballot is given the time to use it.
            self.last_heard = Some(now.monotonic);
        }
        ensures!("I4", self.promised == ballot, "a promise for {ballot} while {} is promised", self.promised);
        let position = self.journal.position();
        self.withhold(now, position, Withheld::Promise { ballot, from: slot, to: from }, out);
    }

    /// Phase 2a arrives: vote for every entry, unless a higher ballot was promised.
    pub(crate) fn on_accept(
        &mut self,
        now: Now,
        from: NodeId,
        ballot: Ballot,
        commit: Slot,
        entries: alloc::vec::Vec<Entry>,
        out: &mut Outbox,
    ) {
        if !self.admits(from, ballot, out) {
            return;
        }
        self.follow(now, from, ballot, out);
        let first = self.log.first();
        let forgotten = entries.iter().map(|entry| entry.slot).find(|slot| *slot < first);
        let mut run: Option<(Slot, u32)> = None;
        for entry in &entries {
            let slot = entry.slot;
            if !self.vote(ballot, entry, out) {
                continue;
            }
            match &mut run {
                Some((first, count)) if first.plus(u64::from(*count)) == slot => *count += 1,
                _ => {
                    if let Some(done) = run.replace((slot, 1)) {
                        self.acknowledge(now, from, ballot, done, out);
                    }
                }
            }
        }
        self.recycle_entries(entries);
        if let Some(done) = run {
            self.acknowledge(now, from, ballot, done, out);
        }
        self.advance_commit(now, from, ballot, commit, out);
        // Decided and forgotten here, so that nobody may be left to vote for it: its leader has to learn it.
        if let Some(slot) = forgotten {
            out.sometimes(true, "a leader proposed for a slot that is forgotten");
            self.on_catch_up(from, slot, false, out);
        }
    }

    /// Votes for one entry under `ballot`; false if it is not for this acceptor to vote on now.
    fn vote(&mut self, ballot: Ballot, entry: &Entry, out: &mut Outbox) -> bool {
        requires!("I4", ballot >= self.promised, "a vote under {ballot} while {} is promised", self.promised);
        requires!("I20", !self.amnesiac, "an amnesiac is to vote under {ballot}");
        let slot = entry.slot;
        if slot < self.log.first() {
            return false;
        }
        if self.log.get(slot).is_some_and(|cell| cell.ballot == ballot) {
            return true;
        }
        if slot.0 >= self.log.decided().0 + self.config.votes_ahead() {
            out.sometimes(true, "an acceptor refused to vote too far ahead");
            return false;
        }
        let before = self.log.vote_for(slot, entry.id).cloned();
        let again = before.is_some();
        if !self.journal.has_room(if again { 0 } else { entry.value.len() }) {
            out.sometimes(true, "an acceptor had no room to vote");
            return false;
        }
        if let Ok(time) = batch::time_of(&entry.value) {
            self.last_time = self.last_time.max(time);
        }
        out.sometimes(again, "an acceptor voted again for the value that it has");
        let value = before.unwrap_or_else(|| Value { id: entry.id, bytes: self.log.keep(&entry.value) });
        let position = self.journal.vote(slot, ballot, &value, again, out);
        out.sometimes(slot > self.log.end(), "an acceptor voted out of order");
        self.log.vote(slot, ballot, value, position);
        ensures!(
            "I4",
            self.promised >= ballot,
            "a vote under {ballot} left the promise at {}",
            self.promised
        );
        true
    }

    fn acknowledge(&mut self, now: Now, to: NodeId, ballot: Ballot, run: (Slot, u32), out: &mut Outbox) {
        let (first, count) = run;
        let position = self.journal.position();
        self.withhold(now, position, Withheld::Accepted { ballot, first, count, to }, out);
    }

    /// Whether what `from` asks under `ballot` is to be looked at: the ballot is its own, and nothing higher was
    /// promised. If something was, it is told.
    pub(crate) fn admits(&mut self, from: NodeId, ballot: Ballot, out: &mut Outbox) -> bool {
        self.highest_seen = self.highest_seen.max(ballot);
        if ballot.node() != from {
            return false;
        }
        if ballot < self.promised {
            self.send(PeerSet::one(from), &Message::Reject { promised: self.promised }, out);
            return false;
        }
        true
    }

    /// `from` leads under `ballot`, which is not below what was promised.
    pub(crate) fn follow(&mut self, now: Now, from: NodeId, ballot: Ballot, out: &mut Outbox) {
        requires!("I4", ballot >= self.promised, "following {ballot} while {} is promised", self.promised);
        if ballot > self.promised {
            self.promise(now, ballot, out);
            // Replies that rest on it are withheld. The answer to a heartbeat does not rest on it: it says whom this
            // node follows, and the leader's office rests on the durable promises of its own quorum.
            self.journal.promise(ballot, out);
        } else {
            self.abandon_soundings(now, out);
        }
        self.leader = Some(from);
        self.last_heard = Some(now.monotonic);
    }

    /// Speaks of what has become durable (I7). A reply under a ballot that a later promise overtook is not sent: its
    /// asker has lost, and the promise reported the vote.
    pub(crate) fn release(&mut self, now: Now, reply: Withheld, out: &mut Outbox) {
        match reply {
            Withheld::Promise { ballot, from, to } if ballot == self.promised => {
                let from = from.max(self.log.first());
                let votes = self.votes_seen(from);
                self.observe(out, || Observation::Promise { ballot, from, votes });
                let votes = self.votes_from(from);
                out.sometimes(!votes.is_empty(), "a promise reported votes");
                self.send(PeerSet::one(to), &Message::Promise { ballot, from, votes }, out);
            }
            Withheld::OwnPromise { ballot } if ballot == self.promised => {
                self.on_own_promise(now, ballot, out)
            }
            Withheld::Accepted { ballot, first, count, to } if ballot == self.promised => {
                for slot in (0..u64::from(count)).map(|offset| first.plus(offset)) {
                    self.observe_accept(slot, ballot, out);
                }
                self.send(PeerSet::one(to), &Message::Accepted { ballot, first, count }, out);
            }
            Withheld::OwnAccept { ballot, slot } if ballot == self.promised => {
                self.observe_accept(slot, ballot, out);
                self.record_ack(self.me, ballot, slot, out);
            }
            _ => out.sometimes(true, "a withheld reply was overtaken by a higher promise"),
        }
    }

    fn observe_accept(&self, slot: Slot, ballot: Ballot, out: &mut Outbox) {
        if out.observing()
            && let Some(cell) = self.log.get(slot)
        {
            ensures!(
                "I7",
                cell.position <= self.journal.durable(),
                "slot {slot} is spoken of before it is durable"
            );
            ensures!(
                "I4",
                cell.ballot == ballot,
                "slot {slot} is acknowledged under {ballot}, not {}",
                cell.ballot
            );
            let vote = VoteSeen { slot, ballot, value: cell.vote.id };
            self.observe(out, || Observation::Accept { vote });
        }
    }
}
