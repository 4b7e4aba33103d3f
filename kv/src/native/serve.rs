//! One native client's stream, from a node's side.

use super::frame::{find_request, put_answer};
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

/// Carries requests of one stream to `group` and their answers back, until either end is done with it.
pub async fn serve<R: Runtime>(runtime: R, mut stream: impl Stream, connection: Connection, group: GroupId) {
    let (mut came, mut answers, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let mut pool = Pool::new(SPARE);
    let mut ended = false;
    loop {
        let mut taken = 0;
        // Not one more request than may be under way, nor for a client that does not take its answers.
        while connection.has_room() && stream.backlog() < BACKLOG {
            match find_request(&came[taken..], &mut pool) {
                Ok(Some((request, length))) => {
                    taken += length;
                    connection.request(group, request.session, request.sequence, request.bytes);
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
        came.drain(..taken);
        let reads = !ended && connection.has_room() && stream.backlog() < BACKLOG;
        let answered = poll_fn(|cx| connection.poll_answers(cx, &mut answers));
        let moved = poll_fn(|cx| {
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
