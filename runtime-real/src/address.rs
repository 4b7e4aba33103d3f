//! From an address in words to one that sockets take. Names are looked up on a thread of their own, because that blocks.

use seedfast_core::runtime::Error;
use std::future::poll_fn;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

#[derive(Default)]
struct Lookup {
    answer: Option<Result<Vec<SocketAddr>, Error>>,
    waker: Option<Waker>,
}

/// The socket addresses behind `address`, at least one.
///
/// # Errors
/// It is not `host:port`, or the host has no address.
pub(crate) async fn resolve(address: &str) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = address.parse() {
        return Ok(vec![address]);
    }
    let lookup = Arc::new(Mutex::new(Lookup::default()));
    let (name, into) = (address.to_owned(), lookup.clone());
    let spawned = std::thread::Builder::new().name("name lookup".into()).spawn(move || {
        let answer = look_up(&name);
        let mut lookup = into.lock().unwrap_or_else(PoisonError::into_inner);
        lookup.answer = Some(answer);
        if let Some(waker) = lookup.waker.take() {
            waker.wake();
        }
    });
    spawned.map_err(|why| Error::Exhausted(format!("no thread to look up {address}: {why}")))?;
    poll_fn(|cx| {
        let mut lookup = lookup.lock().unwrap_or_else(PoisonError::into_inner);
        lookup.waker = Some(cx.waker().clone());
        lookup.answer.take().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

fn look_up(name: &str) -> Result<Vec<SocketAddr>, Error> {
    let usable =
        name.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !usable {
        return Err(Error::Invalid(format!("{name:?} is no address: write host:port")));
    }
    let found: Vec<SocketAddr> = match name.to_socket_addrs() {
        Ok(found) => found.collect(),
        Err(why) => return Err(Error::Unreachable(format!("{name} ({why})"))),
    };
    if found.is_empty() { Err(Error::Unreachable(name.to_owned())) } else { Ok(found) }
}
