//! Native clients: a command is carried out once, however often it had to be sent.

#[allow(dead_code, reason = "each user takes what it needs")]
mod common;

use common::Cluster;
use seedfast_core::client::{Request, Response, Status, Verb};
use seedfast_core::runtime::clients::Clients;
use seedfast_core::runtime::{Runtime, accept};
use seedfast_core::{Buffer, Duration as Span, GroupId, Input, NodeId, SessionId};
use seedfast_kv::native::{self, Guests, frame};
use seedfast_kv::{Blocks, Command, Reply};
use seedfast_runtime_real::{Options, run};
use seedfast_server::client::{Client, Failed};
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

fn client(cluster: &Cluster) -> Client {
    let place = |node: &common::Node| (NodeId(node.id), format!("127.0.0.1:{}", node.native));
    Client::new(cluster.nodes.iter().map(place).collect())
}

fn encoded(command: &Command<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    command.encode(&mut bytes);
    bytes
}

#[test]
fn commands_and_questions_are_answered() {
    let cluster = Cluster::start(3);
    let mut client = client(&cluster);
    let elements = [&b"a"[..], b"b"];
    let push = Command::PushRight { key: b"list", elements: Blocks::from(&elements[..]) };
    let reply = client.command(&encoded(&push), PATIENCE).expect("it is carried out");
    assert_eq!(Reply::decode(&reply), Ok(Reply::Integer(2)));
    let length = Command::ListLength { key: b"list" };
    let reply = client.query(&encoded(&length), PATIENCE).expect("it is answered");
    assert_eq!(Reply::decode(&reply), Ok(Reply::Integer(2)));
    let large = vec![0; 1 << 20];
    assert!(matches!(client.command(&large, PATIENCE), Err(Failed::Refused(_))));
}

#[test]
fn counters_are_exact_although_leaders_are_killed() {
    let mut cluster = Cluster::start(3);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (mut client, stop, done) = (client(&cluster), stop.clone(), done.clone());
            thread::spawn(move || {
                let add = encoded(&Command::IncrementBy { key: b"counter", by: 1 });
                let mut carried_out = 0;
                while !stop.load(Ordering::Relaxed) {
                    client.command(&add, PATIENCE).expect("it is carried out in the end");
                    carried_out += 1;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                carried_out
            })
        })
        .collect();
    for _ in 0..3 {
        let before = done.load(Ordering::Relaxed);
        common::until("some work", || (done.load(Ordering::Relaxed) > before + 100).then_some(()));
        let leader = cluster.leader();
        cluster.kill(leader);
        let before = done.load(Ordering::Relaxed);
        common::until("work without it", || (done.load(Ordering::Relaxed) > before + 20).then_some(()));
        cluster.serve(leader);
    }
    stop.store(true, Ordering::Relaxed);
    let expected: i64 = workers.into_iter().map(|worker| worker.join().expect("it worked")).sum();
    assert_eq!(cluster.ask(&["GET", "counter"]), expected.to_string());
}

fn request(stream: &mut TcpStream, sequence: u64) {
    let (mut bytes, mut frame) = (Vec::new(), Vec::new());
    Request { verb: Verb::Command, acknowledged_below: 0, payload: b"" }.encode(&mut bytes);
    frame::put_request(&mut frame, SessionId(7), sequence, &bytes);
    stream.write_all(&frame).expect("it is open");
}

fn answer(sequence: u64) -> Buffer {
    let mut bytes = Vec::new();
    let (status, session) = (Status::Done, SessionId(7));
    Response { status, leader: None, session, sequence, payload: b"done" }.encode(&mut bytes);
    Buffer::from(bytes)
}

/// The test is the replica behind the door.
#[test]
fn a_node_that_stops_owes_no_native_client_an_answer_and_takes_nothing_more() {
    let address = format!("127.0.0.1:{}", common::free_ports(1)[0]);
    let streams = run(Options::new(), move |runtime| async move {
        let (clients, guests) = (Clients::new(16), Guests::default());
        let mut listener = runtime.listen(&address).await.expect("a free address");
        let mut streams: [_; 2] = std::array::from_fn(|_| TcpStream::connect(&address).expect("it listens"));
        for _ in &streams {
            let stream = accept(&mut listener).await.expect("it came");
            let connection = clients.connect();
            runtime.spawn(native::serve(runtime.clone(), stream, connection, GroupId(1), guests.clone()));
        }
        let (mut inputs, mut asked) = (Vec::new(), Vec::new());
        (1..=2).for_each(|sequence| request(&mut streams[0], sequence));
        while asked.len() < 2 {
            poll_fn(|cx| clients.poll_requests(cx, &mut inputs, 9)).await;
            for input in inputs.drain(..) {
                let Input::Request { connection, sequence, .. } = input else { panic!("{input:?}") };
                asked.push((connection, sequence));
            }
        }
        guests.stop();
        let until = runtime.now().monotonic + Span::from_secs(60);
        let wait = async || {
            let now = runtime.now().monotonic;
            assert!(now < until, "{} clients never go", guests.connected());
            runtime.sleep(now + Span::from_millis(1)).await;
        };
        // The client that is owed nothing goes, and the other one stays until it is owed nothing.
        while guests.connected() > 1 {
            wait().await;
        }
        request(&mut streams[0], 3);
        for (connection, sequence) in asked {
            wait().await;
            assert_eq!(guests.connected(), 1, "{sequence} is not answered");
            clients.respond(connection, answer(sequence));
        }
        while guests.connected() > 0 {
            wait().await;
        }
        poll_fn(|cx| clients.poll_requests(cx, &mut inputs, 9)).await;
        assert!(inputs.iter().all(|input| matches!(input, Input::Closed { .. })), "{inputs:?}");
        streams
    });
    let [mut first, mut second] = streams.expect("a runtime");
    let mut expected = Vec::new();
    (1..=2).for_each(|sequence| frame::put_answer(&mut expected, &answer(sequence)));
    let mut came = Vec::new();
    // Bytes that came too late may cut the stream behind the answers.
    let _ = first.read_to_end(&mut came);
    assert_eq!(came, expected);
    assert_eq!(second.read(&mut [0; 1]).expect("it was closed"), 0);
}
