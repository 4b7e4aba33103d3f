//! One `io_uring`, as safe code sees it: requests that own whatever the kernel reads or writes, and their completions.
//!
//! A request lives in a slot from its submission to its last completion, with every byte and descriptor that the kernel
//! may touch; nobody else can reach it there. A ring that is dropped cancels what is in flight and waits for it; if that
//! does not end, the memory is leaked rather than freed under the kernel's hands.
//!
//! Source: `io_uring_setup(2)`, `io_uring_enter(2)`, `io_uring_register(2)`, and `io_uring/rw.c` of Linux for what a short
//! write does to a link.
#![expect(unsafe_code, reason = "the only files of the workspace where it belongs")]

use crate::files::{Files, Known, Name};
use crate::options::Options;
use crate::sys_memory::{Block, Blocks, Memory, PAGE};
use crate::sys_uring::{Parts, Uring};
use io_uring::types::{BufRingEntry, Fd, FsyncFlags, SubmitArgs, Timespec};
use io_uring::{CompletionQueue, Submitter, cqueue, opcode, squeue};
use seedfast_core::runtime::Error;
use std::collections::VecDeque;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};

/// Where to connect to, as the kernel reads it.
pub(crate) use crate::sys_socket::RawAddress;

/// Something for the kernel to do, with all that it needs.
pub(crate) enum Request {
    /// The next stream, or all of them until it is cancelled.
    Accept { listener: Rc<TcpListener>, multishot: bool },
    /// Connect a socket.
    Connect { socket: Rc<Known<TcpStream>>, address: Box<RawAddress> },
    /// Bytes into buffers of the ring, until it is cancelled.
    ReceiveMany { socket: Rc<Known<TcpStream>> },
    /// Bytes into the spare room of a vector.
    Receive { socket: Rc<Known<TcpStream>>, into: Vec<u8> },
    /// The bytes `from..`. With `at_once` what the network does not take while it is handed over is not sent, so that the
    /// answer comes in the very system call.
    Send { socket: Rc<Known<TcpStream>>, bytes: Vec<u8>, from: usize, at_once: bool },
    /// The bytes `from..to` of a block to a file, with or without a sync of the file behind it.
    Write { file: Rc<Known<File>>, at: u64, block: Block, from: usize, to: usize, sync: Synced },
    /// `length` bytes of a file into a block.
    Read { file: Rc<Known<File>>, at: u64, block: Block, length: usize },
    /// Make durable what was written to a file.
    Sync { file: Rc<Known<File>> },
    /// A few bytes of a pipe.
    Listen { pipe: Rc<OwnedFd>, into: Vec<u8> },
}

impl Request {
    /// What the kernel calls its file.
    fn name(&self) -> Name {
        match self {
            Request::Accept { listener, .. } => Name::Descriptor(listener.as_raw_fd()),
            Request::Listen { pipe, .. } => Name::Descriptor(pipe.as_raw_fd()),
            Request::Connect { socket, .. }
            | Request::ReceiveMany { socket }
            | Request::Receive { socket, .. }
            | Request::Send { socket, .. } => socket.name(),
            Request::Write { file, .. } | Request::Read { file, .. } | Request::Sync { file } => file.name(),
        }
    }
}

/// How a write is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Synced {
    /// Not at all.
    No,
    /// By a sync of the whole file behind it, in the same submission.
    Linked,
    /// By the write itself: this write alone.
    Through,
}

/// A request in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(u64);

/// What a completion says.
pub(crate) struct Event {
    /// What the submitter called the request.
    pub(crate) tag: u64,
    /// The count of bytes, the descriptor or the negated error number, as the kernel gives it.
    pub(crate) result: i32,
    /// The write and the sync behind it are both done; `result` is that of the sync.
    pub(crate) synced: bool,
    /// More completions of this request follow.
    pub(crate) more: bool,
    /// The ring's buffer that holds the bytes, if it is one's turn to look.
    pub(crate) lease: Option<Lease>,
    /// The stream that was accepted.
    pub(crate) accepted: Option<OwnedFd>,
    /// The request, given back with its last completion.
    pub(crate) request: Option<Request>,
}

/// A buffer of the ring, filled.
#[derive(Clone, Copy)]
pub(crate) struct Lease {
    index: u16,
    length: usize,
}

/// What was counted, over the life of a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of `io_uring_enter`.
    pub enters: u64,
    /// Entries submitted; a write that is linked with its sync has two.
    pub submissions: u64,
    /// Those of them whose file the kernel knew in advance.
    pub registered: u64,
    /// Entries that completed.
    pub completions: u64,
}

