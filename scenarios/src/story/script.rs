//! Stories as text files: commands, and under each what came of it.
//!
//! ```text
//! # A line of explanation
//! cluster 3
//! until leader 0
//! propose x to 0
//! advance 100ms
//! answers
//!   x from n0: done
//! ```
//! An indented line is output: [`tell`] gives the whole text again with the output as it is now, and a test compares
//! the two, or rewrites the file if the environment says so.
//!
//! | command | what happens |
//! |---|---|
//! | `cluster N`, `cluster N seed S` | N fresh replicas; the first command. The seed draws what a power loss leaves |
//! | `cluster N snapshots K` | the same; a snapshot is taken every K slots |
//! | `advance 500ms` | time passes |
//! | `until leader N`, `until leader` | time passes until N, or anyone, leads |
//! | `until N applied WORD` | time passes until N has applied it |
//! | `until N STEP`, say `until 1 accepts slot 3` | time passes until N takes that step, as `events` words it |
//! | `propose WORD to N`, `retry WORD to N`, `read from N` | a client asks N |
//! | `propose WORD to N knowing WORD` | ... and says that it holds all answers up to that one |
//! | `propose WORD to N as stranger` | ... in a session that nobody opened |
//! | `open 1024 at N` | so many other clients open a session each |
//! | `answers` | shows what clients were answered since |
//! | `cut 0 \| 1 2`, `mend` | partitions, and the end of them |
//! | `sever 0 -> 1 for 500ms`, `clog 0 -> 1 for 500ms` | one direction loses, or holds, its messages; `c0` is the client beside node 0 |
//! | `flap 0 -> 1 every 100ms for 2s` | one direction is cut for so long, then whole for so long, again and again |
//! | `starve KIND for 500ms`, `starve KIND to N for 500ms` | one kind of message is lost |
//! | `crash N`, `crash N power`, `crash N power after K` | a crash now, or in the next turn with more than K effects, after K of them |
//! | `lose N` | N loses its power and its device; another device is put in its place |
//! | `restart N`, `pause N for 500ms`, `heal` | |
//! | `slow N by 10ms` | every turn of N takes so long |
//! | `disk N by 50ms for 1s` | each write and each sync of N takes so long |
//! | `step N by -5s`, `freeze N for 1s`, `drift N by 200000000` | clocks (drift in parts per billion) |
//! | `show` | every node: its role, promise, and what it applied |
//! | `events`, `events WORD...` | the protocol's steps since, only those that contain all the words |
//! | `forget` | what was answered and what happened so far is not shown any more |
//! | `reached PROBE` | fails unless the core's probe of that name was reached |

use super::{FOR_EVER, Story};
use seedfast_core::Duration;
use seedfast_core::client::Status;
use seedfast_core::paxos::wire::kind;
use seedfast_sim::{Disk, Fault, Loss, Target};
use std::fmt::Write as _;

/// Why a script cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl std::fmt::Display for ScriptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ScriptError {}

/// Tells the story in `text` and gives the text again, with the output as it is now.
///
/// # Errors
/// The first line that makes no sense.
///
/// # Panics
/// If an oracle finds an invariant broken, or the story waits in vain.
pub fn tell(text: &str) -> Result<String, ScriptError> {
    let mut told = String::new();
    let mut story: Option<Story> = None;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("  ") {
            continue;
        }
        told.push_str(line);
        told.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |what: String| ScriptError { line: index + 1, what };
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["cluster", nodes, ref rest @ ..] = words[..] {
            let nodes = number(nodes).map_err(at)?;
            let (seed, slots) = match *rest {
                [] => (1, None),
                ["seed", seed] => (number(seed).map_err(at)?, None),
                ["snapshots", slots] => (1, Some(number(slots).map_err(at)?)),
                _ => {
                    let what = "write `cluster N`, `cluster N seed S` or `cluster N snapshots SLOTS`";
                    return Err(at(what.into()));
                }
            };
            if slots == Some(0) {
                return Err(at("a snapshot is taken after one slot at the least".into()));
            }
            if !(1..=7).contains(&nodes) {
                return Err(at(format!("a story has 1 to 7 nodes, not {nodes}")));
            }
            story = Some(Story::with_snapshots(nodes, seed, slots));
            continue;
        }
        let story = story.as_mut().ok_or_else(|| at("the first command must be `cluster N`".into()))?;
        for output in command(story, &words).map_err(at)? {
            let _ = writeln!(told, "  {output}");
        }
    }
    Ok(told)
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("`{word}` is not a number that fits here"))
}

fn node(story: &Story, word: &str) -> Result<u8, String> {
    let node = number(word)?;
    if node < story.nodes() { Ok(node) } else { Err(format!("there is no node {node}")) }
}

/// A node, or with a `c` the client beside it.
fn endpoint(story: &Story, word: &str) -> Result<u8, String> {
    match word.strip_prefix('c') {
        Some(client) => Ok(node(story, client)? + story.nodes()),
        None => node(story, word),
    }
}

