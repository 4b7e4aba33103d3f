//! Which seeds a campaign runs: a count or a range, split into shards, from a base that moves with the build.

use crate::trouble::Trouble;
use seedfast_core::random::mix;
use std::fmt;
use std::str::FromStr;

/// What `--seeds` says: `20000` counts from the build's base, `100..200` is exactly those (the end excluded).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeds {
    /// So many, from the base.
    Count(u64),
    /// From the first, up to but without the second.
    Range(u64, u64),
}

impl FromStr for Seeds {
    type Err = Trouble;

    fn from_str(text: &str) -> Result<Self, Trouble> {
        let wrong = || {
            Trouble::new(format!(
                "`{text}` is no set of seeds; write a count such as 20000, or a range such as 100..200"
            ))
        };
        if let Some((from, to)) = text.split_once("..") {
            let (from, to) = (number(from).ok_or_else(wrong)?, number(to).ok_or_else(wrong)?);
            if from >= to {
                return Err(Trouble::new(format!(
                    "the range {from}..{to} is empty: its end, which is excluded, must be above its beginning"
                )));
            }
            return Ok(Seeds::Range(from, to));
        }
        match number(text).ok_or_else(wrong)? {
            0 => Err(Trouble::new("0 seeds prove nothing; ask for at least one")),
            count => Ok(Seeds::Count(count)),
        }
    }
}

/// A decimal number; underscores are read over.
fn number(text: &str) -> Option<u64> {
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// A seed on the command line.
///
/// # Errors
/// If it is not a number of 64 bits.
pub fn seed(text: &str) -> Result<u64, Trouble> {
    number(text).ok_or_else(|| {
        Trouble::new(format!("`{text}` is no seed; a seed is a number from 0 to {}", u64::MAX))
    })
}

/// One part of a campaign that is split over machines: seeds whose number leaves `index` when divided by `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0; people write it from 1.
    pub index: u64,
    /// How many parts there are.
    pub count: u64,
}

impl Shard {
    /// The only part.
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// The shard of a number counted from 1 (or from another `first`, as some schedulers count).
    fn new(number: u64, first: u64, count: u64, source: &str) -> Result<Shard, Trouble> {
        match number.checked_sub(first) {
            Some(index) if index < count => Ok(Shard { index, count }),
            _ => Err(Trouble::new(format!(
                "shard {number} of {count} ({source}) does not exist; shards count from {first} to {}",
                (first + count).saturating_sub(1)
            ))),
        }
    }

    /// Finds the shard in the variables that schedulers of arrays of jobs set: Slurm, Kubernetes indexed jobs (which
    /// do not say how many there are: write `auto/N`, or set `JOB_COMPLETION_COUNT` in the template), GitLab, Buildkite
    /// and CircleCI; the first of them that is there. `told` is how many there are by the command line.
    fn from_environment(told: Option<u64>, read: &dyn Fn(&str) -> Option<String>) -> Result<Shard, Trouble> {
        let number = |name: &str| match read(name) {
            None => Ok(None),
            Some(text) if text.trim().is_empty() => Ok(None),
            Some(text) => number(text.trim()).map(Some).ok_or_else(|| {
                Trouble::new(format!(
                    "{name} is `{text}`, which is no number; write --shard I/N instead of auto"
                ))
            }),
        };
        for Source { index: name, count: of, first } in SOURCES {
            let Some(mut index) = number(name)? else { continue };
            let counted = match (*of, number(of)?) {
                ("SLURM_ARRAY_TASK_COUNT", Some(count)) => {
                    index = slurm_task(index, count, &number)?;
                    Some(count)
                }
                (_, count) => count,
            };
            return match (told, counted) {
                (Some(told), Some(counted)) if told != counted => Err(Trouble::new(format!(
                    "--shard auto/{told}, but {of} is {counted}; write auto, or --shard I/N"
                ))),
                (Some(count), _) | (None, Some(count)) => Shard::new(index, *first, count, name),
                (None, None) => Err(Trouble::new(format!(
                    "{name} is set but {of} is not, so the number of shards is unknown; write --shard auto/N, or set it"
                ))),
            };
        }
        Err(Trouble::new(
            "--shard auto found none of SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX, CI_NODE_INDEX, \
             BUILDKITE_PARALLEL_JOB and CIRCLE_NODE_INDEX in the environment; write --shard I/N",
        ))
    }
}

