//! From storage chains to persistent memory: which words are stored, which lines are flushed, when a fence stands.
//!
//! A real runtime carries out these operations on mapped memory, the simulator on a model of it that it tears: what is
//! shipped is what is torn. Safe code, no allocation. A submission is lowered one [`Micro`] operation at a time, so
//! that a crash can fall between any two; [`run`] does all of it.
//!
//! # Why this is enough
//!
//! - **Stores.** Memory is written by aligned 8-byte stores only, each one instruction (volatile, so that no compiler
//!   splits or merges it). The unit of failure atomicity is that instruction's word; a longer copy promises nothing
//!   about its parts, and no order of stores is relied upon, not even within one line: x86 would keep that one, but
//!   compilers, other processors and remote writes do not.
//! - **Flush.** A cache-line write-back (`CLWB`) of each 64-byte line stored to starts those stores on their way and
//!   promises nothing yet.
//! - **Fence.** A store fence (`SFENCE`) behind the write-backs waits until they have reached the domain that survives a
//!   loss of power (the memory controller's queue, with ADR). Only then is a store durable.
//! - What was not fenced may be durable all the same, word by word: caches evict whenever they like.
//! - Caches outlive a process. What a former life stored is visible and yet volatile, and this life's [`Lines`] know
//!   nothing of it: only [`Step::Persist`], which flushes whoever stored, makes it durable.
//!
//! # What is emitted
//!
//! | step | operations |
//! |---|---|
//! | [`Step::Write`] | its words in ascending order; its lines are noted |
//! | [`Step::Barrier`], the end of a [`Durability::Durable`] chain | a flush of every line noted, also those of earlier chains; a fence is owed |
//! | [`Step::Persist`] | a flush of every line in the range; a fence is owed |
//! | [`Step::Drain`] | nothing: stores of a dead process are over |
//!
//! A fence that is owed stands before the next store or at the end of the chain, so that barriers with nothing between
//! them share one, and a barrier behind which nothing was flushed costs none: a durable append is its stores, the
//! flush of its lines and exactly one fence.
//!
//! Sources: Intel 64 and IA-32 Software Developer's Manual, volume 1, section 11.4.4 (write-back and ordering); Raad et
//! al., *Persistency Semantics of the Intel-x86 Architecture*, POPL 2020; Leblanc et al., *`PoWER` Never Corrupts*, OSDI
//! 2025 (aligned 8-byte chunks persist independently).

use crate::storage::{Durability, Range, Step};

/// What is stored at once, in bytes; offsets and lengths of writes are multiples of it.
pub const WORD: u64 = 8;
/// What is flushed at once, in bytes.
pub const LINE: u64 = 64;

/// Persistent memory, as much of it as a chain needs.
pub trait PersistentMemory {
    /// Stores `value`, little end first, at offset `at`, a multiple of [`WORD`]: atomic, visible at once, durable
    /// whenever the cache evicts it.
    fn store_u64(&mut self, at: u64, value: u64);
    /// Starts the write-back of the lines in `range`, whose ends are multiples of [`LINE`].
    fn flush(&mut self, range: Range);
    /// Returns when everything flushed before is durable.
    fn fence(&mut self);
}

/// One operation on persistent memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Micro {
    /// [`PersistentMemory::store_u64`].
    Store {
        /// Offset in bytes, a multiple of [`WORD`].
        at: u64,
        /// The word; its little end is the byte at `at`.
        value: u64,
    },
    /// [`PersistentMemory::flush`].
    Flush(Range),
    /// [`PersistentMemory::fence`].
    Fence,
}

impl Micro {
    /// Carries it out.
    #[inline]
    pub fn execute(self, memory: &mut impl PersistentMemory) {
        match self {
            Micro::Store { at, value } => memory.store_u64(at, value),
            Micro::Flush(range) => memory.flush(range),
            Micro::Fence => memory.fence(),
        }
    }
}

