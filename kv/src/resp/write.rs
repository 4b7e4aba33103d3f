//! Replies as bytes, in the version that the client asked for.
//!
//! RESP3 adds types; a RESP2 client gets each as Redis gives it to one: null as `$-1`, a map as an array of keys and
//! values, a set as an array, text with a format as a byte string.

use crate::integer::Decimal;
use alloc::vec::Vec;
use core::fmt::{self, Display, Write};

/// Which RESP a client speaks; 2 until it says otherwise with `HELLO 3`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// What every client speaks.
    #[default]
    Resp2,
    /// With maps, sets and a null of its own.
    Resp3,
}

/// Appends replies to bytes. An array, a map or a set is opened with its size and then holds what is written next.
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    version: Version,
}

impl<'a> Writer<'a> {
    /// Appends to `out`.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, version: Version) -> Self {
        Writer { out, version }
    }

    /// Which version it writes.
    pub fn version(&self) -> Version {
        self.version
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A short text of ours, without line ends.
    pub fn simple(&mut self, text: &str) {
        debug_assert!(!text.contains(['\r', '\n']), "a line end would end the reply");
        self.out.push(b'+');
        self.out.extend_from_slice(text.as_bytes());
        self.end();
    }

    /// An error; its first word, in capitals, is its kind. What a client sent may stand in it: line ends become
    /// blanks, and what is not UTF-8 is the caller's to replace.
    pub fn error(&mut self, error: impl Display) {
        self.out.push(b'-');
        // Writing into a vector cannot fail.
        let _ = write!(OneLine(self.out), "{error}");
        self.end();
    }

    /// A byte string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.head(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.end();
    }

    /// A number.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        self.out.push(b':');
        self.out.extend_from_slice(Decimal::new(value).as_bytes());
        self.end();
    }

    /// Nothing.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.version {
            Version::Resp2 => b"$-1\r\n",
            Version::Resp3 => b"_\r\n",
        });
    }

    /// An array of `count` replies.
    #[inline]
    pub fn array(&mut self, count: usize) {
        self.head(b'*', count);
    }

    /// A map of `count` pairs.
    pub fn map(&mut self, count: usize) {
        match self.version {
            Version::Resp2 => self.head(b'*', 2 * count),
            Version::Resp3 => self.head(b'%', count),
        }
    }

    /// A set of `count` replies.
    pub fn set(&mut self, count: usize) {
        match self.version {
            Version::Resp2 => self.head(b'*', count),
            Version::Resp3 => self.head(b'~', count),
        }
    }

    /// Plain text of several lines for a person.
    pub fn text(&mut self, text: &str) {
        match self.version {
            Version::Resp2 => self.bulk(text.as_bytes()),
            Version::Resp3 => {
                self.head(b'=', text.len() + 4);
                self.out.extend_from_slice(b"txt:");
                self.out.extend_from_slice(text.as_bytes());
                self.end();
            }
        }
    }

    #[inline]
    fn head(&mut self, kind: u8, count: usize) {
        self.out.push(kind);
        self.out.extend_from_slice(Decimal::new(count as i64).as_bytes());
        self.end();
    }

    #[inline]
    fn end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Text whose line ends are blanks.
struct OneLine<'a>(&'a mut Vec<u8>);

impl Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(write: impl Fn(&mut Writer<'_>), resp2: &str, resp3: &str) {
        for (version, expected) in [(Version::Resp2, resp2), (Version::Resp3, resp3)] {
            let mut out = Vec::new();
            write(&mut Writer::new(&mut out, version));
            assert_eq!(out.escape_ascii().to_string(), expected, "{version:?}");
        }
    }

    use alloc::string::ToString;

    #[test]
    fn each_kind_of_reply_in_both_versions() {
        check(|w| w.ok(), r"+OK\r\n", r"+OK\r\n");
        check(|w| w.simple("PONG"), r"+PONG\r\n", r"+PONG\r\n");
        check(|w| w.error("ERR a\r\nb"), r"-ERR a  b\r\n", r"-ERR a  b\r\n");
        check(|w| w.bulk(b"a\r\n"), r"$3\r\na\r\n\r\n", r"$3\r\na\r\n\r\n");
        check(|w| w.integer(i64::MIN), r":-9223372036854775808\r\n", r":-9223372036854775808\r\n");
        check(|w| w.null(), r"$-1\r\n", r"_\r\n");
        check(|w| w.array(0), r"*0\r\n", r"*0\r\n");
        check(|w| w.map(7), r"*14\r\n", r"%7\r\n");
        check(|w| w.set(2), r"*2\r\n", r"~2\r\n");
        check(|w| w.text("a\nb"), r"$3\r\na\nb\r\n", r"=7\r\ntxt:a\nb\r\n");
    }
}
