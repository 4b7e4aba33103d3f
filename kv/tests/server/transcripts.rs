//! Conversations word by word: recorded from Redis, recorded from its tools, and written down for what only we say.
//!
//! `>` sends words as an array (quotes as in a typed line), `>>` bytes as they stand, `~` words whose reply is not
//! compared; `<` is what comes back; `!` says that the other end has closed; `=` is who leads from here on (0: nobody
//! known); `---` opens a new connection. Keys live on.

use crate::harness::{Bench, array, service};
use seedfast_core::NodeId;
use seedfast_core::client::Status;
use seedfast_kv::server::Limits;
use std::rc::Rc;

/// The bytes that Rust would write as `text`.
fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut letters) = (Vec::new(), text.bytes());
    while let Some(letter) = letters.next() {
        bytes.push(match letter {
            b'\\' => match letters.next().expect("something stands behind a backslash") {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => {
                    let digits = [letters.next(), letters.next()].map(|digit| digit.expect("two digits"));
                    let digits = std::str::from_utf8(&digits).expect("digits are ASCII");
                    u8::from_str_radix(digits, 16).expect("two hexadecimal digits")
                }
                other => other,
            },
            letter => letter,
        });
    }
    bytes
}

/// Words, those with blanks in double quotes.
fn words(line: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), line.trim_start());
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').expect("a quote is closed"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}

fn play(text: &str, chunk: usize) {
    let (service, store) = (service(Limits::DEFAULT), Rc::default());
    let connect = || {
        let bench = Bench::with(service.clone(), Rc::clone(&store), 64);
        bench.wire.0.borrow_mut().chunk = chunk;
        bench
    };
    let (mut bench, mut compared) = (connect(), 0);
    for (number, line) in text.lines().enumerate() {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        match mark {
            "#" | "" => {}
            "---" => bench = connect(),
            "=" => {
                let leader = rest.parse().expect("a node's number");
                let leader = (leader != 0).then_some(NodeId(leader));
                service.set_leader(leader);
                let leads = leader == Some(service.settings().node);
                bench.fate = (if leads { Status::Done } else { Status::NotLeader }, leader);
            }
            ">" => bench.wire.push(&array(words(rest).into_iter())),
            ">>" => bench.wire.push(&unescape(rest)),
            "~" => {
                bench.wire.push(&array(words(rest).into_iter()));
                bench.settle();
                bench.heard();
            }
            "<" => {
                bench.settle();
                compared += 1;
                assert_eq!(bench.heard(), rest, "line {}, {chunk} bytes at a time", number + 1);
            }
            "!" => {
                bench.wire.finish();
                bench.settle();
                assert_eq!(bench.heard(), "", "line {}", number + 1);
                assert!(bench.over && bench.wire.0.borrow().closed, "line {}: it is open", number + 1);
            }
            _ => panic!("line {}: {line}", number + 1),
        }
    }
    assert!(compared > 10, "a transcript that compares nothing proves nothing");
}

fn play_in_pieces(text: &str) {
    for chunk in [usize::MAX, 1, 2, 3, 7, 64] {
        play(text, chunk);
    }
}

#[test]
fn what_redis_answered_is_answered_byte_for_byte() {
    play_in_pieces(include_str!("../transcripts/redis-7.0.15.txt"));
}

#[test]
fn what_the_tools_send_is_answered() {
    play_in_pieces(include_str!("../transcripts/tools.txt"));
}

#[test]
fn what_only_we_say() {
    play_in_pieces(include_str!("../transcripts/ours.txt"));
}
