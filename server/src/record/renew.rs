//! When a replica restarts itself to be recorded again, and how it becomes the same program anew.

use super::Options;
use super::shelf::Shelf;
use crate::seat::Seat;
use crate::trouble::Trouble;
use seedfast_core::recording::End;
use seedfast_core::runtime::Runtime;
use seedfast_core::transport::Watch;
use seedfast_core::{Duration, NodeId, PeerSet};
use seedfast_runtime_real::{RealRuntime, ends_at_once};
use std::cell::Cell;
use std::future::pending;
use std::os::unix::process::CommandExt;
use std::rc::Rc;
use tracing::{info, warn};

/// Replicas that fill up together are not away together: all must have been well for so large a part of the time between
/// two restarts, and for as long again for each number below the replica's own.
const PART: u64 = 6;
/// How often it is looked whether it may, within that part.
const GLANCES: u64 = 20;
/// Tells a program that it was started by itself.
const AGAIN: &str = "SEEDFAST_KV_AGAIN";

/// Whether another life has something to record that this one has not. A disk that failed or was too slow would be so
/// again, and a recovery that fills a recording by itself would do so again.
pub(super) fn is_worth(end: End, began: bool) -> bool {
    end == End::Full && began
}

/// Whether this life began because the one before it restarted itself.
pub(super) fn is_again() -> bool {
    std::env::var_os(AGAIN).is_some()
}

/// What is asked before a replica restarts itself.
pub(super) struct Renewal {
    pub(super) options: Options,
    pub(super) seat: Seat,
    pub(super) full: Rc<Cell<bool>>,
    pub(super) node: NodeId,
    pub(super) others: PeerSet,
    pub(super) mesh: Watch<RealRuntime>,
}

impl Renewal {
    /// Ready once the recording is full, and the replica may restart: it does not lead, it has heard from everybody for a
    /// while, and there is room for the next recording.
    pub(super) async fn due(self, clock: RealRuntime) {
        let (Some(seldom), Some(directory)) = (self.options.restart, &self.options.directory) else {
            return pending().await;
        };
        let part = Duration::from_nanos(Duration::from_secs(seldom.into()).as_nanos() / PART);
        let begun = clock.now().monotonic;
        let (mut well, mut told) = (None, false);
        loop {
            let now = clock.now().monotonic;
            clock.sleep(now + Duration::from_nanos(part.as_nanos() / GLANCES)).await;
            if now < begun + Duration::from_secs(seldom.into()) || !self.is_well() {
                well = None;
                continue;
            }
            if now < *well.get_or_insert(now) + part.times(u64::from(self.node.0) + 1) {
                continue;
            }
            match Shelf::open(directory, self.node, self.options.limit).and_then(|shelf| shelf.try_out()) {
                Ok(()) => return,
                Err(why) => {
                    if !told {
                        warn!("the replica goes on without being recorded: {why}");
                    }
                    (well, told) = (None, true);
                }
            }
        }
    }

    fn is_well(&self) -> bool {
        let follows = || self.seat.standing().is_some_and(|standing| standing.leads.is_none());
        self.full.get() && follows() && self.others.iter().all(|peer| self.mesh.heard().contains(peer))
    }
}

/// Becomes the same program again, told the same: a restart in full, by this process. Returns only if somebody has asked it
/// to end meanwhile, or if that fails.
///
/// # Errors
/// It fails.
pub(crate) fn again() -> Result<(), Trouble> {
    // From here on such a signal ends whatever this process is: none is taken by a program that forgets it.
    if ends_at_once().map_err(|why| Trouble::halted(why.to_string()))? {
        info!("the replica ended as it was asked to");
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    // The program as it was started, even if its file was replaced meanwhile.
    let mut program = std::process::Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        program.arg0(name);
    }
    let why = program.args(arguments).env(AGAIN, "1").exec();
    Err(Trouble::halted(format!(
        "the replica ended to be recorded again and could not restart itself: {why}; start it"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_recording_that_is_full_of_what_the_replica_served_is_worth_a_restart() {
        assert!(is_worth(End::Full, true));
        for (end, began) in
            [(End::Full, false), (End::Failed, true), (End::TooSlow, true), (End::Stopped, true)]
        {
            assert!(!is_worth(end, began), "{end}, {began}");
        }
    }
}
