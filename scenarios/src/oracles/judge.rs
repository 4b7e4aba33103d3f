//! All oracles of one run behind one door.

use super::acknowledged::Acknowledged;
use super::agreement::Agreement;
use super::amnesia::Amnesia;
use super::digests::Digests;
use super::durability::Durability;
use super::exactly_once::ExactlyOnce;
use super::liveness::Liveness;
use super::majority::Majority;
use super::one_value::OneValue;
use super::ownership::Ownership;
use super::phase_one::PhaseOne;
use super::prefix::StablePrefix;
use super::promises::TruthfulPromises;
use super::validity::Validity;
use super::{By, Oracle, Step, Verdict};
use seedfast_core::paxos::observe::CommandSeen;
use seedfast_core::{Duration, Incarnation, Instant, NodeId};

/// The oracles, and the command that liveness waits for.
pub struct Judge {
    durability: Durability,
    ownership: Ownership,
    promises: TruthfulPromises,
    phase_one: PhaseOne,
    one_value: OneValue,
    validity: Validity,
    prefix: StablePrefix,
    agreement: Agreement,
    majority: Majority,
    once: ExactlyOnce,
    digests: Digests,
    acknowledged: Acknowledged,
    amnesia: Amnesia,
    liveness: Liveness,
    fresh: Option<CommandSeen>,
}

impl Judge {
    /// For a group of `nodes` voters that has `bound` to come back to life after faults end.
    pub fn new(nodes: usize, bound: Duration) -> Self {
        Judge {
            durability: Durability::new(nodes),
            ownership: Ownership::default(),
            promises: TruthfulPromises::new(nodes),
            phase_one: PhaseOne::new(nodes),
            one_value: OneValue::default(),
            validity: Validity::default(),
            prefix: StablePrefix::new(nodes),
            agreement: Agreement::default(),
            majority: Majority::new(nodes),
            once: ExactlyOnce::default(),
            digests: Digests::default(),
            acknowledged: Acknowledged::default(),
            amnesia: Amnesia::new(nodes),
            liveness: Liveness::new(nodes, bound),
            fresh: None,
        }
    }

    /// Judges one step. Causes come before their consequences: a step that breaks several invariants is reported
    /// under the one that explains it best.
    ///
    /// # Errors
    /// The first invariant that it breaks.
    pub fn see(&mut self, by: By, step: &Step<'_>) -> Verdict {
        match step {
            Step::Prepare { .. } => {
                self.amnesia.see(by, step)?;
                self.ownership.see(by, step)?;
                self.promises.see(by, step)?;
                self.phase_one.see(by, step)?;
            }
            Step::Leader { .. } => {
                self.amnesia.see(by, step)?;
                self.ownership.see(by, step)?;
            }
            Step::Promise { .. } => {
                self.amnesia.see(by, step)?;
                self.durability.see(by, step)?;
                self.promises.see(by, step)?;
                self.one_value.see(by, step)?;
                self.phase_one.see(by, step)?;
            }
            Step::Propose { .. } => {
                self.amnesia.see(by, step)?;
                self.ownership.see(by, step)?;
                self.phase_one.see(by, step)?;
                self.one_value.see(by, step)?;
                self.validity.see(by, step)?;
                self.acknowledged.see(by, step)?;
            }
            Step::Accept { .. } => {
                self.amnesia.see(by, step)?;
                self.durability.see(by, step)?;
                self.one_value.see(by, step)?;
                self.promises.see(by, step)?;
                self.majority.see(by, step)?;
            }
            Step::Restart { .. } => {
                self.amnesia.see(by, step)?;
                self.durability.see(by, step)?;
                self.one_value.see(by, step)?;
                self.promises.see(by, step)?;
            }
            Step::Amnesiac => {
                self.amnesia.see(by, step)?;
                self.durability.see(by, step)?;
            }
            Step::Snapshot { .. } => {
                self.durability.see(by, step)?;
                self.digests.see(by, step)?;
            }
            Step::Install { .. } => {
                self.durability.see(by, step)?;
                self.prefix.see(by, step)?;
                self.digests.see(by, step)?;
            }
            Step::Trim { .. } => {
                self.durability.see(by, step)?;
                self.promises.see(by, step)?;
            }
            Step::Decide { .. } => {
                self.decided(by, step)?;
            }
            Step::Apply { .. } => {
                self.decided(by, step)?;
                self.durability.see(by, step)?;
                self.once.see(by, step)?;
                self.digests.see(by, step)?;
            }
            Step::Halt { cause, why } => self.liveness.halt(by.at, by.node, *cause, why, &self.amnesia)?,
            Step::StepDown { .. } | Step::Read { .. } | Step::Refused { .. } | Step::Durable { .. } => {}
        }
        self.look(by.at)
    }

