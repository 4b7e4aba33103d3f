//! The `explore` command: every image that a crash may leave of a journal, by seeds, on many workers.
//!
//! Sequences are numbered: first the named ones of each model, then those of the seeds; workers take them in that
//! order, and after a violation none beyond it is begun, so that the lowest one is found whatever the number of
//! workers. What is judged, and how, is `seedfast_scenarios::explore`; here is only the campaign around it.

use crate::cli::Explore;
use crate::duration::human;
use crate::explore_report as report;
use crate::files;
use crate::identity::Identity;
use crate::panics;
use crate::scenarios::printed;
use crate::seeds::{self, Seeds};
use crate::text::Console;
use crate::trouble::Trouble;
use clap::ValueEnum;
use seedfast_scenarios::explore::case::FORMAT;
use seedfast_scenarios::explore::{Case, Explorer, Limits, Sequence, Tally, generate, model_name, shrink};
use seedfast_sim::images::Model;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long an exploration takes that was told neither how many seeds nor how long.
const FIRST_LOOK: Duration = Duration::from_secs(20);
/// Where cases go without `--out`.
const OUT: &str = "seedfast-failures";
/// Lines of progress come this far apart.
const LINES: Duration = Duration::from_secs(10);

/// What can be explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// The journal.
    Journal,
}

/// On which media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Media {
    /// Persistent memory.
    Nvm,
    /// A disk of 512-byte sectors.
    Disk,
    /// Each sequence on both.
    Both,
}

/// Which images a crash may leave on NVM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NvmModel {
    /// Each word holds any value since its last fence.
    Relaxed8,
    /// Each line holds a prefix of its stores.
    Px86,
    /// Caches are durable.
    Eadr,
}

/// Everything about an exploration that its report repeats.
pub(crate) struct Setting {
    pub(crate) models: Vec<Model>,
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// Whether the named sequences come first.
    named: bool,
    pub(crate) images: Option<u64>,
    pub(crate) limit: Option<Duration>,
    pub(crate) jobs: usize,
    pub(crate) limits: Limits,
}

/// What came of it.
pub(crate) struct Found {
    pub(crate) total: Tally,
    pub(crate) wall: Duration,
    /// The processor's time that the workers spent exploring, together.
    pub(crate) busy: Duration,
    pub(crate) case: Option<Case>,
    pub(crate) shrunk: Option<Case>,
    pub(crate) saved: Option<PathBuf>,
}

/// Explores and says how to exit.
pub(crate) fn explore(options: &Explore, console: &mut Console<'_>) -> Result<u8, Trouble> {
    let Subject::Journal = options.subject;
    let setting = setting(options)?;
    let directory = options.out.as_deref().unwrap_or(Path::new(OUT));
    if options.out.is_some() {
        files::prepare_directory(directory)?;
    }
    if !options.json {
        printed(console, &report::opening(&setting))?;
    }
    let mut found = run(&setting, console)?;
    if let Some(case) = &found.case {
        console.note("  a violation; making it small\n");
        let images = found.total.images;
        let shrunk =
            panics::quietly(|| shrink::shrink(case, setting.limits, images)).map_err(Trouble::new)?;
        let replayed = panics::quietly(|| shrunk.replay(setting.limits)).map_err(Trouble::new)?;
        if replayed.is_none() {
            console.note(
                "  warning: its path alone does not lead there again; that is a fault of the explorer\n",
            );
        }
        let path = directory.join(format!(
            "explore-{}-{}.repro",
            model_name(shrunk.sequence.shape.model),
            shrunk.sequence.name
        ));
        files::prepare_directory(directory)?;
        files::write(&path, shrunk.to_string().as_bytes())?;
        (found.shrunk, found.saved) = (Some(shrunk), Some(path));
    }
    let text = if options.json {
        report::json(&setting, &found)
    } else {
        report::summary(&setting, &found, console.paint())
    };
    if options.json {
        console.note(&report::violation(&found, crate::text::Paint(false)));
    }
    printed(console, &text)?;
    Ok(u8::from(found.case.is_some()))
}

/// What the flags ask for.
fn setting(options: &Explore) -> Result<Setting, Trouble> {
    let nvm = match options.model.unwrap_or(NvmModel::Relaxed8) {
        NvmModel::Relaxed8 => Model::Relaxed8,
        NvmModel::Px86 => Model::Px86,
        NvmModel::Eadr => Model::Eadr,
    };
    let models = match options.media {
        Media::Nvm => vec![nvm],
        Media::Disk if options.model.is_some() => {
            return Err(Trouble::new(
                "--model says what a crash leaves of NVM, and --media disk explores none; leave one of them out",
            ));
        }
        Media::Disk => vec![Model::Sectors],
        Media::Both => vec![nvm, Model::Sectors],
    };
    let base = seeds::base(Identity::current().origin().0);
    let (first, end, named) = match options.seeds {
        Some(Seeds::Range(first, end)) => (first, end, false),
        Some(Seeds::Count(count)) => (base, base.saturating_add(count), true),
        None => (base, u64::MAX, true),
    };
    if options.images == Some(0) {
        return Err(Trouble::new("0 images prove nothing; ask for at least one"));
    }
    let endless = options.seeds.is_none() && options.images.is_none();
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let usual = Limits::default();
    let images = options.images.map_or(usual.images, |images| images.min(usual.images));
    Ok(Setting {
        models,
        first,
        end,
        named,
        images: options.images,
        limit: options.limit.or(endless.then_some(FIRST_LOOK)),
        jobs: options.jobs.map_or_else(processors, usize::from),
        limits: Limits { depth: options.depth, images, ..usual },
    })
}

