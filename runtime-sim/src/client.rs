//! Async code as a client of a scene.

use crate::executor::Executor;
use crate::runtime::{Inner, SimRuntime, Who};
use crate::stream::Path;
use seedfast_core::{Buffer, Instant, Now, SessionId, WallTime};
use seedfast_sim::{ClientId, ClientInput, ClientOutbox, WALL_EPOCH};
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// The one timer that a client has in the world.
const TIMER: u16 = 0;

type Main = Pin<Box<dyn Future<Output = ()>>>;
type Begin = Box<dyn FnOnce(SimRuntime) -> Main>;

/// A client of a scene whose turns run async code: hand it what [`Scene::client`](seedfast_sim::Scene::client) is
/// handed. Its clock is true time; it can open streams to nodes, and has neither peers nor devices.
pub struct AsyncClient {
    inner: Rc<Inner>,
    executor: Executor,
    begin: Option<Begin>,
    finished: Rc<Cell<bool>>,
}

impl AsyncClient {
    /// A client that runs `main`.
    pub fn new<F>(client: ClientId, main: impl FnOnce(SimRuntime) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        AsyncClient {
            inner: Inner::new(Who::Client(client.0), false),
            executor: Executor::new(),
            begin: Some(Box::new(move |runtime| Box::pin(main(runtime)))),
            finished: Rc::default(),
        }
    }

    /// Whether `main` has returned.
    pub fn is_finished(&self) -> bool {
        self.finished.get()
    }

    /// One turn at true time `now`.
    pub fn turn(&mut self, now: Instant, input: ClientInput, out: &mut dyn ClientOutbox) {
        let inner = &self.inner;
        inner.begin(Now { monotonic: now, wall: WallTime(WALL_EPOCH + now.as_nanos() as i64) });
        match input {
            ClientInput::Start { entropy } => {
                inner.choices.seed(&entropy);
                if let Some(begin) = self.begin.take() {
                    let (main, finished) = (begin(SimRuntime(inner.clone())), self.finished.clone());
                    inner.spawned.spawn(Box::pin(async move {
                        main.await;
                        finished.set(true);
                    }));
                }
            }
            ClientInput::Response { bytes, node, .. } => inner.chunk(Path::Server(node), &bytes),
            ClientInput::Closed { node, .. } => inner.break_path(Path::Server(node)),
            ClientInput::Timer { .. } => inner.timer_struck(),
        }
        let send = |path, bytes: Buffer| {
            if let Path::Server(node) = path {
                out.request(node, SessionId::NONE, 0, bytes);
            }
        };
        if let Some(at) = inner.run(&mut self.executor, send) {
            out.timer(TIMER, Some(at));
        }
    }
}

impl Drop for AsyncClient {
    fn drop(&mut self) {
        self.executor.end(&self.inner.spawned);
    }
}
