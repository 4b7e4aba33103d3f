//! Byte streams: order, pieces of any size, the end of one half, back-pressure, streams that break.

use super::kit::{pattern, pause, reach, read_exact, read_to_end, until, write, yield_now};
use super::{Case, Site, Verdict, case, claim, client, machine};
use crate::runtime::race::{Either, race};
use crate::runtime::{Error, Listener, Runtime, Stream, accept};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::future::poll_fn;

pub(super) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case!(
            bytes_come_back_as_they_went,
            "a few bytes there and back, many times",
            [machine!(serve_echo_once), client!(bytes_come_back_as_they_went)]
        ),
        case!(
            much_goes_both_ways_at_once_in_pieces_of_any_size,
            "megabytes in both directions at the same time, written and read in odd pieces, arrive whole and in order",
            [
                machine!(much_goes_both_ways_at_once_in_pieces_of_any_size_server),
                client!(much_goes_both_ways_at_once_in_pieces_of_any_size)
            ]
        ),
        case!(
            a_read_brings_at_least_one_byte_and_at_most_what_was_asked_for,
            "`poll_read` appends behind what is there, and never more than `most`",
            [
                machine!(serve_echo_once),
                client!(a_read_brings_at_least_one_byte_and_at_most_what_was_asked_for)
            ]
        ),
        case!(
            a_half_that_is_closed_leaves_the_other_one_open,
            "who has closed its half still reads, and its peer still writes",
            [
                machine!(a_half_that_is_closed_leaves_the_other_one_open_server),
                client!(a_half_that_is_closed_leaves_the_other_one_open)
            ]
        ),
        case!(
            everything_written_before_close_arrives_before_the_end,
            "`close` stands behind everything written, flushed or not",
            [
                machine!(everything_written_before_close_arrives_before_the_end_server),
                client!(everything_written_before_close_arrives_before_the_end)
            ]
        ),
        case!(
            the_end_stays_the_end,
            "a stream that has ended says so each time it is asked",
            [machine!(the_end_stays_the_end_server), client!(the_end_stays_the_end)]
        ),
        case!(
            a_writer_waits_for_a_reader_who_does_not_read,
            "`poll_flush` stays pending while nobody reads, and everything arrives once somebody does",
            [
                machine!(a_writer_waits_for_a_reader_who_does_not_read_server),
                client!(a_writer_waits_for_a_reader_who_does_not_read)
            ]
        ),
        case!(
            writing_takes_everything_and_flushing_leaves_nothing,
            "`write` empties the vector, an empty one is nothing, and after a flush the backlog is zero",
            [machine!(serve_echo_once), client!(writing_takes_everything_and_flushing_leaves_nothing)]
        ),
        case!(
            streams_do_not_mix,
            "thirty streams at once each carry their own bytes",
            [machine!(streams_do_not_mix_server), client!(streams_do_not_mix)]
        ),
        case!(
            where_nobody_listens_a_stream_is_refused,
            "connecting to an address where nobody listens fails",
            [machine!(stay_for_a_while), client!(where_nobody_listens_a_stream_is_refused)]
        ),
        case!(
            an_address_has_one_listener_at_a_time,
            "a second listener is refused while the first is there, and is not once it is gone",
            [machine!(an_address_has_one_listener_at_a_time)]
        ),
        case!(
            a_listener_that_is_gone_refuses,
            "after the listener was dropped nobody can connect; open streams go on",
            [machine!(a_listener_that_is_gone_refuses_server), client!(a_listener_that_is_gone_refuses)]
        ),
        case!(
            a_stream_that_is_dropped_ends_or_breaks_for_the_other_end,
            "a peer that drops its stream leaves no reader waiting, and no writer",
            [
                machine!(a_stream_that_is_dropped_ends_or_breaks_for_the_other_end_server),
                client!(a_stream_that_is_dropped_ends_or_breaks_for_the_other_end)
            ]
        ),
        case!(
            a_process_that_dies_breaks_its_streams,
            "a life that ends leaves no reader waiting, and the next life can be reached",
            [
                machine!(a_process_that_dies_breaks_its_streams_first, serve_echo_once),
                client!(a_process_that_dies_breaks_its_streams)
            ]
        ),
        case!(
            a_machine_reaches_itself,
            "a stream from a machine to its own listener",
            [machine!(a_machine_reaches_itself)]
        ),
        case!(
            giving_up_on_a_stream_leaves_nothing_behind,
            "a connect, an accept and a read that lose a race are begun anew",
            [
                machine!(giving_up_on_a_stream_leaves_nothing_behind_server),
                client!(giving_up_on_a_stream_leaves_nothing_behind)
            ]
        ),
    ]
}

