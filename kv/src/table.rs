//! The map from keys to values, with a digest and a size that follow every change.
//!
//! It is `hashbrown`'s table with the key's XXH3-64 as its hash, not a `BTreeMap`: that hash is needed for the digest
//! anyway, so one hash finds the entry and accounts for it, and an ordered map would add some twenty comparisons of
//! keys to each command. The order of iteration would leak the insertions' history, so nothing may rest on it: the
//! digest is a commutative sum. The hash has no secret: a client that sets out to collide keys can slow its own
//! service down, never make replicas differ.
//!
//! Beside the table stands an ordered set of all keys, by hash, which only a new key and a removed one touch. A
//! snapshot walks it while commands go on: what is about to change and was not walked yet is kept aside first
//! ([`Frozen`]), so that the walk sees every entry as it was at the freeze.

use crate::snapshot::Frozen;
use crate::value::{Text, Value};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use core::ops::Bound;
use hashbrown::HashTable;
use seedfast_core::random::mix;
use xxhash_rust::xxh3::xxh3_64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    entries: HashTable<Entry>,
    order: BTreeSet<Place>,
    totals: Totals,
    /// The snapshot under way.
    pub(crate) frozen: Option<Box<Frozen>>,
}

/// Where a key stands in the order of a walk: by its hash, and by its bytes among those of one hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) hash: u64,
    pub(crate) key: Arc<[u8]>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    place: Place,
    value: Value,
    /// What this entry adds to the digest's sum.
    share: u64,
}

/// What is known of all entries together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// The wrapping sum of all shares: adding or removing an entry costs one addition, in any order.
    sum: u64,
    /// Keys and values in bytes.
    pub(crate) bytes: usize,
}

#[inline]
pub(crate) fn hash_of(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// Both hashes go through one mix, so that two keys that swap their values change the sum.
#[inline]
fn share(key_hash: u64, value: &Value) -> u64 {
    mix(key_hash.wrapping_add(mix(value.hash())))
}

/// An entry that exists, changed only through [`change`](Self::change), which keeps the books.
pub(crate) struct Found<'a> {
    entry: &'a mut Entry,
    totals: &'a mut Totals,
    frozen: Option<&'a mut Frozen>,
}

impl Found<'_> {
    #[inline]
    pub(crate) fn value(&self) -> &Value {
        &self.entry.value
    }

    #[inline]
    pub(crate) fn change<R>(&mut self, change: impl FnOnce(&mut Value) -> R) -> R {
        let entry = &mut *self.entry;
        if let Some(frozen) = &mut self.frozen {
            frozen.keep(&entry.place, || Some(entry.value.clone()));
        }
        self.totals.sum = self.totals.sum.wrapping_sub(entry.share);
        self.totals.bytes -= entry.value.size();
        let result = change(&mut entry.value);
        entry.share = share(entry.place.hash, &entry.value);
        self.totals.sum = self.totals.sum.wrapping_add(entry.share);
        self.totals.bytes += entry.value.size();
        result
    }

    /// Puts a string in place of whatever is there.
    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.change(|value| match value {
            Value::String(text) => text.replace(bytes),
            Value::List(_) => *value = Value::String(Text::new(bytes)),
        });
    }
}

impl Table {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.totals.bytes
    }

    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Value> {
        self.entries.find(hash_of(key), |entry| *entry.place.key == *key).map(|entry| &entry.value)
    }

    #[inline]
    pub(crate) fn find(&mut self, hash: u64, key: &[u8]) -> Option<Found<'_>> {
        let entry = self.entries.find_mut(hash, |entry| *entry.place.key == *key)?;
        Some(Found { entry, totals: &mut self.totals, frozen: self.frozen.as_deref_mut() })
    }

    /// Adds an entry whose key is not there yet.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, key: &[u8], value: Value) {
        debug_assert!(self.get(key).is_none(), "an entry is inserted once");
        let share = share(hash, &value);
        self.totals.sum = self.totals.sum.wrapping_add(share);
        self.totals.bytes += key.len() + value.size();
        let place = Place { hash, key: key.into() };
        if let Some(frozen) = &mut self.frozen {
            frozen.keep(&place, || None);
        }
        self.order.insert(place.clone());
        self.entries.insert_unique(hash, Entry { place, value, share }, |entry| entry.place.hash);
    }

    /// Puts a string at a key, whatever is there.
    pub(crate) fn put(&mut self, key: &[u8], bytes: &[u8]) {
        let hash = hash_of(key);
        match self.find(hash, key) {
            Some(mut found) => found.put(bytes),
            None => self.insert(hash, key, Value::String(Text::new(bytes))),
        }
    }

    /// Removes an entry, and says whether there was one.
    #[inline]
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        let Ok(found) = self.entries.find_entry(hash_of(key), |entry| *entry.place.key == *key) else {
            return false;
        };
        let (entry, _) = found.remove();
        self.totals.sum = self.totals.sum.wrapping_sub(entry.share);
        self.totals.bytes -= entry.place.key.len() + entry.value.size();
        self.order.remove(&entry.place);
        if let Some(frozen) = &mut self.frozen {
            frozen.keep(&entry.place, || Some(entry.value));
        }
        true
    }

    #[inline]
    pub(crate) fn digest(&self) -> u64 {
        digest(self.totals.sum, self.len())
    }

    /// Whether digest, size and order are what a walk over all entries, hashing every byte again, finds.
    pub(crate) fn audit(&self) -> bool {
        let mut totals = Totals::default();
        for entry in &self.entries {
            let fresh = rebuilt(&entry.value);
            totals.sum = totals.sum.wrapping_add(share(hash_of(&entry.place.key), &fresh));
            totals.bytes += entry.place.key.len() + fresh.size();
        }
        let ordered = self.entries.iter().all(|entry| self.order.contains(&entry.place));
        totals == self.totals && ordered && self.order.len() == self.entries.len()
    }

    /// The first entry behind `passed` in the order of a walk: the only order that may leave this module.
    pub(crate) fn behind(&self, passed: Option<&Place>) -> Option<&Place> {
        let from = passed.map_or(Bound::Unbounded, Bound::Excluded);
        self.order.range((from, Bound::Unbounded)).next()
    }

    /// The value at a place that is known.
    pub(crate) fn at(&self, place: &Place) -> Option<&Value> {
        let found = self.entries.find(place.hash, |entry| entry.place.key == place.key);
        found.map(|entry| &entry.value)
    }
}

fn digest(sum: u64, entries: usize) -> u64 {
    mix(sum.wrapping_add(mix(entries as u64 + 1)))
}

/// The same value, built at once from its content.
fn rebuilt(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(Text::new(text.as_bytes())),
        Value::List(list) => {
            let mut copy = crate::value::List::new();
            list.range(0..list.len()).for_each(|element| copy.push(element));
            Value::List(Box::new(copy))
        }
    }
}
