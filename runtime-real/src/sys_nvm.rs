//! Mapped memory that survives: what [`nvm`](seedfast_core::nvm)'s three operations become on this machine.
//!
//! On a file system with DAX a mapping made with `MAP_SYNC` is the persistent memory itself: a store is an instruction,
//! `CLWB` (or what the processor has of that kind) writes a line back, `SFENCE` waits until it has left the caches
//! (`mmap(2)`; Intel's manual, volume 1, section 11.4.4; on Arm `DC CVAP` and `DSB`). Elsewhere the same file is mapped
//! through the page cache, and a fence is `msync`: correct, and as slow as a disk.
#![expect(unsafe_code, reason = "the only files of the workspace where it belongs")]

use crate::device::Means;
use seedfast_core::nvm::{LINE, PersistentMemory, WORD};
use seedfast_core::runtime::Error;
use seedfast_core::storage::Range;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

const PAGE: u64 = 4096;

/// How what was stored is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteBack {
    /// Line by line.
    Lines(Instruction),
    /// By the kernel, page by page.
    Pages,
}

/// What writes a line back. The variants of other processors do not exist here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instruction {
    #[cfg(target_arch = "x86_64")]
    Clwb,
    #[cfg(target_arch = "x86_64")]
    Clflushopt,
    #[cfg(target_arch = "x86_64")]
    Clflush,
    #[cfg(target_arch = "aarch64")]
    Cvap,
}

impl Instruction {
    /// The best that this processor has.
    #[cfg(target_arch = "x86_64")]
    fn of_this_processor() -> Option<Self> {
        let known = std::arch::x86_64::__cpuid(0).eax >= 7;
        // Leaf 7, EBX: bit 24 is CLWB, bit 23 CLFLUSHOPT. Every 64-bit processor has CLFLUSH.
        let features = if known { std::arch::x86_64::__cpuid_count(7, 0).ebx } else { 0 };
        Some(match () {
            () if features & 1 << 24 != 0 => Instruction::Clwb,
            () if features & 1 << 23 != 0 => Instruction::Clflushopt,
            () => Instruction::Clflush,
        })
    }

    /// The best that this processor has.
    #[cfg(target_arch = "aarch64")]
    fn of_this_processor() -> Option<Self> {
        // SAFETY: the call reads a table that the kernel gave this process.
        let capabilities = unsafe { libc::getauxval(libc::AT_HWCAP) };
        (capabilities & libc::HWCAP_DCPOP != 0).then_some(Instruction::Cvap)
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn of_this_processor() -> Option<Self> {
        None
    }

    const fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Instruction::Clwb => "clwb",
            #[cfg(target_arch = "x86_64")]
            Instruction::Clflushopt => "clflushopt",
            #[cfg(target_arch = "x86_64")]
            Instruction::Clflush => "clflush",
            #[cfg(target_arch = "aarch64")]
            Instruction::Cvap => "dc cvap",
        }
    }
}

/// What was carried out on a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Operations {
    /// Words stored.
    pub(crate) stores: u64,
    /// Lines written back, or noted for the kernel.
    pub(crate) lines: u64,
    /// Fences.
    pub(crate) fences: u64,
}

/// A mapped file.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    length: u64,
    write_back: WriteBack,
    /// The pages to sync at the next fence, `first..last` in bytes; disjoint.
    pending: Vec<(u64, u64)>,
    failed: bool,
    operations: Operations,
}

impl Mapping {
    /// Maps the first `length` bytes of a file.
    ///
    /// # Errors
    /// It cannot be mapped; or it is on persistent memory, and this processor has no instruction for it.
    pub(crate) fn new(file: &File, length: u64, name: &str) -> Result<Self, Error> {
        match map(file, length, libc::MAP_SHARED_VALIDATE | libc::MAP_SYNC) {
            Ok(start) => {
                let mapping = Mapping::from(start, length, WriteBack::Pages);
                let Some(instruction) = Instruction::of_this_processor() else {
                    let why = "is on persistent memory, and this processor cannot write lines back to it";
                    return Err(Error::Unsupported(format!("{name} {why}; use the path without nvm:")));
                };
                let mut mapping = mapping;
                mapping.write_back = WriteBack::Lines(instruction);
                Ok(mapping)
            }
            // Not on DAX (EOPNOTSUPP), or a kernel that does not know the flags (EINVAL).
            Err(why) if [Some(libc::EOPNOTSUPP), Some(libc::EINVAL)].contains(&why.raw_os_error()) => {
                match map(file, length, libc::MAP_SHARED) {
                    Ok(start) => Ok(Mapping::from(start, length, WriteBack::Pages)),
                    Err(why) => Err(Error::Other(format!("{name} cannot be mapped: {why}"))),
                }
            }
            Err(why) => Err(Error::Other(format!("{name} cannot be mapped: {why}"))),
        }
    }

