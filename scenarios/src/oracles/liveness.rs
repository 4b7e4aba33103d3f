//! I19, liveness: once faults have ended, every replica applies a fresh command and all converge, within a stated
//! bound of ten times the largest election timeout and the time that a transfer of the log takes.
//!
//! Nothing excuses a replica: one that is down or has stopped for good is a violation too.

use super::prefix::StablePrefix;
use super::{Verdict, broken};
use seedfast_core::paxos::Slot;
use seedfast_core::{Duration, Instant, NodeId};

struct Node {
    up: bool,
    halted: Option<String>,
}

/// Who lives, and what has to happen until when.
pub struct Liveness {
    nodes: Vec<Node>,
    bound: Duration,
    healed: Option<Instant>,
    /// When every replica had applied the fresh command.
    satisfied: Option<Instant>,
    /// When the clients had said their last word.
    quiet: Option<Instant>,
}

impl Liveness {
    /// For `nodes` nodes, which have `bound` after faults end.
    pub fn new(nodes: usize, bound: Duration) -> Self {
        Liveness {
            nodes: (0..nodes).map(|_| Node { up: false, halted: None }).collect(),
            bound,
            healed: None,
            satisfied: None,
            quiet: None,
        }
    }

    /// A node started or went down.
    pub fn lifecycle(&mut self, node: NodeId, up: bool) {
        self.nodes[usize::from(node.0)] = Node { up, halted: None };
    }

    /// Faults have ended.
    pub fn healed(&mut self, at: Instant) {
        self.healed.get_or_insert(at);
    }

    /// No client has a request under way or will make one.
    pub fn quiet(&mut self, at: Instant) {
        self.quiet.get_or_insert(at);
    }

    /// Whether faults have ended.
    pub fn is_healed(&self) -> bool {
        self.healed.is_some()
    }

    /// Whether every replica applied the fresh command.
    pub fn is_satisfied(&self) -> bool {
        self.satisfied.is_some()
    }

    /// Whether `node` runs.
    pub fn is_up(&self, node: usize) -> bool {
        self.nodes[node].up
    }

