//! The loop: run what is ready, hand everything over in one system call that also waits, and pass on what completed.

use crate::alarms::Alarms;
use crate::company::Company;
use crate::executor::{Body, Ready, TaskId, Tasks};
use crate::files::Known;
use crate::options::Options;
use crate::sys_ring::{Abilities, Counts, Event, Request, Ring, Token, Wait};
use seedfast_core::runtime::Error;
use seedfast_core::time::{Instant, Now, WallTime};
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::future::Future;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

/// Whoever made a request hears of its completions.
pub(crate) trait Owner {
    /// One of them.
    fn completed(self: Rc<Self>, machine: &Rc<Machine>, event: Event);
}

/// One thread's share of the machine.
pub(crate) struct Machine {
    pub(crate) options: Options,
    pub(crate) ring: RefCell<Ring<Rc<dyn Owner>>>,
    pub(crate) alarms: RefCell<Alarms>,
    /// Files of devices that were dropped while something was in flight.
    pub(crate) leaving: RefCell<Vec<Weak<Known<File>>>>,
    tasks: RefCell<Tasks>,
    ready: Arc<Ready>,
    origin: std::time::Instant,
    over: Cell<bool>,
    company: RefCell<Company>,
    turn: Cell<usize>,
    /// How often the ready tasks were run.
    round: Cell<u64>,
    /// How much usually comes at once: sixteen times the average, the latest harvests counting most.
    usual: Cell<usize>,
}

/// Ready tasks are run so many times round before the kernel is looked at again.
const ROUNDS: usize = 16;

/// Half of what usually comes at once, from which on it is waited for.
const FEW: usize = 3;
/// No more is waited for.
const MANY: usize = 64;

impl Machine {
    pub(crate) fn new(options: Options) -> Result<Rc<Self>, Error> {
        let ring = Ring::new(&options)?;
        let exhausted = |why| Error::Exhausted(format!("no pipe could be made: {why}"));
        let (reader, writer) = std::io::pipe().map_err(exhausted)?;
        let machine = Rc::new(Machine {
            options,
            ring: RefCell::new(ring),
            alarms: RefCell::default(),
            leaving: RefCell::default(),
            tasks: RefCell::default(),
            ready: Arc::new(Ready::new(writer)),
            origin: std::time::Instant::now(),
            over: Cell::new(false),
            company: RefCell::default(),
            turn: Cell::new(0),
            round: Cell::new(1),
            usual: Cell::new(0),
        });
        Rc::new(Doorbell(Rc::new(OwnedFd::from(reader)))).listen(&machine, Vec::with_capacity(64));
        Ok(machine)
    }

