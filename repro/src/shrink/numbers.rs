//! Every number of a plan that can be made simpler, and what is simpler than a number.

use super::case::{CALM_NETWORK, calm_disk, digits};
use seedfast_sim::{Clock, Cut, Disk, Fault, Network, Place, Plan, Schedule};
use std::collections::BTreeMap;

/// A number of a plan, and how another one is put in its place.
pub(crate) struct Knob {
    pub(crate) value: u64,
    /// What it is when nothing happens.
    pub(crate) calm: u64,
    set: Setter,
}

type Setter = Box<dyn Fn(&mut Plan, u64)>;

impl Knob {
    fn new(value: u64, calm: u64, set: impl Fn(&mut Plan, u64) + 'static) -> Self {
        Knob { value, calm, set: Box::new(set) }
    }

    /// The same plan with another number.
    pub(crate) fn with(&self, plan: &Plan, value: u64) -> Plan {
        let mut plan = plan.clone();
        (self.set)(&mut plan, value);
        plan
    }
}

/// What may be simpler than `value`, the simplest first: the calm number, numbers with fewer digits, numbers nearer to the
/// calm one.
pub(crate) fn simpler(value: u64, calm: u64) -> Vec<u64> {
    let mut found = vec![calm];
    let length = value.checked_ilog10().map_or(0, |log| log + 1);
    for kept in 1..digits(value) {
        let step = 10_u64.pow(length - kept);
        found.extend([value / step * step, value.div_ceil(step).saturating_mul(step)]);
    }
    // Half of the way, a quarter of it, and so on, in steps of the last digit but one: 100, 50, 80, 90.
    let unit = 10_u64.pow(length.saturating_sub(digits(value).max(1) + 1));
    let distance = value.abs_diff(calm);
    for divisor in [2, 4, 8, 16] {
        let nearer = distance / divisor / unit * unit;
        found.push(if calm < value { value - nearer } else { value + nearer });
    }
    found.push(if calm < value { value - unit.min(distance) } else { value + unit.min(distance) });
    let mut unique = Vec::new();
    for number in found {
        if number != value && !unique.contains(&number) {
            unique.push(number);
        }
    }
    unique
}

/// All numbers of a plan that differ from calm ones, for a scenario whose calm workload is `calm`.
pub(crate) fn knobs(plan: &Plan, calm: &BTreeMap<String, u64>) -> Vec<Knob> {
    let mut knobs = Vec::new();
    for (name, value) in &plan.workload {
        let (name, calm) = (name.clone(), calm.get(name).copied().unwrap_or_default());
        knobs.push(Knob::new(*value, calm, move |plan, value| {
            plan.workload.insert(name.clone(), value);
        }));
    }
    let Schedule { network, disk, turns, clocks, faults, end, .. } = &plan.schedule;
    of_network(&mut knobs, network, |plan| Some(&mut plan.schedule.network));
    of_disk(&mut knobs, disk, |plan| Some(&mut plan.schedule.disk));
    knobs.push(Knob::new(turns.burst.into(), 0, |plan, value| plan.schedule.turns.burst = value as u32));
    knobs.push(Knob::new(turns.burst_max, 0, |plan, value| plan.schedule.turns.burst_max = value));
    for (index, clock) in clocks.iter().enumerate() {
        of_clock(&mut knobs, *clock, index);
    }
    for (index, timed) in faults.iter().enumerate() {
        of_fault(&mut knobs, &timed.fault, index);
        knobs.push(Knob::new(timed.at, 0, move |plan, value| {
            plan.schedule.faults[index].at = value;
            plan.schedule.faults.sort_by_key(|timed| timed.at);
        }));
    }
    knobs.push(Knob::new(*end, 0, |plan, value| plan.schedule.end = value));
    knobs.retain(|knob| knob.value != knob.calm);
    knobs
}

type Reach<T> = fn(&mut T) -> &mut u64;

/// A field of a part of the plan, in nanoseconds or the like.
fn field<T: 'static>(
    knobs: &mut Vec<Knob>,
    of: impl Fn(&mut Plan) -> Option<&mut T> + Copy + 'static,
    values: (u64, u64),
    reach: Reach<T>,
) {
    knobs.push(Knob::new(values.0, values.1, move |plan, value| {
        if let Some(part) = of(plan) {
            *reach(part) = value;
        }
    }));
}

/// The same for parts per million.
fn ppm<T: 'static>(
    knobs: &mut Vec<Knob>,
    of: impl Fn(&mut Plan) -> Option<&mut T> + Copy + 'static,
    value: u32,
    reach: fn(&mut T) -> &mut u32,
) {
    knobs.push(Knob::new(value.into(), 0, move |plan, value| {
        if let Some(part) = of(plan) {
            *reach(part) = u32::try_from(value).unwrap_or(u32::MAX);
        }
    }));
}

