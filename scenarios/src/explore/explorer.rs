//! The explorer: takes a sequence through a recording machine, stops at every place where a crash can fall, and judges
//! every image that it may leave.

use super::ledger::{Demand, Ledger, Outcome, Rule, Wrong, wrong};
use super::life::{Event, Life, Phase};
use super::machine::Trouble;
use super::quick::{Quick, identity};
use super::sequence::{CAPACITY, Op, Sequence, Shape, What};
use super::tally::Tally;
use seedfast_core::journal::format;
use seedfast_sim::draw::Draws;
use seedfast_sim::images::{Choice, Image, Scope, Seen, Space};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The purposes of draws; each has draws of its own.
const STEPS: u64 = 10;
const IMAGES: u64 = 20;
const CRASHES: u64 = 30;
const POWER: u64 = 40;
const WORK: u64 = 60;

/// So many recoveries that end alike and repair the same places are crashed, and one of `ONE_OF` + 1 of the others.
const ALIKE: u32 = 1;
const ONE_OF: u32 = 0xfff;

/// One crash on the way to a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The power goes at a crash point, counted from 1 in the life that it strikes; these units keep what was put there.
    Power {
        /// The crash point.
        point: u64,
        /// What survives.
        kept: Vec<Choice>,
    },
    /// The process dies at a crash point; `draw` decides about a disk's writes in flight.
    Process {
        /// The crash point.
        point: u64,
        /// The key of the draws.
        draw: u64,
    },
    /// At rest, after so many operations of the sequence, the device is struck.
    Strike {
        /// Operations carried out before.
        after: u64,
        /// How.
        strike: super::strike::Strike,
    },
}

/// What is explored, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many crashes may fall inside recoveries, one inside the recovery from another.
    pub depth: u32,
    /// No sequence is explored beyond so many images.
    pub images: u64,
    /// Whether devices are struck at rest as well.
    pub strikes: bool,
    /// Whether what was appended counts as acknowledged at once: no journal can stand that, and the explorer itself is
    /// tested by it.
    pub too_strict: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth: 2, images: 2_000_000, strikes: true, too_strict: false }
    }
}

/// A violation: where it was met and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What broke.
    pub wrong: Wrong,
    /// The crashes that led there, the outermost first; none if the story itself went wrong.
    pub path: Vec<Crash>,
}

/// One recording machine for each crash that a path may have.
struct Level {
    life: Life,
    space: Space,
    image: Image,
    /// Crash points of this life so far.
    points: u64,
    /// Something was stored since the whole space was last looked at.
    dirty: bool,
    /// What was recovered is being worked with: there the whole space is looked at before each fence, and no more.
    working: bool,
}

impl Level {
    fn new(shape: Shape) -> Self {
        Level {
            life: Life::new(shape),
            space: Space::default(),
            image: Image::default(),
            points: 0,
            dirty: false,
            working: false,
        }
    }
}

/// Explores one sequence after the other with the same buffers.
pub struct Explorer {
    limits: Limits,
    shape: Shape,
    seed: u64,
    pub(super) ledger: Ledger,
    demand: Demand,
    levels: Vec<Option<Box<Level>>>,
    pub(super) quick: Quick,
    seen: Seen,
    outcomes: Vec<Outcome>,
    /// Where each outcome stands among them.
    numbers: Seen,
    /// Repaired images on which the journal was seen to go on, and those whose recovery was crashed.
    went_on: Seen,
    crashed: Seen,
    /// What every level's last crash was.
    path: Vec<Crash>,
    /// A path to follow instead of exploring.
    target: Option<Vec<Crash>>,
    pub(super) tally: Tally,
    /// The images of this sequence so far.
    images: u64,
    scratch: Option<Box<Level>>,
    past: Vec<Vec<u8>>,
}

