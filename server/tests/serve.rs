//! A cluster of real processes: it serves, sends clients to the leader, stands kill -9, and says how it is.

#[allow(dead_code, reason = "each user takes what it needs")]
mod common;

use common::{Cluster, Resp, ask, get, until};
use std::thread;

#[test]
fn three_replicas_serve_send_clients_to_the_leader_and_lose_nothing_when_one_is_killed() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    assert_eq!(cluster.ask(&["SET", "color", "blue"]), "OK");
    let slot = cluster.ask(&["CLUSTER", "KEYSLOT", "color"]);
    let moved = format!("-MOVED {slot} 127.0.0.1:{}", cluster.nodes[leader].clients);
    for index in (0..3).filter(|index| *index != leader) {
        let port = cluster.nodes[index].clients;
        until("the way to the leader", || ask(port, &["GET", "color"]).ok().filter(|reply| *reply == moved));
    }
    cluster.kill(leader);
    assert_eq!(cluster.ask(&["GET", "color"]), "blue");
    assert_eq!(cluster.ask(&["APPEND", "color", "ish"]), "7");
    cluster.serve(leader);
    let other = cluster.leader();
    cluster.kill(other);
    assert_eq!(cluster.ask(&["GET", "color"]), "blueish");
    for index in 0..3 {
        if index != other {
            cluster.kill(index);
        }
    }
    (0..3).for_each(|index| cluster.serve(index));
    assert_eq!(cluster.ask(&["GET", "color"]), "blueish", "all of them were killed, and it was acknowledged");
}

#[test]
fn a_replica_says_how_it_is() {
    let cluster = Cluster::start(3);
    let leader = cluster.leader();
    assert_eq!(cluster.ask(&["SET", "key", "value"]), "OK");
    let node = &cluster.nodes[leader];
    let info = ask(node.clients, &["INFO"]).expect("it runs");
    for wanted in [
        "# Server",
        "# Clients",
        "# Stats",
        "# Replication",
        "role:master",
        "# Cluster",
        "# Persistence",
        "loading:0",
        "# Paxos",
        "paxos_leads:1",
        "# Peers",
        "# Keyspace",
        "db0:keys=1,",
    ] {
        assert!(info.contains(wanted), "{wanted} is missing in\n{info}");
    }
    let section = ask(node.clients, &["INFO", "keyspace"]).expect("it runs");
    assert!(section.starts_with("# Keyspace\r\ndb0:keys=1,"), "{section}");
    let status = ask(node.clients, &["SEEDFAST", "STATUS"]).expect("it runs");
    assert!(status.contains("role: leader") && status.contains("store: 1 keys, 8 of at most"), "{status}");

    for (path, line) in
        [("/livez", "HTTP/1.1 200 OK"), ("/readyz", "HTTP/1.1 200 OK"), ("/else", "HTTP/1.1 404 Not Found")]
    {
        let until_ready = || get(node.metrics, path).ok().filter(|(status, _)| status == line);
        until(path, until_ready);
    }
    let (_, metrics) = get(node.metrics, "/metrics").expect("it runs");
    for wanted in
        ["seedfast_keys 1", "seedfast_leads 1", "seedfast_applied_slots ", "seedfast_ring_enters_total "]
    {
        assert!(metrics.contains(wanted), "{wanted} is missing in\n{metrics}");
    }
    let log = until("the journal was read", || Some(cluster.log(leader)).filter(|log| log.contains("leads")));
    assert!(log.contains("the journal is written by"), "{log}");
}

#[test]
fn without_a_majority_nobody_is_ready_and_nothing_is_answered_wrongly() {
    let mut cluster = Cluster::start(3);
    assert_eq!(cluster.ask(&["SET", "key", "value"]), "OK");
    let leader = cluster.leader();
    (0..3).filter(|index| *index != leader).for_each(|index| cluster.kill(index));
    let node = &cluster.nodes[leader];
    until("that it is not ready", || {
        get(node.metrics, "/readyz").ok().filter(|(status, _)| status == "HTTP/1.1 503 Service Unavailable")
    });
    assert_eq!(get(node.metrics, "/livez").expect("it runs").0, "HTTP/1.1 200 OK");
    until("an honest refusal", || {
        let reply = ask(node.clients, &["GET", "key"]).ok()?;
        assert!(reply.starts_with('-'), "{reply}");
        Some(reply)
    });
}

