//! One recording on its way into its file, by a thread of its own.

use super::pages::{self, PAGE, Pages};
use super::shelf::Shelf;
use crate::trouble::Trouble;
use seedfast_core::recording::{End, MAGIC, Sink, seal};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use tracing::{info, warn};

/// So many bytes may wait for the thread before the recording ends: it is the memory that a slow disk can cost.
const MOST_WAITING: u64 = 64 << 20;
/// Room for the block that says why a recording ends, and for the rest of its page.
const LAST: u64 = 64 + PAGE as u64;
/// A block has so much room besides what stood in the one before: in front of it, and behind it to the end of its page.
const AROUND: usize = 3 * PAGE;

#[derive(Default)]
struct Shared {
    /// Bytes handed over and not written yet.
    waiting: AtomicU64,
    failed: AtomicBool,
}

/// The driver's end: it hands blocks over and never waits.
pub(super) struct Tape {
    path: PathBuf,
    limit: u64,
    /// How many bytes the recording has, with those that wait.
    length: u64,
    /// Whether the file is written in whole pages.
    paged: bool,
    /// How many bytes stand in front of the next block.
    front: usize,
    shared: Arc<Shared>,
    /// None once everything was handed over.
    blocks: Option<Sender<Block>>,
    spare: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
}

impl Tape {
    /// Begins a recording on `shelf`.
    ///
    /// # Errors
    /// Its file cannot be made, or no thread started.
    pub(super) fn begin(shelf: Shelf) -> Result<Tape, Trouble> {
        let (path, file, direct) = shelf.create()?;
        Tape::into(path, file, direct, shelf)
    }

    fn into(path: PathBuf, file: File, direct: Option<File>, shelf: Shelf) -> Result<Tape, Trouble> {
        let limit = shelf.limit();
        let shared = Arc::new(Shared::default());
        let (blocks, written) = channel();
        let (give_back, spare) = channel();
        let (paged, file) = (direct.is_some(), Pages::new(file, direct));
        let writer = Writer { file, shelf, number: 0, shared: shared.clone(), give_back };
        let name = path.display().to_string();
        let thread = Builder::new().name("recorder".into()).spawn(move || writer.run(&written, &name));
        let thread = thread.map_err(|why| {
            Trouble::usage(format!("no thread to write a recording: {why}; leave out --record"))
        })?;
        info!(file = %path.display(), "everything that this replica is told is recorded");
        let (blocks, thread) = (Some(blocks), Some(thread));
        let (length, front) = (MAGIC.len() as u64, 0);
        Ok(Tape { path, limit, length, paged, front, shared, blocks, spare, thread })
    }

    fn hand_over(&mut self, bytes: Vec<u8>) {
        let block = Block { bytes, front: self.front };
        let bytes = block.length();
        self.length += bytes;
        self.shared.waiting.fetch_add(bytes, Ordering::Relaxed);
        if let Some(blocks) = &self.blocks {
            // Whoever does not listen any more has said why.
            let _ = blocks.send(block);
        }
    }

    fn refused(&self, bytes: u64) -> Option<End> {
        if self.shared.failed.load(Ordering::Relaxed) {
            return Some(End::Failed);
        }
        if self.length + bytes + LAST > self.limit {
            return Some(End::Full);
        }
        let waiting = self.shared.waiting.load(Ordering::Relaxed);
        (waiting + bytes > MOST_WAITING && waiting > 0).then_some(End::TooSlow)
    }
}

impl Sink for Tape {
    fn front(&self) -> usize {
        self.front
    }

    fn take(&mut self, block: &mut Vec<u8>) -> Result<(), End> {
        if let Some(end) = self.refused((block.len() - self.front) as u64) {
            let file = self.path.display();
            warn!(%file, "the recording of this life ends here: {end}");
            return Err(end);
        }
        let spare = self.spare.try_recv();
        let spare = spare.unwrap_or_else(|_| Vec::with_capacity(block.capacity().max(block.len() + AROUND)));
        self.hand_over(std::mem::replace(block, spare));
        if self.paged {
            self.front = pages::front(block, self.length);
        }
        Ok(())
    }

