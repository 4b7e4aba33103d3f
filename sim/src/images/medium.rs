//! A device that records: what is visible, what is durable, and what each unit may hold after a crash.

use super::hash::{hash, hash_word};
use super::space::Space;
use seedfast_core::Range;
use seedfast_core::nvm::PersistentMemory;

/// Which images a crash may leave; the table stands in the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// NVM, words independent of each other.
    Relaxed8,
    /// NVM, lines keep a prefix of their stores.
    Px86,
    /// NVM whose caches are durable.
    Eadr,
    /// A disk of 512-byte sectors.
    Sectors,
}

impl Model {
    /// The size of an independent unit, in bytes.
    pub const fn unit(self) -> usize {
        match self {
            Model::Relaxed8 | Model::Eadr => 8,
            Model::Px86 => LINE,
            Model::Sectors => 512,
        }
    }
}

/// What a flush works on, in bytes.
const LINE: usize = 64;

/// A value of a unit that is not durable yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    /// When it was put there, on the medium's own counter.
    pub(super) order: u64,
    /// The write it belongs to; zero on NVM.
    write: u32,
    /// Whether it is visible: a disk's write in flight is not.
    landed: bool,
    /// Where its bytes begin in the arena.
    pub(super) bytes: u32,
    pub(super) hash: u128,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Unit {
    /// In the order in which they were put there.
    pub(super) versions: Vec<Version>,
    /// NVM: the order up to which a flush has taken its snapshot; a fence makes that durable.
    flushed: u64,
    /// Whether it is in the list of units with versions.
    listed: bool,
}

/// A device under one [`Model`], from which the images of a crash can be read off at any moment.
#[derive(Debug)]
pub struct Medium {
    model: Model,
    pub(super) durable: Vec<u8>,
    pub(super) durable_hash: u128,
    visible: Vec<u8>,
    pub(super) units: Vec<Unit>,
    /// The units that have versions, in the order in which they got their first.
    pub(super) pending: Vec<u32>,
    /// The bytes of all versions.
    pub(super) arena: Vec<u8>,
    counter: u64,
    /// The unit that was written last, if it is still pending.
    pub(super) newest: Option<u32>,
    flushed: Vec<u32>,
    /// Units that a failed sync forgot: visible, and neither durable nor on their way.
    forgotten: Vec<u32>,
    /// Versions made durable by fences, syncs and persists of this device so far.
    settled: u64,
}

impl Medium {
    /// An empty device of `capacity` bytes, all of it zeros.
    ///
    /// # Panics
    /// If the capacity is no multiple of 512.
    pub fn new(model: Model, capacity: usize) -> Self {
        assert!(capacity.is_multiple_of(512), "a device has whole sectors");
        let units = vec![Unit::default(); capacity / model.unit()];
        Medium {
            model,
            durable: vec![0; capacity],
            durable_hash: 0,
            visible: vec![0; capacity],
            units,
            pending: Vec::new(),
            arena: Vec::new(),
            counter: 0,
            newest: None,
            flushed: Vec::new(),
            forgotten: Vec::new(),
            settled: 0,
        }
    }

    /// The model it was made for.
    pub fn model(&self) -> Model {
        self.model
    }

    /// How many bytes it has.
    pub fn capacity(&self) -> usize {
        self.durable.len()
    }

    /// Begins anew with `bytes`, all of them durable: what a machine finds after the power was gone.
    ///
    /// # Panics
    /// If there are not as many as the device has.
    pub fn reset(&mut self, bytes: &[u8]) {
        self.durable.copy_from_slice(bytes);
        self.visible.copy_from_slice(bytes);
        self.durable_hash = hash(0, bytes);
        self.forget();
    }

    /// Becomes a copy of `other`, which has the same model and capacity, without giving up its memory.
    pub fn copy_from(&mut self, other: &Medium) {
        debug_assert!(self.model == other.model && self.capacity() == other.capacity());
        self.durable.copy_from_slice(&other.durable);
        self.visible.copy_from_slice(&other.visible);
        self.durable_hash = other.durable_hash;
        self.forget();
        for &unit in &other.pending {
            self.units[unit as usize].clone_from(&other.units[unit as usize]);
        }
        self.pending.clone_from(&other.pending);
        self.arena.clone_from(&other.arena);
        self.flushed.clone_from(&other.flushed);
        self.forgotten.clone_from(&other.forgotten);
        self.counter = other.counter;
        self.newest = other.newest;
        self.settled = other.settled;
    }

    fn forget(&mut self) {
        for unit in self.pending.drain(..) {
            let unit = &mut self.units[unit as usize];
            unit.versions.clear();
            unit.listed = false;
            unit.flushed = 0;
        }
        self.flushed.clear();
        self.forgotten.clear();
        self.arena.clear();
        self.newest = None;
    }

    /// What a read finds now.
    pub fn visible(&self) -> &[u8] {
        &self.visible
    }

