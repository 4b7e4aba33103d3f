//! What a mesh knows: its peers, the streams that came, and what waits to be handed over.

use super::{Counts, Limits};
use crate::buffer::{Buffer, Pool};
use crate::id::{MAX_NODES, NodeId, PeerSet};
use crate::input::Input;
use crate::outbox::Outbox;
use crate::random::Random;
use crate::runtime::{Runtime, remember};
use crate::transport::frame::{Decoder, HEADER, HeaderBytes};
use crate::transport::{Outgoing, Refused};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};

/// How many spare buffers it keeps for frames to come.
const SPARE: usize = 1024;

pub(super) struct State<R: Runtime> {
    pub(super) peers: Vec<Option<Peer<R>>>,
    pub(super) arrivals: Vec<Arrival<R>>,
    next_arrival: u64,
    inbox: VecDeque<Input>,
    driver: Option<Waker>,
    pool: Pool,
    /// Frames handed over since buffers were last claimed back.
    handed: usize,
    /// Frames that were copied into every queue.
    pub(super) spent: Vec<Buffer>,
    pub(super) random: Random,
    pub(super) counts: Counts,
}

pub(super) struct Peer<R: Runtime> {
    pub(super) address: String,
    pub(super) outgoing: Outgoing,
    pub(super) link: Link,
    /// The longest frame that it takes, in bytes.
    pub(super) frame_limit: u32,
    /// Bytes of its frames that wait to be handed over.
    unread: usize,
    incoming: usize,
    pub(super) task: Option<R::Task>,
    pub(super) sender: Option<Waker>,
    reader: Option<Waker>,
}

/// What there is of a stream to a peer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// It is being opened, or open: what is sent waits for it.
    Wanted,
    /// It cannot be had for a while: what is sent is dropped, because it would be stale.
    Resting,
}

/// A stream that came.
pub(super) struct Arrival<R: Runtime> {
    id: u64,
    from: Option<NodeId>,
    pub(super) task: Option<R::Task>,
}

impl<R: Runtime> Peer<R> {
    pub(super) fn new(address: String, limits: Limits) -> Self {
        Peer {
            address,
            outgoing: Outgoing::new(limits.outgoing),
            link: Link::Wanted,
            frame_limit: limits.frame,
            unread: 0,
            incoming: limits.incoming,
            task: None,
            sender: None,
            reader: None,
        }
    }
}

impl<R: Runtime> State<R> {
    pub(super) fn new(random: Random) -> Self {
        State {
            peers: (0..MAX_NODES).map(|_| None).collect(),
            arrivals: Vec::new(),
            next_arrival: 0,
            inbox: VecDeque::new(),
            driver: None,
            pool: Pool::new(SPARE),
            handed: 0,
            spent: Vec::new(),
            random,
            counts: Counts::default(),
        }
    }

    pub(super) fn peer(&self, node: NodeId) -> Option<&Peer<R>> {
        self.peers.get(usize::from(node.0))?.as_ref()
    }

    pub(super) fn peer_mut(&mut self, node: NodeId) -> Option<&mut Peer<R>> {
        self.peers.get_mut(usize::from(node.0))?.as_mut()
    }

    /// Forgets a peer and every stream from and to it. Returns the tasks to end.
    pub(super) fn forget(&mut self, node: NodeId) -> Vec<R::Task> {
        let mut ended = self.forget_arrivals(|arrival| arrival.from == Some(node));
        let peer = self.peers.get_mut(usize::from(node.0)).and_then(Option::take);
        ended.extend(peer.and_then(|peer| peer.task));
        ended
    }

    pub(super) fn forget_arrivals(&mut self, which: impl Fn(&Arrival<R>) -> bool) -> Vec<R::Task> {
        self.arrivals.extract_if(.., |arrival| which(arrival)).filter_map(|arrival| arrival.task).collect()
    }

    /// Whose streams have come and are open.
    pub(super) fn heard(&self) -> PeerSet {
        self.arrivals.iter().filter_map(|arrival| arrival.from).collect()
    }