/// What this kernel offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Completions are worked off by the one thread that submits, when it asks (Linux 6.1).
    pub deferred: bool,
    /// One request accepts, or receives into shared buffers, again and again (Linux 6.0).
    pub multishot: bool,
    /// A write and its sync are one submission with one completion (Linux 5.17).
    pub linked_sync: bool,
    /// The blocks that are written from are known to the kernel in advance.
    pub registered_blocks: bool,
    /// So are the files of devices and the sockets of streams (Linux 6.15).
    pub registered_files: bool,
    /// So is the ring (Linux 5.18).
    pub registered_ring: bool,
    /// A wait for several completions is content with fewer after a while (Linux 6.12).
    pub patience: bool,
}

impl std::fmt::Display for Abilities {
    /// What there is, in single words between commas.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = [
            (self.deferred, "deferred"),
            (self.multishot, "multishot"),
            (self.linked_sync, "linked_sync"),
            (self.registered_blocks, "registered_buffers"),
            (self.registered_files, "registered_files"),
            (self.registered_ring, "registered_ring"),
            (self.patience, "patience"),
        ];
        let mut rest = words.into_iter().filter_map(|(has, word)| has.then_some(word));
        f.write_str(rest.next().unwrap_or("nothing"))?;
        rest.try_for_each(|word| write!(f, ",{word}"))
    }
}

/// Until when to wait for completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all.
    No,
    /// So long at most.
    For(std::time::Duration),
    /// For as long as it takes.
    Ever,
}

impl Wait {
    /// No longer than until sends have to be looked at, if there are any.
    fn bounded(self, sends: bool) -> Wait {
        match self {
            Wait::For(most) if sends => Wait::For(most.min(GLANCE)),
            Wait::Ever if sends => Wait::For(GLANCE),
            wait => wait,
        }
    }
}

struct Slot<S> {
    generation: u32,
    entry: Option<Entry<S>>,
}

struct Entry<S> {
    request: Request,
    owner: S,
    tag: u64,
}

/// The ring. `S` is what the owner of each request is known by.
pub(crate) struct Ring<S> {
    uring: ManuallyDrop<Uring>,
    slots: Vec<Slot<S>>,
    free: Vec<u32>,
    files: Files,
    /// What found no room in the kernel's queue; a linked pair stays together.
    waiting: VecDeque<(squeue::Entry, Option<squeue::Entry>)>,
    pub(crate) blocks: ManuallyDrop<Blocks>,
    provided: Option<ManuallyDrop<Provided>>,
    abilities: Abilities,
    /// Requests that the kernel has not seen and answers while it takes them.
    at_once: usize,
    /// Somebody waits for such an answer and for nothing else.
    hurry: bool,
    /// Completions of the last harvest that were not those of sends: what came from outside.
    came: usize,
    pub(crate) counts: Counts,
}

/// Completions of cancellations, which nobody waits for.
const NOBODY: u64 = u64::MAX;
/// The lowest bit of a name tells a linked sync from its write.
const SYNC: u64 = 1;
const GROUP: u16 = 0;
/// How long a wait for several completions lasts before one is enough, in microseconds.
const MOMENT: u32 = 20;
/// What was sent at once is looked at so long later at the latest: what the network did not take of it has to be sent
/// again, and its answer alone ends no wait.
const GLANCE: std::time::Duration = std::time::Duration::from_millis(5);
/// Longer than anything runs.
const FOR_EVER: std::time::Duration = std::time::Duration::from_secs(1 << 20);
/// What is in flight when a ring ends is waited for so long, and asked to end so often.
const LONGEST_SETTLE: std::time::Duration = std::time::Duration::from_secs(10);
const CANCEL_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);

