//! Keeping snapshots: when one is taken, how it comes to be durable while commands go on, and how one is read back.
//!
//! One piece of work is under way at a time, because a device has one inactive area: a snapshot of this replica's own is
//! being written, one of a peer is being fetched (`transfer`), one is read back, or one that is whole is made durable and
//! referred to. Each turn does a bounded part of it.
//!
//! **Durable first.** The pieces of a snapshot are synced, then the metadata refers to them, and only when that is durable
//! too is anything forgotten or replaced. A fetched one is read back from the device before, checked against its name, and
//! decoded beside the state that stands. A crash anywhere leaves the old state or the new one (I22).

use super::Slot;
use super::engine::Engine;
use super::observe::Observation;
use super::sessions::Sessions;
use super::snapshot::{Head, Reading, Writing};
use super::timer::Timer;
use super::transfer::{Fetching, Offer, Serving};
use super::wire::SnapshotName;
use crate::buffer::Buffer;
use crate::journal::{Checkpoint, Happened, NotNow, Snapshot, SnapshotFound};
use crate::machine::StateMachine;
use crate::outbox::Outbox;
use crate::requires;
use crate::time::{Duration, Instant, Now};
use alloc::vec::Vec;

/// After a snapshot that did not fit, the next one is tried when so many slots more are applied.
const BACK_OFF: u64 = 1024;

/// The durable snapshot of this replica, when all of it was seen.
pub(crate) struct Held {
    pub(crate) name: SnapshotName,
    pub(crate) digest: u64,
    /// Where each of its pieces ends, in bytes of the snapshot.
    pub(crate) ends: Vec<u64>,
}

/// A snapshot of this replica's own being written.
pub(crate) struct Taking {
    writing: Writing,
    /// Bytes that did not leave yet.
    staged: Vec<u8>,
    ends: Vec<u64>,
    /// A piece is on its way to the device.
    in_flight: bool,
}

/// A snapshot that is read from this replica's own device.
pub(crate) struct ReadingBack {
    /// It was fetched, under this name and with this digest, and nothing refers to it yet; otherwise it is the one that
    /// counts, and this life begins with its state.
    fetched: Option<(SnapshotName, u64)>,
    reading: Reading,
    /// Where each piece that was read ends.
    ends: Vec<u64>,
    pieces: u32,
    waiting: bool,
    /// What came of the last read: its bytes, or nothing that can be used.
    arrived: Option<Option<Buffer>>,
}

/// A snapshot whose pieces are all written.
pub(crate) struct Referring {
    held: Held,
    /// What takes the place of the present state when it is durable.
    reading: Option<Reading>,
    step: Referral,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Referral {
    /// The pieces are to be synced.
    Sync,
    Syncing,
    /// The metadata is to refer to them.
    Refer(Snapshot),
    Updating,
    Done,
}

/// The work under way.
#[derive(Default)]
pub(crate) enum Work {
    #[default]
    Idle,
    Taking(Taking),
    Fetching(Fetching),
    ReadingBack(ReadingBack),
    Referring(Referring),
}

/// What a replica knows about snapshots.
#[derive(Default)]
pub(crate) struct Keeper {
    pub(crate) work: Work,
    pub(crate) held: Option<Held>,
    pub(crate) serving: Serving,
    /// What a peer offers and was not taken up yet.
    pub(crate) offer: Option<Offer>,
    /// The slot of the snapshot that the device's metadata refers to.
    pub(crate) durable: Slot,
    /// One of at least this slot is to be taken: a peer needs a newer one than there is, the one there is cannot be read, or
    /// an operator asked.
    wanted: Option<Slot>,
    /// The bytes of the values applied since the last one was begun.
    applied_bytes: u64,
    /// Not before this slot: the last one did not fit.
    not_before: Slot,
    /// The state of this life is to be read from so many pieces.
    state: Option<u32>,
    /// There is work for the next turn, and nothing else may bring one about.
    soon: bool,
    /// Empty: for what the next snapshot stages.
    staged: Vec<u8>,
    timer: Option<Instant>,
    /// Below this slot, the log is known to the oracles to be forgotten.
    pub(crate) trimmed: Slot,
}

impl Taking {
    /// Gives it up.
    pub(crate) fn abandon<M: StateMachine>(self, machine: &mut M, sessions: &mut Sessions) {
        self.writing.abandon(machine, sessions);
    }

