//! Looking at a journal without recovering from it, for people who ask what is on a device and what is wrong with it.
//!
//! Nothing here decides anything: what recovery would make of the device is [`Recovery`](super::Recovery)'s to say.

use super::decide::{self, LogView};
use super::frame::{self, HEADER, Header, VERSION};
use super::layout::GRAIN;
use super::mark::MarkCopy;
use super::metadata::Metadata;
use super::pieces;
use super::refusal::Refusal;
use super::row::Rows;
use crate::storage::{Geometry, Range};

/// What a frame of the log is to recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// L1: it follows the one before.
    Counts,
    /// Its header can be read, and it is torn, damaged, or of another serial.
    Unreadable,
    /// L7: another cluster's or group's.
    Foreign,
    /// L10: of a later format version.
    Newer,
    /// L8: it does not stand where its position says.
    Misdirected,
    /// A whole one of an earlier lap, which nothing has overwritten yet.
    EarlierLap,
    /// A whole one of this lap that does not follow: L4, L9, L11, L12.
    Stray,
}

/// A frame of the log.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Where it stands, in bytes from the beginning of the device.
    pub offset: u64,
    /// What it says; verified unless its fate is [`Fate::Unreadable`] or [`Fate::Foreign`].
    pub header: Header,
    /// What follows the header, just as well verified.
    pub payload: &'a [u8],
    /// What recovery makes of it.
    pub fate: Fate,
}

/// The metadata that recovery would go by, whoever the device belongs to. `front` are the device's first bytes, as many
/// as two of the largest copies take if it has so many; `bad` are the ranges that could not be read.
///
/// # Errors
/// The rows D1 to D4, D7, D8 and D10.
pub fn metadata(front: &[u8], bad: &[Range], geometry: &Geometry) -> Result<Metadata, Refusal> {
    decide::device(front, bad, geometry, None, &mut Rows::default()).map(|device| device.metadata)
}

/// Hands every frame of the log to `each`, whether it counts or not, from the head on once around the ring. `log` are
/// the bytes of [`log_range`](super::Layout::log_range), with zeros where `bad` says that nothing could be read. `last`
/// is the number of the last record that recovery took, if it got so far.
pub fn records(
    metadata: &Metadata,
    log: &[u8],
    bad: &[Range],
    last: Option<u64>,
    each: &mut dyn FnMut(Found<'_>),
) {
    let view = LogView {
        bytes: log,
        bad,
        identity: &metadata.identity,
        layout: &metadata.layout,
        head: metadata.head,
        mark: metadata.mark,
        decided: metadata.decided,
        copies: [MarkCopy::Empty; 2],
    };
    let (mut number, mut previous, mut at) = (view.head.number, view.head.previous, view.head.position);
    let mut incarnation = 0;
    while last.is_none_or(|last| number <= last) {
        let Some((position, found)) = view.next(at, number, previous) else { break };
        let header = found.header;
        if header.version != VERSION || header.incarnation < incarnation {
            break;
        }
        aside(&view, at, position, each);
        let offset = view.layout.offset(position);
        each(Found { offset, header, payload: found.payload, fate: Fate::Counts });
        (number, previous, at) = (number + 1, found.checksum, position + header.padded());
        incarnation = header.incarnation;
    }
    aside(&view, at, (view.head.position + view.layout.lap()).max(at), each);
}

/// Hands out what stands from position `from` to `to`, outside of the chain.
fn aside(view: &LogView<'_>, from: u64, to: u64, each: &mut dyn FnMut(Found<'_>)) {
    let mut at = from;
    while at < to {
        let rest = view.rest(at);
        let Ok(header) = Header::peek(rest) else {
            at += GRAIN;
            continue;
        };
        let stands =
            header.position % view.layout.lap() == at % view.layout.lap() && header.position >> 62 == 0;
        let fate = if !view.is_ours(&header) {
            Fate::Foreign
        } else if view.frame(at, header.length).is_err() {
            Fate::Unreadable
        } else if header.version > frame::VERSION {
            Fate::Newer
        } else if !stands {
            Fate::Misdirected
        } else if header.position < at {
            Fate::EarlierLap
        } else {
            Fate::Stray
        };
        let payload = &rest[HEADER..header.length as usize];
        each(Found { offset: view.layout.offset(at), header, payload, fate });
        // Behind something that cannot be trusted, the next one may begin anywhere.
        let whole = !matches!(fate, Fate::Foreign | Fate::Unreadable);
        at += if whole { header.padded() } else { GRAIN };
    }
}

/// How many pieces of a snapshot chain from the beginning of area A (0) or B (1), and where the next one would stand, in
/// bytes from the beginning of the device. `bytes` are the area's.
pub fn pieces(metadata: &Metadata, area: u8, bytes: &[u8], bad: &[Range]) -> (pieces::Partial, u64) {
    let (draft, _) = pieces::chain(&metadata.identity, &metadata.layout, area, bytes, bad);
    (draft.partial(), metadata.layout.snapshot(area.into()) + draft.end)
}
