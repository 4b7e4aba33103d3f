//! A recorded turn as people read it: the input with its reason to wake, and indented below it what the turn asked for.
//! The lines are those of the trace (`docs/trace.md`) as far as one node can know.

use seedfast_core::client::{Request, Response};
use seedfast_core::recording::Turn;
use seedfast_core::{
    Completion, Duration, Input, Instant, NodeId, OperationId, Output, Process, Range, Step,
};
use std::fmt::Write as _;

/// Tells the turns of one life.
pub(super) struct Teller {
    pub(super) node: NodeId,
    pub(super) life: u32,
    /// The reading of the first turn: times are told from there.
    pub(super) began: Instant,
}

impl Teller {
    /// How long after the first turn.
    pub(super) fn since(&self, turn: &Turn) -> Duration {
        turn.now.monotonic.since(self.began)
    }

    /// The lines of a turn that contain one of `words`; all of them if there are none.
    pub(super) fn tell(&self, turn: &Turn, process: &impl Process, words: &[String]) -> String {
        let head =
            format!("{:>14} {:<4}/{:<3}", self.since(turn).to_string(), self.node.to_string(), self.life);
        let mut text = String::new();
        let mut line = |what: &str| {
            let line = format!("{head}{what}");
            if words.is_empty() || words.iter().any(|word| line.contains(word.as_str())) {
                text.push_str(&line);
                text.push('\n');
            }
        };
        line(&input(&turn.input, process));
        turn.outputs.iter().for_each(|output| line(&self.output(output, process)));
        text
    }

    fn output(&self, output: &Output, process: &impl Process) -> String {
        match output {
            Output::Send { to, kind, group: _, frame } => {
                let to: Vec<String> = to.iter().map(|node| node.to_string()).collect();
                let what = process.describe(*kind, frame).unwrap_or_else(|| bytes(frame));
                format!("  send        kind {} to {}, {what}", kind.0, to.join(" "))
            }
            Output::Timer { id, at: Some(at) } => {
                format!("  set timer   {} to {}", id.0, at.since(self.began))
            }
            Output::Timer { id, at: None } => format!("  cancel      timer {}", id.0),
            Output::Submit { op, device, chain, durability } => {
                let mut text = format!("  submit      {} device {}", name(*op), device.0);
                for step in chain {
                    let _ = match step {
                        Step::Write { at, buffer } => write!(text, "; write {} at {at}", bytes(buffer)),
                        Step::Barrier => write!(text, "; barrier"),
                        Step::Drain => write!(text, "; drain"),
                        Step::Persist(range) => write!(text, "; persist {}", place(*range)),
                    };
                }
                if *durability == seedfast_core::Durability::Durable {
                    text.push_str("; durable");
                }
                text
            }
            Output::Read { op, device, range } => {
                format!("  read        {} device {} at {}", name(*op), device.0, place(*range))
            }
            Output::Respond { connection, bytes: answer } => {
                let what = match Response::decode(answer) {
                    Ok(response) => format!("{:?}, {}", response.status, bytes(response.payload)),
                    Err(_) => bytes(answer),
                };
                format!("  respond     connection {}, {what}", connection.0)
            }
            Output::Observe { kind, bytes: what } => {
                format!("  observe     kind {}, {}", kind.0, bytes(what))
            }
            Output::RemoteWrite { op, to, region, at, buffer, .. } => {
                format!("  remote      {} to {to} region {region} at {at}, {}", name(*op), bytes(buffer))
            }
            Output::Grant { op, to, region, device, range } => {
                let (op, range) = (name(*op), place(*range));
                format!("  grant       {op} to {to} region {region}, device {} at {range}", device.0)
            }
            Output::Revoke { op, region } => format!("  revoke      {} region {region}", name(*op)),
            Output::Peer { node, address: Some(address) } => {
                format!("  peer        {node} is at {}", String::from_utf8_lossy(address))
            }
            Output::Peer { node, address: None } => format!("  peer        forget {node}"),
            Output::Halt { why } => format!("  halt        {}", String::from_utf8_lossy(why)),
        }
    }
}

fn input(input: &Input, process: &impl Process) -> String {
    let what = match input {
        Input::Start(start) => {
            let devices =
                start.devices.iter().map(|device| format!("{:?} of {}", device.media, device.capacity));
            devices.collect::<Vec<_>>().join(", ")
        }
        Input::Receive { from, kind, group: _, frame } => {
            let what = process.describe(*kind, frame).unwrap_or_else(|| bytes(frame));
            format!("from {from} kind {}, {what}", kind.0)
        }
        Input::Timer { id } => id.0.to_string(),
        Input::EndOfBurst => String::new(),
        Input::Completed { op, result } => {
            let op = name(*op);
            match result {
                Completion::Done => format!("{op} done"),
                Completion::Data(data) => format!("{op} data, {}", bytes(data)),
                Completion::Failed(why) => format!("{op} failed: {why:?}"),
                Completion::Unknown => format!("{op} unknown"),
                Completion::Volatile => format!("{op} volatile"),
            }
        }
        Input::Request { group: _, connection, session, sequence, bytes: asked } => {
            let what = match Request::decode(asked) {
                Ok(request) => format!("{:?}, {}", request.verb, bytes(request.payload)),
                Err(_) => bytes(asked),
            };
            let (connection, session) = (connection.0, session.0);
            format!("connection {connection} session {session} sequence {sequence}, {what}")
        }
        Input::Writable { peer } => peer.to_string(),
        Input::Closed { connection } => format!("connection {}", connection.0),
        Input::Control(command) => format!("connection {}, {}", command.connection.0, bytes(&command.bytes)),
        Input::Landed { from, region, range } => format!("from {from} region {region} at {}", place(*range)),
    };
    format!("{:<14}{what}", input.name()).trim_end().to_owned()
}

fn name(op: OperationId) -> String {
    format!("{}.{}", op.incarnation.0, op.number)
}

fn place(range: Range) -> String {
    format!("{}+{}", range.at, range.length)
}

/// A payload's length and its first bytes.
fn bytes(bytes: &[u8]) -> String {
    let mut text = format!("{} bytes", bytes.len());
    for (index, byte) in bytes.iter().take(12).enumerate() {
        let _ = write!(text, "{}{byte:02x}", if index == 0 { " " } else { "" });
    }
    if bytes.len() > 12 {
        text.push_str("..");
    }
    text
}