const SERVER: usize = 0;

async fn listen<R: Runtime>(runtime: &R, site: &Site) -> Result<R::Listener, alloc::string::String> {
    let address = &site.services[usize::from(site.me.0)];
    runtime.listen(address).await.map_err(|error| alloc::format!("listening at {address}: {error}"))
}

async fn accepted<L: Listener>(listener: &mut L) -> Result<L::Stream, alloc::string::String> {
    accept(listener).await.map_err(|error| alloc::format!("accepting: {error}"))
}

/// Sends back whatever comes, stream by stream, until one that had brought anything ends.
async fn serve_echo_once<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut listener = listen(&runtime, &site).await?;
    let (mut any, mut bytes) = (false, Vec::new());
    while !any {
        let mut stream = accepted(&mut listener).await?;
        while poll_fn(|cx| stream.poll_read(cx, &mut bytes, 1 << 16)).await.is_ok_and(|count| count > 0) {
            any = true;
            stream.write(&mut bytes);
            bytes.clear();
        }
        stream.close();
    }
    Ok(())
}

async fn stay_for_a_while<R: Runtime>(runtime: R, _: Site) -> Verdict {
    pause(&runtime, 50).await;
    Ok(())
}

async fn bytes_come_back_as_they_went<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut stream = reach(&runtime, &site.services[SERVER]).await?;
    for round in 0..100 {
        let bytes = pattern(round, 1 + round as usize);
        write(&mut stream, &bytes).await?;
        claim!(read_exact(&mut stream, bytes.len()).await? == bytes, "round {round} came back changed");
    }
    stream.close();
    claim!(read_to_end(&mut stream, 64).await?.is_empty(), "more came back than was sent");
    Ok(())
}

/// How much goes each way at once, in bytes.
const MUCH: usize = 3 << 20;

/// Writes and reads at the same time: `out` in odd pieces, and what comes in until the other end closes.
async fn exchange<R: Runtime>(
    runtime: &R,
    stream: &mut R::Stream,
    out: &[u8],
) -> Result<Vec<u8>, alloc::string::String> {
    let (mut came, mut written, mut ended) = (Vec::new(), 0, false);
    while !ended || written < out.len() || stream.backlog() > 0 {
        if stream.backlog() == 0 && written < out.len() {
            let piece = (1 + runtime.choose(5) * 7919).min(out.len() - written);
            stream.write(&mut out[written..written + piece].to_vec());
            written += piece;
            if written == out.len() {
                stream.close();
            }
        }
        let most = 1 + came.len() % 40_009;
        let progress = poll_fn(|cx| {
            let read = if ended { core::task::Poll::Pending } else { stream.poll_read(cx, &mut came, most) };
            match read {
                core::task::Poll::Ready(read) => core::task::Poll::Ready(read.map(Some)),
                core::task::Poll::Pending => stream.poll_flush(cx).map(|flushed| flushed.map(|()| None)),
            }
        });
        match progress.await.map_err(|error| alloc::format!("after {} bytes: {error}", written))? {
            Some(0) => ended = true,
            Some(_) => {}
            // Everything is on its way: only reading is left to wait for.
            None if written == out.len() && !ended => {
                let count = poll_fn(|cx| stream.poll_read(cx, &mut came, most)).await;
                ended = count.map_err(|error| alloc::format!("reading: {error}"))? == 0;
            }
            None => {}
        }
    }
    Ok(came)
}

async fn much_goes_both_ways_at_once_in_pieces_of_any_size_server<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    let mut listener = listen(&runtime, &site).await?;
    let mut stream = accepted(&mut listener).await?;
    let came = exchange(&runtime, &mut stream, &pattern(1, MUCH)).await?;
    claim!(came == pattern(2, MUCH), "{} bytes came, and not those that were sent", came.len());
    Ok(())
}

async fn much_goes_both_ways_at_once_in_pieces_of_any_size<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut stream = reach(&runtime, &site.services[SERVER]).await?;
    let came = exchange(&runtime, &mut stream, &pattern(2, MUCH)).await?;
    claim!(came == pattern(1, MUCH), "{} bytes came, and not those that were sent", came.len());
    Ok(())
}

