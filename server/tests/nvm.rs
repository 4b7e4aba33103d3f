//! A journal on memory that is mapped: without persistent memory at hand it is kept with `msync`, and the log says so.

#[allow(dead_code, reason = "each user takes what it needs")]
mod common;

use common::{Cluster, until};

#[test]
fn a_mapped_journal_serves_says_how_it_is_kept_and_loses_nothing_when_its_process_is_killed() {
    let mut cluster = Cluster::formatted_with(1, &["--nvm"]);
    cluster.serve(0);
    assert_eq!(cluster.ask(&["SET", "key", "value"]), "OK");
    let log = until("how the journal is kept", || {
        Some(cluster.log(0)).filter(|log| log.contains("the journal is written by stores"))
    });
    let mapped = log.contains("msync") == log.contains("does not lie on persistent memory");
    assert!(mapped, "without persistent memory it says so: {log}");
    cluster.kill(0);
    cluster.serve(0);
    assert_eq!(cluster.ask(&["GET", "key"]), "value");
}
