//! Looks at every replica over and over: who leads, how far each is, and in which state.

use super::client::Shared;
use super::cluster::Place;
use super::resp::Connection;
use seedfast_kv::resp::answer::Answer;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const GLANCE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_millis(500);

/// What a replica says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Whether it leads.
    pub(crate) leads: bool,
    /// The ballot that it leads with, or that it promised.
    pub(crate) ballot: String,
    /// Below this slot everything is applied.
    pub(crate) applied: u64,
    /// The digest of its state, in hexadecimal digits.
    pub(crate) digest: String,
}

/// Asks one replica.
pub(crate) fn ask(place: &Place, within: Duration) -> Option<Standing> {
    look(&mut Connection::open(place.resp, Instant::now() + within).ok()?, within)
}

fn look(connection: &mut Connection, within: Duration) -> Option<Standing> {
    let answer = connection.words(&[b"INFO", b"paxos"], Instant::now() + within);
    let Ok(Answer::Bytes(bytes)) = answer else { return None };
    let text = String::from_utf8_lossy(&bytes);
    let value = |name: &str| {
        let named = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned());
        text.lines().find_map(named)
    };
    Some(Standing {
        leads: value("paxos_leads")? == "1",
        ballot: value("paxos_ballot")?,
        applied: value("paxos_applied")?.parse().ok()?,
        digest: value("paxos_state_digest")?,
    })
}

#[derive(Default)]
struct Seen {
    /// Who was last seen to lead.
    leader: Option<usize>,
    ballots: BTreeSet<String>,
}

/// A thread for each replica.
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Watch {
    /// Begins to look.
    pub(crate) fn begin(shared: &Shared) -> Self {
        let (seen, over) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        let thread = |(index, place): (usize, &Place)| {
            let (seen, over, place) = (seen.clone(), over.clone(), place.clone());
            thread::spawn(move || {
                let mut connection = None;
                while !over.load(Ordering::Relaxed) {
                    if connection.is_none() {
                        connection = Connection::open(place.resp, Instant::now() + PATIENCE).ok();
                    }
                    match connection.as_mut().and_then(|connection| look(connection, PATIENCE)) {
                        Some(Standing { leads: true, ballot, .. }) => {
                            let mut seen = lock(&seen);
                            if seen.ballots.insert(ballot) {
                                seen.leader = Some(index);
                            }
                        }
                        Some(_) => {}
                        None => connection = None,
                    }
                    thread::sleep(GLANCE);
                }
            })
        };
        let threads = shared.places.iter().enumerate().map(thread).collect();
        Watch { seen, over, threads }
    }

    /// Who was last seen to lead with a new ballot.
    pub(crate) fn leader(&self) -> Option<usize> {
        lock(&self.seen).leader
    }

    /// Ends it; how many ballots were seen to lead.
    pub(crate) fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let _ = thread.join();
        }
        lock(&self.seen).ballots.len() as u64
    }
}
