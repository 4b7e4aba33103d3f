//! What an exploration says: to people, and to programs in one JSON object.

use crate::duration::human;
use crate::explore::{Found, Setting};
use crate::identity::{self, Identity};
use crate::text::{Paint, count, grouped};
use seedfast_scenarios::explore::{Case, Tally, Violation, model_name};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// What is about to be explored.
pub(crate) fn opening(setting: &Setting) -> String {
    let models: Vec<&str> = setting.models.iter().map(|model| model_name(*model)).collect();
    let seeds = match setting.end {
        u64::MAX => format!("seeds from {}", setting.first),
        end => format!("seeds {}..{end}", setting.first),
    };
    let limit = setting.limit.map_or_else(String::new, |limit| format!(", {}", human(limit.as_nanos())));
    format!(
        "{}\nexploring the journal: {}, {seeds}, crashes inside recoveries to depth {}, {}{limit}\n",
        crate::cli::banner(),
        models.join(" and "),
        setting.limits.depth,
        count(setting.jobs as u64, "job"),
    )
}

/// Images per second and core, by the processor's time.
fn rate(images: u64, busy: Duration) -> u64 {
    (u128::from(images) * 1_000_000_000 / busy.as_nanos().max(1)) as u64
}

/// One line while it runs.
pub(crate) fn progress(found: &Found, elapsed: Duration) -> String {
    let Tally { sequences, images, .. } = found.total;
    format!(
        "  {:>9}  {}, {}, {} images/s/core, {}\n",
        human(elapsed.as_nanos()),
        count(sequences, "sequence"),
        count(images, "image"),
        grouped(rate(images, found.busy)),
        match found.total.violations {
            0 => "no violation".to_owned(),
            some => count(some, "violation"),
        }
    )
}

/// The whole of it.
pub(crate) fn summary(setting: &Setting, found: &Found, paint: Paint) -> String {
    let total = &found.total;
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:14} {value}");
    };
    row("sequences", grouped(total.sequences));
    row("crash points", grouped(total.crash_points));
    row("new images", format!("{} of {} built", grouped(total.images), grouped(total.visited)));
    let [story, first, second, deeper] = total.by_depth;
    row(
        "",
        format!(
            "{} left by crashes of the story, {} inside a recovery or its work, {} one deeper{}",
            grouped(story),
            grouped(first),
            grouped(second),
            if deeper > 0 { format!(", {} beyond", grouped(deeper)) } else { String::new() }
        ),
    );
    row(
        "recoveries",
        format!("{}, {} of them crashed again", grouped(total.recoveries), grouped(total.nested)),
    );
    row("struck at rest", format!("{}, {} refused", grouped(total.strikes), grouped(total.refused)));
    row("images/s/core", grouped(rate(total.images, found.busy)));
    row("wall time", format!("{} with {}", human(found.wall.as_nanos()), count(setting.jobs as u64, "job")));
    let rows: Vec<String> = total.met().map(|(row, times)| format!("{row} {}", grouped(times))).collect();
    row("rows", if rows.is_empty() { "none".to_owned() } else { rows.join(", ") });
    text.push_str(&violation(found, paint));
    if found.case.is_none() {
        let _ = writeln!(text, "\n{}", paint.good("every image was recovered as it must be"));
    }
    text
}

/// The violation, if there is one.
pub(crate) fn violation(found: &Found, paint: Paint) -> String {
    let (Some(first), Some(case), Some(path)) = (&found.case, &found.shrunk, &found.saved) else {
        return String::new();
    };
    let mut text = format!("\n{} {}\n", paint.bad(&format!("{} broken:", case.broken)), case.what);
    let _ = writeln!(
        text,
        "  found in sequence {}, after {}",
        first.sequence.name,
        count(found.total.images, "image")
    );
    let _ = writeln!(
        text,
        "  shrunk to {} from {}",
        count(case.sequence.ops.len() as u64, "operation"),
        first.sequence.ops.len()
    );
    text.push_str(&told(case, paint));
    let _ = writeln!(text, "  replay with: {} replay {}", identity::invocation(), path.display());
    text
}

/// Operations and crashes, a line each.
fn told(case: &Case, paint: Paint) -> String {
    let mut text = format!("  {}\n", paint.dim(&case.sequence.shape.to_string()));
    for op in &case.sequence.ops {
        let _ = writeln!(text, "    {op}");
    }
    for crash in &case.path {
        let _ = writeln!(text, "    {}", paint.bold(&format!("crash: {crash}")));
    }
    text
}

/// What a replay saw.
pub(crate) fn replayed(case: &Case, violation: Option<&Violation>, took: &str, paint: Paint) -> String {
    let mut text = format!("{}\nsequence {}, replayed in {took}\n", crate::cli::banner(), case.sequence.name);
    text.push_str(&told(case, paint));
    match violation {
        Some(violation) => {
            let rule = violation.wrong.rule.to_string();
            let _ = writeln!(text, "\n{} {}", paint.bad(&format!("{rule} broken:")), violation.wrong.what);
            if rule != case.broken || violation.wrong.what != case.what {
                let _ = writeln!(text, "recorded was {}: {}", case.broken, case.what);
            }
        }
        None => {
            let _ = writeln!(text, "\n{}", paint.good("all held"));
            if !case.broken.is_empty() {
                let _ = writeln!(text, "recorded was {}: {}", case.broken, case.what);
            }
        }
    }
    text
}

/// The object, on one line.
pub(crate) fn json(setting: &Setting, found: &Found) -> String {
    let total = &found.total;
    let rows: Map<String, Value> = total.met().map(|(row, times)| (row.to_string(), json!(times))).collect();
    let object = json!({
        "explored": "journal",
        "models": setting.models.iter().map(|model| model_name(*model)).collect::<Vec<_>>(),
        "first_seed": setting.first,
        "end_seed": (setting.end != u64::MAX).then_some(setting.end),
        "jobs": setting.jobs,
        "depth": setting.limits.depth,
        "exit_code": u8::from(found.case.is_some()),
        "sequences": total.sequences,
        "crash_points": total.crash_points,
        "visited": total.visited,
        "images": total.images,
        "images_by_depth": total.by_depth,
        "images_per_core_second": rate(total.images, found.busy),
        "recoveries": total.recoveries,
        "nested": total.nested,
        "strikes": total.strikes,
        "refused": total.refused,
        "rows": rows,
        "violations": total.violations,
        "wall_seconds": found.wall.as_secs_f64(),
        "violation": found.shrunk.as_ref().map(|case| json!({
            "rule": case.broken,
            "what": case.what,
            "sequence": case.sequence.name,
            "operations": case.sequence.ops.len(),
            "bundle": found.saved,
        })),
        "build": Identity::current(),
    });
    format!("{object}\n")
}
