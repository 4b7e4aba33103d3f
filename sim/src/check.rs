//! Whether a schedule makes sense. One that does not is refused before anything runs: a fault that can touch nothing,
//! or a probability above one, would let every run hold and say nothing.

use crate::schedule::{Clock, Disk, Fault, Network, Place, Ppm, Schedule, Target, Timed, Turns};
use seedfast_core::Duration;

/// A year: no time in a schedule may be longer, so that no sum of times overflows.
const LONGEST: u64 = 366 * 86_400 * 1_000_000_000;
/// Nodes and clients in all.
const MOST_ENDPOINTS: usize = 64;
/// Always, in parts per million.
const ALWAYS: Ppm = 1_000_000;

type Checked = Result<(), String>;

impl Schedule {
    /// Whether the world can execute it; a saved schedule can hold anything.
    ///
    /// # Errors
    /// What is wrong and where, in one sentence.
    pub fn check(&self) -> Result<(), String> {
        let endpoints = usize::from(self.nodes) + usize::from(self.clients);
        if self.nodes == 0 {
            return Err("`nodes` is 0: there must be at least one".into());
        }
        if endpoints > MOST_ENDPOINTS {
            return Err(format!(
                "{} nodes and {} clients are more than {MOST_ENDPOINTS} endpoints",
                self.nodes, self.clients
            ));
        }
        if self.end == 0 {
            return Err("`end` is 0: nothing would happen".into());
        }
        bounded("end", self.end)?;
        network(&self.network).map_err(|what| format!("`network`: {what}"))?;
        disk(&self.disk).map_err(|what| format!("`disk`: {what}"))?;
        turns(&self.turns).map_err(|what| format!("`turns`: {what}"))?;
        if self.clocks.len() > usize::from(self.nodes) {
            return Err(format!("there are {} clocks for {} nodes", self.clocks.len(), self.nodes));
        }
        for (node, clock) in self.clocks.iter().enumerate() {
            check_clock(clock).map_err(|what| format!("the clock of n{node}: {what}"))?;
        }
        for (number, timed) in self.faults.iter().enumerate() {
            self.check_fault(timed).map_err(|what| {
                let at = Duration::from_nanos(timed.at);
                format!("fault {number} at {at}, `{}`: {what}", timed.fault)
            })?;
        }
        Ok(())
    }

    fn check_fault(&self, timed: &Timed) -> Checked {
        let fault = &timed.fault;
        bounded("at", timed.at)?;
        bounded("lasts", fault.lasts().unwrap_or_default())?;
        if let Some(Target::Node(node)) = fault.target() {
            self.check_node(node)?;
        }
        match fault {
            Fault::Sever { from, to, .. } | Fault::Clog { from, to, .. } => self.check_link(*from, *to),
            Fault::Flap { from, to, period, .. } => {
                self.check_link(*from, *to)?;
                if *period == 0 {
                    return Err("a flap's period is zero".into());
                }
                bounded("period", *period)
            }
            Fault::Degrade { from, to, network: degraded, .. } => {
                match (*from, *to) {
                    (Some(from), Some(to)) => self.check_link(from, to)?,
                    (from, to) => from.into_iter().chain(to).try_for_each(|end| self.check_endpoint(end))?,
                }
                network(degraded)
            }
            Fault::Starve { to, .. } => to.map_or(Ok(()), |to| self.check_node(to)),
            Fault::Partition { groups, .. } => self.check_groups(groups),
            Fault::DiskDegrade { disk: degraded, .. } => disk(degraded),
            Fault::Drift { drift: rate, .. } => drift(*rate),
            Fault::Slow { turn, .. } => bounded("turn", *turn),
            Fault::Unreadable { place, .. } => check_place(place),
            Fault::Rot { place, bits, .. } => {
                check_place(place)?;
                if (1..=64).contains(bits) {
                    Ok(())
                } else {
                    Err(format!("`bits` is {bits}, outside 1..=64"))
                }
            }
            Fault::Crash { restart_after, .. } | Fault::LoseDevices { restart_after, .. } => {
                bounded("restart_after", restart_after.unwrap_or_default())
            }
            Fault::Restart { .. }
            | Fault::Pause { .. }
            | Fault::Isolate { .. }
            | Fault::Step { .. }
            | Fault::Freeze { .. }
            | Fault::FailSync { .. }
            | Fault::FailWrite { .. }
            | Fault::LoseWrite { .. }
            | Fault::Misdirect { .. }
            | Fault::DiskFull { .. }
            | Fault::Heal => Ok(()),
        }
    }

