//! The sans-IO heart of Seedfast: the boundary that every process crosses, and the multi-Paxos core behind it.
//!
//! Nothing in this crate reads a clock, draws randomness that it was not handed, blocks, or names a thread or a
//! socket. A [`Process`] takes one [`Input`] and the local clock's reading, and pushes [`Output`]s into an
//! [`Outbox`]; a simulator or a real runtime does the rest.
//!
//! - [`process`], [`input`], [`output`], [`outbox`], [`storage`]: the boundary (`docs/boundary.md` walks through it)
//! - [`buffer`]: pooled, shared bytes; [`codec`]: bounds-checked little-endian fields
//! - [`paxos`]: multi-Paxos with pipelining, batching, elections, read-index and catch-up (`docs/paxos.md`)
//! - [`machine`]: what a user of the core writes
//! - [`runtime`]: the only door to the outside, and the loop that drives a process from it
//! - [`recording`]: what a process was told, so that it lives the same life again
//! - [`transport`]: what replicas say to each other over streams of bytes
//! - [`block`], [`nvm`]: how a chain of storage steps becomes writes and syncs, or stores, flushes and fences
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod block;
pub mod buffer;
pub mod client;
pub mod clock;
pub mod codec;
mod contract;
pub mod id;
pub mod input;
pub mod journal;
pub mod machine;
pub mod nvm;
pub mod outbox;
pub mod output;
pub mod paxos;
pub mod process;
pub mod random;
pub mod recording;
pub mod runtime;
pub mod storage;
pub mod time;
pub mod transport;

pub use buffer::{Buffer, BufferMut, Pool};
pub use id::{
    ClusterId, ConnectionId, DeviceId, GroupId, Incarnation, Kind, NodeId, ObservationKind, OperationId,
    PeerSet, SessionId, TimerId,
};
pub use input::{Command, Input, Start};
pub use outbox::Outbox;
pub use output::Output;
pub use process::Process;
pub use storage::{Completion, Durability, Failure, Geometry, Media, Range, Step};
pub use time::{Duration, Instant, Now, WallTime};
