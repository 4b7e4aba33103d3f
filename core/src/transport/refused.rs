//! Why a connection between replicas is refused or ended.

use crate::id::{ClusterId, NodeId};
use core::fmt;

/// What was wrong with what came. The connection ends; whoever sent it connects again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It does not begin as a connection between replicas does: something else speaks there.
    NotAPeer,
    /// The hello, a frame's header or a frame fails its checksum: bytes were damaged on their way, or are not from
    /// the sender that the hello named.
    Damaged,
    /// The other end speaks no version that this one knows.
    Version {
        /// Its oldest and its newest version.
        theirs: (u16, u16),
        /// Ours.
        ours: (u16, u16),
    },
    /// The other end belongs to another cluster.
    Cluster(ClusterId),
    /// The other end is looking for another node, or is another one than was expected at that address.
    Node {
        /// Whom this end stands for, or expected.
        expected: NodeId,
        /// Whom the other end named.
        found: NodeId,
    },
    /// The other end is no member as far as this one knows.
    Stranger(NodeId),
    /// A frame is longer than this end takes.
    Oversize {
        /// Its length in bytes.
        length: u32,
        /// The longest that is taken, in bytes.
        limit: u32,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NotAPeer => {
                write!(f, "what came is not the hello of a replica; check that the address is a replica's")
            }
            Refused::Damaged => write!(f, "what came fails its checksum"),
            Refused::Version { theirs, ours } => write!(
                f,
                "the peer speaks versions {} to {} of the transport and this node {} to {}; upgrade the older one",
                theirs.0, theirs.1, ours.0, ours.1
            ),
            Refused::Cluster(cluster) => {
                write!(f, "the peer belongs to cluster {:032x}; check the addresses of both", cluster.0)
            }
            Refused::Node { expected, found } => {
                write!(f, "{found} was named where {expected} was expected; check the list of members")
            }
            Refused::Stranger(node) => write!(f, "{node} is no member of this cluster"),
            Refused::Oversize { length, limit } => {
                write!(f, "a frame of {length} bytes is longer than the {limit} that this node takes")
            }
        }
    }
}

impl core::error::Error for Refused {}
