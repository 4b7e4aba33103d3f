//! The `run` command: from flags to a campaign, from findings to bundles, a summary and an exit code.

use crate::bundle::Bundle;
use crate::campaign::{Campaign, Findings, Stopped};
use crate::cli::{self, Run};
use crate::duration::human;
use crate::files;
use crate::identity::Identity;
use crate::json;
use crate::progress::Meter;
use crate::report::{self, Saved};
use crate::scenarios::{self, printed};
use crate::seeds::{self, Seeds, Shard, Span};
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
}

/// Runs a campaign and says how to exit.
pub(crate) fn run(
    scenarios: &[&'static dyn Scenario],
    options: &Run,
    console: &mut Console<'_>,
) -> Result<u8, Trouble> {
    let setting = setting(scenarios, options)?;
    if let Some(directory) = &options.out {
        // Better now than after ten minutes.
        files::prepare_directory(directory)?;
    }
    if !options.json {
        printed(console, &opening(&setting))?;
    }
    let mut meter = Meter::new(console.live);
    let result = setting.campaign.run(&mut |progress| {
        if let Some(line) = meter.show(progress) {
            console.note(&line);
        }
    });
    meter.clear();
    let findings = match result {
        Ok(findings) => findings,
        Err(Stopped::Trouble(trouble)) => return Err(trouble),
        Err(Stopped::Panicked { at, message }) => {
            // Not a verdict but a bug of the harness: it leaves as the panic that it is.
            console.note(&report::harness_panic(at, &message));
            panic!("{message}");
        }
    };
    let directory = options.out.as_deref().unwrap_or(Path::new(OUT));
    let (saved, unsaved) = save(&findings, directory);
    let failures = report::failures(&findings, &saved, console.paint());
    if options.json {
        console.note(&report::failures(&findings, &saved, crate::text::Paint(false)));
        printed(console, &json::findings(&setting, &findings, &saved))?;
    } else {
        let mut text = report::summary(&setting, &findings, console.paint());
        text.push_str(&failures);
        text.push_str(&report::verdict(&findings, console.paint()));
        printed(console, &text)?;
    }
    match unsaved {
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
    Ok(Setting { campaign, from_base })
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

/// Writes the bundles of the failures that are shown; gives their paths, and the first reason why one is missing.
fn save(findings: &Findings, directory: &Path) -> (Saved, Option<Trouble>) {
    let mut saved = Saved::new();
    let mut unsaved = None;
    let mut write = |bundle: &Bundle| {
        let path: PathBuf = directory.join(bundle.file_name());
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
                saved.insert((bundle.scenario.clone(), bundle.seed), path);
            }
            Err(trouble) => {
                unsaved.get_or_insert(trouble);
            }
        }
    };
    for signature in findings.signatures.values() {
        signature.examples.iter().for_each(|failure| write(&failure.bundle));
    }
    (saved, unsaved)
}
