//! The kernel's two queues and the way to it, set up as this kernel has it.
//!
//! Source: `io_uring_setup(2)`, `io_uring_register(2)`.
#![expect(unsafe_code, reason = "the only files of the workspace where it belongs")]

use crate::options::Options;
use io_uring::{CompletionQueue, IoUring, Parameters, Probe, SubmissionQueue, Submitter, opcode};
use seedfast_core::runtime::Error;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// What a ring consists of. The queues keep places of their own, which are exchanged with the kernel by `sync`.
pub(crate) struct Parts {
    pub(crate) submitter: Submitter<'static>,
    pub(crate) queue: SubmissionQueue<'static>,
    pub(crate) completions: CompletionQueue<'static>,
}

/// A ring of the kernel.
pub(crate) struct Uring {
    pub(crate) parts: ManuallyDrop<Parts>,
    whole: NonNull<IoUring>,
    /// What the kernel said when it was set up.
    pub(crate) parameters: Parameters,
    /// Completions are worked off when this thread asks.
    pub(crate) deferred: bool,
    /// One request accepts, or receives into shared buffers, again and again.
    pub(crate) multishot: bool,
    /// The kernel knows the ring itself by its place in a table of this thread.
    pub(crate) registered: bool,
}

impl Uring {
    /// A ring on this thread.
    ///
    /// # Errors
    /// This machine forbids or lacks `io_uring`; the sentence says which and what to do.
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        let entries = options.entries;
        let deferred = || {
            let mut builder = IoUring::builder();
            builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag();
            builder.setup_clamp().setup_cqsize(entries * 4).build(entries)
        };
        let plain = || IoUring::builder().setup_clamp().setup_cqsize(entries * 4).build(entries);
        // An older kernel answers the flags that it does not know with EINVAL.
        let (uring, deferred): (IoUring, bool) = match deferred() {
            Ok(uring) if options.deferred => (uring, true),
            Err(why) if why.raw_os_error() != Some(libc::EINVAL) => return Err(forbidden(&why)),
            _ => (plain().map_err(|why| forbidden(&why))?, false),
        };
        let Probed { multishot } = probe(&uring)?;
        let parameters = uring.params().clone();
        let whole = NonNull::from(Box::leak(Box::new(uring)));
        // SAFETY: it was leaked, so it stands there until `drop` takes it back, behind the parts that are borrowed here;
        // nobody else has the pointer.
        let (submitter, queue, completions) = unsafe { (*whole.as_ptr()).split() };
        let parts = ManuallyDrop::new(Parts { submitter, queue, completions });
        let mut uring = Uring { parts, whole, parameters, deferred, multishot, registered: false };
        uring.registered = options.files > 0 && uring.parts.submitter.register_ring_fd().is_ok();
        Ok(uring)
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        // This thread's table holds the ring as well as its descriptor does.
        if self.registered {
            let _ = self.parts.submitter.unregister_ring_fd();
        }
        // SAFETY: each is dropped once and not used again; the parts, which lead into the whole, before it. The pointer
        // came from a box.
        unsafe {
            ManuallyDrop::drop(&mut self.parts);
            drop(Box::from_raw(self.whole.as_ptr()));
        }
    }
}

fn forbidden(why: &io::Error) -> Error {
    let sentence = match why.raw_os_error() {
        Some(libc::ENOSYS) => {
            "this kernel has no io_uring; use Linux 5.11 or newer, or allow it in the container's \
             system call filter"
                .into()
        }
        Some(libc::EPERM | libc::EACCES) => {
            "io_uring is forbidden here; set kernel.io_uring_disabled to 0 and allow \
             io_uring_setup, io_uring_enter and io_uring_register in the container's system call filter"
                .into()
        }
        Some(libc::ENOMEM) => {
            "io_uring may lock no more memory; raise the limit of locked memory (ulimit -l)".into()
        }
        _ => format!("io_uring could not be set up: {why}"),
    };
    Error::Unsupported(sentence)
}

struct Probed {
    multishot: bool,
}

fn probe(uring: &IoUring) -> Result<Probed, Error> {
    let old = |what: &str| {
        let sentence = format!("this kernel's io_uring cannot {what}; use Linux 5.11 or newer");
        Err(Error::Unsupported(sentence))
    };
    if !uring.params().is_feature_ext_arg() {
        return old("wait for a limited time");
    }
    if !uring.params().is_feature_nodrop() {
        return old("keep completions that find no room");
    }
    let mut probe = Probe::new();
    if uring.submitter().register_probe(&mut probe).is_err() {
        return old("say what it can do");
    }
    let needed = [
        (opcode::Accept::CODE, "accept a stream"),
        (opcode::Connect::CODE, "connect a stream"),
        (opcode::Recv::CODE, "receive"),
        (opcode::Send::CODE, "send"),
        (opcode::Read::CODE, "read"),
        (opcode::Write::CODE, "write"),
        (opcode::WriteFixed::CODE, "write from a registered buffer"),
        (opcode::ReadFixed::CODE, "read into a registered buffer"),
        (opcode::Fsync::CODE, "sync a file"),
        (opcode::AsyncCancel::CODE, "cancel"),
    ];
    match needed.into_iter().find(|(code, _)| !probe.is_supported(*code)) {
        Some((_, what)) => old(what),
        // Zero-copy sends came with multishot receives; no opcode of theirs tells.
        None => Ok(Probed { multishot: probe.is_supported(opcode::SendZc::CODE) }),
    }
}
