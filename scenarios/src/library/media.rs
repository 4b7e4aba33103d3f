//! Devices that tear, fail, fill up, rot and get lost, each kind alone; `everything` has all of them.
//!
//! What a device forgets must be what it may forget: nothing that was promised, voted for or acknowledged. What it
//! damages must be found out: a node whose journal was damaged below its mark refuses to serve, and one whose device
//! was replaced learns and never votes. The atlas strikes at most a minority of the nodes, and spares what no journal
//! could find out (`docs/journal.md` says what that is); `no-good-copy` strikes everybody, and the verdict must be that
//! nobody serves, never that somebody serves something wrong.

use super::Mix;
use crate::sampler::{Draw, Draws, MILLI, SECOND, Sketch, environment, faults, media};
use crate::strange;
use seedfast_sim::{Atlas, Caches, Fault, Nanos, Plan};
use std::ops::Range;

/// Writes to disks are torn by power cuts.
pub const TORN_DISK: Mix = Mix {
    name: "torn-disk",
    about: "power goes in the middle of writes to disks, again and again",
    plan: torn_disk,
};
/// Stores to NVM are torn by power cuts.
pub const TORN_NVM: Mix = Mix {
    name: "torn-nvm",
    about: "power goes, or the process dies, between any two stores, flushes and fences to NVM",
    plan: torn_nvm,
};
/// Devices rot, lose writes and put them elsewhere.
pub const BIT_ROT: Mix = Mix {
    name: "bit-rot",
    about: "devices of a minority rot, lose writes, put them elsewhere, and cannot be read in places",
    plan: bit_rot,
};
/// Everybody's devices are damaged.
pub const NO_GOOD_COPY: Mix = Mix {
    name: "no-good-copy",
    about: "devices of everybody are damaged: nobody may serve anything wrong, and nobody needs to serve",
    plan: no_good_copy,
};
/// Devices are full for a while.
pub const FULL_DISK: Mix =
    Mix { name: "full-disk", about: "devices are full for a while, with small journals", plan: full_disk };
/// Devices are slow, stall, and fail to sync.
pub const SLOW_DISK: Mix = Mix {
    name: "slow-disk",
    about: "devices are slow and stall, and a sync fails now and then",
    plan: slow_disk,
};
/// Devices are lost.
pub const AMNESIA: Mix = Mix {
    name: "amnesia",
    about: "nodes lose their devices and are given others, wrong ones too: they learn and never vote again",
    plan: amnesia,
};
/// Snapshots are taken, sent and installed all the time.
pub const SNAPSHOTS: Mix = Mix {
    name: "snapshots",
    about: "small journals: snapshots are taken, sent and installed under crashes and partitions",
    plan: snapshots,
};

/// The cluster and its surroundings, as all of these scenarios have them.
fn cluster(draws: &Draws) -> Sketch {
    let mut draw = draws.of("cluster");
    let (nodes, workers) = (draw.one_of(&[3, 3, 5, 5, 7]), draw.between(3, 6) as u8);
    let heal = draw.between(6_000, 8_000) * MILLI;
    let mut sketch = Sketch::calm(nodes, workers, draw.between(130, 220), heal);
    sketch.network = environment::network(&mut draws.of("network"));
    sketch.disk = environment::disk(&mut draws.of("disk"));
    sketch.turns = environment::turns(&mut draws.of("turns"));
    sketch.workload.padding = draw.between(300, 1_400);
    media::journal(&mut sketch, &mut draws.of("journal"));
    sketch
}

/// From the first election to shortly before the heal.
fn when(sketch: &Sketch) -> Range<Nanos> {
    SECOND..sketch.heal - 600 * MILLI
}

fn several(
    sketch: &mut Sketch,
    draw: &mut Draw,
    least: u64,
    most: u64,
    family: fn(&mut Sketch, &mut Draw, &Range<Nanos>),
) {
    let when = when(sketch);
    (0..draw.between(least, most)).for_each(|_| family(sketch, draw, &when));
}

fn torn_disk(seed: u64) -> Plan {
    let draws = Draws::new("torn-disk", seed);
    let mut sketch = cluster(&draws);
    sketch.workload.nvm = 0;
    torn(&mut sketch, &draws);
    sketch.plan()
}

fn torn_nvm(seed: u64) -> Plan {
    let draws = Draws::new("torn-nvm", seed);
    let mut sketch = cluster(&draws);
    sketch.workload.nvm = media::ALL_NVM;
    sketch.disk.caches =
        draws.of("caches").one_of(&[Caches::Relaxed8, Caches::Relaxed8, Caches::Px86, Caches::Eadr]);
    torn(&mut sketch, &draws);
    sketch.plan()
}

fn torn(sketch: &mut Sketch, draws: &Draws) {
    let when = when(sketch);
    let mut draw = draws.of("torn writes");
    for _ in 0..draw.between(2, 3) {
        let times = draw.between(2, 5);
        media::torn_writes(sketch, &mut draw, &when, times);
    }
    several(sketch, &mut draws.of("leader crashes"), 1, 2, faults::leader_crash);
    several(sketch, &mut draws.of("stray crashes"), 0, 3, faults::stray_crash);
    let mut draw = draws.of("blackout");
    if draw.percent(40) {
        faults::blackout(sketch, &mut draw, &when);
    }
}

