//! The fast judge of append lists: the order that reads observed is itself the witness, checked in one pass.
//!
//! Elements are unique, and a list only grows. Let W be the longest list that any read of a key returned, L its
//! length. Give every operation a **position**:
//! - an append whose element stands at index i of W: `2i + 1`;
//! - a read that returned n elements: `2n`;
//! - an acknowledged append whose element is not in W: `2L + 1`, behind every read;
//! - an operation in doubt whose element is not in W, or a read without an answer: none, it is left out.
//!
//! The history is accepted if every read is a prefix of W; every element of W was appended by an operation that did
//! not certainly fail; an append's reply, if known, is the length that W gives it; and **whenever an operation is
//! invoked, its position is no lower than that of every operation that had returned by then**.
//!
//! *Sound*: order the operations by position, equal ones by invocation. That is a legal run of a list: the append at
//! `2i + 1` finds i elements and makes its own the (i+1)-th, and a read at `2n` finds exactly the first n, which it
//! returned. Equal positions are reads of one length, or acknowledged appends behind every read, and any order of
//! those is legal. It respects real time: if A returned before B was invoked then position(A) <= position(B) was
//! checked, and if they are equal A comes first, for it was invoked first. What was left out may be taken never to
//! have happened.
//!
//! *Complete*: take any legal order that respects real time. The read that returned W fixes, because elements are
//! unique, which append is the i-th for every i below L; a read that returned n elements stands behind exactly n
//! appends; an acknowledged append outside W stands behind the read of W and so behind every read. So this order
//! sorts by position, and since it respects real time, no operation can have been invoked after the return of one
//! with a higher position. An element that certainly failed, or that nobody appended, is in no legal order.
//!
//! A read of the key after everything else has returned has length L, and turns a lost append into a position that
//! runs backwards. Without it nothing is accepted wrongly; there is only less to see. (One thing alone is left
//! unjudged then: whether the lengths that several appends outside W were answered fit together.)

use crate::history::{End, Function, History, Key, Operation, Value};

/// What one key's reads showed.
#[derive(Clone, Default)]
struct Witness {
    /// The longest read's operation.
    longest: Option<u32>,
    length: usize,
    /// The elements and their indexes, sorted by element.
    index: Vec<(u64, u32)>,
    /// The highest position of an operation that has returned.
    floor: u64,
}

fn list_of(operation: &Operation) -> Option<&[u64]> {
    match &operation.ended {
        Some((_, End::Read(Value::List(elements)))) => Some(elements),
        _ => None,
    }
}

/// A list that was found not to be linearizable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which list.
    pub key: Key,
    /// Why, in one sentence.
    pub why: String,
}

/// Judges every list of a history.
///
/// # Errors
/// The first list that is not linearizable.
pub fn judge(history: &History) -> Result<(), Refused> {
    let mut lists: Vec<Witness> = Vec::new();
    for (number, operation) in history.operations().iter().enumerate() {
        let Key::List(key) = operation.key else {
            continue;
        };
        if lists.len() <= usize::from(key) {
            lists.resize(usize::from(key) + 1, Witness::default());
        }
        let list = &mut lists[usize::from(key)];
        if let Some(elements) = list_of(operation)
            && (list.longest.is_none() || elements.len() > list.length)
        {
            list.longest = Some(number as u32);
            list.length = elements.len();
        }
    }
    for (key, list) in lists.iter_mut().enumerate() {
        index(history, Key::List(key as u16), list)?;
    }
    let positions = positions(history, &lists)?;
    for entry in history.entries() {
        let operation = &history.operations()[entry.operation.0 as usize];
        let (Key::List(key), Some(position)) = (operation.key, positions[entry.operation.0 as usize]) else {
            continue;
        };
        let list = &mut lists[usize::from(key)];
        if !entry.end {
            if position < list.floor {
                return Err(Refused { key: operation.key, why: backwards(operation, list.floor) });
            }
        } else if operation.returned().is_some() {
            list.floor = list.floor.max(position);
        }
    }
    Ok(())
}

fn index(history: &History, key: Key, list: &mut Witness) -> Result<(), Refused> {
    let Some(longest) = list.longest else {
        return Ok(());
    };
    let elements = list_of(&history.operations()[longest as usize]).unwrap_or_default();
    list.index = elements.iter().enumerate().map(|(at, &element)| (element, at as u32)).collect();
    list.index.sort_unstable();
    match list.index.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(()),
        Some(pair) => Err(Refused { key, why: format!("element {} is there twice", pair[0].0) }),
    }
}

/// The position of every operation that has one; checks everything that does not depend on time.
fn positions(history: &History, lists: &[Witness]) -> Result<Vec<Option<u64>>, Refused> {
    let mut positions = vec![None; history.operations().len()];
    let mut explained = vec![0; lists.len()];
    for (operation, position) in history.operations().iter().zip(&mut positions) {
        let Key::List(key) = operation.key else {
            continue;
        };
        let list = &lists[usize::from(key)];
        let refuse = |why: String| Err(Refused { key: operation.key, why });
        match operation.function {
            Function::Append { value } => {
                let at = list.index.binary_search_by_key(&value, |&(element, _)| element).ok();
                let at = at.map(|at| u64::from(list.index[at].1));
                match (at, &operation.ended) {
                    (Some(_), Some((_, End::Fail))) => {
                        return refuse(format!(
                            "element {value} is there though its append certainly failed"
                        ));
                    }
                    (Some(at), Some((_, End::Appended { length }))) if *length != at + 1 => {
                        return refuse(format!(
                            "the append of {value} was answered with length {length}, and it is number {} of the list",
                            at + 1
                        ));
                    }
                    (None, Some((_, End::Appended { length }))) if *length <= list.length as u64 => {
                        return refuse(format!(
                            "element {value} was acknowledged as number {length} and is not in a list of {}",
                            list.length
                        ));
                    }
                    (Some(at), _) => {
                        explained[usize::from(key)] += 1;
                        *position = Some(2 * at + 1);
                    }
                    (None, Some((_, End::Appended { .. }))) => *position = Some(2 * list.length as u64 + 1),
                    (None, _) => {}
                }
            }
            Function::Read => {
                let Some(elements) = list_of(operation) else {
                    continue;
                };
                let longest = list.longest.and_then(|read| list_of(&history.operations()[read as usize]));
                if !longest.unwrap_or_default().starts_with(elements) {
                    return refuse(format!(
                        "process {} read {} elements that are no prefix of what another read returned",
                        operation.process,
                        elements.len()
                    ));
                }
                *position = Some(2 * elements.len() as u64);
            }
            Function::Write { .. } | Function::Cas { .. } | Function::Delete => {
                return refuse("it was used as a register".into());
            }
        }
    }
    // Every append explains one element, so that as many as there are leaves no element unexplained.
    for (key, (list, explained)) in lists.iter().zip(explained).enumerate() {
        if explained != list.length {
            let key = Key::List(key as u16);
            return Err(Refused { key, why: "it holds an element that nobody appended".into() });
        }
    }
    Ok(positions)
}

fn backwards(operation: &Operation, floor: u64) -> String {
    let seen = floor.div_ceil(2);
    match operation.function {
        Function::Append { value } => {
            format!(
                "element {value} stands before element number {seen}, which was there before it was appended"
            )
        }
        _ => format!(
            "process {} read {} elements after element number {seen} had been there: it is stale, or that one was lost",
            operation.process,
            list_of(operation).map_or(0, <[u64]>::len)
        ),
    }
}
