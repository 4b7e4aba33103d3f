//! One test for each row of the decision table in `docs/journal.md`, on an image written byte by byte.

#[allow(dead_code, reason = "each user takes what it needs")]
mod device;
#[path = "device/image.rs"]
mod image;

use device::{CLUSTER, Device, EXPECTED, GROUP, NODE, Recovered, SERIAL};
use image::{CAPACITY, LAP, LOG, Record, mark, metadata, put};
use seedfast_core::journal::{Checkpoint, Expected, Kind, Refusal, Row, SnapshotFound, Standing};
use seedfast_core::storage::Range;
use seedfast_core::{Geometry, NodeId};

/// Recovers, which must succeed and meet `row`.
#[track_caller]
fn recovers(device: &mut Device, row: Row) -> Recovered {
    let recovered = device.recover().unwrap_or_else(|refusal| panic!("refused: {refusal}"));
    assert!(recovered.rows.contains(row), "{row} was not met, but {:?}", recovered.rows);
    recovered
}

/// Recovers, which must be refused in `row`, and leave every byte as it is.
#[track_caller]
fn refuses(device: &mut Device, row: Row) -> Refusal {
    let before = device.bytes.clone();
    let (rows, result) = device.recover_with_rows(EXPECTED);
    let refusal = result.err().expect("it is refused");
    assert_eq!(refusal.row(), Some(row), "{refusal}");
    assert!(rows.contains(row));
    assert!(device.bytes == before, "the device was changed");
    refusal
}

fn numbers(recovered: &Recovered) -> Vec<u64> {
    recovered.seen.iter().map(|seen| seen.number).collect()
}

/// Writes a promise through the journal, and recovers again: the log goes on where recovery ended it.
#[track_caller]
fn goes_on(device: &mut Device, recovered: Recovered) {
    let mut expected = numbers(&recovered);
    let mut journal = recovered.journal;
    let number = journal.append(Kind::Promise, 0, 77, 0, &[], &mut device.out);
    journal.commit(0, false, &mut device.out).expect("there is room");
    device.settle(&mut journal);
    assert_eq!(journal.durable(), number);
    expected.push(number);
    let again = device.recover().expect("it recovers");
    assert_eq!(numbers(&again), expected);
    assert_eq!(again.seen.last().map(|seen| seen.ballot), Some(77));
}

#[test]
fn d1_an_unformatted_device() {
    let mut device = Device::blank(Geometry::disk(CAPACITY));
    assert_eq!(refuses(&mut device, Row::D1), Refusal::Unformatted);
}

#[test]
fn d2_a_device_that_is_too_short() {
    let mut device = Device::by_hand();
    device.geometry.capacity = 6144;
    device.bytes.truncate(6144);
    assert_eq!(refuses(&mut device, Row::D2), Refusal::TooShort { has: 6144, takes: CAPACITY });
    let mut tiny = Device::blank(Geometry::nvm(128));
    refuses(&mut tiny, Row::D2);
    let mut coarse = Device::by_hand();
    coarse.geometry.alignment = 4096;
    assert_eq!(refuses(&mut coarse, Row::D2), Refusal::Alignment { demands: 4096, unit: 512 });
}

#[test]
fn d3_a_device_that_holds_something_else() {
    let mut device = Device::blank(Geometry::disk(CAPACITY));
    device.bytes.fill(0x5a);
    assert_eq!(refuses(&mut device, Row::D3), Refusal::NotAJournal);
}

#[test]
fn d4_a_newer_format() {
    for at in [0, 512] {
        let mut device = Device::by_hand();
        put(&mut device.bytes, at, &metadata(|bytes| bytes[12] = 2));
        assert_eq!(refuses(&mut device, Row::D4), Refusal::NewerFormat { version: 2 });
    }
    // Its checksums may be others: then it takes both copies to be believed.
    let mut device = Device::by_hand();
    device.bytes[12] = 3;
    assert_eq!(numbers(&recovers(&mut device, Row::D6)), [0; 0]);
    let mut device = Device::by_hand();
    device.bytes[12] = 3;
    device.bytes[512 + 12] = 3;
    assert_eq!(refuses(&mut device, Row::D4), Refusal::NewerFormat { version: 3 });
}

