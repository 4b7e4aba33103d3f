//! Traces as people read them: one line for each event, frames in the protocol's own words.

use crate::execute;
use crate::trouble::Trouble;
use seedfast_core::{Kind, NodeId, Process};
use seedfast_sim::trace::{Event, Reader, Reason, What, Who};
use seedfast_sim::{Plan, Scenario};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::str::FromStr;

/// Knows what the frames of a protocol say.
pub(crate) struct Words(Option<Box<dyn Process>>);

impl Words {
    /// The words of the processes that `scenario` runs.
    pub(crate) fn of(scenario: &dyn Scenario, seed: u64, plan: &Plan) -> Self {
        Words(execute::scene(scenario, seed, plan).ok().map(|mut scene| scene.process(NodeId(0))))
    }

    /// Nobody's: frames are bytes.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Words(None)
    }

    /// What a frame says.
    pub(crate) fn of_frame(&self, kind: u8, frame: &[u8]) -> Option<String> {
        self.0.as_ref()?.describe(Kind(kind), frame)
    }
}

/// What the columns of a line are, and the marks in it: printed above them.
pub(crate) const LEGEND: &str =
    "     true time who /life what, and below it, indented, what it put out (docs/trace.md)
                       #12 is a message, 2.7 operation 7 of life 2; a time behind `to`: on its way
";

/// Whose events are wanted: a node, as `1` or `n1`, or a client, as `c0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane(Who);

impl FromStr for Lane {
    type Err = Trouble;

    fn from_str(text: &str) -> Result<Self, Trouble> {
        let number = |digits: &str| digits.parse().ok();
        let found = match text.strip_prefix('c') {
            Some(digits) => number(digits).map(Who::Client),
            None => number(text.strip_prefix('n').unwrap_or(text)).map(Who::Node),
        };
        found.map(Lane).ok_or_else(|| {
            Trouble::new(format!(
                "`{text}` is no node and no client; write 1 or n1 for a node, c0 for a client"
            ))
        })
    }
}

/// Which lines are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Filter<'a> {
    /// Only events of these nodes and clients, and faults that struck them or no node in particular; all if empty.
    pub(crate) lanes: &'a [Lane],
    /// Only lines that contain one of these words; all if empty.
    pub(crate) words: &'a [String],
}

impl Filter<'_> {
    /// `struck` are the nodes that faults struck, by the faults' numbers.
    fn lets_through(&self, event: &Event<'_>, struck: &HashMap<u32, u8>, line: &str) -> bool {
        let wants = |who| self.lanes.contains(&Lane(who));
        let lane = match &event.what {
            // A partition concerns everybody.
            What::Fault { number, .. } | What::FaultEnded { number } => {
                struck.get(number).is_none_or(|node| wants(Who::Node(*node)))
            }
            _ => wants(event.who),
        };
        (self.lanes.is_empty() || lane)
            && (self.words.is_empty() || self.words.iter().any(|word| line.contains(word.as_str())))
    }
}

/// Tells events one after the other; remembers frames, because a receiver's record names its message only.
pub(crate) struct Teller<'a> {
    words: &'a Words,
    frames: HashMap<u64, (u8, &'a [u8])>,
}

impl<'a> Teller<'a> {
    pub(crate) fn new(words: &'a Words) -> Self {
        Teller { words, frames: HashMap::new() }
    }

    /// Takes notice of an event.
    pub(crate) fn hear(&mut self, event: &Event<'a>) {
        if let (Some(_), What::Send { kind, frame, messages, .. }) = (&self.words.0, &event.what) {
            self.frames.extend(messages.iter().map(|sent| (sent.message, (*kind, *frame))));
        }
    }

    /// The event as a line.
    pub(crate) fn tell(&self, event: &Event<'a>) -> String {
        let line = event.to_string();
        match &event.what {
            What::Send { kind, frame, .. } => {
                let Some(words) = self.words.of_frame(*kind, frame) else { return line };
                match line.split_once("send        ").map(|(head, rest)| (head, rest.split_once("; "))) {
                    Some((head, Some((_, fates)))) => format!("{head}send        {words}; {fates}"),
                    _ => format!("{line}: {words}"),
                }
            }
            What::Turn { reason: Reason::Receive { message, changed: None, .. }, .. } => {
                let words =
                    self.frames.get(message).and_then(|(kind, frame)| self.words.of_frame(*kind, frame));
                match (words, line.rsplit_once(" kind ")) {
                    (Some(words), Some((head, _))) => format!("{head}: {words}"),
                    _ => line,
                }
            }
            _ => line,
        }
    }
}

