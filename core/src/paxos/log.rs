//! What a replica knows of each slot: its own vote, and what was decided.

use super::shelves::Shelves;
use super::{Ballot, Slot, ValueId};
use crate::buffer::Buffer;
use crate::id::PeerSet;
use crate::time::Instant;
use crate::{ensures, invariant, requires};
use alloc::collections::VecDeque;

/// A value and its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) id: ValueId,
    pub(crate) bytes: Buffer,
}

/// One slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    /// The ballot of this acceptor's vote; zero if it has not voted.
    pub(crate) ballot: Ballot,
    /// What it voted for.
    pub(crate) vote: Value,
    /// The journal position behind which the vote is durable.
    pub(crate) position: u64,
    /// What was decided, if that is known.
    pub(crate) chosen: Option<Value>,
    /// Leader only: who voted for its proposal, durably.
    pub(crate) acks: PeerSet,
    /// Leader only: when the proposal was last sent.
    pub(crate) sent: Instant,
}

impl Cell {
    /// How many bytes of values it keeps: a decided value that is also the vote is kept once.
    fn bytes(&self) -> u64 {
        let voted = self.ballot != Ballot::ZERO;
        let decided = self.chosen.as_ref().filter(|value| !voted || value.id != self.vote.id);
        (self.vote.bytes.len() + decided.map_or(0, |value| value.bytes.len())) as u64
    }
}

/// The slots from `first` on.
///
/// - Slots below `first` are forgotten: a durable snapshot stands in for them (I22).
/// - Slots below `decided` are decided and known here; `decided` itself is the first that is not (I11).
#[derive(Default)]
pub(crate) struct Log {
    first: Slot,
    decided: Slot,
    cells: VecDeque<Cell>,
    bytes: u64,
    shelves: Shelves,
}

impl Log {
    /// A log for what follows a snapshot of everything below `first`.
    pub(crate) fn behind(first: Slot) -> Self {
        Log { first, decided: first, ..Log::default() }
    }

    /// The first slot that is still held.
    pub(crate) fn first(&self) -> Slot {
        self.first
    }

    /// The first slot that is not known to be decided: everything below is.
    pub(crate) fn decided(&self) -> Slot {
        self.decided
    }

    /// The slot after the last one that anything is known of.
    pub(crate) fn end(&self) -> Slot {
        self.first.plus(self.cells.len() as u64)
    }

