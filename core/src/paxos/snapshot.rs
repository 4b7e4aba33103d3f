//! What a snapshot holds, as bytes: the state machine, the session table and the clock of one moment.
//!
//! ```text
//! snapshot: version u8 = 1 | slot u64 | time i64 | digest u64 | sessions | machine
//! ```
//! `slot` is the first one that is not in it, `time` the timestamp of the last batch that is, `digest` that of all of
//! it. The sessions know where they end, and the machine's bytes are the rest. Replicas that stop at one slot write the
//! same bytes (I15), and how they are cut into pieces is nobody's business but the device's: so a transfer goes on at
//! another peer where it stopped.

use super::Slot;
use super::sessions::{Coming, Sessions};
use super::wire::SnapshotName;
use crate::codec::{Malformed, Reader, Write};
use crate::machine::{Chunk, StateMachine};
use crate::time::WallTime;
use alloc::vec::Vec;
use xxhash_rust::xxh3::Xxh3;

const VERSION: u8 = 1;
const HEAD: usize = 25;

/// What stands in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Everything below is in the snapshot.
    pub(crate) slot: Slot,
    /// The timestamp of the last batch in it.
    pub(crate) time: WallTime,
    /// The digest of machine, sessions and time.
    pub(crate) digest: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Sessions,
    Machine,
    Done,
}

/// A snapshot being written while commands go on.
pub(crate) struct Writing {
    pub(crate) head: Head,
    part: Part,
    bytes: u64,
    hash: Xxh3,
}

impl Writing {
    /// Freezes machine and sessions: what they are at this moment is what is written.
    pub(crate) fn begin<M: StateMachine>(
        head: Head,
        machine: &mut M,
        sessions: &mut Sessions,
        piece: &mut Vec<u8>,
    ) -> Self {
        machine.freeze();
        sessions.freeze();
        piece.clear();
        piece.u8(VERSION);
        piece.u64(head.slot.0);
        piece.u64(head.time.0 as u64);
        piece.u64(head.digest);
        Writing { head, part: Part::Sessions, bytes: 0, hash: Xxh3::new() }
    }

    /// Appends to `piece` until it holds about `most` bytes, by a bounded amount of work: it may come out shorter. A
    /// session whose answers are large may make it longer.
    pub(crate) fn fill<M: StateMachine>(
        &mut self,
        machine: &mut M,
        sessions: &mut Sessions,
        most: usize,
        piece: &mut Vec<u8>,
    ) {
        if self.part == Part::Sessions
            && let Some(room) = most.checked_sub(piece.len()).filter(|room| *room > 0)
            && sessions.chunk(room, piece) == Chunk::Last
        {
            self.part = Part::Machine;
        }
        if self.part == Part::Machine
            && let Some(room) = most.checked_sub(piece.len()).filter(|room| *room > 0)
            && machine.chunk(room, piece) == Chunk::Last
        {
            self.part = Part::Done;
        }
    }

    /// Whether everything was handed out by [`fill`](Self::fill).
    pub(crate) fn is_done(&self) -> bool {
        self.part == Part::Done
    }

    /// Bytes leave for the device, in order.
    pub(crate) fn leave(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
    }

    /// The snapshot's name, once all has left.
    pub(crate) fn name(&self) -> SnapshotName {
        SnapshotName { slot: self.head.slot, bytes: self.bytes, checksum: self.hash.digest() }
    }

    /// It is given up.
    pub(crate) fn abandon<M: StateMachine>(self, machine: &mut M, sessions: &mut Sessions) {
        machine.thaw();
        sessions.thaw();
    }
}

/// A snapshot being read. Until [`end`](Self::end), the machine's own state stands.
pub(crate) struct Reading {
    front: Vec<u8>,
    head: Option<Head>,
    coming: Option<Coming>,
    sessions: Option<Sessions>,
    bytes: u64,
    hash: Xxh3,
}

