//! What can go wrong with devices. Damage shows when a node reads its device again, so most of it is followed by a
//! crash; what cannot be repaired ends in a refusal, and in some runs in another device.

use super::{Draw, MILLI, Sketch, environment};
use seedfast_core::paxos::wire::kind;
use seedfast_sim::{Caches, Cut, Fault, Loss, Nanos, Place, Target};
use std::ops::Range;

fn time(draw: &mut Draw, when: &Range<Nanos>) -> Nanos {
    draw.between(when.start, when.end.max(when.start + 1) - 1)
}

/// The power of a node goes and comes back.
fn power_cut(sketch: &mut Sketch, node: u8, at: Nanos, cut: Cut, restart_after: Nanos) {
    let (target, restart_after) = (Target::Node(node), Some(restart_after));
    sketch.fault(at, Fault::Crash { target, loss: Loss::Power, cut, restart_after });
}

/// A node's writes take long and its power goes in the middle of them, again and again: some are torn.
pub fn torn_writes(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>, times: u64) {
    let (at, node) = (time(draw, when), draw.node(sketch.nodes));
    let mut disk = environment::disk(draw);
    disk.caches = sketch.disk.caches;
    disk.write_max = disk.write_min + draw.between(10, 60) * MILLI;
    disk.sync_max = disk.sync_min + draw.between(10, 60) * MILLI;
    let target = Target::Node(node);
    sketch.fault(at, Fault::DiskDegrade { target, disk, lasts: times * 450 * MILLI });
    let mut strikes = at + draw.between(10, 150) * MILLI;
    for _ in 0..times {
        let restart = draw.between(5, 60) * MILLI;
        let cut = draw.one_of(&[Cut::Tear, Cut::Tear, Cut::AfterWrite, Cut::Now]);
        power_cut(sketch, node, strikes, cut, restart);
        strikes += restart + draw.between(120, 350) * MILLI;
    }
}

/// The power goes everywhere in turn, and each time a write is torn.
pub fn torn_everywhere(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let mut at = time(draw, when);
    for node in 0..sketch.nodes.min(3) {
        power_cut(sketch, node, at, Cut::Tear, draw.between(5, 60) * MILLI);
        at += draw.between(250, 500) * MILLI;
    }
}

/// A sync fails: the process must not go on as if nothing had happened. It starts again later, perhaps after the power
/// has gone too, when what had not been synchronised is lost for good.
pub fn failed_sync(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let (at, node) = (time(draw, when), draw.node(sketch.nodes));
    let target = Target::Node(node);
    sketch.fault(
        at,
        if draw.percent(70) {
            Fault::FailSync { target, device: 0 }
        } else {
            Fault::FailWrite { target, device: 0 }
        },
    );
    let later = at + draw.between(50, 600) * MILLI;
    if draw.percent(50) {
        sketch.fault(later, Fault::Crash { target, loss: Loss::Power, cut: Cut::Now, restart_after: None });
    }
    sketch.fault(later + draw.between(1, 50) * MILLI, Fault::Restart { node });
}

/// A device is full for a while.
pub fn full_disk(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let at = time(draw, when);
    let target = super::faults::anyone(draw, sketch.nodes);
    sketch.fault(at, Fault::DiskFull { target, device: 0, lasts: draw.between(50, 1_800) * MILLI });
    if draw.percent(30) {
        let node = draw.node(sketch.nodes);
        let cut = if draw.percent(50) { Cut::Now } else { Cut::AfterWrite };
        power_cut(sketch, node, at + draw.between(1, 900) * MILLI, cut, draw.between(20, 400) * MILLI);
    }
}

