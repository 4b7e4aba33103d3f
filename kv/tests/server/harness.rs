//! A stream in memory, replicas that are one store and answer as they are told to, and the task between them.

use seedfast_core::Input;
use seedfast_core::client::{Request, Response, Status, Verb};
use seedfast_core::machine::StateMachine;
use seedfast_core::runtime::clients::Clients;
use seedfast_core::runtime::{Error, Stream};
use seedfast_core::{Buffer, ClusterId, GroupId, Instant, NodeId, Now, WallTime};
use seedfast_kv::Store;
use seedfast_kv::server::{self, Limits, Member, Service, Settings};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Whether the task was woken: it runs only then, so that a wake that is lost stops everything.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Both ends of a stream.
#[derive(Default)]
pub(crate) struct Wire {
    to_server: VecDeque<u8>,
    finished: bool,
    /// What has left the server.
    pub(crate) sent: Vec<u8>,
    backlog: Vec<u8>,
    /// How much the network takes.
    pub(crate) window: usize,
    /// How many bytes a read brings at most.
    pub(crate) chunk: usize,
    pub(crate) closed: bool,
    broken: bool,
    /// How often the server wrote.
    pub(crate) writes: usize,
    /// Whether bytes leave only while the server flushes.
    pub(crate) lazy: bool,
    reader: Option<Waker>,
    flusher: Option<Waker>,
}

#[derive(Clone)]
pub(crate) struct Memory(pub(crate) Rc<RefCell<Wire>>);

impl Memory {
    pub(crate) fn new() -> Self {
        Memory(Rc::new(RefCell::new(Wire { window: usize::MAX, chunk: usize::MAX, ..Wire::default() })))
    }

    pub(crate) fn push(&self, bytes: &[u8]) {
        let mut wire = self.0.borrow_mut();
        wire.to_server.extend(bytes);
        wake(&mut wire.reader);
    }

    /// The network takes so many bytes more.
    pub(crate) fn take(&self, more: usize) {
        let mut wire = self.0.borrow_mut();
        wire.window = wire.window.saturating_add(more);
        if wire.lazy {
            wake(&mut wire.flusher);
        } else {
            wire.flow();
        }
    }

    /// The client closes its half.
    pub(crate) fn finish(&self) {
        let mut wire = self.0.borrow_mut();
        wire.finished = true;
        wake(&mut wire.reader);
    }

