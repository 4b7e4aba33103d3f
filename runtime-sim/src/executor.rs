//! Tasks: who is ready, who runs next, who has ended.
//!
//! A turn runs tasks until none is ready. Which of the ready ones is polled next is drawn, so that every order that
//! the wakes allow is explored; nothing else decides. A life that ends drops all of its tasks.

use crate::choices::Choices;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// More polls than this in one turn are a task that never waits.
const POLLS_PER_TURN: u32 = 1_000_000;

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Alive,
    Cancelled,
    Finished,
}

/// What a task and its handle share.
struct Shared {
    state: Cell<State>,
    wake: Arc<Wakes>,
}

/// A task that was spawned: see [`seedfast_core::runtime::Task`].
pub struct SimTask(Rc<Shared>);

impl seedfast_core::runtime::Task for SimTask {
    fn is_finished(&self) -> bool {
        self.0.state.get() != State::Alive
    }

    fn cancel(self) {
        if self.0.state.get() == State::Alive {
            self.0.state.set(State::Cancelled);
            self.0.wake.wake_by_ref();
        }
    }
}

/// Tasks that wait to be taken up by the executor.
#[derive(Default)]
pub(crate) struct Spawned {
    ready: Arc<Ready>,
    tasks: RefCell<Vec<(Boxed, Rc<Shared>)>>,
    /// The life is over: nothing is taken up any more.
    over: Cell<bool>,
}

/// The tasks that are to be polled.
#[derive(Default)]
struct Ready(Mutex<Vec<Arc<Wakes>>>);

/// The waker of one task.
struct Wakes {
    ready: Arc<Ready>,
    queued: AtomicBool,
    /// Its place in the executor, once it has one.
    slot: std::sync::atomic::AtomicU32,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.clone());
        }
    }
}

impl Spawned {
    pub(crate) fn spawn(&self, future: Boxed) -> SimTask {
        let wake = Arc::new(Wakes {
            ready: self.ready.clone(),
            queued: AtomicBool::new(false),
            slot: std::sync::atomic::AtomicU32::new(u32::MAX),
        });
        let shared = Rc::new(Shared { state: Cell::new(State::Alive), wake });
        if !self.over.get() {
            self.tasks.borrow_mut().push((future, shared.clone()));
        }
        SimTask(shared)
    }
}

struct Slot {
    future: Boxed,
    shared: Rc<Shared>,
    waker: Waker,
}

/// The tasks of one life.
pub(crate) struct Executor {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    order: Vec<Arc<Wakes>>,
}

impl Executor {
    pub(crate) fn new() -> Self {
        Executor { slots: Vec::new(), free: Vec::new(), order: Vec::new() }
    }

    fn admit(&mut self, spawned: &Spawned) {
        for (future, shared) in spawned.tasks.take() {
            let slot = self.free.pop().unwrap_or_else(|| {
                self.slots.push(None);
                self.slots.len() as u32 - 1
            });
            shared.wake.slot.store(slot, Ordering::Relaxed);
            shared.wake.wake_by_ref();
            let waker = Waker::from(shared.wake.clone());
            self.slots[slot as usize] = Some(Slot { future, shared, waker });
        }
    }

    /// Polls whatever is ready until nothing is.
    pub(crate) fn run(&mut self, spawned: &Spawned, choices: &Choices) {
        for _ in 0..POLLS_PER_TURN {
            self.admit(spawned);
            self.order.append(&mut spawned.ready.0.lock().unwrap_or_else(PoisonError::into_inner));
            if self.order.is_empty() {
                return;
            }
            let next = self.order.swap_remove(choices.below(self.order.len()));
            next.queued.store(false, Ordering::Relaxed);
            self.poll(&next);
        }
        panic!("tasks were polled {POLLS_PER_TURN} times while no time passed: one of them never waits");
    }

    fn poll(&mut self, wake: &Arc<Wakes>) {
        let place = wake.slot.load(Ordering::Relaxed);
        let Some(found) = self.slots.get_mut(place as usize) else { return };
        let Some(slot) = found.as_mut().filter(|slot| Arc::ptr_eq(&slot.shared.wake, wake)) else { return };
        let cancelled = slot.shared.state.get() == State::Cancelled;
        let ended = cancelled || {
            let polled = slot.future.as_mut().poll(&mut Context::from_waker(&slot.waker));
            // It may have cancelled itself.
            polled == Poll::Ready(()) || slot.shared.state.get() == State::Cancelled
        };
        if ended {
            slot.shared.state.set(State::Finished);
            let slot = found.take();
            self.free.push(place);
            drop(slot);
        }
    }

    /// The life ends: every task is dropped, in the order of their places, and so is what they spawn meanwhile.
    pub(crate) fn end(&mut self, spawned: &Spawned) {
        spawned.over.set(true);
        self.order.clear();
        for slot in &mut self.slots {
            drop(slot.take());
        }
        drop(spawned.tasks.take());
        spawned.ready.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::runtime::Task;

    fn order_of(entropy: u8) -> Vec<u32> {
        let (spawned, mut executor, choices) = (Spawned::default(), Executor::new(), Choices::new());
        choices.seed(&[entropy; 32]);
        choices.at(1);
        let order: Rc<RefCell<Vec<u32>>> = Rc::default();
        for number in 0..8 {
            let order = order.clone();
            spawned.spawn(Box::pin(async move { order.borrow_mut().push(number) }));
        }
        executor.run(&spawned, &choices);
        order.take()
    }

    #[test]
    fn which_ready_task_runs_first_follows_from_the_entropy_alone() {
        assert_eq!(order_of(1), order_of(1));
        assert!((2..20).any(|entropy| order_of(entropy) != order_of(1)), "the order is always the same");
        let mut all = order_of(3);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn the_end_of_a_life_drops_every_task_and_what_they_spawn_as_they_go() {
        struct Late(Rc<Spawned>, Rc<Cell<bool>>);
        impl Drop for Late {
            fn drop(&mut self) {
                let flag = self.1.clone();
                self.0.spawn(Box::pin(async move { flag.set(true) }));
            }
        }
        let (spawned, mut executor, choices) = (Rc::new(Spawned::default()), Executor::new(), Choices::new());
        let ran = Rc::new(Cell::new(false));
        let held = Late(spawned.clone(), ran.clone());
        let task = spawned.spawn(Box::pin(async move {
            let _held = held;
            std::future::pending::<()>().await;
        }));
        executor.run(&spawned, &choices);
        assert!(!task.is_finished());
        executor.end(&spawned);
        executor.run(&spawned, &choices);
        assert!(!ran.get(), "a task was taken up after the end");
        assert_eq!(Rc::strong_count(&spawned), 1, "what a task held is still held");
    }
}
