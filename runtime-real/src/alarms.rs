//! All alarms of a runtime: a binary heap that knows where each one stands, so that setting one again moves it.

use seedfast_core::runtime::remember;
use seedfast_core::time::Instant;
use std::task::{Context, Waker};

/// The alarms, by number.
#[derive(Default)]
pub(crate) struct Alarms {
    alarms: Vec<Alarm>,
    free: Vec<u32>,
    /// Numbers of the alarms that are set; no alarm is due before the one at half its place.
    heap: Vec<u32>,
}

#[derive(Default)]
struct Alarm {
    at: Option<Instant>,
    /// Its place in the heap while it is there: from when it is set until it is due or turned off.
    place: Option<usize>,
    waker: Option<Waker>,
}

impl Alarms {
    /// A new alarm, not set.
    pub(crate) fn make(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.alarms.push(Alarm::default());
            self.alarms.len() as u32 - 1
        })
    }

    /// It will not be used again.
    pub(crate) fn drop(&mut self, id: u32) {
        self.set(id, None);
        self.alarms[id as usize].waker = None;
        self.free.push(id);
    }

    /// Sets it, replacing the former instant. Whoever waits for it is woken when the new one comes.
    pub(crate) fn set(&mut self, id: u32, at: Option<Instant>) {
        let alarm = &mut self.alarms[id as usize];
        if alarm.at == at {
            return;
        }
        alarm.at = at;
        match (alarm.place, at) {
            (Some(place), Some(_)) => self.move_from(place),
            (Some(place), None) => self.remove(place),
            (None, Some(_)) => {
                self.heap.push(id);
                self.move_from(self.heap.len() - 1);
            }
            (None, None) => {}
        }
    }

    /// When it is due, if it is set.
    pub(crate) fn at(&self, id: u32) -> Option<Instant> {
        self.alarms[id as usize].at
    }

    /// Remembers whom to wake.
    pub(crate) fn wait(&mut self, id: u32, cx: &Context<'_>) {
        remember(&mut self.alarms[id as usize].waker, cx);
    }

    /// When the first of those that are not due yet will be.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.heap.first().and_then(|id| self.at(*id))
    }

    /// Takes an alarm that is due at `now` out of the heap and returns whom to wake; `None` if there is none. For its
    /// owner it stays due until it is turned off.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Option<Waker>> {
        let id = *self.heap.first()?;
        if self.at(id)? > now {
            return None;
        }
        self.remove(0);
        Some(self.alarms[id as usize].waker.take())
    }

    fn remove(&mut self, place: usize) {
        let id = self.heap.swap_remove(place);
        self.alarms[id as usize].place = None;
        if place < self.heap.len() {
            self.move_from(place);
        }
    }

    fn move_from(&mut self, place: usize) {
        let place = self.up(place);
        self.down(place);
    }

    fn key(&self, place: usize) -> Option<Instant> {
        self.at(self.heap[place])
    }

    fn put(&mut self, place: usize) {
        let id = self.heap[place];
        self.alarms[id as usize].place = Some(place);
    }

    fn up(&mut self, mut place: usize) -> usize {
        while place > 0 && self.key(place) < self.key((place - 1) / 2) {
            self.heap.swap(place, (place - 1) / 2);
            self.put(place);
            place = (place - 1) / 2;
        }
        self.put(place);
        place
    }

    fn down(&mut self, mut place: usize) {
        loop {
            let children = [2 * place + 1, 2 * place + 2];
            let least = children.into_iter().filter(|child| *child < self.heap.len());
            match least.min_by_key(|child| self.key(*child)) {
                Some(child) if self.key(child) < self.key(place) => {
                    self.heap.swap(place, child);
                    self.put(place);
                    place = child;
                }
                _ => return self.put(place),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_alarm_stays_due_until_it_is_turned_off_and_can_be_set_again() {
        let mut alarms = Alarms::default();
        let id = alarms.make();
        alarms.set(id, Some(Instant::from_nanos(5)));
        assert!(alarms.pop_due(Instant::from_nanos(4)).is_none());
        assert!(alarms.pop_due(Instant::from_nanos(5)).is_some());
        assert_eq!((alarms.at(id), alarms.earliest()), (Some(Instant::from_nanos(5)), None));
        alarms.set(id, Some(Instant::from_nanos(9)));
        assert_eq!(alarms.earliest(), Some(Instant::from_nanos(9)));
        alarms.drop(id);
        assert_eq!((alarms.earliest(), alarms.make()), (None, id));
    }

    proptest! {
        /// Against a plain list.
        #[test]
        fn alarms_are_due_in_the_order_of_their_instants(
            steps in prop::collection::vec((0u32..12, prop::option::of(0u64..50), 0u64..60), 1..80),
        ) {
            let mut alarms = Alarms::default();
            let mut list = [None; 12];
            (0..12).for_each(|id| assert_eq!(alarms.make(), id));
            for (id, at, now) in steps {
                alarms.set(id, at.map(Instant::from_nanos));
                list[id as usize] = at;
                prop_assert_eq!(
                    alarms.earliest().map(Instant::as_nanos),
                    list.iter().flatten().min().copied()
                );
                if now % 3 == 0 {
                    let due = list.iter().flatten().filter(|at| **at <= now).count();
                    let popped = std::iter::from_fn(|| alarms.pop_due(Instant::from_nanos(now))).count();
                    prop_assert_eq!(due, popped);
                    for (id, at) in list.iter_mut().enumerate() {
                        if at.is_some_and(|at| at <= now) {
                            *at = None;
                            alarms.set(id as u32, None);
                        }
                    }
                }
            }
        }
    }
}
