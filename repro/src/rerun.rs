//! The same seed, the same bytes: running something again and naming the first event that differs.

use crate::bundle;
pub use crate::events::Origin;
use crate::events::{self, Words};
use crate::execute::execute;
use crate::names::{self, Name};
use crate::trouble::Trouble;
use seedfast_sim::trace::{Compare, Memory, TraceSink};
use seedfast_sim::{Outcome, Plan, Scenario, World};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// Two runs of one seed that differed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The scenario.
    #[serde(deserialize_with = "names::one")]
    pub scenario: Name,
    /// The seed.
    pub seed: u64,
    /// Which two runs, in words.
    pub between: String,
    /// Where they part; none if no further pair of runs showed it.
    pub difference: Option<Difference>,
}

/// The first event that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Offset in the trace of the first byte that differs, if that is known.
    pub offset: Option<u64>,
    /// Number of the event that it belongs to, from 1.
    pub event: u64,
    /// The last event that may be the first to differ: `event` itself, unless only marks could be compared.
    pub last: u64,
    /// The event before, which both runs share.
    pub before: Option<String>,
    /// The event in the first run.
    pub first: String,
    /// The event in the second run.
    pub second: String,
    /// Who made it; none if it is nobody's.
    pub origin: Option<Origin>,
    /// What the two runs are called.
    #[serde(deserialize_with = "names::two")]
    pub sides: [&'static str; 2],
}

/// What the first run left to compare with.
#[derive(Clone, Copy)]
pub(crate) struct Reference<'a> {
    /// Its bytes, if they were kept.
    pub(crate) bytes: Option<&'a [u8]>,
    /// Their hash.
    pub(crate) hash: u128,
}

/// What is run: a plan of a scenario under a seed.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) scenario: &'static dyn Scenario,
    pub(crate) seed: u64,
    pub(crate) plan: &'a Plan,
}

impl Subject<'_> {
    pub(crate) fn run(&self, world: &mut World, sink: &mut dyn TraceSink) -> Result<Outcome, Trouble> {
        execute(world, self.scenario, self.seed, self.plan, sink)
    }

    /// Runs it, keeping the trace.
    pub(crate) fn record(&self, world: &mut World) -> Result<(Outcome, Vec<u8>), Trouble> {
        let mut memory = Memory::default();
        let outcome = self.run(world, &mut memory)?;
        Ok((outcome, memory.0))
    }
}

/// Runs `subject` again and compares; `between` says which two runs these are.
pub(crate) fn compare(
    world: &mut World,
    subject: Subject<'_>,
    reference: Reference<'_>,
    between: &str,
) -> Result<Option<Mismatch>, Trouble> {
    let mismatch = |between: String, difference| {
        Ok(Some(Mismatch { scenario: subject.scenario.name(), seed: subject.seed, between, difference }))
    };
    if let Some(bytes) = reference.bytes {
        let difference = against(world, subject, bytes)?;
        return if difference.is_some() { mismatch(between.to_owned(), difference) } else { Ok(None) };
    }
    let (outcome, bytes) = subject.record(world)?;
    if outcome.trace_hash == reference.hash {
        return Ok(None);
    }
    // The first run's bytes are gone; what differs once usually differs again.
    for _ in 0..3 {
        if let Some(difference) = against(world, subject, &bytes)? {
            return mismatch(format!("{between}; shown by two further runs"), Some(difference));
        }
    }
    let hashes =
        format!("hash {} and then {}", bundle::hash(reference.hash), bundle::hash(outcome.trace_hash));
    mismatch(format!("{between}; {hashes}"), None)
}

/// Runs `subject` against the bytes of an earlier run.
fn against(world: &mut World, subject: Subject<'_>, reference: &[u8]) -> Result<Option<Difference>, Trouble> {
    let mut sink = Against { compare: Compare::new(reference), passed: 0, last: Vec::new() };
    subject.run(world, &mut sink)?;
    Ok(sink.compare.difference().map(|offset| {
        let mut second = reference[..sink.passed.min(reference.len())].to_vec();
        second.extend_from_slice(&sink.last);
        let words = Words::of(subject.scenario, subject.seed, subject.plan);
        difference_at(offset, reference, &second, &words)
    }))
}

/// Describes the difference between two traces whose first differing byte is at `offset`.
pub(crate) fn difference_at(offset: u64, first: &[u8], second: &[u8], words: &Words) -> Difference {
    let (in_first, in_second) =
        (events::at_offset(first, offset, words), events::at_offset(second, offset, words));
    let (mut first_text, mut second_text) = (in_first.text, in_second.text);
    if first_text == second_text {
        // They differ in what a line leaves out: the rest of a long frame, an offset.
        first_text.push_str(&bytes_at(first, offset));
        second_text.push_str(&bytes_at(second, offset));
    }
    // Where one run was judged or heard of a client and the other went on, that one is what differs.
    let origin = in_first.origin.max(in_second.origin);
    let event = in_first.number.min(in_second.number);
    Difference {
        offset: Some(offset),
        origin,
        event,
        last: event,
        before: in_first.before,
        first: first_text,
        second: second_text,
        sides: ["first", "second"],
    }
}

fn bytes_at(trace: &[u8], offset: u64) -> String {
    let bytes: String =
        trace.iter().skip(offset as usize).take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("  (byte {offset} on: {bytes})")
}

/// Compares, and keeps the piece in which the difference lies, so that it can be decoded.
struct Against<'a> {
    compare: Compare<'a>,
    passed: usize,
    last: Vec<u8>,
}

impl TraceSink for Against<'_> {
    fn write(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        let flow = self.compare.write(bytes);
        if flow.is_continue() {
            self.passed += bytes.len();
        } else if self.last.is_empty() {
            self.last = bytes.to_vec();
        }
        flow
    }
}

/// Keeps the trace as long as it fits, and only counts it from there on.
pub(crate) struct Capped {
    bytes: Vec<u8>,
    room: usize,
    overflowed: bool,
}

impl Capped {
    pub(crate) fn new(room: usize) -> Self {
        Capped { bytes: Vec::new(), room, overflowed: false }
    }

    /// The whole trace, unless it did not fit.
    pub(crate) fn into_bytes(self) -> Option<Vec<u8>> {
        (!self.overflowed).then_some(self.bytes)
    }
}

impl TraceSink for Capped {
    fn write(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        if self.bytes.len() + bytes.len() > self.room {
            self.overflowed = true;
            self.bytes = Vec::new();
        }
        if !self.overflowed {
            self.bytes.extend_from_slice(bytes);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_does_not_fit_is_not_kept_in_part() {
        let mut sink = Capped::new(4);
        assert!(sink.write(b"abc").is_continue());
        assert!(sink.write(b"de").is_continue());
        assert!(sink.write(b"f").is_continue());
        assert_eq!(sink.into_bytes(), None);
        let mut sink = Capped::new(4);
        assert!(sink.write(b"abcd").is_continue());
        assert_eq!(sink.into_bytes().as_deref(), Some(&b"abcd"[..]));
    }
}
