//! A line as people type it: words between blanks, quotes around what holds blanks (Redis `sdssplitargs`).

use super::parse::Span;
use alloc::vec::Vec;

/// Splits `line` into words without quotes and escapes, which are put one behind the other; `None` if a quote is not
/// closed or not followed by a blank.
///
/// Within double quotes `\n \r \t \b \a`, `\xHH` and a backslash before anything else are escapes; within single
/// quotes only `\'` is.
pub(super) fn split(line: &[u8], words: &mut Vec<u8>, spans: &mut Vec<Span>) -> Option<()> {
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(());
        }
        let start = words.len() as u32;
        rest = word(rest, words)?;
        spans.push(Span { start, end: words.len() as u32 });
    }
}

/// Reads the word at the front and returns what follows it. As for Redis, a quote may begin within a word.
fn word<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] => return Some(rest),
            [blank, ..] if blank.is_ascii_whitespace() => return Some(rest),
            [b'"', quoted @ ..] => return closed(double(quoted, words)?),
            [b'\'', quoted @ ..] => return closed(single(quoted, words)?),
            [byte, more @ ..] => {
                words.push(*byte);
                rest = more;
            }
        }
    }
}

/// A closing quote ends the word.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(u8::is_ascii_whitespace).then_some(rest)
}

fn double<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'"', more @ ..] => return Some(more),
            [b'\\', b'x', high, low, more @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                words.push(hexadecimal(*high) << 4 | hexadecimal(*low));
                more
            }
            [b'\\', escaped, more @ ..] => {
                words.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                more
            }
            [byte, more @ ..] => {
                words.push(*byte);
                more
            }
        }
    }
}

fn single<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'\'', more @ ..] => return Some(more),
            [b'\\', b'\'', more @ ..] => {
                words.push(b'\'');
                more
            }
            [byte, more @ ..] => {
                words.push(*byte);
                more
            }
        }
    }
}

fn hexadecimal(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<&[&[u8]]>) {
        let (mut words, mut spans) = (Vec::new(), Vec::new());
        let found = split(line.as_bytes(), &mut words, &mut spans);
        let cut: Vec<&[u8]> =
            spans.iter().map(|span| &words[span.start as usize..span.end as usize]).collect();
        assert_eq!(found.map(|()| &cut[..]), expected, "{line}");
    }

    #[test]
    fn words_quotes_and_escapes_are_those_of_redis() {
        check("", Some(&[]));
        check("  \t ", Some(&[]));
        check("  PING  hello ", Some(&[b"PING", b"hello"]));
        check(r#"set k "a b""#, Some(&[b"set", b"k", b"a b"]));
        check(r#""\x41\xfF\n\r\t\b\a\"\\\q""#, Some(&[b"A\xff\n\r\t\x08\x07\"\\q"]));
        check(r#""\x4" '\n\''"#, Some(&[b"x4", b"\\n'"]));
        check(r#"a"b c" d"#, Some(&[b"ab c", b"d"]));
        check(r#""" ''"#, Some(&[b"", b""]));
    }

    #[test]
    fn a_quote_must_be_closed_and_end_its_word() {
        for line in [r#"a "b"#, r#"a "b\"#, r#"a "b\""#, r#""a"b"#, "'a", "'a'b", r"'a\'"] {
            check(line, None);
        }
    }
}
