//! Tasks: when they run, when they end, and that no wake is lost.

use super::kit::{pause, until, yield_now};
use super::{Case, Site, Verdict, case, claim, machine};
use crate::runtime::race::{Either, race};
use crate::runtime::{Runtime, Task};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::{pending, poll_fn, ready};
use core::task::{Poll, Waker};

pub(super) fn cases<R: Runtime>() -> Vec<Case<R>> {
    alloc::vec![
        case!(
            a_task_runs_no_earlier_than_its_spawner_waits,
            "`spawn` runs nothing itself",
            [machine!(a_task_runs_no_earlier_than_its_spawner_waits)]
        ),
        case!(
            a_task_goes_on_without_its_handle,
            "dropping a task's handle does not end it",
            [machine!(a_task_goes_on_without_its_handle)]
        ),
        case!(
            a_handle_knows_whether_its_task_has_ended,
            "`is_finished` is false while a task waits and true once it ended",
            [machine!(a_handle_knows_whether_its_task_has_ended)]
        ),
        case!(
            a_cancelled_task_is_dropped_and_never_runs_again,
            "`cancel` drops what the task held, and it does nothing more",
            [machine!(a_cancelled_task_is_dropped_and_never_runs_again)]
        ),
        case!(
            a_task_that_is_cancelled_at_once_never_runs,
            "`cancel` before the spawner waits: the task never begins",
            [machine!(a_task_that_is_cancelled_at_once_never_runs)]
        ),
        case!(
            a_task_can_spawn_and_cancel_from_within,
            "tasks spawn tasks and cancel each other",
            [machine!(a_task_can_spawn_and_cancel_from_within)]
        ),
        case!(
            no_wake_is_lost,
            "a wake during a task's own poll, from another task, or before it waits, brings another poll",
            [machine!(no_wake_is_lost)]
        ),
        case!(
            many_tasks_all_end,
            "a thousand tasks that give way to each other all come to their end",
            [machine!(many_tasks_all_end)]
        ),
        case!(
            a_race_drops_the_one_that_lost_and_starves_nobody,
            "`race` ends with the first, drops the other, and of two that are ready either may win",
            [machine!(a_race_drops_the_one_that_lost_and_starves_nobody)]
        ),
        case!(
            entropy_is_never_the_same_twice,
            "`entropy` gives other bytes each time",
            [machine!(entropy_is_never_the_same_twice)]
        ),
    ]
}

/// Says when it is dropped.
struct Guard(Rc<Cell<bool>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

async fn a_task_runs_no_earlier_than_its_spawner_waits<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let ran = Rc::new(Cell::new(false));
    let flag = ran.clone();
    let _task = runtime.spawn(async move { flag.set(true) });
    claim!(!ran.get(), "the task ran inside `spawn`");
    until(&runtime, || ran.get()).await;
    Ok(())
}

async fn a_task_goes_on_without_its_handle<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let steps = Rc::new(Cell::new(0));
    let (count, inner) = (steps.clone(), runtime.clone());
    drop(runtime.spawn(async move {
        for _ in 0..5 {
            pause(&inner, 1).await;
            count.set(count.get() + 1);
        }
    }));
    until(&runtime, || steps.get() == 5).await;
    Ok(())
}

async fn a_handle_knows_whether_its_task_has_ended<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let go = Rc::new(Cell::new(false));
    let (gate, inner) = (go.clone(), runtime.clone());
    let task = runtime.spawn(async move { until(&inner, || gate.get()).await });
    pause(&runtime, 3).await;
    claim!(!task.is_finished(), "the task waits and yet has ended");
    go.set(true);
    until(&runtime, || task.is_finished()).await;
    Ok(())
}

