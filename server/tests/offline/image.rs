//! Journals made by the core's own writer, in memory, to be damaged on purpose.

use seedfast_core::journal::{
    Checkpoint, Expected, Happened, Identity, Journal, Kind, Layout, Options, Recovery, Setting, Standing,
    Step, format,
};
use seedfast_core::storage::Step as Storage;
use seedfast_core::{
    Buffer, ClusterId, Completion, DeviceId, Geometry, GroupId, Incarnation, NodeId, Outbox, Output,
};

pub(crate) const IDENTITY: Identity = Identity {
    cluster: ClusterId(0xabcd),
    group: GroupId(1),
    node: NodeId(2),
    serial: 0x5eed,
    standing: Standing::Founding,
};
const OPTIONS: Options = Options { copy: 512, area: 4096, segment: 4096, segments: 4 };

/// A device in memory with an open journal on it.
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) layout: Layout,
    journal: Journal,
    out: Outbox,
}

fn geometry() -> Geometry {
    Geometry::disk(32 << 10)
}

impl Image {
    /// A journal that was just formatted.
    pub(crate) fn new(identity: &Identity) -> Self {
        let mut bytes = vec![0; geometry().capacity as usize];
        for (at, contents) in format(identity, &geometry(), &OPTIONS).expect("it fits") {
            bytes[at as usize..at as usize + contents.len()].copy_from_slice(&contents);
        }
        let mut out = Outbox::new(false);
        let setting = Setting {
            expected: Expected { cluster: identity.cluster, group: identity.group, node: identity.node },
            incarnation: Incarnation(1),
            device: DeviceId(0),
            geometry: geometry(),
            queue_depth: 16,
        };
        let mut recovery = Recovery::begin(setting, &mut out);
        loop {
            let (op, result) = carry_out(&mut bytes, &mut out).pop().expect("it asks for something");
            if recovery.step(op, &result, &mut |_| (), &mut out) == Step::Recovered {
                break;
            }
        }
        let (journal, _) = recovery.finish();
        Image { bytes, layout: *journal.layout(), journal, out }
    }

    /// A journal with so many votes, each in a group of its own, all but the last known decided, at rest.
    pub(crate) fn with_votes(count: u64) -> Self {
        let mut image = Image::new(&IDENTITY);
        (0..count).for_each(|slot| image.vote(slot, slot));
        image.rest();
        image
    }

    /// A vote of 100 bytes for `slot` in a group of its own.
    pub(crate) fn vote(&mut self, slot: u64, decided: u64) {
        let id = (slot + 100).to_le_bytes();
        self.journal.append(Kind::Vote, slot, 0x101, 0, &[&id, &[7; 92]], &mut self.out);
        self.journal.commit(decided, false, &mut self.out).expect("there is room");
        self.settle();
    }

    /// The mark is written.
    pub(crate) fn rest(&mut self) {
        self.journal.rest(&mut self.out);
        self.settle();
    }

    /// A snapshot of three pieces below `slot` counts.
    pub(crate) fn snapshot(&mut self, slot: u64) {
        self.journal.begin_snapshot(slot, 0).expect("there is room");
        for piece in 0..3_u8 {
            self.journal.write_piece(&[&[piece; 300]], piece == 2, &mut self.out).expect("there is room");
            self.settle();
        }
        self.journal.finish_snapshot(1, &mut self.out).expect("nothing is in flight");
        let durable = self.settle().into_iter().find_map(|happened| match happened {
            Happened::SnapshotDurable(snapshot) => Some(snapshot),
            _ => None,
        });
        let checkpoint = Checkpoint {
            promised: 0x101,
            decided: slot,
            snapshot: durable,
            covered: slot,
            configuration: None,
        };
        self.journal.checkpoint(&checkpoint, &mut self.out).expect("nothing is in flight");
        self.settle();
    }

    fn settle(&mut self) -> Vec<Happened> {
        let mut happened = Vec::new();
        loop {
            let ended = carry_out(&mut self.bytes, &mut self.out);
            if ended.is_empty() {
                return happened;
            }
            for (op, result) in ended {
                happened.push(self.journal.completed(op, result, &mut self.out));
            }
        }
    }

    /// Where the record of the vote number `number` stands, which is as long as every other one.
    pub(crate) fn record(&self, number: u64) -> usize {
        (self.layout.log() + (number - 1) * self.layout.padded(204)) as usize
    }
}

fn carry_out(bytes: &mut [u8], out: &mut Outbox) -> Vec<(seedfast_core::OperationId, Completion)> {
    let mut outputs = Vec::new();
    out.swap(&mut outputs);
    let mut ended = Vec::new();
    for output in outputs {
        match output {
            Output::Submit { op, chain, .. } => {
                for step in chain {
                    if let Storage::Write { at, buffer } = step {
                        bytes[at as usize..at as usize + buffer.len()].copy_from_slice(&buffer);
                    }
                }
                ended.push((op, Completion::Done));
            }
            Output::Read { op, range, .. } => {
                let read = &bytes[range.at as usize..(range.at + range.length) as usize];
                ended.push((op, Completion::Data(Buffer::copy_from(read))));
            }
            _ => {}
        }
    }
    ended
}
