//! The trace: the canonical encoding of everything that happened, and how to read it.
//!
//! `docs/trace.md` documents every record byte by byte. The hash of a run is XXH3-128 of exactly these bytes, so
//! `xxh128sum` of a trace file prints what the run printed.

mod decode;
pub(crate) mod encode;
mod event;
mod show;
mod sink;

pub use decode::Reader;
pub use event::{Event, ImageWrite, Reason, Sent, Step, What, Who};
pub use sink::{Compare, File, Memory, NoTrace, TraceSink};

/// The first eight bytes of every trace; the last one is the version of the format.
pub const MAGIC: [u8; 8] = *b"SEEDTRC\x01";

/// The first byte of every record.
pub(crate) mod tag {
    pub(crate) const START: u8 = 0x10;
    pub(crate) const RECEIVE: u8 = 0x11;
    pub(crate) const TIMER: u8 = 0x12;
    pub(crate) const END_OF_BURST: u8 = 0x13;
    pub(crate) const COMPLETED: u8 = 0x14;
    pub(crate) const REQUEST: u8 = 0x15;
    pub(crate) const CLOSED: u8 = 0x16;
    pub(crate) const CONTROL: u8 = 0x17;
    pub(crate) const WRITABLE: u8 = 0x18;
    pub(crate) const LANDED_REMOTE: u8 = 0x19;
    pub(crate) const SLOW_TURN_ENDED: u8 = 0x1a;
    pub(crate) const SEND: u8 = 0x20;
    pub(crate) const SET_TIMER: u8 = 0x21;
    pub(crate) const SUBMIT: u8 = 0x22;
    pub(crate) const READ: u8 = 0x23;
    pub(crate) const RESPOND: u8 = 0x24;
    pub(crate) const OBSERVE: u8 = 0x25;
    pub(crate) const UNSUPPORTED: u8 = 0x26;
    pub(crate) const PEER: u8 = 0x27;
    pub(crate) const HALT: u8 = 0x28;
    pub(crate) const STOPPED: u8 = 0x30;
    pub(crate) const FAULT: u8 = 0x31;
    pub(crate) const FAULT_ENDED: u8 = 0x32;
    pub(crate) const DOWN: u8 = 0x33;
    pub(crate) const IMAGE: u8 = 0x34;
    pub(crate) const WRITE_LANDED: u8 = 0x35;
    pub(crate) const DURABLE: u8 = 0x36;
    pub(crate) const VANISHED: u8 = 0x37;
    pub(crate) const CLIENT_START: u8 = 0x40;
    pub(crate) const CLIENT_RESPONSE: u8 = 0x41;
    pub(crate) const CLIENT_CLOSED: u8 = 0x42;
    pub(crate) const CLIENT_TIMER: u8 = 0x43;
    pub(crate) const CLIENT_REQUEST: u8 = 0x48;
    pub(crate) const CLIENT_CLOSE: u8 = 0x49;
    pub(crate) const CLIENT_SET_TIMER: u8 = 0x4a;
    pub(crate) const VERDICT: u8 = 0x7f;
}

/// How one message starts its way: the low four bits of a fate byte.
pub(crate) mod fate {
    pub(crate) const ON_ITS_WAY: u8 = 0;
    pub(crate) const LOST: u8 = 1;
    pub(crate) const CUT: u8 = 2;
    pub(crate) const STARVED: u8 = 3;
    pub(crate) const NOBODY: u8 = 4;
    pub(crate) const CORRUPT: u8 = 0x10;
    pub(crate) const DOUBLED: u8 = 0x20;
    pub(crate) const COPY_CORRUPT: u8 = 0x40;
    pub(crate) const HELD_BACK: u8 = 0x80;
}

/// Why something on its way did not arrive.
pub(crate) mod stop {
    pub(crate) const CUT: u8 = 0;
    pub(crate) const NODE_DOWN: u8 = 1;
    pub(crate) const CLOGGED: u8 = 2;
    pub(crate) const CONNECTION_GONE: u8 = 3;
}
