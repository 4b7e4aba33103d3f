//! The judge of the toy consensus: T1, T2 and T3, after every turn.

use super::node::{CAST, DECIDED, Node, State, Value};
use super::{NODES, QUORUM, Speak};
use seedfast_core::{Geometry, NodeId, Process};
use seedfast_sim::{Scene, Seen, Violation};
use std::collections::BTreeMap;

/// Sees every vote and every decision as it is made.
pub(super) struct Judge {
    speak: Speak,
    /// The first vote of each node, over all its lives.
    cast: [Option<Value>; NODES],
    /// The first decision, and whose it was.
    decided: Option<(NodeId, Value)>,
    casts: u64,
    decisions: u64,
}

impl Judge {
    pub(super) fn new(speak: Speak) -> Self {
        Judge { speak, cast: [None; NODES], decided: None, casts: 0, decisions: 0 }
    }

    /// T3, for one vote of `node` in the memory of `witness`.
    fn same_vote(&self, witness: NodeId, node: usize, vote: Value) -> Result<(), Violation> {
        match self.cast[node] {
            Some(first) if first == vote => Ok(()),
            Some(first) => broken(
                "T3",
                format!("n{node} voted for {}, and {witness} holds a vote of it for {}", first.0, vote.0),
            ),
            None => {
                broken("T3", format!("{witness} holds a vote for {} of n{node}, which never voted", vote.0))
            }
        }
    }

    /// T1 and T2, for one decision.
    fn decision(&mut self, node: NodeId, value: Value) -> Result<(), Violation> {
        let (first, agreed) = *self.decided.get_or_insert((node, value));
        if agreed != value {
            return broken("T1", format!("{first} decided {}, and {node} decided {}", agreed.0, value.0));
        }
        let votes = self.cast.iter().filter(|vote| **vote == Some(value)).count();
        if votes < QUORUM {
            return broken(
                "T2",
                format!("{node} decided {}, for which {votes} of {NODES} nodes voted", value.0),
            );
        }
        Ok(())
    }

    fn check(&mut self, node: NodeId, state: &State) -> Result<(), Violation> {
        // A crash can cut a turn off before it says so, and yet the node stands by its vote.
        let own = usize::from(node.0);
        self.cast[own] = self.cast[own].or(state.heard[own]);
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
        let Some(value) = seen.bytes.first().copied().map(Value) else { return Ok(()) };
        let node = usize::from(seen.node.0);
        match seen.kind {
            CAST => {
                self.casts += 1;
                let first = *self.cast[node].get_or_insert(value);
                if first != value {
                    let what = format!("{} voted for {} and then for {}", seen.node, first.0, value.0);
                    return broken("T3", what);
                }
                Ok(())
            }
            DECIDED => {
                self.decisions += 1;
                self.decision(seen.node, value)
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

    /// Shows the judge a history of observations, then a state of node 0, and returns the invariant it found broken.
    fn judged(history: &[(u8, ObservationKind, u8)], state: State) -> Option<String> {
        let mut judge = Judge::new(Speak::OnceDurable);
        let seen = |(node, kind, value): &(u8, ObservationKind, u8), judge: &mut Judge| {
            let (at, incarnation) = (Instant::ZERO, Incarnation(1));
            judge.observe(Seen { at, node: NodeId(*node), incarnation, kind: *kind, bytes: &[*value] })
        };
        let verdict = history.iter().try_for_each(|event| seen(event, &mut judge));
        verdict.and_then(|()| judge.check(NodeId(0), &state)).err().map(|violation| violation.invariant)
    }

    fn heard(votes: [Option<u8>; NODES], decided: Option<u8>) -> State {
        State { heard: votes.map(|vote| vote.map(Value)), decided: decided.map(Value) }
    }

    #[test]
    fn a_good_history_is_let_pass() {
        let history =
            [(0, CAST, 1), (1, CAST, 0), (2, CAST, 1), (0, CAST, 1), (0, DECIDED, 1), (1, DECIDED, 1)];
        assert_eq!(judged(&history, heard([Some(1), Some(0), Some(1)], Some(1))), None);
        assert_eq!(
            judged(&[], heard([Some(1), None, None], None)),
            None,
            "a turn was cut off before it spoke"
        );
    }

    #[test]
    fn each_invariant_is_found_broken_when_it_is() {
        let two = [(0, CAST, 1), (1, CAST, 1), (2, CAST, 0)];
        let with = |more: &[(u8, ObservationKind, u8)]| [&two[..], more].concat();
        let nothing = heard([None; NODES], None);
        assert_eq!(judged(&with(&[(0, DECIDED, 1), (2, DECIDED, 0)]), nothing).as_deref(), Some("T1"));
        assert_eq!(judged(&with(&[(2, DECIDED, 0)]), nothing).as_deref(), Some("T2"));
        assert_eq!(judged(&with(&[(2, CAST, 1)]), nothing).as_deref(), Some("T3"));
    }

    #[test]
    fn each_invariant_is_found_broken_in_a_state_that_nobody_reported() {
        let two = [(0, CAST, 1), (1, CAST, 1), (2, CAST, 0)];
        let decided = [&two[..], &[(1, DECIDED, 1)]].concat();
        assert_eq!(judged(&decided, heard([None; NODES], Some(0))).as_deref(), Some("T1"));
        assert_eq!(judged(&two[1..], heard([None; NODES], Some(1))).as_deref(), Some("T2"));
        assert_eq!(judged(&two, heard([None, None, Some(1)], None)).as_deref(), Some("T3"));
        assert_eq!(judged(&two[..1], heard([None, Some(1), None], None)).as_deref(), Some("T3"));
    }
}
