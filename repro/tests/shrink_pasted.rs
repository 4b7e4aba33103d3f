//! The test that `seedfast shrink toy-double-vote 26` prints, as it was printed but for one line: the bundle names the
//! toy without its bug, so the test passes. `shrink.rs` compares it with what is printed today.

// T1 breaks at 0.004339575s with 3 nodes and 1 fault.
// t=0.000s power loss n0 after output 2 of turn 5, restart after 0.000s, keeping nothing of the last write
#[test]
fn toy_double_vote_26_t1() {
    seedfast::replay_bundle(
        &seedfast_scenarios::all(),
        r#"
format = 2
scenario = "toy"
seed = 26
plan_hash = "55c4911021f7fcce"
[verdict]
invariant = "T1"
what = "n1 decided 0, and n0 decided 1"
at = 4339575
trace_hash = "ae63337f874f4920e2a245a14993b939"
events = 80
[build]
program = "seedfast"
commit = "495ea5ac21e6b34411079af8277a83ccfb9c74c2"
dirty = true
sources = "68805411636ac407"
lock = "32245f52c27a24ec"
compiler = "rustc 1.95.0 (59807616e 2026-04-14)"
contracts = true
[plan.workload]
[plan.schedule]
nodes = 3
clients = 0
end = 5000000
network = { latency_min = 1000000, latency_max = 1000000, tail = 0, tail_max = 0, loss = 0, duplication = 0, reordering = 0, corruption = 0, throttle = 0 }
disk = { write_min = 100000, write_max = 100000, sync_min = 1000000, sync_max = 1000000, stall = 0, stall_max = 0 }
turns = { burst = 0, burst_max = 0 }
clock = []
fault = [
    { at = 0, kind = "crash", target = { node = 0 }, loss = "power", cut = { after-output = 2 }, restart_after = 0 },
]
"#,
    );
}
