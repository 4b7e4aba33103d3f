//! What the connections of one node share: where everybody is, who leads, counters, and what the binary adds.

use super::info;
use crate::resp::{self, Version};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Waker};
use seedfast_core::buffer::{BufferMut, Pool};
use seedfast_core::client::{Response, Status};
use seedfast_core::runtime::remember;
use seedfast_core::{Buffer, ClusterId, GroupId, Instant, NodeId, Now};

/// A replica, as clients find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which one.
    pub node: NodeId,
    /// A name or an address that clients can reach.
    pub host: String,
    /// Where it speaks RESP.
    pub port: u16,
    /// Where it speaks to the other replicas.
    pub peer_port: u16,
}

/// Bounds of one connection, in bytes unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of one request.
    pub requests: resp::Limits,
    /// How many replies may wait for their turn; beyond it nothing more is read.
    pub waiting: usize,
    /// How much may wait to be sent before nothing more is read.
    pub output: usize,
    /// How much may wait to be sent, answers that wait for their turn included, before the connection is closed.
    pub held: usize,
    /// How much is read at once.
    pub read: usize,
}

impl Limits {
    /// 4,096 replies, 1 MiB to send before it stops reading, 64 MiB before it closes, reads of 64 KiB.
    pub const DEFAULT: Limits = Limits {
        requests: resp::Limits::DEFAULT,
        waiting: 4096,
        output: 1 << 20,
        held: 64 << 20,
        read: 64 << 10,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a [`Service`] is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster; with the node it makes the name by which `CLUSTER` commands know a node.
    pub cluster: ClusterId,
    /// This node.
    pub node: NodeId,
    /// The group that serves every key.
    pub group: GroupId,
    /// Everybody, this node included.
    pub members: Vec<Member>,
    /// The version of the binary.
    pub version: &'static str,
    /// Of each connection.
    pub limits: Limits,
}

macro_rules! counters {
    ($($name:ident $word:literal $help:literal)*) => {
        /// What is counted, from the start of the node.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Counter {
            $(#[doc = $help] $name,)*
        }

        /// Every counter, its word in `INFO` and in metrics, and what it counts.
        pub(super) const COUNTERS: &[(Counter, &str, &str)] = &[$((Counter::$name, $word, $help),)*];
    };
}

counters! {
    Connections "connections_received" "Connections that clients have opened."
    Commands "commands_processed" "Commands that were answered, with whatever answer."
    Reads "reads" "Questions handed to the replicas outside the log."
    ReadsInLog "reads_in_log" "Questions handed to the replicas in the log, because a write stood beside them."
    Writes "writes" "Commands handed to the replicas that can change something."
    Redirected "redirected" "Commands answered with MOVED or CLUSTERDOWN."
    Busy "busy" "Commands refused for want of room."
    Unknown "unknown_outcomes" "Commands whose outcome this node could not tell."
    ProtocolErrors "protocol_errors" "Connections closed because what they sent was no request."
    Overflowed "output_limit_closed" "Connections closed because they did not read their replies."
    BytesIn "net_input_bytes" "Bytes read from clients."
    BytesOut "net_output_bytes" "Bytes written to clients."
}

/// What an operator's command comes to: a text, or an error without its first word.
pub type Operated = Pin<Box<dyn Future<Output = Result<String, String>>>>;

struct Operation {
    name: &'static str,
    summary: &'static str,
    run: Rc<dyn Fn(Vec<Vec<u8>>) -> Operated>,
}

type Condition = Box<dyn Fn() -> Result<(), String>>;
type Teller = Box<dyn Fn(&mut String)>;

/// One connection, as `CLIENT` tells of it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) since: Instant,
    pub(super) version: Cell<Version>,
    pub(super) name: RefCell<String>,
    pub(super) library: RefCell<[String; 2]>,
    pub(super) last: Cell<&'static str>,
    task: RefCell<Option<Waker>>,
}

impl Client {
    /// Remembers whom to wake when the node stops serving.
    #[inline]
    pub(super) fn remember(&self, cx: &Context<'_>) {
        remember(&mut self.task.borrow_mut(), cx);
    }
}

