//! A blocking client of the native protocol: one command at a time, each carried out exactly once.
//!
//! It keeps a session at the replicas, finds the leader by itself, and sends a command again, under its number, until
//! it is answered or the time is over. For tests and tools; a service that wants speed keeps many under way.

use seedfast_core::client::{Request, Response, Status, Verb};
use seedfast_core::{NodeId, SessionId};
use seedfast_kv::native::frame::put_request;
use seedfast_kv::native::way::{Way, take_answer_to};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

/// How long one attempt may take before another node is asked.
const ATTEMPT: Duration = Duration::from_millis(1000);
/// How long to wait before trying again where nobody was of help.
const PAUSE: Duration = Duration::from_millis(20);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It was not carried out, and never will be.
    Refused(String),
    /// Whether it was carried out is unknown.
    Unknown(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Refused(why) => write!(f, "not carried out: {why}"),
            Failed::Unknown(why) => write!(f, "unknown whether it was carried out: {why}"),
        }
    }
}

impl std::error::Error for Failed {}

/// One client, with a session of its own.
pub struct Client {
    way: Way<String, TcpStream>,
    session: Option<SessionId>,
    sequence: u64,
    questions: u64,
}

/// What became of one attempt.
enum Tried {
    Answered {
        session: SessionId,
        payload: Vec<u8>,
    },
    /// It was not carried out by this attempt.
    NotNow(String),
    /// Nobody knows.
    InDoubt(String),
    SessionUnknown,
    /// It makes no sense; it was not carried out by this attempt.
    Malformed,
    /// The answer to that number was said to be held already.
    Stale,
}

impl Client {
    /// A client of the replicas whose native doors are at `places`; it connects when it is first used.
    ///
    /// # Panics
    /// If there is none.
    pub fn new(places: Vec<(NodeId, String)>) -> Self {
        Client { way: Way::new(places, 0), session: None, sequence: 0, questions: 0 }
    }

    /// Has a command carried out, exactly once; the state machine's reply.
    ///
    /// # Errors
    /// There was no answer `within` that time, or it was refused.
    pub fn command(&mut self, payload: &[u8], within: Duration) -> Result<Vec<u8>, Failed> {
        let until = Instant::now() + within;
        let mut session = self.session(until)?;
        self.sequence += 1;
        // What an earlier attempt may have come to.
        let mut doubt: Option<String> = None;
        loop {
            let why = match self.attempt(Verb::Command, session, self.sequence, payload, until) {
                Tried::Answered { payload, .. } => return Ok(payload),
                Tried::SessionUnknown => {
                    self.session = None;
                    if let Some(why) = doubt {
                        return Err(Failed::Unknown(format!("{why}; then the session was forgotten")));
                    }
                    session = self.session(until)?;
                    self.sequence += 1;
                    continue;
                }
                Tried::Malformed => {
                    return Err(Failed::Refused("the command makes no sense, or is too large".into()));
                }
                Tried::Stale => {
                    // Whatever numbers this session has, they are not those that are counted here.
                    self.session = None;
                    let why = "its number was given up in this session";
                    return Err(match doubt {
                        Some(doubt) => Failed::Unknown(format!("{doubt}; then {why}")),
                        None => Failed::Refused(why.into()),
                    });
                }
                Tried::InDoubt(why) => {
                    doubt = Some(why.clone());
                    why
                }
                Tried::NotNow(why) => why,
            };
            if Instant::now() >= until {
                return Err(doubt.map_or(Failed::Refused(why), Failed::Unknown));
            }
            thread::sleep(PAUSE);
        }
    }

    /// Asks a question, answered linearizably.
    ///
    /// # Errors
    /// There was no answer `within` that time, or it makes no sense.
    pub fn query(&mut self, payload: &[u8], within: Duration) -> Result<Vec<u8>, Failed> {
        let until = Instant::now() + within;
        loop {
            self.questions += 1;
            match self.attempt(Verb::Query, SessionId::NONE, self.questions, payload, until) {
                Tried::Answered { payload, .. } => return Ok(payload),
                Tried::NotNow(_) | Tried::InDoubt(_) if Instant::now() < until => thread::sleep(PAUSE),
                Tried::NotNow(why) | Tried::InDoubt(why) => return Err(Failed::Refused(why)),
                Tried::SessionUnknown | Tried::Malformed | Tried::Stale => {
                    return Err(Failed::Refused("the question makes no sense, or is too large".into()));
                }
            }
        }
    }

    /// The session, opened if there is none.
    fn session(&mut self, until: Instant) -> Result<SessionId, Failed> {
        if let Some(session) = self.session {
            return Ok(session);
        }
        loop {
            match self.attempt(Verb::OpenSession, SessionId::NONE, 1, &[], until) {
                Tried::Answered { session, .. } => {
                    (self.session, self.sequence) = (Some(session), 0);
                    return Ok(session);
                }
                // One that was opened and is not known here idles until it is evicted.
                Tried::NotNow(_) | Tried::InDoubt(_) if Instant::now() < until => thread::sleep(PAUSE),
                Tried::NotNow(why) | Tried::InDoubt(why) => return Err(Failed::Refused(why)),
                Tried::SessionUnknown | Tried::Malformed | Tried::Stale => {
                    return Err(Failed::Refused("no session can be opened".into()));
                }
            }
        }
    }

