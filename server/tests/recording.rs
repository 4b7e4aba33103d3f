//! What real replicas record is lived again by the same code: after a clean end, after kill -9, and up to the limit.

#[allow(dead_code, reason = "each user takes what it needs")]
mod common;

use common::{Cluster, until};
use seedfast_core::recording::{End, Reading, Record, Replay};
use seedfast_kv::recorded;
use std::fs;
use std::path::PathBuf;

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
