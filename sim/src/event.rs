//! What waits in the queue: everything that will happen, and what it carries.

use crate::storage::Milestone;
use seedfast_core::{Buffer, OperationId};

/// A message between nodes, on its way.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: u64,
    pub(crate) frame: Buffer,
    pub(crate) group: u32,
    pub(crate) from: u8,
    pub(crate) to: u8,
    pub(crate) kind: u8,
    /// [`CHANGED`](Message::CHANGED) and [`COPY`](Message::COPY).
    pub(crate) flags: u8,
}

impl Message {
    /// The bytes are not those that were sent.
    pub(crate) const CHANGED: u8 = 1;
    /// It is a second copy.
    pub(crate) const COPY: u8 = 2;
}

/// What rides on a client's connection.
#[derive(Debug)]
pub(crate) enum Cargo {
    Request {
        session: u64,
        sequence: u64,
        bytes: Buffer,
    },
    Response {
        bytes: Buffer,
    },
    /// The client closed it.
    Close,
    /// The node's side is gone.
    Broken,
}

/// Something that will happen.
#[derive(Debug, Default)]
pub(crate) enum Event {
    #[default]
    Nothing,
    Deliver(Message),
    Stream {
        id: u64,
        connection: u64,
        cargo: Cargo,
    },
    Timer {
        endpoint: u8,
        slot: u16,
        life: u32,
    },
    BurstEnd {
        node: u8,
        burst: u32,
    },
    SlowTurnEnd {
        node: u8,
        life: u32,
    },
    Storage {
        submission: u32,
        generation: u32,
        milestone: Milestone,
    },
    Refuse {
        node: u8,
        life: u32,
        op: OperationId,
    },
    Restart {
        node: u8,
        life: u32,
    },
    Fault(u32),
    FaultEnd(u32),
}
