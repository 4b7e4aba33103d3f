//! A device in memory for the journal's tests: it carries out what is submitted when the test says so, counts, and
//! fails where it is told to.

use seedfast_core::journal::{
    Expected, Happened, Identity, Journal, Kind, Options, Recovery, Refusal, Restored, Rows, Setting,
    Standing, Step, format,
};
use seedfast_core::storage::{Chain, Durability, Failure, Range, Step as Storage};
use seedfast_core::{
    Buffer, ClusterId, Completion, DeviceId, Geometry, GroupId, Incarnation, NodeId, OperationId, Outbox,
    Output,
};

pub(crate) const CLUSTER: ClusterId = ClusterId(0x1111_2222_3333_4444_5555_6666_7777_8888);
pub(crate) const GROUP: GroupId = GroupId(9);
pub(crate) const NODE: NodeId = NodeId(2);
pub(crate) const SERIAL: u64 = 0xfeed_f00d_dead_beef;
pub(crate) const EXPECTED: Expected = Expected { cluster: CLUSTER, group: GROUP, node: NODE };
pub(crate) const IDENTITY: Identity =
    Identity { cluster: CLUSTER, group: GROUP, node: NODE, serial: SERIAL, standing: Standing::Founding };

/// A record as recovery handed it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    pub(crate) slot: u64,
    pub(crate) ballot: u64,
    pub(crate) decided: u64,
    pub(crate) payload: Vec<u8>,
}

pub(crate) struct Device {
    pub(crate) geometry: Geometry,
    pub(crate) bytes: Vec<u8>,
    /// Ranges that answer a read with a medium error; a write over one mends it.
    pub(crate) bad: Vec<Range>,
    pub(crate) out: Outbox,
    /// What was submitted and has not been carried out.
    pub(crate) submitted: Vec<(OperationId, Chain, Durability)>,
    pub(crate) reads: Vec<(OperationId, Range)>,
    pub(crate) writes: u64,
    pub(crate) syncs: u64,
    pub(crate) incarnation: u32,
}

/// What a recovery came to.
pub(crate) struct Recovered {
    pub(crate) journal: Journal,
    pub(crate) restored: Restored,
    pub(crate) seen: Vec<Seen>,
    pub(crate) rows: Rows,
}

