//! What backups say together: a snapshot, every value that was decided behind it, and what was voted for from there on.
//!
//! A value counts as decided as it does for a replica that starts: it was learned, or a record says that everything below
//! some slot is decided and it was the value voted for there. Behind that, a slot gets the value of the highest ballot
//! that any of the backups voted for, as a new leader would propose it, and the first slot for which there is none ends
//! the history: nothing behind it can have been acknowledged, as far as these backups know.

use super::archive::Archive;
use super::dry::{self, Hands, Outcome, piece};
use super::medium::{Medium, Shielded};
use seedfast_core::Buffer;
use seedfast_core::journal::{Expected, Journal, Kind, Record, Restored, Snapshot, SnapshotFound, Standing};
use std::collections::BTreeMap;

/// The value of a slot: its name in 8 bytes, then the batch.
type Value = Vec<u8>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    Decided(Value),
    Voted(u64, Value),
}

/// What one journal says.
struct Told {
    snapshot: Option<(Snapshot, Vec<Buffer>)>,
    standing: Standing,
    /// Everything below is decided.
    decided: u64,
    slots: BTreeMap<u64, Known>,
}

/// What comes out of all of them.
pub(crate) struct History {
    /// Slot, digest, and the payloads of the pieces.
    pub(crate) snapshot: Option<(u64, u64, Vec<Buffer>)>,
    /// The value of every slot from the snapshot on, without a gap.
    pub(crate) values: Vec<Value>,
    /// The first slot without a value.
    pub(crate) end: u64,
    /// Below it everything was known to be decided.
    pub(crate) decided: u64,
    /// How many different nodes that vote the backups are of.
    pub(crate) voters: usize,
}

impl History {
    /// The slot of the first of `values`.
    pub(crate) fn first(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |(slot, ..)| *slot)
    }

    /// Only what is known to be decided.
    pub(crate) fn decided_only(mut self) -> Self {
        self.values.truncate((self.decided - self.first()) as usize);
        self.end = self.decided;
        self
    }
}

/// Reads the backups, which are of one cluster, and puts them together.
///
/// # Errors
/// One of them holds a journal that does not recover, or no whole state; one sentence.
pub(crate) fn read(archives: &[Archive]) -> Result<History, String> {
    let mut all = Vec::new();
    for archive in archives {
        let told = tell(archive);
        all.push(told.map_err(|why| format!("the backup of replica {}: {why}", archive.identity.node.0))?);
    }
    let mut voters: Vec<u8> = archives
        .iter()
        .zip(&all)
        .filter(|(_, told)| told.standing == Standing::Founding)
        .map(|(archive, _)| archive.identity.node.0)
        .collect();
    voters.sort_unstable();
    voters.dedup();
    let history = put_together(all)?;
    Ok(History { voters: voters.len(), ..history })
}

/// What all of them say together.
fn put_together(mut all: Vec<Told>) -> Result<History, String> {
    // Whoever knows most has everything between his snapshot and what he knows.
    let most = all.iter().enumerate().max_by_key(|(index, told)| {
        (told.decided, told.snapshot.as_ref().map(|(snapshot, _)| snapshot.slot), usize::MAX - index)
    });
    let Some((most, _)) = most else { return Err("there is no backup".to_owned()) };
    let (decided, snapshot) = (all[most].decided, all[most].snapshot.take());
    let first = snapshot.as_ref().map_or(0, |(snapshot, _)| snapshot.slot);
    let mut values = Vec::new();
    for slot in first..decided {
        match all[most].slots.remove(&slot) {
            Some(Known::Decided(value)) => values.push(value),
            _ => return Err(format!("slot {slot} is decided and its value is missing")),
        }
    }
    let mut end = decided;
    while let Some(value) = newest(all.iter_mut().filter_map(|told| told.slots.remove(&end))) {
        values.push(value);
        end += 1;
    }
    let snapshot = snapshot.map(|(snapshot, pieces)| (snapshot.slot, snapshot.digest, pieces));
    Ok(History { snapshot, values, end, decided, voters: 0 })
}

