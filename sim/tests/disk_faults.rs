//! What crashes leave of a disk, seen by the process that comes back.

mod common;
use common::*;
use seedfast_core::{Completion, DeviceId, Durability, Input, Now, OperationId, Outbox, Output, Range, Step};
use seedfast_sim::*;
use std::collections::BTreeSet;

const READ: u32 = 1000;

fn read(toy: &Toy, out: &mut Outbox, sectors: u64) {
    out.read(toy.op(READ), DeviceId(0), Range { at: 0, length: sectors * 512 });
}

/// Says the first byte of each sector that it reads; a sector must never be torn.
fn say_read(toy: &Toy, input: &Input, out: &mut Outbox) {
    if let Input::Completed { op: OperationId { number: READ, .. }, result: Completion::Data(bytes) } = input
    {
        let firsts: Vec<u8> = bytes
            .chunks(512)
            .map(|sector| {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "a torn sector");
                sector[0]
            })
            .collect();
        toy.say(out, &firsts);
    }
}

fn crash(loss: Loss, restart_after: u64) -> Fault {
    Fault::Crash { target: Target::Node(0), loss, cut: Cut::Now, restart_after: Some(restart_after) }
}

/// What the second life reads, over many seeds, and how often each effect was counted.
fn images(
    behaviour: fn(&mut Toy, Now, Input, &mut Outbox),
    fault: Fault,
    at: u64,
) -> (BTreeSet<Vec<u8>>, [u64; 4]) {
    let mut seen = BTreeSet::new();
    let mut counts = [0; 4];
    for seed in 0..200 {
        let mut stage = Stage::with_disk(behaviour);
        let outcome = run(seed, &with(calm(1), at, fault.clone()), &mut stage);
        assert_eq!(outcome.broken, None);
        seen.extend(stage.heard.iter().filter(|told| told.2 == 2).map(|told| told.3.clone()));
        let effects = [Effect::UnsyncedLost, Effect::Torn, Effect::LateLanding, Effect::Vanished];
        for (count_, effect) in counts.iter_mut().zip(effects) {
            *count_ += count(&outcome, effect);
        }
    }
    (seen, counts)
}

/// The first life writes three sectors of ones, durably, then two of twos, not durably; the second one reads.
fn writer(toy: &mut Toy, _: Now, input: Input, out: &mut Outbox) {
    say_read(toy, &input, out);
    match input {
        Input::Start(_) if toy.life.0 == 1 => toy.write(out, 1, 0, 3, 1, Durability::Durable),
        Input::Start(_) => read(toy, out, 3),
        Input::Completed { op, .. } if op == toy.op(1) => toy.write(out, 2, 0, 2, 2, Durability::Visible),
        _ => {}
    }
}

#[test]
fn power_loss_keeps_any_sectors_of_what_was_not_synced_and_all_of_what_was() {
    let (seen, [lost, torn, ..]) = images(writer, crash(Loss::Power, MS), 100 * MS);
    let any: BTreeSet<Vec<u8>> = [[1, 1, 1], [1, 2, 1], [2, 1, 1], [2, 2, 1]].map(Vec::from).into();
    assert_eq!(seen, any);
    assert!(lost > 50 && torn > 10, "{lost} {torn}");
}

/// Turns with other outputs let the crash wait; it falls while the write is in flight, so that all, some or none of it
/// survives, although nobody knows when that is.
#[test]
fn a_crash_after_a_write_waits_for_one_and_meets_it_in_flight() {
    fn late_writer(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
        say_read(toy, &input, out);
        match input {
            Input::Start(_) if toy.life.0 == 1 => toy.wake(out, now, 30 * MS),
            Input::Start(_) => read(toy, out, 2),
            Input::Timer { .. } => toy.write(out, 1, 0, 2, 1, Durability::Durable),
            _ => {}
        }
    }
    let fault = Fault::Crash {
        target: Target::Node(0),
        loss: Loss::Power,
        cut: Cut::AfterWrite,
        restart_after: Some(MS),
    };
    let (seen, [_, torn, ..]) = images(late_writer, fault, MS);
    let any: BTreeSet<Vec<u8>> = [[0, 0], [0, 1], [1, 0], [1, 1]].map(Vec::from).into();
    assert_eq!(seen, any);
    assert!(torn > 10, "{torn}");
}

