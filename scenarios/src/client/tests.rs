//! A client against a test that plays all nodes.

use super::operations::{Operation, Verbs, keys};
use super::*;
use crate::history::{Function, Value};
use crate::workload::EXAMPLE;
use seedfast_core::client::{Request, Verb};
use seedfast_core::{Buffer, BufferMut, ConnectionId, Duration};
use seedfast_kv::Reply;

#[derive(Default)]
struct Outputs(Vec<ClientOutput>);

impl ClientOutbox for Outputs {
    fn buffer(&mut self) -> BufferMut {
        BufferMut::new()
    }

    fn push(&mut self, output: ClientOutput) {
        self.0.push(output);
    }
}

/// A request as a node sees it.
#[derive(Clone, Debug)]
struct Asked {
    to: NodeId,
    session: SessionId,
    sequence: u64,
    verb: Verb,
    acknowledged_below: u64,
}

struct Play {
    client: Client,
    ledger: Ledger,
    now: u64,
    timers: [Option<u64>; 3],
    asked: Vec<Asked>,
}

impl Play {
    fn new(part: Part, workload: Workload) -> Self {
        Play::seeded(part, workload, 3)
    }

    fn seeded(part: Part, workload: Workload, seed: u8) -> Self {
        let client = Client::new(1, 4, 3, part, workload);
        let mut play =
            Play { client, ledger: Ledger::default(), now: 0, timers: [None; 3], asked: Vec::new() };
        let mut entropy = [0; 32];
        entropy[0] = seed;
        play.turn(ClientInput::Start { entropy });
        play
    }

    /// A worker that only appends, with its session open and its first command under way.
    fn appending() -> Self {
        Play::appending_as(3)
    }

    fn appending_as(seed: u8) -> Self {
        let workload = Workload { registers: 0, read_percent: 0, ..EXAMPLE };
        let mut play = Play::seeded(Part::Worker { share: 5, until: u64::MAX }, workload, seed);
        play.wait();
        assert_eq!(play.last().verb, Verb::OpenSession);
        let opening = play.last().sequence;
        play.answer_as(Status::Done, None, SessionId(77), opening, &[]);
        assert_eq!((play.last().verb, play.last().session), (Verb::Command, SessionId(77)));
        play
    }

    fn turn(&mut self, input: ClientInput) {
        let mut outputs = Outputs::default();
        self.client.turn(Instant::from_nanos(self.now), input, &mut self.ledger, &mut outputs);
        for output in outputs.0 {
            match output {
                ClientOutput::Timer { id, at } => self.timers[usize::from(id)] = at.map(Instant::as_nanos),
                ClientOutput::Close { .. } => {}
                ClientOutput::Request { to, session, sequence, bytes } => {
                    let request = Request::decode(&bytes).expect("well-formed");
                    let (verb, acknowledged_below) = (request.verb, request.acknowledged_below);
                    self.asked.push(Asked { to, session, sequence, verb, acknowledged_below });
                }
            }
        }
    }

    /// Lets time pass up to the next timer.
    fn wait(&mut self) {
        let (id, at) = (0..3)
            .filter_map(|id| self.timers[id].map(|at| (id, at)))
            .min_by_key(|(_, at)| *at)
            .expect("it waits for something");
        self.timers[id] = None;
        self.now = self.now.max(at);
        self.turn(ClientInput::Timer { id: id as u16 });
    }

    fn last(&self) -> Asked {
        self.asked.last().expect("it asked something").clone()
    }

    fn answer_as(
        &mut self,
        status: Status,
        leader: Option<NodeId>,
        session: SessionId,
        sequence: u64,
        payload: &[u8],
    ) {
        let mut bytes = Vec::new();
        Response { status, leader, session, sequence, payload }.encode(&mut bytes);
        self.now += 1_000;
        let (connection, bytes) = (ConnectionId(1), Buffer::from(bytes));
        self.turn(ClientInput::Response { connection, node: NodeId(0), bytes });
    }

    /// Answers the last request.
    fn answer(&mut self, status: Status) {
        let Asked { session, sequence, .. } = self.last();
        self.answer_as(status, None, session, sequence, &[]);
    }

    fn answer_done(&mut self, reply: &Reply<'_>) {
        let mut payload = Vec::new();
        reply.encode(&mut payload);
        let Asked { session, sequence, .. } = self.last();
        self.answer_as(Status::Done, None, session, sequence, &payload);
    }

    fn kinds(&self) -> Vec<(u64, &'static str)> {
        let operations = self.ledger.history.operations().iter();
        operations
            .map(|operation| {
                (operation.process, operation.ended.as_ref().map_or("open", |(_, end)| end.kind()))
            })
            .collect()
    }
}

