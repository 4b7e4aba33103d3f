//! The fast way through a recovery: on the bytes of an image, every operation carried out at once, every change taken
//! back afterwards.

use super::ledger::{Demand, Found, Ledger, Outcome, Rule, Wrong, wrong};
use super::sequence::Shape;
use seedfast_core::journal::{
    Expected, Happened, Identity, Journal, Kind, Record, Recovery, Refusal, Restored, Rows, Setting,
    Standing, Step as Stage,
};
use seedfast_core::{
    ClusterId, Completion, DeviceId, Failure, GroupId, Incarnation, NodeId, OperationId, Outbox, Output,
    Range, Step,
};
use seedfast_sim::images::{hash, hash_word};
use std::collections::VecDeque;

/// Operations under way at most.
pub(super) const QUEUE_DEPTH: u32 = 8;
/// A recovery that takes more completions than this will never end.
const ENDLESS: u32 = 10_000;

/// Who the explored journals belong to; every formatting has a serial of its own.
pub(super) fn identity(seed: u64) -> Identity {
    Identity {
        cluster: ClusterId(0x5eed_fa57_0000_0000_0000_0000_0000_0001),
        group: GroupId(7),
        node: NodeId(1),
        serial: seedfast_core::random::mix(seed ^ 0x5e41_a100_0000_0000) | 1,
        standing: Standing::Founding,
    }
}

/// What a life of a journal is started with.
pub(super) fn setting(shape: &Shape, incarnation: u32) -> Setting {
    let Identity { cluster, group, node, .. } = identity(0);
    Setting {
        expected: Expected { cluster, group, node },
        incarnation: Incarnation(incarnation),
        device: DeviceId(0),
        geometry: shape.geometry(),
        queue_depth: QUEUE_DEPTH,
    }
}

/// How a recovery ended.
pub(super) enum Ended {
    /// The journal goes on.
    Recovered(Box<(Journal, Restored)>),
    /// It refused.
    Refused(Refusal),
    /// A repair failed.
    Failed(Failure),
    /// It waits for nothing, and has not ended.
    Stuck,
}

#[derive(Clone, Copy)]
struct Undo {
    at: u32,
    length: u32,
    saved: u32,
}

/// Buffers that every recovery uses again.
pub(super) struct Quick {
    out: Outbox,
    outputs: Vec<Output>,
    done: VecDeque<(OperationId, Completion)>,
    undo: Vec<Undo>,
    saved: Vec<u8>,
    difference: u128,
    found: Found,
    /// A range that answers reads with a medium error, until it is written over.
    pub(super) poison: Option<Range>,
    /// Whether the device was struck.
    pub(super) struck: bool,
    /// The rows that the last recovery met.
    pub(super) rows: Rows,
}

impl Default for Quick {
    fn default() -> Self {
        Quick {
            out: Outbox::new(false),
            outputs: Vec::new(),
            done: VecDeque::new(),
            undo: Vec::new(),
            saved: Vec::new(),
            difference: 0,
            found: Found::default(),
            poison: None,
            struck: false,
            rows: Rows::default(),
        }
    }
}

impl Quick {
    /// Recovers on `bytes` and judges what is found. The changes that recovery made stay until [`undo`](Self::undo).
    ///
    /// # Errors
    /// The rule that does not hold.
    pub(super) fn recover(
        &mut self,
        bytes: &mut [u8],
        shape: &Shape,
        incarnation: u32,
        ledger: &Ledger,
        demand: &Demand,
    ) -> Result<(Box<(Journal, Restored)>, Outcome), Wrong> {
        match self.life(bytes, shape, incarnation, ledger) {
            Ended::Recovered(recovered) => {
                let outcome = ledger.judge(&self.found, &recovered.1, demand)?;
                let (journal, restored) = &*recovered;
                if journal.durable() != restored.last || journal.position() != restored.last {
                    return wrong(
                        Rule::GoesOn,
                        format!(
                            "recovered up to {}, the journal stands at {} and is durable up to {}",
                            restored.last,
                            journal.position(),
                            journal.durable()
                        ),
                    );
                }
                Ok((recovered, outcome))
            }
            Ended::Refused(refusal) => {
                let rule = if demand.struck { Rule::Struck } else { Rule::NoFalseAlarm };
                wrong(rule, format!("recovery refused what a crash left: {refusal}"))
            }
            Ended::Failed(failure) => {
                wrong(Rule::NoFalseAlarm, format!("recovery failed with {failure:?} where nothing failed"))
            }
            Ended::Stuck => wrong(Rule::NoFalseAlarm, "recovery waits for nothing and does not end"),
        }
    }

