//! What is shrunk: a seed with its explicit plan, what must go on breaking, and which of two cases is the simpler one.

use seedfast_core::Duration;
use seedfast_sim::{Cut, Disk, Fault, Loss, Nanos, Network, Outcome, Place, Plan, Schedule, Target};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_128;

/// One run that can be tried: the seed of the draws below the plan, and the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) plan: Plan,
}

impl Case {
    /// A name by which the same case is known again.
    pub(crate) fn key(&self) -> u128 {
        // Plans are numbers and names; they can always be written as JSON.
        xxh3_128(&serde_json::to_vec(&(self.seed, &self.plan)).unwrap_or_default())
    }

    /// How many faults strike while nothing has been healed, the heal not counted.
    fn late(&self) -> usize {
        let faults = &self.plan.schedule.faults;
        let heal = faults.iter().filter(|timed| timed.fault == Fault::Heal).map(|timed| timed.at).min();
        heal.map_or(0, |heal| {
            faults.iter().filter(|timed| timed.fault != Fault::Heal && timed.at >= heal).count()
        })
    }

    /// Whether this may take the place of `other`: the world can execute it, and nothing goes wrong behind a heal that
    /// did not before. (Who demands that a cluster recovers counts from the heal.)
    pub(crate) fn may_follow(&self, other: &Case) -> bool {
        self.late() <= other.late() && self.plan.schedule.check().is_ok()
    }
}

/// What broke: the invariant and, of a panic, the place in the code. Only what breaks the same is the same failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) invariant: String,
    place: Option<String>,
}

impl Signature {
    /// The signature of a run; none if all held.
    pub(crate) fn of(outcome: &Outcome) -> Option<Self> {
        let violation = &outcome.broken.as_ref()?.violation;
        let is_panic = violation.invariant == "panic";
        let place = violation.what.rsplit_once(" (").map(|(_, place)| place.to_owned());
        Some(Signature { invariant: violation.invariant.clone(), place: place.filter(|_| is_panic) })
    }
}

/// What a run that broke showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// True time when it broke.
    pub(crate) at: Nanos,
    /// What, in one sentence.
    pub(crate) what: String,
    /// The hash of its trace.
    pub(crate) hash: u128,
}

/// How much there is to understand in a case; the order of the fields is the order of what matters. A case takes the
/// place of another one only if it costs less, so that shrinking comes to an end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cost {
    faults: usize,
    /// How hard each fault is to understand.
    kinds: u64,
    nodes: u8,
    clients: u8,
    /// Settings that are not as on a calm day.
    unlike: u64,
    /// How many nodes, links, blocks and bits are struck.
    reach: u64,
    /// How far the workload's numbers are from calm ones.
    work: u128,
    /// How long it takes, in tenths of a second.
    span: Nanos,
    /// Significant digits in all times and rates.
    digits: u32,
    /// All times and rates.
    size: u128,
}

/// The network in which nothing happens: every message takes a millisecond.
pub(crate) const CALM_NETWORK: Network = Network::between(1_000_000, 1_000_000);

/// The devices on which nothing happens: a write takes 100 microseconds, a sync a millisecond.
pub(crate) fn calm_disk() -> Disk {
    Disk { write_min: WRITE, write_max: WRITE, sync_min: SYNC, sync_max: SYNC, ..Disk::default() }
}

/// What a write takes on a calm day.
pub(crate) const WRITE: Nanos = 100_000;
/// What a sync takes on a calm day.
pub(crate) const SYNC: Nanos = 1_000_000;

/// How many digits a number has, the zeros at its end left out.
pub(crate) fn digits(number: u64) -> u32 {
    let mut rest = number;
    while rest > 0 && rest.is_multiple_of(10) {
        rest /= 10;
    }
    rest.checked_ilog10().map_or(0, |log| log + 1)
}