    /// The nodes that run and have not stopped for good.
    pub fn live(&self) -> impl Iterator<Item = usize> {
        self.nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.up && node.halted.is_none())
            .map(|(node, _)| node)
    }

    /// A process stopped for good.
    ///
    /// # Errors
    /// I19 if faults have ended.
    pub fn halt(&mut self, node: NodeId, why: &str) -> Verdict {
        self.nodes[usize::from(node.0)].halted = Some(why.into());
        if self.healed.is_some() {
            return broken("I19", format!("{node} stopped after faults had ended: {why}"));
        }
        Ok(())
    }

    /// Looks whether every replica applied the fresh command's `slot` by `at`; to be asked after each step.
    ///
    /// # Errors
    /// I19 if the bound has passed.
    pub fn look(&mut self, at: Instant, slot: Option<Slot>, applied: &StablePrefix) -> Verdict {
        let (Some(healed), None) = (self.healed, self.satisfied) else {
            return Ok(());
        };
        let missing = (0..self.nodes.len())
            .find(|&node| !self.nodes[node].up || slot.is_none_or(|slot| applied.applied(node) < Some(slot)));
        let Some(node) = missing else {
            self.satisfied = Some(at);
            return Ok(());
        };
        if at <= healed + self.bound {
            return Ok(());
        }
        let state = match &self.nodes[node] {
            Node { up: false, .. } => "is down".into(),
            Node { halted: Some(why), .. } => format!("stopped for good: {why}"),
            _ => match (slot, applied.applied(node)) {
                (None, _) => "and all others never saw it".into(),
                (Some(slot), None) => format!("has applied nothing, not to speak of its slot {slot}"),
                (Some(slot), Some(last)) => format!("has applied slot {last}, short of its slot {slot}"),
            },
        };
        broken(
            "I19",
            format!(
                "{} after faults ended, a fresh command is not everywhere: n{node} {state}",
                at.since(healed)
            ),
        )
    }

    /// Whether every replica runs and has applied the same slots. Their states are then the same by I15.
    pub fn converged(&self, applied: &StablePrefix) -> bool {
        self.live().count() == self.nodes.len()
            && (1..self.nodes.len()).all(|node| applied.applied(node) == applied.applied(0))
    }

    /// The run is over at `at`.
    ///
    /// # Errors
    /// I19 if the replicas had the bound's time to converge after the clients' last word and have not, or the clients
    /// never came to rest.
    pub fn finish(&mut self, at: Instant, slot: Option<Slot>, applied: &StablePrefix) -> Verdict {
        self.look(at, slot, applied)?;
        let Some(healed) = self.healed else {
            return Ok(());
        };
        match self.quiet {
            Some(quiet) if at > quiet.max(healed) + self.bound && !self.converged(applied) => {
                let far: Vec<String> = (0..self.nodes.len())
                    .map(|node| applied.applied(node).map_or("none".into(), |slot| slot.to_string()))
                    .collect();
                broken(
                    "I19",
                    format!(
                        "the replicas have not converged: their last applied slots are {}",
                        far.join(", ")
                    ),
                )
            }
            None if at > healed + self.bound.times(2) => broken(
                "I19",
                format!("{} after faults ended, a client still waits for its answer", at.since(healed)),
            ),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use seedfast_core::Incarnation;

    const BOUND: Duration = Duration::from_secs(7);

    fn second(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn healed() -> (Liveness, StablePrefix) {
        let mut oracle = Liveness::new(2, BOUND);
        (0..2).for_each(|node| oracle.lifecycle(NodeId(node), true));
        oracle.healed(second(10));
        (oracle, StablePrefix::new(2))
    }

    #[test]
    fn a_cluster_that_applies_and_converges_in_time_is_live() {
        let (mut oracle, mut applied) = healed();
        assert_eq!(oracle.look(second(11), None, &applied), Ok(()));
        assert_holds(&mut applied, &[at(0).apply(3, 7, 1, &[]), at(1).apply(3, 7, 1, &[])]);
        assert_eq!(oracle.look(second(12), Some(Slot(3)), &applied), Ok(()));
        assert!(oracle.is_satisfied() && oracle.converged(&applied));
        oracle.quiet(second(12));
        assert_eq!(oracle.finish(second(60), Some(Slot(3)), &applied), Ok(()));
    }

    #[test]
    fn a_replica_that_lags_is_down_or_stopped_is_caught_after_the_bound() {
        let (mut oracle, mut applied) = healed();
        assert_holds(&mut applied, &[at(0).apply(3, 7, 1, &[])]);
        assert_eq!(oracle.look(second(17), Some(Slot(3)), &applied), Ok(()));
        assert_eq!(oracle.look(second(18), Some(Slot(3)), &applied).unwrap_err().invariant, "I19");

        let (mut oracle, mut applied) = healed();
        assert_holds(&mut applied, &[at(0).apply(3, 7, 1, &[]), at(1).apply(3, 7, 1, &[])]);
        oracle.lifecycle(NodeId(1), false);
        applied.started(NodeId(1), Incarnation(2));
        assert!(oracle.look(second(18), Some(Slot(3)), &applied).unwrap_err().what.contains("n1 is down"));

        let (mut oracle, _) = healed();
        assert_eq!(oracle.halt(NodeId(0), "a failed sync").unwrap_err().invariant, "I19");
    }

    #[test]
    fn replicas_that_never_converge_and_clients_that_wait_for_ever_are_caught() {
        let (mut oracle, mut applied) = healed();
        let story = [at(0).apply(3, 7, 1, &[]), at(1).apply(3, 7, 1, &[]), at(0).apply(4, 8, 1, &[])];
        assert_holds(&mut applied, &story);
        assert_eq!(oracle.look(second(12), Some(Slot(3)), &applied), Ok(()));
        assert!(oracle.finish(second(40), Some(Slot(3)), &applied).unwrap_err().what.contains("client"));
        oracle.quiet(second(12));
        assert!(oracle.finish(second(40), Some(Slot(3)), &applied).unwrap_err().what.contains("converged"));
    }
}
