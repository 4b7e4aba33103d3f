//! Clocks drift, freeze and step; the monotonic one never goes back.

mod common;
use common::*;
use seedfast_core::{Input, Now, Outbox};
use seedfast_sim::*;

/// Wakes every 10 ms of its own time and says what both clocks read.
fn reader(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
    if matches!(input, Input::Start(_) | Input::Timer { .. }) {
        let mut bytes = now.monotonic.as_nanos().to_le_bytes().to_vec();
        bytes.extend_from_slice(&now.wall.0.to_le_bytes());
        toy.say(out, &bytes);
        toy.wake(out, now, 10 * MS);
    }
}

/// True time, monotonic reading, and the wall clock's distance from true time, of every turn.
fn readings(schedule: &Schedule) -> (Vec<(u64, u64, i64)>, Outcome) {
    let mut stage = Stage::new(reader);
    let outcome = run(1, schedule, &mut stage);
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    let read = |(at, bytes): (u64, Vec<u8>)| {
        (at, number(&bytes[..8]), number(&bytes[8..]) as i64 - WALL_EPOCH - at as i64)
    };
    let readings: Vec<_> = stage.said(0).into_iter().map(read).collect();
    assert!(readings.windows(2).all(|pair| pair[0].1 <= pair[1].1), "the monotonic clock never steps back");
    (readings, outcome)
}

const NODE: Target = Target::Node(0);

#[test]
fn a_perfect_clock_reads_true_time() {
    let (readings, outcome) = readings(&calm(1));
    assert!(readings.iter().all(|&(at, monotonic, off)| at == monotonic && off == 0));
    assert_eq!(readings.len(), 101);
    assert!(outcome.effects.is_empty());
}

#[test]
fn clocks_begin_where_the_schedule_says() {
    let mut schedule = calm(1);
    schedule.clocks = vec![Clock { monotonic_offset: 77, wall_offset: -1_000, drift: 1_000_000_000 }];
    let (readings, outcome) = readings(&schedule);
    assert_eq!(readings[0], (0, 77, -1_000));
    assert_eq!(readings.len(), 201, "it runs twice as fast");
    assert_eq!(count(&outcome, Effect::Drift), 1);
}

#[test]
fn a_drifting_clock_wakes_early_or_late() {
    let drift = |drift| readings(&with(calm(1), 500 * MS, Fault::Drift { target: NODE, drift }));
    let (fast, outcome) = drift(1_000_000_000);
    assert_eq!((fast.len(), count(&outcome, Effect::Drift)), (151, 1));
    assert_eq!(drift(-500_000_000).0.len(), 76);
    let (healed, _) = readings(&with(
        with(calm(1), 200 * MS, Fault::Drift { target: NODE, drift: 1_000_000_000 }),
        400 * MS,
        Fault::Heal,
    ));
    assert_eq!(healed.len(), 121, "healed: true speed from what it reads");
}

#[test]
fn a_step_moves_the_wall_clock_both_ways_and_nothing_else() {
    for by in [-3_600_000_000_000, 5] {
        let (stepped, outcome) = readings(&with(calm(1), 505 * MS, Fault::Step { target: NODE, by }));
        assert!(
            stepped
                .iter()
                .all(|&(at, monotonic, off)| at == monotonic && off == if at < 505 * MS { 0 } else { by })
        );
        assert_eq!(count(&outcome, Effect::ClockStep), 1);
    }
}

#[test]
fn a_frozen_clock_stands_still_and_its_timers_with_it() {
    let freeze = Fault::Freeze { target: NODE, lasts: 100 * MS };
    let (frozen, _) = readings(&with(calm(1), 505 * MS, freeze.clone()));
    assert_eq!(frozen.len(), 91);
    assert!(frozen.iter().all(|&(at, _, _)| !(505 * MS..610 * MS).contains(&at)));
    assert_eq!(frozen.last().map(|last| last.2), Some(-100_000_000), "both clocks lost that time");
    // A message reaches it meanwhile, so a turn reads the frozen clock.
    let outcome = run(
        1,
        &with(calm(2), 505 * MS, Fault::Freeze { target: Target::Node(1), lasts: 100 * MS }),
        &mut Stage::new(beacon),
    );
    assert_eq!(count(&outcome, Effect::Freeze), 1);
}

#[test]
fn a_restart_does_not_touch_the_clock() {
    let crash = Fault::Crash { target: NODE, loss: Loss::Power, cut: Cut::Now, restart_after: Some(MS) };
    let mut schedule = with(calm(1), 505 * MS, crash);
    schedule.clocks = vec![Clock { drift: 300_000_000, ..Clock::default() }];
    let (readings, _) = readings(&schedule);
    assert!(readings.iter().any(|reading| reading.0 == 506 * MS));
}

#[test]
fn setting_a_timer_again_and_again_costs_no_queue() {
    fn restless(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Receive { .. } => toy.wake(out, now, 50 * MS),
            Input::Timer { .. } if toy.node.0 == 1 => toy.say(out, b"silence"),
            input => beacon(toy, now, input, out),
        }
    }
    let crash = Fault::Crash { target: NODE, loss: Loss::Process, cut: Cut::Now, restart_after: None };
    let mut stage = Stage::new(restless);
    run(1, &with(calm(2), 505 * MS, crash), &mut stage);
    assert_eq!(stage.said(1).iter().map(|said| said.0).collect::<Vec<_>>(), [551 * MS]);
}
