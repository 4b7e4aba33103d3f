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
}

/// What the process knows as one connection. A place is used again under a new generation, so that an answer to a
/// connection that is gone never reaches another one.
#[derive(Default)]
struct Line {
    generation: u32,
    open: bool,
    under_way: usize,
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
        Clients(Rc::new(RefCell::new(Shared { inputs, driver: None, lines, free, under_way: 0, most_each })))
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
        line.under_way = 0;
        let id = ConnectionId(u64::from(line.generation) << 32 | u64::from(place));
        Connection { clients: self.clone(), id }
    }

    /// Appends what connections ask of the process, at most `most`; pending if there is nothing.
    pub fn poll_requests(&self, cx: &mut Context<'_>, into: &mut Vec<Input>, most: usize) -> Poll<()> {
        self.poll_within(cx, into, Room { requests: most, bytes: usize::MAX })
    }

    /// The same for what there is room for, in order; pending also if there is none for the first.
    pub fn poll_within(&self, cx: &mut Context<'_>, into: &mut Vec<Input>, room: Room) -> Poll<()> {
        let mut shared = self.0.borrow_mut();
        let mut left = room.bytes;
        let fits = |input: &Input| match input {
            Input::Request { bytes, .. } => {
                let taken = left.checked_sub(bytes.len() + Room::EACH);
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
        into.extend(shared.inputs.drain(..count));
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

    /// Whether another request may be made now.
    pub fn has_room(&self) -> bool {
        self.with(|shared, place| shared.lines[place].under_way < shared.most_each)
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
            shared.lines[place].under_way += 1;
            shared.under_way += 1;
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
            shared.free.push(place as u32);
            self.clients.push(shared, Input::Closed { connection });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(context(|cx| clients.poll_requests(cx, &mut inputs, 2)).is_ready());
        assert_eq!(inputs.len(), 2, "no more than was asked for");
        assert!(context(|cx| clients.poll_requests(cx, &mut inputs, 9)).is_ready());
        assert!(matches!(inputs[..], [Input::Request { .. }, Input::Request { .. }, Input::Closed { .. }]));
        assert!(context(|cx| clients.poll_requests(cx, &mut inputs, 9)).is_pending());
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
                context(|cx| clients.poll_within(cx, &mut inputs, Room { requests, bytes })).is_ready();
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
