//! Writing: records gather in a group, a group is one write and one sync, and the metadata follows the log.
//!
//! At most one group is in flight. That is what the durable mark rests on: a record of the next group says that
//! everything before its group was durable when it was written, so that of a whole log only the last group can be
//! torn by a crash, and what is unreadable anywhere below a mark is damage.

use super::frame::{self, HEADER, Header, Kind, LAST, VERSION};
use super::layout::{GRAIN, Identity, Layout};
use super::mark::Mark;
use super::metadata::{FIXED, Head, Metadata, Snapshot};
use super::pieces::Pieces;
use crate::buffer::{Buffer, BufferMut};
use crate::id::{DeviceId, Incarnation, OperationId};
use crate::outbox::Outbox;
use crate::requires;
use crate::storage::{Completion, Durability, Failure, Range, Step};
use alloc::collections::VecDeque;

/// No more than this is kept back for promises, in bytes.
const KEPT_BACK: u64 = 64 << 10;

/// The log has no room left, not even in the part that is kept back for promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Why something cannot be begun now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// Something that it must wait for is in flight, or the queue of the device is full: try again after a completion.
    Busy,
    /// It does not fit: the configuration into a metadata copy, the piece into its area.
    TooLarge,
    /// There is no such thing: no snapshot was begun, or none counts, or it has no such piece.
    Nothing,
}

/// What a completion meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was no operation of this journal, or one of a former life.
    NotOurs,
    /// Nothing that anybody waits for.
    Nothing,
    /// A group is durable: see [`Journal::durable`].
    Durable,
    /// A checkpoint is durable in both copies, and was acted upon.
    Checkpointed,
    /// A snapshot piece was written; it is not durable yet.
    PieceWritten(u32),
    /// The snapshot that was being written is durable: a checkpoint may refer to it now.
    SnapshotDurable(Snapshot),
    /// A piece that was read.
    Piece {
        /// Its number, from 1.
        number: u32,
        /// The snapshot's slot.
        slot: u64,
        /// What [`Journal::write_piece`] was given.
        payload: Buffer,
    },
    /// A piece could not be read, or is not the one that was written.
    PieceUnreadable(u32),
    /// The device is full. Call [`Journal::retry`] after a while; nothing becomes durable until it succeeds.
    NoSpace,
    /// The device failed: what was to be durable may be lost. The life must end.
    Dead(Failure),
}

/// A metadata update.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoint<'a> {
    /// The highest ballot promised: promises may stand in segments that are given up.
    pub promised: u64,
    /// Everything below is decided, and its values stand in the snapshot or in durable records.
    pub decided: u64,
    /// The snapshot that counts from now on, as [`Happened::SnapshotDurable`] brought it; `None` keeps the present one.
    pub snapshot: Option<Snapshot>,
    /// Votes and learned values below this slot are not needed any more: the snapshot covers them.
    pub covered: u64,
    /// The configuration from now on, epoch and encoding; `None` keeps the present one.
    pub configuration: Option<(u32, &'a [u8])>,
}

/// A write in flight, kept so that it can be made again when the device was full.
pub(super) struct InFlight {
    pub(super) op: OperationId,
    pub(super) at: u64,
    pub(super) buffer: Buffer,
    /// The device was full: it waits for [`Journal::retry`].
    pub(super) waiting: bool,
}

struct Group {
    write: InFlight,
    last: u64,
    decided: u64,
    /// The checksum of its last record.
    checksum: u64,
    /// The mark that its records carry.
    mark: u64,
}

/// A segment that holds records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Its first record.
    pub(super) first: Head,
    /// All votes and learned values in it are below this slot.
    pub(super) above: u64,
}

struct Update {
    op: OperationId,
    metadata: Metadata,
    bytes: Buffer,
    /// How many segments it gives up.
    freed: usize,
    waiting: bool,
}

/// Where recovery, or the last commit, left the log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    /// The number of the last record.
    pub(super) last: u64,
    /// The checksum of the last record.
    pub(super) checksum: u64,
    /// Where it ends, a multiple of the grain.
    pub(super) end: u64,
    /// The decided prefix on the device.
    pub(super) decided: u64,
}

