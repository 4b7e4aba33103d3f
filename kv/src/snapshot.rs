//! The canonical encoding of a whole state: equal states, equal bytes.
//!
//! ```text
//! version u8 = 1 | entries u64 | entry ... | digest u64
//! entry:  0 | key block | string block
//!         1 | key block | elements u32 | element block ...      (at least one element)
//! ```
//! Integers are little-endian, a block is a length in four bytes and so many bytes, and keys ascend strictly. Reading
//! one back checks all of that, the limits, and the digest.

use crate::limits::Limits;
use crate::table::{Table, hash_of};
use crate::value::{List, Text, Value};
use alloc::boxed::Box;
use alloc::vec::Vec;
use seedfast_core::codec::{Malformed, Reader, Write};

/// The version of the encoding.
pub const VERSION: u8 = 1;

const STRING: u8 = 0;
const LIST: u8 = 1;
/// The shortest entry: its type, two empty blocks.
const SHORTEST_ENTRY: u64 = 9;

pub(crate) fn write(table: &Table, out: &mut Vec<u8>) {
    out.u8(VERSION);
    out.u64(table.len() as u64);
    for entry in table.sorted() {
        match &entry.value {
            Value::String(text) => {
                out.u8(STRING);
                out.block(&entry.key);
                out.block(text.as_bytes());
            }
            Value::List(list) => {
                out.u8(LIST);
                out.block(&entry.key);
                out.u32(u32::try_from(list.len()).expect("a list is below 4 GiB"));
                list.range(0..list.len()).for_each(|element| out.block(element));
            }
        }
    }
    out.u64(table.digest());
}

pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Table, Malformed> {
    let mut fields = Reader::new(bytes);
    if fields.u8()? != VERSION {
        return Err(Malformed);
    }
    let count = fields.u64()?;
    // A count that the bytes cannot hold must not reserve memory.
    if count > fields.remaining() as u64 / SHORTEST_ENTRY {
        return Err(Malformed);
    }
    let mut table = Table::with_capacity(count as usize);
    let mut last: Option<&[u8]> = None;
    for _ in 0..count {
        let kind = fields.u8()?;
        let key = fields.block()?;
        require(key.len() <= limits.key && last.is_none_or(|last| last < key))?;
        let value = match kind {
            STRING => {
                let bytes = fields.block()?;
                require(bytes.len() <= limits.value)?;
                Value::String(Text::new(bytes))
            }
            LIST => Value::List(Box::new(read_list(&mut fields, limits)?)),
            _ => return Err(Malformed),
        };
        table.insert(hash_of(key), key, value);
        require(table.bytes() <= limits.total)?;
        last = Some(key);
    }
    require(fields.u64()? == table.digest())?;
    fields.end()?;
    Ok(table)
}

fn read_list(fields: &mut Reader<'_>, limits: &Limits) -> Result<List, Malformed> {
    let count = fields.u32()?;
    require(count > 0)?;
    let mut list = List::new();
    for _ in 0..count {
        let element = fields.block()?;
        require(element.len() <= limits.value && list.size() + element.len() + 4 <= limits.list)?;
        list.push(element);
    }
    Ok(list)
}

fn require(condition: bool) -> Result<(), Malformed> {
    if condition { Ok(()) } else { Err(Malformed) }
}
