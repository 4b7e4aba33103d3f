//! A reply of ours as one of theirs.

use super::write::Writer;
use crate::reply::{Error, Reply};
use seedfast_core::codec::{Malformed, Reader};

/// The tag of a list in [`crate::reply`], which is walked here instead of being collected first.
const LIST: u8 = 4;

/// Writes the encoded reply of a replica.
///
/// # Errors
/// [`Malformed`] if it is none: nothing was written then.
#[inline]
pub fn write(encoded: &[u8], out: &mut Writer<'_>) -> Result<(), Malformed> {
    if let [LIST, items @ ..] = encoded {
        return write_list(items, out);
    }
    match Reply::decode(encoded)? {
        Reply::Nil | Reply::NotSwapped => out.null(),
        Reply::Ok => out.ok(),
        Reply::Integer(number) => out.integer(number),
        Reply::Bytes(bytes) => out.bulk(bytes),
        Reply::List(_) => return Err(Malformed),
        Reply::Error(error) => out.error(words(error)),
    }
    Ok(())
}

fn write_list(encoded: &[u8], out: &mut Writer<'_>) -> Result<(), Malformed> {
    let mut fields = Reader::new(encoded);
    let count = fields.u32()?;
    let mut walk = fields;
    for _ in 0..count {
        item(&mut walk)?;
    }
    walk.end()?;
    out.array(count as usize);
    for _ in 0..count {
        match item(&mut fields)? {
            Some(bytes) => out.bulk(bytes),
            None => out.null(),
        }
    }
    Ok(())
}

#[inline]
fn item<'a>(fields: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Malformed> {
    match fields.u8()? {
        0 => Ok(None),
        1 => Ok(Some(fields.block()?)),
        _ => Err(Malformed),
    }
}

/// What a client is told; the words are those of Redis where it has that error.
pub const fn words(error: Error) -> &'static str {
    match error {
        Error::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
        Error::NotAnInteger => "ERR value is not an integer or out of range",
        Error::Overflow => "ERR increment or decrement would overflow",
        Error::TooLarge => "ERR a key, a value or the answer is larger than this cluster allows",
        Error::Full => "OOM the store is full: nothing that makes it larger is carried out",
        Error::Malformed | Error::NotAQuestion => {
            "ERR this node and its replicas disagree about the form of a command; nothing was carried out"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Version;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use alloc::{format, vec};

    fn written(reply: &Reply<'_>, version: Version) -> String {
        let (mut encoded, mut out) = (Vec::new(), Vec::new());
        reply.encode(&mut encoded);
        write(&encoded, &mut Writer::new(&mut out, version)).expect("a whole reply");
        for end in 0..encoded.len() {
            let before = out.len();
            assert_eq!(write(&encoded[..end], &mut Writer::new(&mut out, version)), Err(Malformed));
            assert_eq!(out.len(), before, "a part of a reply wrote something");
        }
        out.escape_ascii().to_string()
    }

    #[test]
    fn every_reply_has_its_form_in_both_versions() {
        let list = Reply::List(vec![Some(&b"a"[..]), None]);
        let cases = [
            (Reply::Nil, r"$-1\r\n", r"_\r\n"),
            (Reply::NotSwapped, r"$-1\r\n", r"_\r\n"),
            (Reply::Ok, r"+OK\r\n", r"+OK\r\n"),
            (Reply::Integer(-7), r":-7\r\n", r":-7\r\n"),
            (Reply::Bytes(b""), r"$0\r\n\r\n", r"$0\r\n\r\n"),
            (list, r"*2\r\n$1\r\na\r\n$-1\r\n", r"*2\r\n$1\r\na\r\n_\r\n"),
            (Reply::List(vec![]), r"*0\r\n", r"*0\r\n"),
        ];
        for (reply, resp2, resp3) in cases {
            assert_eq!(written(&reply, Version::Resp2), resp2);
            assert_eq!(written(&reply, Version::Resp3), resp3);
        }
        for error in [Error::WrongType, Error::NotAnInteger, Error::Overflow, Error::TooLarge, Error::Full] {
            let expected = format!(r"-{}\r\n", words(error)).replace('\'', r"\'");
            assert_eq!(written(&Reply::Error(error), Version::Resp2), expected);
        }
    }
}