    /// How many bytes the values hold.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The value that this node voted for last in `slot`, if it has that name.
    pub(crate) fn vote_for(&self, slot: Slot, id: ValueId) -> Option<&Value> {
        let cell = self.get(slot).filter(|cell| cell.ballot != Ballot::ZERO && cell.vote.id == id)?;
        Some(&cell.vote)
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Cell> {
        let index = slot.0.checked_sub(self.first.0)?;
        self.cells.get(index as usize)
    }

    /// A copy of a value that is to be voted for or learned.
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> Buffer {
        self.shelves.copy_of(bytes)
    }

    /// Forgets the first slot, as far as it is held.
    fn forget(&mut self) -> bool {
        let Some(cell) = self.cells.pop_front() else { return false };
        self.bytes -= cell.bytes();
        self.first = self.first.next();
        // Of one value that stands in both there are two handles, and the last one counts.
        if let Some(chosen) = cell.chosen {
            self.shelves.put_back(chosen.bytes);
        }
        self.shelves.put_back(cell.vote.bytes);
        true
    }

    fn cell(&mut self, slot: Slot) -> &mut Cell {
        let index = (slot.0 - self.first.0) as usize;
        while self.cells.len() <= index {
            self.cells.push_back(Cell::default());
        }
        &mut self.cells[index]
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Cell> {
        let index = slot.0.checked_sub(self.first.0)?;
        self.cells.get_mut(index as usize)
    }

    /// Records this acceptor's vote.
    pub(crate) fn vote(&mut self, slot: Slot, ballot: Ballot, value: Value, position: u64) {
        requires!("I4", slot >= self.first, "slot {slot} is forgotten and cannot be voted in");
        let cell = self.cell(slot);
        requires!("I4", cell.ballot <= ballot, "slot {slot}: vote {ballot} after {}", cell.ballot);
        requires!(
            "I5",
            cell.ballot != ballot || cell.vote.id == value.id,
            "slot {slot}: two values under ballot {ballot}"
        );
        let before = cell.bytes();
        cell.ballot = ballot;
        cell.vote = value;
        cell.position = position;
        cell.acks = PeerSet::EMPTY;
        let after = cell.bytes();
        self.bytes = self.bytes + after - before;
    }

    /// Records that `slot` was decided. The decided prefix grows over every slot already known.
    pub(crate) fn choose(&mut self, slot: Slot, value: Value) {
        requires!("I3", slot >= self.first, "slot {slot} is forgotten and cannot be decided");
        let before = self.decided;
        let cell = self.cell(slot);
        match &cell.chosen {
            Some(chosen) => {
                invariant!("I3", chosen.id == value.id, "slot {slot}: two values were decided");
            }
            None => {
                let bytes = cell.bytes();
                cell.chosen = Some(value);
                let after = cell.bytes();
                self.bytes = self.bytes + after - bytes;
            }
        }
        while self.get(self.decided).is_some_and(|cell| cell.chosen.is_some()) {
            self.decided = self.decided.next();
        }
        ensures!("I3", self.decided >= before, "the decided prefix shrank from {before} to {}", self.decided);
    }

    /// Whether `slot` is known to be decided.
    pub(crate) fn is_chosen(&self, slot: Slot) -> bool {
        slot < self.decided || self.get(slot).is_some_and(|cell| cell.chosen.is_some())
    }

    /// The decided value at `slot`, if it is known and held.
    pub(crate) fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.get(slot)?.chosen.as_ref()
    }

    /// Forgets everything below `slot`, as far as it is decided.
    pub(crate) fn trim(&mut self, slot: Slot) {
        while self.first < slot.min(self.decided) && self.forget() {}
        ensures!("I3", self.first <= self.decided, "an undecided slot was forgotten");
    }

    /// A snapshot stands in for everything below `slot`, known here or not. What is known above stays.
    pub(crate) fn install(&mut self, slot: Slot) {
        while self.first < slot && self.forget() {}
        self.first = self.first.max(slot);
        self.decided = self.decided.max(slot);
        while self.get(self.decided).is_some_and(|cell| cell.chosen.is_some()) {
            self.decided = self.decided.next();
        }
        ensures!("I3", self.first <= self.decided, "an undecided slot was forgotten");
    }

    /// The slots from `from` on in which this acceptor has voted.
    pub(crate) fn votes_from(&self, from: Slot) -> impl Iterator<Item = (Slot, &Cell)> {
        let skip = from.0.saturating_sub(self.first.0) as usize;
        let first = self.first;
        self.cells
            .iter()
            .enumerate()
            .skip(skip)
            .filter(|(_, cell)| cell.ballot != Ballot::ZERO)
            .map(move |(index, cell)| (first.plus(index as u64), cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn value(name: &[u8]) -> Value {
        Value { id: ValueId(u64::from(name[0])), bytes: Buffer::copy_from(name) }
    }

    #[test]
    fn the_decided_prefix_grows_over_what_was_decided_out_of_order() {
        let mut log = Log::default();
        log.choose(Slot(1), value(b"b"));
        assert_eq!(log.decided(), Slot(0));
        log.choose(Slot(0), value(b"a"));
        assert_eq!(log.decided(), Slot(2));
    }

    #[test]
    fn bytes_are_counted_once_and_given_back() {
        let mut log = Log::default();
        log.vote(Slot(0), Ballot(256), value(b"aaaa"), 0);
        log.choose(Slot(0), value(b"aaaa"));
        assert_eq!(log.bytes(), 4);
        log.vote(Slot(1), Ballot(256), value(b"bb"), 0);
        log.choose(Slot(1), value(b"ccc"));
        assert_eq!(log.bytes(), 9);
        log.trim(Slot(2));
        assert_eq!((log.bytes(), log.first()), (0, Slot(2)));
    }

    #[test]
    fn a_snapshot_stands_in_for_what_is_below_it_and_leaves_what_is_above() {
        let mut log = Log::default();
        log.vote(Slot(1), Ballot(256), value(b"old"), 0);
        log.vote(Slot(4), Ballot(256), value(b"vote"), 0);
        log.choose(Slot(3), value(b"next"));
        log.install(Slot(3));
        assert_eq!((log.first(), log.decided(), log.end()), (Slot(3), Slot(4), Slot(5)));
        assert_eq!(log.bytes(), 8);
        assert_eq!(log.votes_from(Slot(0)).map(|(slot, _)| slot).collect::<Vec<_>>(), [Slot(4)]);
        log.install(Slot(9));
        assert_eq!((log.first(), log.decided(), log.end(), log.bytes()), (Slot(9), Slot(9), Slot(9), 0));
        log.install(Slot(2));
        assert_eq!(log.first(), Slot(9));
    }

    #[test]
    fn an_undecided_slot_is_never_forgotten() {
        let mut log = Log::default();
        log.vote(Slot(0), Ballot(256), value(b"a"), 0);
        log.trim(Slot(9));
        assert_eq!(log.first(), Slot(0));
        assert_eq!(log.votes_from(Slot(0)).map(|(slot, _)| slot).collect::<Vec<_>>(), [Slot(0)]);
    }

    #[test]
    #[should_panic(expected = "contract I4")]
    fn a_vote_under_a_lower_ballot_trips_its_contract() {
        let mut log = Log::default();
        log.vote(Slot(0), Ballot(512), value(b"a"), 0);
        log.vote(Slot(0), Ballot(256), value(b"a"), 0);
    }

    #[test]
    #[should_panic(expected = "contract I5")]
    fn two_values_under_one_ballot_trip_their_contract() {
        let mut log = Log::default();
        log.vote(Slot(0), Ballot(256), value(b"a"), 0);
        log.vote(Slot(0), Ballot(256), value(b"b"), 0);
    }

    #[test]
    #[should_panic(expected = "contract I3")]
    fn two_decisions_at_one_slot_trip_their_contract() {
        let mut log = Log::default();
        log.choose(Slot(0), value(b"a"));
        log.choose(Slot(0), value(b"b"));
    }
}
