//! The search for the simplest case that still breaks the same way.
//!
//! One pass after the other makes the case simpler: faults go, first many at once, then one by one and in pairs; nodes
//! and clients go; networks, devices and clocks become calm; faults become other, simpler ones; times move together;
//! every number becomes rounder and smaller. All of it is repeated until a whole round changes nothing: then no
//! line can be taken out any more, and a second search finds the same.
//!
//! Draws below the plan are keyed by what they decide about, but a fault that goes takes time with it, and whatever
//! happens at another time is drawn anew. So when nothing is left that breaks under the case's own seed, the same is
//! tried under a few [`NEIGHBOURS`]: the workload and the faults stay as the plan says, the luck is another one.

use super::case::{Case, Cost, Seen, cost};
use super::lab::Lab;
use super::{cast, faults, numbers};
use crate::trouble::Trouble;
use seedfast_sim::{Fault, Nanos, Plan, Target, Timed, Turns};
use std::collections::BTreeMap;

/// The seeds under which a simpler plan is tried beside its own.
const NEIGHBOURS: std::ops::RangeInclusive<u64> = 1..=8;
/// Faults are taken out in pairs if there are at most so many of them.
const PAIRS: usize = 16;
/// The end of a run is rounded up to this.
const TENTH: Nanos = 10_000_000;
/// How much longer than until it broke a simpler case may run at least.
const GRACE: Nanos = 1_000_000_000;
/// Times are moved together in steps of this.
const STEP: Nanos = 100_000_000;

/// The search and what it has reached.
pub(crate) struct Search<'a> {
    lab: &'a mut Lab,
    calm: BTreeMap<String, u64>,
    pub(crate) case: Case,
    pub(crate) seen: Seen,
    cost: Cost,
    /// Whether neighbouring seeds are tried too.
    is_deep: bool,
    tick: &'a mut dyn FnMut(Standing),
}

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Cases looked at.
    pub(crate) looked_at: u64,
    /// Faults left.
    pub(crate) faults: usize,
    /// Nodes left.
    pub(crate) nodes: u8,
    /// When it breaks.
    pub(crate) at: Nanos,
}

/// How a pass goes on when something has become simpler.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// With whatever now stands in the same place.
    Stay,
    /// From the beginning.
    Again,
}

type Candidates<'c> = Box<dyn Fn(&Case) -> Vec<Plan> + 'c>;

impl<'a> Search<'a> {
    /// A search that begins with a case of which a run showed `seen`.
    pub(crate) fn new(
        lab: &'a mut Lab,
        calm: BTreeMap<String, u64>,
        case: Case,
        seen: Seen,
        tick: &'a mut dyn FnMut(Standing),
    ) -> Self {
        let cost = cost(&case, &calm);
        Search { lab, calm, case, seen, cost, is_deep: false, tick }
    }

