//! The acceptor's durable record: promises, votes and learned values, in one log on one device.
//!
//! ```text
//! sector 0:   the identity that `format` wrote
//! block:      checksum u64 | magic u32 | length u32 | number u64 | previous u64 | incarnation u32 | reserved u32
//!             | decided u64 | record ... | zeros up to a sector
//! record:     kind u8 | slot u64 | ballot u64 | id u64 | length u32 | value   (vote, learned)
//!             kind u8 | ballot u64                                            (promise)
//! ```
//! One block is one group commit: one write and one barrier. Blocks stand one behind the other, each carrying its
//! number, the checksum of the one before and the life that wrote it. At most one block is in flight, so that of all
//! blocks only the last can be torn: recovery reads until the first block that is not whole or does not follow the
//! one before. What stands behind that point can never be mistaken for a continuation, because the next block
//! written there carries a later life.

use super::log::Value;
use super::{Ballot, Slot, ValueId};
use crate::buffer::{Buffer, BufferMut};
use crate::codec::{Malformed, Reader, Write};
use crate::id::{ClusterId, DeviceId, GroupId, Incarnation, NodeId, OperationId};
use crate::outbox::Outbox;
use crate::storage::{Durability, Geometry, Range, Step};
use crate::{invariant, requires};
use alloc::vec::Vec;
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: u32 = u32::from_le_bytes(*b"SFJ1");
const IDENTITY_MAGIC: u64 = u64::from_le_bytes(*b"SFIDENT1");
const HEADER: usize = 48;
const LENGTH_AT: usize = 12;
const DECIDED_AT: usize = 40;
/// Where the first block stands; everything before it belongs to the identity.
const LOG_START: u64 = 4096;
/// How much recovery reads at a time.
const CHUNK: u64 = 16 << 10;
/// No block is larger.
const BLOCK_MAX: usize = 64 << 20;
/// How much of the device only promises may use, so that a full journal can still take part in elections for a while.
const KEPT_BACK: u64 = 64 << 10;
const DEVICE: DeviceId = DeviceId(0);

/// Who a device belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cluster: ClusterId,
    pub(crate) group: GroupId,
    pub(crate) node: NodeId,
}

/// What a formatted device of a member holds: offsets and bytes to be written, and made durable, before its first
/// start. A replica refuses to serve from a device without it.
pub fn format(cluster: ClusterId, group: GroupId, node: NodeId) -> Vec<(u64, Vec<u8>)> {
    let mut sector = Vec::with_capacity(512);
    sector.u64(0);
    sector.u64(IDENTITY_MAGIC);
    sector.u64(cluster.0 as u64);
    sector.u64((cluster.0 >> 64) as u64);
    sector.u32(group.0);
    sector.u8(node.0);
    sector.resize(512, 0);
    let checksum = xxh3_64(&sector[8..]);
    sector[..8].copy_from_slice(&checksum.to_le_bytes());
    alloc::vec![(0, sector)]
}

fn identity_of(sector: &[u8]) -> Result<Identity, Malformed> {
    let mut fields = Reader::new(sector);
    let checksum = fields.u64()?;
    if fields.u64()? != IDENTITY_MAGIC || checksum != xxh3_64(&sector[8..512]) {
        return Err(Malformed);
    }
    Ok(Identity {
        cluster: ClusterId(u128::from(fields.u64()?) | u128::from(fields.u64()?) << 64),
        group: GroupId(fields.u32()?),
        node: NodeId(fields.u8()?),
    })
}

/// What recovery finds, record by record, in the order in which it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Promise {
        ballot: Ballot,
    },
    Vote {
        slot: Slot,
        ballot: Ballot,
        value: Value,
    },
    Learned {
        slot: Slot,
        value: Value,
    },
    /// Everything below was decided when this was written; its values stand in earlier records.
    Decided {
        below: Slot,
    },
}

const PROMISE: u8 = 1;
const VOTE: u8 = 2;
const LEARNED: u8 = 3;

