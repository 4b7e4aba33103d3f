//! The few options that chores take: names, `--flag`, and `--flag VALUE`.

use crate::{Verdict, cannot};

/// Flags that are followed by a value.
const WITH_VALUE: [&str; 14] = [
    "seeds",
    "ranges",
    "only",
    "runs",
    "scenario",
    "contracts",
    "nodes",
    "for",
    "rounds",
    "seed",
    "clients",
    "out",
    "binary",
    "replayer",
];

/// What stood behind the chore's name.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Words without dashes.
    pub(crate) names: Vec<String>,
    flags: Vec<(String, Option<String>)>,
}

impl Options {
    /// Reads the command line behind the chore's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Verdict<Self> {
        let mut options = Options::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix("--") {
                None => options.names.push(argument),
                Some(flag) if WITH_VALUE.contains(&flag) => match arguments.next() {
                    Some(value) => options.flags.push((flag.into(), Some(value))),
                    None => return cannot(format!("--{flag} needs a value")),
                },
                Some(flag) => options.flags.push((flag.into(), None)),
            }
        }
        Ok(options)
    }

    /// Refuses what this chore does not take. Only `bugs` takes names.
    pub(crate) fn only(&self, allowed: &[&str]) -> Verdict {
        if let Some((flag, _)) = self.flags.iter().find(|(flag, _)| !allowed.contains(&flag.as_str())) {
            return cannot(format!("this chore takes no --{flag}; `cargo xtask help` lists what each takes"));
        }
        match self.names.first() {
            Some(name) if !allowed.contains(&"ranges") => {
                cannot(format!("`{name}`: this chore takes no names"))
            }
            _ => Ok(()),
        }
    }

    /// Whether `--flag` was given.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|(name, _)| name == flag)
    }

    /// The value behind `--flag`.
    pub(crate) fn value(&self, flag: &str) -> Option<&str> {
        self.flags.iter().find(|(name, _)| name == flag)?.1.as_deref()
    }

    /// The number behind `--flag`, at least 1, or `default`.
    pub(crate) fn number(&self, flag: &str, default: u64) -> Verdict<u64> {
        match self.value(flag).map(str::parse) {
            None => Ok(default),
            Some(Ok(number)) if number > 0 => Ok(number),
            Some(_) => cannot(format!("--{flag} takes a number from 1 up")),
        }
    }
}
