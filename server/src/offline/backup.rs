//! `backup`: what counts of a stopped replica, in one file.

use super::archive::{self, Archive};
use super::medium::Stopped;
use super::{Listing, Subject, cli, startup};
use crate::identity::{self, Identity};
use crate::size;
use crate::trouble::Trouble;
use seedfast_core::journal::Metadata;
use seedfast_core::storage::Range;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// Makes a backup, reads it back, and says what is in it.
///
/// # Errors
/// The directory is none, is in use, or holds nothing whole to save; or the file exists or cannot be written.
pub(crate) fn run(options: &cli::Backup) -> Result<(), Trouble> {
    let cli::Backup { data, to } = options;
    let at = data.display();
    let identity = Identity::read(data)?;
    let journal = identity::journal(data);
    let source = Stopped::open(&journal).map_err(|why| Trouble::usage(why.to_string()))?;
    let subject = Subject::new(&journal, Box::new(source), Some(identity.clone()));
    let mut examination = subject.examine(None::<Listing>, &mut |_| ());
    subject.try_to_start(&mut examination);
    let (report, metadata) = (&examination.report, examination.metadata.as_ref());
    let whole = report.start.as_ref().is_some_and(|start| start.ready && start.halted.is_none());
    let (Some(metadata), Some(found), true) = (metadata, &report.journal, whole) else {
        let why = report.problems.first().map_or("its state must come from a peer first", String::as_str);
        return Err(Trouble::wrong(format!("{at} has no whole state to save: {why}; save another replica")));
    };
    let ranges = counts(metadata, found.log.used);
    let taken = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    archive::write(to, &*subject.source, &identity, &ranges, taken).map_err(|why| match why.kind() {
        io::ErrorKind::AlreadyExists => Trouble::usage(format!(
            "{} exists already, and a backup is not overwritten: name another file",
            to.display()
        )),
        _ => Trouble::usage(format!("{} cannot be written: {why}", to.display())),
    })?;
    let again = Archive::open(to).map_err(|why| Trouble::wrong(why.to_string()))?;
    let start = startup::start(&again, metadata);
    let before = report.start.as_ref().map(|start| (&start.digest, start.decided));
    if before != Some((&start.digest, start.decided)) || start.halted.is_some() {
        return Err(Trouble::wrong(format!(
            "{} does not give back what {at} holds: do not rely on it, and report this",
            to.display()
        )));
    }
    let log = &found.log;
    println!(
        "{}: replica {} of cluster {:032x}, everything below slot {} and {} votes above, {} keys, {}",
        to.display(),
        identity.node.0,
        identity.cluster.0,
        log.decided,
        log.undecided,
        start.keys,
        size::print(ranges.iter().map(|range| range.length).sum())
    );
    println!("content {:016x}", again.content);
    for problem in &report.problems {
        eprintln!("seedfast-kv: {problem}");
    }
    Ok(())
}

/// The parts of the device that count: metadata and marks, the snapshot, the log from its head to its tail.
fn counts(metadata: &Metadata, used: u64) -> Vec<Range> {
    let layout = metadata.layout;
    let mut ranges = vec![Range { at: 0, length: layout.snapshot(0) }];
    if let Some(snapshot) = metadata.snapshot {
        ranges.push(Range { at: layout.snapshot(snapshot.area.into()), length: snapshot.bytes });
    }
    let (head, lap) = (metadata.head.position, layout.lap());
    // At its end the ring goes on at its beginning.
    let used = layout.padded(used).min(lap);
    let first = used.min(lap - head % lap);
    ranges.push(Range { at: layout.offset(head), length: first });
    ranges.push(Range { at: layout.log(), length: used - first });
    ranges.retain(|range| range.length > 0);
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_goes_on_at_the_beginning_of_its_ring_is_saved_in_two_ranges() {
        let geometry = seedfast_core::Geometry::disk(16 << 10);
        let options = seedfast_core::journal::Options { copy: 512, area: 2048, segment: 2048, segments: 4 };
        let owner =
            seedfast_core::paxos::founding(Default::default(), Default::default(), Default::default());
        let contents = seedfast_core::journal::format(&owner, &geometry, &options).expect("it fits");
        let mut metadata = seedfast_core::journal::survey::metadata(
            &[&contents[0].1[..], &contents[1].1].concat(),
            &[],
            &geometry,
        )
        .expect("it was just made");
        let log = metadata.layout.log();
        metadata.head.position = 3 * 2048;
        let range = |at, length| Range { at, length };
        assert_eq!(counts(&metadata, 100)[1..], [range(log + 6144, 512)]);
        assert_eq!(counts(&metadata, 3000)[1..], [range(log + 6144, 2048), range(log, 1024)]);
        metadata.head.position += 2048;
        assert_eq!(counts(&metadata, 3000)[1..], [range(log, 3072)]);
        assert_eq!(counts(&metadata, 0).len(), 1);
    }
}