/// The variables in which a scheduler says which task this is.
struct Source {
    index: &'static str,
    count: &'static str,
    /// The first task's index.
    first: u64,
}

const SOURCES: &[Source] = &[
    Source { index: "SLURM_ARRAY_TASK_ID", count: "SLURM_ARRAY_TASK_COUNT", first: 0 },
    Source { index: "JOB_COMPLETION_INDEX", count: "JOB_COMPLETION_COUNT", first: 0 },
    Source { index: "CI_NODE_INDEX", count: "CI_NODE_TOTAL", first: 1 },
    Source { index: "BUILDKITE_PARALLEL_JOB", count: "BUILDKITE_PARALLEL_JOB_COUNT", first: 0 },
    Source { index: "CIRCLE_NODE_INDEX", count: "CIRCLE_NODE_TOTAL", first: 0 },
];

/// The place from 0 of a task of a Slurm array, whose ids begin anywhere (`--array=5-8`) and may be some steps apart
/// (`0-12:4`), but not anyhow (`1,5,6`): then a task cannot know its place.
fn slurm_task(
    id: u64,
    count: u64,
    number: &dyn Fn(&str) -> Result<Option<u64>, Trouble>,
) -> Result<u64, Trouble> {
    let low = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
    let step = number("SLURM_ARRAY_TASK_STEP")?.filter(|step| *step > 0).unwrap_or(1);
    let high = number("SLURM_ARRAY_TASK_MAX")?;
    let even = high.is_none_or(|high| high.checked_sub(low).is_some_and(|width| width / step + 1 == count));
    match id.checked_sub(low) {
        Some(behind) if even && behind % step == 0 => Ok(behind / step),
        _ => Err(Trouble::new(format!(
            "task {id} of this Slurm array of {count} has no place among evenly numbered ones; submit it with \
             --array=1-{count}, or write --shard I/N"
        ))),
    }
}

impl FromStr for Shard {
    type Err = Trouble;

    fn from_str(text: &str) -> Result<Self, Trouble> {
        let told = text.strip_prefix("auto/").map(|count| number(count).filter(|count| *count > 0));
        if text == "auto" || matches!(told, Some(Some(_))) {
            return Shard::from_environment(told.flatten(), &|name| std::env::var(name).ok());
        }
        let parts = text.split_once('/').and_then(|(i, n)| Some((number(i)?, number(n)?)));
        match parts {
            Some((index, count)) => Shard::new(index, 1, count, "--shard"),
            None => Err(Trouble::new(format!(
                "`{text}` is no shard; write 1/4 for the first of four, or auto (auto/4) to read it from the environment"
            ))),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.count)
    }
}

/// The seeds of one campaign, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first one, before sharding.
    pub first: u64,
    /// The end, excluded, before sharding.
    pub end: u64,
    /// Which part of them is run here.
    pub shard: Shard,
}

impl Span {
    /// The `index`-th seed of this shard, if there are so many.
    pub fn get(&self, index: u64) -> Option<u64> {
        let Shard { index: remainder, count } = self.shard;
        let skip = (remainder + count - self.first % count) % count;
        let seed = self.first.checked_add(skip)?.checked_add(index.checked_mul(count)?)?;
        (seed < self.end).then_some(seed)
    }