#[test]
fn d5_another_cluster_group_or_node() {
    let others = [
        Expected { cluster: seedfast_core::ClusterId(1), ..EXPECTED },
        Expected { group: seedfast_core::GroupId(1), ..EXPECTED },
        Expected { node: NodeId(1), ..EXPECTED },
    ];
    for other in others {
        let mut device = Device::by_hand();
        device.promises(2);
        let before = device.bytes.clone();
        let refusal = device.recover_as(other).err().expect("it is refused");
        assert_eq!(refusal, Refusal::Foreign { cluster: CLUSTER, group: GROUP, node: NODE });
        assert!(device.bytes == before);
        assert!(refusal.to_string().contains("group 9, n2"), "{refusal}");
    }
}

#[test]
fn d6_one_metadata_copy_damaged_or_older() {
    for at in [0, 512] {
        // A flipped bit, zeros, something else, a medium error, an older generation.
        for how in 0..5 {
            let mut device = Device::by_hand();
            let newer = metadata(|bytes| put(bytes, 56, &7_u64.to_le_bytes()));
            put(&mut device.bytes, 0, &newer);
            put(&mut device.bytes, 512, &newer);
            match how {
                0 => device.bytes[at + 60] ^= 1,
                1 => device.bytes[at..at + 512].fill(0),
                2 => device.bytes[at..at + 512].fill(0x5a),
                3 => device.bad.push(Range { at: at as u64, length: 512 }),
                _ => put(&mut device.bytes, at, &metadata(|_| {})),
            }
            device.promises(2);
            let recovered = recovers(&mut device, Row::D6);
            assert_eq!(numbers(&recovered), [1, 2]);
            assert_eq!(recovered.journal.metadata().generation, 7);
            assert_eq!(device.bytes[0..200], newer[..200], "copy A, damaged how {how} at {at}");
            assert_eq!(device.bytes[512..712], newer[..200], "copy B, damaged how {how} at {at}");
            assert!(!device.recover().expect("it recovers").rows.contains(Row::D6));
        }
    }
}

#[test]
fn d7_copies_that_contradict_each_other() {
    let mut device = Device::by_hand();
    put(&mut device.bytes, 512, &metadata(|bytes| put(bytes, 40, &1_u64.to_le_bytes())));
    assert_eq!(refuses(&mut device, Row::D7), Refusal::Contradiction);
    // The same generation says two things.
    let mut device = Device::by_hand();
    put(&mut device.bytes, 512, &metadata(|bytes| put(bytes, 104, &1_u64.to_le_bytes())));
    assert_eq!(refuses(&mut device, Row::D7), Refusal::Contradiction);
}

#[test]
fn d8_both_copies_damaged() {
    let mut device = Device::by_hand();
    device.bytes[60] ^= 1;
    device.bytes[512 + 60] ^= 1;
    assert_eq!(refuses(&mut device, Row::D8), Refusal::MetadataLost);
}

#[test]
fn d10_what_must_be_known_cannot_be_read() {
    let log = LOG as u64;
    let hide = |at: u64| Range { at, length: 512 };
    let mut device = Device::by_hand();
    device.promises(2);
    with_snapshot(&mut device, 0, true);
    for (bad, offset) in [
        // Both copies of the metadata.
        (vec![hide(0), hide(512)], 0),
        // The first record; where the next one would stand; where it would stand if it began a segment.
        (vec![hide(log)], log),
        (vec![hide(log + 1024)], log + 1024),
        // A piece of the snapshot.
        (vec![hide(2048)], 2048),
    ] {
        device.bad = bad;
        let refusal = refuses(&mut device, Row::D10);
        assert_eq!(refusal, Refusal::Unreadable { offset });
        // It passes, and nothing was lost.
        device.bad.clear();
        assert_eq!(numbers(&device.recover().expect("it recovers")), [1, 2]);
    }
    // A record that would follow begins where it can be read, and goes on where it cannot.
    let mut device = Device::by_hand();
    let previous = device.promises(2);
    device.record(&Record { kind: 2, payload: vec![1; 900], ..Record::promise(3, 1024, previous, 2) });
    device.bad = vec![hide(log + 1536)];
    assert_eq!(refuses(&mut device, Row::D10), Refusal::Unreadable { offset: log + 1536 });
    // Far behind the end nothing durable can be.
    device.bad = vec![hide(log + 3 * 1024)];
    assert_eq!(numbers(&device.recover().expect("it recovers")), [1, 2, 3]);
}

