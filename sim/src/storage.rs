//! Storage operations over time: how a submitted chain becomes landings, barriers and one completion.
//!
//! Writes between two barriers are launched together and land one by one, in any order, each after a time of its own.
//! A barrier (or `Persist`) waits for the writes before it, takes a time of its own and then has its effect at once.
//! The completion follows the last effect after a further delay, so that a crash can fall between the two.
//!
//! When the process dies, each write in flight lands later or vanishes, each barrier under way is carried out or
//! vanishes, by a draw of its own; steps not yet begun never are. An operation of which every step was carried out
//! still completes, towards the next life; one that lost a step never does. When power is lost, everything in flight
//! ends there; `disk.rs` says what is left of it.
//!
//! A chain for NVM is no such thing: its stores, flushes and fences are the process's own, see `execute.rs`. What fails
//! instead of having its effect, and what is damaged, is decided in `failures.rs`.

mod crash;
mod execute;
mod failures;

use crate::disk::Suspect;
use crate::draw::{Draws, Purpose};
use crate::effects::Effect;
use crate::event::Event;
use crate::scene::{Scene, Violation};
use crate::trace::encode::Carried;
use crate::trace::tag;
use crate::world::{QUEUE_DEPTH, World};
use seedfast_core::nvm::Lowering;
use seedfast_core::storage::Chain;
use seedfast_core::{Completion, Durability, Failure, Input, OperationId, Range, Step};

/// What a queued storage event does when it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Milestone {
    /// A write becomes visible.
    Landed(u16),
    /// The barrier or `Persist` at the chain's current step has its effect.
    Synced,
    /// The completion is reported.
    Reported,
    /// A read is carried out.
    Read,
    /// A chain for NVM is carried out.
    Executed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Writes are in flight, or nothing is under way yet.
    Writing,
    Syncing,
    /// Waits until no write of a former life is in flight.
    Draining,
    Reporting,
    Reading(Range),
    /// The operations of a chain for NVM are under way.
    Executing,
}

/// An operation in flight; its place in the world's list is its name, reused under another generation.
#[derive(Debug)]
pub(crate) struct Submission {
    generation: u32,
    live: bool,
    node: u8,
    device: u8,
    op: OperationId,
    chain: Chain,
    durable: bool,
    step: u16,
    outstanding: u32,
    /// The device's counter when it was submitted.
    mark: u64,
    phase: Phase,
    /// Its process is dead.
    orphan: bool,
    /// Part of it vanished: it will never complete.
    broken: bool,
    /// A step of it failed: no further one begins.
    failed: Option<Failure>,
    /// On NVM: how far it is.
    lowering: Lowering,
    /// On NVM: the write whose words are being stored.
    open: Option<execute::Open>,
    /// On NVM: a fence of it has had its effect.
    fenced: bool,
}

impl Submission {
    /// Whether a barrier of this chain has made earlier writes of it durable.
    fn has_durable(&self) -> bool {
        if self.fenced {
            return true;
        }
        let begun = &self.chain[..usize::from(self.step).min(self.chain.len())];
        let barrier = begun.iter().rposition(|step| matches!(step, Step::Barrier));
        barrier.is_some_and(|barrier| begun[..barrier].iter().any(is_write))
    }

    /// How many of its writes wait behind a step that is not done.
    fn waiting_writes(&self) -> usize {
        self.chain.iter().skip(usize::from(self.step)).filter(|step| is_write(step)).count()
    }
}

fn is_write(step: &Step) -> bool {
    matches!(step, Step::Write { buffer, .. } if !buffer.is_empty())
}

/// The parts of an operation that have draws of their own, beside its steps.
const REPORT: u64 = 1 << 32;
const READ_MIX: u64 = 2 << 32;

impl World {
    /// A process submits a chain.
    pub(crate) fn submit(
        &mut self,
        n: usize,
        op: OperationId,
        device: usize,
        chain: Chain,
        durability: Durability,
    ) {
        self.trace.submit(op, device as u8, durability, &chain);
        if let Some(s) = self.admit(n, op, device, chain) {
            self.submissions[s].durable = durability == Durability::Durable;
            if self.is_nvm(s) { self.begin_execution(s) } else { self.advance(s) }
        }
    }

