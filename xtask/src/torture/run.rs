//! One torture from its beginning to its verdict.

use super::client::{Client, Shared};
use super::cluster::{Cluster, Counts, PATIENCE};
use super::judge;
use super::ledger::Silence;
use super::nemesis::Nemesis;
use super::plan::{Plan, Round, Strike, Whom};
use super::settings::{Extent, Settings};
use super::watch::{self, Standing, Watch};
use crate::{Trouble, Verdict, failed, shell};
use seedfast_scenarios::history::{End, History, Key};
use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// How often it is said how far it is.
const PROGRESS: Duration = Duration::from_secs(15);

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// What the seed's plan says.
    Usual,
    /// The self-test's: a few kills, and a majority that forgets, if it is told to.
    Trial {
        /// Whether it is.
        forget: bool,
    },
}

/// What was done and found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// What is wrong, the first thing first.
    pub(crate) findings: Vec<String>,
    rounds: u64,
    kill_rounds: u64,
    seconds: u64,
    operations: u64,
    answered: u64,
    refused: u64,
    doubt: u64,
    keys: u64,
    leaders: u64,
    full: u64,
    silence: Silence,
    counts: Counts,
    applied: u64,
    mapped: bool,
    replayed: u64,
    disk: Option<&'static str>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { counts, silence, .. } = self;
        writeln!(f, "rounds {} ({} with kill -9) in {} s", self.rounds, self.kill_rounds, self.seconds)?;
        writeln!(
            f,
            "operations {}: {} answered, {} refused, {} in doubt, on {} keys; {} slots",
            self.operations, self.answered, self.refused, self.doubt, self.keys, self.applied
        )?;
        writeln!(
            f,
            "kill -9 {}, SIGSTOP {}, links cut {}, links stalled {}",
            counts.kills, counts.stops, counts.cuts, counts.stalls
        )?;
        match self.disk {
            Some(kind) => writeln!(
                f,
                "disk ({kind}) filled {} times, its replica ended {} times for that",
                counts.fills, counts.ended_full
            )?,
            None => writeln!(f, "no disk was filled")?,
        }
        let (millis, ended) = (silence.nanos / 1_000_000, silence.ended / 1_000_000);
        writeln!(
            f,
            "leader changes seen {}; longest time without an answer {millis} ms, until {}.{:03} s",
            self.leaders.saturating_sub(1),
            ended / 1000,
            ended % 1000
        )?;
        if self.mapped {
            writeln!(f, "the journal of replica 1 was mapped")?;
        }
        if self.replayed > 0 {
            writeln!(f, "recorded lives that were the same when they were lived again {}", self.replayed)?;
        }
        if self.full > 0 {
            writeln!(f, "writes that found the store full {}", self.full)?;
        }
        match self.findings.is_empty() {
            true => writeln!(
                f,
                "every key linearizable, no acknowledged write lost, replicas equal, journals sound"
            ),
            false => self.findings.iter().try_for_each(|finding| writeln!(f, "FOUND {finding}")),
        }
    }
}

/// Notes what a step found and goes on; what could not be done at all ends the run.
fn note(report: &mut Report, step: Verdict) -> Verdict {
    match step {
        Ok(()) => Ok(()),
        Err(Trouble::Failed(finding)) => {
            eprintln!("found: {finding}");
            report.findings.push(finding);
            Ok(())
        }
        Err(cannot) => Err(cannot),
    }
}