/// The journal of one life, as recovery hands it over.
pub struct Journal {
    pub(super) layout: Layout,
    pub(super) identity: Identity,
    pub(super) device: DeviceId,
    /// What its operations are named after.
    life: Incarnation,
    /// What its records carry: above every life that wrote here before.
    pub(super) writer: u32,
    queue_depth: u32,
    operation: u32,
    /// The metadata that was acted upon.
    pub(super) metadata: Metadata,
    update: Option<Update>,
    /// Where the next group begins, a multiple of the unit.
    tail: u64,
    /// The checksum of the last record submitted.
    previous: u64,
    open: Option<BufferMut>,
    group: Option<Group>,
    appended: u64,
    submitted: u64,
    durable: u64,
    durable_checksum: u64,
    submitted_decided: u64,
    durable_decided: u64,
    segments: VecDeque<Segment>,
    /// Where the newest durable group stands on the device.
    newest: Range,
    /// The highest mark that the device was given.
    marked: u64,
    mark_copy: u64,
    mark: Option<InFlight>,
    pub(super) pieces: Pieces,
}

/// What recovery knows when it hands the journal over.
pub(super) struct Beginnings {
    pub(super) device: DeviceId,
    pub(super) life: Incarnation,
    pub(super) writer: u32,
    pub(super) queue_depth: u32,
    pub(super) operation: u32,
    pub(super) metadata: Metadata,
    pub(super) tail: Tail,
    pub(super) segments: VecDeque<Segment>,
    pub(super) marked: u64,
    pub(super) mark_copy: u64,
    pub(super) pieces: Pieces,
}

impl Journal {
    pub(super) fn new(beginnings: Beginnings) -> Self {
        let Beginnings { metadata, tail, .. } = beginnings;
        // Which of the last records a mark vouches for is not worth finding out: all of their segment is the newest.
        let last = tail.end.saturating_sub(1) / metadata.layout.segment * metadata.layout.segment;
        let newest = Range { at: metadata.layout.offset(last), length: metadata.layout.segment };
        Journal {
            newest,
            layout: metadata.layout,
            identity: metadata.identity,
            device: beginnings.device,
            life: beginnings.life,
            writer: beginnings.writer,
            queue_depth: beginnings.queue_depth,
            operation: beginnings.operation,
            update: None,
            tail: metadata.layout.padded(tail.end),
            previous: tail.checksum,
            open: None,
            group: None,
            appended: tail.last,
            submitted: tail.last,
            durable: tail.last,
            durable_checksum: tail.checksum,
            submitted_decided: tail.decided,
            durable_decided: tail.decided,
            segments: beginnings.segments,
            marked: beginnings.marked,
            mark_copy: beginnings.mark_copy,
            mark: None,
            pieces: beginnings.pieces,
            metadata,
        }
    }

    /// Who the device belongs to.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where the parts of the journal stand.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The metadata as it is durable in both copies.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The life that this journal belongs to.
    pub fn incarnation(&self) -> Incarnation {
        self.life
    }

    /// The number of the last record appended.
    pub fn position(&self) -> u64 {
        self.appended
    }

    /// Every record up to this number is durable.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Where the newest durable group stands on the device. Damage to it may be found out by nobody; whatever is older
    /// has a later record, or a copy of the mark, as its witness (`docs/journal.md`, section 6).
    pub fn newest(&self) -> Range {
        self.newest
    }

    /// Below this slot everything is decided, its values are durable here, and the device knows it.
    pub fn durable_decided(&self) -> u64 {
        self.durable_decided
    }

    /// The decided prefix that was last submitted.
    pub fn submitted_decided(&self) -> u64 {
        self.submitted_decided
    }

    /// How many bytes the payload of a record may have at most.
    pub fn largest(&self) -> usize {
        self.layout.segment as usize - HEADER
    }

    /// How many bytes of the log are free, the part kept back for promises included.
    pub fn free(&self) -> u64 {
        self.limit().saturating_sub(self.tail)
    }

    /// How many bytes of the log are taken, from the oldest segment to where the next group goes, and how many it has.
    pub fn log_used(&self) -> (u64, u64) {
        (self.layout.lap() - self.free(), self.layout.lap())
    }

