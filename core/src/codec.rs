//! Bounds-checked little-endian fields, written by hand: no padding, no `usize`, no native byte order.

use crate::buffer::Buffer;
use alloc::vec::Vec;

/// The bytes ended, or a length or a tag in them is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Appends fields to bytes being written.
pub trait Write {
    /// Appends raw bytes.
    fn bytes(&mut self, bytes: &[u8]);

    /// Appends one byte.
    #[inline]
    fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    /// Appends two bytes, little end first.
    #[inline]
    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends four bytes, little end first.
    #[inline]
    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends eight bytes, little end first.
    #[inline]
    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends a length in four bytes, then the bytes.
    ///
    /// # Panics
    /// If there are 4 GiB of them or more.
    #[inline]
    fn block(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).expect("a block is below 4 GiB"));
        self.bytes(bytes);
    }
}

impl Write for Vec<u8> {
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Reads fields from the front of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// How far reading has come, in bytes.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`Malformed`] if fewer are left; the same holds for every method below.
    #[inline]
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(count).ok_or(Malformed)?;
        let taken = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed)
    }

    /// One byte.
    #[inline]
    #[expect(clippy::missing_errors_doc, reason = "said once, at `bytes`")]
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes, little end first.
    #[inline]
    #[expect(clippy::missing_errors_doc, reason = "said once, at `bytes`")]
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, little end first.
    #[inline]
    #[expect(clippy::missing_errors_doc, reason = "said once, at `bytes`")]
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, little end first.
    #[inline]
    #[expect(clippy::missing_errors_doc, reason = "said once, at `bytes`")]
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    /// A length in four bytes, then so many bytes.
    #[inline]
    #[expect(clippy::missing_errors_doc, reason = "said once, at `bytes`")]
    pub fn block(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()? as usize;
        self.bytes(length)
    }

    /// Like [`block`](Self::block), as a slice of `whole`, which must be the buffer that this reader reads.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes end first.
    #[inline]
    pub fn block_of(&mut self, whole: &Buffer) -> Result<Buffer, Malformed> {
        debug_assert_eq!(whole.len(), self.bytes.len());
        let length = self.u32()? as usize;
        let start = self.at;
        self.bytes(length)?;
        Ok(whole.slice(start, start + length))
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// [`Malformed`] if something is.
    #[inline]
    pub fn end(&self) -> Result<(), Malformed> {
        if self.remaining() == 0 { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn fields_come_back_as_they_went_in() {
        let mut bytes = vec![];
        bytes.u8(1);
        bytes.u16(2);
        bytes.u32(3);
        bytes.u64(4);
        bytes.block(b"five");
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u32(), Ok(3));
        assert_eq!(reader.u64(), Ok(4));
        assert_eq!(reader.block(), Ok(&b"five"[..]));
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn a_length_beyond_the_end_is_malformed_not_a_panic() {
        let mut bytes = vec![];
        bytes.u32(u32::MAX);
        assert_eq!(Reader::new(&bytes).block(), Err(Malformed));
        assert_eq!(Reader::new(&[1, 2]).u32(), Err(Malformed));
        assert_eq!(Reader::new(&bytes).end(), Err(Malformed));
    }
}
