//! Crash images: everything that a device may hold when the power goes, built one after the other on one buffer.
//!
//! The crash model, before the code. A [`Medium`] records what is done to a device as micro-operations (stores, flushes
//! and fences on NVM; landings and syncs on a disk) and keeps, per independent *unit*, the durable value and every
//! value put there since. A crash leaves each unit, independently, one of these:
//!
//! | model | unit | may hold after a crash |
//! |---|---|---|
//! | [`Model::Relaxed8`] | an 8-byte word | the durable value, or any value stored since its last fence |
//! | [`Model::Px86`] | a 64-byte line | a prefix of its pending stores, no shorter than its last fenced one |
//! | [`Model::Eadr`] | an 8-byte word | what is visible: caches are durable |
//! | [`Model::Sectors`] | a 512-byte sector | the durable value, or any version written since, in flight or landed |
//!
//! May happen: what nobody flushed persists (caches evict, disks write back). Must never happen: a fenced or synced
//! value lost, or replaced by an older one; a value that was never stored; a torn unit; a flush without a fence counted
//! as durable. A process crash is another matter: what is visible stays so, and yet volatile; of a disk's writes in
//! flight each sector lands later or vanishes ([`Medium::landings`]).
//!
//! A [`Space`] is the set of images at one crash point. [`Space::visit`] goes through all of them if there are at most
//! [`WHOLE`], by a Gray code, so that each image differs from the one before in a single unit; otherwise through the
//! sample that its documentation lists. Each image carries a 128-bit hash that is kept up to date as units change, and
//! [`Seen`] remembers hashes, so that an image costs little when it was met before.

mod hash;
mod medium;
mod seen;
mod space;
#[cfg(test)]
mod tests;

pub use hash::{hash, hash_word};
pub use medium::{Medium, Model};
pub use seen::Seen;
pub use space::{Choice, Image, Scope, Space, WHOLE};
