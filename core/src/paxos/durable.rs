//! What an acceptor must not forget, as records of its [`journal`](crate::journal): promises, votes and learned
//! values go in, and recovery brings them back in the order in which they were written.

use super::log::{Log, Value};
use super::{Ballot, Slot, ValueId, batch};
use crate::buffer::Buffer;
use crate::id::{ClusterId, DeviceId, GroupId, NodeId, OperationId};
use crate::input::Start;
use crate::invariant;
use crate::journal::{
    Expected, Full, Happened, Identity, Journal, Kind, Record, Recovery, Refusal, Restored, Setting,
    Standing, Step, record_of,
};
use crate::outbox::Outbox;
use crate::random::mix;
use crate::storage::Completion;
use crate::time::WallTime;

const DEVICE: DeviceId = DeviceId(0);
/// A vote's payload is the value's name, then the value.
const ID: usize = 8;
/// What a batch takes in the journal beside its commands, at most: a record's header, the value's name, the batch's header,
/// and what rounds it up.
const RECORD: u64 = 160;

/// The identity of a device that its node begins with, for worlds that format every device once: the serial follows
/// from the three names. Whoever formats a device again draws a new one.
pub fn founding(cluster: ClusterId, group: GroupId, node: NodeId) -> Identity {
    let name = cluster.0 as u64 ^ mix((cluster.0 >> 64) as u64);
    let serial = mix(name ^ mix(u64::from(group.0) << 8 | u64::from(node.0)));
    Identity { cluster, group, node, serial, standing: Standing::Founding }
}

/// The journal, from the first read on.
pub(crate) struct Durable {
    state: State,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each replica, and the large one is the usual one"
)]
enum State {
    Reading(Recovery),
    Open(Journal),
    /// Between two states, and after a refusal.
    Shut,
}

/// What a completion came to while the journal is read.
pub(crate) enum Read {
    More,
    All(Restored),
}

/// Why the journal cannot be read.
pub(crate) enum Unreadable {
    Refused(Refusal),
    Failed,
}

impl Durable {
    /// Begins to read the journal.
    pub(crate) fn open(start: &Start, group: GroupId, out: &mut Outbox) -> Self {
        let setting = Setting {
            expected: Expected { cluster: start.cluster, group, node: start.node },
            incarnation: start.incarnation,
            device: DEVICE,
            geometry: start.devices[0],
            queue_depth: start.queue_depth,
        };
        Durable { state: State::Reading(Recovery::begin(setting, out)) }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// The journal, once it was read.
    pub(crate) fn journal(&self) -> &Journal {
        match &self.state {
            State::Open(journal) => journal,
            _ => panic!("the journal is used before it was read"),
        }
    }

    /// The journal, once it was read.
    pub(crate) fn journal_mut(&mut self) -> &mut Journal {
        match &mut self.state {
            State::Open(journal) => journal,
            _ => panic!("the journal is used before it was read"),
        }
    }

    /// Takes a completion while the journal is read.
    pub(crate) fn step(
        &mut self,
        op: OperationId,
        result: &Completion,
        each: &mut dyn FnMut(Record<'_>),
        out: &mut Outbox,
    ) -> Result<Read, Unreadable> {
        let State::Reading(recovery) = &mut self.state else { return Ok(Read::More) };
        let step = recovery.step(op, result, each, out);
        if matches!(step, Step::Recovered | Step::Refused(_)) {
            recovery.rows().iter().for_each(|row| out.sometimes(true, row.probe()));
        }
        match step {
            Step::Ignored | Step::More => Ok(Read::More),
            Step::Refused(refusal) => Err(Unreadable::Refused(refusal)),
            Step::Failed(_) => Err(Unreadable::Failed),
            Step::Recovered => {
                let State::Reading(recovery) = core::mem::replace(&mut self.state, State::Shut) else {
                    return Ok(Read::More);
                };
                let (journal, restored) = recovery.finish();
                self.state = State::Open(journal);
                Ok(Read::All(restored))
            }
        }
    }

    /// The number of the last record appended; it is durable once [`durable`](Self::durable) reaches it.
    pub(crate) fn position(&self) -> u64 {
        self.journal().position()
    }

    /// Every record up to this number is durable.
    pub(crate) fn durable(&self) -> u64 {
        self.journal().durable()
    }

    /// The decided prefix that was last written.
    pub(crate) fn submitted_decided(&self) -> Slot {
        Slot(self.journal().submitted_decided())
    }

    /// Whether the segments of the log can hold a value of so many bytes at all.
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        ID + bytes <= self.journal().largest()
    }

    /// Whether there is room for a value of so many bytes.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.journal().has_room(ID + bytes)
    }

    /// How many bytes of values have room in batches of at most `batch`, none of which is less than half full but two.
    pub(crate) fn room(&self, batch: u32) -> u64 {
        let spare = self.journal().spare();
        let records = 2 * spare / u64::from(batch) + 2;
        spare.saturating_sub(records * RECORD)
    }