/// The value that a new leader would have to propose.
fn newest(known: impl Iterator<Item = Known>) -> Option<Value> {
    let rank = |known: &Known| match known {
        Known::Decided(_) => u64::MAX,
        Known::Voted(ballot, _) => *ballot,
    };
    known.max_by_key(rank).map(|known| match known {
        Known::Decided(value) | Known::Voted(_, value) => value,
    })
}

/// What one backup says.
fn tell(archive: &Archive) -> Result<Told, String> {
    let identity = &archive.identity;
    let expected = Expected { cluster: identity.cluster, group: crate::format::GROUP, node: identity.node };
    let mut hands = Hands::new(Shielded::new(archive));
    let mut slots = Slots::default();
    let (_, outcome) = dry::recover(&mut hands, expected, &mut |record| slots.take(&record));
    let (mut journal, restored) = match outcome {
        Outcome::Recovered(journal, restored) => (journal, restored),
        Outcome::Refused(refusal) => return Err(refusal.to_string()),
        Outcome::Failed => return Err("it cannot be read".to_owned()),
    };
    let Restored { snapshot, standing, .. } = restored;
    let snapshot = match snapshot {
        SnapshotFound::None => None,
        SnapshotFound::Damaged(_) => return Err("its snapshot is damaged".to_owned()),
        SnapshotFound::Whole(snapshot) => {
            let pieces = pieces(&mut hands, &mut journal, &snapshot);
            Some((snapshot, pieces.ok_or("its snapshot cannot be read")?))
        }
    };
    let first = snapshot.as_ref().map_or(0, |(snapshot, _)| snapshot.slot);
    let (decided, slots) = slots.end(first.max(journal.metadata().decided), first);
    Ok(Told { snapshot, standing, decided, slots })
}

/// The pieces of the snapshot that counts, if all of them can be read.
pub(crate) fn pieces<M: Medium>(
    hands: &mut Hands<M>,
    journal: &mut Journal,
    snapshot: &Snapshot,
) -> Option<Vec<Buffer>> {
    (1..=snapshot.pieces).map(|number| piece(hands, journal, number)).collect()
}

/// Values by slot, as the records bring them.
#[derive(Default)]
struct Slots {
    known: BTreeMap<u64, Known>,
    decided: u64,
}

impl Slots {
    fn take(&mut self, record: &Record<'_>) {
        match record.kind {
            Kind::Learned => {
                self.known.insert(record.slot, Known::Decided(record.payload.to_vec()));
            }
            Kind::Vote => match self.known.get_mut(&record.slot) {
                Some(Known::Decided(_)) => {}
                // Only the name: it is the value of the vote before.
                Some(Known::Voted(ballot, value))
                    if record.payload.len() == 8 && value.starts_with(record.payload) =>
                {
                    *ballot = record.ballot;
                }
                _ => {
                    self.known.insert(record.slot, Known::Voted(record.ballot, record.payload.to_vec()));
                }
            },
            _ => {}
        }
        self.decide(record.decided);
    }

    /// Everything below `decided` is: what was voted for there is the value.
    fn decide(&mut self, decided: u64) {
        if decided <= self.decided {
            return;
        }
        for (_, known) in self.known.range_mut(self.decided..decided) {
            if let Known::Voted(_, value) = known {
                *known = Known::Decided(std::mem::take(value));
            }
        }
        self.decided = decided;
    }

