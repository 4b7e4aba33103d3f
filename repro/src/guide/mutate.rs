//! Small changes to a plan: what a schedule turns into when it is bred.
//!
//! Every change is made of parts that plans of the same scenario already have: a fault moves, goes, comes twice, takes
//! another's numbers, or comes over from another plan, with its surroundings or without. The time of the heal and the
//! end of the run stay, and so does what a scenario knows to fit together: the workload is taken over whole or not at
//! all. What does not pass [`Schedule::check`] is undone.

use seedfast_core::random::Random;
use seedfast_sim::{Cut, Fault, Loss, Nanos, Plan, Schedule, Target, Timed};

/// A millisecond in nanoseconds.
const MILLI: Nanos = 1_000_000;

/// Breeds a plan from `parent`, with parts of `donor`.
pub(super) fn mutate(parent: &Plan, donor: &Plan, random: &mut Random) -> Plan {
    let mut plan = parent.clone();
    // One change in half of all cases, two in a quarter, and so on up to six.
    let changes = 1 + random.next().trailing_ones().min(5);
    for _ in 0..changes {
        let mut changed = plan.clone();
        change(&mut changed, donor, random);
        tidy(&mut changed.schedule);
        if changed.schedule.check().is_ok() {
            plan = changed;
        }
    }
    plan
}

/// Faults stand in order of time; those of one time in the order in which they stood.
fn tidy(schedule: &mut Schedule) {
    schedule.faults.sort_by_key(|timed| timed.at);
}

fn change(plan: &mut Plan, donor: &Plan, random: &mut Random) {
    let schedule = &mut plan.schedule;
    match random.below(16) {
        0..=1 => {
            if let Some(at) = some_fault(schedule, random) {
                schedule.faults.remove(at);
            }
        }
        2..=3 => {
            if let Some(at) = some_fault(schedule, random) {
                let mut again = schedule.faults[at].clone();
                again.at = near(schedule, again.at, random);
                schedule.faults.push(again);
            }
        }
        4..=6 => {
            if let Some(at) = some_fault(schedule, random) {
                schedule.faults[at].at = near(schedule, schedule.faults[at].at, random);
            }
        }
        7..=8 => {
            if let Some(at) = some_fault(schedule, random) {
                stretch(&mut schedule.faults[at].fault, random);
            }
        }
        9..=10 => {
            if let Some(at) = some_fault(schedule, random) {
                let nodes = schedule.nodes;
                redirect(&mut schedule.faults[at].fault, nodes, random);
            }
        }
        11..=12 => graft(schedule, &donor.schedule, random),
        13 => splice(schedule, &donor.schedule, random),
        14 => match random.below(4) {
            0 => schedule.network = donor.schedule.network,
            1 => schedule.disk = donor.schedule.disk,
            2 => schedule.turns = donor.schedule.turns,
            _ => {
                schedule.clocks.clone_from(&donor.schedule.clocks);
                schedule.clocks.truncate(schedule.nodes.into());
            }
        },
        _ => plan.workload.clone_from(&donor.workload),
    }
}

/// Nothing goes wrong from this time on.
fn quiet_from(schedule: &Schedule) -> Nanos {
    let heal = schedule.faults.iter().find(|timed| timed.fault == Fault::Heal);
    heal.map_or(schedule.end, |heal| heal.at)
}

/// Any fault but the heal.
fn some_fault(schedule: &Schedule, random: &mut Random) -> Option<usize> {
    let faults = schedule.faults.iter().enumerate().filter(|(_, timed)| timed.fault != Fault::Heal);
    let places: Vec<usize> = faults.map(|(place, _)| place).collect();
    any(&places, random).copied()
}

fn any<'a, T>(choices: &'a [T], random: &mut Random) -> Option<&'a T> {
    choices.get(random.below(choices.len().max(1) as u64) as usize)
}

/// Another time: a little earlier or later, right behind another fault, or anywhere.
fn near(schedule: &Schedule, at: Nanos, random: &mut Random) -> Nanos {
    let end = quiet_from(schedule);
    let moved = match random.below(4) {
        0 => (at + random.below(20 * MILLI)).saturating_sub(10 * MILLI),
        1 => (at + random.below(600 * MILLI)).saturating_sub(300 * MILLI),
        2 => {
            let other = any(&schedule.faults, random).map_or(at, |timed| timed.at);
            other + random.below(40 * MILLI)
        }
        _ => random.below(end),
    };
    moved.min(end.saturating_sub(1))
}

/// A duration between a quarter and four times of what it was.
fn stretched(time: Nanos, random: &mut Random) -> Nanos {
    // In sixteenths, so that halves and doubles are as likely as each other.
    let sixteenths = [4, 8, 12, 24, 32, 64];
    time.saturating_mul(sixteenths[random.below(6) as usize]) / 16
}