    fn last(&mut self, block: Vec<u8>) {
        self.hand_over(block);
    }
}

impl Drop for Tape {
    /// Everything that was handed over is in the file before the program ends, also when it panics.
    fn drop(&mut self) {
        self.blocks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What is handed over.
struct Block {
    bytes: Vec<u8>,
    /// Where in `bytes` it begins.
    front: usize,
}

impl Block {
    fn length(&self) -> u64 {
        (self.bytes.len() - self.front) as u64
    }
}

/// The thread's end.
struct Writer {
    file: Pages,
    shelf: Shelf,
    number: u32,
    shared: Arc<Shared>,
    give_back: Sender<Vec<u8>>,
}

impl Writer {
    fn run(mut self, blocks: &Receiver<Block>, name: &str) {
        let mut begun = self.write(&mut MAGIC.to_vec(), 0);
        for mut block in blocks {
            let length = block.length();
            let Block { bytes, front } = &mut block;
            let front = *front;
            seal(&mut bytes[front..], self.number);
            self.number += 1;
            let written = std::mem::replace(&mut begun, Ok(())).and_then(|()| self.write(bytes, front));
            if let Err(why) = written {
                warn!(file = name, "the recording cannot be written: {why}; it ends here");
                self.shared.failed.store(true, Ordering::Relaxed);
                // What the file holds of this block is a torn tail.
                return;
            }
            self.shared.waiting.fetch_sub(length, Ordering::Relaxed);
            let mut spare = block.bytes;
            spare.clear();
            let _ = self.give_back.send(spare);
        }
        // If that fails, zeros stand behind the last block, as behind one that was never written.
        let _ = self.file.end();
    }

    fn write(&mut self, bytes: &mut Vec<u8>, front: usize) -> io::Result<()> {
        self.shelf.make_room(self.file.length_with(bytes.len() - front))?;
        self.file.append(bytes, front)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::NodeId;
    use std::io::{PipeReader, Read};
    use std::os::fd::OwnedFd;
    use std::path::Path;

    const BLOCK: usize = 256 << 10;

    /// A tape that leads into `file`.
    fn tape(file: File) -> Tape {
        let shelf = Shelf::open(&std::env::temp_dir(), NodeId(63), u64::MAX).expect("it can be looked at");
        Tape::into("nowhere".into(), file, None, shelf).expect("a thread can be started")
    }

    /// Hands blocks over until one is refused; how many were taken, and why no more.
    fn fill(tape: &mut Tape) -> (usize, End) {
        let mut taken = 0;
        loop {
            let mut block = vec![0; BLOCK];
            match tape.take(&mut block) {
                Ok(()) => taken += 1,
                Err(why) => return (taken, why),
            }
        }
    }

    fn pipe() -> (PipeReader, File) {
        let (reader, writer) = io::pipe().expect("a pipe");
        (reader, File::from(OwnedFd::from(writer)))
    }

    #[test]
    fn a_disk_that_is_too_slow_costs_a_bounded_memory_and_never_a_wait() {
        let (mut reader, file) = pipe();
        let mut tape = tape(file);
        let (taken, why) = fill(&mut tape);
        assert_eq!(why, End::TooSlow);
        let most = MOST_WAITING as usize / BLOCK;
        assert!((most..=most + 1).contains(&taken), "{taken} blocks");
        // What was taken is written as soon as that is possible.
        let reading = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map(|_| bytes.len())
        });
        drop(tape);
        assert_eq!(reading.join().expect("no panic").expect("a pipe"), MAGIC.len() + taken * BLOCK);
    }

    #[test]
    fn a_disk_that_fails_ends_the_recording() {
        let full = File::options().write(true).open(Path::new("/dev/full")).expect("it is always there");
        let mut tape = tape(full);
        let end = loop {
            let (_, end) = fill(&mut tape);
            // Until the thread has tried, it may look slow.
            if end != End::TooSlow {
                break end;
            }
        };
        assert_eq!(end, End::Failed);
    }
}
