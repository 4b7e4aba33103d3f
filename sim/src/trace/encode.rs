//! Writes records: fixed little-endian fields, gathered on the stack, appended once, hashed in large pieces.

mod clients;

use super::{MAGIC, TraceSink, tag};
use crate::disk::Kept;
use seedfast_core::{
    Completion, Durability, Failure, GroupId, Input, Kind, Media, Now, ObservationKind, OperationId, PeerSet,
    Step,
};
use std::ops::ControlFlow;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// The buffer is hashed and handed to the sink when it holds this much.
const FLUSH: usize = 64 << 10;

/// Fields gathered before they are appended.
struct Fields<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Fields<N> {
    #[inline(always)]
    fn new(tag: u8) -> Self {
        let mut fields = Fields { bytes: [0; N], length: 0 };
        fields.put([tag]);
        fields
    }

    #[inline(always)]
    fn put<const M: usize>(&mut self, bytes: [u8; M]) {
        self.bytes[self.length..self.length + M].copy_from_slice(&bytes);
        self.length += M;
    }

    #[inline(always)]
    fn u8(&mut self, value: u8) {
        self.put([value]);
    }

    #[inline(always)]
    fn u16(&mut self, value: u16) {
        self.put(value.to_le_bytes());
    }

    #[inline(always)]
    fn u32(&mut self, value: u32) {
        self.put(value.to_le_bytes());
    }

    #[inline(always)]
    fn u64(&mut self, value: u64) {
        self.put(value.to_le_bytes());
    }

    #[inline(always)]
    fn op(&mut self, op: OperationId) {
        self.u32(op.incarnation.0);
        self.u32(op.number);
    }
}

/// What is said of an input besides the input itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carried {
    /// The message that brought it, 0 if none did; for a timer its generation.
    pub(crate) id: u64,
    /// Whether its bytes differ from those sent.
    pub(crate) changed: bool,
}

