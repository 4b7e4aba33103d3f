//! Crashes, cuts, pauses, slow turns, bursts, panics and livelocks.

mod common;
use common::*;
use seedfast_core::{GroupId, Input, Instant, Kind, NodeId, Now, ObservationKind, Outbox, PeerSet, TimerId};
use seedfast_sim::*;

fn crash(node: u8, cut: Cut, restart_after: Option<u64>) -> Fault {
    Fault::Crash { target: Target::Node(node), loss: Loss::Process, cut, restart_after }
}

#[test]
fn a_crashed_node_hears_nothing_and_comes_back_as_another_life() {
    let schedule = with(calm(2), 95 * MS, crash(1, Cut::Now, Some(100 * MS)));
    let mut stage = Stage::new(beacon);
    let outcome = run(1, &schedule, &mut stage);
    assert_eq!(stage.said(1).len(), 90);
    let lives: Vec<_> = stage.lives.iter().filter(|life| life.1 == 1).copied().collect();
    assert_eq!(lives, [(0, 1, 1, true), (95 * MS, 1, 1, false), (195 * MS, 1, 2, true)]);
    assert!(stage.heard.iter().all(|told| (told.2 == 2) == (told.0 > 195 * MS)));
    assert_eq!((count(&outcome, Effect::Crash), count(&outcome, Effect::Recovery)), (1, 1));
    assert_eq!(count(&outcome, Effect::ArrivedAtDead), 10);
}

#[test]
fn without_a_restart_a_node_stays_down_until_restart_or_heal() {
    let down = with(calm(2), 95 * MS, crash(1, Cut::Now, None));
    let said = |schedule: &Schedule| {
        let mut stage = Stage::new(beacon);
        run(1, schedule, &mut stage);
        stage.said(1).len()
    };
    assert_eq!(said(&down), 10);
    assert_eq!(said(&with(down.clone(), 495 * MS, Fault::Restart { node: 1 })), 60);
    assert_eq!(said(&with(down.clone(), 495 * MS, Fault::Heal)), 60);
    assert_eq!(said(&with(calm(2), 495 * MS, Fault::Restart { node: 1 })), 100, "it runs: nothing happens");
}

/// Every 10 ms node 0 sends five numbered messages in one turn.
fn five(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
    match input {
        Input::Start(_) | Input::Timer { .. } if toy.node.0 == 0 => {
            for number in 0..5 {
                toy.send(out, 1, &[toy.life.0 as u8, toy.count as u8, number]);
            }
            toy.count += 1;
            toy.wake(out, now, 10 * MS);
        }
        Input::Receive { frame, .. } => toy.say(out, &frame),
        _ => {}
    }
}

#[test]
fn outputs_behind_the_cut_never_exist() {
    let schedule = with(calm(2), 15 * MS, crash(0, Cut::AfterOutput(3), Some(500 * MS)));
    let mut stage = Stage::new(five);
    let outcome = run(1, &schedule, &mut stage);
    let first_life: Vec<_> = stage.said(1).into_iter().filter(|said| said.1[0] == 1).collect();
    assert_eq!(first_life.len(), 5 + 5 + 3);
    assert_eq!(first_life.last().map(|said| said.1.clone()), Some(vec![1, 2, 2]));
    assert_eq!(count(&outcome, Effect::OutputsCut), 1);
    let never = with(calm(2), 15 * MS, crash(0, Cut::AfterOutput(6), None));
    assert_eq!(
        count(&run(1, &never, &mut Stage::new(five)), Effect::Crash),
        0,
        "no turn has so many outputs"
    );
}

