//! What a campaign says to people: a summary, one screen for each kind of failure, one line of verdict.

use crate::bundle;
use crate::campaign::{Campaign, Findings, Signature, Stuck};
use crate::duration::human;
use crate::identity::{self, Identity};
use crate::rerun::Mismatch;
use crate::run::Setting;
use crate::tally::{Frequency, Tally};
use crate::text::{Paint, count, grouped, percent};
use crate::worker::Failure;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Where the bundle of a scenario and seed was written.
pub(crate) type Saved = BTreeMap<(String, u64), PathBuf>;

/// The sums of a campaign.
pub(crate) fn summary(setting: &Setting, findings: &Findings, paint: Paint) -> String {
    let Findings { total, scenarios, wall, .. } = findings;
    let mut text = String::new();
    histogram(&mut text, "what went wrong, by effect", &total.effects, total.seeds, paint);
    histogram(&mut text, "probes reached", &total.probes, total.seeds, paint);
    if scenarios.len() > 1 {
        per_scenario(&mut text, scenarios, paint);
    }
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
    let again = match (total.rerun_checked, total.rerun_mismatches) {
        (0, _) if rerun_percent == 0 => "no seed was run twice (--rerun 0)".to_owned(),
        (0, _) => "no seed was run twice".to_owned(),
        (checked, 0) => format!("{} run twice, byte for byte the same", count(checked, "seed")),
        (checked, different) => {
            format!("{} run twice, {} differed", count(checked, "seed"), grouped(different))
        }
    };
    let _ = writeln!(text, "  {again}\n");
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

/// One screen for each kind of failure.
pub(crate) fn failures(findings: &Findings, saved: &Saved, paint: Paint) -> String {
    let mut text = String::new();
    for mismatch in &findings.mismatches {
        text.push_str(&self::mismatch(mismatch, paint));
    }
    if let Some(stuck) = &findings.stuck {
        text.push_str(&self::stuck(stuck, paint));
    }
    for signature in findings.signatures.values() {
        text.push_str(&failure(signature, saved, paint));
    }
    text
}

fn failure(signature: &Signature, saved: &Saved, paint: Paint) -> String {
    let Some((shown, others)) = signature.examples.split_first() else { return String::new() };
    let Failure { scenario, seed, invariant, what, at, event, bundle, last_events } = shown;
    let mut text =
        format!("{}  {scenario}, seed {seed}\n\n  {}  {what}\n", paint.bad("BROKEN"), paint.bold(invariant));
    let _ = writeln!(
        text,
        "  {}",
        paint.dim(&format!(
            "at {}, event {}; run again and replayed from its bundle: the same {}",
            seedfast_core::Duration::from_nanos(*at),
            grouped(*event),
            count(bundle.verdict.as_ref().map_or(0, |verdict| verdict.events), "event")
        ))
    );
    if !last_events.is_empty() {
        text.push_str("\n  the last events before it broke:\n");
        for line in last_events {
            let _ = writeln!(text, "    {line}");
        }
    }
    text.push('\n');
    let path = saved.get(&((*scenario).to_owned(), *seed));
    text.push_str(&how_to_replay(scenario, *seed, path, paint));
    if !others.is_empty() {
        let seeds: Vec<String> = others.iter().map(|other| other.seed.to_string()).collect();
        let more = signature.seeds.saturating_sub(1 + others.len() as u64);
        let more = if more > 0 { format!(" and {} more", grouped(more)) } else { String::new() };
        let _ = writeln!(text, "  the same broke in seeds {}{more}", seeds.join(", "));
    }
    text.push('\n');
    text
}

/// The one line that replays a seed, its bundle, and the build to do it with.
fn how_to_replay(scenario: &str, seed: u64, path: Option<&PathBuf>, paint: Paint) -> String {
    let mut text = format!(
        "  replay it    {}\n",
        paint.bold(&format!("{} replay {scenario} {seed}", identity::invocation()))
    );
    if let Some(path) = path {
        let _ = writeln!(text, "  its bundle   {}", path.display());
    }
    if let Some(checkout) = Identity::current().checkout() {
        let _ = writeln!(text, "  built from   {checkout}");
    }
    text
}

/// Two runs that differed, with both sides of the first event that does.
pub(crate) fn mismatch(mismatch: &Mismatch, paint: Paint) -> String {
    let Mismatch { scenario, seed, between, difference } = mismatch;
    let mut text = format!(
        "{}  {scenario}, seed {seed}: two runs of one seed differed\n\n  {between}\n",
        paint.bad("NOT THE SAME")
    );
    match difference {
        Some(difference) => {
            let _ = writeln!(
                text,
                "  the first event that differs is number {} (byte {} of the trace):",
                grouped(difference.event),
                grouped(difference.offset)
            );
            if let Some(before) = &difference.before {
                let _ = writeln!(text, "    {}", paint.dim(&format!("both    {before}")));
            }
            let _ = writeln!(text, "    first   {}\n    second  {}", difference.first, difference.second);
        }
        None => {
            text.push_str("  no further pair of runs differed, so the first event that differs is unknown\n")
        }
    }
    text.push_str(
        "\n  something in it has randomness, a clock or memory of its own: an unordered map, an address, a static;\n  \
         hand it the entropy of `Start` instead\n\n",
    );
    let again = format!("{} replay {scenario} {seed} --check", identity::invocation());
    let _ = writeln!(text, "  see it again   {}\n", paint.bold(&again));
    text
}

/// A seed that never came to an end.
pub(crate) fn stuck(stuck: &Stuck, paint: Paint) -> String {
    let (scenario, seed) = (stuck.scenario.name(), stuck.seed);
    format!(
        "{}  {scenario}, seed {seed}\n\n  it has been running for {}, which the watchdog takes for a turn that loops \
         for ever\n  (--watchdog TIME gives a seed more)\n\n{}\n",
        paint.bad("STUCK"),
        human(stuck.after.as_nanos()),
        how_to_replay(scenario, seed, None, paint)
    )
}

/// A panic that was no process's.
pub(crate) fn harness_panic(at: Option<(&'static str, u64)>, message: &str) -> String {
    let line = match at {
        Some((scenario, seed)) => {
            format!(
                " while it ran scenario `{scenario}`, seed {seed}:\n  {} replay {scenario} {seed}\n",
                identity::invocation()
            )
        }
        None => "\n".to_owned(),
    };
    format!("the harness panicked ({message}){line}")
}

/// The last line: did it hold?
pub(crate) fn verdict(findings: &Findings, paint: Paint) -> String {
    let Findings { total, signatures, stuck, .. } = findings;
    let seeds = count(total.seeds, "seed");
    let mut kinds: Vec<String> =
        signatures.keys().map(|(scenario, invariant)| format!("{invariant} in {scenario}")).collect();
    kinds.extend(stuck.iter().map(|stuck| format!("a seed that does not end in {}", stuck.scenario.name())));
    let broken = total.failures + u64::from(stuck.is_some());
    match (total.rerun_mismatches, broken) {
        (0, 0) => format!("{}  {seeds}, no invariant broken\n", paint.good("HELD")),
        (0, broken) => {
            format!("{}  {} of {seeds}: {}\n", paint.bad("BROKEN"), grouped(broken), kinds.join(", "))
        }
        (different, broken) => format!(
            "{}  {} of {seeds} gave different bytes when run again, {} broke an invariant\n",
            paint.bad("NOT THE SAME"),
            grouped(different),
            grouped(broken)
        ),
    }
}

/// A run's hash and size in one line.
pub(crate) fn trace_line(hash: u128, events: u64, bytes: u64) -> String {
    format!("trace {} ({}, {})", bundle::hash(hash), count(events, "event"), count(bytes, "byte"))
}