    /// Searches until nothing gets simpler, or the time is up.
    ///
    /// # Errors
    /// See [`Lab::first`].
    pub(crate) fn run(&mut self) -> Result<(), Trouble> {
        for is_deep in [false, true] {
            self.is_deep = is_deep;
            loop {
                let before = self.cost.clone();
                self.round()?;
                if self.cost == before || !self.lab.has_time() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn round(&mut self) -> Result<(), Trouble> {
        self.settle()?;
        self.fewer_faults()?;
        self.pass(Then::Again, true, Box::new(|case| cast::without_nodes(&case.plan)))?;
        self.pass(Then::Again, true, Box::new(|case| cast::without_clients(&case.plan)))?;
        self.pass(Then::Again, true, Box::new(|case| calmer(&case.plan)))?;
        let calm = self.calm.clone();
        self.pass(Then::Stay, true, Box::new(move |case| calmer_work(&case.plan, &calm)))?;
        self.pass(Then::Stay, true, Box::new(|case| simpler_faults(&case.plan)))?;
        self.pass(Then::Stay, false, Box::new(|case| earlier(&case.plan)))?;
        let calm = self.calm.clone();
        self.pass(Then::Stay, false, Box::new(move |case| rounder(&case.plan, &calm)))
    }

    /// Faults go: halves of them, quarters, ..., each one, each pair.
    fn fewer_faults(&mut self) -> Result<(), Trouble> {
        let mut size = self.case.plan.schedule.faults.len();
        while size > 1 {
            self.pass(Then::Stay, true, Box::new(move |case| without_chunks(&case.plan, size)))?;
            size = size.min(self.case.plan.schedule.faults.len()) / 2;
        }
        self.pass(Then::Again, true, Box::new(|case| without_chunks(&case.plan, 1)))?;
        self.pass(Then::Again, true, Box::new(|case| without_pairs(&case.plan)))?;
        self.pass(Then::Again, true, Box::new(|case| with_merged(&case.plan)))?;
        self.pass(Then::Again, true, Box::new(|case| with_gathered(&case.plan)))
    }

    /// Tries what `make` says of the case, and takes the first that breaks, as long as any does. A `large` change may
    /// break at another time, and is tried under neighbouring seeds when it is their turn.
    fn pass(&mut self, then: Then, large: bool, make: Candidates<'_>) -> Result<(), Trouble> {
        let mut from = 0;
        loop {
            let Some(index) = self.step(&make(&self.case), from, large)? else { return Ok(()) };
            self.settle()?;
            from = if then == Then::Stay { index } else { 0 };
        }
    }

    /// Takes the first of `plans` behind `from` that breaks the same way and is simpler; gives its place.
    fn step(&mut self, plans: &[Plan], from: usize, large: bool) -> Result<Option<usize>, Trouble> {
        let Search { lab, calm, case, seen, cost, is_deep, tick } = self;
        let (tight, grace) = (case.plan.schedule.end, grace(case, seen));
        // Whoever takes out a line by hand leaves the end where it is.
        let ends = if large && grace != tight { [Some(grace), Some(tight)] } else { [Some(tight), None] };
        let own = ends.into_iter().flatten().map(|end| (case.seed, end));
        let others = NEIGHBOURS.filter(|seed| *is_deep && large && *seed != case.seed);
        let others = others.map(|seed| (seed, grace));
        let mut places = Vec::new();
        let mut cases = own
            .chain(others)
            .flat_map(|how| (from..plans.len()).map(move |place| (how, place)))
            .filter_map(|((seed, end), place)| {
                let mut plan = plans[place].clone();
                if large {
                    plan.schedule.end = end;
                }
                let other = Case { seed, plan };
                let is_simpler = other.may_follow(case) && self::cost(&other, calm) < *cost;
                is_simpler.then(|| {
                    places.push(place);
                    other
                })
            });
        let standing = standing(case, seen);
        let hit = lab.first(&mut cases, &mut |looked_at| tick(Standing { looked_at, ..standing }))?;
        drop(cases);
        let Some(hit) = hit else { return Ok(None) };
        self.take(hit.case, hit.seen);
        Ok(Some(places[hit.index]))
    }

    fn take(&mut self, case: Case, seen: Seen) {
        self.cost = cost(&case, &self.calm);
        (self.case, self.seen) = (case, seen);
    }

    /// What comes behind the moment at which it broke goes, if the same breaks without it.
    fn settle(&mut self) -> Result<(), Trouble> {
        let at = self.seen.at;
        let end = (at + 1).div_ceil(TENTH) * TENTH;
        let cut = |keeps: fn(&Fault) -> bool| {
            let mut plan = self.case.plan.clone();
            plan.schedule.end = plan.schedule.end.min(end);
            plan.schedule.faults.retain(|timed| timed.at <= at || keeps(&timed.fault));
            plan
        };
        let plans = [cut(|_| false), cut(|fault| *fault == Fault::Heal), cut(|_| true)];
        self.step(&plans, 0, false).map(drop)
    }
}

/// Until when a simpler case may run. What is judged when the run is over is judged then.
fn grace(case: &Case, seen: &Seen) -> Nanos {
    let end = case.plan.schedule.end;
    if seen.at >= end { end } else { end.max((seen.at + seen.at / 2 + GRACE).div_ceil(TENTH) * TENTH) }
}

fn standing(case: &Case, seen: &Seen) -> Standing {
    let schedule = &case.plan.schedule;
    Standing { looked_at: 0, faults: schedule.faults.len(), nodes: schedule.nodes, at: seen.at }
}

/// The plan without each run of `size` faults.
fn without_chunks(plan: &Plan, size: usize) -> Vec<Plan> {
    let count = plan.schedule.faults.len();
    let without = |from: usize| {
        let mut plan = plan.clone();
        plan.schedule.faults.drain(from..(from + size).min(count));
        plan
    };
    (0..count).step_by(size).map(without).collect()
}

/// The plan without each pair of faults.
fn without_pairs(plan: &Plan) -> Vec<Plan> {
    let count = plan.schedule.faults.len();
    if count > PAIRS {
        return Vec::new();
    }
    let pairs = (0..count).flat_map(|first| (first + 1..count).map(move |second| (first, second)));
    let without = |(first, second): (usize, usize)| {
        let mut plan = plan.clone();
        plan.schedule.faults.remove(second);
        plan.schedule.faults.remove(first);
        plan
    };
    pairs.map(without).collect()
}

/// The plan with one node cut off instead of several of its links.
fn with_gathered(plan: &Plan) -> Vec<Plan> {
    let schedule = &plan.schedule;
    let mut found = Vec::new();
    for node in 0..schedule.nodes {
        let is_its = |timed: &&Timed| match timed.fault {
            Fault::Sever { from, to, .. } | Fault::Clog { from, to, .. } | Fault::Flap { from, to, .. } => {
                from == node || to == node
            }
            _ => false,
        };
        let its: Vec<&Timed> = schedule.faults.iter().filter(is_its).collect();
        let (Some(first), true) = (its.first(), its.len() > 1) else { continue };
        let end = its.iter().map(|timed| timed.at + timed.fault.lasts().unwrap_or_default()).max();
        let lasts = end.unwrap_or_default() - first.at;
        for clients_too in [false, true] {
            let fault = Fault::Isolate { target: Target::Node(node), clients_too, lasts };
            let mut plan = plan.clone();
            plan.schedule.faults.retain(|timed| !is_its(&timed));
            plan.schedule.faults.push(Timed { at: first.at, fault });
            plan.schedule.faults.sort_by_key(|timed| timed.at);
            found.push(plan);
        }
    }
    found
}

/// The plan with two faults in one.
fn with_merged(plan: &Plan) -> Vec<Plan> {
    let faults = &plan.schedule.faults;
    let pairs =
        (0..faults.len()).flat_map(|first| (first + 1..faults.len()).map(move |second| (first, second)));
    let merged = |(first, second): (usize, usize)| {
        let between = faults[second].at - faults[first].at;
        let fault = faults::merged(&faults[first].fault, &faults[second].fault, between)?;
        let mut plan = plan.clone();
        plan.schedule.faults[first].fault = fault;
        plan.schedule.faults.remove(second);
        Some(plan)
    };
    pairs.filter_map(merged).collect()
}

/// The plan with a calmer world: network, devices, bursts, clocks.
fn calmer(plan: &Plan) -> Vec<Plan> {
    let with = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        plan
    };
    let schedule = &plan.schedule;
    let mut found = vec![with(&|plan| {
        let schedule = &mut plan.schedule;
        schedule.network = super::case::CALM_NETWORK;
        schedule.disk = super::case::calm_disk();
        schedule.turns = Turns::default();
        schedule.clocks.clear();
    })];
    found.push(with(&|plan| plan.schedule.clocks.clear()));
    found.push(with(&|plan| plan.schedule.turns = Turns::default()));
    found.extend(
        faults::networks(&schedule.network).into_iter().map(|n| with(&|plan| plan.schedule.network = n)),
    );
    found.extend(faults::disks(&schedule.disk).into_iter().map(|d| with(&|plan| plan.schedule.disk = d)));
    for clock in 0..schedule.clocks.len() {
        found.push(with(&|plan| plan.schedule.clocks[clock] = seedfast_sim::Clock::default()));
    }
    // Perfect clocks at the end of the list need not be named.
    found.push(with(&|plan| {
        let clocks = &mut plan.schedule.clocks;
        while clocks.last().is_some_and(|clock| *clock == seedfast_sim::Clock::default()) {
            clocks.pop();
        }
    }));
    found
}

/// The plan with calm numbers of the workload: all of them, then one by one.
fn calmer_work(plan: &Plan, calm: &BTreeMap<String, u64>) -> Vec<Plan> {
    let calm = |name: &String| calm.get(name).copied().unwrap_or_default();
    let mut all = plan.clone();
    all.workload.iter_mut().for_each(|(name, value)| *value = calm(name));
    let one = |name: &String| {
        let mut plan = plan.clone();
        plan.workload.insert(name.clone(), calm(name));
        plan
    };
    std::iter::once(all).chain(plan.workload.keys().map(one)).collect()
}

/// The plan with one of its faults simpler.
fn simpler_faults(plan: &Plan) -> Vec<Plan> {
    let mut found = Vec::new();
    for (index, timed) in plan.schedule.faults.iter().enumerate() {
        for fault in faults::variants(&timed.fault, &plan.schedule) {
            let mut plan = plan.clone();
            plan.schedule.faults[index].fault = fault;
            found.push(plan);
        }
    }
    found
}

/// The plan with each fault, and whatever comes behind it, earlier.
fn earlier(plan: &Plan) -> Vec<Plan> {
    let faults = &plan.schedule.faults;
    let mut found = Vec::new();
    for index in 0..=faults.len() {
        let before = index.checked_sub(1).map_or(0, |before| faults[before].at);
        let at = faults.get(index).map_or(plan.schedule.end, |timed| timed.at);
        let gap = at - before;
        for divisor in [1, 2, 4, 8] {
            let shift = gap / divisor / STEP * STEP;
            if shift == 0 {
                continue;
            }
            let mut plan = plan.clone();
            plan.schedule.faults[index..].iter_mut().for_each(|timed| timed.at -= shift);
            plan.schedule.end = plan.schedule.end.saturating_sub(shift).max(1);
            found.push(plan);
        }
    }
    found
}

/// The plan with one number simpler.
fn rounder(plan: &Plan, calm: &BTreeMap<String, u64>) -> Vec<Plan> {
    let knobs = numbers::knobs(plan, calm);
    // A number of the workload may be a set of bits.
    let bits = |name: &String, value: u64| {
        let bits = (0..u64::BITS).map(|bit| 1 << bit).filter(move |bit| value & bit != 0 && *bit != value);
        let with = |bit: u64| {
            let mut plan = plan.clone();
            plan.workload.insert(name.clone(), bit);
            plan
        };
        bits.map(with).collect::<Vec<_>>()
    };
    let bits = plan.workload.iter().flat_map(|(name, value)| bits(name, *value));
    let with = |knob: &numbers::Knob| -> Vec<Plan> {
        numbers::simpler(knob.value, knob.calm).into_iter().map(|value| knob.with(plan, value)).collect()
    };
    bits.chain(knobs.iter().flat_map(with)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(count: u64) -> Plan {
        let mut plan = Plan::default();
        plan.schedule.faults = (0..count).map(|at| Timed { at, fault: Fault::Heal }).collect();
        plan
    }

    fn times(plans: &[Plan]) -> Vec<Vec<u64>> {
        let of = |plan: &Plan| plan.schedule.faults.iter().map(|timed| timed.at).collect();
        plans.iter().map(of).collect()
    }

    #[test]
    fn every_chunk_and_every_pair_is_left_out_once() {
        assert_eq!(times(&without_chunks(&plan(5), 2)), [vec![2, 3, 4], vec![0, 1, 4], vec![0, 1, 2, 3]]);
        assert_eq!(times(&without_chunks(&plan(2), 1)), [[1], [0]]);
        assert_eq!(times(&without_pairs(&plan(3))), [[2], [1], [0]]);
        assert!(without_pairs(&plan(PAIRS as u64 + 1)).is_empty());
    }

    #[test]
    fn several_cut_links_of_a_node_become_one_node_cut_off() {
        let mut plan = plan(0);
        plan.schedule.nodes = 3;
        let sever = |at, from, to, lasts| Timed { at, fault: Fault::Sever { from, to, lasts } };
        plan.schedule.faults = vec![sever(1, 0, 1, 9), sever(2, 1, 2, 9), sever(3, 2, 0, 3)];
        let found = with_gathered(&plan);
        assert_eq!(found.len(), 6);
        let isolate = Fault::Isolate { target: Target::Node(1), clients_too: false, lasts: 10 };
        let expected = [Timed { at: 1, fault: isolate }, sever(3, 2, 0, 3)];
        assert_eq!(found[2].schedule.faults, expected);
        plan.schedule.faults.truncate(1);
        assert!(with_gathered(&plan).is_empty());
    }

    #[test]
    fn what_comes_behind_a_gap_moves_with_it() {
        let mut plan = plan(0);
        plan.schedule.end = 5 * STEP;
        plan.schedule.faults = [STEP, 3 * STEP].map(|at| Timed { at, fault: Fault::Heal }).to_vec();
        let moved = earlier(&plan);
        assert_eq!(times(&moved)[..2], [[0, 2 * STEP], [STEP, STEP]]);
        assert!(moved.iter().all(|moved| moved.schedule.end < plan.schedule.end));
    }
}
