//! A register on two nodes: a primary that clients talk to, and a backup. Both keep it in memory only, and whichever
//! crashes asks the other one for what it has forgotten. It survives any number of crashes, one at a time.
//!
//! Clients number their writes; of two the higher number wins, so that a write which is repeated changes nothing. The
//! primary answers a write when the backup has it, and answers reads with what the backup is known to have. Everything
//! is repeated until it is answered: the network may lose, double and reorder.
//!
//! `tests/register.rs` throws crashes at it.
#![forbid(unsafe_code)]

use seedfast_core::codec::{Malformed, Reader};
use seedfast_core::{
    Buffer, ConnectionId, Duration, GroupId, Incarnation, Input, Kind, NodeId, Now, Outbox, PeerSet, Process,
    TimerId,
};

/// Clients talk to this node.
pub const PRIMARY: NodeId = NodeId(0);
/// This one keeps a copy.
pub const BACKUP: NodeId = NodeId(1);

/// "Keep this": a number.
const COPY: Kind = Kind(1);
/// "I have this": a number.
const HAVE: Kind = Kind(2);
/// "What do you have?": the life that asks.
const FETCH: Kind = Kind(3);
/// "I have this": the life that asked, a number.
const STATE: Kind = Kind(4);

const REPEAT: TimerId = TimerId(1);
const REPEAT_EVERY: Duration = Duration::from_millis(5);

/// When a primary answers a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// When the backup has it.
    OnceCopied,
    /// In the turn that sends it to the backup: wrong, and fast.
    AtOnce,
}

/// One of the two nodes, in one of its lives.
#[derive(Debug)]
pub struct Register {
    answer: Answer,
    me: NodeId,
    life: Incarnation,
    /// The highest write that it knows of; none until the other node has told a later life.
    newest: Option<u64>,
    /// The highest write that the backup is known to have; for the primary.
    copied: u64,
    /// Writes that wait for the backup.
    waiting: Vec<(u64, ConnectionId)>,
}

impl Register {
    /// A node before its first turn.
    pub fn new(answer: Answer) -> Self {
        Register { answer, me: PRIMARY, life: Incarnation(0), newest: None, copied: 0, waiting: Vec::new() }
    }

    fn tell(&self, kind: Kind, numbers: &[u64], out: &mut Outbox) {
        let mut frame = out.buffer();
        numbers.iter().for_each(|number| frame.extend(number.to_le_bytes()));
        out.send(PeerSet::first(2).without(self.me), kind, GroupId(0), frame.freeze());
    }

    /// Says again what was not answered, and will do so again.
    fn repeat(&mut self, now: Now, out: &mut Outbox) {
        match self.newest {
            None => self.tell(FETCH, &[u64::from(self.life.0)], out),
            Some(newest) if self.me == PRIMARY && self.copied < newest => self.tell(COPY, &[newest], out),
            Some(_) => {}
        }
        out.timer(REPEAT, Some(now.monotonic + REPEAT_EVERY));
    }

    /// A client's request: the number of a write, or nothing for a read. A node that has forgotten everything is silent.
    fn request(&mut self, bytes: &[u8], connection: ConnectionId, out: &mut Outbox) {
        let (PRIMARY, Some(newest)) = (self.me, self.newest) else { return };
        let mut fields = Reader::new(bytes);
        match fields.u64() {
            Err(Malformed) => respond(connection, self.copied, out),
            Ok(write) => {
                self.newest = Some(newest.max(write));
                self.waiting.push((write, connection));
                if self.answer == Answer::AtOnce {
                    self.copied = newest.max(write);
                }
                self.tell(COPY, &[newest.max(write)], out);
                self.answer(out);
            }
        }
    }

    fn answer(&mut self, out: &mut Outbox) {
        let copied = self.copied;
        self.waiting.retain(|(write, connection)| {
            if *write <= copied {
                respond(*connection, *write, out);
            }
            *write > copied
        });
    }

    fn hear(&mut self, kind: Kind, frame: &Buffer, out: &mut Outbox) -> Result<(), Malformed> {
        let mut fields = Reader::new(frame);
        match (kind, self.newest) {
            (COPY, Some(newest)) if self.me == BACKUP => {
                let newest = newest.max(fields.u64()?);
                self.newest = Some(newest);
                self.tell(HAVE, &[newest], out);
            }
            (HAVE, Some(_)) if self.me == PRIMARY => {
                self.copied = self.copied.max(fields.u64()?);
                self.answer(out);
            }
            (FETCH, Some(newest)) => self.tell(STATE, &[fields.u64()?, newest], out),
            // An answer to an earlier life may be older than what that life went on to promise.
            (STATE, None) if fields.u64()? == u64::from(self.life.0) => {
                let newest = fields.u64()?;
                (self.newest, self.copied) = (Some(newest), newest);
                out.sometimes(true, "register: a node learned from the other one what it had forgotten");
            }
            _ => {}
        }
        Ok(())
    }
}

fn respond(connection: ConnectionId, number: u64, out: &mut Outbox) {
    let mut bytes = out.buffer();
    bytes.extend(number.to_le_bytes());
    out.respond(connection, bytes.freeze());
}

impl Process for Register {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Start(start) => {
                (self.me, self.life) = (start.node, start.incarnation);
                // Only the first life of all knows that there is nothing to be known.
                self.newest = (self.life == Incarnation(1)).then_some(0);
                self.repeat(now, out);
            }
            Input::Timer { id: REPEAT } => self.repeat(now, out),
            // A frame that is too short was damaged, and will be repeated.
            Input::Receive { kind, frame, .. } => _ = self.hear(kind, &frame, out),
            Input::Request { connection, bytes, .. } => self.request(&bytes, connection, out),
            Input::Closed { connection, .. } => self.waiting.retain(|(_, waits)| *waits != connection),
            _ => {}
        }
    }

    fn describe(&self, kind: Kind, frame: &[u8]) -> Option<String> {
        let mut fields = Reader::new(frame);
        let mut number = || fields.u64().map_or("?".to_owned(), |number| number.to_string());
        match kind {
            COPY => Some(format!("keep {}", number())),
            HAVE => Some(format!("have {}", number())),
            FETCH => Some(format!("life {} asks what there is", number())),
            STATE => Some(format!("for life {}: {}", number(), number())),
            _ => None,
        }
    }
}
