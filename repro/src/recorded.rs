//! What a bundle keeps of the events that its run showed, so that a later build can name the first one that is not the
//! same: the first of them whole, as far as there is room, and a mark after every few of all of them.
//!
//! A mark is 16 bits of a hash over everything up to its event, so from the first event that differs on, marks differ:
//! each that follows is equal by accident once in 65,536 times. Bounded: at most [`HEAD`] bytes of compressed events
//! and [`MARKS`] marks, about 110 KB of text, whatever the run.

use crate::base64;
use crate::events::{self, Words};
use crate::rerun::{self, Difference};
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use seedfast_sim::trace::Reader;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How many bytes the compressed events may take.
pub const HEAD: usize = 48 << 10;
/// How many marks there may be.
pub const MARKS: usize = 16 << 10;

/// How hard events are compressed: 0 to 10.
const LEVEL: u8 = 8;
/// More bytes of events than this never fit: the first try.
const LONGEST: usize = 1 << 20;
/// How long a line of base64 is.
const LINE: usize = 110;

/// The events of a run, as a bundle keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// How many events the trace has.
    pub events: u64,
    /// So many of them, from the first on, stand in `head`.
    pub whole: u64,
    /// A mark follows every so many events, and the last one; 0 if there are none, because all events are in `head`,
    /// or because they were taken out.
    pub step: u64,
    /// The trace's first bytes, deflated, in base64; empty if they were taken out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub head: String,
    /// Two bytes a mark, little-endian, in base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub marks: String,
}

/// Where today's trace leaves the recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nowhere, as far as the marks can tell.
    Same,
    /// Here.
    Different(Box<Difference>),
    /// The bundle's events cannot be read.
    Unreadable(&'static str),
}

impl Recorded {
    /// What is kept of a trace; none if it does not decode to its end.
    pub fn of(trace: &[u8]) -> Option<Self> {
        let ends = ends(trace)?;
        let (whole, head) = head(trace, &ends);
        let mut recorded = Recorded {
            events: ends.len() as u64,
            whole: whole as u64,
            step: 0,
            head: lines(&base64::encode(&head)),
            marks: String::new(),
        };
        if whole < ends.len() {
            recorded.mark(trace, &ends);
        }
        Some(recorded)
    }

    /// The same without a byte of what was sent, stored or answered: marks only.
    pub fn redacted(trace: &[u8]) -> Option<Self> {
        let ends = ends(trace)?;
        let mut recorded = Recorded {
            events: ends.len() as u64,
            whole: 0,
            step: 0,
            head: String::new(),
            marks: String::new(),
        };
        recorded.mark(trace, &ends);
        Some(recorded)
    }

    fn mark(&mut self, trace: &[u8], ends: &[usize]) {
        let step = ends.len().div_ceil(MARKS).max(1).next_power_of_two();
        let bytes: Vec<u8> = marks(trace, ends, step).into_iter().flat_map(u16::to_le_bytes).collect();
        self.step = step as u64;
        self.marks = lines(&base64::encode(&bytes));
    }

    /// Compares the recorded run with a trace of today.
    pub(crate) fn compare(&self, trace: &[u8], words: &Words) -> Found {
        const DAMAGED: &str = "the events in the bundle are damaged";
        let Some(ends) = ends(trace) else {
            return Found::Unreadable("the trace of this run does not decode");
        };
        let head = match base64::decode(&self.head) {
            Some(bytes) if bytes.is_empty() => Vec::new(),
            Some(bytes) => match decompress_to_vec_with_limit(&bytes, LONGEST) {
                Ok(head) => head,
                Err(_) => return Found::Unreadable(DAMAGED),
            },
            None => return Found::Unreadable(DAMAGED),
        };
        let is_all = self.whole == self.events;
        let common = head.iter().zip(trace).take_while(|(a, b)| a == b).count();
        if common < head.len() || (is_all && common < trace.len()) {
            if Reader::new(&head).is_err() {
                return Found::Unreadable(
                    "the bundle's events are of a trace format that this build does not read",
                );
            }
            let difference = rerun::difference_at(common as u64, &head, trace, words);
            return Found::Different(Box::new(Difference { sides: SIDES, ..difference }));
        }
        if is_all {
            return Found::Same;
        }
        match self.first_other_mark(trace, &ends) {
            Ok(Some((first, last))) => Found::Different(Box::new(self.among(first, last, trace, words))),
            Ok(None) => Found::Same,
            Err(()) => Found::Unreadable(DAMAGED),
        }
    }

