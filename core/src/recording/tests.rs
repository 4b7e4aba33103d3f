//! What goes in comes out, what is torn or damaged is told apart, and what a process does otherwise is named.

use super::*;
use crate::buffer::Buffer;
use crate::id::*;
use crate::input::{Command, Input, Start};
use crate::outbox::Outbox;
use crate::output::Output;
use crate::paxos::Config;
use crate::process::Process;
use crate::runtime::drive::Tap;
use crate::storage::{Completion, Failure, Geometry, Range};
use crate::time::{Instant, Now, WallTime};
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

/// Keeps everything in memory, and refuses what is beyond a number of blocks.
struct InMemory {
    bytes: Rc<RefCell<Vec<u8>>>,
    number: u32,
    most: u32,
}

impl InMemory {
    fn new(most: u32) -> (Self, Rc<RefCell<Vec<u8>>>) {
        let bytes = Rc::new(RefCell::new(MAGIC.to_vec()));
        (InMemory { bytes: bytes.clone(), number: 0, most }, bytes)
    }
}

impl Sink for InMemory {
    fn take(&mut self, block: &mut Vec<u8>) -> Result<(), End> {
        if self.number == self.most {
            return Err(End::Full);
        }
        self.last(core::mem::take(block));
        Ok(())
    }

    fn last(&mut self, mut block: Vec<u8>) {
        seal(&mut block, self.number);
        self.number += 1;
        self.bytes.borrow_mut().extend(block);
    }
}

fn header() -> Header {
    let mut config = Config::new(GroupId(7), PeerSet::first(3));
    config.tail_slots = 9;
    Header {
        build: "a build".into(),
        began: WallTime(-5),
        cluster: ClusterId(u128::MAX - 1),
        node: NodeId(2),
        incarnation: Incarnation(3),
        config,
        machine: "echo".into(),
        limits: vec![1, 2, 3],
    }
}

fn at(millis: u64) -> Now {
    Now { monotonic: Instant::from_nanos(millis * 1_000_000), wall: WallTime(-(millis as i64)) }
}

fn op(number: u32) -> OperationId {
    OperationId { incarnation: Incarnation(3), number }
}

fn data(bytes: &[u8]) -> Completion {
    Completion::Data(Buffer::copy_from(bytes))
}

/// One of everything that can be told.
fn inputs() -> Vec<Input> {
    let bytes = |text: &[u8]| Buffer::copy_from(text);
    let start = Start {
        incarnation: Incarnation(3),
        entropy: [9; 32],
        cluster: ClusterId(1 << 100),
        node: NodeId(2),
        devices: vec![Geometry::disk(1 << 30), Geometry::nvm(1 << 20)],
        queue_depth: 64,
        frame_limit: 1 << 20,
    };
    let completions = [
        Completion::Done,
        data(b""),
        data(&[0; 4096]),
        data(b"read\0\0"),
        data(b"read"),
        Completion::Failed(Failure::Device),
        Completion::Failed(Failure::NoSpace),
        Completion::Failed(Failure::Media),
        Completion::Unknown,
        Completion::Volatile,
    ];
    let mut all = vec![
        Input::Start(start),
        Input::Receive { from: NodeId(1), kind: Kind(4), group: GroupId(7), frame: bytes(b"accept") },
        Input::Timer { id: TimerId(300) },
        Input::Request {
            group: GroupId(7),
            connection: ConnectionId(1 << 33),
            session: SessionId(5),
            sequence: 6,
            bytes: bytes(b"SET"),
        },
        Input::Closed { connection: ConnectionId(8) },
        Input::Control(Command { connection: ConnectionId(9), bytes: bytes(b"snapshot") }),
        Input::Writable { peer: NodeId(0) },
        Input::Landed { from: NodeId(0), region: 5, range: Range { at: 64, length: 8 } },
    ];
    let completions = completions.into_iter().enumerate();
    all.extend(completions.map(|(number, result)| Input::Completed { op: op(number as u32), result }));
    all.push(Input::EndOfBurst);
    all
}

/// Answers every frame and request with a number that counts up, in words when it is asked to be odd.
struct Counter {
    count: u64,
    odd: u64,
}

impl Process for Counter {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        out.observe(ObservationKind(1), |bytes| bytes.push(1));
        if matches!(input, Input::Receive { .. } | Input::Request { .. }) {
            self.count += 1;
            let text = if self.count == self.odd { b"nine".to_vec() } else { vec![self.count as u8] };
            out.respond(ConnectionId(self.count), Buffer::from(text));
            out.timer(TimerId(1), Some(now.monotonic));
        }
    }
}

/// Drives a counter through `bursts` bursts, 30 ms apart, watched by `recorder`.
fn drive(recorder: &mut Recorder<InMemory>, bursts: u64) -> Vec<(Now, Input)> {
    let (mut counter, mut out) = (Counter { count: 0, odd: 0 }, Outbox::new(true));
    let mut told = Vec::new();
    for burst in 0..bursts {
        let now = at(30 * burst);
        let inputs = inputs().into_iter().filter(|input| burst == 0 || !matches!(input, Input::Start(_)));
        for input in inputs {
            recorder.input(now, &input);
            told.push((now, input.clone()));
            counter.turn(now, input, &mut out);
            recorder.outputs(out.outputs());
            let mut outputs = Vec::new();
            out.swap(&mut outputs);
        }
        recorder.burst();
    }
    told
}

