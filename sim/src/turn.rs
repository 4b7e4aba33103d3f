//! Turns: how an input reaches a process and what becomes of its outputs.
//!
//! An input is harvested, the node's clocks are sampled, the process takes its turn, and the outputs are carried out in
//! order. After the first input of a burst the seed draws whether the burst ends at once, as soon as nothing more is
//! at hand, or stays open for a while; [`Input::EndOfBurst`] closes it, after 64 inputs at the latest. A node that is
//! paused or busy with a slow turn takes nothing; what arrives waits in order.
//!
//! Never: a turn of a dead process; an output after the crash that cut its turn; a timer of a former life, or one that
//! was moved or cancelled after it became due; a turn within a turn.

use crate::draw::{Draws, Purpose};
use crate::effects::Effect;
use crate::event::Event;
use crate::node::{Tear, unseen};
use crate::scene::{Scene, Seen, Violation};
use crate::schedule::{Cut, Loss};
use crate::timers::{Check, NEVER};
use crate::trace::encode::Carried;
use crate::world::{CLUSTER, FRAME_LIMIT, QUEUE_DEPTH, TURNS_PER_INSTANT, World};
use seedfast_core::{
    Buffer, Command, Completion, ConnectionId, Durability, Failure, Incarnation, Input, Instant, NodeId,
    ObservationKind, OperationId, Output, Start, Step, TimerId,
};

/// How long after a halt a process is started again whose life began before faults ended, in nanoseconds.
const RESTARTED: u64 = 1_000_000;

/// Whether the output puts a write in flight.
fn submits_a_write(output: &Output) -> bool {
    matches!(output, Output::Submit { chain, .. } if chain.iter().any(|step| matches!(step, Step::Write { .. })))
}

fn is_effect(output: &Output) -> bool {
    !matches!(output, Output::Observe { .. })
}

/// A burst closes after so many inputs, however many more are at hand.
const LARGEST_BURST: u32 = 64;

impl World {
    /// A life of `n` begins; nothing happens if one is going on.
    pub(crate) fn start(&mut self, n: usize, scene: &mut dyn Scene) {
        if self.nodes[n].process.is_some() {
            return;
        }
        let id = NodeId(n as u8);
        self.running = Some(id.0);
        let process = scene.process(id);
        self.running = None;
        let node = &mut self.nodes[n];
        node.life += 1;
        node.process = Some(process);
        let start = Start {
            incarnation: Incarnation(node.life),
            entropy: self.draw.entropy(id.0, node.life),
            cluster: CLUSTER,
            node: id,
            devices: node.devices[..node.device_count].iter().map(|device| device.geometry()).collect(),
            queue_depth: QUEUE_DEPTH,
            frame_limit: FRAME_LIMIT,
        };
        scene.lifecycle(Instant::from_nanos(self.now), id, start.incarnation, true);
        self.moved = true;
        self.arrive(n, Input::Start(start), Carried::default(), scene);
    }

    /// The restart that a crash in life number `life` asked for.
    pub(crate) fn restart(&mut self, n: usize, life: u32, scene: &mut dyn Scene) {
        if self.nodes[n].life == life {
            self.start(n, scene);
        }
    }

    /// An operator's command reaches a node.
    pub(crate) fn command(&mut self, n: usize, bytes: Buffer, scene: &mut dyn Scene) {
        if n < self.node_count && self.nodes[n].process.is_some() {
            let command = Command { connection: ConnectionId(0), bytes };
            self.arrive(n, Input::Control(command), Carried::default(), scene);
        }
    }

    /// What this world cannot do fails.
    pub(crate) fn refuse(&mut self, n: usize, life: u32, op: OperationId, scene: &mut dyn Scene) {
        if self.nodes[n].process.is_some() && self.nodes[n].life == life {
            let input = Input::Completed { op, result: Completion::Failed(Failure::Device) };
            self.arrive(n, input, Carried::default(), scene);
        }
    }

    /// An input reaches a process that lives.
    #[inline]
    pub(crate) fn arrive(&mut self, n: usize, input: Input, carried: Carried, scene: &mut dyn Scene) {
        let node = &mut self.nodes[n];
        if node.is_blocked() || !node.inbox.is_empty() {
            if node.paused {
                self.effects.count(Effect::Paused);
                if node.sampling {
                    node.sampling = false;
                    node.stale = Some(node.clock.read(self.now));
                }
            }
            node.inbox.push_back((input, carried));
            return;
        }
        self.take(n, input, carried, scene);
        self.serve(n, scene);
    }