/// The device has no room left, not even for promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Why a device cannot be served from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It holds no identity: it was never formatted, or it was replaced.
    Unformatted,
    /// It belongs to another cluster, group or node.
    Foreign,
    /// It could not be read.
    Failed,
}

/// The log on its device.
pub(crate) struct Journal {
    incarnation: Incarnation,
    geometry: Geometry,
    operation: u32,
    /// Where the next block goes.
    tail: u64,
    number: u64,
    previous: u64,
    /// The block being filled.
    open: Option<BufferMut>,
    /// The operation of the block in flight.
    in_flight: Option<OperationId>,
    /// Records appended so far; a position is a count of records.
    appended: u64,
    submitted: u64,
    durable: u64,
    /// The decided prefix that the last durable block, and the last submitted one, carry.
    durable_decided: Slot,
    submitted_decided: Slot,
}

impl Journal {
    pub(crate) fn new(incarnation: Incarnation, geometry: Geometry) -> Self {
        Journal {
            incarnation,
            geometry,
            operation: 0,
            tail: LOG_START,
            number: 0,
            previous: 0,
            open: None,
            in_flight: None,
            appended: 0,
            submitted: 0,
            durable: 0,
            durable_decided: Slot(0),
            submitted_decided: Slot(0),
        }
    }

    /// The life that this journal belongs to.
    pub(crate) fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn next_operation(&mut self) -> OperationId {
        self.operation += 1;
        OperationId { incarnation: self.incarnation, number: self.operation }
    }

    /// The position of the last record appended; it is durable once [`durable`](Self::durable) reaches it.
    pub(crate) fn position(&self) -> u64 {
        self.appended
    }

    /// Every record up to this position is durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    /// Below this slot, everything is decided and its values are durable here, and the device knows it.
    pub(crate) fn durable_decided(&self) -> Slot {
        self.durable_decided
    }

    /// The decided prefix that was last written.
    pub(crate) fn submitted_decided(&self) -> Slot {
        self.submitted_decided
    }

