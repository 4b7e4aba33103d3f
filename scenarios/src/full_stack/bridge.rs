//! A client's streams: what it asks of nodes goes out on one stream to each, and what comes back is told to it.

use super::server::address;
use seedfast_core::runtime::race::{Either, race};
use seedfast_core::runtime::{Alarm, Runtime, Stream, Task};
use seedfast_core::{Buffer, BufferMut, ConnectionId, Instant, NodeId};
use seedfast_kv::native::frame::{put_request, take_answer};
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

/// A stream to one node, or one that is being opened.
struct Link<R: Runtime> {
    task: R::Task,
    requests: Shared<Vec<u8>>,
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
                        let carries = carry(runtime.clone(), to, opened, requests.clone(), news.clone());
                        Link { task: runtime.spawn(carries), requests, number: opened }
                    });
                    let mut frame = Vec::new();
                    put_request(&mut frame, session, sequence, &bytes);
                    post(&link.requests, frame);
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

/// Opens a stream to `to` and carries requests and answers, until it breaks or ends.
async fn carry<R: Runtime>(
    runtime: R,
    to: NodeId,
    number: u64,
    requests: Shared<Vec<u8>>,
    news: Shared<News>,
) {
    if let Ok(mut stream) = runtime.connect(&address(to)).await {
        let mut came = Vec::new();
        loop {
            let read = poll_fn(|cx| stream.poll_read(cx, &mut came, 4 << 10));
            match race(&runtime, next(&requests), read).await {
                Either::First(mut request) => stream.write(&mut request),
                Either::Second(Ok(1..)) => {}
                Either::Second(Ok(0) | Err(_)) => break,
            }
            let senseless = loop {
                match take_answer(&mut came) {
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
