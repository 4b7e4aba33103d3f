//! Where streams come in: clients of RESP, native clients, and those who watch over the node.

use crate::cluster::Address;
use crate::trouble::Trouble;
use seedfast_core::runtime::clients::Clients;
use seedfast_core::runtime::race::race;
use seedfast_core::runtime::{Error, Listener, Runtime, Task, accept};
use seedfast_core::{Duration, GroupId};
use seedfast_kv::native::{self, Guests};
use seedfast_kv::server::{self, Service};
use seedfast_runtime_real::{RealListener, RealRuntime};
use std::future::Future;
use std::pin::Pin;
use tracing::{debug, warn};

/// How long a watcher's request over HTTP may take.
const HTTP: Duration = Duration::from_secs(10);
/// How long what is in use is waited for, and how often it is tried.
const RELEASE: Duration = Duration::from_secs(2);
const GLANCE: Duration = Duration::from_millis(10);
/// How long to wait before accepting again when this machine could not.
const BREATH: Duration = Duration::from_millis(100);

type Visit = Pin<Box<dyn Future<Output = ()>>>;
type RealStream = <RealListener as Listener>::Stream;
type RealTask = <RealRuntime as Runtime>::Task;

/// Waits for `whom` at `address`.
///
/// # Errors
/// The address cannot be had; one sentence.
pub(crate) async fn listen(
    runtime: &RealRuntime,
    whom: &str,
    address: &Address,
) -> Result<RealListener, Trouble> {
    let address = address.to_string();
    let listener = patiently(runtime, || runtime.listen(&address)).await;
    listener.map_err(|why| unheard(whom, &address, &why))
}

/// Tries again what is in use. A process that was killed holds its addresses and files for a moment longer, until the
/// kernel has taken back what it had asked of its ring; whoever starts it again at once must not fail for that.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, Error>>>(
    runtime: &RealRuntime,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Error> {
    let until = runtime.now().monotonic + RELEASE;
    loop {
        match attempt().await {
            Err(Error::InUse(_)) if runtime.now().monotonic < until => {
                runtime.sleep(runtime.now().monotonic + GLANCE).await;
            }
            had => return had,
        }
    }
}

/// The sentence for an address that cannot be waited at.
pub(crate) fn unheard(whom: &str, address: &str, why: &Error) -> Trouble {
    Trouble::usage(match why {
        Error::InUse(_) => format!(
            "cannot wait for {whom} at {address}: the address is in use by another process; end that one, or name \
             another address"
        ),
        why => format!("cannot wait for {whom} at {address}: {why}"),
    })
}

/// The doors to clients, as long as they are open.
pub(crate) struct Doors {
    tasks: Vec<RealTask>,
    guests: Guests,
}

impl Doors {
    /// Opens the door to clients of RESP.
    pub(crate) fn open(
        runtime: &RealRuntime,
        listener: RealListener,
        service: &Service,
        clients: &Clients,
    ) -> Self {
        let (service, clients) = (service.clone(), clients.clone());
        let attend =
            move |stream| -> Visit { Box::pin(server::serve(service.clone(), stream, clients.connect())) };
        let tasks = vec![welcome(runtime, "a client", listener, attend)];
        Doors { tasks, guests: Guests::default() }
    }

    /// Opens one to native clients.
    pub(crate) fn native(
        &mut self,
        runtime: &RealRuntime,
        listener: RealListener,
        group: GroupId,
        clients: &Clients,
    ) {
        let (host, clients, guests) = (runtime.clone(), clients.clone(), self.guests.clone());
        let attend = move |stream| -> Visit {
            Box::pin(native::serve(host.clone(), stream, clients.connect(), group, guests.clone()))
        };
        self.tasks.push(welcome(runtime, "a native client", listener, attend));
    }

    /// Opens one to those who watch over the node; it stays open to the end.
    pub(crate) fn watchers(runtime: &RealRuntime, listener: RealListener, service: &Service) {
        let (timer, service) = (runtime.clone(), service.clone());
        let attend = move |stream| -> Visit {
            let (timer, service) = (timer.clone(), service.clone());
            Box::pin(async move {
                let late = timer.sleep(timer.now().monotonic + HTTP);
                race(&timer, server::http::serve(service, stream), late).await;
            })
        };
        welcome(runtime, "a watcher", listener, attend);
    }

    /// The native clients who came in.
    pub(crate) fn guests(&self) -> Guests {
        self.guests.clone()
    }

    /// Nobody new comes in.
    pub(crate) fn close(self) {
        self.tasks.into_iter().for_each(Task::cancel);
    }
}

/// Takes in streams, each as a task of its own, until the task returned is cancelled.
fn welcome(
    runtime: &RealRuntime,
    whom: &'static str,
    mut listener: RealListener,
    mut attend: impl FnMut(RealStream) -> Visit + 'static,
) -> RealTask {
    let host = runtime.clone();
    runtime.spawn(async move {
        let mut number = 0_u64;
        loop {
            match accept(&mut listener).await {
                Ok(stream) => {
                    number += 1;
                    debug!(number, "{whom} comes");
                    let visit = attend(stream);
                    host.spawn(async move {
                        visit.await;
                        debug!(number, "{whom} goes");
                    });
                }
                // No more descriptors, most likely: those who leave give theirs back.
                Err(why) => {
                    warn!("{whom} could not be let in: {why}");
                    host.sleep(host.now().monotonic + BREATH).await;
                }
            }
        }
    })
}
