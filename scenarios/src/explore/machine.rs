//! One device and what is under way on it: carries out a journal's submissions one micro-operation at a time, so that a
//! crash can fall between any two.
//!
//! On NVM a submission is a run of stores, flushes and fences, by the lowering that is shipped; nothing else happens
//! meanwhile. On a disk the writes between two barriers are in flight together and land one by one, in drawn order,
//! whole; a sync covers the writes whose completion had been handed over before it was submitted and those that stand
//! earlier in its chain. What a crash leaves of either is [`Medium`]'s affair.

use seedfast_core::nvm::{Lines, Lowering, Micro};
use seedfast_core::storage::Chain;
use seedfast_core::{Buffer, Completion, Durability, Failure, OperationId, Range, Step};
use seedfast_sim::draw::Draws;
use seedfast_sim::images::{Medium, Model};

/// What happened in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    /// A word was stored that was not there before.
    Stored,
    /// A line's snapshot was taken.
    Flushed,
    /// Flushed lines are durable.
    Fenced,
    /// Writes of a disk are in flight.
    Launched,
    /// A write of a disk is visible.
    Landed,
    /// Writes of a disk are durable.
    Synced,
    /// A step that changes nothing on the device.
    Passed,
    /// An operation is over.
    Completed(OperationId, Completion),
}

/// What the next operation of its kind meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A sync fails. What it would have covered is lost or kept, sector by sector, and reads show what was written.
    Sync,
    /// The device is full for one submission with a write.
    Full,
}

#[derive(Debug)]
enum Work {
    Chain { chain: Chain, durable: bool },
    Read(Range),
}

#[derive(Debug)]
struct Flight {
    op: OperationId,
    work: Work,
    lowering: Lowering,
    /// The next step of the chain.
    step: usize,
    /// Writes of the chain's current stretch that have not landed.
    flying: Vec<u32>,
    /// All writes of the chain so far.
    own: Vec<u32>,
    /// The machine's counter at submission.
    mark: u64,
    synced: bool,
}

/// A write of a dead life that may land yet.
#[derive(Clone, Debug)]
struct Late {
    at: u64,
    bytes: Vec<u8>,
}

/// The device of one node with its operations under way.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) medium: Medium,
    lines: Lines,
    flights: Vec<Flight>,
    spare: Vec<Flight>,
    /// Per write: the counter when its operation's completion was handed over; `u64::MAX` until then.
    completed: Vec<u64>,
    places: Vec<(u64, u32)>,
    counter: u64,
    late: Vec<Late>,
    steps: u64,
    pub(super) trouble: Option<Trouble>,
    /// How often trouble struck.
    pub(super) struck: u64,
}

impl Machine {
    pub(super) fn new(model: Model, capacity: usize) -> Self {
        Machine {
            medium: Medium::new(model, capacity),
            lines: Lines::default(),
            flights: Vec::new(),
            spare: Vec::new(),
            completed: Vec::new(),
            places: Vec::new(),
            counter: 0,
            late: Vec::new(),
            steps: 0,
            trouble: None,
            struck: 0,
        }
    }

    fn is_disk(&self) -> bool {
        self.medium.model() == Model::Sectors
    }

    /// Forgets everything but its memory: what it does next does not depend on what it did before.
    pub(super) fn clear(&mut self) {
        self.spare.append(&mut self.flights);
        self.completed.clear();
        self.places.clear();
        self.late.clear();
        (self.counter, self.steps, self.struck, self.trouble) = (0, 0, 0, None);
        self.lines = Lines::default();
    }

    /// A new life on what a power loss left.
    pub(super) fn power_on(&mut self, bytes: &[u8]) {
        self.medium.reset(bytes);
        self.new_life();
        self.late.clear();
    }

    fn new_life(&mut self) {
        self.lines = Lines::default();
        self.spare.append(&mut self.flights);
        // Whatever has landed counts as completed now.
        self.counter += 1;
        let now = self.counter;
        self.completed.iter_mut().for_each(|at| *at = (*at).min(now));
        self.trouble = None;
    }

