//! The `shrink` command: the simplest case that still breaks the same invariant, as lines, as a bundle and as a test.
//!
//! A case is a seed and an explicit plan. What is simpler is a [cost](case::cost); candidates are drawn by rules
//! ([`faults`], [`cast`], [`numbers`]), tried beside each other in the [`lab`], and taken in their order by the
//! [`search`]. `docs/shrink.md` says it for users.

mod after;
mod case;
mod cast;
mod faults;
mod lab;
mod lines;
mod numbers;
mod pace;
mod regression;
mod search;

pub(crate) use after::{Small, campaign, json, report};
pub use regression::{judge_bundle, replay_bundle};

use crate::bundle::Bundle;
use crate::cli::Shrink;
use crate::duration::human;
use crate::files;
use crate::replay;
use crate::rerun::Subject;
use crate::scenarios::printed;
use crate::text::{Console, Paint, count};
use crate::trouble::Trouble;
use case::{Case, Seen, Signature, time};
use lab::Lab;
use pace::Pace;
use search::{Search, Standing};
use seedfast_sim::{Fault, Outcome, Scenario, Schedule, World};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How a case is to be shrunk.
#[derive(Clone, Copy)]
pub(crate) struct Means {
    /// How many cases are tried beside each other.
    pub(crate) jobs: usize,
    /// For how long.
    pub(crate) limit: Duration,
    /// How long one run may take before it counts as looping for ever.
    pub(crate) watchdog: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Shrunk {
    scenario: &'static str,
    /// The seed that it was at first.
    seed: u64,
    before: Schedule,
    case: Case,
    signature: Signature,
    seen: Seen,
    looked_at: u64,
    wall: Duration,
    /// Whether nothing was left to try when the time was up.
    is_whole: bool,
    /// Its faults, one line each.
    faults: Vec<String>,
    /// Its settings that are not as on a calm day, one line each.
    settings: Vec<String>,
    bundle: Bundle,
}

/// Why nothing was shrunk.
pub(crate) enum Refused {
    /// Nothing breaks.
    Held,
    /// Two runs differed.
    Differs,
    /// Something that the user can put right.
    Trouble(Trouble),
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        Refused::Trouble(trouble)
    }
}

/// Shrinks a case, from the seed that it was at first.
///
/// # Errors
/// If there is nothing to shrink, or no worker can be started.
pub(crate) fn shrink_case(
    scenario: &'static dyn Scenario,
    case: Case,
    means: Means,
    tick: &mut dyn FnMut(Standing),
) -> Result<Shrunk, Refused> {
    let began = Instant::now();
    let (seed, before) = (case.seed, case.plan.schedule.clone());
    let plan = case.plan.clone();
    let ran = replay::guarded(means.watchdog, move || record(scenario, &Case { seed, plan }))?;
    let Some(ran) = ran else {
        let name = scenario.name();
        return Err(Refused::Trouble(Trouble::new(format!(
            "seed {seed} of scenario `{name}` takes longer than {:?}; see where it loops with replay --until, or give \
             it more with --watchdog",
            means.watchdog
        ))));
    };
    let (outcome, _) = ran?;
    let signature = Signature::of(&outcome).ok_or(Refused::Held)?;
    let mut lab = Lab::new(scenario, signature.clone(), means.jobs, means.watchdog)?;
    // The same again, in another world: what does not repeat itself cannot be shrunk.
    let seen = lab.try_one(&case, &mut |_| ())?.filter(|seen| seen.hash == outcome.trace_hash);
    let seen = seen.ok_or(Refused::Differs)?;
    lab.deadline = Some(began + means.limit);
    let calm = scenario.calm();
    let mut search = Search::new(&mut lab, calm.clone(), case, seen, tick);
    search.run()?;
    let Search { case, seen, .. } = search;
    let (outcome, trace) = record(scenario, &case)?;
    if outcome.trace_hash != seen.hash {
        return Err(Refused::Differs);
    }
    let bundle =
        Bundle::new(scenario.name(), case.seed, case.plan.clone(), Some(&outcome))?.with_events(&trace);
    Ok(Shrunk {
        scenario: scenario.name(),
        seed,
        before,
        faults: lines::faults(&case, &trace),
        settings: lines::settings(&case, &calm),
        case,
        signature,
        seen,
        looked_at: lab.looked_at,
        wall: began.elapsed(),
        is_whole: !lab.is_late,
        bundle,
    })
}

