//! What every [`Runtime`] promises, as cases that run against any of them.
//!
//! One suite, two backends: `seedfast-runtime-sim` and `seedfast-runtime-real` each bring a [`Host`] and run
//! [`cases`] in their tests. A case is a claim of the trait's documentation; what the trait does not promise (an order
//! of messages, of tasks) no case asks for. No case asserts how long anything takes: only that it comes, and that it
//! does not come early.
//!
//! What is left to the caller is not tried here, because the two backends answer it differently: writes that overlap
//! in flight, misaligned ranges, ranges beyond a device's end, frames above the limit. The simulated world calls each a
//! violation.

mod devices;
mod driven;
pub mod host;
pub mod kit;
mod messages;
mod streams;
mod tasks;
mod timers;

pub use host::{Case, Host, Part, Place, Role, Site, Verdict};

use super::Runtime;
use alloc::vec::Vec;

/// A case of these roles, named after its function.
macro_rules! case {
    ($name:path, $about:literal, [$($role:expr),+ $(,)?]) => {
        $crate::runtime::conformance::Case {
            name: stringify!($name),
            about: $about,
            roles: alloc::vec![$($role),+],
        }
    };
}

/// The role of a machine that lives these lives, one after the other.
macro_rules! machine {
    ($($life:path),+ $(,)?) => {
        $crate::runtime::conformance::Role {
            place: $crate::runtime::conformance::Place::Machine,
            lives: alloc::vec![$((|runtime, site| alloc::boxed::Box::pin($life(runtime, site)))
                as $crate::runtime::conformance::Part<R>),+],
        }
    };
}

/// The role of a client.
macro_rules! client {
    ($life:path) => {
        $crate::runtime::conformance::Role {
            place: $crate::runtime::conformance::Place::Client,
            lives: alloc::vec![
                (|runtime, site| alloc::boxed::Box::pin($life(runtime, site)))
                    as $crate::runtime::conformance::Part<R>
            ],
        }
    };
}

/// Fails the part with a sentence unless the condition holds.
macro_rules! claim {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err(alloc::format!($($what)+));
        }
    };
}

use {case, claim, client, machine};

/// Every case.
pub fn cases<R: Runtime>() -> Vec<Case<R>> {
    let mut all = Vec::new();
    all.extend(tasks::cases());
    all.extend(timers::cases());
    all.extend(streams::cases());
    all.extend(devices::cases());
    all.extend(messages::cases());
    all.extend(driven::cases());
    all
}

/// Runs every case; what did not hold, by name.
pub fn run_all<H: Host>(host: &mut H) -> Vec<(&'static str, Verdict)> {
    cases().iter().map(|case| (case.name, host.run(case))).collect()
}
