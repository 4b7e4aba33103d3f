//! Why a journal cannot be served from.

use super::row::Row;
use crate::id::{ClusterId, GroupId, NodeId};
use core::fmt;

/// Why recovery refused. Not one byte of the device was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// D1: nothing but zeros where the metadata should be.
    Unformatted,
    /// D2: the device has so many bytes and the journal takes (at least) so many.
    TooShort {
        /// What the device has, in bytes.
        has: u64,
        /// What the journal takes, in bytes.
        takes: u64,
    },
    /// D2: the device demands a larger alignment than the one that it was formatted with.
    Alignment {
        /// What it demands, in bytes.
        demands: u64,
        /// The unit of the journal, in bytes.
        unit: u64,
    },
    /// D3: no metadata is recognised.
    NotAJournal,
    /// D4: the device was formatted with, or carried over to, a later version of the format.
    NewerFormat {
        /// Its version.
        version: u8,
    },
    /// L10: a record was written by a later version of the format.
    NewerRecord {
        /// Its version.
        version: u8,
        /// Where, in bytes from the beginning of the device.
        offset: u64,
    },
    /// D5: it belongs to somebody else.
    Foreign {
        /// The cluster that it belongs to.
        cluster: ClusterId,
        /// The group that it belongs to.
        group: GroupId,
        /// The node that it belongs to.
        node: NodeId,
    },
    /// D7: both metadata copies are whole and contradict each other.
    Contradiction,
    /// D8: no metadata copy is whole.
    MetadataLost,
    /// L5: a record that was durable is unreadable.
    Damage {
        /// The number of the record that should stand there.
        number: u64,
        /// Where, in bytes from the beginning of the device.
        offset: u64,
        /// The number up to which all was durable.
        mark: u64,
    },
    /// L13: a record is whole, and says what no version of the format says.
    Malformed {
        /// Its number.
        number: u64,
        /// Where, in bytes from the beginning of the device.
        offset: u64,
    },
    /// D10: a medium error hides what must be known: both metadata copies, the place where the next record would stand,
    /// or a piece of the snapshot. It may pass.
    Unreadable {
        /// Where, in bytes from the beginning of the device.
        offset: u64,
    },
    /// The device answered with an error that is not a medium error.
    Device,
}

impl Refusal {
    /// The row of the table, if it is one.
    pub const fn row(self) -> Option<Row> {
        match self {
            Refusal::Unformatted => Some(Row::D1),
            Refusal::TooShort { .. } | Refusal::Alignment { .. } => Some(Row::D2),
            Refusal::NotAJournal => Some(Row::D3),
            Refusal::NewerFormat { .. } => Some(Row::D4),
            Refusal::NewerRecord { .. } => Some(Row::L10),
            Refusal::Foreign { .. } => Some(Row::D5),
            Refusal::Contradiction => Some(Row::D7),
            Refusal::MetadataLost => Some(Row::D8),
            Refusal::Damage { .. } => Some(Row::L5),
            Refusal::Malformed { .. } => Some(Row::L13),
            Refusal::Unreadable { .. } => Some(Row::D10),
            Refusal::Device => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Refusal::Unformatted => f.write_str(
                "the device is empty: format it for this node, or give back the one that it had",
            ),
            Refusal::TooShort { has, takes } => write!(
                f,
                "the device has {has} bytes and its journal takes {takes}: give back the device that it was \
                 formatted on, or a whole copy of it"
            ),
            Refusal::Alignment { demands, unit } => write!(
                f,
                "the device demands an alignment of {demands} bytes and its journal was formatted for {unit}: give \
                 back a device of the kind that it was formatted on"
            ),
            Refusal::NotAJournal => f.write_str(
                "the device holds something that is no journal: check which device this is before formatting it",
            ),
            Refusal::NewerFormat { version } => write!(
                f,
                "the device has a journal of format version {version} and this program reads up to {}: start a newer \
                 program",
                super::frame::VERSION
            ),
            Refusal::NewerRecord { version, offset } => write!(
                f,
                "the record at byte {offset} of the device has format version {version} and this program reads up to \
                 {}: start a newer program",
                super::frame::VERSION
            ),
            Refusal::Foreign { cluster, group, node } => write!(
                f,
                "the device belongs to another cluster, group or node (cluster {:032x}, group {}, {node}): give this \
                 node its own",
                cluster.0, group.0
            ),
            Refusal::Contradiction => f.write_str(
                "the two metadata copies of the device contradict each other: it is damaged, replace this replica",
            ),
            Refusal::MetadataLost => f.write_str(
                "neither metadata copy of the device is whole: it is damaged, replace this replica",
            ),
            Refusal::Damage { number, offset, mark } => write!(
                f,
                "record {number} at byte {offset} of the device is damaged although every record up to {mark} was \
                 durable: what this node promised may be lost, replace this replica"
            ),
            Refusal::Malformed { number, offset } => write!(
                f,
                "record {number} at byte {offset} of the device is whole and says nothing that a journal can say: \
                 keep the device for its authors, and replace this replica"
            ),
            Refusal::Unreadable { offset } => write!(
                f,
                "byte {offset} of the device cannot be read now: start again, and if it stays so replace this replica"
            ),
            Refusal::Device => f.write_str("the device could not be read: check it, then start again"),
        }
    }
}

impl core::error::Error for Refusal {}