#[test]
fn an_observation_shares_the_fate_of_the_effect_that_it_announces() {
    fn announces(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
        if matches!(input, Input::Start(_) | Input::Timer { .. }) {
            for number in 0..3 {
                toy.say(out, &[toy.count as u8, number]);
                toy.send(out, 1, b"x");
            }
            toy.count += 1;
            toy.wake(out, now, 10 * MS);
        }
    }
    for (count, said) in [(0, 0), (1, 1), (3, 3)] {
        let mut stage = Stage::new(announces);
        run(1, &with(calm(2), 5 * MS, crash(0, Cut::AfterOutput(count), None)), &mut stage);
        assert_eq!(stage.said(0).len(), 3 + said, "cut after {count} effects");
    }
}

#[test]
fn a_drawn_cut_falls_everywhere_in_a_turn() {
    let schedule = with(calm(2), 15 * MS, crash(0, Cut::Drawn, None));
    let survivors: std::collections::BTreeSet<usize> = (0..100)
        .map(|seed| {
            let mut stage = Stage::new(five);
            run(seed, &schedule, &mut stage);
            stage.said(1).len() - 10
        })
        .collect();
    assert_eq!(survivors.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_crash_inside_recovery_counts() {
    let schedule = with(calm(2), 95 * MS, crash(1, Cut::Now, Some(10 * MS)));
    let schedule = with(schedule, 106 * MS, crash(1, Cut::Now, Some(10 * MS)));
    assert_eq!(count(&run(1, &schedule, &mut Stage::new(beacon)), Effect::CrashInRecovery), 1);
}

#[test]
fn a_timer_of_a_former_life_never_fires() {
    fn behaviour(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Start(_) if toy.life.0 == 1 => toy.wake(out, now, 100 * MS),
            Input::Timer { .. } => toy.say(out, b"fired"),
            _ => {}
        }
    }
    let mut stage = Stage::new(behaviour);
    run(1, &calm(1), &mut stage);
    assert_eq!(stage.said(0).len(), 1);
    let mut stage = Stage::new(behaviour);
    run(1, &with(calm(1), 50 * MS, crash(0, Cut::Now, Some(MS))), &mut stage);
    assert_eq!(stage.said(0), []);
}

#[test]
fn a_timer_that_is_moved_or_cancelled_fires_only_as_it_was_last_set() {
    fn behaviour(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Start(_) => {
                toy.wake(out, now, 100 * MS);
                out.timer(TimerId(1), Some(Instant::from_nanos(50 * MS)));
                out.timer(TimerId(2), Some(Instant::from_nanos(20 * MS)));
            }
            Input::Timer { id: TimerId(2) } => {
                toy.wake(out, now, 10 * MS);
                out.timer(TimerId(1), None);
                toy.say(out, &[2]);
            }
            Input::Timer { id } => toy.say(out, &[id.0 as u8]),
            _ => {}
        }
    }
    let mut stage = Stage::new(behaviour);
    run(1, &calm(1), &mut stage);
    assert_eq!(stage.said(0), [(20 * MS, vec![2]), (30 * MS, vec![0])]);
}

#[test]
fn a_paused_node_takes_nothing_and_then_everything_in_order() {
    let pause = |sampled| Fault::Pause { target: Target::Node(1), lasts: 50 * MS, sampled };
    let mut stage = Stage::new(beacon);
    let outcome = run(1, &with(calm(2), 95 * MS, pause(false)), &mut stage);
    let said = stage.said(1);
    assert_eq!(said.len(), 100);
    assert_eq!((said[9].0, said[10].0, said[14].0), (91 * MS, 145 * MS, 145 * MS));
    assert_eq!(count(&outcome, Effect::Paused), 5);
}

/// Says what its clock reads whenever it hears something.
fn clock_reader(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
    match input {
        Input::Receive { .. } => toy.say(out, &now.monotonic.as_nanos().to_le_bytes()),
        input => beacon(toy, now, input, out),
    }
}

