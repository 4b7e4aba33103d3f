//! How many crash images of a tiny journal are recovered in a second, through the sans-IO interface, on one core.
//!
//! `journal_images [IMAGES]` prints one JSON object. The images are those of a 4 KiB journal on NVM and on a disk whose
//! last group is torn in every way that a table of bits says; what recovery hands out is counted.

use seedfast_core::journal::{
    Expected, Identity, Journal, Kind, Options, Recovery, Setting, Standing, Step, format,
};
use seedfast_core::storage::Step as Storage;
use seedfast_core::{
    Buffer, ClusterId, Completion, DeviceId, Geometry, GroupId, Incarnation, NodeId, OperationId, Outbox,
    Output,
};

const EXPECTED: Expected = Expected { cluster: ClusterId(7), group: GroupId(1), node: NodeId(0) };

/// What carries out one recovery, again and again.
struct Host {
    out: Outbox,
    outputs: Vec<Output>,
    records: u64,
    geometry: Geometry,
}

impl Host {
    fn recover(&mut self, incarnation: u32, image: &mut [u8]) -> Journal {
        let setting = Setting {
            expected: EXPECTED,
            incarnation: Incarnation(incarnation),
            device: DeviceId(0),
            geometry: self.geometry,
            queue_depth: 16,
        };
        let mut recovery = Recovery::begin(setting, &mut self.out);
        loop {
            self.out.swap(&mut self.outputs);
            let (op, result): (OperationId, Completion) =
                match self.outputs.pop().expect("it asks for something") {
                    Output::Submit { op, chain, .. } => {
                        for step in &chain {
                            if let Storage::Write { at, buffer } = step {
                                image[*at as usize..*at as usize + buffer.len()].copy_from_slice(buffer);
                            }
                        }
                        self.out.recycle_chain(chain);
                        (op, Completion::Done)
                    }
                    Output::Read { op, range, .. } => {
                        let bytes = &image[range.at as usize..(range.at + range.length) as usize];
                        (op, Completion::Data(self.out.pool().copy_from(bytes)))
                    }
                    other => panic!("unexpected: {other:?}"),
                };
            let records = &mut self.records;
            let step = recovery.step(op, &result, &mut |_| *records += 1, &mut self.out);
            if let Completion::Data(bytes) = result {
                self.out.pool().recycle(bytes);
            }
            match step {
                Step::More => {}
                Step::Recovered => return recovery.finish().0,
                other => panic!("{other:?}"),
            }
        }
    }
}

fn measure(geometry: Geometry, options: &Options, images: u64) -> (f64, u64) {
    let identity = Identity {
        cluster: EXPECTED.cluster,
        group: EXPECTED.group,
        node: EXPECTED.node,
        serial: 0x5eed,
        standing: Standing::Founding,
    };
    let mut image = vec![0; geometry.capacity as usize];
    for (at, bytes) in format(&identity, &geometry, options).expect("it fits") {
        image[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
    }
    let mut host = Host { out: Outbox::new(false), outputs: Vec::new(), records: 0, geometry };
    let mut journal = host.recover(1, &mut image);
    let mut group = (0, Buffer::new());
    for slot in 0..6_u64 {
        journal.append(Kind::Vote, slot, 256, 0, &[&slot.to_le_bytes(), &[7; 24]], &mut host.out);
        if slot % 3 != 2 {
            continue;
        }
        journal.commit(slot, false, &mut host.out).expect("there is room");
        host.out.swap(&mut host.outputs);
        let Some(Output::Submit { op, chain, .. }) = host.outputs.pop() else { panic!("a group") };
        let [Storage::Write { at, buffer }] = &chain[..] else { panic!("one write") };
        group = (*at as usize, buffer.clone());
        if slot < 5 {
            image[group.0..group.0 + buffer.len()].copy_from_slice(buffer);
            journal.completed(op, Completion::Done, &mut host.out);
        }
    }
    let (clean, atomic) = (image.clone(), geometry.atomic as usize);
    host.records = 0;
    // The image is rebuilt each time: that is a part of the explorer's work, and of what is measured.
    let begin = cpu_nanos();
    for number in 0..images {
        image.copy_from_slice(&clean);
        let bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for (index, unit) in group.1.chunks(atomic).enumerate() {
            if bits.rotate_left(index as u32) & 1 == 0 {
                let at = group.0 + index * atomic;
                image[at..at + unit.len()].copy_from_slice(unit);
            }
        }
        host.recover(2, &mut image);
    }
    (images as f64 * 1e9 / (cpu_nanos() - begin) as f64, host.records)
}

fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

fn main() {
    let images = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("a number of images"));
    let nvm = Options { copy: 256, area: 512, segment: 512, segments: 4 };
    let disk = Options { copy: 512, area: 0, segment: 1024, segments: 2 };
    let (on_nvm, records) = measure(Geometry::nvm(4096), &nvm, images);
    let (on_disk, more) = measure(Geometry::disk(4096), &disk, images);
    println!(
        "{{\"journal.images_per_s.nvm\": {on_nvm:.0}, \"journal.images_per_s.disk\": {on_disk:.0}, \"records\": {}}}",
        records + more
    );
}