/// Runs a case and keeps the trace.
fn record(scenario: &'static dyn Scenario, case: &Case) -> Result<(Outcome, Vec<u8>), Trouble> {
    Subject { scenario, seed: case.seed, plan: &case.plan }.record(&mut World::new())
}

/// Shrinks and says how to exit: 0, once the small bundle is written.
pub(crate) fn shrink(
    scenarios: &[&'static dyn Scenario],
    options: &Shrink,
    console: &mut Console<'_>,
) -> Result<u8, Trouble> {
    if crate::explore::case_in(Path::new(&options.what))?.is_some() {
        return Err(Trouble::new(format!(
            "{} is a case of `explore`, which shrinks what it finds by itself; `replay` shows it",
            options.what
        )));
    }
    let case = replay::find(scenarios, &options.what, options.seed.as_deref(), "shrink")?;
    if let Some(bundle) = &case.bundle {
        replay::warn(bundle, console);
    }
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let means = Means {
        jobs: options.jobs.map_or_else(processors, usize::from),
        limit: options.limit,
        watchdog: options.watchdog,
    };
    let (scenario, seed, is_bundle) = (case.scenario, case.seed, case.bundle.is_some());
    let mut pace = Pace::new(console.live, options.limit);
    let result = shrink_case(scenario, Case { seed, plan: case.plan }, means, &mut |standing| {
        if let Some(line) = pace.show(standing) {
            console.note(&line);
        }
    });
    pace.clear();
    let name = scenario.name();
    let shrunk = match result {
        Ok(shrunk) => shrunk,
        Err(Refused::Trouble(trouble)) => return Err(trouble),
        Err(Refused::Held) => {
            return Err(Trouble::new(format!(
                "seed {seed} of scenario `{name}` breaks nothing here, so there is nothing to shrink"
            )));
        }
        Err(Refused::Differs) => {
            console.note(&format!(
                "two runs of seed {seed} of scenario `{name}` differed, so it cannot be shrunk; `replay --check` names \
                 the first event that differs\n"
            ));
            return Ok(3);
        }
    };
    let path = options.out.clone().unwrap_or_else(|| {
        // A schedule that was bred keeps its name: its seed is another one's, too.
        let given = Path::new(&options.what).file_name().map(|name| name.to_string_lossy());
        let bred = given.filter(|name| is_bundle && name.contains("-guided-"));
        bred.map_or_else(|| shrunk.file_name(), |name| small_name(&name)).into()
    });
    files::write(&path, shrunk.text(&path)?.as_bytes())?;
    if options.json {
        printed(console, &format!("{}\n", shrunk.json(Some(&path))?))?;
    } else {
        let mut text = shrunk.told(Some(&path), console.paint());
        let _ = write!(text, "\n{}", regression::test(&shrunk)?);
        printed(console, &text)?;
    }
    Ok(0)
}

/// What the small bundle of the case in a file of this name is called.
fn small_name(name: &str) -> String {
    let stem = name.trim_end_matches(".repro").trim_end_matches("-shrunk");
    format!("{stem}-shrunk.repro")
}

impl Shrunk {
    /// Where the small bundle goes unless told otherwise: named after the seed that it was at first.
    pub(crate) fn file_name(&self) -> String {
        let first = Bundle { seed: self.seed, ..self.bundle.clone() }.file_name();
        small_name(&first)
    }

    /// The small bundle as text: its story first, so that whoever opens it need not count nanoseconds.
    fn text(&self, path: &Path) -> Result<String, Trouble> {
        let name =
            path.file_name().map_or_else(|| self.file_name(), |name| name.to_string_lossy().into_owned());
        let body = self.bundle.to_text()?.replacen(&self.bundle.file_name(), &name, 1);
        let mut text =
            format!("# Shrunk from seed {} of `{}`. {}\n", self.seed, self.scenario, self.headline());
        for line in self.faults.iter().chain(&self.settings) {
            let _ = writeln!(text, "#     {line}");
        }
        text.push_str("#\n");
        text.push_str(&body);
        Ok(text)
    }

    /// The case in one line.
    fn headline(&self) -> String {
        let Schedule { nodes, clients, .. } = &self.case.plan.schedule;
        let clients = match clients {
            0 => String::new(),
            clients => format!(", {}", count((*clients).into(), "client")),
        };
        format!(
            "{} breaks at {} with {}{clients} and {}.",
            self.signature.invariant,
            time(self.seen.at),
            count((*nodes).into(), "node"),
            match self.fault_count() {
                0 => "no fault".to_owned(),
                faults => count(faults as u64, "fault"),
            }
        )
    }

    /// How many lines of faults there are.
    pub(crate) fn fault_count(&self) -> usize {
        self.case.plan.schedule.faults.len()
    }

    /// What came of it, for people; with where the bundle is, if it is written.
    fn told(&self, path: Option<&Path>, paint: Paint) -> String {
        let Shrunk { scenario, seed, before, signature, seen, .. } = self;
        let mut text = format!("{}  {scenario}, seed {seed}\n\n", paint.good("SHRUNK"));
        let _ = writeln!(text, "  {}  {}", paint.bold(&signature.invariant), seen.what);
        let _ = writeln!(text, "  {}\n", paint.dim(&self.headline()));
        for line in &self.faults {
            let _ = writeln!(text, "    {line}");
        }
        if !self.settings.is_empty() {
            let blank = if self.faults.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{blank}    not as on a calm day:");
        }
        for line in &self.settings {
            let _ = writeln!(text, "    {line}");
        }
        let heals = |schedule: &Schedule| schedule.faults.iter().any(|timed| timed.fault == Fault::Heal);
        let _ = writeln!(
            text,
            "\n  it had       {}{}, {}, {}, until {}",
            count(before.faults.len() as u64, "fault"),
            if heals(before) { " with the heal" } else { "" },
            count(before.nodes.into(), "node"),
            count(before.clients.into(), "client"),
            time(before.end),
        );
        let _ = writeln!(
            text,
            "  looked at    {} in {}{}",
            count(self.looked_at, "case"),
            human(self.wall.as_nanos()),
            if self.is_whole {
                ", and nothing simpler breaks"
            } else {
                "; the time was up (--for gives it more)"
            }
        );
        if self.case.seed != *seed {
            let _ = writeln!(text, "  the draws    are those of seed {}", self.case.seed);
        }
        if let Some(path) = path {
            let line = format!("{} replay {}", crate::identity::invocation(), path.display());
            let _ = writeln!(text, "  replay it    {}", paint.bold(&line));
        }
        text
    }

    /// The same for programs.
    fn json(&self, path: Option<&Path>) -> Result<Value, Trouble> {
        let Schedule { nodes, clients, end, .. } = &self.case.plan.schedule;
        Ok(json!({
            "scenario": self.scenario,
            "seed": self.seed,
            "invariant": self.signature.invariant,
            "what": self.seen.what,
            "at": self.seen.at,
            "draws": self.case.seed,
            "nodes": nodes,
            "clients": clients,
            "end": end,
            "faults": self.faults,
            "settings": self.settings,
            "before": {
                "faults": self.before.faults.len(),
                "nodes": self.before.nodes,
                "clients": self.before.clients,
                "end": self.before.end,
            },
            "whole": self.is_whole,
            "looked_at": self.looked_at,
            "wall_seconds": self.wall.as_secs_f64(),
            "bundle": path,
            "test": regression::test(self)?,
        }))
    }
}
