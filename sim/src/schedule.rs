//! The schedule: what will go wrong and when, as plain data.
//!
//! A schedule is drawn from the seed first and then executed; a saved one replays without the sampler. Everything is
//! an integer, so that no machine rounds differently: times in nanoseconds, probabilities in parts per million,
//! clock rates in parts per billion. `docs/faults.md` states the exact model of every fault.

mod disk;

pub use disk::{Atlas, Caches, Disk, Place};

use serde::{Deserialize, Serialize};

/// Nanoseconds of true (simulated) time.
pub type Nanos = u64;
/// A probability in parts per million.
pub type Ppm = u32;

/// One run's world and everything that goes wrong in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// How many processes there are, named 0 to `nodes - 1`.
    pub nodes: u8,
    /// How many client endpoints there are; `nodes + clients` is at most 64.
    pub clients: u8,
    /// The run is over at this time at the latest.
    pub end: Nanos,
    /// Every link, unless a fault says otherwise.
    pub network: Network,
    /// Every device.
    pub disk: Disk,
    /// How inputs are gathered.
    pub turns: Turns,
    /// Each node's clocks at the beginning; a node beyond the end of the list has perfect ones.
    #[serde(default, rename = "clock")]
    pub clocks: Vec<Clock>,
    /// What goes wrong, in order of time.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Timed>,
}

const MICRO: Nanos = 1_000;
const MILLI: Nanos = 1_000_000;

/// How a directed link treats messages.
///
/// The default is a link of no latency at all: everything arrives at the instant at which it was sent, and a protocol
/// that answers everything runs into `livelock`. Begin with [`Network::lan`] or [`Network::wan`] and add trouble:
///
/// ```
/// use seedfast_sim::Network;
/// let lossy = Network { loss: 50_000, reordering: 10_000, ..Network::lan() };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Shortest latency.
    pub latency_min: Nanos,
    /// Longest ordinary latency; ordinary latencies are uniform between the two.
    pub latency_max: Nanos,
    /// How often a message is late.
    #[serde(default)]
    pub tail: Ppm,
    /// How much later at most than the ordinary maximum a late message is.
    #[serde(default)]
    pub tail_max: Nanos,
    /// How often a message is lost.
    #[serde(default)]
    pub loss: Ppm,
    /// How often a message arrives twice.
    #[serde(default)]
    pub duplication: Ppm,
    /// How often a message is held back so that later ones overtake it. Without it and without `tail`, a link still
    /// reorders whatever its latency range allows.
    #[serde(default)]
    pub reordering: Ppm,
    /// How often bits of a message flip or its end is cut off.
    #[serde(default)]
    pub corruption: Ppm,
    /// Bytes per second, 0 for no limit: messages queue behind each other.
    #[serde(default)]
    pub throttle: u64,
}

impl Network {
    /// A local network: 100 to 500 microseconds each way, and no trouble.
    pub const fn lan() -> Self {
        Network::between(100 * MICRO, 500 * MICRO)
    }

    /// A network across a continent: 20 to 80 milliseconds each way, and no trouble.
    pub const fn wan() -> Self {
        Network::between(20 * MILLI, 80 * MILLI)
    }

    /// A network with these latencies, in nanoseconds, and no trouble.
    pub const fn between(latency_min: Nanos, latency_max: Nanos) -> Self {
        Network {
            latency_min,
            latency_max,
            tail: 0,
            tail_max: 0,
            loss: 0,
            duplication: 0,
            reordering: 0,
            corruption: 0,
            throttle: 0,
        }
    }
}

/// How inputs reach a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turns {
    /// How often a burst stays open after an input, so that inputs arriving meanwhile join it.
    #[serde(default)]
    pub burst: Ppm,
    /// How long an open burst lasts at most.
    #[serde(default)]
    pub burst_max: Nanos,
}

