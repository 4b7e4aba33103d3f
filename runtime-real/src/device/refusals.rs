//! What a medium that fails is told as: no machine at hand has one, so a test answers in the kernel's place.
//!
//! The request is carried out as ever; only what its completion says is another. `examples/failing_device.rs` does the
//! same on a device that really fails.

use super::{Kind, RealDevice, create};
use crate::sys_ring::{Event, Request, Synced};
use crate::{Options, run};
use seedfast_core::buffer::Buffer;
use seedfast_core::id::{Incarnation, OperationId};
use seedfast_core::input::Input;
use seedfast_core::runtime::{Device, Runtime};
use seedfast_core::storage::{Completion, Durability, Failure, Range, Step};
use std::future::poll_fn;
use std::path::PathBuf;

/// Which request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// A write; the sync linked behind it is then not tried.
    Write,
    /// A write, of which only so many bytes are written, as a negated error says.
    Short,
    /// A sync, of its own or behind its write.
    Sync,
    Read,
}

/// Changes what the completion of a refused request says: the first refusal of its kind is used up.
pub(super) fn answer(refusals: &mut Vec<(Refused, i32)>, mut event: Event) -> Event {
    let meets = |(refused, _): &(Refused, i32)| match (refused, &event.request) {
        (Refused::Write | Refused::Short, Some(Request::Write { .. }))
        | (Refused::Read, Some(Request::Read { .. })) => true,
        (Refused::Sync, request) => event.synced || matches!(request, Some(Request::Sync { .. })),
        _ => false,
    };
    if let Some(index) = refusals.iter().position(meets) {
        let (refused, error) = refusals.remove(index);
        event.result = -error;
        event.synced &= refused == Refused::Sync;
    }
    event
}

const LENGTH: u64 = 4096;

fn op(number: u32) -> OperationId {
    OperationId { incarnation: Incarnation(1), number }
}

/// A device of which requests are refused, and how what is asked of it ends.
struct Failing(RealDevice);

impl Failing {
    fn refuse(&self, what: Refused, error: i32) {
        let Kind::File(device) = &self.0.0 else { panic!("a file, and not memory") };
        device.refuse(what, error);
    }

    /// How many refusals met no request yet.
    fn refusals(&self) -> usize {
        let Kind::File(device) = &self.0.0 else { panic!("a file, and not memory") };
        device.refusals()
    }

    async fn completion(&mut self) -> Completion {
        let mut inputs = Vec::new();
        poll_fn(|cx| self.0.poll_completed(cx, &mut inputs, 1)).await;
        match inputs.pop() {
            Some(Input::Completed { result, .. }) => result,
            other => panic!("no completion: {other:?}"),
        }
    }

    /// How each write so far was to be made durable.
    fn asked(&self) -> Vec<Synced> {
        let Kind::File(device) = &self.0.0 else { panic!("a file, and not memory") };
        device.asked()
    }

    /// A write that need not be durable.
    async fn write(&mut self) -> Completion {
        let step = Step::Write { at: 0, buffer: Buffer::from(vec![2; LENGTH as usize]) };
        self.0.submit(op(3), vec![step], Durability::Visible);
        self.completion().await
    }

    /// So many writes at once, made durable: one brings its sync with it, of several the sync is a request of its own.
    async fn append(&mut self, writes: u64) -> Completion {
        let write = |at| Step::Write { at, buffer: Buffer::from(vec![1; LENGTH as usize]) };
        let chain = (0..writes).map(|number| write(number * LENGTH)).collect();
        self.0.submit(op(1), chain, Durability::Durable);
        self.completion().await
    }

    async fn read(&mut self) -> Completion {
        self.0.read(op(2), Range { at: 0, length: LENGTH });
        self.completion().await
    }
}

/// A file that goes when the test ends.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Plays `story` on a new device, past the page cache and through it.
fn play(name: &str, options: &Options, story: impl AsyncFn(Failing) + Copy + 'static) {
    for direct in [true, false] {
        let path = format!("seedfast-{name}-{direct}-{}", std::process::id());
        let file = Temporary(std::env::temp_dir().join(path));
        create(&file.0, 1 << 20).expect("room for a device");
        let device = file.0.display().to_string();
        run(options.clone().direct(direct), move |runtime| async move {
            story(Failing(runtime.device(&device).await.expect("it was just made"))).await;
        })
        .expect("io_uring");
    }
}

