//! What all clients write into: one history in real-time order, by one monotonic clock.

use seedfast_scenarios::history::{End, Function, History, Key, OperationIndex};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The longest time in which nobody was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Silence {
    /// How long.
    pub(crate) nanos: u64,
    /// When it ended, since the beginning.
    pub(crate) ended: u64,
}

#[derive(Default)]
struct Pages {
    history: History,
    keys: BTreeSet<Key>,
    done: u64,
    last: u64,
    silence: Silence,
    refused_full: u64,
    trouble: Option<String>,
}

/// The ledger. An invocation is entered before anything is sent, an end after everything was read, each under one lock:
/// so its order is one that really was.
pub(crate) struct Ledger {
    begin: Instant,
    pages: Mutex<Pages>,
}

impl Ledger {
    /// An empty one, whose clock begins now.
    pub(crate) fn new() -> Self {
        Ledger { begin: Instant::now(), pages: Mutex::default() }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// How long it has been kept.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    fn now(&self) -> u64 {
        self.begin.elapsed().as_nanos() as u64
    }

    /// A client begins an operation.
    pub(crate) fn invoke(&self, process: u64, key: Key, function: Function) -> OperationIndex {
        let mut pages = self.pages();
        let now = self.now();
        pages.keys.insert(key);
        pages.history.invoke(now, process, key, function)
    }

    /// It ended.
    pub(crate) fn end(&self, operation: OperationIndex, end: End) {
        let mut pages = self.pages();
        let now = self.now();
        if !matches!(end, End::Info | End::Fail) {
            pages.done += 1;
            let nanos = now - pages.last;
            if nanos > pages.silence.nanos {
                pages.silence = Silence { nanos, ended: now };
            }
            pages.last = now;
        }
        pages.history.end(now, operation, end);
    }

    /// A client was told something that makes no sense; the first one is kept.
    pub(crate) fn trouble(&self, what: String) {
        self.pages().trouble.get_or_insert(what);
    }

    /// A write was refused because the store is full.
    pub(crate) fn full(&self) {
        self.pages().refused_full += 1;
    }

    /// How many operations were answered.
    pub(crate) fn done(&self) -> u64 {
        self.pages().done
    }

    /// How many operations have begun.
    pub(crate) fn begun(&self) -> usize {
        self.pages().history.operations().len()
    }

    /// Every key that was named.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.pages().keys.iter().copied().collect()
    }

    /// The history and what else is known, when nobody writes any more: how many writes found the store full, and the
    /// answer that makes no sense, if there was one.
    pub(crate) fn close(&self) -> (History, Silence, u64, Option<String>) {
        let pages = std::mem::take(&mut *self.pages());
        (pages.history, pages.silence, pages.refused_full, pages.trouble)
    }
}
