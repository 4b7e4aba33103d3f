//! A process that is driven: it is told what the boundary promises, in the order that it promises.

use super::kit::{pause, until, yield_now};
use super::{Case, Site, Verdict, case, claim, machine};
use crate::buffer::Buffer;
use crate::id::{DeviceId, GroupId, Incarnation, Kind, NodeId, OperationId, PeerSet, SessionId, TimerId};
use crate::input::{Input, Start};
use crate::outbox::Outbox;
use crate::output::Output;
use crate::process::Process;
use crate::random::Random;
use crate::runtime::clients::Clients;
use crate::runtime::drive::{Ended, Ports, Stop, Tap, drive};
use crate::runtime::{Device, Endpoint, Membership, Runtime};
use crate::storage::{Completion, Durability, Failure, Range, Step};
use crate::time::{Duration, Instant, Now};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;

pub(super) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case!(
            a_process_is_told_what_the_boundary_promises,
            "bursts that end, timers that are set and due, completions once each, requests, frames, both clocks",
            [
                machine!(a_process_is_told_what_the_boundary_promises),
                machine!(a_process_is_told_what_the_boundary_promises)
            ]
        ),
        case!(
            a_drive_ends_when_it_is_asked_to,
            "`Stop` ends a drive that has nothing to do, and one that is busy",
            [machine!(a_drive_ends_when_it_is_asked_to)]
        ),
        case!(
            a_process_whose_timer_strikes_all_the_time_still_hears_of_everything_else,
            "a timer that sets itself again and again starves nobody",
            [machine!(a_process_whose_timer_strikes_all_the_time_still_hears_of_everything_else)]
        ),
        case!(
            a_process_that_is_answered_at_once_lets_other_tasks_run,
            "nobody on the thread starves behind a process that always has something to do",
            [machine!(a_process_that_is_answered_at_once_lets_other_tasks_run)]
        ),
        case!(
            a_connection_that_is_gone_is_closed_and_hears_nothing,
            "`Closed` follows a connection's end, and a bound holds its requests back",
            [machine!(a_connection_that_is_gone_is_closed_and_hears_nothing)]
        ),
    ]
}

const GROUP: GroupId = GroupId(3);
const KIND: Kind = Kind(9);
/// Enough of everything: timers, frames, completions, requests.
const ENOUGH: u32 = 40;

/// A process that does a little of everything and checks what it is told.
struct Auditor {
    me: NodeId,
    peers: PeerSet,
    devices: Vec<u64>,
    random: Random,
    now: Now,
    started: bool,
    last_was_end: bool,
    timers: Vec<(TimerId, Instant)>,
    /// Names in flight, whether each is a read, and its place on the devices: writes must not overlap.
    in_flight: Vec<(OperationId, bool, u64)>,
    next_op: u32,
    struck: u32,
    heard: u32,
    completed: u32,
    asked: u32,
    closed: u32,
    /// The peers that said that they have enough.
    content: PeerSet,
    broken: Option<String>,
    restless: bool,
}

impl Auditor {
    fn new(restless: bool) -> Self {
        Auditor {
            me: NodeId(0),
            peers: PeerSet::EMPTY,
            devices: Vec::new(),
            random: Random::from_seed(0),
            now: Now::default(),
            started: false,
            last_was_end: true,
            timers: Vec::new(),
            in_flight: Vec::new(),
            next_op: 0,
            struck: 0,
            heard: 0,
            completed: 0,
            asked: 0,
            closed: 0,
            content: PeerSet::EMPTY,
            broken: None,
            restless,
        }
    }

    fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    fn has_enough(&self) -> bool {
        let counts = [self.struck, self.heard, self.completed, self.asked];
        counts.iter().all(|count| *count >= ENOUGH)
    }

    fn timer(&mut self, id: u16, after: u64, out: &mut Outbox) {
        let at = self.now.monotonic + Duration::from_nanos(after);
        self.timers.retain(|(other, _)| other.0 != id);
        self.timers.push((TimerId(id), at));
        out.timer(TimerId(id), Some(at));
    }

    fn begin(&mut self, start: Start, out: &mut Outbox) {
        self.random = Random::new(&start.entropy);
        self.devices = start.devices.iter().map(|geometry| u64::from(geometry.alignment).max(512)).collect();
        self.started = true;
        if self.restless {
            return self.timer(0, 5_000, out);
        }
        // One that is replaced at once, one that is cancelled at once, one for the past.
        self.timer(1, 0, out);
        self.timer(1, 2_000_000, out);
        self.timer(2, 1, out);
        self.timers.retain(|(id, _)| id.0 != 2);
        out.timer(TimerId(2), None);
        self.timer(3, 0, out);
        self.timer(4, 3_000_000, out);
        for _ in 0..4 {
            self.store(out);
        }
    }

