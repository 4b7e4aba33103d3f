//! The `replay` command: one run, of a seed or of a bundle, looked at closely.

use crate::bundle::{self, Bundle, Verdict};
use crate::cli::{Replay, Until};
use crate::events::{self, Filter, LEGEND, Words};
use crate::execute;
use crate::files;
use crate::identity::Identity;
use crate::panics::quietly;
use crate::recorded::{Found, Recorded};
use crate::report::{self, Again, Saved};
use crate::rerun::{self, Difference, Mismatch, Reference, Subject};
use crate::scenarios::{self, printed};
use crate::seeds;
use crate::text::{Console, Paint};
use crate::trouble::Trouble;
use seedfast_core::Instant;
use seedfast_sim::trace::{Memory, NoTrace};
use seedfast_sim::{Broken, Outcome, Plan, Scenario, Violation, World};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// What is to be replayed.
pub(crate) struct Case {
    pub(crate) scenario: &'static dyn Scenario,
    pub(crate) seed: u64,
    pub(crate) plan: Plan,
    /// Where it was read from, if it is a bundle's.
    pub(crate) bundle: Option<Bundle>,
}

/// What came of it.
struct Replayed {
    outcome: Outcome,
    trace: Vec<u8>,
    history: String,
    events: String,
    /// Whether `--until` ended it, rather than the run itself.
    is_cut: bool,
}

/// How many seeds make a world warm.
const WARM: u64 = 20;

/// Events are printed in pieces of about so many bytes.
const PIECE: usize = 32 << 10;

