//! Stories for the oracles' tests: `at(0).accept(3, b(1, 0), 7)`.

use super::{By, Oracle, Step};
use seedfast_core::paxos::observe::{CommandSeen, HaltCause, Observation, VoteSeen};
use seedfast_core::paxos::{Ballot, Slot, ValueId};
use seedfast_core::{Incarnation, Instant, NodeId, PeerSet, SessionId};

/// An observation and who made it.
#[derive(Clone, Debug)]
pub(crate) struct Told(By, Observation);

/// Who is about to tell something.
#[derive(Clone, Copy)]
pub(crate) struct Teller(By);

/// Node `node` in its first life.
pub(crate) fn at(node: u8) -> Teller {
    Teller(By { at: Instant::ZERO, node: NodeId(node), incarnation: Incarnation(1) })
}

pub(crate) const fn b(round: u64, node: u8) -> Ballot {
    Ballot::new(round, NodeId(node))
}

pub(crate) fn command(session: u64, sequence: u64) -> CommandSeen {
    CommandSeen { session: SessionId(session), sequence }
}

fn votes(votes: &[(u64, Ballot, u64)]) -> Vec<VoteSeen> {
    let vote = |&(slot, ballot, value)| VoteSeen { slot: Slot(slot), ballot, value: ValueId(value) };
    votes.iter().map(vote).collect()
}

fn commands(commands: &[(u64, u64)]) -> Vec<CommandSeen> {
    commands.iter().map(|&(session, sequence)| command(session, sequence)).collect()
}

impl Teller {
    pub(crate) fn life(self, incarnation: u32) -> Self {
        Teller(By { incarnation: Incarnation(incarnation), ..self.0 })
    }

    pub(crate) fn after_millis(self, millis: u64) -> Self {
        Teller(By { at: Instant::from_nanos(millis * 1_000_000), ..self.0 })
    }

    fn tells(self, observation: Observation) -> Told {
        Told(self.0, observation)
    }

    pub(crate) fn prepare(self, ballot: Ballot, from: u64) -> Told {
        self.tells(Observation::Prepare { ballot, from: Slot(from) })
    }

    pub(crate) fn promise(self, ballot: Ballot, reported: &[(u64, Ballot, u64)]) -> Told {
        self.promise_from(ballot, 0, reported)
    }

    pub(crate) fn promise_from(self, ballot: Ballot, from: u64, reported: &[(u64, Ballot, u64)]) -> Told {
        self.tells(Observation::Promise { ballot, from: Slot(from), votes: votes(reported) })
    }

    pub(crate) fn propose(
        self,
        ballot: Ballot,
        slot: u64,
        value: u64,
        quorum: &[u8],
        batch: &[(u64, u64)],
    ) -> Told {
        let quorum: PeerSet = quorum.iter().copied().map(NodeId).collect();
        let commands = commands(batch);
        self.tells(Observation::Propose { ballot, slot: Slot(slot), value: ValueId(value), quorum, commands })
    }

    pub(crate) fn accept(self, slot: u64, ballot: Ballot, value: u64) -> Told {
        self.tells(Observation::Accept { vote: VoteSeen { slot: Slot(slot), ballot, value: ValueId(value) } })
    }

    pub(crate) fn decide(self, slot: u64, value: u64) -> Told {
        self.tells(Observation::Decide { slot: Slot(slot), value: ValueId(value) })
    }

    pub(crate) fn leader(self, ballot: Ballot) -> Told {
        self.tells(Observation::Leader { ballot })
    }

    pub(crate) fn restart(self, promised: Ballot, found: &[(u64, Ballot, u64)]) -> Told {
        self.restart_from(promised, 0, found)
    }

    pub(crate) fn restart_from(self, promised: Ballot, first: u64, found: &[(u64, Ballot, u64)]) -> Told {
        self.tells(Observation::Restart { promised, first: Slot(first), votes: votes(found) })
    }

    pub(crate) fn snapshot(self, slot: u64, digest: u64) -> Told {
        self.tells(Observation::Snapshot { slot: Slot(slot), digest })
    }

    pub(crate) fn install(self, slot: u64, digest: u64) -> Told {
        self.tells(Observation::Install { slot: Slot(slot), digest })
    }

    pub(crate) fn trim(self, below: u64) -> Told {
        self.tells(Observation::Trim { below: Slot(below) })
    }

    pub(crate) fn amnesiac(self) -> Told {
        self.tells(Observation::Amnesiac)
    }

    pub(crate) fn apply(self, slot: u64, value: u64, digest: u64, executed: &[(u64, u64)]) -> Told {
        let executed = commands(executed);
        self.tells(Observation::Apply { slot: Slot(slot), value: ValueId(value), digest, executed })
    }

    pub(crate) fn halt(self, why: &str) -> Told {
        self.tells(Observation::Halt { cause: HaltCause::Device, why: why.into() })
    }

    pub(crate) fn refuses(self, why: &str) -> Told {
        self.tells(Observation::Halt { cause: HaltCause::Lost, why: why.into() })
    }
}

/// Tells a story through the encoding, up to the first step that breaks something.
pub(crate) fn tell(
    story: &[Told],
    mut hear: impl FnMut(By, &Step<'_>) -> super::Verdict,
) -> Result<(), (usize, seedfast_sim::Violation)> {
    for (index, Told(by, observation)) in story.iter().enumerate() {
        let mut bytes = Vec::new();
        observation.encode(&mut bytes);
        let step = Step::decode(observation.kind(), &bytes).expect("well-formed").expect("the core's");
        hear(*by, &step).map_err(|violation| (index, violation))?;
    }
    Ok(())
}

#[track_caller]
pub(crate) fn assert_holds(oracle: &mut dyn Oracle, story: &[Told]) {
    assert_eq!(tell(story, |by, step| oracle.see(by, step)), Ok(()));
}

/// The last step of the story, and none before it, breaks the invariant.
#[track_caller]
pub(crate) fn assert_breaks(oracle: &mut dyn Oracle, invariant: &str, story: &[Told]) {
    let (index, violation) =
        tell(story, |by, step| oracle.see(by, step)).expect_err("the story breaks an invariant");
    assert_eq!((index, violation.invariant.as_str()), (story.len() - 1, invariant), "{}", violation.what);
}
