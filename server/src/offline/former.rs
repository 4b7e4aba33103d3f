//! A history as one snapshot, for a cluster whose journals have another size than those that it happened on.
//!
//! What the store takes follows from the size (`docs/server.md`), and a command that found no room was refused, and its
//! client told so. Carried out again under other limits it would be taken, or another one be refused that was acknowledged:
//! another state. So the history is lived through once more on a journal of the former size, and the new cluster begins
//! with the state that came of it.

use super::dry::{self, Hands, Outcome};
use super::history::{self, History};
use super::medium::{Fresh, Medium};
use super::restore;
use super::startup::{Life, quietly};
use crate::format;
use crate::identity::Identity;
use crate::size;
use crate::trouble::Trouble;
use seedfast_core::journal::{Expected, SnapshotFound, Standing};
use seedfast_core::paxos::control;
use seedfast_core::{Buffer, Command, ConnectionId, Input};
use std::fs::{self, OpenOptions};
use std::path::Path;

/// The journal of the former size, which has no name any more while it is used.
const FILE: &str = "journal.former";

/// Makes one snapshot of what `history` of the cluster of `source` comes to, for journals of `size` bytes. `directory` has
/// room for a while.
///
/// # Errors
/// It cannot be lived through, or its state does not fit such a journal.
pub(crate) fn condense(
    history: &mut History,
    source: &Identity,
    directory: &Path,
    size: u64,
) -> Result<(), Trouble> {
    if history.end == 0 {
        return Ok(());
    }
    // Whoever was saved first may only have learned; here a replica lives that knows everything.
    let source = &Identity { standing: Standing::Founding, ..source.clone() };
    let path = directory.join(FILE);
    let made = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
    let made = made.and_then(|file| fs::remove_file(&path).and(file.set_len(source.size)).map(|()| file));
    let file = made.map_err(|why| Trouble::usage(format!("{} cannot be made: {why}", path.display())))?;
    let mut hands = Hands::new(Fresh(file));
    let former = "a journal of the former size";
    format::empty(source, &dry::geometry(&hands.medium), 0)
        .map_err(|why| Trouble::wrong(format!("{former} cannot be made: {why}")))?
        .into_iter()
        .try_for_each(|(at, bytes)| hands.medium.write(at, &Buffer::from(bytes)))
        .map_err(|why| Trouble::usage(format!("{} cannot be written: {why:?}", path.display())))?;
    let metadata = restore::fill(&mut hands, former, source, history)?;
    let lived = quietly(|| {
        let (mut life, standing) = Life::begin(hands.medium, &metadata)?;
        if standing.applied.0 != history.end {
            return Err(format!("it knows slots below {}", standing.applied.0));
        }
        let bytes = life.store().bytes() as u64;
        let snapshot = Command { connection: ConnectionId(0), bytes: Buffer::copy_from(control::SNAPSHOT) };
        let standing = life.tell(Input::Control(snapshot))?;
        if standing.snapshot.0 != history.end {
            return Err(format!("its snapshot is of slots below {}", standing.snapshot.0));
        }
        Ok((life.end(), bytes))
    });
    let (medium, bytes) = lived.map_err(|why| {
        Trouble::wrong(format!("what was saved cannot be lived through below slot {}: {why}", history.end))
    })?;
    let most = format::limits(size).total as u64;
    if bytes > most {
        return Err(Trouble::wrong(format!(
            "the state has {bytes} bytes of keys and values, and a journal of {} holds at most {most} bytes of them: give \
             a larger --size",
            size::print(size)
        )));
    }
    let mut hands = Hands::new(medium);
    let expected = Expected { cluster: source.cluster, group: format::GROUP, node: source.node };
    if let (_, Outcome::Recovered(mut journal, restored)) = dry::recover(&mut hands, expected, &mut |_| ())
        && let SnapshotFound::Whole(snapshot) = restored.snapshot
        && let Some(pieces) = history::pieces(&mut hands, &mut journal, &snapshot)
    {
        history.snapshot = Some((snapshot.slot, snapshot.digest, pieces));
        history.values.clear();
        return Ok(());
    }
    Err(Trouble::wrong("the state that was worked out cannot be read back: report this"))
}
