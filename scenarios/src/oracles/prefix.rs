//! I3, stable prefix: a node never changes its mind about a slot, and applies slots one after the other, from the first
//! one on. Only a snapshot that it installs lets it go on elsewhere, and only further on.

use super::by_slot::BySlot;
use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::paxos::{Slot, ValueId};
use seedfast_core::{Incarnation, NodeId};

#[derive(Default)]
struct Node {
    decided: BySlot<Option<ValueId>>,
    life: Incarnation,
    /// The last slot applied in this life.
    applied: Option<Slot>,
}

/// What each node decided in all its lives, and how far it applied in its present one.
pub struct StablePrefix {
    nodes: Vec<Node>,
}

impl StablePrefix {
    /// For `nodes` nodes.
    pub fn new(nodes: usize) -> Self {
        StablePrefix { nodes: (0..nodes).map(|_| Node::default()).collect() }
    }

    /// A new life begins: its state machine is empty.
    pub fn started(&mut self, node: NodeId, life: Incarnation) {
        let node = &mut self.nodes[usize::from(node.0)];
        node.life = life;
        node.applied = None;
    }

    /// The last slot that `node` applied in its present life.
    pub fn applied(&self, node: usize) -> Option<Slot> {
        self.nodes[node].applied
    }
}

impl Oracle for StablePrefix {
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        let node = &mut self.nodes[by.index()];
        if let Step::Decide { slot, value } | Step::Apply { slot, value, .. } = *step {
            match node.decided.at(slot) {
                Some(before) if *before != value => {
                    return broken(
                        "I3",
                        format!(
                            "{} had decided {:016x} at slot {slot} and now says {:016x}",
                            by.node, before.0, value.0
                        ),
                    );
                }
                entry => *entry = Some(value),
            }
        }
        if let Step::Apply { slot, .. } = *step {
            if node.life != by.incarnation {
                node.life = by.incarnation;
                node.applied = None;
            }
            if slot != node.applied.map_or(Slot(0), Slot::next) {
                let after = node.applied.map_or("nothing".into(), |last| format!("slot {last}"));
                return broken("I3", format!("{} applied slot {slot} after {after}", by.node));
            }
            node.applied = Some(slot);
        }
        if let Step::Install { slot, .. } = *step {
            if node.life != by.incarnation {
                node.life = by.incarnation;
                node.applied = None;
            }
            let next = node.applied.map_or(Slot(0), Slot::next);
            if slot <= next {
                return broken(
                    "I3",
                    format!(
                        "{} was to apply slot {next} and installed a snapshot of what is below {slot}",
                        by.node
                    ),
                );
            }
            node.applied = Some(Slot(slot.0 - 1));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn a_life_applies_in_order_and_the_next_life_begins_again() {
        let story = [
            at(0).decide(0, 7),
            at(0).apply(0, 7, 1, &[]),
            at(0).apply(1, 8, 2, &[]),
            at(0).life(2).apply(0, 7, 1, &[]),
            at(0).life(2).apply(1, 8, 2, &[]),
        ];
        let mut oracle = StablePrefix::new(1);
        assert_holds(&mut oracle, &story);
        assert_eq!(oracle.applied(0), Some(Slot(1)));
        oracle.started(NodeId(0), Incarnation(3));
        assert_eq!(oracle.applied(0), None);
    }

    #[test]
    fn a_changed_mind_a_gap_and_a_slot_applied_twice_are_caught() {
        assert_breaks(&mut StablePrefix::new(1), "I3", &[at(0).decide(0, 7), at(0).life(2).decide(0, 8)]);
        let gap = [at(0).apply(0, 7, 1, &[]), at(0).apply(2, 8, 2, &[])];
        assert_breaks(&mut StablePrefix::new(1), "I3", &gap);
        let late = [at(0).apply(1, 7, 1, &[])];
        assert_breaks(&mut StablePrefix::new(1), "I3", &late);
        let twice = [at(0).apply(0, 7, 1, &[]), at(0).apply(0, 7, 1, &[])];
        assert_breaks(&mut StablePrefix::new(1), "I3", &twice);
    }

    #[test]
    fn a_snapshot_lets_a_node_go_on_behind_it_and_never_back() {
        let install = [
            at(0).apply(0, 7, 1, &[]),
            at(0).install(4, 9),
            at(0).apply(4, 8, 2, &[]),
            at(0).life(2).install(4, 9),
            at(0).life(2).apply(4, 8, 2, &[]),
        ];
        assert_holds(&mut StablePrefix::new(1), &install);
        let breaks = |story: &[Told]| assert_breaks(&mut StablePrefix::new(1), "I3", story);
        breaks(&[at(0).install(4, 9), at(0).apply(5, 8, 2, &[])]);
        breaks(&[at(0).install(4, 9), at(0).apply(3, 8, 2, &[])]);
        breaks(&[at(0).install(4, 9), at(0).install(4, 9)]);
        breaks(&[at(0).apply(0, 7, 1, &[]), at(0).install(1, 9)]);
        breaks(&[at(0).install(4, 9), at(0).life(2).apply(4, 8, 2, &[])]);
    }
}
