//! Streams of bytes over TCP.
//!
//! Receiving goes on by itself once somebody has read for the first time: bytes gather up to a bound, and beyond it
//! nothing more is taken from the kernel, which is how back-pressure reaches the other end. Sending keeps one request in
//! flight; what is written meanwhile gathers and leaves in the next one. A small one is first tried at once, and counts as
//! sent until the kernel says otherwise: almost always the network takes it in the system call that hands it over, and
//! nobody needs to be woken to hear so.

use crate::files::Known;
use crate::machine::{Machine, Owner};
use crate::sys_ring::{Event, Request, Token};
use seedfast_core::runtime::{Error, Stream, remember};
use std::cell::{Cell, RefCell};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// So much is taken from the kernel before somebody reads it, in bytes.
const MOST_RECEIVED: usize = 256 << 10;
/// So much is tried at once, and counts as sent before it is known to be, in bytes.
const SMALL: usize = 64 << 10;
/// How much is received at once where the kernel cannot receive again and again.
const RECEIVE: usize = 16 << 10;

/// What completes: the tag of a request.
const RECEIVED: u64 = 0;
const SENT: u64 = 1;

/// A stream over TCP. Dropping it sends what was written, for a bounded time, and closes it.
pub struct RealStream {
    machine: Rc<Machine>,
    socket: Rc<Socket>,
}

struct Socket {
    tcp: Rc<Known<TcpStream>>,
    receiving: RefCell<Receiving>,
    sending: RefCell<Sending>,
    broken: Cell<bool>,
    dropped: Cell<bool>,
}

#[derive(Default)]
struct Receiving {
    bytes: Vec<u8>,
    /// How many of them were read.
    read: usize,
    ended: bool,
    request: Option<Token>,
    stopping: bool,
    spare: Vec<u8>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Sending {
    /// How many bytes the request in flight still has to send.
    in_flight: usize,
    /// It is tried at once.
    at_once: bool,
    request: Option<Token>,
    next: Vec<u8>,
    spare: Vec<u8>,
    closing: bool,
    closed: bool,
    waker: Option<Waker>,
}

impl Sending {
    /// How much is known to wait.
    fn backlog(&self) -> usize {
        self.next.len() + if self.at_once { 0 } else { self.in_flight }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake_by_ref();
    }
}

impl RealStream {
    pub(crate) fn new(machine: Rc<Machine>, tcp: Rc<Known<TcpStream>>) -> Self {
        let socket = Socket {
            tcp,
            receiving: RefCell::default(),
            sending: RefCell::default(),
            broken: Cell::new(false),
            dropped: Cell::new(false),
        };
        RealStream { machine, socket: Rc::new(socket) }
    }

    /// The address of the other end, if it is still there.
    pub fn peer_address(&self) -> Option<String> {
        self.socket.tcp.peer_addr().ok().map(|address| address.to_string())
    }
}

impl Socket {
    fn receive(self: &Rc<Self>, machine: &Machine, receiving: &mut Receiving) {
        if receiving.request.is_some() || receiving.ended || self.broken.get() || machine.is_over() {
            return;
        }
        let socket = self.tcp.clone();
        let request = if machine.abilities().multishot {
            Request::ReceiveMany { socket }
        } else {
            let mut into = std::mem::take(&mut receiving.spare);
            into.reserve(RECEIVE);
            Request::Receive { socket, into }
        };
        receiving.stopping = false;
        receiving.request = Some(machine.submit(request, self.clone(), RECEIVED));
    }

    /// Sends `bytes` from the place on: at once if they are few, or when the network takes them.
    fn send(
        self: &Rc<Self>,
        machine: &Machine,
        sending: &mut Sending,
        bytes: Vec<u8>,
        from: usize,
        at_once: bool,
    ) {
        sending.in_flight = bytes.len() - from;
        let at_once = at_once && sending.in_flight <= SMALL;
        sending.at_once = at_once;
        if at_once && (sending.closing || self.dropped.get()) {
            machine.ring.borrow_mut().hurry();
        }
        let request = Request::Send { socket: self.tcp.clone(), bytes, from, at_once };
        sending.request = Some(machine.submit(request, self.clone(), SENT));
    }