    fn from(start: NonNull<u8>, length: u64, write_back: WriteBack) -> Self {
        let operations = Operations::default();
        Mapping { start, length, write_back, pending: Vec::new(), failed: false, operations }
    }

    /// How it is made durable.
    pub(crate) fn means(&self) -> Means {
        match self.write_back {
            WriteBack::Lines(instruction) => Means::Lines(instruction.name()),
            WriteBack::Pages => Means::Pages,
        }
    }

    /// Whether a fence failed: what it should have made durable may be lost.
    pub(crate) fn failed(&self) -> bool {
        self.failed
    }

    /// What was carried out so far.
    #[cfg(test)]
    pub(crate) fn operations(&self) -> Operations {
        self.operations
    }

    /// The address of `at`, of which `length` bytes are about to be touched.
    fn place(&self, at: u64, length: u64) -> *mut u8 {
        let within = at.checked_add(length).is_some_and(|end| end <= self.length);
        assert!(within, "{length} bytes at {at} of a mapping of {}", self.length);
        self.start.as_ptr().wrapping_add(at as usize)
    }

    fn sync_pages(&mut self) {
        for (first, last) in std::mem::take(&mut self.pending) {
            let start = self.place(first, last - first);
            // SAFETY: whole pages of the mapping, as `place` has checked.
            let result = unsafe { libc::msync(start.cast(), (last - first) as usize, libc::MS_SYNC) };
            self.failed |= result != 0;
        }
    }
}

fn map(file: &File, length: u64, flags: libc::c_int) -> io::Result<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
    let start =
        unsafe { libc::mmap(std::ptr::null_mut(), length as usize, protection, flags, file.as_raw_fd(), 0) };
    match NonNull::new(start.cast()) {
        Some(address) if start != libc::MAP_FAILED => Ok(address),
        _ => Err(io::Error::last_os_error()),
    }
}

impl PersistentMemory for Mapping {
    fn store_u64(&mut self, at: u64, value: u64) {
        assert!(at.is_multiple_of(WORD), "a word is stored at a multiple of {WORD}");
        self.operations.stores += 1;
        let word = self.place(at, WORD).cast::<u64>();
        // SAFETY: within the mapping, aligned because the mapping begins on a page, and no reference to the mapping's
        // bytes exists anywhere. Volatile, so that the compiler makes it one store that it neither splits nor merges.
        unsafe { word.write_volatile(value.to_le()) };
    }

    fn flush(&mut self, range: Range) {
        let Range { at, length } = range;
        if length == 0 {
            return;
        }
        self.operations.lines += length.div_ceil(LINE);
        match self.write_back {
            WriteBack::Pages => {
                let (mut first, mut last) =
                    (at / PAGE * PAGE, (at + length).next_multiple_of(PAGE).min(self.length));
                self.pending.retain(|(other_first, other_last)| {
                    let apart = *other_last < first || last < *other_first;
                    if !apart {
                        first = first.min(*other_first);
                        last = last.max(*other_last);
                    }
                    apart
                });
                self.pending.push((first, last));
            }
            WriteBack::Lines(instruction) => {
                let (mut line, end) = (at / LINE * LINE, at + length);
                while line < end {
                    write_back(instruction, self.place(line, 1));
                    line += LINE;
                }
            }
        }
    }

    fn fence(&mut self) {
        self.operations.fences += 1;
        match self.write_back {
            WriteBack::Pages => self.sync_pages(),
            WriteBack::Lines(_) => fence(),
        }
    }
}

