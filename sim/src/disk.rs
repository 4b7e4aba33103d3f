//! One device: what is visible, what is durable, and what a power loss leaves.
//!
//! The crash model, before the code. A *unit* is the device's atomic size (a 512-byte sector).
//!
//! May happen after a power loss, of every write that was not durable, completed or in flight: each unit independently
//! holds the durable value or any value written since; in any order; so a long write can be torn between units.
//! After a process crash: writes that landed stay readable, yet volatile; writes in flight land later, after the
//! restart perhaps, or vanish.
//! Must never happen: a durable value lost or replaced by an older one; a torn unit; a value that was never written;
//! a write of a dead process landing after a [`Step::Drain`](seedfast_core::Step::Drain) of the next life completed.
//!
//! A barrier covers exactly the writes whose operation had completed before its own was submitted, and those that
//! stand earlier in its own chain. (What landed before a process crash counts as completed.) `storage.rs` runs the
//! chains over time; here is only the state. NVM has a crash model of its own, in `disk/nvm.rs`; what damages a device of
//! either kind stands in `disk/damage.rs`, what a failed operation leaves in `disk/failures.rs`.

mod damage;
mod failures;
mod nvm;

pub(crate) use damage::{Standing, Suspect, Trick};
pub(crate) use failures::{Coverage, SyncFate};

use damage::Damages;
use nvm::Cache;
use seedfast_core::{Buffer, Geometry, Media, OperationId, Pool, Range};

/// At most so many writes are volatile at once; beyond that the oldest becomes durable, as a kernel's write-back would
/// make it.
const MOST_VOLATILE: usize = 1024;

/// A write that is not yet durable.
#[derive(Clone, Debug)]
struct Write {
    op: OperationId,
    step: u16,
    at: u64,
    buffer: Buffer,
    /// When it landed, on the device's own counter; a later one overwrites an earlier one.
    order: u64,
    /// When its operation completed, on the same counter; `u64::MAX` while it has not.
    completed: u64,
    /// A barrier of its own chain made earlier writes of the chain durable before this one began.
    behind_durable: bool,
}

/// A write on its way to the device.
#[derive(Clone, Debug)]
struct Flight {
    submission: u32,
    op: OperationId,
    step: u16,
    at: u64,
    buffer: Buffer,
    /// Whether the life that submitted it is over.
    orphan: bool,
    behind_durable: bool,
}

/// What a power loss left of one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) op: OperationId,
    pub(crate) step: u16,
    pub(crate) at: u64,
    /// How many units it had.
    pub(crate) units: u32,
    /// Bit `i % 8` of byte `i / 8`: unit `i` holds this write's value.
    pub(crate) survived: Vec<u8>,
    /// Whether its operation had completed.
    pub(crate) completed: bool,
    /// Units that hold an older value: those this write lost.
    pub(crate) lost: u32,
    /// Units that hold this write's value.
    pub(crate) kept: u32,
    /// Whether a part of its submission was durable already.
    pub(crate) behind_durable: bool,
}

/// One device.
#[derive(Debug, Default)]
pub(crate) struct Device {
    geometry: Option<Geometry>,
    visible: Vec<u8>,
    durable: Vec<u8>,
    /// Per unit: the order of the write that its durable value comes from.
    orders: Vec<u64>,
    volatile: Vec<Write>,
    flights: Vec<Flight>,
    counter: u64,
    /// What pends in front of NVM.
    cache: Cache,
    damages: Damages,
}

/// One unit must not be wider than this; only sanity.
const WIDEST: u32 = 1 << 20;

impl Device {
    /// A freshly formatted device, the memory of the former one reused.
    pub(crate) fn format(&mut self, geometry: Geometry, contents: &[(u64, Vec<u8>)]) {
        assert!(
            geometry.atomic.is_power_of_two() && geometry.atomic <= WIDEST,
            "an atomic unit is a power of two"
        );
        assert!(geometry.alignment.is_power_of_two(), "an alignment is a power of two");
        let words = |size: u32| u64::from(size).is_multiple_of(seedfast_core::nvm::WORD);
        assert!(
            geometry.media != Media::Nvm || (geometry.atomic == 8 && words(geometry.alignment)),
            "NVM has atomic words of 8 bytes, and is aligned to them"
        );
        self.geometry = Some(geometry);
        self.visible.clear();
        self.durable.clear();
        self.orders.clear();
        self.volatile.clear();
        self.flights.clear();
        self.counter = 0;
        self.cache.clear();
        self.damages.clear();
        for (at, bytes) in contents {
            let end = at.saturating_add(bytes.len() as u64);
            assert!(end <= geometry.capacity, "formatted contents must lie within the device");
            self.reach(end);
            self.visible[*at as usize..end as usize].copy_from_slice(bytes);
            self.durable[*at as usize..end as usize].copy_from_slice(bytes);
        }
    }

