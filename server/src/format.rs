//! `format`: makes the data directory of one replica.

use crate::cli;
use crate::identity::{DRAFT, FILE, Identity, JOURNAL, Media, journal};
use crate::size;
use crate::trouble::Trouble;
use seedfast_core::journal::{self as core_journal, FormatError, Standing};
use seedfast_core::paxos::Config;
use seedfast_core::runtime::{Device, Error, Runtime};
use seedfast_core::{
    Buffer, Completion, Durability, Geometry, GroupId, Incarnation, Input, OperationId, PeerSet, Step,
};
use seedfast_kv::Limits;
use seedfast_runtime_real::{Options, RealRuntime, device};
use std::fs;
use std::future::poll_fn;
use std::io;
use std::path::Path;

/// The one group that serves every key.
pub(crate) const GROUP: GroupId = GroupId(1);
/// The smallest journal, in bytes.
const SMALLEST: u64 = 16 << 20;
/// Every size is a multiple of this, in bytes, so that no device loses a part of a block.
const GRAIN: u64 = 4096;
/// The log takes a quarter of the journal, and no more than this: recovery holds it in memory.
const LOG_MOST: u64 = 256 << 20;

/// How many bytes of a journal of `size` bytes are log.
fn log_of(size: u64) -> u64 {
    (size / 4).min(LOG_MOST)
}

/// What the store takes: a quarter of what the log leaves, because each of two snapshot areas must hold all of it, small
/// keys and values with what their encoding adds. It is part of the state machine's definition, so it follows from the
/// size alone, which the cluster's identity vouches for.
pub(crate) fn limits(size: u64) -> Limits {
    let total = (size - log_of(size)) / 4;
    Limits { total: total.min(Limits::DEFAULT.total as u64) as usize, ..Limits::DEFAULT }
}

/// How a replica on a journal of `size` bytes behaves.
pub(crate) fn config(size: u64, voters: PeerSet) -> Config {
    let mut config = Config::new(GROUP, voters);
    // In memory the log may be as long as on the device, which says by itself when it is full.
    config.log_bytes = config.log_bytes.min(log_of(size));
    config.snapshot_bytes = config.snapshot_bytes.min(log_of(size) / 4);
    config
}

fn layout(geometry: &Geometry) -> core_journal::Options {
    let options = core_journal::Options::of(geometry);
    let unit = u64::from(geometry.alignment.max(geometry.atomic)).max(64);
    // A segment holds a whole batch, and a few of them can be freed while others are written.
    let log = log_of(geometry.capacity);
    let segments = if log < 16 << 19 { 4 } else { 16 };
    let segment = log / segments / unit * unit;
    let rest = geometry.capacity - 2 * options.copy - 2 * unit - segment * segments;
    core_journal::Options { area: rest / 2 / unit * unit, segment, segments: segments as u32, ..options }
}

/// Makes the data directory.
///
/// # Errors
/// What makes no sense or does not work; then everything is as it was.
pub(crate) fn run(options: &cli::Format) -> Result<(), Trouble> {
    let cli::Format { who, data, name, size, nvm, replacement } = options;
    who.replica()?;
    let cli::Who { id, cluster } = who;
    let identity = Identity {
        cluster: cluster.id(name.as_deref(), *size),
        name: name.clone(),
        node: *id,
        members: cluster.clone(),
        media: if *nvm { Media::Nvm } else { Media::Disk },
        size: *size,
        standing: if *replacement { Standing::Replacement } else { Standing::Founding },
    };
    make(&identity, data)?;
    println!("{}: replica {} of cluster {:032x}", data.display(), id.0, identity.cluster.0);
    println!(
        "journal of {}, which holds {} of keys and values",
        size::print(*size),
        size::print(limits(*size).total as u64)
    );
    Ok(())
}

/// Makes `directory` for `identity`.
///
/// # Errors
/// What makes no sense or does not work; then everything is as it was.
pub(crate) fn make(identity: &Identity, directory: &Path) -> Result<(), Trouble> {
    make_with(identity, directory, |_| Ok(()))
}