impl Explorer {
    /// An explorer within these limits.
    pub fn new(limits: Limits) -> Self {
        let demand = Demand { acked: 0, state_from: 0, state_to: 0, decided: 0, struck: false };
        Explorer {
            limits,
            shape: Shape::disk(),
            seed: 0,
            ledger: Ledger::default(),
            demand,
            levels: Vec::new(),
            quick: Quick::default(),
            seen: Seen::default(),
            outcomes: Vec::new(),
            numbers: Seen::default(),
            went_on: Seen::default(),
            crashed: Seen::default(),
            path: Vec::new(),
            target: None,
            tally: Tally::default(),
            images: 0,
            scratch: None,
            past: Vec::new(),
        }
    }

    /// What was seen since the last time it was asked.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Explores a sequence.
    ///
    /// # Errors
    /// The first violation.
    pub fn explore(&mut self, sequence: &Sequence) -> Result<(), Violation> {
        self.target = None;
        self.run(sequence)
    }

    /// Follows one path of crashes through a sequence.
    ///
    /// # Errors
    /// The violation that it leads to.
    pub fn replay(&mut self, sequence: &Sequence, path: &[Crash]) -> Result<(), Violation> {
        self.target = Some(path.to_vec());
        self.run(sequence)
    }

    fn run(&mut self, sequence: &Sequence) -> Result<(), Violation> {
        let ran = catch_unwind(AssertUnwindSafe(|| self.story(sequence)));
        let result = match ran {
            Ok(result) => result,
            Err(panic) => {
                // Whatever stood half-done is made anew.
                self.levels.clear();
                self.scratch = None;
                self.quick = Quick::default();
                wrong(Rule::Panic, said(&*panic))
            }
        };
        self.tally.sequences += 1;
        self.tally.violations += u64::from(result.is_err());
        result.map_err(|wrong| Violation { wrong, path: std::mem::take(&mut self.path) })
    }

    fn story(&mut self, sequence: &Sequence) -> Result<(), Wrong> {
        self.begin(sequence);
        let contents = format(&identity(self.seed), &self.shape.geometry(), &self.shape.options());
        let contents = match contents {
            Ok(contents) => contents,
            Err(error) => return wrong(Rule::GoesOn, format!("this shape cannot be formatted: {error}")),
        };
        let mut bytes = vec![0; CAPACITY as usize];
        for (at, part) in contents {
            bytes[at as usize..at as usize + part.len()].copy_from_slice(&part);
        }
        let mut level = self.take_level(0);
        level.life.machine.power_on(&bytes);
        level.life.start(1);
        let mut result = self.recover(&mut level, 0);
        for (number, op) in sequence.ops.iter().enumerate() {
            if result.is_err() || self.is_over() {
                break;
            }
            result = self.op(&mut level, op);
            // Only at rest the mark vouches for the last group; while one waits for room there is no rest.
            let rests = level.life.machine.is_idle() && level.life.is_running();
            if result.is_ok() && *op == Op::Settle && rests && self.ledger.last() == self.demand.acked {
                result = self.strikes(&level, number as u64 + 1);
            }
        }
        self.levels[0] = Some(level);
        result
    }

    fn begin(&mut self, sequence: &Sequence) {
        if self.shape != sequence.shape {
            self.levels.clear();
            self.scratch = None;
        }
        (self.shape, self.seed) = (sequence.shape, sequence.seed);
        self.ledger.format();
        self.demand = Demand { acked: 0, state_from: 0, state_to: 0, decided: 0, struck: false };
        self.seen.clear();
        self.outcomes.clear();
        self.numbers.clear();
        self.went_on.clear();
        self.crashed.clear();
        self.path.clear();
        self.images = 0;
        self.past.clear();
    }

    /// Whether this sequence has had its share of images.
    fn is_over(&self) -> bool {
        self.images >= self.limits.images
    }

    fn take_level(&mut self, l: usize) -> Box<Level> {
        while self.levels.len() <= l {
            self.levels.push(None);
        }
        let mut level = self.levels[l].take().unwrap_or_else(|| Box::new(Level::new(self.shape)));
        level.life.clear();
        level.points = 0;
        level.dirty = false;
        level.working = false;
        level
    }

