//! A replica: the engine, the state machine that it feeds, and the clients that wait for it.

use super::batch::{Command, Commands, time_of};
use super::config::{Config, ConfigError};
use super::engine::{self, Engine, Role, Waiter};
use super::observe::{CommandSeen, Observation};
use super::sessions::{Admission, Sessions};
use super::snapshot::Head;
use super::{Ballot, Slot, wire};
use crate::buffer::Buffer;
use crate::client::{Request, Response, Status, Verb};
use crate::id::{ConnectionId, Kind, NodeId, SessionId};
use crate::input::Input;
use crate::machine::StateMachine;
use crate::outbox::Outbox;
use crate::process::{Process, Room};
use crate::random::mix;
use crate::time::{Now, WallTime};
use crate::{ensures, invariant};
use alloc::string::String;
use alloc::vec::Vec;

/// A turn answers questions until their answers have so many bytes; the next one goes on.
const ANSWERED: usize = 1 << 20;

/// One member of a replicated group, driven by inputs alone.
pub struct Replica<M> {
    config: Config,
    machine: M,
    sessions: Sessions,
    engine: Option<Engine>,
    halted: bool,
    /// The timestamp of the last batch applied: what the machine sees never steps back.
    time: WallTime,
    reply: Vec<u8>,
    /// The commands of one batch that took effect, for the oracles.
    executed: Vec<CommandSeen>,
}

/// A copy of what can be asked about a replica without disturbing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it leads, and under which ballot.
    pub leads: Option<Ballot>,
    /// The highest ballot promised.
    pub promised: Ballot,
    /// Below this slot, everything is known to be decided.
    pub decided: Slot,
    /// Below this slot, everything is applied.
    pub applied: Slot,
    /// The digest of the state.
    pub digest: u64,
    /// Its device took the place of a lost one: it only learns.
    pub amnesiac: bool,
    /// The slot of its durable snapshot, which stands in for everything below; 0 without one.
    pub snapshot: Slot,
    /// The first slot that is still held as a log.
    pub first: Slot,
    /// How many bytes of the journal's log are in use, from its oldest segment on ...
    pub log_used: u64,
    /// ... and how many it has.
    pub log_bytes: u64,
}

impl<M: StateMachine> Replica<M> {
    /// A replica that has not started; its first input is [`Start`](crate::Start).
    ///
    /// # Errors
    /// What makes no sense in `config`.
    pub fn new(config: Config, machine: M) -> Result<Self, ConfigError> {
        config.validate()?;
        let sessions = Sessions::new(config.sessions, config.session_window);
        Ok(Replica {
            config,
            machine,
            sessions,
            engine: None,
            halted: false,
            time: WallTime(0),
            reply: Vec::new(),
            executed: Vec::new(),
        })
    }

    /// Its state machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// Where it stands; `None` before it has read its journal, and after it halted.
    pub fn status(&self) -> Option<Standing> {
        let engine = self.engine.as_ref().filter(|engine| engine.is_running() && !self.halted)?;
        let leads = match &engine.role {
            Role::Leader(leadership) => Some(leadership.ballot),
            _ => None,
        };
        let (log_used, log_bytes) = engine.journal.journal().log_used();
        Some(Standing {
            leads,
            promised: engine.promised,
            decided: engine.log.decided(),
            applied: engine.applied,
            digest: self.digest(),
            amnesiac: engine.amnesiac,
            snapshot: engine.keeper.durable,
            first: engine.log.first(),
            log_used,
            log_bytes,
        })
    }

    fn digest(&self) -> u64 {
        self.machine.digest() ^ self.sessions.digest() ^ mix(self.time.0 as u64)
    }

    fn request(
        &mut self,
        now: Now,
        connection: ConnectionId,
        session: SessionId,
        sequence: u64,
        bytes: Buffer,
        out: &mut Outbox,
    ) {
        let waiter = Waiter { connection, session, sequence };
        let Some(engine) = self.engine.as_mut().filter(|engine| engine.is_running()) else {
            return respond(waiter, Status::NotLeader, None, &[], out);
        };
        let Ok(request) = Request::decode(&bytes) else {
            return engine.refuse(waiter, Status::Malformed, out);
        };
        match request.verb {
            Verb::Query => {
                let payload = bytes.slice(crate::client::REQUEST_HEADER, bytes.len());
                engine.submit_read(waiter, payload, out);
            }
            Verb::OpenSession | Verb::Command | Verb::QueryInLog | Verb::Once => {
                if !matches!(engine.role, Role::Leader(_)) {
                    return engine.refuse(waiter, Status::NotLeader, out);
                }
                if request.verb == Verb::Command
                    && let Some(reply) = self.sessions.reply(session, sequence)
                {
                    out.sometimes(true, "a retried command was answered from the session table");
                    return respond(waiter, Status::Done, Some(engine.me), reply, out);
                }
                let command = Command {
                    session,
                    sequence,
                    acknowledged_below: request.acknowledged_below,
                    verb: request.verb,
                    payload: request.payload,
                };
                engine.submit(now, waiter, &command, out);
            }
        }
    }

