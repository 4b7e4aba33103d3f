//! The journal at work: what it costs, what a crash leaves of it, and that nothing durable is ever shortened.

#[allow(dead_code, reason = "each user takes what it needs")]
mod device;

use device::{Device, Recovered, Seen};
use proptest::prelude::*;
use seedfast_core::journal::{
    Checkpoint, Full, Happened, Journal, Kind, NotNow, Options, Refusal, Row, SnapshotFound,
};
use seedfast_core::storage::{Durability, Failure, Step};
use seedfast_core::{Completion, Geometry};

const DISK: Options = Options { copy: 512, area: 2048, segment: 2048, segments: 4 };
const NVM: Options = Options { copy: 256, area: 512, segment: 512, segments: 4 };
const TINY_DISK: Options = Options { copy: 512, area: 512, segment: 512, segments: 2 };

fn start(device: &mut Device) -> Recovered {
    device.recover().unwrap_or_else(|refusal| panic!("refused: {refusal}"))
}

fn disk() -> Device {
    Device::formatted(Geometry::disk(16 << 10), &DISK)
}

/// Appends a vote of `size` bytes of value.
fn vote(journal: &mut Journal, slot: u64, size: usize, device: &mut Device) -> u64 {
    let value = vec![slot as u8; size];
    journal.append(Kind::Vote, slot, 256, 0, &[&slot.to_le_bytes(), &value], &mut device.out)
}

#[test]
fn a_group_under_load_is_one_write_and_one_sync() {
    for (geometry, options) in [(Geometry::disk(1 << 20), DISK), (Geometry::nvm(1 << 20), NVM)] {
        let options = Options { segment: 16 << 10, segments: 8, ..options };
        let mut device = Device::formatted(geometry, &options);
        let mut journal = start(&mut device).journal;
        (device.writes, device.syncs) = (0, 0);
        for group in 1..=20_u64 {
            // Records gather while the group before is in flight, and nothing else is submitted meanwhile.
            for record in 0..7 {
                vote(&mut journal, group * 10 + record, 50, &mut device);
                if group > 1 && record < 6 {
                    journal.commit(0, false, &mut device.out).expect("there is room");
                    journal.rest(&mut device.out);
                    device.collect();
                    assert_eq!(device.submitted.len(), 1, "one group in flight at a time");
                }
            }
            if group > 1 {
                let (op, chain, durability) = device.submitted.pop().expect("the group in flight");
                device.carry_out(&chain, durability);
                assert_eq!(journal.completed(op, Completion::Done, &mut device.out), Happened::Durable);
            }
            journal.commit(0, false, &mut device.out).expect("there is room");
            journal.rest(&mut device.out);
            device.collect();
        }
        let (op, chain, durability) = device.submitted.pop().expect("the last group");
        device.carry_out(&chain, durability);
        assert_eq!(journal.completed(op, Completion::Done, &mut device.out), Happened::Durable);
        assert_eq!((journal.durable(), device.writes, device.syncs), (140, 20, 20));
        // At rest the mark is written: one write more, and no sync.
        journal.rest(&mut device.out);
        device.settle(&mut journal);
        assert_eq!((device.writes, device.syncs), (21, 20));
        journal.rest(&mut device.out);
        device.settle(&mut journal);
        assert_eq!(device.writes, 21, "it is written once");
    }
}

#[test]
fn nothing_is_durable_before_its_sync_was() {
    let mut device = disk();
    let mut journal = start(&mut device).journal;
    let first = vote(&mut journal, 1, 10, &mut device);
    journal.commit(0, false, &mut device.out).expect("there is room");
    device.collect();
    assert!(journal.durable() < first);
    let (op, chain, durability) = device.submitted.pop().expect("the group");
    assert_eq!(durability, Durability::Durable, "the completion must mean a sync");
    device.carry_out(&chain, durability);
    let later = vote(&mut journal, 2, 10, &mut device);
    journal.completed(op, Completion::Done, &mut device.out);
    assert!(journal.durable() >= first && journal.durable() < later);
}

