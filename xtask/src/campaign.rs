//! Building the binary `seedfast` in several flavours, and asking it for scenarios, traces and campaigns.

use crate::{Trouble, Verdict, cannot, failed, shell};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// How the binary is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flavour {
    /// Release, or the profile of tests.
    pub(crate) release: bool,
    /// Whether contracts are evaluated.
    pub(crate) contracts: bool,
}

impl Flavour {
    /// What campaigns run.
    pub(crate) const USUAL: Flavour = Flavour { release: true, contracts: true };
    /// What production runs.
    pub(crate) const PRODUCTION: Flavour = Flavour { release: true, contracts: false };
    /// What tests run.
    pub(crate) const DEBUG: Flavour = Flavour { release: false, contracts: true };

    /// Its name, for people and for files.
    pub(crate) fn name(self) -> &'static str {
        match (self.release, self.contracts) {
            (true, true) => "release",
            (true, false) => "release-without-contracts",
            (false, true) => "debug",
            (false, false) => "debug-without-contracts",
        }
    }

    /// Builds the binary of the tree at `tree` and keeps a copy, since the next flavour overwrites cargo's.
    pub(crate) fn build(self, tree: &Path, target: &Path, speed: &[&str]) -> Verdict<Binary> {
        let mut cargo = shell::cargo();
        cargo.current_dir(tree).env("CARGO_TARGET_DIR", target);
        cargo.args(["build", "--quiet", "--locked", "-p", "seedfast", "--bin", "seedfast"]).args(speed);
        if self.release {
            cargo.arg("--release");
        }
        if !self.contracts {
            cargo.arg("--no-default-features");
        }
        eprintln!("$ {}", shell::line(&cargo));
        let built = shell::output(&mut cargo)?;
        if !built.status.success() {
            return failed(format!(
                "it does not build\n{}",
                String::from_utf8_lossy(&built.stderr).trim_end()
            ));
        }
        self.keep(target)
    }

    /// A copy of what was built last.
    fn keep(self, target: &Path) -> Verdict<Binary> {
        let profile = if self.release { "release" } else { "debug" };
        let path =
            target.join("xtask").join(format!("seedfast-{}{}", self.name(), std::env::consts::EXE_SUFFIX));
        let from = target.join(profile).join(format!("seedfast{}", std::env::consts::EXE_SUFFIX));
        std::fs::create_dir_all(path.parent().expect("it has one"))
            .and_then(|()| std::fs::copy(&from, &path))
            .map_err(|error| Trouble::Cannot(format!("{} cannot be copied: {error}", shell::name(&from))))?;
        Ok(Binary { path })
    }
}

/// Builds a flavour of this very tree.
pub(crate) fn build(flavour: Flavour) -> Verdict<Binary> {
    let target = shell::target();
    if flavour == Flavour::DEBUG {
        shell::build_tests()?;
        return flavour.keep(&target);
    }
    // One has a place of its own, so that two can be built at once: the last step of each is one thread's.
    let own = if flavour == Flavour::PRODUCTION { target.join("xtask").join(flavour.name()) } else { target };
    flavour.build(shell::root(), &own, &[])
}

/// Builds both flavours for release.
pub(crate) fn build_release() -> Verdict {
    thread::scope(|scope| {
        let other = scope.spawn(|| build(Flavour::PRODUCTION));
        let usual = build(Flavour::USUAL);
        other.join().expect("building does not panic").and(usual).map(drop)
    })
}

/// A built `seedfast`.
#[derive(Debug)]
pub(crate) struct Binary {
    path: PathBuf,
}

/// The first failure of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Which seed.
    pub(crate) seed: u64,
    /// What broke.
    pub(crate) invariant: String,
}

