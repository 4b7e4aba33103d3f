//! What cases are written with.

use crate::runtime::{Error, Runtime, Stream};
use crate::time::{Duration, Instant};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::Poll;

/// Lets other tasks run once.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// `millis` milliseconds from now, on this runtime's monotonic clock.
pub fn after<R: Runtime>(runtime: &R, millis: u64) -> Instant {
    runtime.now().monotonic + Duration::from_millis(millis)
}

/// Sleeps for `millis` milliseconds.
pub async fn pause<R: Runtime>(runtime: &R, millis: u64) {
    runtime.sleep(after(runtime, millis)).await;
}

/// Looks every millisecond whether `condition` holds, until it does.
pub async fn until<R: Runtime>(runtime: &R, mut condition: impl FnMut() -> bool) {
    while !condition() {
        pause(runtime, 1).await;
    }
}

/// Opens a stream to a service that may not be there yet.
///
/// # Errors
/// Whatever is neither "nobody listens" nor "nobody answers".
pub async fn reach<R: Runtime>(runtime: &R, service: &str) -> Result<R::Stream, String> {
    loop {
        match runtime.connect(service).await {
            Ok(stream) => return Ok(stream),
            Err(Error::Refused(_) | Error::Unreachable(_) | Error::Broken) => pause(runtime, 5).await,
            Err(error) => return Err(format!("connecting to {service}: {error}")),
        }
    }
}

/// Writes all of `bytes` and waits until they are on their way.
///
/// # Errors
/// The stream is broken.
pub async fn write(stream: &mut impl Stream, bytes: &[u8]) -> Result<(), String> {
    super::super::write_all(stream, bytes).await.map_err(|error| format!("writing: {error}"))
}

/// Reads until the other end closes its half, `most` bytes at a time.
///
/// # Errors
/// The stream is broken.
pub async fn read_to_end(stream: &mut impl Stream, most: usize) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    while poll_fn(|cx| stream.poll_read(cx, &mut all, most)).await.map_err(|e| format!("reading: {e}"))? > 0 {
    }
    Ok(all)
}

/// Reads exactly `length` bytes.
///
/// # Errors
/// The stream is broken, or ends before.
pub async fn read_exact(stream: &mut impl Stream, length: usize) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    while all.len() < length {
        let most = length - all.len();
        let read = poll_fn(|cx| stream.poll_read(cx, &mut all, most)).await;
        match read.map_err(|error| format!("reading: {error}"))? {
            0 => return Err(format!("the stream ended after {} of {length} bytes", all.len())),
            _ => continue,
        }
    }
    Ok(all)
}

/// `length` bytes that follow from `seed` and look like nothing else.
pub fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut random = crate::random::Random::from_seed(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
