//! Devices: what was written is there, what was said to be durable stays, and each name is one device for one user.

use super::host::LEAST_CAPACITY;
use super::kit::pattern;
use super::{Case, Site, Verdict, case, claim, machine};
use crate::buffer::Buffer;
use crate::id::{Incarnation, OperationId};
use crate::input::Input;
use crate::runtime::{Device, Error, Runtime};
use crate::storage::{Chain, Completion, Durability, Range, Step};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::future::poll_fn;

pub(super) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case!(
            a_fresh_device_reads_as_zeros_from_end_to_end,
            "what was never written is zeros, in the last block too",
            [machine!(a_fresh_device_reads_as_zeros_from_end_to_end)]
        ),
        case!(
            what_was_written_is_read,
            "a completed write is read back, visible or durable, small or large",
            [machine!(what_was_written_is_read)]
        ),
        case!(
            a_later_write_takes_the_place_of_an_earlier_one,
            "of two writes to one place, one after the other, the second is read",
            [machine!(a_later_write_takes_the_place_of_an_earlier_one)]
        ),
        case!(
            a_chain_does_all_its_steps_and_completes_once,
            "writes, barriers, `Persist` and `Drain` in one chain, and an empty one",
            [machine!(a_chain_does_all_its_steps_and_completes_once)]
        ),
        case!(
            a_write_behind_a_barrier_may_overlap_one_before_it,
            "the steps behind a barrier begin when those before it are done",
            [machine!(a_write_behind_a_barrier_may_overlap_one_before_it)]
        ),
        case!(
            a_full_queue_completes_each_operation_once_and_under_its_name,
            "as many operations as the queue holds, all at once, of any name",
            [machine!(a_full_queue_completes_each_operation_once_and_under_its_name)]
        ),
        case!(
            completions_come_in_batches_no_larger_than_asked_for,
            "`poll_completed` appends, at most so many, and the rest waits",
            [machine!(completions_come_in_batches_no_larger_than_asked_for)]
        ),
        case!(
            what_was_done_is_there_in_the_next_life,
            "after the process has died, durable writes are there, and so are completed visible ones",
            [machine!(
                what_was_done_is_there_in_the_next_life_first,
                what_was_done_is_there_in_the_next_life
            )]
        ),
        case!(
            what_is_read_after_a_drain_stays,
            "behind `Drain` and `Persist` a range is read twice, and in the next life, the same",
            [machine!(
                what_is_read_after_a_drain_stays_first,
                what_is_read_after_a_drain_stays_second,
                what_is_read_after_a_drain_stays
            )]
        ),
        case!(
            two_names_are_two_devices,
            "what is written to one is not on the other",
            [machine!(two_names_are_two_devices)]
        ),
        case!(
            a_device_has_one_user,
            "a second opening is refused until the first is dropped",
            [machine!(a_device_has_one_user)]
        ),
        case!(
            a_device_that_does_not_exist_is_not_found,
            "an unknown name is an error, and creates nothing",
            [machine!(a_device_that_does_not_exist_is_not_found)]
        ),
        case!(
            dropping_a_device_with_operations_in_flight_harms_nobody,
            "the next user sees none of their completions, and reads whole blocks, old or new",
            [machine!(dropping_a_device_with_operations_in_flight_harms_nobody)]
        ),
    ]
}

async fn open<R: Runtime>(runtime: &R, site: &Site, number: usize) -> Result<R::Device, String> {
    let name = &site.devices[number];
    runtime.device(name).await.map_err(|error| alloc::format!("opening {name}: {error}"))
}

fn op(number: u32) -> OperationId {
    OperationId { incarnation: Incarnation(1), number }
}

/// The next completion.
async fn completed(device: &mut impl Device) -> (OperationId, Completion) {
    let mut inputs = Vec::new();
    loop {
        poll_fn(|cx| device.poll_completed(cx, &mut inputs, 1)).await;
        if let Some(Input::Completed { op, result }) = inputs.pop() {
            return (op, result);
        }
    }
}

/// Submits one chain and waits until it is done.
async fn submit(device: &mut impl Device, chain: Chain, durability: Durability) -> Verdict {
    device.submit(op(7), chain, durability);
    match completed(device).await {
        (name, Completion::Done) if name == op(7) => Ok(()),
        other => Err(alloc::format!("a submission ended with {other:?}")),
    }
}

async fn write(device: &mut impl Device, at: u64, bytes: Vec<u8>, durability: Durability) -> Verdict {
    submit(device, vec![Step::Write { at, buffer: Buffer::from(bytes) }], durability).await
}

