//! The server: what stands between a client's bytes and the replicas, over any runtime.
//!
//! [`connection::serve`] is one client's task. It reads whole pipelines, hands their commands to the replicas in one
//! burst, and answers in order. [`http::serve`] answers those who watch over the node, [`watch::watch`] finds out who
//! leads, and a [`Service`] is what all of them share.
//!
//! # What a client may rely on
//! - **Order.** Commands of one connection take effect in their order, and replies come in that order. A read behind a
//!   write of the same connection sees it.
//! - **Reads** are linearizable. A pipeline that only reads costs one round of read-index, without a log entry; one
//!   that also writes has its reads in the log, between the writes, because a read-index answers from any state behind
//!   its question and so could see a write that stands after it.
//! - **Errors.** `MOVED`, `CLUSTERDOWN` and `BUSY` promise that nothing was carried out. `UNKNOWN` promises nothing: a
//!   client of RESP names no session, so a repeated command is a second command.

mod batch;
pub mod cluster;
pub mod connection;
mod desk;
pub mod http;
pub mod info;
mod local;
mod replies;
pub mod service;
pub mod watch;

pub use connection::serve;
pub use service::{Counter, Limits, Member, Service, Settings};
pub use watch::watch;
