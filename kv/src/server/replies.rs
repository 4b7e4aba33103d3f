//! Replies in the order of their requests, although answers come in any order.

use super::service::{Counter, Operated, Service};
use crate::resp::translate::Asked;
use crate::resp::{Version, Writer, reply};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::task::{Context, Poll};
use seedfast_core::client::{RESPONSE_HEADER, Response, Status};
use seedfast_core::codec::Malformed;
use seedfast_core::{Buffer, NodeId};

/// The replies that are owed, the earliest in front.
#[derive(Default)]
pub(super) struct Replies {
    owed: VecDeque<Owed>,
    /// The sequence number of the front.
    first: u64,
    /// How many bytes wait here for their turn.
    held: usize,
}

/// One reply, in the version that was spoken when it was asked for.
struct Owed {
    version: Version,
    reply: Reply,
}

enum Reply {
    /// The replicas were asked, or will be.
    Asked { asked: Asked, in_log: bool, answer: Option<Answer> },
    /// Written already, behind others that are owed.
    Written(Buffer),
    /// Something that takes its time.
    Later(Operated),
}

/// What the replicas answered, its checksum proven.
struct Answer {
    status: Status,
    leader: Option<NodeId>,
    frame: Buffer,
}

/// Whether an answered request had gone through the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InLog(pub(super) bool);

impl Replies {
    pub(super) fn len(&self) -> usize {
        self.owed.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// How many bytes wait for their turn.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    fn push(&mut self, version: Version, reply: Reply) -> u64 {
        self.owed.push_back(Owed { version, reply });
        self.first + self.owed.len() as u64 - 1
    }

    /// The replicas owe one; the number returned tells which.
    pub(super) fn ask(&mut self, version: Version, asked: Asked) -> u64 {
        self.push(version, Reply::Asked { asked, in_log: false, answer: None })
    }

    /// The request of that number goes through the log.
    pub(super) fn in_log(&mut self, sequence: u64) {
        if let Some(Reply::Asked { in_log, .. }) = self.at(sequence) {
            *in_log = true;
        }
    }

    /// One that is there already and waits for those before it.
    pub(super) fn written(&mut self, bytes: Buffer) {
        self.held += bytes.len();
        self.push(Version::Resp2, Reply::Written(bytes));
    }

    /// One that takes its time.
    pub(super) fn later(&mut self, version: Version, future: Operated) {
        self.push(version, Reply::Later(future));
    }

    fn at(&mut self, sequence: u64) -> Option<&mut Reply> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.owed.get_mut(index).map(|owed| &mut owed.reply)
    }

    /// Takes an answer of the replicas to its place. `None`: nobody waits for it.
    ///
    /// # Errors
    /// [`Malformed`] if it is none.
    pub(super) fn accept(&mut self, frame: Buffer, service: &Service) -> Result<Option<InLog>, Malformed> {
        let response = Response::decode(&frame)?;
        service.heard(&response);
        let (status, leader) = (response.status, response.leader);
        let (sequence, size) = (response.sequence, frame.len());
        let Some(Reply::Asked { answer: answer @ None, in_log, .. }) = self.at(sequence) else {
            return Ok(None);
        };
        let in_log = InLog(*in_log);
        *answer = Some(Answer { status, leader, frame });
        self.held += size;
        Ok(Some(in_log))
    }

    /// Appends the reply in front to `out` if it is there; false if it is not, or none is owed.
    ///
    /// # Errors
    /// [`Malformed`] if what the replicas answered is no reply.
    pub(super) fn release(
        &mut self,
        cx: &mut Context<'_>,
        service: &Service,
        out: &mut Vec<u8>,
    ) -> Result<bool, Malformed> {
        let Some(Owed { version, reply }) = self.owed.front_mut() else { return Ok(false) };
        let version = *version;
        match reply {
            Reply::Asked { answer: None, .. } => return Ok(false),
            Reply::Later(future) => {
                let Poll::Ready(result) = future.as_mut().poll(cx) else { return Ok(false) };
                let mut writer = Writer::new(out, version);
                match result {
                    Ok(text) => writer.text(&text),
                    Err(why) => writer.error(format_args!("ERR {why}")),
                }
            }
            Reply::Asked { .. } | Reply::Written(_) => {}
        }
        // Taken out as a whole: an empty buffer put in its place would be an allocation.
        let Some(Owed { reply, .. }) = self.owed.pop_front() else { return Ok(false) };
        self.first += 1;
        match reply {
            Reply::Asked { asked, answer: Some(answer), .. } => {
                write(&answer, asked, service, &mut Writer::new(out, version))?;
                self.held -= answer.frame.len();
                service.recycle(answer.frame);
            }
            Reply::Written(bytes) => {
                out.extend_from_slice(&bytes);
                self.held -= bytes.len();
                service.recycle(bytes);
            }
            Reply::Asked { answer: None, .. } | Reply::Later(_) => {}
        }
        Ok(true)
    }
}

#[inline]
fn write(answer: &Answer, asked: Asked, service: &Service, out: &mut Writer<'_>) -> Result<(), Malformed> {
    service.add(Counter::Commands, 1);
    match answer.status {
        Status::Done => return reply::write(&answer.frame[RESPONSE_HEADER..], out),
        Status::NotLeader => redirect(answer.leader, asked, service, out),
        Status::Overloaded => {
            service.add(Counter::Busy, 1);
            out.error("BUSY too many requests are under way; this one was not carried out, try again");
        }
        // A question that was lost changed nothing.
        Status::InDoubt | Status::SessionUnknown | Status::Stale if !asked.write => {
            redirect(answer.leader, asked, service, out);
        }
        Status::InDoubt | Status::SessionUnknown | Status::Stale => {
            service.add(Counter::Unknown, 1);
            out.error(
                "UNKNOWN outcome: the leadership changed while this command was under way, and it may or may \
                 not have been carried out; read before you repeat it",
            );
        }
        Status::Malformed => {
            out.error("ERR the command is larger than this cluster takes; it was not carried out");
        }
    }
    Ok(())
}

/// Nothing was carried out here: where to go, if that is known and not here.
fn redirect(leader: Option<NodeId>, asked: Asked, service: &Service, out: &mut Writer<'_>) {
    service.add(Counter::Redirected, 1);
    let elsewhere = leader.filter(|leader| *leader != service.settings().node);
    match elsewhere.and_then(|leader| service.member(leader)) {
        Some(leader) => out.error(Moved { slot: asked.slot, host: &leader.host, port: leader.port }),
        None => out.error("CLUSTERDOWN no leader is known to this node; nothing was carried out, try again"),
    }
}

struct Moved<'a> {
    slot: u16,
    host: &'a str,
    port: u16,
}

impl fmt::Display for Moved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MOVED {} {}:{}", self.slot, self.host, self.port)
    }
}
