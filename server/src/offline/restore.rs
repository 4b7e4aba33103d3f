//! `restore`: a new data directory from backups.
//!
//! A replica that came back with what it knew some time ago would have forgotten what it promised since, and a majority
//! could decide anew what another one had decided. So nothing comes back as it was (`docs/backup.md`): either the backups
//! found a new cluster, whose identity follows from their contents, or the replica takes the place of a lost one, learns,
//! and never votes.

use super::archive::{Archive, Unusable};
use super::dry::{self, Hands, Outcome};
use super::history::{self, History};
use super::medium::{Fresh, Medium, Stopped};
use super::{cli, former, startup};
use crate::cli::Who;
use crate::cluster::Cluster;
use crate::format;
use crate::identity::{Identity, Media, journal};
use crate::size;
use crate::trouble::Trouble;
use seedfast_core::journal::{Checkpoint, Expected, Happened, Journal, Kind, Metadata, NotNow, Standing};
use seedfast_core::paxos::Ballot;
use seedfast_core::storage::Failure;
use std::fs::OpenOptions;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// A group of records is closed when it has so many bytes.
const GROUP: usize = 256 << 10;
/// The longest name, so that the digest has room behind it.
const NAME: usize = 47;

/// Makes the data directory.
///
/// # Errors
/// What makes no sense or does not work; then everything is as it was.
pub(crate) fn run(options: &cli::Restore) -> Result<(), Trouble> {
    let mut archives = Vec::new();
    for path in &options.backups {
        archives.push(Archive::open(path).map_err(|why| match why {
            Unusable::Io(..) => Trouble::usage(why.to_string()),
            why => Trouble::wrong(why.to_string()),
        })?);
    }
    let Some(source) = archives.first().map(|archive| archive.identity.clone()) else {
        return Err(Trouble::usage("name at least one backup"));
    };
    if let Some(other) = archives.iter().find(|archive| archive.identity.cluster != source.cluster) {
        return Err(Trouble::usage(format!(
            "the backups are of different clusters, {:032x} and {:032x}: give those of one",
            source.cluster.0, other.identity.cluster.0
        )));
    }
    let identity = identity(options, &source, &archives)?;
    let history = history::read(&archives).map_err(Trouble::wrong)?;
    let founding = identity.standing == Standing::Founding;
    let mut history = if founding { history } else { history.decided_only() };
    let mut keys = 0;
    format::make_with(&identity, &options.data, |directory| {
        let journal = journal(directory);
        if identity.size != source.size {
            former::condense(&mut history, &source, directory, identity.size)?;
        }
        let at = journal.display();
        let file = OpenOptions::new().read(true).write(true).open(&journal);
        let file = file.map_err(|why| Trouble::usage(format!("{at} cannot be written: {why}")))?;
        fill(&mut Hands::new(Fresh(file)), &at.to_string(), &identity, &history)?;
        keys = check(&journal, &identity, &history)?;
        Ok(())
    })?;
    tell(options, &identity, &source, &archives, &history, keys);
    Ok(())
}

/// Who the new data directory is to belong to.
fn identity(options: &cli::Restore, source: &Identity, archives: &[Archive]) -> Result<Identity, Trouble> {
    let cli::Restore { who, found, replace, size, nvm, .. } = options;
    who.replica()?;
    let Who { id, cluster } = who;
    let media = if *nvm { Media::Nvm } else { Media::Disk };
    let made = |cluster_id, name, size, standing| Identity {
        cluster: cluster_id,
        name,
        node: *id,
        members: cluster.clone(),
        media,
        size,
        standing,
    };
    match (found, replace) {
        (Some(name), false) => {
            if name.len() > NAME {
                return Err(Trouble::usage(format!("--found: a name has at most {NAME} letters here")));
            }
            let name = founded(name, archives);
            let size = size.unwrap_or(source.size);
            Ok(made(cluster.id(Some(&name), size), Some(name), size, Standing::Founding))
        }
        (None, true) => {
            if size.is_some_and(|size| size != source.size) {
                return Err(Trouble::usage(format!(
                    "--size: the journals of that cluster have {}, and all must have the same",
                    size::print(source.size)
                )));
            }
            if cluster.id(source.name.as_deref(), source.size) != source.cluster {
                return Err(Trouble::usage(format!(
                    "--cluster names another cluster than the one of the backup, which is {}: correct it, or found a \
                     new one with --found",
                    source.members
                )));
            }
            Ok(made(source.cluster, source.name.clone(), source.size, Standing::Replacement))
        }
        _ => Err(Trouble::usage(
            "say what the backup is to become: --found NAME founds a new cluster, of which every replica is restored \
             from the same files; --replace gives a lost replica of the old cluster a start, and it never votes. As it \
             was it cannot come back: it would have forgotten what it promised since",
        )),
    }
}

