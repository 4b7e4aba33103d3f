//! [`Runtime`] on one thread of a real machine.

use crate::connect::{Pending, connect, explain};
use crate::device::RealDevice;
use crate::executor::TaskId;
use crate::listener::RealListener;
use crate::machine::Machine;
use crate::options::Options;
use crate::stream::RealStream;
use crate::sys_ring::{Abilities, Counts, Request};
use crate::{sys_os, sys_signal};
use seedfast_core::runtime::{Alarm, Error, Membership, Runtime, Task};
use seedfast_core::time::{Duration, Instant, Now};
use seedfast_core::transport::Mesh;
use std::future::Future;
use std::net::TcpListener;
use std::rc::Rc;
use std::task::{Context, Poll};

/// One thread, one `io_uring`. A clone is another handle of the same.
#[derive(Clone)]
pub struct RealRuntime {
    pub(crate) machine: Rc<Machine>,
}

/// How long a device that is in use may go on being so before it is said.
const RELEASE: Duration = Duration::from_millis(250);

/// Runs `main` on this thread, with a runtime of its own, until it is done. Then every task is ended, and the kernel has
/// let go of whatever was in flight: streams are cut, writes to devices have ended, files are free for others.
///
/// # Errors
/// This machine forbids or lacks `io_uring`: [`Error::Unsupported`] says which, and what to do.
pub fn run<T, F>(options: Options, main: impl FnOnce(RealRuntime) -> F) -> Result<T, Error>
where
    T: 'static,
    F: Future<Output = T> + 'static,
{
    let machine = Machine::new(options)?;
    let _closing = Closing(machine.clone());
    Ok(machine.run(main(RealRuntime { machine: machine.clone() })))
}

/// From now on a signal that asks this process to end does so at once, as before [`RealRuntime::terminated`]. Whether one
/// has come since that was called: for a process that is about to become another program, which must not forget it.
///
/// # Errors
/// The signals cannot be had.
pub fn ends_at_once() -> Result<bool, Error> {
    sys_signal::deaf().map_err(|why| Error::Exhausted(format!("signals cannot be left alone: {why}")))
}

/// Closes the machine also when `main` panics.
struct Closing(Rc<Machine>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl RealRuntime {
    /// What was counted so far: system calls, requests, completions.
    pub fn counts(&self) -> Counts {
        self.machine.counts()
    }

    /// Waits until somebody asks this process to end (SIGTERM, or SIGINT from a keyboard). From the first call on the
    /// first such signal does nothing else; the second one ends the process.
    ///
    /// # Errors
    /// The signals cannot be listened to.
    pub async fn terminated(&self) -> Result<(), Error> {
        let explain = |why| Error::Exhausted(format!("signals cannot be listened to: {why}"));
        let pipe = sys_signal::termination().map_err(explain)?;
        let request = Request::Listen { pipe: Rc::new(pipe), into: Vec::with_capacity(8) };
        match Pending::new(&self.machine, request).result().await {
            0.. => Ok(()),
            why => Err(explain(std::io::Error::from_raw_os_error(-why))),
        }
    }

    /// What this kernel offers and what is used of it.
    pub fn abilities(&self) -> Abilities {
        self.machine.abilities()
    }
}

impl Runtime for RealRuntime {
    type Alarm = RealAlarm;
    type Task = RealTask;
    type Endpoint = Mesh<RealRuntime>;
    type Device = RealDevice;
    type Listener = RealListener;
    type Stream = RealStream;

    fn now(&self) -> Now {
        self.machine.now()
    }

    fn entropy(&self) -> [u8; 32] {
        sys_os::entropy()
    }

    fn choose(&self, of: usize) -> usize {
        self.machine.choose(of)
    }

    fn alarm(&self) -> RealAlarm {
        RealAlarm::new(self.machine.clone())
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> RealTask {
        RealTask { id: self.machine.spawn(Box::pin(task)), machine: self.machine.clone() }
    }

    async fn endpoint(&self, membership: Membership) -> Result<Mesh<RealRuntime>, Error> {
        Mesh::open(self, membership, self.machine.options.limits).await
    }

    async fn device(&self, name: &str) -> Result<RealDevice, Error> {
        // The kernel lets go of a file a moment after the last request on it has completed: whoever opens what a life that
        // has just ended had open waits for that. Longer only for this runtime's own, dropped with operations in flight.
        let patience = self.machine.monotonic() + RELEASE;
        loop {
            let leaving = self.machine.is_leaving() || self.machine.monotonic() < patience;
            match RealDevice::open(&self.machine, name) {
                Err(Error::InUse(_)) if leaving => {
                    self.sleep(self.machine.monotonic() + Duration::from_millis(1)).await;
                }
                opened => return opened,
            }
        }
    }

    async fn listen(&self, address: &str) -> Result<RealListener, Error> {
        let places = crate::address::resolve(address).await?;
        let tcp = TcpListener::bind(&places[..]).map_err(|why| explain(address, &why))?;
        RealListener::new(self.machine.clone(), tcp)
    }

    async fn connect(&self, address: &str) -> Result<RealStream, Error> {
        connect(&self.machine, address).await
    }
}

/// An alarm of the runtime's heap.
pub struct RealAlarm {
    machine: Rc<Machine>,
    id: u32,
}

impl RealAlarm {
    pub(crate) fn new(machine: Rc<Machine>) -> Self {
        let id = machine.alarms.borrow_mut().make();
        RealAlarm { machine, id }
    }
}

impl Alarm for RealAlarm {
    fn set(&mut self, at: Option<Instant>) {
        self.machine.alarms.borrow_mut().set(self.id, at);
    }

    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut alarms = self.machine.alarms.borrow_mut();
        match alarms.at(self.id) {
            Some(at) if at <= self.machine.monotonic() => {
                alarms.set(self.id, None);
                Poll::Ready(())
            }
            // One that is set later is waited for, too.
            _ => {
                alarms.wait(self.id, cx);
                Poll::Pending
            }
        }
    }
}

impl Drop for RealAlarm {
    fn drop(&mut self) {
        self.machine.alarms.borrow_mut().drop(self.id);
    }
}

/// A task of this thread.
pub struct RealTask {
    machine: Rc<Machine>,
    id: TaskId,
}

impl Task for RealTask {
    fn is_finished(&self) -> bool {
        self.machine.is_finished(self.id)
    }

    fn cancel(self) {
        self.machine.end(self.id);
    }
}
