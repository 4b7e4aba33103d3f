//! Snapshots between replicas: who tells whom which one he holds, who fetches what, and who hands it out.
//!
//! **Pull.** A replica that asks for decided values which a peer no longer holds as a log is told which snapshot stands
//! in for them, and fetches it range by range. Two replicas that stopped at one slot have the very same bytes, so it goes
//! on at whichever peer answers, and where it was after a loss, and after a restart: what has arrived stands in the
//! inactive area of its device.

use super::Slot;
use super::engine::{Engine, Role};
use super::keeper::{ReadingBack, Work};
use super::sessions::Sessions;
use super::wire::{Message, SnapshotName};
use crate::buffer::Buffer;
use crate::id::{NodeId, PeerSet};
use crate::journal::NotNow;
use crate::machine::StateMachine;
use crate::outbox::Outbox;
use crate::time::{Duration, Instant, Now};
use alloc::vec::Vec;

/// How often a silent peer is asked before all are.
const PATIENCE: u32 = 3;
/// For how many times the retransmission interval a snapshot is kept for a peer that fetched from it.
const KEPT: u64 = 8;

/// A snapshot that a peer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    from: NodeId,
    name: SnapshotName,
    digest: u64,
}

/// A snapshot on its way to this replica.
pub(crate) struct Fetching {
    name: SnapshotName,
    digest: u64,
    source: NodeId,
    /// How many bytes are written, or being written.
    received: u64,
    /// The inactive area is this transfer's.
    begun: bool,
    /// A piece is on its way to the device.
    writing: bool,
    /// When the next bytes were asked for.
    asked: Option<Instant>,
    /// How often they were asked for in vain.
    silent: u32,
}

impl Fetching {
    fn new(offer: Offer) -> Self {
        let Offer { from, name, digest } = offer;
        Fetching {
            name,
            digest,
            source: from,
            received: 0,
            begun: false,
            writing: false,
            asked: None,
            silent: 0,
        }
    }

    /// The piece on its way is written.
    pub(crate) fn written(&mut self) {
        self.writing = false;
    }
}

/// What peers ask for.
#[derive(Default)]
pub(crate) struct Serving {
    /// Who wants the bytes from where; one question for each peer.
    asked: Vec<(NodeId, u64)>,
    /// The piece that is being read for the first of them.
    reading: Option<u32>,
    /// When somebody last asked.
    last: Option<Instant>,
}

impl Serving {
    /// Whether somebody is fetching.
    pub(crate) fn is_busy(&self, now: Now, retransmit: Duration) -> bool {
        self.last.is_some_and(|last| now.monotonic < last + retransmit.times(KEPT))
    }

    /// Whether a piece is being read for somebody.
    pub(crate) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Nothing can be handed out any more.
    pub(crate) fn stop(&mut self) {
        self.asked.clear();
        self.reading = None;
    }
}

/// Handing out.
impl Engine {
    /// Tells `to` which snapshot stands in for what it asked for; if there is none yet, one is going to be taken.
    pub(crate) fn offer_snapshot(&mut self, to: NodeId, least: Slot, out: &mut Outbox) {
        match &self.keeper.held {
            Some(held) if held.name.slot >= least => {
                let (name, digest, decided) = (held.name, held.digest, self.log.decided());
                self.send(PeerSet::one(to), &Message::Snapshot { name, digest, decided }, out);
            }
            _ => self.keeper.want(least.min(self.applied)),
        }
    }

    /// A peer wants bytes of a snapshot.
    pub(crate) fn on_fetch(
        &mut self,
        now: Now,
        from: NodeId,
        name: SnapshotName,
        offset: u64,
        out: &mut Outbox,
    ) {
        let Some(held) = &self.keeper.held else { return };
        if held.name != name {
            return self.offer_snapshot(from, Slot(0), out);
        }
        let serving = &mut self.keeper.serving;
        serving.last = Some(now.monotonic);
        let place = serving.asked.iter().position(|(peer, _)| *peer == from);
        match place {
            // The first question is being answered; the same peer's next one follows it.
            Some(place) if place > 0 || serving.reading.is_none() => serving.asked[place].1 = offset,
            Some(_) => {}
            None => serving.asked.push((from, offset)),
        }
    }

