//! Whether a fault did anything: counted by effect, not by intent.
//!
//! - a crash counts when commands were in flight and the node, restarted, voted again
//! - a leader change counts when the new leader, another node, decided a client's command
//! - a partition counts when it stopped a message, which the world counts

use crate::oracles::{By, Step};
use seedfast_core::journal::Row;
use seedfast_core::paxos::{Ballot, Slot};
use seedfast_core::{Incarnation, NodeId};
use seedfast_sim::{Effect, Outcome};

/// The counter of crashes that mattered.
pub const CRASH: &str = "effect.crash";
/// The counter of leader changes that mattered.
pub const LEADER_CHANGE: &str = "effect.leader-change";

/// The counter of lives that ended because a device was found damaged, or empty.
pub const REFUSAL: &str = "effect.refusal";

/// What a run of the default mix is expected to have seen, 99 times in a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Efficacy {
    /// A node crashed with commands in flight and voted again.
    pub crash: bool,
    /// A partition stopped a message.
    pub partition: bool,
    /// A new leader decided a client's command.
    pub leader_change: bool,
    /// A restart found a torn write in its journal.
    pub tear: bool,
}

impl Efficacy {
    /// What a run saw.
    pub fn of(outcome: &Outcome) -> Self {
        let seen = |name: &str| outcome.effects.get(name).is_some_and(|&count| count > 0);
        Efficacy {
            crash: seen(CRASH),
            partition: seen(Effect::PartitionStopped.name()),
            leader_change: seen(LEADER_CHANGE),
            tear: [Row::L3, Row::L4].iter().any(|row| outcome.probes.contains_key(row.probe())),
        }
    }

    /// Whether it saw all four.
    pub fn is_full(self) -> bool {
        self.crash && self.partition && self.leader_change && self.tear
    }
}

/// Watches a run for effects.
pub(crate) struct Watch {
    /// The life of each node that ended with commands in flight, until a later one votes.
    crashed: Vec<Option<Incarnation>>,
    /// Who led last.
    leader: Option<NodeId>,
    /// A leader that succeeded another node, until it has decided a client's command.
    successor: Option<Ballot>,
    /// Where the successor proposed clients' commands.
    proposed: Vec<Slot>,
    /// Crashes that mattered.
    pub(crate) crashes: u64,
    /// Leader changes that mattered.
    pub(crate) leader_changes: u64,
}

impl Watch {
    pub(crate) fn new(nodes: usize) -> Self {
        Watch {
            crashed: vec![None; nodes],
            leader: None,
            successor: None,
            proposed: Vec::new(),
            crashes: 0,
            leader_changes: 0,
        }
    }

    pub(crate) fn down(&mut self, node: NodeId, life: Incarnation, in_flight: bool) {
        if in_flight {
            self.crashed[usize::from(node.0)] = Some(life);
        }
    }

    pub(crate) fn see(&mut self, by: By, step: &Step<'_>) {
        match *step {
            Step::Promise { .. } | Step::Accept { .. } => {
                let crashed = &mut self.crashed[usize::from(by.node.0)];
                if crashed.is_some_and(|life| life < by.incarnation) {
                    *crashed = None;
                    self.crashes += 1;
                }
            }
            Step::Leader { ballot } => {
                if self.leader.is_some_and(|before| before != by.node) {
                    self.successor = Some(ballot);
                    self.proposed.clear();
                }
                self.leader = Some(by.node);
            }
            Step::Propose { ballot, slot, commands, .. }
                if self.successor == Some(ballot) && !commands.is_empty() =>
            {
                self.proposed.push(slot);
            }
            Step::Decide { slot, .. }
                if self.successor.is_some_and(|ballot| ballot.node() == by.node)
                    && self.proposed.contains(&slot) =>
            {
                self.successor = None;
                self.leader_changes += 1;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracles::testing::*;

    fn watch(story: &[Told], watch: &mut Watch) {
        let told = tell(story, |by, step| {
            watch.see(by, step);
            Ok(())
        });
        assert_eq!(told, Ok(()));
    }

    #[test]
    fn a_crash_counts_when_commands_were_in_flight_and_the_node_voted_again() {
        let mut idle = Watch::new(2);
        idle.down(NodeId(0), Incarnation(1), false);
        watch(&[at(0).life(2).accept(0, b(1, 1), 7)], &mut idle);
        assert_eq!(idle.crashes, 0);

        let mut busy = Watch::new(2);
        busy.down(NodeId(0), Incarnation(1), true);
        watch(&[at(1).accept(0, b(1, 1), 7), at(0).life(2).restart(b(1, 1), &[])], &mut busy);
        assert_eq!(busy.crashes, 0);
        watch(&[at(0).life(2).promise(b(2, 1), &[]), at(0).life(2).accept(0, b(2, 1), 7)], &mut busy);
        assert_eq!(busy.crashes, 1);
    }

    #[test]
    fn a_leader_change_counts_when_another_node_decided_a_clients_command() {
        let mut seen = Watch::new(2);
        let first = [
            at(0).leader(b(1, 0)),
            at(0).propose(b(1, 0), 0, 7, &[0, 1], &[(1, 1)]),
            at(0).decide(0, 7),
            at(0).leader(b(2, 0)),
            at(0).propose(b(2, 0), 1, 8, &[0, 1], &[(1, 2)]),
            at(0).decide(1, 8),
        ];
        watch(&first, &mut seen);
        assert_eq!(seen.leader_changes, 0, "the same node led again");
        let change = [at(1).leader(b(3, 1)), at(1).propose(b(3, 1), 2, 9, &[0, 1], &[]), at(1).decide(2, 9)];
        watch(&change, &mut seen);
        assert_eq!(seen.leader_changes, 0, "a no-op is nobody's command");
        let command = [at(1).propose(b(3, 1), 3, 10, &[0, 1], &[(1, 3)]), at(0).decide(3, 10)];
        watch(&command, &mut seen);
        assert_eq!(seen.leader_changes, 0, "somebody else knew it first");
        watch(&[at(1).decide(3, 10), at(1).decide(3, 10)], &mut seen);
        assert_eq!(seen.leader_changes, 1);
    }

    #[test]
    fn an_outcome_tells_what_it_saw() {
        let mut outcome = Outcome::default();
        assert!(!Efficacy::of(&outcome).is_full());
        for name in [CRASH, LEADER_CHANGE, Effect::PartitionStopped.name()] {
            outcome.effects.insert(name, 1);
        }
        assert!(!Efficacy::of(&outcome).is_full(), "nobody saw a torn write");
        outcome.probes.insert(Row::L3.probe().into(), 1);
        assert!(Efficacy::of(&outcome).is_full());
    }
}
