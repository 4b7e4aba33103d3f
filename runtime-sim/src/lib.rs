//! The [`Runtime`](seedfast_core::runtime::Runtime) trait over the simulated world: async code runs deterministically.
//!
//! - [`AsyncNode`] makes async code a process: every fault of the world (a crash at any output, a pause, a partition,
//!   a torn disk, an odd clock) applies to it, and a crash drops its tasks where they wait
//! - [`AsyncClient`] makes it a client of a scene
//! - [`SimRuntime`] is what both are handed: clock, alarms, tasks, peers, devices, streams
//!
//! Which ready task runs next, which side of a [`race`](seedfast_core::runtime::race::race) is asked first, where a
//! stream is cut and how much a read brings are drawn from the entropy that a life starts with, keyed by the instant
//! and the place: the same seed gives the same order, and other seeds try others. A task that finds an order of its
//! own, in a randomly keyed map for example, is caught when its seed is run again.
//!
//! Campaigns that need no async code drive their processes directly: that is faster.
#![forbid(unsafe_code)]

mod alarms;
mod choices;
mod client;
mod device;
mod endpoint;
mod executor;
mod node;
mod runtime;
mod stream;

pub use client::AsyncClient;
pub use device::SimDevice;
pub use endpoint::SimEndpoint;
pub use executor::SimTask;
pub use node::AsyncNode;
pub use runtime::{SimAlarm, SimRuntime};
pub use stream::{SimListener, SimStream};
