//! What a crash does to the operations in flight, and what a power loss took.

use super::{Phase, REPORT, operation_draws};
use crate::disk::Kept;
use crate::draw::{Draws, Purpose};
use crate::effects::Effect;
use crate::trace::tag;
use crate::world::World;
use seedfast_core::nvm::LINE;
use seedfast_core::{Media, OperationId};
use std::collections::BTreeMap;

/// The part of a life that draws how much of each line survives.
const LINES: u64 = 1;

/// What a power loss finds of an operation in flight that no device knows of.
struct Waiting {
    device: u8,
    op: OperationId,
    writes: usize,
    has_durable: bool,
}

impl World {
    /// The process on `n` died, its kernel lives on.
    pub(crate) fn orphan_storage(&mut self, n: usize) {
        self.cut_executions(n);
        for d in 0..self.nodes[n].device_count {
            let key = self.draw.key(Purpose::Orphan, (n << 8 | d) as u64);
            let device = &mut self.nodes[n].devices[d];
            let survives = device.geometry().media != Media::Memory;
            let lands =
                |op, step| survives && operation_draws(key, op).part(u64::from(step)).bits(0) & 1 == 0;
            let mut vanished = Vec::new();
            device.orphan(lands, |s, op, step| vanished.push((s, op, step)));
            device.forget_flushes();
            if !survives {
                device.wipe();
            }
            for (s, op, step) in vanished {
                self.effects.count(Effect::Vanished);
                self.trace.storage(tag::VANISHED, self.now, n as u8, d as u8, op, step);
                self.submissions[s as usize].outstanding -= 1;
                self.submissions[s as usize].broken = true;
            }
        }
        for s in 0..self.submissions.len() {
            let submission = &mut self.submissions[s];
            if !submission.live || submission.orphan || usize::from(submission.node) != n {
                continue;
            }
            submission.orphan = true;
            if self.is_nvm(s) {
                // Its instructions were the process's own, and so was its completion.
                self.release(s);
                continue;
            }
            match self.submissions[s].phase {
                Phase::Writing if self.submissions[s].outstanding > 0 => {}
                Phase::Reporting => {}
                Phase::Syncing => {
                    let draws = self.storage_draws(s, Purpose::Orphan, REPORT);
                    if draws.bits(u64::from(self.submissions[s].step)) & 1 == 0 {
                        self.release(s);
                    }
                }
                Phase::Writing | Phase::Draining | Phase::Reading(_) | Phase::Executing => self.release(s),
            }
        }
        self.nodes[n].in_flight.clear();
    }

    /// `n` lost its power.
    pub(crate) fn lose_power(&mut self, n: usize) {
        self.cut_executions(n);
        let mut waiting = Vec::new();
        for s in 0..self.submissions.len() {
            let submission = &mut self.submissions[s];
            if !submission.live || usize::from(submission.node) != n {
                continue;
            }
            let writes = submission.waiting_writes();
            // Those of a dead process ended with it.
            if writes > 0 && !submission.orphan {
                let (device, op, has_durable) = (submission.device, submission.op, submission.has_durable());
                waiting.push(Waiting { device, op, writes, has_durable });
            }
            submission.orphan = true;
            self.release(s);
        }
        self.nodes[n].in_flight.clear();
        for d in 0..self.nodes[n].device_count {
            let key = self.draw.key(Purpose::Image, (n << 8 | d) as u64);
            // How much of everything survives this time: hardly anything, half, nearly everything, all or nothing.
            let tear = self.nodes[n].tear;
            let share = [0, 100_000, 500_000, 900_000, 1_000_000]
                [Draws::of(key, u64::from(self.nodes[n].life)).below(0, 5) as usize];
            let keeps = |op, step: u16, unit| {
                let torn = tear.and_then(|tear| tear.keeps(op, step, unit));
                torn.unwrap_or_else(|| {
                    operation_draws(key, op).part(u64::from(step)).part(unit).chance(0, share)
                })
            };
            let device = &mut self.nodes[n].devices[d];
            if device.geometry().media == Media::Memory {
                device.wipe();
                continue;
            }
            let report = match device.geometry().media {
                Media::Nvm => {
                    let lines = Draws::of(key, u64::from(self.nodes[n].life)).part(LINES);
                    let prefix = |line, stores: u64| match share {
                        _ if tear.is_some_and(|tear| tear.at / LINE == line) => stores,
                        0 => 0,
                        1_000_000 => stores,
                        _ => lines.below(line, stores + 1),
                    };
                    self.nodes[n].devices[d].lose_caches(self.disk.caches, keeps, prefix)
                }
                Media::Disk | Media::Memory => device.lose_power(keeps),
            };
            let device = &mut self.nodes[n].devices[d];
            device.suspects().clear();
            if !report.is_empty() {
                self.trace.image(self.now, n as u8, d as u8, &report);
            }
            self.count_losses(&report, waiting.iter().filter(|waiting| usize::from(waiting.device) == d));
        }
    }

    /// Counts what a power loss took: `report` says it of the writes that had begun, `waiting` of the others.
    fn count_losses<'a>(&mut self, report: &[Kept], waiting: impl Iterator<Item = &'a Waiting>) {
        // Of each operation: whether a part of it is on the device, and whether a part of it is lost.
        let mut parts: BTreeMap<OperationId, (bool, bool)> = BTreeMap::new();
        for write in report {
            if write.completed && write.lost > 0 {
                self.effects.count(Effect::UnsyncedLost);
            }
            if !write.completed && write.lost > 0 && write.kept == 0 {
                self.effects.count(Effect::InFlightLost);
            }
            let (kept, lost) = parts.entry(write.op).or_default();
            *kept |= write.kept > 0 || write.behind_durable;
            *lost |= write.lost > 0;
        }
        for Waiting { op, writes, has_durable, .. } in waiting {
            (0..*writes).for_each(|_| self.effects.count(Effect::InFlightLost));
            let (kept, lost) = parts.entry(*op).or_default();
            *kept |= has_durable;
            *lost = true;
        }
        parts.values().filter(|part| **part == (true, true)).for_each(|_| self.effects.count(Effect::Torn));
    }
}
