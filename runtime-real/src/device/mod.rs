//! Devices: a file or a block device, or memory-mapped NVM.
//!
//! A device is known by its path; `nvm:` before the path asks for it as persistent memory. A file is made with
//! [`create`], whole, so that writing to it later can neither find the file system full nor change the file's metadata.
//! Whoever opens a device has it alone, as long as anything of it is in flight: the lock (`flock(2)`) is the open file's,
//! and a request of a process that was killed holds the open file until it has ended. That is why there is nothing to
//! do for [`Drain`](seedfast_core::storage::Step::Drain).

mod file;
mod forced;
mod nvm;
mod quicker;
#[cfg(test)]
mod refusals;

use crate::machine::Machine;
use crate::sys_os;
use file::FileDevice;
use nvm::NvmDevice;
use seedfast_core::id::OperationId;
use seedfast_core::input::Input;
use seedfast_core::outbox::Outbox;
use seedfast_core::runtime::{Device, Error};
use seedfast_core::storage::{Chain, Durability, Failure, Geometry, Range, Step};
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;
use std::task::{Context, Poll};

/// How a device is written, and made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Past the page cache (`O_DIRECT`), and `fdatasync`.
    Direct,
    /// Past the page cache, and each write durable by itself where nothing else is to become so (`RWF_DSYNC`).
    Through,
    /// Past the page cache, and where nothing else is to become durable, so by itself or by `fdatasync`, whichever has taken
    /// less time lately.
    Quicker,
    /// Through the page cache, because the file system allows nothing else or it was asked for, and `fdatasync`.
    Buffered,
    /// By store instructions; lines are written back by this instruction, and fenced.
    Lines(&'static str),
    /// By store instructions into the page cache, and `msync`: this file is not on persistent memory.
    Pages,
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Means::Direct => f.write_str("direct writes and fdatasync"),
            Means::Through => f.write_str("direct writes that are durable by themselves"),
            Means::Quicker => {
                f.write_str("direct writes, durable by themselves or by fdatasync, whichever is quicker")
            }
            Means::Buffered => f.write_str("writes through the page cache and fdatasync"),
            Means::Lines(instruction) => write!(f, "stores, {instruction} and a fence"),
            Means::Pages => f.write_str("stores into the page cache and msync"),
        }
    }
}

/// A device of this machine.
pub struct RealDevice(Kind);

enum Kind {
    File(FileDevice),
    Nvm(Box<NvmDevice>),
}

/// Makes a file of `capacity` bytes to be opened as a device: every byte is zero and has its place on the medium.
///
/// # Errors
/// It exists already ([`Error::InUse`]: a device is not overwritten), there is no room for it, or it may not be made.
pub fn create(path: impl AsRef<Path>, capacity: u64) -> Result<(), Error> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = made.map_err(|why| match why.kind() {
        io::ErrorKind::AlreadyExists => Error::InUse(name.clone()),
        _ => explain(&name, &why),
    })?;
    let fill = |file: &mut File| {
        sys_os::allocate(file, capacity)?;
        // Written once in full: otherwise the first write to each place would change metadata, and its sync cost more.
        let zeros = vec![0; 1 << 20];
        let mut left = capacity;
        while left > 0 {
            let count = left.min(zeros.len() as u64);
            file.write_all(&zeros[..count as usize])?;
            left -= count;
        }
        file.sync_all()?;
        // The name, too, must survive.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    };
    fill(&mut file).map_err(|why| {
        let _ = std::fs::remove_file(path);
        explain(&name, &why)
    })
}

fn explain(name: &str, why: &io::Error) -> Error {
    match why.kind() {
        io::ErrorKind::NotFound => Error::NotFound(name.to_owned()),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Error::Denied(name.to_owned()),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Error::Exhausted(format!("{name}: there is not enough room ({why})"))
        }
        _ => Error::Other(format!("{name}: {why}")),
    }
}

/// Opens a path for this process alone. Returns the file, its length in bytes, and whether it is written past the cache.
fn open_alone(name: &str, direct: bool) -> Result<(File, u64, bool), Error> {
    let open = |flags| OpenOptions::new().read(true).write(true).custom_flags(flags).open(name);
    let opened = match direct {
        true => open(libc::O_DIRECT).map(|file| (file, true)),
        false => open(0).map(|file| (file, false)),
    };
    let (mut file, direct) = match opened {
        // The file system does not do that.
        Err(why) if direct && why.raw_os_error() == Some(libc::EINVAL) => {
            (open(0).map_err(|why| explain(name, &why))?, false)
        }
        other => other.map_err(|why| explain(name, &why))?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::InUse(name.to_owned())),
        Err(TryLockError::Error(why)) => return Err(explain(name, &why)),
    }
    let length = file.seek(SeekFrom::End(0)).map_err(|why| explain(name, &why))?;
    Ok((file, length, direct))
}

