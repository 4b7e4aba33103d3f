//! Who is at the door of native clients, and how all of them are told that the node ends.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::task::{Context, Waker};
use seedfast_core::runtime::remember;

/// The native clients of a node. A clone is another handle of the same ones.
#[derive(Clone, Default)]
pub struct Guests(Rc<State>);

type Task = Rc<RefCell<Option<Waker>>>;

#[derive(Default)]
struct State {
    stopping: Cell<bool>,
    came: Cell<u64>,
    tasks: RefCell<BTreeMap<u64, Task>>,
}

impl Guests {
    /// Stops serving: no stream takes another request; each closes once its client has the answers that it is owed, and
    /// [`connected`](Self::connected) tells when the last one has.
    pub fn stop(&self) {
        self.0.stopping.set(true);
        for task in self.0.tasks.borrow().values() {
            if let Some(task) = task.take() {
                task.wake();
            }
        }
    }

    /// How many there are.
    pub fn connected(&self) -> usize {
        self.0.tasks.borrow().len()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.0.stopping.get()
    }

    /// Another one.
    pub(super) fn enter(&self) -> Guest {
        let number = self.0.came.replace(self.0.came.get() + 1);
        let task = Task::default();
        self.0.tasks.borrow_mut().insert(number, task.clone());
        Guest { guests: self.clone(), number, task }
    }
}

/// One of them, until this is dropped.
pub(super) struct Guest {
    guests: Guests,
    number: u64,
    task: Task,
}

impl Guest {
    /// Remembers whom to wake when the node stops serving.
    pub(super) fn remember(&self, cx: &Context<'_>) {
        remember(&mut self.task.borrow_mut(), cx);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.guests.0.tasks.borrow_mut().remove(&self.number);
    }
}
