//! Reading a snapshot back, in chunks cut anywhere, into a table that takes the old one's place only when all is there
//! and right.

use crate::limits::Limits;
use crate::snapshot::{LIST, STRING, VERSION};
use crate::table::{Table, hash_of};
use crate::value::{List, Text, Value};
use alloc::boxed::Box;
use alloc::vec::Vec;
use seedfast_core::codec::{Malformed, Reader};

/// A state that is coming in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restoring {
    table: Table,
    expected: Expected,
    /// How many entries are still to come.
    left: u64,
    /// What came and is no whole item yet: no more than the limits allow one to have.
    bytes: Vec<u8>,
    last: Option<(u64, Box<[u8]>)>,
}

/// What the next bytes must be.
#[derive(Clone, Debug, Default)]
enum Expected {
    #[default]
    Head,
    Entry,
    /// An element of the list at `key`, one of `left`.
    Element {
        key: Box<[u8]>,
        list: Box<List>,
        left: u32,
    },
    Digest,
    Nothing,
}

impl Restoring {
    /// Takes the next bytes.
    pub(crate) fn take(&mut self, bytes: &[u8], limits: &Limits) -> Result<(), Malformed> {
        self.bytes.extend_from_slice(bytes);
        let bytes = core::mem::take(&mut self.bytes);
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let taken = match self.expected {
                Expected::Head => self.head(rest)?,
                Expected::Entry => self.entry(rest, limits)?,
                Expected::Element { .. } => self.element(rest, limits)?,
                Expected::Digest => self.digest(rest)?,
                Expected::Nothing => {
                    require(rest.is_empty())?;
                    None
                }
            };
            let Some(taken) = taken else { break };
            at += taken;
        }
        self.bytes = bytes;
        self.bytes.drain(..at);
        Ok(())
    }

    /// Whether the bytes were all.
    pub(crate) fn check(&self) -> Result<(), Malformed> {
        require(matches!(self.expected, Expected::Nothing))
    }

    /// The state, if the bytes were all.
    pub(crate) fn end(self) -> Result<Table, Malformed> {
        self.check()?;
        Ok(self.table)
    }

    /// How many bytes the item at the front of `rest` took; `None` if it is not all there yet.
    fn head(&mut self, rest: &[u8]) -> Result<Option<usize>, Malformed> {
        require(rest.first().is_none_or(|version| *version == VERSION))?;
        let Some(count) = rest.get(1..9) else { return Ok(None) };
        self.left = Reader::new(count).u64()?;
        self.go_on();
        Ok(Some(9))
    }

    fn go_on(&mut self) {
        self.expected = if self.left == 0 { Expected::Digest } else { Expected::Entry };
    }

    fn entry(&mut self, rest: &[u8], limits: &Limits) -> Result<Option<usize>, Malformed> {
        let mut fields = Reader::new(rest);
        let (Ok(kind), Ok(length)) = (fields.u8(), fields.u32()) else { return Ok(None) };
        // A length is judged before its bytes are waited for, so that nothing large is gathered in vain.
        require(kind <= LIST && length as usize <= limits.key)?;
        let (Ok(key), Ok(length)) = (fields.bytes(length as usize), fields.u32()) else { return Ok(None) };
        if kind == LIST {
            require(length > 0)?;
            self.expected = Expected::Element { key: key.into(), list: Box::default(), left: length };
            return Ok(Some(fields.position()));
        }
        debug_assert_eq!(kind, STRING);
        require(length as usize <= limits.value)?;
        let Ok(bytes) = fields.bytes(length as usize) else { return Ok(None) };
        self.insert(key, Value::String(Text::new(bytes)), limits)?;
        Ok(Some(fields.position()))
    }

    fn element(&mut self, rest: &[u8], limits: &Limits) -> Result<Option<usize>, Malformed> {
        let Expected::Element { list, left, .. } = &mut self.expected else { return Err(Malformed) };
        let mut fields = Reader::new(rest);
        let Ok(length) = fields.u32() else { return Ok(None) };
        let length = length as usize;
        require(length <= limits.value && list.size() + length + 4 <= limits.list)?;
        let Ok(element) = fields.bytes(length) else { return Ok(None) };
        list.push(element);
        *left -= 1;
        if *left == 0
            && let Expected::Element { key, list, .. } = core::mem::take(&mut self.expected)
        {
            self.insert(&key, Value::List(list), limits)?;
        }
        Ok(Some(fields.position()))
    }

    fn insert(&mut self, key: &[u8], value: Value, limits: &Limits) -> Result<(), Malformed> {
        let hash = hash_of(key);
        require(self.last.as_ref().is_none_or(|(before, last)| (*before, &**last) < (hash, key)))?;
        self.table.insert(hash, key, value);
        require(self.table.bytes() <= limits.total)?;
        self.last = Some((hash, key.into()));
        self.left -= 1;
        self.go_on();
        Ok(())
    }

    fn digest(&mut self, rest: &[u8]) -> Result<Option<usize>, Malformed> {
        let Some(digest) = rest.get(..8) else { return Ok(None) };
        require(Reader::new(digest).u64()? == self.table.digest())?;
        self.expected = Expected::Nothing;
        Ok(Some(8))
    }
}

fn require(condition: bool) -> Result<(), Malformed> {
    if condition { Ok(()) } else { Err(Malformed) }
}
