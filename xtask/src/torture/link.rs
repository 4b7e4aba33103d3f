//! A directed link between two replicas: every stream that one opens to the other goes through a proxy, which can cut
//! it, stall it and slow it down. Each replica speaks on the streams that it opened itself, so a cut has a direction.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// What becomes of bytes on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// They go through.
    Pass,
    /// Each piece that was read goes through so much later.
    Slow(Duration),
    /// They wait.
    Stall,
    /// Streams break, and none can be opened.
    Cut,
}

/// How long a connection to the replica behind the link may take.
const CONNECT: Duration = Duration::from_millis(500);

struct State {
    rule: Rule,
    /// Both ends of every stream that goes through.
    streams: Vec<(u64, TcpStream)>,
    opened: u64,
    over: bool,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// One directed link.
pub(crate) struct Link {
    port: u16,
    shared: Shared,
}

impl Link {
    /// Waits at `listener` and passes everything on to `target`, a port of loopback.
    ///
    /// # Errors
    /// The listener does not know its own address.
    pub(crate) fn open(listener: TcpListener, target: u16) -> io::Result<Link> {
        let port = listener.local_addr()?.port();
        let state = State { rule: Rule::Pass, streams: Vec::new(), opened: 0, over: false };
        let shared: Shared = Arc::new((Mutex::new(state), Condvar::new()));
        let own = shared.clone();
        thread::spawn(move || welcome(&listener, target, &own));
        Ok(Link { port, shared })
    }

    /// Where the proxy waits.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on this rule holds.
    pub(crate) fn set(&self, rule: Rule) {
        let mut state = lock(&self.shared);
        state.rule = rule;
        if rule == Rule::Cut {
            shut(&mut state);
        }
        self.shared.1.notify_all();
    }

    /// Every stream breaks now.
    pub(crate) fn sever(&self) {
        shut(&mut lock(&self.shared));
        self.shared.1.notify_all();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.over = true;
        shut(&mut state);
        drop(state);
        self.shared.1.notify_all();
        // The listener's thread is woken by somebody who comes.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn shut(state: &mut State) {
    for (_, stream) in state.streams.drain(..) {
        // One that is closed already needs no closing.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn welcome(listener: &TcpListener, target: u16, shared: &Shared) {
    for near in listener.incoming() {
        let rule = {
            let state = lock(shared);
            if state.over {
                return;
            }
            state.rule
        };
        let Ok(near) = near else {
            // No more descriptors, most likely.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        if rule != Rule::Cut {
            // What cannot be connected is closed again, as a kernel does on whose port nobody waits.
            let _ = join(near, target, shared);
        }
    }
}

fn join(near: TcpStream, target: u16, shared: &Shared) -> io::Result<()> {
    let far = TcpStream::connect_timeout(&([127, 0, 0, 1], target).into(), CONNECT)?;
    for stream in [&near, &far] {
        stream.set_nodelay(true)?;
    }
    let number = {
        let mut state = lock(shared);
        state.opened += 1;
        let number = state.opened;
        state.streams.push((number, near.try_clone()?));
        state.streams.push((number, far.try_clone()?));
        if state.rule == Rule::Cut || state.over {
            shut(&mut state);
        }
        number
    };
    let back = (far.try_clone()?, near.try_clone()?);
    for (from, to) in [(near, far), back] {
        let shared = shared.clone();
        thread::spawn(move || {
            // However a stream ends, both its ends do.
            let _ = carry(&from, &to, &shared);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            lock(&shared).streams.retain(|(known, _)| *known != number);
        });
    }
    Ok(())
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        let mut state = lock(shared);
        while state.rule == Rule::Stall && !state.over {
            state = shared.1.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        let rule = state.rule;
        drop(state);
        if let Rule::Slow(time) = rule {
            thread::sleep(time);
        }
        to.write_all(&bytes[..count])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener() -> TcpListener {
        TcpListener::bind(("127.0.0.1", 0)).expect("loopback has ports")
    }

    fn pair(link: &Link, target: &TcpListener) -> (TcpStream, TcpStream) {
        let near = TcpStream::connect(("127.0.0.1", link.port())).expect("the proxy waits");
        let (far, _) = target.accept().expect("the proxy comes");
        for stream in [&near, &far] {
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("it is a socket");
        }
        (near, far)
    }

    #[test]
    fn bytes_pass_wait_and_are_cut_off() {
        let target = listener();
        let link = Link::open(listener(), target.local_addr().expect("it has one").port()).expect("it opens");
        let (mut near, mut far) = pair(&link, &target);
        let mut byte = [0];
        near.write_all(b"a").expect("it is open");
        far.read_exact(&mut byte).expect("it comes");
        far.write_all(b"b").expect("it is open");
        near.read_exact(&mut byte).expect("it comes");
        assert_eq!(&byte, b"b");

        link.set(Rule::Stall);
        near.write_all(b"c").expect("it is open");
        far.set_read_timeout(Some(Duration::from_millis(50))).expect("it is a socket");
        assert!(far.read_exact(&mut byte).is_err(), "it was to wait");
        far.set_read_timeout(Some(Duration::from_secs(20))).expect("it is a socket");
        link.set(Rule::Pass);
        far.read_exact(&mut byte).expect("it comes");
        assert_eq!(&byte, b"c");

        link.set(Rule::Cut);
        assert!(!matches!(near.read(&mut byte), Ok(1..)), "it was to break");
        assert!(!matches!(far.read(&mut byte), Ok(1..)), "it was to break");
        let mut refused = TcpStream::connect(("127.0.0.1", link.port())).expect("the proxy waits");
        refused.set_read_timeout(Some(Duration::from_secs(20))).expect("it is a socket");
        assert!(!matches!(refused.read(&mut byte), Ok(1..)), "none can be opened");
        link.set(Rule::Pass);
        let (mut near, mut far) = pair(&link, &target);
        near.write_all(b"d").expect("it is open");
        far.read_exact(&mut byte).expect("it comes");
        link.sever();
        assert!(!matches!(far.read(&mut byte), Ok(1..)), "it was to break");
    }
}
