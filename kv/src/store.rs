//! The state machine: what every command does to the map.
//!
//! A command either does all that it says or, answering with an [`Error`], nothing at all: everything that can refuse
//! it is asked before the first change. Decoding borrows, replies are written where they leave from, and a string that
//! is replaced keeps its allocation, so a command allocates for what it stores and nothing else.

use crate::blocks::Blocks;
use crate::command::{Command, Condition};
use crate::integer::{self, Decimal};
use crate::limits::Limits;
use crate::reply::{self, Error, Reply};
use crate::restore::Restoring;
use crate::snapshot;
use crate::table::{Table, hash_of};
use crate::value::{self, List, Text, Value};
use alloc::boxed::Box;
use alloc::vec::Vec;
use seedfast_core::WallTime;
use seedfast_core::codec::Malformed;
use seedfast_core::machine::{Chunk, StateMachine};

/// The whole state of the key-value service.
#[derive(Clone, Debug, Default)]
pub struct Store {
    table: Table,
    limits: Limits,
    /// The state that is coming in, if one is.
    restoring: Option<Box<Restoring>>,
}

impl Store {
    /// An empty store with the default [`Limits`].
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store with limits of its own, which must be those of every other replica.
    pub fn with_limits(limits: Limits) -> Self {
        Store { limits: limits.under_the_ceiling(), ..Self::default() }
    }

    /// How many keys hold something.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no key holds anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys and values in bytes, as [`Limits::total`] measures them.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Whether the digest, which follows every change step by step, is the one that the content has: for tests and
    /// for an operator who suspects the memory. It reads every byte.
    pub fn audit(&self) -> bool {
        self.table.audit()
    }

    /// Carries out a decoded command and appends the reply.
    pub fn execute(&mut self, command: &Command<'_>, reply: &mut Vec<u8>) {
        let result = match *command {
            Command::Set { key, value, condition, return_old } => {
                self.set(key, value, condition, return_old, reply)
            }
            Command::Delete { keys } => {
                let removed = keys.iter().filter(|key| self.table.remove(key)).count();
                integer(removed, reply)
            }
            Command::IncrementBy { key, by } => self.increment(key, by, reply),
            Command::Append { key, suffix } => self.append(key, suffix, reply),
            Command::PushRight { key, elements } => self.push(key, elements, reply),
            Command::MultiSet { pairs } => self.set_all(pairs, reply),
            ref question => return self.answer(question, reply),
        };
        if let Err(error) = result {
            Reply::Error(error).encode(reply);
        }
    }

    /// Answers a decoded question and appends the reply.
    pub fn answer(&self, question: &Command<'_>, reply: &mut Vec<u8>) {
        let result = match *question {
            Command::Get { key } => self.text(key).map(|text| match text {
                Some(text) => Reply::Bytes(text).encode(reply),
                None => Reply::Nil.encode(reply),
            }),
            Command::Exists { keys } => {
                integer(keys.iter().filter(|key| self.table.get(key).is_some()).count(), reply)
            }
            Command::StringLength { key } => {
                self.text(key).and_then(|text| integer(text.map_or(0, <[u8]>::len), reply))
            }
            Command::ListLength { key } => {
                self.list(key).and_then(|list| integer(list.map_or(0, List::len), reply))
            }
            Command::ListRange { key, start, stop } => self.range(key, start, stop, reply),
            Command::MultiGet { keys } => self.get_all(keys, reply),
            Command::Count => integer(self.table.len(), reply),
            _ => Err(Error::NotAQuestion),
        };
        if let Err(error) = result {
            Reply::Error(error).encode(reply);
        }
    }

