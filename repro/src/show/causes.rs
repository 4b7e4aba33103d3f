//! Which record was needed for which: the edges of the happens-before relation, and more than Lamport's where storage
//! carries something from one life to the next.

use super::messages::Message;
use seedfast_core::OperationId;
use seedfast_sim::trace::{Event, Reason, What, Who};
use std::collections::HashMap;

/// Why a record had to come before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// The same process, in the same life, took one step after the other.
    Order = 0,
    /// A message was sent before it arrived.
    Message = 1,
    /// An operation was submitted before the device did it, and completed after that.
    Storage = 2,
    /// A life began after the one before it ended, from what the devices kept.
    Life = 3,
    /// A fault struck.
    Fault = 4,
    /// A client heard of a connection that broke.
    Connection = 5,
    /// A judge looked at it.
    Judge = 6,
}

/// One edge: the record `from` was needed for the record `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) to: u32,
    pub(crate) from: u32,
    pub(crate) why: Why,
}

/// Finds edges as records go by.
#[derive(Default)]
pub(crate) struct Causes {
    edges: Vec<Edge>,
    /// The last record of each process or client, by lane.
    last: HashMap<u8, u32>,
    /// The crash and the images that the next life of a node begins with.
    ended: HashMap<u8, Vec<u32>>,
    /// What an operation's completion rests on: its submission, then what the device did.
    operations: HashMap<(u8, OperationId), Operation>,
    /// The last record that changed what a device holds.
    contents: HashMap<(u8, u8), u32>,
    /// The last fault that struck a node.
    struck: HashMap<u8, u32>,
    /// The node that a connection leads to.
    connections: HashMap<u64, u8>,
    /// The last crash of a node.
    crashes: HashMap<u8, u32>,
}

struct Operation {
    submitted: u32,
    device: u8,
    is_read: bool,
    last: u32,
}

impl Causes {
    /// Takes notice of a record; `lane` is its own, `message` the one that it names, `broke` the record after which the
    /// run was judged broken, if this is the verdict over that.
    pub(crate) fn hear(
        &mut self,
        record: u32,
        lane: u8,
        event: &Event<'_>,
        message: Option<&Message>,
        broke: Option<u32>,
    ) {
        let mut edge = |from: u32, why| {
            if from < record {
                self.edges.push(Edge { to: record, from, why });
            }
        };
        // What a device does is no step of the process: it is seen when it completes, or by the next life.
        match &event.what {
            What::Landed { device, op, .. }
            | What::Durable { device, op, .. }
            | What::Vanished { device, op, .. } => {
                if let Some(operation) = self.operations.get_mut(&(lane, *op)) {
                    edge(operation.submitted, Why::Storage);
                    if matches!(event.what, What::Durable { .. }) && operation.last != operation.submitted {
                        edge(operation.last, Why::Storage);
                    }
                    operation.last = record;
                }
                if let What::Vanished { .. } = event.what {
                    // The next life begins without it.
                    self.ended.entry(lane).or_default().push(record);
                } else {
                    self.contents.insert((lane, *device), record);
                }
                return;
            }
            What::Image { device, writes } => {
                if let Some(crash) = self.crashes.get(&lane) {
                    edge(*crash, Why::Life);
                }
                let mut operations: Vec<_> = writes.iter().map(|write| write.op).collect();
                operations.dedup();
                for op in operations {
                    if let Some(operation) = self.operations.get(&(lane, op)) {
                        edge(operation.last, Why::Storage);
                    }
                }
                self.contents.insert((lane, *device), record);
                self.ended.entry(lane).or_default().push(record);
                return;
            }
            What::Stopped { .. } => {
                if let Some(message) = message {
                    edge(message.sent, Why::Message);
                }
                return;
            }
            What::Fault { target, .. } => {
                if let Some(node) = target {
                    self.struck.insert(*node, record);
                }
                return;
            }
            What::Verdict { .. } => {
                if let Some(broke) = broke {
                    edge(broke, Why::Judge);
                }
                return;
            }
            _ if event.who == Who::World => return,
            _ => {}
        }
        let begins = matches!(event.what, What::Turn { reason: Reason::Start { .. }, .. });
        if begins {
            self.ended.remove(&lane).unwrap_or_default().into_iter().for_each(|end| edge(end, Why::Life));
        } else if let Some(last) = self.last.get(&lane) {
            edge(*last, Why::Order);
        }
        self.last.insert(lane, record);
        if let (Some(message), true) = (message, is_arrival(&event.what)) {
            edge(message.sent, Why::Message);
        }
        match &event.what {
            What::Submit { op, device, .. } | What::Read { op, device, .. } => {
                let is_read = matches!(event.what, What::Read { .. });
                let operation = Operation { submitted: record, device: *device, is_read, last: record };
                self.operations.insert((lane, *op), operation);
            }
            What::Turn { reason: Reason::Completed { op, .. }, .. } => {
                if let Some(operation) = self.operations.get(&(lane, *op)) {
                    edge(operation.last, Why::Storage);
                    let seen = self.contents.get(&(lane, operation.device)).filter(|_| operation.is_read);
                    if let Some(contents) = seen.filter(|contents| **contents != operation.last) {
                        edge(*contents, Why::Storage);
                    }
                }
            }
            What::Down { .. } => {
                if let Some(fault) = self.struck.get(&lane) {
                    edge(*fault, Why::Fault);
                }
                self.crashes.insert(lane, record);
                self.ended.entry(lane).or_default().push(record);
            }
            What::ClientRequest { connection, sent, .. } => {
                self.connections.insert(*connection, sent.to);
            }
            What::ClientClosed { connection } => {
                let crash = self.connections.get(connection).and_then(|node| self.crashes.get(node));
                if let Some(crash) = crash {
                    edge(*crash, Why::Connection);
                }
            }
            _ => {}
        }
    }

    /// All edges, ordered by the record that they lead to.
    pub(crate) fn into_edges(self) -> Vec<Edge> {
        self.edges
    }
}

/// Whether a message arrives in this record.
pub(crate) fn is_arrival(what: &What<'_>) -> bool {
    matches!(
        what,
        What::Turn { reason: Reason::Receive { .. } | Reason::Request { .. } | Reason::Closed { .. }, .. }
            | What::ClientResponse { .. }
    )
}
