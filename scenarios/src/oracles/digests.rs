//! I15, equal digests: after one slot, the state machine and the session table are the same on every node, in every
//! life.

use super::by_slot::BySlot;
use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::NodeId;

/// The first digest seen after each slot, and whose it was.
#[derive(Default)]
pub struct Digests {
    after: BySlot<Option<(u64, NodeId)>>,
}

impl Oracle for Digests {
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        let Step::Apply { slot, digest, .. } = *step else {
            return Ok(());
        };
        match self.after.at(slot) {
            Some((first, _)) if *first == digest => Ok(()),
            Some((first, who)) => broken(
                "I15",
                format!("after slot {slot} {who} has digest {first:016x} and {} has {digest:016x}", by.node),
            ),
            entry => {
                *entry = Some((digest, by.node));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn equal_states_hold_and_a_digest_that_differs_is_caught() {
        let equal = [at(0).apply(0, 7, 1, &[]), at(1).apply(0, 7, 1, &[]), at(1).apply(1, 8, 2, &[])];
        assert_holds(&mut Digests::default(), &equal);
        let other = [at(0).apply(0, 7, 1, &[]), at(1).apply(0, 7, 2, &[])];
        assert_breaks(&mut Digests::default(), "I15", &other);
        let other_life = [at(0).apply(0, 7, 1, &[]), at(0).life(2).apply(0, 7, 2, &[])];
        assert_breaks(&mut Digests::default(), "I15", &other_life);
    }
}
