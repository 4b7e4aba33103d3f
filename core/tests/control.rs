//! What an operator asks of a replica: each command is answered once, and a snapshot is taken when it is asked for.

#[allow(dead_code, reason = "each user takes what it needs")]
mod cluster;
#[allow(dead_code, reason = "each user takes what it needs")]
mod lab;

use lab::Lab;
use seedfast_core::client::Status;
use seedfast_core::paxos::{Slot, control};

/// Asks node `id`, and waits for the answer.
fn ask(lab: &mut Lab, id: usize, words: &[u8]) -> Status {
    lab.answers.clear();
    lab.control(id, words);
    lab.until("an answer", |lab| !lab.answers.is_empty());
    assert_eq!((lab.answers.len(), lab.answers[0].sequence), (1, 0));
    lab.answers[0].status
}

fn snapshot(lab: &Lab, id: usize) -> Slot {
    let replica = lab.members[id].replica.as_ref().expect("it runs");
    replica.status().expect("it has read its journal").snapshot
}

#[test]
fn a_snapshot_is_taken_when_it_is_asked_for_and_not_before() {
    let mut lab = Lab::new(3, |config| config.snapshot_slots = u64::MAX);
    let session = lab.open_session();
    lab.commands(session, 1, 6);
    lab.converge(6);
    let leader = lab.leader().expect("somebody leads");
    for id in [leader, (leader + 1) % 3] {
        assert_eq!(snapshot(&lab, id), Slot(0), "n{id}");
        assert_eq!(ask(&mut lab, id, control::SNAPSHOT), Status::Done);
        lab.until("a snapshot", |lab| snapshot(lab, id) >= Slot(6));
    }
    assert_eq!(snapshot(&lab, (leader + 2) % 3), Slot(0), "nobody asked that one");
    // What is asked for again is there: the next command brings no other one about.
    let taken = snapshot(&lab, leader);
    assert_eq!(ask(&mut lab, leader, control::SNAPSHOT), Status::Done);
    lab.commands(session, 6, 9);
    lab.rounds(50);
    assert_eq!(snapshot(&lab, leader), taken);
}

#[test]
fn words_that_say_nothing_are_answered_so() {
    let mut lab = Lab::new(3, |_| {});
    lab.open_session();
    for words in [&b""[..], b"snapshots", b"SNAPSHOT"] {
        assert_eq!(ask(&mut lab, 0, words), Status::Malformed);
    }
}

#[test]
fn one_that_is_asked_for_while_another_is_taken_is_taken_too() {
    // How far the first one is by then depends on the rounds between.
    for (first, second) in (0..12).flat_map(|first| (1..12).map(move |second| (first, second))) {
        let mut lab = Lab::new(3, |config| config.snapshot_slots = u64::MAX);
        let session = lab.open_session();
        lab.commands(session, 1, 6);
        lab.converge(6);
        let leader = lab.leader().expect("somebody leads");
        lab.burst(session, 6, 7);
        lab.rounds(first);
        lab.control(leader, control::SNAPSHOT);
        lab.rounds(second);
        let replica = lab.members[leader].replica.as_ref().expect("it runs");
        let asked = replica.status().expect("it has read its journal").applied;
        lab.control(leader, control::SNAPSHOT);
        lab.until("what was asked for", |lab| snapshot(lab, leader) >= asked);
    }
}
