//! What the journal was told and what it answered: the independent account that recovered journals are held against.
//!
//! It is kept from the calls alone and knows nothing of the format. A record is known by its number and by its *descent*,
//! a hash of what it says and of the descent of the record before it: after a crash the numbers behind the recovered end
//! are given anew, and a record of the former life under such a number is another one.

use seedfast_core::journal::{Kind, Record, Restored, Snapshot, SnapshotFound};
use seedfast_core::random::mix;
use std::fmt;

/// What a recovered journal owes, numbered as in `docs/explore.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// J1: what was acknowledged is there.
    Acknowledged,
    /// J2: what is there was appended, bit for bit.
    Appended,
    /// J3: it is an unbroken run, and what is missing before it is covered by the snapshot.
    Unbroken,
    /// J4: metadata, promise, decided prefix and snapshot never regress, and are ones that were written.
    Metadata,
    /// J5: a crash is never called damage, and recovery comes to an end.
    NoFalseAlarm,
    /// J6: after recovery the journal goes on.
    GoesOn,
    /// J7: a device that was struck at rest is recovered whole or refused.
    Struck,
    /// J8: nothing panics.
    Panic,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 8] = [
        Rule::Acknowledged,
        Rule::Appended,
        Rule::Unbroken,
        Rule::Metadata,
        Rule::NoFalseAlarm,
        Rule::GoesOn,
        Rule::Struck,
        Rule::Panic,
    ];
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "J{}", *self as u8 + 1)
    }
}

/// A rule that does not hold, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Which rule.
    pub rule: Rule,
    /// What was seen, in one sentence.
    pub what: String,
}

pub(super) fn wrong<T>(rule: Rule, what: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { rule, what: what.into() })
}

#[derive(Clone, Debug)]
struct Entry {
    kind: Kind,
    slot: u64,
    ballot: u64,
    epoch: u32,
    payload: Vec<u8>,
    descent: u64,
}

/// One state of the metadata, as it was asked for.
#[derive(Clone, Debug)]
struct State {
    descent: u64,
    promised: u64,
    decided: u64,
    snapshot: Option<Image>,
    epoch: u32,
    configuration: Vec<u8>,
    /// Every record up to this number may be gone under it.
    covers: u64,
}

/// A snapshot as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Image {
    slot: u64,
    digest: u64,
    pieces: u32,
}

/// What must be there at some moment: it rises with each acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    /// Every record up to this number was acknowledged.
    pub(super) acked: u64,
    /// The oldest state of the metadata that may be found, by its place.
    pub(super) state_from: usize,
    /// The newest.
    pub(super) state_to: usize,
    /// The decided prefix that was acknowledged.
    pub(super) decided: u64,
    /// Whether the device was struck: then a snapshot may be damaged.
    pub(super) struck: bool,
}

/// What a recovery came to, as far as later demands can ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) last: u64,
    descent: u64,
    state: u64,
    decided: u64,
    mark: u64,
}

impl Outcome {
    /// A hash of it.
    pub(super) fn key(&self) -> u128 {
        let low = chained(1, [self.last, self.descent]);
        let high = chained(2, [self.state, self.decided, self.mark]);
        u128::from(high) << 64 | u128::from(low)
    }
}

/// The records that a recovery hands over, held against the ledger one by one.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    first: u64,
    next: u64,
    decided: u64,
    incarnation: u32,
    wrong: Option<Wrong>,
}

/// The account.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    entries: Vec<Entry>,
    states: Vec<State>,
    /// The largest decided prefix that the journal was told of.
    most_decided: u64,
    /// Snapshots that were begun: slot, and how many pieces were handed over.
    begun: Vec<(u64, u32)>,
}

/// What a branch of the story cut off, to be put back.
pub(super) struct Stash {
    entries: Vec<Entry>,
    at: usize,
    states: Vec<State>,
    states_at: usize,
    begun: usize,
    most_decided: u64,
}

/// A hash of numbers. `mix` maps zero to zero and is easily undone, so that each step begins elsewhere.
fn chained(from: u64, fields: impl IntoIterator<Item = u64>) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    fields.into_iter().fold(from, |hash, field| {
        let rotated = hash.rotate_left(23).wrapping_mul(0xbb67_ae85_84ca_a73b);
        mix(rotated.wrapping_add(field).wrapping_add(STEP))
    })
}

