//! Journals with something wrong in them: what is said of each, with which code, and that not a byte of it is changed.

use crate::image::{IDENTITY, Image};
use crate::run::{Place, Said, program, run};
use seedfast_core::NodeId;
use seedfast_core::journal::{Identity, Standing};
use serde_json::Value;
use std::process::Command;

/// Inspects these bytes, and looks whether they stay as they are.
#[track_caller]
fn inspect(bytes: &[u8]) -> Said {
    let place = Place::new();
    let path = place.file("journal", bytes);
    let said = run("inspect {}", &[&path]);
    assert!(std::fs::read(&path).expect("it is there") == bytes, "the journal was changed");
    said
}

/// The same as JSON.
#[track_caller]
fn json(words: &str, bytes: &[u8]) -> (i32, Value) {
    let place = Place::new();
    let path = place.file("journal", bytes);
    let said = run(words, &[&path]);
    (said.code, serde_json::from_str(&said.out).unwrap_or_else(|why| panic!("{why}: {}", said.all())))
}

#[test]
fn a_whole_journal_is_told_in_figures() {
    let mut image = Image::with_votes(5);
    image.snapshot(2);
    let said = inspect(&image.bytes).ended(0).with("the journal of replica 2");
    let said = said.with("records 1 to 5: 5 votes").with("0 to 4, no gap").with("1.1 to 1.1");
    let said = said.with("below slot 2, 3 of 3 pieces whole").with("below 4, and 1 voted for from there on");
    said.with("sound: a replica starts from it");
    let (code, report) = json("inspect --json {}", &image.bytes);
    assert_eq!(code, 0);
    let journal = &report["journal"];
    assert_eq!(journal["cluster"], "0000000000000000000000000000abcd");
    assert_eq!((&journal["node"], &journal["log"]["records"]), (&2.into(), &5.into()));
    assert_eq!(journal["log"]["slots"], serde_json::json!([0, 4]));
    assert_eq!(journal["metadata"]["promised"], "1.1");
    assert_eq!(report["sound"], true);
}

#[test]
fn records_are_listed_and_those_of_one_slot_alone() {
    let image = Image::with_votes(4);
    let (code, report) = json("inspect --json --records {}", &image.bytes);
    assert_eq!(code, 0);
    let list = report["records"].as_array().expect("a list");
    assert_eq!(list.len(), 4);
    assert_eq!((&list[3]["slot"], &list[3]["kind"]), (&3.into(), &"vote".into()));
    assert_eq!((&list[3]["at"], &list[3]["value"]), (&image.record(4).into(), &"0000000000000067".into()));
    let (_, report) = json("inspect --json --records --slot 2 {}", &image.bytes);
    assert_eq!(report["records"].as_array().map(Vec::len), Some(1));
    let place = Place::new();
    let path = place.file("journal", &image.bytes);
    run("inspect --slot 2 {}", &[&path]).ended(2).with("--records");
}

#[test]
fn gaps_are_named() {
    let mut image = Image::new(&IDENTITY);
    [0, 1, 5, 8].into_iter().for_each(|slot| image.vote(slot, 0));
    inspect(&image.bytes).ended(0).with("0 to 8, gaps 2..=4, 6..=7");
}

#[test]
fn what_is_no_journal_is_told_apart_from_a_damaged_one() {
    inspect(&[0; 32 << 10]).ended(2).with("D1").with("the device is empty");
    inspect(b"").ended(2).with("D2");
    let noise: Vec<u8> =
        (0..32_u64 << 10).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    inspect(&noise).ended(2).with("D3").with("no journal");
    let image = Image::with_votes(3);
    inspect(&image.bytes[..20 << 10]).ended(1).with("D2").with("has 20480 bytes and its journal takes 32768");
    let mut newer = image.bytes.clone();
    (newer[12], newer[512 + 12]) = (2, 2);
    inspect(&newer).ended(2).with("D4").with("start a newer program");
    let place = Place::new();
    run("inspect {}", &[&place.path("nothing")]).ended(2).with("No such file");
    run("inspect {}", &[&place.0]).ended(2).with("is empty");
}