    /// Whether a write found the device full and waits for [`retry`](Self::retry).
    pub fn is_stuck(&self) -> bool {
        let waits = |write: &InFlight| write.waiting;
        self.group.as_ref().is_some_and(|group| waits(&group.write))
            || self.mark.as_ref().is_some_and(waits)
            || self.update.as_ref().is_some_and(|update| update.waiting)
            || self.pieces.is_stuck()
    }

    /// Where the ring ends: the position that stands where the oldest segment begins.
    fn limit(&self) -> u64 {
        let head = self.metadata.head.position;
        head - head % self.layout.segment + self.layout.lap()
    }

    fn kept_back(&self) -> u64 {
        self.layout.padded((self.layout.lap() / 8).min(KEPT_BACK))
    }

    /// Whether a record with a payload of `bytes` bytes has room. A part of the log is kept back: promises are appended
    /// without asking. While a write waits because the device was full, nothing has.
    pub fn has_room(&self, bytes: usize) -> bool {
        let record = record_of(bytes);
        if record > self.layout.segment || self.is_stuck() {
            return false;
        }
        self.end_behind(record) + self.kept_back() <= self.limit()
    }

    /// Whether records of so many bytes together, each as [`record_of`] says, have room if nothing is kept back.
    pub fn has_room_at_all(&self, records: u64) -> bool {
        !self.is_stuck() && self.end_behind(records) <= self.limit()
    }

    /// Where the log would end at the latest if records of so many bytes followed those that are open.
    fn end_behind(&self, records: u64) -> u64 {
        let open = self.open.as_ref().map_or(0, |group| group.len() as u64) + records;
        let left = self.layout.segment - self.tail % self.layout.segment;
        let padded = self.layout.padded(open);
        if padded <= left {
            self.tail + padded
        } else if padded <= self.layout.segment {
            self.tail + left + padded
        } else {
            // Split: each part may leave up to the next record's length unused.
            self.tail + left + 2 * padded + self.layout.segment
        }
    }

    /// How many bytes of records [`has_room`](Self::has_room) lets follow on those that are open, their headers and what
    /// rounds them up included.
    pub fn spare(&self) -> u64 {
        if self.is_stuck() {
            return 0;
        }
        let segment = self.layout.segment;
        let left = segment - self.tail % segment;
        let most = self.limit().saturating_sub(self.kept_back()).saturating_sub(self.tail);
        let split = most.saturating_sub(left + segment) / 2;
        let group =
            if split > segment { split } else { most.min(left).max(most.saturating_sub(left).min(segment)) };
        let open = self.open.as_ref().map_or(0, |group| group.len() as u64);
        (group - group % self.layout.unit()).saturating_sub(open)
    }

    /// Appends a record to the open group and returns its number; nothing is written before [`commit`](Self::commit).
    /// `parts` are the payload, one behind the other; they may have [`largest`](Self::largest) bytes together.
    pub fn append(
        &mut self,
        kind: Kind,
        slot: u64,
        ballot: u64,
        epoch: u32,
        parts: &[&[u8]],
        out: &mut Outbox,
    ) -> u64 {
        self.appended += 1;
        let length = HEADER + parts.iter().map(|part| part.len()).sum::<usize>();
        requires!("I18", length as u64 <= self.layout.segment, "a record of {length} bytes fits no segment");
        let header = Header {
            version: VERSION,
            kind: kind as u8,
            flags: 0,
            length: length as u32,
            group: self.identity.group,
            cluster: self.identity.cluster,
            slot,
            ballot,
            epoch,
            incarnation: self.writer,
            number: self.appended,
            // Known when the group is closed.
            position: 0,
            previous: 0,
            mark: 0,
            decided: 0,
        };
        let group = self.open.get_or_insert_with(|| out.buffer());
        let mut fixed = [0; HEADER];
        header.put(&mut fixed);
        group.extend_from_slice(&fixed);
        for part in parts {
            group.extend_from_slice(part);
        }
        let padded = group.len().next_multiple_of(GRAIN as usize);
        group.resize(padded, 0);
        self.appended
    }

