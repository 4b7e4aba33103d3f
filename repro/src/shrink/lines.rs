//! A case in lines for people: one for each fault, with what it came to in the run, and one for each setting that is
//! not as on a calm day.

use super::case::{CALM_NETWORK, Case, calm_disk, time};
use seedfast_core::Media;
use seedfast_sim::trace::{Event, ImageWrite, Reader, Reason, What, Who};
use seedfast_sim::{Clock, Disk, Fault, Network, Schedule};
use std::collections::BTreeMap;

/// Every fault of a case as a line; `trace` is that of its run.
pub(crate) fn faults(case: &Case, trace: &[u8]) -> Vec<String> {
    let struck = struck(trace);
    let faults = &case.plan.schedule.faults;
    let line = |(number, timed): (usize, &seedfast_sim::Timed)| {
        let mut text = words(&timed.fault);
        if let Some(struck) = struck.get(&(number as u32)) {
            text = told(&text, struck);
        }
        format!("t={} {text}", time(timed.at))
    };
    faults.iter().enumerate().map(line).collect()
}

/// A fault in words; of what it does to a network or a device only what is not as on a calm day.
fn words(fault: &Fault) -> String {
    let text = fault.to_string();
    let unlike = match fault {
        Fault::Degrade { network, .. } => of_network(network),
        Fault::DiskDegrade { disk, .. } => of_disk(disk),
        _ => return text,
    };
    let head = text.split_once(": ").map_or(text.as_str(), |(head, _)| head);
    let unlike = if unlike.is_empty() { "calm".to_owned() } else { unlike.join(", ") };
    format!("{head}: {unlike}")
}

/// What a fault came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Struck {
    /// Whom it struck.
    node: Option<u8>,
    /// In which turn of that life of the node a crash fell, from 1, and behind how many of its effects.
    cut: Option<(u64, u64)>,
    /// What a loss of power kept, in words.
    kept: Vec<String>,
}

/// How far a node is.
#[derive(Default)]
struct Progress {
    turns: u64,
    /// Effects of the present turn.
    effects: u64,
    /// The crash that waits for its place in a turn, or fell last.
    crash: Option<u32>,
    /// What its devices are.
    media: Vec<Media>,
}

/// What each fault of a run came to, by its number.
fn struck(trace: &[u8]) -> BTreeMap<u32, Struck> {
    let mut found: BTreeMap<u32, Struck> = BTreeMap::new();
    let mut nodes: BTreeMap<u8, Progress> = BTreeMap::new();
    for event in Reader::new(trace).into_iter().flatten().map_while(Result::ok) {
        if let What::Fault { number, target, text } = event.what {
            found.insert(number, Struck { node: target, ..Struck::default() });
            let crashes = ["crash ", "power loss "].iter().any(|head| text.starts_with(head));
            if let Some(node) = target.filter(|_| crashes || text.contains(" loses its devices")) {
                nodes.entry(node).or_default().crash = Some(number);
            }
        }
        let Who::Node(number) = event.who else { continue };
        note(&event, nodes.entry(number).or_default(), &mut found);
    }
    found
}

fn note(event: &Event<'_>, node: &mut Progress, found: &mut BTreeMap<u32, Struck>) {
    match &event.what {
        What::Turn { reason, .. } => {
            node.turns += 1;
            node.effects = 0;
            if let Reason::Start { devices, .. } = reason {
                node.turns = 1;
                node.media = devices.iter().map(|device| device.media).collect();
            }
        }
        What::Send { .. }
        | What::SetTimer { .. }
        | What::Submit { .. }
        | What::Read { .. }
        | What::Respond { .. }
        | What::Unsupported { .. }
        | What::Peer { .. }
        | What::Halt { .. } => node.effects += 1,
        What::Down { .. } => {
            if let Some(struck) = node.crash.and_then(|crash| found.get_mut(&crash)) {
                struck.cut = Some((node.turns, node.effects));
            }
        }
        What::Image { device, writes } => {
            let is_nvm = node.media.get(usize::from(*device)) == Some(&Media::Nvm);
            if let Some(struck) = node.crash.and_then(|crash| found.get_mut(&crash)) {
                struck.kept.extend(kept(writes, if is_nvm { "words" } else { "sectors" }));
            }
        }
        _ => {}
    }
}

/// The most writes of which each is told by itself.
const WRITES: usize = 3;

