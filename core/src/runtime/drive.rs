//! The loop that feeds a process from a runtime: written once, run by the simulated world and by real machines.
//!
//! One round is one burst: whatever has come is harvested (completions first, because they free what others wait for),
//! the clock is sampled behind it, each input takes its turn, then [`Input::EndOfBurst`], and only then do the outputs
//! of all these turns take effect, in their order. So a burst costs the runtime one submission, and a crash loses a
//! suffix of it, as `docs/boundary.md` section 1 allows.

use super::clients::Clients;
use super::{Alarm, Device, Endpoint, Runtime, remember};
use crate::buffer::Buffer;
use crate::id::{ClusterId, Incarnation, NodeId, TimerId};
use crate::input::{Input, Start};
use crate::outbox::Outbox;
use crate::output::Output;
use crate::process::{Process, Room};
use crate::storage::{Completion, Failure};
use crate::time::{Duration, Instant, Now};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

/// No burst holds more inputs than this from one source, so that an open batch never waits long.
const MOST_INPUTS: usize = 1024;
/// After so many bursts without a wait the other tasks of the thread have their turn: whoever is answered at once (by
/// memory, by a timer that has passed, by an operation that cannot be done at all) would otherwise keep them out.
const MOST_BURSTS: u32 = 4;

/// Requests that a process has no room for wait so long at most; then it has to refuse them.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What a process is driven with.
pub struct Ports<R: Runtime> {
    /// Its peers.
    pub endpoint: R::Endpoint,
    /// Its devices, in the order of [`Start::devices`].
    pub devices: Vec<R::Device>,
    /// Its clients.
    pub clients: Clients,
    /// How it is told to end.
    pub stop: Stop,
}

/// What a process begins a life with that is driven over these.
pub fn start<R: Runtime>(
    runtime: &R,
    cluster: ClusterId,
    node: NodeId,
    endpoint: &R::Endpoint,
    devices: &[R::Device],
) -> Start {
    Start {
        // A runtime keeps no record of earlier lives; no safety rests on it.
        incarnation: Incarnation(1),
        entropy: runtime.entropy(),
        cluster,
        node,
        devices: devices.iter().map(Device::geometry).collect(),
        queue_depth: devices.iter().map(Device::queue_depth).sum(),
        frame_limit: endpoint.frame_limit(),
    }
}

/// Ends a [`drive`] from outside, between two bursts.
#[derive(Clone, Default)]
pub struct Stop(Rc<RefCell<Asked>>);

#[derive(Default)]
struct Asked {
    asked: bool,
    driver: Option<Waker>,
}

impl Stop {
    /// Asks for the end.
    pub fn ask(&self) {
        let mut state = self.0.borrow_mut();
        state.asked = true;
        if let Some(driver) = state.driver.take() {
            driver.wake();
        }
    }

    fn is_asked(&self, cx: &Context<'_>) -> bool {
        let mut state = self.0.borrow_mut();
        if !state.asked {
            remember(&mut state.driver, cx);
        }
        state.asked
    }
}

/// Somebody who watches every turn: the flight recorder.
pub trait Tap {
    /// A turn with this input comes next.
    fn input(&mut self, now: Now, input: &Input);

    /// That turn is over, and these are its outputs, before they take effect.
    fn outputs(&mut self, outputs: &[Output]);

    /// That burst is over, and its outputs take effect now.
    fn burst(&mut self);
}

/// Nobody watches.
impl Tap for () {
    fn input(&mut self, _: Now, _: &Input) {}
    fn outputs(&mut self, _: &[Output]) {}
    fn burst(&mut self) {}
}

/// Why a drive ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The process will not go on, and says why in one sentence.
    Halted(String),
    /// [`Stop::ask`] was called.
    Stopped,
}

/// The timers of one life.
#[derive(Default)]
struct Timers(Vec<(TimerId, Instant)>);

impl Timers {
    fn set(&mut self, id: TimerId, at: Option<Instant>) {
        self.0.retain(|(other, _)| *other != id);
        self.0.extend(at.map(|at| (id, at)));
    }

    fn earliest(&self) -> Option<Instant> {
        self.0.iter().map(|(_, at)| *at).min()
    }

    /// The timer that is due first at `now`, taken out.
    fn take_due(&mut self, now: Instant) -> Option<TimerId> {
        let due = self.0.iter().enumerate().filter(|(_, (_, at))| *at <= now);
        let (index, _) = due.min_by_key(|(_, (id, at))| (*at, id.0))?;
        Some(self.0.swap_remove(index).0)
    }
}

