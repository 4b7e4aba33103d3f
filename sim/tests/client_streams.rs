//! Clients: streams in order, silence under a cut, a closed connection after a crash.

mod common;
use common::*;
use seedfast_core::{Input, Instant, NodeId, Now, Outbox, SessionId};
use seedfast_sim::*;

/// A server that answers with what it was sent, and says what it sees.
fn server(toy: &mut Toy, _: Now, input: Input, out: &mut Outbox) {
    match input {
        Input::Request { connection, session, sequence, bytes, .. } => {
            toy.say(out, &[sequence as u8, session.0 as u8]);
            out.respond(connection, bytes);
        }
        Input::Closed { .. } => toy.say(out, b"closed"),
        _ => {}
    }
}

fn request(sequence: u64, out: &mut dyn ClientOutbox) {
    let mut bytes = out.buffer();
    bytes.push(sequence as u8);
    let session = SessionId(9);
    out.request(NodeId(0), session, sequence, bytes.freeze());
}

/// Asks every 10 ms.
fn asker(now: u64, input: ClientInput, out: &mut dyn ClientOutbox) {
    if matches!(input, ClientInput::Start { .. } | ClientInput::Timer { .. }) {
        request(now / (10 * MS) % 100, out);
        out.timer(3, Some(Instant::from_nanos(now + 10 * MS)));
    }
}

fn scene(client: fn(u64, ClientInput, &mut dyn ClientOutbox)) -> Stage {
    Stage { client, ..Stage::new(server) }
}

fn one_client() -> Schedule {
    Schedule { clients: 1, ..calm(1) }
}

/// When the client heard which answer; 255 for a closed connection.
fn heard(stage: &Stage) -> Vec<(u64, u8)> {
    let answer = |(at, input): &(u64, ClientInput)| match input {
        ClientInput::Response { bytes, .. } => Some((*at, bytes[0])),
        ClientInput::Closed { .. } => Some((*at, 255)),
        _ => None,
    };
    stage.client_heard.iter().filter_map(answer).collect()
}

#[test]
fn requests_and_answers_take_one_latency_each() {
    let mut stage = scene(asker);
    run(1, &one_client(), &mut stage);
    let expected: Vec<_> = (0..100).map(|n| (n * 10 * MS + 2 * MS, n as u8)).collect();
    assert_eq!(heard(&stage), expected);
    assert_eq!(stage.said(0)[5], (51 * MS, vec![5, 9]));
}

#[test]
fn a_stream_stays_in_order_whatever_the_latencies() {
    let mut schedule = one_client();
    schedule.network = Network {
        latency_max: 40 * MS,
        duplication: 300_000,
        reordering: 300_000,
        corruption: 300_000,
        ..schedule.network
    };
    let mut stage = scene(asker);
    run(1, &schedule, &mut stage);
    let numbers: Vec<u8> = stage.said(0).iter().map(|said| said.1[0]).collect();
    assert!(numbers.len() > 80 && numbers.iter().enumerate().all(|(n, number)| n == usize::from(*number)));
    assert!(heard(&stage).iter().enumerate().all(|(n, (_, number))| n == usize::from(*number)));
}

#[test]
fn a_cut_is_silent_and_loses_what_it_meets() {
    let cut = with(one_client(), 95 * MS, Fault::Sever { from: 0, to: 1, lasts: 100 * MS });
    let mut stage = scene(asker);
    let outcome = run(1, &cut, &mut stage);
    assert_eq!((stage.said(0).len(), heard(&stage).len()), (100, 90), "requests pass, answers do not");
    assert_eq!(count(&outcome, Effect::PartitionStopped), 10);
    assert_eq!(count(&outcome, Effect::ConnectionBroken), 0);
    let lossy = Schedule { network: Network { loss: 200_000, ..calm(1).network }, ..one_client() };
    let mut stage = scene(asker);
    run(1, &lossy, &mut stage);
    assert!((50..80).contains(&heard(&stage).len()), "lost on the way there or back");
}

#[test]
fn a_crash_closes_connections_and_a_dead_node_refuses_new_ones() {
    let crash = Fault::Crash {
        target: Target::Node(0),
        loss: Loss::Process,
        cut: Cut::Now,
        restart_after: Some(100 * MS),
    };
    let mut stage = scene(asker);
    let outcome = run(1, &with(one_client(), 95 * MS, crash), &mut stage);
    let heard = heard(&stage);
    assert_eq!(heard[10], (96 * MS, 255), "the crash, one latency later");
    assert_eq!(heard[11], (102 * MS, 255), "the request at 100 ms is refused at 101");
    assert_eq!(heard.last(), Some(&(992 * MS, 99)), "a new connection to the new life");
    assert_eq!(count(&outcome, Effect::ConnectionBroken), 11);
}

#[test]
fn after_a_close_no_answer_arrives_and_the_node_hears_of_it() {
    fn hangs_up(now: u64, input: ClientInput, out: &mut dyn ClientOutbox) {
        match input {
            ClientInput::Start { .. } => {
                request(1, out);
                out.timer(0, Some(Instant::from_nanos(now + MS + MS / 2)));
            }
            ClientInput::Timer { .. } => out.close(NodeId(0)),
            _ => {}
        }
    }
    let mut stage = scene(hangs_up);
    run(1, &one_client(), &mut stage);
    assert_eq!(heard(&stage), []);
    assert_eq!(stage.said(0)[1], (2 * MS + MS / 2, b"closed".to_vec()));
}

#[test]
fn a_story_sends_requests_and_faults_of_its_own() {
    let (mut world, mut stage) = (World::new(), scene(|_, _, _| ()));
    world.reset(1, &one_client(), &mut stage);
    let at = |ms| Instant::from_nanos(ms * MS);
    world.run_until(at(5), &mut stage, &mut NoTrace);
    let bytes = seedfast_core::Buffer::copy_from(&[42]);
    world.request(ClientId(0), NodeId(0), SessionId(1), 1, bytes);
    world.run_until(at(10), &mut stage, &mut NoTrace);
    assert_eq!(heard(&stage), [(7 * MS, 42)]);
    let crash =
        Fault::Crash { target: Target::Node(0), loss: Loss::Power, cut: Cut::Now, restart_after: Some(MS) };
    world.inject(crash, &mut stage, &mut NoTrace);
    assert!(!world.is_up(NodeId(0)));
    world.run_until(at(20), &mut stage, &mut NoTrace);
    assert!(world.is_up(NodeId(0)) && world.process(NodeId(0)).is_some());
    assert_eq!((world.incarnation(NodeId(0)).0, world.now()), (2, at(20)));
    assert_eq!(world.finish(&mut stage, &mut NoTrace).sim_nanos, 20 * MS);
}
