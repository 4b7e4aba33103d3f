//! Pooled, shared bytes: encoded once for all receivers, owned by a device or a network card until it is done.
//!
//! A [`Pool`] hands out a [`BufferMut`]; freezing it gives a [`Buffer`], which is cheap to clone and to slice and
//! never changes again. Whoever drops the last handle may [`recycle`](Pool::recycle) it, so that in a steady state
//! nothing is allocated. All of it is safe code: a buffer is an `Arc<Vec<u8>>` and a range; an empty one is nothing.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

/// Immutable bytes, shared by reference count.
#[derive(Clone, Default)]
pub struct Buffer {
    /// None for no bytes.
    storage: Option<Arc<Vec<u8>>>,
    start: u32,
    end: u32,
}

impl Buffer {
    /// An empty buffer; it costs nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of `bytes`, outside any pool.
    pub fn copy_from(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }

    /// The part `start..end` of this buffer, sharing its storage.
    ///
    /// # Panics
    /// If the range does not lie within the buffer.
    pub fn slice(&self, start: usize, end: usize) -> Buffer {
        assert!(start <= end && end <= self.len(), "a slice must lie within its buffer");
        Buffer {
            storage: self.storage.clone(),
            start: self.start + start as u32,
            end: self.start + end as u32,
        }
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        let end = u32::try_from(bytes.len()).expect("a buffer holds less than 4 GiB");
        Buffer { storage: Some(Arc::new(bytes)), start: 0, end }
    }
}

impl Deref for Buffer {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.storage {
            Some(bytes) => &bytes[self.start as usize..self.end as usize],
            None => &[],
        }
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Buffer {}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())?;
        for (index, byte) in self.iter().take(16).enumerate() {
            write!(f, "{}{byte:02x}", if index == 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

/// Bytes being written by their only owner; dereferences to a `Vec<u8>`.
#[derive(Default)]
pub struct BufferMut {
    bytes: Vec<u8>,
    /// The reference count that [`freeze`](Self::freeze) will reuse, if there is one: unshared and empty.
    shell: Option<Arc<Vec<u8>>>,
}

impl BufferMut {
    /// An empty buffer outside any pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer outside any pool, with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        BufferMut { bytes: Vec::with_capacity(bytes), shell: None }
    }

    /// Ends writing: from here on the bytes are shared and never change.
    pub fn freeze(mut self) -> Buffer {
        let end = u32::try_from(self.bytes.len()).expect("a buffer holds less than 4 GiB");
        match self.shell.as_mut().and_then(Arc::get_mut) {
            Some(slot) => *slot = self.bytes,
            None => self.shell = Some(Arc::new(self.bytes)),
        }
        Buffer { storage: self.shell, start: 0, end }
    }
}

/// Emptied, to be written into again, if nobody else holds it; given back if somebody does.
impl TryFrom<Buffer> for BufferMut {
    type Error = Buffer;

    #[inline]
    fn try_from(mut buffer: Buffer) -> Result<Self, Buffer> {
        match buffer.storage.as_mut().map(Arc::get_mut) {
            None => Ok(BufferMut::default()),
            Some(None) => Err(buffer),
            Some(Some(storage)) => {
                let mut bytes = core::mem::take(storage);
                bytes.clear();
                Ok(BufferMut { bytes, shell: buffer.storage })
            }
        }
    }
}

impl Deref for BufferMut {
    type Target = Vec<u8>;
    #[inline]
    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for BufferMut {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

/// Spare buffers. It keeps at most a fixed number, each of a bounded capacity, so that one large frame does not
/// stay for ever.
pub struct Pool {
    free: Vec<BufferMut>,
    most: usize,
}

/// A spare buffer above this capacity is given back to the allocator.
const LARGEST_KEPT: usize = 64 << 10;
/// A fresh buffer has room for an ordinary frame or record.
const FRESH: usize = 192;

impl Pool {
    /// A pool that keeps at most `most` spare buffers.
    pub fn new(most: usize) -> Self {
        Pool { free: Vec::new(), most }
    }

    /// An empty buffer to write into, a spare one if there is one.
    #[inline]
    pub fn take(&mut self) -> BufferMut {
        self.free.pop().unwrap_or_else(|| BufferMut::with_capacity(FRESH))
    }

    /// A frozen copy of `bytes`.
    #[inline]
    pub fn copy_from(&mut self, bytes: &[u8]) -> Buffer {
        let mut buffer = self.take();
        buffer.extend_from_slice(bytes);
        buffer.freeze()
    }

    /// Gives a handle back; its storage becomes a spare one if this was the last handle.
    #[inline]
    pub fn recycle(&mut self, buffer: Buffer) {
        let capacity = buffer.storage.as_ref().map_or(0, |storage| storage.capacity());
        if self.free.len() < self.most
            && (1..=LARGEST_KEPT).contains(&capacity)
            && let Ok(spare) = BufferMut::try_from(buffer)
        {
            self.free.push(spare);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_shares_its_storage_and_outlives_its_parent() {
        let whole = Buffer::copy_from(b"ballot");
        let part = whole.slice(1, 4);
        drop(whole);
        assert_eq!(&*part, b"all");
        assert_eq!(&*part.slice(1, 2), b"l");
    }

    #[test]
    fn a_recycled_buffer_is_handed_out_again_only_when_nobody_holds_it() {
        let mut pool = Pool::new(4);
        let mut first = pool.take();
        first.extend_from_slice(b"slot");
        let first = first.freeze();
        let held = first.clone();
        let address = first.as_ptr();
        pool.recycle(first);
        assert!(pool.free.is_empty(), "somebody still reads it");
        pool.recycle(held);
        let mut again = pool.take();
        assert!(again.is_empty());
        again.push(1);
        assert_eq!(again.as_ptr(), address);
    }

    #[test]
    #[should_panic(expected = "within its buffer")]
    fn a_slice_beyond_the_end_is_refused() {
        let _ = Buffer::copy_from(b"abc").slice(2, 4);
    }
}
