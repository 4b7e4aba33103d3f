//! What kinds of faults have in common: whom they strike, whom they name, how long they last.

use crate::schedule::{Fault, Target};

/// The one node that a fault strikes, shared or mutable as the fault is.
macro_rules! struck {
    ($fault:expr) => {
        match $fault {
            Fault::Crash { target, .. }
            | Fault::Pause { target, .. }
            | Fault::Slow { target, .. }
            | Fault::Isolate { target, .. }
            | Fault::Drift { target, .. }
            | Fault::Step { target, .. }
            | Fault::Freeze { target, .. }
            | Fault::DiskDegrade { target, .. }
            | Fault::FailSync { target, .. }
            | Fault::FailWrite { target, .. }
            | Fault::LoseWrite { target, .. }
            | Fault::Misdirect { target, .. }
            | Fault::DiskFull { target, .. }
            | Fault::Unreadable { target, .. }
            | Fault::Rot { target, .. }
            | Fault::LoseDevices { target, .. } => Some(target),
            Fault::Restart { .. }
            | Fault::Partition { .. }
            | Fault::Sever { .. }
            | Fault::Flap { .. }
            | Fault::Clog { .. }
            | Fault::Degrade { .. }
            | Fault::Starve { .. }
            | Fault::Heal => None,
        }
    };
}

/// The duration of a fault that ends by itself, shared or mutable as the fault is.
macro_rules! lasting {
    ($fault:expr) => {
        match $fault {
            Fault::Pause { lasts, .. }
            | Fault::Slow { lasts, .. }
            | Fault::Isolate { lasts, .. }
            | Fault::Sever { lasts, .. }
            | Fault::Flap { lasts, .. }
            | Fault::Clog { lasts, .. }
            | Fault::Degrade { lasts, .. }
            | Fault::Starve { lasts, .. }
            | Fault::Freeze { lasts, .. }
            | Fault::DiskDegrade { lasts, .. }
            | Fault::DiskFull { lasts, .. }
            | Fault::Partition { lasts: Some(lasts), .. }
            | Fault::Unreadable { lasts: Some(lasts), .. } => Some(lasts),
            Fault::Partition { lasts: None, .. }
            | Fault::Unreadable { lasts: None, .. }
            | Fault::Crash { .. }
            | Fault::Restart { .. }
            | Fault::Drift { .. }
            | Fault::Step { .. }
            | Fault::FailSync { .. }
            | Fault::FailWrite { .. }
            | Fault::LoseWrite { .. }
            | Fault::Misdirect { .. }
            | Fault::Rot { .. }
            | Fault::LoseDevices { .. }
            | Fault::Heal => None,
        }
    };
}

impl Fault {
    /// Whom it strikes, if one node.
    pub fn target(&self) -> Option<Target> {
        match self {
            Fault::Restart { node } => Some(Target::Node(*node)),
            other => struck!(other).copied(),
        }
    }

    /// The same, to be changed; a restart names its node otherwise.
    pub fn target_mut(&mut self) -> Option<&mut Target> {
        struck!(self)
    }

    /// How long it lasts, in nanoseconds, if it ends by itself.
    pub fn lasts(&self) -> Option<u64> {
        lasting!(self).copied()
    }

    /// The same, to be changed.
    pub fn lasts_mut(&mut self) -> Option<&mut u64> {
        lasting!(self)
    }

    /// After how long what it ended begins again, in nanoseconds, to be changed.
    pub fn restart_after_mut(&mut self) -> Option<&mut u64> {
        match self {
            Fault::Crash { restart_after, .. } | Fault::LoseDevices { restart_after, .. } => {
                restart_after.as_mut()
            }
            _ => None,
        }
    }

    /// Every node and client that it names, to be changed.
    pub fn each_endpoint(&mut self, mut visit: impl FnMut(&mut u8)) {
        if let Some(Target::Node(node)) = self.target_mut() {
            return visit(node);
        }
        match self {
            Fault::Restart { node } => visit(node),
            Fault::Sever { from, to, .. } | Fault::Flap { from, to, .. } | Fault::Clog { from, to, .. } => {
                visit(from);
                visit(to);
            }
            Fault::Degrade { from, to, .. } => from.iter_mut().chain(to).for_each(visit),
            Fault::Starve { to, .. } => to.iter_mut().for_each(visit),
            Fault::Partition { groups, .. } => groups.iter_mut().flatten().for_each(visit),
            // All others strike whoever holds the focus, or nobody by name.
            _ => {}
        }
    }
}
