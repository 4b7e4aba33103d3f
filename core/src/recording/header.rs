//! What a process was made from, so that a replay makes the same one.

use crate::codec::{Malformed, Reader, Write};
use crate::id::{ClusterId, GroupId, Incarnation, NodeId, PeerSet};
use crate::paxos::Config;
use crate::time::{Duration, WallTime};
use alloc::string::String;
use alloc::vec::Vec;

/// The first block of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which build recorded it: another one may take its turns in another way.
    pub build: String,
    /// When the recording began, by the wall clock.
    pub began: WallTime,
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// Which of its lives, as it was told at its start.
    pub incarnation: Incarnation,
    /// The replica's settings.
    pub config: Config,
    /// Which state machine it feeds.
    pub machine: String,
    /// The state machine's own settings, encoded as it defines.
    pub limits: Vec<u8>,
}

impl Header {
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let Header { build, began, cluster, node, incarnation, config, machine, limits } = self;
        bytes.block(build.as_bytes());
        bytes.u64(began.0 as u64);
        bytes.bytes(&cluster.0.to_le_bytes());
        bytes.u8(node.0);
        bytes.u32(incarnation.0);
        put_config(bytes, config);
        bytes.block(machine.as_bytes());
        bytes.block(limits);
    }

    pub(super) fn decode(content: &[u8]) -> Result<Header, Malformed> {
        let mut reader = Reader::new(content);
        let header = Header {
            build: text(&mut reader)?,
            began: WallTime(reader.u64()? as i64),
            cluster: ClusterId(u128::from_le_bytes(reader.bytes(16)?.try_into().map_err(|_| Malformed)?)),
            node: NodeId(reader.u8()?),
            incarnation: Incarnation(reader.u32()?),
            config: take_config(&mut reader)?,
            machine: text(&mut reader)?,
            limits: reader.block()?.to_vec(),
        };
        reader.end()?;
        Ok(header)
    }
}

fn text(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    String::from_utf8(reader.block()?.to_vec()).map_err(|_| Malformed)
}

fn put_config(bytes: &mut Vec<u8>, config: &Config) {
    // Taken apart by name: a field that is added must be recorded too.
    let Config {
        group,
        voters,
        heartbeat,
        election_min,
        election_max,
        retransmit,
        window,
        eager,
        gather,
        rest,
        batch_commands,
        batch_bytes,
        log_bytes,
        snapshot_slots,
        snapshot_bytes,
        piece_bytes,
        tail_slots,
        waiting,
        sessions,
        session_window,
    } = config;
    bytes.u32(group.0);
    bytes.u64(voters.0);
    for duration in [heartbeat, election_min, election_max, retransmit, gather, rest] {
        bytes.u64(duration.as_nanos());
    }
    for number in [window, eager, batch_commands, batch_bytes, piece_bytes, waiting, sessions, session_window]
    {
        bytes.u32(*number);
    }
    for number in [log_bytes, snapshot_slots, snapshot_bytes, tail_slots] {
        bytes.u64(*number);
    }
}

fn take_config(reader: &mut Reader<'_>) -> Result<Config, Malformed> {
    let mut config = Config::new(GroupId(reader.u32()?), PeerSet(reader.u64()?));
    let c = &mut config;
    for duration in [
        &mut c.heartbeat,
        &mut c.election_min,
        &mut c.election_max,
        &mut c.retransmit,
        &mut c.gather,
        &mut c.rest,
    ] {
        *duration = Duration::from_nanos(reader.u64()?);
    }
    for number in [
        &mut c.window,
        &mut c.eager,
        &mut c.batch_commands,
        &mut c.batch_bytes,
        &mut c.piece_bytes,
        &mut c.waiting,
        &mut c.sessions,
        &mut c.session_window,
    ] {
        *number = reader.u32()?;
    }
    for number in [&mut c.log_bytes, &mut c.snapshot_slots, &mut c.snapshot_bytes, &mut c.tail_slots] {
        *number = reader.u64()?;
    }
    Ok(config)
}
