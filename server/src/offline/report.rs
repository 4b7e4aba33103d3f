//! What `inspect` and `verify` find, as plain values: the JSON that they print, and what their text is made from.

use serde::Serialize;

/// All that is known about one journal.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The version of this report's form.
    pub(crate) report: u32,
    /// What was looked at.
    pub(crate) path: String,
    /// Its length in bytes.
    pub(crate) length: u64,
    /// Nothing is wrong.
    pub(crate) sound: bool,
    /// It is a journal of ours, whatever became of it, and this program can judge it.
    pub(crate) recognised: bool,
    /// What recovery would do.
    pub(crate) recovery: Recovery,
    /// What is wrong, one sentence each.
    pub(crate) problems: Vec<String>,
    /// What is worth knowing and not wrong, one sentence each.
    pub(crate) notes: Vec<String>,
    /// Missing if no metadata counts.
    pub(crate) journal: Option<Journal>,
    /// What a replica made of it, if that was tried.
    pub(crate) start: Option<Start>,
}

/// What recovery would do.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Recovery {
    /// A replica would start.
    pub(crate) recovers: bool,
    /// Why it would not: the sentence with which it would end.
    pub(crate) refusal: Option<String>,
    /// The row of the decision table that refuses.
    pub(crate) row: Option<String>,
    /// Every row that was met.
    pub(crate) rows: Vec<Row>,
    /// What it would write before it speaks.
    pub(crate) repairs: Vec<Span>,
    /// What the medium could not give back.
    pub(crate) unreadable: Vec<Span>,
}

/// A row of the decision table in `docs/journal.md`.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) row: String,
    pub(crate) what: String,
}

/// Bytes of the device.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Span {
    pub(crate) at: u64,
    pub(crate) length: u64,
}

/// What the journal says of itself.
#[derive(Debug, Serialize)]
pub(crate) struct Journal {
    /// 32 hexadecimal digits.
    pub(crate) cluster: String,
    pub(crate) group: u32,
    pub(crate) node: u8,
    /// 16 hexadecimal digits.
    pub(crate) serial: String,
    /// `founding` or `replacement`.
    pub(crate) standing: &'static str,
    pub(crate) format: u8,
    pub(crate) layout: Layout,
    pub(crate) metadata: Metadata,
    pub(crate) marks: Vec<Mark>,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) log: Log,
}

#[derive(Debug, Serialize)]
pub(crate) struct Layout {
    pub(crate) capacity: u64,
    pub(crate) unit: u64,
    pub(crate) copy: u64,
    pub(crate) area: u64,
    pub(crate) segment: u64,
    pub(crate) segments: u32,
    /// Where the log begins.
    pub(crate) log: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Metadata {
    pub(crate) copies: Vec<Copy>,
    pub(crate) generation: u64,
    /// As `round.node`.
    pub(crate) promised: String,
    pub(crate) decided: u64,
    pub(crate) mark: u64,
    /// The oldest record that counts, and where its segment stands.
    pub(crate) head: u64,
    pub(crate) head_at: u64,
    pub(crate) epoch: u32,
    pub(crate) configuration: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct Copy {
    pub(crate) at: u64,
    /// `whole`, `damaged`, `missing`, `unknown` or `newer`.
    pub(crate) state: &'static str,
    pub(crate) generation: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Mark {
    pub(crate) at: u64,
    /// `whole`, `empty` or `unreadable`.
    pub(crate) state: &'static str,
    pub(crate) number: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    /// Every slot below it is in the snapshot.
    pub(crate) slot: u64,
    /// `A` or `B`.
    pub(crate) area: char,
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    pub(crate) pieces: u32,
    /// How many of them are whole, from the first on.
    pub(crate) whole: u32,
}

/// The records that count, in figures.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Log {
    pub(crate) records: u64,
    pub(crate) first: Option<u64>,
    pub(crate) last: Option<u64>,
    pub(crate) kinds: Kinds,
    /// The lowest and the highest slot with a vote or a learned value.
    pub(crate) slots: Option<(u64, u64)>,
    /// Slots between the snapshot and the highest one without any, as inclusive ranges; the first hundred.
    pub(crate) gaps: Vec<(u64, u64)>,
    /// The lowest and the highest ballot of any promise or vote, as `round.node`.
    pub(crate) ballots: Option<(String, String)>,
    /// Everything below is known to be decided.
    pub(crate) decided: u64,
    /// Slots from there on with a vote.
    pub(crate) undecided: u64,
    /// Everything up to this record was known durable.
    pub(crate) mark: u64,
    /// Where the last record ends.
    pub(crate) tail_at: u64,
    /// From the head to the tail, and all of the ring, in bytes.
    pub(crate) used: u64,
    pub(crate) ring: u64,
    pub(crate) segments_used: u64,
    /// The lives that wrote what counts: lowest and highest incarnation.
    pub(crate) lives: Option<(u32, u32)>,
    /// Frames that do not count.
    pub(crate) aside: Aside,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Kinds {
    pub(crate) promises: u64,
    pub(crate) votes: u64,
    pub(crate) learned: u64,
    pub(crate) notes: u64,
    pub(crate) configurations: u64,
}

/// Frames that do not count, by what they are.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Aside {
    pub(crate) unreadable: u64,
    pub(crate) foreign: u64,
    pub(crate) newer: u64,
    pub(crate) misdirected: u64,
    pub(crate) earlier_lap: u64,
    pub(crate) stray: u64,
}

/// What a replica, begun on a copy in memory, came to.
#[derive(Debug, Serialize)]
pub(crate) struct Start {
    /// It has its state and would serve, or learn.
    pub(crate) ready: bool,
    /// Why it ended.
    pub(crate) halted: Option<String>,
    pub(crate) promised: String,
    pub(crate) decided: u64,
    pub(crate) applied: u64,
    pub(crate) snapshot: u64,
    pub(crate) amnesiac: bool,
    /// Keys in the store.
    pub(crate) keys: usize,
    /// Of the state: 16 hexadecimal digits.
    pub(crate) digest: String,
}

/// One frame of the log, for `inspect --records`.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    pub(crate) number: u64,
    /// In bytes from the beginning of the device.
    pub(crate) at: u64,
    /// Header and payload, in bytes.
    pub(crate) length: u32,
    /// `counts`, or what it is instead.
    pub(crate) fate: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) slot: u64,
    pub(crate) ballot: String,
    pub(crate) decided: u64,
    pub(crate) mark: u64,
    pub(crate) incarnation: u32,
    /// Of a vote or a learned value: 16 hexadecimal digits.
    pub(crate) value: Option<String>,
    /// The last of its group.
    pub(crate) closes: bool,
}
