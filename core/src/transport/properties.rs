//! Properties of the framing: any cut gives the same frames, any damage is refused, nothing beyond the limit is held.

use super::Refused;
use super::frame::{Decoder, HEADER, Seal};
use crate::buffer::{Buffer, Pool};
use crate::id::{ClusterId, GroupId, Kind, NodeId};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

type Frame = (Kind, GroupId, Vec<u8>);

const LIMIT: u32 = 300;

fn seal() -> Seal {
    Seal::new(ClusterId(7), NodeId(1))
}

fn stream(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, group, frame) in frames {
        seal().encode(*kind, *group, frame, &mut bytes);
    }
    bytes
}

/// Decodes `bytes` cut at `cuts` (taken modulo what is left).
fn decode(bytes: &[u8], cuts: &[usize]) -> (Vec<Frame>, Result<(), Refused>) {
    let (mut decoder, mut pool) = (Decoder::new(seal(), LIMIT), Pool::new(8));
    let (mut frames, mut rest) = (Vec::new(), bytes);
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let cut = cuts.next().map_or(rest.len(), |cut| (cut % rest.len()).max(1));
        let (chunk, behind) = rest.split_at(cut);
        rest = behind;
        let each = |kind, group, frame: Buffer| frames.push((kind, group, frame.to_vec()));
        if let Err(why) = decoder.push(chunk, &mut pool, each) {
            let again = decoder.push(b"more", &mut pool, |_, _, _| panic!("nothing is taken any more"));
            assert_eq!(again, Err(why));
            return (frames, Err(why));
        }
    }
    (frames, Ok(()))
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let frame = (any::<u8>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..LIMIT as usize));
    prop::collection::vec(frame.prop_map(|(kind, group, frame)| (Kind(kind), GroupId(group), frame)), 1..6)
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_frames(frames in frames(), cuts in prop::collection::vec(1usize..500, 1..20)) {
        let bytes = stream(&frames);
        prop_assert_eq!(decode(&bytes, &cuts), (frames.clone(), Ok(())));
        prop_assert_eq!(decode(&bytes, &[1]), (frames, Ok(())));
    }

    #[test]
    fn any_flipped_bit_is_refused_and_nothing_of_it_is_handed_over(frames in frames(), at in any::<usize>()) {
        let mut bytes = stream(&frames);
        let bit = at % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (found, result) = decode(&bytes, &[7, 64]);
        prop_assert_eq!(result, Err(Refused::Damaged));
        prop_assert!(found.len() < frames.len() && frames.starts_with(&found));
    }

    #[test]
    fn bytes_of_anybody_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), HEADER..600)) {
        prop_assert_eq!(decode(&bytes, &[1, 99]), (vec![], Err(Refused::Damaged)));
    }

    #[test]
    fn bytes_that_are_missing_are_no_frame(frames in frames(), missing in 1usize..HEADER) {
        let bytes = stream(&frames);
        let (found, result) = decode(&bytes[..bytes.len() - missing], &[50]);
        prop_assert_eq!((found.len(), result), (frames.len() - 1, Ok(())));
    }
}

#[test]
fn a_frame_of_another_sender_or_cluster_is_refused() {
    for other in [Seal::new(ClusterId(8), NodeId(1)), Seal::new(ClusterId(7), NodeId(2))] {
        let mut bytes = Vec::new();
        other.encode(Kind(1), GroupId(1), b"vote", &mut bytes);
        assert_eq!(decode(&bytes, &[9]), (vec![], Err(Refused::Damaged)));
    }
}

#[test]
fn an_oversized_frame_is_refused_at_its_header_and_no_room_is_made_for_it() {
    let mut bytes = Vec::new();
    seal().encode(Kind(1), GroupId(1), &vec![0; LIMIT as usize + 1], &mut bytes);
    let (mut decoder, mut pool) = (Decoder::new(seal(), LIMIT), Pool::new(8));
    let result = decoder.push(&bytes[..HEADER], &mut pool, |_, _, _| panic!("no frame"));
    assert_eq!(result, Err(Refused::Oversize { length: LIMIT + 1, limit: LIMIT }));
    let mut bytes = Vec::new();
    seal().encode(Kind(1), GroupId(1), &vec![5; LIMIT as usize], &mut bytes);
    assert_eq!(decode(&bytes, &[31]).1, Ok(()), "the limit itself is taken");
}

#[test]
fn a_decoder_holds_one_frame_and_no_more_than_its_limit() {
    let frames: Vec<Frame> = (0..50).map(|n| (Kind(n), GroupId(0), vec![n; LIMIT as usize])).collect();
    let bytes = stream(&frames);
    let (mut decoder, mut pool) = (Decoder::new(seal(), LIMIT), Pool::new(2));
    let mut count = 0;
    for chunk in bytes.chunks(77) {
        let mut spent = Vec::new();
        let each = |_, _, frame: Buffer| {
            count += 1;
            spent.push(frame);
        };
        decoder.push(chunk, &mut pool, each).expect("good bytes");
        assert!(decoder.held() <= 2 * LIMIT as usize, "a vector may round up, no more");
        spent.into_iter().for_each(|frame| pool.recycle(frame));
    }
    assert_eq!(count, 50);
}
