//! Requests and answers on a stream, one behind the other.
//!
//! ```text
//! request: length u32 | session u64 | sequence u64 | request as in `seedfast_core::client`
//! answer:  length u32 | response as in `seedfast_core::client`
//! ```
//! The length counts what stands behind it, in bytes. Integers are little-endian.

use crate::Limits;
use alloc::vec::Vec;
use seedfast_core::buffer::Pool;
use seedfast_core::codec::{Reader, Write};
use seedfast_core::{Buffer, SessionId};

/// Nothing on a stream is longer, in bytes: whoever says more is cut off. The longest reply of a store fits, with what stands
/// before it.
pub const LONGEST: usize = Limits::DEFAULT.reply + 1024;
/// How long a length is.
const LENGTH: usize = 4;

/// A request as it came from a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The client's session.
    pub session: SessionId,
    /// Its number within the session.
    pub sequence: u64,
    /// The request.
    pub bytes: Buffer,
}

/// Appends a request.
pub fn put_request(out: &mut Vec<u8>, session: SessionId, sequence: u64, bytes: &[u8]) {
    out.u32(bytes.len() as u32 + 16);
    out.u64(session.0);
    out.u64(sequence);
    out.bytes(bytes);
}

/// Appends an answer.
pub fn put_answer(out: &mut Vec<u8>, bytes: &[u8]) {
    out.block(bytes);
}

/// The frame cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Senseless;

/// What the first whole frame in what has come holds, if there is one.
fn whole(came: &[u8]) -> Result<Option<&[u8]>, Senseless> {
    let Ok(length) = Reader::new(came).u32() else { return Ok(None) };
    let length = length as usize;
    if length > LONGEST {
        return Err(Senseless);
    }
    Ok(came[LENGTH..].get(..length))
}

/// Finds the first whole request in what has come, and how many bytes it takes there. It is copied into a buffer of
/// `pool`.
///
/// # Errors
/// It cannot be one; nothing behind it can be trusted.
pub fn find_request(came: &[u8], pool: &mut Pool) -> Result<Option<(Request, usize)>, Senseless> {
    let Some(frame) = whole(came)? else { return Ok(None) };
    let mut fields = Reader::new(frame);
    let (Ok(session), Ok(sequence)) = (fields.u64(), fields.u64()) else { return Err(Senseless) };
    let bytes = pool.copy_from(&frame[fields.position()..]);
    Ok(Some((Request { session: SessionId(session), sequence, bytes }, LENGTH + frame.len())))
}

/// Takes the first whole answer out of what has come.
///
/// # Errors
/// It cannot be one; nothing behind it can be trusted.
pub fn take_answer(came: &mut Vec<u8>) -> Result<Option<Buffer>, Senseless> {
    let Some(frame) = whole(came)? else { return Ok(None) };
    let (answer, end) = (Buffer::copy_from(frame), LENGTH + frame.len());
    came.drain(..end);
    Ok(Some(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn frames_come_out_one_by_one_however_the_stream_was_cut() {
        let mut bytes = Vec::new();
        put_request(&mut bytes, SessionId(3), 9, b"first");
        put_request(&mut bytes, SessionId(4), 1, b"");
        let (mut came, mut requests, mut pool) = (Vec::new(), Vec::new(), Pool::new(1));
        for byte in bytes {
            came.push(byte);
            if let Some((request, length)) = find_request(&came, &mut pool).expect("it makes sense") {
                came.drain(..length);
                requests.push(request);
            }
        }
        let (bytes, empty) = (Buffer::copy_from(b"first"), Buffer::new());
        let first = Request { session: SessionId(3), sequence: 9, bytes };
        assert_eq!(requests, [first, Request { session: SessionId(4), sequence: 1, bytes: empty }]);
        assert!(came.is_empty());
    }

    #[test]
    fn what_cannot_be_a_frame_is_refused_at_once() {
        let mut pool = Pool::new(1);
        assert_eq!(find_request(&[255; 4], &mut pool), Err(Senseless));
        assert_eq!(find_request(&[3, 0, 0, 0, 1, 2, 3], &mut pool), Err(Senseless));
        assert_eq!(take_answer(&mut vec![255; 4]), Err(Senseless));
    }
}