    /// A process reads.
    pub(crate) fn read(&mut self, n: usize, op: OperationId, device: usize, range: Range) {
        self.trace.read(op, device as u8, range.at, range.length);
        let checked = match self.nodes[n].devices().get(device) {
            Some(device) => device.check_read(op, range),
            None => Ok(()),
        };
        if let Err(what) = checked {
            return self.misuse(n, device, &what);
        }
        if let Some(s) = self.admit(n, op, device, Chain::new()) {
            self.submissions[s].phase = Phase::Reading(range);
            let at = self.now + self.device_time(s, 0, false);
            self.schedule(s, at, Milestone::Read);
        }
    }

    fn misuse(&mut self, n: usize, device: usize, what: &str) {
        self.violate(Violation {
            invariant: "storage".into(),
            what: format!("n{n} device {device}: {what}"),
        });
    }

    fn admit(&mut self, n: usize, op: OperationId, device: usize, chain: Chain) -> Option<usize> {
        let node = &mut self.nodes[n];
        let Some(mark) = node.devices().get_mut(device).map(|device| device.mark()) else {
            self.misuse(n, device, "there is no such device");
            return None;
        };
        if let Err(what) = node.check_name(op) {
            self.misuse(n, device, &what);
            return None;
        }
        node.in_flight.push(op);
        if node.in_flight.len() > QUEUE_DEPTH as usize {
            let what = format!(
                "operation {} is one more than the {QUEUE_DEPTH} that may be in flight: wait for a `Completed` first",
                op.number
            );
            self.misuse(n, device, &what);
            return None;
        }
        let mut submission = Submission {
            generation: 0,
            live: true,
            node: n as u8,
            device: device as u8,
            op,
            chain,
            durable: false,
            step: 0,
            outstanding: 0,
            mark,
            phase: Phase::Writing,
            orphan: false,
            broken: false,
            failed: None,
            lowering: Lowering::default(),
            open: None,
            fenced: false,
        };
        Some(match self.free_submissions.pop() {
            Some(slot) => {
                submission.generation = self.submissions[slot as usize].generation + 1;
                self.submissions[slot as usize] = submission;
                slot as usize
            }
            None => {
                self.submissions.push(submission);
                self.submissions.len() - 1
            }
        })
    }

    fn release(&mut self, s: usize) {
        let submission = &mut self.submissions[s];
        submission.live = false;
        if !submission.orphan {
            let (node, op) = (&mut self.nodes[usize::from(submission.node)], submission.op);
            if let Some(index) = node.in_flight.iter().position(|other| *other == op) {
                node.in_flight.swap_remove(index);
            }
        }
        let chain = core::mem::take(&mut submission.chain);
        self.out.recycle_chain(chain);
        self.free_submissions.push(s as u32);
    }

    fn schedule(&mut self, s: usize, at: u64, milestone: Milestone) {
        let generation = self.submissions[s].generation;
        self.queue.push(at, Event::Storage { submission: s as u32, generation, milestone });
    }

    /// The draws about one part of an operation.
    fn storage_draws(&self, s: usize, purpose: Purpose, part: u64) -> Draws {
        let submission = &self.submissions[s];
        let entity = u64::from(submission.node) << 8 | u64::from(submission.device);
        operation_draws(self.draw.key(purpose, entity), submission.op).part(part)
    }

    fn device_time(&mut self, s: usize, step: u16, sync: bool) -> u64 {
        let draws = self.storage_draws(s, Purpose::Disk, u64::from(step) << 1 | u64::from(sync));
        let disk = self.nodes[usize::from(self.submissions[s].node)].disk;
        let (low, high) =
            if sync { (disk.sync_min, disk.sync_max) } else { (disk.write_min, disk.write_max) };
        let mut time = draws.between(0, low, high);
        if disk.stall != 0 && draws.chance(1, disk.stall) {
            self.effects.count(Effect::Stalled);
            time += draws.below(2, disk.stall_max) + 1;
        }
        time
    }

