//! The storage vocabulary: one for disks and for NVM.
//!
//! Storage is asynchronous and explicit. A process submits a **chain** of [`Step`]s under an
//! [`OperationId`](crate::OperationId) and hears of it once, in a [`Completion`].
//!
//! - Writes between two barriers run at the same time, in any order; nothing but a barrier orders two writes.
//! - Two writes in flight to one device must not overlap: that is a bug of the process, and the world says so.
//! - A [`Step::Barrier`], and a submission with [`Durability::Durable`], make durable exactly the writes that had
//!   completed before the submission was made, or that stand earlier in the same chain.
//! - A write that is not durable survives a power loss as any subset of its atomic units (sectors, words).
//! - Every step that is not a write waits for all steps before it and holds back all steps behind it. An empty chain
//!   that is durable is a plain sync.
//! - If a write or a read fails, no barrier of its chain is tried: [`Failure::NoSpace`] and [`Failure::Media`] leave
//!   earlier writes untouched. A barrier that fails is [`Failure::Device`], and fatal.
//! - A read that overlaps a write in flight sees any mix of old and new atomic units. What was never written is zeros.
//! - After a process crash, writes in flight may still land until [`Step::Drain`] says that none is left.

use crate::buffer::Buffer;
use alloc::vec::Vec;

/// What a device is made of, and so what it promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// A block device: a sector is written whole or not at all.
    Disk,
    /// Byte-addressable persistent memory: an aligned 8-byte word is atomic, flushed by 64-byte lines.
    Nvm,
    /// Memory that no crash spares, for one-sided writes by peers: an aligned 8-byte word is atomic.
    Memory,
}

/// The shape of a device, as [`Start`](crate::Start) hands it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// What it is made of.
    pub media: Media,
    /// The largest aligned write that is never torn, in bytes: 512 on a disk, 8 on NVM. A power of two.
    pub atomic: u32,
    /// Offsets and lengths of writes and of reads must be multiples of this, in bytes: direct I/O refuses others, and
    /// the world calls them a violation. A power of two.
    pub alignment: u32,
    /// How many bytes it holds.
    pub capacity: u64,
}

impl Geometry {
    /// A disk of `capacity` bytes with 512-byte sectors.
    pub const fn disk(capacity: u64) -> Self {
        Geometry { media: Media::Disk, atomic: 512, alignment: 512, capacity }
    }

    /// NVM of `capacity` bytes.
    pub const fn nvm(capacity: u64) -> Self {
        Geometry { media: Media::Nvm, atomic: 8, alignment: 8, capacity }
    }
}

/// Bytes `at..at + length` of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Offset in bytes.
    pub at: u64,
    /// Length in bytes.
    pub length: u64,
}

/// One step of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put `buffer` at offset `at`. The device owns the buffer until the completion.
    Write {
        /// Offset in bytes, a multiple of the device's alignment, as is the buffer's length.
        at: u64,
        /// What to write.
        buffer: Buffer,
    },
    /// Everything earlier in the chain, and everything that had completed before the chain was submitted, is durable
    /// before anything later in the chain begins.
    Barrier,
    /// Waits until no write of a former incarnation is in flight on this device.
    Drain,
    /// Makes durable whatever is visible in this range, whoever wrote it: recovery persists what it read before it
    /// speaks.
    Persist(Range),
}

/// Steps in order; an empty list from [`Outbox::chain`](crate::Outbox::chain) saves an allocation.
pub type Chain = Vec<Step>;

/// Whether a submission ends with an implicit barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The completion says that the writes are visible, nothing more.
    Visible,
    /// The completion says that every write of the chain, and every write completed before it, is durable.
    Durable,
}

/// Why a storage operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The device answered with an error. After a failed barrier, what was to be durable may be lost for good, so
    /// the process must stop.
    Device,
    /// The device is full.
    NoSpace,
    /// The range read holds a medium error (a bad sector, a poisoned line).
    Media,
}

/// How a storage operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Every step was carried out.
    Done,
    /// The bytes that a read asked for.
    Data(Buffer),
    /// It failed; of its writes, any part may have happened.
    Failed(Failure),
    /// Nobody can say whether it happened (a connection to a remote device broke).
    Unknown,
    /// A one-sided write reached the peer's memory and is not durable there.
    Volatile,
}
