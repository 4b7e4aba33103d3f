//! What recovery decides, as pure functions over bytes: which metadata counts, and where the log ends.
//!
//! The rows of the table in `docs/journal.md` are named where they are met.

use super::frame::{self, Frame, HEADER, Header, NoFrame, VERSION};
use super::layout::{COPY_MAX, COPY_MIN, GRAIN, Identity, Layout, Standing};
use super::mark::MarkCopy;
use super::metadata::{FIXED, Head, Metadata, MetadataCopy};
use super::refusal::Refusal;
use super::row::{Row, Rows};
use super::writer::{Segment, Tail, note_segment};
use crate::id::{ClusterId, GroupId, NodeId};
use crate::storage::{Geometry, Range};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Who a device must belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The cluster.
    pub cluster: ClusterId,
    /// The group.
    pub group: GroupId,
    /// The node.
    pub node: NodeId,
}

/// Whether any unreadable range lies in `range`.
#[inline]
pub(super) fn overlaps(bad: &[Range], range: Range) -> bool {
    bad.iter().any(|bad| bad.at < range.at + range.length && range.at < bad.at + bad.length)
}

/// The metadata that counts, and the copies that must be rewritten from it.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) metadata: Metadata,
    pub(super) stale: Option<u64>,
}

/// Decides by the device's first bytes; `bad` are the ranges of the device that could not be read. Without `expected`
/// it may be anybody's.
pub(super) fn device(
    front: &[u8],
    bad: &[Range],
    geometry: &Geometry,
    expected: Option<&Expected>,
    rows: &mut Rows,
) -> Result<Device, Refusal> {
    let refuse = |rows: &mut Rows, refusal: Refusal| {
        refusal.row().into_iter().for_each(|row| rows.meet(row));
        Err(refusal)
    };
    let has = geometry.capacity;
    if has < 2 * COPY_MIN || (front.len() as u64) < 2 * COPY_MIN {
        return refuse(rows, Refusal::TooShort { has, takes: 2 * COPY_MIN });
    }
    let read = |at: u64, most: u64| {
        let rest = front.get(at as usize..).unwrap_or_default();
        let place = &rest[..rest.len().min(most as usize)];
        if overlaps(bad, Range { at, length: FIXED }) {
            return MetadataCopy::Damaged;
        }
        match Metadata::read(place) {
            // What could not be read is zeros here, and must not pass for a configuration of zeros.
            MetadataCopy::Whole(found)
                if overlaps(bad, Range { at, length: FIXED + found.configuration.len() as u64 }) =>
            {
                MetadataCopy::Damaged
            }
            found => found,
        }
    };
    let first = read(0, COPY_MAX);
    let (at, second) = match &first {
        MetadataCopy::Whole(found) => {
            let (at, length) = (found.layout.copy, FIXED as usize + found.configuration.len());
            let same = front.get(at as usize..at as usize + length) == front.get(..length)
                && !overlaps(bad, Range { at, length: length as u64 });
            (at, if same { None } else { Some(read(at, at)) })
        }
        // Without copy A nobody knows how large its place is: copy B says so itself.
        _ => {
            let mut places = (0..).map(|shift| COPY_MIN << shift).take_while(|at| *at <= COPY_MAX);
            let own = |found: &MetadataCopy, at| match found {
                MetadataCopy::Whole(found) => found.layout.copy == at,
                MetadataCopy::Newer(_) => true,
                _ => false,
            };
            let whole = places.clone().map(|at| (at, read(at, at))).find(|(at, found)| own(found, *at));
            match whole {
                Some((at, found)) => (at, Some(found)),
                None => match places.find(|at| read(*at, *at) == MetadataCopy::Damaged) {
                    Some(at) => (at, Some(MetadataCopy::Damaged)),
                    None => (COPY_MIN, Some(read(COPY_MIN, COPY_MIN))),
                },
            }
        }
    };
    let decided = match (first, second) {
        (MetadataCopy::Newer(version), _) | (_, Some(MetadataCopy::Newer(version))) => {
            return refuse(rows, Refusal::NewerFormat { version });
        }
        (MetadataCopy::Whole(metadata), None) => Device { metadata, stale: None },
        (MetadataCopy::Whole(a), Some(MetadataCopy::Whole(b))) => {
            let one = a.identity == b.identity && a.layout == b.layout && a.capacity == b.capacity;
            if !one || a.generation == b.generation {
                return refuse(rows, Refusal::Contradiction);
            }
            if a.generation > b.generation {
                Device { metadata: a, stale: Some(at) }
            } else {
                Device { metadata: b, stale: Some(0) }
            }
        }
        (MetadataCopy::Whole(metadata), Some(_)) => Device { metadata, stale: Some(at) },
        (_, Some(MetadataCopy::Whole(metadata))) => Device { metadata, stale: Some(0) },
        // A later format may compute its checksums otherwise: if both copies say so, they are believed.
        (MetadataCopy::Damaged, Some(MetadataCopy::Damaged))
            if bad.is_empty() && front[12] > VERSION && front[at as usize + 12] == front[12] =>
        {
            return refuse(rows, Refusal::NewerFormat { version: front[12] });
        }
        (MetadataCopy::Damaged, _) | (_, Some(MetadataCopy::Damaged)) => {
            let refusal = match bad.iter().find(|bad| bad.at < 2 * COPY_MAX) {
                Some(bad) => Refusal::Unreadable { offset: bad.at },
                None => Refusal::MetadataLost,
            };
            return refuse(rows, refusal);
        }
        (MetadataCopy::Empty, Some(MetadataCopy::Empty)) => return refuse(rows, Refusal::Unformatted),
        _ => return refuse(rows, Refusal::NotAJournal),
    };
    let Metadata { identity, layout, capacity, .. } = &decided.metadata;
    let found = Expected { cluster: identity.cluster, group: identity.group, node: identity.node };
    if expected.is_some_and(|expected| found != *expected) {
        let Expected { cluster, group, node } = found;
        return refuse(rows, Refusal::Foreign { cluster, group, node });
    }
    if *capacity > has {
        return refuse(rows, Refusal::TooShort { has, takes: *capacity });
    }
    let demands = u64::from(geometry.alignment);
    if layout.unit % demands != 0 {
        return refuse(rows, Refusal::Alignment { demands, unit: layout.unit });
    }
    if decided.stale.is_some() {
        rows.meet(Row::D6);
    }
    if identity.standing == Standing::Replacement {
        rows.meet(Row::D9);
    }
    Ok(decided)
}

