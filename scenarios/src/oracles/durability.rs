//! I4, what a node announced it keeps: its ballot never regresses, over restarts too, and a vote that left it is there
//! after every restart, under the same ballot or a higher one.

use super::by_slot::BySlot;
use super::step::Votes;
use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::paxos::observe::VoteSeen;
use seedfast_core::paxos::{Ballot, ValueId};

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
}

/// What every node has announced.
pub struct Durability {
    nodes: Vec<Acceptor>,
}

impl Durability {
    /// For `nodes` nodes.
    pub fn new(nodes: usize) -> Self {
        Durability { nodes: (0..nodes).map(|_| Acceptor::default()).collect() }
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

    fn restart(&mut self, by: By, promised: Ballot, votes: Votes<'_>) -> Verdict {
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
            .from(seedfast_core::paxos::Slot(0))
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
            Step::Restart { promised, votes } => self.restart(by, promised, votes),
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
}
