//! What crashes leave of a disk, seen by the process that comes back.

mod common;
use common::*;
use seedfast_core::{Completion, DeviceId, Durability, Input, Now, OperationId, Outbox, Range, Step};
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

#[test]
fn misuse_of_a_device_is_a_violation() {
    let broken = |behaviour| {
        run(1, &calm(1), &mut Stage::with_disk(behaviour)).broken.map(|broken| broken.violation.invariant)
    };
    let misused = Some("storage".to_string());
    assert_eq!(
        misused,
        broken(|toy, _, input, out| {
            if let Input::Start(_) = input {
                toy.write(out, 1, 0, 2, 1, Durability::Visible);
                toy.write(out, 2, 1, 1, 1, Durability::Visible);
            }
        })
    );
    assert_eq!(
        misused,
        broken(|toy, _, input, out| {
            if let Input::Start(_) = input {
                toy.write(out, 1, 1 << 11, 1, 1, Durability::Visible);
            }
        })
    );
    assert_eq!(
        misused,
        broken(|toy, _, input, out| {
            if let Input::Start(_) = input {
                out.read(toy.op(1), DeviceId(3), Range { at: 0, length: 1 });
            }
        })
    );
    assert_eq!(
        misused,
        broken(|toy, _, input, out| {
            if let Input::Start(start) = input {
                (0..=start.queue_depth)
                    .for_each(|n| toy.write(out, n, u64::from(n), 1, 1, Durability::Visible));
            }
        })
    );
    assert_eq!(
        None,
        broken(|toy, _, input, out| {
            if let Input::Start(start) = input {
                (0..start.queue_depth)
                    .for_each(|n| toy.write(out, n, u64::from(n), 1, 1, Durability::Visible));
            }
        })
    );
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
