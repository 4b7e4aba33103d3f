//! A node's, or a client's, view of the simulated world.

use crate::alarms::Alarms;
use crate::choices::Choices;
use crate::device::{Devices, SimDevice};
use crate::endpoint::{Peers, SimEndpoint};
use crate::executor::{Executor, SimTask, Spawned};
use crate::stream::{Path, SimListener, SimStream, Streams, parse};
use seedfast_core::runtime::{Alarm, Error, Membership, Runtime, remember};
use seedfast_core::{Buffer, Instant, NodeId, Now, ObservationKind, Outbox, Output};
use std::cell::{Cell, RefCell, RefMut};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll};

/// The one runtime of this crate, for a node's life or for a client.
#[derive(Clone)]
pub struct SimRuntime(pub(crate) Rc<Inner>);

/// Whose runtime it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Node(NodeId),
    Client(u8),
}

/// What all handles of a life share. The tasks themselves belong to the life and not to this, so that nothing holds
/// itself alive.
pub(crate) struct Inner {
    pub(crate) who: Who,
    pub(crate) life: Cell<u32>,
    pub(crate) now: Cell<Now>,
    pub(crate) choices: Choices,
    pub(crate) spawned: Spawned,
    pub(crate) alarms: RefCell<Alarms>,
    /// The world's own outbox while a turn of a node runs.
    pub(crate) out: RefCell<Outbox>,
    pub(crate) peers: RefCell<Peers>,
    pub(crate) devices: RefCell<Devices>,
    streams: RefCell<Streams>,
    /// What the real timer is set to.
    timer: Cell<Option<Instant>>,
}

impl Inner {
    pub(crate) fn new(who: Who, observing: bool) -> Rc<Self> {
        Rc::new(Inner {
            who,
            life: Cell::new(0),
            now: Cell::new(Now::default()),
            choices: Choices::new(),
            spawned: Spawned::default(),
            alarms: RefCell::default(),
            out: RefCell::new(Outbox::new(observing)),
            peers: RefCell::default(),
            devices: RefCell::default(),
            streams: RefCell::default(),
            timer: Cell::new(None),
        })
    }

    /// A turn begins.
    pub(crate) fn begin(&self, now: Now) {
        let last = self.now.get().monotonic;
        self.now.set(Now { monotonic: now.monotonic.max(last), wall: now.wall });
        self.choices.at(self.now.get().monotonic.as_nanos());
    }

    /// The world's timer struck.
    pub(crate) fn timer_struck(&self) {
        self.timer.set(None);
    }

    /// A chunk of a stream came along `path`.
    pub(crate) fn chunk(&self, path: Path, bytes: &[u8]) {
        self.streams.borrow_mut().arrive(path, bytes, self.now.get().monotonic, &self.choices);
    }

    /// Whatever went along `path` is gone.
    pub(crate) fn break_path(&self, path: Path) {
        self.streams.borrow_mut().break_path(path);
    }

    /// Runs tasks until nothing is ready; `send` takes the chunks for the outside. Returns what the real timer has to
    /// be set to, if that is not what it is.
    pub(crate) fn run(&self, executor: &mut Executor, mut send: impl FnMut(Path, Buffer)) -> Option<Instant> {
        let now = self.now.get().monotonic;
        self.alarms.borrow_mut().fire(now);
        self.streams.borrow_mut().tick(now);
        self.peers.borrow_mut().tick(now);
        loop {
            executor.run(&self.spawned, &self.choices);
            if !self.flush(now, &mut send) {
                break;
            }
        }
        let deadlines = [
            self.alarms.borrow().earliest(),
            self.streams.borrow().deadline(),
            self.peers.borrow().deadline(),
        ];
        let earliest = deadlines.into_iter().flatten().min()?;
        // One that strikes too early does no harm and is cheaper than setting it anew each time.
        if self.timer.get().is_some_and(|set| set <= earliest) {
            return None;
        }
        self.timer.set(Some(earliest));
        Some(earliest)
    }

    /// Sends what streams have to send; true if any of it came back to this node.
    fn flush(&self, now: Instant, send: &mut impl FnMut(Path, Buffer)) -> bool {
        let mut own = Vec::new();
        let mut streams = self.streams.borrow_mut();
        streams.flush(now, &self.choices, |path, bytes| match path {
            Path::Out => own.push((Path::In, bytes)),
            Path::In => own.push((Path::Out, bytes)),
            _ => send(path, Buffer::from(bytes)),
        });
        let any = !own.is_empty();
        for (path, bytes) in own {
            streams.arrive(path, &bytes, now, &self.choices);
        }
        any
    }
}

