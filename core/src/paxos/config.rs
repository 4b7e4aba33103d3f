//! How a replica behaves: built valid or not at all.

use crate::id::{GroupId, NodeId, PeerSet};
use crate::journal::frame::HEADER;
use crate::time::Duration;
use core::fmt;

/// The settings of one replica. [`Config::new`] gives what the server ships with; every field may then be changed,
/// and [`validate`](Config::validate) is asked before anything starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The replicated group.
    pub group: GroupId,
    /// The members of configuration 0; each has one vote.
    pub voters: PeerSet,
    /// How often a leader is heard of.
    pub heartbeat: Duration,
    /// A follower that heard of no leader for a random time between this ...
    pub election_min: Duration,
    /// ... and this asks for votes.
    pub election_max: Duration,
    /// After how long an unanswered prepare or accept is sent again, and a gap in the log asked for.
    pub retransmit: Duration,
    /// How many slots may be proposed and not yet decided.
    pub window: u32,
    /// While so many are, a batch that is not full stays open for commands to come instead of being proposed with the
    /// few that it has: the more is asked, the larger batches become. At `window` or above none stays open for that.
    pub eager: u32,
    /// How long a batch that is not full waits at most for those who were just answered and may ask again; at zero, not at
    /// all. It never waits longer than has passed since the last proposal, and seldom where nobody asks again.
    pub gather: Duration,
    /// How long the journal rests before its mark is written; at zero, as soon as it does. Until then damage to the last
    /// group cannot be told from a torn write (`docs/journal.md`, section 5), and each write of a mark is one more that a
    /// device and its node are kept busy with.
    pub rest: Duration,
    /// A batch is closed when it holds this many commands ...
    pub batch_commands: u32,
    /// ... or this many bytes; it is also the largest command.
    pub batch_bytes: u32,
    /// How many bytes of values a replica holds in memory before the leader refuses commands. At half of it a snapshot is
    /// taken, so that what it stands in for can be forgotten.
    pub log_bytes: u64,
    /// A snapshot is taken at every slot that is a multiple of this, so that replicas stop at the same ones and a transfer
    /// can go on at any of them ...
    pub snapshot_slots: u64,
    /// ... and when the values applied since the last one have this many bytes.
    pub snapshot_bytes: u64,
    /// The most bytes of a snapshot that are written, read or sent in one piece.
    pub piece_bytes: u32,
    /// How many slots below a snapshot stay in memory, so that a peer that lags a little catches up from the log.
    pub tail_slots: u64,
    /// How many requests may wait for the window or for a read round before the next one is refused.
    pub waiting: u32,
    /// How many client sessions are remembered; the one unused for longest goes first.
    pub sessions: u32,
    /// How many commands of one session may be unacknowledged.
    pub session_window: u32,
}

/// Why a [`Config`] makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// There is no voter.
    NoVoters,
    /// The heartbeat is zero, or not well below the shortest election timeout.
    Heartbeat,
    /// The election timeouts are not a range.
    Election,
    /// A limit is zero, or too large for its field on the wire.
    Limit(&'static str),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::NoVoters => f.write_str("a group needs at least one voter: name its members"),
            ConfigError::Heartbeat => f.write_str(
                "the heartbeat must be above zero and at most half of the shortest election timeout",
            ),
            ConfigError::Election => f.write_str("election_max must be above election_min"),
            ConfigError::Limit(name) => write!(f, "the limit `{name}` is zero or too large"),
        }
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// What the server ships with.
    pub const fn new(group: GroupId, voters: PeerSet) -> Self {
        Config {
            group,
            voters,
            heartbeat: Duration::from_millis(50),
            election_min: Duration::from_millis(300),
            election_max: Duration::from_millis(600),
            retransmit: Duration::from_millis(60),
            window: 32,
            // While a batch is on its way the next one gathers: each costs every replica two system calls, however
            // large it is.
            eager: 1,
            // Clients in the same place are back in a fraction of it.
            gather: Duration::from_millis(1),
            // Under a light load the journal rests behind each batch; a mark for each would be every other write.
            rest: Duration::from_millis(10),
            batch_commands: 1024,
            batch_bytes: 256 << 10,
            log_bytes: 64 << 20,
            snapshot_slots: 1 << 14,
            snapshot_bytes: 32 << 20,
            // With the header of its record, 64 KiB.
            piece_bytes: (64 << 10) - HEADER as u32,
            tail_slots: 1024,
            waiting: 4096,
            sessions: 1024,
            session_window: 64,
        }
    }

    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// The first one that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.voters.is_empty() {
            return Err(ConfigError::NoVoters);
        }
        if self.heartbeat == Duration::ZERO || self.heartbeat.times(2) > self.election_min {
            return Err(ConfigError::Heartbeat);
        }
        if self.election_max <= self.election_min {
            return Err(ConfigError::Election);
        }
        let limits: [(&'static str, u64, u64); 11] = [
            ("retransmit", self.retransmit.as_nanos(), u64::MAX),
            ("window", self.window.into(), 4096),
            ("eager", self.eager.into(), 4096),
            ("batch_commands", self.batch_commands.into(), 1 << 20),
            ("batch_bytes", self.batch_bytes.into(), 4 << 20),
            ("snapshot_slots", self.snapshot_slots, u64::MAX),
            ("snapshot_bytes", self.snapshot_bytes, u64::MAX),
            ("piece_bytes", self.piece_bytes.into(), 1 << 20),
            ("waiting", self.waiting.into(), 1 << 24),
            ("sessions", self.sessions.into(), 1 << 24),
            ("session_window", self.session_window.into(), 1 << 16),
        ];
        match limits.iter().find(|(_, value, most)| *value == 0 || value > most) {
            Some((name, ..)) => Err(ConfigError::Limit(name)),
            None if self.log_bytes < u64::from(self.batch_bytes) => Err(ConfigError::Limit("log_bytes")),
            None => Ok(()),
        }
    }

    /// How many slots above its decided prefix an acceptor votes in: more than a leader's window, because the
    /// acceptor may not have heard of the latest decisions.
    pub(crate) fn votes_ahead(&self) -> u64 {
        u64::from(self.window) * 4
    }

    /// The peers of `me`.
    pub(crate) fn peers(&self, me: NodeId) -> PeerSet {
        self.voters.without(me)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_nonsense_is_named() {
        let good = Config::new(GroupId(1), PeerSet::first(3));
        assert_eq!(good.validate(), Ok(()));
        let bad = |change: fn(&mut Config)| {
            let mut config = good.clone();
            change(&mut config);
            config.validate().expect_err("it makes no sense")
        };
        assert_eq!(bad(|c| c.voters = PeerSet::EMPTY), ConfigError::NoVoters);
        assert_eq!(bad(|c| c.heartbeat = c.election_min), ConfigError::Heartbeat);
        assert_eq!(bad(|c| c.election_max = c.election_min), ConfigError::Election);
        assert_eq!(bad(|c| c.window = 0), ConfigError::Limit("window"));
        assert_eq!(bad(|c| c.snapshot_slots = 0), ConfigError::Limit("snapshot_slots"));
        assert_eq!(bad(|c| c.piece_bytes = 2 << 20), ConfigError::Limit("piece_bytes"));
        assert_eq!(bad(|c| c.log_bytes = 1), ConfigError::Limit("log_bytes"));
    }
}
