//! The generator against an enumerator that follows the models' sentences from the beginning at every crash point.

use super::*;
use crate::draw::Draws;
use seedfast_core::Range;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// What is done to a device.
#[derive(Clone, Debug)]
enum Op {
    Store(u64, u64),
    Flush(u64, u64),
    Fence,
    Launch(u32, u64, u8, usize),
    Land(u32),
    /// Covers the writes with names up to this one that have landed.
    Sync(u32),
}

const SMALL: usize = 512;

fn apply(medium: &mut Medium, op: &Op) {
    match *op {
        Op::Store(at, value) => {
            medium.store(at, value);
        }
        Op::Flush(at, length) => medium.flush(Range { at, length }),
        Op::Fence => medium.fence(),
        Op::Launch(write, at, byte, sectors) => medium.launch(write, at, &vec![byte; sectors * 512]),
        Op::Land(write) => medium.land(write),
        Op::Sync(upto) => medium.sync(|write| write <= upto),
    }
}

/// Per unit what it may hold, from the sentences of the module's table.
fn allowed(model: Model, capacity: usize, ops: &[Op]) -> Vec<BTreeSet<Vec<u8>>> {
    (0..capacity / model.unit()).map(|unit| allowed_of(model, unit, ops)).collect()
}

fn allowed_of(model: Model, unit: usize, ops: &[Op]) -> BTreeSet<Vec<u8>> {
    let (start, end) = ((unit * model.unit()) as u64, ((unit + 1) * model.unit()) as u64);
    // The contents after each put, the first being the device's zeros.
    let mut contents = vec![vec![0; model.unit()]];
    let (mut floor, mut snapshot) = (0, 0);
    let mut names = vec![(0, true)];
    for op in ops {
        match *op {
            Op::Store(at, value) if (start..end).contains(&at) => {
                let mut next = contents.last().expect("it begins with one").clone();
                let place = (at - start) as usize;
                next[place..place + 8].copy_from_slice(&value.to_le_bytes());
                contents.push(next);
            }
            Op::Flush(at, length) => {
                let lines = at / 64 * 64..(at + length).div_ceil(64) * 64;
                if length > 0 && lines.start < end && start < lines.end {
                    snapshot = contents.len() - 1;
                }
            }
            Op::Fence => floor = floor.max(snapshot),
            Op::Launch(name, at, byte, sectors) => {
                if at < end && start < at + 512 * sectors as u64 {
                    contents.push(vec![byte; 512]);
                    names.push((name, false));
                }
            }
            Op::Land(name) => {
                names.iter_mut().filter(|(n, _)| *n == name).for_each(|(_, landed)| *landed = true)
            }
            Op::Sync(upto) => {
                let covered = names.iter().rposition(|(name, landed)| *landed && *name <= upto);
                floor = floor.max(covered.expect("the zeros are covered"));
            }
            Op::Store(..) => {}
        }
    }
    if model == Model::Eadr {
        floor = contents.len() - 1;
    }
    contents.drain(floor..).collect()
}

fn product(units: &[BTreeSet<Vec<u8>>]) -> BTreeSet<Vec<u8>> {
    let mut images = BTreeSet::from([Vec::new()]);
    for unit in units {
        let longer =
            |image: &Vec<u8>| unit.iter().map(|part| [&image[..], part].concat()).collect::<Vec<_>>();
        images = images.iter().flat_map(longer).collect();
    }
    images
}

/// All images that the generator gives at this point; checks every hash and that the image ends as it began.
fn images(medium: &Medium, scope: Scope, seed: u64) -> (usize, BTreeSet<Vec<u8>>) {
    let (mut space, mut image) = (Space::default(), Image::default());
    medium.space(&mut space);
    image.begin(medium.durable(), medium.durable_hash());
    let (mut count, mut found) = (0, BTreeSet::new());
    let way = space.visit(scope, Draws::of(seed, 0), &mut image, |space, image| {
        assert_eq!(image.hash(), hash(0, image.bytes()), "the hash is kept up to date");
        let mut again = Image::default();
        again.begin(medium.durable(), medium.durable_hash());
        assert_eq!(space.build(&space.choices(image), &mut again), 0);
        assert_eq!(again.bytes(), image.bytes(), "an image is made again from its choices");
        count += 1;
        found.insert(image.bytes().to_vec());
        ControlFlow::<()>::Continue(())
    });
    assert!(way.is_continue());
    assert_eq!((image.bytes(), image.hash()), (medium.durable(), medium.durable_hash()));
    (count, found)
}

