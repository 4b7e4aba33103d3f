//! What a user of the core writes: a deterministic state machine that every replica applies commands to.

use crate::time::WallTime;
use alloc::vec::Vec;

/// A replicated state machine. Everything it does must follow from its state and its arguments alone.
pub trait StateMachine {
    /// Carries out one decided command and appends the reply to `reply`. `time` is the command's hybrid timestamp,
    /// equal on every replica and never decreasing: the only clock a state machine has. Commands that make no sense
    /// are answered with an error reply; they must not panic.
    fn apply(&mut self, time: WallTime, command: &[u8], reply: &mut Vec<u8>);

    /// Answers a question without changing anything, appending to `reply`.
    fn query(&self, query: &[u8], reply: &mut Vec<u8>);

    /// A digest of the whole state: equal states give equal digests on every machine.
    fn digest(&self) -> u64;

    /// Appends an encoding of the whole state.
    fn snapshot(&self, bytes: &mut Vec<u8>);

    /// Replaces the whole state with one that [`snapshot`](Self::snapshot) wrote.
    ///
    /// # Errors
    /// [`Malformed`](crate::codec::Malformed) if the bytes are none; the state is then unchanged.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), crate::codec::Malformed>;
}
