//! Memory that begins on a page, as direct I/O and the kernel's rings want it, and a pool of blocks of it.
#![expect(unsafe_code, reason = "the only files of the workspace where it belongs")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// What every device's alignment divides, in bytes.
pub(crate) const PAGE: usize = 4096;

/// Zeroed bytes that begin on a page.
pub(crate) struct Memory {
    start: NonNull<u8>,
    length: usize,
}

impl Memory {
    /// `length` zeros; at least one.
    pub(crate) fn new(length: usize) -> Self {
        let length = length.max(1);
        let layout = Self::layout(length);
        // SAFETY: the layout's size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        Memory { start, length }
    }

    fn layout(length: usize) -> Layout {
        Layout::from_size_align(length, PAGE).expect("memory below the address space's end")
    }

    /// Where it begins. Reading or writing through it is for whoever knows that nobody else does.
    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

impl Deref for Memory {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: `length` initialised bytes were allocated there and live as long as `self`. The kernel writes to a
        // `Memory` only while it is owned by a request, where nobody can reach this method.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this very layout, and freed once.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.length)) }
    }
}

/// How long a pooled block is, in bytes.
pub(crate) const BLOCK: usize = 64 << 10;

/// Aligned memory that belongs to one request: a place in the pool, or memory of its own.
pub(crate) enum Block {
    /// A place in the pool, which the ring may know as a registered buffer.
    Pooled(u32),
    /// Memory of its own, because it is long or the pool was empty.
    Own(Memory),
}

/// A pool of blocks.
pub(crate) struct Blocks {
    memory: Memory,
    free: Vec<u32>,
}

impl Blocks {
    /// A pool of `count` blocks.
    pub(crate) fn new(count: u32) -> Self {
        Blocks { memory: Memory::new(count as usize * BLOCK), free: (0..count).rev().collect() }
    }

    /// All of it, to be registered.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// A block of at least `length` bytes.
    pub(crate) fn take(&mut self, length: usize) -> Block {
        match self.free.pop() {
            Some(index) if length <= BLOCK => Block::Pooled(index),
            other => {
                self.free.extend(other);
                Block::Own(Memory::new(length))
            }
        }
    }

    /// Its bytes.
    pub(crate) fn bytes<'a>(&'a mut self, block: &'a mut Block) -> &'a mut [u8] {
        match block {
            Block::Pooled(index) => {
                let start = *index as usize * BLOCK;
                &mut self.memory[start..start + BLOCK]
            }
            Block::Own(memory) => memory,
        }
    }

    /// Where it begins, and whether that lies in the pool.
    pub(crate) fn start(&self, block: &Block) -> (*mut u8, bool) {
        match block {
            Block::Pooled(index) => (self.memory.start().wrapping_add(*index as usize * BLOCK), true),
            Block::Own(memory) => (memory.start(), false),
        }
    }

    /// Takes it back.
    pub(crate) fn release(&mut self, block: Block) {
        if let Block::Pooled(index) = block {
            self.free.push(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_begin_on_a_page_do_not_overlap_and_come_back() {
        let mut blocks = Blocks::new(2);
        let (mut first, mut second, third) = (blocks.take(10), blocks.take(BLOCK), blocks.take(1));
        assert!(matches!(third, Block::Own(_)), "the pool is empty");
        blocks.bytes(&mut first).fill(1);
        blocks.bytes(&mut second).fill(2);
        assert!(blocks.bytes(&mut first).iter().all(|byte| *byte == 1));
        for block in [&first, &second, &third] {
            assert!((blocks.start(block).0 as usize).is_multiple_of(PAGE));
        }
        blocks.release(first);
        assert!(matches!(blocks.take(BLOCK + 1), Block::Own(_)), "longer than a block");
        assert!(matches!(blocks.take(1), Block::Pooled(_)));
    }
}
