//! What a replica does with devices, frames and requests that are not as they should be.

#[allow(dead_code, reason = "each user takes what it needs")]
mod cluster;

use cluster::{CLUSTER, Cluster, DEVICE_BYTES, GROUP, start};
use seedfast_core::client::{Response, Status, Verb};
use seedfast_core::journal::Options;
use seedfast_core::paxos::wire::{Address, Message, kind};
use seedfast_core::paxos::{Ballot, Slot, format, founding};
use seedfast_core::{
    Buffer, ClusterId, Completion, ConnectionId, Failure, Geometry, GroupId, Input, NodeId, Outbox, SessionId,
};

fn three() -> Cluster {
    Cluster::new(3, |_| {})
}

fn statuses(cluster: &mut Cluster) -> Vec<Status> {
    let responses = std::mem::take(&mut cluster.responses);
    responses.iter().map(|bytes| Response::decode(bytes).expect("a response").status).collect()
}

fn open_session(cluster: &mut Cluster, leader: usize) -> SessionId {
    cluster.request(leader, Verb::OpenSession, SessionId::NONE, 1, &[]);
    cluster.settle();
    let bytes = cluster.responses.pop().expect("an answer");
    let response = Response::decode(&bytes).expect("a response");
    assert_eq!(response.status, Status::Done);
    response.session
}

#[test]
fn commands_are_applied_everywhere_and_answered_once() {
    let mut cluster = three();
    let leader = cluster.elect();
    let session = open_session(&mut cluster, leader);
    for number in 1..=10_u64 {
        cluster.request(leader, Verb::Command, session, number, &number.to_le_bytes());
    }
    cluster.settle();
    assert_eq!(statuses(&mut cluster), [Status::Done; 10]);
    cluster.now += 100_000_000;
    cluster.fire_timers();
    cluster.settle();
    assert!(cluster.nodes.iter().all(|node| node.replica.machine().sum == 55));
}

#[test]
fn a_retry_is_answered_from_the_session_table() {
    let mut cluster = three();
    let leader = cluster.elect();
    let session = open_session(&mut cluster, leader);
    for _ in 0..3 {
        cluster.request(leader, Verb::Command, session, 1, &7_u64.to_le_bytes());
        cluster.settle();
    }
    assert_eq!(statuses(&mut cluster), [Status::Done; 3]);
    assert_eq!(cluster.nodes[leader].replica.machine().count, 1);
}

#[test]
fn a_command_outside_every_session_is_carried_out_once_for_each_time_that_it_is_sent() {
    let mut cluster = three();
    let leader = cluster.elect();
    for session in [SessionId::NONE, SessionId::NONE, SessionId(99)] {
        cluster.request(leader, Verb::Once, session, 1, &7_u64.to_le_bytes());
        cluster.settle();
        let bytes = cluster.responses.pop().expect("an answer");
        let response = Response::decode(&bytes).expect("a response");
        assert_eq!((response.status, response.session, response.sequence), (Status::Done, session, 1));
    }
    cluster.request((leader + 1) % 3, Verb::Once, SessionId::NONE, 2, &7_u64.to_le_bytes());
    cluster.settle();
    assert_eq!(statuses(&mut cluster), [Status::NotLeader]);
    assert_eq!(cluster.nodes[leader].replica.machine().count, 3);
}

#[test]
fn an_unformatted_device_is_refused() {
    let mut cluster = three();
    cluster.nodes[0].device.fill(0);
    cluster.settle();
    let why = cluster.nodes[0].halted.clone().expect("it halts");
    assert!(why.contains("the device is empty"), "{why}");
    assert_eq!(cluster.nodes[0].replica.status(), None, "it takes no part (I20)");
}

