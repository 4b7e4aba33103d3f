//! Files that the kernel is told of in advance: a request names one by its place in the kernel's table, and the kernel
//! neither looks the descriptor up nor counts who uses the file, request by request.
//!
//! A place is given back when its file is dropped, which is behind the last request on it: a request owns its file. The
//! kernel keeps the file open until it is told so, with the next submission.

use io_uring::Submitter;
use std::cell::RefCell;
use std::ops::Deref;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;

/// An open file, with its place in the kernel's table if it has one.
pub(crate) struct Known<F> {
    file: F,
    place: Option<Place>,
}

struct Place {
    number: u32,
    leaving: Rc<RefCell<Vec<u32>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leaving.borrow_mut().push(self.number);
    }
}

impl<F> Deref for Known<F> {
    type Target = F;
    fn deref(&self) -> &F {
        &self.file
    }
}

/// What a request calls its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// By its descriptor.
    Descriptor(RawFd),
    /// By its place in the kernel's table.
    Place(u32),
}

impl<F: AsRawFd> Known<F> {
    /// What the kernel calls it.
    pub(crate) fn name(&self) -> Name {
        match &self.place {
            Some(place) => Name::Place(place.number),
            None => Name::Descriptor(self.file.as_raw_fd()),
        }
    }
}

/// The kernel's table, as this side knows it.
#[derive(Default)]
pub(crate) struct Files {
    free: Vec<u32>,
    /// Places whose files were dropped.
    leaving: Rc<RefCell<Vec<u32>>>,
}

/// A table with fewer places is not worth having.
const FEWEST: u32 = 8;

impl Files {
    /// A table with `most` places, or with fewer where this process may not open so many files; `None` without one.
    pub(crate) fn register(submitter: &Submitter<'_>, most: u32) -> Option<Self> {
        let sizes = std::iter::successors(Some(most), |size| Some(size / 4));
        let mut sizes = sizes.take_while(|size| *size >= FEWEST.min(most.max(1)));
        let size = sizes.find(|size| submitter.register_files_sparse(*size).is_ok())?;
        Some(Files { free: (0..size).rev().collect(), leaving: Rc::default() })
    }

    /// Tells the kernel of a file, if there is room.
    pub(crate) fn know<F: AsRawFd>(&mut self, submitter: &Submitter<'_>, file: F) -> Known<F> {
        self.let_go(submitter);
        let place = self.free.pop().and_then(|number| {
            match submitter.register_files_update(number, &[file.as_raw_fd()]) {
                Ok(_) => Some(Place { number, leaving: self.leaving.clone() }),
                Err(_) => {
                    self.free.push(number);
                    None
                }
            }
        });
        Known { file, place }
    }

    /// Lets the kernel close the files that were dropped.
    pub(crate) fn let_go(&mut self, submitter: &Submitter<'_>) {
        for number in self.leaving.borrow_mut().drain(..) {
            // A place that cannot be emptied is not used again.
            if submitter.register_files_update(number, &[-1]).is_ok() {
                self.free.push(number);
            }
        }
    }
}
