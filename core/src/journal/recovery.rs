//! Recovery, step by step: drain and persist, read, decide, repair, and only then hand the journal over.
//!
//! Everything is decided by the pure functions of `decide`; this is the thin layer that feeds them. A tiny journal is
//! read at once. What a medium error hides is narrowed down to single units.

use super::decide::{self, Device, Expected, LogEnd, LogView};
use super::frame::{HEADER, Kind};
use super::layout::{COPY_MAX, Layout, Standing, unit_of};
use super::mark::{MARK, Mark, MarkCopy};
use super::metadata::{Metadata, Snapshot};
use super::pieces::{self, Draft, Partial, Pieces};
use super::refusal::Refusal;
use super::row::{Row, Rows};
use super::writer::{Beginnings, Journal, ended};
use crate::buffer::Buffer;
use crate::id::{DeviceId, Incarnation, OperationId};
use crate::outbox::Outbox;
use crate::storage::{Chain, Completion, Durability, Failure, Geometry, Range, Step as Storage};
use alloc::vec;
use alloc::vec::Vec;

/// How much is read at a time, in bytes: a small journal at once. Both metadata copies lie within the first read.
const CHUNK: u64 = 512 << 10;
const _: () = assert!(CHUNK >= 2 * COPY_MAX);

/// Whose journal is to be recovered, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Who the device must belong to.
    pub expected: Expected,
    /// This life.
    pub incarnation: Incarnation,
    /// The device.
    pub device: DeviceId,
    /// Its shape.
    pub geometry: Geometry,
    /// How many operations the journal may have in flight.
    pub queue_depth: u32,
}

/// A record as recovery hands it out, in the order of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number.
    pub number: u64,
    /// What it says.
    pub kind: Kind,
    /// The slot that it is about.
    pub slot: u64,
    /// The ballot that it is about.
    pub ballot: u64,
    /// The configuration's epoch.
    pub epoch: u32,
    /// The life that wrote it.
    pub incarnation: u32,
    /// Everything below is decided, and its values stand in the snapshot or in records up to and including this one.
    pub decided: u64,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// What became of the snapshot that the metadata refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotFound {
    /// S1: it refers to none.
    None,
    /// S2: every piece is there.
    Whole(Snapshot),
    /// S3: a piece is missing or damaged. Promises and votes hold, the state must be fetched from a peer.
    Damaged(Snapshot),
}

/// What recovery found beside the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How the device came to its node.
    pub standing: Standing,
    /// At least this ballot was promised, whatever the records say.
    pub promised: u64,
    /// At least everything below this slot is decided, with its values in the snapshot or in the records.
    pub decided: u64,
    /// The number of the last record.
    pub last: u64,
    /// Every record up to this number was known durable.
    pub mark: u64,
    /// The snapshot.
    pub snapshot: SnapshotFound,
    /// S4: pieces of a later snapshot, to which no metadata refers.
    pub partial: Option<Partial>,
    /// The configuration's epoch.
    pub epoch: u32,
    /// The configuration, as its owner encoded it.
    pub configuration: Vec<u8>,
}

/// What a completion led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It was not the operation that recovery waits for.
    Ignored,
    /// Another operation is under way.
    More,
    /// Done: [`Recovery::finish`] hands the journal over.
    Recovered,
    /// The life must end; not one byte of the device was changed.
    Refused(Refusal),
    /// A repair, or the sync before reading, failed: the life must end.
    Failed(Failure),
}

enum Image {
    /// The first read held the whole journal.
    Whole(Buffer),
    /// Chunk by chunk; what was not read is zeros.
    Parts(Vec<u8>),
}

impl Image {
    fn bytes(&self) -> &[u8] {
        match self {
            Image::Whole(bytes) => bytes,
            Image::Parts(bytes) => bytes,
        }
    }

