//! Exactly-once: which commands of which client took effect, and what they answered.
//!
//! The table is part of the replicated state: it changes only by decided commands, in their order, so it is equal on
//! every replica at equal slots. It is bounded; a new session evicts the one unused for longest, which is decided in
//! the log as well. A session's id names its place in the table and how often that place was used, so that an evicted
//! session is recognised and a lookup costs no search.

use super::Slot;
use crate::id::SessionId;
use crate::random::mix;
use crate::{ensures, requires};
use alloc::vec::Vec;

/// What the table says of a command that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It has not taken effect before: carry it out, then [`record`](Sessions::record) its reply.
    Execute,
    /// It took effect before; [`reply`](Sessions::reply) has the answer.
    Duplicate,
    /// The client said that it holds the answer, or does not want it any more.
    Stale,
    /// There is no such session.
    Unknown,
    /// It lies further ahead than a session may be.
    BeyondWindow,
}

#[derive(Default)]
struct Reply {
    sequence: u64,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Session {
    /// How often this place was used; 0 before the first time.
    generation: u32,
    acknowledged_below: u64,
    last_used: Slot,
    /// The answers not yet acknowledged, and spare ones of those that are.
    replies: Vec<Reply>,
}

/// The session table.
pub(crate) struct Sessions {
    places: Vec<Session>,
    most: u32,
    window: u64,
    digest: u64,
}

impl Sessions {
    /// An empty table of at most `most` sessions with at most `window` unacknowledged commands each.
    pub(crate) fn new(most: u32, window: u32) -> Self {
        Sessions { places: Vec::new(), most, window: window.into(), digest: 0 }
    }

    fn place(session: SessionId) -> (usize, u32) {
        ((session.0 as u32) as usize, (session.0 >> 32) as u32)
    }

    fn get(&self, session: SessionId) -> Option<&Session> {
        let (index, generation) = Self::place(session);
        self.places.get(index).filter(|place| generation != 0 && place.generation == generation)
    }

    /// Opens a session at `slot`, evicting the one unused for longest if the table is full.
    pub(crate) fn open(&mut self, slot: Slot) -> SessionId {
        let index = if self.places.len() < self.most as usize {
            self.places.push(Session::default());
            self.places.len() - 1
        } else {
            let oldest =
                self.places.iter().enumerate().min_by_key(|(index, place)| (place.last_used, *index));
            oldest.map_or(0, |(index, _)| index)
        };
        let place = &mut self.places[index];
        place.generation += 1;
        place.acknowledged_below = 1;
        place.last_used = slot;
        place.replies.clear();
        let id = SessionId(u64::from(place.generation) << 32 | index as u64);
        self.digest = mix(self.digest ^ id.0);
        ensures!("I13", self.get(id).is_some(), "a session just opened is not in the table");
        id
    }

    /// What to do with the decided command `sequence` of `session` at `slot`.
    pub(crate) fn admit(
        &mut self,
        session: SessionId,
        sequence: u64,
        acknowledged_below: u64,
        slot: Slot,
    ) -> Admission {
        let (index, generation) = Self::place(session);
        let Some(place) =
            self.places.get_mut(index).filter(|place| generation != 0 && place.generation == generation)
        else {
            return Admission::Unknown;
        };
        place.last_used = slot;
        // A command cannot acknowledge itself.
        place.acknowledged_below = place.acknowledged_below.max(acknowledged_below.min(sequence));
        if sequence < place.acknowledged_below {
            return Admission::Stale;
        }
        if sequence - place.acknowledged_below >= self.window {
            return Admission::BeyondWindow;
        }
        if place.replies.iter().any(|reply| reply.sequence == sequence) {
            return Admission::Duplicate;
        }
        Admission::Execute
    }

    /// Remembers the reply of a command that was just carried out.
    pub(crate) fn record(&mut self, session: SessionId, sequence: u64, bytes: &[u8]) {
        requires!(
            "I13",
            self.reply(session, sequence).is_none(),
            "{session:?} command {sequence} took effect twice"
        );
        let (index, _) = Self::place(session);
        let place = &mut self.places[index];
        let below = place.acknowledged_below;
        let reply = match place.replies.iter_mut().position(|reply| reply.sequence < below) {
            Some(spare) => &mut place.replies[spare],
            None => {
                place.replies.push(Reply::default());
                place.replies.last_mut().expect("one was just pushed")
            }
        };
        reply.sequence = sequence;
        reply.bytes.clear();
        reply.bytes.extend_from_slice(bytes);
        self.digest = mix(self.digest ^ session.0.rotate_left(17) ^ sequence) ^ bytes.len() as u64;
        ensures!("I18", place.replies.len() as u64 <= self.window, "{session:?} keeps too many replies");
    }

    /// The reply of a command that took effect and is not acknowledged.
    pub(crate) fn reply(&self, session: SessionId, sequence: u64) -> Option<&[u8]> {
        let place = self.get(session)?;
        let found = place.replies.iter().find(|reply| reply.sequence == sequence)?;
        (sequence >= place.acknowledged_below).then_some(&found.bytes)
    }

    /// A digest of everything that happened to the table.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_executes_once_and_its_reply_is_kept_until_acknowledged() {
        let mut table = Sessions::new(2, 4);
        let session = table.open(Slot(0));
        assert_eq!(table.admit(session, 1, 1, Slot(1)), Admission::Execute);
        table.record(session, 1, b"one");
        assert_eq!(table.admit(session, 1, 1, Slot(2)), Admission::Duplicate);
        assert_eq!(table.reply(session, 1), Some(&b"one"[..]));
        assert_eq!(table.admit(session, 2, 2, Slot(3)), Admission::Execute);
        table.record(session, 2, b"two");
        assert_eq!(table.admit(session, 1, 1, Slot(4)), Admission::Stale);
        assert_eq!(table.reply(session, 1), None);
    }

    #[test]
    fn commands_of_a_session_may_come_in_any_order_within_its_window() {
        let mut table = Sessions::new(2, 4);
        let session = table.open(Slot(0));
        for sequence in [3, 1, 4, 2] {
            assert_eq!(table.admit(session, sequence, 1, Slot(1)), Admission::Execute);
            table.record(session, sequence, b"");
        }
        assert_eq!(table.admit(session, 5, 1, Slot(1)), Admission::BeyondWindow);
        assert_eq!(
            table.admit(session, 5, 9, Slot(1)),
            Admission::Execute,
            "it acknowledges what is below itself"
        );
    }

    #[test]
    fn the_session_unused_for_longest_is_evicted_and_recognised() {
        let mut table = Sessions::new(2, 4);
        let (first, second) = (table.open(Slot(0)), table.open(Slot(1)));
        assert_eq!(table.admit(first, 1, 1, Slot(2)), Admission::Execute);
        table.record(first, 1, b"");
        let third = table.open(Slot(3));
        assert_eq!(table.admit(second, 1, 1, Slot(4)), Admission::Unknown);
        assert_eq!(table.admit(third, 1, 1, Slot(4)), Admission::Execute);
        assert_eq!(table.admit(first, 1, 1, Slot(4)), Admission::Duplicate);
        assert_eq!(table.admit(SessionId::NONE, 1, 1, Slot(4)), Admission::Unknown);
    }

    #[test]
    #[should_panic(expected = "contract I13")]
    fn recording_twice_trips_its_contract() {
        let mut table = Sessions::new(2, 4);
        let session = table.open(Slot(0));
        table.record(session, 1, b"");
        table.record(session, 1, b"");
    }
}
