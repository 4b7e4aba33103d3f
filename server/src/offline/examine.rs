//! Looking at a journal: what is in it, what recovery would make of it, and what is wrong with it.

use super::dry::{self, Hands, Outcome, range};
use super::figures::{Figures, listed};
use super::medium::{Shielded, Source, read_around};
use super::report::{self, Record, Report, Span};
use seedfast_core::journal::layout::{COPY_MAX, COPY_MIN};
use seedfast_core::journal::mark::{MARK, Mark, MarkCopy};
use seedfast_core::journal::metadata::MetadataCopy;
use seedfast_core::journal::survey;
use seedfast_core::journal::{Expected, Metadata, Refusal, Row, Rows, SnapshotFound, Standing, frame};
use seedfast_core::paxos::Ballot;
use seedfast_core::storage::Range;

/// What a look at a journal brought.
pub(crate) struct Examination {
    pub(crate) report: Report,
    /// The metadata that counts.
    pub(crate) metadata: Option<Metadata>,
}

/// Which frames are to be listed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Listing {
    /// Only those about this slot.
    pub(crate) slot: Option<u64>,
}

/// Looks at the journal on `source`, which must be that of `expected` if that is known. Not a byte of it is changed.
/// `each` is handed what `listing` asks for.
pub(crate) fn examine(
    path: &str,
    source: &dyn Source,
    expected: Option<Expected>,
    listing: Option<Listing>,
    each: &mut dyn FnMut(Record),
) -> Examination {
    let geometry = dry::geometry(source);
    let front = source.length().min(2 * COPY_MAX);
    let (front, bad) = read_around(source, range(0, front), 64);
    let found = survey::metadata(&front, &bad, &geometry);
    let mut report = Report {
        report: 1,
        path: path.to_owned(),
        length: source.length(),
        sound: false,
        recognised: false,
        recovery: report::Recovery::default(),
        problems: Vec::new(),
        notes: Vec::new(),
        journal: None,
        start: None,
    };
    let mut hands = Hands::new(Shielded::new(source));
    let anybody =
        Expected { cluster: Default::default(), group: Default::default(), node: Default::default() };
    let (mut rows, mut outcome) = dry::recover(&mut hands, expected.unwrap_or(anybody), &mut |_| ());
    // If nobody says whose it must be, it is asked itself.
    if let (None, &Outcome::Refused(Refusal::Foreign { cluster, group, node })) = (expected, &outcome) {
        (rows, outcome) = dry::recover(&mut hands, Expected { cluster, group, node }, &mut |_| ());
    }
    report.recovery.repairs = hands.medium.writes().map(Span::from).collect();
    report.recovery.rows = rows.iter().map(described).collect();
    report.recovery.recovers = matches!(outcome, Outcome::Recovered(..));
    report.recovery.unreadable = bad.iter().copied().map(Span::from).collect();
    let metadata = found.ok();
    if let Some(metadata) = &metadata {
        look(source, metadata, &front, &outcome, &mut report, listing, each);
    }
    judge(&rows, &outcome, metadata.as_ref(), &mut report);
    Examination { report, metadata }
}

impl From<Range> for Span {
    fn from(Range { at, length }: Range) -> Self {
        Span { at, length }
    }
}

fn described(row: Row) -> report::Row {
    let probe = row.probe();
    let what = probe.split_once(": ").map_or(probe, |(_, what)| what);
    report::Row { row: row.to_string(), what: what.to_owned() }
}