fn of_network(
    knobs: &mut Vec<Knob>,
    network: &Network,
    of: impl Fn(&mut Plan) -> Option<&mut Network> + Copy + 'static,
) {
    let n = network;
    ppm(knobs, of, n.loss, |n| &mut n.loss);
    ppm(knobs, of, n.duplication, |n| &mut n.duplication);
    ppm(knobs, of, n.reordering, |n| &mut n.reordering);
    ppm(knobs, of, n.corruption, |n| &mut n.corruption);
    ppm(knobs, of, n.tail, |n| &mut n.tail);
    field(knobs, of, (n.tail_max, 0), |n| &mut n.tail_max);
    field(knobs, of, (n.throttle, 0), |n| &mut n.throttle);
    if n.latency_min == n.latency_max {
        knobs.push(Knob::new(n.latency_min, CALM_NETWORK.latency_min, move |plan, value| {
            if let Some(network) = of(plan) {
                (network.latency_min, network.latency_max) = (value, value);
            }
        }));
    } else {
        field(knobs, of, (n.latency_max, n.latency_min), |n| &mut n.latency_max);
        field(knobs, of, (n.latency_min, n.latency_max), |n| &mut n.latency_min);
    }
}

fn of_disk(knobs: &mut Vec<Knob>, disk: &Disk, of: impl Fn(&mut Plan) -> Option<&mut Disk> + Copy + 'static) {
    let (d, calm) = (disk, calm_disk());
    ppm(knobs, of, d.stall, |d| &mut d.stall);
    ppm(knobs, of, d.sync_failure, |d| &mut d.sync_failure);
    ppm(knobs, of, d.write_error, |d| &mut d.write_error);
    ppm(knobs, of, d.no_space, |d| &mut d.no_space);
    ppm(knobs, of, d.read_error, |d| &mut d.read_error);
    ppm(knobs, of, d.lost_write, |d| &mut d.lost_write);
    ppm(knobs, of, d.misdirected, |d| &mut d.misdirected);
    field(knobs, of, (d.stall_max, 0), |d| &mut d.stall_max);
    if d.write_min == d.write_max {
        knobs.push(Knob::new(d.write_min, calm.write_min, move |plan, value| {
            if let Some(disk) = of(plan) {
                (disk.write_min, disk.write_max) = (value, value);
            }
        }));
    } else {
        field(knobs, of, (d.write_max, d.write_min), |d| &mut d.write_max);
        field(knobs, of, (d.write_min, d.write_max), |d| &mut d.write_min);
    }
    if d.sync_min == d.sync_max {
        knobs.push(Knob::new(d.sync_min, calm.sync_min, move |plan, value| {
            if let Some(disk) = of(plan) {
                (disk.sync_min, disk.sync_max) = (value, value);
            }
        }));
    } else {
        field(knobs, of, (d.sync_max, d.sync_min), |d| &mut d.sync_max);
        field(knobs, of, (d.sync_min, d.sync_max), |d| &mut d.sync_min);
    }
}

/// A number with the sign of another one.
fn signed(value: u64, like: i64) -> i64 {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    if like < 0 { -value } else { value }
}

fn of_clock(knobs: &mut Vec<Knob>, clock: Clock, index: usize) {
    knobs.push(Knob::new(clock.monotonic_offset, 0, move |plan, value| {
        plan.schedule.clocks[index].monotonic_offset = value;
    }));
    knobs.push(Knob::new(clock.wall_offset.unsigned_abs(), 0, move |plan, value| {
        plan.schedule.clocks[index].wall_offset = signed(value, clock.wall_offset);
    }));
    knobs.push(Knob::new(clock.drift.unsigned_abs(), 0, move |plan, value| {
        plan.schedule.clocks[index].drift = signed(value, clock.drift);
    }));
}