    fn break_off(&self) {
        self.broken.set(true);
        wake(&mut self.receiving.borrow_mut().waker);
        let mut sending = self.sending.borrow_mut();
        sending.next.clear();
        wake(&mut sending.waker);
    }

    fn received(self: &Rc<Self>, machine: &Rc<Machine>, mut event: Event) {
        let mut receiving = self.receiving.borrow_mut();
        let receiving = &mut *receiving;
        if !event.more {
            receiving.request = None;
        }
        if let Some(Request::Receive { mut into, .. }) = event.request.take() {
            if receiving.bytes.is_empty() && receiving.read == 0 {
                std::mem::swap(&mut receiving.bytes, &mut into);
            } else {
                receiving.bytes.extend_from_slice(&into);
            }
            into.clear();
            receiving.spare = into;
        }
        if let Some(lease) = event.lease {
            receiving.bytes.extend_from_slice(machine.ring.borrow().leased(lease));
        }
        match event.result {
            0 => receiving.ended = true,
            count if count > 0 => {
                if receiving.bytes.len() - receiving.read >= MOST_RECEIVED && !receiving.stopping {
                    receiving.stopping = true;
                    if let Some(request) = receiving.request {
                        machine.cancel(request);
                    }
                }
            }
            why => match -why {
                libc::ECANCELED => {}
                // Every buffer is taken for the moment; by the next submission they are given back.
                libc::ENOBUFS | libc::EINTR | libc::EAGAIN => self.receive(machine, receiving),
                libc::EINVAL if machine.abilities().multishot => {
                    machine.ring.borrow_mut().give_up_multishot();
                    self.receive(machine, receiving);
                }
                _ => self.broken.set(true),
            },
        }
        wake(&mut receiving.waker);
    }

    fn sent(self: &Rc<Self>, machine: &Rc<Machine>, mut event: Event) {
        let Some(Request::Send { mut bytes, from, at_once, .. }) = event.request.take() else { return };
        let mut sending = self.sending.borrow_mut();
        let sending = &mut *sending;
        sending.request = None;
        sending.in_flight = 0;
        let from = match event.result {
            count if count >= 0 => from + count as usize,
            why if [libc::EINTR, libc::EAGAIN, libc::ENOBUFS].contains(&-why) => from,
            _ => {
                self.broken.set(true);
                sending.next.clear();
                wake(&mut sending.waker);
                wake(&mut self.receiving.borrow_mut().waker);
                return;
            }
        };
        if machine.is_over() {
            return;
        }
        if from < bytes.len() {
            if at_once {
                // It counted as sent, and is not.
                wake(&mut sending.waker);
            }
            return self.send(machine, sending, bytes, from, false);
        }
        bytes.clear();
        sending.spare = bytes;
        if !sending.next.is_empty() {
            let next = std::mem::replace(&mut sending.next, std::mem::take(&mut sending.spare));
            self.send(machine, sending, next, 0, true);
        } else if sending.closing {
            self.shut(sending);
        } else if at_once && !self.dropped.get() {
            // Whoever asked was told so before.
            return;
        }
        wake(&mut sending.waker);
    }

    fn shut(&self, sending: &mut Sending) {
        if !std::mem::replace(&mut sending.closed, true) {
            // An error says that the stream is gone already: reading will tell.
            let _ = self.tcp.shutdown(Shutdown::Write);
        }
    }
}

impl Owner for Socket {
    fn completed(self: Rc<Self>, machine: &Rc<Machine>, event: Event) {
        match event.tag {
            RECEIVED => self.received(machine, event),
            _ => self.sent(machine, event),
        }
    }
}

impl Stream for RealStream {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<usize, Error>> {
        let mut receiving = self.socket.receiving.borrow_mut();
        let receiving = &mut *receiving;
        let have = receiving.bytes.len() - receiving.read;
        if have > 0 {
            let count = have.min(most);
            if into.is_empty() && receiving.read == 0 && count == have {
                std::mem::swap(into, &mut receiving.bytes);
            } else {
                into.extend_from_slice(&receiving.bytes[receiving.read..receiving.read + count]);
                receiving.read += count;
                if receiving.read == receiving.bytes.len() {
                    receiving.bytes.clear();
                    receiving.read = 0;
                }
            }
            if have - count < MOST_RECEIVED / 2 {
                self.socket.receive(&self.machine, receiving);
            }
            return Poll::Ready(Ok(count));
        }
        if receiving.ended {
            return Poll::Ready(Ok(0));
        }
        if self.socket.broken.get() {
            return Poll::Ready(Err(Error::Broken));
        }
        self.socket.receive(&self.machine, receiving);
        remember(&mut receiving.waker, cx);
        Poll::Pending
    }

