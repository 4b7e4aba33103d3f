//! Where cases are tried: several beside each other, and the first one in order that still breaks is taken, so that the
//! result does not depend on how many workers there are or which of them was faster.

use super::case::{Case, Seen, Signature};
use crate::execute;
use crate::panics;
use crate::trouble::Trouble;
use seedfast_sim::trace::NoTrace;
use seedfast_sim::{Scenario, World};
use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often progress is told.
const TICK: Duration = Duration::from_millis(100);

/// Workers, what they are to look for, and what they have tried.
pub(crate) struct Lab {
    scenario: &'static dyn Scenario,
    signature: Signature,
    workers: usize,
    /// When the time is up.
    pub(crate) deadline: Option<Instant>,
    /// How long one run may take before it counts as looping for ever, and so as not breaking the same way.
    patience: Duration,
    tasks: Sender<Task>,
    queue: Arc<Mutex<Receiver<Task>>>,
    replies: Receiver<Reply>,
    answers: Sender<Reply>,
    /// Tasks are numbered; what a worker says about one that was given up is not heard.
    next: u64,
    tried: HashMap<u128, Option<Seen>>,
    /// How many cases were looked at, up to each one that was taken: the same number whatever the workers did ahead.
    pub(crate) looked_at: u64,
    /// Whether the time was up before everything was tried.
    pub(crate) is_late: bool,
}

struct Task {
    number: u64,
    case: Case,
}

struct Reply {
    number: u64,
    seen: Option<Seen>,
}

/// The first case that breaks, and its place in the order.
pub(crate) struct Hit {
    pub(crate) index: usize,
    pub(crate) case: Case,
    pub(crate) seen: Seen,
}

impl Lab {
    /// A lab of so many workers that looks for `signature`, for as long as it takes.
    ///
    /// # Errors
    /// If a worker cannot be started.
    pub(crate) fn new(
        scenario: &'static dyn Scenario,
        signature: Signature,
        jobs: usize,
        patience: Duration,
    ) -> Result<Self, Trouble> {
        let (tasks, queue) = mpsc::channel();
        let (answers, replies) = mpsc::channel();
        let lab = Lab {
            scenario,
            signature,
            workers: jobs.max(1),
            deadline: None,
            patience,
            tasks,
            queue: Arc::new(Mutex::new(queue)),
            replies,
            answers,
            next: 0,
            tried: HashMap::new(),
            looked_at: 0,
            is_late: false,
        };
        (0..lab.workers).try_for_each(|_| lab.employ())?;
        Ok(lab)
    }

    /// Starts a worker; it ends when the lab is gone.
    fn employ(&self) -> Result<(), Trouble> {
        let (queue, answers) = (self.queue.clone(), self.answers.clone());
        let (scenario, signature) = (self.scenario, self.signature.clone());
        let work = move || {
            let mut world = World::new();
            loop {
                let task = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(Task { number, case }) = task else { return };
                let seen = panics::caught(|| run(&mut world, scenario, &case, &signature));
                let seen = seen.unwrap_or_else(|_| {
                    // The harness itself fell over, and said so: not what is looked for, and the world is in disorder.
                    world = World::new();
                    None
                });
                if answers.send(Reply { number, seen }).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("shrink".to_owned());
        thread
            .spawn(work)
            .map(drop)
            .map_err(|error| Trouble::new(format!("no worker can be started: {error}; ask for fewer --jobs")))
    }

    /// Whether there is time left.
    pub(crate) fn has_time(&mut self) -> bool {
        self.is_late |= self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        !self.is_late
    }

    /// The first of `cases` that breaks the same way; none if none does, or if the time is up. `tick` is called several
    /// times a second.
    ///
    /// # Errors
    /// If a worker that never came back cannot be replaced.
    pub(crate) fn first(
        &mut self,
        cases: &mut dyn Iterator<Item = Case>,
        tick: &mut dyn FnMut(u64),
    ) -> Result<Option<Hit>, Trouble> {
        // Under way: the number of the task, its place in the order, the case.
        let mut open: BTreeMap<u64, (usize, Case)> = BTreeMap::new();
        let mut best: Option<Hit> = None;
        let (mut index, mut is_over) = (0, false);
        let mut heard = Instant::now();
        loop {
            while !is_over && best.is_none() && open.len() < self.workers {
                let Some(case) = self.has_time().then(|| cases.next()).flatten() else {
                    is_over = true;
                    break;
                };
                let place = index;
                index += 1;
                match self.tried.get(&case.key()) {
                    Some(None) => {}
                    Some(Some(seen)) => best = Some(Hit { index: place, case, seen: seen.clone() }),
                    None => {
                        self.next += 1;
                        let task = Task { number: self.next, case: case.clone() };
                        self.tasks.send(task).expect("the lab itself holds the other end");
                        open.insert(self.next, (place, case));
                    }
                }
            }
            // What stands behind the best one in the order does not matter any more.
            let awaited = |best: &Option<Hit>, place| best.as_ref().is_none_or(|hit| place < hit.index);
            if !open.values().any(|(place, _)| awaited(&best, *place)) && (is_over || best.is_some()) {
                // The workers come back by themselves; their answers are not heard.
                self.looked_at += best.as_ref().map_or(index, |hit| hit.index + 1) as u64;
                return Ok(best);
            }
            match self.replies.recv_timeout(TICK) {
                Ok(Reply { number, seen }) => {
                    heard = Instant::now();
                    let Some((place, case)) = open.remove(&number) else { continue };
                    self.tried.insert(case.key(), seen.clone());
                    if let Some(seen) = seen.filter(|_| awaited(&best, place)) {
                        best = Some(Hit { index: place, case, seen });
                    }
                }
                Err(RecvTimeoutError::Timeout) if heard.elapsed() > self.patience => {
                    // Whoever still runs loops for ever. His thread cannot be ended; another one takes his place.
                    for (_, (_, case)) in std::mem::take(&mut open) {
                        self.tried.insert(case.key(), None);
                        self.employ()?;
                    }
                    heard = Instant::now();
                }
                Err(_) => {}
            }
            tick(self.looked_at + index as u64);
        }
    }

    /// What `case` itself shows.
    ///
    /// # Errors
    /// See [`first`](Self::first).
    pub(crate) fn try_one(
        &mut self,
        case: &Case,
        tick: &mut dyn FnMut(u64),
    ) -> Result<Option<Seen>, Trouble> {
        Ok(self.first(&mut std::iter::once(case.clone()), tick)?.map(|hit| hit.seen))
    }
}

/// Runs a case; gives what was seen if it breaks the same way.
fn run(world: &mut World, scenario: &dyn Scenario, case: &Case, signature: &Signature) -> Option<Seen> {
    // A scenario that refuses the plan has nothing to show.
    let outcome = execute::execute(world, scenario, case.seed, &case.plan, &mut NoTrace).ok()?;
    let broken = outcome.broken.as_ref().filter(|_| Signature::of(&outcome).as_ref() == Some(signature))?;
    Some(Seen { at: broken.at, what: broken.violation.what.clone(), hash: outcome.trace_hash })
}
