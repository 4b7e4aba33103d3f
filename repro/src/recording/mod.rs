//! `replay` of what a flight recorder kept of a replica on a real machine (`docs/recording.md`).

mod files;
mod lines;
mod redact;
mod watch;

use crate::cli::{Replay as Options, Until};
use crate::duration::human;
use crate::panics::quietly;
use crate::scenarios::printed;
use crate::text::{Console, Paint, count};
use crate::trouble::Trouble;
use lines::Teller;
use redact::{MACHINE as REDACTED, Secret};
use seedfast_core::machine::StateMachine;
use seedfast_core::paxos::Replica;
use seedfast_core::recording::{Difference, End, Header, Reading, Record, Replay, Turn, Unreadable};
use seedfast_core::{Duration, Instant};
use seedfast_scenarios::recorded;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use watch::{Voice, watched};

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
    if options.check {
        return Err(Trouble::new(
            "a recording is compared with what the replica did when it was recorded, turn by turn; leave out --check",
        ));
    }
    if let Some(to) = &options.redact {
        if options.until.is_some() {
            return Err(Trouble::new("a recording is redacted to its end; leave out --until"));
        }
        let redacted = redact(paths, options, to, console)?;
        return replay_all(&redacted, options, console);
    }
    replay_all(paths, options, console)
}

/// Redacts recordings with one secret, so that they still fit each other, and says where they are.
fn redact(
    paths: &[PathBuf],
    options: &Options,
    to: &Path,
    console: &mut Console<'_>,
) -> Result<Vec<PathBuf>, Trouble> {
    let secret = Arc::new(Secret::draw());
    let mut redacted = Vec::new();
    let is_directory = Path::new(&options.what).is_dir();
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
        let (from, into, of_all) = (path.clone(), to.clone(), secret.clone());
        let work = move |voice: &Voice| redact::redact(&from, &into, &of_all, voice);
        watched(options.watchdog, console, work)?.unwrap_or_else(|turn| {
            Err(Trouble::new(format!(
                "{} cannot be redacted: turn {turn} has been running for {}; --watchdog gives a turn more",
                path.display(),
                human(options.watchdog.as_nanos())
            )))
        })?;
        redacted.push(to);
    }
    Ok(redacted)
}

fn replay_all(paths: &[PathBuf], options: &Options, console: &mut Console<'_>) -> Result<u8, Trouble> {
    let paint = console.paint();
    let mut worst = 0;
    for path in paths {
        let (name, wish) = (path.clone(), Wish::of(options));
        let ended = watched(options.watchdog, console, move |voice| one(&name, wish, voice, paint))?;
        let (code, text) = match ended {
            Ok(told) => told?,
            Err(turn) => (1, stuck(path, turn, options.watchdog, paint)),
        };
        printed(console, &text)?;
        // One that differs says more than one that loops, and that more than one that cannot be read.
        let weight = |code: &u8| [0, 2, 1, 3].iter().position(|one| one == code);
        worst = [worst, code].into_iter().max_by_key(weight).unwrap_or(code);
    }
    Ok(worst)
}

/// What is to be shown of a recording.
struct Wish {
    until: Option<Until>,
    is_verbose: bool,
    words: Vec<String>,
}

impl Wish {
    fn of(options: &Options) -> Self {
        Wish { until: options.until, is_verbose: options.verbose, words: options.kind.clone() }
    }
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
    wish: Wish,
    voice: &'a Voice,
}

/// Replays one; how to exit, and what came of it, for people.
fn one(path: &Path, wish: Wish, voice: &Voice, paint: Paint) -> Result<(u8, String), Trouble> {
    let name = path.display();
    let unusable = |why: &dyn std::fmt::Display| {
        voice.note(format!("error: {name}: {why}\n"))?;
        Ok((2, String::new()))
    };
    let opened = files::open(path).map_err(Unreadable::Source).and_then(Reading::open);
    let reading = match opened {
        Ok(reading) => reading,
        Err(why) => return unusable(&why),
    };
    let header = reading.header().clone();
    if !recorded::same_sources(&header.build) {
        voice.note(format!(
            "warning: {name}: another build recorded this, so its turns may differ here:\n  recorded by {}\n  \
             this is {}\n",
            header.build,
            recorded::BUILD
        ))?;
    }
    if header.machine == REDACTED {
        return match redact::replica(&header) {
            Ok(replica) => {
                let replay = Replay::new(replica);
                lived(path, Session { reading, replay, teller: None, wish, voice }, paint)
            }
            Err(why) => unusable(&why),
        };
    }
    match recorded::replica(&header) {
        Ok(replica) => {
            let replay = Replay::new(replica);
            lived(path, Session { reading, replay, teller: None, wish, voice }, paint)
        }
        Err(why) => unusable(&why),
    }
}

