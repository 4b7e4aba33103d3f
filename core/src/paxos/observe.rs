//! What the core tells the oracles: the protocol's steps, encoded as [`Observe`](crate::Output::Observe) outputs.
//!
//! A step is observed when it becomes visible: a promise or an accept when its reply leaves (a node's own when it is
//! durable), a restart when recovery is done. A retransmitted reply repeats its observation.

use super::{Ballot, Slot, ValueId};
use crate::codec::{Malformed, Reader, Write};
use crate::id::{NodeId, ObservationKind, PeerSet, SessionId};
use alloc::vec::Vec;

/// A vote as it is reported: slot, ballot, value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteSeen {
    /// Where.
    pub slot: Slot,
    /// Under which ballot.
    pub ballot: Ballot,
    /// For what.
    pub value: ValueId,
}

/// A command as the oracles name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandSeen {
    /// The client's session.
    pub session: SessionId,
    /// The command's number in it.
    pub sequence: u64,
}

/// One step of the protocol, seen from one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Phase 1a left.
    Prepare {
        /// The candidate's ballot.
        ballot: Ballot,
        /// The first slot that it is open about.
        from: Slot,
    },
    /// Phase 1b left (a node's own: became durable).
    Promise {
        /// The ballot promised.
        ballot: Ballot,
        /// The first slot reported about: the prepare's, or the first one that is not trimmed.
        from: Slot,
        /// Every vote at or above `from`.
        votes: Vec<VoteSeen>,
    },
    /// Phase 2a left.
    Propose {
        /// The leader's ballot.
        ballot: Ballot,
        /// Where.
        slot: Slot,
        /// What.
        value: ValueId,
        /// The promises that were counted in phase 1.
        quorum: PeerSet,
        /// The commands in the batch, empty for a no-op.
        commands: Vec<CommandSeen>,
    },
    /// Phase 2b left (a node's own: became durable).
    Accept {
        /// The vote.
        vote: VoteSeen,
    },
    /// This node knows the slot decided.
    Decide {
        /// Where.
        slot: Slot,
        /// What.
        value: ValueId,
    },
    /// This node became leader: a quorum promised.
    Leader {
        /// Its ballot.
        ballot: Ballot,
    },
    /// This node ceased to lead or to campaign.
    StepDown {
        /// The ballot it had.
        ballot: Ballot,
    },
    /// Recovery is done; this is what the device gave back.
    Restart {
        /// The promised ballot.
        promised: Ballot,
        /// Below this slot a snapshot stands in for the votes.
        first: Slot,
        /// The votes.
        votes: Vec<VoteSeen>,
    },
    /// A slot was applied to the state machine.
    Apply {
        /// Which slot; the one after the last applied.
        slot: Slot,
        /// Its value.
        value: ValueId,
        /// The digest of state machine and session table after it.
        digest: u64,
        /// The commands that took effect, duplicates left out.
        executed: Vec<CommandSeen>,
    },
    /// A linearizable read was answered.
    Read {
        /// The slot below which everything was applied when it was answered.
        index: Slot,
        /// The leader's ballot under which a quorum confirmed it.
        ballot: Ballot,
    },
    /// A frame was refused: another cluster, group, version, or damage.
    Refused {
        /// Who seems to have sent it.
        from: NodeId,
        /// Why: a [`Refusal`](super::wire::Refusal) by number.
        why: u8,
    },
    /// The process stopped for good in this life (a failed sync, a device that is not its own).
    Halt {
        /// What kind of end that is.
        cause: HaltCause,
        /// Why, in one sentence.
        why: alloc::string::String,
    },
    /// A snapshot is durable, and so is the reference to it: it outlives this life.
    Snapshot {
        /// It holds what everything below this slot came to.
        slot: Slot,
        /// The digest of the state in it.
        digest: u64,
    },
    /// The state machine and the session table were replaced by those of a durable snapshot.
    Install {
        /// It held what everything below this slot came to; this is the next one to apply.
        slot: Slot,
        /// The digest of the state that came out of it.
        digest: u64,
    },
    /// What this node knew of the slots below is forgotten: a durable snapshot stands in for it.
    Trim {
        /// The first slot that is kept.
        below: Slot,
    },
    /// This node has lost what it once promised and voted for. It only learns, in this life and in all later ones.
    Amnesiac,
    /// Every record of this node's journal up to `last` is durable.
    Durable {
        /// The number of the last one.
        last: u64,
        /// Where on the device the newest of them begin, in bytes: those that nothing later bears witness of.
        at: u64,
        /// How many bytes they take there.
        length: u64,
    },
}