/// Makes `directory` for `identity`, with what `more` writes to its journal: before the directory has an identity, so that
/// nobody serves from a part of it.
///
/// # Errors
/// As [`make`], and those of `more`.
pub(crate) fn make_with(
    identity: &Identity,
    directory: &Path,
    more: impl FnOnce(&Path) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let at = directory.display();
    if identity.size < SMALLEST || !identity.size.is_multiple_of(GRAIN) {
        return Err(Trouble::usage(format!(
            "--size: a journal has at least {} and whole blocks of {GRAIN} bytes",
            size::print(SMALLEST)
        )));
    }
    let refused = |why: &io::Error| Trouble::usage(format!("{at} cannot be made: {why}"));
    let made = match fs::read_dir(directory) {
        Ok(mut entries) => match entries.next() {
            None => false,
            Some(_) if directory.join(FILE).exists() => {
                return Err(Trouble::usage(format!(
                    "{at} is a data directory already, and formatting it again would make the replica forget what it \
                     promised: serve from it, or name another directory"
                )));
            }
            Some(_) => {
                return Err(Trouble::usage(format!(
                    "{at} is not empty: name a directory that is, or a new one"
                )));
            }
        },
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            create(directory).map_err(|why| refused(&why))?
        }
        Err(why) => return Err(refused(&why)),
    };
    let filled = fill(identity, directory, more);
    // It stays if somebody else has put something there meanwhile.
    if filled.is_err() && made {
        let _ = fs::remove_dir(directory);
    }
    filled
}

/// Makes `directory`, and whatever it is to lie in; whether it was not there before.
fn create(directory: &Path) -> io::Result<bool> {
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or(Ok(()), fs::create_dir_all)?;
    match fs::create_dir(directory) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true),
    }
}

/// Fills an empty directory. Another process may be about to fill it too: whoever makes the journal has the directory, and
/// what somebody else made is not touched.
fn fill(
    identity: &Identity,
    directory: &Path,
    more: impl FnOnce(&Path) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    device::create(journal(directory), identity.size).map_err(|why| {
        Trouble::usage(match why {
            Error::InUse(_) => format!(
                "{}: another process makes a data directory there: name another directory",
                directory.display()
            ),
            why => why.to_string(),
        })
    })?;
    let filled = write_all(identity, directory, more);
    if filled.is_err() {
        for file in [FILE, DRAFT, JOURNAL] {
            let _ = fs::remove_file(directory.join(file));
        }
    }
    filled
}

/// Writes what belongs in a journal that is all zeros, and then the identity beside it.
fn write_all(
    identity: &Identity,
    directory: &Path,
    more: impl FnOnce(&Path) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let trouble = |why: Error| Trouble::usage(why.to_string());
    let (owned, name) = (identity.clone(), identity.device(directory));
    seedfast_runtime_real::run(
        Options::new(),
        move |runtime| async move { write(&runtime, &owned, &name).await },
    )
    .map_err(trouble)??;
    more(directory)?;
    // Last: a directory with an identity has a journal that is whole.
    identity
        .write(directory)
        .map_err(|why| Trouble::usage(format!("{}: {why}", directory.join(FILE).display())))
}

/// What an empty journal holds, as offsets and bytes.
///
/// # Errors
/// The device is too small.
pub(crate) fn empty(
    identity: &Identity,
    geometry: &Geometry,
    serial: u64,
) -> Result<Vec<(u64, Vec<u8>)>, FormatError> {
    let Identity { cluster, node, standing, .. } = *identity;
    let owner = core_journal::Identity { cluster, group: GROUP, node, serial, standing };
    core_journal::format(&owner, geometry, &layout(geometry))
}

