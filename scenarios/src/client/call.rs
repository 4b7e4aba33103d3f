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

/// Names of clients that send commands outside every session: no table gives them out.
const NAMED: u64 = 1 << 63;

/// A request that has not been answered for good.
pub(super) struct Call {
    what: What,
    once: bool,
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
            once: false,
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
        let what = What::Operation(operation, index);
        Call { what, once: false, session, sequence, payload, attempts: 0, refusals: 0 }
    }

    /// Takes it out of its session: nobody remembers it, so that `client` must not ask again unless it was refused.
    pub(super) fn outside_sessions(self, client: u64, number: u64) -> Self {
        Call { once: true, session: SessionId(NAMED | client), sequence: number, ..self }
    }

    pub(super) fn is_once(&self) -> bool {
        self.once
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
                Question::No if self.once => Verb::Once,
                Question::No => Verb::Command,
                Question::Confirmed => Verb::Query,
                Question::InLog => Verb::QueryInLog,
            },
        }
    }

    /// Whether it changes the store.
    pub(super) fn is_command(&self) -> bool {
        matches!(self.verb(), Verb::Command | Verb::Once)
    }

    /// Whether it has a place in the log.
    pub(super) fn is_logged(&self) -> bool {
        self.verb() != Verb::Query
    }

    pub(super) fn command(&self) -> CommandSeen {
        CommandSeen { session: self.session, sequence: self.sequence }
    }

    /// Whether every attempt so far was answered, and refused: then it was certainly never carried out. Answers do not
    /// say which attempt they belong to: within a session, where several may be under way, only one attempt is certain.
    pub(super) fn certainly_refused(&self) -> bool {
        self.attempts == self.refusals && (self.once || self.attempts == 1)
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
