//! The clocks' laws, on random executions of a few nodes whose wall clocks do what they like.
//!
//! Happened-before is computed independently of any clock, as reachability: each event keeps the set of all events
//! that happened before it.

extern crate std;

use super::*;
use crate::codec::{Malformed, Reader};
use crate::id::{NodeId, PeerSet};
use crate::time::{Duration, WallTime};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::vec;
use std::vec::Vec;

const NODES: usize = 4;
const BOUND: i64 = 500;

/// One step of an execution. A send can be received any number of times, by anyone, or never.
#[derive(Clone, Copy, Debug)]
enum Step {
    Local { node: usize },
    Receive { node: usize, event: usize },
}

/// An event with everything that the clocks and the truth say about it.
struct Event {
    node: usize,
    past: BTreeSet<usize>,
    lamport: LamportTime,
    vector: VectorClock,
    hybrid: HybridTimestamp,
}

fn steps() -> impl Strategy<Value = Vec<(Step, i64)>> {
    let step = prop_oneof![
        (0..NODES).prop_map(|node| Step::Local { node }),
        (0..NODES, any::<usize>()).prop_map(|(node, event)| Step::Receive { node, event }),
    ];
    // How the wall clock of the step's node moves before it: it stands still, runs, or jumps either way.
    let moves = prop_oneof![3 => Just(0i64), 3 => 0i64..20, 1 => -300i64..300];
    proptest::collection::vec((step, moves), 1..50)
}

/// Runs an execution; checks on the way that the hybrid clock stays within its bounds and refuses what lies beyond.
fn run(steps: &[(Step, i64)]) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut latest = [None; NODES];
    let mut lamport = [Lamport::new(); NODES];
    let mut vector = vec![VectorClock::new(); NODES];
    let mut hybrid = [HybridClock::new(Duration::from_nanos(BOUND as u64)); NODES];
    let mut wall = [0i64; NODES];
    let mut own_maximum = [i64::MIN; NODES];
    let mut maximum = i64::MIN;
    for (step, moved) in steps {
        let (node, message) = match *step {
            Step::Local { node } => (node, None),
            Step::Receive { node, .. } if events.is_empty() => (node, None),
            Step::Receive { node, event } => (node, Some(event % events.len())),
        };
        wall[node] += moved;
        let now = WallTime(wall[node]);
        own_maximum[node] = own_maximum[node].max(now.0);
        maximum = maximum.max(now.0);
        let remote = message.map(|event| &events[event]);
        let before = hybrid[node].last();
        let stamp = match remote {
            None => hybrid[node].tick(now),
            Some(remote) => match hybrid[node].observe(now, remote.hybrid) {
                Ok(stamp) => {
                    assert!(remote.hybrid.wall.0 - now.0 <= BOUND);
                    stamp
                }
                Err(refused) => {
                    assert!(remote.hybrid.wall.0 - now.0 > BOUND);
                    assert_eq!((refused.remote, refused.now), (remote.hybrid, now));
                    assert_eq!(hybrid[node].last(), before, "a refused timestamp leaves the clock alone");
                    continue;
                }
            },
        };
        assert!(stamp.wall >= now, "a timestamp is never behind its node's wall clock");
        assert!(stamp.wall.0 <= maximum, "no timestamp is ahead of the highest wall clock anyone read");
        assert!(stamp.wall.0 <= own_maximum[node] + BOUND, "nor further than the bound ahead of its own");
        match remote {
            None => {
                lamport[node].tick();
                vector[node].tick(NodeId(node as u8));
            }
            Some(remote) => {
                lamport[node].observe(remote.lamport).expect("far from the end");
                vector[node].observe(NodeId(node as u8), &remote.vector).expect("nobody forgets");
            }
        }
        let mut past = BTreeSet::new();
        for event in [latest[node], message].into_iter().flatten() {
            past.extend(&events[event].past);
            past.insert(event);
        }
        latest[node] = Some(events.len());
        let (lamport, vector) = (lamport[node].last(), vector[node].clone());
        events.push(Event { node, past, lamport, vector, hybrid: stamp });
    }
    events
}

