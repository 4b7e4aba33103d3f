//! What a campaign keeps in its directory, so that it goes on where it was when it is started again, and so that its
//! parts can be added up: one file, replaced whole, which holds the sums over the lowest seeds.
//!
//! A campaign may be killed at any moment. The file is then that of the last time it was kept; the seeds behind it are
//! run again, and because sums are merged in the order of the seeds, the result is that of a campaign which was never
//! interrupted, to the bit but for the time it took.

use crate::campaign::{Campaign, Moment, Stuck, Sums};
use crate::files;
use crate::guide::Search;
use crate::identity::Identity;
use crate::names::{self, Name};
use crate::seeds::{Shard, Span};
use crate::text::count;
use crate::trouble::Trouble;
use seedfast_sim::Scenario;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file's name.
pub(crate) const FILE: &str = "campaign.json";
/// What the file of an unfinished campaign is called after another one began in its directory.
const INTERRUPTED: &str = "campaign.interrupted.json";
/// Held while a campaign runs.
const LOCK: &str = ".campaign.lock";
/// What this build writes and reads.
const FORMAT: &str = "seedfast campaign, format 1";
/// The file is kept no more often than this,
const OFTEN: Duration = Duration::from_secs(1);
/// and takes no more than one part in so many of the campaign's time.
const SHARE: u32 = 20;

/// The file's content.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// [`FORMAT`].
    pub(crate) format: String,
    /// Whose sums these are.
    pub(crate) build: Identity,
    /// The scenarios among which seeds are dealt.
    pub(crate) scenarios: Vec<String>,
    /// The first seed, before sharding.
    pub(crate) first: u64,
    /// The end, excluded, before sharding.
    pub(crate) end: u64,
    /// Which part: its number from 0, and of how many.
    pub(crate) shard: (u64, u64),
    /// How many seeds of a hundred are run twice.
    pub(crate) rerun_percent: u8,
    /// Whether it goes on after a failure.
    pub(crate) keep_going: bool,
    /// Whether it came to its end: all its seeds, its time, or a failure.
    pub(crate) is_complete: bool,
    /// How long it took so far.
    pub(crate) wall_nanos: u64,
    /// The seed that did not end.
    pub(crate) stuck: Option<KeptStuck>,
    /// What it found so far.
    pub(crate) sums: Sums,
    /// Where the search of a guided campaign is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) guided: Option<Search>,
}

/// A seed that did not end.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptStuck {
    #[serde(deserialize_with = "names::one")]
    pub(crate) scenario: Name,
    pub(crate) seed: u64,
    pub(crate) after_nanos: u64,
}

impl Kept {
    fn of(campaign: &Campaign, guided: Option<Search>) -> Self {
        let Span { first, end, shard } = campaign.span;
        Kept {
            format: FORMAT.to_owned(),
            build: Identity::current().clone(),
            scenarios: campaign.scenarios.iter().map(|scenario| scenario.name().to_owned()).collect(),
            first,
            end,
            shard: (shard.index, shard.count),
            rerun_percent: campaign.rerun_percent,
            keep_going: campaign.keep_going,
            is_complete: false,
            wall_nanos: 0,
            stuck: None,
            sums: Sums::none(campaign.scenarios.len()),
            guided,
        }
    }

