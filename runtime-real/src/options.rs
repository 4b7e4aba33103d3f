//! How a runtime is set up.

use seedfast_core::time::Duration;
use seedfast_core::transport::Limits;

/// How a single write is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durably {
    Through,
    Linked,
    Quicker,
}

/// What can be chosen. Every combination works; values out of bounds are brought to the nearest that is within.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) entries: u32,
    pub(crate) deferred: bool,
    pub(crate) multishot: bool,
    pub(crate) receive_buffers: u16,
    pub(crate) blocks: u32,
    pub(crate) files: u32,
    pub(crate) queue_depth: u32,
    pub(crate) busy: bool,
    pub(crate) durably: Option<Durably>,
    pub(crate) direct: bool,
    pub(crate) dead_after: Duration,
    pub(crate) linger: Duration,
    pub(crate) limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            entries: 1024,
            deferred: true,
            multishot: true,
            receive_buffers: 1024,
            blocks: 64,
            files: 1024,
            queue_depth: 128,
            busy: false,
            durably: None,
            direct: true,
            dead_after: Duration::from_secs(30),
            linger: Duration::from_secs(5),
            limits: Limits::default(),
        }
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many requests fit one submission, 8 to 32768; more are submitted in several.
    #[must_use]
    pub fn entries(mut self, entries: u32) -> Self {
        self.entries = entries.clamp(8, 1 << 15);
        self
    }

    /// Whether the thread spins when it has nothing to do, instead of sleeping: the shortest latency, for a whole core.
    /// On a core that somebody else wants it sleeps all the same, because it would wait for the other's time slices.
    #[must_use]
    pub fn busy_poll(mut self, busy: bool) -> Self {
        self.busy = busy;
        self
    }

    /// Whether completions are worked off only when this thread asks (`DEFER_TASKRUN`), where the kernel has it.
    #[must_use]
    pub fn deferred(mut self, deferred: bool) -> Self {
        self.deferred = deferred;
        self
    }

    /// Whether one request accepts and receives again and again, where the kernel has it.
    #[must_use]
    pub fn multishot(mut self, multishot: bool) -> Self {
        self.multishot = multishot;
        self
    }

    /// How many buffers of 8 KiB all streams receive into, up to 32768.
    #[must_use]
    pub fn receive_buffers(mut self, count: u16) -> Self {
        self.receive_buffers = count.clamp(1, 1 << 15);
        self
    }

    /// How many blocks of 64 KiB are kept for device writes, at most 4096. They count against the limit of locked
    /// memory where there is one; beyond it they are used without being registered.
    #[must_use]
    pub fn blocks(mut self, count: u32) -> Self {
        self.blocks = count.min(4096);
        self
    }

    /// How many open files the kernel is told of in advance, at most 32768: those of devices and the sockets of streams.
    /// What is beyond is used without being registered; with 0 the ring itself is not registered either.
    #[must_use]
    pub fn files(mut self, count: u32) -> Self {
        self.files = count.min(1 << 15);
        self
    }

    /// How many submissions and reads each device takes at once.
    #[must_use]
    pub fn queue_depth(mut self, depth: u32) -> Self {
        self.queue_depth = depth.max(1);
        self
    }

    /// Whether a single write is made durable by itself (`RWF_DSYNC`), or by a sync linked behind it.
    ///
    /// If it is not said, direct writes to disks that say that they have forced unit access, or no volatile cache, are made
    /// durable by themselves: there it is one request to the disk. On disks that say that they have neither, both are
    /// timed, as with [`write_quicker`](Self::write_quicker). All other writes are followed by a sync.
    #[must_use]
    pub fn write_through(mut self, through: bool) -> Self {
        self.durably = Some(if through { Durably::Through } else { Durably::Linked });
        self
    }

    /// A single write is made durable in the way that takes less time, as measured.
    #[must_use]
    pub fn write_quicker(mut self) -> Self {
        self.durably = Some(Durably::Quicker);
        self
    }

    /// Whether files are written past the page cache where their file system allows it.
    #[must_use]
    pub fn direct(mut self, direct: bool) -> Self {
        self.direct = direct;
        self
    }

    /// After how long without an answer from the other end's kernel a stream counts as broken.
    #[must_use]
    pub fn dead_after(mut self, after: Duration) -> Self {
        self.dead_after = after;
        self
    }

    /// How long a stream that was dropped may go on sending what had been written.
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// The bounds of the network of replicas.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}
