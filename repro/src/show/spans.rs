//! Faults as they last: from the record that says a fault struck to the one that says it ended, with what the plan
//! knows of it.

use seedfast_sim::Plan;
use seedfast_sim::trace::{Event, What};
use serde::Serialize;
use serde_json::Value;

/// One fault of the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Span {
    /// Its place in the schedule; injected ones count on.
    number: u32,
    /// The record in which it struck.
    record: u32,
    /// When, in nanoseconds of true time.
    at: u64,
    /// When it ended; none if it changed something at once and for good.
    end: Option<u64>,
    /// The node that it struck, if one.
    target: Option<u8>,
    /// What it is called in a plan; the first word of its line if the plan does not hold it.
    kind: String,
    /// In words.
    text: String,
    /// The groups of a partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Value>,
}

/// Gathers faults as records go by.
pub(crate) struct Spans<'a> {
    plan: &'a Plan,
    all: Vec<Span>,
}

impl<'a> Spans<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        Spans { plan, all: Vec::new() }
    }

    /// Takes notice of a record.
    pub(crate) fn hear(&mut self, record: u32, event: &Event<'_>) {
        let at = event.at.as_nanos();
        match event.what {
            What::Fault { number, target, text } => {
                let planned = self.plan.schedule.faults.get(number as usize);
                let planned = planned.and_then(|timed| serde_json::to_value(timed).ok()).unwrap_or_default();
                let first_word = text.split_whitespace().next().unwrap_or("fault");
                let kind = planned["kind"].as_str().unwrap_or(first_word).to_owned();
                let lasts_until_healed = kind == "partition" && planned["lasts"].is_null();
                if kind == "heal" {
                    self.all
                        .iter_mut()
                        .filter(|span| span.is_open_at(at))
                        .for_each(|span| span.end = Some(at));
                } else if kind == "partition" {
                    // A second partition replaces the first.
                    let earlier = self.all.iter_mut().filter(|span| span.kind == kind && span.is_open_at(at));
                    earlier.for_each(|span| span.end = Some(at));
                }
                let planned_end = planned["lasts"].as_u64().map(|lasts| at.saturating_add(lasts));
                let end = if lasts_until_healed { Some(u64::MAX) } else { planned_end };
                let groups = planned.get("groups").cloned();
                self.all.push(Span { number, record, at, end, target, kind, text: text.to_owned(), groups });
            }
            What::FaultEnded { number } => {
                if let Some(span) = self.all.iter_mut().rev().find(|span| span.number == number) {
                    // It may have been replaced or healed before.
                    span.end = Some(span.end.map_or(at, |end| end.min(at)));
                }
            }
            _ => {}
        }
    }

    /// All, in the order in which they struck; those that never ended end with the run.
    pub(crate) fn finish(mut self, end: u64) -> Vec<Span> {
        for span in &mut self.all {
            span.end = span.end.map(|at| at.min(end));
        }
        self.all
    }
}

impl Span {
    fn is_open_at(&self, at: u64) -> bool {
        self.end.is_some_and(|end| end > at)
    }
}
