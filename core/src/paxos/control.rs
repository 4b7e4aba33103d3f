//! What an operator may ask of a replica: [`Input::Control`](crate::Input::Control), in words.
//!
//! | words | what happens | payload of the answer |
//! |---|---|---|
//! | `snapshot` | a snapshot of what is applied by now is taken, unless the durable one is as new | the slot below which all is applied, u64 |
//!
//! The answer is a [`Response`] outside any session; words that say nothing are answered with
//! [`Status::Malformed`], and a replica that has not read its journal yet answers [`Status::NotLeader`].

use super::engine::{Engine, Waiter};
use crate::client::{Response, Status};
use crate::id::SessionId;
use crate::input::Command;
use crate::outbox::Outbox;

/// Asks for a snapshot now.
pub const SNAPSHOT: &[u8] = b"snapshot";

impl Engine {
    /// Takes an operator's command; it is answered at once, and carried out when there is time.
    pub(crate) fn on_control(&mut self, command: &Command, out: &mut Outbox) {
        let waiter = Waiter { connection: command.connection, session: SessionId::NONE, sequence: 0 };
        if !self.is_running() {
            return self.refuse(waiter, Status::NotLeader, out);
        }
        if &command.bytes[..] != SNAPSHOT {
            return self.refuse(waiter, Status::Malformed, out);
        }
        if self.applied > self.keeper.durable {
            self.keeper.want(self.applied);
        }
        let mut bytes = out.buffer();
        let payload = &self.applied.0.to_le_bytes();
        let Waiter { connection, session, sequence } = waiter;
        Response { status: Status::Done, leader: self.leader, session, sequence, payload }.encode(&mut bytes);
        out.respond(connection, bytes.freeze());
    }
}
