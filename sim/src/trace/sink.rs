//! Where a trace's bytes go besides the hash.

use std::io::Write;
use std::ops::ControlFlow;

/// Takes the trace in large pieces, whose borders mean nothing.
pub trait TraceSink {
    /// The next bytes. `Break` stops the run.
    fn write(&mut self, bytes: &[u8]) -> ControlFlow<()>;
}

/// Keeps nothing: the hash alone matters.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl TraceSink for NoTrace {
    fn write(&mut self, _bytes: &[u8]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Keeps everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory(pub Vec<u8>);

impl TraceSink for Memory {
    fn write(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        self.0.extend_from_slice(bytes);
        ControlFlow::Continue(())
    }
}

/// Writes to a file, or to anything else that takes bytes; stops the run and remembers the error if that fails.
pub struct File<W: Write> {
    to: W,
    error: Option<std::io::Error>,
}

impl<W: Write> File<W> {
    /// A sink that writes to `to`.
    pub fn new(to: W) -> Self {
        File { to, error: None }
    }

    /// Flushes, and gives back what was written to.
    ///
    /// # Errors
    /// The first error of any write.
    pub fn finish(mut self) -> std::io::Result<W> {
        match self.error {
            Some(error) => Err(error),
            None => self.to.flush().map(|()| self.to),
        }
    }
}

impl<W: Write> TraceSink for File<W> {
    fn write(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        match self.to.write_all(bytes) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.error.get_or_insert(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// Compares with a reference, and stops the run at the first byte that differs.
#[derive(Clone, Debug)]
pub struct Compare<'a> {
    reference: &'a [u8],
    seen: usize,
    difference: Option<u64>,
}

impl<'a> Compare<'a> {
    /// Compares with the bytes of an earlier run.
    pub fn new(reference: &'a [u8]) -> Self {
        Compare { reference, seen: 0, difference: None }
    }

    /// The offset of the first byte that differs, once the run is over; also where one of the two ends first.
    pub fn difference(&self) -> Option<u64> {
        self.difference.or((self.seen != self.reference.len()).then_some(self.seen as u64))
    }
}

impl TraceSink for Compare<'_> {
    fn write(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        if self.difference.is_some() {
            return ControlFlow::Break(());
        }
        let rest = &self.reference[self.seen..];
        let same = rest.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        if same < bytes.len() {
            self.difference = Some((self.seen + same) as u64);
            return ControlFlow::Break(());
        }
        self.seen += same;
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compare_names_the_first_byte_that_differs() {
        let mut same = Compare::new(b"ballot");
        assert!(same.write(b"bal").is_continue() && same.write(b"lot").is_continue());
        assert_eq!(same.difference(), None);
        let mut other = Compare::new(b"ballot");
        assert!(other.write(b"bal").is_continue() && other.write(b"lat").is_break());
        assert_eq!(other.difference(), Some(4));
        let mut short = Compare::new(b"ballot");
        assert!(short.write(b"ball").is_continue());
        assert_eq!(short.difference(), Some(4));
        let mut long = Compare::new(b"b");
        assert!(long.write(b"ba").is_break());
        assert_eq!(long.difference(), Some(1));
    }
}
