//! One type for every number that has a meaning.

use core::fmt;

/// A replica, as its peers name it: 0 to 63.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u8);

/// How many nodes can be told apart: a [`PeerSet`] has one bit for each.
pub const MAX_NODES: usize = 64;

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// A set of nodes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerSet(pub u64);

impl PeerSet {
    /// No node.
    pub const EMPTY: PeerSet = PeerSet(0);

    /// The set of this one node.
    pub const fn one(node: NodeId) -> Self {
        PeerSet::EMPTY.with(node)
    }

    /// Nodes 0 to `count - 1`; `count` is at most 64.
    pub const fn first(count: usize) -> Self {
        if count >= MAX_NODES { PeerSet(u64::MAX) } else { PeerSet((1 << count) - 1) }
    }

    /// `self` and `node`; a number of 64 or more names no node and adds nothing.
    pub const fn with(self, node: NodeId) -> Self {
        if node.0 < 64 { PeerSet(self.0 | 1 << node.0) } else { self }
    }

    /// `self` without `node`.
    pub const fn without(self, node: NodeId) -> Self {
        if node.0 < 64 { PeerSet(self.0 & !(1 << node.0)) } else { self }
    }

    /// The nodes in both sets.
    pub const fn and(self, other: PeerSet) -> Self {
        PeerSet(self.0 & other.0)
    }

    /// Whether `node` is a member.
    pub const fn contains(self, node: NodeId) -> bool {
        node.0 < 64 && self.0 & 1 << node.0 != 0
    }

    /// How many members there are.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is no member.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// More than half of `self`'s members: the size of a majority quorum.
    pub const fn majority(self) -> usize {
        self.len() / 2 + 1
    }

    /// The members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = NodeId> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let lowest = rest.trailing_zeros();
            rest &= rest - 1;
            Some(NodeId(lowest as u8))
        })
    }
}

impl FromIterator<NodeId> for PeerSet {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        nodes.into_iter().fold(PeerSet::EMPTY, PeerSet::with)
    }
}

impl fmt::Debug for PeerSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A replicated group among those that one transport and one device carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

/// A cluster: drawn once when it is formatted, carried by every frame and every device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u128);

/// What kind of message a frame is. It rides outside the frame, so that the world can starve one kind without
/// knowing the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u8);

/// A timer of one process; a process chooses its own numbers, small ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(pub u16);

/// How often a node has been started: 1 for its first life. It grows with every start and is never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u32);

/// One of the devices that [`Start`](crate::Start) hands over, by its place in that list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u8);

/// A storage operation. It carries the incarnation, so that a completion of a former life is recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId {
    /// The life that submitted it.
    pub incarnation: Incarnation,
    /// Unique among the operations of that life that are in flight; the process chooses.
    pub number: u32,
}

/// A client's connection to one node, unique in the life of the world or of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A client's session, as the replicated session table named it; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl SessionId {
    /// A request outside any session.
    pub const NONE: SessionId = SessionId(0);
}

/// What kind of observation the bytes of an [`Observe`](crate::Output::Observe) are; opaque to the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObservationKind(pub u8);

impl ObservationKind {
    /// A probe was reached: the bytes are its name in UTF-8. See [`Outbox::sometimes`](crate::Outbox::sometimes).
    pub const PROBE: ObservationKind = ObservationKind(255);
    /// A contract did not hold: the bytes are the broken rule's number and text in UTF-8.
    pub const CONTRACT: ObservationKind = ObservationKind(254);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_set_iterates_in_order_and_counts_majorities() {
        let set: PeerSet = [NodeId(4), NodeId(0), NodeId(2)].into_iter().collect();
        assert!(set.iter().eq([NodeId(0), NodeId(2), NodeId(4)]));
        assert_eq!(set.majority(), 2);
        assert_eq!(PeerSet::first(5).majority(), 3);
        assert_eq!(PeerSet::first(4).majority(), 3);
        assert!(!set.without(NodeId(2)).contains(NodeId(2)));
        assert!(!set.contains(NodeId(200)), "a number that no set can hold is no member");
    }
}
