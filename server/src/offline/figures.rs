//! The log in figures: what its records say, and what stands beside them.

use super::dry::Outcome;
use super::report::{self, Aside, Kinds, Log, Record};
use seedfast_core::journal::survey::{Fate, Found};
use seedfast_core::journal::{Kind, Layout, Metadata, Refusal, frame};
use seedfast_core::paxos::Ballot;

/// So many gaps are named.
const GAPS: usize = 100;

/// The figures while the log is walked.
pub(crate) struct Figures {
    log: Log,
    layout: Layout,
    /// Where the snapshot ends: below it nothing is missed.
    from: u64,
    /// Slots with a value, in the order of their records.
    valued: Vec<u64>,
    voted: Vec<u64>,
    ballots: Option<(u64, u64)>,
    /// Where the next record would begin, as a position.
    end: u64,
    head: u64,
    /// Numbers of whole records behind a place that recovery could not pass.
    beyond: Option<(u64, u64, u64)>,
    /// Headers that can still be read although their records are damaged.
    broken: Vec<(u64, frame::Header)>,
}

impl Figures {
    pub(crate) fn new(metadata: &Metadata) -> Self {
        let layout = metadata.layout;
        let ring = layout.lap();
        Figures {
            log: Log { decided: metadata.decided, mark: metadata.mark, ring, ..Log::default() },
            layout,
            from: metadata.snapshot.map_or(0, |snapshot| snapshot.slot),
            valued: Vec::new(),
            voted: Vec::new(),
            ballots: None,
            end: metadata.head.position,
            head: metadata.head.position,
            beyond: None,
            broken: Vec::new(),
        }
    }

    /// Takes the next frame of the ring.
    pub(crate) fn take(&mut self, found: &Found<'_>) {
        let Aside { unreadable, foreign, newer, misdirected, earlier_lap, stray } = &mut self.log.aside;
        match found.fate {
            Fate::Counts => self.count(found),
            Fate::Unreadable => {
                *unreadable += 1;
                self.broken.push((found.offset, found.header));
            }
            Fate::Foreign => *foreign += 1,
            Fate::Newer => *newer += 1,
            Fate::Misdirected => *misdirected += 1,
            Fate::EarlierLap => *earlier_lap += 1,
            Fate::Stray => {
                *stray += 1;
                let number = found.header.number;
                let (count, low, high) = self.beyond.unwrap_or((0, number, number));
                self.beyond = Some((count + 1, low.min(number), high.max(number)));
            }
        }
    }

    fn count(&mut self, found: &Found<'_>) {
        let header = &found.header;
        let log = &mut self.log;
        log.records += 1;
        log.first = log.first.or(Some(header.number));
        log.last = Some(header.number);
        log.decided = log.decided.max(header.decided);
        log.mark = log.mark.max(header.mark);
        let life = header.incarnation;
        log.lives = Some(log.lives.map_or((life, life), |(low, high)| (low.min(life), high.max(life))));
        self.end = header.position + header.padded();
        match Kind::of(header.kind) {
            Some(Kind::Promise) => log.kinds.promises += 1,
            Some(Kind::Vote) => log.kinds.votes += 1,
            Some(Kind::Learned) => log.kinds.learned += 1,
            Some(Kind::Note) => log.kinds.notes += 1,
            Some(Kind::Configuration) => log.kinds.configurations += 1,
            Some(Kind::Piece) | None => {}
        }
        if matches!(Kind::of(header.kind), Some(Kind::Vote | Kind::Learned)) {
            self.valued.push(header.slot);
        }
        if Kind::of(header.kind) == Some(Kind::Vote) {
            self.voted.push(header.slot);
        }
        if matches!(Kind::of(header.kind), Some(Kind::Promise | Kind::Vote)) {
            let ballot = header.ballot;
            self.ballots = Some(
                self.ballots.map_or((ballot, ballot), |(low, high)| (low.min(ballot), high.max(ballot))),
            );
        }
    }

