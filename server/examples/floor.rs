//! What no replicated write on this machine can be faster than: a round trip between two processes over loopback, asleep
//! or spinning, and one data sync of a disk; and what a sync takes where three replicas share that disk: the second of
//! three at once, for two make a quorum.
//!
//! `floor FILE` makes a file there and two beside it, prints one JSON object of medians in microseconds, and leaves the
//! files behind.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// As long as a small frame.
const MESSAGE: usize = 64;
const TRIPS: usize = 4000;
const SYNCS: usize = 1000;
/// A write, in bytes, and how many of them the file has room for.
const PAGE: usize = 4096;
const PAGES: usize = 1024;

/// `O_DIRECT` of `open(2)`.
#[cfg(target_arch = "aarch64")]
const DIRECT: i32 = 0o200000;
#[cfg(not(target_arch = "aarch64"))]
const DIRECT: i32 = 0o40000;

#[repr(align(4096))]
struct Page([u8; PAGE]);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [word, address, spins] if word == "echo" => echo(address, spins == "spin"),
        [file] => {
            let (asleep, spinning) = (trip(false), trip(true));
            let files = [open(file), open(&format!("{file}.2")), open(&format!("{file}.3"))];
            let (alone, second) = (alone(&files[0]), second_of_three(&files));
            println!(
                "{{\"round_trip_us\": {asleep:.1}, \"spin_round_trip_us\": {spinning:.1}, \"sync_us\": {alone:.1}, \
                 \"second_of_three_syncs_us\": {second:.1}}}"
            );
        }
        _ => panic!("usage: floor FILE"),
    }
}

fn median(mut nanos: Vec<u128>) -> f64 {
    nanos.sort_unstable();
    nanos[nanos.len() / 2] as f64 / 1000.0
}

/// Reads a whole message; false at the end of the stream.
fn receive(stream: &mut TcpStream, bytes: &mut [u8; MESSAGE]) -> bool {
    let mut have = 0;
    while have < MESSAGE {
        match stream.read(&mut bytes[have..]) {
            Ok(0) => return false,
            Ok(count) => have += count,
            Err(why) if why.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
            Err(why) => panic!("{why}"),
        }
    }
    true
}

fn prepare(stream: &TcpStream, spins: bool) {
    stream.set_nodelay(true).expect("TCP");
    stream.set_nonblocking(spins).expect("a socket");
}

fn echo(address: &str, spins: bool) {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    prepare(&stream, spins);
    let mut bytes = [0; MESSAGE];
    while receive(&mut stream, &mut bytes) {
        stream.write_all(&bytes).expect("room for a message");
    }
}

/// A round trip to another process.
fn trip(spins: bool) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let program = std::env::current_exe().expect("this program");
    let mut other = Command::new(program)
        .args(["echo", &address, if spins { "spin" } else { "sleep" }])
        .stdin(Stdio::null())
        .spawn()
        .expect("this program starts");
    let (mut stream, _) = listener.accept().expect("it connects");
    prepare(&stream, spins);
    let mut bytes = [7; MESSAGE];
    let trips = (0..TRIPS).map(|_| {
        let start = Instant::now();
        stream.write_all(&bytes).expect("room for a message");
        assert!(receive(&mut stream, &mut bytes), "the echo ended");
        start.elapsed().as_nanos()
    });
    let trip = median(trips.collect());
    drop(stream);
    other.wait().expect("it ends with the stream");
    trip
}

/// A file that is written past the page cache, every byte of which is there already.
fn open(path: &str) -> File {
    let page = Page([0; PAGE]);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let whole = options.open(path).expect("a file can be made there");
    for index in 0..PAGES {
        whole.write_all_at(&page.0, (index * PAGE) as u64).expect("room on the disk");
    }
    whole.sync_all().expect("a sync");
    // Some file systems know no writes past their cache; there is nothing to get past then.
    options.clone().custom_flags(DIRECT).open(path).unwrap_or(whole)
}

/// A write and a data sync.
fn sync(file: &File, index: usize) {
    let page = Page([0; PAGE]);
    file.write_all_at(&page.0, (index % PAGES * PAGE) as u64).expect("a write");
    file.sync_data().expect("a sync");
}

/// What that takes when nobody else does it.
fn alone(file: &File) -> f64 {
    let one = |index| {
        let start = Instant::now();
        sync(file, index);
        start.elapsed().as_nanos()
    };
    median((0..SYNCS).map(one).collect())
}

/// From the beginning of the first of three to the end of the second to end.
fn second_of_three(files: &[File; 3]) -> f64 {
    let together = Barrier::new(3);
    let syncs = |file: &File| -> Vec<(Instant, Instant)> {
        let one = |index| {
            together.wait();
            let start = Instant::now();
            sync(file, index);
            (start, Instant::now())
        };
        (0..SYNCS).map(one).collect()
    };
    let all = thread::scope(|scope| {
        let threads = files.each_ref().map(|file| scope.spawn(|| syncs(file)));
        threads.map(|thread| thread.join().expect("it writes and syncs"))
    });
    let second = |index: usize| {
        let first = all.iter().map(|times| times[index].0).min().expect("three");
        let mut ends = all.each_ref().map(|times| times[index].1);
        ends.sort_unstable();
        ends[1].duration_since(first).as_nanos()
    };
    median((0..SYNCS).map(second).collect())
}
