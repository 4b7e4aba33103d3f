//! Golden hashes: XXH3-128 of the traces of 100 seeds over all scenarios, so that no commit changes them unawares.
//!
//! Those of the toy protocol pin the simulator and the boundary: they never change. Those of Paxos may, in a commit
//! that says why.

use crate::campaign::{Binary, Flavour, build};
use crate::options::Options;
use crate::{Verdict, failed, lines, shell};
use std::path::PathBuf;
use xxhash_rust::xxh3::xxh3_128;

/// How many seeds of the scenarios that are not toys, in all.
const SEEDS: usize = 100;
/// How many seeds of each toy scenario.
const TOY_SEEDS: usize = 20;

/// Compares with the files in `xtask/golden/`, or writes them.
pub(crate) fn run(options: &Options) -> Verdict {
    let binary = build(Flavour::USUAL)?;
    let (toys, others): (Vec<_>, Vec<_>) =
        binary.scenarios()?.into_iter().partition(|name| name.starts_with("toy"));
    let each = SEEDS.div_ceil(others.len().max(1));
    let toy = table(&binary, &toys, TOY_SEEDS)?;
    let paxos = table(&binary, &others, each)?;
    if options.has("bless") {
        bless_toy(&toy)?;
        shell::write(&file("paxos"), text(PAXOS_TOP, &paxos))?;
        println!("wrote {} and {}", shell::name(&file("toy")), shell::name(&file("paxos")));
        return Ok(());
    }
    let wrong = compare("toy", &toy)? + compare("paxos", &paxos)?;
    if wrong > 0 {
        return failed(format!(
            "{wrong} golden hashes differ; if the commit means to change them, it says why and runs \
             `cargo xtask golden --bless`"
        ));
    }
    println!("{} golden hashes are as they were", toy.len() + paxos.len());
    Ok(())
}

const TOY_TOP: &str = "\
# XXH3-128 of the traces of the toy protocol: scenario, seed, hash. These never change: they pin the simulated world
# and the boundary themselves.
";
const PAXOS_TOP: &str = "\
# XXH3-128 of the traces: scenario, seed, hash. Written by `cargo xtask golden --bless`, in a commit that says why.
";

/// `scenario seed hash`, a line each.
type Table = Vec<String>;

fn table(binary: &Binary, scenarios: &[String], each: usize) -> Verdict<Table> {
    let mut table = Table::new();
    for scenario in scenarios {
        for seed in 0..each as u64 {
            let trace = binary.trace(scenario, seed, |_| ())?;
            table.push(format!("{} {seed} {:032x}", scenario, xxh3_128(&trace)));
        }
    }
    Ok(table)
}

fn file(name: &str) -> PathBuf {
    shell::root().join("xtask/golden").join(name).with_extension("txt")
}

fn text(top: &str, table: &Table) -> String {
    let mut text = top.to_owned();
    for line in table {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Toy hashes are added, never changed.
fn bless_toy(table: &Table) -> Verdict {
    let path = file("toy");
    if path.exists() {
        let old = shell::read(&path)?;
        if let Some(lost) = lines::meaningful(&old).find(|line| !table.iter().any(|new| new == line)) {
            return failed(format!(
                "the toy's hashes never change, and `{lost}` would; if the trace format itself must change, delete {} \
                 in a commit of its own that says why",
                shell::name(&path)
            ));
        }
    }
    shell::write(&path, text(TOY_TOP, table))
}

/// Prints what differs; how many lines do.
fn compare(name: &str, table: &Table) -> Verdict<usize> {
    let golden = shell::read(&file(name))?;
    let golden: Vec<&str> = lines::meaningful(&golden).collect();
    let missing = golden.iter().filter(|line| !table.iter().any(|new| new == *line));
    let added = table.iter().filter(|line| !golden.contains(&line.as_str()));
    let mut wrong = 0;
    for line in missing {
        println!("- {line}");
        wrong += 1;
    }
    for line in added {
        println!("+ {line}");
        // A pair that changed was counted above; a new seed has no counterpart.
        let key = line.rsplit_once(' ').map_or("", |(key, _)| key);
        wrong +=
            usize::from(!golden.iter().any(|old| old.rsplit_once(' ').is_some_and(|(old, _)| old == key)));
    }
    Ok(wrong)
}