#[test]
fn d9_a_replacement() {
    let mut device = Device::by_hand();
    for at in [0, 512] {
        put(&mut device.bytes, at, &metadata(|bytes| bytes[13] = 2));
    }
    assert_eq!(recovers(&mut device, Row::D9).restored.standing, Standing::Replacement);
}

#[test]
fn l1_records_that_follow() {
    let mut device = Device::by_hand();
    // A group of two votes, then a promise in the next unit.
    let vote = Record {
        kind: 2,
        slot: 5,
        payload: b"8 bytes.value".to_vec(),
        flags: 0,
        ..Record::promise(1, 0, 0, 0)
    };
    let first = device.record(&vote);
    let second = device.record(&Record {
        slot: 6,
        flags: 1,
        decided: 6,
        number: 2,
        position: 128,
        previous: first,
        ..vote
    });
    device.record(&Record { decided: 6, ..Record::promise(3, 512, second, 2) });
    let recovered = recovers(&mut device, Row::L1);
    assert_eq!(numbers(&recovered), [1, 2, 3]);
    let [vote, _, promise] = &recovered.seen[..] else { panic!("three records") };
    assert_eq!((vote.kind, vote.slot, vote.payload.as_slice()), (Kind::Vote, 5, &b"8 bytes.value"[..]));
    assert_eq!((promise.kind, promise.ballot, promise.decided), (Kind::Promise, 768, 6));
    assert_eq!(recovered.journal.durable_decided(), 6);
    goes_on(&mut device, recovered);
}

#[test]
fn l1_a_group_in_the_next_segment() {
    let mut device = Device::by_hand();
    let first = device.record(&Record::promise(1, 0, 0, 0));
    let large = Record { kind: 2, payload: vec![7; 900], ..Record::promise(2, 1024, first, 1) };
    device.record(&large);
    let recovered = recovers(&mut device, Row::L1);
    assert_eq!(numbers(&recovered), [1, 2]);
    goes_on(&mut device, recovered);
}

#[test]
fn l2_a_clean_end() {
    let mut device = Device::by_hand();
    device.promises(3);
    let recovered = recovers(&mut device, Row::L2);
    assert_eq!((recovered.restored.last, recovered.restored.mark), (3, 2));
    assert_eq!(device.writes, 0, "a clean journal is not written to");
    goes_on(&mut device, recovered);
}

#[test]
fn l3_a_torn_tail() {
    for zeros in [true, false] {
        let mut device = Device::by_hand();
        let previous = device.promises(2);
        let torn = Record { kind: 2, payload: vec![1; 900], ..Record::promise(3, 1024, previous, 2) };
        device.record(&torn);
        // The second sector of the record never came, or the first.
        let lost = if zeros { LOG + 1536 } else { LOG + 1024 };
        device.bytes[lost..lost + 512].fill(if zeros { 0 } else { 0x33 });
        let recovered = recovers(&mut device, Row::L3);
        assert_eq!(numbers(&recovered), [1, 2]);
        goes_on(&mut device, recovered);
    }
}

