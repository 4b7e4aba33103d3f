//! Planted bugs: each patch of `scenarios/bugs/` goes into a copy of the tree, and campaigns look for it.
//!
//! A patch begins with lines that say what it is:
//!
//! ```text
//! # bug: the acceptor votes without looking at its promise
//! # source: P01
//! # expect: I1 I4
//! # scenario: everything
//! ```
//! `expect` names the invariants of which one must be found broken with contracts off. With contracts on, any failure
//! counts: a contract that trips hides the judge behind it. The scenario `explore-journal` stands for `seedfast explore
//! journal`: its rules are J1 to J8 (`docs/explore.md`), its seeds are explored on both media.
//!
//! With `--shrink`, the first failure of each bug that a campaign finds is shrunk instead (`shrink.rs`).
//!
//! A binary is built once for each patch, flavour and state of the tree, and kept for the next look.

use crate::campaign::{Binary, Failure, Flavour, first_failure};
use crate::options::Options;
use crate::shrink::{self, Small};
use crate::{Trouble, Verdict, cannot, failed, lines, shell};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// A bug that takes more seeds than this, in the median, was not found.
const SEEDS: u64 = 5000;
/// How many disjoint ranges of seeds are searched.
const RANGES: u64 = 5;
/// The scenario of bugs that only the explorer of crash images sees.
const EXPLORER: &str = "explore-journal";
/// How many of its seeds are explored in each range: each is hundreds of thousands of images.
const EXPLORED: u64 = 200;
/// Where the first range begins; each begins this much further on.
const STRIDE: u64 = 1_000_003;
/// A bug is built twice and run for seconds, and all bugs differ by a few lines, so building fast pays.
const BUILD_FAST: [&str; 8] = [
    "--config",
    "profile.release.lto=\"off\"",
    "--config",
    "profile.release.codegen-units=64",
    "--config",
    "profile.release.debug=false",
    "--config",
    "profile.release.incremental=true",
];

/// One patch.
struct Bug {
    name: String,
    path: PathBuf,
    source: String,
    expect: Vec<String>,
    scenario: String,
}

/// What the search for one bug in one flavour gave.
struct Found {
    /// Seeds until the first failure, one figure a range; more than the limit if there was none.
    seeds: Vec<u64>,
    /// What was found broken, and in how many ranges.
    caught_by: BTreeMap<String, usize>,
}

/// Measures the named bugs, or all.
pub(crate) fn run(options: &Options) -> Verdict {
    let limit = options.number("seeds", SEEDS)?;
    let ranges = options.number("ranges", RANGES)?;
    let flavours = flavours(options.value("contracts"))?;
    let mut bugs = choose(&options.names)?;
    if let Some(scenario) = options.value("scenario") {
        bugs.iter_mut().for_each(|bug| scenario.clone_into(&mut bug.scenario));
    }
    let sources = sources()?;
    let state = state(&sources)?;
    if options.has("shrink") {
        return shrink_all(&bugs, options, &flavours, limit, &(sources, state));
    }
    let (mut missed, mut stale) = (Vec::new(), Vec::new());
    'bugs: for bug in &bugs {
        let mut report =
            json!({ "bug": bug.name, "source": bug.source, "expect": bug.expect, "limit": limit });
        let mut ok = true;
        for &(flavour, label) in &flavours {
            let binary = match bug.build(flavour, &sources, &state) {
                Ok(binary) => binary,
                Err(Trouble::Failed(why)) => {
                    eprintln!("the patch {} needs to follow the code: {why}", bug.name);
                    stale.push(bug.name.as_str());
                    continue 'bugs;
                }
                Err(cannot) => return Err(cannot),
            };
            let found = bug.search(&binary, limit, ranges, &[])?;
            let median = lines::median(&found.seeds).unwrap_or(u64::MAX);
            let judged =
                flavour.contracts || bug.expect.iter().any(|name| found.caught_by.contains_key(name));
            ok &= median <= limit && judged;
            if !options.has("json") {
                println!("{}", bug.line(label, &found, limit, judged));
            }
            report[label] = json!({
                "median_seeds": (median <= limit).then_some(median),
                "seeds": found.seeds.iter().map(|seeds| (*seeds <= limit).then_some(*seeds)).collect::<Vec<_>>(),
                "caught_by": found.caught_by,
            });
            // The explorer draws its sequences by itself.
            if options.has("guide") && bug.scenario != EXPLORER {
                let label = format!("{label}_guided");
                let found = bug.search(&binary, limit, ranges, &["--guide"])?;
                if !options.has("json") {
                    println!("{}", bug.line(&label, &found, limit, true));
                }
                report[&label] = json!({ "seeds": found.seeds, "caught_by": found.caught_by });
            }
        }
        report["ok"] = json!(ok);
        if options.has("json") {
            println!("{report}");
        }
        if !ok {
            missed.push(bug.name.as_str());
        }
    }
    if !stale.is_empty() {
        return cannot(format!("these patches need to follow the code: {}", stale.join(", ")));
    }
    if missed.is_empty() { Ok(()) } else { failed(format!("not caught as expected: {}", missed.join(", "))) }
}

