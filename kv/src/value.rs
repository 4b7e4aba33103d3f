//! What a key can hold, with a hash that an append extends.
//!
//! A state's digest must follow from the state alone and still cost no more than the change, so each value knows its
//! own hash:
//! - a string's full blocks of 1 KiB are chained as they fill up; what is left behind them is hashed when asked for.
//!   An append costs what it appends and at most one block, and the hash does not depend on how the string came to be;
//! - a list's hash is a chain over its elements: their order and where one ends both matter.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Seeds that keep types apart: a string never hashes like a list.
const STRING: u64 = 0x5345_4544_5354_5249;
const LIST: u64 = 0x5345_4544_4c49_5354;
/// How many bytes of a string are hashed into its chain at a time.
const BLOCK: usize = 1024;
/// A string keeps spare room for appends up to so many bytes, however much more it once held.
const SLACK: usize = 64;

/// A string or a list.
#[derive(Clone, Debug)]
pub enum Value {
    /// Bytes; a counter is a string of digits.
    String(Text),
    /// Elements in order, at least one. Boxed, so that strings do not pay for its size.
    List(Box<List>),
}

impl Value {
    /// A hash of the type and the content.
    #[inline]
    pub fn hash(&self) -> u64 {
        match self {
            Value::String(text) => text.hash(),
            Value::List(list) => list.hash,
        }
    }

    /// How many bytes it counts for, as [`Limits`](crate::Limits) measures them.
    #[inline]
    pub fn size(&self) -> usize {
        match self {
            Value::String(text) => text.bytes.len(),
            Value::List(list) => list.size(),
        }
    }
}

/// A string.
#[derive(Clone, Debug)]
pub struct Text {
    bytes: Vec<u8>,
    /// The chained hash of the full blocks at its front.
    chain: u64,
}

impl Text {
    /// A string of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let mut text = Text { bytes: Vec::new(), chain: STRING };
        text.bytes.reserve_exact(bytes.len());
        text.append(bytes);
        text
    }

    /// Its bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes other bytes in place of its own, reusing the room that it has.
    #[inline]
    pub fn replace(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.chain = STRING;
        if self.bytes.capacity() > 2 * bytes.len() + SLACK {
            self.bytes.shrink_to(bytes.len());
        }
        self.append(bytes);
    }

    /// Takes these bytes in addition.
    #[inline]
    pub fn append(&mut self, suffix: &[u8]) {
        let chained = self.bytes.len() / BLOCK * BLOCK;
        self.bytes.extend_from_slice(suffix);
        for block in self.bytes[chained..].chunks_exact(BLOCK) {
            self.chain = xxh3_64_with_seed(block, self.chain);
        }
    }

    #[inline]
    fn hash(&self) -> u64 {
        xxh3_64_with_seed(&self.bytes[self.bytes.len() / BLOCK * BLOCK..], self.chain)
    }
}

/// A list that grows at its right end. Its elements stand in one allocation, so that pushing a small one seldom
/// allocates.
#[derive(Clone, Debug)]
pub struct List {
    bytes: Vec<u8>,
    /// Where each element ends.
    ends: Vec<u32>,
    /// The chained hash of all elements.
    hash: u64,
}

impl List {
    /// A list without elements; a store never keeps one.
    pub fn new() -> Self {
        List { bytes: Vec::new(), ends: Vec::new(), hash: LIST }
    }

    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes it counts for: its elements, and four bytes for each.
    #[inline]
    pub fn size(&self) -> usize {
        self.bytes.len() + 4 * self.ends.len()
    }

    /// Appends an element.
    ///
    /// # Panics
    /// If the elements had 4 GiB or more; [`Limits::list`](crate::Limits) is below that.
    #[inline]
    pub fn push(&mut self, element: &[u8]) {
        let end = u32::try_from(self.bytes.len() + element.len()).expect("a list is below 4 GiB");
        self.bytes.extend_from_slice(element);
        self.ends.push(end);
        self.hash = xxh3_64_with_seed(element, self.hash);
    }

    /// The elements with these indexes, which must exist.
    pub fn range(&self, indexes: Range<usize>) -> impl ExactSizeIterator<Item = &[u8]> {
        indexes.map(|index| {
            let start = if index == 0 { 0 } else { self.ends[index - 1] };
            &self.bytes[start as usize..self.ends[index] as usize]
        })
    }

