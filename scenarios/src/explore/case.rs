//! A violation as text: what was done, where the crashes fell, what they left, and what was seen.
//!
//! ```text
//! seedfast explore journal, format 1
//! sequence: 17
//! seed: 17
//! shape: relaxed8 copy 256 area 512 segment 512 segments 4
//! op: append promise slot 0 ballot 3 epoch 1 bytes 0 id 0
//! op: burst decided 0
//! op: settle
//! crash: power point 46 kept 0/1 48/1
//! crash: process point 3 draw 99
//! broken: J1
//! what: record 1 was acknowledged, and 0 is the last recovered
//! ```
//! The crashes stand in their order, the second one inside the life that follows the first; a kept unit is its offset
//! and which of the values put there since the durable one it holds. Lines that begin with `#` are passed over.

use super::explorer::{Crash, Explorer, Limits, Violation};
use super::sequence::{Sequence, Shape, Words};
use seedfast_sim::images::Choice;
use std::fmt;
use std::str::FromStr;

/// The first line of the format that this build writes, and the only one that it reads.
pub const FORMAT: &str = "seedfast explore journal, format 1";

/// A sequence, the crashes that lead to a violation, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What is done.
    pub sequence: Sequence,
    /// Where it crashes, the outermost first.
    pub path: Vec<Crash>,
    /// The rule that was seen broken, as it is written; empty if none was.
    pub broken: String,
    /// What was seen.
    pub what: String,
}

impl Case {
    /// The case of a violation.
    pub fn of(sequence: &Sequence, violation: &Violation) -> Self {
        Case {
            sequence: sequence.clone(),
            path: violation.path.clone(),
            broken: violation.wrong.rule.to_string(),
            what: violation.wrong.what.clone(),
        }
    }

    /// Follows the crashes through the sequence; gives the violation that they lead to.
    pub fn replay(&self, limits: Limits) -> Option<Violation> {
        Explorer::new(limits).replay(&self.sequence, &self.path).err()
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Crash::Power { point, kept } => {
                write!(f, "power point {point} kept")?;
                if kept.is_empty() {
                    f.write_str(" nothing")?;
                }
                kept.iter().try_for_each(|choice| write!(f, " {}/{}", choice.at, choice.version))
            }
            Crash::Process { point, draw } => write!(f, "process point {point} draw {draw}"),
            Crash::Strike { after, strike } => write!(f, "strike after {after} {strike}"),
        }
    }
}

impl FromStr for Crash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = Words::of(text);
        match words.next()? {
            "power" => {
                let point = words.named("point")?;
                if words.next()? != "kept" {
                    return Err("`kept` and what was kept are missing".to_owned());
                }
                let mut kept = Vec::new();
                while let Ok(word) = words.next() {
                    if word == "nothing" {
                        continue;
                    }
                    let parts = word.split_once('/').and_then(|(at, version)| {
                        Some(Choice { at: at.parse().ok()?, version: version.parse().ok()? })
                    });
                    kept.push(parts.ok_or_else(|| format!("`{word}` is no unit; write OFFSET/VERSION"))?);
                }
                Ok(Crash::Power { point, kept })
            }
            "process" => {
                let crash = Crash::Process { point: words.named("point")?, draw: words.named("draw")? };
                words.end().map(|()| crash)
            }
            "strike" => {
                let after = words.named("after")?;
                Ok(Crash::Strike { after, strike: words.rest().parse()? })
            }
            other => Err(format!("`{other}` is no crash; there are power, process and strike")),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FORMAT}")?;
        writeln!(f, "sequence: {}", self.sequence.name)?;
        writeln!(f, "seed: {}", self.sequence.seed)?;
        writeln!(f, "shape: {}", self.sequence.shape)?;
        self.sequence.ops.iter().try_for_each(|op| writeln!(f, "op: {op}"))?;
        self.path.iter().try_for_each(|crash| writeln!(f, "crash: {crash}"))?;
        writeln!(f, "broken: {}", self.broken)?;
        writeln!(f, "what: {}", self.what)
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        match lines.next() {
            Some((_, FORMAT)) => {}
            _ => return Err(format!("line 1 is not `{FORMAT}`")),
        }
        let mut case = Case {
            sequence: Sequence { name: String::new(), seed: 0, shape: Shape::disk(), ops: Vec::new() },
            path: Vec::new(),
            broken: String::new(),
            what: String::new(),
        };
        let mut shaped = false;
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let (name, value) =
                line.split_once(':').ok_or_else(|| format!("line {number} has no `name: value`"))?;
            let value = value.trim();
            let read = match name {
                "sequence" => {
                    case.sequence.name = value.to_owned();
                    Ok(())
                }
                "seed" => value.parse().map(|seed| case.sequence.seed = seed).map_err(|_| "no number".into()),
                "shape" => {
                    shaped = true;
                    value.parse().map(|shape| case.sequence.shape = shape)
                }
                "op" => value.parse().map(|op| case.sequence.ops.push(op)),
                "crash" => value.parse().map(|crash| case.path.push(crash)),
                "broken" => {
                    case.broken = value.to_owned();
                    Ok(())
                }
                "what" => {
                    case.what = value.to_owned();
                    Ok(())
                }
                other => Err(format!("`{other}` is not known")),
            };
            read.map_err(|why: String| format!("line {number}: {why}"))?;
        }
        if shaped { Ok(case) } else { Err("it has no line `shape: ...`".to_owned()) }
    }
}
