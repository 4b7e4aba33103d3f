//! The same seed, the same bytes, for async code too; and what finds an order of its own is caught.

use seedfast_core::runtime::{Device, Runtime, Stream, accept, read, write_all};
use seedfast_core::{
    Buffer, Durability, Duration, Geometry, Incarnation, Input, Instant, NodeId, ObservationKind,
    OperationId, Process, Step,
};
use seedfast_runtime_sim::{AsyncClient, AsyncNode, SimRuntime};
use seedfast_sim::{
    ClientId, ClientInput, ClientOutbox, Cut, Disk, Fault, Formatted, Loss, Network, NoTrace, Outcome, Scene,
    Schedule, Seen, Target, Timed, Turns, Violation, World,
};
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;

const MILLIS: u64 = 1_000_000;
const SAID: ObservationKind = ObservationKind(1);

/// How a server's tasks hand on what they have gathered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// As it came.
    Kept,
    /// As a randomly keyed map has it: the bug.
    Hashed,
}

#[allow(clippy::disallowed_types, reason = "this is what must be caught")]
fn shuffled(bytes: &[u8]) -> Vec<u8> {
    let set: std::collections::HashSet<u8> = bytes.iter().copied().collect();
    set.into_iter().collect()
}

/// A server: each stream is a task; what comes is written to the device, said to whoever observes, and sent back.
async fn serve(runtime: SimRuntime, node: NodeId, life: Incarnation, order: Order) -> String {
    let Ok(mut listener) = runtime.listen(&format!("{node}:1")).await else { return "no address".into() };
    let Ok(mut device) = runtime.device("disk0").await else { return "no device".into() };
    let written = Rc::new(Cell::new(0u32));
    let log = written.clone();
    let keeper = runtime.clone();
    runtime.spawn(async move {
        for number in 0u32.. {
            keeper.sleep(keeper.now().monotonic + Duration::from_millis(3)).await;
            let op = OperationId { incarnation: life, number };
            let buffer = Buffer::from(vec![log.get() as u8; 512]);
            let at = u64::from(number % 64) * 512;
            device.submit(op, vec![Step::Write { at, buffer }], Durability::Durable);
            let mut inputs: Vec<Input> = Vec::new();
            poll_fn(|cx| device.poll_completed(cx, &mut inputs, 8)).await;
        }
    });
    while let Ok(mut stream) = accept(&mut listener).await {
        let (inner, written) = (runtime.clone(), written.clone());
        runtime.spawn(async move {
            let mut bytes = Vec::new();
            while read(&mut stream, &mut bytes, 100).await.is_ok_and(|count| count > 0) {
                written.set(written.get() + bytes.len() as u32);
                let mut answer = if order == Order::Hashed { shuffled(&bytes) } else { bytes.clone() };
                inner.observe(SAID, &answer);
                stream.write(&mut answer);
                bytes.clear();
            }
        });
    }
    "the listener is gone".into()
}

async fn ask(runtime: SimRuntime, servers: u8, answered: Rc<Cell<u32>>) {
    for round in 0..1000u64 {
        let server = runtime.choose(servers.into());
        if let Ok(mut stream) = runtime.connect(&format!("n{server}:1")).await {
            let _ = write_all(&mut stream, &[1, 2, 3, 4, 5, 6, 7, round as u8]).await;
            let mut bytes = Vec::new();
            if read(&mut stream, &mut bytes, 100).await.is_ok_and(|count| count > 0) {
                answered.set(answered.get() + 1);
            }
        }
        runtime.sleep(runtime.now().monotonic + Duration::from_micros(700)).await;
    }
}

struct Play {
    order: Order,
    clients: Vec<AsyncClient>,
    answered: Rc<Cell<u32>>,
    said: u32,
}

impl Play {
    fn new(order: Order) -> Self {
        let answered: Rc<Cell<u32>> = Rc::default();
        let client = |number| {
            let answered = answered.clone();
            AsyncClient::new(ClientId(number), move |runtime| ask(runtime, 2, answered))
        };
        Play { order, clients: (0..3).map(client).collect(), answered: answered.clone(), said: 0 }
    }
}

impl Scene for Play {
    fn process(&mut self, _: NodeId) -> Box<dyn Process> {
        let order = self.order;
        Box::new(AsyncNode::new(move |runtime, start| serve(runtime, start.node, start.incarnation, order)))
    }

    fn devices(&mut self, _: NodeId) -> Formatted {
        vec![(Geometry::disk(1 << 20), Vec::new())]
    }

