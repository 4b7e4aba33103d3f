//! The schedules worth breeding from, and what they have reached.
//!
//! A state is a place in a map that counts the runs which have been there. A run that has been where none was before
//! joins, with the places that it was first at. The rarer these still are, the more often it is bred from.

use crate::bundle::Bundle;
use crate::files;
use crate::trouble::Trouble;
use seedfast_core::random::{Random, mix};
use seedfast_sim::{Outcome, Plan};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Places of the map; two states that share one are taken for the same.
const PLACES: u64 = 1 << 18;
/// How many schedules are kept; another one takes the place of the one with the least energy.
const MOST: usize = 2_000;

/// The places that a run has been at, each once: the states that its scene told, and what happened how often, by powers
/// of two.
pub(super) fn places(states: &[u64], outcome: &Outcome) -> Vec<u32> {
    let place = |state: u64| (mix(state) % PLACES) as u32;
    let effects = outcome.effects.iter().map(|(name, times)| (*name, *times));
    let probes = outcome.probes.iter().map(|(name, times)| (name.as_str(), *times));
    let counted = effects.chain(probes).map(|(name, times)| {
        place(xxhash_rust::xxh3::xxh3_64(name.as_bytes()) ^ u64::from(u64::BITS - times.leading_zeros()))
    });
    let mut places: Vec<u32> = states.iter().map(|state| place(*state)).chain(counted).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// A schedule that was first somewhere.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    seed: u64,
    plan: Plan,
    /// Where it was first.
    first_at: Vec<u32>,
    /// How often it was bred from.
    bred: u64,
    /// Its file, if it has one.
    file: Option<PathBuf>,
}

/// A schedule in a file, not run by this build yet.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) seed: u64,
    pub(super) plan: Plan,
    pub(super) file: PathBuf,
}

/// What a corpus has learned, to go on with.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Learned {
    entries: Vec<Entry>,
    /// The places that were reached, and how many runs have been there.
    runs: Vec<(u32, u32)>,
}

/// The corpus of one scenario.
pub(super) struct Corpus {
    scenario: &'static str,
    directory: Option<PathBuf>,
    /// How many runs have been at each place.
    runs: Vec<u32>,
    entries: Vec<Entry>,
    /// How many places have been reached.
    pub(super) reached: u64,
    /// Why the directory could not be kept: from there on it is left as it is.
    pub(super) trouble: Option<Trouble>,
}

impl Corpus {
    /// An empty one that is kept in `directory`, if one is given.
    pub(super) fn new(scenario: &'static str, directory: Option<&Path>) -> Self {
        let runs = vec![0; PLACES as usize];
        Corpus {
            scenario,
            directory: directory.map(Path::to_path_buf),
            runs,
            entries: Vec::new(),
            reached: 0,
            trouble: None,
        }
    }

    /// What it has learned so far.
    pub(super) fn learned(&self) -> Learned {
        let runs = (0..).zip(&self.runs).filter(|(_, runs)| **runs > 0);
        Learned { entries: self.entries.clone(), runs: runs.map(|(place, runs)| (place, *runs)).collect() }
    }

    /// Goes on with what was learned. Places beyond the map are none of this format.
    pub(super) fn go_on(&mut self, learned: Learned) {
        self.entries = learned.entries;
        for (place, runs) in learned.runs {
            if let Some(known) = self.runs.get_mut(place as usize) {
                self.reached += u64::from(*known == 0);
                *known = runs;
            }
        }
    }

    /// What the directory holds for this scenario, in the order of the files' names.
    ///
    /// # Errors
    /// If it cannot be read, or a bundle in it cannot.
    pub(super) fn kept(&self) -> Result<Vec<Kept>, Trouble> {
        let Some(directory) = &self.directory else { return Ok(Vec::new()) };
        let unreadable = |error: std::io::Error| {
            Trouble::new(format!("cannot read the corpus {}: {}", directory.display(), files::plain(&error)))
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "repro") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut kept = Vec::new();
        for file in paths {
            let bundle = Bundle::read(&file)?;
            if bundle.scenario == self.scenario {
                kept.push(Kept { seed: bundle.seed, plan: bundle.plan, file });
            }
        }
        Ok(kept)
    }

