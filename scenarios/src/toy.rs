//! A consensus that is not Paxos: three nodes, two values, one vote each.
//!
//! Every node votes once, for a value of its own choice; two equal votes decide. Three votes for two values always
//! hold a pair, so that one decision is in reach as soon as everybody is heard. It is the smallest protocol that
//! crashes can break: it stands or falls with a node remembering its vote.
//!
//! | invariant | says |
//! |---|---|
//! | `T1` | decided values are equal |
//! | `T2` | a decided value has a quorum of votes: two nodes voted for it |
//! | `T3` | a node's votes are equal, over all its lives and in everybody's memory |
//!
//! `T2` and `T3` give `T1`: two quorums out of three share a node, and it voted for one value. All three are checked
//! after every turn. No liveness is claimed.
//!
//! `toy-double-vote` carries the bug for which the protocol is an example: a node speaks before what it says is
//! durable, and after a crash votes again.

mod judge;
mod node;

use judge::Judge;
use seedfast_core::random::Random;
use seedfast_sim::{Cut, Disk, Fault, Loss, Network, Plan, Scenario, Scene, Schedule, Target, Timed, Turns};

/// How many nodes vote.
pub const NODES: usize = 3;
/// How many equal votes decide.
pub const QUORUM: usize = 2;

/// When a node sends its vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speak {
    /// When its vote is durable: the protocol as it should be.
    OnceDurable,
    /// In the turn that submits the write: the planted bug.
    AtOnce,
}

/// The toy consensus, right or with its bug.
#[derive(Clone, Copy, Debug)]
pub struct Toy(Speak);

/// Three nodes that remember their votes.
pub const TOY: Toy = Toy(Speak::OnceDurable);
/// Three nodes that speak before they remember.
pub const TOY_DOUBLE_VOTE: Toy = Toy(Speak::AtOnce);

impl Scenario for Toy {
    fn name(&self) -> &'static str {
        match self.0 {
            Speak::OnceDurable => "toy",
            Speak::AtOnce => "toy-double-vote",
        }
    }

    fn about(&self) -> &'static str {
        match self.0 {
            Speak::OnceDurable => {
                "a consensus that is not Paxos: three nodes vote once, two equal votes decide"
            }
            Speak::AtOnce => "the toy consensus with a node that votes before its vote is durable",
        }
    }

    fn planted(&self) -> Option<&'static str> {
        match self.0 {
            Speak::OnceDurable => None,
            Speak::AtOnce => {
                Some("a vote leaves before it is durable, so that a crash makes a node vote twice")
            }
        }
    }

    fn plan(&self, seed: u64) -> Plan {
        let mut entropy = *b"........the plan of the toy ....";
        entropy[..8].copy_from_slice(&seed.to_le_bytes());
        Plan { schedule: schedule(&mut Random::new(&entropy)), ..Plan::default() }
    }

    fn scene(&self, plan: &Plan, _seed: u64) -> Result<Box<dyn Scene>, String> {
        if usize::from(plan.schedule.nodes) != NODES {
            return Err(format!("the toy has {NODES} nodes, and this plan {}", plan.schedule.nodes));
        }
        if !plan.workload.is_empty() || plan.schedule.clients != 0 {
            return Err("the toy has neither clients nor a workload, and this plan does".into());
        }
        Ok(Box::new(Judge::new(self.0)))
    }
}

const MICROS: u64 = 1_000;
const MILLIS: u64 = 1_000_000;
/// Faults begin before this time: votes are cast in the first milliseconds.
const TROUBLE: u64 = 40 * MILLIS;
/// Everything heals at this time.
const HEALED: u64 = 150 * MILLIS;
/// The run ends.
const END: u64 = 250 * MILLIS;

/// Draws a small schedule: crashes of up to four, a network that loses, doubles and damages messages, a partition.
fn schedule(random: &mut Random) -> Schedule {
    let mut faults = Vec::new();
    // A second crash of the same node finds what a second crash of another one does not.
    let victim = (random.below(2) == 0).then(|| any_node(random));
    for _ in 0..=random.below(4) {
        let target = victim.unwrap_or_else(|| any_node(random));
        faults.push(Timed { at: random.below(TROUBLE), fault: crash(target, random) });
    }
    if random.below(2) == 0 {
        faults.push(Timed { at: random.below(TROUBLE), fault: partition(random) });
    }
    if random.below(4) == 0 {
        let target = any_node(random);
        let lasts = MILLIS + random.below(30 * MILLIS);
        faults
            .push(Timed { at: random.below(TROUBLE), fault: Fault::Pause { target, lasts, sampled: false } });
    }
    faults.sort_by_key(|timed| timed.at);
    faults.push(Timed { at: HEALED, fault: Fault::Heal });
    Schedule {
        nodes: NODES as u8,
        clients: 0,
        end: END,
        network: Network {
            latency_min: 100 * MICROS,
            latency_max: 300 * MICROS + random.below(5 * MILLIS),
            loss: sometimes(random, 300_000),
            duplication: sometimes(random, 200_000),
            reordering: sometimes(random, 200_000),
            corruption: sometimes(random, 100_000),
            ..Network::default()
        },
        disk: Disk {
            // Slow, because what matters happens while a vote is on its way to the disk.
            write_min: 50 * MICROS,
            write_max: 100 * MICROS + random.below(10 * MILLIS),
            sync_min: MILLIS,
            sync_max: MILLIS + random.below(20 * MILLIS),
            ..Disk::default()
        },
        turns: Turns { burst: sometimes(random, 500_000), burst_max: 200 * MICROS },
        clocks: Vec::new(),
        faults,
    }
}

fn crash(target: Target, random: &mut Random) -> Fault {
    Fault::Crash {
        target,
        loss: if random.below(2) == 0 { Loss::Power } else { Loss::Process },
        cut: match random.below(3) {
            0 => Cut::Now,
            1 => Cut::AfterOutput(random.below(4) as u16),
            _ => Cut::Drawn,
        },
        // Half of them soon enough to meet writes of the life before.
        restart_after: Some(if random.below(2) == 0 {
            random.below(MILLIS)
        } else {
            random.below(30 * MILLIS)
        }),
    }
}

fn partition(random: &mut Random) -> Fault {
    let alone = random.below(NODES as u64) as u8;
    let others = (0..NODES as u8).filter(|node| *node != alone).collect();
    Fault::Partition {
        groups: vec![vec![alone], others],
        lasts: Some(5 * MILLIS + random.below(60 * MILLIS)),
    }
}

fn any_node(random: &mut Random) -> Target {
    Target::Node(random.below(NODES as u64) as u8)
}

/// In half of all seeds nothing, in the others up to `most`: faults that always strike hide each other.
fn sometimes(random: &mut Random, most: u64) -> u32 {
    if random.below(2) == 0 { 0 } else { random.below(most) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_follows_from_its_seed_and_other_seeds_have_others() {
        assert_eq!(TOY.plan(7), TOY.plan(7));
        assert_eq!(TOY.plan(7), TOY_DOUBLE_VOTE.plan(7), "the bug does not choose its own faults");
        assert_ne!(TOY.plan(7), TOY.plan(8));
    }

    #[test]
    fn a_plan_that_does_not_fit_is_refused_with_a_reason() {
        let mut plan = TOY.plan(1);
        plan.schedule.nodes = 5;
        assert_eq!(TOY.scene(&plan, 1).err().as_deref(), Some("the toy has 3 nodes, and this plan 5"));
    }
}
