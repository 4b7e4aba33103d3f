//! What an operation that fails leaves of what it was to do.
//!
//! May happen: of a failed write any of its units, landed like those of any other; of a failed barrier any of the units
//! that it was to make durable, the others lost for good although, perhaps, still readable. Must never happen: a later
//! barrier that makes those durable after all; another write touched.

use super::{Device, Write};
use seedfast_core::{Buffer, OperationId, Pool, Range};

/// A write that a barrier could cover.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coverage {
    pub(crate) op: OperationId,
    pub(crate) step: u16,
    /// As in [`Device::mark`]'s counting.
    pub(crate) completed: u64,
    pub(crate) at: u64,
    pub(crate) end: u64,
}

/// What a failed barrier left of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncFate {
    Durable,
    /// Still readable, and no barrier will make it durable.
    Readable,
    Lost,
}

impl Device {
    /// A barrier fails, which `sync` or (of a range) `persist` would have been. Of the writes that it was to cover,
    /// each unit is durable, lost although still readable, or lost, as `fate` draws; later barriers do not cover them.
    pub(crate) fn fail_sync(
        &mut self,
        covers: impl Fn(&Coverage) -> bool,
        fate: impl Fn(u64) -> SyncFate,
        pool: &mut Pool,
    ) {
        let unit = self.unit();
        let mut volatile = core::mem::take(&mut self.volatile);
        let mut failed = Vec::new();
        volatile.retain_mut(|write| {
            let end = write.at + write.buffer.len() as u64;
            let (op, step) = (write.op, write.step);
            let covered = covers(&Coverage { op, step, completed: write.completed, at: write.at, end });
            if covered {
                failed.push(core::mem::replace(write, Write { buffer: Buffer::new(), ..*write }));
            }
            !covered
        });
        self.volatile = volatile;
        for write in failed {
            for (index, bytes) in write.buffer.chunks(unit as usize).enumerate() {
                let at = write.at + index as u64 * unit;
                let place = at as usize..at as usize + bytes.len();
                let order = (at / unit) as usize;
                let whole = Range { at, length: bytes.len() as u64 };
                match fate(at / unit) {
                    SyncFate::Durable if self.orders[order] < write.order => {
                        self.orders[order] = write.order;
                        self.durable[place].copy_from_slice(bytes);
                    }
                    // A newer write hides it in any case.
                    SyncFate::Lost if self.is_at_rest(whole) => {
                        let durable = self.durable[place.clone()].to_vec();
                        self.visible[place].copy_from_slice(&durable);
                    }
                    _ => {}
                }
            }
            pool.recycle(write.buffer);
        }
    }

    /// A write on its way fails: of its units only those that `written` names will land, if any.
    pub(crate) fn spoil(&mut self, submission: u32, step: u16, written: impl Fn(u64) -> bool) -> bool {
        let unit = self.unit();
        let Some(index) = self.flights.iter().position(|f| f.submission == submission && f.step == step)
        else {
            return false;
        };
        let (at, buffer) = (self.flights[index].at, self.flights[index].buffer.clone());
        let mut bytes = self.shown(Range { at, length: buffer.len() as u64 });
        let mut some = false;
        for (number, place) in bytes.chunks_mut(unit as usize).enumerate() {
            if written(number as u64) {
                some = true;
                let from = number * unit as usize;
                place.copy_from_slice(&buffer[from..from + place.len()]);
            }
        }
        if some {
            self.flights[index].buffer = bytes.into();
        } else {
            self.flights.remove(index);
        }
        some
    }
}
