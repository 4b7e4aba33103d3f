//! The `run` command: from flags to a campaign, from findings to bundles, a summary and an exit code.

use crate::bundle::Bundle;
use crate::campaign::{Campaign, Moment, Progress, Signatures, Stopped};
use crate::cli::{self, Run};
use crate::duration::human;
use crate::files;
use crate::guide::{self, Guided, Search};
use crate::identity::Identity;
use crate::json;
use crate::progress::Meter;
use crate::report::{self, Again, Saved};
use crate::scenarios::{self, printed};
use crate::seeds::{self, Seeds, Shard, Span};
use crate::shrink;
use crate::state::{Book, Opened};
use crate::text::{Console, count};
use crate::trouble::Trouble;
use seedfast_sim::Scenario;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a campaign runs that was told neither how many seeds nor how long.
const FIRST_MINUTE: Duration = Duration::from_secs(20);
/// Where bundles go without `--out`.
const OUT: &str = "seedfast-failures";

/// Everything about a campaign that its report repeats.
pub(crate) struct Setting {
    pub(crate) campaign: Campaign,
    /// Whether the seeds begin at the base of the commit or the executable.
    pub(crate) from_base: bool,
    /// Whether schedules are bred from those that reached something new.
    pub(crate) is_guided: bool,
}

/// Runs a campaign and says how to exit.
pub(crate) fn run(
    scenarios: &[&'static dyn Scenario],
    options: &Run,
    console: &mut Console<'_>,
) -> Result<u8, Trouble> {
    let setting = setting(scenarios, options)?;
    let campaign = &setting.campaign;
    let directory = options.out.as_deref().unwrap_or(Path::new(OUT));
    let mut shelf = Shelf::new(directory, setting.is_guided);
    let search = setting.is_guided.then(|| Search::begin(options.corpus.as_deref()));
    let mut opened = Opened::nothing(campaign, search.clone());
    if options.out.is_some() {
        // Better now than after ten minutes.
        files::prepare_directory(directory)?;
        opened = Book::open(directory, campaign, search, options.resume)?;
    }
    if let Some(corpus) = &options.corpus {
        files::prepare_directory(corpus)?;
    }
    options.ci.begin()?;
    if !options.json {
        printed(console, &opening(&setting))?;
    }
    if let Some(note) = opened.note {
        console.note(&note);
    }
    let mut book = opened.book;
    let mut meter = Meter::new(console.live);
    let mut tick = |progress: &Progress| {
        if let Some(line) = meter.show(progress) {
            console.note(&line);
        }
    };
    let mut keep = |moment: &Moment<'_>, search: Option<&dyn Fn() -> Search>| {
        if let Some(book) = book.as_mut().filter(|book| moment.is_end || book.is_due()) {
            // Bundles first: what is kept never speaks of one that is not there.
            shelf.put_examples(&moment.sums.signatures);
            book.keep(moment, search.map(|search| search()));
        }
    };
    let Opened { sums, before, guided, .. } = opened;
    let result = match guided {
        Some(search) => {
            let mut keep = |moment: &Moment<'_>, search: &dyn Fn() -> Search| keep(moment, Some(search));
            let found = guide::run(campaign, search, sums, before, &mut tick, &mut keep);
            found.map(|Guided { findings, bred, trouble }| (findings, Some(bred), trouble))
        }
        None => {
            let found = campaign.go_on(sums, before, &mut tick, &mut |moment| keep(moment, None));
            found.map(|findings| (findings, None, None))
        }
    };
    meter.clear();
    let again = if setting.is_guided { Again::Bundle } else { Again::Seed };
    let (findings, bred, of_corpus) = match result {
        Ok(found) => found,
        Err(Stopped::Trouble(trouble)) => return Err(trouble),
        Err(Stopped::Panicked { at, message, bundle }) => {
            bundle.iter().for_each(|bundle| shelf.put(bundle));
            let path = report::saved_of(bundle.as_deref(), &shelf.saved);
            // Not a verdict but a bug of the harness: it leaves as the panic that it is.
            console.note(&report::harness_panic(at, &message, again, path));
            panic!("{message}");
        }
    };
    shelf.put_all(&findings.signatures);
    findings.stuck.iter().filter_map(|stuck| stuck.bundle.as_ref()).for_each(|bundle| shelf.put(bundle));
    let Shelf { saved, trouble, .. } = shelf;
    let trouble = trouble.or(book.and_then(|book| book.trouble)).or(of_corpus);
    let small = match options.no_shrink {
        true => Vec::new(),
        false => shrink::campaign(&setting, &findings, directory, console),
    };
    let failures = report::failures_as(&findings, &saved, console.paint(), again);
    if options.json {
        console.note(&report::failures_as(&findings, &saved, crate::text::Paint(false), again));
        printed(console, &json::findings(&setting, &findings, &saved, &small, bred, again))?;
    } else {
        let mut text = report::summary(&setting, &findings, console.paint());
        text.push_str(&bred.map_or_else(String::new, |bred| bred.line()));
        text.push_str(&failures);
        text.push_str(&shrink::report(&small, console.paint()));
        text.push_str(&report::verdict(&findings, console.paint()));
        printed(console, &text)?;
    }
    options.ci.tell(&findings, &saved, &[], again, options.json, console)?;
    match trouble {
        Some(trouble) => Err(trouble),
        None => Ok(findings.exit_code()),
    }
}