    /// Begins whatever the chain's next step allows.
    fn advance(&mut self, s: usize) {
        loop {
            let submission = &mut self.submissions[s];
            if submission.outstanding > 0 {
                return;
            }
            if submission.failed.is_some() {
                return self.begin_report(s);
            }
            let (n, device) = (usize::from(submission.node), usize::from(submission.device));
            match submission.chain.get(usize::from(submission.step)) {
                Some(Step::Write { .. }) => {
                    if !self.launch_writes(s) {
                        return;
                    }
                }
                Some(Step::Drain) => {
                    if self.nodes[n].devices[device].orphans() > 0 {
                        self.submissions[s].phase = Phase::Draining;
                        return;
                    }
                    submission.step += 1;
                }
                Some(Step::Persist(range)) => {
                    let range = *range;
                    let op = submission.op;
                    if let Err(what) = self.nodes[n].devices[device].check_range("persists", op, range) {
                        return self.misuse(n, device, &what);
                    }
                    return self.begin_sync(s);
                }
                Some(Step::Barrier) => return self.begin_sync(s),
                None if submission.durable => return self.begin_sync(s),
                None => return self.begin_report(s),
            }
        }
    }

    fn begin_sync(&mut self, s: usize) {
        self.submissions[s].phase = Phase::Syncing;
        let at = self.now + self.device_time(s, self.submissions[s].step, true);
        self.schedule(s, at, Milestone::Synced);
    }

    fn begin_report(&mut self, s: usize) {
        self.submissions[s].phase = Phase::Reporting;
        let most = self.nodes[usize::from(self.submissions[s].node)].disk.write_min;
        let delay = self.storage_draws(s, Purpose::Disk, REPORT).between(0, 0, most);
        self.schedule(s, self.now + delay, Milestone::Reported);
    }

    /// Launches the writes up to the next step of another kind; false if the process misused the device.
    fn launch_writes(&mut self, s: usize) -> bool {
        let behind_durable = self.submissions[s].has_durable();
        loop {
            let submission = &mut self.submissions[s];
            let (n, d, step) =
                (usize::from(submission.node), usize::from(submission.device), submission.step);
            let Some(Step::Write { at, buffer }) = submission.chain.get(usize::from(step)) else {
                return true;
            };
            let device = &mut self.nodes[n].devices[d];
            let launched = device.check_write(submission.op, *at, buffer.len()).and_then(|()| {
                device.launch(s as u32, submission.op, step, *at, buffer.clone(), behind_durable)
            });
            if let Err(what) = launched {
                self.misuse(n, d, &what);
                return false;
            }
            submission.step += 1;
            submission.outstanding += 1;
            let at = self.now + self.device_time(s, step, false);
            self.schedule(s, at, Milestone::Landed(step));
        }
    }

    pub(crate) fn storage_event(
        &mut self,
        s: u32,
        generation: u32,
        milestone: Milestone,
        scene: &mut dyn Scene,
    ) {
        let s = s as usize;
        let submission = &self.submissions[s];
        if !submission.live || submission.generation != generation {
            return;
        }
        match milestone {
            Milestone::Landed(step) => self.landed(s, step),
            Milestone::Synced => self.synced(s, scene),
            Milestone::Executed => self.executed(s, scene),
            Milestone::Reported => self.reported(s, scene),
            Milestone::Read => self.read_now(s, scene),
        }
    }

    fn landed(&mut self, s: usize, step: u16) {
        let submission = &self.submissions[s];
        let (n, d, op) = (usize::from(submission.node), usize::from(submission.device), submission.op);
        if let Some((why, some)) = self.fails_to_write(s, step) {
            self.fail(s, why);
            if !some {
                self.submissions[s].outstanding -= 1;
                return self.advance(s);
            }
        }
        let written = match submission_range(&self.submissions[s], step) {
            Some(range) if self.submissions[s].failed.is_none() => {
                self.suspect(s, step, range).map(|(old, to)| (range, old, to))
            }
            _ => None,
        };
        let submission = &mut self.submissions[s];
        let node = &mut self.nodes[n];
        let device = &mut node.devices[d];
        let after = device.mark();
        let Some(orphan) = device.land(s as u32, step, self.out.pool()) else { return };
        if let Some((range, old, to)) = written {
            let until = device.mark();
            device.suspects().push(Suspect { range, to, old, after, until });
        }
        submission.outstanding -= 1;
        self.trace.storage(tag::WRITE_LANDED, self.now, n as u8, d as u8, op, step);
        if !orphan {
            self.advance(s);
            return;
        }
        if node.process.is_some() {
            self.effects.count(Effect::LateLanding);
        }
        self.orphan_went_on(s);
        if self.nodes[n].devices[d].orphans() == 0 {
            self.drained(n, d);
        }
    }