    /// The sentence about a damaged record: what its header still says, and what is behind it.
    pub(crate) fn damage(&self, outcome: &Outcome, layout: &Layout) -> Option<String> {
        let Outcome::Refused(Refusal::Damage { number, offset, .. }) = outcome else { return None };
        let claims = self.broken.iter().find(|(at, header)| header.number == *number && at >= offset);
        let what = match claims {
            Some((at, header)) => format!(
                "its header still says that it is a {} for slot {} under ballot {} with {} bytes, in units {} to {}",
                name_of(header.kind),
                header.slot,
                Ballot(header.ballot),
                header.length,
                at / layout.unit,
                (at + u64::from(header.length) - 1) / layout.unit
            ),
            None => format!("nothing can be read of it; it should begin in unit {}", offset / layout.unit),
        };
        let beyond = match self.beyond {
            Some((count, low, high)) => {
                format!("{count} whole records, numbers {low} to {high}, stand behind it and do not count")
            }
            None => "no whole record stands behind it".to_owned(),
        };
        Some(format!("record {number}: {what}; {beyond}"))
    }

    /// The figures of all that was taken.
    pub(crate) fn end(mut self) -> Log {
        for slots in [&mut self.valued, &mut self.voted] {
            slots.sort_unstable();
            slots.dedup();
        }
        let mut log = self.log;
        log.slots = self.valued.first().copied().zip(self.valued.last().copied());
        let mut next = self.from;
        for slot in self.valued.iter().copied().filter(|slot| *slot >= self.from) {
            if slot > next && log.gaps.len() < GAPS {
                log.gaps.push((next, slot - 1));
            }
            next = slot + 1;
        }
        log.undecided = self.voted.iter().filter(|slot| **slot >= log.decided).count() as u64;
        log.ballots = self.ballots.map(|(low, high)| (Ballot(low).to_string(), Ballot(high).to_string()));
        log.tail_at = self.layout.offset(self.end);
        log.used = self.end - self.head;
        let segment = |position: u64| position / self.layout.segment;
        log.segments_used = if log.records == 0 { 0 } else { segment(self.end - 1) - segment(self.head) + 1 };
        log
    }
}

/// What a record's kind is called.
pub(crate) fn name_of(kind: u8) -> &'static str {
    match Kind::of(kind) {
        Some(Kind::Promise) => "promise",
        Some(Kind::Vote) => "vote",
        Some(Kind::Learned) => "learned",
        Some(Kind::Note) => "note",
        Some(Kind::Configuration) => "configuration",
        Some(Kind::Piece) => "piece",
        None => "unknown",
    }
}

/// A frame as it is listed.
pub(crate) fn listed(found: &Found<'_>) -> Record {
    let header = &found.header;
    let verified = !matches!(found.fate, Fate::Unreadable | Fate::Foreign);
    let valued = matches!(Kind::of(header.kind), Some(Kind::Vote | Kind::Learned));
    let value = found.payload.first_chunk::<8>().filter(|_| verified && valued);
    report::Record {
        number: header.number,
        at: found.offset,
        length: header.length,
        fate: match found.fate {
            Fate::Counts => "counts",
            Fate::Unreadable => "unreadable",
            Fate::Foreign => "foreign",
            Fate::Newer => "newer",
            Fate::Misdirected => "misdirected",
            Fate::EarlierLap => "earlier lap",
            Fate::Stray => "stray",
        },
        kind: name_of(header.kind),
        slot: header.slot,
        ballot: Ballot(header.ballot).to_string(),
        decided: header.decided,
        mark: header.mark,
        incarnation: header.incarnation,
        value: value.map(|id| format!("{:016x}", u64::from_le_bytes(*id))),
        closes: header.flags & frame::LAST != 0,
    }
}

/// Counts and what is counted, where there is any.
fn counted(all: &[(u64, &str)]) -> String {
    let some = all.iter().filter(|(count, _)| *count > 0);
    let some: Vec<String> = some.map(|(count, name)| format!("{count} {name}")).collect();
    some.join(", ")
}

impl Kinds {
    /// Kinds and counts, for people.
    pub(crate) fn told(&self) -> String {
        let Kinds { promises, votes, learned, notes, configurations } = *self;
        let all = [
            (promises, "promises"),
            (votes, "votes"),
            (learned, "learned"),
            (notes, "notes"),
            (configurations, "configurations"),
        ];
        counted(&all)
    }
}

impl Aside {
    /// What stands aside and how often, for people; nothing if nothing does.
    pub(crate) fn told(&self) -> String {
        let Aside { unreadable, foreign, newer, misdirected, earlier_lap, stray } = *self;
        let all = [
            (unreadable, "unreadable"),
            (foreign, "of another cluster"),
            (newer, "of a later version"),
            (misdirected, "misdirected"),
            (earlier_lap, "of an earlier lap"),
            (stray, "that do not follow"),
        ];
        counted(&all)
    }
}
