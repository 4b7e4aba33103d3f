//! What replicas say to each other over streams of bytes: framing, bounded queues, reconnecting. No socket is named.
//!
//! Each node opens one stream to every other and sends its own frames there; what it receives comes on the streams that
//! the others opened. Both ends begin with a [`Hello`]; behind it the opener sends frames ([`frame`]) and the other end
//! nothing more. [`Mesh`] runs all of it over any [`Runtime`](crate::runtime::Runtime)'s streams, so the same code
//! meets the simulated world's streams and a kernel's.
//!
//! What may happen: a frame is lost (the queue was full, the stream broke, nobody listened), late, or comes after one
//! that was sent later over a newer stream. What never happens: a frame that is damaged, of another cluster or of
//! another sender is handed over; a slow peer holds back another; a peer makes this end hold more than its bounds.

mod backoff;
pub mod frame;
mod hello;
mod mesh;
mod outgoing;
#[cfg(test)]
mod properties;
mod refused;

pub use backoff::Backoff;
pub use frame::{Decoder, HEADER, Seal};
pub use hello::{HELLO, Hello, OLDEST, VERSION};
pub use mesh::{Counts, Limits, Mesh, Watch};
pub use outgoing::Outgoing;
pub use refused::Refused;
