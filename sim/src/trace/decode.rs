//! Reads a trace back: typed events for people, for pictures, and for naming the first event that differs.

use super::event::{Event, ImageWrite, Reason, Sent, Step, What, Who};
use super::{MAGIC, fate, stop, tag};
use seedfast_core::codec::{Malformed, Reader as Fields};
use seedfast_core::{Geometry, Incarnation, Instant, Media, Now, OperationId, Range, WallTime};

/// Iterates over the events of a trace; ends after the first record that makes no sense.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    fields: Fields<'a>,
    index: u64,
    failed: bool,
    seed: u64,
    nodes: u8,
    clients: u8,
    end: u64,
    /// Whose outputs follow, and when and in which life they leave.
    turn: (Instant, Who, u32),
}

impl<'a> Reader<'a> {
    /// Reads the head of a trace.
    ///
    /// # Errors
    /// [`Malformed`] if it is no trace, or one of another version.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(bytes);
        if fields.bytes(8)? != MAGIC {
            return Err(Malformed);
        }
        Ok(Reader {
            seed: fields.u64()?,
            nodes: fields.u8()?,
            clients: fields.u8()?,
            end: fields.u64()?,
            bytes,
            fields,
            index: 0,
            failed: false,
            turn: (Instant::ZERO, Who::World, 0),
        })
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many nodes there were.
    pub fn nodes(&self) -> u8 {
        self.nodes
    }

    /// How many clients there were.
    pub fn clients(&self) -> u8 {
        self.clients
    }

    /// When the run was to end.
    pub fn end(&self) -> Instant {
        Instant::from_nanos(self.end)
    }

