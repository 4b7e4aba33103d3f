//! How small the failures of planted bugs become: `cargo xtask bugs --shrink`.
//!
//! A failure is shrunk with `seedfast shrink`, then everything that is promised of the result is looked at from outside:
//! it breaks the same invariant, a second shrink changes nothing, and without any of its lines, taken out of the
//! bundle's text as a person would, the same invariant does not break.

use crate::campaign::{Binary, Failure};
use crate::{Trouble, Verdict, failed, lines, shell};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// No small bundle may have more lines of faults than this.
const MOST_LINES: usize = 12;
/// In the median they may have so many.
const MEDIAN_LINES: usize = 5;
/// Shrinking may take so many seconds.
const MOST_SECONDS: f64 = 120.0;

/// What came of one failure.
pub(crate) struct Small {
    name: String,
    invariant: String,
    seed: u64,
    before: u64,
    /// Lines of faults.
    lines: usize,
    settings: usize,
    nodes: u64,
    seconds: f64,
    is_whole: bool,
    is_same_again: bool,
    /// Lines without which the same breaks.
    superfluous: usize,
}

impl Small {
    /// Whether it is as small, as fast and as true as it must be.
    pub(crate) fn is_good(&self) -> bool {
        self.lines <= MOST_LINES
            && self.seconds <= MOST_SECONDS
            && self.is_whole
            && self.is_same_again
            && self.superfluous == 0
    }

    /// A row of the table.
    pub(crate) fn row(&self) -> String {
        let Small { name, invariant, seed, before, lines, settings, nodes, seconds, .. } = self;
        let mut text = format!(
            "{name:34} {invariant:6} {seed:>9} {before:>3} -> {lines:>2} faults, {settings:>2} settings, {nodes} nodes, \
             {seconds:6.1} s"
        );
        for (is_bad, words) in [
            (!self.is_whole, ", the time was up"),
            (!self.is_same_again, ", a second shrink changes it"),
            (self.superfluous > 0, ", with superfluous lines"),
        ] {
            text.push_str(if is_bad { words } else { "" });
        }
        text
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "bug": self.name, "invariant": self.invariant, "seed": self.seed, "before": self.before,
            "lines": self.lines, "settings": self.settings, "nodes": self.nodes, "seconds": self.seconds,
            "whole": self.is_whole, "same_again": self.is_same_again, "superfluous": self.superfluous,
            "ok": self.is_good(),
        })
    }
}

/// Shrinks a failure of the bug called `name`.
pub(crate) fn measure(binary: &Binary, name: &str, scenario: &str, failure: &Failure) -> Verdict<Small> {
    let directory = shell::target().join("xtask/small");
    std::fs::create_dir_all(&directory)
        .map_err(|error| Trouble::Cannot(format!("{} cannot be made: {error}", shell::name(&directory))))?;
    let file = |end: &str| directory.join(format!("{name}{end}.repro"));
    let (first, second) = (file(""), file("-again"));
    let shrunk = shrink(binary, &[scenario, &failure.seed.to_string()], &first)?;
    shrink(binary, &[&first.to_string_lossy()], &second)?;
    let invariant = shrunk["invariant"].as_str().unwrap_or_default().to_owned();
    if invariant != failure.invariant {
        return failed(format!("{name}: {} was to be shrunk, and {invariant} was", failure.invariant));
    }
    let text = shell::read(&first)?;
    let count = |list: &Value| list.as_array().map_or(0, Vec::len);
    Ok(Small {
        name: name.to_owned(),
        seed: failure.seed,
        before: shrunk["before"]["faults"].as_u64().unwrap_or_default(),
        lines: count(&shrunk["faults"]),
        settings: count(&shrunk["settings"]),
        nodes: shrunk["nodes"].as_u64().unwrap_or_default(),
        seconds: shrunk["wall_seconds"].as_f64().unwrap_or(f64::MAX),
        is_whole: shrunk["whole"] == true,
        is_same_again: plan(&text) == plan(&shell::read(&second)?),
        superfluous: superfluous(binary, &text, count(&shrunk["faults"]), &invariant, &file("-without"))?,
        invariant,
    })
}

