//! Real processes of the binary on loopback, and the smallest client that can talk to them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What a test waits for comes much sooner; beyond this it never does.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_seedfast-kv"))
}

/// Runs the program to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    program().args(args).stdin(Stdio::null()).output().expect("the program starts")
}

/// A directory that goes when the test ends.
pub(crate) struct Temporary(pub(crate) PathBuf);

impl Temporary {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("kv-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a directory can be made");
        Temporary(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Every file below `directory` and what it holds.
pub(crate) fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).expect("it can be read");
            found.insert(path, bytes);
        }
    }
    found
}

/// So many ports of loopback that were free a moment ago, and that the kernel gives to no outgoing connection.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let ports = std::iter::from_fn(|| {
        let number = (std::process::id() % 250) * 40 + u32::from(TAKEN.fetch_add(1, Ordering::Relaxed));
        Some(22_000 + (number % 10_000) as u16)
    });
    ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).take(count).collect()
}

/// Asks again and again until there is an answer.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what} never came");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.expect("`kill` is there").success());
}

/// Waits for the end of a process; its exit code.
#[track_caller]
pub(crate) fn ended(child: &mut Child) -> Option<i32> {
    until("the end of the process", || child.try_wait().expect("it is ours")).code()
}

/// A client of RESP2.
pub(crate) struct Resp {
    stream: BufReader<TcpStream>,
}

impl Resp {
    pub(crate) fn connect(port: u16) -> io::Result<Resp> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Resp { stream: BufReader::new(stream) })
    }

    pub(crate) fn send(&mut self, words: &[&str]) -> io::Result<()> {
        let mut bytes = format!("*{}\r\n", words.len());
        for word in words {
            bytes.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(bytes.as_bytes())
    }

    /// The next reply: simple strings as they are, errors with their minus, elements in a line each.
    pub(crate) fn reply(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at(1);
        Ok(match kind {
            "$" | "*" if rest == "-1" => "(nil)".into(),
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().expect("a length") + 2];
                self.stream.read_exact(&mut bytes)?;
                String::from_utf8_lossy(&bytes[..bytes.len() - 2]).into_owned()
            }
            "*" => {
                let count: usize = rest.parse().expect("a count");
                let elements: io::Result<Vec<String>> = (0..count).map(|_| self.reply()).collect();
                elements?.join("\n")
            }
            "-" => line.trim_end().into(),
            _ => rest.into(),
        })
    }

    pub(crate) fn ask(&mut self, words: &[&str]) -> io::Result<String> {
        self.send(words)?;
        self.reply()
    }
}

/// One command on a connection of its own.
pub(crate) fn ask(port: u16, words: &[&str]) -> io::Result<String> {
    Resp::connect(port)?.ask(words)
}

/// What a small web client sees: the status line and the body.
pub(crate) fn get(port: u16, path: &str) -> io::Result<(String, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Ok((head.lines().next().unwrap_or_default().into(), body.into()))
}

/// A replica of a [`Cluster`].
pub(crate) struct Node {
    pub(crate) id: u8,
    pub(crate) clients: u16,
    pub(crate) native: u16,
    pub(crate) metrics: u16,
    pub(crate) data: String,
    pub(crate) child: Option<Child>,
}

/// Replicas as processes, ended with their owner.
pub(crate) struct Cluster {
    pub(crate) list: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) directory: Temporary,
    /// What every replica is told besides.
    pub(crate) more: Vec<String>,
}

impl Cluster {
    /// Formats `count` replicas and starts them.
    pub(crate) fn start(count: u8) -> Cluster {
        let mut cluster = Cluster::formatted(count);
        (0..count.into()).for_each(|index| cluster.serve(index));
        cluster
    }

    /// Formats `count` replicas.
    pub(crate) fn formatted(count: u8) -> Cluster {
        Cluster::formatted_with(count, &[])
    }

    /// Formats `count` replicas with more flags.
    pub(crate) fn formatted_with(count: u8, more: &[&str]) -> Cluster {
        let directory = Temporary::new();
        let ports = free_ports(usize::from(count) * 4);
        let ports: Vec<&[u16]> = ports.chunks(4).collect();
        let entry = |index: usize| format!("{}=127.0.0.1:{}/{}", index + 1, ports[index][0], ports[index][1]);
        let list: Vec<String> = (0..count.into()).map(entry).collect();
        let list = list.join(",");
        let node = |index: usize| Node {
            id: index as u8 + 1,
            clients: ports[index][1],
            native: ports[index][2],
            metrics: ports[index][3],
            data: directory.path(&format!("{}", index + 1)),
            child: None,
        };
        let nodes: Vec<Node> = (0..count.into()).map(node).collect();
        for node in &nodes {
            let id = node.id.to_string();
            let args = ["format", "--id", &id, "--cluster", &list, "--data", &node.data, "--size", "16MiB"];
            let made = run(&[&args[..], more].concat());
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        Cluster { list, nodes, directory, more: Vec::new() }
    }

    /// Starts a replica.
    pub(crate) fn serve(&mut self, index: usize) {
        let Node { id, native, metrics, data, .. } = &self.nodes[index];
        let (native, metrics) = (format!("127.0.0.1:{native}"), format!("127.0.0.1:{metrics}"));
        let log = fs::File::create(self.directory.0.join(format!("{id}.log"))).expect("a log");
        let child = program()
            .args(["serve", "--id", &id.to_string(), "--cluster", &self.list, "--data", data])
            .args(["--native", &native, "--metrics", &metrics])
            .args(&self.more)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn();
        self.nodes[index].child = Some(child.expect("the program starts"));
    }

    /// What a replica has said in its present life.
    pub(crate) fn log(&self, index: usize) -> String {
        let name = format!("{}.log", self.nodes[index].id);
        fs::read_to_string(self.directory.0.join(name)).unwrap_or_default()
    }

    /// Kills a replica as a machine does that fails.
    pub(crate) fn kill(&mut self, index: usize) {
        let mut child = self.nodes[index].child.take().expect("it runs");
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
    }

    /// Asks a replica to end; its exit code.
    #[track_caller]
    pub(crate) fn terminate(&mut self, index: usize) -> Option<i32> {
        let mut child = self.nodes[index].child.take().expect("it runs");
        signal(&child, "TERM");
        ended(&mut child)
    }

    /// The replica that answers commands, once there is one.
    #[track_caller]
    pub(crate) fn leader(&self) -> usize {
        let serves = |node: &Node| {
            node.child.is_some() && ask(node.clients, &["EXISTS", "nothing"]).is_ok_and(|reply| reply == "0")
        };
        until("a leader", || self.nodes.iter().position(serves))
    }

    /// Has a command answered by whoever leads.
    #[track_caller]
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        until("an answer", || {
            let reply = ask(self.nodes[self.leader()].clients, words).ok()?;
            let elsewhere = ["-MOVED", "-CLUSTERDOWN", "-UNKNOWN"].iter().any(|word| reply.starts_with(word));
            (!elsewhere).then_some(reply)
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for index in 0..self.nodes.len() {
            if let Some(mut child) = self.nodes[index].child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
            if thread::panicking() {
                eprintln!("replica {} said:\n{}", self.nodes[index].id, self.log(index));
            }
        }
    }
}
