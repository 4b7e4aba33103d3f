//! I13, exactly once: a command takes effect at one slot, once, and every node that applies the slot executes the same
//! commands there.

use super::by_slot::BySlot;
use super::step::Commands;
use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::NodeId;
use seedfast_core::paxos::Slot;
use seedfast_core::paxos::observe::CommandSeen;
use seedfast_core::random::mix;
use std::collections::BTreeMap;

/// Where every command took effect.
#[derive(Default)]
pub struct ExactlyOnce {
    slot_of: BTreeMap<CommandSeen, Slot>,
    /// A hash of what the first node to apply a slot executed there, and who that was.
    executed: BySlot<Option<(u64, NodeId)>>,
}

fn fold(commands: Commands<'_>) -> u64 {
    commands.iter().fold(0, |hash, command| mix(mix(hash ^ command.session.0) ^ command.sequence))
}

impl ExactlyOnce {
    /// The slot at which `command` took effect, if it did.
    pub fn slot_of(&self, command: CommandSeen) -> Option<Slot> {
        self.slot_of.get(&command).copied()
    }
}

impl Oracle for ExactlyOnce {
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        let Step::Apply { slot, executed, .. } = *step else {
            return Ok(());
        };
        let hash = fold(executed);
        match self.executed.at(slot) {
            Some((first, _)) if *first == hash => return Ok(()),
            Some((_, who)) => {
                return broken(
                    "I13",
                    format!("{who} and {} executed different commands at slot {slot}", by.node),
                );
            }
            entry => *entry = Some((hash, by.node)),
        }
        for command in executed.iter() {
            if let Some(earlier) = self.slot_of.insert(command, slot) {
                return broken(
                    "I13",
                    format!(
                        "command {} of session {} took effect at slot {earlier} and, on {}, again at slot {slot}",
                        command.sequence, command.session.0, by.node
                    ),
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn every_node_executes_a_command_at_the_same_slot() {
        let story = [
            at(0).apply(0, 7, 1, &[(1, 1), (2, 1)]),
            at(1).apply(0, 7, 1, &[(1, 1), (2, 1)]),
            at(0).apply(1, 8, 1, &[]),
            at(0).apply(2, 9, 1, &[(1, 2)]),
            at(0).life(2).apply(0, 7, 1, &[(1, 1), (2, 1)]),
        ];
        let mut oracle = ExactlyOnce::default();
        assert_holds(&mut oracle, &story);
        assert_eq!(oracle.slot_of(command(1, 2)), Some(Slot(2)));
        assert_eq!(oracle.slot_of(command(9, 9)), None);
    }

    #[test]
    fn a_command_executed_twice_is_caught_at_one_slot_at_two_and_between_nodes() {
        assert_breaks(&mut ExactlyOnce::default(), "I13", &[at(0).apply(0, 7, 1, &[(1, 1), (1, 1)])]);
        let two = [at(0).apply(0, 7, 1, &[(1, 1)]), at(0).apply(1, 8, 2, &[(1, 1)])];
        assert_breaks(&mut ExactlyOnce::default(), "I13", &two);
        let nodes = [at(0).apply(0, 7, 1, &[(1, 1)]), at(1).apply(0, 7, 1, &[])];
        assert_breaks(&mut ExactlyOnce::default(), "I13", &nodes);
    }
}
