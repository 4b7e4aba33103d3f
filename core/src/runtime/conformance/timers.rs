//! Alarms: never early, set again, turned off. No case asks how late one may be.

use super::kit::{after, pause, until};
use super::{Case, Site, Verdict, case, claim, machine};
use crate::random::Random;
use crate::runtime::race::{Either, race};
use crate::runtime::{Alarm, Runtime};
use crate::time::Instant;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

pub(super) fn cases<R: Runtime>() -> Vec<Case<R>> {
    alloc::vec![
        case!(
            the_monotonic_clock_never_steps_back,
            "each reading is no earlier than the one before, and time goes on",
            [machine!(the_monotonic_clock_never_steps_back)]
        ),
        case!(
            an_alarm_is_never_early,
            "when an alarm is due, the clock reads its instant or a later one",
            [machine!(an_alarm_is_never_early)]
        ),
        case!(
            an_instant_that_has_passed_is_due_at_once,
            "an alarm set for the past, or for now, is ready at its first poll",
            [machine!(an_instant_that_has_passed_is_due_at_once)]
        ),
        case!(an_alarm_fires_once, "an alarm that was due is turned off", [machine!(an_alarm_fires_once)]),
        case!(
            an_alarm_that_is_set_later_waits_longer,
            "setting replaces: the former instant passes without a sign",
            [machine!(an_alarm_that_is_set_later_waits_longer)]
        ),
        case!(
            an_alarm_that_is_set_earlier_comes_earlier,
            "setting replaces: nobody waits for the former, later instant",
            [machine!(an_alarm_that_is_set_earlier_comes_earlier)]
        ),
        case!(
            an_alarm_that_is_turned_off_is_silent,
            "one that was turned off stays pending, and can be set again",
            [machine!(an_alarm_that_is_turned_off_is_silent)]
        ),
        case!(
            when_the_later_of_two_is_due_so_is_the_earlier,
            "alarms come in the order of their instants, or together",
            [machine!(when_the_later_of_two_is_due_so_is_the_earlier)]
        ),
        case!(
            many_alarms_all_come_and_none_early,
            "five hundred tasks that sleep, some of them cancelled, wake each at its time",
            [machine!(many_alarms_all_come_and_none_early)]
        ),
        case!(
            an_alarm_wakes_whoever_asked_last,
            "an alarm that moves to another task wakes that one",
            [machine!(an_alarm_wakes_whoever_asked_last)]
        ),
    ]
}

/// Whether the alarm is due, without waiting for it.
fn is_due(alarm: &mut impl Alarm) -> bool {
    alarm.poll_due(&mut Context::from_waker(Waker::noop())).is_ready()
}

async fn the_monotonic_clock_never_steps_back<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let first = runtime.now().monotonic;
    let mut last = first;
    for _ in 0..50 {
        pause(&runtime, 1).await;
        let now = runtime.now().monotonic;
        claim!(now >= last, "the clock read {now} after {last}");
        last = now;
    }
    claim!(last > first, "fifty sleeps of a millisecond, and the clock still reads {first}");
    Ok(())
}

async fn an_alarm_is_never_early<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let mut alarm = runtime.alarm();
    let mut random = Random::new(&runtime.entropy());
    for _ in 0..40 {
        let due = runtime.now().monotonic + crate::Duration::from_nanos(random.below(3_000_000));
        alarm.set(Some(due));
        poll_fn(|cx| alarm.poll_due(cx)).await;
        let now = runtime.now().monotonic;
        claim!(now >= due, "the alarm for {due} came when the clock read {now}");
    }
    Ok(())
}

async fn an_instant_that_has_passed_is_due_at_once<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let mut alarm = runtime.alarm();
    for at in [runtime.now().monotonic, Instant::ZERO] {
        alarm.set(Some(at));
        claim!(is_due(&mut alarm), "an alarm for {at} is not due at {}", runtime.now().monotonic);
    }
    runtime.sleep(Instant::ZERO).await;
    Ok(())
}

async fn an_alarm_fires_once<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let mut alarm = runtime.alarm();
    claim!(!is_due(&mut alarm), "an alarm that was never set is due");
    alarm.set(Some(after(&runtime, 1)));
    poll_fn(|cx| alarm.poll_due(cx)).await;
    claim!(!is_due(&mut alarm), "an alarm fired and is due again at once");
    let again = race(&runtime, poll_fn(|cx| alarm.poll_due(cx)), pause(&runtime, 5)).await;
    claim!(again == Either::Second(()), "an alarm fired twice");
    Ok(())
}

