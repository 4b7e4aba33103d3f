//! What is done to the cluster, drawn from the seed before anything runs.

use seedfast_core::random::Random;
use std::fmt;
use std::time::Duration;

/// Whom a strike is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// This replica, by its place in the list.
    Node(usize),
    /// Whoever was last seen to lead.
    Leader,
}

/// One thing that is done. It lasts as long as its round holds, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    /// `kill -9`; started again when the round heals.
    Kill(Whom),
    /// `kill -9`, started again at once, and killed again so soon that it may still recover.
    KillTwice(Whom),
    /// `kill -9` of a majority.
    KillMajority,
    /// `kill -9` of everybody.
    KillAll,
    /// It takes a snapshot, and while it does `kill -9`.
    KillInSnapshot(Whom),
    /// SIGSTOP, and SIGCONT when the round heals.
    Stop(Whom),
    /// SIGSTOP, and `kill -9` when the round heals, which starts it again.
    StopAndKill(Whom),
    /// Its streams to and from all others are cut.
    Isolate(Whom),
    /// Only those on which it speaks are.
    Mute(Whom),
    /// Only those on which it hears are.
    Deafen(Whom),
    /// Those between the replicas whose bits are set and the others are cut.
    Halves(u8),
    /// One direction between two replicas is cut.
    Sever(usize, usize),
    /// Nothing goes through on its streams, and nothing is lost: all of it comes when the round heals.
    Stall(Whom),
    /// Each piece on any stream between replicas takes so many milliseconds.
    Slow(u64),
    /// Every stream between replicas breaks, and may be opened again at once.
    Break,
    /// The disk of the replica that has a small one is full.
    Fill,
    /// The self-test's: all are killed, the journals of a majority are put aside, all are started again.
    PutAside,
    /// The self-test's: all are killed, that majority is given its older journals back and started, the others later.
    Forget,
}

impl Strike {
    /// Whether a process is killed.
    pub(crate) fn kills(self) -> bool {
        use Strike::{Kill, KillAll, KillInSnapshot, KillMajority, KillTwice, StopAndKill};
        matches!(self, Kill(_) | KillAll | KillInSnapshot(_) | KillMajority | KillTwice(_) | StopAndKill(_))
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whom::Node(index) => write!(f, "replica {}", index + 1),
            Whom::Leader => f.write_str("the leader"),
        }
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Strike::Kill(whom) => write!(f, "kill -9 {whom}"),
            Strike::KillTwice(whom) => write!(f, "kill -9 {whom}, twice"),
            Strike::KillMajority => f.write_str("kill -9 a majority"),
            Strike::KillAll => f.write_str("kill -9 all"),
            Strike::KillInSnapshot(whom) => write!(f, "kill -9 {whom} while it takes a snapshot"),
            Strike::Stop(whom) => write!(f, "SIGSTOP {whom}"),
            Strike::StopAndKill(whom) => write!(f, "SIGSTOP {whom}, then kill -9"),
            Strike::Isolate(whom) => write!(f, "isolate {whom}"),
            Strike::Mute(whom) => write!(f, "cut what {whom} says"),
            Strike::Deafen(whom) => write!(f, "cut what {whom} hears"),
            Strike::Halves(side) => write!(f, "cut between {side:05b} and the others"),
            Strike::Sever(from, to) => write!(f, "cut from replica {} to replica {}", from + 1, to + 1),
            Strike::Stall(whom) => write!(f, "stall the streams of {whom}"),
            Strike::Slow(millis) => write!(f, "slow every stream by {millis} ms"),
            Strike::Break => f.write_str("break every stream"),
            Strike::Fill => f.write_str("fill the small disk"),
            Strike::PutAside => f.write_str("put the journals of a majority aside"),
            Strike::Forget => f.write_str("give a majority its older journals back"),
        }
    }
}

/// Something is done, stands for a while, is healed, and the cluster has a while for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    /// One or two at once.
    pub(crate) strikes: Vec<Strike>,
    /// How long they stand.
    pub(crate) hold: Duration,
    /// How long the cluster has before the next round.
    pub(crate) rest: Duration,
    /// Whether the next round also waits until clients are answered again.
    pub(crate) recover: bool,
}