impl Binary {
    /// One that was built before.
    pub(crate) fn at(path: PathBuf) -> Self {
        Binary { path }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A command that runs it, in the repository's root.
    pub(crate) fn command(&self) -> Command {
        shell::command(&self.path)
    }

    /// The names of all scenarios, those with a planted bug included.
    pub(crate) fn scenarios(&self) -> Verdict<Vec<String>> {
        let listed = shell::text(self.command().args(["scenarios", "--json"]))?;
        let listed: Value = serde_json::from_str(&listed).map_err(|error| {
            Trouble::Failed(format!("`seedfast scenarios --json` prints no JSON: {error}"))
        })?;
        let rows = listed.get("scenarios").unwrap_or(&listed).as_array().into_iter().flatten();
        let names: Vec<String> = rows.filter_map(|row| Some(row["name"].as_str()?.to_owned())).collect();
        if names.is_empty() { failed("`seedfast scenarios --json` lists none") } else { Ok(names) }
    }

    /// The trace of one seed. A seed that violates an invariant has a trace like any other.
    pub(crate) fn trace(
        &self,
        scenario: &str,
        seed: u64,
        set: impl FnOnce(&mut Command),
    ) -> Verdict<Vec<u8>> {
        let file =
            shell::target().join("xtask").join(format!("{scenario}-{seed}-{}.trace", std::process::id()));
        let mut command = self.command();
        command.args(["replay", scenario, &seed.to_string(), "--trace"]).arg(&file);
        command.stdout(Stdio::null());
        set(&mut command);
        let ended = shell::output(&mut command)?;
        if !matches!(ended.status.code(), Some(0 | 1)) {
            let errors = String::from_utf8_lossy(&ended.stderr);
            return failed(format!("`{}`: {}\n{}", shell::line(&command), ended.status, errors.trim_end()));
        }
        let bytes = std::fs::read(&file).map_err(|error| {
            Trouble::Failed(format!("`{}` wrote no trace: {error}", shell::line(&command)))
        })?;
        // Leaving one behind harms nobody; the next trace of that name overwrites it.
        let _ = std::fs::remove_file(&file);
        Ok(bytes)
    }

    /// Runs a campaign and hands back the object that `--json` prints. Violations (exit code 1) are a result.
    pub(crate) fn run(&self, arguments: &[&str]) -> Verdict<Value> {
        self.asked(&["run", "--no-shrink"], arguments)
    }

    /// Explores the journal's crash images, the same way.
    pub(crate) fn explore(&self, arguments: &[&str]) -> Verdict<Value> {
        self.asked(&["explore", "journal"], arguments)
    }

    fn asked(&self, what: &[&str], arguments: &[&str]) -> Verdict<Value> {
        let mut command = self.command();
        command
            .args(what)
            .args(["--json", "--out"])
            .arg(shell::target().join("xtask/bundles"))
            .args(arguments);
        let ended = shell::output(&mut command)?;
        let errors = String::from_utf8_lossy(&ended.stderr);
        match ended.status.code() {
            Some(0 | 1) => serde_json::from_slice(&ended.stdout).map_err(|error| {
                Trouble::Failed(format!("`{}` prints no JSON: {error}", shell::line(&command)))
            }),
            Some(3) => {
                failed(format!("two runs of one seed differed: `{}`\n{errors}", shell::line(&command)))
            }
            _ => cannot(format!("`{}`: {}\n{}", shell::line(&command), ended.status, errors.trim_end())),
        }
    }
}

/// The failure with the lowest seed among those that a campaign's object lists.
pub(crate) fn first_failure(summary: &Value) -> Option<Failure> {
    let failed = summary["failed"].as_array().into_iter().flatten().filter_map(|row| {
        Some(Failure { seed: row["seed"].as_u64()?, invariant: row["invariant"].as_str()?.to_owned() })
    });
    let stuck = summary["stuck"]["seed"].as_u64().map(|seed| Failure { seed, invariant: "stuck".to_owned() });
    failed.chain(stuck).min_by_key(|failure| failure.seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_lowest_failing_seed_is_found() {
        let campaign = json!({ "failures": 3, "stuck": { "seed": 7 }, "failed": [
            { "invariant": "I6", "seed": 9 },
            { "invariant": "I1", "seed": 4 },
        ]});
        assert_eq!(first_failure(&campaign), Some(Failure { seed: 4, invariant: "I1".into() }));
        let stuck = json!({ "failed": [], "stuck": { "seed": 7 } });
        assert_eq!(first_failure(&stuck), Some(Failure { seed: 7, invariant: "stuck".into() }));
        assert_eq!(first_failure(&json!({ "failed": [], "stuck": null })), None);
    }
}
