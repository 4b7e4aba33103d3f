//! Who a journal belongs to, where its parts stand on the device, and how a device is formatted.

use super::metadata::{FIXED, Head, Metadata};
use crate::id::{ClusterId, GroupId, NodeId};
use crate::storage::{Geometry, Range};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// Every offset and length of the format is a multiple of this, in bytes: a cache line.
pub const GRAIN: u64 = 64;
/// The smallest and the largest place of one metadata copy, in bytes; it is a power of two.
pub const COPY_MIN: u64 = 256;
/// See [`COPY_MIN`].
pub const COPY_MAX: u64 = 16 << 10;
/// The default never makes the log larger than this, because recovery holds it in memory.
const LOG_DEFAULT: u64 = 256 << 20;

/// How a device came to its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was formatted when the node joined the group: what is not on it was never promised.
    Founding,
    /// It took the place of a device that was lost: the node may have promised and voted, and no longer knows what.
    Replacement,
}

/// Who a device belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The group.
    pub group: GroupId,
    /// The node.
    pub node: NodeId,
    /// Drawn by whoever formats, different for every formatting of every device: every checksum is seeded with it, so
    /// that nothing written before the formatting, or elsewhere, or by a client, can pass for a record.
    pub serial: u64,
    /// How the device came to the node.
    pub standing: Standing,
}

/// What can be chosen when a device is formatted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The place of one metadata copy, in bytes: a power of two from [`COPY_MIN`] to [`COPY_MAX`], a multiple of the
    /// unit. What it holds beyond [`FIXED`] bytes is room for the configuration.
    pub copy: u64,
    /// One snapshot area, in bytes; there are two. 0 for a journal that never keeps snapshots.
    pub area: u64,
    /// One segment of the log, in bytes: no record is larger, and none straddles two.
    pub segment: u64,
    /// How many segments the log has; at least 2.
    pub segments: u32,
}

impl Options {
    /// A default for a device: a quarter of it for the two snapshot areas, the rest for a log of 16 segments (fewer
    /// on a tiny device) and at most 256 MiB; what that leaves goes to the areas.
    pub fn of(geometry: &Geometry) -> Self {
        let unit = unit_of(geometry);
        let mut copy = COPY_MIN.max(unit.next_power_of_two());
        while copy < 4096 && copy * 64 < geometry.capacity {
            copy *= 2;
        }
        let rest = geometry.capacity.saturating_sub(2 * copy + 2 * unit);
        let area = rest / 8 / unit * unit;
        let log = (rest - 2 * area).min(LOG_DEFAULT);
        let segments = [16, 8, 4].into_iter().find(|count| log / count >= 4096).unwrap_or(2);
        let segment = log / segments / unit * unit;
        let area = (rest - segment * segments) / 2 / unit * unit;
        Options { copy, area, segment, segments: segments as u32 }
    }
}

/// Why a device cannot be formatted so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// `copy` is not a power of two in its range, or not a multiple of the unit.
    Copy,
    /// The snapshot area or the segment is not a multiple of the unit.
    Alignment,
    /// A segment holds not even a record without payload, or there are fewer than two.
    Segments,
    /// The parts together take more than the device has: so many bytes are needed.
    TooSmall(u64),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormatError::Copy => f.write_str(
                "the place of a metadata copy must be a power of two from 256 to 16384 and a multiple of the unit",
            ),
            FormatError::Alignment => {
                f.write_str("snapshot areas and segments must be multiples of the device's unit")
            }
            FormatError::Segments => {
                f.write_str("the log needs at least two segments, each large enough for a record")
            }
            FormatError::TooSmall(needed) => {
                write!(f, "the device is too small: this layout takes {needed} bytes")
            }
        }
    }
}

impl core::error::Error for FormatError {}

/// Where the parts of a journal stand. It is recorded in the metadata, so that a reader needs nothing else.
///
/// ```text
/// metadata copy A | metadata copy B | mark A | mark B | snapshot area A | snapshot area B | log
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The unit of the device when it was formatted, in bytes: its alignment, and at least 64. No two parts, no two
    /// groups and no two snapshot pieces share one.
    pub unit: u64,
    /// The place of one metadata copy, in bytes.
    pub copy: u64,
    /// One snapshot area, in bytes.
    pub area: u64,
    /// One segment of the log, in bytes.
    pub segment: u64,
    /// How many segments the log has.
    pub segments: u32,
}

/// The unit of a device: its alignment, and at least a cache line.
pub(super) fn unit_of(geometry: &Geometry) -> u64 {
    u64::from(geometry.alignment.max(geometry.atomic)).max(GRAIN)
}

impl Layout {
    /// The layout of a device formatted with `options`.
    ///
    /// # Errors
    /// What does not fit.
    pub fn new(geometry: &Geometry, options: &Options) -> Result<Self, FormatError> {
        let Options { copy, area, segment, segments } = *options;
        let layout = Layout { unit: unit_of(geometry), copy, area, segment, segments };
        layout.check()?;
        if layout.end() > geometry.capacity {
            return Err(FormatError::TooSmall(layout.end()));
        }
        Ok(layout)
    }