impl<S: Clone> Ring<S> {
    /// A ring on this thread.
    ///
    /// # Errors
    /// This machine forbids or lacks `io_uring`; the sentence says which and what to do.
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        let mut uring = Uring::new(options)?;
        let submitter = &mut uring.parts.submitter;
        let blocks = Blocks::new(options.blocks);
        let registered_blocks = options.blocks > 0 && register(submitter, blocks.memory());
        let provided = if options.multishot && uring.multishot {
            Provided::register(submitter, options.receive_buffers)
        } else {
            None
        };
        // Files come and go while others stay in use. The first kernel that says that it is new enough for that is 6.15;
        // before 6.13 a file that was let go stayed open until requests on others ended.
        let files = if options.files > 0 && uring.parameters.is_feature_no_iowait() {
            Files::register(submitter, options.files)
        } else {
            None
        };
        let abilities = Abilities {
            deferred: uring.deferred,
            multishot: provided.is_some(),
            linked_sync: uring.parameters.is_feature_skip_cqe_on_success(),
            registered_blocks,
            registered_files: files.is_some(),
            registered_ring: uring.registered,
            patience: uring.parameters.is_feature_min_timeout(),
        };
        Ok(Ring {
            uring: ManuallyDrop::new(uring),
            slots: Vec::new(),
            free: Vec::new(),
            files: files.unwrap_or_default(),
            waiting: VecDeque::new(),
            blocks: ManuallyDrop::new(blocks),
            provided: provided.map(ManuallyDrop::new),
            abilities,
            at_once: 0,
            hurry: false,
            came: 0,
            counts: Counts::default(),
        })
    }

    pub(crate) fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// The kernel refused a request that is answered many times: from now on each is answered once.
    pub(crate) fn give_up_multishot(&mut self) {
        self.abilities.multishot = false;
    }

    /// Hands a request over; the kernel sees it at the next [`enter`](Self::enter).
    pub(crate) fn submit(&mut self, request: Request, owner: S, tag: u64) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, entry: None });
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1) & 0x3fff_ffff;
        let name = u64::from(slot.generation) << 33 | u64::from(index) << 1;
        slot.entry = Some(Entry { request, owner, tag });
        let (first, second) = self.describe(index);
        let linked = second.is_some();
        let first = if linked {
            let flags = squeue::Flags::IO_LINK | squeue::Flags::SKIP_SUCCESS;
            first.flags(flags).user_data(name)
        } else {
            first.user_data(name)
        };
        self.push(first, second.map(|second| second.user_data(name | SYNC)));
        Token(name)
    }

    /// The next call does not wait: somebody needs an answer that comes with it.
    pub(crate) fn hurry(&mut self) {
        self.hurry = true;
    }

    /// Asks for an early end; the request still completes, and perhaps as if it had not been asked.
    pub(crate) fn cancel(&mut self, token: Token) {
        let (index, generation) = place(token.0);
        let alive =
            self.slots.get(index).is_some_and(|slot| slot.generation == generation && slot.entry.is_some());
        if alive {
            self.push(opcode::AsyncCancel::new(token.0).build().user_data(NOBODY), None);
        }
    }

    /// The request in slot `index` in the kernel's words.
    fn describe(&mut self, index: u32) -> (squeue::Entry, Option<squeue::Entry>) {
        let Some(Entry { request, .. }) = &mut self.slots[index as usize].entry else {
            unreachable!("the slot was filled by the caller")
        };
        let name = request.name();
        let (fd, place) = match name {
            Name::Descriptor(fd) => (Fd(fd), squeue::Flags::empty()),
            Name::Place(place) => (Fd(place as i32), squeue::Flags::FIXED_FILE),
        };
        // Every pointer below leads into memory that the request owns on the heap, or into a block that is its own as
        // long as it holds it: moving the request does not move them, and the slot keeps it until its last completion.
        let mut sync = None;
        let entry = match request {
            Request::Accept { multishot: true, .. } => {
                opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC).build()
            }
            Request::Accept { .. } => {
                let nobody = std::ptr::null_mut();
                opcode::Accept::new(fd, nobody, nobody.cast()).flags(libc::SOCK_CLOEXEC).build()
            }
            Request::Connect { address, .. } => {
                let (start, length) = address.parts();
                opcode::Connect::new(fd, start, length).build()
            }
            Request::ReceiveMany { .. } => opcode::RecvMulti::new(fd, GROUP).build(),
            Request::Receive { into, .. } => {
                let room = into.spare_capacity_mut();
                let (start, length) = (room.as_mut_ptr().cast(), room.len() as u32);
                opcode::Recv::new(fd, start, length).build()
            }
            Request::Send { bytes, from, at_once, .. } => {
                let bytes = &bytes[*from..];
                let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                // Not both: some kernels forget what they sent of a request that should wait for all and may not wait.
                let patience = if *at_once { libc::MSG_DONTWAIT } else { libc::MSG_WAITALL };
                let flags = libc::MSG_NOSIGNAL | patience;
                self.at_once += usize::from(*at_once);
                opcode::Send::new(fd, bytes.as_ptr(), length).flags(flags).build()
            }
            Request::Write { at, block, from, to, sync: how, .. } => {
                let (start, pooled) = self.blocks.start(block);
                let (start, length) = (start.wrapping_add(*from), (*to - *from) as u32);
                let flags = if *how == Synced::Through { libc::RWF_DSYNC } else { 0 };
                if *how == Synced::Linked {
                    sync = Some(opcode::Fsync::new(fd).flags(FsyncFlags::DATASYNC).build().flags(place));
                }
                if pooled && self.abilities.registered_blocks {
                    opcode::WriteFixed::new(fd, start, length, 0).offset(*at).rw_flags(flags).build()
                } else {
                    opcode::Write::new(fd, start, length).offset(*at).rw_flags(flags).build()
                }
            }
            Request::Read { at, block, length, .. } => {
                let (start, pooled) = self.blocks.start(block);
                if pooled && self.abilities.registered_blocks {
                    opcode::ReadFixed::new(fd, start, *length as u32, 0).offset(*at).build()
                } else {
                    opcode::Read::new(fd, start, *length as u32).offset(*at).build()
                }
            }
            Request::Sync { .. } => opcode::Fsync::new(fd).flags(FsyncFlags::DATASYNC).build(),
            Request::Listen { into, .. } => {
                let room = into.spare_capacity_mut();
                let (start, length) = (room.as_mut_ptr().cast(), room.len() as u32);
                opcode::Read::new(fd, start, length).build()
            }
        };
        if matches!(name, Name::Place(_)) {
            self.counts.registered += 1 + u64::from(sync.is_some());
        }
        (entry.flags(place), sync)
    }

    fn push(&mut self, first: squeue::Entry, second: Option<squeue::Entry>) {
        if self.waiting.is_empty() && self.room(1 + usize::from(second.is_some())) {
            self.queue(&first, second.as_ref());
        } else {
            self.waiting.push_back((first, second));
        }
    }

    fn room(&self, wanted: usize) -> bool {
        let queue = &self.uring.parts.queue;
        queue.capacity() - queue.len() >= wanted
    }

    fn queue(&mut self, first: &squeue::Entry, second: Option<&squeue::Entry>) {
        for entry in std::iter::once(first).chain(second) {
            self.counts.submissions += 1;
            // SAFETY: `describe` made it of memory and descriptors that the slot owns until the last completion, and of
            // nothing for a cancellation. There is room: the caller looked.
            unsafe { self.uring.parts.queue.push(entry) }.expect("there is room");
        }
    }

    /// Tells the kernel of a file, if it can be told and there is room.
    pub(crate) fn know<F: AsRawFd>(&mut self, file: F) -> Known<F> {
        self.files.know(&self.uring.parts.submitter, file)
    }

    /// Hands over what was submitted and, if there is nothing to harvest, waits: one system call, or none if there is
    /// nothing to do.
    ///
    /// A wait ends with the first completion from outside: answers that come while requests are handed over do not end it,
    /// unless somebody is in a [hurry](Self::hurry); they are looked at a little later. With `gather` above 1 it goes on
    /// for so many, but only for a moment, where the kernel is [patient](Abilities::patience): whoever is asked much is
    /// woken once for several questions.
    pub(crate) fn enter(&mut self, wait: Wait, gather: usize) {
        self.files.let_go(&self.uring.parts.submitter);
        loop {
            while let Some((_, second)) = self.waiting.front() {
                let wanted = 1 + usize::from(second.is_some());
                if !self.room(wanted) {
                    break;
                }
                if let Some((first, second)) = self.waiting.pop_front() {
                    self.queue(&first, second.as_ref());
                }
            }
            // More than fits the queue goes in several calls; only the last of them waits.
            let last = self.waiting.is_empty();
            self.call(if last { wait } else { Wait::No }, gather);
            if last || self.ready() {
                return;
            }
        }
    }

    fn call(&mut self, wait: Wait, gather: usize) {
        let Parts { submitter, queue, .. } = &mut *self.uring.parts;
        queue.sync();
        let idle = queue.is_empty() && !queue.taskrun() && !queue.cq_overflow();
        if wait == Wait::No && idle {
            return;
        }
        let at_once = std::mem::take(&mut self.at_once);
        let wait = if std::mem::take(&mut self.hurry) { Wait::No } else { wait.bounded(at_once > 0) };
        let gather = if self.abilities.patience { gather } else { 1 };
        // The kernel is patient only within a time that it is given.
        let time = Timespec::from(match wait {
            Wait::For(most) => most,
            Wait::No | Wait::Ever => FOR_EVER,
        });
        let (want, args) = match wait {
            Wait::No => (0, SubmitArgs::new()),
            Wait::Ever if gather == 1 => (at_once + 1, SubmitArgs::new()),
            Wait::For(_) if gather == 1 => (at_once + 1, SubmitArgs::new().timespec(&time)),
            _ => (at_once + gather, SubmitArgs::new().timespec(&time).min_wait_usec(MOMENT)),
        };
        self.counts.enters += 1;
        let entered = submitter.submit_with_args(want, &args);
        queue.sync();
        match entered {
            Ok(_) => {}
            Err(why) => match why.raw_os_error() {
                // The time is over, a signal came, or completions must be harvested first.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => {}
                _ => panic!("io_uring_enter failed in a way that it should not: {why}"),
            },
        }
    }

    /// Whether a harvest finds something, or an [`enter`](Self::enter) would.
    pub(crate) fn ready(&mut self) -> bool {
        let Parts { queue, completions, .. } = &mut *self.uring.parts;
        completions.sync();
        queue.taskrun() || !CompletionQueue::is_empty(completions)
    }

    /// Appends every completion that has come, with its owner.
    pub(crate) fn harvest(&mut self, into: &mut Vec<(S, Event)>) {
        let Ring { uring, slots, free, counts, came, .. } = self;
        *came = 0;
        let completions = &mut uring.parts.completions;
        completions.sync();
        for completion in &mut *completions {
            counts.completions += 1;
            let name = completion.user_data();
            let (index, generation) = place(name & !SYNC);
            let slot = match slots.get_mut(index) {
                Some(slot) if name != NOBODY && slot.generation == generation => slot,
                _ => continue,
            };
            let Some(entry) = &mut slot.entry else { continue };
            *came += usize::from(!matches!(entry.request, Request::Send { at_once: true, .. }));
            let (owner, tag) = (entry.owner.clone(), entry.tag);
            let result = completion.result();
            let more = cqueue::more(completion.flags());
            let lease = cqueue::buffer_select(completion.flags())
                .map(|index| Lease { index, length: usize::try_from(result).unwrap_or(0) });
            let accepting = matches!(entry.request, Request::Accept { .. });
            let accepted = (accepting && result >= 0).then(|| {
                // SAFETY: the kernel has just made this descriptor for this request, and nobody else knows it.
                unsafe { OwnedFd::from_raw_fd(result) }
            });
            let through = matches!(entry.request, Request::Write { sync: Synced::Through, from, to, .. }
                if usize::try_from(result).is_ok_and(|count| count == to - from));
            let request = if more {
                None
            } else {
                free.push(index as u32);
                slot.entry.take().map(|entry| filled(entry.request, result))
            };
            let synced = name & SYNC != 0 || through;
            into.push((owner, Event { tag, result, synced, more, lease, accepted, request }));
        }
        // Its places are the kernel's again.
        completions.sync();
    }

    /// How many completions the last harvest found that were not those of sends.
    pub(crate) fn came(&self) -> usize {
        self.came
    }

    /// The bytes of a lease.
    pub(crate) fn leased(&self, lease: Lease) -> &[u8] {
        self.provided.as_ref().map_or(&[], |provided| provided.bytes(lease))
    }

    /// Gives a lease back to the kernel.
    pub(crate) fn give_back(&mut self, lease: Lease) {
        if let Some(provided) = &mut self.provided {
            provided.give(lease.index);
            provided.publish();
        }
    }

    /// Cancels whatever is in flight and waits for it, a while. Returns whether nothing is left.
    pub(crate) fn settle(&mut self, mut each: impl FnMut(S, Event)) -> bool {
        let mut events = Vec::new();
        let start = std::time::Instant::now();
        let mut cancelled = None;
        while start.elapsed() < LONGEST_SETTLE {
            let in_flight: Vec<Token> = self.in_flight().collect();
            if in_flight.is_empty() {
                return true;
            }
            // Answers to cancellations end a wait, too: asked again at every turn, what takes its time (a sync) would
            // never be waited for.
            if cancelled.is_none_or(|since: std::time::Instant| since.elapsed() > CANCEL_AGAIN) {
                cancelled = Some(std::time::Instant::now());
                in_flight.into_iter().for_each(|token| self.cancel(token));
            }
            self.enter(Wait::For(CANCEL_AGAIN), 1);
            self.harvest(&mut events);
            for (owner, event) in events.drain(..) {
                each(owner, event);
            }
        }
        self.in_flight().next().is_none()
    }

    fn in_flight(&self) -> impl Iterator<Item = Token> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.entry.is_some())
            .map(|(index, slot)| Token(u64::from(slot.generation) << 33 | (index as u64) << 1))
    }
}