    /// Reads the file of a directory; none if there is none.
    ///
    /// # Errors
    /// If there is one that is no campaign's, or of another format, or contradicts itself.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, Trouble> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        let path = directory.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let text = files::read_text(&path)?;
        let name = path.display();
        let wrong = |why: String| Trouble::new(format!("{name} cannot be read: {why}"));
        let head: Head = serde_json::from_str(&text)
            .map_err(|_| wrong("it is no campaign's file; name another directory".to_owned()))?;
        if head.format != FORMAT {
            let format = head.format;
            return Err(wrong(format!(
                "it is `{format}`, this build reads `{FORMAT}`; use the build that wrote it"
            )));
        }
        let kept: Kept = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let shard = kept.shard.1 > 0 && kept.shard.0 < kept.shard.1;
        if !shard || kept.first >= kept.end || kept.sums.tallies.len() != kept.scenarios.len() {
            return Err(wrong("it contradicts itself".to_owned()));
        }
        Ok(Some(kept))
    }

    /// The seeds that it was told to run.
    pub(crate) fn span(&self) -> Span {
        let (index, count) = self.shard;
        Span { first: self.first, end: self.end, shard: Shard { index, count } }
    }

    /// Its time so far.
    pub(crate) fn wall(&self) -> Duration {
        Duration::from_nanos(self.wall_nanos)
    }

    /// The seed that did not end, if its scenario is one of `scenarios`.
    pub(crate) fn stuck(&self, scenarios: &[&'static dyn Scenario]) -> Option<Stuck> {
        let KeptStuck { scenario, seed, after_nanos } = self.stuck.as_ref()?;
        let scenario = scenarios.iter().copied().find(|one| one.name() == *scenario)?;
        Some(Stuck { scenario, seed: *seed, after: Duration::from_nanos(*after_nanos), bundle: None })
    }

    /// In which parts `other` is another campaign than this one, in words.
    pub(crate) fn differences(&self, other: &Kept) -> Vec<String> {
        let mut parts = Vec::new();
        let mut compare = |name: &str, there: String, here: String| {
            if there != here {
                parts.push(format!("{name} {there} there, {here} here"));
            }
        };
        compare("scenarios", self.scenarios.join(" "), other.scenarios.join(" "));
        compare("seeds", seeds(self), seeds(other));
        compare("shard", self.span().shard.to_string(), other.span().shard.to_string());
        compare("--rerun", self.rerun_percent.to_string(), other.rerun_percent.to_string());
        compare("--keep-going", yes(self.keep_going), yes(other.keep_going));
        compare("--guide", yes(self.guided.is_some()), yes(other.guided.is_some()));
        let corpus = |kept: &Kept| {
            let corpus = kept.guided.as_ref().and_then(|search| search.corpus.as_ref());
            corpus.map_or_else(|| "none".to_owned(), |corpus| corpus.display().to_string())
        };
        compare("--corpus", corpus(self), corpus(other));
        parts.extend(other.build.differences(&self.build));
        parts
    }
}

fn seeds(kept: &Kept) -> String {
    if kept.end == u64::MAX { format!("{}..", kept.first) } else { format!("{}..{}", kept.first, kept.end) }
}

fn yes(on: bool) -> String {
    if on { "yes" } else { "no" }.to_owned()
}

/// Keeps a campaign's file while it runs.
pub(crate) struct Book {
    path: PathBuf,
    kept: Kept,
    due: Option<Instant>,
    /// Why the file could not be kept the last time.
    pub(crate) trouble: Option<Trouble>,
    /// Held, not read.
    _lock: Option<File>,
}

/// What there was to go on with.
pub(crate) struct Opened {
    /// None if the directory belongs to another process that is at work.
    pub(crate) book: Option<Book>,
    /// What was found before, and how long that took.
    pub(crate) sums: Sums,
    /// How long that took.
    pub(crate) before: Duration,
    /// Where a guided search was.
    pub(crate) guided: Option<Search>,
    /// What the user should know.
    pub(crate) note: Option<String>,
}

impl Opened {
    /// Nothing, and no directory either.
    pub(crate) fn nothing(campaign: &Campaign, guided: Option<Search>) -> Self {
        let sums = Sums::none(campaign.scenarios.len());
        Opened { book: None, sums, before: Duration::ZERO, guided, note: None }
    }
}

