//! What waits to be sent to one peer: bounded, and honest about what it dropped.

use super::frame::{HEADER, HeaderBytes};
use alloc::vec::Vec;

/// Frames for one peer that its connection has not taken yet, as one stretch of bytes: what gathers in a burst leaves
/// in one send. Beyond the bound whole frames are dropped, and [`settle`](Self::settle) says once when there is room
/// again.
#[derive(Debug)]
pub struct Outgoing {
    queue: Vec<u8>,
    limit: usize,
    /// What the connection took and the network did not yet, in bytes.
    backlog: usize,
    dropped: bool,
}

impl Outgoing {
    /// An empty queue of at most `limit` bytes, what the connection took included. One frame is taken whatever its
    /// length if nothing else waits.
    pub fn new(limit: usize) -> Self {
        Outgoing { queue: Vec::new(), limit, backlog: 0, dropped: false }
    }

    /// Takes a frame behind its header; `false` if there was no room and it was dropped.
    pub fn offer(&mut self, header: &HeaderBytes, frame: &[u8]) -> bool {
        let waiting = self.queue.len() + self.backlog;
        if waiting > 0 && waiting + HEADER + frame.len() > self.limit {
            self.dropped = true;
            return false;
        }
        self.queue.extend_from_slice(header);
        self.queue.extend_from_slice(frame);
        true
    }

    /// Notes that a frame was dropped because there is no connection.
    pub fn miss(&mut self) {
        self.dropped = true;
    }

    /// What waits; whoever sends it leaves the vector empty.
    pub fn queue(&mut self) -> &mut Vec<u8> {
        &mut self.queue
    }

    /// Notes how much the connection holds. `true` if something had been dropped and there is room again, at most half
    /// of the bound being in use: once for any number of drops.
    pub fn settle(&mut self, backlog: usize) -> bool {
        self.backlog = backlog;
        self.dropped && self.queue.len() + backlog <= self.limit / 2 && core::mem::take(&mut self.dropped)
    }

    /// The connection is gone, and what waited with it.
    pub fn clear(&mut self) {
        self.dropped |= !self.queue.is_empty() || self.backlog > 0;
        self.queue.clear();
        self.backlog = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: HeaderBytes = [0; HEADER];

    #[test]
    fn what_does_not_fit_is_dropped_whole_and_room_again_is_said_once() {
        let mut outgoing = Outgoing::new(200);
        assert!(outgoing.offer(&EMPTY, &[1; 68]) && outgoing.offer(&EMPTY, &[2; 68]));
        assert!(!outgoing.offer(&EMPTY, b""), "one byte too many is too many");
        assert_eq!(outgoing.queue().len(), 200);
        outgoing.queue().clear();
        assert!(!outgoing.settle(200), "the connection took it, the network did not");
        assert!(!outgoing.offer(&EMPTY, b""));
        assert!(!outgoing.settle(101));
        assert!(outgoing.settle(100), "half of it is free again");
        assert!(!outgoing.settle(0), "an edge, not a level");
    }

    #[test]
    fn nothing_dropped_means_nothing_to_say() {
        let mut outgoing = Outgoing::new(200);
        assert!(outgoing.offer(&EMPTY, b"x"));
        outgoing.queue().clear();
        assert!(!outgoing.settle(0));
        outgoing.clear();
        assert!(!outgoing.settle(0), "the connection went, but nothing was lost with it");
    }

    #[test]
    fn a_connection_that_goes_takes_what_waited_with_it_and_says_so_later() {
        let mut outgoing = Outgoing::new(200);
        assert!(outgoing.offer(&EMPTY, b"lost"));
        outgoing.clear();
        assert!(outgoing.queue().is_empty());
        assert!(outgoing.settle(0));
    }

    #[test]
    fn a_frame_longer_than_the_bound_is_taken_when_nothing_else_waits() {
        let mut outgoing = Outgoing::new(64);
        assert!(outgoing.offer(&EMPTY, &[0; 100]));
        assert!(!outgoing.offer(&EMPTY, b"x"));
    }
}
