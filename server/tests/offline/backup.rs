//! Backups of real replicas, and what comes of them.

use crate::cluster::{Cluster, format, format_with, list};
use crate::run::{Place, Said, run};
use std::path::{Path, PathBuf};

/// A cluster of three that has acknowledged `writes` values and was killed, as directories.
fn killed(place: &Place, writes: usize) -> (String, Vec<u16>, Vec<PathBuf>) {
    let (members, clients) = list(3);
    let directories = format(&place.0, &members, 3);
    let mut cluster = Cluster::serve(&members, &clients, &directories);
    // So many bytes that a snapshot is taken and segments of the log are given up.
    let large = "x".repeat(100_000);
    for number in 0..writes {
        if writes > 30 {
            assert_eq!(cluster.ask(&["SET", &format!("large{}", number % 10), &large]), "+OK");
        }
        assert_eq!(cluster.ask(&["SET", &format!("key{number}"), &format!("value{number}")]), "+OK");
    }
    cluster.kill();
    (members, clients, directories)
}

fn save(place: &Place, directories: &[PathBuf]) -> Vec<PathBuf> {
    let save = |(index, data): (usize, &PathBuf)| {
        let file = place.path(&format!("backup-{index}"));
        run("backup {} --to {}", &[data, &file]).ended(0).with("content ");
        file
    };
    directories.iter().enumerate().map(save).collect()
}

/// The cluster of which a directory was made.
fn cluster_of(said: &Said) -> String {
    said.out.split("of cluster ").nth(1).expect("a cluster")[..32].to_owned()
}

#[test]
fn backups_of_a_majority_found_a_cluster_in_which_every_acknowledged_write_is() {
    let place = Place::new();
    let (_, _, directories) = killed(&place, 40);
    let saved = save(&place, &directories[1..]);
    run("verify {}", &[&saved[0]]).ended(0).with("the journal of replica 2").with("pieces whole");
    let (members, clients) = list(3);
    let mut identities = Vec::new();
    let restored: Vec<PathBuf> = (1..=3)
        .map(|id| {
            let data = place.path(&format!("new-{id}"));
            // In which order the files are named does not matter.
            let files: [&Path; 2] = if id == 2 { [&saved[1], &saved[0]] } else { [&saved[0], &saved[1]] };
            let words = format!("restore {{}} {{}} --data {{}} --id {id} --cluster {members} --found again");
            let said = run(&words, &[files[0], files[1], &data]).ended(0);
            let said = said.with("2 of 3 replicas: whatever was acknowledged before").with("once");
            identities.push(cluster_of(&said));
            // All have voted for everything, under one ballot: a candidate is told of votes alone.
            let said = run("verify {}", &[&data]).ended(0).with("promised 1.1").with(" votes");
            assert!(!said.out.contains("learned"), "{}", said.out);
            data
        })
        .collect();
    assert!(identities.iter().all(|identity| *identity == identities[0]), "{identities:?}");
    let cluster = Cluster::serve(&members, &clients, &restored);
    for number in 0..40 {
        assert_eq!(cluster.ask(&["GET", &format!("key{number}")]), format!("value{number}"));
    }
    assert_eq!(cluster.ask(&["STRLEN", "large9"]), ":100000");
    assert_eq!(cluster.ask(&["SET", "key0", "after"]), "+OK");
    assert_eq!(cluster.ask(&["GET", "key0"]), "after");
}

#[test]
fn replicas_restored_from_other_files_are_of_another_cluster() {
    let place = Place::new();
    let (_, _, directories) = killed(&place, 5);
    let saved = save(&place, &directories);
    let (members, _) = list(3);
    let restored_from = |name: &str, files: &[&PathBuf]| {
        let data = place.path(name);
        let holes = vec!["{}"; files.len()].join(" ");
        let words = format!("restore {holes} --data {{}} --id 1 --cluster {members} --found again");
        let paths: Vec<&Path> = files.iter().map(|path| path.as_path()).chain([data.as_path()]).collect();
        cluster_of(&run(&words, &paths).ended(0))
    };
    let one = restored_from("one", &[&saved[0]]);
    assert_ne!(one, restored_from("two", &[&saved[1]]));
    assert_ne!(one, restored_from("both", &[&saved[0], &saved[1]]));
    assert_eq!(one, restored_from("again", &[&saved[0]]));
}

