//! The same seed, the same bytes; another seed, other bytes; no seed leaves anything behind for the next.

mod common;
use common::*;
use expect_test::expect;
use seedfast_core::{Durability, Input, NodeId, Now, Outbox};
use seedfast_sim::trace::{Compare, Memory, Reader, What};
use seedfast_sim::*;

/// Everybody talks to everybody, writes, and says what it hears.
fn chatter(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
    match input {
        Input::Start(start) => {
            toy.count = u64::from(start.entropy[0]);
            toy.wake(out, now, 3 * MS + u64::from(start.entropy[1]) * 1_000);
        }
        Input::Timer { .. } => {
            toy.count += 1;
            for peer in 0..3 {
                let bytes = [toy.count as u8; 40];
                toy.send(out, peer, &bytes[..toy.count as usize % 40]);
            }
            let number = toy.count as u32;
            let how = if number.is_multiple_of(4) { Durability::Durable } else { Durability::Visible };
            toy.write(out, number, u64::from(number) % 64 * 2, 2, number as u8, how);
            toy.wake(out, now, 7 * MS);
        }
        Input::Receive { frame, .. } => toy.say(out, &frame),
        _ => {}
    }
}

fn storm() -> Schedule {
    let mut schedule = calm(3);
    schedule.clients = 1;
    schedule.network = Network {
        latency_min: MS / 10,
        latency_max: 5 * MS,
        tail: 10_000,
        tail_max: 50 * MS,
        loss: 50_000,
        duplication: 20_000,
        reordering: 20_000,
        corruption: 20_000,
        throttle: 10_000_000,
    };
    schedule.turns = Turns { burst: 300_000, burst_max: MS };
    schedule.clocks = vec![Clock { monotonic_offset: 5, wall_offset: -5, drift: 200_000 }];
    let node = Target::Node(1);
    let power = |at, loss| Timed {
        at,
        fault: Fault::Crash { target: node, loss, cut: Cut::Drawn, restart_after: Some(20 * MS) },
    };
    schedule.faults = vec![
        power(100 * MS, Loss::Process),
        power(200 * MS, Loss::Power),
        Timed {
            at: 300 * MS,
            fault: Fault::Partition { groups: vec![vec![0, 1], vec![2, 3]], lasts: Some(50 * MS) },
        },
        Timed { at: 400 * MS, fault: Fault::Pause { target: Target::Focus, lasts: 30 * MS, sampled: true } },
        Timed { at: 450 * MS, fault: Fault::Clog { from: 0, to: 2, lasts: 60 * MS } },
        Timed { at: 500 * MS, fault: Fault::Slow { target: node, turn: MS, lasts: 30 * MS } },
        Timed { at: 600 * MS, fault: Fault::Freeze { target: node, lasts: 30 * MS } },
        Timed { at: 700 * MS, fault: Fault::Heal },
    ];
    schedule
}

fn stage() -> Stage {
    let mut stage = Stage::with_disk(chatter);
    stage.client = |now, input, out| {
        if matches!(input, ClientInput::Start { .. } | ClientInput::Timer { .. }) {
            out.push(ClientOutput::Timer {
                id: 1,
                at: Some(seedfast_core::Instant::from_nanos(now + 9 * MS)),
            });
            let bytes = out.buffer().freeze();
            let session = seedfast_core::SessionId(1);
            out.push(ClientOutput::Request { to: NodeId(1), session, sequence: now, bytes });
        }
    };
    stage
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let (mut first, mut second) = (Memory::default(), Memory::default());
    let a = World::new().run(7, &storm(), &mut stage(), &mut first);
    let b = World::new().run(7, &storm(), &mut stage(), &mut second);
    assert_eq!((&a, &first), (&b, &second));
    assert_eq!(a.trace_hash, xxhash_rust::xxh3::xxh3_128(&first.0), "what xxh128sum would print");
    assert_eq!(a.trace_bytes, first.0.len() as u64);
    assert_eq!(a.broken, None);
    let c = World::new().run(8, &storm(), &mut stage(), &mut NoTrace);
    assert_ne!(a.trace_hash, c.trace_hash);
}

#[test]
fn the_bytes_are_the_same_on_every_machine_in_every_profile() {
    let outcome = World::new().run(7, &storm(), &mut stage(), &mut NoTrace);
    expect!["2ff0b7f3d28fdbb13facc67685757320"].assert_eq(&format!("{:032x}", outcome.trace_hash));
}

#[test]
fn a_world_that_ran_a_thousand_other_seeds_gives_the_same_bytes() {
    let cold = World::new().run(42, &storm(), &mut stage(), &mut NoTrace);
    let mut warm = World::new();
    for seed in 0..1_000 {
        let mut schedule = if seed % 3 == 0 { calm(5) } else { storm() };
        schedule.end = 30 * MS * (seed % 5);
        warm.run(seed, &schedule, &mut stage(), &mut NoTrace);
    }
    let panics = |_: &mut Toy, _: Now, _: Input, out: &mut Outbox| {
        out.halt("left behind");
        panic!("in the middle of a turn")
    };
    warm.run(1, &storm(), &mut Stage::new(panics), &mut NoTrace);
    assert_eq!(warm.run(42, &storm(), &mut stage(), &mut NoTrace), cold);
}

#[test]
fn every_record_of_a_stormy_run_is_read_back_and_shown() {
    let mut memory = Memory::default();
    let outcome = World::new().run(7, &storm(), &mut stage(), &mut memory);
    let reader = Reader::new(&memory.0).expect("a trace");
    assert_eq!((reader.seed(), reader.nodes(), reader.clients()), (7, 3, 1));
    let events: Vec<_> = reader.clone().collect::<Result<_, _>>().expect("every record makes sense");
    assert_eq!(events.len() as u64, outcome.events);
    assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at && pair[0].index + 1 == pair[1].index));
    let text: String = events.iter().map(|event| format!("{event}\n")).collect();
    for word in
        ["receive", "send", "power lost", "image", "landed", "durable", "fault", "request", "slow turn"]
    {
        assert!(text.contains(word), "{word}");
    }
    assert!(matches!(events.last().map(|event| &event.what), Some(What::Verdict { invariant: "", .. })));
    let tenth = &events[9];
    assert_eq!(reader.clone().event_at(tenth.offset + 1).as_ref(), Some(tenth));
    assert!(Reader::new(b"no trace").is_err());
}

#[test]
fn a_comparing_sink_stops_the_run_at_the_first_difference() {
    let mut reference = Memory::default();
    let whole = World::new().run(7, &storm(), &mut stage(), &mut reference);
    let mut same = Compare::new(&reference.0);
    World::new().run(7, &storm(), &mut stage(), &mut same);
    assert_eq!(same.difference(), None);
    let mut changed = reference.0.clone();
    let place = 70_000;
    changed[place] ^= 1;
    let mut other = Compare::new(&changed);
    let stopped = World::new().run(7, &storm(), &mut stage(), &mut other);
    assert_eq!(other.difference(), Some(place as u64));
    assert!(stopped.events < whole.events);
}

#[test]
fn steps_and_a_whole_run_leave_the_same_trace() {
    let whole = World::new().run(3, &storm(), &mut stage(), &mut NoTrace);
    let (mut world, mut scene) = (World::new(), stage());
    world.reset(3, &storm(), &mut scene);
    world.run_until(seedfast_core::Instant::from_nanos(500 * MS), &mut scene, &mut NoTrace);
    while world.step(&mut scene, &mut NoTrace) {}
    assert_eq!(world.finish(&mut scene, &mut NoTrace), whole);
}