/// What the decision about the log rests on.
pub(super) struct LogView<'a> {
    /// The log area: one lap.
    pub(super) bytes: &'a [u8],
    /// Ranges of the device that could not be read; their bytes are zeros in `bytes`.
    pub(super) bad: &'a [Range],
    pub(super) identity: &'a Identity,
    pub(super) layout: &'a Layout,
    pub(super) head: Head,
    /// The mark and the decided prefix that the metadata knows.
    pub(super) mark: u64,
    pub(super) decided: u64,
    pub(super) copies: [MarkCopy; 2],
}

/// Where the log ends, and what is to be erased behind it.
#[derive(Debug)]
pub(super) struct LogEnd {
    pub(super) tail: Tail,
    /// The highest mark of any readable record, mark copy, or metadata.
    pub(super) mark: u64,
    /// The highest incarnation of any readable record or mark copy.
    pub(super) incarnation: u32,
    pub(super) segments: VecDeque<Segment>,
    /// Readable records that do not count, as ranges of the log area.
    pub(super) strays: Vec<Range>,
}

/// How a place of the log looks that is not in the chain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// L2.
    Nothing,
    /// L6.
    EarlierLap,
    /// L3.
    Torn,
    /// L11, L12.
    Dead,
}

struct Scan<'v, 'r> {
    view: &'v LogView<'v>,
    rows: &'r mut Rows,
    end: LogEnd,
    /// Where the next record could begin: behind the last one, at the next unit, at the next segment.
    expected: [u64; 3],
    /// How they look.
    place: Place,
    /// Readable records behind the end.
    behind: bool,
}

