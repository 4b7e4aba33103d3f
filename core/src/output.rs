//! What a process can ask for.

use crate::buffer::Buffer;
use crate::id::{
    ConnectionId, DeviceId, GroupId, Kind, NodeId, ObservationKind, OperationId, PeerSet, TimerId,
};
use crate::storage::{Chain, Durability, Range};
use crate::time::Instant;

/// One effect. Outputs of a turn are submitted in order; a crash can fall after any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send one frame to every member of `to`. It may be lost; nobody says so.
    Send {
        /// The receivers; the sender itself is ignored.
        to: PeerSet,
        /// What kind of message it is.
        kind: Kind,
        /// Which group it belongs to.
        group: GroupId,
        /// The bytes, encoded once for all receivers.
        frame: Buffer,
    },
    /// Set a timer, replacing the one of that name, or cancel it with `None`.
    Timer {
        /// Its name.
        id: TimerId,
        /// When it is due on this node's monotonic clock; one in the past is due at once.
        at: Option<Instant>,
    },
    /// Submit a chain of storage steps. [`Completed`](crate::Input::Completed) follows.
    Submit {
        /// The name under which it completes.
        op: OperationId,
        /// On which device.
        device: DeviceId,
        /// What to do, in order.
        chain: Chain,
        /// Whether it ends with an implicit barrier.
        durability: Durability,
    },
    /// Read what is visible in `range` when the read is carried out.
    Read {
        /// The name under which it completes.
        op: OperationId,
        /// From which device.
        device: DeviceId,
        /// Which bytes.
        range: Range,
    },
    /// Answer a client.
    Respond {
        /// The connection that asked.
        connection: ConnectionId,
        /// The answer.
        bytes: Buffer,
    },
    /// Tell the oracles something. Opaque to the world; not made at all in production.
    Observe {
        /// What it is.
        kind: ObservationKind,
        /// Its encoding.
        bytes: Buffer,
    },
    /// Write into memory that a peer granted (one-sided RDMA). [`Completed`](crate::Input::Completed) follows:
    /// volatile, done (durable), failed or unknown; a failure may mean applied, not applied or partly.
    RemoteWrite {
        /// The name under which it completes.
        op: OperationId,
        /// Whose memory.
        to: NodeId,
        /// Which granted region.
        region: u32,
        /// Offset within the region, in bytes.
        at: u64,
        /// What to write.
        buffer: Buffer,
    },
    /// Let `to` write into `region` of this node's memory, and nobody else.
    Grant {
        /// The name under which it completes.
        op: OperationId,
        /// Who may write from now on.
        to: NodeId,
        /// Into which region.
        region: u32,
    },
    /// Take a grant back. When it completes, no write of the peer can land any more.
    Revoke {
        /// The name under which it completes.
        op: OperationId,
        /// Which region.
        region: u32,
    },
}
