//! What can go wrong, one family a function. Each adds faults to a sketch, somewhere between two times.

use super::{Draw, MICRO, MILLI, Sketch, environment};
use seedfast_core::paxos::wire::kind;
use seedfast_sim::{Cut, Fault, Loss, Nanos, Target};
use std::ops::Range;

/// A time in `when`.
fn time(draw: &mut Draw, when: &Range<Nanos>) -> Nanos {
    draw.between(when.start, when.end.max(when.start + 1) - 1)
}

/// The leader, or any node.
pub fn anyone(draw: &mut Draw, nodes: u8) -> Target {
    if draw.percent(40) { Target::Focus } else { Target::Node(draw.node(nodes)) }
}

/// A crash that takes the caches with it or not, at any place of a turn. One that waits for a turn with more outputs
/// than turns have would never fall: most have fewer than four.
pub fn crash(draw: &mut Draw, target: Target, restart_after: Nanos) -> Fault {
    let loss = if draw.percent(60) { Loss::Power } else { Loss::Process };
    let cut = match draw.between(0, 9) {
        0..=2 => Cut::Now,
        3..=4 => Cut::AfterOutput(draw.between(0, 2) as u16),
        5..=6 => Cut::Drawn,
        _ => Cut::AfterWrite,
    };
    Fault::Crash { target, loss, cut, restart_after: Some(restart_after) }
}

/// The leader crashes, and before another one is elected two more nodes do (one, if the leader is drawn again): then
/// commands are in flight for certain, for nobody can answer them.
pub fn leader_crash(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let at = time(draw, when);
    let restart = draw.between(150, 1_500) * MILLI;
    let first = crash(draw, Target::Focus, restart);
    sketch.fault(at, first);
    let victim = draw.node(sketch.nodes);
    let soon = at + draw.between(200, 270) * MILLI;
    crash_again(sketch, draw, victim, soon);
    // Whichever of the two was the leader is down already: the other one crashes now.
    let other = (victim + 1) % sketch.nodes;
    let restart = draw.between(100, 800) * MILLI;
    let second = crash(draw, Target::Node(other), restart);
    sketch.fault(soon + draw.between(1, 30) * MILLI, second);
}

/// A node crashes and, in half of the cases, again as soon as it is back: recovery is where the second one falls.
pub fn crash_again(sketch: &mut Sketch, draw: &mut Draw, node: u8, at: Nanos) {
    let restart = draw.between(50, 800) * MILLI;
    let fault = crash(draw, Target::Node(node), restart);
    sketch.fault(at, fault);
    if draw.percent(50) {
        let again = at + restart + draw.between(1, 20_000) * MICRO;
        let restart = draw.between(50, 800) * MILLI;
        let fault = crash(draw, Target::Node(node), restart);
        sketch.fault(again, fault);
    }
}

/// A node's disk is slow and the node crashes again and again, soon back each time: writes are in flight when it goes
/// down, and land when it is back.
pub fn crash_mid_write(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let (at, node) = (time(draw, when), draw.node(sketch.nodes));
    let mut disk = environment::disk(draw);
    disk.write_max = disk.write_min + draw.between(5, 120) * MILLI;
    disk.sync_max = disk.sync_min + draw.between(5, 120) * MILLI;
    let target = Target::Node(node);
    sketch.fault(at, Fault::DiskDegrade { target, disk, lasts: draw.between(400, 1_500) * MILLI });
    let mut strikes = at + draw.between(1, 300) * MILLI;
    for _ in 0..draw.between(1, 4) {
        let restart = draw.between(1, 40_000) * MICRO;
        let loss = if draw.percent(50) { Loss::Power } else { Loss::Process };
        let cut = if draw.percent(50) { Cut::Now } else { Cut::Drawn };
        sketch.fault(strikes, Fault::Crash { target, loss, cut, restart_after: Some(restart) });
        strikes += restart + draw.between(1, 200) * MILLI;
    }
}

/// A node stops being heard, hears everything late, and in most cases its clocks stand still: a leader does not know
/// that it is one no more, and old answers come to it.
pub fn late_ears(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let (at, node) = (time(draw, when), draw.node(sketch.nodes));
    let lasts = draw.between(500, 1_500) * MILLI;
    if draw.percent(70) {
        sketch.fault(at, Fault::Freeze { target: Target::Node(node), lasts });
    }
    for other in (0..sketch.nodes).filter(|other| *other != node) {
        sketch.fault(at, Fault::Clog { from: other, to: node, lasts });
        let later = at + draw.between(0, 100) * MILLI;
        sketch.fault(later, Fault::Sever { from: node, to: other, lasts });
    }
}

/// Any node crashes at any time.
pub fn stray_crash(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let at = time(draw, when);
    let node = draw.node(sketch.nodes);
    if draw.percent(40) {
        let restart = draw.between(50, 2_000) * MILLI;
        let fault = crash(draw, Target::Focus, restart);
        sketch.fault(at, fault);
    } else {
        crash_again(sketch, draw, node, at);
    }
}