impl Setting {
    /// The sequences in their order.
    fn sequences(&self) -> impl Iterator<Item = Sequence> + Send + use<> {
        let models = self.models.clone();
        let mut named: Vec<Sequence> = Vec::new();
        if self.named {
            named.extend(models.iter().flat_map(|model| generate::named(*model)));
            // Each on all models before the next one; the sort keeps the models' order.
            named.sort_by_key(|sequence| sequence.seed);
        }
        let drawn = (self.first..self.end)
            .flat_map(move |seed| models.clone().into_iter().map(move |model| generate::drawn(model, seed)));
        named.into_iter().chain(drawn)
    }
}

/// What the workers share: the sequences still to be explored, and where to stop.
struct Desk<I> {
    sequences: I,
    next: u64,
    images: u64,
    /// No sequence beyond this one is begun: one before it broke a rule.
    stop: u64,
}

/// One explored sequence.
struct Explored {
    number: u64,
    tally: Tally,
    busy: Duration,
    /// The case of a violation, if there is one; or why the explorer itself failed, which judges nothing.
    case: Result<Option<Case>, String>,
}

fn run(setting: &Setting, console: &mut Console<'_>) -> Result<Found, Trouble> {
    let begun = Instant::now();
    let desk = Mutex::new(Desk { sequences: setting.sequences(), next: 0, images: 0, stop: u64::MAX });
    let (results, arriving) = mpsc::channel::<Explored>();
    let mut found = Found {
        total: Tally::default(),
        wall: Duration::ZERO,
        busy: Duration::ZERO,
        case: None,
        shrunk: None,
        saved: None,
    };
    let mut lowest = u64::MAX;
    let mut failed = None;
    std::thread::scope(|scope| {
        for _ in 0..setting.jobs {
            let (desk, results) = (&desk, results.clone());
            scope.spawn(move || worker(setting, begun, desk, &results));
        }
        drop(results);
        let mut next_line = LINES;
        loop {
            match arriving.recv_timeout(Duration::from_millis(200)) {
                Ok(explored) => {
                    found.total.add(&explored.tally);
                    found.busy += explored.busy;
                    match explored.case {
                        Ok(Some(case)) if explored.number < lowest => {
                            lowest = explored.number;
                            found.case = Some(case);
                        }
                        Ok(_) => {}
                        Err(why) => failed = Some(why),
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if begun.elapsed() >= next_line {
                next_line = begun.elapsed() + LINES;
                console.note(&report::progress(&found, begun.elapsed()));
            }
        }
    });
    if let Some(why) = failed {
        return Err(Trouble::new(format!("the explorer itself panicked, so nothing is proved: {why}")));
    }
    found.wall = begun.elapsed();
    Ok(found)
}

fn worker(
    setting: &Setting,
    begun: Instant,
    desk: &Mutex<Desk<impl Iterator<Item = Sequence>>>,
    results: &mpsc::Sender<Explored>,
) {
    let mut explorer = Explorer::new(setting.limits);
    loop {
        let (number, sequence) = {
            let Ok(mut desk) = desk.lock() else { return };
            let late = setting.limit.is_some_and(|limit| begun.elapsed() >= limit);
            let enough = setting.images.is_some_and(|images| desk.images >= images);
            if late || enough || desk.next >= desk.stop {
                return;
            }
            let Some(sequence) = desk.sequences.next() else { return };
            desk.next += 1;
            (desk.next - 1, sequence)
        };
        let (from, cpu) = (Instant::now(), thread_nanos());
        // A panic of what is explored is a violation already; the hook must only keep quiet about it. One that comes
        // out of here is the explorer's own.
        let explored = panics::quietly(|| explorer.explore(&sequence));
        let case = explored.map(|judged| judged.err().map(|violation| Case::of(&sequence, &violation)));
        let tally = explorer.take_tally();
        if let Ok(mut desk) = desk.lock() {
            desk.images += tally.images;
            if !matches!(case, Ok(None)) {
                desk.stop = desk.stop.min(number);
            }
        }
        // Others may want the same core: what counts is the time that the processor really spent here.
        let spent = thread_nanos().zip(cpu).map(|(now, then)| Duration::from_nanos(now.saturating_sub(then)));
        let busy = spent.unwrap_or_else(|| from.elapsed());
        if results.send(Explored { number, tally, busy, case }).is_err() {
            return;
        }
    }
}

/// How long the processor has been at this thread, where the kernel says so.
fn thread_nanos() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// The case that a file holds, if it is one.
///
/// # Errors
/// If it is one and cannot be read.
pub(crate) fn case_in(path: &Path) -> Result<Option<Case>, Trouble> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = files::read_text(path)?;
    if !text.starts_with(FORMAT) {
        return Ok(None);
    }
    let case = text.parse::<Case>();
    case.map(Some).map_err(|why| {
        Trouble::new(format!("{} cannot be replayed: {why}; correct it by hand", path.display()))
    })
}

/// Replays a case and says how to exit.
pub(crate) fn replay(case: &Case, console: &mut Console<'_>) -> Result<u8, Trouble> {
    let from = Instant::now();
    let limits = Limits { depth: case.path.len() as u32, ..Limits::default() };
    let violation = panics::quietly(|| case.replay(limits)).map_err(Trouble::new)?;
    let text = report::replayed(case, violation.as_ref(), &human(from.elapsed().as_nanos()), console.paint());
    printed(console, &text)?;
    Ok(u8::from(violation.is_some()))
}
