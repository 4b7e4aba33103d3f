//! Async code as a process of the simulated world.

use crate::executor::Executor;
use crate::runtime::{Inner, SimRuntime, Who};
use crate::stream::Path;
use seedfast_core::{
    Buffer, GroupId, Input, Kind, NodeId, Now, Outbox, Output, PeerSet, Process, Start, TimerId,
};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// Frames of this kind and group carry streams between nodes; nobody else's may.
pub(crate) const STREAMS: (Kind, GroupId) = (Kind(0xfe), GroupId(u32::MAX));
/// The one timer that a node has in the world.
const TIMER: TimerId = TimerId(0);
/// A burst is harvested at its end, and one time in so many before it.
const EARLY_HARVEST: usize = 4;

type Main = Pin<Box<dyn Future<Output = String>>>;
type Begin = Box<dyn FnOnce(SimRuntime, Start) -> Main>;

/// A process whose turns run async code.
///
/// Inputs gather in the mailboxes of endpoints, devices and streams; when a burst ends (sometimes before), tasks run
/// until none is ready, and what they asked for are the outputs of that turn. So whatever the world does to a process
/// it does to async code: a crash falls between any two of these outputs, and drops the tasks where they wait.
pub struct AsyncNode {
    inner: Option<Rc<Inner>>,
    executor: Executor,
    begin: Option<Begin>,
    /// What the main future returned: why this life ends.
    ended: Rc<RefCell<Option<String>>>,
    describe: fn(Kind, &[u8]) -> Option<String>,
}

impl AsyncNode {
    /// A node that runs `main` in this life. When it returns, the node halts and shows what it returned.
    pub fn new<F>(main: impl FnOnce(SimRuntime, Start) -> F + 'static) -> Self
    where
        F: Future<Output = String> + 'static,
    {
        AsyncNode {
            inner: None,
            executor: Executor::new(),
            begin: Some(Box::new(move |runtime, start| Box::pin(main(runtime, start)))),
            ended: Rc::default(),
            describe: |_, _| None,
        }
    }

    /// Says how frames are described to people who read a trace.
    #[must_use]
    pub fn described_by(mut self, describe: fn(Kind, &[u8]) -> Option<String>) -> Self {
        self.describe = describe;
        self
    }

    fn start(&mut self, now: Now, start: Start, observing: bool) -> Rc<Inner> {
        let inner = Inner::new(Who::Node(start.node), observing);
        inner.begin(now);
        inner.choices.seed(&start.entropy);
        inner.life.set(start.incarnation.0);
        inner.devices.borrow_mut().start(&start);
        inner.peers.borrow_mut().frame_limit = start.frame_limit;
        if let Some(begin) = self.begin.take() {
            let (main, ended) = (begin(SimRuntime(inner.clone()), start), self.ended.clone());
            inner.spawned.spawn(Box::pin(async move {
                let why = main.await;
                *ended.borrow_mut() = Some(why);
            }));
        }
        self.inner = Some(inner.clone());
        inner
    }
}

/// Puts an input where it is waited for.
fn deliver(inner: &Inner, input: Input) {
    match input {
        Input::Receive { from, kind, group, frame } if (kind, group) == STREAMS => {
            inner.chunk(Path::Peer(from), &frame);
        }
        Input::Receive { from, kind, group, frame } => {
            inner.peers.borrow_mut().receive(from, kind, group, frame);
        }
        Input::Timer { .. } => inner.timer_struck(),
        Input::Completed { op, result } => inner.devices.borrow_mut().completed(op, result),
        Input::Request { connection, bytes, .. } => inner.chunk(Path::Client(connection), &bytes),
        Input::Closed { connection } => inner.break_path(Path::Client(connection)),
        // The world has no room to run out of; an operator speaks to async code over a stream; nothing was granted.
        Input::Writable { .. } | Input::Control(_) | Input::Landed { .. } => {}
        Input::Start(_) | Input::EndOfBurst => {}
    }
}

impl Process for AsyncNode {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let (inner, run) = match input {
            Input::Start(start) => (self.start(now, start, out.observing()), false),
            input => {
                let Some(inner) = self.inner.clone() else { return };
                inner.begin(now);
                let end = matches!(input, Input::EndOfBurst);
                deliver(&inner, input);
                let run = end || inner.choices.below(EARLY_HARVEST) == 0;
                (inner, run)
            }
        };
        if !run || self.ended.borrow().is_some() {
            return;
        }
        core::mem::swap(out, &mut *inner.out.borrow_mut());
        let send = |path, bytes: Buffer| {
            let mut out = inner.out.borrow_mut();
            match path {
                Path::Client(connection) => out.respond(connection, bytes),
                Path::Peer(node) => out.send(PeerSet::one(node), STREAMS.0, STREAMS.1, bytes),
                // A node has no other ways to the outside.
                Path::Server(NodeId(_)) | Path::Out | Path::In => {}
            }
        };
        let timer = inner.run(&mut self.executor, send);
        core::mem::swap(out, &mut *inner.out.borrow_mut());
        if let Some(at) = timer {
            out.push(Output::Timer { id: TIMER, at: Some(at) });
        }
        if let Some(why) = &*self.ended.borrow() {
            out.halt(why);
        }
    }

    fn describe(&self, kind: Kind, frame: &[u8]) -> Option<String> {
        (self.describe)(kind, frame)
    }
}

impl Drop for AsyncNode {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            self.executor.end(&inner.spawned);
        }
    }
}
