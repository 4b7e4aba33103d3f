//! What a process can be told.

use crate::buffer::Buffer;
use crate::id::{
    ClusterId, ConnectionId, GroupId, Incarnation, Kind, NodeId, OperationId, SessionId, TimerId,
};
use crate::storage::{Completion, Geometry, Range};
use alloc::vec::Vec;

/// One input; a process takes one in each turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The first input of every life.
    Start(Start),
    /// A frame from a peer. It may be late, doubled, reordered, damaged or meant for somebody else.
    Receive {
        /// The sender, as the transport knows it.
        from: NodeId,
        /// The kind that the sender gave.
        kind: Kind,
        /// The group that the sender gave.
        group: GroupId,
        /// The bytes.
        frame: Buffer,
    },
    /// A timer that the process had set is due.
    Timer {
        /// Which one.
        id: TimerId,
    },
    /// No more input is at hand: what was gathered in this burst (a batch, a group commit) closes now.
    EndOfBurst,
    /// A storage operation, or a one-sided write, ended.
    Completed {
        /// Which one; one of a former incarnation must be ignored.
        op: OperationId,
        /// How.
        result: Completion,
    },
    /// A client's request.
    Request {
        /// Where to respond.
        connection: ConnectionId,
        /// The client's session, or [`SessionId::NONE`].
        session: SessionId,
        /// Its number within the session, from 1.
        sequence: u64,
        /// The request as the client encoded it.
        bytes: Buffer,
    },
    /// A peer to whom sends were being dropped for want of room can be sent to again.
    Writable {
        /// Which one.
        peer: NodeId,
    },
    /// A client's connection is gone; responses to it go nowhere.
    Closed {
        /// Which one.
        connection: ConnectionId,
    },
    /// An operator's command.
    Control(Command),
    /// A peer wrote into a region of memory that was granted to it (one-sided RDMA). Nothing says in which order its
    /// bytes arrived.
    Landed {
        /// Who wrote.
        from: NodeId,
        /// Into which granted region.
        region: u32,
        /// Where.
        range: Range,
    },
}

/// What a process is handed when a life of it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which life this is; greater than every earlier one of this node.
    pub incarnation: Incarnation,
    /// All the randomness it will ever get.
    pub entropy: [u8; 32],
    /// Who it is.
    pub cluster: ClusterId,
    /// Its name among its peers.
    pub node: NodeId,
    /// Its devices, [`DeviceId`](crate::DeviceId) 0 first.
    pub devices: Vec<Geometry>,
    /// How many storage operations it may have in flight.
    pub queue_depth: u32,
}

/// What an operator can ask of a process. An answer goes to `connection`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Where to answer.
    pub connection: ConnectionId,
    /// The verb and its arguments, as the process defines them.
    pub bytes: Buffer,
}

impl Input {
    /// The reason to wake in one word, as the trace prints it.
    pub const fn name(&self) -> &'static str {
        match self {
            Input::Start(_) => "start",
            Input::Receive { .. } => "receive",
            Input::Timer { .. } => "timer",
            Input::EndOfBurst => "end-of-burst",
            Input::Completed { .. } => "completed",
            Input::Request { .. } => "request",
            Input::Writable { .. } => "writable",
            Input::Closed { .. } => "closed",
            Input::Control(_) => "control",
            Input::Landed { .. } => "landed",
        }
    }
}
