//! Properties, generated around the contracts: whatever order of legal steps is drawn, the contracts hold (they panic
//! otherwise) and the state agrees with a naive model. That each contract can trip is shown beside its code.

use super::log::{Log, Value};
use super::sessions::{Admission, Sessions};
use super::wire::{Address, Entry, Message};
use super::{Ballot, Slot, ValueId};
use crate::buffer::Buffer;
use crate::id::{ClusterId, GroupId, NodeId, SessionId};
use crate::outbox::Outbox;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use proptest::prelude::*;

fn value(number: u64) -> Value {
    Value { id: ValueId(number), bytes: Buffer::from(number.to_le_bytes().to_vec()) }
}

/// What a slot decides in these worlds: agreement holds by construction.
fn decided_at(slot: u64) -> Value {
    value(slot * 1000)
}

#[derive(Clone, Debug)]
enum LogStep {
    Vote { slot: u64, raise: u64 },
    Choose { slot: u64 },
    Trim { below: u64 },
    Install { below: u64 },
}

fn log_steps() -> impl Strategy<Value = Vec<LogStep>> {
    let step = prop_oneof![
        4 => (0..24_u64, 0..3_u64).prop_map(|(slot, raise)| LogStep::Vote { slot, raise }),
        4 => (0..24_u64).prop_map(|slot| LogStep::Choose { slot }),
        1 => (0..24_u64).prop_map(|below| LogStep::Trim { below }),
        1 => (0..24_u64).prop_map(|below| LogStep::Install { below }),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_log_agrees_with_a_naive_one(steps in log_steps()) {
        let mut log = Log::default();
        let mut votes: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let mut chosen = BTreeSet::new();
        for step in steps {
            match step {
                LogStep::Vote { slot, raise } if slot >= log.first().0 => {
                    let (ballot, id) = votes.get(&slot).copied().unwrap_or((0, 0));
                    let (ballot, id) = if raise == 0 && ballot > 0 {
                        (ballot, id)
                    } else if chosen.contains(&slot) {
                        (ballot + raise.max(1), decided_at(slot).id.0)
                    } else {
                        (ballot + raise.max(1), slot * 1000 + raise)
                    };
                    log.vote(Slot(slot), Ballot(ballot), value(id), 0);
                    votes.insert(slot, (ballot, id));
                }
                LogStep::Choose { slot } if slot >= log.first().0 => {
                    log.choose(Slot(slot), decided_at(slot));
                    chosen.insert(slot);
                }
                LogStep::Trim { below } => log.trim(Slot(below)),
                LogStep::Install { below } => {
                    log.install(Slot(below));
                    chosen.extend(0..below);
                }
                _ => {}
            }
            let prefix = (0..).find(|slot| !chosen.contains(slot)).expect("some slot is undecided");
            prop_assert_eq!(log.decided(), Slot(prefix));
            prop_assert!(log.first() <= log.decided());
            let held = log.first().0;
            let reported: Vec<(u64, u64)> = log.votes_from(Slot(0)).map(|(slot, cell)| (slot.0, cell.ballot.0)).collect();
            let expected: Vec<(u64, u64)> = votes.range(held..).map(|(slot, (ballot, _))| (*slot, *ballot)).collect();
            prop_assert_eq!(reported, expected, "every vote is reported (I8)");
            let bytes: u64 = (held..24)
                .map(|slot| {
                    let vote = votes.get(&slot).map(|(_, id)| *id);
                    let decided = chosen.contains(&slot).then(|| decided_at(slot).id.0);
                    8 * (u64::from(vote.is_some()) + u64::from(decided.is_some() && decided != vote))
                })
                .sum();
            prop_assert_eq!(log.bytes(), bytes);
        }
    }

    #[test]
    fn a_session_table_agrees_with_a_naive_one(
        steps in prop::collection::vec((0..4_usize, 1..12_u64, 1..12_u64, any::<bool>()), 0..200),
    ) {
        const WINDOW: u64 = 5;
        let mut table = Sessions::new(3, WINDOW as u32);
        let mut twin = Sessions::new(3, WINDOW as u32);
        // Session, acknowledged mark, last use, effects.
        let mut model: Vec<(SessionId, u64, usize, BTreeMap<u64, usize>)> = Vec::new();
        let mut ever = Vec::new();
        for (time, (which, sequence, acknowledged, opens)) in steps.into_iter().enumerate() {
            let slot = Slot(time as u64);
            if opens && which == 0 {
                let session = table.open(slot);
                prop_assert_eq!(twin.open(slot), session, "two tables that saw the same are the same");
                prop_assert!(!ever.contains(&session), "an id is never used twice");
                ever.push(session);
                if model.len() == 3 {
                    let oldest = model.iter().map(|(_, _, used, _)| *used).min().expect("three sessions");
                    model.retain(|(_, _, used, _)| *used != oldest);
                }
                model.push((session, 1, time, BTreeMap::new()));
                continue;
            }
            let Some(session) = ever.get(which % ever.len().max(1)).copied() else { continue };
            let admission = table.admit(session, sequence, acknowledged, slot);
            prop_assert_eq!(twin.admit(session, sequence, acknowledged, slot), admission);
            let Some((_, mark, used, effects)) = model.iter_mut().find(|(id, ..)| *id == session) else {
                prop_assert_eq!(admission, Admission::Unknown);
                continue;
            };
            *used = time;
            *mark = (*mark).max(acknowledged.min(sequence));
            let expected = if sequence < *mark {
                Admission::Stale
            } else if sequence - *mark >= WINDOW {
                Admission::BeyondWindow
            } else if effects.contains_key(&sequence) {
                Admission::Duplicate
            } else {
                Admission::Execute
            };
            prop_assert_eq!(admission, expected);
            match admission {
                Admission::Execute => {
                    effects.insert(sequence, time);
                    table.record(session, sequence, &time.to_le_bytes());
                    twin.record(session, sequence, &time.to_le_bytes());
                }
                Admission::Duplicate => {
                    prop_assert_eq!(table.reply(session, sequence), Some(&effects[&sequence].to_le_bytes()[..]));
                }
                _ => prop_assert_eq!(table.reply(session, sequence), None),
            }
            prop_assert_eq!(table.digest(), twin.digest());
        }
    }

    /// Every message comes back as it went in, and no damage of up to three bytes gets through.
    #[test]
    fn a_message_survives_the_wire_and_damage_does_not(
        which in 0..11_u8,
        numbers in prop::array::uniform4(any::<u64>()),
        slots in prop::collection::btree_set(0..1000_u64, 0..20),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let [a, b, c, d] = numbers;
        let entries: Vec<Entry> = slots
            .into_iter()
            .map(|slot| Entry { slot: Slot(slot), ballot: Ballot(a), id: ValueId(b), value: value(slot).bytes })
            .collect();
        let (ballot, slot) = (Ballot(a), Slot(b));
        let message = match which {
            0 => Message::PreVote { ballot, decided: slot },
            1 => Message::PreVoteReply { ballot, granted: c % 2 == 0, promised: Ballot(d), decided: slot },
            2 => Message::Prepare { ballot, from: slot },
            3 => Message::Promise { ballot, from: slot, votes: entries },
            4 => Message::Reject { promised: ballot },
            5 => Message::Accept { ballot, commit: slot, entries },
            6 => Message::Accepted { ballot, first: slot, count: c as u32 },
            7 => Message::Heartbeat { ballot, round: c, commit: slot },
            8 => Message::HeartbeatReply { ballot, round: c },
            9 => Message::CatchUp { from: slot, stateless: d % 2 == 0 },
            _ => Message::Learn { decided: slot, entries },
        };
        let address = Address { cluster: ClusterId(u128::from(c) << 64 | u128::from(d)), group: GroupId(7), epoch: 3 };
        let sender = NodeId(5);
        let mut out = Outbox::new(false);
        let frame = message.encode(&address, sender, &mut out);
        prop_assert_eq!(Message::decode(&address, sender, message.kind(), &frame), Ok(message.clone()));

        let mut damaged = frame.to_vec();
        for (index, flip) in damage {
            damaged[index.index(frame.len())] ^= flip;
        }
        if damaged != *frame {
            prop_assert!(Message::decode(&address, sender, message.kind(), &Buffer::from(damaged)).is_err());
        }
        let short = frame.slice(0, cut.index(frame.len()));
        prop_assert!(Message::decode(&address, sender, message.kind(), &short).is_err());
    }
}
