//! The canonical encoding of a whole state, equal states, equal bytes; and how it is written while commands go on.
//!
//! ```text
//! version u8 = 2 | entries u64 | entry ... | digest u64
//! entry:  0 | key block | string block
//!         1 | key block | elements u32 | element block ...      (at least one element)
//! ```
//! Integers are little-endian, a block is a length in four bytes and so many bytes. Entries ascend strictly by the
//! XXH3-64 of their key, and by the key among those of one hash: an order that a state has by itself and that costs a
//! command next to nothing to keep. Reading one back checks all of that, the limits, and the digest.
//!
//! **Copy on write.** A freeze notes the digest and the number of entries, and that nothing was walked yet. From then
//! on a command that is about to change an entry behind the walk's present place keeps the old value aside first, once;
//! of a key that is new it keeps aside that there was none. The walk takes what was kept aside before what stands in
//! the table. What is kept aside never exceeds the state at the freeze and what was added since, and a value is given
//! back as soon as the walk has passed it.

use crate::table::{Place, Table};
use crate::value::Value;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;
use seedfast_core::codec::Write;
use seedfast_core::machine::Chunk;

/// The version of the encoding.
pub const VERSION: u8 = 2;

pub(crate) const STRING: u8 = 0;
pub(crate) const LIST: u8 = 1;
/// What passing over a key that was not there at the freeze costs, in bytes of a chunk.
const PASSED_OVER: usize = 16;

/// A snapshot under way.
#[derive(Clone, Debug)]
pub(crate) struct Frozen {
    digest: u64,
    entries: u64,
    part: Part,
    /// How many bytes of the present part were handed out.
    offset: usize,
    /// The last place that is handed out whole or passed over.
    passed: Option<Place>,
    /// The place whose entry is handed out in part: what is new before it is none of the walk's business.
    current: Option<Place>,
    /// What stood at places behind `passed` at the freeze, where that has changed since; `None` for nothing.
    kept: BTreeMap<Place, Option<Value>>,
    /// Used for one entry after the other.
    head: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head,
    /// The entry behind `passed`, and all after it.
    Entries,
    Digest,
}

impl Frozen {
    /// Keeps aside what stands at `place` and is about to change, unless the walk has passed it or it is kept already.
    #[inline]
    pub(crate) fn keep(&mut self, place: &Place, value: impl FnOnce() -> Option<Value>) {
        let ahead = match &self.current {
            Some(current) => current <= place,
            None => self.passed.as_ref() < Some(place),
        };
        if ahead && !self.kept.contains_key(place) {
            self.kept.insert(place.clone(), value());
        }
    }

    /// The next place that is to be looked at.
    fn next(&self, table: &Table) -> Option<Place> {
        if self.current.is_some() {
            return self.current.clone();
        }
        let from = self.passed.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let kept = self.kept.range((from, Bound::Unbounded)).next().map(|(place, _)| place);
        let there = table.behind(self.passed.as_ref());
        match (kept, there) {
            (Some(kept), Some(there)) => Some(kept.min(there).clone()),
            (one, other) => one.or(other).cloned(),
        }
    }

    fn pass(&mut self, place: Place) {
        self.kept.remove(&place);
        self.passed = Some(place);
        self.current = None;
        self.offset = 0;
    }

    /// Appends what is left of `part`, as far as there is `room`; whether that was all of it.
    fn bytes(&mut self, part: &[u8], room: &mut usize, out: &mut Vec<u8>) -> bool {
        let end = part.len().min(self.offset + *room);
        out.extend_from_slice(&part[self.offset..end]);
        *room -= end - self.offset;
        self.offset = end;
        end == part.len()
    }

    /// The same for one entry.
    fn entry(&mut self, place: &Place, value: &Value, room: &mut usize, out: &mut Vec<u8>) -> bool {
        let mut head = core::mem::take(&mut self.head);
        head.clear();
        head.reserve(9 + place.key.len());
        let (kind, count) = match value {
            Value::String(text) => (STRING, text.as_bytes().len()),
            Value::List(list) => (LIST, list.len()),
        };
        head.u8(kind);
        head.block(&place.key);
        head.u32(u32::try_from(count).expect("values are below 4 GiB"));
        let behind = self.offset >= head.len() || self.bytes(&head, room, out);
        let length = head.len();
        self.head = head;
        if !behind {
            return false;
        }
        let from = self.offset - length;
        let to = value.size().min(from + *room);
        match value {
            Value::String(text) => out.extend_from_slice(&text.as_bytes()[from..to]),
            Value::List(list) => list.encode_part(from, to, out),
        }
        *room -= to - from;
        self.offset = length + to;
        to == value.size()
    }

    /// Appends at most `room` bytes; whether the snapshot is complete.
    fn chunk(&mut self, table: &Table, mut room: usize, out: &mut Vec<u8>) -> bool {
        while room > 0 {
            match self.part {
                Part::Head => {
                    let mut head = [VERSION; 9];
                    head[1..].copy_from_slice(&self.entries.to_le_bytes());
                    if self.bytes(&head, &mut room, out) {
                        (self.part, self.offset) = (Part::Entries, 0);
                    }
                }
                Part::Entries => {
                    let Some(place) = self.next(table) else {
                        (self.part, self.offset) = (Part::Digest, 0);
                        continue;
                    };
                    // What was kept aside is taken out while it is read, and put back if it is not done.
                    let whole = match self.kept.remove(&place) {
                        Some(None) => {
                            room = room.saturating_sub(PASSED_OVER);
                            true
                        }
                        Some(Some(value)) => {
                            let whole = self.entry(&place, &value, &mut room, out);
                            if !whole {
                                self.kept.insert(place.clone(), Some(value));
                            }
                            whole
                        }
                        None => {
                            let value = table.at(&place).expect("the order names what is in the table");
                            self.entry(&place, value, &mut room, out)
                        }
                    };
                    if whole {
                        self.pass(place);
                    } else {
                        self.current = Some(place);
                    }
                }
                Part::Digest => {
                    let digest = self.digest.to_le_bytes();
                    if self.bytes(&digest, &mut room, out) {
                        return true;
                    }
                }
            }
        }
        false
    }
}

/// The state of this moment is what chunks describe.
pub(crate) fn freeze(table: &mut Table) {
    let (digest, entries) = (table.digest(), table.len() as u64);
    table.frozen = Some(Box::new(Frozen {
        digest,
        entries,
        part: Part::Head,
        offset: 0,
        passed: None,
        current: None,
        kept: BTreeMap::new(),
        head: Vec::new(),
    }));
}

/// Appends the next bytes, at most `most`.
pub(crate) fn chunk(table: &mut Table, most: usize, out: &mut Vec<u8>) -> Chunk {
    let mut frozen = table.frozen.take().expect("chunks are asked of a frozen machine");
    if frozen.chunk(table, most, out) {
        return Chunk::Last;
    }
    table.frozen = Some(frozen);
    Chunk::More
}
