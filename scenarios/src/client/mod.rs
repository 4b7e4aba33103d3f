//! A client of the replicated store, as somebody would write it who wants to know how his command ended.
//!
//! It opens a session and issues one operation at a time. An attempt that is not answered in time, or is answered by a
//! node that does not lead, is followed by another one to another node **under the same session and sequence number**,
//! so that the command takes effect once. It follows hints, backs off, and now and then loses patience: then the
//! operation is in doubt, its process id is never used again, and the client goes on with the next number.
//!
//! Some commands it sends outside its session, as a client of RESP does: these it sends again only if they were refused.
//!
//! - [`Client`] is one state machine; [`operations`] says what it asks for and what the answers mean
//! - [`Ledger`] is what all clients of a run write into

mod call;
pub mod operations;
#[cfg(test)]
mod tests;

use crate::history::{End, History, Key};
use crate::workload::Workload;
use call::Call;
use operations::{Operation, Question, Verbs};
use seedfast_core::client::{Response, Status};
use seedfast_core::paxos::observe::CommandSeen;
use seedfast_core::random::Random;
use seedfast_core::{Instant, NodeId, SessionId};
use seedfast_sim::{ClientInput, ClientOutbox, ClientOutput, Violation};
use std::collections::VecDeque;

/// What all clients of a run leave behind.
#[derive(Default)]
pub struct Ledger {
    /// Who asked what and was told what.
    pub history: History,
    /// Commands sent for the first time since the scene last looked.
    pub sent: Vec<CommandSeen>,
    /// Commands acknowledged since the scene last looked.
    pub acknowledged: Vec<CommandSeen>,
    /// How many commands are under way.
    pub in_flight: u64,
    /// The first answer that makes no sense.
    pub trouble: Option<Violation>,
}

/// What a client is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Issues its share of the workload, and nothing after `until`.
    Worker {
        /// How many operations.
        share: u64,
        /// When faults end, in nanoseconds of true time; never if the plan does not say.
        until: u64,
    },
    /// Issues one command when faults have ended and never gives up: liveness waits for it.
    Probe {
        /// When.
        at: u64,
    },
}

const WAKE: u16 = 0;
const ATTEMPT: u16 = 1;
const PATIENCE: u16 = 2;
const MILLI: u64 = 1_000_000;

/// One client endpoint.
pub struct Client {
    number: u64,
    clients: u64,
    nodes: u8,
    part: Part,
    workload: Workload,
    random: Random,
    session: SessionId,
    sequence: u64,
    /// How many sessions it asked for: names the requests for them.
    opened: u64,
    /// Its commands have no name that a replica would see: judged are only its answers.
    anonymous: bool,
    /// How many commands it sent outside its session.
    onces: u64,
    /// How many operations it left in doubt: names its process.
    doubts: u64,
    left: u64,
    verbs: Verbs,
    call: Option<Call>,
    /// What to do once there is a session.
    planned: Option<Operation>,
    finals: VecDeque<Key>,
    /// Whom to ask next.
    target: NodeId,
    /// Hints followed since anything else happened: two nodes may each think that the other leads.
    hints: u32,
    resting: bool,
}

impl Client {
    /// Client `number` of `clients`, for a group of `nodes`.
    pub fn new(number: u8, clients: u8, nodes: u8, part: Part, workload: Workload) -> Self {
        let anonymous = u64::from(number) < workload.resp;
        // Nobody remembers what it sent.
        let workload = if anonymous { Workload { once_percent: 100, ..workload } } else { workload };
        Client {
            number: number.into(),
            clients: clients.into(),
            nodes,
            part,
            workload,
            random: Random::new(&[0; 32]),
            session: SessionId::NONE,
            sequence: 0,
            opened: 0,
            anonymous,
            onces: 0,
            doubts: 0,
            left: match part {
                Part::Worker { share, .. } => share,
                Part::Probe { .. } => 1,
            },
            verbs: Verbs::new(number.into(), workload),
            call: None,
            planned: None,
            finals: VecDeque::new(),
            target: NodeId(0),
            hints: 0,
            resting: false,
        }
    }

