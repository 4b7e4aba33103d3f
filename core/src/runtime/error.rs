//! Why something outside did not work.

use alloc::string::String;
use core::fmt;

/// What a [`Runtime`](super::Runtime) can answer instead of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Nobody listens there.
    Refused(String),
    /// Nobody answered in time, or there is no way there.
    Unreachable(String),
    /// The other end, or the network, broke the stream.
    Broken,
    /// The address, or the device, is in use.
    InUse(String),
    /// There is no such thing.
    NotFound(String),
    /// It may not be used by this user.
    Denied(String),
    /// It makes no sense.
    Invalid(String),
    /// This machine cannot do that; the sentence says what to do.
    Unsupported(String),
    /// The machine has no more of something.
    Exhausted(String),
    /// Anything else, as the system said it.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused(what) => write!(f, "{what}: nobody listens there"),
            Error::Unreachable(what) => write!(f, "{what}: no answer"),
            Error::Broken => write!(f, "the stream broke"),
            Error::InUse(what) => write!(f, "{what} is in use by somebody else"),
            Error::NotFound(what) => write!(f, "{what} does not exist"),
            Error::Denied(what) => write!(f, "{what} may not be used: permission denied"),
            Error::Invalid(what) | Error::Unsupported(what) | Error::Exhausted(what) | Error::Other(what) => {
                f.write_str(what)
            }
        }
    }
}

impl core::error::Error for Error {}
