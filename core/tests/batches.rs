//! How commands come together in batches, how much a replica says that it takes, and when a journal at rest is marked.

#[allow(dead_code, reason = "each user takes what it needs")]
mod cluster;

use cluster::Cluster;
use seedfast_core::client::{REQUEST_HEADER, Response, Status, Verb};
use seedfast_core::journal::Options;
use seedfast_core::paxos::Config;
use seedfast_core::process::Room;
use seedfast_core::{Duration, Input, Process, SessionId};

/// A cluster that has settled, and who leads it.
fn led(change: impl Fn(&mut Config)) -> (Cluster, usize) {
    let mut cluster = Cluster::new(3, change);
    let leader = cluster.elect();
    cluster.settle();
    cluster.responses.clear();
    (cluster, leader)
}

fn decided(cluster: &Cluster, id: usize) -> u64 {
    cluster.nodes[id].replica.status().expect("it runs").decided.0
}

/// Commands that come one by one, each in a burst of its own, before anything of the first has come back.
fn come_one_by_one(cluster: &mut Cluster, leader: usize, count: u64) {
    for sequence in 1..=count {
        cluster.request(leader, Verb::Once, SessionId::NONE, sequence, &sequence.to_le_bytes());
        let request = cluster.nodes[leader].inbox.pop_back().expect("it was just put there");
        cluster.turn(leader, request);
        cluster.turn(leader, Input::EndOfBurst);
    }
}

fn answers(cluster: &Cluster) -> Vec<(u64, Status)> {
    let answers = cluster.responses.iter().map(|bytes| Response::decode(bytes).expect("a response"));
    answers.map(|answer| (answer.sequence, answer.status)).collect()
}

#[test]
fn while_a_batch_is_on_its_way_commands_gather_for_the_next_one() {
    for (eager, slots) in [(4096, 9), (3, 4), (1, 2)] {
        let (mut cluster, leader) = led(|config| config.eager = eager);
        let before = decided(&cluster, leader);
        come_one_by_one(&mut cluster, leader, 9);
        cluster.settle();
        assert_eq!(decided(&cluster, leader) - before, slots, "eager {eager}");
        let expected: Vec<_> = (1..=9).map(|sequence| (sequence, Status::Done)).collect();
        assert_eq!(answers(&cluster), expected, "each is answered, in order");
    }
}

#[test]
fn a_batch_that_is_full_does_not_wait() {
    let (mut cluster, leader) = led(|config| (config.eager, config.batch_commands) = (1, 2));
    let before = decided(&cluster, leader);
    come_one_by_one(&mut cluster, leader, 9);
    // Nobody who was answered asks again, and the clock runs: what is full is not held back for them.
    cluster.now += Duration::from_micros(300).as_nanos();
    cluster.settle();
    assert_eq!(decided(&cluster, leader) - before, 5, "one alone, and four of two");
}

/// A command is under way and two more wait behind it. It takes 300 us, and then its client asks again: or, where nobody is
/// `back`, not until a timer rings. Says how many slots it took, and how many commands were answered by then.
fn behind_a_decision(gather: Duration, back: bool) -> (u64, usize) {
    let (mut cluster, leader) = led(|config| config.gather = gather);
    let before = decided(&cluster, leader);
    come_one_by_one(&mut cluster, leader, 3);
    cluster.now += Duration::from_micros(300).as_nanos();
    cluster.settle();
    if back {
        cluster.now += Duration::from_micros(50).as_nanos();
        come_one_by_one(&mut cluster, leader, 1);
        cluster.settle();
    } else {
        cluster.now += Duration::from_micros(299).as_nanos();
        cluster.fire_timers();
        cluster.settle();
        let early = cluster.responses.len();
        assert_eq!(early, if gather == Duration::ZERO { 3 } else { 1 }, "nobody waits longer than that");
        cluster.now += Duration::from_micros(1).as_nanos();
        cluster.fire_timers();
        cluster.settle();
    }
    (decided(&cluster, leader) - before, cluster.responses.len())
}

#[test]
fn a_batch_waits_for_those_who_were_just_answered_and_not_for_ever() {
    let most = Duration::from_millis(1);
    assert_eq!(behind_a_decision(most, true), (2, 4), "one alone, then three together");
    assert_eq!(behind_a_decision(Duration::ZERO, true), (3, 4), "one, two, one");
    assert_eq!(behind_a_decision(most, false), (2, 3), "the timer lets them go");
    assert_eq!(behind_a_decision(Duration::ZERO, false), (2, 3));
}