    /// Whether there is room for `bytes` more. A part of the device is kept back for promises.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let open = self.open.as_ref().map_or(HEADER, |block| block.len()) as u64;
        self.tail + open + bytes as u64 + KEPT_BACK <= self.geometry.capacity
    }

    fn block(&mut self, out: &mut Outbox) -> &mut BufferMut {
        self.appended += 1;
        self.open.get_or_insert_with(|| {
            let mut block = out.buffer();
            block.resize(HEADER, 0);
            block
        })
    }

    /// Appends a promise.
    pub(crate) fn promise(&mut self, ballot: Ballot, out: &mut Outbox) -> u64 {
        let block = self.block(out);
        block.u8(PROMISE);
        block.u64(ballot.0);
        self.appended
    }

    /// Appends a vote.
    pub(crate) fn vote(&mut self, slot: Slot, ballot: Ballot, value: &Value, out: &mut Outbox) -> u64 {
        self.valued(VOTE, slot, ballot, value, out)
    }

    /// Appends a value learned from a peer.
    pub(crate) fn learned(&mut self, slot: Slot, value: &Value, out: &mut Outbox) -> u64 {
        self.valued(LEARNED, slot, Ballot::ZERO, value, out)
    }

    fn valued(&mut self, kind: u8, slot: Slot, ballot: Ballot, value: &Value, out: &mut Outbox) -> u64 {
        let block = self.block(out);
        let mut header = [0; 29];
        header[0] = kind;
        header[1..9].copy_from_slice(&slot.0.to_le_bytes());
        header[9..17].copy_from_slice(&ballot.0.to_le_bytes());
        header[17..25].copy_from_slice(&value.id.0.to_le_bytes());
        header[25..].copy_from_slice(&(value.bytes.len() as u32).to_le_bytes());
        block.bytes(&header);
        block.bytes(&value.bytes);
        self.appended
    }

    /// Submits the open block, if there is one and none is in flight. `even_empty` submits one without records, to
    /// make the decided prefix durable, if there is room.
    ///
    /// # Errors
    /// [`Full`] if the device ends before the block does; nothing is written then.
    pub(crate) fn commit(&mut self, decided: Slot, even_empty: bool, out: &mut Outbox) -> Result<(), Full> {
        let wanted = self.open.is_some() || (even_empty && self.has_room(0));
        if self.in_flight.is_some() || !wanted {
            return Ok(());
        }
        let length = self.open.as_ref().map_or(HEADER, |block| block.len());
        if self.tail + self.padded(length) as u64 > self.geometry.capacity {
            return Err(Full);
        }
        let mut block = self.open.take().unwrap_or_else(|| {
            let mut block = out.buffer();
            block.resize(HEADER, 0);
            block
        });
        let length = block.len();
        invariant!("I7", length <= BLOCK_MAX, "a block of {length} bytes");
        self.number += 1;
        block[8..12].copy_from_slice(&MAGIC.to_le_bytes());
        block[LENGTH_AT..16].copy_from_slice(&(length as u32).to_le_bytes());
        block[16..24].copy_from_slice(&self.number.to_le_bytes());
        block[24..32].copy_from_slice(&self.previous.to_le_bytes());
        block[32..36].copy_from_slice(&self.incarnation.0.to_le_bytes());
        block[DECIDED_AT..HEADER].copy_from_slice(&decided.0.to_le_bytes());
        let checksum = xxh3_64(&block[8..]);
        block[..8].copy_from_slice(&checksum.to_le_bytes());
        let padded = self.padded(length);
        block.resize(padded, 0);
        self.previous = checksum;
        let op = self.next_operation();
        let mut chain = out.chain();
        chain.push(Step::Write { at: self.tail, buffer: block.freeze() });
        out.submit(op, DEVICE, chain, Durability::Durable);
        self.tail += padded as u64;
        self.in_flight = Some(op);
        self.submitted = self.appended;
        self.submitted_decided = decided;
        Ok(())
    }

    /// The length that a block of `length` bytes takes on the device.
    fn padded(&self, length: usize) -> usize {
        length.next_multiple_of(self.geometry.alignment.max(512) as usize)
    }

    /// A submission of this life succeeded; returns whether it was the block in flight.
    pub(crate) fn completed(&mut self, op: OperationId) -> bool {
        if self.in_flight != Some(op) {
            return false;
        }
        requires!("I7", self.submitted >= self.durable, "a block completed that was never submitted");
        self.in_flight = None;
        self.durable = self.submitted;
        self.durable_decided = self.submitted_decided;
        true
    }
}

/// Reading the log back: drain, persist, then read; one step at a time.
pub(crate) struct Recovery {
    waiting: OperationId,
    stage: Stage,
    bytes: Vec<u8>,
    /// The device's offset of `bytes[0]`.
    base: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Settle,
    Identity,
    Log,
}

/// What a step of recovery came to.
pub(crate) enum Recovered {
    /// Another operation is under way.
    More,
    /// The log was read to its end.
    All,
}

impl Recovery {
    /// Begins: nothing may land any more from a former life, and what is visible must be durable before it is read,
    /// because what is read will be spoken of (a process crash leaves visible what a later power loss takes away).
    pub(crate) fn begin(journal: &mut Journal, out: &mut Outbox) -> Self {
        let op = journal.next_operation();
        let mut chain = out.chain();
        chain.push(Step::Drain);
        chain.push(Step::Persist(Range { at: 0, length: journal.geometry.capacity }));
        out.submit(op, DEVICE, chain, Durability::Durable);
        Recovery { waiting: op, stage: Stage::Settle, bytes: Vec::new(), base: LOG_START }
    }

    pub(crate) fn waits_for(&self, op: OperationId) -> bool {
        self.waiting == op
    }

    fn read(&mut self, journal: &mut Journal, range: Range, out: &mut Outbox) {
        self.waiting = journal.next_operation();
        out.read(self.waiting, DEVICE, range);
    }

