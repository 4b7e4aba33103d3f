//! One life of a journal on a recording machine: recovery first, then whatever the sequence asks for.

use super::ledger::{Demand, Found, Ledger, Outcome, Rule, Wrong, fill, wrong};
use super::machine::{Happened as Did, Machine};
use super::quick::{piece_id, setting};
use super::sequence::{Shape, What};
use seedfast_core::journal::frame::HEADER;
use seedfast_core::journal::{
    Checkpoint, Happened, Journal, Kind, Record, Recovery, Snapshot, Step as Stage,
};
use seedfast_core::{Completion, OperationId, Outbox, Output};
use seedfast_sim::draw::Draws;

/// Where a life stands.
pub(super) enum Phase {
    /// Not begun.
    None,
    Recovering(Box<Recovery>),
    Running(Box<Journal>),
    /// The device failed under it; it must do nothing more.
    Dead,
}

/// A snapshot that is being taken.
#[derive(Clone, Debug)]
struct Taking {
    slot: u64,
    digest: u64,
    pieces: Vec<u32>,
    /// How many pieces were handed over, and how many have been written.
    handed: usize,
    written: usize,
    syncing: bool,
    durable: Option<Snapshot>,
}

/// What the explorer must look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Nothing that a crash could tell from the moment before.
    Nothing,
    /// A word was stored.
    Stored,
    /// Lines were flushed: the last moment before a fence.
    Flushed,
    /// The images of a power loss are others now, or more is demanded of them.
    Changed,
    /// Only a process crash would tell it.
    Landed,
    /// Recovery has ended well.
    Recovered(Outcome),
    /// The device failed; the life has to end.
    Died,
}

/// One life.
pub(super) struct Life {
    pub(super) machine: Machine,
    pub(super) phase: Phase,
    pub(super) incarnation: u32,
    shape: Shape,
    out: Outbox,
    outputs: Vec<Output>,
    found: Found,
    taking: Option<Taking>,
    configure: Option<(u32, Vec<u8>)>,
    decided: u64,
    scratch: Vec<u8>,
    /// Completions handed over so far; what is drawn about a burst's end is keyed by it.
    completions: u64,
}

impl Life {
    pub(super) fn new(shape: Shape) -> Self {
        Life {
            machine: Machine::new(shape.model, super::sequence::CAPACITY as usize),
            phase: Phase::None,
            incarnation: 0,
            shape,
            out: Outbox::new(false),
            outputs: Vec::new(),
            found: Found::default(),
            taking: None,
            configure: None,
            decided: 0,
            scratch: Vec::new(),
            completions: 0,
        }
    }

    /// Forgets everything but its memory.
    pub(super) fn clear(&mut self) {
        self.machine.clear();
        (self.completions, self.decided, self.incarnation) = (0, 0, 0);
        self.phase = Phase::None;
    }

    /// A new life begins on what the machine holds.
    pub(super) fn start(&mut self, incarnation: u32) {
        self.incarnation = incarnation;
        self.taking = None;
        self.configure = None;
        self.found.clear();
        let recovery = Recovery::begin(setting(&self.shape, incarnation), &mut self.out);
        self.phase = Phase::Recovering(Box::new(recovery));
        self.carry_out();
    }

    /// Hands what the outbox holds to the machine.
    fn carry_out(&mut self) {
        self.out.swap(&mut self.outputs);
        for output in self.outputs.drain(..) {
            match output {
                Output::Submit { op, chain, durability, .. } => self.machine.submit(op, chain, durability),
                Output::Read { op, range, .. } => self.machine.read(op, range),
                _ => {}
            }
        }
    }

    fn journal(&mut self) -> Option<&mut Journal> {
        match &mut self.phase {
            Phase::Running(journal) => Some(journal),
            _ => None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running(_))
    }

    /// Whether the log has no room, so that nothing more need become durable.
    pub(super) fn is_full(&self) -> bool {
        matches!(&self.phase, Phase::Running(journal) if !journal.has_room(0))
    }

    /// A record joins the next group, if there is room for it.
    pub(super) fn append(
        &mut self,
        ledger: &mut Ledger,
        what: What,
        (slot, ballot, epoch): (u64, u64, u32),
        bytes: u32,
        id: u64,
    ) -> Result<(), Wrong> {
        let mut value = std::mem::take(&mut self.scratch);
        fill(id, bytes as usize, &mut value);
        let name = id.to_le_bytes();
        let (kind, parts): (Kind, &[&[u8]]) = match what {
            What::Promise => (Kind::Promise, &[]),
            What::Vote => (Kind::Vote, &[&name, &value]),
            What::Learned => (Kind::Learned, &[&name, &value]),
            What::Configuration => (Kind::Configuration, &[&value]),
        };
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let Phase::Running(journal) = &mut self.phase else { return Ok(()) };
        let may = what == What::Promise || (length <= journal.largest() && journal.has_room(length));
        if may {
            let number = journal.append(kind, slot, ballot, epoch, parts, &mut self.out);
            ledger.append(kind, (slot, ballot, epoch), parts.concat());
            if number != ledger.last() {
                return wrong(
                    Rule::GoesOn,
                    format!("record {} of this journal got the number {number}", ledger.last()),
                );
            }
        }
        self.scratch = value;
        Ok(())
    }

