//! What fails on a device, and what damages it: faults of block devices and of media, and the atlas that places them.

use crate::disk::{Standing, SyncFate, Trick};
use crate::draw::{Draws, Purpose};
use crate::effects::Effect;
use crate::scene::{Damage, DamageKind, Scene};
use crate::schedule::{Atlas, Fault, Loss, Place};
use crate::world::World;
use seedfast_core::{DeviceId, Failure, Geometry, NodeId, Range, Step};

/// The draws about a step of an operation, each with a number of its own.
mod draw {
    pub(super) const FAILS: u64 = 0;
    pub(super) const NO_SPACE: u64 = 1;
    pub(super) const SHARE: u64 = 2;
    pub(super) const LOST: u64 = 3;
    pub(super) const MISDIRECTED: u64 = 4;
    /// Parts, not draws.
    pub(super) const UNITS: u64 = 16;
    pub(super) const ELSEWHERE: u64 = 17;
}
/// The part of an operation that says from which of its writes on a full device fails.
const FULL: u64 = 4 << 32;
/// The part of an operation that says whether its barrier at a step fails.
const SYNC: u64 = 5 << 32;
/// The part of an operation that says whether a read fails.
const READ: u64 = 6 << 32;
/// So many drawn places are tried before the atlas has spared all.
const TRIES: u64 = 16;

impl World {
    /// Whether the write in step `step`, about to land, fails; what is left of it is then in its buffer, if anything.
    /// False as the second value if nothing of it lands.
    pub(super) fn fails_to_write(&mut self, s: usize, step: u16) -> Option<(Failure, bool)> {
        let submission = &self.submissions[s];
        let (n, d) = (usize::from(submission.node), usize::from(submission.device));
        let node = &mut self.nodes[n];
        let (disk, full) = (node.disk, node.full & 1 << d != 0);
        let device = &mut node.devices[d];
        if submission.orphan || !device.is_disk() {
            return None;
        }
        let tricked = device.take_trick(Trick::FailWrite);
        if !tricked && !full && disk.write_error == 0 && disk.no_space == 0 {
            return None;
        }
        let draws = self.storage_draws(s, Purpose::Damage, u64::from(step));
        let units = draws.part(draw::UNITS);
        if tricked || draws.chance(draw::FAILS, disk.write_error) {
            self.effects.count(Effect::WriteError);
            let some = draws.bits(draw::SHARE) & 1 == 0;
            let device = &mut self.nodes[n].devices[d];
            let landed = device.spoil(s as u32, step, |unit| some && units.bits(unit) & 1 == 0);
            return Some((Failure::Media, landed));
        }
        let full_draws = self.storage_draws(s, Purpose::Damage, FULL);
        if !full && !full_draws.chance(draw::NO_SPACE, disk.no_space) {
            return None;
        }
        // From one of its writes on nothing more fits; of that one a part may.
        let chain = &self.submissions[s].chain;
        let writes =
            |steps: &[Step]| steps.iter().filter(|step| matches!(step, Step::Write { .. })).count() as u64;
        let (before, all) = (writes(&chain[..usize::from(step)]), writes(chain));
        let first = full_draws.below(draw::SHARE, all);
        if before < first {
            return None;
        }
        self.effects.count(Effect::DiskFull);
        let fits =
            if before == first && draws.bits(draw::SHARE) & 1 == 0 { draws.below(draw::FAILS, 4) } else { 0 };
        let device = &mut self.nodes[n].devices[d];
        let landed = device.spoil(s as u32, step, |unit| unit < fits);
        Some((Failure::NoSpace, landed))
    }

    /// Whether the barrier at a submission's step fails; its effects are then those of a failed one.
    pub(super) fn fails_to_sync(&mut self, s: usize) -> bool {
        let submission = &self.submissions[s];
        let (n, d, step, op, mark) = (
            usize::from(submission.node),
            usize::from(submission.device),
            submission.step,
            submission.op,
            submission.mark,
        );
        let node = &mut self.nodes[n];
        let often = node.disk.sync_failure;
        let device = &mut node.devices[d];
        if submission.orphan || !device.is_disk() {
            return false;
        }
        let tricked = device.take_trick(Trick::FailSync);
        if !tricked && often == 0 {
            return false;
        }
        let draws = self.storage_draws(s, Purpose::Damage, SYNC | u64::from(step));
        if !tricked && !draws.chance(draw::FAILS, often) {
            return false;
        }
        self.effects.count(Effect::FailedSync);
        let range = match self.submissions[s].chain.get(usize::from(step)) {
            Some(Step::Persist(range)) => Some(*range),
            _ => None,
        };
        let units = draws.part(draw::UNITS);
        let fate = |unit| match units.below(unit, 3) {
            0 => SyncFate::Durable,
            1 => SyncFate::Readable,
            _ => SyncFate::Lost,
        };
        let covers = |write: &crate::disk::Coverage| match range {
            Some(range) => write.at < range.at + range.length && range.at < write.end,
            None => write.completed < mark || (write.op == op && write.step < step),
        };
        self.nodes[n].devices[d].fail_sync(covers, fate, self.out.pool());
        true
    }