    pub(crate) fn cut(&self) {
        let mut wire = self.0.borrow_mut();
        wire.broken = true;
        wake(&mut wire.reader);
        wake(&mut wire.flusher);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl Wire {
    fn flow(&mut self) {
        let count = self.backlog.len().min(self.window);
        self.window -= if self.window == usize::MAX { 0 } else { count };
        self.sent.extend(self.backlog.drain(..count));
        if self.backlog.is_empty() {
            wake(&mut self.flusher);
        }
    }
}

impl Stream for Memory {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<usize, Error>> {
        let mut wire = self.0.borrow_mut();
        let count = wire.to_server.len().min(most).min(wire.chunk);
        if wire.broken {
            return Poll::Ready(Err(Error::Broken));
        }
        if count == 0 {
            if wire.finished {
                return Poll::Ready(Ok(0));
            }
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        into.extend(wire.to_server.drain(..count));
        Poll::Ready(Ok(count))
    }

    fn write(&mut self, bytes: &mut Vec<u8>) {
        let mut wire = self.0.borrow_mut();
        assert!(!wire.closed, "it wrote to a half that it had closed");
        wire.writes += 1;
        wire.backlog.append(bytes);
        if !wire.lazy {
            wire.flow();
        }
    }

    fn backlog(&self) -> usize {
        self.0.borrow().backlog.len()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut wire = self.0.borrow_mut();
        wire.flow();
        match (wire.broken, wire.backlog.is_empty()) {
            (true, _) => Poll::Ready(Err(Error::Broken)),
            (false, true) => Poll::Ready(Ok(())),
            (false, false) => {
                wire.flusher = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn close(&mut self) {
        self.0.borrow_mut().closed = true;
    }
}

/// A request of the server's to the replicas.
pub(crate) struct Asked {
    connection: seedfast_core::ConnectionId,
    sequence: u64,
    pub(crate) verb: Verb,
    payload: Vec<u8>,
}

/// What the replicas do with requests.
pub(crate) type Fate = (Status, Option<NodeId>);

/// The server's side of one connection, run by hand.
pub(crate) struct Bench {
    pub(crate) service: Service,
    pub(crate) clients: Clients,
    pub(crate) store: Rc<RefCell<Store>>,
    pub(crate) wire: Memory,
    pub(crate) fate: Fate,
    task: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Woken>,
    pub(crate) over: bool,
    /// Whether the process has heard that the connection is gone.
    pub(crate) gone: bool,
    pub(crate) asked: VecDeque<Asked>,
    pub(crate) seen: Rc<Cell<u64>>,
}

pub(crate) const ME: NodeId = NodeId(1);

pub(crate) fn service(limits: Limits) -> Service {
    let member = |node: u8| Member {
        node: NodeId(node),
        host: format!("10.0.0.{node}"),
        port: 7000 + u16::from(node),
        peer_port: 7100 + u16::from(node),
    };
    let settings = Settings {
        cluster: ClusterId(0xc1),
        node: ME,
        group: GroupId(0),
        members: [1, 2, 3].map(member).to_vec(),
        version: "0.1.0",
        limits,
    };
    let now = || Now { monotonic: Instant::from_nanos(5_000_000_000), wall: WallTime(0) };
    let service = Service::new(settings, now);
    service.set_leader(Some(ME));
    service
}

impl Bench {
    pub(crate) fn new(limits: Limits, under_way: usize) -> Self {
        Self::with(service(limits), Rc::default(), under_way)
    }

    /// A connection to a service and a store that others may use too.
    pub(crate) fn with(service: Service, store: Rc<RefCell<Store>>, under_way: usize) -> Self {
        let (clients, wire) = (Clients::new(under_way), Memory::new());
        let task = Box::pin(server::serve(service.clone(), wire.clone(), clients.connect()));
        Bench {
            service,
            clients,
            store,
            wire,
            fate: (Status::Done, Some(ME)),
            task,
            woken: Arc::new(Woken(AtomicBool::new(true))),
            over: false,
            gone: false,
            asked: VecDeque::new(),
            seen: Rc::default(),
        }
    }

    /// The task runs until it waits, and the requests it made are collected.
    pub(crate) fn turn(&mut self) {
        let waker = Waker::from(self.woken.clone());
        let mut cx = Context::from_waker(&waker);
        let mut polls = 0;
        while !self.over && self.woken.0.swap(false, Ordering::Relaxed) {
            self.over = self.task.as_mut().poll(&mut cx).is_ready();
            polls += 1;
            assert!(polls < 100_000, "the task never waits");
        }
        let mut inputs = Vec::new();
        let mut driver = Context::from_waker(Waker::noop());
        let _ = self.clients.poll_requests(&mut driver, &mut inputs, usize::MAX);
        for input in inputs {
            self.gone |= matches!(input, Input::Closed { .. });
            if let Input::Request { connection, sequence, bytes, .. } = input {
                let request = Request::decode(&bytes).expect("the server frames its requests");
                let (verb, payload) = (request.verb, request.payload.to_vec());
                self.seen.set(self.seen.get() + 1);
                self.asked.push_back(Asked { connection, sequence, verb, payload });
            }
        }
    }

    /// Carries one request out and makes its answer.
    pub(crate) fn carry_out(&self, asked: &Asked) -> Vec<u8> {
        let mut payload = Vec::new();
        if self.fate.0 == Status::Done {
            let mut store = self.store.borrow_mut();
            match asked.verb {
                Verb::Query | Verb::QueryInLog => store.query(&asked.payload, &mut payload),
                _ => store.apply(WallTime(0), &asked.payload, &mut payload),
            }
        }
        payload
    }

    pub(crate) fn answer(&self, asked: &Asked, payload: &[u8]) {
        let (status, leader) = self.fate;
        let session = seedfast_core::SessionId::NONE;
        let mut frame = Vec::new();
        Response { status, leader, session, sequence: asked.sequence, payload }.encode(&mut frame);
        self.clients.respond(asked.connection, Buffer::from(frame));
    }

    /// Runs until nothing moves, each request answered at once and in order.
    pub(crate) fn settle(&mut self) {
        self.turn();
        while !self.asked.is_empty() {
            while let Some(asked) = self.asked.pop_front() {
                let payload = self.carry_out(&asked);
                self.answer(&asked, &payload);
            }
            self.turn();
        }
    }

    /// What has come back since the last call, as Rust would write it.
    pub(crate) fn heard(&self) -> String {
        std::mem::take(&mut self.wire.0.borrow_mut().sent).escape_ascii().to_string()
    }

    /// Sends words as an array and returns what comes back.
    pub(crate) fn ask(&mut self, words: &str) -> String {
        self.wire.push(&array(words.split(' ')));
        self.settle();
        self.heard()
    }
}

/// Words as clients send them.
pub(crate) fn array<'a>(words: impl Iterator<Item = &'a str> + Clone) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.clone().count()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}
