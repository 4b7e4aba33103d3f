//! The store answers like a naive model of Redis, command after command.

mod common;

use common::{Bytes, Op, When, apply, op, ops};
use proptest::prelude::*;
use seedfast_core::machine::StateMachine;
use seedfast_kv::{Error, Limits, Reply, Store};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
enum Held {
    Text(Bytes),
    List(Vec<Bytes>),
}

/// An answer that owns its bytes.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Nil,
    Ok,
    Integer(i64),
    Bytes(Bytes),
    List(Vec<Option<Bytes>>),
    NotSwapped,
    Error(Error),
}

#[derive(Clone, Debug, Default)]
struct Model(BTreeMap<Bytes, Held>);

impl Model {
    fn text(&self, key: &Bytes) -> Result<Option<Bytes>, Answer> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Held::Text(text)) => Ok(Some(text.clone())),
            Some(Held::List(_)) => Err(Answer::Error(Error::WrongType)),
        }
    }

    fn list(&self, key: &Bytes) -> Result<Vec<Bytes>, Answer> {
        match self.0.get(key) {
            None => Ok(Vec::new()),
            Some(Held::List(list)) => Ok(list.clone()),
            Some(Held::Text(_)) => Err(Answer::Error(Error::WrongType)),
        }
    }

    fn run(&mut self, op: &Op) -> Answer {
        self.try_run(op).unwrap_or_else(|error| error)
    }

    fn try_run(&mut self, op: &Op) -> Result<Answer, Answer> {
        let count = |number: usize| Ok(Answer::Integer(number as i64));
        let bytes = |text: Option<Bytes>| text.map_or(Answer::Nil, Answer::Bytes);
        match op.clone() {
            Op::Get(key) => Ok(bytes(self.text(&key)?)),
            Op::Set(key, value, when, return_old) => {
                let there = self.0.contains_key(&key);
                let holds = match when {
                    When::Always => true,
                    When::IfAbsent => !there,
                    When::IfPresent => there,
                    When::IfEqual(old) => self.text(&key)? == Some(old),
                };
                let old = if return_old { Some(self.text(&key)?) } else { None };
                if holds {
                    self.0.insert(key, Held::Text(value));
                }
                Ok(match (old, holds) {
                    (Some(old), _) => bytes(old),
                    (None, true) => Answer::Ok,
                    (None, false) => Answer::NotSwapped,
                })
            }
            Op::Delete(keys) => count(keys.iter().filter(|key| self.0.remove(*key).is_some()).count()),
            Op::Exists(keys) => count(keys.iter().filter(|key| self.0.contains_key(*key)).count()),
            Op::IncrementBy(key, by) => {
                let text = self.text(&key)?.unwrap_or_else(|| b"0".to_vec());
                let wrong = Answer::Error(Error::NotAnInteger);
                let number: i64 = String::from_utf8(text.clone())
                    .ok()
                    .and_then(|text| text.parse().ok())
                    .ok_or(wrong.clone())?;
                if number.to_string().into_bytes() != text {
                    return Err(wrong);
                }
                let sum = number.checked_add(by).ok_or(Answer::Error(Error::Overflow))?;
                self.0.insert(key, Held::Text(sum.to_string().into_bytes()));
                Ok(Answer::Integer(sum))
            }
            Op::Append(key, suffix) => {
                let text = [self.text(&key)?.unwrap_or_default(), suffix].concat();
                let length = text.len();
                self.0.insert(key, Held::Text(text));
                count(length)
            }
            Op::StringLength(key) => count(self.text(&key)?.unwrap_or_default().len()),
            Op::PushRight(key, elements) => {
                let list = [self.list(&key)?, elements].concat();
                let length = list.len();
                self.0.insert(key, Held::List(list));
                count(length)
            }
            Op::ListRange(key, start, stop) => {
                let list = self.list(&key)?;
                let length = list.len() as i128;
                let absolute = |index: i64| i128::from(index) + if index < 0 { length } else { 0 };
                let within =
                    |index: &(usize, Bytes)| (absolute(start)..=absolute(stop)).contains(&(index.0 as i128));
                let chosen = list.into_iter().enumerate().filter(within);
                Ok(Answer::List(chosen.map(|(_, element)| Some(element)).collect()))
            }
            Op::ListLength(key) => count(self.list(&key)?.len()),
            Op::MultiGet(keys) => {
                Ok(Answer::List(keys.iter().map(|key| self.text(key).ok().flatten()).collect()))
            }
            Op::MultiSet(pairs) => {
                self.0.extend(pairs.into_iter().map(|(key, value)| (key, Held::Text(value))));
                Ok(Answer::Ok)
            }
            Op::Count => count(self.0.len()),
        }
    }
}

fn answer(reply: &[u8]) -> Answer {
    match Reply::decode(reply).expect("a reply of ours") {
        Reply::Nil => Answer::Nil,
        Reply::Ok => Answer::Ok,
        Reply::Integer(number) => Answer::Integer(number),
        Reply::Bytes(bytes) => Answer::Bytes(bytes.to_vec()),
        Reply::List(items) => Answer::List(items.into_iter().map(|item| item.map(<[u8]>::to_vec)).collect()),
        Reply::NotSwapped => Answer::NotSwapped,
        Reply::Error(error) => Answer::Error(error),
    }
}

