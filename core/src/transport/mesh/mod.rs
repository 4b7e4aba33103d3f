//! An [`Endpoint`] over any runtime's streams.
//!
//! One task for each peer keeps a stream to it (`link`), one waits for streams (`arrival`), and one reads each stream
//! that came. They and the endpoint share one state; nothing of it is borrowed across a wait.

mod arrival;
mod link;
mod state;

use super::{Refused, Seal};
use crate::buffer::Buffer;
use crate::id::{ClusterId, GroupId, Kind, MAX_NODES, NodeId, PeerSet};
use crate::input::Input;
use crate::outbox::Outbox;
use crate::random::Random;
use crate::runtime::{Endpoint, Error, Listener, Membership, Runtime, Task};
use crate::time::Duration;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::task::{Context, Poll};
use state::{Peer, State};

/// How much a mesh holds, and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest frame, in bytes.
    pub frame: u32,
    /// How much waits for one peer, in bytes, before frames to it are dropped.
    pub outgoing: usize,
    /// How much of one peer's frames waits to be handed over, in bytes, before no more is read from it.
    pub incoming: usize,
    /// How long connecting, and the other end's hello, may take.
    pub hello: Duration,
    /// The first wait before connecting again.
    pub least_wait: Duration,
    /// The longest wait before connecting again.
    pub most_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            frame: 1 << 20,
            outgoing: 8 << 20,
            incoming: 8 << 20,
            hello: Duration::from_secs(3),
            least_wait: Duration::from_millis(20),
            most_wait: Duration::from_secs(2),
        }
    }
}

/// What a mesh has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames handed to a stream, once for each receiver.
    pub sent: u64,
    /// Frames received whole.
    pub received: u64,
    /// Frames dropped for want of room or of a stream, once for each receiver.
    pub dropped: u64,
    /// Streams to peers that were opened and answered.
    pub links: u64,
    /// Streams, either way, that ended because of what came on them.
    pub refused: u64,
    /// Why the last of them did.
    pub last_refused: Option<Refused>,
}

/// The network of replicas, from one of them.
pub struct Mesh<R: Runtime> {
    shared: Rc<Shared<R>>,
    acceptor: Option<R::Task>,
    address: String,
}

/// What the endpoint and its tasks share.
struct Shared<R: Runtime> {
    runtime: R,
    cluster: ClusterId,
    me: NodeId,
    seal: Seal,
    limits: Limits,
    state: RefCell<State<R>>,
}

/// A look at a [`Mesh`] that somebody else drives.
pub struct Watch<R: Runtime>(Rc<Shared<R>>);

impl<R: Runtime> Watch<R> {
    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        self.0.state.borrow().counts
    }

    /// Whose streams to this node are open now.
    pub fn heard(&self) -> PeerSet {
        self.0.state.borrow().heard()
    }
}

impl<R: Runtime> Mesh<R> {
    /// Listens at this node's own address and begins to connect to the others.
    ///
    /// # Errors
    /// This node is no member, a number is no node's or stands twice, or the address cannot be listened on.
    pub async fn open(runtime: &R, membership: Membership, limits: Limits) -> Result<Self, Error> {
        let Membership { cluster, me, members } = membership;
        let mut seen = PeerSet::EMPTY;
        for (node, _) in &members {
            if usize::from(node.0) >= MAX_NODES || seen.contains(*node) {
                return Err(Error::Invalid(format!(
                    "{node} is not a node of its own: use 0 to 63, each once"
                )));
            }
            seen = seen.with(*node);
        }
        let Some((_, own)) = members.iter().find(|(node, _)| *node == me) else {
            return Err(Error::Invalid(format!("{me} is not among the members, so it has no address")));
        };
        let listener = runtime.listen(own).await?;
        let address = listener.address();
        let state = RefCell::new(State::new(Random::new(&runtime.entropy())));
        let seal = Seal::new(cluster, me);
        let shared = Rc::new(Shared { runtime: runtime.clone(), cluster, me, seal, limits, state });
        let acceptor = Some(runtime.spawn(arrival::accept_all(shared.clone(), listener)));
        let mut mesh = Mesh { shared, acceptor, address };
        for (node, address) in members {
            mesh.add(node, address);
        }
        Ok(mesh)
    }

    /// The address that it really listens on (a port of 0 was chosen by then).
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        self.shared.state.borrow().counts
    }

    /// A look at it from outside, also while it is driven.
    pub fn watch(&self) -> Watch<R> {
        Watch(self.shared.clone())
    }

    fn add(&mut self, node: NodeId, address: String) {
        let shared = &self.shared;
        if node == shared.me || usize::from(node.0) >= MAX_NODES {
            return;
        }
        let known = shared.state.borrow().peer(node).is_some_and(|peer| peer.address == address);
        if known {
            return;
        }
        self.forget(node);
        let shared = &self.shared;
        let peer = Peer::new(address, shared.limits);
        shared.state.borrow_mut().peers[usize::from(node.0)] = Some(peer);
        let task = shared.runtime.spawn(link::keep(shared.clone(), node));
        if let Some(peer) = shared.state.borrow_mut().peer_mut(node) {
            peer.task = Some(task);
        }
    }

    fn forget(&mut self, node: NodeId) {
        // Tasks are ended while the state is not borrowed: what they drop may come back to it.
        let ended = self.shared.state.borrow_mut().forget(node);
        ended.into_iter().for_each(Task::cancel);
    }
}

impl<R: Runtime> Endpoint for Mesh<R> {
    fn frame_limit(&self) -> u32 {
        self.shared.limits.frame
    }

    fn send(&mut self, to: PeerSet, kind: Kind, group: GroupId, frame: Buffer) {
        let limit = self.shared.limits.frame;
        assert!(
            frame.len() <= limit as usize,
            "a frame of {} bytes where {limit} are the limit",
            frame.len()
        );
        let header = self.shared.seal.header(kind, group, &frame);
        let mut state = self.shared.state.borrow_mut();
        for node in to.without(self.shared.me).iter() {
            state.send(node, &header, &frame);
        }
        state.spent.push(frame);
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut Vec<Input>, most: usize) -> Poll<()> {
        self.shared.state.borrow_mut().poll_receive(cx, into, most)
    }

    fn peer(&mut self, node: NodeId, address: Option<&[u8]>) {
        match address.map(|bytes| String::from_utf8_lossy(bytes).into_owned()) {
            Some(address) => self.add(node, address),
            None => self.forget(node),
        }
    }

    fn reclaim(&mut self, out: &mut Outbox) {
        self.shared.state.borrow_mut().reclaim(out);
    }
}

impl<R: Runtime> Drop for Mesh<R> {
    fn drop(&mut self) {
        let mut ended: Vec<R::Task> = self.acceptor.take().into_iter().collect();
        for node in PeerSet::first(MAX_NODES).iter() {
            ended.extend(self.shared.state.borrow_mut().forget(node));
        }
        ended.extend(self.shared.state.borrow_mut().forget_arrivals(|_| true));
        ended.into_iter().for_each(Task::cancel);
    }
}