async fn a_read_brings_at_least_one_byte_and_at_most_what_was_asked_for<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    let mut stream = reach(&runtime, &site.services[SERVER]).await?;
    let sent = pattern(3, 10_000);
    write(&mut stream, &sent).await?;
    let mut all = b"before".to_vec();
    while all.len() < sent.len() + 6 {
        let (before, most) = (all.len(), 1 + all.len() % 9);
        let count = poll_fn(|cx| stream.poll_read(cx, &mut all, most)).await;
        let count = count.map_err(|error| alloc::format!("reading: {error}"))?;
        claim!(all.len() == before + count, "a read said {count} and appended {}", all.len() - before);
        claim!((1..=most).contains(&count), "a read of at most {most} bytes brought {count}");
    }
    claim!(all[..6] == *b"before" && all[6..] == sent, "the bytes are not those that were sent");
    Ok(())
}

async fn a_half_that_is_closed_leaves_the_other_one_open_server<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    let mut listener = listen(&runtime, &site).await?;
    let mut stream = accepted(&mut listener).await?;
    let asked = read_to_end(&mut stream, 1000).await?;
    claim!(asked == pattern(4, 5000), "the question came changed");
    pause(&runtime, 5).await;
    write(&mut stream, &pattern(5, 200_000)).await?;
    stream.close();
    Ok(())
}

async fn a_half_that_is_closed_leaves_the_other_one_open<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut stream = reach(&runtime, &site.services[SERVER]).await?;
    write(&mut stream, &pattern(4, 5000)).await?;
    stream.close();
    let answer = read_to_end(&mut stream, 999).await?;
    claim!(answer == pattern(5, 200_000), "{} bytes of the answer came", answer.len());
    Ok(())
}

async fn everything_written_before_close_arrives_before_the_end_server<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    let mut listener = listen(&runtime, &site).await?;
    let mut stream = accepted(&mut listener).await?;
    let came = read_to_end(&mut stream, 5003).await?;
    claim!(came == pattern(6, MUCH), "{} of {MUCH} bytes came before the end", came.len());
    write(&mut stream, b"whole").await
}

async fn everything_written_before_close_arrives_before_the_end<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    let mut stream = reach(&runtime, &site.services[SERVER]).await?;
    for piece in pattern(6, MUCH).chunks(70_001) {
        stream.write(&mut piece.to_vec());
    }
    stream.close();
    claim!(read_exact(&mut stream, 5).await? == b"whole", "no word that everything came");
    Ok(())
}

async fn the_end_stays_the_end_server<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut listener = listen(&runtime, &site).await?;
    let mut stream = accepted(&mut listener).await?;
    write(&mut stream, b"once").await?;
    stream.close();
    read_to_end(&mut stream, 8).await.map(drop)
}

async fn the_end_stays_the_end<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut stream = reach(&runtime, &site.services[SERVER]).await?;
    claim!(read_to_end(&mut stream, 8).await? == b"once", "the bytes before the end are others");
    for _ in 0..3 {
        claim!(read_to_end(&mut stream, 8).await?.is_empty(), "bytes came behind the end");
        pause(&runtime, 1).await;
    }
    stream.close();
    Ok(())
}

/// More than any kernel buffers for one stream.
const FLOOD: usize = 64 << 20;

async fn a_writer_waits_for_a_reader_who_does_not_read_server<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut listener = listen(&runtime, &site).await?;
    let mut stream = accepted(&mut listener).await?;
    // The other end says on a stream of its own that it has seen its writer wait.
    let mut word = accepted(&mut listener).await?;
    read_exact(&mut word, 1).await?;
    let piece = pattern(7, 1 << 20);
    let (mut bytes, mut all) = (Vec::new(), 0);
    while all < FLOOD {
        bytes.clear();
        while bytes.len() < piece.len() {
            let most = piece.len() - bytes.len();
            let count = poll_fn(|cx| stream.poll_read(cx, &mut bytes, most)).await;
            let count = count.map_err(|error| alloc::format!("after {all} bytes: {error}"))?;
            claim!(count > 0, "the stream ended after {} of {FLOOD} bytes", all + bytes.len());
        }
        claim!(bytes == piece, "bytes behind offset {all} are not those that were sent");
        all += bytes.len();
    }
    Ok(())
}

async fn a_writer_waits_for_a_reader_who_does_not_read<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut stream = reach(&runtime, &site.services[SERVER]).await?;
    let mut word = reach(&runtime, &site.services[SERVER]).await?;
    let piece = pattern(7, 1 << 20);
    (0..FLOOD / piece.len()).for_each(|_| stream.write(&mut piece.clone()));
    let flushed = race(&runtime, poll_fn(|cx| stream.poll_flush(cx)), pause(&runtime, 200)).await;
    claim!(
        flushed == Either::Second(()),
        "{FLOOD} bytes were flushed ({flushed:?}) though nobody reads: somebody holds them all"
    );
    claim!(stream.backlog() > 0, "the flush waits, and the backlog is empty");
    write(&mut word, b"!").await?;
    poll_fn(|cx| stream.poll_flush(cx)).await.map_err(|error| alloc::format!("flushing: {error}"))?;
    claim!(stream.backlog() == 0, "flushed, and a backlog of {}", stream.backlog());
    stream.close();
    read_to_end(&mut stream, 8).await.map(drop)
}