/// A node's clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// What the monotonic clock reads at true time zero.
    #[serde(default)]
    pub monotonic_offset: Nanos,
    /// How far the wall clock is from true time.
    #[serde(default)]
    pub wall_offset: i64,
    /// How much faster than true time both run, in parts per billion; at least -999_999_999.
    #[serde(default)]
    pub drift: i64,
}

/// A fault and when it strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// True time.
    pub at: Nanos,
    /// What happens.
    #[serde(flatten)]
    pub fault: Fault,
}

/// Whom a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// This node.
    Node(u8),
    /// Whichever node the scene has in focus when the fault strikes (its leader, for a protocol that has one); node 0
    /// if none is.
    Focus,
}

/// Where in a turn a crash falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// Between two turns, at once.
    Now,
    /// In the next turn with more outputs than this: so many take effect, the later ones never exist. Observations do
    /// not count: each shares the fate of the output that it stands before.
    AfterOutput(u16),
    /// In the next turn with any output, after a number of them that the seed draws.
    Drawn,
    /// In the next turn that submits a write, right behind that submission: the write is then in flight.
    AfterWrite,
    /// In the next turn that makes a write of several atomic units durable, right behind that submission. If the power
    /// goes, the write is torn for certain: its beginning is on the device, and something behind it is not.
    Tear,
}

