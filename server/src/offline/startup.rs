//! A whole replica begun on a copy in memory of what is on a device, by the code that `serve` runs: what it would start
//! with. No timer fires and nobody is spoken to.

use super::dry::{self, Hands};
use super::medium::{Shielded, Source};
use super::report::Start;
use crate::format;
use seedfast_core::journal::Metadata;
use seedfast_core::journal::frame::HEADER;
use seedfast_core::paxos::{Ballot, Replica};
use seedfast_core::{
    self as core, Completion, Incarnation, Input, Instant, Now, OperationId, PeerSet, Process, WallTime,
};
use seedfast_kv::Store;
use std::panic::{self, AssertUnwindSafe, catch_unwind};

/// A vote has so many bytes before its value: the header of its record, and the value's name.
const SPARE: u64 = HEADER as u64 + 8;

/// Begins the replica that the journal on `source` belongs to. A panic of the state machine or of a contract is told as
/// the end of its life.
pub(crate) fn start(source: &dyn Source, metadata: &Metadata) -> Start {
    let mut began = Start {
        ready: false,
        halted: None,
        promised: Ballot::ZERO.to_string(),
        decided: 0,
        applied: 0,
        snapshot: 0,
        amnesiac: false,
        keys: 0,
        digest: String::new(),
    };
    // What a panic says goes into the report, and nowhere else.
    let usual = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let ended = catch_unwind(AssertUnwindSafe(|| live(source, metadata, &mut began)));
    panic::set_hook(usual);
    if let Err(panic) = ended {
        let why = panic.downcast_ref::<String>().cloned();
        let why = why.or_else(|| panic.downcast_ref::<&str>().map(|why| (*why).to_owned()));
        began.ready = false;
        began.halted = Some(why.unwrap_or_else(|| "a panic without a sentence".to_owned()));
    }
    began
}

fn live(source: &dyn Source, metadata: &Metadata, began: &mut Start) {
    let identity = metadata.identity;
    let mut config = format::config(metadata.capacity, PeerSet::one(identity.node));
    config.group = identity.group;
    // A journal that this server did not format may have smaller segments; nothing is proposed here.
    config.batch_bytes = config.batch_bytes.min(metadata.layout.segment.saturating_sub(SPARE).max(1) as u32);
    config.log_bytes = config.log_bytes.max(config.batch_bytes.into());
    let store = Store::with_limits(format::limits(metadata.capacity));
    let mut replica = match Replica::new(config, store) {
        Ok(replica) => replica,
        Err(why) => {
            began.halted = Some(why.to_string());
            return;
        }
    };
    let mut hands = Hands::new(Shielded::new(source));
    let now = Now { monotonic: Instant::from_nanos(1), wall: WallTime(1) };
    let start = core::Start {
        incarnation: Incarnation(1),
        entropy: [0; 32],
        cluster: identity.cluster,
        node: identity.node,
        devices: vec![dry::geometry(source)],
        queue_depth: 64,
        frame_limit: 16 << 20,
    };
    let mut turn = |hands: &mut Hands<_>, input| {
        replica.turn(now, input, &mut hands.out);
        hands.collect();
        replica.turn(now, Input::EndOfBurst, &mut hands.out);
        hands.collect();
    };
    turn(&mut hands, Input::Start(start));
    while hands.halted.is_none()
        && let Some((op, result)) = hands.next()
    {
        turn(&mut hands, completed(op, result));
    }
    began.halted = hands.halted.take();
    if began.halted.is_some() {
        return;
    }
    let Some(status) = replica.status() else {
        began.halted = Some("it waits for its device and will not go on".to_owned());
        return;
    };
    began.promised = status.promised.to_string();
    began.decided = status.decided.0;
    began.applied = status.applied.0;
    began.snapshot = status.snapshot.0;
    began.amnesiac = status.amnesiac;
    began.keys = replica.machine().len();
    began.digest = format!("{:016x}", status.digest);
    began.ready = status.applied == status.decided;
}

fn completed(op: OperationId, result: Completion) -> Input {
    Input::Completed { op, result }
}
