//! A campaign: many seeds on many workers, one result that does not depend on how many.
//!
//! Workers report in any order; the collector merges in the order of the seeds, and stops at the lowest seed that
//! failed (unless told to keep going), so that `--jobs 1` and `--jobs 8` find the same failure and the same sums.

use crate::board::{Board, Item};
use crate::bundle::Bundle;
use crate::collect::Collector;
use crate::rerun::Mismatch;
use crate::seeds::Span;
use crate::tally::Tally;
use crate::trouble::Trouble;
use crate::worker::{self, Failure};
use seedfast_sim::Scenario;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// What to run and when to stop.
#[derive(Clone)]
pub struct Campaign {
    /// The scenarios among which seeds are dealt.
    pub scenarios: Vec<&'static dyn Scenario>,
    /// The seeds.
    pub span: Span,
    /// How many workers.
    pub jobs: usize,
    /// No seed begins after this time.
    pub limit: Option<Duration>,
    /// How many seeds of a hundred are run twice. Unless it is none, so is the first seed of each scenario.
    pub rerun_percent: u8,
    /// Whether to go on after a failure.
    pub keep_going: bool,
    /// How long one seed may take on the wall clock.
    pub watchdog: Duration,
}

/// Failures that look alike: the same invariant of the same scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// How many seeds failed like this.
    pub seeds: u64,
    /// The lowest of them, confirmed, or those that a guided campaign came upon first; at most [`EXAMPLES`].
    pub examples: Vec<Failure>,
    /// The one that broke after the fewest events, the lowest of several: the easiest one to look at.
    pub quickest: Failure,
}

impl Signature {
    /// The first failure of its kind.
    pub fn new(failure: Failure) -> Self {
        Signature { seeds: 1, examples: vec![failure.clone()], quickest: failure }
    }

    /// Adds one that was found later. It never takes the place of an example, whose bundle may have been written.
    pub fn push(&mut self, failure: Failure) {
        self.seeds += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(failure.clone());
        }
        self.note(failure);
    }

    fn note(&mut self, other: Failure) {
        if (other.event, other.seed) < (self.quickest.event, self.quickest.seed) {
            self.quickest = other;
        }
    }

    /// Adds others, which are disjoint from these.
    pub fn merge(&mut self, other: Signature) {
        self.seeds += other.seeds;
        self.examples.extend(other.examples);
        self.examples.sort_by_key(|failure| failure.seed);
        self.examples.truncate(EXAMPLES);
        self.note(other.quickest);
    }
}

/// Failures by scenario and invariant.
pub type Signatures = BTreeMap<(&'static str, String), Signature>;

/// What the seeds that were merged so far add up to. A campaign that was interrupted goes on from here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// How many seeds of the span these are, the lowest ones.
    pub seeds: u64,
    /// Set by the failure that ends a campaign which was not told to go on.
    pub is_over: bool,
    /// Of each scenario, in the campaign's order.
    pub tallies: Vec<Tally>,
    /// Failures by scenario and invariant.
    #[serde(with = "listed")]
    pub signatures: Signatures,
    /// Runs that differed, lowest seeds first, a few of each scenario.
    pub mismatches: Vec<Mismatch>,
}

impl Sums {
    /// Nothing yet, of so many scenarios.
    pub fn none(scenarios: usize) -> Self {
        Sums { tallies: vec![Tally::default(); scenarios], ..Sums::default() }
    }
}