/// What a crash takes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The process dies, the kernel and the caches live on: completed writes stay readable, yet volatile; writes in
    /// flight may still land later, or vanish.
    Process,
    /// Caches are gone: of what was not durable, any subset of sectors survives.
    Power,
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// A node crashes and, if `restart_after` says so, starts again from what its devices kept.
    Crash {
        /// Who.
        target: Target,
        /// What is lost.
        loss: Loss,
        /// Where in a turn.
        cut: Cut,
        /// How long it stays down; for ever (until a `Restart` or `Heal`) if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restart_after: Option<Nanos>,
    },
    /// A crashed node starts; nothing happens to one that runs.
    Restart {
        /// Who.
        node: u8,
    },
    /// A node stands still; inputs wait.
    Pause {
        /// Who.
        target: Target,
        /// How long.
        lasts: Nanos,
        /// Whether the first input that arrives meanwhile carries the clock reading of its arrival: the pause fell
        /// between the sample and the turn.
        sampled: bool,
    },
    /// Every turn of a node takes this long, and its outputs leave at its end.
    Slow {
        /// Who.
        target: Target,
        /// How long one turn takes.
        turn: Nanos,
        /// How long this goes on.
        lasts: Nanos,
    },
    /// Endpoints in different groups cannot reach each other; an endpoint in no group is alone. Nodes are 0 to
    /// `nodes - 1`, clients follow. It replaces an earlier partition.
    Partition {
        /// The groups.
        groups: Vec<Vec<u8>>,
        /// How long it lasts; until `Heal` if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Nanos>,
    },
    /// `target` alone is cut off from every other endpoint, both ways.
    Isolate {
        /// Who.
        target: Target,
        /// Whether clients still reach it.
        clients_too: bool,
        /// How long.
        lasts: Nanos,
    },
    /// One direction between two endpoints is cut.
    Sever {
        /// From this endpoint.
        from: u8,
        /// To this one.
        to: u8,
        /// How long.
        lasts: Nanos,
    },
    /// A directed link is cut and healed again and again.
    Flap {
        /// From this endpoint.
        from: u8,
        /// To this one.
        to: u8,
        /// Cut for this long, then whole for this long.
        period: Nanos,
        /// How long this goes on.
        lasts: Nanos,
    },
    /// A directed link holds its messages and lets them go, in order, when the fault ends.
    Clog {
        /// From this endpoint.
        from: u8,
        /// To this one.
        to: u8,
        /// How long.
        lasts: Nanos,
    },
    /// All links (or one direction between two endpoints) behave like this for a while.
    Degrade {
        /// From this endpoint; every one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u8>,
        /// To this one; every one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<u8>,
        /// How they behave.
        network: Network,
        /// How long.
        lasts: Nanos,
    },
    /// Messages of one kind are lost, everything else passes.
    Starve {
        /// Which kind of message.
        message: u8,
        /// Only those to this node; to all if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<u8>,
        /// How long.
        lasts: Nanos,
    },
    /// A node's clocks run faster or slower than true time; `drift` replaces the former one for good.
    Drift {
        /// Who.
        target: Target,
        /// In parts per billion.
        drift: i64,
    },
    /// A node's wall clock jumps.
    Step {
        /// Who.
        target: Target,
        /// By so many nanoseconds, either way.
        by: i64,
    },
    /// A node's clocks stand still.
    Freeze {
        /// Who.
        target: Target,
        /// How long.
        lasts: Nanos,
    },
    /// A node's devices behave like this for a while.
    DiskDegrade {
        /// Who.
        target: Target,
        /// How they behave.
        disk: Disk,
        /// How long.
        lasts: Nanos,
    },
    /// The next barrier on a block device of a node fails.
    FailSync {
        /// Who.
        target: Target,
        /// Which of its devices, from 0.
        #[serde(default)]
        device: u8,
    },
    /// The next write that would land on a block device of a node fails; any part of it happens.
    FailWrite {
        /// Who.
        target: Target,
        /// Which of its devices, from 0.
        #[serde(default)]
        device: u8,
    },
    /// The next write that lands on a device of a node is acknowledged and never reaches the medium.
    LoseWrite {
        /// Who.
        target: Target,
        /// Which of its devices, from 0.
        #[serde(default)]
        device: u8,
    },
    /// The next write that lands on a device of a node goes to another place of it.
    Misdirect {
        /// Who.
        target: Target,
        /// Which of its devices, from 0.
        #[serde(default)]
        device: u8,
    },
    /// A block device is full: what is written there fails, wholly or from some write of its chain on.
    DiskFull {
        /// Who.
        target: Target,
        /// Which of its devices, from 0.
        #[serde(default)]
        device: u8,
        /// How long.
        lasts: Nanos,
    },
    /// Blocks cannot be read: bad sectors, poisoned lines.
    Unreadable {
        /// Who.
        target: Target,
        /// Which of its devices, from 0.
        #[serde(default)]
        device: u8,
        /// Where.
        place: Place,
        /// How long; until each is wholly rewritten if absent, and then the atlas has a say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Nanos>,
    },
    /// Bits of blocks at rest flip.
    Rot {
        /// Who.
        target: Target,
        /// Which of its devices, from 0.
        #[serde(default)]
        device: u8,
        /// Where.
        place: Place,
        /// How many bits in each block, from 1 to 64.
        bits: u8,
    },
    /// A node loses its power and all its devices, which are replaced by what
    /// [`Scene::replacement_devices`](crate::Scene::replacement_devices) says.
    LoseDevices {
        /// Who.
        target: Target,
        /// How long it stays down; for ever (until a `Restart` or `Heal`) if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restart_after: Option<Nanos>,
    },
    /// Everything that goes wrong ends: partitions, cuts, pauses, degraded links and disks; crashed nodes start;
    /// clocks run at true speed from what they read. The schedule's `network` keeps its latencies and loses its
    /// losses, duplications and corruptions; its `disk` keeps its times and fails no more. Damage stays.
    Heal,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_made_networks_and_disks_take_time_and_differ() {
        let (lan, wan, nvme, slow) = (Network::lan(), Network::wan(), Disk::nvme(), Disk::slow());
        for (network, disk) in [(lan, nvme), (wan, slow)] {
            let schedule = Schedule { nodes: 1, end: 1, network, disk, ..Schedule::default() };
            assert_eq!(schedule.check(), Ok(()));
            assert!(0 < network.latency_min && network.latency_min < network.latency_max);
            assert!(0 < disk.write_min && disk.write_min < disk.write_max);
            assert!(0 < disk.sync_min && disk.sync_min < disk.sync_max);
        }
        assert!(lan.latency_max < wan.latency_min);
        assert!(nvme.write_max < slow.write_min && nvme.sync_max < slow.sync_min);
    }
}
