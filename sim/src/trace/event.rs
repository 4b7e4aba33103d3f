//! What a trace holds, as values: one type per kind of record.

use seedfast_core::{Geometry, Instant, Now, OperationId, Range};

/// Whose record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Nobody's: a fault, a message that did not arrive, the verdict.
    World,
    /// A node's.
    Node(u8),
    /// A client's.
    Client(u8),
}

/// One record. An output stands behind the turn that made it and shares its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The how-manieth record it is, from 1: [`Broken::event`](crate::Broken::event) counts the same.
    pub index: u64,
    /// Where it begins in the trace, in bytes.
    pub offset: u64,
    /// True time.
    pub at: Instant,
    /// Whose it is.
    pub who: Who,
    /// The life of the node that it belongs to; 0 where there is none.
    pub life: u32,
    /// What happened.
    pub what: What<'a>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// A process took a turn; its outputs follow, unless it was slow.
    Turn {
        /// What its clocks read.
        local: Now,
        /// Why it woke.
        reason: Reason<'a>,
    },
    /// The outputs of a slow turn leave; they follow.
    SlowTurnEnded,
    /// Output: a frame to some peers.
    Send {
        /// The kind that the sender gave.
        kind: u8,
        /// The group that the sender gave.
        group: u32,
        /// The bytes.
        frame: &'a [u8],
        /// One for each receiver.
        messages: Vec<Sent>,
    },
    /// Output: a timer set to a local time, or cancelled.
    SetTimer {
        /// Its name.
        id: u16,
        /// When it is due on the node's monotonic clock.
        due: Option<Instant>,
    },
    /// Output: storage steps.
    Submit {
        /// Its name.
        op: OperationId,
        /// On which device.
        device: u8,
        /// Whether it ends with an implicit barrier.
        durable: bool,
        /// The steps.
        steps: Vec<Step<'a>>,
    },
    /// Output: a read.
    Read {
        /// Its name.
        op: OperationId,
        /// From which device.
        device: u8,
        /// Which bytes.
        range: Range,
    },
    /// Output: an answer to a client.
    Respond {
        /// On which connection.
        connection: u64,
        /// How it starts its way.
        sent: Sent,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Output: an observation.
    Observe {
        /// What it is.
        kind: u8,
        /// Its encoding.
        bytes: &'a [u8],
    },
    /// Output: something that this world cannot do, and fails.
    Unsupported {
        /// Its name.
        op: OperationId,
    },
    /// Output: where a peer is.
    Peer {
        /// Who.
        node: u8,
        /// Where; none to forget.
        address: Option<&'a [u8]>,
    },
    /// Output: the process ends its life.
    Halt {
        /// Why.
        why: &'a [u8],
    },
    /// Something on its way was stopped.
    Stopped {
        /// Which message.
        message: u64,
        /// By what.
        why: &'static str,
    },
    /// A fault struck.
    Fault {
        /// Its place in the schedule, from 0; injected ones count on.
        number: u32,
        /// Whom it struck, if one node.
        target: Option<u8>,
        /// In words.
        text: &'a str,
    },
    /// A fault that lasted ended.
    FaultEnded {
        /// Which one.
        number: u32,
    },
    /// A node went down.
    Down {
        /// Whether its power was lost too.
        power: bool,
        /// How many outputs of its last turn never existed.
        dropped: u32,
    },
    /// What a loss of power left of writes that were not durable.
    Image {
        /// On which device.
        device: u8,
        /// Of each write, in the order of landing.
        writes: Vec<ImageWrite<'a>>,
    },
    /// A write became visible.
    Landed {
        /// On which device.
        device: u8,
        /// Of which operation.
        op: OperationId,
        /// Which step of it.
        step: u16,
    },
    /// A barrier or a `Persist` took effect.
    Durable {
        /// On which device.
        device: u8,
        /// Of which operation.
        op: OperationId,
        /// Which step of it; the implicit last one has the number of steps.
        step: u16,
    },
    /// A write in flight vanished with its process.
    Vanished {
        /// On which device.
        device: u8,
        /// Of which operation.
        op: OperationId,
        /// Which step of it.
        step: u16,
    },
    /// A client started.
    ClientStart {
        /// Its randomness.
        entropy: &'a [u8],
    },
    /// A client heard an answer.
    ClientResponse {
        /// On which connection.
        connection: u64,
        /// Which message.
        message: u64,
    },
    /// A client heard that a connection broke.
    ClientClosed {
        /// Which one.
        connection: u64,
    },
    /// A client's timer was due.
    ClientTimer {
        /// Its name.
        id: u16,
    },
    /// A client sent a request.
    ClientRequest {
        /// On which connection; 0 if there is no such node.
        connection: u64,
        /// In which session.
        session: u64,
        /// Its number.
        sequence: u64,
        /// How it starts its way.
        sent: Sent,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// A client dropped a connection.
    ClientClose {
        /// Which one.
        connection: u64,
        /// How the news starts its way.
        sent: Sent,
    },
    /// A client set or cancelled a timer.
    ClientSetTimer {
        /// Its name.
        id: u16,
        /// When it is due, in true time.
        due: Option<Instant>,
    },
    /// The run is over; both texts are empty if all held.
    Verdict {
        /// Which invariant broke.
        invariant: &'a str,
        /// What was seen.
        what: &'a str,
    },
}

/// Why a process woke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason<'a> {
    /// A life began.
    Start {
        /// Its randomness.
        entropy: &'a [u8],
        /// How many storage operations it may have in flight.
        queue_depth: u32,
        /// The longest frame it may send.
        frame_limit: u32,
        /// Its devices.
        devices: Vec<Geometry>,
    },
    /// A message arrived.
    Receive {
        /// Which one.
        message: u64,
        /// From whom.
        from: u8,
        /// The kind that the sender gave.
        kind: u8,
        /// The bytes, if they are not those that were sent.
        changed: Option<&'a [u8]>,
    },
    /// A timer was due.
    Timer {
        /// Which one.
        id: u16,
    },
    /// The burst ended.
    EndOfBurst,
    /// A storage operation ended.
    Completed {
        /// Which one.
        op: OperationId,
        /// How, in one or two words.
        result: &'static str,
        /// Length and XXH3-64 of the bytes read.
        data: Option<(u32, u64)>,
    },
    /// A client's request arrived.
    Request {
        /// Which message.
        message: u64,
        /// On which connection.
        connection: u64,
        /// In which session.
        session: u64,
        /// Its number.
        sequence: u64,
    },
    /// A client's connection is gone.
    Closed {
        /// Which one.
        connection: u64,
    },
    /// An operator's command.
    Control {
        /// Where to answer.
        connection: u64,
        /// The command.
        bytes: &'a [u8],
    },
    /// A peer can be sent to again.
    Writable {
        /// Who.
        peer: u8,
    },
    /// A peer wrote into granted memory.
    Landed {
        /// Who.
        from: u8,
        /// Where.
        region: u32,
        /// Which bytes.
        range: Range,
    },
}

/// One message as it starts its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its name, unique in the run.
    pub message: u64,
    /// The receiver: a node, or for a response 255.
    pub to: u8,
    /// When it arrives unless something stops it; none if it was lost, cut or starved right away.
    pub at: Option<Instant>,
    /// When its second copy arrives.
    pub copy: Option<Instant>,
    /// What became of it: `lost`, `cut`, `starved`, `nobody there`, or on its way, perhaps damaged or held back.
    pub fate: &'static str,
}

/// One step of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Bytes at an offset.
    Write {
        /// The offset.
        at: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// A barrier.
    Barrier,
    /// Waits for the writes of former lives.
    Drain,
    /// Makes a visible range durable.
    Persist(Range),
}

/// What a loss of power left of one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageWrite<'a> {
    /// Of which operation.
    pub op: OperationId,
    /// Which step of it.
    pub step: u16,
    /// Its offset.
    pub at: u64,
    /// How many atomic units it had.
    pub units: u32,
    /// Bit `i % 8` of byte `i / 8`: unit `i` holds this write's value.
    pub survived: &'a [u8],
}
