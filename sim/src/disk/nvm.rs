//! Persistent memory: which stores are visible, which were flushed, which are durable, and what a power loss leaves.
//!
//! The crash model, before the code. A *word* is 8 aligned bytes, a *line* 64. Chains become stores, flushes and fences
//! by [`seedfast_core::nvm`]; here each has its effect.
//!
//! - A store is visible at once and pends in its line, behind earlier ones. A flush takes a snapshot of what pends in
//!   its lines and promises nothing; a fence makes durable what was snapshotted.
//! - A power loss leaves, [`Caches::Relaxed8`]: in each word, independently, the durable value or any that pends;
//!   [`Caches::Px86`]: of each line a prefix of what pends; [`Caches::Eadr`]: everything visible.
//! - A process crash falls between any two operations. Caches live on: what pends stays visible and volatile; the next
//!   life does not know of it, and the flushes of the dead one count for nothing any more.
//!
//! May happen: what nobody flushed is durable. Must never happen: a fenced value lost, or replaced by an older one; a
//! value that was never stored; a torn word; a flush without a fence counted as durable; under px86, of two stores to
//! one line, the later durable without the earlier.

use super::{Device, Kept};
use crate::schedule::Caches;
use seedfast_core::nvm::{LINE, Lines, PersistentMemory, WORD};
use seedfast_core::{OperationId, Range};
use std::collections::BTreeMap;

/// At most so many lines hold pending stores; beyond that the cache evicts the one with the oldest.
const MOST_LINES: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Store {
    at: u64,
    value: u64,
    order: u64,
    /// The write that it belongs to.
    write: u64,
}

/// What pends in a line, oldest first; the first `snapshot` of it were flushed since the last fence.
#[derive(Debug, Default)]
struct Line {
    stores: Vec<Store>,
    snapshot: usize,
}

/// A write of which some words are not durable, or not stored yet.
#[derive(Debug)]
struct Written {
    op: OperationId,
    step: u16,
    at: u64,
    words: u32,
    stored: u32,
    /// How many of its stores pend.
    pending: u32,
    /// More of its words may be stored.
    open: bool,
    completed: bool,
    /// A fence of its own chain had made earlier writes of the chain durable before it began.
    behind_durable: bool,
}

/// The caches in front of persistent memory.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    lines: BTreeMap<u64, Line>,
    /// Lines with a snapshot.
    flushed: Vec<u64>,
    /// By name: the device's counter when it began.
    writes: BTreeMap<u64, Written>,
    /// The write that is being stored.
    current: u64,
    /// What this life stored to and did not flush.
    pub(super) noted: Lines,
}

impl Cache {
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.flushed.clear();
        self.writes.clear();
        self.noted = Lines::default();
    }

    /// Whether a store pends in a range.
    pub(super) fn pends_in(&self, range: Range) -> bool {
        let (first, end) = (range.at / LINE, range.at + range.length);
        self.lines
            .range(first..end.div_ceil(LINE))
            .any(|(_, line)| line.stores.iter().any(|store| store.at < end && range.at < store.at + WORD))
    }

    /// One store of a write does not pend any more.
    fn settled(&mut self, write: u64) {
        if let Some(written) = self.writes.get_mut(&write) {
            written.pending -= 1;
            if written.pending == 0 && !written.open {
                self.writes.remove(&write);
            }
        }
    }
}

impl Device {
    /// What this life noted of its stores.
    pub(crate) fn noted(&mut self) -> &mut Lines {
        &mut self.cache.noted
    }

    /// A write of `words` words at `at` begins; its name.
    pub(crate) fn open_write(
        &mut self,
        op: OperationId,
        step: u16,
        at: u64,
        words: u32,
        behind_durable: bool,
    ) -> u64 {
        self.counter += 1;
        self.reach(at + u64::from(words) * WORD);
        let written = Written {
            op,
            step,
            at,
            words,
            stored: 0,
            pending: 0,
            open: true,
            completed: false,
            behind_durable,
        };
        self.cache.writes.insert(self.counter, written);
        self.counter
    }

    /// Stores from now on belong to this write.
    pub(crate) fn resume_write(&mut self, write: u64) {
        self.cache.current = write;
    }

    /// No word more of a write will be stored; whether all of them were.
    pub(crate) fn close_write(&mut self, write: u64) -> bool {
        let Some(written) = self.cache.writes.get_mut(&write) else { return false };
        written.open = false;
        let (pending, whole) = (written.pending, written.stored == written.words);
        if pending == 0 {
            self.cache.writes.remove(&write);
        }
        whole
    }

    pub(super) fn complete_stores(&mut self, op: OperationId) {
        for written in self.cache.writes.values_mut().filter(|written| written.op == op) {
            written.completed = true;
        }
    }

