//! Two ends with a network between them that loses, doubles and reorders.

use super::chunk::{Chunk, flag};
use super::pipe::Pipe;
use seedfast_core::random::Random;
use seedfast_core::{Duration, Instant};

const WINDOW: u64 = 2000;

/// Both ends, what is on its way between them, and time.
struct Pair {
    ends: [Option<Pipe>; 2],
    /// Whom each chunk is for, and when it arrives.
    under_way: Vec<(Instant, usize, Vec<u8>)>,
    now: Instant,
    random: Random,
    /// One chunk in so many is lost, and as many are doubled; 0 for none.
    trouble: u64,
}

impl Pair {
    fn new(seed: u64, trouble: u64) -> Self {
        let ends = [Some(Pipe::open(1, 7, WINDOW)), None];
        Pair { ends, under_way: Vec::new(), now: Instant::ZERO, random: Random::from_seed(seed), trouble }
    }

    fn strikes(&mut self) -> bool {
        self.trouble > 0 && self.random.below(self.trouble) == 0
    }

    /// Everything that is to be sent goes, and the next thing happens. False if nothing will.
    fn step(&mut self) -> bool {
        for from in 0..2 {
            loop {
                let (mut bytes, cut) = (Vec::new(), self.random.next());
                let Some(pipe) = &mut self.ends[from] else { break };
                if !pipe.emit(self.now, |most| 1 + (cut % most as u64) as usize, &mut bytes) {
                    break;
                }
                for _ in 0..1 + u32::from(self.strikes()) {
                    let at = self.now + Duration::from_micros(self.random.below(5_000));
                    if !self.strikes() {
                        self.under_way.push((at, 1 - from, bytes.clone()));
                    }
                }
            }
        }
        let arrives = self.under_way.iter().map(|(at, ..)| *at).min();
        let ticks = self.ends.iter().flatten().filter_map(Pipe::deadline).min();
        let Some(next) = [arrives, ticks].into_iter().flatten().min() else { return false };
        self.now = self.now.max(next);
        if let Some(place) = self.under_way.iter().position(|(at, ..)| *at <= self.now) {
            let (_, to, bytes) = self.under_way.swap_remove(place);
            let chunk = Chunk::decode(&bytes).expect("nobody damages it");
            match &mut self.ends[to] {
                Some(pipe) => {
                    pipe.arrive(&chunk, self.now);
                }
                None if chunk.has(flag::OPEN) => self.ends[to] = Some(Pipe::accept(&chunk, WINDOW, self.now)),
                None => {}
            }
        }
        for pipe in self.ends.iter_mut().flatten() {
            pipe.tick(self.now);
            assert!(pipe.unread.len() as u64 <= WINDOW, "{} bytes wait unread", pipe.unread.len());
        }
        true
    }
}

#[test]
fn every_byte_arrives_once_and_in_order_both_ways_whatever_the_network_does() {
    for seed in 0..200 {
        let mut pair = Pair::new(seed, [0, 20, 9][seed as usize % 3]);
        let sent: [Vec<u8>; 2] =
            [(0..20_000u32).map(|n| (n / 7) as u8).collect(), (0..9_000u32).map(|n| (n / 5) as u8).collect()];
        let (mut written, mut came) = ([0, 0], [Vec::new(), Vec::new()]);
        let is_over = |pipe: &Option<Pipe>| {
            pipe.as_ref().is_some_and(|pipe| pipe.ended && pipe.end_acknowledged && pipe.unread.is_empty())
        };
        let mut idle = 0;
        while !pair.ends.iter().all(is_over) {
            // What is left may be unread, or unwritten: readers and writers take their time.
            idle = if pair.step() { 0 } else { idle + 1 };
            assert!(idle < 100, "seed {seed}: nothing happens any more");
            for end in 0..2 {
                let (now, most) = (pair.now, pair.random.below(900) as usize);
                let Some(pipe) = &mut pair.ends[end] else { continue };
                assert!(!pipe.broken, "seed {seed}: it broke");
                let upto = (written[end] + most).min(sent[end].len());
                pipe.write(&mut sent[end][written[end]..upto].to_vec());
                written[end] = upto;
                pipe.closed |= upto == sent[end].len();
                if most > 300 {
                    pipe.read(&mut came[end], most, now);
                }
            }
        }
        assert!(came[0] == sent[1] && came[1] == sent[0], "seed {seed}: other bytes came");
    }
}

#[test]
fn an_end_that_nobody_answers_breaks_and_asks_no_more() {
    let mut pair = Pair::new(1, 1);
    while pair.step() {}
    let pipe = pair.ends[0].as_ref().expect("it was opened");
    assert!(pipe.broken && pipe.deadline().is_none());
}

#[test]
fn a_writer_without_credit_goes_on_when_the_word_that_there_is_room_was_lost() {
    for seed in 0..50 {
        let mut pair = Pair::new(seed, 6);
        let mut came = Vec::new();
        pair.ends[0].as_mut().expect("it was opened").write(&mut vec![1; 10 * WINDOW as usize]);
        while came.len() < 10 * WINDOW as usize {
            assert!(pair.step(), "seed {seed}: nothing happens any more");
            let now = pair.now;
            // Read only when there is no more room, so that each word about room counts.
            if let Some(pipe) = pair.ends[1].as_mut().filter(|pipe| pipe.unread.len() as u64 == WINDOW) {
                pipe.read(&mut came, usize::MAX, now);
            }
        }
    }
}
