//! `local`: a cluster in one line, whose replicas can be killed, and which leaves nothing behind.

#[allow(dead_code, reason = "each user takes what it needs")]
mod common;

use common::{Temporary, ask, ended, program, signal, until};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What `local` said so far, and where it serves.
struct Local {
    child: Child,
    said: Arc<Mutex<String>>,
    port: u16,
}

/// A port with two more behind it, all of them and those 10000 above free a moment ago. None of them is one that the
/// kernel gives to outgoing connections, nor one that clusters of other tests use.
fn port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let begin = 10_000 + (std::process::id() % 60) as u16 * 30 + TAKEN.fetch_add(10, Ordering::Relaxed);
    let ports = (begin..11_990).chain(10_000..begin).step_by(10);
    let all = |port: &u16| (0..3).all(|above| free(port + above) && free(port + above + 10_000));
    ports.into_iter().find(all).expect("free ports")
}

impl Local {
    fn start(port: u16, more: &[&str], temporary: &Path) -> Local {
        let mut child = program()
            .args(["local", "--size", "16MiB", "--log", "warn", "--port", &port.to_string()])
            .args(more)
            .env("TMPDIR", temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let said = Arc::new(Mutex::new(String::new()));
        let (into, out) = (said.clone(), child.stdout.take().expect("it is piped"));
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let mut said = into.lock().expect("nobody panics with it");
                said.push_str(&line);
                said.push('\n');
            }
        });
        Local { child, said, port }
    }

    #[track_caller]
    fn says(&self, what: &str) -> String {
        until(what, || Some(self.said.lock().ok()?.clone()).filter(|said| said.contains(what)))
    }

    fn answers(&self, words: &[&str], reply: &str) {
        until(reply, || (0..3).find(|above| ask(self.port + above, words).is_ok_and(|found| found == reply)));
    }

    /// The process of replica `number`, as it was said.
    fn process(&self, number: u8) -> String {
        let said = self.says(&format!("replica {number}: "));
        let line =
            said.lines().find(|line| line.starts_with(&format!("replica {number}: "))).expect("it was said");
        let (_, rest) = line.split_once("(process ").expect("it was said");
        rest.split(',').next().expect("a number").into()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kill(process: &str) {
    assert!(Command::new("kill").args(["-KILL", process]).status().expect("`kill` is there").success());
}

fn runs(process: &str) -> bool {
    Path::new("/proc").join(process).join("exe").exists()
}

#[test]
fn a_cluster_in_one_line_serves_says_who_died_and_leaves_nothing_behind() {
    let temporary = Temporary::new();
    let mut local = Local::start(port(), &[], &temporary.0);
    let said = local.says("Ctrl-C");
    assert!(said.contains(&format!("redis-cli -c -p {}", local.port)), "{said}");
    local.answers(&["SET", "key", "value"], "OK");
    kill(&local.process(2));
    local.says("replica 2 ended");
    local.answers(&["GET", "key"], "value");
    signal(&local.child, "INT");
    assert_eq!(ended(&mut local.child), Some(0));
    assert!(common::contents(&temporary.0).is_empty(), "its data is gone");
    assert!(!runs(&local.process(1)) && !runs(&local.process(3)), "its replicas are gone");
}

#[test]
fn replicas_end_with_who_started_them_and_data_that_was_asked_for_stays() {
    let temporary = Temporary::new();
    let data = temporary.path("data");
    let mut local = Local::start(port(), &["--data", &data], &temporary.0);
    local.answers(&["SET", "key", "value"], "OK");
    let processes: Vec<String> = (1..=3).map(|number| local.process(number)).collect();
    local.child.kill().expect("it is ours");
    local.child.wait().expect("it is ours");
    until("the end of the replicas", || processes.iter().all(|process| !runs(process)).then_some(()));
    let again = Local::start(port(), &["--data", &data], &temporary.0);
    again.answers(&["GET", "key"], "value");
}

#[test]
fn where_every_port_is_taken_it_says_that_none_could_begin_and_ends_as_for_an_address_that_is_taken() {
    let temporary = Temporary::new();
    let port = port();
    let taken: Vec<TcpListener> =
        (0..3).map(|above| TcpListener::bind(("127.0.0.1", port + above)).expect("it was free")).collect();
    let mut local = Local::start(port, &[], &temporary.0);
    assert_eq!(ended(&mut local.child), Some(2));
    drop(taken);
    let said = local.says("replica 3 ended");
    for number in 1..=3 {
        assert!(said.contains(&format!("replica {number} ended (exit status: 2)")), "{said}");
    }
    let last = said.lines().last().expect("it said something");
    assert!(last.ends_with("(exit status: 2)"), "nobody goes on: {said}");
}
