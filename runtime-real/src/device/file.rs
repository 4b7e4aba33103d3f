//! A device on a file or a block device, through the ring.
//!
//! What is to be done in which order is [`block::Lowering`](seedfast_core::block)'s; this file hands it to the kernel.
//! Bytes are copied once, into a block that begins on a page: direct writes want that, and the kernel knows the pool of
//! blocks in advance.

use super::forced::Forced;
use super::quicker::{Quicker, Way};
use super::{Means, failure, forced, open_alone};
use crate::files::Known;
use crate::machine::{Machine, Owner};
use crate::options::Durably;
use crate::sys_memory::{BLOCK, Block, PAGE};
use crate::sys_os;
use crate::sys_ring::{Event, Request, Synced};
use seedfast_core::block::{Action, Lowering, Wrote};
use seedfast_core::buffer::Buffer;
use seedfast_core::id::OperationId;
use seedfast_core::input::Input;
use seedfast_core::outbox::Outbox;
use seedfast_core::runtime::{Error, remember};
use seedfast_core::storage::{Chain, Completion, Durability, Failure, Geometry, Media, Range, Step};
use seedfast_core::time::Instant;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A long read goes in pieces of this length, in bytes.
const PIECE: u64 = 1 << 20;
/// A read that is interrupted is tried so often.
const PATIENCE: u32 = 100;

pub(super) struct FileDevice {
    machine: Rc<Machine>,
    shared: Rc<Shared>,
}

struct Shared {
    file: Rc<Known<File>>,
    geometry: Geometry,
    means: Means,
    state: RefCell<State>,
    #[cfg(test)]
    refusals: RefCell<Vec<(super::refusals::Refused, i32)>>,
    /// How each write was to be made durable, in order.
    #[cfg(test)]
    asked: RefCell<Vec<Synced>>,
}

#[derive(Default)]
struct State {
    jobs: Vec<Option<Job>>,
    free: Vec<u32>,
    completed: VecDeque<Input>,
    spent: Vec<Chain>,
    waker: Option<Waker>,
    /// A sync failed: what it should have made durable may be lost for good, and no later one may pretend otherwise.
    failed: bool,
    /// Writes that ended without a sync of their own, and how many of them a sync has covered since.
    visible: u64,
    covered: u64,
    quicker: Quicker,
}

enum Job {
    Chain {
        op: OperationId,
        chain: Chain,
        lowering: Lowering,
        /// What of [`State::visible`] the sync in flight covers.
        covers: u64,
        /// When its latest write began, and on which way, if that was to be chosen.
        chosen: Option<(Way, Instant)>,
    },
    Read {
        op: OperationId,
        range: Range,
        bytes: Vec<u8>,
        tries: u32,
    },
}

impl FileDevice {
    pub(super) fn open(machine: &Rc<Machine>, name: &str) -> Result<Self, Error> {
        let (file, length, direct) = open_alone(name, machine.options.direct)?;
        let told = if direct { sys_os::direct_alignment(&file) } else { None };
        // A file system that does not say gets whole pages, which every device takes.
        let alignment = match told {
            _ if !direct => 512,
            Some((offsets, memory)) if memory as usize <= PAGE => offsets.max(512),
            Some(_) => {
                return Err(Error::Unsupported(format!(
                    "{name}: direct writes need memory aligned beyond a page"
                )));
            }
            None => PAGE as u32,
        };
        let capacity = length / u64::from(alignment) * u64::from(alignment);
        if capacity == 0 {
            return Err(Error::Invalid(format!("{name} is empty; create it with its capacity first")));
        }
        let geometry = Geometry { media: Media::Disk, atomic: 512, alignment, capacity };
        let linked = machine.abilities().linked_sync;
        let means = match machine.options.durably {
            Some(Durably::Through) => Means::Through,
            Some(Durably::Quicker) if linked => Means::Quicker,
            _ if !direct => Means::Buffered,
            Some(_) => Means::Direct,
            None => match forced::below(&file) {
                Forced::Yes => Means::Through,
                Forced::No if linked => Means::Quicker,
                // What becomes of the flag where nobody says what lies below is not known: a sync is asked for.
                Forced::No | Forced::Unknown => Means::Direct,
            },
        };
        let shared = Rc::new(Shared {
            file: Rc::new(machine.know(file)),
            geometry,
            means,
            state: RefCell::default(),
            #[cfg(test)]
            refusals: RefCell::default(),
            #[cfg(test)]
            asked: RefCell::default(),
        });
        Ok(FileDevice { machine: machine.clone(), shared })
    }

    pub(super) fn means(&self) -> Means {
        self.shared.means
    }

    /// The next request of that kind is answered with an error.
    #[cfg(test)]
    pub(super) fn refuse(&self, what: super::refusals::Refused, error: i32) {
        self.shared.refusals.borrow_mut().push((what, error));
    }

    #[cfg(test)]
    pub(super) fn refusals(&self) -> usize {
        self.shared.refusals.borrow().len()
    }

