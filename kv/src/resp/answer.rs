//! Replies out of a client's growing buffer, in both versions: what a client of a node has to understand.
//!
//! Nodes of ours answer with lines, numbers, byte strings, nothing, and rows of these; INFO-like texts and HELLO's map
//! too. Deeper nesting than [`DEEPEST`] is refused: it would cost stack.

use crate::integer;
use alloc::string::String;
use alloc::vec::Vec;

/// How deep rows may stand in rows.
pub const DEEPEST: usize = 8;
/// The longest line, in bytes.
const LONGEST_LINE: usize = 64 << 10;
/// The longest byte string, in bytes.
const LONGEST: usize = 512 << 20;

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A line, `OK` as a rule.
    Line(String),
    /// An error: its first word says which.
    Error(String),
    /// A number.
    Integer(i64),
    /// A byte string; a verbatim text with its format in front.
    Bytes(Vec<u8>),
    /// Nothing.
    Null,
    /// A row; a map's keys and values one behind the other.
    Row(Vec<Answer>),
}

/// What came is no reply. Nothing behind it can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Senseless;

/// Takes the first whole reply out of what has come, if there is one.
///
/// # Errors
/// It cannot be one.
pub fn take(came: &mut Vec<u8>) -> Result<Option<Answer>, Senseless> {
    let mut cursor = Cursor { bytes: came, at: 0 };
    match cursor.answer(0) {
        Ok(answer) => {
            let end = cursor.at;
            came.drain(..end);
            Ok(Some(answer))
        }
        Err(Stop::Short) => Ok(None),
        Err(Stop::Senseless) => Err(Senseless),
    }
}

enum Stop {
    /// More has to come.
    Short,
    Senseless,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn answer(&mut self, depth: usize) -> Result<Answer, Stop> {
        let kind = *self.bytes.get(self.at).ok_or(Stop::Short)?;
        self.at += 1;
        let line = self.line()?;
        Ok(match kind {
            b'+' => Answer::Line(text(line)?),
            b'-' => Answer::Error(text(line)?),
            b':' => Answer::Integer(integer::parse(line).ok_or(Stop::Senseless)?),
            b'_' if line.is_empty() => Answer::Null,
            b'$' | b'=' => match count(line)? {
                Some(length) if length <= LONGEST => Answer::Bytes(self.bytes(length)?.to_vec()),
                Some(_) => return Err(Stop::Senseless),
                None => Answer::Null,
            },
            b'*' | b'~' | b'>' => self.row(count(line)?, 1, depth)?,
            b'%' => self.row(count(line)?, 2, depth)?,
            _ => return Err(Stop::Senseless),
        })
    }

    fn row(&mut self, count: Option<usize>, each: usize, depth: usize) -> Result<Answer, Stop> {
        let Some(count) = count else { return Ok(Answer::Null) };
        if depth == DEEPEST {
            return Err(Stop::Senseless);
        }
        // Nothing is reserved for what has not come.
        let mut row = Vec::new();
        for _ in 0..count.checked_mul(each).ok_or(Stop::Senseless)? {
            row.push(self.answer(depth + 1)?);
        }
        Ok(Answer::Row(row))
    }

    /// Up to the next CRLF.
    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let rest = &self.bytes[self.at..];
        match rest.windows(2).position(|pair| pair == b"\r\n") {
            Some(length) => {
                self.at += length + 2;
                Ok(&rest[..length])
            }
            None if rest.len() > LONGEST_LINE => Err(Stop::Senseless),
            None => Err(Stop::Short),
        }
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        let rest = &self.bytes[self.at..];
        match rest.get(length..length + 2) {
            Some(b"\r\n") => {
                self.at += length + 2;
                Ok(&rest[..length])
            }
            Some(_) => Err(Stop::Senseless),
            None => Err(Stop::Short),
        }
    }
}

fn text(line: &[u8]) -> Result<String, Stop> {
    core::str::from_utf8(line).map(String::from).map_err(|_| Stop::Senseless)
}

/// A count; -1 stands for nothing.
fn count(line: &[u8]) -> Result<Option<usize>, Stop> {
    match integer::parse(line) {
        Some(-1) => Ok(None),
        Some(count) => usize::try_from(count).map(Some).map_err(|_| Stop::Senseless),
        None => Err(Stop::Senseless),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn replies_come_whole_however_their_bytes_are_cut() {
        let stream = b"+OK\r\n-MOVED 7 h:1\r\n:-5\r\n$-1\r\n_\r\n$4\r\na\r\nb\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n%1\r\n+k\r\n:2\r\n*-1\r\n";
        let expected = [
            Answer::Line("OK".into()),
            Answer::Error("MOVED 7 h:1".into()),
            Answer::Integer(-5),
            Answer::Null,
            Answer::Null,
            Answer::Bytes(b"a\r\nb".to_vec()),
            Answer::Row(vec![Answer::Integer(1), Answer::Row(vec![Answer::Bytes(vec![])])]),
            Answer::Row(vec![Answer::Line("k".into()), Answer::Integer(2)]),
            Answer::Null,
        ];
        for cut in 1..stream.len() {
            let (mut came, mut answers) = (Vec::new(), Vec::new());
            for piece in stream.chunks(cut) {
                came.extend_from_slice(piece);
                while let Some(answer) = take(&mut came).expect("they make sense") {
                    answers.push(answer);
                }
            }
            assert_eq!((&answers[..], came.len()), (&expected[..], 0), "pieces of {cut}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused_and_deep_nesting_with_it() {
        let senseless: [&[u8]; 7] =
            [b"?\r\n", b":x\r\n", b"$-2\r\n", b"$1\r\nabc", b"*x\r\n", b"+\xff\r\n", b"$9999999999\r\n"];
        for bytes in senseless {
            assert_eq!(take(&mut bytes.to_vec()), Err(Senseless), "{}", bytes.escape_ascii());
        }
        let nested = |depth: usize| [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
        assert!(matches!(take(&mut nested(DEEPEST)), Ok(Some(Answer::Row(_)))));
        assert_eq!(take(&mut nested(DEEPEST + 1)), Err(Senseless));
        assert_eq!(take(&mut b"*1000000000\r\n".to_vec()), Ok(None), "nothing is reserved for it");
    }
}
