//! Three replicas, each on a thread and an `io_uring` of its own, and clients that ask their leader over TCP: what that
//! costs in allocations, counted over all threads. The clients' own allocates nothing.
//!
//! Every command puts a value of the same length in place of another, so that nothing that is stored grows, and the log
//! is forgotten behind snapshots. A snapshot allocates a few times, and what gathers on slow days (a queue, a longer log, a
//! larger batch than any before) does so the first time; neither is proportional to the commands.

use seedfast_core::client::{Request, Response, Status, Verb};
use seedfast_core::journal::{self, Identity, Standing};
use seedfast_core::paxos::{Config, Replica};
use seedfast_core::runtime::clients::Clients;
use seedfast_core::runtime::drive::{Ended, Ports, Stop, drive, start};
use seedfast_core::runtime::{Device, Membership, Runtime, accept};
use seedfast_core::{
    Buffer, ClusterId, Durability, Duration, GroupId, Incarnation, Input, NodeId, OperationId, PeerSet,
    SessionId, Step,
};
use seedfast_kv::native::{self, frame::put_request};
use seedfast_kv::server::{self, Limits, Member, Service, Settings};
use seedfast_kv::{Command, Condition, Store, resp};
use seedfast_runtime_real::device::create;
use seedfast_runtime_real::{Options, RealDevice, RealRuntime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region};
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

const NODES: u8 = 3;
const GROUP: GroupId = GroupId(1);
const CLUSTER: ClusterId = ClusterId(9);
/// How large each device is, in bytes.
const SIZE: u64 = 8 << 20;
/// The log of each: it wraps many times.
const LOG: journal::Options = journal::Options { copy: 4096, area: 1 << 20, segment: 256 << 10, segments: 4 };
/// The largest batch, in bytes: a segment holds it.
const BATCH: u32 = 64 << 10;

/// Ports of loopback that were free a moment ago.
fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(31);
    let ports = std::iter::repeat_with(|| {
        10_000 + (start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000) as u16
    });
    ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).take(count).collect()
}

/// A file that goes when the test ends.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A cluster as each of its replicas sees it.
#[derive(Clone)]
struct Plan {
    node: NodeId,
    peers: Vec<u16>,
    clients: Vec<u16>,
    natives: Vec<u16>,
    device: String,
    ends: Arc<AtomicBool>,
}

async fn format(device: &mut RealDevice, node: NodeId) {
    let owner = Identity {
        cluster: CLUSTER,
        group: GROUP,
        node,
        serial: u64::from(node.0),
        standing: Standing::Founding,
    };
    let contents = journal::format(&owner, &device.geometry(), &LOG).expect("it fits");
    let steps = contents.into_iter().map(|(at, bytes)| Step::Write { at, buffer: Buffer::from(bytes) });
    let op = OperationId { incarnation: Incarnation(1), number: 1 };
    device.submit(op, steps.collect(), Durability::Durable);
    poll_fn(|cx| device.poll_completed(cx, &mut Vec::<Input>::new(), 1)).await;
}

/// A replica, put together as the binary does it, until the plan ends.
async fn replica(runtime: RealRuntime, plan: Plan) {
    let Plan { node, peers, clients: doors, natives, device, ends } = plan;
    let me = usize::from(node.0);
    let address = |port: &u16| format!("127.0.0.1:{port}");
    let mut device = runtime.device(&device).await.expect("it was made");
    format(&mut device, node).await;
    let members = (0..NODES).map(|index| (NodeId(index), address(&peers[usize::from(index)]))).collect();
    let endpoint = runtime.endpoint(Membership { cluster: CLUSTER, me: node, members }).await;
    let endpoint = endpoint.expect("a free address");
    let mut config = Config::new(GROUP, PeerSet::first(NODES.into()));
    (config.batch_bytes, config.tail_slots) = (BATCH, 64);
    let mut replica = Replica::new(config, Store::new()).expect("it makes sense");

    let clients = Clients::new(1024);
    let clock = runtime.clone();
    let member = |index: u8| Member {
        node: NodeId(index),
        host: "127.0.0.1".into(),
        port: doors[usize::from(index)],
        peer_port: peers[usize::from(index)],
    };
    let members = (0..NODES).map(member).collect();
    let settings =
        Settings { cluster: CLUSTER, node, group: GROUP, members, version: "0", limits: Limits::DEFAULT };
    let service = Service::new(settings, move || clock.now());
    let mut door = runtime.listen(&address(&doors[me])).await.expect("a free address");
    let (host, shared) = (runtime.clone(), (service.clone(), clients.clone()));
    runtime.spawn(async move {
        while let Ok(stream) = accept(&mut door).await {
            let (service, clients) = &shared;
            host.spawn(server::serve(service.clone(), stream, clients.connect()));
        }
    });
    let mut door = runtime.listen(&address(&natives[me])).await.expect("a free address");
    let (host, shared) = (runtime.clone(), clients.clone());
    runtime.spawn(async move {
        while let Ok(stream) = accept(&mut door).await {
            host.spawn(native::serve(
                host.clone(),
                stream,
                shared.connect(),
                GROUP,
                native::Guests::default(),
            ));
        }
    });
    runtime.spawn(server::watch(runtime.alarm(), clients.clone(), service, server::watch::PERIOD));
    let stop = Stop::default();
    let (host, asked) = (runtime.clone(), stop.clone());
    runtime.spawn(async move {
        while !ends.load(Ordering::Relaxed) {
            host.sleep(host.now().monotonic + Duration::from_millis(20)).await;
        }
        asked.ask();
    });
    let devices = vec![device];
    let start = start(&runtime, CLUSTER, node, &endpoint, &devices);
    let mut ports = Ports { endpoint, devices, clients, stop };
    assert_eq!(drive(&runtime, &mut replica, start, &mut ports, &mut ()).await, Ended::Stopped);
}

