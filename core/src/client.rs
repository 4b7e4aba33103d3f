//! The native client's frames: what rides in [`Input::Request`](crate::Input::Request) and in
//! [`Output::Respond`](crate::Output::Respond).
//!
//! ```text
//! request:  checksum u64 | version u8 | verb u8 | reserved u16 | acknowledged_below u64 | payload ...
//! response: checksum u64 | version u8 | status u8 | leader u8 | reserved u8 | session u64 | sequence u64 | payload ...
//! ```
//! The checksum is XXH3-64 of everything behind it. Integers are little-endian.

use crate::buffer::BufferMut;
use crate::codec::{Malformed, Reader, Write};
use crate::id::{NodeId, SessionId};
use alloc::vec::Vec;
use xxhash_rust::xxh3::xxh3_64;

/// The version of both frames.
pub const VERSION: u8 = 1;
/// Length of a request before its payload, in bytes.
pub const REQUEST_HEADER: usize = 20;
/// Length of a response before its payload, in bytes.
pub const RESPONSE_HEADER: usize = 28;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A new session; the response carries its id. A retry may open a second one, which idles until it is evicted.
    OpenSession = 1,
    /// A command for the state machine, carried out exactly once however often it is sent.
    Command = 2,
    /// A question for the state machine, answered linearizably by read-index: no log entry, no clock.
    Query = 3,
    /// A question answered in the log's order, as a command is.
    QueryInLog = 4,
    /// A command outside every session: carried out at most once for each request, and again for a request sent again.
    /// The request's session is a name that is handed back; nothing has to be opened.
    Once = 5,
}

/// A decoded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What it asks for.
    pub verb: Verb,
    /// The client holds the answers to every lower sequence number of this session and will not ask for them again.
    pub acknowledged_below: u64,
    /// The command or the question, for the state machine.
    pub payload: &'a [u8],
}

impl<'a> Request<'a> {
    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = begin(out);
        out.u8(VERSION);
        out.u8(self.verb as u8);
        out.u16(0);
        out.u64(self.acknowledged_below);
        out.bytes(self.payload);
        seal(out, start);
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`Malformed`] if the checksum, the version or the verb is not one of ours.
    #[inline]
    pub fn decode(frame: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = open(frame)?;
        let verb = match fields.u8()? {
            1 => Verb::OpenSession,
            2 => Verb::Command,
            3 => Verb::Query,
            4 => Verb::QueryInLog,
            5 => Verb::Once,
            _ => return Err(Malformed),
        };
        fields.u16()?;
        let acknowledged_below = fields.u64()?;
        Ok(Request { verb, acknowledged_below, payload: fields.bytes(fields.remaining())? })
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Carried out; the payload is the state machine's reply (for a new session: empty).
    Done = 0,
    /// This node is not the leader and did nothing with the request; `leader` says who may be.
    NotLeader = 1,
    /// Refused for want of room and not carried out by this attempt; try again later.
    Overloaded = 2,
    /// The session is not (or no longer) in the table: whether an earlier attempt was carried out is unknown.
    SessionUnknown = 3,
    /// The frame makes no sense, or the sequence lies beyond the session's window; not carried out.
    Malformed = 4,
    /// The sequence number is one whose answer the client said it holds; not carried out again.
    Stale = 5,
    /// This node lost the leadership while the request was on its way: ask another node, in the same session.
    InDoubt = 6,
}

/// A decoded response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// How the request ended.
    pub status: Status,
    /// The leader, if this node believes to know it.
    pub leader: Option<NodeId>,
    /// The session: the request's, or the new one.
    pub session: SessionId,
    /// The request's sequence number.
    pub sequence: u64,
    /// The state machine's reply.
    pub payload: &'a [u8],
}

const NO_LEADER: u8 = 255;

impl<'a> Response<'a> {
    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = begin(out);
        self.header(out);
        out.bytes(self.payload);
        seal(out, start);
    }

    /// Appends the frame, its payload written in place by `reply`.
    pub fn encode_with(&self, out: &mut BufferMut, reply: impl FnOnce(&mut Vec<u8>)) {
        let start = begin(out);
        self.header(out);
        reply(out);
        seal(out, start);
    }

    fn header(&self, out: &mut Vec<u8>) {
        out.u8(VERSION);
        out.u8(self.status as u8);
        out.u8(self.leader.map_or(NO_LEADER, |node| node.0));
        out.u8(0);
        out.u64(self.session.0);
        out.u64(self.sequence);
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`Malformed`] if the checksum, the version or the status is not one of ours.
    pub fn decode(frame: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = open(frame)?;
        let status = match fields.u8()? {
            0 => Status::Done,
            1 => Status::NotLeader,
            2 => Status::Overloaded,
            3 => Status::SessionUnknown,
            4 => Status::Malformed,
            5 => Status::Stale,
            6 => Status::InDoubt,
            _ => return Err(Malformed),
        };
        let leader = fields.u8()?;
        fields.u8()?;
        Ok(Response {
            status,
            leader: (leader != NO_LEADER).then_some(NodeId(leader)),
            session: SessionId(fields.u64()?),
            sequence: fields.u64()?,
            payload: fields.bytes(fields.remaining())?,
        })
    }
}

fn begin(out: &mut Vec<u8>) -> usize {
    out.u64(0);
    out.len()
}

fn seal(out: &mut [u8], start: usize) {
    let checksum = xxh3_64(&out[start..]);
    out[start - 8..start].copy_from_slice(&checksum.to_le_bytes());
}

#[inline]
fn open(frame: &[u8]) -> Result<Reader<'_>, Malformed> {
    let mut fields = Reader::new(frame);
    let checksum = fields.u64()?;
    if checksum != xxh3_64(&frame[8..]) || fields.u8()? != VERSION {
        return Err(Malformed);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn frames_come_back_as_they_went_in_and_damage_is_refused() {
        let request = Request { verb: Verb::Command, acknowledged_below: 7, payload: b"SET" };
        let mut frame = vec![];
        request.encode(&mut frame);
        assert_eq!(frame.len(), REQUEST_HEADER + 3);
        assert_eq!(Request::decode(&frame), Ok(request));
        for bit in 0..frame.len() * 8 {
            let mut damaged = frame.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Request::decode(&damaged), Err(Malformed), "bit {bit}");
        }
        for end in 0..frame.len() {
            assert_eq!(Request::decode(&frame[..end]), Err(Malformed), "{end} bytes");
        }

        let response = Response {
            status: Status::NotLeader,
            leader: Some(NodeId(2)),
            session: SessionId(9),
            sequence: 3,
            payload: b"",
        };
        let mut frame = vec![];
        response.encode(&mut frame);
        assert_eq!(frame.len(), RESPONSE_HEADER);
        assert_eq!(Response::decode(&frame), Ok(response));
    }
}
