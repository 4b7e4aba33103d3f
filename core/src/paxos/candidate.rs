//! Becoming leader: soundings that disturb nobody, then phase 1 once for all open slots.

use super::durable::vote_of;
use super::engine::{Engine, Role, Withheld};
use super::log::{Log, Value};
use super::observe::Observation;
use super::timer::Timer;
use super::wire::{Entry, Message};
use super::{Ballot, Slot};
use crate::id::{NodeId, PeerSet};
use crate::outbox::Outbox;
use crate::requires;
use crate::time::{Duration, Now};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A pre-election under way (Ongaro, "Consensus: bridging theory and practice", section 9.6).
pub(crate) struct Soundings {
    ballot: Ballot,
    granted: PeerSet,
}

/// Phase 1 under way.
pub(crate) struct Campaign {
    pub(crate) ballot: Ballot,
    /// The first slot not known to be decided when the campaign began.
    pub(crate) from: Slot,
    /// Who promised, this node once its own promise is durable.
    pub(crate) promises: PeerSet,
    /// For each slot the vote with the highest ballot that was reported.
    pub(crate) best: BTreeMap<Slot, (Ballot, Value)>,
}

/// How many bytes of the journal the votes take by which this campaign takes office: for what was reported, in full where
/// this node has not voted for it, and for a no-op in each hole, were there nothing but holes.
fn votes_to_lead(campaign: &Campaign, log: &Log) -> u64 {
    let reported = campaign.best.iter().filter(|(slot, _)| !log.is_chosen(**slot));
    let votes = reported.map(|(slot, (_, value))| match log.vote_for(*slot, value.id) {
        Some(_) => vote_of(None),
        None => vote_of(Some(value.bytes.len())),
    });
    let slots = campaign.best.keys().next_back().map_or(0, |last| last.0 + 1 - campaign.from.0);
    votes.sum::<u64>() + slots * vote_of(None)
}

impl Engine {
    /// Draws a new election timeout and sets the timer.
    pub(crate) fn arm_election(&mut self, now: Now, out: &mut Outbox) {
        let spread = self.config.election_max.as_nanos() - self.config.election_min.as_nanos();
        self.election_timeout = self.config.election_min + Duration::from_nanos(self.random.below(spread));
        out.timer(Timer::Election.id(), Some(now.monotonic + self.election_timeout));
    }

    pub(crate) fn on_election_timer(&mut self, now: Now, out: &mut Outbox) {
        if matches!(self.role, Role::Leader(_)) {
            return;
        }
        // Hearing of a leader does not touch the timer; it is looked at only here.
        if let Some(heard) = self.last_heard
            && now.monotonic < heard + self.election_timeout
        {
            out.timer(Timer::Election.id(), Some(heard + self.election_timeout));
            return;
        }
        self.leader = None;
        self.step_down(now, out);
        self.sound(now, out);
    }

    /// Asks every voter whether it would promise a new ballot.
    fn sound(&mut self, now: Now, out: &mut Outbox) {
        self.arm_election(now, out);
        // Who has no state yet could not answer anybody.
        if !self.config.voters.contains(self.me) || self.amnesiac || !self.ready {
            return;
        }
        // Nor could one whose journal has no room for proposing once more what is open.
        let open = self.log.end().0 - self.log.decided().0;
        let (decided, needed) = self.needed;
        let needed = if decided == self.log.decided() { needed } else { 0 };
        if !self.has_room_to_lead(needed.max(open * vote_of(None)), out) {
            return;
        }
        let ballot = Ballot::new(self.highest_seen.max(self.promised).round() + 1, self.me);
        self.role = Role::Sounding(Soundings { ballot, granted: PeerSet::one(self.me) });
        self.send(self.config.voters, &Message::PreVote { ballot, decided: self.log.decided() }, out);
        self.campaign_if_granted(now, out);
    }

    /// Whether the journal has room for votes that take so many bytes of it. If not, somebody else may have.
    fn has_room_to_lead(&mut self, votes: u64, out: &mut Outbox) -> bool {
        let has = self.journal.has_room_to_lead(votes);
        if !has {
            out.sometimes(true, "a replica had no room to lead");
            // While nobody leads nothing else makes room: what a snapshot can stand in for is given up now.
            self.keeper.want_for_room(self.applied);
        }
        has
    }

    /// A leader was heard of after all.
    pub(crate) fn abandon_soundings(&mut self, now: Now, out: &mut Outbox) {
        if matches!(self.role, Role::Sounding(_)) {
            self.role = Role::Follower;
            self.arm_election(now, out);
        }
    }