    /// Faults that wait for their operation.
    pub(crate) fn tricks(&mut self) -> &mut Vec<Trick> {
        &mut self.damages.tricks
    }

    /// Writes that will turn out not to be where they should be.
    pub(crate) fn suspects(&mut self) -> &mut Vec<Suspect> {
        &mut self.damages.suspects
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry.expect("a device is formatted before it is used")
    }

    fn unit(&self) -> u64 {
        u64::from(self.geometry().atomic)
    }

    /// Both images reach at least to `end`, rounded up to a unit.
    fn reach(&mut self, end: u64) {
        let unit = self.unit();
        let end = end.div_ceil(unit) * unit;
        if end as usize > self.visible.len() {
            self.visible.resize(end as usize, 0);
            self.durable.resize(end as usize, 0);
            self.orders.resize((end / unit) as usize, 0);
        }
    }

    /// Whether a range lies on the device; `does` says what operation `op` wants with it.
    pub(crate) fn check_range(&self, does: &str, op: OperationId, range: Range) -> Result<(), String> {
        let capacity = self.geometry().capacity;
        match range.at.checked_add(range.length) {
            Some(end) if end <= capacity => Ok(()),
            _ => Err(format!(
                "operation {} {does} {} bytes at {}, beyond the capacity of {capacity}: stay within what `Start` \
                 said of the device",
                op.number, range.length, range.at
            )),
        }
    }

    fn is_aligned(&self, range: Range) -> bool {
        let alignment = u64::from(self.geometry().alignment);
        range.at.is_multiple_of(alignment) && range.length.is_multiple_of(alignment)
    }

    /// Whether a range may be read: direct I/O refuses a misaligned read as it does a write.
    pub(crate) fn check_read(&self, op: OperationId, range: Range) -> Result<(), String> {
        if !self.is_aligned(range) {
            let alignment = self.geometry().alignment;
            return Err(format!(
                "operation {} reads {} bytes at {}, which is not aligned: round the range outwards to multiples of \
                 {alignment} and take the part that is wanted",
                op.number, range.length, range.at
            ));
        }
        self.check_range("reads", op, range)
    }

    /// Whether a write may be submitted.
    pub(crate) fn check_write(&self, op: OperationId, at: u64, length: usize) -> Result<(), String> {
        let range = Range { at, length: length as u64 };
        if !self.is_aligned(range) {
            let alignment = self.geometry().alignment;
            return Err(format!(
                "operation {} writes {length} bytes at {at}, which is not aligned: make offset and length multiples \
                 of {alignment}, padding the buffer",
                op.number
            ));
        }
        self.check_range("writes", op, range)
    }

    /// A write starts its way. Overlapping one of the same life that is still on its way is the process's bug.
    pub(crate) fn launch(
        &mut self,
        submission: u32,
        op: OperationId,
        step: u16,
        at: u64,
        buffer: Buffer,
        behind_durable: bool,
    ) -> Result<(), String> {
        let end = at + buffer.len() as u64;
        let overlap = |flight: &&Flight| {
            !flight.orphan && flight.at < end && at < flight.at + flight.buffer.len() as u64
        };
        if let Some(other) = self.flights.iter().find(overlap) {
            return Err(format!(
                "the write at {at}..{end} of operation {} overlaps the one at {}..{} of operation {}, still in flight",
                op.number,
                other.at,
                other.at + other.buffer.len() as u64,
                other.op.number
            ));
        }
        self.flights.push(Flight { submission, op, step, at, buffer, orphan: false, behind_durable });
        Ok(())
    }

