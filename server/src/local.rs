//! `local`: a whole cluster on this machine, each replica a process of its own, so that one can be killed.

use crate::cli;
use crate::cluster::Cluster;
use crate::format;
use crate::identity::{FILE, Identity, Media};
use crate::log::Level;
use crate::trouble::Trouble;
use seedfast_core::journal::Standing;
use seedfast_core::runtime::Runtime;
use seedfast_core::runtime::race::{Either, race};
use seedfast_core::{Duration, NodeId};
use seedfast_runtime_real::{Options, RealRuntime};
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Child, Command, ExitStatus, Stdio};

/// How far the ports where replicas meet stand above those for clients.
const PEERS_ABOVE: u16 = 10_000;
/// Clusters on one machine have one name: nobody else reaches them.
const NAME: &str = "local";
/// How often the children are looked at.
const GLANCE: Duration = Duration::from_millis(100);
/// With this code a replica ends that could not begin.
const UNABLE: i32 = 2;
/// How long the replicas may take to end by themselves.
const PATIENCE: Duration = Duration::from_secs(10);

/// Says a line. Who reads it may be gone: that is no reason to end.
macro_rules! say {
    ($($what:tt)*) => {{
        let _ = writeln!(io::stdout(), $($what)*);
    }};
}

/// A directory that goes with its owner, unless it is to stay.
struct Directory {
    path: PathBuf,
    temporary: bool,
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.temporary {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Children that are ended with their owner, and how those ended that are no more.
struct Children(Vec<(NodeId, Option<Child>)>, Vec<ExitStatus>);

impl Drop for Children {
    fn drop(&mut self) {
        for (_, child) in &mut self.0 {
            if let Some(child) = child {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

/// Runs a cluster until somebody ends it.
///
/// # Errors
/// It cannot begin, or all of its replicas ended.
pub(crate) fn run(options: &cli::Local) -> Result<(), Trouble> {
    let cluster = cluster(options)?;
    let directory = match &options.data {
        Some(path) => Directory { path: path.clone(), temporary: false },
        None => temporary()?,
    };
    for replica in &cluster.replicas {
        let data = data(&directory.path, replica.node);
        if options.data.is_some() && data.join(FILE).exists() {
            continue;
        }
        let identity = Identity {
            cluster: cluster.id(Some(NAME), options.size),
            // Another --port next time is the same cluster.
            name: Some(NAME.into()),
            node: replica.node,
            members: cluster.clone(),
            media: Media::Disk,
            size: options.size,
            standing: Standing::Founding,
        };
        format::make(&identity, &data)?;
    }
    let program = std::env::current_exe()
        .map_err(|why| Trouble::usage(format!("this program cannot find itself to start replicas: {why}")))?;
    let mut children = Children(Vec::new(), Vec::new());
    for replica in &cluster.replicas {
        let child = spawn(&program, options, &cluster, replica.node, &data(&directory.path, replica.node))?;
        children.0.push((replica.node, Some(child)));
    }
    tell(&cluster, &directory, &children);
    let runtime = Options::new();
    seedfast_runtime_real::run(runtime, move |runtime| watch(runtime, children))
        .map_err(|why| Trouble::usage(why.to_string()))?
}

fn cluster(options: &cli::Local) -> Result<Cluster, Trouble> {
    let replica = |index: u8| {
        let port = options.port + u16::from(index);
        format!("{}=127.0.0.1:{}/{port}", index + 1, port + PEERS_ABOVE)
    };
    let text: Vec<String> = (0..options.nodes).map(replica).collect();
    text.join(",").parse().map_err(Trouble::usage)
}

fn data(directory: &Path, node: NodeId) -> PathBuf {
    directory.join(format!("replica-{}", node.0))
}

fn temporary() -> Result<Directory, Trouble> {
    let path = std::env::temp_dir().join(format!("seedfast-kv-{}", std::process::id()));
    fs::create_dir(&path)
        .map_err(|why| Trouble::usage(format!("{} cannot be made: {why}", path.display())))?;
    Ok(Directory { path, temporary: true })
}

fn spawn(
    program: &Path,
    options: &cli::Local,
    cluster: &Cluster,
    node: NodeId,
    data: &Path,
) -> Result<Child, Trouble> {
    let (id, list) = (node.0.to_string(), cluster.to_string());
    // Ctrl-C reaches this program alone, and a replica ends when its standard input does: so none outlives this program,
    // however it ends.
    Command::new(program)
        .args(["serve", "--with-parent", "--log", options.log.level.unwrap_or(Level::Warn).word()])
        .args(["--log-format", options.log.format.word(), "--id", &id, "--cluster", &list, "--data"])
        .arg(data)
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|why| Trouble::usage(format!("replica {id} cannot be started: {why}")))
}

fn tell(cluster: &Cluster, directory: &Directory, children: &Children) {
    for (replica, (_, child)) in cluster.replicas.iter().zip(&children.0) {
        let process = child.as_ref().map_or(0, Child::id);
        say!(
            "replica {}: {} (process {process}, data {})",
            replica.node.0,
            replica.clients,
            data(&directory.path, replica.node).display()
        );
    }
    if let Some(first) = cluster.replicas.first() {
        say!("talk to it: redis-cli -c -p {}", first.clients.port);
    }
    let fate = if directory.temporary { "and removes its data" } else { "and keeps its data" };
    say!("Ctrl-C ends it {fate}");
}

/// Looks after the children until somebody ends this program, or none is left.
async fn watch(runtime: RealRuntime, mut children: Children) -> Result<(), Trouble> {
    let mut asked = pin!(runtime.terminated());
    loop {
        let glance = runtime.sleep(runtime.now().monotonic + GLANCE);
        match race(&runtime, asked.as_mut(), glance).await {
            Either::First(Ok(())) => break,
            Either::First(Err(why)) => return Err(Trouble::usage(why.to_string())),
            Either::Second(()) => {}
        }
        if children.look(true) == 0 {
            return Err(match children.1.iter().all(|status| status.code() == Some(UNABLE)) {
                true => Trouble::usage("no replica could begin: each has said why"),
                false => Trouble::halted("no replica is left"),
            });
        }
    }
    for (_, child) in &mut children.0 {
        // Its standard input goes, and it ends.
        drop(child.as_mut().and_then(|child| child.stdin.take()));
    }
    let until = runtime.now().monotonic + PATIENCE;
    while children.look(false) > 0 && runtime.now().monotonic < until {
        runtime.sleep(runtime.now().monotonic + Duration::from_millis(10)).await;
    }
    Ok(())
}

impl Children {
    /// Takes note of those that have ended, and says so if it is news; how many are left.
    fn look(&mut self, news: bool) -> usize {
        let mut ended = Vec::new();
        for (node, child) in &mut self.0 {
            if let Some(running) = child
                && let Ok(Some(status)) = running.try_wait()
            {
                ended.push((*node, status));
                *child = None;
            }
        }
        let left = self.0.iter().filter(|(_, child)| child.is_some()).count();
        for (node, status) in ended {
            if news {
                let rest = if left > 0 { "; the others go on" } else { "" };
                say!("replica {} ended ({status}){rest}", node.0);
            }
            self.1.push(status);
        }
        left
    }
}
