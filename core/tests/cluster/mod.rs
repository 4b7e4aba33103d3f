//! Three or more replicas on one thread over in-memory devices and a network that loses nothing, for tests and
//! benchmarks of the core alone. Faults are the simulator's business.

use seedfast_core::client::{Request, Verb};
use seedfast_core::codec::{Malformed, Reader};
use seedfast_core::journal::Options;
use seedfast_core::machine::{Chunk, StateMachine};
use seedfast_core::paxos::{Config, Replica, format, founding};
use seedfast_core::{
    Buffer, ClusterId, Completion, ConnectionId, Duration, Geometry, GroupId, Incarnation, Input, Instant,
    NodeId, Now, OperationId, Outbox, Output, PeerSet, Process, SessionId, Start, Step, TimerId, WallTime,
};
use std::collections::VecDeque;

/// The group of every cluster here.
pub(crate) const GROUP: GroupId = GroupId(1);
/// The cluster of every cluster here.
pub(crate) const CLUSTER: ClusterId = ClusterId(7);
/// So much of every device is kept in memory. A larger device wraps in it: who asks for one never reads it back.
pub(crate) const DEVICE_BYTES: usize = 8 << 20;
/// How the devices are formatted: a log of seven segments of a mebibyte.
const OPTIONS: Options = Options { copy: 512, area: 4096, segment: 1 << 20, segments: 7 };

/// Adds up the first eight bytes of every command.
#[derive(Default)]
pub(crate) struct Sum {
    pub(crate) sum: u64,
    pub(crate) count: u64,
    frozen: Vec<u8>,
    coming: Vec<u8>,
}

impl StateMachine for Sum {
    fn apply(&mut self, _: WallTime, command: &[u8], reply: &mut Vec<u8>) {
        self.sum = self.sum.wrapping_add(u64::from_le_bytes(command[..8].try_into().expect("eight bytes")));
        self.count += 1;
        reply.extend_from_slice(&self.count.to_le_bytes());
    }
    /// The sum, and zeros up to the question's length.
    fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        reply.extend_from_slice(&self.sum.to_le_bytes());
        reply.resize(query.len().max(8), 0);
    }
    fn digest(&self) -> u64 {
        self.sum
    }
    fn freeze(&mut self) {
        self.frozen = [self.sum.to_le_bytes(), self.count.to_le_bytes()].concat();
    }
    fn chunk(&mut self, most: usize, bytes: &mut Vec<u8>) -> Chunk {
        bytes.extend(self.frozen.drain(..most.min(self.frozen.len())));
        if self.frozen.is_empty() { Chunk::Last } else { Chunk::More }
    }
    fn thaw(&mut self) {
        self.frozen.clear();
    }
    fn restore_begin(&mut self) {
        self.coming.clear();
    }
    fn restore_chunk(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.coming.extend_from_slice(bytes);
        Ok(())
    }
    fn restore_check(&self) -> Result<(), Malformed> {
        if self.coming.len() == 16 { Ok(()) } else { Err(Malformed) }
    }
    fn restore_end(&mut self) -> Result<(), Malformed> {
        let coming = std::mem::take(&mut self.coming);
        let mut fields = Reader::new(&coming);
        let (sum, count) = (fields.u64()?, fields.u64()?);
        fields.end()?;
        *self = Sum { sum, count, ..Sum::default() };
        Ok(())
    }
}

pub(crate) struct Node<M> {
    pub(crate) replica: Replica<M>,
    pub(crate) inbox: VecDeque<Input>,
    pub(crate) device: Vec<u8>,
    timers: [Option<Instant>; 8],
    /// What the next submissions come to; done when there is none.
    pub(crate) completions: VecDeque<Completion>,
    /// Why it halted.
    pub(crate) halted: Option<String>,
}

pub(crate) struct Cluster<M = Sum> {
    pub(crate) nodes: Vec<Node<M>>,
    pub(crate) out: Outbox,
    outputs: Vec<Output>,
    pub(crate) responses: Vec<Buffer>,
    pub(crate) now: u64,
}

/// The first input of `id`'s life number `incarnation`.
pub(crate) fn start(id: usize, incarnation: u32) -> Start {
    Start {
        incarnation: Incarnation(incarnation),
        entropy: [id as u8 + 1; 32],
        cluster: CLUSTER,
        node: NodeId(id as u8),
        devices: vec![Geometry::disk(DEVICE_BYTES as u64)],
        queue_depth: 16,
        frame_limit: 16 << 20,
    }
}

impl Cluster {
    /// `count` formatted replicas that are about to start, each with what `change` makes of the default settings.
    pub(crate) fn new(count: usize, change: impl Fn(&mut Config)) -> Self {
        Self::with_log(count, &OPTIONS, change)
    }

    /// The same with a log of another size, which may be larger than what is kept of it.
    pub(crate) fn with_log(count: usize, options: &Options, change: impl Fn(&mut Config)) -> Self {
        Self::of(count, options, change)
    }
}

