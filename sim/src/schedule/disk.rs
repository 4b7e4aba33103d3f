//! How devices behave and fail, and where damage may fall.

use super::{MICRO, MILLI, Nanos, Ppm};
use serde::{Deserialize, Serialize};

/// How a device behaves.
///
/// The default takes no time for anything, so that no crash ever falls between a write and its completion. Begin with
/// [`Disk::nvme`] or [`Disk::slow`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Shortest time of one write or read.
    pub write_min: Nanos,
    /// Longest ordinary time of one write or read.
    pub write_max: Nanos,
    /// Shortest time of a barrier.
    pub sync_min: Nanos,
    /// Longest ordinary time of a barrier.
    pub sync_max: Nanos,
    /// How often an operation stalls.
    #[serde(default)]
    pub stall: Ppm,
    /// How long a stall is at most.
    #[serde(default)]
    pub stall_max: Nanos,
    /// How often a barrier of a block device fails.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sync_failure: Ppm,
    /// How often a write to a block device fails.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub write_error: Ppm,
    /// How often an operation that writes to a block device finds it full.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub no_space: Ppm,
    /// How often a read fails, once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub read_error: Ppm,
    /// How often a write that was acknowledged turns out never to have reached the medium; subject to the atlas.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_write: Ppm,
    /// How often a write turns out to have gone to another place of its device; subject to the atlas.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub misdirected: Ppm,
    /// What a loss of power leaves of NVM.
    #[serde(default, skip_serializing_if = "Caches::is_default")]
    pub caches: Caches,
    /// Whom damage may strike. What the schedule's `disk` says counts for the whole run; a `disk-degrade` says it in
    /// vain.
    #[serde(default, skip_serializing_if = "Atlas::is_default")]
    pub atlas: Atlas,
}

fn is_zero(ppm: &Ppm) -> bool {
    *ppm == 0
}

/// What the processor's caches leave behind when NVM loses its power. Whatever was flushed and fenced is durable under
/// all three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Caches {
    /// Each aligned 8-byte word holds its durable value or any value stored there since it was fenced last.
    #[default]
    #[serde(rename = "relaxed-8")]
    Relaxed8,
    /// Each 64-byte line keeps a prefix of its stores: what x86 promises. A finding that needs `relaxed-8` vanishes
    /// here.
    Px86,
    /// The caches are saved too: whatever was stored is durable.
    Eadr,
}

impl Caches {
    fn is_default(&self) -> bool {
        *self == Caches::default()
    }
}

/// Whom damage may strike: rot, misdirected and lost writes, lasting read errors, lost devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Atlas {
    /// At most a minority of the nodes in one run, and only what [`Scene::may_damage`](crate::Scene::may_damage)
    /// allows.
    #[default]
    Minority,
    /// Anybody, but only what [`Scene::may_damage`](crate::Scene::may_damage) allows: nobody is left to serve, and
    /// whatever was damaged can be found out.
    Everybody,
    /// Anybody, anything.
    Off,
}

impl Atlas {
    fn is_default(&self) -> bool {
        *self == Atlas::default()
    }
}

impl Disk {
    /// Each way to fail by its name, and how often.
    pub(crate) const fn failures(&self) -> [(&'static str, Ppm); 6] {
        [
            ("sync_failure", self.sync_failure),
            ("write_error", self.write_error),
            ("no_space", self.no_space),
            ("read_error", self.read_error),
            ("lost_write", self.lost_write),
            ("misdirected", self.misdirected),
        ]
    }

    /// The same device, which never fails.
    pub(crate) const fn sound(self) -> Disk {
        let (sync_failure, write_error, no_space) = (0, 0, 0);
        let (read_error, lost_write, misdirected) = (0, 0, 0);
        Disk { sync_failure, write_error, no_space, read_error, lost_write, misdirected, ..self }
    }

    /// The default, for constants.
    const INSTANT: Disk = Disk {
        write_min: 0,
        write_max: 0,
        sync_min: 0,
        sync_max: 0,
        stall: 0,
        stall_max: 0,
        sync_failure: 0,
        write_error: 0,
        no_space: 0,
        read_error: 0,
        lost_write: 0,
        misdirected: 0,
        caches: Caches::Relaxed8,
        atlas: Atlas::Minority,
    };

    /// A good solid-state disk: 20 to 60 microseconds a write, 60 to 150 a sync, and no stalls.
    pub const fn nvme() -> Self {
        Disk {
            write_min: 20 * MICRO,
            write_max: 60 * MICRO,
            sync_min: 60 * MICRO,
            sync_max: 150 * MICRO,
            ..Disk::INSTANT
        }
    }

    /// A hard disk: 2 to 15 milliseconds a write, 8 to 40 a sync, and no stalls.
    pub const fn slow() -> Self {
        Disk {
            write_min: 2 * MILLI,
            write_max: 15 * MILLI,
            sync_min: 8 * MILLI,
            sync_max: 40 * MILLI,
            ..Disk::INSTANT
        }
    }
}

/// Where on a device a fault falls. Its *blocks* are 512-byte sectors, on NVM 64-byte lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// So many blocks in a row, drawn among those that hold something and that no write is changing.
    Drawn(u32),
    /// Every block that these bytes touch.
    Range {
        /// Offset in bytes.
        at: u64,
        /// Length in bytes.
        length: u64,
    },
}