    /// Reads the next piece that somebody waits for.
    pub(crate) fn serve(&mut self, out: &mut Outbox) {
        let (Some(held), None) = (&self.keeper.held, self.keeper.serving.reading) else { return };
        // The device's snapshot may have gone over to a newer one, or be read back right now.
        let counts =
            self.journal.journal().snapshot().is_some_and(|snapshot| snapshot.slot == held.name.slot.0);
        if !counts || matches!(self.keeper.work, Work::ReadingBack(_)) {
            return;
        }
        let Some(&(_, offset)) = self.keeper.serving.asked.first() else { return };
        let number = held.ends.partition_point(|end| *end <= offset) as u32 + 1;
        match self.journal.journal_mut().read_piece(number, out) {
            Ok(()) => self.keeper.serving.reading = Some(number),
            Err(NotNow::Busy) => {}
            Err(_) => self.keeper.serving.stop(),
        }
    }

    /// The piece was read: its bytes from the offset asked for leave.
    pub(crate) fn serve_piece(&mut self, number: u32, slot: Slot, payload: &Buffer, out: &mut Outbox) {
        let serving = &mut self.keeper.serving;
        if serving.reading != Some(number) {
            return;
        }
        serving.reading = None;
        if serving.asked.is_empty() {
            return;
        }
        let (to, offset) = serving.asked.remove(0);
        let Some(held) = self.keeper.held.as_ref().filter(|held| held.name.slot == slot) else { return };
        let start = (number as usize).checked_sub(2).map_or(0, |before| held.ends[before]);
        let (Some(skip), name) = (offset.checked_sub(start), held.name) else { return };
        if skip >= payload.len() as u64 {
            return;
        }
        let bytes = payload.slice(skip as usize, payload.len());
        out.sometimes(true, "a replica handed out a piece of its snapshot");
        self.send(PeerSet::one(to), &Message::Piece { name, offset, bytes }, out);
    }
}

/// Fetching.
impl Engine {
    /// A peer holds a snapshot that stands in for what this replica asked for.
    pub(crate) fn on_snapshot(
        &mut self,
        now: Now,
        from: NodeId,
        name: SnapshotName,
        digest: u64,
        decided: Slot,
        out: &mut Outbox,
    ) {
        self.note_commit(now, from, decided, out);
        if self.is_useful(name) {
            // Who lacks what others have forgotten can decide nothing there.
            if matches!(self.role, Role::Leader(_)) {
                self.step_down(now, out);
            }
            self.keeper.offer = Some(Offer { from, name, digest });
        }
    }

    /// Whether it would bring this replica further: past what it knows to be decided, or to a state if it has none.
    fn is_useful(&self, name: SnapshotName) -> bool {
        if self.ready {
            name.slot > self.log.decided()
        } else {
            name.slot >= self.keeper.durable && name.slot > Slot(0)
        }
    }

    /// Takes up what a peer offers, unless something better is under way.
    pub(crate) fn take_offer<M: StateMachine>(
        &mut self,
        work: Work,
        machine: &mut M,
        sessions: &mut Sessions,
    ) -> Work {
        let Some(offer) = self.keeper.offer.take() else { return work };
        match work {
            Work::Idle => Work::Fetching(Fetching::new(offer)),
            // What is being written would be behind what is offered.
            Work::Taking(taking) => {
                self.journal.journal_mut().abandon_snapshot();
                taking.abandon(machine, sessions);
                Work::Fetching(Fetching::new(offer))
            }
            Work::Fetching(mut fetching) if fetching.name == offer.name => {
                if fetching.silent > 0 || fetching.source == offer.from {
                    fetching.source = offer.from;
                    fetching.asked = None;
                }
                Work::Fetching(fetching)
            }
            // The source has gone over to a newer one, or is silent.
            Work::Fetching(fetching)
                if !fetching.writing && (fetching.source == offer.from || fetching.silent >= PATIENCE) =>
            {
                self.journal.journal_mut().abandon_snapshot();
                Work::Fetching(Fetching::new(offer))
            }
            work => work,
        }
    }

