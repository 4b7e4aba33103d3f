//! From storage chains to a block device: which writes run at once, where a sync stands, what a short write leads to.
//!
//! The twin of [`nvm`](crate::nvm) for disks. Safe code, no allocation, no system call: a host asks a [`Lowering`] what
//! to do next, does it by whatever means it has, and says how it ended.
//!
//! | step | becomes |
//! |---|---|
//! | [`Step::Write`] | a write, at the same time as its neighbours up to the next step of another kind |
//! | [`Step::Barrier`], [`Step::Persist`], the end of a [`Durability::Durable`] chain | a sync of everything written before, once all of it has been; one for several that follow each other |
//! | [`Step::Drain`] | nothing: a host opens a device only when nobody else has it, and with nothing in flight |
//!
//! A write that stands alone before a sync is marked ([`Action::Write::then_sync`]): a host that can hands both to the
//! device in one go. A write that was cut short is continued at the last whole unit. After a failure nothing new begins;
//! what is under way is waited for, and no sync is tried.

use crate::storage::{Completion, Durability, Failure, Step};

/// What the device is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write the bytes `from..` of the buffer of step `step`, that many bytes behind the step's own offset.
    Write {
        /// Which step of the chain.
        step: usize,
        /// How many of its bytes were written already.
        from: usize,
        /// A sync follows, for this write alone: answer with [`Lowering::written_and_synced`] if both were done.
        then_sync: bool,
    },
    /// Make durable whatever was written so far.
    Sync,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// So many bytes were written, perhaps fewer than were asked for.
    Bytes(usize),
    /// Nothing happened, and it may be tried again (interrupted, cancelled, no resources for the moment).
    Nothing,
    /// It failed.
    Failed(Failure),
}

/// So many answers without progress in one submission are an error of the device.
const PATIENCE: u32 = 100;

/// Where a submission stands. The chain, and everything else that is handed in, must be the same in every call.
#[derive(Clone, Debug)]
pub struct Lowering {
    durability: Durability,
    alignment: u32,
    /// The next step that was not begun.
    step: usize,
    under_way: usize,
    syncing: bool,
    /// Everything that was written is synced.
    clean: bool,
    ended: bool,
    failed: Option<Failure>,
    idle: u32,
}

impl Lowering {
    /// A submission of which nothing has begun. `alignment` is the device's, in bytes.
    pub fn new(durability: Durability, alignment: u32) -> Self {
        Lowering {
            durability,
            alignment,
            step: 0,
            under_way: 0,
            syncing: false,
            clean: false,
            ended: false,
            failed: None,
            idle: 0,
        }
    }

    /// What to begin now; `None` when everything is done, or must wait for what is under way.
    pub fn next(&mut self, chain: &[Step]) -> Option<Action> {
        loop {
            if self.failed.is_some() || self.syncing || self.ended {
                return None;
            }
            match chain.get(self.step) {
                Some(Step::Write { buffer, .. }) => {
                    let step = self.step;
                    self.step += 1;
                    if !buffer.is_empty() {
                        self.clean = false;
                        let then_sync = self.under_way == 0 && self.synced_next(chain);
                        self.under_way += 1;
                        return Some(Action::Write { step, from: 0, then_sync });
                    }
                }
                _ if self.under_way > 0 => return None,
                Some(Step::Drain) => self.step += 1,
                Some(Step::Barrier | Step::Persist(_)) => {
                    self.step += 1;
                    if !self.clean {
                        return Some(self.sync());
                    }
                }
                None if self.durability == Durability::Durable && !self.clean => return Some(self.sync()),
                None => self.ended = true,
            }
        }
    }

    fn sync(&mut self) -> Action {
        self.syncing = true;
        Action::Sync
    }

    /// Whether the next thing behind what has begun is a sync.
    fn synced_next(&self, chain: &[Step]) -> bool {
        match chain.get(self.step) {
            Some(Step::Barrier | Step::Persist(_)) => true,
            Some(_) => false,
            None => self.durability == Durability::Durable,
        }
    }

    /// The write `(step, from)` ended. Returns what is left of it to begin.
    ///
    /// # Panics
    /// If no write is under way, or more was written than was asked for.
    pub fn written(&mut self, chain: &[Step], step: usize, from: usize, wrote: Wrote) -> Option<Action> {
        self.under_way = self.under_way.checked_sub(1).expect("a write ended that had not begun");
        let length = match &chain[step] {
            Step::Write { buffer, .. } => buffer.len(),
            other => panic!("{other:?} is no write"),
        };
        let progress = match wrote {
            Wrote::Failed(why) => {
                self.failed.get_or_insert(why);
                return None;
            }
            Wrote::Nothing => 0,
            Wrote::Bytes(count) => count,
        };
        assert!(from + progress <= length, "a device wrote more than it was given");
        if from + progress == length {
            return None;
        }
        // Continue at a whole unit: direct writes begin nowhere else.
        let next = (from + progress) / self.alignment as usize * self.alignment as usize;
        if next == from {
            self.idle += 1;
        }
        if self.idle > PATIENCE {
            self.failed.get_or_insert(Failure::Device);
        }
        if self.failed.is_some() {
            return None;
        }
        let then_sync = self.under_way == 0 && self.synced_next(chain);
        self.under_way += 1;
        Some(Action::Write { step, from: next, then_sync })
    }