    /// Applies every slot that is decided and in order (I11), and answers who waits for it.
    fn apply(&mut self, now: Now, out: &mut Outbox) {
        loop {
            let Some(engine) = &mut self.engine else { return };
            let slot = engine.applied;
            if slot >= engine.log.decided() || !engine.ready {
                break;
            }
            let value = engine.log.chosen(slot).cloned();
            invariant!("I11", value.is_some(), "slot {slot} is decided and its value is not held");
            let Some(value) = value else { return };
            let waiters = engine.take_waiters_of(slot);
            self.executed.clear();
            self.apply_batch(slot, &value.bytes, waiters.as_deref().unwrap_or_default(), out);
            let digest = if out.observing() { self.digest() } else { 0 };
            let Some(engine) = &mut self.engine else { return };
            // Handed over and taken back, so that nothing is allocated.
            let executed = core::mem::take(&mut self.executed);
            let applied = Observation::Apply { slot, value: value.id, digest, executed };
            out.observe(applied.kind(), |bytes| applied.encode(bytes));
            if let Observation::Apply { executed, .. } = applied {
                self.executed = executed;
            }
            if let Some(waiters) = waiters {
                engine.recycle_waiters(waiters);
            }
            engine.applied = slot.next();
            engine.note_applied(value.bytes.len());
            ensures!(
                "I11",
                engine.applied <= engine.log.decided(),
                "slot {slot} was applied before it was decided"
            );
            self.take_snapshot(now, out);
        }
    }

    /// Takes a snapshot of this very moment, if it is time for one.
    fn take_snapshot(&mut self, now: Now, out: &mut Outbox) {
        if !self.engine.as_ref().is_some_and(|engine| engine.is_running() && engine.snapshot_is_due(now)) {
            return;
        }
        let digest = self.digest();
        let Some(engine) = &mut self.engine else { return };
        let head = Head { slot: engine.applied, time: self.time, digest };
        engine.take_snapshot(head, &mut self.machine, &mut self.sessions, out);
    }

    /// Goes on with the snapshot that is under way, a bounded part of it in each turn; what is installed is applied from.
    fn keep(&mut self, now: Now, out: &mut Outbox) {
        self.take_snapshot(now, out);
        let Some(engine) = self.engine.as_mut().filter(|engine| engine.is_running()) else { return };
        let Some(head) = engine.keep(now, &mut self.machine, &mut self.sessions, out) else { return };
        self.time = head.time;
        let (slot, digest) = (head.slot, self.digest());
        ensures!("I21", digest == head.digest, "what came out of the snapshot below {slot} is another state");
        let installed = Observation::Install { slot, digest };
        out.observe(installed.kind(), |bytes| installed.encode(bytes));
        self.apply(now, out);
    }