    /// The end of a burst.
    pub(super) fn burst(&mut self, ledger: &mut Ledger, decided: u64, even_empty: bool) -> Result<(), Wrong> {
        let decided = decided.max(self.decided);
        self.decided = decided;
        ledger.decided(decided);
        let Phase::Running(journal) = &mut self.phase else { return Ok(()) };
        // A full log makes the group wait for the next checkpoint.
        let _ = journal.commit(decided, even_empty, &mut self.out);
        journal.rest(&mut self.out);
        match journal.position() - ledger.last() {
            0 => {}
            1 => ledger.append(Kind::Note, (0, 0, 0), Vec::new()),
            more => {
                return wrong(
                    Rule::Appended,
                    format!("the journal appended {more} records of its own accord"),
                );
            }
        }
        self.carry_out();
        Ok(())
    }

    /// A snapshot begins, unless one is being taken.
    pub(super) fn snapshot(&mut self, ledger: &mut Ledger, slot: u64, pieces: &[u32], digest: u64) {
        if self.taking.is_some() {
            return;
        }
        let Some(journal) = self.journal() else { return };
        if journal.begin_snapshot(slot, 1).is_ok() {
            ledger.piece(slot, 0);
            self.taking = Some(Taking {
                slot,
                digest,
                pieces: pieces.to_vec(),
                handed: 0,
                written: 0,
                syncing: false,
                durable: None,
            });
            self.go_on(ledger);
        }
    }

    /// The metadata is to be updated.
    pub(super) fn configure(&mut self, ledger: &mut Ledger, epoch: u32, bytes: u32) {
        let mut configuration = Vec::new();
        fill(u64::from(epoch), bytes as usize, &mut configuration);
        self.configure = Some((epoch, configuration));
        self.go_on(ledger);
    }

    /// Goes on with a snapshot and a checkpoint as far as possible now.
    fn go_on(&mut self, ledger: &mut Ledger) {
        let Phase::Running(journal) = &mut self.phase else { return };
        if let Some(taking) = &mut self.taking {
            while taking.handed < taking.pieces.len() {
                let number = taking.handed as u32 + 1;
                let room = journal.piece_room();
                let wanted = taking.pieces[taking.handed] as usize;
                // The last piece must fit, whatever was asked for, and pieces stand on units.
                let length = journal.layout().padded((HEADER + wanted) as u64) as usize;
                let last = number as usize == taking.pieces.len() || length > room;
                fill(piece_id(taking.digest, number), wanted.min(room), &mut self.scratch);
                ledger.piece(taking.slot, number);
                if journal.write_piece(&[&self.scratch], last, &mut self.out).is_err() {
                    break;
                }
                taking.handed += 1;
                if last {
                    taking.pieces.truncate(taking.handed);
                }
            }
            if taking.written == taking.pieces.len() && !taking.syncing {
                taking.syncing = journal.finish_snapshot(taking.digest, &mut self.out).is_ok();
            }
        }
        let durable = self.taking.as_ref().and_then(|taking| taking.durable);
        if durable.is_some() || self.configure.is_some() {
            // A configuration may stand in a segment that is given up, so it goes into the metadata, as promises do.
            let recorded = ledger.configuration().map(|(epoch, bytes)| (epoch, bytes.to_vec()));
            let newest = self.configure.clone().max(recorded);
            let configuration = newest.as_ref().map(|(epoch, bytes)| (*epoch, &bytes[..]));
            let covered = durable.map_or(0, |snapshot| snapshot.slot);
            let promised = ledger.promised();
            let checkpoint =
                Checkpoint { promised, decided: self.decided, snapshot: durable, covered, configuration };
            if journal.checkpoint(&checkpoint, &mut self.out).is_ok() {
                ledger.checkpoint((promised, self.decided), durable.as_ref(), covered, configuration);
                self.configure = None;
                if durable.is_some() {
                    self.taking = None;
                }
            }
        }
        self.carry_out();
    }

    /// One thing happens; `None` if nothing is under way.
    pub(super) fn tick(
        &mut self,
        ledger: &mut Ledger,
        demand: &mut Demand,
        draws: Draws,
    ) -> Result<Option<Event>, Wrong> {
        let Some(did) = self.machine.step(draws) else { return Ok(None) };
        Ok(Some(match did {
            Did::Stored => Event::Stored,
            Did::Flushed => Event::Flushed,
            Did::Launched | Did::Fenced | Did::Synced => Event::Changed,
            Did::Landed => Event::Landed,
            Did::Passed => Event::Nothing,
            Did::Completed(op, completion) => self.completed(op, completion, ledger, demand, draws)?,
        }))
    }

