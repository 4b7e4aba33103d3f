//! Clients and their connections.
//!
//! A client is an endpoint beyond the nodes; its clock is true time. A connection is a stream: in order each way,
//! never doubled, damaged or overtaken. Its latencies, cuts, clogs and losses are those of the directed links between
//! the two endpoints; what meets a cut or is lost vanishes silently, and both ends stay open. When a node crashes, the
//! clients connected to it hear [`ClientInput::Closed`] a latency later, if the link lets it through; a request on a
//! connection of a former life, or to a dead node, is answered the same way.
//!
//! Never: a response on a connection that its client closed; a connection that outlives the life it was made to; two
//! connections of one name.

use crate::effects::Effect;
use crate::event::{Cargo, Event};
use crate::scene::{ClientId, ClientInput, ClientOutbox, ClientOutput, Scene};
use crate::timers::{Check, NEVER, Timers};
use crate::trace::encode::Carried;
use crate::trace::{fate, stop};
use crate::world::World;
use seedfast_core::{Buffer, BufferMut, ConnectionId, GroupId, Input, Instant, NodeId, Pool, SessionId};

/// A client endpoint.
#[derive(Debug, Default)]
pub(crate) struct Client {
    timers: Timers,
    /// Its connection to each node, 0 for none.
    connected: Vec<u64>,
}

impl Client {
    pub(crate) fn reset(&mut self, nodes: usize) {
        self.timers.clear();
        self.connected.clear();
        self.connected.resize(nodes, 0);
    }
}

/// A connection; its name is its place in the world's list, from 1.
#[derive(Debug)]
pub(crate) struct Connection {
    client: u8,
    node: u8,
    /// The life of the node that it was made to; 0 before its first request arrived.
    life: u32,
    client_open: bool,
    node_open: bool,
    /// Nothing arrives before what was sent earlier.
    to_node_after: u64,
    to_client_after: u64,
}

/// What a client's turn writes into.
struct Gathered<'a> {
    pool: &'a mut Pool,
    outputs: &'a mut Vec<ClientOutput>,
}

impl ClientOutbox for Gathered<'_> {
    fn buffer(&mut self) -> BufferMut {
        self.pool.take()
    }

    fn push(&mut self, output: ClientOutput) {
        self.outputs.push(output);
    }
}

impl World {
    pub(crate) fn start_client(&mut self, c: usize, scene: &mut dyn Scene) {
        let entropy = self.draw.entropy((self.node_count + c) as u8, 0);
        self.trace.client_start(self.now, c as u8, &entropy);
        self.client_turn(c, ClientInput::Start { entropy }, scene);
    }

    fn client_turn(&mut self, c: usize, input: ClientInput, scene: &mut dyn Scene) {
        self.moved = true;
        self.turns_now += 1;
        if self.turns_now > crate::world::TURNS_PER_INSTANT {
            let what = format!("c{c} and its peers took too many turns while no time passed");
            self.violate(crate::scene::Violation { invariant: "livelock".into(), what });
            return;
        }
        let buffer = match &input {
            ClientInput::Response { bytes, .. } => Some(bytes.clone()),
            _ => None,
        };
        let mut outputs = core::mem::take(&mut self.client_spare);
        let mut gathered = Gathered { pool: self.out.pool(), outputs: &mut outputs };
        scene.client(ClientId(c as u8), Instant::from_nanos(self.now), input, &mut gathered);
        if let Some(buffer) = buffer {
            self.out.pool().recycle(buffer);
        }
        for output in outputs.drain(..) {
            self.client_output(c, output);
        }
        self.client_spare = outputs;
    }