async fn read(device: &mut impl Device, at: u64, length: u64) -> Result<Buffer, String> {
    device.read(op(8), Range { at, length });
    match completed(device).await {
        (name, Completion::Data(bytes)) if name == op(8) && bytes.len() as u64 == length => Ok(bytes),
        other => Err(alloc::format!("a read of {length} bytes at {at} ended with {other:?}")),
    }
}

/// The smallest range that can be read and written, in bytes, and at least a disk's sector.
fn block(device: &impl Device) -> u64 {
    u64::from(device.geometry().alignment).max(512)
}

async fn a_fresh_device_reads_as_zeros_from_end_to_end<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut device = open(&runtime, &site, 0).await?;
    let (geometry, block) = (device.geometry(), block(&device));
    claim!(geometry.capacity >= LEAST_CAPACITY, "it holds {} bytes", geometry.capacity);
    claim!(geometry.alignment.is_power_of_two(), "its alignment is {}", geometry.alignment);
    claim!(geometry.atomic.is_power_of_two(), "its atomic unit is {}", geometry.atomic);
    claim!(device.queue_depth() > 0, "nothing may be in flight");
    let last = (geometry.capacity / block - 1) * block;
    for at in [0, block, last] {
        let bytes = read(&mut device, at, block).await?;
        claim!(bytes.iter().all(|byte| *byte == 0), "a fresh device holds something at {at}");
    }
    let bytes = pattern(1, block as usize);
    write(&mut device, last, bytes.clone(), Durability::Durable).await?;
    claim!(*read(&mut device, last, block).await? == bytes[..], "the last block holds something else");
    Ok(())
}

async fn what_was_written_is_read<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut device = open(&runtime, &site, 0).await?;
    let block = block(&device);
    for (round, durability) in [Durability::Visible, Durability::Durable].into_iter().enumerate() {
        for blocks in [1, 2, 7, 256, 1024] {
            let at = (round as u64 + 1) * block;
            let bytes = pattern(blocks + round as u64, (blocks * block) as usize);
            write(&mut device, at, bytes.clone(), durability).await?;
            claim!(
                *read(&mut device, at, blocks * block).await? == bytes[..],
                "{blocks} blocks at {at} were written ({durability:?}) and others are read"
            );
            let middle = blocks / 2 * block;
            let part = read(&mut device, at + middle, block).await?;
            claim!(
                *part == bytes[middle as usize..][..block as usize],
                "a part of what was written is other"
            );
        }
    }
    Ok(())
}

async fn a_later_write_takes_the_place_of_an_earlier_one<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut device = open(&runtime, &site, 0).await?;
    let block = block(&device);
    for round in 0..50 {
        let durability = if round % 3 == 0 { Durability::Durable } else { Durability::Visible };
        let bytes = pattern(round, block as usize);
        write(&mut device, 4 * block, bytes.clone(), durability).await?;
        claim!(*read(&mut device, 4 * block, block).await? == bytes[..], "round {round} is not what is read");
    }
    Ok(())
}

async fn a_chain_does_all_its_steps_and_completes_once<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut device = open(&runtime, &site, 0).await?;
    let block = block(&device);
    submit(&mut device, vec![], Durability::Durable).await?;
    submit(&mut device, vec![], Durability::Visible).await?;
    submit(&mut device, vec![Step::Drain, Step::Barrier], Durability::Visible).await?;
    let mut chain = vec![Step::Drain, Step::Persist(Range { at: 0, length: 16 * block })];
    for number in 0..8 {
        let buffer = Buffer::from(pattern(number, block as usize));
        chain.push(Step::Write { at: 2 * number * block, buffer });
        if number % 3 == 2 {
            chain.push(Step::Barrier);
        }
    }
    submit(&mut device, chain, Durability::Durable).await?;
    for number in 0..8 {
        let bytes = read(&mut device, 2 * number * block, block).await?;
        claim!(*bytes == pattern(number, block as usize)[..], "write {number} of the chain is not there");
        let between = read(&mut device, (2 * number + 1) * block, block).await?;
        claim!(between.iter().all(|byte| *byte == 0), "the chain wrote where it was not told to");
    }
    Ok(())
}

async fn a_write_behind_a_barrier_may_overlap_one_before_it<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut device = open(&runtime, &site, 0).await?;
    let block = block(&device);
    for round in 0..20 {
        let (first, second) = (pattern(round, 4 * block as usize), pattern(!round, block as usize));
        let chain = vec![
            Step::Write { at: 0, buffer: Buffer::from(first.clone()) },
            Step::Barrier,
            Step::Write { at: block, buffer: Buffer::from(second.clone()) },
        ];
        submit(&mut device, chain, Durability::Visible).await?;
        let bytes = read(&mut device, 0, 3 * block).await?;
        let block = block as usize;
        let parts = (&bytes[..block], &bytes[block..2 * block], &bytes[2 * block..]);
        claim!(
            parts == (&first[..block], &second[..], &first[2 * block..3 * block]),
            "round {round}: the write behind the barrier did not come last"
        );
    }
    Ok(())
}

