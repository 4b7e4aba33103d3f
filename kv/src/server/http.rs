//! Who watches over a node asks in HTTP/1.1: `GET` or `HEAD` of `/live`, `/ready` (or `/livez`, `/readyz`, as
//! Kubernetes names them) or `/metrics`, and nothing else.
//!
//! One request a connection. Whatever is not such a request, or is longer than 8 KiB, is refused with its status.

use super::info;
use super::service::Service;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use seedfast_core::runtime::{Stream, read, write_all};

/// The longest request, in bytes.
const LONGEST: usize = 8 << 10;

/// Answers one request and closes.
pub async fn serve<S: Stream>(service: Service, mut stream: S) {
    let mut request = Vec::new();
    let end = loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break Some(end);
        }
        if request.len() >= LONGEST {
            break None;
        }
        let most = LONGEST - request.len();
        match read(&mut stream, &mut request, most).await {
            // Whoever leaves before asking gets no answer.
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    };
    let reply = match end {
        Some(end) => answer(&request[..end], &service),
        None => Reply::refused("431 Request Header Fields Too Large", "the request is longer than 8 KiB"),
    };
    let mut bytes = String::new();
    let _ = write!(
        bytes,
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n{}\r\n",
        reply.status,
        reply.kind,
        reply.body.len(),
        if reply.status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" },
    );
    if !reply.head_only {
        bytes.push_str(&reply.body);
    }
    if write_all(&mut stream, bytes.as_bytes()).await.is_err() {
        return;
    }
    stream.close();
    // Closing over unread bytes would take the answer back from the network.
    let mut rest = Vec::new();
    while rest.len() < LONGEST && matches!(read(&mut stream, &mut rest, LONGEST).await, Ok(1..)) {}
}

struct Reply {
    status: &'static str,
    kind: &'static str,
    body: String,
    head_only: bool,
}

const PLAIN: &str = "text/plain; charset=utf-8";

impl Reply {
    fn plain(status: &'static str, text: &str) -> Self {
        Reply { status, kind: PLAIN, body: [text, "\n"].concat(), head_only: false }
    }

    fn refused(status: &'static str, why: &str) -> Self {
        Reply::plain(status, why)
    }
}

fn answer(head: &[u8], service: &Service) -> Reply {
    let malformed = || Reply::refused("400 Bad Request", "that is no HTTP/1.1 request");
    let Ok(head) = core::str::from_utf8(head) else { return malformed() };
    let mut lines = head.split("\r\n");
    let mut line = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (line.next(), line.next(), line.next(), line.next())
    else {
        return malformed();
    };
    // RFC 9112, section 3.2: a request of version 1.1 names its host, once; section 5.1: no blank before the colon.
    let mut hosts = 0;
    for line in lines {
        let Some((name, _)) = line.split_once(':') else { return malformed() };
        if name.is_empty() || name.contains([' ', '\t']) {
            return malformed();
        }
        hosts += u8::from(name.eq_ignore_ascii_case("host"));
    }
    match version {
        "HTTP/1.1" if hosts == 1 => {}
        "HTTP/1.0" if hosts <= 1 => {}
        "HTTP/1.0" | "HTTP/1.1" => return malformed(),
        _ => return Reply::refused("505 HTTP Version Not Supported", "only HTTP/1.1 is spoken here"),
    }
    if !["GET", "HEAD"].contains(&method) {
        return Reply::refused("405 Method Not Allowed", "only GET and HEAD are answered here");
    }
    let path = target.split('?').next().unwrap_or_default();
    let reply = match path {
        "/live" | "/livez" => Reply::plain("200 OK", "live"),
        "/ready" | "/readyz" => match service.ready() {
            Ok(()) => Reply::plain("200 OK", "ready"),
            Err(why) => Reply::plain("503 Service Unavailable", &["not ready: ", &why].concat()),
        },
        "/metrics" => Reply {
            status: "200 OK",
            kind: "text/plain; version=0.0.4; charset=utf-8",
            body: info::metrics(service),
            head_only: false,
        },
        _ => Reply::refused("404 Not Found", "there are /live, /ready and /metrics"),
    };
    Reply { head_only: method == "HEAD", ..reply }
}