    /// Begins a write or a read somewhere.
    fn store(&mut self, out: &mut Outbox) {
        if self.devices.is_empty() {
            return;
        }
        let device = self.random.below(self.devices.len() as u64) as usize;
        let block = self.devices[device];
        self.next_op += 1;
        let op = OperationId { incarnation: Incarnation(5), number: self.next_op };
        let is_free = |place: &u64| self.in_flight.iter().all(|(_, _, other)| other != place);
        let place = (0..).find(is_free).unwrap_or_default();
        let range = Range { at: place * self.devices.iter().copied().max().unwrap_or(block), length: block };
        let read = self.random.below(2) == 0;
        self.in_flight.push((op, read, place));
        if read {
            return out.read(op, DeviceId(device as u8), range);
        }
        let mut chain = out.chain();
        chain.push(Step::Write { at: range.at, buffer: Buffer::from(vec![7; block as usize]) });
        let durable = self.random.below(2) == 0;
        let durability = if durable { Durability::Durable } else { Durability::Visible };
        out.submit(op, DeviceId(device as u8), chain, durability);
    }

    fn struck(&mut self, id: TimerId, out: &mut Outbox) {
        let Some(place) = self.timers.iter().position(|(other, _)| *other == id) else {
            return self.breaks(format!("{id:?} struck, and it was not set"));
        };
        let (_, at) = self.timers.swap_remove(place);
        if at > self.now.monotonic {
            self.breaks(format!("{id:?} was set for {at} and struck at {}", self.now.monotonic));
        }
        self.struck += 1;
        if self.restless {
            return self.timer(0, 5_000, out);
        }
        let after = self.random.below(2_000_000);
        self.timer(id.0, after, out);
        // Another one is moved or taken back, perhaps while it is due.
        match self.random.below(4) {
            0 => self.timer(4, 1_000_000, out),
            1 => {
                self.timers.retain(|(other, _)| other.0 != 3);
                out.timer(TimerId(3), None);
                self.timer(4, 0, out);
            }
            _ => {}
        }
        let mut frame = out.buffer();
        frame.extend_from_slice(&[self.me.0, u8::from(self.has_enough())]);
        out.send(self.peers, KIND, GROUP, frame.freeze());
    }

    fn done(&mut self, op: OperationId, result: &Completion, out: &mut Outbox) {
        let Some(place) = self.in_flight.iter().position(|(other, ..)| *other == op) else {
            return self.breaks(format!("{op:?} completed, and it was not in flight"));
        };
        let (_, read, _) = self.in_flight.swap_remove(place);
        match result {
            Completion::Done if !read => {}
            Completion::Data(_) if read => {}
            Completion::Failed(Failure::Device) if op.number == 0 => return,
            other => self.breaks(format!("{op:?} ended with {other:?}")),
        }
        self.completed += 1;
        self.store(out);
        if self.completed == 5 {
            // Nobody here can do this, and says so.
            let op = OperationId { incarnation: Incarnation(5), number: 0 };
            self.in_flight.push((op, false, u64::MAX));
            out.push(Output::Revoke { op, region: 1 });
        }
    }
}

impl Process for Auditor {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if now.monotonic < self.now.monotonic {
            self.breaks(format!("the clock read {} after {}", now.monotonic, self.now.monotonic));
        }
        self.now = now;
        let is_end = matches!(input, Input::EndOfBurst);
        if is_end && self.last_was_end {
            self.breaks("two ends of a burst came in a row".into());
        }
        self.last_was_end = is_end;
        if self.started == matches!(input, Input::Start(_)) {
            self.breaks(format!("`{}` came, and the life had begun: {}", input.name(), self.started));
        }
        match input {
            Input::Start(start) => self.begin(start, out),
            Input::Timer { id } => self.struck(id, out),
            Input::Receive { from, kind, group, frame } => {
                if kind != KIND || group != GROUP || frame.first() != Some(&from.0) {
                    self.breaks(format!("{from} sent {} bytes of {kind:?} in {group:?}", frame.len()));
                }
                self.heard += 1;
                if frame.get(1) == Some(&1) {
                    self.content = self.content.with(from);
                }
            }
            Input::Completed { op, result } => self.done(op, &result, out),
            Input::Request { group, connection, session, sequence, bytes } => {
                if group != GROUP || session != SessionId(4) {
                    self.breaks(format!("a request came for {group:?} in {session:?}"));
                }
                self.asked += 1;
                let mut answer = out.buffer();
                answer.extend_from_slice(&sequence.to_le_bytes());
                answer.extend_from_slice(&bytes);
                out.respond(connection, answer.freeze());
            }
            Input::Closed { .. } => self.closed += 1,
            Input::EndOfBurst => {
                let all = self.content == self.peers.without(self.me);
                if self.broken.is_some() || (!self.restless && self.has_enough() && all) {
                    out.halt("enough");
                }
            }
            Input::Writable { .. } => {}
            Input::Control(_) | Input::Landed { .. } => self.breaks("nobody asked for that".into()),
        }
    }
}

