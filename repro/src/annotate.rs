//! What a campaign found, as GitHub shows it beside a commit: workflow commands, one line each.
//!
//! A runner obeys every line that begins with `::`, so what comes from outside (an invariant's sentence, a path) is
//! escaped as its documentation says; a line cannot end before its end.

use crate::campaign::Findings;
use crate::report::{Again, Saved, saved_of};
use crate::text::count;

/// A runner shows so many errors of a step and forgets the others.
const MOST: usize = 10;

/// Whether this process runs in a step of GitHub Actions.
pub(crate) fn is_asked_for() -> bool {
    std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true")
}

/// The lines; none if nothing broke and nothing is missing.
pub(crate) fn lines(findings: &Findings, saved: &Saved, missing: &[String], again: Again<'_>) -> String {
    let mut found: Vec<(String, String)> = Vec::new();
    for (scenario, tally) in &findings.scenarios {
        let Some(first) = findings.mismatches.iter().find(|one| one.scenario == *scenario) else { continue };
        found.push((
            format!("{scenario}: two runs of one seed differed"),
            format!(
                "{}; {}\nsee it again: {}",
                count(tally.rerun_mismatches, "seed"),
                first.between,
                again.check(scenario, first.seed)
            ),
        ));
    }
    if let Some(stuck) = &findings.stuck {
        let scenario = stuck.scenario.name();
        let path = saved_of(stuck.bundle.as_deref(), saved);
        let line = again.line(scenario, stuck.seed, path);
        found.push((format!("{scenario}: seed {} does not end", stuck.seed), format!("replay it: {line}")));
    }
    for ((scenario, invariant), signature) in &findings.signatures {
        let shown = &signature.examples[0];
        let path = saved.get(&shown.bundle.plan_hash);
        let bundle = path.map_or_else(String::new, |path| format!("\nits bundle: {}", path.display()));
        found.push((
            format!("{scenario}: {invariant} broke in {}", count(signature.seeds, "seed")),
            format!("{}\nreplay it: {}{bundle}", shown.what, again.line(scenario, shown.seed, path)),
        ));
    }
    for what in missing {
        found.push(("a part of the campaign is missing".to_owned(), what.clone()));
    }
    if found.len() > MOST {
        let more = found.len() + 1 - MOST;
        found.truncate(MOST - 1);
        found.push((
            format!("and {more} more kinds of failure"),
            "the log of this step shows them".to_owned(),
        ));
    }
    found.iter().map(|(title, message)| error(title, message)).collect()
}

fn error(title: &str, message: &str) -> String {
    format!("::error title={}::{}\n", property(title), data(message))
}

/// What stands behind the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What stands between commas before it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a runner makes of a line: its command, the command's title, and its message.
    fn obeyed(line: &str) -> Option<(String, String, String)> {
        let (head, message) = line.strip_prefix("::")?.split_once("::")?;
        let (command, properties) = head.split_once(' ')?;
        let title = properties.split(',').find_map(|pair| pair.strip_prefix("title="))?;
        let plain = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n");
        let title = plain(title).replace("%3A", ":").replace("%2C", ",").replace("%25", "%");
        Some((command.to_owned(), title, plain(message).replace("%25", "%")))
    }

    #[test]
    fn hostile_text_stays_in_its_line_and_comes_out_as_it_went_in() {
        for hostile in
            ["a\n::stop-commands::x", "50 %0A, file=/etc/passwd::error", "\r\n::error::", "::", "100%"]
        {
            let line = error(hostile, hostile);
            assert_eq!(line.matches(['\n', '\r']).count(), 1, "{line:?}");
            let (command, title, message) = obeyed(line.trim_end()).expect("a runner obeys it");
            assert_eq!((command.as_str(), title.as_str(), message.as_str()), ("error", hostile, hostile));
        }
    }
}
