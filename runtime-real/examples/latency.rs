//! How long a round trip and a durable append take on this machine, and how many system calls they cost.
//!
//! `cargo run --release -p seedfast-runtime-real --example latency [directory]`: the directory is where the device's file
//! is made, the system's directory for temporary files if none is given. Times are those of this machine at this moment;
//! the counts are what the tests hold.

use seedfast_core::buffer::Buffer;
use seedfast_core::id::{ClusterId, GroupId, Incarnation, Kind, NodeId, OperationId, PeerSet};
use seedfast_core::input::Input;
use seedfast_core::outbox::Outbox;
use seedfast_core::runtime::{Device, Endpoint, Membership, Runtime, Stream, accept, read};
use seedfast_core::storage::{Completion, Durability, Range, Step};
use seedfast_runtime_real::device::create;
use seedfast_runtime_real::{Options, RealDevice, RealRuntime, run};
use std::future::poll_fn;
use std::net::TcpListener;
use std::path::Path;
use std::thread;

const ROUNDS: usize = 20_000;
const APPENDS: usize = 500;

/// What was measured: nanoseconds of each operation, and the system calls of all of them.
struct Measured {
    nanos: Vec<u64>,
    enters: u64,
}

impl Measured {
    fn print(mut self, what: &str) {
        self.nanos.sort_unstable();
        let at = |percent: usize| self.nanos[(self.nanos.len() - 1) * percent / 100];
        println!(
            "{what:<44} p50 {:>9} ns   p99 {:>9} ns   {:.2} io_uring_enter each",
            at(50),
            at(99),
            self.enters as f64 / self.nanos.len() as f64,
        );
    }
}

/// Measures `count` operations behind some to warm up.
async fn measure(runtime: &RealRuntime, count: usize, mut operation: impl AsyncFnMut(usize)) -> Measured {
    for index in 0..count / 10 {
        operation(index).await;
    }
    let enters = runtime.counts().enters;
    let mut nanos = Vec::with_capacity(count);
    for index in 0..count {
        let start = runtime.now().monotonic;
        operation(index).await;
        nanos.push(runtime.now().monotonic.since(start).as_nanos());
    }
    Measured { nanos, enters: runtime.counts().enters - enters }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    listener.local_addr().expect("it is bound").to_string()
}

async fn read_exact(stream: &mut impl Stream, bytes: &mut Vec<u8>, length: usize) -> bool {
    bytes.clear();
    while bytes.len() < length {
        let missing = length - bytes.len();
        if !matches!(read(stream, bytes, missing).await, Ok(1..)) {
            return false;
        }
    }
    true
}

fn streams(options: &Options) -> Measured {
    let address = free_address();
    let (server, place) = (options.clone(), address.clone());
    let server = thread::spawn(move || {
        run(server, |runtime| async move {
            let mut listener = runtime.listen(&place).await.expect("a free address");
            let mut stream = accept(&mut listener).await.expect("a client");
            let mut bytes = Vec::new();
            while read_exact(&mut stream, &mut bytes, 64).await {
                stream.write(&mut bytes);
            }
        })
    });
    let measured = run(options.clone(), |runtime| async move {
        let mut stream = loop {
            match runtime.connect(&address).await {
                Ok(stream) => break stream,
                Err(_) => thread::sleep(std::time::Duration::from_millis(5)),
            }
        };
        let mut bytes = Vec::new();
        measure(&runtime, ROUNDS, async |_| {
            bytes.clear();
            bytes.resize(64, 7);
            stream.write(&mut bytes);
            assert!(read_exact(&mut stream, &mut bytes, 64).await, "the echo ended");
        })
        .await
    });
    server.join().expect("no panic").expect("io_uring");
    measured.expect("io_uring")
}

