//! The map from keys to values, with a digest and a size that follow every change.
//!
//! It is `hashbrown`'s table with the key's XXH3-64 as its hash, not a `BTreeMap`: that hash is needed for the digest
//! anyway, so one hash finds the entry and accounts for it, and an ordered map would add some twenty comparisons of
//! keys to each command. The order of iteration would leak the insertions' history, so nothing may rest on it: the
//! digest is a commutative sum, and a snapshot sorts. The hash has no secret: a client that sets out to collide keys
//! can slow its own service down, never make replicas differ.

use crate::value::{Text, Value};
use alloc::boxed::Box;
use alloc::vec::Vec;
use hashbrown::HashTable;
use seedfast_core::random::mix;
use xxhash_rust::xxh3::xxh3_64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    entries: HashTable<Entry>,
    totals: Totals,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Box<[u8]>,
    pub(crate) value: Value,
    hash: u64,
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
}

impl Found<'_> {
    #[inline]
    pub(crate) fn value(&self) -> &Value {
        &self.entry.value
    }

    #[inline]
    pub(crate) fn change<R>(&mut self, change: impl FnOnce(&mut Value) -> R) -> R {
        let entry = &mut *self.entry;
        self.totals.sum = self.totals.sum.wrapping_sub(entry.share);
        self.totals.bytes -= entry.value.size();
        let result = change(&mut entry.value);
        entry.share = share(entry.hash, &entry.value);
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
    pub(crate) fn with_capacity(entries: usize) -> Self {
        Table { entries: HashTable::with_capacity(entries), totals: Totals::default() }
    }

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
        self.entries.find(hash_of(key), |entry| *entry.key == *key).map(|entry| &entry.value)
    }

    #[inline]
    pub(crate) fn find(&mut self, hash: u64, key: &[u8]) -> Option<Found<'_>> {
        let entry = self.entries.find_mut(hash, |entry| *entry.key == *key)?;
        Some(Found { entry, totals: &mut self.totals })
    }

    /// Adds an entry whose key is not there yet.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, key: &[u8], value: Value) {
        debug_assert!(self.get(key).is_none(), "an entry is inserted once");
        let share = share(hash, &value);
        self.totals.sum = self.totals.sum.wrapping_add(share);
        self.totals.bytes += key.len() + value.size();
        let entry = Entry { key: key.into(), value, hash, share };
        self.entries.insert_unique(hash, entry, |entry| entry.hash);
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
        let Ok(found) = self.entries.find_entry(hash_of(key), |entry| *entry.key == *key) else {
            return false;
        };
        let (entry, _) = found.remove();
        self.totals.sum = self.totals.sum.wrapping_sub(entry.share);
        self.totals.bytes -= entry.key.len() + entry.value.size();
        true
    }

    #[inline]
    pub(crate) fn digest(&self) -> u64 {
        digest(self.totals.sum, self.len())
    }

    /// Whether digest and size are what a walk over all entries, hashing every byte again, finds.
    pub(crate) fn audit(&self) -> bool {
        let mut totals = Totals::default();
        for entry in &self.entries {
            let fresh = rebuilt(&entry.value);
            totals.sum = totals.sum.wrapping_add(share(hash_of(&entry.key), &fresh));
            totals.bytes += entry.key.len() + fresh.size();
        }
        totals == self.totals
    }

    /// All entries by ascending key: the only order that may leave this module.
    pub(crate) fn sorted(&self) -> Vec<&Entry> {
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        entries
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
