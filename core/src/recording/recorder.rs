//! Watches a process being driven, and hands over what is to be kept.

use super::block::HEAD;
use super::{End, Header, MAGIC, input, output, record};
use crate::input::Input;
use crate::output::Output;
use crate::runtime::drive::Tap;
use crate::time::{Duration, Instant, Now};
use alloc::vec::Vec;

/// A block is handed over at the end of the burst in which it came to hold so many bytes ...
const BLOCK: usize = 512 << 10;
/// ... or in which it became so old: whoever is killed loses no more than this.
const OLDEST: Duration = Duration::from_millis(100);
/// A burst that holds more than this is cut: behind a turn, so that no record is.
const MOST: usize = 64 << 20;

/// Keeps the blocks of a recording.
pub trait Sink {
    /// How many bytes in front of the next block are the sink's own, for a file that is written in whole pages.
    fn front(&self) -> usize {
        0
    }

    /// Takes `block`, in which behind the sink's [`front`](Self::front) 24 bytes are free for what [`seal`](super::seal)
    /// writes there, and leaves a vector for the next one, one that was used before if there is one. It never waits.
    ///
    /// # Errors
    /// Why it takes nothing any more; `block` was not taken. [`last`](Self::last) follows.
    fn take(&mut self, block: &mut Vec<u8>) -> Result<(), End>;

    /// Takes the small last block, whatever the bounds are.
    fn last(&mut self, block: Vec<u8>);
}

/// The flight recorder of one life. Nothing is allocated for a turn once its buffers have grown.
///
/// Dropped without [`finish`](Self::finish), as when the process panics, it hands over what it has: the recording then
/// has no end, and its last turn is the one that panicked.
pub struct Recorder<S: Sink> {
    sink: S,
    block: Vec<u8>,
    /// Where the content of the block begins in it.
    content: usize,
    scratch: Vec<u8>,
    now: Now,
    /// The reading at which the block was begun.
    begun: Option<Instant>,
    turns: u64,
    hash: u64,
    /// Turns and hash of what was handed over.
    kept: (u64, u64),
    ended: Option<End>,
}

impl<S: Sink> Recorder<S> {
    /// Begins a recording. The sink's first block is preceded by [`MAGIC`], which is the sink's to write.
    pub fn new(header: &Header, sink: S) -> Self {
        let mut recorder = Recorder {
            sink,
            block: Vec::with_capacity(BLOCK + (BLOCK >> 2)),
            content: 0,
            scratch: Vec::new(),
            now: Now::default(),
            begun: None,
            turns: 0,
            hash: u64::from_le_bytes(MAGIC),
            kept: (0, u64::from_le_bytes(MAGIC)),
            ended: None,
        };
        recorder.clear();
        header.encode(&mut recorder.block);
        recorder.hand_over();
        recorder
    }

    /// Why nothing is recorded any more; `None` while the recording goes on.
    pub fn ended(&self) -> Option<End> {
        self.ended
    }

    /// The life is over.
    pub fn finish(mut self, why: End) {
        self.hand_over();
        self.end(why);
    }

    fn hand_over(&mut self) {
        if self.ended.is_some() || self.block.len() <= self.content {
            return;
        }
        match self.sink.take(&mut self.block) {
            Ok(()) => {
                self.kept = (self.turns, self.hash);
                self.clear();
                self.begun = None;
            }
            Err(why) => self.end(why),
        }
    }

    /// Begins a block where the last one was.
    fn clear(&mut self) {
        self.content = self.sink.front() + HEAD;
        self.block.clear();
        self.block.resize(self.content, 0);
    }

    /// Ends the recording behind what was handed over.
    fn end(&mut self, why: End) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(why);
        let mut last = core::mem::take(&mut self.block);
        last.truncate(self.content);
        record::put_end(&mut last, why, self.kept.0, self.kept.1);
        self.sink.last(last);
    }
}

impl<S: Sink> Tap for Recorder<S> {
    fn input(&mut self, now: Now, input: &Input) {
        if self.ended.is_some() {
            return;
        }
        // One reading serves a whole burst.
        if self.begun.is_none() || self.now != now {
            record::put_clocks(&mut self.block, now);
            self.now = now;
        }
        self.begun.get_or_insert(now.monotonic);
        self.turns += 1;
        input::put(&mut self.block, input);
    }

    fn outputs(&mut self, outputs: &[Output]) {
        if self.ended.is_some() {
            return;
        }
        let count = output::count(outputs);
        if count > 0 {
            self.hash = output::hash(self.hash, outputs, &mut self.scratch);
            record::put_outputs(&mut self.block, count, self.hash);
        }
        if self.block.len() >= MOST {
            self.hand_over();
        }
    }

    fn burst(&mut self) {
        let old = self.begun.is_some_and(|begun| self.now.monotonic.since(begun) >= OLDEST);
        if old || self.block.len() >= BLOCK {
            self.hand_over();
        }
    }
}

impl<S: Sink> Drop for Recorder<S> {
    fn drop(&mut self) {
        self.hand_over();
    }
}
