//! Requests out of a growing buffer.
//!
//! A request is an array of byte strings (`*2 $3 GET $1 a`, each part closed by CRLF) or one line as people type it.
//! Anything else that RESP can express, nesting above all, is no request and is refused at its first byte, so the
//! memory and the stack that a client can make us use are bounded by [`Limits`]. An incomplete request keeps what is
//! known of it: bytes are looked at once, however they are cut.
//!
//! Two things that Redis lets pass are errors here, because only a client that counts wrongly sends them: a byte
//! string that is not closed by CRLF, and a line of an array that is closed by CR without LF.

use super::inline;
use crate::integer;
use alloc::vec::Vec;
use core::fmt;

/// How much one request may ask us to hold, in bytes unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest argument. A longer one is refused when its length is read.
    pub argument: usize,
    /// The most arguments, the command's name included.
    pub arguments: usize,
    /// The longest line that is typed.
    pub line: usize,
    /// The largest array, lengths and line ends included.
    pub request: usize,
}

impl Limits {
    /// Arguments of 4 MiB, the largest that a replica's batch can be set to; as many of them, and lines as long, as
    /// Redis takes; 8 MiB in all.
    pub const DEFAULT: Limits =
        Limits { argument: 4 << 20, arguments: 1 << 20, line: 64 << 10, request: 8 << 20 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a client sent is no request. Nothing behind it can be understood, so the connection ends after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The line that counts the arguments does not end.
    CountTooLong,
    /// It is no number, or a larger one than [`Limits::arguments`].
    Count,
    /// The line that gives an argument's length does not end.
    LengthTooLong,
    /// It is no number, or a larger one than [`Limits::argument`].
    Length,
    /// Something else stands where an argument should.
    NoArgument(u8),
    /// An argument is not followed by CRLF.
    Unterminated,
    /// A quote in a line is not closed, or something follows its end at once.
    Quotes,
    /// A line is longer than [`Limits::line`].
    LineTooLong,
    /// A request is larger than [`Limits::request`].
    TooLarge,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol error: ")?;
        f.write_str(match self {
            ProtocolError::CountTooLong => "too big mbulk count string",
            ProtocolError::Count => "invalid multibulk length",
            ProtocolError::LengthTooLong => "too big bulk count string",
            ProtocolError::Length => "invalid bulk length",
            ProtocolError::NoArgument(byte) => {
                return write!(f, "expected '$', got '{}'", char::from(*byte).escape_default());
            }
            ProtocolError::Unterminated => "expected CRLF after an argument",
            ProtocolError::Quotes => "unbalanced quotes in request",
            ProtocolError::LineTooLong => "too big inline request",
            ProtocolError::TooLarge => "too big request",
        })
    }
}

impl core::error::Error for ProtocolError {}

/// Where an argument lies, from the beginning of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The words of one request, borrowed.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// How many there are; never none.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "an empty request is passed over")]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The word at `index`, 0 being the command's name.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub fn get(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        &self.bytes[span.start as usize..span.end as usize]
    }

    /// The words from `index` on; none beyond the end.
    #[inline]
    pub fn from(&self, index: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        let spans = self.spans.get(index..).unwrap_or_default();
        spans.iter().map(move |span| &bytes[span.start as usize..span.end as usize])
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.from(0).map(|word| word.escape_ascii())).finish()
    }
}

/// Finds one request after another.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    limits: Limits,
    spans: Vec<Span>,
    /// The words of a typed line without quotes and escapes.
    words: Vec<u8>,
    /// Up to where the request has been looked at.
    at: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// At the beginning of a request.
    #[default]
    Begin,
    /// So many arguments are missing.
    Length { missing: usize },
    /// An argument of so many bytes comes, and then as many are missing.
    Argument { length: usize, missing: usize },
    /// Within a typed line.
    Line,
    /// The last request was handed out and not forgotten yet.
    Done,
}

/// How many arguments there is always room for, once there were so many.
const KEPT: usize = 4096;
/// No line that holds a number in its one form is longer.
const NUMBER: usize = 32;

impl Parser {
    /// A parser with limits of its own.
    pub fn new(limits: Limits) -> Self {
        Parser { limits, ..Self::default() }
    }

