//! What a recording says of the replica that it was made of, and the same replica made again.

use crate::limits::Limits;
use crate::store::Store;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use seedfast_core::codec::{Malformed, Reader, Write};
use seedfast_core::machine::StateMachine;
use seedfast_core::paxos::{Config, Replica};
use seedfast_core::recording::Header;
use seedfast_core::{Start, WallTime};

/// Which build this is: a version, a commit, and a hash of the sources of protocol and state machine, which decide.
pub const BUILD: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    ", commit ",
    env!("SEEDFAST_KV_COMMIT"),
    ", sources ",
    env!("SEEDFAST_KV_SOURCES")
);

/// What a recording calls this state machine.
const MACHINE: &str = "kv";

/// The header of a recording that begins now, of a replica made from `config` and `limits` and told `start`.
pub fn header(config: &Config, limits: Limits, start: &Start, began: WallTime) -> Header {
    Header {
        build: BUILD.into(),
        began,
        cluster: start.cluster,
        node: start.node,
        incarnation: start.incarnation,
        config: config.clone(),
        machine: MACHINE.into(),
        limits: encode(limits),
    }
}

/// The state machine of a recording.
///
/// # Errors
/// Why this build cannot make it, in one sentence.
pub fn store(header: &Header) -> Result<Store, String> {
    if header.machine != MACHINE {
        let machine = &header.machine;
        return Err(format!(
            "it feeds a state machine called `{machine}`, and this build has `{MACHINE}` alone"
        ));
    }
    let limits = decode(&header.limits).map_err(|_| {
        format!("the limits of its state machine are not those of a `{MACHINE}` of this build")
    })?;
    Ok(Store::with_limits(limits))
}

/// The replica of a recording, fed by `machine`, before its start.
///
/// # Errors
/// As [`store`].
pub fn replica_of<M: StateMachine>(header: &Header, machine: M) -> Result<Replica<M>, String> {
    Replica::new(header.config.clone(), machine)
        .map_err(|why| format!("its replica's settings make no sense here: {why}"))
}

/// The replica of a recording, before its start.
///
/// # Errors
/// As [`store`].
pub fn replica(header: &Header) -> Result<Replica<Store>, String> {
    replica_of(header, store(header)?)
}

/// Whether the sources that decide are the same in both builds.
pub fn same_sources(build: &str) -> bool {
    build.rsplit(' ').next() == BUILD.rsplit(' ').next()
}

fn encode(limits: Limits) -> Vec<u8> {
    let Limits { key, value, list, reply, total } = limits;
    let mut bytes = Vec::new();
    [key, value, list, reply, total].into_iter().for_each(|limit| bytes.u64(limit as u64));
    bytes
}

fn decode(bytes: &[u8]) -> Result<Limits, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut next = || usize::try_from(reader.u64()?).map_err(|_| Malformed);
    let limits = Limits { key: next()?, value: next()?, list: next()?, reply: next()?, total: next()? };
    reader.end()?;
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::{ClusterId, GroupId, Incarnation, NodeId, PeerSet};

    #[test]
    fn a_header_makes_the_same_replica_and_one_of_another_machine_is_refused() {
        let config = Config::new(GroupId(1), PeerSet::first(3));
        let limits = Limits { key: 7, total: 1 << 20, ..Limits::DEFAULT };
        let start = Start {
            incarnation: Incarnation(1),
            entropy: [0; 32],
            cluster: ClusterId(5),
            node: NodeId(2),
            devices: Vec::new(),
            queue_depth: 1,
            frame_limit: 1,
        };
        let header = header(&config, limits, &start, WallTime(0));
        assert_eq!(decode(&header.limits), Ok(limits));
        assert!(replica(&header).is_ok());
        assert!(same_sources(&header.build));
        assert!(!same_sources("0.1.0, commit unknown, sources 0000000000000000"));
        let other = Header { machine: "chess".into(), ..header.clone() };
        assert!(replica(&other).is_err_and(|why| why.contains("`chess`")));
        let short = Header { limits: header.limits[..39].to_vec(), ..header };
        assert!(replica(&short).is_err_and(|why| why.contains("limits")));
    }
}