    fn check_node(&self, node: u8) -> Checked {
        let last = self.nodes - 1;
        if node <= last { Ok(()) } else { Err(format!("there is no node {node}, the last one is {last}")) }
    }

    fn check_endpoint(&self, endpoint: u8) -> Checked {
        let last = usize::from(self.nodes) + usize::from(self.clients) - 1;
        if usize::from(endpoint) <= last {
            Ok(())
        } else {
            Err(format!("there is no endpoint {endpoint}, the last one is {last}"))
        }
    }

    fn check_link(&self, from: u8, to: u8) -> Checked {
        self.check_endpoint(from)?;
        self.check_endpoint(to)?;
        if from == to { Err(format!("no link leads from endpoint {from} to itself")) } else { Ok(()) }
    }

    fn check_groups(&self, groups: &[Vec<u8>]) -> Checked {
        let mut grouped = 0u64;
        for endpoint in groups.iter().flatten() {
            self.check_endpoint(*endpoint)?;
            if grouped & 1 << endpoint != 0 {
                return Err(format!("endpoint {endpoint} stands in the groups twice"));
            }
            grouped |= 1 << endpoint;
        }
        Ok(())
    }
}

fn network(network: &Network) -> Checked {
    ordered("latency_min", network.latency_min, "latency_max", network.latency_max)?;
    bounded("latency_max", network.latency_max)?;
    bounded("tail_max", network.tail_max)?;
    probable("tail", network.tail)?;
    probable("loss", network.loss)?;
    probable("duplication", network.duplication)?;
    probable("reordering", network.reordering)?;
    probable("corruption", network.corruption)
}

fn disk(disk: &Disk) -> Checked {
    ordered("write_min", disk.write_min, "write_max", disk.write_max)?;
    ordered("sync_min", disk.sync_min, "sync_max", disk.sync_max)?;
    bounded("write_max", disk.write_max)?;
    bounded("sync_max", disk.sync_max)?;
    bounded("stall_max", disk.stall_max)?;
    probable("stall", disk.stall)?;
    disk.failures().into_iter().try_for_each(|(name, ppm)| probable(name, ppm))
}

fn check_place(place: &Place) -> Checked {
    match place {
        Place::Drawn(0) | Place::Range { length: 0, .. } => Err("`place` holds nothing".into()),
        Place::Range { at, length } if at.checked_add(*length).is_none() => {
            Err("`place` reaches beyond any device".into())
        }
        Place::Drawn(_) | Place::Range { .. } => Ok(()),
    }
}

fn turns(turns: &Turns) -> Checked {
    probable("burst", turns.burst)?;
    bounded("burst_max", turns.burst_max)
}

fn check_clock(clock: &Clock) -> Checked {
    bounded("monotonic_offset", clock.monotonic_offset)?;
    drift(clock.drift)
}

fn ordered(low_name: &str, low: u64, high_name: &str, high: u64) -> Checked {
    if low <= high {
        return Ok(());
    }
    Err(format!("`{low_name}` ({low} ns) is above `{high_name}` ({high} ns)"))
}

fn bounded(name: &str, time: u64) -> Checked {
    if time <= LONGEST {
        return Ok(());
    }
    Err(format!("`{name}` is {}, longer than a year", Duration::from_nanos(time)))
}

fn probable(name: &str, ppm: Ppm) -> Checked {
    if ppm <= ALWAYS {
        return Ok(());
    }
    Err(format!("`{name}` is {ppm} parts per million, more than {ALWAYS}, which is always"))
}

