//! The frames between replicas: versioned, checksummed, and marked with the cluster and the group they belong to.
//!
//! ```text
//! header: checksum u64 | version u8 | kind u8 | sender u8 | reserved u8 | group u32 | cluster u128 | epoch u32
//! ```
//! The checksum is XXH3-64 of everything behind it. `epoch` is the configuration's number. `docs/paxos.md` has the
//! table of messages.

use super::{Ballot, Slot, ValueId};
use crate::buffer::Buffer;
use crate::codec::{Malformed, Reader, Write};
use crate::id::{ClusterId, GroupId, Kind, NodeId};
use crate::outbox::Outbox;
use alloc::vec::Vec;
use core::fmt;
use xxhash_rust::xxh3::xxh3_64;

/// The version of the frames; another one is refused.
pub const VERSION: u8 = 1;
/// Length of the header in bytes.
pub const HEADER: usize = 36;

/// The kinds of message, as the transport sees them.
pub mod kind {
    use crate::id::Kind;
    /// "Would you promise me this ballot?" Changes nothing.
    pub const PRE_VOTE: Kind = Kind(1);
    /// The answer to a pre-vote.
    pub const PRE_VOTE_REPLY: Kind = Kind(2);
    /// Phase 1a.
    pub const PREPARE: Kind = Kind(3);
    /// Phase 1b.
    pub const PROMISE: Kind = Kind(4);
    /// A higher ballot was promised.
    pub const REJECT: Kind = Kind(5);
    /// Phase 2a.
    pub const ACCEPT: Kind = Kind(6);
    /// Phase 2b.
    pub const ACCEPTED: Kind = Kind(7);
    /// The leader lives; carries the commit index and a read round.
    pub const HEARTBEAT: Kind = Kind(8);
    /// The answer to a heartbeat.
    pub const HEARTBEAT_REPLY: Kind = Kind(9);
    /// "Which values were decided from this slot on?"
    pub const CATCH_UP: Kind = Kind(10);
    /// Decided values.
    pub const LEARN: Kind = Kind(11);
    /// "What you ask for is no longer in my log; I hold this snapshot."
    pub const SNAPSHOT: Kind = Kind(12);
    /// "Give me the bytes of that snapshot from here on."
    pub const FETCH: Kind = Kind(13);
    /// Bytes of a snapshot.
    pub const PIECE: Kind = Kind(14);

    /// Every kind and its name.
    pub const ALL: [(Kind, &str); 14] = [
        (PRE_VOTE, "pre-vote"),
        (PRE_VOTE_REPLY, "pre-vote-reply"),
        (PREPARE, "prepare"),
        (PROMISE, "promise"),
        (REJECT, "reject"),
        (ACCEPT, "accept"),
        (ACCEPTED, "accepted"),
        (HEARTBEAT, "heartbeat"),
        (HEARTBEAT_REPLY, "heartbeat-reply"),
        (CATCH_UP, "catch-up"),
        (LEARN, "learn"),
        (SNAPSHOT, "snapshot"),
        (FETCH, "fetch"),
        (PIECE, "piece"),
    ];
}

/// What a frame is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The cluster.
    pub cluster: ClusterId,
    /// The group.
    pub group: GroupId,
    /// The configuration.
    pub epoch: u32,
}

/// Why a frame was refused. Nothing changes but a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The checksum does not match, or a field is impossible.
    Damaged = 1,
    /// Another version of the format.
    Version = 2,
    /// Another cluster.
    Cluster = 3,
    /// Another group.
    Group = 4,
    /// Another configuration.
    Epoch = 5,
    /// The sender named within is not the one that the transport names, or no member.
    Sender = 6,
    /// The kind within is not the one that the transport names.
    Kind = 7,
}

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Self {
        Refusal::Damaged
    }
}

