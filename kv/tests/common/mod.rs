//! Commands as owned values, with generators that let them meet on few keys.
#![allow(dead_code, reason = "each test file uses a part of it")]

use proptest::prelude::*;
use seedfast_core::WallTime;
use seedfast_core::machine::StateMachine;
use seedfast_kv::{Blocks, Command, Condition, Store};

pub(crate) type Bytes = Vec<u8>;

/// A command that owns its bytes.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Get(Bytes),
    Set(Bytes, Bytes, When, bool),
    Delete(Vec<Bytes>),
    Exists(Vec<Bytes>),
    IncrementBy(Bytes, i64),
    Append(Bytes, Bytes),
    StringLength(Bytes),
    PushRight(Bytes, Vec<Bytes>),
    ListRange(Bytes, i64, i64),
    ListLength(Bytes),
    MultiGet(Vec<Bytes>),
    MultiSet(Vec<(Bytes, Bytes)>),
    Count,
}

#[derive(Clone, Debug)]
pub(crate) enum When {
    Always,
    IfAbsent,
    IfPresent,
    IfEqual(Bytes),
}

impl Op {
    /// Hands the borrowed command to `with`.
    pub(crate) fn with<R>(&self, with: impl FnOnce(&Command<'_>) -> R) -> R {
        let row = |all: &'_ [Bytes]| -> Vec<Bytes> { all.to_vec() };
        let several: Vec<Bytes> = match self {
            Op::Delete(keys) | Op::Exists(keys) | Op::MultiGet(keys) => row(keys),
            Op::PushRight(_, elements) => row(elements),
            Op::MultiSet(pairs) => {
                pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect()
            }
            _ => Vec::new(),
        };
        let slices: Vec<&[u8]> = several.iter().map(Vec::as_slice).collect();
        let blocks = Blocks::from(&slices[..]);
        let command = match self {
            Op::Get(key) => Command::Get { key },
            Op::Set(key, value, when, return_old) => {
                let condition = match when {
                    When::Always => Condition::Always,
                    When::IfAbsent => Condition::IfAbsent,
                    When::IfPresent => Condition::IfPresent,
                    When::IfEqual(old) => Condition::IfEqual(old),
                };
                Command::Set { key, value, condition, return_old: *return_old }
            }
            Op::Delete(_) => Command::Delete { keys: blocks },
            Op::Exists(_) => Command::Exists { keys: blocks },
            Op::IncrementBy(key, by) => Command::IncrementBy { key, by: *by },
            Op::Append(key, suffix) => Command::Append { key, suffix },
            Op::StringLength(key) => Command::StringLength { key },
            Op::PushRight(key, _) => Command::PushRight { key, elements: blocks },
            Op::ListRange(key, start, stop) => Command::ListRange { key, start: *start, stop: *stop },
            Op::ListLength(key) => Command::ListLength { key },
            Op::MultiGet(_) => Command::MultiGet { keys: blocks },
            Op::MultiSet(_) => Command::MultiSet { pairs: blocks },
            Op::Count => Command::Count,
        };
        with(&command)
    }

    pub(crate) fn encoded(&self) -> Bytes {
        let mut bytes = Vec::new();
        self.with(|command| command.encode(&mut bytes));
        bytes
    }
}

/// Applies an encoded command and returns the encoded reply.
pub(crate) fn apply(store: &mut Store, command: &[u8]) -> Bytes {
    let mut reply = Vec::new();
    store.apply(WallTime(0), command, &mut reply);
    reply
}

pub(crate) fn snapshot(store: &Store) -> Bytes {
    let mut bytes = Vec::new();
    // Of a copy, so that a freeze under way goes on.
    store.clone().snapshot(&mut bytes);
    bytes
}

/// One of few keys, so that commands meet.
pub(crate) fn key() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        8 => (b'a'..=b'd').prop_map(|letter| vec![letter]),
        1 => Just(Vec::new()),
        1 => proptest::collection::vec(any::<u8>(), 0..10),
    ]
}

/// Numbers, edges of numbers, short strings, and now and then one that fills blocks of the hash.
pub(crate) fn value() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => (-3i64..4).prop_map(|number| number.to_string().into_bytes()),
        1 => prop_oneof![Just(i64::MAX), Just(i64::MIN)].prop_map(|number| number.to_string().into_bytes()),
        1 => Just(b"01".to_vec()),
        3 => proptest::collection::vec(any::<u8>(), 0..6),
        1 => (any::<u8>(), 1000usize..2100).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

fn index() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -5i64..6, 1 => Just(i64::MAX), 1 => Just(i64::MIN)]
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let keys = || proptest::collection::vec(key(), 1..4);
    let when = prop_oneof![
        2 => Just(When::Always),
        1 => Just(When::IfAbsent),
        1 => Just(When::IfPresent),
        2 => value().prop_map(When::IfEqual),
    ];
    let by = prop_oneof![6 => -3i64..4, 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
    prop_oneof![
        2 => key().prop_map(Op::Get),
        4 => (key(), value(), when, any::<bool>()).prop_map(|(k, v, w, old)| Op::Set(k, v, w, old)),
        2 => keys().prop_map(Op::Delete),
        1 => keys().prop_map(Op::Exists),
        3 => (key(), by).prop_map(|(k, by)| Op::IncrementBy(k, by)),
        3 => (key(), value()).prop_map(|(k, v)| Op::Append(k, v)),
        1 => key().prop_map(Op::StringLength),
        4 => (key(), proptest::collection::vec(value(), 1..4)).prop_map(|(k, e)| Op::PushRight(k, e)),
        2 => (key(), index(), index()).prop_map(|(k, start, stop)| Op::ListRange(k, start, stop)),
        1 => key().prop_map(Op::ListLength),
        1 => keys().prop_map(Op::MultiGet),
        2 => proptest::collection::vec((key(), value()), 1..4).prop_map(Op::MultiSet),
        1 => Just(Op::Count),
    ]
}

pub(crate) fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    proptest::collection::vec(op(), 0..most)
}