    /// Whether it has nothing under way and nothing left to do.
    pub fn is_resting(&self) -> bool {
        self.resting
    }

    /// Its present process id.
    fn process(&self) -> u64 {
        self.number + self.doubts * self.clients
    }

    /// Reads these keys, one after the other, never giving up.
    pub fn read_finally(
        &mut self,
        keys: impl Iterator<Item = Key>,
        now: Instant,
        ledger: &mut Ledger,
        out: &mut dyn ClientOutbox,
    ) {
        self.finals.extend(keys);
        self.resting = false;
        self.proceed(now, ledger, out);
    }

    /// One turn.
    pub fn turn(
        &mut self,
        now: Instant,
        input: ClientInput,
        ledger: &mut Ledger,
        out: &mut dyn ClientOutbox,
    ) {
        match input {
            ClientInput::Start { entropy } => self.start(&entropy, out),
            ClientInput::Timer { id: WAKE } if self.call.is_some() => self.attempt(now, ledger, out),
            ClientInput::Timer { id: WAKE } => self.proceed(now, ledger, out),
            ClientInput::Timer { id: ATTEMPT } => self.unanswered(now, ledger, out),
            ClientInput::Timer { id: PATIENCE } => self.give_up(now, ledger, out),
            ClientInput::Timer { .. } => {}
            ClientInput::Closed { .. } => self.disconnected(now, ledger, out),
            ClientInput::Response { bytes, .. } => match Response::decode(&bytes) {
                Ok(response) => self.answered(now, &response, ledger, out),
                Err(_) => self.trouble(ledger, "a response is damaged, and a connection is a stream".into()),
            },
        }
    }

    fn trouble(&self, ledger: &mut Ledger, what: String) {
        let what = format!("client {}: {what}", self.number);
        ledger.trouble.get_or_insert(Violation { invariant: "reply".into(), what });
    }

    fn timer(id: u16, at: Option<Instant>, out: &mut dyn ClientOutbox) {
        out.push(ClientOutput::Timer { id, at });
    }

    fn wake_after(&mut self, now: Instant, least: u64, most: u64, out: &mut dyn ClientOutbox) {
        let nanos = least + self.random.below(most.saturating_sub(least) + 1);
        Self::timer(WAKE, Some(now + seedfast_core::Duration::from_nanos(nanos)), out);
    }

    fn start(&mut self, entropy: &[u8; 32], out: &mut dyn ClientOutbox) {
        self.random = Random::new(entropy);
        self.target = NodeId(self.random.below(self.nodes.into()) as u8);
        let at = match self.part {
            Part::Worker { .. } => self.random.below(self.workload.think_micros * 1_000 + 1),
            Part::Probe { at } => at,
        };
        Self::timer(WAKE, Some(Instant::from_nanos(at)), out);
    }

    /// Nothing is under way: begin the next thing, or rest.
    fn proceed(&mut self, now: Instant, ledger: &mut Ledger, out: &mut dyn ClientOutbox) {
        if self.call.is_some() || self.resting {
            return;
        }
        if let Some(key) = self.finals.front() {
            let operation = Operation::read(*key, false);
            return self.begin(now, operation, ledger, out);
        }
        let over = match self.part {
            Part::Worker { until, .. } => now.as_nanos() >= until,
            Part::Probe { .. } => false,
        };
        if self.left == 0 || over {
            self.planned = None;
            self.resting = true;
            return;
        }
        let operation = match self.planned.take() {
            Some(operation) => operation,
            None => match self.part {
                Part::Worker { .. } => self.verbs.draw(&mut self.random),
                Part::Probe { .. } => self.verbs.probe(),
            },
        };
        if self.session == SessionId::NONE {
            self.planned = Some(operation);
            self.opened += 1;
            self.call = Some(Call::open(self.opened));
            return self.attempt(now, ledger, out);
        }
        self.left -= 1;
        self.begin(now, operation, ledger, out);
    }

