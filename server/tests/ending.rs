//! How a replica ends: when it is asked to it answers what it owes and exits with 0, and what it acknowledged is there.

#[allow(dead_code, reason = "each user takes what it needs")]
mod common;

use common::{Cluster, Resp, ended, signal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

#[test]
fn asked_to_end_under_load_it_answers_what_it_owes_and_loses_nothing() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    let port = cluster.nodes[leader].clients;
    let under_way = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let under_way = under_way.clone();
            thread::spawn(move || {
                let mut resp = Resp::connect(port).expect("it runs");
                let (mut sent, mut acknowledged) = (0, Vec::new());
                // Bursts of eight, until the connection ends.
                'connection: loop {
                    for _ in 0..8 {
                        let key = format!("{client}:{sent}");
                        if resp.send(&["SET", &key, &sent.to_string()]).is_err() {
                            break 'connection;
                        }
                        sent += 1;
                    }
                    for number in sent - 8..sent {
                        match resp.reply().as_deref() {
                            Ok("OK") => acknowledged.push((format!("{client}:{number}"), number)),
                            Ok(_) => {}
                            Err(_) => break 'connection,
                        }
                    }
                    under_way.fetch_add(8, Ordering::Relaxed);
                }
                acknowledged
            })
        })
        .collect();
    common::until("load", || (under_way.load(Ordering::Relaxed) > 400).then_some(()));
    assert_eq!(cluster.terminate(leader), Some(0));
    let acknowledged: Vec<_> =
        clients.into_iter().flat_map(|client| client.join().expect("it was answered")).collect();
    let log = cluster.log(leader);
    assert!(
        log.contains("the replica was asked to end") && log.contains("ended as it was asked to"),
        "{log}"
    );
    assert!(!log.contains("still owed"), "{log}");
    assert!(acknowledged.len() >= 400);
    cluster.serve(leader);
    for (key, value) in acknowledged.iter().step_by(7) {
        assert_eq!(cluster.ask(&["GET", key]), value.to_string());
    }
}

#[test]
fn a_keyboard_and_the_end_of_who_started_it_end_it_too() {
    let mut cluster = Cluster::formatted(1);
    cluster.serve(0);
    cluster.leader();
    let mut child = cluster.nodes[0].child.take().expect("it runs");
    signal(&child, "INT");
    assert_eq!(ended(&mut child), Some(0));

    let node = &cluster.nodes[0];
    let mut child = common::program()
        .args(["serve", "--with-parent", "--id", "1", "--cluster", &cluster.list, "--data", &node.data])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    common::until("a leader", || {
        common::ask(node.clients, &["SET", "key", "value"]).ok().filter(|reply| reply == "OK")
    });
    drop(child.stdin.take());
    assert_eq!(ended(&mut child), Some(0));
}
