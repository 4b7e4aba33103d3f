//! The `merge` command: adds up what the parts of a campaign found, wherever they ran, and says what is missing.
//!
//! Parts are disjoint: a seed that two of them ran would count twice, so it is refused. They come from one build,
//! because sums over two builds say nothing of either.

use crate::campaign::{Findings, Sums};
use crate::cli::{self, Merge};
use crate::json;
use crate::report::{self, Again, Saved};
use crate::scenarios::printed;
use crate::seeds::{Shard, Span};
use crate::state::{FILE, Kept};
use crate::tally::Tally;
use crate::text::{Console, Paint, count};
use crate::trouble::Trouble;
use seedfast_sim::Scenario;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many mismatches of one scenario are kept.
const MISMATCHES: usize = 10;
/// How many absent parts are named.
const NAMED: usize = 8;

/// One part of a campaign.
pub(crate) struct Part {
    pub(crate) directory: PathBuf,
    pub(crate) kept: Kept,
}

/// All parts together.
pub(crate) struct Merged {
    pub(crate) findings: Findings,
    pub(crate) parts: Vec<Part>,
    /// What would have to be there for the whole campaign, in words.
    pub(crate) missing: Vec<String>,
    /// The time of all parts together; the findings have that of the longest.
    pub(crate) work: Duration,
}

/// Merges, and says how to exit: as `run` does, and 2 if nothing broke but something is missing.
pub(crate) fn merge(
    scenarios: &[&'static dyn Scenario],
    options: &Merge,
    console: &mut Console<'_>,
) -> Result<u8, Trouble> {
    options.ci.begin()?;
    let merged = add_up(scenarios, parts(&options.directories)?)?;
    let saved = bundles(&merged);
    let Merged { findings, missing, .. } = &merged;
    let is_lacking = findings.exit_code() == 0 && !missing.is_empty() && !options.partial;
    let code = if is_lacking { 2 } else { findings.exit_code() };
    let paint = console.paint();
    if options.json {
        console.note(&report::failures(findings, &saved, Paint(false)));
        printed(console, &json::merged(&merged, &saved, code))?;
    } else {
        let mut text = format!("{}\n{}\n\n", cli::banner(), opening(&merged));
        text.push_str(&report::merged(&merged, paint));
        text.push_str(&report::failures(findings, &saved, paint));
        for what in missing {
            text.push_str(&format!("{}  {what}\n", paint.bad("MISSING")));
        }
        text.push_str(&report::verdict(findings, paint));
        printed(console, &text)?;
    }
    let absent = if is_lacking { missing.as_slice() } else { &[] };
    options.ci.tell(findings, &saved, absent, Again::Seed, options.json, console)?;
    if is_lacking {
        console.note(
            "error: nothing broke, but parts of the campaign are missing; run them, or judge what is there with \
             --partial\n",
        );
    }
    Ok(code)
}

impl Part {
    /// # Errors
    /// It is no part of anything: what a guided campaign runs follows from all that it has run.
    fn of(directory: PathBuf, kept: Kept) -> Result<Self, Trouble> {
        if kept.guided.is_some() {
            return Err(Trouble::new(format!(
                "{} holds a guided campaign, which is more than the sum of its seeds; merge blind ones",
                directory.display()
            )));
        }
        Ok(Part { directory, kept })
    }
}

/// Reads the parts: each directory is one, or holds one in each of its directories.
fn parts(directories: &[PathBuf]) -> Result<Vec<Part>, Trouble> {
    let mut parts = Vec::new();
    for directory in directories {
        if let Some(kept) = Kept::read(directory)? {
            parts.push(Part::of(directory.clone(), kept)?);
            continue;
        }
        let mut below: Vec<PathBuf> =
            fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        below.sort();
        let before = parts.len();
        for directory in below {
            if let Some(kept) = Kept::read(&directory)? {
                parts.push(Part::of(directory, kept)?);
            }
        }
        if parts.len() == before {
            return Err(Trouble::new(format!(
                "there is no {FILE} in {} nor in a directory right below it; parts write one with: run --shard I/N \
                 --out DIR",
                directory.display()
            )));
        }
    }
    parts.sort_by(|a, b| key(&a.kept).cmp(&key(&b.kept)).then_with(|| a.directory.cmp(&b.directory)));
    Ok(parts)
}

/// What the parts of one campaign have in common, and their number.
fn key(kept: &Kept) -> (&[String], u64, u64, u64, u64) {
    (&kept.scenarios, kept.first, kept.end, kept.shard.1, kept.shard.0)
}

/// Adds them up.
///
/// # Errors
/// If two parts are of different builds, or ran the same seed.
fn add_up(scenarios: &[&'static dyn Scenario], parts: Vec<Part>) -> Result<Merged, Trouble> {
    let first = parts.first().expect("at least one directory was named, and it had a part");
    for (index, part) in parts.iter().enumerate() {
        let differences = first.kept.build.differences(&part.kept.build);
        if !differences.is_empty() {
            return Err(Trouble::new(format!(
                "{} and {} are of different builds ({}); merge those of one build",
                part.directory.display(),
                first.directory.display(),
                differences.join("; ")
            )));
        }
        parts[..index].iter().try_for_each(|earlier| disjoint(earlier, part))?;
    }
    let mut names: Vec<&'static str> = Vec::new();
    let mut sums = Sums::default();
    let (mut stuck, mut work, mut longest) = (None, Duration::ZERO, Duration::ZERO);
    for part in &parts {
        let kept = &part.kept;
        for (name, tally) in kept.scenarios.iter().zip(&kept.sums.tallies) {
            let place = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(crate::names::kept(name));
                sums.tallies.push(Tally::default());
                names.len() - 1
            });
            sums.tallies[place].merge(tally);
        }
        for (key, signature) in &kept.sums.signatures {
            match sums.signatures.entry(key.clone()) {
                Entry::Vacant(place) => {
                    place.insert(signature.clone());
                }
                Entry::Occupied(mut found) => found.get_mut().merge(signature.clone()),
            }
        }
        sums.mismatches.extend(kept.sums.mismatches.iter().cloned());
        if kept.stuck.is_some() {
            let here = kept.stuck(scenarios).ok_or_else(|| {
                Trouble::new(format!(
                    "a seed in {} did not end, and its scenario is not one of this program; merge with the program \
                     that ran it",
                    part.directory.display()
                ))
            })?;
            stuck = stuck.or(Some(here));
        }
        work += kept.wall();
        longest = longest.max(kept.wall());
    }
    let mut of_each = BTreeMap::<_, usize>::new();
    sums.mismatches.sort_by_key(|mismatch| mismatch.seed);
    sums.mismatches.retain(|mismatch| {
        let kept = of_each.entry(mismatch.scenario).or_default();
        *kept += 1;
        *kept <= MISMATCHES
    });
    let run: Vec<_> = scenarios.iter().copied().filter(|one| names.contains(&one.name())).collect();
    let findings = Findings::of(&names, sums, stuck, longest).with_unreached(&run);
    Ok(Merged { findings, missing: missing(&parts), work, parts })
}