#[test]
fn the_mark_closes_the_last_gap() {
    let mut device = disk();
    let mut journal = start(&mut device).journal;
    vote(&mut journal, 1, 10, &mut device);
    journal.commit(0, false, &mut device.out).expect("there is room");
    device.settle(&mut journal);
    let at = journal.layout().log() as usize + 50;
    // Durable, and neither a later record nor a mark says so: damage cannot be told from a torn write.
    device.bytes[at] ^= 1;
    assert_eq!(start(&mut device).restored.last, 0);
    device.bytes[at] ^= 1;
    journal.rest(&mut device.out);
    device.settle(&mut journal);
    device.bytes[at] ^= 1;
    assert!(matches!(device.recover(), Err(Refusal::Damage { number: 1, .. })));
    // The two copies take turns, so that one is whole while the other is written.
    device.bytes[at] ^= 1;
    let layout = *journal.layout();
    let before = device.bytes[layout.mark(0) as usize..][..64].to_vec();
    vote(&mut journal, 2, 10, &mut device);
    journal.commit(0, false, &mut device.out).expect("there is room");
    device.settle(&mut journal);
    journal.rest(&mut device.out);
    device.settle(&mut journal);
    assert_eq!(device.bytes[layout.mark(0) as usize..][..64], before);
    assert!(device.bytes[layout.mark(1) as usize..][..64].iter().any(|byte| *byte != 0));
}

#[test]
fn a_burst_that_no_segment_holds_becomes_several_groups() {
    let mut device = Device::formatted(Geometry::disk(64 << 10), &Options { segments: 16, ..DISK });
    let mut journal = start(&mut device).journal;
    for slot in 0..12 {
        vote(&mut journal, slot, 500, &mut device);
    }
    let mut groups = 0;
    while journal.durable() < 12 {
        journal.commit(12, false, &mut device.out).expect("there is room");
        // Only the group that empties the burst may carry the decided prefix.
        assert!(groups > 0 || journal.submitted_decided() == 0);
        assert_eq!(device.settle(&mut journal), [Happened::Durable]);
        groups += 1;
    }
    assert!(groups > 3, "{groups}");
    assert_eq!(journal.durable_decided(), 12);
    let recovered = start(&mut device);
    assert_eq!((recovered.restored.last, recovered.journal.durable_decided()), (12, 12));
}

#[test]
fn a_prefix_of_a_group_does_not_claim_what_its_rest_would_have_said() {
    let mut device = disk();
    let mut journal = start(&mut device).journal;
    vote(&mut journal, 0, 400, &mut device);
    vote(&mut journal, 1, 400, &mut device);
    journal.commit(2, false, &mut device.out).expect("there is room");
    let layout = *journal.layout();
    device.settle(&mut journal);
    assert_eq!(start(&mut device).journal.durable_decided(), 2);
    // The second sector is lost, and with it the second record.
    device.bytes[layout.log() as usize + 512..][..512].fill(0);
    let recovered = start(&mut device);
    assert_eq!((recovered.restored.last, recovered.journal.durable_decided()), (1, 0));
}

#[test]
fn a_full_log_keeps_room_for_promises_and_then_says_so() {
    let mut device = Device::formatted(Geometry::disk(64 << 10), &Options { segment: 4096, ..DISK });
    let mut journal = start(&mut device).journal;
    let mut slot = 0;
    while journal.has_room(58) {
        vote(&mut journal, slot, 50, &mut device);
        journal.commit(0, false, &mut device.out).expect("has_room said so");
        device.settle(&mut journal);
        slot += 1;
    }
    let mut promises = 0;
    loop {
        journal.append(Kind::Promise, 0, 300 + promises, 0, &[], &mut device.out);
        match journal.commit(0, false, &mut device.out) {
            Ok(()) => promises += 1,
            Err(Full) => break,
        }
        device.settle(&mut journal);
    }
    assert!(promises >= 4, "only {promises} promises had room");
    // What waits for room does not keep the last durable group from its witness.
    journal.rest(&mut device.out);
    device.settle(&mut journal);
    assert_eq!(start(&mut device).restored.mark, slot + promises);
    assert_eq!(start(&mut device).restored.last, slot + promises);
}