fn drift(rate: i64) -> Checked {
    if (-999_999_999..=999_000_000_000).contains(&rate) {
        return Ok(());
    }
    Err(format!("a drift of {rate} parts per billion is outside -999999999..=999000000000"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Cut, Loss};

    fn sound() -> Schedule {
        Schedule { nodes: 3, clients: 2, end: 1_000_000_000, ..Schedule::default() }
    }

    /// What is wrong with a schedule after a change.
    fn wrong(change: impl FnOnce(&mut Schedule)) -> String {
        let mut schedule = sound();
        assert_eq!(schedule.check(), Ok(()));
        change(&mut schedule);
        schedule.check().expect_err("it makes no sense")
    }

    /// What is wrong with a fault, behind one that is sound.
    fn wrong_fault(fault: Fault) -> String {
        let text = fault.to_string();
        let what = wrong(|schedule| {
            schedule.faults = vec![Timed { at: 0, fault: Fault::Heal }, Timed { at: 1_500_000_000, fault }];
        });
        let (place, what) = what.split_at(what.rfind("`: ").expect("it quotes the fault"));
        assert_eq!(place, format!("fault 1 at 1.500s, `{text}"));
        what[3..].to_string()
    }

    #[test]
    fn endpoints_the_end_and_clocks_make_sense() {
        assert_eq!(wrong(|s| s.nodes = 0), "`nodes` is 0: there must be at least one");
        assert_eq!(
            wrong(|s| (s.nodes, s.clients) = (60, 5)),
            "60 nodes and 5 clients are more than 64 endpoints"
        );
        assert_eq!(
            wrong(|s| (s.nodes, s.clients) = (255, 255)),
            "255 nodes and 255 clients are more than 64 endpoints"
        );
        assert_eq!(wrong(|s| s.end = 0), "`end` is 0: nothing would happen");
        assert!(wrong(|s| s.end = u64::MAX).contains("longer than a year"));
        assert_eq!(wrong(|s| s.clocks = vec![Clock::default(); 4]), "there are 4 clocks for 3 nodes");
        assert_eq!(
            wrong(|s| s.clocks = vec![Clock::default(), Clock { drift: -1_000_000_000, ..Clock::default() }]),
            "the clock of n1: a drift of -1000000000 parts per billion is outside -999999999..=999000000000"
        );
        let most = Schedule { nodes: 60, clients: 4, clocks: vec![Clock::default(); 60], ..sound() };
        assert_eq!(most.check(), Ok(()));
    }

    type Field = fn(&mut Schedule) -> &mut Ppm;

    #[test]
    fn no_probability_is_above_one() {
        let above = |field: Field| {
            assert_eq!(
                {
                    let mut s = sound();
                    *field(&mut s) = ALWAYS;
                    s.check()
                },
                Ok(())
            );
            wrong(|schedule| *field(schedule) = ALWAYS + 1)
        };
        let fields: [(&str, Field); 13] = [
            ("`network`: `tail`", |s| &mut s.network.tail),
            ("`network`: `loss`", |s| &mut s.network.loss),
            ("`network`: `duplication`", |s| &mut s.network.duplication),
            ("`network`: `reordering`", |s| &mut s.network.reordering),
            ("`network`: `corruption`", |s| &mut s.network.corruption),
            ("`disk`: `stall`", |s| &mut s.disk.stall),
            ("`disk`: `sync_failure`", |s| &mut s.disk.sync_failure),
            ("`disk`: `write_error`", |s| &mut s.disk.write_error),
            ("`disk`: `no_space`", |s| &mut s.disk.no_space),
            ("`disk`: `read_error`", |s| &mut s.disk.read_error),
            ("`disk`: `lost_write`", |s| &mut s.disk.lost_write),
            ("`disk`: `misdirected`", |s| &mut s.disk.misdirected),
            ("`turns`: `burst`", |s| &mut s.turns.burst),
        ];
        for (name, field) in fields {
            assert_eq!(
                above(field),
                format!("{name} is 1000001 parts per million, more than 1000000, which is always")
            );
        }
        let network = Network { loss: ALWAYS + 1, ..Network::default() };
        assert!(
            wrong_fault(Fault::Degrade { from: None, to: None, network, lasts: 1 }).starts_with("`loss` is")
        );
        let disk = Disk { stall: ALWAYS + 1, ..Disk::default() };
        let target = Target::Focus;
        assert!(wrong_fault(Fault::DiskDegrade { target, disk, lasts: 1 }).starts_with("`stall` is"));
    }

    #[test]
    fn a_shortest_time_is_not_above_the_longest() {
        assert_eq!(
            wrong(|s| s.network.latency_min = 1_000_000),
            "`network`: `latency_min` (1000000 ns) is above `latency_max` (0 ns)"
        );
        assert!(wrong(|s| s.disk.write_min = 1).starts_with("`disk`: `write_min`"));
        assert!(wrong(|s| s.disk.sync_min = 1).starts_with("`disk`: `sync_min`"));
    }

    #[test]
    fn a_partition_names_endpoints_that_exist_and_each_once() {
        let partition = |groups: Vec<Vec<u8>>| wrong_fault(Fault::Partition { groups, lasts: None });
        assert_eq!(partition(vec![vec![0], vec![5]]), "there is no endpoint 5, the last one is 4");
        assert_eq!(partition(vec![vec![0, 1], vec![200]]), "there is no endpoint 200, the last one is 4");
        assert_eq!(partition(vec![vec![0, 1], vec![2, 1]]), "endpoint 1 stands in the groups twice");
        assert_eq!(partition(vec![vec![3, 3]]), "endpoint 3 stands in the groups twice");
        let mut schedule = sound();
        let groups = vec![vec![0, 4], vec![], vec![1]];
        schedule.faults.push(Timed { at: 0, fault: Fault::Partition { groups, lasts: None } });
        assert_eq!(schedule.check(), Ok(()));
    }

    #[test]
    fn a_link_has_two_ends_that_exist() {
        let network = Network::default();
        let faults = |from, to| {
            [
                Fault::Sever { from, to, lasts: 1 },
                Fault::Flap { from, to, period: 1, lasts: 1 },
                Fault::Clog { from, to, lasts: 1 },
                Fault::Degrade { from: Some(from), to: Some(to), network, lasts: 1 },
            ]
        };
        for fault in faults(1, 1) {
            assert_eq!(wrong_fault(fault), "no link leads from endpoint 1 to itself");
        }
        for fault in faults(1, 5).into_iter().chain(faults(5, 1)) {
            assert_eq!(wrong_fault(fault), "there is no endpoint 5, the last one is 4");
        }
        let half = Fault::Degrade { from: None, to: Some(9), network, lasts: 1 };
        assert_eq!(wrong_fault(half), "there is no endpoint 9, the last one is 4");
        assert_eq!(
            wrong_fault(Fault::Flap { from: 0, to: 1, period: 0, lasts: 1 }),
            "a flap's period is zero"
        );
    }

    #[test]
    fn damage_has_a_place_and_flips_bits() {
        let (target, device) = (Target::Node(0), 0);
        let rot = |place, bits| wrong_fault(Fault::Rot { target, device, place, bits });
        assert_eq!(rot(Place::Drawn(0), 1), "`place` holds nothing");
        assert_eq!(rot(Place::Range { at: 5, length: 0 }, 1), "`place` holds nothing");
        assert_eq!(rot(Place::Range { at: u64::MAX, length: 1 }, 1), "`place` reaches beyond any device");
        assert_eq!(rot(Place::Drawn(1), 0), "`bits` is 0, outside 1..=64");
        assert_eq!(rot(Place::Drawn(1), 65), "`bits` is 65, outside 1..=64");
        let place = Place::Drawn(0);
        assert_eq!(
            wrong_fault(Fault::Unreadable { target, device, place, lasts: None }),
            "`place` holds nothing"
        );
    }

    #[test]
    fn a_target_exists() {
        let target = Target::Node(3);
        let faults = [
            Fault::Crash { target, loss: Loss::Power, cut: Cut::Now, restart_after: None },
            Fault::Restart { node: 3 },
            Fault::Pause { target, lasts: 1, sampled: false },
            Fault::Slow { target, turn: 1, lasts: 1 },
            Fault::Isolate { target, clients_too: true, lasts: 1 },
            Fault::Starve { message: 1, to: Some(3), lasts: 1 },
            Fault::Drift { target, drift: 0 },
            Fault::Step { target, by: 0 },
            Fault::Freeze { target, lasts: 1 },
            Fault::DiskDegrade { target, disk: Disk::default(), lasts: 1 },
            Fault::FailSync { target, device: 0 },
            Fault::FailWrite { target, device: 0 },
            Fault::LoseWrite { target, device: 0 },
            Fault::Misdirect { target, device: 0 },
            Fault::DiskFull { target, device: 0, lasts: 1 },
            Fault::Unreadable { target, device: 0, place: Place::Drawn(1), lasts: None },
            Fault::Rot { target, device: 0, place: Place::Drawn(1), bits: 1 },
            Fault::LoseDevices { target, restart_after: None },
        ];
        for fault in faults {
            assert_eq!(wrong_fault(fault), "there is no node 3, the last one is 2");
        }
        let drift = Fault::Drift { target: Target::Focus, drift: -1_000_000_000 };
        assert!(wrong_fault(drift).starts_with("a drift of -1000000000"));
    }
}
