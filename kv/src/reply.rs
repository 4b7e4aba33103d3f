//! What can be answered, and its encoding.
//!
//! ```text
//! tag u8  then
//!  0 nil
//!  1 ok
//!  2 integer      i64
//!  3 bytes        length u32 | bytes
//!  4 list         count u32 | count times: 0 (nothing), or 1 | length u32 | bytes
//!  5 not-swapped
//!  6 error        code u8
//! ```
//! Integers are little-endian; nothing may follow.

use alloc::vec::Vec;
use core::fmt;
use seedfast_core::codec::{Malformed, Reader, Write};

/// Why a command was not carried out. A refused command changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The key holds a list where a string is needed, or the other way round.
    WrongType = 1,
    /// The string is not the decimal form of a 64-bit signed integer.
    NotAnInteger = 2,
    /// The sum does not fit in 64 bits with a sign.
    Overflow = 3,
    /// The bytes are no command.
    Malformed = 4,
    /// A key, a value, a list, or the answer would be larger than the [`Limits`](crate::Limits) allow.
    TooLarge = 5,
    /// The store has no room for so many bytes more.
    Full = 6,
    /// A command that can change something was asked as a question.
    NotAQuestion = 7,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::WrongType => "operation against a key holding the wrong kind of value",
            Error::NotAnInteger => "value is not an integer or out of range",
            Error::Overflow => "increment or decrement would overflow",
            Error::Malformed => "the command is malformed",
            Error::TooLarge => "a key, a value or the answer exceeds the configured size",
            Error::Full => "the store is full",
            Error::NotAQuestion => "a command that changes something cannot be asked as a question",
        })
    }
}

impl core::error::Error for Error {}

/// One answer. A decoded one borrows from the bytes that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// There is nothing at the key.
    Nil,
    /// Carried out.
    Ok,
    /// A count, a length or a sum.
    Integer(i64),
    /// A string.
    Bytes(&'a [u8]),
    /// Elements or values in order; `None` only in the answer to a multi-get.
    List(Vec<Option<&'a [u8]>>),
    /// The condition of a set did not hold; nothing changed.
    NotSwapped,
    /// Not carried out.
    Error(Error),
}

const NIL: u8 = 0;
const OK: u8 = 1;
const INTEGER: u8 = 2;
const BYTES: u8 = 3;
const LIST: u8 = 4;
const NOT_SWAPPED: u8 = 5;
const ERROR: u8 = 6;

impl<'a> Reply<'a> {
    /// Appends the encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Reply::Nil => out.u8(NIL),
            Reply::Ok => out.u8(OK),
            Reply::Integer(number) => {
                out.u8(INTEGER);
                out.u64(number.cast_unsigned());
            }
            Reply::Bytes(bytes) => {
                out.u8(BYTES);
                out.block(bytes);
            }
            Reply::List(items) => encode_list(out, items.len(), items.iter().copied()),
            Reply::NotSwapped => out.u8(NOT_SWAPPED),
            Reply::Error(error) => {
                out.u8(ERROR);
                out.u8(*error as u8);
            }
        }
    }

    /// Reads an encoding, which must be all of `bytes`.
    ///
    /// # Errors
    /// [`Malformed`] if it is none.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(bytes);
        let reply = match fields.u8()? {
            NIL => Reply::Nil,
            OK => Reply::Ok,
            INTEGER => Reply::Integer(fields.u64()?.cast_signed()),
            BYTES => Reply::Bytes(fields.block()?),
            LIST => Reply::List(decode_list(&mut fields)?),
            NOT_SWAPPED => Reply::NotSwapped,
            ERROR => Reply::Error(match fields.u8()? {
                1 => Error::WrongType,
                2 => Error::NotAnInteger,
                3 => Error::Overflow,
                4 => Error::Malformed,
                5 => Error::TooLarge,
                6 => Error::Full,
                7 => Error::NotAQuestion,
                _ => return Err(Malformed),
            }),
            _ => return Err(Malformed),
        };
        fields.end()?;
        Ok(reply)
    }
}

/// Appends a list reply of `count` items without collecting them first.
pub(crate) fn encode_list<'a>(
    out: &mut Vec<u8>,
    count: usize,
    items: impl Iterator<Item = Option<&'a [u8]>>,
) {
    out.u8(LIST);
    out.u32(u32::try_from(count).expect("a list has fewer than 2^32 elements"));
    for item in items {
        match item {
            None => out.u8(0),
            Some(bytes) => {
                out.u8(1);
                out.block(bytes);
            }
        }
    }
}

fn decode_list<'a>(fields: &mut Reader<'a>) -> Result<Vec<Option<&'a [u8]>>, Malformed> {
    let count = fields.u32()? as usize;
    // An item has at least one byte: a count that the bytes cannot hold must not reserve memory.
    if count > fields.remaining() {
        return Err(Malformed);
    }
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(match fields.u8()? {
            0 => None,
            1 => Some(fields.block()?),
            _ => return Err(Malformed),
        });
    }
    Ok(items)
}
