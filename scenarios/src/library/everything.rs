//! The default mix: every family of faults, in another combination for each seed.
//!
//! Two things happen in every run, because a run without them proves little: the leader crashes while clients are
//! busy and recovers, and a leader is cut off for long enough that another one decides commands in its place (a third
//! node crashes meanwhile). Around these, each family is in the swarm or left out (Groce and others, "Swarm Testing", 2012): more crashes, in recovery
//! too; a blackout; partitions and bad links; loss, duplication, reordering and damage; starved kinds of messages;
//! pauses and slow turns; odd clocks; tired, failing, full, damaged and lost devices; small journals, windows, batches and session tables.

use super::Mix;
use crate::sampler::{Draw, Draws, MILLI, Sketch, environment, faults, media};
use crate::strange;
use seedfast_sim::{Nanos, Plan};
use std::ops::Range;

/// See the module.
pub const EVERYTHING: Mix = Mix {
    name: "everything",
    about: "the default mix: crashes, partitions, odd clocks, bad networks and disks",
    plan,
};

/// A fifth too fast, or too slow.
const DRIFT: u64 = 200_000_000;

fn plan(seed: u64) -> Plan {
    let draws = Draws::new("everything", seed);
    let mut draw = draws.of("cluster");
    let (nodes, workers) = (draw.one_of(&[3, 3, 5, 5, 5, 7]), draw.between(5, 6) as u8);
    let mut sketch = Sketch::calm(nodes, workers, draw.between(130, 200), draw.between(6_600, 8_000) * MILLI);
    environment(&mut sketch, &draws);
    limits(&mut sketch, &mut draws.of("limits"));

    faults::leader_crash(&mut sketch, &mut draws.of("leader crash"), &(900 * MILLI..1_500 * MILLI));
    faults::isolation_and_crash(&mut sketch, &mut draws.of("isolation"), &(2_800 * MILLI..3_400 * MILLI));
    if draws.of("second isolation?").percent(97) {
        faults::isolation(&mut sketch, &mut draws.of("second isolation"), &(4_600 * MILLI..5_200 * MILLI));
    }

    // Writes are torn in every run: while they take long, the power goes in the middle of some.
    let mut draw = draws.of("torn writes");
    media::torn_everywhere(&mut sketch, &mut draw, &(1_600 * MILLI..2_200 * MILLI));
    media::torn_everywhere(&mut sketch, &mut draw, &(1_550 * MILLI..1_600 * MILLI));
    let times = draw.between(2, 4);
    media::torn_writes(&mut sketch, &mut draw, &(3_400 * MILLI..4_000 * MILLI), times);

    // Trouble of other kinds begins before these and goes on behind them.
    let when = 500 * MILLI..sketch.heal - 400 * MILLI;
    let families: [(&str, u64, u64, Family); 14] = [
        ("stray crashes", 50, 3, faults::stray_crash),
        ("crashes mid-write", 50, 3, faults::crash_mid_write),
        ("late ears", 40, 3, faults::late_ears),
        ("blackout", 15, 1, faults::blackout),
        ("partitions", 30, 2, faults::partition),
        ("bad links", 40, 4, faults::bad_link),
        ("late voices", 35, 2, faults::late_voice),
        ("degraded", 30, 2, faults::degrade),
        ("starved", 30, 2, faults::starve),
        ("sluggish", 40, 3, faults::sluggish),
        ("odd clocks", 40, 4, |sketch, draw, when| faults::odd_clock(sketch, draw, when, DRIFT)),
        ("tired disks", 30, 2, faults::tired_disk),
        ("failed syncs", 15, 2, media::failed_sync),
        ("full disks", 15, 2, media::full_disk),
    ];
    // Who has lost its memory votes no more, and a cluster that lacks one cannot lose a leader too: that comes last.
    let late = 4_000 * MILLI..when.end;
    let lasting: [(&str, u64, u64, Family); 2] =
        [("damage", 25, 2, media::any_damage), ("lost devices", 15, 1, media::any_loss)];
    let all = families.map(|family| (family, &when)).into_iter().chain(lasting.map(|family| (family, &late)));
    for ((name, percent, most, family), when) in all {
        let mut draw = draws.of(name);
        if draw.percent(percent) {
            (0..draw.between(1, most)).for_each(|_| family(&mut sketch, &mut draw, when));
        }
    }
    sketch.plan()
}

type Family = fn(&mut Sketch, &mut Draw, &Range<Nanos>);

fn environment(sketch: &mut Sketch, draws: &Draws) {
    let mut draw = draws.of("network");
    sketch.network = environment::network(&mut draw);
    if draw.percent(40) {
        sketch.network = environment::unreliable(sketch.network, &mut draw, 40_000);
    }
    sketch.disk = environment::disk(&mut draws.of("disk"));
    media::journal(sketch, &mut draws.of("journal"));
    sketch.turns = environment::turns(&mut draws.of("turns"));
    let mut draw = draws.of("clocks");
    if draw.percent(60) {
        sketch.clocks = environment::clocks(&mut draw, sketch.nodes, DRIFT);
    }
}

/// Limits so small that they are reached.
fn limits(sketch: &mut Sketch, draw: &mut Draw) {
    let workload = &mut sketch.workload;
    workload.strange = if draw.percent(50) { draw.between(1, strange::KINDS) } else { 0 };
    workload.lists = draw.between(1, 6);
    workload.read_percent = draw.between(10, 40);
    if draw.percent(25) {
        workload.window = draw.between(1, 4);
    }
    workload.eager = draw.one_of(&[1, 1, 1, 2, 4_096]);
    // Messages of the simulated network take milliseconds.
    workload.gather_micros = draw.one_of(&[1_000, 1_000, 0, 20_000, 100_000]);
    workload.rest_micros = draw.one_of(&[10_000, 10_000, 0, 1_000, 100_000]);
    if draw.percent(25) {
        workload.batch_commands = draw.between(1, 3);
    }
    if draw.percent(15) {
        workload.sessions = draw.between(2, 8);
    }
    if draw.percent(10) {
        workload.log_kib = draw.between(20, 60);
    }
    // Records that span sectors can be torn on disks too.
    workload.padding = draw.between(400, 1_500);
    if draw.percent(35) {
        media::small_journal(sketch, draw);
    }
}
