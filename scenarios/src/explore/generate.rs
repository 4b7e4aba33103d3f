//! Sequences drawn from a seed, and a fixed list of named ones.

use super::sequence::{Op, Sequence, Shape, What};
use seedfast_sim::draw::Draws;
use seedfast_sim::images::Model;

/// The purposes of draws; each has draws of its own.
const SHAPE: u64 = 0;
const OPS: u64 = 1;

/// What a sequence has got to while it is drawn.
struct Story {
    slot: u64,
    ballot: u64,
    decided: u64,
    epoch: u32,
    id: u64,
}

/// The sequence of a seed under one model.
pub fn drawn(model: Model, seed: u64) -> Sequence {
    let draws = Draws::of(seed, SHAPE);
    let shape = match model {
        Model::Sectors if draws.chance(0, 300_000) => {
            Shape { model, copy: 512, area: 0, segment: 1024, segments: 2 }
        }
        Model::Sectors => Shape::disk(),
        _ if draws.chance(0, 250_000) => Shape { model, copy: 256, area: 256, segment: 384, segments: 3 },
        _ if draws.chance(1, 200_000) => Shape { model, copy: 256, area: 320, segment: 1024, segments: 2 },
        _ => Shape::nvm(model),
    };
    let mut story = Story { slot: 0, ballot: 1, decided: 0, epoch: 1, id: 1 };
    let mut ops = Vec::new();
    let count = draws.between(2, 8, 36);
    // Swarm: some sequences never crash on their way, some never take a snapshot, and so on.
    let may = |what: u64| draws.chance(10 + what, 700_000);
    let (crashes, snapshots, troubles, large) = (may(0), may(1), may(2), may(3));
    for number in 0..count {
        let draw = Draws::of(seed, OPS).part(number);
        match draw.below(0, 100) {
            0..=33 => ops.push(story.append(What::Vote, draw, large)),
            34..=41 => ops.push(story.append(What::Promise, draw, large)),
            42..=47 => ops.push(story.append(What::Learned, draw, large)),
            48 => ops.push(story.append(What::Configuration, draw, large)),
            49..=62 => ops.push(story.burst(draw)),
            63..=71 => ops.push(Op::Run(draw.between(1, 1, 40) as u32)),
            72..=84 => ops.push(Op::Settle),
            85..=90 if snapshots && shape.area > 0 => {
                ops.push(story.snapshot(draw, shape.area));
                if draw.chance(40, 500_000) {
                    // A group that may have to wait for the room that the checkpoint makes.
                    ops.extend([story.append(What::Promise, draw, false), story.burst(draw)]);
                }
            }
            91 if snapshots => {
                story.epoch += 1;
                ops.push(Op::Configure { epoch: story.epoch, bytes: draw.between(1, 0, 40) as u32 });
            }
            92..=93 if crashes => ops.push(Op::Power(draw.bits(1) >> 32)),
            94..=95 if crashes => ops.push(Op::Process(draw.bits(1) >> 32)),
            96 if troubles && model == Model::Sectors => ops.push(Op::FailSync),
            97 if troubles => ops.push(Op::Full),
            _ => ops.extend([story.append(What::Vote, draw, large), story.burst(draw), Op::Settle]),
        }
    }
    ops.push(story.burst(draws.part(count)));
    ops.push(Op::Settle);
    Sequence { name: seed.to_string(), seed, shape, ops }
}

impl Story {
    fn append(&mut self, what: What, draw: Draws, large: bool) -> Op {
        self.id += 1;
        let bytes = match draw.below(10, 8) {
            0 => 0,
            1..=4 => draw.between(11, 1, 24),
            5 | 6 => draw.between(11, 16, 72),
            _ if large => draw.between(11, 100, 380),
            _ => 16,
        } as u32;
        match what {
            What::Promise => {
                self.ballot += draw.between(12, 1, 3);
                Op::Append { what, slot: 0, ballot: self.ballot, epoch: self.epoch, bytes: 0, id: self.id }
            }
            What::Vote | What::Learned => {
                self.slot += 1;
                let ballot = if what == What::Vote { self.ballot } else { 0 };
                // Now and then a slot is voted for again, or one is left out.
                let slot = match draw.below(13, 10) {
                    0 if self.slot > 1 => self.slot - 1,
                    1 => self.slot + 1,
                    _ => self.slot,
                };
                Op::Append { what, slot, ballot, epoch: self.epoch, bytes, id: self.id }
            }
            What::Configuration => {
                self.epoch += 1;
                // It must fit a metadata copy.
                let bytes = bytes.min(48);
                Op::Append {
                    what,
                    slot: self.slot,
                    ballot: self.ballot,
                    epoch: self.epoch,
                    bytes,
                    id: self.id,
                }
            }
        }
    }

    fn burst(&mut self, draw: Draws) -> Op {
        self.decided = draw.between(20, self.decided, self.slot.max(self.decided));
        Op::Burst { decided: self.decided, even_empty: draw.chance(21, 150_000) }
    }