    pub(crate) fn client_output(&mut self, c: usize, output: ClientOutput) {
        let endpoint = self.node_count + c;
        match output {
            ClientOutput::Request { to, session, sequence, bytes } => {
                let n = usize::from(to.0);
                let id = self.next_id();
                if n >= self.node_count {
                    self.trace.client_request(self.now, c as u8, to.0, 0, session.0, sequence, id, &bytes);
                    self.trace.fate(fate::NOBODY, 0, 0);
                    return;
                }
                let connection = self.connect(c, n);
                self.trace
                    .client_request(self.now, c as u8, to.0, connection, session.0, sequence, id, &bytes);
                let length = bytes.len();
                let cargo = Cargo::Request { session: session.0, sequence, bytes };
                self.stream(endpoint, n, id, connection, length, cargo);
            }
            ClientOutput::Close { to } => {
                let n = usize::from(to.0);
                let Some(connected) = self.clients[c].connected.get_mut(n) else { return };
                let connection = core::mem::take(connected);
                if connection != 0 {
                    self.connections[connection as usize - 1].client_open = false;
                    let id = self.next_id();
                    self.trace.client_close(self.now, c as u8, to.0, connection, id);
                    self.stream(endpoint, n, id, connection, 0, Cargo::Close);
                }
            }
            ClientOutput::Timer { id, at } => {
                let due = at.map_or(NEVER, Instant::as_nanos);
                self.trace.client_set_timer(self.now, c as u8, id, due);
                let slot = self.clients[c].timers.set(id, due);
                self.arm_client(c, slot, due);
            }
        }
    }

    fn connect(&mut self, c: usize, n: usize) -> u64 {
        if self.clients[c].connected[n] == 0 {
            self.connections.push(Connection {
                client: c as u8,
                node: n as u8,
                life: 0,
                client_open: true,
                node_open: true,
                to_node_after: 0,
                to_client_after: 0,
            });
            self.clients[c].connected[n] = self.connections.len() as u64;
        }
        self.clients[c].connected[n]
    }

    /// Bytes start their way on a connection; writes their fate into the trace.
    fn stream(&mut self, from: usize, to: usize, id: u64, connection: u64, length: usize, cargo: Cargo) {
        match self.stream_at(from, to, connection, length) {
            Ok(at) => {
                self.trace.fate(fate::ON_ITS_WAY, at, 0);
                self.queue.push(at, Event::Stream { id, connection, cargo });
            }
            Err(stopped) => {
                self.trace.fate(stopped, 0, 0);
                if let Cargo::Request { bytes, .. } | Cargo::Response { bytes } = cargo {
                    self.out.pool().recycle(bytes);
                }
            }
        }
    }

    fn stream_at(&mut self, from: usize, to: usize, connection: u64, length: usize) -> Result<u64, u8> {
        let index = self.link(from, to);
        if self.links[index].troubled && self.is_cut(from, to) {
            self.effects.count(Effect::PartitionStopped);
            return Err(fate::CUT);
        }
        let Some(at) = self.links[index].decide_stream(self.now, length) else {
            self.effects.count(Effect::Lost);
            return Err(fate::LOST);
        };
        let connection = &mut self.connections[connection as usize - 1];
        let after = if to < from { &mut connection.to_node_after } else { &mut connection.to_client_after };
        *after = (*after).max(at);
        Ok(*after)
    }

    /// A process answers a client.
    pub(crate) fn respond(&mut self, n: usize, name: ConnectionId, bytes: Buffer) {
        self.nodes[n].spoke = true;
        let id = self.next_id();
        self.trace.respond(name.0, id, &bytes);
        let life = self.nodes[n].life;
        let open = (name.0 as usize)
            .checked_sub(1)
            .and_then(|index| self.connections.get(index))
            .filter(|known| usize::from(known.node) == n && known.life == life && known.node_open);
        match open {
            Some(known) => {
                let client = self.node_count + usize::from(known.client);
                let length = bytes.len();
                self.stream(n, client, id, name.0, length, Cargo::Response { bytes });
            }
            None => {
                self.trace.fate(fate::NOBODY, 0, 0);
                self.out.pool().recycle(bytes);
            }
        }
    }

    /// The node's side of a connection is gone: its client hears of it, if the link lets it.
    fn break_connection(&mut self, connection: u64) {
        let known = &mut self.connections[connection as usize - 1];
        known.node_open = false;
        let (from, to) = (usize::from(known.node), self.node_count + usize::from(known.client));
        if let Ok(at) = self.stream_at(from, to, connection, 0) {
            self.queue.push(at, Event::Stream { id: 0, connection, cargo: Cargo::Broken });
        }
    }

