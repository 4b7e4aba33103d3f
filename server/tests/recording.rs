//! What real replicas record is lived again by the same code: after a clean end, after kill -9, and up to the limit.

#[allow(dead_code, reason = "each user takes what it needs")]
mod common;

use common::{Cluster, Resp, ask, ended, run, signal, until};
use seedfast_core::recording::{End, Reading, Record, Replay};
use seedfast_kv::recorded;
use std::fs;
use std::path::PathBuf;
use std::thread;

/// Lives a recorded life again; the number of turns, and how the recording ends.
#[track_caller]
fn replay(path: &PathBuf) -> (u64, Option<End>) {
    let bytes = fs::read(path).expect("it can be read");
    let mut reading = Reading::open(&bytes[..]).expect("it has a header");
    assert!(recorded::same_sources(&reading.header().build));
    let mut replay = Replay::new(recorded::replica(reading.header()).expect("it can be made"));
    let mut end = None;
    // What was being written when it was killed is torn.
    while let Ok(Some(record)) = reading.record() {
        if let Record::End { why, turns, hash } = &record {
            end = Some(*why);
            assert_eq!((*turns, *hash), replay.so_far(), "{}", path.display());
        }
        replay.take(record).unwrap_or_else(|difference| panic!("{}: {difference}", path.display()));
    }
    assert!(replay.compared(), "{}", path.display());
    (replay.so_far().0, end)
}

