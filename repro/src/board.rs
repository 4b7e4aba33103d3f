//! What workers share: which seed is next, what is to be run again, and what each of them is doing now.
//!
//! Seeds are handed out in ascending order. A seed that is run twice goes back onto the board with the first run's
//! trace, and another worker takes it before anything new; with one worker, it comes round after other seeds.

use seedfast_sim::Scenario;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::seeds::{Span, deal};

/// How far the fastest worker may be ahead of the slowest, in seeds: what bounds memory while one seed takes long.
const WINDOW: u64 = 1 << 14;
/// How many other seeds a lone worker runs before it runs a seed again.
const APART: u64 = 16;
/// How many bytes of traces may wait for their second run.
const ROOM: usize = 64 << 20;

/// A seed and its scenario, at its place in the campaign.
#[derive(Clone, Copy)]
pub(crate) struct Item {
    pub(crate) index: u64,
    pub(crate) place: usize,
    pub(crate) scenario: &'static dyn Scenario,
    pub(crate) seed: u64,
    /// Whether it is the first one of its scenario in the campaign.
    pub(crate) is_first: bool,
}

/// A seed to be run again, and what it must be equal to.
pub(crate) struct Recheck {
    pub(crate) item: Item,
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) hash: u128,
    origin: usize,
    due: u64,
}

/// What a worker does next.
pub(crate) enum Task {
    Run(Item),
    Again(Recheck),
    End,
}

/// The shared board.
pub(crate) struct Board {
    scenarios: Vec<&'static dyn Scenario>,
    span: Span,
    /// Of each scenario the index of its first seed.
    firsts: Vec<Option<u64>>,
    jobs: usize,
    deadline: Option<Instant>,
    state: Mutex<State>,
    wake: Condvar,
    slots: Vec<Mutex<Option<(Item, Instant)>>>,
}

struct State {
    next: u64,
    /// Nothing beyond this index is begun or run again.
    last: u64,
    /// Everything below this index is settled.
    settled: u64,
    running: usize,
    waiting: VecDeque<Recheck>,
    kept: usize,
    closed: bool,
}

/// Of each of `count` scenarios the index of its first seed in `span`. A shard may have to look through several blocks
/// for one; a scenario that it does not meet in so many has none.
fn firsts(span: Span, count: usize) -> Vec<Option<u64>> {
    let mut firsts = vec![None; count];
    let mut missing = count;
    for index in 0..1000 * count as u64 {
        let Some(seed) = span.get(index).filter(|_| missing > 0) else { break };
        let first = &mut firsts[deal(seed, count)];
        if first.is_none() {
            *first = Some(index);
            missing -= 1;
        }
    }
    firsts
}

