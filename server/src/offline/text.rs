//! A report as people read it.

use super::report::{Journal, Record, Report, Span, Start};
use std::fmt::Write;

/// The report, one subject a line.
pub(crate) fn told(report: &Report) -> String {
    let mut text = String::new();
    let _ = write!(text, "{}: {} bytes", report.path, report.length);
    match &report.journal {
        None => text.push('\n'),
        Some(journal) => told_journal(journal, &mut text),
    }
    let rows: Vec<&str> = report.recovery.rows.iter().map(|row| row.row.as_str()).collect();
    line(
        &mut text,
        "recovery",
        &format!("meets {}", if rows.is_empty() { "no row".into() } else { rows.join(", ") }),
    );
    for row in &report.recovery.rows {
        line(&mut text, "", &format!("{:4}{}", row.row, row.what));
    }
    if !report.recovery.repairs.is_empty() {
        line(&mut text, "", &format!("would write {}", spans(&report.recovery.repairs)));
    }
    if !report.recovery.unreadable.is_empty() {
        line(&mut text, "unread", &spans(&report.recovery.unreadable));
    }
    if let Some(start) = &report.start {
        told_start(start, &mut text);
    }
    for note in &report.notes {
        line(&mut text, "note", note);
    }
    for problem in &report.problems {
        line(&mut text, "wrong", problem);
    }
    let verdict = match (report.sound, report.recovery.recovers) {
        (true, _) => "sound: a replica starts from it",
        (false, true) => "damaged, and a replica starts from it",
        (false, false) => "a replica refuses to start from it, and changes nothing",
    };
    line(&mut text, "verdict", verdict);
    text
}

fn line(text: &mut String, subject: &str, what: &str) {
    let _ = writeln!(text, "  {subject:9} {what}");
}

fn spans(spans: &[Span]) -> String {
    let first: Vec<String> =
        spans.iter().take(4).map(|Span { at, length }| format!("{length} bytes at {at}")).collect();
    let more = if spans.len() > 4 { format!(" and {} more", spans.len() - 4) } else { String::new() };
    first.join(", ") + &more
}

fn told_journal(journal: &Journal, text: &mut String) {
    let Journal { cluster, group, node, serial, standing, format, layout, metadata, .. } = journal;
    let _ = writeln!(text, ", the journal of replica {node}");
    line(
        text,
        "identity",
        &format!("cluster {cluster}, group {group}, serial {serial}, {standing}, format {format}"),
    );
    line(
        text,
        "layout",
        &format!(
            "{} segments of {} bytes from byte {}, two snapshot areas of {}, units of {}",
            layout.segments, layout.segment, layout.log, layout.area, layout.unit
        ),
    );
    let copies: Vec<String> = metadata
        .copies
        .iter()
        .map(|copy| match copy.generation {
            Some(generation) => format!("{} of generation {generation} at byte {}", copy.state, copy.at),
            None => format!("{} at byte {}", copy.state, copy.at),
        })
        .collect();
    line(text, "metadata", &copies.join(", "));
    line(
        text,
        "",
        &format!(
            "promised {}, decided below {}, durable up to record {}, log from record {} at byte {}",
            metadata.promised, metadata.decided, metadata.mark, metadata.head, metadata.head_at
        ),
    );
    let marks: Vec<String> = journal
        .marks
        .iter()
        .map(|mark| match mark.number {
            Some(number) => format!("record {number} at byte {}", mark.at),
            None => format!("{} at byte {}", mark.state, mark.at),
        })
        .collect();
    line(text, "marks", &marks.join(", "));
    match &journal.snapshot {
        None => line(text, "snapshot", "none"),
        Some(snapshot) => line(
            text,
            "snapshot",
            &format!(
                "below slot {}, {} of {} pieces whole, {} bytes in area {} at byte {}",
                snapshot.slot, snapshot.whole, snapshot.pieces, snapshot.bytes, snapshot.area, snapshot.at
            ),
        ),
    }
    told_log(journal, text);
}

fn told_log(journal: &Journal, text: &mut String) {
    let log = &journal.log;
    match log.first.zip(log.last) {
        None => line(text, "log", "empty"),
        Some((first, last)) => line(text, "log", &format!("records {first} to {last}: {}", log.kinds.told())),
    }
    if let Some((from, to)) = log.slots {
        let gaps = match &log.gaps[..] {
            [] => "no gap".to_owned(),
            gaps => {
                let first: Vec<String> =
                    gaps.iter().take(4).map(|(from, to)| format!("{from}..={to}")).collect();
                let more = if gaps.len() > 4 { ", ..." } else { "" };
                format!("gaps {}{more}", first.join(", "))
            }
        };
        line(text, "slots", &format!("{from} to {to}, {gaps}"));
    }
    line(text, "decided", &format!("below {}, and {} voted for from there on", log.decided, log.undecided));
    if let Some((low, high)) = &log.ballots {
        line(text, "ballots", &format!("{low} to {high}"));
    }
    if let Some((low, high)) = log.lives {
        line(text, "lives", &format!("{low} to {high}"));
    }
    line(
        text,
        "ring",
        &format!(
            "{} of {} bytes in {} of {} segments, up to byte {}; durable up to record {}",
            log.used, log.ring, log.segments_used, journal.layout.segments, log.tail_at, log.mark
        ),
    );
    let aside = log.aside.told();
    if !aside.is_empty() {
        line(text, "aside", &aside);
    }
}

fn told_start(start: &Start, text: &mut String) {
    match &start.halted {
        Some(why) => line(text, "start", &format!("a replica ends at once: {why}")),
        None => {
            let standing = if start.amnesiac { ", and never votes" } else { "" };
            line(
                text,
                "start",
                &format!(
                    "promised {}, decided below {}, applied below {}, {} keys, state {}{standing}",
                    start.promised, start.decided, start.applied, start.keys, start.digest
                ),
            );
        }
    }
}

/// The heading of the list of records.
pub(crate) const RECORDS: &str = "      number         byte   bytes kind                  slot      ballot     decided        mark life value";

/// One line of the list of records.
pub(crate) fn record(record: &Record) -> String {
    let Record { number, at, length, fate, kind, slot, ballot, decided, mark, incarnation, value, closes } =
        record;
    let close = if *closes { "." } else { " " };
    let value = value.as_deref().unwrap_or("-");
    let aside = if *fate == "counts" { String::new() } else { format!(" ({fate})") };
    format!(
        "{number:12} {at:12} {length:7} {kind:13}{close} {slot:11} {ballot:>11} {decided:11} {mark:11} \
         {incarnation:4} {value}{aside}"
    )
}
