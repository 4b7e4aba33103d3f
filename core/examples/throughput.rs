//! Three replicas on one thread over in-memory devices: what a command costs in CPU time, all replicas together.
//!
//! `throughput [COMMANDS]` prints one JSON object. Frames are encoded, checksummed and decoded, journals written and
//! copied to memory, sessions kept, and a figure counts only when all three replicas have applied every command (the
//! sums of the payloads are compared). The window is counted at the client: so many commands are unanswered.

use seedfast_core::client::{Request, Response, Status, Verb};
use seedfast_core::machine::StateMachine;
use seedfast_core::paxos::{Config, Replica, format};
use seedfast_core::{
    Buffer, ClusterId, Completion, ConnectionId, Duration, Geometry, GroupId, Incarnation, Input, Instant,
    NodeId, Now, OperationId, Outbox, Output, PeerSet, Process, SessionId, Start, Step, TimerId, WallTime,
};
use std::collections::VecDeque;

const NODES: usize = 3;
const GROUP: GroupId = GroupId(1);
const CLUSTER: ClusterId = ClusterId(7);
/// The journals wrap in so much memory: this bench never reads them back.
const DEVICE_BYTES: usize = 8 << 20;

/// Adds up the first eight bytes of every command.
#[derive(Default)]
struct Sum {
    sum: u64,
    count: u64,
}

impl StateMachine for Sum {
    fn apply(&mut self, _: WallTime, command: &[u8], reply: &mut Vec<u8>) {
        self.sum = self.sum.wrapping_add(u64::from_le_bytes(command[..8].try_into().expect("eight bytes")));
        self.count += 1;
        reply.extend_from_slice(&self.count.to_le_bytes());
    }
    fn query(&self, _: &[u8], reply: &mut Vec<u8>) {
        reply.extend_from_slice(&self.sum.to_le_bytes());
    }
    fn digest(&self) -> u64 {
        self.sum
    }
    fn snapshot(&self, _: &mut Vec<u8>) {}
    fn restore(&mut self, _: &[u8]) -> Result<(), seedfast_core::codec::Malformed> {
        Ok(())
    }
}

struct Node {
    replica: Replica<Sum>,
    inbox: VecDeque<Input>,
    device: Vec<u8>,
    timers: [Option<Instant>; 8],
}

struct Cluster {
    nodes: Vec<Node>,
    out: Outbox,
    outputs: Vec<Output>,
    responses: Vec<Buffer>,
    now: u64,
}