fn time(word: &str) -> Result<Duration, String> {
    let (digits, factor) = if let Some(digits) = word.strip_suffix("ms") {
        (digits, 1_000_000)
    } else if let Some(digits) = word.strip_suffix("us") {
        (digits, 1_000)
    } else if let Some(digits) = word.strip_suffix('s') {
        (digits, 1_000_000_000)
    } else {
        return Err(format!("`{word}` is no time: write 500ms, 2s or 80us"));
    };
    Ok(Duration::from_nanos(number::<u64>(digits)? * factor))
}

fn signed(word: &str) -> Result<i64, String> {
    match word.strip_prefix('-') {
        Some(rest) => Ok(-(time(rest)?.as_nanos() as i64)),
        None => Ok(time(word)?.as_nanos() as i64),
    }
}

fn message(word: &str) -> Result<u8, String> {
    let found = kind::ALL.iter().find(|(_, name)| *name == word);
    found.map(|(kind, _)| kind.0).ok_or_else(|| format!("there is no message called `{word}`"))
}

fn loss(word: &str) -> Result<Loss, String> {
    match word {
        "power" => Ok(Loss::Power),
        "process" => Ok(Loss::Process),
        _ => Err(format!("a crash loses `process` or `power`, not `{word}`")),
    }
}

fn command(story: &mut Story, words: &[&str]) -> Result<Vec<String>, String> {
    let none = Vec::new();
    match *words {
        ["advance", span] => story.advance(time(span)?),
        ["until", "leader"] => return Ok(vec![format!("n{}", story.until_some_leader())]),
        ["until", "leader", who] => {
            let who = node(story, who)?;
            story.until_leader(who);
        }
        ["until", who, "applied", word] => {
            let who = node(story, who)?;
            story.until(&format!("n{who} to apply {word}"), |story| {
                story.applied(who).iter().any(|w| w == word)
            });
        }
        ["until", who, ref step @ ..] if !step.is_empty() => {
            let who = node(story, who)?;
            story.until_step(who, &step.join(" "));
        }
        ["propose", word, "to", who, "knowing", known] => {
            let who = node(story, who)?;
            story.propose_knowing(word, known, who);
        }
        ["propose", word, "to", who, "as", "stranger"] => {
            let who = node(story, who)?;
            story.propose_as_stranger(word, who);
        }
        ["open", count, "at", who] => {
            let who = node(story, who)?;
            story.open_sessions(number(count)?, who);
        }
        ["propose", word, "to", who] => {
            let who = node(story, who)?;
            story.propose(word, who);
        }
        ["retry", word, "to", who] => {
            let who = node(story, who)?;
            story.retry(word, who);
        }
        ["read", "from", who] => {
            let who = node(story, who)?;
            story.read(who);
        }
        ["forget"] => {
            story.answers();
            story.events();
        }
        ["answers"] => return Ok(answers(story)),
        ["mend"] => story.mend(),
        ["cut", ..] => cut(story, &words[1..])?,
        ["sever", from, "->", to, "for", span] => {
            let (from, to, lasts) = (endpoint(story, from)?, endpoint(story, to)?, time(span)?.as_nanos());
            story.inject(Fault::Sever { from, to, lasts });
        }
        ["clog", from, "->", to, "for", span] => {
            let (from, to, lasts) = (endpoint(story, from)?, endpoint(story, to)?, time(span)?.as_nanos());
            story.inject(Fault::Clog { from, to, lasts });
        }
        ["flap", from, "->", to, "every", period, "for", span] => {
            let (from, to) = (endpoint(story, from)?, endpoint(story, to)?);
            let (period, lasts) = (time(period)?.as_nanos(), time(span)?.as_nanos());
            story.inject(Fault::Flap { from, to, period, lasts });
        }
        ["starve", kind, "for", span] => {
            let (message, lasts) = (message(kind)?, time(span)?.as_nanos());
            story.inject(Fault::Starve { message, to: None, lasts });
        }
        ["starve", kind, "to", who, "for", span] => {
            let (message, lasts) = (message(kind)?, time(span)?.as_nanos());
            let to = Some(node(story, who)?);
            story.inject(Fault::Starve { message, to, lasts });
        }
        ["crash", who] => {
            let who = node(story, who)?;
            story.crash(who, Loss::Process);
        }
        ["crash", who, what] => {
            let who = node(story, who)?;
            story.crash(who, loss(what)?);
        }
        ["crash", who, what, "after", outputs] => {
            let who = node(story, who)?;
            story.crash_after(who, loss(what)?, number(outputs)?);
        }
        ["lose", who] => {
            let who = node(story, who)?;
            story.lose(who);
        }
        ["restart", who] => {
            let who = node(story, who)?;
            story.restart(who);
        }
        ["pause", who, "for", span] => {
            let target = Target::Node(node(story, who)?);
            story.inject(Fault::Pause { target, lasts: time(span)?.as_nanos(), sampled: false });
        }
        ["slow", who, "by", turn] => {
            let target = Target::Node(node(story, who)?);
            story.inject(Fault::Slow { target, turn: time(turn)?.as_nanos(), lasts: FOR_EVER });
        }
        ["disk", who, "by", latency, "for", span] => {
            let (target, latency) = (Target::Node(node(story, who)?), time(latency)?.as_nanos());
            let disk = Disk {
                write_min: latency,
                write_max: latency,
                sync_min: latency,
                sync_max: latency,
                ..Disk::default()
            };
            story.inject(Fault::DiskDegrade { target, disk, lasts: time(span)?.as_nanos() });
        }
        ["step", who, "by", span] => {
            let target = Target::Node(node(story, who)?);
            story.inject(Fault::Step { target, by: signed(span)? });
        }
        ["freeze", who, "for", span] => {
            let target = Target::Node(node(story, who)?);
            story.inject(Fault::Freeze { target, lasts: time(span)?.as_nanos() });
        }
        ["drift", who, "by", rate] => {
            let target = Target::Node(node(story, who)?);
            story.inject(Fault::Drift { target, drift: number(rate)? });
        }
        ["heal"] => story.heal(),
        ["show"] => return Ok(show(story)),
        ["events", ref filter @ ..] => return Ok(events(story, filter)),
        ["reached", ref probe @ ..] => {
            let probe = probe.join(" ");
            if !story.reached(&probe) {
                return Err(format!(
                    "the probe `{probe}` was not reached: the story does not tell what it means to"
                ));
            }
        }
        _ => return Err(format!("`{}` is not a command of stories", words.join(" "))),
    }
    Ok(none)
}