    fn is_written(&self) -> bool {
        !self.in_flight && self.writing.is_done() && self.staged.is_empty()
    }
}

impl Keeper {
    /// Asks for one of at least `slot`, which is applied; one that is under way now may be older.
    pub(crate) fn want(&mut self, slot: Slot) {
        self.wanted = self.wanted.max(Some(slot));
    }

    /// Asks for one of everything below `applied`, if there is none yet: the ring is short of room.
    pub(crate) fn want_for_room(&mut self, applied: Slot) {
        if applied > self.durable {
            self.want(applied);
        }
    }

    /// A life begins with what its journal holds.
    pub(crate) fn begin(&mut self, durable: Slot, found: &SnapshotFound) {
        (self.durable, self.trimmed) = (durable, durable);
        self.state = match found {
            SnapshotFound::Whole(snapshot) => Some(snapshot.pieces),
            SnapshotFound::None | SnapshotFound::Damaged(_) => None,
        };
    }
}

/// Taking.
impl Engine {
    /// Whether a snapshot of what is applied by now is to be taken.
    pub(crate) fn snapshot_is_due(&self, now: Now) -> bool {
        let (keeper, config) = (&self.keeper, &self.config);
        let renewed = keeper.wanted.is_some() && keeper.held.is_none();
        let newer = self.applied > keeper.durable || (renewed && self.applied > Slot(0));
        if !self.ready || !newer || self.applied < keeper.not_before || !matches!(keeper.work, Work::Idle) {
            return false;
        }
        // Somebody fetches the one there is: it is kept for a while, if there is room.
        if keeper.held.is_some() && keeper.serving.is_busy(now, self.config.retransmit) && !self.is_filled(3)
        {
            return false;
        }
        // Not for every slot only because half is always in use, as with a ring of two segments.
        let (_, lap) = self.journal.journal().log_used();
        let worth_it = keeper.applied_bytes * 8 >= lap.min(config.log_bytes);
        keeper.wanted.is_some()
            || self.applied.0.is_multiple_of(config.snapshot_slots)
            || keeper.applied_bytes >= config.snapshot_bytes
            || (self.is_filled(2) && worth_it)
            || self.is_filled(3)
    }

    /// Whether so many quarters of the memory for the log, or of the journal's ring, are in use.
    fn is_filled(&self, quarters: u64) -> bool {
        let (used, lap) = self.journal.journal().log_used();
        self.log.bytes() * 4 >= self.config.log_bytes * quarters || used * 4 >= lap * quarters
    }

    /// A value of so many bytes was applied.
    pub(crate) fn note_applied(&mut self, bytes: usize) {
        self.keeper.applied_bytes += bytes as u64;
    }

    /// Freezes the state of this moment and begins to write it.
    pub(crate) fn take_snapshot<M: StateMachine>(
        &mut self,
        head: Head,
        machine: &mut M,
        sessions: &mut Sessions,
        out: &mut Outbox,
    ) {
        match self.journal.journal_mut().begin_snapshot(head.slot.0, self.address.epoch) {
            Ok(()) => {}
            Err(NotNow::Busy) => return,
            Err(_) => return self.back_off(out),
        }
        let mut staged = core::mem::take(&mut self.keeper.staged);
        let writing = Writing::begin(head, machine, sessions, &mut staged);
        self.keeper.applied_bytes = 0;
        self.keeper.work = Work::Taking(Taking { writing, staged, ends: Vec::new(), in_flight: false });
    }

    fn back_off(&mut self, out: &mut Outbox) {
        out.sometimes(true, "a snapshot did not fit its area");
        self.keeper.not_before = self.applied.plus(BACK_OFF);
    }

