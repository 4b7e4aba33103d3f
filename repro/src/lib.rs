//! Runs seeded fault schedules, judges nothing itself, and replays what failed, byte for byte.
//!
//! - [`cli`]: the command line, for the scenarios of this repository or for a user's own
//! - [`campaign`]: many seeds on many workers, one result that does not depend on how many
//! - [`rerun`]: the same seed, the same bytes, or the first event that differs
//! - [`bundle`]: a failing seed as one text file; [`recorded`]: the events in it; [`identity`]: the build that saw it
//! - [`replay`]: one run, looked at closely; `show`: the same as a picture; `recording`: what a replica recorded
//! - `shrink`: the simplest run that breaks the same; [`replay_bundle`] makes a test of it
//! - [`testing`]: scenarios under `cargo test`
#![forbid(unsafe_code)]

mod annotate;
mod base64;
mod board;
pub mod bundle;
pub mod campaign;
mod ci;
pub mod cli;
mod collect;
pub mod duration;
mod events;
pub mod execute;
mod explore;
mod explore_report;
pub mod files;
mod guide;
pub mod identity;
mod json;
mod junit;
pub mod layout;
mod markup;
mod merge;
mod names;
mod panics;
mod progress;
pub mod recorded;
mod recording;
pub mod replay;
mod report;
pub mod rerun;
mod run;
mod scenarios;
pub mod seeds;
mod show;
mod shrink;
mod state;
pub mod tally;
pub mod testing;
pub mod text;
pub mod trouble;
mod worker;

pub use seedfast_macros::test;
pub use shrink::{judge_bundle, replay_bundle};
pub use testing::{Check, check};
