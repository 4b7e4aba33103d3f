//! The digest follows every change at the cost of the change, and is still a function of the state alone.

mod common;

use common::{Op, When, apply, ops, snapshot};
use proptest::prelude::*;
use seedfast_core::machine::StateMachine;
use seedfast_kv::Store;

fn store(ops: &[Op]) -> Store {
    let mut store = Store::new();
    ops.iter().for_each(|op| {
        apply(&mut store, &op.encoded());
    });
    store
}

fn set(key: &str, value: &str) -> Op {
    Op::Set(key.into(), value.into(), When::Always, false)
}

fn push(key: &str, elements: &[&str]) -> Op {
    Op::PushRight(key.into(), elements.iter().map(|element| element.as_bytes().to_vec()).collect())
}

proptest! {
    #[test]
    fn it_is_what_a_walk_over_everything_finds(ops in ops(60)) {
        let mut store = Store::new();
        for op in &ops {
            apply(&mut store, &op.encoded());
            prop_assert!(store.audit(), "after {:?}", op);
        }
    }

    #[test]
    fn equal_states_have_equal_digests_and_different_states_different_ones(
        left in ops(12), right in ops(12)
    ) {
        let (left, right) = (store(&left), store(&right));
        prop_assert_eq!(snapshot(&left) == snapshot(&right), left.digest() == right.digest());
    }

    #[test]
    fn it_does_not_depend_on_how_the_state_came_to_be(ops in ops(40)) {
        let history = store(&ops);
        let mut fresh = Store::new();
        fresh.restore(&snapshot(&history)).expect("a snapshot of ours");
        prop_assert_eq!(fresh.digest(), history.digest());
        prop_assert_eq!(fresh.bytes(), history.bytes());
    }
}

#[test]
fn states_that_resemble_each_other_differ() {
    let states = [
        vec![],
        vec![set("a", "")],
        vec![set("", "a")],
        vec![set("a", "b")],
        vec![set("b", "a")],
        vec![set("ab", "")],
        vec![push("a", &["b"])],
        vec![push("a", &[""])],
        vec![push("a", &["b", "c"])],
        vec![push("a", &["c", "b"])],
        vec![push("a", &["bc"])],
        vec![push("a", &["bc", ""])],
        vec![push("a", &["", "bc"])],
        vec![push("b", &["b"])],
        vec![set("a", "1"), set("b", "2")],
        vec![set("a", "2"), set("b", "1")],
        vec![set("a", "1"), set("b", "1")],
        vec![set("a", "2"), set("b", "2")],
        vec![push("a", &["1"]), push("b", &["2"])],
        vec![push("a", &["2"]), push("b", &["1"])],
        vec![push("a", &["1"]), set("b", "1")],
        vec![set("a", "1"), push("b", &["1"])],
    ];
    let digests: Vec<u64> = states.iter().map(|ops| store(ops).digest()).collect();
    for (index, digest) in digests.iter().enumerate() {
        assert!(!digests[..index].contains(digest), "{:?} looks like an earlier state", states[index]);
    }
}

/// Replicas of two builds and two machines compare digests: these must never change by accident.
#[test]
fn digests_are_pinned() {
    let pinned = [
        (vec![], 0x7ab4_0e09_0f36_3a7d),
        (vec![set("key", "value")], 0x5237_e810_1b1d_418a),
        (vec![push("key", &["one", "two"]), set("key2", &"block".repeat(1000))], 0x84c6_bd4b_0380_2766),
    ];
    for (ops, expected) in pinned {
        let digest = store(&ops).digest();
        assert_eq!(digest, expected, "{digest:#018x} after {ops:?}");
    }
}
