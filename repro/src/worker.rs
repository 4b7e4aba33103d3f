//! One worker: a thread with a world of its own that it reuses for every seed.

use crate::board::{Board, Item, Recheck, Task};
use crate::bundle::Bundle;
use crate::campaign::EXAMPLES;
use crate::events::{self, Words};
use crate::execute;
use crate::names::{self, Name};
use crate::panics;
use crate::rerun::{self, Capped, Mismatch, Reference, Subject};
use crate::seeds::is_sampled;
use crate::trouble::Trouble;
use seedfast_sim::trace::NoTrace;
use seedfast_sim::{Outcome, Plan, World};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// A seed that broke an invariant, confirmed: its bundle was written to text, read back and replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The scenario.
    #[serde(deserialize_with = "names::one")]
    pub scenario: Name,
    /// The seed.
    pub seed: u64,
    /// The invariant.
    pub invariant: String,
    /// What was seen.
    pub what: String,
    /// True time in nanoseconds.
    pub at: u64,
    /// After how many events.
    pub event: u64,
    /// What is saved.
    pub bundle: Bundle,
    /// The last events before it broke, decoded.
    pub last_events: Vec<String>,
    /// Why processes ended their lives.
    pub halts: Vec<String>,
    /// Whether all its runs, the bundle's included, gave the same bytes. If not, the bundle proves little.
    pub repeats: bool,
}

/// How many events a failure shows.
const LAST_EVENTS: usize = 20;

/// What workers tell the collector.
pub(crate) enum Report {
    Ran(Box<Ran>),
    Rechecked { index: u64, mismatch: Option<Mismatch> },
    Refused(Trouble),
    Panicked { item: Option<Item>, message: String },
}

/// The first run of a seed.
pub(crate) struct Ran {
    pub(crate) item: Item,
    pub(crate) outcome: Outcome,
    pub(crate) failure: Option<Failure>,
    pub(crate) mismatch: Option<Mismatch>,
    /// Whether a second run on another worker follows.
    pub(crate) is_rechecked: bool,
}

/// Works until the board has nothing left.
pub(crate) fn work(worker: usize, board: &Board, percent: u8, reports: &Sender<Vec<Report>>) {
    let mut world = World::new();
    let mut wanted = Wanted::default();
    let mut post = Post { reports, waiting: Vec::new(), sent: Instant::now() };
    let ended = panics::caught(|| {
        loop {
            match board.next(worker, &mut || post.send()) {
                Task::End => return,
                Task::Run(item) => {
                    board.watch(worker, Some(item));
                    let result = first(&mut world, &mut wanted, board, item, percent);
                    board.watch(worker, None);
                    let (report, again) = match result {
                        Ok((ran, again)) => (Report::Ran(Box::new(ran)), again),
                        Err(trouble) => (Report::Refused(trouble), None),
                    };
                    post.add(report);
                    board.done(worker, again);
                }
                Task::Again(recheck) => {
                    board.watch(worker, Some(recheck.item));
                    let result = second(&mut world, &recheck);
                    board.watch(worker, None);
                    board.release(&recheck);
                    post.add(match result {
                        Ok(mismatch) => Report::Rechecked { index: recheck.item.index, mismatch },
                        Err(trouble) => Report::Refused(trouble),
                    });
                    board.done(worker, None);
                }
            }
        }
    });
    if let Err(message) = ended {
        let item = board.doing(worker).map(|(item, _)| item);
        post.add(Report::Panicked { item, message });
    }
    post.send();
}

/// Sends reports a handful at a time: waking the collector costs more than a small run.
struct Post<'a> {
    reports: &'a Sender<Vec<Report>>,
    waiting: Vec<Report>,
    sent: Instant,
}

impl Post<'_> {
    const MOST: usize = 64;
    const OLDEST: Duration = Duration::from_millis(2);

    fn add(&mut self, report: Report) {
        let is_urgent = match &report {
            Report::Ran(ran) => ran.failure.is_some() || ran.mismatch.is_some(),
            Report::Rechecked { mismatch, .. } => mismatch.is_some(),
            Report::Refused(_) | Report::Panicked { .. } => true,
        };
        self.waiting.push(report);
        if is_urgent || self.waiting.len() >= Self::MOST || self.sent.elapsed() >= Self::OLDEST {
            self.send();
        }
    }

    fn send(&mut self) {
        self.sent = Instant::now();
        if !self.waiting.is_empty() {
            // A collector that is gone has closed the board as well.
            let _ = self.reports.send(std::mem::take(&mut self.waiting));
        }
    }
}

/// What goes back onto the board.
type Again = Option<(Item, Option<Vec<u8>>, u128)>;

