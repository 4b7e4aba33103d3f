//! What went wrong, counted by effect: a fault that touched nothing counts nothing.

use std::collections::BTreeMap;

macro_rules! effects {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Everything that the world counts; `docs/faults.md` says when.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Effect { $($(#[$doc])* $variant,)* }

        impl Effect {
            /// Every effect, in order.
            pub const ALL: &'static [Effect] = &[$(Effect::$variant,)*];

            /// The counter's name in the summary.
            pub const fn name(self) -> &'static str {
                match self { $(Effect::$variant => $name,)* }
            }
        }
    };
}

effects! {
    /// A running process died; its kernel lived on.
    Crash = "crash",
    /// A node lost its power.
    PowerLoss = "power-loss",
    /// A crash fell inside a turn and some of its outputs never existed.
    OutputsCut = "outputs-cut",
    /// A process ended its own life.
    Halted = "halted",
    /// A restarted node took its first turn.
    Recovery = "recovery",
    /// A restarted node crashed before it had sent anything.
    CrashInRecovery = "crash-in-recovery",
    /// A message or a stream's bytes met a cut link.
    PartitionStopped = "partition-stopped-message",
    /// A message was lost.
    Lost = "lost",
    /// A second copy of a message reached a process.
    Duplicated = "duplicated",
    /// A message reached a process after one that was sent later on the same link.
    Reordered = "reordered",
    /// A damaged message reached a process.
    Corrupted = "corrupted",
    /// A message took longer than the ordinary maximum.
    Late = "late",
    /// A message waited for the link's bandwidth.
    Throttled = "throttled",
    /// A message was held by a clogged link.
    Clogged = "clogged",
    /// A message of a starved kind was lost.
    Starved = "starved",
    /// A message reached a node that was down.
    ArrivedAtDead = "arrived-at-dead-node",
    /// An input waited for a paused node.
    Paused = "paused",
    /// A turn's outputs left late, because the node was slow.
    Slowed = "slowed",
    /// A turn read a wall clock that had stepped.
    ClockStep = "clock-step",
    /// A turn read a clock whose rate had been changed.
    Drift = "drift",
    /// A turn read a frozen clock.
    Freeze = "freeze",
    /// A turn ran with a clock reading from before a pause.
    StaleSample = "stale-sample",
    /// After a power loss a strict part of a submission's units had survived.
    Torn = "torn",
    /// A completed write was lost, wholly or partly, because nothing had made it durable.
    UnsyncedLost = "unsynced-lost",
    /// A write whose operation had not completed was lost wholly in a power loss.
    InFlightLost = "in-flight-lost",
    /// A write of a former life landed after the restart.
    LateLanding = "late-landing",
    /// A write in flight vanished with its process.
    Vanished = "vanished-write",
    /// A storage step stalled.
    Stalled = "stalled",
    /// A client's connection broke.
    ConnectionBroken = "connection-broken",
    /// A barrier failed.
    FailedSync = "failed-sync",
    /// A write failed.
    WriteError = "write-error",
    /// A write found the device full.
    DiskFull = "disk-full",
    /// A read failed: a bad sector, a poisoned line, or a passing error.
    ReadError = "read-error",
    /// Damage that nobody reports fell on a device: rot, a misdirected or a lost write.
    Damaged = "damaged",
    /// A read met bits that had rotted.
    RotRead = "rot-read",
    /// A read met what a misdirected write had left behind, at either place.
    MisdirectedRead = "misdirected-read",
    /// A read met what a lost write should have replaced.
    StaleRead = "stale-read",
    /// A node lost its devices.
    DeviceLost = "device-lost",
    /// The atlas forbade a damage.
    DamageSpared = "damage-spared",
    /// A crash fell between two stores, flushes or fences of a submission to NVM.
    StoresCut = "stores-cut",
}

/// The counters.
#[derive(Clone, Debug)]
pub(crate) struct Effects([u64; Effect::ALL.len()]);

impl Effects {
    pub(crate) fn new() -> Self {
        Effects([0; Effect::ALL.len()])
    }

    #[inline]
    pub(crate) fn count(&mut self, effect: Effect) {
        self.0[effect as usize] += 1;
    }

    #[inline]
    pub(crate) fn of(&self, effect: Effect) -> u64 {
        self.0[effect as usize]
    }

    /// Those that happened.
    pub(crate) fn seen(&self) -> BTreeMap<&'static str, u64> {
        Effect::ALL.iter().map(|&effect| (effect.name(), self.of(effect))).filter(|&(_, n)| n > 0).collect()
    }
}
