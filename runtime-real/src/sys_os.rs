//! Small questions to the operating system that the standard library does not ask.
#![expect(unsafe_code, reason = "the only files of the workspace where it belongs")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Unpredictable bytes.
pub(crate) fn entropy() -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: the kernel fills at most so many bytes of an array that is ours.
        let count = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(count) {
            Ok(count) => filled += count,
            // Only a signal interrupts it; since Linux 3.17 nothing else goes wrong.
            Err(_) => assert_eq!(io::Error::last_os_error().kind(), io::ErrorKind::Interrupted),
        }
    }
    bytes
}

/// The unit of direct I/O on this file in bytes: of offsets, and of memory. `None` if the file system does not say
/// (`statx(2)`, `STATX_DIOALIGN`, Linux 6.1) or allows none.
pub(crate) fn direct_alignment(file: &File) -> Option<(u32, u32)> {
    // SAFETY: all zeros are a valid `statx`.
    let mut answer: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: an empty path with AT_EMPTY_PATH means the descriptor; the call fills the structure that is ours.
    let result = unsafe {
        libc::statx(
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_DIOALIGN,
            &raw mut answer,
        )
    };
    let said = result == 0 && answer.stx_mask & libc::STATX_DIOALIGN != 0;
    let alignments = (answer.stx_dio_offset_align, answer.stx_dio_mem_align);
    (said && alignments.0 > 0 && alignments.1 > 0).then_some(alignments)
}

/// Makes room for `length` bytes, so that writing them later cannot find the file system full.
pub(crate) fn allocate(file: &File, length: u64) -> io::Result<()> {
    let length = libc::off_t::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    // SAFETY: the call reads no memory of ours.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) } {
        0 => Ok(()),
        why => Err(io::Error::from_raw_os_error(why)),
    }
}

/// Lets this process have as many files open as the system allows it (`RLIMIT_NOFILE`: the soft limit becomes the hard
/// one); how many that is.
///
/// # Errors
/// What the system says; then it is as it was.
pub fn open_more_files() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is written before the call returns, and outlives it.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is only read, and outlives the call.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(limit.rlim_cur)
}
