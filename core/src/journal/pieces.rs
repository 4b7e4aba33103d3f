//! Snapshots on the device: pieces in the inactive area, durable before the metadata refers to them.

use super::frame::{self, HEADER, Header, Kind, LAST, PIECE, PIECE_IN_B, VERSION};
use super::layout::{Identity, Layout};
use super::metadata::{Metadata, Snapshot};
use super::writer::{Happened, InFlight, Journal, NotNow, ended, failed};
use crate::id::OperationId;
use crate::outbox::Outbox;
use crate::storage::{Completion, Durability, Failure, Range};
use alloc::vec::Vec;

/// One piece in its area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its offset in the area.
    offset: u64,
    /// Header and payload, in bytes.
    length: u32,
    checksum: u64,
}

/// A snapshot that is not complete yet, or to which no metadata refers yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    area: u8,
    slot: u64,
    epoch: u32,
    pieces: Vec<Piece>,
    /// Where the next piece goes, in bytes from the area's beginning.
    pub(super) end: u64,
    /// The last piece is there.
    complete: bool,
}

/// Pieces of a snapshot to which no metadata refers: a transfer that was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// The snapshot's slot.
    pub slot: u64,
    /// How many pieces are there, from the first on.
    pub pieces: u32,
    /// How many bytes their payloads have together.
    pub bytes: u64,
    /// The last of them is the snapshot's last.
    pub complete: bool,
}

struct Read {
    op: OperationId,
    number: u32,
    slot: u64,
    checksum: u64,
}

/// What the journal knows about pieces.
#[derive(Default)]
pub(super) struct Pieces {
    /// Of the snapshot that counts.
    whole: Vec<Piece>,
    draft: Option<Draft>,
    found: Option<Draft>,
    writes: Vec<(u32, InFlight)>,
    reads: Vec<Read>,
    sync: Option<(OperationId, Snapshot)>,
}

impl Pieces {
    pub(super) fn recovered(whole: Vec<Piece>, found: Option<Draft>) -> Self {
        Pieces { whole, found, ..Pieces::default() }
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.writes.len() as u32 + self.reads.len() as u32 + u32::from(self.sync.is_some())
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.writes.iter().any(|(_, write)| write.waiting)
    }
}

impl Draft {
    pub(super) fn partial(&self) -> Partial {
        let bytes = self.pieces.iter().map(|piece| u64::from(piece.length) - HEADER as u64).sum();
        Partial { slot: self.slot, pieces: self.pieces.len() as u32, bytes, complete: self.complete }
    }
}

/// The position that a piece carries: no record of the log can have it.
fn position(area: u8, offset: u64) -> u64 {
    PIECE | if area == 1 { PIECE_IN_B } else { 0 } | offset
}

/// The pieces that chain from the beginning of an area, of which `bytes` were read. The flag says that more bytes are
/// needed to tell whether there are more pieces.
pub(super) fn chain(
    identity: &Identity,
    layout: &Layout,
    area: u8,
    bytes: &[u8],
    bad: &[Range],
) -> (Draft, bool) {
    let mut draft = Draft { area, slot: 0, epoch: 0, pieces: Vec::new(), end: 0, complete: false };
    let at = layout.snapshot(area.into());
    let mut more = false;
    while !draft.complete && draft.end + HEADER as u64 <= layout.area {
        let rest = bytes.get(draft.end as usize..).unwrap_or_default();
        let reach = if rest.len() >= 20 {
            u32::from_le_bytes(rest[16..20].try_into().expect("four bytes"))
        } else {
            0
        };
        let room = layout.area - draft.end;
        if rest.len() < HEADER
            || (frame::begins(rest) && rest.len() < reach as usize && u64::from(reach) <= room)
        {
            more = (bytes.len() as u64) < layout.area;
            break;
        }
        let Ok(found) = frame::decode(identity.serial, rest) else { break };
        let header = found.header;
        let previous = draft.pieces.last().map_or(0, |piece| piece.checksum);
        let range = Range { at: at + draft.end, length: header.length.into() };
        let follows = header.version == VERSION
            && header.kind == Kind::Piece as u8
            && (header.cluster, header.group) == (identity.cluster, identity.group)
            && header.number == draft.pieces.len() as u64 + 1
            && header.position == position(area, draft.end)
            && header.previous == previous
            && (draft.pieces.is_empty() || header.slot == draft.slot)
            && !super::decide::overlaps(bad, range);
        if !follows {
            break;
        }
        (draft.slot, draft.epoch) = (header.slot, header.epoch);
        draft.complete = header.flags & LAST != 0;
        let (offset, length, checksum) = (draft.end, header.length, found.checksum);
        draft.pieces.push(Piece { offset, length, checksum });
        draft.end = layout.padded(draft.end + u64::from(header.length));
    }
    (draft, more)
}