/// The recordings in a directory, by their names.
fn recordings(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("it was made");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

#[test]
fn what_replicas_record_is_lived_again_after_a_clean_end_and_after_kill_9() {
    let mut cluster = Cluster::formatted(3);
    let directory = cluster.directory.path("recordings");
    cluster.more = vec!["--record".into(), directory.clone()];
    (0..3).for_each(|index| cluster.serve(index));
    let value = "v".repeat(256);
    for number in 0..100 {
        assert_eq!(cluster.ask(&["SET", &format!("key {number}"), &value]), "OK");
    }
    // What is younger than a tenth of a second dies with the process.
    let length = |path: &PathBuf| fs::metadata(path).map_or(0, |found| found.len());
    until("the recordings", || {
        recordings(&directory).iter().all(|path| length(path) > 100 * 256).then_some(())
    });
    let leader = cluster.leader();
    cluster.kill(leader);
    for number in 0..50 {
        assert_eq!(cluster.ask(&["INCR", "counter"]), (number + 1).to_string());
    }
    cluster.serve(leader);
    assert_eq!(cluster.ask(&["GET", "counter"]), "50");
    // Before that nobody listens for the signal.
    until("its return", || cluster.log(leader).contains("the journal was read").then_some(()));
    for index in 0..3 {
        assert_eq!(cluster.terminate(index), Some(0));
    }
    let lives: Vec<(u64, Option<End>)> = recordings(&directory).iter().map(replay).collect();
    assert_eq!(lives.len(), 4, "{lives:?}");
    let long = lives.iter().filter(|(turns, _)| *turns > 100).count();
    assert!(long >= 3, "the first lives had all of the load: {lives:?}");
    let killed: Vec<_> = lives.iter().filter(|(_, end)| *end != Some(End::Stopped)).collect();
    assert!(matches!(killed[..], [(_, None)]), "{lives:?}");
}

#[test]
fn recordings_stay_below_their_limit_and_the_replica_goes_on() {
    const LIMIT: u64 = 1 << 20;
    let mut cluster = Cluster::formatted(1);
    let directory = cluster.directory.path("recordings");
    cluster.more = ["--record", &directory, "--record-limit", "1MiB"].map(String::from).to_vec();
    let size = || {
        let paths = recordings(&directory);
        paths.iter().map(|path| fs::metadata(path).map_or(0, |found| found.len())).sum::<u64>()
    };
    let value = "v".repeat(64 << 10);
    for life in 1..=2 {
        cluster.serve(0);
        for number in 0..40 {
            assert_eq!(cluster.ask(&["SET", &format!("key {}", number % 4), &value]), "OK");
        }
        assert!(cluster.log(0).contains("the recording of this life ends here"), "{}", cluster.log(0));
        assert_eq!(cluster.terminate(0), Some(0));
        let paths = recordings(&directory);
        assert!(size() <= LIMIT && size() > LIMIT / 4, "{} bytes in {paths:?}", size());
        // The former one had to make room.
        assert_eq!(paths.len(), 1, "{paths:?}");
        assert!(paths[0].ends_with(format!("n1-{life:06}.rec")), "{paths:?}");
        let (turns, end) = replay(&paths[0]);
        assert!(turns > 10 && end == Some(End::Full), "{turns} turns, {end:?}");
    }
}

/// Three replicas that record into a directory each and begin anew when they are full.
fn renewing() -> Cluster {
    let mut cluster = Cluster::formatted(3);
    for index in 0..3 {
        let directory = cluster.directory.path(&format!("recordings {index}"));
        let flags = ["--record", &directory, "--record-limit", "1MiB", "--record-restart=1"];
        cluster.more = flags.map(String::from).to_vec();
        cluster.serve(index);
    }
    cluster
}

/// Makes every replica's recording full.
fn fill(cluster: &Cluster) {
    let value = "v".repeat(64 << 10);
    for number in 0..40 {
        assert_eq!(cluster.ask(&["SET", &format!("key {}", number % 4), &value]), "OK");
    }
}

/// A replica whose log says that, once there is one.
#[track_caller]
fn who_says(cluster: &Cluster, what: &str) -> usize {
    until(what, || (0..3).find(|index| cluster.log(*index).contains(what)))
}

#[test]
fn a_full_recording_begins_anew_as_soon_as_it_can_be_kept_and_until_then_the_replica_goes_on() {
    let mut cluster = renewing();
    assert_eq!(cluster.ask(&["SET", "key", "value"]), "OK");
    let directories = [0, 1, 2].map(|index| cluster.directory.path(&format!("recordings {index}")));
    for directory in &directories {
        fs::remove_dir_all(directory).expect("it was made");
        fs::write(directory, "no directory").expect("there is room");
    }
    fill(&cluster);
    let told = who_says(&cluster, "the replica goes on without being recorded: recordings cannot be kept");
    assert_eq!(cluster.ask(&["GET", "key"]), "value");
    for node in &mut cluster.nodes {
        assert_eq!(node.child.as_mut().expect("it was started").try_wait().expect("it is ours"), None);
    }
    assert!(!cluster.log(told).contains("the replica restarts"), "{}", cluster.log(told));
    for directory in &directories {
        fs::remove_file(directory).expect("it is there");
    }
    let again = who_says(&cluster, "the replica restarts, so that it is recorded again");
    until("its next life", || {
        (cluster.log(again).matches("the journal was read").count() >= 2).then_some(())
    });
    assert!(!recordings(&directories[again]).is_empty());
    assert_eq!(cluster.ask(&["GET", "key"]), "value");
}

#[test]
fn a_replica_that_restarts_itself_ends_when_it_is_asked_to_meanwhile() {
    let mut cluster = renewing();
    // Somebody who does not take the answers that are owed holds up the restart.
    for node in &cluster.nodes {
        let mut client = until("its door", || Resp::connect(node.clients).ok());
        thread::spawn(move || while client.send(&["PING", &"x".repeat(64 << 10)]).is_ok() {});
    }
    fill(&cluster);
    let index = who_says(&cluster, "the replica restarts, so that it is recorded again");
    let child = cluster.nodes[index].child.as_mut().expect("it runs");
    signal(child, "TERM");
    let code = ended(child);
    // Whoever has not begun to listen ends by the signal itself.
    assert!(matches!(code, Some(0) | None), "{code:?}");
}

#[test]
fn only_a_replica_that_restarted_itself_serves_where_recordings_cannot_be_kept() {
    let mut cluster = Cluster::formatted(1);
    let (node, file) = (&mut cluster.nodes[0], cluster.directory.path("file"));
    fs::write(&file, "no directory").expect("there is room");
    let args = ["serve", "--id", "1", "--cluster", &cluster.list, "--data", &node.data, "--record", &file];
    let refused = run(&args);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("recordings cannot be kept"), "{refused:?}");
    let child = common::program()
        .args(args)
        .env("SEEDFAST_KV_AGAIN", "1")
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let child = node.child.insert(child);
    until("an answer", || ask(node.clients, &["SET", "key", "value"]).ok().filter(|reply| reply == "OK"));
    signal(child, "TERM");
    assert_eq!(ended(child), Some(0));
    let said = std::io::read_to_string(child.stderr.take().expect("it is piped")).expect("text");
    assert!(said.contains("the replica serves without being recorded: recordings cannot be kept"), "{said}");
}
