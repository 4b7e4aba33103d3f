//! I14, linearizability: what clients saw could have come from one copy that did one thing at a time, each between its
//! invocation and its end. Reads of every kind are judged with the rest, which is I16.
//!
//! Append lists, the bulk of the workload, are judged on every seed in one pass ([`appends`]). Registers, and lists on
//! a sample and on every refusal, go through the general search ([`general`]). Keys are judged one by one:
//! linearizability is local (Herlihy and Wing, "Linearizability", 1990, section 3.3).
//!
//! `todc-utils` serves as a second opinion in the tests and not here: its search has no budget, so that it could hang
//! where this one answers "undecided", and it has no operation in doubt that may never happen.

pub mod appends;
pub mod general;
pub mod models;
#[cfg(test)]
mod tests;

use crate::history::{History, Key};
use general::{Finding, check};
use models::{List, ListCall, Register, list_calls, register_calls};
use seedfast_sim::Violation;
use std::collections::BTreeSet;

/// How many steps a search may take. One of these workloads takes some hundred.
const BUDGET: u64 = 1 << 20;

fn broken(invariant: &str, what: String) -> Result<(), Violation> {
    Err(Violation { invariant: invariant.into(), what })
}

/// Judges a history, key by key. The lists for which `sampled` says so are judged by both judges.
///
/// # Errors
/// I14 if a key is not linearizable; `undecided` if the search ran out of budget, which is never a pass; `judges` if
/// the two judges of one list disagree, which is a bug of theirs.
pub fn judge(history: &History, sampled: impl Fn(Key) -> bool) -> Result<(), Violation> {
    let refused = appends::judge(history).err();
    if let Some(appends::Refused { key, why }) = &refused {
        return match search_list(history, *key) {
            Finding::NotLinearizable => broken("I14", format!("{key} is not linearizable: {why}")),
            Finding::Undecided => broken("I14", format!("{key} is not linearizable (unconfirmed): {why}")),
            Finding::Linearizable => broken(
                "judges",
                format!("{key} is linearizable for the general judge, and for the fast one: {why}"),
            ),
        };
    }
    let keys: BTreeSet<Key> = history.operations().iter().map(|operation| operation.key).collect();
    for key in keys {
        let finding = match key {
            Key::Register(_) => check(&Register, &register_calls(history, key), BUDGET),
            Key::List(_) if sampled(key) => search_list(history, key),
            Key::List(_) => continue,
        };
        match (finding, key) {
            (Finding::Linearizable, _) => {}
            (Finding::NotLinearizable, Key::Register(_)) => {
                return broken(
                    "I14",
                    format!("{key} is not linearizable: no order of its operations is legal"),
                );
            }
            (Finding::NotLinearizable, Key::List(_)) => {
                return broken(
                    "judges",
                    format!("{key} is linearizable for the fast judge, not for the general one"),
                );
            }
            (Finding::Undecided, _) => {
                return broken(
                    "undecided",
                    format!("nobody knows whether {key} is linearizable: the search took too long"),
                );
            }
        }
    }
    Ok(())
}

/// Searches with a look ahead at the longest read. An append in doubt that no read saw may be taken never to have
/// happened, unless an acknowledged one was not seen either: then nobody read last, and its length may count it. Left
/// in, they could stand behind the last read in every order, and a search tries them all.
fn search_list(history: &History, key: Key) -> Finding {
    let mut calls = list_calls(history, key);
    let reads = calls.iter().filter_map(|timed| match &timed.call {
        ListCall::Read(elements) => Some(elements),
        ListCall::Append { .. } => None,
    });
    let ahead = reads.max_by_key(|elements| elements.len()).cloned().unwrap_or_default();
    let seen: BTreeSet<u64> = ahead.iter().copied().collect();
    let unseen = |call: &ListCall| matches!(call, ListCall::Append { value, .. } if !seen.contains(value));
    if !calls.iter().any(|timed| timed.returned.is_some() && unseen(&timed.call)) {
        calls.retain(|timed| !unseen(&timed.call));
    }
    check(&List { ahead }, &calls, BUDGET)
}
