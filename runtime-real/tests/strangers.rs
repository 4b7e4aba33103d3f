//! What an endpoint does with bytes that no peer of it would send: written by hand into a plain socket.

mod common;

use common::{free_addresses, pause};
use seedfast_core::id::{ClusterId, GroupId, Kind, NodeId};
use seedfast_core::input::Input;
use seedfast_core::runtime::{Endpoint, Membership, Runtime};
use seedfast_core::transport::{Counts, HELLO, Hello, Refused, Seal};
use seedfast_runtime_real::{Options, run};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::task::Poll;

const CLUSTER: ClusterId = ClusterId(77);

fn hello() -> Hello {
    Hello::new(CLUSTER, NodeId(1), NodeId(0), 1 << 20)
}

fn encoded(hello: &Hello) -> Vec<u8> {
    let mut bytes = Vec::new();
    hello.encode(&mut bytes);
    bytes
}

/// An endpoint of node 0, to which `stranger` speaks through a socket until one of them closes it. Returns what the
/// endpoint counted, what it handed over, and what the stranger was answered.
fn meet(stranger: &[u8]) -> (Counts, Vec<Input>, Vec<u8>) {
    let members: Vec<_> = (0..2).map(NodeId).zip(free_addresses(2)).collect();
    let address = members[0].1.clone();
    let bytes = stranger.to_vec();
    let (counts, inputs, answer) = run(Options::new(), move |runtime| async move {
        let membership = Membership { cluster: CLUSTER, me: NodeId(0), members };
        let mut endpoint = runtime.endpoint(membership).await.expect("a free address");
        let speaking = std::thread::spawn(move || {
            let mut socket = TcpStream::connect(address).expect("the endpoint listens");
            // Whoever is refused is cut off, perhaps before he has said everything; whoever is not is answered and then waits
            // for nothing.
            let _ = socket.write_all(&bytes);
            let _ = socket.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer);
            answer
        });
        while !speaking.is_finished() {
            pause(&runtime, 5).await;
        }
        let mut inputs = Vec::new();
        std::future::poll_fn(|cx| Poll::Ready(endpoint.poll_receive(cx, &mut inputs, 99).is_ready())).await;
        (endpoint.counts(), inputs, speaking.join().expect("no panic"))
    })
    .expect("io_uring");
    (counts, inputs, answer)
}

fn frame(seal: Seal, frame: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    seal.encode(Kind(3), GroupId(4), frame, &mut bytes);
    bytes
}

#[test]
fn a_peer_is_answered_and_its_frames_are_handed_over() {
    let seal = Seal::new(CLUSTER, NodeId(1));
    let (counts, inputs, answer) =
        meet(&[encoded(&hello()), frame(seal, b"one"), frame(seal, b"two")].concat());
    assert_eq!((counts.refused, counts.received), (0, 2));
    let frames = inputs.iter().filter_map(|input| match input {
        Input::Receive { from: NodeId(1), kind: Kind(3), group: GroupId(4), frame } => Some(frame.to_vec()),
        _ => None,
    });
    assert_eq!(frames.collect::<Vec<_>>(), [b"one", b"two"]);
    let answer = Hello::decode(&answer[..HELLO]).expect("the answer is a hello and nothing else");
    assert!(hello().agree(&answer).is_ok());
}

#[test]
fn whoever_is_no_peer_is_refused_for_the_reason_that_is_true() {
    let seal = Seal::new(CLUSTER, NodeId(1));
    let mut damaged = frame(seal, b"vote");
    damaged[35] ^= 4;
    let cases: [(Vec<u8>, Refused); 7] = [
        (b"GET / HTTP/1.1\r\nHost: somewhere\r\nUser-Agent: a browser\r\n\r\n".to_vec(), Refused::NotAPeer),
        (encoded(&Hello { cluster: ClusterId(5), ..hello() }), Refused::Cluster(ClusterId(5))),
        (
            encoded(&Hello { to: NodeId(9), ..hello() }),
            Refused::Node { expected: NodeId(0), found: NodeId(9) },
        ),
        (encoded(&Hello { from: NodeId(8), ..hello() }), Refused::Stranger(NodeId(8))),
        (encoded(&Hello { versions: (9, 7), ..hello() }), Refused::Version { theirs: (7, 9), ours: (1, 1) }),
        ([encoded(&hello()), damaged].concat(), Refused::Damaged),
        (
            [encoded(&hello()), frame(seal, &vec![0; (1 << 20) + 1])].concat(),
            Refused::Oversize { length: (1 << 20) + 1, limit: 1 << 20 },
        ),
    ];
    for (bytes, why) in cases {
        let (counts, inputs, _) = meet(&bytes);
        assert_eq!((counts.refused, counts.last_refused), (1, Some(why)));
        assert!(inputs.is_empty(), "{why}: {inputs:?}");
    }
}

#[test]
fn a_frame_sealed_by_another_sender_is_refused_and_those_before_it_stand() {
    let bytes = [
        encoded(&hello()),
        frame(Seal::new(CLUSTER, NodeId(1)), b"mine"),
        frame(Seal::new(CLUSTER, NodeId(2)), b"not mine"),
    ];
    let (counts, inputs, _) = meet(&bytes.concat());
    assert_eq!((counts.received, counts.last_refused), (1, Some(Refused::Damaged)));
    assert_eq!(inputs.len(), 1);
}
