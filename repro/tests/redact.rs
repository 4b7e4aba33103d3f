//! Recordings without what clients sent.

mod fakes;

use fakes::{Scratch, read, seedfast};
use seedfast_core::client::Request;
use seedfast_core::paxos::Replica;
use seedfast_core::paxos::wire::{Address, Entry, Message, kind};
use seedfast_core::paxos::{Ballot, Slot, ValueId};
use seedfast_core::recording::{Reading, Record, Replay};
use seedfast_core::runtime::drive::Tap;
use seedfast_core::{Buffer, Completion, Input, NodeId, Now, Outbox};
use seedfast_scenarios::full_stack::FULL_STACK;
use seedfast_scenarios::full_stack::scene::FullStack;
use seedfast_scenarios::recorded::{self, Shelf, Store};
use seedfast_sim::{NoTrace, Scenario, World};
use std::collections::BTreeSet;

/// What the clients of the simulated world write into every command: names of keys, and what fills up a value.
const WORDS: [&[u8]; 3] = [b"list-", b"register-", b"......"];

/// The recordings of all lives of a run, with whatever the world does to them.
fn lives(seed: u64) -> Vec<Vec<u8>> {
    let plan = FULL_STACK.plan(seed);
    let shelf = Shelf::default();
    let inner = shelf.clone();
    let scene = FullStack::new(&plan, seed).expect("the plan makes sense");
    let mut scene = scene.watched(move |config, start| Box::new(inner.record(config, start)));
    World::new().run(seed, &plan.schedule, &mut scene, &mut NoTrace);
    drop(scene);
    shelf.take()
}

fn put(scratch: &Scratch, name: &str, bytes: &[u8]) -> String {
    let path = scratch.file(name);
    std::fs::write(&path, bytes).expect("there is room");
    path
}

fn inputs(recording: &[u8]) -> Vec<Input> {
    let mut reading = Reading::open(recording).expect("it has a header");
    let mut inputs = Vec::new();
    while let Some(record) = reading.record().expect("nothing is torn") {
        if let Record::Turn { input, .. } = record {
            inputs.push(input);
        }
    }
    inputs
}

/// Values that clients wrote: numbers of so many digits that none is another one's by accident.
fn values(inputs: &[Input]) -> BTreeSet<Vec<u8>> {
    let mut values = BTreeSet::new();
    for input in inputs {
        if let Input::Request { bytes, .. } = input
            && let Ok(request) = Request::decode(bytes)
        {
            let words = request.payload.split(|byte| !byte.is_ascii_digit());
            values.extend(words.filter(|word| word.len() >= 7).map(<[u8]>::to_vec));
        }
    }
    values
}

fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

