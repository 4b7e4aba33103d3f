//! Whether a disk can make one write durable without flushing everything that it holds.
//!
//! It can with forced unit access, and without a volatile cache. Then a write with `RWF_DSYNC` is one request to the disk.
//! Elsewhere the kernel has to flush behind it, and who does that is a question of time: [`quicker`](super::quicker).
//!
//! Source: `queue/fua` and `queue/write_cache` in `Documentation/ABI/stable/sysfs-block` of Linux, `fs/iomap/direct-io.c`.

use std::fs::{File, Metadata, read_to_string};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Whether a disk can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forced {
    Yes,
    No,
    /// There is no disk below, or nobody says: a file system of the network, of several disks, of another process.
    Unknown,
}

/// Whether the disk below this file can.
pub(super) fn below(file: &File) -> Forced {
    file.metadata().map_or(Forced::Unknown, |about| says(&place(Path::new("/sys/dev/block"), &about)))
}

fn place(all: &Path, about: &Metadata) -> PathBuf {
    let disk = if about.file_type().is_block_device() { about.rdev() } else { about.dev() };
    all.join(format!("{}:{}", libc::major(disk), libc::minor(disk)))
}

/// What is said of the disk in this directory, or of the one that a partition stands in.
fn says(disk: &Path) -> Forced {
    let queue = [disk.join("queue"), disk.join("../queue")].into_iter().find(|queue| queue.is_dir());
    let read = |name| read_to_string(queue.as_ref()?.join(name)).ok();
    match (read("fua").as_deref().map(str::trim), read("write_cache").as_deref().map(str::trim)) {
        (Some("1"), _) | (_, Some("write through")) => Forced::Yes,
        (Some(_), Some(_)) => Forced::No,
        _ => Forced::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, remove_dir_all, write};

    #[test]
    fn forced_access_and_no_cache_are_read_from_the_disk_or_from_that_of_its_partition() {
        let root = std::env::temp_dir().join(format!("seedfast-forced-{}", std::process::id()));
        let answers = [
            ("0\n", "write back\n", Forced::No),
            ("1\n", "write back\n", Forced::Yes),
            ("0\n", "write through\n", Forced::Yes),
        ];
        for (index, (fua, cache, can)) in answers.into_iter().enumerate() {
            let disk = root.join(index.to_string());
            create_dir_all(disk.join("queue")).expect("a temporary directory");
            create_dir_all(disk.join("partition")).expect("a temporary directory");
            write(disk.join("queue/fua"), fua).expect("a file in it");
            write(disk.join("queue/write_cache"), cache).expect("a file in it");
            assert_eq!((says(&disk), says(&disk.join("partition"))), (can, can), "{fua}{cache}");
        }
        assert_eq!(says(&root.join("no disk")), Forced::Unknown);
        let _ = remove_dir_all(root);
    }

    #[test]
    fn the_disk_is_named_by_its_numbers() {
        let about = File::open("/").and_then(|root| root.metadata()).expect("every machine has a root");
        let numbers = format!("{}:{}", libc::major(about.dev()), libc::minor(about.dev()));
        assert_eq!(place(Path::new("/sys"), &about), Path::new("/sys").join(numbers));
    }
}
