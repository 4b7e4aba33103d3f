//! What an operation costs in system calls and in allocations, counted. Times are asserted nowhere.

mod common;

use common::{Temporary, carry_out, free_addresses, pause};
use seedfast_core::id::{ClusterId, GroupId, Kind, NodeId, PeerSet};
use seedfast_core::input::Input;
use seedfast_core::outbox::Outbox;
use seedfast_core::runtime::{Endpoint, Membership, Runtime};
use seedfast_core::storage::{Completion, Durability, Step};
use seedfast_runtime_real::{Counts, Options, RealRuntime, run};
use std::future::poll_fn;

/// What `count` operations cost behind as many to warm up: what was counted, and allocations. The allocations of the
/// warm-up and of the setting up are taken off by a second run without the operations.
fn cost(count: usize, scene: impl Fn(usize) -> Counts) -> (Counts, u64) {
    let mut counts = (Counts::default(), Counts::default());
    let few = allocation_counter::measure(|| counts.0 = scene(count)).count_total;
    let many = allocation_counter::measure(|| counts.1 = scene(2 * count)).count_total;
    let (few_counts, many_counts) = counts;
    let difference = Counts {
        enters: many_counts.enters.saturating_sub(few_counts.enters),
        submissions: many_counts.submissions - few_counts.submissions,
        registered: many_counts.registered - few_counts.registered,
        completions: many_counts.completions - few_counts.completions,
    };
    (difference, many.saturating_sub(few))
}

const COUNT: usize = 500;

/// Whether this kernel is told of files in advance.
fn registered() -> bool {
    run(Options::new(), |runtime| async move { runtime.abilities().registered_files }).expect("io_uring")
}

fn appends(count: usize, name: &str, prefix: &str, options: &Options) -> Counts {
    let file = Temporary::device(name, 1 << 20);
    let device = format!("{prefix}{}", file.name());
    run(options.clone(), move |runtime| async move {
        let mut device = runtime.device(&device).await.expect("it was made");
        let mut out = Outbox::new(false);
        for index in 0..count as u64 {
            let (mut chain, mut bytes) = (out.chain(), out.buffer());
            bytes.resize(4096, index as u8);
            chain.push(Step::Write { at: index % 256 * 4096, buffer: bytes.freeze() });
            let result = carry_out(&mut device, &mut out, chain, Durability::Durable).await;
            assert_eq!(result, Completion::Done);
        }
        runtime.counts()
    })
    .expect("io_uring")
}

/// So many entries and one answer for an append; one system call; and no allocation but the test's own.
fn an_append(name: &str, options: &Options, entries: u64) {
    let (counts, allocations) = cost(COUNT, |count| appends(count, name, "", options));
    let each = COUNT as u64;
    assert_eq!((counts.submissions, counts.completions), (entries * each, each));
    assert!(counts.enters <= each + each / 20, "{counts:?}");
    assert_eq!(counts.registered, if registered() { counts.submissions } else { 0 });
    // The vector that completions are appended to is the test's, one for each.
    assert!(allocations <= each + each / 50, "{allocations} allocations");
}

#[test]
fn a_durable_append_is_one_system_call_and_no_allocation_but_the_test_s_own() {
    // A write, its sync, one answer.
    an_append("count-file", &Options::new().write_through(false), 2);
}

#[test]
fn a_write_that_is_durable_by_itself_is_one_request() {
    an_append("count-through", &Options::new().write_through(true), 1);
}

#[test]
fn a_durable_append_on_mapped_memory_is_no_system_call_of_the_ring() {
    let (counts, allocations) = cost(COUNT, |count| appends(count, "count-mapped", "nvm:", &Options::new()));
    assert_eq!(counts, Counts::default());
    let each = COUNT as u64;
    // One more for the list of pages that `msync` is asked for.
    assert!(allocations <= 2 * each + each / 50, "{allocations} allocations");
}

/// Sends `burst` frames to an echo on another thread and waits until all of them are back, `count` times.
fn bursts(count: usize, burst: usize) -> Counts {
    let members: Vec<_> = (0..2).map(NodeId).zip(free_addresses(2)).collect();
    let membership = |me| Membership { cluster: ClusterId(1), me: NodeId(me), members: members.clone() };
    let echo = membership(1);
    let echo = std::thread::spawn(move || run(Options::new(), move |runtime| reflect(runtime, echo)));
    let mine = membership(0);
    let counts = run(Options::new(), move |runtime| async move {
        let mut endpoint = runtime.endpoint(mine).await.expect("a free address");
        let (mut inputs, mut out) = (Vec::with_capacity(4096), Outbox::new(false));
        let peer = PeerSet::one(NodeId(1));
        while endpoint.counts().received == 0 {
            let frame = out.pool().copy_from(&[1; 64]);
            endpoint.send(peer, Kind(1), GroupId(0), frame);
            pause(&runtime, 20).await;
        }
        pause(&runtime, 200).await;
        let _ = poll_fn(|cx| std::task::Poll::Ready(endpoint.poll_receive(cx, &mut inputs, 4096))).await;
        let before = runtime.counts();
        for _ in 0..count {
            inputs.clear();
            for _ in 0..burst {
                let frame = out.pool().copy_from(&[7; 64]);
                endpoint.send(peer, Kind(1), GroupId(0), frame);
            }
            while inputs.len() < burst {
                poll_fn(|cx| endpoint.poll_receive(cx, &mut inputs, 4096)).await;
            }
            for input in inputs.drain(..) {
                if let Input::Receive { frame, .. } = input {
                    out.pool().recycle(frame);
                }
            }
            endpoint.reclaim(&mut out);
        }
        let after = runtime.counts();
        endpoint.send(peer, Kind(0), GroupId(0), out.pool().copy_from(b""));
        pause(&runtime, 100).await;
        Counts {
            enters: after.enters - before.enters,
            submissions: after.submissions - before.submissions,
            registered: after.registered - before.registered,
            completions: after.completions - before.completions,
        }
    });
    echo.join().expect("no panic").expect("io_uring");
    counts.expect("io_uring")
}

async fn reflect(runtime: RealRuntime, membership: Membership) {
    let mut endpoint = runtime.endpoint(membership).await.expect("a free address");
    let (mut inputs, mut out) = (Vec::new(), Outbox::new(false));
    loop {
        poll_fn(|cx| endpoint.poll_receive(cx, &mut inputs, 4096)).await;
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
}

#[test]
fn a_frame_there_and_back_is_two_system_calls_and_no_allocation() {
    let (counts, allocations) = cost(COUNT, |count| bursts(count, 1));
    let each = COUNT as u64;
    // One send for each; receiving goes on by itself.
    assert!(counts.submissions <= each + each / 20, "{counts:?}");
    assert!(counts.enters <= 2 * each + each / 10, "{counts:?}");
    assert_eq!(counts.registered, if registered() { counts.submissions } else { 0 });
    // Setting up allocates a few times more or less from run to run; one for each frame would be far beyond.
    assert!(allocations <= each / 5, "{allocations} allocations");
}

#[test]
fn the_frames_of_a_burst_to_one_peer_leave_in_one_send() {
    let (counts, allocations) = cost(COUNT, |count| bursts(count, 32));
    let each = COUNT as u64;
    assert!(counts.submissions <= each + each / 20, "{counts:?}");
    // Setting up allocates a few times more or less from run to run; one for each frame would be far beyond.
    assert!(allocations <= each / 5, "{allocations} allocations");
}