/// The rounds of a seed, one after the other, without an end.
pub(crate) struct Plan {
    random: Random,
    nodes: usize,
    drawn: u64,
    small_disk: bool,
}

impl Plan {
    /// For so many replicas; the last of them stands on a small disk, if there is one.
    pub(crate) fn new(seed: u64, nodes: usize, small_disk: bool) -> Self {
        Plan { random: Random::from_seed(seed), nodes, drawn: 0, small_disk }
    }

    fn whom(&mut self) -> Whom {
        match self.random.below(3) {
            0 => Whom::Leader,
            _ => Whom::Node(self.random.below(self.nodes as u64) as usize),
        }
    }

    fn kill(&mut self) -> Strike {
        let whom = self.whom();
        match self.random.below(12) {
            0 => Strike::KillAll,
            1 => Strike::KillMajority,
            2 => Strike::KillTwice(whom),
            3 => Strike::KillInSnapshot(whom),
            4 => Strike::StopAndKill(whom),
            5..=6 => Strike::Kill(Whom::Leader),
            _ => Strike::Kill(whom),
        }
    }

    fn link(&mut self) -> Strike {
        let whom = self.whom();
        match self.random.below(9) {
            0..=1 => Strike::Isolate(whom),
            2 => Strike::Mute(whom),
            3 => Strike::Deafen(whom),
            4 => Strike::Halves(1 + self.random.below((1 << self.nodes) - 2) as u8),
            5 => {
                let from = self.random.below(self.nodes as u64) as usize;
                let step = 1 + self.random.below(self.nodes as u64 - 1) as usize;
                Strike::Sever(from, (from + step) % self.nodes)
            }
            6 => Strike::Stall(whom),
            7 => Strike::Slow(1 + self.random.below(80)),
            _ => Strike::Break,
        }
    }

    /// The next round. Half of them kill and do nothing else; a quarter of the others kill too.
    pub(crate) fn next(&mut self) -> Round {
        self.drawn += 1;
        let strikes = match self.random.below(16) {
            // Early as well: once every byte of the journal was written, a full disk has nothing to refuse.
            _ if self.small_disk && matches!(self.drawn, 2 | 5) => vec![Strike::Fill],
            0..=7 => vec![self.kill()],
            8..=9 => vec![self.link(), self.kill()],
            10..=13 => vec![self.link()],
            14 if self.small_disk => vec![Strike::Fill, self.kill()],
            _ => vec![Strike::Stop(self.whom())],
        };
        // Whoever stands on a full disk has to come upon a part of his journal that was never written.
        let least = if strikes.contains(&Strike::Fill) { 1_000 } else { 50 };
        Round {
            strikes,
            hold: Duration::from_millis(least + self.random.below(1_950)),
            rest: Duration::from_millis(100 + self.random.below(900)),
            recover: self.random.below(2) == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_plan_and_plans_have_everything() {
        let rounds = |seed| {
            let mut plan = Plan::new(seed, 3, true);
            (0..2_000).map(|_| plan.next()).collect::<Vec<_>>()
        };
        assert_eq!(rounds(7), rounds(7));
        assert_ne!(rounds(7), rounds(8));
        let all: Vec<Strike> = rounds(7).into_iter().flat_map(|round| round.strikes).collect();
        let words: std::collections::BTreeSet<String> = all
            .iter()
            .map(|strike| strike.to_string().split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect();
        for wanted in [
            "kill -9",
            "SIGSTOP the",
            "SIGSTOP replica",
            "isolate replica",
            "cut what",
            "cut between",
            "cut from",
            "stall the",
            "slow every",
            "break every",
            "fill the",
        ] {
            assert!(words.contains(wanted), "{wanted} is in no plan: {words:?}");
        }
        assert!(all.iter().filter(|strike| strike.kills()).count() > 1_000);
        let sane = |strike: &Strike| match strike {
            Strike::Halves(side) => (1..7).contains(side),
            Strike::Sever(from, to) => from != to && *from < 3 && *to < 3,
            Strike::PutAside | Strike::Forget => false,
            _ => true,
        };
        assert!(all.iter().all(sane));
    }
}