/// A value at a slot, as messages carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub slot: Slot,
    /// The ballot it was voted for under; in an accept, the message's own.
    pub ballot: Ballot,
    /// The value's name.
    pub id: ValueId,
    /// The encoded batch.
    pub value: Buffer,
}

/// A snapshot, by what it holds: replicas that stopped at the same slot have the very same one, whoever took it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotName {
    /// It holds what everything below this slot came to.
    pub slot: Slot,
    /// How many bytes it has.
    pub bytes: u64,
    /// The XXH3-64 of these bytes.
    pub checksum: u64,
}

/// A decoded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// "Would you promise me this ballot?"
    PreVote {
        /// The ballot that the sender would use.
        ballot: Ballot,
        /// Its decided prefix.
        decided: Slot,
    },
    /// The answer to a pre-vote.
    PreVoteReply {
        /// The ballot asked about.
        ballot: Ballot,
        /// Whether the sender would promise it.
        granted: bool,
        /// What the sender has promised.
        promised: Ballot,
        /// Its decided prefix.
        decided: Slot,
    },
    /// Phase 1a.
    Prepare {
        /// The candidate's ballot.
        ballot: Ballot,
        /// The first slot it is open about.
        from: Slot,
    },
    /// Phase 1b.
    Promise {
        /// The ballot promised.
        ballot: Ballot,
        /// The first slot reported about.
        from: Slot,
        /// Every vote of the sender at or above `from`, in order of slots.
        votes: Vec<Entry>,
    },
    /// A higher ballot was promised.
    Reject {
        /// Which one.
        promised: Ballot,
    },
    /// Phase 2a.
    Accept {
        /// The leader's ballot.
        ballot: Ballot,
        /// The leader's decided prefix.
        commit: Slot,
        /// What to vote for, in order of slots.
        entries: Vec<Entry>,
    },
    /// Phase 2b: durable votes for `count` slots from `first`.
    Accepted {
        /// The ballot voted under.
        ballot: Ballot,
        /// The first slot.
        first: Slot,
        /// How many.
        count: u32,
    },
    /// The leader lives.
    Heartbeat {
        /// Its ballot.
        ballot: Ballot,
        /// The read round that an answer confirms.
        round: u64,
        /// The leader's decided prefix.
        commit: Slot,
    },
    /// The answer to a heartbeat.
    HeartbeatReply {
        /// The leader's ballot, which the sender still follows.
        ballot: Ballot,
        /// The round that it confirms.
        round: u64,
    },
    /// "Which values were decided from this slot on?"
    CatchUp {
        /// The asker's decided prefix.
        from: Slot,
        /// It has no state, and needs a snapshot whatever is in the log.
        stateless: bool,
    },
    /// Decided values, in order of slots without a gap, and how far the sender knows them.
    Learn {
        /// The sender's decided prefix.
        decided: Slot,
        /// The values.
        entries: Vec<Entry>,
    },
    /// What was asked for is no longer held as a log, or not as that snapshot; this one is held.
    Snapshot {
        /// Which one.
        name: SnapshotName,
        /// The digest of the state in it.
        digest: u64,
        /// The sender's decided prefix.
        decided: Slot,
    },
    /// "Give me the bytes of that snapshot from here on."
    Fetch {
        /// Which one.
        name: SnapshotName,
        /// The first byte wanted.
        offset: u64,
    },
    /// Bytes of a snapshot.
    Piece {
        /// Which one.
        name: SnapshotName,
        /// The place of the first byte.
        offset: u64,
        /// Some of its bytes, at least one.
        bytes: Buffer,
    },
}

fn encode_name(out: &mut Vec<u8>, name: &SnapshotName) {
    out.u64(name.slot.0);
    out.u64(name.bytes);
    out.u64(name.checksum);
}

fn decode_name(fields: &mut Reader<'_>) -> Result<SnapshotName, Malformed> {
    Ok(SnapshotName { slot: Slot(fields.u64()?), bytes: fields.u64()?, checksum: fields.u64()? })
}

