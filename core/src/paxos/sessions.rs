//! Exactly-once: which commands of which client took effect, and what they answered.
//!
//! The table is part of the replicated state: it changes only by decided commands, in their order, so it is equal on
//! every replica at equal slots. It is bounded; a new session evicts the one unused for longest, which is decided in
//! the log as well. A session's id names its place in the table and how often that place was used, so that an evicted
//! session is recognised and a lookup costs no search.
//!
//! A snapshot holds the table as it was at one moment. It is written session by session while commands go on, by the
//! same means as the state machine's: a session that is about to change and was not written yet is kept aside.
//!
//! ```text
//! table:   sessions u32 | digest u64 | session block ...         (a block: a length in four bytes, so many bytes)
//! session: generation u32 | acknowledged_below u64 | last_used u64 | replies u32
//!          | (sequence u64 | reply block) ...                    (ascending, none that is acknowledged)
//! ```

use super::Slot;
use crate::codec::{Malformed, Reader, Write};
use crate::id::SessionId;
use crate::machine::Chunk;
use crate::random::mix;
use crate::{ensures, requires};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
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

#[derive(Clone, Default)]
struct Reply {
    sequence: u64,
    bytes: Vec<u8>,
}

#[derive(Clone, Default)]
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
    frozen: Option<Box<Frozen>>,
}

/// A snapshot under way.
struct Frozen {
    /// How many places there were.
    count: usize,
    digest: u64,
    /// The next place to write; `None` before the head.
    next: Option<usize>,
    /// What stood at places not written yet, where that has changed since.
    kept: BTreeMap<usize, Session>,
}