    /// A write lands: from now on it is visible. False if it vanished meanwhile.
    pub(crate) fn land(&mut self, submission: u32, step: u16, pool: &mut Pool) -> Option<bool> {
        let index =
            self.flights.iter().position(|flight| flight.submission == submission && flight.step == step)?;
        let Flight { op, step, at, buffer, orphan, behind_durable, .. } = self.flights.remove(index);
        let end = at + buffer.len() as u64;
        self.reach(end);
        self.visible[at as usize..end as usize].copy_from_slice(&buffer);
        self.mend(Range { at, length: end - at });
        self.counter += 1;
        let completed = if orphan { self.counter } else { u64::MAX };
        self.volatile.push(Write { op, step, at, buffer, order: self.counter, completed, behind_durable });
        if self.volatile.len() > MOST_VOLATILE {
            let oldest = self.volatile.remove(0);
            self.make_durable(&oldest);
            pool.recycle(oldest.buffer);
        }
        Some(orphan)
    }

    /// The counter, as a submission made now remembers it.
    pub(crate) fn mark(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// An operation completes: its writes are covered by barriers submitted from now on.
    pub(crate) fn complete(&mut self, op: OperationId) {
        self.counter += 1;
        for write in self.volatile.iter_mut().filter(|write| write.op == op && write.completed == u64::MAX) {
            write.completed = self.counter;
        }
        self.complete_stores(op);
    }

    fn make_durable(&mut self, write: &Write) {
        let unit = self.unit();
        let mut at = write.at;
        let end = write.at + write.buffer.len() as u64;
        while at < end {
            let next = ((at / unit + 1) * unit).min(end);
            let order = &mut self.orders[(at / unit) as usize];
            if *order < write.order {
                *order = write.order;
                let from = (at - write.at) as usize;
                self.durable[at as usize..next as usize]
                    .copy_from_slice(&write.buffer[from..from + (next - at) as usize]);
            }
            at = next;
        }
    }

    /// A barrier in step `step` of operation `op`, submitted at `mark`, takes effect.
    pub(crate) fn sync(&mut self, mark: u64, op: OperationId, step: u16, pool: &mut Pool) {
        let mut volatile = core::mem::take(&mut self.volatile);
        volatile.retain_mut(|write| {
            let covered = write.completed < mark || (write.op == op && write.step < step);
            if covered {
                self.make_durable(write);
                pool.recycle(core::mem::take(&mut write.buffer));
            }
            !covered
        });
        self.volatile = volatile;
    }

    /// What is visible in a range becomes durable, whoever wrote it.
    pub(crate) fn persist(&mut self, range: Range, pool: &mut Pool) {
        let unit = self.unit();
        let end = range.at.saturating_add(range.length).min(self.visible.len() as u64);
        if range.at >= end {
            return;
        }
        let first = range.at / unit * unit;
        let last = end.div_ceil(unit) * unit;
        self.counter += 1;
        self.durable[first as usize..last as usize]
            .copy_from_slice(&self.visible[first as usize..last as usize]);
        let (orders, counter) = (&mut self.orders, self.counter);
        self.volatile.retain_mut(|write| {
            // Only what a write was changing is newer than it was.
            let end = write.at + write.buffer.len() as u64;
            let (from, to) = (write.at.max(first) / unit, end.min(last).div_ceil(unit));
            if from < to {
                orders[from as usize..to as usize].fill(counter);
            }
            let inside = write.at >= first && write.at + write.buffer.len() as u64 <= last;
            if inside {
                pool.recycle(core::mem::take(&mut write.buffer));
            }
            !inside
        });
    }

    /// Appends what is visible in a range; of a write in flight each unit is seen if `landed` says so.
    pub(crate) fn read(&self, range: Range, landed: impl Fn(u64) -> bool, into: &mut Vec<u8>) {
        let begin = into.len();
        self.read_landed(range, into);
        let (unit, last) = (self.unit(), range.at + range.length);
        for flight in &self.flights {
            let end = (flight.at + flight.buffer.len() as u64).min(last);
            let mut at = flight.at.max(range.at);
            while at < end {
                let next = ((at / unit + 1) * unit).min(end);
                if landed(at / unit) {
                    let (to, from) = (begin + (at - range.at) as usize, (at - flight.at) as usize);
                    let length = (next - at) as usize;
                    into[to..to + length].copy_from_slice(&flight.buffer[from..from + length]);
                }
                at = next;
            }
        }
    }

    /// Memory that no crash spares: everything is zero again.
    pub(crate) fn wipe(&mut self) {
        self.format(self.geometry(), &[]);
    }

    fn read_landed(&self, range: Range, into: &mut Vec<u8>) {
        let length = self.visible.len() as u64;
        let (start, end) = (range.at.min(length), (range.at + range.length).min(length));
        into.extend_from_slice(&self.visible[start as usize..end as usize]);
        into.resize(into.len() + (range.length - (end - start)) as usize, 0);
    }

    /// The process died, the kernel lives on: what landed counts as completed, each write in flight lands later or
    /// vanishes, as `lands` says. Calls `vanished` for those that do.
    pub(crate) fn orphan(
        &mut self,
        lands: impl Fn(OperationId, u16) -> bool,
        mut vanished: impl FnMut(u32, OperationId, u16),
    ) {
        self.counter += 1;
        for write in &mut self.volatile {
            write.completed = write.completed.min(self.counter);
        }
        self.flights.retain_mut(|flight| {
            if flight.orphan {
                return true;
            }
            flight.orphan = true;
            let lands = lands(flight.op, flight.step);
            if !lands {
                vanished(flight.submission, flight.op, flight.step);
            }
            lands
        });
    }

    /// How many writes of former lives are still on their way.
    pub(crate) fn orphans(&self) -> usize {
        self.flights.iter().filter(|flight| flight.orphan).count()
    }

    /// Power is lost: of what was not durable, each unit of each write survives if `keeps` says so, a newer one
    /// hiding an older one. What survived is durable. Returns what became of each write, in the order of landing.
    pub(crate) fn lose_power(&mut self, keeps: impl Fn(OperationId, u16, u64) -> bool) -> Vec<Kept> {
        let unit = self.unit();
        for flight in core::mem::take(&mut self.flights) {
            self.counter += 1;
            self.reach(flight.at + flight.buffer.len() as u64);
            self.volatile.push(Write {
                op: flight.op,
                step: flight.step,
                at: flight.at,
                buffer: flight.buffer,
                order: self.counter,
                completed: u64::MAX,
                behind_durable: flight.behind_durable,
            });
        }
        let writes = core::mem::take(&mut self.volatile);
        let mut report = Vec::with_capacity(writes.len());
        // From the newest to the oldest: the first one that survives in a unit is what the unit holds.
        for write in writes.iter().rev() {
            let end = write.at + write.buffer.len() as u64;
            let units = (end.div_ceil(unit) - write.at / unit) as u32;
            let mut kept = Kept {
                op: write.op,
                step: write.step,
                at: write.at,
                units,
                survived: vec![0; units.div_ceil(8) as usize],
                completed: write.completed != u64::MAX,
                lost: 0,
                kept: 0,
                behind_durable: write.behind_durable,
            };
            let mut at = write.at;
            for index in 0..units {
                let next = ((at / unit + 1) * unit).min(end);
                let order = &mut self.orders[(at / unit) as usize];
                // A durable or surviving newer value hides this one: neither kept nor lost.
                if *order < write.order {
                    if keeps(write.op, write.step, at / unit) {
                        *order = write.order;
                        let from = (at - write.at) as usize;
                        self.durable[at as usize..next as usize]
                            .copy_from_slice(&write.buffer[from..from + (next - at) as usize]);
                        kept.survived[(index / 8) as usize] |= 1 << (index % 8);
                        kept.kept += 1;
                    } else {
                        kept.lost += 1;
                    }
                }
                at = next;
            }
            report.push(kept);
        }
        report.reverse();
        self.visible.copy_from_slice(&self.durable);
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draws;

    fn op(number: u32) -> OperationId {
        OperationId { number, ..OperationId::default() }
    }

    fn disk() -> (Device, Pool) {
        let mut device = Device::default();
        device.format(Geometry::disk(1 << 20), &[]);
        (device, Pool::new(4))
    }

    fn put(device: &mut Device, pool: &mut Pool, number: u32, at: u64, byte: u8, sectors: usize) {
        let bytes = Buffer::copy_from(&vec![byte; sectors * 512]);
        device.launch(number, op(number), 0, at, bytes, false).expect("it overlaps nothing");
        device.land(number, 0, pool).expect("it was launched");
        device.complete(op(number));
    }

    fn at(device: &Device, sector: u64) -> u8 {
        let mut bytes = vec![];
        device.read(Range { at: sector * 512, length: 512 }, |_| false, &mut bytes);
        assert!(bytes.iter().all(|byte| *byte == bytes[0]), "a sector is never torn");
        bytes[0]
    }

    #[test]
    fn of_unsynced_writes_any_sectors_survive_and_synced_ones_never_go() {
        let mut images = std::collections::BTreeSet::new();
        for seed in 0..400u64 {
            let (mut device, mut pool) = disk();
            put(&mut device, &mut pool, 1, 0, 1, 3);
            let mark = device.mark();
            device.sync(mark, op(9), 0, &mut pool);
            put(&mut device, &mut pool, 2, 0, 2, 2);
            put(&mut device, &mut pool, 3, 512, 3, 1);
            device.lose_power(|op, _, unit| {
                Draws::of(seed, u64::from(op.number) << 32 | unit).bits(0) & 1 == 0
            });
            let image = [at(&device, 0), at(&device, 1), at(&device, 2)];
            assert_eq!(image[2], 1, "synced and never overwritten");
            images.insert(image);
        }
        let all: Vec<_> = [1, 2].iter().flat_map(|&a| [1, 2, 3].map(|b| [a, b, 1])).collect();
        assert_eq!(images.into_iter().collect::<Vec<_>>(), all, "every image, reordered ones included");
    }

    #[test]
    fn a_barrier_covers_only_what_had_completed_before_it_was_submitted() {
        let (mut device, mut pool) = disk();
        let mark = device.mark();
        put(&mut device, &mut pool, 1, 0, 1, 1);
        device.sync(mark, op(9), 0, &mut pool);
        device.lose_power(|_, _, _| false);
        assert_eq!(at(&device, 0), 0);
    }

    #[test]
    fn an_older_value_never_replaces_a_durable_one() {
        let (mut device, mut pool) = disk();
        // Written before, but not covered: it had not completed when the barrier was submitted.
        device.launch(1, op(1), 0, 0, Buffer::copy_from(&[1; 512]), false).expect("nothing in flight");
        device.land(1, 0, &mut pool).expect("launched");
        let mark = device.mark();
        device.launch(2, op(2), 0, 0, Buffer::copy_from(&[2; 512]), false).expect("the other one landed");
        device.land(2, 0, &mut pool).expect("launched");
        device.sync(mark, op(2), 1, &mut pool);
        device.lose_power(|_, _, _| true);
        assert_eq!(at(&device, 0), 2);
    }

    #[test]
    fn persist_makes_durable_what_a_former_life_left_volatile() {
        let (mut device, mut pool) = disk();
        put(&mut device, &mut pool, 1, 0, 7, 2);
        device.orphan(|_, _| true, |_, _, _| ());
        device.persist(Range { at: 0, length: 512 }, &mut pool);
        device.lose_power(|_, _, _| false);
        assert_eq!((at(&device, 0), at(&device, 1)), (7, 0));
    }

    #[test]
    fn a_write_that_sticks_out_of_what_was_persisted_is_still_the_older_one() {
        let (mut device, mut pool) = disk();
        put(&mut device, &mut pool, 1, 0, 1, 2);
        put(&mut device, &mut pool, 2, 0, 2, 1);
        device.persist(Range { at: 0, length: 512 }, &mut pool);
        device.lose_power(|_, _, _| true);
        assert_eq!((at(&device, 0), at(&device, 1)), (2, 1));
    }

    #[test]
    fn overlap_misalignment_and_overflow_are_refused() {
        let (mut device, _) = disk();
        let sector = || Buffer::copy_from(&[0; 1024]);
        device.launch(1, op(1), 0, 0, sector(), false).expect("nothing in flight");
        assert!(device.launch(2, op(2), 0, 512, sector(), false).is_err());
        assert!(device.launch(2, op(2), 0, 1024, sector(), false).is_ok());
        for (at, length) in [(1, 512), (0, 100), (1 << 20, 512), (u64::MAX - 511, 512)] {
            assert!(device.check_write(op(3), at, length).is_err());
            assert!(device.check_read(op(3), Range { at, length: length as u64 }).is_err());
        }
        assert!(device.check_read(op(3), Range { at: (1 << 20) - 512, length: 512 }).is_ok());
    }

    #[test]
    fn power_lost_twice_loses_nothing_that_the_first_loss_left() {
        let (mut device, mut pool) = disk();
        put(&mut device, &mut pool, 1, 0, 5, 1);
        let report = device.lose_power(|_, _, _| true);
        assert_eq!((report[0].kept, report[0].lost, &report[0].survived[..]), (1, 0, &[1u8][..]));
        assert!(device.lose_power(|_, _, _| false).is_empty());
        assert_eq!(at(&device, 0), 5);
    }
}
