//! How a running program learns that it is enough: a signal, or the end of its standard input.

use seedfast_core::runtime::Error;
use seedfast_core::runtime::race::{Either, race};
use seedfast_runtime_real::RealRuntime;
use std::future::{pending, poll_fn};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Ready once somebody asks this process to end, by SIGTERM or SIGINT, or `with_parent` by ending its standard input.
///
/// # Errors
/// Nobody can be listened to.
pub(crate) async fn asked(runtime: RealRuntime, with_parent: bool) -> Result<(), Error> {
    let orphaned = async {
        match with_parent {
            true => input_ended().await,
            false => pending().await,
        }
    };
    match race(&runtime, runtime.terminated(), orphaned).await {
        Either::First(asked) | Either::Second(asked) => asked,
    }
}

#[derive(Default)]
struct Ended {
    ended: bool,
    waker: Option<Waker>,
}

/// Standard input is read on a thread of its own, which this program never waits for.
async fn input_ended() -> Result<(), Error> {
    let shared = Arc::new(Mutex::new(Ended::default()));
    let into = shared.clone();
    let reader = std::thread::Builder::new().name("standard input".into()).spawn(move || {
        let mut bytes = [0; 64];
        loop {
            match io::stdin().read(&mut bytes) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
        let mut state = into.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    });
    reader.map_err(|why| Error::Exhausted(format!("no thread to read standard input: {why}")))?;
    poll_fn(|cx| {
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        state.waker = Some(cx.waker().clone());
        if state.ended { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}