    fn decided(&mut self, by: By, step: &Step<'_>) -> Verdict {
        self.prefix.see(by, step)?;
        self.agreement.see(by, step)?;
        self.validity.see(by, step)?;
        self.majority.see(by, step)?;
        self.acknowledged.see(by, step)
    }

    /// Judges liveness at true time `at`, when nothing but a client moved.
    ///
    /// # Errors
    /// I19 if the bound has passed.
    pub fn look(&mut self, at: Instant) -> Verdict {
        if !self.liveness.is_healed() || self.liveness.is_satisfied() {
            return Ok(());
        }
        let slot = self.fresh.and_then(|command| self.once.slot_of(command));
        self.liveness.look(at, slot, &self.prefix, &self.amnesia)
    }

    /// A client sends a command: it may appear in the log from now on.
    pub fn sent(&mut self, command: CommandSeen) {
        self.validity.sent(command);
    }

    /// A client holds the answer to a command.
    ///
    /// # Errors
    /// I12 if nobody had decided it.
    pub fn acknowledge(&mut self, command: CommandSeen) -> Verdict {
        self.acknowledged.acknowledge(command, &self.once)
    }

    /// The command that every replica has to apply after faults end.
    pub fn fresh(&mut self, command: CommandSeen) {
        self.fresh = Some(command);
    }

    /// A node started or went down.
    pub fn lifecycle(&mut self, node: NodeId, incarnation: Incarnation, up: bool) {
        self.liveness.lifecycle(node, up);
        self.prefix.started(node, incarnation);
    }

    /// A fault destroyed what `node`'s device was known to hold: it may refuse to serve from it, or, if the device was
    /// replaced, say that it lost its memory. Without this, either is a violation.
    pub fn struck(&mut self, node: NodeId) {
        self.amnesia.struck(node);
        self.durability.struck(node);
    }

    /// Damage may strike any number of nodes, so that no quorum may be left: nobody owes an answer.
    pub fn spare_nobody(&mut self) {
        self.liveness.spare_nobody();
    }

    /// Faults have ended.
    pub fn healed(&mut self, at: Instant) {
        self.liveness.healed(at);
    }

    /// No client has a request under way or will make one.
    pub fn quiet(&mut self, at: Instant) {
        self.liveness.quiet(at);
    }

