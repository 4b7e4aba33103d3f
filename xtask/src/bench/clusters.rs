//! Clusters of three processes on this machine, ours and etcd's. They end with their owner.

use super::service::Programs;
use crate::{Verdict, cannot, failed, shell};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ports from here on are used: ours for clients and for peers, then etcd's.
const PORTS: u16 = 27100;
const NODES: u16 = 3;
/// How large each journal is.
const SIZE: &str = "1GiB";
/// How long a cluster may take to find a leader.
const PATIENCE: Duration = Duration::from_secs(60);

/// Processes that are ended with their owner.
#[derive(Default)]
struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Asks again until there is an answer.
fn patiently<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> Verdict<T> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    failed(format!("{what} has found no leader in {PATIENCE:?}"))
}

fn start(command: &mut Command, log: &Path) -> Verdict<Child> {
    let file = File::create(log).map_err(|why| crate::Trouble::Cannot(why.to_string()))?;
    match command.stdout(Stdio::null()).stderr(file).spawn() {
        Ok(child) => Ok(child),
        Err(why) => cannot(format!("`{}` cannot be started: {why}", shell::line(command))),
    }
}

/// Three replicas of ours.
pub(super) struct Kv {
    server: PathBuf,
    place: PathBuf,
    running: Children,
}

/// What a cluster has done and used.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    pub(super) commands: f64,
    pub(super) enters: f64,
    pub(super) cpu_us: f64,
    /// The part of it that threads took which write recordings.
    pub(super) recorder_us: f64,
}

impl Spent {
    pub(super) fn since(&self, before: &Spent) -> Spent {
        Spent {
            commands: self.commands - before.commands,
            enters: self.enters - before.enters,
            cpu_us: self.cpu_us - before.cpu_us,
            recorder_us: self.recorder_us - before.recorder_us,
        }
    }
}

fn clients(node: u16) -> String {
    format!("127.0.0.1:{}", PORTS + node)
}

fn cluster() -> String {
    let replica = |node: u16| format!("{node}=127.0.0.1:{}/{}", PORTS + 10 + node, PORTS + node);
    (1..=NODES).map(replica).collect::<Vec<_>>().join(",")
}

impl Kv {
    /// Makes the data directories in `place`.
    pub(super) fn format(programs: &Programs, place: &Path) -> Verdict<Self> {
        for node in 1..=NODES {
            let mut format = shell::command(&programs.server);
            format.args(["format", "--id", &node.to_string(), "--cluster", &cluster(), "--size", SIZE]);
            shell::text(format.arg("--data").arg(place.join(format!("kv-{node}"))))?;
        }
        Ok(Kv { server: programs.server.clone(), place: place.into(), running: Children::default() })
    }

    /// Starts the replicas, each with these options as well, and waits for a leader.
    pub(super) fn start(&mut self, options: &[&str]) -> Verdict {
        for node in 1..=NODES {
            let mut serve = shell::command(&self.server);
            serve.args(["serve", "--id", &node.to_string(), "--cluster", &cluster()]).args(options);
            serve.arg("--data").arg(self.place.join(format!("kv-{node}")));
            self.running.0.push(start(&mut serve, &self.place.join(format!("kv-{node}.log")))?);
        }
        self.leader().map(drop)
    }

    /// Ends them.
    pub(super) fn stop(&mut self) {
        self.running = Children::default();
    }

    /// Where the leader serves clients.
    pub(super) fn leader(&self) -> Verdict<String> {
        patiently("the cluster", || {
            (1..=NODES).map(clients).find(|to| info(to).is_some_and(|info| info.contains("role:master")))
        })
    }