    fn draws(&self, purpose: u64) -> Draws {
        Draws::of(self.seed, purpose)
    }

    fn op(&mut self, level: &mut Level, op: &Op) -> Result<(), Wrong> {
        match op {
            Op::Append { what, slot, ballot, epoch, bytes, id } => {
                let about = (*slot, *ballot, *epoch);
                level.life.append(&mut self.ledger, *what, about, *bytes, *id)?;
            }
            Op::Burst { decided, even_empty } => {
                level.life.burst(&mut self.ledger, *decided, *even_empty)?;
            }
            Op::Run(steps) => {
                for _ in 0..*steps {
                    if !self.tick(level, 0)? {
                        break;
                    }
                }
            }
            Op::Settle => self.settle(level, 0)?,
            Op::Snapshot { slot, pieces, digest } => {
                level.life.snapshot(&mut self.ledger, *slot, pieces, *digest);
            }
            Op::Configure { epoch, bytes } => level.life.configure(&mut self.ledger, *epoch, *bytes),
            Op::Power(draw) => {
                let image = self.lost(level, *draw);
                level.life.machine.power_on(&image);
                level.life.start(level.life.incarnation + 1);
                self.recover(level, 0)?;
            }
            Op::Process(draw) => self.kill(level, *draw)?,
            Op::FailSync => level.life.machine.trouble = Some(Trouble::Sync),
            Op::Full => level.life.machine.trouble = Some(Trouble::Full),
        }
        self.raise(level, 0)
    }

    /// What a drawn loss of power leaves.
    fn lost(&self, level: &mut Level, draw: u64) -> Vec<u8> {
        let draws = self.draws(POWER).part(draw);
        level.life.machine.medium.space(&mut level.space);
        let share = [0, 100_000, 500_000, 900_000, 1_000_000][draws.below(0, 5) as usize];
        let kept = level.space.draw(draws.part(1), share);
        let medium = &level.life.machine.medium;
        level.image.begin(medium.durable(), medium.durable_hash());
        level.space.build(&kept, &mut level.image);
        level.image.bytes().to_vec()
    }

    fn kill(&mut self, level: &mut Level, draw: u64) -> Result<(), Wrong> {
        let mut scratch = self.scratch.take().unwrap_or_else(|| Box::new(Level::new(self.shape)));
        level.life.machine.kill(self.draws(POWER).part(draw), &mut scratch.life.machine);
        self.scratch = Some(scratch);
        level.life.start(level.life.incarnation + 1);
        self.recover(level, 0)
    }

    /// Lets recovery come to its end; from there on exactly what was recovered is demanded.
    fn recover(&mut self, level: &mut Level, l: usize) -> Result<(), Wrong> {
        while !level.life.is_running() {
            if !self.tick(level, l)? {
                if let Phase::Dead = level.life.phase {
                    return Ok(());
                }
                return wrong(Rule::NoFalseAlarm, "recovery waits for nothing and does not end");
            }
        }
        Ok(())
    }

    fn settle(&mut self, level: &mut Level, l: usize) -> Result<(), Wrong> {
        // Twice: at the first rest the mark is written.
        for _ in 0..3 {
            while self.tick(level, l)? {}
            level.life.burst(&mut self.ledger, 0, false)?;
            self.raise(level, l)?;
        }
        while self.tick(level, l)? {}
        Ok(())
    }

    /// Something may have been acknowledged outside of a completion.
    fn raise(&mut self, level: &mut Level, l: usize) -> Result<(), Wrong> {
        if level.life.acknowledge(&self.ledger, &mut self.demand)? {
            self.point(level, l, Some(Scope::All))?;
        }
        Ok(())
    }