impl Device {
    /// A formatted device.
    pub(crate) fn formatted(geometry: Geometry, options: &Options) -> Self {
        let mut device = Device::blank(geometry);
        for (at, bytes) in format(&IDENTITY, &geometry, options).expect("it fits") {
            device.bytes[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
        }
        device
    }

    pub(crate) fn blank(geometry: Geometry) -> Self {
        Device {
            geometry,
            bytes: vec![0; geometry.capacity as usize],
            bad: Vec::new(),
            out: Outbox::new(false),
            submitted: Vec::new(),
            reads: Vec::new(),
            writes: 0,
            syncs: 0,
            incarnation: 0,
        }
    }

    /// Takes over what the journal has asked for.
    pub(crate) fn collect(&mut self) {
        let mut outputs = Vec::new();
        self.out.swap(&mut outputs);
        for output in outputs {
            match output {
                Output::Submit { op, chain, durability, .. } => self.submitted.push((op, chain, durability)),
                Output::Read { op, range, .. } => self.reads.push((op, range)),
                other => panic!("a journal has no business with {other:?}"),
            }
        }
    }

    /// Carries out everything that was submitted, and counts.
    pub(crate) fn carry_out(&mut self, chain: &Chain, durability: Durability) {
        for step in chain {
            match step {
                Storage::Write { at, buffer } => {
                    self.writes += 1;
                    self.bytes[*at as usize..*at as usize + buffer.len()].copy_from_slice(buffer);
                    let end = at + buffer.len() as u64;
                    self.bad.retain(|bad| bad.at < *at || bad.at + bad.length > end);
                }
                Storage::Barrier => self.syncs += 1,
                Storage::Drain | Storage::Persist(_) => {}
            }
        }
        self.syncs += u64::from(durability == Durability::Durable);
    }

    fn read(&self, range: Range) -> Completion {
        assert!(range.at + range.length <= self.geometry.capacity, "a read beyond the device");
        assert_eq!(range.at % u64::from(self.geometry.alignment), 0, "a misaligned read");
        assert_eq!(range.length % u64::from(self.geometry.alignment), 0, "a misaligned read");
        let overlaps = |bad: &Range| bad.at < range.at + range.length && range.at < bad.at + bad.length;
        if self.bad.iter().any(overlaps) {
            return Completion::Failed(Failure::Media);
        }
        Completion::Data(Buffer::copy_from(
            &self.bytes[range.at as usize..(range.at + range.length) as usize],
        ))
    }

    /// Carries out and completes everything that is under way, and what follows from it.
    pub(crate) fn settle(&mut self, journal: &mut Journal) -> Vec<Happened> {
        let mut happened = Vec::new();
        loop {
            self.collect();
            if self.submitted.is_empty() && self.reads.is_empty() {
                return happened;
            }
            for (op, chain, durability) in std::mem::take(&mut self.submitted) {
                self.carry_out(&chain, durability);
                happened.push(journal.completed(op, Completion::Done, &mut self.out));
            }
            for (op, range) in std::mem::take(&mut self.reads) {
                let result = self.read(range);
                happened.push(journal.completed(op, result, &mut self.out));
            }
        }
    }

    /// A new life recovers from the device.
    pub(crate) fn recover(&mut self) -> Result<Recovered, Refusal> {
        self.recover_as(EXPECTED)
    }

    pub(crate) fn recover_as(&mut self, expected: Expected) -> Result<Recovered, Refusal> {
        self.recover_with_rows(expected).1
    }

    /// The rows come back from a refusal too. Before it, not one byte may have been written.
    pub(crate) fn recover_with_rows(&mut self, expected: Expected) -> (Rows, Result<Recovered, Refusal>) {
        self.incarnation += 1;
        self.submitted.clear();
        let mut outputs = Vec::new();
        self.out.swap(&mut outputs);
        let setting = Setting {
            expected,
            incarnation: Incarnation(self.incarnation),
            device: DeviceId(0),
            geometry: self.geometry,
            queue_depth: 16,
        };
        let before = self.writes;
        let mut recovery = Recovery::begin(setting, &mut self.out);
        let mut seen = Vec::new();
        self.collect();
        // Nothing may land any more, and what is visible must be durable, before anything is read.
        let all = Range { at: 0, length: self.geometry.capacity };
        let [(_, settle, Durability::Durable)] = &self.submitted[..] else {
            panic!("one durable chain first")
        };
        assert_eq!(settle[..], [Storage::Drain, Storage::Persist(all)]);
        loop {
            self.collect();
            let (op, result) = match (self.submitted.pop(), self.reads.pop()) {
                (Some((op, chain, durability)), None) => {
                    self.carry_out(&chain, durability);
                    (op, Completion::Done)
                }
                (None, Some((op, range))) => (op, self.read(range)),
                other => panic!("recovery asks for one thing at a time, not {other:?}"),
            };
            let mut each = |record: seedfast_core::journal::Record<'_>| {
                seen.push(Seen {
                    number: record.number,
                    kind: record.kind,
                    slot: record.slot,
                    ballot: record.ballot,
                    decided: record.decided,
                    payload: record.payload.to_vec(),
                });
            };
            let step = recovery.step(op, &result, &mut each, &mut self.out);
            let rows = recovery.rows();
            match step {
                Step::More => {}
                Step::Recovered => {
                    let (journal, restored) = recovery.finish();
                    return (rows, Ok(Recovered { journal, restored, seen, rows }));
                }
                Step::Refused(refusal) => {
                    self.collect();
                    assert!(
                        self.submitted.is_empty() && self.writes == before,
                        "a refusal changed the device"
                    );
                    assert!(seen.is_empty(), "a refusal handed out records");
                    return (rows, Err(refusal));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
