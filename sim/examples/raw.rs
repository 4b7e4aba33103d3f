//! What a simulated message costs: five nodes; every 10 ms each sends 64 bytes to every other; latency 1 to 10 ms,
//! loss 5 % (and a little of everything else); each receipt bumps a counter and is answered with 16 bytes. Every event
//! is traced and hashed, and every input is followed by an end of burst.
//!
//! Prints one JSON line: `cargo run --release -p seedfast-sim --example raw`. Figures are medians of five rounds.

use seedfast_core::{Duration, GroupId, Input, Kind, NodeId, Now, Outbox, PeerSet, Process, TimerId};
use seedfast_sim::{Network, NoTrace, Outcome, Scene, Schedule, World};

const NODES: u8 = 5;
const MS: u64 = 1_000_000;
const PING: Kind = Kind(1);
const PONG: Kind = Kind(2);

struct Node {
    me: NodeId,
    received: u64,
}

impl Process for Node {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Start(_) | Input::Timer { .. } => {
                let mut frame = out.buffer();
                frame.resize(64, self.me.0);
                let everyone = PeerSet::first(usize::from(NODES)).without(self.me);
                out.send(everyone, PING, GroupId(0), frame.freeze());
                out.timer(TimerId(0), Some(now.monotonic + Duration::from_millis(10)));
            }
            Input::Receive { from, kind: PING, frame, .. } => {
                self.received += 1;
                let mut answer = out.buffer();
                answer.extend_from_slice(&frame[..frame.len().min(16)]);
                out.send(PeerSet::one(from), PONG, GroupId(0), answer.freeze());
            }
            Input::Receive { .. } => self.received += 1,
            _ => {}
        }
    }
}

struct Bare;

impl Scene for Bare {
    fn process(&mut self, me: NodeId) -> Box<dyn Process> {
        Box::new(Node { me, received: 0 })
    }
}

fn schedule(end: u64) -> Schedule {
    let network = Network {
        latency_min: MS,
        latency_max: 10 * MS,
        loss: 50_000,
        duplication: 1_000,
        reordering: 1_000,
        corruption: 1_000,
        ..Network::default()
    };
    Schedule { nodes: NODES, end, network, ..Schedule::default() }
}

/// The monotonic clock and this process's resident memory, from outside the world.
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a benchmark measures real time")]
mod outside {
    /// Seconds that `body` takes, and what it returns.
    pub(crate) fn time<T>(body: impl FnOnce() -> T) -> (f64, T) {
        let start = std::time::Instant::now();
        let result = body();
        (start.elapsed().as_secs_f64(), result)
    }

    /// Seconds that this process has spent on a processor, 0 where the system does not say. On a machine that does
    /// other things too it tells more than the wall clock.
    pub(crate) fn processor() -> f64 {
        let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
        let nanos: Option<f64> = stat.split_whitespace().next().and_then(|field| field.parse().ok());
        nanos.unwrap_or(0.0) / 1e9
    }

    /// Resident memory in KiB, 0 where the system does not say.
    pub(crate) fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut world = World::new();
    let mut run =
        |seed: u64, end: u64| -> Outcome { world.run(seed, &schedule(end), &mut Bare, &mut NoTrace) };
    let (mut delivered, mut per_cpu, mut sims, mut fresh) = (vec![], vec![], vec![], vec![]);
    let mut hash = 0;
    for round in 0..5 {
        let processor = outside::processor();
        let (seconds, outcome) = outside::time(|| run(1, 60_000 * MS));
        delivered.push(outcome.delivered as f64 / seconds);
        per_cpu.push(outcome.delivered as f64 / (outside::processor() - processor));
        hash = outcome.trace_hash;
        let count = 300;
        let (seconds, ()) =
            outside::time(|| (0..count).for_each(|seed| drop(run(round * count + seed, 1_000 * MS))));
        sims.push(count as f64 / seconds);
        let count = 20_000;
        let (seconds, ()) = outside::time(|| (0..count).for_each(|seed| drop(run(seed, MS))));
        fresh.push(seconds / count as f64 * 1e6);
    }
    let before = outside::resident();
    (0..100_000).for_each(|seed| drop(run(seed, 2 * MS)));
    let growth = outside::resident().saturating_sub(before);
    println!(
        "{{\"world.delivered_per_s\":{:.0},\"world.delivered_per_cpu_s\":{:.0},\"world.sims_per_s\":{:.1},\"world.fresh_us\":{:.2},\
         \"world.rss_kib\":{before},\"world.rss_growth_kib\":{growth},\"trace_hash\":\"{hash:032x}\"}}",
        median(delivered),
        median(per_cpu),
        median(sims),
        median(fresh)
    );
}
