//! A linearizable key-value service: the state machine that the simulator's scenarios run, and that a RESP server
//! serves.
//!
//! The commands are Redis's (strings, counters, lists that append, several keys at once, compare-and-set), their
//! meaning is Redis's too, and their form is a compact binary one of ours: text is parsed at the edge, once, and
//! never by a replica.
//!
//! - [`command`]: what can be asked; [`reply`]: what can be answered
//! - [`store`]: the map and what every command does to it
//! - [`value`]: strings and lists, each with a hash that an append extends
//! - [`snapshot`]: the canonical encoding of the whole state, written while commands go on; [`limits`]: how large
//!   anything may grow
//! - [`resp`]: the protocol of Redis clients; [`server`]: their connections, over any runtime
//! - [`native`]: the replicas' own requests on a stream, with sessions
//! - [`recorded`]: a replica of this store as a recording tells of it
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod blocks;
pub mod command;
pub mod integer;
pub mod limits;
pub mod native;
pub mod recorded;
pub mod reply;
pub mod resp;
mod restore;
pub mod server;
pub mod snapshot;
pub mod store;
mod table;
pub mod value;

pub use blocks::Blocks;
pub use command::{Command, Condition};
pub use limits::Limits;
pub use reply::{Error, Reply};
pub use store::Store;