/// A process that is never idle: what it asks for cannot be done at all, or is a timer that has passed. Each is
/// answered at once, and it asks again.
struct Busy {
    timer: bool,
    /// How often it still asks.
    left: u32,
}

impl Process for Busy {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if !matches!(input, Input::EndOfBurst) {
            return;
        }
        match self.left.checked_sub(1) {
            None => out.halt("nobody else came to run"),
            Some(left) if self.timer => {
                self.left = left;
                out.timer(TimerId(0), Some(now.monotonic));
            }
            Some(left) => {
                self.left = left;
                let op = OperationId { incarnation: Incarnation(5), number: left };
                out.push(Output::Revoke { op, region: 1 });
            }
        }
    }
}

/// Watches from outside that every input is followed by the end of its burst before outputs take effect.
#[derive(Default)]
struct Watch {
    last_was_end: bool,
    bursts: u32,
    broken: Option<String>,
}

impl Tap for Watch {
    fn input(&mut self, _: Now, input: &Input) {
        self.last_was_end = matches!(input, Input::EndOfBurst);
    }

    fn outputs(&mut self, _: &[Output]) {}

    fn burst(&mut self) {
        self.bursts += 1;
        if !self.last_was_end {
            self.broken.get_or_insert("the process is left idle in the middle of a burst".into());
        }
    }
}

fn start<R: Runtime>(runtime: &R, site: &Site, ports: &Ports<R>) -> Start {
    Start {
        incarnation: Incarnation(5),
        entropy: runtime.entropy(),
        cluster: site.cluster,
        node: site.me,
        devices: ports.devices.iter().map(Device::geometry).collect(),
        queue_depth: ports.devices.iter().map(Device::queue_depth).min().unwrap_or(0),
        frame_limit: ports.endpoint.frame_limit(),
    }
}

async fn ports<R: Runtime>(runtime: &R, site: &Site) -> Result<Ports<R>, String> {
    let membership = Membership { cluster: site.cluster, me: site.me, members: site.members.clone() };
    let endpoint = runtime.endpoint(membership).await.map_err(|error| format!("joining: {error}"))?;
    let mut devices = Vec::new();
    for name in &site.devices {
        devices.push(runtime.device(name).await.map_err(|error| format!("opening {name}: {error}"))?);
    }
    Ok(Ports { endpoint, devices, clients: Clients::new(4), stop: Stop::default() })
}

/// Asks the process one thing after the other, for as long as it answers.
fn keep_asking<R: Runtime>(runtime: &R, clients: &Clients, broken: &Rc<RefCell<Option<String>>>) {
    let (clients, broken, inner) = (clients.clone(), broken.clone(), runtime.clone());
    runtime.spawn(async move {
        let connection = clients.connect();
        for sequence in 1u64.. {
            let bytes = Buffer::from(vec![sequence as u8; sequence as usize % 50]);
            connection.request(GROUP, SessionId(4), sequence, bytes.clone());
            let mut answers = Vec::new();
            poll_fn(|cx| connection.poll_answers(cx, &mut answers)).await;
            let right =
                answers.len() == 1 && answers[0][..8] == sequence.to_le_bytes() && answers[0][8..] == *bytes;
            if !right {
                broken.borrow_mut().get_or_insert(format!("request {sequence} got {answers:?}"));
            }
            if sequence % 8 == 0 {
                pause(&inner, 1).await;
            }
        }
    });
}

/// What any of those who watched found.
fn found(watch: Watch, auditor: Auditor, others: &RefCell<Option<String>>) -> Verdict {
    match watch.broken.or(auditor.broken).or(others.take()) {
        Some(broken) => Err(broken),
        None => Ok(()),
    }
}

async fn a_process_is_told_what_the_boundary_promises<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut ports = ports(&runtime, &site).await?;
    let (broken, mut watch, mut auditor) = (Rc::default(), Watch::default(), Auditor::new(false));
    auditor.me = site.me;
    auditor.peers = site.members.iter().map(|(node, _)| *node).collect();
    keep_asking(&runtime, &ports.clients, &broken);
    let start = start(&runtime, &site, &ports);
    let ended = drive(&runtime, &mut auditor, start, &mut ports, &mut watch).await;
    claim!(ended == Ended::Halted("enough".into()), "the drive ended with {ended:?}");
    // The peer may still wait for the word.
    let (inner, me, peers, mut endpoint) = (runtime.clone(), site.me, auditor.peers, ports.endpoint);
    runtime.spawn(async move {
        loop {
            endpoint.send(peers, KIND, GROUP, Buffer::from(vec![me.0, 1]));
            pause(&inner, 5).await;
        }
    });
    found(watch, auditor, &broken)
}

