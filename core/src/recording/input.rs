//! Inputs, encoded. The tags are those of the trace (`docs/trace.md`), the content is all of it.

use crate::buffer::Buffer;
use crate::codec::{Malformed, Reader, Write};
use crate::id::{
    ClusterId, ConnectionId, GroupId, Incarnation, Kind, NodeId, OperationId, SessionId, TimerId,
};
use crate::input::{Command, Input, Start};
use crate::storage::{Completion, Failure, Geometry, Media, Range};
use alloc::vec;
use alloc::vec::Vec;

pub(super) const START: u8 = 0x10;
const RECEIVE: u8 = 0x11;
const TIMER: u8 = 0x12;
const END_OF_BURST: u8 = 0x13;
const COMPLETED: u8 = 0x14;
const REQUEST: u8 = 0x15;
const CLOSED: u8 = 0x16;
const CONTROL: u8 = 0x17;
const WRITABLE: u8 = 0x18;
const LANDED: u8 = 0x19;

/// Appends the tag and the content.
pub(super) fn put(bytes: &mut Vec<u8>, input: &Input) {
    match input {
        Input::Start(start) => put_start(bytes, start),
        Input::Receive { from, kind, group, frame } => {
            bytes.bytes(&[RECEIVE, from.0, kind.0]);
            bytes.u32(group.0);
            bytes.block(frame);
        }
        Input::Timer { id } => {
            bytes.u8(TIMER);
            bytes.u16(id.0);
        }
        Input::EndOfBurst => bytes.u8(END_OF_BURST),
        Input::Completed { op, result } => {
            bytes.u8(COMPLETED);
            put_op(bytes, *op);
            put_completion(bytes, result);
        }
        Input::Request { group, connection, session, sequence, bytes: request } => {
            bytes.u8(REQUEST);
            bytes.u32(group.0);
            bytes.u64(connection.0);
            bytes.u64(session.0);
            bytes.u64(*sequence);
            bytes.block(request);
        }
        Input::Closed { connection } => {
            bytes.u8(CLOSED);
            bytes.u64(connection.0);
        }
        Input::Control(Command { connection, bytes: command }) => {
            bytes.u8(CONTROL);
            bytes.u64(connection.0);
            bytes.block(command);
        }
        Input::Writable { peer } => bytes.bytes(&[WRITABLE, peer.0]),
        Input::Landed { from, region, range } => {
            bytes.bytes(&[LANDED, from.0]);
            bytes.u32(*region);
            bytes.u64(range.at);
            bytes.u64(range.length);
        }
    }
}

fn put_start(bytes: &mut Vec<u8>, start: &Start) {
    let Start { incarnation, entropy, cluster, node, devices, queue_depth, frame_limit } = start;
    bytes.u8(START);
    bytes.u32(incarnation.0);
    bytes.bytes(entropy);
    bytes.bytes(&cluster.0.to_le_bytes());
    bytes.u8(node.0);
    bytes.u32(*queue_depth);
    bytes.u32(*frame_limit);
    bytes.u8(u8::try_from(devices.len()).expect("devices have numbers of one byte"));
    for Geometry { media, atomic, alignment, capacity } in devices {
        bytes.u8(match media {
            Media::Disk => 0,
            Media::Nvm => 1,
            Media::Memory => 2,
        });
        bytes.u32(*atomic);
        bytes.u32(*alignment);
        bytes.u64(*capacity);
    }
}

pub(super) fn put_op(bytes: &mut Vec<u8>, op: OperationId) {
    bytes.u32(op.incarnation.0);
    bytes.u32(op.number);
}

fn put_completion(bytes: &mut Vec<u8>, result: &Completion) {
    match result {
        Completion::Done => bytes.u8(0),
        Completion::Data(data) => {
            // Recovery reads the whole log, much of it blank: zeros at the end are only counted.
            let zeros = zeros_at_the_end(data);
            bytes.u8(1);
            bytes.u32(zeros as u32);
            bytes.block(&data[..data.len() - zeros]);
        }
        Completion::Failed(why) => bytes.bytes(&[
            2,
            match why {
                Failure::Device => 0,
                Failure::NoSpace => 1,
                Failure::Media => 2,
            },
        ]),
        Completion::Unknown => bytes.u8(3),
        Completion::Volatile => bytes.u8(4),
    }
}