async fn an_alarm_that_is_set_later_waits_longer<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let mut alarm = runtime.alarm();
    alarm.set(Some(after(&runtime, 3)));
    // It is waited for before it is set again: the wake for the former instant may be on its way.
    let _ = race(&runtime, poll_fn(|cx| alarm.poll_due(cx)), pause(&runtime, 1)).await;
    let due = after(&runtime, 12);
    alarm.set(Some(due));
    poll_fn(|cx| alarm.poll_due(cx)).await;
    let now = runtime.now().monotonic;
    claim!(now >= due, "an alarm that was moved to {due} came when the clock read {now}");
    Ok(())
}

async fn an_alarm_that_is_set_earlier_comes_earlier<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let alarm = Rc::new(RefCell::new(runtime.alarm()));
    alarm.borrow_mut().set(Some(Instant::FAR_FUTURE));
    let (waits, came) = (alarm.clone(), Rc::new(Cell::new(false)));
    let flag = came.clone();
    runtime.spawn(async move {
        poll_fn(|cx| waits.borrow_mut().poll_due(cx)).await;
        flag.set(true);
    });
    pause(&runtime, 2).await;
    claim!(!came.get(), "an alarm for the far future came");
    // A task waits for it while somebody else moves it.
    alarm.borrow_mut().set(Some(after(&runtime, 2)));
    until(&runtime, || came.get()).await;
    Ok(())
}

async fn an_alarm_that_is_turned_off_is_silent<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let mut alarm = runtime.alarm();
    alarm.set(Some(after(&runtime, 3)));
    let _ = race(&runtime, poll_fn(|cx| alarm.poll_due(cx)), pause(&runtime, 1)).await;
    alarm.set(None);
    let came = race(&runtime, poll_fn(|cx| alarm.poll_due(cx)), pause(&runtime, 10)).await;
    claim!(came == Either::Second(()), "an alarm that was turned off came");
    alarm.set(Some(after(&runtime, 1)));
    poll_fn(|cx| alarm.poll_due(cx)).await;
    Ok(())
}

async fn when_the_later_of_two_is_due_so_is_the_earlier<R: Runtime>(runtime: R, _: Site) -> Verdict {
    for round in 0..10 {
        let (mut early, mut late) = (runtime.alarm(), runtime.alarm());
        late.set(Some(after(&runtime, 3 + round % 3)));
        early.set(Some(after(&runtime, 2)));
        poll_fn(|cx| late.poll_due(cx)).await;
        claim!(is_due(&mut early), "the later of two alarms came before the earlier one");
    }
    Ok(())
}

async fn many_alarms_all_come_and_none_early<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let mut random = Random::new(&runtime.entropy());
    let (came, early) = (Rc::new(Cell::new(0u32)), Rc::new(Cell::new(0u32)));
    let mut cancelled = Vec::new();
    for number in 0..500 {
        let due = runtime.now().monotonic + crate::Duration::from_nanos(random.below(20_000_000));
        let (came, early, inner) = (came.clone(), early.clone(), runtime.clone());
        let task = runtime.spawn(async move {
            inner.sleep(due).await;
            came.set(came.get() + u32::from(number % 10 != 0));
            early.set(early.get() + u32::from(inner.now().monotonic < due));
        });
        if number % 10 == 0 {
            cancelled.push(task);
        }
    }
    cancelled.into_iter().for_each(crate::runtime::Task::cancel);
    until(&runtime, || came.get() == 450).await;
    claim!(early.get() == 0, "{} of 500 sleeps ended early", early.get());
    Ok(())
}

async fn an_alarm_wakes_whoever_asked_last<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let mut alarm = runtime.alarm();
    alarm.set(Some(after(&runtime, 5)));
    // Asked once by this task, then handed on.
    poll_fn(|cx| {
        let _ = alarm.poll_due(cx);
        Poll::Ready(())
    })
    .await;
    let came = Rc::new(Cell::new(false));
    let flag = came.clone();
    runtime.spawn(async move {
        poll_fn(|cx| alarm.poll_due(cx)).await;
        flag.set(true);
    });
    until(&runtime, || came.get()).await;
    Ok(())
}
