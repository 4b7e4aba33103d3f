//! Exploring the journal: every image that a crash may leave, at every place where one can fall, recovered by the code
//! that is shipped and judged by an account of its own.
//!
//! `docs/explore.md` states what is explored, what is demanded (J1 to J8) and what it costs.
//!
//! - [`sequence`]: what is done to a journal, as data; [`generate`]: drawn from a seed, and named ones
//! - `machine`: one device that records, one micro-operation at a time; `life`: a journal on it
//! - `ledger`: what the journal was told and what it answered; the judge
//! - [`explorer`]: crash points, images, crashes inside recoveries; `quick`: recovery on an image, fast
//! - [`strike`]: damage at rest
//! - [`case`]: a violation as text; [`shrink`]: made small

pub mod case;
pub mod explorer;
pub mod generate;
mod ledger;
mod life;
mod machine;
mod quick;
pub mod sequence;
pub mod shrink;
pub mod strike;
pub mod tally;
#[cfg(test)]
mod tests;

pub use case::Case;
pub use explorer::{Crash, Explorer, Limits, Violation};
pub use ledger::{Rule, Wrong};
pub use sequence::{Op, Sequence, Shape, model_name};
pub use tally::Tally;
