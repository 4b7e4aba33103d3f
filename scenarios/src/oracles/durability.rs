//! I4, what a node announced it keeps: its ballot never regresses, over restarts too, and a vote that left it is there
//! after every restart, under the same ballot or a higher one.
//!
//! I22, truncation only behind a durable snapshot: a vote may be missing after a restart only below the slot that the
//! node's snapshot stands for. That slot never shrinks; it grows by snapshots that the node said were durable (a crash
//! may keep it from saying so) of what it had applied or a peer had. Nothing is trimmed above it, and what is installed
//! is that snapshot.
//!
//! A node that lost its memory has nothing left to keep; I20 sees to it that it does not take part.

use super::by_slot::BySlot;
use super::step::Votes;
use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::NodeId;
use seedfast_core::paxos::observe::VoteSeen;
use seedfast_core::paxos::{Ballot, Slot, ValueId};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Default)]
struct Vote {
    /// [`Ballot::ZERO`] for none.
    ballot: Ballot,
    value: ValueId,
    /// The number of the restart that reported this slot.
    reported: u32,
}

#[derive(Default)]
struct Acceptor {
    /// The highest ballot that it promised or voted under where others could see it.
    floor: Ballot,
    votes: BySlot<Vote>,
    restarts: u32,
    /// Below this slot, a durable snapshot stands in for its votes.
    first: Slot,
    /// The highest slot that it applied in any life, and one.
    applied: Slot,
    /// What it kept was destroyed, and it has not started since.
    struck: bool,
}

/// What every node has announced.
pub struct Durability {
    nodes: Vec<Acceptor>,
    /// The slots of which anybody had a durable snapshot.
    snapshots: BTreeSet<Slot>,
}

impl Durability {
    /// For `nodes` nodes.
    pub fn new(nodes: usize) -> Self {
        Durability { nodes: (0..nodes).map(|_| Acceptor::default()).collect(), snapshots: BTreeSet::new() }
    }

    /// A fault destroyed what `node` kept.
    pub fn struck(&mut self, node: NodeId) {
        self.nodes[usize::from(node.0)].struck = true;
    }

    fn accept(&mut self, by: By, vote: VoteSeen) -> Verdict {
        let node = &mut self.nodes[by.index()];
        if vote.ballot < node.floor {
            return broken(
                "I4",
                format!(
                    "{} accepted slot {} under ballot {}, below its promise {}",
                    by.node, vote.slot, vote.ballot, node.floor
                ),
            );
        }
        node.floor = vote.ballot;
        let entry = node.votes.at(vote.slot);
        if vote.ballot > entry.ballot {
            entry.ballot = vote.ballot;
            entry.value = vote.value;
        }
        Ok(())
    }

    /// The node's snapshot of what is below `slot` became durable, or a restart found it so.
    fn snapshot(&mut self, by: By, slot: Slot) -> Verdict {
        let node = &mut self.nodes[by.index()];
        if slot < node.first {
            return broken(
                "I22",
                format!(
                    "{} had a durable snapshot of what is below slot {} and now has one of what is below {slot}",
                    by.node, node.first
                ),
            );
        }
        if slot > node.first && slot > node.applied && !self.snapshots.contains(&slot) {
            return broken(
                "I22",
                format!(
                    "{} has a snapshot of what is below slot {slot}, which it never applied and no peer had",
                    by.node
                ),
            );
        }
        node.first = slot;
        // Found by a restart, it may be one whose node had no time to say that it was durable.
        self.snapshots.insert(slot);
        Ok(())
    }

    /// Something is done that rests on the node's durable snapshot of what is below `slot`.
    fn rests(&self, by: By, slot: Slot, what: &str, holds: bool) -> Verdict {
        if holds {
            return Ok(());
        }
        let first = self.nodes[by.index()].first;
        broken(
            "I22",
            format!("{} {what} slot {slot}, and its durable snapshot is of what is below {first}", by.node),
        )
    }

