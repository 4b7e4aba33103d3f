//! What a user of the core writes: a deterministic state machine that every replica applies commands to.
//!
//! # Snapshots without stopping
//! A snapshot is taken while commands go on. [`freeze`](StateMachine::freeze) fixes the moment, and from then on
//! [`chunk`](StateMachine::chunk) hands out the state of that moment piece by piece, whatever is applied meanwhile.
//! The laws, for any machine `m` and any commands and chunks that come in between:
//!
//! - **The moment.** Chunks, one behind the other, encode the state at the freeze, whose digest `m.digest()` gave then.
//! - **Canonical.** Equal states give equal bytes on every replica, however they came to be and however the bytes were
//!   cut into chunks.
//! - **Bounded.** A freeze costs the same whatever the state's size; a chunk costs no more than its `most` bytes are
//!   worth (it may come out shorter, or empty, when it had to pass over what was added since).
//! - **All or nothing.** A restore of exactly those bytes, cut in any way, gives that state. Any other bytes end in an
//!   error, and the state is then what it was. Until [`restore_end`](StateMachine::restore_end) the old state stands.

use crate::codec::Malformed;
use crate::time::WallTime;
use alloc::vec::Vec;

/// Whether a snapshot goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// There is more to come.
    More,
    /// That was the end; the machine is thawed.
    Last,
}

/// A replicated state machine. Everything it does must follow from its state and its arguments alone.
pub trait StateMachine {
    /// Carries out one decided command and appends the reply to `reply`. `time` is the command's hybrid timestamp,
    /// equal on every replica and never decreasing: the only clock a state machine has. Commands that make no sense
    /// are answered with an error reply; they must not panic.
    fn apply(&mut self, time: WallTime, command: &[u8], reply: &mut Vec<u8>);

    /// Answers a question without changing anything, appending to `reply`.
    fn query(&self, query: &[u8], reply: &mut Vec<u8>);

    /// A digest of the whole state: equal states give equal digests on every machine. A freeze or a restore under way
    /// is no part of the state.
    fn digest(&self) -> u64;

    /// The state of this moment is what [`chunk`](Self::chunk) describes from now on, beginning at its front. A
    /// former freeze is over.
    fn freeze(&mut self);

    /// Appends the next bytes of the frozen state's encoding, at most `most`, which is at least 1.
    ///
    /// # Panics
    /// It may, if the machine is not frozen.
    fn chunk(&mut self, most: usize, bytes: &mut Vec<u8>) -> Chunk;

    /// Gives up a freeze, if there is one.
    fn thaw(&mut self);

    /// A state is going to be put in place of this one. A former restore that was not ended is forgotten.
    fn restore_begin(&mut self);

    /// Takes the next bytes of a snapshot.
    ///
    /// # Errors
    /// [`Malformed`] if they cannot be those of one: the restore is over then, and nothing has changed.
    fn restore_chunk(&mut self, bytes: &[u8]) -> Result<(), Malformed>;

    /// Whether the bytes taken since [`restore_begin`](Self::restore_begin) are a whole snapshot; nothing changes.
    ///
    /// # Errors
    /// [`Malformed`] if they are none, or none was begun.
    fn restore_check(&self) -> Result<(), Malformed>;

    /// The bytes were all: their state takes the place of this one, and a freeze of this one is over.
    ///
    /// # Errors
    /// That of [`restore_check`](Self::restore_check): nothing has changed then.
    fn restore_end(&mut self) -> Result<(), Malformed>;

    /// Appends an encoding of the whole state at once.
    fn snapshot(&mut self, bytes: &mut Vec<u8>) {
        self.freeze();
        while self.chunk(1 << 16, bytes) == Chunk::More {}
    }

    /// Replaces the whole state at once with one that was written by [`snapshot`](Self::snapshot) or in chunks.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are none; the state is then unchanged.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.restore_begin();
        self.restore_chunk(bytes)?;
        self.restore_end()
    }
}
