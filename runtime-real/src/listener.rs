//! Waiting for streams.

use crate::machine::{Machine, Owner};
use crate::stream::RealStream;
use crate::sys_ring::{Event, Request, Token};
use crate::sys_socket;
use seedfast_core::runtime::{Error, Listener, remember};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// So many streams are accepted before somebody asks for them.
const MOST_WAITING: usize = 256;

/// A listener on a TCP port.
pub struct RealListener {
    machine: Rc<Machine>,
    port: Rc<Port>,
    address: String,
}

struct Port {
    tcp: Rc<TcpListener>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    accepted: VecDeque<OwnedFd>,
    failed: Option<Error>,
    request: Option<Token>,
    waker: Option<Waker>,
}

impl RealListener {
    pub(crate) fn new(machine: Rc<Machine>, tcp: TcpListener) -> Result<Self, Error> {
        let address =
            tcp.local_addr().map_err(|why| Error::Other(format!("a listener has no address: {why}")))?;
        let port = Rc::new(Port { tcp: Rc::new(tcp), state: RefCell::default() });
        port.accept(&machine, &mut port.state.borrow_mut());
        Ok(RealListener { machine, port, address: address.to_string() })
    }
}

impl Port {
    fn accept(self: &Rc<Self>, machine: &Machine, state: &mut State) {
        if state.request.is_none() && !machine.is_over() {
            let multishot = machine.abilities().multishot;
            let request = Request::Accept { listener: self.tcp.clone(), multishot };
            state.request = Some(machine.submit(request, self.clone(), 0));
        }
    }
}

impl Owner for Port {
    fn completed(self: Rc<Self>, machine: &Rc<Machine>, event: Event) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if !event.more {
            state.request = None;
        }
        match event.accepted {
            Some(accepted) => {
                state.accepted.push_back(accepted);
                let enough = state.accepted.len() >= MOST_WAITING;
                match state.request {
                    Some(request) if enough => machine.cancel(request),
                    None if !enough => self.accept(machine, state),
                    _ => {}
                }
            }
            None => match -event.result {
                libc::ECANCELED => {}
                // The other end gave up before it was accepted: `accept(2)` says to go on.
                libc::ECONNABORTED | libc::EINTR | libc::EAGAIN | libc::EPROTO => self.accept(machine, state),
                libc::EINVAL if machine.abilities().multishot => {
                    machine.ring.borrow_mut().give_up_multishot();
                    self.accept(machine, state);
                }
                why => {
                    let why = io::Error::from_raw_os_error(why);
                    state.failed = Some(Error::Exhausted(format!("no stream can be accepted now: {why}")));
                }
            },
        }
        if let Some(waker) = &state.waker {
            waker.wake_by_ref();
        }
    }
}

impl Listener for RealListener {
    type Stream = RealStream;

    fn address(&self) -> String {
        self.address.clone()
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<RealStream, Error>> {
        loop {
            let mut state = self.port.state.borrow_mut();
            if let Some(accepted) = state.accepted.pop_front() {
                let tcp = TcpStream::from(accepted);
                // One that has broken meanwhile cannot be prepared, and nobody needs it.
                if sys_socket::prepare(&tcp, self.machine.options.dead_after).is_ok() {
                    let tcp = Rc::new(self.machine.know(tcp));
                    return Poll::Ready(Ok(RealStream::new(self.machine.clone(), tcp)));
                }
                continue;
            }
            if let Some(why) = state.failed.take() {
                return Poll::Ready(Err(why));
            }
            self.port.accept(&self.machine, &mut state);
            remember(&mut state.waker, cx);
            return Poll::Pending;
        }
    }
}

impl Drop for RealListener {
    fn drop(&mut self) {
        let request = self.port.state.borrow().request;
        if let Some(request) = request {
            self.machine.cancel(request);
        }
        // The request holds the socket until it has ended. Nobody is to be accepted meanwhile, and whoever listens at
        // this address next must not find it taken: a listener that is shut down has given it up.
        if let Ok(socket) = self.port.tcp.try_clone() {
            let _ = TcpStream::from(OwnedFd::from(socket)).shutdown(Shutdown::Both);
        }
    }
}