    /// Takes a completion; `each` is handed every record that was found.
    pub(crate) fn step(
        &mut self,
        journal: &mut Journal,
        data: Option<&Buffer>,
        expected: Identity,
        each: &mut dyn FnMut(Record),
        out: &mut Outbox,
    ) -> Result<Recovered, Unusable> {
        match self.stage {
            Stage::Settle => {
                self.stage = Stage::Identity;
                self.read(journal, Range { at: 0, length: 512 }, out);
                Ok(Recovered::More)
            }
            Stage::Identity => {
                let sector = data.filter(|bytes| bytes.len() >= 512).ok_or(Unusable::Failed)?;
                let found = identity_of(sector).map_err(|Malformed| Unusable::Unformatted)?;
                if found != expected {
                    return Err(Unusable::Foreign);
                }
                self.stage = Stage::Log;
                self.read_on(journal, out)
            }
            Stage::Log => {
                self.bytes.extend_from_slice(data.ok_or(Unusable::Failed)?);
                match self.parse(journal, each) {
                    Parsed::NeedsMore
                        if self.base + (self.bytes.len() as u64) < journal.geometry.capacity =>
                    {
                        self.read_on(journal, out)
                    }
                    Parsed::NeedsMore | Parsed::End => Ok(Recovered::All),
                }
            }
        }
    }

    fn read_on(&mut self, journal: &mut Journal, out: &mut Outbox) -> Result<Recovered, Unusable> {
        let at = self.base + self.bytes.len() as u64;
        let length = CHUNK.min(journal.geometry.capacity.saturating_sub(at));
        if length == 0 {
            return Ok(Recovered::All);
        }
        self.read(journal, Range { at, length }, out);
        Ok(Recovered::More)
    }

    /// Takes whole blocks off the front of what was read.
    fn parse(&mut self, journal: &mut Journal, each: &mut dyn FnMut(Record)) -> Parsed {
        let mut at = 0;
        let verdict = loop {
            let rest = &self.bytes[at..];
            if rest.len() < HEADER {
                break Parsed::NeedsMore;
            }
            let word = |from: usize| u32::from_le_bytes(rest[from..from + 4].try_into().expect("four bytes"));
            let long =
                |from: usize| u64::from_le_bytes(rest[from..from + 8].try_into().expect("eight bytes"));
            let length = word(LENGTH_AT) as usize;
            let follows = word(8) == MAGIC
                && (HEADER..=BLOCK_MAX).contains(&length)
                && long(16) == journal.number + 1
                && long(24) == journal.previous;
            if !follows {
                break Parsed::End;
            }
            let padded = journal.padded(length);
            if rest.len() < padded {
                break Parsed::NeedsMore;
            }
            if long(0) != xxh3_64(&rest[8..length]) {
                break Parsed::End;
            }
            let block = Buffer::copy_from(&rest[..length]);
            if records(&block, each).is_err() {
                break Parsed::End;
            }
            journal.number += 1;
            journal.previous = long(0);
            journal.tail += padded as u64;
            let decided = Slot(long(DECIDED_AT));
            journal.durable_decided = journal.durable_decided.max(decided);
            journal.submitted_decided = journal.durable_decided;
            each(Record::Decided { below: decided });
            at += padded;
        };
        self.bytes.drain(..at);
        self.base += at as u64;
        verdict
    }
}

enum Parsed {
    NeedsMore,
    End,
}

fn records(block: &Buffer, each: &mut dyn FnMut(Record)) -> Result<(), Malformed> {
    let mut fields = Reader::new(block);
    fields.bytes(HEADER)?;
    while fields.remaining() > 0 {
        match fields.u8()? {
            PROMISE => each(Record::Promise { ballot: Ballot(fields.u64()?) }),
            kind @ (VOTE | LEARNED) => {
                let slot = Slot(fields.u64()?);
                let ballot = Ballot(fields.u64()?);
                let id = ValueId(fields.u64()?);
                let value = Value { id, bytes: fields.block_of(block)? };
                each(if kind == VOTE {
                    Record::Vote { slot, ballot, value }
                } else {
                    Record::Learned { slot, value }
                });
            }
            _ => return Err(Malformed),
        }
    }
    Ok(())
}