/// What kind of end a life came to by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltCause {
    /// A write, a sync or a read of the device failed.
    Device = 1,
    /// The device is readable and does not hold what it was known to hold: damage below what was durable, or nothing
    /// at all. The node refuses to serve from it.
    Lost = 2,
    /// The device belongs to another cluster, group or node, or is of another format.
    Foreign = 3,
    /// The device is full.
    Full = 4,
}

impl HaltCause {
    /// The cause of that number.
    pub fn of(number: u8) -> Option<Self> {
        let all = [HaltCause::Device, HaltCause::Lost, HaltCause::Foreign, HaltCause::Full];
        all.into_iter().find(|cause| *cause as u8 == number)
    }
}

macro_rules! kinds {
    ($($name:ident = $number:literal),* $(,)?) => {
        $(const $name: ObservationKind = ObservationKind($number);)*
    };
}

kinds! {
    PREPARE = 1, PROMISE = 2, PROPOSE = 3, ACCEPT = 4, DECIDE = 5, LEADER = 6, STEP_DOWN = 7, RESTART = 8, APPLY = 9,
    READ = 10, REFUSED = 11, HALT = 12, SNAPSHOT = 13, INSTALL = 14, TRIM = 15, AMNESIAC = 16,
    DURABLE = 17,
}

impl Observation {
    /// The kind under which it is observed.
    pub fn kind(&self) -> ObservationKind {
        match self {
            Observation::Prepare { .. } => PREPARE,
            Observation::Promise { .. } => PROMISE,
            Observation::Propose { .. } => PROPOSE,
            Observation::Accept { .. } => ACCEPT,
            Observation::Decide { .. } => DECIDE,
            Observation::Leader { .. } => LEADER,
            Observation::StepDown { .. } => STEP_DOWN,
            Observation::Restart { .. } => RESTART,
            Observation::Apply { .. } => APPLY,
            Observation::Read { .. } => READ,
            Observation::Refused { .. } => REFUSED,
            Observation::Halt { .. } => HALT,
            Observation::Snapshot { .. } => SNAPSHOT,
            Observation::Install { .. } => INSTALL,
            Observation::Trim { .. } => TRIM,
            Observation::Amnesiac => AMNESIAC,
            Observation::Durable { .. } => DURABLE,
        }
    }

