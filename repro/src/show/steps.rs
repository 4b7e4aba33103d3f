//! What observations mean, in the words of the scene: its protocol trace (`--events`) says for each observation which
//! step of the protocol it was. Nothing here knows a protocol.
//!
//! The two are joined by node, life and time, in order. A scene need not export every kind of observation: which kind
//! goes with which step is learnt first where the numbers of both are the same, and what does not fit stays raw.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A step of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Its name: the line's `e`.
    pub(crate) name: String,
    /// The ballot, if it is a number.
    pub(crate) ballot: Option<u64>,
    /// The slot, if it is a number.
    pub(crate) slot: Option<u64>,
    /// The line without what every line has, in words.
    pub(crate) text: String,
}

/// An observation to be explained.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) record: u32,
    pub(crate) at: u64,
    pub(crate) node: u8,
    pub(crate) life: u32,
    pub(crate) kind: u8,
}

type Key = (u64, u64, u64);

/// The steps of observations, by record.
pub(crate) fn explain(lines: &str, seen: &[Seen]) -> BTreeMap<u32, Step> {
    let mut steps: HashMap<Key, VecDeque<Step>> = HashMap::new();
    for line in lines.lines() {
        if let Some((key, step)) = read(line) {
            steps.entry(key).or_default().push_back(step);
        }
    }
    let mut groups: BTreeMap<Key, Vec<Seen>> = BTreeMap::new();
    for one in seen {
        groups.entry((one.at, one.node.into(), one.life.into())).or_default().push(*one);
    }
    let mut known: HashMap<u8, String> = HashMap::new();
    for (key, group) in &groups {
        if let Some(steps) = steps.get(key).filter(|steps| steps.len() == group.len()) {
            for (one, step) in group.iter().zip(steps) {
                known.entry(one.kind).or_insert_with(|| step.name.clone());
            }
        }
    }
    let mut explained = BTreeMap::new();
    for (key, group) in groups {
        let Some(steps) = steps.get_mut(&key) else { continue };
        for one in group {
            let fits = |step: &Step| known.get(&one.kind).is_some_and(|name| *name == step.name);
            if steps.front().is_some_and(fits)
                && let Some(step) = steps.pop_front()
            {
                explained.insert(one.record, step);
            }
        }
    }
    explained
}

/// One line; none for what is no observation.
fn read(line: &str) -> Option<(Key, Step)> {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else { return None };
    let name = fields.remove("e")?.as_str()?.to_owned();
    if name == "start" || name == "crash" {
        return None;
    }
    let mut number = |name: &str| fields.remove(name).and_then(|value| value.as_u64());
    let key = (number("t")?, number("n")?, number("i")?);
    fields.remove("g");
    let of = |fields: &Map<String, Value>, name: &str| fields.get(name).and_then(Value::as_u64);
    let (ballot, slot) = (of(&fields, "b"), of(&fields, "s"));
    let mut text = name.clone();
    let leading = |name: &&String| ["b", "s", "v"].contains(&name.as_str());
    let (first, rest): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| leading(name));
    for (name, value) in first.into_iter().chain(rest) {
        text.push(' ');
        text.push_str(name);
        text.push('=');
        text.push_str(&told(name, value));
    }
    Some((key, Step { name, ballot, slot, text }))
}

/// So many elements of a list are told.
const TOLD: usize = 6;

fn told(name: &str, value: &Value) -> String {
    match (name, value) {
        // `docs/trace.md`: a ballot is its round times 256 plus its node.
        ("b", Value::Number(number)) => number.as_u64().map_or_else(|| number.to_string(), ballot),
        ("acc", Value::Array(votes)) => list(votes, |vote| match vote.as_array().map(Vec::as_slice) {
            Some([slot, ballot, value]) => format!("{slot}@{}:{}", told("b", ballot), told("v", value)),
            _ => vote.to_string(),
        }),
        (_, Value::Array(elements)) => list(elements, |element| match element {
            Value::Array(parts) => parts.iter().map(Value::to_string).collect::<Vec<_>>().join("."),
            other => other.to_string(),
        }),
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

fn list(elements: &[Value], tell: impl Fn(&Value) -> String) -> String {
    let mut parts: Vec<String> = elements.iter().take(TOLD).map(tell).collect();
    if elements.len() > TOLD {
        parts.push(format!("and {} more", elements.len() - TOLD));
    }
    format!("[{}]", parts.join(", "))
}

/// A ballot as people read it: round and node.
pub(crate) fn ballot(number: u64) -> String {
    format!("{}.{}", number / 256, number % 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(record: u32, at: u64, node: u8, kind: u8) -> Seen {
        Seen { record, at, node, life: 1, kind }
    }

    #[test]
    fn a_line_is_joined_to_its_observation_and_the_rest_stays_raw() {
        let lines = r#"{"e":"start","t":1,"g":0,"n":0,"i":1}
{"e":"promise","t":5,"g":0,"n":0,"i":1,"b":257,"acc":[[3,256,"ab"]]}
{"e":"decide","t":7,"g":0,"n":0,"i":1,"s":3,"v":"ab"}
{"e":"decide","t":9,"g":0,"n":0,"i":1,"s":4,"v":"cd"}
no JSON at all
{"e":"halt"}
"#;
        // Kind 16 has no line, although it is seen in the same turn as the second decision.
        let all =
            [seen(10, 5, 0, 2), seen(11, 7, 0, 5), seen(12, 9, 0, 16), seen(13, 9, 0, 5), seen(14, 9, 1, 5)];
        let explained = explain(lines, &all);
        let told: Vec<(u32, &str)> =
            explained.iter().map(|(record, step)| (*record, step.text.as_str())).collect();
        assert_eq!(
            told,
            [(10, "promise b=1.1 acc=[3@1.0:ab]"), (11, "decide s=3 v=ab"), (13, "decide s=4 v=cd")]
        );
        assert_eq!((explained[&10].ballot, explained[&13].slot), (Some(257), Some(4)));
    }
}
