//! Every fault of devices at once, on both media: nothing panics, and a seed gives the same bytes in a cold world and
//! after others.

mod common;
use common::*;
use seedfast_core::random::mix;
use seedfast_core::{
    Buffer, Completion, DeviceId, Durability, Geometry, Input, NodeId, Now, Outbox, Process, Range, Step,
};
use seedfast_sim::draw::Draws;
use seedfast_sim::*;

const CAPACITY: u64 = 16 << 10;

/// Each tick a chain or a read that its count draws; two devices, one of either kind.
fn busy(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
    match input {
        Input::Start(_) => {
            for device in [0, 1] {
                let mut chain = out.chain();
                chain.push(Step::Drain);
                chain.push(Step::Persist(Range { at: 0, length: CAPACITY }));
                out.submit(toy.op(1_000_000 + device), DeviceId(device as u8), chain, Durability::Durable);
            }
            toy.wake(out, now, 10 * MS);
        }
        Input::Timer { .. } => {
            toy.count += 1;
            toy.wake(out, now, 10 * MS);
            let draws = Draws::of(mix(toy.count), u64::from(toy.life.0));
            let (number, device) = (toy.count as u32, DeviceId((toy.count % 2) as u8));
            let unit = if device.0 == 0 { 512 } else { 8 };
            let at = draws.below(0, CAPACITY / unit / 2) * unit;
            let most = ((CAPACITY - at) / unit).min(20);
            let length = draws.between(1, 1, most) * unit;
            if draws.chance(2, 300_000) {
                return out.read(toy.op(number), device, Range { at, length });
            }
            let mut chain = out.chain();
            chain.push(Step::Write { at, buffer: Buffer::copy_from(&vec![number as u8; length as usize]) });
            if draws.chance(3, 300_000) {
                chain.push(Step::Barrier);
                chain.push(Step::Write { at, buffer: Buffer::copy_from(&vec![1; unit as usize]) });
            }
            let durable = draws.chance(4, 500_000);
            let how = if durable { Durability::Durable } else { Durability::Visible };
            out.submit(toy.op(number), device, chain, how);
        }
        Input::Completed { result: Completion::Failed(_), .. } => toy.say(out, b"failed"),
        _ => {}
    }
}

struct Both(Stage);

impl Scene for Both {
    fn process(&mut self, node: NodeId) -> Box<dyn Process> {
        self.0.process(node)
    }
    fn devices(&mut self, _: NodeId) -> Formatted {
        vec![(Geometry::disk(CAPACITY), vec![(512, vec![3; 512])]), (Geometry::nvm(CAPACITY), vec![])]
    }
    fn may_damage(&self, damage: &Damage<'_>) -> bool {
        damage.later
    }
    fn observe(&mut self, seen: Seen<'_>) -> Result<(), Violation> {
        self.0.observe(seen)
    }
}

fn schedule(seed: u64) -> Schedule {
    let draws = Draws::of(seed, 0);
    let mut schedule = calm(3);
    let often = |index| if draws.chance(index, 500_000) { 50_000 } else { 0 };
    schedule.disk.sync_failure = often(0);
    schedule.disk.write_error = often(1);
    schedule.disk.no_space = often(2);
    schedule.disk.read_error = often(3);
    schedule.disk.lost_write = often(4);
    schedule.disk.misdirected = often(5);
    schedule.disk.caches = [Caches::Relaxed8, Caches::Px86, Caches::Eadr][draws.below(6, 3) as usize];
    schedule.disk.atlas = if draws.chance(7, 500_000) { Atlas::Off } else { Atlas::Minority };
    for number in 0..12 {
        let draws = draws.part(number);
        let target = Target::Node(draws.below(0, 3) as u8);
        let device = draws.below(1, 3) as u8;
        let place = if draws.chance(2, 500_000) {
            Place::Drawn(draws.between(3, 1, 3) as u32)
        } else {
            Place::Range { at: draws.below(4, 2 * CAPACITY), length: draws.between(5, 1, 2000) }
        };
        let lasts = draws.below(6, 100 * MS);
        let loss = if draws.chance(7, 500_000) { Loss::Power } else { Loss::Process };
        let crash = Fault::Crash { target, loss, cut: Cut::AfterWrite, restart_after: Some(MS) };
        let fault = match draws.below(8, 10) {
            0 => Fault::FailSync { target, device },
            1 => Fault::FailWrite { target, device },
            2 => Fault::LoseWrite { target, device },
            3 => Fault::Misdirect { target, device },
            4 => Fault::DiskFull { target, device, lasts },
            5 => {
                Fault::Unreadable { target, device, place, lasts: draws.chance(9, 500_000).then_some(lasts) }
            }
            6 => Fault::Rot { target, device, place, bits: draws.between(10, 1, 64) as u8 },
            7 => Fault::LoseDevices { target, restart_after: Some(MS) },
            _ => crash,
        };
        schedule.faults.push(Timed { at: draws.below(11, 900 * MS), fault });
    }
    schedule.faults.sort_by_key(|timed| timed.at);
    schedule
}

#[test]
fn everything_at_once_repeats_and_breaks_nothing_of_the_world() {
    let mut warm = World::new();
    let mut missing: Vec<&str> =
        Effect::ALL[Effect::FailedSync as usize..].iter().map(|e| e.name()).collect();
    for seed in 0..150 {
        let schedule = schedule(seed);
        assert_eq!(schedule.check(), Ok(()));
        let run = |world: &mut World| world.run(seed, &schedule, &mut Both(Stage::new(busy)), &mut NoTrace);
        let outcome = run(&mut warm);
        assert_eq!(outcome.broken, None, "seed {seed}");
        assert_eq!(run(&mut World::new()).trace_hash, outcome.trace_hash, "seed {seed}");
        missing.retain(|name| !outcome.effects.contains_key(name));
    }
    assert!(missing.is_empty(), "never seen: {missing:?}");
}
