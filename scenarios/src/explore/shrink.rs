//! A violation made small: fewer operations, smaller ones, fewer kept units, while the same rule breaks.

use super::case::Case;
use super::explorer::{Crash, Explorer, Limits, Violation};
use super::sequence::{Op, Sequence};

/// How much work a shrink may do, in explorations of shorter sequences.
const TRIES: u32 = 120;

struct Shrinker {
    explorer: Explorer,
    best: Case,
    tries: u32,
}

/// The smallest case that was found to break the same rule. `images` bounds each exploration on the way: what took many
/// images to find is not looked for in vain.
pub fn shrink(case: &Case, limits: Limits, images: u64) -> Case {
    let limits = Limits { images: images.saturating_mul(2).max(20_000).min(limits.images), ..limits };
    let mut shrinker = Shrinker { explorer: Explorer::new(limits), best: case.clone(), tries: TRIES };
    shrinker.fewer_operations();
    shrinker.smaller_operations();
    shrinker.fewer_units();
    shrinker.best
}

impl Shrinker {
    /// Explores a sequence; a violation of the same rule becomes the best case.
    fn tries(&mut self, ops: Vec<Op>) -> bool {
        if self.tries == 0 {
            return false;
        }
        self.tries -= 1;
        let sequence = Sequence { ops, ..self.best.sequence.clone() };
        match self.explorer.explore(&sequence) {
            Err(violation) if violation.wrong.rule.to_string() == self.best.broken => {
                self.best = Case::of(&sequence, &violation);
                true
            }
            _ => false,
        }
    }

    fn fewer_operations(&mut self) {
        let mut chunk = self.best.sequence.ops.len() / 2;
        while chunk > 0 {
            let mut at = 0;
            while at < self.best.sequence.ops.len() && self.tries > 0 {
                let mut ops = self.best.sequence.ops.clone();
                ops.drain(at..(at + chunk).min(ops.len()));
                if ops.is_empty() || !self.tries(ops) {
                    at += chunk;
                }
            }
            chunk /= 2;
        }
    }

    fn smaller_operations(&mut self) {
        for at in 0..self.best.sequence.ops.len() {
            let mut ops = self.best.sequence.ops.clone();
            match &mut ops[at] {
                Op::Append { bytes, .. } if *bytes > 0 => *bytes = 0,
                Op::Snapshot { pieces, .. } if pieces.len() > 1 => pieces.truncate(1),
                _ => continue,
            }
            self.tries(ops);
        }
    }

    /// Takes kept units away, as long as the path still leads to the same rule.
    fn fewer_units(&mut self) {
        for crash in 0..self.best.path.len() {
            let Crash::Power { kept, .. } = &self.best.path[crash] else { continue };
            let mut unit = kept.len();
            while unit > 0 {
                unit -= 1;
                let mut path = self.best.path.clone();
                if let Crash::Power { kept, .. } = &mut path[crash] {
                    kept.remove(unit);
                }
                let replayed = self.explorer.replay(&self.best.sequence, &path);
                if let Err(Violation { wrong, .. }) = replayed
                    && wrong.rule.to_string() == self.best.broken
                {
                    self.best = Case { path, what: wrong.what, ..self.best.clone() };
                }
            }
        }
    }
}
