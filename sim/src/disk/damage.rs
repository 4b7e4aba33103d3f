//! Damage: what a device holds, or fails to, without anybody's asking.
//!
//! A *block* is what damage falls on: a 512-byte sector, on NVM a 64-byte line. Rot and unreadable blocks fall on what
//! is at rest: durable, and changed by no write on its way. A lost or misdirected write is found out later: the write
//! lands like any other, is read like any other (from the drive's cache, as it were), and only once it is durable, and
//! the atlas allows it, what it overwrote stands there again. So it never strikes what a crash might have taken.
//!
//! Must never happen: damage to a block that a write is changing; a rewritten block that is still damaged.

use super::Device;
use crate::draw::Draws;
use crate::effects::Effect;
use seedfast_core::nvm::LINE;
use seedfast_core::{Media, Range};

/// A fault that waits for its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trick {
    FailSync,
    FailWrite,
    LoseWrite,
    Misdirect,
}

/// A write that will turn out not to be where it should be.
#[derive(Clone, Debug)]
pub(crate) struct Suspect {
    pub(crate) range: Range,
    /// Where it went instead; nowhere if it is lost.
    pub(crate) to: Option<u64>,
    /// What it overwrote.
    pub(crate) old: Vec<u8>,
    /// Its place on the device's counter: landed after the first, not after the second.
    pub(crate) after: u64,
    pub(crate) until: u64,
}

/// How a suspect stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Something else was written there: nothing is left to find out.
    Gone,
    /// It is not durable yet.
    Volatile,
    /// It could turn out now; whether something else became durable after it.
    AtRest { later: bool },
}

/// What is wrong with a device's blocks.
#[derive(Debug, Default)]
pub(crate) struct Damages {
    pub(crate) tricks: Vec<Trick>,
    pub(crate) suspects: Vec<Suspect>,
    /// Blocks that cannot be read, and until when.
    unreadable: Vec<(u64, u64)>,
    /// Blocks that hold what they should not, and why.
    wrong: Vec<(u64, Effect)>,
}

impl Damages {
    pub(super) fn clear(&mut self) {
        self.tricks.clear();
        self.suspects.clear();
        self.unreadable.clear();
        self.wrong.clear();
    }

    #[inline]
    pub(super) fn is_clean(&self) -> bool {
        self.unreadable.is_empty() && self.wrong.is_empty()
    }
}

impl Device {
    /// What damage falls on, in bytes.
    pub(crate) fn block(&self) -> u64 {
        u64::from(self.geometry().atomic).max(LINE)
    }

    /// Takes a fault of this kind that waits for its operation.
    pub(crate) fn take_trick(&mut self, trick: Trick) -> bool {
        let index = self.damages.tricks.iter().position(|other| *other == trick);
        index.map(|index| self.damages.tricks.remove(index)).is_some()
    }

    /// How many bytes were ever written or formatted.
    pub(crate) fn extent(&self) -> u64 {
        self.visible.len() as u64
    }

    /// The blocks that a range touches, in whole bytes of the device.
    pub(crate) fn whole_blocks(&self, range: Range) -> Range {
        let block = self.block();
        let at = range.at / block * block;
        let end = range.at.saturating_add(range.length).div_ceil(block).saturating_mul(block);
        Range { at, length: end.min(self.geometry().capacity).saturating_sub(at) }
    }