impl Reading {
    /// Begins to read one that belongs to a replica with such a session table.
    pub(crate) fn begin<M: StateMachine>(machine: &mut M, sessions: &Sessions) -> Self {
        machine.restore_begin();
        Reading {
            front: Vec::new(),
            head: None,
            coming: Some(sessions.coming()),
            sessions: None,
            bytes: 0,
            hash: Xxh3::new(),
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Malformed`] if they cannot be a snapshot's; nothing has changed.
    pub(crate) fn take<M: StateMachine>(&mut self, machine: &mut M, bytes: &[u8]) -> Result<(), Malformed> {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
        let mut rest = bytes;
        if self.head.is_none() {
            let (front, behind) = rest.split_at(rest.len().min(HEAD - self.front.len()));
            self.front.extend_from_slice(front);
            rest = behind;
            if self.front.len() < HEAD {
                return Ok(());
            }
            let mut fields = Reader::new(&self.front);
            if fields.u8()? != VERSION {
                return Err(Malformed);
            }
            let (slot, time, digest) = (Slot(fields.u64()?), WallTime(fields.u64()? as i64), fields.u64()?);
            self.head = Some(Head { slot, time, digest });
        }
        if let Some(coming) = &mut self.coming {
            let Some(behind) = coming.take(rest)? else { return Ok(()) };
            rest = &rest[rest.len() - behind..];
            self.sessions = self.coming.take().map(Coming::end).transpose()?;
        }
        if rest.is_empty() { Ok(()) } else { machine.restore_chunk(rest) }
    }

    /// The name of what was read so far, if it can be a snapshot at all.
    pub(crate) fn name(&self) -> Option<SnapshotName> {
        let (bytes, checksum) = (self.bytes, self.hash.digest());
        self.head.map(|head| SnapshotName { slot: head.slot, bytes, checksum })
    }

    /// What stood in front, if what was read is a whole snapshot.
    ///
    /// # Errors
    /// [`Malformed`] if it is none.
    pub(crate) fn check<M: StateMachine>(&self, machine: &M) -> Result<Head, Malformed> {
        machine.restore_check()?;
        self.head.filter(|_| self.sessions.is_some()).ok_or(Malformed)
    }

    /// Puts machine and sessions in place.
    ///
    /// # Errors
    /// [`Malformed`] if what was read is no whole snapshot; nothing has changed.
    pub(crate) fn end<M: StateMachine>(
        self,
        machine: &mut M,
        sessions: &mut Sessions,
    ) -> Result<Head, Malformed> {
        let head = self.check(machine)?;
        let table = self.sessions.ok_or(Malformed)?;
        machine.restore_end()?;
        *sessions = table;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sessions::Admission;
    use super::*;
    use proptest::prelude::*;

    /// A list of commands, with a machine's laws and no more.
    #[derive(Clone, Default)]
    struct Tape {
        commands: Vec<u8>,
        frozen: Vec<u8>,
        coming: Option<Vec<u8>>,
    }

    impl StateMachine for Tape {
        fn apply(&mut self, _: WallTime, command: &[u8], reply: &mut Vec<u8>) {
            self.commands.extend_from_slice(command);
            reply.extend_from_slice(command);
        }
        fn query(&self, _: &[u8], _: &mut Vec<u8>) {}
        fn digest(&self) -> u64 {
            xxhash_rust::xxh3::xxh3_64(&self.commands)
        }
        fn freeze(&mut self) {
            self.frozen.clear();
            self.frozen.block(&self.commands);
        }
        fn chunk(&mut self, most: usize, bytes: &mut Vec<u8>) -> Chunk {
            bytes.extend(self.frozen.drain(..most.min(self.frozen.len())));
            if self.frozen.is_empty() { Chunk::Last } else { Chunk::More }
        }
        fn thaw(&mut self) {
            self.frozen.clear();
        }
        fn restore_begin(&mut self) {
            self.coming = Some(Vec::new());
        }
        fn restore_chunk(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
            self.coming.as_mut().ok_or(Malformed)?.extend_from_slice(bytes);
            Ok(())
        }
        fn restore_check(&self) -> Result<(), Malformed> {
            let mut fields = Reader::new(self.coming.as_deref().ok_or(Malformed)?);
            fields.block()?;
            fields.end()
        }
        fn restore_end(&mut self) -> Result<(), Malformed> {
            self.restore_check()?;
            self.commands = self.coming.take().ok_or(Malformed)?.split_off(4);
            Ok(())
        }
    }

    fn apply(machine: &mut Tape, sessions: &mut Sessions, slot: u64, command: u8) {
        if command.is_multiple_of(5) {
            sessions.open(Slot(slot));
            return;
        }
        let session = crate::id::SessionId(1 << 32 | u64::from(command % 3));
        if sessions.admit(session, slot, slot, Slot(slot)) == Admission::Execute {
            let mut reply = Vec::new();
            machine.apply(WallTime(0), &[command; 9][..usize::from(command % 10)], &mut reply);
            sessions.record(session, slot, &reply);
        }
    }

    fn written(
        machine: &mut Tape,
        sessions: &mut Sessions,
        head: Head,
        most: usize,
    ) -> (Vec<u8>, SnapshotName) {
        let (mut piece, mut whole) = (Vec::new(), Vec::new());
        let mut writing = Writing::begin(head, machine, sessions, &mut piece);
        loop {
            writing.fill(machine, sessions, most, &mut piece);
            writing.leave(&piece);
            whole.append(&mut piece);
            if writing.is_done() {
                return (whole, writing.name());
            }
        }
    }

    proptest! {
        #[test]
        fn a_snapshot_comes_back_however_it_is_cut_and_a_damaged_one_changes_nothing(
            before in proptest::collection::vec(any::<u8>(), 0..40),
            during in proptest::collection::vec(any::<u8>(), 0..20),
            (most, size) in (1usize..200, 1usize..200),
            (at, cut) in (any::<prop::sample::Index>(), any::<bool>()),
        ) {
            let (mut machine, mut sessions) = (Tape::default(), Sessions::new(8, 4));
            for (slot, command) in before.iter().enumerate() {
                apply(&mut machine, &mut sessions, slot as u64 + 1, *command);
            }
            let digest = machine.digest() ^ sessions.digest();
            let head = Head { slot: Slot(before.len() as u64), time: WallTime(-7), digest };
            let (bytes, name) = written(&mut machine.clone(), &mut sessions, head, most);
            prop_assert_eq!(name.checksum, xxhash_rust::xxh3::xxh3_64(&bytes));
            prop_assert_eq!((name.slot, name.bytes), (head.slot, bytes.len() as u64));

            // The same while commands go on, in other pieces.
            let mut piece = Vec::new();
            let mut again = Vec::new();
            let mut writing = Writing::begin(head, &mut machine, &mut sessions, &mut piece);
            let mut more = during.iter();
            while !writing.is_done() {
                if let Some(command) = more.next() {
                    apply(&mut machine, &mut sessions, before.len() as u64 + 1, *command);
                }
                writing.fill(&mut machine, &mut sessions, size, &mut piece);
                writing.leave(&piece);
                again.append(&mut piece);
            }
            prop_assert_eq!(&again, &bytes);

            let (mut copy, mut table) = (Tape::default(), Sessions::new(8, 4));
            let mut reading = Reading::begin(&mut copy, &table);
            for chunk in bytes.chunks(size) {
                prop_assert_eq!(reading.check(&copy), Err(Malformed));
                prop_assert_eq!(reading.take(&mut copy, chunk), Ok(()));
            }
            prop_assert_eq!(reading.name(), Some(name));
            prop_assert_eq!(reading.check(&copy), Ok(head));
            prop_assert_eq!(reading.end(&mut copy, &mut table), Ok(head));
            prop_assert_eq!(copy.digest() ^ table.digest(), digest);

            // Cut short, it is none, and what was there stays.
            if cut && !bytes.is_empty() {
                let short = &bytes[..at.index(bytes.len())];
                let mut reading = Reading::begin(&mut copy, &table);
                let taken = short.chunks(size).try_for_each(|chunk| reading.take(&mut copy, chunk));
                prop_assert_eq!(taken.and_then(|()| reading.end(&mut copy, &mut table)), Err(Malformed));
                prop_assert_eq!(copy.digest() ^ table.digest(), digest);
            }
        }
    }
}
