//! The native protocol: the replicas' own requests and answers ([`seedfast_core::client`]) on a stream of bytes.
//!
//! Unlike RESP it knows sessions: a command that is sent again, to whichever node, is carried out once. [`frame`] says
//! how requests and answers follow each other; [`serve`](serve()) is a node's end of one stream, over any runtime, and
//! [`Guests`] all of these ends together; [`way`] is what every client's end needs. There is no greeting, and answers come
//! in any order: a response names its session and sequence number.

pub mod frame;
mod guests;
mod serve;
pub mod way;

pub use guests::Guests;
pub use serve::serve;
