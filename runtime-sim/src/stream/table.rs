//! All streams of one life: who listens, which chunk belongs to whom, what is to be sent.

use super::chunk::{Chunk, flag};
use super::pipe::Pipe;
use crate::alarms::wake;
use crate::choices::Choices;
use seedfast_core::{ConnectionId, Instant, NodeId};
use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

/// Which way a stream's chunks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Path {
    /// From a client to a node: requests.
    Server(NodeId),
    /// From a node to a client: responses on this connection.
    Client(ConnectionId),
    /// Between nodes: frames.
    Peer(NodeId),
    /// From this node to itself, by the end that opened the stream.
    Out,
    /// The other end of that.
    In,
}

/// A stream of this life: its way, and the name that its opener gave it.
pub(crate) type Key = (Path, u64);

/// A stream that nobody accepts stands in a queue of at most so many.
const LONGEST_QUEUE: usize = 128;

/// What one end of a stream is here.
pub(crate) struct Entry {
    pub(crate) pipe: Pipe,
    /// A handle of it exists, or it waits to be accepted.
    pub(crate) owned: bool,
    /// The other end said that nobody listens.
    pub(crate) refused: bool,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
    /// Its chunks are cut at drawn places.
    cuts: bool,
}

impl Entry {
    fn wake(&mut self) {
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

#[derive(Default)]
pub(crate) struct Listening {
    pub(crate) queue: VecDeque<Key>,
    pub(crate) waker: Option<Waker>,
}

/// Every stream and every listener.
#[derive(Default)]
pub(crate) struct Streams {
    pub(crate) entries: BTreeMap<Key, Entry>,
    pub(crate) listeners: BTreeMap<u16, Listening>,
    /// Every stream there ever was, and up to which offset it was received if it came to its end: a late first chunk
    /// opens no new one, and who has not heard of the end hears of it.
    known: BTreeMap<Key, Option<u64>>,
    opened: u64,
    /// Answers about streams that are not (or no longer) here.
    answers: Vec<(Path, Answer)>,
}

enum Answer {
    Reset { stream: u64 },
    Ended { stream: u64, received: u64 },
}

/// Unread bytes that one end keeps at most: small ones make writers wait.
const WINDOWS: [u64; 4] = [4 << 10, 16 << 10, 64 << 10, 64 << 10];

impl Streams {
    fn entry(pipe: Pipe, choices: &Choices) -> Entry {
        let cuts = choices.below(4) == 0;
        Entry { pipe, owned: true, refused: false, reader: None, writer: None, cuts }
    }

    fn window(choices: &Choices) -> u64 {
        WINDOWS[choices.below(WINDOWS.len())]
    }

    /// Opens a stream. `prefix` tells this life's streams from all others in its top 32 bits.
    pub(crate) fn open(&mut self, path: Path, port: u16, prefix: u64, choices: &Choices) -> Key {
        self.opened += 1;
        let key = (path, prefix << 32 | self.opened);
        let pipe = Pipe::open(key.1, port, Self::window(choices));
        self.entries.insert(key, Self::entry(pipe, choices));
        self.known.insert(key, None);
        key
    }

    /// A chunk comes along a path.
    pub(crate) fn arrive(&mut self, path: Path, bytes: &[u8], now: Instant, choices: &Choices) {
        let Ok(chunk) = Chunk::decode(bytes) else { return };
        let key = (path, chunk.stream);
        let Some(entry) = self.entries.get_mut(&key) else {
            return self.arrive_unknown(key, &chunk, now, choices);
        };
        if !entry.owned && entry.pipe.is_news(&chunk) {
            // Nobody will read that.
            self.entries.remove(&key);
            return self.reset(key);
        }
        let (opening, confirmed) = (entry.pipe.opening, entry.pipe.confirmed);
        if entry.pipe.arrive(&chunk, now) {
            entry.refused = opening && entry.pipe.broken;
            entry.wake();
        }
        if !confirmed && entry.pipe.confirmed {
            match self.listeners.get_mut(&chunk.port) {
                Some(listening) => {
                    listening.queue.push_back(key);
                    wake(&mut listening.waker);
                }
                None => {
                    self.entries.remove(&key);
                    self.reset(key);
                }
            }
        }
    }

    fn arrive_unknown(&mut self, key: Key, chunk: &Chunk<'_>, now: Instant, choices: &Choices) {
        if chunk.has(flag::RESET) {
            return;
        }
        match self.known.get(&key) {
            // Both ends had ended, and the other one has not heard of it.
            Some(Some(received)) => {
                self.answers.push((key.0, Answer::Ended { stream: key.1, received: *received }));
            }
            None if chunk.has(flag::OPEN) => self.arrive_first(key, chunk, now, choices),
            _ => self.reset(key),
        }
    }

    fn arrive_first(&mut self, key: Key, chunk: &Chunk<'_>, now: Instant, choices: &Choices) {
        match self.listeners.get(&chunk.port).map(|listening| listening.queue.len()) {
            // It will ask again.
            Some(LONGEST_QUEUE..) => return,
            Some(_) => {
                let pipe = Pipe::accept(chunk, Self::window(choices), now);
                self.entries.insert(key, Self::entry(pipe, choices));
            }
            None => self.reset(key),
        }
        self.known.insert(key, None);
    }

    fn reset(&mut self, (path, stream): Key) {
        self.answers.push((path, Answer::Reset { stream }));
    }

    /// Whatever went this way is gone: the other end's process, or its connection.
    pub(crate) fn break_path(&mut self, path: Path) {
        for (_, entry) in self.entries.range_mut((path, 0)..=(path, u64::MAX)) {
            entry.refused = entry.pipe.opening;
            entry.pipe.broken = true;
            entry.wake();
        }
    }

    /// The handle of a stream is gone.
    pub(crate) fn disown(&mut self, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.owned = false;
        entry.pipe.closed = true;
        entry.pipe.unread.clear();
        if entry.pipe.opening {
            self.entries.remove(&key);
            self.reset(key);
        }
    }

    /// Nobody listens at `port` any more; whoever waits there is refused.
    pub(crate) fn stop_listening(&mut self, port: u16) {
        for key in self.listeners.remove(&port).into_iter().flat_map(|listening| listening.queue) {
            self.entries.remove(&key);
            self.reset(key);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.entries.values().filter_map(|entry| entry.pipe.deadline()).min()
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        for entry in self.entries.values_mut() {
            if entry.pipe.tick(now) {
                entry.wake();
            }
        }
    }

    /// Hands every chunk that is to be sent now to `send`, and forgets streams that are done with.
    pub(crate) fn flush(&mut self, now: Instant, choices: &Choices, mut send: impl FnMut(Path, Vec<u8>)) {
        for (path, answer) in self.answers.drain(..) {
            let chunk = match answer {
                Answer::Reset { stream } => Chunk { flags: flag::RESET, stream, ..Chunk::default() },
                Answer::Ended { stream, received } => {
                    Chunk { stream, received, limit: received, ..Chunk::default() }
                }
            };
            let mut bytes = Vec::new();
            chunk.encode(&mut bytes);
            send(path, bytes);
        }
        let mut done = false;
        for ((path, _), entry) in &mut self.entries {
            let cuts = entry.cuts;
            let cut = |most: usize| {
                if cuts && choices.below(2) == 0 { choices.below(most) + 1 } else { most }
            };
            let waiting = entry.pipe.backlog() > 0;
            loop {
                let mut bytes = Vec::new();
                if !entry.pipe.emit(now, cut, &mut bytes) {
                    break;
                }
                send(*path, bytes);
            }
            if waiting && entry.pipe.backlog() == 0 {
                wake(&mut entry.writer);
            }
            done |= Self::is_done(entry);
        }
        if done {
            for (key, entry) in self.entries.extract_if(.., |_, entry| Self::is_done(entry)) {
                self.known.insert(key, (!entry.pipe.broken).then(|| entry.pipe.received()));
            }
        }
    }

    fn is_done(entry: &Entry) -> bool {
        let pipe = &entry.pipe;
        pipe.broken && !(entry.owned && pipe.confirmed) || !entry.owned && pipe.ended && pipe.end_acknowledged
    }
}
