//! What a command costs in allocations on real machines, from the bytes of a client's request to those of its answer.

mod counted;

use counted::{Tongue, cost};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What snapshots and growth may allocate in all, however many commands there are: fewer than one for each batch of a
/// replica.
const FEW: usize = 2500;

/// The only test of this file: another one would be counted, too.
#[test]
fn a_command_allocates_nothing_on_its_whole_way() {
    for (tongue, clients, rounds) in
        [(Tongue::Resp, 64, 1000), (Tongue::Native, 64, 1000), (Tongue::Resp, 1, 6000)]
    {
        let (allocations, commands) = (cost(tongue, clients, rounds), clients * rounds);
        println!("{tongue:?}, {clients} at a time: {allocations} allocations for {commands} commands");
        assert!(allocations < FEW, "{tongue:?}, {clients} at a time: {allocations} for {commands} commands");
    }
}
