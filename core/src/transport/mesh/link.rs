//! Keeping a stream to one peer.

use super::Shared;
use super::state::Link;
use crate::id::NodeId;
use crate::runtime::{Runtime, Stream, read, remember};
use crate::time::{Duration, Instant};
use crate::transport::{Backoff, HELLO, Hello, Refused};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

/// Connects, sends what waits, and connects again, until it is cancelled.
pub(super) async fn keep<R: Runtime>(shared: Rc<Shared<R>>, node: NodeId) {
    let limits = shared.limits;
    let mut backoff = Backoff::new(limits.least_wait, limits.most_wait);
    loop {
        let mut lived = Duration::ZERO;
        if let Some(mut stream) = open(&shared, node).await {
            let since = shared.runtime.now().monotonic;
            pump(&shared, node, &mut stream).await;
            lived = shared.runtime.now().monotonic.since(since);
        }
        let wait = {
            let mut state = shared.state.borrow_mut();
            if let Some(peer) = state.peer_mut(node) {
                peer.link = Link::Resting;
                peer.outgoing.clear();
            }
            backoff.ended(lived, &mut state.random)
        };
        shared.runtime.sleep(shared.runtime.now().monotonic + wait).await;
        if let Some(peer) = shared.state.borrow_mut().peer_mut(node) {
            peer.link = Link::Wanted;
        }
    }
}

/// `future`'s result, if it comes before `deadline`.
pub(super) async fn before<R: Runtime, T>(
    shared: &Shared<R>,
    deadline: Instant,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    let mut late = pin!(shared.runtime.sleep(deadline));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => late.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// Reads the other end's hello; `None` if the stream ended first.
pub(super) async fn hear(stream: &mut impl Stream) -> Option<Result<Hello, Refused>> {
    let mut bytes = Vec::with_capacity(HELLO);
    while bytes.len() < HELLO {
        let missing = HELLO - bytes.len();
        if read(stream, &mut bytes, missing).await.ok()? == 0 {
            return None;
        }
    }
    Some(Hello::decode(&bytes))
}

/// A stream whose other end answered as this peer.
async fn open<R: Runtime>(shared: &Shared<R>, node: NodeId) -> Option<R::Stream> {
    let address = shared.state.borrow().peer(node)?.address.clone();
    let deadline = shared.runtime.now().monotonic + shared.limits.hello;
    let mut stream = before(shared, deadline, shared.runtime.connect(&address)).await?.ok()?;
    let mine = Hello::new(shared.cluster, shared.me, node, shared.limits.frame);
    let mut bytes = Vec::with_capacity(HELLO);
    mine.encode(&mut bytes);
    stream.write(&mut bytes);
    let theirs = before(shared, deadline, hear(&mut stream)).await??;
    let agreed = theirs.and_then(|theirs| mine.agree(&theirs).map(|_| theirs));
    let mut state = shared.state.borrow_mut();
    match agreed {
        Ok(theirs) => {
            state.counts.links += 1;
            state.peer_mut(node)?.frame_limit = theirs.frame_limit;
            Some(stream)
        }
        Err(why) => {
            state.refuse(why);
            None
        }
    }
}

/// Sends what waits until the stream ends.
async fn pump<R: Runtime>(shared: &Shared<R>, node: NodeId, stream: &mut R::Stream) {
    let mut unexpected = Vec::new();
    poll_fn(|cx| {
        {
            let mut state = shared.state.borrow_mut();
            let Some(peer) = state.peer_mut(node) else { return Poll::Ready(()) };
            remember(&mut peer.sender, cx);
            if !peer.outgoing.queue().is_empty() {
                stream.write(peer.outgoing.queue());
            }
        }
        let broken = matches!(stream.poll_flush(cx), Poll::Ready(Err(_)));
        shared.state.borrow_mut().settle(node, stream.backlog());
        // Behind its hello the other end has nothing to say: bytes, the end and an error are all the end.
        let over = stream.poll_read(cx, &mut unexpected, HELLO).is_ready();
        if broken || over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