    /// What survives whatever happens.
    pub fn durable(&self) -> &[u8] {
        &self.durable
    }

    /// Whether everything visible is durable and nothing is in flight.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// How many units were made durable by a fence, a sync or a persist so far; tests of efficacy look at it.
    pub fn settled(&self) -> u64 {
        self.settled
    }

    fn word(&self, at: u64) -> u64 {
        let at = at as usize;
        u64::from_le_bytes(self.visible[at..at + 8].try_into().expect("eight bytes"))
    }

    /// NVM: stores an aligned word, visible at once. Says whether that changed anything.
    ///
    /// # Panics
    /// If the word is not aligned, or lies beyond the device.
    pub fn store(&mut self, at: u64, value: u64) -> bool {
        assert!(at.is_multiple_of(8), "a word is stored at a multiple of eight, not at {at}");
        if self.word(at) == value {
            // The newest value already is this one: no unit can hold anything that it could not before.
            return false;
        }
        self.visible[at as usize..at as usize + 8].copy_from_slice(&value.to_le_bytes());
        if self.model == Model::Eadr {
            let old = u64::from_le_bytes(
                self.durable[at as usize..at as usize + 8].try_into().expect("eight bytes"),
            );
            self.durable_hash ^= hash_word(at, old) ^ hash_word(at, value);
            self.durable[at as usize..at as usize + 8].copy_from_slice(&value.to_le_bytes());
            return true;
        }
        let unit = at as usize / self.model.unit();
        self.version(unit, 0, true, None);
        true
    }

    /// NVM: takes the snapshot of the lines that `range` touches; a fence makes it durable.
    pub fn flush(&mut self, range: Range) {
        if range.length == 0 {
            return;
        }
        let from = range.at as usize / LINE * LINE;
        let to = ((range.at + range.length) as usize).next_multiple_of(LINE).min(self.capacity());
        let width = self.model.unit();
        for index in from / width..to / width {
            let unit = &mut self.units[index];
            if let Some(last) = unit.versions.last()
                && unit.flushed != last.order
            {
                unit.flushed = last.order;
                self.flushed.push(index as u32);
            }
        }
    }

    /// NVM: what flushes took a snapshot of is durable.
    pub fn fence(&mut self) {
        let flushed = std::mem::take(&mut self.flushed);
        for &index in &flushed {
            let upto = self.units[index as usize].flushed;
            self.settle(index, |version| version.order <= upto);
            self.units[index as usize].flushed = 0;
        }
        self.flushed = flushed;
        self.flushed.clear();
        self.tidy();
    }

    /// Disk: a write begins; it may be found after a crash, and is not visible before it has landed. `write` is its
    /// name, unique among those that are not durable.
    ///
    /// # Panics
    /// If it is not made of whole sectors of this device.
    pub fn launch(&mut self, write: u32, at: u64, bytes: &[u8]) {
        let width = self.model.unit();
        assert!(at.is_multiple_of(width as u64) && bytes.len().is_multiple_of(width), "whole sectors");
        for (index, sector) in bytes.chunks_exact(width).enumerate() {
            self.version(at as usize / width + index, write, false, Some(sector));
        }
    }

    /// Disk: a write becomes visible.
    pub fn land(&mut self, write: u32) {
        let width = self.model.unit();
        for &index in &self.pending {
            let unit = &mut self.units[index as usize];
            let mut moved = None;
            for version in unit.versions.iter_mut().filter(|version| version.write == write) {
                if !version.landed {
                    version.landed = true;
                    moved = Some(version.bytes as usize);
                }
            }
            if let Some(bytes) = moved {
                let at = index as usize * width;
                self.visible[at..at + width].copy_from_slice(&self.arena[bytes..bytes + width]);
            }
        }
    }

    /// Disk: a sync takes effect for the writes that it covers.
    pub fn sync(&mut self, covers: impl Fn(u32) -> bool) {
        for index in 0..self.pending.len() {
            let index = self.pending[index];
            self.settle(index, |version| version.landed && covers(version.write));
        }
        self.tidy();
    }

    /// Disk: a sync fails. Of each sector that it would have covered, the newest value is durable if `kept` says so, or
    /// else forgotten: it stays visible, and no later sync writes it back; only a persist of the range does.
    pub fn fail_sync(&mut self, covers: impl Fn(u32) -> bool, kept: impl Fn(u64) -> bool) {
        let width = self.model.unit();
        for index in 0..self.pending.len() {
            let index = self.pending[index];
            let covered = |version: &Version| version.landed && covers(version.write);
            if kept((index as usize * width) as u64) {
                self.settle(index, covered);
            } else {
                let versions = &mut self.units[index as usize].versions;
                let before = versions.len();
                versions.retain(|version| !covered(version));
                if versions.len() < before {
                    self.forgotten.push(index);
                }
            }
        }
        self.tidy();
    }