    /// Appends the encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Observation::Prepare { ballot, from } => {
                out.u64(ballot.0);
                out.u64(from.0);
            }
            Observation::Promise { ballot, from, votes }
            | Observation::Restart { promised: ballot, first: from, votes } => {
                out.u64(ballot.0);
                out.u64(from.0);
                encode_votes(out, votes);
            }
            Observation::Propose { ballot, slot, value, quorum, commands } => {
                out.u64(ballot.0);
                out.u64(slot.0);
                out.u64(value.0);
                out.u64(quorum.0);
                encode_commands(out, commands);
            }
            Observation::Accept { vote } => encode_vote(out, vote),
            Observation::Decide { slot, value } => {
                out.u64(slot.0);
                out.u64(value.0);
            }
            Observation::Leader { ballot } | Observation::StepDown { ballot } => out.u64(ballot.0),
            Observation::Apply { slot, value, digest, executed } => {
                out.u64(slot.0);
                out.u64(value.0);
                out.u64(*digest);
                encode_commands(out, executed);
            }
            Observation::Read { index, ballot } => {
                out.u64(index.0);
                out.u64(ballot.0);
            }
            Observation::Refused { from, why } => {
                out.u8(from.0);
                out.u8(*why);
            }
            Observation::Halt { cause, why } => {
                out.u8(*cause as u8);
                out.bytes(why.as_bytes());
            }
            Observation::Snapshot { slot, digest } | Observation::Install { slot, digest } => {
                out.u64(slot.0);
                out.u64(*digest);
            }
            Observation::Trim { below } => out.u64(below.0),
            Observation::Amnesiac => {}
            Observation::Durable { last, at, length } => {
                out.u64(*last);
                out.u64(*at);
                out.u64(*length);
            }
        }
    }

    /// Reads an observation back; `None` for a kind that is not one of the core's (a probe, another protocol's).
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not what that kind holds.
    pub fn decode(kind: ObservationKind, bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut fields = Reader::new(bytes);
        let observation = match kind {
            PREPARE => Observation::Prepare { ballot: Ballot(fields.u64()?), from: Slot(fields.u64()?) },
            PROMISE => Observation::Promise {
                ballot: Ballot(fields.u64()?),
                from: Slot(fields.u64()?),
                votes: decode_votes(&mut fields)?,
            },
            PROPOSE => Observation::Propose {
                ballot: Ballot(fields.u64()?),
                slot: Slot(fields.u64()?),
                value: ValueId(fields.u64()?),
                quorum: PeerSet(fields.u64()?),
                commands: decode_commands(&mut fields)?,
            },
            ACCEPT => Observation::Accept { vote: decode_vote(&mut fields)? },
            DECIDE => Observation::Decide { slot: Slot(fields.u64()?), value: ValueId(fields.u64()?) },
            LEADER => Observation::Leader { ballot: Ballot(fields.u64()?) },
            STEP_DOWN => Observation::StepDown { ballot: Ballot(fields.u64()?) },
            RESTART => Observation::Restart {
                promised: Ballot(fields.u64()?),
                first: Slot(fields.u64()?),
                votes: decode_votes(&mut fields)?,
            },
            APPLY => Observation::Apply {
                slot: Slot(fields.u64()?),
                value: ValueId(fields.u64()?),
                digest: fields.u64()?,
                executed: decode_commands(&mut fields)?,
            },
            READ => Observation::Read { index: Slot(fields.u64()?), ballot: Ballot(fields.u64()?) },
            REFUSED => Observation::Refused { from: NodeId(fields.u8()?), why: fields.u8()? },
            HALT => {
                let cause = HaltCause::of(fields.u8()?).ok_or(Malformed)?;
                let why = core::str::from_utf8(fields.bytes(fields.remaining())?).map_err(|_| Malformed)?;
                Observation::Halt { cause, why: why.into() }
            }
            SNAPSHOT => Observation::Snapshot { slot: Slot(fields.u64()?), digest: fields.u64()? },
            INSTALL => Observation::Install { slot: Slot(fields.u64()?), digest: fields.u64()? },
            TRIM => Observation::Trim { below: Slot(fields.u64()?) },
            AMNESIAC => Observation::Amnesiac,
            DURABLE => Observation::Durable { last: fields.u64()?, at: fields.u64()?, length: fields.u64()? },
            _ => return Ok(None),
        };
        fields.end()?;
        Ok(Some(observation))
    }
}

fn encode_vote(out: &mut Vec<u8>, vote: &VoteSeen) {
    out.u64(vote.slot.0);
    out.u64(vote.ballot.0);
    out.u64(vote.value.0);
}

fn decode_vote(fields: &mut Reader<'_>) -> Result<VoteSeen, Malformed> {
    Ok(VoteSeen { slot: Slot(fields.u64()?), ballot: Ballot(fields.u64()?), value: ValueId(fields.u64()?) })
}

fn encode_votes(out: &mut Vec<u8>, votes: &[VoteSeen]) {
    votes.iter().for_each(|vote| encode_vote(out, vote));
}

fn decode_votes(fields: &mut Reader<'_>) -> Result<Vec<VoteSeen>, Malformed> {
    let mut votes = Vec::with_capacity(fields.remaining() / 24);
    while fields.remaining() > 0 {
        votes.push(decode_vote(fields)?);
    }
    Ok(votes)
}

fn encode_commands(out: &mut Vec<u8>, commands: &[CommandSeen]) {
    for command in commands {
        out.u64(command.session.0);
        out.u64(command.sequence);
    }
}

fn decode_commands(fields: &mut Reader<'_>) -> Result<Vec<CommandSeen>, Malformed> {
    let mut commands = Vec::with_capacity(fields.remaining() / 16);
    while fields.remaining() > 0 {
        commands.push(CommandSeen { session: SessionId(fields.u64()?), sequence: fields.u64()? });
    }
    Ok(commands)
}