    fn begin(&mut self, now: Instant, operation: Operation, ledger: &mut Ledger, out: &mut dyn ClientOutbox) {
        let index = ledger.history.invoke(now.as_nanos(), self.process(), operation.key, operation.function);
        let once = operation.question == Question::No
            && matches!(self.part, Part::Worker { .. })
            && self.workload.once_percent > 0
            && self.random.below(100) < self.workload.once_percent;
        self.sequence += u64::from(!once);
        let call = Call::operation(operation, self.workload.padding, index, self.session, self.sequence);
        let call = if once {
            self.onces += 1;
            call.outside_sessions(self.number, self.onces)
        } else {
            call
        };
        if call.is_command() {
            ledger.in_flight += 1;
        }
        self.call = Some(call);
        let endless = matches!(self.part, Part::Probe { .. }) || !self.finals.is_empty();
        if !endless {
            let most = self.workload.patience_millis * MILLI;
            let patience = most / 4 + self.random.below(most - most / 4 + 1);
            Self::timer(PATIENCE, Some(now + seedfast_core::Duration::from_nanos(patience)), out);
        }
        self.attempt(now, ledger, out);
    }

    /// Sends the request under way, again if need be.
    fn attempt(&mut self, now: Instant, ledger: &mut Ledger, out: &mut dyn ClientOutbox) {
        let Some(call) = &mut self.call else {
            return;
        };
        call.attempts += 1;
        // Anything but a question may show up in the log.
        if call.attempts == 1 && call.is_logged() && !self.anonymous {
            ledger.sent.push(call.command());
        }
        call.send(self.target, self.sequence, out);
        let most = self.workload.attempt_millis * MILLI;
        let timeout = most / 2 + self.random.below(most / 2 + 1);
        Self::timer(ATTEMPT, Some(now + seedfast_core::Duration::from_nanos(timeout)), out);
        Self::timer(WAKE, None, out);
    }

    /// Asks another node in a while.
    fn again_elsewhere(&mut self, now: Instant, out: &mut dyn ClientOutbox) {
        if self.call.is_none() {
            return;
        }
        self.target = NodeId((self.target.0 + 1) % self.nodes);
        Self::timer(ATTEMPT, None, out);
        self.wake_after(now, MILLI, 40 * MILLI, out);
    }