/// Every number of a fault but its time.
fn of_fault(knobs: &mut Vec<Knob>, fault: &Fault, index: usize) {
    let mut number = |value: u64, calm: u64, set: fn(&mut Fault, u64)| {
        knobs.push(Knob::new(value, calm, move |plan, value| {
            set(&mut plan.schedule.faults[index].fault, value);
        }));
    };
    if let Some(lasts) = fault.lasts() {
        number(lasts, 0, |fault, value| set(fault.lasts_mut(), value));
    }
    match fault {
        Fault::Crash { cut, restart_after, .. } => {
            if let Some(after) = restart_after {
                number(*after, 0, |fault, value| set(fault.restart_after_mut(), value));
            }
            if let Cut::AfterOutput(count) = cut {
                number(u64::from(*count), 0, |fault, value| {
                    if let Fault::Crash { cut, .. } = fault {
                        *cut = Cut::AfterOutput(value as u16);
                    }
                });
            }
        }
        Fault::LoseDevices { restart_after: Some(after), .. } => {
            number(*after, 0, |fault, value| set(fault.restart_after_mut(), value));
        }
        Fault::Slow { turn, .. } => number(*turn, 0, |fault, value| {
            if let Fault::Slow { turn, .. } = fault {
                *turn = value;
            }
        }),
        Fault::Flap { period, .. } => number(*period, 0, |fault, value| {
            if let Fault::Flap { period, .. } = fault {
                *period = value;
            }
        }),
        Fault::Drift { drift, .. } => number(drift.unsigned_abs(), 0, |fault, value| {
            if let Fault::Drift { drift, .. } = fault {
                *drift = signed(value, *drift);
            }
        }),
        Fault::Step { by, .. } => number(by.unsigned_abs(), 0, |fault, value| {
            if let Fault::Step { by, .. } = fault {
                *by = signed(value, *by);
            }
        }),
        Fault::Unreadable { place: Place::Drawn(blocks), .. }
        | Fault::Rot { place: Place::Drawn(blocks), .. } => number(u64::from(*blocks), 1, set_blocks),
        _ => {}
    }
    if let Fault::Rot { bits, .. } = fault {
        number(u64::from(*bits), 1, |fault, value| {
            if let Fault::Rot { bits, .. } = fault {
                *bits = value as u8;
            }
        });
    }
    match fault {
        Fault::Degrade { network, .. } => {
            of_network(knobs, network, move |plan| match &mut plan.schedule.faults[index].fault {
                Fault::Degrade { network, .. } => Some(network),
                _ => None,
            });
        }
        Fault::DiskDegrade { disk, .. } => {
            of_disk(knobs, disk, move |plan| match &mut plan.schedule.faults[index].fault {
                Fault::DiskDegrade { disk, .. } => Some(disk),
                _ => None,
            });
        }
        _ => {}
    }
}

/// Puts a number where there is one.
fn set(place: Option<&mut u64>, value: u64) {
    if let Some(place) = place {
        *place = value;
    }
}

fn set_blocks(fault: &mut Fault, value: u64) {
    if let Fault::Unreadable { place, .. } | Fault::Rot { place, .. } = fault {
        *place = Place::Drawn(value as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simpler_numbers_come_simplest_first_and_never_the_number_itself() {
        assert_eq!(simpler(1_234, 0)[..6], [0, 1_000, 2_000, 1_200, 1_300, 1_230]);
        assert_eq!(simpler(7, 0), [0, 4, 6]);
        assert_eq!(simpler(3, 10), [10, 6, 4]);
        assert_eq!(simpler(64, 16), [16, 60, 70, 40, 52, 58, 61, 63]);
        assert_eq!(simpler(100, 0), [0, 50, 80, 90]);
        assert!(simpler(u64::MAX, 0).iter().all(|number| *number != u64::MAX || number == &u64::MAX));
        for (value, calm) in [(1, 0), (0, 9), (500, 499), (u64::MAX, 3), (10, 10)] {
            let found = simpler(value, calm);
            assert!(!found.contains(&value), "{value} {calm}: {found:?}");
        }
    }

    #[test]
    fn every_knob_sets_the_number_that_it_shows() {
        let mut plan = Plan::default();
        plan.workload.insert("commands".into(), 9);
        let schedule = &mut plan.schedule;
        schedule.network = Network { latency_min: 2, latency_max: 9, loss: 4, tail: 5, ..Network::default() };
        schedule.disk = Disk { stall: 6, read_error: 7, sync_max: 8, ..Disk::default() };
        schedule.clocks = vec![Clock { monotonic_offset: 9, wall_offset: -10, drift: -11 }];
        (schedule.nodes, schedule.end) = (3, 12);
        let target = seedfast_sim::Target::Focus;
        let faults = [
            Fault::Drift { target, drift: -13 },
            Fault::Degrade { from: None, to: None, network: schedule.network, lasts: 14 },
            Fault::DiskDegrade { target, disk: schedule.disk, lasts: 15 },
            Fault::Rot { target, device: 0, place: Place::Drawn(16), bits: 17 },
            Fault::Partition { groups: vec![], lasts: Some(18) },
        ];
        let timed = |(at, fault)| seedfast_sim::Timed { at, fault };
        schedule.faults = (20..).zip(faults).map(timed).collect();
        let values = |plan: &Plan| -> Vec<u64> {
            knobs(plan, &BTreeMap::new()).iter().map(|knob| knob.value).collect()
        };
        let all = knobs(&plan, &BTreeMap::new());
        assert!(all.len() > 30, "{}", all.len());
        for (index, knob) in all.iter().enumerate() {
            assert_eq!(knob.with(&plan, knob.value), plan, "knob {index}");
            let other = values(&knob.with(&plan, knob.value + 1));
            let same: Vec<usize> = (0..all.len()).filter(|at| other[*at] == all[*at].value).collect();
            assert_eq!(same.len() + 1, all.len(), "knob {index} changes one number and no other");
            assert_eq!(other[index], knob.value + 1);
        }
    }
}
