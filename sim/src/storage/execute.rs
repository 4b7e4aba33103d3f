//! Submissions to NVM: the shared lowering, executed.
//!
//! Stores, flushes and fences are the process's own instructions: a submission is one stretch of them, carried out at a
//! time of its own, all at once unless a crash falls inside. Then a drawn number of them happened and the others never
//! did; none lands later, and nothing is left to drain. A read meanwhile finds a drawn number of them done.

use super::{Milestone, Phase};
use crate::disk::Suspect;
use crate::draw::Purpose;
use crate::effects::Effect;
use crate::scene::Scene;
use crate::trace::tag;
use crate::world::World;
use seedfast_core::nvm::{Micro, WORD};
use seedfast_core::{Durability, Media, Range, Step};

/// A write of a submission to NVM of which stores are being carried out.
#[derive(Clone, Debug)]
pub(super) struct Open {
    step: usize,
    write: u64,
    range: Range,
    /// What it overwrites and where it goes instead, if it will turn out not to be where it should be.
    suspect: Option<(Vec<u8>, Option<u64>)>,
}

/// The part of an operation that draws how many operations a reader or a crash finds done.
const CUT: u64 = 3 << 32;

impl World {
    pub(super) fn is_nvm(&self, s: usize) -> bool {
        let submission = &self.submissions[s];
        let device = &self.nodes[usize::from(submission.node)].devices[usize::from(submission.device)];
        device.geometry().media == Media::Nvm
    }

    /// A chain for NVM was admitted.
    pub(super) fn begin_execution(&mut self, s: usize) {
        if let Err(what) = self.check_chain(s) {
            let submission = &self.submissions[s];
            return self.misuse(usize::from(submission.node), usize::from(submission.device), &what);
        }
        let submission = &mut self.submissions[s];
        submission.phase = Phase::Executing;
        let syncs = submission.durable
            || submission.chain.iter().any(|step| matches!(step, Step::Barrier | Step::Persist(_)));
        let mut at = self.now + self.device_time(s, 0, false);
        if syncs {
            at += self.device_time(s, 0, true);
        }
        self.schedule(s, at, Milestone::Executed);
    }

    /// Whether every step lies on the device, is aligned, and overlaps no other write in flight.
    fn check_chain(&self, s: usize) -> Result<(), String> {
        let submission = &self.submissions[s];
        let device = &self.nodes[usize::from(submission.node)].devices[usize::from(submission.device)];
        let others = || {
            self.submissions.iter().enumerate().filter(|(index, other)| {
                *index != s
                    && other.live
                    && other.phase == Phase::Executing
                    && (other.node, other.device) == (submission.node, submission.device)
            })
        };
        // Writes of this chain since the last step that was none.
        let mut together = 0;
        for (index, step) in submission.chain.iter().enumerate() {
            match step {
                Step::Write { at, buffer } => {
                    device.check_write(submission.op, *at, buffer.len())?;
                    let end = at + buffer.len() as u64;
                    let mine = submission.chain[together..index].iter().map(|step| (submission.op, step));
                    let theirs =
                        others().flat_map(|(_, other)| other.chain.iter().map(|step| (other.op, step)));
                    for (op, step) in mine.chain(theirs) {
                        if let Step::Write { at: first, buffer } = step
                            && *first < end
                            && *at < first + buffer.len() as u64
                        {
                            return Err(format!(
                                "the write at {at}..{end} of operation {} overlaps the one at {first}..{} of operation \
                                 {}, still in flight",
                                submission.op.number,
                                first + buffer.len() as u64,
                                op.number
                            ));
                        }
                    }
                }
                Step::Persist(range) => {
                    device.check_range("persists", submission.op, *range)?;
                    together = index + 1;
                }
                Step::Barrier | Step::Drain => together = index + 1,
            }
        }
        Ok(())
    }

    /// All of a submission happens.
    pub(super) fn executed(&mut self, s: usize, scene: &mut dyn Scene) {
        self.execute(s, u64::MAX);
        let submission = &self.submissions[s];
        self.strike_suspects(usize::from(submission.node), usize::from(submission.device), scene);
        self.begin_report(s);
    }

    /// How many operations of a submission are left.
    fn micros_left(&mut self, s: usize) -> u64 {
        let submission = &self.submissions[s];
        let device = &mut self.nodes[usize::from(submission.node)].devices[usize::from(submission.device)];
        let mut lowering = submission.lowering.clone();
        let mut noted = device.noted().clone();
        let durability = submission.durability();
        let mut left = 0;
        while lowering.next(&submission.chain, durability, &mut noted).is_some() {
            left += 1;
        }
        left
    }

    /// A drawn part of a submission under way has happened by now.
    fn execute_some(&mut self, s: usize, occasion: u64) -> bool {
        let left = self.micros_left(s);
        let done = self.storage_draws(s, Purpose::Orphan, CUT).below(occasion, left + 1);
        self.execute(s, done);
        0 < done && done < left
    }