impl Sessions {
    /// An empty table of at most `most` sessions with at most `window` unacknowledged commands each.
    pub(crate) fn new(most: u32, window: u32) -> Self {
        Sessions { places: Vec::new(), most, window: window.into(), digest: 0, frozen: None }
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
        self.keep(index);
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
        self.keep(index);
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
        self.keep(index);
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

/// The table of a snapshot.
impl Sessions {
    /// Keeps aside what stands at a place that is about to change.
    #[inline]
    fn keep(&mut self, index: usize) {
        if let Some(frozen) = &mut self.frozen
            && frozen.next.unwrap_or(0) <= index
            && index < frozen.count
        {
            frozen.kept.entry(index).or_insert_with(|| self.places[index].clone());
        }
    }

    /// The table of this moment is what [`chunk`](Self::chunk) writes from now on.
    pub(crate) fn freeze(&mut self) {
        let (count, digest) = (self.places.len(), self.digest);
        self.frozen = Some(Box::new(Frozen { count, digest, next: None, kept: BTreeMap::new() }));
    }

    /// Appends whole sessions until `most` bytes were appended or more.
    pub(crate) fn chunk(&mut self, most: usize, out: &mut Vec<u8>) -> Chunk {
        let frozen = self.frozen.as_mut().expect("chunks are asked of a frozen table");
        let end = out.len() + most;
        let mut index = frozen.next.unwrap_or_else(|| {
            out.u32(frozen.count as u32);
            out.u64(frozen.digest);
            0
        });
        while index < frozen.count && out.len() < end {
            match frozen.kept.remove(&index) {
                Some(kept) => kept.encode(out),
                None => self.places[index].encode(out),
            }
            index += 1;
        }
        frozen.next = Some(index);
        if index < frozen.count {
            return Chunk::More;
        }
        self.frozen = None;
        Chunk::Last
    }

    /// Gives up a freeze, if there is one.
    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
    }

    /// A table with the limits of this one, to be filled from a snapshot.
    pub(crate) fn coming(&self) -> Coming {
        Coming { table: Sessions::new(self.most, self.window as u32), left: None, bytes: Vec::new() }
    }
}

impl Session {
    fn encode(&self, out: &mut Vec<u8>) {
        let at = out.len();
        out.u32(0);
        out.u32(self.generation);
        out.u64(self.acknowledged_below);
        out.u64(self.last_used.0);
        // In which order replies came, and which spare ones are left, is a matter of this life.
        let from = |least: u64| self.replies.iter().filter(move |reply| reply.sequence >= least);
        let mut least = Some(self.acknowledged_below);
        out.u32(from(self.acknowledged_below).count() as u32);
        while let Some(reply) = least.and_then(|least| from(least).min_by_key(|reply| reply.sequence)) {
            out.u64(reply.sequence);
            out.block(&reply.bytes);
            least = reply.sequence.checked_add(1);
        }
        let length = (out.len() - at - 4) as u32;
        out[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn decode(bytes: &[u8], window: u64) -> Result<Self, Malformed> {
        let mut fields = Reader::new(bytes);
        let mut session = Session {
            generation: fields.u32()?,
            acknowledged_below: fields.u64()?,
            last_used: Slot(fields.u64()?),
            replies: Vec::new(),
        };
        let count = fields.u32()?;
        require(session.generation > 0 && session.acknowledged_below > 0 && u64::from(count) <= window)?;
        let mut least = Some(session.acknowledged_below);
        for _ in 0..count {
            let sequence = fields.u64()?;
            require(least.is_some_and(|least| sequence >= least))?;
            require(sequence - session.acknowledged_below < window)?;
            least = sequence.checked_add(1);
            session.replies.push(Reply { sequence, bytes: fields.block()?.into() });
        }
        fields.end()?;
        Ok(session)
    }
}

fn require(condition: bool) -> Result<(), Malformed> {
    if condition { Ok(()) } else { Err(Malformed) }
}

/// A table that is coming in from a snapshot, in pieces cut anywhere.
pub(crate) struct Coming {
    table: Sessions,
    /// How many sessions are still to come; `None` before the head.
    left: Option<u32>,
    /// What came and is no whole session yet.
    bytes: Vec<u8>,
}

impl Coming {
    /// Takes the next bytes; once the table is whole, `Some` of how many of their last ones do not belong to it.
    ///
    /// # Errors
    /// [`Malformed`] if they cannot be those of a table within the limits.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        self.bytes.extend_from_slice(bytes);
        let bytes = core::mem::take(&mut self.bytes);
        let mut fields = Reader::new(&bytes);
        let whole = loop {
            let at = fields.position();
            match self.left {
                None => {
                    let (Ok(count), Ok(digest)) = (fields.u32(), fields.u64()) else { break at };
                    require(count <= self.table.most)?;
                    self.table.digest = digest;
                    self.left = Some(count);
                }
                Some(0) => return Ok(Some(fields.remaining())),
                Some(left) => {
                    let Ok(session) = fields.block() else { break at };
                    self.table.places.push(Session::decode(session, self.table.window)?);
                    self.left = Some(left - 1);
                }
            }
        };
        self.bytes = bytes;
        self.bytes.drain(..whole);
        Ok(None)
    }

    /// The table, once it is whole.
    pub(crate) fn end(self) -> Result<Sessions, Malformed> {
        if self.left == Some(0) { Ok(self.table) } else { Err(Malformed) }
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

    fn encoded(table: &mut Sessions) -> Vec<u8> {
        let mut bytes = Vec::new();
        table.freeze();
        while table.chunk(1, &mut bytes) == Chunk::More {}
        bytes
    }

    fn decoded(bytes: &[u8], size: usize) -> Result<Sessions, Malformed> {
        let mut coming = Sessions::new(4, 4).coming();
        let mut over = None;
        for chunk in bytes.chunks(size) {
            require(over.is_none())?;
            over = coming.take(chunk)?;
        }
        require(over.is_none_or(|over| over == 0))?;
        coming.end()
    }

    /// One of a few things that a decided command does to the table.
    fn act(table: &mut Sessions, slot: u64, choice: u64) {
        if choice.is_multiple_of(7) {
            table.open(Slot(slot));
            return;
        }
        let index = (choice / 7 % 4) as usize;
        let generation = table.places.get(index).map_or(0, |place| place.generation);
        let session = SessionId(u64::from(generation) << 32 | index as u64);
        let (sequence, acknowledged) = (choice / 28 % 9, choice / 252 % 9);
        if table.admit(session, sequence, acknowledged, Slot(slot)) == Admission::Execute {
            table.record(session, sequence, &choice.to_le_bytes()[..(choice % 9) as usize]);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_table_written_while_commands_go_on_is_that_of_the_freeze(
            before in proptest::collection::vec(0u64..3000, 0..60),
            during in proptest::collection::vec(0u64..3000, 0..60),
            size in 1usize..80,
        ) {
            let mut table = Sessions::new(4, 4);
            for (slot, choice) in before.iter().enumerate() {
                act(&mut table, slot as u64, *choice);
            }
            let (frozen, digest) = (encoded(&mut table), table.digest());
            table.freeze();
            let (mut bytes, mut going) = (Vec::new(), true);
            for (slot, choice) in during.iter().enumerate() {
                act(&mut table, (before.len() + slot) as u64, *choice);
                going = going && table.chunk(size, &mut bytes) == Chunk::More;
            }
            while going {
                going = table.chunk(size, &mut bytes) == Chunk::More;
            }
            proptest::prop_assert_eq!(&bytes, &frozen);

            // The copy goes on as the original does.
            let mut copy = decoded(&bytes, size).expect("a table of ours");
            proptest::prop_assert_eq!(copy.digest(), digest);
            for (slot, choice) in during.iter().enumerate() {
                act(&mut copy, (before.len() + slot) as u64, *choice);
            }
            proptest::prop_assert_eq!(copy.digest(), table.digest());
            proptest::prop_assert_eq!(encoded(&mut copy), encoded(&mut table));
        }

        #[test]
        fn a_table_cut_short_or_with_more_behind_it_is_none(
            before in proptest::collection::vec(0u64..3000, 0..60), size in 1usize..80
        ) {
            let mut table = Sessions::new(4, 4);
            for (slot, choice) in before.iter().enumerate() {
                act(&mut table, slot as u64, *choice);
            }
            let mut bytes = encoded(&mut table);
            for end in 0..bytes.len() {
                proptest::prop_assert!(decoded(&bytes[..end], size).is_err(), "{} bytes", end);
            }
            bytes.push(0);
            proptest::prop_assert!(decoded(&bytes, size).is_err());
            let whole = Sessions::new(4, 4).coming().take(&bytes);
            proptest::prop_assert_eq!(whole, Ok(Some(1)), "what stands behind it is not its own");
        }
    }

    #[test]
    fn the_last_sequence_number_there_is_goes_out_and_comes_back() {
        let mut table = Sessions::new(4, 4);
        let session = table.open(Slot(0));
        for sequence in [u64::MAX, u64::MAX - 1] {
            assert_eq!(table.admit(session, sequence, u64::MAX - 1, Slot(1)), Admission::Execute);
            table.record(session, sequence, b"last");
        }
        let bytes = encoded(&mut table);
        let mut copy = decoded(&bytes, 7).expect("a table of ours");
        assert_eq!(encoded(&mut copy), bytes);
    }

    #[test]
    fn a_table_beyond_the_limits_is_refused_and_reserves_nothing() {
        let mut table = Sessions::new(4, 4);
        let session = table.open(Slot(0));
        assert_eq!(table.admit(session, 3, 1, Slot(1)), Admission::Execute);
        table.record(session, 3, b"three");
        let bytes = encoded(&mut table);
        assert!(decoded(&bytes, 7).is_ok());
        let refused = |at: usize, value: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            assert!(decoded(&bytes, 7).is_err(), "byte {at} as {value}");
        };
        refused(0, 5); // more sessions than places
        refused(16, 0); // a session of no generation
        refused(20, 9); // its reply is acknowledged
        refused(36, 5); // more replies than the window
        refused(40, 9); // a reply beyond the window
    }
}
