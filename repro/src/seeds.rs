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
    /// do not say how many there are: set `JOB_COMPLETION_COUNT` in the template), GitLab, Buildkite and CircleCI.
    fn from_environment(read: &dyn Fn(&str) -> Option<u64>) -> Result<Shard, Trouble> {
        // Index, count, the first index.
        let sources = [
            ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", read("SLURM_ARRAY_TASK_MIN").unwrap_or(0)),
            ("JOB_COMPLETION_INDEX", "JOB_COMPLETION_COUNT", 0),
            ("CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
            ("BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0),
            ("CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0),
        ];
        for (index, count, first) in sources {
            match (read(index), read(count)) {
                (Some(index_value), Some(count_value)) => {
                    return Shard::new(index_value, first, count_value, index);
                }
                (Some(_), None) => {
                    return Err(Trouble::new(format!(
                        "{index} is set but {count} is not, so the number of shards is unknown; set it, or write \
                         --shard I/N"
                    )));
                }
                (None, _) => {}
            }
        }
        Err(Trouble::new(
            "--shard auto found none of SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX, CI_NODE_INDEX, \
             BUILDKITE_PARALLEL_JOB and CIRCLE_NODE_INDEX in the environment; write --shard I/N",
        ))
    }
}

impl FromStr for Shard {
    type Err = Trouble;

    fn from_str(text: &str) -> Result<Self, Trouble> {
        if text == "auto" {
            return Shard::from_environment(&|name| std::env::var(name).ok()?.trim().parse().ok());
        }
        let parts = text.split_once('/').and_then(|(i, n)| Some((number(i)?, number(n)?)));
        match parts {
            Some((index, count)) => Shard::new(index, 1, count, "--shard"),
            None => Err(Trouble::new(format!(
                "`{text}` is no shard; write 1/4 for the first of four, or auto to read it from the environment"
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
    fn a_shard_is_counted_from_one_and_read_from_schedulers() {
        assert_eq!("2/4".parse(), Ok(Shard { index: 1, count: 4 }));
        for wrong in ["0/4", "5/4", "1/0", "1", "a/b"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
        let slurm = |name: &str| match name {
            "SLURM_ARRAY_TASK_ID" => Some(7),
            "SLURM_ARRAY_TASK_COUNT" => Some(3),
            "SLURM_ARRAY_TASK_MIN" => Some(5),
            _ => None,
        };
        assert_eq!(Shard::from_environment(&slurm), Ok(Shard { index: 2, count: 3 }));
        let kubernetes = |name: &str| (name == "JOB_COMPLETION_INDEX").then_some(0);
        assert!(Shard::from_environment(&kubernetes).is_err(), "it does not say how many");
        assert!(Shard::from_environment(&|_| None).is_err());
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