    /// One thing happens at a level, and a crash may fall behind it.
    fn tick(&mut self, level: &mut Level, l: usize) -> Result<bool, Wrong> {
        let draws = self.draws(STEPS + l as u64);
        let Some(event) = level.life.tick(&mut self.ledger, &mut self.demand, draws)? else {
            return Ok(false);
        };
        match event {
            Event::Nothing => self.tally.crash_points += 1,
            Event::Stored => {
                level.dirty = true;
                self.point(level, l, (!level.working).then_some(Scope::WithNewest))?;
            }
            Event::Flushed => {
                let whole = std::mem::take(&mut level.dirty).then_some(Scope::All);
                self.point(level, l, whole)?;
            }
            Event::Changed => {
                level.dirty = false;
                self.point(level, l, Some(Scope::All))?;
            }
            Event::Landed => self.point(level, l, None)?,
            Event::Recovered(outcome) => {
                if l == 0 {
                    self.ledger.cut(&outcome);
                }
                self.demand = self.ledger.exactly(&outcome);
                if l == 0 {
                    self.point(level, l, Some(Scope::All))?;
                }
            }
            Event::Died => {
                // What a life does behind a failed sync does not count; a new one begins.
                if l == 0 {
                    self.kill(level, level.points)?;
                }
            }
        }
        Ok(true)
    }

    /// A crash point: every image of a power loss within `scope`, and the death of the process.
    fn point(&mut self, level: &mut Level, l: usize, scope: Option<Scope>) -> Result<(), Wrong> {
        let after_store = level.dirty;
        level.points += 1;
        self.tally.crash_points += 1;
        if level.life.is_running() {
            self.demand.state_to = self.ledger.newest_state();
            if self.limits.too_strict {
                self.demand.acked = self.ledger.last();
            }
        }
        if self.target.is_some() {
            return self.follow(level, l);
        }
        if l > self.limits.depth as usize || self.is_over() {
            return Ok(());
        }
        if let Some(scope) = scope {
            let mut space = std::mem::take(&mut level.space);
            let mut image = std::mem::take(&mut level.image);
            let medium = &level.life.machine.medium;
            medium.space(&mut space);
            image.begin(medium.durable(), medium.durable_hash());
            let draws = self.draws(IMAGES + l as u64).part(level.points);
            let (points, incarnation) = (level.points, level.life.incarnation);
            let way = space.visit(scope, draws, &mut image, |space, image| {
                match self.image(l, incarnation, image) {
                    Ok(()) if self.is_over() => ControlFlow::Break(Ok(())),
                    Ok(()) => ControlFlow::Continue(()),
                    Err(wrong) => {
                        let crash = Crash::Power { point: points, kept: space.choices(image) };
                        self.blame(l, crash);
                        ControlFlow::Break(Err(wrong))
                    }
                }
            });
            (level.space, level.image) = (space, image);
            if let ControlFlow::Break(Err(wrong)) = way {
                return Err(wrong);
            }
        }
        if l < self.limits.depth as usize {
            self.process(level, l, after_store)?;
        }
        Ok(())
    }

    /// The process dies at this point, if it is one of those at which that is tried.
    fn process(&mut self, level: &mut Level, l: usize, after_store: bool) -> Result<(), Wrong> {
        let draws = self.draws(CRASHES + l as u64).part(level.points);
        // What is visible after a store was judged as an image already; the other moments are rare.
        let share = match (l, after_store) {
            (0, true) => 60_000,
            (0, false) => 1_000_000,
            (_, true) => 1_000,
            (_, false) => 20_000,
        };
        if !draws.chance(0, share) {
            return Ok(());
        }
        let crash = Crash::Process { point: level.points, draw: draws.bits(1) >> 32 };
        self.die(level, l, crash)
    }

    fn die(&mut self, level: &Level, l: usize, crash: Crash) -> Result<(), Wrong> {
        let Crash::Process { draw, .. } = crash else { return Ok(()) };
        let mut next = self.take_level(l + 1);
        next.life.machine.take_over(&level.life.machine, self.draws(POWER).part(draw));
        self.nest(next, l + 1, level.life.incarnation + 1, crash)
    }