async fn a_full_queue_completes_each_operation_once_and_under_its_name<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    let mut device = open(&runtime, &site, 0).await?;
    let (block, depth) = (block(&device), device.queue_depth().min(256));
    // Names that a user may well choose: large ones, of several lives.
    let name = |number: u32| OperationId {
        incarnation: Incarnation(number % 3 * 1000),
        number: number.wrapping_mul(0x9e37_79b9),
    };
    for round in 0..4u64 {
        for number in 0..depth {
            let at = u64::from(number) * block;
            if round % 2 == 0 {
                let buffer = Buffer::from(pattern(u64::from(number) + round, block as usize));
                let durability = if number % 5 == 0 { Durability::Durable } else { Durability::Visible };
                device.submit(name(number), vec![Step::Write { at, buffer }], durability);
            } else {
                device.read(name(number), Range { at, length: block });
            }
        }
        let mut seen = vec![false; depth as usize];
        for _ in 0..depth {
            let (op, result) = completed(&mut device).await;
            let Some(number) = (0..depth).find(|number| name(*number) == op) else {
                return Err(alloc::format!("{op:?} completed, and nobody named an operation so"));
            };
            claim!(!core::mem::replace(&mut seen[number as usize], true), "{op:?} completed twice");
            let expected = pattern(u64::from(number) + round - round % 2, block as usize);
            let right = match &result {
                Completion::Done => round % 2 == 0,
                Completion::Data(bytes) => round % 2 == 1 && **bytes == expected[..],
                _ => false,
            };
            claim!(right, "operation {number} of round {round} ended with {result:?}");
        }
    }
    Ok(())
}

async fn completions_come_in_batches_no_larger_than_asked_for<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut device = open(&runtime, &site, 0).await?;
    let block = block(&device);
    let count = device.queue_depth().min(20);
    (0..count).for_each(|number| device.read(op(number), Range { at: 0, length: block }));
    let mut inputs = Vec::new();
    while inputs.len() < count as usize {
        let before = inputs.len();
        poll_fn(|cx| device.poll_completed(cx, &mut inputs, 3)).await;
        claim!((1..=3).contains(&(inputs.len() - before)), "{} came at once", inputs.len() - before);
    }
    let mut names: Vec<u32> = inputs
        .iter()
        .filter_map(|input| match input {
            Input::Completed { op, .. } => Some(op.number),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    claim!(names.iter().copied().eq(0..count), "{names:?} completed");
    Ok(())
}

async fn what_was_done_is_there_in_the_next_life_first<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut device = open(&runtime, &site, 1).await?;
    let block = block(&device);
    for number in 0..16 {
        let durability = if number % 2 == 0 { Durability::Durable } else { Durability::Visible };
        write(&mut device, number * block, pattern(number, block as usize), durability).await?;
    }
    Ok(())
}

async fn what_was_done_is_there_in_the_next_life<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut device = open(&runtime, &site, 1).await?;
    let block = block(&device);
    for number in 0..16 {
        let bytes = read(&mut device, number * block, block).await?;
        claim!(*bytes == pattern(number, block as usize)[..], "write {number} of the former life is gone");
    }
    let bytes = read(&mut device, 16 * block, block).await?;
    claim!(bytes.iter().all(|byte| *byte == 0), "something is there that nobody wrote");
    Ok(())
}

/// How many blocks a life leaves in flight when it ends.
const LEFT_BEHIND: u64 = 16;

async fn what_is_read_after_a_drain_stays_first<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut device = open(&runtime, &site, 0).await?;
    let block = block(&device);
    for number in 0..LEFT_BEHIND.min(device.queue_depth().into()) {
        let buffer = Buffer::from(pattern(number, block as usize));
        device.submit(
            op(number as u32),
            vec![Step::Write { at: number * block, buffer }],
            Durability::Visible,
        );
    }
    // This life ends with all of it in flight.
    Ok(())
}

