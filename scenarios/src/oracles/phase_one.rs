//! I6, the rule of phase 1: a leader proposes what the promises it counted oblige it to.
//!
//! The value must be that of the highest ballot among the votes that the quorum's promises report at the slot, and is
//! free only if none reports any; the quorum is a majority, and each member really promised this ballot; nothing is
//! proposed below the slots that the prepare asked about.
//!
//! A member may have promised one ballot twice, in two lives, with different votes, and only the leader knows which
//! promise it counted. So the question is whether *some* choice of one promise for each member obliges to the value.

use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::paxos::observe::VoteSeen;
use seedfast_core::paxos::{Ballot, Slot, ValueId};
use seedfast_core::{NodeId, PeerSet};
use std::collections::BTreeMap;

/// One promise.
struct Report {
    /// The first slot that it speaks of.
    from: Slot,
    /// Its votes, in order of slots.
    votes: Vec<VoteSeen>,
}

#[derive(Default)]
struct Round {
    /// The lowest slot that a prepare of this ballot asked about.
    from: Option<Slot>,
    /// Distinct promises of each node.
    reports: Vec<Vec<Report>>,
}

/// Every promise of every ballot.
pub struct PhaseOne {
    nodes: usize,
    rounds: BTreeMap<Ballot, Round>,
}

fn vote_at(report: &Report, slot: Slot) -> Option<&VoteSeen> {
    let found = report.votes.binary_search_by_key(&slot, |vote| vote.slot);
    found.ok().map(|index| &report.votes[index])
}

fn ballot_at(report: &Report, slot: Slot) -> Ballot {
    vote_at(report, slot).map_or(Ballot::ZERO, |vote| vote.ballot)
}

impl PhaseOne {
    /// For a group of `nodes` voters.
    pub fn new(nodes: usize) -> Self {
        PhaseOne { nodes, rounds: BTreeMap::new() }
    }

    fn round(&mut self, ballot: Ballot) -> &mut Round {
        let nodes = self.nodes;
        self.rounds
            .entry(ballot)
            .or_insert_with(|| Round { from: None, reports: (0..nodes).map(|_| Vec::new()).collect() })
    }

    fn propose(&mut self, by: By, ballot: Ballot, slot: Slot, value: ValueId, quorum: PeerSet) -> Verdict {
        let voters = PeerSet::first(self.nodes);
        let short =
            |why: String| broken("I6", format!("{} proposed slot {slot} under {ballot} {why}", by.node));
        if quorum.and(voters) != quorum || quorum.len() < voters.majority() {
            return short(format!("with promises of {quorum:?}, no majority of {} nodes", self.nodes));
        }
        let Some(round) = self.rounds.get(&ballot) else {
            return short("and never prepared it".into());
        };
        if round.from.is_none_or(|from| slot < from) {
            return short("and its prepare never asked about that slot".into());
        }
        // A promise that begins behind the slot says nothing about it.
        let reports = |node: NodeId| {
            round.reports[usize::from(node.0)].iter().filter(move |report| report.from <= slot)
        };
        if let Some(absent) = quorum.iter().find(|node| reports(*node).next().is_none()) {
            return short(format!("counting a promise that {absent} never gave"));
        }
        // The lowest ballot that each member's promises can leave at the slot; the highest of those binds at least.
        let least = quorum
            .iter()
            .map(|node| reports(node).map(|report| ballot_at(report, slot)).min().unwrap_or_default())
            .max()
            .unwrap_or_default();
        if least == Ballot::ZERO {
            return Ok(());
        }
        let obliged = quorum
            .iter()
            .flat_map(reports)
            .filter_map(|report| vote_at(report, slot))
            .filter(|vote| vote.ballot >= least);
        let (mut found, mut strongest) = (false, None::<&VoteSeen>);
        for vote in obliged {
            found |= vote.value == value;
            strongest = strongest.filter(|best| best.ballot >= vote.ballot).or(Some(vote));
        }
        match strongest {
            Some(vote) if !found => short(format!(
                "with {:016x}, though its quorum {quorum:?} reported a vote for {:016x} under {}",
                value.0, vote.value.0, vote.ballot
            )),
            _ => Ok(()),
        }
    }
}