    /// An operation of a dead process: does it still complete?
    fn orphan_went_on(&mut self, s: usize) {
        let submission = &self.submissions[s];
        if submission.outstanding > 0 || submission.phase == Phase::Syncing {
            return;
        }
        let whole = !submission.broken
            && submission.failed.is_none()
            && !submission.durable
            && usize::from(submission.step) >= submission.chain.len();
        if whole { self.begin_report(s) } else { self.release(s) }
    }

    /// No write of a former life is in flight on a device any more.
    fn drained(&mut self, n: usize, d: usize) {
        for s in 0..self.submissions.len() {
            let submission = &mut self.submissions[s];
            if submission.live
                && submission.phase == Phase::Draining
                && (usize::from(submission.node), usize::from(submission.device)) == (n, d)
            {
                submission.phase = Phase::Writing;
                submission.step += 1;
                self.advance(s);
            }
        }
    }

    fn synced(&mut self, s: usize, scene: &dyn Scene) {
        if self.fails_to_sync(s) {
            self.fail(s, Failure::Device);
            self.submissions[s].phase = Phase::Writing;
            return self.advance(s);
        }
        let submission = &mut self.submissions[s];
        let (n, d, op) = (usize::from(submission.node), usize::from(submission.device), submission.op);
        let step = submission.step;
        let device = &mut self.nodes[n].devices[d];
        match submission.chain.get(usize::from(step)) {
            Some(Step::Persist(range)) => device.persist(*range, self.out.pool()),
            _ => device.sync(submission.mark, op, step, self.out.pool()),
        }
        self.trace.storage(tag::DURABLE, self.now, n as u8, d as u8, op, step);
        self.strike_suspects(n, d, scene);
        let submission = &mut self.submissions[s];
        submission.phase = Phase::Writing;
        if usize::from(step) >= submission.chain.len() {
            // That was the implicit barrier at the end.
            submission.durable = false;
        } else {
            submission.step += 1;
        }
        if submission.orphan { self.orphan_went_on(s) } else { self.advance(s) }
    }

    fn reported(&mut self, s: usize, scene: &mut dyn Scene) {
        let submission = &self.submissions[s];
        let (n, op) = (usize::from(submission.node), submission.op);
        let result = submission.failed.map_or(Completion::Done, Completion::Failed);
        self.release(s);
        self.completed(n, op, result, scene);
    }

    fn read_now(&mut self, s: usize, scene: &mut dyn Scene) {
        let submission = &self.submissions[s];
        let Phase::Reading(range) = submission.phase else { return };
        let (n, op) = (usize::from(submission.node), submission.op);
        if self.is_nvm(s) {
            self.execute_meanwhile(s, range);
        }
        if self.fails_to_read(s, range) {
            self.release(s);
            return self.completed(n, op, Completion::Failed(Failure::Media), scene);
        }
        let draws = self.storage_draws(s, Purpose::Disk, READ_MIX);
        let mut buffer = self.out.buffer();
        let landed = |unit| draws.bits(unit) & 1 == 0;
        self.nodes[n].devices[usize::from(self.submissions[s].device)].read(range, landed, &mut buffer);
        self.release(s);
        self.completed(n, op, Completion::Data(buffer.freeze()), scene);
    }

    fn completed(&mut self, n: usize, op: OperationId, result: Completion, scene: &mut dyn Scene) {
        if self.nodes[n].process.is_some() {
            self.arrive(n, Input::Completed { op, result }, Carried::default(), scene);
        }
    }
}

/// What the write in step `step` covers.
fn submission_range(submission: &Submission, step: u16) -> Option<Range> {
    match submission.chain.get(usize::from(step)) {
        Some(Step::Write { at, buffer }) => Some(Range { at: *at, length: buffer.len() as u64 }),
        _ => None,
    }
}

/// The draws about an operation of a device whose key is `key`.
fn operation_draws(key: u64, op: OperationId) -> Draws {
    Draws::of(key, u64::from(op.incarnation.0) << 32 | u64::from(op.number))
}