    fn text(&self, key: &[u8]) -> Result<Option<&[u8]>, Error> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_bytes())),
            Some(Value::List(_)) => Err(Error::WrongType),
        }
    }

    fn list(&self, key: &[u8]) -> Result<Option<&List>, Error> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::List(list)) => Ok(Some(list)),
            Some(Value::String(_)) => Err(Error::WrongType),
        }
    }

    fn set(
        &mut self,
        key: &[u8],
        bytes: &[u8],
        condition: Condition<'_>,
        return_old: bool,
        reply: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let limits = self.limits;
        fits(key.len(), limits.key)?;
        fits(bytes.len(), limits.value)?;
        let (hash, used) = (hash_of(key), self.table.bytes());
        let found = self.table.find(hash, key);
        let old = match found.as_ref().map(|found| found.value()) {
            None => None,
            Some(Value::String(text)) => Some(text.as_bytes()),
            // Only a set that looks at the old value minds its type.
            Some(Value::List(_)) if return_old || matches!(condition, Condition::IfEqual(_)) => {
                return Err(Error::WrongType);
            }
            Some(Value::List(_)) => None,
        };
        let holds = match condition {
            Condition::Always => true,
            Condition::IfAbsent => found.is_none(),
            Condition::IfPresent => found.is_some(),
            Condition::IfEqual(expected) => old == Some(expected),
        };
        if holds {
            let added = if found.is_some() { bytes.len() } else { key.len() + bytes.len() };
            let gone = found.as_ref().map_or(0, |found| found.value().size());
            room(used - gone + added, limits.total)?;
        }
        match (return_old, old, holds) {
            (true, Some(old), _) => Reply::Bytes(old).encode(reply),
            (true, None, _) => Reply::Nil.encode(reply),
            (false, _, true) => Reply::Ok.encode(reply),
            (false, _, false) => Reply::NotSwapped.encode(reply),
        }
        if holds {
            match found {
                Some(mut found) => found.put(bytes),
                None => self.table.insert(hash, key, Value::String(Text::new(bytes))),
            }
        }
        Ok(())
    }

    fn increment(&mut self, key: &[u8], by: i64, reply: &mut Vec<u8>) -> Result<(), Error> {
        fits(key.len(), self.limits.key)?;
        let (hash, used) = (hash_of(key), self.table.bytes());
        let sum = match self.table.find(hash, key) {
            None => {
                let decimal = Decimal::new(by);
                room(used + key.len() + decimal.as_bytes().len(), self.limits.total)?;
                self.table.insert(hash, key, Value::String(Text::new(decimal.as_bytes())));
                by
            }
            Some(mut found) => {
                let Value::String(text) = found.value() else { return Err(Error::WrongType) };
                let old = integer::parse(text.as_bytes()).ok_or(Error::NotAnInteger)?;
                let sum = old.checked_add(by).ok_or(Error::Overflow)?;
                let decimal = Decimal::new(sum);
                let grown = used - text.as_bytes().len() + decimal.as_bytes().len();
                room(grown, self.limits.total)?;
                found.put(decimal.as_bytes());
                sum
            }
        };
        Reply::Integer(sum).encode(reply);
        Ok(())
    }

    fn append(&mut self, key: &[u8], suffix: &[u8], reply: &mut Vec<u8>) -> Result<(), Error> {
        fits(key.len(), self.limits.key)?;
        let (hash, used) = (hash_of(key), self.table.bytes());
        let length = match self.table.find(hash, key) {
            None => {
                fits(suffix.len(), self.limits.value)?;
                room(used + key.len() + suffix.len(), self.limits.total)?;
                self.table.insert(hash, key, Value::String(Text::new(suffix)));
                suffix.len()
            }
            Some(mut found) => {
                let Value::String(text) = found.value() else { return Err(Error::WrongType) };
                let length = text.as_bytes().len() + suffix.len();
                fits(length, self.limits.value)?;
                room(used + suffix.len(), self.limits.total)?;
                found.change(|value| {
                    if let Value::String(text) = value {
                        text.append(suffix);
                    }
                });
                length
            }
        };
        integer(length, reply)
    }

    fn push(&mut self, key: &[u8], elements: Blocks<'_>, reply: &mut Vec<u8>) -> Result<(), Error> {
        let limits = self.limits;
        fits(key.len(), limits.key)?;
        let mut grown = 0;
        for element in &elements {
            fits(element.len(), limits.value)?;
            grown += element.len() + 4;
        }
        let (hash, used) = (hash_of(key), self.table.bytes());
        let length = match self.table.find(hash, key) {
            // A push of nothing leaves nothing: a store keeps no empty list. It cannot be encoded, only executed.
            None if elements.is_empty() => 0,
            None => {
                fits(grown, limits.list)?;
                room(used + key.len() + grown, limits.total)?;
                let mut list = List::new();
                elements.iter().for_each(|element| list.push(element));
                self.table.insert(hash, key, Value::List(Box::new(list)));
                elements.len()
            }
            Some(mut found) => {
                let Value::List(list) = found.value() else { return Err(Error::WrongType) };
                fits(list.size() + grown, limits.list)?;
                room(used + grown, limits.total)?;
                found.change(|value| match value {
                    Value::List(list) => {
                        elements.iter().for_each(|element| list.push(element));
                        list.len()
                    }
                    Value::String(_) => 0,
                })
            }
        };
        integer(length, reply)
    }

    fn set_all(&mut self, pairs: Blocks<'_>, reply: &mut Vec<u8>) -> Result<(), Error> {
        // As if every key were new: one that is not, or that stands there twice, needs less.
        let mut grown = 0;
        for (key, value) in pairs.pairs() {
            fits(key.len(), self.limits.key)?;
            fits(value.len(), self.limits.value)?;
            grown += key.len() + value.len();
        }
        room(self.table.bytes() + grown, self.limits.total)?;
        for (key, value) in pairs.pairs() {
            self.table.put(key, value);
        }
        Reply::Ok.encode(reply);
        Ok(())
    }

    fn range(&self, key: &[u8], start: i64, stop: i64, reply: &mut Vec<u8>) -> Result<(), Error> {
        let Some(list) = self.list(key)? else {
            reply::encode_list(reply, 0, core::iter::empty());
            return Ok(());
        };
        let indexes = value::indexes(list.len(), start, stop);
        fits(ITEM * indexes.len() + list.range_size(indexes.clone()), self.limits.reply)?;
        reply::encode_list(reply, indexes.len(), list.range(indexes).map(Some));
        Ok(())
    }

    fn get_all(&self, keys: Blocks<'_>, reply: &mut Vec<u8>) -> Result<(), Error> {
        let text = |key| self.text(key).ok().flatten();
        // One value can be named many times: a small question must not have a huge answer.
        let mut size = 0;
        for key in &keys {
            size += ITEM + text(key).map_or(0, <[u8]>::len);
            fits(size, self.limits.reply)?;
        }
        reply::encode_list(reply, keys.len(), keys.iter().map(text));
        Ok(())
    }
}