/// Replays one with the replica that was made of its header.
fn lived<M: StateMachine>(
    path: &Path,
    mut session: Session<'_, M>,
    paint: Paint,
) -> Result<(u8, String), Trouble> {
    let header = session.reading.header().clone();
    let ending = match quietly(|| session.run()) {
        Ok(ending) => ending?,
        Err(why) => {
            let also_there = matches!(session.reading.record(), Ok(None) | Err(Unreadable::Torn { .. }));
            Ending::Panicked { why, also_there }
        }
    };
    let text = session.told(&path.display().to_string(), &header, &ending, paint);
    let code = match ending {
        Ending::Marked(_) | Ending::Open | Ending::Stopped => 0,
        Ending::Unreadable(Unreadable::Torn { .. }) => 0,
        // It was recorded up to there: it panicked then too.
        Ending::Panicked { also_there: true, .. } => 0,
        Ending::Differs(_) | Ending::Panicked { .. } => 3,
        Ending::Unreadable(_) => 2,
    };
    Ok((code, text))
}

/// A recording whose turn `number` does not end, for people. The replica is in that turn, so the file is read again.
fn stuck(path: &Path, number: u64, patience: std::time::Duration, paint: Paint) -> String {
    let (verdict, patience) = (paint.bad("STUCK"), human(patience.as_nanos()));
    let mut text = format!("{verdict}  {}\n\n", path.display());
    if number == 0 {
        // Whether it can be read at all is not known.
        let _ = writeln!(text, "  no turn of it has begun for {patience}\n");
        return text;
    }
    let _ = writeln!(
        text,
        "  turn {number} has been running for {patience}, which the watchdog takes for a turn that loops for ever\n  \
         (--watchdog TIME gives a turn more)\n"
    );
    let opened = files::open(path).map_err(Unreadable::Source).and_then(Reading::open);
    let Ok(mut reading) = opened else { return text };
    let header = reading.header().clone();
    let (mut turns, mut teller) = (0, None);
    while turns < number {
        let Ok(Some(record)) = reading.record() else { break };
        let Record::Turn { now, input } = record else { continue };
        turns += 1;
        let (node, life) = (header.node, header.incarnation.0);
        let teller = teller.get_or_insert(Teller { node, life, began: now.monotonic });
        if turns == number {
            let turn = Turn { number, now, input, outputs: Vec::new() };
            let line = match (redact::replica(&header), recorded::replica(&header)) {
                (Ok(replica), _) if header.machine == REDACTED => teller.tell(&turn, &replica, &[]),
                (_, Ok(replica)) => teller.tell(&turn, &replica, &[]),
                _ => String::new(),
            };
            let _ = writeln!(text, "{line}");
        }
    }
    text.push_str(&about(&header));
    let there = match reading.record() {
        Ok(None) | Err(Unreadable::Torn { .. }) => "nor did it end when it was recorded",
        _ => "and it ended when it was recorded",
    };
    let _ = writeln!(text, "  the end      was not reached: turn {number} does not end here, {there}\n");
    text
}

/// Whose recording it is.
fn about(header: &Header) -> String {
    let (node, life, build) = (header.node, header.incarnation.0, &header.build);
    let mut text = format!("  replica      {node} of cluster {:032x}, life {life}\n", header.cluster.0);
    let _ = writeln!(text, "  recorded by  {build}");
    if header.machine == REDACTED {
        let what = "the protocol is replayed; what clients sent, stored and were answered is replaced";
        let _ = writeln!(text, "  redacted     {what}");
    }
    text
}