    /// Whether `node` runs.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.liveness.is_up(usize::from(node.0))
    }

    /// Whether there is nothing left to wait for: faults ended, the fresh command is everywhere and all are equal.
    pub fn is_settled(&self) -> bool {
        self.liveness.is_satisfied() && self.liveness.converged(&self.prefix, &self.amnesia)
    }

    /// The run is over.
    ///
    /// # Errors
    /// The invariant that is broken in the end.
    pub fn finish(&mut self, at: Instant) -> Verdict {
        let slot = self.fresh.and_then(|command| self.once.slot_of(command));
        self.liveness.finish(at, slot, &self.prefix, &self.amnesia)?;
        // Only a run that had its time to converge owes every acknowledged command to every live node.
        if self.is_settled() && self.liveness.is_owed() {
            self.acknowledged.finish(self.liveness.live(), &self.prefix, &self.once)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn round_of_paxos() -> Vec<Told> {
        vec![
            at(0).prepare(b(1, 0), 0),
            at(0).promise(b(1, 0), &[]),
            at(1).promise(b(1, 0), &[]),
            at(0).leader(b(1, 0)),
            at(0).propose(b(1, 0), 0, 7, &[0, 1], &[(1, 1)]),
            at(0).accept(0, b(1, 0), 7),
            at(1).accept(0, b(1, 0), 7),
            at(0).decide(0, 7),
            at(0).apply(0, 7, 5, &[(1, 1)]),
            at(1).decide(0, 7),
            at(1).apply(0, 7, 5, &[(1, 1)]),
        ]
    }

    fn judge() -> Judge {
        let mut judge = Judge::new(3, Duration::from_secs(7));
        (0..3).for_each(|node| judge.lifecycle(NodeId(node), Incarnation(1), true));
        judge.sent(command(1, 1));
        judge
    }

    #[test]
    fn a_round_of_paxos_breaks_nothing() {
        let mut judge = judge();
        assert_eq!(tell(&round_of_paxos(), |by, step| judge.see(by, step)), Ok(()));
        let snapshots = [at(0).snapshot(1, 5), at(0).trim(1), at(2).snapshot(1, 5), at(2).install(1, 5)];
        assert_eq!(tell(&snapshots, |by, step| judge.see(by, step)), Ok(()));
        assert_eq!(judge.acknowledge(command(1, 1)), Ok(()));
        assert_eq!(judge.finish(Instant::ZERO), Ok(()));
    }

    #[test]
    fn every_oracle_is_connected() {
        let cases = [
            ("I1", vec![at(2).decide(0, 8)]),
            ("I2", vec![at(0).propose(b(1, 0), 1, 9, &[0, 1], &[(4, 4)])]),
            ("I3", vec![at(0).decide(0, 8)]),
            ("I4", vec![at(1).restart(b(1, 0), &[])]),
            ("I5", vec![at(2).accept(0, b(1, 0), 8)]),
            ("I6", vec![at(0).propose(b(1, 0), 1, 9, &[0, 2], &[])]),
            ("I8", vec![at(2).prepare(b(2, 2), 0), at(1).promise(b(2, 2), &[])]),
            ("I9", vec![at(2).prepare(b(1, 0), 0)]),
            ("I10", vec![at(0).propose(b(1, 0), 1, 8, &[0, 1], &[]), at(2).decide(1, 8)]),
            ("I13", vec![at(2).apply(0, 7, 5, &[])]),
            ("I15", vec![at(2).apply(0, 7, 6, &[(1, 1)])]),
            ("I20", vec![at(2).amnesiac()]),
            ("I21", vec![at(0).snapshot(1, 6)]),
            ("I22", vec![at(0).trim(1)]),
            ("I22", vec![at(2).install(1, 5)]),
            ("I3", vec![at(0).snapshot(1, 5), at(0).install(1, 5)]),
            ("I19", vec![at(0).refuses("its device is damaged")]),
        ];
        for (invariant, ending) in cases {
            let mut judge = judge();
            let mut story = round_of_paxos();
            story.extend(ending);
            let (index, violation) =
                tell(&story, |by, step| judge.see(by, step)).expect_err("the story breaks an invariant");
            assert_eq!(
                (index, violation.invariant.as_str()),
                (story.len() - 1, invariant),
                "{}",
                violation.what
            );
        }
        let mut judge = judge();
        assert_eq!(judge.acknowledge(command(9, 9)).unwrap_err().invariant, "I12");
        judge.healed(Instant::ZERO);
        let late = [at(0).after_millis(8_000).leader(b(1, 0))];
        let (_, violation) = tell(&late, |by, step| judge.see(by, step)).unwrap_err();
        assert_eq!(violation.invariant, "I19");
        judge.lifecycle(NodeId(0), Incarnation(2), true);
        let (_, violation) = tell(&[at(0).halt("why")], |by, step| judge.see(by, step)).unwrap_err();
        assert_eq!(violation.invariant, "I19");
    }
}
