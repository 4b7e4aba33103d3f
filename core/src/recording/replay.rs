//! Hands recorded turns to a new process, and compares what it asks for.

use super::{MAGIC, Record, output};
use crate::input::Input;
use crate::outbox::Outbox;
use crate::output::Output;
use crate::process::Process;
use crate::time::Now;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// A turn that was replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its number, from 1.
    pub number: u64,
    /// The clocks that it was told.
    pub now: Now,
    /// What it was told.
    pub input: Input,
    /// What it asked for here, observations left out.
    pub outputs: Vec<Output>,
}

/// A turn that asked for something else than what was recorded; or an end that is not that of the turns before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The turn as it was here.
    pub turn: Turn,
    /// How many outputs were recorded.
    pub recorded: u32,
    /// If it is the end that differs: how many turns it is marked behind, and the hash of their outputs. The turn is the
    /// last one then.
    pub end: Option<(u64, u64)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, here, recorded) = (self.turn.number, self.turn.outputs.len(), self.recorded);
        match self.end {
            Some((turns, _)) if turns != number => {
                return write!(f, "the end is marked behind turn {turns}, and {number} turns were recorded");
            }
            Some((_, hash)) => {
                return write!(
                    f,
                    "the end is marked with hash {hash:016x}, and turn {number} has another one"
                );
            }
            None => {}
        }
        write!(f, "turn {number} has {here} outputs here, and {recorded} were recorded")?;
        if here as u32 == recorded { f.write_str(", which were others") } else { Ok(()) }
    }
}

/// A process that lives a recorded life again.
pub struct Replay<P> {
    process: P,
    out: Outbox,
    spare: Vec<Output>,
    scratch: Vec<u8>,
    turn: Option<Turn>,
    /// Whether the last turn's outputs were compared.
    compared: bool,
    turns: u64,
    hash: u64,
}

impl<P: Process> Replay<P> {
    /// A replay by `process`, which was made as the recording's header says and has not started.
    pub fn new(process: P) -> Self {
        Replay {
            process,
            // State never depends on whether anyone listens.
            out: Outbox::new(false),
            spare: Vec::new(),
            scratch: Vec::new(),
            turn: None,
            compared: true,
            turns: 0,
            hash: u64::from_le_bytes(MAGIC),
        }
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// The first turn whose outputs are not those that were recorded, or an end that does not belong to the turns.
    pub fn take(&mut self, record: Record) -> Result<(), Box<Difference>> {
        match record {
            Record::Turn { now, input } => {
                self.settle()?;
                self.run(now, input);
            }
            Record::Outputs { count, hash } => {
                self.hash_outputs();
                self.compared = true;
                if self.hash != hash {
                    return Err(self.difference(count));
                }
            }
            Record::End { turns, hash, .. } => {
                self.settle()?;
                if (turns, hash) != self.so_far() {
                    let end = Some((turns, hash));
                    return Err(Box::new(Difference { end, ..*self.difference(0) }));
                }
            }
        }
        Ok(())
    }

    /// The turn that was taken last.
    pub fn turn(&self) -> Option<&Turn> {
        self.turn.as_ref()
    }

    /// How many turns were taken, and the hash of their outputs.
    pub fn so_far(&self) -> (u64, u64) {
        (self.turns, self.hash)
    }

    /// Whether the outputs of every turn were compared. Those of the last turn were not if the recording ends before it
    /// tells of them: the process was in that turn when it ended.
    pub fn compared(&self) -> bool {
        self.compared || self.is_silent()
    }

    fn is_silent(&self) -> bool {
        self.turn.as_ref().is_none_or(|turn| turn.outputs.is_empty())
    }

    /// The process.
    pub fn process(&self) -> &P {
        &self.process
    }

    fn run(&mut self, now: Now, input: Input) {
        self.turns += 1;
        let mut outputs = match self.turn.take() {
            Some(turn) => turn.outputs,
            None => Vec::new(),
        };
        outputs.clear();
        self.turn = Some(Turn { number: self.turns, now, input: input.clone(), outputs: Vec::new() });
        self.compared = false;
        self.process.turn(now, input, &mut self.out);
        self.out.swap(&mut self.spare);
        outputs.extend(self.spare.drain(..).filter(|output| !matches!(output, Output::Observe { .. })));
        if let Some(turn) = &mut self.turn {
            turn.outputs = outputs;
        }
    }

    /// The last turn had no record of its outputs: it must have had none.
    fn settle(&mut self) -> Result<(), Box<Difference>> {
        if !core::mem::replace(&mut self.compared, true) && !self.is_silent() {
            self.hash_outputs();
            return Err(self.difference(0));
        }
        Ok(())
    }

    fn hash_outputs(&mut self) {
        let outputs = self.turn.as_ref().map_or(&[][..], |turn| &turn.outputs);
        self.hash = output::hash(self.hash, outputs, &mut self.scratch);
    }

    fn difference(&self, recorded: u32) -> Box<Difference> {
        let none = || Turn { number: 0, now: Now::default(), input: Input::EndOfBurst, outputs: Vec::new() };
        Box::new(Difference { turn: self.turn.clone().unwrap_or_else(none), recorded, end: None })
    }
}