    /// Whether records of so many bytes have room, and a promise and a no-op. What is kept back may be used: deciding is
    /// what makes room again.
    pub(crate) fn has_room_to_lead(&self, records: u64) -> bool {
        self.journal().has_room_at_all(records + vote_of(None) + vote_of(Some(64)))
    }

    /// Appends a promise.
    pub(crate) fn promise(&mut self, ballot: Ballot, out: &mut Outbox) -> u64 {
        self.journal_mut().append(Kind::Promise, 0, ballot.0, 0, &[], out)
    }

    /// Appends a vote. One for the value that this node voted for in that slot before, `again`, only names it: the record
    /// that has it stays as long as the slot is not covered by a snapshot (I23). So a log does not fill up because leaders
    /// come and go while nothing is decided.
    pub(crate) fn vote(
        &mut self,
        slot: Slot,
        ballot: Ballot,
        value: &Value,
        again: bool,
        out: &mut Outbox,
    ) -> u64 {
        let bytes: &[u8] = if again { &[] } else { &value.bytes };
        self.journal_mut().append(Kind::Vote, slot.0, ballot.0, 0, &[&value.id.0.to_le_bytes(), bytes], out)
    }

    /// Appends a value learned from a peer.
    pub(crate) fn learned(&mut self, slot: Slot, value: &Value, out: &mut Outbox) -> u64 {
        let parts: [&[u8]; 2] = [&value.id.0.to_le_bytes(), &value.bytes];
        self.journal_mut().append(Kind::Learned, slot.0, 0, 0, &parts, out)
    }

    /// The burst is over: what was appended is submitted as one group, with a note of `decided` if there is nothing
    /// and `even_empty` asks for it.
    ///
    /// # Errors
    /// [`Full`] if the log ends before the group does; nothing is written then.
    pub(crate) fn end_of_burst(
        &mut self,
        decided: Slot,
        even_empty: bool,
        out: &mut Outbox,
    ) -> Result<(), Full> {
        self.journal_mut().commit(decided.0, even_empty, out)
    }

    /// An operation ended.
    pub(crate) fn completed(&mut self, op: OperationId, result: Completion, out: &mut Outbox) -> Happened {
        self.journal_mut().completed(op, result, out)
    }
}

/// How many bytes of the log a vote takes, for a value of so many bytes or, again, for the value of the vote before.
pub(crate) fn vote_of(value: Option<usize>) -> u64 {
    record_of(ID + value.unwrap_or(0))
}

/// A record of the journal, kept until it is known from which slot on the log is to begin.
pub(crate) struct Found {
    kind: Kind,
    slot: Slot,
    ballot: Ballot,
    value: Value,
    decided: Slot,
}

impl From<&Record<'_>> for Found {
    fn from(record: &Record<'_>) -> Self {
        let mut value = Value::default();
        if let (Kind::Vote | Kind::Learned, Some((id, bytes))) =
            (record.kind, record.payload.split_first_chunk::<ID>())
        {
            value = Value { id: ValueId(u64::from_le_bytes(*id)), bytes: Buffer::copy_from(bytes) };
        }
        let (slot, ballot, decided) = (Slot(record.slot), Ballot(record.ballot), Slot(record.decided));
        Found { kind: record.kind, slot, ballot, value, decided }
    }
}

/// The value that a vote in `slot` only names: that of the vote before it (I23).
fn named(log: &Log, slot: Slot, id: ValueId) -> Value {
    let value = log.vote_for(slot, id);
    invariant!("I23", value.is_some(), "the journal names a value of slot {slot} and does not hold it");
    value.expect("I23: the journal holds every value that it names").clone()
}

/// Puts one record of the journal back where it came from. A snapshot stands in for what is below the log's first slot.
pub(crate) fn restore(log: &mut Log, promised: &mut Ballot, last_time: &mut WallTime, found: Found) {
    let Found { kind, slot, ballot, value, decided } = found;
    if let Ok(time) = batch::time_of(&value.bytes) {
        *last_time = (*last_time).max(time);
    }
    // A vote is a promise as well: nobody votes below what he promised.
    if matches!(kind, Kind::Promise | Kind::Vote) {
        *promised = (*promised).max(ballot);
    }
    match kind {
        Kind::Vote if slot >= log.first() => {
            let value = if value.bytes.is_empty() { named(log, slot, value.id) } else { value };
            log.vote(slot, ballot, value, 0);
        }
        Kind::Learned if slot >= log.first() => log.choose(slot, value),
        _ => {}
    }
    // Everything below was decided when this was written; the values stand in this record and in earlier ones.
    while log.decided() < decided {
        let slot = log.decided();
        let vote = log.get(slot).filter(|cell| cell.ballot != Ballot::ZERO).map(|cell| cell.vote.clone());
        invariant!(
            "I3",
            vote.is_some(),
            "the journal says slot {slot} was decided and holds no value for it"
        );
        let Some(vote) = vote else { break };
        log.choose(slot, vote);
    }
}
