//! What backups say together: a snapshot, every value that was decided behind it, and what was voted for from there on.
//!
//! A value counts as decided as it does for a replica that starts: it was learned, or a record says that everything below
//! some slot is decided and it was the value voted for there. Behind that, a slot gets the value of the highest ballot
//! that any of the backups voted for, as a new leader would propose it, and the first slot for which there is none ends
//! the history: nothing behind it can have been acknowledged, as far as these backups know.

use super::archive::Archive;
use super::dry::{self, Hands, Outcome, piece};
use super::medium::Shielded;
use seedfast_core::Buffer;
use seedfast_core::journal::{Expected, Kind, Metadata, Record, Restored, Snapshot, SnapshotFound, Standing};
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
    Ok(History { snapshot, values, end, decided, voters: voters.len() })
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
            let pieces = (1..=snapshot.pieces).map(|number| piece(&mut hands, &mut journal, number));
            let pieces: Option<Vec<Buffer>> = pieces.collect();
            Some((snapshot, pieces.ok_or("its snapshot cannot be read")?))
        }
    };
    let first = snapshot.as_ref().map_or(0, |(snapshot, _)| snapshot.slot);
    let (decided, slots) = slots.end(first, journal.metadata());
    Ok(Told { snapshot, standing, decided, slots })
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
            Kind::Vote if !matches!(self.known.get(&record.slot), Some(Known::Decided(_))) => {
                self.known.insert(record.slot, Known::Voted(record.ballot, record.payload.to_vec()));
            }
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
    fn end(mut self, first: u64, metadata: &Metadata) -> (u64, BTreeMap<u64, Known>) {
        self.decide(metadata.decided.max(first));
        let slots = self.known.split_off(&first);
        // What was learned in one piece behind it is decided as well.
        let mut decided = self.decided;
        while matches!(slots.get(&decided), Some(Known::Decided(_))) {
            decided += 1;
        }
        (decided, slots)
    }
}