async fn a_drive_ends_when_it_is_asked_to<R: Runtime>(runtime: R, site: Site) -> Verdict {
    for busy in [false, true] {
        let mut ports = ports(&runtime, &site).await?;
        let (broken, mut watch, mut auditor) = (Rc::default(), Watch::default(), Auditor::new(busy));
        let (stop, inner) = (ports.stop.clone(), runtime.clone());
        runtime.spawn(async move {
            pause(&inner, 5).await;
            stop.ask();
        });
        let start = start(&runtime, &site, &ports);
        let ended = drive(&runtime, &mut auditor, start, &mut ports, &mut watch).await;
        claim!(ended == Ended::Stopped, "the drive ended with {ended:?}");
        claim!(watch.bursts > 0, "the drive ended before it began");
        found(watch, auditor, &broken)?;
    }
    Ok(())
}

async fn a_process_whose_timer_strikes_all_the_time_still_hears_of_everything_else<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    let mut ports = ports(&runtime, &site).await?;
    let (broken, mut watch, mut auditor) = (Rc::default(), Watch::default(), Auditor::new(true));
    let (stop, clients, inner) = (ports.stop.clone(), ports.clients.clone(), runtime.clone());
    let answered = Rc::new(Cell::new(0));
    let count = answered.clone();
    runtime.spawn(async move {
        let connection = clients.connect();
        for sequence in 0..20 {
            connection.request(GROUP, SessionId(4), sequence, Buffer::new());
            let mut answers = Vec::new();
            poll_fn(|cx| connection.poll_answers(cx, &mut answers)).await;
            count.set(count.get() + answers.len());
            pause(&inner, 1).await;
        }
        stop.ask();
    });
    let start = start(&runtime, &site, &ports);
    let ended = drive(&runtime, &mut auditor, start, &mut ports, &mut watch).await;
    claim!(ended == Ended::Stopped, "the drive ended with {ended:?}");
    claim!(answered.get() == 20, "{} of 20 requests were answered", answered.get());
    claim!(auditor.struck > 1, "the timer did not strike again");
    found(watch, auditor, &broken)
}

async fn a_process_that_is_answered_at_once_lets_other_tasks_run<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    for timer in [false, true] {
        let mut ports = ports(&runtime, &site).await?;
        let stop = ports.stop.clone();
        runtime.spawn(async move {
            for _ in 0..10 {
                yield_now().await;
            }
            stop.ask();
        });
        let start = start(&runtime, &site, &ports);
        let mut busy = Busy { timer, left: 100_000 };
        let ended = drive(&runtime, &mut busy, start, &mut ports, &mut ()).await;
        claim!(ended == Ended::Stopped, "by timers: {timer}; the drive ended with {ended:?}");
    }
    Ok(())
}

async fn a_connection_that_is_gone_is_closed_and_hears_nothing<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    let mut ports = ports(&runtime, &site).await?;
    let (broken, mut watch, mut auditor) = (Rc::default(), Watch::default(), Auditor::new(false));
    // It never has enough: no peer says that it has.
    auditor.me = site.me;
    auditor.peers = PeerSet::one(NodeId(60));
    let (stop, clients, inner) = (ports.stop.clone(), ports.clients.clone(), runtime.clone());
    let others: Rc<RefCell<Option<String>>> = Rc::clone(&broken);
    runtime.spawn(async move {
        for round in 0..10 {
            let connection = clients.connect();
            let mut asked = 0;
            while connection.has_room() {
                asked += 1;
                connection.request(GROUP, SessionId(4), asked, Buffer::new());
            }
            if asked != 4 || clients.under_way() != 4 {
                others.borrow_mut().get_or_insert(format!("{asked} requests are under way, and 4 may be"));
            }
            if round % 2 == 0 {
                let mut answers = Vec::new();
                while answers.len() < 4 {
                    poll_fn(|cx| connection.poll_answers(cx, &mut answers)).await;
                }
            }
            drop(connection);
            if clients.under_way() != 0 {
                others
                    .borrow_mut()
                    .get_or_insert("a connection is gone, and its requests are counted".into());
            }
        }
        let quiet = inner.clone();
        pause(&quiet, 2).await;
        until(&inner, || clients.under_way() == 0).await;
        stop.ask();
    });
    let start = start(&runtime, &site, &ports);
    let ended = drive(&runtime, &mut auditor, start, &mut ports, &mut watch).await;
    claim!(ended == Ended::Stopped, "the drive ended with {ended:?}");
    claim!(auditor.closed == 10, "{} of 10 connections were closed", auditor.closed);
    found(watch, auditor, &broken)
}
