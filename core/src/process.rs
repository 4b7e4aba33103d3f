//! The one trait that a protocol implements to be simulated, and to be deployed.

use crate::input::Input;
use crate::outbox::Outbox;
use crate::time::Now;
use alloc::string::String;

/// Room for requests of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// For so many.
    pub requests: usize,
    /// For so many bytes of them together, [`EACH`](Self::EACH) more counted for each.
    pub bytes: usize,
    /// A longer one takes no room, however much there is: it is refused at once.
    pub largest: usize,
}

impl Room {
    /// What is counted for a request beside its bytes.
    pub const EACH: usize = 16;
    /// For any.
    pub const ANY: Room = Room { requests: usize::MAX, bytes: usize::MAX, largest: usize::MAX };
}

/// A deterministic state machine of which one turn at a time is run.
///
/// A turn is deterministic (its outputs follow from the inputs so far, [`Start`](crate::Start) included), isolated
/// (nothing else runs meanwhile), atomic (no output takes effect before the turn ends) and checked (contracts are
/// evaluated at its end). A process that finds randomness or a clock of its own is caught when its seed is run again.
pub trait Process {
    /// Takes one input at local time `now` and pushes its effects into `out`, in order. Whoever drives the process
    /// keeps a handle of the input's buffer and recycles it after the turn.
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox);

    /// How much more of what clients ask it takes now without refusing any. Whoever drives the process hands over no more
    /// for a while, so that clients wait instead of being refused; it is no promise.
    fn room(&self) -> Room {
        Room::ANY
    }

    /// What a frame says, for people who read a trace. `kind` is the kind it was sent with.
    fn describe(&self, _kind: crate::Kind, _frame: &[u8]) -> Option<String> {
        None
    }

    /// Appends the whole state, so that a recording of inputs can begin in the middle of a life. Returns whether this
    /// process can be saved at all.
    fn save(&self, _bytes: &mut alloc::vec::Vec<u8>) -> bool {
        false
    }

    /// Takes the place of the process that [`save`](Self::save) wrote. Returns whether the bytes were one.
    fn restore(&mut self, _bytes: &[u8]) -> bool {
        false
    }

    /// A hash of the protocol's state that is equal in states that a search need not tell apart.
    fn signature(&self) -> u64 {
        0
    }
}
