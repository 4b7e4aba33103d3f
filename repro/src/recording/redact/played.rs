//! A state machine of which nothing is left but how long its answers were.
//!
//! What a replica does follows from its state machine's answers by their lengths alone, and from whether a snapshot was
//! one. A redacted recording holds these, in the order in which the replica asked, in the place of the machine's settings:
//! so it needs neither the commands nor the machine.

use seedfast_core::WallTime;
use seedfast_core::codec::{Malformed, Reader, Write};
use seedfast_core::machine::{Chunk, StateMachine};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::secret::BLANK;

/// What a recording calls the machine that plays answers back.
pub(in crate::recording) const MACHINE: &str = "redacted kv";
/// No answer is longer.
const LONGEST: u64 = 1 << 31;

/// What a call came to: the lower two bits of a number; the others are a length, or whether it was well.
const REPLY: u64 = 0;
const CHUNK: u64 = 1;
const LAST_CHUNK: u64 = 2;
const RESTORE: u64 = 3;

/// What a machine answered, call by call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// Numbers of seven bits a byte, the lowest first.
    bytes: Vec<u8>,
    calls: u64,
    /// The digest of its state behind so many calls, where somebody asked.
    digests: Vec<(u64, u64)>,
}

impl Answers {
    fn push(&mut self, kind: u64, value: u64) {
        let mut rest = value << 2 | kind;
        while rest >= 0x80 {
            self.bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
        self.calls += 1;
    }

    /// As the settings of the machine that plays them back; digests are changed by `mask`.
    pub(super) fn encode(&self, mask: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.u64(self.digests.len() as u64);
        for (calls, digest) in &self.digests {
            bytes.u64(*calls);
            bytes.u64(digest ^ mask);
        }
        bytes.extend_from_slice(&self.bytes);
        bytes
    }

    fn decode(settings: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(settings);
        let count = fields.u64()?;
        let mut answers = Answers::default();
        for _ in 0..count {
            answers.digests.push((fields.u64()?, fields.u64()?));
        }
        answers.bytes = fields.bytes(fields.remaining())?.to_vec();
        let mut at = 0;
        while at < answers.bytes.len() {
            let (value, next) = number(&answers.bytes, at).ok_or(Malformed)?;
            if value >> 2 > LONGEST {
                return Err(Malformed);
            }
            (at, answers.calls) = (next, answers.calls + 1);
        }
        Ok(answers)
    }
}

/// The number that begins at `at`, and where the next one does.
fn number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.get(at..)?.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, at + place + 1));
        }
    }
    None
}

/// A machine whose answers are noted.
pub(super) struct Heard<M> {
    machine: M,
    answers: Rc<RefCell<Answers>>,
}

impl<M> Heard<M> {
    pub(super) fn new(machine: M, answers: Rc<RefCell<Answers>>) -> Self {
        Heard { machine, answers }
    }

    fn note(&self, kind: u64, value: u64) {
        self.answers.borrow_mut().push(kind, value);
    }

    fn restored(&self, result: Result<(), Malformed>) -> Result<(), Malformed> {
        self.note(RESTORE, u64::from(result.is_ok()));
        result
    }
}

impl<M: StateMachine> StateMachine for Heard<M> {
    fn apply(&mut self, time: WallTime, command: &[u8], reply: &mut Vec<u8>) {
        let before = reply.len();
        self.machine.apply(time, command, reply);
        self.note(REPLY, (reply.len() - before) as u64);
    }

    fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        let before = reply.len();
        self.machine.query(query, reply);
        self.note(REPLY, (reply.len() - before) as u64);
    }

    fn digest(&self) -> u64 {
        let digest = self.machine.digest();
        let answers = &mut *self.answers.borrow_mut();
        if answers.digests.last().is_none_or(|(calls, _)| *calls != answers.calls) {
            answers.digests.push((answers.calls, digest));
        }
        digest
    }

    fn freeze(&mut self) {
        self.machine.freeze();
    }

    fn chunk(&mut self, most: usize, bytes: &mut Vec<u8>) -> Chunk {
        let before = bytes.len();
        let chunk = self.machine.chunk(most, bytes);
        let kind = if chunk == Chunk::Last { LAST_CHUNK } else { CHUNK };
        self.note(kind, (bytes.len() - before) as u64);
        chunk
    }

    fn thaw(&mut self) {
        self.machine.thaw();
    }

    fn restore_begin(&mut self) {
        self.machine.restore_begin();
    }

    fn restore_chunk(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let result = self.machine.restore_chunk(bytes);
        self.restored(result)
    }

    fn restore_check(&self) -> Result<(), Malformed> {
        self.restored(self.machine.restore_check())
    }

    fn restore_end(&mut self) -> Result<(), Malformed> {
        let result = self.machine.restore_end();
        self.restored(result)
    }
}