impl<'v> LogView<'v> {
    /// The places where the record behind `end` can begin.
    fn places(&self, end: u64) -> [u64; 3] {
        [end, self.layout.padded(end), end.next_multiple_of(self.layout.segment)]
    }

    /// The bytes from `position` to the end of its segment.
    #[inline]
    pub(super) fn rest(&self, position: u64) -> &'v [u8] {
        let at = (position % self.layout.lap()) as usize;
        let room = self.layout.segment - position % self.layout.segment;
        &self.bytes[at..at + room as usize]
    }

    /// The frame at `position`, unless a part of it could not be read.
    #[inline]
    pub(super) fn frame(&self, position: u64, length: u32) -> Result<Frame<'v>, NoFrame> {
        let range = Range { at: self.layout.offset(position), length: length.into() };
        if !self.bad.is_empty() && overlaps(self.bad, range) {
            return Err(NoFrame::Unreadable);
        }
        frame::decode(self.identity.serial, self.rest(position))
    }

    pub(super) fn is_ours(&self, header: &Header) -> bool {
        header.group == self.identity.group && header.cluster == self.identity.cluster
    }

    /// The places behind `end` at which a header says that it is the record `number` and follows `previous`, in order.
    /// More than one can: a torn record of a former life keeps its header, and the next life wrote its own record at
    /// the next unit.
    #[inline]
    fn candidates(
        &self,
        end: u64,
        number: u64,
        previous: u64,
    ) -> impl Iterator<Item = (u64, Header)> + use<'_, 'v> {
        let (limit, mut last) = (self.limit(), u64::MAX);
        self.places(end).into_iter().filter_map(move |at| {
            if at == last || at >= limit {
                return None;
            }
            last = at;
            let rest = self.rest(at);
            let header = Header::peek(rest).ok()?;
            let follows = header.number == number
                && header.position == at
                && header.previous == previous
                && self.is_ours(&header);
            follows.then_some((at, header))
        })
    }

    /// The record that follows, verified.
    #[inline]
    pub(super) fn next(&self, end: u64, number: u64, previous: u64) -> Option<(u64, Frame<'v>)> {
        self.candidates(end, number, previous)
            .find_map(|(at, header)| Some((at, self.frame(at, header.length).ok()?)))
    }

    /// The record that follows, which [`log`] has verified: it is hashed again only if two claim to be it.
    #[inline]
    pub(super) fn taken(&self, end: u64, number: u64, previous: u64) -> Option<(u64, Header)> {
        let mut claims = self.candidates(end, number, previous);
        let first = claims.next()?;
        if claims.next().is_none() {
            return Some(first);
        }
        drop(claims);
        self.next(end, number, previous).map(|(at, found)| (at, found.header))
    }

    /// The position behind the last place of the ring that may be used.
    fn limit(&self) -> u64 {
        self.head.position - self.head.position % self.layout.segment + self.layout.lap()
    }
}

/// Decides where the log ends.
pub(super) fn log(view: &LogView<'_>, rows: &mut Rows) -> Result<LogEnd, Refusal> {
    let Head { number, position, previous } = view.head;
    let tail = Tail { last: number - 1, checksum: previous, end: position, decided: view.decided };
    let mut end =
        LogEnd { tail, mark: view.mark, incarnation: 0, segments: VecDeque::new(), strays: Vec::new() };
    for copy in &view.copies {
        match copy {
            MarkCopy::Whole(mark) => {
                end.mark = end.mark.max(mark.number);
                end.incarnation = end.incarnation.max(mark.incarnation);
            }
            MarkCopy::Unreadable => rows.meet(Row::L14),
            MarkCopy::Empty => {}
        }
    }
    // Known when the chain was walked.
    let expected = [u64::MAX; 3];
    let mut scan = Scan { view, rows, end, expected, place: Place::Nothing, behind: false };
    let result = scan.walk().and_then(|in_group| scan.judge(in_group));
    if let Err(refusal) = &result {
        refusal.row().into_iter().for_each(|row| rows.meet(row));
        return Err(*refusal);
    }
    Ok(scan.end)
}