    fn snapshot(&mut self, draw: Draws, area: u64) -> Op {
        self.id += 1;
        self.decided = draw.between(20, self.decided, self.slot.max(self.decided));
        let pieces = draw.between(30, 1, 3);
        let room = (area / pieces).saturating_sub(104 + 64);
        let pieces = (0..pieces).map(|piece| draw.below(31 + piece, room + 1) as u32).collect();
        Op::Snapshot { slot: self.decided, pieces, digest: self.id }
    }
}

fn vote(slot: u64, ballot: u64, bytes: u32) -> Op {
    Op::Append { what: What::Vote, slot, ballot, epoch: 1, bytes, id: 1000 + slot * 10 + ballot }
}

fn promise(ballot: u64) -> Op {
    Op::Append { what: What::Promise, slot: 0, ballot, epoch: 1, bytes: 0, id: 0 }
}

fn burst(decided: u64) -> Op {
    Op::Burst { decided, even_empty: false }
}

fn snapshot(slot: u64) -> Op {
    Op::Snapshot { slot, pieces: vec![40, 24], digest: 7000 + slot }
}

/// Sequences that every exploration begins with, each about one thing.
pub fn named(model: Model) -> Vec<Sequence> {
    use Op::{Full, Power, Process, Settle};
    let shape = if model == Model::Sectors { Shape::disk() } else { Shape::nvm(model) };
    let mut all = Vec::new();
    let mut add = |name: &str, ops: Vec<Op>| {
        let seed = all.len() as u64;
        all.push(Sequence { name: name.to_owned(), seed, shape, ops });
    };
    add("one-promise", vec![promise(3), burst(0), Settle]);
    add("two-groups", vec![vote(1, 1, 8), burst(0), Settle, vote(2, 1, 8), burst(1), Settle]);
    add("group-of-two", vec![vote(1, 1, 8), promise(2), burst(0), Settle, vote(2, 2, 30), burst(1), Settle]);
    add("gathering", vec![vote(1, 1, 8), burst(0), Op::Run(9), vote(2, 1, 8), burst(0), Op::Run(9), Settle]);
    add(
        "empty-note",
        vec![vote(1, 1, 8), burst(0), Settle, Op::Burst { decided: 1, even_empty: true }, Settle],
    );
    let mut lap = Vec::new();
    for slot in 1..=14 {
        lap.extend([vote(slot, 1, 16), burst(slot - 1), Settle]);
        // On NVM four of them fill a segment, so that the vote at the snapshot's slot is the last one of its own.
        if slot % 4 == 0 || model == Model::Sectors {
            lap.extend([snapshot(slot), Settle]);
        }
    }
    add("wrap-around", lap.clone());
    lap.extend([Power(1), Settle]);
    for slot in 15..=18 {
        lap.extend([vote(slot, 2, 16), burst(slot - 1), Settle]);
    }
    add("wrap-around-and-power", lap);
    let mut lives = Vec::new();
    for life in 0..4 {
        lives.extend([
            vote(2 * life + 1, life + 1, 20),
            vote(2 * life + 2, life + 1, 0),
            burst(0),
            Op::Run(14),
        ]);
        lives.push(if life % 2 == 0 { Power(life) } else { Process(life) });
    }
    lives.extend([promise(9), burst(0), Settle]);
    add("four-lives", lives);
    let commit = |slot| [vote(slot, 1, 12), burst(slot - 1), Settle];
    add("checkpoint", [&commit(1)[..], &commit(2), &[snapshot(2), Settle], &commit(3)].concat());
    add(
        "two-checkpoints",
        [&commit(1)[..], &[snapshot(1), Settle], &commit(2), &[snapshot(2), Settle, Power(3)], &commit(3)]
            .concat(),
    );
    add("configure", [&commit(1)[..], &[Op::Configure { epoch: 2, bytes: 17 }, Settle], &commit(2)].concat());
    add("full-device", [&commit(1)[..], &[Full], &commit(2), &commit(3)].concat());
    let mut half = commit(1).to_vec();
    for (number, steps) in [2, 6, 9, 14, 30, 34].into_iter().enumerate() {
        // A checkpoint of which one copy is there, the other not yet; then another one.
        let (number, epoch) = (number as u64, 2 + 2 * number as u32);
        half.extend([Op::Configure { epoch, bytes: 9 }, Op::Run(steps), Power(number), Settle]);
        half.extend([Op::Configure { epoch: epoch + 1, bytes: 9 }, Settle]);
    }
    add("half-checkpoints", half);
    if model == Model::Sectors {
        let mut syncs = commit(1).to_vec();
        for slot in 2..=7 {
            syncs.push(Op::FailSync);
            syncs.extend(commit(slot));
            syncs.extend([snapshot(slot + 1), Settle]);
        }
        add("failed-syncs", syncs);
        // The ring is full: the next group waits for the checkpoint that is being written.
        let mut full = Vec::new();
        for round in 1..=4 {
            full.extend([
                vote(round, round, 8),
                burst(round),
                Settle,
                promise(2 * round),
                burst(round),
                Settle,
            ]);
            full.extend([snapshot(round + 1), promise(2 * round + 1), burst(round), Settle]);
        }
        add("full-ring", full);
    }
    all
}