#[test]
fn no_byte_of_what_clients_sent_is_left_and_every_turn_is_the_same() {
    let (mut pieces, mut reads, mut requests, mut known) = (0, 0, 0, [0; WORDS.len()]);
    // In 12 a life reads again what it wrote itself; in 91 a medium error cuts a record.
    for seed in [0, 12, 91] {
        let (scratch, redacted) = (Scratch::new("redact"), Scratch::new("redacted"));
        let lives = lives(seed);
        let mut secrets: BTreeSet<Vec<u8>> = WORDS.iter().map(|word| word.to_vec()).collect();
        for (number, life) in lives.iter().enumerate() {
            put(&scratch, &format!("{number:03}.rec"), life);
            let inputs = inputs(life);
            secrets.extend(values(&inputs));
            requests += inputs.iter().filter(|input| matches!(input, Input::Request { .. })).count();
            for input in &inputs {
                match input {
                    Input::Receive { kind: kind::PIECE, .. } => pieces += 1,
                    Input::Completed { result: Completion::Data(bytes), .. } => {
                        reads += usize::from(holds(bytes, WORDS[0]));
                    }
                    _ => {}
                }
            }
            for (count, word) in known.iter_mut().zip(WORDS) {
                *count += usize::from(holds(life, word));
            }
        }
        let ran = seedfast(&["replay", scratch.path(), "--redact", redacted.path()]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.err.is_empty(), "{}", ran.err);
        assert_eq!(ran.out.matches("SAME  ").count(), lives.len(), "{}", ran.out);
        assert_eq!(ran.out.matches("\n  redacted     the protocol is replayed").count(), lives.len());
        let again = seedfast(&["replay", redacted.path()]);
        assert_eq!((again.code, &again.out), (0, &ran.out));
        for (number, life) in lives.iter().enumerate() {
            let told = read(redacted.file(&format!("{number:03}.rec")));
            for secret in &secrets {
                assert!(!holds(&told, secret), "life {number}: {:?}", String::from_utf8_lossy(secret));
            }
            let (was, is) = (inputs(life), inputs(&told));
            assert_eq!(was.len(), is.len(), "life {number} has other turns");
            assert!(was.iter().zip(&is).all(|(was, is)| was.name() == is.name()), "life {number}");
        }
    }
    assert!(
        pieces > 10 && reads > 10 && requests > 100,
        "{pieces} pieces, {reads} reads, {requests} requests"
    );
    assert!(known.iter().all(|count| *count > 10), "{known:?}");
}