fn bytes_hash(bytes: &[u8]) -> u64 {
    chained(bytes.len() as u64, bytes.iter().map(|byte| u64::from(*byte)))
}

/// `length` bytes that follow from `id`.
pub(super) fn fill(id: u64, length: usize, bytes: &mut Vec<u8>) {
    bytes.clear();
    for number in 0..length.div_ceil(8) as u64 {
        bytes.extend_from_slice(&mix(mix(id).wrapping_add(number)).to_le_bytes());
    }
    bytes.truncate(length);
}

impl Ledger {
    /// A freshly formatted journal.
    pub(super) fn format(&mut self) {
        self.entries.clear();
        self.states.clear();
        self.begun.clear();
        self.most_decided = 0;
        self.states.push(State {
            descent: 0,
            promised: 0,
            decided: 0,
            snapshot: None,
            epoch: 0,
            configuration: Vec::new(),
            covers: 0,
        });
    }

    /// The number of the last record appended.
    pub(super) fn last(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The place of the newest state of the metadata.
    pub(super) fn newest_state(&self) -> usize {
        self.states.len() - 1
    }

    /// A record was appended.
    pub(super) fn append(&mut self, kind: Kind, (slot, ballot, epoch): (u64, u64, u32), payload: Vec<u8>) {
        let before = self.entries.last().map_or(0, |entry| entry.descent);
        let fields = [kind as u64, slot, ballot, epoch.into(), bytes_hash(&payload)];
        let descent = chained(before, fields);
        self.entries.push(Entry { kind, slot, ballot, epoch, payload, descent });
    }

    /// The journal was told of a decided prefix.
    pub(super) fn decided(&mut self, below: u64) {
        self.most_decided = self.most_decided.max(below);
    }

    /// The highest ballot that was ever promised.
    pub(super) fn promised(&self) -> u64 {
        let records = self.entries.iter().filter(|entry| entry.kind == Kind::Promise);
        let states = self.states.iter().map(|state| state.promised);
        records.map(|entry| entry.ballot).chain(states).max().unwrap_or(0)
    }

    /// The last configuration that was appended as a record, unless the metadata has it or a later one.
    pub(super) fn configuration(&self) -> Option<(u32, &[u8])> {
        let known = self.states.last().map_or(0, |state| state.epoch);
        let last = self.entries.iter().rev().find(|entry| entry.kind == Kind::Configuration)?;
        (last.epoch > known).then_some((last.epoch, &last.payload))
    }

    /// A snapshot was begun, or given another piece.
    pub(super) fn piece(&mut self, slot: u64, number: u32) {
        self.begun.push((slot, number));
    }

    /// The metadata is to be updated: votes below `covered` may go.
    pub(super) fn checkpoint(
        &mut self,
        (promised, decided): (u64, u64),
        snapshot: Option<&Snapshot>,
        covered: u64,
        configuration: Option<(u32, &[u8])>,
    ) {
        let old = self.states.last().expect("there is one from the formatting");
        let mut state = old.clone();
        state.promised = state.promised.max(promised);
        state.decided = state.decided.max(decided);
        if let Some(Snapshot { slot, digest, pieces, .. }) = snapshot {
            state.snapshot = Some(Image { slot: *slot, digest: *digest, pieces: *pieces });
        }
        if let Some((epoch, bytes)) = configuration {
            state.epoch = epoch;
            state.configuration = bytes.to_vec();
        }
        let may_go = |entry: &&Entry| match entry.kind {
            Kind::Vote | Kind::Learned => entry.slot < covered,
            Kind::Promise => entry.ballot <= state.promised,
            Kind::Configuration => entry.epoch <= state.epoch,
            Kind::Note | Kind::Piece => true,
        };
        // What was given up before need not be looked at again.
        let kept = &self.entries[(state.covers as usize).min(self.entries.len())..];
        state.covers += kept.iter().take_while(may_go).count() as u64;
        self.decided(decided);
        // Only what recovery can tell: the same metadata asked for in another life are the same.
        let (slot, digest) = state.snapshot.as_ref().map_or((0, 0), |image| (image.slot, image.digest));
        let fields = [slot, digest, state.epoch.into(), bytes_hash(&state.configuration)];
        state.descent = chained(0, fields);
        self.states.push(state);
    }

    /// The story goes on from what was recovered: later records and states never were.
    pub(super) fn cut(&mut self, outcome: &Outcome) {
        self.entries.truncate(outcome.last as usize);
        self.states.truncate(self.place(outcome) + 1);
    }

    fn place(&self, outcome: &Outcome) -> usize {
        self.states.iter().rposition(|state| state.descent == outcome.state).expect("it was found there")
    }

    /// The same for a while, from what is demanded: gives what [`rejoin`](Self::rejoin) puts back.
    pub(super) fn branch(&mut self, demand: &Demand) -> Stash {
        let (at, states_at) = (demand.acked as usize, demand.state_from + 1);
        Stash {
            entries: self.entries.split_off(at.min(self.entries.len())),
            at,
            states: self.states.split_off(states_at),
            states_at,
            begun: self.begun.len(),
            most_decided: self.most_decided,
        }
    }

    pub(super) fn rejoin(&mut self, mut stash: Stash) {
        self.entries.truncate(stash.at);
        self.entries.append(&mut stash.entries);
        self.states.truncate(stash.states_at);
        self.states.append(&mut stash.states);
        self.begun.truncate(stash.begun);
        self.most_decided = stash.most_decided;
    }

    /// Exactly what was recovered is demanded from now on.
    pub(super) fn exactly(&self, outcome: &Outcome) -> Demand {
        let place = self.place(outcome);
        Demand {
            acked: outcome.last,
            state_from: place,
            state_to: place,
            decided: outcome.decided,
            struck: false,
        }
    }

    /// Judges a whole recovery.
    pub(super) fn judge(
        &self,
        found: &Found,
        restored: &Restored,
        demand: &Demand,
    ) -> Result<Outcome, Wrong> {
        if let Some(wrong) = &found.wrong {
            return Err(wrong.clone());
        }
        let last = restored.last;
        if found.first != 0 && found.next != last + 1 {
            let what = format!(
                "records up to {} were handed over, and {last} is said to be the last",
                found.next - 1
            );
            return wrong(Rule::Unbroken, what);
        }
        if last > self.last() {
            return wrong(
                Rule::Appended,
                format!("record {last} is said to be the last, and only {} were appended", self.last()),
            );
        }
        let state = self.state(restored, demand)?;
        let first = if found.first == 0 { last + 1 } else { found.first };
        if first > state.covers + 1 {
            let missing = state.covers + 1;
            let rule = if missing <= demand.acked { Rule::Acknowledged } else { Rule::Unbroken };
            return wrong(
                rule,
                format!(
                    "record {missing} is missing before the first one, {first}, and no snapshot covers it"
                ),
            );
        }
        let decided = found.decided.max(restored.decided);
        if decided > self.most_decided {
            let most = self.most_decided;
            return wrong(
                Rule::Metadata,
                format!(
                    "the decided prefix {decided} was recovered, and the journal was told {most} at most"
                ),
            );
        }
        let descent = last.checked_sub(1).map_or(0, |at| self.entries[at as usize].descent);
        let outcome = Outcome { last, descent, state: state.descent, decided, mark: restored.mark };
        self.satisfies(&outcome, demand)?;
        Ok(outcome)
    }

    /// The state of the metadata that was recovered.
    fn state(&self, restored: &Restored, demand: &Demand) -> Result<&State, Wrong> {
        let snapshot = match &restored.snapshot {
            SnapshotFound::None => None,
            SnapshotFound::Whole(snapshot) => Some(snapshot),
            SnapshotFound::Damaged(snapshot) if demand.struck => Some(snapshot),
            SnapshotFound::Damaged(snapshot) => {
                return wrong(
                    Rule::NoFalseAlarm,
                    format!(
                        "the snapshot at slot {} is called damaged, and nothing struck it",
                        snapshot.slot
                    ),
                );
            }
        };
        let same = |state: &&State| {
            let image = state.snapshot.as_ref();
            let snapshots = match (image, snapshot) {
                (None, None) => true,
                (Some(a), Some(b)) => a.slot == b.slot && a.digest == b.digest && a.pieces == b.pieces,
                _ => false,
            };
            snapshots && state.epoch == restored.epoch && state.configuration == restored.configuration
        };
        let allowed = &self.states[demand.state_from..=demand.state_to];
        let Some(state) = allowed.iter().rev().find(same) else {
            let slot = snapshot.map_or_else(|| "no snapshot".to_owned(), |s| format!("snapshot {}", s.slot));
            let older = self.states[..demand.state_from].iter().any(|state| same(&state));
            return wrong(
                Rule::Metadata,
                format!(
                    "the metadata recovered ({slot}, configuration {}) {}",
                    restored.epoch,
                    if older { "is older than what was acknowledged" } else { "was never asked for" }
                ),
            );
        };
        if restored.promised < state.promised || restored.promised > self.promised() {
            return wrong(
                Rule::Metadata,
                format!(
                    "the metadata promises {}, it was asked for {} and the highest ever promised is {}",
                    restored.promised,
                    state.promised,
                    self.promised()
                ),
            );
        }
        if let Some(partial) = &restored.partial
            && !self.begun.iter().any(|(slot, pieces)| *slot == partial.slot && *pieces >= partial.pieces)
        {
            return wrong(
                Rule::Appended,
                format!(
                    "{} pieces of a snapshot at slot {} were never written",
                    partial.pieces, partial.slot
                ),
            );
        }
        Ok(state)
    }

    /// Whether an outcome that was judged before is enough for another demand.
    #[inline]
    pub(super) fn satisfies(&self, outcome: &Outcome, demand: &Demand) -> Result<(), Wrong> {
        let Outcome { last, descent, state, decided, mark } = *outcome;
        if last < demand.acked {
            return wrong(
                Rule::Acknowledged,
                format!("record {} was acknowledged, and {last} is the last recovered", demand.acked),
            );
        }
        let known = last.checked_sub(1).map_or(Some(0), |at| Some(self.entries.get(at as usize)?.descent));
        if known != Some(descent) {
            return wrong(
                Rule::Appended,
                format!("record {last} of a former life came back, which a recovery had cut off"),
            );
        }
        if !self.states[demand.state_from..=demand.state_to].iter().any(|known| known.descent == state) {
            return wrong(Rule::Metadata, "the metadata recovered is older than what was acknowledged");
        }
        if decided < demand.decided {
            return wrong(
                Rule::Metadata,
                format!("the decided prefix {} was acknowledged, {decided} was recovered", demand.decided),
            );
        }
        if mark > last {
            return wrong(Rule::Metadata, format!("the mark {mark} is beyond the last record, {last}"));
        }
        Ok(())
    }
}

impl Found {
    /// Begins anew.
    pub(super) fn clear(&mut self) {
        *self = Found::default();
    }