fn bit_rot(seed: u64) -> Plan {
    let draws = Draws::new("bit-rot", seed);
    let mut sketch = cluster(&draws);
    let when = when(&sketch);
    let mut draw = draws.of("damage");
    // More victims than the atlas allows: it is the atlas that says who.
    for _ in 0..draw.between(2, 5) {
        let node = draw.node(sketch.nodes);
        media::damage(&mut sketch, &mut draw, &when, node);
    }
    several(&mut sketch, &mut draws.of("stray crashes"), 0, 2, faults::stray_crash);
    sketch.plan()
}

fn no_good_copy(seed: u64) -> Plan {
    let draws = Draws::new("no-good-copy", seed);
    let mut sketch = cluster(&draws);
    sketch.disk.atlas = Atlas::Everybody;
    let mut draw = draws.of("damage");
    let when = 2 * SECOND..sketch.heal - SECOND;
    for node in 0..sketch.nodes {
        for _ in 0..draw.between(1, 3) {
            media::damage(&mut sketch, &mut draw, &when, node);
        }
    }
    sketch.plan()
}

fn full_disk(seed: u64) -> Plan {
    let draws = Draws::new("full-disk", seed);
    let mut sketch = cluster(&draws);
    sketch.workload.nvm = 0;
    several(&mut sketch, &mut draws.of("full disks"), 2, 6, media::full_disk);
    several(&mut sketch, &mut draws.of("stray crashes"), 0, 2, faults::stray_crash);
    sketch.plan()
}

fn slow_disk(seed: u64) -> Plan {
    let draws = Draws::new("slow-disk", seed);
    let mut sketch = cluster(&draws);
    sketch.disk.stall = draws.of("stalls").between(1_000, 50_000) as u32;
    sketch.disk.stall_max = draws.of("how long").between(20, 500) * MILLI;
    several(&mut sketch, &mut draws.of("tired disks"), 2, 5, faults::tired_disk);
    several(&mut sketch, &mut draws.of("failed syncs"), 1, 3, media::failed_sync);
    several(&mut sketch, &mut draws.of("stray crashes"), 0, 2, faults::stray_crash);
    sketch.plan()
}

fn amnesia(seed: u64) -> Plan {
    let draws = Draws::new("amnesia", seed);
    let mut sketch = cluster(&draws);
    let when = when(&sketch);
    let mut draw = draws.of("lost devices");
    for _ in 0..draw.between(1, 3) {
        let (at, node) = (draw.between(when.start, when.end), draw.node(sketch.nodes));
        media::lose_devices(&mut sketch, &mut draw, node, at);
    }
    let mut draw = draws.of("strange devices");
    if draw.percent(70) {
        sketch.workload.strange = draw.between(1, strange::KINDS);
        // Somebody notices, and brings another one.
        let (at, node) = (draw.between(when.start, when.start + SECOND), draw.node(sketch.nodes));
        media::lose_devices(&mut sketch, &mut draw, node, at);
        media::lose_devices(&mut sketch, &mut draw, node, at + SECOND);
    }
    several(&mut sketch, &mut draws.of("stray crashes"), 1, 3, faults::stray_crash);
    let mut draw = draws.of("isolation");
    if draw.percent(60) {
        faults::isolation(&mut sketch, &mut draw, &when);
    }
    sketch.plan()
}

fn snapshots(seed: u64) -> Plan {
    let draws = Draws::new("snapshots", seed);
    let mut sketch = cluster(&draws);
    sketch.workload.commands = draws.of("commands").between(250, 400);
    sketch.workload.think_micros /= 2;
    media::small_journal(&mut sketch, &mut draws.of("small journal"));
    let when = when(&sketch);
    // Somebody stays away for long enough that the others have truncated what it lacks.
    let mut draw = draws.of("absence");
    let node = draw.node(sketch.nodes);
    media::absence(&mut sketch, &mut draw, node, &(SECOND..2 * SECOND));
    several(&mut sketch, &mut draws.of("stray crashes"), 1, 4, faults::stray_crash);
    several(&mut sketch, &mut draws.of("crashes mid-write"), 0, 2, faults::crash_mid_write);
    several(&mut sketch, &mut draws.of("isolation"), 0, 2, faults::isolation);
    several(&mut sketch, &mut draws.of("degraded"), 0, 1, faults::degrade);
    let mut draw = draws.of("starved");
    if draw.percent(40) {
        let to = draw.percent(50).then(|| draw.node(sketch.nodes));
        let message = draw.one_of(&media::SNAPSHOT_MESSAGES);
        let (at, lasts) = (draw.between(when.start, when.end), draw.between(100, 1_500) * MILLI);
        sketch.fault(at, Fault::Starve { message, to, lasts });
    }
    sketch.plan()
}
