//! Work on a thread of its own, so that a turn that loops for ever does not take the program with it: who works says when
//! a turn begins, and who listens waits no longer than it is told to for the next one.

use crate::scenarios::printed;
use crate::text::Console;
use crate::trouble::Trouble;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines are printed in pieces of about so many bytes.
const PIECE: usize = 32 << 10;
/// How many pieces may wait for whoever reads them.
const PIECES: usize = 16;
/// How often somebody looks whether the next turn has begun.
const TICK: Duration = Duration::from_millis(100);

/// What is told while there is work.
enum Said {
    Lines(String),
    Note(String),
}

/// What the listening side hears.
enum Word<T> {
    Said(Said),
    Done(T),
}

/// What both sides look at.
#[derive(Default)]
struct Shared {
    turn: AtomicU64,
    /// Lines that do not fill a piece yet.
    lines: Mutex<String>,
}

impl Shared {
    /// Takes the lines that were added, if they have so many bytes.
    fn take(&self, least: usize) -> Option<String> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        (lines.len() >= least && !lines.is_empty()).then(|| std::mem::take(&mut *lines))
    }
}

/// The working side.
pub(super) struct Voice {
    shared: Arc<Shared>,
    say: Box<dyn Fn(Said) -> Result<(), Trouble> + Send>,
}

impl Voice {
    /// The turn of this number begins.
    pub(super) fn turn(&self, number: u64) {
        self.shared.turn.store(number, Ordering::Relaxed);
    }

    /// Has lines printed, sooner or later.
    ///
    /// # Errors
    /// Nobody listens any more.
    pub(super) fn add(&self, lines: &str) -> Result<(), Trouble> {
        self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner).push_str(lines);
        self.shared.take(PIECE).map_or(Ok(()), |lines| (self.say)(Said::Lines(lines)))
    }

    /// Says something beside the results.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub(super) fn note(&self, text: String) -> Result<(), Trouble> {
        (self.say)(Said::Note(text))
    }
}

/// Does `work` on a thread, and prints what it says. What it added is printed in any case; it is followed by an empty
/// line. If a turn takes longer than `patience`, the error is its number.
///
/// # Errors
/// There is no thread for it, or nothing can be printed.
pub(super) fn watched<T: Send + 'static>(
    patience: Duration,
    console: &mut Console<'_>,
    work: impl FnOnce(&Voice) -> T + Send + 'static,
) -> Result<Result<T, u64>, Trouble> {
    let shared = Arc::new(Shared::default());
    let (sender, words) = mpsc::sync_channel(PIECES);
    let of_thread = shared.clone();
    let spawned = std::thread::Builder::new().name("replay".to_owned()).spawn(move || {
        let voice = Voice { shared: of_thread, say: Box::new(teller(sender.clone())) };
        let done = work(&voice);
        // Who went away wants to know nothing.
        let _ = sender.send(Word::Done(done));
    });
    let thread = spawned.map_err(|error| Trouble::new(format!("no thread can be started: {error}")))?;
    let (mut seen, mut turn, mut has_lines) = (Instant::now(), 0, false);
    let ended = loop {
        match words.recv_timeout(TICK.min(patience)) {
            Ok(Word::Said(Said::Lines(lines))) => {
                has_lines = true;
                printed(console, &lines)?;
                seen = Instant::now();
            }
            Ok(Word::Said(Said::Note(text))) => console.note(&text),
            Ok(Word::Done(done)) => break Some(done),
            Err(RecvTimeoutError::Timeout) => {
                let now = shared.turn.load(Ordering::Relaxed);
                if now != std::mem::replace(&mut turn, now) {
                    seen = Instant::now();
                } else if seen.elapsed() > patience {
                    break None;
                }
            }
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("a thread that ended well has said so"),
            },
        }
    };
    let rest = shared.take(0);
    if has_lines || rest.is_some() {
        printed(console, &format!("{}\n", rest.unwrap_or_default()))?;
    }
    Ok(ended.ok_or(turn))
}

/// Hands over what is said, whatever the work comes to.
fn teller<T>(sender: SyncSender<Word<T>>) -> impl Fn(Said) -> Result<(), Trouble> {
    move |said| {
        sender.send(Word::Said(said)).map_err(|_| Trouble::new("nobody listens to the replay any more"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_loops_is_named_and_what_was_said_before_is_printed() {
        let work = |voice: &Voice| {
            voice.note("a warning\n".into()).expect("somebody listens");
            for turn in 1..=3000 {
                voice.turn(turn);
                if turn == 3000 {
                    loop {
                        std::thread::park();
                    }
                }
                voice.add(&format!("turn {turn}\n")).expect("somebody listens");
            }
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console { out: &mut out, err: &mut err, colour: false, live: false };
        let ended = watched(Duration::from_millis(300), &mut console, work);
        assert_eq!(ended, Ok(Err(3000)));
        let expected: String = (1..3000).map(|turn| format!("turn {turn}\n")).collect();
        assert_eq!(String::from_utf8(out).expect("it is text"), expected + "\n");
        assert_eq!(err, b"a warning\n");
    }
}
