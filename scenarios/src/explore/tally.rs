//! What an exploration saw, in numbers.

use super::ledger::Rule;
use seedfast_core::journal::{Row, Rows};

/// Sums over sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sequences explored.
    pub sequences: u64,
    /// Places at which a crash could fall.
    pub crash_points: u64,
    /// Images built.
    pub visited: u64,
    /// Images met for the first time in their sequence, recovered and judged.
    pub images: u64,
    /// Of the new images, how many were left by a crash of the story itself, inside a recovery or what followed it,
    /// and so on.
    pub by_depth: [u64; 4],
    /// Recoveries, those after further work and those on struck devices included.
    pub recoveries: u64,
    /// Recoveries on a recording machine, with crashes inside.
    pub nested: u64,
    /// Devices struck at rest.
    pub strikes: u64,
    /// Of those, how many were refused.
    pub refused: u64,
    /// Sequences with a violation.
    pub violations: u64,
    /// How often each row of the decision table was met, by its number.
    pub rows: [u64; 32],
}

impl Tally {
    /// A recovery met these rows.
    #[inline]
    pub(super) fn rows(&mut self, rows: Rows) {
        for row in rows.iter() {
            self.rows[row as usize & 31] += 1;
        }
    }

    /// Adds another tally.
    pub fn add(&mut self, other: &Tally) {
        self.sequences += other.sequences;
        self.crash_points += other.crash_points;
        self.visited += other.visited;
        self.images += other.images;
        self.recoveries += other.recoveries;
        self.nested += other.nested;
        self.strikes += other.strikes;
        self.refused += other.refused;
        self.violations += other.violations;
        for (sum, more) in self.by_depth.iter_mut().zip(&other.by_depth) {
            *sum += more;
        }
        for (sum, more) in self.rows.iter_mut().zip(&other.rows) {
            *sum += more;
        }
    }

    /// The rows of the decision table that were met, and how often, in the table's order.
    pub fn met(&self) -> impl Iterator<Item = (Row, u64)> {
        Row::ALL.iter().map(|row| (*row, self.rows[*row as usize & 31])).filter(|(_, times)| *times > 0)
    }
}

const _: () = assert!(Row::ALL.len() <= 32 && Rule::ALL.len() == 8);