async fn writing_takes_everything_and_flushing_leaves_nothing<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut stream = reach(&runtime, &site.services[SERVER]).await?;
    let mut bytes = Vec::new();
    stream.write(&mut bytes);
    poll_fn(|cx| stream.poll_flush(cx)).await.map_err(|error| alloc::format!("flushing nothing: {error}"))?;
    bytes.extend_from_slice(b"taken");
    stream.write(&mut bytes);
    claim!(bytes.is_empty(), "`write` left {} bytes in the vector", bytes.len());
    poll_fn(|cx| stream.poll_flush(cx)).await.map_err(|error| alloc::format!("flushing: {error}"))?;
    claim!(stream.backlog() == 0, "flushed, and a backlog of {}", stream.backlog());
    claim!(read_exact(&mut stream, 5).await? == b"taken", "something else came back");
    Ok(())
}

const STREAMS: u64 = 30;

async fn streams_do_not_mix_server<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut listener = listen(&runtime, &site).await?;
    let ended = Rc::new(Cell::new(0));
    for _ in 0..STREAMS {
        let mut stream = accepted(&mut listener).await?;
        let ended = ended.clone();
        runtime.spawn(async move {
            let mut bytes = Vec::new();
            while poll_fn(|cx| stream.poll_read(cx, &mut bytes, 700)).await.is_ok_and(|count| count > 0) {
                stream.write(&mut bytes);
                yield_now().await;
            }
            stream.close();
            ended.set(ended.get() + 1);
        });
    }
    until(&runtime, || ended.get() == STREAMS).await;
    Ok(())
}

async fn streams_do_not_mix<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let (right, ended) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    for number in 0..STREAMS {
        let mut stream = reach(&runtime, &site.services[SERVER]).await?;
        let (right, ended) = (right.clone(), ended.clone());
        runtime.spawn(async move {
            let sent = pattern(100 + number, 20_000);
            stream.write(&mut sent.clone());
            stream.close();
            let came = read_to_end(&mut stream, 4096).await;
            right.set(right.get() + u64::from(came.is_ok_and(|came| came == sent)));
            ended.set(ended.get() + 1);
        });
    }
    until(&runtime, || ended.get() == STREAMS).await;
    claim!(right.get() == STREAMS, "{} of {STREAMS} streams brought back their own bytes", right.get());
    Ok(())
}

async fn where_nobody_listens_a_stream_is_refused<R: Runtime>(runtime: R, site: Site) -> Verdict {
    match runtime.connect(&site.services[SERVER]).await {
        Ok(_) => Err("a stream was opened to an address where nobody listens".into()),
        Err(Error::Refused(_) | Error::Unreachable(_)) => Ok(()),
        Err(error) => Err(alloc::format!("it should be refused, and: {error}")),
    }
}

async fn an_address_has_one_listener_at_a_time<R: Runtime>(runtime: R, site: Site) -> Verdict {
    for _ in 0..3 {
        let first = listen(&runtime, &site).await?;
        claim!(!first.address().is_empty(), "a listener does not know its address");
        match runtime.listen(&site.services[SERVER]).await {
            Err(Error::InUse(_)) => {}
            Err(error) => return Err(alloc::format!("it should be in use, and: {error}")),
            Ok(_) => return Err("two listeners share an address".into()),
        }
    }
    Ok(())
}

async fn a_listener_that_is_gone_refuses_server<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut listener = listen(&runtime, &site).await?;
    let mut stream = accepted(&mut listener).await?;
    drop(listener);
    write(&mut stream, b"gone").await?;
    let came = read_to_end(&mut stream, 8).await?;
    claim!(came == b"refused", "the stream that was open did not go on");
    Ok(())
}

async fn a_listener_that_is_gone_refuses<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut stream = reach(&runtime, &site.services[SERVER]).await?;
    claim!(read_exact(&mut stream, 4).await? == b"gone", "no word that the listener is gone");
    claim!(
        runtime.connect(&site.services[SERVER]).await.is_err(),
        "nobody listens, and yet a stream was opened"
    );
    write(&mut stream, b"refused").await?;
    stream.close();
    read_to_end(&mut stream, 8).await.map(drop)
}

