//! Messages between machines. None is promised to come, or in order, or once: only that what comes is whole, and from
//! whom it says.

use super::kit::{after, pattern, pause};
use super::{Case, Site, Verdict, case, claim, machine};
use crate::buffer::Buffer;
use crate::codec::{Reader, Write};
use crate::id::{GroupId, Kind, NodeId, PeerSet};
use crate::input::Input;
use crate::random::Random;
use crate::runtime::race::{Either, race};
use crate::runtime::{Endpoint, Error, Membership, Runtime};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::future::poll_fn;

pub(super) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case!(
            every_frame_is_whole_and_from_the_peer_that_it_says,
            "frames of all sizes between three machines keep their bytes, kind, group and sender",
            [machine!(exchange_frames), machine!(exchange_frames), machine!(exchange_frames)]
        ),
        case!(
            a_frame_of_the_largest_size_arrives,
            "`frame_limit` is the length of a frame that can be sent",
            [machine!(a_frame_of_the_largest_size_arrives), machine!(a_frame_of_the_largest_size_arrives)]
        ),
        case!(
            nobody_hears_himself,
            "a frame to a set that holds its sender goes to the others only",
            [machine!(nobody_hears_himself), machine!(nobody_hears_himself)]
        ),
        case!(
            a_peer_is_reached_once_its_address_is_known_and_not_when_it_is_forgotten,
            "`peer` brings a node in, and cuts it off",
            [
                machine!(a_peer_is_reached_once_its_address_is_known_and_not_when_it_is_forgotten),
                machine!(a_peer_is_reached_once_its_address_is_known_and_not_when_it_is_forgotten_other)
            ]
        ),
        case!(
            a_peer_that_starts_again_is_reached_again,
            "frames reach the next life of a peer, both ways",
            [
                machine!(a_peer_that_starts_again_is_reached_again),
                machine!(
                    a_peer_that_starts_again_is_reached_again_other,
                    a_peer_that_starts_again_is_reached_again_other
                )
            ]
        ),
        case!(
            a_flood_is_bounded_and_room_is_told_of,
            "what a peer that does not read cannot take is dropped, `Writable` follows, and nobody else is held back",
            [
                machine!(a_flood_is_bounded_and_room_is_told_of),
                machine!(a_flood_is_bounded_and_room_is_told_of_slow),
                machine!(a_flood_is_bounded_and_room_is_told_of_other)
            ]
        ),
        case!(
            frames_come_in_batches_no_larger_than_asked_for,
            "`poll_receive` appends, at most so many, and the rest waits",
            [
                machine!(frames_come_in_batches_no_larger_than_asked_for),
                machine!(frames_come_in_batches_no_larger_than_asked_for)
            ]
        ),
        case!(
            a_place_among_the_peers_is_taken_once,
            "a second endpoint is refused until the first is dropped",
            [machine!(a_place_among_the_peers_is_taken_once)]
        ),
        case!(
            who_is_no_member_cannot_join,
            "a membership without this node makes no sense",
            [machine!(who_is_no_member_cannot_join)]
        ),
    ]
}

fn membership(site: &Site) -> Membership {
    Membership { cluster: site.cluster, me: site.me, members: site.members.clone() }
}

async fn join<R: Runtime>(runtime: &R, site: &Site) -> Result<R::Endpoint, String> {
    runtime.endpoint(membership(site)).await.map_err(|error| alloc::format!("joining: {error}"))
}

const GROUP: GroupId = GroupId(77);
/// The word that its sender has seen everything it wanted to see.
const DONE: u64 = u64::MAX;

/// The length of what stands before a frame's filling, in bytes.
const HEAD: usize = 17;

/// A frame that says who sent it, its number and its length, and is filled with what follows from them. The kind
/// follows from the number.
fn frame(me: NodeId, number: u64, length: usize) -> Buffer {
    let mut bytes = Vec::new();
    bytes.u8(me.0);
    bytes.u64(number);
    bytes.u64(length as u64);
    bytes.bytes(&pattern(number ^ u64::from(me.0) << 56, length));
    Buffer::from(bytes)
}

fn kind(number: u64) -> Kind {
    Kind((number % 100) as u8)
}

fn send(endpoint: &mut impl Endpoint, me: NodeId, to: PeerSet, number: u64, length: usize) {
    endpoint.send(to, kind(number), GROUP, frame(me, number, length));
}