/// Shrinks the first failure of each bug that a campaign finds; the explorer shrinks its own.
fn shrink_all(
    bugs: &[Bug],
    options: &Options,
    flavours: &[(Flavour, &'static str)],
    limit: u64,
    (sources, state): &(BTreeSet<PathBuf>, Xxh3),
) -> Verdict {
    let (mut small, mut not): (Vec<Small>, Vec<String>) = (Vec::new(), Vec::new());
    for bug in bugs.iter().filter(|bug| bug.scenario != EXPLORER) {
        // What a contract catches at once is no measure for what a campaign finds.
        let Some((flavour, _)) = flavours.last() else { continue };
        let binary = match bug.build(*flavour, sources, state) {
            Ok(binary) => binary,
            Err(Trouble::Failed(why)) => {
                eprintln!("the patch {} needs to follow the code: {why}", bug.name);
                not.push(bug.name.clone());
                continue;
            }
            Err(cannot) => return Err(cannot),
        };
        let Some((_, failure)) = first_found(&binary, &bug.scenario, STRIDE, limit, &[])? else {
            eprintln!("{}: nothing broke in {limit} seeds", bug.name);
            not.push(bug.name.clone());
            continue;
        };
        let one = match shrink::measure(&binary, &bug.name, &bug.scenario, &failure) {
            Ok(one) => one,
            Err(Trouble::Failed(why) | Trouble::Cannot(why)) => {
                eprintln!("{} is not shrunk: {why}", bug.name);
                not.push(bug.name.clone());
                continue;
            }
        };
        if options.has("json") {
            println!("{}", one.json());
        } else {
            println!("{}", one.row());
        }
        small.push(one);
    }
    shrink::judge(&small, options.has("json"))?;
    if not.is_empty() { Ok(()) } else { failed(format!("not measured: {}", not.join(", "))) }
}

/// Which flavours are measured, and what their figures are called.
fn flavours(contracts: Option<&str>) -> Verdict<Vec<(Flavour, &'static str)>> {
    let (on, off) = ((Flavour::USUAL, "contracts_on"), (Flavour::PRODUCTION, "contracts_off"));
    match contracts {
        None => Ok(vec![on, off]),
        Some("on") => Ok(vec![on]),
        Some("off") => Ok(vec![off]),
        Some(other) => cannot(format!("--contracts takes `on` or `off`, not `{other}`")),
    }
}

fn choose(names: &[String]) -> Verdict<Vec<Bug>> {
    let patches = lines::files(&shell::root().join("scenarios/bugs"), "patch");
    let mut bugs = patches.iter().map(|path| Bug::read(path)).collect::<Verdict<Vec<Bug>>>()?;
    if let Some(unknown) = names.iter().find(|name| !bugs.iter().any(|bug| bug.is_called(name))) {
        let known: Vec<&str> = bugs.iter().map(|bug| bug.name.as_str()).collect();
        return cannot(format!("scenarios/bugs holds no `{unknown}`; there are {}", known.join(", ")));
    }
    bugs.retain(|bug| names.is_empty() || names.iter().any(|name| bug.is_called(name)));
    if bugs.is_empty() { cannot("scenarios/bugs holds no patch") } else { Ok(bugs) }
}

impl Bug {
    fn read(path: &Path) -> Verdict<Bug> {
        let text = shell::read(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Some(expect) = lines::header(&text, "expect") else {
            return cannot(format!("{} does not say `# expect: ...`", shell::name(path)));
        };
        Ok(Bug {
            name,
            path: path.to_owned(),
            source: lines::header(&text, "source").unwrap_or_default().to_owned(),
            expect: expect.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect(),
            scenario: lines::header(&text, "scenario").unwrap_or("everything").to_owned(),
        })
    }

    /// Whether `name` is its file's name or its row in the list of public bugs.
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.source.split_whitespace().any(|source| source == name)
    }

    /// Plants the bug and builds, unless that was done before with the very same sources.
    fn build(&self, flavour: Flavour, sources: &BTreeSet<PathBuf>, state: &Xxh3) -> Verdict<Binary> {
        let mut state = state.clone();
        state.update(shell::read(&self.path)?.as_bytes());
        let kept = shell::target().join("bugs/kept");
        let known = format!("{}-{}-", self.name, flavour.name());
        let path = kept.join(format!("{known}{:016x}", state.digest()));
        if path.is_file() {
            return Ok(Binary::at(path));
        }
        let (tree, target) = (shell::target().join("bugs/tree"), shell::target().join("bugs/target"));
        sync(&tree, sources)?;
        self.plant(&tree)?;
        let built = flavour.build(&tree, &target, &BUILD_FAST)?;
        let moved = std::fs::create_dir_all(&kept).and_then(|()| {
            for old in std::fs::read_dir(&kept)? {
                let old = old?;
                // Of an earlier state of the tree: it will not be asked for again. What follows the name is the state
                // alone, or it is another flavour's whose name goes on (`release`, `release-without-contracts`).
                let name = old.file_name();
                if name.to_string_lossy().strip_prefix(&known).is_some_and(|state| !state.contains('-')) {
                    std::fs::remove_file(old.path())?;
                }
            }
            std::fs::rename(built.path(), &path)
        });
        match moved {
            Ok(()) => Ok(Binary::at(path)),
            Err(error) => cannot(format!("{} cannot be kept: {error}", shell::name(&path))),
        }
    }

    fn plant(&self, tree: &Path) -> Verdict {
        let mut git = shell::command("git");
        // The copy lies inside the repository; without a ceiling git would patch nothing there, silently.
        git.current_dir(tree).env("GIT_CEILING_DIRECTORIES", tree.parent().expect("it has one"));
        git.args(["apply", "--whitespace=nowarn"]).arg(&self.path);
        shell::text(&mut git).map(drop)
    }

    fn search(&self, binary: &Binary, limit: u64, ranges: u64, flags: &[&str]) -> Verdict<Found> {
        let mut found = Found { seeds: Vec::new(), caught_by: BTreeMap::new() };
        for range in 1..=ranges {
            let first = range * STRIDE;
            match first_found(binary, &self.scenario, first, limit, flags)? {
                Some((runs, Failure { invariant, .. })) => {
                    found.seeds.push(runs);
                    *found.caught_by.entry(invariant).or_default() += 1;
                }
                None => found.seeds.push(limit + 1),
            }
        }
        Ok(found)
    }

    fn line(&self, label: &str, found: &Found, limit: u64, judged: bool) -> String {
        let seeds: Vec<String> = found.seeds.iter().map(|&seeds| figure(seeds, limit)).collect();
        let caught: Vec<String> =
            found.caught_by.iter().map(|(name, times)| format!("{name} x{times}")).collect();
        let median = figure(lines::median(&found.seeds).unwrap_or(u64::MAX), limit);
        format!(
            "{:32} {label:13} median {median:>6} of [{}] by {}{}",
            self.name,
            seeds.join(" "),
            if caught.is_empty() { "nothing".into() } else { caught.join(", ") },
            if judged { String::new() } else { format!(", expected {}", self.expect.join(" or ")) },
        )
    }
}

fn figure(seeds: u64, limit: u64) -> String {
    if seeds > limit { format!(">{limit}") } else { seeds.to_string() }
}

/// How many of the seeds `first..first + limit` are run until one fails, that one included, and what it breaks; a
/// campaign stops at it, whichever worker was faster.
fn first_found(
    binary: &Binary,
    scenario: &str,
    first: u64,
    limit: u64,
    flags: &[&str],
) -> Verdict<Option<(u64, Failure)>> {
    if scenario == EXPLORER {
        let found = first_explored(binary, first, limit.min(EXPLORED))?;
        return Ok(found.map(|failure| (failure.seed - first + 1, failure)));
    }
    let seeds = format!("{first}..{}", first + limit);
    // What is looked for here is a violation; failing seeds are rerun all the same.
    let summary = binary.run(&[&[scenario, "--rerun", "0", "--seeds", &seeds], flags].concat())?;
    match (first_failure(&summary), summary["failures"].as_u64()) {
        (None, Some(0)) => Ok(None),
        // The seed of a schedule that was bred does not say how many were run before it; a seed that is stuck is none
        // of those that were counted.
        (Some(failure), _) if flags.is_empty() => Ok(Some((failure.seed - first + 1, failure))),
        (Some(failure), _) => Ok(Some((summary["seeds"].as_u64().unwrap_or(limit), failure))),
        (None, _) => {
            failed("`seedfast run --json` counts failures and lists none with its seed and invariant")
        }
    }
}

/// The lowest seed of `first..first + limit` whose sequence breaks a rule of the explorer.
fn first_explored(binary: &Binary, first: u64, limit: u64) -> Verdict<Option<Failure>> {
    let seeds = format!("{first}..{}", first + limit);
    let summary = binary.explore(&["--seeds", &seeds])?;
    let found = &summary["violation"];
    if found.is_null() {
        return Ok(None);
    }
    let seed = found["sequence"].as_str().and_then(|name| name.parse().ok());
    match (seed, found["rule"].as_str()) {
        (Some(seed), Some(rule)) => Ok(Some(Failure { seed, invariant: rule.to_owned() })),
        _ => failed("`seedfast explore journal --json` names a violation without its sequence and rule"),
    }
}

/// What the working tree consists of, but for documents and the patches themselves.
fn sources() -> Verdict<BTreeSet<PathBuf>> {
    let listed = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = shell::text(shell::command("git").args(listed))?;
    let wanted = |name: &&str| {
        !name.is_empty() && !name.starts_with("scenarios/bugs/") && shell::root().join(name).is_file()
    };
    Ok(listed.split('\0').filter(wanted).map(PathBuf::from).collect())
}

/// A hash of all of them, to be gone on with.
fn state(sources: &BTreeSet<PathBuf>) -> Verdict<Xxh3> {
    let mut state = Xxh3::new();
    for name in sources.iter().filter(|name| name.extension().is_none_or(|extension| extension != "md")) {
        let bytes = std::fs::read(shell::root().join(name))
            .map_err(|error| Trouble::Cannot(format!("{} cannot be read: {error}", shell::name(name))))?;
        state.update(name.to_string_lossy().as_bytes());
        state.update(&bytes.len().to_le_bytes());
        state.update(&bytes);
    }
    Ok(state)
}

/// Makes `tree` equal to the working tree, touching only what differs, so that little is built anew.
fn sync(tree: &Path, wanted: &BTreeSet<PathBuf>) -> Verdict {
    let copied = std::fs::create_dir_all(tree).and_then(|()| {
        remove_others(tree, tree, wanted)?;
        for name in wanted {
            let (from, to) = (std::fs::read(shell::root().join(name))?, tree.join(name));
            if std::fs::read(&to).ok().as_ref() != Some(&from) {
                std::fs::create_dir_all(to.parent().expect("it has one"))?;
                std::fs::write(to, from)?;
            }
        }
        Ok(())
    });
    copied.map_err(|error| {
        Trouble::Cannot(format!("{} cannot be brought up to date: {error}", shell::name(tree)))
    })
}

fn remove_others(tree: &Path, directory: &Path, wanted: &BTreeSet<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(tree, &path, wanted)?;
        } else if !wanted.contains(path.strip_prefix(tree).expect("it lies in it")) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}
