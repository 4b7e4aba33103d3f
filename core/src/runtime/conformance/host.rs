//! Who runs a case: machines with devices and addresses, made by a runtime's own tests.

use crate::id::{ClusterId, NodeId};
use crate::runtime::Runtime;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;

/// How a part of a case ended: `Err` says in one sentence what did not hold.
pub type Verdict = Result<(), String>;

/// What one life of a role does. A plain function, so that a host may run every role on a thread of its own: roles
/// share nothing and speak to each other through the runtime only.
pub type Part<R> = fn(R, Site) -> Pin<Box<dyn Future<Output = Verdict>>>;

/// Where a role stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A machine: it has devices, an endpoint among its peers, and may listen for streams.
    Machine,
    /// Outside: it opens streams to machines, nothing else. A host for which all are alike may make it a machine.
    Client,
}

/// One of those who take part in a case.
#[derive(Clone, Debug)]
pub struct Role<R> {
    /// Where it stands.
    pub place: Place,
    /// Its lives, one after the other, at least one; a client has one.
    pub lives: Vec<Part<R>>,
}

/// One claim about a runtime.
#[derive(Clone, Debug)]
pub struct Case<R> {
    /// Its name: the function's.
    pub name: &'static str,
    /// The claim in one line.
    pub about: &'static str,
    /// Machines first, then clients; the role's place in this list is its [`Site::me`].
    pub roles: Vec<Role<R>>,
}

/// What a role is told of the place that it runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its place in [`Case::roles`].
    pub me: NodeId,
    /// Which of its lives this is, from 1.
    pub life: u32,
    /// The cluster of every machine.
    pub cluster: ClusterId,
    /// Where the endpoint of each machine of the case is.
    pub members: Vec<(NodeId, String)>,
    /// Where each machine of the case may listen for streams, by its number. Nobody does before the case begins.
    pub services: Vec<String>,
    /// The names of this machine's two devices. Each is blank (zeros) in the first life and holds at least
    /// [`LEAST_CAPACITY`] bytes. Empty for a client.
    pub devices: Vec<String>,
}

/// The least that a device of a [`Site`] holds, in bytes.
pub const LEAST_CAPACITY: u64 = 8 << 20;

/// Whoever can run cases. A host promises this:
///
/// - Each role has a runtime of its own: on one thread, on threads, or in a simulated world. All roles of a case run
///   at the same time, and nothing of an earlier case is left: devices are blank, addresses free.
/// - When the part of a life that is not the role's last returns, its runtime is torn down with everything that was
///   made from it, as a crash of the process would do it; then the next life begins, with a new runtime and the same
///   devices and addresses.
/// - When the part of the last life returns, its runtime runs on (its tasks, what it had sent) until the last parts of
///   all roles have returned.
/// - A part that panics fails the case.
pub trait Host {
    /// The runtime that is tried.
    type Runtime: Runtime;

    /// Runs a case to its end.
    ///
    /// # Errors
    /// What the first part that failed said, with its role; or that the case did not come to an end in a time that
    /// the host finds long (a minute of real time, an hour of simulated time).
    fn run(&mut self, case: &Case<Self::Runtime>) -> Verdict;
}
