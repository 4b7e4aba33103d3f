//! The judge of the toy consensus: T1, T2 and T3, after every turn.

use super::node::{CAST, DECIDED, Node, State, Value};
use super::{NODES, QUORUM, Speak};
use seedfast_core::{Geometry, NodeId, Process};
use seedfast_sim::{Scene, Seen, Violation};
use std::collections::BTreeMap;

/// Sees every vote and every decision as it is made.
///
/// What a node announces in a turn is a claim; a vote is what a node holds when a turn has ended, as its own or as
/// somebody else's. A turn that was cut off before anybody could hear of its vote binds nobody.
pub(super) struct Judge {
    speak: Speak,
    /// Which values each node announced a vote for.
    claimed: [[bool; 2]; NODES],
    /// The first vote of each node that anybody held, over all its lives.
    cast: [Option<Value>; NODES],
    /// The first decision, and whose it was.
    decided: Option<(NodeId, Value)>,
    casts: u64,
    decisions: u64,
}

impl Judge {
    pub(super) fn new(speak: Speak) -> Self {
        let (claimed, cast) = ([[false; 2]; NODES], [None; NODES]);
        Judge { speak, claimed, cast, decided: None, casts: 0, decisions: 0 }
    }

    /// T3, for one vote of `voter` in the memory of `witness`.
    fn same_vote(&mut self, witness: NodeId, voter: usize, vote: Value) -> Result<(), Violation> {
        if !self.claimed[voter][usize::from(vote.0)] {
            let what = format!("{witness} holds a vote of n{voter} for {}, which it never cast", vote.0);
            return broken("T3", what);
        }
        let first = *self.cast[voter].get_or_insert(vote);
        if first == vote {
            return Ok(());
        }
        let what = if usize::from(witness.0) == voter {
            format!("{witness} voted for {} and then for {}", first.0, vote.0)
        } else {
            format!("n{voter} voted for {}, and {witness} holds a vote of it for {}", first.0, vote.0)
        };
        broken("T3", what)
    }

    /// T1 and T2, for one decision.
    fn decision(&mut self, node: NodeId, value: Value) -> Result<(), Violation> {
        let (first, agreed) = *self.decided.get_or_insert((node, value));
        if agreed != value {
            return broken("T1", format!("{first} decided {}, and {node} decided {}", agreed.0, value.0));
        }
        let votes = self.claimed.iter().filter(|claimed| claimed[usize::from(value.0)]).count();
        if votes < QUORUM {
            return broken(
                "T2",
                format!("{node} decided {}, for which {votes} of {NODES} nodes voted", value.0),
            );
        }
        Ok(())
    }

    fn check(&mut self, node: NodeId, state: &State) -> Result<(), Violation> {
        for (voter, vote) in state.heard.iter().enumerate() {
            if let Some(vote) = vote {
                self.same_vote(node, voter, *vote)?;
            }
        }
        state.decided.map_or(Ok(()), |value| self.decision(node, value))
    }
}

fn broken(invariant: &str, what: String) -> Result<(), Violation> {
    Err(Violation { invariant: invariant.into(), what })
}

impl Scene for Judge {
    fn process(&mut self, node: NodeId) -> Box<dyn Process> {
        Box::new(Node::new(node, self.speak))
    }

    fn devices(&mut self, _node: NodeId) -> Vec<(Geometry, Vec<(u64, Vec<u8>)>)> {
        vec![(Geometry::disk(4096), Vec::new())]
    }

    fn observe(&mut self, seen: Seen<'_>) -> Result<(), Violation> {
        let &[value @ 0..=1] = seen.bytes else { return Ok(()) };
        match seen.kind {
            CAST => {
                self.casts += 1;
                self.claimed[usize::from(seen.node.0)][usize::from(value)] = true;
                Ok(())
            }
            DECIDED => {
                self.decisions += 1;
                self.decision(seen.node, Value(value))
            }
            _ => Ok(()),
        }
    }

    fn after_turn(&mut self, node: NodeId, process: &dyn Process) -> Result<(), Violation> {
        self.check(node, &State::from_bits(process.signature()))
    }

    fn checks_every_turn(&self) -> bool {
        true
    }

    fn effects(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::from([("toy-votes", self.casts), ("toy-decisions", self.decisions)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::{Incarnation, Instant, ObservationKind};

    /// Shows the judge a history of observations, then states of node 0, and returns the invariant it found broken.
    fn judged(history: &[(u8, ObservationKind, u8)], states: &[State]) -> Option<String> {
        let mut judge = Judge::new(Speak::OnceDurable);
        let seen = |(node, kind, value): &(u8, ObservationKind, u8), judge: &mut Judge| {
            let (at, incarnation) = (Instant::ZERO, Incarnation(1));
            judge.observe(Seen { at, node: NodeId(*node), incarnation, kind: *kind, bytes: &[*value] })
        };
        let verdict = history.iter().try_for_each(|event| seen(event, &mut judge));
        let mut check = |state| judge.check(NodeId(0), state);
        verdict
            .and_then(|()| states.iter().try_for_each(&mut check))
            .err()
            .map(|violation| violation.invariant)
    }

    fn heard(votes: [Option<u8>; NODES], decided: Option<u8>) -> State {
        State { heard: votes.map(|vote| vote.map(Value)), decided: decided.map(Value) }
    }

    #[test]
    fn a_good_history_is_let_pass() {
        let history =
            [(0, CAST, 1), (1, CAST, 0), (2, CAST, 1), (0, CAST, 1), (0, DECIDED, 1), (1, DECIDED, 1)];
        assert_eq!(judged(&history, &[heard([Some(1), Some(0), Some(1)], Some(1))]), None);
    }

    #[test]
    fn a_vote_that_nobody_heard_binds_nobody() {
        let history = [(0, CAST, 1), (0, CAST, 0)];
        assert_eq!(judged(&history, &[heard([Some(0), None, None], None)]), None);
    }

    #[test]
    fn each_invariant_is_found_broken_when_it_is() {
        let nothing = heard([None; NODES], None);
        let votes = [(0, CAST, 1), (1, CAST, 1), (2, CAST, 0)];
        let then = |more: &[(u8, ObservationKind, u8)]| judged(&[&votes[..], more].concat(), &[nothing]);
        assert_eq!(then(&[(0, DECIDED, 1), (2, DECIDED, 0)]).as_deref(), Some("T1"));
        assert_eq!(then(&[(2, DECIDED, 0)]).as_deref(), Some("T2"));
        let twice = [heard([None, None, Some(0)], None), heard([None, None, Some(1)], None)];
        assert_eq!(judged(&[(2, CAST, 0), (2, CAST, 1)], &twice).as_deref(), Some("T3"));
        assert_eq!(judged(&[(2, CAST, 0)], &twice).as_deref(), Some("T3"), "a vote that was never cast");
    }

    #[test]
    fn a_decision_is_judged_even_if_only_the_state_shows_it() {
        let votes = [(0, CAST, 1), (1, CAST, 1), (2, CAST, 0), (1, DECIDED, 1)];
        let other = heard([None; NODES], Some(0));
        assert_eq!(judged(&votes, &[other]).as_deref(), Some("T1"));
        assert_eq!(judged(&votes[1..3], &[other]).as_deref(), Some("T2"));
    }
}