    /// Submits what was appended as one group, one write and one sync, unless one is in flight already. Of a burst that
    /// no segment holds, a part is submitted; the rest follows when this is called after its completion. The last
    /// record of the last group carries `decided`: below it everything must be decided, with its values in what was
    /// appended so far. `even_empty` writes a note for it if nothing was appended and there is room.
    ///
    /// # Errors
    /// [`Full`] if the ring ends before the group does; nothing is submitted then.
    pub fn commit(&mut self, decided: u64, even_empty: bool, out: &mut Outbox) -> Result<(), Full> {
        if self.group.is_some() || (self.open.is_none() && !even_empty) || !self.may_submit(0) {
            return Ok(());
        }
        if self.open.is_none() {
            if !self.has_room(0) {
                return Ok(());
            }
            let epoch = self.metadata.epoch;
            self.append(Kind::Note, 0, 0, epoch, &[], out);
        }
        let Some(mut bytes) = self.open.take() else { return Ok(()) };
        let (at, length) = self.place(&bytes);
        if at + self.layout.padded(length as u64) > self.limit() {
            self.open = Some(bytes);
            return Err(Full);
        }
        let decided = if length < bytes.len() {
            let mut rest = out.buffer();
            rest.extend_from_slice(&bytes[length..]);
            bytes.truncate(length);
            self.open = Some(rest);
            self.submitted_decided
        } else {
            decided.max(self.submitted_decided)
        };
        self.seal(at, &mut bytes, decided);
        let padded = self.layout.padded(length as u64);
        bytes.resize(padded as usize, 0);
        let buffer = bytes.freeze();
        let op = self.write(self.layout.offset(at), &buffer, Durability::Durable, out);
        let write = InFlight { op, at: self.layout.offset(at), buffer, waiting: false };
        self.tail = at + padded;
        self.submitted_decided = decided;
        self.group =
            Some(Group { write, last: self.submitted, decided, checksum: self.previous, mark: self.durable });
        Ok(())
    }

    /// Where a group of these records goes, and how many bytes of them: as many as its segment holds.
    fn place(&self, records: &[u8]) -> (u64, usize) {
        let segment = self.layout.segment;
        let left = segment - self.tail % segment;
        if self.layout.padded(records.len() as u64) <= left {
            return (self.tail, records.len());
        }
        if records.len() as u64 <= segment {
            return (self.tail + left, records.len());
        }
        let prefix = |room: u64| {
            let mut length = 0;
            while let Some(Ok(header)) =
                records.get(length..).filter(|rest| !rest.is_empty()).map(Header::peek)
            {
                if (length as u64) + header.padded() > room {
                    break;
                }
                length += header.padded() as usize;
            }
            length
        };
        match prefix(left) {
            0 => (self.tail + left, prefix(segment)),
            length => (self.tail, length),
        }
    }

    /// Gives the records of a group what was not known when they were appended, and their checksums.
    fn seal(&mut self, position: u64, records: &mut [u8], decided: u64) {
        let mut at = 0;
        while at < records.len() {
            let Ok(mut header) = Header::peek(&records[at..]) else {
                panic!("a record of the open group lost its header");
            };
            let last = at + header.padded() as usize == records.len();
            header.flags = if last { LAST } else { 0 };
            header.position = position + at as u64;
            header.previous = self.previous;
            header.mark = self.durable;
            // A prefix of the group may be all that a crash leaves: only the last record speaks for the whole.
            header.decided = if last { decided } else { self.submitted_decided };
            header.put(&mut records[at..]);
            note_segment(&mut self.segments, &self.layout, &header);
            self.previous = frame::seal(self.identity.serial, &mut records[at..], header.length);
            self.submitted = header.number;
            at += header.padded() as usize;
        }
    }

    /// Whether the log has come to rest and the device does not know how far it is durable.
    pub fn wants_rest(&self) -> bool {
        // What is open now waits for room, which may take long.
        let resting = self.group.is_none() && self.mark.is_none();
        resting && self.marked < self.durable
    }

