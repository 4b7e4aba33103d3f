//! What a campaign says to people: a summary, one screen for each kind of failure, one line of verdict.

use crate::bundle::{self, Bundle};
use crate::campaign::{Campaign, Findings, Signature, Stuck};
use crate::duration::human;
use crate::identity::{self, Identity};
use crate::merge::Merged;
use crate::rerun::{Difference, Mismatch, Origin};
use crate::run::Setting;
use crate::tally::{Frequency, Tally};
use crate::text::{Paint, count, grouped, percent};
use crate::worker::Failure;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Where bundles were written, by their plans' hashes: of one scenario and seed there may be several plans, bred ones.
pub(crate) type Saved = BTreeMap<String, PathBuf>;

/// The tables of a campaign.
fn tables(findings: &Findings, paint: Paint) -> String {
    let Findings { total, scenarios, unreached, .. } = findings;
    let mut text = String::new();
    histogram(&mut text, "what happened, by effect", &total.effects, total.seeds, paint);
    histogram(&mut text, "probes reached", &total.probes, total.seeds, paint);
    not_reached(&mut text, unreached, paint);
    if scenarios.len() > 1 {
        per_scenario(&mut text, scenarios, paint);
    }
    text
}

/// The sums of parts that were merged.
pub(crate) fn merged(merged: &Merged, paint: Paint) -> String {
    let Merged { findings, parts, work, .. } = merged;
    let Findings { total, wall, .. } = findings;
    let mut text = tables(findings, paint);
    let _ = writeln!(
        text,
        "  {} in {}, the longest {}, {} together",
        count(total.seeds, "seed"),
        count(parts.len() as u64, "part"),
        human(wall.as_nanos()),
        human(work.as_nanos())
    );
    let _ = writeln!(
        text,
        "  {}, {} delivered, {} simulated",
        count(total.events, "event"),
        count(total.delivered, "message"),
        human(total.sim_nanos)
    );
    let _ = writeln!(text, "  {}\n", again(total, false));
    text
}

/// How many seeds were run twice.
fn again(total: &Tally, is_off: bool) -> String {
    match (total.rerun_checked, total.rerun_mismatches) {
        (0, _) if is_off => "no seed was run twice (--rerun 0)".to_owned(),
        (0, _) => "no seed was run twice".to_owned(),
        (checked, 0) => format!("{} run twice, byte for byte the same", count(checked, "seed")),
        (checked, different) => {
            format!("{} run twice, {} differed", count(checked, "seed"), grouped(different))
        }
    }
}

/// The sums of a campaign.
pub(crate) fn summary(setting: &Setting, findings: &Findings, paint: Paint) -> String {
    let Findings { total, wall, .. } = findings;
    let mut text = tables(findings, paint);
    let seconds = wall.as_secs_f64().max(0.001);
    let Campaign { jobs, rerun_percent, .. } = setting.campaign;
    let _ = writeln!(
        text,
        "  {} in {} with {}, {} a second",
        count(total.seeds, "seed"),
        human(wall.as_nanos()),
        count(jobs as u64, "job"),
        rate(total.seeds as f64 / seconds)
    );
    let _ = writeln!(
        text,
        "  {}, {} delivered, {} simulated ({} times real time)",
        count(total.events, "event"),
        count(total.delivered, "message"),
        human(total.sim_nanos),
        grouped(total.sim_nanos / wall.as_nanos().max(1))
    );
    let _ = writeln!(text, "  {}\n", again(total, rerun_percent == 0));
    text
}

fn rate(per_second: f64) -> String {
    if per_second < 10.0 { format!("{per_second:.1}") } else { grouped(per_second as u64) }
}

/// A table of what happened, in how many seeds and how often, most seeds first.
fn histogram(text: &mut String, title: &str, rows: &BTreeMap<String, Frequency>, seeds: u64, paint: Paint) {
    if rows.is_empty() {
        return;
    }
    let mut rows: Vec<(&String, &Frequency)> = rows.iter().collect();
    rows.sort_by_key(|(name, frequency)| (std::cmp::Reverse(frequency.seeds), *name));
    let names = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(title.len());
    let title = format!("{title:names$}");
    let head = format!("{:>12} {:>8}  {:>13}", "seeds", "", "times");
    let _ = writeln!(text, "  {}{}", paint.bold(&title), paint.dim(&head));
    for (name, Frequency { times, seeds: in_seeds }) in rows {
        let _ = writeln!(
            text,
            "  {name:names$}{:>12} {:>8}  {:>13}",
            grouped(*in_seeds),
            percent(*in_seeds, seeds),
            grouped(*times)
        );
    }
    text.push('\n');
}

/// How many probes are named that no seed reached.
const UNREACHED: usize = 12;

