//! Outputs, hashed: what a process asked for in a turn and in every turn before it, in eight bytes.

use super::input::put_op;
use crate::codec::Write;
use crate::output::Output;
use crate::storage::{Durability, Range, Step};
use alloc::vec::Vec;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Bytes up to this length are hashed where they stand among the fields, longer ones on their own: that costs one copy
/// of them less.
const COPIED: usize = 128;

/// How many of `outputs` count: observations are made only where somebody listens, so they do not.
pub(super) fn count(outputs: &[Output]) -> u32 {
    outputs.iter().filter(|output| !matches!(output, Output::Observe { .. })).count() as u32
}

/// The hash behind one more turn with `outputs`, at least one of which [counts](count). `scratch` is used and left dirty.
pub(super) fn hash(before: u64, outputs: &[Output], scratch: &mut Vec<u8>) -> u64 {
    scratch.clear();
    for output in outputs {
        put(scratch, output);
    }
    xxh3_64_with_seed(scratch, before)
}

fn put_bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    into.u32(bytes.len() as u32);
    if bytes.len() <= COPIED {
        into.bytes(bytes);
    } else {
        into.u64(xxh3_64(bytes));
    }
}

fn put_range(into: &mut Vec<u8>, range: &Range) {
    into.u64(range.at);
    into.u64(range.length);
}

fn durable(durability: Durability) -> u8 {
    u8::from(durability == Durability::Durable)
}

/// Appends what distinguishes an output from every other one; nothing for an observation. The tags are those of the
/// trace as far as it has them.
fn put(into: &mut Vec<u8>, output: &Output) {
    match output {
        Output::Send { to, kind, group, frame } => {
            into.bytes(&[0x20, kind.0]);
            into.u32(group.0);
            into.u64(to.0);
            put_bytes(into, frame);
        }
        Output::Timer { id, at } => {
            into.u8(0x21);
            into.u16(id.0);
            // No instant is all ones: that one is later than every reading.
            into.u64(at.map_or(u64::MAX, |at| at.as_nanos()));
        }
        Output::Submit { op, device, chain, durability } => {
            into.u8(0x22);
            put_op(into, *op);
            into.bytes(&[device.0, durable(*durability)]);
            into.u32(chain.len() as u32);
            for step in chain {
                match step {
                    Step::Write { at, buffer } => {
                        into.u8(0);
                        into.u64(*at);
                        put_bytes(into, buffer);
                    }
                    Step::Barrier => into.u8(1),
                    Step::Drain => into.u8(2),
                    Step::Persist(range) => {
                        into.u8(3);
                        put_range(into, range);
                    }
                }
            }
        }
        Output::Read { op, device, range } => {
            into.u8(0x23);
            put_op(into, *op);
            into.u8(device.0);
            put_range(into, range);
        }
        Output::Respond { connection, bytes } => {
            into.u8(0x24);
            into.u64(connection.0);
            put_bytes(into, bytes);
        }
        Output::Observe { .. } => {}
        Output::RemoteWrite { op, to, region, at, buffer, durability } => {
            into.u8(0x29);
            put_op(into, *op);
            into.bytes(&[to.0, durable(*durability)]);
            into.u32(*region);
            into.u64(*at);
            put_bytes(into, buffer);
        }
        Output::Grant { op, to, region, device, range } => {
            into.u8(0x2a);
            put_op(into, *op);
            into.bytes(&[to.0, device.0]);
            into.u32(*region);
            put_range(into, range);
        }
        Output::Revoke { op, region } => {
            into.u8(0x2b);
            put_op(into, *op);
            into.u32(*region);
        }
        Output::Peer { node, address } => {
            into.bytes(&[0x27, node.0, u8::from(address.is_some())]);
            put_bytes(into, address.as_deref().unwrap_or_default());
        }
        Output::Halt { why } => {
            into.u8(0x28);
            put_bytes(into, why);
        }
    }
}