impl Oracle for PhaseOne {
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        match *step {
            Step::Prepare { ballot, from } => {
                let round = self.round(ballot);
                round.from = Some(round.from.map_or(from, |before| before.min(from)));
                Ok(())
            }
            Step::Promise { ballot, from, votes } => {
                let reports = &mut self.round(ballot).reports[by.index()];
                let same =
                    |report: &Report| report.from == from && votes.iter().eq(report.votes.iter().copied());
                if !reports.iter().any(same) {
                    let mut votes: Vec<VoteSeen> = votes.iter().collect();
                    votes.sort_by_key(|vote| vote.slot);
                    reports.push(Report { from, votes });
                }
                Ok(())
            }
            Step::Propose { ballot, slot, value, quorum, .. } => {
                self.propose(by, ballot, slot, value, quorum)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const B: Ballot = b(5, 0);

    fn breaks(story: &[Told]) {
        assert_breaks(&mut PhaseOne::new(3), "I6", story);
    }

    #[test]
    fn the_highest_reported_vote_binds_and_an_open_slot_is_free() {
        let story = [
            at(0).prepare(B, 1),
            at(0).promise(B, &[(1, b(2, 1), 7)]),
            at(1).promise(B, &[(1, b(3, 2), 8)]),
            at(1).promise(b(9, 2), &[]),
            at(0).propose(B, 1, 8, &[0, 1], &[]),
            at(0).propose(B, 2, 9, &[0, 1], &[]),
        ];
        assert_holds(&mut PhaseOne::new(3), &story);
    }

    #[test]
    fn a_node_that_promised_twice_may_have_been_counted_either_way() {
        let told = [
            at(0).prepare(B, 0),
            at(0).promise(B, &[]),
            at(1).promise(B, &[]),
            at(1).life(2).promise(B, &[(0, b(1, 1), 7)]),
        ];
        for value in [7, 8] {
            let mut story = told.to_vec();
            story.push(at(0).propose(B, 0, value, &[0, 1], &[]));
            assert_holds(&mut PhaseOne::new(3), &story);
        }
    }

    #[test]
    fn a_value_that_ignores_a_reported_vote_is_caught() {
        let told = [at(0).prepare(B, 0), at(0).promise(B, &[]), at(1).promise(B, &[(0, b(1, 1), 7)])];
        let mut story = told.to_vec();
        story.push(at(0).propose(B, 0, 9, &[0, 1], &[]));
        breaks(&story);
        let lower = [
            at(0).prepare(B, 0),
            at(0).promise(B, &[(0, b(2, 2), 8)]),
            at(1).promise(B, &[(0, b(1, 1), 7)]),
            at(0).propose(B, 0, 7, &[0, 1], &[]),
        ];
        breaks(&lower);
    }

    #[test]
    fn a_quorum_that_is_none_or_promised_something_else_is_caught() {
        let start = at(0).prepare(B, 0);
        let own = at(0).promise(B, &[]);
        breaks(&[start.clone(), own.clone(), at(0).propose(B, 0, 7, &[0], &[])]);
        breaks(&[start.clone(), own.clone(), at(0).propose(B, 0, 7, &[0, 1], &[])]);
        let other = at(1).promise(b(4, 1), &[]);
        breaks(&[start.clone(), own.clone(), other, at(0).propose(B, 0, 7, &[0, 1], &[])]);
        breaks(&[own.clone(), at(1).promise(B, &[]), at(0).propose(B, 0, 7, &[0, 1], &[])]);
        let behind = at(1).promise_from(B, 1, &[]);
        breaks(&[start.clone(), own.clone(), behind, at(0).propose(B, 0, 7, &[0, 1], &[])]);
        let above = at(0).prepare(B, 5);
        breaks(&[above, own, at(1).promise(B, &[]), at(0).propose(B, 4, 7, &[0, 1], &[])]);
    }
}
