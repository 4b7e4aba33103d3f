//! I2, validity: what is decided was proposed, and every command in it was really sent by a client.

use super::by_slot::BySlot;
use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::paxos::observe::CommandSeen;
use seedfast_core::paxos::{Slot, ValueId};
use std::collections::BTreeSet;

/// What was proposed at each slot, and what clients sent.
#[derive(Default)]
pub struct Validity {
    proposed: BySlot<Vec<ValueId>>,
    sent: BTreeSet<CommandSeen>,
    /// The decided value of each slot, once it was found to be a proposed one.
    proven: BySlot<Option<ValueId>>,
}

impl Validity {
    /// A client sends this command: from now on it may appear in the log.
    pub fn sent(&mut self, command: CommandSeen) {
        self.sent.insert(command);
    }

    fn decided(&mut self, by: By, slot: Slot, value: ValueId) -> Verdict {
        let proven = self.proven.at(slot);
        if *proven == Some(value) {
            return Ok(());
        }
        if self.proposed.get(slot).is_none_or(|proposed| !proposed.contains(&value)) {
            return broken(
                "I2",
                format!(
                    "{} decided {:016x} at slot {slot}, which nobody ever proposed there",
                    by.node, value.0
                ),
            );
        }
        *proven = Some(value);
        Ok(())
    }
}

impl Oracle for Validity {
    fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        match *step {
            Step::Propose { slot, value, commands, .. } => {
                let proposed = self.proposed.at(slot);
                if proposed.contains(&value) {
                    return Ok(());
                }
                proposed.push(value);
                match commands.iter().find(|command| !self.sent.contains(command)) {
                    None => Ok(()),
                    Some(stranger) => broken(
                        "I2",
                        format!(
                            "{} proposed command {} of session {} at slot {slot}, which no client ever sent",
                            by.node, stranger.sequence, stranger.session.0
                        ),
                    ),
                }
            }
            Step::Decide { slot, value } | Step::Apply { slot, value, .. } => self.decided(by, slot, value),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn a_proposed_command_of_a_client_and_a_no_op_may_be_decided() {
        let mut oracle = Validity::default();
        oracle.sent(command(1, 1));
        let story = [
            at(0).propose(b(1, 0), 0, 7, &[0, 1], &[(1, 1)]),
            at(0).propose(b(1, 0), 1, 8, &[0, 1], &[]),
            at(1).decide(0, 7),
            at(1).apply(1, 8, 1, &[]),
        ];
        assert_holds(&mut oracle, &story);
    }

    #[test]
    fn a_value_out_of_nowhere_and_a_command_nobody_sent_are_caught() {
        assert_breaks(&mut Validity::default(), "I2", &[at(0).decide(0, 7)]);
        let elsewhere = [at(0).propose(b(1, 0), 0, 7, &[0, 1], &[]), at(0).decide(1, 7)];
        assert_breaks(&mut Validity::default(), "I2", &elsewhere);
        let stranger = [at(0).propose(b(1, 0), 0, 7, &[0, 1], &[(1, 1)])];
        assert_breaks(&mut Validity::default(), "I2", &stranger);
    }
}
