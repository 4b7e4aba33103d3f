//! Guided campaigns: schedules that reached new states of the protocol are kept, changed a little, and run again.
//!
//! A campaign of `n` runs has the numbers 0 to `n - 1`. Each number is a fresh seed, drawn as a blind campaign would, or
//! a mutant of a schedule of the corpus, or a schedule of the corpus as an earlier campaign left it. Which of them is
//! decided for a batch of numbers at a time, from what the batches before have reached: the result depends on the base
//! seed and the corpus, and not on the number of workers. `docs/guide.md` says what it is worth.

mod corpus;
mod crew;
mod mutate;

use crate::board::{Board, Item};
use crate::bundle::Bundle;
use crate::campaign::{Campaign, Findings, Moment, Progress, Stopped, Stuck, Sums};
use crate::collect::Collector;
use crate::execute;
use crate::seeds::{deal, is_sampled};
use crate::text::{count, grouped};
use crate::trouble::Trouble;
use corpus::{Choice, Corpus, Kept, Learned};
use crew::{Done, Task};
use seedfast_core::random::{Random, mix};
use seedfast_sim::{Plan, Scenario};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How many runs are planned at a time.
const BATCH: u64 = 32;
/// How many runs of a hundred are fresh seeds, once there is something to breed from.
const FRESH: u64 = 40;
/// How many runs of a hundred are schedules that an earlier campaign left, as long as there are any.
const KEPT: u64 = 50;
/// How often progress is told and the watchdog looks.
const TICK: Duration = Duration::from_millis(100);

/// What was run, beside the findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bred {
    /// Seeds as a blind campaign would have run them.
    pub(crate) fresh: u64,
    /// Schedules of the corpus, as they were read.
    pub(crate) kept: u64,
    /// Changed ones.
    pub(crate) mutants: u64,
    /// Schedules of the corpus that their scenario refuses today.
    pub(crate) refused: u64,
    /// How many schedules the corpus holds in the end.
    pub(crate) corpus: u64,
    /// How many places they have reached.
    pub(crate) places: u64,
}

impl Bred {
    /// One paragraph of a summary.
    pub(crate) fn line(&self) -> String {
        let Bred { fresh, kept, mutants, refused, corpus, places } = *self;
        let refused = match refused {
            0 => String::new(),
            refused => format!("; {} of the directory refused", count(refused, "schedule")),
        };
        format!(
            "  guided: {}, {} of the corpus, {}; {} reached, by {}{refused}\n\n",
            count(fresh, "fresh seed"),
            grouped(kept),
            count(mutants, "mutant"),
            count(places, "state"),
            count(corpus, "schedule"),
        )
    }
}

/// What a guided campaign keeps beside its sums, to go on as if it had not been interrupted: all that the next batch is
/// planned from.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    /// The directory of the corpus.
    pub(crate) corpus: Option<PathBuf>,
    bred: Bred,
    begun: Vec<bool>,
    /// Of each scenario; nothing before the first batch.
    learned: Vec<Learned>,
    /// Of each scenario, what its directory held and was not run yet.
    left: Vec<VecDeque<Kept>>,
}

impl Search {
    /// Nothing was run yet.
    pub(crate) fn begin(corpus: Option<&Path>) -> Self {
        Search { corpus: corpus.map(Path::to_path_buf), ..Search::default() }
    }
}

/// Hears at the end of a batch, and at the end of all, what there would be to go on with.
pub(crate) type Keep<'a> = dyn FnMut(&Moment<'_>, &dyn Fn() -> Search) + 'a;

/// What came of a guided campaign.
pub(crate) struct Guided {
    /// What it found.
    pub(crate) findings: Findings,
    /// What was run.
    pub(crate) bred: Bred,
    /// Why the directory of the corpus is not what it should be.
    pub(crate) trouble: Option<Trouble>,
}

/// A guided campaign.
struct Guide<'a> {
    campaign: &'a Campaign,
    directory: Option<PathBuf>,
    corpora: Vec<Corpus>,
    kept: Vec<VecDeque<Kept>>,
    bred: Bred,
    /// Which scenarios have had their first seed.
    begun: Vec<bool>,
    /// The plans of the batch that is being run.
    plans: Vec<Plan>,
}