#[test]
fn a_tear_keeps_the_beginning_and_loses_what_follows() {
    fn late_writer(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
        say_read(toy, &input, out);
        match input {
            Input::Start(_) if toy.life.0 == 1 => toy.wake(out, now, 30 * MS),
            Input::Start(_) => read(toy, out, 4),
            Input::Timer { .. } => {
                // Neither one sector nor a write that need not be durable is worth a tear.
                toy.write(out, 1, 4, 1, 9, Durability::Durable);
                toy.write(out, 2, 5, 3, 9, Durability::Visible);
                toy.write(out, 3, 0, 4, 1, Durability::Durable);
            }
            _ => {}
        }
    }
    let fault =
        Fault::Crash { target: Target::Node(0), loss: Loss::Power, cut: Cut::Tear, restart_after: Some(MS) };
    let (seen, [_, torn, ..]) = images(late_writer, fault, MS);
    let any: BTreeSet<Vec<u8>> =
        [[1, 0, 0, 0], [1, 0, 0, 1], [1, 0, 1, 0], [1, 0, 1, 1]].map(Vec::from).into();
    assert_eq!(seen, any);
    assert!(torn >= 100, "every one of them: {torn}");
}

#[test]
fn a_process_crash_keeps_what_was_written_readable() {
    let (seen, counts) = images(writer, crash(Loss::Process, MS), 100 * MS);
    assert_eq!(seen, BTreeSet::from([vec![2, 2, 1]]));
    assert_eq!(counts, [0; 4]);
}

#[test]
fn what_a_process_crash_left_readable_is_volatile_until_it_is_persisted() {
    fn reader(persists: bool, toy: &mut Toy, input: Input, out: &mut Outbox) {
        say_read(toy, &input, out);
        match input {
            Input::Start(_) if toy.life.0 == 1 => toy.write(out, 1, 0, 1, 7, Durability::Visible),
            Input::Start(_) if toy.life.0 == 2 && persists => {
                let mut chain = out.chain();
                chain.push(Step::Persist(Range { at: 0, length: 512 }));
                out.submit(toy.op(5), DeviceId(0), chain, Durability::Visible);
            }
            Input::Start(_) => read(toy, out, 1),
            _ => {}
        }
    }
    let third_life = |behaviour| {
        let schedule =
            with(with(calm(1), 100 * MS, crash(Loss::Process, MS)), 200 * MS, crash(Loss::Power, MS));
        let mut seen = BTreeSet::new();
        for seed in 0..100 {
            let mut stage = Stage::with_disk(behaviour);
            run(seed, &schedule, &mut stage);
            seen.extend(stage.heard.iter().filter(|told| told.2 == 3).map(|told| told.3[0]));
        }
        seen
    };
    assert_eq!(third_life(|toy, _, input, out| reader(false, toy, input, out)), BTreeSet::from([0, 7]));
    assert_eq!(third_life(|toy, _, input, out| reader(true, toy, input, out)), BTreeSet::from([7]));
}

/// Two writes, not ordered; then power is lost while both are in flight or just landed.
#[test]
fn writes_between_barriers_reach_the_disk_in_any_order() {
    fn two(barrier: bool, toy: &mut Toy, input: Input, out: &mut Outbox) {
        say_read(toy, &input, out);
        match input {
            Input::Start(_) if toy.life.0 == 1 => {
                let mut chain = out.chain();
                for (at, byte) in [(0, 1), (512, 2)] {
                    let buffer = seedfast_core::Buffer::copy_from(&[byte; 512]);
                    chain.push(Step::Write { at, buffer });
                    if barrier {
                        chain.push(Step::Barrier);
                    }
                }
                out.submit(toy.op(1), DeviceId(0), chain, Durability::Visible);
            }
            Input::Start(_) => read(toy, out, 2),
            _ => {}
        }
    }
    let mut free = BTreeSet::new();
    let mut ordered = BTreeSet::new();
    for at in 1..12 {
        let at = at * MS / 2;
        free.extend(images(|toy, _, i, out| two(false, toy, i, out), crash(Loss::Power, MS), at).0);
        ordered.extend(images(|toy, _, i, out| two(true, toy, i, out), crash(Loss::Power, MS), at).0);
    }
    assert_eq!(free, [[0, 0], [0, 2], [1, 0], [1, 2]].map(Vec::from).into());
    assert_eq!(ordered, [[0, 0], [1, 0], [1, 2]].map(Vec::from).into(), "the second never without the first");
}

