//! What a command costs in allocations, counted: three replicas of the store on one thread, from the request's frame to
//! the answer's, with all that stands between: batches, frames between replicas, journals, sessions, snapshots.
//!
//! Every command puts a value of the same length in place of another, so that nothing that is stored grows, and the log
//! is forgotten behind snapshots as fast as it grows. What is left are the few allocations of each snapshot, however
//! much it holds and however many commands lie between two of them.

#[path = "../../core/tests/cluster/mod.rs"]
#[allow(dead_code, reason = "each user takes what it needs")]
mod cluster;

use allocation_counter::measure;
use cluster::Cluster;
use seedfast_core::SessionId;
use seedfast_core::client::{Response, Status, Verb};
use seedfast_core::journal::Options;
use seedfast_core::paxos::Slot;
use seedfast_kv::{Command, Condition, Store};

/// A log of two mebibytes, so that snapshots come often.
const LOG: Options = Options { copy: 512, area: 256 << 10, segment: 512 << 10, segments: 4 };

struct Client {
    session: SessionId,
    sequence: u64,
    command: Vec<u8>,
}

/// A cluster and clients that ask its leader in a closed loop.
struct Load {
    cluster: Cluster<Store>,
    leader: usize,
    verb: Verb,
    clients: Vec<Client>,
    free: Vec<usize>,
    /// How many snapshots the replicas have taken, and the latest of each.
    snapshots: u64,
    latest: [Slot; 3],
}

impl Load {
    fn new(in_flight: usize, verb: Verb) -> Load {
        let mut cluster = Cluster::of(3, &LOG, |config| {
            (config.eager, config.tail_slots) = (1, 64);
        });
        let leader = cluster.elect();
        for number in 0..in_flight as u64 {
            cluster.request(leader, Verb::OpenSession, SessionId::NONE, number, &[]);
        }
        cluster.settle();
        let clients: Vec<Client> = std::mem::take(&mut cluster.responses)
            .into_iter()
            .enumerate()
            .map(|(index, frame)| {
                let (key, value) = (format!("key:{index:08}"), [index as u8; 256]);
                let (key, value) = (key.as_bytes(), &value[..]);
                let asked = match verb {
                    Verb::Query | Verb::QueryInLog => Command::Get { key },
                    _ => Command::Set { key, value, condition: Condition::Always, return_old: false },
                };
                let mut command = Vec::new();
                asked.encode(&mut command);
                let session = Response::decode(&frame).expect("an answer").session;
                Client { session, sequence: 1, command }
            })
            .collect();
        assert_eq!(clients.len(), in_flight);
        let free = (0..in_flight).collect();
        Load { cluster, leader, verb, free, clients, snapshots: 0, latest: [Slot(0); 3] }
    }

    /// So many commands more, each answered.
    fn run(&mut self, commands: u64) {
        let Load { cluster, leader, verb, clients, free, snapshots, latest } = self;
        let (mut sent, mut answered) = (0, 0);
        while answered < commands {
            while sent < commands
                && let Some(index) = free.pop()
            {
                let client = &clients[index];
                cluster.request(*leader, *verb, client.session, client.sequence, &client.command);
                sent += 1;
            }
            cluster.round();
            let mut responses = std::mem::take(&mut cluster.responses);
            for frame in responses.drain(..) {
                let response = Response::decode(&frame).expect("an answer");
                assert_eq!(response.status, Status::Done);
                let index = response.session.0 as u32 as usize;
                clients[index].sequence += 1;
                free.push(index);
                answered += 1;
                cluster.out.pool().recycle(frame);
            }
            cluster.responses = responses;
            cluster.now += 10_000;
            cluster.fire_timers();
            for (node, latest) in cluster.nodes.iter().zip(latest.iter_mut()) {
                let now = node.replica.status().expect("it runs").snapshot;
                *snapshots += u64::from(now != *latest);
                *latest = now;
            }
        }
    }
}

/// Allocations of all three replicas together for so many commands, once as many were warmed up with, and how many
/// snapshots they took meanwhile.
fn cost(in_flight: usize, verb: Verb, commands: u64) -> (u64, u64) {
    let mut load = Load::new(in_flight, verb);
    load.run(commands);
    let before = load.snapshots;
    let counted = measure(|| load.run(commands));
    (counted.count_total, load.snapshots - before)
}

/// What one snapshot allocates: its own notes, not what it holds.
const OF_A_SNAPSHOT: u64 = 7;

#[test]
fn a_command_allocates_nothing_and_a_snapshot_a_few_times() {
    for (in_flight, commands) in [(64, 100_000), (1, 20_000)] {
        for verb in [Verb::Command, Verb::Once, Verb::QueryInLog] {
            let (allocations, snapshots) = cost(in_flight, verb, commands);
            assert!(snapshots > 3, "{snapshots} snapshots of {commands} commands, {in_flight} in flight");
            let what = format!("{commands} {verb:?} and {snapshots} snapshots, {in_flight} in flight");
            // Of each replica one more may have begun.
            assert!(allocations <= OF_A_SNAPSHOT * (snapshots + 3), "{allocations} allocations for {what}");
        }
    }
}

#[test]
fn a_question_outside_the_log_allocates_nothing() {
    for in_flight in [64, 1] {
        assert_eq!(cost(in_flight, Verb::Query, 10_000), (0, 0), "{in_flight} in flight");
    }
}