impl Scan<'_, '_> {
    /// Takes every record that follows (L1). Returns whether the last one stands in the middle of its group.
    fn walk(&mut self) -> Result<bool, Refusal> {
        let (mut incarnation, mut in_group) = (0, false);
        loop {
            let Tail { last, checksum, end, .. } = self.end.tail;
            let Some((at, found)) = self.view.next(end, last + 1, checksum) else { break };
            let header = found.header;
            let offset = self.view.layout.offset(at);
            if header.version > VERSION {
                return Err(Refusal::NewerRecord { version: header.version, offset });
            }
            if header.incarnation < incarnation {
                break;
            }
            let sane = header.version == VERSION
                && header.mark < header.number
                && header.kind != frame::Kind::Piece as u8
                && found.is_well_formed(self.view.rest(at));
            if !sane {
                return Err(Refusal::Malformed { number: header.number, offset });
            }
            for copy in &self.view.copies {
                if let MarkCopy::Whole(mark) = copy
                    && mark.number == header.number
                    && mark.checksum != found.checksum
                {
                    return Err(Refusal::Damage { number: header.number, offset, mark: mark.number });
                }
            }
            if at > end {
                self.scan(end, at)?;
            }
            self.rows.meet(Row::L1);
            note_segment(&mut self.end.segments, self.view.layout, &header);
            self.end.mark = self.end.mark.max(header.mark);
            incarnation = header.incarnation;
            in_group = header.flags & frame::LAST == 0;
            let decided = self.end.tail.decided.max(header.decided);
            self.end.tail =
                Tail { last: header.number, checksum: found.checksum, end: at + header.padded(), decided };
        }
        self.end.incarnation = self.end.incarnation.max(incarnation);
        self.expected = self.view.places(self.end.tail.end);
        Ok(in_group)
    }

    /// Looks at the rest of the ring, and decides.
    fn judge(&mut self, in_group: bool) -> Result<(), Refusal> {
        if let Some(offset) = self.hidden() {
            return Err(Refusal::Unreadable { offset });
        }
        let Tail { last, end, .. } = self.end.tail;
        let around = self.view.head.position + self.view.layout.lap();
        // The segment in which the head stands belongs to the ring up to its end.
        self.scan(end, around.max(end))?;
        if last < self.end.mark {
            let place = if in_group { end } else { self.view.layout.padded(end) };
            let offset = self.view.layout.offset(place);
            return Err(Refusal::Damage { number: last + 1, offset, mark: self.end.mark });
        }
        for place in self.expected {
            if place < self.view.limit() && self.must_erase(place) {
                self.note(place, Place::Torn);
                self.end.strays.push(Range { at: place % self.view.layout.lap(), length: GRAIN });
            }
        }
        match self.place {
            // The row was met where the record was.
            Place::Dead => {}
            _ if self.behind => self.rows.meet(Row::L4),
            Place::Torn => self.rows.meet(Row::L3),
            Place::EarlierLap => self.rows.meet(Row::L6),
            Place::Nothing => self.rows.meet(Row::L2),
        }
        if self.behind {
            self.rows.meet(Row::L4);
        }
        Ok(())
    }

    /// Whether what stands where the next record can begin must go. A record of a former life that lacks nothing but a
    /// word could be completed by that very word of the record that the next life writes there, if that write is torn:
    /// so whatever is there, and is not a whole record of an earlier lap (whose position can never fit), loses its
    /// first grain. In it stands the incarnation, which no later life writes again.
    fn must_erase(&self, place: u64) -> bool {
        let rest = self.view.rest(place);
        let range = Range { at: self.view.layout.offset(place), length: GRAIN };
        if rest.len() < frame::HEADER {
            return false;
        }
        if overlaps(self.view.bad, range) {
            return true;
        }
        if rest[..GRAIN as usize].iter().all(|byte| *byte == 0) {
            return false;
        }
        let earlier = |header: &Header| {
            self.view.is_ours(header)
                && header.position < place
                && header.position % self.view.layout.lap() == place % self.view.layout.lap()
                && self.view.frame(place, header.length).is_ok()
        };
        !Header::peek(rest).is_ok_and(|header| earlier(&header))
    }