    /// The next request in `bytes` and how many of them it takes, or how many can be thrown away before more are
    /// needed: `(None, n)`. `bytes` begins where the former request ended, and holds at least what it held before.
    ///
    /// # Errors
    /// [`ProtocolError`]; do not call it again.
    #[inline]
    pub fn next<'a>(&'a mut self, bytes: &'a [u8]) -> Result<(Option<Args<'a>>, usize), ProtocolError> {
        if self.state == State::Done {
            self.forget();
        }
        let mut empty = 0;
        loop {
            let rest = &bytes[empty..];
            if !self.advance(rest)? {
                return Ok((None, empty));
            }
            if !self.spans.is_empty() {
                break;
            }
            // An array of nothing, or an empty line, asks for nothing and gets no answer.
            empty += self.at;
            self.forget();
        }
        let typed = self.state == State::Line;
        let (consumed, rest) = (empty + self.at, &bytes[empty..]);
        self.state = State::Done;
        let bytes = if typed { &self.words[..] } else { rest };
        Ok((Some(Args { bytes, spans: &self.spans }), consumed))
    }

    fn forget(&mut self) {
        self.spans.clear();
        self.words.clear();
        if self.spans.capacity() > KEPT {
            self.spans = Vec::new();
        }
        self.at = 0;
        self.state = State::Begin;
    }

    /// Looks at what has come; whether the request is whole.
    #[inline]
    fn advance(&mut self, bytes: &[u8]) -> Result<bool, ProtocolError> {
        loop {
            match self.state {
                State::Begin => match bytes.first() {
                    None => return Ok(false),
                    Some(b'*') => {
                        let count = number(bytes, 1, ProtocolError::CountTooLong, ProtocolError::Count)?;
                        let Some((count, end)) = count else { return Ok(false) };
                        // A negative count is an empty request, as for Redis.
                        let missing = usize::try_from(count).unwrap_or(0);
                        if missing > self.limits.arguments {
                            return Err(ProtocolError::Count);
                        }
                        self.at = end;
                        self.state = State::Length { missing };
                    }
                    Some(_) => self.state = State::Line,
                },
                State::Length { missing: 0 } => return Ok(true),
                State::Length { missing } => {
                    match bytes.get(self.at) {
                        None => return Ok(false),
                        Some(b'$') => {}
                        Some(byte) => return Err(ProtocolError::NoArgument(*byte)),
                    }
                    let length =
                        number(bytes, self.at + 1, ProtocolError::LengthTooLong, ProtocolError::Length)?;
                    let Some((length, end)) = length else { return Ok(false) };
                    let length = usize::try_from(length).map_err(|_| ProtocolError::Length)?;
                    if length > self.limits.argument {
                        return Err(ProtocolError::Length);
                    }
                    if end + length + 2 > self.limits.request {
                        return Err(ProtocolError::TooLarge);
                    }
                    self.at = end;
                    self.state = State::Argument { length, missing: missing - 1 };
                }
                State::Argument { length, missing } => {
                    let (start, end) = (self.at, self.at + length);
                    if bytes.len() < end + 2 {
                        return Ok(false);
                    }
                    if bytes[end..end + 2] != *b"\r\n" {
                        return Err(ProtocolError::Unterminated);
                    }
                    self.spans.push(Span { start: start as u32, end: end as u32 });
                    self.at = end + 2;
                    self.state = State::Length { missing };
                }
                State::Line => return self.line(bytes),
                State::Done => return Ok(true),
            }
        }
    }

    fn line(&mut self, bytes: &[u8]) -> Result<bool, ProtocolError> {
        let Some(end) = bytes[self.at..].iter().position(|byte| *byte == b'\n') else {
            self.at = bytes.len();
            return if self.at > self.limits.line { Err(ProtocolError::LineTooLong) } else { Ok(false) };
        };
        let end = self.at + end;
        if end > self.limits.line {
            return Err(ProtocolError::LineTooLong);
        }
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        inline::split(line, &mut self.words, &mut self.spans).ok_or(ProtocolError::Quotes)?;
        self.at = end + 1;
        Ok(true)
    }
}