/// Plays them back.
pub(in crate::recording) struct Played {
    answers: Answers,
    at: Cell<usize>,
    calls: Cell<u64>,
}

impl Played {
    /// The machine with these settings.
    ///
    /// # Errors
    /// They are none.
    pub(in crate::recording) fn new(settings: &[u8]) -> Result<Self, Malformed> {
        Ok(Played { answers: Answers::decode(settings)?, at: Cell::new(0), calls: Cell::new(0) })
    }

    /// The next answer, which must be of one of these kinds.
    ///
    /// # Panics
    /// The replica asks for something else than it did when it was recorded.
    fn next(&self, kinds: &[u64]) -> (u64, u64) {
        let found = number(&self.answers.bytes, self.at.get());
        let found = found.filter(|(value, _)| kinds.contains(&(value & 3)));
        let Some((value, next)) = found else {
            panic!("the state machine is asked for something else than when it was recorded");
        };
        self.at.set(next);
        self.calls.set(self.calls.get() + 1);
        (value & 3, value >> 2)
    }

    fn reply(&self, reply: &mut Vec<u8>) {
        let (_, length) = self.next(&[REPLY]);
        reply.resize(reply.len() + length as usize, BLANK);
    }

    fn restored(&self) -> Result<(), Malformed> {
        if self.next(&[RESTORE]).1 == 1 { Ok(()) } else { Err(Malformed) }
    }
}

impl StateMachine for Played {
    fn apply(&mut self, _: WallTime, _: &[u8], reply: &mut Vec<u8>) {
        self.reply(reply);
    }

    fn query(&self, _: &[u8], reply: &mut Vec<u8>) {
        self.reply(reply);
    }

    /// 0 where nobody asked when it was recorded.
    fn digest(&self) -> u64 {
        let digests = &self.answers.digests;
        let found = digests.binary_search_by_key(&self.calls.get(), |(calls, _)| *calls);
        found.map_or(0, |place| digests[place].1)
    }

    fn freeze(&mut self) {}

    fn chunk(&mut self, _: usize, bytes: &mut Vec<u8>) -> Chunk {
        let (kind, length) = self.next(&[CHUNK, LAST_CHUNK]);
        bytes.resize(bytes.len() + length as usize, BLANK);
        if kind == LAST_CHUNK { Chunk::Last } else { Chunk::More }
    }

    fn thaw(&mut self) {}

    fn restore_begin(&mut self) {}

    fn restore_chunk(&mut self, _: &[u8]) -> Result<(), Malformed> {
        self.restored()
    }

    fn restore_check(&self) -> Result<(), Malformed> {
        self.restored()
    }

    fn restore_end(&mut self) -> Result<(), Malformed> {
        self.restored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_scenarios::recorded::{Limits, Store};

    #[test]
    fn what_was_heard_is_played_back_by_its_lengths() {
        let answers = Rc::new(RefCell::new(Answers::default()));
        let mut heard = Heard::new(Store::with_limits(Limits::DEFAULT), answers.clone());
        let mut spoken = Vec::new();
        let ask = |machine: &mut dyn StateMachine, spoken: &mut Vec<usize>| {
            for command in [&[13][..], b"nonsense", &[1, 1, 0, 0, 0, b'k']] {
                let mut reply = vec![9; 3];
                machine.apply(WallTime(0), command, &mut reply);
                spoken.push(reply.len());
                machine.query(command, &mut reply);
                spoken.push(reply.len());
            }
            machine.restore_begin();
            spoken.push(usize::from(machine.restore_chunk(b"no snapshot").is_ok()));
            machine.freeze();
            let mut bytes = Vec::new();
            while machine.chunk(5, &mut bytes) == Chunk::More {}
            spoken.push(bytes.len());
        };
        ask(&mut heard, &mut spoken);
        let digest = heard.digest();
        let settings = answers.borrow().encode(77);
        let mut played = Played::new(&settings).expect("they were just encoded");
        let mut again = Vec::new();
        ask(&mut played, &mut again);
        assert_eq!(again, spoken);
        assert_eq!(played.digest(), digest ^ 77);
        assert!(Played::new(&[settings, vec![0x80]].concat()).is_err());
        let more =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| played.query(b"", &mut Vec::new())));
        assert!(more.is_err(), "there is nothing more to play");
    }
}