impl<M: StateMachine + Default> Cluster<M> {
    /// The same with any state machine.
    pub(crate) fn of(count: usize, options: &Options, change: impl Fn(&mut Config)) -> Self {
        let log = options.segment * u64::from(options.segments);
        let geometry = Geometry::disk((log + (1 << 20)).max(DEVICE_BYTES as u64));
        let nodes = (0..count)
            .map(|id| {
                let mut config = Config::new(GROUP, PeerSet::first(count));
                change(&mut config);
                let mut device = vec![0; DEVICE_BYTES];
                let identity = founding(CLUSTER, GROUP, NodeId(id as u8));
                for (at, bytes) in format(&identity, &geometry, options).expect("it fits") {
                    device[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
                }
                let start = Start { devices: vec![geometry], ..start(id, 1) };
                let inbox = VecDeque::from([Input::Start(start)]);
                let replica = Replica::new(config, M::default()).expect("the configuration is valid");
                Node { replica, inbox, device, timers: [None; 8], completions: VecDeque::new(), halted: None }
            })
            .collect();
        Cluster { nodes, out: Outbox::new(false), outputs: Vec::new(), responses: Vec::new(), now: 0 }
    }

    /// Everybody's clocks.
    pub(crate) fn now(&self) -> Now {
        Now { monotonic: Instant::from_nanos(self.now), wall: WallTime(self.now as i64) }
    }

    /// One turn of `id`, its outputs carried out.
    pub(crate) fn turn(&mut self, id: usize, input: Input) {
        let now = self.now();
        // A second handle, so that the buffer is used again once nobody reads it.
        let buffer = match &input {
            Input::Receive { frame: bytes, .. } | Input::Request { bytes, .. } => Some(bytes.clone()),
            _ => None,
        };
        self.nodes[id].replica.turn(now, input, &mut self.out);
        if let Some(buffer) = buffer {
            self.out.pool().recycle(buffer);
        }
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
                let result = self.nodes[id].completions.pop_front().unwrap_or(Completion::Done);
                self.complete(id, op, result);
            }
            Output::Read { op, range, .. } => {
                let at = range.at as usize;
                let length = range.length as usize;
                let result = Completion::Data(match self.nodes[id].device.get(at..at + length) {
                    Some(bytes) => Buffer::copy_from(bytes),
                    None => Buffer::from(vec![0; length]),
                });
                self.complete(id, op, result);
            }
            Output::Respond { bytes, .. } => self.responses.push(bytes),
            Output::Halt { why } => self.nodes[id].halted = Some(String::from_utf8_lossy(&why).into_owned()),
            _ => {}
        }
    }

    fn complete(&mut self, id: usize, op: OperationId, result: Completion) {
        self.nodes[id].inbox.push_back(Input::Completed { op, result });
    }

    /// One burst of every node: whatever lies in its inbox, then the end of the burst.
    pub(crate) fn round(&mut self) {
        for id in 0..self.nodes.len() {
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

    /// Hands over every timer that is due.
    pub(crate) fn fire_timers(&mut self) {
        for id in 0..self.nodes.len() {
            for timer in 0..8 {
                if self.nodes[id].timers[timer].is_some_and(|at| at <= self.now().monotonic) {
                    self.nodes[id].timers[timer] = None;
                    self.turn(id, Input::Timer { id: TimerId(timer as u16) });
                    self.turn(id, Input::EndOfBurst);
                }
            }
        }
    }

    /// Whether nothing is on its way.
    pub(crate) fn idle(&self) -> bool {
        self.nodes.iter().all(|node| node.inbox.is_empty())
    }

    /// Bursts until nothing is on its way.
    pub(crate) fn settle(&mut self) {
        while !self.idle() {
            self.round();
        }
    }

    /// Lets simulated time pass until somebody leads, and says who.
    pub(crate) fn elect(&mut self) -> usize {
        loop {
            self.settle();
            let leads = |node: &Node<M>| node.replica.status().is_some_and(|status| status.leads.is_some());
            if let Some(leader) = self.nodes.iter().position(leads) {
                return leader;
            }
            self.now += Duration::from_millis(10).as_nanos();
            self.fire_timers();
        }
    }

    /// A request of session `session`, on a connection of the same number, into `to`'s inbox.
    pub(crate) fn request(
        &mut self,
        to: usize,
        verb: Verb,
        session: SessionId,
        sequence: u64,
        payload: &[u8],
    ) {
        let mut bytes = self.out.buffer();
        Request { verb, acknowledged_below: sequence, payload }.encode(&mut bytes);
        let bytes = bytes.freeze();
        let connection = ConnectionId(session.0);
        let input = Input::Request { group: GROUP, connection, session, sequence, bytes };
        self.nodes[to].inbox.push_back(input);
    }
}
