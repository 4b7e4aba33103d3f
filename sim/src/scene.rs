//! What a scenario brings to a world: processes, clients, and a judge.

use crate::schedule::Schedule;
use seedfast_core::{
    Buffer, BufferMut, ConnectionId, DeviceId, Geometry, Incarnation, Instant, NodeId, ObservationKind,
    Process, Range, SessionId,
};
use std::collections::BTreeMap;

/// A client endpoint, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u8);

/// Something that must never happen, happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's number as in `docs/paxos.md` (`I1`), or `panic`, `livelock`, `storage`, `I19`, ...
    pub invariant: String,
    /// What was seen, in one sentence.
    pub what: String,
}

/// An observation that a process made.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// True time.
    pub at: Instant,
    /// Who.
    pub node: NodeId,
    /// In which life.
    pub incarnation: Incarnation,
    /// What it is.
    pub kind: ObservationKind,
    /// Its encoding.
    pub bytes: &'a [u8],
}

/// What a client can be told. A client's clock is true time: it is the outside observer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientInput {
    /// The first input. `entropy` is all the randomness it gets.
    Start {
        /// 32 bytes from the seed.
        entropy: [u8; 32],
    },
    /// An answer.
    Response {
        /// On which connection.
        connection: ConnectionId,
        /// From whom.
        node: NodeId,
        /// The bytes.
        bytes: Buffer,
    },
    /// A connection broke: the node crashed or refused it. A cut link breaks nothing; it is silent.
    Closed {
        /// Which one.
        connection: ConnectionId,
        /// To whom it was.
        node: NodeId,
    },
    /// A timer is due.
    Timer {
        /// Its name.
        id: u16,
    },
}

/// What a client can ask for. A client has at most one connection to each node; sending to a node opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientOutput {
    /// Sends a request to a node, opening a connection if there is none.
    Request {
        /// Whom.
        to: NodeId,
        /// In which session.
        session: SessionId,
        /// Its number.
        sequence: u64,
        /// The request.
        bytes: Buffer,
    },
    /// Drops the connection to a node: answers still on their way are lost.
    Close {
        /// Whom.
        to: NodeId,
    },
    /// Sets or cancels a timer, in true time.
    Timer {
        /// Its name.
        id: u16,
        /// When.
        at: Option<Instant>,
    },
}

/// Where a client puts its outputs.
pub trait ClientOutbox {
    /// An empty buffer from the world's pool.
    fn buffer(&mut self) -> BufferMut;
    /// Appends an output.
    fn push(&mut self, output: ClientOutput);

    /// Sends a request to a node, opening a connection if there is none.
    fn request(&mut self, to: NodeId, session: SessionId, sequence: u64, bytes: Buffer) {
        self.push(ClientOutput::Request { to, session, sequence, bytes });
    }

    /// Sets the timer of that name, in true time, replacing the one that was set; `None` cancels it.
    fn timer(&mut self, id: u16, at: Option<Instant>) {
        self.push(ClientOutput::Timer { id, at });
    }

    /// Drops the connection to a node: answers still on their way are lost.
    fn close(&mut self, to: NodeId) {
        self.push(ClientOutput::Close { to });
    }
}

/// Whether a run should go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to see.
    Continue,
    /// Everything that the scenario wanted to see was seen; the run may end before the schedule does.
    Done,
}

/// What kind of damage is about to strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// Bits flip.
    Rotten,
    /// A write that everybody believed durable never reached the medium: what it overwrote stands there again.
    Lost,
    /// A write went elsewhere. Asked once for where it should be, where what it overwrote stands again, and once for
    /// where it went.
    Misdirected,
    /// The range cannot be read until it is wholly rewritten.
    Unreadable,
    /// The whole device is gone, and another one stands in its place.
    DeviceLost,
}

/// Damage that is about to strike a device behind everybody's back.
#[derive(Clone, Copy, Debug)]
pub struct Damage<'a> {
    /// Whose device.
    pub node: NodeId,
    /// Which one.
    pub device: DeviceId,
    /// What would happen.
    pub kind: DamageKind,
    /// To which bytes: whole sectors, on NVM whole lines.
    pub range: Range,
    /// What they hold now; empty for a device that is lost.
    pub bytes: &'a [u8],
    /// Whether anything elsewhere on the device became durable after everything in the range: without it, what is
    /// struck is the newest that the device holds, and nothing on it can bear witness.
    pub later: bool,
}

/// Devices and what formatting left on each: pieces of bytes at their offsets, zeros between them.
pub type Formatted = Vec<(Geometry, Vec<(u64, Vec<u8>)>)>;

/// The cast and the judge of one run. One object plays all clients and hears all observations, so that nothing is
/// shared behind anyone's back.
pub trait Scene {
    /// A new process for `node`: for its first life and for every later one.
    fn process(&mut self, node: NodeId) -> Box<dyn Process>;