/// What the flags ask for.
fn setting(scenarios: &[&'static dyn Scenario], options: &Run) -> Result<Setting, Trouble> {
    let mut chosen: Vec<&'static dyn Scenario> = Vec::new();
    for name in &options.scenarios {
        let scenario = scenarios::find(scenarios, name)?;
        if chosen.iter().all(|other| other.name() != scenario.name()) {
            chosen.push(scenario);
        }
    }
    if chosen.is_empty() {
        chosen.extend(scenarios.iter().copied().filter(|scenario| scenario.planted().is_none()));
    }
    if chosen.is_empty() {
        return Err(Trouble::new(
            "every scenario has a planted bug, so none is run unasked; name the ones to run",
        ));
    }
    let base = seeds::base(Identity::current().origin().0);
    let (first, end, from_base) = match options.seeds {
        Some(Seeds::Range(first, end)) => (first, end, false),
        Some(Seeds::Count(count)) => (base, base.saturating_add(count), true),
        None => (base, u64::MAX, true),
    };
    let shard = options.shard.unwrap_or(Shard::WHOLE);
    let span = Span { first, end, shard };
    if span.is_empty() {
        return Err(Trouble::new(format!(
            "shard {shard} has none of the {}; ask for more seeds or fewer shards",
            count(end - first, "seed")
        )));
    }
    let limit = options.limit.or(options.seeds.is_none().then_some(FIRST_MINUTE));
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let campaign = Campaign {
        scenarios: chosen,
        span,
        jobs: options.jobs.map_or_else(processors, usize::from),
        limit,
        rerun_percent: options.rerun,
        keep_going: options.keep_going,
        watchdog: options.watchdog,
    };
    Ok(Setting { campaign, from_base, is_guided: options.guide })
}

/// What is about to be run, and how to run the same again.
fn opening(setting: &Setting) -> String {
    let Campaign { scenarios, span, jobs, limit, .. } = &setting.campaign;
    let what = match scenarios.as_slice() {
        [one] => one.name().to_owned(),
        several => count(several.len() as u64, "scenario"),
    };
    let from = Identity::current().origin().1;
    let base = if setting.from_base { format!(" (the base of this {from})") } else { String::new() };
    let until = if span.end == u64::MAX { String::new() } else { format!(" to {}", span.end - 1) };
    let shard = if span.shard == Shard::WHOLE { String::new() } else { format!(", shard {}", span.shard) };
    let limit = limit.map_or_else(String::new, |limit| format!(", for {}", human(limit.as_nanos())));
    format!(
        "{}\nrunning {what}, seeds from {}{base}{until}{shard}{limit}, {}\n\n",
        cli::banner(),
        span.first,
        count(*jobs as u64, "job"),
    )
}

/// Where bundles are put.
struct Shelf<'a> {
    directory: &'a Path,
    is_guided: bool,
    saved: Saved,
    /// The first reason why one is missing.
    trouble: Option<Trouble>,
}

impl<'a> Shelf<'a> {
    fn new(directory: &'a Path, is_guided: bool) -> Self {
        Shelf { directory, is_guided, saved: Saved::new(), trouble: None }
    }

    /// Puts the lowest failures of each signature there, unless they are there already.
    fn put_examples(&mut self, signatures: &Signatures) {
        for signature in signatures.values() {
            signature.examples.iter().for_each(|failure| self.put(&failure.bundle));
        }
    }

    /// And the quickest, which the next seed may outdo as long as the campaign runs.
    fn put_all(&mut self, signatures: &Signatures) {
        self.put_examples(signatures);
        signatures.values().for_each(|signature| self.put(&signature.quickest.bundle));
    }

    fn put(&mut self, bundle: &Bundle) {
        if self.saved.contains_key(&bundle.plan_hash) {
            return;
        }
        let directory = self.directory;
        let name = if self.is_guided { format!("{}.repro", bundle.bred_stem()) } else { bundle.file_name() };
        let path: PathBuf = directory.join(name);
        let written = std::fs::create_dir_all(directory)
            .map_err(|error| {
                let why = files::plain(&error);
                Trouble::new(format!(
                    "cannot create {}: {why}; name another place with --out",
                    directory.display()
                ))
            })
            .and_then(|()| files::write(&path, bundle.to_text()?.as_bytes()));
        match written {
            Ok(()) => {
                self.saved.insert(bundle.plan_hash.clone(), path);
            }
            Err(trouble) => {
                self.trouble.get_or_insert(trouble);
            }
        }
    }
}