impl Book {
    /// Opens `directory`, which exists, for `campaign`, `guided` or not; goes on with what is there only if it `resumes`.
    ///
    /// # Errors
    /// If it is to go on but cannot, because the directory is another campaign's or in use.
    pub(crate) fn open(
        directory: &Path,
        campaign: &Campaign,
        guided: Option<Search>,
        resumes: bool,
    ) -> Result<Opened, Trouble> {
        let name = directory.display();
        let fresh = Kept::of(campaign, guided.clone());
        let begin = |book: Option<Book>, note| Opened { book, note, ..Opened::nothing(campaign, guided) };
        let lock = match lock(directory) {
            Ok(lock) => lock,
            Err(()) if resumes => {
                return Err(Trouble::new(format!(
                    "another process is running a campaign in {name}; let it end, or name another directory with --out"
                )));
            }
            Err(()) => {
                let note = format!(
                    "note: another campaign keeps its sums in {name}; this one's are not kept, its bundles are\n"
                );
                return Ok(begin(None, Some(note)));
            }
        };
        sweep(directory);
        let path = directory.join(FILE);
        let book = Book { path, kept: fresh.clone(), due: None, trouble: None, _lock: lock };
        let Some(found) = Kept::read(directory)? else { return Ok(begin(Some(book), None)) };
        if resumes {
            let differences = found.differences(&fresh);
            if !differences.is_empty() {
                return Err(Trouble::new(format!(
                    "{name} holds another campaign ({}); name another directory with --out",
                    differences.join("; ")
                )));
            }
            let note = (found.sums.seeds > 0).then(|| {
                let seeds = count(found.sums.seeds, "seed");
                format!("going on behind {seeds} that were run before in {name}\n")
            });
            let before = found.wall();
            return Ok(Opened { book: Some(book), before, sums: found.sums, guided: found.guided, note });
        }
        let note = (!found.is_complete).then(|| {
            let kept = directory.join(INTERRUPTED);
            let seeds = count(found.sums.seeds, "seed");
            match fs::rename(directory.join(FILE), &kept) {
                Ok(()) => format!(
                    "note: {name} held a campaign that was interrupted after {seeds}, which --resume would have gone on \
                     with; it is now {}\n",
                    kept.display()
                ),
                Err(_) => String::new(),
            }
        });
        // What is there is of a campaign that is over; if this one is killed soon, nobody may take that for it.
        book.write()?;
        Ok(begin(Some(book), note))
    }

    fn write(&self) -> Result<(), Trouble> {
        serde_json::to_vec(&self.kept)
            .map_err(|error| Trouble::new(format!("the campaign's sums cannot be written: {error}")))
            .and_then(|bytes| files::write(&self.path, &bytes))
    }

    /// Whether it is time to keep the sums again.
    pub(crate) fn is_due(&self) -> bool {
        self.due.is_none_or(|due| Instant::now() >= due)
    }

    /// Keeps them, and where a guided search is.
    pub(crate) fn keep(&mut self, moment: &Moment<'_>, guided: Option<Search>) {
        let began = Instant::now();
        self.kept.guided = guided;
        self.kept.sums.clone_from(moment.sums);
        self.kept.wall_nanos = nanos(moment.wall);
        self.kept.is_complete = moment.is_end && moment.stuck.is_none();
        self.kept.stuck = moment.stuck.map(|Stuck { scenario, seed, after, .. }| KeptStuck {
            scenario: scenario.name(),
            seed: *seed,
            after_nanos: nanos(*after),
        });
        self.trouble = self.write().err();
        self.due = Some(Instant::now() + OFTEN.max(began.elapsed() * SHARE));
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Nothing if the file system knows no locks.
fn lock(directory: &Path) -> Result<Option<File>, ()> {
    let Ok(file) = File::options().create(true).truncate(false).write(true).open(directory.join(LOCK)) else {
        return Ok(None);
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(()),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Takes away what a killed process left half-written.
fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = name.starts_with(&format!(".{FILE}.")) || name.contains(".repro.");
        if name.starts_with('.') && name.ends_with(".tmp") && is_ours {
            let _ = fs::remove_file(entry.path());
        }
    }
}