    /// How many schedules it holds.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Hears where a run has been; if it was first somewhere, its schedule joins, and if it was not, the file that it
    /// was read from goes: others have been everywhere that it leads to.
    pub(super) fn learn(&mut self, seed: u64, plan: &Plan, file: Option<PathBuf>, places: &[u32]) {
        let mut first_at = Vec::new();
        for &place in places {
            let runs = &mut self.runs[place as usize];
            if *runs == 0 {
                first_at.push(place);
            }
            *runs = runs.saturating_add(1);
        }
        if first_at.is_empty() {
            // One that somebody else put there, or edited, is not ours to remove.
            let is_ours = |file: &PathBuf| self.bundle(seed, plan).is_ok_and(|(path, _)| path == *file);
            if let Some(file) = file.filter(is_ours) {
                self.forget(&file);
            }
            return;
        }
        self.reached += first_at.len() as u64;
        let file = match (file, &self.directory) {
            (None, Some(_)) if self.trouble.is_none() => {
                let written = self.bundle(seed, plan).and_then(|(path, bundle)| {
                    files::write(&path, bundle.to_text()?.as_bytes()).map(|()| path)
                });
                written.map_err(|trouble| self.trouble = Some(trouble)).ok()
            }
            (file, _) => file,
        };
        let entry = Entry { seed, plan: plan.clone(), first_at, bred: 0, file };
        if self.entries.len() < MOST {
            self.entries.push(entry);
            return;
        }
        let energies = self.energies();
        let least = (0..energies.len()).min_by_key(|index| energies[*index]).expect("it is full");
        let replaced = std::mem::replace(&mut self.entries[least], entry);
        if let Some(file) = replaced.file {
            self.forget(&file);
        }
    }

    /// A schedule as it is kept, and where.
    fn bundle(&self, seed: u64, plan: &Plan) -> Result<(PathBuf, Bundle), Trouble> {
        let bundle = Bundle::new(self.scenario, seed, plan.clone(), None)?;
        let name = format!("{}-{}.repro", self.scenario, bundle.plan_hash);
        Ok((self.directory.as_deref().unwrap_or(Path::new("")).join(name), bundle))
    }

    /// Removes a file, unless it keeps a schedule of the corpus: one that was drawn again is in the same file.
    fn forget(&self, file: &Path) {
        if self.trouble.is_none() && self.entries.iter().all(|entry| entry.file.as_deref() != Some(file)) {
            // One file too many harms nobody.
            let _ = std::fs::remove_file(file);
        }
    }

    /// How much each schedule is worth: a share of every place that it was first at, less the oftener it was bred from.
    fn energies(&self) -> Vec<u64> {
        let energy = |entry: &Entry| {
            let places = entry.first_at.iter().map(|place| (1 << 20) / u64::from(self.runs[*place as usize]));
            places.sum::<u64>() / (1 + entry.bred / 8) + 1
        };
        self.entries.iter().map(energy).collect()
    }

    /// A choice among the schedules as they are now; none if there are none.
    pub(super) fn choice(&self) -> Option<Choice> {
        let mut sum = 0;
        let sums: Vec<u64> = self
            .energies()
            .into_iter()
            .map(|energy| {
                sum += energy;
                sum
            })
            .collect();
        (!sums.is_empty()).then_some(Choice { sums })
    }

    /// The schedule at `index`, which is bred from once more.
    pub(super) fn parent(&mut self, index: usize) -> (u64, &Plan) {
        let entry = &mut self.entries[index];
        entry.bred += 1;
        (entry.seed, &entry.plan)
    }

    /// The schedule at `index`.
    pub(super) fn plan(&self, index: usize) -> &Plan {
        &self.entries[index].plan
    }
}

/// Energies added up, to choose by.
pub(super) struct Choice {
    sums: Vec<u64>,
}

impl Choice {
    /// The index of a schedule, by energy.
    pub(super) fn by_energy(&self, random: &mut Random) -> usize {
        let at = random.below(*self.sums.last().expect("there is one"));
        self.sums.partition_point(|sum| *sum <= at)
    }

    /// The index of any schedule.
    pub(super) fn any(&self, random: &mut Random) -> usize {
        random.below(self.sums.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus() -> Corpus {
        Corpus::new("toy", None)
    }

    #[test]
    fn only_what_is_first_somewhere_joins() {
        let mut corpus = corpus();
        let mut learn = |seed, places: &[u32]| {
            corpus.learn(seed, &Plan::default(), None, places);
            (corpus.len(), corpus.reached)
        };
        assert_eq!(learn(1, &[3, 5]), (1, 2));
        assert_eq!(learn(2, &[3, 5]), (1, 2));
        assert_eq!(learn(3, &[3, 6]), (2, 3));
    }

    #[test]
    fn what_is_rare_is_bred_from_more_often() {
        let mut corpus = corpus();
        corpus.learn(1, &Plan::default(), None, &[1]);
        corpus.learn(2, &Plan::default(), None, &[2]);
        for _ in 0..9 {
            corpus.learn(3, &Plan::default(), None, &[1]);
        }
        let choice = corpus.choice().expect("there are two");
        let mut random = Random::new(&[7; 32]);
        let rare = (0..1000).filter(|_| choice.by_energy(&mut random) == 1).count();
        assert!((860..960).contains(&rare), "{rare} of 1000, expected ten of eleven");
    }

    #[test]
    fn a_count_is_another_place_when_it_doubles() {
        let of = |times| {
            let mut outcome = Outcome::default();
            outcome.effects.insert("crash", times);
            places(&[], &outcome)
        };
        assert_eq!(of(2), of(3));
        assert_ne!(of(3), of(4));
    }
}
