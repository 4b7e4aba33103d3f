//! All streams of one life: who listens, which chunk belongs to whom, what is to be sent.

use super::chunk::{Chunk, flag};
use super::pipe::Pipe;
use crate::alarms::wake;
use crate::choices::Choices;
use seedfast_core::{ConnectionId, Instant, NodeId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
    /// Every stream there ever was: a late first chunk of one that is gone opens no new one.
    known: BTreeSet<Key>,
    opened: u64,
    /// Answers about streams that are not (or no longer) here.
    answers: Vec<(Path, Answer)>,
}

enum Answer {
    Reset { stream: u64 },
    EndReceived { stream: u64, received: u64 },
}

/// Unread bytes that one end keeps at most: small ones make writers wait.
const WINDOWS: [u64; 4] = [1 << 10, 8 << 10, 64 << 10, 64 << 10];

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
        self.known.insert(key);
        key
    }

    /// A chunk comes along a path.
    pub(crate) fn arrive(&mut self, path: Path, bytes: &[u8], now: Instant, choices: &Choices) {
        let Ok(chunk) = Chunk::decode(bytes) else { return };
        let key = (path, chunk.stream);
        let Some(entry) = self.entries.get_mut(&key) else {
            return self.arrive_unknown(key, &chunk, now, choices);
        };
        if !entry.owned && !chunk.payload.is_empty() {
            // Nobody will read that.
            self.entries.remove(&key);
            return self.reset(key);
        }
        let opening = entry.pipe.opening;
        if entry.pipe.arrive(&chunk, now) {
            entry.refused = opening && entry.pipe.broken;
            entry.wake();
        }
    }

    fn arrive_unknown(&mut self, key: Key, chunk: &Chunk<'_>, now: Instant, choices: &Choices) {
        if chunk.has(flag::RESET) {
            return;
        }
        if chunk.has(flag::OPEN) && !self.known.contains(&key) {
            match self.listeners.get_mut(&chunk.port) {
                // It will ask again.
                Some(listening) if listening.queue.len() >= LONGEST_QUEUE => {}
                Some(listening) => {
                    listening.queue.push_back(key);
                    wake(&mut listening.waker);
                    let pipe = Pipe::accept(chunk, Self::window(choices), now);
                    self.entries.insert(key, Self::entry(pipe, choices));
                    self.known.insert(key);
                }
                None => self.reset(key),
            }
        } else if chunk.has(flag::END) && self.known.contains(&key) {
            // Both ends had ended, and the other one has not heard of it.
            let received = chunk.at + chunk.payload.len() as u64 + 1;
            self.answers.push((key.0, Answer::EndReceived { stream: key.1, received }));
        } else if chunk.flags != 0 || !chunk.payload.is_empty() {
            self.reset(key);
        }
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
        if entry.pipe.opening || !entry.pipe.unread.is_empty() {
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
                Answer::EndReceived { stream, received } => {
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
            self.entries.retain(|_, entry| !Self::is_done(entry));
        }
    }

    fn is_done(entry: &Entry) -> bool {
        let pipe = &entry.pipe;
        !entry.owned && (pipe.broken || (pipe.ended && pipe.end_acknowledged))
    }
}
