//! The data of a picture: matching, causality against a naive computation, size, determinism.

use super::causes::Why;
use super::messages::Class;
use super::picture::{Picture, Ran};
use super::record::WORLD;
use super::{breaks_at_end, columns, draw};
use crate::events::Words;
use crate::execute;
use seedfast_sim::trace::{Event, Memory, Reader, Reason, What, Who};
use seedfast_sim::{Plan, Scenario, World};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

struct Example {
    trace: Vec<u8>,
    picture: Picture,
}

fn scenario(name: &str) -> &'static dyn Scenario {
    crate::scenarios::find(&seedfast_scenarios::all(), name).expect("it is in the library")
}

fn example(name: &str, seed: u64, most: usize) -> Example {
    let scenario = scenario(name);
    let plan: Plan = scenario.plan(seed);
    let mut scene = execute::scene(scenario, seed, &plan).expect("its own plan fits");
    scene.collect_events();
    let mut memory = Memory::default();
    let outcome = World::new().run(seed, &plan.schedule, &mut *scene, &mut memory);
    let lines = scene.events();
    let words = Words::of(scenario, seed, &plan);
    let picture = Picture::of(
        &Ran {
            trace: &memory.0,
            lines: &lines,
            plan: &plan,
            words: &words,
            broken: outcome.broken.as_ref(),
            is_judged_at_end: false,
        },
        most,
    );
    Example { trace: memory.0, picture }
}

fn events(trace: &[u8]) -> Vec<Event<'_>> {
    Reader::new(trace).expect("a trace").map(|event| event.expect("it reads")).collect()
}

/// Short runs in which much goes wrong.
fn examples() -> Vec<Example> {
    vec![
        example("toy", 3, 9999),
        example("toy", 8, 9999),
        example("toy-double-vote", 2, 9999),
        example("lossy", 2, 4000),
    ]
}

#[test]
fn every_arrival_is_joined_to_its_send_and_every_loss_has_none() {
    let (mut lost, mut doubled, mut stopped, mut damaged) = (0, 0, 0, 0);
    for (name, seed) in [("lossy", 2), ("lossy", 7), ("everything", 5)] {
        let Example { trace, picture } = example(name, seed, usize::MAX);
        let events = events(&trace);
        let mut arrivals: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut sent = BTreeSet::new();
        for (place, event) in events.iter().enumerate() {
            match &event.what {
                What::Turn {
                    reason: Reason::Receive { message, .. } | Reason::Request { message, .. },
                    ..
                }
                | What::ClientResponse { message, .. } => {
                    arrivals.entry(*message).or_default().push(place as u32);
                }
                What::Send { messages, .. } => sent.extend(messages.iter().map(|one| one.message)),
                What::Respond { sent: one, .. }
                | What::ClientRequest { sent: one, .. }
                | What::ClientClose { sent: one, .. } => {
                    sent.insert(one.message);
                }
                _ => {}
            }
        }
        assert_eq!(picture.messages.iter().map(|one| one.id).collect::<BTreeSet<_>>(), sent);
        for message in &picture.messages {
            let received: Vec<u32> = message.received.iter().flatten().copied().collect();
            if message.kind != Class::Close {
                assert_eq!(received, arrivals.remove(&message.id).unwrap_or_default(), "#{}", message.id);
            }
            for record in &received {
                let (sender, receiver) =
                    (&picture.records[message.sent as usize], &picture.records[*record as usize]);
                assert_eq!((sender.lane, receiver.lane), (message.from, message.to), "#{}", message.id);
                assert!(sender.at <= receiver.at && message.sent < *record);
            }
            if message.due[0].is_none() {
                assert!(received.is_empty() && message.stopped.is_none(), "#{} never left", message.id);
                lost += 1;
            }
            doubled += u64::from(received.len() == 2);
            stopped += u64::from(message.stopped.is_some());
            damaged += u64::from(message.damaged[0] || message.damaged[1]);
        }
        assert!(arrivals.is_empty(), "arrived without having been sent: {arrivals:?}");
    }
    let went_wrong = [lost, doubled, stopped, damaged];
    assert!(went_wrong.iter().all(|times| *times > 0), "lost, doubled, stopped, damaged: {went_wrong:?}");
}

/// Happens-before by its definition: all pairs, and then everything that follows from them.
fn naive(events: &[Event<'_>], broke: Option<u32>) -> Vec<BTreeSet<usize>> {
    let process = |event: &Event<'_>| {
        let is_device = matches!(
            event.what,
            What::Landed { .. } | What::Durable { .. } | What::Vanished { .. } | What::Image { .. }
        );
        (event.who != Who::World && !is_device).then_some((event.who, event.life))
    };
    let sends = |event: &Event<'_>, name: u64| match &event.what {
        What::Send { messages, .. } => messages.iter().any(|one| one.message == name),
        What::Respond { sent, .. } | What::ClientRequest { sent, .. } => sent.message == name,
        _ => false,
    };
    let names = |event: &Event<'_>| match event.what {
        What::Turn { reason: Reason::Receive { message, .. } | Reason::Request { message, .. }, .. }
        | What::ClientResponse { message, .. }
        | What::Stopped { message, .. } => Some(message),
        _ => None,
    };
    let submits = |event: &Event<'_>, op| match event.what {
        What::Submit { op: other, .. } | What::Read { op: other, .. } => op == other,
        _ => false,
    };
    let mut pasts: Vec<BTreeSet<usize>> = Vec::new();
    for (to, event) in events.iter().enumerate() {
        let mut past = BTreeSet::new();
        for (from, before) in events[..to].iter().enumerate() {
            let same_process = process(event).is_some() && process(event) == process(before);
            let message = names(event).is_some_and(|name| sends(before, name));
            let same_node = event.who == before.who;
            let storage = match event.what {
                What::Landed { op, .. } | What::Durable { op, .. } | What::Vanished { op, .. } => {
                    same_node && submits(before, op)
                }
                What::Turn { reason: Reason::Completed { op, .. }, .. } => {
                    same_node
                        && (submits(before, op)
                            || matches!(before.what, What::Landed { op: other, .. } | What::Durable { op: other, .. } if op == other))
                }
                _ => false,
            };
            let life = matches!(event.what, What::Turn { reason: Reason::Start { .. }, .. })
                && same_node
                && matches!(before.what, What::Down { .. });
            let judge = matches!(event.what, What::Verdict { .. }) && broke == Some(from as u32);
            if same_process || message || storage || life || judge {
                past.insert(from);
                past.extend(&pasts[from]);
            }
        }
        pasts.push(past);
    }
    pasts
}