    /// A life on a machine of its own, from its recovery to a little work afterwards, with crashes inside.
    fn nest(&mut self, mut level: Box<Level>, l: usize, incarnation: u32, crash: Crash) -> Result<(), Wrong> {
        let demand = self.demand;
        self.tally.recoveries += 1;
        self.tally.nested += 1;
        level.life.start(incarnation);
        let mut result = self.recover(&mut level, l);
        if result.is_ok() && level.life.is_running() {
            let stash = self.ledger.branch(&self.demand);
            result = self.work(&mut level, l);
            self.ledger.rejoin(stash);
        }
        self.demand = demand;
        self.levels[l] = Some(level);
        if result.is_err() {
            self.blame(l - 1, crash);
        }
        result
    }

    /// What is done with a journal that was recovered: one promise, made durable, and now and then a checkpoint.
    fn work(&mut self, level: &mut Level, l: usize) -> Result<(), Wrong> {
        level.working = true;
        self.point(level, l, Some(Scope::All))?;
        let (ballot, number) = (self.ledger.promised() + 1, self.ledger.last() + 1);
        level.life.append(&mut self.ledger, What::Promise, (0, ballot, 1), 0, 0)?;
        level.life.burst(&mut self.ledger, 0, false)?;
        self.raise(level, l)?;
        self.settle(level, l)?;
        if self.draws(WORK).part(level.points).chance(l as u64, 250_000) {
            let epoch = 1_000_000 + self.ledger.newest_state() as u32;
            level.life.configure(&mut self.ledger, epoch, 9);
            self.settle(level, l)?;
        }
        let is_full = level.life.is_full();
        if self.demand.acked < number && !is_full {
            return wrong(
                Rule::GoesOn,
                format!("record {number} was appended after a recovery, and never became durable"),
            );
        }
        Ok(())
    }

    /// Puts a crash on the way to a violation, which was met further in.
    fn blame(&mut self, l: usize, crash: Crash) {
        if self.target.is_none() {
            debug_assert!(l < 8, "a path is short");
            self.path.insert(0, crash);
        }
    }

    /// One image of a power loss at level `l`.
    #[inline]
    fn image(&mut self, l: usize, incarnation: u32, image: &mut Image) -> Result<(), Wrong> {
        self.tally.visited += 1;
        if let Some(known) = self.seen.get(image.hash()) {
            let outcome = &self.outcomes[known as usize];
            return self.ledger.satisfies(outcome, &self.demand);
        }
        self.images += 1;
        self.tally.images += 1;
        self.tally.by_depth[l.min(3)] += 1;
        let hash = image.hash();
        let (outcome, repairs) = self.judge(incarnation + 1, hash, image.bytes_mut(), false)?;
        let key = outcome.key();
        let number = self.numbers.get(key).unwrap_or_else(|| {
            self.outcomes.push(outcome);
            self.outcomes.len() as u32 - 1
        });
        self.numbers.insert(key, number);
        self.seen.insert(hash, number);
        if l < self.limits.depth as usize && self.is_worth_crashing(l, &outcome, repairs, hash) {
            let mut next = self.take_level(l + 1);
            next.life.machine.power_on(image.bytes());
            // The crash itself is put on the path by whoever built the image.
            let before = self.path.len();
            let result = self.nest(next, l + 1, incarnation + 1, Crash::Process { point: 0, draw: 0 });
            if result.is_err() && self.path.len() > before {
                self.path.remove(0);
            }
            result?;
        }
        Ok(())
    }

    /// Whether the recovery of an image is itself crashed: the first few that end alike and write to the same places,
    /// and a few of the others.
    fn is_worth_crashing(&mut self, l: usize, outcome: &Outcome, repairs: u128, hash: u128) -> bool {
        if repairs == 0 {
            return false;
        }
        let key = repairs ^ u128::from(outcome.last) << 64 ^ u128::from(l as u64 + 1) << 120;
        let times = self.crashed.get(key).unwrap_or(0);
        let enough = if l == 0 { times >= ALIKE } else { times > 0 || hash as u32 & 15 != 0 };
        if enough && (l > 0 || hash as u32 & ONE_OF != 0) {
            return false;
        }
        self.crashed.insert(key, times + 1);
        true
    }