    /// Bytes of a snapshot arrive.
    pub(crate) fn on_piece(&mut self, name: SnapshotName, offset: u64, bytes: &Buffer, out: &mut Outbox) {
        let Work::Fetching(fetching) = &mut self.keeper.work else { return };
        if fetching.name != name || fetching.received != offset || !fetching.begun || fetching.writing {
            return;
        }
        let room = self.journal.journal().piece_room().min(self.config.piece_bytes as usize);
        let length = bytes.len().min(room);
        let end = offset + length as u64;
        if length == 0 {
            out.sometimes(true, "a peer's snapshot did not fit this device");
            self.journal.journal_mut().abandon_snapshot();
            self.keeper.work = Work::Idle;
            return;
        }
        if self.journal.journal_mut().write_piece(&[&bytes[..length]], end == name.bytes, out).is_ok() {
            fetching.received = end;
            fetching.writing = true;
            fetching.asked = None;
            fetching.silent = 0;
        }
    }

    /// Asks for the next bytes, or reads back what came if that is all.
    pub(crate) fn go_on_fetching<M: StateMachine>(
        &mut self,
        now: Now,
        mut fetching: Fetching,
        machine: &mut M,
        sessions: &mut Sessions,
        out: &mut Outbox,
    ) -> Work {
        let name = fetching.name;
        if fetching.writing {
            return Work::Fetching(fetching);
        }
        if !self.is_useful(name) {
            // What it stands in for came as a log after all.
            self.journal.journal_mut().abandon_snapshot();
            return Work::Idle;
        }
        if !fetching.begun {
            match self.begin_fetching(name, out) {
                Ok(received) => (fetching.received, fetching.begun) = (received, true),
                Err(NotNow::Busy) => return Work::Fetching(fetching),
                Err(_) => return Work::Idle,
            }
        }
        if fetching.received == name.bytes {
            let pieces = self.journal.journal().draft().map_or(0, |draft| draft.pieces);
            let fetched = Some((name, fetching.digest));
            return Work::ReadingBack(ReadingBack::new(fetched, pieces, machine, sessions));
        }
        if fetching.asked.is_none() {
            fetching.asked = Some(now.monotonic);
            let offset = fetching.received;
            self.send(PeerSet::one(fetching.source), &Message::Fetch { name, offset }, out);
        }
        Work::Fetching(fetching)
    }

    /// Makes the inactive area this transfer's, and says how far a former life had come with the same snapshot. Whether it
    /// was the very same shows when all is read back.
    fn begin_fetching(&mut self, name: SnapshotName, out: &mut Outbox) -> Result<u64, NotNow> {
        let found = self.journal.journal().partial().filter(|found| {
            let whole = found.bytes == name.bytes;
            found.slot == name.slot.0 && found.bytes <= name.bytes && found.complete == whole
        });
        if found.is_some()
            && let Some(found) = self.journal.journal_mut().resume_snapshot()
        {
            out.sometimes(true, "a transfer went on where a former life had stopped");
            return Ok(found.bytes);
        }
        self.journal.journal_mut().begin_snapshot(name.slot.0, self.address.epoch)?;
        Ok(0)
    }

    /// When something has to be done that no message or completion may bring about; `set` is what was said before.
    pub(crate) fn transfer_deadline(&self, now: Now, set: Option<Instant>) -> Option<Instant> {
        let soon = || set.unwrap_or(now.monotonic + self.config.retransmit);
        match &self.keeper.work {
            Work::Fetching(fetching) if fetching.writing => None,
            Work::Fetching(Fetching { asked: Some(asked), .. }) => Some(*asked + self.config.retransmit),
            Work::Fetching(_) => Some(soon()),
            Work::Idle if !self.ready => Some(soon()),
            _ => None,
        }
    }

    /// A peer is silent, or there is no state and nobody was asked yet.
    pub(crate) fn transfer_is_late(&mut self, now: Now, out: &mut Outbox) {
        let retransmit = self.config.retransmit;
        let ask_all = match &mut self.keeper.work {
            Work::Fetching(fetching) => {
                let late = fetching.asked.is_some_and(|asked| asked + retransmit <= now.monotonic);
                if late {
                    fetching.asked = None;
                    fetching.silent += 1;
                }
                late && fetching.silent >= PATIENCE
            }
            Work::Idle => !self.ready,
            _ => false,
        };
        if ask_all {
            self.ask_for_snapshot(out);
        }
    }

    fn ask_for_snapshot(&self, out: &mut Outbox) {
        self.send(self.config.peers(self.me), &self.catch_up(), out);
    }

    /// What this replica lacks: decided values, or a state that its log begins behind.
    pub(crate) fn catch_up(&self) -> Message {
        let from = if self.ready { self.log.decided() } else { self.log.first() };
        Message::CatchUp { from, stateless: !self.ready }
    }
}
