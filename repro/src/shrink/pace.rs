//! How far a search is: a line that changes on a terminal, a line now and then elsewhere.

use super::case::time;
use super::search::Standing;
use crate::duration::human;
use crate::text::{count, grouped};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// The first line comes after this time, the next ones in the same distance.
const LINES: Duration = Duration::from_secs(10);

/// Shows progress on the error stream.
pub(crate) struct Pace {
    bar: Option<ProgressBar>,
    began: Instant,
    limit: Duration,
    next_line: Duration,
}

impl Pace {
    pub(crate) fn new(live: bool, limit: Duration) -> Self {
        let bar = live.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            let style = ProgressStyle::with_template("  {spinner:.green}  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Pace { bar, began: Instant::now(), limit, next_line: LINES }
    }

    /// Shows how far it is; gives a line to print if it is time for one.
    pub(crate) fn show(&mut self, standing: Standing) -> Option<String> {
        let elapsed = self.began.elapsed();
        if let Some(bar) = &self.bar {
            bar.set_message(describe(standing, elapsed, self.limit));
            bar.tick();
            return None;
        }
        if elapsed < self.next_line {
            return None;
        }
        self.next_line = elapsed + LINES;
        Some(format!("  {:>9}  {}\n", human(elapsed.as_nanos()), describe(standing, elapsed, self.limit)))
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn describe(standing: Standing, elapsed: Duration, limit: Duration) -> String {
    let Standing { looked_at, faults, nodes, at } = standing;
    let left = limit.saturating_sub(elapsed).as_secs();
    format!(
        "{}, {} left, {}, breaks at {}, at most {} s more",
        count(looked_at, "case"),
        count(faults as u64, "fault"),
        count(nodes.into(), "node"),
        time(at),
        grouped(left)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_left() {
        let standing = Standing { looked_at: 1_234, faults: 1, nodes: 3, at: 1_500_000_000 };
        let line = describe(standing, Duration::from_secs(20), Duration::from_secs(120));
        assert_eq!(line, "1,234 cases, 1 fault left, 3 nodes, breaks at 1.500s, at most 100 s more");
        assert_eq!(Pace::new(false, Duration::from_secs(9)).show(standing), None);
    }
}