/// What is left of writes that were not durable; `units` is what the device's atomic units are called.
fn kept(writes: &[ImageWrite<'_>], units: &str) -> Option<String> {
    let survived = |write: &ImageWrite<'_>| {
        let is_kept = |unit: u32| write.survived[unit as usize / 8] >> (unit % 8) & 1 == 1;
        (0..write.units).filter(|unit| is_kept(*unit)).collect::<Vec<_>>()
    };
    let counts: Vec<usize> = writes.iter().map(|write| survived(write).len()).collect();
    let all = writes.iter().zip(&counts).filter(|(write, count)| write.units as usize == **count).count();
    let none = counts.iter().filter(|count| **count == 0).count();
    let of = |count: usize| if count == 1 { "write".to_owned() } else { format!("{count} writes") };
    if writes.is_empty() {
        return None;
    }
    if none == writes.len() {
        return Some(format!("keeping nothing of the last {}", of(writes.len())));
    }
    if all == writes.len() {
        return Some(format!("keeping the last {}", of(writes.len())));
    }
    if writes.len() > WRITES {
        let torn = writes.len() - all - none;
        return Some(format!("keeping {all} of the last {} writes and parts of {torn} more", writes.len()));
    }
    let tell = |write: &ImageWrite<'_>| {
        format!("{units} 0b{} of {} at {}", survived_bits(write), write.units, write.at)
    };
    Some(format!("keeping {}", writes.iter().map(tell).collect::<Vec<_>>().join(" and ")))
}

/// The units that survived as binary digits, the first unit last, as numbers are written; the first 64 of them.
fn survived_bits(write: &ImageWrite<'_>) -> String {
    let bit = |unit: u32| if write.survived[unit as usize / 8] >> (unit % 8) & 1 == 1 { '1' } else { '0' };
    (0..write.units.min(64)).rev().map(bit).collect()
}

/// A fault's words with what it came to put in.
fn told(words: &str, struck: &Struck) -> String {
    let mut text = words.to_owned();
    if let Some(node) = struck.node {
        text = text.replacen("focus", &format!("n{node} (in focus)"), 1);
    }
    if let Some((turn, effects)) = struck.cut {
        let place = format!(" after output {effects} of turn {turn}");
        let general = [" inside a turn", " with a write in flight", " tearing a write"];
        if let Some(at) = text.find(" of a turn") {
            text.replace_range(at..at + " of a turn".len(), &format!(" of turn {turn}"));
        } else if let Some(found) = general.iter().find(|general| text.contains(**general)) {
            let more = if *found == " inside a turn" { "" } else { found };
            text = text.replacen(*found, &format!("{place}{more}"), 1);
        }
    }
    for kept in &struck.kept {
        text.push_str(", ");
        text.push_str(kept);
    }
    text
}

/// Every setting of a case that is not as on a calm day, as a line.
pub(crate) fn settings(case: &Case, calm: &BTreeMap<String, u64>) -> Vec<String> {
    let Schedule { network, disk, turns, clocks, .. } = &case.plan.schedule;
    let mut lines = Vec::new();
    for (name, value) in &case.plan.workload {
        if *value != calm.get(name).copied().unwrap_or_default() {
            lines.push(format!("workload: {name} {value}"));
        }
    }
    lines.extend(of_network(network).into_iter().map(|line| format!("network: {line}")));
    lines.extend(of_disk(disk).into_iter().map(|line| format!("devices: {line}")));
    if turns.burst > 0 {
        lines.push(format!("bursts: {} ppm, up to {}", turns.burst, time(turns.burst_max)));
    }
    for (node, Clock { monotonic_offset, wall_offset, drift }) in clocks.iter().enumerate() {
        if *monotonic_offset != 0 {
            lines.push(format!("clocks of n{node}: monotonic from {}", time(*monotonic_offset)));
        }
        if *wall_offset != 0 {
            lines.push(format!("clocks of n{node}: wall {wall_offset:+} ns"));
        }
        if *drift != 0 {
            lines.push(format!("clocks of n{node}: {drift:+} ppb"));
        }
    }
    lines
}

