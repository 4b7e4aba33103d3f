//! The images at one crash point, and the way through them that changes one unit at a time.

use super::hash::hash;
use super::medium::Version;
use crate::draw::Draws;
use std::ops::ControlFlow;

/// A space of at most so many images is gone through whole.
pub const WHOLE: u64 = 4096;
/// How many images are drawn of a larger one, at each share.
const DRAWN: u64 = 24;
/// The shares of units kept in drawn images, in parts per million.
const SHARES: [u32; 3] = [100_000, 500_000, 900_000];

/// Which images of a space are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The space as it stands.
    All,
    /// Only images that hold the newest value of the unit written last: all others were in the space before that
    /// value was put there. (Where nothing is pending, the durable state.)
    WithNewest,
}

/// A unit that has a choice, and what it may hold beside its durable value.
#[derive(Clone, Copy, Debug)]
struct Unit {
    at: u32,
    /// Its alternatives are `first..first + count` of the space's versions.
    first: u32,
    count: u32,
}

#[derive(Clone, Copy, Debug)]
struct Alternative {
    /// Where its bytes begin in the space's own arena.
    bytes: u32,
    /// The exclusive or of its hash and the durable value's.
    hash: u128,
}

/// What one unit holds in an image that differs from the durable state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    /// Its byte offset on the device.
    pub at: u32,
    /// Which of the values put there since the durable one, from 1, the oldest first.
    pub version: u32,
}

/// An image being built: bytes, their hash, and which version each unit of the space holds.
#[derive(Clone, Debug, Default)]
pub struct Image {
    bytes: Vec<u8>,
    hash: u128,
    /// Per unit of the space: zero for the durable value, or the number of the alternative.
    chosen: Vec<u32>,
    focus: Vec<u32>,
    falling: Vec<bool>,
}

impl Image {
    /// Begins with the durable state, `bytes`, whose hash is `hash`.
    pub fn begin(&mut self, bytes: &[u8], hash: u128) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.hash = hash;
    }

    /// The whole device.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole device, for whoever recovers on it and takes his changes back afterwards.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Its hash.
    #[inline]
    pub fn hash(&self) -> u128 {
        self.hash
    }
}

/// All that a device may hold after a crash at one point.
#[derive(Clone, Debug, Default)]
pub struct Space {
    width: usize,
    units: Vec<Unit>,
    versions: Vec<Alternative>,
    arena: Vec<u8>,
    /// The place in `units` of the one written last.
    newest: Option<usize>,
    written_last: Option<u32>,
}

impl Space {
    pub(super) fn begin(&mut self, width: usize, newest: Option<u32>) {
        self.width = width;
        self.units.clear();
        self.versions.clear();
        self.arena.clear();
        self.newest = None;
        self.written_last = newest;
    }

