//! What crashes leave of NVM, seen by the process that comes back.

mod common;
use common::*;
use seedfast_core::{
    Buffer, Completion, DeviceId, Durability, Failure, Geometry, Input, Now, OperationId, Outbox, Process,
    Range, Step,
};
use seedfast_sim::trace::{Memory, Reader, What};
use seedfast_sim::*;
use std::collections::BTreeSet;

/// A stage whose nodes have NVM.
struct Nvm(Stage);

impl Scene for Nvm {
    fn process(&mut self, node: seedfast_core::NodeId) -> Box<dyn Process> {
        self.0.process(node)
    }
    fn devices(&mut self, _: seedfast_core::NodeId) -> Formatted {
        vec![(Geometry::nvm(1 << 16), vec![])]
    }
    fn observe(&mut self, seen: Seen<'_>) -> Result<(), Violation> {
        self.0.observe(seen)
    }
}

const READ: u32 = 1000;

fn read(toy: &Toy, out: &mut Outbox, words: u64) {
    out.read(toy.op(READ), DeviceId(0), Range { at: 0, length: words * 8 });
}

/// Says the byte that each word is made of; a word must never be torn.
fn say_read(toy: &Toy, input: &Input, out: &mut Outbox) {
    if let Input::Completed { op: OperationId { number: READ, .. }, result } = input {
        match result {
            Completion::Data(bytes) => {
                let firsts: Vec<u8> = bytes
                    .chunks(8)
                    .map(|word| {
                        assert!(word.iter().all(|byte| *byte == word[0]), "a torn word");
                        word[0]
                    })
                    .collect();
                toy.say(out, &firsts);
            }
            Completion::Failed(Failure::Media) => toy.say(out, b"unreadable"),
            other => panic!("{other:?}"),
        }
    }
}

/// `words` words of one byte.
fn words(at: u64, words: usize, byte: u8) -> Step {
    Step::Write { at: at * 8, buffer: Buffer::copy_from(&vec![byte; words * 8]) }
}

fn submit(toy: &Toy, out: &mut Outbox, number: u32, steps: &[Step], how: Durability) {
    let mut chain = out.chain();
    chain.extend_from_slice(steps);
    out.submit(toy.op(number), DeviceId(0), chain, how);
}

fn crash(loss: Loss) -> Fault {
    Fault::Crash { target: Target::Node(0), loss, cut: Cut::Now, restart_after: Some(MS) }
}

/// What life `life` read, over many seeds, and the sums of some effects.
fn seen(schedule: &Schedule, life: u32, behaviour: Behaviour, seeds: u64) -> (BTreeSet<Vec<u8>>, Vec<u64>) {
    let effects =
        [Effect::UnsyncedLost, Effect::InFlightLost, Effect::Torn, Effect::StoresCut, Effect::LateLanding];
    let mut sums = vec![0; effects.len()];
    let mut images = BTreeSet::new();
    for seed in 0..seeds {
        let mut stage = Nvm(Stage::new(behaviour));
        let outcome = World::new().run(seed, schedule, &mut stage, &mut NoTrace);
        assert_eq!(outcome.broken, None);
        images.extend(stage.0.heard.iter().filter(|told| told.2 == life).map(|told| told.3.clone()));
        for (sum, effect) in sums.iter_mut().zip(effects) {
            *sum += count(&outcome, effect);
        }
    }
    (images, sums)
}

fn caches(mut schedule: Schedule, caches: Caches) -> Schedule {
    schedule.disk.caches = caches;
    schedule
}

fn set(images: &[&[u8]]) -> BTreeSet<Vec<u8>> {
    images.iter().map(|image| image.to_vec()).collect()
}

