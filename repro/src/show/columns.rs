//! A picture as compact JSON: one array for each field, small numbers (differences to the one before), each text once.

use super::messages::Class;
use super::picture::Picture;
use super::record::WORLD;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Texts by number: each is written once.
#[derive(Default)]
struct Texts {
    all: Vec<String>,
    places: HashMap<String, usize>,
}

impl Texts {
    fn place(&mut self, text: &str) -> usize {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.all.len();
        self.places.insert(text.to_owned(), place);
        self.all.push(text.to_owned());
        place
    }
}

/// Differences of neighbours, the first one to 0.
fn deltas(numbers: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut before = 0;
    numbers.into_iter().map(|number| number - std::mem::replace(&mut before, number)).collect()
}

/// An absent record is written as 0, a present one as its distance, which is at least 1.
fn distance(from: u32, to: Option<u32>) -> i64 {
    to.map_or(0, |to| i64::from(to) - i64::from(from))
}

fn lane(lane: u8) -> i64 {
    if lane == WORLD { -1 } else { lane.into() }
}

/// The picture under `head`, which says which run it is.
pub(crate) fn encode(picture: &Picture, head: &Value) -> Value {
    let mut texts = Texts::default();
    let mut codes = Texts::default();
    let records = json!({
        "at": deltas(picture.records.iter().map(|record| record.at as i64)),
        "lane": picture.records.iter().map(|record| lane(record.lane)).collect::<Vec<_>>(),
        "life": picture.records.iter().map(|record| record.life).collect::<Vec<_>>(),
        "head": picture.records.iter().zip(0_u32..).map(|(record, n)| n - record.head).collect::<Vec<_>>(),
        "code": picture.records.iter().map(|record| codes.place(&record.code)).collect::<Vec<_>>(),
        "text": picture.records.iter().map(|record| texts.place(&record.text)).collect::<Vec<_>>(),
    });
    let clocks = json!({
        "record": deltas(picture.clocks.iter().map(|clock| clock.record.into())),
        "monotonic": picture.clocks.iter().map(|clock| clock.monotonic).collect::<Vec<_>>(),
        "wall": deltas(picture.clocks.iter().map(|clock| clock.wall_ahead)),
    });
    let kinds = kinds(picture);
    let classes: BTreeMap<Class, usize> =
        kinds.keys().zip(0..).map(|(class, place)| (*class, place)).collect();
    let all = &picture.messages;
    let due = |copy: usize| -> Vec<i64> {
        // After the send, in nanoseconds; -1 for never.
        let after = |at: u64, sent: u32| at as i64 - picture.records[sent as usize].at as i64;
        all.iter().map(|one| one.due[copy].map_or(-1, |at| after(at, one.sent))).collect()
    };
    let received = |copy: usize| -> Vec<i64> {
        all.iter().map(|message| distance(message.sent, message.received[copy])).collect()
    };
    let messages = json!({
        "id": deltas(all.iter().map(|message| message.id as i64)),
        "from": all.iter().map(|message| lane(message.from)).collect::<Vec<_>>(),
        "to": all.iter().map(|message| lane(message.to)).collect::<Vec<_>>(),
        "kind": all.iter().map(|message| classes[&message.kind]).collect::<Vec<_>>(),
        "sent": deltas(all.iter().map(|message| message.sent.into())),
        "fate": all.iter().map(|message| codes.place(message.fate)).collect::<Vec<_>>(),
        "due": due(0),
        "copyDue": due(1),
        "received": received(0),
        "copyReceived": received(1),
        "damaged": all.iter().map(|one| u8::from(one.damaged[0]) + 2 * u8::from(one.damaged[1]))
            .collect::<Vec<_>>(),
        "stopped": all.iter().map(|one| distance(one.sent, one.stopped.map(|(record, _)| record)))
            .collect::<Vec<_>>(),
        "size": all.iter().map(|message| message.size).collect::<Vec<_>>(),
        "words": all.iter().map(|message| texts.place(&message.words)).collect::<Vec<_>>(),
        "slot": deltas(all.iter().map(|one| one.slots.map_or(-1, |(first, _)| as_number(first)))),
        "slots": all.iter().map(|one| one.slots.map_or(0, |(first, last)| last - first)).collect::<Vec<_>>(),
    });
    let edges = json!({
        "to": deltas(picture.edges.iter().map(|edge| edge.to.into())),
        "back": picture.edges.iter().map(|edge| edge.to - edge.from).collect::<Vec<_>>(),
        "why": picture.edges.iter().map(|edge| edge.why as u8).collect::<Vec<_>>(),
    });
    let steps = &picture.steps;
    let steps = json!({
        "record": deltas(steps.keys().map(|record| (*record).into())),
        "name": steps.values().map(|step| codes.place(&step.name)).collect::<Vec<_>>(),
        "ballot": deltas(steps.values().map(|step| step.ballot.map_or(-1, as_number))),
        "slot": deltas(steps.values().map(|step| step.slot.map_or(-1, as_number))),
    });
    json!({
        "head": head,
        "nodes": picture.nodes,
        "clients": picture.clients,
        "end": picture.end,
        "leftOut": picture.left_out,
        "broke": picture.broke,
        "kinds": kinds.values().collect::<Vec<_>>(),
        "records": records,
        "clocks": clocks,
        "messages": messages,
        "edges": edges,
        "steps": steps,
        "faults": picture.spans,
        "images": picture.images,
        "codes": codes.all,
        "texts": texts.all,
    })
}

/// The largest whole number that JavaScript holds exactly.
const EXACT: u64 = (1 << 53) - 1;

fn as_number(number: u64) -> i64 {
    number.min(EXACT) as i64
}

/// The name of each kind: the word that all its messages begin with, if their protocol has words.
fn kinds(picture: &Picture) -> BTreeMap<Class, String> {
    let mut kinds: BTreeMap<Class, Option<&str>> = BTreeMap::new();
    for message in &picture.messages {
        let words = message.words.as_str();
        let first = words.split(|c: char| c.is_whitespace() || c == ':').next().unwrap_or_default();
        let word = Some(first).filter(|word| word.starts_with(|c: char| c.is_alphabetic()));
        kinds
            .entry(message.kind)
            .and_modify(|known| *known = known.filter(|known| Some(*known) == word))
            .or_insert(word);
    }
    let name = |(class, word): (Class, Option<&str>)| {
        let name = match class {
            Class::Kind(number) => word.map_or_else(|| format!("kind {number}"), str::to_owned),
            Class::Request => "request".to_owned(),
            Class::Response => "response".to_owned(),
            Class::Close => "close".to_owned(),
        };
        (class, name)
    };
    kinds.into_iter().map(name).collect()
}
