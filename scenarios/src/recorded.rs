//! Replicas that were recorded on real machines, the same store as in the scenarios; and recordings of simulated ones.

pub use seedfast_kv::recorded::{BUILD, header, replica, replica_of, same_sources, store};
pub use seedfast_kv::{Limits, Store};

use seedfast_core::paxos::Config;
use seedfast_core::recording::{End, Header, MAGIC, Recorder, Sink, seal};
use seedfast_core::{Start, WallTime};
use std::cell::RefCell;
use std::rc::Rc;

/// A recording that grows.
type Growing = Rc<RefCell<Vec<u8>>>;

/// The recordings of a run, one for each life, kept in memory.
#[derive(Clone, Debug, Default)]
pub struct Shelf(Rc<RefCell<Vec<Growing>>>);

impl Shelf {
    /// Begins the recording of a life.
    pub fn record(&self, config: &Config, start: &Start) -> Recorder<InMemory> {
        self.begin(&header(config, Limits::DEFAULT, start, WallTime(0)))
    }

    /// Begins a recording with this header.
    pub fn begin(&self, header: &Header) -> Recorder<InMemory> {
        let bytes = Rc::new(RefCell::new(MAGIC.to_vec()));
        self.0.borrow_mut().push(bytes.clone());
        Recorder::new(header, InMemory { bytes, number: 0 })
    }

    /// The recordings, in the order in which the lives began; to be asked for when whoever recorded is gone.
    pub fn take(&self) -> Vec<Vec<u8>> {
        self.0.take().into_iter().map(|bytes| bytes.take()).collect()
    }
}

/// Keeps a recording in memory.
#[derive(Debug)]
pub struct InMemory {
    bytes: Growing,
    number: u32,
}

impl Sink for InMemory {
    fn take(&mut self, block: &mut Vec<u8>) -> Result<(), End> {
        self.last(std::mem::take(block));
        Ok(())
    }

    fn last(&mut self, mut block: Vec<u8>) {
        seal(&mut block, self.number);
        self.number += 1;
        self.bytes.borrow_mut().extend(block);
    }
}