    fn completed(
        &mut self,
        op: OperationId,
        completion: Completion,
        ledger: &mut Ledger,
        demand: &mut Demand,
        draws: Draws,
    ) -> Result<Event, Wrong> {
        self.completions += 1;
        match std::mem::replace(&mut self.phase, Phase::None) {
            Phase::Recovering(recovery) => self.recovering(recovery, op, &completion, ledger, demand),
            Phase::Running(mut journal) => {
                let happened = journal.completed(op, completion, &mut self.out);
                self.phase = Phase::Running(journal);
                self.carry_out();
                self.running(&happened, ledger, demand, draws)
            }
            other => {
                self.phase = other;
                Ok(Event::Nothing)
            }
        }
    }

    fn recovering(
        &mut self,
        mut recovery: Box<Recovery>,
        op: OperationId,
        completion: &Completion,
        ledger: &Ledger,
        demand: &Demand,
    ) -> Result<Event, Wrong> {
        let found = &mut self.found;
        let mut each = |record: Record<'_>| found.take(ledger, &record);
        let stage = recovery.step(op, completion, &mut each, &mut self.out);
        self.carry_out();
        match stage {
            Stage::Ignored | Stage::More => {
                self.phase = Phase::Recovering(recovery);
                if self.machine.is_idle() {
                    return wrong(Rule::NoFalseAlarm, "recovery waits for nothing and does not end");
                }
                Ok(Event::Nothing)
            }
            Stage::Recovered => {
                let (journal, restored) = recovery.finish();
                let outcome = ledger.judge(&self.found, &restored, demand)?;
                if journal.durable() != restored.last || journal.position() != restored.last {
                    return wrong(
                        Rule::GoesOn,
                        format!(
                            "recovered up to {}, it is durable up to {}",
                            restored.last,
                            journal.durable()
                        ),
                    );
                }
                self.decided = self.decided.max(journal.durable_decided());
                self.phase = Phase::Running(Box::new(journal));
                Ok(Event::Recovered(outcome))
            }
            Stage::Refused(refusal) => {
                wrong(Rule::NoFalseAlarm, format!("recovery refused what a crash left: {refusal}"))
            }
            Stage::Failed(_) => {
                self.phase = Phase::Dead;
                Ok(Event::Died)
            }
        }
    }

    fn running(
        &mut self,
        happened: &Happened,
        ledger: &mut Ledger,
        demand: &mut Demand,
        draws: Draws,
    ) -> Result<Event, Wrong> {
        match happened {
            Happened::Checkpointed => {
                demand.state_from = ledger.newest_state();
            }
            Happened::PieceWritten(_) => {
                if let Some(taking) = &mut self.taking {
                    taking.written += 1;
                }
            }
            Happened::SnapshotDurable(snapshot) => {
                if let Some(taking) = &mut self.taking {
                    taking.durable = Some(*snapshot);
                }
            }
            Happened::NoSpace => {
                if let Phase::Running(journal) = &mut self.phase {
                    journal.retry(&mut self.out);
                    self.carry_out();
                }
            }
            Happened::Dead(_) => {
                self.phase = Phase::Dead;
                return Ok(Event::Died);
            }
            Happened::PieceUnreadable(number) => {
                return wrong(
                    Rule::Metadata,
                    format!("piece {number} cannot be read, and nothing struck it"),
                );
            }
            Happened::NotOurs | Happened::Nothing | Happened::Durable | Happened::Piece { .. } => {}
        }
        let raised = self.acknowledge(ledger, demand)? || *happened == Happened::Checkpointed;
        self.go_on(ledger);
        if draws.part(self.completions).chance(0, 700_000) {
            self.burst(ledger, self.decided, false)?;
        }
        Ok(if raised { Event::Changed } else { Event::Nothing })
    }

    /// What the journal calls durable is acknowledged: withheld replies leave now.
    pub(super) fn acknowledge(&mut self, ledger: &Ledger, demand: &mut Demand) -> Result<bool, Wrong> {
        demand.state_to = ledger.newest_state();
        let Phase::Running(journal) = &self.phase else { return Ok(false) };
        let (durable, decided) = (journal.durable(), journal.durable_decided());
        if durable < demand.acked || durable > ledger.last() {
            return wrong(
                Rule::Acknowledged,
                format!("{durable} is durable, after {} of {} records", demand.acked, ledger.last()),
            );
        }
        let raised = durable > demand.acked || decided > demand.decided;
        demand.acked = durable;
        demand.decided = demand.decided.max(decided);
        Ok(raised)
    }
}
