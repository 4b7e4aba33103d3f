//! Figures by name, each measured several times.

use crate::lines;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What was measured so far.
#[derive(Default)]
pub(super) struct Figures(BTreeMap<String, Vec<f64>>);

impl Figures {
    /// One more value.
    pub(super) fn add(&mut self, name: &str, value: f64) {
        self.0.entry(name.to_owned()).or_default().push(value);
    }

    /// The middle of its values.
    pub(super) fn median(&self, name: &str) -> Option<f64> {
        self.0.get(name).and_then(|values| lines::median(values))
    }

    /// How many times the median of `over` the median of `what` is, if both were measured.
    pub(super) fn ratio(&mut self, name: &str, what: &str, over: &str) {
        if let (Some(what), Some(over)) = (self.median(what), self.median(over)) {
            self.add(name, what / over);
        }
    }

    /// The medians of those that `wanted` names, by name.
    pub(super) fn medians(&self, wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
        let names = self.0.keys().filter(|name| wanted(name));
        names.map(|name| (name.clone(), json!(self.median(name)))).collect()
    }
}
