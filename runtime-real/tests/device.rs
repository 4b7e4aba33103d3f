//! Devices on files of this machine: what conformance does not ask, because only a real machine has it.

mod common;

use common::{Temporary, carry_out, completion, op, read};
use seedfast_core::buffer::Buffer;
use seedfast_core::outbox::Outbox;
use seedfast_core::runtime::{Device, Error, Runtime};
use seedfast_core::storage::{Completion, Durability, Media, Range, Step};
use seedfast_runtime_real::device::{Means, create};
use seedfast_runtime_real::{Options, run};
use std::process::Command;

const MIB: u64 = 1 << 20;

fn write(at: u64, byte: u8, length: usize) -> Step {
    Step::Write { at, buffer: Buffer::from(vec![byte; length]) }
}

#[test]
fn a_device_is_made_whole_and_never_over_another_one() {
    let file = Temporary::device("whole", MIB);
    let made = std::fs::metadata(&file.0).expect("it is there");
    let blocks = std::os::unix::fs::MetadataExt::blocks(&made);
    assert_eq!((made.len(), blocks * 512 >= MIB), (MIB, true), "every byte has its place");
    assert!(matches!(create(&file.0, MIB), Err(Error::InUse(_))));
    let nowhere = file.0.join("below a file");
    assert!(create(nowhere, MIB).is_err());
}

#[test]
fn long_writes_many_steps_and_long_reads_come_back_as_they_were() {
    for (name, prefix, options) in [
        ("long-direct", "", Options::new()),
        ("long-buffered", "", Options::new().direct(false).blocks(1)),
        ("long-through", "", Options::new().write_through(true)),
        ("long-mapped", "nvm:", Options::new()),
    ] {
        let file = Temporary::device(name, 8 * MIB);
        let device = format!("{prefix}{}", file.name());
        run(options, move |runtime| async move {
            let mut device = runtime.device(&device).await.expect("it was made");
            let mut out = Outbox::new(false);
            let chain = vec![
                Step::Drain,
                Step::Persist(Range { at: 0, length: 4096 }),
                write(0, 1, 3 * MIB as usize),
                write(3 * MIB, 2, 4096),
                Step::Barrier,
                write(4 * MIB, 3, 512 * 300),
                write(0, 4, 512),
            ];
            let result = carry_out(&mut device, &mut out, chain, Durability::Durable).await;
            assert_eq!(result, Completion::Done);
            let bytes = read(&mut device, 0, 8 * MIB).await;
            let at = |place: u64| bytes[place as usize];
            assert_eq!(bytes.len() as u64, 8 * MIB);
            assert_eq!((at(0), at(511), at(512), at(3 * MIB - 1)), (4, 4, 1, 1));
            assert_eq!((at(3 * MIB), at(3 * MIB + 4095), at(3 * MIB + 4096)), (2, 2, 0));
            assert_eq!((at(4 * MIB), at(4 * MIB + 512 * 300 - 1), at(8 * MIB - 1)), (3, 3, 0));
            assert!(read(&mut device, 4096, 0).await.is_empty());
        })
        .expect("io_uring");
    }
}

#[test]
fn many_submissions_at_once_all_complete_under_their_own_names() {
    let file = Temporary::device("many", 4 * MIB);
    let device = file.name();
    run(Options::new().entries(8).queue_depth(256), move |runtime| async move {
        let mut device = runtime.device(&device).await.expect("it was made");
        for number in 0..200 {
            let durability = if number % 3 == 0 { Durability::Durable } else { Durability::Visible };
            device.submit(op(number), vec![write(u64::from(number) * 4096, number as u8, 4096)], durability);
        }
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let (which, result) = completion(&mut device).await;
            assert_eq!(result, Completion::Done);
            assert!(seen.insert(which.number));
        }
        for number in 0..200 {
            let bytes = read(&mut device, number * 4096, 4096).await;
            assert!(bytes.iter().all(|byte| *byte == number as u8));
        }
    })
    .expect("io_uring");
}

#[test]
fn the_geometry_is_what_the_file_can_do_and_the_means_are_told() {
    let file = Temporary::device("shape", MIB + 100);
    let name = file.name();
    let (direct, buffered, mapped) = run(Options::new(), {
        let name = name.clone();
        move |runtime| async move {
            let direct = runtime.device(&name).await.expect("it was made");
            let first = (direct.geometry(), direct.means());
            drop(direct);
            let mapped = runtime.device(&format!("nvm:{name}")).await.expect("it is free again");
            (first, (), (mapped.geometry(), mapped.means()))
        }
    })
    .map(|(direct, (), mapped)| {
        let buffered = run(Options::new().direct(false), move |runtime| async move {
            let device = runtime.device(&name).await.expect("it is free again");
            (device.geometry(), device.means())
        });
        (direct, buffered.expect("io_uring"), mapped)
    })
    .expect("io_uring");
    assert_eq!(direct.0.media, Media::Disk);
    assert_eq!(
        direct.0.capacity,
        (MIB + 100) / u64::from(direct.0.alignment) * u64::from(direct.0.alignment)
    );
    assert!(direct.0.alignment.is_power_of_two() && direct.0.alignment >= 512);
    assert_eq!((buffered.1, buffered.0.alignment), (Means::Buffered, 512));
    assert_eq!((mapped.0.media, mapped.0.alignment, mapped.0.capacity), (Media::Nvm, 8, MIB + 64));
    assert!(matches!(mapped.1, Means::Pages | Means::Lines(_)));
}

#[test]
fn what_cannot_be_opened_is_refused_with_the_reason() {
    let (empty, locked) = (Temporary::path("empty"), Temporary::device("locked", MIB));
    std::fs::write(&empty.0, b"").expect("room");
    // Another process holds it: `flock` of util-linux, as an operator's script would.
    let mut holder = Command::new("flock")
        .args(["--exclusive", &locked.name(), "sleep", "60"])
        .spawn()
        .expect("util-linux is everywhere");
    let (empty, locked) = (empty.name(), locked.name());
    let held = run(Options::new(), move |runtime| async move {
        assert!(matches!(runtime.device(&empty).await, Err(Error::Invalid(why)) if why.contains("empty")));
        assert!(matches!(runtime.device("/nowhere/at/all").await, Err(Error::NotFound(_))));
        assert!(matches!(runtime.device("nvm:/nowhere/at/all").await, Err(Error::NotFound(_))));
        // The other process takes a moment to start.
        for _ in 0..500 {
            match runtime.device(&locked).await {
                Err(Error::InUse(which)) => return which == locked,
                Err(other) => panic!("{other}"),
                Ok(device) => drop(device),
            }
            common::pause(&runtime, 10).await;
        }
        false
    });
    holder.kill().expect("it is ours");
    holder.wait().expect("it is ours");
    assert_eq!(held, Ok(true), "a device that another process has is not opened");
}
