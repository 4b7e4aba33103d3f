//! Messages between nodes, with the bounds that a real transport has: what a peer's share of buffers cannot hold is
//! dropped, and so is what nobody takes in.

use crate::alarms::wake;
use crate::runtime::{SimRuntime, wait};
use seedfast_core::runtime::{Endpoint, Error, Membership};
use seedfast_core::{Buffer, Duration, GroupId, Input, Instant, Kind, NodeId, Outbox, PeerSet};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

/// Bytes that may be on their way into one peer's buffers at once; one frame always may.
const MOST_TO_PEER: usize = 24 << 20;
/// Bytes that wait here until somebody takes them in; one frame always may.
const MOST_WAITING: usize = 32 << 20;
/// A peer's buffers are empty again after so long.
const DRAINED_AFTER: Duration = Duration::from_millis(1);
/// What a frame counts beside its bytes.
const OVERHEAD: usize = 64;

#[derive(Clone, Copy, Default)]
struct Share {
    /// Bytes sent since `since`.
    bytes: usize,
    since: Instant,
    /// Something was dropped.
    short: bool,
}

/// The other nodes, as one life sees them.
#[derive(Default)]
pub(crate) struct Peers {
    pub(crate) frame_limit: u32,
    open: bool,
    members: PeerSet,
    shares: Vec<Share>,
    came: VecDeque<Input>,
    waiting: usize,
    waker: Option<Waker>,
}

impl Peers {
    /// A frame arrives.
    pub(crate) fn receive(&mut self, from: NodeId, kind: Kind, group: GroupId, frame: Buffer) {
        let fits = self.waiting == 0 || self.waiting + frame.len() + OVERHEAD <= MOST_WAITING;
        if self.open && self.members.contains(from) && fits {
            self.waiting += frame.len() + OVERHEAD;
            self.came.push_back(Input::Receive { from, kind, group, frame });
            wake(&mut self.waker);
        }
    }

    fn share(&mut self, node: NodeId) -> &mut Share {
        let place = usize::from(node.0);
        if self.shares.len() <= place {
            self.shares.resize(place + 1, Share::default());
        }
        &mut self.shares[place]
    }

    /// Whether a frame of so many bytes fits into a peer's buffers now.
    fn take(&mut self, node: NodeId, bytes: usize, now: Instant) -> bool {
        let share = self.share(node);
        if share.since + DRAINED_AFTER <= now {
            share.bytes = 0;
        }
        if share.bytes == 0 {
            share.since = now;
        } else if share.bytes + bytes > MOST_TO_PEER {
            share.short = true;
            return false;
        }
        share.bytes += bytes;
        true
    }

    /// When a peer has room again that lacked it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.shares.iter().filter(|share| share.short).map(|share| share.since + DRAINED_AFTER).min()
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        for (place, share) in self.shares.iter_mut().enumerate() {
            if share.short && share.since + DRAINED_AFTER <= now {
                *share = Share::default();
                self.came.push_back(Input::Writable { peer: NodeId(place as u8) });
                wake(&mut self.waker);
            }
        }
    }
}

/// A node's place among its peers.
pub struct SimEndpoint {
    runtime: SimRuntime,
    node: NodeId,
}

impl SimEndpoint {
    pub(crate) fn open(runtime: SimRuntime, node: NodeId, membership: &Membership) -> Result<Self, Error> {
        if membership.me != node || membership.members.iter().all(|(member, _)| *member != node) {
            return Err(Error::Invalid(format!(
                "{} joins as one of {:?}, and this is {node}",
                membership.me,
                membership.members.iter().map(|(member, _)| member.0).collect::<Vec<_>>()
            )));
        }
        let mut peers = runtime.0.peers.borrow_mut();
        if core::mem::replace(&mut peers.open, true) {
            return Err(Error::InUse(format!("the place of {node}")));
        }
        peers.members = membership.members.iter().map(|(member, _)| *member).collect();
        drop(peers);
        Ok(SimEndpoint { runtime, node })
    }
}

impl Endpoint for SimEndpoint {
    fn frame_limit(&self) -> u32 {
        self.runtime.0.peers.borrow().frame_limit
    }

    fn send(&mut self, to: PeerSet, kind: Kind, group: GroupId, frame: Buffer) {
        let now = self.runtime.instant();
        let peers = &mut *self.runtime.0.peers.borrow_mut();
        let known = to.and(peers.members).without(self.node);
        let fits = known.iter().filter(|peer| peers.take(*peer, frame.len() + OVERHEAD, now)).collect();
        self.runtime.0.out.borrow_mut().send(fits, kind, group, frame);
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut Vec<Input>, most: usize) -> Poll<()> {
        let peers = &mut *self.runtime.0.peers.borrow_mut();
        let count = peers.came.len().min(most);
        for input in peers.came.drain(..count) {
            if let Input::Receive { frame, .. } = &input {
                peers.waiting -= frame.len() + OVERHEAD;
            }
            into.push(input);
        }
        wait(count > 0, &mut peers.waker, cx)
    }

    fn peer(&mut self, node: NodeId, address: Option<&[u8]>) {
        // Every node reaches every other one here, whatever its address.
        let members = &mut self.runtime.0.peers.borrow_mut().members;
        *members = if address.is_some() { members.with(node) } else { members.without(node) };
    }

    fn reclaim(&mut self, _: &mut Outbox) {}
}

impl Drop for SimEndpoint {
    fn drop(&mut self) {
        let peers = &mut *self.runtime.0.peers.borrow_mut();
        peers.open = false;
        peers.members = PeerSet::EMPTY;
        peers.came.clear();
        peers.waiting = 0;
        peers.waker = None;
        peers.shares.clear();
    }
}