/// Runs `campaign` guided, from where `search` and `sums` are, which took `before`.
///
/// # Errors
/// As a blind campaign, and if the directory of the corpus cannot be read. That it could not be kept is told beside what
/// was found.
pub(crate) fn run(
    campaign: &Campaign,
    search: Search,
    sums: Sums,
    before: Duration,
    tick: &mut dyn FnMut(&Progress),
    keep: &mut Keep<'_>,
) -> Result<Guided, Stopped> {
    let mut guide = Guide::new(campaign, search).map_err(Stopped::Trouble)?;
    let (began, jobs) = (Instant::now(), campaign.jobs.max(1));
    let elapsed = || before + began.elapsed();
    let mut first = sums.seeds;
    let board = Arc::new(Board::new(campaign.scenarios.clone(), campaign.span, jobs, None, first));
    let (hand_out, tasks) = mpsc::channel();
    let (sender, results) = mpsc::channel();
    let tasks = Arc::new(Mutex::new(tasks));
    for worker in 0..jobs {
        let (board, tasks, sender) = (board.clone(), tasks.clone(), sender.clone());
        let thread = std::thread::Builder::new().name(format!("worker {worker}"));
        if let Err(error) = thread.spawn(move || crew::work(worker, &board, &tasks, &sender)) {
            let sentence =
                format!("worker {worker} of {jobs} cannot be started: {error}; ask for fewer --jobs");
            return Err(Stopped::Trouble(Trouble::new(sentence)));
        }
    }
    // What the last whole batch came to: nothing can go on from within one.
    let mut settled = sums.clone();
    let mut collector = Collector::new(campaign, &board, sums);
    let mut ticked = began;
    'campaign: while !collector.sums.is_over && campaign.limit.is_none_or(|limit| elapsed() < limit) {
        let planned = guide.plan(first, &hand_out).map_err(Stopped::Trouble)?;
        let mut batch: Vec<Done> = Vec::new();
        while (batch.len() as u64) < planned {
            match results.recv_timeout(TICK) {
                Ok(mut done) => {
                    let taken = collector.take(std::mem::take(&mut done.reports));
                    taken.map_err(|stopped| stopped.of_schedule(bred(done.task.item, &done.task.plan)))?;
                    batch.push(done);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("this end holds a sender"),
            }
            if collector.sums.is_over {
                break 'campaign;
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                tick(&collector.progress(elapsed()));
                if let Some((item, stuck)) = campaign.stuck(&board, jobs) {
                    let plan =
                        item.index.checked_sub(first).and_then(|number| guide.plans.get(number as usize));
                    let bundle = plan.and_then(|plan| bred(item, plan));
                    collector.stuck = Some(Stuck { bundle, ..stuck });
                    break 'campaign;
                }
            }
        }
        guide.learn(batch);
        first += planned;
        settled.clone_from(&collector.sums);
        if planned < BATCH {
            break;
        }
        let moment = Moment { sums: &settled, wall: elapsed(), is_end: false, stuck: None };
        keep(&moment, &|| guide.search());
    }
    let wall = elapsed();
    // One that is over has nothing to go on with but its sums.
    let sums = if collector.sums.is_over { &collector.sums } else { &settled };
    keep(&Moment { sums, wall, is_end: true, stuck: collector.stuck.as_ref() }, &|| guide.search());
    let names: Vec<_> = campaign.scenarios.iter().map(|scenario| scenario.name()).collect();
    let findings = Findings::of(&names, collector.sums, collector.stuck, wall);
    Ok(Guided {
        findings: findings.with_unreached(&campaign.scenarios),
        bred: guide.bred,
        trouble: guide.corpora.into_iter().find_map(|corpus| corpus.trouble),
    })
}

/// The bundle of a run that did not come to a verdict. None if its plan cannot be expressed.
fn bred(item: Item, plan: &Plan) -> Option<Arc<Bundle>> {
    Bundle::new(item.scenario.name(), item.seed, plan.clone(), None).map(Arc::new).ok()
}

impl<'a> Guide<'a> {
    fn new(campaign: &'a Campaign, search: Search) -> Result<Self, Trouble> {
        let scenarios = &campaign.scenarios;
        let Search { corpus, mut bred, begun, learned, left } = search;
        let mut corpora: Vec<Corpus> =
            scenarios.iter().map(|scenario| Corpus::new(scenario.name(), corpus.as_deref())).collect();
        let count = scenarios.len();
        if (begun.len(), learned.len(), left.len()) == (count, count, count) {
            corpora.iter_mut().zip(learned).for_each(|(corpus, learned)| corpus.go_on(learned));
            return Ok(Guide {
                campaign,
                directory: corpus,
                corpora,
                kept: left,
                bred,
                begun,
                plans: Vec::new(),
            });
        }
        let mut kept = Vec::new();
        for (scenario, corpus) in scenarios.iter().zip(&corpora) {
            let (runs, refused): (VecDeque<Kept>, VecDeque<Kept>) =
                corpus.kept()?.into_iter().partition(|kept| can_run(*scenario, kept.seed, &kept.plan));
            bred.refused += refused.len() as u64;
            kept.push(runs);
        }
        let begun = vec![false; count];
        Ok(Guide { campaign, directory: corpus, corpora, kept, bred, begun, plans: Vec::new() })
    }

