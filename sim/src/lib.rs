//! The simulated world: time, order, network, disks, NVM, clocks, crashes and the trace. It knows no protocol.
//!
//! [`World::run`] executes a [`Schedule`] for a [`Scene`] (the processes, the clients and the judge) and leaves an
//! [`Outcome`]. Everything that chance decides is a keyed [`draw`]; everything that happens is in the [`trace`].
#![forbid(unsafe_code)]

mod check;
mod clients;
mod clock;
mod disk;
pub mod draw;
pub mod effects;
mod event;
mod faults;
pub mod images;
mod kinds;
mod network;
mod node;
pub mod outcome;
mod panics;
mod queue;
mod say;
pub mod scene;
pub mod schedule;
mod storage;
mod timers;
pub mod trace;
mod turn;
mod wire;
mod world;

pub use clock::WALL_EPOCH;
pub use effects::Effect;
pub use outcome::{Broken, Outcome};
pub use scene::{
    ClientId, ClientInput, ClientOutbox, ClientOutput, Damage, DamageKind, Formatted, Plan, Progress,
    Scenario, Scene, Seen, Violation,
};
pub use schedule::{
    Atlas, Caches, Clock, Cut, Disk, Fault, Loss, Nanos, Network, Place, Ppm, Schedule, Target, Timed, Turns,
};
pub use trace::{NoTrace, TraceSink};
pub use world::{CLUSTER, FRAME_LIMIT, QUEUE_DEPTH, TURNS_PER_INSTANT, World};
