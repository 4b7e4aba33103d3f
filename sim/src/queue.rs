//! What happens next: a queue in the total order of (time, sequence number).
//!
//! A heap entry is one 128-bit number, `time << 64 | sequence << 24 | slot`, so that comparing two entries compares
//! time first and the order of pushing second; `slot` names the payload in a slab and never decides, because sequence
//! numbers differ. The heap has four children a node: they share one cache line.

/// At most so many payloads wait at once.
const SLOTS: usize = 1 << 24;

/// A queue of `T`, reusing its memory.
pub(crate) struct Queue<T> {
    heap: Vec<u128>,
    slab: Vec<T>,
    free: Vec<u32>,
    pushed: u64,
}

impl<T: Default> Queue<T> {
    pub(crate) fn new() -> Self {
        Queue { heap: Vec::new(), slab: Vec::new(), free: Vec::new(), pushed: 0 }
    }

    /// Forgets everything but its memory.
    pub(crate) fn clear(&mut self) {
        self.heap.clear();
        self.slab.clear();
        self.free.clear();
        self.pushed = 0;
    }

    /// The payload is due at `at`, after everything pushed before for the same time.
    #[inline]
    pub(crate) fn push(&mut self, at: u64, payload: T) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slab[slot as usize] = payload;
                slot
            }
            None => {
                assert!(self.slab.len() < SLOTS, "too many events wait at once");
                self.slab.push(payload);
                (self.slab.len() - 1) as u32
            }
        };
        self.pushed += 1;
        let entry = u128::from(at) << 64 | u128::from(self.pushed << 24 | u64::from(slot));
        let mut hole = self.heap.len();
        self.heap.push(entry);
        while hole > 0 {
            let parent = (hole - 1) / 4;
            if self.heap[parent] <= entry {
                break;
            }
            self.heap[hole] = self.heap[parent];
            hole = parent;
        }
        self.heap[hole] = entry;
    }

    /// When the next payload is due.
    #[inline]
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.heap.first().map(|entry| (entry >> 64) as u64)
    }

    /// The next payload.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let first = *self.heap.first()?;
        let last = self.heap.pop()?;
        let heap = &mut self.heap[..];
        if !heap.is_empty() {
            let mut hole = 0;
            loop {
                let child = hole * 4 + 1;
                let mut least = child;
                let mut value = match heap.get(child) {
                    Some(&value) => value,
                    None => break,
                };
                for (offset, &other) in heap[child..].iter().take(4).enumerate().skip(1) {
                    if other < value {
                        (least, value) = (child + offset, other);
                    }
                }
                if value >= last {
                    break;
                }
                heap[hole] = value;
                hole = least;
            }
            heap[hole] = last;
        }
        let slot = (first as u64 & (SLOTS as u64 - 1)) as u32;
        self.free.push(slot);
        Some(core::mem::take(&mut self.slab[slot as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::random::Random;

    #[test]
    fn the_order_is_time_then_order_of_pushing_whatever_the_interleaving() {
        let mut random = Random::new(&[3; 32]);
        let mut queue = Queue::new();
        let mut reference: Vec<(u64, u64)> = Vec::new();
        let mut serial = 0;
        for _ in 0..20_000 {
            if random.below(5) < 3 {
                let at = random.below(50);
                queue.push(at, serial);
                reference.push((at, serial));
                serial += 1;
            } else if let Some(expected) = reference.iter().copied().min() {
                assert_eq!(queue.next_at(), Some(expected.0));
                assert_eq!(queue.pop(), Some(expected.1));
                reference.retain(|&entry| entry != expected);
            }
        }
        reference.sort_unstable();
        for (at, serial) in reference {
            assert_eq!((queue.next_at(), queue.pop()), (Some(at), Some(serial)));
        }
        assert_eq!(queue.pop(), None);
    }
}
