//! Real processes of `seedfast-kv`, their data, the links between them, and what can be done to them.

use super::disk::{Disk, hollow};
use super::link::{Link, Rule};
use super::settings::Settings;
use crate::{Trouble, Verdict, cannot, failed, shell};
use std::fs::{self, OpenOptions};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What must happen happens sooner; beyond this it never does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a replica may fail to start because something of its former life is still held.
const STARTS: u32 = 5;
/// The signal that no process can refuse.
const KILLED: i32 = 9;

/// Where clients find a replica.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its number.
    pub(crate) id: u8,
    /// The port for clients of RESP.
    pub(crate) resp: u16,
    /// The port for native clients.
    pub(crate) native: u16,
}

struct Node {
    place: Place,
    peers: u16,
    data: PathBuf,
    /// What this replica is told of the others: it reaches them through its own links.
    list: String,
    child: Option<Child>,
    stopped: bool,
    starts: u32,
}

/// How often what was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Processes killed with `kill -9`.
    pub(crate) kills: u64,
    /// Processes stopped with SIGSTOP.
    pub(crate) stops: u64,
    /// Directed links cut.
    pub(crate) cuts: u64,
    /// Directed links stalled.
    pub(crate) stalls: u64,
    /// Disks filled.
    pub(crate) fills: u64,
    /// Replicas that ended by themselves because their disk was full.
    pub(crate) ended_full: u64,
}

/// The cluster. Its processes end with it.
pub(crate) struct Cluster {
    binary: PathBuf,
    out: PathBuf,
    nodes: Vec<Node>,
    /// `links[from][to]`; none from a replica to itself.
    links: Vec<Vec<Option<Link>>>,
    disk: Option<Disk>,
    full: bool,
    pub(crate) counts: Counts,
}

/// A port of loopback on which nobody waits, below those that a kernel gives to outgoing connections: one of those
/// could take it while the replica is down.
fn listener() -> Verdict<TcpListener> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..10_000 {
        let number = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", 11_000 + (number % 10_000) as u16)) {
            return Ok(listener);
        }
    }
    cannot("no port of loopback is free")
}

fn io(what: &Path) -> impl Fn(std::io::Error) -> Trouble + '_ {
    move |why| Trouble::Cannot(format!("{}: {why}", what.display()))
}

impl Cluster {
    /// Formats the replicas; none runs yet. The last one gets a small disk, if `small` and if this process may mount.
    pub(crate) fn format(settings: &Settings, binary: &Path, small: bool) -> Verdict<Cluster> {
        let count = settings.nodes;
        let data = settings.out.join("data");
        if data.exists() {
            return cannot(format!("{} is there already: name another --out, or remove it", data.display()));
        }
        fs::create_dir_all(&data).map_err(io(&data))?;
        let disk = match small.then(|| Disk::mount(&data, settings.journal())) {
            Some(Ok(disk)) => Some(disk),
            Some(Err(why)) => {
                eprintln!("no disk will be filled, because no small one can be mounted: {why}");
                None
            }
            None => None,
        };
        // All are held until all are known, so that none is found twice.
        let held: Vec<TcpListener> = (0..count * 3).map(|_| listener()).collect::<Verdict<_>>()?;
        let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
        let ports: Vec<u16> = held.iter().map(port).collect::<Result<_, _>>().map_err(io(&data))?;
        let open = |from: usize, to: usize| -> Verdict<Option<Link>> {
            match from == to {
                true => Ok(None),
                false => Link::open(listener()?, ports[to * 3]).map(Some).map_err(io(&data)),
            }
        };
        let links: Vec<Vec<Option<Link>>> =
            (0..count).map(|from| (0..count).map(|to| open(from, to)).collect()).collect::<Verdict<_>>()?;
        let node = |from: usize| {
            let entry = |to: usize| {
                let peers = links[from][to].as_ref().map_or(ports[to * 3], Link::port);
                format!("{}=127.0.0.1:{peers}/{}", to + 1, ports[to * 3 + 1])
            };
            let list: Vec<String> = (0..count).map(entry).collect();
            let name = format!("replica-{}", from + 1);
            Node {
                place: Place { id: from as u8 + 1, resp: ports[from * 3 + 1], native: ports[from * 3 + 2] },
                peers: ports[from * 3],
                data: disk
                    .as_ref()
                    .filter(|_| from + 1 == count)
                    .map_or(&*data, |disk| disk.path())
                    .join(name),
                list: list.join(","),
                child: None,
                stopped: false,
                starts: 0,
            }
        };
        let nodes = (0..count).map(node).collect();
        let cluster = Cluster {
            binary: binary.into(),
            out: settings.out.clone(),
            nodes,
            links,
            disk,
            full: false,
            counts: Counts::default(),
        };
        drop(held);
        for node in &cluster.nodes {
            let (id, size) = (node.place.id.to_string(), format!("{}KiB", settings.journal() >> 10));
            let mut format = cluster.program();
            format.args([
                "format",
                "--id",
                &id,
                "--cluster",
                &node.list,
                "--name",
                "torture",
                "--size",
                &size,
            ]);
            if node.place.id == 1 && settings.mapped() {
                format.arg("--nvm");
            }
            shell::text(format.arg("--data").arg(&node.data)).map_err(|why| match why {
                Trouble::Failed(why) | Trouble::Cannot(why) => Trouble::Cannot(why),
            })?;
        }
        if cluster.disk.is_some() {
            let journal = cluster.journal(count - 1);
            hollow(&journal).map_err(io(&journal))?;
        }
        Ok(cluster)
    }