    /// The event that the byte at `offset` belongs to.
    pub fn event_at(self, offset: u64) -> Option<Event<'a>> {
        let mut found = None;
        for event in self {
            let event = event.ok()?;
            if event.offset > offset {
                return found;
            }
            found = Some(event);
        }
        found
    }

    fn at(&mut self) -> Result<Instant, Malformed> {
        self.fields.u64().map(Instant::from_nanos)
    }

    fn due(&mut self) -> Result<Option<Instant>, Malformed> {
        let due = self.fields.u64()?;
        Ok((due != u64::MAX).then_some(Instant::from_nanos(due)))
    }

    fn op(&mut self) -> Result<OperationId, Malformed> {
        Ok(OperationId { incarnation: Incarnation(self.fields.u32()?), number: self.fields.u32()? })
    }

    fn range(&mut self) -> Result<Range, Malformed> {
        Ok(Range { at: self.fields.u64()?, length: self.fields.u64()? })
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        core::str::from_utf8(self.fields.block()?).map_err(|_| Malformed)
    }

    fn sent(&mut self, message: u64, to: u8) -> Result<Sent, Malformed> {
        let bits = self.fields.u8()?;
        let mut sent = Sent { message, to, at: None, copy: None, fate: "" };
        if bits & 0x0f == fate::ON_ITS_WAY {
            sent.at = Some(self.at()?);
            if bits & fate::DOUBLED != 0 {
                sent.copy = Some(self.at()?);
            }
        }
        let damaged = bits & (fate::CORRUPT | fate::COPY_CORRUPT) != 0;
        sent.fate = match bits & 0x0f {
            fate::ON_ITS_WAY => match (damaged, bits & fate::HELD_BACK != 0) {
                (false, false) => "on its way",
                (true, false) => "damaged",
                (false, true) => "held back",
                (true, true) => "damaged and held back",
            },
            fate::LOST => "lost",
            fate::CUT => "cut",
            fate::STARVED => "starved",
            fate::NOBODY => "nobody there",
            _ => return Err(Malformed),
        };
        Ok(sent)
    }

    fn reason(&mut self, tag: u8) -> Result<Reason<'a>, Malformed> {
        Ok(match tag {
            tag::START => {
                let entropy = self.fields.bytes(32)?;
                let queue_depth = self.fields.u32()?;
                let frame_limit = self.fields.u32()?;
                let count = self.fields.u8()?;
                let mut devices = Vec::new();
                for _ in 0..count {
                    let media = match self.fields.u8()? {
                        0 => Media::Disk,
                        1 => Media::Nvm,
                        2 => Media::Memory,
                        _ => return Err(Malformed),
                    };
                    devices.push(Geometry {
                        media,
                        atomic: self.fields.u32()?,
                        alignment: self.fields.u32()?,
                        capacity: self.fields.u64()?,
                    });
                }
                Reason::Start { entropy, queue_depth, frame_limit, devices }
            }
            tag::RECEIVE => {
                let (message, from, kind) = (self.fields.u64()?, self.fields.u8()?, self.fields.u8()?);
                let changed = if self.fields.u8()? != 0 { Some(self.fields.block()?) } else { None };
                Reason::Receive { message, from, kind, changed }
            }
            tag::TIMER => Reason::Timer { id: self.fields.u16()? },
            tag::END_OF_BURST => Reason::EndOfBurst,
            tag::COMPLETED => {
                let op = self.op()?;
                let (mut data, mut result) = (None, "done");
                match self.fields.u8()? {
                    0 => {}
                    1 => {
                        result = "data";
                        data = Some((self.fields.u32()?, self.fields.u64()?));
                    }
                    2 => {
                        result = match self.fields.u8()? {
                            0 => "device failed",
                            1 => "no space",
                            2 => "medium error",
                            _ => return Err(Malformed),
                        }
                    }
                    3 => result = "unknown",
                    4 => result = "volatile",
                    _ => return Err(Malformed),
                }
                Reason::Completed { op, result, data }
            }
            tag::REQUEST => Reason::Request {
                message: self.fields.u64()?,
                connection: self.fields.u64()?,
                session: self.fields.u64()?,
                sequence: self.fields.u64()?,
            },
            tag::CLOSED => Reason::Closed { connection: self.fields.u64()? },
            tag::CONTROL => Reason::Control { connection: self.fields.u64()?, bytes: self.fields.block()? },
            tag::WRITABLE => Reason::Writable { peer: self.fields.u8()? },
            tag::LANDED_REMOTE => {
                Reason::Landed { from: self.fields.u8()?, region: self.fields.u32()?, range: self.range()? }
            }
            _ => return Err(Malformed),
        })
    }

    /// The records of a turn's outputs.
    fn output(&mut self, tag: u8) -> Result<What<'a>, Malformed> {
        Ok(match tag {
            tag::SEND => {
                let (kind, group) = (self.fields.u8()?, self.fields.u32()?);
                let (to, first) = (self.fields.u64()?, self.fields.u64()?);
                let frame = self.fields.block()?;
                let mut messages = Vec::new();
                for node in seedfast_core::PeerSet(to).iter() {
                    messages.push(self.sent(first + messages.len() as u64, node.0)?);
                }
                What::Send { kind, group, frame, messages }
            }
            tag::SET_TIMER => What::SetTimer { id: self.fields.u16()?, due: self.due()? },
            tag::SUBMIT => {
                let op = self.op()?;
                let (device, durable) = (self.fields.u8()?, self.fields.u8()? != 0);
                let count = self.fields.u16()?;
                let mut steps = Vec::new();
                for _ in 0..count {
                    steps.push(match self.fields.u8()? {
                        0 => Step::Write { at: self.fields.u64()?, bytes: self.fields.block()? },
                        1 => Step::Barrier,
                        2 => Step::Drain,
                        3 => Step::Persist(self.range()?),
                        _ => return Err(Malformed),
                    });
                }
                What::Submit { op, device, durable, steps }
            }
            tag::READ => What::Read { op: self.op()?, device: self.fields.u8()?, range: self.range()? },
            tag::RESPOND => {
                let (connection, message) = (self.fields.u64()?, self.fields.u64()?);
                let bytes = self.fields.block()?;
                What::Respond { connection, sent: self.sent(message, 255)?, bytes }
            }
            tag::OBSERVE => What::Observe { kind: self.fields.u8()?, bytes: self.fields.block()? },
            tag::UNSUPPORTED => What::Unsupported { op: self.op()? },
            tag::PEER => {
                let (node, known) = (self.fields.u8()?, self.fields.u8()? != 0);
                let address = self.fields.block()?;
                What::Peer { node, address: known.then_some(address) }
            }
            tag::HALT => What::Halt { why: self.fields.block()? },
            _ => return Err(Malformed),
        })
    }

    /// The records of clients.
    fn client(&mut self, tag: u8) -> Result<What<'a>, Malformed> {
        Ok(match tag {
            tag::CLIENT_START => What::ClientStart { entropy: self.fields.bytes(32)? },
            tag::CLIENT_RESPONSE => {
                What::ClientResponse { connection: self.fields.u64()?, message: self.fields.u64()? }
            }
            tag::CLIENT_CLOSED => What::ClientClosed { connection: self.fields.u64()? },
            tag::CLIENT_TIMER => What::ClientTimer { id: self.fields.u16()? },
            tag::CLIENT_REQUEST => {
                let to = self.fields.u8()?;
                let (connection, session) = (self.fields.u64()?, self.fields.u64()?);
                let (sequence, message) = (self.fields.u64()?, self.fields.u64()?);
                let bytes = self.fields.block()?;
                What::ClientRequest { connection, session, sequence, sent: self.sent(message, to)?, bytes }
            }
            tag::CLIENT_CLOSE => {
                let (to, connection) = (self.fields.u8()?, self.fields.u64()?);
                let message = self.fields.u64()?;
                What::ClientClose { connection, sent: self.sent(message, to)? }
            }
            tag::CLIENT_SET_TIMER => What::ClientSetTimer { id: self.fields.u16()?, due: self.due()? },
            _ => return Err(Malformed),
        })
    }

    /// The records of the world, and those of nodes that are no outputs.
    fn world(&mut self, tag: u8) -> Result<(Who, u32, What<'a>), Malformed> {
        Ok(match tag {
            tag::STOPPED => {
                let message = self.fields.u64()?;
                let why = match self.fields.u8()? {
                    stop::CUT => "cut",
                    stop::NODE_DOWN => "the node is down",
                    stop::CLOGGED => "clogged, held",
                    stop::CONNECTION_GONE => "the connection is gone",
                    _ => return Err(Malformed),
                };
                (Who::World, 0, What::Stopped { message, why })
            }
            tag::FAULT => {
                let (number, target) = (self.fields.u32()?, self.fields.u8()?);
                let text = self.text()?;
                (Who::World, 0, What::Fault { number, target: (target != 255).then_some(target), text })
            }
            tag::FAULT_ENDED => (Who::World, 0, What::FaultEnded { number: self.fields.u32()? }),
            tag::DOWN => {
                let (node, life) = (self.fields.u8()?, self.fields.u32()?);
                let (power, dropped) = (self.fields.u8()? != 0, self.fields.u32()?);
                (Who::Node(node), life, What::Down { power, dropped })
            }
            tag::IMAGE => {
                let (node, device, count) = (self.fields.u8()?, self.fields.u8()?, self.fields.u32()?);
                let mut writes = Vec::new();
                for _ in 0..count {
                    let (op, step, at) = (self.op()?, self.fields.u16()?, self.fields.u64()?);
                    let units = self.fields.u32()?;
                    let survived = self.fields.bytes(units.div_ceil(8) as usize)?;
                    writes.push(ImageWrite { op, step, at, units, survived });
                }
                (Who::Node(node), 0, What::Image { device, writes })
            }
            tag::WRITE_LANDED | tag::DURABLE | tag::VANISHED => {
                let (node, device) = (self.fields.u8()?, self.fields.u8()?);
                let (op, step) = (self.op()?, self.fields.u16()?);
                let what = match tag {
                    tag::WRITE_LANDED => What::Landed { device, op, step },
                    tag::DURABLE => What::Durable { device, op, step },
                    _ => What::Vanished { device, op, step },
                };
                (Who::Node(node), op.incarnation.0, what)
            }
            tag::VERDICT => (Who::World, 0, What::Verdict { invariant: self.text()?, what: self.text()? }),
            _ => return Err(Malformed),
        })
    }

    fn event(&mut self) -> Result<Event<'a>, Malformed> {
        let offset = self.fields.position() as u64;
        let tag = self.fields.u8()?;
        let (at, who, life, what) = match tag {
            tag::SLOW_TURN_ENDED | 0x10..=0x19 => {
                let (at, node, life) = (self.at()?, self.fields.u8()?, self.fields.u32()?);
                self.turn = (at, Who::Node(node), life);
                let what = if tag == tag::SLOW_TURN_ENDED {
                    What::SlowTurnEnded
                } else {
                    let monotonic = self.at()?;
                    let wall = WallTime(self.fields.u64()? as i64);
                    What::Turn { local: Now { monotonic, wall }, reason: self.reason(tag)? }
                };
                (at, Who::Node(node), life, what)
            }
            0x20..=0x2f => {
                let (at, who, life) = self.turn;
                (at, who, life, self.output(tag)?)
            }
            0x40..=0x4f => {
                let (at, client) = (self.at()?, self.fields.u8()?);
                (at, Who::Client(client), 0, self.client(tag)?)
            }
            _ => {
                let at = self.at()?;
                let (who, life, what) = self.world(tag)?;
                (at, who, life, what)
            }
        };
        self.index += 1;
        Ok(Event { index: self.index, offset, at, who, life, what })
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Event<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.fields.position() == self.bytes.len() {
            return None;
        }
        let event = self.event();
        self.failed = event.is_err();
        Some(event)
    }
}
