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
    /// A timer that the process had set is due. It arrives only if it is still set and its time has come when it is
    /// handed over; firing unsets it.
    Timer {
        /// Which one.
        id: TimerId,
    },
    /// No more input is at hand: what was gathered in this burst (a batch, a group commit) closes now. Every input,
    /// `Start` too, is followed by one before the process is left idle; bursts are bounded in count and time.
    EndOfBurst,
    /// A storage operation, or a one-sided write, ended. "Completed before" always means: handed to an earlier turn.
    Completed {
        /// Which one; one of a former incarnation must be ignored.
        op: OperationId,
        /// How.
        result: Completion,
    },
    /// A client's request.
    Request {
        /// The group that it is for.
        group: GroupId,
        /// Where to respond.
        connection: ConnectionId,
        /// The client's session, or [`SessionId::NONE`].
        session: SessionId,
        /// Its number within the session, from 1.
        sequence: u64,
        /// The request as the client encoded it.
        bytes: Buffer,
    },
    /// Sends to this peer were dropped for want of room, and now there is room again: a hint to retransmit.
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
    /// Which life this is; greater than every earlier one of this node as far as its runtime knows. It may repeat if
    /// the runtime's own record is lost, so no safety may rest on it.
    pub incarnation: Incarnation,
    /// All the randomness it will ever get.
    pub entropy: [u8; 32],
    /// Who it is.
    pub cluster: ClusterId,
    /// Its name among its peers.
    pub node: NodeId,
    /// Its devices, [`DeviceId`](crate::DeviceId) 0 first.
    pub devices: Vec<Geometry>,
    /// How many submissions and reads it may have in flight over all devices; a chain counts once.
    pub queue_depth: u32,
    /// No frame sent to a peer may be longer than this, in bytes.
    pub frame_limit: u32,
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
