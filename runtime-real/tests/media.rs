//! A block device whose writes fail. Nothing that every machine has can be made to fail so, so these run on demand: as
//! root, with a compressed RAM disk that may hold next to nothing,
//!
//! ```text
//! id=$(cat /sys/class/zram-control/hot_add); echo 64M > /sys/block/zram$id/disksize; echo 64K > /sys/block/zram$id/mem_limit
//! SEEDFAST_FAILING_DEVICE=/dev/zram$id cargo test -p seedfast-runtime-real --test media -- --ignored --test-threads 1
//! ```

mod common;

use common::carry_out;
use seedfast_core::buffer::Buffer;
use seedfast_core::outbox::Outbox;
use seedfast_core::random::Random;
use seedfast_core::runtime::{Device, Runtime};
use seedfast_core::storage::{Completion, Durability, Failure, Step};
use seedfast_runtime_real::{Options, run};

/// How a durable write of a mebibyte that does not compress ends, and the one behind it, which would fit.
fn written(options: Options) -> (Completion, Completion) {
    let device = std::env::var("SEEDFAST_FAILING_DEVICE").expect("SEEDFAST_FAILING_DEVICE names a device");
    run(options, move |runtime| async move {
        let mut device = runtime.device(&device).await.expect("a device");
        let mut out = Outbox::new(false);
        let mut random = Random::from_seed(1);
        let bytes: Vec<u8> = (0..1 << 17).flat_map(|_| random.next().to_le_bytes()).collect();
        let (length, alignment) = (bytes.len() as u64, u64::from(device.geometry().alignment));
        let chain = vec![Step::Write { at: 0, buffer: Buffer::from(bytes) }];
        let first = carry_out(&mut device, &mut out, chain, Durability::Durable).await;
        let zeros = Buffer::from(vec![0; alignment as usize]);
        let chain = vec![Step::Write { at: length, buffer: zeros }];
        (first, carry_out(&mut device, &mut out, chain, Durability::Durable).await)
    })
    .expect("io_uring")
}

#[test]
#[ignore = "needs a device that fails"]
fn a_write_that_the_medium_refuses_is_told_and_leaves_the_device_usable() {
    let (first, second) = written(Options::new());
    assert_eq!(first, Completion::Failed(Failure::Media));
    assert_eq!(second, Completion::Done);
}

#[test]
#[ignore = "needs a device that fails"]
fn a_sync_that_fails_is_the_end_of_the_device_and_no_later_one_pretends_otherwise() {
    let (first, second) = written(Options::new().direct(false));
    assert_eq!(first, Completion::Failed(Failure::Device));
    assert_eq!(second, Completion::Failed(Failure::Device));
}