/// Damage of one kind strikes a device, and the node starts again and reads what is left. One in two gets another
/// device if it will not serve from that one.
pub fn damage(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>, node: u8) {
    let at = time(draw, when);
    let target = Target::Node(node);
    let blocks = draw.one_of(&[1, 1, 1, 2, 8]);
    let fault = match draw.between(0, 5) {
        0..=1 => {
            Fault::Rot { target, device: 0, place: Place::Drawn(blocks), bits: draw.one_of(&[1, 1, 3, 17]) }
        }
        2 => Fault::Misdirect { target, device: 0 },
        3 => Fault::LoseWrite { target, device: 0 },
        4 => Fault::Unreadable { target, device: 0, place: Place::Drawn(blocks), lasts: None },
        _ => {
            let lasts = Some(draw.between(10, 400) * MILLI);
            Fault::Unreadable { target, device: 0, place: Place::Drawn(blocks), lasts }
        }
    };
    sketch.fault(at, fault);
    let crash = at + draw.between(5, 400) * MILLI;
    let loss = if draw.percent(70) { Loss::Power } else { Loss::Process };
    let restart_after = Some(draw.between(5, 200) * MILLI);
    sketch.fault(crash, Fault::Crash { target, loss, cut: Cut::Now, restart_after });
    if draw.percent(50) {
        let lost = crash + draw.between(700, 1_500) * MILLI;
        lose_devices(sketch, draw, node, lost);
    }
}

/// A node loses its devices and is given others, which know that they replace something.
pub fn lose_devices(sketch: &mut Sketch, draw: &mut Draw, node: u8, at: Nanos) {
    let restart_after = Some(draw.between(20, 600) * MILLI);
    sketch.fault(at, Fault::LoseDevices { target: Target::Node(node), restart_after });
}

/// Every node has NVM.
pub const ALL_NVM: u64 = 0x7fff;

/// The kinds of message by which snapshots travel.
pub const SNAPSHOT_MESSAGES: [u8; 4] = [kind::SNAPSHOT.0, kind::FETCH.0, kind::PIECE.0, kind::CATCH_UP.0];

/// What the journals stand on: disks, NVM, or some on each; and how much log they hold.
pub fn journal(sketch: &mut Sketch, draw: &mut Draw) {
    sketch.workload.nvm = match draw.between(0, 99) {
        0..=39 => 0,
        40..=64 => ALL_NVM,
        _ => draw.between(1, ALL_NVM - 1),
    };
    sketch.disk.caches = draw.one_of(&[Caches::Relaxed8, Caches::Relaxed8, Caches::Px86, Caches::Eadr]);
    sketch.workload.journal_kib = draw.one_of(&[128, 256, 512, 1_024]);
}

/// A log so small that it wraps around, and is truncated behind snapshots, several times.
pub fn small_journal(sketch: &mut Sketch, draw: &mut Draw) {
    sketch.workload.journal_kib = draw.one_of(&[64, 64, 96, 128]);
    sketch.workload.padding = sketch.workload.padding.min(900);
    // What is open fits the log several times over.
    sketch.workload.window = sketch.workload.window.min(draw.between(3, 8));
    sketch.workload.batch_commands = sketch.workload.batch_commands.min(2);
}

/// A node stays away for seconds: cut off, or down.
pub fn absence(sketch: &mut Sketch, draw: &mut Draw, node: u8, when: &Range<Nanos>) {
    let (at, lasts) = (time(draw, when), draw.between(2_500, 4_000) * MILLI);
    let target = Target::Node(node);
    if draw.percent(50) {
        let loss = if draw.percent(60) { Loss::Power } else { Loss::Process };
        sketch.fault(at, Fault::Crash { target, loss, cut: Cut::Now, restart_after: Some(lasts) });
    } else {
        sketch.fault(at, Fault::Isolate { target, clients_too: draw.percent(50), lasts });
    }
}

/// [`damage`] to anybody.
pub fn any_damage(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let node = draw.node(sketch.nodes);
    damage(sketch, draw, when, node);
}

/// [`lose_devices`] of anybody.
pub fn any_loss(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let (at, node) = (time(draw, when), draw.node(sketch.nodes));
    lose_devices(sketch, draw, node, at);
}