    /// The events, first and last, among which the first one is that differs, as the marks tell it.
    fn first_other_mark(&self, trace: &[u8], ends: &[usize]) -> Result<Option<(u64, u64)>, ()> {
        let bytes = base64::decode(&self.marks).ok_or(())?;
        let step = usize::try_from(self.step).map_err(|_| ())?;
        let count = usize::try_from(self.events).map_err(|_| ())?;
        if step == 0 || bytes.len() % 2 != 0 || bytes.len() / 2 != count.div_ceil(step) {
            return Err(());
        }
        let theirs = bytes.chunks(2).map(|two| u16::from_le_bytes([two[0], two[1]]));
        let ours = marks(trace, ends, step);
        let same = theirs.zip(&ours).take_while(|(theirs, ours)| theirs == *ours).count();
        if same == ours.len() && ends.len() == count {
            return Ok(None);
        }
        let first = (same * step).max(self.whole as usize) + 1;
        let last = ((same + 1) * step).min(count.max(ends.len())).max(first);
        Ok(Some((first as u64, last as u64)))
    }

    fn among(&self, first: u64, last: u64, trace: &[u8], words: &Words) -> Difference {
        let (before, text, origin) = events::numbered(trace, first, words);
        let kept = if first > self.events {
            "(the trace ends here)".to_owned()
        } else {
            "(only a mark of it is in the bundle, none of its bytes)".to_owned()
        };
        Difference {
            offset: None,
            event: first,
            last,
            before,
            first: kept,
            second: text,
            origin,
            sides: SIDES,
        }
    }
}

/// What the two sides are called.
const SIDES: [&str; 2] = ["bundle", "here"];

/// Where each event of a trace ends; none if it does not decode to its end.
fn ends(trace: &[u8]) -> Option<Vec<usize>> {
    let mut begins = Vec::new();
    for event in Reader::new(trace).ok()? {
        begins.push(event.ok()?.offset as usize);
    }
    begins.push(trace.len());
    begins.remove(0);
    Some(begins)
}

/// As many whole events as there is room for, compressed; and how many.
fn head(trace: &[u8], ends: &[usize]) -> (usize, Vec<u8>) {
    let mut room = LONGEST;
    loop {
        let whole = ends.partition_point(|end| *end <= room);
        let Some(end) = whole.checked_sub(1).map(|last| ends[last]) else { return (0, Vec::new()) };
        let packed = compress_to_vec(&trace[..end], LEVEL);
        if packed.len() <= HEAD {
            return (whole, packed);
        }
        // Somewhat less than the share that would fit.
        room = (end as u64 * HEAD as u64 / packed.len() as u64 * 15 / 16) as usize;
    }
}

/// The mark of every `step`-th event and of the last one.
fn marks(trace: &[u8], ends: &[usize], step: usize) -> Vec<u16> {
    let mut marks = Vec::with_capacity(ends.len().div_ceil(step));
    let (mut state, mut begin) = (0, 0);
    for (index, end) in ends.iter().enumerate() {
        state = xxh3_64_with_seed(&trace[begin..*end], state);
        begin = *end;
        if (index + 1).is_multiple_of(step) || index + 1 == ends.len() {
            marks.push(state as u16);
        }
    }
    marks
}

