//! Waiting for the first of two things, without a macro.

use super::Runtime;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

/// Which of two came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first one.
    First(A),
    /// The second one.
    Second(B),
}

/// Waits for whichever of two futures is ready first, and drops the other one, which may have come half its way: what
/// must not be lost with it is polled through a handle (`poll_fn` over something borrowed). Which one is asked first is
/// the runtime's choice, each time anew, so that neither starves and the simulated world explores both orders.
pub async fn race<R: Runtime, A: Future, B: Future>(
    runtime: &R,
    first: A,
    second: B,
) -> Either<A::Output, B::Output> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|cx| {
        let from_behind = runtime.choose(2) == 1;
        if from_behind && let Poll::Ready(output) = second.as_mut().poll(cx) {
            return Poll::Ready(Either::Second(output));
        }
        if let Poll::Ready(output) = first.as_mut().poll(cx) {
            return Poll::Ready(Either::First(output));
        }
        if from_behind {
            return Poll::Pending;
        }
        second.as_mut().poll(cx).map(Either::Second)
    })
    .await
}
