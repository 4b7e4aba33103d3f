//! The two sequential objects of the workload, for the general checker, and how a history's operations become calls.

use super::general::{Model, Timed};
use crate::history::{End, Function, History, Key, Operation, Value};

/// A call of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListCall {
    /// Append; the length that it was answered with, if it was answered.
    Append {
        /// The element.
        value: u64,
        /// The list's length with it.
        length: Option<u64>,
    },
    /// A read that returned these elements.
    Read(Vec<u64>),
}

/// A list that only grows.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// A read that the search can look ahead to: a state that contradicts it leads nowhere. Empty for a search that
    /// shares nothing with the fast judge.
    pub ahead: Vec<u64>,
}

impl Model for List {
    type State = Vec<u64>;
    type Call = ListCall;

    fn initial(&self) -> Vec<u64> {
        Vec::new()
    }

    fn step(&self, state: &Vec<u64>, call: &ListCall) -> Option<Vec<u64>> {
        match call {
            ListCall::Append { value, length } => {
                if length.is_some_and(|length| length != state.len() as u64 + 1)
                    || self.ahead.get(state.len()).is_some_and(|next| next != value)
                {
                    return None;
                }
                let mut after = Vec::with_capacity(state.len() + 1);
                after.extend_from_slice(state);
                after.push(*value);
                Some(after)
            }
            ListCall::Read(elements) => (elements == state).then(|| state.clone()),
        }
    }
}

/// A call of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterCall {
    /// A read that returned this.
    Read(Option<u64>),
    /// A write.
    Write(u64),
    /// Compare and set; whether it swapped, if that is known.
    Cas {
        /// What must be there.
        old: u64,
        /// What is put there.
        new: u64,
        /// Whether it was.
        swapped: Option<bool>,
    },
    /// A deletion; whether there was something, if that is known.
    Delete {
        /// Whether there was.
        existed: Option<bool>,
    },
}

/// A register, empty at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Register;

impl Model for Register {
    type State = Option<u64>;
    type Call = RegisterCall;

    fn initial(&self) -> Option<u64> {
        None
    }

    fn step(&self, state: &Option<u64>, call: &RegisterCall) -> Option<Option<u64>> {
        match *call {
            RegisterCall::Read(value) => (value == *state).then_some(*state),
            RegisterCall::Write(value) => Some(Some(value)),
            RegisterCall::Cas { old, new, swapped } => {
                let swaps = *state == Some(old);
                let right = swapped.is_none_or(|swapped| swapped == swaps);
                right.then_some(if swaps { Some(new) } else { *state })
            }
            RegisterCall::Delete { existed } => {
                existed.is_none_or(|existed| existed == state.is_some()).then_some(None)
            }
        }
    }
}

fn known(operation: &Operation) -> Option<&End> {
    operation.ended.as_ref().map(|(_, end)| end).filter(|end| **end != End::Info)
}

fn timed<C>(
    history: &History,
    key: Key,
    call: impl Fn(&Operation, Option<&End>) -> Option<C>,
) -> Vec<Timed<C>> {
    let of_key = history.operations().iter().filter(|operation| operation.key == key);
    let happened = of_key.filter(|operation| known(operation) != Some(&End::Fail));
    happened
        .filter_map(|operation| {
            let call = call(operation, known(operation))?;
            Some(Timed { invoked: operation.invoked, returned: operation.returned(), call })
        })
        .collect()
}

/// The calls of a list; a read without an answer says nothing and is left out, as is what certainly failed.
pub fn list_calls(history: &History, key: Key) -> Vec<Timed<ListCall>> {
    timed(history, key, |operation, end| match (operation.function, end) {
        (Function::Append { value }, Some(End::Appended { length })) => {
            Some(ListCall::Append { value, length: Some(*length) })
        }
        (Function::Append { value }, _) => Some(ListCall::Append { value, length: None }),
        (_, Some(End::Read(Value::List(elements)))) => Some(ListCall::Read(elements.clone())),
        _ => None,
    })
}

/// The calls of a register, under the same rules.
pub fn register_calls(history: &History, key: Key) -> Vec<Timed<RegisterCall>> {
    timed(history, key, |operation, end| match (operation.function, end) {
        (Function::Read, Some(End::Read(Value::Register(value)))) => Some(RegisterCall::Read(*value)),
        (Function::Write { value }, _) => Some(RegisterCall::Write(value)),
        (Function::Cas { old, new }, end) => {
            Some(RegisterCall::Cas { old, new, swapped: end.map(|end| *end == End::Swapped) })
        }
        (Function::Delete, end) => Some(RegisterCall::Delete {
            existed: match end {
                Some(End::Deleted { existed }) => Some(*existed),
                _ => None,
            },
        }),
        _ => None,
    })
}