fn cut(story: &mut Story, words: &[&str]) -> Result<(), String> {
    let mut groups = vec![Vec::new()];
    for word in words {
        if *word == "|" {
            groups.push(Vec::new());
        } else if let Some(group) = groups.last_mut() {
            group.push(node(story, word)?);
        }
    }
    let groups: Vec<&[u8]> = groups.iter().map(Vec::as_slice).collect();
    story.cut(&groups);
    Ok(())
}

fn answers(story: &mut Story) -> Vec<String> {
    let lines = story.answers().into_iter().map(|answer| {
        let what = answer.word.as_deref().unwrap_or("read");
        let status = match answer.status {
            Status::Done if answer.word.is_none() => format!("[{}]", answer.list.join(" ")),
            Status::Done => "done".into(),
            Status::NotLeader => match answer.leader {
                Some(leader) => format!("not the leader, try {leader}"),
                None => "not the leader".into(),
            },
            Status::Overloaded => "overloaded".into(),
            Status::SessionUnknown => "session unknown".into(),
            Status::Malformed => "malformed".into(),
            Status::Stale => "stale".into(),
            Status::InDoubt => "in doubt".into(),
        };
        format!("{what} from n{}: {status}", answer.node)
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { vec!["none".into()] } else { lines }
}

fn show(story: &Story) -> Vec<String> {
    (0..story.nodes())
        .map(|node| {
            if !story.is_up(node) {
                return format!("n{node} down");
            }
            let role = match story.leads(node) {
                Some(ballot) => format!("leads {ballot}"),
                None => "follows".into(),
            };
            let words = story.applied(node).join(" ");
            let line = format!(
                "n{node} {role:<10} promised {:<5} applied: {words}",
                story.promised(node).to_string()
            );
            line.trim_end().to_owned()
        })
        .collect()
}

fn events(story: &mut Story, filter: &[&str]) -> Vec<String> {
    let events = story.events().into_iter().map(|event| {
        let millis = event.at.as_nanos() / 1_000_000;
        format!("{millis:>5}ms n{} {}", event.node, event.what)
    });
    let kept: Vec<String> = events.filter(|line| filter.iter().all(|word| line.contains(word))).collect();
    if kept.is_empty() { vec!["none".into()] } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_makes_no_sense_is_named() {
        let error = |text: &str| tell(text).expect_err("it makes no sense").to_string();
        assert_eq!(error("show\n"), "line 1: the first command must be `cluster N`");
        assert_eq!(error("cluster 9\n"), "line 1: a story has 1 to 7 nodes, not 9");
        assert_eq!(error("cluster 3\n\ndance\n"), "line 3: `dance` is not a command of stories");
        assert_eq!(error("cluster 3\ncrash 5\n"), "line 2: there is no node 5");
        assert_eq!(error("cluster 3\nadvance 5\n"), "line 2: `5` is no time: write 500ms, 2s or 80us");
        assert!(error("cluster 1\nreached the moon\n").contains("was not reached"));
    }

    #[test]
    fn output_is_told_again_as_it_is_now() {
        let told =
            tell("# one\ncluster 1\nuntil leader 0\npropose x to 0\nadvance 50ms\nanswers\n  stale output\n");
        assert_eq!(
            told.as_deref(),
            Ok(
                "# one\ncluster 1\nuntil leader 0\npropose x to 0\nadvance 50ms\nanswers\n  x from n0: done\n"
            )
        );
    }
}
