//! What cannot be: one clear sentence that names the file and what to do, exit code 2, and nothing is touched.

#[allow(dead_code, reason = "each user takes what it needs")]
mod common;

use common::{Cluster, Temporary, contents, run};
use std::fs;
use std::net::TcpListener;
use std::path::Path;

/// Runs `args`, which must be refused with every one of `parts` in the sentence, and change nothing below `directory`.
#[track_caller]
fn refused(directory: &Path, args: &[&str], parts: &[&str]) {
    let before = contents(directory);
    let output = run(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in what {args:?} says: {said}");
    }
    assert!(output.stdout.is_empty(), "{args:?}");
    let sentence = said.lines().filter(|line| line.starts_with("seedfast-kv: ")).count();
    assert!(sentence == 1 || said.starts_with("error: "), "{args:?}: {said}");
    assert!(contents(directory) == before, "{args:?} touched something");
}

const THREE: &str = "1=127.0.0.1:7101,2=127.0.0.1:7102,3=127.0.0.1:7103";

#[test]
fn flags_that_make_no_sense_are_refused_before_anything_is_made() {
    let directory = Temporary::new();
    let data = directory.path("data");
    let format = |id: &str, cluster: &str, more: &[&str], parts: &[&str]| {
        let mut args = vec!["format", "--id", id, "--cluster", cluster, "--data", &data];
        args.extend(more);
        refused(&directory.0, &args, parts);
    };
    format("4", THREE, &[], &["--id 4", "--cluster"]);
    format("64", THREE, &[], &["0 to 63"]);
    format("x", THREE, &[], &["0 to 63"]);
    format("1", "1=127.0.0.1", &[], &["host:port"]);
    format("1", "1=127.0.0.1:99999", &[], &["host:port"]);
    format("1", "127.0.0.1:7101", &[], &["id=host:port"]);
    format("1", "1=a:1,1=b:1", &[], &["twice"]);
    format("1", THREE, &["--size", "1GB"], &["KiB"]);
    format("1", THREE, &["--size", "1MiB"], &["--size", "16MiB"]);
    format("1", THREE, &["--size", "16777217"], &["--size", "4096"]);
    format("1", THREE, &["--name", "a b"], &["letters"]);
    format("1", THREE, &["--frobnicate"], &["--frobnicate"]);
    refused(&directory.0, &["format", "--id", "1", "--cluster", THREE], &["--data"]);
    refused(&directory.0, &["serve", "--id", "1", "--data", &data], &["--cluster"]);
    refused(
        &directory.0,
        &["serve", "--id", "1", "--cluster", THREE, "--data", &data, "--log", "loud"],
        &["loud"],
    );
    refused(&directory.0, &["local", "--nodes", "0"], &["1..=9"]);
    assert!(contents(&directory.0).is_empty() && !Path::new(&data).exists());
}

#[test]
fn a_directory_that_holds_something_is_not_formatted() {
    let directory = Temporary::new();
    let (data, small) = (directory.path("data"), ["--size", "16MiB"]);
    let args = [&["format", "--id", "1", "--cluster", THREE, "--data", &data][..], &small].concat();
    fs::create_dir(&data).expect("a directory");
    fs::write(directory.path("data/mine"), "precious").expect("a file");
    refused(&directory.0, &args, &[&data, "not empty"]);
    fs::remove_file(directory.path("data/mine")).expect("it is there");
    assert!(run(&args).status.success(), "an empty directory is taken");
    refused(&directory.0, &args, &[&data, "data directory already"]);
    fs::write(directory.path("file"), "precious").expect("a file");
    let file = directory.path("file");
    let args = [&["format", "--id", "1", "--cluster", THREE, "--data", &file][..], &small].concat();
    refused(&directory.0, &args, &[&file]);
}

#[test]
fn a_data_directory_that_is_not_this_replica_s_own_is_refused() {
    let cluster = Cluster::formatted(2);
    let (directory, data) = (&cluster.directory.0, &cluster.nodes[0].data);
    let serve = |id: &str, list: &str, data: &str, parts: &[&str]| {
        refused(directory, &["serve", "--id", id, "--cluster", list, "--data", data], parts);
    };
    let list = cluster.list.as_str();
    serve("3", list, data, &["--id 3", "--cluster"]);
    serve("2", list, data, &[data, "replica 1", "--id says 2"]);
    serve("1", THREE, data, &[data, "another cluster", "other replicas", list]);
    let moved = list.replace("127.0.0.1", "127.0.0.2");
    serve("1", &moved, data, &[data, "another cluster", "other addresses"]);
    serve("1", list, &cluster.directory.path("nowhere"), &["nowhere", "does not exist", "format"]);
    let empty = cluster.directory.path("empty");
    fs::create_dir(&empty).expect("a directory");
    serve("1", list, &empty, &[&empty, "is empty", "format"]);
    fs::write(cluster.directory.path("empty/letter"), "precious").expect("a file");
    serve("1", list, &empty, &[&empty, "no data directory"]);
}

