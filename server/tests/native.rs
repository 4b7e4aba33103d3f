//! Native clients: a command is carried out once, however often it had to be sent.

#[allow(dead_code, reason = "each user takes what it needs")]
mod common;

use common::Cluster;
use seedfast_core::NodeId;
use seedfast_kv::{Blocks, Command, Reply};
use seedfast_server::client::{Client, Failed};
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
