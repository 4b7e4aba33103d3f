//! Benchmarks: each is a program that prints JSON objects of figures by stable names, or the server beside etcd
//! ([`service`]); a figure is the median of its runs.

mod clusters;
mod figures;
mod record;
mod service;

use crate::options::Options;
use crate::{Trouble, Verdict, cannot, failed, shell};
use figures::Figures;
use serde_json::{Map, Value};

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
const BENCHES: [Bench; 5] = [
    Bench { name: "world", package: "seedfast-sim", example: ("sim", "raw") },
    Bench { name: "core", package: "seedfast-core", example: ("core", "throughput") },
    Bench { name: "standard", package: "seedfast-scenarios", example: ("scenarios", "standard") },
    Bench { name: "journal", package: "seedfast-scenarios", example: ("scenarios", "journal") },
    Bench { name: "kv.allocations", package: "seedfast-server", example: ("server", "allocations") },
];

/// What `--only` calls the server beside etcd. Its figures have other first parts, too: they belong together.
const SERVICE: &str = "kv";

fn serves(name: &str, only: &str) -> bool {
    only.starts_with(name) || name.starts_with(only)
}

/// Runs all benchmarks, or those whose name or figures begin with `--only`.
pub(crate) fn run(options: &Options) -> Verdict {
    let runs = options.number("runs", 5)?;
    let only = options.value("only").unwrap_or_default();
    let chosen: Vec<&Bench> = BENCHES.iter().filter(|bench| serves(bench.name, only)).collect();
    // What one of the programs is asked for alone, the service has no part in.
    let service = serves(SERVICE, only) && !chosen.iter().any(|bench| only.starts_with(bench.name));
    if chosen.is_empty() && !service {
        let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
        return cannot(format!("no benchmark is called `{only}`; there are {}, {SERVICE}", names.join(", ")));
    }
    let mut figures = Figures::default();
    for bench in chosen {
        bench.measure(runs, &mut figures)?;
    }
    if service {
        service::measure(runs, only, &mut figures)?;
    }
    let whole = only == SERVICE || BENCHES.iter().any(|bench| bench.name == only);
    let figures = figures.medians(|name| whole || name.starts_with(only));
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
    fn measure(&self, runs: u64, figures: &mut Figures) -> Verdict {
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
                        figures.add(&name, value);
                    }
                }
            }
        }
        Ok(())
    }
}
