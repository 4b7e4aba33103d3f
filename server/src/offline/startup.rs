//! A whole replica begun on what is on a device, by the code that `serve` runs: what it would start with. No timer fires
//! and nobody is spoken to.

use super::dry::{self, Hands};
use super::medium::{Medium, Shielded, Source};
use super::report::Start;
use crate::format;
use seedfast_core::journal::Metadata;
use seedfast_core::journal::frame::HEADER;
use seedfast_core::paxos::{Ballot, Replica, Standing};
use seedfast_core::{self as core, Incarnation, Input, Instant, Now, PeerSet, Process, WallTime};
use seedfast_kv::Store;
use std::panic::{self, AssertUnwindSafe, catch_unwind};

/// A vote has so many bytes before its value: the header of its record, and the value's name.
const SPARE: u64 = HEADER as u64 + 8;

/// What the replica would start with that the journal on `source` belongs to. It works on a copy in memory.
pub(crate) fn start(source: &dyn Source, metadata: &Metadata) -> Start {
    let began = quietly(|| {
        let (life, standing) = Life::begin(Shielded::new(source), metadata)?;
        Ok(Start {
            ready: standing.applied == standing.decided,
            halted: None,
            promised: standing.promised.to_string(),
            decided: standing.decided.0,
            applied: standing.applied.0,
            snapshot: standing.snapshot.0,
            amnesiac: standing.amnesiac,
            keys: life.store().len(),
            digest: format!("{:016x}", standing.digest),
        })
    });
    began.unwrap_or_else(|why| Start {
        ready: false,
        halted: Some(why),
        promised: Ballot::ZERO.to_string(),
        decided: 0,
        applied: 0,
        snapshot: 0,
        amnesiac: false,
        keys: 0,
        digest: String::new(),
    })
}

/// Does something that replicas take part in. A panic of the state machine or of a contract is told as the end of a life.
pub(crate) fn quietly<T>(act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    // What a panic says goes into the report, and nowhere else.
    let usual = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let ended = catch_unwind(AssertUnwindSafe(act));
    panic::set_hook(usual);
    ended.unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<String>().cloned();
        let why = why.or_else(|| panic.downcast_ref::<&str>().map(|why| (*why).to_owned()));
        Err(why.unwrap_or_else(|| "a panic without a sentence".to_owned()))
    })
}

/// A replica that lives on a medium.
pub(crate) struct Life<M> {
    replica: Replica<Store>,
    hands: Hands<M>,
}

impl<M: Medium> Life<M> {
    /// Begins the replica whose metadata stand on `medium`; and where it stands.
    ///
    /// # Errors
    /// Why it cannot begin.
    pub(crate) fn begin(medium: M, metadata: &Metadata) -> Result<(Self, Standing), String> {
        let identity = metadata.identity;
        let mut config = format::config(metadata.capacity, PeerSet::one(identity.node));
        config.group = identity.group;
        // A journal that this server did not format may have smaller segments; nothing is proposed here.
        config.batch_bytes =
            config.batch_bytes.min(metadata.layout.segment.saturating_sub(SPARE).max(1) as u32);
        config.log_bytes = config.log_bytes.max(config.batch_bytes.into());
        let store = Store::with_limits(format::limits(metadata.capacity));
        let replica = Replica::new(config, store).map_err(|why| why.to_string())?;
        let start = core::Start {
            incarnation: Incarnation(1),
            entropy: [0; 32],
            cluster: identity.cluster,
            node: identity.node,
            devices: vec![dry::geometry(&medium)],
            queue_depth: 64,
            frame_limit: 16 << 20,
        };
        let mut life = Life { replica, hands: Hands::new(medium) };
        let standing = life.tell(Input::Start(start))?;
        Ok((life, standing))
    }

    /// Tells the replica something, and then of everything that its device did about it; and where it stands now.
    ///
    /// # Errors
    /// Why it does not go on.
    pub(crate) fn tell(&mut self, input: Input) -> Result<Standing, String> {
        self.turn(input);
        while self.hands.halted.is_none()
            && let Some((op, result)) = self.hands.next()
        {
            self.turn(Input::Completed { op, result });
        }
        if let Some(why) = self.hands.halted.take() {
            return Err(why);
        }
        self.replica.status().ok_or_else(|| "it waits for its device and will not go on".to_owned())
    }

    fn turn(&mut self, input: Input) {
        let now = Now { monotonic: Instant::from_nanos(1), wall: WallTime(1) };
        for input in [input, Input::EndOfBurst] {
            self.replica.turn(now, input, &mut self.hands.out);
            self.hands.collect();
        }
    }

    /// The state.
    pub(crate) fn store(&self) -> &Store {
        self.replica.machine()
    }

    /// Ends its life.
    pub(crate) fn end(self) -> M {
        self.hands.medium
    }
}
