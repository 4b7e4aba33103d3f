//! A value: the batch of commands that one slot decides, encoded once by the leader.
//!
//! ```text
//! batch:   time i64 | count u32 | command ...
//! command: session u64 | sequence u64 | acknowledged_below u64 | verb u8 | length u32 | payload
//! ```
//! A batch without commands is a no-op. `time` is the hybrid timestamp that its commands carry.

use super::ValueId;
use crate::client::Verb;
use crate::codec::{Malformed, Reader, Write};
use crate::id::SessionId;
use crate::time::WallTime;
use alloc::vec::Vec;
use xxhash_rust::xxh3::xxh3_64;

const HEADER: usize = 12;
const COUNT_AT: usize = 8;
/// Bytes of a command before its payload.
pub(crate) const COMMAND_HEADER: usize = 29;

/// The longest payload of a command for which a batch of at most `batch_bytes` has room.
pub(crate) fn largest_payload(batch_bytes: u32) -> usize {
    (batch_bytes as usize).saturating_sub(HEADER + COMMAND_HEADER)
}

/// A command within a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    pub(crate) session: SessionId,
    pub(crate) sequence: u64,
    pub(crate) acknowledged_below: u64,
    pub(crate) verb: Verb,
    pub(crate) payload: &'a [u8],
}

/// A batch being filled, again and again in the same place.
pub(crate) struct Builder {
    bytes: Vec<u8>,
    count: u32,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Builder { bytes: Vec::from([0; HEADER]), count: 0 }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn push(&mut self, command: &Command<'_>) {
        let mut header = [0; COMMAND_HEADER];
        header[..8].copy_from_slice(&command.session.0.to_le_bytes());
        header[8..16].copy_from_slice(&command.sequence.to_le_bytes());
        header[16..24].copy_from_slice(&command.acknowledged_below.to_le_bytes());
        header[24] = command.verb as u8;
        header[25..].copy_from_slice(&(command.payload.len() as u32).to_le_bytes());
        self.bytes.bytes(&header);
        self.bytes.bytes(command.payload);
        self.count += 1;
    }

    /// Ends the batch with its timestamp, hands it to `keep`, and begins the next one.
    pub(crate) fn seal<T>(&mut self, time: WallTime, keep: impl FnOnce(&[u8]) -> T) -> (ValueId, T) {
        self.bytes[..COUNT_AT].copy_from_slice(&time.0.to_le_bytes());
        self.bytes[COUNT_AT..HEADER].copy_from_slice(&self.count.to_le_bytes());
        let sealed = (ValueId(xxh3_64(&self.bytes)), keep(&self.bytes));
        self.bytes.truncate(HEADER);
        self.count = 0;
        sealed
    }
}

/// The timestamp of an encoded batch.
pub(crate) fn time_of(batch: &[u8]) -> Result<WallTime, Malformed> {
    Ok(WallTime(Reader::new(batch).u64()? as i64))
}

/// The commands of an encoded batch, one by one.
pub(crate) struct Commands<'a> {
    fields: Reader<'a>,
    left: u32,
}

impl<'a> Commands<'a> {
    pub(crate) fn of(batch: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(batch);
        fields.u64()?;
        let left = fields.u32()?;
        Ok(Commands { fields, left })
    }

    fn command(&mut self) -> Result<Command<'a>, Malformed> {
        let header: &[u8; COMMAND_HEADER] =
            self.fields.bytes(COMMAND_HEADER)?.try_into().map_err(|_| Malformed)?;
        let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let length = u32::from_le_bytes(header[25..].try_into().expect("four bytes"));
        let verb = match header[24] {
            1 => Verb::OpenSession,
            2 => Verb::Command,
            4 => Verb::QueryInLog,
            5 => Verb::Once,
            _ => return Err(Malformed),
        };
        Ok(Command {
            session: SessionId(word(0)),
            sequence: word(8),
            acknowledged_below: word(16),
            verb,
            payload: self.fields.bytes(length as usize)?,
        })
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = Result<Command<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(self.command())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_back_as_it_went_in() {
        let command = Command {
            session: SessionId(1),
            sequence: 2,
            acknowledged_below: 1,
            verb: Verb::Command,
            payload: b"append",
        };
        let mut builder = Builder::new();
        builder.push(&Command { sequence: 1, ..command });
        builder.seal(WallTime(76), |_| ());
        builder.push(&command);
        builder.push(&Command { sequence: 3, payload: b"", ..command });
        let (id, bytes) = builder.seal(WallTime(77), <[u8]>::to_vec);
        assert_eq!(id, ValueId(xxh3_64(&bytes)));
        assert_eq!(time_of(&bytes), Ok(WallTime(77)));
        let mut commands = Commands::of(&bytes).unwrap();
        assert_eq!(commands.next(), Some(Ok(command)));
        assert_eq!(commands.next(), Some(Ok(Command { sequence: 3, payload: b"", ..command })));
        assert_eq!(commands.next(), None);
    }

    #[test]
    fn a_batch_cut_short_is_malformed() {
        let mut builder = Builder::new();
        builder.push(&Command {
            session: SessionId(1),
            sequence: 1,
            acknowledged_below: 1,
            verb: Verb::Command,
            payload: b"append",
        });
        let (_, bytes) = builder.seal(WallTime(0), <[u8]>::to_vec);
        for end in 0..bytes.len() {
            let whole = Commands::of(&bytes[..end])
                .and_then(|commands| commands.collect::<Result<alloc::vec::Vec<_>, _>>());
            assert_eq!(whole, Err(Malformed), "{end} bytes");
        }
    }
}