impl Cluster {
    fn new(window: u32) -> Self {
        let nodes = (0..NODES)
            .map(|id| {
                let mut config = Config::new(GROUP, PeerSet::first(NODES));
                config.window = window;
                config.sessions = 8192;
                let mut device = vec![0; DEVICE_BYTES];
                for (at, bytes) in format(CLUSTER, GROUP, NodeId(id as u8)) {
                    device[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
                }
                let start = Start {
                    incarnation: Incarnation(1),
                    entropy: [id as u8 + 1; 32],
                    cluster: CLUSTER,
                    node: NodeId(id as u8),
                    devices: vec![Geometry::disk(1 << 60)],
                    queue_depth: 16,
                    frame_limit: 16 << 20,
                };
                let replica = Replica::new(config, Sum::default()).expect("the configuration is valid");
                Node { replica, inbox: VecDeque::from([Input::Start(start)]), device, timers: [None; 8] }
            })
            .collect();
        Cluster { nodes, out: Outbox::new(false), outputs: Vec::new(), responses: Vec::new(), now: 0 }
    }

    fn now(&self) -> Now {
        Now { monotonic: Instant::from_nanos(self.now), wall: WallTime(self.now as i64) }
    }

    fn turn(&mut self, id: usize, input: Input) {
        let now = self.now();
        self.nodes[id].replica.turn(now, input, &mut self.out);
        let mut outputs = std::mem::take(&mut self.outputs);
        self.out.swap(&mut outputs);
        for output in outputs.drain(..) {
            self.carry_out(id, output);
        }
        self.outputs = outputs;
    }

    fn carry_out(&mut self, id: usize, output: Output) {
        match output {
            Output::Send { to, kind, group, frame } => {
                for peer in to.iter() {
                    let frame = frame.clone();
                    let from = NodeId(id as u8);
                    self.nodes[peer.0 as usize].inbox.push_back(Input::Receive { from, kind, group, frame });
                }
            }
            Output::Timer { id: TimerId(timer), at } => self.nodes[id].timers[timer as usize] = at,
            Output::Submit { op, chain, .. } => {
                for step in &chain {
                    if let Step::Write { at, buffer } = step {
                        let at = *at as usize % (DEVICE_BYTES - (2 << 20));
                        self.nodes[id].device[at..at + buffer.len()].copy_from_slice(buffer);
                    }
                }
                self.out.recycle_chain(chain);
                self.complete(id, op, Completion::Done);
            }
            Output::Read { op, range, .. } => {
                let at = range.at as usize;
                let bytes = self.nodes[id].device.get(at..at + range.length as usize).unwrap_or(&[]);
                let result = Completion::Data(Buffer::copy_from(bytes));
                self.complete(id, op, result);
            }
            Output::Respond { bytes, .. } => self.responses.push(bytes),
            Output::Halt { why } => panic!("{}", String::from_utf8_lossy(&why)),
            _ => {}
        }
    }

    fn complete(&mut self, id: usize, op: OperationId, result: Completion) {
        self.nodes[id].inbox.push_back(Input::Completed { op, result });
    }

    /// One burst of every node: whatever lies in its inbox, then the end of the burst.
    fn round(&mut self) {
        for id in 0..NODES {
            let mut waiting = self.nodes[id].inbox.len();
            if waiting == 0 {
                continue;
            }
            while waiting > 0 {
                let input = self.nodes[id].inbox.pop_front().expect("it was counted");
                self.turn(id, input);
                waiting -= 1;
            }
            self.turn(id, Input::EndOfBurst);
        }
    }

    fn fire_timers(&mut self) {
        for id in 0..NODES {
            for timer in 0..8 {
                if self.nodes[id].timers[timer].is_some_and(|at| at <= self.now().monotonic) {
                    self.nodes[id].timers[timer] = None;
                    self.turn(id, Input::Timer { id: TimerId(timer as u16) });
                    self.turn(id, Input::EndOfBurst);
                }
            }
        }
    }

    fn idle(&self) -> bool {
        self.nodes.iter().all(|node| node.inbox.is_empty())
    }

    fn settle(&mut self) {
        while !self.idle() {
            self.round();
        }
    }

    /// Lets simulated time pass until somebody leads.
    fn elect(&mut self) -> usize {
        loop {
            self.settle();
            let leads = |node: &Node| node.replica.status().is_some_and(|status| status.leads.is_some());
            if let Some(leader) = self.nodes.iter().position(leads) {
                return leader;
            }
            self.now += Duration::from_millis(10).as_nanos();
            self.fire_timers();
        }
    }

    fn request(&mut self, to: usize, verb: Verb, session: SessionId, sequence: u64, payload: &[u8]) {
        let mut bytes = self.out.buffer();
        Request { verb, acknowledged_below: sequence, payload }.encode(&mut bytes);
        let bytes = bytes.freeze();
        let connection = ConnectionId(session.0);
        let input = Input::Request { group: GROUP, connection, session, sequence, bytes };
        self.nodes[to].inbox.push_back(input);
    }
}

fn cpu_nanos() -> u64 {
    // Linux accounts CPU time of the process in clock ticks here; fine enough for runs of a second.
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// CPU nanoseconds per command, all replicas and the client together.
fn measure(payload: usize, in_flight: usize, total: u64) -> f64 {
    let mut cluster = Cluster::new(64);
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
