//! The task that finds out who leads, and what an operator asks.

use crate::harness::{Bench, ME, array, service};
use seedfast_core::client::{Response, Status};
use seedfast_core::runtime::Alarm;
use seedfast_core::runtime::clients::Clients;
use seedfast_core::{Buffer, Duration, Input, Instant, NodeId, SessionId};
use seedfast_kv::server::{Limits, watch};
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// An alarm that goes off when the test says so.
struct ByHand(Rc<Cell<bool>>);

impl Alarm for ByHand {
    fn set(&mut self, at: Option<Instant>) {
        assert_eq!(at, Some(Instant::from_nanos(5_500_000_000)), "half a second from the clock's 5 s");
    }

    fn poll_due(&mut self, _: &mut Context<'_>) -> Poll<()> {
        if self.0.take() { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[test]
fn it_asks_once_a_period_and_does_not_believe_in_a_leader_that_does_not_answer() {
    let (service, clients, due) = (service(Limits::DEFAULT), Clients::new(4), Rc::new(Cell::new(false)));
    let mut task =
        pin!(watch(ByHand(due.clone()), clients.clone(), service.clone(), Duration::from_millis(500)));
    let mut cx = Context::from_waker(Waker::noop());
    let mut period = |answer: Option<(Status, Option<NodeId>)>| {
        assert!(task.as_mut().poll(&mut cx).is_pending());
        let mut inputs = Vec::new();
        let _ = clients.poll_requests(&mut cx, &mut inputs, 9);
        let asked = inputs.len();
        for input in inputs {
            if let (Input::Request { connection, sequence, .. }, Some((status, leader))) = (input, answer) {
                let mut frame = Vec::new();
                let session = SessionId::NONE;
                Response { status, leader, session, sequence, payload: &[] }.encode(&mut frame);
                clients.respond(connection, Buffer::from(frame));
            }
        }
        assert!(task.as_mut().poll(&mut cx).is_pending());
        due.set(true);
        assert!(task.as_mut().poll(&mut cx).is_pending());
        (asked, service.leader())
    };
    let other = Some(NodeId(2));
    assert_eq!(period(Some((Status::NotLeader, other))), (1, other));
    assert_eq!(period(Some((Status::Done, Some(ME)))), (1, Some(ME)));
    assert_eq!(period(Some((Status::NotLeader, None))), (1, None));
    assert_eq!(period(Some((Status::Done, Some(ME)))), (1, Some(ME)));
    assert_eq!(period(None), (1, None), "a whole period without an answer");
    assert_eq!(period(None), (0, None), "one question is enough to wait for");
}

#[test]
fn an_operation_takes_its_time_and_its_place() {
    let mut bench = Bench::new(Limits::DEFAULT, 4);
    let done = Rc::new(Cell::new(false));
    let waited = done.clone();
    bench.service.add_operation("SNAPSHOT", "Takes a snapshot.", move |words| {
        let waited = waited.clone();
        Box::pin(async move {
            std::future::poll_fn(|_| if waited.get() { Poll::Ready(()) } else { Poll::Pending }).await;
            match &words[..] {
                [] => Ok("done".to_owned()),
                words => Err(format!("{} words too many", words.len())),
            }
        })
    });
    for command in ["INCR n", "SEEDFAST SNAPSHOT", "seedfast snapshot now", "INCR n", "SEEDFAST HELP"] {
        bench.wire.push(&array(command.split(' ')));
    }
    bench.settle();
    assert_eq!(bench.heard(), r":1\r\n", "what stands behind it waits");
    done.set(true);
    // Whatever wakes the task: the operation's own waker would.
    bench.wire.push(&array(["PING"].into_iter()));
    bench.settle();
    let heard = bench.heard();
    assert!(heard.starts_with(r"$4\r\ndone\r\n-ERR 1 words too many\r\n:2\r\n*5\r\n"), "{heard}");
    assert!(heard.contains("+SNAPSHOT") && heard.ends_with(r"+PONG\r\n"), "{heard}");
}

#[test]
fn status_tells_a_person_what_matters() {
    let mut bench = Bench::new(Limits::DEFAULT, 4);
    bench.ask("SET a 1");
    let status = bench.ask("SEEDFAST STATUS");
    for line in ["node: 1", "role: leader", "member 1: 10.0.0.1:7001, leads", "ready: yes", "writes: 1"] {
        assert!(status.contains(line), "{line} is not in {status}");
    }
    bench.service.set_leader(None);
    let status = bench.ask("SEEDFAST STATUS");
    assert!(status.contains("ready: no, no leader is known to this node"), "{status}");
}

#[test]
fn the_binary_adds_its_own_sections() {
    let mut bench = Bench::new(Limits::DEFAULT, 4);
    bench.service.add_section("Journal", |text| text.push_str("journal_bytes:7\r\n"));
    assert_eq!(bench.ask("INFO journal"), r"$28\r\n# Journal\r\njournal_bytes:7\r\n\r\n");
    assert!(bench.ask("INFO").contains(r"\r\n\r\n# Journal\r\njournal_bytes:7\r\n"));
}
