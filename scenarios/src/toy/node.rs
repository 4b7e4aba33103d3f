//! One node of the toy consensus, written as an outsider would write it: one turn, one input, some outputs.
//!
//! A life begins by making sure that no write of a former one is still on its way and that what the disk shows is
//! durable; then it reads its vote, or casts one and writes it, and from then on repeats it to everybody.

use super::{NODES, QUORUM, Speak};
use seedfast_core::codec::{Malformed, Reader, Write};
use seedfast_core::random::{Random, mix};
use seedfast_core::{
    Buffer, Completion, DeviceId, Durability, Duration, GroupId, Incarnation, Input, Kind, NodeId, Now,
    ObservationKind, OperationId, Outbox, PeerSet, Process, Range, Start, Step, TimerId,
};

/// A value to decide on: 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value(pub(super) u8);

/// The only message: one's own vote.
const VOTE: Kind = Kind(1);
/// Observation: this node voted; one byte, the value.
pub(super) const CAST: ObservationKind = ObservationKind(1);
/// Observation: this node decided; one byte, the value.
pub(super) const DECIDED: ObservationKind = ObservationKind(2);

const REPEAT: TimerId = TimerId(1);
const REPEAT_EVERY: Duration = Duration::from_millis(10);

const DISK: DeviceId = DeviceId(0);
/// Where the vote stands: one sector, which is written whole or not at all.
const SECTOR: Range = Range { at: 0, length: 512 };

const SETTLE: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 3;

/// What a node knows. It fits in 64 bits, so that the process's signature *is* its state, and the judge can look at
/// all of it after every turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The votes this node counts, its own among them as soon as it stands by it.
    pub(super) heard: [Option<Value>; NODES],
    /// What it decided.
    pub(super) decided: Option<Value>,
}

impl State {
    /// Two bits for each vote and for the decision: 0 none, 1 the value 0, 2 the value 1.
    pub(super) fn to_bits(self) -> u64 {
        let two_bits = |value: Option<Value>| value.map_or(0, |value| 1 + u64::from(value.0));
        self.heard.iter().rev().fold(two_bits(self.decided), |bits, vote| bits << 2 | two_bits(*vote))
    }

    /// The state that [`to_bits`](Self::to_bits) packed.
    pub(super) fn from_bits(bits: u64) -> Self {
        let value = |index: usize| match bits >> (2 * index) & 3 {
            0 => None,
            bits => Some(Value(bits as u8 - 1)),
        };
        State { heard: core::array::from_fn(value), decided: value(NODES) }
    }

    /// The value that enough of the votes heard agree on.
    fn quorum(&self) -> Option<Value> {
        let votes = |value| self.heard.iter().filter(|vote| **vote == Some(value)).count();
        [Value(0), Value(1)].into_iter().find(|value| votes(*value) >= QUORUM)
    }
}

/// A node in one of its lives.
pub(super) struct Node {
    speak: Speak,
    me: NodeId,
    incarnation: Incarnation,
    /// What it will vote for if the disk holds no vote.
    choice: Value,
    state: State,
}

impl Node {
    pub(super) fn new(node: NodeId, speak: Speak) -> Self {
        Node { speak, me: node, incarnation: Incarnation(0), choice: Value(0), state: State::default() }
    }

    fn start(&mut self, start: &Start, out: &mut Outbox) {
        self.me = start.node;
        self.incarnation = start.incarnation;
        self.choice = Value(Random::new(&start.entropy).below(2) as u8);
        let mut chain = out.chain();
        chain.extend([Step::Drain, Step::Persist(SECTOR)]);
        out.submit(self.op(SETTLE), DISK, chain, Durability::Durable);
    }

    fn completed(&mut self, now: Now, number: u32, result: &Completion, out: &mut Outbox) {
        match (number, result) {
            (SETTLE, Completion::Done) => out.read(self.op(READ), DISK, SECTOR),
            (READ, Completion::Data(sector)) => match stored(sector) {
                Ok(Some(vote)) => {
                    out.sometimes(true, "toy: a vote was read back after a restart");
                    self.cast(now, vote, out);
                }
                Ok(None) => self.first_vote(now, out),
                Err(Malformed) => out.halt("the sector of the vote holds something else"),
            },
            (WRITE, Completion::Done) if self.speak == Speak::OnceDurable => {
                self.cast(now, self.choice, out);
            }
            (WRITE, Completion::Done) => {}
            _ => out.halt("the disk failed, and without it a node may not vote"),
        }
    }

    fn first_vote(&mut self, now: Now, out: &mut Outbox) {
        let mut sector = out.buffer();
        encode(self.choice, &mut sector);
        sector.resize(SECTOR.length as usize, 0);
        let mut chain = out.chain();
        chain.push(Step::Write { at: SECTOR.at, buffer: sector.freeze() });
        out.submit(self.op(WRITE), DISK, chain, Durability::Durable);
        if self.speak == Speak::AtOnce {
            // The planted bug: nothing says that the write survives what the next instant brings.
            self.cast(now, self.choice, out);
        }
    }

    /// Stands by a vote from here on.
    fn cast(&mut self, now: Now, vote: Value, out: &mut Outbox) {
        self.state.heard[usize::from(self.me.0)] = Some(vote);
        out.observe(CAST, |bytes| bytes.u8(vote.0));
        self.repeat(now, out);
        self.decide(out);
    }

