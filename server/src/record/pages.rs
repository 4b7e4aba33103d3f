//! A file that grows by blocks of any length and is written past the page cache in whole pages, from where the blocks
//! stand in memory. The cache would copy every byte and keep it, and writing it back later costs more than the rest of a
//! recording.
//!
//! The last page of a block is mostly not full. It is written with zeros behind it, and once more as the first page of the
//! next block, which is why a block is kept with room in front: [`front`].

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

/// What is written begins and ends at a multiple of this, in the file and in memory.
pub(super) const PAGE: usize = 4096;

/// How many bytes in front of a block in `memory` make it begin in its page where the file does, `length` bytes long.
pub(super) fn front(memory: &[u8], length: u64) -> usize {
    // Whoever cannot say where a page begins has his bytes copied.
    let aligned = Some(memory.as_ptr().align_offset(PAGE)).filter(|offset| *offset < PAGE).unwrap_or(0);
    aligned + (length % PAGE as u64) as usize
}

/// Such a file.
pub(super) struct Pages {
    file: File,
    /// The same file past the page cache, if its file system does that.
    direct: Option<File>,
    /// How many bytes were given to it.
    length: u64,
    /// Those of them in the last page that is not full.
    tail: Vec<u8>,
    /// A block that does not stand where it should.
    copy: Vec<u8>,
}

impl Pages {
    /// An empty `file`, which is `direct` past the page cache.
    pub(super) fn new(file: File, direct: Option<File>) -> Pages {
        Pages { file, direct, length: 0, tail: Vec::new(), copy: Vec::new() }
    }

    /// How long the file is, with what fills its last page.
    pub(super) fn length_with(&self, more: usize) -> u64 {
        let length = self.length + more as u64;
        if self.direct.is_some() { length.next_multiple_of(PAGE as u64) } else { length }
    }

    /// Appends what stands in `block` behind its first `front` bytes; what stands elsewhere in it is used and left dirty.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn append(&mut self, block: &mut Vec<u8>, front: usize) -> io::Result<()> {
        let bytes = block.len() - front;
        let before = self.length - self.tail.len() as u64;
        self.length += bytes as u64;
        let Some(direct) = &self.direct else { return self.file.write_all(&block[front..]) };
        let length = self.tail.len() + bytes;
        let whole = length.next_multiple_of(PAGE);
        let place = front.checked_sub(self.tail.len());
        let place = place.filter(|place| {
            block[*place..].as_ptr().align_offset(PAGE) == 0 && block.capacity() >= place + whole
        });
        let (place, pages) = match place {
            Some(place) => {
                block[place..front].copy_from_slice(&self.tail);
                block.resize(place + whole, 0);
                (place, &*block)
            }
            None => {
                self.copy.clear();
                self.copy.reserve(whole + PAGE);
                let place = self.copy.as_ptr().align_offset(PAGE) % PAGE;
                self.copy.resize(place, 0);
                self.copy.extend_from_slice(&self.tail);
                self.copy.extend_from_slice(&block[front..]);
                self.copy.resize(place + whole, 0);
                (place, &self.copy)
            }
        };
        let pages = &pages[place..place + whole];
        self.tail.clear();
        self.tail.extend_from_slice(&pages[length / PAGE * PAGE..length]);
        match direct.write_all_at(pages, before) {
            // The device wants something else than pages.
            Err(why) if why.kind() == io::ErrorKind::InvalidInput => {
                self.direct = None;
                self.file.set_len(before)?;
                self.file.seek(SeekFrom::Start(before))?;
                self.file.write_all(&pages[..length])
            }
            written => written,
        }
    }

    /// Gives back the page's rest.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn end(self) -> io::Result<()> {
        if self.direct.is_some() { self.file.set_len(self.length) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// Appends blocks of many lengths, each in memory where `place` says, and compares what the file then holds.
    fn grow(name: &str, direct: impl Fn(&PathBuf) -> Option<File>, place: impl Fn(&[u8], u64) -> usize) {
        let path = std::env::temp_dir().join(format!("seedfast-pages-{name}-{}", std::process::id()));
        let file = File::create(&path).expect("a file");
        let mut pages = Pages::new(file, direct(&path));
        let (mut expected, mut block) = (Vec::new(), Vec::with_capacity(32 << 10));
        for (number, length) in
            [8, 100, 4096, 0, 20_000, 3996, 1, 8191, 4096 * 3, 50_000, 7].into_iter().enumerate()
        {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + number) as u8 | 1).collect();
            block.clear();
            let front = place(&block, expected.len() as u64);
            block.resize(front, 0);
            block.extend_from_slice(&bytes);
            pages.append(&mut block, front).expect("it is written");
            expected.extend(bytes);
            let there = std::fs::read(&path).expect("it is there");
            assert!(there.starts_with(&expected), "block {number} of {length} bytes");
            assert!(there[expected.len()..].iter().all(|byte| *byte == 0), "zeros fill the page");
            assert_eq!(there.len() as u64, pages.length_with(0));
        }
        pages.end().expect("it ends");
        assert!(std::fs::read(&path).expect("it is there") == expected);
        std::fs::remove_file(path).expect("it is there");
    }

    #[test]
    fn blocks_follow_each_other_without_gaps_however_long_they_are() {
        let direct = |path: &PathBuf| File::options().write(true).open(path).ok();
        grow("placed", direct, front);
        grow("elsewhere", direct, |_, length| length as usize % 11);
        grow("plain", |_| None, |_, _| 0);
        grow("past", |path| seedfast_runtime_real::device::past_the_cache(path), front);
    }

    #[test]
    fn a_device_that_wants_something_else_than_pages_is_written_through_the_cache() {
        // This one wants a number, and says so as a device does that wants other pages.
        let open = |path: &str| File::options().write(true).open(path).ok();
        let path = std::env::temp_dir().join(format!("seedfast-pages-refused-{}", std::process::id()));
        let file = File::create(&path).expect("a file");
        let mut pages = Pages::new(file, open(&path.display().to_string()));
        pages.append(&mut vec![b' '; 5000], 0).expect("it is written");
        pages.direct = open("/proc/self/oom_score_adj");
        assert!(pages.direct.is_some());
        for text in ["one, ", "two, ", "three"] {
            pages.append(&mut text.into(), 0).expect("it is written");
        }
        pages.end().expect("it ends");
        let there = String::from_utf8(std::fs::read(&path).expect("it is there")).expect("text");
        assert!(there.len() == 5015 && there.ends_with(" one, two, three"), "{} bytes", there.len());
        std::fs::remove_file(path).expect("it is there");
    }
}
