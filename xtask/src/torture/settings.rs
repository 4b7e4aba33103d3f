//! What the command line of `cargo xtask torture` says.

use crate::options::Options;
use crate::{Verdict, cannot, shell};
use std::path::PathBuf;
use std::time::Duration;

/// How long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Until the first round that ends behind this time.
    For(Duration),
    /// So many rounds.
    Rounds(u64),
}

/// One torture, as it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How many replicas.
    pub(crate) nodes: usize,
    /// How long.
    pub(crate) extent: Extent,
    /// What the plan and the clients draw from. Which thread runs when is nobody's choice: equal seeds strike alike and
    /// end alike only if nothing is wrong.
    pub(crate) seed: u64,
    /// How many clients, about half of them native.
    pub(crate) clients: usize,
    /// Where logs, recordings and data lie while it runs, and stay if something was found.
    pub(crate) out: PathBuf,
    /// A `seedfast-kv` that was built before; otherwise one is built.
    pub(crate) binary: Option<PathBuf>,
    /// Whether every recording is replayed.
    pub(crate) replay: bool,
    /// The `seedfast` that replays them.
    pub(crate) replayer: Option<PathBuf>,
    /// Build the server for release, without contracts.
    pub(crate) release: bool,
    /// Keep what is in `out` in any case.
    pub(crate) keep: bool,
}

/// The flags of the chore, for [`Options::only`].
pub(crate) const FLAGS: [&str; 12] = [
    "nodes",
    "for",
    "rounds",
    "seed",
    "clients",
    "out",
    "binary",
    "release",
    "keep",
    "replay",
    "replayer",
    "self-test",
];

impl Settings {
    /// Reads them.
    pub(crate) fn read(options: &Options) -> Verdict<Self> {
        let extent = match (options.value("for"), options.value("rounds")) {
            (Some(_), Some(_)) => return cannot("--for and --rounds exclude each other"),
            (None, Some(_)) => Extent::Rounds(options.number("rounds", 1)?),
            (time, None) => Extent::For(duration(time.unwrap_or("60s"))?),
        };
        let nodes = options.number("nodes", 3)?;
        if !(3..=5).contains(&nodes) {
            return cannot("--nodes takes 3, 4 or 5");
        }
        let seed = match options.value("seed").map(str::parse) {
            None => 1,
            Some(Ok(seed)) => seed,
            Some(Err(_)) => return cannot("--seed takes a number"),
        };
        let clients = options.number("clients", 12)?;
        if !(2..=200).contains(&clients) {
            return cannot("--clients takes 2 to 200: each is a thread");
        }
        let out = options.value("out").map_or_else(
            || shell::target().join("torture").join(format!("{seed}-{}", std::process::id())),
            PathBuf::from,
        );
        Ok(Settings {
            nodes: nodes as usize,
            extent,
            seed,
            clients: clients as usize,
            out: shell::root().join(out),
            binary: options.value("binary").map(|path| shell::root().join(path)),
            replay: options.has("replay"),
            replayer: options.value("replayer").map(|path| shell::root().join(path)),
            release: options.has("release"),
            keep: options.has("keep"),
        })
    }

    /// Whether the first replica's journal is mapped and stored to, as on persistent memory: with every odd seed. There
    /// `kill -9` may fall between any two stores.
    pub(crate) fn mapped(&self) -> bool {
        self.seed % 2 == 1
    }

    /// How large each journal is, in bytes: small, so that the log goes round often, and large enough for what the
    /// clients write in that time.
    pub(crate) fn journal(&self) -> u64 {
        let minutes = match self.extent {
            Extent::For(time) => time.as_secs() / 60,
            Extent::Rounds(rounds) => rounds / 20,
        };
        (32 << 20) * (1 + minutes).min(16)
    }
}

/// `90`, `90s`, `5m`, `1h` or `250ms`.
fn duration(text: &str) -> Verdict<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis)) {
        Some(millis @ 1..) => Ok(Duration::from_millis(millis)),
        _ => cannot(format!("--for takes a time as in 90s, 5m or 1h, not {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, millis) in [("90", 90_000), ("90s", 90_000), ("5m", 300_000), ("250ms", 250)] {
            assert_eq!(duration(text).ok(), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "0", "s", "5 m", "-3s", "3d", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
