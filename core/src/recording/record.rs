//! What stands in a block, one after the other.

use super::input;
use crate::buffer::Buffer;
use crate::codec::{Malformed, Reader, Write};
use crate::input::Input;
use crate::time::{Instant, Now, WallTime};
use alloc::vec::Vec;
use core::fmt;

/// The clocks of the turns that follow in this block.
const CLOCKS: u8 = 0x01;
/// What the turn before asked for.
const OUTPUTS: u8 = 0x02;
/// The end.
const END: u8 = 0x03;

/// One thing that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A turn.
    Turn {
        /// The clocks that it was told.
        now: Now,
        /// What it was told.
        input: Input,
    },
    /// The turn before asked for something; one without this record asked for nothing.
    Outputs {
        /// How many outputs, observations left out.
        count: u32,
        /// The hash of the outputs of this turn and of all turns before it.
        hash: u64,
    },
    /// The recording ends on purpose.
    End {
        /// Why.
        why: End,
        /// How many turns there are.
        turns: u64,
        /// The hash of all their outputs.
        hash: u64,
    },
}

/// Why a recording ends, if it was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process was asked to end.
    Stopped,
    /// The process ended its own life.
    Halted,
    /// The recording has reached its bound.
    Full,
    /// What keeps the recording was slower than the process, which does not wait for it.
    TooSlow,
    /// What keeps the recording failed.
    Failed,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Stopped => "the replica was asked to end",
            End::Halted => "the replica ended its own life",
            End::Full => "the recording had reached its limit; the replica went on",
            End::TooSlow => {
                "the recording could not be written as fast as the replica ran; the replica went on"
            }
            End::Failed => "the recording could not be written; the replica went on",
        })
    }
}

pub(super) fn put_clocks(bytes: &mut Vec<u8>, now: Now) {
    bytes.u8(CLOCKS);
    bytes.u64(now.monotonic.as_nanos());
    bytes.u64(now.wall.0 as u64);
}

pub(super) fn put_outputs(bytes: &mut Vec<u8>, count: u32, hash: u64) {
    bytes.u8(OUTPUTS);
    bytes.u32(count);
    bytes.u64(hash);
}

pub(super) fn put_end(bytes: &mut Vec<u8>, why: End, turns: u64, hash: u64) {
    bytes.u8(END);
    bytes.u8(match why {
        End::Stopped => 0,
        End::Halted => 1,
        End::Full => 2,
        End::TooSlow => 3,
        End::Failed => 4,
    });
    bytes.u64(turns);
    bytes.u64(hash);
}

/// Reads the records of one block.
pub(super) struct Records {
    content: Buffer,
    at: usize,
    now: Now,
}

impl Records {
    pub(super) fn new(content: Buffer) -> Self {
        Records { content, at: 0, now: Now::default() }
    }

    /// The next one; `None` at the end of the block.
    pub(super) fn next(&mut self) -> Result<Option<Record>, Malformed> {
        let rest = self.content.slice(self.at, self.content.len());
        let mut reader = Reader::new(&rest);
        let mut record = None;
        while record.is_none() && reader.remaining() > 0 {
            record = match reader.u8()? {
                CLOCKS => {
                    let monotonic = Instant::from_nanos(reader.u64()?);
                    self.now = Now { monotonic, wall: WallTime(reader.u64()? as i64) };
                    None
                }
                OUTPUTS => Some(Record::Outputs { count: reader.u32()?, hash: reader.u64()? }),
                END => {
                    let why = match reader.u8()? {
                        0 => End::Stopped,
                        1 => End::Halted,
                        2 => End::Full,
                        3 => End::TooSlow,
                        4 => End::Failed,
                        _ => return Err(Malformed),
                    };
                    Some(Record::End { why, turns: reader.u64()?, hash: reader.u64()? })
                }
                tag => Some(Record::Turn { now: self.now, input: input::take(tag, &mut reader, &rest)? }),
            };
        }
        self.at += reader.position();
        Ok(record)
    }
}