proptest! {
    #[test]
    fn every_answer_is_the_models(ops in ops(60)) {
        let (mut store, mut model) = (Store::new(), Model::default());
        for op in &ops {
            let digest = store.digest();
            let expected = model.run(op);
            let got = answer(&apply(&mut store, &op.encoded()));
            prop_assert_eq!(&got, &expected, "{:?}", op);
            if matches!(expected, Answer::Error(_) | Answer::NotSwapped) {
                prop_assert_eq!(store.digest(), digest, "a refused command changes nothing: {:?}", op);
            }
            prop_assert_eq!(store.len(), model.0.len());
        }
    }

    #[test]
    fn a_question_asked_outside_the_log_has_the_same_answer_and_a_command_is_refused(
        ops in ops(20), last in op()
    ) {
        let mut store = Store::new();
        ops.iter().for_each(|op| { apply(&mut store, &op.encoded()); });
        let (digest, mut asked) = (store.digest(), Vec::new());
        store.query(&last.encoded(), &mut asked);
        prop_assert_eq!(store.digest(), digest);
        if last.with(|command| command.is_question()) {
            prop_assert_eq!(asked, apply(&mut store, &last.encoded()));
        } else {
            prop_assert_eq!(answer(&asked), Answer::Error(Error::NotAQuestion));
        }
    }

    #[test]
    fn whatever_the_limits_a_store_stays_within_them(
        ops in ops(60), value in 0usize..2100, list in 0usize..100, total in 0usize..5000
    ) {
        let limits = Limits { key: 4, value, list, reply: 50, total };
        let (mut store, mut model) = (Store::with_limits(limits), Model::default());
        for op in &ops {
            let digest = store.digest();
            let reply = apply(&mut store, &op.encoded());
            prop_assert!(store.bytes() <= total);
            match answer(&reply) {
                Answer::Error(Error::TooLarge | Error::Full) => prop_assert_eq!(store.digest(), digest),
                got => prop_assert_eq!(got, model.run(op), "{:?}", op),
            }
        }
        prop_assert!(store.audit());
    }
}

/// Each story is one line a reader of the Redis manual could have typed.
#[test]
fn the_edges_of_redis() {
    let mut store = Store::new();
    let mut run = |op: Op| answer(&apply(&mut store, &op.encoded()));
    let b = |text: &str| text.as_bytes().to_vec();

    assert_eq!(run(Op::IncrementBy(b("n"), i64::MAX)), Answer::Integer(i64::MAX));
    assert_eq!(run(Op::IncrementBy(b("n"), 1)), Answer::Error(Error::Overflow));
    assert_eq!(run(Op::Get(b("n"))), Answer::Bytes(b("9223372036854775807")));
    assert_eq!(run(Op::Append(b("n"), b("0"))), Answer::Integer(20));
    assert_eq!(run(Op::IncrementBy(b("n"), 0)), Answer::Error(Error::NotAnInteger));

    assert_eq!(run(Op::PushRight(b("l"), vec![b("x"), b("y"), b("z")])), Answer::Integer(3));
    assert_eq!(run(Op::ListRange(b("l"), -2, -1)), Answer::List(vec![Some(b("y")), Some(b("z"))]));
    assert_eq!(run(Op::Get(b("l"))), Answer::Error(Error::WrongType));
    assert_eq!(run(Op::Append(b("l"), b("x"))), Answer::Error(Error::WrongType));
    assert_eq!(run(Op::Set(b("l"), b("v"), When::Always, true)), Answer::Error(Error::WrongType));
    assert_eq!(run(Op::Set(b("l"), b("v"), When::IfAbsent, false)), Answer::NotSwapped);
    assert_eq!(
        run(Op::MultiGet(vec![b("l"), b("no"), b("n")])),
        Answer::List(vec![None, None, Some(b("92233720368547758070"))])
    );
    assert_eq!(run(Op::Set(b("l"), b("v"), When::Always, false)), Answer::Ok, "a plain set replaces a list");
    assert_eq!(run(Op::PushRight(b("l"), vec![b("x")])), Answer::Error(Error::WrongType));

    assert_eq!(run(Op::Set(b("l"), b("w"), When::IfEqual(b("u")), true)), Answer::Bytes(b("v")));
    assert_eq!(run(Op::Set(b("l"), b("w"), When::IfEqual(b("v")), false)), Answer::Ok);
    assert_eq!(run(Op::Set(b("no"), b("w"), When::IfEqual(b("")), false)), Answer::NotSwapped);
    assert_eq!(run(Op::Delete(vec![b("l"), b("l"), b("no")])), Answer::Integer(1));
    assert_eq!(run(Op::Exists(vec![b("n"), b("n"), b("l")])), Answer::Integer(2));
    assert_eq!(
        run(Op::MultiSet(vec![(b("k"), b("1")), (b("k"), b("2"))])),
        Answer::Ok,
        "of a key named twice the last one stands"
    );
    assert_eq!(run(Op::Get(b("k"))), Answer::Bytes(b("2")));
}