#[test]
fn a_write_that_the_medium_refuses_is_told_and_leaves_the_device_usable() {
    play("refused-write", &Options::new().write_through(false), async |mut device| {
        for writes in [1, 2] {
            device.refuse(Refused::Write, libc::EIO);
            assert_eq!(device.append(writes).await, Completion::Failed(Failure::Media));
            device.refuse(Refused::Write, libc::ENOSPC);
            assert_eq!(device.append(writes).await, Completion::Failed(Failure::NoSpace));
            assert_eq!(device.append(writes).await, Completion::Done);
        }
    });
}

#[test]
fn a_sync_that_fails_is_the_end_of_the_device_and_no_later_one_pretends_otherwise() {
    for writes in [1, 2] {
        for error in [libc::EIO, libc::ENOSPC, libc::EDQUOT] {
            play("refused-sync", &Options::new().write_through(false), async move |mut device| {
                assert_eq!(device.append(writes).await, Completion::Done);
                device.refuse(Refused::Sync, error);
                assert_eq!(device.append(writes).await, Completion::Failed(Failure::Device));
                // The kernel would say that all is well again, for it tells of a lost page once: it is not even asked.
                device.refuse(Refused::Sync, error);
                for writes in [1, 2] {
                    assert_eq!(device.append(writes).await, Completion::Failed(Failure::Device));
                }
                assert_eq!(device.refusals(), 1);
            });
        }
    }
}

#[test]
fn a_write_that_is_durable_by_itself_and_fails_is_the_end_of_the_device() {
    play("refused-through", &Options::new().write_through(true), async |mut device| {
        device.refuse(Refused::Write, libc::EIO);
        for writes in [1, 1, 2] {
            assert_eq!(device.append(writes).await, Completion::Failed(Failure::Device));
        }
    });
}

#[test]
fn what_is_durable_by_itself_is_the_only_write_that_is_to_be() {
    for options in [Options::new().write_through(true), Options::new().write_quicker()] {
        play("alone", &options, async |mut device| {
            assert_eq!(device.append(1).await, Completion::Done);
            assert_eq!(device.asked(), [Synced::Through]);
            assert_eq!(device.write().await, Completion::Done);
            assert_eq!(device.append(1).await, Completion::Done);
            assert_eq!(device.asked()[1..], [Synced::No, Synced::Linked], "the one before, too");
            // A write that is cut short: what of it was written is not durable.
            device.refuse(Refused::Short, -512);
            assert_eq!(device.append(1).await, Completion::Done);
            assert_eq!(device.append(1).await, Completion::Done);
            assert_eq!(device.asked()[3..], [Synced::Through, Synced::Linked, Synced::Through]);
        });
    }
}

#[test]
fn where_both_ways_are_timed_both_are_gone() {
    play("timed", &Options::new().write_quicker(), async |mut device| {
        for _ in 0..50 {
            assert_eq!(device.append(1).await, Completion::Done);
        }
        let asked = device.asked();
        assert!(asked.contains(&Synced::Through) && asked.contains(&Synced::Linked), "{asked:?}");
    });
}

#[test]
fn what_was_interrupted_is_done_again_and_nobody_hears_of_it() {
    play("interrupted", &Options::new(), async |mut device| {
        for error in [libc::EINTR, libc::EAGAIN, libc::ECANCELED] {
            device.refuse(Refused::Write, error);
            assert_eq!(device.append(1).await, Completion::Done);
            device.refuse(Refused::Read, error);
            assert_eq!(device.read().await, Completion::Data(Buffer::from(vec![1; LENGTH as usize])));
        }
    });
}

#[test]
fn a_read_that_the_medium_refuses_is_told_and_the_next_one_may_do() {
    play("refused-read", &Options::new(), async |mut device| {
        for (error, failure) in [(libc::EIO, Failure::Media), (libc::EBADF, Failure::Device)] {
            device.refuse(Refused::Read, error);
            assert_eq!(device.read().await, Completion::Failed(failure));
            assert!(matches!(device.read().await, Completion::Data(_)));
        }
    });
}
