//! Order: a pipeline means what its commands mean one after the other, whatever order the answers come in, wherever
//! the bytes are cut, and whenever the replicas choose to look.

use crate::harness::{Asked, Bench, array};
use proptest::prelude::*;
use seedfast_core::client::{Status, Verb};
use seedfast_core::machine::StateMachine;
use seedfast_core::{NodeId, WallTime};
use seedfast_kv::server::{Counter, Limits};
use std::collections::VecDeque;

const COMMANDS: [&str; 24] = [
    "SET a 1",
    "SET a 2",
    "SET b x",
    "SET a 9 IFEQ 2",
    "SET a 7 GET",
    "GET a",
    "GET b",
    "GET a",
    "INCR a",
    "INCRBY b 3",
    "MGET a b l",
    "MSET a 5 b 6",
    "DEL a b",
    "EXISTS a b",
    "APPEND b y",
    "STRLEN b",
    "RPUSH l 1 2",
    "LRANGE l 0 -1",
    "LLEN l",
    "PING",
    "ECHO hi",
    "NONSENSE x",
    "HELLO 3",
    "HELLO 2",
];

/// What the commands mean, asked one by one.
fn one_by_one(commands: &[&str]) -> String {
    let mut bench = Bench::new(Limits::DEFAULT, 64);
    commands.iter().map(|command| bench.ask(command)).collect()
}

/// Draws from a list of bytes that a test was given, so that its choices shrink.
struct Choices(VecDeque<u8>);

impl Choices {
    fn next(&mut self, below: usize) -> usize {
        let byte = self.0.pop_front().unwrap_or(0);
        self.0.push_back(byte.wrapping_mul(29).wrapping_add(7));
        usize::from(byte) % below
    }
}

