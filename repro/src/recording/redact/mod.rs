//! A recording without a byte that clients sent, stored or were answered, which still replays (`docs/recording.md`).
//!
//! Two passes. The first one replays the recording and learns what inputs alone do not tell: what the state machine
//! answered, and which bytes belong to which snapshot. The second one replays it once more, hands each input, with other
//! payloads in it, to a twin whose state machine plays back how long the answers were, and records the twin. After each
//! turn both must have asked for the same things, sizes and places included: or else nothing is written.

mod device;
mod inputs;
mod played;
mod secret;
mod shape;
mod stream;

pub(super) use played::{MACHINE, Played};
pub(super) use secret::Secret;

use super::files;
use super::watch::Voice;
use crate::panics::quietly;
use crate::trouble::Trouble;
use device::Image;
use played::{Answers, Heard};
use seedfast_core::journal::{Identity, Layout};
use seedfast_core::paxos::Replica;
use seedfast_core::recording::{
    End, Header, MAGIC, Reading, Record, Recorder, Replay, Sink, Unreadable, seal,
};
use seedfast_core::runtime::drive::Tap;
use seedfast_core::{Completion, Input, Now, OperationId, Outbox, Output, Process, Range, Step};
use seedfast_scenarios::recorded;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::rc::Rc;
use stream::Stream;

/// The largest block that a recording may have holds the answers, too.
const MOST: usize = 1 << 30;

/// Everything that is known beside the input that is looked at.
pub(super) struct Learned<'a> {
    secret: &'a Secret,
    image: Image,
    /// Whose journal is read, and where its parts stand.
    journal: Option<(Identity, Layout)>,
    /// What stands for the checksum of a frame.
    checksums: BTreeMap<u64, u64>,
    /// What stands for the name of a value that a record holds.
    names: BTreeMap<u64, u64>,
    /// By a piece's checksum: of which slot its snapshot is, and where in it the next piece begins.
    pieces: BTreeMap<u64, (u64, u64)>,
    /// The snapshots, by their slots.
    streams: BTreeMap<u64, Stream>,
    out: Outbox,
}

/// What is being read, and whether anything was written, in either pass.
#[derive(Default)]
struct Asked {
    reads: BTreeMap<OperationId, Range>,
    /// Something was written: what is read from now on may be that.
    wrote: bool,
}

impl Asked {
    fn note(&mut self, outputs: &[Output]) {
        for output in outputs {
            match output {
                Output::Read { op, range, .. } => {
                    self.reads.insert(*op, *range);
                }
                Output::Submit { .. } => self.wrote |= writes(output).next().is_some(),
                _ => {}
            }
        }
    }

    /// What a completion brings, and whether nothing had been written yet.
    fn answered(&mut self, input: &Input) -> Option<(Range, bool)> {
        let Input::Completed { op, .. } = input else { return None };
        self.reads.remove(op).map(|range| (range, !self.wrote))
    }
}

fn writes(output: &Output) -> impl Iterator<Item = &[u8]> {
    let chain = if let Output::Submit { chain, .. } = output { chain.as_slice() } else { &[] };
    chain.iter().filter_map(|step| if let Step::Write { buffer, .. } = step { Some(&**buffer) } else { None })
}