    /// Recovers on `bytes`, judging only the records.
    pub(super) fn life(
        &mut self,
        bytes: &mut [u8],
        shape: &Shape,
        incarnation: u32,
        ledger: &Ledger,
    ) -> Ended {
        self.found.clear();
        let mut recovery = Recovery::begin(setting(shape, incarnation), &mut self.out);
        self.carry_out(bytes);
        for _ in 0..ENDLESS {
            let Some((op, completion)) = self.done.pop_front() else {
                self.rows = recovery.rows();
                return Ended::Stuck;
            };
            let found = &mut self.found;
            let mut each = |record: Record<'_>| found.take(ledger, &record);
            let stage = recovery.step(op, &completion, &mut each, &mut self.out);
            if let Completion::Data(buffer) = completion {
                self.out.pool().recycle(buffer);
            }
            match stage {
                Stage::Ignored | Stage::More => self.carry_out(bytes),
                Stage::Recovered => {
                    self.carry_out(bytes);
                    self.rows = recovery.rows();
                    return Ended::Recovered(Box::new(recovery.finish()));
                }
                Stage::Refused(refusal) => {
                    self.carry_out(bytes);
                    self.rows = recovery.rows();
                    return Ended::Refused(refusal);
                }
                Stage::Failed(failure) => {
                    self.done.clear();
                    self.rows = recovery.rows();
                    return Ended::Failed(failure);
                }
            }
        }
        self.done.clear();
        Ended::Stuck
    }

    /// The records of the last recovery and what it said of itself, judged.
    pub(super) fn verdict(
        &self,
        ledger: &Ledger,
        restored: &Restored,
        demand: &Demand,
    ) -> Result<Outcome, Wrong> {
        ledger.judge(&self.found, restored, demand)
    }

    /// Appends a promise to a recovered journal, makes it durable, recovers again, and takes all of that back.
    ///
    /// # Errors
    /// [`Rule::GoesOn`], or what the second recovery broke.
    pub(super) fn goes_on(
        &mut self,
        bytes: &mut [u8],
        shape: &Shape,
        incarnation: u32,
        ledger: &mut Ledger,
        recovered: Box<(Journal, Restored)>,
        outcome: &Outcome,
    ) -> Result<(), Wrong> {
        let (mut journal, _) = *recovered;
        let stash = ledger.branch(&ledger.exactly(outcome));
        let result = self.goes_on_branch(bytes, shape, incarnation, ledger, &mut journal, outcome);
        ledger.rejoin(stash);
        result
    }

    fn goes_on_branch(
        &mut self,
        bytes: &mut [u8],
        shape: &Shape,
        incarnation: u32,
        ledger: &mut Ledger,
        journal: &mut Journal,
        outcome: &Outcome,
    ) -> Result<(), Wrong> {
        let mut demand = ledger.exactly(outcome);
        demand.struck = self.struck;
        let ballot = ledger.promised() + 1;
        self.pieces(bytes, journal)?;
        let number = journal.append(Kind::Promise, 0, ballot, 1, &[], &mut self.out);
        if number != outcome.last + 1 {
            let last = outcome.last;
            return wrong(Rule::GoesOn, format!("behind record {last} the next one got the number {number}"));
        }
        ledger.append(Kind::Promise, (0, ballot, 1), Vec::new());
        let decided = journal.durable_decided();
        if journal.commit(decided, false, &mut self.out).is_err() {
            // A full log is no fault; a recovered one that could hold an ordinary record and says so, is.
            if journal.has_room(0) {
                return wrong(Rule::GoesOn, "it has room and is full");
            }
            return Ok(());
        }
        self.carry_out(bytes);
        while let Some((op, completion)) = self.done.pop_front() {
            journal.completed(op, completion, &mut self.out);
            self.carry_out(bytes);
        }
        if journal.durable() != number {
            let durable = journal.durable();
            return wrong(
                Rule::GoesOn,
                format!(
                    "record {number} was appended behind what was recovered, {durable} is the last durable"
                ),
            );
        }
        demand.acked = number;
        let (_, again) = self.recover(bytes, shape, incarnation + 1, ledger, &demand)?;
        if again.last != number {
            return wrong(
                Rule::GoesOn,
                format!("record {number} was the last one, and {} was recovered behind it", again.last),
            );
        }
        Ok(())
    }