    /// Whether a read of a range fails; otherwise counts what is wrong with what it shows.
    pub(super) fn fails_to_read(&mut self, s: usize, range: Range) -> bool {
        let submission = &self.submissions[s];
        let node = &self.nodes[usize::from(submission.node)];
        let (device, often) = (&node.devices[usize::from(submission.device)], node.disk.read_error);
        let mut fails = !device.is_readable(range, self.now);
        if !fails && often != 0 {
            fails = self.storage_draws(s, Purpose::Damage, READ).chance(draw::FAILS, often);
        }
        if fails {
            self.effects.count(Effect::ReadError);
        } else {
            for wrong in device.wrongs_in(range) {
                self.effects.count(wrong);
            }
        }
        fails
    }

    /// Whether a write about to be carried out will turn out to be lost or misdirected: what it overwrites, and where
    /// it goes instead.
    pub(super) fn suspect(&mut self, s: usize, step: u16, range: Range) -> Option<(Vec<u8>, Option<u64>)> {
        let submission = &self.submissions[s];
        let node = &mut self.nodes[usize::from(submission.node)];
        let disk = node.disk;
        let device = &mut node.devices[usize::from(submission.device)];
        if submission.orphan || range.length == 0 {
            return None;
        }
        let lose = device.take_trick(Trick::LoseWrite);
        let misdirect = !lose && device.take_trick(Trick::Misdirect);
        if !lose && !misdirect && disk.lost_write == 0 && disk.misdirected == 0 {
            return None;
        }
        let (n, d) = (usize::from(submission.node), usize::from(submission.device));
        let draws = self.storage_draws(s, Purpose::Damage, u64::from(step));
        let device = &self.nodes[n].devices[d];
        if lose || (!misdirect && draws.chance(draw::LOST, disk.lost_write)) {
            return Some((device.shown(range), None));
        }
        if misdirect || draws.chance(draw::MISDIRECTED, disk.misdirected) {
            let to = device.draw_elsewhere(range, draws.part(draw::ELSEWHERE))?;
            return Some((device.shown(range), Some(to)));
        }
        None
    }

    /// Something became durable: which suspects turn out now?
    pub(super) fn strike_suspects(&mut self, n: usize, d: usize, scene: &dyn Scene) {
        if self.nodes[n].devices[d].suspects().is_empty() {
            return;
        }
        let mut suspects = core::mem::take(self.nodes[n].devices[d].suspects());
        suspects.retain(|suspect| {
            let device = &self.nodes[n].devices[d];
            let later = match device.standing(suspect) {
                Standing::Gone => return false,
                Standing::Volatile => return true,
                Standing::AtRest { later } => later,
            };
            let kind = if suspect.to.is_some() { DamageKind::Misdirected } else { DamageKind::Lost };
            let elsewhere = suspect.to.map(|at| Range { at, length: suspect.range.length });
            let mut allowed = self.atlas_allows(n, d, kind, suspect.range, later, scene);
            if let Some(elsewhere) = elsewhere
                && allowed
            {
                let later = self.nodes[n].devices[d].has_later(elsewhere);
                allowed = self.nodes[n].devices[d].is_at_rest(elsewhere)
                    && self.atlas_allows(n, d, kind, elsewhere, later, scene);
            }
            if allowed {
                self.nodes[n].devices[d].find_out(suspect);
                self.damages_node(n);
                return false;
            }
            // Perhaps something later will be durable.
            if later {
                self.effects.count(Effect::DamageSpared);
            }
            !later
        });
        let device = &mut self.nodes[n].devices[d];
        suspects.append(device.suspects());
        *device.suspects() = suspects;
    }

    fn damages_node(&mut self, n: usize) {
        self.damaged |= 1 << n;
        self.effects.count(Effect::Damaged);
    }

    /// Whether damage may strike a node at all.
    fn atlas_allows_node(&self, n: usize) -> bool {
        let minority = (self.node_count as u32).saturating_sub(1) / 2;
        self.disk.atlas != Atlas::Minority || (self.damaged | 1 << n).count_ones() <= minority
    }

