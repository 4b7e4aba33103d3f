//! A client's stream to one node, in RESP: its requests in the words of a client of Redis, and replies, errors with
//! their meanings included, as what the native protocol would have answered.
//!
//! Such a client has no session: opening one is answered here, and its commands must be of those that nobody
//! remembers. Beside them it sends things that the node answers by itself, so that their replies have to come in order.

use super::server::resp_address;
use seedfast_core::client::{Request, Response, Status, Verb};
use seedfast_core::{Buffer, NodeId, SessionId};
use seedfast_kv::resp::answer::{Answer, take};
use seedfast_kv::resp::ask;
use seedfast_kv::{Command, Reply};
use std::collections::VecDeque;

/// What the next reply is owed to.
enum Owed {
    Hello,
    Echo(Vec<u8>),
    Request { session: SessionId, sequence: u64, is_set: bool },
}

/// One stream's requests that are not answered yet, in their order.
pub struct Dialogue {
    owed: VecDeque<Owed>,
    nodes: u8,
    echoes: u64,
}

impl Dialogue {
    /// A stream that begins in the second version of the protocol, or asks for the third.
    pub fn new(nodes: u8, third: bool, out: &mut Vec<u8>) -> Self {
        let mut dialogue = Dialogue { owed: VecDeque::new(), nodes, echoes: 0 };
        if third {
            ask::words(&[b"HELLO", b"3"], out);
            dialogue.owed.push_back(Owed::Hello);
        }
        dialogue
    }

    /// Asks the node something that it answers by itself.
    pub fn echo(&mut self, out: &mut Vec<u8>) {
        self.echoes += 1;
        let word = self.echoes.to_string().into_bytes();
        ask::words(&[b"ECHO", &word], out);
        self.owed.push_back(Owed::Echo(word));
    }

    /// Appends a request in the words of RESP; or answers it, if RESP has no words for it.
    pub fn put(
        &mut self,
        session: SessionId,
        sequence: u64,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<Buffer> {
        let request = Request::decode(bytes).expect("it was encoded a moment ago");
        if request.verb == Verb::OpenSession {
            // Nobody will ask for it: commands go without one.
            return Some(answer(Status::Done, None, SessionId(1), sequence, &[]));
        }
        assert!(request.verb != Verb::Command, "RESP has no sessions");
        let command = Command::decode(request.payload).expect("it was encoded a moment ago");
        ask::request(&command, out);
        let is_set = matches!(command, Command::Set { .. });
        self.owed.push_back(Owed::Request { session, sequence, is_set });
        None
    }

    /// The first answer out of what has come, if a whole one is there. One that makes no sense is empty.
    pub fn take(&mut self, came: &mut Vec<u8>) -> Option<Buffer> {
        loop {
            let reply = match take(came) {
                Ok(Some(reply)) => reply,
                Ok(None) => return None,
                Err(_) => {
                    came.clear();
                    return Some(Buffer::new());
                }
            };
            match (self.owed.pop_front(), reply) {
                (Some(Owed::Hello), Answer::Row(_)) => {}
                (Some(Owed::Echo(word)), Answer::Bytes(bytes)) if word == bytes => {}
                (Some(Owed::Request { session, sequence, is_set }), reply) => {
                    return Some(self.meaning(session, sequence, is_set, reply));
                }
                _ => return Some(Buffer::new()),
            }
        }
    }

    fn meaning(&self, session: SessionId, sequence: u64, is_set: bool, reply: Answer) -> Buffer {
        let refused = |status, leader| answer(status, leader, session, sequence, &[]);
        let done = |reply: &Reply<'_>| {
            let mut payload = Vec::new();
            reply.encode(&mut payload);
            answer(Status::Done, None, session, sequence, &payload)
        };
        match reply {
            Answer::Error(text) => match text.split(' ').next() {
                Some("MOVED") => {
                    let to = text.rsplit(' ').next();
                    let leader = (0..self.nodes).map(NodeId).find(|node| to == Some(&*resp_address(*node)));
                    // It names a node, or it is no redirect.
                    if leader.is_some() { refused(Status::NotLeader, leader) } else { Buffer::new() }
                }
                Some("CLUSTERDOWN") => refused(Status::NotLeader, None),
                Some("BUSY") => refused(Status::Overloaded, None),
                Some("UNKNOWN") => refused(Status::InDoubt, None),
                _ => Buffer::new(),
            },
            Answer::Line(text) if text == "OK" => done(&Reply::Ok),
            Answer::Line(_) => Buffer::new(),
            Answer::Integer(number) => done(&Reply::Integer(number)),
            Answer::Bytes(bytes) => done(&Reply::Bytes(&bytes)),
            Answer::Null if is_set => done(&Reply::NotSwapped),
            Answer::Null => done(&Reply::Nil),
            Answer::Row(items) => {
                let item = |item: &Answer| match item {
                    Answer::Bytes(bytes) => Some(bytes.clone()),
                    _ => None,
                };
                let items: Vec<_> = items.iter().map(item).collect();
                done(&Reply::List(items.iter().map(Option::as_deref).collect()))
            }
        }
    }
}

fn answer(
    status: Status,
    leader: Option<NodeId>,
    session: SessionId,
    sequence: u64,
    payload: &[u8],
) -> Buffer {
    let mut bytes = Vec::new();
    Response { status, leader, session, sequence, payload }.encode(&mut bytes);
    Buffer::from(bytes)
}
