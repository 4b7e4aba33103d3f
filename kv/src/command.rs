//! What can be asked, and its encoding.
//!
//! Integers are little-endian; a `block` is a length in four bytes and so many bytes; `blocks` are a count in four
//! bytes and so many blocks. Every length is explicit and nothing may follow, so that no prefix of a command is a
//! command, and every command has exactly one encoding.
//!
//! ```text
//! verb u8  then                                         redis
//!  1 get             key block                          GET
//!  2 set             flags u8 | key | value | [old]     SET [NX | XX | IFEQ old] [GET]
//!  3 delete          keys blocks                        DEL
//!  4 exists          keys blocks                        EXISTS
//!  5 increment-by    by i64 | key block                 INCRBY, DECRBY
//!  6 append          key block | suffix block           APPEND
//!  7 string-length   key block                          STRLEN
//!  8 push-right      key block | elements blocks        RPUSH
//!  9 list-range      start i64 | stop i64 | key block   LRANGE
//! 10 list-length     key block                          LLEN
//! 11 multi-get       keys blocks                        MGET
//! 12 multi-set       keys and values blocks             MSET
//! 13 count           nothing                            DBSIZE
//! ```
//! The flags of a set: bits 0 and 1 are the condition (0 always, 1 if absent, 2 if present, 3 if equal: then, and
//! only then, the old value follows), bit 2 asks for the old value; the others are zero. A command that takes several
//! things takes at least one; a multi-set takes an even number.

use crate::blocks::Blocks;
use alloc::vec::Vec;
use seedfast_core::codec::{Malformed, Reader, Write};

/// When a [`Command::Set`] takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Whatever is there.
    Always,
    /// Only if the key holds nothing.
    IfAbsent,
    /// Only if the key holds something, of any type.
    IfPresent,
    /// Only if the key holds exactly this string: compare-and-set.
    IfEqual(&'a [u8]),
}

/// One command or question. A decoded one borrows from the bytes that it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// The string at `key`: `Bytes` or `Nil`.
    Get {
        /// Where.
        key: &'a [u8],
    },
    /// Puts a string at `key`, whatever type was there: `Ok`, or `NotSwapped` if the condition did not hold. With
    /// `return_old` the reply is what was there before (`Bytes` or `Nil`) whether or not the condition held.
    Set {
        /// Where.
        key: &'a [u8],
        /// What.
        value: &'a [u8],
        /// When.
        condition: Condition<'a>,
        /// Whether to answer with the former value, which must then be a string.
        return_old: bool,
    },
    /// Removes keys: how many there were, as an `Integer`.
    Delete {
        /// Which ones.
        keys: Blocks<'a>,
    },
    /// How many of the keys hold something, a key named twice counting twice: an `Integer`.
    Exists {
        /// Which ones.
        keys: Blocks<'a>,
    },
    /// Adds to the integer that the string at `key` spells, an absent one being 0: the sum, as an `Integer`.
    IncrementBy {
        /// Where.
        key: &'a [u8],
        /// How much; negative to subtract.
        by: i64,
    },
    /// Appends to the string at `key`, an absent one being empty: its length in bytes, as an `Integer`.
    Append {
        /// Where.
        key: &'a [u8],
        /// What.
        suffix: &'a [u8],
    },
    /// The length in bytes of the string at `key`, 0 if absent: an `Integer`.
    StringLength {
        /// Where.
        key: &'a [u8],
    },
    /// Appends elements to the list at `key`, an absent one being empty: its length, as an `Integer`.
    PushRight {
        /// Where.
        key: &'a [u8],
        /// What, in this order.
        elements: Blocks<'a>,
    },
    /// Elements `start` to `stop` (both included; -1 is the last one) of the list at `key`: a `List`.
    ListRange {
        /// Where.
        key: &'a [u8],
        /// The first.
        start: i64,
        /// The last.
        stop: i64,
    },
    /// How many elements the list at `key` has, 0 if absent: an `Integer`.
    ListLength {
        /// Where.
        key: &'a [u8],
    },
    /// The string at each key, nothing where there is none or something else: a `List`.
    MultiGet {
        /// Which ones.
        keys: Blocks<'a>,
    },
    /// Puts a string at each key, all of them or none: `Ok`. Of a key named twice the last one stands.
    MultiSet {
        /// Key, value, key, value, ...
        pairs: Blocks<'a>,
    },
    /// How many keys hold something: an `Integer`.
    Count,
}

const GET: u8 = 1;
const SET: u8 = 2;
const DELETE: u8 = 3;
const EXISTS: u8 = 4;
const INCREMENT_BY: u8 = 5;
const APPEND: u8 = 6;
const STRING_LENGTH: u8 = 7;
const PUSH_RIGHT: u8 = 8;
const LIST_RANGE: u8 = 9;
const LIST_LENGTH: u8 = 10;
const MULTI_GET: u8 = 11;
const MULTI_SET: u8 = 12;
const COUNT: u8 = 13;

const RETURN_OLD: u8 = 1 << 2;

