//! Requests and answers on a stream, one behind the other.
//!
//! ```text
//! request: length u32 | session u64 | sequence u64 | request as in `seedfast_core::client`
//! answer:  length u32 | response as in `seedfast_core::client`
//! ```
//! The length counts what stands behind it, in bytes. Integers are little-endian.

use alloc::vec::Vec;
use seedfast_core::codec::{Reader, Write};
use seedfast_core::{Buffer, SessionId};

/// Nothing on a stream is longer, in bytes: whoever says more is cut off.
pub const LONGEST: usize = 16 << 20;

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

/// Takes the first whole frame out of what has come, if there is one.
fn take(came: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Senseless> {
    let Ok(length) = Reader::new(came).u32() else { return Ok(None) };
    let length = length as usize;
    if length > LONGEST {
        return Err(Senseless);
    }
    if came.len() < 4 + length {
        return Ok(None);
    }
    let rest = came.split_off(4 + length);
    let mut whole = core::mem::replace(came, rest);
    whole.drain(..4);
    Ok(Some(whole))
}

/// Takes the first whole request out of what has come.
///
/// # Errors
/// It cannot be one; nothing behind it can be trusted.
pub fn take_request(came: &mut Vec<u8>) -> Result<Option<Request>, Senseless> {
    let Some(mut frame) = take(came)? else { return Ok(None) };
    let mut fields = Reader::new(&frame);
    let (Ok(session), Ok(sequence)) = (fields.u64(), fields.u64()) else { return Err(Senseless) };
    frame.drain(..16);
    Ok(Some(Request { session: SessionId(session), sequence, bytes: Buffer::from(frame) }))
}

/// Takes the first whole answer out of what has come.
///
/// # Errors
/// It cannot be one; nothing behind it can be trusted.
pub fn take_answer(came: &mut Vec<u8>) -> Result<Option<Buffer>, Senseless> {
    Ok(take(came)?.map(Buffer::from))
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
        let (mut came, mut requests) = (Vec::new(), Vec::new());
        for byte in bytes {
            came.push(byte);
            requests.extend(take_request(&mut came).expect("it makes sense"));
        }
        let (bytes, empty) = (Buffer::copy_from(b"first"), Buffer::new());
        let first = Request { session: SessionId(3), sequence: 9, bytes };
        assert_eq!(requests, [first, Request { session: SessionId(4), sequence: 1, bytes: empty }]);
        assert!(came.is_empty());
    }

    #[test]
    fn what_cannot_be_a_frame_is_refused_at_once() {
        assert_eq!(take_request(&mut vec![255; 4]), Err(Senseless));
        assert_eq!(take_request(&mut vec![3, 0, 0, 0, 1, 2, 3]), Err(Senseless));
        assert_eq!(take_answer(&mut vec![255; 4]), Err(Senseless));
    }
}
