//! I12, an acknowledged command survives: it had taken effect when its client heard so, and at the end every live node
//! has applied it.

use super::exactly_once::ExactlyOnce;
use super::prefix::StablePrefix;
use super::{Verdict, broken};
use seedfast_core::paxos::Slot;
use seedfast_core::paxos::observe::CommandSeen;

/// What clients were told was done.
#[derive(Default)]
pub struct Acknowledged {
    /// The highest slot at which an acknowledged command took effect, and that command.
    last: Option<(Slot, CommandSeen)>,
}

impl Acknowledged {
    /// A client holds the answer to `command`.
    ///
    /// # Errors
    /// I12 if it took effect nowhere.
    pub fn acknowledge(&mut self, command: CommandSeen, once: &ExactlyOnce) -> Verdict {
        let Some(slot) = once.slot_of(command) else {
            return broken(
                "I12",
                format!(
                    "command {} of session {} was acknowledged and no node had executed it",
                    command.sequence, command.session.0
                ),
            );
        };
        if self.last.is_none_or(|(highest, _)| highest < slot) {
            self.last = Some((slot, command));
        }
        Ok(())
    }

    /// The run is over and has had its time to converge; `live` are the nodes that run.
    ///
    /// # Errors
    /// I12 if one of them never applied an acknowledged command. Slots are applied in order (I3) and commands have one
    /// slot (I13), so the last acknowledged one stands for all.
    pub fn finish(&self, live: impl Iterator<Item = usize>, applied: &StablePrefix) -> Verdict {
        let Some((slot, command)) = self.last else {
            return Ok(());
        };
        for node in live {
            if applied.applied(node).is_none_or(|last| last < slot) {
                return broken(
                    "I12",
                    format!(
                        "command {} of session {}, acknowledged and executed at slot {slot}, never reached n{node}",
                        command.sequence, command.session.0
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

    fn after(story: &[Told]) -> (ExactlyOnce, StablePrefix) {
        let (mut once, mut applied) = (ExactlyOnce::default(), StablePrefix::new(2));
        assert_holds(&mut once, story);
        assert_holds(&mut applied, story);
        (once, applied)
    }

    #[test]
    fn an_acknowledged_command_that_every_live_node_applied_survived() {
        let (once, applied) = after(&[at(0).apply(0, 7, 1, &[(1, 1)]), at(1).apply(0, 7, 1, &[(1, 1)])]);
        let mut oracle = Acknowledged::default();
        assert_eq!(oracle.acknowledge(command(1, 1), &once), Ok(()));
        assert_eq!(oracle.finish(0..2, &applied), Ok(()));
    }

    #[test]
    fn an_acknowledgement_without_effect_and_a_live_node_without_it_are_caught() {
        let (once, applied) = after(&[at(0).apply(0, 7, 1, &[(1, 1)])]);
        let mut oracle = Acknowledged::default();
        assert_eq!(oracle.acknowledge(command(1, 2), &once).unwrap_err().invariant, "I12");
        assert_eq!(oracle.acknowledge(command(1, 1), &once), Ok(()));
        assert_eq!(oracle.finish(0..1, &applied), Ok(()));
        assert_eq!(oracle.finish(0..2, &applied).unwrap_err().invariant, "I12");
    }
}
