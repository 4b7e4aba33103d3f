//! Drawing plans from seeds: integers only, and one stream for each purpose, so that one choice does not reshuffle the
//! others.
//!
//! - [`Draws`] and [`Draw`] are the streams; [`Sketch`] collects a plan
//! - [`environment`] draws networks, disks, bursts and clocks; [`faults`] and [`media`] draw what goes wrong

pub mod environment;
pub mod faults;
pub mod media;

use crate::paxos_scene;
use crate::workload::{self, Workload};
use seedfast_core::random::{Random, mix};
use seedfast_sim::{Clock, Disk, Fault, Nanos, Network, Plan, Schedule, Timed, Turns};

/// A microsecond in nanoseconds.
pub const MICRO: Nanos = 1_000;
/// A millisecond in nanoseconds.
pub const MILLI: Nanos = 1_000_000;
/// A second in nanoseconds.
pub const SECOND: Nanos = 1_000_000_000;

/// All streams of one seed.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    seed: u64,
}

/// The draws for one purpose.
#[derive(Clone, Debug)]
pub struct Draw(Random);

impl Draws {
    /// The streams of `seed`, apart from those of every other `scenario`.
    pub fn new(scenario: &str, seed: u64) -> Self {
        Draws { seed: mix(seed ^ name(scenario)) }
    }

    /// The stream for one purpose.
    pub fn of(&self, purpose: &str) -> Draw {
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.seed.to_le_bytes());
        entropy[8..16].copy_from_slice(&name(purpose).to_le_bytes());
        Draw(Random::new(&entropy))
    }
}

/// A name as a number: FNV-1a in 64 bits.
fn name(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Draw {
    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high - low + 1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.0.below(choices.len() as u64) as usize]
    }

    /// A number from `-most` to `most`.
    pub fn around_zero(&mut self, most: u64) -> i64 {
        self.between(0, 2 * most) as i64 - most as i64
    }

    /// One of the first `nodes` nodes.
    pub fn node(&mut self, nodes: u8) -> u8 {
        self.0.below(nodes.into()) as u8
    }
}

/// A plan being drawn.
#[derive(Clone, Debug)]
pub struct Sketch {
    /// How many replicas.
    pub nodes: u8,
    /// How many clients issue the workload; the probe comes on top.
    pub workers: u8,
    /// What they do.
    pub workload: Workload,
    /// When faults end.
    pub heal: Nanos,
    /// Every link.
    pub network: Network,
    /// Every device.
    pub disk: Disk,
    /// How inputs are gathered.
    pub turns: Turns,
    /// The clocks at the beginning.
    pub clocks: Vec<Clock>,
    /// What goes wrong before the heal.
    pub faults: Vec<Timed>,
}

impl Sketch {
    /// A calm cluster: nothing goes wrong, clients issue `commands` until faults would end at `heal`.
    pub fn calm(nodes: u8, workers: u8, commands: u64, heal: Nanos) -> Self {
        // On average a client pauses for half of `think`, and its operation takes some milliseconds.
        let cycle = heal * u64::from(workers) / commands.max(1) / MICRO;
        let workload = Workload {
            commands,
            lists: 4,
            registers: 2,
            register_percent: 20,
            read_percent: 20,
            in_log_percent: 20,
            once_percent: 20,
            think_micros: (2 * cycle).saturating_sub(16_000).min(10_000_000),
            ..workload::calm()
        };
        Sketch {
            nodes,
            workers,
            workload,
            heal,
            network: environment::calm_network(),
            disk: environment::calm_disk(),
            turns: Turns::default(),
            clocks: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Something goes wrong at `at`; nothing does after the heal.
    pub fn fault(&mut self, at: Nanos, fault: Fault) {
        if at < self.heal {
            self.faults.push(Timed { at, fault });
        }
    }

    /// The plan: faults in order of time, then the heal, then twice the time that liveness has.
    pub fn plan(mut self) -> Plan {
        self.faults.sort_by_key(|timed| timed.at);
        self.faults.push(Timed { at: self.heal, fault: Fault::Heal });
        let bound = paxos_scene::bound(&paxos_scene::config(self.nodes, &self.workload));
        Plan {
            workload: self.workload.to_plan(),
            schedule: Schedule {
                nodes: self.nodes,
                clients: self.workers + 1,
                end: self.heal + 2 * bound.as_nanos() + SECOND,
                network: self.network,
                disk: self.disk,
                turns: self.turns,
                clocks: self.clocks,
                faults: self.faults,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_scenarios_and_seeds_have_streams_of_their_own() {
        let first = |scenario, seed, purpose| Draws::new(scenario, seed).of(purpose).between(0, u64::MAX - 1);
        assert_eq!(first("a", 1, "x"), first("a", 1, "x"));
        assert_ne!(first("a", 1, "x"), first("a", 1, "y"));
        assert_ne!(first("a", 1, "x"), first("a", 2, "x"));
        assert_ne!(first("a", 1, "x"), first("b", 1, "x"));
    }

    #[test]
    fn ranges_reach_both_ends() {
        let mut draw = Draws::new("a", 1).of("x");
        let seen: std::collections::BTreeSet<u64> = (0..100).map(|_| draw.between(3, 5)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
        let signs: std::collections::BTreeSet<i64> = (0..100).map(|_| draw.around_zero(1)).collect();
        assert_eq!(signs.into_iter().collect::<Vec<_>>(), [-1, 0, 1]);
        assert!(draw.node(3) < 3 && draw.one_of(&[7]) == 7);
        assert!((0..100).all(|_| draw.percent(100) && !draw.percent(0)));
    }

    #[test]
    fn a_plan_ends_with_a_heal_and_the_time_that_liveness_has() {
        let mut sketch = Sketch::calm(3, 2, 10, 5 * SECOND);
        sketch.fault(2 * SECOND, Fault::Restart { node: 1 });
        sketch.fault(SECOND, Fault::Restart { node: 0 });
        sketch.fault(6 * SECOND, Fault::Restart { node: 2 });
        let plan = sketch.plan();
        let times: Vec<Nanos> = plan.schedule.faults.iter().map(|timed| timed.at).collect();
        assert_eq!(times, [SECOND, 2 * SECOND, 5 * SECOND]);
        assert_eq!(plan.schedule.faults.last().map(|timed| &timed.fault), Some(&Fault::Heal));
        assert_eq!((plan.schedule.end, plan.schedule.clients), (22 * SECOND, 3));
    }
}
