//! RESP, the protocol that Redis clients speak, in both of its versions.
//!
//! - [`parse`]: requests out of bytes as they come, in pieces of any size; what people type, too
//! - [`mod@write`]: replies, in the version that the client asked for
//! - [`table`]: which commands there are, and what a client may ask about them
//! - [`translate`]: a request's words as a command of ours; [`reply`]: our reply as theirs
//! - [`ask`] and [`answer`]: the same from the client's side
//! - [`slot`]: which of a cluster's 16,384 slots a key falls into
//!
//! The words of errors are those of Redis 7 wherever it has the same error, because clients match them.

pub mod answer;
pub mod ask;
pub mod help;
mod inline;
pub mod parse;
pub mod reply;
pub mod slot;
pub mod table;
pub mod translate;
pub mod write;

pub use parse::{Args, Limits, Parser, ProtocolError};
pub use slot::slot_of;
pub use write::{Version, Writer};
