//! One request under way: what it is, and how often it was sent and refused.

use super::operations::{Operation, Question};
use crate::history::OperationIndex;
use seedfast_core::client::{Request, Response, Status, Verb};
use seedfast_core::paxos::observe::CommandSeen;
use seedfast_core::{NodeId, SessionId};
use seedfast_sim::{ClientOutbox, ClientOutput};

/// Requests for a session are numbered from here, far from any command's number.
const OPENINGS: u64 = 1 << 32;

enum What {
    Open,
    Operation(Operation, OperationIndex),
}

/// A request that has not been answered for good.
pub(super) struct Call {
    what: What,
    session: SessionId,
    sequence: u64,
    payload: Vec<u8>,
    pub(super) attempts: u32,
    /// How many attempts were certainly not carried out.
    pub(super) refusals: u32,
}

impl Call {
    pub(super) fn open(number: u64) -> Self {
        Call {
            what: What::Open,
            session: SessionId::NONE,
            sequence: OPENINGS + number,
            payload: Vec::new(),
            attempts: 0,
            refusals: 0,
        }
    }

    pub(super) fn operation(
        operation: Operation,
        padding: u64,
        index: OperationIndex,
        session: SessionId,
        sequence: u64,
    ) -> Self {
        let mut payload = Vec::new();
        operation.encode(padding, &mut payload);
        Call { what: What::Operation(operation, index), session, sequence, payload, attempts: 0, refusals: 0 }
    }

    pub(super) fn what(&self) -> Option<Operation> {
        match &self.what {
            What::Open => None,
            What::Operation(operation, _) => Some(*operation),
        }
    }

    pub(super) fn index(&self) -> Option<OperationIndex> {
        match &self.what {
            What::Open => None,
            What::Operation(_, index) => Some(*index),
        }
    }

    pub(super) fn is_operation(&self) -> bool {
        matches!(self.what, What::Operation(..))
    }

    fn verb(&self) -> Verb {
        match &self.what {
            What::Open => Verb::OpenSession,
            What::Operation(operation, _) => match operation.question {
                Question::No => Verb::Command,
                Question::Confirmed => Verb::Query,
                Question::InLog => Verb::QueryInLog,
            },
        }
    }

    /// Whether it changes the store.
    pub(super) fn is_command(&self) -> bool {
        self.verb() == Verb::Command
    }

    /// Whether it has a place in the log.
    pub(super) fn is_logged(&self) -> bool {
        self.verb() != Verb::Query
    }

    pub(super) fn command(&self) -> CommandSeen {
        CommandSeen { session: self.session, sequence: self.sequence }
    }

    /// Whether every attempt so far was answered, and refused: then it was certainly never carried out.
    pub(super) fn certainly_refused(&self) -> bool {
        self.attempts == 1 && self.refusals == 1
    }

    /// Whether a response belongs to this call. A session's opening changes the response's session; numbers of
    /// openings are never used for anything else.
    pub(super) fn is_answered_by(&self, response: &Response<'_>) -> bool {
        let opened = !self.is_operation() && response.status == Status::Done;
        response.sequence == self.sequence && (opened || response.session == self.session)
    }

    /// Sends it to `to`. One operation is under way at a time, so that everything below it is answered or not wanted
    /// any more.
    pub(super) fn send(&self, to: NodeId, acknowledged_below: u64, out: &mut dyn ClientOutbox) {
        let mut bytes = out.buffer();
        Request { verb: self.verb(), acknowledged_below, payload: &self.payload }.encode(&mut bytes);
        let (session, sequence) = (self.session, self.sequence);
        out.push(ClientOutput::Request { to, session, sequence, bytes: bytes.freeze() });
    }
}