/// A moment of a replay.
enum Moment<'a> {
    /// A turn is about to be taken.
    Input(Now, &'a Input),
    /// It was taken, and asked for this.
    Asked(&'a [Output]),
    /// It panicked when it was recorded, and does so here.
    Panicked,
    /// The recording tells of its outputs.
    Told,
}

/// Replays a recording with `machine`, and tells `each` of its moments.
///
/// # Errors
/// It cannot be replayed here to its end, or `each` does not want to go on.
fn walk<P: Process>(
    path: &Path,
    voice: &Voice,
    make: impl FnOnce(&Header) -> Result<P, String>,
    each: &mut dyn FnMut(Moment<'_>) -> Result<(), String>,
) -> Result<Option<End>, Trouble> {
    let trouble = |why: String| Trouble::new(format!("{} cannot be redacted: {why}", path.display()));
    let told = |why: Unreadable<io::Error>| trouble(why.to_string());
    let mut reading = files::open(path).map_err(Unreadable::Source).and_then(Reading::open).map_err(told)?;
    if reading.header().machine == MACHINE {
        return Err(trouble("it is redacted already".into()));
    }
    let mut replay = Replay::new(make(reading.header()).map_err(trouble)?);
    let mut turns = 0;
    loop {
        let record = match reading.record() {
            Ok(Some(record)) => record,
            Ok(None) | Err(Unreadable::Torn { .. }) => return Ok(None),
            Err(why) => return Err(told(why)),
        };
        let (mut is_turn, mut is_told, mut end) = (false, false, None);
        match &record {
            Record::Turn { now, input } => {
                is_turn = true;
                turns += 1;
                voice.turn(turns);
                each(Moment::Input(*now, input)).map_err(trouble)?;
            }
            Record::Outputs { .. } => is_told = true,
            Record::End { why, .. } => end = Some(*why),
        }
        match quietly(|| replay.take(record)) {
            Ok(Ok(())) => {}
            Ok(Err(difference)) => {
                return Err(trouble(format!(
                    "it does not replay here ({difference}); redact it with the build that recorded it"
                )));
            }
            Err(why) => {
                if !matches!(reading.record(), Ok(None) | Err(Unreadable::Torn { .. })) {
                    return Err(trouble(format!(
                        "a turn panics here that did not when it was recorded: {why}"
                    )));
                }
                each(Moment::Panicked).map_err(trouble)?;
                return Ok(None);
            }
        }
        if is_turn {
            let outputs = replay.turn().map_or(&[][..], |turn| &turn.outputs);
            each(Moment::Asked(outputs)).map_err(trouble)?;
        }
        if is_told {
            each(Moment::Told).map_err(trouble)?;
        }
        if end.is_some() {
            return Ok(end);
        }
    }
}

/// Writes what `from` holds to `to`, without what clients sent; tells `voice` of its turns.
///
/// # Errors
/// It cannot be read, replayed or written, or its twin does something else; there is no `to` then.
pub(super) fn redact(from: &Path, to: &Path, secret: &Secret, voice: &Voice) -> Result<(), Trouble> {
    let (learned, answers) = learn(from, secret, voice)?;
    let name = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = to.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let result = record(from, &temporary, learned, &answers, voice)
        .and_then(|()| std::fs::rename(&temporary, to).map_err(|error| cannot_write(to, &error)));
    result.inspect_err(|_| {
        let _ = std::fs::remove_file(&temporary);
    })
}

fn cannot_write(path: &Path, error: &io::Error) -> Trouble {
    let why = crate::files::plain(error);
    Trouble::new(format!("cannot write {}: {why}; make room or name another place", path.display()))
}

/// The first pass.
fn learn<'a>(from: &Path, secret: &'a Secret, voice: &Voice) -> Result<(Learned<'a>, Answers), Trouble> {
    let mut learned = Learned {
        secret,
        image: Image::default(),
        journal: None,
        checksums: BTreeMap::new(),
        names: BTreeMap::new(),
        pieces: BTreeMap::new(),
        streams: BTreeMap::new(),
        out: Outbox::new(false),
    };
    let answers = Rc::new(RefCell::new(Answers::default()));
    let heard = answers.clone();
    let make = |header: &Header| recorded::replica_of(header, Heard::new(recorded::store(header)?, heard));
    let mut asked = Asked::default();
    walk(from, voice, make, &mut |moment| {
        match moment {
            Moment::Input(_, input) => {
                let read = asked.answered(input);
                if let (Some((range, true)), Input::Completed { result: Completion::Data(bytes), .. }) =
                    (read, input)
                {
                    learned.image.read(range.at, bytes);
                }
                learned.listen(input);
            }
            Moment::Asked(outputs) => {
                let before = asked.wrote;
                asked.note(outputs);
                if asked.wrote && !before {
                    learned.survey();
                }
                outputs.iter().flat_map(writes).for_each(|bytes| learned.note_write(bytes));
            }
            Moment::Panicked | Moment::Told => {}
        }
        Ok(())
    })?;
    if !asked.wrote {
        learned.survey();
    }
    learned.redact_image();
    let answers = answers.take();
    Ok((learned, answers))
}

/// Takes the same turns as a replica, told what may be told.
struct Twin<'a> {
    replica: Replica<Played>,
    learned: Learned<'a>,
    recorder: Recorder<ToFile>,
    asked: Asked,
    out: Outbox,
    /// What it is told in this turn, and what it asked for.
    told: (Now, Input),
    outputs: Vec<Output>,
    turns: u64,
}

