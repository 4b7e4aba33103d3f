//! What a replica recorded, replayed by the command: all of it, a part, torn, damaged, and not the same.

mod fakes;

use fakes::{Scratch, seedfast};
use seedfast_core::recording::{End, Reading, Recorder};
use seedfast_core::runtime::drive::Tap;
use seedfast_core::{Input, Instant, Now, Output, TimerId};
use seedfast_scenarios::full_stack::FULL_STACK;
use seedfast_scenarios::full_stack::scene::FullStack;
use seedfast_scenarios::recorded::{InMemory, Shelf};
use seedfast_sim::{NoTrace, Scenario, World};

/// The turn whose outputs are recorded as others than they were.
const ODD: u64 = 7;

/// Records, and at one turn something that was never asked for.
struct Watch {
    recorder: Recorder<InMemory>,
    turns: u64,
    odd: u64,
}

impl Tap for Watch {
    fn input(&mut self, now: Now, input: &Input) {
        self.turns += 1;
        self.recorder.input(now, input);
    }

    fn outputs(&mut self, outputs: &[Output]) {
        let mut outputs = outputs.to_vec();
        if self.turns == self.odd {
            outputs.push(Output::Timer { id: TimerId(99), at: Some(Instant::ZERO) });
        }
        self.recorder.outputs(&outputs);
    }

    fn burst(&mut self) {
        self.recorder.burst();
    }
}

/// The recordings of the first lives of a cluster of the simulated world, by which turn is recorded wrong.
fn recordings(odd: u64) -> Vec<Vec<u8>> {
    let plan = FULL_STACK.plan(1);
    let shelf = Shelf::default();
    let inner = shelf.clone();
    let mut scene = FullStack::new(&plan, 1).expect("the plan makes sense").watched(move |config, start| {
        Box::new(Watch { recorder: inner.record(config, start), turns: 0, odd })
    });
    World::new().run(1, &plan.schedule, &mut scene, &mut NoTrace);
    drop(scene);
    let lives = shelf.take();
    assert!(lives.len() >= 3 && lives[0].len() > 10_000, "{} lives", lives.len());
    lives
}

fn put(scratch: &Scratch, name: &str, bytes: &[u8]) -> String {
    let path = scratch.file(name);
    std::fs::write(&path, bytes).expect("there is room");
    path
}

#[test]
fn a_directory_of_recordings_is_replayed_one_after_the_other() {
    let scratch = Scratch::new("recordings");
    let lives = recordings(0);
    for (number, life) in lives.iter().take(3).enumerate() {
        put(&scratch, &format!("n{number}-000001.rec"), life);
    }
    put(&scratch, "notes.txt", b"not one of them");
    let ran = seedfast(&["replay", scratch.path()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.is_empty(), "the same build does not warn: {}", ran.err);
    assert_eq!(ran.out.matches("SAME  ").count(), 3, "{}", ran.out);
    assert_eq!(ran.out.matches(", as recorded\n").count(), 3, "{}", ran.out);
    assert_eq!(seedfast(&["replay", scratch.path()]).out, ran.out);
}

#[test]
fn until_stops_behind_a_turn_or_a_time_and_shows_the_turn() {
    let scratch = Scratch::new("recording-until");
    let path = put(&scratch, "n0-000001.rec", &recordings(0)[0]);
    let ran = seedfast(&["replay", &path, "--until", "1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("/1  start         ") && ran.out.contains("replayed     1 turn "),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("/1    submit      1."), "the turn's outputs are shown: {}", ran.out);
    let ran = seedfast(&["replay", &path, "--until", "500ms", "--verbose", "--kind", "receive,send"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("  receive       from n") && ran.out.contains("  send        kind "),
        "{}",
        ran.out
    );
    let lines = ran.out.lines().filter(|line| line.contains("/1  "));
    let times = lines.filter_map(|line| line.trim().split_once('s'));
    let times: Vec<f64> = times.map(|(time, _)| time.parse().expect("a time")).collect();
    assert!(times.len() > 10 && times.iter().all(|time| *time <= 0.5), "{times:?}");
    let ran = seedfast(&["replay", "pings", "1", "--until", "12"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("turns are counted in recordings"), "{}", ran.err);
}

#[test]
fn the_first_turn_that_differs_is_shown_and_the_code_is_3() {
    let scratch = Scratch::new("recording-differs");
    let path = put(&scratch, "n0-000001.rec", &recordings(ODD)[0]);
    let ran = seedfast(&["replay", &path]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.out.contains("DIFFERS  "), "{}", ran.out);
    assert!(ran.out.contains(&format!("turn {ODD} has ")), "{}", ran.out);
    assert!(ran.out.contains(&format!("turn {ODD} is the first that differs")), "{}", ran.out);
    // What precedes it is the same.
    let before = (ODD - 1).to_string();
    assert_eq!(seedfast(&["replay", &path, "--until", &before]).code, 0);
    assert_eq!(seedfast(&["replay", &path, "--until", &ODD.to_string()]).code, 3);
}

#[test]
fn a_torn_tail_is_told_and_damage_is_refused_behind_what_is_whole() {
    let scratch = Scratch::new("recording-damage");
    let life = recordings(0).swap_remove(0);
    let torn = put(&scratch, "torn.rec", &life[..life.len() - 9]);
    let ran = seedfast(&["replay", &torn]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("never written whole"), "{}", ran.out);

    let mut damaged = life.clone();
    let place = damaged.len() - 9;
    damaged[place] ^= 1;
    let damaged = put(&scratch, "damaged.rec", &damaged);
    let ran = seedfast(&["replay", &damaged]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.out.contains("DAMAGED  ") && ran.out.contains("it is damaged at byte"), "{}", ran.out);
    assert!(!ran.out.contains("replayed     0 turns"), "{}", ran.out);

    let mut newer = life;
    newer[7] = 9;
    let newer = put(&scratch, "newer.rec", &newer);
    let ran = seedfast(&["replay", &newer]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("format 9, and this build reads format 1"), "{}", ran.err);
}

#[test]
fn a_replica_that_cannot_be_made_does_not_hide_the_others() {
    let scratch = Scratch::new("recording-machine");
    let good = recordings(0).swap_remove(0);
    let mut header = Reading::open(&good[..]).expect("it is one").header().clone();
    header.machine = "chess".into();
    let shelf = Shelf::default();
    shelf.begin(&header).finish(End::Stopped);
    put(&scratch, "a.rec", &shelf.take()[0]);
    put(&scratch, "b.rec", &good);
    let ran = seedfast(&["replay", scratch.path()]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("a.rec: it feeds a state machine called `chess`"), "{}", ran.err);
    assert!(ran.out.contains("SAME  ") && ran.out.contains("b.rec"), "{}", ran.out);
    put(&scratch, "c.rec", &recordings(ODD)[0]);
    assert_eq!(seedfast(&["replay", scratch.path()]).code, 3);
}

#[test]
fn what_is_no_recording_is_said_so() {
    let scratch = Scratch::new("recording-none");
    let ran = seedfast(&["replay", scratch.path()]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("is a directory without a recording"), "{}", ran.err);
    let path = put(&scratch, "a.rec", &recordings(0)[0]);
    let ran = seedfast(&["replay", &path, "--trace", "t"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("a recording has nothing for --trace"), "{}", ran.err);
    let ran = seedfast(&["replay", &path, "--check"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("leave out --check"), "{}", ran.err);
    put(&scratch, "b.rec", b"something else");
    let ran = seedfast(&["replay", scratch.path()]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("b.rec: it is no recording") && ran.out.contains("SAME  "), "{ran:?}");
}