    /// Asks one node once. Whoever is not answered, or is sent elsewhere, asks another one next.
    fn attempt(
        &mut self,
        verb: Verb,
        session: SessionId,
        sequence: u64,
        payload: &[u8],
        until: Instant,
    ) -> Tried {
        let mut request = Vec::new();
        Request { verb, acknowledged_below: sequence, payload }.encode(&mut request);
        let mut frame = Vec::new();
        put_request(&mut frame, session, sequence, &request);
        let deadline = until.min(Instant::now() + ATTEMPT);
        if let Err(why) = self.way.open(|place| connect(place, deadline)) {
            let why = format!("{}: {why}", self.way.place());
            self.way.turn_to(None);
            return Tried::NotNow(why);
        }
        match self.exchange(&frame, session, sequence, deadline) {
            Err(why) => {
                let why = format!("{}: {why}", self.way.place());
                self.way.turn_to(None);
                Tried::InDoubt(why)
            }
            Ok(answer) => self.judge(&answer),
        }
    }

    fn judge(&mut self, answer: &[u8]) -> Tried {
        let Ok(Response { status, leader, session, payload, .. }) = Response::decode(answer) else {
            self.way.turn_to(None);
            return Tried::InDoubt("an answer makes no sense".into());
        };
        match status {
            Status::Done => Tried::Answered { session, payload: payload.to_vec() },
            Status::NotLeader => {
                self.way.turn_to(leader);
                Tried::NotNow("no leader was found".into())
            }
            Status::Overloaded => Tried::NotNow("the replicas have no room".into()),
            Status::InDoubt => {
                self.way.turn_to(leader);
                Tried::InDoubt("the leader changed".into())
            }
            Status::SessionUnknown => Tried::SessionUnknown,
            Status::Malformed => Tried::Malformed,
            Status::Stale => Tried::Stale,
        }
    }

    fn exchange(
        &mut self,
        frame: &[u8],
        session: SessionId,
        sequence: u64,
        deadline: Instant,
    ) -> io::Result<Vec<u8>> {
        let Some((stream, came)) = self.way.stream() else { return Err(io::ErrorKind::NotConnected.into()) };
        stream.set_write_timeout(Some(left(deadline)?))?;
        stream.write_all(frame)?;
        let mut bytes = vec![0; 16 << 10];
        loop {
            let answer = take_answer_to(came, session, sequence);
            if let Some(answer) = answer.map_err(|_| io::Error::other("what came is no answer"))? {
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

fn connect(place: &str, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::other("it has no address");
    for address in place.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_kv::native::frame::put_answer;
    use std::net::{Shutdown, TcpListener};

    /// The next request: its session and sequence number. A client that was cut off, or turned elsewhere, comes anew.
    fn request(stream: &mut TcpStream, listener: &TcpListener) -> (SessionId, u64) {
        let mut head = [0; 20];
        while stream.read_exact(&mut head).is_err() {
            *stream = listener.accept().expect("the client again").0;
        }
        let word = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let length = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
        stream.read_exact(&mut vec![0; length - 16]).expect("the rest of it");
        (SessionId(word(4)), word(12))
    }

    fn answer(stream: &mut TcpStream, status: Status, session: SessionId, sequence: u64) {
        let (mut bytes, mut frame) = (Vec::new(), Vec::new());
        Response { status, leader: None, session, sequence, payload: b"" }.encode(&mut bytes);
        put_answer(&mut frame, &bytes);
        stream.write_all(&frame).expect("it listens");
    }

    /// What becomes of a command whose attempts come to these; `None` is a stream that is cut.
    fn outcome(attempts: &'static [Option<Status>]) -> Result<Vec<u8>, Failed> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let place = listener.local_addr().expect("it has one").to_string();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let (_, sequence) = request(&mut stream, &listener);
            answer(&mut stream, Status::Done, SessionId(7), sequence);
            for attempt in attempts {
                let (session, sequence) = request(&mut stream, &listener);
                match attempt {
                    Some(status) => answer(&mut stream, *status, session, sequence),
                    None => stream.shutdown(Shutdown::Both).expect("it is open"),
                }
            }
        });
        // Two names of one replica: whoever is cut off turns to the other.
        let places = vec![(NodeId(1), place.clone()), (NodeId(2), place)];
        let outcome = Client::new(places).command(b"add one", Duration::from_secs(60));
        server.join().expect("it was asked as it should be");
        outcome
    }

    #[test]
    fn a_command_that_may_have_been_carried_out_is_never_said_to_be_refused() {
        assert_eq!(outcome(&[Some(Status::Done)]), Ok(Vec::new()));
        assert_eq!(outcome(&[None, Some(Status::Done)]), Ok(Vec::new()));
        assert!(matches!(outcome(&[Some(Status::Stale)]), Err(Failed::Refused(_))));
        assert!(matches!(outcome(&[None, Some(Status::Stale)]), Err(Failed::Unknown(_))));
        let attempts = &[Some(Status::InDoubt), Some(Status::Overloaded), Some(Status::Stale)];
        assert!(matches!(outcome(attempts), Err(Failed::Unknown(_))));
        assert!(matches!(outcome(&[None, Some(Status::SessionUnknown)]), Err(Failed::Unknown(_))));
    }
}