/// A place within the snapshot, or nothing.
fn decode_offset(fields: &mut Reader<'_>, name: &SnapshotName) -> Result<u64, Malformed> {
    fields.u64().and_then(|offset| if offset < name.bytes { Ok(offset) } else { Err(Malformed) })
}

fn entries(out: &mut Vec<u8>, entries: &[Entry]) {
    out.u32(entries.len() as u32);
    for entry in entries {
        out.u64(entry.slot.0);
        out.u64(entry.ballot.0);
        out.u64(entry.id.0);
        out.block(&entry.value);
    }
}

/// The smallest entry: three words and a length.
const ENTRY: usize = 28;

fn decode_entries(
    fields: &mut Reader<'_>,
    frame: &Buffer,
    spare: &mut Vec<Entry>,
) -> Result<Vec<Entry>, Malformed> {
    let count = fields.u32()? as usize;
    if count > fields.remaining() / ENTRY {
        return Err(Malformed);
    }
    let mut entries = core::mem::take(spare);
    entries.clear();
    entries.reserve(count);
    for _ in 0..count {
        entries.push(Entry {
            slot: Slot(fields.u64()?),
            ballot: Ballot(fields.u64()?),
            id: ValueId(fields.u64()?),
            value: fields.block_of(frame)?,
        });
    }
    if entries.is_sorted_by(|a, b| a.slot < b.slot) { Ok(entries) } else { Err(Malformed) }
}

impl Message {
    /// The kind it travels under.
    pub fn kind(&self) -> Kind {
        match self {
            Message::PreVote { .. } => kind::PRE_VOTE,
            Message::PreVoteReply { .. } => kind::PRE_VOTE_REPLY,
            Message::Prepare { .. } => kind::PREPARE,
            Message::Promise { .. } => kind::PROMISE,
            Message::Reject { .. } => kind::REJECT,
            Message::Accept { .. } => kind::ACCEPT,
            Message::Accepted { .. } => kind::ACCEPTED,
            Message::Heartbeat { .. } => kind::HEARTBEAT,
            Message::HeartbeatReply { .. } => kind::HEARTBEAT_REPLY,
            Message::CatchUp { .. } => kind::CATCH_UP,
            Message::Learn { .. } => kind::LEARN,
            Message::Snapshot { .. } => kind::SNAPSHOT,
            Message::Fetch { .. } => kind::FETCH,
            Message::Piece { .. } => kind::PIECE,
        }
    }

    fn body(&self, out: &mut Vec<u8>) {
        match self {
            Message::PreVote { ballot, decided } => {
                out.u64(ballot.0);
                out.u64(decided.0);
            }
            Message::PreVoteReply { ballot, granted, promised, decided } => {
                out.u64(ballot.0);
                out.u8(u8::from(*granted));
                out.u64(promised.0);
                out.u64(decided.0);
            }
            Message::Prepare { ballot, from } => {
                out.u64(ballot.0);
                out.u64(from.0);
            }
            Message::Promise { ballot, from, votes } => {
                out.u64(ballot.0);
                out.u64(from.0);
                entries(out, votes);
            }
            Message::Reject { promised } => out.u64(promised.0),
            Message::Accept { ballot, commit, entries: values } => {
                out.u64(ballot.0);
                out.u64(commit.0);
                entries(out, values);
            }
            Message::Accepted { ballot, first, count } => {
                out.u64(ballot.0);
                out.u64(first.0);
                out.u32(*count);
            }
            Message::Heartbeat { ballot, round, commit } => {
                out.u64(ballot.0);
                out.u64(*round);
                out.u64(commit.0);
            }
            Message::HeartbeatReply { ballot, round } => {
                out.u64(ballot.0);
                out.u64(*round);
            }
            Message::CatchUp { from, stateless } => {
                out.u64(from.0);
                out.u8(u8::from(*stateless));
            }
            Message::Learn { decided, entries: values } => {
                out.u64(decided.0);
                entries(out, values);
            }
            Message::Snapshot { name, digest, decided } => {
                encode_name(out, name);
                out.u64(*digest);
                out.u64(decided.0);
            }
            Message::Fetch { name, offset } => {
                encode_name(out, name);
                out.u64(*offset);
            }
            Message::Piece { name, offset, bytes } => {
                encode_name(out, name);
                out.u64(*offset);
                out.block(bytes);
            }
        }
    }