    /// Whether a medium error hides the record that follows, or a part of it. Nobody can tell then whether there is one
    /// that was durable: tearing makes nothing unreadable, so this is not the end of the log.
    fn hidden(&self) -> Option<u64> {
        if self.view.bad.is_empty() {
            return None;
        }
        let Tail { last, checksum, end, .. } = self.end.tail;
        let begins = |at: u64| {
            let offset = self.view.layout.offset(at);
            let begun = self.view.rest(at).len() >= HEADER && frame::begins(self.view.rest(at));
            let length = if begun { HEADER as u64 } else { GRAIN };
            overlaps(self.view.bad, Range { at: offset, length }).then_some(offset)
        };
        let limit = self.view.limit();
        self.expected.into_iter().filter(|at| *at < limit).find_map(begins).or_else(|| {
            self.view.candidates(end, last + 1, checksum).find_map(|(at, header)| {
                let offset = self.view.layout.offset(at);
                let bad =
                    |bad: &&Range| overlaps(&[**bad], Range { at: offset, length: header.length.into() });
                self.view.bad.iter().find(bad).map(|bad| bad.at)
            })
        })
    }

    /// Looks at every place of the ring from position `from` to `to` for records that do not belong to the chain.
    fn scan(&mut self, from: u64, to: u64) -> Result<(), Refusal> {
        let mut at = from;
        while at < to {
            // One segment at a time, so that the inner loop is a walk over a slice.
            let rest = self.view.rest(at);
            let rest = &rest[..rest.len().min((to - at) as usize)];
            let mut skip = 0;
            while skip < rest.len() {
                let length = if frame::begins(&rest[skip..]) {
                    self.meet(at + skip as u64)?
                } else {
                    if !self.view.bad.is_empty() {
                        self.note_bad(at + skip as u64);
                    }
                    GRAIN
                };
                skip += length as usize;
            }
            at += rest.len() as u64;
        }
        Ok(())
    }

    fn note(&mut self, position: u64, place: Place) {
        if self.expected.contains(&position) {
            self.place = self.place.max(place);
        }
    }

    /// A place without a magic: perhaps because it could not be read.
    fn note_bad(&mut self, position: u64) {
        let range = Range { at: self.view.layout.offset(position), length: GRAIN };
        if overlaps(self.view.bad, range) {
            self.note(position, Place::Torn);
        }
    }

    /// A magic stands at `position`. Returns how many bytes to go on.
    fn meet(&mut self, position: u64) -> Result<u64, Refusal> {
        let Ok(header) = Header::peek(self.view.rest(position)) else {
            self.note(position, Place::Torn);
            return Ok(GRAIN);
        };
        if !self.view.is_ours(&header) {
            self.rows.meet(Row::L7);
            self.note(position, Place::Torn);
            return Ok(GRAIN);
        }
        if self.view.frame(position, header.length).is_err() {
            self.note(position, Place::Torn);
            return Ok(GRAIN);
        }
        let offset = self.view.layout.offset(position);
        if header.version > VERSION {
            return Err(Refusal::NewerRecord { version: header.version, offset });
        }
        self.end.mark = self.end.mark.max(header.mark);
        let stands = header.position % self.view.layout.lap() == position % self.view.layout.lap();
        if !stands || header.position >> 62 != 0 {
            self.rows.meet(Row::L8);
            self.note(position, Place::Torn);
            return Ok(header.padded());
        }
        if header.position < position {
            self.note(position, Place::EarlierLap);
            return Ok(header.padded());
        }
        self.end.incarnation = self.end.incarnation.max(header.incarnation);
        self.end.strays.push(Range { at: position % self.view.layout.lap(), length: header.padded() });
        let Tail { last, checksum, .. } = self.end.tail;
        if header.number <= last {
            self.rows.meet(Row::L9);
            self.note(position, Place::Dead);
        } else if header.number == last + 1 && self.expected.contains(&position) {
            self.rows.meet(if header.previous == checksum { Row::L12 } else { Row::L11 });
            self.note(position, Place::Dead);
        } else {
            self.behind = true;
        }
        Ok(header.padded())
    }
}
