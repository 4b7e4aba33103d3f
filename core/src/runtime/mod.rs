//! The only door to the outside: what the simulated world and a real machine both offer to code that is driven.
//!
//! A [`Runtime`] belongs to one node and one thread. Protocols do not see it: [`drive`](drive::drive) feeds a
//! [`Process`](crate::Process) from it, one burst at a time. What is not a protocol (a server's connections, an
//! operator's endpoint, a client) is async code that is generic over it. `seedfast-runtime-sim` and
//! `seedfast-runtime-real` implement it, and the same conformance suite runs against both.
//!
//! Everything that is called once per message or per write is a plain call or a `poll_`, takes and gives batches, and
//! allocates nothing; `async fn` stands where calls are rare. Nothing here is `Send`: a node's tasks share its thread,
//! so whatever two of them share needs no lock, and which runs next is the runtime's decision alone.

pub mod clients;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod drive;
mod error;
pub mod race;

pub use error::Error;

use crate::buffer::Buffer;
use crate::id::{ClusterId, GroupId, Kind, NodeId, ObservationKind, OperationId, PeerSet};
use crate::input::Input;
use crate::outbox::Outbox;
use crate::storage::{Chain, Durability, Geometry, Range};
use crate::time::{Instant, Now};
use alloc::string::String;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::task::{Context, Poll, Waker};

/// A node's view of the outside. A clone is another handle of the same runtime.
pub trait Runtime: Clone + 'static {
    /// See [`Alarm`].
    type Alarm: Alarm;
    /// See [`Task`].
    type Task: Task;
    /// See [`Endpoint`].
    type Endpoint: Endpoint;
    /// See [`Device`].
    type Device: Device;
    /// See [`Listener`].
    type Listener: Listener<Stream = Self::Stream>;
    /// See [`Stream`].
    type Stream: Stream;

    /// Both clocks of this node, sampled now.
    fn now(&self) -> Now;

    /// Fresh randomness: unpredictable on a real machine, from the seed in the simulated world.
    fn entropy(&self) -> [u8; 32];

    /// One of `of` equal choices, from 0: which of several things that are ready goes first. Drawn in the simulated
    /// world, so that every order is explored; a real machine takes turns, so that nobody starves.
    fn choose(&self, _of: usize) -> usize {
        0
    }

    /// A new alarm, not set.
    fn alarm(&self) -> Self::Alarm;

    /// Starts a task on this thread. It runs no earlier than the caller's next wait.
    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> Self::Task;

    /// Joins the network of replicas.
    ///
    /// # Errors
    /// The address cannot be listened on, or makes no sense.
    fn endpoint(&self, membership: Membership) -> impl Future<Output = Result<Self::Endpoint, Error>>;

    /// Opens a device by the name that this runtime knows it by (a path), for this node alone.
    ///
    /// # Errors
    /// It does not exist, another process has it, or this machine cannot serve it.
    fn device(&self, name: &str) -> impl Future<Output = Result<Self::Device, Error>>;

    /// Waits for byte streams at `address`.
    ///
    /// # Errors
    /// The address is taken, or makes no sense.
    fn listen(&self, address: &str) -> impl Future<Output = Result<Self::Listener, Error>>;

    /// Opens a byte stream to `address`.
    ///
    /// # Errors
    /// Nobody listens there, or nobody answers.
    fn connect(&self, address: &str) -> impl Future<Output = Result<Self::Stream, Error>>;

    /// Whether anyone listens to observations: only in the simulated world.
    fn observing(&self) -> bool {
        false
    }

    /// Hands an observation to whoever listens.
    fn observe(&self, _kind: ObservationKind, _bytes: &[u8]) {}

    /// Waits until the monotonic clock reads `until`; at once if it does already.
    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + 'static {
        let mut alarm = self.alarm();
        alarm.set(Some(until));
        async move { poll_fn(|cx| alarm.poll_due(cx)).await }
    }
}

/// One timer that can be set again without being made again.
pub trait Alarm: 'static {
    /// Sets the instant on the monotonic clock, replacing the former one; `None` turns it off.
    fn set(&mut self, at: Option<Instant>);

    /// Ready once the instant has come, and then turned off. Never early; pending for ever while it is not set.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// A task that was spawned. Dropping the handle lets the task go on.
pub trait Task: 'static {
    /// Whether it has ended, by itself or by [`cancel`](Self::cancel).
    fn is_finished(&self) -> bool;

    /// Ends it: its future is dropped before it runs again. What it had handed to the outside may still take effect.
    fn cancel(self);
}