    /// A record is handed over.
    #[inline]
    pub(super) fn take(&mut self, ledger: &Ledger, record: &Record<'_>) {
        if self.wrong.is_none()
            && let Err(wrong) = self.check(ledger, record)
        {
            self.wrong = Some(wrong);
        }
    }

    fn check(&mut self, ledger: &Ledger, record: &Record<'_>) -> Result<(), Wrong> {
        let number = record.number;
        if self.first == 0 {
            self.first = number;
        } else if number != self.next {
            return wrong(Rule::Unbroken, format!("record {number} follows record {}", self.next - 1));
        }
        self.next = number + 1;
        if record.incarnation < self.incarnation {
            return wrong(
                Rule::Unbroken,
                format!(
                    "record {number} of life {} follows one of life {}",
                    record.incarnation, self.incarnation
                ),
            );
        }
        self.incarnation = record.incarnation;
        self.decided = self.decided.max(record.decided);
        let entry = number.checked_sub(1).and_then(|at| ledger.entries.get(at as usize));
        let Some(entry) = entry else {
            return wrong(Rule::Appended, format!("record {number} was never appended"));
        };
        if entry.kind == Kind::Note && record.kind == Kind::Note {
            // The journal wrote it of its own accord; what it carries beside the decided prefix is its own.
            return Ok(());
        }
        let same = entry.kind == record.kind
            && entry.slot == record.slot
            && entry.ballot == record.ballot
            && entry.epoch == record.epoch
            && entry.payload == record.payload;
        if same {
            return Ok(());
        }
        wrong(
            Rule::Appended,
            format!(
                "record {number} was recovered as {:?} slot {} ballot {} epoch {} with {} bytes, and appended as {:?} slot \
                 {} ballot {} epoch {} with {} bytes{}",
                record.kind,
                record.slot,
                record.ballot,
                record.epoch,
                record.payload.len(),
                entry.kind,
                entry.slot,
                entry.ballot,
                entry.epoch,
                entry.payload.len(),
                if entry.payload == record.payload { "" } else { ", others" },
            ),
        )
    }
}