    /// What a range shows.
    pub(crate) fn shown(&self, range: Range) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.read_landed(range, &mut bytes);
        bytes
    }

    /// Whether no write is changing a range: what it shows is durable.
    pub(crate) fn is_at_rest(&self, range: Range) -> bool {
        let meets = |at: u64, length: usize| at < range.at + range.length && range.at < at + length as u64;
        !self.volatile.iter().any(|write| meets(write.at, write.buffer.len()))
            && !self.flights.iter().any(|flight| meets(flight.at, flight.buffer.len()))
            && !self.cache.pends_in(range)
    }

    /// The newest durable write in a range, by the device's counter, and the newest elsewhere.
    fn newest(&self, range: Range) -> (u64, u64) {
        let unit = self.unit();
        let (mut inside, mut outside) = (0, 0);
        for (index, order) in self.orders.iter().enumerate() {
            let at = index as u64 * unit;
            let newest =
                if at < range.at + range.length && range.at < at + unit { &mut inside } else { &mut outside };
            *newest = (*newest).max(*order);
        }
        (inside, outside)
    }

    /// Whether something became durable elsewhere after everything in a range.
    pub(crate) fn has_later(&self, range: Range) -> bool {
        let (inside, outside) = self.newest(range);
        outside > inside
    }

    /// `blocks` blocks in a row that hold something and are at rest, drawn; none if there are none.
    pub(crate) fn draw_place(&self, blocks: u32, draws: Draws) -> Option<Range> {
        let block = self.block();
        let length = block * u64::from(blocks);
        let holds = |at: &u64| {
            let bytes = &self.visible[*at as usize..(*at + block).min(self.extent()) as usize];
            bytes.iter().any(|byte| *byte != 0)
        };
        let fits = |at: &u64| at.checked_add(length).is_some_and(|end| end <= self.geometry().capacity);
        let candidates: Vec<u64> = (0..self.extent())
            .step_by(block as usize)
            .filter(fits)
            .filter(holds)
            .filter(|at| self.is_at_rest(Range { at: *at, length }))
            .collect();
        let index = draws.below(0, candidates.len() as u64) as usize;
        candidates.get(index).map(|at| Range { at: *at, length })
    }

    /// Somewhere else of the same length, aligned, at rest: where a write could be misdirected to.
    pub(crate) fn draw_elsewhere(&self, range: Range, draws: Draws) -> Option<u64> {
        let unit = u64::from(self.geometry().alignment).max(self.unit());
        let room = self.extent().min(self.geometry().capacity).checked_sub(range.length)? / unit + 1;
        (0..8)
            .map(|index| draws.below(index, room) * unit)
            .find(|to| *to >= range.at + range.length || to + range.length <= range.at)
    }

    /// How a suspect stands.
    pub(crate) fn standing(&self, suspect: &Suspect) -> Standing {
        let unit = self.unit();
        let range = suspect.range;
        if !self.is_at_rest(range) {
            return Standing::Volatile;
        }
        let units = (range.at / unit) as usize..((range.at + range.length) / unit) as usize;
        let all = self.orders[units].iter().all(|order| (suspect.after + 1..=suspect.until).contains(order));
        if !all {
            return Standing::Gone;
        }
        Standing::AtRest { later: self.newest(range).1 > suspect.until }
    }

    /// Puts bytes where nobody wrote them; the place counts as written when it was.
    fn put(&mut self, at: u64, bytes: &[u8]) {
        self.reach(at + bytes.len() as u64);
        let place = at as usize..at as usize + bytes.len();
        self.visible[place.clone()].copy_from_slice(bytes);
        self.durable[place].copy_from_slice(bytes);
    }

    fn mark_wrong(&mut self, range: Range, why: Effect) {
        let range = self.whole_blocks(range);
        for block in range.at / self.block()..(range.at + range.length) / self.block() {
            self.damages.wrong.retain(|(other, _)| *other != block);
            self.damages.wrong.push((block, why));
        }
    }

    /// It turns out that a write is not where it should be.
    pub(crate) fn find_out(&mut self, suspect: &Suspect) {
        let written = self.shown(suspect.range);
        self.put(suspect.range.at, &suspect.old);
        let why = if suspect.to.is_some() { Effect::MisdirectedRead } else { Effect::StaleRead };
        self.mark_wrong(suspect.range, why);
        if let Some(to) = suspect.to {
            self.put(to, &written);
            self.mark_wrong(Range { at: to, length: suspect.range.length }, why);
        }
    }

    /// In each block of a range so many drawn bits flip.
    pub(crate) fn rot(&mut self, range: Range, bits: u8, draws: Draws) {
        self.reach(range.at + range.length);
        let block = self.block();
        for at in (range.at..range.at + range.length).step_by(block as usize) {
            let mut flipped: Vec<u64> = Vec::new();
            for index in 0.. {
                if flipped.len() == usize::from(bits) {
                    break;
                }
                let bit = draws.part(at).below(index, block * 8);
                if flipped.contains(&bit) {
                    continue;
                }
                flipped.push(bit);
                let (byte, mask) = ((at + bit / 8) as usize, 1 << (bit % 8));
                self.visible[byte] ^= mask;
                self.durable[byte] ^= mask;
            }
        }
        self.mark_wrong(range, Effect::RotRead);
    }

    /// The blocks of a range cannot be read until `until`, or until they are rewritten.
    pub(crate) fn forbid_reading(&mut self, range: Range, until: u64) {
        let block = self.block();
        for number in range.at / block..(range.at + range.length).div_ceil(block) {
            self.damages.unreadable.retain(|(other, end)| *other != number || *end > until);
            self.damages.unreadable.push((number, until));
        }
    }

    /// What passes ends now; what lasts stays.
    pub(crate) fn end_passing_errors(&mut self) {
        self.damages.unreadable.retain(|(_, until)| *until == u64::MAX);
        self.damages.tricks.clear();
    }

    /// Whether a range can be read.
    pub(crate) fn is_readable(&self, range: Range, now: u64) -> bool {
        let block = self.block();
        !self.damages.unreadable.iter().any(|(number, until)| {
            *until > now && number * block < range.at + range.length && range.at < (number + 1) * block
        })
    }

    /// What is wrong with a range that is being read, each reason once.
    pub(crate) fn wrongs_in(&self, range: Range) -> Vec<Effect> {
        let block = self.block();
        let mut found = Vec::new();
        for (number, why) in &self.damages.wrong {
            let meets = number * block < range.at + range.length && range.at < (number + 1) * block;
            if meets && !found.contains(why) {
                found.push(*why);
            }
        }
        found
    }

    /// A range was written: what was wrong with blocks that it covers wholly is over.
    pub(crate) fn mend(&mut self, range: Range) {
        if self.damages.is_clean() {
            return;
        }
        let block = self.block();
        let covered =
            |number: u64| range.at <= number * block && (number + 1) * block <= range.at + range.length;
        self.damages.unreadable.retain(|(number, _)| !covered(*number));
        self.damages.wrong.retain(|(number, _)| !covered(*number));
    }

    /// Whether this is a block device.
    pub(crate) fn is_disk(&self) -> bool {
        self.geometry().media == Media::Disk
    }
}
