//! What a replica read from its device: the journal of its former lives, and the pieces of its snapshots
//! (`docs/journal.md`).
//!
//! Whatever is whole is written again with other payloads, checksums and all. Records, marks and the metadata name each
//! other by checksums: so everything that recovery reads is looked at together, in the order of the records' numbers. Of
//! what is not whole its headers are left, if they are this journal's; all the rest is blank where it was not zero.

use super::Learned;
use super::secret::BLANK;
use seedfast_core::journal::frame::{self, Frame, HEADER, Header, Kind, NoFrame};
use seedfast_core::journal::layout::{COPY_MAX, COPY_MIN, GRAIN};
use seedfast_core::journal::mark::{MARK, Mark, MarkCopy};
use seedfast_core::journal::metadata::{FIXED, METADATA_MAGIC, MetadataCopy};
use seedfast_core::journal::{Identity, Layout, Metadata};
use std::collections::BTreeMap;

/// So many bytes that could not be read do not cut an image in two.
const HOLE: u64 = 1 << 20;

/// Bytes of the device, as they were read while nothing was written.
#[derive(Default)]
pub(super) struct Image {
    read: Vec<(u64, Vec<u8>)>,
    /// The same without overlaps, by where they begin. What a medium error hides is zeros, as it is to recovery: the
    /// beginning of a record that ends in such a place says who it was.
    extents: BTreeMap<u64, Vec<u8>>,
}

impl Image {
    pub(super) fn read(&mut self, at: u64, bytes: &[u8]) {
        self.read.push((at, bytes.to_vec()));
    }

    fn join(&mut self) {
        let mut ranges: Vec<(u64, u64)> =
            self.read.iter().map(|(at, bytes)| (*at, at + bytes.len() as u64)).collect();
        ranges.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (at, end) in ranges {
            match joined.last_mut().filter(|last| at <= last.1 + HOLE) {
                Some(last) => last.1 = last.1.max(end),
                None => joined.push((at, end)),
            }
        }
        self.extents = joined.into_iter().map(|(at, end)| (at, vec![0; (end - at) as usize])).collect();
        for (at, bytes) in self.read.drain(..) {
            let (start, extent) =
                self.extents.range_mut(..=at).next_back().expect("it was joined from these");
            let start = (at - start) as usize;
            extent[start..start + bytes.len()].copy_from_slice(&bytes);
        }
    }

    /// The bytes at `at`, as many as `bytes` has; those of `bytes` if they were not read before.
    pub(super) fn at(&self, at: u64, bytes: &[u8]) -> Vec<u8> {
        let found = self.extents.range(..=at).next_back().and_then(|(start, extent)| {
            let start = (at - start) as usize;
            extent.get(start..start + bytes.len())
        });
        found.map_or_else(|| blank(bytes), <[u8]>::to_vec)
    }
}

/// Blank, but zeros where a whole grain is.
fn blank(bytes: &[u8]) -> Vec<u8> {
    let grains = bytes.chunks(GRAIN as usize);
    grains
        .flat_map(|grain| vec![if grain.iter().all(|byte| *byte == 0) { 0 } else { BLANK }; grain.len()])
        .collect()
}

/// The places where a metadata copy can stand.
fn places() -> impl Iterator<Item = u64> {
    std::iter::once(0).chain((0..).map(|shift| COPY_MIN << shift).take_while(|at| *at <= COPY_MAX))
}

fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    let count = bytes.len().min(into.len() - at);
    into[at..at + count].copy_from_slice(&bytes[..count]);
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Where whole frames and the headers of others stand in `bytes`, which begin at `at` of the device.
fn frames<'b>(
    serial: u64,
    layout: &Layout,
    at: u64,
    bytes: &'b [u8],
) -> (Vec<(usize, Frame<'b>)>, Vec<usize>) {
    let (mut whole, mut others) = (Vec::new(), Vec::new());
    let first = at.max(layout.snapshot(0)).next_multiple_of(GRAIN);
    let mut place = (first - at) as usize;
    while let Some(rest) = bytes.get(place..).filter(|rest| rest.len() >= HEADER) {
        match frame::decode(serial, rest) {
            Ok(found) => {
                let padded = found.header.padded() as usize;
                whole.push((place, found));
                place += padded;
                continue;
            }
            Err(NoFrame::Unreadable) => others.push(place),
            Err(NoFrame::Nothing) => {}
        }
        place += GRAIN as usize;
    }
    (whole, others)
}

impl Learned<'_> {
    /// Everything that recovery reads was read: whose journal it is, and which snapshots are on it.
    pub(super) fn survey(&mut self) {
        if !self.image.read.is_empty() {
            self.image.join();
        }
        let front = self.image.extents.get(&0).map_or(&[][..], Vec::as_slice);
        let copies =
            places().filter_map(|at| match Metadata::read(front.get(at as usize..).unwrap_or_default()) {
                MetadataCopy::Whole(found) => Some(found),
                _ => None,
            });
        self.journal = copies
            .max_by_key(|found| found.generation)
            .map(|Metadata { identity, layout, .. }| (identity, layout));
        let Some((identity, layout)) = self.journal else { return };
        let extents = std::mem::take(&mut self.image.extents);
        for found in ordered(&identity, &layout, &extents) {
            self.note_frame(&found);
        }
        self.image.extents = extents;
    }

    /// A frame came by: a piece tells what stands in its snapshot.
    pub(super) fn note_frame(&mut self, found: &Frame<'_>) {
        let Header { kind, number, previous, slot, .. } = found.header;
        if kind != Kind::Piece as u8 {
            return;
        }
        let before = if number == 1 { Some((slot, 0)) } else { self.pieces.get(&previous).copied() };
        let Some((_, offset)) = before.filter(|(of, _)| *of == slot) else { return };
        self.pieces.insert(found.checksum, (slot, offset + found.payload.len() as u64));
        self.feed(slot, offset, found.payload);
    }

    /// What was written to the device: pieces of snapshots, which may be read again.
    pub(super) fn note_write(&mut self, bytes: &[u8]) {
        if let Some((identity, _)) = self.journal
            && let Ok(found) = frame::decode(identity.serial, bytes)
        {
            self.note_frame(&found);
        }
    }

    /// What was written, and what is written in its place: whatever names the one by its checksum names the other.
    pub(super) fn note_twins(&mut self, was: &[u8], is: &[u8]) {
        if let Some((identity, _)) = self.journal
            && let (Ok(was), Ok(is)) =
                (frame::decode(identity.serial, was), frame::decode(identity.serial, is))
            && was.header.kind == Kind::Piece as u8
        {
            self.checksums.insert(was.checksum, is.checksum);
        }
    }

    /// Makes of the image what may be told, once everything else is known.
    pub(super) fn redact_image(&mut self) {
        let extents = std::mem::take(&mut self.image.extents);
        if let Some((identity, layout)) = self.journal {
            for found in ordered(&identity, &layout, &extents) {
                self.redact_frame(identity.serial, &found);
            }
        }
        let told = extents.iter().map(|(at, bytes)| (*at, self.region(*at, bytes))).collect();
        self.image.extents = told;
    }

    /// What stands at `at` of the device, as it may be told.
    pub(super) fn region(&mut self, at: u64, bytes: &[u8]) -> Vec<u8> {
        let mut told = blank(bytes);
        let end = at + bytes.len() as u64;
        // Behind the copies anything may look like one.
        let copies = self.journal.map_or(u64::MAX, |(_, layout)| layout.mark(0));
        for place in places().filter(|place| at <= *place && place + FIXED <= end.min(copies)) {
            let place = (place - at) as usize;
            if let Some(copy) = self.metadata(&bytes[place..]) {
                put(&mut told, place, &copy);
            }
        }
        let Some((identity, layout)) = self.journal else { return told };
        for place in [layout.mark(0), layout.mark(1)] {
            if at <= place
                && place + MARK as u64 <= end
                && let MarkCopy::Whole(mark) = Mark::read(&identity, &bytes[(place - at) as usize..])
            {
                let checksum = self.checksum(mark.checksum);
                put(&mut told, (place - at) as usize, &Mark { checksum, ..mark }.encode(identity.serial));
            }
        }
        let (whole, others) = frames(identity.serial, &layout, at, bytes);
        for (place, found) in whole {
            let encoded = self.redact_frame(identity.serial, &found);
            put(&mut told, place, &encoded);
        }
        for place in others {
            let header = &bytes[place..place + HEADER];
            let group = u32::from_le_bytes(header[20..24].try_into().expect("four bytes"));
            if (group, &header[24..40]) == (identity.group.0, &identity.cluster.0.to_le_bytes()[..]) {
                let mut header = header.to_vec();
                let (own, previous) =
                    (self.secret.checksum(long(&header, 0)), self.checksum(long(&header, 80)));
                header[..8].copy_from_slice(&own.to_le_bytes());
                header[80..88].copy_from_slice(&previous.to_le_bytes());
                put(&mut told, place, &header);
            }
        }
        told
    }

    /// A whole metadata copy at the beginning of `bytes`, or the remains of one.
    fn metadata(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        match Metadata::read(bytes) {
            MetadataCopy::Whole(mut found) => {
                found.head.previous = self.checksum(found.head.previous);
                if let Some(snapshot) = &mut found.snapshot {
                    snapshot.checksum = self.checksum(snapshot.checksum);
                    snapshot.digest ^= self.secret.mask();
                }
                found.configuration.fill(BLANK);
                let mut copy = Vec::new();
                found.encode(&mut copy);
                Some(copy)
            }
            MetadataCopy::Damaged | MetadataCopy::Newer(_) => {
                let mut copy = bytes.get(..FIXED as usize)?.to_vec();
                debug_assert_eq!(copy[8..12], METADATA_MAGIC.to_le_bytes());
                for at in [0, 144, 168, 176] {
                    let changed = self.secret.checksum(long(&copy, at));
                    copy[at..at + 8].copy_from_slice(&changed.to_le_bytes());
                }
                Some(copy)
            }
            MetadataCopy::Empty | MetadataCopy::Unknown => None,
        }
    }

    /// What stands for a checksum of the journal.
    fn checksum(&self, checksum: u64) -> u64 {
        self.checksums.get(&checksum).copied().unwrap_or_else(|| self.secret.checksum(checksum))
    }

    /// A whole frame as it may be told; its new checksum is remembered.
    fn redact_frame(&mut self, serial: u64, found: &Frame<'_>) -> Vec<u8> {
        let payload = match Kind::of(found.header.kind) {
            Some(Kind::Vote | Kind::Learned) => match found.payload.split_first_chunk() {
                Some((id, value)) => {
                    let of = u64::from_le_bytes(*id);
                    let (mut id, value) = self.value(of, value);
                    if value.is_empty() {
                        // It names the value of an earlier record.
                        id = self.names.get(&of).copied().unwrap_or(id);
                    } else {
                        self.names.insert(of, id);
                    }
                    [&id.to_le_bytes()[..], &value].concat()
                }
                None => vec![BLANK; found.payload.len()],
            },
            Some(Kind::Piece) => {
                let Header { number, previous, slot, .. } = found.header;
                let before = if number == 1 { Some((slot, 0)) } else { self.pieces.get(&previous).copied() };
                let before = before.filter(|(of, _)| *of == slot);
                self.piece(before, found.payload)
            }
            _ => vec![BLANK; found.payload.len()],
        };
        let header = Header { previous: self.checksum(found.header.previous), ..found.header };
        let mut encoded = Vec::new();
        let checksum = frame::encode(serial, &header, &payload, &mut encoded);
        self.checksums.insert(found.checksum, checksum);
        encoded
    }
}

/// All whole frames, each behind the one that it names.
fn ordered<'b>(identity: &Identity, layout: &Layout, extents: &'b BTreeMap<u64, Vec<u8>>) -> Vec<Frame<'b>> {
    let of = |(at, bytes): (&u64, &'b Vec<u8>)| frames(identity.serial, layout, *at, bytes).0;
    let mut all: Vec<Frame<'b>> = extents.iter().flat_map(of).map(|(_, found)| found).collect();
    all.sort_by_key(|found| found.header.number);
    all
}
