//! Chores of this repository: `cargo xtask ci` is everything that CI does, the others are its parts and what a
//! developer runs beside it.

mod bench;
mod bugs;
mod campaign;
mod ci;
mod determinism;
mod edges;
mod golden;
mod lines;
mod options;
mod shell;
mod shrink;
mod spec;
mod torture;

use options::Options;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask CHORE

  ci                         everything that CI does, in its order; stops at the first failure
  edges                      proves which crate may depend on which (ARCHITECTURE.md)
  tidy                       checks what of the house's style can be checked (the test xtask/tests/tidy.rs)
  determinism [--seeds N]    the same seed gives the same bytes: runs, jobs, environments, profiles, contracts
  golden [--bless]           compares the trace hashes of 100 seeds with xtask/golden/; --bless writes them
  spec [--quick]             checks the TLA+ specifications and that their broken variants are rejected
  bugs [NAME..] [--json] [--seeds N] [--ranges R] [--scenario NAME] [--contracts on|off] [--shrink] [--guide]
                             plants each bug of scenarios/bugs/ in a copy and counts the seeds that find it;
                             --shrink shrinks the first failure of each and measures what is left;
                             --guide counts the runs of guided campaigns too (docs/guide.md)
  torture [--for 60s | --rounds N] [--nodes 3..5] [--clients N] [--seed S] [--out DIR] [--keep] [--release]
          [--binary FILE] [--replay] [--replayer FILE] [--self-test]
                             real processes of the server, killed, stopped and cut off under load (docs/torture.md)
  bench [--only NAME] [--runs N] [--json]
                             runs the benchmarks; a figure is the median of its runs

Exit codes: 0 all held; 1 a check failed; 2 usage or environment.
";

/// Why a chore did not succeed.
pub(crate) enum Trouble {
    /// What was checked does not hold.
    Failed(String),
    /// It could not be checked: wrong usage, or something is missing.
    Cannot(String),
}

/// How a chore ends.
pub(crate) type Verdict<T = ()> = Result<T, Trouble>;

/// A check that did not hold.
pub(crate) fn failed<T>(why: impl Into<String>) -> Verdict<T> {
    Err(Trouble::Failed(why.into()))
}

/// A check that could not be made.
pub(crate) fn cannot<T>(why: impl Into<String>) -> Verdict<T> {
    Err(Trouble::Cannot(why.into()))
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let chore = arguments.next().unwrap_or_default();
    let result = Options::parse(arguments).and_then(|options| run(&chore, &options));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::Failed(why)) => {
            eprintln!("xtask {chore}: {why}");
            ExitCode::from(1)
        }
        Err(Trouble::Cannot(why)) => {
            eprintln!("xtask {chore}: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(chore: &str, options: &Options) -> Verdict {
    match chore {
        "ci" => options.only(&[]).and_then(|()| ci::run()),
        "edges" => options.only(&[]).and_then(|()| edges::run()),
        "tidy" => options.only(&[]).and_then(|()| ci::tidy()),
        "determinism" => options.only(&["seeds"]).and_then(|()| determinism::run(options)),
        "golden" => options.only(&["bless"]).and_then(|()| golden::run(options)),
        "spec" => options.only(&["quick"]).and_then(|()| spec::run(options)),
        "bugs" => {
            let flags = ["json", "seeds", "ranges", "scenario", "contracts", "shrink", "guide"];
            options.only(&flags).and_then(|()| bugs::run(options))
        }
        "torture" => torture::run(options),
        "bench" => options.only(&["only", "runs", "json"]).and_then(|()| bench::run(options)),
        "" | "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => cannot(format!("there is no chore `{other}`\n\n{USAGE}")),
    }
}