    /// The process died, the caches live on: nobody rests on its flushes.
    pub(crate) fn forget_flushes(&mut self) {
        self.cache.noted = Lines::default();
        for line in self.cache.flushed.drain(..) {
            if let Some(line) = self.cache.lines.get_mut(&line) {
                line.snapshot = 0;
            }
        }
        self.cache.writes.values_mut().for_each(|written| {
            written.open = false;
            written.completed = true;
        });
        self.cache.writes.retain(|_, written| written.pending > 0);
    }

    fn store_durably(&mut self, store: Store) {
        let at = store.at as usize;
        self.durable[at..at + WORD as usize].copy_from_slice(&store.value.to_le_bytes());
        self.orders[at / WORD as usize] = store.order;
    }

    /// The first `count` stores that pend in a line become durable.
    fn drain_line(&mut self, name: u64, count: usize) {
        let Some(line) = self.cache.lines.get_mut(&name) else { return };
        let stores: Vec<Store> = line.stores.drain(..count).collect();
        line.snapshot = line.snapshot.saturating_sub(count);
        if line.stores.is_empty() {
            self.cache.lines.remove(&name);
        }
        for store in stores {
            self.store_durably(store);
            self.cache.settled(store.write);
        }
    }

    fn evict_oldest(&mut self) {
        let oldest = self.cache.lines.iter().min_by_key(|(_, line)| line.stores.first().map(|s| s.order));
        if let Some((&name, line)) = oldest {
            self.drain_line(name, line.stores.len());
        }
    }

    /// Power is lost: of what pends, each word (or line) keeps what `caches` allows: a store survives if `keeps` says
    /// so, a newer one hiding an older one; of a line's stores, `prefix` says how many. What survived is durable.
    /// Returns what became of each write, in the order in which they began.
    pub(crate) fn lose_caches(
        &mut self,
        caches: Caches,
        keeps: impl Fn(OperationId, u16, u64) -> bool,
        prefix: impl Fn(u64, u64) -> u64,
    ) -> Vec<Kept> {
        let writes = core::mem::take(&mut self.cache.writes);
        let mut report: BTreeMap<u64, Kept> = writes
            .iter()
            .map(|(name, written)| {
                let kept = Kept {
                    op: written.op,
                    step: written.step,
                    at: written.at,
                    units: written.words,
                    survived: vec![0; written.words.div_ceil(8) as usize],
                    completed: written.completed,
                    // A word that was never stored is lost like one that was.
                    lost: written.words - written.stored,
                    kept: 0,
                    behind_durable: written.behind_durable,
                };
                (*name, kept)
            })
            .collect();
        for (name, line) in core::mem::take(&mut self.cache.lines) {
            let most = match caches {
                Caches::Px86 => prefix(name, line.stores.len() as u64).min(line.stores.len() as u64) as usize,
                Caches::Relaxed8 | Caches::Eadr => line.stores.len(),
            };
            // From the newest to the oldest: the first one that survives in a word is what the word holds.
            let mut held = [false; (LINE / WORD) as usize];
            for (index, store) in line.stores.iter().enumerate().rev() {
                let word = (store.at % LINE / WORD) as usize;
                if held[word] {
                    continue;
                }
                let kept = report.get_mut(&store.write);
                let survives = index < most
                    && (caches != Caches::Relaxed8
                        || writes
                            .get(&store.write)
                            .is_some_and(|written| keeps(written.op, written.step, store.at / WORD)));
                if survives {
                    held[word] = true;
                    self.store_durably(*store);
                }
                if let Some(kept) = kept {
                    if survives {
                        let unit = ((store.at - kept.at) / WORD) as usize;
                        kept.survived[unit / 8] |= 1 << (unit % 8);
                        kept.kept += 1;
                    } else {
                        kept.lost += 1;
                    }
                }
            }
        }
        self.cache.clear();
        self.visible.copy_from_slice(&self.durable);
        report.into_values().collect()
    }
}

impl PersistentMemory for Device {
    fn store_u64(&mut self, at: u64, value: u64) {
        let bytes = at as usize..(at + WORD) as usize;
        self.visible[bytes].copy_from_slice(&value.to_le_bytes());
        self.counter += 1;
        let (write, order) = (self.cache.current, self.counter);
        if let Some(written) = self.cache.writes.get_mut(&write) {
            written.stored += 1;
            written.pending += 1;
        }
        if self.cache.lines.len() >= MOST_LINES && !self.cache.lines.contains_key(&(at / LINE)) {
            self.evict_oldest();
        }
        let line = self.cache.lines.entry(at / LINE).or_default();
        line.stores.push(Store { at, value, order, write });
    }

    fn flush(&mut self, range: Range) {
        let last = (range.at + range.length).div_ceil(LINE);
        for (name, line) in self.cache.lines.range_mut(range.at / LINE..last) {
            if line.snapshot == 0 {
                self.cache.flushed.push(*name);
            }
            line.snapshot = line.stores.len();
        }
    }

    fn fence(&mut self) {
        for name in core::mem::take(&mut self.cache.flushed) {
            let count = self.cache.lines.get(&name).map_or(0, |line| line.snapshot);
            self.drain_line(name, count);
        }
    }
}