#[test]
fn a_lost_replica_is_replaced_from_a_backup_and_never_votes() {
    let place = Place::new();
    let (members, clients, mut directories) = killed(&place, 20);
    let saved = save(&place, &directories[..1]);
    directories[2] = place.path("replacement");
    let words = format!("restore {{}} --data {{}} --id 3 --cluster {members} --replace");
    run(&words, &[&saved[0], &directories[2]]).ended(0).with("never votes");
    let standing = std::fs::read_to_string(directories[2].join("identity")).expect("it is there");
    assert!(standing.contains("standing: replacement"), "{standing}");
    let said = run("verify {}", &[&directories[2]]).ended(0).with("and never votes").with(" learned");
    assert!(!said.with("promised 0.0").out.contains(" votes,"), "a replacement has voted for nothing");
    let cluster = Cluster::serve(&members, &clients, &directories);
    assert_eq!(cluster.ask(&["SET", "more", "1"]), "+OK");
    assert_eq!(cluster.ask(&["GET", "key19"]), "value19");
}

#[test]
fn nothing_comes_back_as_it_was_and_every_refusal_leaves_nothing_behind() {
    let place = Place::new();
    let (members, _, directories) = killed(&place, 5);
    let saved = save(&place, &directories[..1]);
    let file: &Path = &saved[0];
    let data = place.path("data");
    let words = format!("restore {{}} --data {{}} --id 1 --cluster {members}");
    run(&words, &[file, &data]).ended(2).with("--found");
    run(&format!("{words} --found x --replace"), &[file, &data]).ended(2);
    run(&format!("{words} --found x"), &[file, &directories[0]]).ended(2).with("is a data directory already");
    let (others, _) = list(3);
    let elsewhere = format!("restore {{}} --data {{}} --id 1 --cluster {others} --replace");
    run(&elsewhere, &[file, &data]).ended(2).with("another cluster than the one of the backup");
    run(&format!("{words} --replace --size 32MiB"), &[file, &data]).ended(2).with("all must have the same");
    run("backup {} --to {}", &[&directories[0], file]).ended(2).with("exists already");

    let whole = std::fs::read(file).expect("it is there");
    let damaged = |name: &str, bytes: &[u8], sentence: &str| {
        let damaged = place.file(name, bytes);
        run(&format!("{words} --found x"), &[&damaged, &data]).ended(1).with(sentence);
        assert!(!data.exists(), "{name}: a directory was left behind");
    };
    damaged("short", &whole[..whole.len() - 1], "take a whole copy of it");
    damaged("other", &[1; 4096], "is no backup");
    let mut bytes = whole.clone();
    bytes[..128].fill(0);
    damaged("unfinished", &bytes, "was interrupted while it was written");
    for at in [20, 200, 600, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        damaged("flipped", &bytes, "is damaged at byte");
    }
    let mut bytes = whole.clone();
    bytes[16] = 2;
    damaged("newer", &bytes, "use a newer program");
}

#[test]
fn a_journal_without_a_whole_state_is_not_saved() {
    let place = Place::new();
    let (_, _, directories) = killed(&place, 20);
    let journal = directories[0].join("journal");
    let mut bytes = std::fs::read(&journal).expect("it is there");
    // The log begins three quarters of the way; this is in the third record or so, well below the mark.
    bytes[(12 << 20) + 1100] ^= 1;
    std::fs::write(&journal, &bytes).expect("it can be written");
    let file = place.path("file");
    let said = run("backup {} --to {}", &[&directories[0], &file]).ended(1).with("no whole state to save");
    said.with("save another replica");
    assert!(!file.exists());
}

/// Restores replicas 1 to 3 of a new cluster with journals of `size`, all from the same files.
fn found(place: &Place, saved: &[PathBuf], members: &str, size: &str) -> Vec<PathBuf> {
    let restored = |id| {
        let data = place.path(&format!("found-{id}"));
        let words = format!(
            "restore {{}} {{}} {{}} --data {{}} --id {id} --cluster {members} --found x --size {size}"
        );
        run(&words, &[&saved[0], &saved[1], &saved[2], &data]).ended(0);
        data
    };
    (1..=3).map(restored).collect()
}

#[test]
fn a_larger_journal_changes_nothing_that_was_answered_and_has_room_from_then_on() {
    let place = Place::new();
    let (members, clients) = list(3);
    let directories = format(&place.0, &members, 3);
    let mut cluster = Cluster::serve(&members, &clients, &directories);
    // The store of a journal of 16 MiB takes 3 MiB.
    let large = "x".repeat(100_000);
    for number in 0..31 {
        assert_eq!(cluster.ask(&["SET", &format!("large{number}"), &large]), "+OK");
    }
    assert!(cluster.refused(&["SET", "large31", &large]).contains("full"));
    assert_eq!(cluster.ask(&["SET", "small", "fits"]), "+OK");
    cluster.kill();
    let saved = save(&place, &directories);
    let (members, clients) = list(3);
    let cluster = Cluster::serve(&members, &clients, &found(&place, &saved, &members, "32MiB"));
    assert_eq!(cluster.ask(&["EXISTS", "large31"]), ":0", "it was refused, and the client was told so");
    assert_eq!(cluster.ask(&["DBSIZE"]), ":32");
    assert_eq!(cluster.ask(&["GET", "small"]), "fits");
    assert_eq!(cluster.ask(&["SET", "large31", &large]), "+OK");
    assert_eq!(cluster.ask(&["STRLEN", "large31"]), ":100000");
}

