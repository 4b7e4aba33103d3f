//! What is run and how it is judged: clusters, workloads, fault mixes, oracles.
#![forbid(unsafe_code)]

pub mod client;
pub mod efficacy;
pub mod history;
pub mod linearizable;
pub mod oracles;
pub mod paxos_scene;
pub mod story;
pub mod toy;
pub mod workload;
