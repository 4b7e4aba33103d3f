//! A client's end: whom it asks, and which answer is the one that it waits for. How streams are opened, and how long
//! anything is waited for, is the client's own.

use super::frame::{Senseless, take_answer};
use alloc::vec::Vec;
use seedfast_core::client::Response;
use seedfast_core::{Buffer, NodeId, SessionId};

/// The way to the replicas of a cluster: one stream at a time, to whoever is likely to answer. `P` says where one is
/// found, `S` is an open stream.
#[derive(Debug)]
pub struct Way<P, S> {
    places: Vec<(NodeId, P)>,
    /// Whom it leads to: an index of `places`.
    at: usize,
    stream: Option<(S, Vec<u8>)>,
}

impl<P, S> Way<P, S> {
    /// A way that leads to the `first` of these places, and is not open yet.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn new(places: Vec<(NodeId, P)>, first: usize) -> Self {
        assert!(first < places.len(), "a client must know a replica");
        Way { places, at: first, stream: None }
    }

    /// Where it leads.
    pub fn place(&self) -> &P {
        &self.places[self.at].1
    }

    /// Opens the way, unless it is open.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn open<E>(&mut self, open: impl FnOnce(&P) -> Result<S, E>) -> Result<(), E> {
        if self.stream.is_none() {
            self.stream = Some((open(&self.places[self.at].1)?, Vec::new()));
        }
        Ok(())
    }

    /// The stream, if it is open, and what has come on it.
    pub fn stream(&mut self) -> Option<(&mut S, &mut Vec<u8>)> {
        self.stream.as_mut().map(|(stream, came)| (stream, came))
    }

    /// Leads to another replica: `node`, or if that is not known whoever follows in the list.
    pub fn turn_to(&mut self, node: Option<NodeId>) {
        let known = node.and_then(|node| self.places.iter().position(|(known, _)| *known == node));
        if known != Some(self.at) {
            self.stream = None;
            self.at = known.unwrap_or((self.at + 1) % self.places.len());
        }
    }
}

/// Takes the answer to that number out of what has come, if it is there; answers before it are of attempts given up. To a
/// client without a session every session's answer is one.
///
/// # Errors
/// An answer makes no sense; nothing behind it can be trusted.
pub fn take_answer_to(
    came: &mut Vec<u8>,
    session: SessionId,
    sequence: u64,
) -> Result<Option<Buffer>, Senseless> {
    while let Some(answer) = take_answer(came)? {
        let response = Response::decode(&answer).map_err(|_| Senseless)?;
        if response.sequence == sequence && (session == SessionId::NONE || response.session == session) {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::frame::put_answer;
    use super::*;
    use alloc::vec;
    use seedfast_core::client::Status;

    #[test]
    fn it_leads_to_whom_it_is_told_or_to_the_next_one_and_stays_open_only_where_it_was() {
        let mut way = Way::new(vec![(NodeId(1), "one"), (NodeId(2), "two"), (NodeId(4), "four")], 1);
        let open = |way: &mut Way<&'static str, &'static str>| way.open(|place| Ok::<_, ()>(*place));
        open(&mut way).expect("it opens");
        way.turn_to(Some(NodeId(2)));
        assert_eq!(way.stream().map(|(stream, _)| *stream), Some("two"));
        way.turn_to(Some(NodeId(1)));
        assert_eq!((*way.place(), way.stream().is_some()), ("one", false));
        way.turn_to(Some(NodeId(3)));
        assert_eq!(*way.place(), "two");
        way.turn_to(None);
        way.turn_to(None);
        open(&mut way).expect("it opens");
        assert_eq!(way.stream().map(|(stream, _)| *stream), Some("one"));
    }

    #[test]
    fn answers_of_attempts_given_up_are_passed_over() {
        let mut came = Vec::new();
        let mut put = |session, sequence, payload| {
            let mut bytes = Vec::new();
            let status = Status::Done;
            let session = SessionId(session);
            Response { status, leader: None, session, sequence, payload }.encode(&mut bytes);
            put_answer(&mut came, &bytes);
        };
        put(7, 1, b"late");
        put(8, 2, b"another's");
        put(7, 2, b"this");
        put(7, 3, b"next");
        let answer =
            take_answer_to(&mut came, SessionId(7), 2).expect("it makes sense").expect("it is there");
        assert_eq!(Response::decode(&answer).map(|response| response.payload), Ok(&b"this"[..]));
        assert_eq!(take_answer_to(&mut came, SessionId(7), 4), Ok(None));
        assert!(came.is_empty());
        put_answer(&mut came, b"nonsense");
        assert_eq!(take_answer_to(&mut came, SessionId::NONE, 4), Err(Senseless));
    }
}
