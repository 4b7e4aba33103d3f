//! I12, an acknowledged command survives: it was decided when its client heard so, and at the end every live node has
//! applied it and it has taken effect.
//!
//! A leader answers in the turn in which it applies. A crash can fall between the answer and the observation of the
//! apply, so that a command may be acknowledged which nobody was seen to execute yet; but then it was seen decided.

use super::by_slot::BySlot;
use super::exactly_once::ExactlyOnce;
use super::prefix::StablePrefix;
use super::{By, Oracle, Step, Verdict, broken};
use seedfast_core::paxos::observe::CommandSeen;
use seedfast_core::paxos::{Slot, ValueId};

#[derive(Default)]
struct At {
    batches: Vec<(ValueId, Vec<CommandSeen>)>,
    decided: Option<ValueId>,
}

/// What was proposed and decided, and what clients were told was done.
#[derive(Default)]
pub struct Acknowledged {
    slots: BySlot<At>,
    /// The highest slot at which an acknowledged command was decided, and that command.
    last: Option<(Slot, CommandSeen)>,
    /// Acknowledged, decided, and not yet seen executed.
    owed: Vec<CommandSeen>,
}

impl Acknowledged {
    /// A client holds the answer to `command`.
    ///
    /// # Errors
    /// I12 if it was decided nowhere.
    pub fn acknowledge(&mut self, command: CommandSeen, once: &ExactlyOnce) -> Verdict {
        let executed = once.slot_of(command);
        let Some(slot) = executed.or_else(|| self.decided_at(command)) else {
            return broken(
                "I12",
                format!(
                    "command {} of session {} was acknowledged and nobody had decided it",
                    command.sequence, command.session.0
                ),
            );
        };
        if executed.is_none() {
            self.owed.push(command);
        }
        if self.last.is_none_or(|(highest, _)| highest < slot) {
            self.last = Some((slot, command));
        }
        Ok(())
    }

    fn decided_at(&self, command: CommandSeen) -> Option<Slot> {
        let holds = |at: &At| {
            at.batches.iter().any(|(value, batch)| at.decided == Some(*value) && batch.contains(&command))
        };
        self.slots.from(Slot(0)).find(|(_, at)| holds(at)).map(|(slot, _)| slot)
    }

    /// The run is over and has had its time to converge; `live` are the nodes that run.
    ///
    /// # Errors
    /// I12 if one of them never applied an acknowledged command. Slots are applied in order (I3) and commands have one
    /// slot (I13), so the last acknowledged one stands for all.
    pub fn finish(
        &self,
        live: impl Iterator<Item = usize>,
        applied: &StablePrefix,
        once: &ExactlyOnce,
    ) -> Verdict {
        let Some((slot, command)) = self.last else {
            return Ok(());
        };
        for node in live {
            if applied.applied(node).is_none_or(|last| last < slot) {
                return broken(
                    "I12",
                    format!(
                        "command {} of session {}, acknowledged and decided at slot {slot}, never reached n{node}",
                        command.sequence, command.session.0
                    ),
                );
            }
        }
        match self.owed.iter().find(|command| once.slot_of(**command).is_none()) {
            None => Ok(()),
            Some(command) => broken(
                "I12",
                format!(
                    "command {} of session {} was acknowledged and never took effect",
                    command.sequence, command.session.0
                ),
            ),
        }
    }
}

impl Oracle for Acknowledged {
    fn see(&mut self, _: By, step: &Step<'_>) -> Verdict {
        match *step {
            Step::Propose { slot, value, commands, .. } if !commands.is_empty() => {
                let batches = &mut self.slots.at(slot).batches;
                if batches.iter().all(|(known, _)| *known != value) {
                    batches.push((value, commands.iter().collect()));
                }
            }
            Step::Decide { slot, value } => self.slots.at(slot).decided = Some(value),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn after(story: &[Told]) -> (Acknowledged, ExactlyOnce, StablePrefix) {
        let (mut oracle, mut once, mut applied) =
            (Acknowledged::default(), ExactlyOnce::default(), StablePrefix::new(2));
        assert_holds(&mut oracle, story);
        assert_holds(&mut once, story);
        assert_holds(&mut applied, story);
        (oracle, once, applied)
    }

    #[test]
    fn an_acknowledged_command_that_every_live_node_applied_survived() {
        let story = [at(0).apply(0, 7, 1, &[(1, 1)]), at(1).apply(0, 7, 1, &[(1, 1)])];
        let (mut oracle, once, applied) = after(&story);
        assert_eq!(oracle.acknowledge(command(1, 1), &once), Ok(()));
        assert_eq!(oracle.finish(0..2, &applied, &once), Ok(()));
    }

    #[test]
    fn an_acknowledgement_without_effect_and_a_live_node_without_it_are_caught() {
        let (mut oracle, once, applied) = after(&[at(0).apply(0, 7, 1, &[(1, 1)])]);
        assert_eq!(oracle.acknowledge(command(1, 2), &once).unwrap_err().invariant, "I12");
        assert_eq!(oracle.acknowledge(command(1, 1), &once), Ok(()));
        assert_eq!(oracle.finish(0..1, &applied, &once), Ok(()));
        assert_eq!(oracle.finish(0..2, &applied, &once).unwrap_err().invariant, "I12");
    }

    #[test]
    fn a_decided_command_may_be_acknowledged_before_anybody_was_seen_to_execute_it() {
        let proposed = at(0).propose(b(1, 0), 0, 7, &[0, 1], &[(1, 1)]);
        let (mut oracle, once, _) = after(&[proposed.clone(), at(0).decide(0, 8)]);
        assert_eq!(oracle.acknowledge(command(1, 1), &once).unwrap_err().invariant, "I12");

        let (mut oracle, once, _) = after(&[proposed, at(0).decide(0, 7)]);
        assert_eq!(oracle.acknowledge(command(1, 1), &once), Ok(()));
        let (_, late, applied) = after(&[at(1).apply(0, 7, 1, &[(1, 1)])]);
        assert_eq!(oracle.finish(1..2, &applied, &late), Ok(()));
        let unlike = oracle.finish(1..2, &applied, &once).unwrap_err();
        assert!(unlike.what.contains("never took effect"));
    }
}