#[test]
fn l3_a_torn_record_that_shares_its_unit_does_not_hide_the_next_life() {
    let mut device = Device::by_hand();
    // One group of two; the second record begins in the first record's sector, and its rest never came.
    let first = device.record(&Record { flags: 0, ..Record::promise(1, 0, 0, 0) });
    let torn = Record { kind: 2, payload: vec![1; 500], ..Record::promise(2, 128, first, 0) };
    device.record(&torn);
    device.bytes[LOG + 512..LOG + 1024].fill(0);
    let recovered = recovers(&mut device, Row::L3);
    assert_eq!(numbers(&recovered), [1]);
    // The torn header still claims to be record 2: the next life's record 2 stands in the next unit.
    goes_on(&mut device, recovered);
}

#[test]
fn l1_of_two_that_claim_to_follow_the_whole_one_is_taken() {
    let mut device = Device::by_hand();
    let first = device.record(&Record { flags: 0, ..Record::promise(1, 0, 0, 0) });
    device.record(&Record { kind: 2, payload: vec![1; 100], ..Record::promise(2, 128, first, 0) });
    device.bytes[LOG + 128 + 150] ^= 1;
    let second = device.record(&Record::promise(2, 512, first, 0));
    device.record(&Record::promise(3, 1024, second, 2));
    let recovered = recovers(&mut device, Row::L1);
    assert_eq!(numbers(&recovered), [1, 2, 3]);
    assert_eq!(recovered.seen[1].kind, Kind::Promise);
    goes_on(&mut device, recovered);
}

#[test]
fn l3_a_record_that_lacks_a_word_is_not_completed_by_the_next_life() {
    // Whatever eight bytes of record 2 are missing: a later write that lands with only these must not bring it back.
    let (torn, _) = {
        let (_, first) = Record::promise(1, 0, 0, 0).bytes();
        Record::promise(2, 512, first, 1).bytes()
    };
    for word in (0..torn.len()).step_by(8) {
        let mut device = Device::by_hand();
        device.promises(2);
        let missing = LOG + 512 + word..LOG + 512 + word + 8;
        if device.bytes[missing.clone()].iter().all(|byte| *byte == 0) {
            continue;
        }
        device.bytes[missing.clone()].fill(0);
        let recovered = recovers(&mut device, Row::L3);
        assert_eq!(recovered.restored.last, 1);
        device.bytes[missing].copy_from_slice(&torn[word..word + 8]);
        assert_eq!(
            device.recover().expect("it recovers").restored.last,
            1,
            "the word at {word} brought it back"
        );
    }
}

#[test]
fn l4_a_hole_in_the_unsynced_tail() {
    let mut device = Device::by_hand();
    let previous = device.promises(1);
    // One group of three at 512: the first is lost, two are readable behind it.
    let (_, lost) = Record { flags: 0, ..Record::promise(2, 512, previous, 1) }.bytes();
    let third = device.record(&Record { flags: 0, ..Record::promise(3, 640, lost, 1) });
    device.record(&Record::promise(4, 768, third, 1));
    let recovered = recovers(&mut device, Row::L4);
    assert_eq!(numbers(&recovered), [1]);
    assert!(device.bytes[LOG + 512..LOG + 1024].iter().all(|byte| *byte == 0), "they are erased");
    assert!(!device.recover().expect("it recovers").rows.contains(Row::L4));
    goes_on(&mut device, recovered);
}

#[test]
fn l4_erasing_spares_what_shares_the_unit() {
    let mut device = Device::by_hand();
    let first = device.record(&Record { flags: 0, ..Record::promise(1, 0, 0, 0) });
    let (_, lost) = Record { flags: 0, ..Record::promise(2, 128, first, 0) }.bytes();
    device.record(&Record::promise(3, 256, lost, 0));
    let recovered = recovers(&mut device, Row::L4);
    assert_eq!(numbers(&recovered), [1]);
    goes_on(&mut device, recovered);
}