#[test]
fn damaged_metadata_is_told_copy_by_copy() {
    let image = Image::with_votes(3);
    for (copy, at) in [("A", 0), ("B", 512)] {
        let mut bytes = image.bytes.clone();
        bytes[at + 100] ^= 1;
        let said = inspect(&bytes).ended(1).with("D6");
        let said = said.with(&format!("metadata copy {copy} at byte {at} of the device is damaged"));
        said.with(&format!("would write 512 bytes at {at}")).with("starts from it");
    }
    let mut both = image.bytes.clone();
    (both[100], both[612]) = (1, 1);
    inspect(&both).ended(1).with("D8").with("neither metadata copy").with("refuses to start");
    let mut contradicting = Image::new(&Identity { serial: 9, ..IDENTITY }).bytes;
    contradicting[..512].copy_from_slice(&image.bytes[..512]);
    inspect(&contradicting).ended(1).with("D7").with("contradict each other");
}

#[test]
fn a_crash_in_a_checkpoint_is_no_damage() {
    let mut image = Image::with_votes(3);
    let old = image.bytes[512..1024].to_vec();
    image.snapshot(1);
    image.bytes[512..1024].copy_from_slice(&old);
    inspect(&image.bytes).ended(0).with("copy B at byte 512 of the device is of generation 1").with("sound");
}

#[test]
fn damage_below_the_mark_names_the_record_its_unit_and_what_stands_behind() {
    let image = Image::with_votes(6);
    let at = image.record(3);
    let mut bytes = image.bytes.clone();
    bytes[at + 150] ^= 0x40;
    let said = inspect(&bytes).ended(1).with("L5");
    let said =
        said.with(&format!("record 3 at byte {at} of the device is damaged")).with("up to 6 was durable");
    let unit = at / 512;
    let said =
        said.with(&format!("a vote for slot 2 under ballot 1.1 with 204 bytes, in units {unit} to {unit}"));
    said.with("3 whole records, numbers 4 to 6, stand behind it").with("records 1 to 2: 2 votes");
    let mut gone = image.bytes.clone();
    gone[at..at + 512].fill(0);
    inspect(&gone).ended(1).with("L5").with("nothing can be read of it").with("4 to 6, stand behind it");
}

#[test]
fn a_torn_tail_is_what_a_crash_leaves_and_no_damage() {
    let mut image = Image::with_votes(3);
    image.vote(3, 3);
    let at = image.record(4);
    image.bytes[at + 150] ^= 1;
    inspect(&image.bytes).ended(0).with("L3").with("records 1 to 3").with("the last write was torn");
}

#[test]
fn a_hole_in_the_tail_is_what_a_crash_leaves_and_no_damage() {
    let mut image = Image::with_votes(3);
    let before = image.bytes.clone();
    image.vote(3, 3);
    // What follows in the same write landed, and the record before it did not.
    let (third, fourth) = (image.record(3), image.record(4));
    let mut bytes = before;
    bytes[fourth..fourth + 512].copy_from_slice(&image.bytes[fourth..fourth + 512]);
    bytes[1024..2048].fill(0);
    bytes[third..third + 512].fill(0);
    // Its mark vouches for the third: that is damage. Without it, it is a hole.
    inspect(&bytes).ended(1).with("L5");
    bytes[fourth..fourth + 512].fill(0);
    bytes[image.record(2)..third].fill(0);
    inspect(&bytes).ended(0).with("records 1 to 1");
}

