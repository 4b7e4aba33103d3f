//! I10, the rule of decision: what is decided was accepted by a majority under one ballot before anyone says so.

use super::by_slot::BySlot;
use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::PeerSet;
use seedfast_core::paxos::{Ballot, Slot, ValueId};

struct Tally {
    ballot: Ballot,
    value: ValueId,
    voters: PeerSet,
}

#[derive(Default)]
struct At {
    tallies: Vec<Tally>,
    proven: Option<ValueId>,
}

/// Who voted, at each slot and under each ballot.
pub struct Majority {
    slots: BySlot<At>,
    quorum: usize,
}

impl Majority {
    /// For a group of `nodes` voters.
    pub fn new(nodes: usize) -> Self {
        Majority { slots: BySlot::default(), quorum: PeerSet::first(nodes).majority() }
    }

    fn decided(&mut self, by: By, slot: Slot, value: ValueId) -> Verdict {
        let at = self.slots.at(slot);
        if at.proven == Some(value) {
            return Ok(());
        }
        if at.tallies.iter().any(|tally| tally.value == value && tally.voters.len() >= self.quorum) {
            at.proven = Some(value);
            return Ok(());
        }
        let most =
            at.tallies.iter().filter(|tally| tally.value == value).map(|tally| tally.voters.len()).max();
        broken(
            "I10",
            format!(
                "{} decided {:016x} at slot {slot}, which {} of the {} nodes that it takes had accepted under one ballot",
                by.node,
                value.0,
                most.unwrap_or(0),
                self.quorum
            ),
        )
    }
}

impl Oracle for Majority {
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        match *step {
            Step::Accept { vote } => {
                let tallies = &mut self.slots.at(vote.slot).tallies;
                let known = |tally: &&mut Tally| tally.ballot == vote.ballot && tally.value == vote.value;
                match tallies.iter_mut().rev().find(known) {
                    Some(tally) => tally.voters = tally.voters.with(by.node),
                    None => tallies.push(Tally {
                        ballot: vote.ballot,
                        value: vote.value,
                        voters: PeerSet::one(by.node),
                    }),
                }
                Ok(())
            }
            Step::Decide { slot, value } | Step::Apply { slot, value, .. } => self.decided(by, slot, value),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn a_majority_under_one_ballot_decides() {
        let story = [
            at(0).accept(0, b(1, 0), 7),
            at(1).accept(0, b(1, 0), 7),
            at(0).decide(0, 7),
            at(2).decide(0, 7),
            at(2).apply(0, 7, 1, &[]),
        ];
        assert_holds(&mut Majority::new(3), &story);
    }

    #[test]
    fn a_minority_a_doubled_vote_and_votes_under_different_ballots_do_not() {
        let breaks = |story: &[Told]| assert_breaks(&mut Majority::new(3), "I10", story);
        breaks(&[at(0).accept(0, b(1, 0), 7), at(0).decide(0, 7)]);
        breaks(&[at(0).accept(0, b(1, 0), 7), at(0).life(2).accept(0, b(1, 0), 7), at(0).decide(0, 7)]);
        breaks(&[at(0).accept(0, b(1, 0), 7), at(1).accept(0, b(2, 1), 7), at(0).decide(0, 7)]);
        breaks(&[at(0).accept(0, b(1, 0), 7), at(1).accept(1, b(1, 0), 7), at(0).decide(0, 7)]);
    }
}
