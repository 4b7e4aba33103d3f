//! Vector clocks: how many events of every node an event has behind it (Fidge 1988, Mattern 1989).

use crate::codec::{Malformed, Reader, Write};
use crate::id::{NodeId, PeerSet};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

/// For each of up to 64 nodes, how many of its events are known.
///
/// Of two events, one happened before the other if and only if its clock is less ([`PartialOrd`]); clocks that are
/// not ordered belong to concurrent events. Nodes of which nothing is known take no room: a bit set says which
/// counters follow, so that a clock is as large as the part of the cluster that it has heard of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VectorClock {
    known: PeerSet,
    /// The counters of `known`, in its order, none of them zero: equal clocks are equal bytes.
    counters: Vec<u64>,
}

/// A remote clock claims more events of this node than this node remembers: one of the two forgot, or is lying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AheadOfItsOwner {
    /// The node in question, the one that was asked to observe.
    pub owner: NodeId,
    /// How many events the remote clock counts.
    pub claimed: u64,
    /// How many there were.
    pub had: u64,
}

impl fmt::Display for AheadOfItsOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a remote clock counts {} events of {}, which has had {}: its state was lost, or the clock is damaged",
            self.claimed, self.owner, self.had
        )
    }
}

impl core::error::Error for AheadOfItsOwner {}

impl VectorClock {
    /// The clock of a node that has had no event and heard of none.
    pub const fn new() -> Self {
        VectorClock { known: PeerSet::EMPTY, counters: Vec::new() }
    }

    /// How many events of `node` are known.
    pub fn of(&self, node: NodeId) -> u64 {
        if self.known.contains(node) { self.counters[self.index(node)] } else { 0 }
    }

    /// The nodes of which an event is known.
    pub const fn known(&self) -> PeerSet {
        self.known
    }

    /// Counts an event of `node`, whose clock this is; the sending of a message is one, and the message carries the
    /// clock.
    ///
    /// # Panics
    /// If `node` is none of the 64, or after 2^64 events.
    pub fn tick(&mut self, node: NodeId) {
        assert!(
            PeerSet::first(64).contains(node),
            "a vector clock has room for nodes 0 to 63, not for {node}"
        );
        let index = self.index(node);
        if !self.known.contains(node) {
            self.known = self.known.with(node);
            self.counters.insert(index, 0);
        }
        self.counters[index] =
            self.counters[index].checked_add(1).expect("a node has fewer than 2^64 events");
    }

    /// Counts the receipt, at `node`, whose clock this is, of a message that carried `remote`.
    ///
    /// # Errors
    /// [`AheadOfItsOwner`] if `remote` knows events of `node` that this clock does not; it is then unchanged.
    ///
    /// # Panics
    /// As [`tick`](Self::tick).
    pub fn observe(&mut self, node: NodeId, remote: &VectorClock) -> Result<(), AheadOfItsOwner> {
        let (claimed, had) = (remote.of(node), self.of(node));
        if claimed > had {
            return Err(AheadOfItsOwner { owner: node, claimed, had });
        }
        self.merge(remote);
        self.tick(node);
        Ok(())
    }

    /// Learns everything that `other` knows: the least clock that is no less than either.
    pub fn merge(&mut self, other: &VectorClock) {
        for (node, counter) in other.known.iter().zip(&other.counters) {
            let index = self.index(node);
            if self.known.contains(node) {
                self.counters[index] = self.counters[index].max(*counter);
            } else {
                self.known = self.known.with(node);
                self.counters.insert(index, *counter);
            }
        }
    }

    /// Appends the encoding: the bit set in eight bytes, then eight bytes for each node in it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.u64(self.known.0);
        self.counters.iter().for_each(|counter| out.u64(*counter));
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes end first, or a counter is zero.
    pub fn decode(fields: &mut Reader<'_>) -> Result<Self, Malformed> {
        let known = PeerSet(fields.u64()?);
        if fields.remaining() < 8 * known.len() {
            return Err(Malformed);
        }
        let counters: Vec<u64> = known.iter().map(|_| fields.u64()).collect::<Result<_, _>>()?;
        if counters.contains(&0) { Err(Malformed) } else { Ok(VectorClock { known, counters }) }
    }

    /// Where the counter of `node` stands, or would stand.
    fn index(&self, node: NodeId) -> usize {
        self.known.and(PeerSet::first(usize::from(node.0))).len()
    }
}

impl PartialOrd for VectorClock {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let no_more = |left: &Self, right: &Self| {
            left.known.iter().zip(&left.counters).all(|(node, counter)| *counter <= right.of(node))
        };
        match (no_more(self, other), no_more(other, self)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Less),
            (false, true) => Some(Ordering::Greater),
            (false, false) => None,
        }
    }
}