#[test]
fn a_pause_between_sample_and_turn_shows_the_first_turn_an_old_clock() {
    let pause = |sampled| Fault::Pause { target: Target::Node(1), lasts: 50 * MS, sampled };
    let readings = |sampled| {
        let mut stage = Stage::new(clock_reader);
        let outcome = run(1, &with(calm(2), 95 * MS, pause(sampled)), &mut stage);
        let readings: Vec<u64> =
            stage.said(1).iter().map(|said| u64::from_le_bytes(said.1[..].try_into().expect("8"))).collect();
        (readings[10], readings[11], count(&outcome, Effect::StaleSample))
    };
    assert_eq!(readings(true), (101 * MS, 145 * MS, 1));
    assert_eq!(readings(false), (145 * MS, 145 * MS, 0));
}

#[test]
fn a_slow_nodes_outputs_leave_at_the_end_of_the_turn() {
    fn echo(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Receive { frame, .. } if toy.node.0 == 1 => toy.send(out, 0, &frame),
            Input::Receive { frame, .. } => toy.say(out, &frame),
            input => beacon(toy, now, input, out),
        }
    }
    let slow = Fault::Slow { target: Target::Node(1), turn: 3 * MS, lasts: 200 * MS };
    let mut stage = Stage::new(echo);
    let outcome = run(1, &with(calm(2), 95 * MS, slow), &mut stage);
    let said = stage.said(0);
    assert_eq!((said[9].0, said[10].0, said[99].0), (92 * MS, 105 * MS, 992 * MS));
    assert_eq!(count(&outcome, Effect::Slowed), 20);
}

/// Says when a burst ends and how many inputs it had.
fn bursts(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
    match input {
        Input::EndOfBurst => {
            toy.say(out, &toy.count.to_le_bytes());
            toy.count = 0;
        }
        Input::Receive { .. } => toy.count += 1,
        input if toy.node.0 == 0 => {
            if matches!(input, Input::Timer { .. } | Input::Start(_)) {
                (0..100).for_each(|_| toy.send(out, 1, b"x"));
                toy.wake(out, now, 10 * MS);
            }
        }
        _ => {}
    }
}

fn burst_sizes(turns: Turns, pause: bool) -> Vec<u64> {
    let mut schedule = calm(2);
    schedule.turns = turns;
    schedule.end = 25 * MS;
    if pause {
        let fault = Fault::Pause { target: Target::Node(1), lasts: 10 * MS, sampled: false };
        schedule = with(schedule, MS / 2, fault);
    }
    let mut stage = Stage::new(bursts);
    run(1, &schedule, &mut stage);
    stage.said(1).iter().map(|said| u64::from_le_bytes(said.1[..].try_into().expect("8"))).collect()
}

#[test]
fn bursts_end_at_once_or_gather_what_arrives_meanwhile_and_never_grow_without_bound() {
    let alone = burst_sizes(Turns::default(), false);
    assert_eq!((alone.len(), alone.iter().max()), (301, Some(&1)), "100 messages three times, and the start");
    let gathered = burst_sizes(Turns { burst: 1_000_000, burst_max: MS / 10 }, false);
    assert_eq!(gathered.iter().max(), Some(&64), "64 inputs at the latest");
    assert!(gathered.len() < 10, "{gathered:?}");
    assert_eq!(burst_sizes(Turns::default(), true)[..3], [0, 64, 36], "all that waited is at hand");
}

#[test]
fn a_panic_and_a_contract_end_the_run_and_name_the_node() {
    let broken = |behaviour| run(1, &calm(2), &mut Stage::new(behaviour)).broken.expect("it broke");
    let panicked = broken(|toy, now, input, out| {
        assert!(toy.count < 3 || toy.node.0 == 1, "three is too much");
        beacon(toy, now, input, out);
    });
    assert_eq!(panicked.violation.invariant, "panic");
    assert!(panicked.violation.what.starts_with("n0: three is too much (process_faults.rs:"));
    assert_eq!(panicked.at, 20 * MS);
    let contract = broken(|_, _, _, _| panic!("contract I7 (ensures): a ballot went back"));
    assert_eq!(contract.violation.invariant, "I7");
    let observed = broken(|_, _, _, out| {
        out.observe(ObservationKind::CONTRACT, |bytes| bytes.extend_from_slice(b"I9 no quorum"));
    });
    assert_eq!((&*observed.violation.invariant, &*observed.violation.what), ("I9", "n0: I9 no quorum"));
}

