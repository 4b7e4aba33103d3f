//! The core's own recovery, and a whole replica of it, carried out on a medium turn by turn, without a runtime.

use super::medium::{Medium, Source};
use seedfast_core::journal::{
    Expected, Happened, Journal, Record, Recovery, Refusal, Restored, Rows, Setting, Step,
};
use seedfast_core::storage::{Chain, Durability, Failure, Step as Storage};
use seedfast_core::{Completion, DeviceId, Geometry, Incarnation, Media, OperationId, Outbox, Output, Range};
use std::collections::VecDeque;

/// How a device is read here: at any byte, so that nothing but the journal itself is judged.
pub(crate) fn geometry(source: &dyn Source) -> Geometry {
    Geometry { media: Media::Disk, atomic: 64, alignment: 1, capacity: source.length() }
}

/// Carries out what was asked of the only device. Whatever else was asked for is dropped.
pub(crate) struct Hands<M> {
    pub(crate) medium: M,
    pub(crate) out: Outbox,
    outputs: Vec<Output>,
    ended: VecDeque<(OperationId, Completion)>,
    /// Why the process ended its life.
    pub(crate) halted: Option<String>,
}

impl<M: Medium> Hands<M> {
    pub(crate) fn new(medium: M) -> Self {
        Hands { medium, out: Outbox::new(false), outputs: Vec::new(), ended: VecDeque::new(), halted: None }
    }

    /// The next operation that ended, if any is under way.
    pub(crate) fn next(&mut self) -> Option<(OperationId, Completion)> {
        self.collect();
        self.ended.pop_front()
    }

    /// Carries out what was asked for since the last time.
    pub(crate) fn collect(&mut self) {
        let mut outputs = std::mem::take(&mut self.outputs);
        self.out.swap(&mut outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Submit { op, chain, durability, .. } => {
                    let result = match self.carry_out(&chain, durability) {
                        Ok(()) => Completion::Done,
                        Err(failure) => Completion::Failed(failure),
                    };
                    self.ended.push_back((op, result));
                }
                Output::Read { op, range, .. } => {
                    let result = match self.medium.read(range) {
                        Ok(bytes) => Completion::Data(bytes.into()),
                        Err(failure) => Completion::Failed(failure),
                    };
                    self.ended.push_back((op, result));
                }
                Output::Halt { why } => self.halted = Some(String::from_utf8_lossy(&why).into_owned()),
                _ => {}
            }
        }
        self.outputs = outputs;
    }

    fn carry_out(&mut self, chain: &Chain, durability: Durability) -> Result<(), Failure> {
        for step in chain {
            match step {
                Storage::Write { at, buffer } => self.medium.write(*at, buffer)?,
                Storage::Barrier => self.medium.sync()?,
                Storage::Drain | Storage::Persist(_) => {}
            }
        }
        if durability == Durability::Durable { self.medium.sync() } else { Ok(()) }
    }

    /// Carries out everything that a journal has under way.
    ///
    /// # Errors
    /// The first failure of the medium.
    pub(crate) fn settle(&mut self, journal: &mut Journal) -> Result<Vec<Happened>, Failure> {
        let mut happened = Vec::new();
        while let Some((op, result)) = self.next() {
            match journal.completed(op, result, &mut self.out) {
                Happened::NoSpace => return Err(Failure::NoSpace),
                Happened::Dead(failure) => return Err(failure),
                other => happened.push(other),
            }
        }
        Ok(happened)
    }
}

/// What recovery made of a medium.
pub(crate) enum Outcome {
    /// The journal is there, with its repairs made.
    Recovered(Box<Journal>, Restored),
    Refused(Refusal),
    /// The medium could not be written, or not read to its end.
    Failed,
}

/// Recovers the journal of `expected` from the medium of `hands`, and hands every record to `each`.
pub(crate) fn recover<M: Medium>(
    hands: &mut Hands<M>,
    expected: Expected,
    each: &mut dyn FnMut(Record<'_>),
) -> (Rows, Outcome) {
    let setting = Setting {
        expected,
        incarnation: Incarnation(1),
        device: DeviceId(0),
        geometry: geometry(&hands.medium),
        queue_depth: 64,
    };
    let mut recovery = Recovery::begin(setting, &mut hands.out);
    while let Some((op, result)) = hands.next() {
        let step = recovery.step(op, &result, each, &mut hands.out);
        let rows = recovery.rows();
        match step {
            Step::Ignored | Step::More => {}
            Step::Recovered => {
                let (journal, restored) = recovery.finish();
                return (rows, Outcome::Recovered(Box::new(journal), restored));
            }
            Step::Refused(refusal) => return (rows, Outcome::Refused(refusal)),
            Step::Failed(_) => return (rows, Outcome::Failed),
        }
    }
    unreachable!("recovery waits for an operation that it did not begin")
}

/// Reads one piece of the snapshot that counts, from 1.
pub(crate) fn piece<M: Medium>(
    hands: &mut Hands<M>,
    journal: &mut Journal,
    number: u32,
) -> Option<seedfast_core::Buffer> {
    journal.read_piece(number, &mut hands.out).ok()?;
    let happened = hands.settle(journal).ok()?;
    happened.into_iter().find_map(|happened| match happened {
        Happened::Piece { payload, .. } => Some(payload),
        _ => None,
    })
}

/// Bytes `at..at + length`.
pub(crate) fn range(at: u64, length: u64) -> Range {
    Range { at, length }
}
