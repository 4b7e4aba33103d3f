//! The flight recorder, in the simulated world: the loop that it watches is the one that runs on real machines.

use seedfast_core::paxos::Replica;
use seedfast_core::recording::{Difference, Reading, Recorder, Replay};
use seedfast_core::runtime::drive::Tap;
use seedfast_core::{Input, Now, Outbox, Output, Process};
use seedfast_scenarios::full_stack::FULL_STACK;
use seedfast_scenarios::full_stack::scene::FullStack;
use seedfast_scenarios::recorded::{self, InMemory, Shelf, Store};
use seedfast_sim::{NoTrace, Outcome, Scenario, World};
use std::cell::Cell;
use std::rc::Rc;

/// Runs a seed, each life watched by what `watch` makes of its recorder.
fn run<T: Tap + 'static>(
    seed: u64,
    watch: impl Fn(Recorder<InMemory>) -> T + 'static,
) -> (Outcome, Vec<Vec<u8>>) {
    let plan = FULL_STACK.plan(seed);
    let shelf = Shelf::default();
    let inner = shelf.clone();
    let scene = FullStack::new(&plan, seed).expect("the plan makes sense");
    let mut scene = scene.watched(move |config, start| Box::new(watch(inner.record(config, start))));
    let outcome = World::new().run(seed, &plan.schedule, &mut scene, &mut NoTrace);
    drop(scene);
    (outcome, shelf.take())
}

/// Lives a recorded life again, by the process that `make` makes of a replica; gives the number of turns.
fn replay<P: Process>(bytes: &[u8], make: impl FnOnce(Replica<Store>) -> P) -> Result<u64, Box<Difference>> {
    let mut reading = Reading::open(bytes).expect("it has a header");
    let replica = recorded::replica(reading.header()).expect("it can be made");
    let mut replay = Replay::new(make(replica));
    while let Some(record) = reading.record().expect("nothing is torn") {
        replay.take(record)?;
    }
    assert!(replay.compared(), "the last turn was not compared");
    Ok(replay.so_far().0)
}

#[test]
fn a_recorded_life_is_lived_again_whatever_the_world_does_to_it() {
    let (mut turns, mut lives, mut later) = (0, 0, 0);
    for seed in 0..6 {
        let (outcome, recordings) = run(seed, |recorder| recorder);
        let plan = FULL_STACK.plan(seed);
        let mut scene = FULL_STACK.scene(&plan, seed).expect("the plan makes sense");
        let unwatched = World::new().run(seed, &plan.schedule, &mut *scene, &mut NoTrace);
        assert_eq!(outcome.trace_hash, unwatched.trace_hash, "seed {seed}: the recorder changed the run");
        for bytes in recordings {
            let life = Reading::open(&bytes[..]).expect("it has a header").header().incarnation.0;
            let lived = replay(&bytes, |replica| replica);
            turns += lived.unwrap_or_else(|difference| panic!("seed {seed}, life {life}: {difference}"));
            lives += 1;
            later += u32::from(life > 1);
        }
    }
    assert!(
        turns > 20_000 && lives > 20 && later > 3,
        "{turns} turns of {lives} lives, {later} not the first"
    );
}

/// Its timers are set a little later, by something that is in no input.
struct Haunted<P> {
    replica: P,
    ghost: Rc<Cell<u64>>,
}

impl<P: Process> Process for Haunted<P> {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        self.replica.turn(now, input, out);
        let mut outputs = Vec::new();
        out.swap(&mut outputs);
        for output in outputs {
            out.push(match output {
                Output::Timer { id, at: Some(at) } => {
                    let late = seedfast_core::Duration::from_nanos(self.ghost.get());
                    Output::Timer { id, at: Some(at + late) }
                }
                other => other,
            });
        }
    }
}

#[test]
fn what_reaches_a_process_by_another_way_than_an_input_is_caught_at_its_first_turn() {
    let (_, recordings) = run(1, |recorder| recorder);
    let mut caught = 0;
    for bytes in recordings {
        let haunt = |ghost| move |replica| Haunted { replica, ghost: Rc::new(Cell::new(ghost)) };
        let turns = replay(&bytes, haunt(0)).expect("nothing haunts it");
        match replay(&bytes, haunt(1)) {
            Ok(again) => assert_eq!(again, turns),
            Err(difference) => {
                let set = |output: &Output| matches!(output, Output::Timer { at: Some(_), .. });
                assert!(difference.turn.outputs.iter().any(set), "{difference}");
                assert_eq!(difference.turn.outputs.len() as u32, difference.recorded);
                caught += 1;
            }
        }
    }
    assert!(caught > 2, "{caught} lives were haunted");
}

/// Leaves out what the process read from its device.
struct Forgetful(Recorder<InMemory>);

impl Tap for Forgetful {
    fn input(&mut self, now: Now, input: &Input) {
        match input {
            Input::Completed { op, result: seedfast_core::Completion::Data(data) } => {
                let blank = seedfast_core::Buffer::from(vec![0; data.len()]);
                let result = seedfast_core::Completion::Data(blank);
                self.0.input(now, &Input::Completed { op: *op, result });
            }
            other => self.0.input(now, other),
        }
    }

    fn outputs(&mut self, outputs: &[Output]) {
        self.0.outputs(outputs);
    }

    fn burst(&mut self) {
        self.0.burst();
    }
}

#[test]
fn a_recording_without_what_was_read_from_the_device_is_not_the_same_life() {
    let (_, recordings) = run(2, Forgetful);
    assert!(!recordings.is_empty());
    for bytes in recordings {
        assert!(replay(&bytes, |replica| replica).is_err(), "what recovery reads decides nothing");
    }
}
