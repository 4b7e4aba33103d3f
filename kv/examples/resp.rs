//! What a RESP command costs a server in CPU time: pipelines of 64, from bytes to framed requests and from framed
//! answers to bytes, with a process that answers at once.
//!
//! `resp [PIPELINES]` prints one JSON object. Beside it stands what another author's decoder takes for the requests
//! alone, in the same run.

use seedfast_core::buffer::Pool;
use seedfast_core::client::{Response, Status};
use seedfast_core::runtime::clients::Clients;
use seedfast_core::runtime::{Error, Stream};
use seedfast_core::{ClusterId, GroupId, Input, NodeId, Now};
use seedfast_kv::resp::Parser;
use seedfast_kv::server::{self, Limits, Service, Settings};
use std::cell::RefCell;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

const PIPELINE: usize = 64;

fn cpu_nanos() -> u64 {
    // Linux accounts CPU time of the process in clock ticks here; fine enough for runs of a second.
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// The same pipeline again and again, its replies counted and thrown away.
#[derive(Default)]
struct Loop {
    pipeline: Vec<u8>,
    at: usize,
    sent: usize,
}

#[derive(Clone)]
struct Wire(Rc<RefCell<Loop>>);

impl Stream for Wire {
    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
    ) -> Poll<Result<usize, Error>> {
        let mut wire = self.0.borrow_mut();
        let count = most.min(wire.pipeline.len() - wire.at);
        if count == 0 {
            return Poll::Pending;
        }
        into.extend_from_slice(&wire.pipeline[wire.at..wire.at + count]);
        wire.at += count;
        Poll::Ready(Ok(count))
    }

    fn write(&mut self, bytes: &mut Vec<u8>) {
        self.0.borrow_mut().sent += bytes.len();
        bytes.clear();
    }

    fn backlog(&self) -> usize {
        0
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn close(&mut self) {}
}

/// CPU nanoseconds per command, the process that answers `payload` included.
fn serve(pipeline: &[u8], payload: &[u8], reply: &str, rounds: usize) -> f64 {
    let settings = Settings {
        cluster: ClusterId(0),
        node: NodeId(0),
        group: GroupId(0),
        members: Vec::new(),
        version: "",
        limits: Limits::DEFAULT,
    };
    let clients = Clients::new(PIPELINE);
    let wire = Wire(Rc::new(RefCell::new(Loop { pipeline: pipeline.to_vec(), ..Loop::default() })));
    let service = Service::new(settings, Now::default);
    let mut task = pin!(server::serve(service, wire.clone(), clients.connect()));
    let mut cx = Context::from_waker(Waker::noop());
    let (mut pool, mut inputs) = (Pool::new(4096), Vec::new());
    let begin = cpu_nanos();
    for _ in 0..rounds {
        wire.0.borrow_mut().at = 0;
        assert!(task.as_mut().poll(&mut cx).is_pending());
        let _ = clients.poll_requests(&mut cx, &mut inputs, usize::MAX);
        for input in inputs.drain(..) {
            let Input::Request { connection, session, sequence, bytes, .. } = input else { continue };
            let (status, leader) = (Status::Done, Some(NodeId(0)));
            let mut frame = pool.take();
            Response { status, leader, session, sequence, payload }.encode(&mut frame);
            clients.respond(connection, frame.freeze());
            pool.recycle(bytes);
        }
        assert!(task.as_mut().poll(&mut cx).is_pending());
    }
    let spent = cpu_nanos() - begin;
    assert_eq!(wire.0.borrow().sent, rounds * PIPELINE * reply.len(), "a reply is missing");
    spent as f64 / (rounds * PIPELINE) as f64
}

fn repeated(rounds: usize, mut work: impl FnMut() -> usize) -> f64 {
    let begin = cpu_nanos();
    for _ in 0..rounds {
        assert_eq!(black_box(work()), 3 * PIPELINE, "words in the pipeline");
    }
    (cpu_nanos() - begin) as f64 / (rounds * PIPELINE) as f64
}

fn main() {
    let rounds: usize =
        std::env::args().nth(1).map_or(50_000, |text| text.parse().expect("a number of pipelines"));
    let pipeline = |write: fn(usize) -> String| (0..PIPELINE).map(write).collect::<String>().into_bytes();
    let sets = pipeline(|n| format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:{n:012}\r\n$3\r\nabc\r\n"));
    let gets = pipeline(|n| format!("*2\r\n$3\r\nGET\r\n$16\r\nkey:{n:012}\r\n"));
    let typed = pipeline(|n| format!("SET key:{n:012} abc\r\n"));
    let ours = |bytes: &[u8]| {
        let mut parser = Parser::default();
        repeated(rounds, || {
            let (mut at, mut words) = (0, 0);
            while let Ok((Some(args), taken)) = parser.next(&bytes[at..]) {
                at += taken;
                words += args.len();
            }
            words
        })
    };
    let theirs = repeated(rounds, || {
        let (mut at, mut words) = (0, 0);
        while at < sets.len() {
            let found = redis_protocol::resp2::decode::decode_range(&sets[at..]);
            let (frame, taken) = found.expect("a frame").expect("a whole one");
            at += taken;
            if let redis_protocol::resp2::types::RangeFrame::Array(items) = frame {
                words += items.len();
            }
        }
        words
    });
    let figures = [
        ("resp.parse_ns.set", ours(&sets)),
        ("resp.parse_ns.typed", ours(&typed)),
        ("resp.parse_ns.redis-protocol", theirs),
        ("resp.serve_ns.set", serve(&sets, &[1], "+OK\r\n", rounds)),
        ("resp.serve_ns.get", serve(&gets, b"\x03\x03\0\0\0abc", "$3\r\nabc\r\n", rounds)),
    ];
    let figures: Vec<String> =
        figures.iter().map(|(name, nanos)| format!("\"{name}\": {nanos:.1}")).collect();
    println!("{{{}}}", figures.join(", "));
}