    /// Writes the next piece, if the one before is written.
    fn go_on_taking<M: StateMachine>(
        &mut self,
        mut taking: Taking,
        machine: &mut M,
        sessions: &mut Sessions,
        out: &mut Outbox,
    ) -> Work {
        if taking.in_flight {
            return Work::Taking(taking);
        }
        if taking.is_written() {
            self.keeper.staged = taking.staged;
            let held =
                Held { name: taking.writing.name(), digest: taking.writing.head.digest, ends: taking.ends };
            return Work::Referring(Referring { held, reading: None, step: Referral::Sync });
        }
        let room = self.journal.journal().piece_room().min(self.config.piece_bytes as usize);
        if taking.staged.len() < room {
            taking.writing.fill(machine, sessions, room, &mut taking.staged);
        }
        let done = taking.writing.is_done();
        if !done && taking.staged.len() < room / 2 {
            self.keeper.soon = true;
            return Work::Taking(taking);
        }
        let length = taking.staged.len().min(room);
        let last = done && length == taking.staged.len();
        let written = if room == 0 && !last {
            Err(NotNow::TooLarge)
        } else {
            self.journal.journal_mut().write_piece(&[&taking.staged[..length]], last, out)
        };
        match written {
            Ok(_) => {
                taking.writing.leave(&taking.staged[..length]);
                taking.staged.drain(..length);
                taking.ends.push(taking.ends.last().copied().unwrap_or(0) + length as u64);
                taking.in_flight = true;
                Work::Taking(taking)
            }
            Err(NotNow::Busy) => Work::Taking(taking),
            Err(_) => {
                self.journal.journal_mut().abandon_snapshot();
                taking.writing.abandon(machine, sessions);
                self.back_off(out);
                Work::Idle
            }
        }
    }
}

/// Reading back, and making durable.
impl Engine {
    fn go_on_reading<M: StateMachine>(
        &mut self,
        mut back: ReadingBack,
        machine: &mut M,
        sessions: &mut Sessions,
        out: &mut Outbox,
    ) -> (Work, Option<Head>) {
        if let Some(arrived) = back.arrived.take() {
            back.waiting = false;
            let taken = arrived.is_some_and(|bytes| {
                back.ends.push(back.ends.last().copied().unwrap_or(0) + bytes.len() as u64);
                back.reading.take(machine, &bytes).is_ok()
            });
            if !taken {
                return (self.cannot_read(&back, out), None);
            }
        }
        // One read at a time: what comes back does not say for whom.
        if back.waiting || self.keeper.serving.is_reading() {
            return (Work::ReadingBack(back), None);
        }
        if back.ends.len() == back.pieces as usize {
            return self.was_read(back, machine, sessions, out);
        }
        let number = back.ends.len() as u32 + 1;
        let asked = match back.fetched {
            Some(_) => self.journal.journal_mut().read_draft(number, out),
            None => self.journal.journal_mut().read_piece(number, out),
        };
        back.waiting = asked.is_ok();
        match asked {
            Ok(()) | Err(NotNow::Busy) => (Work::ReadingBack(back), None),
            Err(_) => (self.cannot_read(&back, out), None),
        }
    }

    /// All pieces were read: either this life has its state, or a fetched one may be made durable.
    fn was_read<M: StateMachine>(
        &mut self,
        back: ReadingBack,
        machine: &mut M,
        sessions: &mut Sessions,
        out: &mut Outbox,
    ) -> (Work, Option<Head>) {
        let checked = back.reading.name().zip(back.reading.check(machine).ok());
        let expected = match (&back.fetched, self.journal.journal().snapshot()) {
            (Some((name, digest)), _) => Some((name.slot, *digest, Some(*name))),
            (None, Some(counts)) => Some((Slot(counts.slot), counts.digest, None)),
            (None, None) => None,
        };
        let Some(((name, head), (slot, digest, named))) = checked.zip(expected) else {
            return (self.cannot_read(&back, out), None);
        };
        if (head.slot, head.digest) != (slot, digest) || named.is_some_and(|named| named != name) {
            return (self.cannot_read(&back, out), None);
        }
        let held = Held { name, digest, ends: back.ends };
        if back.fetched.is_some() {
            let reading = Some(back.reading);
            return (Work::Referring(Referring { held, reading, step: Referral::Sync }), None);
        }
        self.keeper.held = Some(held);
        (Work::Idle, self.install(back.reading, machine, sessions))
    }