/// The first life writes three words of ones, durably, then two of twos into the same line, not durably, and one of
/// them again; the second life reads.
fn writer(toy: &mut Toy, _: Now, input: Input, out: &mut Outbox) {
    say_read(toy, &input, out);
    match input {
        Input::Start(_) if toy.life.0 == 1 => submit(toy, out, 1, &[words(0, 3, 1)], Durability::Durable),
        Input::Start(_) => read(toy, out, 3),
        Input::Completed { op, .. } if op == toy.op(1) => {
            submit(toy, out, 2, &[words(0, 2, 2)], Durability::Visible);
        }
        Input::Completed { op, .. } if op == toy.op(2) => {
            submit(toy, out, 3, &[words(0, 1, 3)], Durability::Visible);
        }
        _ => {}
    }
}

#[test]
fn relaxed_words_hold_what_was_fenced_or_anything_stored_since() {
    let (images, sums) = seen(&with(calm(1), 100 * MS, crash(Loss::Power)), 2, writer, 300);
    let any = set(&[&[1, 1, 1], &[1, 2, 1], &[2, 1, 1], &[2, 2, 1], &[3, 1, 1], &[3, 2, 1]]);
    assert_eq!(images, any, "words independent of each other, and every value ever stored");
    assert!(sums[0] > 50 && sums[2] > 10, "{sums:?}");
}

/// The later store of a line never survives without the earlier one: of 2 2, then 3, only prefixes.
#[test]
fn px86_keeps_a_prefix_of_each_line() {
    let schedule = caches(with(calm(1), 100 * MS, crash(Loss::Power)), Caches::Px86);
    let (images, _) = seen(&schedule, 2, writer, 300);
    assert_eq!(images, set(&[&[1, 1, 1], &[2, 1, 1], &[2, 2, 1], &[3, 2, 1]]));
}

#[test]
fn with_eadr_everything_visible_is_durable() {
    let schedule = caches(with(calm(1), 100 * MS, crash(Loss::Power)), Caches::Eadr);
    let (images, sums) = seen(&schedule, 2, writer, 50);
    assert_eq!(images, set(&[&[3, 2, 1]]));
    assert_eq!(sums[..3], [0, 0, 0]);
}

#[test]
fn a_process_crash_keeps_what_was_stored_readable() {
    let (images, sums) = seen(&with(calm(1), 100 * MS, crash(Loss::Process)), 2, writer, 50);
    assert_eq!(images, set(&[&[3, 2, 1]]));
    assert_eq!(sums, [0; 5]);
}

/// What pends after a process crash is volatile; a plain sync of the next life does not know of it, `Persist` does.
#[test]
fn only_persist_makes_durable_what_a_former_life_stored() {
    fn reader(steps: &[Step], toy: &mut Toy, input: Input, out: &mut Outbox) {
        say_read(toy, &input, out);
        match input {
            Input::Start(_) if toy.life.0 == 1 => {
                submit(toy, out, 1, &[words(0, 1, 7)], Durability::Visible);
            }
            Input::Start(_) if toy.life.0 == 2 => submit(toy, out, 5, steps, Durability::Durable),
            Input::Start(_) => read(toy, out, 1),
            _ => {}
        }
    }
    let schedule = with(with(calm(1), 100 * MS, crash(Loss::Process)), 200 * MS, crash(Loss::Power));
    let third = |behaviour| seen(&schedule, 3, behaviour, 100).0;
    assert_eq!(third(|toy, _, input, out| reader(&[Step::Drain], toy, input, out)), set(&[&[0], &[7]]));
    assert_eq!(
        third(|toy, _, input, out| {
            reader(&[Step::Persist(Range { at: 0, length: 8 })], toy, input, out);
        }),
        set(&[&[7]])
    );
}

/// One chain: a body, a barrier, a commit word; power is lost or the process dies at every half of a millisecond.
fn committer(toy: &mut Toy, _: Now, input: Input, out: &mut Outbox) {
    say_read(toy, &input, out);
    match input {
        Input::Start(_) if toy.life.0 == 1 => {
            let chain = [words(0, 3, 1), Step::Barrier, words(3, 1, 9)];
            submit(toy, out, 1, &chain, Durability::Durable);
        }
        Input::Start(_) => read(toy, out, 4),
        Input::Completed { op, .. } if op == toy.op(1) => toy.say(out, b"done"),
        _ => {}
    }
}