/// The power goes everywhere, within milliseconds.
pub fn blackout(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let at = time(draw, when);
    for node in 0..sketch.nodes {
        let restart_after = Some(draw.between(100, 600) * MILLI);
        let cut = if draw.percent(50) { Cut::Now } else { Cut::Drawn };
        let strikes = at + draw.between(0, 5_000) * MICRO;
        sketch.fault(
            strikes,
            Fault::Crash { target: Target::Node(node), loss: Loss::Power, cut, restart_after },
        );
    }
}

/// The leader is cut off for long enough that another one is elected.
pub fn isolation(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let at = time(draw, when);
    let lasts = draw.between(1_200, 2_400) * MILLI;
    sketch.fault(at, Fault::Isolate { target: Target::Focus, clients_too: draw.percent(50), lasts });
}

/// The same, and before the others have elected a leader of their own one of them crashes, with the commands in flight
/// that nobody can answer.
pub fn isolation_and_crash(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let at = time(draw, when);
    isolation(sketch, draw, &(at..at));
    let restart = draw.between(50, 500) * MILLI;
    let target = Target::Node(draw.node(sketch.nodes));
    let fault = crash(draw, target, restart);
    sketch.fault(at + draw.between(200, 290) * MILLI, fault);
}

/// Nodes and clients fall into two or three groups.
pub fn partition(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let at = time(draw, when);
    let mut groups = vec![Vec::new(); draw.between(2, 3) as usize];
    for endpoint in 0..sketch.nodes + sketch.workers + 1 {
        let group = draw.between(0, groups.len() as u64 - 1) as usize;
        groups[group].push(endpoint);
    }
    sketch.fault(at, Fault::Partition { groups, lasts: Some(draw.between(200, 2_500) * MILLI) });
}

/// One direction between two nodes is cut, flaps, or holds its messages back.
pub fn bad_link(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let at = time(draw, when);
    let from = draw.node(sketch.nodes);
    let to = (from + 1 + draw.node(sketch.nodes - 1)) % sketch.nodes;
    let lasts = draw.between(100, 2_500) * MILLI;
    let fault = match draw.between(0, 2) {
        0 => Fault::Sever { from, to, lasts },
        1 => Fault::Flap { from, to, period: draw.between(5, 300) * MILLI, lasts },
        _ => Fault::Clog { from, to, lasts },
    };
    sketch.fault(at, fault);
}

/// Everything that one node says is held back and heard late: if it led, another leader has been elected meanwhile, and
/// one acceptor may have missed that one's prepare.
pub fn late_voice(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let at = time(draw, when);
    let from = draw.node(sketch.nodes);
    let lasts = draw.between(700, 2_000) * MILLI;
    for to in (0..sketch.nodes).filter(|to| *to != from) {
        sketch.fault(at, Fault::Clog { from, to, lasts });
    }
    if draw.percent(60) {
        let to = Some((from + 1 + draw.node(sketch.nodes - 1)) % sketch.nodes);
        sketch.fault(at, Fault::Starve { message: kind::PREPARE.0, to, lasts });
    }
}

/// All links, or one, are worse for a while.
pub fn degrade(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let at = time(draw, when);
    let network = environment::unreliable(environment::network(draw), draw, 300_000);
    let one = draw.percent(50);
    let from = one.then(|| draw.node(sketch.nodes));
    let to = from.map(|from| (from + 1) % sketch.nodes);
    sketch.fault(at, Fault::Degrade { from, to, network, lasts: draw.between(200, 2_000) * MILLI });
}

/// One kind of message does not get through.
pub fn starve(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let at = time(draw, when);
    let (message, _) = draw.one_of(&kind::ALL);
    let to = draw.percent(50).then(|| draw.node(sketch.nodes));
    sketch.fault(at, Fault::Starve { message: message.0, to, lasts: draw.between(100, 1_500) * MILLI });
}

/// A node stands still, or every turn of it takes long.
pub fn sluggish(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let at = time(draw, when);
    let target = anyone(draw, sketch.nodes);
    let fault = if draw.percent(60) {
        Fault::Pause { target, lasts: draw.between(20, 1_800) * MILLI, sampled: draw.percent(50) }
    } else {
        let turn = draw.between(100, 8_000) * MICRO;
        Fault::Slow { target, turn, lasts: draw.between(100, 1_000) * MILLI }
    };
    sketch.fault(at, fault);
}

/// A clock runs at another rate (at most so many parts per billion off), jumps, or stands still.
pub fn odd_clock(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>, drift: u64) {
    let at = time(draw, when);
    let target = anyone(draw, sketch.nodes);
    let fault = match draw.between(0, 2) {
        0 => Fault::Drift { target, drift: draw.around_zero(drift) },
        1 => Fault::Step { target, by: draw.around_zero(100 * super::SECOND) },
        _ => Fault::Freeze { target, lasts: draw.between(10, 2_000) * MILLI },
    };
    sketch.fault(at, fault);
}

/// A node's device gets slow and stalls.
pub fn tired_disk(sketch: &mut Sketch, draw: &mut Draw, when: &Range<Nanos>) {
    let at = time(draw, when);
    let target = anyone(draw, sketch.nodes);
    let mut disk = environment::disk(draw);
    disk.stall = draw.between(10_000, 400_000) as u32;
    disk.stall_max = draw.between(20, 600) * MILLI;
    sketch.fault(at, Fault::DiskDegrade { target, disk, lasts: draw.between(200, 2_000) * MILLI });
}
