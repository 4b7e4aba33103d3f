//! I5, one value for each ballot and slot: whoever proposes, votes or reports a vote under a ballot names the same one.

use super::by_slot::BySlot;
use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::paxos::{Ballot, Slot, ValueId};

/// The value of every ballot that was seen at a slot, the latest ballot last in most slots.
#[derive(Default)]
pub struct OneValue {
    values: BySlot<Vec<(Ballot, ValueId)>>,
}

impl OneValue {
    #[inline]
    fn check(&mut self, by: By, slot: Slot, ballot: Ballot, value: ValueId) -> Verdict {
        let values = self.values.at(slot);
        match values.iter().rev().find(|(known, _)| *known == ballot) {
            Some((_, known)) if *known == value => Ok(()),
            Some((_, known)) => broken(
                "I5",
                format!(
                    "ballot {ballot} stands for {:016x} at slot {slot}, and {} names {:016x}",
                    known.0, by.node, value.0
                ),
            ),
            None => {
                values.push((ballot, value));
                Ok(())
            }
        }
    }
}

impl Oracle for OneValue {
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        match *step {
            Step::Propose { ballot, slot, value, .. } => self.check(by, slot, ballot, value),
            Step::Accept { vote } => self.check(by, vote.slot, vote.ballot, vote.value),
            Step::Promise { votes, .. } | Step::Restart { votes, .. } => {
                votes.iter().try_for_each(|vote| self.check(by, vote.slot, vote.ballot, vote.value))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn one_value_under_one_ballot_holds_and_another_ballot_may_carry_another() {
        let story = [
            at(0).propose(b(1, 0), 3, 7, &[0, 1], &[]),
            at(1).accept(3, b(1, 0), 7),
            at(1).promise(b(2, 2), &[(3, b(1, 0), 7)]),
            at(2).propose(b(2, 2), 3, 8, &[0, 2], &[]),
        ];
        assert_holds(&mut OneValue::default(), &story);
    }

    #[test]
    fn a_second_value_is_caught_in_a_proposal_a_vote_a_promise_and_a_restart() {
        let first = at(0).propose(b(1, 0), 3, 7, &[0, 1], &[]);
        for second in [
            at(0).life(2).propose(b(1, 0), 3, 8, &[0, 1], &[]),
            at(1).accept(3, b(1, 0), 8),
            at(1).promise(b(2, 2), &[(3, b(1, 0), 8)]),
            at(1).restart(b(2, 2), &[(3, b(1, 0), 8)]),
        ] {
            assert_breaks(&mut OneValue::default(), "I5", &[first.clone(), second]);
        }
    }
}
