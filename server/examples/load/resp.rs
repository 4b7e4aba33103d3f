//! RESP2, as much of it as answers to `GET` and `SET` need.

use super::{Heard, Language};
use std::io::Write;

/// A client of the Redis protocol.
pub(crate) struct Resp;

impl Language for Resp {
    fn greet(&mut self, _: &mut Vec<u8>) {}

    fn ask(&mut self, key: u64, value: Option<&[u8]>, out: &mut Vec<u8>) {
        // Writing to a vector cannot fail.
        let _ = match value {
            None => write!(out, "*2\r\n$3\r\nGET\r\n$12\r\nkey:{key:08}\r\n"),
            Some(value) => write!(out, "*3\r\n$3\r\nSET\r\n$12\r\nkey:{key:08}\r\n${}\r\n", value.len()),
        };
        if let Some(value) = value {
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }

    fn hear(&mut self, bytes: &[u8], heard: &mut Heard, _: &mut Vec<u8>) -> usize {
        let mut used = 0;
        while let Some(length) = answer(&bytes[used..]) {
            heard.answers += 1;
            heard.errors += u64::from(bytes[used] == b'-');
            used += length;
        }
        used
    }
}

/// How long the answer in front is, if it is whole.
fn answer(bytes: &[u8]) -> Option<usize> {
    let line = bytes.iter().position(|byte| *byte == b'\n')? + 1;
    if bytes[0] != b'$' {
        return Some(line);
    }
    let length = std::str::from_utf8(&bytes[1..line - 2]).ok()?.parse::<i64>().ok()?;
    let whole = usize::try_from(length).map_or(line, |length| line + length + 2);
    (whole <= bytes.len()).then_some(whole)
}