/// Carries out a whole submission. `lines` are those of the device in this life.
pub fn run(chain: &[Step], durability: Durability, lines: &mut Lines, memory: &mut impl PersistentMemory) {
    let mut lowering = Lowering::default();
    while let Some(micro) = lowering.next(chain, durability, lines) {
        micro.execute(memory);
    }
}

/// So many stretches of lines are noted at once.
const NOTED: usize = 16;

/// Which lines of a device this life stored to and did not flush yet, and whether a fence is owed. One for each device
/// and life: a new life begins with none, because it cannot know what a former one left in the cache.
///
/// It holds a bounded number of stretches. One more flushes the oldest early, which is always allowed; so no line is
/// ever flushed that was not stored to.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// `first..last` in bytes, multiples of [`LINE`], disjoint, from the oldest to the newest.
    noted: [(u64, u64); NOTED],
    count: usize,
    /// Something was flushed since the last fence.
    unfenced: bool,
    /// It must be fenced before anything else is stored.
    owed: bool,
}

impl Lines {
    fn remove(&mut self, index: usize) -> (u64, u64) {
        let stretch = self.noted[index];
        self.noted.copy_within(index + 1..self.count, index);
        self.count -= 1;
        stretch
    }

    /// Takes the oldest stretch to flush it.
    fn flush_oldest(&mut self) -> Micro {
        let (first, last) = self.remove(0);
        self.unfenced = true;
        Micro::Flush(Range { at: first, length: last - first })
    }

    /// Notes `first..last`, joined with the stretches that it touches; if there is no room, what must be flushed for
    /// it to be noted.
    fn note(&mut self, mut first: u64, mut last: u64) -> Result<(), Micro> {
        for index in (0..self.count).rev() {
            let (other_first, other_last) = self.noted[index];
            if other_first <= last && first <= other_last {
                first = first.min(other_first);
                last = last.max(other_last);
                self.remove(index);
            }
        }
        let evicted = if self.count == NOTED { Err(self.flush_oldest()) } else { Ok(()) };
        self.noted[self.count] = (first, last);
        self.count += 1;
        evicted
    }

    /// `first..last` is being flushed: it need not be noted any more. A stretch that sticks out on both sides stays.
    fn forget(&mut self, first: u64, last: u64) {
        for index in (0..self.count).rev() {
            let (other_first, other_last) = self.noted[index];
            match (first <= other_first, other_last <= last) {
                (true, true) => {
                    self.remove(index);
                }
                (true, false) => self.noted[index].0 = other_first.max(last),
                (false, true) => self.noted[index].1 = other_last.min(first),
                (false, false) => {}
            }
        }
    }
}

/// Where a submission stands. The chain and its durability must be the same in every call.
#[derive(Clone, Debug, Default)]
pub struct Lowering {
    step: usize,
    /// Bytes of the write at `step` that were stored.
    stored: usize,
}

impl Lowering {
    /// The step that the operation returned last belongs to; for a fence the step that it stands before, the chain's
    /// length at its end.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Whether a write was begun and not all of its words are stored, or the write behind them not yet noted.
    pub fn is_inside_write(&self) -> bool {
        self.stored > 0
    }

