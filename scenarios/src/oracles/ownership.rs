//! I9, ballots are their owner's: one is used by the node that it names alone, and in one of its lives.

use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::Incarnation;
use seedfast_core::paxos::Ballot;
use std::collections::BTreeMap;

/// In which life each ballot is used.
#[derive(Default)]
pub struct Ownership {
    lives: BTreeMap<Ballot, Incarnation>,
    /// The last ballot that was found in order: proposals come in long runs.
    last: Option<(Ballot, Incarnation)>,
}

impl Oracle for Ownership {
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        let (Step::Prepare { ballot, .. } | Step::Propose { ballot, .. } | Step::Leader { ballot }) = *step
        else {
            return Ok(());
        };
        if ballot.node() != by.node || ballot == Ballot::ZERO {
            return broken("I9", format!("{} used ballot {ballot}, which is not its own", by.node));
        }
        if self.last == Some((ballot, by.incarnation)) {
            return Ok(());
        }
        let life = *self.lives.entry(ballot).or_insert(by.incarnation);
        if life != by.incarnation {
            return broken(
                "I9",
                format!(
                    "{} used ballot {ballot} in its life {} and again in life {}",
                    by.node, life.0, by.incarnation.0
                ),
            );
        }
        self.last = Some((ballot, by.incarnation));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn a_new_ballot_for_each_life_holds() {
        let story = [
            at(0).prepare(b(1, 0), 0),
            at(0).leader(b(1, 0)),
            at(0).propose(b(1, 0), 0, 7, &[0, 1], &[]),
            at(0).life(2).prepare(b(2, 0), 0),
            at(1).prepare(b(2, 1), 0),
        ];
        assert_holds(&mut Ownership::default(), &story);
    }

    #[test]
    fn a_borrowed_ballot_and_one_used_in_two_lives_are_caught() {
        assert_breaks(&mut Ownership::default(), "I9", &[at(0).prepare(b(1, 1), 0)]);
        assert_breaks(&mut Ownership::default(), "I9", &[at(0).leader(b(1, 1))]);
        let again = [at(0).prepare(b(1, 0), 0), at(0).life(2).propose(b(1, 0), 0, 7, &[0, 1], &[])];
        assert_breaks(&mut Ownership::default(), "I9", &again);
    }
}