    /// What it has done so far, as its replicas tell and the kernel accounts for.
    pub(super) fn spent(&self) -> Verdict<Spent> {
        let leader = self.leader()?;
        let mut spent = Spent { commands: 0.0, enters: 0.0, cpu_us: 0.0, recorder_us: 0.0 };
        for to in (1..=NODES).map(clients) {
            let info = info(&to).unwrap_or_default();
            let number = |name: &str| {
                let found = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                found.and_then(|value| value.trim().parse::<f64>().ok()).unwrap_or(0.0)
            };
            spent.enters += number("ring_enters");
            if to == leader {
                spent.commands = number("total_commands_processed");
            }
        }
        spent.cpu_us = self.running.0.iter().map(|child| cpu_us(child.id())).sum();
        spent.recorder_us = self.running.0.iter().map(|child| recorder_us(child.id())).sum();
        Ok(spent)
    }

    /// How much memory the largest of the replicas holds.
    pub(super) fn memory_mib(&self) -> Verdict<f64> {
        let held = |child: &Child| {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        Ok(self.running.0.iter().filter_map(held).fold(0.0, f64::max) / 1024.0)
    }
}

/// The processor time of a process so far, all its threads together, those that ended as well.
fn cpu_us(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    // In hundredths of a second (proc(5), `utime` and `stime`).
    (ticks(11) + ticks(12)) * 10_000.0
}

/// The processor time so far of a process's threads that write recordings.
fn recorder_us(process: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let time = |thread: std::fs::DirEntry| {
        let file = |name| std::fs::read_to_string(thread.path().join(name)).ok();
        file("comm").filter(|name| name.trim() == "recorder")?;
        file("schedstat")?.split(' ').next()?.parse::<f64>().ok()
    };
    threads.filter_map(time).sum::<f64>() / 1000.0
}

/// What a replica tells of itself.
fn info(to: &str) -> Option<String> {
    let mut stream = TcpStream::connect(to).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"INFO\r\nQUIT\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Three members of etcd.
pub(super) struct Etcd {
    _running: Children,
}

impl Etcd {
    /// Starts them; `None` if etcd is not installed.
    pub(super) fn start(place: &Path) -> Verdict<Option<Self>> {
        if Command::new("etcd").arg("--version").output().is_err() {
            return Ok(None);
        }
        let peer = |node: u16| format!("http://127.0.0.1:{}", PORTS + 30 + node);
        let members: Vec<String> = (1..=NODES).map(|node| format!("n{node}={}", peer(node))).collect();
        let mut running = Children::default();
        for node in 1..=NODES {
            let (name, client) = (format!("n{node}"), format!("http://{}", endpoint(node)));
            let mut etcd = shell::command("etcd");
            etcd.args(["--name", &name, "--data-dir"]).arg(place.join(format!("etcd-{node}")));
            etcd.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
            etcd.args(["--listen-peer-urls", &peer(node), "--initial-advertise-peer-urls", &peer(node)]);
            etcd.args(["--initial-cluster", &members.join(","), "--initial-cluster-state", "new"]);
            etcd.args(["--quota-backend-bytes", "8589934592", "--log-level", "error"]);
            running.0.push(start(&mut etcd, &place.join(format!("etcd-{node}.log")))?);
        }
        let etcd = Etcd { _running: running };
        etcd.leader()?;
        Ok(Some(etcd))
    }

    /// Where the leader serves clients.
    pub(super) fn leader(&self) -> Verdict<String> {
        patiently("etcd", || {
            let endpoints: Vec<String> = (1..=NODES).map(endpoint).collect();
            let mut ask = Command::new("etcdctl");
            ask.env("ETCDCTL_API", "3").args(["--endpoints", &endpoints.join(",")]);
            let told = ask.args(["endpoint", "status", "--write-out", "json"]).output().ok()?;
            let told: Value = serde_json::from_slice(&told.stdout).ok()?;
            let leads =
                |member: &&Value| member["Status"]["leader"] == member["Status"]["header"]["member_id"];
            let leader = told.as_array()?.iter().find(leads)?;
            leader["Endpoint"].as_str().map(str::to_owned)
        })
    }
}

fn endpoint(node: u16) -> String {
    format!("127.0.0.1:{}", PORTS + 20 + node)
}