#[test]
fn an_identity_that_is_damaged_or_newer_is_refused() {
    let cluster = Cluster::formatted(1);
    let (directory, data) = (&cluster.directory.0, &cluster.nodes[0].data);
    let path = Path::new(data).join("identity");
    let good = fs::read_to_string(&path).expect("it was formatted");
    let serve = |text: &str, parts: &[&str]| {
        fs::write(&path, text).expect("it can be written");
        refused(directory, &["serve", "--id", "1", "--cluster", &cluster.list, "--data", data], parts);
    };
    serve(&good.replace("node: 1", "node: 2"), &["identity", "damaged"]);
    serve(&good[..good.len() / 2], &["identity", "damaged"]);
    serve(&good.replace("format: 1", "format: 2"), &["format 2", "newer program"]);
    serve("", &["identity", "no identity"]);
    serve("precious\n", &["identity", "no identity"]);
    fs::remove_file(&path).expect("it is there");
    refused(
        directory,
        &["serve", "--id", "1", "--cluster", &cluster.list, "--data", data],
        &["journal", "identity", "interrupted"],
    );
}

#[test]
fn a_journal_that_is_missing_short_empty_or_another_one_s_is_refused() {
    let cluster = Cluster::formatted(2);
    let (directory, data) = (&cluster.directory.0, &cluster.nodes[0].data);
    let path = Path::new(data).join("journal");
    let (at, good) = (path.display().to_string(), fs::read(&path).expect("it was formatted"));
    let serve = |parts: &[&str]| {
        let parts: Vec<&str> = [&[at.as_str()][..], parts].concat();
        refused(directory, &["serve", "--id", "1", "--cluster", &cluster.list, "--data", data], &parts);
    };
    let with = |bytes: &[u8], parts: &[&str]| {
        fs::write(&path, bytes).expect("it can be written");
        serve(parts);
    };
    with(&good[..good.len() - 1], &["16777215 bytes", "16777216", "--replacement"]);
    with(&[], &["0 bytes", "--replacement"]);
    with(&vec![0; good.len()], &["empty", "format"]);
    with(&vec![7; good.len()], &["no journal"]);
    let other = fs::read(Path::new(&cluster.nodes[1].data).join("journal")).expect("it was formatted");
    with(&other, &["another cluster, group or node"]);
    let mut newer = good.clone();
    let copy = newer.len() / 2;
    newer[12] += 1;
    for at in (256..copy).step_by(256).take(64) {
        if newer[at..at + 8] == good[..8] {
            newer[at + 12] += 1;
        }
    }
    with(&newer, &["newer program"]);
    fs::remove_file(&path).expect("it is there");
    serve(&["--replacement"]);
}

#[test]
fn a_second_process_on_a_data_directory_is_refused_and_the_first_goes_on() {
    let cluster = Cluster::start(1);
    assert_eq!(cluster.ask(&["SET", "key", "value"]), "OK");
    let data = &cluster.nodes[0].data;
    let output = run(&["serve", "--id", "1", "--cluster", &cluster.list, "--data", data]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(data.as_str()) && said.contains("in use by another process"), "{said}");
    assert_eq!(cluster.ask(&["GET", "key"]), "value");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let cluster = Cluster::formatted(1);
    let (node, directory) = (&cluster.nodes[0], &cluster.directory.0);
    let serve = |more: &[&str], parts: &[&str]| {
        let args = ["serve", "--id", "1", "--cluster", &cluster.list, "--data", &node.data];
        refused(directory, &[&args[..], more].concat(), parts);
    };
    let taken = TcpListener::bind(("127.0.0.1", node.clients)).expect("it was free");
    let address = format!("127.0.0.1:{}", node.clients);
    serve(&[], &["clients", &address, "in use"]);
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let elsewhere = other.local_addr().expect("it has one").to_string();
    drop(taken);
    serve(&["--listen-peers", &elsewhere], &["the other replicas", &elsewhere, "in use"]);
    serve(&["--native", &elsewhere], &["native clients", &elsewhere, "in use"]);
    serve(&["--metrics", &elsewhere], &["watch", &elsewhere, "in use"]);
    serve(&["--listen", "192.0.2.1:7000"], &["clients", "192.0.2.1:7000"]);
    serve(&["--listen", "7000"], &["host:port"]);
}