/// The name of the new cluster: with the contents of the backups in it, so that replicas restored from other files are of
/// another cluster.
fn founded(name: &str, archives: &[Archive]) -> String {
    let mut contents: Vec<u64> = archives.iter().map(|archive| archive.content).collect();
    contents.sort_unstable();
    contents.dedup();
    let bytes: Vec<u8> = contents.into_iter().flat_map(u64::to_le_bytes).collect();
    format!("{name}-{:016x}", xxh3_64(&bytes))
}

/// What every replica of a new cluster has voted under: a first ballot, as if its lowest one had led. A value that is only
/// known to be decided is not told to a candidate who lacks it; a vote is. A replacement has voted for nothing.
fn ballot(identity: &Identity) -> Option<Ballot> {
    let founding = identity.standing == Standing::Founding;
    identity.members.voters().iter().next().filter(|_| founding).map(|lowest| Ballot::new(1, lowest))
}

/// Writes the history to a journal that was just formatted; its metadata. `at` is what it is called.
///
/// # Errors
/// It does not fit, or the device says no.
pub(crate) fn fill(
    hands: &mut Hands<Fresh>,
    at: &str,
    identity: &Identity,
    history: &History,
) -> Result<Metadata, Trouble> {
    let expected = Expected { cluster: identity.cluster, group: format::GROUP, node: identity.node };
    let (_, outcome) = dry::recover(hands, expected, &mut |_| ());
    let Outcome::Recovered(mut journal, _) = outcome else {
        return Err(Trouble::usage(format!("{at} cannot be read back")));
    };
    write(hands, &mut journal, history, ballot(identity)).map_err(|why| {
        Trouble::usage(match why {
            Unwritten::Room => format!(
                "the state does not fit a journal of {}: give a larger --size",
                size::print(identity.size)
            ),
            Unwritten::Device(failure) => format!("{at} cannot be written: {failure:?}"),
        })
    })?;
    Ok(journal.metadata().clone())
}

enum Unwritten {
    /// It does not fit.
    Room,
    Device(Failure),
}

impl From<Failure> for Unwritten {
    fn from(failure: Failure) -> Self {
        Unwritten::Device(failure)
    }
}

impl From<NotNow> for Unwritten {
    fn from(_: NotNow) -> Self {
        Unwritten::Room
    }
}

fn write(
    hands: &mut Hands<Fresh>,
    journal: &mut Journal,
    history: &History,
    ballot: Option<Ballot>,
) -> Result<(), Unwritten> {
    let mut durable = None;
    if let Some((slot, digest, pieces)) = &history.snapshot {
        journal.begin_snapshot(*slot, 0)?;
        for (index, piece) in pieces.iter().enumerate() {
            journal.write_piece(&[piece], index + 1 == pieces.len(), &mut hands.out)?;
            hands.settle(journal)?;
        }
        journal.finish_snapshot(*digest, &mut hands.out)?;
        durable = hands.settle(journal)?.into_iter().find_map(|happened| match happened {
            Happened::SnapshotDurable(snapshot) => Some(snapshot),
            _ => None,
        });
    }
    let first = history.first();
    let promised = ballot.map_or(0, |ballot| ballot.0);
    // In both copies, so that the first ballot is not used again even by a replica that loses its log.
    let checkpoint =
        Checkpoint { promised, decided: first, snapshot: durable, covered: first, configuration: None };
    journal.checkpoint(&checkpoint, &mut hands.out)?;
    hands.settle(journal)?;
    let kind = if ballot.is_some() { Kind::Vote } else { Kind::Learned };
    let mut gathered = 0;
    for (slot, value) in (history.first()..).zip(&history.values) {
        if value.len() > journal.largest() {
            return Err(Unwritten::Room);
        }
        journal.append(kind, slot, promised, 0, &[value], &mut hands.out);
        gathered += value.len();
        if gathered >= GROUP {
            commit(hands, journal, slot + 1)?;
            gathered = 0;
        }
    }
    commit(hands, journal, history.end)?;
    journal.rest(&mut hands.out);
    hands.settle(journal)?;
    hands.medium.sync()?;
    Ok(())
}

