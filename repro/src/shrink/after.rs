//! After a campaign: the first failure of each signature, shrunk by itself.

use super::case::Case;
use super::{Means, Refused, Shrunk, shrink_case, small_name};
use crate::campaign::Findings;
use crate::files;
use crate::run::Setting;
use crate::text::{Console, Paint};
use seedfast_sim::Scenario;
use serde_json::{Value, json as object};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long one failure is shrunk.
const EACH: Duration = Duration::from_secs(30);
/// How long all of them are.
const ALL: Duration = Duration::from_secs(90);

/// A failure in its shortest form.
pub(crate) struct Small {
    shrunk: Shrunk,
    /// Where its bundle is; none if it could not be written.
    path: Option<PathBuf>,
}

/// Shrinks the first failure of each signature, in their order, and writes the small bundles beside the others. What
/// cannot be shrunk is left as it is: the campaign has its findings.
pub(crate) fn campaign(
    setting: &Setting,
    findings: &Findings,
    directory: &Path,
    console: &mut Console<'_>,
) -> Vec<Small> {
    let Setting { campaign, is_guided, .. } = setting;
    let began = Instant::now();
    let mut found = Vec::new();
    for signature in findings.signatures.values() {
        let Some(failure) = signature.examples.iter().find(|failure| failure.repeats) else { continue };
        let limit = EACH.min(ALL.saturating_sub(began.elapsed()));
        if limit.is_zero() {
            let (name, seed) = (failure.scenario, failure.seed);
            console.note(&format!("not shrunk for lack of time: {name}, seed {seed}\n"));
            continue;
        }
        let of = |scenario: &&&'static dyn Scenario| scenario.name() == failure.scenario;
        let Some(scenario) = campaign.scenarios.iter().find(of) else { continue };
        let means = Means { jobs: campaign.jobs, limit, watchdog: campaign.watchdog.min(limit) };
        let case = Case { seed: failure.seed, plan: failure.bundle.plan.clone() };
        match shrink_case(*scenario, case, means, &mut |_| ()) {
            Ok(shrunk) => {
                // Half of the schedules that are bred run under the seed of the one that they were bred from.
                let stem = is_guided.then(|| failure.bundle.bred_stem());
                let name = stem.map_or_else(|| shrunk.file_name(), |stem| small_name(&stem));
                let path = write(&shrunk, &directory.join(name), console);
                found.push(Small { shrunk, path });
            }
            Err(Refused::Trouble(trouble)) => console.note(&format!("not shrunk: {trouble}\n")),
            Err(Refused::Held | Refused::Differs) => {}
        }
    }
    found
}

fn write(shrunk: &Shrunk, path: &Path, console: &mut Console<'_>) -> Option<PathBuf> {
    let written = shrunk.text(path).and_then(|text| files::write(path, text.as_bytes()));
    written.map_err(|trouble| console.note(&format!("the small bundle is not saved: {trouble}\n"))).ok()?;
    Some(path.to_path_buf())
}

/// All of them for people.
pub(crate) fn report(small: &[Small], paint: Paint) -> String {
    small.iter().map(|small| format!("{}\n", small.shrunk.told(small.path.as_deref(), paint))).collect()
}

/// All of them for programs.
pub(crate) fn json(small: &[Small]) -> Value {
    let one = |small: &Small| {
        let shrunk = &small.shrunk;
        object!({
            "scenario": shrunk.scenario,
            "seed": shrunk.seed,
            "invariant": shrunk.signature.invariant,
            "faults": shrunk.faults,
            "settings": shrunk.settings,
            "whole": shrunk.is_whole,
            "bundle": small.path,
        })
    };
    small.iter().map(one).collect()
}