    /// Adds a unit whose durable value is `base`; versions equal to it, or to each other, are one.
    pub(super) fn unit<'a>(
        &mut self,
        index: u32,
        base: &[u8],
        versions: impl Iterator<Item = &'a Version>,
        arena: &[u8],
    ) {
        let at = index as usize * self.width;
        let own = hash(at as u64, base);
        let first = self.versions.len();
        for version in versions {
            let difference = version.hash ^ own;
            let known = &mut self.versions[first..];
            if difference == 0 {
                continue;
            }
            if let Some(place) = known.iter().position(|other| other.hash == difference) {
                // What was put there last stands last.
                known[place..].rotate_left(1);
                continue;
            }
            let bytes = self.arena.len() as u32;
            let from = version.bytes as usize;
            self.arena.extend_from_slice(&arena[from..from + self.width]);
            self.versions.push(Alternative { bytes, hash: difference });
        }
        let count = self.versions.len() - first;
        if count > 0 {
            if self.written_last == Some(index) {
                self.newest = Some(self.units.len());
            }
            // The durable value, so that it can be put back.
            self.arena.extend_from_slice(base);
            self.versions.push(Alternative { bytes: (self.arena.len() - self.width) as u32, hash: 0 });
            self.units.push(Unit { at: at as u32, first: first as u32, count: count as u32 });
        }
    }

    /// How many units have a choice.
    pub fn units(&self) -> usize {
        self.units.len()
    }

    /// How many images there are.
    pub fn size(&self) -> u64 {
        self.units.iter().fold(1_u64, |size, unit| size.saturating_mul(u64::from(unit.count) + 1))
    }

    /// Goes through the images: all of them if there are at most [`WHOLE`]; otherwise none kept, all kept, each unit
    /// alone (in each of its versions), each missing (so that the unit written last stands there without each other
    /// one), all pairs, and 72 drawn ones, in which a unit is kept with 10, 50 and 90 %. `image` begins as the durable
    /// state and ends as that.
    ///
    /// Images may come twice; an image's hash tells. `each` may stop the way by [`ControlFlow::Break`].
    pub fn visit<B>(
        &self,
        scope: Scope,
        draws: Draws,
        image: &mut Image,
        mut each: impl FnMut(&Space, &mut Image) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        image.chosen.clear();
        image.chosen.resize(self.units.len(), 0);
        let fixed = match (scope, self.newest) {
            (Scope::WithNewest, None) if !self.units.is_empty() => return ControlFlow::Continue(()),
            (Scope::WithNewest, Some(newest)) => {
                self.set(image, newest, self.units[newest].count);
                Some(newest)
            }
            (Scope::WithNewest, None) | (Scope::All, _) => None,
        };
        let free = match fixed {
            Some(newest) => self.size() / (u64::from(self.units[newest].count) + 1),
            None => self.size(),
        };
        let way = if free <= WHOLE {
            self.whole(fixed, image, &mut each)
        } else {
            self.sampled(fixed, draws, image, &mut each)
        };
        for unit in 0..self.units.len() {
            self.set(image, unit, 0);
        }
        way
    }

    /// Makes an image of the choices given, on top of the durable state; those that the space does not know are
    /// passed over, and their number is returned.
    pub fn build(&self, choices: &[Choice], image: &mut Image) -> usize {
        image.chosen.clear();
        image.chosen.resize(self.units.len(), 0);
        let mut unknown = 0;
        for choice in choices {
            let place = self.units.iter().position(|unit| unit.at == choice.at);
            match place {
                Some(place) if (1..=self.units[place].count).contains(&choice.version) => {
                    self.set(image, place, choice.version);
                }
                _ => unknown += 1,
            }
        }
        unknown
    }

    /// What `image`, one of this space, keeps.
    pub fn choices(&self, image: &Image) -> Vec<Choice> {
        let kept = self.units.iter().zip(&image.chosen).filter(|(_, version)| **version > 0);
        kept.map(|(unit, version)| Choice { at: unit.at, version: *version }).collect()
    }

    /// The choices that keep everything, newest versions all.
    pub fn everything(&self) -> Vec<Choice> {
        self.units.iter().map(|unit| Choice { at: unit.at, version: unit.count }).collect()
    }

    /// Draws choices: each unit is kept in `ppm` of a million cases, in any of its versions.
    pub fn draw(&self, draws: Draws, ppm: u32) -> Vec<Choice> {
        let units = self.units.iter().enumerate();
        units
            .filter(|(index, _)| draws.chance(2 * *index as u64, ppm))
            .map(|(index, unit)| {
                let version = 1 + draws.below(2 * index as u64 + 1, u64::from(unit.count)) as u32;
                Choice { at: unit.at, version }
            })
            .collect()
    }

    #[inline]
    fn alternative(&self, unit: Unit, version: u32) -> Alternative {
        // The durable value stands behind the alternatives.
        let place = if version == 0 { unit.first + unit.count } else { unit.first + version - 1 };
        self.versions[place as usize]
    }

    #[inline]
    fn set(&self, image: &mut Image, index: usize, version: u32) {
        let old = image.chosen[index];
        if old == version {
            return;
        }
        let unit = self.units[index];
        let (from, to) = (self.alternative(unit, old), self.alternative(unit, version));
        let (at, bytes) = (unit.at as usize, to.bytes as usize);
        if self.width == 8 {
            // The common case, without a call.
            let word: [u8; 8] = self.arena[bytes..bytes + 8].try_into().expect("eight bytes");
            image.bytes[at..at + 8].copy_from_slice(&word);
        } else {
            image.bytes[at..at + self.width].copy_from_slice(&self.arena[bytes..bytes + self.width]);
        }
        image.hash ^= from.hash ^ to.hash;
        image.chosen[index] = version;
    }

    /// All combinations of the units that are not fixed, by a reflected Gray code of mixed radix (Knuth, *The Art of
    /// Computer Programming*, section 7.2.1.1, algorithm H): each step changes one unit by one version.
    fn whole<B>(
        &self,
        fixed: Option<usize>,
        image: &mut Image,
        each: &mut impl FnMut(&Space, &mut Image) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let count = self.units.len() - usize::from(fixed.is_some());
        let place = |digit: usize| digit + usize::from(fixed.is_some_and(|fixed| digit >= fixed));
        image.focus.clear();
        image.focus.extend(0..=count as u32);
        image.falling.clear();
        image.falling.resize(count, false);
        loop {
            each(self, image)?;
            let digit = image.focus[0] as usize;
            image.focus[0] = 0;
            if digit == count {
                return ControlFlow::Continue(());
            }
            let unit = place(digit);
            let (now, last) = (image.chosen[unit], self.units[unit].count);
            let next = if image.falling[digit] { now - 1 } else { now + 1 };
            self.set(image, unit, next);
            if next == 0 || next == last {
                image.falling[digit] = !image.falling[digit];
                image.focus[digit] = image.focus[digit + 1];
                image.focus[digit + 1] = digit as u32 + 1;
            }
        }
    }

    fn sampled<B>(
        &self,
        fixed: Option<usize>,
        draws: Draws,
        image: &mut Image,
        each: &mut impl FnMut(&Space, &mut Image) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let free = || (0..self.units.len()).filter(|unit| Some(*unit) != fixed);
        let newest = |unit: usize| self.units[unit].count;
        each(self, image)?;
        for unit in free() {
            for version in 1..=newest(unit) {
                self.set(image, unit, version);
                each(self, image)?;
            }
            self.set(image, unit, 0);
        }
        // With the newest value fixed, each unit alone beside it is a pair already.
        if fixed.is_none() {
            for first in free() {
                self.set(image, first, newest(first));
                for second in free().filter(|second| *second > first) {
                    self.set(image, second, newest(second));
                    each(self, image)?;
                    self.set(image, second, 0);
                }
                self.set(image, first, 0);
            }
        }
        free().for_each(|unit| self.set(image, unit, newest(unit)));
        each(self, image)?;
        // Each missing: the unit written last, if it is fixed, stands there without each other one.
        for unit in free() {
            for version in (0..newest(unit)).rev() {
                self.set(image, unit, version);
                each(self, image)?;
            }
            self.set(image, unit, newest(unit));
        }
        for (share, &ppm) in SHARES.iter().enumerate() {
            for number in 0..DRAWN {
                let draws = draws.part(share as u64 * DRAWN + number);
                for (index, unit) in free().enumerate() {
                    let kept = draws.chance(2 * index as u64, ppm);
                    let version = draws.below(2 * index as u64 + 1, u64::from(newest(unit)));
                    self.set(image, unit, if kept { 1 + version as u32 } else { 0 });
                }
                each(self, image)?;
            }
        }
        ControlFlow::Continue(())
    }
}