#[test]
fn the_causal_past_holds_what_the_definition_says_and_little_more() {
    for name in ["toy", "toy-double-vote"] {
        for seed in [3, 8] {
            let Example { trace, picture } = example(name, seed, usize::MAX);
            let events = events(&trace);
            let naive = naive(&events, picture.broke);
            let mut pasts: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); events.len()];
            for edge in &picture.edges {
                assert!(edge.from < edge.to, "{edge:?}");
                let (before, behind) = pasts.split_at_mut(edge.to as usize);
                behind[0].insert(edge.from as usize);
                behind[0].extend(&before[edge.from as usize]);
            }
            for (record, (ours, theirs)) in pasts.iter().zip(&naive).enumerate() {
                let missing: Vec<_> = theirs.difference(ours).collect();
                assert!(missing.is_empty(), "{name} {seed}: record {record} rests on {missing:?} too");
                // What storage, faults and broken connections carry is more than messages do; without them, nothing is.
                let is_plain = picture.edges.iter().all(|edge| {
                    !matches!(edge.why, Why::Storage | Why::Fault | Why::Connection | Why::Life)
                        || edge.to as usize > record
                });
                assert!(!is_plain || ours == theirs, "{name} {seed}: record {record} rests on too much");
            }
        }
    }
}

#[test]
fn edges_lead_forward_and_belong_to_a_step_each() {
    for Example { picture, .. } in examples() {
        assert!(picture.edges.is_sorted_by_key(|edge| edge.to));
        for (place, record) in picture.records.iter().enumerate() {
            let head = &picture.records[record.head as usize];
            assert!(record.head as usize <= place && head.head == record.head, "{place}: {record:?}");
            assert_eq!((head.lane, head.at), (record.lane, record.at), "{place}: {record:?}");
            assert!(record.lane == WORLD || record.lane < picture.nodes + picture.clients);
        }
    }
}

#[test]
fn observations_are_told_in_the_words_of_the_scene() {
    let Example { trace, picture } = example("crashes", 1, usize::MAX);
    let seen = |event: &Event<'_>| matches!(event.what, What::Observe { kind, .. } if kind < 254);
    let observations = events(&trace).iter().filter(|event| seen(event)).count();
    assert!(observations > 100);
    assert!(picture.steps.len() * 10 > observations * 9, "{} of {observations}", picture.steps.len());
    let names: BTreeSet<&str> = picture.steps.values().map(|step| step.name.as_str()).collect();
    for name in ["leader", "promise", "accept", "decide", "restart"] {
        assert!(names.contains(name), "{names:?}");
    }
    // A scene that exports nothing keeps its observations as they are.
    let Example { picture, .. } = example("toy", 3, usize::MAX);
    assert!(picture.steps.is_empty());
    assert!(picture.records.iter().any(|record| record.code == "observe" && record.text.contains("kind 1")));
}

#[test]
fn the_last_records_alone_make_a_whole_picture_too() {
    let whole = example("everything", 5, usize::MAX).picture;
    let part = example("everything", 5, 1000).picture;
    assert_eq!(part.records.len(), 1000);
    assert_eq!(part.left_out as usize + 1000, whole.records.len());
    assert_eq!(
        part.records.last().map(|record| &record.text),
        whole.records.last().map(|record| &record.text)
    );
    assert!(part.edges.iter().all(|edge| edge.from < edge.to && edge.to < 1000));
}

#[test]
fn the_same_run_gives_the_same_bytes_and_they_are_few() {
    let scenario = scenario("everything");
    let plan = scenario.plan(5);
    let [first, second] =
        [(); 2].map(|()| draw(scenario, 5, &plan, usize::MAX).expect("it can be drawn").page);
    assert_eq!(first, second);
    assert!(first.len() < 2 << 20, "{} bytes", first.len());
}

#[test]
fn a_verdict_at_the_end_blames_no_record() {
    let scenario = scenario("toy-double-vote");
    let seed = (0..200).find(|seed| {
        let mut scene = scenario.scene(&scenario.plan(*seed), *seed).expect("its own plan fits");
        let outcome = World::new().run(
            *seed,
            &scenario.plan(*seed).schedule,
            &mut *scene,
            &mut seedfast_sim::trace::NoTrace,
        );
        outcome.broken.is_some()
    });
    let seed = seed.expect("the planted bug shows within 200 seeds");
    assert_eq!(breaks_at_end(scenario, seed, &scenario.plan(seed)), Ok(false));
    let picture = example("toy-double-vote", seed, usize::MAX).picture;
    let broke = picture.broke.expect("it broke in a record");
    assert_ne!(picture.records[broke as usize].lane, WORLD);
    let data = columns::encode(&picture, &json!({}));
    assert_eq!(data["broke"], json!(broke));
    assert_eq!(data["records"]["at"].as_array().map(Vec::len), Some(picture.records.len()));
}