#[test]
fn a_crash_falls_between_any_two_operations_and_never_breaks_a_barrier() {
    for loss in [Loss::Power, Loss::Process] {
        let mut images = BTreeSet::new();
        let mut sums = vec![0; 5];
        for at in 1..5 {
            let schedule = with(calm(1), at * MS / 2, crash(loss));
            let (more, counts) = seen(&schedule, 2, committer, 200);
            images.extend(more);
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        assert!(images.iter().all(|image| image[3] == 0 || image[..3] == [1, 1, 1]), "{images:?}");
        assert!(images.contains(&vec![1, 1, 1, 9]) && images.contains(&vec![0, 0, 0, 0]));
        assert!(images.contains(&vec![1, 1, 0, 0]), "a body half stored: {images:?}");
        // Stores come in order: only a loss of power leaves the second word without the first.
        assert_eq!(images.contains(&vec![0, 1, 0, 0]), loss == Loss::Power);
        assert!(sums[3] > 50, "{sums:?}");
        assert_eq!(sums[4], 0, "nothing of a dead process lands late");
    }
}

/// A completed durable chain is there after any crash, whatever is drawn.
#[test]
fn what_was_fenced_is_never_lost() {
    for model in [Caches::Relaxed8, Caches::Px86, Caches::Eadr] {
        for at in 1..12 {
            for seed in 0..50 {
                let schedule = caches(with(calm(1), at * MS / 2, crash(Loss::Power)), model);
                let mut stage = Nvm(Stage::new(committer));
                World::new().run(seed, &schedule, &mut stage, &mut NoTrace);
                let said = stage.0.said(0);
                if said[0].1 == b"done" {
                    assert_eq!(said[1].1, [1, 1, 1, 9], "{model:?} {at} {seed}");
                }
            }
        }
    }
}

/// Two words, flushed because a third line is noted, but not fenced: a flush alone promises nothing.
#[test]
fn a_flush_without_a_fence_is_not_durable() {
    fn flusher(toy: &mut Toy, _: Now, input: Input, out: &mut Outbox) {
        say_read(toy, &input, out);
        match input {
            Input::Start(_) if toy.life.0 == 1 => {
                // More stretches than are noted at once: the first ones are flushed early, and never fenced.
                let chain: Vec<Step> = (0..40).map(|line| words(line * 16, 1, 5)).collect();
                submit(toy, out, 1, &chain, Durability::Visible);
            }
            Input::Start(_) => read(toy, out, 1),
            _ => {}
        }
    }
    let (images, _) = seen(&with(calm(1), 100 * MS, crash(Loss::Power)), 2, flusher, 60);
    assert_eq!(images, set(&[&[0], &[5]]));
}

/// The first life flushed without a fence; a fence of the second makes none of that durable, its `Persist` all.
#[test]
fn the_flushes_of_a_dead_process_count_for_nothing() {
    fn heir(steps: &[Step], toy: &mut Toy, input: Input, out: &mut Outbox) {
        say_read(toy, &input, out);
        match input {
            Input::Start(_) if toy.life.0 == 1 => {
                let chain: Vec<Step> = (0..40).map(|line| words(line * 16, 1, 5)).collect();
                submit(toy, out, 1, &chain, Durability::Visible);
            }
            Input::Start(_) if toy.life.0 == 2 => submit(toy, out, 2, steps, Durability::Durable),
            Input::Start(_) => read(toy, out, 1),
            _ => {}
        }
    }
    let schedule = with(with(calm(1), 100 * MS, crash(Loss::Process)), 200 * MS, crash(Loss::Power));
    let third = |behaviour| seen(&schedule, 3, behaviour, 60).0;
    let fenced = third(|toy, _, input, out| heir(&[words(2048, 1, 6)], toy, input, out));
    assert_eq!(fenced, set(&[&[0], &[5]]));
    let persisted = third(|toy, _, input, out| {
        heir(&[Step::Persist(Range { at: 0, length: 8 })], toy, input, out);
    });
    assert_eq!(persisted, set(&[&[5]]));
}

#[test]
fn a_reader_finds_a_write_in_flight_stored_in_part() {
    fn both(toy: &mut Toy, _: Now, input: Input, out: &mut Outbox) {
        say_read(toy, &input, out);
        if let Input::Start(_) = input {
            submit(toy, out, 1, &[words(0, 3, 4)], Durability::Visible);
            read(toy, out, 3);
        }
    }
    let (images, _) = seen(&calm(1), 1, both, 100);
    assert_eq!(images, set(&[&[0, 0, 0], &[4, 0, 0], &[4, 4, 0], &[4, 4, 4]]));
}

#[test]
fn a_poisoned_line_answers_with_an_error_until_it_is_rewritten() {
    fn rewriter(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
        say_read(toy, &input, out);
        match input {
            Input::Start(_) => {
                submit(toy, out, 1, &[words(0, 16, 1)], Durability::Durable);
                toy.wake(out, now, 50 * MS);
            }
            Input::Timer { .. } => {
                toy.count += 1;
                match toy.count {
                    1 => read(toy, out, 1),
                    // A part of the line mends nothing.
                    2 => submit(toy, out, 2, &[words(1, 1, 2)], Durability::Durable),
                    3 => read(toy, out, 2),
                    // Its neighbour can be read.
                    4 => out.read(toy.op(READ), DeviceId(0), Range { at: 64, length: 8 }),
                    5 => submit(toy, out, 3, &[words(0, 8, 3)], Durability::Visible),
                    6 => read(toy, out, 2),
                    _ => return,
                }
                toy.wake(out, now, 50 * MS);
            }
            _ => {}
        }
    }
    let place = Place::Range { at: 8, length: 8 };
    let poison = Fault::Unreadable { target: Target::Node(0), device: 0, place, lasts: None };
    let mut stage = Nvm(Stage::new(rewriter));
    let outcome = World::new().run(1, &with(calm(3), 20 * MS, poison), &mut stage, &mut NoTrace);
    let said: Vec<Vec<u8>> = stage.0.said(0).into_iter().map(|told| told.1).collect();
    assert_eq!(said, [b"unreadable".to_vec(), b"unreadable".to_vec(), vec![1], vec![3, 3]]);
    assert_eq!(count(&outcome, Effect::ReadError), 2);
    assert_eq!(count(&outcome, Effect::Damaged), 1);
}

/// Damage falls on lines: a write that was lost leaves what it overwrote, rot flips bits of one line.
#[test]
fn damage_strikes_nvm_by_the_line() {
    fn victim(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Start(_) => toy.wake(out, now, 10 * MS),
            Input::Timer { .. } => {
                toy.count += 1;
                toy.wake(out, now, 10 * MS);
                match toy.count {
                    1 => submit(toy, out, 1, &[words(0, 24, 1)], Durability::Durable),
                    2 => submit(toy, out, 2, &[words(8, 2, 2)], Durability::Durable),
                    3 => submit(toy, out, 3, &[words(16, 1, 3)], Durability::Durable),
                    4 => out.read(toy.op(READ), DeviceId(0), Range { at: 0, length: 192 }),
                    _ => {}
                }
            }
            Input::Completed { result: Completion::Data(bytes), .. } => toy.say(out, &bytes),
            _ => {}
        }
    }
    let image = |fault: Fault| {
        let mut stage = Nvm(Stage::new(victim));
        let outcome = World::new().run(1, &with(calm(3), 15 * MS, fault), &mut stage, &mut NoTrace);
        (stage.0.said(0)[0].1.clone(), outcome)
    };
    let target = Target::Node(0);
    let (bytes, outcome) = image(Fault::LoseWrite { target, device: 0 });
    assert_eq!((bytes[64], bytes[72], bytes[128]), (1, 1, 3));
    assert_eq!((count(&outcome, Effect::Damaged), count(&outcome, Effect::StaleRead)), (1, 1));
    let (bytes, outcome) = image(Fault::Misdirect { target, device: 0 });
    assert_eq!((bytes[64], bytes[72], bytes[128]), (1, 1, 3));
    assert_eq!(bytes.iter().filter(|byte| **byte == 2).count(), 16, "the two words stand elsewhere");
    assert_eq!((count(&outcome, Effect::Damaged), count(&outcome, Effect::MisdirectedRead)), (1, 1));
    let place = Place::Range { at: 100, length: 1 };
    let (bytes, outcome) = image(Fault::Rot { target, device: 0, place, bits: 7 });
    let flipped = |line: &[u8], byte: [u8; 2]| -> u32 {
        line.iter().enumerate().map(|(i, b)| (b ^ byte[usize::from(i >= 16)]).count_ones()).sum()
    };
    assert_eq!(bytes[..64], [1; 64]);
    assert!(flipped(&bytes[64..128], [2, 1]) > 0);
    assert_eq!(count(&outcome, Effect::RotRead), 1);
    // Neither a store nor a fence can fail.
    for fault in [
        Fault::FailSync { target, device: 0 },
        Fault::FailWrite { target, device: 0 },
        Fault::DiskFull { target, device: 0, lasts: 900 * MS },
    ] {
        let (bytes, outcome) = image(fault);
        assert_eq!((bytes[64], bytes[128]), (2, 3));
        assert!(outcome.effects.is_empty(), "{:?}", outcome.effects);
    }
}

