//! Faults as they strike, last and end. `docs/faults.md` states each one's model for users.
//!
//! A fault that lasts is kept in a list while it does; the state of links, clocks, nodes and devices is a function of
//! that list and is worked out again whenever the list changes, so that overlapping faults need no rules of their own:
//! a link is cut while any cut stands, a node is paused while any pause stands, and of two values the later fault's
//! counts.

use crate::effects::Effect;
use crate::event::Event;
use crate::node::{PendingCrash, unseen};
use crate::scene::Scene;
use crate::schedule::{Cut, Fault, Loss, Network, Target};
use crate::world::World;
use seedfast_core::{Incarnation, Instant, Kind, NodeId};

/// A fault that lasts.
#[derive(Debug)]
pub(crate) struct Active {
    number: u32,
    target: usize,
    since: u64,
    fault: Fault,
}

impl World {
    fn aim(&self, target: Target, scene: &dyn Scene) -> usize {
        let node = match target {
            Target::Node(node) => node,
            Target::Focus => scene.focus().unwrap_or_default().0,
        };
        if usize::from(node) < self.node_count { usize::from(node) } else { 0 }
    }

    /// A fault strikes.
    pub(crate) fn strike(&mut self, number: u32, fault: Fault, scene: &mut dyn Scene) {
        let target = fault.target().map(|target| self.aim(target, scene));
        self.trace.fault(self.now, number, target.map_or(255, |n| n as u8), &fault.to_string());
        let n = target.unwrap_or_default();
        match &fault {
            Fault::Crash { loss, cut: Cut::Now, restart_after, .. } => {
                self.crash(n, *loss, *restart_after, 0, scene);
            }
            Fault::Crash { loss, cut, restart_after, .. } => {
                if self.nodes[n].process.is_some() {
                    let pending = PendingCrash { cut: *cut, loss: *loss, restart_after: *restart_after };
                    self.nodes[n].pending_crash = Some(pending);
                } else {
                    self.crash(n, *loss, *restart_after, 0, scene);
                }
            }
            Fault::Restart { node } => self.start(usize::from(*node), scene),
            Fault::Drift { drift, .. } => {
                self.nodes[n].clock.drift(self.now, *drift);
                self.nodes[n].unseen |= unseen::DRIFT;
                self.rearm(n);
            }
            Fault::Step { by, .. } => {
                self.nodes[n].clock.step(*by);
                self.nodes[n].unseen |= unseen::STEP;
            }
            Fault::Heal => self.heal(scene),
            Fault::Pause { .. }
            | Fault::Slow { .. }
            | Fault::Partition { .. }
            | Fault::Isolate { .. }
            | Fault::Sever { .. }
            | Fault::Flap { .. }
            | Fault::Clog { .. }
            | Fault::Degrade { .. }
            | Fault::Starve { .. }
            | Fault::Freeze { .. }
            | Fault::DiskDegrade { .. }
            | Fault::DiskFull { .. } => self.begin(number, n, fault),
            Fault::FailSync { .. }
            | Fault::FailWrite { .. }
            | Fault::LoseWrite { .. }
            | Fault::Misdirect { .. }
            | Fault::Unreadable { .. }
            | Fault::Rot { .. }
            | Fault::LoseDevices { .. } => self.strike_device(n, &fault, scene),
        }
    }

    fn begin(&mut self, number: u32, target: usize, fault: Fault) {
        if let Fault::Partition { .. } = fault {
            self.active.retain(|active| !matches!(active.fault, Fault::Partition { .. }));
        }
        if let Fault::Pause { sampled: true, .. } = fault
            && !self.nodes[target].paused
        {
            // The input must have been harvested before the clock is sampled: one that waits already has been, any
            // other is when it arrives.
            let node = &mut self.nodes[target];
            if node.inbox.is_empty() {
                node.sampling = true;
            } else {
                node.stale = Some(node.clock.read(self.now));
            }
        }
        if let Fault::Freeze { .. } = fault {
            self.nodes[target].unseen |= unseen::FREEZE;
        }
        if let Some(lasts) = fault.lasts() {
            self.queue.push(self.now.saturating_add(lasts), Event::FaultEnd(number));
        }
        let touched = Touched::by(&fault);
        self.active.push(Active { number, target, since: self.now, fault });
        self.work_out(touched, target);
    }