/// Writes what an empty journal holds to the device `name`, durably.
async fn write(runtime: &RealRuntime, identity: &Identity, name: &str) -> Result<(), Trouble> {
    let mut device = runtime.device(name).await.map_err(|why| Trouble::usage(why.to_string()))?;
    let mut serial = [0; 8];
    serial.copy_from_slice(&runtime.entropy()[..8]);
    let contents = empty(identity, &device.geometry(), u64::from_le_bytes(serial));
    let contents = contents.map_err(|why| Trouble::usage(format!("{name}: {why}")))?;
    let steps = contents.into_iter().map(|(at, bytes)| Step::Write { at, buffer: Buffer::from(bytes) });
    let op = OperationId { incarnation: Incarnation(1), number: 1 };
    device.submit(op, steps.collect(), Durability::Durable);
    let mut inputs = Vec::new();
    poll_fn(|cx| device.poll_completed(cx, &mut inputs, 1)).await;
    match inputs.pop() {
        Some(Input::Completed { result: Completion::Done, .. }) => Ok(()),
        other => Err(Trouble::usage(format!("{name} cannot be written: {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::NodeId;
    use seedfast_core::journal::Layout;

    /// Both found it empty.
    #[test]
    fn of_two_that_make_one_directory_the_second_is_refused_and_touches_nothing_of_the_first() {
        let directory = std::env::temp_dir().join(format!("seedfast-format-{}", std::process::id()));
        let identity = |node| {
            let members: crate::cluster::Cluster = "1=a:1,2=b:1".parse().expect("it is well written");
            let (cluster, standing) = (members.id(None, SMALLEST), Standing::Founding);
            let (media, size) = (Media::Disk, SMALLEST);
            Identity { cluster, name: None, node: NodeId(node), members, media, size, standing }
        };
        let second = |directory: &Path| {
            let before = fs::read(journal(directory)).expect("the first one made it");
            let refused = fill(&identity(2), directory, |_| Ok(())).expect_err("it is taken");
            assert!(refused.to_string().contains("another process"), "{refused}");
            assert!(fs::read(journal(directory)).expect("it is still there") == before);
        };
        let first = make_with(&identity(1), &directory, |directory| {
            second(directory);
            Ok(())
        });
        first.expect("nothing was in its way");
        second(&directory);
        assert_eq!(Identity::read(&directory).expect("it is whole"), identity(1));
        fs::remove_dir_all(&directory).expect("it is there");
        let failed = make_with(&identity(1), &directory, |_| Err(Trouble::usage("no")));
        assert!(failed.is_err() && !directory.exists(), "what it made goes with it");
    }

    /// Replicas of one cluster must refuse the same commands. Its identity vouches for the size, and for what follows from
    /// it only as long as all programs work out the same: whoever changes a figure here changes the number in
    /// [`Cluster::id`](crate::cluster::Cluster::id) too.
    #[test]
    fn what_the_store_takes_follows_from_the_size_as_it_always_did() {
        let totals = [16 << 20, 256 << 20, 1 << 30, 1 << 33, 1 << 40].map(|size| limits(size).total);
        assert_eq!(totals, [3 << 20, 48 << 20, 192 << 20, (8 << 28) - (64 << 20), 4 << 30]);
        let Limits { key, value, list, reply, .. } = limits(SMALLEST);
        assert_eq!([key, value, list, reply], [4 << 10, 1 << 20, 16 << 20, 16 << 20]);
    }

    #[test]
    fn whatever_the_store_takes_fits_a_snapshot_area_and_batches_fit_the_segments() {
        for size in [SMALLEST, 64 << 20, 256 << 20, 1 << 30, 1 << 36] {
            for geometry in [
                Geometry::disk(size),
                Geometry { alignment: 4096, ..Geometry::disk(size) },
                Geometry::nvm(size),
            ] {
                let options = layout(&geometry);
                let layout = Layout::new(&geometry, &options).expect("it fits");
                // An entry takes nine bytes more than its key and value, a piece of a snapshot a little.
                assert!(limits(size).total as u64 / 8 * 15 <= layout.area, "{size}");
                let config = config(size, PeerSet::first(3));
                assert_eq!(config.validate(), Ok(()));
                assert!(u64::from(config.batch_bytes) + 1024 < layout.segment, "{size}");
                assert!(config.log_bytes <= layout.lap().next_multiple_of(1 << 20));
            }
        }
    }
}
