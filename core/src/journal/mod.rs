//! The durable journal of one acceptor on one device: a format, a writer, and a recovery that decides every case.
//!
//! It knows no Paxos (slots and ballots are numbers) and does no input or output: it submits chains to an
//! [`Outbox`](crate::Outbox) and is handed their completions. `docs/journal.md` has the format byte by byte, the
//! decision table whose rows are [`Row`], and what each operation costs.
//!
//! - [`layout`]: who a device belongs to, where the parts stand, formatting
//! - [`frame`], [`metadata`], [`mark`]: the encodings
//! - [`row`], [`refusal`]: what recovery can meet, and why it can refuse
//! - [`recovery`]: reading a journal back; `decide` is its table, over bytes alone
//! - [`survey`]: looking at a journal without recovering from it
//! - [`writer`]: group commit, the durable mark, checkpoints; [`pieces`]: snapshots

mod decide;
pub mod frame;
pub mod layout;
pub mod mark;
pub mod metadata;
pub mod pieces;
pub mod recovery;
pub mod refusal;
pub mod row;
pub mod survey;
pub mod writer;

pub use decide::Expected;
pub use frame::Kind;
pub use layout::{FormatError, Identity, Layout, Options, Standing, format};
pub use metadata::{Head, Metadata, Snapshot};
pub use pieces::Partial;
pub use recovery::{Record, Recovery, Restored, Setting, SnapshotFound, Step};
pub use refusal::Refusal;
pub use row::{Row, Rows};
pub use writer::{Checkpoint, Full, Happened, Journal, NotNow, record_of};
