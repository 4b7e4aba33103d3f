//! Bounds: what a client can make the server hold, and how a connection ends.

use crate::harness::{Bench, array};
use proptest::prelude::*;
use seedfast_kv::resp;
use seedfast_kv::server::{Counter, Limits};

/// Enough for a test, little for a client.
fn tight() -> Limits {
    let requests = resp::Limits { argument: 1000, arguments: 50, line: 200, request: 4000 };
    Limits { requests, waiting: 16, output: 500, held: 4000, read: 256 }
}

#[test]
fn no_more_requests_are_under_way_than_there_is_room_for_and_reading_stops() {
    let mut bench = Bench::new(Limits::DEFAULT, 3);
    for _ in 0..100 {
        bench.wire.push(&array(["INCR", "n"].into_iter()));
    }
    bench.turn();
    assert_eq!(bench.asked.len(), 3);
    bench.turn();
    assert_eq!(bench.asked.len(), 3, "nothing was answered");
    bench.settle();
    let expected: String = (1..=100).map(|n| format!(r":{n}\r\n")).collect();
    assert_eq!(bench.heard(), expected);
}

#[test]
fn a_client_that_does_not_read_is_not_read_from_and_loses_nothing() {
    let mut bench = Bench::new(tight(), 4);
    bench.wire.0.borrow_mut().window = 0;
    let value = "v".repeat(100);
    bench.wire.push(&array(["SET", "a", &value].into_iter()));
    for _ in 0..1000 {
        bench.wire.push(&array(["GET", "a"].into_iter()));
    }
    bench.settle();
    let asked = bench.seen.get();
    assert!((5..30).contains(&asked), "{asked} requests were made for a client that reads nothing");
    let mut heard = String::new();
    for _ in 0..2000 {
        bench.wire.take(100);
        bench.settle();
        heard += &bench.heard();
    }
    let expected = r"+OK\r\n".to_owned() + &format!(r"$100\r\n{value}\r\n").repeat(1000);
    assert_eq!(heard, expected);
    assert!(!bench.over);
}

#[test]
fn a_client_that_asks_for_more_than_it_reads_is_closed() {
    let mut bench = Bench::new(tight(), 64);
    bench.wire.0.borrow_mut().window = 0;
    bench.wire.push(&array(["SET", "a", &"v".repeat(900)].into_iter()));
    bench.settle();
    // As many as may be under way, their answers larger together than what is held for anybody.
    for _ in 0..10 {
        bench.wire.push(&array(["GET", "a"].into_iter()));
    }
    bench.settle();
    assert!(bench.over, "it holds 9 KB for a client that reads nothing");
    assert_eq!(bench.service.count(Counter::Overflowed), 1);
    assert_eq!(bench.service.connected(), 0);
    assert_eq!(bench.clients.under_way(), 0);
}

#[test]
fn local_replies_are_bounded_too() {
    let mut bench = Bench::new(tight(), 4);
    bench.wire.0.borrow_mut().window = 0;
    for _ in 0..10_000 {
        bench.wire.push(b"PING\r\n");
    }
    bench.settle();
    assert!(bench.service.count(Counter::Commands) < 200, "{}", bench.service.count(Counter::Commands));
    bench.wire.take(usize::MAX);
    bench.settle();
    assert_eq!(bench.heard(), r"+PONG\r\n".repeat(10_000));
}

#[test]
fn a_client_that_closes_its_half_still_gets_its_replies() {
    let mut bench = Bench::new(Limits::DEFAULT, 2);
    for _ in 0..10 {
        bench.wire.push(&array(["INCR", "n"].into_iter()));
    }
    bench.wire.push(b"*2\r\n$4\r\nINCR\r\n$1");
    bench.wire.finish();
    bench.settle();
    assert!(bench.heard().ends_with(r":10\r\n"));
    assert!(bench.over && bench.wire.0.borrow().closed);
}

#[test]
fn a_stream_that_breaks_ends_the_task_and_the_process_hears_of_it() {
    let mut bench = Bench::new(Limits::DEFAULT, 4);
    bench.wire.push(&array(["INCR", "n"].into_iter()));
    bench.turn();
    bench.wire.cut();
    bench.turn();
    assert!(bench.over && bench.gone);
}