/// The pieces of the snapshot that the metadata refers to, if they are all there.
pub(super) fn whole(snapshot: &Snapshot, draft: Draft) -> Option<Vec<Piece>> {
    let last = draft.pieces.last().map_or(0, |piece| piece.checksum);
    let matches = draft.complete
        && draft.slot == snapshot.slot
        && draft.pieces.len() as u64 == u64::from(snapshot.pieces)
        && draft.end == snapshot.bytes
        && last == snapshot.checksum;
    matches.then_some(draft.pieces)
}

impl Draft {
    pub(super) fn slot(&self) -> u64 {
        self.slot
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

impl Journal {
    /// The snapshot that counts.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.metadata.snapshot.as_ref()
    }

    /// Begins a snapshot at `slot` in the inactive area, in the place of one that recovery may have found there.
    ///
    /// # Errors
    /// [`NotNow::Busy`] while another one is being written, or an update that may refer to the area is in flight;
    /// [`NotNow::TooLarge`] if the journal has no areas.
    pub fn begin_snapshot(&mut self, slot: u64, epoch: u32) -> Result<(), NotNow> {
        if self.layout.area < HEADER as u64 {
            return Err(NotNow::TooLarge);
        }
        let busy = !self.pieces.writes.is_empty() || self.pieces.sync.is_some() || self.is_updating();
        if busy || self.pieces.draft.is_some() {
            return Err(NotNow::Busy);
        }
        self.pieces.found = None;
        let area = self.metadata.snapshot.map_or(0, |snapshot| 1 - snapshot.area);
        self.pieces.draft = Some(Draft { area, slot, epoch, pieces: Vec::new(), end: 0, complete: false });
        Ok(())
    }

    /// What recovery found of a snapshot to which no metadata refers.
    pub fn partial(&self) -> Option<Partial> {
        self.pieces.found.as_ref().map(Draft::partial)
    }

    /// Goes on with the snapshot that recovery found: [`write_piece`](Self::write_piece) continues behind its pieces.
    pub fn resume_snapshot(&mut self) -> Option<Partial> {
        if self.pieces.draft.is_some() {
            return None;
        }
        self.pieces.draft = self.pieces.found.take();
        self.pieces.draft.as_ref().map(Draft::partial)
    }

    /// How many bytes of payload the next piece may have; 0 if no snapshot was begun, or its area is full.
    pub fn piece_room(&self) -> usize {
        let open = self.pieces.draft.as_ref().filter(|draft| !draft.complete);
        open.map_or(0, |draft| (self.layout.area - draft.end).saturating_sub(HEADER as u64) as usize)
    }

    /// Writes the next piece, not durably. Its number, from 1, comes back in [`Happened::PieceWritten`].
    ///
    /// # Errors
    /// [`NotNow`]: the queue is full, the area has no room, or no snapshot was begun (or its last piece was written).
    pub fn write_piece(&mut self, parts: &[&[u8]], last: bool, out: &mut Outbox) -> Result<u32, NotNow> {
        if !self.may_submit(2) || self.pieces.is_stuck() {
            return Err(NotNow::Busy);
        }
        let length = HEADER + parts.iter().map(|part| part.len()).sum::<usize>();
        let Some(draft) = self.pieces.draft.as_mut().filter(|draft| !draft.complete) else {
            return Err(NotNow::Nothing);
        };
        if length as u64 > self.layout.area - draft.end {
            return Err(NotNow::TooLarge);
        }
        let number = draft.pieces.len() as u32 + 1;
        let header = Header {
            version: VERSION,
            kind: Kind::Piece as u8,
            flags: if last { LAST } else { 0 },
            length: length as u32,
            group: self.identity.group,
            cluster: self.identity.cluster,
            slot: draft.slot,
            ballot: 0,
            epoch: draft.epoch,
            incarnation: self.writer,
            number: number.into(),
            position: position(draft.area, draft.end),
            previous: draft.pieces.last().map_or(0, |piece| piece.checksum),
            mark: 0,
            decided: 0,
        };
        let mut bytes = out.buffer();
        bytes.resize(HEADER, 0);
        header.put(&mut bytes);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        let checksum = frame::seal(self.identity.serial, &mut bytes, length as u32);
        let padded = self.layout.padded(length as u64);
        bytes.resize(padded as usize, 0);
        let (at, buffer) = (self.layout.snapshot(draft.area.into()) + draft.end, bytes.freeze());
        draft.pieces.push(Piece { offset: draft.end, length: length as u32, checksum });
        draft.end += padded;
        draft.complete = last;
        let op = self.write(at, &buffer, Durability::Visible, out);
        self.pieces.writes.push((number, InFlight { op, at, buffer, waiting: false }));
        Ok(number)
    }

    /// Makes the pieces durable when the last one was written: one sync, then [`Happened::SnapshotDurable`] brings the
    /// reference that a [`checkpoint`](Self::checkpoint) makes count. `digest` is the owner's.
    ///
    /// # Errors
    /// [`NotNow::Busy`] while pieces are in flight; [`NotNow::Nothing`] before the last piece.
    pub fn finish_snapshot(&mut self, digest: u64, out: &mut Outbox) -> Result<(), NotNow> {
        let Some(draft) = self.pieces.draft.as_ref().filter(|draft| draft.complete) else {
            return Err(NotNow::Nothing);
        };
        if !self.pieces.writes.is_empty() || self.pieces.sync.is_some() || !self.may_submit(1) {
            return Err(NotNow::Busy);
        }
        let snapshot = Snapshot {
            area: draft.area,
            slot: draft.slot,
            pieces: draft.pieces.len() as u32,
            bytes: draft.end,
            checksum: draft.pieces.last().map_or(0, |piece| piece.checksum),
            digest,
        };
        let op = self.next_operation();
        let chain = out.chain();
        out.submit(op, self.device, chain, Durability::Durable);
        self.pieces.sync = Some((op, snapshot));
        Ok(())
    }

    /// Forgets the snapshot that is being written. Its pieces are never referred to.
    pub fn abandon_snapshot(&mut self) {
        self.pieces.draft = None;
    }

    /// Reads one piece of the snapshot that counts; `number` is from 1. [`Happened::Piece`] brings it.
    ///
    /// # Errors
    /// [`NotNow::Nothing`] without such a piece, [`NotNow::Busy`] if the queue is full.
    pub fn read_piece(&mut self, number: u32, out: &mut Outbox) -> Result<(), NotNow> {
        let index = (number as usize).checked_sub(1).ok_or(NotNow::Nothing)?;
        let snapshot = self.metadata.snapshot.ok_or(NotNow::Nothing)?;
        let piece = *self.pieces.whole.get(index).ok_or(NotNow::Nothing)?;
        self.read(number, snapshot.area, snapshot.slot, piece, out)
    }

    /// What was written so far of the snapshot that is being written.
    pub fn draft(&self) -> Option<Partial> {
        self.pieces.draft.as_ref().map(Draft::partial)
    }

    /// Reads one piece of the snapshot that is being written, once it was written; `number` is from 1.
    /// [`Happened::Piece`] brings it, with the draft's slot.
    ///
    /// # Errors
    /// As [`read_piece`](Self::read_piece); [`NotNow::Busy`] too while the piece is still in flight.
    pub fn read_draft(&mut self, number: u32, out: &mut Outbox) -> Result<(), NotNow> {
        let index = (number as usize).checked_sub(1).ok_or(NotNow::Nothing)?;
        let draft = self.pieces.draft.as_ref().ok_or(NotNow::Nothing)?;
        let piece = *draft.pieces.get(index).ok_or(NotNow::Nothing)?;
        if self.pieces.writes.iter().any(|(in_flight, _)| *in_flight == number) {
            return Err(NotNow::Busy);
        }
        let (area, slot) = (draft.area, draft.slot);
        self.read(number, area, slot, piece, out)
    }

    fn read(
        &mut self,
        number: u32,
        area: u8,
        slot: u64,
        piece: Piece,
        out: &mut Outbox,
    ) -> Result<(), NotNow> {
        if !self.may_submit(2) {
            return Err(NotNow::Busy);
        }
        let op = self.next_operation();
        let at = self.layout.snapshot(area.into()) + piece.offset;
        let length = self.layout.padded(piece.length.into());
        out.read(op, self.device, Range { at, length });
        self.pieces.reads.push(Read { op, number, slot, checksum: piece.checksum });
        Ok(())
    }

    /// The metadata counts from now on, and with it perhaps the snapshot that was written last.
    pub(super) fn act_on_snapshot(&mut self, metadata: &Metadata) {
        let Some(snapshot) = metadata.snapshot.filter(|new| Some(*new) != self.metadata.snapshot) else {
            return;
        };
        self.pieces.whole.clear();
        if let Some(draft) =
            self.pieces.draft.take_if(|draft| (draft.area, draft.slot) == (snapshot.area, snapshot.slot))
        {
            self.pieces.whole = draft.pieces;
        }
    }

    pub(super) fn retry_pieces(&mut self, out: &mut Outbox) {
        let mut writes = core::mem::take(&mut self.pieces.writes);
        for (_, write) in &mut writes {
            self.write_again(write, Durability::Visible, out);
        }
        self.pieces.writes = writes;
    }

    pub(super) fn piece_completed(
        &mut self,
        op: OperationId,
        result: Completion,
        out: &mut Outbox,
    ) -> Happened {
        if let Some(index) = self.pieces.writes.iter().position(|(_, write)| write.op == op) {
            return match ended(&result) {
                Ok(()) => {
                    let (number, write) = self.pieces.writes.swap_remove(index);
                    out.pool().recycle(write.buffer);
                    Happened::PieceWritten(number)
                }
                Err(failure) => {
                    self.pieces.writes[index].1.waiting = true;
                    failed(failure)
                }
            };
        }
        if let Some((_, snapshot)) = self.pieces.sync.take_if(|(sync, _)| *sync == op) {
            return match ended(&result) {
                Ok(()) => Happened::SnapshotDurable(snapshot),
                // A sync has nothing to retry.
                Err(failure) => Happened::Dead(failure),
            };
        }
        let Some(index) = self.pieces.reads.iter().position(|read| read.op == op) else {
            return Happened::NotOurs;
        };
        let read = self.pieces.reads.swap_remove(index);
        match result {
            Completion::Data(bytes) => {
                let found = frame::decode(self.identity.serial, &bytes);
                match found.ok().filter(|found| found.checksum == read.checksum) {
                    Some(found) => {
                        let end = found.header.length as usize;
                        Happened::Piece {
                            number: read.number,
                            slot: read.slot,
                            payload: bytes.slice(HEADER, end),
                        }
                    }
                    None => Happened::PieceUnreadable(read.number),
                }
            }
            Completion::Failed(Failure::Media) => Happened::PieceUnreadable(read.number),
            Completion::Failed(failure) => Happened::Dead(failure),
            _ => Happened::Dead(Failure::Device),
        }
    }
}
