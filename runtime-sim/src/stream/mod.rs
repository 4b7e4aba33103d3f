//! Byte streams: over the world's client connections, over frames between nodes, and within one node.
//!
//! The world's connections lose what meets a cut, and frames may come twice or damaged; so a stream is cut into chunks
//! ([`chunk`]) and each end is a small machine that acknowledges, sends again and gives credit ([`pipe`]). What code
//! sees is what TCP shows it: bytes in order in pieces of any size, a writer that has to wait for the reader, the end
//! of one half, a stream that breaks.

mod chunk;
mod pipe;
#[cfg(test)]
mod pipe_tests;
mod table;

pub(crate) use table::{Key, Path, Streams};

use crate::runtime::SimRuntime;
use seedfast_core::NodeId;
use seedfast_core::runtime::{Error, Listener, Stream, remember};
use std::task::{Context, Poll};

/// One end of a byte stream.
pub struct SimStream {
    runtime: SimRuntime,
    key: Key,
}

/// A port that streams come to.
pub struct SimListener {
    runtime: SimRuntime,
    node: NodeId,
    port: u16,
}

/// An address: `n3:7000` is port 7000 of node 3.
///
/// # Errors
/// It is none.
pub(crate) fn parse(address: &str) -> Result<(NodeId, u16), Error> {
    let parts = address.strip_prefix('n').and_then(|rest| rest.split_once(':'));
    let parsed = parts.and_then(|(node, port)| Some((NodeId(node.parse().ok()?), port.parse().ok()?)));
    parsed.ok_or_else(|| Error::Invalid(format!("`{address}` is no address: write `n3:7000` for node 3")))
}

impl SimStream {
    pub(crate) fn new(runtime: SimRuntime, key: Key) -> Self {
        SimStream { runtime, key }
    }

    /// Whether it is open: `Err` says why it never will be.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let (path, _) = self.key;
        let mut streams = self.runtime.streams();
        let Some(entry) = streams.entries.get_mut(&self.key) else {
            return Poll::Ready(Err(Error::Broken));
        };
        if entry.pipe.broken {
            let whom = match path {
                Path::Server(node) | Path::Peer(node) => node.to_string(),
                _ => "this node".to_string(),
            };
            let error = if entry.refused { Error::Refused(whom) } else { Error::Unreachable(whom) };
            return Poll::Ready(Err(error));
        }
        if entry.pipe.opening {
            remember(&mut entry.reader, cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.runtime.streams().disown(self.key);
    }
}

impl Stream for SimStream {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<usize, Error>> {
        let now = self.runtime.instant();
        let mut streams = self.runtime.streams();
        let Some(entry) = streams.entries.get_mut(&self.key) else {
            return Poll::Ready(Err(Error::Broken));
        };
        let at_hand = entry.pipe.unread.len().min(most);
        if at_hand > 0 {
            // A read may bring less than there is.
            let choices = self.runtime.choices();
            let count = if choices.below(8) == 0 { choices.below(at_hand) + 1 } else { at_hand };
            return Poll::Ready(Ok(entry.pipe.read(into, count, now)));
        }
        if entry.pipe.ended {
            return Poll::Ready(Ok(0));
        }
        if entry.pipe.broken {
            return Poll::Ready(Err(Error::Broken));
        }
        remember(&mut entry.reader, cx);
        Poll::Pending
    }

    fn write(&mut self, bytes: &mut Vec<u8>) {
        match self.runtime.streams().entries.get_mut(&self.key) {
            Some(entry) => entry.pipe.write(bytes),
            None => bytes.clear(),
        }
    }

    fn backlog(&self) -> usize {
        self.runtime.streams().entries.get(&self.key).map_or(0, |entry| entry.pipe.backlog())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut streams = self.runtime.streams();
        let Some(entry) = streams.entries.get_mut(&self.key).filter(|entry| !entry.pipe.broken) else {
            return Poll::Ready(Err(Error::Broken));
        };
        if entry.pipe.backlog() == 0 {
            return Poll::Ready(Ok(()));
        }
        remember(&mut entry.writer, cx);
        Poll::Pending
    }

    fn close(&mut self) {
        if let Some(entry) = self.runtime.streams().entries.get_mut(&self.key) {
            entry.pipe.closed = true;
        }
    }
}

impl SimListener {
    pub(crate) fn new(runtime: SimRuntime, node: NodeId, port: u16) -> Self {
        SimListener { runtime, node, port }
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.runtime.streams().stop_listening(self.port);
    }
}

impl Listener for SimListener {
    type Stream = SimStream;

    fn address(&self) -> String {
        format!("{}:{}", self.node, self.port)
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<SimStream, Error>> {
        let mut streams = self.runtime.streams();
        let listening = streams.listeners.entry(self.port).or_default();
        match listening.queue.pop_front() {
            Some(key) => Poll::Ready(Ok(SimStream::new(self.runtime.clone(), key))),
            None => {
                remember(&mut listening.waker, cx);
                Poll::Pending
            }
        }
    }
}