#[test]
fn nothing_behind_quit_or_an_error_takes_effect() {
    for end in ["QUIT\r\n", "*1\r\n$x\r\n"] {
        let mut bench = Bench::new(Limits::DEFAULT, 4);
        bench.wire.push(&array(["INCR", "n"].into_iter()));
        bench.wire.push(end.as_bytes());
        bench.wire.push(&array(["INCR", "n"].into_iter()));
        bench.settle();
        assert_eq!(bench.seen.get(), 1, "{end:?}");
        let heard = bench.heard();
        assert!(heard.starts_with(r":1\r\n") && heard.ends_with(r"\r\n"), "{heard}");
        // What still comes is thrown away, up to a bound.
        assert!(bench.wire.0.borrow().closed && !bench.over);
        bench.wire.push(&vec![b'x'; 2 << 20]);
        bench.settle();
        assert!(bench.over);
        assert_eq!(bench.heard(), "");
    }
}

#[test]
fn a_connection_that_goes_away_takes_its_name_from_the_list() {
    let mut bench = Bench::new(Limits::DEFAULT, 4);
    bench.ask("CLIENT SETNAME bob");
    assert_eq!(bench.service.connected(), 1);
    bench.wire.finish();
    bench.settle();
    assert!(bench.over);
    let service = bench.service.clone();
    drop(bench);
    assert_eq!(service.connected(), 0);
}

#[test]
fn a_node_that_stops_owes_nobody_a_reply() {
    let mut bench = Bench::new(Limits::DEFAULT, 2);
    for _ in 0..5 {
        bench.wire.push(&array(["INCR", "n"].into_iter()));
    }
    bench.turn();
    bench.service.stop();
    assert!(bench.service.ready().is_err());
    bench.wire.push(&array(["INCR", "n"].into_iter()));
    bench.settle();
    assert_eq!(
        bench.heard(),
        (1..=5).map(|n| format!(r":{n}\r\n")).collect::<String>(),
        "and takes nothing new"
    );
    assert!(bench.over && bench.wire.0.borrow().closed);
    assert_eq!(bench.service.connected(), 0);

    // Whoever is idle, or was told goodbye and does not leave, holds nothing up.
    for goodbye in ["", "QUIT\r\n"] {
        let mut bench = Bench::new(Limits::DEFAULT, 2);
        bench.wire.push(goodbye.as_bytes());
        bench.settle();
        assert!(!bench.over);
        bench.service.stop();
        bench.turn();
        assert!(bench.over, "{goodbye:?}");
    }
}

/// Bytes that look like RESP more often than chance would have it.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..8),
        prop::sample::select(vec![
            "*1\r\n",
            "*2\r\n",
            "*3\r\n",
            "*-1\r\n",
            "*0\r\n",
            "*1048576\r\n",
            "$0\r\n\r\n",
            "$1\r\na\r\n",
            "$3\r\nSET\r\n",
            "$3\r\nGET\r\n",
            "$4\r\nMGET\r\n",
            "$5\r\nHELLO\r\n",
            "$1\r\n3\r\n",
            "$-1\r\n",
            "$9\r\n",
            "$4194304\r\n",
            "\r\n",
            "\n",
            "PING\r\n",
            "SET a b\r\n",
            "\"",
            "'",
            "\\x4",
            " ",
            "{a}",
            "COMMAND DOCS\r\n",
            "CLIENT LIST\r\n",
            "INFO\r\n",
            "CLUSTER SLOTS\r\n",
            "SEEDFAST STATUS\r\n",
            "CONFIG GET *\r\n",
            "QUIT\r\n",
            "RESET\r\n",
            "%2\r\n",
            "~1\r\n",
            "_\r\n",
            "(1\r\n",
            "=5\r\ntxt:a\r\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_comes_is_answered_in_replies_and_the_same_however_it_is_cut(
        bytes in noise(),
        chunk in 1..40usize,
    ) {
        let hear = |chunk: usize| {
            let mut bench = Bench::new(Limits { held: 1 << 20, ..tight() }, 64);
            bench.wire.0.borrow_mut().chunk = chunk;
            bench.wire.push(&bytes);
            bench.wire.finish();
            bench.settle();
            assert!(bench.over, "the client has closed its half");
            std::mem::take(&mut bench.wire.0.borrow_mut().sent)
        };
        let whole = hear(usize::MAX);
        // What had been counted when the client asked for counters depends on the cuts; nothing else does.
        let strip = |sent: &[u8]| {
            let text = sent.escape_ascii().to_string();
            let lines = text.split(r"\n").filter(|line| !line.starts_with("total_") && !line.contains(": "));
            lines.map(|line| if line.starts_with(['$', '=']) { "$" } else { line }).collect::<String>()
        };
        prop_assert_eq!(strip(&hear(chunk)), strip(&whole));
        // Another author's decoder finds replies in it, and nothing else.
        decode(&whole)?;
    }
}