    /// Makes durable what is visible in a range, whoever put it there.
    pub fn persist(&mut self, range: Range) {
        let width = self.model.unit() as u64;
        let end = range.at + range.length;
        for index in 0..self.pending.len() {
            let index = self.pending[index];
            let at = u64::from(index) * width;
            if at < end && at + width > range.at {
                self.settle(index, |version| version.landed);
            }
        }
        for index in std::mem::take(&mut self.forgotten) {
            let (at, width) = (index as usize * width as usize, width as usize);
            if (at as u64) < end && (at + width) as u64 > range.at {
                let visible = &self.visible[at..at + width];
                self.durable_hash ^=
                    hash(at as u64, &self.durable[at..at + width]) ^ hash(at as u64, visible);
                self.durable[at..at + width].copy_from_slice(visible);
            } else {
                self.forgotten.push(index);
            }
        }
        self.tidy();
    }

    /// Disk: a process crash: the sectors in flight for which `lands` says so become visible, the others vanish.
    pub fn resolve(&mut self, mut lands: impl FnMut(u64) -> bool) {
        let width = self.model.unit();
        for &index in &self.pending {
            let unit = &mut self.units[index as usize];
            let at = index as usize * width;
            let (visible, arena) = (&mut self.visible, &self.arena);
            unit.versions.retain_mut(|version| {
                if !version.landed && !lands(at as u64) {
                    return false;
                }
                if !version.landed {
                    version.landed = true;
                    let bytes = version.bytes as usize;
                    visible[at..at + width].copy_from_slice(&arena[bytes..bytes + width]);
                }
                true
            });
        }
        self.tidy();
    }

    /// Puts a new version on a unit: what is visible there now, or the bytes given.
    fn version(&mut self, index: usize, write: u32, landed: bool, bytes: Option<&[u8]>) {
        let width = self.model.unit();
        self.counter += 1;
        let start = self.arena.len();
        match bytes {
            Some(bytes) => self.arena.extend_from_slice(bytes),
            None => self.arena.extend_from_slice(&self.visible[index * width..(index + 1) * width]),
        }
        let hash = hash((index * width) as u64, &self.arena[start..]);
        let unit = &mut self.units[index];
        unit.versions.push(Version { order: self.counter, write, landed, bytes: start as u32, hash });
        if !unit.listed {
            unit.listed = true;
            self.pending.push(index as u32);
        }
        self.newest = Some(index as u32);
    }

    /// The newest version that `settled` picks becomes the durable value; older ones can no longer come back.
    fn settle(&mut self, index: u32, settled: impl Fn(&Version) -> bool) {
        let width = self.model.unit();
        let unit = &mut self.units[index as usize];
        let Some(last) = unit.versions.iter().rposition(settled) else { return };
        let at = index as usize * width;
        let bytes = unit.versions[last].bytes as usize;
        self.durable_hash ^= hash(at as u64, &self.durable[at..at + width]) ^ unit.versions[last].hash;
        self.durable[at..at + width].copy_from_slice(&self.arena[bytes..bytes + width]);
        unit.versions.drain(..=last);
        self.settled += 1;
    }

    /// Takes units without versions off the list.
    fn tidy(&mut self) {
        let units = &mut self.units;
        self.pending.retain(|&index| {
            let unit = &mut units[index as usize];
            unit.listed = !unit.versions.is_empty();
            unit.listed
        });
        if self.newest.is_some_and(|newest| !self.units[newest as usize].listed) {
            self.newest = None;
        }
        if self.pending.is_empty() {
            self.arena.clear();
        }
    }

    /// The hash of what is durable.
    pub fn durable_hash(&self) -> u128 {
        self.durable_hash
    }

    /// The images of a power loss at this moment.
    pub fn space(&self, space: &mut Space) {
        space.begin(self.model.unit(), self.newest);
        for &index in &self.pending {
            let at = index as usize * self.model.unit();
            let base = &self.durable[at..at + self.model.unit()];
            space.unit(index, base, self.units[index as usize].versions.iter(), &self.arena);
        }
    }

    /// What may become visible of a disk's writes in flight after a process crash, as images of what is visible.
    pub fn landings(&self, space: &mut Space) {
        space.begin(self.model.unit(), None);
        for &index in &self.pending {
            let at = index as usize * self.model.unit();
            let base = &self.visible[at..at + self.model.unit()];
            let in_flight = self.units[index as usize].versions.iter().filter(|version| !version.landed);
            space.unit(index, base, in_flight, &self.arena);
        }
    }
}

impl PersistentMemory for Medium {
    fn store_u64(&mut self, at: u64, value: u64) {
        self.store(at, value);
    }

    fn flush(&mut self, range: Range) {
        Medium::flush(self, range);
    }

    fn fence(&mut self) {
        Medium::fence(self);
    }
}