    fn atlas_allows(
        &self,
        n: usize,
        d: usize,
        kind: DamageKind,
        range: Range,
        later: bool,
        scene: &dyn Scene,
    ) -> bool {
        if self.disk.atlas == Atlas::Off {
            return true;
        }
        let device = &self.nodes[n].devices[d];
        let bytes = if kind == DamageKind::DeviceLost { Vec::new() } else { device.shown(range) };
        let (node, device) = (NodeId(n as u8), DeviceId(d as u8));
        self.atlas_allows_node(n)
            && scene.may_damage(&Damage { node, device, kind, range, bytes: &bytes, later })
    }

    /// A fault of a device strikes.
    pub(crate) fn strike_device(&mut self, n: usize, fault: &Fault, scene: &mut dyn Scene) {
        let trick = match fault {
            Fault::FailSync { device, .. } => (Trick::FailSync, *device),
            Fault::FailWrite { device, .. } => (Trick::FailWrite, *device),
            Fault::LoseWrite { device, .. } => (Trick::LoseWrite, *device),
            Fault::Misdirect { device, .. } => (Trick::Misdirect, *device),
            Fault::Unreadable { device, place, lasts, .. } => {
                return self.make_unreadable(n, usize::from(*device), *place, *lasts, scene);
            }
            Fault::Rot { device, place, bits, .. } => {
                if let Some((range, draws)) =
                    self.find_place(n, usize::from(*device), *place, DamageKind::Rotten, false, scene)
                {
                    self.nodes[n].devices[usize::from(*device)].rot(range, *bits, draws);
                    self.damages_node(n);
                }
                return;
            }
            Fault::LoseDevices { restart_after, .. } => return self.lose_devices(n, *restart_after, scene),
            _ => return,
        };
        if let Some(device) = self.nodes[n].devices().get_mut(usize::from(trick.1)) {
            device.tricks().push(trick.0);
        }
    }

    fn make_unreadable(
        &mut self,
        n: usize,
        d: usize,
        place: Place,
        lasts: Option<u64>,
        scene: &mut dyn Scene,
    ) {
        let passing = lasts.is_some();
        let Some((range, _)) = self.find_place(n, d, place, DamageKind::Unreadable, passing, scene) else {
            return;
        };
        let until = lasts.map_or(u64::MAX, |lasts| self.now.saturating_add(lasts));
        self.nodes[n].devices[d].forbid_reading(range, until);
        if lasts.is_none() {
            self.damages_node(n);
        }
    }

    /// The blocks that a damage falls on, if there are any and the atlas allows it.
    fn find_place(
        &mut self,
        n: usize,
        d: usize,
        place: Place,
        kind: DamageKind,
        passing: bool,
        scene: &dyn Scene,
    ) -> Option<(Range, Draws)> {
        if d >= self.nodes[n].device_count {
            return None;
        }
        let draws =
            Draws::of(self.draw.key(Purpose::Damage, (n << 8 | d) as u64), self.now).part(kind as u64);
        let device = &self.nodes[n].devices[d];
        let mut spared = false;
        for attempt in 0..TRIES {
            let range = match place {
                Place::Drawn(blocks) => device.draw_place(blocks, draws.part(attempt)),
                Place::Range { at, length } => {
                    let range = device.whole_blocks(Range { at, length });
                    (range.length > 0 && device.is_at_rest(range)).then_some(range)
                }
            };
            let Some(range) = range else { break };
            let later = device.has_later(range);
            if passing || self.atlas_allows(n, d, kind, range, later, scene) {
                return Some((range, draws));
            }
            spared = true;
            if matches!(place, Place::Range { .. }) {
                break;
            }
        }
        if spared {
            self.effects.count(Effect::DamageSpared);
        }
        None
    }

    fn lose_devices(&mut self, n: usize, restart_after: Option<u64>, scene: &mut dyn Scene) {
        for d in 0..self.nodes[n].device_count {
            let range = Range { at: 0, length: self.nodes[n].devices[d].geometry().capacity };
            if !self.atlas_allows(n, d, DamageKind::DeviceLost, range, false, scene) {
                self.effects.count(Effect::DamageSpared);
                return;
            }
        }
        self.crash(n, Loss::Power, restart_after, 0, scene);
        let lost: Vec<Geometry> = self.nodes[n].devices().iter().map(|device| device.geometry()).collect();
        let devices = scene.replacement_devices(NodeId(n as u8), &lost);
        self.nodes[n].equip(&devices);
        self.damaged |= 1 << n;
        self.effects.count(Effect::DeviceLost);
    }

    /// The operation failed: it says so as soon as nothing of it is in flight.
    pub(super) fn fail(&mut self, s: usize, why: Failure) {
        self.submissions[s].failed.get_or_insert(why);
    }
}