    /// The devices of `node` and their formatted contents (sparse: offset and bytes), asked once at the beginning.
    fn devices(&mut self, _node: NodeId) -> Formatted {
        Vec::new()
    }

    /// The devices that replace the `lost` ones of `node`, and their contents: empty ones of the same shapes, unless a
    /// scene formats them.
    fn replacement_devices(&mut self, _node: NodeId, lost: &[Geometry]) -> Formatted {
        lost.iter().map(|geometry| (*geometry, Vec::new())).collect()
    }

    /// Whether this damage may strike: a scene says no where it would destroy the last good copy of something, or what
    /// no process could ever find out. Not asked under [`Atlas::Off`](crate::Atlas::Off); under [`Atlas::Minority`](crate::Atlas::Minority) only after the world
    /// has made sure that only a minority of the nodes is struck; asked again when a write that was refused as the
    /// newest has been followed by others.
    fn may_damage(&self, _damage: &Damage<'_>) -> bool {
        true
    }

    /// One turn of a client at true time `now`.
    fn client(&mut self, _client: ClientId, _now: Instant, _input: ClientInput, _out: &mut dyn ClientOutbox) {
    }

    /// Judges an observation. Probes ([`ObservationKind::PROBE`]) are counted by the world and not handed over.
    ///
    /// # Errors
    /// The invariant that it breaks.
    fn observe(&mut self, _seen: Seen<'_>) -> Result<(), Violation> {
        Ok(())
    }

    /// Judges after each turn of a process and each event of the world; asked only by scenes that say so in
    /// [`checks_every_turn`](Self::checks_every_turn).
    ///
    /// # Errors
    /// The invariant that is broken.
    fn after_turn(&mut self, _node: NodeId, _process: &dyn Process) -> Result<(), Violation> {
        Ok(())
    }

    /// Whether [`after_turn`](Self::after_turn) is to be called.
    fn checks_every_turn(&self) -> bool {
        false
    }

    /// A node started (its `incarnation`-th life) or went down.
    fn lifecycle(&mut self, _at: Instant, _node: NodeId, _incarnation: Incarnation, _up: bool) {}

    /// The `Heal` fault struck: the liveness bound counts from here.
    fn healed(&mut self, _at: Instant) {}

    /// Whom [`Target::Focus`](crate::schedule::Target::Focus) means now.
    fn focus(&self) -> Option<NodeId> {
        None
    }

    /// Asked after every event in which an observation was made or a client moved.
    fn progress(&self) -> Progress {
        Progress::Continue
    }

    /// The last judgement, when the run is over at true time `at`.
    ///
    /// # Errors
    /// The invariant that is broken.
    fn finish(&mut self, _at: Instant) -> Result<(), Violation> {
        Ok(())
    }

    /// What happened, by name, beyond what the world counts: added to the summary's histogram.
    fn effects(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }

    /// The client history in Jepsen's shape, one JSON object a line (DESIGN section 7).
    fn history(&self) -> String {
        String::new()
    }

    /// The protocol trace, one JSON object a line. Collected only if [`collect_events`](Self::collect_events) was
    /// called before the run.
    fn events(&self) -> String {
        String::new()
    }

    /// Asks the scene to keep its protocol trace.
    fn collect_events(&mut self) {}

    /// Which coarse states of the protocol the run has been in, each once, as numbers that mean something to the scene
    /// alone: a guided campaign keeps what reached new ones. Collected only if
    /// [`collect_states`](Self::collect_states) was called before the run.
    fn states(&self) -> Vec<u64> {
        Vec::new()
    }

    /// Asks the scene to keep the states that it has been in.
    fn collect_states(&mut self) {}
}

/// What a seed becomes before anything runs: explicit, savable, editable.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The scenario's own numbers: how many commands, keys, which mix.
    #[serde(default)]
    pub workload: BTreeMap<String, u64>,
    /// The world and its faults.
    pub schedule: Schedule,
}

/// Something that can be run for any seed.
pub trait Scenario: Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// Its story in one line.
    fn about(&self) -> &'static str;

    /// The bug planted in it for demonstration, if any; such a scenario is left out of `run` without arguments.
    fn planted(&self) -> Option<&'static str> {
        None
    }

    /// Probes that a campaign should reach sooner or later; its report names those that it did not.
    fn probes(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Draws the plan of a seed.
    fn plan(&self, seed: u64) -> Plan;

    /// What the workload's numbers are when there is least to see: where shrinking goes. A number that is not named goes
    /// towards 0.
    fn calm(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// The cast and the judge for one run of a plan.
    ///
    /// # Errors
    /// What is wrong with the plan (a saved one can hold anything), in one sentence.
    fn scene(&self, plan: &Plan, seed: u64) -> Result<Box<dyn Scene>, String>;
}