    /// What is decided, and the values from the snapshot on.
    fn end(mut self, decided: u64, first: u64) -> (u64, BTreeMap<u64, Known>) {
        self.decide(decided);
        let slots = self.known.split_off(&first);
        // What was learned in one piece behind it is decided as well.
        let mut decided = self.decided;
        while matches!(slots.get(&decided), Some(Known::Decided(_))) {
            decided += 1;
        }
        (decided, slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with a value of one byte, which knows everything below `decided` decided.
    fn record(kind: Kind, slot: u64, ballot: u64, decided: u64, value: &[u8]) -> Record<'_> {
        Record { number: 1, kind, slot, ballot, epoch: 0, incarnation: 1, decided, payload: value }
    }

    /// What one replica says that wrote these votes, decided below `decided`.
    fn told(decided: u64, votes: &[(u64, u64, &str)]) -> Told {
        let mut slots = Slots::default();
        for (slot, ballot, value) in votes {
            slots.take(&record(Kind::Vote, *slot, *ballot, 0, value.as_bytes()));
        }
        let (decided, slots) = slots.end(decided, 0);
        Told { snapshot: None, standing: Standing::Founding, decided, slots }
    }

    fn together(all: Vec<Told>) -> (String, u64, u64) {
        let history = put_together(all).expect("they are whole");
        (String::from_utf8(history.values.concat()).expect("letters"), history.decided, history.end)
    }

    #[test]
    fn behind_what_is_decided_the_highest_ballot_of_any_replica_counts() {
        let one = || told(1, &[(0, 1, "a"), (1, 1, "b"), (2, 1, "x")]);
        let other = || told(2, &[(0, 1, "a"), (1, 3, "B"), (2, 2, "c"), (3, 2, "d")]);
        assert_eq!(together(vec![one()]), ("abx".to_owned(), 1, 3));
        assert_eq!(together(vec![one(), other()]), ("aBcd".to_owned(), 2, 4));
        assert_eq!(together(vec![other(), one()]), ("aBcd".to_owned(), 2, 4));
    }

    #[test]
    fn a_vote_that_names_the_value_of_the_one_before_keeps_it_under_its_own_ballot() {
        let again = || told(0, &[(0, 1, "12345678 and more"), (0, 3, "12345678")]);
        assert_eq!(together(vec![again()]), ("12345678 and more".to_owned(), 0, 1));
        let between = || told(0, &[(0, 2, "another")]);
        assert_eq!(together(vec![between(), again()]).0, "12345678 and more", "ballot 3 is above ballot 2");
    }

    #[test]
    fn nothing_counts_behind_a_slot_that_nobody_voted_for() {
        let one = told(1, &[(0, 1, "a"), (3, 9, "z")]);
        let other = told(1, &[(0, 1, "a"), (1, 1, "b")]);
        assert_eq!(together(vec![one, other]), ("ab".to_owned(), 1, 2));
    }

    #[test]
    fn a_value_that_was_learned_is_not_replaced_by_a_vote_of_any_ballot() {
        let mut slots = Slots::default();
        slots.take(&record(Kind::Vote, 0, 5, 0, b"x"));
        slots.take(&record(Kind::Learned, 0, 0, 0, b"a"));
        slots.take(&record(Kind::Vote, 0, 9, 0, b"y"));
        slots.take(&record(Kind::Vote, 1, 9, 0, b"b"));
        slots.take(&record(Kind::Vote, 1, 10, 2, b"c"));
        let (decided, known) = slots.end(0, 0);
        assert_eq!(decided, 2);
        assert_eq!(known[&0], Known::Decided(b"a".to_vec()));
        assert_eq!(known[&1], Known::Decided(b"c".to_vec()));
    }

    #[test]
    fn a_decided_slot_without_its_value_is_an_error_and_not_a_gap() {
        assert!(put_together(vec![told(2, &[(1, 1, "b")])]).is_err());
    }

    #[test]
    fn a_replacement_takes_only_what_is_decided() {
        let history =
            put_together(vec![told(1, &[(0, 1, "a"), (1, 1, "b")])]).expect("it is whole").decided_only();
        assert_eq!((history.values.len(), history.end), (1, 1));
    }
}