/// What the tasks of one node share. A clone is another handle of the same one.
#[derive(Clone)]
pub struct Service(Rc<Shared>);

struct Shared {
    settings: Settings,
    clock: Box<dyn Fn() -> Now>,
    started: Now,
    leader: Cell<Option<NodeId>>,
    stopping: Cell<bool>,
    counters: [Cell<u64>; COUNTERS.len()],
    pool: RefCell<Pool>,
    clients: RefCell<BTreeMap<u64, Rc<Client>>>,
    sections: RefCell<Vec<(&'static str, Teller)>>,
    metrics: RefCell<Vec<Teller>>,
    statuses: RefCell<Vec<Teller>>,
    operations: RefCell<Vec<Operation>>,
    ready: RefCell<Option<Condition>>,
}

/// How many spare buffers a node keeps for requests and replies.
const SPARE: usize = 4096;

impl Service {
    /// A service of the node that `settings` name, whose clocks `clock` reads.
    pub fn new(settings: Settings, clock: impl Fn() -> Now + 'static) -> Self {
        let started = clock();
        Service(Rc::new(Shared {
            settings,
            clock: Box::new(clock),
            started,
            leader: Cell::new(None),
            stopping: Cell::new(false),
            counters: Default::default(),
            pool: RefCell::new(Pool::new(SPARE)),
            clients: RefCell::default(),
            sections: RefCell::default(),
            metrics: RefCell::default(),
            statuses: RefCell::default(),
            operations: RefCell::default(),
            ready: RefCell::default(),
        }))
    }

    /// What it was made of.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Adds a section to `INFO`: `tell` appends its lines, each ended by CRLF, without the headline.
    pub fn add_section(&self, name: &'static str, tell: impl Fn(&mut String) + 'static) {
        self.0.sections.borrow_mut().push((name, Box::new(tell)));
    }

    /// Adds metrics: `tell` appends lines of Prometheus's text format.
    pub fn add_metrics(&self, tell: impl Fn(&mut String) + 'static) {
        self.0.metrics.borrow_mut().push(Box::new(tell));
    }

    /// Adds to what `SEEDFAST STATUS` tells: `tell` appends `word: value` lines.
    pub fn add_status(&self, tell: impl Fn(&mut String) + 'static) {
        self.0.statuses.borrow_mut().push(Box::new(tell));
    }

    /// Adds an operator's command, `SEEDFAST name`, whose further words `run` is given.
    pub fn add_operation(
        &self,
        name: &'static str,
        summary: &'static str,
        run: impl Fn(Vec<Vec<u8>>) -> Operated + 'static,
    ) {
        self.0.operations.borrow_mut().push(Operation { name, summary, run: Rc::new(run) });
    }

    /// Adds a condition for being ready, beside knowing who leads.
    pub fn set_ready(&self, ready: impl Fn() -> Result<(), String> + 'static) {
        *self.0.ready.borrow_mut() = Some(Box::new(ready));
    }

    /// Stops serving: no connection takes another request; each closes once it has sent the replies that it owes, and
    /// [`connected`](Self::connected) tells when the last one has. From now on the node is not ready.
    pub fn stop(&self) {
        self.0.stopping.set(true);
        for client in self.0.clients.borrow().values() {
            if let Some(task) = client.task.take() {
                task.wake();
            }
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.0.stopping.get()
    }

    /// Whether clients should be sent here, or why not in one sentence.
    ///
    /// # Errors
    /// The sentence.
    pub fn ready(&self) -> Result<(), String> {
        if self.is_stopping() {
            return Err(String::from("this node is stopping"));
        }
        if self.0.leader.get().is_none() {
            return Err(String::from("no leader is known to this node"));
        }
        self.0.ready.borrow().as_ref().map_or(Ok(()), |ready| ready())
    }

    /// Who leads, as far as this node knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.0.leader.get()
    }

    /// Sets who leads; [`watch`](super::watch::watch) and every answer of the replicas do that too.
    pub fn set_leader(&self, leader: Option<NodeId>) {
        self.0.leader.set(leader);
    }