/// Replays and says how to exit.
pub(crate) fn replay(
    scenarios: &[&'static dyn Scenario],
    options: &Replay,
    console: &mut Console<'_>,
) -> Result<u8, Trouble> {
    let case = find(scenarios, &options.what, options.seed.as_deref(), "replay")?;
    let differences = case.bundle.as_ref().map_or_else(Vec::new, |bundle| warn(bundle, console));
    let paint = console.paint();
    let Case { scenario, seed, .. } = case;
    let again = if case.bundle.is_some() { Again::File(&options.what) } else { Again::Seed };

    let (collect, until) = (options.events.is_some(), options.until_time()?);
    let plan = case.plan.clone();
    let ran = guarded(options.watchdog, move || run(scenario, seed, &plan, collect, until))?;
    let Some(replayed) = ran else {
        let stuck = crate::campaign::Stuck { scenario, seed, after: options.watchdog, bundle: None };
        printed(console, &report::stuck(&stuck, &Saved::new(), paint, again))?;
        return Ok(1);
    };
    let replayed = replayed?;

    for (path, bytes) in [
        (&options.trace, replayed.trace.as_slice()),
        (&options.history, replayed.history.as_bytes()),
        (&options.events, replayed.events.as_bytes()),
    ] {
        if let Some(path) = path {
            files::write(path, bytes)?;
            if bytes.is_empty() {
                let (name, path) = (scenario.name(), path.display());
                console.note(&format!(
                    "note: scenario `{name}` exports nothing of that kind; {path} is empty\n"
                ));
            }
        }
    }
    if options.verbose {
        let filter = Filter { lanes: &options.node, words: &options.kind };
        let words = Words::of(scenario, seed, &case.plan);
        let (mut text, mut result) = (LEGEND.to_owned(), Ok(()));
        events::lines(&replayed.trace, &words, filter, |line| {
            text.push_str(&line);
            text.push('\n');
            if text.len() >= PIECE {
                result = printed(console, &std::mem::take(&mut text));
            }
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        result?;
        text.push('\n');
        printed(console, &text)?;
    }
    printed(console, &told(&case, options, &replayed, paint))?;

    if let Some(path) = &options.redact {
        let bundle = redacted(&case, &replayed)?;
        files::write(path, bundle.to_text()?.as_bytes())?;
        printed(
            console,
            &format!("  redacted     {}: marks of its events, none of their bytes\n", path.display()),
        )?;
    }
    let (mut mismatch, mut is_another_build_s) = (None, false);
    if let Some(verdict) = recorded(&case).filter(|_| !replayed.is_cut)
        && verdict.trace_hash != bundle::hash(replayed.outcome.trace_hash)
    {
        mismatch = explain(&case, options, verdict, &differences, &replayed, console)?;
        is_another_build_s = mismatch.is_none();
    }
    if options.check && mismatch.is_none() {
        let plan = case.plan.clone();
        let checked = guarded(options.watchdog * 4, move || check(scenario, seed, &plan))?;
        mismatch = match checked {
            Some(found) => found?,
            None => return Err(Trouble::new("the check took too long; give it more with --watchdog")),
        };
        if mismatch.is_none() {
            printed(
                console,
                if is_another_build_s {
                    "  checked      this build repeats itself, but the bundle recorded something else: see above\n"
                } else {
                    "  checked      a cold world and one that ran other seeds gave the same bytes\n"
                },
            )?;
        }
    }
    if let Some(mismatch) = mismatch {
        printed(console, &format!("\n{}", report::mismatch(&mismatch, paint, again)))?;
        return Ok(3);
    }
    if options.check && is_another_build_s {
        return Ok(3);
    }
    Ok(u8::from(replayed.outcome.broken.is_some()))
}

/// Finds out what `COMMAND SCENARIO SEED` or `COMMAND BUNDLE` means.
pub(crate) fn find(
    scenarios: &[&'static dyn Scenario],
    what: &str,
    seed: Option<&str>,
    command: &str,
) -> Result<Case, Trouble> {
    let path = Path::new(what);
    if let Some(seed) = seed {
        let scenario = scenarios::find(scenarios, what)?;
        let seed = seeds::seed(seed)?;
        return Ok(Case { scenario, seed, plan: execute::plan(scenario, seed)?, bundle: None });
    }
    if !path.exists() {
        return Err(match scenarios::find(scenarios, what) {
            Ok(scenario) => Trouble::new(format!(
                "which seed of `{name}`? write: {command} {name} SEED",
                name = scenario.name()
            )),
            Err(_) => Trouble::new(format!(
                "there is no bundle {what}; write: {command} BUNDLE, or: {command} SCENARIO SEED"
            )),
        });
    }
    let bundle = Bundle::read(path)?;
    let scenario = scenarios::find(scenarios, &bundle.scenario)?;
    bundle
        .plan
        .schedule
        .check()
        .map_err(|why| Trouble::new(format!("{what}: its plan cannot be run: {why}; correct it by hand")))?;
    Ok(Case { scenario, seed: bundle.seed, plan: bundle.plan.clone(), bundle: Some(bundle) })
}

/// Says in which parts the build that wrote a bundle differs from this one, and whether the bundle was edited.
pub(crate) fn warn(bundle: &Bundle, console: &mut Console<'_>) -> Vec<String> {
    let differences = Identity::current().differences(&bundle.build);
    if !differences.is_empty() {
        let mut text = "warning: another build wrote this bundle, so its run may differ here:\n".to_owned();
        for part in &differences {
            let _ = writeln!(text, "  {part}");
        }
        console.note(&text);
    }
    if bundle.is_edited() {
        console.note(
            "warning: the bundle was edited after it was written (its scenario, seed or plan), so its recorded \
             verdict no longer applies: what follows is a run of what it says now\n",
        );
    }
    differences
}

/// The verdict that a replay must repeat.
pub(crate) fn recorded(case: &Case) -> Option<&Verdict> {
    case.bundle.as_ref().filter(|bundle| !bundle.is_edited())?.verdict.as_ref()
}

/// Runs `work` on a thread of its own, so that a turn that loops for ever does not take the program with it. None if
/// it takes longer than `patience`.
pub(crate) fn guarded<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, Trouble> {
    let (sender, receiver) = mpsc::channel();
    let spawned = std::thread::Builder::new().name("replay".to_owned()).spawn(move || {
        let _ = sender.send(work());
    });
    let thread = spawned.map_err(|error| Trouble::new(format!("no thread can be started: {error}")))?;
    match receiver.recv_timeout(patience) {
        Ok(result) => Ok(Some(result)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("a thread that ended well has sent its result"),
        },
    }
}

/// The run itself, in a world of its own.
fn run(
    scenario: &'static dyn Scenario,
    seed: u64,
    plan: &Plan,
    collect: bool,
    until: Option<Duration>,
) -> Result<Replayed, Trouble> {
    let mut world = World::new();
    let mut memory = Memory::default();
    let cast = || -> Result<_, Trouble> {
        let mut scene = execute::scene(scenario, seed, plan)?;
        if collect {
            scene.collect_events();
        }
        Ok(scene)
    };
    let mut scene = cast()?;
    let mut is_cut = false;
    let outcome = match until {
        None => world.run(seed, &plan.schedule, &mut *scene, &mut memory),
        Some(until) => {
            let at = Instant::from_nanos(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX));
            let reached = quietly(|| {
                world.reset(seed, &plan.schedule, &mut *scene);
                world.run_until(at, &mut *scene, &mut memory);
            });
            if reached.is_err() {
                // Something panicked before the cut, so the whole run ends there too, and is told as always.
                (world, memory, scene) = (World::new(), Memory::default(), cast()?);
                world.run(seed, &plan.schedule, &mut *scene, &mut memory)
            } else if world.is_over() {
                world.finish(&mut *scene, &mut memory)
            } else {
                is_cut = true;
                world.stop(&mut *scene, &mut memory)
            }
        }
    };
    Ok(Replayed { outcome, trace: memory.0, history: scene.history(), events: scene.events(), is_cut })
}

/// Runs it in a cold world and again in one that ran other seeds of the scenario.
fn check(scenario: &'static dyn Scenario, seed: u64, plan: &Plan) -> Result<Option<Mismatch>, Trouble> {
    let subject = Subject { scenario, seed, plan };
    let (outcome, bytes) = subject.record(&mut World::new())?;
    let mut warm = World::new();
    for other in (1..=WARM).map(|step| seed.wrapping_add(step)) {
        let plan = execute::plan(scenario, other)?;
        Subject { scenario, seed: other, plan: &plan }.run(&mut warm, &mut NoTrace)?;
    }
    let reference = Reference { bytes: Some(&bytes), hash: outcome.trace_hash };
    let between = "between a run in a cold world and one in a world that ran other seeds";
    rerun::compare(&mut warm, subject, reference, between)
}

/// What a run showed, for people.
fn told(case: &Case, options: &Replay, replayed: &Replayed, paint: Paint) -> String {
    let Case { scenario, seed, .. } = case;
    let outcome = &replayed.outcome;
    let mut text = String::new();
    let cut = match options.until {
        Some(Until::Time(until)) if replayed.is_cut => {
            format!(", stopped at {}", seedfast_core::Duration::from_nanos(until.as_nanos() as u64))
        }
        _ => String::new(),
    };
    match &outcome.broken {
        Some(Broken { violation: Violation { invariant, what }, at, event }) => {
            let _ = writeln!(text, "{}  {}, seed {seed}{cut}\n", paint.bad("BROKEN"), scenario.name());
            let _ = writeln!(text, "  {}  {what}", paint.bold(invariant));
            let at = seedfast_core::Duration::from_nanos(*at);
            let _ = writeln!(text, "  {}\n", paint.dim(&format!("at {at}, event {event}")));
            text.push_str(&report::halts(&events::halts(&replayed.trace)));
        }
        None => {
            let _ = writeln!(text, "{}  {}, seed {seed}{cut}\n", paint.good("HELD"), scenario.name());
        }
    }
    let simulated = seedfast_core::Duration::from_nanos(outcome.sim_nanos);
    let _ = writeln!(text, "  simulated    {simulated}, {} messages delivered", outcome.delivered);
    let trace = report::trace_line(outcome.trace_hash, outcome.events, outcome.trace_bytes);
    let _ = writeln!(text, "  {}", trace.replacen("trace ", "trace        ", 1));
    let effects: Vec<String> = outcome
        .effects
        .iter()
        .filter(|(_, times)| **times > 0)
        .map(|(name, times)| format!("{name} {times}"))
        .collect();
    if !effects.is_empty() {
        let _ = writeln!(text, "  effects      {}", effects.join(", "));
    }
    if let Some(verdict) = recorded(case).filter(|_| !replayed.is_cut)
        && verdict.trace_hash == bundle::hash(outcome.trace_hash)
    {
        let _ = writeln!(text, "  the bundle   recorded the same trace and the same verdict");
    }
    text
}

/// A bundle of the run that keeps nothing of its bytes. Its plan never held any: what clients send is drawn from the
/// seed and the workload's numbers.
fn redacted(case: &Case, replayed: &Replayed) -> Result<Bundle, Trouble> {
    let is_other =
        recorded(case).is_some_and(|verdict| verdict.trace_hash != bundle::hash(replayed.outcome.trace_hash));
    if is_other || replayed.is_cut {
        return Err(Trouble::new(
            "this run is not the one that the bundle recorded, so it cannot stand in for it; redact it with the build \
             that wrote it, and without --until",
        ));
    }
    let events = Recorded::redacted(&replayed.trace);
    let of_run =
        |bundle: &Bundle| Bundle { events: events.clone(), format: bundle::FORMAT, ..bundle.clone() };
    match case.bundle.as_ref().filter(|bundle| !bundle.is_edited()) {
        Some(bundle) => Ok(of_run(bundle)),
        None => Bundle::new(case.scenario.name(), case.seed, case.plan.clone(), Some(&replayed.outcome))
            .map(|bundle| of_run(&bundle)),
    }
}

/// The first event in which today's run leaves the one that the bundle recorded; or why it cannot be named.
fn against_recorded(case: &Case, replayed: &Replayed) -> (Option<Difference>, &'static str) {
    let events = case.bundle.as_ref().and_then(|bundle| bundle.events.as_ref());
    let Some(events) = events else { return (None, "the bundle keeps no events") };
    let words = Words::of(case.scenario, case.seed, &case.plan);
    match events.compare(&replayed.trace, &words) {
        Found::Different(difference) => (Some(*difference), ""),
        Found::Same => (None, "the events that the bundle keeps are the same"),
        Found::Unreadable(why) => (None, why),
    }
}

/// The trace is not the one that the bundle recorded: because of the build, or because a run does not repeat itself?
fn explain(
    case: &Case,
    options: &Replay,
    verdict: &Verdict,
    differences: &[String],
    replayed: &Replayed,
    console: &mut Console<'_>,
) -> Result<Option<Mismatch>, Trouble> {
    let recorded = verdict.invariant.as_deref().unwrap_or("nothing broken");
    let here = replayed.outcome.broken.as_ref().map_or("nothing broken", |b| b.violation.invariant.as_str());
    printed(
        console,
        &format!(
            "  the bundle   recorded another trace: {} ({recorded}); here: {here}\n",
            verdict.trace_hash
        ),
    )?;
    let (scenario, seed, plan) = (case.scenario, case.seed, case.plan.clone());
    let checked = guarded(options.watchdog * 4, move || check(scenario, seed, &plan))?;
    if let Some(mismatch) = checked.transpose()?.flatten() {
        return Ok(Some(mismatch));
    }
    let (difference, why_unknown) = against_recorded(case, replayed);
    if differences.is_empty() {
        let between =
            format!("between the run that the bundle recorded (trace {}) and this one", verdict.trace_hash);
        return Ok(Some(Mismatch { scenario: scenario.name(), seed, between, difference }));
    }
    let shown = difference.map_or_else(
        || format!("  the first event that differs cannot be named: {why_unknown}\n"),
        |difference| report::difference(&difference, console.paint()),
    );
    printed(
        console,
        &format!(
            "\n{shown}\n  this build repeats itself, so the difference comes from the build: check out the bundle's\n"
        ),
    )?;
    if let Some(checkout) = case.bundle.as_ref().and_then(|bundle| bundle.build.checkout()) {
        printed(console, &format!("  it was       {checkout}\n"))?;
    }
    Ok(None)
}
