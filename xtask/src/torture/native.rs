//! The native dialect, spoken as a wary client would: commands in a session are sent again, to whomever, under the same
//! number, and now and then twice for no reason; commands outside every session only if they were refused.

use super::client::Outcome;
use super::cluster::Place;
use seedfast_core::client::{Request, Response, Status, Verb};
use seedfast_core::random::Random;
use seedfast_core::{NodeId, SessionId};
use seedfast_kv::native::frame::put_request;
use seedfast_kv::native::way::{Way, take_answer_to};
use seedfast_scenarios::client::operations::{Operation, Question};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// How long one attempt may take, at least and at most.
const ATTEMPT_MILLIS: (u64, u64) = (100, 1_200);
/// The longest pause before somebody else is asked.
const PAUSE_MILLIS: u64 = 40;
/// Requests for a session are numbered from here, far from any command's number.
const OPENINGS: u64 = 1 << 32;
/// Names of clients that send commands outside every session: no table gives them out.
const NAMED: u64 = 1 << 63;

/// What came of one attempt.
enum Tried {
    Done {
        session: SessionId,
        payload: Vec<u8>,
    },
    /// Not carried out by this attempt.
    NotNow,
    /// Nobody knows.
    Doubt,
    /// The session is not known, or not any more.
    Forgotten,
    Nonsense(String),
}

/// A native client.
pub(crate) struct Native {
    client: u64,
    way: Way<u16, TcpStream>,
    random: Random,
    session: Option<SessionId>,
    sequence: u64,
    opened: u64,
    onces: u64,
}

impl Native {
    /// A client of these replicas.
    pub(crate) fn new(client: u64, places: &[Place], mut random: Random) -> Self {
        let at = random.below(places.len() as u64) as usize;
        let places = places.iter().map(|place| (NodeId(place.id), place.native)).collect();
        let way = Way::new(places, at);
        Native { client, way, random, session: None, sequence: 0, opened: 0, onces: 0 }
    }

    /// Asks until there is an answer, or until it may not ask again, or the time is over.
    pub(crate) fn ask(&mut self, operation: &Operation, until: Instant) -> Outcome {
        let mut payload = Vec::new();
        operation.encode(0, &mut payload);
        let verb = match operation.question {
            Question::Confirmed => Verb::Query,
            Question::InLog => Verb::QueryInLog,
            Question::No if self.random.below(8) == 0 => Verb::Once,
            Question::No => Verb::Command,
        };
        let (session, sequence) = match verb {
            Verb::Once => {
                self.onces += 1;
                (SessionId(NAMED | self.client), self.onces)
            }
            _ => {
                if self.random.below(200) == 0 {
                    self.session = None;
                }
                let Some(session) = self.session(until) else { return Outcome::Refused };
                self.sequence += 1;
                (session, self.sequence)
            }
        };
        let changes = operation.question == Question::No;
        let mut doubt = false;
        loop {
            let twice = matches!(verb, Verb::Command | Verb::QueryInLog) && self.random.below(16) == 0;
            match self.attempt(verb, session, sequence, &payload, twice, until) {
                Tried::Done { payload, .. } => return Outcome::Reply(payload),
                // The second copy may yet be carried out.
                Tried::NotNow => doubt |= twice,
                Tried::Doubt if verb == Verb::Once => return Outcome::Doubt,
                Tried::Doubt => doubt = true,
                Tried::Forgotten => {
                    self.session = None;
                    return if verb == Verb::Once {
                        Outcome::Nonsense("a session is missed by a command outside every session".into())
                    } else {
                        Outcome::Doubt
                    };
                }
                Tried::Nonsense(what) => return Outcome::Nonsense(what),
            }
            if Instant::now() >= until {
                return if doubt || !changes { Outcome::Doubt } else { Outcome::Refused };
            }
            thread::sleep(Duration::from_millis(self.random.below(PAUSE_MILLIS)));
        }
    }

    /// The session, opened if there is none.
    fn session(&mut self, until: Instant) -> Option<SessionId> {
        while self.session.is_none() {
            self.opened += 1;
            let number = OPENINGS + self.opened;
            match self.attempt(Verb::OpenSession, SessionId::NONE, number, &[], false, until) {
                Tried::Done { session, .. } => (self.session, self.sequence) = (Some(session), 0),
                _ if Instant::now() >= until => return None,
                _ => thread::sleep(Duration::from_millis(self.random.below(PAUSE_MILLIS))),
            }
        }
        self.session
    }

    /// Asks one replica once. Whoever does not answer, or sends elsewhere, is followed by another one.
    fn attempt(
        &mut self,
        verb: Verb,
        session: SessionId,
        sequence: u64,
        payload: &[u8],
        twice: bool,
        until: Instant,
    ) -> Tried {
        let (mut request, mut frame) = (Vec::new(), Vec::new());
        Request { verb, acknowledged_below: sequence, payload }.encode(&mut request);
        put_request(&mut frame, session, sequence, &request);
        if twice {
            put_request(&mut frame, session, sequence, &request);
        }
        let (least, most) = ATTEMPT_MILLIS;
        let most = Duration::from_millis(least + self.random.below(most - least));
        let deadline = until.min(Instant::now() + most);
        if self.way.open(|port| connect(*port, deadline)).is_err() {
            self.way.turn_to(None);
            return Tried::NotNow;
        }
        match self.exchange(&frame, session, sequence, deadline) {
            Ok(answer) => self.judge(&answer),
            Err(why) if why.kind() == io::ErrorKind::InvalidData => Tried::Nonsense(why.to_string()),
            Err(_) => {
                self.way.turn_to(None);
                Tried::Doubt
            }
        }
    }

    fn judge(&mut self, answer: &[u8]) -> Tried {
        let Ok(Response { status, leader, session, payload, .. }) = Response::decode(answer) else {
            return Tried::Nonsense("an answer is damaged".into());
        };
        match status {
            Status::Done => Tried::Done { session, payload: payload.to_vec() },
            Status::NotLeader => {
                self.way.turn_to(leader);
                Tried::NotNow
            }
            Status::Overloaded => Tried::NotNow,
            Status::InDoubt => {
                self.way.turn_to(leader);
                Tried::Doubt
            }
            Status::SessionUnknown | Status::Stale => Tried::Forgotten,
            Status::Malformed => Tried::Nonsense("a request was refused as malformed".into()),
        }
    }

    /// Sends a frame and waits for the answer to that number; answers to others are of attempts given up.
    fn exchange(
        &mut self,
        frame: &[u8],
        session: SessionId,
        sequence: u64,
        deadline: Instant,
    ) -> io::Result<Vec<u8>> {
        let Some((stream, came)) = self.way.stream() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        stream.set_write_timeout(Some(left(deadline)?))?;
        stream.write_all(frame)?;
        let mut bytes = vec![0; 16 << 10];
        loop {
            let senseless = |_| io::Error::new(io::ErrorKind::InvalidData, "what came is no answer");
            if let Some(answer) = take_answer_to(came, session, sequence).map_err(senseless)? {
                return Ok(answer.to_vec());
            }
            stream.set_read_timeout(Some(left(deadline)?))?;
            match stream.read(&mut bytes)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => came.extend_from_slice(&bytes[..count]),
            }
        }
    }
}

fn connect(port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), left(deadline)?)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// How long it is until `deadline`, if that is not over.
pub(super) fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