/// The cost of `case` for a scenario whose calm workload is `calm`.
pub(crate) fn cost(case: &Case, calm: &BTreeMap<String, u64>) -> Cost {
    let Plan { workload, schedule } = &case.plan;
    let Schedule { nodes, clients, end, network, disk, turns, clocks, faults } = schedule;
    let endpoints = u64::from(*nodes) + u64::from(*clients);
    let mut cost = Cost {
        faults: faults.len(),
        kinds: 0,
        nodes: *nodes,
        clients: *clients,
        unlike: 0,
        reach: 0,
        work: 0,
        span: end.div_ceil(100_000_000),
        digits: 0,
        size: 0,
    };
    for (name, value) in workload {
        let distance = value.abs_diff(calm.get(name).copied().unwrap_or_default());
        cost.unlike += u64::from(distance > 0);
        cost.work += u128::from(distance);
    }
    cost.network(network);
    cost.disk(disk);
    cost.unlike += u64::from(turns.burst > 0) + u64::from(turns.burst_max > 0);
    cost.numbers(&[turns.burst.into(), turns.burst_max, *end]);
    for clock in clocks {
        let parts = [clock.monotonic_offset, clock.wall_offset.unsigned_abs(), clock.drift.unsigned_abs()];
        cost.unlike += parts.iter().filter(|part| **part > 0).count() as u64;
        cost.unlike += [clock.wall_offset, clock.drift].iter().filter(|part| **part < 0).count() as u64;
        cost.numbers(&parts);
    }
    for timed in faults {
        cost.numbers(&[timed.at]);
        cost.fault(&timed.fault, endpoints);
    }
    cost
}

impl Cost {
    fn numbers(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.digits += digits(*number);
            self.size += u128::from(*number);
        }
    }

    fn network(&mut self, network: &Network) {
        let (calm, n) = (CALM_NETWORK, network);
        self.unlike += u64::from((n.latency_min, n.latency_max) != (calm.latency_min, calm.latency_max));
        self.unlike += u64::from(n.latency_min != n.latency_max);
        let troubles = [n.tail, n.loss, n.duplication, n.reordering, n.corruption];
        self.unlike += troubles.iter().filter(|trouble| **trouble > 0).count() as u64;
        self.unlike += u64::from(n.throttle > 0);
        self.numbers(&troubles.map(u64::from));
        self.numbers(&[n.latency_min, n.latency_max, n.tail_max, n.throttle]);
    }

    fn disk(&mut self, disk: &Disk) {
        let calm = calm_disk();
        let times = |disk: &Disk| [disk.write_min, disk.write_max, disk.sync_min, disk.sync_max];
        for (mine, calm) in times(disk).chunks(2).zip(times(&calm).chunks(2)) {
            self.unlike += u64::from(mine != calm) + u64::from(mine[0] != mine[1]);
        }
        let d = disk;
        let failures =
            [d.stall, d.sync_failure, d.write_error, d.no_space, d.read_error, d.lost_write, d.misdirected];
        self.unlike += failures.iter().filter(|failure| **failure > 0).count() as u64;
        self.unlike += u64::from(d.caches != calm.caches) + u64::from(d.atlas != calm.atlas);
        self.numbers(&failures.map(u64::from));
        self.numbers(&times(disk));
        self.numbers(&[d.stall_max]);
    }

    fn fault(&mut self, fault: &Fault, endpoints: u64) {
        self.kinds += rank(fault);
        self.numbers(&[fault.lasts().unwrap_or_default()]);
        match fault {
            Fault::Crash { cut, restart_after, .. } => {
                self.numbers(&[restart_after.unwrap_or_default()]);
                if let Cut::AfterOutput(count) = cut {
                    self.numbers(&[u64::from(*count)]);
                }
            }
            Fault::LoseDevices { restart_after, .. } => self.numbers(&[restart_after.unwrap_or_default()]),
            Fault::Slow { turn, .. } => self.numbers(&[*turn]),
            Fault::Flap { period, .. } => self.numbers(&[*period]),
            Fault::Drift { drift, .. } => self.numbers(&[drift.unsigned_abs()]),
            Fault::Step { by, .. } => self.numbers(&[by.unsigned_abs()]),
            Fault::Partition { groups, .. } => {
                self.reach += groups.iter().map(Vec::len).sum::<usize>() as u64;
            }
            Fault::Degrade { from, to, network, .. } => {
                self.reach += if from.is_some() { 1 } else { endpoints };
                self.reach += if to.is_some() { 1 } else { endpoints };
                self.network(network);
            }
            Fault::Starve { to, .. } => self.reach += if to.is_some() { 1 } else { endpoints },
            Fault::DiskDegrade { disk, .. } => self.disk(disk),
            Fault::Unreadable { place, .. } => self.place(*place),
            Fault::Rot { place, bits, .. } => {
                self.place(*place);
                self.reach += u64::from(*bits);
            }
            _ => {}
        }
    }

    fn place(&mut self, place: Place) {
        match place {
            Place::Drawn(blocks) => self.reach += u64::from(blocks),
            Place::Range { at, length } => {
                self.reach += length.div_ceil(64);
                self.numbers(&[at, length]);
            }
        }
    }
}

