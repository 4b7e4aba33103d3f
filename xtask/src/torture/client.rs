//! A client: a thread that asks one thing at a time, in its dialect, and writes into the ledger what it asked and heard.

use super::cluster::Place;
use super::ledger::Ledger;
use super::native::Native;
use super::resp::Resp;
use seedfast_core::random::Random;
use seedfast_kv::{Reply, reply};
use seedfast_scenarios::client::operations::{Operation, Question};
use seedfast_scenarios::history::{End, Function, Key, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// So many operations for each register of a generation are on the same few keys. Then these are left alone: a list stays
/// short enough to be read often, and a register has few enough operations in doubt for a search.
const GENERATION: u64 = 200;
const LISTS: u64 = 3;
/// So many clients share a register: what many do at once, a search tries in every order.
const SHARE: u64 = 6;
/// The longest pause between two operations.
const THINK_MICROS: u64 = 8_000;
/// How long an operation may take before it is given up, at least and at most.
const PATIENCE_MILLIS: (u64, u64) = (400, 6_000);

/// What all clients share.
pub(crate) struct Shared {
    /// Where everything is written.
    pub(crate) ledger: Ledger,
    /// The replicas.
    pub(crate) places: Vec<Place>,
    /// Set when clients are to finish.
    pub(crate) stop: AtomicBool,
    /// Set by a client that has no key left to ask for.
    pub(crate) spent: AtomicBool,
    begun: AtomicU64,
}

impl Shared {
    /// For clients of these replicas.
    pub(crate) fn new(places: Vec<Place>) -> Arc<Self> {
        let (stop, spent, begun) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
        Arc::new(Shared { ledger: Ledger::new(), places, stop, spent, begun })
    }
}

/// What became of one operation.
pub(crate) enum Outcome {
    /// The store's reply, encoded.
    Reply(Vec<u8>),
    /// It was certainly not carried out, and never will be.
    Refused,
    /// Nobody knows.
    Doubt,
    /// An answer that makes no sense.
    Nonsense(String),
}

/// A dialect and its connection.
enum Dialect {
    Native(Native),
    Resp(Resp),
}

/// One client.
pub(crate) struct Client {
    number: u64,
    clients: u64,
    random: Random,
    dialect: Dialect,
    values: u64,
    doubts: u64,
    /// What it last saw in each register of this generation: what it expects in a compare-and-set.
    seen: BTreeMap<Key, u64>,
}

impl Client {
    /// Client `number` of `clients`; every other one is native.
    pub(crate) fn new(number: usize, clients: usize, seed: u64, places: &[Place]) -> Self {
        let mut random = Random::from_seed(seed.wrapping_mul(1 << 20).wrapping_add(number as u64));
        let own = Random::from_seed(random.next());
        let dialect = match number % 2 {
            0 => Dialect::Native(Native::new(number as u64, places, own)),
            _ => Dialect::Resp(Resp::new(places, own)),
        };
        let (number, clients) = (number as u64, clients as u64);
        Client { number, clients, random, dialect, values: 0, doubts: 0, seen: BTreeMap::new() }
    }

    /// Its present process id: one that has an operation in doubt is never used again.
    fn process(&self) -> u64 {
        self.number + self.doubts * self.clients
    }

    /// A value that nobody else writes.
    fn fresh(&mut self) -> u64 {
        self.values += 1;
        self.number * 1_000_000_000 + self.values
    }

    /// How many registers a generation has.
    fn registers(&self) -> u64 {
        (self.clients / SHARE).max(2)
    }

    fn draw(&mut self, generation: u64) -> Operation {
        let registers = self.registers();
        let random = &mut self.random;
        let question = if random.below(5) == 0 { Question::InLog } else { Question::Confirmed };
        let read = |key| Operation { key, function: Function::Read, question };
        let command = |key, function| Operation { key, function, question: Question::No };
        if random.below(4) > 0 {
            let key = Key::List((generation * LISTS + random.below(LISTS)) as u16);
            return match random.below(10) {
                0..=2 => read(key),
                _ => command(key, Function::Append { value: self.fresh() }),
            };
        }
        let key = Key::Register((generation * registers + random.below(registers)) as u16);
        let function = match (random.below(10), self.seen.get(&key).copied()) {
            (0..=3, _) => return read(key),
            (4..=6, Some(old)) => Function::Cas { old, new: self.fresh() },
            (7, _) => Function::Delete,
            _ => Function::Write { value: self.fresh() },
        };
        command(key, function)
    }

    /// Asks until it is told to finish.
    pub(crate) fn work(&mut self, shared: &Shared) {
        let mut generation = 0;
        while !shared.stop.load(Ordering::Relaxed) {
            let now = shared.begun.fetch_add(1, Ordering::Relaxed) / (GENERATION * self.registers());
            // Keys have numbers of 16 bits.
            if (now + 1) * self.registers().max(LISTS) > u16::MAX.into() {
                shared.spent.store(true, Ordering::Relaxed);
                return;
            }
            if now != generation {
                generation = now;
                self.seen.clear();
            }
            let operation = self.draw(generation);
            let (least, most) = PATIENCE_MILLIS;
            let patience = least + self.random.below(most - least);
            let end = self.carry_out(&operation, Duration::from_millis(patience), shared);
            let value = match (end, operation.function) {
                (Some(End::Read(Value::Register(Some(value)))), _) => value,
                (Some(End::Written), Function::Write { value }) => value,
                (Some(End::Swapped), Function::Cas { new, .. }) => new,
                _ => 0,
            };
            if value > 0 {
                self.seen.insert(operation.key, value);
            }
            thread::sleep(Duration::from_micros(self.random.below(THINK_MICROS)));
        }
    }

    /// Reads `keys` when all is well again; the first that cannot be read in time.
    pub(crate) fn read_finally(
        &mut self,
        keys: &[Key],
        within: Duration,
        shared: &Shared,
    ) -> Result<(), Key> {
        let until = Instant::now() + within;
        for key in keys {
            let read = Operation::read(*key, false);
            loop {
                let end = self.carry_out(&read, within, shared);
                match end {
                    Some(End::Read(_)) => break,
                    _ if Instant::now() >= until => return Err(*key),
                    _ => thread::sleep(Duration::from_millis(20)),
                }
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, operation: &Operation, patience: Duration, shared: &Shared) -> Option<End> {
        let ledger = &shared.ledger;
        let index = ledger.invoke(self.process(), operation.key, operation.function);
        let until = Instant::now() + patience;
        let outcome = match &mut self.dialect {
            Dialect::Native(native) => native.ask(operation, until),
            Dialect::Resp(resp) => resp.ask(operation, until),
        };
        let end = match outcome {
            Outcome::Reply(reply) => match full(&reply) {
                true => {
                    ledger.full();
                    Ok(End::Fail)
                }
                false => operation.end(&reply),
            },
            Outcome::Refused => Ok(End::Fail),
            Outcome::Doubt => Ok(End::Info),
            Outcome::Nonsense(what) => Err(what),
        };
        match end {
            Ok(end) => {
                self.doubts += u64::from(end == End::Info);
                ledger.end(index, end.clone());
                Some(end)
            }
            Err(what) => {
                self.doubts += 1;
                ledger.end(index, End::Info);
                ledger.trouble(format!("client {}: {what}", self.number));
                None
            }
        }
    }
}

fn full(reply: &[u8]) -> bool {
    matches!(Reply::decode(reply), Ok(Reply::Error(reply::Error::Full)))
}
