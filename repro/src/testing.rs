//! Scenarios under `cargo test`: [`check`] runs one like the `run` command does, and panics with the same screen.
//!
//! ```no_run
//! # fn register() -> seedfast_scenarios::toy::Toy { seedfast_scenarios::toy::TOY }
//! #[test]
//! fn no_acknowledged_write_is_lost() {
//!     seedfast::check(register()).seeds(200).run();
//! }
//! ```
//!
//! `#[seedfast::test(seeds = 200)]` on a function that returns the scenario is the same. A test runs the same seeds
//! every time, from 0 on, so that a commit that touches nothing breaks nothing. The environment can ask for more:
//!
//! | variable | says |
//! |---|---|
//! | `SEEDFAST_SEED=26` | run this seed alone, twice, and write its events and its picture beside the bundle |
//! | `SEEDFAST_SEED=a.repro` | replay this bundle, edited or not |
//! | `SEEDFAST_SEEDS=20000` | run so many seeds; or which ones (`20000..40000`) |
//!
//! What is written goes to `seedfast/PACKAGE/TEST/` in cargo's target directory.

use crate::bundle::Bundle;
use crate::campaign::{Campaign, Findings, Stopped};
use crate::cli;
use crate::duration::human;
use crate::files;
use crate::panics;
use crate::report::{self, Again, Saved};
use crate::seeds::{self, Seeds, Shard, Span};
use crate::text::{Console, Paint, count};
use crate::trouble::Trouble;
use seedfast_sim::Scenario;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many seeds a test runs that does not say.
const SEEDS: u64 = 100;

/// A scenario that is about to be run as a test.
#[must_use = "nothing runs before `run` is called"]
pub struct Check {
    scenario: &'static dyn Scenario,
    first: u64,
    seeds: u64,
    jobs: Option<usize>,
    rerun_percent: u8,
    watchdog: Duration,
    name: Option<String>,
}

/// Begins a test of `scenario`: 100 seeds from 0 on, on all processors, each tenth run twice.
pub fn check(scenario: impl Scenario + 'static) -> Check {
    Check {
        // Workers that a watchdog gave up may hold it for as long as the process lives.
        scenario: Box::leak(Box::new(scenario)),
        first: 0,
        seeds: SEEDS,
        jobs: None,
        rerun_percent: 10,
        watchdog: Duration::from_secs(60),
        name: None,
    }
}

/// What the environment asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Seed(u64),
    Bundle(PathBuf),
    Seeds(Seeds),
}

impl Asked {
    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Asked, Trouble> {
        if let Some(text) = variable("SEEDFAST_SEED") {
            let is_path = text.contains(['/', '\\']) || text.ends_with(".repro");
            return if is_path {
                Ok(Asked::Bundle(text.into()))
            } else {
                seeds::seed(&text)
                    .map(Asked::Seed)
                    .map_err(|why| Trouble::new(format!("SEEDFAST_SEED: {why}")))
            };
        }
        let Some(text) = variable("SEEDFAST_SEEDS") else { return Ok(Asked::Nothing) };
        text.parse().map(Asked::Seeds).map_err(|why| Trouble::new(format!("SEEDFAST_SEEDS: {why}")))
    }
}

impl Check {
    /// How many seeds are run; at least 1.
    pub fn seeds(mut self, seeds: u64) -> Self {
        self.seeds = seeds;
        self
    }

    /// The first seed, 0 unless said otherwise.
    pub fn first(mut self, first: u64) -> Self {
        self.first = first;
        self
    }

