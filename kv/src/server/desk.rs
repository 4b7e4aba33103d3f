//! What becomes of one request: an answer on the spot, or a command for the replicas.

use super::batch::Batch;
use super::local::{self, Next};
use super::replies::Replies;
use super::service::{Client, Counter, Service};
use crate::resp::table::{self, Spec};
use crate::resp::{Args, ProtocolError, Writer, translate};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Scratch larger than this, in bytes, is given back.
const LARGEST_KEPT: usize = 256 << 10;

/// One client's requests and replies, without its stream.
pub(super) struct Desk {
    pub(super) service: Service,
    pub(super) client: Rc<Client>,
    pub(super) batch: Batch,
    pub(super) replies: Replies,
    /// What is ready to be sent.
    pub(super) out: Vec<u8>,
    scratch: Vec<u8>,
}

/// Whether the connection goes on behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goes {
    /// It does.
    On,
    /// It closes once every reply is sent.
    ToItsEnd,
}

impl Desk {
    pub(super) fn new(service: Service) -> Self {
        let client = service.connect();
        let (batch, replies) = (Batch::default(), Replies::default());
        Desk { service, client, batch, replies, out: Vec::new(), scratch: Vec::new() }
    }

    /// Takes one request.
    #[inline]
    pub(super) fn take(&mut self, args: Args<'_>) -> Goes {
        let name = args.get(0);
        let Some(spec) = table::find(name) else { return self.unknown(args) };
        self.client.last.set(spec.name);
        if !spec.takes(args.len()) {
            self.reply(|out| out.error(WrongWords(spec.name)));
            return Goes::On;
        }
        if spec.is_local() {
            return self.local(spec, args);
        }
        let start = self.batch.payloads().len();
        match translate::translate(spec.verb, args, &mut self.scratch, self.batch.payloads()) {
            Ok(asked) => {
                let sequence = self.replies.ask(self.client.version.get(), asked);
                self.batch.push(start, sequence, asked);
            }
            Err(error) => self.reply(|out| out.error(error)),
        }
        self.scratch.clear();
        self.scratch.shrink_to(LARGEST_KEPT);
        Goes::On
    }

    fn local(&mut self, spec: &Spec, args: Args<'_>) -> Goes {
        let (service, client) = (self.service.clone(), self.client.clone());
        let mut next = Next::GoOn;
        self.reply_with(|out| next = local::answer(spec.verb, args, &service, &client, out));
        match next {
            Next::GoOn => Goes::On,
            Next::Close => Goes::ToItsEnd,
            Next::Wait(operated) => {
                self.replies.later(self.client.version.get(), operated);
                Goes::On
            }
        }
    }

    fn unknown(&mut self, args: Args<'_>) -> Goes {
        // A browser that is made to speak to this port sends lines like these; none of its words must take effect.
        let name = args.get(0);
        if name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:") {
            return Goes::ToItsEnd;
        }
        self.reply(|out| out.error(Unknown(args)));
        Goes::On
    }

    /// What the client sent is no request.
    pub(super) fn refuse(&mut self, error: ProtocolError) {
        self.service.add(Counter::ProtocolErrors, 1);
        self.reply(|out| out.error(format_args!("ERR {error}")));
    }

    fn reply(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        let version = self.client.version.get();
        self.reply_with(|out| write(&mut Writer::new(out, version)));
    }

    /// Writes a reply where it belongs: out at once, or behind those that are owed. One of no bytes is none.
    fn reply_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.service.add(Counter::Commands, 1);
        if self.replies.is_empty() {
            return write(&mut self.out);
        }
        let mut buffer = self.service.buffer();
        write(&mut buffer);
        if buffer.is_empty() {
            return self.service.recycle(buffer.freeze());
        }
        self.replies.written(buffer.freeze());
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.service.disconnect(&self.client);
    }
}

struct WrongWords(&'static str);

impl fmt::Display for WrongWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ERR wrong number of arguments for '{}' command", self.0)
    }
}

struct Unknown<'a>(Args<'a>);

/// How much of an unknown command is told back, in bytes: of its name, and of its arguments together.
const TOLD: usize = 128;

impl fmt::Display for Unknown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut =
            |word: &[u8], most: usize| String::from_utf8_lossy(&word[..word.len().min(most)]).into_owned();
        write!(f, "ERR unknown command '{}', with args beginning with: ", cut(self.0.get(0), TOLD))?;
        let mut told = 0;
        for word in self.0.from(1) {
            if told >= TOLD {
                break;
            }
            let word = cut(word, TOLD - told);
            told += word.len() + 3;
            write!(f, "'{word}' ")?;
        }
        Ok(())
    }
}