    /// Encodes the message as `sender` sends it within `address`.
    pub fn encode(&self, address: &Address, sender: NodeId, out: &mut Outbox) -> Buffer {
        let mut frame = out.buffer();
        let mut header = [0; HEADER];
        header[8] = VERSION;
        header[9] = self.kind().0;
        header[10] = sender.0;
        header[12..16].copy_from_slice(&address.group.0.to_le_bytes());
        header[16..32].copy_from_slice(&address.cluster.0.to_le_bytes());
        header[32..].copy_from_slice(&address.epoch.to_le_bytes());
        frame.bytes(&header);
        self.body(&mut frame);
        let checksum = xxh3_64(&frame[8..]);
        frame[..8].copy_from_slice(&checksum.to_le_bytes());
        frame.freeze()
    }

    /// Reads a frame that came to a member of `address` from `sender` under `kind`.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn decode(address: &Address, sender: NodeId, as_kind: Kind, frame: &Buffer) -> Result<Self, Refusal> {
        Self::decode_with(address, sender, as_kind, frame, &mut Vec::new())
    }

    /// The same; if the message has entries, they are put into the vector `spare`, which is taken.
    pub(crate) fn decode_with(
        address: &Address,
        sender: NodeId,
        as_kind: Kind,
        frame: &Buffer,
        spare: &mut Vec<Entry>,
    ) -> Result<Self, Refusal> {
        let mut fields = Reader::new(frame);
        let checksum = fields.u64()?;
        if checksum != xxh3_64(&frame[8..]) {
            return Err(Refusal::Damaged);
        }
        if fields.u8()? != VERSION {
            return Err(Refusal::Version);
        }
        let kind = Kind(fields.u8()?);
        let named = NodeId(fields.u8()?);
        fields.u8()?;
        let group = GroupId(fields.u32()?);
        let cluster = ClusterId(u128::from(fields.u64()?) | u128::from(fields.u64()?) << 64);
        let epoch = fields.u32()?;
        if cluster != address.cluster {
            return Err(Refusal::Cluster);
        }
        if group != address.group {
            return Err(Refusal::Group);
        }
        if epoch != address.epoch {
            return Err(Refusal::Epoch);
        }
        if named != sender {
            return Err(Refusal::Sender);
        }
        if kind != as_kind {
            return Err(Refusal::Kind);
        }
        let message = Self::decode_body(kind, &mut fields, frame, spare)?;
        fields.end()?;
        Ok(message)
    }

    /// The vector of its entries, empty.
    pub(crate) fn into_entries(self) -> Vec<Entry> {
        match self {
            Message::Promise { votes: mut entries, .. }
            | Message::Accept { mut entries, .. }
            | Message::Learn { mut entries, .. } => {
                entries.clear();
                entries
            }
            _ => Vec::new(),
        }
    }

    fn decode_body(
        kind: Kind,
        fields: &mut Reader<'_>,
        frame: &Buffer,
        spare: &mut Vec<Entry>,
    ) -> Result<Self, Malformed> {
        Ok(match kind {
            kind::PRE_VOTE => {
                Message::PreVote { ballot: Ballot(fields.u64()?), decided: Slot(fields.u64()?) }
            }
            kind::PRE_VOTE_REPLY => Message::PreVoteReply {
                ballot: Ballot(fields.u64()?),
                granted: fields.u8()? == 1,
                promised: Ballot(fields.u64()?),
                decided: Slot(fields.u64()?),
            },
            kind::PREPARE => Message::Prepare { ballot: Ballot(fields.u64()?), from: Slot(fields.u64()?) },
            kind::PROMISE => Message::Promise {
                ballot: Ballot(fields.u64()?),
                from: Slot(fields.u64()?),
                votes: decode_entries(fields, frame, spare)?,
            },
            kind::REJECT => Message::Reject { promised: Ballot(fields.u64()?) },
            kind::ACCEPT => Message::Accept {
                ballot: Ballot(fields.u64()?),
                commit: Slot(fields.u64()?),
                entries: decode_entries(fields, frame, spare)?,
            },
            kind::ACCEPTED => Message::Accepted {
                ballot: Ballot(fields.u64()?),
                first: Slot(fields.u64()?),
                count: fields.u32()?,
            },
            kind::HEARTBEAT => Message::Heartbeat {
                ballot: Ballot(fields.u64()?),
                round: fields.u64()?,
                commit: Slot(fields.u64()?),
            },
            kind::HEARTBEAT_REPLY => {
                Message::HeartbeatReply { ballot: Ballot(fields.u64()?), round: fields.u64()? }
            }
            kind::CATCH_UP => Message::CatchUp { from: Slot(fields.u64()?), stateless: fields.u8()? == 1 },
            kind::LEARN => Message::Learn {
                decided: Slot(fields.u64()?),
                entries: decode_entries(fields, frame, spare)?,
            },
            kind::SNAPSHOT => Message::Snapshot {
                name: decode_name(fields)?,
                digest: fields.u64()?,
                decided: Slot(fields.u64()?),
            },
            kind::FETCH => {
                let name = decode_name(fields)?;
                Message::Fetch { name, offset: decode_offset(fields, &name)? }
            }
            kind::PIECE => {
                let name = decode_name(fields)?;
                let offset = decode_offset(fields, &name)?;
                let bytes = fields.block_of(frame)?;
                // A piece lies within its snapshot and holds something: the receiver counts on both.
                let length = bytes.len() as u64;
                if length == 0 || length > name.bytes - offset {
                    return Err(Malformed);
                }
                Message::Piece { name, offset, bytes }
            }
            _ => return Err(Malformed),
        })
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |f: &mut fmt::Formatter<'_>, entries: &[Entry]| match entries {
            [] => f.write_str("none"),
            [only] => write!(f, "{}", only.slot),
            [first, .., last] => write!(f, "{}..={}", first.slot, last.slot),
        };
        match self {
            Message::PreVote { ballot, decided } => write!(f, "pre-vote ballot={ballot} decided={decided}"),
            Message::PreVoteReply { ballot, granted, promised, decided } => {
                let answer = if *granted { "yes" } else { "no" };
                write!(f, "pre-vote-reply {answer} ballot={ballot} promised={promised} decided={decided}")
            }
            Message::Prepare { ballot, from } => write!(f, "prepare ballot={ballot} from={from}"),
            Message::Promise { ballot, from, votes } => {
                write!(f, "promise ballot={ballot} from={from} votes=")?;
                span(f, votes)
            }
            Message::Reject { promised } => write!(f, "reject promised={promised}"),
            Message::Accept { ballot, commit, entries, .. } => {
                write!(f, "accept ballot={ballot} commit={commit} slots=")?;
                span(f, entries)
            }
            Message::Accepted { ballot, first, count, .. } => {
                write!(f, "accepted ballot={ballot} slots={first}+{count}")
            }
            Message::Heartbeat { ballot, round, commit } => {
                write!(f, "heartbeat ballot={ballot} round={round} commit={commit}")
            }
            Message::HeartbeatReply { ballot, round } => {
                write!(f, "heartbeat-reply ballot={ballot} round={round}")
            }
            Message::CatchUp { from, stateless } => {
                write!(f, "catch-up from={from}{}", if *stateless { " without state" } else { "" })
            }
            Message::Learn { decided, entries } => {
                write!(f, "learn decided={decided} slots=")?;
                span(f, entries)
            }
            Message::Snapshot { name, decided, .. } => {
                write!(f, "snapshot below={} bytes={} decided={decided}", name.slot, name.bytes)
            }
            Message::Fetch { name, offset } => {
                write!(f, "fetch below={} bytes={offset}.. of {}", name.slot, name.bytes)
            }
            Message::Piece { name, offset, bytes } => {
                let end = offset + bytes.len() as u64;
                write!(f, "piece below={} bytes={offset}..{end} of {}", name.slot, name.bytes)
            }
        }
    }
}