    /// Sends the vote, and sets the timer that will send it again.
    fn repeat(&mut self, now: Now, out: &mut Outbox) {
        if let Some(vote) = self.state.heard[usize::from(self.me.0)] {
            let mut frame = out.buffer();
            encode(vote, &mut frame);
            let everybody_else = PeerSet::first(NODES).without(self.me);
            out.send(everybody_else, VOTE, GroupId(0), frame.freeze());
            out.timer(REPEAT, Some(now.monotonic + REPEAT_EVERY));
        }
    }

    fn hear(&mut self, from: NodeId, frame: &Buffer, out: &mut Outbox) {
        let Ok(vote) = decode(frame) else { return };
        if let Some(heard) = self.state.heard.get_mut(usize::from(from.0)) {
            heard.get_or_insert(vote);
            self.decide(out);
        }
    }

    fn decide(&mut self, out: &mut Outbox) {
        if self.state.decided.is_none()
            && let Some(value) = self.state.quorum()
        {
            self.state.decided = Some(value);
            out.observe(DECIDED, |bytes| bytes.u8(value.0));
        }
    }

    fn op(&self, number: u32) -> OperationId {
        OperationId { incarnation: self.incarnation, number }
    }
}

impl Process for Node {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Start(start) => self.start(&start, out),
            Input::Completed { op, result } if op.incarnation == self.incarnation => {
                self.completed(now, op.number, &result, out);
            }
            Input::Receive { from, kind: VOTE, frame, .. } => self.hear(from, &frame, out),
            Input::Timer { id: REPEAT } => self.repeat(now, out),
            _ => {}
        }
    }

    fn describe(&self, kind: Kind, frame: &[u8]) -> Option<String> {
        (kind == VOTE).then(|| match decode(frame) {
            Ok(vote) => format!("vote for {}", vote.0),
            Err(Malformed) => "a damaged vote".into(),
        })
    }

    fn signature(&self) -> u64 {
        self.state.to_bits()
    }
}

/// A vote on the wire and on the disk: the value, then a number that damage does not guess.
fn encode(vote: Value, out: &mut Vec<u8>) {
    out.u8(vote.0);
    out.u64(check(vote));
}

fn decode(bytes: &[u8]) -> Result<Value, Malformed> {
    let mut fields = Reader::new(bytes);
    let vote = Value(fields.u8()?);
    let genuine = vote.0 < 2 && fields.u64()? == check(vote);
    fields.end()?;
    if genuine { Ok(vote) } else { Err(Malformed) }
}

fn check(vote: Value) -> u64 {
    mix(0x746f_7900 + u64::from(vote.0))
}

/// The vote that a sector holds; none if it is blank, as it was formatted.
fn stored(sector: &[u8]) -> Result<Option<Value>, Malformed> {
    if sector.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let (vote, blank) = sector.split_at_checked(9).ok_or(Malformed)?;
    if blank.iter().any(|byte| *byte != 0) { Err(Malformed) } else { decode(vote).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::Output;

    #[test]
    fn a_state_survives_its_signature() {
        let votes = [None, Some(Value(0)), Some(Value(1))];
        for decided in votes {
            for first in votes {
                let state = State { heard: [first, None, Some(Value(1))], decided };
                assert_eq!(State::from_bits(state.to_bits()), state);
            }
        }
    }

    #[test]
    fn no_flipped_bit_turns_a_vote_into_another() {
        let mut frame = vec![];
        encode(Value(1), &mut frame);
        assert_eq!(decode(&frame), Ok(Value(1)));
        for bit in 0..8 * frame.len() {
            let mut damaged = frame.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged), Err(Malformed), "bit {bit}");
        }
        assert!((0..frame.len()).all(|end| decode(&frame[..end]).is_err()));
    }

    /// The outputs of one turn.
    fn turn(node: &mut Node, input: Input) -> Vec<Output> {
        let (mut out, mut outputs) = (Outbox::new(true), vec![]);
        node.turn(Now::default(), input, &mut out);
        out.swap(&mut outputs);
        outputs
    }

    #[test]
    fn a_vote_leaves_only_when_it_is_durable_unless_the_bug_is_planted() {
        for (speak, sends_early) in [(Speak::OnceDurable, false), (Speak::AtOnce, true)] {
            let mut node = Node::new(NodeId(0), speak);
            let op = |number| OperationId { incarnation: Incarnation(0), number };
            let blank = Completion::Data(vec![0; 512].into());
            let outputs = turn(&mut node, Input::Completed { op: op(READ), result: blank });
            assert!(matches!(outputs[0], Output::Submit { durability: Durability::Durable, .. }));
            let sends =
                |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::Send { .. }));
            assert_eq!(sends(&outputs), sends_early);
            let outputs = turn(&mut node, Input::Completed { op: op(WRITE), result: Completion::Done });
            assert_eq!(sends(&outputs), !sends_early);
        }
    }

    #[test]
    fn a_node_whose_disk_failed_or_holds_rubble_stays_silent() {
        let op = |number| OperationId { incarnation: Incarnation(0), number };
        let rubble = Completion::Data(vec![7; 512].into());
        for (number, result) in [(READ, rubble), (WRITE, Completion::Failed(seedfast_core::Failure::Device))]
        {
            let mut node = Node::new(NodeId(0), Speak::OnceDurable);
            let outputs = turn(&mut node, Input::Completed { op: op(number), result });
            assert!(matches!(outputs[..], [Output::Halt { .. }]));
        }
    }
}
