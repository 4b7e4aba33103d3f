//! Every fault of the network shows its effect, and its counter counts it.

mod common;
use common::*;
use seedfast_core::{Input, NodeId, Now, Outbox};
use seedfast_sim::*;

/// The beacon's counters as node 1 heard them, with the time of each.
fn heard(schedule: &Schedule, seed: u64) -> (Vec<(u64, u64)>, Outcome) {
    let mut stage = Stage::new(beacon);
    let outcome = run(seed, schedule, &mut stage);
    assert_eq!(outcome.broken, None);
    let number = |bytes: Vec<u8>| bytes.try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
    (stage.said(1).into_iter().map(|(at, bytes)| (at, number(bytes))).collect(), outcome)
}

fn network(change: impl FnOnce(&mut Network)) -> Schedule {
    let mut schedule = calm(2);
    change(&mut schedule.network);
    schedule
}

#[test]
fn a_calm_link_delivers_everything_once_in_order_after_its_latency() {
    let (heard, outcome) = heard(&calm(2), 1);
    let expected: Vec<(u64, u64)> = (0..100).map(|n| (n * 10 * MS + MS, n)).collect();
    assert_eq!(heard, expected);
    assert!(outcome.effects.is_empty(), "nothing went wrong: {:?}", outcome.effects);
    assert_eq!(outcome.delivered, 100);
}

#[test]
fn loss_loses() {
    let (heard, outcome) = heard(&network(|n| n.loss = 200_000), 1);
    assert!((60..95).contains(&heard.len()), "{}", heard.len());
    assert_eq!(count(&outcome, Effect::Lost), 101 - heard.len() as u64);
}

#[test]
fn duplication_delivers_twice() {
    let (heard, outcome) = heard(&network(|n| n.duplication = 200_000), 1);
    assert!(heard.len() > 105);
    assert_eq!(count(&outcome, Effect::Duplicated), heard.len() as u64 - 100);
    assert_eq!(count(&outcome, Effect::Reordered), 0, "a second copy is no overtaking");
}

#[test]
fn reordering_lets_later_messages_overtake() {
    // Held back for up to three times the latency of 20 ms, among messages 10 ms apart.
    let (heard, outcome) = heard(
        &network(|n| {
            (n.latency_min, n.latency_max, n.reordering) = (20 * MS, 20 * MS, 200_000);
        }),
        1,
    );
    assert!(heard.windows(2).any(|pair| pair[0].1 > pair[1].1));
    assert!(count(&outcome, Effect::Reordered) > 0);
}

#[test]
fn a_tail_makes_messages_late() {
    let (heard, outcome) = heard(&network(|n| (n.tail, n.tail_max) = (200_000, 5 * MS)), 1);
    let late = heard.iter().filter(|(at, number)| *at > number * 10 * MS + MS).count() as u64;
    assert!(late > 5);
    // The last one is still on its way when the run ends.
    assert!((late..=late + 1).contains(&count(&outcome, Effect::Late)));
}

#[test]
fn corruption_reaches_the_decoder_as_other_bytes() {
    let mut stage = Stage::new(beacon);
    let outcome = run(1, &network(|n| n.corruption = 200_000), &mut stage);
    let whole = (0..100u64).map(|n| n.to_le_bytes().to_vec());
    let damaged = stage.said(1).into_iter().zip(whole).filter(|(said, sent)| said.1 != *sent).count() as u64;
    assert!(damaged > 5);
    assert_eq!(count(&outcome, Effect::Corrupted), damaged);
    assert!(stage.said(1).iter().any(|said| said.1.len() < 8), "some lost their end");
}

#[test]
fn a_throttled_link_delays_what_queues() {
    // 8 bytes at 400 bytes a second take 20 ms, and one is sent every 10.
    let (heard, outcome) = heard(&network(|n| n.throttle = 400), 1);
    assert_eq!(heard[3], (4 * 20 * MS + MS, 3));
    assert!(count(&outcome, Effect::Throttled) > 50);
}

#[test]
fn a_partition_stops_messages_until_it_ends_and_a_second_one_replaces_it() {
    let apart = |groups: Vec<Vec<u8>>, lasts| Fault::Partition { groups, lasts };
    let schedule = with(calm(2), 95 * MS, apart(vec![vec![0], vec![1]], Some(100 * MS)));
    let (cut, outcome) = heard(&schedule, 1);
    assert_eq!(cut.len(), 90);
    assert!(cut.iter().all(|(_, number)| !(10..20).contains(number)));
    assert_eq!(count(&outcome, Effect::PartitionStopped), 10);
    let schedule = with(schedule, 120 * MS - 1, apart(vec![vec![0, 1]], None));
    assert_eq!(heard(&schedule, 1).0.len(), 98, "the replaced one's end changes nothing");
    let alone = with(calm(2), 95 * MS, apart(vec![vec![1]], None));
    assert_eq!(heard(&alone, 1).0.len(), 10, "an endpoint in no group is alone, and nothing ends this one");
}

#[test]
fn a_message_on_its_way_when_a_cut_begins_is_lost_only_if_the_cut_stands_when_it_arrives() {
    let cut = |at, lasts| with(calm(2), at, Fault::Sever { from: 0, to: 1, lasts });
    // Sent at 100 ms, due at 101 ms.
    let half = MS / 2;
    assert_eq!(heard(&cut(100 * MS + half / 2, half), 1).0.len(), 100);
    assert_eq!(heard(&cut(100 * MS + half, MS), 1).0.len(), 99);
}

