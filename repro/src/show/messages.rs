//! Messages from sender to receiver: each is named where it is sent, and where it arrives or is stopped.

use super::record::WORLD;
use crate::events::Words;
use seedfast_sim::trace::{Event, Reason, Sent, What};
use std::collections::HashMap;

/// What became of a message, beyond what its sender's record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its name in the trace.
    pub(crate) id: u64,
    /// The sender's lane.
    pub(crate) from: u8,
    /// The receiver's lane.
    pub(crate) to: u8,
    /// What kind of message it is.
    pub(crate) kind: Class,
    /// The record that sent it.
    pub(crate) sent: u32,
    /// How it started its way, in the words of the trace.
    pub(crate) fate: &'static str,
    /// When it and its second copy were to arrive, in nanoseconds.
    pub(crate) due: [Option<u64>; 2],
    /// The records in which it and its second copy arrived.
    pub(crate) received: [Option<u32>; 2],
    /// Whether what arrived was not what was sent.
    pub(crate) damaged: [bool; 2],
    /// The record that says it was stopped or held, and why.
    pub(crate) stopped: Option<(u32, &'static str)>,
    /// Its length in bytes.
    pub(crate) size: u32,
    /// What it says: in the protocol's words if it has any, else its first bytes.
    pub(crate) words: String,
    /// The slots that its words name, first and last.
    pub(crate) slots: Option<(u64, u64)>,
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Between nodes, under the number that its sender gave.
    Kind(u8),
    /// From a client.
    Request,
    /// To a client.
    Response,
    /// The news that a client dropped its connection.
    Close,
}

/// Gathers messages as records go by.
pub(crate) struct Messages<'a> {
    words: &'a Words,
    nodes: u8,
    all: Vec<Message>,
    by_name: HashMap<u64, usize>,
    /// The client's lane and the close message of each connection.
    connections: HashMap<u64, (u8, Option<u64>)>,
}

/// So many bytes of a payload that nobody puts into words are shown.
const SHOWN: usize = 64;

impl<'a> Messages<'a> {
    pub(crate) fn new(words: &'a Words, nodes: u8) -> Self {
        let (all, by_name, connections) = (Vec::new(), HashMap::new(), HashMap::new());
        Messages { words, nodes, all, by_name, connections }
    }

    /// Takes notice of a record; `lane` is its own.
    pub(crate) fn hear(&mut self, record: u32, lane: u8, event: &Event<'a>) {
        match &event.what {
            What::Send { kind, frame, messages, .. } => {
                let words = self.words.of_frame(*kind, frame);
                let slots = words.as_deref().and_then(slots);
                let words = words.unwrap_or_else(|| raw(frame));
                for sent in messages {
                    let message = self.message(record, (lane, sent.to), Class::Kind(*kind), sent, frame);
                    self.insert(Message { words: words.clone(), slots, ..message });
                }
            }
            What::Respond { connection, sent, bytes } => {
                let client = self.connections.get(connection).map_or(WORLD, |(client, _)| *client);
                let message = self.message(record, (lane, client), Class::Response, sent, bytes);
                self.insert(Message { words: raw(bytes), ..message });
            }
            What::ClientRequest { connection, sent, bytes, .. } => {
                self.connections.insert(*connection, (lane, None));
                let message = self.message(record, (lane, sent.to), Class::Request, sent, bytes);
                self.insert(Message { words: raw(bytes), ..message });
            }
            What::ClientClose { connection, sent } => {
                self.connections.insert(*connection, (lane, Some(sent.message)));
                let message = self.message(record, (lane, sent.to), Class::Close, sent, &[]);
                self.insert(message);
            }
            What::Turn { reason: Reason::Receive { message, changed, .. }, .. } => {
                self.arrive(*message, record, changed.is_some());
            }
            What::Turn { reason: Reason::Request { message, .. }, .. }
            | What::ClientResponse { message, .. } => self.arrive(*message, record, false),
            What::Turn { reason: Reason::Closed { connection }, .. } => {
                if let Some((_, Some(message))) = self.connections.get(connection) {
                    self.arrive(*message, record, false);
                }
            }
            What::Stopped { message, why } => {
                if let Some(found) = self.find(*message) {
                    found.stopped = Some((record, why));
                }
            }
            _ => {}
        }
    }