    fn restart(&mut self, by: By, promised: Ballot, first: Slot, votes: Votes<'_>) -> Verdict {
        self.snapshot(by, first)?;
        let node = &mut self.nodes[by.index()];
        if promised < node.floor {
            return broken(
                "I4",
                format!("{} had promised ballot {} and restarted with {promised}", by.node, node.floor),
            );
        }
        node.floor = promised;
        node.restarts += 1;
        for vote in votes.iter() {
            let entry = node.votes.at(vote.slot);
            entry.reported = node.restarts;
            if vote.ballot < entry.ballot || (vote.ballot == entry.ballot && vote.value != entry.value) {
                return broken(
                    "I4",
                    format!(
                        "{} had voted for {:016x} at slot {} under ballot {} and restarted with {:016x} under {}",
                        by.node, entry.value.0, vote.slot, entry.ballot, vote.value.0, vote.ballot
                    ),
                );
            }
        }
        let lost = node
            .votes
            .from(first)
            .find(|(_, vote)| vote.ballot > Ballot::ZERO && vote.reported != node.restarts);
        match lost {
            None => Ok(()),
            Some((slot, vote)) => broken(
                "I4",
                format!(
                    "{} had announced its vote at slot {slot} under ballot {} and restarted without it",
                    by.node, vote.ballot
                ),
            ),
        }
    }
}