    fn client(&mut self, client: ClientId, now: Instant, input: ClientInput, out: &mut dyn ClientOutbox) {
        self.clients[usize::from(client.0)].turn(now, input, out);
    }

    fn observe(&mut self, _: Seen<'_>) -> Result<(), Violation> {
        self.said += 1;
        Ok(())
    }
}

fn schedule() -> Schedule {
    let crash = |at, cut, loss| {
        let target = Target::Node((at / MILLIS % 2) as u8);
        let fault = Fault::Crash { target, loss, cut, restart_after: Some(8 * MILLIS) };
        Timed { at, fault }
    };
    Schedule {
        nodes: 2,
        clients: 3,
        end: 400 * MILLIS,
        network: Network { loss: 20_000, ..Network::lan() },
        disk: Disk::nvme(),
        turns: Turns { burst: 400_000, burst_max: 100_000 },
        faults: vec![
            crash(20 * MILLIS, Cut::Drawn, Loss::Process),
            crash(41 * MILLIS, Cut::AfterWrite, Loss::Power),
            crash(80 * MILLIS, Cut::AfterOutput(0), Loss::Process),
            crash(121 * MILLIS, Cut::Drawn, Loss::Power),
            crash(160 * MILLIS, Cut::Now, Loss::Process),
        ],
        ..Schedule::default()
    }
}

fn run(world: &mut World, seed: u64, order: Order) -> (Outcome, Play) {
    let mut play = Play::new(order);
    let outcome = world.run(seed, &schedule(), &mut play, &mut NoTrace);
    assert_eq!(outcome.broken, None);
    (outcome, play)
}

#[test]
fn a_seed_gives_the_same_bytes_twice_in_a_cold_world_and_in_a_warm_one() {
    let mut warm = World::new();
    let hashes: Vec<u128> = (0..5).map(|seed| run(&mut warm, seed, Order::Kept).0.trace_hash).collect();
    for (seed, hash) in (0..5).zip(&hashes) {
        assert_eq!(run(&mut World::new(), seed, Order::Kept).0.trace_hash, *hash, "seed {seed}");
    }
    assert!(hashes[1..].iter().all(|hash| *hash != hashes[0]), "every seed gives the same run");
}

#[test]
fn a_task_that_takes_its_order_from_a_randomly_keyed_map_is_caught_when_its_seed_is_run_again() {
    let hash = |_| run(&mut World::new(), 3, Order::Hashed).0.trace_hash;
    let first = hash(0);
    assert!((0..5).any(|again| hash(again) != first), "nobody noticed");
}

#[test]
fn faults_reach_async_code_and_it_goes_on_afterwards() {
    let (outcome, play) = run(&mut World::new(), 1, Order::Kept);
    assert!(play.answered.get() > 50, "{} answers", play.answered.get());
    assert!(play.said >= play.answered.get());
    for effect in ["crash", "power-loss", "recovery", "outputs-cut", "connection-broken", "lost"] {
        assert!(
            outcome.effects.get(effect).is_some_and(|count| *count > 0),
            "no {effect}: {:?}",
            outcome.effects
        );
    }
}

#[test]
fn a_crash_drops_every_task_where_it_waits() {
    /// Counts those that live.
    struct Lives(Rc<Cell<i32>>);
    impl Drop for Lives {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    struct Hold(Rc<Cell<i32>>);
    impl Scene for Hold {
        fn process(&mut self, _: NodeId) -> Box<dyn Process> {
            assert_eq!(self.0.get(), 0, "tasks of a former life live on");
            let count = self.0.clone();
            Box::new(AsyncNode::new(move |runtime, _| async move {
                for number in 0..10 {
                    count.set(count.get() + 1);
                    let (life, inner) = (Lives(count.clone()), runtime.clone());
                    runtime.spawn(async move {
                        inner.sleep(Instant::from_nanos(number * 40 * MILLIS)).await;
                        drop(life);
                    });
                }
                std::future::pending::<()>().await;
                String::new()
            }))
        }
    }
    let mut scene = Hold(Rc::default());
    let crash = |at| {
        let target = Target::Node(0);
        let fault = Fault::Crash { target, loss: Loss::Process, cut: Cut::Now, restart_after: Some(MILLIS) };
        Timed { at: at * MILLIS, fault }
    };
    let faults = vec![crash(20), crash(100), crash(230)];
    let schedule = Schedule { nodes: 1, clients: 0, faults, ..schedule() };
    let outcome = World::new().run(7, &schedule, &mut scene, &mut NoTrace);
    assert_eq!(outcome.broken, None);
    assert_eq!(outcome.effects.get("recovery"), Some(&3), "{:?}", outcome.effects);
}
