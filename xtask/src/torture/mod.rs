//! `cargo xtask torture`: real processes, killed, stopped, cut off and starved of disk while clients write down what they
//! ask and hear; judged by the simulator's own checker. docs/torture.md has the whole.
//!
//! - [`settings`]: what was asked for; [`plan`]: what a seed makes of it
//! - [`cluster`]: the processes; [`link`]: the proxies between them; [`disk`]: one that can be filled
//! - [`client`]: what is asked, in [`native`] and [`resp`]; [`ledger`]: where it is written
//! - [`nemesis`]: carries out the plan; [`watch`]: who leads meanwhile
//! - [`judge`]: whether all of it was as it must be; [`run`]: one torture; [`trial`]: whether the torturer notices

mod client;
mod cluster;
mod disk;
mod judge;
mod ledger;
mod link;
mod native;
mod nemesis;
mod plan;
mod resp;
mod run;
mod settings;
mod trial;
mod watch;

use crate::campaign::{self, Flavour};
use crate::options::Options;
use crate::{Trouble, Verdict, failed, shell};
use settings::{FLAGS, Settings};
use std::path::PathBuf;

/// Tortures, or has the torturer tested.
pub(crate) fn run(options: &Options) -> Verdict {
    options.only(&FLAGS)?;
    let mut settings = Settings::read(options)?;
    let binary = binary(&settings)?;
    if settings.replay && settings.replayer.is_none() {
        settings.replayer = Some(campaign::build(Flavour::USUAL)?.path().into());
    }
    if options.has("self-test") {
        return trial::run(&settings, &binary);
    }
    let report = run::run(&settings, &binary, run::Manner::Usual)?;
    print!("{report}");
    match report.findings.first() {
        None => Ok(()),
        Some(first) => failed(format!(
            "{first} (seed {}; history, logs and recordings are in {})",
            settings.seed,
            shell::name(&settings.out)
        )),
    }
}

/// A short one, for CI, and whether it would have noticed anything.
pub(crate) fn short() -> Verdict {
    let chosen = |words: &str| Options::parse(words.split(' ').map(str::to_owned));
    run(&chosen("--for 15s --replay")?)?;
    run(&chosen("--self-test")?)
}

/// The server: the one named, or one that is built, with contracts unless it is for release.
fn binary(settings: &Settings) -> Verdict<PathBuf> {
    if let Some(binary) = &settings.binary {
        eprintln!("the server is {}", shell::name(binary));
        return match binary.is_file() {
            true => Ok(binary.clone()),
            false => Err(Trouble::Cannot(format!("{} is not there", shell::name(binary)))),
        };
    }
    let profile = if settings.release { "release" } else { "debug" };
    match settings.release {
        true => {
            let build = ["build", "--quiet", "--locked", "-p", "seedfast-server", "--bin", "seedfast-kv"];
            shell::run(shell::cargo().args(build).arg("--release"))?;
        }
        // With contracts, since those who test with them are among the workspace.
        false => shell::build_tests()?,
    }
    let name = format!("seedfast-kv{}", std::env::consts::EXE_SUFFIX);
    // A copy, because the next build of anybody overwrites it while it runs.
    let (from, to) = (shell::target().join(profile).join(&name), settings.out.join(&name));
    std::fs::create_dir_all(&settings.out)
        .and_then(|()| std::fs::copy(&from, &to))
        .map_err(|why| Trouble::Cannot(format!("{} cannot be copied: {why}", shell::name(&from))))?;
    eprintln!(
        "the server is of the {profile} profile, contracts {}",
        if settings.release { "off" } else { "on" }
    );
    Ok(to)
}
