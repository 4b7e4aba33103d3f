//! The general checker: Wing and Gong's search ("Testing and Verifying Concurrent Objects", 1993) with Lowe's memory
//! of visited configurations ("Testing for Linearizability", 2017).
//!
//! It takes any sequential [`Model`], lets operations in doubt happen at any time after their invocation or never, and
//! has a budget: a search that would take longer is [`Finding::Undecided`], never a pass.

use std::collections::BTreeSet;

/// A sequential object.
pub trait Model {
    /// Its state.
    type State: Clone + Ord;
    /// A call with its result, as far as it is known.
    type Call;

    /// The state before the first call.
    fn initial(&self) -> Self::State;

    /// The state after `call`, if its result is right in `state`.
    fn step(&self, state: &Self::State, call: &Self::Call) -> Option<Self::State>;
}

/// A call and when it was under way, in numbers of entries of the history.
#[derive(Clone, Debug)]
pub struct Timed<C> {
    /// The entry that invoked it.
    pub invoked: u32,
    /// The entry that ended it; none for one in doubt.
    pub returned: Option<u32>,
    /// What it was.
    pub call: C,
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// There is a legal order that respects real time.
    Linearizable,
    /// There is none.
    NotLinearizable,
    /// The budget ended before the search did.
    Undecided,
}

const NONE: usize = usize::MAX;

/// The entries that are not linearized yet, as a linked list: entry `2k` invokes call k and `2k + 1` ends it.
struct Entries {
    next: Vec<usize>,
    previous: Vec<usize>,
    head: usize,
}

impl Entries {
    fn new<C>(calls: &[Timed<C>]) -> Self {
        let mut order: Vec<(u32, usize)> = Vec::with_capacity(2 * calls.len());
        for (call, timed) in calls.iter().enumerate() {
            order.push((timed.invoked, 2 * call));
            order.extend(timed.returned.map(|at| (at, 2 * call + 1)));
        }
        order.sort_unstable();
        let mut entries = Entries {
            next: vec![NONE; 2 * calls.len()],
            previous: vec![NONE; 2 * calls.len()],
            head: order.first().map_or(NONE, |&(_, entry)| entry),
        };
        for pair in order.windows(2) {
            entries.next[pair[0].1] = pair[1].1;
            entries.previous[pair[1].1] = pair[0].1;
        }
        entries
    }

    fn remove(&mut self, entry: usize) {
        let (previous, next) = (self.previous[entry], self.next[entry]);
        if previous == NONE {
            self.head = next
        } else {
            self.next[previous] = next
        }
        if next != NONE {
            self.previous[next] = previous;
        }
    }

    fn restore(&mut self, entry: usize) {
        let (previous, next) = (self.previous[entry], self.next[entry]);
        if previous == NONE {
            self.head = entry
        } else {
            self.next[previous] = entry
        }
        if next != NONE {
            self.previous[next] = entry;
        }
    }
}

/// Searches for a legal order of `calls` that respects real time, trying at most `budget` steps of the model.
pub fn check<M: Model>(model: &M, calls: &[Timed<M::Call>], mut budget: u64) -> Finding {
    let mut entries = Entries::new(calls);
    let mut owed = calls.iter().filter(|timed| timed.returned.is_some()).count();
    let mut done = vec![0u64; calls.len().div_ceil(64)];
    let mut visited: BTreeSet<(Vec<u64>, M::State)> = BTreeSet::new();
    let mut taken: Vec<(usize, M::State)> = Vec::new();
    let mut state = model.initial();
    let mut cursor = entries.head;
    while owed > 0 {
        // Every call that has returned has an entry left that ends it, so the cursor meets one before the list ends.
        if cursor.is_multiple_of(2) {
            let call = cursor / 2;
            if budget == 0 {
                return Finding::Undecided;
            }
            budget -= 1;
            if let Some(after) = model.step(&state, &calls[call].call) {
                done[call / 64] |= 1 << (call % 64);
                if visited.insert((done.clone(), after.clone())) {
                    taken.push((call, std::mem::replace(&mut state, after)));
                    entries.remove(2 * call);
                    if calls[call].returned.is_some() {
                        entries.remove(2 * call + 1);
                        owed -= 1;
                    }
                    cursor = entries.head;
                    continue;
                }
                done[call / 64] &= !(1 << (call % 64));
            }
            cursor = entries.next[cursor];
        } else {
            let Some((call, before)) = taken.pop() else {
                return Finding::NotLinearizable;
            };
            state = before;
            done[call / 64] &= !(1 << (call % 64));
            if calls[call].returned.is_some() {
                entries.restore(2 * call + 1);
                owed += 1;
            }
            entries.restore(2 * call);
            cursor = entries.next[2 * call];
        }
    }
    Finding::Linearizable
}