#[test]
fn a_redacted_recording_stops_where_it_is_told_to_and_is_not_redacted_twice() {
    let scratch = Scratch::new("redact-one");
    let life = lives(0).swap_remove(3);
    let path = put(&scratch, "n1.rec", &life);
    let to = scratch.file("told.rec");
    let ran = seedfast(&["replay", &path, "--redact", &to]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for until in ["1", "200", "500ms"] {
        let (was, is) =
            (seedfast(&["replay", &path, "--until", until]), seedfast(&["replay", &to, "--until", until]));
        assert_eq!((was.code, is.code), (0, 0), "{is:?}");
        let turns = |text: &str| text.lines().find(|line| line.starts_with("  replayed")).map(str::to_owned);
        assert_eq!(turns(&was.out), turns(&is.out));
        assert!(is.out.contains("as --until says"), "{}", is.out);
    }
    let lines = |path: &str| {
        let ran = seedfast(&["replay", path, "--verbose"]);
        ran.out.lines().map(|line| line.chars().take(40).collect()).collect::<Vec<String>>()
    };
    let (was, is) = (lines(&path), lines(&to));
    assert!(is.len() > 500 && was.len() < is.len() + 3, "{} and {} lines", was.len(), is.len());
    let same = was.iter().zip(&is).filter(|(was, is)| was == is).count();
    assert!(same * 10 > was.len() * 9, "{same} of {} lines begin alike", was.len());

    for (what, why) in [(&to, "it is redacted already"), (&path, "would take its own place")] {
        let ran = seedfast(&["replay", what, "--redact", &path]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(why), "{}", ran.err);
    }
    assert_eq!(read(&path), life, "what was to be redacted is as it was");
    let ran = seedfast(&["replay", &path, "--redact", &to, "--until", "3"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("redacted to its end"), "{}", ran.err);
}

#[test]
fn one_that_does_not_replay_or_is_damaged_is_refused_and_leaves_nothing() {
    let scratch = Scratch::new("redact-refused");
    let life = lives(0).swap_remove(0);
    // Recorded once more, with one hash behind outputs that were not made.
    let shelf = Shelf::default();
    let (mut recorder, mut turns) =
        (shelf.begin(Reading::open(&life[..]).expect("it has a header").header()), 0);
    walk(&life, &mut |now, input, outputs| {
        turns += 1;
        recorder.input(now, input);
        recorder.outputs(if turns == 3 { &[] } else { outputs });
    });
    drop(recorder);
    let mut damaged = life.clone();
    let place = damaged.len() - 9;
    damaged[place] ^= 1;
    for (bytes, why) in
        [(&shelf.take()[0], "redact it with the build that recorded it"), (&damaged, "it is damaged")]
    {
        let path = put(&scratch, "n1.rec", bytes);
        let to = scratch.file("told.rec");
        let ran = seedfast(&["replay", &path, "--redact", &to]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(why), "{}", ran.err);
        let left = std::fs::read_dir(scratch.path()).expect("it is there").count();
        assert_eq!(left, 1, "nothing but what was there is left");
    }
    let torn = put(&scratch, "n1.rec", &life[..life.len() - 9]);
    let ran = seedfast(&["replay", &torn, "--redact", &scratch.file("told.rec")]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("is not marked"), "{}", ran.out);
}

/// Replays a recording and tells of each turn; gives the replica as it is in the end.
fn walk(
    recording: &[u8],
    each: &mut dyn FnMut(Now, &Input, &[seedfast_core::Output]),
) -> (Replay<Replica<Store>>, Now) {
    let mut reading = Reading::open(recording).expect("it has a header");
    let mut replay = Replay::new(recorded::replica(reading.header()).expect("it can be made"));
    let mut last = Now::default();
    while let Some(record) = reading.record().expect("nothing is torn") {
        let turn = match &record {
            Record::Turn { now, input } => Some((*now, input.clone())),
            _ => None,
        };
        replay.take(record).expect("it replays");
        if let Some((now, input)) = turn {
            last = now;
            each(now, &input, &replay.turn().expect("one was taken").outputs);
        }
    }
    (replay, last)
}

#[test]
fn a_turn_that_panicked_panics_without_what_clients_sent() {
    let scratch = Scratch::new("redact-panic");
    let life = lives(0).swap_remove(3);
    let shelf = Shelf::default();
    let header = Reading::open(&life[..]).expect("it has a header").header().clone();
    let mut recorder = shelf.begin(&header);
    let (replay, now) = walk(&life, &mut |now, input, outputs| {
        recorder.input(now, input);
        recorder.outputs(outputs);
        if *input == Input::EndOfBurst {
            recorder.burst();
        }
    });
    // A peer says that something was decided which is no batch: what it says was checked before, so this is a bug.
    let slot = replay.process().status().expect("it runs").decided;
    let from = NodeId(u8::from(header.node.0 == 0));
    let entry =
        Entry { slot, ballot: Ballot::new(1, from), id: ValueId(7), value: Buffer::from(b"list-".to_vec()) };
    let message = Message::Learn { decided: Slot(slot.0 + 1), entries: vec![entry] };
    let (cluster, group) = (header.cluster, header.config.group);
    let frame = message.encode(&Address { cluster, group, epoch: 0 }, from, &mut Outbox::new(false));
    recorder.input(now, &Input::Receive { from, kind: kind::LEARN, group, frame });
    drop(recorder);
    let path = put(&scratch, "n1.rec", &shelf.take()[0]);
    let (plain, to) = (seedfast(&["replay", &path]), scratch.file("told.rec"));
    assert!(plain.out.contains("PANICKED") && plain.out.contains("malformed"), "{plain:?}");
    assert_eq!(plain.code, 0, "{plain:?}");
    // What precedes the turn is told to its end.
    let verbose = |path: &str, verdict: &str| {
        let told = seedfast(&["replay", path, "--verbose"]).out;
        told.split_once(verdict).expect("it has a verdict").0.to_owned()
    };
    let whole = verbose(&put(&scratch, "n0.rec", &life), "SAME  ");
    assert!(whole.lines().count() > 100, "{whole}");
    assert_eq!(verbose(&path, "PANICKED  "), whole);
    let ran = seedfast(&["replay", &path, "--redact", &to]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("PANICKED") && ran.out.contains("and ended its life when it was recorded"),
        "{}",
        ran.out
    );
    assert!(!WORDS.iter().any(|word| holds(&read(&to), word)), "something is left");
}