    /// How many seeds this shard has.
    pub fn len(&self) -> u64 {
        let skipped = self.get(0).map_or(self.end, |first| first);
        (self.end - skipped).div_ceil(self.shard.count)
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a campaign begins that was not told where: a multiple of a million that follows from the commit or
/// from the hash of the executable, so that every build meets new schedules and a machine can be told to test the same
/// ones again.
pub fn base(build: &str) -> u64 {
    let prefix = build.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok());
    prefix.map_or(0, |prefix| mix(prefix) % 1_000_000 * 1_000_000)
}

/// Which of `count` scenarios a seed of a mixed campaign runs. Every aligned block of `count` seeds runs each of them
/// once, in an order that differs from block to block, so that no shard misses one.
pub fn deal(seed: u64, count: usize) -> usize {
    let count = count as u64;
    let block = seed / count;
    ((seed % count + mix(block) % count) % count) as usize
}

/// Whether a seed belongs to the `percent` of all seeds that are run twice.
pub fn is_sampled(seed: u64, percent: u8) -> bool {
    mix(seed ^ 0x7265_7275_6e21) % 100 < u64::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_ranges_are_read() {
        assert_eq!("20_000".parse(), Ok(Seeds::Count(20_000)));
        assert_eq!("3..9".parse(), Ok(Seeds::Range(3, 9)));
        for wrong in ["", "x", "-1", "9..3", "4..4", "1..", "..", "0", "1.5", "99999999999999999999"] {
            assert!(wrong.parse::<Seeds>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn shards_are_disjoint_and_cover_the_range() {
        let mut all: Vec<u64> = (0..3)
            .flat_map(|index| {
                let span = Span { first: 10, end: 27, shard: Shard { index, count: 3 } };
                let seeds: Vec<u64> = (0..).map_while(|i| span.get(i)).collect();
                assert_eq!(seeds.len() as u64, span.len());
                seeds
            })
            .collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(10..27));
        let last = Span { first: u64::MAX - 1, end: u64::MAX, shard: Shard::WHOLE };
        assert_eq!((last.len(), last.get(0), last.get(1)), (1, Some(u64::MAX - 1), None));
        let none = Span { first: 10, end: 11, shard: Shard { index: 0, count: 3 } };
        assert!(none.is_empty() && none.get(0).is_none());
    }

    #[test]
    fn a_shard_is_counted_from_one() {
        assert_eq!("2/4".parse(), Ok(Shard { index: 1, count: 4 }));
        for wrong in ["0/4", "5/4", "1/0", "1", "a/b"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    /// The shard, or the sentence, that `--shard auto` (or `auto/N`) makes of some variables.
    fn auto(told: Option<u64>, variables: &[(&str, &str)]) -> Result<String, String> {
        let read = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
        };
        Shard::from_environment(told, &read)
            .map(|shard| shard.to_string())
            .map_err(|trouble| trouble.to_string())
    }

    fn slurm(id: &str, count: &str, low: &str, high: &str, step: &str) -> Result<String, String> {
        auto(
            None,
            &[
                ("SLURM_ARRAY_TASK_ID", id),
                ("SLURM_ARRAY_TASK_COUNT", count),
                ("SLURM_ARRAY_TASK_MIN", low),
                ("SLURM_ARRAY_TASK_MAX", high),
                ("SLURM_ARRAY_TASK_STEP", step),
            ],
        )
    }

    #[test]
    fn a_shard_is_read_from_schedulers() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(slurm("7", "3", "5", "7", "1"), ok("3/3"));
        assert_eq!(slurm("8", "4", "0", "12", "4"), ok("3/4"));
        assert_eq!(slurm("0", "1", "0", "0", "1"), ok("1/1"));
        let kubernetes = ("JOB_COMPLETION_INDEX", "0");
        assert_eq!(auto(Some(8), &[kubernetes]), ok("1/8"));
        assert_eq!(auto(None, &[kubernetes, ("JOB_COMPLETION_COUNT", "8")]), ok("1/8"));
        assert_eq!(auto(Some(8), &[kubernetes, ("JOB_COMPLETION_COUNT", "8")]), ok("1/8"));
        assert_eq!(auto(None, &[("CI_NODE_INDEX", "4"), ("CI_NODE_TOTAL", "4")]), ok("4/4"));
        assert_eq!(auto(None, &[("CIRCLE_NODE_INDEX", " 2 "), ("CIRCLE_NODE_TOTAL", "4")]), ok("3/4"));
        let buildkite = [("BUILDKITE_PARALLEL_JOB", "0"), ("BUILDKITE_PARALLEL_JOB_COUNT", "5")];
        assert_eq!(auto(None, &buildkite), ok("1/5"));
    }

    #[test]
    fn nonsense_from_a_scheduler_is_one_clear_sentence() {
        let kubernetes = |index| ("JOB_COMPLETION_INDEX", index);
        for (result, expected) in [
            (slurm("x", "3", "0", "2", "1"), "SLURM_ARRAY_TASK_ID is `x`, which is no number"),
            (slurm("5", "3", "1", "6", "1"), "submit it with --array=1-3"),
            (slurm("5", "4", "0", "12", "4"), "has no place among evenly numbered ones"),
            (slurm("0", "3", "1", "3", "1"), "task 0 of this Slurm array of 3"),
            (slurm("1", "0", "1", "1", "1"), "has no place"),
            (auto(None, &[("SLURM_ARRAY_TASK_ID", "1")]), "SLURM_ARRAY_TASK_COUNT is not"),
            (auto(None, &[kubernetes("0")]), "write --shard auto/N"),
            (auto(Some(8), &[kubernetes("8")]), "shard 8 of 8 (JOB_COMPLETION_INDEX) does not exist"),
            (auto(Some(8), &[kubernetes("-1")]), "is `-1`, which is no number"),
            (auto(Some(4), &[kubernetes("1"), ("JOB_COMPLETION_COUNT", "8")]), "JOB_COMPLETION_COUNT is 8"),
            (auto(None, &[kubernetes("1"), ("JOB_COMPLETION_COUNT", "0")]), "does not exist"),
            (auto(None, &[("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "4")]), "shards count from 1 to 4"),
            (auto(None, &[kubernetes("")]), "found none of"),
            (auto(Some(3), &[]), "found none of"),
        ] {
            let sentence = result.expect_err(expected);
            assert!(sentence.contains(expected) && !sentence.contains('\n'), "{expected}: {sentence}");
        }
        for wrong in ["auto/", "auto/0", "auto/x", "auto/1/2", "autos"] {
            assert!(wrong.parse::<Shard>().is_err_and(|trouble| trouble.to_string().contains("is no shard")));
        }
    }

    #[test]
    fn every_block_of_a_mixed_campaign_and_every_shard_runs_all_scenarios() {
        for block in 0..50 {
            let mut dealt: Vec<usize> = (block * 6..block * 6 + 6).map(|seed| deal(seed, 6)).collect();
            dealt.sort_unstable();
            assert_eq!(dealt, [0, 1, 2, 3, 4, 5]);
        }
        let of_one_shard: std::collections::BTreeSet<usize> =
            (0..100).map(|index| deal(index * 6 + 1, 6)).collect();
        assert_eq!(of_one_shard.len(), 6);
    }

    #[test]
    fn a_tenth_of_the_seeds_is_sampled() {
        let sampled = (0..100_000).filter(|seed| is_sampled(*seed, 10)).count();
        assert!((9_500..10_500).contains(&sampled), "{sampled}");
        assert!((0..1000).all(|seed| is_sampled(seed, 100) && !is_sampled(seed, 0)));
    }

    #[test]
    fn the_base_moves_with_the_commit() {
        let one = base("180a23f0c4f4b0b0a1f6f3a1a1a1a1a1a1a1a1a1");
        assert_ne!(one, base("250acbf0c4f4b0b0a1f6f3a1a1a1a1a1a1a1a1a1"));
        assert_eq!(one % 1_000_000, 0);
        assert_eq!(base("unknown"), 0);
        assert_ne!(base("0123456789abcdef"), 0, "the hash of an executable is long enough");
    }
}
