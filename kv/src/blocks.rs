//! Several byte strings in a row: the keys of a deletion, the elements of a push, the pairs of a multi-set.
//!
//! Whoever builds a command has them as slices; whoever decodes one has them still encoded, checked once and read
//! again without an allocation. One type serves both, so that a command is one enum.

use alloc::vec::Vec;
use core::fmt;
use seedfast_core::codec::{Malformed, Reader, Write};

/// A row of byte strings, borrowed.
#[derive(Clone, Copy)]
pub struct Blocks<'a>(Form<'a>);

#[derive(Clone, Copy)]
enum Form<'a> {
    Slices(&'a [&'a [u8]]),
    /// `count` blocks, each a length in four bytes and its bytes; checked when they were decoded.
    Encoded {
        count: u32,
        bytes: &'a [u8],
    },
}

impl<'a> Blocks<'a> {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        match self.0 {
            Form::Slices(slices) => slices.len(),
            Form::Encoded { count, .. } => count as usize,
        }
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each of them, in order.
    #[inline]
    pub fn iter(&self) -> Iter<'a> {
        match self.0 {
            Form::Slices(slices) => Iter::Slices(slices.iter()),
            Form::Encoded { bytes, .. } => Iter::Encoded(Reader::new(bytes)),
        }
    }

    /// Two at a time; one left over at the end is dropped, so check that [`len`](Self::len) is even.
    #[inline]
    pub fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut single = self.iter();
        core::iter::from_fn(move || Some((single.next()?, single.next()?)))
    }

    /// Appends the count in four bytes, then the blocks.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.u32(u32::try_from(self.len()).expect("a command names fewer than 2^32 things"));
        match self.0 {
            Form::Slices(slices) => slices.iter().for_each(|slice| out.block(slice)),
            Form::Encoded { bytes, .. } => out.bytes(bytes),
        }
    }

    /// Reads what [`encode`](Self::encode) wrote and checks every length, so that iterating cannot fail.
    #[inline]
    pub(crate) fn decode(fields: &mut Reader<'a>) -> Result<Self, Malformed> {
        let count = fields.u32()?;
        let mut walk = *fields;
        for _ in 0..count {
            walk.block()?;
        }
        let bytes = fields.bytes(walk.position() - fields.position())?;
        Ok(Blocks(Form::Encoded { count, bytes }))
    }
}

impl<'a> From<&'a [&'a [u8]]> for Blocks<'a> {
    fn from(slices: &'a [&'a [u8]]) -> Self {
        Blocks(Form::Slices(slices))
    }
}

impl<'a> IntoIterator for &Blocks<'a> {
    type Item = &'a [u8];
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl PartialEq for Blocks<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Blocks<'_> {}

impl fmt::Debug for Blocks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterates over [`Blocks`].
#[derive(Clone, Debug)]
pub enum Iter<'a> {
    /// As somebody who builds a command has them.
    Slices(core::slice::Iter<'a, &'a [u8]>),
    /// As somebody who decoded one has them.
    Encoded(Reader<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Iter::Slices(slices) => slices.next().copied(),
            Iter::Encoded(fields) => fields.block().ok(),
        }
    }
}