/// Refuses two parts that ran the same seed of the same scenario.
fn disjoint(one: &Part, other: &Part) -> Result<(), Trouble> {
    let (here, there) = (one.directory.display(), other.directory.display());
    if one.kept.scenarios != other.kept.scenarios {
        let shared = one.kept.scenarios.iter().find(|name| other.kept.scenarios.contains(name));
        return shared.map_or(Ok(()), |name| {
            Err(Trouble::new(format!(
                "{here} and {there} ran `{name}` among different scenarios, so which of its seeds both ran is \
                 unknown; merge parts of one campaign"
            )))
        });
    }
    let run = |part: &Part| (part.kept.span(), part.kept.sums.seeds);
    match shared(run(one), run(other)) {
        Some(seed) => Err(Trouble::new(format!(
            "{here} (shard {}) and {there} (shard {}) both ran seed {seed}, which must not count twice; leave one of \
             them out",
            one.kept.span().shard,
            other.kept.span().shard
        ))),
        None => Ok(()),
    }
}

/// A seed that is among the first so many of both spans.
fn shared(one: (Span, u64), other: (Span, u64)) -> Option<u64> {
    let ends = |(span, seeds): (Span, u64)| {
        let last = span.get(seeds.checked_sub(1)?)?;
        Some((i128::from(span.get(0)?), i128::from(last), i128::from(span.shard.count)))
    };
    let ((low, last, step), (other_low, other_last, other_step)) = (ends(one)?, ends(other)?);
    // The seeds of a shard are those of one remainder: the Chinese remainder theorem.
    let (divisor, inverse) = euclid(step, other_step);
    let apart = other_low - low;
    if apart % divisor != 0 {
        return None;
    }
    let period = step / divisor * other_step;
    let turns = (apart / divisor).rem_euclid(other_step / divisor) * inverse.rem_euclid(other_step / divisor);
    let common = low + step * turns.rem_euclid(other_step / divisor);
    let lowest = low.max(other_low);
    let found = lowest + (common - lowest).rem_euclid(period);
    (found <= last.min(other_last)).then_some(found as u64)
}

