//! A small protocol on three nodes, each on a thread of its own, fed by the same loop that feeds Paxos: every node's
//! words are written down durably by the two others before they say so.

mod common;

use common::{Temporary, free_addresses};
use seedfast_core::codec::Reader;
use seedfast_core::id::{
    ClusterId, DeviceId, GroupId, Incarnation, Kind, NodeId, OperationId, PeerSet, TimerId,
};
use seedfast_core::input::{Input, Start};
use seedfast_core::outbox::Outbox;
use seedfast_core::process::Process;
use seedfast_core::runtime::clients::Clients;
use seedfast_core::runtime::drive::{Ended, Ports, Stop, drive, start};
use seedfast_core::runtime::{Membership, Runtime};
use seedfast_core::storage::{Completion, Durability, Step};
use seedfast_core::time::{Duration, Now};
use seedfast_runtime_real::{Options, RealRuntime, run};
use std::collections::BTreeMap;

const CLUSTER: ClusterId = ClusterId(3);
const NODES: u8 = 3;
/// How many words each node has.
const WORDS: u32 = 200;
const SAY: Kind = Kind(1);
const HEARD: Kind = Kind(2);
const AGAIN: TimerId = TimerId(1);

/// Says its words one after the other; each is said again until both others have heard it. When all nodes have said
/// everything as far as this one knows, it rests for a while, so that the others hear its last answers, and halts.
#[derive(Default)]
struct Speaker {
    start: Option<Start>,
    word: u32,
    heard: PeerSet,
    /// Words written for others and not durable yet.
    writing: BTreeMap<u32, (NodeId, u32)>,
    next_op: u32,
    /// The last word of each node that is durable here.
    noted: BTreeMap<NodeId, u32>,
    bursts: u32,
    last_now: Option<Now>,
}

impl Speaker {
    fn me(&self) -> NodeId {
        self.start.as_ref().map_or(NodeId(0), |start| start.node)
    }

    fn others(&self) -> PeerSet {
        PeerSet::first(NODES.into()).without(self.me())
    }

    fn say(&self, now: Now, out: &mut Outbox) {
        let frame = out.pool().copy_from(&self.word.to_le_bytes());
        let missing = PeerSet(self.others().0 & !self.heard.0);
        out.send(missing, SAY, GroupId(0), frame);
        out.timer(AGAIN, Some(now.monotonic + Duration::from_millis(20)));
    }

    fn is_done(&self) -> bool {
        let all = |node| self.noted.get(&node) == Some(&WORDS);
        self.word > WORDS && self.others().iter().all(all)
    }
}

impl Process for Speaker {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        assert!(self.last_now.is_none_or(|last| last.monotonic <= now.monotonic), "the clock stepped back");
        self.last_now = Some(now);
        match input {
            Input::Start(start) => {
                self.start = Some(start);
                self.word = 1;
                self.say(now, out);
            }
            Input::Receive { from, kind: SAY, frame, .. } => {
                let word = Reader::new(&frame).u32().expect("a frame arrives as it was sent");
                if self.noted.get(&from) >= Some(&word) {
                    let frame = out.pool().copy_from(&word.to_le_bytes());
                    return out.send(PeerSet::one(from), HEARD, GroupId(0), frame);
                }
                if self.writing.values().any(|writing| *writing == (from, word)) {
                    return;
                }
                let op = self.next_op;
                self.next_op += 1;
                self.writing.insert(op, (from, word));
                let (mut chain, mut bytes) = (out.chain(), out.buffer());
                bytes.resize(4096, word as u8);
                let at = (u64::from(from.0) * u64::from(WORDS) + u64::from(word) - 1) * 4096;
                chain.push(Step::Write { at, buffer: bytes.freeze() });
                let op = OperationId { incarnation: Incarnation(1), number: op };
                out.submit(op, DeviceId(0), chain, Durability::Durable);
            }
            Input::Completed { op, result } => {
                assert_eq!(result, Completion::Done);
                let (from, word) = self.writing.remove(&op.number).expect("each completes once");
                self.noted.insert(from, word);
                let frame = out.pool().copy_from(&word.to_le_bytes());
                out.send(PeerSet::one(from), HEARD, GroupId(0), frame);
            }
            Input::Receive { from, kind: HEARD, frame, .. } => {
                if Reader::new(&frame).u32() == Ok(self.word) {
                    self.heard = self.heard.with(from);
                }
                if self.word <= WORDS && self.heard == self.others() {
                    self.word += 1;
                    self.heard = PeerSet::EMPTY;
                    if self.word <= WORDS {
                        self.say(now, out);
                    }
                }
            }
            Input::Timer { id: AGAIN } if self.is_done() => out.halt("everything is said"),
            Input::Timer { .. } if self.word <= WORDS => self.say(now, out),
            Input::Timer { .. } => out.timer(AGAIN, Some(now.monotonic + Duration::from_millis(100))),
            Input::EndOfBurst => self.bursts += 1,
            _ => {}
        }
    }
}

async fn live(runtime: RealRuntime, membership: Membership, device: String) -> (Ended, u32) {
    let device = runtime.device(&device).await.expect("it was made");
    let node = membership.me;
    let endpoint = runtime.endpoint(membership).await.expect("a free address");
    let (devices, clients, stop) = (vec![device], Clients::new(1), Stop::default());
    let start = start(&runtime, CLUSTER, node, &endpoint, &devices);
    let mut ports = Ports { endpoint, devices, clients, stop };
    let mut process = Speaker::default();
    let ended = drive(&runtime, &mut process, start, &mut ports, &mut ()).await;
    (ended, process.bursts)
}

#[test]
fn three_nodes_say_everything_to_each_other() {
    let members: Vec<_> = (0..NODES).map(NodeId).zip(free_addresses(NODES.into())).collect();
    let capacity = u64::from(NODES) * u64::from(WORDS) * 4096;
    let files: Vec<_> =
        members.iter().map(|(node, _)| Temporary::device(&format!("speaker-{node}"), capacity)).collect();
    let threads: Vec<_> = members
        .iter()
        .zip(&files)
        .map(|((me, _), file)| {
            let (members, device, me) = (members.clone(), file.name(), *me);
            std::thread::spawn(move || {
                let membership = Membership { cluster: CLUSTER, me, members };
                run(Options::new(), move |runtime| live(runtime, membership, device)).expect("io_uring")
            })
        })
        .collect();
    for thread in threads {
        let (ended, bursts) = thread.join().expect("no panic");
        assert_eq!(ended, Ended::Halted("everything is said".into()));
        assert!(bursts > WORDS / 2, "{bursts} bursts");
    }
    for (file, (me, _)) in files.iter().zip(&members) {
        let bytes = std::fs::read(&file.0).expect("the device's file");
        for (node, _) in members.iter().filter(|(node, _)| node != me) {
            for word in 1..=WORDS {
                let at = (usize::from(node.0) * WORDS as usize + word as usize - 1) * 4096;
                assert!(
                    bytes[at..at + 4096].iter().all(|byte| *byte == word as u8),
                    "{node}'s word {word} at {me}"
                );
            }
        }
    }
}