async fn a_stream_that_is_dropped_ends_or_breaks_for_the_other_end_server<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    let mut listener = listen(&runtime, &site).await?;
    // One that is dropped with bytes on their way to it, one that is dropped idle.
    for expected in [1, 0] {
        let mut stream = accepted(&mut listener).await?;
        read_exact(&mut stream, expected).await?;
        drop(stream);
    }
    // Until the other end has seen both.
    let mut word = accepted(&mut listener).await?;
    read_to_end(&mut word, 8).await.map(drop)
}

async fn a_stream_that_is_dropped_ends_or_breaks_for_the_other_end<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    let mut busy = reach(&runtime, &site.services[SERVER]).await?;
    busy.write(&mut vec![1; 1 << 20]);
    let mut bytes = Vec::new();
    // The end, or that the stream is broken: either way nobody waits for ever.
    let _ = poll_fn(|cx| busy.poll_flush(cx)).await;
    let _ = poll_fn(|cx| busy.poll_read(cx, &mut bytes, 8)).await;
    claim!(bytes.is_empty(), "bytes came that nobody sent");
    let mut idle = reach(&runtime, &site.services[SERVER]).await?;
    let _ = poll_fn(|cx| idle.poll_read(cx, &mut bytes, 8)).await;
    claim!(bytes.is_empty(), "bytes came that nobody sent");
    let mut word = reach(&runtime, &site.services[SERVER]).await?;
    word.close();
    read_to_end(&mut word, 8).await.map(drop)
}

async fn a_process_that_dies_breaks_its_streams_first<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut listener = listen(&runtime, &site).await?;
    let mut stream = accepted(&mut listener).await?;
    write(&mut stream, b"alive").await?;
    // Until the other end has read it: it says so.
    read_exact(&mut stream, 1).await.map(drop)
}

async fn a_process_that_dies_breaks_its_streams<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut stream = reach(&runtime, &site.services[SERVER]).await?;
    claim!(read_exact(&mut stream, 5).await? == b"alive", "the first life says something else");
    write(&mut stream, b"!").await?;
    let mut bytes = Vec::new();
    let ended = poll_fn(|cx| stream.poll_read(cx, &mut bytes, 8)).await;
    claim!(!ended.is_ok_and(|count| count > 0), "bytes came from a life that is over");
    let mut again = reach(&runtime, &site.services[SERVER]).await?;
    write(&mut again, b"next life").await?;
    claim!(read_exact(&mut again, 9).await? == b"next life", "the next life says something else");
    Ok(())
}

async fn a_machine_reaches_itself<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut listener = listen(&runtime, &site).await?;
    runtime.spawn(async move {
        if let Ok(mut stream) = accept(&mut listener).await {
            let mut bytes = Vec::new();
            while poll_fn(|cx| stream.poll_read(cx, &mut bytes, 999)).await.is_ok_and(|count| count > 0) {
                stream.write(&mut bytes);
            }
            stream.close();
        }
    });
    let mut stream = reach(&runtime, &site.services[SERVER]).await?;
    let sent = pattern(8, 100_000);
    stream.write(&mut sent.clone());
    stream.close();
    claim!(read_to_end(&mut stream, 5000).await? == sent, "something else came back");
    Ok(())
}

async fn giving_up_on_a_stream_leaves_nothing_behind_server<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut listener = listen(&runtime, &site).await?;
    loop {
        // An accept that is given up, then begun anew: no stream is lost with it.
        let next = race(&runtime, accepted(&mut listener), pause(&runtime, 1)).await;
        let Either::First(stream) = next else { continue };
        let mut stream = stream?;
        if read_exact(&mut stream, 7).await.is_ok_and(|bytes| bytes == b"at last") {
            return write(&mut stream, b"yes").await;
        }
    }
}

async fn giving_up_on_a_stream_leaves_nothing_behind<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let address = &site.services[SERVER];
    for millis in 0..8 {
        // Opened or not by then: dropped it is.
        let _ = race(&runtime, runtime.connect(address), pause(&runtime, millis / 2)).await;
    }
    let mut stream = reach(&runtime, address).await?;
    let mut bytes = Vec::new();
    let read = race(&runtime, poll_fn(|cx| stream.poll_read(cx, &mut bytes, 8)), pause(&runtime, 3)).await;
    claim!(matches!(read, Either::Second(())), "a read brought {read:?}, and nothing was sent");
    write(&mut stream, b"at last").await?;
    claim!(read_exact(&mut stream, 3).await? == b"yes", "the server says something else");
    Ok(())
}
