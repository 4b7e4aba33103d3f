//! The server as a client sees it: bytes in, bytes out, over a stream in memory and replicas that are one store.

mod harness;
mod http;
mod limits;
mod order;
mod transcripts;
mod watch;
