//! Looking at a journal without recovering from it: every fate that a frame can have, on an image written byte by byte.

#[allow(dead_code, reason = "each user takes what it needs")]
mod device;
#[path = "device/image.rs"]
#[allow(dead_code, reason = "each user takes what it needs")]
mod image;

use device::{CLUSTER, Device, EXPECTED, GROUP, NODE};
use image::{CAPACITY, LAP, LOG, Record, put};
use seedfast_core::journal::survey::{self, Fate};
use seedfast_core::journal::{Metadata, Refusal};
use seedfast_core::storage::Range;
use seedfast_core::{Geometry, NodeId};

/// What a look at the log finds: number, fate, and the offset behind the log's beginning.
fn seen(device: &Device, last: Option<u64>) -> Vec<(u64, Fate, u64)> {
    let metadata = metadata(device).expect("it has metadata");
    let range = metadata.layout.log_range();
    let log = &device.bytes[range.at as usize..(range.at + range.length) as usize];
    let mut found = Vec::new();
    survey::records(&metadata, log, &device.bad, last, &mut |record| {
        found.push((record.header.number, record.fate, record.offset - range.at));
    });
    found
}

fn metadata(device: &Device) -> Result<Metadata, Refusal> {
    survey::metadata(&device.bytes, &device.bad, &device.geometry)
}

#[test]
fn metadata_is_found_whoever_it_belongs_to_and_refused_as_recovery_refuses_it() {
    let mut device = Device::by_hand();
    put(&mut device.bytes, 0, &image::metadata(|bytes| put(bytes, 48, &5_u32.to_le_bytes())));
    put(&mut device.bytes, 512, &image::metadata(|bytes| put(bytes, 48, &5_u32.to_le_bytes())));
    let found = metadata(&device).expect("it is whole").identity;
    assert_eq!((found.cluster, found.group, found.node), (CLUSTER, GROUP, NodeId(5)));
    assert_ne!(found.node, NODE);
    assert!(matches!(device.recover_as(EXPECTED).err(), Some(Refusal::Foreign { node: NodeId(5), .. })));
    let blank = Device::blank(Geometry::disk(CAPACITY));
    assert_eq!(metadata(&blank).err(), Some(Refusal::Unformatted));
}

#[test]
fn what_follows_counts_and_what_a_torn_one_hides_does_not() {
    let mut device = Device::by_hand();
    device.promises(5);
    let counts = |count: u64| (1..=count).map(|number| (number, Fate::Counts, (number - 1) * 512));
    assert_eq!(seen(&device, Some(5)), counts(5).collect::<Vec<_>>());
    // Recovery may have stopped earlier: then the rest is as it stands.
    let expected: Vec<_> = counts(4).chain([(5, Fate::Stray, 4 * 512)]).collect();
    assert_eq!(seen(&device, Some(4)), expected);
    // Damage within the third: its header can still be read, and what is behind it does not follow.
    device.bytes[LOG + 2 * 512 + 50] ^= 1;
    let expected = [(3, Fate::Unreadable), (4, Fate::Stray), (5, Fate::Stray)];
    let expected: Vec<_> =
        counts(2).chain(expected.map(|(number, fate)| (number, fate, (number - 1) * 512))).collect();
    assert_eq!(seen(&device, None), expected);
    device.bytes[LOG + 2 * 512 + 50] ^= 1;
    device.bad.push(Range { at: (LOG + 512) as u64, length: 512 });
    assert_eq!(seen(&device, None)[1], (2, Fate::Unreadable, 512));
}

#[test]
fn whatever_else_stands_in_the_log_is_told_apart() {
    let mut device = Device::by_hand();
    let last = device.promises(1);
    let at = |number: u64, position| Record::promise(number, position, last, 0);
    device.record(&Record { group: GROUP.0 + 1, ..at(2, 512) });
    device.record(&Record { version: 2, ..at(3, 1024) });
    device.record_at(&at(4, 2048), 1536);
    // An earlier lap can only be one if the head stands in a later one.
    let head = |bytes: &mut [u8]| put(bytes, 136, &LAP.to_le_bytes());
    put(&mut device.bytes, 0, &image::metadata(head));
    put(&mut device.bytes, 512, &image::metadata(head));
    device.record(&at(5, 2560));
    device.record(&Record { serial: 1, ..at(6, LAP + 3072) });
    device.record(&at(7, LAP + 3584));
    let expected = [
        (1, Fate::EarlierLap, 0),
        (2, Fate::Foreign, 512),
        (3, Fate::Newer, 1024),
        (4, Fate::Misdirected, 1536),
        (5, Fate::EarlierLap, 2560),
        (6, Fate::Unreadable, 3072),
        (7, Fate::Stray, 3584),
    ];
    assert_eq!(seen(&device, None), expected);
}