/// Everything that the metadata leads to.
fn look(
    source: &dyn Source,
    metadata: &Metadata,
    front: &[u8],
    outcome: &Outcome,
    report: &mut Report,
    listing: Option<Listing>,
    each: &mut dyn FnMut(Record),
) {
    let layout = metadata.layout;
    // What a shorter device lacks cannot be looked at.
    if layout.end() > source.length() {
        return;
    }
    let (marks, mut bad) = read_around(source, range(layout.mark(0), 2 * layout.unit), layout.unit);
    let marks = [0, 1].map(|index| {
        let at = layout.mark(index);
        let copy = &marks[(index * layout.unit) as usize..][..MARK];
        (at, Mark::read(&metadata.identity, copy))
    });
    let snapshot = metadata.snapshot.map(|snapshot| {
        let at = layout.snapshot(snapshot.area.into());
        let (bytes, unread) = read_around(source, range(at, snapshot.bytes), layout.unit);
        let (chained, next) = survey::pieces(metadata, snapshot.area, &bytes, &unread);
        bad.extend(unread);
        let whole = chained.pieces.min(snapshot.pieces);
        if whole < snapshot.pieces {
            report.problems.push(format!(
                "the snapshot below slot {} has {} pieces, and piece {} at byte {next} of the device is damaged: \
                 promises and votes hold, and the state must come from a peer",
                snapshot.slot,
                snapshot.pieces,
                whole + 1
            ));
        }
        report::Snapshot {
            slot: snapshot.slot,
            area: if snapshot.area == 0 { 'A' } else { 'B' },
            at,
            bytes: snapshot.bytes,
            pieces: snapshot.pieces,
            whole,
        }
    });
    let (log, unread) = read_around(source, layout.log_range(), layout.unit);
    bad.extend(unread);
    let last = match outcome {
        Outcome::Recovered(_, restored) => Some(restored.last),
        Outcome::Refused(Refusal::Damage { number, .. } | Refusal::Malformed { number, .. }) => {
            Some(number - 1)
        }
        _ => None,
    };
    let mut figures = Figures::new(metadata);
    survey::records(metadata, &log, &bad, last, &mut |found| {
        figures.take(&found);
        if let Some(Listing { slot }) = listing
            && slot.is_none_or(|slot| slot == found.header.slot)
        {
            each(listed(&found));
        }
    });
    if let Some(sentence) = figures.damage(outcome, &layout) {
        report.notes.push(sentence);
    }
    let mut log = figures.end();
    if let Outcome::Recovered(_, restored) = outcome {
        log.mark = restored.mark;
    }
    report.recovery.unreadable.extend(bad.into_iter().map(Span::from));
    report.journal = Some(report::Journal {
        cluster: format!("{:032x}", metadata.identity.cluster.0),
        group: metadata.identity.group.0,
        node: metadata.identity.node.0,
        serial: format!("{:016x}", metadata.identity.serial),
        standing: match metadata.identity.standing {
            Standing::Founding => "founding",
            Standing::Replacement => "replacement",
        },
        format: frame::VERSION,
        layout: report::Layout {
            capacity: metadata.capacity,
            unit: layout.unit,
            copy: layout.copy,
            area: layout.area,
            segment: layout.segment,
            segments: layout.segments,
            log: layout.log(),
        },
        metadata: report::Metadata {
            copies: copies(metadata, front, report),
            generation: metadata.generation,
            promised: Ballot(metadata.promised).to_string(),
            decided: metadata.decided,
            mark: metadata.mark,
            head: metadata.head.number,
            head_at: layout.offset(metadata.head.position),
            epoch: metadata.epoch,
            configuration: metadata.configuration.len(),
        },
        marks: marks.into_iter().map(|(at, copy)| marked(at, copy)).collect(),
        snapshot,
        log,
    });
}

fn marked(at: u64, copy: MarkCopy) -> report::Mark {
    match copy {
        MarkCopy::Whole(mark) => report::Mark { at, state: "whole", number: Some(mark.number) },
        MarkCopy::Empty => report::Mark { at, state: "empty", number: None },
        MarkCopy::Unreadable => report::Mark { at, state: "unreadable", number: None },
    }
}

/// How both copies look, beside the one that counts.
fn copies(counts: &Metadata, front: &[u8], report: &mut Report) -> Vec<report::Copy> {
    [("A", 0), ("B", counts.layout.copy)]
        .into_iter()
        .map(|(name, at)| {
            let rest = front.get(at as usize..).unwrap_or_default();
            let copy = Metadata::read(&rest[..rest.len().min(counts.layout.copy as usize)]);
            let state = match &copy {
                MetadataCopy::Whole(_) => "whole",
                MetadataCopy::Empty => "missing",
                MetadataCopy::Unknown => "unknown",
                MetadataCopy::Damaged => "damaged",
                MetadataCopy::Newer(_) => "newer",
            };
            let generation = match copy {
                MetadataCopy::Whole(found) => Some(found.generation),
                _ => None,
            };
            match generation {
                None => report.problems.push(format!(
                    "metadata copy {name} at byte {at} of the device is {state}; the other one is whole, and a start \
                     rewrites this one from it"
                )),
                Some(old) if old < counts.generation => report.notes.push(format!(
                    "metadata copy {name} at byte {at} of the device is of generation {old} and the other one of {}, \
                     as a crash in a checkpoint leaves them; a start rewrites it",
                    counts.generation
                )),
                Some(_) => {}
            }
            report::Copy { at, state, generation }
        })
        .collect()
}

