//! Whether a disk can make one write durable without flushing everything that it holds.
//!
//! It can with forced unit access, and without a volatile cache. Then a write with `RWF_DSYNC` is one request to the disk.
//! Elsewhere the kernel has to flush behind it, and who does that is a question of time: [`quicker`](super::quicker).
//!
//! Source: `queue/fua` and `queue/write_cache` in `Documentation/ABI/stable/sysfs-block` of Linux, `fs/iomap/direct-io.c`.

use std::fs::{File, Metadata, read_to_string};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Whether the disk below this file can; no, if nobody knows.
pub(super) fn has(file: &File) -> bool {
    file.metadata().is_ok_and(|about| says(&place(Path::new("/sys/dev/block"), &about)))
}

fn place(all: &Path, about: &Metadata) -> PathBuf {
    let disk = if about.file_type().is_block_device() { about.rdev() } else { about.dev() };
    all.join(format!("{}:{}", libc::major(disk), libc::minor(disk)))
}

/// What is said of the disk in this directory, or of the one that a partition stands in.
fn says(disk: &Path) -> bool {
    let queue = [disk.join("queue"), disk.join("../queue")].into_iter().find(|queue| queue.is_dir());
    let read = |name| queue.as_ref().and_then(|queue| read_to_string(queue.join(name)).ok());
    read("fua").is_some_and(|fua| fua.trim() == "1")
        || read("write_cache").is_some_and(|cache| cache.trim() == "write through")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, remove_dir_all, write};

    #[test]
    fn forced_access_and_no_cache_are_read_from_the_disk_or_from_that_of_its_partition() {
        let root = std::env::temp_dir().join(format!("seedfast-forced-{}", std::process::id()));
        let answers =
            [("0\n", "write back\n", false), ("1\n", "write back\n", true), ("0\n", "write through\n", true)];
        for (index, (fua, cache, can)) in answers.into_iter().enumerate() {
            let disk = root.join(index.to_string());
            create_dir_all(disk.join("queue")).expect("a temporary directory");
            create_dir_all(disk.join("partition")).expect("a temporary directory");
            write(disk.join("queue/fua"), fua).expect("a file in it");
            write(disk.join("queue/write_cache"), cache).expect("a file in it");
            assert_eq!((says(&disk), says(&disk.join("partition"))), (can, can), "{fua}{cache}");
        }
        assert!(!says(&root.join("no disk")));
        let _ = remove_dir_all(root);
    }

    #[test]
    fn the_disk_is_named_by_its_numbers() {
        let about = File::open("/").and_then(|root| root.metadata()).expect("every machine has a root");
        let numbers = format!("{}:{}", libc::major(about.dev()), libc::minor(about.dev()));
        assert_eq!(place(Path::new("/sys"), &about), Path::new("/sys").join(numbers));
    }
}