impl<'a> Command<'a> {
    /// The compare-and-set of Jepsen's registers: puts `new` if the string at `key` is `old`.
    pub const fn compare_and_set(key: &'a [u8], old: &'a [u8], new: &'a [u8]) -> Self {
        Command::Set { key, value: new, condition: Condition::IfEqual(old), return_old: false }
    }

    /// An unconditional set.
    pub const fn set(key: &'a [u8], value: &'a [u8]) -> Self {
        Command::Set { key, value, condition: Condition::Always, return_old: false }
    }

    /// Whether it changes nothing, so that it may be asked as a question.
    pub const fn is_question(&self) -> bool {
        match self {
            Command::Get { .. }
            | Command::Exists { .. }
            | Command::StringLength { .. }
            | Command::ListRange { .. }
            | Command::ListLength { .. }
            | Command::MultiGet { .. }
            | Command::Count => true,
            Command::Set { .. }
            | Command::Delete { .. }
            | Command::IncrementBy { .. }
            | Command::Append { .. }
            | Command::PushRight { .. }
            | Command::MultiSet { .. } => false,
        }
    }

    /// Appends the encoding.
    ///
    /// # Panics
    /// If something in it has 4 GiB or more.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Command::Get { key } => one_key(out, GET, key),
            Command::Set { key, value, condition, return_old } => {
                let (code, old) = match condition {
                    Condition::Always => (0, None),
                    Condition::IfAbsent => (1, None),
                    Condition::IfPresent => (2, None),
                    Condition::IfEqual(old) => (3, Some(old)),
                };
                out.u8(SET);
                out.u8(code | if return_old { RETURN_OLD } else { 0 });
                out.block(key);
                out.block(value);
                if let Some(old) = old {
                    out.block(old);
                }
            }
            Command::Delete { keys } => several(out, DELETE, keys),
            Command::Exists { keys } => several(out, EXISTS, keys),
            Command::IncrementBy { key, by } => {
                out.u8(INCREMENT_BY);
                out.u64(by.cast_unsigned());
                out.block(key);
            }
            Command::Append { key, suffix } => {
                one_key(out, APPEND, key);
                out.block(suffix);
            }
            Command::StringLength { key } => one_key(out, STRING_LENGTH, key),
            Command::PushRight { key, elements } => {
                one_key(out, PUSH_RIGHT, key);
                elements.encode(out);
            }
            Command::ListRange { key, start, stop } => {
                out.u8(LIST_RANGE);
                out.u64(start.cast_unsigned());
                out.u64(stop.cast_unsigned());
                out.block(key);
            }
            Command::ListLength { key } => one_key(out, LIST_LENGTH, key),
            Command::MultiGet { keys } => several(out, MULTI_GET, keys),
            Command::MultiSet { pairs } => several(out, MULTI_SET, pairs),
            Command::Count => out.u8(COUNT),
        }
    }

    /// Reads an encoding, which must be all of `bytes`.
    ///
    /// # Errors
    /// [`Malformed`] if it is none.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(bytes);
        let command = match fields.u8()? {
            GET => Command::Get { key: fields.block()? },
            SET => {
                let flags = fields.u8()?;
                let (key, value) = (fields.block()?, fields.block()?);
                let condition = match flags & !RETURN_OLD {
                    0 => Condition::Always,
                    1 => Condition::IfAbsent,
                    2 => Condition::IfPresent,
                    3 => Condition::IfEqual(fields.block()?),
                    _ => return Err(Malformed),
                };
                Command::Set { key, value, condition, return_old: flags & RETURN_OLD != 0 }
            }
            DELETE => Command::Delete { keys: some(&mut fields)? },
            EXISTS => Command::Exists { keys: some(&mut fields)? },
            INCREMENT_BY => {
                let by = fields.u64()?.cast_signed();
                Command::IncrementBy { key: fields.block()?, by }
            }
            APPEND => Command::Append { key: fields.block()?, suffix: fields.block()? },
            STRING_LENGTH => Command::StringLength { key: fields.block()? },
            PUSH_RIGHT => Command::PushRight { key: fields.block()?, elements: some(&mut fields)? },
            LIST_RANGE => {
                let (start, stop) = (fields.u64()?.cast_signed(), fields.u64()?.cast_signed());
                Command::ListRange { key: fields.block()?, start, stop }
            }
            LIST_LENGTH => Command::ListLength { key: fields.block()? },
            MULTI_GET => Command::MultiGet { keys: some(&mut fields)? },
            MULTI_SET => {
                let pairs = some(&mut fields)?;
                if pairs.len() % 2 != 0 {
                    return Err(Malformed);
                }
                Command::MultiSet { pairs }
            }
            COUNT => Command::Count,
            _ => return Err(Malformed),
        };
        fields.end()?;
        Ok(command)
    }
}

fn one_key(out: &mut Vec<u8>, verb: u8, key: &[u8]) {
    out.u8(verb);
    out.block(key);
}

fn several(out: &mut Vec<u8>, verb: u8, blocks: Blocks<'_>) {
    out.u8(verb);
    blocks.encode(out);
}

#[inline]
fn some<'a>(fields: &mut Reader<'a>) -> Result<Blocks<'a>, Malformed> {
    let blocks = Blocks::decode(fields)?;
    if blocks.is_empty() { Err(Malformed) } else { Ok(blocks) }
}