    fn program(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.stdin(Stdio::null());
        command
    }

    /// How many replicas there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Where they are.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.nodes.iter().map(|node| node.place.clone()).collect()
    }

    /// The journal of one.
    pub(crate) fn journal(&self, index: usize) -> PathBuf {
        self.nodes[index].data.join("journal")
    }

    /// What the small disk is, if there is one.
    pub(crate) fn small_disk(&self) -> Option<&'static str> {
        self.disk.as_ref().map(Disk::kind)
    }

    fn log(&self, index: usize) -> PathBuf {
        self.out.join(format!("replica-{}.log", index + 1))
    }

    /// Starts one that does not run.
    pub(crate) fn start(&mut self, index: usize) -> Verdict {
        if self.nodes[index].child.is_some() {
            return Ok(());
        }
        let path = self.log(index);
        let log = OpenOptions::new().create(true).append(true).open(&path).map_err(io(&path))?;
        let mut serve = self.program();
        let node = &mut self.nodes[index];
        let (id, native) = (node.place.id.to_string(), format!("127.0.0.1:{}", node.place.native));
        let peers = format!("127.0.0.1:{}", node.peers);
        serve.args(["serve", "--id", &id, "--cluster", &node.list, "--native", &native]);
        serve.args(["--listen-peers", &peers, "--with-parent", "--record-limit", "256MiB"]);
        serve.arg("--data").arg(&node.data).arg("--record").arg(self.out.join("recordings"));
        // It ends when its standard input does, and that does when this process ends.
        serve.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        node.child = Some(serve.spawn().map_err(io(&self.binary))?);
        node.starts += 1;
        Ok(())
    }

    /// `kill -9`. One that does not run is left as it is; one that had ended by itself before is judged for that.
    pub(crate) fn kill(&mut self, index: usize) -> Verdict {
        let node = &mut self.nodes[index];
        node.stopped = false;
        let starts = std::mem::take(&mut node.starts);
        let Some(mut child) = node.child.take() else { return Ok(()) };
        // It fails only if there is nothing left to kill.
        let _ = child.kill();
        let status = child.wait().map_err(io(&self.binary))?;
        if status.signal() == Some(KILLED) {
            self.counts.kills += 1;
            return Ok(());
        }
        self.judge(index, status, starts).map(drop)
    }

    /// SIGSTOP, which no process can refuse.
    pub(crate) fn stop(&mut self, index: usize) -> Verdict {
        if self.signal(index, "STOP")? {
            self.nodes[index].stopped = true;
            self.counts.stops += 1;
        }
        Ok(())
    }

    /// Sends a signal by its name; whether there was a process.
    fn signal(&self, index: usize, name: &str) -> Verdict<bool> {
        let Some(child) = &self.nodes[index].child else { return Ok(false) };
        shell::text(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]))?;
        Ok(true)
    }

    /// The rule of one link.
    pub(crate) fn rule(&mut self, from: usize, to: usize, rule: Rule) {
        let Some(link) = self.links[from][to].as_ref() else { return };
        link.set(rule);
        self.counts.cuts += u64::from(rule == Rule::Cut);
        self.counts.stalls += u64::from(rule == Rule::Stall);
    }

    /// Breaks every stream between replicas.
    pub(crate) fn sever_all(&self) {
        self.links.iter().flatten().flatten().for_each(Link::sever);
    }

    /// Fills the small disk.
    pub(crate) fn fill(&mut self) -> Verdict {
        if let Some(disk) = &self.disk {
            disk.fill().map_err(io(disk.path()))?;
            self.full = true;
            self.counts.fills += 1;
        }
        Ok(())
    }

    /// Everything is as it should be again: links pass, disks have room, those who stand still go on, all run.
    pub(crate) fn heal(&mut self) -> Verdict {
        for link in self.links.iter().flatten().flatten() {
            link.set(Rule::Pass);
        }
        for index in 0..self.len() {
            if self.nodes[index].stopped {
                self.signal(index, "CONT")?;
                self.nodes[index].stopped = false;
            }
        }
        self.ended()?;
        if let Some(disk) = &self.disk {
            disk.empty().map_err(io(disk.path()))?;
            self.full = false;
        }
        (0..self.len()).try_for_each(|index| self.start(index))
    }

    /// Looks whether a replica ended by itself.
    pub(crate) fn ended(&mut self) -> Verdict {
        for index in 0..self.len() {
            let node = &mut self.nodes[index];
            let Some(child) = &mut node.child else { continue };
            let Ok(Some(status)) = child.try_wait() else { continue };
            node.child = None;
            let starts = node.starts;
            if self.judge(index, status, starts)? {
                self.start(index)?;
            }
        }
        Ok(())
    }

    /// Judges one that ended by itself; whether it is to be tried again. Only a full disk is a reason to end, and then with
    /// words and not with a panic; what the former life still holds is one to try again.
    fn judge(&mut self, index: usize, status: ExitStatus, starts: u32) -> Verdict<bool> {
        if self.full && index + 1 == self.len() && matches!(status.code(), Some(2 | 3)) {
            self.counts.ended_full += 1;
            return Ok(false);
        }
        let log = fs::read_to_string(self.log(index)).unwrap_or_default();
        let last = last_words(&log);
        if status.code() == Some(2) && last.contains("in use") && starts < STARTS {
            return Ok(true);
        }
        failed(format!("replica {} ended by itself with {status}: {last}", index + 1))
    }

    /// Asks all to end, which they must do in time and in peace, and has each journal verified.
    pub(crate) fn end(&mut self) -> Verdict {
        for index in 0..self.len() {
            self.signal(index, "TERM")?;
        }
        let until = Instant::now() + PATIENCE;
        for index in 0..self.len() {
            let Some(mut child) = self.nodes[index].child.take() else { continue };
            let status = loop {
                match child.try_wait() {
                    Ok(Some(status)) => break status,
                    Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(20)),
                    _ => {
                        self.nodes[index].child = Some(child);
                        return failed(format!("replica {} did not end when it was asked to", index + 1));
                    }
                }
            };
            if !status.success() {
                return failed(format!("replica {} was asked to end, and ended with {status}", index + 1));
            }
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let verified = shell::output(self.program().arg("verify").arg(&node.data))?;
            if !verified.status.success() {
                let said = String::from_utf8_lossy(&verified.stdout);
                return failed(format!("the journal of replica {} is not sound: {}", index + 1, said.trim()));
            }
        }
        Ok(())
    }
}

/// What a replica said of its end: the line behind its last panic, or else its last line.
fn last_words(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let panic = lines.iter().rposition(|line| line.contains("panicked at"));
    let words = panic.and_then(|at| lines.get(at + 1)).or(lines.last());
    words.map_or("it said nothing", |line| line.trim()).to_owned()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for index in 0..self.len() {
            // Whoever looked for what it finds has done so before.
            let _ = self.kill(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::last_words;

    #[test]
    fn a_panic_is_what_counts_of_what_was_said() {
        assert_eq!(last_words(""), "it said nothing");
        assert_eq!(last_words("one\ntwo\n"), "two");
        let log = "one\nthread 'main' panicked at core/src/x.rs:1:2:\nI1: it broke\nnote: some details\n";
        assert_eq!(last_words(log), "I1: it broke");
    }
}