    /// Recovers on an image and judges what is found. Gives the outcome and a hash of the places that were repaired,
    /// zero if there were none; the bytes are as they were.
    fn judge(
        &mut self,
        incarnation: u32,
        hash: u128,
        bytes: &mut [u8],
        thorough: bool,
    ) -> Result<(Outcome, u128), Wrong> {
        let shape = self.shape;
        self.tally.recoveries += 1;
        let recovered = catch_unwind(AssertUnwindSafe(|| {
            self.quick.recover(bytes, &shape, incarnation, &self.ledger, &self.demand)
        }));
        let recovered = recovered.unwrap_or_else(|panic| {
            self.quick = Quick::default();
            wrong(Rule::Panic, said(&*panic))
        });
        self.tally.rows(self.quick.rows);
        let (journal, outcome) = match recovered {
            Ok(recovered) => recovered,
            Err(wrong) => {
                self.quick.undo(bytes);
                return Err(wrong);
            }
        };
        let (repaired, repairs) = (hash ^ self.quick.difference(), self.quick.places());
        // A repaired image is like many others; of those that needed no repair, one in eight has to go on.
        let asked = thorough || repairs != 0 || hash as u8 & 7 == 0;
        let mut result = Ok(());
        if asked && (self.went_on.insert(repaired, 0) || thorough) {
            self.tally.recoveries += 1;
            let ran = catch_unwind(AssertUnwindSafe(|| {
                self.quick.goes_on(bytes, &shape, incarnation, &mut self.ledger, journal, &outcome)
            }));
            result = ran.unwrap_or_else(|panic| {
                self.quick = Quick::default();
                wrong(Rule::Panic, said(&*panic))
            });
        }
        self.quick.undo(bytes);
        result.map(|()| (outcome, repairs))
    }

    /// At this point of a replay: does what the path says, if it says anything here.
    fn follow(&mut self, level: &mut Level, l: usize) -> Result<(), Wrong> {
        let Some(target) = &self.target else { return Ok(()) };
        let Some(crash) = target.get(l).cloned() else { return Ok(()) };
        match &crash {
            Crash::Power { point, kept } if *point == level.points => {
                let medium = &level.life.machine.medium;
                medium.space(&mut level.space);
                level.image.begin(medium.durable(), medium.durable_hash());
                level.space.build(kept, &mut level.image);
                let (hash, incarnation) = (level.image.hash(), level.life.incarnation + 1);
                self.judge(incarnation, hash, level.image.bytes_mut(), true)?;
                let mut next = self.take_level(l + 1);
                next.life.machine.power_on(level.image.bytes());
                self.nest(next, l + 1, incarnation, crash)
            }
            Crash::Process { point, .. } if *point == level.points => self.die(level, l, crash),
            _ => Ok(()),
        }
    }

    /// The device is struck at rest.
    fn strikes(&mut self, level: &Level, after: u64) -> Result<(), Wrong> {
        if !self.limits.strikes {
            return Ok(());
        }
        let mut bytes = level.life.machine.medium.visible().to_vec();
        let incarnation = level.life.incarnation + 1;
        let past = std::mem::take(&mut self.past);
        let demand = Demand { struck: true, ..self.demand };
        let result = match &self.target {
            None => {
                let draws = self.draws(50).part(after);
                super::strike::all(self, &mut bytes, &past, incarnation, &demand, draws)
            }
            Some(target) => match target.first().cloned() {
                Some(Crash::Strike { after: at, strike }) if at == after => {
                    super::strike::one(self, &mut bytes, &past, incarnation, &demand, &strike)
                        .map_err(|wrong| (wrong, strike))
                }
                _ => Ok(()),
            },
        };
        self.past = past;
        if self.past.last() != Some(&bytes) {
            self.past.push(bytes);
        }
        result.map_err(|(wrong, strike)| {
            self.blame(0, Crash::Strike { after, strike });
            wrong
        })
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }
}

/// What a panic said.
pub(super) fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
    format!("it panicked: {text}")
}
