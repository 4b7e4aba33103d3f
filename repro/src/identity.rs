//! Which build this is, so that a bundle can say what to check out and a replay can say what differs.

use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::OnceLock;

/// Everything about a build that can change a trace. What could not be found out is `unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The program's name: `seedfast`, or a user's own with his own scenarios.
    pub program: String,
    /// The git commit.
    pub commit: String,
    /// Whether the sources differed from that commit; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    /// A hash of the sources of everything that can change a trace, uncommitted changes included.
    pub sources: String,
    /// A hash of `Cargo.lock`.
    pub lock: String,
    /// `rustc --version`.
    pub compiler: String,
    /// Whether the core's contracts are evaluated.
    pub contracts: bool,
    /// A hash of the executable, for a program whose own sources the hash above does not cover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
}

/// The program whose sources `sources` covers entirely.
const OURS: &str = "seedfast";

impl Identity {
    /// The running build.
    pub fn current() -> &'static Identity {
        static CURRENT: OnceLock<Identity> = OnceLock::new();
        CURRENT.get_or_init(|| {
            let path = std::env::current_exe().ok();
            let program =
                path.as_deref().and_then(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned());
            let program = program.unwrap_or_else(|| "unknown".to_owned());
            let executable = path
                .filter(|_| program != OURS)
                .and_then(|path| std::fs::read(path).ok())
                .map(|bytes| format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes)));
            Identity {
                program,
                commit: env!("SEEDFAST_COMMIT").to_owned(),
                dirty: env!("SEEDFAST_DIRTY").parse().ok(),
                sources: env!("SEEDFAST_SOURCES").to_owned(),
                lock: env!("SEEDFAST_LOCK").to_owned(),
                compiler: env!("SEEDFAST_COMPILER").to_owned(),
                contracts: cfg!(feature = "contracts"),
                executable,
            }
        })
    }

    /// Whether this is Seedfast's own program, which its commit describes entirely.
    pub fn is_ours(&self) -> bool {
        self.program == OURS
    }

    /// What the first seed of a campaign follows from: the commit or, in a program with scenarios of its own, the
    /// executable; and which of them it is.
    pub fn origin(&self) -> (&str, &'static str) {
        match &self.executable {
            Some(executable) if !self.is_ours() => (executable, "executable"),
            _ => (&self.commit, if self.is_ours() { "commit" } else { "seedfast commit" }),
        }
    }

    /// How this program is started from a checkout or, if it is not ours, by its name.
    pub fn command(&self) -> &str {
        if self.program == OURS { "cargo run --release --" } else { &self.program }
    }

    /// The commit as people write it, with a `+` if the sources had changes of their own.
    pub fn short_commit(&self) -> String {
        let short = self.commit.get(..7).filter(|_| self.commit.len() == 40).unwrap_or(&self.commit);
        format!("{short}{}", if self.dirty == Some(true) { "+" } else { "" })
    }

    /// The parts in which `other`, which wrote a bundle, differs from this build; none if both must give the same
    /// bytes for the same plan.
    pub fn differences(&self, other: &Identity) -> Vec<String> {
        let mut parts = Vec::new();
        let mut compare = |name: &str, theirs: &str, ours: &str| {
            if theirs != ours {
                parts.push(format!("{name} {theirs} there, {ours} here"));
            }
        };
        compare("program", &other.program, &self.program);
        compare("commit", &other.short_commit(), &self.short_commit());
        compare("sources", &other.sources, &self.sources);
        compare("lock file", &other.lock, &self.lock);
        compare("compiler", &other.compiler, &self.compiler);
        compare("contracts", on_or_off(other.contracts), on_or_off(self.contracts));
        let executable =
            |identity: &Identity| identity.executable.clone().unwrap_or_else(|| "none".to_owned());
        compare("executable", &executable(other), &executable(self));
        parts
    }

    /// What to do to a checkout to get this build, as a line for people; none if it is unknown.
    pub fn checkout(&self) -> Option<String> {
        if self.commit == "unknown" {
            return None;
        }
        let changes =
            if self.dirty == Some(true) { " with uncommitted changes (sources " } else { " (sources " };
        let (commit, sources, contracts) = (&self.commit, &self.sources, on_or_off(self.contracts));
        let whose = if self.is_ours() { "" } else { "seedfast " };
        let executable = self.executable.as_ref().filter(|_| !self.is_ours());
        let executable = executable
            .map_or_else(String::new, |executable| format!("; {} is executable {executable}", self.program));
        Some(format!("{whose}commit {commit}{changes}{sources}), contracts {contracts}{executable}"))
    }
}

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// How the user started this program, ready for a subcommand to be appended: `cargo run --release --`, or the path
/// that he typed.
pub fn invocation() -> String {
    if std::env::var_os("CARGO_PKG_NAME").is_some() {
        return through_cargo(std::env::current_exe().ok().as_deref());
    }
    let typed = std::env::args().next().unwrap_or_else(|| OURS.to_owned());
    if typed.contains(char::is_whitespace) { format!("'{typed}'") } else { typed }
}

fn through_cargo(executable: Option<&Path>) -> String {
    let stem = executable.and_then(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned());
    let is_example = executable.and_then(Path::parent).is_some_and(|parent| parent.ends_with("examples"));
    let contracts = if cfg!(feature = "contracts") { "" } else { " --no-default-features" };
    match stem {
        Some(stem) if is_example => format!("cargo run --release{contracts} --example {stem} --"),
        Some(stem) if stem != OURS => format!("cargo run --release{contracts} --bin {stem} --"),
        _ => format!("cargo run --release{contracts} --"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_equals_itself_and_names_what_differs_in_another() {
        let here = Identity::current();
        assert!(here.differences(here).is_empty());
        let there = Identity { commit: "f".repeat(40), compiler: "rustc 1.0.0".to_owned(), ..here.clone() };
        let parts = here.differences(&there);
        assert!(parts.iter().any(|part| part.starts_with("commit fffffff")), "{parts:?}");
        assert!(parts.iter().any(|part| part.starts_with("compiler rustc 1.0.0 there")), "{parts:?}");
    }

    #[test]
    fn a_foreign_program_follows_its_executable_and_does_not_claim_our_commit() {
        let ours = Identity {
            program: "seedfast".to_owned(),
            commit: "a".repeat(40),
            executable: None,
            ..Identity::current().clone()
        };
        assert_eq!(ours.origin(), ("a".repeat(40).as_str(), "commit"));
        assert!(ours.checkout().is_some_and(|line| line.starts_with("commit aaa")));
        let executable = Some("0123456789abcdef".to_owned());
        let theirs = Identity { program: "mine".to_owned(), executable, ..ours };
        assert_eq!(theirs.origin(), ("0123456789abcdef", "executable"));
        let line = theirs.checkout().expect("the commit is known");
        assert!(line.starts_with("seedfast commit aaa"), "{line}");
        assert!(line.ends_with("; mine is executable 0123456789abcdef"), "{line}");
    }

    #[test]
    fn the_line_for_cargo_names_examples_and_foreign_binaries() {
        assert_eq!(through_cargo(Some(Path::new("target/release/seedfast"))), "cargo run --release --");
        assert_eq!(
            through_cargo(Some(Path::new("target/release/examples/toy"))),
            "cargo run --release --example toy --"
        );
        assert_eq!(through_cargo(Some(Path::new("target/debug/mine"))), "cargo run --release --bin mine --");
    }
}
