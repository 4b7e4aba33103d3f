//! The replica where its driver finds it, and where others may look at it between two turns.

use seedfast_core::paxos::{Replica, Standing};
use seedfast_core::process::Room;
use seedfast_core::{Input, Now, Outbox, Process};
use seedfast_kv::Store;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A replica that is driven and looked at. A clone is another handle of the same one.
#[derive(Clone)]
pub(crate) struct Seat {
    replica: Rc<RefCell<Replica<Store>>>,
    began: Rc<Cell<bool>>,
}

impl Seat {
    pub(crate) fn new(replica: Replica<Store>) -> Self {
        Seat { replica: Rc::new(RefCell::new(replica)), began: Rc::default() }
    }

    /// Where it stands, once it has read its journal.
    pub(crate) fn standing(&self) -> Option<Standing> {
        self.replica.borrow().status()
    }

    /// Looks at the state.
    pub(crate) fn store<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(self.replica.borrow().machine())
    }

    /// Whether it has read its journal in this life. What ends it before that is a matter of its data directory.
    pub(crate) fn began(&self) -> bool {
        self.began.get()
    }
}

impl Process for Seat {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let ends = matches!(input, Input::EndOfBurst);
        let mut replica = self.replica.borrow_mut();
        replica.turn(now, input, out);
        if ends && !self.began.get() {
            self.began.set(replica.status().is_some());
        }
    }

    fn room(&self) -> Room {
        self.replica.borrow().room()
    }
}