fn not_reached(text: &mut String, unreached: &[&'static str], paint: Paint) {
    if unreached.is_empty() {
        return;
    }
    let title = format!("{} not reached", count(unreached.len() as u64, "probe"));
    let _ = writeln!(text, "  {}", paint.bold(&title));
    for name in unreached.iter().take(UNREACHED) {
        let _ = writeln!(text, "  {name}");
    }
    if unreached.len() > UNREACHED {
        let more = grouped((unreached.len() - UNREACHED) as u64);
        let _ = writeln!(text, "  {}", paint.dim(&format!("and {more} more, which --json names")));
    }
    text.push('\n');
}

fn per_scenario(text: &mut String, scenarios: &[(&'static str, Tally)], paint: Paint) {
    let names = scenarios.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max("scenario".len());
    let title = format!("{:names$}", "scenario");
    let head = format!("{:>12}  {:>8}  {:>14}  {:>14}", "seeds", "failures", "events", "simulated");
    let _ = writeln!(text, "  {}{}", paint.bold(&title), paint.dim(&head));
    for (name, tally) in scenarios {
        let _ = writeln!(
            text,
            "  {name:names$}{:>12}  {:>8}  {:>14}  {:>14}",
            grouped(tally.seeds),
            grouped(tally.failures),
            grouped(tally.events),
            human(tally.sim_nanos)
        );
    }
    text.push('\n');
}

/// How the reader of a report brings a seed back.
#[derive(Clone, Copy)]
pub(crate) enum Again<'a> {
    /// This program replays the seed.
    Seed,
    /// This program replays the bundle: the plan may not be the one that the seed draws.
    Bundle,
    /// This program replays this bundle.
    File(&'a str),
    /// A test replays the seed; this is the command that runs it.
    Test(&'a str),
}

impl Again<'_> {
    /// The command, if there is one: without its bundle, a schedule that may be a bred one is lost.
    pub(crate) fn command(self, scenario: &str, seed: u64, path: Option<&PathBuf>) -> Option<String> {
        match self {
            Again::Test(command) => Some(format!("SEEDFAST_SEED={seed} {command}")),
            Again::Seed => Some(format!("{} replay {scenario} {seed}", identity::invocation())),
            Again::Bundle => path.map(|path| format!("{} replay {}", identity::invocation(), path.display())),
            Again::File(file) => Some(format!("{} replay {file}", identity::invocation())),
        }
    }

    /// The same, or what to do instead.
    pub(crate) fn line(self, scenario: &str, seed: u64, path: Option<&PathBuf>) -> String {
        let command = self.command(scenario, seed, path);
        command
            .unwrap_or_else(|| "run the campaign again: the seed alone may draw another schedule".to_owned())
    }

    /// The same for two runs that differed.
    pub(crate) fn check(self, scenario: &str, seed: u64) -> String {
        let line = self.line(scenario, seed, None);
        // A test runs its seed twice anyway, and so does a campaign.
        if matches!(self, Again::Test(_) | Again::Bundle) { line } else { format!("{line} --check") }
    }
}

/// One screen for each kind of failure.
pub(crate) fn failures(findings: &Findings, saved: &Saved, paint: Paint) -> String {
    failures_as(findings, saved, paint, Again::Seed)
}

/// The same with another way to bring them back.
pub(crate) fn failures_as(findings: &Findings, saved: &Saved, paint: Paint, again: Again<'_>) -> String {
    let mut text = String::new();
    for (scenario, tally) in &findings.scenarios {
        let mut of_scenario = findings.mismatches.iter().filter(|one| one.scenario == *scenario);
        let Some(first) = of_scenario.next() else { continue };
        text.push_str(&mismatch(first, paint, again));
        let others: Vec<String> = of_scenario.take(OTHERS).map(|one| one.seed.to_string()).collect();
        match again {
            Again::Bundle if !others.is_empty() => {
                let others = count(tally.rerun_mismatches - 1, "more schedule");
                let _ = writeln!(text, "  so did two runs of {others}");
            }
            _ if !others.is_empty() => {
                let others = with_more(&others, tally.rerun_mismatches - 1, "seed");
                let _ = writeln!(text, "  so did two runs of {others}");
            }
            _ => {}
        }
        text.push('\n');
    }
    if let Some(stuck) = &findings.stuck {
        text.push_str(&self::stuck(stuck, saved, paint, again));
    }
    for signature in findings.signatures.values() {
        text.push_str(&failure(signature, saved, paint, again));
    }
    text
}

/// How many further seeds of a kind are named.
const OTHERS: usize = 2;

/// What they are called, and how many of `all` there are beyond them: `seeds 7, 8 and 998 more`.
fn with_more(named: &[String], all: u64, noun: &str) -> String {
    let plural = if all == 1 { "" } else { "s" };
    match all.saturating_sub(named.len() as u64) {
        0 => format!("{noun}{plural} {}", named.join(", ")),
        more => format!("{noun}{plural} {} and {} more", named.join(", "), grouped(more)),
    }
}

/// Where `bundle` was written, if it was.
pub(crate) fn saved_of<'a>(bundle: Option<&Bundle>, saved: &'a Saved) -> Option<&'a PathBuf> {
    saved.get(&bundle?.plan_hash)
}

/// One screen: what broke, what came before it, how to see it again.
pub(crate) fn failure(signature: &Signature, saved: &Saved, paint: Paint, again_by: Again<'_>) -> String {
    let Some((shown, others)) = signature.examples.split_first() else { return String::new() };
    let Failure { scenario, seed, invariant, what, at, event, bundle, last_events, halts, repeats } = shown;
    let mut text =
        format!("{}  {scenario}, seed {seed}\n\n  {}  {what}\n", paint.bad("BROKEN"), paint.bold(invariant));
    let again = if *repeats {
        let events = bundle.verdict.as_ref().map_or(0, |verdict| verdict.events);
        format!("run again and replayed from its bundle: the same {}", count(events, "event"))
    } else {
        "it does not replay: see above".to_owned()
    };
    let at = seedfast_core::Duration::from_nanos(*at);
    let _ = writeln!(text, "  {}", paint.dim(&format!("at {at}, event {}; {again}", grouped(*event))));
    text.push_str(&self::halts(halts));
    if !last_events.is_empty() {
        let of = if *repeats { "before it broke" } else { "of one of its runs" };
        let _ = writeln!(text, "\n  the last events {of}:");
        for line in last_events {
            let _ = writeln!(text, "    {line}");
        }
    }
    text.push('\n');
    let path = saved.get(&bundle.plan_hash);
    text.push_str(&how_to_replay(scenario, *seed, path, paint, again_by));
    if !repeats {
        text.push_str("  unreliable   the bundle is: a replay of it may show something else, or nothing\n");
    }
    if !others.is_empty() {
        let all = signature.seeds - 1;
        let others = if matches!(again_by, Again::Bundle) {
            // The seeds of schedules that were bred bring nothing back.
            let paths = others.iter().filter_map(|other| saved.get(&other.bundle.plan_hash));
            let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
            if paths.is_empty() { count(all, "more schedule") } else { with_more(&paths, all, "bundle") }
        } else {
            let seeds: Vec<String> = others.iter().map(|other| other.seed.to_string()).collect();
            with_more(&seeds, all, "seed")
        };
        let _ = writeln!(text, "  the same broke in {others}");
    }
    let quickest = &signature.quickest;
    if quickest.bundle.plan_hash != bundle.plan_hash {
        let after = count(quickest.event, "event");
        let _ = writeln!(text, "  soonest      seed {} broke after {after}", quickest.seed);
        if let Some(path) = saved.get(&quickest.bundle.plan_hash) {
            let _ = writeln!(text, "  its bundle   {}", path.display());
        }
    }
    text.push('\n');
    text
}

/// Why processes ended their lives.
pub(crate) fn halts(halts: &[String]) -> String {
    let mut text = String::new();
    for (index, halt) in halts.iter().enumerate() {
        let _ = writeln!(text, "  {:<13}{halt}", if index == 0 { "halted" } else { "" });
    }
    text
}

/// The one line that replays a seed, its bundle, and the build to do it with.
fn how_to_replay(
    scenario: &str,
    seed: u64,
    path: Option<&PathBuf>,
    paint: Paint,
    again: Again<'_>,
) -> String {
    let mut text = format!("  replay it    {}\n", paint.bold(&again.line(scenario, seed, path)));
    if let Some(path) = path {
        let _ = writeln!(text, "  its bundle   {}", path.display());
    }
    if let Some(checkout) = Identity::current().checkout() {
        let _ = writeln!(text, "  built from   {checkout}");
    }
    text
}

/// What to look for when two runs differ.
fn suspects(origin: Option<Origin>) -> String {
    const USUAL: &str = "thread_rng, the order of a HashMap, Instant::now, an address, a static";
    let (what, remedy) = match origin {
        Some(Origin::Process) => (
            "something in the process has randomness, a clock or memory of its own",
            "hand it the entropy of `Start` and the times of its turns instead",
        ),
        Some(Origin::Client) => (
            "that event is a client's, so it is the scene that differs, which plays the clients",
            "hand it the entropy of the client's `Start`, or draw what it needs from the seed",
        ),
        Some(Origin::Judge) => (
            "that event is the verdict, so it is the scene that differs, which judges (and says when a run is done)",
            "let it judge by what it was shown of this run alone",
        ),
        None => (
            "a process or the scene has randomness, a clock or memory of its own",
            "hand it the entropy of `Start`, or draw what it needs from the seed",
        ),
    };
    format!("  {what};\n  the usual suspects: {USUAL};\n  {remedy}\n")
}

/// The first event that differs, with both sides of it and what is before it.
pub(crate) fn difference(difference: &Difference, paint: Paint) -> String {
    let Difference { offset, event, last, before, first, second, sides, .. } = difference;
    let offset =
        offset.map_or_else(String::new, |offset| format!(" (byte {} of the trace)", grouped(offset)));
    let number = grouped(*event);
    let mut text = if event == last {
        format!("  the first event that differs is number {number}{offset}:\n")
    } else {
        format!("  the first event that differs is one of numbers {number} to {}{offset}:\n", grouped(*last))
    };
    if let Some(before) = before {
        let _ = writeln!(text, "    {}", paint.dim(&format!("both    {before}")));
    }
    let [one, other] = sides;
    let _ = writeln!(text, "    {one:<6}  {first}\n    {other:<6}  {second}");
    text
}

/// Two runs that differed, with both sides of the first event that does.
pub(crate) fn mismatch(mismatch: &Mismatch, paint: Paint, again: Again<'_>) -> String {
    let Mismatch { scenario, seed, between, difference } = mismatch;
    let mut text = format!(
        "{}  {scenario}, seed {seed}: two runs of one seed differed\n\n  {between}\n",
        paint.bad("NOT THE SAME")
    );
    match difference {
        Some(difference) => text.push_str(&self::difference(difference, paint)),
        None => {
            text.push_str("  no further pair of runs differed, so the first event that differs is unknown\n")
        }
    }
    let origin = difference.as_ref().and_then(|difference| difference.origin);
    let _ = writeln!(text, "\n{}", suspects(origin));
    let _ = writeln!(text, "  see it again   {}", paint.bold(&again.check(scenario, *seed)));
    text
}

/// A seed that never came to an end.
pub(crate) fn stuck(stuck: &Stuck, saved: &Saved, paint: Paint, again: Again<'_>) -> String {
    let (scenario, seed) = (stuck.scenario.name(), stuck.seed);
    format!(
        "{}  {scenario}, seed {seed}\n\n  it has been running for {}, which the watchdog takes for a turn that loops \
         for ever\n  (--watchdog TIME gives a seed more)\n\n{}\n",
        paint.bad("STUCK"),
        human(stuck.after.as_nanos()),
        how_to_replay(scenario, seed, saved_of(stuck.bundle.as_deref(), saved), paint, again)
    )
}

/// A panic that was no process's.
pub(crate) fn harness_panic(
    at: Option<(&'static str, u64)>,
    message: &str,
    again: Again<'_>,
    path: Option<&PathBuf>,
) -> String {
    let line = match at {
        Some((scenario, seed)) => {
            let line = again.line(scenario, seed, path);
            format!(" while it ran scenario `{scenario}`, seed {seed}:\n  {line}\n")
        }
        None => "\n".to_owned(),
    };
    format!("the harness panicked ({message}){line}")
}

/// The last line: did it hold?
pub(crate) fn verdict(findings: &Findings, paint: Paint) -> String {
    let Findings { total, signatures, stuck, .. } = findings;
    let seeds = count(total.seeds, "seed");
    let kinds: Vec<String> =
        signatures.keys().map(|(scenario, invariant)| format!("{invariant} in {scenario}")).collect();
    // A seed that does not end is none of those that were counted.
    let stuck =
        stuck.as_ref().map(|stuck| format!("seed {} of {} does not end", stuck.seed, stuck.scenario.name()));
    match (total.rerun_mismatches, total.failures, stuck) {
        (0, 0, None) => format!("{}  {seeds}, no invariant broken\n", paint.good("HELD")),
        (0, 0, Some(stuck)) => {
            let others =
                if total.seeds == 0 { String::new() } else { format!("; no invariant broken in {seeds}") };
            format!("{}  {stuck}{others}\n", paint.bad("BROKEN"))
        }
        (0, broken, stuck) => {
            let stuck = stuck.map_or_else(String::new, |stuck| format!("; {stuck}"));
            let broken = grouped(broken);
            format!("{}  {broken} of {seeds}: {}{stuck}\n", paint.bad("BROKEN"), kinds.join(", "))
        }
        (different, broken, stuck) => format!(
            "{}  {} of {seeds} gave different bytes when run again, {} broke an invariant{}\n",
            paint.bad("NOT THE SAME"),
            grouped(different),
            grouped(broken),
            stuck.map_or_else(String::new, |stuck| format!("; {stuck}"))
        ),
    }
}

/// A run's hash and size in one line.
pub(crate) fn trace_line(hash: u128, events: u64, bytes: u64) -> String {
    format!("trace {} ({}, {})", bundle::hash(hash), count(events, "event"), count(bytes, "byte"))
}