async fn a_cancelled_task_is_dropped_and_never_runs_again<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let (steps, dropped) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let (count, guard, inner) = (steps.clone(), Guard(dropped.clone()), runtime.clone());
    let task = runtime.spawn(async move {
        let _guard = guard;
        loop {
            pause(&inner, 1).await;
            count.set(count.get() + 1);
        }
    });
    until(&runtime, || steps.get() >= 3).await;
    let so_far = steps.get();
    task.cancel();
    pause(&runtime, 10).await;
    claim!(steps.get() == so_far, "a cancelled task took {} more steps", steps.get() - so_far);
    claim!(dropped.get(), "a cancelled task still holds what it held");
    Ok(())
}

async fn a_task_that_is_cancelled_at_once_never_runs<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let (ran, dropped) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let (flag, guard) = (ran.clone(), Guard(dropped.clone()));
    let task = runtime.spawn(async move {
        let _guard = guard;
        flag.set(true);
        pending::<()>().await;
    });
    task.cancel();
    until(&runtime, || dropped.get()).await;
    pause(&runtime, 3).await;
    claim!(!ran.get(), "the task ran although it was cancelled before its spawner waited");
    Ok(())
}

async fn a_task_can_spawn_and_cancel_from_within<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let (dropped, done) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let (guard, flag, inner) = (Guard(dropped.clone()), done.clone(), runtime.clone());
    let victim = runtime.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    runtime.spawn(async move {
        yield_now().await;
        let again = flag.clone();
        victim.cancel();
        let _deeper = inner.spawn(async move { again.set(true) });
    });
    until(&runtime, || dropped.get() && done.get()).await;
    Ok(())
}

async fn no_wake_is_lost<R: Runtime>(runtime: R, _: Site) -> Verdict {
    for _ in 0..100 {
        yield_now().await;
    }
    // Two tasks that hand a ball to and fro and wake each other, each before the other waits or behind it.
    type Ball = Rc<RefCell<(u32, [Option<Waker>; 2])>>;
    let ball: Ball = Rc::default();
    for player in 0..2u32 {
        let ball = ball.clone();
        runtime.spawn(poll_fn(move |cx| {
            let (count, wakers) = &mut *ball.borrow_mut();
            while *count < 1000 && *count % 2 == player {
                *count += 1;
                if let Some(other) = wakers[1 - player as usize].take() {
                    other.wake();
                }
            }
            wakers[player as usize] = Some(cx.waker().clone());
            if *count >= 1000 { Poll::Ready(()) } else { Poll::Pending }
        }));
    }
    until(&runtime, || ball.borrow().0 >= 1000).await;
    Ok(())
}

async fn many_tasks_all_end<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let ended = Rc::new(Cell::new(0u32));
    for number in 0..1000 {
        let ended = ended.clone();
        runtime.spawn(async move {
            for _ in 0..number % 7 {
                yield_now().await;
            }
            ended.set(ended.get() + 1);
        });
    }
    until(&runtime, || ended.get() == 1000).await;
    Ok(())
}

async fn a_race_drops_the_one_that_lost_and_starves_nobody<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let dropped = Rc::new(Cell::new(false));
    let guard = Guard(dropped.clone());
    let never = async move {
        let _guard = guard;
        pending::<()>().await;
    };
    let won = race(&runtime, never, pause(&runtime, 2)).await;
    claim!(won == Either::Second(()), "the one that never ends won");
    claim!(dropped.get(), "the one that lost was not dropped");
    let mut wins = [0u32; 2];
    for _ in 0..256 {
        match race(&runtime, ready(()), ready(())).await {
            Either::First(()) => wins[0] += 1,
            Either::Second(()) => wins[1] += 1,
        }
    }
    claim!(!wins.contains(&0), "of two that were always ready one won {wins:?} of 256 races");
    Ok(())
}

async fn entropy_is_never_the_same_twice<R: Runtime>(runtime: R, _: Site) -> Verdict {
    let mut seen: Vec<_> = (0..64).map(|_| runtime.entropy()).collect();
    seen.sort_unstable();
    seen.dedup();
    claim!(seen.len() == 64, "64 draws of entropy gave {} values", seen.len());
    Ok(())
}