/// What a frame says, for people: the frame is taken at its word about its cluster.
pub fn describe(as_kind: Kind, frame: &[u8]) -> Option<alloc::string::String> {
    if frame.len() < HEADER || frame[9] != as_kind.0 {
        return None;
    }
    let buffer = Buffer::copy_from(frame);
    let mut fields = Reader::new(&buffer);
    fields.bytes(HEADER).ok()?;
    let message = Message::decode_body(as_kind, &mut fields, &buffer, &mut Vec::new()).ok()?;
    Some(alloc::format!("{message}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ADDRESS: Address = Address { cluster: ClusterId(1), group: GroupId(7), epoch: 3 };

    proptest! {
        #[test]
        fn a_snapshots_messages_come_back_and_damaged_ones_are_refused(
            (which, slot, checksum, offset) in (0..3_u8, any::<u64>(), any::<u64>(), 0..1000_u64),
            (held, more) in (proptest::collection::vec(any::<u8>(), 1..99), 0..99_u64),
            (at, flip) in (any::<prop::sample::Index>(), 1..=255_u8),
        ) {
            let bytes = offset + held.len() as u64 + more;
            let name = SnapshotName { slot: Slot(slot), bytes, checksum };
            let message = match which {
                0 => Message::Snapshot { name, digest: checksum ^ slot, decided: Slot(slot ^ offset) },
                1 => Message::Fetch { name, offset },
                _ => Message::Piece { name, offset, bytes: Buffer::from(held) },
            };
            let mut out = Outbox::new(false);
            let (sender, kind) = (NodeId(2), message.kind());
            let frame = message.encode(&ADDRESS, sender, &mut out);
            prop_assert_eq!(Message::decode(&ADDRESS, sender, kind, &frame), Ok(message.clone()));
            prop_assert_eq!(describe(kind, &frame), Some(alloc::format!("{message}")));
            let mut damaged = frame.to_vec();
            damaged[at.index(frame.len())] ^= flip;
            prop_assert!(Message::decode(&ADDRESS, sender, kind, &Buffer::from(damaged)).is_err());
            let short = frame.slice(0, at.index(frame.len()));
            prop_assert!(Message::decode(&ADDRESS, sender, kind, &short).is_err());
        }
    }

    #[test]
    fn a_piece_outside_its_snapshot_or_without_bytes_is_malformed() {
        let name = SnapshotName { slot: Slot(5), bytes: 10, checksum: 1 };
        let mut out = Outbox::new(false);
        let mut read = |message: Message| {
            let frame = message.encode(&ADDRESS, NodeId(0), &mut out);
            Message::decode(&ADDRESS, NodeId(0), message.kind(), &frame)
        };
        let piece = |offset, bytes: &[u8]| Message::Piece { name, offset, bytes: Buffer::copy_from(bytes) };
        assert!(read(piece(7, b"abc")).is_ok());
        for wrong in [piece(8, b"abc"), piece(10, b""), piece(3, b""), piece(u64::MAX, b"a")] {
            assert_eq!(read(wrong), Err(Refusal::Damaged));
        }
        assert!(read(Message::Fetch { name, offset: 9 }).is_ok());
        assert_eq!(read(Message::Fetch { name, offset: 10 }), Err(Refusal::Damaged));
    }
}