#[test]
fn a_world_in_which_no_time_passes_is_a_livelock() {
    fn ping_pong(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Start(_) if toy.node.0 == 0 => toy.send(out, 1, b"x"),
            Input::Receive { from, .. } => toy.send(out, from.0, b"x"),
            _ => beacon(toy, now, Input::EndOfBurst, out),
        }
    }
    let mut schedule = calm(2);
    schedule.network = Network::default();
    let outcome = run(1, &schedule, &mut Stage::new(ping_pong));
    assert_eq!(outcome.broken.map(|broken| broken.violation.invariant), Some("livelock".into()));
    assert_eq!(run(1, &calm(2), &mut Stage::new(ping_pong)).broken, None);
}

#[test]
fn a_process_that_halts_is_gone() {
    fn halts(toy: &mut Toy, _: Now, input: Input, out: &mut Outbox) {
        if let Input::Start(_) = input {
            out.halt("the barrier failed");
            toy.say(out, b"never");
        }
    }
    let mut stage = Stage::new(halts);
    let outcome = run(1, &calm(1), &mut stage);
    assert_eq!((stage.heard.len(), count(&outcome, Effect::Halted)), (0, 1));
    assert_eq!(stage.lives.len(), 2);
}

/// Halts 100 ms after its start.
fn short_lived(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
    match input {
        Input::Start(_) => toy.wake(out, now, 100 * MS),
        Input::Timer { .. } => out.halt("it has met an error before"),
        _ => {}
    }
}

#[test]
fn only_the_life_that_the_heal_found_is_started_again_when_it_halts() {
    let lives_of = |schedule: &Schedule| {
        let mut stage = Stage::new(short_lived);
        run(1, schedule, &mut stage);
        stage.lives.iter().map(|life| (life.2, life.3)).collect::<Vec<_>>()
    };
    // What it halts for, it met before the heal; what the second life halts for is its own.
    let found = lives_of(&with(calm(1), 50 * MS, Fault::Heal));
    assert_eq!(found, [(1, true), (1, false), (2, true), (2, false)]);
    // The heal starts who is down: that life is none that it found.
    let started = lives_of(&with(calm(1), 150 * MS, Fault::Heal));
    assert_eq!(started, [(1, true), (1, false), (2, true), (2, false)]);
    assert_eq!(lives_of(&calm(1)), [(1, true), (1, false)]);
}

#[test]
fn probes_are_counted_and_not_handed_over() {
    let mut stage = Stage::new(|_, _, input, out| out.sometimes(input == Input::EndOfBurst, "a burst ended"));
    let outcome = run(1, &calm(3), &mut stage);
    assert_eq!(outcome.probes.get("a burst ended"), Some(&3));
    assert!(stage.heard.is_empty());
}

#[test]
fn a_frame_reaches_every_member_but_the_sender() {
    let mut stage = Stage::new(|toy, _, input, out| match input {
        Input::Start(_) if toy.node.0 == 0 => {
            let frame = out.pool().copy_from(b"all");
            out.send(PeerSet::first(4).with(NodeId(60)), Kind(0), GroupId(7), frame);
        }
        Input::Receive { group: GroupId(7), frame, .. } => toy.say(out, &frame),
        _ => {}
    });
    run(1, &calm(4), &mut stage);
    assert_eq!(stage.heard.iter().map(|told| told.1).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_schedule_that_makes_no_sense_is_a_violation_not_a_panic() {
    let outcome = run(1, &calm(0), &mut Stage::new(beacon));
    assert_eq!(outcome.broken.map(|broken| broken.violation.invariant), Some("schedule".into()));
    let nobody = with(calm(2), 0, crash(7, Cut::Now, None));
    assert!(nobody.check().is_err_and(|why| why.contains("there is no node 7")));
}