impl Twin<'_> {
    fn take(&mut self, moment: Moment<'_>) -> Result<(), String> {
        match moment {
            Moment::Input(now, input) => {
                if self.told.1 == Input::EndOfBurst {
                    self.recorder.burst();
                }
                let read = self.asked.answered(input);
                let told = self.learned.redact(input, read);
                self.recorder.input(now, &told);
                (self.told, self.turns) = ((now, told), self.turns + 1);
            }
            Moment::Asked(outputs) => {
                self.asked.note(outputs);
                self.turn()
                    .map_err(|why| format!("turn {} panics without what clients sent: {why}", self.turns))?;
                self.compare(outputs)?;
            }
            Moment::Panicked => {
                if self.turn().is_ok() {
                    return Err(format!(
                        "turn {} panicked, and does not without what clients sent",
                        self.turns
                    ));
                }
            }
            Moment::Told => self.recorder.outputs(&self.outputs),
        }
        Ok(())
    }

    /// Takes the turn; or why it panics.
    fn turn(&mut self) -> Result<(), String> {
        let (now, input) = self.told.clone();
        self.outputs.clear();
        quietly(|| self.replica.turn(now, input, &mut self.out))?;
        self.out.swap(&mut self.outputs);
        self.outputs.retain(|output| !matches!(output, Output::Observe { .. }));
        Ok(())
    }

    /// Both must have asked for the same.
    fn compare(&mut self, was: &[Output]) -> Result<(), String> {
        if let Some(place) = shape::difference(was, &self.outputs) {
            let turn = self.turns;
            return Err(format!(
                "output {} of turn {turn} follows from what clients sent, and is another one without it",
                place + 1
            ));
        }
        for (was, is) in was.iter().zip(&self.outputs) {
            writes(was).zip(writes(is)).for_each(|(was, is)| self.learned.note_twins(was, is));
        }
        Ok(())
    }
}

/// The second pass.
fn record(
    from: &Path,
    to: &Path,
    learned: Learned<'_>,
    answers: &Answers,
    voice: &Voice,
) -> Result<(), Trouble> {
    let settings = answers.encode(learned.secret.mask());
    let trouble = |why: &str| Trouble::new(format!("{} cannot be redacted: {why}", from.display()));
    if settings.len() >= MOST {
        return Err(trouble("its state machine answered too often for one block"));
    }
    let file = File::create(to).map_err(|error| cannot_write(to, &error))?;
    let kept = Rc::new(RefCell::new(Kept { file: BufWriter::new(file), number: 0, failed: None }));
    kept.borrow_mut().put(&MAGIC);
    let mut header = files::open(from)
        .map_err(Unreadable::Source)
        .and_then(Reading::open)
        .map_err(|why| trouble(&why.to_string()))?
        .header()
        .clone();
    (header.machine, header.limits) = (MACHINE.into(), settings);
    let replica = replica(&header).map_err(|why| trouble(&why))?;
    let mut twin = Twin {
        replica,
        learned,
        recorder: Recorder::new(&header, ToFile(kept.clone())),
        asked: Asked::default(),
        out: Outbox::new(false),
        told: (Now::default(), Input::EndOfBurst),
        outputs: Vec::new(),
        turns: 0,
    };
    let end = walk(from, voice, recorded::replica, &mut |moment| twin.take(moment))?;
    let Twin { recorder, .. } = twin;
    match end {
        Some(end) => recorder.finish(end),
        // One without an end has none here either.
        None => drop(recorder),
    }
    let result = kept.borrow_mut().finish();
    result.map_err(|error| cannot_write(to, &error))
}

/// The replica of a redacted recording, before its start.
///
/// # Errors
/// Why it cannot be made, in one sentence.
pub(super) fn replica(header: &Header) -> Result<Replica<Played>, String> {
    let played = Played::new(&header.limits)
        .map_err(|_| String::from("what its state machine answered cannot be read"))?;
    recorded::replica_of(header, played)
}

/// The file that is written, and the first reason why it is not.
struct Kept {
    file: BufWriter<File>,
    number: u32,
    failed: Option<io::Error>,
}

impl Kept {
    fn put(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.file.write_all(bytes).err();
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.file.flush().and_then(|()| self.file.get_ref().sync_all()),
        }
    }
}

/// Where blocks go.
struct ToFile(Rc<RefCell<Kept>>);

impl Sink for ToFile {
    fn take(&mut self, block: &mut Vec<u8>) -> Result<(), End> {
        self.last(std::mem::take(block));
        Ok(())
    }

    fn last(&mut self, mut block: Vec<u8>) {
        let kept = &mut *self.0.borrow_mut();
        seal(&mut block, kept.number);
        kept.number += 1;
        kept.put(&block);
    }
}
