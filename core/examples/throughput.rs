//! Three replicas on one thread over in-memory devices: what a command costs in CPU time, all replicas together.
//!
//! `throughput [COMMANDS]` prints one JSON object. Frames are encoded, checksummed and decoded, journals written and
//! copied to memory, sessions kept, and a figure counts only when all three replicas have applied every command (the
//! sums of the payloads are compared). The window is counted at the client: so many commands are unanswered.

#[path = "../tests/cluster/mod.rs"]
#[allow(dead_code, reason = "each user takes what it needs")]
mod cluster;

use cluster::Cluster;
use seedfast_core::SessionId;
use seedfast_core::client::{Response, Status, Verb};
use seedfast_core::journal::Options;

fn cpu_nanos() -> u64 {
    // Linux accounts CPU time of the process in clock ticks here; fine enough for runs of a second.
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// CPU nanoseconds per command, all replicas and the client together.
fn measure(payload: usize, in_flight: usize, total: u64) -> f64 {
    // Snapshots are taken and the log is forgotten behind them, as in service; nothing is read back, so all of it wraps in
    // memory.
    let log = Options { copy: 512, area: 384 << 10, segment: 8 << 20, segments: 128 };
    let mut cluster = Cluster::with_log(3, &log, |config| {
        config.window = 64;
        config.sessions = 8192;
    });
    let leader = cluster.elect();
    let mut sessions = Vec::new();
    for number in 0..in_flight {
        cluster.request(leader, Verb::OpenSession, SessionId::NONE, number as u64 + 1, &[]);
    }
    cluster.settle();
    for bytes in std::mem::take(&mut cluster.responses) {
        let response = Response::decode(&bytes).expect("a response");
        assert_eq!(response.status, Status::Done);
        sessions.push((response.session, 1_u64));
    }
    let mut command = vec![0; payload];
    let (mut sent, mut answered) = (0_u64, 0_u64);
    let mut free: Vec<usize> = (0..in_flight).collect();
    let begin = cpu_nanos();
    while answered < total {
        while sent < total
            && let Some(index) = free.pop()
        {
            let (session, sequence) = sessions[index];
            command[..8].copy_from_slice(&sent.to_le_bytes());
            cluster.request(leader, Verb::Command, session, sequence, &command);
            sent += 1;
        }
        cluster.round();
        let mut responses = std::mem::take(&mut cluster.responses);
        for bytes in responses.drain(..) {
            let response = Response::decode(&bytes).expect("a response");
            assert_eq!(response.status, Status::Done);
            let index = response.session.0 as u32 as usize;
            sessions[index].1 += 1;
            free.push(index);
            answered += 1;
            cluster.out.pool().recycle(bytes);
        }
        cluster.responses = responses;
        cluster.now += 10_000;
        cluster.fire_timers();
    }
    let expected = total * (total - 1) / 2;
    while cluster.nodes.iter().any(|node| node.replica.machine().count < total) {
        cluster.now += 1_000_000;
        cluster.fire_timers();
        cluster.settle();
    }
    let spent = cpu_nanos() - begin;
    assert!(
        cluster.nodes.iter().all(|node| node.replica.machine().sum == expected),
        "a replica lost a command"
    );
    spent as f64 / total as f64
}

fn main() {
    let total: u64 =
        std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("a number of commands"));
    let figures: Vec<String> = [(8, 1), (8, 64), (8, 4096), (256, 1), (256, 64), (256, 4096)]
        .into_iter()
        .map(|(payload, in_flight)| {
            let total = if in_flight == 1 { total / 10 } else { total };
            let nanos = measure(payload, in_flight, total);
            std::format!("\"core.ns_per_command.{payload}B.{in_flight}\": {nanos:.1}")
        })
        .collect();
    println!("{{{}}}", figures.join(", "));
}
