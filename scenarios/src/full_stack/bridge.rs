//! A client's streams: what it asks of nodes goes out on one stream to each, and what comes back is told to it.

use super::resp::Dialogue;
use super::server::{address, resp_address};
use seedfast_core::runtime::race::{Either, race};
use seedfast_core::runtime::{Alarm, Runtime, Stream, Task};
use seedfast_core::{Buffer, BufferMut, ConnectionId, Instant, NodeId, SessionId};
use seedfast_kv::native::frame::{Senseless, put_request, take_answer};
use seedfast_sim::{ClientInput, ClientOutbox, ClientOutput};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// A queue between tasks of one thread.
struct Mailbox<T> {
    items: VecDeque<T>,
    waker: Option<Waker>,
}

type Shared<T> = Rc<RefCell<Mailbox<T>>>;

fn mailbox<T>() -> Shared<T> {
    Rc::new(RefCell::new(Mailbox { items: VecDeque::new(), waker: None }))
}

fn post<T>(to: &Shared<T>, item: T) {
    let mut mailbox = to.borrow_mut();
    mailbox.items.push_back(item);
    if let Some(waker) = mailbox.waker.take() {
        waker.wake();
    }
}

async fn next<T>(of: &Shared<T>) -> T {
    poll_fn(|cx| {
        let mut mailbox = of.borrow_mut();
        match mailbox.items.pop_front() {
            Some(item) => Poll::Ready(item),
            None => {
                mailbox.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}

/// The outputs of one turn of a client.
#[derive(Default)]
struct Gathered(Vec<ClientOutput>);

impl ClientOutbox for Gathered {
    fn buffer(&mut self) -> BufferMut {
        BufferMut::new()
    }

    fn push(&mut self, output: ClientOutput) {
        self.0.push(output);
    }
}

/// How a client speaks to nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// With sessions, exactly once.
    Native,
    /// As clients of Redis do.
    Resp,
}

/// A request as the client makes it.
struct Asked {
    session: SessionId,
    sequence: u64,
    bytes: Buffer,
}

/// A stream to one node, or one that is being opened.
struct Link<R: Runtime> {
    task: R::Task,
    requests: Shared<Asked>,
    number: u64,
}

/// What links tell the client.
enum News {
    Answer(NodeId, Buffer),
    /// That link is no more.
    Gone(NodeId, u64),
}

/// Plays a client whose turns are `turn` for ever: its timers are alarms, its connections streams.
pub async fn play<R: Runtime>(
    runtime: R,
    nodes: u8,
    dialect: Dialect,
    mut turn: impl FnMut(Instant, ClientInput, &mut dyn ClientOutbox),
) {
    let mut links: Vec<Option<Link<R>>> = (0..nodes).map(|_| None).collect();
    let mut timers: Vec<(u16, R::Alarm)> = Vec::new();
    let (news, mut opened) = (mailbox(), 0);
    let mut input = ClientInput::Start { entropy: runtime.entropy() };
    loop {
        let mut out = Gathered::default();
        turn(runtime.now().monotonic, input, &mut out);
        for output in out.0 {
            match output {
                ClientOutput::Request { to, session, sequence, bytes } => {
                    let link = links[usize::from(to.0)].get_or_insert_with(|| {
                        opened += 1;
                        let requests = mailbox();
                        let tongue = match dialect {
                            Dialect::Native => Tongue::Native,
                            Dialect::Resp => Tongue::Resp(None, nodes),
                        };
                        let carries =
                            carry(runtime.clone(), to, opened, tongue, requests.clone(), news.clone());
                        Link { task: runtime.spawn(carries), requests, number: opened }
                    });
                    post(&link.requests, Asked { session, sequence, bytes });
                }
                ClientOutput::Close { to } => {
                    if let Some(link) = links[usize::from(to.0)].take() {
                        link.task.cancel();
                    }
                }
                ClientOutput::Timer { id, at } => match timers.iter_mut().find(|(name, _)| *name == id) {
                    Some((_, alarm)) => alarm.set(at),
                    None => {
                        let mut alarm = runtime.alarm();
                        alarm.set(at);
                        timers.push((id, alarm));
                    }
                },
            }
        }
        input = loop {
            let due = poll_fn(|cx| {
                let due =
                    timers.iter_mut().find_map(|(id, alarm)| alarm.poll_due(cx).is_ready().then_some(*id));
                due.map_or(Poll::Pending, Poll::Ready)
            });
            match race(&runtime, next(&news), due).await {
                Either::First(News::Answer(node, bytes)) => {
                    break ClientInput::Response { connection: ConnectionId(0), node, bytes };
                }
                Either::First(News::Gone(node, number)) => {
                    let link = &mut links[usize::from(node.0)];
                    if link.as_ref().is_some_and(|link| link.number == number) {
                        *link = None;
                        break ClientInput::Closed { connection: ConnectionId(0), node };
                    }
                }
                Either::Second(id) => break ClientInput::Timer { id },
            }
        };
    }
}

/// What is said on a stream, and how what comes is understood.
enum Tongue {
    Native,
    /// Of so many nodes; nothing was said before the first request.
    Resp(Option<Dialogue>, u8),
}

impl Tongue {
    fn address(&self, node: NodeId) -> String {
        match self {
            Tongue::Native => address(node),
            Tongue::Resp(..) => resp_address(node),
        }
    }

    /// Appends a request; or answers it.
    fn put<R: Runtime>(&mut self, runtime: &R, asked: &Asked, out: &mut Vec<u8>) -> Option<Buffer> {
        let Asked { session, sequence, bytes } = asked;
        match self {
            Tongue::Native => {
                put_request(out, *session, *sequence, bytes);
                None
            }
            Tongue::Resp(dialogue, nodes) => {
                let dialogue =
                    dialogue.get_or_insert_with(|| Dialogue::new(*nodes, runtime.choose(2) == 1, out));
                if runtime.choose(4) == 0 {
                    dialogue.echo(out);
                }
                let answer = dialogue.put(*session, *sequence, bytes, out);
                if runtime.choose(4) == 0 {
                    dialogue.echo(out);
                }
                answer
            }
        }
    }

    /// The next answer; an error if nothing behind it can be understood.
    fn take(&mut self, came: &mut Vec<u8>) -> Result<Option<Buffer>, Senseless> {
        match self {
            Tongue::Native => take_answer(came),
            Tongue::Resp(dialogue, _) => Ok(dialogue.as_mut().and_then(|dialogue| dialogue.take(came))),
        }
    }
}

/// Opens a stream to `to` and carries requests and answers, until it breaks or ends.
async fn carry<R: Runtime>(
    runtime: R,
    to: NodeId,
    number: u64,
    mut tongue: Tongue,
    requests: Shared<Asked>,
    news: Shared<News>,
) {
    if let Ok(mut stream) = runtime.connect(&tongue.address(to)).await {
        let (mut came, mut out) = (Vec::new(), Vec::new());
        loop {
            let read = poll_fn(|cx| stream.poll_read(cx, &mut came, 4 << 10));
            match race(&runtime, next(&requests), read).await {
                Either::First(asked) => {
                    if let Some(answer) = tongue.put(&runtime, &asked, &mut out) {
                        post(&news, News::Answer(to, answer));
                    }
                    stream.write(&mut out);
                }
                Either::Second(Ok(1..)) => {}
                Either::Second(Ok(0) | Err(_)) => break,
            }
            let senseless = loop {
                match tongue.take(&mut came) {
                    Ok(Some(answer)) => post(&news, News::Answer(to, answer)),
                    Ok(None) => break false,
                    Err(_) => break true,
                }
            };
            if senseless {
                break;
            }
        }
    }
    post(&news, News::Gone(to, number));
}