    /// Turns until the node is blocked or nothing is left to do.
    #[inline]
    pub(crate) fn serve(&mut self, n: usize, scene: &mut dyn Scene) {
        loop {
            let node = &mut self.nodes[n];
            if self.over || node.process.is_none() || node.is_blocked() {
                return;
            }
            if node.harvested < LARGEST_BURST
                && let Some((input, carried)) = node.inbox.pop_front()
            {
                let overtaken = match &input {
                    Input::Timer { id } => !node.timers.is_current(id.0, carried.id as u32),
                    _ => false,
                };
                if overtaken {
                    node.stale = None;
                } else {
                    self.take(n, input, carried, scene);
                }
            } else if node.close_due || node.harvested >= LARGEST_BURST {
                node.close_due = false;
                node.burst_open = false;
                node.harvested = 0;
                self.turn(n, Input::EndOfBurst, Carried::default(), scene);
            } else {
                return;
            }
        }
    }

    /// One input's turn, and the decision where its burst ends.
    #[inline]
    fn take(&mut self, n: usize, input: Input, carried: Carried, scene: &mut dyn Scene) {
        let node = &mut self.nodes[n];
        node.harvested += 1;
        if !node.burst_open && !node.close_due {
            node.close_due = true;
            if self.turns.burst != 0 {
                self.open_burst(n);
            }
        }
        self.turn(n, input, carried, scene);
    }

    fn open_burst(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        node.burst_ordinal = if node.last_burst_at == self.now { node.burst_ordinal + 1 } else { 0 };
        node.last_burst_at = self.now;
        let draws = Draws::of(node.burst_key, self.now.rotate_left(20) ^ node.burst_ordinal);
        if draws.chance(0, self.turns.burst) {
            node.close_due = false;
            node.burst_open = true;
            node.burst = node.burst.wrapping_add(1);
            let at = self.now + draws.below(1, self.turns.burst_max) + 1;
            self.queue.push(at, Event::BurstEnd { node: n as u8, burst: node.burst });
        }
    }

    /// An open burst ends.
    pub(crate) fn burst_end(&mut self, n: usize, burst: u32, scene: &mut dyn Scene) {
        let node = &mut self.nodes[n];
        if node.burst_open && node.burst == burst && node.process.is_some() {
            node.burst_open = false;
            node.close_due = true;
            self.serve(n, scene);
        }
    }

    /// The turn itself.
    #[inline]
    fn turn(&mut self, n: usize, input: Input, carried: Carried, scene: &mut dyn Scene) {
        self.turns_now += 1;
        if self.turns_now > TURNS_PER_INSTANT {
            let what =
                format!("n{n} and its peers took more than {TURNS_PER_INSTANT} turns while no time passed");
            self.violate(Violation { invariant: "livelock".into(), what });
            return;
        }
        let node = &mut self.nodes[n];
        let Some(process) = node.process.as_deref_mut() else { return };
        let mut now = node.clock.read(self.now);
        if node.stale.is_some() || node.unseen != 0 {
            if let Some(stale) = node.stale.take() {
                self.effects.count(Effect::StaleSample);
                now = stale;
            }
            for (bit, effect) in [
                (unseen::DRIFT, Effect::Drift),
                (unseen::STEP, Effect::ClockStep),
                (unseen::FREEZE, Effect::Freeze),
            ] {
                if node.unseen & bit != 0 {
                    self.effects.count(effect);
                }
            }
            node.unseen = 0;
        }
        self.trace.turn(self.now, n as u8, node.life, now, &input, carried);
        if let Input::Completed { op, .. } = &input {
            // Handed to a turn: barriers submitted from now on cover its writes.
            for device in &mut node.devices[..node.device_count] {
                device.complete(*op);
            }
        }
        // A second handle, so that the buffer can be reused if the process lets go of it in this turn.
        let buffer = match &input {
            Input::Receive { frame, .. } => Some(frame.clone()),
            Input::Request { bytes, .. } | Input::Completed { result: Completion::Data(bytes), .. } => {
                Some(bytes.clone())
            }
            Input::Start(_) if node.life > 1 => {
                self.effects.count(Effect::Recovery);
                None
            }
            _ => None,
        };
        self.running = Some(n as u8);
        process.turn(now, input, &mut self.out);
        self.running = None;
        if let Some(buffer) = buffer {
            self.out.pool().recycle(buffer);
        }
        if node.slow != 0 {
            debug_assert!(node.late.is_empty());
            self.out.swap(&mut node.late);
            node.busy = true;
            let event = Event::SlowTurnEnd { node: n as u8, life: node.life };
            self.queue.push(self.now + node.slow, event);
            return;
        }
        if !self.out.outputs().is_empty() {
            let mut outputs = core::mem::take(&mut self.spare);
            self.out.swap(&mut outputs);
            self.carry_out(n, &mut outputs, scene);
            self.spare = outputs;
        }
        if self.checks {
            self.check_turn(n, scene);
        }
    }