/// The sender and the number of a frame.
///
/// # Errors
/// It is not one that its sender sent.
fn check(from: NodeId, kind_: Kind, group: GroupId, bytes: &[u8]) -> Result<u64, String> {
    let mut fields = Reader::new(bytes);
    let head = (fields.u8(), fields.u64(), fields.u64());
    let (Ok(sender), Ok(number), Ok(length)) = head else {
        return Err(alloc::format!("a frame of {} bytes came from {from}", bytes.len()));
    };
    if NodeId(sender) != from {
        return Err(alloc::format!("a frame of n{sender} is said to come from {from}"));
    }
    let expected = frame(from, number, usize::try_from(length).unwrap_or(0).min(64 << 20));
    if *expected != *bytes {
        return Err(alloc::format!("frame {number} of {from} came changed, {} bytes long", bytes.len()));
    }
    if kind_ != kind(number) || group != GROUP {
        return Err(alloc::format!("frame {number} of {from} came as {kind_:?} of {group:?}"));
    }
    Ok(number)
}

/// What came within a while: senders and numbers of frames, each of them checked.
async fn heard<R: Runtime>(
    runtime: &R,
    endpoint: &mut R::Endpoint,
    millis: u64,
) -> Result<Vec<(NodeId, u64)>, String> {
    let mut inputs = Vec::new();
    let _ = race(runtime, poll_fn(|cx| endpoint.poll_receive(cx, &mut inputs, 1000)), pause(runtime, millis))
        .await;
    let frames = inputs.into_iter().filter_map(|input| match input {
        Input::Receive { from, kind, group, frame } => {
            Some(check(from, kind, group, &frame).map(|number| (from, number)))
        }
        Input::Writable { .. } => None,
        other => Some(Err(alloc::format!("an endpoint brought {other:?}"))),
    });
    frames.collect()
}

/// Says one thing to `to` for as long as this life goes on: it may be lost, and they wait for it.
fn keep_saying<R: Runtime>(runtime: &R, mut endpoint: R::Endpoint, me: NodeId, to: PeerSet, number: u64) {
    let inner = runtime.clone();
    runtime.spawn(async move {
        loop {
            send(&mut endpoint, me, to, number, 0);
            let _ = heard(&inner, &mut endpoint, 20).await;
        }
    });
}

/// Sends a frame of each of those lengths to every peer, again and again, until every one has come from every peer, and
/// every peer has said the same.
async fn exchange<R: Runtime>(
    runtime: &R,
    site: &Site,
    mut endpoint: R::Endpoint,
    lengths: &[usize],
) -> Verdict {
    let peers: PeerSet = site.members.iter().map(|(node, _)| *node).collect();
    let others = peers.without(site.me);
    let count = lengths.len() as u64;
    let mut missing: BTreeSet<(NodeId, u64)> =
        others.iter().flat_map(|peer| (0..count).map(move |number| (peer, number))).collect();
    let mut waiting: BTreeSet<NodeId> = others.iter().collect();
    for round in 0.. {
        if missing.is_empty() {
            send(&mut endpoint, site.me, others, DONE, 0);
            pause(runtime, 5).await;
        }
        // Another one goes first each time, because there is not always room for all.
        for number in (0..count).map(|number| (number + round) % count) {
            let length = lengths[number as usize];
            send(&mut endpoint, site.me, others, number, length);
            if length > 1 << 20 {
                pause(runtime, 5).await;
            }
        }
        let next_round = after(runtime, 30);
        while runtime.now().monotonic < next_round {
            for (from, number) in heard(runtime, &mut endpoint, 10).await? {
                claim!(others.contains(from), "a frame came from {from}, and it is no peer");
                if number == DONE {
                    waiting.remove(&from);
                } else {
                    claim!(number < count, "{from} sent frame {number}, and nobody did");
                    missing.remove(&(from, number));
                }
            }
        }
        if missing.is_empty() && waiting.is_empty() {
            break;
        }
    }
    keep_saying(runtime, endpoint, site.me, others, DONE);
    Ok(())
}

async fn exchange_frames<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let endpoint = join(&runtime, &site).await?;
    let mut random = Random::from_seed(5);
    let mut lengths = vec![0, 1, 2, 495, 4096, 70_000];
    lengths.extend((0..60).map(|_| random.below(3000) as usize));
    exchange(&runtime, &site, endpoint, &lengths).await
}

async fn a_frame_of_the_largest_size_arrives<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let endpoint = join(&runtime, &site).await?;
    let limit = endpoint.frame_limit() as usize;
    claim!(limit >= 64 << 10, "no frame may be longer than {limit} bytes");
    exchange(&runtime, &site, endpoint, &[limit - HEAD, 100]).await
}