    /// Whether what is under way may be carried out and must not be sent again.
    fn hangs(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.is_once() && !call.certainly_refused())
    }

    fn disconnected(&mut self, now: Instant, ledger: &mut Ledger, out: &mut dyn ClientOutbox) {
        if self.hangs() {
            return self.finish(now, End::Info, ledger, out);
        }
        // Whichever connection it was: asking once more than needed does no harm.
        self.again_elsewhere(now, out);
    }

    fn unanswered(&mut self, now: Instant, ledger: &mut Ledger, out: &mut dyn ClientOutbox) {
        if self.call.is_none() {
            return;
        }
        if self.random.below(4) == 0 {
            out.push(ClientOutput::Close { to: self.target });
        }
        if self.hangs() {
            self.target = NodeId((self.target.0 + 1) % self.nodes);
            return self.finish(now, End::Info, ledger, out);
        }
        self.hints = 0;
        self.target = NodeId((self.target.0 + 1) % self.nodes);
        self.attempt(now, ledger, out);
    }

    fn give_up(&mut self, now: Instant, ledger: &mut Ledger, out: &mut dyn ClientOutbox) {
        let Some(call) = &self.call else {
            return;
        };
        let end = if call.certainly_refused() { End::Fail } else { End::Info };
        self.finish(now, end, ledger, out);
    }

    fn answered(
        &mut self,
        now: Instant,
        response: &Response<'_>,
        ledger: &mut Ledger,
        out: &mut dyn ClientOutbox,
    ) {
        let Some(call) = &mut self.call else {
            return;
        };
        if !call.is_answered_by(response) {
            return;
        }
        match response.status {
            Status::Done => self.done(now, response, ledger, out),
            Status::NotLeader => {
                call.refusals += 1;
                if self.accepts_refusal(8) {
                    return self.finish(now, End::Fail, ledger, out);
                }
                self.redirected(now, response.leader, ledger, out);
            }
            Status::InDoubt => self.disconnected(now, ledger, out),
            Status::Overloaded => {
                call.refusals += 1;
                if self.accepts_refusal(4) {
                    return self.finish(now, End::Fail, ledger, out);
                }
                Self::timer(ATTEMPT, None, out);
                self.wake_after(now, 5 * MILLI, 80 * MILLI, out);
            }
            Status::Malformed => {
                let what = format!("request {} was refused as malformed", response.sequence);
                self.trouble(ledger, what);
            }
            Status::SessionUnknown | Status::Stale if call.is_once() => {
                self.trouble(
                    ledger,
                    format!("{:?} is said of a command outside every session", response.status),
                );
            }
            Status::SessionUnknown | Status::Stale => {
                self.session = SessionId::NONE;
                self.sequence = 0;
                self.finish(now, End::Info, ledger, out);
            }
        }
    }

    /// Whether to take a refusal for an answer, one time in `odds`. Only somebody who asked once can: an earlier attempt
    /// may yet be carried out. Whoever asks again would never notice a refusal that was not true.
    fn accepts_refusal(&mut self, odds: u64) -> bool {
        let refused = self.call.as_ref().is_some_and(|call| call.is_operation() && call.certainly_refused());
        refused
            && self.finals.is_empty()
            && matches!(self.part, Part::Worker { .. })
            && self.random.below(odds) == 0
    }

    fn redirected(
        &mut self,
        now: Instant,
        leader: Option<NodeId>,
        ledger: &mut Ledger,
        out: &mut dyn ClientOutbox,
    ) {
        match leader.filter(|leader| leader.0 < self.nodes && *leader != self.target) {
            Some(leader) if self.hints < 2 => {
                self.hints += 1;
                self.target = leader;
                self.attempt(now, ledger, out);
            }
            _ => {
                self.hints = 0;
                self.again_elsewhere(now, out);
            }
        }
    }

    fn done(
        &mut self,
        now: Instant,
        response: &Response<'_>,
        ledger: &mut Ledger,
        out: &mut dyn ClientOutbox,
    ) {
        self.hints = 0;
        let Some(call) = &self.call else {
            return;
        };
        let Some(operation) = call.what() else {
            self.session = response.session;
            self.sequence = 0;
            self.call = None;
            Self::timer(ATTEMPT, None, out);
            Self::timer(WAKE, None, out);
            return self.proceed(now, ledger, out);
        };
        let (is_command, command) = (call.is_command(), call.command());
        match operation.end(response.payload) {
            Ok(end) => {
                if is_command && !self.anonymous {
                    ledger.acknowledged.push(command);
                }
                self.verbs.saw(&operation, &end);
                self.finish(now, end, ledger, out);
            }
            Err(what) => self.trouble(ledger, what),
        }
    }

    /// The operation under way ends.
    fn finish(&mut self, now: Instant, end: End, ledger: &mut Ledger, out: &mut dyn ClientOutbox) {
        let Some(call) = self.call.take() else {
            return;
        };
        Self::timer(ATTEMPT, None, out);
        Self::timer(PATIENCE, None, out);
        let Some(index) = call.index() else {
            return self.wake_after(now, MILLI, 40 * MILLI, out);
        };
        if call.is_command() {
            ledger.in_flight -= 1;
        }
        let read = !self.finals.is_empty() && matches!(end, End::Read(_));
        if end == End::Info {
            self.doubts += 1;
            // Liveness waits for a command that is carried out: one in doubt is followed by another.
            if matches!(self.part, Part::Probe { .. }) {
                self.left = 1;
            }
        }
        ledger.history.end(now.as_nanos(), index, end);
        if read {
            self.finals.pop_front();
            return self.proceed(now, ledger, out);
        }
        self.wake_after(now, 0, self.workload.think_micros * 1_000, out);
    }
}