fn of_network(network: &Network) -> Vec<String> {
    let (n, calm) = (network, CALM_NETWORK);
    let mut lines = Vec::new();
    if n.latency_min != n.latency_max {
        lines.push(format!("latency {} to {}", time(n.latency_min), time(n.latency_max)));
    } else if n.latency_min != calm.latency_min {
        lines.push(format!("latency always {}", time(n.latency_min)));
    }
    if n.tail > 0 {
        lines.push(format!("{} ppm up to {} later", n.tail, time(n.tail_max)));
    }
    let troubles = [
        ("loss", n.loss),
        ("duplication", n.duplication),
        ("reordering", n.reordering),
        ("corruption", n.corruption),
    ];
    lines.extend(troubles.iter().filter(|(_, ppm)| *ppm > 0).map(|(name, ppm)| format!("{name} {ppm} ppm")));
    if n.throttle > 0 {
        lines.push(format!("{} bytes a second", n.throttle));
    }
    lines
}

fn of_disk(disk: &Disk) -> Vec<String> {
    let (d, calm) = (disk, calm_disk());
    let mut lines = Vec::new();
    let range = |name: &str, (least, most): (u64, u64), calm: u64| match (least == most, least == calm) {
        (true, true) => None,
        (true, false) => Some(format!("{name} always {}", time(least))),
        (false, _) => Some(format!("{name} {} to {}", time(least), time(most))),
    };
    lines.extend(range("write", (d.write_min, d.write_max), calm.write_min));
    lines.extend(range("sync", (d.sync_min, d.sync_max), calm.sync_min));
    if d.stall > 0 {
        lines.push(format!("stall {} ppm of {}", d.stall, time(d.stall_max)));
    }
    let failures = [
        ("sync_failure", d.sync_failure),
        ("write_error", d.write_error),
        ("no_space", d.no_space),
        ("read_error", d.read_error),
        ("lost_write", d.lost_write),
        ("misdirected", d.misdirected),
    ];
    lines.extend(failures.iter().filter(|(_, ppm)| *ppm > 0).map(|(name, ppm)| format!("{name} {ppm} ppm")));
    if d.caches != calm.caches {
        lines.push(format!("caches {:?}", d.caches));
    }
    if d.atlas != calm.atlas {
        lines.push(format!("damage may strike {:?}", d.atlas));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(units: u32, survived: &[u8]) -> ImageWrite<'_> {
        let op = seedfast_core::OperationId { incarnation: seedfast_core::Incarnation(1), number: 1 };
        ImageWrite { op, step: 0, at: 4096, units, survived }
    }

    #[test]
    fn what_a_power_loss_kept_is_told_shortly() {
        let all = |writes: &[ImageWrite<'_>]| kept(writes, "words").unwrap_or_default();
        assert_eq!(all(&[]), "");
        assert_eq!(all(&[write(2, &[0])]), "keeping nothing of the last write");
        assert_eq!(all(&[write(2, &[3]), write(1, &[1])]), "keeping the last 2 writes");
        assert_eq!(all(&[write(2, &[1])]), "keeping words 0b01 of 2 at 4096");
        let many = [write(1, &[1]), write(1, &[0]), write(2, &[2]), write(1, &[0])];
        assert_eq!(all(&many), "keeping 1 of the last 4 writes and parts of 1 more");
    }

    #[test]
    fn of_a_bad_link_only_what_is_bad_is_told() {
        let network = Network { loss: 9, ..CALM_NETWORK };
        let fault = Fault::Degrade { from: Some(1), to: None, network, lasts: 1_000_000_000 };
        assert_eq!(words(&fault), "degrade 1 -> all for 1.000s: loss 9 ppm");
        let (disk, target) = (calm_disk(), seedfast_sim::Target::Node(2));
        let fault = Fault::DiskDegrade { target, disk, lasts: 1_000_000_000 };
        assert_eq!(words(&fault), "degrade the devices of n2 for 1.000s: calm");
    }

    #[test]
    fn a_crash_says_in_which_turn_it_fell() {
        let struck = Struck { node: Some(2), cut: Some((118, 3)), kept: vec!["keeping words 0b01".into()] };
        let cases = [
            (
                "crash focus after output 3 of a turn, no restart",
                "crash n2 (in focus) after output 3 of turn 118, no restart",
            ),
            (
                "power loss n2 inside a turn, no restart",
                "power loss n2 after output 3 of turn 118, no restart",
            ),
            (
                "power loss n2 tearing a write, no restart",
                "power loss n2 after output 3 of turn 118 tearing a write, no restart",
            ),
            ("crash n2, no restart", "crash n2, no restart"),
        ];
        for (words, expected) in cases {
            assert_eq!(told(words, &struck), format!("{expected}, keeping words 0b01"));
        }
    }
}
