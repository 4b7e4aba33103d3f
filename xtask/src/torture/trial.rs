//! A test of the torturer: a cluster that loses acknowledged writes must be found, and the same one that does not must
//! not be.
//!
//! Two of three replicas are killed and given journals back that they had some seconds ago, as if their disks had lied
//! about every sync since. What they had promised and acknowledged is gone, and with it, once they have served somebody,
//! what a majority stood for.

use super::run::{self, Manner};
use super::settings::Settings;
use crate::{Verdict, failed};
use std::path::Path;

/// Runs both.
pub(crate) fn run(settings: &Settings, binary: &Path) -> Verdict {
    for forget in [false, true] {
        let name = if forget { "forgetful" } else { "faithful" };
        let mut own = settings.clone();
        own.out = settings.out.join(name);
        eprintln!("self-test: a {name} cluster");
        let report = run::run(&own, binary, Manner::Trial { forget })?;
        print!("{report}");
        let lost = report
            .findings
            .iter()
            .any(|finding| finding.contains("an acknowledged write was lost") || finding.starts_with("I14"));
        if forget && !lost {
            return failed("a majority forgot what it had acknowledged, and the torturer did not notice");
        }
        if let Some(first) = report.findings.first().filter(|_| !forget) {
            return failed(format!("a cluster that forgot nothing was found wanting: {first}"));
        }
    }
    if !settings.keep {
        // It was wanted; nobody has to look at it.
        let _ = std::fs::remove_dir_all(&settings.out);
    }
    println!("the torturer noticed that acknowledged writes were lost, and nothing where none were");
    Ok(())
}