    /// A snapshot on the device is not what it was: a fetched one is fetched anew; without the one that counts this life
    /// has no state, and gets one from a peer.
    fn cannot_read(&mut self, back: &ReadingBack, out: &mut Outbox) -> Work {
        if back.fetched.is_some() {
            out.sometimes(true, "a fetched snapshot was not what its name says");
            self.journal.journal_mut().abandon_snapshot();
        } else {
            out.sometimes(true, "a replica lost its snapshot and has to fetch one");
        }
        Work::Idle
    }

    /// State machine and sessions go over to what was read.
    fn install<M: StateMachine>(
        &mut self,
        reading: Reading,
        machine: &mut M,
        sessions: &mut Sessions,
    ) -> Option<Head> {
        let head = reading.end(machine, sessions).ok()?;
        requires!(
            "I22",
            head.slot <= self.keeper.durable,
            "what is below slot {} is installed and not durable",
            head.slot
        );
        self.ready = true;
        self.applied = head.slot;
        self.last_time = self.last_time.max(head.time);
        self.log.install(head.slot);
        Some(head)
    }

    fn go_on_referring<M: StateMachine>(
        &mut self,
        now: Now,
        mut referring: Referring,
        machine: &mut M,
        sessions: &mut Sessions,
        out: &mut Outbox,
    ) -> (Work, Option<Head>) {
        let slot = referring.held.name.slot;
        if referring.step == Referral::Sync
            && self.journal.journal_mut().finish_snapshot(referring.held.digest, out).is_ok()
        {
            referring.step = Referral::Syncing;
        }
        if let Referral::Refer(snapshot) = referring.step {
            // Of the decided prefix only this much is certain to be on the device.
            let checkpoint = Checkpoint {
                promised: self.promised.0,
                decided: slot.0,
                snapshot: Some(snapshot),
                covered: slot.0,
                configuration: None,
            };
            if self.journal.journal_mut().checkpoint(&checkpoint, out).is_ok() {
                referring.step = Referral::Updating;
            }
        }
        if referring.step != Referral::Done {
            return (Work::Referring(referring), None);
        }
        let digest = referring.held.digest;
        requires!("I22", slot >= self.keeper.durable, "the durable snapshot got older: {slot}");
        self.keeper.durable = slot;
        self.keeper.held = Some(referring.held);
        self.keeper.wanted = self.keeper.wanted.filter(|wanted| *wanted > slot);
        self.observe(out, || Observation::Snapshot { slot, digest });
        let installed = referring.reading.filter(|_| !self.ready || slot > self.applied);
        let installed = installed.and_then(|reading| {
            out.sometimes(true, "a replica installed the snapshot of a peer");
            self.step_down(now, out);
            self.install(reading, machine, sessions)
        });
        (Work::Idle, installed)
    }
}

impl ReadingBack {
    pub(crate) fn new<M: StateMachine>(
        fetched: Option<(SnapshotName, u64)>,
        pieces: u32,
        machine: &mut M,
        sessions: &Sessions,
    ) -> Self {
        let reading = Reading::begin(machine, sessions);
        ReadingBack { fetched, reading, ends: Vec::new(), pieces, waiting: false, arrived: None }
    }
}

/// One turn's work.
impl Engine {
    /// The journal did something for a snapshot.
    pub(crate) fn on_snapshot_io(&mut self, happened: Happened, out: &mut Outbox) {
        match (&mut self.keeper.work, happened) {
            (Work::Taking(taking), Happened::PieceWritten(_)) => taking.in_flight = false,
            (Work::Fetching(fetching), Happened::PieceWritten(_)) => fetching.written(),
            (Work::Referring(referring), Happened::SnapshotDurable(snapshot)) => {
                referring.step = Referral::Refer(snapshot);
            }
            (Work::Referring(referring), Happened::Checkpointed) if referring.step == Referral::Updating => {
                referring.step = Referral::Done;
            }
            (Work::ReadingBack(back), Happened::Piece { payload, .. }) if back.waiting => {
                back.arrived = Some(Some(payload));
            }
            (Work::ReadingBack(back), Happened::PieceUnreadable(_)) if back.waiting => {
                back.arrived = Some(None);
            }
            (_, Happened::Piece { number, slot, payload }) => {
                self.serve_piece(number, Slot(slot), &payload, out)
            }
            (_, Happened::PieceUnreadable(_)) => {
                out.sometimes(true, "a snapshot that was asked for could not be read");
                self.keeper.serving.stop();
                self.keeper.held = None;
                self.keeper.want(self.keeper.durable);
            }
            _ => {}
        }
    }

