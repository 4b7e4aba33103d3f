//! The server beside etcd: both as three processes on this machine, on the same disk, with synced writes, asked by the
//! same cheap load, in turns.
//!
//! - `kv.put_per_s.N`, `kv.put_p50_us.N`, `etcd...`: N clients, each with one put of 256 bytes at a time and a connection of
//!   its own, and `ratio...`; with `N.shared` the clients share 16 connections, as programs with many tasks do
//! - `kv.set_per_s`, `kv.get_per_s`: `redis-benchmark -P 64 -c 50`; with `.256` values of that many bytes
//! - `kv.commit_over_floor`: the median put of one client, over two round trips of sleeping processes and one data sync of
//!   this disk; `kv.busy_over_floor`: replicas that spin, over round trips that spin; `..._of_three`: the same with the second
//!   of three syncs at once in the place of one alone, because here three replicas share one disk
//! - `ratio.busy_to_sleeping_p50_us.1`: the median put of one client of replicas that spin, over that of an etcd that sleeps
//! - `kv.syscalls_per_command.64`: of all three replicas together, and `kv.cpu_us_per_put.N`: their processor time
//! - `kv.record_...`: what [`record`] says
//! - `machine.load`: how many wanted a processor; whoever shares the machine takes part in every figure

use super::clusters::{Etcd, Kv};
use super::figures::Figures;
use super::record;
use crate::{Verdict, shell};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How each load is called, how many clients it has, and over how many connections they ask.
const LOADS: [(&str, u64, u64); 5] =
    [("1", 1, 1), ("64", 64, 64), ("64.shared", 64, 16), ("1000", 1000, 1000), ("1000.shared", 1000, 16)];
/// How long each is measured, in milliseconds.
const MILLIS: &str = "3000";
/// What `redis-benchmark` asks: the test, and its bytes.
const PIPELINED: [(&str, u32); 4] = [("set", 3), ("get", 3), ("set", 256), ("get", 256)];
/// How many requests each of its runs has.
const REQUESTS: &str = "1000000";

/// The programs that were built.
pub(super) struct Programs {
    pub(super) server: PathBuf,
    load: PathBuf,
    floor: PathBuf,
}

impl Programs {
    fn build() -> Verdict<Self> {
        let build = ["build", "--release", "--quiet", "--locked", "-p", "seedfast-server"];
        let what = ["--bin", "seedfast-kv", "--example", "load", "--example", "floor"];
        shell::run(shell::cargo().args(build).args(what))?;
        let release = shell::target().join("release");
        Ok(Programs {
            server: release.join("seedfast-kv"),
            load: release.join("examples/load"),
            floor: release.join("examples/floor"),
        })
    }
}

/// Measures everything `runs` times, or what recording costs alone if `only` names that.
pub(super) fn measure(runs: u64, only: &str, figures: &mut Figures) -> Verdict {
    let programs = Programs::build()?;
    let place = shell::target().join("bench-service");
    let _ = std::fs::remove_dir_all(&place);
    shell::write(&place.join("probe"), "")?;
    let mut kv = Kv::format(&programs, &place)?;
    if only.starts_with(record::FIGURES) {
        for round in 1..=runs {
            eprintln!("recording {round}/{runs}");
            record::measure(&programs, &mut kv, &place, figures)?;
            figures.add("machine.load", load());
        }
        let _ = std::fs::remove_dir_all(&place);
        record::compare(figures);
        return Ok(());
    }
    let mut etcd = Etcd::start(&place)?;
    if etcd.is_none() {
        eprintln!(
            "etcd is not installed (Debian: etcd-server, etcd-client), so there is nothing to compare with"
        );
    }
    for round in 1..=runs {
        eprintln!("service {round}/{runs}");
        kv.start(&[])?;
        floor(&programs, &place, figures)?;
        for (name, clients, connections) in LOADS {
            let asked = puts(&programs, &kv.leader()?, "resp", clients, connections, &[])?;
            let before = kv.spent()?;
            let again = puts(&programs, &kv.leader()?, "resp", clients, connections, &[])?;
            let spent = kv.spent()?.since(&before);
            for told in [asked, again] {
                put_figures("kv", name, &told, figures);
            }
            figures.add(&format!("kv.cpu_us_per_put.{name}"), spent.cpu_us / spent.commands);
            figures.add(&format!("kv.syscalls_per_command.{name}"), spent.enters / spent.commands);
            if let Some(etcd) = &mut etcd {
                for _ in 0..2 {
                    let told = puts(&programs, &etcd.leader()?, "etcd", clients, connections, &[])?;
                    put_figures("etcd", name, &told, figures);
                }
            }
        }
        for (test, bytes) in PIPELINED {
            let name =
                if bytes == 3 { format!("kv.{test}_per_s") } else { format!("kv.{test}_per_s.{bytes}") };
            figures.add(&name, pipelined(&kv.leader()?, test, bytes)?);
        }
        figures.add("kv.memory_mib", kv.memory_mib()?);
        kv.stop();
        kv.start(&["--busy-poll"])?;
        let told = puts(&programs, &kv.leader()?, "resp", 1, 1, &["--busy"])?;
        figures.add("kv.busy_p50_us.1", told["p50_us"]);
        kv.stop();
        record::measure(&programs, &mut kv, &place, figures)?;
        figures.add("machine.load", load());
    }
    drop((kv, etcd));
    let _ = std::fs::remove_dir_all(&place);
    compare(figures);
    record::compare(figures);
    Ok(())
}