#[test]
fn a_snapshot_is_taken_when_an_operator_asks() {
    let mut cluster = Cluster::start(3);
    for number in 0..50 {
        assert_eq!(cluster.ask(&["SET", &format!("key:{number}"), "value"]), "OK");
    }
    let leader = cluster.leader();
    let said = ask(cluster.nodes[leader].clients, &["SEEDFAST", "SNAPSHOT"]).expect("it runs");
    assert!(said.starts_with("a snapshot of everything below slot "), "{said}");
    cluster.kill(leader);
    cluster.serve(leader);
    let log = until("a journal with a snapshot", || {
        Some(cluster.log(leader)).filter(|log| log.contains("the journal was read"))
    });
    assert!(!log.contains("snapshot=0"), "{log}");
    assert_eq!(cluster.ask(&["GET", "key:49"]), "value");
}

/// Pushes 200 elements in one pipeline and reads them back; false if another replica leads by now.
fn push_and_read(port: u16, key: &str) -> bool {
    let mut resp = Resp::connect(port).expect("it runs");
    for number in 0..200 {
        resp.send(&["RPUSH", key, &number.to_string()]).expect("it runs");
    }
    let replies: Vec<String> = (0..200).map(|_| resp.reply().expect("it runs")).collect();
    let all = resp.ask(&["LRANGE", key, "0", "-1"]).expect("it runs");
    let elsewhere =
        |reply: &String| ["-MOVED", "-CLUSTERDOWN", "-UNKNOWN"].iter().any(|word| reply.starts_with(word));
    if replies.iter().chain([&all]).any(elsewhere) {
        return false;
    }
    let counts: Vec<String> = (1..=200).map(|number| number.to_string()).collect();
    assert_eq!(replies, counts);
    let elements: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(all, elements.join("\n"));
    true
}

#[test]
fn pipelines_of_many_clients_are_answered_in_order() {
    let cluster = Cluster::start(3);
    for attempt in 0.. {
        let port = cluster.nodes[cluster.leader()].clients;
        let push = |client| move || push_and_read(port, &format!("{attempt}:{client}"));
        let clients: Vec<_> = (0..8).map(|client| thread::spawn(push(client))).collect();
        let done = clients.into_iter().map(|client| client.join().expect("it was answered in order"));
        // A machine that is busy with other things may see another leader meanwhile: then once more.
        if done.collect::<Vec<_>>().iter().all(|done| *done) {
            return;
        }
        assert!(attempt < 20, "leaders never stay");
    }
}

#[test]
fn a_replica_says_how_full_the_log_of_its_journal_is() {
    let cluster = Cluster::start(1);
    let room = || {
        let info = cluster.ask(&["INFO", "persistence"]);
        let figure = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)).expect(name);
            line.trim().parse::<u64>().expect("a number")
        };
        (figure("log_used_bytes:"), figure("log_free_bytes:"))
    };
    let (used, free) = room();
    let large = "x".repeat(100_000);
    for number in 0..20 {
        assert_eq!(cluster.ask(&["SET", &format!("large{number}"), &large]), "OK");
    }
    let (full, left) = room();
    assert!(full >= used + 1_000_000, "a snapshot of its own may have freed some: {used}, {full}");
    assert_eq!(full + left, used + free);
    let (_, metrics) = get(cluster.nodes[0].metrics, "/metrics").expect("it runs");
    let figure = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok());
    let figures = (figure("seedfast_log_used_bytes "), figure("seedfast_log_free_bytes "));
    assert_eq!(figures.0.zip(figures.1).map(|(used, free)| used + free), Some(full + left), "{metrics}");
}

#[test]
fn a_replica_may_have_as_many_clients_as_the_system_allows_it() {
    let cluster = Cluster::formatted(1);
    let limits = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("Max open files")).expect("it is there");
        let words: Vec<String> = line.split_whitespace().skip(3).take(2).map(str::to_owned).collect();
        (words[0].clone(), words[1].clone())
    };
    let data = &cluster.nodes[0].data;
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -Sn 100 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_seedfast-kv")]);
    shell.args(["serve", "--id", "1", "--cluster", &cluster.list, "--data", data, "--log", "off"]);
    let mut child = shell.spawn().expect("a shell");
    let of_child = std::path::PathBuf::from(format!("/proc/{}/limits", child.id()));
    let raised = until("a replica that serves", || {
        let serves = ask(cluster.nodes[0].clients, &["PING"]).is_ok();
        serves.then(|| limits(&std::fs::read_to_string(&of_child).expect("it runs")))
    });
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    assert_eq!(raised.0, raised.1, "the soft limit is the hard one");
}
