//! What can be done to a data directory that no replica serves from: look at it, judge it, save it, bring it back.
//!
//! Nothing here reads a journal by itself: the core's own recovery is carried out on a copy in memory, and a whole replica
//! is begun on it, so that what is told is what would happen.
//!
//! - [`cli`]: the command line; [`medium`]: what a journal is read from and written to
//! - [`dry`]: recovery without a runtime; [`startup`]: a replica without one
//! - [`archive`]: the file of a backup; [`backup()`], [`history`], [`restore()`]: making one, what several say together, and
//!   the new data directory that comes of them; [`former`]: what they come to where a journal has another size
//! - [`examine`]: what is on a device and what is wrong with it; [`figures`], [`report`], [`text`]: how that is told

mod archive;
mod backup;
pub(crate) mod cli;
mod dry;
mod examine;
mod figures;
mod former;
mod history;
mod medium;
mod report;
mod restore;
mod startup;
mod text;

use crate::format;
use crate::identity::{self, Identity};
use crate::trouble::Trouble;
use archive::Archive;
pub(crate) use backup::run as backup;
use examine::{Examination, Listing, examine};
use medium::{Source, Stopped};
use report::Report;
pub(crate) use restore::run as restore;
use seedfast_core::journal::{Expected, Standing};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Something that was found wrong, and told.
const WRONG: u8 = 1;
/// It is no journal that this program can judge.
const NO_JOURNAL: u8 = 2;

/// A journal to look at, and what a data directory says about it.
struct Subject {
    path: String,
    source: Box<dyn Source>,
    identity: Option<Identity>,
    /// What is wrong with the file `identity`.
    problems: Vec<String>,
}

/// Opens what a path leads to, for reading.
fn open(path: &Path) -> Result<Subject, Trouble> {
    let usage = |why: medium::Closed| Trouble::usage(why.to_string());
    if archive::is_one(path) {
        let archive = Archive::open(path).map_err(|why| match why.is_usage() {
            true => Trouble::usage(why.to_string()),
            false => Trouble::wrong(why.to_string()),
        })?;
        let identity = archive.identity.clone();
        return Ok(Subject::new(path, Box::new(archive), Some(identity)));
    }
    if !path.is_dir() {
        let source = Stopped::open(path).map_err(usage)?;
        return Ok(Subject::new(path, Box::new(source), None));
    }
    let journal = identity::journal(path);
    // Its sentence knows best what kind of directory this is.
    let identity = Identity::read(path);
    let (identity, problems) = match identity {
        Ok(identity) => (Some(identity), Vec::new()),
        Err(why) if !journal.exists() => return Err(why),
        Err(why) => (None, vec![why.to_string()]),
    };
    let source = Stopped::open(&journal).map_err(usage)?;
    Ok(Subject { problems, ..Subject::new(&journal, Box::new(source), identity) })
}

impl Subject {
    fn new(path: &Path, source: Box<dyn Source>, identity: Option<Identity>) -> Self {
        Subject { path: path.display().to_string(), source, identity, problems: Vec::new() }
    }

    fn examine(&self, listing: Option<Listing>, each: &mut dyn FnMut(report::Record)) -> Examination {
        let expected = self.identity.as_ref().map(|identity| Expected {
            cluster: identity.cluster,
            group: format::GROUP,
            node: identity.node,
        });
        let mut examination = examine(&self.path, &*self.source, expected, listing, each);
        let report = &mut examination.report;
        report.problems.extend(self.problems.iter().cloned());
        if let (Some(identity), Some(metadata)) = (&self.identity, &examination.metadata)
            && identity.standing != metadata.identity.standing
        {
            let say = |standing| match standing {
                Standing::Founding => "founding",
                Standing::Replacement => "a replacement",
            };
            report.problems.push(format!(
                "the file `identity` says that the device is {}, and the journal, which is believed, that it is {}",
                say(identity.standing),
                say(metadata.identity.standing)
            ));
        }
        report.sound = report.problems.is_empty();
        examination
    }

    /// Begins a replica on a copy in memory, and tells what came of it.
    fn try_to_start(&self, examination: &mut Examination) {
        let report = &mut examination.report;
        let Some(metadata) = examination.metadata.as_ref().filter(|_| report.recovery.recovers) else {
            return;
        };
        let start = startup::start(&*self.source, metadata);
        match &start.halted {
            Some(why) => report.problems.push(format!("a replica that starts from it ends at once: {why}")),
            None if !start.ready => {
                report.notes.push("its state must come from a peer before its replica serves".to_owned());
            }
            None => {}
        }
        report.start = Some(start);
        report.sound = report.problems.is_empty();
    }
}

/// `inspect`: what is in it, and what is wrong with it.
pub(crate) fn inspect(options: &cli::Inspect) -> Result<ExitCode, Trouble> {
    let subject = open(&options.path)?;
    let listing = options.records.then_some(Listing { slot: options.slot });
    let mut records = Vec::new();
    let examination = subject.examine(listing, &mut |record| records.push(record));
    print(&examination.report, listing.map(|_| &records[..]), options.json)
}

/// `verify`: whether a replica starts from it, and with what.
pub(crate) fn verify(options: &cli::Verify) -> Result<ExitCode, Trouble> {
    let subject = open(&options.path)?;
    let mut examination = subject.examine(None, &mut |_| ());
    subject.try_to_start(&mut examination);
    print(&examination.report, None, options.json)
}

/// Prints a report, and says with which code to end.
fn print(report: &Report, records: Option<&[report::Record]>, json: bool) -> Result<ExitCode, Trouble> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = if json {
        #[derive(serde::Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            report: &'a Report,
            #[serde(skip_serializing_if = "Option::is_none")]
            records: Option<&'a [report::Record]>,
        }
        serde_json::to_writer_pretty(&mut out, &Whole { report, records })
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        let list = records.into_iter().flatten().map(text::record);
        let heading = records.map(|_| text::RECORDS.to_owned());
        heading
            .into_iter()
            .chain(list)
            .try_for_each(|line| writeln!(out, "{line}"))
            .and_then(|()| write!(out, "{}", text::told(report)))
    };
    // Whoever reads only the first lines of it closes the pipe.
    match written.and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => {}
        Err(why) => return Err(Trouble::usage(format!("the report cannot be written: {why}"))),
    }
    Ok(ExitCode::from(match (report.sound, report.recognised) {
        (true, _) => 0,
        (false, true) => WRONG,
        (false, false) => NO_JOURNAL,
    }))
}