    fn write(&mut self, bytes: &mut Vec<u8>) {
        let mut sending = self.socket.sending.borrow_mut();
        let sending = &mut *sending;
        if self.socket.broken.get() || sending.closing || bytes.is_empty() {
            return bytes.clear();
        }
        if sending.request.is_none() {
            let whole = std::mem::replace(bytes, std::mem::take(&mut sending.spare));
            self.socket.send(&self.machine, sending, whole, 0, true);
            return;
        }
        if sending.next.is_empty() {
            std::mem::swap(&mut sending.next, bytes);
        } else {
            sending.next.append(bytes);
        }
        // It leaves once the one before is known to have left.
        self.machine.ring.borrow_mut().hurry();
    }

    fn backlog(&self) -> usize {
        self.socket.sending.borrow().backlog()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut sending = self.socket.sending.borrow_mut();
        if self.socket.broken.get() {
            return Poll::Ready(Err(Error::Broken));
        }
        remember(&mut sending.waker, cx);
        if sending.backlog() == 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn close(&mut self) {
        let mut sending = self.socket.sending.borrow_mut();
        sending.closing = true;
        if sending.request.is_none() && sending.next.is_empty() {
            self.socket.shut(&mut sending);
        } else {
            self.machine.ring.borrow_mut().hurry();
        }
    }
}

impl Drop for RealStream {
    fn drop(&mut self) {
        self.socket.dropped.set(true);
        let receiving = self.socket.receiving.borrow().request;
        if let Some(request) = receiving {
            self.machine.cancel(request);
        }
        let waits = self.socket.sending.borrow().request.is_some() && !self.socket.broken.get();
        if !waits || self.machine.is_over() {
            return;
        }
        self.machine.ring.borrow_mut().hurry();
        // The rest is sent by itself; whoever does not take it in time is cut off.
        let until = self.machine.monotonic() + self.machine.options.linger;
        let mut alarm = crate::runtime::RealAlarm::new(self.machine.clone());
        let (machine, socket) = (self.machine.clone(), self.socket.clone());
        self.machine.spawn(Box::pin(async move {
            seedfast_core::runtime::Alarm::set(&mut alarm, Some(until));
            std::future::poll_fn(|cx| {
                let mut sending = socket.sending.borrow_mut();
                if socket.broken.get() || (sending.request.is_none() && sending.next.is_empty()) {
                    return Poll::Ready(());
                }
                remember(&mut sending.waker, cx);
                seedfast_core::runtime::Alarm::poll_due(&mut alarm, cx)
            })
            .await;
            let request = socket.sending.borrow_mut().request;
            if let Some(request) = request {
                socket.break_off();
                machine.cancel(request);
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, run, sys_socket};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    #[test]
    fn what_the_network_does_not_take_at_once_is_sent_later_and_nobody_else_has_to_speak() {
        let small = 4096;
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        sys_socket::set(&listener, libc::SOL_SOCKET, libc::SO_RCVBUF, small).expect("a socket");
        let mine = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("loopback");
        sys_socket::set(&mine, libc::SOL_SOCKET, libc::SO_SNDBUF, small).expect("a socket");
        let (mut other, _) = listener.accept().expect("loopback");
        let hearing = std::thread::spawn(move || {
            other.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
            // If the rest never comes the stream ends here.
            let whole = other.read_exact(&mut [0; SMALL]);
            whole.and_then(|()| other.write_all(b"!"))
        });
        let answer = run(Options::new(), move |runtime| async move {
            let mine = runtime.machine.know(mine);
            let mut stream = RealStream::new(runtime.machine.clone(), Rc::new(mine));
            stream.write(&mut vec![7; SMALL]);
            let mut answer = Vec::new();
            std::future::poll_fn(|cx| stream.poll_read(cx, &mut answer, 1)).await.map(|_| answer)
        });
        assert_eq!(answer.expect("io_uring").expect("loopback"), b"!");
        hearing.join().expect("it does not panic").expect("all of it came");
    }
}
