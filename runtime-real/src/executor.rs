//! Tasks of one thread, and how they are woken: by each other, by completions, and by other threads.

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// A task's body.
pub(crate) type Body = Pin<Box<dyn Future<Output = ()>>>;

/// Which task: its place, and which of those that had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskId {
    place: u32,
    generation: u32,
}

/// What is ready to run. Wakers hold it, on whatever thread they are.
pub(crate) struct Ready {
    queue: Mutex<Vec<TaskId>>,
    /// Something is in the queue.
    some: AtomicBool,
    /// The thread waits for the kernel, and only a byte in the pipe wakes it.
    asleep: AtomicBool,
    pipe: std::io::PipeWriter,
}

impl Ready {
    pub(crate) fn new(pipe: std::io::PipeWriter) -> Self {
        Ready { queue: Mutex::default(), some: AtomicBool::new(false), asleep: AtomicBool::new(false), pipe }
    }

    fn push(&self, id: TaskId) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        self.some.store(true, Ordering::SeqCst);
        // Never true on the runtime's own thread: whoever runs there is not asleep.
        if self.asleep.swap(false, Ordering::SeqCst) {
            // A full pipe wakes as well.
            let _ = (&self.pipe).write(&[0]);
        }
    }

    /// Whether anything is ready.
    pub(crate) fn some(&self) -> bool {
        self.some.load(Ordering::SeqCst)
    }

    /// Takes all that is ready, in order; `into` must be empty.
    pub(crate) fn take(&self, into: &mut Vec<TaskId>) {
        if self.some() {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *queue, into);
            self.some.store(false, Ordering::SeqCst);
        }
    }

    /// Says that this thread is about to sleep. Returns whether it may: whoever wakes from now on writes to the pipe.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        if self.some() {
            self.wake_up();
            return false;
        }
        true
    }

    pub(crate) fn wake_up(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }
}

struct TaskWaker {
    id: TaskId,
    ready: Arc<Ready>,
    /// It is in the queue, or about to run.
    queued: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.push(self.id);
        }
    }
}

/// All tasks.
#[derive(Default)]
pub(crate) struct Tasks {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    /// None once it has ended, even if it is still running: then it ends when it stops.
    task: Option<Running>,
}

struct Running {
    /// Away while it runs.
    body: Option<Body>,
    mark: Arc<TaskWaker>,
    waker: Waker,
}

/// A task that was taken out to be run.
pub(crate) struct Taken {
    pub(crate) body: Body,
    pub(crate) waker: Waker,
}

impl Tasks {
    /// Adds a task, ready to run.
    pub(crate) fn spawn(&mut self, body: Body, ready: &Arc<Ready>) -> TaskId {
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[place as usize];
        slot.generation = slot.generation.wrapping_add(1);
        let id = TaskId { place, generation: slot.generation };
        let mark = Arc::new(TaskWaker { id, ready: ready.clone(), queued: AtomicBool::new(false) });
        let waker = Waker::from(mark.clone());
        slot.task = Some(Running { body: Some(body), mark, waker });
        if let Some(task) = &slot.task {
            task.waker.wake_by_ref();
        }
        id
    }

    fn slot(&mut self, id: TaskId) -> Option<&mut Slot> {
        self.slots.get_mut(id.place as usize).filter(|slot| slot.generation == id.generation)
    }

    /// Takes a task out to run it; `None` if it has ended.
    pub(crate) fn take(&mut self, id: TaskId) -> Option<Taken> {
        let task = self.slot(id)?.task.as_mut()?;
        // Whatever wakes it from here on queues it again.
        task.mark.queued.store(false, Ordering::Release);
        let body = task.body.take()?;
        Some(Taken { body, waker: task.waker.clone() })
    }

    /// Puts it back after it ran. Returns what is to be dropped if it was cancelled meanwhile, outside any borrow.
    pub(crate) fn put_back(&mut self, id: TaskId, body: Body) -> Option<Body> {
        match self.slot(id).and_then(|slot| slot.task.as_mut()) {
            Some(task) => {
                task.body = Some(body);
                None
            }
            None => Some(body),
        }
    }

    /// It has ended, or is to end. Returns its body to be dropped outside any borrow; one that runs ends when it stops.
    pub(crate) fn end(&mut self, id: TaskId) -> Option<Body> {
        let task = self.slot(id)?.task.take()?;
        self.free.push(id.place);
        task.body
    }

    /// Whether it has ended.
    pub(crate) fn is_finished(&self, id: TaskId) -> bool {
        let slot = self.slots.get(id.place as usize);
        !slot.is_some_and(|slot| slot.generation == id.generation && slot.task.is_some())
    }

    /// Ends all of them. Returns what is to be dropped outside any borrow.
    pub(crate) fn end_all(&mut self) -> Vec<Body> {
        let ids = self.slots.iter().enumerate().filter(|(_, slot)| slot.task.is_some());
        let ids: Vec<TaskId> =
            ids.map(|(place, slot)| TaskId { place: place as u32, generation: slot.generation }).collect();
        ids.into_iter().filter_map(|id| self.end(id)).collect()
    }
}
