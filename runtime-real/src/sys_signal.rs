//! The signals that ask a process to end, as something that can be waited for.
#![expect(unsafe_code, reason = "the only files of the workspace where it belongs")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Where the handler writes: a descriptor that is never closed, or -1.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// Whether such a signal has come.
static CAME: AtomicBool = AtomicBool::new(false);

/// Runs between any two instructions: it may do nothing but what `signal-safety(7)` allows.
extern "C" fn note(_: libc::c_int) {
    CAME.store(true, Ordering::SeqCst);
    let pipe = PIPE.load(Ordering::Relaxed);
    // SAFETY: `write` may be called here; the descriptor stays open for ever, and the byte is a constant.
    unsafe { libc::write(pipe, [1_u8].as_ptr().cast(), 1) };
}

/// A pipe that becomes readable with the first SIGTERM or SIGINT from now on. The second one ends the process as if
/// nobody listened, so that one that hangs can be stopped.
pub(crate) fn termination() -> io::Result<OwnedFd> {
    let (reader, writer) = io::pipe()?;
    let writer = OwnedFd::from(writer);
    PIPE.store(writer.as_raw_fd(), Ordering::Relaxed);
    // A handler on another thread may be using it at any time.
    std::mem::forget(writer);
    handle(note as extern "C" fn(libc::c_int) as libc::sighandler_t)?;
    Ok(OwnedFd::from(reader))
}

/// From now on the first such signal ends the process, as if nobody had ever listened. Whether one came before that.
pub(crate) fn deaf() -> io::Result<bool> {
    handle(libc::SIG_DFL)?;
    Ok(CAME.load(Ordering::SeqCst))
}

fn handle(handler: libc::sighandler_t) -> io::Result<()> {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        // SAFETY: all zeros are a valid `sigaction`: no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART | libc::SA_RESETHAND;
        // SAFETY: the action is whole, and its handler does nothing that a handler may not do.
        if unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