/// The running trace of one run.
pub(crate) struct Trace {
    buffer: Vec<u8>,
    hasher: Xxh3Default,
    flushed: u64,
    records: u64,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Trace {
            buffer: Vec::with_capacity(FLUSH + (4 << 10)),
            hasher: Xxh3Default::new(),
            flushed: 0,
            records: 0,
        }
    }

    /// Begins the trace of another run.
    pub(crate) fn begin(&mut self, seed: u64, nodes: u8, clients: u8, end: u64) {
        self.buffer.clear();
        self.hasher.reset();
        (self.flushed, self.records) = (0, 0);
        self.buffer.extend_from_slice(&MAGIC);
        self.buffer.extend_from_slice(&seed.to_le_bytes());
        self.buffer.extend_from_slice(&[nodes, clients]);
        self.buffer.extend_from_slice(&end.to_le_bytes());
    }

    /// How many records there are.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Whether it is time to flush.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() >= FLUSH
    }

    /// Hashes what is buffered and hands it to the sink.
    pub(crate) fn flush(&mut self, sink: &mut dyn TraceSink) -> ControlFlow<()> {
        self.hasher.update(&self.buffer);
        self.flushed += self.buffer.len() as u64;
        let flow = sink.write(&self.buffer);
        self.buffer.clear();
        flow
    }

    /// Hash and length of everything flushed.
    pub(crate) fn digest(&self) -> (u128, u64) {
        (self.hasher.digest128(), self.flushed)
    }

    #[inline(always)]
    fn append<const N: usize>(&mut self, fields: &Fields<N>) {
        self.records += 1;
        self.buffer.extend_from_slice(&fields.bytes[..fields.length]);
    }

    #[inline(always)]
    fn block(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(bytes);
    }

    /// A process takes a turn.
    #[inline]
    pub(crate) fn turn(&mut self, at: u64, node: u8, life: u32, now: Now, input: &Input, carried: Carried) {
        let head = |tag: u8| {
            let mut fields = Fields::<56>::new(tag);
            fields.u64(at);
            fields.u8(node);
            fields.u32(life);
            fields.u64(now.monotonic.as_nanos());
            fields.u64(now.wall.0 as u64);
            fields
        };
        match input {
            Input::EndOfBurst => self.append(&head(tag::END_OF_BURST)),
            Input::Receive { from, kind, group: _, frame } => {
                let mut fields = head(tag::RECEIVE);
                fields.u64(carried.id);
                fields.u8(from.0);
                fields.u8(kind.0);
                fields.u8(u8::from(carried.changed));
                self.append(&fields);
                if carried.changed {
                    self.block(frame);
                }
            }
            Input::Timer { id } => {
                let mut fields = head(tag::TIMER);
                fields.u16(id.0);
                self.append(&fields);
            }
            Input::Request { connection, session, sequence, .. } => {
                let mut fields = head(tag::REQUEST);
                fields.u64(carried.id);
                fields.u64(connection.0);
                fields.u64(session.0);
                // The bytes stand in the client's record of the same message.
                self.append(&fields);
                self.buffer.extend_from_slice(&sequence.to_le_bytes());
            }
            Input::Completed { op, result } => {
                let mut fields = head(tag::COMPLETED);
                fields.op(*op);
                match result {
                    Completion::Done => fields.u8(0),
                    Completion::Data(bytes) => {
                        fields.u8(1);
                        fields.u32(bytes.len() as u32);
                        self.append(&fields);
                        self.buffer.extend_from_slice(&xxh3_64(bytes).to_le_bytes());
                        return;
                    }
                    Completion::Failed(why) => {
                        fields.u8(2);
                        fields.u8(match why {
                            Failure::Device => 0,
                            Failure::NoSpace => 1,
                            Failure::Media => 2,
                        });
                    }
                    Completion::Unknown => fields.u8(3),
                    Completion::Volatile => fields.u8(4),
                }
                self.append(&fields);
            }
            Input::Closed { connection } => {
                let mut fields = head(tag::CLOSED);
                fields.u64(connection.0);
                self.append(&fields);
            }
            Input::Start(start) => {
                self.append(&head(tag::START));
                self.buffer.extend_from_slice(&start.entropy);
                self.buffer.extend_from_slice(&start.queue_depth.to_le_bytes());
                self.buffer.extend_from_slice(&start.frame_limit.to_le_bytes());
                self.buffer.push(start.devices.len() as u8);
                for geometry in &start.devices {
                    self.buffer.push(match geometry.media {
                        Media::Disk => 0,
                        Media::Nvm => 1,
                        Media::Memory => 2,
                    });
                    self.buffer.extend_from_slice(&geometry.atomic.to_le_bytes());
                    self.buffer.extend_from_slice(&geometry.alignment.to_le_bytes());
                    self.buffer.extend_from_slice(&geometry.capacity.to_le_bytes());
                }
            }
            Input::Control(command) => {
                let mut fields = head(tag::CONTROL);
                fields.u64(command.connection.0);
                self.append(&fields);
                self.block(&command.bytes);
            }
            Input::Writable { peer } => {
                let mut fields = head(tag::WRITABLE);
                fields.u8(peer.0);
                self.append(&fields);
            }
            Input::Landed { from, region, range } => {
                let mut fields = head(tag::LANDED_REMOTE);
                fields.u8(from.0);
                fields.u32(*region);
                fields.u64(range.at);
                fields.u64(range.length);
                self.append(&fields);
            }
        }
    }

    /// The outputs of a slow turn leave.
    pub(crate) fn slow_turn_ended(&mut self, at: u64, node: u8, life: u32) {
        let mut fields = Fields::<16>::new(tag::SLOW_TURN_ENDED);
        fields.u64(at);
        fields.u8(node);
        fields.u32(life);
        self.append(&fields);
    }

    /// A process sends; one [`fate`](Self::fate) per destination follows.
    #[inline]
    pub(crate) fn send(&mut self, to: PeerSet, kind: Kind, group: GroupId, first_id: u64, frame: &[u8]) {
        let mut fields = Fields::<32>::new(tag::SEND);
        fields.u8(kind.0);
        fields.u32(group.0);
        fields.u64(to.0);
        fields.u64(first_id);
        fields.u32(frame.len() as u32);
        self.append(&fields);
        self.buffer.extend_from_slice(frame);
    }

    /// How one message (or the bytes on a stream) starts its way.
    #[inline]
    pub(crate) fn fate(&mut self, fate: u8, at: u64, copy: u64) {
        let mut fields = Fields::<17>::new(fate);
        if fate & 0x0f == super::fate::ON_ITS_WAY {
            fields.u64(at);
            if fate & super::fate::DOUBLED != 0 {
                fields.u64(copy);
            }
        }
        self.buffer.extend_from_slice(&fields.bytes[..fields.length]);
    }

    /// A process sets or cancels (`due` = `u64::MAX`) a timer.
    #[inline]
    pub(crate) fn set_timer(&mut self, id: u16, due: u64) {
        let mut fields = Fields::<16>::new(tag::SET_TIMER);
        fields.u16(id);
        fields.u64(due);
        self.append(&fields);
    }

    /// A process submits a chain.
    pub(crate) fn submit(&mut self, op: OperationId, device: u8, durability: Durability, chain: &[Step]) {
        let mut fields = Fields::<16>::new(tag::SUBMIT);
        fields.op(op);
        fields.u8(device);
        fields.u8(u8::from(durability == Durability::Durable));
        fields.u16(chain.len() as u16);
        self.append(&fields);
        for step in chain {
            match step {
                Step::Write { at, buffer } => {
                    self.buffer.push(0);
                    self.buffer.extend_from_slice(&at.to_le_bytes());
                    self.block(buffer);
                }
                Step::Barrier => self.buffer.push(1),
                Step::Drain => self.buffer.push(2),
                Step::Persist(range) => {
                    self.buffer.push(3);
                    self.buffer.extend_from_slice(&range.at.to_le_bytes());
                    self.buffer.extend_from_slice(&range.length.to_le_bytes());
                }
            }
        }
    }

    /// A process reads from a device.
    pub(crate) fn read(&mut self, op: OperationId, device: u8, at: u64, length: u64) {
        let mut fields = Fields::<32>::new(tag::READ);
        fields.op(op);
        fields.u8(device);
        fields.u64(at);
        fields.u64(length);
        self.append(&fields);
    }

    /// A process answers a client; one fate follows.
    pub(crate) fn respond(&mut self, connection: u64, id: u64, bytes: &[u8]) {
        let mut fields = Fields::<32>::new(tag::RESPOND);
        fields.u64(connection);
        fields.u64(id);
        self.append(&fields);
        self.block(bytes);
    }

    /// A process makes an observation.
    #[inline]
    pub(crate) fn observe(&mut self, kind: ObservationKind, bytes: &[u8]) {
        let mut fields = Fields::<8>::new(tag::OBSERVE);
        fields.u8(kind.0);
        fields.u32(bytes.len() as u32);
        self.append(&fields);
        self.buffer.extend_from_slice(bytes);
    }

    /// A process asks for something that this world cannot do.
    pub(crate) fn unsupported(&mut self, op: OperationId) {
        let mut fields = Fields::<16>::new(tag::UNSUPPORTED);
        fields.op(op);
        self.append(&fields);
    }

    /// A process tells where a peer is.
    pub(crate) fn peer(&mut self, node: u8, address: Option<&[u8]>) {
        let mut fields = Fields::<8>::new(tag::PEER);
        fields.u8(node);
        fields.u8(u8::from(address.is_some()));
        self.append(&fields);
        self.block(address.unwrap_or_default());
    }

    /// A process ends its life.
    pub(crate) fn halt(&mut self, why: &[u8]) {
        self.append(&Fields::<1>::new(tag::HALT));
        self.block(why);
    }

    /// Something on its way did not arrive (or waits in a clogged link).
    pub(crate) fn stopped(&mut self, at: u64, id: u64, why: u8) {
        let mut fields = Fields::<24>::new(tag::STOPPED);
        fields.u64(at);
        fields.u64(id);
        fields.u8(why);
        self.append(&fields);
    }

    /// A fault strikes; `target` is 255 if it has none.
    pub(crate) fn fault(&mut self, at: u64, number: u32, target: u8, text: &str) {
        let mut fields = Fields::<24>::new(tag::FAULT);
        fields.u64(at);
        fields.u32(number);
        fields.u8(target);
        self.append(&fields);
        self.block(text.as_bytes());
    }

    /// A fault ends.
    pub(crate) fn fault_ended(&mut self, at: u64, number: u32) {
        let mut fields = Fields::<16>::new(tag::FAULT_ENDED);
        fields.u64(at);
        fields.u32(number);
        self.append(&fields);
    }

    /// A node goes down; `dropped` outputs of its last turn never existed.
    pub(crate) fn down(&mut self, at: u64, node: u8, life: u32, power: bool, dropped: u32) {
        let mut fields = Fields::<24>::new(tag::DOWN);
        fields.u64(at);
        fields.u8(node);
        fields.u32(life);
        fields.u8(u8::from(power));
        fields.u32(dropped);
        self.append(&fields);
    }

    /// What a power loss left of a device's volatile writes.
    pub(crate) fn image(&mut self, at: u64, node: u8, device: u8, kept: &[Kept]) {
        let mut fields = Fields::<24>::new(tag::IMAGE);
        fields.u64(at);
        fields.u8(node);
        fields.u8(device);
        fields.u32(kept.len() as u32);
        self.append(&fields);
        for write in kept {
            self.buffer.extend_from_slice(&write.op.incarnation.0.to_le_bytes());
            self.buffer.extend_from_slice(&write.op.number.to_le_bytes());
            self.buffer.extend_from_slice(&write.step.to_le_bytes());
            self.buffer.extend_from_slice(&write.at.to_le_bytes());
            self.buffer.extend_from_slice(&write.units.to_le_bytes());
            self.buffer.extend_from_slice(&write.survived);
        }
    }

    /// A storage step has its effect: `tag` is `WRITE_LANDED`, `DURABLE` or `VANISHED`.
    pub(crate) fn storage(&mut self, tag: u8, at: u64, node: u8, device: u8, op: OperationId, step: u16) {
        let mut fields = Fields::<24>::new(tag);
        fields.u64(at);
        fields.u8(node);
        fields.u8(device);
        fields.op(op);
        fields.u16(step);
        self.append(&fields);
    }

    /// The run is over; both texts are empty if all held.
    pub(crate) fn verdict(&mut self, at: u64, invariant: &str, what: &str) {
        let mut fields = Fields::<16>::new(tag::VERDICT);
        fields.u64(at);
        self.append(&fields);
        self.block(invariant.as_bytes());
        self.block(what.as_bytes());
    }
}