    /// Appends bytes `from..to` of the list's encoding: its elements, each a length in four bytes and its bytes.
    /// [`size`](Self::size) is the encoding's length.
    pub(crate) fn encode_part(&self, from: usize, to: usize, out: &mut Vec<u8>) {
        let start_of = |index: usize| 4 * index + if index == 0 { 0 } else { self.ends[index - 1] as usize };
        // The element that holds byte `from` of the encoding.
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low.midpoint(high);
            if start_of(middle + 1) <= from { low = middle + 1 } else { high = middle }
        }
        let (mut at, mut index) = (from, low);
        while at < to {
            let start = start_of(index);
            let (first, last) = (start - 4 * index, self.ends[index] as usize);
            if at < start + 4 {
                let length = ((last - first) as u32).to_le_bytes();
                let end = to.min(start + 4);
                out.extend_from_slice(&length[at - start..end - start]);
                at = end;
            }
            let end = to.min(start_of(index + 1));
            if at < end {
                out.extend_from_slice(&self.bytes[first + at - start - 4..first + end - start - 4]);
                at = end;
            }
            index += 1;
        }
    }

    /// How many bytes the elements with these indexes have, in constant time.
    pub fn range_size(&self, indexes: Range<usize>) -> usize {
        let before = |index: usize| if index == 0 { 0 } else { self.ends[index - 1] as usize };
        before(indexes.end) - before(indexes.start)
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

/// The indexes that `start` to `stop` name in a list of `length`: both are included, a negative one counts from the
/// end, one outside the list is cut off (Redis `LRANGE`).
pub fn indexes(length: usize, start: i64, stop: i64) -> Range<usize> {
    let length = length as i64;
    let from_end = |index: i64| if index < 0 { index.saturating_add(length) } else { index };
    let start = from_end(start).max(0);
    let end = from_end(stop).saturating_add(1).min(length);
    if start < end { start as usize..end as usize } else { 0..0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_string_hashes_the_same_however_it_came_to_be() {
        let bytes: Vec<u8> = (0..5000u32).map(|index| (index % 251) as u8).collect();
        for cut in [0, 1, 1023, 1024, 1025, 2048, 4999, 5000] {
            let mut text = Text::new(&bytes[..cut]);
            text.append(&bytes[cut..]);
            assert_eq!(text.hash(), Text::new(&bytes).hash(), "cut at {cut}");
        }
        let mut text = Text::new(&bytes);
        text.replace(b"short");
        assert_eq!(text.hash(), Text::new(b"short").hash());
    }

    #[test]
    fn a_lists_hash_tells_order_and_boundaries_apart() {
        let of = |elements: &[&[u8]]| {
            let mut list = List::new();
            elements.iter().for_each(|element| list.push(element));
            list.hash
        };
        let hashes =
            [of(&[b"a", b"b"]), of(&[b"b", b"a"]), of(&[b"ab"]), of(&[b"ab", b""]), of(&[b"", b"ab"])];
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(hash), "the hash at {index} is not the first of its kind");
        }
        assert_ne!(Text::new(b"").hash(), List::new().hash);
    }

    #[test]
    fn any_part_of_a_lists_encoding_is_that_part_of_the_whole() {
        let mut list = List::new();
        for element in [&b""[..], b"one", b"", b"", b"three", b""] {
            list.push(element);
        }
        let mut whole = Vec::new();
        list.range(0..6).for_each(|element| seedfast_core::codec::Write::block(&mut whole, element));
        assert_eq!(whole.len(), list.size());
        for from in 0..=whole.len() {
            for to in from..=whole.len() {
                let mut part = Vec::new();
                list.encode_part(from, to, &mut part);
                assert_eq!(part, whole[from..to], "{from}..{to}");
            }
        }
    }

    #[test]
    fn ranges_are_redis_ones() {
        let cases = [
            ((3, 0, -1), 0..3),
            ((3, -2, -1), 1..3),
            ((3, -100, 100), 0..3),
            ((3, 1, 1), 1..2),
            ((3, 2, 1), 0..0),
            ((3, 3, 5), 0..0),
            ((3, 0, -4), 0..0),
            ((3, i64::MIN, i64::MAX), 0..3),
            ((3, i64::MAX, i64::MIN), 0..0),
        ];
        for ((length, start, stop), expected) in cases {
            assert_eq!(indexes(length, start, stop), expected, "{start} to {stop} of {length}");
        }
    }

    #[test]
    fn a_list_hands_out_what_was_pushed() {
        let mut list = List::new();
        for element in [&b"one"[..], b"", b"three"] {
            list.push(element);
        }
        assert_eq!(list.range(0..3).collect::<Vec<_>>(), vec![&b"one"[..], b"", b"three"]);
        assert_eq!((list.range_size(1..3), list.range_size(0..0), list.size()), (5, 0, 8 + 12));
    }
}
