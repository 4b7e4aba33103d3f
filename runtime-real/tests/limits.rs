//! A file that may not grow beyond a limit, as a device that runs full: the kernel cuts the write that crosses it, and
//! refuses the next. The limit is the whole process's, so this file holds one test.

mod common;

use common::{Temporary, carry_out, read};
use seedfast_core::buffer::Buffer;
use seedfast_core::outbox::Outbox;
use seedfast_core::runtime::Runtime;
use seedfast_core::storage::{Completion, Durability, Failure, Step};
use seedfast_runtime_real::{Options, run};
use std::process::Command;

/// Set in the process that runs under the limit.
const LIMITED: &str = "SEEDFAST_TEST_LIMITED_DEVICE";

#[test]
fn a_write_that_is_cut_short_is_continued_and_what_does_not_fit_is_told() {
    if let Ok(device) = std::env::var(LIMITED) {
        return limited(device);
    }
    let file = Temporary::device("limited", 1 << 20);
    let me = std::env::current_exe().expect("this test");
    // 512 blocks of 1024 bytes. The signal that comes with the refusal is ignored, as a server does.
    let script = "trap '' XFSZ; ulimit -f 512; exec \"$0\" --exact --nocapture \"$1\"";
    let name = "a_write_that_is_cut_short_is_continued_and_what_does_not_fit_is_told";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(me)
        .arg(name)
        .env(LIMITED, file.name())
        .output()
        .expect("bash is everywhere");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn limited(device: String) {
    for options in [Options::new(), Options::new().direct(false), Options::new().write_through(true)] {
        let device = device.clone();
        run(options, move |runtime| async move {
            let mut device = runtime.device(&device).await.expect("it was made");
            let mut out = Outbox::new(false);
            let write = |at: u64, byte: u8, length: usize| {
                vec![Step::Write { at, buffer: Buffer::from(vec![byte; length]) }]
            };
            // It crosses the limit at 512 KiB: 8 KiB fit, 8 KiB do not.
            let at = (512 << 10) - 8192;
            let result = carry_out(&mut device, &mut out, write(at, 7, 16384), Durability::Durable).await;
            assert_eq!(result, Completion::Failed(Failure::NoSpace));
            assert!(read(&mut device, at, 8192).await.iter().all(|byte| *byte == 7), "the part that fitted");
            let beyond =
                carry_out(&mut device, &mut out, write(600 << 10, 7, 4096), Durability::Durable).await;
            assert_eq!(beyond, Completion::Failed(Failure::NoSpace));
            // A device that is full is no broken one: what fits is written, and durably.
            let result = carry_out(&mut device, &mut out, write(at, 9, 8192), Durability::Durable).await;
            assert_eq!(result, Completion::Done);
            assert!(read(&mut device, at, 8192).await.iter().all(|byte| *byte == 9));
        })
        .expect("io_uring");
    }
}
