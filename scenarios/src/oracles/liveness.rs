//! I19, liveness: once faults have ended, every replica applies a fresh command and all converge, within a stated
//! bound of ten times the largest election timeout and the time that a transfer of the log takes.
//!
//! A replica that is down or has stopped for good is a violation too. It is excused, and the others go on without it, in
//! one case alone: a fault destroyed what its device was known to hold, it refuses to serve from that device, and
//! a quorum of voters that refuse nothing is left. A replica that lost its memory and says so does not vote, but nothing
//! excuses it from learning.

use super::amnesia::Amnesia;
use super::prefix::StablePrefix;
use super::{Verdict, broken};
use seedfast_core::paxos::Slot;
use seedfast_core::paxos::observe::HaltCause;
use seedfast_core::{Duration, Instant, NodeId, PeerSet};

#[derive(Default)]
struct Node {
    up: bool,
    halted: Option<String>,
    /// It refuses to serve from a device that a fault destroyed.
    refuses: bool,
    /// Its life began before faults ended.
    early: bool,
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
    /// Damage may strike any number of nodes: nobody owes an answer.
    nobody_spared: bool,
}

impl Liveness {
    /// For `nodes` nodes, which have `bound` after faults end.
    pub fn new(nodes: usize, bound: Duration) -> Self {
        Liveness {
            nodes: (0..nodes).map(|_| Node::default()).collect(),
            bound,
            healed: None,
            satisfied: None,
            quiet: None,
            nobody_spared: false,
        }
    }

    /// A node started or went down.
    pub fn lifecycle(&mut self, node: NodeId, up: bool) {
        let node = &mut self.nodes[usize::from(node.0)];
        // One that stopped for good stays so until its next life.
        *node = Node { up, halted: None, refuses: !up && node.refuses, early: up && self.healed.is_none() };
    }

