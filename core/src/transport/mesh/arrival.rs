//! Streams that peers opened.

use super::Shared;
use super::link::{before, hear};
use crate::id::NodeId;
use crate::runtime::{Runtime, Stream, Task, accept, read};
use crate::time::Duration;
use crate::transport::{Decoder, HELLO, Hello, Refused, Seal};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::poll_fn;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;
/// How long to wait when this machine cannot accept.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts streams for as long as the mesh lives.
pub(super) async fn accept_all<R: Runtime>(shared: Rc<Shared<R>>, mut listener: R::Listener) {
    loop {
        let Ok(stream) = accept(&mut listener).await else {
            shared.runtime.sleep(shared.runtime.now().monotonic + PAUSE).await;
            continue;
        };
        // Beyond the bound the stream is dropped: its opener will come again.
        let id = shared.state.borrow_mut().arrive();
        if let Some(id) = id {
            let task = shared.runtime.spawn(serve(shared.clone(), id, stream));
            if let Some(arrival) = shared.state.borrow_mut().arrival(id) {
                arrival.task = Some(task);
            }
        }
    }
}

async fn serve<R: Runtime>(shared: Rc<Shared<R>>, id: u64, mut stream: R::Stream) {
    let result = match greet(&shared, id, &mut stream).await {
        Some(Ok(from)) => take_in(&shared, from, &mut stream).await,
        Some(Err(why)) => Err(why),
        None => Ok(()),
    };
    let mut state = shared.state.borrow_mut();
    state.leave(id);
    if let Err(why) = result {
        state.refuse(why);
    }
}

/// Who opened the stream, if it says so in time.
async fn greet<R: Runtime>(
    shared: &Shared<R>,
    id: u64,
    stream: &mut R::Stream,
) -> Option<Result<NodeId, Refused>> {
    let deadline = shared.runtime.now().monotonic + shared.limits.hello;
    let theirs = match before(shared, deadline, hear(stream)).await?? {
        Ok(theirs) => theirs,
        Err(why) => return Some(Err(why)),
    };
    // The answer leaves in any case: it tells the other end, too, what is wrong.
    let from = theirs.from;
    let mine = Hello::new(shared.cluster, shared.me, from, shared.limits.frame);
    let mut bytes = Vec::with_capacity(HELLO);
    mine.encode(&mut bytes);
    stream.write(&mut bytes);
    if let Err(why) = mine.agree(&theirs) {
        let _ = before(shared, deadline, poll_fn(|cx| stream.poll_flush(cx))).await;
        return Some(Err(why));
    }
    let older = {
        let mut state = shared.state.borrow_mut();
        if state.peer(from).is_none() {
            return Some(Err(Refused::Stranger(from)));
        }
        state.recognise(id, from)
    };
    older.into_iter().for_each(Task::cancel);
    Some(Ok(from))
}

/// Reads frames until the stream ends.
async fn take_in<R: Runtime>(
    shared: &Shared<R>,
    from: NodeId,
    stream: &mut R::Stream,
) -> Result<(), Refused> {
    let mut decoder = Decoder::new(Seal::new(shared.cluster, from), shared.limits.frame);
    let mut bytes = Vec::new();
    loop {
        poll_fn(|cx| shared.state.borrow_mut().poll_room(cx, from)).await;
        match read(stream, &mut bytes, CHUNK).await {
            Ok(count) if count > 0 => {}
            _ => return Ok(()),
        }
        shared.state.borrow_mut().take_in(from, &mut decoder, &bytes)?;
        bytes.clear();
    }
}
