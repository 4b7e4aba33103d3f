//! Carries out a plan's rounds.

use super::client::Shared;
use super::cluster::{Cluster, PATIENCE};
use super::link::Rule;
use super::plan::{Round, Strike, Whom};
use super::resp::Connection;
use super::watch::Watch;
use crate::{Trouble, Verdict, failed};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// So many answers show that clients are served again.
const SIGNS_OF_LIFE: u64 = 20;
/// How soon a second `kill -9` follows the first.
const TWICE: Duration = Duration::from_millis(150);

/// Who strikes.
pub(crate) struct Nemesis<'a> {
    pub(crate) cluster: &'a mut Cluster,
    pub(crate) shared: &'a Shared,
    pub(crate) watch: &'a Watch,
    /// Every strike is a line of it.
    pub(crate) log: File,
    /// Journals put aside by the self-test.
    pub(crate) aside: Vec<(usize, PathBuf)>,
}

impl Nemesis<'_> {
    /// Writes a line with the time.
    pub(crate) fn note(&mut self, what: &str) {
        let time = self.shared.ledger.elapsed().as_millis();
        // The log is for people; a run is not worth less without it.
        let _ = writeln!(self.log, "{:5}.{:03} {what}", time / 1000, time % 1000);
    }

    fn whom(&self, whom: Whom) -> usize {
        match whom {
            Whom::Node(index) => index,
            Whom::Leader => self.watch.leader().unwrap_or(0),
        }
    }

    fn majority(&self) -> usize {
        self.cluster.len() / 2 + 1
    }

    /// Strikes, holds, heals, rests.
    pub(crate) fn round(&mut self, number: u64, round: &Round) -> Verdict {
        let names: Vec<String> = round.strikes.iter().map(Strike::to_string).collect();
        let leader = self.watch.leader().map_or("none".into(), |leader| format!("replica {}", leader + 1));
        self.note(&format!("round {number}: {} ({leader} leads)", names.join(" and ")));
        // Whom "the leader" means is settled before the first strike.
        let targets: Vec<usize> = round.strikes.iter().map(|strike| self.target(*strike)).collect();
        for (strike, target) in round.strikes.iter().zip(&targets) {
            self.strike(*strike, *target)?;
        }
        thread::sleep(round.hold);
        for (strike, target) in round.strikes.iter().zip(&targets) {
            if matches!(strike, Strike::StopAndKill(_)) {
                self.cluster.kill(*target)?;
            }
        }
        self.cluster.heal()?;
        self.note("healed");
        let before = self.shared.ledger.done();
        thread::sleep(round.rest);
        if round.recover {
            self.served(before)?;
        }
        self.cluster.ended()
    }

    /// Waits until clients are answered again.
    fn served(&mut self, before: u64) -> Verdict {
        let until = Instant::now() + PATIENCE;
        while self.shared.ledger.done() < before + SIGNS_OF_LIFE {
            if self.shared.spent.load(Ordering::Relaxed) {
                // Nobody asks any more.
                return Ok(());
            }
            if Instant::now() >= until {
                return failed(format!(
                    "nobody was answered within {} s although everything was healed",
                    PATIENCE.as_secs()
                ));
            }
            self.cluster.ended()?;
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn target(&self, strike: Strike) -> usize {
        match strike {
            Strike::Kill(whom)
            | Strike::KillTwice(whom)
            | Strike::KillInSnapshot(whom)
            | Strike::Stop(whom)
            | Strike::StopAndKill(whom)
            | Strike::Isolate(whom)
            | Strike::Mute(whom)
            | Strike::Deafen(whom)
            | Strike::Stall(whom) => self.whom(whom),
            _ => 0,
        }
    }

    fn strike(&mut self, strike: Strike, target: usize) -> Verdict {
        let count = self.cluster.len();
        let pairs = move || (0..count).flat_map(move |from| (0..count).map(move |to| (from, to)));
        match strike {
            Strike::Kill(_) => self.cluster.kill(target)?,
            Strike::KillTwice(_) => {
                self.cluster.kill(target)?;
                self.cluster.start(target)?;
                thread::sleep(TWICE);
                self.cluster.kill(target)?;
            }
            Strike::KillMajority => {
                let first = self.watch.leader().unwrap_or(0);
                (0..self.majority()).try_for_each(|step| self.cluster.kill((first + step) % count))?;
            }
            Strike::KillAll => (0..count).try_for_each(|index| self.cluster.kill(index))?,
            Strike::KillInSnapshot(_) => {
                let port = self.shared.places[target].resp;
                let soon = Instant::now() + Duration::from_millis(30);
                let asked = Connection::open(port, soon);
                // It is killed while it does what it was asked to; nobody waits for the answer.
                let _ = asked.and_then(|mut to| to.words(&[b"SEEDFAST", b"SNAPSHOT"], soon));
                self.cluster.kill(target)?;
            }
            Strike::Stop(_) | Strike::StopAndKill(_) => self.cluster.stop(target)?,
            Strike::Isolate(_) => {
                let its = pairs().filter(|(from, to)| *from == target || *to == target);
                its.for_each(|(from, to)| self.cluster.rule(from, to, Rule::Cut));
            }
            Strike::Mute(_) => (0..count).for_each(|to| self.cluster.rule(target, to, Rule::Cut)),
            Strike::Deafen(_) => (0..count).for_each(|from| self.cluster.rule(from, target, Rule::Cut)),
            Strike::Halves(side) => {
                let across = pairs().filter(|(from, to)| side >> from & 1 != side >> to & 1);
                across.for_each(|(from, to)| self.cluster.rule(from, to, Rule::Cut));
            }
            Strike::Sever(from, to) => self.cluster.rule(from, to, Rule::Cut),
            Strike::Stall(_) => {
                let its = pairs().filter(|(from, to)| *from == target || *to == target);
                its.for_each(|(from, to)| self.cluster.rule(from, to, Rule::Stall));
            }
            Strike::Slow(millis) => {
                let rule = Rule::Slow(Duration::from_millis(millis));
                pairs().for_each(|(from, to)| self.cluster.rule(from, to, rule));
            }
            Strike::Break => self.cluster.sever_all(),
            Strike::Fill => self.cluster.fill()?,
            Strike::PutAside => self.put_aside()?,
            Strike::Forget => self.forget()?,
        }
        Ok(())
    }

    fn put_aside(&mut self) -> Verdict {
        (0..self.cluster.len()).try_for_each(|index| self.cluster.kill(index))?;
        for index in 0..self.majority() {
            let journal = self.cluster.journal(index);
            let aside = journal.with_extension("aside");
            copy(&journal, &aside)?;
            self.aside.push((index, aside));
        }
        Ok(())
    }

    fn forget(&mut self) -> Verdict {
        (0..self.cluster.len()).try_for_each(|index| self.cluster.kill(index))?;
        for (index, aside) in std::mem::take(&mut self.aside) {
            copy(&aside, &self.cluster.journal(index))?;
            self.cluster.start(index)?;
        }
        // Until they have answered somebody, what they forgot may still be learned from the others.
        let before = self.shared.ledger.done();
        self.served(before)
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> Verdict {
    let copied = fs::copy(from, to);
    copied.map(|_| ()).map_err(|why| Trouble::Cannot(format!("{} cannot be copied: {why}", from.display())))
}