/// A sequence of operations on a few neighbouring units, drawn.
fn drawn(model: Model, seed: u64) -> Vec<Op> {
    let draws = Draws::of(seed, model as u64);
    let mut writes = 0;
    let mut in_flight: Vec<(u32, u64, u64)> = Vec::new();
    let mut ops = Vec::new();
    for number in 0..draws.between(0, 4, 14) {
        let draw = draws.part(number);
        if model == Model::Sectors {
            match draw.below(0, 4) {
                0 | 1 => {
                    let (at, sectors) = (draw.below(1, 3) * 512, draw.between(2, 1, 2));
                    let free = in_flight
                        .iter()
                        .all(|(_, other, length)| at + sectors * 512 <= *other || other + length * 512 <= at);
                    if free {
                        writes += 1;
                        in_flight.push((writes, at, sectors));
                        ops.push(Op::Launch(writes, at, draw.below(3, 3) as u8, sectors as usize));
                    }
                }
                2 if !in_flight.is_empty() => {
                    let (write, ..) = in_flight.remove(draw.below(1, in_flight.len() as u64) as usize);
                    ops.push(Op::Land(write));
                }
                _ => ops.push(Op::Sync(draw.below(1, u64::from(writes) + 1) as u32)),
            }
        } else {
            ops.push(match draw.below(0, 8) {
                0..=4 => Op::Store(draw.below(1, 3) * 8 + draw.below(2, 2) * 64, draw.below(3, 3)),
                5 | 6 => Op::Flush(draw.below(1, 2) * 64, draw.between(2, 1, 2) * 64),
                _ => Op::Fence,
            });
        }
    }
    ops
}

#[test]
fn every_small_space_is_exactly_what_its_model_says() {
    for model in [Model::Relaxed8, Model::Px86, Model::Eadr, Model::Sectors] {
        let capacity = if model == Model::Sectors { 2048 } else { SMALL };
        let (mut total, mut met) = (0, BTreeSet::new());
        for seed in 0..300 {
            let ops = drawn(model, seed);
            let mut medium = Medium::new(model, capacity);
            for upto in 0..=ops.len() {
                if upto > 0 {
                    apply(&mut medium, &ops[upto - 1]);
                }
                let expected = product(&allowed(model, capacity, &ops[..upto]));
                let (count, found) = images(&medium, Scope::All, seed);
                assert_eq!(found, expected, "{model:?} seed {seed} after {:?}", &ops[..upto]);
                if model != Model::Sectors {
                    assert_eq!(count, found.len(), "no image comes twice");
                    met.extend(images(&medium, Scope::WithNewest, seed).1);
                    assert!(found.is_subset(&met), "an image without the newest value was there before");
                }
                total += found.len();
            }
            met.clear();
        }
        let pinned = match model {
            Model::Relaxed8 => 15731,
            Model::Px86 => 11348,
            Model::Eadr => 3096,
            Model::Sectors => 7114,
        };
        assert_eq!(total, pinned, "{model:?}");
    }
}

#[test]
fn what_may_never_happen_does_not() {
    let mut medium = Medium::new(Model::Relaxed8, SMALL);
    let ops =
        [Op::Store(0, 1), Op::Flush(0, 64), Op::Store(8, 2), Op::Fence, Op::Store(0, 3), Op::Flush(0, 64)];
    ops.iter().for_each(|op| apply(&mut medium, op));
    let word = |image: &Vec<u8>, at: usize| image[at];
    let found: BTreeSet<(u8, u8)> =
        images(&medium, Scope::All, 0).1.iter().map(|image| (word(image, 0), word(image, 8))).collect();
    // The first word is fenced at 1 and flushed, unfenced, at 3; the second was flushed by the last flush only.
    assert_eq!(found, BTreeSet::from([(1, 0), (1, 2), (3, 0), (3, 2)]));
    let mut medium = Medium::new(Model::Px86, SMALL);
    ops.iter().for_each(|op| apply(&mut medium, op));
    let found: BTreeSet<(u8, u8)> =
        images(&medium, Scope::All, 0).1.iter().map(|image| (word(image, 0), word(image, 8))).collect();
    assert_eq!(found, BTreeSet::from([(1, 0), (1, 2), (3, 2)]), "a line keeps its stores in order");
}