impl<S> Drop for Ring<S> {
    fn drop(&mut self) {
        let in_flight = self.slots.iter().any(|slot| slot.entry.is_some());
        if in_flight {
            // The kernel may still write there. It is leaked: better than memory that somebody else is given.
            std::mem::forget(std::mem::take(&mut self.slots));
            return;
        }
        // A ring that is closed lets its files go a while later: whoever opens one of them next must not find it in use.
        if self.abilities.registered_files {
            let _ = self.uring.parts.submitter.unregister_files();
        }
        // SAFETY: nothing is in flight, so the kernel touches neither; each is dropped once, the ring before the memory
        // that it knows.
        unsafe {
            ManuallyDrop::drop(&mut self.uring);
            ManuallyDrop::drop(&mut self.blocks);
            if let Some(provided) = &mut self.provided {
                ManuallyDrop::drop(provided);
            }
        }
    }
}

/// A request whose vector the kernel filled says so.
fn filled(mut request: Request, result: i32) -> Request {
    if let Request::Receive { into, .. } | Request::Listen { into, .. } = &mut request {
        let count = usize::try_from(result).unwrap_or(0);
        assert!(count <= into.capacity() - into.len(), "the kernel wrote more than there was room for");
        // SAFETY: the kernel has written so many bytes to the spare room, which is that long.
        unsafe { into.set_len(into.len() + count) };
    }
    request
}

