//! A machine: its clocks, its devices, and the process that may live on it.

use crate::clock::LocalClock;
use crate::disk::Device;
use crate::scene::Formatted;
use crate::schedule::{Clock, Cut, Disk, Loss};
use crate::timers::Timers;
use crate::trace::encode::Carried;
use seedfast_core::{Incarnation, Input, Now, OperationId, Output, Process};
use std::collections::VecDeque;

/// A write that a crash tears.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tear {
    pub(crate) op: OperationId,
    /// The write's place in its chain.
    pub(crate) step: u16,
    /// The device's atomic unit, in bytes.
    pub(crate) unit: u64,
    pub(crate) at: u64,
    pub(crate) length: u64,
}

impl Tear {
    /// Whether a unit of a write is to survive, if the tear says anything about it: its beginning (a sector, on NVM a
    /// line) does, and what follows right behind does not.
    pub(crate) fn keeps(&self, op: OperationId, step: u16, unit: u64) -> Option<bool> {
        if (op, step) != (self.op, self.step) {
            return None;
        }
        let behind = self.at / self.unit + (64 / self.unit).max(1);
        (unit <= behind).then_some(unit < behind)
    }
}

/// A crash that waits for its place in a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingCrash {
    pub(crate) cut: Cut,
    pub(crate) loss: Loss,
    pub(crate) restart_after: Option<u64>,
}

/// Faults of the clock that no turn has read yet.
pub(crate) mod unseen {
    pub(crate) const DRIFT: u8 = 1;
    pub(crate) const STEP: u8 = 2;
    pub(crate) const FREEZE: u8 = 4;
}

/// One machine.
pub(crate) struct Node {
    pub(crate) process: Option<Box<dyn Process>>,
    /// The incarnation of the process, or of the last one.
    pub(crate) life: u32,
    pub(crate) clock: LocalClock,
    pub(crate) unseen: u8,
    pub(crate) timers: Timers,
    pub(crate) devices: Vec<Device>,
    pub(crate) device_count: usize,
    pub(crate) disk: Disk,
    /// Bit `d`: device `d` is full.
    pub(crate) full: u64,
    /// Storage operations of this life in flight, in no order.
    pub(crate) in_flight: Vec<OperationId>,

    pub(crate) paused: bool,
    /// A slow turn is under way; its outputs wait in `late`.
    pub(crate) busy: bool,
    /// How long a turn takes.
    pub(crate) slow: u64,
    pub(crate) late: Vec<Output>,
    /// What arrived while the node was paused or busy.
    pub(crate) inbox: VecDeque<(Input, Carried)>,
    /// The sample that goes with the next input taken: a pause fell between the two.
    pub(crate) stale: Option<Now>,
    /// The first input that arrives in this pause was sampled as it arrived.
    pub(crate) sampling: bool,

    pub(crate) burst_key: u64,
    pub(crate) burst_open: bool,
    /// Names the open burst, so that the end of an earlier one does not close it.
    pub(crate) burst: u32,
    pub(crate) last_burst_at: u64,
    pub(crate) burst_ordinal: u64,
    /// The burst ends as soon as the inbox is empty.
    pub(crate) close_due: bool,
    /// Inputs in this burst so far.
    pub(crate) harvested: u32,

    pub(crate) pending_crash: Option<PendingCrash>,
    /// The life that ran when faults ended.
    pub(crate) life_at_heal: Option<u32>,
    /// What the crash that falls now tears.
    pub(crate) tear: Option<Tear>,
    /// Whether this life has sent anything.
    pub(crate) spoke: bool,
    /// Whether this life ended itself.
    pub(crate) halted: bool,
}

impl Default for Node {
    fn default() -> Self {
        Node {
            process: None,
            life: 0,
            clock: LocalClock::new(Clock::default()),
            unseen: 0,
            timers: Timers::default(),
            devices: Vec::new(),
            device_count: 0,
            disk: Disk::default(),
            full: 0,
            in_flight: Vec::new(),
            paused: false,
            busy: false,
            slow: 0,
            late: Vec::new(),
            inbox: VecDeque::new(),
            stale: None,
            sampling: false,
            burst_key: 0,
            burst_open: false,
            burst: 0,
            last_burst_at: u64::MAX,
            burst_ordinal: 0,
            close_due: false,
            harvested: 0,
            pending_crash: None,
            life_at_heal: None,
            tear: None,
            spoke: false,
            halted: false,
        }
    }
}

impl Node {
    /// The machine as it is at the beginning of a run; only capacity stays.
    pub(crate) fn reset(&mut self, clock: Clock, burst_key: u64, disk: Disk) {
        self.end_life();
        self.life = 0;
        self.life_at_heal = None;
        self.clock = LocalClock::new(clock);
        self.unseen = if clock.drift != 0 { unseen::DRIFT } else { 0 };
        self.disk = disk;
        self.full = 0;
        self.paused = false;
        self.slow = 0;
        self.burst_key = burst_key;
        self.burst = 0;
        self.last_burst_at = u64::MAX;
        self.burst_ordinal = 0;
    }

    /// Freshly formatted devices, instead of any that there were.
    pub(crate) fn equip(&mut self, devices: &Formatted) {
        self.device_count = devices.len();
        self.devices.resize_with(self.devices.len().max(devices.len()), Default::default);
        for (device, (geometry, contents)) in self.devices.iter_mut().zip(devices) {
            device.format(*geometry, contents);
        }
    }

    /// Whatever belongs to the process goes with it.
    pub(crate) fn end_life(&mut self) {
        self.process = None;
        self.timers.clear();
        self.in_flight.clear();
        self.busy = false;
        self.late.clear();
        self.inbox.clear();
        self.stale = None;
        self.sampling = false;
        self.burst_open = false;
        self.close_due = false;
        self.harvested = 0;
        self.pending_crash = None;
        self.spoke = false;
        self.halted = false;
    }

    /// Whether the running life may give a new operation this name.
    ///
    /// # Errors
    /// What is wrong with it and what to do, in one sentence.
    pub(crate) fn check_name(&self, op: OperationId) -> Result<(), String> {
        let (number, life) = (op.number, op.incarnation.0);
        if op.incarnation != Incarnation(self.life) {
            return Err(format!(
                "operation {number} carries incarnation {life}, but this is life {}: name operations with the \
                 incarnation that `Start` handed over",
                self.life
            ));
        }
        // A completion that waits in the inbox is one that the process has not heard of.
        let unheard =
            |(input, _): &(Input, Carried)| matches!(input, Input::Completed { op: o, .. } if *o == op);
        if self.in_flight.contains(&op) || self.inbox.iter().any(unheard) {
            return Err(format!(
                "operation {number} is in flight already: give each operation a number of its own until its \
                 `Completed` was handed over"
            ));
        }
        Ok(())
    }

    /// Whether inputs must wait.
    #[inline]
    pub(crate) fn is_blocked(&self) -> bool {
        self.paused | self.busy
    }

    pub(crate) fn devices(&mut self) -> &mut [Device] {
        &mut self.devices[..self.device_count]
    }
}