#[test]
fn a_full_device_is_waited_for_and_the_same_bytes_are_written_again() {
    let mut device = disk();
    let mut journal = start(&mut device).journal;
    vote(&mut journal, 1, 10, &mut device);
    journal.commit(0, false, &mut device.out).expect("there is room");
    device.collect();
    let (op, first, _) = device.submitted.pop().expect("the group");
    let result = Completion::Failed(Failure::NoSpace);
    assert_eq!(journal.completed(op, result, &mut device.out), Happened::NoSpace);
    assert!(journal.is_stuck() && !journal.has_room(1) && journal.durable() == 0);
    vote(&mut journal, 2, 10, &mut device);
    journal.commit(0, false, &mut device.out).expect("it waits");
    device.collect();
    assert!(device.submitted.is_empty(), "nothing overtakes what waits");
    journal.retry(&mut device.out);
    journal.retry(&mut device.out);
    device.collect();
    let [(_, again, Durability::Durable)] = &device.submitted[..] else { panic!("one write, once") };
    assert_eq!(*again, first);
    assert_eq!(device.settle(&mut journal), [Happened::Durable]);
    assert!(!journal.is_stuck() && journal.has_room(1));
}

#[test]
fn a_failed_sync_ends_the_life() {
    for failure in [Failure::Device, Failure::Media] {
        let mut device = disk();
        let mut journal = start(&mut device).journal;
        vote(&mut journal, 1, 10, &mut device);
        journal.commit(0, false, &mut device.out).expect("there is room");
        device.collect();
        let (op, _, _) = device.submitted.pop().expect("the group");
        let happened = journal.completed(op, Completion::Failed(failure), &mut device.out);
        assert_eq!((happened, journal.durable()), (Happened::Dead(failure), 0));
    }
}

/// Commits one vote, and waits for it.
fn commit_vote(journal: &mut Journal, slot: u64, device: &mut Device) {
    vote(journal, slot, 300, device);
    journal.commit(slot, false, &mut device.out).expect("there is room");
    device.settle(journal);
}

