//! I20, no amnesiac votes: a node that lost what it had promised and voted for says so, in that life and in all later
//! ones, and takes part in nothing but learning. It says so only if its device was really struck.

use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::{Incarnation, NodeId};

#[derive(Clone, Copy, Default)]
struct Node {
    /// A fault destroyed what its device held.
    struck: bool,
    /// The life in which it last said that it is amnesiac.
    said: Option<Incarnation>,
}

/// Who lost what it knew.
pub struct Amnesia {
    nodes: Vec<Node>,
}

impl Amnesia {
    /// For `nodes` nodes.
    pub fn new(nodes: usize) -> Self {
        Amnesia { nodes: vec![Node::default(); nodes] }
    }

    /// A fault destroyed durable state of `node`: damage below what was synced, or the loss of the whole device.
    pub fn struck(&mut self, node: NodeId) {
        self.nodes[usize::from(node.0)].struck = true;
    }

    /// Whether durable state of `node` was destroyed.
    pub fn is_struck(&self, node: usize) -> bool {
        self.nodes[node].struck
    }

    /// Whether `node` only learns.
    pub fn is_amnesiac(&self, node: usize) -> bool {
        self.nodes[node].said.is_some()
    }
}

impl Oracle for Amnesia {
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        let node = &mut self.nodes[by.index()];
        let what = match step {
            Step::Amnesiac if !node.struck => {
                let what =
                    format!("{} says that it lost its memory, and nothing had struck its device", by.node);
                return broken("I20", what);
            }
            Step::Amnesiac => {
                node.said = Some(by.incarnation);
                return Ok(());
            }
            Step::Restart { .. } if node.said.is_some_and(|life| life < by.incarnation) => {
                "takes part again as if nothing had been lost"
            }
            Step::Prepare { .. } => "asks for promises",
            Step::Promise { .. } => "promises",
            Step::Propose { .. } | Step::Leader { .. } => "leads",
            Step::Accept { .. } => "votes",
            _ => return Ok(()),
        };
        match node.said {
            Some(_) => broken("I20", format!("{} has lost its memory and {what}", by.node)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn struck() -> Amnesia {
        let mut oracle = Amnesia::new(2);
        oracle.struck(NodeId(0));
        oracle
    }

    #[test]
    fn an_amnesiac_that_learns_holds() {
        let story = [
            at(0).promise(b(1, 1), &[]),
            at(0).life(2).amnesiac(),
            at(0).life(2).restart(b(0, 0), &[]),
            at(0).life(2).install(4, 1),
            at(0).life(2).decide(4, 7),
            at(0).life(3).amnesiac(),
            at(0).life(3).restart(b(0, 0), &[]),
            at(1).promise(b(2, 1), &[]),
        ];
        assert_holds(&mut struck(), &story);
    }

    #[test]
    fn one_that_takes_part_or_forgets_that_it_is_one_is_caught() {
        let parts = [
            at(0).prepare(b(9, 0), 0),
            at(0).promise(b(9, 1), &[]),
            at(0).accept(0, b(9, 1), 7),
            at(0).leader(b(9, 0)),
            at(0).propose(b(9, 0), 0, 7, &[0, 1], &[]),
            at(0).life(2).restart(b(0, 0), &[]),
        ];
        for part in parts {
            assert_breaks(&mut struck(), "I20", &[at(0).amnesiac(), part]);
        }
        assert_breaks(&mut struck(), "I20", &[at(1).amnesiac()]);
    }
}