    /// A fault that lasted ends, unless it was replaced or healed before.
    pub(crate) fn fault_ends(&mut self, number: u32, scene: &mut dyn Scene) {
        let Some(index) = self.active.iter().position(|active| active.number == number) else { return };
        let ended = self.active.remove(index);
        self.trace.fault_ended(self.now, number);
        self.work_out(Touched::by(&ended.fault), ended.target);
        self.serve(ended.target, scene);
    }

    /// Everything that goes wrong ends.
    fn heal(&mut self, scene: &mut dyn Scene) {
        self.active.clear();
        self.network.loss = 0;
        self.network.duplication = 0;
        self.network.corruption = 0;
        self.disk = self.disk.sound();
        self.work_out(Touched::Links, 0);
        for n in 0..self.node_count {
            self.work_out(Touched::Node, n);
            self.nodes[n].clock.drift(self.now, 0);
            self.rearm(n);
            self.nodes[n].pending_crash = None;
            self.nodes[n].life_at_heal = self.nodes[n].process.is_some().then_some(self.nodes[n].life);
            self.nodes[n].devices().iter_mut().for_each(|device| device.end_passing_errors());
        }
        scene.healed(Instant::from_nanos(self.now));
        self.moved = true;
        for n in 0..self.node_count {
            self.start(n, scene);
            self.serve(n, scene);
        }
    }

    /// A node crashes now. On one that is down already only a loss of power has an effect: on its caches.
    pub(crate) fn crash(
        &mut self,
        n: usize,
        loss: Loss,
        restart_after: Option<u64>,
        dropped: u32,
        scene: &mut dyn Scene,
    ) {
        let was_up = self.nodes[n].process.is_some();
        let life = self.nodes[n].life;
        if was_up {
            self.trace.down(self.now, n as u8, life, loss == Loss::Power, dropped);
            self.effects.count(match loss {
                Loss::Process => Effect::Crash,
                Loss::Power => Effect::PowerLoss,
            });
            if life > 1 && !self.nodes[n].spoke {
                self.effects.count(Effect::CrashInRecovery);
            }
            self.break_connections(n);
            self.nodes[n].end_life();
        }
        match loss {
            Loss::Process if was_up => self.orphan_storage(n),
            Loss::Process => {}
            Loss::Power => self.lose_power(n),
        }
        self.nodes[n].tear = None;
        if was_up {
            scene.lifecycle(Instant::from_nanos(self.now), NodeId(n as u8), Incarnation(life), false);
            self.moved = true;
        }
        if let Some(after) = restart_after {
            self.queue.push(self.now.saturating_add(after), Event::Restart { node: n as u8, life });
        }
    }

    fn work_out(&mut self, touched: Touched, n: usize) {
        match touched {
            Touched::Links => self.work_out_links(),
            Touched::Node => self.work_out_node(n),
        }
    }

    /// Pauses, slowness, frozen clocks and devices of one node.
    fn work_out_node(&mut self, n: usize) {
        let (mut paused, mut slow, mut frozen) = (false, 0, false);
        let (mut disk, mut full) = (self.disk, 0);
        for active in self.active.iter().filter(|active| active.target == n) {
            match &active.fault {
                Fault::Pause { .. } => paused = true,
                Fault::Slow { turn, .. } => slow = *turn,
                Fault::Freeze { .. } => frozen = true,
                Fault::DiskDegrade { disk: degraded, .. } => disk = *degraded,
                Fault::DiskFull { device, .. } => {
                    full |= 1u64.checked_shl(u32::from(*device)).unwrap_or_default()
                }
                _ => {}
            }
        }
        let node = &mut self.nodes[n];
        (node.paused, node.slow, node.disk, node.full) = (paused, slow, disk, full);
        node.sampling &= paused;
        node.clock.freeze(self.now, frozen);
        self.rearm(n);
    }

