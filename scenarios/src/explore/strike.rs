//! Damage at rest: one unit of a device that has come to rest is struck, and recovery must take it whole or refuse.

use super::explorer::{Explorer, said};
use super::ledger::{Demand, Rule, Wrong, wrong};
use super::quick::Ended;
use super::sequence::{Shape, Words};
use seedfast_core::Range;
use seedfast_sim::draw::Draws;
use seedfast_sim::images::Model;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

/// What happens to one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// One bit flips.
    Flip {
        /// Which byte of the device.
        at: u32,
        /// Which bit of it.
        bit: u8,
    },
    /// The unit at `at` answers reads with a medium error.
    Poison {
        /// Where it begins.
        at: u32,
    },
    /// A write went astray: the unit at `at` holds what belongs to the one at `from`.
    Copy {
        /// Where it begins.
        at: u32,
        /// Whose bytes it holds.
        from: u32,
    },
    /// A write was lost: the unit at `at` holds what stood there at an earlier rest.
    Old {
        /// Where it begins.
        at: u32,
        /// At which rest of the sequence, from 0.
        rest: u32,
    },
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Strike::Flip { at, bit } => write!(f, "flip at {at} bit {bit}"),
            Strike::Poison { at } => write!(f, "poison at {at}"),
            Strike::Copy { at, from } => write!(f, "copy at {at} from {from}"),
            Strike::Old { at, rest } => write!(f, "old at {at} rest {rest}"),
        }
    }
}

impl FromStr for Strike {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = Words::of(text);
        let strike = match words.next()? {
            "flip" => Strike::Flip { at: words.named("at")?, bit: words.named("bit")? },
            "poison" => Strike::Poison { at: words.named("at")? },
            "copy" => Strike::Copy { at: words.named("at")?, from: words.named("from")? },
            "old" => Strike::Old { at: words.named("at")?, rest: words.named("rest")? },
            other => return Err(format!("`{other}` is no strike")),
        };
        words.end()?;
        Ok(strike)
    }
}

/// The smallest part of a device that is struck, in bytes: a line, or a sector.
fn unit(shape: &Shape) -> usize {
    if shape.model == Model::Sectors { 512 } else { 64 }
}

/// Strikes every unit in every way.
pub(super) fn all(
    explorer: &mut Explorer,
    bytes: &mut [u8],
    past: &[Vec<u8>],
    incarnation: u32,
    demand: &Demand,
    draws: Draws,
) -> Result<(), (Wrong, Strike)> {
    let unit = unit(&explorer.shape());
    let count = bytes.len() / unit;
    let mut strikes = Vec::new();
    for index in 0..count {
        let (at, draw) = ((index * unit) as u32, draws.part(index as u64));
        for flip in 0..unit.div_ceil(64) as u64 + 1 {
            let byte = at + draw.below(2 * flip, unit as u64) as u32;
            strikes.push(Strike::Flip { at: byte, bit: draw.below(2 * flip + 1, 8) as u8 });
        }
        strikes.push(Strike::Poison { at });
        let from = (draw.below(100, count as u64) as usize * unit) as u32;
        strikes.push(Strike::Copy { at, from });
        for (rest, past) in past.iter().enumerate().rev().take(3) {
            if past[at as usize..at as usize + unit] != bytes[at as usize..at as usize + unit] {
                strikes.push(Strike::Old { at, rest: rest as u32 });
            }
        }
    }
    for strike in strikes {
        one(explorer, bytes, past, incarnation, demand, &strike).map_err(|wrong| (wrong, strike))?;
    }
    Ok(())
}

/// Strikes once, recovers, judges, and takes all of it back.
pub(super) fn one(
    explorer: &mut Explorer,
    bytes: &mut [u8],
    past: &[Vec<u8>],
    incarnation: u32,
    demand: &Demand,
    strike: &Strike,
) -> Result<(), Wrong> {
    let shape = explorer.shape();
    let unit = unit(&shape);
    let at = match *strike {
        Strike::Flip { at, .. }
        | Strike::Poison { at }
        | Strike::Copy { at, .. }
        | Strike::Old { at, .. } => at,
    };
    let begin = at as usize / unit * unit;
    if begin + unit > bytes.len() {
        return Ok(());
    }
    let before = bytes[begin..begin + unit].to_vec();
    match *strike {
        Strike::Flip { at, bit } => bytes[at as usize] ^= 1 << (bit & 7),
        Strike::Poison { .. } => {
            explorer.quick.poison = Some(Range { at: begin as u64, length: unit as u64 });
        }
        Strike::Copy { from, .. } => {
            let from = from as usize / unit * unit;
            bytes.copy_within(from..from + unit, begin);
        }
        Strike::Old { rest, .. } => {
            if let Some(past) = past.get(rest as usize) {
                bytes[begin..begin + unit].copy_from_slice(&past[begin..begin + unit]);
            }
        }
    }
    explorer.quick.struck = true;
    let ran = catch_unwind(AssertUnwindSafe(|| judge(explorer, bytes, begin, incarnation, demand)));
    let result = ran.unwrap_or_else(|panic| wrong(Rule::Panic, said(&*panic)));
    explorer.quick.undo(bytes);
    explorer.quick.poison = None;
    explorer.quick.struck = false;
    bytes[begin..begin + unit].copy_from_slice(&before);
    result
}

fn judge(
    explorer: &mut Explorer,
    bytes: &mut [u8],
    begin: usize,
    incarnation: u32,
    demand: &Demand,
) -> Result<(), Wrong> {
    let shape = explorer.shape();
    explorer.tally.strikes += 1;
    explorer.tally.recoveries += 1;
    let ended = explorer.quick.life(bytes, &shape, incarnation, &explorer.ledger);
    explorer.tally.rows(explorer.quick.rows);
    match ended {
        Ended::Recovered(recovered) => {
            let outcome =
                explorer.quick.verdict(&explorer.ledger, &recovered.1, demand).map_err(|wrong| Wrong {
                    rule: Rule::Struck,
                    what: format!("recovered, and not whole: {} ({})", wrong.what, wrong.rule),
                })?;
            if outcome.last != demand.acked {
                return wrong(
                    Rule::Struck,
                    format!("{} records were recovered of {}", outcome.last, demand.acked),
                );
            }
            if explorer.quick.poison.is_some() {
                // It goes on until its log reaches the place that cannot be read, and then refuses.
                return Ok(());
            }
            explorer.quick.goes_on(bytes, &shape, incarnation, &mut explorer.ledger, recovered, &outcome)
        }
        Ended::Refused(refusal) => {
            explorer.tally.refused += 1;
            if explorer.quick.writes() > 0 {
                return wrong(
                    Rule::Struck,
                    format!("recovery refused ({refusal}) after it had changed the device"),
                );
            }
            // Of metadata and marks there are two; a medium error in a snapshot may pass.
            let areas = 2 * shape.copy + 2 * front(&shape);
            let log = areas + 2 * shape.area;
            if (begin as u64) < if explorer.quick.poison.is_some() { areas } else { log } {
                return wrong(
                    Rule::Struck,
                    format!("one damaged unit before the log is no loss, and recovery refused: {refusal}"),
                );
            }
            Ok(())
        }
        Ended::Failed(failure) => wrong(Rule::Struck, format!("recovery failed with {failure:?}")),
        Ended::Stuck => wrong(Rule::Struck, "recovery waits for nothing and does not end"),
    }
}

/// The length of one copy of the mark.
fn front(shape: &Shape) -> u64 {
    if shape.model == Model::Sectors { 512 } else { 64 }
}
