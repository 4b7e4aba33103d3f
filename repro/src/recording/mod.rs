//! `replay` of what a flight recorder kept of a replica on a real machine (`docs/recording.md`).

mod files;
mod lines;
mod redact;

use crate::cli::{Replay as Options, Until};
use crate::panics::quietly;
use crate::scenarios::printed;
use crate::text::{Console, Paint, count};
use crate::trouble::Trouble;
use lines::Teller;
use redact::{MACHINE as REDACTED, Secret};
use seedfast_core::machine::StateMachine;
use seedfast_core::paxos::Replica;
use seedfast_core::recording::{Difference, End, Header, Reading, Record, Replay, Unreadable};
use seedfast_core::{Duration, Instant};
use seedfast_scenarios::recorded;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// Turns are printed in pieces of about so many bytes.
const PIECE: usize = 32 << 10;

/// The recordings that `what` means; none if it is something else.
///
/// # Errors
/// It cannot be looked at, or is a directory without a recording.
pub(crate) fn find(what: &str) -> Result<Option<Vec<PathBuf>>, Trouble> {
    files::find(Path::new(what))
}

/// Replays recordings one after the other and says how to exit: that of the worst of them.
pub(crate) fn replay(paths: &[PathBuf], options: &Options, console: &mut Console<'_>) -> Result<u8, Trouble> {
    let exports =
        [("--trace", &options.trace), ("--history", &options.history), ("--events", &options.events)];
    if let Some((flag, _)) = exports.iter().find(|(_, path)| path.is_some()) {
        return Err(Trouble::new(format!(
            "a recording has nothing for {flag}: it is what one replica was told, not what happened in a cluster"
        )));
    }
    if options.seed.is_some() || !options.node.is_empty() {
        return Err(Trouble::new("a recording is of one replica, and has neither a seed nor other nodes"));
    }
    if let Some(to) = &options.redact {
        if options.until.is_some() {
            return Err(Trouble::new("a recording is redacted to its end; leave out --until"));
        }
        let redacted = redact(paths, Path::new(&options.what), to)?;
        return replay_all(&redacted, options, console);
    }
    replay_all(paths, options, console)
}

/// Redacts recordings with one secret, so that they still fit each other, and says where they are.
fn redact(paths: &[PathBuf], what: &Path, to: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let secret = Secret::draw();
    let mut redacted = Vec::new();
    let is_directory = what.is_dir();
    if is_directory {
        let cannot = |error: io::Error| {
            Trouble::new(format!("cannot create {}: {}", to.display(), crate::files::plain(&error)))
        };
        std::fs::create_dir_all(to).map_err(cannot)?;
    }
    for path in paths {
        let name = path.file_name().unwrap_or_default();
        let to = if is_directory || to.is_dir() { to.join(name) } else { to.to_path_buf() };
        if to.exists() && to.canonicalize().ok() == path.canonicalize().ok() {
            return Err(Trouble::new(format!(
                "{} would take its own place; name another one",
                path.display()
            )));
        }
        redact::redact(path, &to, &secret)?;
        redacted.push(to);
    }
    Ok(redacted)
}

fn replay_all(paths: &[PathBuf], options: &Options, console: &mut Console<'_>) -> Result<u8, Trouble> {
    let mut worst = 0;
    for path in paths {
        let code = one(path, options, console)?;
        // One that differs says more than one that cannot be read.
        worst = worst.max(code);
    }
    Ok(worst)
}

/// How a replay ended.
enum Ending {
    /// At the end, which says why.
    Marked(End),
    /// Where the file ends.
    Open,
    /// `--until` was reached.
    Stopped,
    Differs(Box<Difference>),
    Panicked {
        why: String,
        /// The recording ends in that turn.
        also_there: bool,
    },
    Unreadable(Unreadable<io::Error>),
}

/// A recording that is being replayed.
struct Session<'a, M> {
    reading: Reading<files::Bytes>,
    replay: Replay<Replica<M>>,
    teller: Option<Teller>,
    options: &'a Options,
}