    /// Does a bounded part of the work under way; `Some` when state machine and sessions were replaced.
    pub(crate) fn keep<M: StateMachine>(
        &mut self,
        now: Now,
        machine: &mut M,
        sessions: &mut Sessions,
        out: &mut Outbox,
    ) -> Option<Head> {
        self.keeper.soon = false;
        if let Some(pieces) = self.keeper.state.take() {
            // This life begins with the state of the snapshot that counts.
            self.keeper.work = Work::ReadingBack(ReadingBack::new(None, pieces, machine, sessions));
        }
        let work = core::mem::take(&mut self.keeper.work);
        let work = self.take_offer(work, machine, sessions);
        let (work, installed) = match work {
            Work::Idle => (Work::Idle, None),
            Work::Taking(taking) => (self.go_on_taking(taking, machine, sessions, out), None),
            Work::Fetching(fetching) => (self.go_on_fetching(now, fetching, machine, sessions, out), None),
            Work::ReadingBack(back) => self.go_on_reading(back, machine, sessions, out),
            Work::Referring(referring) => self.go_on_referring(now, referring, machine, sessions, out),
        };
        self.keeper.work = work;
        self.serve(out);
        self.forget_behind_snapshot(out);
        self.set_timer(now, out);
        installed
    }

    /// Forgets what the durable snapshot stands in for, but for a tail from which a peer that lags a little catches up;
    /// the tail goes when memory is short.
    fn forget_behind_snapshot(&mut self, out: &mut Outbox) {
        let durable = self.keeper.durable;
        let short = self.log.bytes() * 2 >= self.config.log_bytes;
        let tail = if short { 0 } else { self.config.tail_slots };
        let below = Slot(durable.0.saturating_sub(tail));
        requires!(
            "I22",
            below <= durable,
            "slots below {below} go, and the durable snapshot ends at {durable}"
        );
        if below > self.log.first() {
            self.log.trim(below);
        }
        let first = self.log.first();
        if first > self.keeper.trimmed {
            self.keeper.trimmed = first;
            self.observe(out, || Observation::Trim { below: first });
        }
    }

    fn set_timer(&mut self, now: Now, out: &mut Outbox) {
        let set = self.keeper.timer.filter(|at| *at > now.monotonic);
        let soon = now.monotonic + Duration::from_micros(1);
        let at = if self.keeper.soon { Some(soon) } else { self.transfer_deadline(now, set) };
        if at != self.keeper.timer {
            self.keeper.timer = at;
            out.timer(Timer::Snapshot.id(), at);
        }
    }

    /// A turn comes soon, whatever else happens.
    pub(crate) fn go_on_soon(&mut self, now: Now, out: &mut Outbox) {
        self.keeper.soon = true;
        self.set_timer(now, out);
    }

    pub(crate) fn on_snapshot_timer(&mut self, now: Now, out: &mut Outbox) {
        self.keeper.timer = None;
        self.transfer_is_late(now, out);
    }
}
