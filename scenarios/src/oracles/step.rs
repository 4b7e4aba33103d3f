//! The core's observations as the oracles read them: borrowed, so that judging a step allocates nothing.
//!
//! The layout is the one of `seedfast_core::paxos::observe`; a test here holds the two together.

use seedfast_core::codec::{Malformed, Reader};
use seedfast_core::paxos::observe::{CommandSeen, HaltCause, VoteSeen};
use seedfast_core::paxos::{Ballot, Slot, ValueId};
use seedfast_core::{Incarnation, Instant, NodeId, ObservationKind, PeerSet, SessionId};

/// No run comes near this many slots: an observation that names a higher one is damaged, and would fill the memory.
pub const MOST_SLOTS: u64 = 1 << 20;

/// Who made a step, in which life, when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// True time.
    pub at: Instant,
    /// The node.
    pub node: NodeId,
    /// Its life.
    pub incarnation: Incarnation,
}

impl By {
    /// The node as an index.
    pub(crate) fn index(self) -> usize {
        usize::from(self.node.0)
    }
}

/// Votes in their encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Votes<'a>(&'a [u8]);

/// Commands in their encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commands<'a>(&'a [u8]);

const VOTE: usize = 24;
const COMMAND: usize = 16;

impl<'a> Votes<'a> {
    /// The votes, in the order in which they were reported.
    pub fn iter(self) -> impl Iterator<Item = VoteSeen> + 'a {
        self.0.chunks_exact(VOTE).map(|bytes| VoteSeen {
            slot: Slot(word(bytes, 0)),
            ballot: Ballot(word(bytes, 1)),
            value: ValueId(word(bytes, 2)),
        })
    }

    fn read(fields: &mut Reader<'a>) -> Result<Self, Malformed> {
        if !fields.remaining().is_multiple_of(VOTE) {
            return Err(Malformed);
        }
        let votes = Votes(fields.bytes(fields.remaining())?);
        if votes.iter().any(|vote| vote.slot.0 >= MOST_SLOTS) { Err(Malformed) } else { Ok(votes) }
    }
}

impl<'a> Commands<'a> {
    /// The commands, in their order.
    pub fn iter(self) -> impl Iterator<Item = CommandSeen> + 'a {
        self.0
            .chunks_exact(COMMAND)
            .map(|bytes| CommandSeen { session: SessionId(word(bytes, 0)), sequence: word(bytes, 1) })
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.0.len() / COMMAND
    }

    /// Whether there is none: a no-op.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    fn read(fields: &mut Reader<'a>) -> Result<Self, Malformed> {
        if !fields.remaining().is_multiple_of(COMMAND) {
            return Err(Malformed);
        }
        Ok(Commands(fields.bytes(fields.remaining())?))
    }
}

fn word(bytes: &[u8], index: usize) -> u64 {
    u64::from_le_bytes(bytes[8 * index..8 * index + 8].try_into().expect("eight bytes"))
}