/// The greatest common divisor of two numbers, and what to multiply the first one with to leave it modulo the second.
fn euclid(one: i128, other: i128) -> (i128, i128) {
    let (mut left, mut right) = ((one, 1), (other, 0));
    while right.0 != 0 {
        let times = left.0 / right.0;
        (left, right) = (right, (left.0 - times * right.0, left.1 - times * right.1));
    }
    left
}

/// What the parts lack of whole campaigns.
fn missing(parts: &[Part]) -> Vec<String> {
    let mut missing = Vec::new();
    let mut present = BTreeMap::<_, BTreeSet<u64>>::new();
    for part in parts {
        let (scenarios, first, end, shards, index) = key(&part.kept);
        present.entry((scenarios, first, end, shards)).or_default().insert(index);
        if !part.kept.is_complete {
            let why = if part.kept.stuck.is_some() {
                "stopped at a seed that does not end"
            } else {
                "was interrupted"
            };
            missing.push(format!(
                "shard {} in {} {why} after {} of {}",
                part.kept.span().shard,
                part.directory.display(),
                count(part.kept.sums.seeds, "seed"),
                seeds_of(&part.kept)
            ));
        }
    }
    for ((_, first, end, count), there) in present {
        // One without a seed has nothing to say, and was refused.
        let absent: Vec<String> = (0..count)
            .map(|index| Shard { index, count })
            .filter(|shard| !there.contains(&shard.index) && !Span { first, end, shard: *shard }.is_empty())
            .map(|shard| shard.to_string())
            .collect();
        let more = match absent.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        if let Some(first) = absent.first() {
            let noun = if absent.len() == 1 { "shard" } else { "shards" };
            let named =
                if absent.len() == 1 { first.clone() } else { absent[..absent.len().min(NAMED)].join(", ") };
            missing.push(format!("{noun} {named}{more}"));
        }
    }
    missing
}

/// How many seeds it was told to run, as far as that is a number.
fn seeds_of(kept: &Kept) -> String {
    if kept.end == u64::MAX {
        "those that its time allows".to_owned()
    } else {
        count(kept.span().len(), "seed")
    }
}

/// What is merged.
fn opening(merged: &Merged) -> String {
    let shards: Vec<String> = merged.parts.iter().map(|part| part.kept.span().shard.to_string()).collect();
    let more = shards.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "merging {}: shard {}{more} of {}",
        count(merged.parts.len() as u64, "part"),
        shards[..shards.len().min(NAMED)].join(", "),
        count(merged.findings.scenarios.len() as u64, "scenario")
    )
}

/// The bundles that the parts saved, as far as they are still there.
fn bundles(merged: &Merged) -> Saved {
    let mut saved = Saved::new();
    for Part { directory, kept } in &merged.parts {
        for signature in kept.sums.signatures.values() {
            for failure in signature.examples.iter().chain([&signature.quickest]) {
                let path: &Path = &directory.join(failure.bundle.file_name());
                if path.exists() {
                    saved.insert(failure.bundle.plan_hash.clone(), path.to_owned());
                }
            }
        }
    }
    saved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_that_two_spans_share_is_found() {
        let mut random = 7_u64;
        let mut draw = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let (mut met, mut disjoint) = (0, 0);
        for _ in 0..20_000 {
            let mut span = || {
                let (first, shards) = (draw(40), draw(9) + 1);
                let span = Span {
                    first,
                    end: first + draw(60) + 1,
                    shard: Shard { index: draw(shards), count: shards },
                };
                (span, draw(span.len() + 1))
            };
            let (one, other) = (span(), span());
            let all = |(span, seeds): (Span, u64)| (0..seeds).map_while(move |index| span.get(index));
            let expected = all(one).find(|seed| all(other).any(|theirs| theirs == *seed));
            assert_eq!(shared(one, other), expected, "{one:?} {other:?}");
            met += u64::from(expected.is_some());
            disjoint += u64::from(expected.is_none());
        }
        assert!(met > 1000 && disjoint > 1000, "{met} {disjoint}");
        let whole = Span { first: 0, end: u64::MAX, shard: Shard { index: 4, count: 7 } };
        assert_eq!(shared((whole, 1 << 60), (whole, 1)), Some(4));
    }
}