impl<M: StateMachine> Session<'_, M> {
    /// Hands over turn after turn.
    fn run(&mut self) -> Result<Ending, Trouble> {
        loop {
            let record = match self.reading.record() {
                Ok(Some(record)) => record,
                Ok(None) => {
                    self.tell()?;
                    return Ok(Ending::Open);
                }
                Err(why) => {
                    self.tell()?;
                    return Ok(Ending::Unreadable(why));
                }
            };
            // A turn is told when the next one begins: only then it was compared.
            if !matches!(record, Record::Outputs { .. }) {
                self.tell()?;
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
                self.voice.turn(self.replay.so_far().0 + 1);
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
        match (self.wish.until, &self.teller) {
            (Some(Until::Turn(turn)), _) => turns >= turn,
            (Some(Until::Time(until)), Some(teller)) => {
                u128::from(now.since(teller.began).as_nanos()) > until.as_nanos()
            }
            _ => false,
        }
    }

    /// Tells the last turn, if every turn is to be told.
    fn tell(&self) -> Result<(), Trouble> {
        if self.wish.is_verbose { self.voice.add(&self.last(&self.wish.words)) } else { Ok(()) }
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
        let mut shows_turn = matches!(ending, Ending::Panicked { .. } | Ending::Stopped);
        if let Ending::Differs(difference) = ending {
            shows_turn = difference.end.is_none();
            let colon = if shows_turn { ":" } else { "\n" };
            let _ = writeln!(text, "  {difference}{colon}");
        }
        if let Ending::Panicked { why, also_there } = ending {
            let there = if *also_there {
                ", and ended its life when it was recorded"
            } else {
                ", and did not when it was recorded"
            };
            let _ = writeln!(text, "  turn {turns} panics here{there}: {why}");
        }
        if shows_turn {
            let _ = writeln!(text, "{}", self.last(&[]));
        }
        text.push_str(&about(header));
        let is_redacted = header.machine == REDACTED;
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
            Ending::Differs(difference) if difference.end.is_some() => {
                "is marked, and not that of the turns before it".into()
            }
            Ending::Differs(_) => format!("was not reached: turn {turns} is the first that differs"),
            Ending::Panicked { .. } => format!("was not reached: turn {turns} panics"),
            Ending::Unreadable(why) => why.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::paxos::Config;
    use seedfast_core::runtime::drive::Tap;
    use seedfast_core::{ClusterId, Geometry, GroupId, Incarnation, Input, NodeId, Now, PeerSet, Start};

    #[test]
    fn the_turn_that_does_not_end_is_shown_as_it_was_told() {
        let start = Start {
            incarnation: Incarnation(4),
            entropy: [7; 32],
            cluster: ClusterId(9),
            node: NodeId(1),
            devices: vec![Geometry::disk(1 << 30)],
            queue_depth: 8,
            frame_limit: 1 << 20,
        };
        let shelf = recorded::Shelf::default();
        let mut recorder = shelf.record(&Config::new(GroupId(1), PeerSet::first(3)), &start);
        recorder.input(Now::default(), &Input::Start(start));
        recorder.input(Now::default(), &Input::EndOfBurst);
        drop(recorder);
        let path = std::env::temp_dir().join(format!("seedfast-stuck-{}.rec", std::process::id()));
        std::fs::write(&path, &shelf.take()[0]).expect("there is room");
        let shown = |turn| stuck(&path, turn, std::time::Duration::from_secs(60), Paint(false));
        for (turn, line, end) in [
            (1, "n1  /4  start         Disk of 1073741824\n", "and it ended when it was recorded"),
            (2, "n1  /4  end-of-burst\n", "nor did it end when it was recorded"),
        ] {
            let text = shown(turn);
            assert!(
                text.starts_with("STUCK  ") && text.contains(&format!("  turn {turn} has been")),
                "{text}"
            );
            assert!(text.contains(line) && text.contains(end) && text.contains("of cluster"), "{text}");
        }
        assert!(shown(0).contains("no turn of it has begun"), "{}", shown(0));
        std::fs::remove_file(&path).expect("it is ours");
    }
}