    /// The process of `other` dies, and this machine goes on with what it leaves: caches and the visible. Of a disk's
    /// writes in flight each lands now, later (unless a new life drains first: then at that moment) or never.
    pub(super) fn take_over(&mut self, other: &Machine, draws: Draws) {
        self.medium.copy_from(&other.medium);
        self.completed.clone_from(&other.completed);
        self.places.clone_from(&other.places);
        self.counter = other.counter;
        self.late.clear();
        if self.is_disk() {
            for flight in &other.flights {
                for &write in &flight.flying {
                    let draws = draws.part(u64::from(write));
                    match draws.below(0, 3) {
                        0 => {}
                        1 => self.medium.land(write),
                        _ => {
                            let (at, step) = self.places[write as usize];
                            if let Work::Chain { chain, .. } = &flight.work
                                && let Some(Step::Write { buffer, .. }) = chain.get(step as usize)
                            {
                                self.late.push(Late { at, bytes: buffer.to_vec() });
                            }
                        }
                    }
                }
            }
            self.medium.resolve(|_| false);
        }
        self.new_life();
    }

    /// The process dies here and now.
    pub(super) fn kill(&mut self, draws: Draws, scratch: &mut Machine) {
        scratch.take_over(self, draws);
        std::mem::swap(&mut scratch.medium, &mut self.medium);
        std::mem::swap(&mut scratch.late, &mut self.late);
        self.new_life();
    }

    fn flight(&mut self, op: OperationId, work: Work) {
        let mut flight = self.spare.pop().unwrap_or_else(|| Flight {
            op,
            work: Work::Read(Range::default()),
            lowering: Lowering::default(),
            step: 0,
            flying: Vec::new(),
            own: Vec::new(),
            mark: 0,
            synced: false,
        });
        flight.op = op;
        flight.work = work;
        flight.lowering = Lowering::default();
        flight.step = 0;
        flight.flying.clear();
        flight.own.clear();
        flight.mark = self.counter;
        flight.synced = false;
        self.flights.push(flight);
    }

    pub(super) fn submit(&mut self, op: OperationId, chain: Chain, durability: Durability) {
        let durable = durability == Durability::Durable;
        self.flight(op, Work::Chain { chain, durable });
    }