/// Every write that a power loss takes is counted, and so is every submission of which a part is left: in flight or
/// completed, under way or waiting behind a barrier.
#[test]
fn what_a_power_loss_takes_is_counted() {
    fn chain(separate: Option<Step>, toy: &mut Toy, input: Input, out: &mut Outbox) {
        say_read(toy, &input, out);
        match input {
            Input::Start(_) if toy.life.0 == 1 => {
                let mut chain = out.chain();
                chain.push(Step::Write { at: 0, buffer: seedfast_core::Buffer::copy_from(&[1; 512]) });
                chain.extend(separate);
                chain.push(Step::Write { at: 512, buffer: seedfast_core::Buffer::copy_from(&[2; 512]) });
                out.submit(toy.op(1), DeviceId(0), chain, Durability::Visible);
            }
            Input::Start(_) => read(toy, out, 2),
            _ => {}
        }
    }
    let behaviours: [Behaviour; 2] = [
        |toy, _, input, out| chain(None, toy, input, out),
        |toy, _, input, out| chain(Some(Step::Barrier), toy, input, out),
    ];
    for behaviour in behaviours {
        let mut all = [0; 3];
        for (seed, at) in (0..40).flat_map(|seed| (1..16).map(move |at| (seed, at * MS / 2))) {
            let mut stage = Stage::with_disk(behaviour);
            let outcome = run(seed, &with(calm(1), at, crash(Loss::Power, MS)), &mut stage);
            let image = stage.heard[0].3.clone();
            let effects = [Effect::InFlightLost, Effect::UnsyncedLost, Effect::Torn];
            let [in_flight, unsynced, torn] = effects.map(|effect| count(&outcome, effect));
            let gone = image.iter().filter(|byte| **byte == 0).count() as u64;
            assert_eq!((in_flight + unsynced, torn), (gone, u64::from(gone == 1)), "{seed} {at} {image:?}");
            assert!(in_flight == 0 || unsynced == 0, "the operation had completed, or it had not");
            for (sum, count) in all.iter_mut().zip([in_flight, unsynced, torn]) {
                *sum += count;
            }
        }
        assert!(all.iter().all(|sum| *sum > 10), "{all:?}");
    }
}

#[test]
fn a_write_of_a_former_life_lands_late_or_vanishes_unless_it_is_drained() {
    fn late(drains: bool, toy: &mut Toy, input: Input, out: &mut Outbox) {
        say_read(toy, &input, out);
        match input {
            Input::Start(_) if toy.life.0 == 1 => toy.write(out, 1, 0, 1, 7, Durability::Visible),
            Input::Start(_) if drains => {
                let mut chain = out.chain();
                chain.push(Step::Drain);
                out.submit(toy.op(2), DeviceId(0), chain, Durability::Visible);
            }
            Input::Start(_) => toy.write(out, 3, 0, 1, 8, Durability::Visible),
            Input::Completed { op, .. } if op == toy.op(2) => toy.write(out, 3, 0, 1, 8, Durability::Visible),
            Input::Completed { op, .. } if op.incarnation.0 == 1 => toy.say(out, b"late completion"),
            Input::Completed { op, .. } if op == toy.op(3) => read(toy, out, 1),
            _ => {}
        }
    }
    // A write takes one to two milliseconds; the crash falls after half of one, the restart follows at once.
    let mut slow = calm(1);
    slow.disk.write_max = 20 * MS;
    let run_all = |behaviour| {
        let mut seen = BTreeSet::new();
        let (mut landed, mut vanished, mut completed) = (0, 0, 0);
        for seed in 0..300 {
            let mut stage = Stage::with_disk(behaviour);
            let outcome = run(seed, &with(slow.clone(), MS / 2, crash(Loss::Process, 1)), &mut stage);
            landed += count(&outcome, Effect::LateLanding);
            vanished += count(&outcome, Effect::Vanished);
            for told in stage.heard {
                if told.3 == b"late completion" {
                    completed += 1;
                } else {
                    seen.insert(told.3);
                }
            }
        }
        assert!(landed > 100 && vanished > 100 && landed + vanished == 300, "{landed} {vanished}");
        assert_eq!(completed, landed, "what landed whole completes towards the next life");
        seen
    };
    let careless = run_all(|toy, _, input, out| late(false, toy, input, out));
    assert_eq!(careless, BTreeSet::from([vec![7], vec![8]]), "the old write may fall on top of the new one");
    assert_eq!(run_all(|toy, _, input, out| late(true, toy, input, out)), BTreeSet::from([vec![8]]));
}

