//! How far a campaign is: a bar on a terminal, a line now and then elsewhere.

use crate::campaign::Progress;
use crate::duration::human;
use crate::text::{count, grouped};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// Shows progress on the error stream.
pub(crate) struct Meter {
    bar: Option<ProgressBar>,
    next_line: Duration,
}

/// A bar of so many steps, whatever it measures.
const STEPS: u64 = 1000;
/// The first line comes after this time, the next ones in the same distance.
const LINES: Duration = Duration::from_secs(10);

impl Meter {
    pub(crate) fn new(live: bool) -> Self {
        let bar = live.then(|| {
            let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr_with_hz(10));
            let style = ProgressStyle::with_template("  {bar:30.green/dim}  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━─"));
            bar
        });
        Meter { bar, next_line: LINES }
    }

    /// Shows `progress`; gives a line to print if it is time for one.
    pub(crate) fn show(&mut self, progress: &Progress) -> Option<String> {
        if let Some(bar) = &self.bar {
            bar.set_position((share(progress) * STEPS as f64) as u64);
            bar.set_message(describe(progress));
            return None;
        }
        if progress.elapsed < self.next_line {
            return None;
        }
        self.next_line = progress.elapsed + LINES;
        Some(format!("  {:>9}  {}\n", human(progress.elapsed.as_nanos()), describe(progress)))
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How much is done, from 0 to 1, by seeds or by time, whichever is nearer to its end.
fn share(progress: &Progress) -> f64 {
    let by_seeds = progress.of.map_or(0.0, |of| progress.seeds as f64 / of.max(1) as f64);
    let by_time = progress
        .limit
        .map_or(0.0, |limit| progress.elapsed.as_secs_f64() / limit.as_secs_f64().max(f64::MIN_POSITIVE));
    by_seeds.max(by_time).min(1.0)
}

fn describe(progress: &Progress) -> String {
    let elapsed = progress.elapsed.as_secs_f64();
    let rate = progress.seeds as f64 / elapsed.max(0.001);
    let failures = match progress.failures {
        0 => "no failure".to_owned(),
        failures => count(failures, "failure"),
    };
    let share = share(progress);
    let left = match share > 0.0 {
        true => format!(", {} s left", grouped((elapsed / share - elapsed).ceil().max(0.0) as u64)),
        false => String::new(),
    };
    format!("{}, {}/s, {failures}{left}", count(progress.seeds, "seed"), grouped(rate as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_rare_and_say_everything() {
        let mut meter = Meter::new(false);
        let at = |seconds| Progress {
            seeds: 1_000 * seconds,
            of: Some(40_000),
            failures: 1,
            elapsed: Duration::from_secs(seconds),
            limit: Some(Duration::from_secs(80)),
        };
        assert_eq!(meter.show(&at(1)), None);
        let line = meter.show(&at(10)).expect("ten seconds are over");
        assert_eq!(line, "     10.0 s  10,000 seeds, 1,000/s, 1 failure, 30 s left\n");
        assert_eq!(meter.show(&at(11)), None);
    }
}
