//! Snapshots without stopping: the state of one moment, whatever is applied while it is handed out.

mod common;

use common::{Bytes, Op, apply, key, ops, snapshot, value};
use proptest::prelude::*;
use seedfast_core::codec::Malformed;
use seedfast_core::machine::{Chunk, StateMachine};
use seedfast_kv::Store;

#[derive(Clone, Debug)]
enum Doing {
    Apply(Op),
    Chunk(usize),
}

/// Commands and chunks of any size, mixed; some commands work on many keys, so that the walk meets them everywhere.
fn doings() -> impl Strategy<Value = Vec<Doing>> {
    let wide = (any::<u8>(), value())
        .prop_map(|(key, value)| Op::Set(vec![key % 32], value, common::When::Always, false));
    let gone = any::<u8>().prop_map(|key| Op::Delete(vec![vec![key % 32]]));
    let one = prop_oneof![
        4 => common::op().prop_map(Doing::Apply),
        4 => wide.prop_map(Doing::Apply),
        2 => gone.prop_map(Doing::Apply),
        4 => prop_oneof![1usize..12, 12usize..400, Just(4096)].prop_map(Doing::Chunk),
    ];
    proptest::collection::vec(one, 0..80)
}

fn many_keys() -> impl Strategy<Value = Vec<(Bytes, Bytes)>> {
    proptest::collection::vec((prop_oneof![key(), (0u8..32).prop_map(|key| vec![key])], value()), 0..24)
}

fn store(first: &[Op], pairs: &[(Bytes, Bytes)]) -> Store {
    let mut store = Store::new();
    for op in first {
        apply(&mut store, &op.encoded());
    }
    for (key, value) in pairs {
        apply(&mut store, &Op::Append(key.clone(), value.clone()).encoded());
    }
    store
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_of_commands_and_chunks_gives_the_state_at_the_freeze(
        before in ops(20), pairs in many_keys(), doings in doings()
    ) {
        let mut store = store(&before, &pairs);
        let (mut plain, frozen, digest) = (store.clone(), snapshot(&store), store.digest());
        store.freeze();
        let (mut bytes, mut ended) = (Vec::new(), false);
        for doing in &doings {
            match doing {
                Doing::Apply(op) => {
                    let command = op.encoded();
                    prop_assert_eq!(apply(&mut store, &command), apply(&mut plain, &command));
                }
                Doing::Chunk(most) if !ended => {
                    let had = bytes.len();
                    ended = store.chunk(*most, &mut bytes) == Chunk::Last;
                    prop_assert!(bytes.len() - had <= *most, "{} bytes of {}", bytes.len() - had, most);
                }
                Doing::Chunk(_) => {}
            }
        }
        while !ended {
            ended = store.chunk(100, &mut bytes) == Chunk::Last;
        }
        prop_assert_eq!(&bytes, &frozen);
        prop_assert_eq!(store.digest(), plain.digest());
        prop_assert!(store.audit());
        let mut copy = Store::new();
        prop_assert_eq!(copy.restore(&bytes), Ok(()));
        prop_assert_eq!(copy.digest(), digest);
        // What goes on after a restore goes on as it would have without one.
        for doing in &doings {
            if let Doing::Apply(op) = doing {
                apply(&mut copy, &op.encoded());
            }
        }
        prop_assert_eq!(snapshot(&copy), snapshot(&plain));
    }

    #[test]
    fn a_restore_does_not_depend_on_how_the_bytes_are_cut(
        before in ops(20), pairs in many_keys(), cuts in proptest::collection::vec(1usize..200, 1..20)
    ) {
        let original = store(&before, &pairs);
        let bytes = snapshot(&original);
        let mut copy = store(&before[before.len() / 2..], &[]);
        let old = copy.digest();
        copy.restore_begin();
        let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*cuts.next().expect("it is a cycle")));
            prop_assert_eq!(copy.restore_check(), Err(Malformed));
            prop_assert_eq!(copy.restore_chunk(now), Ok(()));
            prop_assert_eq!(copy.digest(), old, "until the end, the old state stands");
            rest = later;
        }
        prop_assert_eq!(copy.restore_check(), Ok(()));
        prop_assert_eq!(copy.digest(), old, "a check changes nothing");
        prop_assert_eq!(copy.restore_end(), Ok(()));
        prop_assert_eq!(snapshot(&copy), bytes);
        prop_assert!(copy.audit());
    }

    #[test]
    fn a_damaged_or_shortened_stream_is_refused_and_changes_nothing(
        before in ops(20),
        rubble in ops(10),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
        size in 1usize..300,
        dropped in any::<bool>(),
    ) {
        let mut bytes = snapshot(&store(&before, &[]));
        let at = at.index(bytes.len());
        if dropped {
            bytes.truncate(at);
        } else {
            bytes[at] ^= flip;
        }
        let mut target = store(&rubble, &[]);
        let old = (target.digest(), snapshot(&target));
        target.restore_begin();
        let taken = bytes.chunks(size).try_for_each(|chunk| target.restore_chunk(chunk));
        prop_assert_eq!(taken.and_then(|()| target.restore_end()), Err(Malformed));
        prop_assert_eq!((target.digest(), snapshot(&target)), old);
        prop_assert_eq!(target.restore_end(), Err(Malformed), "the restore is over");
    }

    #[test]
    fn a_freeze_given_up_leaves_no_trace(before in ops(20), after in ops(20), most in 1usize..300) {
        let mut store = store(&before, &[]);
        let mut plain = store.clone();
        store.freeze();
        store.chunk(most, &mut Vec::new());
        store.thaw();
        for op in &after {
            prop_assert_eq!(apply(&mut store, &op.encoded()), apply(&mut plain, &op.encoded()));
        }
        prop_assert_eq!(snapshot(&store), snapshot(&plain));
    }
}

#[test]
fn a_chunk_that_passes_over_what_is_new_does_not_do_so_without_end() {
    let mut store = Store::new();
    store.freeze();
    for number in 0..10_000u32 {
        let op = Op::Set(number.to_le_bytes().to_vec(), Vec::new(), common::When::Always, false);
        apply(&mut store, &op.encoded());
    }
    let (mut bytes, mut chunks) = (Vec::new(), 1);
    while store.chunk(160, &mut bytes) == Chunk::More {
        chunks += 1;
    }
    assert!(chunks > 900, "10,000 new keys were passed over in {chunks} chunks of 160 bytes");
    assert_eq!(Store::new().restore(&bytes), Ok(()));
}

#[test]
fn a_list_that_is_pushed_to_between_its_chunks_keeps_its_frozen_form() {
    let push = |element: &[u8]| Op::PushRight(b"list".to_vec(), vec![element.to_vec()]).encoded();
    let mut store = Store::new();
    for number in 0..100u32 {
        apply(&mut store, &push(&number.to_le_bytes()));
    }
    let frozen = snapshot(&store);
    store.freeze();
    let mut bytes = Vec::new();
    while store.chunk(7, &mut bytes) == Chunk::More {
        apply(&mut store, &push(b"later"));
    }
    assert_eq!(bytes, frozen);
}