/// Feeds `process` from `runtime` until one of them ends it. `start` is its first input.
pub async fn drive<R: Runtime, P: Process + ?Sized>(
    runtime: &R,
    process: &mut P,
    start: Start,
    ports: &mut Ports<R>,
    tap: &mut (impl Tap + ?Sized),
) -> Ended {
    let mut drive = Drive {
        runtime,
        out: Outbox::new(runtime.observing()),
        spare: Vec::new(),
        inputs: Vec::new(),
        timers: Timers::default(),
        alarm: runtime.alarm(),
        halted: None,
        bursts: 0,
        shut: None,
    };
    drive.inputs.push(Input::Start(start));
    loop {
        drive.burst(process, tap);
        drive.carry_out(ports, tap);
        if let Some(why) = drive.halted.take() {
            return Ended::Halted(why);
        }
        let room = process.room();
        if poll_fn(|cx| drive.poll_harvest(cx, room, ports)).await == Harvest::Stop {
            return Ended::Stopped;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Harvest {
    Inputs,
    Stop,
}

struct Drive<'a, R: Runtime> {
    runtime: &'a R,
    out: Outbox,
    spare: Vec<Output>,
    inputs: Vec<Input>,
    timers: Timers,
    alarm: R::Alarm,
    halted: Option<String>,
    /// How many there were since the other tasks had their turn.
    bursts: u32,
    /// Until when requests wait for room.
    shut: Option<Instant>,
}

impl<R: Runtime> Drive<'_, R> {
    /// Takes whatever has come, behind what could not be done at all and was answered on the spot; ready if there is
    /// anything, or a timer is due.
    fn poll_harvest(&mut self, cx: &mut Context<'_>, room: Room, ports: &mut Ports<R>) -> Poll<Harvest> {
        if ports.stop.is_asked(cx) {
            return Poll::Ready(Harvest::Stop);
        }
        if self.bursts == MOST_BURSTS {
            self.bursts = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        for device in &mut ports.devices {
            let _ = device.poll_completed(cx, &mut self.inputs, MOST_INPUTS);
        }
        let _ = ports.endpoint.poll_receive(cx, &mut self.inputs, MOST_INPUTS);
        self.poll_clients(cx, room, &ports.clients);
        let due = self.alarm.poll_due(cx).is_ready();
        if due || !self.inputs.is_empty() {
            self.bursts += 1;
            return Poll::Ready(Harvest::Inputs);
        }
        self.bursts = 0;
        Poll::Pending
    }

    /// Takes what clients ask, as far as the process has room. Whatever makes room comes with an input, and with it the
    /// next look; what never does is handed over after a while, to be refused.
    fn poll_clients(&mut self, cx: &mut Context<'_>, room: Room, clients: &Clients) {
        let late = self.shut.is_some_and(|until| self.runtime.now().monotonic >= until);
        let room = if late { Room::ANY } else { room };
        let within = Room { requests: room.requests.min(MOST_INPUTS), ..room };
        let some = clients.poll_within(cx, &mut self.inputs, within).is_ready();
        if some || !clients.is_waiting() {
            self.shut = None;
        } else if self.shut.is_none() {
            let until = self.runtime.now().monotonic + LONGEST_WAIT;
            self.shut = Some(until);
            self.alarm.set(self.timers.earliest().into_iter().chain(self.shut).min());
        }
    }

    /// One turn for each input, one for each timer that is due, and the end of the burst.
    fn burst(&mut self, process: &mut (impl Process + ?Sized), tap: &mut (impl Tap + ?Sized)) {
        let now = self.runtime.now();
        let mut inputs = core::mem::take(&mut self.inputs);
        let mut any = !inputs.is_empty();
        for input in inputs.drain(..) {
            self.turn(now, input, process, tap);
        }
        self.inputs = inputs;
        // A timer that an input of this burst set anew or took back is not due any more. Bounded, because a timer may
        // set itself for an instant that has passed; the alarm brings the rest.
        for _ in 0..MOST_INPUTS {
            let Some(id) = self.timers.take_due(now.monotonic) else { break };
            any = true;
            self.turn(now, Input::Timer { id }, process, tap);
        }
        if any {
            self.turn(now, Input::EndOfBurst, process, tap);
        }
    }

    fn turn(
        &mut self,
        now: Now,
        input: Input,
        process: &mut (impl Process + ?Sized),
        tap: &mut (impl Tap + ?Sized),
    ) {
        let before = self.out.outputs().len();
        tap.input(now, &input);
        let held = buffer_of(&input);
        process.turn(now, input, &mut self.out);
        if let Some(held) = held {
            self.out.pool().recycle(held);
        }
        let outputs = &self.out.outputs()[before..];
        tap.outputs(outputs);
        // Timers are set at once: a later turn of this burst must not see one that this turn took back.
        for output in outputs {
            if let Output::Timer { id, at } = output {
                self.timers.set(*id, *at);
            }
        }
    }

    /// The outputs of the burst take effect.
    fn carry_out(&mut self, ports: &mut Ports<R>, tap: &mut (impl Tap + ?Sized)) {
        for device in &mut ports.devices {
            device.reclaim(&mut self.out);
        }
        ports.endpoint.reclaim(&mut self.out);
        let mut outputs = core::mem::take(&mut self.spare);
        self.out.swap(&mut outputs);
        tap.burst();
        for output in outputs.drain(..) {
            self.carry_out_one(output, ports);
            if self.halted.is_some() {
                break;
            }
        }
        outputs.clear();
        self.spare = outputs;
        self.alarm.set(self.timers.earliest().into_iter().chain(self.shut).min());
    }

    fn carry_out_one(&mut self, output: Output, ports: &mut Ports<R>) {
        match output {
            Output::Send { to, kind, group, frame } => ports.endpoint.send(to, kind, group, frame),
            // Set when the turn ended.
            Output::Timer { .. } => {}
            Output::Submit { op, device, chain, durability } => {
                match ports.devices.get_mut(usize::from(device.0)) {
                    Some(device) => device.submit(op, chain, durability),
                    None => panic!("the process wrote to {device:?}, which it was never given"),
                }
            }
            Output::Read { op, device, range } => match ports.devices.get_mut(usize::from(device.0)) {
                Some(device) => device.read(op, range),
                None => panic!("the process read from {device:?}, which it was never given"),
            },
            Output::Respond { connection, bytes } => ports.clients.respond(connection, bytes),
            Output::Observe { kind, bytes } => {
                self.runtime.observe(kind, &bytes);
                self.out.pool().recycle(bytes);
            }
            // One-sided operations need a transport that has them; without one they fail, which is allowed.
            Output::RemoteWrite { op, .. } | Output::Grant { op, .. } | Output::Revoke { op, .. } => {
                self.inputs.push(Input::Completed { op, result: Completion::Failed(Failure::Device) });
            }
            Output::Peer { node, address } => ports.endpoint.peer(node, address.as_deref()),
            Output::Halt { why } => self.halted = Some(String::from_utf8_lossy(&why).into_owned()),
        }
    }
}

/// The buffer that an input brings and that is given back after its turn.
fn buffer_of(input: &Input) -> Option<Buffer> {
    match input {
        Input::Receive { frame, .. } => Some(frame.clone()),
        Input::Completed { result: Completion::Data(bytes), .. } => Some(bytes.clone()),
        Input::Request { bytes, .. } => Some(bytes.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_that_was_set_again_is_due_once_and_at_its_new_time() {
        let mut timers = Timers::default();
        let at = Instant::from_nanos;
        timers.set(TimerId(1), Some(at(5)));
        timers.set(TimerId(2), Some(at(3)));
        timers.set(TimerId(1), Some(at(9)));
        assert_eq!(timers.earliest(), Some(at(3)));
        assert_eq!(timers.take_due(at(8)), Some(TimerId(2)));
        assert_eq!(timers.take_due(at(8)), None);
        timers.set(TimerId(1), None);
        assert_eq!((timers.take_due(at(99)), timers.earliest()), (None, None));
    }

    #[test]
    fn timers_due_together_come_in_the_order_of_their_instants_then_their_names() {
        let mut timers = Timers::default();
        for (id, at) in [(4, 7), (3, 7), (9, 2)] {
            timers.set(TimerId(id), Some(Instant::from_nanos(at)));
        }
        let due: Vec<_> = core::iter::from_fn(|| timers.take_due(Instant::from_nanos(7))).collect();
        assert_eq!(due, [TimerId(9), TimerId(3), TimerId(4)]);
    }
}