#[test]
fn a_damaged_mark_and_a_damaged_snapshot_are_told_and_a_replica_still_starts() {
    let mut image = Image::with_votes(3);
    image.snapshot(1);
    let mut bytes = image.bytes.clone();
    bytes[1024 + 41] ^= 1;
    inspect(&bytes)
        .ended(1)
        .with("L14")
        .with("one copy of the durable mark")
        .with("a replica starts from it");
    let area = image.layout.snapshot(0) as usize;
    let mut bytes = image.bytes.clone();
    bytes[area + 512 + 200] ^= 1;
    let said = inspect(&bytes).ended(1).with("S3").with("1 of 3 pieces whole");
    said.with(&format!("piece 2 at byte {} of the device is damaged", area + 512));
}

#[test]
fn a_misdirected_record_is_the_devices_fault() {
    let mut image = Image::with_votes(3);
    let (from, to) = (image.record(2), image.record(9));
    let copy = image.bytes[from..from + 512].to_vec();
    image.bytes[to..to + 512].copy_from_slice(&copy);
    inspect(&image.bytes).ended(1).with("L8").with("to a wrong place");
}

#[test]
fn verify_begins_a_replica_and_says_when_it_ends_at_once() {
    // These votes are no batches of commands: only a replica that applies them finds out.
    let image = Image::with_votes(3);
    let (code, report) = json("verify --json {}", &image.bytes);
    assert_eq!(code, 1);
    assert_eq!(report["recovery"]["recovers"], true);
    assert!(report["start"]["halted"].as_str().expect("a sentence").contains("malformed"), "{report}");
    let empty = Image::new(&Identity { standing: Standing::Replacement, ..IDENTITY });
    let (code, report) = json("verify --json {}", &empty.bytes);
    assert_eq!(code, 0, "{report}");
    assert_eq!((&report["start"]["amnesiac"], &report["start"]["ready"]), (&true.into(), &true.into()));
}

#[test]
fn a_directory_is_judged_with_its_identity() {
    let place = Place::new();
    let list = "1=127.0.0.1:7101,2=127.0.0.1:7102";
    let data = place.path("data");
    run(&format!("format --id 1 --cluster {list} --size 16MiB --data {{}}"), &[&data]).ended(0);
    run("verify {}", &[&data]).ended(0).with("the journal of replica 1");
    // The journal of another replica under this one's identity.
    let other = place.path("other");
    run(&format!("format --id 2 --cluster {list} --size 16MiB --data {{}}"), &[&other]).ended(0);
    std::fs::copy(other.join("journal"), data.join("journal")).expect("it can be copied");
    run("verify {}", &[&data]).ended(1).with("D5").with("n2").with("give this node its own");
    std::fs::write(other.join("identity"), "nonsense").expect("it can be written");
    run("inspect {}", &[&other]).ended(1).with("is no identity").with("the journal of replica 2");
    std::fs::remove_file(other.join("identity")).expect("it is there");
    run("inspect {}", &[&other]).ended(1).with("no file `identity`");
    assert_eq!(IDENTITY.node, NodeId(2));
}

#[test]
fn a_directory_that_is_served_from_is_refused() {
    let place = Place::new();
    let data = place.path("data");
    run("format --id 1 --cluster 1=127.0.0.1:7101 --size 16MiB --data {}", &[&data]).ended(0);
    let held =
        std::fs::OpenOptions::new().write(true).read(true).open(data.join("journal")).expect("it is there");
    held.try_lock().expect("nobody has it");
    for words in ["inspect {}", "verify {}"] {
        run(words, &[&data]).ended(2).with("a process serves from it: stop that one first");
    }
    run("backup {} --to {}", &[&data, &place.path("file")]).ended(2).with("a process serves from it");
    drop(held);
    run("inspect {}", &[&data]).ended(0);
}

#[test]
fn whoever_reads_only_the_beginning_of_a_report_ends_it_in_peace() {
    let image = Image::with_votes(6);
    let place = Place::new();
    let path = place.file("journal", &image.bytes);
    let line =
        format!("{} inspect --records {} | head -1", program().get_program().display(), path.display());
    let said = Command::new("sh").args(["-c", &line]).output().expect("a shell");
    assert!(said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
}