    /// The next operation; `None` when every step was carried out.
    ///
    /// # Panics
    /// If a write's offset or length is not a multiple of [`WORD`]: whoever hosts the process refuses those before.
    #[inline]
    pub fn next(&mut self, chain: &[Step], durability: Durability, lines: &mut Lines) -> Option<Micro> {
        loop {
            match chain.get(self.step) {
                Some(Step::Write { at, buffer }) if self.stored < buffer.len() => {
                    if lines.owed {
                        return Some(fence(lines));
                    }
                    let from = self.stored;
                    self.stored += WORD as usize;
                    let at = at + from as u64;
                    let word = buffer.get(from..self.stored).and_then(|word| word.try_into().ok());
                    assert!(
                        at.is_multiple_of(WORD) && word.is_some(),
                        "a write to persistent memory has an offset and a length that are multiples of {WORD}"
                    );
                    return word.map(|word| Micro::Store { at, value: u64::from_le_bytes(word) });
                }
                Some(Step::Write { at, buffer }) => {
                    // Noted now, not before: a flush of another submission in between must not take it off again.
                    let end = at + buffer.len() as u64;
                    let evicted = if buffer.is_empty() {
                        Ok(())
                    } else {
                        lines.note(at / LINE * LINE, end.div_ceil(LINE) * LINE)
                    };
                    self.step += 1;
                    self.stored = 0;
                    if let Err(flush) = evicted {
                        return Some(flush);
                    }
                }
                Some(Step::Persist(range)) => {
                    self.step += 1;
                    let (first, last) =
                        (range.at / LINE * LINE, (range.at + range.length).div_ceil(LINE) * LINE);
                    if range.length > 0 {
                        lines.forget(first, last);
                        (lines.unfenced, lines.owed) = (true, true);
                        return Some(Micro::Flush(Range { at: first, length: last - first }));
                    }
                }
                Some(Step::Drain) => self.step += 1,
                Some(Step::Barrier) => {
                    if let Some(flush) = barrier(lines) {
                        return Some(flush);
                    }
                    self.step += 1;
                }
                None => {
                    if durability == Durability::Durable
                        && let Some(flush) = barrier(lines)
                    {
                        return Some(flush);
                    }
                    return lines.owed.then(|| fence(lines));
                }
            }
        }
    }
}

/// The next flush of a barrier; when there is none left, a fence is owed if anything was flushed.
fn barrier(lines: &mut Lines) -> Option<Micro> {
    if lines.count > 0 {
        return Some(lines.flush_oldest());
    }
    lines.owed |= lines.unfenced;
    None
}