async fn nobody_hears_himself<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut endpoint = join(&runtime, &site).await?;
    let all: PeerSet = site.members.iter().map(|(node, _)| *node).collect();
    let mut heard_others = 0;
    for round in 0.. {
        send(&mut endpoint, site.me, all, round, 10);
        send(&mut endpoint, site.me, PeerSet::one(site.me), round, 10);
        for (from, _) in heard(&runtime, &mut endpoint, 5).await? {
            claim!(from != site.me, "a machine heard its own frame");
            heard_others += 1;
        }
        if round > 30 && heard_others > 3 {
            break;
        }
    }
    keep_saying(&runtime, endpoint, site.me, all, 0);
    Ok(())
}

async fn a_peer_is_reached_once_its_address_is_known_and_not_when_it_is_forgotten<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    let alone = Membership { members: vec![site.members[0].clone()], ..membership(&site) };
    let mut endpoint =
        runtime.endpoint(alone).await.map_err(|error| alloc::format!("joining alone: {error}"))?;
    let other = NodeId(1);
    // To nobody that it knows: no harm. Numbers below 1000 must not arrive.
    for number in 0..10 {
        send(&mut endpoint, site.me, PeerSet::one(other).with(NodeId(60)), number, 100);
        pause(&runtime, 1).await;
    }
    endpoint.peer(other, Some(site.members[1].1.as_bytes()));
    // Numbers from 1000 must, some time.
    let mut number = 1000;
    while !heard(&runtime, &mut endpoint, 5).await?.contains(&(other, 1)) {
        send(&mut endpoint, site.me, PeerSet::one(other), number, 100);
        number += 1;
    }
    endpoint.peer(other, None);
    // What was on its way still arrives; numbers from 1,000,000 were sent behind it and must not.
    for number in 0..20 {
        send(&mut endpoint, site.me, PeerSet::one(other), 1_000_000 + number, 100);
        pause(&runtime, 5).await;
    }
    Ok(())
}

async fn a_peer_is_reached_once_its_address_is_known_and_not_when_it_is_forgotten_other<R: Runtime>(
    runtime: R,
    site: Site,
) -> Verdict {
    let mut endpoint = join(&runtime, &site).await?;
    let (mut reached, mut rounds) = (false, 0);
    while !reached || rounds < 40 {
        rounds += u32::from(reached);
        for (_, number) in heard(&runtime, &mut endpoint, 5).await? {
            claim!(number >= 1000, "frame {number} came from somebody who did not know where");
            claim!(number < 1_000_000, "frame {number} came from somebody who had been told to forget");
            reached = true;
        }
        if reached {
            send(&mut endpoint, site.me, PeerSet::one(NodeId(0)), 1, 0);
        }
    }
    keep_saying(&runtime, endpoint, site.me, PeerSet::one(NodeId(0)), 1);
    Ok(())
}

async fn a_peer_that_starts_again_is_reached_again<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut endpoint = join(&runtime, &site).await?;
    let other = PeerSet::one(NodeId(1));
    // The last life that was heard: each hears of itself, and ends, or is left alone.
    let mut life = 0;
    while life < 2 {
        send(&mut endpoint, site.me, other, life, 300);
        for (_, number) in heard(&runtime, &mut endpoint, 10).await? {
            claim!((1..=2).contains(&number), "frame {number} came, and nobody sent it");
            life = life.max(number);
        }
    }
    keep_saying(&runtime, endpoint, site.me, other, life);
    Ok(())
}

async fn a_peer_that_starts_again_is_reached_again_other<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut endpoint = join(&runtime, &site).await?;
    let life = u64::from(site.life);
    loop {
        send(&mut endpoint, site.me, PeerSet::one(NodeId(0)), life, 300);
        for (_, number) in heard(&runtime, &mut endpoint, 10).await? {
            claim!(number <= life, "frame {number} came, and nobody sent it");
            if number == life {
                return Ok(());
            }
        }
    }
}

/// One frame of the flood, and how many: more than anybody keeps for one peer.
const FLOOD_FRAME: usize = 60 << 10;
const FLOOD: u64 = 4096;