fn recorded(bursts: u64) -> (Vec<u8>, Vec<(Now, Input)>) {
    let (sink, bytes) = InMemory::new(u32::MAX);
    let mut recorder = Recorder::new(&header(), sink);
    let told = drive(&mut recorder, bursts);
    recorder.finish(End::Stopped);
    (bytes.take(), told)
}

/// Everything that can be read, and why it ended otherwise than at the end of the bytes.
fn read(bytes: &[u8]) -> (Vec<Record>, Option<Unreadable<core::convert::Infallible>>) {
    let mut records = Vec::new();
    let mut reading = match Reading::open(bytes) {
        Ok(reading) => reading,
        Err(why) => return (records, Some(why)),
    };
    loop {
        match reading.record() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => return (records, None),
            Err(why) => return (records, Some(why)),
        }
    }
}

fn turns(records: &[Record]) -> Vec<(Now, Input)> {
    let turn = |record: &Record| match record {
        Record::Turn { now, input } => Some((*now, input.clone())),
        _ => None,
    };
    records.iter().filter_map(turn).collect()
}

fn replay(records: Vec<Record>, odd: u64) -> Result<(u64, u64), Box<Difference>> {
    let mut replay = Replay::new(Counter { count: 0, odd });
    records.into_iter().try_for_each(|record| replay.take(record))?;
    Ok(replay.so_far())
}

#[test]
fn what_goes_in_comes_out() {
    let (bytes, told) = recorded(9);
    assert_eq!(Reading::open(&bytes[..]).unwrap().header(), &header());
    let (records, why) = read(&bytes);
    assert_eq!(why, None);
    assert_eq!(turns(&records), told);
    let Some(Record::End { why: End::Stopped, turns, hash }) = records.last() else {
        panic!("it has no end: {:?}", records.last())
    };
    assert_eq!(replay(records.clone(), 0), Ok((*turns, *hash)));
    assert_eq!(*turns, told.len() as u64);
}

#[test]
fn the_first_turn_that_differs_is_named() {
    let (bytes, told) = recorded(9);
    let asks = |(_, input): &(Now, Input)| matches!(input, Input::Receive { .. } | Input::Request { .. });
    let asking = told.iter().enumerate().filter(|(_, told)| asks(told)).map(|(index, _)| index as u64 + 1);
    for (odd, number) in asking.enumerate() {
        let Err(difference) = replay(read(&bytes).0, odd as u64 + 1) else {
            panic!("answer {odd} was another one, and nobody saw it")
        };
        assert_eq!((difference.turn.number, difference.recorded), (number, 2));
        assert_eq!(difference.turn.input, told[number as usize - 1].1);
        assert!(matches!(difference.turn.outputs[0], Output::Respond { .. }));
    }
}

#[test]
fn a_turn_that_was_silent_and_no_longer_is_differs() {
    let (bytes, _) = recorded(1);
    let mut records = read(&bytes).0;
    let first = records.iter().position(|record| matches!(record, Record::Outputs { .. })).unwrap();
    records.remove(first);
    let difference = replay(records, 0).unwrap_err();
    assert_eq!((difference.turn.number, difference.recorded), (2, 0));
}

#[test]
fn an_end_that_is_not_that_of_the_turns_differs() {
    let (bytes, told) = recorded(3);
    let records = read(&bytes).0;
    let count = told.len() as u64;
    assert!(replay(records.clone(), 0).is_ok());
    for (more, other) in [(1, 0), (0, 1)] {
        let mut records = records.clone();
        let Some(Record::End { turns, hash, .. }) = records.last_mut() else { panic!("it has no end") };
        (*turns, *hash) = (*turns + more, *hash ^ other);
        let marked = (*turns, *hash);
        let difference = replay(records, 0).unwrap_err();
        assert_eq!((difference.turn.number, difference.end), (count, Some(marked)));
        let turn = if more > 0 { count + 1 } else { count };
        assert!(difference.to_string().contains(&format!("turn {turn}")), "{difference}");
    }
    // A record that is missing, whose block was whole: a turn that asked for nothing.
    let mut records = records;
    let silent = |pair: &[Record]| matches!(pair, [Record::Turn { .. }, Record::Turn { .. }]);
    let place = records.windows(2).position(silent).unwrap();
    records.remove(place);
    assert!(replay(records, 0).unwrap_err().end.is_some());
}

