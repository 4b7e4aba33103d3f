//! Files that the kernel is told of in advance: which requests name them so, and that nothing stays open behind them.

mod common;

use common::{Temporary, carry_out, free_addresses, pause};
use seedfast_core::outbox::Outbox;
use seedfast_core::runtime::{Runtime, Stream, accept, read};
use seedfast_core::storage::{Completion, Durability, Step};
use seedfast_runtime_real::{Counts, Options, RealRuntime, run};

/// A durable append; whether the kernel knew the file of each of its entries in advance, or of none.
async fn append(runtime: &RealRuntime, name: &str) -> bool {
    let mut device = runtime.device(name).await.expect("it was made, and the one before let it go");
    let mut out = Outbox::new(false);
    let (mut chain, mut bytes) = (out.chain(), out.buffer());
    bytes.resize(4096, 7);
    chain.push(Step::Write { at: 0, buffer: bytes.freeze() });
    let before = runtime.counts();
    assert_eq!(carry_out(&mut device, &mut out, chain, Durability::Durable).await, Completion::Done);
    known(before, runtime.counts())
}

fn known(before: Counts, after: Counts) -> bool {
    let known = after.registered - before.registered;
    assert!(known == 0 || known == after.submissions - before.submissions, "{before:?} {after:?}");
    known > 0
}

#[test]
fn a_place_is_given_back_with_its_file_and_the_file_is_closed() {
    let file = Temporary::device("places", 1 << 16);
    let name = file.name();
    run(Options::new().files(8), |runtime| async move {
        for _ in 0..20 {
            assert_eq!(append(&runtime, &name).await, runtime.abilities().registered_files);
        }
    })
    .expect("io_uring");
}

#[test]
fn files_beyond_the_table_and_those_of_kernels_without_one_are_used_by_their_descriptors() {
    let files: Vec<_> = (0..12).map(|index| Temporary::device(&format!("beyond-{index}"), 1 << 16)).collect();
    let name = files[0].name();
    let others: Vec<_> = files[1..].iter().map(Temporary::name).collect();
    run(Options::new().files(8), |runtime| async move {
        let mut held = Vec::new();
        for name in others {
            held.push(runtime.device(&name).await.expect("it was made"));
        }
        assert!(!append(&runtime, &name).await, "the table is full");
        drop(held);
        assert_eq!(append(&runtime, &name).await, runtime.abilities().registered_files);
    })
    .expect("io_uring");
    let name = files[0].name();
    run(Options::new().files(0), |runtime| async move {
        let abilities = runtime.abilities();
        assert!(!abilities.registered_files && !abilities.registered_ring);
        assert!(!append(&runtime, &name).await, "there is no table");
    })
    .expect("io_uring");
}

#[test]
fn streams_are_known_as_well_and_one_that_was_dropped_ends_for_the_other_side() {
    let address = free_addresses(1).remove(0);
    run(Options::new().files(8), |runtime| async move {
        let mut listener = runtime.listen(&address).await.expect("a free address");
        // More than there are places, each at both ends.
        for _ in 0..12 {
            let mut mine = runtime.connect(&address).await.expect("somebody listens");
            let mut theirs = accept(&mut listener).await.expect("somebody connected");
            let before = runtime.counts();
            mine.write(&mut b"hello".to_vec());
            let mut heard = Vec::new();
            while heard.len() < 5 {
                read(&mut theirs, &mut heard, 8).await.expect("it is open");
            }
            assert_eq!(known(before, runtime.counts()), runtime.abilities().registered_files);
            drop(mine);
            assert_eq!(read(&mut theirs, &mut heard, 8).await, Ok(0));
            drop(theirs);
            // What is in flight on a stream that was dropped holds its place until it has ended.
            pause(&runtime, 5).await;
        }
    })
    .expect("io_uring");
}

#[test]
fn a_thread_may_have_many_rings_one_behind_the_other() {
    for _ in 0..40 {
        let abilities = run(Options::new(), |runtime| async move { runtime.abilities() });
        assert_eq!(abilities, run(Options::new(), |runtime| async move { runtime.abilities() }));
    }
    let first = run(Options::new(), |runtime| async move { runtime.abilities() }).expect("io_uring");
    std::thread::spawn(move || {
        let fresh = run(Options::new(), |runtime| async move { runtime.abilities() }).expect("io_uring");
        assert_eq!(first, fresh, "the rings before took what this thread has");
    })
    .join()
    .expect("it does not panic");
}