#[test]
fn a_command_is_recorded_sent_acknowledged_and_followed_by_the_next() {
    let mut play = Play::appending();
    assert_eq!((play.ledger.sent.len(), play.ledger.in_flight), (2, 1));
    play.answer_done(&Reply::Integer(1));
    assert_eq!(play.ledger.acknowledged, [CommandSeen { session: SessionId(77), sequence: 1 }]);
    assert_eq!((play.kinds(), play.ledger.in_flight), (vec![(1, "ok")], 0));
    play.wait();
    assert_eq!((play.last().sequence, play.last().acknowledged_below), (2, 2));
}

#[test]
fn an_attempt_without_an_answer_is_repeated_elsewhere_under_the_same_number() {
    let mut play = Play::appending();
    let first = play.last();
    play.wait();
    let second = play.last();
    assert_ne!(first.to, second.to);
    assert_eq!((first.session, first.sequence), (second.session, second.sequence));
    assert_eq!(play.ledger.sent.len(), 2, "a repeated command is the same command");
    play.answer_done(&Reply::Integer(1));
    assert_eq!(play.kinds(), [(1, "ok")]);
}

#[test]
fn a_hint_is_followed_at_once_and_two_nodes_that_point_at_each_other_are_not_followed_for_ever() {
    let mut play = Play::appending();
    // After a second attempt no refusal is the last word.
    play.wait();
    for _ in 0..2 {
        let Asked { to, session, sequence, .. } = play.last();
        let other = NodeId((to.0 + 1) % 3);
        play.answer_as(Status::NotLeader, Some(other), session, sequence, &[]);
        assert_eq!(play.last().to, other);
    }
    let (count, Asked { to, session, sequence, .. }) = (play.asked.len(), play.last());
    play.answer_as(Status::NotLeader, Some(NodeId((to.0 + 1) % 3)), session, sequence, &[]);
    assert_eq!(play.asked.len(), count, "it backs off");
    play.wait();
    assert_eq!(play.asked.len(), count + 1);
}

#[test]
fn a_broken_connection_and_a_lost_leader_lead_to_another_attempt() {
    let mut play = Play::appending();
    play.turn(ClientInput::Closed { connection: ConnectionId(1), node: NodeId(0) });
    play.wait();
    assert_eq!(play.asked.len(), 3);
    play.answer(Status::InDoubt);
    play.wait();
    assert_eq!((play.asked.len(), play.last().sequence), (4, 1));
}

#[test]
fn a_client_without_patience_leaves_its_command_in_doubt_and_goes_on_as_another_process() {
    let mut play = Play::appending();
    while play.kinds() == [(1, "open")] {
        play.wait();
    }
    assert_eq!((play.kinds(), play.ledger.in_flight), (vec![(1, "info")], 0));
    assert!(play.now <= 3_000_000_000, "its patience ends");
    while play.last().sequence == 1 {
        play.wait();
    }
    assert_eq!((play.last().sequence, play.last().acknowledged_below), (2, 2));
    let late = Reply::Integer(1);
    let mut payload = Vec::new();
    late.encode(&mut payload);
    play.answer_as(Status::Done, None, SessionId(77), 1, &payload);
    assert_eq!(play.kinds(), [(1, "info"), (5, "open")], "an answer that comes too late changes nothing");
}

#[test]
fn an_unknown_session_leaves_the_command_in_doubt_and_a_new_session_is_opened() {
    let mut play = Play::appending();
    play.answer(Status::SessionUnknown);
    assert_eq!(play.kinds(), [(1, "info")]);
    play.wait();
    assert_eq!((play.last().verb, play.last().session), (Verb::OpenSession, SessionId::NONE));
    assert_ne!(play.last().sequence, play.asked[0].sequence);
}

#[test]
fn only_a_command_that_was_sent_once_and_refused_fails() {
    let (mut failed, mut went_on) = (0, 0);
    for seed in 0..40 {
        let mut once = Play::appending_as(seed);
        once.answer(if seed % 2 == 0 { Status::Overloaded } else { Status::NotLeader });
        match once.kinds()[0].1 {
            "fail" => failed += 1,
            _ => went_on += 1,
        }
        let mut twice = Play::appending_as(seed);
        twice.wait();
        twice.answer(if seed % 2 == 0 { Status::Overloaded } else { Status::NotLeader });
        assert_eq!(twice.kinds(), [(1, "open")], "the first attempt may yet be carried out");
    }
    assert!(failed > 0 && went_on > 0, "{failed} failed, {went_on} went on");
}

#[test]
fn a_reply_that_makes_no_sense_is_reported() {
    let mut play = Play::appending();
    play.answer_done(&Reply::Bytes(b"hello"));
    let trouble = play.ledger.trouble.expect("it is noticed");
    assert!(trouble.what.contains("Append"), "{}", trouble.what);
}