/// How hard a fault is to understand.
pub(crate) fn rank(fault: &Fault) -> u64 {
    let kind = match fault {
        Fault::Heal => 0,
        Fault::Restart { .. } | Fault::Sever { .. } => 1,
        Fault::Crash { loss, cut, restart_after, .. } => {
            let loss = if *loss == Loss::Process { 2 } else { 3 };
            let cut = match cut {
                Cut::Now => 0,
                Cut::AfterOutput(_) => 1,
                Cut::Drawn | Cut::AfterWrite | Cut::Tear => 2,
            };
            loss + cut + u64::from(restart_after.is_some())
        }
        Fault::Pause { sampled, .. } => 2 + u64::from(*sampled),
        Fault::Isolate { clients_too, .. } => 3 + u64::from(*clients_too),
        Fault::Slow { .. }
        | Fault::Flap { .. }
        | Fault::Clog { .. }
        | Fault::Starve { .. }
        | Fault::Drift { .. }
        | Fault::Step { .. }
        | Fault::Freeze { .. }
        | Fault::FailSync { .. }
        | Fault::FailWrite { .. }
        | Fault::LoseWrite { .. }
        | Fault::Misdirect { .. }
        | Fault::DiskFull { .. }
        | Fault::Rot { .. } => 3,
        Fault::Unreadable { lasts, .. } => 3 + u64::from(lasts.is_some()),
        Fault::Partition { .. } => 5,
        Fault::Degrade { .. } | Fault::DiskDegrade { .. } => 6,
        Fault::LoseDevices { restart_after, .. } => 6 + u64::from(restart_after.is_some()),
    };
    kind + u64::from(fault.target() == Some(Target::Focus))
}

/// A time as people read it.
pub(crate) fn time(nanos: Nanos) -> Duration {
    Duration::from_nanos(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_leave_out_the_zeros_at_the_end() {
        for (number, expected) in [(0, 0), (7, 1), (10, 1), (1_200_000, 2), (1_203, 4), (u64::MAX, 20)] {
            assert_eq!(digits(number), expected, "{number}");
        }
    }

    #[test]
    fn what_is_simpler_costs_less() {
        let schedule =
            Schedule { nodes: 3, end: 1, network: CALM_NETWORK, disk: calm_disk(), ..Schedule::default() };
        let plan = Plan { schedule, ..Plan::default() };
        let case = Case { seed: 1, plan };
        let calm = BTreeMap::new();
        let base = cost(&case, &calm);
        assert_eq!(base.unlike, 0);
        let changes: [fn(&mut Plan); 8] = [
            |plan| plan.schedule.nodes = 5,
            |plan| plan.schedule.network.loss = 1,
            |plan| plan.schedule.network.latency_max *= 2,
            |plan| plan.schedule.disk.write_min /= 2,
            |plan| plan.schedule.end = 7,
            |plan| plan.schedule.clocks = vec![seedfast_sim::Clock { drift: -1, ..Default::default() }],
            |plan| _ = plan.workload.insert("commands".into(), 1),
            |plan| plan.schedule.faults.push(seedfast_sim::Timed { at: 0, fault: Fault::Heal }),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut worse = case.clone();
            change(&mut worse.plan);
            assert!(cost(&worse, &calm) > base, "change {number}");
        }
    }
}
