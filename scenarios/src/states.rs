//! Which coarse states of the protocol a run has been in: what a guided campaign looks for more of (`docs/guide.md`).
//!
//! A state is taken at every step that a replica observes: what it did and what it did before, whether it leads, lives
//! again or is an amnesiac, and how far it is behind the others. Numbers are put into classes, so that a run of another
//! length is not another state. It judges nothing.

use crate::oracles::{By, Step};
use seedfast_core::paxos::Slot;
use seedfast_core::{NodeId, ObservationKind};
use std::collections::BTreeSet;

/// What is known of a replica.
#[derive(Clone, Copy, Default)]
struct Node {
    amnesiac: bool,
    leads: bool,
    /// The highest ballot that it spoke of in this life.
    ballot: u64,
    /// The first slot that it has not applied.
    applied: u64,
    /// What it observed before.
    last: u8,
}

/// The states of a run so far.
pub struct States {
    nodes: Vec<Node>,
    /// The first slot that nobody has applied.
    applied: u64,
    seen: BTreeSet<u64>,
}

impl States {
    /// Of a group of `nodes` before anything happened.
    pub fn new(nodes: usize) -> Self {
        States { nodes: vec![Node::default(); nodes], applied: 0, seen: BTreeSet::new() }
    }

    /// All states seen, each once, in ascending order.
    pub fn all(&self) -> Vec<u64> {
        self.seen.iter().copied().collect()
    }

    /// Takes a step.
    pub fn step(&mut self, by: By, kind: ObservationKind, step: &Step<'_>) {
        let Some(node) = self.nodes.get_mut(usize::from(by.node.0)) else { return };
        match *step {
            Step::Prepare { ballot, .. } | Step::Promise { ballot, .. } | Step::Propose { ballot, .. } => {
                node.ballot = node.ballot.max(ballot.0);
            }
            Step::Accept { vote } => node.ballot = node.ballot.max(vote.ballot.0),
            Step::Leader { ballot } => (node.leads, node.ballot) = (true, node.ballot.max(ballot.0)),
            Step::StepDown { .. } | Step::Halt { .. } => node.leads = false,
            Step::Restart { promised, .. } => node.ballot = promised.0,
            Step::Apply { slot, .. } => node.applied = slot.0 + 1,
            Step::Install { slot: Slot(slot), .. } => node.applied = node.applied.max(slot),
            Step::Amnesiac => node.amnesiac = true,
            Step::Decide { .. }
            | Step::Read { .. }
            | Step::Refused { .. }
            | Step::Snapshot { .. }
            | Step::Trim { .. }
            | Step::Durable { .. } => {}
        }
        self.applied = self.applied.max(node.applied);
        let node = *node;
        self.seen.insert(self.state(by, node, kind.0));
        self.nodes[usize::from(by.node.0)].last = kind.0;
    }

    /// A node went down; what it knew is gone.
    pub fn down(&mut self, node: NodeId) {
        if let Some(node) = self.nodes.get_mut(usize::from(node.0)) {
            *node = Node { last: node.last, ..Node::default() };
        }
    }

    /// The state around a step as one number.
    fn state(&self, by: By, node: Node, kind: u8) -> u64 {
        let leaders = self.nodes.iter().filter(|node| node.leads).count().min(2) as u64;
        let highest = self.nodes.iter().map(|node| node.ballot).max().unwrap_or_default();
        // Whether it leads while others do, how far its ballot and its log are behind: what goes wrong begins there.
        let fields = [
            (u64::from(kind), 5),
            (u64::from(node.last), 5),
            (u64::from(node.leads), 1),
            (u64::from(by.incarnation.0 > 1), 1),
            (u64::from(node.amnesiac), 1),
            (u64::from(node.ballot < highest), 1),
            (class(self.applied - node.applied.min(self.applied)), 2),
            (leaders, 2),
        ];
        fields.into_iter().fold(0, |state, (value, bits)| state << bits | value)
    }
}

/// None, one, a few, many.
fn class(number: u64) -> u64 {
    match number {
        0 => 0,
        1 => 1,
        2..=7 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracles::testing::*;

    fn states(story: &[Told]) -> usize {
        let mut states = States::new(3);
        let told = tell(story, |by, step| {
            let kind = match step {
                Step::Accept { .. } => ObservationKind(4),
                Step::Leader { .. } => ObservationKind(6),
                _ => ObservationKind(5),
            };
            states.step(by, kind, step);
            Ok(())
        });
        assert_eq!(told, Ok(()));
        states.all().len()
    }

    #[test]
    fn what_is_repeated_is_no_other_state_and_a_second_leader_is() {
        let vote = |slot| at(1).accept(slot, b(1, 0), 7);
        assert_eq!(states(&[vote(0), vote(1)]), 2);
        assert_eq!(states(&[vote(0), vote(1), vote(2), vote(3)]), 2);
        let one = states(&[at(0).leader(b(1, 0)), vote(0)]);
        let two = states(&[at(0).leader(b(1, 0)), vote(0), at(2).leader(b(2, 2)), vote(0)]);
        assert_eq!((one, two), (2, 4));
    }
}