/// All lines that `filter` lets through, one after the other, until `each` has enough.
pub(crate) fn lines(
    trace: &[u8],
    words: &Words,
    filter: Filter<'_>,
    mut each: impl FnMut(String) -> ControlFlow<()>,
) {
    let mut teller = Teller::new(words);
    let mut struck = HashMap::new();
    for event in Reader::new(trace).into_iter().flatten().map_while(Result::ok) {
        teller.hear(&event);
        if let What::Fault { number, target: Some(node), .. } = event.what {
            struck.insert(number, node);
        }
        let line = teller.tell(&event);
        if filter.lets_through(&event, &struck, &line) && each(line).is_break() {
            return;
        }
    }
}

/// How wide a line of an excerpt may be.
const WIDTH: usize = 150;

/// The last events up to and including number `end`, at most `count`, in lines that fit a terminal.
pub(crate) fn last_before(trace: &[u8], end: u64, count: usize, words: &Words) -> Vec<String> {
    let mut teller = Teller::new(words);
    let mut last = VecDeque::new();
    for event in Reader::new(trace).into_iter().flatten().map_while(Result::ok) {
        if event.index > end {
            break;
        }
        teller.hear(&event);
        if last.len() == count {
            last.pop_front();
        }
        last.push_back(event);
    }
    last.iter().map(|event| shortened(&teller.tell(event))).collect()
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((cut, _)) => format!("{}..", &line[..cut]),
        None => line.to_owned(),
    }
}

/// How many reasons of halts are told.
const HALTS: usize = 8;