/// What is wrong, and what is merely worth knowing.
fn judge(rows: &Rows, outcome: &Outcome, metadata: Option<&Metadata>, report: &mut Report) {
    let smallest = 2 * COPY_MIN;
    report.recognised = match outcome {
        Outcome::Refused(Refusal::TooShort { takes, .. }) => *takes > smallest,
        Outcome::Refused(Refusal::Unformatted | Refusal::NotAJournal | Refusal::NewerFormat { .. }) => false,
        _ => true,
    };
    match outcome {
        Outcome::Refused(refusal) => {
            report.recovery.refusal = Some(refusal.to_string());
            report.recovery.row = refusal.row().map(|row| row.to_string());
            report.problems.push(match consequence(refusal) {
                Some(consequence) => format!("{refusal}; {consequence}"),
                None => refusal.to_string(),
            });
        }
        Outcome::Failed => report.problems.push("the device could not be read to its end".to_owned()),
        Outcome::Recovered(_, restored) => {
            if let SnapshotFound::Damaged(snapshot) = restored.snapshot
                && !report.problems.iter().any(|problem| problem.contains("snapshot"))
            {
                report.problems.push(format!("the snapshot below slot {} is damaged", snapshot.slot));
            }
            if restored.standing == Standing::Replacement {
                report.notes.push(
                    "the device took the place of a lost one: its replica learns, and never votes".to_owned(),
                );
            }
            if let Some(partial) = restored.partial {
                report.notes.push(format!(
                    "{} pieces of a snapshot below slot {} stand in the other area: a transfer can go on from there",
                    partial.pieces, partial.slot
                ));
            }
        }
    }
    if !report.recovery.unreadable.is_empty() && report.recovery.recovers {
        let first = report.recovery.unreadable[0].at;
        report.problems.push(format!(
            "{} places of the device cannot be read, the first at byte {first}; nothing that counts stands in them",
            report.recovery.unreadable.len()
        ));
    }
    if rows.contains(Row::L14) {
        report.problems.push("one copy of the durable mark is unreadable; a start rewrites it".to_owned());
    }
    if rows.contains(Row::L8) {
        report.problems.push(
            "a whole record stands where it does not belong: the device has written it to a wrong place"
                .to_owned(),
        );
    }
    if rows.contains(Row::L7) {
        report
            .notes
            .push("records of another cluster or group stand in the log, and do not count".to_owned());
    }
    if rows.contains(Row::L3) && report.recovery.recovers {
        report.notes.push(
            "the last write was torn before it was durable, as a crash leaves it; a start cuts it".to_owned(),
        );
    }
    if (rows.contains(Row::L4)
        || rows.contains(Row::L9)
        || rows.contains(Row::L11)
        || rows.contains(Row::L12))
        && report.recovery.recovers
    {
        report.notes.push(
            "records behind the end of the log were never durable, as a crash leaves them; a start erases them"
                .to_owned(),
        );
    }
    if let Some(metadata) = metadata.filter(|metadata| metadata.capacity < report.length) {
        report.notes.push(format!(
            "the device has {} bytes more than when it was formatted",
            report.length - metadata.capacity
        ));
    }
    report.sound = report.problems.is_empty();
}

/// What follows from a refusal, beyond its sentence.
fn consequence(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::Damage { .. }
        | Refusal::Malformed { .. }
        | Refusal::MetadataLost
        | Refusal::Contradiction => Some(
            "what its peers hold is not touched, and whatever was acknowledged stands on a majority of them as long as \
             no more nodes are lost",
        ),
        Refusal::Unreadable { .. } => {
            Some("nothing is lost yet, and nothing may be concluded before it is read")
        }
        _ => None,
    }
}
