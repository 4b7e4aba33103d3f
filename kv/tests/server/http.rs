//! The endpoint for those who watch over the node.

use crate::harness::{Memory, service};
use seedfast_core::NodeId;
use seedfast_kv::server::{Limits, Service, http};
use std::pin::pin;
use std::task::{Context, Waker};

fn service_of_a_leader() -> Service {
    service(Limits::DEFAULT)
}

/// What comes back, and whether the server is done with the connection.
fn ask(service: &Service, request: &str, chunk: usize) -> (String, bool) {
    let wire = Memory::new();
    wire.0.borrow_mut().chunk = chunk;
    let mut task = pin!(http::serve(service.clone(), wire.clone()));
    wire.push(request.as_bytes());
    let mut cx = Context::from_waker(Waker::noop());
    let mut over = task.as_mut().poll(&mut cx).is_ready();
    if !over {
        wire.finish();
        over = task.as_mut().poll(&mut cx).is_ready();
    }
    let sent = String::from_utf8(wire.0.borrow().sent.clone()).expect("text");
    (sent, over && (wire.0.borrow().closed || wire.0.borrow().sent.is_empty()))
}

#[track_caller]
fn check(service: &Service, request: &str, status: &str, body: &str) {
    for chunk in [usize::MAX, 1] {
        let (reply, over) = ask(service, request, chunk);
        assert!(over);
        let (head, found) = reply.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:?}: {head}");
        assert_eq!(found, body, "{request:?}");
        if !request.starts_with("HEAD") {
            assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        }
    }
}

#[test]
fn live_and_ready_say_so() {
    let service = service_of_a_leader();
    check(&service, "GET /live HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "live\n");
    check(&service, "GET /ready?x=1 HTTP/1.0\r\n\r\n", "200 OK", "ready\n");
    check(&service, "HEAD /ready HTTP/1.1\r\nhost: a\r\nAccept: */*\r\n\r\n", "200 OK", "");
    service.set_ready(|| Err("the journal is being read".into()));
    let ready = "GET /ready HTTP/1.1\r\nHost: a\r\n\r\n";
    check(&service, ready, "503 Service Unavailable", "not ready: the journal is being read\n");
    service.set_leader(None);
    check(&service, ready, "503 Service Unavailable", "not ready: no leader is known to this node\n");
    service.set_ready(|| Ok(()));
    service.set_leader(Some(NodeId(2)));
    check(&service, ready, "200 OK", "ready\n");
    check(&service, "GET /live HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "live\n");
}

#[test]
fn whatever_else_is_refused() {
    let service = service_of_a_leader();
    let other = "there are /live, /ready and /metrics\n";
    check(&service, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found", other);
    check(&service, "GET /live/ HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found", other);
    let method = "only GET and HEAD are answered here\n";
    check(&service, "POST /live HTTP/1.1\r\nHost: a\r\n\r\n", "405 Method Not Allowed", method);
    check(&service, "get /live HTTP/1.1\r\nHost: a\r\n\r\n", "405 Method Not Allowed", method);
    let bad = "that is no HTTP/1.1 request\n";
    for request in [
        "GET /live HTTP/1.1\r\n\r\n",
        "GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /live HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /live HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n",
        "GET  /live HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /live\r\n\r\n",
        "\r\n\r\n",
    ] {
        check(&service, request, "400 Bad Request", bad);
    }
    let version = "only HTTP/1.1 is spoken here\n";
    check(&service, "GET /live HTTP/2.0\r\nHost: a\r\n\r\n", "505 HTTP Version Not Supported", version);
    let long = format!("GET /live HTTP/1.1\r\nHost: {}", "a".repeat(9000));
    let why = "the request is longer than 8 KiB\n";
    check(&service, &long, "431 Request Header Fields Too Large", why);
    assert_eq!(
        ask(&service, "GET /live HTTP/1.1\r\nHost: a\r\n", 1),
        (String::new(), true),
        "it left before it asked"
    );
}

#[test]
fn metrics_are_in_the_text_format() {
    let service = service_of_a_leader();
    service.add_metrics(|text| text.push_str("# TYPE seedfast_extra gauge\nseedfast_extra 7\n"));
    let (reply, _) = ask(&service, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", usize::MAX);
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains("Content-Type: text/plain; version=0.0.4"), "{head}");
    let mut samples = Vec::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            assert!(rest.starts_with("HELP seedfast_") || rest.starts_with("TYPE seedfast_"), "{line}");
            continue;
        }
        let (name, value) = line.split_once(' ').expect("a name and a value");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
        value.parse::<u64>().expect("a number");
        assert!(body.contains(&format!("# TYPE {name} ")), "{name} has no type");
        samples.push(name);
    }
    for name in ["seedfast_connections_received_total", "seedfast_leads", "seedfast_extra"] {
        assert!(samples.contains(&name), "{name} is missing");
    }
}
