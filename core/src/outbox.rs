//! Where a turn puts its outputs: a list that is reused, with the buffers to fill it.

use crate::buffer::{Buffer, BufferMut, Pool};
use crate::id::{ConnectionId, DeviceId, GroupId, Kind, ObservationKind, OperationId, PeerSet, TimerId};
use crate::output::Output;
use crate::storage::{Chain, Durability, Range};
use crate::time::Instant;
use alloc::vec::Vec;

/// The outputs of one turn, in order, and spare buffers for the next ones.
pub struct Outbox {
    outputs: Vec<Output>,
    pool: Pool,
    chains: Vec<Chain>,
    observing: bool,
}

/// How many spare buffers and chains an outbox keeps.
const SPARE_BUFFERS: usize = 1024;
const SPARE_CHAINS: usize = 16;

impl Outbox {
    /// An empty outbox. `observing` says whether anyone listens to observations: in production nobody does, and they
    /// cost nothing.
    pub fn new(observing: bool) -> Self {
        Outbox { outputs: Vec::new(), pool: Pool::new(SPARE_BUFFERS), chains: Vec::new(), observing }
    }

    /// Whether observations are wanted; a process asks before it encodes one.
    #[inline]
    pub fn observing(&self) -> bool {
        self.observing
    }

    /// An empty buffer to write a frame or a record into.
    #[inline]
    pub fn buffer(&mut self) -> BufferMut {
        self.pool.take()
    }

    /// The spare buffers.
    #[inline]
    pub fn pool(&mut self) -> &mut Pool {
        &mut self.pool
    }

    /// An empty chain to fill with storage steps.
    #[inline]
    pub fn chain(&mut self) -> Chain {
        self.chains.pop().unwrap_or_default()
    }

    /// Gives a finished chain back, its buffers with it.
    pub fn recycle_chain(&mut self, mut chain: Chain) {
        for step in chain.drain(..) {
            if let crate::storage::Step::Write { buffer, .. } = step {
                self.pool.recycle(buffer);
            }
        }
        if self.chains.len() < SPARE_CHAINS {
            self.chains.push(chain);
        }
    }

    /// Appends any output.
    #[inline]
    pub fn push(&mut self, output: Output) {
        self.outputs.push(output);
    }

    /// Sends one frame to every member of `to`; nothing if there is none.
    #[inline]
    pub fn send(&mut self, to: PeerSet, kind: Kind, group: GroupId, frame: Buffer) {
        if !to.is_empty() {
            self.push(Output::Send { to, kind, group, frame });
        }
    }

    /// Sets a timer, or cancels it with `None`.
    #[inline]
    pub fn timer(&mut self, id: TimerId, at: Option<Instant>) {
        self.push(Output::Timer { id, at });
    }

    /// Submits storage steps.
    #[inline]
    pub fn submit(&mut self, op: OperationId, device: DeviceId, chain: Chain, durability: Durability) {
        self.push(Output::Submit { op, device, chain, durability });
    }

    /// Reads from a device.
    #[inline]
    pub fn read(&mut self, op: OperationId, device: DeviceId, range: Range) {
        self.push(Output::Read { op, device, range });
    }

    /// Ends this life, with the reason.
    pub fn halt(&mut self, why: &str) {
        let why = self.pool.copy_from(why.as_bytes());
        self.push(Output::Halt { why });
    }

    /// Answers a client.
    #[inline]
    pub fn respond(&mut self, connection: ConnectionId, bytes: Buffer) {
        self.push(Output::Respond { connection, bytes });
    }

    /// Tells the oracles what `encode` writes, if anyone listens.
    #[inline]
    pub fn observe(&mut self, kind: ObservationKind, encode: impl FnOnce(&mut Vec<u8>)) {
        if self.observing {
            let mut buffer = self.pool.take();
            encode(&mut buffer);
            let bytes = buffer.freeze();
            self.push(Output::Observe { kind, bytes });
        }
    }

    /// Marks a probe: a place that a campaign must reach (`sometimes`, after Antithesis). It counts only while
    /// `condition` holds and someone listens.
    #[inline]
    pub fn sometimes(&mut self, condition: bool, probe: &'static str) {
        if condition && self.observing {
            self.observe(ObservationKind::PROBE, |bytes| bytes.extend_from_slice(probe.as_bytes()));
        }
    }

    /// The outputs so far.
    #[inline]
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Takes the outputs in exchange for an empty list (`spare`), which the next turn fills.
    #[inline]
    pub fn swap(&mut self, spare: &mut Vec<Output>) {
        debug_assert!(spare.is_empty());
        core::mem::swap(&mut self.outputs, spare);
    }
}