    fn range(&self, at: u64, length: u64) -> &[u8] {
        &self.bytes()[at as usize..(at + length) as usize]
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Settle,
    Front,
    Rest,
    Repair,
}

/// A recovery under way.
pub struct Recovery {
    setting: Setting,
    stage: Stage,
    waiting: OperationId,
    reading: Range,
    /// What is still to be read, the next one last.
    pending: Vec<Range>,
    image: Image,
    bad: Vec<Range>,
    rows: Rows,
    device: Option<Device>,
    /// How far the inactive snapshot area was read, in bytes.
    inactive: u64,
    done: Option<(Journal, Restored)>,
}

impl Recovery {
    /// Begins: nothing of a former life may land any more, and what is visible must be durable before it is read,
    /// because what is read will be spoken of (a process crash leaves visible what a later power loss takes away).
    pub fn begin(setting: Setting, out: &mut Outbox) -> Self {
        let waiting = OperationId { incarnation: setting.incarnation, number: 1 };
        let mut chain = out.chain();
        chain.push(Storage::Drain);
        chain.push(Storage::Persist(Range { at: 0, length: setting.geometry.capacity }));
        out.submit(waiting, setting.device, chain, Durability::Durable);
        Recovery {
            setting,
            stage: Stage::Settle,
            waiting,
            reading: Range::default(),
            pending: Vec::new(),
            image: Image::Parts(Vec::new()),
            bad: Vec::new(),
            rows: Rows::default(),
            device: None,
            inactive: 0,
            done: None,
        }
    }

    /// The rows of the decision table that were met so far.
    pub fn rows(&self) -> Rows {
        self.rows
    }