fn fence(lines: &mut Lines) -> Micro {
    (lines.unfenced, lines.owed) = (false, false);
    Micro::Fence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Buffer;
    use alloc::collections::{BTreeMap, BTreeSet};
    use alloc::vec;
    use alloc::vec::Vec;

    /// A memory that counts, and knows what is durable.
    #[derive(Default)]
    struct Counting {
        visible: BTreeMap<u64, u64>,
        /// Words stored since their line was last flushed.
        dirty: BTreeSet<u64>,
        flushed: BTreeMap<u64, u64>,
        durable: BTreeMap<u64, u64>,
        /// Every line flushed, in order.
        lines: Vec<u64>,
        stores: usize,
        fences: usize,
    }

    impl PersistentMemory for Counting {
        fn store_u64(&mut self, at: u64, value: u64) {
            assert!(at.is_multiple_of(WORD));
            self.visible.insert(at, value);
            self.dirty.insert(at);
            self.stores += 1;
        }

        fn flush(&mut self, range: Range) {
            assert!(range.at.is_multiple_of(LINE) && range.length.is_multiple_of(LINE) && range.length > 0);
            for line in (range.at..range.at + range.length).step_by(LINE as usize) {
                self.lines.push(line / LINE);
                for at in (line..line + LINE).step_by(WORD as usize) {
                    if self.dirty.remove(&at) {
                        self.flushed.insert(at, self.visible[&at]);
                    }
                }
            }
        }

        fn fence(&mut self) {
            self.durable.append(&mut self.flushed);
            self.fences += 1;
        }
    }

    impl Counting {
        /// Carries out a chain; returns the stores, the lines flushed and the fences that it cost.
        fn run(
            &mut self,
            lines: &mut Lines,
            chain: &[Step],
            durability: Durability,
        ) -> (usize, Vec<u64>, usize) {
            (self.stores, self.fences) = (0, 0);
            self.lines.clear();
            run(chain, durability, lines, self);
            (self.stores, self.lines.clone(), self.fences)
        }

        fn all_durable(&self) -> bool {
            self.visible == self.durable
        }
    }

    fn write(at: u64, length: usize, byte: u8) -> Step {
        Step::Write { at, buffer: Buffer::copy_from(&vec![byte; length]) }
    }

    fn fresh() -> (Counting, Lines) {
        (Counting::default(), Lines::default())
    }

    #[test]
    fn a_durable_append_is_its_words_its_lines_and_one_fence() {
        let (mut memory, mut lines) = fresh();
        let cost = memory.run(&mut lines, &[write(128, 192, 7)], Durability::Durable);
        assert_eq!(cost, (24, vec![2, 3, 4], 1));
        assert!(memory.all_durable());
        // A word that spans nothing flushes one line, one that begins in the middle of a line both that it touches.
        assert_eq!(memory.run(&mut lines, &[write(8, 8, 1)], Durability::Durable), (1, vec![0], 1));
        assert_eq!(memory.run(&mut lines, &[write(56, 16, 1)], Durability::Durable), (2, vec![0, 1], 1));
    }

    #[test]
    fn bytes_keep_their_places() {
        let (mut memory, mut lines) = fresh();
        let bytes: Vec<u8> = (0..16).collect();
        run(
            &[Step::Write { at: 64, buffer: Buffer::from(bytes) }],
            Durability::Visible,
            &mut lines,
            &mut memory,
        );
        assert_eq!(memory.visible[&64].to_le_bytes(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(memory.visible[&72].to_le_bytes(), [8, 9, 10, 11, 12, 13, 14, 15]);
    }

    #[test]
    fn redundant_fences_are_left_out() {
        let (mut memory, mut lines) = fresh();
        assert_eq!(
            memory.run(&mut lines, &[], Durability::Durable),
            (0, vec![], 0),
            "nothing to make durable"
        );
        let cost =
            memory.run(&mut lines, &[write(0, 64, 1), Step::Barrier, Step::Barrier], Durability::Durable);
        assert_eq!(cost, (8, vec![0], 1), "three barriers with nothing between them");
        let cost = memory.run(&mut lines, &[Step::Barrier, write(0, 8, 2), Step::Drain], Durability::Durable);
        assert_eq!(cost, (1, vec![0], 1), "nothing stood before the first");
        let whole = Step::Persist(Range { at: 0, length: 256 });
        let cost = memory.run(&mut lines, &[Step::Drain, whole.clone(), whole], Durability::Durable);
        assert_eq!(cost, (0, vec![0, 1, 2, 3, 0, 1, 2, 3], 1));
        assert!(memory.all_durable());
    }

    #[test]
    fn a_fence_stands_before_what_a_barrier_holds_back() {
        let (mut memory, mut lines) = fresh();
        let chain = [write(0, 64, 1), Step::Barrier, write(64, 8, 2)];
        let mut lowering = Lowering::default();
        let mut seen_fence = false;
        while let Some(micro) = lowering.next(&chain, Durability::Durable, &mut lines) {
            if let Micro::Store { at: 64, .. } = micro {
                assert!(
                    seen_fence && memory.all_durable(),
                    "the body is durable before its commit word is stored"
                );
            }
            seen_fence |= micro == Micro::Fence;
            micro.execute(&mut memory);
        }
        assert_eq!(memory.fences, 2);
        assert!(memory.all_durable());
        assert_eq!(lowering.next(&chain, Durability::Durable, &mut lines), None, "it stays complete");
    }

    #[test]
    fn a_barrier_covers_what_earlier_chains_left_visible() {
        let (mut memory, mut lines) = fresh();
        assert_eq!(memory.run(&mut lines, &[write(0, 8, 1)], Durability::Visible), (1, vec![], 0));
        assert_eq!(memory.run(&mut lines, &[write(640, 8, 2)], Durability::Visible), (1, vec![], 0));
        assert_eq!(memory.run(&mut lines, &[], Durability::Durable), (0, vec![0, 10], 1));
        assert!(memory.all_durable());
        assert_eq!(memory.run(&mut lines, &[], Durability::Durable), (0, vec![], 0));
    }

    #[test]
    fn the_end_of_a_visible_chain_pays_what_its_own_barrier_owes() {
        let (mut memory, mut lines) = fresh();
        let cost = memory.run(&mut lines, &[write(0, 8, 1), Step::Barrier], Durability::Visible);
        assert_eq!(cost, (1, vec![0], 1));
    }

    #[test]
    fn a_new_life_persists_what_its_own_lines_know_nothing_of() {
        let (mut memory, mut lines) = fresh();
        memory.run(&mut lines, &[write(0, 128, 1)], Durability::Visible);
        let mut lines = Lines::default();
        memory.run(&mut lines, &[], Durability::Durable);
        assert!(memory.durable.is_empty(), "a plain sync covers nothing of a former life");
        let range = Range { at: 0, length: 128 };
        assert_eq!(memory.run(&mut lines, &[Step::Persist(range)], Durability::Visible), (0, vec![0, 1], 1));
        assert!(memory.all_durable());
    }

    #[test]
    fn what_persist_flushes_is_not_flushed_again() {
        let (mut memory, mut lines) = fresh();
        memory.run(&mut lines, &[write(0, 256, 1)], Durability::Visible);
        let chain = [Step::Persist(Range { at: 0, length: 100 })];
        assert_eq!(memory.run(&mut lines, &chain, Durability::Durable), (0, vec![0, 1, 2, 3], 1));
    }

    /// More scattered lines than can be noted: the oldest are flushed early, none is forgotten, none flushed in vain.
    #[test]
    fn many_scattered_lines_are_all_flushed_once() {
        let (mut memory, mut lines) = fresh();
        let chain: Vec<Step> = (0..100).map(|line| write(line * 128, 8, 1)).collect();
        let (stores, mut flushed, fences) = memory.run(&mut lines, &chain, Durability::Durable);
        flushed.sort_unstable();
        assert_eq!((stores, fences), (100, 1));
        assert_eq!(flushed, (0..100).map(|line| line * 2).collect::<Vec<_>>());
        assert!(memory.all_durable());
    }

    #[test]
    fn a_line_that_several_writes_touch_is_flushed_once() {
        let (mut memory, mut lines) = fresh();
        let chain = [write(0, 16, 1), write(512, 8, 2), write(16, 80, 3), write(520, 8, 4)];
        let (_, flushed, fences) = memory.run(&mut lines, &chain, Durability::Durable);
        assert_eq!((flushed, fences), (vec![0, 1, 8], 1));
    }

    #[test]
    fn a_line_stored_to_again_after_an_early_flush_is_flushed_again() {
        let (mut memory, mut lines) = fresh();
        let mut chain: Vec<Step> = (0..40).map(|line| write(line * 128, 8, 1)).collect();
        chain.push(write(0, 8, 2));
        memory.run(&mut lines, &chain, Durability::Durable);
        assert!(memory.all_durable());
        assert_eq!(memory.lines.iter().filter(|line| **line == 0).count(), 2);
    }

    /// Two submissions whose operations alternate: when both are complete, both are durable.
    #[test]
    fn submissions_may_interleave() {
        for stride in 1..12 {
            let (mut memory, mut lines) = fresh();
            let chains = [
                vec![write(0, 96, 1), Step::Barrier, write(512, 64, 2)],
                vec![write(64, 0, 3), write(96, 96, 4)],
            ];
            let mut lowerings = [Lowering::default(), Lowering::default()];
            let mut done = [false; 2];
            for turn in (0..2).cycle() {
                for _ in 0..stride {
                    match lowerings[turn].next(&chains[turn], Durability::Durable, &mut lines) {
                        Some(micro) => micro.execute(&mut memory),
                        None => done[turn] = true,
                    }
                }
                if done == [true; 2] {
                    break;
                }
            }
            assert!(memory.all_durable(), "stride {stride}");
        }
    }

    #[test]
    #[should_panic(expected = "multiples of 8")]
    fn a_misaligned_write_is_refused() {
        let (mut memory, mut lines) = fresh();
        memory.run(&mut lines, &[write(4, 8, 1)], Durability::Visible);
    }
}