/// Another duration, or another place in the turn.
fn stretch(fault: &mut Fault, random: &mut Random) {
    match fault {
        Fault::Crash { loss, cut, .. } => match random.below(3) {
            0 => *loss = if *loss == Loss::Power { Loss::Process } else { Loss::Power },
            1 => {
                *cut = match random.below(6) {
                    0 => Cut::Now,
                    1 => Cut::Drawn,
                    2 => Cut::AfterWrite,
                    3 => Cut::Tear,
                    _ => Cut::AfterOutput(random.below(4) as u16),
                }
            }
            _ => stretch_one(fault.restart_after_mut(), random),
        },
        Fault::LoseDevices { .. } => stretch_one(fault.restart_after_mut(), random),
        Fault::Drift { drift, .. } => *drift = -*drift,
        Fault::Step { by, .. } => *by = -*by,
        _ => stretch_one(fault.lasts_mut(), random),
    }
}

fn stretch_one(time: Option<&mut Nanos>, random: &mut Random) {
    if let Some(time) = time {
        *time = stretched(*time, random);
    }
}

/// Another victim.
fn redirect(fault: &mut Fault, nodes: u8, random: &mut Random) {
    let node = random.below(nodes.into()) as u8;
    let someone = if random.below(3) == 0 { Target::Focus } else { Target::Node(node) };
    if let Some(target) = fault.target_mut() {
        *target = someone;
        return;
    }
    match fault {
        Fault::Restart { node: target } => *target = node,
        // A link from a node to itself does not pass the check and leaves the plan as it was.
        Fault::Sever { from, to, .. } | Fault::Flap { from, to, .. } | Fault::Clog { from, to, .. } => {
            if random.below(2) == 0 {
                *from = node;
            } else {
                *to = node;
            }
        }
        Fault::Starve { to, .. } => *to = Some(node),
        Fault::Partition { groups, .. } => {
            // One endpoint changes sides.
            let from = random.below(groups.len().max(1) as u64) as usize;
            let moved = groups.get_mut(from).and_then(Vec::pop);
            let to = random.below(groups.len().max(1) as u64) as usize;
            if let (Some(endpoint), Some(group)) = (moved, groups.get_mut(to)) {
                group.push(endpoint);
            }
        }
        _ => {}
    }
}

/// Up to four neighbouring faults of another plan come over, all earlier or later by the same time.
fn graft(schedule: &mut Schedule, donor: &Schedule, random: &mut Random) {
    let Some(first) = some_fault(donor, random) else { return };
    let end = quiet_from(schedule);
    let (begins, lands) = (donor.faults[first].at, near(schedule, donor.faults[first].at, random));
    let many = 1 + random.below(4) as usize;
    let faults = donor.faults[first..].iter().take(many).filter(|timed| timed.fault != Fault::Heal);
    let moved = faults.map(|timed| Timed { at: lands + (timed.at - begins), fault: timed.fault.clone() });
    schedule.faults.extend(moved.filter(|timed| timed.at < end));
}

/// What goes wrong behind some time is what goes wrong in the other plan.
fn splice(schedule: &mut Schedule, donor: &Schedule, random: &mut Random) {
    let end = quiet_from(schedule);
    let cut = random.below(end.max(1));
    schedule.faults.retain(|timed| timed.at < cut || timed.fault == Fault::Heal);
    let behind = donor.faults.iter().filter(|timed| (cut..end).contains(&timed.at));
    schedule.faults.extend(behind.filter(|timed| timed.fault != Fault::Heal).cloned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_scenarios::library::EVERYTHING;
    use seedfast_sim::Scenario;

    #[test]
    fn what_is_bred_can_be_run_heals_when_its_parent_does_and_is_hardly_ever_its_parent() {
        let mut same = 0;
        for seed in 0..300 {
            let mut random = Random::new(&[seed as u8; 32]);
            let (parent, donor) = (EVERYTHING.plan(seed), EVERYTHING.plan(seed + 1000));
            let child = mutate(&parent, &donor, &mut random);
            assert_eq!(child.schedule.check(), Ok(()));
            assert!(EVERYTHING.scene(&child, seed).is_ok());
            let heals = |plan: &Plan| {
                let faults = plan.schedule.faults.iter().filter(|timed| timed.fault == Fault::Heal);
                faults.map(|timed| timed.at).collect::<Vec<_>>()
            };
            assert_eq!(heals(&child), heals(&parent));
            assert!(child.schedule.faults.is_sorted_by_key(|timed| timed.at));
            assert!(child.schedule.faults.iter().all(|timed| timed.at <= heals(&parent)[0]));
            same += u32::from(child == parent);
        }
        assert!(same < 60, "{same} of 300 are their parents");
    }

    #[test]
    fn the_same_choices_breed_the_same_plan() {
        let (parent, donor) = (EVERYTHING.plan(1), EVERYTHING.plan(2));
        let bred = |entropy: u8| mutate(&parent, &donor, &mut Random::new(&[entropy; 32]));
        assert_eq!(bred(3), bred(3));
        assert!((0..20).any(|entropy| bred(entropy) != bred(3)));
    }
}