    /// Somebody reads a range: what is being stored there is there in part.
    pub(super) fn execute_meanwhile(&mut self, reader: usize, range: Range) {
        let (node, device) = (self.submissions[reader].node, self.submissions[reader].device);
        let meets = |step: &Step| {
            matches!(step, Step::Write { at, buffer }
                if *at < range.at + range.length && range.at < at + buffer.len() as u64)
        };
        for s in 0..self.submissions.len() {
            let other = &self.submissions[s];
            if other.live
                && other.phase == Phase::Executing
                && (other.node, other.device) == (node, device)
                && other.chain.iter().any(meets)
            {
                let occasion = u64::from(self.submissions[reader].op.number) + 1;
                self.execute_some(s, occasion);
            }
        }
    }

    /// The process on `n` is gone: of each submission under way a drawn part happened.
    pub(super) fn cut_executions(&mut self, n: usize) {
        for s in 0..self.submissions.len() {
            let submission = &self.submissions[s];
            if !submission.live || usize::from(submission.node) != n || submission.phase != Phase::Executing {
                continue;
            }
            let tear = self.nodes[n].tear.filter(|tear| tear.op == submission.op);
            let cut = match tear {
                // Everything before the torn write happened, and of its words the first half at least.
                Some(tear) if tear.step == 0 => {
                    let words = tear.length / tear.unit;
                    let draws = self.storage_draws(s, Purpose::Orphan, CUT);
                    self.execute(s, words - 1 - draws.below(0, words.div_ceil(2)));
                    true
                }
                _ => self.execute_some(s, 0),
            };
            if cut {
                self.effects.count(Effect::StoresCut);
            }
            self.close(s);
            // Whatever was not begun counts as waiting.
            let submission = &mut self.submissions[s];
            let inside = submission.lowering.is_inside_write();
            submission.step = (submission.lowering.step() + usize::from(inside)) as u16;
        }
    }

    /// Carries out at most so many operations of a submission.
    fn execute(&mut self, s: usize, most: u64) {
        for _ in 0..most {
            let submission = &mut self.submissions[s];
            let (n, d) = (usize::from(submission.node), usize::from(submission.device));
            let durability = submission.durability();
            let device = &mut self.nodes[n].devices[d];
            let micro = submission.lowering.next(&submission.chain, durability, device.noted());
            let step = submission.lowering.step();
            if submission.open.as_ref().is_some_and(|open| open.step != step) {
                self.close(s);
            }
            match micro {
                None => return,
                Some(Micro::Store { .. }) if self.submissions[s].open.is_none() => self.open(s, step),
                Some(Micro::Store { .. } | Micro::Flush(_)) => {}
                Some(Micro::Fence) => self.trace_fence(s, step),
            }
            let submission = &self.submissions[s];
            let device = &mut self.nodes[n].devices[d];
            if let Some(open) = &submission.open {
                device.resume_write(open.write);
            }
            if let Some(micro) = micro {
                micro.execute(device);
            }
        }
    }

    /// A fence makes the last barrier before `step` true, or the end of the chain.
    fn trace_fence(&mut self, s: usize, step: usize) {
        let submission = &mut self.submissions[s];
        submission.fenced = true;
        let before = &submission.chain[..step.min(submission.chain.len())];
        let barrier = before.iter().rposition(|step| matches!(step, Step::Barrier | Step::Persist(_)));
        let ends = step >= submission.chain.len() && submission.durable;
        let step = if ends { submission.chain.len() } else { barrier.unwrap_or_default() };
        let (n, d, op) = (submission.node, submission.device, submission.op);
        self.trace.storage(tag::DURABLE, self.now, n, d, op, step as u16);
    }

    /// The first word of a write is about to be stored.
    fn open(&mut self, s: usize, step: usize) {
        let submission = &self.submissions[s];
        let Some(Step::Write { at, buffer }) = submission.chain.get(step) else { return };
        let range = Range { at: *at, length: buffer.len() as u64 };
        let (n, d, op, fenced) =
            (usize::from(submission.node), usize::from(submission.device), submission.op, submission.fenced);
        let suspect = self.suspect(s, step as u16, range);
        let words = (range.length / WORD) as u32;
        let write = self.nodes[n].devices[d].open_write(op, step as u16, range.at, words, fenced);
        self.submissions[s].open = Some(Open { step, write, range, suspect });
    }

    /// No word more of the open write will be stored, if one is open.
    fn close(&mut self, s: usize) {
        let submission = &mut self.submissions[s];
        let Some(open) = submission.open.take() else { return };
        let (n, d, op) = (submission.node, submission.device, submission.op);
        let device = &mut self.nodes[usize::from(n)].devices[usize::from(d)];
        if device.close_write(open.write) {
            self.trace.storage(tag::WRITE_LANDED, self.now, n, d, op, open.step as u16);
            device.mend(open.range);
            if let Some((old, to)) = open.suspect {
                let until = device.mark();
                device.suspects().push(Suspect { range: open.range, to, old, after: open.write, until });
            }
        }
    }
}

impl super::Submission {
    fn durability(&self) -> Durability {
        if self.durable { Durability::Durable } else { Durability::Visible }
    }
}
