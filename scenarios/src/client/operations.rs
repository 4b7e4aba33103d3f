//! What a client asks the store for, and what the store's replies mean.

use crate::history::{End, Function, Key, Value};
use crate::workload::Workload;
use seedfast_core::random::Random;
use seedfast_kv::integer::{Decimal, parse};
use seedfast_kv::{Command, Reply};
use std::collections::BTreeMap;

/// Whether, and how, an operation only asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// It changes something.
    No,
    /// Answered once a quorum has confirmed the leader.
    Confirmed,
    /// Answered in the log's order.
    InLog,
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// On which key.
    pub key: Key,
    /// What.
    pub function: Function,
    /// How it is asked.
    pub question: Question,
}

fn text(value: u64) -> Decimal {
    Decimal::new(value as i64)
}

/// What fills an appended element up behind its number.
const FILLER: u8 = b'.';

fn number(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.split(|byte| *byte == FILLER).next().unwrap_or_default();
    parse(digits).and_then(|number| u64::try_from(number).ok())
}

impl Operation {
    /// A read of `key`, through the log or confirmed by a quorum.
    pub fn read(key: Key, in_log: bool) -> Self {
        let question = if in_log { Question::InLog } else { Question::Confirmed };
        Operation { key, function: Function::Read, question }
    }

    fn command(key: Key, function: Function) -> Self {
        Operation { key, function, question: Question::No }
    }

    /// Appends the store's command; an appended number is followed by `padding` bytes.
    pub fn encode(&self, padding: u64, out: &mut Vec<u8>) {
        let key = self.key.to_string();
        let key = key.as_bytes();
        match (self.function, self.key) {
            (Function::Read, Key::List(_)) => Command::ListRange { key, start: 0, stop: -1 }.encode(out),
            (Function::Read, Key::Register(_)) => Command::Get { key }.encode(out),
            (Function::Write { value }, _) => Command::set(key, text(value).as_bytes()).encode(out),
            (Function::Cas { old, new }, _) => {
                Command::compare_and_set(key, text(old).as_bytes(), text(new).as_bytes()).encode(out);
            }
            (Function::Delete, _) => Command::Delete { keys: [key].as_slice().into() }.encode(out),
            (Function::Append { value }, _) => {
                let mut element = text(value).as_bytes().to_vec();
                element.resize(element.len() + padding as usize, FILLER);
                let elements = [element.as_slice()];
                Command::PushRight { key, elements: elements.as_slice().into() }.encode(out);
            }
        }
    }

    /// What a reply says about how it ended.
    ///
    /// # Errors
    /// Why the reply makes no sense, in one sentence.
    pub fn end(&self, payload: &[u8]) -> Result<End, String> {
        let nonsense =
            |reply: &str| Err(format!("{:?} of {} was answered with {reply}", self.function, self.key));
        let Ok(reply) = Reply::decode(payload) else {
            return nonsense("no reply of the store");
        };
        let end = match (self.function, self.key, &reply) {
            (Function::Read, Key::List(_), Reply::List(items)) => {
                let elements: Option<Vec<u64>> = items.iter().map(|item| item.and_then(number)).collect();
                elements.map(|elements| End::Read(Value::List(elements)))
            }
            (Function::Read, Key::Register(_), Reply::Nil) => Some(End::Read(Value::Register(None))),
            (Function::Read, Key::Register(_), Reply::Bytes(bytes)) => {
                number(bytes).map(|value| End::Read(Value::Register(Some(value))))
            }
            (Function::Write { .. }, _, Reply::Ok) => Some(End::Written),
            (Function::Cas { .. }, _, Reply::Ok) => Some(End::Swapped),
            (Function::Cas { .. }, _, Reply::NotSwapped) => Some(End::NotSwapped),
            (Function::Delete, _, Reply::Integer(count @ 0..=1)) => {
                Some(End::Deleted { existed: *count == 1 })
            }
            (Function::Append { .. }, _, Reply::Integer(length @ 1..)) => {
                Some(End::Appended { length: *length as u64 })
            }
            _ => None,
        };
        end.map_or_else(|| nonsense(&format!("{reply:?}")), Ok)
    }
}

/// Draws one client's operations.
pub struct Verbs {
    client: u64,
    workload: Workload,
    values: u64,
    /// The last value that this client saw in each register: what it expects in a compare-and-set.
    seen: BTreeMap<Key, u64>,
}

impl Verbs {
    /// The operations of `client`.
    pub fn new(client: u64, workload: Workload) -> Self {
        Verbs { client, workload, values: 0, seen: BTreeMap::new() }
    }

    /// A value that nobody else in the run writes.
    fn fresh(&mut self) -> u64 {
        self.values += 1;
        self.client * 1_000_000 + self.values
    }

    /// The next operation.
    pub fn draw(&mut self, random: &mut Random) -> Operation {
        let in_log = random.below(100) < self.workload.in_log_percent;
        if random.below(100) < self.workload.registers_of_hundred() {
            let key = Key::Register(random.below(self.workload.registers) as u16);
            let known = self.seen.get(&key).copied();
            return match (random.below(10), known) {
                (0..=3, _) => Operation::read(key, in_log),
                (4..=6, Some(old)) => Operation::command(key, Function::Cas { old, new: self.fresh() }),
                (7, _) => Operation::command(key, Function::Delete),
                _ => Operation::command(key, Function::Write { value: self.fresh() }),
            };
        }
        let key = Key::List(random.below(self.workload.lists) as u16);
        if random.below(100) < self.workload.read_percent {
            Operation::read(key, in_log)
        } else {
            Operation::command(key, Function::Append { value: self.fresh() })
        }
    }

    /// The command that liveness waits for, on a list of its own behind the workload's.
    pub fn probe(&mut self) -> Operation {
        let value = self.fresh();
        Operation::command(Key::List(self.workload.lists as u16), Function::Append { value })
    }

    /// An operation ended so.
    pub fn saw(&mut self, operation: &Operation, end: &End) {
        let value = match (end, operation.function) {
            (End::Read(Value::Register(Some(value))), _) => *value,
            (End::Written, Function::Write { value }) => value,
            (End::Swapped, Function::Cas { new, .. }) => new,
            _ => return,
        };
        self.seen.insert(operation.key, value);
    }
}

/// Every key of a workload, the probe's list with them.
pub fn keys(workload: &Workload) -> impl Iterator<Item = Key> {
    let lists = (0..=workload.lists).map(|number| Key::List(number as u16));
    lists.chain((0..workload.registers).map(|number| Key::Register(number as u16)))
}