/// How many zeros stand at the end of `data`, which may be hundreds of megabytes of them.
fn zeros_at_the_end(data: &[u8]) -> usize {
    const WIDE: usize = 64;
    let wide = data.rchunks_exact(WIDE).take_while(|chunk| chunk.iter().fold(0, |any, byte| any | byte) == 0);
    let zeros = WIDE * wide.count();
    zeros + data[..data.len() - zeros].iter().rev().take_while(|byte| **byte == 0).count()
}

/// Reads the content behind `tag` from `reader`, which reads `whole`; its bytes are shared.
pub(super) fn take(tag: u8, reader: &mut Reader<'_>, whole: &Buffer) -> Result<Input, Malformed> {
    Ok(match tag {
        START => Input::Start(take_start(reader)?),
        RECEIVE => Input::Receive {
            from: NodeId(reader.u8()?),
            kind: Kind(reader.u8()?),
            group: GroupId(reader.u32()?),
            frame: reader.block_of(whole)?,
        },
        TIMER => Input::Timer { id: TimerId(reader.u16()?) },
        END_OF_BURST => Input::EndOfBurst,
        COMPLETED => Input::Completed { op: take_op(reader)?, result: take_completion(reader, whole)? },
        REQUEST => Input::Request {
            group: GroupId(reader.u32()?),
            connection: ConnectionId(reader.u64()?),
            session: SessionId(reader.u64()?),
            sequence: reader.u64()?,
            bytes: reader.block_of(whole)?,
        },
        CLOSED => Input::Closed { connection: ConnectionId(reader.u64()?) },
        CONTROL => Input::Control(Command {
            connection: ConnectionId(reader.u64()?),
            bytes: reader.block_of(whole)?,
        }),
        WRITABLE => Input::Writable { peer: NodeId(reader.u8()?) },
        LANDED => Input::Landed {
            from: NodeId(reader.u8()?),
            region: reader.u32()?,
            range: Range { at: reader.u64()?, length: reader.u64()? },
        },
        _ => return Err(Malformed),
    })
}

fn take_start(reader: &mut Reader<'_>) -> Result<Start, Malformed> {
    let incarnation = Incarnation(reader.u32()?);
    let entropy = reader.bytes(32)?.try_into().map_err(|_| Malformed)?;
    let cluster = ClusterId(u128::from_le_bytes(reader.bytes(16)?.try_into().map_err(|_| Malformed)?));
    let node = NodeId(reader.u8()?);
    let (queue_depth, frame_limit) = (reader.u32()?, reader.u32()?);
    let devices = (0..reader.u8()?).map(|_| {
        let media = match reader.u8()? {
            0 => Media::Disk,
            1 => Media::Nvm,
            2 => Media::Memory,
            _ => return Err(Malformed),
        };
        let (atomic, alignment, capacity) = (reader.u32()?, reader.u32()?, reader.u64()?);
        Ok(Geometry { media, atomic, alignment, capacity })
    });
    let devices = devices.collect::<Result<_, _>>()?;
    Ok(Start { incarnation, entropy, cluster, node, devices, queue_depth, frame_limit })
}

fn take_op(reader: &mut Reader<'_>) -> Result<OperationId, Malformed> {
    Ok(OperationId { incarnation: Incarnation(reader.u32()?), number: reader.u32()? })
}

fn take_completion(reader: &mut Reader<'_>, whole: &Buffer) -> Result<Completion, Malformed> {
    Ok(match reader.u8()? {
        0 => Completion::Done,
        1 => {
            let zeros = reader.u32()? as usize;
            let data = reader.block_of(whole)?;
            if zeros == 0 {
                return Ok(Completion::Data(data));
            }
            if zeros > super::block::LARGEST {
                return Err(Malformed);
            }
            let mut all = vec![0; data.len() + zeros];
            all[..data.len()].copy_from_slice(&data);
            Completion::Data(Buffer::from(all))
        }
        2 => Completion::Failed(match reader.u8()? {
            0 => Failure::Device,
            1 => Failure::NoSpace,
            2 => Failure::Media,
            _ => return Err(Malformed),
        }),
        3 => Completion::Unknown,
        4 => Completion::Volatile,
        _ => return Err(Malformed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_at_the_end_are_counted_to_the_last_one() {
        for length in [0, 1, 63, 64, 65, 200] {
            assert_eq!(zeros_at_the_end(&vec![0; length]), length);
            for other in 0..length {
                let mut data = vec![0; length];
                data[other] = 128;
                assert_eq!(zeros_at_the_end(&data), length - 1 - other, "{other} of {length}");
            }
        }
    }
}