fn one(path: &Path, options: &Options, console: &mut Console<'_>) -> Result<u8, Trouble> {
    let name = path.display();
    let opened = files::open(path).map_err(Unreadable::Source).and_then(Reading::open);
    let reading = match opened {
        Ok(reading) => reading,
        Err(why) => {
            console.note(&format!("error: {name}: {why}\n"));
            return Ok(2);
        }
    };
    let header = reading.header().clone();
    if !recorded::same_sources(&header.build) {
        console.note(&format!(
            "warning: {name}: another build recorded this, so its turns may differ here:\n  recorded by {}\n  \
             this is {}\n",
            header.build,
            recorded::BUILD
        ));
    }
    let trouble = |why: String| Trouble::new(format!("{name}: {why}"));
    if header.machine == REDACTED {
        let replica = redact::replica(&header).map_err(trouble)?;
        return lived(
            path,
            Session { reading, replay: Replay::new(replica), teller: None, options },
            console,
        );
    }
    let replica = recorded::replica(&header).map_err(trouble)?;
    lived(path, Session { reading, replay: Replay::new(replica), teller: None, options }, console)
}

/// Replays one, tells what came of it, and says how to exit.
fn lived<M: StateMachine>(
    path: &Path,
    mut session: Session<'_, M>,
    console: &mut Console<'_>,
) -> Result<u8, Trouble> {
    let header = session.reading.header().clone();
    let ending = match quietly(|| session.run(console)) {
        Ok(ending) => ending?,
        Err(why) => {
            let also_there = matches!(session.reading.record(), Ok(None) | Err(Unreadable::Torn { .. }));
            Ending::Panicked { why, also_there }
        }
    };
    let paint = console.paint();
    printed(console, &session.told(&path.display().to_string(), &header, &ending, paint))?;
    Ok(match ending {
        Ending::Marked(_) | Ending::Open | Ending::Stopped => 0,
        Ending::Unreadable(Unreadable::Torn { .. }) => 0,
        // It was recorded up to there: it panicked then too.
        Ending::Panicked { also_there: true, .. } => 0,
        Ending::Differs(_) | Ending::Panicked { .. } => 3,
        Ending::Unreadable(_) => 2,
    })
}