/// Which slot a name means, and the generation that it must have.
fn place(name: u64) -> (usize, u32) {
    ((name as u32 >> 1) as usize, (name >> 33) as u32)
}

fn register(submitter: &Submitter<'_>, memory: &Memory) -> bool {
    let vector = libc::iovec { iov_base: memory.start().cast(), iov_len: memory.len() };
    // SAFETY: the memory is owned by the ring's blocks, which are dropped behind the ring or never.
    unsafe { submitter.register_buffers(&[vector]) }.is_ok()
}

/// Buffers that the kernel picks from when bytes arrive (`io_uring_register_buf_ring(3)`).
struct Provided {
    /// The kernel's list: entries of 16 bytes, the tail inside the first.
    list: Memory,
    buffers: Memory,
    count: u16,
    tail: u16,
}

/// How long each of them is, in bytes.
const BUFFER: usize = 8 << 10;

impl Provided {
    fn register(submitter: &Submitter<'_>, count: u16) -> Option<Self> {
        let count = count.max(1).checked_next_power_of_two().unwrap_or(1 << 15).min(1 << 15);
        let list = Memory::new((usize::from(count) * size_of::<BufRingEntry>()).next_multiple_of(PAGE));
        let buffers = Memory::new(usize::from(count) * BUFFER);
        let mut provided = Provided { list, buffers, count, tail: 0 };
        // SAFETY: the list is zeroed, page-aligned, long enough, and lives until the ring is gone.
        let registered = unsafe {
            let start = provided.list.start() as u64;
            submitter.register_buf_ring_with_flags(start, count, GROUP, 0)
        };
        registered.ok()?;
        for index in 0..count {
            provided.give(index);
        }
        provided.publish();
        Some(provided)
    }

    fn bytes(&self, lease: Lease) -> &[u8] {
        let start = usize::from(lease.index) * BUFFER;
        &self.buffers[start..start + lease.length.min(BUFFER)]
    }

    /// Puts a buffer into the list; the kernel sees it with the next [`publish`](Self::publish).
    fn give(&mut self, index: u16) {
        let place = usize::from(self.tail & (self.count - 1));
        let start = self.buffers.start().wrapping_add(usize::from(index) * BUFFER) as u64;
        // SAFETY: the list holds `count` entries, zeroed or written here; the kernel reads an entry only once the tail
        // has passed it, and its reserved field, the tail in the first entry, is not touched by these setters.
        let entry = unsafe { &mut *self.list.start().cast::<BufRingEntry>().add(place) };
        entry.set_addr(start);
        entry.set_len(BUFFER as u32);
        entry.set_bid(index);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&mut self) {
        // SAFETY: the tail lies in the list's first entry, aligned to two bytes; the kernel only reads it, and pairs
        // this release with an acquire.
        unsafe {
            let tail = BufRingEntry::tail(self.list.start().cast()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}