/// Which network of replicas an endpoint joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Frames of another cluster are refused and counted.
    pub cluster: ClusterId,
    /// Who this is.
    pub me: NodeId,
    /// Every member and where it is, this node included.
    pub members: Vec<(NodeId, String)>,
}

/// Messages between replicas. It may lose, delay, double and reorder; it never blocks and it keeps nothing for a peer
/// beyond a bound: what does not fit is dropped, and [`Input::Writable`] follows once there is room again. No peer
/// that is slow holds back another.
pub trait Endpoint: 'static {
    /// The longest frame that can be sent, in bytes.
    fn frame_limit(&self) -> u32;

    /// Sends one frame to every member of `to` but this node.
    fn send(&mut self, to: PeerSet, kind: Kind, group: GroupId, frame: Buffer);

    /// Appends [`Input::Receive`] and [`Input::Writable`] in the order in which they came, at most `most`; pending if
    /// there is none.
    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut Vec<Input>, most: usize) -> Poll<()>;

    /// Where a peer is from now on, or that it is to be forgotten. The bytes are an address as in [`Membership`].
    fn peer(&mut self, node: NodeId, address: Option<&[u8]>);

    /// Gives back the buffers of what was sent, so that they are used again.
    fn reclaim(&mut self, out: &mut Outbox);
}

/// A device, in the words of [`crate::storage`].
pub trait Device: 'static {
    /// Its shape.
    fn geometry(&self) -> Geometry;

    /// How many submissions and reads may be in flight.
    fn queue_depth(&self) -> u32;

    /// Submits a chain. [`Input::Completed`] follows.
    fn submit(&mut self, op: OperationId, chain: Chain, durability: Durability);

    /// Reads. [`Input::Completed`] follows.
    fn read(&mut self, op: OperationId, range: Range);

    /// Appends [`Input::Completed`], at most `most`; pending if there is none.
    fn poll_completed(&mut self, cx: &mut Context<'_>, into: &mut Vec<Input>, most: usize) -> Poll<()>;

    /// Gives back the chains and buffers of what was written, so that they are used again.
    fn reclaim(&mut self, out: &mut Outbox);
}

/// Waits for byte streams.
pub trait Listener: 'static {
    /// What it accepts.
    type Stream: Stream;

    /// The address that it really listens on, for clients on the same network (a port of 0 was chosen by then).
    fn address(&self) -> String;

    /// The next stream.
    ///
    /// # Errors
    /// This machine cannot accept now (no more descriptors); later it may.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::Stream, Error>>;
}

/// A stream of bytes, in order each way. What was written may be lost only together with the stream.
pub trait Stream: 'static {
    /// Appends what has come, at least one byte and at most `most`; `Ok(0)` once the other end has closed its half.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<usize, Error>>;

    /// Takes `bytes`, all of them, to be sent in order, and leaves the vector empty (perhaps another one, with room).
    /// It never blocks; whoever writes much waits for [`poll_flush`](Self::poll_flush) in between.
    fn write(&mut self, bytes: &mut Vec<u8>);

    /// How many bytes were taken and not handed to the network yet.
    fn backlog(&self) -> usize;

    /// Ready once the network has taken everything written.
    ///
    /// # Errors
    /// The stream is broken: what of it the other end has seen is unknown.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// Closes this half behind everything written; reading goes on.
    fn close(&mut self);
}

/// Keeps the waker of whoever polled last: what a `poll_` does before it answers that it is pending.
pub fn remember(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(known) if known.will_wake(cx.waker()) => {}
        _ => *waker = Some(cx.waker().clone()),
    }
}

/// Reads once: see [`Stream::poll_read`].
///
/// # Errors
/// The stream is broken.
pub async fn read(stream: &mut impl Stream, into: &mut Vec<u8>, most: usize) -> Result<usize, Error> {
    poll_fn(|cx| stream.poll_read(cx, into, most)).await
}

/// Writes `bytes` and waits until the network has taken them.
///
/// # Errors
/// The stream is broken.
pub async fn write_all(stream: &mut impl Stream, bytes: &[u8]) -> Result<(), Error> {
    let mut bytes = bytes.to_vec();
    stream.write(&mut bytes);
    poll_fn(|cx| stream.poll_flush(cx)).await
}

/// The next stream: see [`Listener::poll_accept`].
///
/// # Errors
/// This machine cannot accept now.
pub async fn accept<L: Listener>(listener: &mut L) -> Result<L::Stream, Error> {
    poll_fn(|cx| listener.poll_accept(cx)).await
}