fn frames(options: &Options) -> Measured {
    let members: Vec<_> = (0..2).map(|node| (NodeId(node), free_address())).collect();
    let membership = |me| Membership { cluster: ClusterId(1), me: NodeId(me), members: members.clone() };
    let (echo, server) = (membership(1), options.clone());
    let server = thread::spawn(move || {
        run(server, |runtime| async move {
            let mut endpoint = runtime.endpoint(echo).await.expect("a free address");
            let (mut inputs, mut out) = (Vec::new(), Outbox::new(false));
            loop {
                poll_fn(|cx| endpoint.poll_receive(cx, &mut inputs, 64)).await;
                for input in inputs.drain(..) {
                    if let Input::Receive { from, kind, group, frame } = input {
                        if kind == Kind(0) {
                            return;
                        }
                        endpoint.send(PeerSet::one(from), kind, group, frame);
                    }
                }
                endpoint.reclaim(&mut out);
            }
        })
    });
    let mine = membership(0);
    let measured = run(options.clone(), |runtime| async move {
        let mut endpoint = runtime.endpoint(mine).await.expect("a free address");
        let (mut inputs, mut out) = (Vec::new(), Outbox::new(false));
        let peer = PeerSet::one(NodeId(1));
        // Both directions are up once a frame has come back.
        while endpoint.counts().received == 0 {
            endpoint.send(peer, Kind(1), GroupId(0), Buffer::copy_from(&[1; 64]));
            runtime.sleep(runtime.now().monotonic + seedfast_core::Duration::from_millis(20)).await;
        }
        runtime.sleep(runtime.now().monotonic + seedfast_core::Duration::from_millis(50)).await;
        let _ = poll_fn(|cx| std::task::Poll::Ready(endpoint.poll_receive(cx, &mut inputs, 1024))).await;
        let measured = measure(&runtime, ROUNDS, async |_| {
            let frame = out.pool().copy_from(&[7; 64]);
            endpoint.send(peer, Kind(1), GroupId(0), frame);
            inputs.clear();
            poll_fn(|cx| endpoint.poll_receive(cx, &mut inputs, 64)).await;
            endpoint.reclaim(&mut out);
        })
        .await;
        endpoint.send(peer, Kind(0), GroupId(0), Buffer::new());
        runtime.sleep(runtime.now().monotonic + seedfast_core::Duration::from_millis(50)).await;
        measured
    });
    server.join().expect("no panic").expect("io_uring");
    measured.expect("io_uring")
}

/// Submits one chain and waits for it.
async fn append(device: &mut RealDevice, out: &mut Outbox, number: u32, at: u64) {
    let mut chain = out.chain();
    let mut bytes = out.buffer();
    bytes.resize(4096, number as u8);
    chain.push(Step::Write { at, buffer: bytes.freeze() });
    device.submit(OperationId { incarnation: Incarnation(1), number }, chain, Durability::Durable);
    let mut inputs = Vec::new();
    poll_fn(|cx| device.poll_completed(cx, &mut inputs, 1)).await;
    assert!(matches!(inputs[..], [Input::Completed { result: Completion::Done, .. }]), "{inputs:?}");
    device.reclaim(out);
}

fn appends(options: &Options, name: String, path: &Path) {
    let capacity = (APPENDS as u64 + 1) * 4096;
    create(path, capacity).expect("room for the device");
    let (means, measured) = run(options.clone(), |runtime| async move {
        let mut device = runtime.device(&name).await.expect("the file was just made");
        let mut out = Outbox::new(false);
        let read = OperationId { incarnation: Incarnation(1), number: u32::MAX };
        device.read(read, Range { at: 0, length: device.geometry().alignment.into() });
        poll_fn(|cx| device.poll_completed(cx, &mut Vec::new(), 1)).await;
        let measured = measure(&runtime, APPENDS, async |index| {
            append(&mut device, &mut out, index as u32, index as u64 * 4096).await;
        });
        let measured = measured.await;
        (device.means(), measured)
    })
    .expect("io_uring");
    std::fs::remove_file(path).expect("it was ours");
    measured.print(&format!("4 KiB appended, {means}"));
}

fn main() {
    let directory = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let path = directory.join(format!("seedfast-latency-{}", std::process::id()));
    let abilities = run(Options::new(), |runtime| async move { runtime.abilities() }).expect("io_uring");
    println!("{abilities:?}");
    for (how, options) in [("sleeping", Options::new()), ("spinning", Options::new().busy_poll(true))] {
        streams(&options).print(&format!("64 bytes there and back, {how}"));
        frames(&options).print(&format!("a 64-byte frame there and back, {how}"));
    }
    let plain = path.display().to_string();
    appends(&Options::new().write_through(false), plain.clone(), &path);
    println!("the same, written through (RWF_DSYNC):");
    appends(&Options::new().write_through(true), plain.clone(), &path);
    println!("the same, through the page cache:");
    appends(&Options::new().direct(false), plain.clone(), &path);
    appends(&Options::new(), format!("nvm:{plain}"), &path);
}