    /// Would this node promise `ballot`? Not while it hears a leader, and not to a node so far behind that phase 1
    /// would have to carry a long log: that one catches up first.
    pub(crate) fn on_pre_vote(
        &mut self,
        now: Now,
        from: NodeId,
        ballot: Ballot,
        decided: Slot,
        out: &mut Outbox,
    ) {
        if ballot.node() != from {
            return;
        }
        let leads = matches!(self.role, Role::Leader(_));
        let hears = self.leader.is_some()
            && self.last_heard.is_some_and(|at| now.monotonic < at + self.config.election_min);
        let far_behind = decided.0 + u64::from(self.config.window) < self.log.decided().0;
        out.sometimes(far_behind, "a pre-vote was refused to a node far behind");
        let granted = ballot > self.promised && !leads && !hears && !far_behind;
        let reply =
            Message::PreVoteReply { ballot, granted, promised: self.promised, decided: self.log.decided() };
        self.send(PeerSet::one(from), &reply, out);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one message")]
    pub(crate) fn on_pre_vote_reply(
        &mut self,
        now: Now,
        from: NodeId,
        ballot: Ballot,
        granted: bool,
        promised: Ballot,
        decided: Slot,
        out: &mut Outbox,
    ) {
        self.highest_seen = self.highest_seen.max(promised);
        if decided > self.log.decided() {
            self.note_commit(now, from, decided, out);
            self.ask_to_catch_up(from, out);
        }
        let Role::Sounding(soundings) = &mut self.role else { return };
        if soundings.ballot == ballot && granted {
            soundings.granted = soundings.granted.with(from);
            self.campaign_if_granted(now, out);
        }
    }

    fn campaign_if_granted(&mut self, now: Now, out: &mut Outbox) {
        let Role::Sounding(soundings) = &self.role else { return };
        if soundings.granted.len() < self.config.voters.majority() {
            return;
        }
        let ballot = soundings.ballot;
        if ballot <= self.promised {
            self.role = Role::Follower;
            return;
        }
        self.campaign(now, ballot, out);
    }

    /// Begins phase 1. The ballot is this node's own promise first, durably, so that no later life can use it
    /// again (I9); only then does the prepare leave.
    fn campaign(&mut self, now: Now, ballot: Ballot, out: &mut Outbox) {
        requires!("I9", ballot.node() == self.me, "{ballot} is not this node's");
        requires!("I20", !self.amnesiac, "an amnesiac campaigns under {ballot}");
        requires!("I9", ballot > self.promised, "{ballot} is not above {}", self.promised);
        self.promise(now, ballot, out);
        let position = self.journal.promise(ballot, out);
        self.role = Role::Candidate(Campaign {
            ballot,
            from: self.log.decided(),
            promises: PeerSet::EMPTY,
            best: BTreeMap::new(),
        });
        self.withhold(now, position, Withheld::OwnPromise { ballot }, out);
    }

    /// This node's own promise is durable: it counts, and the prepare may leave.
    pub(crate) fn on_own_promise(&mut self, now: Now, ballot: Ballot, out: &mut Outbox) {
        let first = self.log.first();
        let Role::Candidate(campaign) = &mut self.role else { return };
        if campaign.ballot != ballot {
            return;
        }
        // What was decided and forgotten while this became durable is not open any more: its votes could not be reported.
        campaign.from = campaign.from.max(first);
        let from = campaign.from;
        self.observe(out, || Observation::Prepare { ballot, from });
        self.send(self.config.voters, &Message::Prepare { ballot, from }, out);
        out.timer(Timer::Retransmit.id(), Some(now.monotonic + self.config.retransmit));
        let votes = self.votes_seen(from);
        self.observe(out, || Observation::Promise { ballot, from, votes });
        let votes = self.votes_from(from);
        self.on_promise(now, self.me, ballot, from, votes, out);
    }

    /// Phase 1b arrives: of every reported vote the one with the highest ballot counts (I6).
    pub(crate) fn on_promise(
        &mut self,
        now: Now,
        from: NodeId,
        ballot: Ballot,
        slot: Slot,
        votes: Vec<Entry>,
        out: &mut Outbox,
    ) {
        let Role::Candidate(campaign) = &mut self.role else { return };
        if campaign.ballot != ballot {
            return;
        }
        // It says nothing about the first of the open slots: a snapshot stands in for them there.
        if slot > campaign.from {
            out.sometimes(true, "a promise began behind what was asked for");
            self.note_commit(now, from, slot, out);
            return;
        }
        for vote in votes {
            requires!(
                "I4",
                vote.ballot < ballot,
                "a promise for {ballot} reports a vote under {}",
                vote.ballot
            );
            if vote.slot < campaign.from {
                continue;
            }
            let best = campaign.best.entry(vote.slot).or_default();
            if vote.ballot > best.0 {
                *best = (vote.ballot, Value { id: vote.id, bytes: vote.value });
            }
        }
        campaign.promises = campaign.promises.with(from);
        if campaign.promises.len() >= self.config.voters.majority() {
            let needed = votes_to_lead(campaign, &self.log);
            // Others know of values that this node has not, and there is no room for them. It does not try again before
            // something was decided: each time would cost everybody a promise.
            if !self.has_room_to_lead(needed, out) {
                out.sometimes(true, "a candidate had no room for what its quorum had voted for");
                self.needed = (self.log.decided(), needed);
                return self.step_down(now, out);
            }
            if let Role::Candidate(campaign) = core::mem::replace(&mut self.role, Role::Follower) {
                self.lead(now, campaign, out);
            }
        }
    }

    /// Somebody promised a higher ballot.
    pub(crate) fn on_reject(&mut self, now: Now, promised: Ballot, out: &mut Outbox) {
        self.highest_seen = self.highest_seen.max(promised);
        let mine = match &self.role {
            Role::Candidate(campaign) => campaign.ballot,
            Role::Leader(leadership) => leadership.ballot,
            Role::Follower | Role::Sounding(_) => return,
        };
        if promised > mine {
            self.step_down(now, out);
        }
    }

    /// Sends the prepare again to those who have not promised.
    pub(crate) fn retransmit_prepare(&mut self, now: Now, out: &mut Outbox) {
        let Role::Candidate(campaign) = &self.role else { return };
        let (ballot, from) = (campaign.ballot, campaign.from);
        let missing = PeerSet(self.config.voters.0 & !campaign.promises.0);
        self.send(missing, &Message::Prepare { ballot, from }, out);
        out.timer(Timer::Retransmit.id(), Some(now.monotonic + self.config.retransmit));
    }
}