impl Oracle for Durability {
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        match *step {
            Step::Promise { ballot, .. } => {
                let floor = &mut self.nodes[by.index()].floor;
                if ballot < *floor {
                    return broken(
                        "I4",
                        format!("{} promised ballot {ballot} after ballot {floor}", by.node),
                    );
                }
                *floor = ballot;
                Ok(())
            }
            Step::Accept { vote } => self.accept(by, vote),
            Step::Restart { promised, first, votes } => self.restart(by, promised, first, votes),
            Step::Snapshot { slot, .. } => self.snapshot(by, slot),
            Step::Install { slot, .. } => {
                self.rests(by, slot, "installed what is below", slot == self.nodes[by.index()].first)
            }
            Step::Trim { below } => {
                self.rests(by, below, "forgot what is below", below <= self.nodes[by.index()].first)
            }
            Step::Apply { slot, .. } => {
                let applied = &mut self.nodes[by.index()].applied;
                *applied = slot.next().max(*applied);
                Ok(())
            }
            Step::Amnesiac => {
                let node = &mut self.nodes[by.index()];
                // What it learned since it was struck, its snapshot, is to be kept like anybody's.
                if node.struck {
                    *node = Acceptor::default();
                }
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

    fn breaks(story: &[Told]) {
        assert_breaks(&mut Durability::new(1), "I4", story);
    }

    #[test]
    fn a_node_that_keeps_its_word_holds() {
        let story = [
            at(0).promise(b(1, 1), &[]),
            at(0).accept(0, b(1, 1), 7),
            at(0).accept(0, b(1, 1), 7),
            at(0).accept(1, b(2, 2), 8),
            // A vote that never left may be there, and a slot may have been voted on again.
            at(0).life(2).restart(b(3, 1), &[(0, b(2, 2), 9), (1, b(2, 2), 8), (2, b(2, 2), 9)]),
            at(0).life(2).promise(b(3, 1), &[]),
        ];
        assert_holds(&mut Durability::new(1), &story);
    }

    #[test]
    fn a_ballot_that_regresses_is_caught_in_one_life_and_over_a_restart() {
        breaks(&[at(0).promise(b(2, 1), &[]), at(0).promise(b(1, 1), &[])]);
        breaks(&[at(0).promise(b(2, 1), &[]), at(0).accept(0, b(1, 1), 7)]);
        breaks(&[at(0).accept(0, b(2, 1), 7), at(0).promise(b(1, 1), &[])]);
        breaks(&[at(0).promise(b(2, 1), &[]), at(0).life(2).restart(b(1, 1), &[])]);
        breaks(&[at(0).accept(0, b(2, 1), 7), at(0).life(2).restart(b(1, 1), &[(0, b(2, 1), 7)])]);
    }

    #[test]
    fn an_announced_vote_that_a_restart_lost_or_changed_is_caught() {
        let vote = at(0).accept(4, b(2, 1), 7);
        breaks(&[vote.clone(), at(0).life(2).restart(b(2, 1), &[])]);
        breaks(&[vote.clone(), at(0).life(2).restart(b(2, 1), &[(4, b(1, 1), 7)])]);
        breaks(&[vote.clone(), at(0).life(2).restart(b(2, 1), &[(4, b(2, 1), 8)])]);
        let kept = at(0).life(2).restart(b(2, 1), &[(4, b(2, 1), 7)]);
        breaks(&[vote, kept, at(0).life(3).restart(b(2, 1), &[])]);
    }

    #[test]
    fn a_vote_may_be_missing_below_a_durable_snapshot_and_nowhere_else() {
        let before = |slot: u64, first: u64| {
            let mut story =
                vec![at(0).accept(slot, b(2, 1), 7), at(0).apply(0, 7, 1, &[]), at(0).apply(1, 7, 2, &[])];
            story.extend([
                at(0).snapshot(2, 2),
                at(0).trim(2),
                at(0).life(2).restart_from(b(2, 1), first, &[]),
            ]);
            story
        };
        assert_holds(&mut Durability::new(1), &before(1, 2));
        breaks(&before(2, 2));
        // The crash came before the node could say that its snapshot is durable; a peer fetches it all the same.
        let unsaid =
            [at(0).apply(0, 7, 1, &[]), at(0).life(2).restart_from(b(0, 0), 1, &[]), at(1).snapshot(1, 1)];
        assert_holds(&mut Durability::new(2), &unsaid);
    }

    #[test]
    fn nothing_rests_on_a_snapshot_that_is_not_durable() {
        let breaks = |story: &[Told]| assert_breaks(&mut Durability::new(2), "I22", story);
        let own = [at(0).apply(0, 7, 1, &[]), at(0).apply(1, 7, 2, &[]), at(0).snapshot(2, 2)];
        let then = |more: Told| [&own[..], &[more]].concat();
        assert_holds(&mut Durability::new(2), &then(at(0).trim(2)));
        assert_holds(&mut Durability::new(2), &then(at(1).snapshot(2, 2)));
        assert_holds(&mut Durability::new(2), &then(at(0).life(2).restart_from(b(0, 0), 2, &[])));
        breaks(&then(at(0).trim(3)));
        breaks(&then(at(0).install(3, 3)));
        breaks(&then(at(0).install(1, 3)));
        breaks(&then(at(1).install(2, 2)));
        breaks(&then(at(1).trim(1)));
        breaks(&then(at(0).snapshot(3, 3)));
        breaks(&then(at(0).snapshot(1, 1)));
        breaks(&then(at(0).life(2).restart_from(b(0, 0), 1, &[])));
        breaks(&then(at(0).life(2).restart(b(0, 0), &[])));
        breaks(&then(at(1).life(2).restart_from(b(0, 0), 3, &[])));
    }

    #[test]
    fn a_node_that_lost_its_memory_has_nothing_to_keep_but_what_it_learned_since() {
        let known = [at(0).accept(0, b(2, 1), 7), at(1).apply(0, 7, 1, &[]), at(1).snapshot(1, 1)];
        let lost = [
            at(0).life(2).amnesiac(),
            at(0).life(2).restart(b(0, 0), &[]),
            at(0).life(2).snapshot(1, 1),
            at(0).life(3).amnesiac(),
        ];
        let struck = || {
            let mut oracle = Durability::new(2);
            assert_holds(&mut oracle, &known);
            oracle.struck(NodeId(0));
            oracle
        };
        let then = |more: Told| [&lost[..], &[more]].concat();
        assert_holds(&mut struck(), &then(at(0).life(3).restart_from(b(0, 0), 1, &[])));
        assert_breaks(&mut struck(), "I22", &then(at(0).life(3).restart(b(0, 0), &[])));
        assert_breaks(&mut struck(), "I4", &[at(0).life(2).restart(b(0, 0), &[])]);
    }
}