    /// How many seeds run beside each other; one for each processor unless said otherwise. It changes no result.
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = Some(jobs);
        self
    }

    /// How many seeds of a hundred are run twice and compared byte for byte; unless 0, the first one too.
    pub fn rerun(mut self, percent: u8) -> Self {
        self.rerun_percent = percent;
        self
    }

    /// How long one seed may take on the wall clock before it counts as looping for ever.
    pub fn watchdog(mut self, watchdog: Duration) -> Self {
        self.watchdog = watchdog;
        self
    }

    /// The test's path, crate first, for the line that replays; without it, the name of the thread is taken, which is
    /// right where tests run beside each other.
    pub fn named(mut self, path: &str) -> Self {
        self.name = Some(path.split_once("::").map_or(path, |(_, test)| test).to_owned());
        self
    }

    /// Runs it.
    ///
    /// # Panics
    /// With one screen (the invariant, the last events before it broke, the line that replays it) if an invariant broke
    /// or two runs of a seed differed; with one sentence if the environment or the scenario makes no sense.
    #[track_caller]
    pub fn run(self) {
        let result = Asked::read(|name| std::env::var(name).ok()).and_then(|asked| match asked {
            Asked::Bundle(path) => self.replay(&path),
            Asked::Seed(seed) => self.one(seed),
            Asked::Nothing => self.campaign(self.first, self.seeds),
            Asked::Seeds(Seeds::Count(seeds)) => self.campaign(self.first, seeds),
            Asked::Seeds(Seeds::Range(first, end)) => self.campaign(first, end - first),
        });
        match result {
            Ok(Told { broken: false, text }) => print!("{text}"),
            Ok(Told { broken: true, text }) => panic!("\n\n{text}"),
            Err(trouble) => panic!("{trouble}"),
        }
    }

    fn campaign(&self, first: u64, seeds: u64) -> Result<Told, Trouble> {
        if seeds == 0 {
            return Err(Trouble::new("0 seeds prove nothing; ask for at least one"));
        }
        panics::prepare();
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let campaign = Campaign {
            scenarios: vec![self.scenario],
            span: Span { first, end: first.saturating_add(seeds), shard: Shard::WHOLE },
            jobs: self.jobs.unwrap_or_else(processors),
            limit: None,
            rerun_percent: self.rerun_percent,
            keep_going: false,
            watchdog: self.watchdog,
        };
        let findings = campaign.run(&mut |_| {}).map_err(|stopped| match stopped {
            Stopped::Trouble(trouble) => trouble,
            Stopped::Panicked { at, message, .. } => {
                Trouble::new(report::harness_panic(at, &message, Again::Seed, None))
            }
        })?;
        let name = self.name();
        let (saved, unsaved) = save(&findings, &directory(&name));
        let mut text = report::failures_as(&findings, &saved, Paint(false), Again::Test(&command(&name)));
        if let Some(trouble) = unsaved {
            text.push_str(&format!("  no bundle    {trouble}\n\n"));
        }
        text.push_str(&report::verdict(&findings, Paint(false)));
        let broken = findings.exit_code() != 0;
        if !broken {
            let (total, wall) = (&findings.total, human(findings.wall.as_nanos()));
            let twice = count(total.rerun_checked, "seed");
            text.push_str(&format!("      {wall}; {twice} run twice, byte for byte the same\n"));
        }
        Ok(Told { broken, text })
    }

    /// One seed, with everything that can be known of it written down.
    fn one(&self, seed: u64) -> Result<Told, Trouble> {
        let mut told = self.campaign(seed, 1)?;
        let (name, number) = (self.scenario.name(), seed.to_string());
        let beside = |ending: &str| directory(&self.name()).join(format!("{name}-{seed}.{ending}"));
        let (events, picture) = (beside("txt"), beside("html"));
        let (_, lines) = self.command_line(&["replay", name, &number, "--verbose"])?;
        std::fs::create_dir_all(directory(&self.name())).map_err(|error| {
            Trouble::new(format!("cannot create {}: {error}", directory(&self.name()).display()))
        })?;
        files::write(&events, lines.as_bytes())?;
        self.command_line(&["show", name, &number, "--out", &picture.to_string_lossy()])?;
        told.text.push_str(&format!(
            "its events   {}\nits picture  {}\n",
            events.display(),
            picture.display()
        ));
        Ok(told)
    }

    fn replay(&self, bundle: &Path) -> Result<Told, Trouble> {
        let (code, text) = self.command_line(&["replay", &bundle.to_string_lossy()])?;
        Ok(Told { broken: code != 0, text })
    }

    /// What the program would print, and how it would exit; trouble of its own comes back as such.
    fn command_line(&self, arguments: &[&str]) -> Result<(u8, String), Trouble> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console { out: &mut out, err: &mut err, colour: false, live: false };
        let code =
            cli::run_with(&[self.scenario], std::iter::once(&"seedfast").chain(arguments), &mut console);
        let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
        if code == 2 { Err(Trouble::new(err.trim_end())) } else { Ok((code, format!("{err}{out}"))) }
    }

    fn name(&self) -> Option<String> {
        // On the main thread tests run one after another, and it is called `main` whatever it runs.
        let thread = || std::thread::current().name().filter(|name| *name != "main").map(str::to_owned);
        self.name.clone().or_else(thread)
    }
}

/// What is said in the end.
struct Told {
    broken: bool,
    text: String,
}

/// The command that runs the test called `name`, and nothing else.
fn command(name: &Option<String>) -> String {
    let package =
        std::env::var("CARGO_PKG_NAME").map_or_else(|_| String::new(), |name| format!(" -p {name}"));
    let profile = if cfg!(debug_assertions) { "" } else { " --release" };
    match (name, std::env::var_os("NEXTEST").is_some()) {
        (Some(name), true) => format!("cargo nextest run{profile}{package} -E 'test(={name})'"),
        (None, true) => format!("cargo nextest run{profile}{package}"),
        (Some(name), false) => format!("cargo test{profile}{package} -- --exact {name}"),
        (None, false) => format!("cargo test{profile}{package}"),
    }
}