impl SimRuntime {
    pub(crate) fn streams(&self) -> RefMut<'_, Streams> {
        self.0.streams.borrow_mut()
    }

    pub(crate) fn choices(&self) -> &Choices {
        &self.0.choices
    }

    pub(crate) fn instant(&self) -> Instant {
        self.0.now.get().monotonic
    }

    fn node(&self, what: &str) -> Result<NodeId, Error> {
        match self.0.who {
            Who::Node(node) => Ok(node),
            Who::Client(client) => Err(Error::Unsupported(format!(
                "c{client} is a client of the simulated world: it has no {what}"
            ))),
        }
    }

    /// The way to `node`, and what tells the streams that this life opens from all others.
    fn way(&self, node: NodeId) -> (Path, u64) {
        let life = u64::from(self.0.life.get() & 0xff_ffff);
        match self.0.who {
            Who::Node(me) if me == node => (Path::Out, u64::from(me.0) << 24 | life),
            Who::Node(me) => (Path::Peer(node), u64::from(me.0) << 24 | life),
            Who::Client(client) => (Path::Server(node), u64::from(client) << 24),
        }
    }
}

impl Runtime for SimRuntime {
    type Alarm = SimAlarm;
    type Task = SimTask;
    type Endpoint = SimEndpoint;
    type Device = SimDevice;
    type Listener = SimListener;
    type Stream = SimStream;

    fn now(&self) -> Now {
        self.0.now.get()
    }

    fn entropy(&self) -> [u8; 32] {
        self.0.choices.entropy()
    }

    fn choose(&self, of: usize) -> usize {
        self.0.choices.below(of)
    }

    fn alarm(&self) -> SimAlarm {
        SimAlarm { alarm: self.0.alarms.borrow_mut().add(), runtime: self.clone() }
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> SimTask {
        self.0.spawned.spawn(Box::pin(task))
    }

    async fn endpoint(&self, membership: Membership) -> Result<SimEndpoint, Error> {
        let node = self.node("peers")?;
        SimEndpoint::open(self.clone(), node, &membership)
    }

    async fn device(&self, name: &str) -> Result<SimDevice, Error> {
        self.node("devices")?;
        // What a former handle had submitted comes to its end first.
        let device = self.0.devices.borrow().find(name)?;
        poll_fn(|cx| self.0.devices.borrow_mut().poll_idle(device, cx)).await;
        SimDevice::open(self.clone(), device, name)
    }

    async fn listen(&self, address: &str) -> Result<SimListener, Error> {
        let me = self.node("address to listen on")?;
        let (node, port) = parse(address)?;
        if node != me {
            return Err(Error::Invalid(format!("{address} is an address of {node}, and this is {me}")));
        }
        let mut streams = self.streams();
        if streams.listeners.contains_key(&port) {
            return Err(Error::InUse(address.into()));
        }
        streams.listeners.entry(port).or_default();
        drop(streams);
        Ok(SimListener::new(self.clone(), node, port))
    }

    async fn connect(&self, address: &str) -> Result<SimStream, Error> {
        let (node, port) = parse(address)?;
        let (path, prefix) = self.way(node);
        let key = self.streams().open(path, port, prefix, &self.0.choices);
        let mut stream = SimStream::new(self.clone(), key);
        poll_fn(|cx| stream.poll_open(cx)).await?;
        Ok(stream)
    }

    fn observing(&self) -> bool {
        matches!(self.0.who, Who::Node(_)) && self.0.out.borrow().observing()
    }

    fn observe(&self, kind: ObservationKind, bytes: &[u8]) {
        if self.observing() {
            let mut out = self.0.out.borrow_mut();
            let bytes = out.pool().copy_from(bytes);
            out.push(Output::Observe { kind, bytes });
        }
    }
}

/// One alarm of a life.
pub struct SimAlarm {
    runtime: SimRuntime,
    alarm: u32,
}

impl Alarm for SimAlarm {
    fn set(&mut self, at: Option<Instant>) {
        self.runtime.0.alarms.borrow_mut().set(self.alarm, at);
    }

    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.runtime.0.alarms.borrow_mut().poll(self.alarm, self.runtime.instant(), cx)
    }
}

impl Drop for SimAlarm {
    fn drop(&mut self) {
        self.runtime.0.alarms.borrow_mut().remove(self.alarm);
    }
}

/// Waits in `wakers` if `ready` is false.
pub(crate) fn wait(ready: bool, waker: &mut Option<std::task::Waker>, cx: &Context<'_>) -> Poll<()> {
    if ready {
        return Poll::Ready(());
    }
    remember(waker, cx);
    Poll::Pending
}