    pub(crate) fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall = wall.map_or_else(|before| -nanos(before.duration()), nanos);
        Now { monotonic: self.monotonic(), wall: WallTime(wall) }
    }

    pub(crate) fn monotonic(&self) -> Instant {
        let passed = self.origin.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Whether a device that was dropped still has something in flight.
    pub(crate) fn is_leaving(&self) -> bool {
        let mut leaving = self.leaving.borrow_mut();
        leaving.retain(|file| file.strong_count() > 0);
        !leaving.is_empty()
    }

    /// How often the ready tasks were run; it differs between two turns of one task.
    pub(crate) fn round(&self) -> u64 {
        self.round.get()
    }

    /// Each of `of` choices in its turn.
    pub(crate) fn choose(&self, of: usize) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn % of.max(1)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.ring.borrow().counts
    }

    pub(crate) fn abilities(&self) -> Abilities {
        self.ring.borrow().abilities()
    }

    /// Hands a request over; `owner` hears of it.
    pub(crate) fn submit(&self, request: Request, owner: Rc<dyn Owner>, tag: u64) -> Token {
        self.ring.borrow_mut().submit(request, owner, tag)
    }

    /// Tells the kernel of a file in advance, if it can be told.
    pub(crate) fn know<F: AsRawFd>(&self, file: F) -> Known<F> {
        self.ring.borrow_mut().know(file)
    }

    pub(crate) fn cancel(&self, token: Token) {
        self.ring.borrow_mut().cancel(token);
    }

    pub(crate) fn spawn(&self, body: Body) -> TaskId {
        // A runtime that is over drops what it is given.
        if self.over.get() {
            drop(body);
            let id = self.tasks.borrow_mut().spawn(Box::pin(async {}), &self.ready);
            self.end(id);
            return id;
        }
        self.tasks.borrow_mut().spawn(body, &self.ready)
    }

    /// Ends a task. Its body is dropped while nothing is borrowed: what it holds may come back to the machine.
    pub(crate) fn end(&self, id: TaskId) {
        let body = self.tasks.borrow_mut().end(id);
        drop(body);
    }

    pub(crate) fn is_finished(&self, id: TaskId) -> bool {
        self.tasks.borrow().is_finished(id)
    }

    /// Runs everything until `main` is done.
    pub(crate) fn run<T: 'static>(self: &Rc<Self>, main: impl Future<Output = T> + 'static) -> T {
        let result = Rc::new(RefCell::new(None));
        let into = result.clone();
        self.spawn(Box::pin(async move {
            let value = main.await;
            *into.borrow_mut() = Some(value);
        }));
        let (mut batch, mut events) = (Vec::new(), Vec::new());
        loop {
            for _ in 0..ROUNDS {
                self.ready.take(&mut batch);
                if batch.is_empty() {
                    break;
                }
                self.round.set(self.round.get() + 1);
                for id in batch.drain(..) {
                    self.poll(id);
                }
                if let Some(value) = result.borrow_mut().take() {
                    return value;
                }
            }
            self.wait();
            self.harvest(&mut events);
            self.ring_alarms();
        }
    }

    fn poll(&self, id: TaskId) {
        let Some(mut taken) = self.tasks.borrow_mut().take(id) else { return };
        let ended = match taken.body.as_mut().poll(&mut Context::from_waker(&taken.waker)) {
            Poll::Ready(()) => {
                self.end(id);
                Some(taken.body)
            }
            Poll::Pending => self.tasks.borrow_mut().put_back(id, taken.body),
        };
        drop(ended);
    }

    /// Hands over what was submitted, and waits if there is nothing else to do.
    fn wait(&self) {
        if self.ready.some() {
            return self.ring.borrow_mut().enter(Wait::No, 1);
        }
        if self.options.busy && self.spin() {
            return;
        }
        let wait = match self.alarms.borrow().earliest() {
            None => Wait::Ever,
            Some(at) => match at.since(self.monotonic()).as_nanos() {
                0 => Wait::No,
                nanos => Wait::For(std::time::Duration::from_nanos(nanos)),
            },
        };
        if self.ready.fall_asleep() {
            self.ring.borrow_mut().enter(wait, self.gather());
            self.ready.wake_up();
        }
    }

    /// For how many completions it is worth to wait a moment: half of what usually comes, if that is much.
    fn gather(&self) -> usize {
        let half = self.usual.get() / 32;
        if half < FEW { 1 } else { half.min(MANY) }
    }

    /// Waits without sleeping, as long as nobody else wants the processor. Returns whether there is something to do.
    fn spin(&self) -> bool {
        let mut company = self.company.borrow_mut();
        let mut before = self.monotonic();
        if !company.alone(before) {
            return false;
        }
        let mut ring = self.ring.borrow_mut();
        ring.enter(Wait::No, 1);
        let until = self.alarms.borrow().earliest();
        while !ring.ready() && !self.ready.some() {
            for _ in 0..16 {
                std::hint::spin_loop();
            }
            // Whoever else wants this processor may be the very one that is waited for.
            std::thread::yield_now();
            let now = self.monotonic();
            if !company.back(before, now) {
                return false;
            }
            if until.is_some_and(|until| until <= now) {
                break;
            }
            before = now;
        }
        company.undisturbed();
        ring.enter(Wait::No, 1);
        true
    }

    fn harvest(self: &Rc<Self>, events: &mut Vec<(Rc<dyn Owner>, Event)>) {
        let came = {
            let mut ring = self.ring.borrow_mut();
            ring.harvest(events);
            ring.came()
        };
        let usual = self.usual.get();
        self.usual.set(usual - usual / 8 + came * 2);
        for (owner, event) in events.drain(..) {
            self.hand_over(owner, event);
        }
    }

    fn hand_over(self: &Rc<Self>, owner: Rc<dyn Owner>, event: Event) {
        let lease = event.lease;
        owner.completed(self, event);
        if let Some(lease) = lease {
            self.ring.borrow_mut().give_back(lease);
        }
    }

    fn ring_alarms(&self) {
        if self.alarms.borrow().earliest().is_none() {
            return;
        }
        let now = self.monotonic();
        loop {
            let due = self.alarms.borrow_mut().pop_due(now);
            match due {
                Some(Some(waker)) => waker.wake(),
                Some(None) => {}
                None => return,
            }
        }
    }

    /// Ends every task, and waits until the kernel has let go of everything.
    pub(crate) fn close(self: &Rc<Self>) {
        self.over.set(true);
        // What a body drops may have spawned before: until none is left.
        loop {
            let bodies = self.tasks.borrow_mut().end_all();
            if bodies.is_empty() {
                break;
            }
            drop(bodies);
        }
        let mut events = Vec::new();
        self.ring.borrow_mut().settle(|owner, event| events.push((owner, event)));
        // Whoever is told now must not begin anything again: owners ask `is_over`.
        for (owner, event) in events {
            self.hand_over(owner, event);
        }
        // Files of which somebody was told last are closed.
        self.ring.borrow_mut().enter(Wait::No, 1);
    }

    /// Whether nothing new may begin.
    pub(crate) fn is_over(&self) -> bool {
        self.over.get()
    }
}

fn nanos(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// The end of the pipe into which other threads write to wake this one.
struct Doorbell(Rc<OwnedFd>);

impl Doorbell {
    fn listen(self: Rc<Self>, machine: &Rc<Machine>, into: Vec<u8>) {
        let pipe = self.0.clone();
        machine.submit(Request::Listen { pipe, into }, self, 0);
    }
}

impl Owner for Doorbell {
    fn completed(self: Rc<Self>, machine: &Rc<Machine>, event: Event) {
        if let Some(Request::Listen { mut into, .. }) = event.request
            && !machine.is_over()
        {
            into.clear();
            self.listen(machine, into);
        }
    }
}