    /// A write marked with `then_sync` was written whole, and the sync behind it has ended.
    ///
    /// # Panics
    /// If there is no such write.
    pub fn written_and_synced(&mut self, result: Result<(), Failure>) {
        assert_eq!(self.under_way, 1, "a write that is synced with its sync stands alone");
        self.under_way = 0;
        // Its barrier is found behind it by `next`, and nothing is left to do there.
        self.synced(result);
    }

    /// The sync ended; whatever went wrong with it is [`Failure::Device`].
    pub fn synced(&mut self, result: Result<(), Failure>) {
        self.syncing = false;
        match result {
            Ok(()) => self.clean = true,
            Err(_) => {
                self.failed.get_or_insert(Failure::Device);
            }
        }
    }

    /// How the submission ended, once [`next`](Self::next) has nothing to begin and nothing is under way.
    pub fn completion(&self) -> Option<Completion> {
        match self.failed {
            _ if self.under_way > 0 || self.syncing => None,
            Some(why) => Some(Completion::Failed(why)),
            None => self.ended.then_some(Completion::Done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Buffer;
    use crate::storage::Range;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn write(at: u64, units: usize) -> Step {
        Step::Write { at, buffer: Buffer::from(vec![1; units * 512]) }
    }

    fn durable() -> Lowering {
        Lowering::new(Durability::Durable, 512)
    }

    fn begin(step: usize, from: usize, then_sync: bool) -> Option<Action> {
        Some(Action::Write { step, from, then_sync })
    }

    #[test]
    fn a_durable_append_is_one_write_with_its_sync() {
        let chain = [write(0, 2)];
        let mut lowering = durable();
        assert_eq!(lowering.next(&chain), begin(0, 0, true));
        assert_eq!((lowering.next(&chain), lowering.completion()), (None, None));
        lowering.written_and_synced(Ok(()));
        assert_eq!((lowering.next(&chain), lowering.completion()), (None, Some(Completion::Done)));
    }

    #[test]
    fn writes_between_barriers_run_together_and_a_barrier_waits_for_all_of_them() {
        let chain = [write(0, 1), write(512, 1), Step::Barrier, write(1024, 1)];
        let mut lowering = durable();
        assert_eq!(lowering.next(&chain), begin(0, 0, false));
        assert_eq!(lowering.next(&chain), begin(1, 0, false));
        assert_eq!(lowering.next(&chain), None);
        assert_eq!(lowering.written(&chain, 1, 0, Wrote::Bytes(512)), None);
        assert_eq!(lowering.next(&chain), None, "one is still under way");
        assert_eq!(lowering.written(&chain, 0, 0, Wrote::Bytes(512)), None);
        assert_eq!(lowering.next(&chain), Some(Action::Sync));
        assert_eq!(lowering.next(&chain), None, "nothing overtakes a barrier");
        lowering.synced(Ok(()));
        assert_eq!(lowering.next(&chain), begin(3, 0, true));
        lowering.written_and_synced(Ok(()));
        assert_eq!((lowering.next(&chain), lowering.completion()), (None, Some(Completion::Done)));
    }

    #[test]
    fn a_short_write_is_continued_at_a_whole_unit_and_its_sync_with_it() {
        let chain = [write(0, 4)];
        let mut lowering = durable();
        assert_eq!(lowering.next(&chain), begin(0, 0, true));
        assert_eq!(lowering.written(&chain, 0, 0, Wrote::Bytes(1100)), begin(0, 1024, true));
        assert_eq!(lowering.written(&chain, 0, 1024, Wrote::Nothing), begin(0, 1024, true));
        assert_eq!(lowering.completion(), None);
        lowering.written_and_synced(Ok(()));
        assert_eq!((lowering.next(&chain), lowering.completion()), (None, Some(Completion::Done)));
    }

    #[test]
    fn a_device_that_makes_no_progress_is_given_up() {
        let chain = [write(0, 1)];
        let mut lowering = durable();
        let mut action = lowering.next(&chain);
        let mut tries = 0;
        while action.is_some() {
            tries += 1;
            action = lowering.written(&chain, 0, 0, Wrote::Bytes(100));
        }
        assert_eq!(tries, PATIENCE + 1);
        assert_eq!(lowering.completion(), Some(Completion::Failed(Failure::Device)));
    }

    #[test]
    fn after_a_failed_write_no_sync_is_tried_and_what_is_under_way_is_waited_for() {
        let chain = [write(0, 1), write(512, 2), Step::Barrier, write(2048, 1)];
        let mut lowering = durable();
        while lowering.next(&chain).is_some() {}
        assert_eq!(lowering.written(&chain, 0, 0, Wrote::Failed(Failure::NoSpace)), None);
        assert_eq!((lowering.next(&chain), lowering.completion()), (None, None));
        assert_eq!(lowering.written(&chain, 1, 0, Wrote::Bytes(512)), None, "not even the rest of it");
        assert_eq!(lowering.next(&chain), None);
        assert_eq!(lowering.completion(), Some(Completion::Failed(Failure::NoSpace)));
    }

    #[test]
    fn a_failed_sync_is_a_failed_device_whatever_it_said() {
        let chain = [Step::Barrier, write(0, 1)];
        let mut lowering = durable();
        assert_eq!(lowering.next(&chain), Some(Action::Sync));
        lowering.synced(Err(Failure::NoSpace));
        assert_eq!(lowering.next(&chain), None);
        assert_eq!(lowering.completion(), Some(Completion::Failed(Failure::Device)));
    }

    #[test]
    fn recovery_costs_one_sync_and_a_plain_sync_is_one() {
        let range = Range { at: 0, length: 4096 };
        for chain in [&[Step::Drain, Step::Persist(range), Step::Barrier][..], &[]] {
            let mut lowering = durable();
            assert_eq!(lowering.next(chain), Some(Action::Sync));
            lowering.synced(Ok(()));
            assert_eq!((lowering.next(chain), lowering.completion()), (None, Some(Completion::Done)));
        }
        let mut visible = Lowering::new(Durability::Visible, 512);
        assert_eq!((visible.next(&[]), visible.completion()), (None, Some(Completion::Done)));
    }

    #[derive(Clone, Debug)]
    enum Piece {
        Write(usize),
        Barrier,
        Persist,
        Drain,
    }

    fn pieces() -> impl Strategy<Value = Vec<Piece>> {
        let piece = prop_oneof![
            4 => (0usize..4).prop_map(Piece::Write),
            1 => Just(Piece::Barrier),
            1 => Just(Piece::Persist),
            1 => Just(Piece::Drain),
        ];
        prop::collection::vec(piece, 0..10)
    }

    proptest! {
        /// A device that answers in any order and cuts writes anywhere: at every sync each earlier write is whole, no
        /// later one has begun, and in the end every byte was written and, if asked for, synced behind it.
        #[test]
        fn every_order_of_answers_keeps_the_chain(
            pieces in pieces(),
            durable in any::<bool>(),
            linked in any::<bool>(),
            choices in prop::collection::vec(any::<u16>(), 64),
        ) {
            let mut at = 0;
            let mut chain = Vec::new();
            for piece in &pieces {
                chain.push(match piece {
                    Piece::Write(units) => {
                        at += *units as u64 * 512;
                        write(at - *units as u64 * 512, *units)
                    }
                    Piece::Barrier => Step::Barrier,
                    Piece::Persist => Step::Persist(Range { at: 0, length: 512 }),
                    Piece::Drain => Step::Drain,
                });
            }
            let durability = if durable { Durability::Durable } else { Durability::Visible };
            let mut lowering = Lowering::new(durability, 512);
            let mut choices = choices.into_iter().cycle();
            let (mut under_way, mut done, mut synced) = (Vec::new(), vec![0; chain.len()], vec![false; chain.len()]);
            loop {
                while let Some(action) = lowering.next(&chain) {
                    under_way.push(action);
                }
                if under_way.is_empty() {
                    break;
                }
                let choice = usize::from(choices.next().unwrap_or(0));
                match under_way.swap_remove(choice % under_way.len()) {
                    Action::Sync => {
                        prop_assert!(under_way.is_empty(), "a sync runs alone");
                        synced.iter_mut().zip(&done).for_each(|(synced, done)| *synced |= *done > 0);
                        lowering.synced(Ok(()));
                    }
                    Action::Write { step, from, then_sync } => {
                        let Step::Write { buffer, .. } = &chain[step] else { panic!("no write") };
                        prop_assert!(from <= done[step] && from % 512 == 0);
                        let left = buffer.len() - from;
                        let count = if choice % 3 == 0 { choice % (left + 1) } else { left };
                        done[step] = from + count;
                        if count == left && then_sync && linked {
                            prop_assert!(under_way.is_empty());
                            synced.iter_mut().zip(&done).for_each(|(synced, done)| *synced |= *done > 0);
                            lowering.written_and_synced(Ok(()));
                        } else {
                            under_way.extend(lowering.written(&chain, step, from, Wrote::Bytes(count)));
                        }
                    }
                }
                // Whatever stands behind a barrier begins only when all before it is synced.
                for (index, _) in chain.iter().enumerate().filter(|(_, step)| **step == Step::Barrier) {
                    if done[index + 1..].iter().any(|done| *done > 0) {
                        prop_assert!((0..index).all(|step| synced[step] || done[step] == 0));
                    }
                }
            }
            prop_assert_eq!(lowering.completion(), Some(Completion::Done));
            for (step, done) in chain.iter().zip(&done) {
                if let Step::Write { buffer, .. } = step {
                    prop_assert_eq!(buffer.len(), *done);
                }
            }
            if durable {
                prop_assert!(synced.iter().zip(&done).all(|(synced, done)| *synced || *done == 0));
            }
        }
    }
}