/// The number in the line that begins at `start`, and where the next one begins; `None` if the line has no end yet.
#[inline]
fn number(
    bytes: &[u8],
    start: usize,
    too_long: ProtocolError,
    wrong: ProtocolError,
) -> Result<Option<(i64, usize)>, ProtocolError> {
    let line = &bytes[start..bytes.len().min(start + NUMBER)];
    let Some(length) = line.iter().position(|byte| *byte == b'\r') else {
        return if line.len() == NUMBER { Err(too_long) } else { Ok(None) };
    };
    let end = start + length;
    match bytes.get(end + 1) {
        None => return Ok(None),
        Some(b'\n') => {}
        Some(_) => return Err(wrong),
    }
    let value = integer::parse(&line[..length]).ok_or(wrong)?;
    Ok(Some((value, end + 2)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec;

    const TIGHT: Limits = Limits { argument: 8, arguments: 4, line: 40, request: 59 };

    /// Everything that `bytes` ask for, each request in one string, handed over `step` bytes at a time.
    fn all(bytes: &[u8], step: usize, limits: Limits) -> (Vec<String>, Option<ProtocolError>) {
        let (mut parser, mut found, mut start) = (Parser::new(limits), vec![], 0);
        for end in (0..bytes.len()).step_by(step).map(|from| bytes.len().min(from + step)) {
            loop {
                match parser.next(&bytes[start..end]) {
                    Ok((Some(args), consumed)) => {
                        found.push(args.from(0).map(|word| word.escape_ascii().to_string() + "|").collect());
                        start += consumed;
                    }
                    Ok((None, consumed)) => {
                        start += consumed;
                        break;
                    }
                    Err(error) => return (found, Some(error)),
                }
            }
        }
        (found, None)
    }

    #[test]
    fn requests_come_out_whole_however_they_are_cut() {
        let bytes = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n*0\r\n\r\n*-1\r\n*1\r\n$0\r\n\r\n set k 'a b'\n*1\r\n$2\r\n\r\n\r\n";
        let expected = ["GET|a|", "PING|", "|", "set|k|a b|", "\\r\\n|"].map(String::from).to_vec();
        for step in 1..=bytes.len() {
            assert_eq!(all(bytes, step, Limits::DEFAULT), (expected.clone(), None), "{step} bytes at a time");
        }
    }

    #[test]
    fn each_error_is_found_and_has_the_words_of_redis() {
        let long = "9".repeat(40);
        let cases: [(&[u8], &str); 22] = [
            (b"*abc\r\n", "invalid multibulk length"),
            (b"*5\r\n", "invalid multibulk length"),
            (b"*01\r\n$4\r\nPING\r\n", "invalid multibulk length"),
            (b"*+1\r\n", "invalid multibulk length"),
            (b"*1 \r\n", "invalid multibulk length"),
            (b"*1\rx", "invalid multibulk length"),
            (b"*\r\n", "invalid multibulk length"),
            (&["*", &long].concat().into_bytes(), "too big mbulk count string"),
            (b"*1\r\n+PING\r\n", "expected '$', got '+'"),
            (b"*1\r\n*1\r\n$4\r\nPING\r\n", "expected '$', got '*'"),
            (b"*1\r\n\r\n", "expected '$', got '\\r'"),
            (b"*1\r\n$abc\r\n", "invalid bulk length"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$9\r\n", "invalid bulk length"),
            (b"*1\r\n$04\r\nPING\r\n", "invalid bulk length"),
            (&["*1\r\n$", &long].concat().into_bytes(), "too big bulk count string"),
            (b"*1\r\n$4\r\nPINGxx", "expected CRLF after an argument"),
            (b"SET a \"b\r\n", "unbalanced quotes in request"),
            (b"SET a 'b c'x\r\n", "unbalanced quotes in request"),
            (&[b'x'; 41], "too big inline request"),
            (&[&[b'x'; 41][..], b"\n"].concat(), "too big inline request"),
            (
                b"*4\r\n$8\r\n12345678\r\n$8\r\n12345678\r\n$8\r\n12345678\r\n$8\r\n12345678\r\n",
                "too big request",
            ),
        ];
        for (bytes, words) in cases {
            for step in [1, bytes.len()] {
                let (found, error) = all(bytes, step, TIGHT);
                let error = error.map(|error| error.to_string());
                let expected = Some(["Protocol error: ", words].concat());
                assert_eq!((found, error), (vec![], expected), "{}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn memory_follows_what_came_not_what_was_announced() {
        let mut parser = Parser::default();
        assert!(matches!(parser.next(b"*1048576\r\n$4194304\r\n"), Ok((None, 0))));
        assert!(parser.spans.capacity() < 16 && parser.words.capacity() == 0);
    }
}
