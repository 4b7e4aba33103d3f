//! A command of ours as the request of a client: the way back from [`translate`](super::translate).

use crate::command::{Command, Condition};
use crate::integer::Decimal;
use alloc::vec::Vec;

/// Appends an array of byte strings.
pub fn words(words: &[&[u8]], out: &mut Vec<u8>) {
    head(words.len(), out);
    words.iter().for_each(|word| bulk(word, out));
}

/// Appends the request that a node translates into `command`. A pair of a multi-set that is not whole is left out.
pub fn request(command: &Command<'_>, out: &mut Vec<u8>) {
    let number = |value: i64| Decimal::new(value);
    match *command {
        Command::Get { key } => words(&[b"GET", key], out),
        Command::Set { key, value, condition, return_old } => {
            let condition: &[&[u8]] = match condition {
                Condition::Always => &[],
                Condition::IfAbsent => &[b"NX"],
                Condition::IfPresent => &[b"XX"],
                Condition::IfEqual(old) => &[b"IFEQ", old],
            };
            let get: &[&[u8]] = if return_old { &[b"GET"] } else { &[] };
            words(&[&[b"SET", key, value], condition, get].concat(), out);
        }
        Command::Delete { keys } => several(b"DEL", &[], keys.iter(), keys.len(), out),
        Command::Exists { keys } => several(b"EXISTS", &[], keys.iter(), keys.len(), out),
        Command::IncrementBy { key, by } => words(&[b"INCRBY", key, number(by).as_bytes()], out),
        Command::Append { key, suffix } => words(&[b"APPEND", key, suffix], out),
        Command::StringLength { key } => words(&[b"STRLEN", key], out),
        Command::PushRight { key, elements } => {
            several(b"RPUSH", &[key], elements.iter(), elements.len(), out);
        }
        Command::ListRange { key, start, stop } => {
            words(&[b"LRANGE", key, number(start).as_bytes(), number(stop).as_bytes()], out);
        }
        Command::ListLength { key } => words(&[b"LLEN", key], out),
        Command::MultiGet { keys } => several(b"MGET", &[], keys.iter(), keys.len(), out),
        Command::MultiSet { pairs } => {
            let flat = pairs.pairs().flat_map(|(key, value)| [key, value]);
            several(b"MSET", &[], flat, pairs.len() / 2 * 2, out);
        }
        Command::Count => words(&[b"DBSIZE"], out),
    }
}

fn several<'a>(
    name: &[u8],
    first: &[&[u8]],
    rest: impl Iterator<Item = &'a [u8]>,
    count: usize,
    out: &mut Vec<u8>,
) {
    head(1 + first.len() + count, out);
    bulk(name, out);
    first.iter().for_each(|word| bulk(word, out));
    rest.for_each(|word| bulk(word, out));
}

fn head(count: usize, out: &mut Vec<u8>) {
    line(b'*', count, out);
}

fn bulk(word: &[u8], out: &mut Vec<u8>) {
    line(b'$', word.len(), out);
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

fn line(kind: u8, count: usize, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(Decimal::new(count as i64).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::Blocks;
    use crate::resp::{Limits, Parser, table, translate};

    #[test]
    fn a_node_understands_every_command_as_it_was_meant() {
        let (key, value) = (&b"k\r\n$1"[..], &b""[..]);
        let several = [key, value, b"-7", b"x"];
        let blocks = || Blocks::from(&several[..]);
        let set = |condition, return_old| Command::Set { key, value, condition, return_old };
        let commands = [
            Command::Get { key },
            set(Condition::Always, false),
            set(Condition::Always, true),
            set(Condition::IfAbsent, false),
            set(Condition::IfPresent, true),
            set(Condition::IfEqual(b"GET"), true),
            Command::Delete { keys: blocks() },
            Command::Exists { keys: blocks() },
            Command::IncrementBy { key, by: i64::MIN },
            Command::Append { key, suffix: value },
            Command::StringLength { key },
            Command::PushRight { key, elements: blocks() },
            Command::ListRange { key, start: -3, stop: i64::MAX },
            Command::ListLength { key },
            Command::MultiGet { keys: blocks() },
            Command::MultiSet { pairs: blocks() },
            Command::Count,
        ];
        for command in commands {
            let (mut bytes, mut encoded) = (Vec::new(), Vec::new());
            request(&command, &mut bytes);
            command.encode(&mut encoded);
            let (mut scratch, mut out) = (Vec::new(), Vec::new());
            let mut parser = Parser::new(Limits::DEFAULT);
            let (args, taken) = parser.next(&bytes).expect("it is a request");
            assert_eq!(taken, bytes.len());
            let args = args.expect("it is whole");
            let verb = table::find(args.get(0)).expect("a node knows it").verb;
            translate::translate(verb, args, &mut scratch, &mut out).expect("it makes sense");
            assert_eq!(out, encoded, "{command:?}");
        }
    }
}
