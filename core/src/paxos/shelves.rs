//! Spare buffers for decided values, by size.
//!
//! A value stays in the log until a snapshot stands in for it, long after the frame or the batch that brought it has
//! been used again. So it is copied into a buffer of its own, no larger than it needs: frames come and go in a few
//! buffers, and what the log forgets makes room for what comes next. In a steady state nothing is allocated, and no
//! small value keeps a large frame.

use crate::buffer::{Buffer, BufferMut};
use alloc::vec::Vec;

/// The buffers of the first shelf have room for so many bytes, those of every second one behind it for twice as many.
const SMALLEST: usize = 64;
/// The last shelf has room for the largest batch that ships by default; larger ones are not kept.
const SHELVES: usize = 25;
/// What lies on the shelves has room for at most so many bytes together: as many as a log that ships by default holds.
const MOST: usize = 64 << 20;

/// Buffers that no slot of the log needs any more.
#[derive(Default)]
pub(crate) struct Shelves {
    shelves: [Vec<BufferMut>; SHELVES],
    /// How many bytes they have room for together.
    bytes: usize,
}

/// How many bytes a buffer of this shelf has room for.
fn room(shelf: usize) -> usize {
    (SMALLEST << (shelf / 2)) / 2 * (2 + shelf % 2)
}

/// The last shelf whose buffers have room for no more than so many bytes.
fn below(bytes: usize) -> Option<usize> {
    let doublings = (bytes / SMALLEST).checked_ilog2()? as usize;
    let shelf = 2 * doublings;
    Some(shelf + usize::from(bytes >= room(shelf + 1)))
}

impl Shelves {
    /// A copy of `bytes`, to be kept.
    pub(crate) fn copy_of(&mut self, bytes: &[u8]) -> Buffer {
        let shelf = below(bytes.len().saturating_sub(1)).map_or(0, |shelf| shelf + 1);
        if shelf >= SHELVES {
            return Buffer::copy_from(bytes);
        }
        let mut buffer = match self.shelves[shelf].pop() {
            Some(spare) => {
                self.bytes -= room(shelf);
                spare
            }
            None => BufferMut::with_capacity(room(shelf)),
        };
        buffer.extend_from_slice(bytes);
        buffer.freeze()
    }

    /// Takes a buffer back, if nobody else holds it. What is too much goes to the allocator, first from where most lies:
    /// when other sizes are asked for than before, they find room.
    pub(crate) fn put_back(&mut self, buffer: Buffer) {
        let Ok(spare) = BufferMut::try_from(buffer) else { return };
        let Some(shelf) = below(spare.capacity()).filter(|shelf| *shelf < SHELVES) else { return };
        self.shelves[shelf].push(spare);
        self.bytes += room(shelf);
        while self.bytes > MOST {
            let fullest = (0..SHELVES).max_by_key(|shelf| self.shelves[*shelf].len() * room(*shelf));
            let Some(fullest) = fullest.filter(|shelf| self.shelves[*shelf].pop().is_some()) else { return };
            self.bytes -= room(fullest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_buffer_serves_again_for_what_fits_it_and_wastes_no_more_than_a_third() {
        let mut shelves = Shelves::default();
        let first = shelves.copy_of(&[1; 128]);
        let address = first.as_ptr();
        shelves.put_back(first);
        let small = shelves.copy_of(&[2; 96]);
        assert_ne!(small.as_ptr(), address, "it would waste the rest");
        let second = shelves.copy_of(&[3; 97]);
        assert_eq!((second.as_ptr(), &second[..]), (address, &[3; 97][..]));
        assert_eq!([0, 1, 2, 3, SHELVES - 1].map(room), [64, 96, 128, 192, 256 << 10]);
        for shelf in 0..SHELVES {
            assert_eq!(below(room(shelf)), Some(shelf));
            assert_eq!(below(room(shelf) - 1), shelf.checked_sub(1));
            assert!(shelves.copy_of(&vec![0; room(shelf)]).len() == room(shelf));
        }
        assert_eq!(shelves.copy_of(&[]).len(), 0);
    }

    #[test]
    fn what_somebody_still_reads_is_not_taken_back() {
        let mut shelves = Shelves::default();
        let first = shelves.copy_of(&[1; 100]);
        shelves.put_back(first.clone());
        let second = shelves.copy_of(&[2; 100]);
        assert_ne!(first.as_ptr(), second.as_ptr());
        assert_eq!(&first[..], &[1; 100]);
    }

    #[test]
    fn no_more_lies_there_than_the_bound_and_another_size_finds_room() {
        let mut shelves = Shelves::default();
        let held = |shelves: &Shelves, shelf: usize| shelves.shelves[shelf].len();
        let large = room(SHELVES - 1);
        for _ in 0..MOST / large + 3 {
            shelves.put_back(Buffer::from(vec![0; large]));
        }
        assert_eq!((shelves.bytes, held(&shelves, SHELVES - 1)), (MOST, MOST / large));
        shelves.put_back(Buffer::from(vec![0; 64]));
        assert_eq!((held(&shelves, 0), held(&shelves, SHELVES - 1)), (1, MOST / large - 1));
        assert!(shelves.bytes <= MOST);
        shelves.put_back(Buffer::from(vec![0; 2 * large]));
        shelves.put_back(Buffer::from(vec![0; 63]));
        assert_eq!(shelves.bytes, MOST - large + 64, "neither fits a shelf");
    }
}
