//! Where connections and the process meet: requests in, answers out, both in batches and both bounded.
//!
//! Each connection's task holds a [`Connection`]; [`drive`](super::drive::drive) holds the [`Clients`]. All of them
//! run on one thread. A connection has at most a fixed number of requests under way: beyond that its task waits, and
//! so stops reading, which is how back-pressure reaches the client.

use super::remember;
use crate::buffer::Buffer;
use crate::id::{ConnectionId, GroupId, SessionId};
use crate::input::{Command, Input};
use crate::process::Room;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::task::{Context, Poll, Waker};

/// How many bytes of a connection's requests may wait to be handed over before it has no room for another one ...
const WAITING_EACH: usize = 1 << 20;
/// ... and of all connections, beyond which each may have one request under way.
const WAITING_ALL: usize = 64 << 20;

/// What a request weighs while it waits.
fn weight(bytes: &Buffer) -> usize {
    bytes.len() + Room::EACH
}

/// The meeting place. A clone is another handle of the same one.
#[derive(Clone)]
pub struct Clients(Rc<RefCell<Shared>>);

struct Shared {
    inputs: VecDeque<Input>,
    driver: Option<Waker>,
    lines: Vec<Line>,
    free: Vec<u32>,
    /// Who waits for anything to become free (a shutdown waits for the last answer).
    under_way: usize,
    most_each: usize,
    /// Bytes of the requests in `inputs`.
    waiting: usize,
}

/// What the process knows as one connection. A place is used again under a new generation, so that an answer to a
/// connection that is gone never reaches another one.
#[derive(Default)]
struct Line {
    generation: u32,
    open: bool,
    under_way: usize,
    /// Bytes of its requests that wait to be handed over.
    waiting: usize,
    answers: VecDeque<Buffer>,
    task: Option<Waker>,
}

/// One connection, from its task's side. Dropping it tells the process that the connection is gone.
pub struct Connection {
    clients: Clients,
    id: ConnectionId,
}

impl Clients {
    /// A meeting place where each connection may have `most_each` requests under way.
    ///
    /// # Panics
    /// If that is zero.
    pub fn new(most_each: usize) -> Self {
        assert!(most_each > 0, "a connection must be allowed a request");
        let (inputs, lines, free) = (VecDeque::new(), Vec::new(), Vec::new());
        let shared = Shared { inputs, driver: None, lines, free, under_way: 0, most_each, waiting: 0 };
        Clients(Rc::new(RefCell::new(shared)))
    }

    /// A new connection.
    pub fn connect(&self) -> Connection {
        let mut shared = self.0.borrow_mut();
        let place = shared.free.pop().unwrap_or_else(|| {
            shared.lines.push(Line::default());
            shared.lines.len() as u32 - 1
        });
        let line = &mut shared.lines[place as usize];
        line.generation += 1;
        line.open = true;
        (line.under_way, line.waiting) = (0, 0);
        let id = ConnectionId(u64::from(line.generation) << 32 | u64::from(place));
        Connection { clients: self.clone(), id }
    }

    /// Appends what connections ask of the process, at most `most`; pending if there is nothing.
    pub fn poll_requests(&self, cx: &mut Context<'_>, into: &mut Vec<Input>, most: usize) -> Poll<()> {
        self.poll_within(cx, into, Room { requests: most, ..Room::ANY })
    }

    /// The same for what there is room for, in order; pending also if there is none for the first. What is too large for
    /// any room does not wait for some, since everything behind it would.
    pub fn poll_within(&self, cx: &mut Context<'_>, into: &mut Vec<Input>, room: Room) -> Poll<()> {
        let mut shared = self.0.borrow_mut();
        let mut left = room.bytes;
        let fits = |input: &Input| match input {
            Input::Request { bytes, .. } if bytes.len() <= room.largest => {
                let taken = left.checked_sub(weight(bytes));
                left = taken.unwrap_or(left);
                taken.is_some()
            }
            _ => true,
        };
        let count = shared.inputs.iter().take(room.requests).map(fits).take_while(|fits| *fits).count();
        if count == 0 {
            remember(&mut shared.driver, cx);
            return Poll::Pending;
        }
        let shared = &mut *shared;
        for input in shared.inputs.drain(..count) {
            if let Input::Request { connection, bytes, .. } = &input {
                // Of a connection that is gone nothing waits: it is that of this generation.
                shared.lines[(connection.0 as u32) as usize].waiting -= weight(bytes);
                shared.waiting -= weight(bytes);
            }
            into.push(input);
        }
        Poll::Ready(())
    }

    /// Whether anything waits to be handed over.
    pub fn is_waiting(&self) -> bool {
        !self.0.borrow().inputs.is_empty()
    }