/// What follows from the medians.
fn compare(figures: &mut Figures) {
    for (load, ..) in LOADS {
        for what in ["put_per_s", "put_p50_us"] {
            let name = |who: &str| format!("{who}.{what}.{load}");
            figures.ratio(&name("ratio"), &name("kv"), &name("etcd"));
        }
    }
    let floor =
        |figures: &Figures, trip: &str, sync: &str| Some(2.0 * figures.median(trip)? + figures.median(sync)?);
    for (name, commit, trip) in [
        ("kv.commit_over_floor", "kv.put_p50_us.1", "floor.round_trip_us"),
        ("kv.busy_over_floor", "kv.busy_p50_us.1", "floor.spin_round_trip_us"),
    ] {
        for (more, sync) in [("", "floor.sync_us"), ("_of_three", "floor.second_of_three_syncs_us")] {
            if let (Some(commit), Some(floor)) = (figures.median(commit), floor(figures, trip, sync)) {
                figures.add(&format!("{name}{more}"), commit / floor);
            }
        }
    }
    figures.ratio("ratio.busy_to_sleeping_p50_us.1", "kv.busy_p50_us.1", "etcd.put_p50_us.1");
}

/// Figures as a program told them.
type Told = BTreeMap<String, f64>;

fn put_figures(who: &str, load: &str, told: &Told, figures: &mut Figures) {
    for what in ["per_s", "p50_us", "p99_us"] {
        figures.add(&format!("{who}.put_{what}.{load}"), told[what]);
    }
    figures.add(&format!("{who}.put_errors.{load}"), told["errors"]);
}

pub(super) fn puts(
    programs: &Programs,
    to: &str,
    speak: &str,
    clients: u64,
    connections: u64,
    more: &[&str],
) -> Verdict<Told> {
    let mut load = shell::command(&programs.load);
    load.args(["--to", to, "--speak", speak, "--millis", MILLIS]);
    load.args(["--clients", &clients.to_string(), "--connections", &connections.to_string()]).args(more);
    object(&mut load)
}

fn floor(programs: &Programs, place: &Path, figures: &mut Figures) -> Verdict {
    for (name, value) in object(shell::command(&programs.floor).arg(place.join("probe")))? {
        figures.add(&format!("floor.{name}"), value);
    }
    Ok(())
}

/// The numbers of the one JSON object that a program prints.
fn object(command: &mut Command) -> Verdict<Told> {
    let printed = shell::text(command)?;
    let told: Map<String, Value> = serde_json::from_str(printed.trim()).unwrap_or_default();
    Ok(told.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?))).collect())
}

/// Requests a second of one test of `redis-benchmark`.
pub(super) fn pipelined(to: &str, test: &str, bytes: u32) -> Verdict<f64> {
    let port = to.rsplit(':').next().unwrap_or_default();
    let mut benchmark = shell::command("redis-benchmark");
    benchmark.args(["-p", port, "-P", "64", "-c", "50", "-n", REQUESTS, "-t", test, "--csv"]);
    let printed = shell::text(benchmark.args(["-d", &bytes.to_string()]))?;
    let row = printed.lines().rfind(|line| line.to_ascii_lowercase().starts_with(&format!("\"{test}\"")));
    let figure = row.and_then(|row| row.split(',').nth(1)?.trim_matches('"').parse().ok());
    figure
        .map_or_else(|| crate::failed(format!("redis-benchmark -t {test} printed `{}`", printed.trim())), Ok)
}

fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}