/// What the world says of a process that does this in its first turn.
fn misuse(behaviour: fn(&mut Toy, Now, Input, &mut Outbox)) -> Option<String> {
    let broken = run(1, &calm(1), &mut Stage::with_disk(behaviour)).broken?;
    assert_eq!(broken.violation.invariant, "storage");
    Some(broken.violation.what)
}

#[test]
fn misuse_of_a_device_is_a_violation() {
    let says = |words: &str, behaviour| {
        let what = misuse(behaviour).unwrap_or_else(|| panic!("nobody objects: {words}"));
        assert!(what.starts_with("n0 device ") && what.contains(words), "{what}");
    };
    says("the write at 512..1024 of operation 2 overlaps", |toy, _, input, out| {
        if let Input::Start(_) = input {
            toy.write(out, 1, 0, 2, 1, Durability::Visible);
            toy.write(out, 2, 1, 1, 1, Durability::Visible);
        }
    });
    says("beyond the capacity", |toy, _, input, out| {
        if let Input::Start(_) = input {
            toy.write(out, 1, 1 << 11, 1, 1, Durability::Visible);
        }
    });
    says("there is no such device", |toy, _, input, out| {
        if let Input::Start(_) = input {
            out.read(toy.op(1), DeviceId(3), Range { at: 0, length: 1 });
        }
    });
}

#[test]
fn reads_are_aligned_and_within_the_capacity() {
    fn reads(range: Range, toy: &Toy, input: &Input, out: &mut Outbox) {
        if let Input::Start(_) = input {
            out.read(toy.op(7), DeviceId(0), range);
        }
    }
    const fn range(at: u64, length: u64) -> Range {
        Range { at, length }
    }
    assert_eq!(
        misuse(|toy, _, input, out| reads(range(3, 512), toy, &input, out)).as_deref(),
        Some(
            "n0 device 0: operation 7 reads 512 bytes at 3, which is not aligned: round the range outwards to \
             multiples of 512 and take the part that is wanted"
        )
    );
    assert!(misuse(|toy, _, input, out| reads(range(512, 100), toy, &input, out)).is_some());
    assert!(
        misuse(|toy, _, input, out| reads(range((1 << 20) - 512, 1024), toy, &input, out))
            .is_some_and(|what| what.contains("beyond the capacity of 1048576"))
    );
    assert_eq!(misuse(|toy, _, input, out| reads(range((1 << 20) - 512, 512), toy, &input, out)), None);
}

#[test]
fn an_operation_has_a_name_of_its_own_until_its_completion_was_handed_over() {
    let twice = misuse(|toy, _, input, out| {
        if let Input::Start(_) = input {
            toy.write(out, 1, 0, 1, 1, Durability::Visible);
            read(toy, out, 1);
            out.read(toy.op(1), DeviceId(0), Range { at: 512, length: 512 });
        }
    });
    assert!(
        twice.as_ref().is_some_and(|what| what.contains("operation 1 is in flight already")),
        "{twice:?}"
    );
    // One after the other is fine.
    let reused = misuse(|toy, _, input, out| {
        if matches!(input, Input::Start(_) | Input::Completed { .. }) && toy.count < 5 {
            toy.count += 1;
            toy.write(out, 1, 0, 1, 1, Durability::Visible);
        }
    });
    assert_eq!(reused, None);
}

