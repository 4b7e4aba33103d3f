//! What a replica is told by others: clients' requests, peers' messages, and the values and snapshots in them.

use super::Learned;
use super::secret::BLANK;
use seedfast_core::client::Request;
use seedfast_core::codec::{Malformed, Reader};
use seedfast_core::paxos::control::SNAPSHOT;
use seedfast_core::paxos::wire::{Address, Entry, HEADER, Message, SnapshotName};
use seedfast_core::paxos::{Slot, ValueId};
use seedfast_core::{Buffer, ClusterId, Completion, GroupId, Input, Kind, NodeId, Range};
use xxhash_rust::xxh3::xxh3_64;

/// A frame's message with the address that it names itself, whoever it reaches; none if it is damaged.
pub(super) fn message(frame: &Buffer) -> Option<(Address, NodeId, Message)> {
    let header = frame.get(..HEADER)?;
    let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let cluster = ClusterId(u128::from_le_bytes(header[16..32].try_into().expect("sixteen bytes")));
    let address = Address { cluster, group: GroupId(word(12)), epoch: word(32) };
    let (kind, sender) = (Kind(header[9]), NodeId(header[10]));
    Message::decode(&address, sender, kind, frame).ok().map(|message| (address, sender, message))
}

fn blank(bytes: &[u8]) -> Buffer {
    Buffer::from(vec![BLANK; bytes.len()])
}

impl Learned<'_> {
    /// Notes what an input tells of snapshots.
    pub(super) fn listen(&mut self, input: &Input) {
        let Input::Receive { frame, .. } = input else { return };
        if let Some((_, _, Message::Piece { name, offset, bytes })) = message(frame) {
            self.feed(name.slot.0, offset, &bytes);
        }
    }

    /// Snapshot bytes came by.
    pub(super) fn feed(&mut self, slot: u64, offset: u64, bytes: &[u8]) {
        let mask = self.secret.mask();
        self.streams.entry(slot).or_default().feed(offset, bytes, mask);
    }

    /// The input as it may be told; `read` is what a completion brings, if it brings bytes, and whether nothing had been
    /// written yet.
    pub(super) fn redact(&mut self, input: &Input, read: Option<(Range, bool)>) -> Input {
        match input {
            Input::Receive { from, kind, group, frame } => {
                Input::Receive { from: *from, kind: *kind, group: *group, frame: self.frame(frame) }
            }
            Input::Completed { op, result: Completion::Data(bytes) } => {
                let told = match read {
                    Some((range, true)) => self.image.at(range.at, bytes),
                    Some((range, false)) => self.region(range.at, bytes),
                    None => vec![BLANK; bytes.len()],
                };
                Input::Completed { op: *op, result: Completion::Data(Buffer::from(told)) }
            }
            Input::Request { group, connection, session, sequence, bytes } => {
                let told = self.request(bytes);
                let (group, connection, session, sequence) = (*group, *connection, *session, *sequence);
                Input::Request { group, connection, session, sequence, bytes: told }
            }
            Input::Control(command) if &command.bytes[..] != SNAPSHOT => {
                let mut told = command.clone();
                told.bytes = blank(&command.bytes);
                Input::Control(told)
            }
            // Taken apart by name: an input that is added must be thought about.
            Input::Start(_)
            | Input::Timer { .. }
            | Input::EndOfBurst
            | Input::Completed { .. }
            | Input::Closed { .. }
            | Input::Control(_)
            | Input::Writable { .. }
            | Input::Landed { .. } => input.clone(),
        }
    }

    fn request(&self, bytes: &Buffer) -> Buffer {
        let Ok(request) = Request::decode(bytes) else { return blank(bytes) };
        let payload = self.secret.payload(request.payload);
        let mut told = Vec::with_capacity(bytes.len());
        Request { payload: &payload, ..request }.encode(&mut told);
        Buffer::from(told)
    }

    fn frame(&mut self, frame: &Buffer) -> Buffer {
        let Some((address, sender, mut message)) = message(frame) else { return blank(frame) };
        match &mut message {
            Message::Promise { votes: entries, .. }
            | Message::Accept { entries, .. }
            | Message::Learn { entries, .. } => entries.iter_mut().for_each(|entry| self.entry(entry)),
            Message::Snapshot { name, digest, .. } => {
                self.name(name);
                *digest ^= self.secret.mask();
            }
            Message::Fetch { name, .. } => self.name(name),
            Message::Piece { name, offset, bytes } => {
                *bytes = Buffer::from(self.piece(Some((name.slot.0, *offset)), bytes));
                self.name(name);
            }
            Message::PreVote { .. }
            | Message::PreVoteReply { .. }
            | Message::Prepare { .. }
            | Message::Reject { .. }
            | Message::Accepted { .. }
            | Message::Heartbeat { .. }
            | Message::HeartbeatReply { .. }
            | Message::CatchUp { .. } => {}
        }
        message.encode(&address, sender, &mut self.out)
    }

    fn entry(&self, entry: &mut Entry) {
        let (id, value) = self.value(entry.id.0, &entry.value);
        (entry.id, entry.value) = (ValueId(id), Buffer::from(value));
    }

    /// The bytes of a snapshot from a place on: its slot and the offset in it, if they are known.
    pub(super) fn piece(&self, place: Option<(u64, u64)>, bytes: &[u8]) -> Vec<u8> {
        let found = place.and_then(|(slot, offset)| Some((self.streams.get(&slot)?, offset)));
        found.map_or_else(|| vec![BLANK; bytes.len()], |(stream, offset)| stream.told(offset, bytes))
    }

    fn name(&self, name: &mut SnapshotName) {
        let SnapshotName { slot: Slot(slot), bytes, checksum } = *name;
        let found = self.streams.get(&slot).and_then(|stream| stream.checksum(bytes, checksum));
        name.checksum = found.unwrap_or_else(|| self.secret.checksum(checksum));
    }

    /// A value and its name, which is the checksum of the batch.
    pub(super) fn value(&self, id: u64, value: &[u8]) -> (u64, Vec<u8>) {
        let told = self.batch(value).unwrap_or_else(|Malformed| vec![BLANK; value.len()]);
        let id = if xxh3_64(value) == id { xxh3_64(&told) } else { self.secret.checksum(id) };
        (id, told)
    }

    /// ```text
    /// batch:   time i64 | count u32 | command ...
    /// command: session u64 | sequence u64 | acknowledged_below u64 | verb u8 | length u32 | payload
    /// ```
    fn batch(&self, value: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut fields = Reader::new(value);
        let mut told = fields.bytes(8)?.to_vec();
        let count = fields.u32()?;
        told.extend_from_slice(&count.to_le_bytes());
        for _ in 0..count {
            told.extend_from_slice(fields.bytes(25)?);
            let payload = fields.block()?;
            told.extend_from_slice(&(payload.len() as u32).to_le_bytes());
            told.extend(self.secret.payload(payload));
        }
        told.resize(value.len(), BLANK);
        Ok(told)
    }
}