/// Tortures a new cluster of `binary`.
pub(crate) fn run(settings: &Settings, binary: &Path, manner: Manner) -> Verdict<Report> {
    fs::create_dir_all(&settings.out)
        .map_err(|why| Trouble::Cannot(format!("{} cannot be made: {why}", settings.out.display())))?;
    let mut cluster = Cluster::format(settings, binary, manner == Manner::Usual)?;
    let (mapped, disk) = (settings.mapped(), cluster.small_disk());
    let mut report = Report { mapped, disk, ..Report::default() };
    (0..cluster.len()).try_for_each(|index| cluster.start(index))?;
    let shared = Shared::new(cluster.places());
    let begin = Instant::now();
    let watch = Watch::begin(&shared);
    let clients: Vec<_> = (0..settings.clients)
        .map(|number| {
            let mut client = Client::new(number, settings.clients, settings.seed, &shared.places);
            let shared = shared.clone();
            thread::spawn(move || {
                client.work(&shared);
                client
            })
        })
        .collect();
    let struck = strike(settings, manner, &mut cluster, &shared, &watch, &mut report);
    shared.stop.store(true, Ordering::Relaxed);
    let clients: Vec<Client> = clients.into_iter().map_while(|client| client.join().ok()).collect();
    note(&mut report, struck)?;
    if clients.len() < settings.clients {
        return Err(Trouble::Cannot("a client's thread ended by itself: a bug of the torturer".into()));
    }
    let finals = finish(&mut cluster, &shared, clients, &mut report)?;
    report.counts = cluster.counts;
    report.leaders = watch.end();
    let (history, silence, full, trouble) = shared.ledger.close();
    (report.silence, report.full) = (silence, full);
    report.findings.extend(trouble);
    count(&mut report, &history);
    report.findings.extend(judge::judge(&history, finals).err());
    report.seconds = begin.elapsed().as_secs();
    drop(cluster);
    if let Some(replayer) = &settings.replayer {
        let replayed = replay(replayer, &settings.out.join("recordings"), &mut report);
        note(&mut report, replayed)?;
    }
    if !report.findings.is_empty() {
        shell::write(&settings.out.join("history.jsonl"), history.json_lines())?;
    } else if !settings.keep {
        // Nobody needs it any more; what cannot be removed is only in the way.
        let _ = fs::remove_dir_all(&settings.out);
    }
    Ok(report)
}

/// Every life that was recorded is lived again and asks for the same in every turn.
fn replay(replayer: &Path, recordings: &Path, report: &mut Report) -> Verdict {
    let replayed = shell::output(shell::command(replayer).arg("replay").arg(recordings))?;
    let said = String::from_utf8_lossy(&replayed.stdout);
    report.replayed = said.lines().filter(|line| line.starts_with("SAME")).count() as u64;
    let errors = String::from_utf8_lossy(&replayed.stderr);
    // Whoever is killed before the first block of his recording is whole leaves none.
    let wrong = |line: &&str| line.starts_with("error:") && !line.contains("never written whole");
    let verdict = |line: &&str| line.starts_with(char::is_uppercase) && !line.starts_with("SAME");
    match (replayed.status.code(), said.lines().find(verdict).or(errors.lines().find(wrong))) {
        (Some(0 | 2), None) => Ok(()),
        (code, why) => failed(format!(
            "a recorded life is not lived again as it was: {}",
            why.map_or_else(|| format!("`seedfast replay` ended with {code:?}"), str::to_owned)
        )),
    }
}

fn count(report: &mut Report, history: &History) {
    report.operations = history.operations().len() as u64;
    for operation in history.operations() {
        match operation.ended.as_ref().map(|(_, end)| end) {
            Some(End::Fail) => report.refused += 1,
            Some(End::Info) | None => report.doubt += 1,
            Some(_) => report.answered += 1,
        }
    }
}

/// All rounds.
fn strike(
    settings: &Settings,
    manner: Manner,
    cluster: &mut Cluster,
    shared: &Shared,
    watch: &Watch,
    report: &mut Report,
) -> Verdict {
    let path = settings.out.join("nemesis.log");
    let log = File::create(&path).map_err(|why| Trouble::Cannot(format!("{}: {why}", path.display())))?;
    let mut plan = Plan::new(settings.seed, cluster.len(), cluster.small_disk().is_some());
    let mut nemesis = Nemesis { cluster, shared, watch, log, aside: Vec::new() };
    let mut round = |number: u64, round: &Round| {
        report.rounds = number;
        report.kill_rounds += u64::from(round.strikes.iter().any(|strike| strike.kills()));
        nemesis.round(number, round)
    };
    if let Manner::Trial { forget } = manner {
        return (1..).zip(trial(forget)).try_for_each(|(number, strikes)| round(number, &strikes));
    }
    let mut said = Instant::now();
    for number in 1.. {
        match settings.extent {
            Extent::For(time) if shared.ledger.elapsed() >= time => break,
            Extent::Rounds(rounds) if number > rounds => break,
            _ if shared.spent.load(Ordering::Relaxed) => {
                eprintln!("the history can hold no more keys: no further rounds");
                break;
            }
            _ => {}
        }
        round(number, &plan.next())?;
        if said.elapsed() >= PROGRESS {
            said = Instant::now();
            let (seconds, done) = (shared.ledger.elapsed().as_secs(), shared.ledger.done());
            eprintln!("{seconds} s: {number} rounds, {done} operations answered");
        }
    }
    Ok(())
}