#[test]
fn a_device_of_another_cluster_group_or_node_is_refused() {
    let foreign = [
        founding(ClusterId(8), GROUP, NodeId(0)),
        founding(CLUSTER, GroupId(9), NodeId(0)),
        founding(CLUSTER, GROUP, NodeId(1)),
    ];
    for identity in foreign {
        let mut cluster = three();
        let geometry = Geometry::disk(DEVICE_BYTES as u64);
        let contents = format(&identity, &geometry, &Options::of(&geometry)).expect("it fits");
        for (at, bytes) in &contents {
            cluster.nodes[0].device[*at as usize..*at as usize + bytes.len()].copy_from_slice(bytes);
        }
        let before = cluster.nodes[0].device.clone();
        cluster.settle();
        let why = cluster.nodes[0].halted.clone().expect("it halts");
        assert!(why.contains("another cluster, group or node"), "{why}");
        assert_eq!(cluster.nodes[0].device, before, "it is left as it was");
    }
}

#[test]
fn a_failed_sync_ends_the_life() {
    let mut cluster = three();
    let leader = cluster.elect();
    cluster.nodes[leader].completions.push_back(Completion::Failed(Failure::Device));
    cluster.request(leader, Verb::OpenSession, SessionId::NONE, 1, &[]);
    cluster.settle();
    let why = cluster.nodes[leader].halted.clone().expect("it halts");
    assert!(why.contains("a sync failed"), "{why}");
    cluster.request(leader, Verb::OpenSession, SessionId::NONE, 2, &[]);
    cluster.settle();
    assert!(statuses(&mut cluster).len() <= 1, "nothing is answered after the halt");
}

#[test]
fn a_completion_of_a_former_life_is_ignored() {
    let mut cluster = three();
    let leader = cluster.elect();
    let stale = seedfast_core::OperationId { incarnation: start(leader, 0).incarnation, number: 4 };
    cluster.turn(leader, Input::Completed { op: stale, result: Completion::Failed(Failure::Device) });
    assert_eq!(cluster.nodes[leader].halted, None);
}

#[test]
fn frames_of_others_change_nothing() {
    let mut cluster = three();
    let leader = cluster.elect();
    let before = cluster.nodes[leader].replica.status();
    let honest = Address { cluster: CLUSTER, group: GROUP, epoch: 0 };
    let message = Message::Prepare { ballot: Ballot::new(99, NodeId(2)), from: Slot(0) };
    let mut out = Outbox::new(false);
    let strangers = [
        Address { cluster: ClusterId(8), ..honest },
        Address { group: GroupId(2), ..honest },
        Address { epoch: 1, ..honest },
    ];
    let mut frames: Vec<(NodeId, seedfast_core::Kind, Buffer)> = strangers
        .iter()
        .map(|address| (NodeId(2), kind::PREPARE, message.encode(address, NodeId(2), &mut out)))
        .collect();
    let frame = message.encode(&honest, NodeId(2), &mut out);
    frames.push((NodeId(1), kind::PREPARE, frame.clone()));
    frames.push((NodeId(2), kind::ACCEPT, frame.clone()));
    frames.push((NodeId(7), kind::PREPARE, message.encode(&honest, NodeId(7), &mut out)));
    for cut in 0..frame.len() {
        frames.push((NodeId(2), kind::PREPARE, frame.slice(0, cut)));
    }
    for bit in 0..frame.len() * 8 {
        let mut damaged = frame.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        frames.push((NodeId(2), kind::PREPARE, Buffer::from(damaged)));
    }
    for (from, kind, frame) in frames {
        cluster.turn(leader, Input::Receive { from, kind, group: GROUP, frame });
        assert_eq!(cluster.nodes[leader].replica.status(), before);
    }
    cluster.turn(leader, Input::Receive { from: NodeId(2), kind: kind::PREPARE, group: GROUP, frame });
    assert_ne!(cluster.nodes[leader].replica.status(), before, "the honest one does change something");
}