/// A slow turn is under way when operation 1 completes: it has not heard of it.
#[test]
fn a_completion_that_waits_has_not_been_handed_over() {
    fn hasty(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Start(_) => {
                toy.write(out, 1, 0, 1, 1, Durability::Visible);
                toy.wake(out, now, 0);
            }
            Input::Timer { .. } => toy.write(out, 1, 4, 1, 1, Durability::Visible),
            _ => {}
        }
    }
    let slow = Fault::Slow { target: Target::Node(0), turn: 20 * MS, lasts: 100 * MS };
    let outcome = run(1, &with(calm(1), 0, slow), &mut Stage::with_disk(hasty));
    let what = outcome.broken.map(|broken| broken.violation.what).unwrap_or_default();
    assert!(what.contains("operation 1 is in flight already"), "{what}");
}

#[test]
fn an_operation_of_another_life_is_refused() {
    fn foreign(toy: &Toy) -> OperationId {
        OperationId { incarnation: seedfast_core::Incarnation(toy.life.0 + 1), number: 1 }
    }
    let submitted = misuse(|toy, _, input, out| {
        if let Input::Start(_) = input {
            let chain = out.chain();
            out.submit(foreign(toy), DeviceId(0), chain, Durability::Durable);
        }
    });
    assert_eq!(
        submitted.as_deref(),
        Some(
            "n0 device 0: operation 1 carries incarnation 2, but this is life 1: name operations with the \
             incarnation that `Start` handed over"
        )
    );
    assert!(
        misuse(|toy, _, input, out| {
            if let Input::Start(_) = input {
                out.read(foreign(toy), DeviceId(0), Range { at: 0, length: 512 });
            }
        })
        .is_some()
    );
    assert!(
        misuse(|toy, _, input, out| {
            if let Input::Start(_) = input {
                out.push(Output::Revoke { op: foreign(toy), region: 0 });
            }
        })
        .is_some()
    );
}

/// Reads and submissions count alike; as many as `Start` said may be in flight, one more may not.
#[test]
fn the_queue_has_a_depth() {
    fn fill(more: u32, toy: &Toy, input: &Input, out: &mut Outbox) {
        if let Input::Start(start) = input {
            for n in 0..start.queue_depth + more {
                if n % 2 == 0 {
                    toy.write(out, n, u64::from(n), 1, 1, Durability::Visible);
                } else {
                    out.read(toy.op(n), DeviceId(0), Range { at: 0, length: 512 });
                }
            }
        }
    }
    assert_eq!(misuse(|toy, _, input, out| fill(0, toy, &input, out)), None);
    let what = misuse(|toy, _, input, out| fill(1, toy, &input, out)).unwrap_or_default();
    assert!(what.contains("operation 128 is one more than the 128 that may be in flight"), "{what}");
}

#[test]
fn a_degraded_disk_stalls() {
    fn endless(toy: &mut Toy, _: Now, input: Input, out: &mut Outbox) {
        if matches!(input, Input::Start(_) | Input::Completed { .. }) {
            toy.count += 1;
            toy.write(out, toy.count as u32, 0, 1, 1, Durability::Visible);
            toy.say(out, b"again");
        }
    }
    let disk = Disk { stall: 1_000_000, stall_max: 50 * MS, ..calm(1).disk };
    let degrade = Fault::DiskDegrade { target: Target::Node(0), disk, lasts: 500 * MS };
    let mut stage = Stage::with_disk(endless);
    let outcome = run(1, &with(calm(1), MS / 2, degrade), &mut stage);
    let before = stage.heard.iter().filter(|told| told.0 < 500 * MS).count();
    assert!(before < 40 && stage.heard.len() > 200, "{before} of {}", stage.heard.len());
    assert!(count(&outcome, Effect::Stalled) as usize + 3 > before - 1);
}
