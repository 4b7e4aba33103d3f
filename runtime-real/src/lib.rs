//! The `Runtime` trait on a real machine: one thread, one `io_uring`.
//!
//! [`run`] makes a runtime and drives one future on it. Whatever is asked for while tasks run, sends, receives, writes,
//! syncs, is handed to the kernel together, in one system call that also waits for the next completion; how many there
//! were is counted ([`RealRuntime::counts`]) and tested.
//!
//! - [`RealStream`], [`RealListener`]: TCP, received into shared buffers where the kernel has them
//! - the endpoint is [`Mesh`](seedfast_core::transport::Mesh): framing and reconnecting are the core's, as simulated
//! - [`RealDevice`]: a file or a block device, written past the page cache where that is possible; or memory-mapped NVM
//! - [`Options`]: what can be chosen; [`Abilities`]: what this kernel offers
//!
//! This is the only crate of the workspace with unsafe code, in files named `sys_*.rs`, each block with its reason.

mod address;
mod alarms;
mod company;
mod connect;
pub mod device;
mod executor;
mod files;
mod listener;
mod machine;
mod options;
mod runtime;
mod stream;
mod sys_memory;
mod sys_nvm;
mod sys_os;
mod sys_ring;
mod sys_signal;
mod sys_socket;
mod sys_uring;

pub use device::RealDevice;
pub use listener::RealListener;
pub use options::Options;
pub use runtime::{RealAlarm, RealRuntime, RealTask, ends_at_once, run};
pub use stream::RealStream;
pub use sys_os::open_more_files;
pub use sys_ring::{Abilities, Counts};