#[test]
fn requests_that_make_no_sense_are_answered() {
    let mut cluster = three();
    let leader = cluster.elect();
    let follower = (leader + 1) % 3;
    let session = open_session(&mut cluster, leader);
    let request = |group, bytes: &[u8]| Input::Request {
        group,
        connection: ConnectionId(1),
        session,
        sequence: 1,
        bytes: Buffer::copy_from(bytes),
    };
    cluster.turn(leader, request(GROUP, b"nonsense"));
    assert_eq!(statuses(&mut cluster), [Status::Malformed]);
    cluster.turn(leader, request(GroupId(5), b"nonsense"));
    assert_eq!(statuses(&mut cluster), [Status::Malformed]);
    cluster.request(follower, Verb::Command, session, 1, &[0; 8]);
    cluster.request(follower, Verb::Query, session, 1, &[]);
    cluster.settle();
    assert_eq!(statuses(&mut cluster), [Status::NotLeader; 2]);
    cluster.request(leader, Verb::Command, SessionId(77), 1, &[0; 8]);
    cluster.settle();
    assert_eq!(statuses(&mut cluster), [Status::SessionUnknown]);
    let config = seedfast_core::paxos::Config::new(GROUP, seedfast_core::PeerSet::first(3));
    cluster.request(leader, Verb::Command, session, 1, &vec![0; config.batch_bytes as usize]);
    cluster.settle();
    assert_eq!(statuses(&mut cluster), [Status::Malformed], "it is larger than a batch can be");
}

#[test]
fn a_leader_that_nobody_answers_refuses_what_it_has_no_room_for() {
    // Two slots and an open batch of four: of one command each if nothing waits, else the second slot fills up too.
    for (eager, taken) in [(4096, 1 + 1 + 4), (1, 1 + 4 + 4)] {
        let mut cluster = Cluster::new(3, |config| {
            config.window = 2;
            config.batch_commands = 4;
            config.eager = eager;
        });
        let leader = cluster.elect();
        let session = open_session(&mut cluster, leader);
        // Bursts of the leader alone: its accepts are never answered.
        for number in 1..=40 {
            cluster.request(leader, Verb::Command, session, number, &[0; 8]);
            while let Some(input) = cluster.nodes[leader].inbox.pop_front() {
                cluster.turn(leader, input);
            }
            cluster.turn(leader, Input::EndOfBurst);
        }
        assert_eq!(statuses(&mut cluster), vec![Status::Overloaded; 40 - taken], "eager {eager}");
    }
}

#[test]
fn a_log_that_is_nearly_full_is_forgotten_in_time() {
    let mut cluster = Cluster::new(3, |config| {
        config.log_bytes = 600;
        config.batch_bytes = 400;
    });
    let leader = cluster.elect();
    let session = open_session(&mut cluster, leader);
    for number in 1..=100 {
        cluster.request(leader, Verb::Command, session, number, &[0; 8]);
        cluster.settle();
        cluster.now += 50_000_000;
        cluster.fire_timers();
        cluster.settle();
    }
    assert_eq!(statuses(&mut cluster), [Status::Done; 100]);
}

#[test]
fn a_full_device_refuses_commands_and_then_ends_the_life() {
    let small = Options { copy: 512, area: 0, segment: 16 << 10, segments: 4 };
    let mut cluster = Cluster::with_log(3, &small, |config| config.batch_bytes = 8 << 10);
    let leader = cluster.elect();
    let session = open_session(&mut cluster, leader);
    for number in 1..=200 {
        cluster.request(leader, Verb::Command, session, number, &[0; 8]);
        cluster.settle();
    }
    let answers = statuses(&mut cluster);
    assert_eq!(answers.first(), Some(&Status::Done));
    assert_eq!(answers.last(), Some(&Status::Overloaded));
    // Promises may still be given until there is no room for them either.
    let (mut round, mut out) = (1000, Outbox::new(false));
    while cluster.nodes[leader].halted.is_none() {
        round += 1;
        assert!(round < 2000, "it promises for ever on a full device");
        let candidate = NodeId((leader as u8 + 1) % 3);
        let message = Message::Prepare { ballot: Ballot::new(round, candidate), from: Slot(0) };
        let frame =
            message.encode(&Address { cluster: CLUSTER, group: GROUP, epoch: 0 }, candidate, &mut out);
        cluster.turn(leader, Input::Receive { from: candidate, kind: kind::PREPARE, group: GROUP, frame });
        cluster.turn(leader, Input::EndOfBurst);
        while let Some(input) = cluster.nodes[leader].inbox.pop_front() {
            cluster.turn(leader, input);
        }
    }
    assert!(cluster.nodes[leader].halted.as_ref().is_some_and(|why| why.contains("device is full")));
}

