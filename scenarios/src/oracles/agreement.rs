//! I1, agreement: no two nodes, in no two lives, decide different values at one slot.

use super::by_slot::BySlot;
use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::NodeId;
use seedfast_core::paxos::{Slot, ValueId};

/// The first value decided or applied at each slot, and by whom.
#[derive(Default)]
pub struct Agreement {
    chosen: BySlot<Option<(ValueId, NodeId)>>,
}

impl Agreement {
    fn check(&mut self, by: By, slot: Slot, value: ValueId, verb: &str) -> Verdict {
        match self.chosen.at(slot) {
            Some((first, _)) if *first == value => Ok(()),
            Some((first, who)) => broken(
                "I1",
                format!(
                    "{who} decided {:016x} at slot {slot}, and {} {verb} {:016x} there",
                    first.0, by.node, value.0
                ),
            ),
            empty => {
                *empty = Some((value, by.node));
                Ok(())
            }
        }
    }
}

impl Oracle for Agreement {
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        match *step {
            Step::Decide { slot, value } => self.check(by, slot, value, "decided"),
            Step::Apply { slot, value, .. } => self.check(by, slot, value, "applied"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn nodes_that_decide_and_apply_the_same_values_agree() {
        let story = [at(0).decide(0, 7), at(1).decide(0, 7), at(1).decide(1, 8), at(0).apply(0, 7, 1, &[])];
        assert_holds(&mut Agreement::default(), &story);
    }

    #[test]
    fn two_values_at_one_slot_are_caught_whoever_decides_or_applies_them() {
        assert_breaks(&mut Agreement::default(), "I1", &[at(0).decide(3, 7), at(1).decide(3, 8)]);
        assert_breaks(&mut Agreement::default(), "I1", &[at(0).decide(3, 7), at(1).apply(3, 8, 1, &[])]);
        assert_breaks(&mut Agreement::default(), "I1", &[at(0).decide(3, 7), at(0).life(2).decide(3, 8)]);
    }
}