    /// At the end of a burst, behind [`commit`](Self::commit), or a while later: if the log has come to rest and the device does not know
    /// how far it is durable, the mark is written to the one of its two copies that is older. It costs no sync, and
    /// nobody waits for it.
    pub fn rest(&mut self, out: &mut Outbox) {
        if !self.wants_rest() || !self.may_submit(1) {
            return;
        }
        let mark = Mark {
            cluster: self.identity.cluster,
            group: self.identity.group,
            incarnation: self.writer,
            number: self.durable,
            checksum: self.durable_checksum,
        };
        let mut bytes = out.buffer();
        bytes.extend_from_slice(&mark.encode(self.identity.serial));
        bytes.resize(self.layout.unit as usize, 0);
        let (at, buffer) = (self.layout.mark(self.mark_copy), bytes.freeze());
        let op = self.write(at, &buffer, Durability::Visible, out);
        self.mark = Some(InFlight { op, at, buffer, waiting: false });
        self.mark_copy = 1 - self.mark_copy;
        self.marked = self.durable;
    }

    /// Updates the metadata: copy A, a barrier, copy B, a barrier, and when both are durable acts upon it: whole
    /// segments whose votes and learned values all lie below `covered` are free, and so is the older snapshot's area.
    ///
    /// # Errors
    /// [`NotNow::Busy`] if an update is in flight or the queue is full; [`NotNow::TooLarge`] if the configuration does
    /// not fit a copy.
    pub fn checkpoint(&mut self, new: &Checkpoint<'_>, out: &mut Outbox) -> Result<(), NotNow> {
        if self.update.is_some() || !self.may_submit(1) {
            return Err(NotNow::Busy);
        }
        let configuration =
            new.configuration.map_or(self.metadata.configuration.len(), |(_, bytes)| bytes.len());
        if FIXED + configuration as u64 > self.layout.copy {
            return Err(NotNow::TooLarge);
        }
        let mut metadata = self.metadata.clone();
        metadata.generation += 1;
        metadata.incarnation = self.writer;
        metadata.promised = metadata.promised.max(new.promised);
        metadata.decided = metadata.decided.max(new.decided);
        metadata.mark = self.durable;
        metadata.snapshot = new.snapshot.or(metadata.snapshot);
        if let Some((epoch, bytes)) = new.configuration {
            (metadata.epoch, metadata.configuration) = (epoch, bytes.to_vec());
        }
        // The segment that is being written stays, and one with a record that is not durable.
        let mut freed = 0;
        while let (Some(oldest), Some(next)) = (self.segments.get(freed), self.segments.get(freed + 1)) {
            if oldest.above > new.covered || next.first.number > self.durable + 1 {
                break;
            }
            metadata.head = next.first;
            freed += 1;
        }
        let mut bytes = out.buffer();
        metadata.encode(&mut bytes);
        let padded = self.layout.padded(bytes.len() as u64);
        bytes.resize(padded as usize, 0);
        let bytes = bytes.freeze();
        let op = self.submit_update(&bytes, out);
        self.update = Some(Update { op, metadata, bytes, freed, waiting: false });
        Ok(())
    }

    fn submit_update(&mut self, bytes: &Buffer, out: &mut Outbox) -> OperationId {
        let op = self.next_operation();
        let mut chain = out.chain();
        chain.push(Step::Write { at: self.layout.metadata(0), buffer: bytes.clone() });
        chain.push(Step::Barrier);
        chain.push(Step::Write { at: self.layout.metadata(1), buffer: bytes.clone() });
        out.submit(op, self.device, chain, Durability::Durable);
        op
    }

    /// Makes every write again that found the device full: the same bytes at the same places.
    pub fn retry(&mut self, out: &mut Outbox) {
        if let Some(mut group) = self.group.take() {
            self.write_again(&mut group.write, Durability::Durable, out);
            self.group = Some(group);
        }
        if let Some(mut mark) = self.mark.take() {
            self.write_again(&mut mark, Durability::Visible, out);
            self.mark = Some(mark);
        }
        if let Some(mut update) = self.update.take() {
            if core::mem::take(&mut update.waiting) {
                update.op = self.submit_update(&update.bytes, out);
            }
            self.update = Some(update);
        }
        self.retry_pieces(out);
    }