/// Replicas that take their liberties. What goes through the log is carried out in its order; a question outside it is
/// answered from any state between its asking and now, the one before everything that is under way included. Answers
/// come in any order.
fn run(bench: &mut Bench, choices: &mut Choices) {
    let mut log: VecDeque<Asked> = VecDeque::new();
    let mut questions: Vec<Asked> = Vec::new();
    let mut answers: Vec<(Asked, Vec<u8>)> = Vec::new();
    loop {
        bench.turn();
        for asked in bench.asked.drain(..) {
            if asked.verb == Verb::Query { questions.push(asked) } else { log.push_back(asked) }
        }
        if log.is_empty() && questions.is_empty() && answers.is_empty() {
            return;
        }
        match choices.next(3) {
            0 if !log.is_empty() => {
                let asked = log.pop_front().expect("it is not empty");
                let payload = bench.carry_out(&asked);
                answers.push((asked, payload));
            }
            1 if !questions.is_empty() => {
                let asked = questions.swap_remove(choices.next(questions.len()));
                let payload = bench.carry_out(&asked);
                answers.push((asked, payload));
            }
            _ if !answers.is_empty() => {
                let (asked, payload) = answers.swap_remove(choices.next(answers.len()));
                bench.answer(&asked, &payload);
            }
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn a_pipeline_is_its_commands_one_by_one(
        picks in proptest::collection::vec(0..COMMANDS.len(), 1..40),
        cuts in proptest::collection::vec(1..200usize, 1..6),
        choices in proptest::collection::vec(any::<u8>(), 1..40),
        under_way in 1..10usize,
        window in 1..60usize,
        lazy in any::<bool>(),
    ) {
        let commands: Vec<&str> = picks.iter().map(|pick| COMMANDS[*pick]).collect();
        let expected = one_by_one(&commands);
        // `waiting` and `output` are so small that the server often has to stop reading.
        let limits = Limits { waiting: 8, output: 40, ..Limits::DEFAULT };
        let mut bench = Bench::new(limits, under_way);
        bench.wire.0.borrow_mut().window = 0;
        bench.wire.0.borrow_mut().lazy = lazy;
        let mut choices = Choices(choices.into());
        let bytes: Vec<u8> = commands.iter().flat_map(|command| array(command.split(' '))).collect();
        let (mut rest, mut heard) = (&bytes[..], String::new());
        for (round, cut) in cuts.iter().cycle().enumerate() {
            prop_assert!(round < 100_000, "it stands still");
            let (now, later) = rest.split_at(rest.len().min(*cut));
            rest = later;
            bench.wire.push(now);
            if rest.is_empty() {
                bench.wire.finish();
            }
            run(&mut bench, &mut choices);
            bench.wire.take(window);
            run(&mut bench, &mut choices);
            heard += &bench.heard();
            if bench.over {
                break;
            }
        }
        prop_assert_eq!(heard, expected);
    }

    #[test]
    fn replies_are_what_the_store_itself_says(picks in proptest::collection::vec(0..19usize, 1..40)) {
        // Not the server against itself: each command is put to a second store in its own encoding.
        use seedfast_kv::resp::{Parser, Version, Writer, reply, table, translate};
        let commands: Vec<&str> = picks.iter().map(|pick| COMMANDS[*pick]).collect();
        let (mut store, mut out) = (seedfast_kv::Store::new(), Vec::new());
        for command in &commands {
            let (bytes, mut parser) = (array(command.split(' ')), Parser::default());
            let args = parser.next(&bytes).expect("a request").0.expect("a whole one");
            let verb = table::find(args.get(0)).expect("a command").verb;
            let (mut scratch, mut encoded, mut answer) = (vec![], vec![], vec![]);
            translate::translate(verb, args, &mut scratch, &mut encoded).expect("a sound one");
            store.apply(WallTime(0), &encoded, &mut answer);
            reply::write(&answer, &mut Writer::new(&mut out, Version::Resp2)).expect("a reply");
        }
        prop_assert_eq!(one_by_one(&commands), out.escape_ascii().to_string());
    }
}

fn send(bench: &mut Bench, commands: &[&str]) -> Vec<Verb> {
    for command in commands {
        bench.wire.push(&array(command.split(' ')));
    }
    bench.turn();
    bench.asked.iter().map(|asked| asked.verb).collect()
}

#[test]
fn a_pipeline_of_questions_is_one_round_outside_the_log_and_one_burst() {
    let mut bench = Bench::new(Limits::DEFAULT, 64);
    let verbs = send(&mut bench, &["GET a", "EXISTS a", "MGET a b", "LLEN l"]);
    assert_eq!(verbs, [Verb::Query; 4]);
    bench.settle();
    assert_eq!((bench.service.count(Counter::Reads), bench.service.count(Counter::Writes)), (4, 0));
    assert_eq!(bench.wire.0.borrow().writes, 1, "four replies are one write");
}

#[test]
fn questions_beside_writes_go_through_the_log() {
    let mut bench = Bench::new(Limits::DEFAULT, 64);
    let verbs = send(&mut bench, &["GET a", "SET a 1", "GET a"]);
    assert_eq!([verbs[0], verbs[2]], [Verb::QueryInLog; 2]);
    // So do those that come while a write is under way.
    let verbs = send(&mut bench, &["GET a"]);
    assert_eq!(verbs[3], Verb::QueryInLog);
    bench.settle();
    assert_eq!(bench.heard(), r"$-1\r\n+OK\r\n$1\r\n1\r\n$1\r\n1\r\n");
    assert_eq!(bench.service.count(Counter::ReadsInLog), 3);
}

#[test]
fn a_write_waits_for_the_questions_before_it() {
    let mut bench = Bench::new(Limits::DEFAULT, 64);
    assert_eq!(send(&mut bench, &["GET a"]).len(), 1);
    assert_eq!(send(&mut bench, &["SET a 1", "GET a"]).len(), 1, "the question is not answered yet");
    bench.settle();
    assert_eq!(bench.heard(), r"$-1\r\n+OK\r\n$1\r\n1\r\n");
}

#[test]
fn a_reply_has_the_version_that_was_spoken_when_it_was_asked_for() {
    let mut bench = Bench::new(Limits::DEFAULT, 64);
    send(&mut bench, &["GET a", "HELLO 3", "GET a"]);
    let (second, first) = (bench.asked.pop_back().expect("two"), bench.asked.pop_back().expect("two"));
    for asked in [second, first] {
        let payload = bench.carry_out(&asked);
        bench.answer(&asked, &payload);
    }
    bench.turn();
    let heard = bench.heard();
    assert!(heard.starts_with(r"$-1\r\n%7\r\n") && heard.ends_with(r"_\r\n"), "{heard}");
}

#[test]
fn every_way_a_request_can_end_has_its_error() {
    let other = Some(NodeId(2));
    let cases = [
        (Status::NotLeader, other, "GET foo", r"-MOVED 12182 10.0.0.2:7002\r\n"),
        (Status::NotLeader, other, "DBSIZE", r"-MOVED 0 10.0.0.2:7002\r\n"),
        (Status::NotLeader, None, "GET foo", "-CLUSTERDOWN no leader"),
        (Status::NotLeader, Some(NodeId(1)), "SET foo 1", "-CLUSTERDOWN no leader"),
        (Status::NotLeader, Some(NodeId(9)), "SET foo 1", "-CLUSTERDOWN no leader"),
        (Status::Overloaded, other, "SET foo 1", "-BUSY too many"),
        (Status::Overloaded, other, "GET foo", "-BUSY too many"),
        (Status::InDoubt, other, "SET foo 1", "-UNKNOWN outcome"),
        (Status::InDoubt, other, "GET foo", r"-MOVED 12182 10.0.0.2:7002\r\n"),
        (Status::InDoubt, None, "GET foo", "-CLUSTERDOWN no leader"),
        (Status::SessionUnknown, other, "INCR foo", "-UNKNOWN outcome"),
        (Status::Stale, other, "INCR foo", "-UNKNOWN outcome"),
        (Status::Malformed, None, "SET foo 1", "-ERR the command is larger"),
    ];
    for (status, leader, command, expected) in cases {
        let mut bench = Bench::new(Limits::DEFAULT, 64);
        bench.fate = (status, leader);
        let heard = bench.ask(command);
        assert!(heard.starts_with(expected), "{status:?} {command}: {heard}");
        let replies = heard.matches(r"\r\n").count();
        assert_eq!(replies, 1, "one request, one reply");
    }
}

#[test]
fn a_follower_learns_from_refusals_who_leads() {
    let mut bench = Bench::new(Limits::DEFAULT, 64);
    bench.fate = (Status::NotLeader, Some(NodeId(3)));
    bench.ask("GET a");
    assert_eq!(bench.service.leader(), Some(NodeId(3)));
    bench.fate = (Status::NotLeader, None);
    bench.ask("GET a");
    assert_eq!(bench.service.leader(), None);
    assert!(bench.service.ready().is_err());
}

#[test]
fn an_answer_that_comes_twice_or_to_nobody_is_passed_over() {
    let mut bench = Bench::new(Limits::DEFAULT, 64);
    send(&mut bench, &["INCR n", "INCR n"]);
    let (first, second) = (bench.asked.pop_front().expect("two"), bench.asked.pop_front().expect("two"));
    let payload = bench.carry_out(&first);
    let later = bench.carry_out(&second);
    bench.answer(&second, &later);
    bench.answer(&second, &payload);
    bench.turn();
    assert_eq!(bench.heard(), "", "the first is not answered");
    bench.answer(&first, &payload);
    bench.answer(&first, &later);
    bench.turn();
    bench.answer(&first, &later);
    bench.turn();
    assert_eq!(bench.heard(), r":1\r\n:2\r\n");
    assert_eq!(bench.ask("GET n"), r"$1\r\n2\r\n");
}
