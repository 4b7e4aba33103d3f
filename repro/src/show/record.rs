//! The records of a trace as a picture has them: on which lane, in which step, in which words.

use seedfast_sim::trace::{Event, Reason, What, Who};

/// The lane of what belongs to no node and no client.
pub(crate) const WORLD: u8 = 255;

/// One record of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// True time in nanoseconds.
    pub(crate) at: u64,
    /// Nodes from 0, clients behind them, or [`WORLD`].
    pub(crate) lane: u8,
    /// The node's life, 0 where there is none.
    pub(crate) life: u32,
    /// The record that begins its step: a turn for its outputs, a client's input for what it sends.
    pub(crate) head: u32,
    /// What it is, in one word.
    pub(crate) code: String,
    /// What it says.
    pub(crate) text: String,
}

/// Where it is drawn.
pub(crate) fn lane(who: Who, nodes: u8) -> u8 {
    match who {
        Who::World => WORLD,
        Who::Node(node) => node,
        Who::Client(client) => nodes + client,
    }
}

/// Whether it belongs to the step that the records above it began.
pub(crate) fn is_output(what: &What<'_>, text: &str) -> bool {
    match what {
        What::ClientRequest { .. } | What::ClientClose { .. } | What::ClientSetTimer { .. } => true,
        // The trace indents outputs: so those that this code has never heard of are known too.
        _ => text.starts_with("  "),
    }
}

/// What a record is, in one word: what the page's filters and glyphs go by. A record that is new to this code is
/// called by the first word of its line.
pub(crate) fn code(event: &Event<'_>, text: &str) -> String {
    let word = match &event.what {
        What::Turn { reason, .. } => match reason {
            Reason::Start { .. } => "start",
            Reason::Receive { .. } => "receive",
            Reason::Timer { .. } => "timer",
            Reason::EndOfBurst => "end-of-burst",
            Reason::Completed { .. } => "completed",
            Reason::Request { .. } => "request",
            Reason::Closed { .. } => "closed",
            _ => first_word(text),
        },
        What::SlowTurnEnded => "slow-end",
        What::Send { .. } => "send",
        What::SetTimer { .. } => "set-timer",
        What::Submit { .. } => "submit",
        What::Read { .. } => "read",
        What::Respond { .. } => "respond",
        What::Observe { kind: 255, .. } => "probe",
        What::Observe { kind: 254, .. } => "contract",
        What::Observe { .. } => "observe",
        What::Halt { .. } => "halt",
        What::Stopped { .. } => "stopped",
        What::Fault { .. } => "fault",
        What::FaultEnded { .. } => "fault-ended",
        What::Down { .. } => "down",
        What::Image { .. } => "image",
        What::Landed { .. } => "landed",
        What::Durable { .. } => "durable",
        What::Vanished { .. } => "vanished",
        What::ClientStart { .. } => "client-start",
        What::ClientResponse { .. } => "client-response",
        What::ClientClosed { .. } => "client-closed",
        What::ClientTimer { .. } => "client-timer",
        What::ClientRequest { .. } => "client-request",
        What::ClientClose { .. } => "client-close",
        What::ClientSetTimer { .. } => "client-set-timer",
        What::Verdict { .. } => "verdict",
        _ => first_word(text),
    };
    word.to_owned()
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or("other")
}

/// The line of an event without its first columns: time, who, life.
pub(crate) fn without_columns(event: &Event<'_>, line: &str) -> String {
    let mut columns = format!("{:>14} {:<4}", event.at.to_string(), event.who);
    match event.life {
        0 => columns.push_str("    "),
        life => columns.push_str(&format!("/{life:<3}")),
    }
    line.strip_prefix(&columns).unwrap_or(line).to_owned()
}