#[test]
fn a_leader_says_how_much_it_takes_and_refuses_none_of_that() {
    let (mut cluster, leader) = led(|config| {
        (config.window, config.batch_commands, config.batch_bytes) = (1, 4, 1024);
    });
    let room = |cluster: &Cluster, id: usize| cluster.nodes[id].replica.room();
    assert_eq!(room(&cluster, (leader + 1) % 3), Room::ANY, "whoever does not lead says so at once");
    assert!(room(&cluster, leader).requests >= 2);
    come_one_by_one(&mut cluster, leader, 1);
    // The window is shut: what is left is the open batch.
    assert_eq!(room(&cluster, leader).requests, 4);
    come_one_by_one(&mut cluster, leader, 4);
    assert_eq!(room(&cluster, leader).requests, 0);
    assert!(cluster.responses.is_empty(), "none of them was refused");
    come_one_by_one(&mut cluster, leader, 1);
    assert_eq!(answers(&cluster), [(1, Status::Overloaded)], "one more is");
    cluster.settle();
    assert!(room(&cluster, leader).requests > 0, "and there is room again");
}

#[test]
fn a_journal_is_marked_when_it_has_rested_for_a_while() {
    let writes = |rest: Duration| {
        let (mut cluster, leader) = led(|config| config.rest = rest);
        // Whatever the election left to mark is marked.
        cluster.now += Duration::from_millis(20).as_nanos();
        cluster.fire_timers();
        cluster.settle();
        let before = cluster.nodes[leader].device.clone();
        let marks = 2 * 512..2 * 512 + 2 * 512;
        cluster.request(leader, Verb::Once, SessionId::NONE, 1, &1_u64.to_le_bytes());
        cluster.settle();
        let at_once = cluster.nodes[leader].device[marks.clone()] != before[marks.clone()];
        cluster.now += Duration::from_millis(10).as_nanos();
        cluster.fire_timers();
        cluster.settle();
        let later = cluster.nodes[leader].device[marks.clone()] != before[marks];
        (at_once, later)
    };
    assert_eq!(writes(Duration::ZERO), (true, true));
    assert_eq!(writes(Duration::from_millis(10)), (false, true));
}

#[test]
fn what_a_leader_says_it_takes_the_journal_has_room_for() {
    for size in [200_usize, 700, 1500] {
        let format = Options { copy: 512, area: 16 << 10, segment: 8 << 10, segments: 16 };
        let mut cluster = Cluster::with_log(3, &format, |config| config.batch_bytes = 2048);
        let leader = cluster.elect();
        let mut taken = 0;
        // Nothing is answered by its followers, so nothing is decided and nothing is forgotten.
        for sequence in 1..=1000 {
            let room = cluster.nodes[leader].replica.room();
            if room.requests == 0 || room.bytes < REQUEST_HEADER + size + Room::EACH {
                break;
            }
            cluster.request(leader, Verb::Once, SessionId::NONE, sequence, &vec![7; size]);
            let request = cluster.nodes[leader].inbox.pop_back().expect("it was just put there");
            cluster.turn(leader, request);
            cluster.turn(leader, Input::EndOfBurst);
            assert_eq!(answers(&cluster), [], "{taken} of {size} bytes were taken, and it said {room:?}");
            taken += 1;
        }
        assert!(taken * size > 24 << 10, "{taken} of {size} bytes is too little");
    }
}

#[test]
fn a_turn_answers_no_more_questions_than_until_a_mebibyte_and_the_next_one_comes_by_itself() {
    let (mut cluster, leader) = led(|_| ());
    for sequence in 1..=10 {
        cluster.request(leader, Verb::Query, SessionId::NONE, sequence, &vec![0; 300 << 10]);
    }
    cluster.round();
    let mut so_far = vec![];
    for _ in 0..100 {
        let before = cluster.responses.len();
        if cluster.idle() {
            cluster.now += Duration::from_micros(1).as_nanos();
            cluster.fire_timers();
        }
        let id = (0..3).find(|id| !cluster.nodes[*id].inbox.is_empty());
        if let Some(id) = id {
            let input = cluster.nodes[id].inbox.pop_front().expect("it is not empty");
            let ends = cluster.nodes[id].inbox.is_empty();
            cluster.turn(id, input);
            if ends {
                cluster.turn(id, Input::EndOfBurst);
            }
        }
        so_far.extend(Some(cluster.responses.len()).filter(|now| *now > before));
    }
    // The end of a burst is a turn too.
    assert_eq!(so_far.last(), Some(&10), "{so_far:?}");
    assert!(so_far.windows(2).all(|two| two[1] - two[0] <= 2 * 4) && so_far[0] <= 2 * 4, "{so_far:?}");
}
