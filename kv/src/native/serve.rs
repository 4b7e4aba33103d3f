//! One native client's stream, from a node's side.

use super::frame::{find_request, put_answer};
use super::guests::Guests;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::Poll;
use seedfast_core::GroupId;
use seedfast_core::buffer::Pool;
use seedfast_core::runtime::clients::Connection;
use seedfast_core::runtime::race::{Either, race};
use seedfast_core::runtime::{Runtime, Stream};

/// Above so many bytes that its client does not take, a connection asks for nothing more.
const BACKLOG: usize = 64 << 10;
/// Above so many it is cut off: what it asked for before it stopped to take anything has to be held.
const HELD: usize = 64 << 20;
/// A read brings at most so many bytes.
const READ: usize = 16 << 10;
/// How many spare buffers a connection keeps: its answers' for its requests.
const SPARE: usize = 256;

/// Carries requests of one stream to `group` and their answers back, until either end is done with it, or the node
/// [stops](Guests::stop): then it takes nothing more, and ends once everything that was taken is answered.
pub async fn serve<R: Runtime>(
    runtime: R,
    mut stream: impl Stream,
    connection: Connection,
    group: GroupId,
    guests: Guests,
) {
    let guest = guests.enter();
    let (mut came, mut answers, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let mut pool = Pool::new(SPARE);
    let (mut ended, mut owed) = (false, 0);
    loop {
        let stopping = guests.is_stopping();
        let mut taken = 0;
        // Not one more request than may be under way, nor for a client that does not take its answers.
        while !stopping && connection.has_room() && stream.backlog() < BACKLOG {
            match find_request(&came[taken..], &mut pool) {
                Ok(Some((request, length))) => {
                    (taken, owed) = (taken + length, owed + 1);
                    connection.request(group, request.session, request.sequence, request.bytes);
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
        came.drain(..taken);
        if stopping && owed == 0 {
            let _ = poll_fn(|cx| stream.poll_flush(cx)).await;
            return stream.close();
        }
        let reads = !stopping && connection.has_room() && stream.backlog() < BACKLOG;
        let answered = poll_fn(|cx| connection.poll_answers(cx, &mut answers));
        let moved = poll_fn(|cx| {
            guest.remember(cx);
            if guests.is_stopping() != stopping {
                return Poll::Ready(Ok(false));
            }
            if reads {
                return stream.poll_read(cx, &mut came, READ).map(|read| read.map(|count| count == 0));
            }
            if stream.backlog() > 0 {
                return stream.poll_flush(cx).map(|flushed| flushed.map(|()| false));
            }
            Poll::Pending
        });
        match race(&runtime, answered, moved).await {
            Either::First(()) => {
                owed -= answers.len();
                for answer in answers.drain(..) {
                    put_answer(&mut out, &answer);
                    pool.recycle(answer);
                }
                stream.write(&mut out);
                if stream.backlog() > HELD {
                    return;
                }
            }
            Either::Second(Ok(end)) => ended |= end,
            Either::Second(Err(_)) => return,
        }
        if ended {
            // The client asks for nothing more, and waits for nothing.
            return stream.close();
        }
    }
}