/// One step of the protocol; the variants are those of [`Observation`](seedfast_core::paxos::observe::Observation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "said once, at the core's `Observation`")]
pub enum Step<'a> {
    Prepare { ballot: Ballot, from: Slot },
    Promise { ballot: Ballot, from: Slot, votes: Votes<'a> },
    Propose { ballot: Ballot, slot: Slot, value: ValueId, quorum: PeerSet, commands: Commands<'a> },
    Accept { vote: VoteSeen },
    Decide { slot: Slot, value: ValueId },
    Leader { ballot: Ballot },
    StepDown { ballot: Ballot },
    Restart { promised: Ballot, first: Slot, votes: Votes<'a> },
    Apply { slot: Slot, value: ValueId, digest: u64, executed: Commands<'a> },
    Read { index: Slot, ballot: Ballot },
    Refused { from: NodeId, why: u8 },
    Halt { cause: HaltCause, why: &'a str },
    Snapshot { slot: Slot, digest: u64 },
    Install { slot: Slot, digest: u64 },
    Trim { below: Slot },
    Amnesiac,
    Durable { last: u64, at: u64, length: u64 },
}

impl<'a> Step<'a> {
    /// Reads a step; `None` for a kind that is not one of the core's.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not what that kind holds, or a slot is beyond [`MOST_SLOTS`].
    pub fn decode(kind: ObservationKind, bytes: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let mut fields = Reader::new(bytes);
        let fields = &mut fields;
        let step = match kind.0 {
            1 => Step::Prepare { ballot: ballot(fields)?, from: slot(fields)? },
            2 => Step::Promise { ballot: ballot(fields)?, from: slot(fields)?, votes: Votes::read(fields)? },
            3 => Step::Propose {
                ballot: ballot(fields)?,
                slot: slot(fields)?,
                value: ValueId(fields.u64()?),
                quorum: PeerSet(fields.u64()?),
                commands: Commands::read(fields)?,
            },
            4 => Step::Accept {
                vote: VoteSeen {
                    slot: slot(fields)?,
                    ballot: ballot(fields)?,
                    value: ValueId(fields.u64()?),
                },
            },
            5 => Step::Decide { slot: slot(fields)?, value: ValueId(fields.u64()?) },
            6 => Step::Leader { ballot: ballot(fields)? },
            7 => Step::StepDown { ballot: ballot(fields)? },
            8 => {
                Step::Restart { promised: ballot(fields)?, first: slot(fields)?, votes: Votes::read(fields)? }
            }
            9 => Step::Apply {
                slot: slot(fields)?,
                value: ValueId(fields.u64()?),
                digest: fields.u64()?,
                executed: Commands::read(fields)?,
            },
            10 => Step::Read { index: slot(fields)?, ballot: ballot(fields)? },
            11 => Step::Refused { from: NodeId(fields.u8()?), why: fields.u8()? },
            12 => {
                let cause = HaltCause::of(fields.u8()?).ok_or(Malformed)?;
                let why = core::str::from_utf8(fields.bytes(fields.remaining())?).map_err(|_| Malformed)?;
                Step::Halt { cause, why }
            }
            13 => Step::Snapshot { slot: slot(fields)?, digest: fields.u64()? },
            14 => Step::Install { slot: slot(fields)?, digest: fields.u64()? },
            15 => Step::Trim { below: slot(fields)? },
            16 => Step::Amnesiac,
            17 => Step::Durable { last: fields.u64()?, at: fields.u64()?, length: fields.u64()? },
            _ => return Ok(None),
        };
        fields.end()?;
        Ok(Some(step))
    }
}

fn ballot(fields: &mut Reader<'_>) -> Result<Ballot, Malformed> {
    fields.u64().map(Ballot)
}

fn slot(fields: &mut Reader<'_>) -> Result<Slot, Malformed> {
    match fields.u64()? {
        slot if slot < MOST_SLOTS => Ok(Slot(slot)),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::paxos::observe::Observation;

    #[test]
    fn every_observation_of_the_core_is_read_back_field_by_field() {
        let vote = |slot| VoteSeen { slot: Slot(slot), ballot: Ballot(513), value: ValueId(9) };
        let command = |sequence| CommandSeen { session: SessionId(4), sequence };
        let (ballot, slot, value) = (Ballot(0x301), Slot(5), ValueId(77));
        let (votes, commands) = (vec![vote(1), vote(2)], vec![command(1), command(2)]);
        let all = [
            Observation::Prepare { ballot, from: slot },
            Observation::Promise { ballot, from: slot, votes: votes.clone() },
            Observation::Propose { ballot, slot, value, quorum: PeerSet(7), commands: commands.clone() },
            Observation::Accept { vote: vote(8) },
            Observation::Decide { slot, value },
            Observation::Leader { ballot },
            Observation::StepDown { ballot },
            Observation::Restart { promised: ballot, first: slot, votes },
            Observation::Apply { slot, value, digest: 3, executed: commands },
            Observation::Read { index: slot, ballot },
            Observation::Refused { from: NodeId(2), why: 6 },
            Observation::Halt { cause: HaltCause::Lost, why: "the sync failed".into() },
            Observation::Snapshot { slot, digest: 4 },
            Observation::Install { slot, digest: 5 },
            Observation::Trim { below: slot },
            Observation::Amnesiac,
            Observation::Durable { last: 9, at: 4096, length: 512 },
        ];
        for observation in all {
            let mut bytes = Vec::new();
            observation.encode(&mut bytes);
            let step = Step::decode(observation.kind(), &bytes).expect("well-formed").expect("the core's");
            let again = match step {
                Step::Prepare { ballot, from } => Observation::Prepare { ballot, from },
                Step::Promise { ballot, from, votes } => {
                    Observation::Promise { ballot, from, votes: votes.iter().collect() }
                }
                Step::Propose { ballot, slot, value, quorum, commands } => {
                    Observation::Propose { ballot, slot, value, quorum, commands: commands.iter().collect() }
                }
                Step::Accept { vote } => Observation::Accept { vote },
                Step::Decide { slot, value } => Observation::Decide { slot, value },
                Step::Leader { ballot } => Observation::Leader { ballot },
                Step::StepDown { ballot } => Observation::StepDown { ballot },
                Step::Restart { promised, first, votes } => {
                    Observation::Restart { promised, first, votes: votes.iter().collect() }
                }
                Step::Apply { slot, value, digest, executed } => {
                    Observation::Apply { slot, value, digest, executed: executed.iter().collect() }
                }
                Step::Read { index, ballot } => Observation::Read { index, ballot },
                Step::Refused { from, why } => Observation::Refused { from, why },
                Step::Halt { cause, why } => Observation::Halt { cause, why: why.into() },
                Step::Snapshot { slot, digest } => Observation::Snapshot { slot, digest },
                Step::Install { slot, digest } => Observation::Install { slot, digest },
                Step::Trim { below } => Observation::Trim { below },
                Step::Amnesiac => Observation::Amnesiac,
                Step::Durable { last, at, length } => Observation::Durable { last, at, length },
            };
            assert_eq!(again, observation);
            for end in 0..bytes.len() {
                let cut = Step::decode(observation.kind(), &bytes[..end]);
                assert!(
                    cut.is_err() || matches!(cut, Ok(Some(whole)) if whole != step),
                    "{observation:?} cut to {end} bytes reads as the whole"
                );
            }
        }
    }

    #[test]
    fn a_slot_that_would_fill_the_memory_is_refused() {
        let mut bytes = Vec::new();
        let far = Observation::Decide { slot: Slot(MOST_SLOTS), value: ValueId(1) };
        far.encode(&mut bytes);
        assert_eq!(Step::decode(far.kind(), &bytes), Err(Malformed));
    }
}
