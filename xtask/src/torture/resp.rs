//! The dialect of Redis's clients. It has no sessions: what was sent and not answered is in doubt and never sent again;
//! what was refused (`MOVED`, `CLUSTERDOWN`, `BUSY`) is.

use super::client::Outcome;
use super::cluster::Place;
use super::native::left;
use seedfast_core::random::Random;
use seedfast_kv::resp::answer::{Answer, take};
use seedfast_kv::resp::ask;
use seedfast_kv::{Command, Reply, reply};
use seedfast_scenarios::client::operations::{Operation, Question};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// How long an answer may take, at least and at most.
const ATTEMPT_MILLIS: (u64, u64) = (200, 2_000);
/// The longest pause before somebody is asked again.
const PAUSE_MILLIS: u64 = 40;

/// A connection, and what came on it that was not read yet.
pub(super) struct Connection {
    stream: TcpStream,
    came: Vec<u8>,
}

impl Connection {
    /// A connection to a port of loopback.
    ///
    /// # Errors
    /// Nobody waits there, or not in time.
    pub(super) fn open(port: u16, deadline: Instant) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), left(deadline)?)?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, came: Vec::new() })
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    /// `InvalidData` if what came is no reply; else the connection is lost, or the time is over.
    pub(super) fn ask(&mut self, request: &[u8], deadline: Instant) -> io::Result<Answer> {
        self.stream.set_write_timeout(Some(left(deadline)?))?;
        self.stream.write_all(request)?;
        let mut bytes = vec![0; 16 << 10];
        loop {
            match take(&mut self.came) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "what came is no reply")),
            }
            self.stream.set_read_timeout(Some(left(deadline)?))?;
            match self.stream.read(&mut bytes)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.came.extend_from_slice(&bytes[..count]),
            }
        }
    }

    /// The same with words.
    ///
    /// # Errors
    /// As [`Connection::ask`].
    pub(super) fn words(&mut self, words: &[&[u8]], deadline: Instant) -> io::Result<Answer> {
        let mut request = Vec::new();
        ask::words(words, &mut request);
        self.ask(&request, deadline)
    }
}

/// A client of RESP.
pub(crate) struct Resp {
    ports: Vec<u16>,
    random: Random,
    /// Whom it asks: an index of `ports`.
    at: usize,
    connection: Option<Connection>,
}

impl Resp {
    /// A client of these replicas.
    pub(crate) fn new(places: &[Place], mut random: Random) -> Self {
        let at = random.below(places.len() as u64) as usize;
        Resp { ports: places.iter().map(|place| place.resp).collect(), random, at, connection: None }
    }

    /// Asks until there is an answer, or until it may not ask again, or the time is over.
    pub(crate) fn ask(&mut self, operation: &Operation, until: Instant) -> Outcome {
        let (mut payload, mut request) = (Vec::new(), Vec::new());
        operation.encode(0, &mut payload);
        let Ok(command) = Command::decode(&payload) else {
            return Outcome::Nonsense("the torturer's own command cannot be read".into());
        };
        ask::request(&command, &mut request);
        let changes = operation.question == Question::No;
        let is_set = matches!(command, Command::Set { .. });
        loop {
            let (least, most) = ATTEMPT_MILLIS;
            let most = Duration::from_millis(least + self.random.below(most - least));
            let deadline = until.min(Instant::now() + most);
            if self.connect(deadline).is_ok() {
                let answer = match &mut self.connection {
                    Some(connection) => connection.ask(&request, deadline),
                    None => Err(io::ErrorKind::NotConnected.into()),
                };
                match answer {
                    Ok(Answer::Error(text)) => match self.refused(&text) {
                        Some(outcome) if changes || !matches!(outcome, Outcome::Doubt) => return outcome,
                        _ => {}
                    },
                    Ok(answer) => return meaning(answer, is_set),
                    Err(why) if why.kind() == io::ErrorKind::InvalidData => {
                        return Outcome::Nonsense(why.to_string());
                    }
                    Err(_) => {
                        self.turn();
                        if changes {
                            return Outcome::Doubt;
                        }
                    }
                }
            } else {
                self.turn();
            }
            if Instant::now() >= until {
                return if changes { Outcome::Refused } else { Outcome::Doubt };
            }
            thread::sleep(Duration::from_millis(self.random.below(PAUSE_MILLIS)));
        }
    }

    /// The next replica is asked, on a new connection.
    fn turn(&mut self) {
        self.connection = None;
        self.at = (self.at + 1) % self.ports.len();
    }

    /// Connects, in the third version of the protocol one time in two.
    fn connect(&mut self, deadline: Instant) -> io::Result<()> {
        if self.connection.is_none() {
            let mut connection = Connection::open(self.ports[self.at], deadline)?;
            if self.random.below(2) == 0 {
                connection.words(&[b"HELLO", b"3"], deadline)?;
            }
            self.connection = Some(connection);
        }
        Ok(())
    }

    /// What an error means: nothing if the same may be asked again.
    fn refused(&mut self, text: &str) -> Option<Outcome> {
        match text.split(' ').next().unwrap_or_default() {
            "MOVED" => {
                let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
                let Some(to) = self.ports.iter().position(|known| Some(*known) == port) else {
                    return Some(Outcome::Nonsense(format!("{text:?} leads nowhere")));
                };
                if to != self.at {
                    (self.at, self.connection) = (to, None);
                }
                None
            }
            "CLUSTERDOWN" => {
                self.turn();
                None
            }
            "BUSY" => None,
            "UNKNOWN" => Some(Outcome::Doubt),
            "OOM" => {
                let mut payload = Vec::new();
                Reply::Error(reply::Error::Full).encode(&mut payload);
                Some(Outcome::Reply(payload))
            }
            _ => Some(Outcome::Nonsense(format!("{text:?} was not expected"))),
        }
    }
}

/// A reply in the store's own words.
fn meaning(answer: Answer, is_set: bool) -> Outcome {
    let mut payload = Vec::new();
    let mut put = |reply: Reply<'_>| reply.encode(&mut payload);
    match answer {
        Answer::Line(text) if text == "OK" => put(Reply::Ok),
        Answer::Integer(number) => put(Reply::Integer(number)),
        Answer::Bytes(bytes) => put(Reply::Bytes(&bytes)),
        Answer::Null if is_set => put(Reply::NotSwapped),
        Answer::Null => put(Reply::Nil),
        Answer::Row(items) => {
            let item = |item: &Answer| match item {
                Answer::Bytes(bytes) => Some(bytes.clone()),
                _ => None,
            };
            let items: Vec<_> = items.iter().map(item).collect();
            put(Reply::List(items.iter().map(Option::as_deref).collect()));
        }
        other => return Outcome::Nonsense(format!("{other:?} is no reply of the store")),
    }
    Outcome::Reply(payload)
}
