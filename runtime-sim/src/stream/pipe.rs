//! One end of a byte stream over messages that may be lost, doubled and reordered: what TCP does, in small.
//!
//! Sans-IO: chunks in, chunks out, a deadline. Bytes have offsets; the receiver says up to where it has them and up to
//! where it has room, both as offsets, so that a chunk that is late or doubled says nothing new. What is not
//! acknowledged in time is sent again from there on (go back N), less and less often, and after [`TRIES`] without an
//! answer the stream is broken. A sender without credit asks for it in the same way. The end of a half counts as one
//! byte behind its last one.
//!
//! Never: a byte out of order, doubled or invented; more than the window in the receiver's hands.

use super::chunk::{Chunk, flag};
use seedfast_core::{Duration, Instant};
use std::collections::VecDeque;

/// After so many unanswered attempts a stream is broken.
const TRIES: u32 = 10;
/// After so many an attempt to open one is given up.
const TRIES_TO_OPEN: u32 = 5;
const FIRST_RESEND: Duration = Duration::from_millis(250);
const LONGEST_RESEND: Duration = Duration::from_secs(2);
/// An acknowledgement waits so long for bytes to ride with.
const LATE_ACKNOWLEDGEMENT: Duration = Duration::from_millis(20);
/// No chunk holds more bytes.
const LARGEST_CHUNK: usize = 32 << 10;

/// One end.
#[derive(Debug)]
pub(crate) struct Pipe {
    stream: u64,
    port: u16,
    /// This end opened it, and has not heard from the other one yet.
    pub(crate) opening: bool,
    /// The other end opened it and has heard that this one is here: it is no late first chunk of somebody gone.
    pub(crate) confirmed: bool,
    pub(crate) broken: bool,

    /// Taken from the writer and not sent.
    backlog: VecDeque<u8>,
    /// Sent and not acknowledged: begins at offset `acknowledged`.
    flight: VecDeque<u8>,
    acknowledged: u64,
    limit: u64,
    /// The writer has closed this half.
    pub(crate) closed: bool,
    end_sent: bool,
    pub(crate) end_acknowledged: bool,
    resend_at: Option<Instant>,
    tries: u32,

    /// Received in order and not read.
    pub(crate) unread: VecDeque<u8>,
    received: u64,
    window: u64,
    /// The limit that the other end was told.
    told: u64,
    pub(crate) ended: bool,
    /// An acknowledgement is due then.
    acknowledge_at: Option<Instant>,
    probe: bool,
}

impl Pipe {
    fn new(stream: u64, port: u16, window: u64) -> Self {
        Pipe {
            stream,
            port,
            opening: false,
            confirmed: true,
            broken: false,
            backlog: VecDeque::new(),
            flight: VecDeque::new(),
            acknowledged: 0,
            limit: 0,
            closed: false,
            end_sent: false,
            end_acknowledged: false,
            resend_at: None,
            tries: 0,
            unread: VecDeque::new(),
            received: 0,
            window,
            told: 0,
            ended: false,
            acknowledge_at: None,
            probe: false,
        }
    }

    /// This end opens the stream; it takes up to `window` bytes that nobody has read.
    pub(crate) fn open(stream: u64, port: u16, window: u64) -> Self {
        Pipe { opening: true, probe: true, ..Pipe::new(stream, port, window) }
    }

    /// The other end opened it.
    pub(crate) fn accept(chunk: &Chunk<'_>, window: u64, now: Instant) -> Self {
        let mut pipe = Pipe::new(chunk.stream, chunk.port, window);
        (pipe.confirmed, pipe.probe) = (false, true);
        pipe.arrive(chunk, now);
        pipe
    }

    /// A chunk of this stream arrives; true if something changed that a reader or a writer may wait for.
    pub(crate) fn arrive(&mut self, chunk: &Chunk<'_>, now: Instant) -> bool {
        if self.broken {
            return false;
        }
        if chunk.has(flag::RESET) {
            self.broken = true;
            return true;
        }
        let mut news = core::mem::take(&mut self.opening);
        self.confirmed |= !chunk.has(flag::OPEN);
        self.tries = 0;
        news |= self.credit(chunk, now);
        if chunk.has(flag::OPEN | flag::PROBE) {
            self.acknowledge_at = Some(now);
        }
        news | self.take_in(chunk, now)
    }

    /// What the chunk says about this end's half.
    fn credit(&mut self, chunk: &Chunk<'_>, now: Instant) -> bool {
        let sent = self.acknowledged + self.flight.len() as u64;
        let mut news = false;
        if chunk.received > self.acknowledged && chunk.received <= sent + u64::from(self.end_sent) {
            let bytes = chunk.received.min(sent) - self.acknowledged;
            self.flight.drain(..bytes as usize);
            self.acknowledged += bytes;
            self.end_acknowledged |= self.end_sent && chunk.received > sent;
            self.resend_at = self.waits_for_an_answer().then_some(now + FIRST_RESEND);
            news = true;
        }
        if chunk.limit > self.limit {
            self.limit = chunk.limit;
            news = true;
        }
        news
    }