/// Signatures as a list: each of them knows its own key.
mod listed {
    use super::{Signature, Signatures};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(signatures: &Signatures, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(signatures.values())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Signatures, D::Error> {
        let list = Vec::<Signature>::deserialize(from)?;
        let keyed =
            list.into_iter().map(|one| ((one.quickest.scenario, one.quickest.invariant.clone()), one));
        Ok(keyed.collect())
    }
}

/// How many failures of one signature are kept.
pub const EXAMPLES: usize = 3;

/// A seed that never came to an end.
#[derive(Clone)]
pub struct Stuck {
    /// The scenario.
    pub scenario: &'static dyn Scenario,
    /// The seed.
    pub seed: u64,
    /// How long it had been running.
    pub after: Duration,
    /// The schedule, if it may not be the one that the seed draws.
    pub bundle: Option<Arc<Bundle>>,
}

/// What a campaign found.
#[derive(Clone)]
pub struct Findings {
    /// The sums of each scenario, in the order in which they were given.
    pub scenarios: Vec<(&'static str, Tally)>,
    /// The sums of all of them.
    pub total: Tally,
    /// Failures by scenario and invariant.
    pub signatures: Signatures,
    /// Runs that differed, lowest seeds first, a few of each scenario; the tallies count all of them.
    pub mismatches: Vec<Mismatch>,
    /// Probes that the scenarios name and no seed reached.
    pub unreached: Vec<&'static str>,
    /// A seed that the watchdog ended the campaign for.
    pub stuck: Option<Stuck>,
    /// Time on the wall clock.
    pub wall: Duration,
}

impl Findings {
    /// What the sums of `scenarios` come to.
    pub fn of(scenarios: &[&'static str], sums: Sums, stuck: Option<Stuck>, wall: Duration) -> Self {
        let mut total = Tally::default();
        sums.tallies.iter().for_each(|tally| total.merge(tally));
        Findings {
            scenarios: scenarios.iter().copied().zip(sums.tallies).collect(),
            total,
            signatures: sums.signatures,
            mismatches: sums.mismatches,
            unreached: Vec::new(),
            stuck,
            wall,
        }
    }

    /// Notes which probes of `scenarios`, the ones that were run, no seed reached.
    pub fn with_unreached(mut self, scenarios: &[&'static dyn Scenario]) -> Self {
        let mut missing: Vec<_> = scenarios.iter().flat_map(|scenario| scenario.probes()).collect();
        missing.retain(|name| !self.total.probes.contains_key(*name));
        missing.sort_unstable();
        missing.dedup();
        self.unreached = missing;
        self
    }

    /// 0 if all held, 1 if an invariant broke, 3 if two runs of one seed differed.
    pub fn exit_code(&self) -> u8 {
        match (self.total.rerun_mismatches, self.total.failures) {
            (1.., _) => 3,
            (0, 1..) => 1,
            (0, 0) => u8::from(self.stuck.is_some()),
        }
    }
}

/// A moment of a campaign at which what it found so far may be worth keeping.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// What it found so far.
    pub sums: &'a Sums,
    /// How long it took so far.
    pub wall: Duration,
    /// Whether nothing follows.
    pub is_end: bool,
    /// The seed for whose sake it ended, if one did not.
    pub stuck: Option<&'a Stuck>,
}

/// How far a campaign is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Seeds run.
    pub seeds: u64,
    /// Seeds to run, if that is known.
    pub of: Option<u64>,
    /// Seeds that failed.
    pub failures: u64,
    /// Time so far.
    pub elapsed: Duration,
    /// The time limit.
    pub limit: Option<Duration>,
}

/// Why a campaign has no findings.
#[derive(Debug)]
pub enum Stopped {
    /// Something that the user can put right.
    Trouble(Trouble),
    /// The harness itself panicked: a bug in a scenario, an oracle or Seedfast.
    Panicked {
        /// What was being run.
        at: Option<(&'static str, u64)>,
        /// The panic's message and place.
        message: String,
        /// The schedule, if it may not be the one that the seed draws.
        bundle: Option<Arc<Bundle>>,
    },
}

impl Stopped {
    /// The same, if it is a panic, over the schedule of `of`.
    pub(crate) fn of_schedule(mut self, of: Option<Arc<Bundle>>) -> Self {
        if let Stopped::Panicked { bundle, .. } = &mut self {
            *bundle = of;
        }
        self
    }
}

impl Campaign {
    /// Runs it; `tick` is called several times a second.
    ///
    /// # Errors
    /// If a scenario refuses its own plan or panics over it, or the harness panics.
    pub fn run(&self, tick: &mut dyn FnMut(&Progress)) -> Result<Findings, Stopped> {
        self.go_on(Sums::none(self.scenarios.len()), Duration::ZERO, tick, &mut |_| {})
    }

    /// Goes on behind the seeds that `sums` holds already, which took `before` of the time limit. `keep` hears of the
    /// sums several times a second, and at the end.
    ///
    /// # Errors
    /// As [`Campaign::run`].
    pub fn go_on(
        &self,
        sums: Sums,
        before: Duration,
        tick: &mut dyn FnMut(&Progress),
        keep: &mut dyn FnMut(&Moment<'_>),
    ) -> Result<Findings, Stopped> {
        let began = Instant::now();
        let jobs = self.jobs.max(1);
        let deadline = self.limit.map(|limit| began + limit.saturating_sub(before));
        let board = Arc::new(Board::new(self.scenarios.clone(), self.span, jobs, deadline, sums.seeds));
        let (sender, reports) = mpsc::channel();
        for worker in 0..jobs {
            let (shared, sender, percent) = (board.clone(), sender.clone(), self.rerun_percent);
            let thread = std::thread::Builder::new().name(format!("worker {worker}"));
            if let Err(error) = thread.spawn(move || worker::work(worker, &shared, percent, &sender)) {
                board.close();
                let sentence =
                    format!("worker {worker} of {jobs} cannot be started: {error}; ask for fewer --jobs");
                return Err(Stopped::Trouble(Trouble::new(sentence)));
            }
        }
        drop(sender);

        let mut collector = Collector::new(self, &board, sums);
        let elapsed = || before + began.elapsed();
        let mut ticked = began;
        if collector.sums.is_over {
            board.close();
        }
        while !collector.sums.is_over {
            // Workers own the other ends: when all of them are gone, everything is in.
            match reports.recv_timeout(TICK) {
                Ok(reports) => collector.take(reports).inspect_err(|_| board.close())?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if collector.sums.is_over {
                // What still runs are seeds beyond the one that ended it.
                board.close();
                break;
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                tick(&collector.progress(elapsed()));
                keep(&Moment { sums: &collector.sums, wall: elapsed(), is_end: false, stuck: None });
                collector.stuck = self.stuck(&board, jobs).map(|(_, stuck)| stuck);
                if collector.stuck.is_some() {
                    board.close();
                    break;
                }
            }
        }
        let (sums, stuck) = (collector.sums, collector.stuck);
        let wall = elapsed();
        keep(&Moment { sums: &sums, wall, is_end: true, stuck: stuck.as_ref() });
        let names: Vec<_> = self.scenarios.iter().map(|scenario| scenario.name()).collect();
        Ok(Findings::of(&names, sums, stuck, wall).with_unreached(&self.scenarios))
    }

    /// The lowest seed that is being run, if it has been running for too long. A higher one waits its turn, so that
    /// the seed that is named does not depend on which worker was faster.
    pub(crate) fn stuck(&self, board: &Board, jobs: usize) -> Option<(Item, Stuck)> {
        let lowest = (0..jobs).filter_map(|worker| board.doing(worker)).min_by_key(|(item, _)| item.index);
        let (item, since) = lowest?;
        let (Item { scenario, seed, .. }, after) = (item, since.elapsed());
        (after > self.watchdog).then_some((item, Stuck { scenario, seed, after, bundle: None }))
    }
}

/// How often progress is told and the watchdog looks.
const TICK: Duration = Duration::from_millis(100);
