//! Workers of a guided campaign: each has a world of its own, takes plans in any order and says where they have been.

use super::corpus;
use crate::board::{Board, Item};
use crate::execute;
use crate::panics;
use crate::rerun::{self, Reference, Subject};
use crate::trouble::Trouble;
use crate::worker::{self, Ran, Report};
use seedfast_sim::trace::NoTrace;
use seedfast_sim::{Plan, World};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

/// What is to be run.
pub(super) struct Task {
    pub(super) item: Item,
    pub(super) plan: Plan,
    /// Whether it is run twice.
    pub(super) is_rechecked: bool,
    /// The file of the corpus that it was read from.
    pub(super) file: Option<PathBuf>,
}

/// What came of it.
pub(super) struct Done {
    pub(super) task: Task,
    pub(super) reports: Vec<Report>,
    /// Where it has been; unknown if it broke an invariant (what breeds failures would breed the same ones), or did
    /// not repeat itself.
    pub(super) places: Option<Vec<u32>>,
}

/// Works until nobody hands out tasks.
pub(super) fn work(worker: usize, board: &Board, tasks: &Arc<Mutex<Receiver<Task>>>, done: &Sender<Done>) {
    let mut world = World::new();
    loop {
        let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(task) = next else { return };
        board.watch(worker, Some(task.item));
        let result = panics::caught(|| run(&mut world, &task));
        board.watch(worker, None);
        let (reports, places) = match result {
            Ok(Ok(ran)) => ran,
            Ok(Err(trouble)) => (vec![Report::Refused(trouble)], None),
            Err(message) => (vec![Report::Panicked { item: Some(task.item), message }], None),
        };
        if done.send(Done { task, reports, places }).is_err() {
            return;
        }
    }
}

fn run(world: &mut World, task: &Task) -> Result<(Vec<Report>, Option<Vec<u32>>), Trouble> {
    let Item { index, scenario, seed, .. } = task.item;
    let mut scene = execute::scene(scenario, seed, &task.plan)?;
    scene.collect_states();
    let outcome = world.run(seed, &task.plan.schedule, &mut *scene, &mut NoTrace);
    let is_broken = outcome.broken.is_some();
    let places = (!is_broken).then(|| corpus::places(&scene.states(), &outcome));
    let (mut failure, mut mismatch) = (None, None);
    if is_broken {
        let (mut confirmed, differs, trace) =
            worker::confirm(world, task.item, task.plan.clone(), &outcome, None)?;
        if confirmed.repeats {
            confirmed.bundle = confirmed.bundle.with_events(&trace);
        }
        (failure, mismatch) = (Some(confirmed), differs);
    } else if task.is_rechecked {
        let subject = Subject { scenario, seed, plan: &task.plan };
        let reference = Reference { bytes: None, hash: outcome.trace_hash };
        mismatch = rerun::compare(world, subject, reference, "between two runs of one schedule")?;
    }
    let (is_rechecked, repeats) = (is_broken || task.is_rechecked, mismatch.is_none());
    let ran = Ran { item: task.item, outcome, failure, mismatch: None, is_rechecked };
    let mut reports = vec![Report::Ran(Box::new(ran))];
    if is_rechecked {
        reports.push(Report::Rechecked { index, mismatch });
    }
    Ok((reports, places.filter(|_| repeats)))
}
