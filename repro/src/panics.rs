//! A panic of a process is a verdict, and the world catches it. What comes out of here is a panic of the harness
//! itself (a scenario that cannot draw its plan, a bug of ours): it is printed as always, and reported with its seed.

use std::panic::{self, AssertUnwindSafe};

/// Runs `work`; a panic that leaves it comes back as its message.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "a panic without a message".to_owned())
    })
}