    /// Whether the numbers make sense together; a layout that was read is checked before it is used.
    pub(super) fn check(&self) -> Result<(), FormatError> {
        let Layout { unit, copy, area, segment, segments } = *self;
        let sane = unit.is_power_of_two() && (GRAIN..=COPY_MAX).contains(&unit);
        if !sane || !copy.is_power_of_two() || !(COPY_MIN.max(unit)..=COPY_MAX).contains(&copy) {
            return Err(FormatError::Copy);
        }
        // Sums of these must not overflow.
        if area % unit != 0
            || segment % unit != 0
            || area >> 56 != 0
            || segment >> 32 != 0
            || segments >> 24 != 0
        {
            return Err(FormatError::Alignment);
        }
        if segments < 2 || segment < 2 * GRAIN {
            return Err(FormatError::Segments);
        }
        Ok(())
    }

    /// The offset of metadata copy A (0) or B (1).
    pub const fn metadata(&self, index: u64) -> u64 {
        index * self.copy
    }

    /// The offset of mark copy A (0) or B (1).
    pub const fn mark(&self, index: u64) -> u64 {
        2 * self.copy + index * self.unit
    }

    /// The offset of snapshot area A (0) or B (1).
    pub const fn snapshot(&self, index: u64) -> u64 {
        2 * self.copy + 2 * self.unit + index * self.area
    }

    /// The offset of the log.
    pub const fn log(&self) -> u64 {
        self.snapshot(2)
    }

    /// How many bytes the log has: one lap of the ring.
    pub const fn lap(&self) -> u64 {
        self.segment * self.segments as u64
    }

    /// How many bytes of the device the journal takes.
    pub const fn end(&self) -> u64 {
        self.log() + self.lap()
    }

    /// Where a position of the log (which grows for ever) stands on the device.
    pub const fn offset(&self, position: u64) -> u64 {
        self.log() + position % self.lap()
    }

    /// Where the log stands on the device.
    pub const fn log_range(&self) -> Range {
        Range { at: self.log(), length: self.lap() }
    }

    /// What every group begins and ends on a multiple of.
    pub const fn unit(&self) -> u64 {
        self.unit
    }

    /// `bytes` rounded up to the unit.
    pub const fn padded(&self, bytes: u64) -> u64 {
        bytes.next_multiple_of(self.unit)
    }
}

/// What a formatted device holds: offsets and bytes to be written and made durable before the first start. Everything
/// else may hold whatever it held before.
///
/// # Errors
/// What does not fit.
pub fn format(
    identity: &Identity,
    geometry: &Geometry,
    options: &Options,
) -> Result<Vec<(u64, Vec<u8>)>, FormatError> {
    let layout = Layout::new(geometry, options)?;
    let metadata = Metadata {
        identity: *identity,
        layout,
        capacity: geometry.capacity,
        generation: 1,
        incarnation: 0,
        promised: 0,
        decided: 0,
        mark: 0,
        head: Head { number: 1, position: 0, previous: 0 },
        snapshot: None,
        epoch: 0,
        configuration: Vec::new(),
    };
    let mut copy = Vec::new();
    metadata.encode(&mut copy);
    debug_assert_eq!(copy.len() as u64, FIXED);
    copy.resize(layout.copy as usize, 0);
    Ok(vec![
        (layout.metadata(0), copy.clone()),
        (layout.metadata(1), copy),
        (layout.mark(0), vec![0; 2 * layout.unit as usize]),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_fits_its_device() {
        for geometry in
            [Geometry::disk(8 << 10), Geometry::disk(1 << 20), Geometry::disk(1 << 40), Geometry::nvm(4096)]
        {
            let layout = Layout::new(&geometry, &Options::of(&geometry)).expect("it fits");
            assert!(layout.end() <= geometry.capacity);
            assert!(layout.end() > geometry.capacity / 2 || layout.lap() == LOG_DEFAULT, "{layout:?}");
        }
    }

    #[test]
    fn a_whole_journal_lives_in_four_kibibytes() {
        let nvm = Options { copy: 256, area: 512, segment: 512, segments: 4 };
        assert!(Layout::new(&Geometry::nvm(4096), &nvm).is_ok());
        let disk = Options { copy: 512, area: 512, segment: 512, segments: 2 };
        assert!(Layout::new(&Geometry::disk(4096), &disk).is_ok());
        let disk = Options { copy: 512, area: 0, segment: 1024, segments: 2 };
        assert!(Layout::new(&Geometry::disk(4096), &disk).is_ok());
    }

    #[test]
    fn nonsense_is_named() {
        let geometry = Geometry::disk(1 << 20);
        let good = Options { copy: 512, area: 512, segment: 1024, segments: 2 };
        let bad = |options| Layout::new(&geometry, &options).expect_err("it makes no sense");
        assert_eq!(bad(Options { copy: 768, ..good }), FormatError::Copy);
        assert_eq!(bad(Options { copy: 256, ..good }), FormatError::Copy);
        assert_eq!(bad(Options { area: 100, ..good }), FormatError::Alignment);
        assert_eq!(bad(Options { segments: 1, ..good }), FormatError::Segments);
        assert_eq!(
            bad(Options { segment: 1 << 20, ..good }),
            FormatError::TooSmall(1024 + 1024 + 1024 + (2 << 20))
        );
    }
}
