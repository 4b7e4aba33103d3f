//! What a device that really fails is told as. `src/device/refusals.rs` tests the same by answering in the kernel's
//! place; this is for looking at a kernel, as root, with a compressed RAM disk that may hold next to nothing:
//!
//! ```text
//! id=$(cat /sys/class/zram-control/hot_add); echo 64M > /sys/block/zram$id/disksize; echo 64K > /sys/block/zram$id/mem_limit
//! cargo run -p seedfast-runtime-real --example failing_device /dev/zram$id
//! ```

use seedfast_core::buffer::Buffer;
use seedfast_core::id::{Incarnation, OperationId};
use seedfast_core::input::Input;
use seedfast_core::random::Random;
use seedfast_core::runtime::{Device, Runtime};
use seedfast_core::storage::{Completion, Durability, Failure, Step};
use seedfast_runtime_real::{Options, RealDevice, run};
use std::future::poll_fn;
use std::process::ExitCode;

/// How a write, made durable, ends.
async fn append(device: &mut RealDevice, at: u64, bytes: Vec<u8>) -> Completion {
    let op = OperationId { incarnation: Incarnation(1), number: 1 };
    device.submit(op, vec![Step::Write { at, buffer: Buffer::from(bytes) }], Durability::Durable);
    let mut inputs = Vec::new();
    poll_fn(|cx| device.poll_completed(cx, &mut inputs, 1)).await;
    match inputs.pop() {
        Some(Input::Completed { result, .. }) => result,
        other => panic!("no completion: {other:?}"),
    }
}

/// How a write of a mebibyte that does not compress ends, and the one behind it, which would fit.
fn written(device: &str, direct: bool) -> Result<[Completion; 2], String> {
    let device = device.to_owned();
    let ended = run(Options::new().direct(direct), move |runtime| async move {
        let mut device = runtime.device(&device).await?;
        let mut random = Random::from_seed(1);
        let bytes: Vec<u8> = (0..1 << 17).flat_map(|_| random.next().to_le_bytes()).collect();
        let (length, alignment) = (bytes.len() as u64, device.geometry().alignment as usize);
        let first = append(&mut device, 0, bytes).await;
        Ok([first, append(&mut device, length, vec![0; alignment]).await])
    });
    ended.and_then(|ended| ended).map_err(|why: seedfast_core::runtime::Error| why.to_string())
}

fn main() -> ExitCode {
    let Some(device) = std::env::args().nth(1) else {
        eprintln!("give the path of a device that fails; what is on it is overwritten");
        return ExitCode::from(2);
    };
    let refused = [Completion::Failed(Failure::Media), Completion::Done];
    let lost = [Completion::Failed(Failure::Device), Completion::Failed(Failure::Device)];
    let mut all = true;
    for (direct, means, expected) in [
        (true, "direct writes: the write is refused, the device goes on", refused),
        (false, "through the page cache: the sync fails, and that is the end", lost),
    ] {
        match written(&device, direct) {
            Ok(ended) => {
                println!("{means}: {ended:?}, {}", if ended == expected { "as it must be" } else { "WRONG" });
                all &= ended == expected;
            }
            Err(why) => {
                eprintln!("{why}");
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::from(u8::from(!all))
}
