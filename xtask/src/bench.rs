//! Benchmarks: each is a program that prints JSON objects of figures by stable names; a figure is the median of its
//! runs.

use crate::options::Options;
use crate::{Trouble, Verdict, cannot, failed, lines, shell};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A program that prints figures, one JSON object a line.
struct Bench {
    /// What `--only` calls it: the first part of its figures' names.
    name: &'static str,
    /// The crate it belongs to.
    package: &'static str,
    /// Its directory, and its name among that crate's examples.
    example: (&'static str, &'static str),
}

/// Add one by adding a line.
const BENCHES: [Bench; 4] = [
    Bench { name: "world", package: "seedfast-sim", example: ("sim", "raw") },
    Bench { name: "core", package: "seedfast-core", example: ("core", "throughput") },
    Bench { name: "standard", package: "seedfast-scenarios", example: ("scenarios", "standard") },
    Bench { name: "journal", package: "seedfast-scenarios", example: ("scenarios", "journal") },
];

/// Runs all benchmarks, or those whose name or figures begin with `--only`.
pub(crate) fn run(options: &Options) -> Verdict {
    let runs = options.number("runs", 5)?;
    let only = options.value("only").unwrap_or_default();
    let chosen: Vec<&Bench> = BENCHES.iter().filter(|bench| bench.serves(only)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
        return cannot(format!("no benchmark is called `{only}`; there are {}", names.join(", ")));
    }
    let mut figures = BTreeMap::new();
    for bench in chosen {
        bench.measure(runs, &mut figures)?;
    }
    let exact = |name: &String| name.starts_with(only) || BENCHES.iter().any(|bench| bench.name == only);
    let figures: Map<String, Value> = figures
        .into_iter()
        .filter(|(name, _)| exact(name))
        .map(|(name, values)| (name, json!(lines::median(&values))))
        .collect();
    if options.has("json") {
        println!("{}", Value::Object(figures));
    } else {
        for (name, value) in &figures {
            println!("{name:40} {value}");
        }
    }
    Ok(())
}

impl Bench {
    fn serves(&self, only: &str) -> bool {
        only.starts_with(self.name) || self.name.starts_with(only)
    }

    fn measure(&self, runs: u64, figures: &mut BTreeMap<String, Vec<f64>>) -> Verdict {
        let (directory, example) = self.example;
        let source = shell::root().join(directory).join("examples").join(example).with_extension("rs");
        if !source.exists() {
            return failed(format!(
                "the benchmark `{}` has lost its program {}",
                self.name,
                shell::name(&source)
            ));
        }
        let build = ["build", "--release", "--quiet", "--locked", "-p", self.package, "--example", example];
        shell::run(shell::cargo().args(build))?;
        let program = shell::target().join("release/examples").join(example);
        for round in 1..=runs {
            eprintln!("{} {round}/{runs}", self.name);
            let printed = shell::text(&mut shell::command(&program))?;
            for line in printed.lines().filter(|line| line.starts_with('{')) {
                let object: Map<String, Value> = serde_json::from_str(line)
                    .map_err(|error| Trouble::Failed(format!("{} printed `{line}`: {error}", self.name)))?;
                for (name, value) in object {
                    if let Some(value) = value.as_f64() {
                        figures.entry(name).or_default().push(value);
                    }
                }
            }
        }
        Ok(())
    }
}
