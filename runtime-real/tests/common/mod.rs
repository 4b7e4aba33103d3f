//! What the direct tests share.
#![allow(dead_code, reason = "each test file uses its part")]

use seedfast_core::id::{Incarnation, OperationId};
use seedfast_core::input::Input;
use seedfast_core::outbox::Outbox;
use seedfast_core::runtime::{Device, Runtime};
use seedfast_core::storage::{Chain, Completion, Durability, Range};
use seedfast_core::time::Duration;
use seedfast_runtime_real::device::create;
use seedfast_runtime_real::{RealDevice, RealRuntime};
use std::future::poll_fn;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Addresses where nobody listens, all different, in this process and most likely beyond. Below the range from which the
/// kernel takes the ports of outgoing streams, so that none of those takes one before its listener does.
pub(crate) fn free_addresses(count: usize) -> Vec<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(97);
    let places = std::iter::repeat_with(|| {
        let port = 10_000 + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        format!("127.0.0.1:{port}")
    });
    places.take(20_000).filter(|place| TcpListener::bind(place).is_ok()).take(count).collect()
}

/// A file that goes when the test ends.
pub(crate) struct Temporary(pub(crate) PathBuf);

impl Temporary {
    /// A path where nothing is.
    pub(crate) fn path(name: &str) -> Self {
        Temporary(std::env::temp_dir().join(format!("seedfast-{name}-{}", std::process::id())))
    }

    /// A device of `capacity` bytes.
    pub(crate) fn device(name: &str, capacity: u64) -> Self {
        let file = Temporary::path(name);
        create(&file.0, capacity).expect("room for a device");
        file
    }

    pub(crate) fn name(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn op(number: u32) -> OperationId {
    OperationId { incarnation: Incarnation(1), number }
}

/// The next completion.
pub(crate) async fn completion(device: &mut RealDevice) -> (OperationId, Completion) {
    let mut inputs = Vec::new();
    poll_fn(|cx| device.poll_completed(cx, &mut inputs, 1)).await;
    match inputs.pop() {
        Some(Input::Completed { op, result }) => (op, result),
        other => panic!("no completion: {other:?}"),
    }
}

/// Submits a chain, waits for it and gives it back.
pub(crate) async fn carry_out(
    device: &mut RealDevice,
    out: &mut Outbox,
    chain: Chain,
    durability: Durability,
) -> Completion {
    device.submit(op(1), chain, durability);
    let (which, result) = completion(device).await;
    assert_eq!(which, op(1));
    device.reclaim(out);
    result
}

pub(crate) async fn read(device: &mut RealDevice, at: u64, length: u64) -> Vec<u8> {
    device.read(op(2), Range { at, length });
    match completion(device).await {
        (which, Completion::Data(bytes)) if which == op(2) => bytes.to_vec(),
        other => panic!("no data: {other:?}"),
    }
}

pub(crate) async fn pause(runtime: &RealRuntime, millis: u64) {
    runtime.sleep(runtime.now().monotonic + Duration::from_millis(millis)).await;
}
