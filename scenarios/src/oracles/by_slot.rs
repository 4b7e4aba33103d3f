//! A dense table by slot, grown as slots appear.

use seedfast_core::paxos::Slot;

/// One `T` for every slot up to the highest one touched.
#[derive(Clone, Debug, Default)]
pub(crate) struct BySlot<T>(Vec<T>);

impl<T: Default> BySlot<T> {
    /// The entry of `slot`, made if there is none. [`Step::decode`](super::step::Step::decode) bounds the slot.
    #[inline]
    pub(crate) fn at(&mut self, slot: Slot) -> &mut T {
        let index = slot.0 as usize;
        if index >= self.0.len() {
            self.0.resize_with(index + 1, T::default);
        }
        &mut self.0[index]
    }

    /// The entry of `slot`, if it was touched or stands below one that was.
    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        self.0.get(slot.0 as usize)
    }

    /// The entries from `slot` on.
    pub(crate) fn from(&self, slot: Slot) -> impl Iterator<Item = (Slot, &T)> {
        self.0.iter().enumerate().skip(slot.0 as usize).map(|(index, entry)| (Slot(index as u64), entry))
    }
}