    /// An operation ended.
    pub fn completed(&mut self, op: OperationId, result: Completion, out: &mut Outbox) -> Happened {
        if op.incarnation != self.life {
            return Happened::NotOurs;
        }
        if let Some(group) = self.group.take_if(|group| group.write.op == op) {
            return match ended(&result) {
                Ok(()) => {
                    requires!("I7", group.last > self.durable, "a group completed twice");
                    self.newest = Range { at: group.write.at, length: group.write.buffer.len() as u64 };
                    out.pool().recycle(group.write.buffer);
                    self.durable = group.last;
                    self.durable_checksum = group.checksum;
                    self.durable_decided = group.decided;
                    self.marked = self.marked.max(group.mark);
                    Happened::Durable
                }
                Err(failure) => {
                    let write = InFlight { waiting: true, ..group.write };
                    self.group = Some(Group { write, ..group });
                    failed(failure)
                }
            };
        }
        if let Some(mark) = self.mark.take_if(|mark| mark.op == op) {
            return match ended(&result) {
                Ok(()) => {
                    out.pool().recycle(mark.buffer);
                    Happened::Nothing
                }
                Err(failure) => {
                    self.mark = Some(InFlight { waiting: true, ..mark });
                    failed(failure)
                }
            };
        }
        if let Some(update) = self.update.take_if(|update| update.op == op) {
            return match ended(&result) {
                Ok(()) => {
                    out.pool().recycle(update.bytes);
                    self.segments.drain(..update.freed);
                    self.marked = self.marked.max(update.metadata.mark);
                    self.act_on_snapshot(&update.metadata);
                    self.metadata = update.metadata;
                    Happened::Checkpointed
                }
                Err(failure) => {
                    self.update = Some(Update { waiting: true, ..update });
                    failed(failure)
                }
            };
        }
        self.piece_completed(op, result, out)
    }

    /// Whether a metadata update is in flight.
    pub fn is_updating(&self) -> bool {
        self.update.is_some()
    }

    /// Whether the device's queue takes one more operation, `spared` places left free.
    pub(super) fn may_submit(&self, spared: u32) -> bool {
        let own = u32::from(self.group.is_some())
            + u32::from(self.mark.is_some())
            + u32::from(self.update.is_some());
        let in_flight = own + self.pieces.in_flight();
        // With a queue of one, whoever comes first has it.
        in_flight == 0 || in_flight + spared < self.queue_depth
    }

    pub(super) fn next_operation(&mut self) -> OperationId {
        self.operation += 1;
        OperationId { incarnation: self.life, number: self.operation }
    }

    /// Submits one write.
    pub(super) fn write(
        &mut self,
        at: u64,
        buffer: &Buffer,
        durability: Durability,
        out: &mut Outbox,
    ) -> OperationId {
        let op = self.next_operation();
        let mut chain = out.chain();
        chain.push(Step::Write { at, buffer: buffer.clone() });
        out.submit(op, self.device, chain, durability);
        op
    }

    pub(super) fn write_again(&mut self, write: &mut InFlight, durability: Durability, out: &mut Outbox) {
        if core::mem::take(&mut write.waiting) {
            write.op = self.write(write.at, &write.buffer, durability, out);
        }
    }
}

/// How many bytes of the log a record takes that has a payload of `bytes` bytes.
pub fn record_of(bytes: usize) -> u64 {
    ((HEADER + bytes) as u64).next_multiple_of(GRAIN)
}

/// Notes a record in the list of segments that hold any.
pub(super) fn note_segment(segments: &mut VecDeque<Segment>, layout: &Layout, header: &Header) {
    let index = header.position / layout.segment;
    if segments.back().is_none_or(|segment| segment.first.position / layout.segment != index) {
        let first = Head { number: header.number, position: header.position, previous: header.previous };
        segments.push_back(Segment { first, above: 0 });
    }
    if let Some(segment) = segments.back_mut()
        && matches!(Kind::of(header.kind), Some(Kind::Vote | Kind::Learned))
    {
        segment.above = segment.above.max(header.slot + 1);
    }
}

/// How a write or a sync ended.
pub(super) fn ended(result: &Completion) -> Result<(), Failure> {
    match result {
        Completion::Done => Ok(()),
        Completion::Failed(failure) => Err(*failure),
        // Nobody can say, so nothing may rest on it.
        Completion::Data(_) | Completion::Unknown | Completion::Volatile => Err(Failure::Device),
    }
}

/// What a failed write or sync means: a full device is waited for, everything else ends the life.
pub(super) fn failed(failure: Failure) -> Happened {
    match failure {
        Failure::NoSpace => Happened::NoSpace,
        failure => Happened::Dead(failure),
    }
}
