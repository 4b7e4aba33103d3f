//! What a user can put right: wrong usage, an unreadable file, a full disk.

use std::fmt;

/// One sentence that says what is wrong, where, and what to do. The process exits with code 2 after printing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(String);

impl Trouble {
    /// Trouble in the given words.
    pub fn new(sentence: impl Into<String>) -> Self {
        Trouble(sentence.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}