/// How many replies there are in `bytes`, by a decoder that is not ours. The version may change between them.
fn decode(mut bytes: &[u8]) -> Result<usize, TestCaseError> {
    use redis_protocol::{resp2, resp3};
    let mut count = 0;
    while !bytes.is_empty() {
        let third = resp3::decode::complete::decode(bytes).ok().flatten().map(|(_, taken)| taken);
        let second = || resp2::decode::decode(bytes).ok().flatten().map(|(_, taken)| taken);
        let Some(taken) = third.or_else(second) else {
            return Err(TestCaseError::fail(format!("no reply: {}", bytes.escape_ascii())));
        };
        bytes = &bytes[taken..];
        count += 1;
    }
    Ok(count)
}

#[test]
fn another_decoder_reads_every_reply_in_both_versions() {
    for hello in ["HELLO 2", "HELLO 3"] {
        let mut bench = Bench::new(Limits::DEFAULT, 64);
        let commands = [
            hello,
            "COMMAND",
            "COMMAND DOCS",
            "COMMAND LIST",
            "COMMAND INFO get nope",
            "COMMAND DOCS nope",
            "CLUSTER SLOTS",
            "CLUSTER SHARDS",
            "CLUSTER NODES",
            "CLUSTER INFO",
            "CLUSTER HELP",
            "CLIENT LIST",
            "CLIENT GETNAME",
            "CONFIG GET *",
            "INFO",
            "SEEDFAST STATUS",
            "SEEDFAST HELP",
            "SET a 1",
            "GET a",
            "GET b",
            "MGET a b",
            "RPUSH l 1 2",
            "LRANGE l 0 -1",
            "INCR l",
            "INCR a",
            "NONSENSE",
            "PING",
            "RESET",
        ];
        for command in commands {
            bench.wire.push(&array(command.split(' ')));
        }
        bench.settle();
        let sent = bench.wire.0.borrow().sent.clone();
        assert_eq!(decode(&sent).expect("replies"), commands.len());
    }
}

proptest! {
    #[test]
    fn another_encoder_writes_requests_that_are_read_as_meant(
        words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..10),
    ) {
        use redis_protocol::resp2::types::{OwnedFrame, Resp2Frame};
        let frame = OwnedFrame::Array(words.iter().cloned().map(OwnedFrame::BulkString).collect());
        let mut bytes = vec![0; frame.encode_len(false)];
        redis_protocol::resp2::encode::encode(&mut bytes, &frame, false).expect("it encodes");
        let mut parser = resp::Parser::default();
        let (args, taken) = parser.next(&bytes).expect("a request");
        let args = args.expect("a whole one");
        prop_assert_eq!(taken, bytes.len());
        prop_assert!(args.from(0).eq(words.iter().map(Vec::as_slice)));
    }

    #[test]
    fn another_hash_puts_keys_into_the_same_slots(key in "[a{}b]{0,12}|.{0,20}") {
        prop_assert_eq!(resp::slot_of(key.as_bytes()), redis_protocol::redis_keyslot(key.as_bytes()));
    }
}
