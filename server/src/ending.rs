//! How a running program learns that it is enough: a signal, or the end of its standard input.

use crate::doors::Doors;
use seedfast_core::Duration;
use seedfast_core::runtime::drive::Stop;
use seedfast_core::runtime::race::{Either, race};
use seedfast_core::runtime::{Error, Runtime};
use seedfast_kv::server::Service;
use seedfast_runtime_real::RealRuntime;
use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use tracing::{error, info, warn};

/// How long clients that are owed answers are waited for.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often it is looked whether they are gone.
const GLANCE: Duration = Duration::from_millis(5);

/// What comes after a life that ended by itself.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Next {
    #[default]
    Nothing,
    /// The next one, at once.
    Life,
}

/// Waits to be told to end, or for the `renewal`; then nobody new is let in, whoever is owed an answer gets it within bounds,
/// and the drive ends. There is nothing to save: what was acknowledged is durable, and what was not is nobody's.
pub(crate) async fn farewell(
    runtime: RealRuntime,
    with_parent: bool,
    renewal: impl Future<Output = ()>,
    next: Rc<Cell<Next>>,
    service: Service,
    doors: Doors,
    stop: Stop,
) {
    let guests = doors.guests();
    let connected = || service.connected() + guests.connected();
    let told = async {
        if let Err(why) = asked(runtime.clone(), with_parent).await {
            error!("this replica cannot be asked to end: {why}");
            pending::<()>().await;
        }
    };
    match race(&runtime, told, renewal).await {
        Either::First(()) => {
            info!(clients = connected(), "the replica was asked to end: it answers what it owes");
        }
        // Whoever asks from now on is noticed before the next life begins.
        Either::Second(()) => {
            next.set(Next::Life);
            info!(clients = connected(), "the replica restarts, so that it is recorded again");
        }
    }
    doors.close();
    service.stop();
    guests.stop();
    let until = runtime.now().monotonic + FAREWELL;
    while connected() > 0 {
        if runtime.now().monotonic >= until {
            warn!(clients = connected(), "these clients were still owed answers");
            break;
        }
        runtime.sleep(runtime.now().monotonic + GLANCE).await;
    }
    stop.ask();
}

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