async fn a_flood_is_bounded_and_room_is_told_of<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut endpoint = join(&runtime, &site).await?;
    let (slow, other) = (PeerSet::one(NodeId(1)), PeerSet::one(NodeId(2)));
    // First both are reached, so that what is lost later is lost for want of room.
    let mut heard_of = PeerSet::EMPTY;
    while heard_of.len() < 2 {
        send(&mut endpoint, site.me, slow.with(NodeId(2)), 1_000_000, 0);
        for (from, _) in heard(&runtime, &mut endpoint, 10).await? {
            heard_of = heard_of.with(from);
        }
    }
    let flood = frame(site.me, 5, FLOOD_FRAME);
    for _ in 0..FLOOD {
        endpoint.send(slow, kind(5), GROUP, flood.clone());
    }
    // The other one is served although the slow one is not, and says that it was.
    let mut inputs = Vec::new();
    let mut served = false;
    let mut writable = false;
    let mut number = 10;
    while !served || !writable {
        if !served {
            send(&mut endpoint, site.me, other, number, 100);
        } else {
            // The slow one reads from now on.
            send(&mut endpoint, site.me, other.with(NodeId(1)), 1_000_001, 0);
        }
        number += 1;
        inputs.clear();
        let poll = poll_fn(|cx| endpoint.poll_receive(cx, &mut inputs, 100));
        let _ = race(&runtime, poll, pause(&runtime, 10)).await;
        for input in &inputs {
            match input {
                Input::Writable { peer } => writable |= *peer == NodeId(1),
                Input::Receive { from, frame, .. } if *from == NodeId(2) => {
                    served |= frame.len() == HEAD + 33;
                }
                _ => {}
            }
        }
    }
    keep_saying(&runtime, endpoint, site.me, other.with(NodeId(1)), 1_000_002);
    Ok(())
}

async fn a_flood_is_bounded_and_room_is_told_of_slow<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut endpoint = join(&runtime, &site).await?;
    // It answers the greeting, and then does not read for a while.
    while heard(&runtime, &mut endpoint, 10).await?.is_empty() {}
    (0..5).for_each(|_| send(&mut endpoint, site.me, PeerSet::one(NodeId(0)), 1, 0));
    pause(&runtime, 300).await;
    let mut flooded = 0u64;
    loop {
        for (_, number) in heard(&runtime, &mut endpoint, 10).await? {
            flooded += u64::from(number == 5);
            if number == 1_000_002 {
                claim!(
                    flooded < FLOOD,
                    "all {FLOOD} frames of the flood came: somebody kept them for a peer that did not read"
                );
                return Ok(());
            }
        }
        send(&mut endpoint, site.me, PeerSet::one(NodeId(0)), 1, 0);
    }
}

async fn a_flood_is_bounded_and_room_is_told_of_other<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut endpoint = join(&runtime, &site).await?;
    loop {
        for (_, number) in heard(&runtime, &mut endpoint, 10).await? {
            if number == 1_000_002 {
                return Ok(());
            }
            // Served during the flood: an answer of another length.
            let length = if number < 1_000_000 { 33 } else { 0 };
            send(&mut endpoint, site.me, PeerSet::one(NodeId(0)), 1, length);
        }
    }
}

async fn frames_come_in_batches_no_larger_than_asked_for<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let mut endpoint = join(&runtime, &site).await?;
    let other = PeerSet::first(2).without(site.me);
    let mut came = 0;
    let mut rounds = 0;
    while came < 12 || rounds < 20 {
        rounds += 1;
        (0..10).for_each(|number| send(&mut endpoint, site.me, other, number, 10));
        let mut inputs = Vec::new();
        for _ in 0..4 {
            let before = inputs.len();
            let poll = poll_fn(|cx| endpoint.poll_receive(cx, &mut inputs, 3));
            if let Either::Second(()) = race(&runtime, poll, pause(&runtime, 5)).await {
                break;
            }
            claim!((1..=3).contains(&(inputs.len() - before)), "{} came at once", inputs.len() - before);
        }
        came += inputs.len();
    }
    keep_saying(&runtime, endpoint, site.me, other, 0);
    Ok(())
}

async fn a_place_among_the_peers_is_taken_once<R: Runtime>(runtime: R, site: Site) -> Verdict {
    for _ in 0..3 {
        let _first = join(&runtime, &site).await?;
        match runtime.endpoint(membership(&site)).await {
            Err(Error::InUse(_)) => {}
            Err(error) => return Err(alloc::format!("it should be in use, and: {error}")),
            Ok(_) => return Err("one node has two places among its peers".into()),
        }
    }
    Ok(())
}

async fn who_is_no_member_cannot_join<R: Runtime>(runtime: R, site: Site) -> Verdict {
    let (_, address) = site.members[0].clone();
    let strangers = Membership { members: vec![(NodeId(9), address)], ..membership(&site) };
    claim!(runtime.endpoint(strangers).await.is_err(), "a node joined peers of whom it is none");
    Ok(())
}
