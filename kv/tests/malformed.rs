//! Bytes that are no command, no reply or no snapshot: refused with an answer, never with a panic, and without a
//! trace in the state.

mod common;

use common::{Op, apply, op, ops, snapshot};
use proptest::prelude::*;
use seedfast_core::codec::{Malformed, Write};
use seedfast_core::machine::StateMachine;
use seedfast_kv::{Command, Error, Limits, Reply, Store};

fn store(ops: &[Op]) -> Store {
    let mut store = Store::new();
    ops.iter().for_each(|op| {
        apply(&mut store, &op.encoded());
    });
    store
}

/// Applies `bytes` and checks that they are refused, and that nothing happened.
fn refused(store: &mut Store, bytes: &[u8]) {
    let before = (store.digest(), snapshot(store));
    let reply = apply(store, bytes);
    assert_eq!(Reply::decode(&reply), Ok(Reply::Error(Error::Malformed)));
    let mut answer = Vec::new();
    store.query(bytes, &mut answer);
    assert_eq!(answer, reply);
    assert_eq!((store.digest(), snapshot(store)), before);
}

proptest! {
    #[test]
    fn a_command_comes_back_as_it_went_in(op in op()) {
        let bytes = op.encoded();
        op.with(|command| assert_eq!(Command::decode(&bytes).as_ref(), Ok(command)));
    }

    #[test]
    fn no_prefix_and_no_extension_of_a_command_is_a_command(ops in ops(8), op in op(), more in any::<u8>()) {
        let (mut store, mut bytes) = (store(&ops), op.encoded());
        for end in (0..bytes.len()).rev().take(40).chain(0..bytes.len().min(40)) {
            refused(&mut store, &bytes[..end]);
        }
        bytes.push(more);
        refused(&mut store, &bytes);
    }

    #[test]
    fn random_bytes_are_a_command_only_in_its_one_encoding(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..40), verb in 0u8..14
    ) {
        if let Some(first) = bytes.first_mut() {
            *first = verb;
        }
        let mut store = store(&[]);
        match Command::decode(&bytes) {
            Err(Malformed) => refused(&mut store, &bytes),
            Ok(command) => {
                let mut again = Vec::new();
                command.encode(&mut again);
                prop_assert_eq!(&again, &bytes);
                apply(&mut store, &bytes);
                prop_assert!(store.audit());
            }
        }
    }

    #[test]
    fn a_damaged_command_is_refused_or_is_another_command(
        ops in ops(8), op in op(), at in any::<prop::sample::Index>(), flip in 1u8..
    ) {
        let (mut store, mut bytes) = (store(&ops), op.encoded());
        *at.get_mut(&mut bytes) ^= flip;
        if Command::decode(&bytes).is_err() {
            refused(&mut store, &bytes);
        } else {
            apply(&mut store, &bytes);
            prop_assert!(store.audit());
        }
    }

    #[test]
    fn random_bytes_as_a_reply_never_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..40), tag in 0u8..8
    ) {
        if let Some(first) = bytes.first_mut() {
            *first = tag;
        }
        if let Ok(reply) = Reply::decode(&bytes) {
            let mut again = Vec::new();
            reply.encode(&mut again);
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn a_snapshot_comes_back_and_is_canonical(ops in ops(40), rubble in ops(10)) {
        let original = store(&ops);
        let bytes = snapshot(&original);
        let mut copy = store(&rubble);
        prop_assert_eq!(copy.restore(&bytes), Ok(()));
        prop_assert_eq!(copy.digest(), original.digest());
        prop_assert_eq!(snapshot(&copy), bytes);
        prop_assert!(copy.audit());
    }

    #[test]
    fn a_damaged_snapshot_is_refused_and_changes_nothing(
        ops in ops(20), rubble in ops(10), at in any::<prop::sample::Index>(), flip in 1u8..
    ) {
        let whole = snapshot(&store(&ops));
        let mut target = store(&rubble);
        let before = (target.digest(), snapshot(&target));
        let mut damaged = whole.clone();
        *at.get_mut(&mut damaged) ^= flip;
        prop_assert_eq!(target.restore(&damaged), Err(Malformed));
        prop_assert_eq!(target.restore(&whole[..at.index(whole.len())]), Err(Malformed));
        prop_assert_eq!(target.restore(&[&whole[..], &[0]].concat()), Err(Malformed));
        prop_assert_eq!((target.digest(), snapshot(&target)), before);
    }
}

#[test]
fn commands_that_take_several_things_take_at_least_one() {
    let mut store = store(&[]);
    for verb in [3, 4, 11, 12] {
        refused(&mut store, &[verb, 0, 0, 0, 0]);
    }
    refused(&mut store, &[8, 0, 0, 0, 0, 0, 0, 0, 0]);
    // A multi-set of a key without a value.
    refused(&mut store, &[12, 1, 0, 0, 0, 1, 0, 0, 0, b'k']);
    // A set whose flags hold a bit of no meaning.
    refused(&mut store, &[2, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_count_that_the_bytes_cannot_hold_reserves_no_memory() {
    let mut reply = vec![4];
    reply.u32(u32::MAX);
    assert_eq!(Reply::decode(&reply), Err(Malformed));
    let mut snapshot = vec![2];
    snapshot.u64(u64::MAX);
    snapshot.u8(0);
    snapshot.u32(u32::MAX);
    let mut store = Store::new();
    store.restore_begin();
    assert_eq!(store.restore_chunk(&snapshot), Err(Malformed), "a key of 4 GiB is not waited for");
    let mut command = vec![3];
    command.u32(u32::MAX);
    refused(&mut Store::new(), &command);
}

#[test]
fn a_snapshot_that_is_not_sorted_or_beyond_the_limits_is_refused() {
    let entry = |key: &[u8], bytes: &mut Vec<u8>| {
        bytes.u8(0);
        bytes.block(key);
        bytes.block(b"value");
    };
    let build = |keys: &[&[u8]]| {
        let mut bytes = vec![2];
        bytes.u64(keys.len() as u64);
        keys.iter().for_each(|key| entry(key, &mut bytes));
        let mut copy = Store::new();
        keys.iter().for_each(|key| {
            apply(
                &mut copy,
                &Op::Set(key.to_vec(), b"value".to_vec(), common::When::Always, false).encoded(),
            );
        });
        bytes.u64(copy.digest());
        bytes
    };
    // By their hashes, b stands before a.
    assert_eq!(Store::new().restore(&build(&[b"b", b"a"])), Ok(()));
    assert_eq!(Store::new().restore(&build(&[b"a", b"b"])), Err(Malformed));
    assert_eq!(Store::new().restore(&build(&[b"a", b"a"])), Err(Malformed));
    for limits in [
        Limits { key: 0, ..Limits::DEFAULT },
        Limits { value: 4, ..Limits::DEFAULT },
        Limits { total: 11, ..Limits::DEFAULT },
    ] {
        assert_eq!(Store::with_limits(limits).restore(&build(&[b"b", b"a"])), Err(Malformed));
    }
    // An empty list: type 1, key "a", no element.
    let mut bytes = vec![2];
    bytes.u64(1);
    bytes.u8(1);
    bytes.block(b"a");
    bytes.u32(0);
    bytes.u64(0);
    assert_eq!(Store::new().restore(&bytes), Err(Malformed));
}