/// Where a test's bundles go.
fn directory(name: &Option<String>) -> PathBuf {
    // The directory of a build is marked by cargo itself; an executable elsewhere was taken out of it.
    let target = std::env::current_exe().ok().and_then(|executable| {
        executable.ancestors().find(|above| above.join("CACHEDIR.TAG").is_file()).map(Path::to_path_buf)
    });
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_else(|_| "tests".to_owned());
    let name = name.as_deref().unwrap_or("a-test").replace("::", ".");
    target.unwrap_or_else(std::env::temp_dir).join("seedfast").join(package).join(name)
}

/// Writes the bundles; a test that failed is told either way, so what went wrong here is only said.
fn save(findings: &Findings, directory: &Path) -> (Saved, Option<Trouble>) {
    let (mut saved, mut unsaved) = (Saved::new(), None);
    let mut write = |bundle: &Bundle| -> Result<(), Trouble> {
        let path = directory.join(bundle.file_name());
        std::fs::create_dir_all(directory)
            .map_err(|error| Trouble::new(format!("cannot create {}: {error}", directory.display())))?;
        files::write(&path, bundle.to_text()?.as_bytes())?;
        saved.insert(bundle.plan_hash.clone(), path);
        Ok(())
    };
    for failure in findings.signatures.values().flat_map(|signature| &signature.examples) {
        if let Err(trouble) = write(&failure.bundle) {
            unsaved.get_or_insert(trouble);
        }
    }
    (saved, unsaved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_scenarios::toy::{TOY, TOY_DOUBLE_VOTE};

    fn asked(name: &'static str, value: &'static str) -> Result<Asked, Trouble> {
        Asked::read(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn the_environment_names_a_seed_a_bundle_or_how_many() {
        assert_eq!(Asked::read(|_| None), Ok(Asked::Nothing));
        assert_eq!(asked("SEEDFAST_SEED", "26"), Ok(Asked::Seed(26)));
        assert_eq!(asked("SEEDFAST_SEED", "a.repro"), Ok(Asked::Bundle("a.repro".into())));
        assert_eq!(asked("SEEDFAST_SEEDS", "7..9"), Ok(Asked::Seeds(Seeds::Range(7, 9))));
        assert_eq!(asked("SEEDFAST_SEEDS", "20_000"), Ok(Asked::Seeds(Seeds::Count(20_000))));
        let wrong = asked("SEEDFAST_SEED", "x").expect_err("it is no seed").to_string();
        assert!(wrong.starts_with("SEEDFAST_SEED: `x` is no seed"), "{wrong}");
        let wrong = asked("SEEDFAST_SEEDS", "9..7").expect_err("it is empty").to_string();
        assert!(wrong.starts_with("SEEDFAST_SEEDS: the range 9..7 is empty"), "{wrong}");
    }

    #[test]
    fn a_test_that_holds_says_so_and_one_that_breaks_names_the_line_that_replays_it() {
        let held = check(TOY).seeds(20).campaign(0, 20).expect("it runs");
        assert!(!held.broken && held.text.starts_with("HELD  20 seeds"), "{}", held.text);
        let check = check(TOY_DOUBLE_VOTE).named("mine::votes::agree");
        let Told { broken, text } = check.campaign(0, 1000).expect("it runs");
        assert!(broken, "{text}");
        assert!(text.contains("T1  n1 decided 0, and n0 decided 1"), "{text}");
        let line = "replay it    SEEDFAST_SEED=26 cargo test";
        assert!(text.contains(line) && text.contains("--exact votes::agree\n"), "{text}");
        let bundle = text.lines().find_map(|line| line.strip_prefix("  its bundle   ")).expect("it is named");
        let again = check.replay(Path::new(bundle)).expect("it can be read");
        assert!(again.broken && again.text.contains("T1  n1 decided 0"), "{}", again.text);
    }

    #[test]
    fn one_seed_is_written_down_whole() {
        let told = check(TOY).named("mine::whole").one(77).expect("it runs");
        assert!(!told.broken, "{}", told.text);
        for (word, content) in [("its events   ", "start"), ("its picture  ", "<!doctype html>")] {
            let path = told.text.lines().find_map(|line| line.strip_prefix(word)).expect("it is named");
            let text = std::fs::read_to_string(path).expect("it was written").to_lowercase();
            assert!(text.contains(content), "{path}");
        }
    }

    #[test]
    fn no_seeds_prove_nothing() {
        assert!(check(TOY).campaign(0, 0).is_err_and(|why| why.to_string().starts_with("0 seeds")));
    }
}