/// The rounds of the self-test.
fn trial(forget: bool) -> Vec<Round> {
    let round = |strike| Round {
        strikes: vec![strike],
        hold: Duration::from_millis(300),
        rest: Duration::from_millis(1_000),
        recover: true,
    };
    let mut rounds =
        vec![round(Strike::Kill(Whom::Leader)), round(Strike::PutAside), round(Strike::Kill(Whom::Leader))];
    if forget {
        rounds.push(round(Strike::Forget));
    }
    rounds
}

/// All is healed; every process is killed once more, so that what is read now comes from the journals; every key is read
/// in both dialects; the replicas are compared; all end in peace and their journals are verified. Hands back the number
/// of the first operation that is one of the last reads.
fn finish(
    cluster: &mut Cluster,
    shared: &Arc<Shared>,
    clients: Vec<Client>,
    report: &mut Report,
) -> Verdict<usize> {
    note(report, cluster.heal())?;
    for index in 0..cluster.len() {
        note(report, cluster.kill(index))?;
    }
    note(report, cluster.heal())?;
    let finals = shared.ledger.begun();
    let keys: Arc<Vec<Key>> = Arc::new(shared.ledger.keys());
    report.keys = keys.len() as u64;
    // Every dialect reads every key; its clients share them.
    let count = clients.len();
    let readers: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(number, mut client)| {
            let (keys, shared) = (keys.clone(), shared.clone());
            let of_dialect = count.div_ceil(2) - usize::from(number % 2 == 1 && count % 2 == 1);
            thread::spawn(move || {
                let own: Vec<Key> = keys.iter().copied().skip(number / 2).step_by(of_dialect).collect();
                client.read_finally(&own, PATIENCE, &shared)
            })
        })
        .collect();
    for reader in readers {
        match reader.join() {
            Ok(Ok(())) => {}
            Ok(Err(key)) => {
                let seconds = PATIENCE.as_secs();
                let why =
                    format!("{key} could not be read within {seconds} s although everything was healed");
                note(report, failed(why))?;
            }
            Err(_) => {
                return Err(Trouble::Cannot(
                    "a reader's thread ended by itself: a bug of the torturer".into(),
                ));
            }
        }
    }
    note(report, cluster.ended())?;
    let compared = compare(cluster, report);
    note(report, compared)?;
    note(report, cluster.end())?;
    Ok(finals)
}

/// All replicas apply the same slots and are equal then.
fn compare(cluster: &Cluster, report: &mut Report) -> Verdict {
    let until = Instant::now() + PATIENCE;
    loop {
        let places = cluster.places();
        let found: Vec<Option<Standing>> =
            places.iter().map(|place| watch::ask(place, Duration::from_secs(2))).collect();
        let known: Vec<&Standing> = found.iter().flatten().collect();
        let first = known.first().map(|first| (first.applied, first.digest.clone()));
        if let Some((applied, digest)) = first
            && known.len() == places.len()
            && known.iter().all(|standing| standing.applied == applied)
        {
            report.applied = applied;
            return match known.iter().position(|standing| standing.digest != digest) {
                None => Ok(()),
                Some(other) => failed(format!(
                    "replicas 1 and {} applied {applied} slots and hold different states",
                    other + 1
                )),
            };
        }
        if Instant::now() >= until {
            let told = |standing: &Option<Standing>| {
                standing.as_ref().map_or("silent".to_owned(), |standing| standing.applied.to_string())
            };
            let told: Vec<String> = found.iter().map(told).collect();
            return failed(format!(
                "the replicas have not caught up with each other within {} s; slots applied: {}",
                PATIENCE.as_secs(),
                told.join(", ")
            ));
        }
        thread::sleep(Duration::from_millis(100));
    }
}
