//! Which images were met before, and what came of them: an open table of 128-bit hashes.

/// A map from an image's hash to a number; equal hashes are taken for equal images.
#[derive(Clone, Debug)]
pub struct Seen {
    slots: Vec<Slot>,
    used: usize,
    /// Slots of another round are empty: clearing costs nothing.
    round: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    low: u64,
    high: u64,
    round: u32,
    value: u32,
}

/// How many slots a table begins with.
const FIRST: usize = 1 << 12;

impl Default for Seen {
    fn default() -> Self {
        Seen { slots: vec![Slot::default(); FIRST], used: 0, round: 1 }
    }
}

impl Seen {
    /// Forgets everything and keeps its memory.
    pub fn clear(&mut self) {
        self.used = 0;
        self.round = match self.round.checked_add(1) {
            Some(round) => round,
            None => {
                self.slots.fill(Slot::default());
                1
            }
        };
    }

    /// How many images it knows.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// The place of `hash`: its own, or the empty one where it belongs.
    #[inline]
    fn place(&self, hash: u128) -> usize {
        let (low, high) = (hash as u64, (hash >> 64) as u64);
        let mask = self.slots.len() - 1;
        let mut at = low as usize & mask;
        loop {
            let slot = &self.slots[at];
            if slot.round != self.round || (slot.low == low && slot.high == high) {
                return at;
            }
            at = (at + 1) & mask;
        }
    }

    /// What was remembered of an image, if it was met.
    #[inline]
    pub fn get(&self, hash: u128) -> Option<u32> {
        let slot = &self.slots[self.place(hash)];
        (slot.round == self.round).then_some(slot.value)
    }

    /// Remembers `value` of an image; says whether it is new.
    #[inline]
    pub fn insert(&mut self, hash: u128, value: u32) -> bool {
        if self.used * 2 >= self.slots.len() {
            self.grow();
        }
        let at = self.place(hash);
        let slot = &mut self.slots[at];
        let is_new = slot.round != self.round;
        self.used += usize::from(is_new);
        *slot = Slot { low: hash as u64, high: (hash >> 64) as u64, round: self.round, value };
        is_new
    }

    fn grow(&mut self) {
        let larger = vec![Slot::default(); self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, larger);
        for slot in old.into_iter().filter(|slot| slot.round == self.round) {
            let at = self.place(u128::from(slot.high) << 64 | u128::from(slot.low));
            self.slots[at] = slot;
        }
    }
}
