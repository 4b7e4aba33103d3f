//! One client's connection, from its first byte to its last.

use super::desk::{Desk, Goes};
use super::service::{Counter, Service};
use crate::resp::Parser;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Context, Poll};
use seedfast_core::Buffer;
use seedfast_core::runtime::Stream;
use seedfast_core::runtime::clients::Connection;

/// Serves one client until either end closes: after `QUIT`, after bytes that are no request, once the client has closed
/// its half and has all its replies, when the service [stops](Service::stop), or when the client lets more replies
/// pile up than [`Limits::held`](super::Limits::held). Dropping the future closes at once.
pub async fn serve<S: Stream>(service: Service, stream: S, connection: Connection) {
    let parser = Parser::new(service.settings().limits.requests);
    let mut task = Task {
        desk: Desk::new(service),
        stream,
        connection,
        parser,
        input: Vec::new(),
        answers: Vec::new(),
        phase: Phase::Open,
        starved: true,
        finished: false,
    };
    poll_fn(|cx| task.poll(cx)).await;
}

struct Task<S> {
    desk: Desk,
    stream: S,
    connection: Connection,
    parser: Parser,
    /// What was read and is no whole request yet.
    input: Vec<u8>,
    answers: Vec<Buffer>,
    phase: Phase,
    /// Whether `input` holds no whole request.
    starved: bool,
    /// Whether the client has closed its half.
    finished: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Nothing more is read as requests; replies still go out.
    Ending,
    /// Everything was written and our half is closed. What the client still sends is read and thrown away, because
    /// closing over unread bytes would take our last words back from the network.
    Lingering {
        thrown_away: usize,
    },
}

/// The connection is over.
struct Over;

/// A task that has gone round so often lets others run.
const ROUNDS: usize = 16;
/// How much of a client that was told goodbye is read on.
const LINGER: usize = 1 << 20;
/// Buffers larger than this are given back when they are empty.
const LARGEST_KEPT: usize = 256 << 10;

impl<S: Stream> Task<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS {
            match self.round(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(Over) => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does what can be done now; whether anything was. If not, every source will wake this task.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<bool, Over> {
        self.desk.client.remember(cx);
        if self.desk.service.is_stopping() {
            match self.phase {
                Phase::Open => self.phase = Phase::Ending,
                Phase::Ending => {}
                // Nobody waits for what such a client may still send.
                Phase::Lingering { .. } => return Err(Over),
            }
        }
        let mut progress = self.take_answers(cx)?;
        progress |= self.release(cx)?;
        progress |= self.take_requests();
        progress |= self.send(cx)?;
        progress |= self.read(cx)?;
        Ok(progress)
    }

    fn take_answers(&mut self, cx: &mut Context<'_>) -> Result<bool, Over> {
        if self.connection.poll_answers(cx, &mut self.answers).is_pending() {
            return Ok(false);
        }
        let Desk { service, batch, replies, .. } = &mut self.desk;
        for frame in self.answers.drain(..) {
            // The replicas' frames are ours; one that makes no sense leaves nothing to rely on.
            let answered = replies.accept(frame, service).map_err(|_| Over)?;
            if let Some(in_log) = answered {
                batch.answered(in_log.0);
            }
        }
        Ok(true)
    }

    /// Replies whose turn has come, as long as the client takes them.
    fn release(&mut self, cx: &mut Context<'_>) -> Result<bool, Over> {
        let mut progress = false;
        while self.may_write() {
            let Desk { service, replies, out, .. } = &mut self.desk;
            if !replies.release(cx, service, out).map_err(|_| Over)? {
                break;
            }
            progress = true;
        }
        Ok(progress)
    }

    fn may_write(&self) -> bool {
        self.desk.out.len() + self.stream.backlog() < self.desk.service.settings().limits.output
    }

    fn may_take(&self) -> bool {
        self.desk.replies.len() < self.desk.service.settings().limits.waiting && self.may_write()
    }

    /// Hands over what was gathered, and gathers more once all of it was.
    fn take_requests(&mut self) -> bool {
        let mut progress = false;
        loop {
            let Desk { service, batch, replies, .. } = &mut self.desk;
            progress |= batch.submit(&self.connection, replies, service);
            if !batch.is_empty() || !self.gather() {
                return progress;
            }
            progress = true;
        }
    }

    /// Takes the requests that have come whole; whether there was any.
    fn gather(&mut self) -> bool {
        let (mut start, mut any) = (0, false);
        self.starved = false;
        while self.phase == Phase::Open && self.desk.batch.has_room() && self.may_take() {
            match self.parser.next(&self.input[start..]) {
                Ok((Some(args), consumed)) => {
                    start += consumed;
                    any = true;
                    if self.desk.take(args) == Goes::ToItsEnd {
                        self.phase = Phase::Ending;
                    }
                }
                Ok((None, consumed)) => {
                    start += consumed;
                    self.starved = true;
                    break;
                }
                Err(error) => {
                    any = true;
                    self.desk.refuse(error);
                    self.phase = Phase::Ending;
                }
            }
        }
        self.desk.batch.close();
        if start == self.input.len() {
            self.input.clear();
            self.input.shrink_to(LARGEST_KEPT);
        } else {
            self.input.drain(..start);
        }
        any
    }

    fn send(&mut self, cx: &mut Context<'_>) -> Result<bool, Over> {
        let blocked = !self.may_write();
        let Desk { service, replies, out, .. } = &mut self.desk;
        let limits = service.settings().limits;
        if !out.is_empty() {
            service.add(Counter::BytesOut, out.len());
            self.stream.write(out);
            out.clear();
            out.shrink_to(LARGEST_KEPT);
        }
        let flushed = match self.stream.poll_flush(cx) {
            Poll::Ready(Err(_)) => return Err(Over),
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
        };
        if self.stream.backlog() + replies.held() > limits.held {
            service.add(Counter::Overflowed, 1);
            return Err(Over);
        }
        let owing = !replies.is_empty() || !self.desk.batch.is_empty();
        if self.phase == Phase::Ending && flushed && !owing {
            self.stream.close();
            if self.finished {
                return Err(Over);
            }
            self.phase = Phase::Lingering { thrown_away: 0 };
            return Ok(true);
        }
        // There is room again for what waited for it.
        Ok(blocked && self.may_write())
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Over> {
        let most = self.desk.service.settings().limits.read;
        match self.phase {
            Phase::Open if !self.desk.batch.is_empty() || !self.may_take() => return Ok(false),
            // What was read already comes first.
            Phase::Open if !self.starved => return Ok(true),
            Phase::Ending => return Ok(false),
            Phase::Open | Phase::Lingering { .. } => {}
        }
        let count = match self.stream.poll_read(cx, &mut self.input, most) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(_)) => return Err(Over),
            Poll::Ready(Ok(count)) => count,
        };
        match &mut self.phase {
            Phase::Lingering { thrown_away } => {
                *thrown_away += count;
                self.input.clear();
                if count == 0 || *thrown_away > LINGER {
                    return Err(Over);
                }
            }
            phase if count == 0 => {
                *phase = Phase::Ending;
                self.finished = true;
            }
            _ => self.desk.service.add(Counter::BytesIn, count),
        }
        Ok(true)
    }
}