    /// The message of that name.
    pub(crate) fn named(&self, id: u64) -> Option<&Message> {
        self.by_name.get(&id).map(|place| &self.all[*place])
    }

    /// All, in the order in which they were sent.
    pub(crate) fn into_all(self) -> Vec<Message> {
        self.all
    }

    fn message(&self, record: u32, (from, to): (u8, u8), kind: Class, sent: &Sent, bytes: &[u8]) -> Message {
        // An endpoint that does not exist has no lane.
        let to = if kind != Class::Response && to >= self.nodes { WORLD } else { to };
        Message {
            id: sent.message,
            from,
            to,
            kind,
            sent: record,
            fate: sent.fate,
            due: [sent.at, sent.copy].map(|at| at.map(|at| at.as_nanos())),
            received: [None; 2],
            damaged: [false; 2],
            stopped: None,
            size: bytes.len() as u32,
            words: String::new(),
            slots: None,
        }
    }

    fn insert(&mut self, message: Message) {
        self.by_name.insert(message.id, self.all.len());
        self.all.push(message);
    }

    fn find(&mut self, id: u64) -> Option<&mut Message> {
        self.by_name.get(&id).map(|place| &mut self.all[*place])
    }

    fn arrive(&mut self, id: u64, record: u32, damaged: bool) {
        if let Some(message) = self.find(id) {
            let copy = usize::from(message.received[0].is_some());
            message.received[copy] = Some(record);
            message.damaged[copy] = damaged;
        }
    }
}

/// Bytes that nobody puts into words: letters as they are, the rest escaped.
fn raw(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let more = if bytes.len() > SHOWN { ".." } else { "" };
    format!("\"{}\"{more}", shown.escape_ascii())
}

/// The slots that a description names, first and last: `slot=7`, `slots=7`, `slots=7..=9` or `slots=7+3`, with `=` or a
/// blank behind the word.
pub(crate) fn slots(words: &str) -> Option<(u64, u64)> {
    for (place, _) in words.match_indices("slot") {
        let is_word = !words[..place].ends_with(|c: char| c.is_alphanumeric());
        let rest = words[place + 4..].trim_start_matches('s');
        let Some(rest) = rest.strip_prefix(['=', ' ']).filter(|_| is_word) else { continue };
        let (Some(first), rest) = number(rest) else { continue };
        let last = if let Some((Some(last), _)) = rest.strip_prefix("..=").map(number) {
            last
        } else if let Some((Some(count), _)) = rest.strip_prefix('+').map(number) {
            first.saturating_add(count.max(1) - 1)
        } else {
            first
        };
        return (first <= last).then_some((first, last));
    }
    None
}

fn number(text: &str) -> (Option<u64>, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].parse().ok(), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_read_from_a_protocols_own_words() {
        for (words, expected) in [
            ("accept ballot=1.0 commit=3 slots=7..=9", Some((7, 9))),
            ("accepted ballot=1.0 slots=7+3", Some((7, 9))),
            ("accepted ballot=1.0 slots=7+0", Some((7, 7))),
            ("learn decided=9 slots=5", Some((5, 5))),
            ("vote for slot 12", Some((12, 12))),
            ("promise ballot=1.0 from=3 votes=none", None),
            ("slots=none", None),
            ("timeslot=4", None),
            ("slots=9..=7", None),
        ] {
            assert_eq!(slots(words), expected, "{words}");
        }
    }

    #[test]
    fn bytes_without_words_are_shown_escaped_and_cut() {
        assert_eq!(raw(b"</script>\x00"), "\"</script>\\x00\"");
        assert!(raw(&[0; 65]).ends_with(".."));
    }
}