    /// Reads every piece of the snapshot that counts and compares it with what was written.
    fn pieces(&mut self, bytes: &mut [u8], journal: &mut Journal) -> Result<(), Wrong> {
        let Some(snapshot) = journal.snapshot().copied() else { return Ok(()) };
        let mut expected = Vec::new();
        for number in 1..=snapshot.pieces {
            if journal.read_piece(number, &mut self.out).is_err() {
                // A struck one is not there; whether it may be missing was judged already.
                return Ok(());
            }
            self.carry_out(bytes);
            while let Some((op, completion)) = self.done.pop_front() {
                let happened = journal.completed(op, completion, &mut self.out);
                let Happened::Piece { number: found, payload, .. } = happened else {
                    return wrong(
                        Rule::Metadata,
                        format!("piece {number} of the snapshot gave {happened:?}"),
                    );
                };
                super::ledger::fill(piece_id(snapshot.digest, number), payload.len(), &mut expected);
                if found != number || expected[..] != payload[..] {
                    let slot = snapshot.slot;
                    return wrong(
                        Rule::Metadata,
                        format!("piece {number} of the snapshot at slot {slot} holds other bytes"),
                    );
                }
            }
        }
        Ok(())
    }

    /// Takes back every change since the last time.
    pub(super) fn undo(&mut self, bytes: &mut [u8]) {
        for undo in self.undo.drain(..).rev() {
            let (at, length, saved) = (undo.at as usize, undo.length as usize, undo.saved as usize);
            bytes[at..at + length].copy_from_slice(&self.saved[saved..saved + length]);
        }
        self.saved.clear();
        self.difference = 0;
    }

    /// How many writes there were since the last undo.
    pub(super) fn writes(&self) -> usize {
        self.undo.len()
    }

    /// A hash of the places written since the last undo; zero if there were none.
    pub(super) fn places(&self) -> u128 {
        let places = self.undo.iter().map(|undo| hash_word(u64::from(undo.at), u64::from(undo.length)));
        places.fold(0, |all, place| all ^ place)
    }

    /// How the hash of the bytes changed since the last undo.
    pub(super) fn difference(&self) -> u128 {
        self.difference
    }

    /// Carries out what the outbox holds.
    fn carry_out(&mut self, bytes: &mut [u8]) {
        self.out.swap(&mut self.outputs);
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Submit { op, chain, .. } => {
                    for step in &chain {
                        if let Step::Write { at, buffer } = step {
                            let (from, to) = (*at as usize, *at as usize + buffer.len());
                            let saved = self.saved.len() as u32;
                            self.saved.extend_from_slice(&bytes[from..to]);
                            self.undo.push(Undo { at: from as u32, length: buffer.len() as u32, saved });
                            self.difference ^= hash(*at, &bytes[from..to]) ^ hash(*at, buffer);
                            bytes[from..to].copy_from_slice(buffer);
                            if let Some(Range { at, length }) = self.poison
                                && from as u64 <= at
                                && at + length <= to as u64
                            {
                                self.poison = None;
                            }
                        }
                    }
                    self.out.recycle_chain(chain);
                    self.done.push_back((op, Completion::Done));
                }
                Output::Read { op, range, .. } => {
                    let (from, to) = (range.at as usize, (range.at + range.length) as usize);
                    let struck = self.poison.is_some_and(|bad| {
                        bad.at < range.at + range.length && range.at < bad.at + bad.length
                    });
                    let completion = if struck {
                        Completion::Failed(Failure::Media)
                    } else {
                        Completion::Data(self.out.pool().copy_from(&bytes[from..to]))
                    };
                    self.done.push_back((op, completion));
                }
                _ => {}
            }
        }
        self.outputs = outputs;
    }
}

/// The name from which the bytes of a snapshot's piece follow.
pub(super) fn piece_id(digest: u64, number: u32) -> u64 {
    digest << 16 | u64::from(number)
}