    /// A node crashed.
    pub(crate) fn break_connections(&mut self, n: usize) {
        for c in 0..self.client_count {
            let connection = self.clients[c].connected[n];
            if connection != 0 && self.connections[connection as usize - 1].life == self.nodes[n].life {
                self.break_connection(connection);
            }
        }
    }

    /// Something reaches the end of a stream, unless something stands in its way.
    pub(crate) fn stream_arrives(&mut self, id: u64, connection: u64, cargo: Cargo, scene: &mut dyn Scene) {
        let known = &self.connections[connection as usize - 1];
        let (c, n) = (usize::from(known.client), usize::from(known.node));
        let client = self.node_count + c;
        let (from, to) = match cargo {
            Cargo::Request { .. } | Cargo::Close => (client, n),
            Cargo::Response { .. } | Cargo::Broken => (n, client),
        };
        let index = self.link(from, to);
        if self.links[index].troubled {
            if self.is_cut(from, to) {
                self.effects.count(Effect::PartitionStopped);
                self.trace.stopped(self.now, id, stop::CUT);
                return;
            }
            if self.links[index].clogged {
                self.effects.count(Effect::Clogged);
                self.trace.stopped(self.now, id, stop::CLOGGED);
                self.held.push((index, Event::Stream { id, connection, cargo }));
                return;
            }
        }
        match cargo {
            Cargo::Request { session, sequence, bytes } => {
                let node = &self.nodes[n];
                let known = &mut self.connections[connection as usize - 1];
                if known.life == 0 && node.process.is_some() {
                    known.life = node.life;
                }
                if node.process.is_none() || known.life != node.life || !known.node_open {
                    self.trace.stopped(self.now, id, stop::CONNECTION_GONE);
                    self.out.pool().recycle(bytes);
                    self.break_connection(connection);
                    return;
                }
                let input = Input::Request {
                    connection: ConnectionId(connection),
                    group: GroupId(0),
                    session: SessionId(session),
                    sequence,
                    bytes,
                };
                self.arrive(n, input, Carried { id, changed: false }, scene);
            }
            Cargo::Close => {
                let known = &mut self.connections[connection as usize - 1];
                let node = &self.nodes[n];
                if known.node_open && node.process.is_some() && known.life == node.life {
                    known.node_open = false;
                    let input = Input::Closed { connection: ConnectionId(connection) };
                    self.arrive(n, input, Carried { id, changed: false }, scene);
                } else {
                    self.trace.stopped(self.now, id, stop::CONNECTION_GONE);
                }
            }
            Cargo::Response { bytes } => {
                if self.connections[connection as usize - 1].client_open {
                    self.trace.client_response(self.now, c as u8, connection, id);
                    let (connection, node) = (ConnectionId(connection), NodeId(n as u8));
                    self.client_turn(c, ClientInput::Response { connection, node, bytes }, scene);
                } else {
                    self.trace.stopped(self.now, id, stop::CONNECTION_GONE);
                    self.out.pool().recycle(bytes);
                }
            }
            Cargo::Broken => {
                let known = &mut self.connections[connection as usize - 1];
                if known.client_open {
                    known.client_open = false;
                    self.clients[c].connected[n] = 0;
                    self.effects.count(Effect::ConnectionBroken);
                    self.trace.client_closed(self.now, c as u8, connection);
                    let (connection, node) = (ConnectionId(connection), NodeId(n as u8));
                    self.client_turn(c, ClientInput::Closed { connection, node }, scene);
                }
            }
        }
    }

    fn arm_client(&mut self, c: usize, slot: u16, due: u64) {
        let at = due.max(self.now);
        if due != NEVER && at < self.clients[c].timers.check_at(slot) {
            self.clients[c].timers.checking(slot, at);
            let endpoint = (self.node_count + c) as u8;
            self.queue.push(at, Event::Timer { endpoint, slot, life: 0 });
        }
    }

    pub(crate) fn check_client_timer(&mut self, c: usize, slot: u16, scene: &mut dyn Scene) {
        match self.clients[c].timers.strike(slot, self.now, self.now) {
            Check::Stale => {}
            Check::Later(due) => self.arm_client(c, slot, due),
            Check::Due(id, _) => {
                self.trace.client_timer(self.now, c as u8, id);
                self.client_turn(c, ClientInput::Timer { id }, scene);
            }
        }
    }
}