/// What an item of a list reply has beside its bytes.
const ITEM: usize = 5;

#[inline]
fn fits(size: usize, limit: usize) -> Result<(), Error> {
    if size <= limit { Ok(()) } else { Err(Error::TooLarge) }
}

#[inline]
fn room(size: usize, limit: usize) -> Result<(), Error> {
    if size <= limit { Ok(()) } else { Err(Error::Full) }
}

#[inline]
fn integer(count: usize, reply: &mut Vec<u8>) -> Result<(), Error> {
    Reply::Integer(count as i64).encode(reply);
    Ok(())
}

impl StateMachine for Store {
    fn apply(&mut self, _time: WallTime, command: &[u8], reply: &mut Vec<u8>) {
        match Command::decode(command) {
            Ok(command) => self.execute(&command, reply),
            Err(Malformed) => Reply::Error(Error::Malformed).encode(reply),
        }
    }

    fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        match Command::decode(query) {
            Ok(question) => self.answer(&question, reply),
            Err(Malformed) => Reply::Error(Error::Malformed).encode(reply),
        }
    }

    fn digest(&self) -> u64 {
        self.table.digest()
    }

    fn freeze(&mut self) {
        snapshot::freeze(&mut self.table);
    }

    fn chunk(&mut self, most: usize, bytes: &mut Vec<u8>) -> Chunk {
        snapshot::chunk(&mut self.table, most, bytes)
    }

    fn thaw(&mut self) {
        self.table.frozen = None;
    }

    fn restore_begin(&mut self) {
        self.restoring = Some(Box::default());
    }

    fn restore_chunk(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let taken = self.restoring.as_mut().ok_or(Malformed)?.take(bytes, &self.limits);
        if taken.is_err() {
            self.restoring = None;
        }
        taken
    }

    fn restore_check(&self) -> Result<(), Malformed> {
        self.restoring.as_ref().ok_or(Malformed)?.check()
    }

    fn restore_end(&mut self) -> Result<(), Malformed> {
        self.table = self.restoring.take().ok_or(Malformed)?.end()?;
        Ok(())
    }
}