#[test]
fn a_worker_rests_when_faults_end_and_reads_what_it_is_told_to() {
    let workload = Workload { registers: 0, read_percent: 0, ..EXAMPLE };
    let mut play = Play::new(Part::Worker { share: 5, until: 0 }, workload);
    play.wait();
    assert!(play.client.is_resting() && play.asked.is_empty());

    let mut outputs = Outputs::default();
    let wanted = [Key::List(0), Key::List(1)].into_iter();
    play.client.read_finally(wanted, Instant::from_nanos(play.now), &mut play.ledger, &mut outputs);
    let ClientOutput::Request { session, sequence, .. } = outputs.0[0].clone() else {
        panic!("it asks: {:?}", outputs.0)
    };
    let mut payload = Vec::new();
    Reply::List(vec![Some(b"7")]).encode(&mut payload);
    play.answer_as(Status::Done, None, session, sequence, &payload);
    assert!(!play.client.is_resting());
    play.answer_done(&Reply::List(vec![]));
    assert!(play.client.is_resting());
    let ends: Vec<_> =
        play.ledger.history.operations().iter().filter_map(|operation| operation.ended.clone()).collect();
    assert_eq!(ends[0].1, End::Read(Value::List(vec![7])));
    assert_eq!(ends[1].1, End::Read(Value::List(vec![])));
}

#[test]
fn a_probe_waits_for_its_time_and_never_gives_up() {
    let mut play = Play::new(Part::Probe { at: 5_000_000_000 }, EXAMPLE);
    play.wait();
    assert_eq!((play.now, play.last().verb), (5_000_000_000, Verb::OpenSession));
    let opening = play.last().sequence;
    play.answer_as(Status::Done, None, SessionId(9), opening, &[]);
    for _ in 0..1_000 {
        play.wait();
    }
    assert_eq!((play.kinds(), play.last().sequence), (vec![(1, "open")], 1));
    play.answer(Status::SessionUnknown);
    play.wait();
    assert_eq!(play.last().verb, Verb::OpenSession, "a command in doubt is followed by a fresh one");
}

#[test]
fn replies_are_understood_and_keys_are_complete() {
    let append = Operation {
        key: Key::List(0),
        function: Function::Append { value: 3 },
        question: operations::Question::No,
    };
    let mut reply = Vec::new();
    Reply::Integer(4).encode(&mut reply);
    assert_eq!(append.end(&reply), Ok(End::Appended { length: 4 }));
    assert!(Operation::read(Key::Register(0), false).end(&reply).is_err());
    assert!(append.end(b"").is_err());
    assert_eq!(keys(&EXAMPLE).count(), 4, "two lists, the probe's and a register");
    let mut random = Random::new(&[1; 32]);
    let mut verbs = Verbs::new(2, EXAMPLE);
    let values: std::collections::BTreeSet<String> = (0..200)
        .map(|_| verbs.draw(&mut random))
        .map(|operation| format!("{:?}", operation.function))
        .collect();
    assert!(values.len() > 50, "most of them carry values of their own");
    assert_eq!(Duration::from_millis(1).as_nanos(), MILLI);
}

/// A worker whose commands are all sent outside its session, with the first one under way.
fn once(seed: u8) -> Play {
    let workload = Workload { registers: 0, read_percent: 0, once_percent: 100, ..EXAMPLE };
    let mut play = Play::seeded(Part::Worker { share: 5, until: u64::MAX }, workload, seed);
    play.wait();
    let opening = play.last().sequence;
    play.answer_as(Status::Done, None, SessionId(77), opening, &[]);
    assert_eq!((play.last().verb, play.last().session), (Verb::Once, SessionId(1 << 63 | 1)));
    play
}

#[test]
fn a_command_outside_the_session_is_sent_again_after_a_refusal_and_never_after_a_doubt() {
    let mut play = once(5);
    for status in [Status::NotLeader, Status::Overloaded, Status::NotLeader] {
        let asked = play.asked.len();
        play.answer(status);
        assert_eq!(play.kinds(), [(1, "open")]);
        play.wait();
        assert_eq!((play.last().verb, play.last().sequence, play.asked.len()), (Verb::Once, 1, asked + 1));
    }
    for doubt in [Status::InDoubt, Status::Done] {
        let mut play = once(5);
        let asked = play.asked.len();
        match doubt {
            Status::Done => play.turn(ClientInput::Closed { connection: ConnectionId(1), node: NodeId(0) }),
            status => play.answer(status),
        }
        assert_eq!((play.kinds(), play.asked.len()), (vec![(1, "info")], asked));
        play.wait();
        assert_eq!((play.last().verb, play.last().sequence), (Verb::Once, 2), "the next one");
    }
    let mut play = once(5);
    play.wait();
    assert_eq!(play.kinds(), [(1, "info")], "it was not answered in time");
}
