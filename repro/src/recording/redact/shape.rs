//! Whether two outputs are the same but for bytes that were replaced: of these, their number is the same.

use super::inputs::message;
use seedfast_core::client::{Response, Status};
use seedfast_core::paxos::ValueId;
use seedfast_core::paxos::wire::{Entry, Message, SnapshotName};
use seedfast_core::{Buffer, NodeId, Output, SessionId, Step};

/// The first output of a turn that is not the same.
pub(super) fn difference(was: &[Output], is: &[Output]) -> Option<usize> {
    let same = was.iter().zip(is).take_while(|(was, is)| shape(was) == shape(is)).count();
    (same < was.len().max(is.len())).then_some(same)
}

fn blank(bytes: &[u8]) -> Buffer {
    Buffer::from(vec![0; bytes.len()])
}

/// What must be the same of an output.
#[derive(PartialEq)]
struct Shape {
    /// With zeros for its bytes.
    output: Output,
    message: Option<Message>,
    answer: Option<Answer>,
}

#[derive(PartialEq)]
struct Answer {
    status: Status,
    leader: Option<NodeId>,
    session: SessionId,
    sequence: u64,
}

fn shape(output: &Output) -> Shape {
    let mut shape = output.clone();
    let (mut message, mut answer) = (None, None);
    match &mut shape {
        Output::Send { frame, .. } => {
            message = self::message(frame).map(|(_, _, message)| skeleton(message));
            *frame = blank(frame);
        }
        Output::Submit { chain, .. } => {
            for step in chain {
                if let Step::Write { buffer, .. } = step {
                    *buffer = blank(buffer);
                }
            }
        }
        Output::Respond { bytes, .. } => {
            answer = Response::decode(bytes).ok().map(|response| {
                let Response { status, leader, session, sequence, .. } = response;
                Answer { status, leader, session, sequence }
            });
            *bytes = blank(bytes);
        }
        Output::RemoteWrite { buffer, .. } => *buffer = blank(buffer),
        // All of these are the protocol's own.
        Output::Timer { .. }
        | Output::Read { .. }
        | Output::Observe { .. }
        | Output::Grant { .. }
        | Output::Revoke { .. }
        | Output::Peer { .. }
        | Output::Halt { .. } => {}
    }
    Shape { output: shape, message, answer }
}

/// A message without what clients sent and what follows from it.
fn skeleton(mut message: Message) -> Message {
    let entries = |entries: &mut Vec<Entry>| {
        for entry in entries {
            (entry.id, entry.value) = (ValueId(0), blank(&entry.value));
        }
    };
    let name = |name: &mut SnapshotName| name.checksum = 0;
    match &mut message {
        Message::Promise { votes, .. } => entries(votes),
        Message::Accept { entries: values, .. } | Message::Learn { entries: values, .. } => entries(values),
        Message::Snapshot { name: of, digest, .. } => {
            name(of);
            *digest = 0;
        }
        Message::Fetch { name: of, .. } => name(of),
        Message::Piece { name: of, bytes, .. } => {
            name(of);
            *bytes = blank(bytes);
        }
        _ => {}
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::{ConnectionId, TimerId};

    fn answer(status: Status, sequence: u64, payload: &[u8]) -> Output {
        let (leader, session) = (Some(NodeId(1)), SessionId(1));
        let mut bytes = Vec::new();
        Response { status, leader, session, sequence, payload }.encode(&mut bytes);
        Output::Respond { connection: ConnectionId(1), bytes: Buffer::from(bytes) }
    }

    #[test]
    fn other_payloads_are_no_difference_and_everything_else_is() {
        let was = [Output::Timer { id: TimerId(1), at: None }, answer(Status::Done, 3, b"one")];
        let with = |last| [was[0].clone(), last];
        assert_eq!(difference(&was, &with(answer(Status::Done, 3, b"two"))), None);
        assert_eq!(difference(&was, &with(answer(Status::Done, 3, b"three"))), Some(1));
        assert_eq!(difference(&was, &with(answer(Status::Stale, 3, b"two"))), Some(1));
        assert_eq!(difference(&was, &with(answer(Status::Done, 4, b"two"))), Some(1));
        assert_eq!(difference(&was, &was[..1]), Some(1));
        assert_eq!(difference(&was[..1], &was), Some(1));
        assert_eq!(difference(&was, &was[1..]), Some(0));
    }
}
