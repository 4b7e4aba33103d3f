//! The simulated world: time, order, network, disks, clocks, crashes and the trace. It knows no protocol.
#![forbid(unsafe_code)]

pub mod outcome;
pub mod scene;
pub mod schedule;

pub use outcome::{Broken, Outcome};
pub use scene::{
    ClientId, ClientInput, ClientOutbox, ClientOutput, Plan, Progress, Scenario, Scene, Seen, Violation,
};
pub use schedule::{Clock, Cut, Disk, Fault, Loss, Nanos, Network, Ppm, Schedule, Target, Timed, Turns};