#[test]
fn sever_cuts_one_direction_only() {
    let (forward, _) = heard(&with(calm(2), 0, Fault::Sever { from: 0, to: 1, lasts: 500 * MS }), 1);
    let (backward, _) = heard(&with(calm(2), 0, Fault::Sever { from: 1, to: 0, lasts: 500 * MS }), 1);
    assert_eq!((forward.len(), backward.len()), (50, 100));
}

#[test]
fn isolate_cuts_both_ways_whoever_is_in_focus() {
    let isolate = Fault::Isolate { target: Target::Focus, clients_too: false, lasts: 500 * MS };
    let schedule = with(calm(3), 5 * MS, isolate);
    let mut stage = Stage::new(beacon);
    stage.focus = Some(NodeId(1));
    run(1, &schedule, &mut stage);
    assert_eq!(stage.said(1).len(), 50);
    let mut elsewhere = Stage::new(beacon);
    elsewhere.focus = Some(NodeId(2));
    run(1, &schedule, &mut elsewhere);
    assert_eq!(elsewhere.said(1).len(), 100);
}

#[test]
fn a_flapping_link_is_cut_half_of_the_time() {
    let flap = Fault::Flap { from: 0, to: 1, period: 50 * MS, lasts: 2_000 * MS };
    let (heard, outcome) = heard(&with(calm(2), 5 * MS, flap), 1);
    assert!((45..=55).contains(&heard.len()), "{}", heard.len());
    assert!(count(&outcome, Effect::PartitionStopped) >= 45);
}

#[test]
fn a_clogged_link_holds_its_messages_and_lets_them_go_in_order() {
    let clog = Fault::Clog { from: 0, to: 1, lasts: 50 * MS };
    let (heard, outcome) = heard(&with(calm(2), 95 * MS, clog), 1);
    assert_eq!(heard.len(), 100);
    assert!(heard.windows(2).all(|pair| pair[0].1 < pair[1].1));
    assert_eq!(heard[10], (145 * MS, 10));
    assert_eq!(heard[14], (145 * MS, 14));
    assert_eq!(count(&outcome, Effect::Clogged), 5);
}

#[test]
fn degrade_replaces_a_links_behaviour_for_a_while() {
    let network = Network { latency_min: 5 * MS, latency_max: 5 * MS, loss: 500_000, ..Network::default() };
    let there = Fault::Degrade { from: Some(0), to: Some(1), network, lasts: 500 * MS };
    let (worse, _) = heard(&with(calm(2), MS, there), 1);
    assert!((60..90).contains(&worse.len()), "{}", worse.len());
    assert_eq!(worse[1].0 % (10 * MS), 5 * MS);
    let back = Fault::Degrade { from: Some(1), to: None, network, lasts: 500 * MS };
    assert_eq!(heard(&with(calm(2), MS, back), 1).0.len(), 100);
}

#[test]
fn starving_loses_one_kind_of_message_and_no_other() {
    let starve = |message, to| with(calm(2), 5 * MS, Fault::Starve { message, to, lasts: 100 * MS });
    let (starved, outcome) = heard(&starve(1, Some(1)), 1);
    assert_eq!((starved.len(), count(&outcome, Effect::Starved)), (90, 10));
    assert_eq!(heard(&starve(2, None), 1).0.len(), 100);
    assert_eq!(heard(&starve(1, Some(0)), 1).0.len(), 100);
}

#[test]
fn heal_ends_cuts_clogs_and_losses() {
    let mut schedule = network(|n| n.loss = 500_000);
    schedule = with(schedule, 5 * MS, Fault::Sever { from: 0, to: 1, lasts: 900 * MS });
    schedule = with(schedule, 505 * MS, Fault::Heal);
    let mut stage = Stage::new(beacon);
    run(1, &schedule, &mut stage);
    assert_eq!(stage.said(1).iter().filter(|said| said.0 > 505 * MS).count(), 49);
    assert_eq!(stage.healed, Some(505 * MS));
}

/// Nodes 0 and 2 both send to node 1.
fn two_beacons(toy: &mut Toy, now: Now, input: Input, out: &mut Outbox) {
    match input {
        Input::Start(_) | Input::Timer { .. } if toy.node.0 != 1 => {
            toy.count += 1;
            toy.send(out, 1, &[toy.node.0, toy.count as u8]);
            toy.wake(out, now, 10 * MS);
        }
        Input::Receive { frame, .. } => toy.say(out, &frame),
        _ => {}
    }
}

#[test]
fn removing_a_fault_changes_nothing_about_unrelated_links() {
    let mut base = calm(3);
    base.network = Network {
        latency_max: 8 * MS,
        loss: 100_000,
        duplication: 100_000,
        reordering: 100_000,
        ..base.network
    };
    let said = |schedule: &Schedule| {
        let mut stage = Stage::new(two_beacons);
        run(9, schedule, &mut stage);
        stage.said(1).into_iter().filter(|said| said.1[0] == 2).collect::<Vec<_>>()
    };
    let worse = Network { loss: 900_000, ..base.network };
    let faulty = with(
        with(base.clone(), 50 * MS, Fault::Sever { from: 0, to: 1, lasts: 300 * MS }),
        400 * MS,
        Fault::Degrade { from: Some(0), to: None, network: worse, lasts: 300 * MS },
    );
    assert_eq!(said(&faulty), said(&base), "what node 2 sent fares the same");
}
