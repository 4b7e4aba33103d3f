//! I8, truthful promises: a promise reports every vote that its node had announced at the slots asked about, under
//! the announced ballot or a higher one.
//!
//! A promise may begin later than it was asked to, and says so: behind what its node has trimmed, because a snapshot
//! stands in for it (I22). Whoever asked from further below does not count it for those slots (I6).

use super::by_slot::BySlot;
use super::step::Votes;
use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::paxos::{Ballot, Slot};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Default)]
struct Announced {
    /// The ballot of the latest vote that left; [`Ballot::ZERO`] for none.
    ballot: Ballot,
    /// The number of the promise under check that reported this slot, and what it reported.
    checked: u32,
    reported: Ballot,
}

/// What every node voted for, and what every ballot asked about.
pub struct TruthfulPromises {
    votes: Vec<BySlot<Announced>>,
    /// The first slot that each node has not trimmed.
    trimmed: Vec<Slot>,
    /// The highest slot from which a prepare of each ballot asked: a promise may answer the latest one.
    asked: BTreeMap<Ballot, Slot>,
    checks: u32,
}

impl TruthfulPromises {
    /// For `nodes` nodes.
    pub fn new(nodes: usize) -> Self {
        let votes = (0..nodes).map(|_| BySlot::default()).collect();
        let trimmed = vec![Slot(0); nodes];
        TruthfulPromises { votes, trimmed, asked: BTreeMap::new(), checks: 0 }
    }

    fn promise(&mut self, by: By, ballot: Ballot, from: Slot, votes: Votes<'_>) -> Verdict {
        let Some(&asked) = self.asked.get(&ballot) else {
            return broken("I8", format!("{} promised ballot {ballot}, which nobody prepared", by.node));
        };
        self.checks += 1;
        let announced = &mut self.votes[by.index()];
        for vote in votes.iter() {
            let entry = announced.at(vote.slot);
            entry.checked = self.checks;
            entry.reported = vote.ballot;
        }
        // A vote under this very ballot is its own leader's proposal: a repeated promise need not report it.
        let trimmed = self.trimmed[by.index()];
        let forgotten = |slot| slot < from && from <= trimmed;
        let hidden = self.votes[by.index()].from(asked).find(|(slot, entry)| {
            entry.ballot > Ballot::ZERO
                && entry.ballot < ballot
                && (entry.checked != self.checks || entry.reported < entry.ballot)
                && !forgotten(*slot)
        });
        match hidden {
            None => Ok(()),
            Some((slot, entry)) => broken(
                "I8",
                format!(
                    "{} had voted at slot {slot} under {} and its promise of {ballot} hides it",
                    by.node, entry.ballot
                ),
            ),
        }
    }
}

impl Oracle for TruthfulPromises {
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        match *step {
            Step::Prepare { ballot, from } => {
                let asked = self.asked.entry(ballot).or_insert(from);
                *asked = from.max(*asked);
                Ok(())
            }
            Step::Accept { vote } => {
                let entry = self.votes[by.index()].at(vote.slot);
                entry.ballot = entry.ballot.max(vote.ballot);
                Ok(())
            }
            Step::Promise { ballot, from, votes } => self.promise(by, ballot, from, votes),
            Step::Trim { below: slot } | Step::Restart { first: slot, .. } => {
                let trimmed = &mut self.trimmed[by.index()];
                *trimmed = slot.max(*trimmed);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const B: Ballot = b(5, 1);

    #[test]
    fn a_promise_that_reports_every_vote_asked_about_holds() {
        let story = [
            at(0).accept(0, b(1, 1), 6),
            at(0).accept(1, b(1, 1), 7),
            at(0).accept(2, b(2, 2), 8),
            at(1).prepare(B, 1),
            at(0).promise(B, &[(1, b(1, 1), 7), (2, b(2, 2), 8)]),
            at(0).accept(3, B, 9),
            at(0).promise(B, &[(1, b(1, 1), 7), (2, b(2, 2), 8)]),
        ];
        assert_holds(&mut TruthfulPromises::new(2), &story);
    }

    #[test]
    fn a_vote_that_a_snapshot_stands_in_for_may_be_forgotten_if_the_promise_says_so() {
        let late = |trimmed: Told, from: u64| {
            let vote = at(0).accept(1, b(2, 2), 7);
            [vote, at(1).prepare(B, 0), trimmed, at(0).promise_from(B, from, &[])]
        };
        assert_holds(&mut TruthfulPromises::new(2), &late(at(0).trim(2), 2));
        assert_holds(&mut TruthfulPromises::new(2), &late(at(0).life(2).restart_from(B, 2, &[]), 2));
        assert_breaks(&mut TruthfulPromises::new(2), "I8", &late(at(0).trim(2), 1));
        assert_breaks(&mut TruthfulPromises::new(2), "I8", &late(at(0).trim(1), 2));
        assert_breaks(&mut TruthfulPromises::new(2), "I8", &late(at(1).trim(2), 2));
    }

    #[test]
    fn a_hidden_vote_an_older_vote_and_a_promise_to_nobody_are_caught() {
        let (vote, prepare) = (at(0).accept(1, b(2, 2), 7), at(1).prepare(B, 1));
        let hidden = [vote.clone(), prepare.clone(), at(0).promise(B, &[])];
        assert_breaks(&mut TruthfulPromises::new(2), "I8", &hidden);
        let older = [vote.clone(), prepare.clone(), at(0).promise(B, &[(1, b(1, 1), 6)])];
        assert_breaks(&mut TruthfulPromises::new(2), "I8", &older);
        let later_life = [vote, prepare, at(0).life(2).promise(B, &[])];
        assert_breaks(&mut TruthfulPromises::new(2), "I8", &later_life);
        assert_breaks(&mut TruthfulPromises::new(2), "I8", &[at(0).promise(B, &[])]);
    }
}