/// Why processes ended their lives: each node's reasons once, in the order in which they were first given.
pub(crate) fn halts(trace: &[u8]) -> Vec<String> {
    let mut found: Vec<(String, u64)> = Vec::new();
    for event in Reader::new(trace).into_iter().flatten().map_while(Result::ok) {
        let What::Halt { why } = event.what else { continue };
        let line = shortened(&format!("{}: {}", event.who, String::from_utf8_lossy(why)));
        match found.iter_mut().find(|(earlier, _)| *earlier == line) {
            Some((_, times)) => *times += 1,
            None => found.push((line, 1)),
        }
    }
    let more = found.len().saturating_sub(HALTS);
    let told =
        |(line, times): (String, u64)| if times > 1 { format!("{line} ({times} times)") } else { line };
    let mut lines: Vec<String> = found.into_iter().take(HALTS).map(told).collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Who made the event in which two runs part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Origin {
    /// A process, as far as one can tell.
    Process,
    /// A client, which the scene plays.
    Client,
    /// The judge.
    Judge,
}

impl Origin {
    fn of(event: &Event<'_>) -> Self {
        match (event.who, &event.what) {
            (Who::Client(_), _) => Origin::Client,
            // These are verdicts of the world over a process.
            (_, What::Verdict { invariant: "panic" | "livelock" | "storage", .. }) => Origin::Process,
            (_, What::Verdict { what, .. }) if what.contains(": contract ") => Origin::Process,
            (_, What::Verdict { .. }) => Origin::Judge,
            _ => Origin::Process,
        }
    }
}

/// An event found by its place in the trace.
pub(crate) struct Found {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// The event before it.
    pub(crate) before: Option<String>,
    /// What it says.
    pub(crate) text: String,
    /// Who made it; none if there is no event.
    pub(crate) origin: Option<Origin>,
}

/// The event that the byte at `offset` belongs to.
pub(crate) fn at_offset(trace: &[u8], offset: u64, words: &Words) -> Found {
    let none = |number, before, text: &str| Found { number, before, text: text.to_owned(), origin: None };
    let head = || none(0, None, "(the head of the trace)");
    let Ok(reader) = Reader::new(trace) else { return head() };
    let mut teller = Teller::new(words);
    let mut events = reader.map_while(Result::ok).peekable();
    let (mut before, mut number) = (None, 0);
    while let Some(event) = events.next() {
        teller.hear(&event);
        let begins_later = |next: &Event<'_>| next.offset > offset;
        let is_last_read = events.peek().is_none();
        if events.peek().is_some_and(begins_later) || (is_last_read && (offset as usize) < trace.len()) {
            if event.offset > offset {
                // Only the head lies before the first event.
                return head();
            }
            let before = before.map(|event| shortened(&teller.tell(&event)));
            let (text, origin) = (teller.tell(&event), Some(Origin::of(&event)));
            return Found { number: event.index, before, text, origin };
        }
        number = event.index;
        before = Some(event);
    }
    none(number + 1, before.map(|event| shortened(&teller.tell(&event))), "(the trace ends here)")
}

/// The event of a number, from 1: the one before it, its text, and who made it.
pub(crate) fn numbered(trace: &[u8], number: u64, words: &Words) -> (Option<String>, String, Option<Origin>) {
    let mut teller = Teller::new(words);
    let mut before = None;
    for event in Reader::new(trace).into_iter().flatten().map_while(Result::ok) {
        teller.hear(&event);
        if event.index == number {
            let before = before.map(|event| shortened(&teller.tell(&event)));
            return (before, teller.tell(&event), Some(Origin::of(&event)));
        }
        before = Some(event);
    }
    (before.map(|event| shortened(&teller.tell(&event))), "(the trace ends here)".to_owned(), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_sim::World;
    use seedfast_sim::trace::Memory;

    /// The trace of a seed of the toy.
    fn trace() -> (Vec<u8>, Words) {
        let toy = &seedfast_scenarios::toy::TOY;
        let plan = toy.plan(4);
        let mut memory = Memory::default();
        let mut scene = toy.scene(&plan, 4).expect("its own plan fits");
        World::new().run(4, &plan.schedule, &mut *scene, &mut memory);
        (memory.0, Words::of(toy, 4, &plan))
    }

    #[test]
    fn every_byte_of_a_trace_belongs_to_an_event() {
        let (trace, words) = trace();
        let first = Reader::new(&trace).expect("a trace").next().expect("an event").expect("it reads").offset;
        let head = at_offset(&trace, first - 1, &words);
        assert_eq!((head.number, head.text.as_str()), (0, "(the head of the trace)"));
        let count = Reader::new(&trace).expect("a trace").count() as u64;
        let mut number = 0;
        for offset in (first..trace.len() as u64).step_by(7) {
            let found = at_offset(&trace, offset, &words);
            assert!(found.number == number || found.number == number + 1, "{offset}");
            assert_eq!(found.before.is_some(), found.number > 1);
            number = found.number;
        }
        assert_eq!(number, count);
        let end = at_offset(&trace, trace.len() as u64, &words);
        assert_eq!((end.number, end.text.as_str()), (count + 1, "(the trace ends here)"));
    }

    #[test]
    fn frames_are_told_in_the_words_of_the_protocol() {
        let (trace, words) = trace();
        let tell = |words: &Words| {
            let mut all = Vec::new();
            lines(&trace, words, Filter { lanes: &[], words: &[] }, |line| {
                all.push(line);
                ControlFlow::Continue(())
            });
            all
        };
        let (with, without) = (tell(&words), tell(&Words::none()));
        assert_eq!(with.len(), without.len());
        assert!(with.iter().any(|line| line.contains("receive") && line.contains("vote")), "{with:#?}");
        let last = last_before(&trace, 30, 4, &words);
        assert_eq!(last, with[26..30].iter().map(|line| shortened(line)).collect::<Vec<_>>());
    }

    #[test]
    fn an_event_is_the_scene_s_if_a_client_or_the_judge_made_it() {
        let of = |who, what| {
            let at = seedfast_core::Instant::from_nanos(0);
            Origin::of(&Event { index: 1, offset: 0, at, who, life: 0, what })
        };
        let verdict = |invariant, what| of(Who::World, What::Verdict { invariant, what });
        assert_eq!(of(Who::Client(0), What::ClientTimer { id: 1 }), Origin::Client);
        assert_eq!(of(Who::Node(0), What::SetTimer { id: 1, due: None }), Origin::Process);
        assert_eq!(verdict("", ""), Origin::Judge);
        assert_eq!(verdict("I1", "two values in slot 3"), Origin::Judge);
        assert_eq!(verdict("panic", "n2: out of bounds"), Origin::Process);
        assert_eq!(verdict("I7", "n2: contract I7: a promise regressed"), Origin::Process);
    }
}
