//! A request's words as a command of ours, encoded for the replicas.

use super::parse::Args;
use super::slot::slot_of;
use super::table::Verb;
use crate::blocks::Blocks;
use crate::command::{Command, Condition};
use crate::integer;
use alloc::vec::Vec;
use seedfast_core::codec::{Reader, Write};

/// What was asked of the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The slot of the first key, for a redirection.
    pub slot: u16,
    /// Whether it can change anything.
    pub write: bool,
}

const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const SYNTAX: &str = "ERR syntax error";

/// Appends to `out` the command that the words of a request ask for. `verb` is that of its first word, and takes so
/// many words; `scratch` is overwritten.
///
/// # Errors
/// The error to answer with, if the words make no sense; nothing was appended then.
///
/// # Panics
/// If `verb` is not one for the replicas.
#[inline]
pub fn translate(
    verb: Verb,
    args: Args<'_>,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<Asked, &'static str> {
    // The leader serves all slots: where no key stands, any of them leads there.
    let key = if verb == Verb::DbSize { b"" } else { args.get(1) };
    let command = match verb {
        Verb::Get => Command::Get { key },
        Verb::Set => set(args)?,
        Verb::Incr => Command::IncrementBy { key, by: 1 },
        Verb::Decr => Command::IncrementBy { key, by: -1 },
        Verb::IncrBy => Command::IncrementBy { key, by: number(args.get(2))? },
        Verb::DecrBy => {
            let by = number(args.get(2))?.checked_neg().ok_or("ERR decrement would overflow")?;
            Command::IncrementBy { key, by }
        }
        Verb::Append => Command::Append { key, suffix: args.get(2) },
        Verb::StrLen => Command::StringLength { key },
        Verb::Mget => Command::MultiGet { keys: row(args.from(1), scratch) },
        Verb::Mset => {
            if args.len().is_multiple_of(2) {
                return Err("ERR wrong number of arguments for 'mset' command");
            }
            Command::MultiSet { pairs: row(args.from(1), scratch) }
        }
        Verb::Del => Command::Delete { keys: row(args.from(1), scratch) },
        Verb::Exists => Command::Exists { keys: row(args.from(1), scratch) },
        Verb::RPush => Command::PushRight { key, elements: row(args.from(2), scratch) },
        Verb::LRange => Command::ListRange { key, start: number(args.get(2))?, stop: number(args.get(3))? },
        Verb::LLen => Command::ListLength { key },
        Verb::DbSize => Command::Count,
        local => panic!("{local:?} is answered without the replicas"),
    };
    command.encode(out);
    Ok(Asked { slot: slot_of(key), write: !command.is_question() })
}

/// The words in a row, without an allocation of their own.
fn row<'a, 'b>(words: impl ExactSizeIterator<Item = &'b [u8]>, scratch: &'a mut Vec<u8>) -> Blocks<'a> {
    scratch.clear();
    scratch.u32(words.len() as u32);
    words.for_each(|word| scratch.block(word));
    Blocks::decode(&mut Reader::new(scratch)).expect("it was encoded just now")
}

fn number(word: &[u8]) -> Result<i64, &'static str> {
    integer::parse(word).ok_or(NOT_AN_INTEGER)
}

/// `SET key value [NX | XX | IFEQ old] [GET]`, the options in any order.
fn set(args: Args<'_>) -> Result<Command<'_>, &'static str> {
    let (mut condition, mut return_old) = (Condition::Always, false);
    let mut options = args.from(3);
    while let Some(option) = options.next() {
        let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
        let wanted = if is("NX") {
            Condition::IfAbsent
        } else if is("XX") {
            Condition::IfPresent
        } else if is("IFEQ") {
            Condition::IfEqual(options.next().ok_or(SYNTAX)?)
        } else if is("GET") {
            return_old = true;
            continue;
        } else if ["EX", "PX", "EXAT", "PXAT", "KEEPTTL"].into_iter().any(is) {
            return Err(
                "ERR SET with EX, PX, EXAT, PXAT or KEEPTTL is not supported: keys do not expire here",
            );
        } else {
            return Err(SYNTAX);
        };
        // Said twice it means the same, as for Redis; two conditions contradict each other.
        if condition != Condition::Always && condition != wanted {
            return Err(SYNTAX);
        }
        condition = wanted;
    }
    Ok(Command::Set { key: args.get(1), value: args.get(2), condition, return_old })
}