impl<M: StateMachine> Session<'_, M> {
    /// Hands over turn after turn.
    fn run(&mut self, console: &mut Console<'_>) -> Result<Ending, Trouble> {
        let mut text = String::new();
        let ending = self.turns(&mut text, console)?;
        if !text.is_empty() {
            text.push('\n');
            printed(console, &text)?;
        }
        Ok(ending)
    }

    fn turns(&mut self, text: &mut String, console: &mut Console<'_>) -> Result<Ending, Trouble> {
        loop {
            let record = match self.reading.record() {
                Ok(Some(record)) => record,
                Ok(None) => {
                    self.tell(text);
                    return Ok(Ending::Open);
                }
                Err(why) => {
                    self.tell(text);
                    return Ok(Ending::Unreadable(why));
                }
            };
            // A turn is told when the next one begins: only then it was compared.
            if !matches!(record, Record::Outputs { .. }) {
                self.tell(text);
                if text.len() >= PIECE {
                    printed(console, &std::mem::take(text))?;
                }
            }
            if let Record::Turn { now, .. } = &record {
                // One that was not compared had outputs here and none there, which the next step says.
                if self.has_reached(now.monotonic) && self.replay.compared() {
                    return Ok(Ending::Stopped);
                }
                if self.teller.is_none() {
                    let header = self.reading.header();
                    let (node, life) = (header.node, header.incarnation.0);
                    self.teller = Some(Teller { node, life, began: now.monotonic });
                }
            }
            let end = match &record {
                Record::End { why, .. } => Some(*why),
                _ => None,
            };
            if let Err(difference) = self.replay.take(record) {
                return Ok(Ending::Differs(difference));
            }
            if let Some(why) = end {
                return Ok(Ending::Marked(why));
            }
        }
    }

    /// Whether a turn at `now` lies behind what `--until` names.
    fn has_reached(&self, now: Instant) -> bool {
        let (turns, _) = self.replay.so_far();
        match (self.options.until, &self.teller) {
            (Some(Until::Turn(turn)), _) => turns >= turn,
            (Some(Until::Time(until)), Some(teller)) => {
                u128::from(now.since(teller.began).as_nanos()) > until.as_nanos()
            }
            _ => false,
        }
    }

    /// Appends the lines of the last turn, if every turn is to be told.
    fn tell(&self, text: &mut String) {
        if self.options.verbose {
            text.push_str(&self.last(&self.options.kind));
        }
    }

    fn last(&self, words: &[String]) -> String {
        match (&self.teller, self.replay.turn()) {
            (Some(teller), Some(turn)) => teller.tell(turn, self.replay.process(), words),
            _ => String::new(),
        }
    }

    /// What came of it, for people.
    fn told(&self, name: &str, header: &Header, ending: &Ending, paint: Paint) -> String {
        let (turns, hash) = self.replay.so_far();
        let mut text = String::new();
        let verdict = match ending {
            Ending::Differs(_) => paint.bad("DIFFERS"),
            Ending::Unreadable(Unreadable::Torn { .. }) => paint.good("SAME"),
            Ending::Unreadable(_) => paint.bad("DAMAGED"),
            Ending::Panicked { .. } => paint.bad("PANICKED"),
            _ => paint.good("SAME"),
        };
        let _ = writeln!(text, "{verdict}  {name}\n");
        if let Ending::Differs(difference) = ending {
            let _ = writeln!(text, "  {difference}:");
        }
        if let Ending::Panicked { why, also_there } = ending {
            let there = if *also_there {
                ", and ended its life when it was recorded"
            } else {
                ", and did not when it was recorded"
            };
            let _ = writeln!(text, "  turn {turns} panics here{there}: {why}");
        }
        if matches!(ending, Ending::Differs(_) | Ending::Panicked { .. } | Ending::Stopped) {
            let _ = writeln!(text, "{}", self.last(&[]));
        }
        let (node, life, build) = (header.node, header.incarnation.0, &header.build);
        let _ = writeln!(text, "  replica      {node} of cluster {:032x}, life {life}", header.cluster.0);
        let _ = writeln!(text, "  recorded by  {build}");
        let is_redacted = header.machine == REDACTED;
        if is_redacted {
            let what = "the protocol is replayed; what clients sent, stored and were answered is replaced";
            let _ = writeln!(text, "  redacted     {what}");
        }
        let time = match (&self.teller, self.replay.turn()) {
            (Some(teller), Some(turn)) => teller.since(turn),
            _ => Duration::ZERO,
        };
        let _ = writeln!(text, "  replayed     {} in {time} of its clock", count(turns, "turn"));
        let _ = writeln!(text, "  outputs      hash {hash:016x}{}", self.verdict_on_hash(ending));
        if let Some(status) = self.replay.process().status() {
            let role = if status.leads.is_some() { "leads" } else { "follows" };
            let (promised, decided, applied) = (status.promised, status.decided.0, status.applied.0);
            // What plays answers back has no state.
            let digest = if is_redacted { String::new() } else { format!(", digest {:016x}", status.digest) };
            let _ = writeln!(
                text,
                "  then         it {role}, promised {promised}, decided below {decided}, applied below {applied}{digest}"
            );
        }
        let _ = writeln!(text, "  the end      {}\n", self.end(ending));
        text
    }

    fn verdict_on_hash(&self, ending: &Ending) -> &'static str {
        match ending {
            Ending::Differs(_) => ", another one than was recorded",
            Ending::Panicked { .. } => ", as recorded up to the turn before",
            _ if self.replay.compared() => ", as recorded",
            _ => ", as recorded up to the turn before: the last one had not ended when it was recorded",
        }
    }

    fn end(&self, ending: &Ending) -> String {
        let turns = self.replay.so_far().0;
        match ending {
            Ending::Marked(why) => why.to_string(),
            Ending::Open => "is not marked: the replica was killed, panicked, or still runs".into(),
            Ending::Stopped => format!("was not reached: stopped behind turn {turns}, as --until says"),
            Ending::Differs(_) => format!("was not reached: turn {turns} is the first that differs"),
            Ending::Panicked { .. } => format!("was not reached: turn {turns} panics"),
            Ending::Unreadable(why) => why.to_string(),
        }
    }
}
