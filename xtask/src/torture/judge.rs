//! What a history must be: every key linearizable, and every acknowledged write still there at the end.
//!
//! The first is the simulator's own checker. The second would follow from it, because the last reads of all keys are
//! part of the history; it is judged apart, by a few lines that know nothing of searches, and says which write was lost.

use seedfast_scenarios::history::{End, Function, History, Key, OperationIndex, Value};
use seedfast_scenarios::linearizable;
use seedfast_scenarios::linearizable::general::{Finding, check};
use seedfast_scenarios::linearizable::models::{Register, register_calls};
use std::collections::{BTreeMap, BTreeSet};

/// How many steps the search of one register may take: more than the simulator's, whose clients think longer.
const BUDGET: u64 = 1 << 23;

/// Judges a history whose operations from number `finals` on are the last reads.
///
/// # Errors
/// The first thing that is wrong, in one sentence.
pub(crate) fn judge(history: &History, finals: usize) -> Result<(), String> {
    durable(history, finals)?;
    let mut undecided = Ok(());
    for (key, part) in by_key(history) {
        let Some(key) = key else {
            linearizable::judge(&part, |_| false)
                .map_err(|found| format!("{}: {}", found.invariant, found.what))?;
            continue;
        };
        match check(&Register, &register_calls(&part, key), BUDGET) {
            Finding::Linearizable => {}
            Finding::NotLinearizable => {
                return Err(format!("I14: {key} is not linearizable: no order of its operations is legal"));
            }
            // Others may be worse.
            Finding::Undecided => {
                undecided = Err(format!(
                    "undecided: nobody knows whether {key} is linearizable: the search took too long"
                ));
            }
        }
    }
    undecided
}

/// Every key's operations as a history of its own, in the same order: what is judged by search takes a pass over all
/// that it is given. Lists stay together, their judge takes one pass for all of them.
fn by_key(history: &History) -> BTreeMap<Option<Key>, History> {
    let mut parts: BTreeMap<Option<Key>, History> = BTreeMap::new();
    let mut renamed: Vec<OperationIndex> = Vec::with_capacity(history.operations().len());
    for entry in history.entries() {
        let operation = &history.operations()[entry.operation.0 as usize];
        let part = match operation.key {
            Key::List(_) => None,
            key @ Key::Register(_) => Some(key),
        };
        let part = parts.entry(part).or_default();
        match (entry.end, &operation.ended) {
            (false, _) => {
                renamed.push(part.invoke(entry.time, operation.process, operation.key, operation.function));
            }
            (true, Some((_, end))) => part.end(entry.time, renamed[entry.operation.0 as usize], end.clone()),
            (true, None) => {}
        }
    }
    parts
}

/// What the last reads of one list returned, and which elements those were.
struct Last<'a> {
    elements: &'a [u64],
    known: BTreeSet<u64>,
}

/// Lists: the last reads agree, hold every acknowledged element once, and nothing that was refused or never written.
fn durable(history: &History, finals: usize) -> Result<(), String> {
    let mut last: BTreeMap<Key, Last<'_>> = BTreeMap::new();
    for read in &history.operations()[finals..] {
        let Some((_, End::Read(Value::List(elements)))) = &read.ended else { continue };
        let known: BTreeSet<u64> = elements.iter().copied().collect();
        if known.len() != elements.len() {
            let twice =
                elements.iter().find(|element| elements.iter().filter(|other| other == element).count() > 1);
            return Err(format!(
                "{} holds {} twice at the end",
                read.key,
                twice.copied().unwrap_or_default()
            ));
        }
        let first = last.entry(read.key).or_insert(Last { elements, known });
        if first.elements != elements {
            return Err(format!(
                "two of the last reads of {} differ: {} and {} elements",
                read.key,
                first.elements.len(),
                elements.len()
            ));
        }
    }
    let mut written: BTreeSet<(Key, u64)> = BTreeSet::new();
    for append in history.operations() {
        let Function::Append { value } = append.function else { continue };
        let Some(list) = last.get(&append.key) else {
            return Err(format!("{} was not read at the end", append.key));
        };
        let there = list.known.contains(&value);
        match append.ended.as_ref().map(|(_, end)| end) {
            Some(End::Appended { length }) if !there => {
                return Err(format!(
                    "an acknowledged write was lost: {value}, appended to {} as its element {length} by process {}",
                    append.key, append.process
                ));
            }
            Some(End::Fail) if there => {
                return Err(format!("{value} was refused, and {} holds it at the end", append.key));
            }
            _ => {}
        }
        written.insert((append.key, value));
    }
    for (key, list) in &last {
        if let Some(element) = list.elements.iter().find(|element| !written.contains(&(*key, **element))) {
            return Err(format!("{key} holds {element} at the end, which nobody wrote"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Key = Key::List(3);

    /// Appends with their ends, and then what two last reads return.
    fn story(appends: &[(u64, End)], reads: [&[u64]; 2]) -> Result<(), String> {
        let mut history = History::default();
        for (value, end) in appends {
            let append = history.invoke(1, *value, LIST, Function::Append { value: *value });
            history.end(2, append, end.clone());
        }
        let register = history.invoke(3, 7, Key::Register(0), Function::Write { value: 1 });
        history.end(4, register, End::Written);
        let finals = history.operations().len();
        for elements in reads {
            let read = history.invoke(5, 8, LIST, Function::Read);
            history.end(6, read, End::Read(Value::List(elements.to_vec())));
        }
        let read = history.invoke(7, 8, Key::Register(0), Function::Read);
        history.end(8, read, End::Read(Value::Register(Some(1))));
        judge(&history, finals)
    }

    fn at(length: u64) -> End {
        End::Appended { length }
    }

    #[test]
    fn what_was_acknowledged_is_there_once() {
        assert_eq!(story(&[(1, at(1)), (2, at(2))], [&[1, 2], &[1, 2]]), Ok(()));
        let lost = story(&[(1, at(1)), (2, at(2))], [&[1], &[1]]).unwrap_err();
        assert!(lost.starts_with("an acknowledged write was lost: 2,"), "{lost}");
        assert!(story(&[(1, at(1))], [&[1, 1], &[1, 1]]).unwrap_err().contains("twice"));
        assert!(story(&[(1, at(1)), (2, End::Info)], [&[1], &[1, 2]]).unwrap_err().contains("differ"));
        assert!(story(&[(1, at(1))], [&[1, 9], &[1, 9]]).unwrap_err().contains("nobody wrote"));
    }

    #[test]
    fn what_is_in_doubt_may_be_there_and_what_was_refused_may_not() {
        assert_eq!(story(&[(1, End::Info), (2, at(1))], [&[2], &[2]]), Ok(()));
        assert_eq!(story(&[(1, End::Info), (2, at(2))], [&[1, 2], &[1, 2]]), Ok(()));
        assert!(story(&[(1, End::Fail)], [&[1], &[1]]).unwrap_err().contains("refused"));
    }

    #[test]
    fn keys_are_judged_for_linearizability_too() {
        let backwards = story(&[(1, at(1)), (2, at(2))], [&[2, 1], &[2, 1]]).unwrap_err();
        assert!(backwards.starts_with("I14"), "{backwards}");
        let mut history = History::default();
        let write = history.invoke(1, 0, Key::Register(4), Function::Write { value: 5 });
        history.end(2, write, End::Written);
        let read = history.invoke(3, 0, Key::Register(4), Function::Read);
        history.end(4, read, End::Read(Value::Register(None)));
        assert!(judge(&history, 1).unwrap_err().starts_with("I14: register-4"));
    }
}