#[test]
fn a_smaller_journal_takes_what_fits_and_forgets_nothing_on_the_way() {
    let place = Place::new();
    let (members, clients) = list(3);
    let directories = format_with(&place.0, &members, &["32MiB"; 3]);
    let mut cluster = Cluster::serve(&members, &clients, &directories);
    let large = "x".repeat(100_000);
    for number in 0..40 {
        assert_eq!(cluster.ask(&["SET", &format!("large{number}"), &large]), "+OK");
    }
    cluster.kill();
    let saved = save(&place, &directories);
    let data = place.path("too-small");
    let words = format!("restore {{}} --data {{}} --id 1 --cluster {members} --found x --size 16MiB");
    let said = run(&words, &[&saved[0], &data]).ended(1).with("4000");
    said.with("at most 3145728 bytes").with("give a larger --size");
    assert!(!data.exists(), "a directory was left behind");

    // A journal of 16 MiB holds 31 of them at a time: what was set last had no room among all.
    let mut cluster = Cluster::serve(&members, &clients, &directories);
    for number in 0..20 {
        assert_eq!(cluster.ask(&["DEL", &format!("large{number}")]), ":1");
    }
    cluster.kill();
    saved.iter().for_each(|file| std::fs::remove_file(file).expect("it is there"));
    let saved = save(&place, &directories);
    let (members, clients) = list(3);
    let cluster = Cluster::serve(&members, &clients, &found(&place, &saved, &members, "16MiB"));
    assert_eq!(cluster.ask(&["DBSIZE"]), ":20");
    for number in 20..40 {
        assert_eq!(cluster.ask(&["STRLEN", &format!("large{number}")]), ":100000", "large{number}");
    }
    for number in 0..11 {
        assert_eq!(cluster.ask(&["SET", &format!("large{number}"), &large]), "+OK");
    }
    assert!(cluster.refused(&["SET", "large11", &large]).contains("full"), "the new size bounds it");
}

#[test]
fn a_replica_whose_journal_has_another_size_is_of_another_cluster() {
    let place = Place::new();
    let (members, clients) = list(3);
    let directories = format_with(&place.0, &members, &["16MiB", "32MiB", "16MiB"]);
    let identity = |data: &PathBuf| {
        let text = std::fs::read_to_string(data.join("identity")).expect("it is there");
        text.lines().find(|line| line.starts_with("cluster: ")).expect("it says so").to_owned()
    };
    assert_eq!(identity(&directories[0]), identity(&directories[2]));
    assert_ne!(identity(&directories[0]), identity(&directories[1]));
    let cluster = Cluster::serve(&members, &clients, &directories);
    assert_eq!(cluster.ask(&["SET", "key", "value"]), "+OK");
    let heard = |index| cluster.of(index, &["INFO", "peers"]).expect("it runs");
    let (own, other) = (heard(0), heard(1));
    assert!(own.contains("peers_heard:1\r"), "it hears the one with a journal of the same size: {own}");
    assert!(other.contains("peers_heard:0\r"), "nobody listens to it: {other}");
}

#[test]
fn a_file_that_is_not_there_or_of_a_later_format_is_wrong_usage_and_one_that_was_interrupted_is_called_so() {
    let place = Place::new();
    let (members, _) = list(1);
    let directories = format(&place.0, &members, 1);
    let saved = save(&place, &directories);
    let whole = std::fs::read(&saved[0]).expect("it is there");
    let data = place.path("data");
    let restore = format!("restore {{}} --data {{}} --id 1 --cluster {members} --found x");
    run(&restore, &[&place.path("nowhere"), &data]).ended(2).with("nowhere");
    for command in ["inspect {}", "verify {}"] {
        run(command, &[&place.path("nowhere")]).ended(2).with("nowhere");
        let mut bytes = whole.clone();
        bytes[16] = 2;
        let newer = place.file("newer", &bytes);
        run(command, &[&newer]).ended(2).with("use a newer program");
        bytes = whole.clone();
        bytes[..128].fill(0);
        for (name, bytes) in [("all but the header", &bytes[..]), ("its beginning", &bytes[..600])] {
            let interrupted = place.file(name, bytes);
            run(command, &[&interrupted]).ended(1).with("was interrupted while it was written");
        }
        run(command, &[&place.file("damaged", &whole[..whole.len() - 1])]).ended(1).with("take a whole copy");
    }
}
