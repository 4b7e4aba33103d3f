//! What others use of the server: a client of its native protocol.
//!
//! The server itself is the binary `seedfast-kv`.

pub mod client;