    /// How each write so far was to be made durable.
    #[cfg(test)]
    pub(super) fn asked(&self) -> Vec<Synced> {
        self.shared.asked.borrow().clone()
    }

    pub(super) fn geometry(&self) -> Geometry {
        self.shared.geometry
    }

    pub(super) fn queue_depth(&self) -> u32 {
        self.machine.options.queue_depth
    }

    pub(super) fn submit(&mut self, op: OperationId, chain: Chain, durability: Durability) {
        let lowering = Lowering::new(durability, self.shared.geometry.alignment);
        let mut state = self.shared.state.borrow_mut();
        let job = state.add(Job::Chain { op, chain, lowering, covers: 0, chosen: None });
        self.shared.advance(&self.machine, &mut state, job);
    }

    pub(super) fn read(&mut self, op: OperationId, range: Range) {
        let bytes = Vec::with_capacity(range.length as usize);
        let mut state = self.shared.state.borrow_mut();
        let job = state.add(Job::Read { op, range, bytes, tries: 0 });
        self.shared.read_on(&self.machine, &mut state, job);
    }

    pub(super) fn poll_completed(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<Input>,
        most: usize,
    ) -> Poll<()> {
        let mut state = self.shared.state.borrow_mut();
        if state.completed.is_empty() {
            remember(&mut state.waker, cx);
            return Poll::Pending;
        }
        let count = state.completed.len().min(most);
        into.extend(state.completed.drain(..count));
        Poll::Ready(())
    }

    pub(super) fn reclaim(&mut self, out: &mut Outbox) {
        for chain in self.shared.state.borrow_mut().spent.drain(..) {
            out.recycle_chain(chain);
        }
    }
}

impl Drop for FileDevice {
    fn drop(&mut self) {
        // What was submitted goes on, and keeps the file locked until it has ended.
        let busy = self.shared.state.borrow().jobs.iter().any(Option::is_some);
        if busy {
            let file = Rc::downgrade(&self.shared.file);
            self.machine.leaving.borrow_mut().push(file);
        }
    }
}

