//! Opening a stream.

use crate::address::resolve;
use crate::files::Known;
use crate::machine::{Machine, Owner};
use crate::stream::RealStream;
use crate::sys_ring::{Event, Request, Token};
use crate::sys_socket;
use seedfast_core::runtime::{Error, remember};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Opens a stream to the first of the addresses behind `address` where somebody listens.
pub(crate) async fn connect(machine: &Rc<Machine>, address: &str) -> Result<RealStream, Error> {
    let mut last = Error::Unreachable(address.to_owned());
    for place in resolve(address).await? {
        match connect_to(machine, place).await {
            Ok(tcp) => return Ok(RealStream::new(machine.clone(), tcp)),
            Err(why) => last = explain(address, &why),
        }
    }
    Err(last)
}

async fn connect_to(machine: &Rc<Machine>, place: SocketAddr) -> io::Result<Rc<Known<TcpStream>>> {
    let tcp = Rc::new(machine.know(sys_socket::unconnected(&place)?));
    sys_socket::prepare(&tcp, machine.options.dead_after)?;
    let request = Request::Connect { socket: tcp.clone(), address: Box::new(place.into()) };
    match Pending::new(machine, request).result().await {
        0 => {}
        why => return Err(io::Error::from_raw_os_error(-why)),
    }
    // On one machine a socket can meet itself, when the port that it was given is the one that it looks for
    // (simultaneous open: RFC 9293, section 3.5). Nobody else listens there.
    if tcp.local_addr()? == tcp.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(tcp)
}

pub(crate) fn explain(address: &str, why: &io::Error) -> Error {
    use io::ErrorKind::{
        AddrInUse, AddrNotAvailable, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable,
        PermissionDenied, TimedOut,
    };
    let address = address.to_owned();
    match why.kind() {
        ConnectionRefused | ConnectionReset => Error::Refused(address),
        TimedOut | HostUnreachable | NetworkUnreachable => Error::Unreachable(address),
        AddrInUse => Error::InUse(address),
        AddrNotAvailable => Error::Invalid(format!("{address} is no address of this machine")),
        PermissionDenied => Error::Denied(address),
        _ => Error::Other(format!("{address}: {why}")),
    }
}

/// A request that completes once. Dropping it asks for its end.
pub(crate) struct Pending {
    machine: Rc<Machine>,
    token: Token,
    once: Rc<Once>,
}

#[derive(Default)]
struct Once(RefCell<(Option<i32>, Option<Waker>)>);

impl Pending {
    pub(crate) fn new(machine: &Rc<Machine>, request: Request) -> Self {
        let once = Rc::new(Once::default());
        let token = machine.submit(request, once.clone(), 0);
        Pending { machine: machine.clone(), token, once }
    }

    pub(crate) async fn result(&mut self) -> i32 {
        poll_fn(|cx| {
            let mut once = self.once.0.borrow_mut();
            if once.0.is_none() {
                remember(&mut once.1, cx);
            }
            once.0.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl Owner for Once {
    fn completed(self: Rc<Self>, _: &Rc<Machine>, event: Event) {
        let mut once = self.0.borrow_mut();
        once.0 = Some(event.result);
        if let Some(waker) = once.1.take() {
            waker.wake();
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.once.0.borrow().0.is_none() {
            self.machine.cancel(self.token);
        }
    }
}