    /// Notes a stream that came, as long as there are not too many.
    pub(super) fn arrive(&mut self) -> Option<u64> {
        let most = 2 * self.peers.iter().flatten().count() + 16;
        if self.arrivals.len() >= most {
            return None;
        }
        self.next_arrival += 1;
        self.arrivals.push(Arrival { id: self.next_arrival, from: None, task: None });
        Some(self.next_arrival)
    }

    pub(super) fn arrival(&mut self, id: u64) -> Option<&mut Arrival<R>> {
        self.arrivals.iter_mut().find(|arrival| arrival.id == id)
    }

    pub(super) fn leave(&mut self, id: u64) {
        self.arrivals.retain(|arrival| arrival.id != id);
    }

    /// The stream `id` is from this peer: streams that came from it earlier are over. Returns the tasks to end.
    pub(super) fn recognise(&mut self, id: u64, from: NodeId) -> Vec<R::Task> {
        let older = self.forget_arrivals(|arrival| arrival.from == Some(from) && arrival.id != id);
        if let Some(arrival) = self.arrival(id) {
            arrival.from = Some(from);
        }
        older
    }

    pub(super) fn refuse(&mut self, why: Refused) {
        self.counts.refused += 1;
        self.counts.last_refused = Some(why);
    }

    pub(super) fn send(&mut self, node: NodeId, header: &HeaderBytes, frame: &[u8]) {
        let peer = self.peers.get_mut(usize::from(node.0)).and_then(Option::as_mut);
        let taken = peer.is_some_and(|peer| {
            if peer.link == Link::Resting || frame.len() > peer.frame_limit as usize {
                peer.outgoing.miss();
                return false;
            }
            let taken = peer.outgoing.offer(header, frame);
            if let Some(sender) = peer.sender.take() {
                sender.wake();
            }
            taken
        });
        if taken {
            self.counts.sent += 1;
        } else {
            self.counts.dropped += 1;
        }
    }

    /// What the network took makes room.
    pub(super) fn settle(&mut self, node: NodeId, backlog: usize) {
        if self.peer_mut(node).is_some_and(|peer| peer.outgoing.settle(backlog)) {
            self.inbox.push_back(Input::Writable { peer: node });
            self.wake_driver();
        }
    }

    /// Bytes came from a peer.
    pub(super) fn take_in(
        &mut self,
        from: NodeId,
        decoder: &mut Decoder,
        bytes: &[u8],
    ) -> Result<(), Refused> {
        let State { inbox, pool, counts, peers, .. } = self;
        let mut unread = 0;
        let result = decoder.push(bytes, pool, |kind, group, frame| {
            unread += HEADER + frame.len();
            counts.received += 1;
            inbox.push_back(Input::Receive { from, kind, group, frame });
        });
        if let Some(peer) = peers.get_mut(usize::from(from.0)).and_then(Option::as_mut) {
            peer.unread += unread;
        }
        if unread > 0 {
            self.wake_driver();
        }
        result
    }

    /// Ready while more may be read from this peer.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>, from: NodeId) -> Poll<()> {
        match self.peer_mut(from) {
            Some(peer) if peer.unread > peer.incoming => {
                peer.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<Input>,
        most: usize,
    ) -> Poll<()> {
        if self.inbox.is_empty() {
            remember(&mut self.driver, cx);
            return Poll::Pending;
        }
        for _ in 0..most {
            let Some(input) = self.inbox.pop_front() else { break };
            if let Input::Receive { from, frame, .. } = &input {
                self.handed += 1;
                if let Some(peer) = self.peers.get_mut(usize::from(from.0)).and_then(Option::as_mut) {
                    peer.unread = peer.unread.saturating_sub(HEADER + frame.len());
                    if peer.unread <= peer.incoming / 2
                        && let Some(reader) = peer.reader.take()
                    {
                        reader.wake();
                    }
                }
            }
            into.push(input);
        }
        Poll::Ready(())
    }

    /// Gives back what was sent, and takes as many spare buffers as frames were handed over: whoever takes its turn with
    /// them gives them back there.
    pub(super) fn reclaim(&mut self, out: &mut Outbox) {
        for frame in self.spent.drain(..) {
            out.pool().recycle(frame);
        }
        for _ in 0..core::mem::take(&mut self.handed).min(SPARE) {
            let spare = out.buffer().freeze();
            self.pool.recycle(spare);
        }
    }
}