fn shrink(binary: &Binary, what: &[&str], out: &Path) -> Verdict<Value> {
    let mut command = binary.command();
    command.arg("shrink").args(what).args(["--json", "--out"]).arg(out);
    let told = shell::text(&mut command)?;
    serde_json::from_str(&told)
        .map_err(|error| Trouble::Failed(format!("`{}` prints no JSON: {error}", shell::line(&command))))
}

/// What a bundle runs, as text: its seed and everything from its plan on to the events.
fn plan(bundle: &str) -> (Option<&str>, Option<&str>) {
    let seed = bundle.lines().find(|line| line.starts_with("seed = "));
    let plan = bundle.split_once("\n[plan").map(|(_, plan)| plan.split("\n[events").next().unwrap_or(plan));
    (seed, plan)
}

/// How many of the `faults` lines of a bundle's text can be taken out so that the same invariant breaks without them.
fn superfluous(
    binary: &Binary,
    text: &str,
    faults: usize,
    invariant: &str,
    file: &PathBuf,
) -> Verdict<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let (mut seen, mut found) = (0, 0);
    for (number, line) in lines.iter().enumerate() {
        if !line.starts_with("    { at = ") {
            continue;
        }
        seen += 1;
        let without = lines.iter().enumerate().filter(|(other, _)| *other != number);
        let without: String = without.flat_map(|(_, line)| [*line, "\n"]).collect();
        shell::write(file, without)?;
        let ended = shell::output(binary.command().arg("replay").arg(file))?;
        if !matches!(ended.status.code(), Some(0 | 1 | 3)) {
            let errors = String::from_utf8_lossy(&ended.stderr);
            return failed(format!(
                "without line {} a bundle is none any more: {}",
                number + 1,
                errors.trim()
            ));
        }
        let told = String::from_utf8_lossy(&ended.stdout);
        found += usize::from(told.lines().any(|line| line.starts_with(&format!("  {invariant}  "))));
    }
    if seen != faults {
        return failed(format!("{seen} lines of a bundle were taken for its {faults} faults"));
    }
    Ok(found)
}

/// What all of them come to.
pub(crate) fn judge(small: &[Small], has_json: bool) -> Verdict {
    let counts: Vec<usize> = small.iter().map(|small| small.lines).collect();
    let seconds: Vec<f64> = small.iter().map(|small| small.seconds).collect();
    let (Some(median), Some(most)) = (lines::median(&counts), counts.iter().max()) else {
        return failed("no failure was found, so none was shrunk");
    };
    let slowest = seconds.iter().copied().fold(0.0, f64::max);
    if !has_json {
        println!(
            "{} bugs: {median} lines in the median, {most} at most; {:.1} s in the median, {slowest:.1} s at most",
            small.len(),
            lines::median(&seconds).unwrap_or_default()
        );
    }
    let bad: Vec<&str> =
        small.iter().filter(|small| !small.is_good()).map(|small| small.name.as_str()).collect();
    match (bad.is_empty(), median <= MEDIAN_LINES) {
        (true, true) => Ok(()),
        (true, false) => failed(format!("{median} lines in the median, not at most {MEDIAN_LINES}")),
        (false, _) => failed(format!("not shrunk as they should be: {}", bad.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_what_stands_between_its_head_and_the_events() {
        let bundle =
            "# seed = 1\nseed = 2\n\n[build]\nx = 1\n\n[plan.schedule]\nnodes = 3\n\n[events]\nhead = 1\n";
        assert_eq!(plan(bundle), (Some("seed = 2"), Some(".schedule]\nnodes = 3\n")));
        assert_eq!(plan("").1, None);
    }
}