/// Writes a snapshot of a few pieces at `slot`, and makes it durable.
fn snapshot(journal: &mut Journal, slot: u64, device: &mut Device) -> seedfast_core::journal::Snapshot {
    journal.begin_snapshot(slot, 0).expect("none is under way");
    for piece in 0..3_u64 {
        assert!(journal.piece_room() >= 100);
        let bytes = [slot.to_le_bytes(), piece.to_le_bytes()].concat();
        let number = journal.write_piece(&[&bytes], piece == 2, &mut device.out).expect("it fits");
        assert_eq!(u64::from(number), piece + 1);
    }
    assert_eq!(journal.finish_snapshot(slot + 1, &mut device.out), Err(NotNow::Busy), "pieces are in flight");
    assert_eq!(journal.read_draft(2, &mut device.out), Err(NotNow::Busy));
    device.settle(journal);
    assert_eq!(journal.draft().map(|draft| (draft.slot, draft.pieces, draft.bytes)), Some((slot, 3, 48)));
    journal.read_draft(2, &mut device.out).expect("it was written");
    match &device.settle(journal)[..] {
        [Happened::Piece { number: 2, slot: at, payload }] => {
            assert_eq!((*at, &payload[8..]), (slot, &1_u64.to_le_bytes()[..]));
        }
        other => panic!("{other:?}"),
    }
    journal.finish_snapshot(slot + 1, &mut device.out).expect("the pieces are written");
    match device.settle(journal)[..] {
        [Happened::SnapshotDurable(snapshot)] => snapshot,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn checkpoints_give_segments_back_lap_after_lap() {
    let mut device = disk();
    let mut journal = start(&mut device).journal;
    let mut slot = 0;
    for round in 0..20_u64 {
        while journal.has_room(308) {
            commit_vote(&mut journal, slot, &mut device);
            slot += 1;
        }
        let reference = snapshot(&mut journal, slot, &mut device);
        assert_eq!(u64::from(reference.area), round % 2, "the areas take turns");
        let (free, head) = (journal.free(), journal.metadata().head);
        (device.writes, device.syncs) = (0, 0);
        let configuration = [round as u8; 40];
        let checkpoint = Checkpoint {
            promised: 1000 + round,
            decided: slot,
            snapshot: Some(reference),
            covered: slot,
            configuration: Some((round as u32, &configuration)),
        };
        journal.checkpoint(&checkpoint, &mut device.out).expect("nothing is under way");
        assert_eq!(journal.checkpoint(&checkpoint, &mut device.out), Err(NotNow::Busy));
        assert_eq!(journal.free(), free, "nothing is acted upon before both copies are durable");
        assert_eq!(device.settle(&mut journal), [Happened::Checkpointed]);
        assert_eq!((device.writes, device.syncs), (2, 2), "copy A, a barrier, copy B, a barrier");
        assert!(journal.free() > free);
        assert!(journal.metadata().head.number > head.number);
        let mut recovered = start(&mut device);
        assert_eq!(recovered.restored.promised, 1000 + round);
        assert_eq!((recovered.restored.decided, recovered.restored.epoch), (slot, round as u32));
        assert_eq!(recovered.restored.configuration, configuration);
        assert_eq!(recovered.restored.snapshot, SnapshotFound::Whole(reference));
        assert_eq!(recovered.seen.last().map(|seen| seen.slot), Some(slot - 1));
        assert_eq!(recovered.restored.last, slot);
        for number in 1..=3_u32 {
            recovered.journal.read_piece(number, &mut device.out).expect("it is there");
            let expected = [slot.to_le_bytes(), u64::from(number - 1).to_le_bytes()].concat();
            match &device.settle(&mut recovered.journal)[..] {
                [Happened::Piece { payload, .. }] => assert_eq!(**payload, expected),
                other => panic!("{other:?}"),
            }
        }
        // The next rounds go on with the recovered journal or with the one that wrote: both know the same.
        if round % 2 == 0 {
            journal = recovered.journal;
        }
    }
    assert!(slot > 4 * 20, "the ring was gone round many times");
}

#[test]
fn a_crash_in_a_checkpoint_leaves_the_old_one_or_the_new_one() {
    let mut device = disk();
    let mut journal = start(&mut device).journal;
    for slot in 0..12 {
        commit_vote(&mut journal, slot, &mut device);
    }
    let reference = snapshot(&mut journal, 12, &mut device);
    let checkpoint =
        Checkpoint { promised: 9, decided: 12, snapshot: Some(reference), covered: 12, configuration: None };
    journal.checkpoint(&checkpoint, &mut device.out).expect("nothing is under way");
    device.collect();
    let (_, chain, _) = device.submitted.pop().expect("the update");
    let [Step::Write { at: 0, buffer: a }, Step::Barrier, Step::Write { at: 512, buffer: b }] = &chain[..]
    else {
        panic!("copy A, a barrier, copy B, and not {chain:?}")
    };
    let old = device.bytes.clone();
    // Any torn state of either copy, the other one being what the barrier makes it.
    for (torn, at, a_done) in [(a, 0_usize, false), (b, 512, true)] {
        for cut in (0..=200).step_by(8) {
            device.bytes.clone_from(&old);
            if a_done {
                device.bytes[..a.len()].copy_from_slice(a);
            }
            device.bytes[at..at + cut].copy_from_slice(&torn[..cut]);
            device.incarnation = 1;
            let recovered = start(&mut device);
            // The last eight bytes (the configuration's epoch and length) are zeros before and after.
            let new = a_done || cut >= 192;
            assert_eq!(recovered.restored.promised, if new { 9 } else { 0 }, "cut {cut} at {at}");
            assert_eq!(recovered.restored.last, 12);
            assert_eq!(device.bytes[..200], device.bytes[512..712], "both copies are whole again");
        }
    }
}

#[test]
fn the_head_never_passes_a_vote_that_is_not_covered() {
    let mut device = disk();
    let mut journal = start(&mut device).journal;
    for slot in 0..12 {
        commit_vote(&mut journal, slot, &mut device);
    }
    let checkpoint = Checkpoint { promised: 1, decided: 0, snapshot: None, covered: 5, configuration: None };
    journal.checkpoint(&checkpoint, &mut device.out).expect("nothing is under way");
    device.settle(&mut journal);
    let seen: Vec<u64> = start(&mut device).seen.iter().map(|seen| seen.slot).collect();
    assert_eq!(seen, [4, 5, 6, 7, 8, 9, 10, 11], "whole segments of four votes, all below 5");
}

#[test]
fn a_configuration_that_does_not_fit_is_refused() {
    let mut device = disk();
    let mut journal = start(&mut device).journal;
    let large = vec![1; 400];
    let checkpoint =
        Checkpoint { promised: 0, decided: 0, snapshot: None, covered: 0, configuration: Some((1, &large)) };
    assert_eq!(journal.checkpoint(&checkpoint, &mut device.out), Err(NotNow::TooLarge));
}

#[test]
fn everything_may_be_in_flight_at_once_and_the_queue_is_respected() {
    for depth in [1, 2, 4, 16] {
        let mut device = disk();
        let mut journal = start(&mut device).journal;
        let layout = *journal.layout();
        // Recovered with another queue.
        let mut recovered = recover_with_queue(&mut device, depth);
        std::mem::swap(&mut journal, &mut recovered);
        let mut most = 0;
        let mut waiting: Vec<_> = Vec::new();
        let mut slot = 0;
        for step in 0..200_u64 {
            if journal.has_room(58) {
                vote(&mut journal, slot, 50, &mut device);
                slot += 1;
            }
            journal.commit(0, false, &mut device.out).expect("there is room");
            journal.rest(&mut device.out);
            let _ = journal.begin_snapshot(step, 0);
            let _ = journal.write_piece(&[&[1; 30]], step % 3 == 2, &mut device.out);
            let _ = journal.finish_snapshot(0, &mut device.out);
            let checkpoint =
                Checkpoint { promised: 0, decided: 0, snapshot: None, covered: 0, configuration: None };
            let _ = journal.checkpoint(&checkpoint, &mut device.out);
            device.collect();
            waiting.append(&mut device.submitted);
            most = most.max(waiting.len());
            assert!(waiting.len() <= depth as usize, "{} in flight in a queue of {depth}", waiting.len());
            let mut ranges: Vec<(u64, u64)> = Vec::new();
            for (_, chain, _) in &waiting {
                for write in chain {
                    if let Step::Write { at, buffer } = write {
                        let range = (*at, at + buffer.len() as u64);
                        assert!(
                            ranges.iter().all(|other| range.1 <= other.0 || other.1 <= range.0),
                            "they overlap"
                        );
                        assert!(range.0 % layout.unit == 0 && range.1 % layout.unit == 0, "misaligned");
                        ranges.push(range);
                    }
                }
            }
            if !waiting.is_empty() && step % 2 == 0 {
                let (op, chain, durability) = waiting.remove(step as usize / 2 % waiting.len());
                device.carry_out(&chain, durability);
                if let Happened::SnapshotDurable(_) = journal.completed(op, Completion::Done, &mut device.out)
                {
                    journal.abandon_snapshot();
                }
            }
        }
        assert!(most >= (depth as usize / 2).min(4), "only {most} were in flight in a queue of {depth}");
    }
}

fn recover_with_queue(device: &mut Device, queue_depth: u32) -> Journal {
    use seedfast_core::journal::{Recovery, Setting, Step as Recovering};
    use seedfast_core::{Buffer, DeviceId, Incarnation};
    device.incarnation += 1;
    let setting = Setting {
        expected: device::EXPECTED,
        incarnation: Incarnation(device.incarnation),
        device: DeviceId(0),
        geometry: device.geometry,
        queue_depth,
    };
    let mut recovery = Recovery::begin(setting, &mut device.out);
    loop {
        device.collect();
        let (op, result) = match (device.submitted.pop(), device.reads.pop()) {
            (Some((op, ..)), _) => (op, Completion::Done),
            (_, Some((op, range))) => {
                let bytes = &device.bytes[range.at as usize..(range.at + range.length) as usize];
                (op, Completion::Data(Buffer::copy_from(bytes)))
            }
            _ => panic!("it asks for something"),
        };
        match recovery.step(op, &result, &mut |_| {}, &mut device.out) {
            Recovering::More => {}
            Recovering::Recovered => return recovery.finish().0,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_large_journal_is_read_in_chunks_and_around_medium_errors() {
    let options = Options { copy: 4096, area: 1200 << 10, segment: 64 << 10, segments: 12 };
    let mut device = Device::formatted(Geometry::disk(4 << 20), &options);
    let mut journal = start(&mut device).journal;
    for slot in 0..60 {
        vote(&mut journal, slot, 4000, &mut device);
        journal.commit(slot, false, &mut device.out).expect("there is room");
        device.settle(&mut journal);
    }
    // Three pieces of a transfer that was interrupted, more than one chunk together.
    journal.begin_snapshot(50, 3).expect("none is under way");
    for _ in 0..3 {
        journal.write_piece(&[&[5; 350 << 10]], false, &mut device.out).expect("it fits");
    }
    device.settle(&mut journal);
    let recovered = start(&mut device);
    let partial = recovered.restored.partial.expect("the pieces are found");
    assert_eq!((partial.slot, partial.pieces, partial.complete), (50, 3, false));
    assert_eq!(recovered.restored.last, 60);
    assert!(recovered.seen.iter().all(|seen| seen.payload[8..] == vec![seen.slot as u8; 4000]));
    // A unit that cannot be read where nothing is written costs nothing; one that may hide a durable record is refused.
    let layout = *journal.layout();
    let range = |at| seedfast_core::storage::Range { at, length: 512 };
    device.bad.push(range(layout.log() + layout.lap() - 512));
    assert_eq!(start(&mut device).restored.last, 60);
    device.bad.push(range(layout.log() + 70 * 512));
    assert_eq!(device.recover().err(), Some(Refusal::Unreadable { offset: layout.log() + 70 * 512 }));
    // Behind the last record too: nobody knows whether another one was durable there.
    device.bad.clear();
    let end = (0..).map(|unit| layout.log() + unit * 512);
    let blank = |at: &u64| device.bytes[*at as usize..*at as usize + 512].iter().all(|byte| *byte == 0);
    let tail = end.into_iter().find(blank).expect("the log is not full");
    device.bad.push(range(tail));
    assert_eq!(device.recover().err(), Some(Refusal::Unreadable { offset: tail }));
    // Both copies of the metadata, or a part of the snapshot that counts.
    device.bad = vec![range(0), range(4096)];
    assert_eq!(device.recover().err(), Some(Refusal::Unreadable { offset: 0 }));
    device.bad = vec![range(4096)];
    assert_eq!(start(&mut device).restored.last, 60, "one copy is enough");
}

#[test]
fn a_line_that_cannot_be_read_hides_a_header_that_began_before_it() {
    let options = Options { copy: 256, area: 512, segment: 512, segments: 4 };
    let mut device = Device::formatted(Geometry::nvm(4096), &options);
    let mut journal = start(&mut device).journal;
    for slot in 0..3 {
        vote(&mut journal, slot, 8, &mut device);
        journal.commit(slot, false, &mut device.out).expect("there is room");
        device.settle(&mut journal);
    }
    // A record takes two lines here, and its number stands in the second one.
    let second = journal.layout().log() + 128 + 64;
    device.bad.push(seedfast_core::storage::Range { at: second, length: 64 });
    assert_eq!(device.recover().err(), Some(Refusal::Unreadable { offset: second - 64 }));
    device.bad.clear();
    assert_eq!(start(&mut device).restored.last, 3);
}

#[derive(Clone, Debug)]
enum Deed {
    Vote(usize),
    Promise,
    Commit,
    Rest,
    Checkpoint,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        6 => (0..180_usize).prop_map(Deed::Vote),
        1 => Just(Deed::Promise),
        4 => Just(Deed::Commit),
        1 => Just(Deed::Rest),
        2 => Just(Deed::Checkpoint),
    ];
    prop::collection::vec(deed, 1..80)
}

/// What a run left: the device without its last group, that group, and every record by number.
struct Run {
    device: Device,
    last: Option<(u64, Vec<u8>)>,
    records: Vec<Seen>,
    durable: u64,
}

fn run(geometry: Geometry, options: &Options, deeds: &[Deed]) -> Run {
    let mut device = Device::formatted(geometry, options);
    let mut journal = start(&mut device).journal;
    let (mut records, mut slot) = (Vec::new(), 0_u64);
    for deed in deeds {
        match deed {
            Deed::Vote(size) => {
                if journal.has_room(8 + size) {
                    let number = vote(&mut journal, slot, *size, &mut device);
                    let payload = [&slot.to_le_bytes()[..], &vec![slot as u8; *size]].concat();
                    records.push(Seen { number, kind: Kind::Vote, slot, ballot: 256, decided: 0, payload });
                    slot += 1;
                }
            }
            Deed::Promise => {
                if journal.has_room(0) {
                    let number = journal.append(Kind::Promise, 0, 512, 0, &[], &mut device.out);
                    let payload = Vec::new();
                    records.push(Seen {
                        number,
                        kind: Kind::Promise,
                        slot: 0,
                        ballot: 512,
                        decided: 0,
                        payload,
                    });
                }
            }
            Deed::Commit => {
                journal.commit(0, false, &mut device.out).expect("has_room said so");
                device.settle(&mut journal);
            }
            Deed::Rest => {
                journal.rest(&mut device.out);
                device.settle(&mut journal);
            }
            Deed::Checkpoint => {
                let covered =
                    records.iter().filter(|seen| seen.number <= journal.durable() && seen.kind == Kind::Vote);
                let covered = covered.map(|seen| seen.slot + 1).max().unwrap_or(0);
                let checkpoint =
                    Checkpoint { promised: 512, decided: 0, snapshot: None, covered, configuration: None };
                journal.checkpoint(&checkpoint, &mut device.out).expect("nothing is under way");
                device.settle(&mut journal);
            }
        }
    }
    let durable = journal.durable();
    journal.commit(0, false, &mut device.out).expect("has_room said so");
    device.collect();
    let last = device.submitted.pop().map(|(_, chain, _)| match &chain[..] {
        [Step::Write { at, buffer }] => (*at, buffer.to_vec()),
        other => panic!("a group is one write, not {other:?}"),
    });
    Run { device, last, records, durable }
}

/// Recovery must give every durable record from the head on, and then a prefix of the last group.
fn check(run: &Run, recovered: &Recovered) {
    let head = recovered.journal.metadata().head.number;
    assert!(recovered.restored.last >= run.durable, "{} of {}", recovered.restored.last, run.durable);
    let expected = run.records.iter().filter(|seen| (head..=recovered.restored.last).contains(&seen.number));
    assert!(recovered.seen.iter().eq(expected), "{:?}", recovered.seen);
    assert_eq!(recovered.seen.len() as u64, recovered.restored.last + 1 - head);
}

fn media() -> impl Strategy<Value = (Geometry, Options)> {
    prop_oneof![
        Just((Geometry::disk(16 << 10), DISK)),
        Just((Geometry::nvm(4096), NVM)),
        Just((Geometry::disk(4096), TINY_DISK)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_crash_leaves_every_durable_record_and_a_prefix_of_the_last_group(
        (geometry, options) in media(),
        deeds in deeds(),
        kept in prop::collection::vec(any::<bool>(), 512),
    ) {
        let mut run = run(geometry, &options, &deeds);
        if let Some((at, bytes)) = run.last.clone() {
            let atomic = geometry.atomic as usize;
            for (index, unit) in bytes.chunks(atomic).enumerate() {
                if kept[index % kept.len()] {
                    let at = at as usize + index * atomic;
                    run.device.bytes[at..at + unit.len()].copy_from_slice(unit);
                }
            }
        }
        let recovered = start(&mut run.device);
        check(&run, &recovered);
        // The next life goes on behind it, and finds all of it again.
        let last = recovered.restored.last;
        let mut journal = recovered.journal;
        if journal.has_room(0) {
            let number = journal.append(Kind::Promise, 0, 1024, 0, &[], &mut run.device.out);
            prop_assert_eq!(number, last + 1);
            journal.commit(0, false, &mut run.device.out).expect("has_room said so");
            run.device.settle(&mut journal);
            let again = start(&mut run.device);
            prop_assert_eq!(again.restored.last, last + 1);
            prop_assert_eq!(again.seen.last().map(|seen| seen.ballot), Some(1024));
            prop_assert_eq!(&again.seen[..again.seen.len() - 1], &recovered.seen[..]);
        }
    }

    #[test]
    fn a_flipped_bit_below_the_mark_is_refused_or_changes_nothing(
        (geometry, options) in media(),
        deeds in deeds(),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut run = run(geometry, &options, &deeds);
        // The last group never reached the device; the mark did.
        run.last = None;
        let recovered = start(&mut run.device);
        check(&run, &recovered);
        let layout = *recovered.journal.layout();
        let mut journal = recovered.journal;
        journal.rest(&mut run.device.out);
        run.device.settle(&mut journal);
        let bit = bit.index((layout.end() * 8) as usize);
        let before = run.device.bytes.clone();
        run.device.bytes[bit / 8] ^= 1 << (bit % 8);
        let flipped = run.device.bytes.clone();
        match run.device.recover() {
            Ok(again) => {
                prop_assert_eq!(&again.seen, &recovered.seen, "bit {} shortened or changed the log", bit);
            }
            Err(refusal) => {
                prop_assert!(matches!(refusal, Refusal::Damage { .. }), "{}", refusal);
                prop_assert_eq!(refusal.row(), Some(Row::L5));
                prop_assert!(run.device.bytes == flipped, "a refusal changed the device");
                // Bytes between records are not part of any: only a bit of a record is damage.
                prop_assert!((bit / 8) as u64 >= layout.log());
                prop_assert!(before != flipped);
            }
        }
    }

    #[test]
    fn a_crash_inside_recovery_is_another_crash(
        (geometry, options) in media(),
        deeds in deeds(),
        kept in prop::collection::vec(any::<bool>(), 512),
        repaired in prop::collection::vec(any::<bool>(), 512),
    ) {
        let mut run = run(geometry, &options, &deeds);
        let atomic = geometry.atomic as usize;
        if let Some((at, bytes)) = run.last.clone() {
            for (index, unit) in bytes.chunks(atomic).enumerate() {
                if kept[index % kept.len()] {
                    let at = at as usize + index * atomic;
                    run.device.bytes[at..at + unit.len()].copy_from_slice(unit);
                }
            }
        }
        // A torn mark and a torn metadata copy call for repairs of their own.
        let crashed = run.device.bytes.clone();
        let first = start(&mut run.device);
        let whole = run.device.bytes.clone();
        // Of what recovery wrote, any units are lost.
        run.device.bytes.clone_from(&crashed);
        for index in 0..whole.len() / atomic {
            if repaired[index % repaired.len()] {
                let unit = index * atomic..(index + 1) * atomic;
                run.device.bytes[unit.clone()].copy_from_slice(&whole[unit]);
            }
        }
        let second = start(&mut run.device);
        check(&run, &second);
        prop_assert_eq!(first.seen, second.seen);
    }
}
