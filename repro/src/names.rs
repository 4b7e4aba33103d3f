//! Names that outlive the file that they are read from: those of scenarios are `&'static str` everywhere.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// A name that is there for good. Under this alias serde does not take it for a piece of the text that it reads.
pub(crate) type Name = &'static str;

/// The same name for the rest of the process. Each one is kept once, so what is leaked is as little as there are names.
pub(crate) fn kept(name: &str) -> &'static str {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.get(name) {
        return known;
    }
    let new: &'static str = Box::leak(name.to_owned().into_boxed_str());
    all.insert(new);
    new
}

/// Reads one.
pub(crate) fn one<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    String::deserialize(from).map(|name| kept(&name))
}

/// Reads two.
pub(crate) fn two<'de, D: Deserializer<'de>>(from: D) -> Result<[&'static str; 2], D::Error> {
    <[String; 2]>::deserialize(from).map(|names| names.map(|name| kept(&name)))
}

/// Numbers of 128 bits as text, because few readers of JSON keep all of them.
pub(crate) mod hexadecimal {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(number: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{number:032x}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        u128::from_str_radix(&String::deserialize(from)?, 16).map_err(D::Error::custom)
    }
}