/// Hands `message` to `to` as `from` would send it.
fn deliver(cluster: &mut Cluster, to: usize, from: u8, message: &Message) {
    let address = Address { cluster: CLUSTER, group: GROUP, epoch: 0 };
    let frame = message.encode(&address, NodeId(from), &mut Outbox::new(false));
    cluster.turn(to, Input::Receive { from: NodeId(from), kind: message.kind(), group: GROUP, frame });
}

#[test]
fn an_accepted_of_an_earlier_term_counts_for_nothing() {
    let mut cluster = three();
    let leader = cluster.elect();
    cluster.settle();
    let standing = cluster.nodes[leader].replica.status().expect("it runs");
    let ballot = standing.leads.expect("it leads");
    cluster.request(leader, Verb::OpenSession, SessionId::NONE, 1, &[]);
    let request = cluster.nodes[leader].inbox.pop_front().expect("the request");
    cluster.turn(leader, request);
    cluster.turn(leader, Input::EndOfBurst);
    let own = cluster.nodes[leader].inbox.pop_front().expect("its own write");
    cluster.turn(leader, own);
    let (peer, first) = ((leader as u8 + 1) % 3, standing.decided);
    let accepted = |ballot| Message::Accepted { ballot, first, count: 1 };
    let earlier = Ballot::new(ballot.round() - 1, ballot.node());
    deliver(&mut cluster, leader, peer, &accepted(earlier));
    assert_eq!(cluster.nodes[leader].replica.status().expect("it runs").decided, first);
    deliver(&mut cluster, leader, peer, &accepted(ballot));
    assert_eq!(cluster.nodes[leader].replica.status().expect("it runs").decided, first.next());
}

#[test]
fn a_heartbeat_of_a_lower_ballot_of_the_same_round_is_rejected() {
    let mut cluster = three();
    let leader = cluster.elect();
    let follower = (leader + 1) % 3;
    let deliver = |cluster: &mut Cluster, from: u8, message: &Message| {
        deliver(cluster, follower, from, message);
        cluster.turn(follower, Input::EndOfBurst);
        while let Some(input) = cluster.nodes[follower].inbox.pop_front() {
            cluster.turn(follower, input);
        }
    };
    let others: Vec<u8> = (0..3).filter(|node| usize::from(*node) != follower).collect();
    let (low, high) = (Ballot::new(500, NodeId(others[0])), Ballot::new(500, NodeId(others[1])));
    deliver(&mut cluster, others[1], &Message::Prepare { ballot: high, from: Slot(0) });
    cluster.nodes.iter_mut().for_each(|node| node.inbox.clear());
    let beat = |ballot| Message::Heartbeat { ballot, round: 1, commit: Slot(0) };
    deliver(&mut cluster, others[0], &beat(low));
    let answer = cluster.nodes[usize::from(others[0])].inbox.pop_front();
    assert!(matches!(answer, Some(Input::Receive { kind: kind::REJECT, .. })), "{answer:?}");
    deliver(&mut cluster, others[1], &beat(high));
    let answer = cluster.nodes[usize::from(others[1])].inbox.pop_front();
    assert!(matches!(answer, Some(Input::Receive { kind: kind::HEARTBEAT_REPLY, .. })), "{answer:?}");
}