    pub(super) fn read(&mut self, op: OperationId, range: Range) {
        self.flight(op, Work::Read(range));
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// Does one thing; `None` if nothing is under way.
    pub(super) fn step(&mut self, draws: Draws) -> Option<Happened> {
        if self.flights.is_empty() {
            return None;
        }
        self.steps += 1;
        if !self.is_disk() {
            return Some(self.step_nvm());
        }
        // A dead life's writes do not wait for ever for a drain that does not come.
        if !self.late.is_empty() && draws.part(self.steps).chance(7, 30_000) {
            self.land_late();
            return Some(Happened::Landed);
        }
        let index = draws.part(self.steps).below(0, self.flights.len() as u64) as usize;
        Some(self.step_disk(index, draws))
    }

    fn land_late(&mut self) {
        for late in std::mem::take(&mut self.late) {
            let write = self.name(late.at, u32::MAX);
            self.medium.launch(write, late.at, &late.bytes);
            self.medium.land(write);
            self.completed[write as usize] = self.counter;
        }
    }

    fn name(&mut self, at: u64, step: u32) -> u32 {
        self.completed.push(u64::MAX);
        self.places.push((at, step));
        self.completed.len() as u32 - 1
    }

    fn done(&mut self, index: usize, completion: Completion) -> Happened {
        let mut flight = self.flights.remove(index);
        self.counter += 1;
        for &write in &flight.own {
            self.completed[write as usize] = self.counter;
        }
        flight.work = Work::Read(Range::default());
        let op = flight.op;
        self.spare.push(flight);
        Happened::Completed(op, completion)
    }

    fn data(&self, range: Range) -> Completion {
        let (from, to) = (range.at as usize, (range.at + range.length) as usize);
        Completion::Data(Buffer::copy_from(&self.medium.visible()[from..to]))
    }

    fn step_nvm(&mut self) -> Happened {
        let flight = &mut self.flights[0];
        let (chain, durable) = match &flight.work {
            Work::Read(range) => {
                let range = *range;
                let data = self.data(range);
                return self.done(0, data);
            }
            Work::Chain { chain, durable } => (chain, *durable),
        };
        if self.trouble == Some(Trouble::Full) && flight.step == 0 && chain.iter().any(is_write) {
            self.trouble = None;
            self.struck += 1;
            return self.done(0, Completion::Failed(Failure::NoSpace));
        }
        flight.step = 1;
        let durability = if durable { Durability::Durable } else { Durability::Visible };
        match flight.lowering.next(chain, durability, &mut self.lines) {
            Some(Micro::Store { at, value }) => {
                if self.medium.store(at, value) {
                    Happened::Stored
                } else {
                    Happened::Passed
                }
            }
            Some(Micro::Flush(range)) => {
                self.medium.flush(range);
                Happened::Flushed
            }
            Some(Micro::Fence) => {
                self.medium.fence();
                Happened::Fenced
            }
            None => self.done(0, Completion::Done),
        }
    }

    fn step_disk(&mut self, index: usize, draws: Draws) -> Happened {
        let flight = &mut self.flights[index];
        let (length, durable) = match &flight.work {
            Work::Read(range) => {
                let range = *range;
                let data = self.data(range);
                return self.done(index, data);
            }
            Work::Chain { chain, durable } => (chain.len(), *durable),
        };
        if !flight.flying.is_empty() {
            let which = draws.part(self.steps).below(1, flight.flying.len() as u64) as usize;
            let write = flight.flying.remove(which);
            self.medium.land(write);
            return Happened::Landed;
        }
        if flight.step == length {
            if durable && !flight.synced {
                flight.synced = true;
                return self.sync(index, draws);
            }
            return self.done(index, Completion::Done);
        }
        let Work::Chain { chain, .. } = &flight.work else { unreachable!("a read has no steps") };
        match &chain[flight.step] {
            Step::Write { .. } => {
                if self.trouble == Some(Trouble::Full) {
                    self.trouble = None;
                    self.struck += 1;
                    return self.done(index, Completion::Failed(Failure::NoSpace));
                }
                self.launch(index);
                Happened::Launched
            }
            Step::Barrier => {
                flight.step += 1;
                self.sync(index, draws)
            }
            Step::Drain => {
                flight.step += 1;
                self.land_late();
                Happened::Landed
            }
            Step::Persist(range) => {
                let range = *range;
                flight.step += 1;
                self.medium.persist(range);
                Happened::Synced
            }
        }
    }

    /// The writes up to the next other step are in flight.
    fn launch(&mut self, index: usize) {
        loop {
            let flight = &self.flights[index];
            let Work::Chain { chain, .. } = &flight.work else { return };
            let Some(Step::Write { at, buffer }) = chain.get(flight.step) else { return };
            let (at, buffer, step) = (*at, buffer.clone(), flight.step as u32);
            let write = self.name(at, step);
            self.medium.launch(write, at, &buffer);
            let flight = &mut self.flights[index];
            flight.step += 1;
            flight.flying.push(write);
            flight.own.push(write);
        }
    }

    fn sync(&mut self, index: usize, draws: Draws) -> Happened {
        let (completed, flight) = (&self.completed, &self.flights[index]);
        let covers = |write: u32| completed[write as usize] <= flight.mark || flight.own.contains(&write);
        if self.trouble == Some(Trouble::Sync) {
            self.trouble = None;
            self.struck += 1;
            let draws = draws.part(self.steps);
            self.medium.fail_sync(covers, |at| draws.part(at).chance(0, 500_000));
            return self.done(index, Completion::Failed(Failure::Device));
        }
        self.medium.sync(covers);
        Happened::Synced
    }
}

fn is_write(step: &Step) -> bool {
    matches!(step, Step::Write { .. })
}
