//! Gathers what workers report, in any order, and merges it in the order of the seeds.

use crate::board::Board;
use crate::campaign::{Campaign, Progress, Signature, Stopped, Stuck, Sums};
use crate::rerun::Mismatch;
use crate::worker::{Ran, Report};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

/// How many mismatches of one scenario are kept.
const MISMATCHES: u64 = 10;
/// A span of so many seeds is one without an end.
const UNBOUNDED: u64 = 1 << 48;
/// How many seeds are merged before the board hears of it.
const SETTLE: u64 = 256;

/// What is known of a seed that is not merged yet.
#[derive(Default)]
struct Open {
    ran: Option<Box<Ran>>,
    rechecked: Option<Option<Mismatch>>,
}

impl Open {
    fn is_complete(&self) -> bool {
        self.ran.as_ref().is_some_and(|ran| !ran.is_rechecked || self.rechecked.is_some())
    }
}

/// Merges reports in the order of the seeds.
pub(crate) struct Collector<'a> {
    campaign: &'a Campaign,
    board: &'a Board,
    open: BTreeMap<u64, Open>,
    /// What is merged: all seeds below the index `sums.seeds`.
    pub(crate) sums: Sums,
    ran: u64,
    failed: u64,
    pub(crate) stuck: Option<Stuck>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(campaign: &'a Campaign, board: &'a Board, sums: Sums) -> Self {
        let ran = sums.seeds;
        let failed = sums.tallies.iter().map(|tally| tally.failures).sum();
        Collector { campaign, board, open: BTreeMap::new(), sums, ran, failed, stuck: None }
    }

    pub(crate) fn take(&mut self, reports: Vec<Report>) -> Result<(), Stopped> {
        reports.into_iter().try_for_each(|report| self.note(report))?;
        let before = self.sums.seeds / SETTLE;
        while !self.sums.is_over && self.open.get(&self.sums.seeds).is_some_and(Open::is_complete) {
            let open = self.open.remove(&self.sums.seeds).expect("it was just found");
            self.merge(open);
            self.sums.seeds += 1;
        }
        if self.sums.seeds / SETTLE > before {
            self.board.settle(self.sums.seeds);
        }
        Ok(())
    }

    fn note(&mut self, report: Report) -> Result<(), Stopped> {
        let (index, is_bad) = match report {
            Report::Ran(ran) => {
                let index = ran.item.index;
                let is_bad = ran.failure.is_some() || ran.mismatch.is_some();
                self.ran += 1;
                self.failed += u64::from(is_bad);
                self.open.entry(index).or_default().ran = Some(ran);
                (index, is_bad)
            }
            Report::Rechecked { index, mismatch } => {
                let is_bad = mismatch.is_some();
                self.open.entry(index).or_default().rechecked = Some(mismatch);
                (index, is_bad)
            }
            Report::Refused(trouble) => return Err(Stopped::Trouble(trouble)),
            Report::Panicked { item, message } => {
                return Err(Stopped::Panicked {
                    at: item.map(|item| (item.scenario.name(), item.seed)),
                    message,
                    bundle: None,
                });
            }
        };
        if is_bad && !self.campaign.keep_going {
            self.board.stop_after(index);
        }
        Ok(())
    }

    fn merge(&mut self, open: Open) {
        let ran = open.ran.expect("only complete seeds are merged");
        let sums = &mut self.sums;
        let tally = &mut sums.tallies[ran.item.place];
        tally.add(&ran.outcome);
        tally.rerun_checked += u64::from(ran.is_rechecked);
        let mismatch = ran.mismatch.or(open.rechecked.flatten());
        let (is_bad, repeats) = (ran.failure.is_some() || mismatch.is_some(), mismatch.is_none());
        if let Some(mismatch) = mismatch {
            tally.rerun_mismatches += 1;
            if tally.rerun_mismatches <= MISMATCHES {
                sums.mismatches.push(mismatch);
            }
        }
        if let Some(mut failure) = ran.failure {
            failure.repeats = repeats;
            match sums.signatures.entry((failure.scenario, failure.invariant.clone())) {
                Entry::Vacant(place) => {
                    place.insert(Signature::new(failure));
                }
                Entry::Occupied(mut found) => found.get_mut().push(failure),
            }
        }
        sums.is_over = is_bad && !self.campaign.keep_going;
    }

    pub(crate) fn progress(&self, elapsed: Duration) -> Progress {
        let limit = self.campaign.limit;
        let of = self.campaign.span.len();
        // A campaign that only a time limit ends has as many seeds as there are numbers.
        let of = (limit.is_none() || of < UNBOUNDED).then_some(of);
        Progress { seeds: self.ran, of, failures: self.failed, elapsed, limit }
    }
}