    /// The process answers. To a connection that is gone it goes nowhere.
    pub fn respond(&self, connection: ConnectionId, bytes: Buffer) {
        let mut shared = self.0.borrow_mut();
        let shared = &mut *shared;
        let Some(line) = shared.lines.get_mut((connection.0 as u32) as usize) else { return };
        if !line.open || u64::from(line.generation) != connection.0 >> 32 {
            return;
        }
        line.answers.push_back(bytes);
        if line.under_way > 0 {
            line.under_way -= 1;
            shared.under_way -= 1;
        }
        if let Some(task) = line.task.take() {
            task.wake();
        }
    }

    /// How many requests wait for their answer, over all connections.
    pub fn under_way(&self) -> usize {
        self.0.borrow().under_way
    }

    fn push(&self, shared: &mut Shared, input: Input) {
        shared.inputs.push_back(input);
        if let Some(driver) = shared.driver.take() {
            driver.wake();
        }
    }
}

impl Connection {
    /// The name that the process knows it by.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    fn with<T>(&self, work: impl FnOnce(&mut Shared, usize) -> T) -> T {
        let mut shared = self.clients.0.borrow_mut();
        work(&mut shared, (self.id.0 as u32) as usize)
    }

    /// Whether another request may be made now. If not, an answer that is still owed to this connection comes before
    /// there is room again.
    pub fn has_room(&self) -> bool {
        self.with(|shared, place| {
            let line = &shared.lines[place];
            let is_light = line.waiting < WAITING_EACH && shared.waiting < WAITING_ALL;
            line.under_way == 0 || line.under_way < shared.most_each && is_light
        })
    }

    /// Makes a request; every one is answered. Beyond the bound it is still taken: whoever calls asks
    /// [`has_room`](Self::has_room) first.
    pub fn request(&self, group: GroupId, session: SessionId, sequence: u64, bytes: Buffer) {
        let connection = self.id;
        self.submit(Input::Request { group, connection, session, sequence, bytes });
    }

    /// Asks for something that only an operator asks for; it is answered too.
    pub fn control(&self, bytes: Buffer) {
        self.submit(Input::Control(Command { connection: self.id, bytes }));
    }

    fn submit(&self, input: Input) {
        self.with(|shared, place| {
            let line = &mut shared.lines[place];
            line.under_way += 1;
            shared.under_way += 1;
            if let Input::Request { bytes, .. } = &input {
                line.waiting += weight(bytes);
                shared.waiting += weight(bytes);
            }
            self.clients.push(shared, input);
        });
    }

    /// Appends the answers that have come, in their order; pending if there is none.
    pub fn poll_answers(&self, cx: &mut Context<'_>, into: &mut Vec<Buffer>) -> Poll<()> {
        self.with(|shared, place| {
            let line = &mut shared.lines[place];
            if line.answers.is_empty() {
                remember(&mut line.task, cx);
                return Poll::Pending;
            }
            into.extend(line.answers.drain(..));
            Poll::Ready(())
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let connection = self.id;
        self.with(|shared, place| {
            let line = &mut shared.lines[place];
            line.open = false;
            line.answers.clear();
            line.task = None;
            shared.under_way -= core::mem::take(&mut line.under_way);
            // Nobody waits for what was not handed over, and it was never taken.
            let waiting = core::mem::take(&mut line.waiting);
            if waiting > 0 {
                shared.waiting -= waiting;
                shared.inputs.retain(
                    |input| !matches!(input, Input::Request { connection: asked, .. } if *asked == connection),
                );
            }
            shared.free.push(place as u32);
            self.clients.push(shared, Input::Closed { connection });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn context<T>(work: impl FnOnce(&mut Context<'_>) -> T) -> T {
        work(&mut Context::from_waker(Waker::noop()))
    }

    fn answers(connection: &Connection) -> Vec<Buffer> {
        let mut into = Vec::new();
        let _ = context(|cx| connection.poll_answers(cx, &mut into));
        into
    }

    #[test]
    fn an_answer_reaches_the_connection_that_asked_and_no_later_one_in_its_place() {
        let clients = Clients::new(2);
        let first = clients.connect();
        let old = first.id();
        first.request(GroupId(0), SessionId::NONE, 1, Buffer::new());
        drop(first);
        let second = clients.connect();
        clients.respond(old, Buffer::copy_from(b"for the first"));
        assert!(answers(&second).is_empty(), "it took the place of the first and must not hear of it");
        clients.respond(second.id(), Buffer::copy_from(b"for the second"));
        assert_eq!(answers(&second), [Buffer::copy_from(b"for the second")]);
    }

    #[test]
    fn requests_under_way_are_bounded_and_given_back_by_answers_and_by_closing() {
        let clients = Clients::new(2);
        let connection = clients.connect();
        for sequence in 1..=2 {
            assert!(connection.has_room());
            connection.request(GroupId(0), SessionId::NONE, sequence, Buffer::new());
        }
        assert!(!connection.has_room());
        clients.respond(connection.id(), Buffer::new());
        assert!(connection.has_room());
        drop(connection);
        assert_eq!(clients.under_way(), 0);
        let mut inputs = Vec::new();
        assert!(context(|cx| clients.poll_requests(cx, &mut inputs, 9)).is_ready());
        assert!(matches!(inputs[..], [Input::Closed { .. }]), "nobody waits for what was not handed over");
        assert!(context(|cx| clients.poll_requests(cx, &mut inputs, 9)).is_pending());
    }

    #[test]
    fn requests_are_handed_over_in_their_order_and_no_more_than_asked_for() {
        let clients = Clients::new(2);
        let connection = clients.connect();
        (1..=3).for_each(|sequence| connection.request(GroupId(0), SessionId::NONE, sequence, Buffer::new()));
        let mut inputs = Vec::new();
        for (most, so_far) in [(2, 2), (9, 3)] {
            assert!(context(|cx| clients.poll_requests(cx, &mut inputs, most)).is_ready());
            assert_eq!(inputs.len(), so_far);
        }
        drop(connection);
        assert!(context(|cx| clients.poll_requests(cx, &mut inputs, 9)).is_ready());
        let sequences = inputs.iter().map(|input| match input {
            Input::Request { sequence, .. } => Some(*sequence),
            _ => None,
        });
        assert_eq!(sequences.collect::<Vec<_>>(), [Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn what_waits_to_be_handed_over_is_bounded_in_bytes() {
        let clients = Clients::new(1000);
        let fill = |connection: &Connection, bytes: usize| {
            let mut count = 0;
            while connection.has_room() {
                connection.request(GroupId(0), SessionId::NONE, 1, Buffer::copy_from(&vec![0; bytes]));
                count += 1;
            }
            count
        };
        let first = clients.connect();
        assert_eq!(fill(&first, 512 << 10), 2, "so many make a mebibyte");
        let mut inputs = Vec::new();
        assert!(context(|cx| clients.poll_requests(cx, &mut inputs, 1)).is_ready());
        assert_eq!(fill(&first, 512 << 10), 1);
        // Whatever the others hold, each may ask for one thing.
        let others: Vec<Connection> = (0..100).map(|_| clients.connect()).collect();
        let counts: Vec<usize> = others.iter().map(|other| fill(other, 1 << 20)).collect();
        assert_eq!(counts, vec![1; 100]);
        let last = clients.connect();
        assert_eq!(fill(&last, 1), 1);
        drop(others);
        assert_eq!(fill(&last, 0), 999, "what is gone waits no more");
    }

    #[test]
    fn what_no_room_is_large_enough_for_does_not_wait_for_some() {
        let clients = Clients::new(9);
        let connection = clients.connect();
        for length in [101, 100, 101] {
            connection.request(GroupId(0), SessionId::NONE, 1, Buffer::copy_from(&vec![0; length]));
        }
        let mut inputs = Vec::new();
        let room = Room { requests: 9, bytes: 0, largest: 100 };
        assert!(context(|cx| clients.poll_within(cx, &mut inputs, room)).is_ready());
        assert_eq!(inputs.len(), 1, "the next one could have room, and waits for it");
        assert!(context(|cx| clients.poll_within(cx, &mut inputs, room)).is_pending());
        assert!(
            context(|cx| clients.poll_within(cx, &mut inputs, Room { requests: 1, ..room })).is_pending()
        );
    }

    #[test]
    fn requests_that_there_is_no_room_for_wait_in_their_order_and_news_of_closing_do_not() {
        let clients = Clients::new(9);
        let (first, second) = (clients.connect(), clients.connect());
        first.request(GroupId(0), SessionId::NONE, 1, Buffer::copy_from(&[0; 100]));
        first.request(GroupId(0), SessionId::NONE, 2, Buffer::copy_from(&[0; 10]));
        let mut inputs = Vec::new();
        let mut within = |requests, bytes| {
            inputs.clear();
            let ready =
                context(|cx| clients.poll_within(cx, &mut inputs, Room { requests, bytes, ..Room::ANY }))
                    .is_ready();
            assert_eq!(ready, !inputs.is_empty());
            inputs.len()
        };
        assert_eq!(within(9, 100 + Room::EACH - 1), 0, "the second would fit, and waits for the first");
        assert_eq!(within(0, usize::MAX), 0);
        assert!(clients.is_waiting());
        assert_eq!(within(9, 100 + Room::EACH), 1);
        drop(second);
        assert_eq!(within(9, 10 + Room::EACH), 2, "that a connection is gone takes no room");
        assert!(!clients.is_waiting());
    }
}
