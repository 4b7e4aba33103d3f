//! A recording of one life of a process: everything that it was told, and a hash of everything that it asked for.
//!
//! State follows from the construction, [`Start`](crate::Start) and the inputs (`docs/boundary.md` section 16). So a
//! [`Recorder`], which watches a [`drive`](crate::runtime::drive::drive), keeps the construction in a [`Header`] and
//! then each input with the clocks of its turn; [`Reading`] gives them back, and a [`Replay`] hands them to a new process
//! and compares the hash of its outputs turn by turn.
//!
//! `docs/recording.md` states the format. A recording is a sequence of checksummed blocks, each of whole bursts; whoever
//! is killed while writing leaves a torn block at most, and everything before it can be replayed.

mod block;
mod header;
mod input;
mod output;
mod reading;
mod record;
mod recorder;
mod replay;

pub use block::seal;
pub use header::Header;
pub use reading::{Reading, Source, Unreadable};
pub use record::{End, Record};
pub use recorder::{Recorder, Sink};
pub use replay::{Difference, Replay, Turn};

/// What every recording begins with: the last byte is the format's version.
pub const MAGIC: [u8; 8] = *b"SEEDREC\x01";

#[cfg(test)]
mod tests;