#[test]
fn whoever_is_killed_leaves_whole_blocks_and_a_torn_one() {
    let (bytes, told) = recorded(9);
    let mut ends = vec![];
    for cut in 0..bytes.len() {
        let (records, why) = read(&bytes[..cut]);
        assert!(told.starts_with(&turns(&records)), "cut at {cut}, it tells of turns that never were");
        match why {
            Some(Unreadable::Torn { .. }) => {}
            None => ends.push(turns(&records).len()),
            other => panic!("cut at {cut}: {other:?}"),
        }
        // Zeros where the file had grown are a torn tail too.
        let mut grown = bytes[..cut].to_vec();
        grown.resize(bytes.len() + 70_000, 0);
        let (of_grown, why) = read(&grown);
        assert!(why.is_some(), "cut at {cut}");
        assert!(told.starts_with(&turns(&of_grown)));
    }
    ends.dedup();
    assert!(ends.len() > 2 && ends[0] == 0, "blocks are handed over as time passes: {ends:?}");
}

#[test]
fn damage_is_noticed_wherever_it_is() {
    let (bytes, told) = recorded(5);
    for place in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1 << (place % 8);
        let (records, why) = read(&bytes);
        assert!(told.starts_with(&turns(&records)), "byte {place} was damaged");
        match why {
            Some(Unreadable::NotOne | Unreadable::Version(_)) => assert!(place < 8),
            Some(Unreadable::Damaged { at }) => assert!(at <= place as u64 && place >= 8),
            other => panic!("byte {place} was damaged, and it ends with {other:?}"),
        }
    }
}

#[test]
fn a_recording_that_is_refused_ends_behind_what_was_kept_and_says_why() {
    for most in [0, 1, 3] {
        let (sink, bytes) = InMemory::new(most);
        let mut recorder = Recorder::new(&header(), sink);
        drive(&mut recorder, 40);
        assert_eq!(recorder.ended(), Some(End::Full));
        recorder.finish(End::Stopped);
        let bytes = bytes.take();
        if most == 0 {
            assert!(matches!(read(&bytes), (_, Some(Unreadable::Damaged { .. }))), "it has no header");
            continue;
        }
        let (records, why) = read(&bytes);
        assert_eq!(why, None);
        let count = turns(&records).len() as u64;
        let Some(Record::End { why: End::Full, turns, hash }) = records.last() else {
            panic!("it has no end: {:?}", records.last())
        };
        assert_eq!(*turns, count);
        assert_eq!(replay(records.clone(), 0), Ok((*turns, *hash)));
    }
}

#[test]
fn a_process_that_panics_leaves_its_last_input() {
    let (sink, bytes) = InMemory::new(u32::MAX);
    let mut recorder = Recorder::new(&header(), sink);
    drive(&mut recorder, 1);
    let last = Input::Receive { from: NodeId(1), kind: Kind(1), group: GroupId(1), frame: Buffer::new() };
    recorder.input(at(40), &last);
    drop(recorder);
    let (records, why) = read(&bytes.take());
    assert_eq!(why, None);
    assert_eq!(records.last(), Some(&Record::Turn { now: at(40), input: last }));
    let mut replay = Replay::new(Counter { count: 0, odd: 0 });
    records.into_iter().for_each(|record| replay.take(record).unwrap());
    assert!(!replay.compared());
}

#[test]
fn a_block_does_not_grow_again() {
    // The sink gives the same vector back.
    struct Same(usize);
    impl Sink for Same {
        fn take(&mut self, block: &mut Vec<u8>) -> Result<(), End> {
            assert!(self.0 == 0 || block.capacity() == self.0, "a block has grown again");
            self.0 = block.capacity();
            Ok(())
        }
        fn last(&mut self, _: Vec<u8>) {}
    }
    let mut recorder = Recorder::new(&header(), Same(0));
    let frame = Buffer::from(vec![7; 300]);
    for millis in 0..2000 {
        recorder.input(
            at(millis),
            &Input::Receive { from: NodeId(1), kind: Kind(1), group: GroupId(1), frame: frame.clone() },
        );
        recorder.outputs(&[Output::Respond { connection: ConnectionId(1), bytes: frame.clone() }]);
        recorder.burst();
    }
}

#[test]
fn what_a_sink_has_in_front_of_its_blocks_is_no_part_of_them() {
    /// So many bytes more in front of each block than in front of the one before.
    struct Fronted(InMemory, usize);
    impl Sink for Fronted {
        fn front(&self) -> usize {
            self.1
        }
        fn take(&mut self, block: &mut Vec<u8>) -> Result<(), End> {
            let front = core::mem::replace(&mut self.1, 0);
            block.drain(..front);
            let taken = self.0.take(block);
            self.1 = front + 5;
            taken
        }
        fn last(&mut self, mut block: Vec<u8>) {
            block.drain(..self.1);
            self.0.last(block);
        }
    }
    fn record<S: Sink>(sink: S) {
        let mut recorder = Recorder::new(&header(), sink);
        for (turn, input) in (1..).zip(inputs()) {
            recorder.input(at(turn * 70), &input);
            recorder.outputs(&[Output::Timer { id: TimerId(1), at: None }]);
            recorder.burst();
        }
        recorder.finish(End::Stopped);
    }
    let (plain, expected) = InMemory::new(u32::MAX);
    record(plain);
    let (inner, bytes) = InMemory::new(u32::MAX);
    record(Fronted(inner, 3));
    assert!(bytes.take() == expected.take());
}