    /// Where the search is.
    fn search(&self) -> Search {
        Search {
            corpus: self.directory.clone(),
            bred: self.bred,
            begun: self.begun.clone(),
            learned: self.corpora.iter().map(Corpus::learned).collect(),
            left: self.kept.clone(),
        }
    }

    /// Hands out the batch that begins with the run number `first`, and says how many runs it has: fewer than
    /// [`BATCH`] if the campaign's seeds end.
    fn plan(&mut self, first: u64, hand_out: &Sender<Task>) -> Result<u64, Trouble> {
        let choices: Vec<Option<Choice>> = self.corpora.iter().map(Corpus::choice).collect();
        self.plans.clear();
        for number in 0..BATCH {
            let Some(seed) = self.campaign.span.get(first + number) else { return Ok(number) };
            let place = deal(seed, self.campaign.scenarios.len());
            let scenario = self.campaign.scenarios[place];
            let mut random = random(seed);
            let (run, plan, file) = self.next(place, seed, choices[place].as_ref(), &mut random)?;
            let is_first = !std::mem::replace(&mut self.begun[place], true);
            let percent = self.campaign.rerun_percent;
            let is_rechecked = is_sampled(seed, percent) || (is_first && percent > 0);
            let item = Item { index: first + number, place, scenario, seed: run, is_first };
            self.plans.push(plan.clone());
            let sent = hand_out.send(Task { item, plan, is_rechecked, file });
            sent.expect("workers live as long as tasks are handed out");
        }
        Ok(BATCH)
    }

    /// What the run of `seed` is: under which seed, and which plan.
    fn next(
        &mut self,
        place: usize,
        seed: u64,
        choice: Option<&Choice>,
        random: &mut Random,
    ) -> Result<(u64, Plan, Option<PathBuf>), Trouble> {
        let scenario = self.campaign.scenarios[place];
        if random.below(100) < KEPT
            && let Some(Kept { seed, plan, file }) = self.kept[place].pop_front()
        {
            self.bred.kept += 1;
            return Ok((seed, plan, Some(file)));
        }
        if let Some(choice) = choice
            && random.below(100) >= FRESH
        {
            let corpus = &mut self.corpora[place];
            let donor = corpus.plan(choice.any(random)).clone();
            let (parents, parent) = corpus.parent(choice.by_energy(random));
            let plan = mutate::mutate(parent, &donor, random);
            // Under its parent's seed all that the change does not touch stays as it was.
            let run = if random.below(2) == 0 { parents } else { seed };
            if can_run(scenario, run, &plan) {
                self.bred.mutants += 1;
                return Ok((run, plan, None));
            }
        }
        self.bred.fresh += 1;
        Ok((seed, execute::plan(scenario, seed)?, None))
    }

    /// Learns from a batch, in the order of its numbers.
    fn learn(&mut self, mut batch: Vec<Done>) {
        batch.sort_by_key(|done| done.task.item.index);
        for Done { task, places, .. } in batch {
            if let Some(places) = places {
                self.corpora[task.item.place].learn(task.item.seed, &task.plan, task.file, &places);
            }
        }
        self.bred.corpus = self.corpora.iter().map(|corpus| corpus.len() as u64).sum();
        self.bred.places = self.corpora.iter().map(|corpus| corpus.reached).sum();
    }
}

fn can_run(scenario: &'static dyn Scenario, seed: u64, plan: &Plan) -> bool {
    plan.schedule.check().is_ok() && execute::scene(scenario, seed, plan).is_ok()
}

/// The choices about the run of `seed`.
fn random(seed: u64) -> Random {
    let mut entropy = [0; 32];
    for (number, word) in entropy.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&mix(seed ^ mix(0x6775_6964_6521 + number as u64)).to_le_bytes());
    }
    Random::new(&entropy)
}