    /// The chunk's bytes, as far as they are the next ones.
    fn take_in(&mut self, chunk: &Chunk<'_>, now: Instant) -> bool {
        let end = chunk.at + chunk.payload.len() as u64;
        let is_end = chunk.has(flag::END);
        if chunk.payload.is_empty() && !is_end {
            return false;
        }
        let old = end < self.received || (end == self.received && !is_end);
        if self.ended || old || chunk.at > self.received {
            // Nothing new, or a gap: say at once what is missing.
            self.acknowledge_at = Some(now);
            return false;
        }
        let fresh = &chunk.payload[(self.received - chunk.at) as usize..];
        let room = (self.told - self.received) as usize;
        let taken = &fresh[..fresh.len().min(room)];
        self.unread.extend(taken);
        self.received += taken.len() as u64;
        let whole = taken.len() == fresh.len();
        self.ended = is_end && whole;
        let soon = self.ended || !whole || self.told - self.received < self.window / 2;
        let due = if soon { now } else { now + LATE_ACKNOWLEDGEMENT };
        self.acknowledge_at = Some(self.acknowledge_at.map_or(due, |earlier| earlier.min(due)));
        !taken.is_empty() || self.ended
    }

    fn waits_for_an_answer(&self) -> bool {
        let end_under_way = self.end_sent && !self.end_acknowledged;
        self.opening
            || !self.confirmed
            || !self.flight.is_empty()
            || end_under_way
            || !self.backlog.is_empty()
    }

    /// Takes bytes to send.
    pub(crate) fn write(&mut self, bytes: &mut Vec<u8>) {
        if !self.broken && !self.closed {
            self.backlog.extend(bytes.iter());
        }
        bytes.clear();
    }

    /// Whether the chunk brings bytes that this end does not have.
    pub(crate) fn is_news(&self, chunk: &Chunk<'_>) -> bool {
        !self.ended && chunk.at + chunk.payload.len() as u64 > self.received
    }

    /// Up to which offset this end has the other half, its end included.
    pub(crate) fn received(&self) -> u64 {
        self.received + u64::from(self.ended)
    }

    /// How many bytes were taken and not sent.
    pub(crate) fn backlog(&self) -> usize {
        self.backlog.len()
    }

    /// Moves at most `most` bytes to the reader.
    pub(crate) fn read(&mut self, into: &mut Vec<u8>, most: usize, now: Instant) -> usize {
        let count = self.unread.len().min(most);
        into.extend(self.unread.drain(..count));
        // Half a window of room that the other end does not know of is worth a chunk of its own.
        if !self.ended && self.own_limit() - self.told >= self.window.div_ceil(2) {
            self.acknowledge_at = Some(now);
        }
        count
    }

    fn own_limit(&self) -> u64 {
        self.received - self.unread.len() as u64 + self.window
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.broken {
            return None;
        }
        [self.resend_at, self.acknowledge_at].into_iter().flatten().min()
    }

    /// Time has passed; true if the stream broke.
    pub(crate) fn tick(&mut self, now: Instant) -> bool {
        if self.broken || self.resend_at.is_none_or(|at| at > now) {
            return false;
        }
        self.tries += 1;
        if self.tries > if self.opening { TRIES_TO_OPEN } else { TRIES } {
            self.broken = true;
            return true;
        }
        self.resend_at = None;
        // Everything that was not acknowledged goes out again, in front of what waits.
        while let Some(byte) = self.flight.pop_back() {
            self.backlog.push_front(byte);
        }
        self.end_sent = false;
        self.probe = true;
        false
    }

    /// Writes the next chunk that is to be sent now, if there is one. `cut` shortens a chunk: it is given the bytes
    /// that could go and answers how many do, at least one.
    pub(crate) fn emit(&mut self, now: Instant, cut: impl Fn(usize) -> usize, out: &mut Vec<u8>) -> bool {
        if self.broken {
            return false;
        }
        let at = self.acknowledged + self.flight.len() as u64;
        let credit = self.limit.saturating_sub(at) as usize;
        let most = self.backlog.len().min(credit).min(LARGEST_CHUNK);
        let count = if most > 0 { cut(most) } else { 0 };
        let end = self.closed && !self.end_sent && !self.opening && self.backlog.len() == count;
        let due = self.acknowledge_at.is_some_and(|at| at <= now);
        if count == 0 && !end && !due && !self.probe {
            if !self.backlog.is_empty() && self.resend_at.is_none() {
                // No credit: ask for it later.
                self.resend_at = Some(now + self.patience());
            }
            return false;
        }
        let probe = core::mem::take(&mut self.probe);
        let flags = [(self.opening, flag::OPEN), (end, flag::END), (probe, flag::PROBE)];
        let flags = flags.iter().filter(|(set, _)| *set).fold(0, |flags, (_, flag)| flags | flag);
        let sent = self.flight.len();
        self.flight.extend(self.backlog.drain(..count));
        self.end_sent |= end;
        self.told = self.own_limit();
        self.acknowledge_at = None;
        let (stream, port, received, limit) = (self.stream, self.port, self.received(), self.told);
        let payload = &self.flight.make_contiguous()[sent..];
        Chunk { flags, port, stream, at, received, limit, payload }.encode(out);
        if self.resend_at.is_none() && self.waits_for_an_answer() {
            self.resend_at = Some(now + self.patience());
        }
        true
    }

    fn patience(&self) -> Duration {
        FIRST_RESEND.times(1 << self.tries.min(8)).min(LONGEST_RESEND)
    }
}