    fn check_turn(&mut self, n: usize, scene: &mut dyn Scene) {
        if let Some(process) = self.nodes[n].process.as_deref()
            && let Err(violation) = scene.after_turn(NodeId(n as u8), process)
        {
            self.violate(violation);
        }
    }

    /// The outputs of a slow turn leave.
    pub(crate) fn slow_turn_end(&mut self, n: usize, life: u32, scene: &mut dyn Scene) {
        let node = &mut self.nodes[n];
        if !node.busy || node.life != life || node.process.is_none() {
            return;
        }
        node.busy = false;
        let mut outputs = core::mem::take(&mut node.late);
        if !outputs.is_empty() {
            self.effects.count(Effect::Slowed);
        }
        self.trace.slow_turn_ended(self.now, n as u8, life);
        self.carry_out(n, &mut outputs, scene);
        self.nodes[n].late = outputs;
        if self.checks {
            self.check_turn(n, scene);
        }
        self.serve(n, scene);
    }

    /// What of an output can be torn: the first write of a durable chain, if it has several atomic units.
    fn tearable(&self, n: usize, output: &Output) -> Option<Tear> {
        let Output::Submit { op, device, chain, durability: Durability::Durable } = output else {
            return None;
        };
        let unit = self.nodes[n].devices.get(usize::from(device.0))?.geometry().atomic;
        chain.iter().zip(0..).find_map(|(step, number)| match step {
            Step::Write { at, buffer } if buffer.len() as u64 > u64::from(unit) => {
                let (unit, length) = (unit.into(), buffer.len() as u64);
                Some(Tear { op: *op, step: number, unit, at: *at, length })
            }
            _ => None,
        })
    }

    /// Carries out the outputs of one turn, or as many of them as a crash lets exist.
    #[inline]
    fn carry_out(&mut self, n: usize, outputs: &mut Vec<Output>, scene: &mut dyn Scene) {
        let total = outputs.len();
        let mut exist = total;
        let mut crash = None;
        if let Some(pending) = self.nodes[n].pending_crash {
            // An observation is no effect: it shares the fate of the effect that it stands before.
            let effects = outputs.iter().filter(|output| is_effect(output)).count();
            let after = match pending.cut {
                Cut::AfterOutput(count) => (usize::from(count) < effects).then_some(usize::from(count)),
                Cut::AfterWrite => {
                    let mut effects = outputs.iter().filter(|output| is_effect(output));
                    effects.position(submits_a_write).map(|index| index + 1)
                }
                Cut::Tear => {
                    let effects = outputs.iter().filter(|output| is_effect(output));
                    let found = effects
                        .enumerate()
                        .find_map(|(index, output)| Some((index, self.tearable(n, output)?)));
                    if let Some((_, tear)) = found {
                        self.nodes[n].tear = Some(tear);
                    }
                    found.map(|(index, _)| index + 1)
                }
                Cut::Drawn | Cut::Now => (effects > 0).then(|| self.draw_cut(n, effects)),
            };
            if let Some(after) = after {
                crash = Some(pending);
                if after < effects {
                    let mut indices = outputs.iter().enumerate().filter(|(_, output)| is_effect(output));
                    let last = after.checked_sub(1).and_then(|index| indices.nth(index));
                    exist = last.map_or(0, |(index, _)| index + 1);
                }
            }
        }
        for output in outputs.drain(..).take(exist) {
            self.carry(n, output, scene);
            if self.nodes[n].halted {
                break;
            }
        }
        if self.nodes[n].halted {
            self.effects.count(Effect::Halted);
            // What it stopped for, an error that it had met and not digested, is over: somebody starts it again.
            let over = self.nodes[n].life_at_heal == Some(self.nodes[n].life);
            self.crash(n, Loss::Process, over.then_some(RESTARTED), 0, scene);
            return;
        }
        if let Some(pending) = crash {
            let dropped = total - exist;
            if dropped > 0 {
                self.effects.count(Effect::OutputsCut);
            }
            self.crash(n, pending.loss, pending.restart_after, dropped as u32, scene);
        }
    }

    /// After how many of `total` effects the crash falls: its identity is the node's life.
    fn draw_cut(&self, n: usize, total: usize) -> usize {
        let key = self.draw.key(Purpose::Cut, n as u64);
        Draws::of(key, u64::from(self.nodes[n].life)).below(0, total as u64 + 1) as usize
    }

