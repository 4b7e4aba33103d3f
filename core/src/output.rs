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
    /// Read what is visible in `range` when the read is carried out. Offset and length are multiples of the device's
    /// alignment, and the range lies within its capacity.
    Read {
        /// The name under which it completes.
        op: OperationId,
        /// From which device.
        device: DeviceId,
        /// Which bytes, aligned.
        range: Range,
    },
    /// Answer a client.
    Respond {
        /// The connection that asked.
        connection: ConnectionId,
        /// The answer.
        bytes: Buffer,
    },
    /// Tell the oracles something. Opaque to the world; not made at all in production. It stands directly before the
    /// effect that it announces.
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
        /// Whether the completion must say durable; a peer that cannot flush answers volatile.
        durability: Durability,
    },
    /// Let `to`, and nobody else, write into a range of a device under the name `region`. What landed is read with
    /// [`Output::Read`]. Every grant ends with the life that gave it.
    Grant {
        /// The name under which it completes.
        op: OperationId,
        /// Who may write from now on.
        to: NodeId,
        /// What the peer calls it.
        region: u32,
        /// On which device.
        device: DeviceId,
        /// Which bytes.
        range: Range,
    },
    /// Take a grant back. When it completes, no write of the peer can land any more.
    Revoke {
        /// The name under which it completes.
        op: OperationId,
        /// Which region.
        region: u32,
    },
    /// Tell the transport where a peer is, or to forget it: a decided configuration brings new nodes in and cuts
    /// removed ones off.
    Peer {
        /// Who.
        node: NodeId,
        /// Where, as the transport understands it; `None` to forget.
        address: Option<Buffer>,
    },
    /// Stop: the last output of a life. The runtime ends the process and shows `why`; nothing is handed to it any
    /// more. After a failed barrier this is the only thing left to do.
    Halt {
        /// Why, in one UTF-8 sentence.
        why: Buffer,
    },
}
