//! I15, equal digests: after one slot, the state machine and the session table are the same on every node, in every
//! life.
//!
//! I21, a snapshot equals replay: what it holds, and what came out of it when it was installed, is what those have who
//! applied every slot below it.

use super::by_slot::BySlot;
use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::NodeId;
use seedfast_core::paxos::Slot;

/// The first digest seen after each slot, and whose it was.
#[derive(Default)]
pub struct Digests {
    after: BySlot<Option<(u64, NodeId)>>,
}

impl Digests {
    fn snapshot(&self, by: By, slot: Slot, digest: u64) -> Verdict {
        let last = slot.0.checked_sub(1).and_then(|last| *self.after.get(Slot(last))?);
        match last {
            Some((replayed, _)) if replayed == digest => Ok(()),
            Some((replayed, who)) => broken(
                "I21",
                format!(
                    "{} has a snapshot of what is below slot {slot} with digest {digest:016x}, and {who}, who applied \
                     that, has {replayed:016x}",
                    by.node
                ),
            ),
            None => broken(
                "I21",
                format!("{} has a snapshot of what is below slot {slot}, which nobody applied", by.node),
            ),
        }
    }
}

impl Oracle for Digests {
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        let (slot, digest) = match *step {
            Step::Apply { slot, digest, .. } => (slot, digest),
            Step::Snapshot { slot, digest } | Step::Install { slot, digest } => {
                return self.snapshot(by, slot, digest);
            }
            _ => return Ok(()),
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

    #[test]
    fn a_snapshot_that_is_not_what_replay_gives_is_caught() {
        let applied = [at(0).apply(0, 7, 1, &[]), at(0).apply(1, 8, 2, &[])];
        let then = |more: &[Told]| [&applied[..], more].concat();
        let same = then(&[at(1).snapshot(2, 2), at(1).install(2, 2), at(1).life(2).install(1, 1)]);
        assert_holds(&mut Digests::default(), &same);
        let breaks = |more: &[Told]| assert_breaks(&mut Digests::default(), "I21", &then(more));
        breaks(&[at(1).snapshot(2, 1)]);
        breaks(&[at(1).install(1, 2)]);
        breaks(&[at(1).snapshot(3, 2)]);
        breaks(&[at(1).install(0, 2)]);
    }
}