    #[inline]
    fn carry(&mut self, n: usize, output: Output, scene: &mut dyn Scene) {
        match output {
            Output::Send { to, kind, group, frame } => self.send(n, to, kind, group, frame),
            Output::Timer { id, at } => {
                let due = at.map_or(NEVER, Instant::as_nanos);
                self.trace.set_timer(id.0, due);
                let slot = self.nodes[n].timers.set(id.0, due);
                self.arm(n, slot, due);
            }
            Output::Observe { kind, bytes } => self.observe(n, kind, bytes, scene),
            Output::Submit { op, device, chain, durability } => {
                self.submit(n, op, usize::from(device.0), chain, durability);
            }
            Output::Read { op, device, range } => self.read(n, op, usize::from(device.0), range),
            Output::Respond { connection, bytes } => self.respond(n, connection, bytes),
            Output::RemoteWrite { op, .. } | Output::Grant { op, .. } | Output::Revoke { op, .. } => {
                self.trace.unsupported(op);
                if let Err(what) = self.nodes[n].check_name(op) {
                    let what = format!("n{n}: {what}");
                    return self.violate(Violation { invariant: "storage".into(), what });
                }
                self.queue.push(self.now, Event::Refuse { node: n as u8, life: self.nodes[n].life, op });
            }
            // Every node reaches every other one here, whatever its address.
            Output::Peer { node, address } => self.trace.peer(node.0, address.as_deref()),
            Output::Halt { why } => {
                self.trace.halt(&why);
                self.nodes[n].halted = true;
            }
        }
    }

    fn observe(&mut self, n: usize, kind: ObservationKind, bytes: Buffer, scene: &mut dyn Scene) {
        self.trace.observe(kind, &bytes);
        if kind == ObservationKind::PROBE {
            let name = String::from_utf8_lossy(&bytes);
            match self.probes.get_mut(&*name) {
                Some(count) => *count += 1,
                None => {
                    self.probes.insert(name.into_owned(), 1);
                }
            }
        } else if kind == ObservationKind::CONTRACT {
            let text = String::from_utf8_lossy(&bytes);
            let invariant = text.split([' ', ':']).next().unwrap_or_default().to_string();
            self.violate(Violation { invariant, what: format!("n{n}: {text}") });
        } else {
            let seen = Seen {
                at: Instant::from_nanos(self.now),
                node: NodeId(n as u8),
                incarnation: Incarnation(self.nodes[n].life),
                kind,
                bytes: &bytes,
            };
            self.moved = true;
            if let Err(violation) = scene.observe(seen) {
                self.violate(violation);
            }
        }
        self.out.pool().recycle(bytes);
    }

    /// Makes sure that a check strikes no later than the timer is due.
    #[inline]
    pub(crate) fn arm(&mut self, n: usize, slot: u16, due: u64) {
        if due == NEVER {
            return;
        }
        let node = &mut self.nodes[n];
        let check = node.timers.check_at(slot);
        // An earlier check finds out for itself; comparing readings spares the division of the inverse.
        if check != NEVER && node.clock.monotonic(check) <= due {
            return;
        }
        if let Some(at) = node.clock.when(due, self.now)
            && at < check
        {
            node.timers.checking(slot, at);
            self.queue.push(at, Event::Timer { endpoint: n as u8, slot, life: node.life });
        }
    }

    /// A node's clocks changed: its timers are due at other times.
    pub(crate) fn rearm(&mut self, n: usize) {
        let armed: Vec<(u16, u64)> = self.nodes[n].timers.armed().collect();
        for (slot, due) in armed {
            self.arm(n, slot, due);
        }
    }

    /// A check of a timer strikes.
    #[inline]
    pub(crate) fn check_timer(&mut self, endpoint: u8, slot: u16, life: u32, scene: &mut dyn Scene) {
        let n = usize::from(endpoint);
        if n >= self.node_count {
            self.check_client_timer(n - self.node_count, slot, scene);
            return;
        }
        let node = &mut self.nodes[n];
        if node.life != life || node.process.is_none() {
            return;
        }
        match node.timers.strike(slot, self.now, node.clock.monotonic(self.now)) {
            Check::Stale => {}
            Check::Later(due) => self.arm(n, slot, due),
            Check::Due(id, generation) => {
                let carried = Carried { id: u64::from(generation), changed: false };
                self.arrive(n, Input::Timer { id: TimerId(id) }, carried, scene);
            }
        }
    }
}