/// What is there of the blocks left behind: of each, nothing or all.
async fn left_behind(device: &mut impl Device) -> Result<Vec<bool>, String> {
    let block = block(device);
    let mut there = Vec::new();
    // All of it in one read, so that a write that is still under way has little time to land before.
    let all = read(device, 0, LEFT_BEHIND * block).await?;
    for (number, bytes) in (0..).zip(all.chunks_exact(block as usize)) {
        let whole = *bytes == pattern(number, block as usize)[..];
        let nothing = bytes.iter().all(|byte| *byte == 0);
        if !whole && !nothing && block == 512 {
            return Err(alloc::format!("block {number} is neither what was written nor blank"));
        }
        there.push(whole);
    }
    Ok(there)
}

async fn what_is_read_after_a_drain_stays_second<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut device = open(&runtime, &site, 0).await?;
    let all = Range { at: 0, length: LEFT_BEHIND * block(&device) };
    submit(&mut device, vec![Step::Drain, Step::Persist(all)], Durability::Durable).await?;
    let first = left_behind(&mut device).await?;
    super::kit::pause(&runtime, 20).await;
    let second = left_behind(&mut device).await?;
    claim!(first == second, "a write of the former life landed behind the drain");
    // What was found is told to the next life through the device.
    let found: Vec<u8> =
        (0..block(&device)).map(|byte| first.get(byte as usize).map_or(0, |b| 1 + u8::from(*b))).collect();
    let block = block(&device);
    write(&mut device, LEFT_BEHIND * block, found, Durability::Durable).await
}

async fn what_is_read_after_a_drain_stays<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut device = open(&runtime, &site, 0).await?;
    let block = block(&device);
    let found = read(&mut device, LEFT_BEHIND * block, block).await?;
    let there = left_behind(&mut device).await?;
    let same = there.iter().zip(found.iter()).all(|(there, found)| 1 + u8::from(*there) == *found);
    claim!(same, "what was read behind the drain and persisted is other in the next life");
    Ok(())
}

async fn two_names_are_two_devices<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut first = open(&runtime, &site, 0).await?;
    let mut second = open(&runtime, &site, 1).await?;
    let block = block(&first).max(block(&second));
    let (one, two) = (pattern(1, block as usize), pattern(2, block as usize));
    // Both at once, under the same names.
    for (device, bytes) in [(&mut first, &one), (&mut second, &two)] {
        let chain = vec![Step::Write { at: 0, buffer: Buffer::from(bytes.clone()) }];
        device.submit(op(7), chain, Durability::Durable);
    }
    for device in [&mut first, &mut second] {
        claim!(completed(device).await == (op(7), Completion::Done), "a write to one of two devices failed");
    }
    claim!(*read(&mut first, 0, block).await? == one[..], "the first device holds something else");
    claim!(*read(&mut second, 0, block).await? == two[..], "the second device holds something else");
    Ok(())
}

async fn a_device_has_one_user<R: Runtime>(runtime: R, site: Site) -> Verdict {
    for _ in 0..3 {
        let mut first = open(&runtime, &site, 0).await?;
        match runtime.device(&site.devices[0]).await {
            Err(Error::InUse(_)) => {}
            Err(error) => return Err(alloc::format!("it should be in use, and: {error}")),
            Ok(_) => return Err("one device has two users".into()),
        }
        // The refusal took nothing from the first.
        let block = block(&first);
        read(&mut first, 0, block).await?;
    }
    Ok(())
}

async fn a_device_that_does_not_exist_is_not_found<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let name = alloc::format!("{}-no-such-device", site.devices[0]);
    for _ in 0..2 {
        match runtime.device(&name).await {
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(alloc::format!("it should not be found, and: {error}")),
            Ok(_) => return Err("a device was opened that does not exist".into()),
        }
    }
    Ok(())
}

async fn dropping_a_device_with_operations_in_flight_harms_nobody<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    for round in 0..10u64 {
        let mut device = open(&runtime, &site, 0).await?;
        let block = block(&device);
        for number in 0..4 {
            let buffer = Buffer::from(pattern(round, block as usize));
            let at = (round * 4 + number) * block;
            device.submit(op(number as u32), vec![Step::Write { at, buffer }], Durability::Visible);
        }
        drop(device);
        let mut device = open(&runtime, &site, 0).await?;
        for number in 0..4 {
            // Under the name of an operation that was in flight.
            let range = Range { at: (round * 4 + number) * block, length: block };
            device.read(op(number as u32), range);
            let (name, result) = completed(&mut device).await;
            let Completion::Data(bytes) = result else {
                return Err(alloc::format!("a read ended with {result:?}: somebody else's completion"));
            };
            claim!(name == op(number as u32), "{name:?} completed");
            let whole = *bytes == pattern(round, block as usize)[..];
            claim!(whole || bytes.iter().all(|byte| *byte == 0), "a block is neither old nor new");
        }
    }
    Ok(())
}