    /// Damage may strike any number of nodes, their snapshots too: nobody owes an answer.
    pub fn spare_nobody(&mut self) {
        self.nobody_spared = true;
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

    /// Whether an answer is owed at all.
    pub fn is_owed(&self) -> bool {
        !self.nobody_spared
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

    /// A process stopped for good at true time `at`.
    ///
    /// # Errors
    /// I19 if faults have ended and nothing excuses it, or if it refuses a device that nothing had struck.
    pub fn halt(
        &mut self,
        at: Instant,
        node: NodeId,
        cause: HaltCause,
        why: &str,
        amnesia: &Amnesia,
    ) -> Verdict {
        let index = usize::from(node.0);
        self.nodes[index].halted = Some(why.into());
        let is_struck = amnesia.is_struck(index);
        if matches!(cause, HaltCause::Lost | HaltCause::Foreign) && !is_struck {
            return broken("I19", format!("{node} refuses a device that nothing had struck: {why}"));
        }
        // Damage can be of the kind that the device itself reports, for good, and a lost device be replaced by a wrong one.
        self.nodes[index].refuses |= is_struck && cause != HaltCause::Full;
        // An error that it met before may reach it behind, and what filled its device too: then it is started again, and
        // has to go on.
        let early = core::mem::take(&mut self.nodes[index].early)
            && match cause {
                HaltCause::Device => true,
                HaltCause::Full => self.healed.is_none_or(|healed| at <= healed + self.bound),
                HaltCause::Lost | HaltCause::Foreign => false,
            };
        if self.healed.is_some() && !early && !self.is_excused(index, amnesia) {
            return broken("I19", format!("{node} stopped after faults had ended: {why}"));
        }
        Ok(())
    }

    /// Whether enough nodes are left that may vote.
    fn has_quorum(&self, amnesia: &Amnesia) -> bool {
        let voters =
            (0..self.nodes.len()).filter(|&node| !self.nodes[node].refuses && !amnesia.is_amnesiac(node));
        voters.count() >= PeerSet::first(self.nodes.len()).majority()
    }

    /// Whether the others are to go on without `node`.
    fn is_excused(&self, node: usize, amnesia: &Amnesia) -> bool {
        self.nobody_spared || (self.nodes[node].refuses && self.has_quorum(amnesia))
    }

    /// Looks whether every replica applied the fresh command's `slot` by `at`; to be asked after each step.
    ///
    /// # Errors
    /// I19 if the bound has passed.
    pub fn look(
        &mut self,
        at: Instant,
        slot: Option<Slot>,
        applied: &StablePrefix,
        amnesia: &Amnesia,
    ) -> Verdict {
        let (Some(healed), None) = (self.healed, self.satisfied) else {
            return Ok(());
        };
        let missing = (0..self.nodes.len()).find(|&node| {
            let has = self.nodes[node].up && slot.is_some_and(|slot| applied.applied(node) >= Some(slot));
            !has && !self.is_excused(node, amnesia)
        });
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

    /// Whether every replica that is not excused runs, and they have applied the same slots. Their states are then the
    /// same by I15.
    pub fn converged(&self, applied: &StablePrefix, amnesia: &Amnesia) -> bool {
        let mut wanted = (0..self.nodes.len()).filter(|&node| !self.is_excused(node, amnesia));
        let Some(first) = wanted.next() else { return true };
        let is_live = |node: usize| self.nodes[node].up && self.nodes[node].halted.is_none();
        is_live(first) && wanted.all(|node| is_live(node) && applied.applied(node) == applied.applied(first))
    }

    /// The run is over at `at`.
    ///
    /// # Errors
    /// I19 if the replicas had the bound's time to converge after the clients' last word and have not, or the clients
    /// never came to rest.
    pub fn finish(
        &mut self,
        at: Instant,
        slot: Option<Slot>,
        applied: &StablePrefix,
        amnesia: &Amnesia,
    ) -> Verdict {
        self.look(at, slot, applied, amnesia)?;
        let Some(healed) = self.healed else {
            return Ok(());
        };
        match self.quiet {
            Some(quiet) if at > quiet.max(healed) + self.bound && !self.converged(applied, amnesia) => {
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
            None if at > healed + self.bound.times(2) && !self.nobody_spared => broken(
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

    struct Group {
        oracle: Liveness,
        applied: StablePrefix,
        amnesia: Amnesia,
    }

    /// A group of `nodes` that run and were healed at second 10; each has installed what is below slot 3.
    fn healed(nodes: u8) -> Group {
        let (mut oracle, mut applied) = (Liveness::new(nodes.into(), BOUND), StablePrefix::new(nodes.into()));
        oracle.healed(second(10));
        (0..nodes).for_each(|node| oracle.lifecycle(NodeId(node), true));
        let story: Vec<Told> = (0..nodes).map(|node| at(node).install(3, 1)).collect();
        assert_holds(&mut applied, &story);
        Group { oracle, applied, amnesia: Amnesia::new(nodes.into()) }
    }

    impl Group {
        fn apply(&mut self, nodes: &[u8], slot: u64) {
            let story: Vec<Told> = nodes.iter().map(|&node| at(node).apply(slot, 7, 1, &[])).collect();
            assert_holds(&mut self.applied, &story);
        }

        fn look(&mut self, seconds: u64) -> Verdict {
            self.oracle.look(second(seconds), Some(Slot(3)), &self.applied, &self.amnesia)
        }

        fn finish(&mut self, seconds: u64) -> Verdict {
            self.oracle.finish(second(seconds), Some(Slot(3)), &self.applied, &self.amnesia)
        }

        fn halt(&mut self, node: u8, cause: HaltCause) -> Verdict {
            self.halt_at(11, node, cause)
        }

        fn halt_at(&mut self, seconds: u64, node: u8, cause: HaltCause) -> Verdict {
            self.oracle.halt(second(seconds), NodeId(node), cause, "why", &self.amnesia)
        }
    }

    #[test]
    fn a_cluster_that_applies_and_converges_in_time_is_live() {
        let mut group = healed(2);
        assert_eq!(group.oracle.look(second(11), None, &group.applied, &group.amnesia), Ok(()));
        group.apply(&[0, 1], 3);
        assert_eq!(group.look(12), Ok(()));
        assert!(group.oracle.is_satisfied() && group.oracle.converged(&group.applied, &group.amnesia));
        group.oracle.quiet(second(12));
        assert_eq!(group.finish(60), Ok(()));
    }

    #[test]
    fn a_replica_that_lags_is_down_or_stopped_is_caught_after_the_bound() {
        let mut group = healed(2);
        group.apply(&[0], 3);
        assert_eq!(group.look(17), Ok(()));
        assert_eq!(group.look(18).unwrap_err().invariant, "I19");

        let mut group = healed(2);
        group.apply(&[0, 1], 3);
        group.oracle.lifecycle(NodeId(1), false);
        group.applied.started(NodeId(1), Incarnation(2));
        assert!(group.look(18).unwrap_err().what.contains("n1 is down"));

        for cause in [HaltCause::Device, HaltCause::Foreign, HaltCause::Full, HaltCause::Lost] {
            assert_eq!(healed(3).halt(0, cause).unwrap_err().invariant, "I19");
        }
    }

    #[test]
    fn a_life_that_began_before_faults_ended_may_stop_behind_and_the_next_one_may_not() {
        let began_before = || {
            let mut group = healed(3);
            group.oracle.healed = None;
            group.oracle.lifecycle(NodeId(0), true);
            group.oracle.healed(second(10));
            group
        };
        for cause in [HaltCause::Device, HaltCause::Full] {
            let mut group = began_before();
            assert_eq!(group.halt(0, cause), Ok(()));
            group.oracle.lifecycle(NodeId(0), false);
            group.oracle.lifecycle(NodeId(0), true);
            assert_eq!(group.halt(0, cause).unwrap_err().invariant, "I19");
        }
        // An operation may stay away for long; what fills a device does so at once, or it would not have.
        assert_eq!(began_before().halt_at(60, 0, HaltCause::Device), Ok(()));
        assert_eq!(began_before().halt_at(60, 0, HaltCause::Full).unwrap_err().invariant, "I19");
        for cause in [HaltCause::Lost, HaltCause::Foreign] {
            assert_eq!(began_before().halt(0, cause).unwrap_err().invariant, "I19", "nothing had struck it");
        }
    }

    #[test]
    fn a_replica_that_refuses_a_destroyed_device_is_excused_while_a_quorum_is_left() {
        let mut group = healed(3);
        group.amnesia.struck(NodeId(0));
        assert_eq!(group.halt(0, HaltCause::Lost), Ok(()));
        group.oracle.lifecycle(NodeId(0), false);
        group.apply(&[1, 2], 3);
        assert_eq!(group.look(18), Ok(()));
        assert!(group.oracle.converged(&group.applied, &group.amnesia));
        // It has to come back if it starts again and does not refuse.
        group.oracle.lifecycle(NodeId(0), true);
        assert!(!group.oracle.converged(&group.applied, &group.amnesia));

        let mut group = healed(3);
        group.amnesia.struck(NodeId(0));
        assert_eq!(
            group.halt(0, HaltCause::Full).unwrap_err().invariant,
            "I19",
            "another cause excuses nothing"
        );
        for cause in [HaltCause::Device, HaltCause::Foreign] {
            assert_eq!(healed(3).halt(0, cause).unwrap_err().invariant, "I19", "nothing had struck it");
            let mut group = healed(3);
            group.amnesia.struck(NodeId(0));
            assert_eq!(group.halt(0, cause), Ok(()), "it cannot be read, or is the wrong one");
        }
        group.amnesia.struck(NodeId(1));
        assert_eq!(group.halt(0, HaltCause::Lost), Ok(()));
        assert_eq!(group.halt(1, HaltCause::Lost).unwrap_err().invariant, "I19", "no quorum is left");
    }

    #[test]
    fn an_amnesiac_has_to_learn_and_is_no_voter() {
        let amnesiac = || {
            let mut group = healed(3);
            group.amnesia.struck(NodeId(0));
            assert_holds(&mut group.amnesia, &[at(0).amnesiac()]);
            group
        };
        let mut group = amnesiac();
        group.apply(&[1, 2], 3);
        assert!(group.look(18).unwrap_err().what.contains("n0"));
        let mut group = amnesiac();
        group.amnesia.struck(NodeId(1));
        assert_eq!(
            group.halt(1, HaltCause::Lost).unwrap_err().invariant,
            "I19",
            "one voter is no quorum of three"
        );
    }

    #[test]
    fn replicas_that_never_converge_and_clients_that_wait_for_ever_are_caught() {
        let mut group = healed(2);
        group.apply(&[0, 1], 3);
        group.apply(&[0], 4);
        assert_eq!(group.look(12), Ok(()));
        assert!(group.finish(40).unwrap_err().what.contains("client"));
        group.oracle.quiet(second(12));
        assert!(group.finish(40).unwrap_err().what.contains("converged"));
    }
}