/// Which failures may be shown and saved: of each signature the first few and the quickest. Only their bundles keep
/// events, which would cost the other ones time. Seeds come in ascending order to a worker, so what is among the first
/// few of a campaign is among its worker's.
#[derive(Default)]
struct Wanted(BTreeMap<(&'static str, String), (usize, u64)>);

impl Wanted {
    fn is(&mut self, failure: &Failure) -> bool {
        let key = (failure.scenario, failure.invariant.clone());
        let (seen, fewest) = self.0.entry(key).or_insert((0, u64::MAX));
        *seen += 1;
        let is_quickest = failure.event < *fewest;
        *fewest = failure.event.min(*fewest);
        is_quickest || *seen <= EXAMPLES
    }
}

/// Runs a seed for the first time, and if it fails, its bundle.
fn first(
    world: &mut World,
    wanted: &mut Wanted,
    board: &Board,
    item: Item,
    percent: u8,
) -> Result<(Ran, Again), Trouble> {
    let plan = execute::plan(item.scenario, item.seed)?;
    let subject = Subject { scenario: item.scenario, seed: item.seed, plan: &plan };
    let is_sampled = is_sampled(item.seed, percent) || (item.is_first && percent > 0);
    let (outcome, mut bytes) = if is_sampled {
        let mut sink = Capped::new(board.room());
        let outcome = subject.run(world, &mut sink)?;
        (outcome, sink.into_bytes())
    } else {
        (subject.run(world, &mut NoTrace)?, None)
    };
    let hash = outcome.trace_hash;
    let mut ran = Ran { item, outcome, failure: None, mismatch: None, is_rechecked: is_sampled };
    if ran.outcome.broken.is_some() {
        let (mut failure, mismatch, replayed) = confirm(world, item, plan, &ran.outcome, bytes.as_deref())?;
        if failure.repeats && wanted.is(&failure) {
            failure.bundle = failure.bundle.with_events(&replayed);
        }
        (ran.failure, ran.mismatch, ran.is_rechecked) = (Some(failure), mismatch, true);
        bytes = bytes.or(Some(replayed));
    }
    let again = ran.is_rechecked.then_some((item, bytes, hash));
    Ok((ran, again))
}

/// Replays the bundle of a failing run as a stranger would: from its text alone.
pub(crate) fn confirm(
    world: &mut World,
    item: Item,
    plan: Plan,
    outcome: &Outcome,
    bytes: Option<&[u8]>,
) -> Result<(Failure, Option<Mismatch>, Vec<u8>), Trouble> {
    let bundle = Bundle::new(item.scenario.name(), item.seed, plan, Some(outcome))?;
    let read = Bundle::from_text(&bundle.to_text()?, &bundle.file_name())?;
    let subject = Subject { scenario: item.scenario, seed: read.seed, plan: &read.plan };
    let (replayed, trace) = subject.record(world)?;
    let mismatch = if replayed.trace_hash == outcome.trace_hash {
        None
    } else {
        let reference = Reference { bytes, hash: outcome.trace_hash };
        let between = "between the run of the seed and the replay of its bundle";
        Some(rerun::compare(world, subject, reference, between)?.unwrap_or_else(|| Mismatch {
            scenario: item.scenario.name(),
            seed: item.seed,
            between: format!("{between}; a third run agreed with the first"),
            difference: None,
        }))
    };
    let broken = outcome.broken.as_ref().expect("only failing runs are confirmed");
    let words = Words::of(item.scenario, item.seed, &read.plan);
    // Of two runs that differ, the first one is the one that broke.
    let shown = bytes.filter(|_| mismatch.is_some()).unwrap_or(&trace);
    let failure = Failure {
        scenario: item.scenario.name(),
        seed: item.seed,
        invariant: broken.violation.invariant.clone(),
        what: broken.violation.what.clone(),
        at: broken.at,
        event: broken.event,
        last_events: events::last_before(shown, broken.event, LAST_EVENTS, &words),
        halts: events::halts(shown),
        repeats: mismatch.is_none(),
        bundle,
    };
    Ok((failure, mismatch, trace))
}

/// Runs a seed again in this worker's world.
fn second(world: &mut World, recheck: &Recheck) -> Result<Option<Mismatch>, Trouble> {
    let Item { scenario, seed, .. } = recheck.item;
    let plan = execute::plan(scenario, seed)?;
    let reference = Reference { bytes: recheck.bytes.as_deref(), hash: recheck.hash };
    let between = "between two runs of the seed, the second one after other seeds";
    rerun::compare(world, Subject { scenario, seed, plan: &plan }, reference, between)
}