#[test]
fn a_large_space_is_sampled_by_the_rule() {
    let mut medium = Medium::new(Model::Relaxed8, SMALL);
    for word in 0..20 {
        medium.store(word * 8, word + 1);
    }
    let (count, found) = images(&medium, Scope::All, 5);
    // None, each alone, pairs, all, each missing, drawn.
    assert_eq!(count, 1 + 20 + 190 + 1 + 20 + 72);
    let kept = |image: &Vec<u8>| (0..20).filter(|word| image[word * 8] != 0).collect::<Vec<_>>();
    let sets: BTreeSet<Vec<usize>> = found.iter().map(kept).collect();
    assert!(sets.contains(&vec![]) && sets.contains(&(0..20).collect::<Vec<_>>()));
    for one in 0..20 {
        assert!(sets.contains(&vec![one]));
        assert!(sets.contains(&(0..20).filter(|word| *word != one).collect::<Vec<_>>()));
        assert!((0..one).all(|other| sets.contains(&vec![other, one])));
    }
    let legal =
        allowed(Model::Relaxed8, SMALL, &(0..20).map(|w| Op::Store(w * 8, w + 1)).collect::<Vec<_>>());
    for image in &found {
        assert!(image.chunks_exact(8).zip(&legal).all(|(word, legal)| legal.contains(word)));
    }
    assert_eq!(images(&medium, Scope::WithNewest, 5).0, 1 + 19 + 1 + 19 + 72);
    assert_eq!(images(&medium, Scope::All, 5).1, found, "the same seed draws the same images");
    assert_ne!(images(&medium, Scope::All, 6).1, found);
}

#[test]
fn a_process_crash_leaves_the_visible_volatile_and_resolves_the_flights() {
    let mut medium = Medium::new(Model::Sectors, 2048);
    medium.launch(1, 0, &[1; 512]);
    medium.land(1);
    medium.launch(2, 512, &[2; 1024]);
    let mut space = Space::default();
    medium.landings(&mut space);
    assert_eq!(space.size(), 4);
    medium.resolve(|at| at == 1024);
    let first = |medium: &Medium| [0, 512, 1024].map(|at| medium.visible()[at]);
    assert_eq!((first(&medium), medium.durable()[0]), ([1, 0, 2], 0));
    medium.space(&mut space);
    assert_eq!(space.size(), 4, "what landed is volatile, what vanished is gone");
    let mut copy = Medium::new(Model::Sectors, 2048);
    copy.copy_from(&medium);
    medium.persist(Range { at: 0, length: 512 });
    medium.space(&mut space);
    assert_eq!((space.size(), medium.durable()[0], medium.durable()[1024]), (2, 1, 0));
    copy.space(&mut space);
    assert_eq!(space.size(), 4, "a copy goes its own way");
    copy.reset(medium.durable());
    assert!(copy.is_settled());
    assert_eq!((copy.visible()[1024], copy.durable_hash()), (0, hash(0, medium.durable())));
}

#[test]
fn a_failed_sync_loses_for_good_what_it_does_not_keep() {
    let mut medium = Medium::new(Model::Sectors, 2048);
    for (write, at) in [(1, 0), (2, 512), (3, 1024)] {
        medium.launch(write, at, &[9; 512]);
        medium.land(write);
    }
    medium.fail_sync(|write| write < 3, |at| at == 0);
    let durable = |medium: &Medium| [0, 512, 1024].map(|at| medium.durable()[at]);
    assert_eq!((durable(&medium), medium.visible()[512]), ([9, 0, 0], 9));
    medium.sync(|_| true);
    assert_eq!(durable(&medium), [9, 0, 9], "a second sync does not bring back what the first one lost");
    medium.persist(Range { at: 512, length: 512 });
    assert_eq!((durable(&medium), medium.durable_hash()), ([9, 9, 9], hash(0, medium.durable())));
}

#[test]
fn hashes_tell_images_apart_and_the_table_remembers_them() {
    let mut seen = Seen::default();
    for (number, word) in (0..100_000_u64).enumerate() {
        let image = hash_word(word % 512 * 8, word / 512 + 1);
        assert_eq!(seen.get(image), None);
        assert!(seen.insert(image, number as u32));
    }
    assert_eq!(seen.len(), 100_000);
    assert_eq!(seen.get(hash_word(8, 1)), Some(1));
    assert!(!seen.insert(hash_word(8, 1), 7));
    assert_eq!(seen.get(hash_word(8, 1)), Some(7));
    seen.clear();
    assert!(seen.is_empty() && seen.get(hash_word(8, 1)).is_none());
}
