//! Devices that fail, and damage that nobody reports, seen by the process that meets it.

mod common;
use common::*;
use seedfast_core::{
    Completion, DeviceId, Durability, Failure, Geometry, Input, NodeId, Now, Outbox, Process, Range, Step,
};
use seedfast_sim::*;
use std::collections::BTreeSet;

/// What a process does at one tick of ten milliseconds.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Writes sectors full of a byte: from which on, how many, the byte; durably or not.
    Write(u64, usize, u8),
    Visible(u64, usize, u8),
    /// Three writes of one sector each, in one chain.
    Three(u8),
    /// Two writes of one sector each, in one chain, with a barrier between.
    Ordered(u8),
    Sync,
    Persist(u64),
    /// Reads so many sectors and says the first byte of each.
    Read(u64),
    /// Reads one sector and says how many bits differ from a byte.
    Bits(u64, u8),
}
use Act::*;

/// Does `lives[life - 1]`, an act a tick; says how each operation failed.
fn perform(lives: &[&[Act]], toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
    let script = lives.get(toy.life.0 as usize - 1).copied().unwrap_or_default();
    let act = |number: u32| script[number as usize];
    match input {
        Input::Start(_) => toy.wake(out, now, 10 * MS),
        Input::Timer { .. } => {
            let number = toy.count as u32;
            let Some(act) = script.get(toy.count as usize) else { return };
            toy.count += 1;
            toy.wake(out, now, 10 * MS);
            match *act {
                Write(at, sectors, byte) => toy.write(out, number, at, sectors, byte, Durability::Durable),
                Visible(at, sectors, byte) => toy.write(out, number, at, sectors, byte, Durability::Visible),
                Three(byte) => {
                    let mut chain = out.chain();
                    for sector in 0..3 {
                        let buffer = seedfast_core::Buffer::copy_from(&[byte; 512]);
                        chain.push(Step::Write { at: sector * 512, buffer });
                    }
                    out.submit(toy.op(number), DeviceId(0), chain, Durability::Visible);
                }
                Ordered(byte) => {
                    let mut chain = out.chain();
                    for step in [0, 512] {
                        let buffer = seedfast_core::Buffer::copy_from(&[byte; 512]);
                        chain.push(Step::Write { at: step, buffer });
                        chain.push(Step::Barrier);
                    }
                    out.submit(toy.op(number), DeviceId(0), chain, Durability::Visible);
                }
                Sync => {
                    let chain = out.chain();
                    out.submit(toy.op(number), DeviceId(0), chain, Durability::Durable);
                }
                Persist(sectors) => {
                    let mut chain = out.chain();
                    chain.push(Step::Persist(Range { at: 0, length: sectors * 512 }));
                    out.submit(toy.op(number), DeviceId(0), chain, Durability::Visible);
                }
                Read(sectors) => {
                    out.read(toy.op(number), DeviceId(0), Range { at: 0, length: sectors * 512 });
                }
                Bits(at, _) => out.read(toy.op(number), DeviceId(0), Range { at: at * 512, length: 512 }),
            }
        }
        Input::Completed { op, result: Completion::Data(bytes) } if op.incarnation == toy.life => {
            match act(op.number) {
                Bits(_, byte) => {
                    let bits: u32 = bytes.iter().map(|other| (other ^ byte).count_ones()).sum();
                    toy.say(out, &[bits as u8]);
                }
                _ => {
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
        }
        Input::Completed { result: Completion::Failed(why), .. } => toy.say(
            out,
            match why {
                Failure::Device => b"device",
                Failure::NoSpace => b"no space",
                Failure::Media => b"media",
            },
        ),
        _ => {}
    }
}

/// A stage with a judgement of its own on damage.
struct Guarded {
    stage: Stage,
    may: fn(&Damage<'_>) -> bool,
    replacement: Vec<(u64, Vec<u8>)>,
}

impl Guarded {
    fn new(behaviour: Behaviour) -> Self {
        Guarded { stage: Stage::with_disk(behaviour), may: |_| true, replacement: vec![] }
    }

    fn run(&mut self, seed: u64, schedule: &Schedule) -> Outcome {
        let outcome = World::new().run(seed, schedule, self, &mut NoTrace);
        assert_eq!(outcome.broken, None);
        outcome
    }

    fn said(&self) -> Vec<Vec<u8>> {
        self.stage.said(0).into_iter().map(|told| told.1).collect()
    }
}

impl Scene for Guarded {
    fn process(&mut self, node: NodeId) -> Box<dyn Process> {
        self.stage.process(node)
    }
    fn devices(&mut self, node: NodeId) -> Formatted {
        self.stage.devices(node)
    }
    fn replacement_devices(&mut self, _: NodeId, lost: &[Geometry]) -> Formatted {
        lost.iter().map(|geometry| (*geometry, self.replacement.clone())).collect()
    }
    fn may_damage(&self, damage: &Damage<'_>) -> bool {
        (self.may)(damage)
    }
    fn observe(&mut self, seen: Seen<'_>) -> Result<(), Violation> {
        self.stage.observe(seen)
    }
}

const NODE: Target = Target::Node(0);

/// Three nodes that all do the same; only node 0 is struck and listened to. The faults strike between two ticks.
fn struck(faults: &[(u64, Fault)]) -> Schedule {
    faults
        .iter()
        .cloned()
        .fold(calm(3), |schedule, (tick, fault)| with(schedule, (tick * 10 + 5) * MS, fault))
}

fn power() -> Fault {
    Fault::Crash { target: NODE, loss: Loss::Power, cut: Cut::Now, restart_after: Some(MS) }
}

fn process() -> Fault {
    Fault::Crash { target: NODE, loss: Loss::Process, cut: Cut::Now, restart_after: Some(MS) }
}

/// What node 0 said, over many seeds, and how often an effect was counted.
fn all(schedule: &Schedule, behaviour: Behaviour, effect: Effect) -> (BTreeSet<Vec<Vec<u8>>>, u64) {
    let (mut said, mut sum) = (BTreeSet::new(), 0);
    for seed in 0..300 {
        let mut scene = Guarded::new(behaviour);
        sum += count(&scene.run(seed, schedule), effect);
        said.insert(scene.said());
    }
    (said, sum)
}

fn once(schedule: &Schedule, behaviour: Behaviour) -> (Vec<Vec<u8>>, Outcome) {
    let mut scene = Guarded::new(behaviour);
    let outcome = scene.run(1, schedule);
    (scene.said(), outcome)
}

/// A failed sync, a later one that says "done", a look, a loss of power: of each sector, durable, readable and lost
/// all the same, or lost at once.
#[test]
fn a_failed_sync_loses_what_no_later_sync_brings_back() {
    let schedule = struck(&[(0, Fault::FailSync { target: NODE, device: 0 }), (5, power())]);
    let behaviour: Behaviour =
        |toy, now, i, out| perform(&[&[Write(0, 2, 1), Sync, Read(2)], &[Read(2)]], toy, now, i, out);
    let (said, failed) = all(&schedule, behaviour, Effect::FailedSync);
    assert_eq!(failed, 300);
    let mut fates = BTreeSet::new();
    for said in &said {
        assert_eq!((said.len(), &said[0][..]), (3, &b"device"[..]));
        fates.extend((0..2).map(|sector| (said[1][sector], said[2][sector])));
    }
    assert_eq!(fates, BTreeSet::from([(1, 1), (1, 0), (0, 0)]), "what was read, what is left");
    assert_eq!(said.len(), 9, "each sector for itself");
}

/// What a failed sync left readable is lost to a loss of power, unless it is persisted.
#[test]
fn what_a_failed_sync_left_readable_can_be_persisted() {
    let faults = [(0, Fault::FailSync { target: NODE, device: 0 }), (2, process()), (6, power())];
    let persisted: Behaviour = |toy, now, i, out| {
        perform(&[&[Write(0, 1, 1)], &[Persist(1), Read(1)], &[Read(1)]], toy, now, i, out)
    };
    let (said, _) = all(&struck(&faults), persisted, Effect::FailedSync);
    assert!(said.iter().all(|said| said[1] == said[2]), "{said:?}");
    let synced: Behaviour =
        |toy, now, i, out| perform(&[&[Write(0, 1, 1)], &[Sync, Read(1)], &[Read(1)]], toy, now, i, out);
    let (said, _) = all(&struck(&faults), synced, Effect::FailedSync);
    assert!(said.iter().any(|said| said[1] == [1] && said[2] == [0]), "{said:?}");
}

#[test]
fn a_failed_write_leaves_any_part_of_itself() {
    let schedule = struck(&[(0, Fault::FailWrite { target: NODE, device: 0 })]);
    let behaviour: Behaviour =
        |toy, now, i, out| perform(&[&[Write(0, 2, 1), Read(2), Write(0, 2, 2), Read(2)]], toy, now, i, out);
    let (said, failed) = all(&schedule, behaviour, Effect::WriteError);
    assert_eq!(failed, 300);
    let parts = [[0, 0], [0, 1], [1, 0], [1, 1]];
    let expected = parts.map(|part| vec![b"media".to_vec(), part.to_vec(), vec![2, 2]]);
    assert_eq!(said, BTreeSet::from(expected), "and the next write succeeds");
}

/// From some write of the chain on nothing more fits; the last one never does.
#[test]
fn a_full_disk_takes_at_most_the_beginning_of_a_chain() {
    let full = Fault::DiskFull { target: NODE, device: 0, lasts: 15 * MS };
    let behaviour: Behaviour =
        |toy, now, i, out| perform(&[&[Three(1), Read(3), Three(2), Read(3)]], toy, now, i, out);
    let (said, counted) = all(&struck(&[(0, full)]), behaviour, Effect::DiskFull);
    assert!(counted >= 300);
    let mut parts = BTreeSet::new();
    for said in said {
        assert_eq!((&said[0][..], &said[2][..]), (&b"no space"[..], &[2, 2, 2][..]), "it ends");
        parts.insert(said[1].clone());
    }
    assert!(parts.contains(&vec![0, 0, 0]) && parts.contains(&vec![1, 1, 0]), "{parts:?}");
    assert!(parts.iter().all(|part| part.is_sorted_by(|a, b| a >= b)), "{parts:?}");
    // Of one write, at most its beginning.
    let full = Fault::DiskFull { target: NODE, device: 0, lasts: 15 * MS };
    let one: Behaviour = |toy, now, i, out| perform(&[&[Write(0, 3, 1), Read(3)]], toy, now, i, out);
    let parts: BTreeSet<Vec<u8>> =
        all(&struck(&[(0, full)]), one, Effect::DiskFull).0.into_iter().map(|said| said[1].clone()).collect();
    assert_eq!(parts, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]].map(Vec::from).into());
}

/// No step begins behind one that failed.
#[test]
fn a_failure_ends_its_chain() {
    let behaviour: Behaviour = |toy, now, i, out| perform(&[&[Ordered(1), Read(2)]], toy, now, i, out);
    for (fault, says) in [
        (Fault::FailWrite { target: NODE, device: 0 }, &b"media"[..]),
        (Fault::FailSync { target: NODE, device: 0 }, b"device"),
    ] {
        let (said, _) = all(&struck(&[(0, fault)]), behaviour, Effect::FailedSync);
        assert!(said.iter().all(|said| said[0] == says && said[1][1] == 0), "{said:?}");
        assert!(said.iter().any(|said| said[1][0] == 1), "{said:?}");
    }
}

#[test]
fn unreadable_sectors_answer_with_an_error_until_they_are_rewritten_or_it_passes() {
    let place = Place::Range { at: 512, length: 1 };
    let behaviour: Behaviour = |toy, now, i, out| {
        let script = [Write(0, 3, 1), Read(1), Read(3), Read(2), Write(1, 1, 2), Read(3)];
        perform(&[&script], toy, now, i, out);
    };
    let lasting = Fault::Unreadable { target: NODE, device: 0, place, lasts: None };
    let (said, outcome) = once(&struck(&[(1, lasting)]), behaviour);
    assert_eq!(said, [vec![1], b"media".to_vec(), b"media".to_vec(), vec![1, 2, 1]]);
    assert_eq!((count(&outcome, Effect::ReadError), count(&outcome, Effect::Damaged)), (2, 1));
    let passing = Fault::Unreadable { target: NODE, device: 0, place, lasts: Some(20 * MS) };
    let (said, outcome) = once(&struck(&[(1, passing)]), behaviour);
    assert_eq!(said, [vec![1], b"media".to_vec(), vec![1, 1], vec![1, 2, 1]]);
    assert_eq!((count(&outcome, Effect::ReadError), count(&outcome, Effect::Damaged)), (1, 0));
}

#[test]
fn rot_flips_bits_of_what_is_at_rest_and_survives_a_loss_of_power() {
    let behaviour: Behaviour = |toy, now, i, out| {
        let script = [Write(0, 3, 1), Bits(0, 1), Bits(1, 1), Bits(2, 1)];
        perform(&[&script, &[Bits(1, 1), Write(1, 1, 1), Bits(1, 1)]], toy, now, i, out);
    };
    let rot = |place| Fault::Rot { target: NODE, device: 0, place, bits: 5 };
    let one = rot(Place::Range { at: 600, length: 8 });
    let (said, outcome) = once(&struck(&[(1, one.clone()), (6, power())]), behaviour);
    assert_eq!(said, [[0], [5], [0], [5], [0]], "a rewrite mends it");
    assert_eq!((count(&outcome, Effect::RotRead), count(&outcome, Effect::Damaged)), (2, 1));
    // A drawn block is one of the three; each of them in some seed.
    let mut places = BTreeSet::new();
    for seed in 0..60 {
        let mut scene = Guarded::new(behaviour);
        scene.run(seed, &struck(&[(1, rot(Place::Drawn(1)))]));
        let bits: Vec<u8> = scene.said().concat();
        assert_eq!(bits.iter().map(|bits| u32::from(*bits)).sum::<u32>(), 5);
        places.insert(bits);
    }
    assert_eq!(places.len(), 3);
    // What a write is changing is not at rest.
    let visible: Behaviour = |toy, now, i, out| perform(&[&[Visible(0, 3, 1), Bits(1, 1)]], toy, now, i, out);
    let (said, outcome) = once(&struck(&[(1, one)]), visible);
    assert_eq!((said, count(&outcome, Effect::Damaged)), (vec![vec![0]], 0));
}

const SUSPECT: [Act; 6] = [Write(0, 1, 1), Write(0, 1, 2), Read(3), Write(2, 1, 7), Read(3), Write(0, 1, 5)];

/// The second write is lost: what it overwrote stands there again, a loss of power later too.
#[test]
fn a_lost_write_leaves_what_it_overwrote() {
    let behaviour: Behaviour = |toy, now, i, out| perform(&[&SUSPECT, &[Read(3)]], toy, now, i, out);
    let lost = (1, Fault::LoseWrite { target: NODE, device: 0 });
    let (said, outcome) = once(&struck(&[lost.clone(), (5, power())]), behaviour);
    assert_eq!(said, [vec![1, 0, 0], vec![1, 0, 7], vec![1, 0, 7]]);
    assert_eq!((count(&outcome, Effect::StaleRead), count(&outcome, Effect::Damaged)), (3, 1));
    // A scene that wants a witness: it turns out only when the third write is durable.
    let mut scene = Guarded::new(behaviour);
    scene.may = |damage| damage.kind == DamageKind::Lost && damage.later;
    scene.run(1, &struck(&[lost.clone(), (5, power())]));
    assert_eq!(scene.said(), [vec![2, 0, 0], vec![1, 0, 7], vec![1, 0, 7]]);
    // One that refuses: nothing happens, and the refusal is counted once.
    let mut scene = Guarded::new(behaviour);
    scene.may = |_| false;
    let outcome = scene.run(1, &struck(&[lost.clone(), (5, power())]));
    assert_eq!(scene.said(), [vec![2, 0, 0], vec![2, 0, 7], vec![2, 0, 7]]);
    assert_eq!((count(&outcome, Effect::DamageSpared), count(&outcome, Effect::Damaged)), (1, 0));
    // A rewrite before it turns out leaves nothing to find out.
    let rewritten: Behaviour = |toy, now, i, out| {
        perform(&[&[Write(0, 1, 1), Visible(0, 1, 2), Write(0, 1, 3), Read(1)]], toy, now, i, out);
    };
    assert_eq!(once(&struck(&[lost]), rewritten).0, [[3]]);
}

/// The second write goes elsewhere: where it should be stays old, and another sector holds it.
#[test]
fn a_misdirected_write_stands_elsewhere() {
    let behaviour: Behaviour = |toy, now, i, out| {
        perform(&[&[Write(0, 4, 1), Write(1, 1, 2), Read(4)]], toy, now, i, out);
    };
    let (said, read) = all(
        &struck(&[(1, Fault::Misdirect { target: NODE, device: 0 })]),
        behaviour,
        Effect::MisdirectedRead,
    );
    let expected = [vec![2, 1, 1, 1], vec![1, 1, 2, 1], vec![1, 1, 1, 2]].map(|image| vec![image]);
    assert_eq!((said, read), (BTreeSet::from(expected), 300));
    // Both places are asked for.
    let mut scene = Guarded::new(behaviour);
    scene.may = |damage| damage.range.at != 512 || damage.bytes[0] != 2;
    scene.run(1, &struck(&[(1, Fault::Misdirect { target: NODE, device: 0 })]));
    assert_eq!(scene.said(), [[1, 2, 1, 1]]);
    let mut scene = Guarded::new(behaviour);
    scene.may = |damage| damage.range.at == 512;
    scene.run(1, &struck(&[(1, Fault::Misdirect { target: NODE, device: 0 })]));
    assert_eq!(scene.said(), [[1, 2, 1, 1]]);
}

#[test]
fn lost_devices_are_replaced_by_what_the_scene_says() {
    let behaviour: Behaviour =
        |toy, now, i, out| perform(&[&[Write(0, 2, 1), Read(2)], &[Read(2)]], toy, now, i, out);
    let lose = Fault::LoseDevices { target: NODE, restart_after: Some(MS) };
    let (said, outcome) = once(&struck(&[(3, lose.clone())]), behaviour);
    assert_eq!(said, [[1, 1], [0, 0]]);
    assert_eq!((count(&outcome, Effect::DeviceLost), count(&outcome, Effect::PowerLoss)), (1, 1));
    let mut scene = Guarded::new(behaviour);
    scene.replacement = vec![(512, vec![9; 512])];
    scene.run(1, &struck(&[(3, lose)]));
    assert_eq!(scene.said(), [[1, 1], [0, 9]]);
}

#[test]
fn the_atlas_spares_a_majority_and_what_a_scene_protects() {
    let behaviour: Behaviour = |toy, now, i, out| perform(&[&[Write(0, 3, 1)]], toy, now, i, out);
    let rot = |node: u8| {
        let place = Place::Range { at: 512, length: 512 };
        (u64::from(node) + 3, Fault::Rot { target: Target::Node(node), device: 0, place, bits: 1 })
    };
    let counts = |nodes: u8, atlas: Atlas, may: fn(&Damage<'_>) -> bool| {
        let faults: Vec<_> = (0..nodes).chain(0..nodes).map(rot).collect();
        let mut schedule = Schedule { nodes, ..struck(&faults) };
        schedule.disk.atlas = atlas;
        let mut scene = Guarded::new(behaviour);
        scene.may = may;
        let outcome = scene.run(1, &schedule);
        (count(&outcome, Effect::Damaged), count(&outcome, Effect::DamageSpared))
    };
    let anything: fn(&Damage<'_>) -> bool = |_| true;
    assert_eq!(counts(3, Atlas::Minority, anything), (2, 4), "one of three, as often as one likes");
    assert_eq!(counts(5, Atlas::Minority, anything), (4, 6));
    assert_eq!(counts(2, Atlas::Minority, anything), (0, 4));
    assert_eq!(counts(1, Atlas::Minority, anything), (0, 2));
    assert_eq!(counts(3, Atlas::Everybody, anything), (6, 0), "nobody is spared");
    assert_eq!(counts(3, Atlas::Everybody, |_| false), (0, 6), "but for what the scene protects");
    assert_eq!(counts(3, Atlas::Off, anything), (6, 0));
    assert_eq!(counts(3, Atlas::Off, |_| false), (6, 0), "nobody is asked");
    assert_eq!(counts(3, Atlas::Minority, |_| false), (0, 6));
    assert_eq!(
        counts(3, Atlas::Minority, |damage| {
            assert_eq!((damage.range, damage.later), (Range { at: 512, length: 512 }, false));
            assert_eq!((damage.kind, damage.device), (DamageKind::Rotten, DeviceId(0)));
            damage.bytes[0] == 1
        })
        .0,
        2
    );
}

#[test]
fn a_witness_is_whatever_became_durable_later_elsewhere() {
    let rot = |at| {
        let place = Place::Range { at, length: 1 };
        (5, Fault::Rot { target: NODE, device: 0, place, bits: 1 })
    };
    let behaviour: Behaviour =
        |toy, now, i, out| perform(&[&[Write(0, 1, 1), Write(1, 1, 2)]], toy, now, i, out);
    let damaged = |at| {
        let mut scene = Guarded::new(behaviour);
        scene.may = |damage| damage.later;
        count(&scene.run(1, &struck(&[rot(at)])), Effect::Damaged)
    };
    assert_eq!((damaged(0), damaged(512)), (1, 0));
}

type Change = fn(&mut Disk);

/// Every probability fires at a million, touches nothing at zero, and is over at `heal`.
#[test]
fn devices_fail_as_often_as_the_schedule_says() {
    let behaviour: Behaviour = |toy, now, i, out| {
        perform(&[&[Write(0, 2, 1), Read(1), Write(2, 1, 2), Write(3, 1, 2), Read(4)]], toy, now, i, out);
    };
    let cases: [(Effect, Change); 6] = [
        (Effect::FailedSync, |disk| disk.sync_failure = 1_000_000),
        (Effect::WriteError, |disk| disk.write_error = 1_000_000),
        (Effect::DiskFull, |disk| disk.no_space = 1_000_000),
        (Effect::ReadError, |disk| disk.read_error = 1_000_000),
        (Effect::StaleRead, |disk| disk.lost_write = 1_000_000),
        (Effect::MisdirectedRead, |disk| disk.misdirected = 1_000_000),
    ];
    for (effect, change) in cases {
        let mut schedule = calm(1);
        schedule.disk.atlas = Atlas::Off;
        change(&mut schedule.disk);
        assert!(count(&once(&schedule, behaviour).1, effect) > 0, "{effect:?}");
        let healed = once(&with(schedule, 0, Fault::Heal), behaviour).1;
        assert_eq!(count(&healed, effect), 0, "{effect:?}");
        assert_eq!(count(&once(&calm(1), behaviour).1, effect), 0, "{effect:?}");
    }
}

#[test]
fn heal_ends_what_passes_and_leaves_damage() {
    let place = Place::Range { at: 0, length: 1 };
    let behaviour: Behaviour =
        |toy, now, i, out| perform(&[&[Write(0, 1, 1), Write(1, 1, 1), Read(2)]], toy, now, i, out);
    let long = 900 * MS;
    let passing = [
        Fault::DiskFull { target: NODE, device: 0, lasts: long },
        Fault::FailSync { target: NODE, device: 0 },
        Fault::FailWrite { target: NODE, device: 0 },
        Fault::Unreadable { target: NODE, device: 0, place, lasts: Some(long) },
    ];
    for fault in passing {
        let (said, _) = once(&struck(&[(1, fault.clone()), (1, Fault::Heal)]), behaviour);
        assert_eq!(said, [[1, 1]], "{fault}");
    }
    let lasting = Fault::Unreadable { target: NODE, device: 0, place, lasts: None };
    assert_eq!(once(&struck(&[(1, lasting), (1, Fault::Heal)]), behaviour).0, [b"media"]);
}
