//! The alarms of one life over one real timer: that of the earliest.

use seedfast_core::Instant;
use seedfast_core::runtime::remember;
use std::collections::BTreeSet;
use std::task::{Context, Poll, Waker};

#[derive(Default)]
struct Entry {
    due: Option<Instant>,
    waker: Option<Waker>,
}

/// Every alarm of a life, by its place.
#[derive(Default)]
pub(crate) struct Alarms {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Those that are set and have not fired, earliest first.
    set: BTreeSet<(Instant, u32)>,
}

impl Alarms {
    pub(crate) fn add(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            self.entries.len() as u32 - 1
        })
    }

    pub(crate) fn remove(&mut self, alarm: u32) {
        self.set(alarm, None);
        self.entries[alarm as usize].waker = None;
        self.free.push(alarm);
    }

    pub(crate) fn set(&mut self, alarm: u32, at: Option<Instant>) {
        let entry = &mut self.entries[alarm as usize];
        if let Some(due) = core::mem::replace(&mut entry.due, at) {
            self.set.remove(&(due, alarm));
        }
        self.set.extend(at.map(|at| (at, alarm)));
    }

    pub(crate) fn poll(&mut self, alarm: u32, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.entries[alarm as usize].due.is_some_and(|due| due <= now) {
            self.set(alarm, None);
            return Poll::Ready(());
        }
        remember(&mut self.entries[alarm as usize].waker, cx);
        Poll::Pending
    }

    /// Wakes whoever waits for an alarm that is due at `now`.
    pub(crate) fn fire(&mut self, now: Instant) {
        while let Some((_, alarm)) = self.set.first().copied().filter(|(due, _)| *due <= now) {
            self.set.pop_first();
            if let Some(waker) = self.entries[alarm as usize].waker.take() {
                waker.wake();
            }
        }
    }

    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.set.first().map(|(due, _)| *due)
    }
}

/// Wakes whoever waits, once.
pub(crate) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
