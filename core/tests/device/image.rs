//! Images written by hand, from `docs/journal.md` alone: every offset is a number here, and nothing of the journal's
//! own encoders is used.

use crate::device::{CLUSTER, Device, GROUP, NODE, SERIAL};
use seedfast_core::Geometry;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A disk with 512-byte units: copies at 0 and 512, marks at 1024 and 1536, snapshot areas at 2048 and 2560, the log at
/// 3072: four segments of 1,024 bytes.
pub(crate) const LOG: usize = 3072;
pub(crate) const LAP: u64 = 4096;
pub(crate) const CAPACITY: u64 = 8192;

pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// One metadata copy, and what a test changes in it before it is sealed.
pub(crate) fn metadata(change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    put(&mut bytes, 8, b"SFJM");
    put(&mut bytes, 12, &[1, 1, 0, 0]);
    put(&mut bytes, 16, &200_u32.to_le_bytes());
    put(&mut bytes, 20, &GROUP.0.to_le_bytes());
    put(&mut bytes, 24, &CLUSTER.0.to_le_bytes());
    put(&mut bytes, 40, &SERIAL.to_le_bytes());
    put(&mut bytes, 48, &u32::from(NODE.0).to_le_bytes());
    put(&mut bytes, 56, &1_u64.to_le_bytes());
    put(&mut bytes, 64, &CAPACITY.to_le_bytes());
    put(&mut bytes, 72, &512_u32.to_le_bytes());
    put(&mut bytes, 76, &512_u32.to_le_bytes());
    put(&mut bytes, 80, &4_u32.to_le_bytes());
    put(&mut bytes, 88, &1024_u64.to_le_bytes());
    put(&mut bytes, 96, &512_u64.to_le_bytes());
    put(&mut bytes, 128, &1_u64.to_le_bytes());
    change(&mut bytes);
    let length = u32::from_le_bytes(bytes[16..20].try_into().expect("four bytes")) as usize;
    let checksum = xxh3_64_with_seed(&bytes[8..length], u64::from_le_bytes(*b"SFJMETA1"));
    put(&mut bytes, 0, &checksum.to_le_bytes());
    bytes
}

/// One record.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) version: u8,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) group: u32,
    pub(crate) slot: u64,
    pub(crate) ballot: u64,
    pub(crate) incarnation: u32,
    pub(crate) number: u64,
    pub(crate) position: u64,
    pub(crate) previous: u64,
    pub(crate) mark: u64,
    pub(crate) decided: u64,
    pub(crate) payload: Vec<u8>,
    pub(crate) serial: u64,
}

impl Record {
    /// A promise of `ballot`, the whole of its group.
    pub(crate) fn promise(number: u64, position: u64, previous: u64, mark: u64) -> Self {
        Record {
            version: 1,
            kind: 1,
            flags: 1,
            group: GROUP.0,
            slot: 0,
            ballot: number * 256,
            incarnation: 1,
            number,
            position,
            previous,
            mark,
            decided: 0,
            payload: Vec::new(),
            serial: SERIAL,
        }
    }

    /// The bytes, unpadded, and the checksum.
    pub(crate) fn bytes(&self) -> (Vec<u8>, u64) {
        let mut bytes = vec![0; 104];
        put(&mut bytes, 8, b"SFJR");
        put(&mut bytes, 12, &[self.version, self.kind, self.flags, 0]);
        put(&mut bytes, 16, &(104 + self.payload.len() as u32).to_le_bytes());
        put(&mut bytes, 20, &self.group.to_le_bytes());
        put(&mut bytes, 24, &CLUSTER.0.to_le_bytes());
        put(&mut bytes, 40, &self.slot.to_le_bytes());
        put(&mut bytes, 48, &self.ballot.to_le_bytes());
        put(&mut bytes, 56, &0_u32.to_le_bytes());
        put(&mut bytes, 60, &self.incarnation.to_le_bytes());
        put(&mut bytes, 64, &self.number.to_le_bytes());
        put(&mut bytes, 72, &self.position.to_le_bytes());
        put(&mut bytes, 80, &self.previous.to_le_bytes());
        put(&mut bytes, 88, &self.mark.to_le_bytes());
        put(&mut bytes, 96, &self.decided.to_le_bytes());
        bytes.extend_from_slice(&self.payload);
        let checksum = xxh3_64_with_seed(&bytes[8..], self.serial);
        put(&mut bytes, 0, &checksum.to_le_bytes());
        (bytes, checksum)
    }
}

/// One copy of the durable mark.
pub(crate) fn mark(number: u64, record: u64) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    put(&mut bytes, 8, b"SFJD");
    put(&mut bytes, 12, &[1]);
    put(&mut bytes, 16, &CLUSTER.0.to_le_bytes());
    put(&mut bytes, 32, &GROUP.0.to_le_bytes());
    put(&mut bytes, 36, &1_u32.to_le_bytes());
    put(&mut bytes, 40, &number.to_le_bytes());
    put(&mut bytes, 48, &record.to_le_bytes());
    let checksum = xxh3_64_with_seed(&bytes[8..], SERIAL);
    put(&mut bytes, 0, &checksum.to_le_bytes());
    bytes
}

impl Device {
    /// A device with both metadata copies as they are after formatting, and nothing else.
    pub(crate) fn by_hand() -> Self {
        let mut device = Device::blank(Geometry::disk(CAPACITY));
        put(&mut device.bytes, 0, &metadata(|_| {}));
        put(&mut device.bytes, 512, &metadata(|_| {}));
        device
    }

    /// Puts a record where its position says, and returns its checksum.
    pub(crate) fn record(&mut self, record: &Record) -> u64 {
        self.record_at(record, record.position)
    }

    /// Puts a record somewhere.
    pub(crate) fn record_at(&mut self, record: &Record, position: u64) -> u64 {
        let (bytes, checksum) = record.bytes();
        put(&mut self.bytes, LOG + (position % LAP) as usize, &bytes);
        checksum
    }

    /// Promises 1 to `count`, each in a unit of its own, each knowing the one before it durable. Returns the last
    /// checksum.
    pub(crate) fn promises(&mut self, count: u64) -> u64 {
        (1..=count).fold(0, |previous, number| {
            self.record(&Record::promise(number, (number - 1) * 512, previous, number - 1))
        })
    }
}