    fn apply_batch(&mut self, slot: Slot, batch: &[u8], waiters: &[Waiter], out: &mut Outbox) {
        // The leader that encoded it and the checksums on its way vouch for the batch: damage here is our bug.
        let (Ok(commands), Ok(time)) = (Commands::of(batch), time_of(batch)) else {
            panic!("the decided batch at slot {slot} is malformed");
        };
        self.time = self.time.max(time);
        let leader = self.engine.as_ref().map(|engine| engine.me);
        for (index, command) in commands.enumerate() {
            let Ok(command) = command else {
                panic!("a command of the decided batch at slot {slot} is malformed")
            };
            let waiter = waiters.get(index).copied();
            let (session, sequence) = (command.session, command.sequence);
            let mut answer = |status, payload: &[u8]| {
                if let Some(waiter) = waiter {
                    respond(waiter, status, leader, payload, out);
                }
            };
            match command.verb {
                Verb::OpenSession => {
                    let opened = self.sessions.open(slot);
                    if let Some(waiter) = waiter {
                        respond(Waiter { session: opened, ..waiter }, Status::Done, leader, &[], out);
                    }
                }
                Verb::QueryInLog | Verb::Query => {
                    self.reply.clear();
                    self.machine.query(command.payload, &mut self.reply);
                    answer(Status::Done, &self.reply);
                }
                Verb::Command => {
                    match self.sessions.admit(session, sequence, command.acknowledged_below, slot) {
                        Admission::Execute => {
                            self.reply.clear();
                            self.machine.apply(self.time, command.payload, &mut self.reply);
                            self.sessions.record(session, sequence, &self.reply);
                            answer(Status::Done, &self.reply);
                            if out.observing() {
                                self.executed.push(CommandSeen { session, sequence });
                            }
                        }
                        Admission::Duplicate => {
                            answer(Status::Done, self.sessions.reply(session, sequence).unwrap_or_default());
                            out.sometimes(true, "a command was decided twice and carried out once");
                        }
                        Admission::Stale => answer(Status::Stale, &[]),
                        Admission::Unknown => {
                            answer(Status::SessionUnknown, &[]);
                            out.sometimes(true, "a command came for a session that is not in the table");
                        }
                        Admission::BeyondWindow => answer(Status::Malformed, &[]),
                    }
                }
                Verb::Once => {
                    self.reply.clear();
                    self.machine.apply(self.time, command.payload, &mut self.reply);
                    answer(Status::Done, &self.reply);
                    if out.observing() && session != SessionId::NONE {
                        self.executed.push(CommandSeen { session, sequence });
                    }
                }
            }
        }
    }

    /// Answers the questions that a quorum has confirmed, as many as a turn may: whoever asks for much at once and takes
    /// nothing is to be noticed before all of it lies in memory.
    fn answer_reads(&mut self, now: Now, out: &mut Outbox) {
        let mut answered = 0;
        while let Some((read, ballot)) = self.engine.as_mut().and_then(Engine::ready_read) {
            self.reply.clear();
            self.machine.query(&read.query, &mut self.reply);
            if let Some(engine) = &self.engine {
                engine.observe(out, || Observation::Read { index: read.index, ballot });
                respond(read.waiter, Status::Done, Some(engine.me), &self.reply, out);
            }
            out.pool().recycle(read.query);
            answered += self.reply.len();
            if answered >= ANSWERED {
                return self.engine.iter_mut().for_each(|engine| engine.go_on_soon(now, out));
            }
        }
    }
}

fn respond(waiter: Waiter, status: Status, leader: Option<NodeId>, payload: &[u8], out: &mut Outbox) {
    let mut bytes = out.buffer();
    let Waiter { connection, session, sequence } = waiter;
    Response { status, leader, session, sequence, payload }.encode(&mut bytes);
    out.respond(connection, bytes.freeze());
}

impl<M: StateMachine> Process for Replica<M> {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if self.halted {
            return;
        }
        let result = match input {
            Input::Start(start) => {
                self.engine = Some(Engine::start(self.config.clone(), &start, out));
                Ok(())
            }
            Input::Request { group, connection, session, sequence, bytes } => {
                if group == self.config.group {
                    self.request(now, connection, session, sequence, bytes, out);
                } else {
                    let waiter = Waiter { connection, session, sequence };
                    respond(waiter, Status::Malformed, None, &[], out);
                }
                Ok(())
            }
            other => match &mut self.engine {
                Some(engine) => engine.turn(now, other, out),
                None => Ok(()),
            },
        };
        if let Err(ended) = result {
            self.halted = true;
            return engine::observe_end(self.engine.as_ref(), &ended, out);
        }
        self.apply(now, out);
        self.keep(now, out);
        self.answer_reads(now, out);
    }

    fn room(&self) -> Room {
        self.engine.as_ref().map_or(Room::ANY, Engine::room)
    }

    fn describe(&self, kind: Kind, frame: &[u8]) -> Option<String> {
        wire::describe(kind, frame)
    }

    fn signature(&self) -> u64 {
        let Some(status) = self.status() else { return 0 };
        let role = match self.engine.as_ref().map(|engine| &engine.role) {
            Some(Role::Leader(_)) => 3,
            Some(Role::Candidate(_)) => 2,
            Some(Role::Sounding(_)) => 1,
            _ => 0,
        };
        let open = status.decided.0 - status.applied.0;
        mix(role ^ status.promised.round() << 8 ^ open << 32)
    }
}