    fn work_out_links(&mut self) {
        let endpoints = self.endpoints();
        self.starving = self.active.iter().any(|active| matches!(active.fault, Fault::Starve { .. }));
        for from in 0..endpoints {
            for to in 0..endpoints {
                let mut network: Network = self.network;
                let (mut cut, mut clogged, mut flapping) = (false, false, false);
                for active in &self.active {
                    let is = |a: u8, b: u8| usize::from(a) == from && usize::from(b) == to;
                    match &active.fault {
                        Fault::Partition { groups, .. } => cut |= separates(groups, from, to),
                        Fault::Isolate { clients_too, .. } => {
                            let touches = active.target == from || active.target == to;
                            let client = from.max(to) >= self.node_count;
                            cut |= touches && (*clients_too || !client);
                        }
                        Fault::Sever { from, to, .. } => cut |= is(*from, *to),
                        Fault::Flap { from, to, .. } => flapping |= is(*from, *to),
                        Fault::Clog { from, to, .. } => clogged |= is(*from, *to),
                        Fault::Degrade { from: a, to: b, network: degraded, .. }
                            if a.is_none_or(|a| usize::from(a) == from)
                                && b.is_none_or(|b| usize::from(b) == to) =>
                        {
                            network = *degraded;
                        }
                        _ => {}
                    }
                }
                let link = &mut self.links[from * endpoints + to];
                link.behave(&network);
                (link.cut, link.clogged, link.flapping) = (cut, clogged, flapping);
                link.troubled = cut | clogged | flapping;
            }
        }
        self.unclog();
    }

    /// Lets go, in order, what links held that are not clogged any more.
    fn unclog(&mut self) {
        let links = &self.links;
        let freed: Vec<(usize, Event)> =
            self.held.extract_if(.., |(link, _)| !links[*link].clogged).collect();
        for (_, event) in freed {
            self.queue.push(self.now, event);
        }
    }

    /// Whether a directed link is cut at this moment.
    pub(crate) fn is_cut(&self, from: usize, to: usize) -> bool {
        let link = &self.links[self.link(from, to)];
        link.cut
            || link.flapping
                && self.active.iter().any(|active| match active.fault {
                    Fault::Flap { from: a, to: b, period, .. } => {
                        (usize::from(a), usize::from(b)) == (from, to)
                            && ((self.now - active.since) / period.max(1)).is_multiple_of(2)
                    }
                    _ => false,
                })
    }

    /// Whether a message of this kind to this node is lost.
    pub(crate) fn is_starved(&self, to: usize, kind: Kind) -> bool {
        self.active.iter().any(|active| match active.fault {
            Fault::Starve { message, to: only, .. } => {
                message == kind.0 && only.is_none_or(|only| usize::from(only) == to)
            }
            _ => false,
        })
    }
}

/// What has to be worked out again when a fault begins or ends.
#[derive(Clone, Copy)]
enum Touched {
    Links,
    Node,
}

impl Touched {
    fn by(fault: &Fault) -> Self {
        match fault {
            Fault::Pause { .. }
            | Fault::Slow { .. }
            | Fault::Freeze { .. }
            | Fault::DiskDegrade { .. }
            | Fault::DiskFull { .. } => Touched::Node,
            _ => Touched::Links,
        }
    }
}

/// Whether a partition keeps two endpoints apart; one in no group is alone.
fn separates(groups: &[Vec<u8>], a: usize, b: usize) -> bool {
    let group = |endpoint: usize| groups.iter().position(|group| group.contains(&(endpoint as u8)));
    a != b && (group(a).is_none() || group(a) != group(b))
}