/// Long base64 in lines, so that no editor chokes on it.
fn lines(text: &str) -> String {
    let mut broken = String::with_capacity(text.len() + text.len() / LINE + 2);
    for line in text.as_bytes().chunks(LINE) {
        broken.push_str(std::str::from_utf8(line).unwrap_or_default());
        broken.push('\n');
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_sim::trace::Memory;
    use seedfast_sim::{Scenario, World};

    /// The trace of a seed of the toy whose messages take `slower` nanoseconds longer from the start.
    fn trace(seed: u64, slower: u64) -> Vec<u8> {
        let toy = &seedfast_scenarios::toy::TOY;
        let mut plan = toy.plan(4);
        plan.schedule.network.latency_max += slower;
        let mut memory = Memory::default();
        let mut scene = toy.scene(&plan, seed).expect("its own plan fits");
        World::new().run(seed, &plan.schedule, &mut *scene, &mut memory);
        memory.0
    }

    /// A trace that has the same events as `trace` up to a number, and another byte in that one.
    fn changed(trace: &[u8], ends: &[usize], event: usize) -> Vec<u8> {
        let mut other = trace.to_vec();
        // The lowest byte of its time.
        other[ends[event - 2] + 1] ^= 1;
        other
    }

    fn found(recorded: &Recorded, trace: &[u8]) -> (u64, u64) {
        match recorded.compare(trace, &Words::none()) {
            Found::Different(difference) => (difference.event, difference.last),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_short_run_is_kept_whole_and_the_event_is_named_with_both_sides() {
        let one = trace(4, 0);
        let recorded = Recorded::of(&one).expect("it decodes");
        assert_eq!((recorded.whole, recorded.step, recorded.marks.as_str()), (recorded.events, 0, ""));
        assert_eq!(recorded.compare(&one, &Words::none()), Found::Same);
        let ends = ends(&one).expect("it decodes");
        for event in [2, 3, ends.len() / 2, ends.len()] {
            let other = changed(&one, &ends, event);
            let Found::Different(difference) = recorded.compare(&other, &Words::none()) else {
                panic!("{event}")
            };
            assert_eq!((difference.event, difference.last), (event as u64, event as u64));
            assert_ne!(difference.first, difference.second);
            assert_eq!(difference.sides, SIDES);
        }
        let slower = trace(4, 1_000_000);
        let Found::Different(difference) = recorded.compare(&slower, &Words::none()) else {
            panic!("slower")
        };
        assert!(difference.first.contains("send") && difference.second.contains("send"), "{difference:?}");
        let cut = &one[..ends[9]];
        assert_eq!(found(&recorded, cut), (11, 11), "it ends earlier here");
        assert_eq!(found(&Recorded::of(cut).expect("it decodes"), &one), (11, 11), "and there");
    }

    #[test]
    fn marks_name_the_event_or_the_few_that_it_is_among() {
        let one = trace(4, 0);
        let ends = ends(&one).expect("it decodes");
        let recorded = Recorded::redacted(&one).expect("it decodes");
        assert_eq!((recorded.whole, recorded.step, recorded.head.as_str()), (0, 1, ""));
        assert_eq!(recorded.compare(&one, &Words::none()), Found::Same);
        let mut sparse = recorded.clone();
        sparse.step = 4;
        let bytes: Vec<u8> = marks(&one, &ends, 4).into_iter().flat_map(u16::to_le_bytes).collect();
        sparse.marks = base64::encode(&bytes);
        assert_eq!(sparse.compare(&one, &Words::none()), Found::Same);
        for event in 2..=ends.len() {
            let other = changed(&one, &ends, event);
            assert_eq!(found(&recorded, &other), (event as u64, event as u64));
            let (first, last) = found(&sparse, &other);
            assert!(
                (first..=last).contains(&(event as u64)) && last - first < 4,
                "{event}: {first} to {last}"
            );
        }
        for kept in [5, 6, 7, 8, 9] {
            let (first, last) = found(&sparse, &one[..ends[kept - 1]]);
            assert!((first..=last).contains(&(kept as u64 + 1)), "{kept}: {first} to {last}");
        }
    }

    #[test]
    fn a_long_run_takes_bounded_room_and_is_found_behind_its_head() {
        let standard = seedfast_scenarios::all().into_iter().find(|scenario| scenario.name() == "standard");
        let standard = standard.expect("there is one");
        let plan = standard.plan(5);
        let mut memory = Memory::default();
        let mut scene = standard.scene(&plan, 5).expect("its own plan fits");
        World::new().run(5, &plan.schedule, &mut *scene, &mut memory);
        let long = memory.0;
        let ends = ends(&long).expect("it decodes");
        assert!(ends.len() > MARKS, "too short for this test: {} events", ends.len());
        let recorded = Recorded::of(&long).expect("it decodes");
        let text = toml::to_string(&recorded).expect("it is a table");
        assert!(text.len() < 112 << 10, "{} bytes", text.len());
        assert!(text.len() > 80 << 10, "room is used: {} bytes", text.len());
        assert_eq!(toml::from_str::<Recorded>(&text).expect("it reads"), recorded);
        assert_eq!(recorded.compare(&long, &Words::none()), Found::Same);
        let whole = recorded.whole as usize;
        for event in [2, whole, whole + 1, whole + 2, ends.len() - 1, ends.len()] {
            let (first, last) = found(&recorded, &changed(&long, &ends, event));
            assert!((first..=last).contains(&(event as u64)), "{event}: {first} to {last}");
            assert_eq!(
                first == last,
                event <= whole || recorded.step == 1 || (event == ends.len() && first == last)
            );
        }
    }

    #[test]
    fn damaged_events_are_said_to_be_damaged() {
        let one = trace(4, 0);
        let recorded = Recorded::of(&one).expect("it decodes");
        let redacted = Recorded::redacted(&one).expect("it decodes");
        for damaged in [
            Recorded { head: "not base64!".to_owned(), ..recorded.clone() },
            Recorded { head: base64::encode(b"not deflated"), ..recorded.clone() },
            Recorded { whole: 3, head: String::new(), ..recorded.clone() },
            Recorded { marks: String::new(), ..redacted.clone() },
            Recorded { step: 0, ..redacted.clone() },
            Recorded { events: u64::MAX, ..redacted },
        ] {
            let found = damaged.compare(&one, &Words::none());
            assert!(matches!(found, Found::Unreadable(_)), "{damaged:?}: {found:?}");
        }
        assert_eq!(Recorded::of(b"no trace"), None);
    }
}