#[test]
fn l5_damage_below_the_mark() {
    // The mark stands in a later record, in either mark copy, in the metadata.
    for holder in 0..4 {
        let mut device = Device::by_hand();
        let last = device.promises(3);
        match holder {
            0 => drop(device.record(&Record::promise(4, 1536, last, 3))),
            1 => put(&mut device.bytes, 1024, &mark(3, last)),
            2 => put(&mut device.bytes, 1536, &mark(3, last)),
            _ => {
                let both = metadata(|bytes| put(bytes, 120, &3_u64.to_le_bytes()));
                put(&mut device.bytes, 0, &both);
                put(&mut device.bytes, 512, &both);
            }
        }
        assert!(device.recover().is_ok());
        device.bytes[LOG + 1024 + 50] ^= 4;
        let refusal = refuses(&mut device, Row::L5);
        let offset = LOG as u64 + 1024;
        assert_eq!(refusal, Refusal::Damage { number: 3, offset, mark: 3 }, "held by {holder}");
        assert!(refusal.to_string().contains("record 3 at byte 4096"), "{refusal}");
    }
}

#[test]
fn l5_a_record_that_the_mark_does_not_vouch_for() {
    let mut device = Device::by_hand();
    let last = device.promises(2);
    put(&mut device.bytes, 1024, &mark(2, last ^ 1));
    refuses(&mut device, Row::L5);
}

/// A log whose head is in its second lap, so that records of the first lap stand behind its end.
fn second_lap(device: &mut Device) -> u64 {
    // Records 1 to 8 fill the first lap; 3 is the head now, and 9 stands where 1 stood.
    let last = device.promises(8);
    let (_, second) = {
        let (_, first) = Record::promise(1, 0, 0, 0).bytes();
        Record::promise(2, 512, first, 1).bytes()
    };
    let both = metadata(|bytes| {
        put(bytes, 128, &3_u64.to_le_bytes());
        put(bytes, 136, &1024_u64.to_le_bytes());
        put(bytes, 144, &second.to_le_bytes());
    });
    put(&mut device.bytes, 0, &both);
    put(&mut device.bytes, 512, &both);
    last
}