impl State {
    fn add(&mut self, job: Job) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.jobs.push(None);
            self.jobs.len() as u32 - 1
        });
        self.jobs[place as usize] = Some(job);
        place
    }

    fn finish(&mut self, job: u32, result: Completion) {
        self.free.push(job);
        let op = match self.jobs[job as usize].take() {
            Some(Job::Chain { op, chain, .. }) => {
                self.spent.push(chain);
                op
            }
            Some(Job::Read { op, .. }) => op,
            None => return,
        };
        self.completed.push_back(Input::Completed { op, result });
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

impl Shared {
    /// Begins whatever may begin, and finishes the job if nothing is left.
    fn advance(self: &Rc<Self>, machine: &Machine, state: &mut State, job: u32) {
        loop {
            let Some(Job::Chain { chain, lowering, covers, .. }) = &mut state.jobs[job as usize] else {
                return;
            };
            match lowering.next(chain) {
                Some(Action::Sync) if state.failed => lowering.synced(Err(Failure::Device)),
                Some(Action::Sync) => {
                    *covers = state.visible;
                    machine.submit(Request::Sync { file: self.file.clone() }, self.clone(), tag(job, 0));
                }
                Some(Action::Write { step, from, then_sync }) => {
                    let Step::Write { buffer, .. } = &chain[step] else { return };
                    let mut ring = machine.ring.borrow_mut();
                    let mut block = ring.blocks.take(buffer.len());
                    ring.blocks.bytes(&mut block)[..buffer.len()].copy_from_slice(buffer);
                    drop(ring);
                    self.write(machine, state, job, block, (step, from, then_sync));
                }
                None => {
                    if let Some(result) = lowering.completion() {
                        state.finish(job, result);
                    }
                    return;
                }
            }
        }
    }

    fn write(
        self: &Rc<Self>,
        machine: &Machine,
        state: &mut State,
        job: u32,
        block: Block,
        (step, from, then_sync): (usize, usize, bool),
    ) {
        let State { jobs, visible, covered, failed, quicker, .. } = state;
        let Some(Job::Chain { chain, covers, chosen, .. }) = &mut jobs[job as usize] else { return };
        let Step::Write { at, buffer } = &chain[step] else { return };
        *chosen = None;
        // A write that is durable by itself makes nothing else durable: only where there is nothing else.
        let alone = visible == covered;
        let sync = match self.means {
            _ if !then_sync || *failed => Synced::No,
            Means::Through if alone => Synced::Through,
            Means::Quicker if alone => {
                let way = quicker.next();
                *chosen = Some((way, machine.monotonic()));
                match way {
                    Way::Through => Synced::Through,
                    Way::Linked => Synced::Linked,
                }
            }
            _ if machine.abilities().linked_sync => Synced::Linked,
            _ => Synced::No,
        };
        *covers = *visible;
        #[cfg(test)]
        self.asked.borrow_mut().push(sync);
        let (at, to) = (at + from as u64, buffer.len());
        let request = Request::Write { file: self.file.clone(), at, block, from, to, sync };
        machine.submit(request, self.clone(), tag(job, step));
    }

    fn wrote(self: &Rc<Self>, machine: &Machine, job: u32, step: usize, event: Event) {
        let Some(Request::Write { block, from, sync, .. }) = event.request else { return };
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let Some(Job::Chain { chain, lowering, covers, chosen, .. }) = &mut state.jobs[job as usize] else {
            return;
        };
        if let Some((way, began)) = chosen.take() {
            match event.synced && event.result >= 0 {
                true => state.quicker.took(way, machine.monotonic().since(began)),
                false => state.quicker.lost(way),
            }
        }
        let mut again = None;
        if event.synced {
            let good = event.result >= 0 && !state.failed;
            state.failed |= !good;
            if good {
                state.covered = state.covered.max(*covers);
            }
            lowering.written_and_synced(if good { Ok(()) } else { Err(Failure::Device) });
        } else {
            let wrote = match event.result {
                0 => Wrote::Nothing,
                count if count > 0 => Wrote::Bytes(count as usize),
                why => match failure(-why) {
                    None => Wrote::Nothing,
                    // Whether the write failed or its sync cannot be told. Only what found no room may be made again:
                    // nothing but this write was at stake, and it is made again as a whole.
                    Some(why) if sync == Synced::Through && why != Failure::NoSpace => {
                        state.failed = true;
                        Wrote::Failed(Failure::Device)
                    }
                    Some(why) => Wrote::Failed(why),
                },
            };
            // A part of it as well: what is durable by itself would be the rest alone.
            if matches!(wrote, Wrote::Bytes(_)) {
                state.visible += 1;
            }
            again = lowering.written(chain, step, from, wrote);
        }
        match again {
            Some(Action::Write { step, from, then_sync }) if !machine.is_over() => {
                self.write(machine, state, job, block, (step, from, then_sync));
            }
            _ => machine.ring.borrow_mut().blocks.release(block),
        }
        if !machine.is_over() {
            self.advance(machine, state, job);
        }
    }

    fn synced(self: &Rc<Self>, machine: &Machine, job: u32, result: i32) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let Some(Job::Chain { lowering, covers, .. }) = &mut state.jobs[job as usize] else { return };
        let good = result >= 0 && !state.failed;
        state.failed |= !good;
        if good {
            state.covered = state.covered.max(*covers);
        }
        lowering.synced(if good { Ok(()) } else { Err(Failure::Device) });
        if !machine.is_over() {
            self.advance(machine, state, job);
        }
    }

    /// Reads the next piece, or finishes.
    fn read_on(self: &Rc<Self>, machine: &Machine, state: &mut State, job: u32) {
        let Some(Job::Read { range, bytes, .. }) = &mut state.jobs[job as usize] else { return };
        let left = range.length - bytes.len() as u64;
        if left == 0 {
            let bytes = Buffer::from(std::mem::take(bytes));
            return state.finish(job, Completion::Data(bytes));
        }
        // What came may end within a unit; direct reads begin at whole ones.
        let alignment = u64::from(self.geometry.alignment);
        let whole = bytes.len() as u64 / alignment * alignment;
        bytes.truncate(whole as usize);
        let at = range.at + whole;
        let left = range.length - whole;
        let length = if left <= BLOCK as u64 { left } else { left.min(PIECE) } as usize;
        let block = machine.ring.borrow_mut().blocks.take(length);
        let request = Request::Read { file: self.file.clone(), at, block, length };
        machine.submit(request, self.clone(), tag(job, 0));
    }

    fn have_read(self: &Rc<Self>, machine: &Machine, job: u32, event: Event) {
        let Some(Request::Read { mut block, .. }) = event.request else { return };
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let Some(Job::Read { bytes, tries, .. }) = &mut state.jobs[job as usize] else { return };
        let mut ring = machine.ring.borrow_mut();
        let failed = match event.result {
            count if count > 0 => {
                bytes.extend_from_slice(&ring.blocks.bytes(&mut block)[..count as usize]);
                None
            }
            // The file has become shorter than it was.
            0 => Some(Failure::Device),
            why => failure(-why),
        };
        *tries += 1;
        let failed = failed.or((*tries > PATIENCE && event.result <= 0).then_some(Failure::Device));
        ring.blocks.release(block);
        drop(ring);
        match failed {
            Some(why) => state.finish(job, Completion::Failed(why)),
            None if machine.is_over() => {}
            None => self.read_on(machine, state, job),
        }
    }
}

/// Which job, and which step of it.
fn tag(job: u32, step: usize) -> u64 {
    u64::from(job) << 32 | step as u64
}

impl Owner for Shared {
    fn completed(self: Rc<Self>, machine: &Rc<Machine>, event: Event) {
        #[cfg(test)]
        let event = super::refusals::answer(&mut self.refusals.borrow_mut(), event);
        let (job, step) = ((event.tag >> 32) as u32, event.tag as u32 as usize);
        match &event.request {
            Some(Request::Write { .. }) => self.wrote(machine, job, step, event),
            Some(Request::Read { .. }) => self.have_read(machine, job, event),
            _ => self.synced(machine, job, event.result),
        }
    }
}