/// Starts the write-back of the line at `address`, which is mapped.
#[cfg(target_arch = "x86_64")]
fn write_back(instruction: Instruction, address: *mut u8) {
    // SAFETY: none of them changes memory or registers, and the line is mapped. Without `nomem` each is a barrier for the
    // compiler: stores before it stay before it. The processor has the instruction: it was asked.
    unsafe {
        match instruction {
            Instruction::Clwb => {
                std::arch::asm!("clwb [{}]", in(reg) address, options(nostack, preserves_flags));
            }
            Instruction::Clflushopt => {
                std::arch::asm!("clflushopt [{}]", in(reg) address, options(nostack, preserves_flags));
            }
            Instruction::Clflush => {
                std::arch::asm!("clflush [{}]", in(reg) address, options(nostack, preserves_flags));
            }
        }
    }
}

/// Waits until the lines written back have left the caches.
#[cfg(target_arch = "x86_64")]
fn fence() {
    // SAFETY: it changes nothing; without `nomem` it is a barrier for the compiler, too.
    unsafe { std::arch::asm!("sfence", options(nostack, preserves_flags)) };
}

/// Starts the write-back of the line at `address`, which is mapped.
#[cfg(target_arch = "aarch64")]
fn write_back(_: Instruction, address: *mut u8) {
    // SAFETY: it changes neither memory nor registers, and the line is mapped. Written out as `sys`, because an assembler
    // takes `dc cvap` only with an extension switched on. The processor has it: it was asked.
    unsafe { std::arch::asm!("sys #3, c7, c12, #1, {}", in(reg) address, options(nostack, preserves_flags)) };
}

/// Waits until the lines written back have reached the point of persistence.
#[cfg(target_arch = "aarch64")]
fn fence() {
    // SAFETY: it changes nothing; without `nomem` it is a barrier for the compiler, too.
    unsafe { std::arch::asm!("dsb sy", options(nostack, preserves_flags)) };
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn write_back(instruction: Instruction, _: *mut u8) {
    match instruction {}
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn fence() {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `map` with this length, and unmapped once; nothing points into it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length as usize) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::buffer::Buffer;
    use seedfast_core::nvm::{Lines, run};
    use seedfast_core::storage::{Durability, Step};
    use std::io::Read;

    fn mapped(name: &str) -> (std::path::PathBuf, File, Mapping) {
        let path = std::env::temp_dir().join(format!("seedfast-{name}-{}", std::process::id()));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.expect("a temporary file");
        file.set_len(4 * PAGE).expect("room for it");
        let mapping = Mapping::new(&file, 4 * PAGE, "test").expect("it can be mapped");
        (path, file, mapping)
    }

    #[test]
    fn a_durable_append_is_one_fence_and_its_bytes_stand_in_the_file() {
        let (path, mut file, mut mapping) = mapped("append");
        let bytes: Vec<u8> = (0..200).map(|n| n as u8).collect();
        let chain = [Step::Write { at: 4096 - 64, buffer: Buffer::copy_from(&bytes) }];
        run(&chain, Durability::Durable, &mut Lines::default(), &mut mapping);
        assert_eq!(mapping.operations(), Operations { stores: 25, lines: 4, fences: 1 });
        assert!(!mapping.failed());
        let mut whole = Vec::new();
        file.read_to_end(&mut whole).expect("it can be read");
        assert_eq!(whole[4096 - 64..][..200], bytes);
        drop(mapping);
        std::fs::remove_file(path).expect("it was ours");
    }

    #[test]
    fn lines_are_written_back_by_the_instruction_of_this_processor() {
        // Not durable in the page cache, but the very instructions, on memory that is really mapped.
        let (path, _file, mut mapping) = mapped("lines");
        let Some(instruction) = Instruction::of_this_processor() else { return };
        mapping.write_back = WriteBack::Lines(instruction);
        let chain = [
            Step::Write { at: 0, buffer: Buffer::copy_from(&[7; 256]) },
            Step::Persist(Range { at: 0, length: 512 }),
        ];
        run(&chain, Durability::Durable, &mut Lines::default(), &mut mapping);
        assert_eq!(mapping.operations(), Operations { stores: 32, lines: 8, fences: 1 });
        assert_eq!(mapping.means(), Means::Lines(instruction.name()));
        drop(mapping);
        std::fs::remove_file(path).expect("it was ours");
    }

    #[test]
    #[should_panic(expected = "of a mapping")]
    fn a_store_beyond_the_end_is_a_bug() {
        let (path, _file, mut mapping) = mapped("beyond");
        std::fs::remove_file(path).expect("it was ours");
        mapping.store_u64(4 * PAGE, 1);
    }
}