/// How a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    Resp,
    Native,
}

/// A client that has one command under way at a time, the same again and again.
struct Client {
    tongue: Tongue,
    stream: TcpStream,
    request: Vec<u8>,
}

impl Client {
    fn new(tongue: Tongue, port: u16, number: usize) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
        stream.set_nodelay(true).expect("it can be set");
        let (key, value) = (format!("key:{number:05}"), [number as u8; 64]);
        let (key, value) = (key.as_bytes(), &value[..]);
        let command = Command::Set { key, value, condition: Condition::Always, return_old: false };
        let mut request = Vec::new();
        match tongue {
            Tongue::Resp => resp::ask::request(&command, &mut request),
            Tongue::Native => {
                let (mut payload, mut frame) = (Vec::new(), Vec::new());
                command.encode(&mut payload);
                Request { verb: Verb::Once, acknowledged_below: 0, payload: &payload }.encode(&mut frame);
                put_request(&mut request, SessionId::NONE, 1, &frame);
            }
        }
        Client { tongue, stream, request }
    }

    fn ask(&mut self) {
        self.stream.write_all(&self.request).expect("the replica runs");
    }

    /// Waits for the answer; whether it was carried out.
    fn is_done(&mut self) -> bool {
        let mut answer = [0; 256];
        let count = self.stream.read(&mut answer).expect("the replica runs");
        assert!(count > 0, "the connection was closed");
        match self.tongue {
            Tongue::Resp => &answer[..count] == b"+OK\r\n",
            Tongue::Native => Response::decode(&answer[4..count]).expect("an answer").status == Status::Done,
        }
    }
}

/// Where the replica is that leads by now.
fn leader(tongue: Tongue, doors: &[u16]) -> u16 {
    loop {
        // Seldom, because each look costs the replicas a connection.
        thread::sleep(std::time::Duration::from_secs(1));
        for port in doors {
            let mut client = Client::new(tongue, *port, 0);
            client.ask();
            if client.is_done() {
                return *port;
            }
        }
    }
}

/// Allocations of all threads while every client asks so often, once it has done so before. The allocator of the program
/// must be [`INSTRUMENTED_SYSTEM`].
pub(crate) fn cost(tongue: Tongue, clients: usize, rounds: usize) -> usize {
    let ports = free_ports(3 * usize::from(NODES));
    let ports: Vec<&[u16]> = ports.chunks(NODES.into()).collect();
    let (peers, doors, natives) = (ports[0], ports[1], ports[2]);
    let ends = Arc::new(AtomicBool::new(false));
    let nodes: Vec<_> = (0..NODES)
        .map(|index| {
            let name = format!("seedfast-allocations-{}-{}", std::process::id(), doors[usize::from(index)]);
            let file = Temporary(std::env::temp_dir().join(name));
            create(&file.0, SIZE).expect("room for a device");
            let plan = Plan {
                node: NodeId(index),
                peers: peers.to_vec(),
                clients: doors.to_vec(),
                natives: natives.to_vec(),
                device: file.0.display().to_string(),
                ends: ends.clone(),
            };
            thread::spawn(move || {
                let run = seedfast_runtime_real::run(Options::new(), move |runtime| replica(runtime, plan));
                run.expect("io_uring");
                drop(file);
            })
        })
        .collect();
    let doors = if tongue == Tongue::Resp { doors } else { natives };
    let leader = leader(tongue, doors);
    let mut asking: Vec<Client> = (0..clients).map(|number| Client::new(tongue, leader, number)).collect();
    let mut ask = || {
        for _ in 0..rounds {
            asking.iter_mut().for_each(Client::ask);
            assert!(asking.iter_mut().all(Client::is_done), "another one leads now");
        }
    };
    ask();
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    ask();
    let counted = region.change();
    ends.store(true, Ordering::Relaxed);
    nodes.into_iter().for_each(|node| node.join().expect("no panic"));
    counted.allocations + counted.reallocations
}