/// Writes what was appended, in as many groups as it takes.
fn commit(hands: &mut Hands<Fresh>, journal: &mut Journal, decided: u64) -> Result<(), Unwritten> {
    while journal.durable() < journal.position() {
        let before = journal.durable();
        journal.commit(decided, false, &mut hands.out).map_err(|_| Unwritten::Room)?;
        hands.settle(journal)?;
        if journal.durable() == before {
            return Err(Unwritten::Device(Failure::Device));
        }
    }
    Ok(())
}

/// Begins a replica on what was written. Returns how many keys it has.
fn check(path: &Path, identity: &Identity, history: &History) -> Result<usize, Trouble> {
    let at = path.display();
    let source = Stopped::open(path).map_err(|why| Trouble::usage(why.to_string()))?;
    let examined = super::examine::examine(&at.to_string(), &source, None, None, &mut |_| ());
    let Some(metadata) = examined.metadata.filter(|_| examined.report.sound) else {
        return Err(Trouble::wrong(format!("{at} was restored and is not sound: report this")));
    };
    debug_assert_eq!(metadata.identity.standing, identity.standing, "formatted as asked");
    let start = startup::start(&source, &metadata);
    match start.halted {
        Some(why) => Err(Trouble::wrong(format!(
            "what was restored cannot be started from ({why}); if the journal is smaller than the one of the backup, \
             give a larger --size"
        ))),
        None if !start.ready || start.applied != history.end => Err(Trouble::wrong(format!(
            "what was restored has slots below {} and should have them below {}: if the journal is smaller than the one \
             of the backup, give a larger --size",
            start.applied, history.end
        ))),
        None => Ok(start.keys),
    }
}

fn tell(
    options: &cli::Restore,
    identity: &Identity,
    source: &Identity,
    archives: &[Archive],
    history: &History,
    keys: usize,
) {
    let data = options.data.display();
    println!("{data}: replica {} of cluster {:032x}", identity.node.0, identity.cluster.0);
    println!("everything below slot {}, {keys} keys; backups made at {}", history.end, times(archives));
    if identity.standing == Standing::Replacement {
        println!("it takes the place of a lost replica: it learns from the others, and never votes");
        return;
    }
    println!(
        "it belongs to a new cluster, {}: restore every other replica from the same files with the same --found and \
         --cluster, once; one that is lost later is made with `format --replacement` or `restore --replace`",
        identity.name.as_deref().unwrap_or_default()
    );
    let (of, members) = (history.voters, voters(&source.members));
    if of > members / 2 {
        println!(
            "{of} of {members} replicas: whatever was acknowledged before the first backup was made is here"
        );
    } else {
        println!(
            "{of} of {members} replicas, which is no majority: {} votes that this replica did not know decided are taken \
             for decided, and what was acknowledged without it is missing; with backups of a majority nothing is",
            history.end - history.decided
        );
    }
}

fn voters(cluster: &Cluster) -> usize {
    cluster.voters().len()
}

fn times(archives: &[Archive]) -> String {
    let all: Vec<String> = archives.iter().map(|archive| utc(archive.taken)).collect();
    all.join(", ")
}

/// Seconds since 1970 as a date and a time of day, UTC.
fn utc(seconds: u64) -> String {
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        (days, month) = (days - length, month + 1);
    }
    let (hours, minutes, rest) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year}-{month:02}-{:02}T{hours:02}:{minutes:02}:{rest:02}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), date);
        }
    }
}
