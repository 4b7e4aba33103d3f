//! The `show` command: one run as a picture, in one HTML file that opens from disk.
//!
//! [`picture`] gathers what the trace says ([`messages`] from sender to receiver, [`causes`] for what happened before
//! what, [`spans`] of faults, [`steps`] of the protocol in the scene's own words), [`columns`] writes it down compactly,
//! [`page`] puts it into the template of `repro/assets/`.

mod causes;
mod columns;
mod messages;
mod page;
mod picture;
mod record;
mod spans;
mod steps;
#[cfg(test)]
mod tests;

use crate::bundle;
use crate::cli::Show;
use crate::events::Words;
use crate::execute;
use crate::files;
use crate::identity::Identity;
use crate::panics::quietly;
use crate::replay::{self, Case};
use crate::scenarios::printed;
use crate::text::Console;
use crate::trouble::Trouble;
use picture::{MOST_RECORDS, Picture, Ran};
use seedfast_core::Instant;
use seedfast_sim::trace::{Memory, NoTrace};
use seedfast_sim::{Outcome, Plan, Scenario, World};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Writes the picture and says how to exit: 0, whatever the run came to.
pub(crate) fn show(
    scenarios: &[&'static dyn Scenario],
    options: &Show,
    console: &mut Console<'_>,
) -> Result<u8, Trouble> {
    let case = replay::find(scenarios, &options.what, options.seed.as_deref(), "show")?;
    if let Some(bundle) = &case.bundle {
        replay::warn(bundle, console);
    }
    let (scenario, seed, plan) = (case.scenario, case.seed, case.plan.clone());
    let drawn = replay::guarded(options.watchdog, move || draw(scenario, seed, &plan, MOST_RECORDS))?;
    let Some(drawn) = drawn else {
        return Err(Trouble::new(format!(
            "seed {seed} of scenario `{}` took longer than {:?}, so there is no whole run to draw; give it more with \
             --watchdog, or see where it loops with replay --until",
            scenario.name(),
            options.watchdog
        )));
    };
    let Drawn { page, outcome, records, left_out } = drawn?;
    let path = options.out.clone().unwrap_or_else(|| PathBuf::from(file_name(&case)));
    files::write(&path, page.as_bytes())?;

    let paint = console.paint();
    let mut text = match &outcome.broken {
        Some(broken) => {
            let violation = &broken.violation;
            format!(
                "{}  {}, seed {seed}\n\n  {}  {}\n",
                paint.bad("BROKEN"),
                scenario.name(),
                paint.bold(&violation.invariant),
                violation.what
            )
        }
        None => format!("{}  {}, seed {seed}\n\n", paint.good("HELD"), scenario.name()),
    };
    let kib = page.len().div_ceil(1024);
    text.push_str(&format!("  the picture  {} ({records} events, {kib} KiB)\n", path.display()));
    if left_out > 0 {
        text.push_str(&format!("  left out     the first {left_out} events: a page holds {MOST_RECORDS}\n"));
    }
    if let Some(verdict) = replay::recorded(&case)
        && verdict.trace_hash != bundle::hash(outcome.trace_hash)
    {
        text.push_str("  the bundle   recorded another trace: `replay` says why\n");
    }
    printed(console, &text)?;
    Ok(0)
}

/// Where a picture goes unless told otherwise.
fn file_name(case: &Case) -> String {
    let name = case.scenario.name();
    let name: String = name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect();
    format!("{name}-{}.html", case.seed)
}

/// A page and what it shows.
struct Drawn {
    page: String,
    outcome: Outcome,
    records: usize,
    left_out: u64,
}

/// Runs a plan and draws it, its last `most` records at most.
fn draw(scenario: &'static dyn Scenario, seed: u64, plan: &Plan, most: usize) -> Result<Drawn, Trouble> {
    let mut memory = Memory::default();
    let mut scene = execute::scene(scenario, seed, plan)?;
    scene.collect_events();
    let outcome = World::new().run(seed, &plan.schedule, &mut *scene, &mut memory);
    let words = Words::of(scenario, seed, plan);
    let is_judged_at_end = outcome.broken.is_some() && breaks_at_end(scenario, seed, plan)?;
    let lines = scene.events();
    let ran = Ran {
        trace: &memory.0,
        lines: &lines,
        plan,
        words: &words,
        broken: outcome.broken.as_ref(),
        is_judged_at_end,
    };
    let picture = Picture::of(&ran, most);
    let head = head(scenario, seed, plan, &outcome, is_judged_at_end);
    let title = format!("{} {seed}", scenario.name());
    let page = page::page(&title, &columns::encode(&picture, &head));
    Ok(Drawn { page, outcome, records: picture.records.len(), left_out: picture.left_out })
}

/// Whether a run that breaks has nothing broken until it is over: then no record of it is to blame alone.
fn breaks_at_end(scenario: &dyn Scenario, seed: u64, plan: &Plan) -> Result<bool, Trouble> {
    let mut scene = execute::scene(scenario, seed, plan)?;
    let mut world = World::new();
    let ran = quietly(|| {
        world.reset(seed, &plan.schedule, &mut *scene);
        world.run_until(Instant::from_nanos(u64::MAX), &mut *scene, &mut NoTrace);
        world.broken().is_none()
    });
    // A panic breaks a run where it happens.
    Ok(ran.unwrap_or(false))
}

/// Which run it is and what came of it. Nothing here depends on where the file lies or how the program was started.
fn head(scenario: &dyn Scenario, seed: u64, plan: &Plan, outcome: &Outcome, at_end: bool) -> Value {
    let identity = Identity::current();
    let broken = outcome.broken.as_ref().map(|broken| {
        json!({
            "invariant": broken.violation.invariant,
            "what": broken.violation.what,
            "at": broken.at,
            "event": broken.event,
            "atEnd": at_end,
        })
    });
    json!({
        "program": identity.program,
        "version": env!("CARGO_PKG_VERSION"),
        "commit": identity.short_commit(),
        "scenario": scenario.name(),
        "about": scenario.about(),
        "planted": scenario.planted(),
        // Not every 64-bit number is one of JavaScript's.
        "seed": seed.to_string(),
        "hash": bundle::hash(outcome.trace_hash),
        "events": outcome.events,
        "delivered": outcome.delivered,
        "effects": outcome.effects,
        "broken": broken,
        "latencyMax": plan.schedule.network.latency_max,
    })
}