/// Opens a file that is there for writes past the page cache, each of whole pages. `None` if its file system does not do
/// that, or it cannot be opened at all.
pub fn past_the_cache(path: &Path) -> Option<File> {
    OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path).ok()
}

/// How an error of a read or a write is told to a process; `None` if it is no error and can be tried again.
fn failure(error: i32) -> Option<Failure> {
    match error {
        libc::EINTR | libc::EAGAIN | libc::ECANCELED => None,
        libc::ENOSPC | libc::EDQUOT | libc::EFBIG => Some(Failure::NoSpace),
        libc::EIO | libc::ENODATA | libc::EBADMSG | libc::EILSEQ => Some(Failure::Media),
        _ => Some(Failure::Device),
    }
}

/// A process that asks for what its device does not have has a bug.
fn check(geometry: &Geometry, at: u64, length: u64) {
    let alignment = u64::from(geometry.alignment);
    let aligned = at.is_multiple_of(alignment) && length.is_multiple_of(alignment);
    let within = at.checked_add(length).is_some_and(|end| end <= geometry.capacity);
    assert!(aligned && within, "{length} bytes at {at} do not fit {geometry:?}");
}

fn check_chain(geometry: &Geometry, chain: &Chain) {
    for step in chain {
        match step {
            Step::Write { at, buffer } => check(geometry, *at, buffer.len() as u64),
            Step::Persist(range) => check(geometry, range.at, range.length),
            Step::Barrier | Step::Drain => {}
        }
    }
}

impl RealDevice {
    /// Opens it for this process alone.
    ///
    /// # Errors
    /// It does not exist, is empty, may not be used, is in use, or this machine cannot serve it.
    pub(crate) fn open(machine: &Rc<Machine>, name: &str) -> Result<Self, Error> {
        let device = match name.strip_prefix("nvm:") {
            Some(path) => Kind::Nvm(Box::new(NvmDevice::open(machine, path)?)),
            None => Kind::File(FileDevice::open(machine, name)?),
        };
        Ok(RealDevice(device))
    }

    /// How it is written and made durable here.
    pub fn means(&self) -> Means {
        match &self.0 {
            Kind::File(device) => device.means(),
            Kind::Nvm(device) => device.means(),
        }
    }
}

impl Device for RealDevice {
    fn geometry(&self) -> Geometry {
        match &self.0 {
            Kind::File(device) => device.geometry(),
            Kind::Nvm(device) => device.geometry(),
        }
    }

    fn queue_depth(&self) -> u32 {
        match &self.0 {
            Kind::File(device) => device.queue_depth(),
            Kind::Nvm(device) => device.queue_depth(),
        }
    }

    fn submit(&mut self, op: OperationId, chain: Chain, durability: Durability) {
        check_chain(&self.geometry(), &chain);
        match &mut self.0 {
            Kind::File(device) => device.submit(op, chain, durability),
            Kind::Nvm(device) => device.submit(op, chain, durability),
        }
    }

    fn read(&mut self, op: OperationId, range: Range) {
        check(&self.geometry(), range.at, range.length);
        match &mut self.0 {
            Kind::File(device) => device.read(op, range),
            Kind::Nvm(device) => device.read(op, range),
        }
    }

    fn poll_completed(&mut self, cx: &mut Context<'_>, into: &mut Vec<Input>, most: usize) -> Poll<()> {
        match &mut self.0 {
            Kind::File(device) => device.poll_completed(cx, into, most),
            Kind::Nvm(device) => device.poll_completed(cx, into, most),
        }
    }

    fn reclaim(&mut self, out: &mut Outbox) {
        match &mut self.0 {
            Kind::File(device) => device.reclaim(out),
            Kind::Nvm(device) => device.reclaim(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_what_a_process_may_do_about_them() {
        assert_eq!(failure(libc::ENOSPC), Some(Failure::NoSpace));
        assert_eq!(failure(libc::EIO), Some(Failure::Media));
        assert_eq!(failure(libc::EBADF), Some(Failure::Device));
        assert_eq!(failure(libc::EINTR), None);
    }
}
