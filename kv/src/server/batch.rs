//! The commands of one read: gathered first, then handed to the replicas in one burst.
//!
//! Only when all of them are known is it known how they go. If none can change anything, each is a question outside
//! the log, and one round of read-index answers them all. If one can, all of them go through the log, which keeps
//! their order: a question outside it is answered from some state behind its asking, too late for a write that stands
//! after it, and too early for one before it that is not decided yet.

use super::replies::Replies;
use super::service::{Counter, Service};
use crate::resp::translate::Asked;
use alloc::vec::Vec;
use core::ops::Range;
use seedfast_core::SessionId;
use seedfast_core::client::{Request, Verb};
use seedfast_core::runtime::clients::Connection;

/// Commands of one client that were read and not handed over yet.
#[derive(Default)]
pub(super) struct Batch {
    payloads: Vec<u8>,
    commands: Vec<Command>,
    /// How many of them were handed over.
    submitted: usize,
    in_log: bool,
    /// Of this and of earlier batches.
    questions_under_way: usize,
    logged_under_way: usize,
}

struct Command {
    sequence: u64,
    payload: Range<usize>,
    write: bool,
}

/// No batch gathers more commands, so that the first never waits long for the last.
const MOST: usize = 1024;
/// A batch that holds so many bytes takes no more, ...
const LARGE: usize = 1 << 20;

impl Batch {
    /// Whether all of it was handed over.
    pub(super) fn is_empty(&self) -> bool {
        self.submitted == self.commands.len()
    }

    /// Whether it takes another command.
    pub(super) fn has_room(&self) -> bool {
        self.commands.len() < MOST && self.payloads.len() < LARGE
    }

    /// Where to append the next command's encoding.
    #[inline]
    pub(super) fn payloads(&mut self) -> &mut Vec<u8> {
        &mut self.payloads
    }

    /// Takes the command whose encoding was appended, and which begins at `start`.
    #[inline]
    pub(super) fn push(&mut self, start: usize, sequence: u64, asked: Asked) {
        let payload = start..self.payloads.len();
        self.commands.push(Command { sequence, payload, write: asked.write });
    }

    /// Nothing more comes: decides how the whole goes.
    pub(super) fn close(&mut self) {
        self.in_log = self.logged_under_way > 0 || self.commands.iter().any(|command| command.write);
    }

    /// Hands over what there is room for; whether it was anything.
    pub(super) fn submit(
        &mut self,
        connection: &Connection,
        replies: &mut Replies,
        service: &Service,
    ) -> bool {
        if self.is_empty() || self.in_log && self.questions_under_way > 0 {
            return false;
        }
        let before = self.submitted;
        let (mut writes, mut questions) = (0, 0);
        while let Some(command) = self.commands.get(self.submitted)
            && connection.has_room()
        {
            let verb = match (command.write, self.in_log) {
                (true, _) => Verb::Once,
                (false, true) => Verb::QueryInLog,
                (false, false) => Verb::Query,
            };
            if self.in_log {
                replies.in_log(command.sequence);
            }
            let payload = &self.payloads[command.payload.clone()];
            let mut frame = service.buffer();
            Request { verb, acknowledged_below: 0, payload }.encode(&mut frame);
            let group = service.settings().group;
            connection.request(group, SessionId::NONE, command.sequence, frame.freeze());
            writes += usize::from(command.write);
            questions += usize::from(!command.write);
            self.submitted += 1;
        }
        let handed = self.submitted - before;
        service.add(Counter::Writes, writes);
        if self.in_log {
            self.logged_under_way += handed;
            service.add(Counter::ReadsInLog, questions);
        } else {
            self.questions_under_way += handed;
            service.add(Counter::Reads, questions);
        }
        if self.is_empty() {
            self.commands.clear();
            self.submitted = 0;
            self.payloads.clear();
            self.payloads.shrink_to(2 * LARGE);
        }
        handed > 0
    }

    /// One that was handed over is answered.
    #[inline]
    pub(super) fn answered(&mut self, in_log: bool) {
        let under_way = if in_log { &mut self.logged_under_way } else { &mut self.questions_under_way };
        *under_way -= 1;
    }
}