#[test]
fn misuse_of_nvm_is_a_violation() {
    let misuse = |behaviour: Behaviour| {
        let broken = World::new().run(1, &calm(1), &mut Nvm(Stage::new(behaviour)), &mut NoTrace).broken;
        broken.map(|broken| broken.violation.what).unwrap_or_default()
    };
    let overlapping = misuse(|toy, _, input, out| {
        if let Input::Start(_) = input {
            submit(toy, out, 1, &[words(0, 4, 1)], Durability::Visible);
            submit(toy, out, 2, &[words(3, 1, 1)], Durability::Visible);
        }
    });
    assert!(
        overlapping.contains("the write at 24..32 of operation 2 overlaps the one at 0..32"),
        "{overlapping}"
    );
    let within = misuse(|toy, _, input, out| {
        if let Input::Start(_) = input {
            submit(toy, out, 1, &[words(0, 4, 1), words(3, 1, 1)], Durability::Visible);
        }
    });
    assert!(within.contains("overlaps"), "{within}");
    let ordered = misuse(|toy, _, input, out| {
        if let Input::Start(_) = input {
            submit(toy, out, 1, &[words(0, 4, 1), Step::Barrier, words(3, 1, 1)], Durability::Visible);
        }
    });
    assert_eq!(ordered, "");
    let misaligned = misuse(|toy, _, input, out| {
        if let Input::Start(_) = input {
            let step = Step::Write { at: 4, buffer: Buffer::copy_from(&[0; 8]) };
            submit(toy, out, 1, &[step], Durability::Visible);
        }
    });
    assert!(misaligned.contains("not aligned"), "{misaligned}");
}

/// The trace says which fences had an effect and which words a power loss left; no store is traced.
#[test]
fn fences_and_images_are_traced_and_stores_are_not() {
    let mut memory = Memory::default();
    let schedule = with(calm(1), 100 * MS, crash(Loss::Power));
    World::new().run(3, &schedule, &mut Nvm(Stage::new(writer)), &mut memory);
    let (mut durable, mut landed, mut images) = (0, 0, vec![]);
    for event in Reader::new(&memory.0).expect("it is a trace") {
        match event.expect("it makes sense").what {
            What::Durable { op, step, .. } => {
                assert_eq!((op.number, step), (1, 1), "the implicit barrier of the only durable chain");
                durable += 1;
            }
            What::Landed { .. } => landed += 1,
            What::Image { writes, .. } => {
                images.extend(writes.iter().map(|write| (write.op.number, write.at, write.units)));
            }
            _ => {}
        }
    }
    assert_eq!((durable, landed), (1, 3));
    assert_eq!(images, [(2, 0, 2), (3, 0, 1)]);
}
