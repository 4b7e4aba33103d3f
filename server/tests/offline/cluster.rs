//! Real replicas on this machine, and a client that asks whoever leads.

use crate::run::program;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A whole start, an election and a transfer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The value of `--cluster` for so many replicas on ports that are free now, and where each serves clients.
pub(crate) fn list(count: usize) -> (String, Vec<u16>) {
    let free: Vec<TcpListener> =
        (0..2 * count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    let ports: Vec<u16> =
        free.iter().map(|listener| listener.local_addr().expect("it is bound").port()).collect();
    let (peers, clients) = ports.split_at(count);
    let entry = |(index, (peer, client))| format!("{}=127.0.0.1:{peer}/{client}", index + 1);
    let entries: Vec<String> = peers.iter().zip(clients).enumerate().map(entry).collect();
    (entries.join(","), clients.to_vec())
}

/// Replicas that are killed when the test ends.
pub(crate) struct Cluster {
    children: Vec<Child>,
    clients: Vec<u16>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Cluster {
    /// Serves from these directories, the first as replica 1.
    pub(crate) fn serve(list: &str, clients: &[u16], directories: &[PathBuf]) -> Self {
        let serve = |(index, data): (usize, &PathBuf)| {
            let id = (index + 1).to_string();
            let mut command = program();
            command.args(["serve", "--id", &id, "--cluster", list, "--data"]).arg(data);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs")
        };
        Cluster { children: directories.iter().enumerate().map(serve).collect(), clients: clients.to_vec() }
    }

    /// Ends all of them at once, as a failure of power would.
    pub(crate) fn kill(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// What the leader answers, as soon as there is one.
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        self.answer(command, |answer| !answer.starts_with('-'))
    }

    /// The error with which the leader answers a command that the store refuses.
    pub(crate) fn refused(&self, command: &[&str]) -> String {
        let elsewhere = ["-MOVED", "-CLUSTERDOWN", "-UNKNOWN", "-BUSY"];
        let answer = self.answer(command, |answer| !elsewhere.iter().any(|word| answer.starts_with(word)));
        assert!(answer.starts_with('-'), "{command:?} was not refused: {answer}");
        answer
    }

    /// What one replica answers, whoever leads.
    pub(crate) fn of(&self, index: usize, command: &[&str]) -> Option<String> {
        ask(self.clients[index], command)
    }

    fn answer(&self, command: &[&str], counts: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            for port in &self.clients {
                match ask(*port, command) {
                    Some(answer) if counts(&answer) => return answer,
                    _ => {}
                }
            }
            assert!(Instant::now() < until, "nobody answers {command:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn ask(port: u16, command: &[&str]) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let mut request = format!("*{}\r\n", command.len());
    for word in command {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(request.as_bytes()).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let line = line.trim_end();
    match line.strip_prefix('$').and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => {
            let mut bytes = vec![0; length];
            std::io::Read::read_exact(&mut reader, &mut bytes).ok()?;
            String::from_utf8(bytes).ok()
        }
        None => (!line.is_empty()).then(|| line.to_owned()),
    }
}

/// Formats replicas 1, 2, ... in directories below `place`, as small as can be.
pub(crate) fn format(place: &Path, list: &str, count: usize) -> Vec<PathBuf> {
    format_with(place, list, &vec!["16MiB"; count])
}

/// Formats replicas 1, 2, ... with journals of these sizes.
pub(crate) fn format_with(place: &Path, list: &str, sizes: &[&str]) -> Vec<PathBuf> {
    let make = |(index, size): (usize, &&str)| {
        let id = index + 1;
        let data = place.join(format!("replica-{id}"));
        let words = format!("format --id {id} --cluster {list} --size {size} --data {{}}");
        crate::run::run(&words, &[&data]).ended(0);
        data
    };
    sizes.iter().enumerate().map(make).collect()
}