    /// Takes a completion. `each` is handed every record, in order, in the step that decides; the replica may rest on
    /// them, and speak, when [`Step::Recovered`] is returned.
    pub fn step(
        &mut self,
        op: OperationId,
        result: &Completion,
        each: &mut dyn FnMut(Record<'_>),
        out: &mut Outbox,
    ) -> Step {
        if op != self.waiting || self.done.is_some() && self.stage != Stage::Repair {
            return Step::Ignored;
        }
        match self.stage {
            Stage::Settle => match ended(result) {
                Ok(()) => {
                    self.stage = Stage::Front;
                    let alignment = u64::from(self.setting.geometry.alignment.max(1));
                    let length = self.setting.geometry.capacity.min(CHUNK) / alignment * alignment;
                    if length == 0 {
                        self.image = Image::Parts(Vec::new());
                        return self.settle_front(each, out);
                    }
                    self.read(Range { at: 0, length }, out);
                    Step::More
                }
                Err(failure) => Step::Failed(failure),
            },
            Stage::Front | Stage::Rest => match result {
                Completion::Data(bytes) => {
                    self.take(bytes);
                    self.go_on(each, out)
                }
                Completion::Failed(Failure::Media) => {
                    self.narrow();
                    self.go_on(each, out)
                }
                _ => Step::Refused(Refusal::Device),
            },
            Stage::Repair => match ended(result) {
                Ok(()) => {
                    self.stage = Stage::Rest;
                    Step::Recovered
                }
                Err(failure) => Step::Failed(failure),
            },
        }
    }

    /// The journal, and what was found beside the records.
    ///
    /// # Panics
    /// Before [`Step::Recovered`].
    pub fn finish(self) -> (Journal, Restored) {
        self.done.expect("recovery is finished after Step::Recovered")
    }

    fn read(&mut self, range: Range, out: &mut Outbox) {
        self.waiting.number += 1;
        self.reading = range;
        out.read(self.waiting, self.setting.device, range);
    }

    /// Keeps what was read.
    fn take(&mut self, bytes: &Buffer) {
        let Range { at, length } = self.reading;
        let whole = self.stage == Stage::Front && at == 0 && self.pending.is_empty() && self.bad.is_empty();
        if whole && bytes.len() as u64 == length {
            self.image = Image::Whole(bytes.clone());
            return;
        }
        let end = (at + length) as usize;
        let Image::Parts(image) = &mut self.image else { return };
        if image.len() < end {
            image.resize(end, 0);
        }
        let count = bytes.len().min(length as usize);
        // The image is zeros, of which most of a young log consists.
        if !is_blank(&bytes[..count]) {
            image[at as usize..at as usize + count].copy_from_slice(&bytes[..count]);
        }
        if count < length as usize {
            self.bad.push(Range { at: at + count as u64, length: length - count as u64 });
        }
    }

    /// A medium error somewhere in what was read: read its halves, or give up on a single unit.
    fn narrow(&mut self) {
        let Range { at, length } = self.reading;
        let unit = self
            .device
            .as_ref()
            .map_or(unit_of(&self.setting.geometry), |device| device.metadata.layout.unit);
        if let Image::Whole(bytes) = &self.image {
            self.image = Image::Parts(bytes.to_vec());
        }
        let Image::Parts(image) = &mut self.image else { return };
        if image.len() < (at + length) as usize {
            image.resize((at + length) as usize, 0);
        }
        if length <= unit {
            self.bad.push(self.reading);
            return;
        }
        let half = (length / 2).next_multiple_of(unit);
        self.pending.push(Range { at: at + half, length: length - half });
        self.pending.push(Range { at, length: half });
    }

    fn go_on(&mut self, each: &mut dyn FnMut(Record<'_>), out: &mut Outbox) -> Step {
        if let Some(range) = self.pending.pop() {
            self.read(range, out);
            return Step::More;
        }
        if self.stage == Stage::Front { self.settle_front(each, out) } else { self.settle_rest(each, out) }
    }

    /// The front was read: decide about the metadata, then read what it says is there.
    fn settle_front(&mut self, each: &mut dyn FnMut(Record<'_>), out: &mut Outbox) -> Step {
        let (geometry, expected) = (&self.setting.geometry, Some(&self.setting.expected));
        let found = match decide::device(self.image.bytes(), &self.bad, geometry, expected, &mut self.rows) {
            Ok(found) => found,
            Err(refusal) => return Step::Refused(refusal),
        };
        let layout = found.metadata.layout;
        let snapshot = found.metadata.snapshot;
        self.device = Some(found);
        self.stage = Stage::Rest;
        let front = self.image.bytes().len() as u64;
        self.inactive = layout.area;
        if front < layout.end() {
            let mut whole = match core::mem::replace(&mut self.image, Image::Parts(Vec::new())) {
                Image::Whole(bytes) => {
                    let mut whole = vec![0; layout.end() as usize];
                    whole[..bytes.len()].copy_from_slice(&bytes);
                    out.pool().recycle(bytes);
                    whole
                }
                Image::Parts(bytes) => bytes,
            };
            whole.resize(layout.end() as usize, 0);
            self.image = Image::Parts(whole);
            // Last first: the stack is emptied from its end.
            self.want(front, layout.log_range());
            if let Some(snapshot) = snapshot {
                self.want(front, Range { at: layout.snapshot(snapshot.area.into()), length: snapshot.bytes });
            }
            let inactive = layout.snapshot(inactive_area(snapshot));
            self.inactive = layout.area.min(CHUNK.max(front.saturating_sub(inactive)));
            self.want(front, Range { at: inactive, length: self.inactive });
            self.want(front, Range { at: layout.mark(0), length: 2 * layout.unit });
        }
        self.go_on(each, out)
    }

    /// Puts the part of `range` that lies behind the front on the stack, in chunks.
    fn want(&mut self, front: u64, range: Range) {
        let from = range.at.max(front);
        let mut end = range.at + range.length;
        while end > from {
            let start = from.max(end.saturating_sub(CHUNK));
            self.pending.push(Range { at: start, length: end - start });
            end = start;
        }
    }

    /// Everything was read: decide about the log and the snapshots, repair, and hand the records over.
    fn settle_rest(&mut self, each: &mut dyn FnMut(Record<'_>), out: &mut Outbox) -> Step {
        let Some(device) = &self.device else { return Step::Refused(Refusal::Device) };
        let metadata = &device.metadata;
        let layout = metadata.layout;
        // A transfer may have left more pieces than were read.
        let area = inactive_area(metadata.snapshot);
        let read = self.image.range(layout.snapshot(area), self.inactive);
        let (draft, more) = pieces::chain(&metadata.identity, &layout, area as u8, read, &self.bad);
        let later = metadata.snapshot.is_none_or(|snapshot| draft.slot() > snapshot.slot);
        if more && (later || draft.is_empty()) {
            let at = layout.snapshot(area) + self.inactive;
            let length = CHUNK.min(layout.area - self.inactive);
            self.inactive += length;
            self.read(Range { at, length }, out);
            return Step::More;
        }
        let draft = (later && !draft.is_empty()).then_some(draft);
        self.decide(draft, each, out)
    }

    fn decide(&mut self, draft: Option<Draft>, each: &mut dyn FnMut(Record<'_>), out: &mut Outbox) -> Step {
        let Some(Device { metadata, stale }) = self.device.take() else {
            return Step::Refused(Refusal::Device);
        };
        let (layout, identity) = (metadata.layout, metadata.identity);
        let copies = [0, 1].map(|index| {
            let range = Range { at: layout.mark(index), length: MARK as u64 };
            if decide::overlaps(&self.bad, range) {
                return MarkCopy::Unreadable;
            }
            Mark::read(&identity, self.image.range(range.at, range.length))
        });
        let view = LogView {
            bytes: self.image.range(layout.log(), layout.lap()),
            bad: &self.bad,
            identity: &identity,
            layout: &layout,
            head: metadata.head,
            mark: metadata.mark,
            decided: metadata.decided,
            copies,
        };
        let end = match decide::log(&view, &mut self.rows) {
            Ok(end) => end,
            Err(refusal) => return Step::Refused(refusal),
        };
        let (snapshot, whole) = verify_snapshot(&metadata, &self.image, &self.bad, &mut self.rows);
        if let SnapshotFound::Damaged(damaged) = snapshot {
            let range = Range { at: layout.snapshot(damaged.area.into()), length: damaged.bytes };
            if let Some(bad) = self.bad.iter().find(|bad| decide::overlaps(&[**bad], range)) {
                self.rows.meet(Row::D10);
                return Step::Refused(Refusal::Unreadable { offset: bad.at });
            }
        }
        if draft.is_some() {
            self.rows.meet(Row::S4);
        }
        hand_out(&view, &end, each);

        let highest = end.incarnation.max(metadata.incarnation);
        let life = self.setting.incarnation.0;
        let writer = if life > highest { life } else { highest.saturating_add(1) };
        let restored = Restored {
            standing: identity.standing,
            promised: metadata.promised,
            decided: metadata.decided,
            last: end.tail.last,
            mark: end.mark,
            snapshot,
            partial: draft.as_ref().map(Draft::partial),
            epoch: metadata.epoch,
            configuration: metadata.configuration.clone(),
        };
        let mut chain = out.chain();
        if let Some(at) = stale {
            let mut bytes = out.buffer();
            metadata.encode(&mut bytes);
            let padded = layout.padded(bytes.len() as u64);
            bytes.resize(padded as usize, 0);
            chain.push(Storage::Write { at, buffer: bytes.freeze() });
        }
        let remarked = rewrite_marks(&metadata, &copies, &end, writer, &mut chain, out);
        erase(&view, &end, &mut chain, out);

        let number = |copy: &MarkCopy| match copy {
            MarkCopy::Whole(mark) => mark.number,
            _ => 0,
        };
        let mark_copy = u64::from(remarked || number(&copies[1]) < number(&copies[0]));
        let marked = if remarked { end.tail.last } else { end.mark };
        let repair = !chain.is_empty();
        if repair {
            self.waiting.number += 1;
            self.stage = Stage::Repair;
            out.submit(self.waiting, self.setting.device, chain, Durability::Durable);
        } else {
            out.recycle_chain(chain);
        }
        if let Image::Whole(bytes) = core::mem::replace(&mut self.image, Image::Parts(Vec::new())) {
            out.pool().recycle(bytes);
        }
        let journal = Journal::new(Beginnings {
            device: self.setting.device,
            life: self.setting.incarnation,
            writer,
            queue_depth: self.setting.queue_depth,
            operation: self.waiting.number,
            metadata,
            tail: end.tail,
            segments: end.segments,
            marked,
            mark_copy,
            pieces: Pieces::recovered(whole, draft),
        });
        self.done = Some((journal, restored));
        if repair { Step::More } else { Step::Recovered }
    }
}

/// Verifies the snapshot that the metadata refers to.
fn verify_snapshot(
    metadata: &Metadata,
    image: &Image,
    bad: &[Range],
    rows: &mut Rows,
) -> (SnapshotFound, Vec<pieces::Piece>) {
    let Some(snapshot) = metadata.snapshot else {
        rows.meet(Row::S1);
        return (SnapshotFound::None, Vec::new());
    };
    let layout = &metadata.layout;
    let bytes = image.range(layout.snapshot(snapshot.area.into()), snapshot.bytes);
    let (draft, _) = pieces::chain(&metadata.identity, layout, snapshot.area, bytes, bad);
    match pieces::whole(&snapshot, draft) {
        Some(whole) => {
            rows.meet(Row::S2);
            (SnapshotFound::Whole(snapshot), whole)
        }
        None => {
            rows.meet(Row::S3);
            (SnapshotFound::Damaged(snapshot), Vec::new())
        }
    }
}

/// Whether these bytes are zeros, many at a time.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.chunks(256).all(|chunk| chunk.iter().fold(0, |any, byte| any | byte) == 0)
}

/// The area to which the metadata does not refer.
fn inactive_area(snapshot: Option<Snapshot>) -> u64 {
    snapshot.map_or(0, |snapshot| 1 - u64::from(snapshot.area))
}

/// Hands out the records that the decision took; they need not be verified again.
fn hand_out(view: &LogView<'_>, end: &LogEnd, each: &mut dyn FnMut(Record<'_>)) {
    let (mut at, mut previous) = (view.head.position, view.head.previous);
    for number in view.head.number..=end.tail.last {
        let Some((position, header)) = view.taken(at, number, previous) else { return };
        let start = (position % view.layout.lap()) as usize;
        let bytes = &view.bytes[start..start + header.length as usize];
        let Some(kind) = Kind::of(header.kind) else { return };
        each(Record {
            number,
            kind,
            slot: header.slot,
            ballot: header.ballot,
            epoch: header.epoch,
            incarnation: header.incarnation,
            decided: header.decided,
            payload: &bytes[HEADER..],
        });
        previous = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
        at = position + header.padded();
    }
}

/// Rewrites the unreadable copies of the mark (L14). Returns whether there was one.
fn rewrite_marks(
    metadata: &Metadata,
    copies: &[MarkCopy; 2],
    end: &LogEnd,
    writer: u32,
    chain: &mut Chain,
    out: &mut Outbox,
) -> bool {
    let identity = &metadata.identity;
    let mut any = false;
    for (index, copy) in copies.iter().enumerate() {
        if *copy != MarkCopy::Unreadable {
            continue;
        }
        any = true;
        let mut bytes = out.buffer();
        if end.tail.last > 0 {
            let mark = Mark {
                cluster: identity.cluster,
                group: identity.group,
                incarnation: writer,
                number: end.tail.last,
                checksum: end.tail.checksum,
            };
            bytes.extend_from_slice(&mark.encode(identity.serial));
        }
        bytes.resize(metadata.layout.unit as usize, 0);
        chain.push(Storage::Write { at: metadata.layout.mark(index as u64), buffer: bytes.freeze() });
    }
    any
}

/// Writes zeros over every stray; what else stands in its units is written as it was read.
fn erase(view: &LogView<'_>, end: &LogEnd, chain: &mut Chain, out: &mut Outbox) {
    if end.strays.is_empty() {
        return;
    }
    let Layout { unit, .. } = *view.layout;
    let mut strays = end.strays.clone();
    strays.sort_unstable_by_key(|stray| stray.at);
    let mut open: Option<(u64, crate::buffer::BufferMut)> = None;
    for stray in strays {
        let (from, to) = (stray.at / unit * unit, (stray.at + stray.length).next_multiple_of(unit));
        let (start, mut bytes) = match open.take() {
            // Two strays in one unit are one write.
            Some((start, mut bytes)) if start + bytes.len() as u64 >= from => {
                let reached = start + bytes.len() as u64;
                if to > reached {
                    bytes.extend_from_slice(&view.bytes[reached as usize..to as usize]);
                }
                (start, bytes)
            }
            done => {
                push_write(view, done, chain);
                let mut bytes = out.buffer();
                bytes.extend_from_slice(&view.bytes[from as usize..to as usize]);
                (from, bytes)
            }
        };
        let at = (stray.at - start) as usize;
        bytes[at..at + stray.length as usize].fill(0);
        open = Some((start, bytes));
    }
    push_write(view, open, chain);
}

fn push_write(view: &LogView<'_>, write: Option<(u64, crate::buffer::BufferMut)>, chain: &mut Chain) {
    if let Some((start, bytes)) = write {
        chain.push(Storage::Write { at: view.layout.log() + start, buffer: bytes.freeze() });
    }
}