impl Board {
    /// `next` is the index of the first seed that is handed out.
    pub(crate) fn new(
        scenarios: Vec<&'static dyn Scenario>,
        span: Span,
        jobs: usize,
        deadline: Option<Instant>,
        next: u64,
    ) -> Self {
        let state = State {
            next,
            last: u64::MAX,
            settled: next,
            running: 0,
            waiting: VecDeque::new(),
            kept: 0,
            closed: false,
        };
        let slots = (0..jobs).map(|_| Mutex::new(None)).collect();
        let firsts = firsts(span, scenarios.len());
        Board {
            scenarios,
            span,
            firsts,
            jobs,
            deadline,
            state: Mutex::new(state),
            wake: Condvar::new(),
            slots,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A worker that panicked is reported by itself; the counters are whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn item(&self, index: u64) -> Option<Item> {
        let seed = self.span.get(index)?;
        let place = deal(seed, self.scenarios.len());
        let is_first = self.firsts[place] == Some(index);
        Some(Item { index, place, scenario: self.scenarios[place], seed, is_first })
    }

    /// The next task of `worker`; blocks while there is nothing to do but others may still find something, and calls
    /// `idle` before it does.
    pub(crate) fn next(&self, worker: usize, idle: &mut dyn FnMut()) -> Task {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Task::End;
            }
            let in_time = self.deadline.is_none_or(|deadline| Instant::now() < deadline);
            let fresh = if in_time && state.next <= state.last { self.item(state.next) } else { None };
            let alone = self.jobs == 1;
            let now = if fresh.is_some() { state.next } else { u64::MAX };
            let last = state.last;
            state.waiting.retain(|recheck| recheck.item.index <= last);
            let chosen =
                state.waiting.iter().position(|r| if alone { r.due <= now } else { r.origin != worker });
            if let Some(recheck) = chosen.and_then(|at| state.waiting.remove(at)) {
                state.running += 1;
                return Task::Again(recheck);
            }
            match fresh {
                Some(item) if state.next < state.settled + WINDOW => {
                    state.next += 1;
                    state.running += 1;
                    return Task::Run(item);
                }
                None if state.running == 0 && state.waiting.is_empty() => {
                    state.closed = true;
                    self.wake.notify_all();
                    return Task::End;
                }
                // A deadline passes without waking anybody, hence the timeout.
                _ => {
                    idle();
                    let wait = Duration::from_millis(50);
                    let woken = self.wake.wait_timeout(state, wait);
                    state = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    /// How many bytes of a trace may be kept now.
    pub(crate) fn room(&self) -> usize {
        ROOM.saturating_sub(self.lock().kept)
    }

    /// A task ended; `again` is to be run by somebody else.
    pub(crate) fn done(&self, worker: usize, again: Option<(Item, Option<Vec<u8>>, u128)>) {
        let mut state = self.lock();
        state.running -= 1;
        if let Some((item, bytes, hash)) = again {
            state.kept += bytes.as_ref().map_or(0, Vec::len);
            let due = state.next + APART;
            state.waiting.push_back(Recheck { item, bytes, hash, origin: worker, due });
        }
        if self.jobs > 1 {
            self.wake.notify_all();
        }
    }

    /// The trace of a recheck is no longer needed.
    pub(crate) fn release(&self, recheck: &Recheck) {
        let bytes = recheck.bytes.as_ref().map_or(0, Vec::len);
        if bytes > 0 {
            self.lock().kept -= bytes;
        }
    }

    /// Everything below `index` is settled.
    pub(crate) fn settle(&self, index: u64) {
        self.lock().settled = index;
        self.wake.notify_all();
    }

    /// Nothing beyond `index` matters any more.
    pub(crate) fn stop_after(&self, index: u64) {
        let mut state = self.lock();
        state.last = state.last.min(index);
        drop(state);
        self.wake.notify_all();
    }

    /// Everybody ends as soon as he can.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    /// `worker` begins (or ends, with none) a seed.
    pub(crate) fn watch(&self, worker: usize, item: Option<Item>) {
        let doing = item.map(|item| (item, Instant::now()));
        *self.slots[worker].lock().unwrap_or_else(PoisonError::into_inner) = doing;
    }

    /// What `worker` is doing.
    pub(crate) fn doing(&self, worker: usize) -> Option<(Item, Instant)> {
        *self.slots[worker].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Shard;

    #[test]
    fn seeds_are_handed_out_from_where_a_campaign_goes_on() {
        let span = Span { first: 100, end: 110, shard: Shard::WHOLE };
        let board = Board::new(vec![&seedfast_scenarios::toy::TOY], span, 1, None, 7);
        let mut indices = Vec::new();
        while let Task::Run(item) = board.next(0, &mut || {}) {
            indices.push(item.index);
            board.done(0, None);
        }
        assert_eq!(indices, [7, 8, 9]);
    }

    #[test]
    fn every_scenario_has_one_first_seed_in_every_shard() {
        for index in 0..6 {
            let span = Span { first: 100, end: 5_000, shard: Shard { index, count: 6 } };
            for (place, first) in firsts(span, 6).into_iter().enumerate() {
                let first = first.expect("it comes sooner or later");
                let of = |index| span.get(index).map(|seed| deal(seed, 6));
                assert_eq!(of(first), Some(place));
                assert!((0..first).all(|earlier| of(earlier) != Some(place)));
            }
        }
        let short = Span { first: 3, end: 4, shard: Shard::WHOLE };
        assert_eq!(firsts(short, 2).into_iter().flatten().collect::<Vec<_>>(), [0]);
    }
}
