//! Everything that a picture shows, gathered from the trace in one pass.

use super::causes::{Causes, Edge};
use super::messages::{Message, Messages};
use super::record::{self, Record, WORLD};
use super::spans::{Span, Spans};
use super::steps::{self, Seen, Step};
use crate::events::{Teller, Words};
use seedfast_sim::trace::{Event, Reader, Reason, What, Who};
use seedfast_sim::{Broken, Plan, WALL_EPOCH};
use serde::Serialize;
use std::collections::BTreeMap;

/// What one run left behind to be shown.
pub(crate) struct Ran<'a> {
    pub(crate) trace: &'a [u8],
    /// The scene's protocol trace.
    pub(crate) lines: &'a str,
    pub(crate) plan: &'a Plan,
    pub(crate) words: &'a Words,
    pub(crate) broken: Option<&'a Broken>,
    /// Whether it was judged broken only when the run was over, so that no record broke it.
    pub(crate) is_judged_at_end: bool,
}

/// A picture's contents.
pub(crate) struct Picture {
    pub(crate) nodes: u8,
    pub(crate) clients: u8,
    /// When the run ended, in nanoseconds of true time.
    pub(crate) end: u64,
    pub(crate) records: Vec<Record>,
    /// How many records of the trace stand before the first one here.
    pub(crate) left_out: u64,
    pub(crate) clocks: Vec<Clocks>,
    pub(crate) messages: Vec<Message>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) steps: BTreeMap<u32, Step>,
    pub(crate) spans: Vec<Span>,
    pub(crate) images: Vec<Image>,
    /// The record in which the run broke.
    pub(crate) broke: Option<u32>,
}

/// What a node's clocks read in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clocks {
    pub(crate) record: u32,
    /// Local monotonic time, in nanoseconds.
    pub(crate) monotonic: u64,
    /// Local wall time less what a true clock would read, in nanoseconds.
    pub(crate) wall_ahead: i64,
}

/// What a loss of power left of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Image {
    record: u32,
    device: u8,
    writes: Vec<ImageWrite>,
}

/// What it left of one write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ImageWrite {
    op: String,
    step: u16,
    at: u64,
    /// Units in all, and those that survived.
    units: u32,
    kept: u32,
    /// A letter for each of the first units: `#` survived, `.` did not.
    map: String,
}

/// So many units of a write are drawn.
const UNITS: u32 = 128;

/// A page holds at most so many records: the last ones, because what broke stands at the end.
pub(crate) const MOST_RECORDS: usize = 300_000;

impl Picture {
    /// Gathers a run's picture, of its last `most` records.
    pub(crate) fn of(ran: &Ran<'_>, most: usize) -> Self {
        let Ok(reader) = Reader::new(ran.trace) else { return Picture::empty() };
        let (nodes, clients) = (reader.nodes(), reader.clients());
        let total = reader.clone().map_while(Result::ok).count();
        let left_out = total.saturating_sub(most);
        let mut picture = Picture { nodes, clients, left_out: left_out as u64, ..Picture::empty() };
        // Names that stood in records left out are unknown here, and what names them stays without its other half.
        let broke = ran.broken.and_then(|broken| broken.event.checked_sub(left_out as u64 + 1));
        picture.broke = broke.filter(|_| !ran.is_judged_at_end).map(|record| record as u32);
        let mut gather = Gather {
            teller: Teller::new(ran.words),
            messages: Messages::new(ran.words, nodes),
            causes: Causes::default(),
            spans: Spans::new(ran.plan),
            seen: Vec::new(),
            heads: [0; 256],
        };
        for (place, event) in reader.map_while(Result::ok).enumerate() {
            gather.teller.hear(&event);
            if let Some(record) = place.checked_sub(left_out) {
                gather.hear(record as u32, &event, &mut picture);
            }
        }
        picture.end = picture.records.last().map_or(0, |record| record.at);
        picture.messages = gather.messages.into_all();
        picture.edges = gather.causes.into_edges();
        picture.spans = gather.spans.finish(picture.end);
        picture.steps = steps::explain(ran.lines, &gather.seen);
        for (record, step) in &picture.steps {
            picture.records[*record as usize].text = format!("  observe     {}", step.text);
        }
        picture
    }

    fn empty() -> Self {
        Picture {
            nodes: 0,
            clients: 0,
            end: 0,
            records: Vec::new(),
            left_out: 0,
            clocks: Vec::new(),
            messages: Vec::new(),
            edges: Vec::new(),
            steps: BTreeMap::new(),
            spans: Vec::new(),
            images: Vec::new(),
            broke: None,
        }
    }
}

struct Gather<'a> {
    teller: Teller<'a>,
    messages: Messages<'a>,
    causes: Causes,
    spans: Spans<'a>,
    seen: Vec<Seen>,
    /// The record that began the step that goes on, by lane.
    heads: [u32; 256],
}

impl<'a> Gather<'a> {
    fn hear(&mut self, number: u32, event: &Event<'a>, picture: &mut Picture) {
        let at = event.at.as_nanos();
        let mut lane = record::lane(event.who, picture.nodes);
        self.messages.hear(number, lane, event);
        let message = named(&event.what).and_then(|name| self.messages.named(name));
        self.causes.hear(number, lane, event, message, picture.broke);
        self.spans.hear(number, event);
        match &event.what {
            What::Turn { local, .. } => picture.clocks.push(Clocks {
                record: number,
                monotonic: local.monotonic.as_nanos(),
                wall_ahead: local.wall.0.wrapping_sub(WALL_EPOCH).saturating_sub_unsigned(at),
            }),
            What::Image { device, writes } => {
                let writes = writes.iter().map(image_write).collect();
                picture.images.push(Image { record: number, device: *device, writes });
            }
            What::Observe { kind, .. } if *kind < 254 => {
                if let Who::Node(node) = event.who {
                    self.seen.push(Seen { record: number, at, node, life: event.life, kind: *kind });
                }
            }
            // Something was stopped where it would have arrived.
            What::Stopped { .. } => lane = message.map_or(WORLD, |message| message.to),
            _ => {}
        }
        let text = record::without_columns(event, &self.teller.tell(event));
        let slot = usize::from(lane);
        if !record::is_output(&event.what, &text) {
            self.heads[slot] = number;
        }
        let code = record::code(event, &text);
        let head = if matches!(event.what, What::Stopped { .. }) { number } else { self.heads[slot] };
        picture.records.push(Record { at, lane, life: event.life, head, code, text });
    }
}

/// The message that a record names.
fn named(what: &What<'_>) -> Option<u64> {
    match what {
        What::Turn { reason: Reason::Receive { message, .. } | Reason::Request { message, .. }, .. }
        | What::ClientResponse { message, .. }
        | What::Stopped { message, .. } => Some(*message),
        _ => None,
    }
}

fn image_write(write: &seedfast_sim::trace::ImageWrite<'_>) -> ImageWrite {
    let survived = |unit: u32| write.survived[unit as usize / 8] >> (unit % 8) & 1 == 1;
    ImageWrite {
        op: format!("{}.{}", write.op.incarnation.0, write.op.number),
        step: write.step,
        at: write.at,
        units: write.units,
        kept: (0..write.units).filter(|unit| survived(*unit)).count() as u32,
        map: (0..write.units.min(UNITS)).map(|unit| if survived(unit) { '#' } else { '.' }).collect(),
    }
}