#[test]
fn l6_a_record_of_an_earlier_lap() {
    let mut device = Device::by_hand();
    let last = second_lap(&mut device);
    device.record(&Record::promise(9, LAP, last, 8));
    let recovered = recovers(&mut device, Row::L6);
    assert_eq!(numbers(&recovered), [3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(device.writes, 0, "an earlier lap is not erased");
    goes_on(&mut device, recovered);
}

#[test]
fn l6_an_earlier_lap_is_not_mistaken_for_this_one() {
    let mut device = Device::by_hand();
    let last = second_lap(&mut device);
    // A record of the right number and predecessor, and of the earlier lap.
    device.record(&Record::promise(9, 0, last, 8));
    let recovered = recovers(&mut device, Row::L6);
    assert_eq!(recovered.restored.last, 8);
}

#[test]
fn l7_a_foreign_record() {
    let mut device = Device::by_hand();
    let last = device.promises(2);
    device.record(&Record { group: 8, ..Record::promise(3, 1024, last, 2) });
    let recovered = recovers(&mut device, Row::L7);
    assert_eq!(recovered.restored.last, 2);
    goes_on(&mut device, recovered);
    // One of another serial cannot be told from a torn one.
    let mut device = Device::by_hand();
    let last = device.promises(2);
    device.record(&Record { serial: SERIAL + 1, ..Record::promise(3, 1024, last, 2) });
    assert_eq!(recovers(&mut device, Row::L3).restored.last, 2);
}

#[test]
fn l8_a_misdirected_record() {
    let mut device = Device::by_hand();
    let last = device.promises(2);
    device.record_at(&Record::promise(3, 1536, last, 2), 1024);
    let recovered = recovers(&mut device, Row::L8);
    assert_eq!(recovered.restored.last, 2);
    goes_on(&mut device, recovered);
    // What it says about the mark is true wherever it stands.
    let mut device = Device::by_hand();
    let last = device.promises(2);
    device.record_at(&Record::promise(4, 1536, last, 3), 2048);
    refuses(&mut device, Row::L5);
}

#[test]
fn l9_a_number_that_was_taken_already() {
    let mut device = Device::by_hand();
    let last = device.promises(3);
    device.record(&Record::promise(2, 1536, last, 1));
    let recovered = recovers(&mut device, Row::L9);
    assert_eq!(numbers(&recovered), [1, 2, 3]);
    assert!(device.bytes[LOG + 1536..LOG + 2048].iter().all(|byte| *byte == 0), "it is erased");
    goes_on(&mut device, recovered);
}

#[test]
fn l10_a_record_of_a_newer_format() {
    // As the next record, and somewhere in the log.
    for position in [1024, 2048] {
        let mut device = Device::by_hand();
        let last = device.promises(2);
        device.record(&Record { version: 2, ..Record::promise(3, position, last, 2) });
        let offset = LOG as u64 + position;
        assert_eq!(refuses(&mut device, Row::L10), Refusal::NewerRecord { version: 2, offset });
    }
}

#[test]
fn l11_another_predecessor() {
    let mut device = Device::by_hand();
    let last = device.promises(2);
    device.record(&Record::promise(3, 1024, last ^ 1, 2));
    let recovered = recovers(&mut device, Row::L11);
    assert_eq!(recovered.restored.last, 2);
    assert!(device.bytes[LOG + 1024..LOG + 1536].iter().all(|byte| *byte == 0), "it is erased");
    goes_on(&mut device, recovered);
}

#[test]
fn l12_a_lower_incarnation() {
    let mut device = Device::by_hand();
    let last = device.record(&Record { incarnation: 5, ..Record::promise(1, 0, 0, 0) });
    device.record(&Record { incarnation: 4, ..Record::promise(2, 512, last, 1) });
    let recovered = recovers(&mut device, Row::L12);
    assert_eq!(recovered.restored.last, 1);
    assert!(device.bytes[LOG + 512..LOG + 1024].iter().all(|byte| *byte == 0), "it is erased");
    // The next life writes above every life that wrote here, whatever its own number is.
    goes_on(&mut device, recovered);
}

#[test]
fn l13_a_malformed_record() {
    let malformed: [fn(&mut Record); 6] = [
        |record| record.kind = 99,
        |record| record.kind = 6,
        |record| record.slot = 1,
        |record| record.payload = vec![1],
        |record| record.mark = record.number,
        |record| record.flags = 2,
    ];
    for change in malformed {
        let mut device = Device::by_hand();
        let last = device.promises(2);
        let mut record = Record::promise(3, 1024, last, 2);
        change(&mut record);
        device.record(&record);
        let offset = LOG as u64 + 1024;
        assert_eq!(refuses(&mut device, Row::L13), Refusal::Malformed { number: 3, offset });
    }
}

#[test]
fn l14_one_mark_copy_unreadable() {
    for (good, lost) in [(1024, 1536), (1536, 1024)] {
        for how in 0..2 {
            let mut device = Device::by_hand();
            let last = device.promises(3);
            put(&mut device.bytes, good, &mark(3, last));
            put(&mut device.bytes, lost, &mark(2, 5));
            match how {
                0 => device.bytes[lost + 44] ^= 1,
                _ => device.bad.push(Range { at: lost as u64, length: 512 }),
            }
            let recovered = recovers(&mut device, Row::L14);
            assert_eq!(recovered.restored.mark, 3);
            // The good one still counts, and the other one is whole again.
            device.bytes[good..good + 64].fill(0);
            device.bytes[LOG + 1024 + 50] ^= 4;
            refuses(&mut device, Row::L5);
        }
    }
}

/// A snapshot of two pieces at slot 40 in area A (or B), and metadata that refers to it.
fn with_snapshot(device: &mut Device, area: usize, refer: bool) -> u64 {
    let at = 2048 + 512 * area;
    let piece = |index: u64, offset: u64, previous: u64, flags: u8, fill: u8| Record {
        kind: 6,
        flags,
        slot: 40,
        ballot: 0,
        payload: vec![fill; 24],
        ..Record::promise(index, 1 << 63 | (area as u64) << 62 | offset, previous, 0)
    };
    // Both in one area of 512 bytes would need two units: the second one stands in the first's unit nowhere.
    let (bytes, checksum) = piece(1, 0, 0, 1, 7).bytes();
    put(&mut device.bytes, at, &bytes);
    if refer {
        let both = metadata(|bytes| {
            put(bytes, 152, &40_u64.to_le_bytes());
            put(bytes, 160, &512_u64.to_le_bytes());
            put(bytes, 168, &checksum.to_le_bytes());
            put(bytes, 176, &99_u64.to_le_bytes());
            put(bytes, 184, &1_u32.to_le_bytes());
            put(bytes, 188, &(area as u32 + 1).to_le_bytes());
        });
        put(&mut device.bytes, 0, &both);
        put(&mut device.bytes, 512, &both);
    }
    checksum
}

#[test]
fn s1_no_snapshot() {
    let mut device = Device::by_hand();
    assert_eq!(recovers(&mut device, Row::S1).restored.snapshot, SnapshotFound::None);
}

#[test]
fn s2_a_whole_snapshot() {
    for area in [0, 1] {
        let mut device = Device::by_hand();
        let checksum = with_snapshot(&mut device, area, true);
        device.promises(2);
        let recovered = recovers(&mut device, Row::S2);
        let SnapshotFound::Whole(snapshot) = recovered.restored.snapshot else { panic!("it is whole") };
        assert_eq!((snapshot.slot, snapshot.digest, snapshot.checksum), (40, 99, checksum));
        let mut journal = recovered.journal;
        journal.read_piece(1, &mut device.out).expect("there is one");
        let happened = device.settle(&mut journal);
        let [seedfast_core::journal::Happened::Piece { number: 1, slot: 40, payload }] = &happened[..] else {
            panic!("{happened:?}")
        };
        assert_eq!(**payload, [7; 24]);
    }
}

#[test]
fn s3_a_damaged_snapshot_takes_nothing_else_with_it() {
    for flipped in [true, false] {
        let mut device = Device::by_hand();
        with_snapshot(&mut device, 0, true);
        device.promises(2);
        if flipped {
            device.bytes[2048 + 110] ^= 1;
        } else {
            device.bytes[2048..2560].fill(0);
        }
        let recovered = recovers(&mut device, Row::S3);
        assert!(
            matches!(recovered.restored.snapshot, SnapshotFound::Damaged(snapshot) if snapshot.slot == 40)
        );
        assert_eq!(numbers(&recovered), [1, 2], "promises and votes hold");
    }
}

#[test]
fn s4_a_part_of_another_snapshot() {
    let mut device = Device::by_hand();
    with_snapshot(&mut device, 0, false);
    let recovered = recovers(&mut device, Row::S4);
    let partial = recovered.restored.partial.expect("it is found");
    assert_eq!((partial.slot, partial.pieces, partial.bytes, partial.complete), (40, 1, 24, true));
    // Gone on with, it can be made to count.
    let mut journal = recovered.journal;
    assert_eq!(journal.resume_snapshot(), Some(partial));
    journal.finish_snapshot(5, &mut device.out).expect("it is complete");
    let happened = device.settle(&mut journal);
    let [seedfast_core::journal::Happened::SnapshotDurable(snapshot)] = happened[..] else {
        panic!("{happened:?}")
    };
    let checkpoint =
        Checkpoint { promised: 3, decided: 40, snapshot: Some(snapshot), covered: 40, configuration: None };
    journal.checkpoint(&checkpoint, &mut device.out).expect("nothing else is under way");
    device.settle(&mut journal);
    let restored = recovers(&mut device, Row::S2).restored;
    assert_eq!((restored.promised, restored.decided), (3, 40));
}

#[test]
fn every_row_has_a_test() {
    // The names of the functions above, so that a new row without a test is noticed.
    let source = include_str!("journal_rows.rs");
    for row in Row::ALL {
        assert!(source.contains(&format!("fn {}_", row.to_string().to_lowercase())), "{row} has no test");
    }
}
