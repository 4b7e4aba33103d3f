//! The timers of one endpoint: cheap to set again and again.
//!
//! A heartbeat resets an election timer thousands of times before it fires once. Setting a timer therefore writes a
//! number into a small table; the queue holds at most one live *check* per timer, which looks at the table when it is
//! due and goes back to sleep if the timer was moved meanwhile.

/// One timer.
#[derive(Clone, Copy, Debug)]
struct Slot {
    id: u16,
    /// Changes with every set and cancel, so that a timer that is due but still waits in an inbox is recognised as
    /// overtaken.
    generation: u32,
    /// On the endpoint's own clock; `NEVER` if not set.
    due: u64,
    /// The true time of the live check; `NEVER` if there is none.
    check: u64,
}

/// No time.
pub(crate) const NEVER: u64 = u64::MAX;

/// What a check finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Nothing to do.
    Stale,
    /// The timer is due: its name and generation.
    Due(u16, u32),
    /// Look again when the clock reads this.
    Later(u64),
}

/// A small table of timers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers(Vec<Slot>);

impl Timers {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    #[inline]
    fn slot(&mut self, id: u16) -> usize {
        match self.0.iter().position(|slot| slot.id == id) {
            Some(index) => index,
            None => {
                self.0.push(Slot { id, generation: 0, due: NEVER, check: NEVER });
                self.0.len() - 1
            }
        }
    }

    /// Sets (or with `NEVER` cancels) a timer; returns its slot.
    #[inline]
    pub(crate) fn set(&mut self, id: u16, due: u64) -> u16 {
        let index = self.slot(id);
        let slot = &mut self.0[index];
        slot.due = due;
        slot.generation = slot.generation.wrapping_add(1);
        index as u16
    }

    /// The true time of a slot's live check.
    #[inline]
    pub(crate) fn check_at(&self, slot: u16) -> u64 {
        self.0[slot as usize].check
    }

    /// Remembers that a check was queued.
    #[inline]
    pub(crate) fn checking(&mut self, slot: u16, at: u64) {
        self.0[slot as usize].check = at;
    }

    /// A check queued for true time `now` strikes while the endpoint's clock reads `local`.
    #[inline]
    pub(crate) fn strike(&mut self, slot: u16, now: u64, local: u64) -> Check {
        let Some(slot) = self.0.get_mut(slot as usize) else { return Check::Stale };
        if slot.check != now {
            return Check::Stale;
        }
        slot.check = NEVER;
        if slot.due == NEVER {
            Check::Stale
        } else if slot.due <= local {
            slot.due = NEVER;
            Check::Due(slot.id, slot.generation)
        } else {
            Check::Later(slot.due)
        }
    }

    /// Whether a timer that became due in this generation was neither set nor cancelled since.
    pub(crate) fn is_current(&self, id: u16, generation: u32) -> bool {
        self.0.iter().any(|slot| slot.id == id && slot.generation == generation)
    }

    /// Every timer that is set: slot and due time.
    pub(crate) fn armed(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        let armed = |(index, slot): (usize, &Slot)| (slot.due != NEVER).then_some((index as u16, slot.due));
        self.0.iter().enumerate().filter_map(armed)
    }
}
