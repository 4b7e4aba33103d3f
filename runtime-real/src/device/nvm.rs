//! A device of persistent memory: the shared lowering, carried out on a mapped file.

use super::{Means, failure, open_alone};
use crate::machine::Machine;
use crate::sys_nvm::Mapping;
use seedfast_core::buffer::Buffer;
use seedfast_core::id::OperationId;
use seedfast_core::input::Input;
use seedfast_core::nvm::{LINE, Lines, Lowering};
use seedfast_core::outbox::Outbox;
use seedfast_core::runtime::{Error, remember};
use seedfast_core::storage::{Chain, Completion, Durability, Failure, Geometry, Range};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Everything is carried out on the spot. On persistent memory that takes less time than a system call; in the page
/// cache the thread waits for `msync`. Completions are handed over when the other tasks of the thread have had their
/// turn: a process that answers each with the next write would otherwise never let anybody else run.
pub(super) struct NvmDevice {
    machine: Rc<Machine>,
    /// When the last submission was made: the machine's count of rounds.
    round: u64,
    /// Declared before the file: the mapping goes before the lock.
    mapping: Mapping,
    file: File,
    geometry: Geometry,
    lines: Lines,
    completed: VecDeque<Input>,
    spent: Vec<Chain>,
    waker: Option<Waker>,
}

impl NvmDevice {
    pub(super) fn open(machine: &Rc<Machine>, name: &str) -> Result<Self, Error> {
        let (file, length, _) = open_alone(name, false)?;
        let capacity = length / LINE * LINE;
        if capacity == 0 {
            return Err(Error::Invalid(format!("{name} is empty; create it with its capacity first")));
        }
        let mapping = Mapping::new(&file, capacity, name)?;
        Ok(NvmDevice {
            machine: machine.clone(),
            round: 0,
            mapping,
            file,
            geometry: Geometry::nvm(capacity),
            lines: Lines::default(),
            completed: VecDeque::new(),
            spent: Vec::new(),
            waker: None,
        })
    }

    pub(super) fn means(&self) -> Means {
        self.mapping.means()
    }

    pub(super) fn geometry(&self) -> Geometry {
        self.geometry
    }

    pub(super) fn queue_depth(&self) -> u32 {
        self.machine.options.queue_depth
    }

    fn complete(&mut self, op: OperationId, result: Completion) {
        self.round = self.machine.round();
        self.completed.push_back(Input::Completed { op, result });
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    pub(super) fn submit(&mut self, op: OperationId, chain: Chain, durability: Durability) {
        let mut lowering = Lowering::default();
        while !self.mapping.failed() {
            match lowering.next(&chain, durability, &mut self.lines) {
                Some(micro) => micro.execute(&mut self.mapping),
                None => break,
            }
        }
        self.spent.push(chain);
        let failed = self.mapping.failed();
        self.complete(op, if failed { Completion::Failed(Failure::Device) } else { Completion::Done });
    }

    /// Reads through the file, not through the mapping: both are the same memory, and a poisoned line then answers with
    /// an error instead of a signal that ends the process.
    pub(super) fn read(&mut self, op: OperationId, range: Range) {
        let mut bytes = vec![0; range.length as usize];
        let result = match self.file.read_exact_at(&mut bytes, range.at) {
            Ok(()) => Completion::Data(Buffer::from(bytes)),
            Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => Completion::Failed(Failure::Device),
            Err(why) => {
                let why = why.raw_os_error().and_then(failure);
                Completion::Failed(why.unwrap_or(Failure::Device))
            }
        };
        self.complete(op, result);
    }

    pub(super) fn poll_completed(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<Input>,
        most: usize,
    ) -> Poll<()> {
        if self.completed.is_empty() {
            remember(&mut self.waker, cx);
            return Poll::Pending;
        }
        if self.round == self.machine.round() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let count = self.completed.len().min(most);
        into.extend(self.completed.drain(..count));
        Poll::Ready(())
    }

    pub(super) fn reclaim(&mut self, out: &mut Outbox) {
        for chain in self.spent.drain(..) {
            out.recycle_chain(chain);
        }
    }
}