    /// Learns from an answer who leads.
    pub(super) fn heard(&self, response: &Response<'_>) {
        match (response.status, response.leader) {
            (Status::NotLeader, leader) => self.0.leader.set(leader),
            (_, Some(leader)) => self.0.leader.set(Some(leader)),
            (_, None) => {}
        }
    }

    pub(super) fn member(&self, node: NodeId) -> Option<&Member> {
        self.0.settings.members.iter().find(|member| member.node == node)
    }

    /// Whether this node leads, as far as it knows.
    pub fn leads(&self) -> bool {
        self.0.leader.get() == Some(self.0.settings.node)
    }

    /// A counter's value.
    pub fn count(&self, counter: Counter) -> u64 {
        self.0.counters[counter as usize].get()
    }

    #[inline]
    pub(super) fn add(&self, counter: Counter, more: usize) {
        let cell = &self.0.counters[counter as usize];
        cell.set(cell.get().wrapping_add(more as u64));
    }

    /// How long it has run, in whole seconds of the monotonic clock.
    pub(super) fn uptime(&self) -> u64 {
        self.seconds_since(self.0.started.monotonic)
    }

    pub(super) fn now(&self) -> Now {
        (self.0.clock)()
    }

    pub(super) fn seconds_since(&self, instant: Instant) -> u64 {
        self.now().monotonic.since(instant).as_nanos() / 1_000_000_000
    }

    /// A spare buffer.
    pub(super) fn buffer(&self) -> BufferMut {
        self.0.pool.borrow_mut().take()
    }

    pub(super) fn recycle(&self, buffer: Buffer) {
        self.0.pool.borrow_mut().recycle(buffer);
    }

    pub(super) fn connect(&self) -> Rc<Client> {
        self.add(Counter::Connections, 1);
        let client = Rc::new(Client {
            id: self.count(Counter::Connections),
            since: self.now().monotonic,
            version: Cell::default(),
            name: RefCell::default(),
            library: RefCell::default(),
            last: Cell::new("NULL"),
            task: RefCell::default(),
        });
        self.0.clients.borrow_mut().insert(client.id, client.clone());
        client
    }

    pub(super) fn disconnect(&self, client: &Client) {
        self.0.clients.borrow_mut().remove(&client.id);
    }

    /// How many clients are connected.
    pub fn connected(&self) -> usize {
        self.0.clients.borrow().len()
    }

    pub(super) fn each_client(&self, mut tell: impl FnMut(&Client)) {
        self.0.clients.borrow().values().for_each(|client| tell(client));
    }

    pub(super) fn each_section(&self, mut tell: impl FnMut(&'static str, &dyn Fn(&mut String))) {
        self.0.sections.borrow().iter().for_each(|(name, section)| tell(name, section));
    }

    pub(super) fn each_metric(&self, text: &mut String) {
        self.0.metrics.borrow().iter().for_each(|tell| tell(text));
    }

    pub(super) fn each_status(&self, text: &mut String) {
        self.0.statuses.borrow().iter().for_each(|tell| tell(text));
    }

    /// Starts the operator's command of that name; `STATUS` is there from the beginning.
    pub(super) fn operate(&self, name: &[u8], words: Vec<Vec<u8>>) -> Option<Operated> {
        let operations = self.0.operations.borrow();
        let is = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
        if let Some(operation) = operations.iter().find(|operation| is(operation.name)) {
            let run = operation.run.clone();
            drop(operations);
            return Some(run(words));
        }
        is("STATUS").then(|| {
            let text = info::status(self);
            Box::pin(async move { Ok(text) }) as Operated
        })
    }

    /// The operator's commands and a sentence on each.
    pub(super) fn operations(&self) -> Vec<(&'static str, &'static str)> {
        let mut all: Vec<_> =
            self.0.operations.borrow().iter().map(|operation| (operation.name, operation.summary)).collect();
        if all.iter().all(|(name, _)| !name.eq_ignore_ascii_case("STATUS")) {
            all.insert(0, ("STATUS", "Tells who this node is, who leads, and what it has done."));
        }
        all
    }
}
