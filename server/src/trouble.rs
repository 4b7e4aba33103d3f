//! What ends the program early: one sentence, and an exit code that a script can rely on.

use std::fmt;
use std::process::ExitCode;

/// Why the program ends, and with which code.
#[derive(Debug)]
pub(crate) struct Trouble {
    code: u8,
    sentence: String,
}

impl Trouble {
    /// Code 1: what was to be looked at, saved or brought back is damaged.
    pub(crate) fn wrong(sentence: impl Into<String>) -> Self {
        Trouble { code: 1, sentence: sentence.into() }
    }

    /// Code 2: what was asked for makes no sense, or this machine or this data directory does not allow it. Nothing was
    /// changed.
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Trouble { code: 2, sentence: sentence.into() }
    }

    /// Code 3: a replica that was running cannot go on.
    pub(crate) fn halted(sentence: impl Into<String>) -> Self {
        Trouble { code: 3, sentence: sentence.into() }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}