proptest! {
    #[test]
    fn what_happened_before_has_a_lower_lamport_time(steps in steps()) {
        let events = run(&steps);
        for event in &events {
            for earlier in &event.past {
                prop_assert!(events[*earlier].lamport < event.lamport);
            }
        }
    }

    #[test]
    fn vector_clocks_are_ordered_exactly_as_their_events(steps in steps()) {
        let events = run(&steps);
        for (right, event) in events.iter().enumerate() {
            for (left, other) in events.iter().enumerate() {
                prop_assert_eq!(other.vector < event.vector, event.past.contains(&left));
                prop_assert_eq!(other.vector == event.vector, left == right);
            }
            let own = event.vector.of(NodeId(event.node as u8));
            let counted = event.past.iter().filter(|earlier| events[**earlier].node == event.node).count();
            prop_assert_eq!(own, counted as u64 + 1, "a counter counts events");
        }
    }

    #[test]
    fn what_happened_before_has_a_lower_hybrid_timestamp(steps in steps()) {
        let events = run(&steps);
        for event in &events {
            for earlier in &event.past {
                prop_assert!(events[*earlier].hybrid < event.hybrid);
            }
        }
    }

    #[test]
    fn a_hybrid_clock_rises_whatever_its_wall_clock_does(
        walls in proptest::collection::vec(any::<i64>().prop_map(|wall| wall / 2), 1..50),
        logical in any::<u32>(),
    ) {
        let start = HybridTimestamp { wall: WallTime(i64::MIN / 2), logical };
        let mut clock = HybridClock::resume(start, Duration::ZERO);
        for wall in walls {
            let before = clock.last();
            prop_assert!(clock.tick(WallTime(wall)) > before);
        }
    }

    #[test]
    fn merging_is_the_least_upper_bound(
        left in counters(), right in counters(), third in counters()
    ) {
        let clocks = [&left, &right, &third].map(built);
        let merged = |left: &VectorClock, right: &VectorClock| {
            let mut merged = left.clone();
            merged.merge(right);
            merged
        };
        let [a, b, c] = &clocks;
        let joined = merged(a, b);
        prop_assert!(joined >= *a && joined >= *b);
        prop_assert!(!(c >= a && c >= b) || *c >= joined);
        prop_assert_eq!(&joined, &merged(b, a));
        prop_assert_eq!(merged(&joined, c), merged(a, &merged(b, c)));
        prop_assert_eq!(&merged(a, a), a);
        for node in 0..64 {
            let node = NodeId(node);
            prop_assert_eq!(joined.of(node), a.of(node).max(b.of(node)));
        }
        prop_assert_eq!(joined.known(), PeerSet(a.known().0 | b.known().0));
    }

    #[test]
    fn a_vector_clock_comes_back_and_nothing_else_does(counters in counters(), end in any::<prop::sample::Index>()) {
        let clock = built(&counters);
        let mut bytes = Vec::new();
        clock.encode(&mut bytes);
        prop_assert_eq!(bytes.len(), 8 + 8 * clock.known().len());
        prop_assert_eq!(VectorClock::decode(&mut Reader::new(&bytes)), Ok(clock));
        let short = &bytes[..end.index(bytes.len())];
        prop_assert_eq!(VectorClock::decode(&mut Reader::new(short)), Err(Malformed));
        if bytes.len() > 8 {
            bytes[8..16].fill(0);
            prop_assert_eq!(VectorClock::decode(&mut Reader::new(&bytes)), Err(Malformed));
        }
    }

    #[test]
    fn a_hybrid_timestamp_comes_back(wall in any::<i64>(), logical in any::<u32>()) {
        let stamp = HybridTimestamp { wall: WallTime(wall), logical };
        let mut bytes = Vec::new();
        stamp.encode(&mut bytes);
        prop_assert_eq!(bytes.len(), 12);
        prop_assert_eq!(HybridTimestamp::decode(&mut Reader::new(&bytes)), Ok(stamp));
        prop_assert_eq!(HybridTimestamp::decode(&mut Reader::new(&bytes[..11])), Err(Malformed));
    }
}

/// Any counters of any nodes.
fn counters() -> impl Strategy<Value = BTreeMap<u8, u64>> {
    proptest::collection::btree_map(0u8..64, 1u64..5, 0..8)
}

fn built(counters: &BTreeMap<u8, u64>) -> VectorClock {
    let mut clock = VectorClock::new();
    for (node, counter) in counters.iter().rev() {
        (0..*counter).for_each(|_| clock.tick(NodeId(*node)));
    }
    clock
}

#[test]
fn a_full_counter_borrows_a_nanosecond_from_the_wall() {
    let full = HybridTimestamp { wall: WallTime(7), logical: u32::MAX };
    let mut clock = HybridClock::resume(full, Duration::ZERO);
    assert_eq!(clock.tick(WallTime(0)), HybridTimestamp { wall: WallTime(8), logical: 0 });
}

#[test]
fn the_bound_is_inclusive_and_the_arithmetic_does_not_overflow() {
    let mut clock = HybridClock::new(Duration::from_nanos(5));
    let at = |wall| HybridTimestamp { wall: WallTime(wall), logical: 3 };
    assert_eq!(clock.observe(WallTime(10), at(15)), Ok(HybridTimestamp { wall: WallTime(15), logical: 4 }));
    let refused = clock.observe(WallTime(10), at(16)).unwrap_err();
    assert_eq!(
        format!("{refused}"),
        "a remote timestamp is 6 ns ahead of the local wall clock, more than the 0.000000005s allowed: compare both \
         nodes' clocks"
    );
    assert!(clock.observe(WallTime(i64::MIN), at(i64::MAX)).is_err());
    assert!(clock.observe(WallTime(20), at(i64::MIN)).is_ok_and(|stamp| stamp.wall == WallTime(20)));
}

#[test]
fn readings_that_no_honest_clock_has_are_refused() {
    let mut lamport = Lamport::new();
    assert_eq!(lamport.observe(LamportTime(u64::MAX)), Err(Exhausted));
    assert_eq!(lamport.observe(LamportTime(u64::MAX - 1)), Err(Exhausted));
    assert_eq!(lamport.last(), LamportTime(0));
    assert_eq!(lamport.observe(LamportTime(u64::MAX - 2)), Ok(LamportTime(u64::MAX - 1)));
    assert_eq!(lamport.tick(), LamportTime(u64::MAX));

    let owner = NodeId(3);
    let (mut mine, mut theirs) = (VectorClock::new(), VectorClock::new());
    mine.tick(owner);
    theirs.tick(owner);
    theirs.tick(owner);
    let before = mine.clone();
    assert_eq!(mine.observe(owner, &theirs), Err(AheadOfItsOwner { owner, claimed: 2, had: 1 }));
    assert_eq!(mine, before);
}
