//! A directed link: what becomes of one message.
//!
//! May happen: a message between nodes is lost, late, doubled, overtaken, or damaged. Never: bytes that nobody sent
//! with the damage undone, a message from a node that did not send it, a message before its shortest latency.
//! Client connections use the same latencies, losses and cuts, but are streams: see `clients.rs`.

use crate::draw::{Draws, hits, scale, threshold};
use crate::schedule::Network;
use crate::timers::NEVER;

/// What becomes of one message; its delivery may still meet a cut or a clog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Lost,
    Deliver(Delivery),
}

/// When, how often and how whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) at: u64,
    /// When a second copy arrives; `NEVER` if there is none.
    pub(crate) copy: u64,
    pub(crate) corrupt: bool,
    pub(crate) corrupt_copy: bool,
    pub(crate) held_back: bool,
    pub(crate) late: bool,
    pub(crate) throttled: bool,
}

/// One directed link, its [`Network`] prepared for speed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    key: u64,
    min: u64,
    span: u64,
    /// Whether any of the probabilities is above zero.
    rare: bool,
    loss: u64,
    tail: u64,
    tail_max: u64,
    duplication: u64,
    reordering: u64,
    corruption: u64,
    throttle: u64,
    busy_until: u64,
    last_send: u64,
    ordinal: u64,
    /// The highest message id delivered so far.
    pub(crate) newest: u64,
    /// Any of the three below: the slow path.
    pub(crate) troubled: bool,
    pub(crate) cut: bool,
    pub(crate) clogged: bool,
    pub(crate) flapping: bool,
}

/// How much longer than the ordinary maximum a held-back message takes, in multiples of that maximum.
const HOLD_BACK: u64 = 3;

impl Link {
    /// A link as it is at the beginning of a run.
    pub(crate) fn reset(&mut self, key: u64) {
        *self = Link { key, last_send: NEVER, ..Link::default() };
    }

    /// From now on the link behaves like `network`. Messages on their way are not touched.
    pub(crate) fn behave(&mut self, network: &Network) {
        self.min = network.latency_min;
        self.span = network.latency_max.saturating_sub(network.latency_min).saturating_add(1);
        self.loss = threshold(network.loss);
        self.tail = threshold(network.tail);
        self.tail_max = network.tail_max;
        self.duplication = threshold(network.duplication);
        self.reordering = threshold(network.reordering);
        self.corruption = threshold(network.corruption);
        self.throttle = network.throttle;
        self.rare = self.loss | self.tail | self.duplication | self.reordering | self.corruption != 0;
    }

    /// The draws about a message sent at `now`: its identity is the instant and how many went before in that instant.
    #[inline]
    pub(crate) fn identify(&mut self, now: u64) -> Draws {
        self.ordinal = if self.last_send == now { self.ordinal + 1 } else { 0 };
        self.last_send = now;
        Draws::of(self.key, now.rotate_left(20) ^ self.ordinal)
    }

    #[inline]
    fn ordinary(&self, bits: u64) -> u64 {
        self.min + scale(bits, self.span)
    }

    /// When the last byte of `length` bytes has left.
    #[inline]
    fn transmit(&mut self, now: u64, length: usize) -> u64 {
        let needed = (length as u64).saturating_mul(1_000_000_000) / self.throttle;
        self.busy_until = self.busy_until.max(now).saturating_add(needed);
        self.busy_until
    }

    /// Decides about a message between nodes.
    #[inline]
    pub(crate) fn decide(&mut self, draws: Draws, now: u64, length: usize) -> Verdict {
        let mut delivery = Delivery {
            at: now + self.ordinary(draws.bits(0)),
            copy: NEVER,
            corrupt: false,
            corrupt_copy: false,
            held_back: false,
            late: false,
            throttled: false,
        };
        if self.rare {
            let bits = draws.bits(1);
            if hits(bits >> 32, self.loss) {
                return Verdict::Lost;
            }
            if hits(bits & 0xffff_ffff, self.tail) {
                delivery.late = true;
                delivery.at += scale(draws.bits(4), self.tail_max) + 1;
            }
            let bits = draws.bits(2);
            if hits(bits >> 32, self.duplication) {
                delivery.copy = now + self.ordinary(draws.bits(6));
            }
            if hits(bits & 0xffff_ffff, self.reordering) {
                delivery.held_back = true;
                let longest = (self.min + self.span - 1).max(1).saturating_mul(HOLD_BACK);
                delivery.at += scale(draws.bits(5), longest) + 1;
            }
            if self.corruption != 0 {
                let bits = draws.bits(3);
                delivery.corrupt = length > 0 && hits(bits >> 32, self.corruption);
                delivery.corrupt_copy =
                    length > 0 && delivery.copy != NEVER && hits(bits & 0xffff_ffff, self.corruption);
            }
        }
        if self.throttle != 0 {
            let wait = self.transmit(now, length) - now;
            delivery.throttled = wait > 0;
            delivery.at = delivery.at.saturating_add(wait);
            if delivery.copy != NEVER {
                delivery.copy = delivery.copy.saturating_add(wait);
            }
        }
        Verdict::Deliver(delivery)
    }

    /// Decides about bytes on a stream: lost, or when they arrive at the earliest.
    pub(crate) fn decide_stream(&mut self, now: u64, length: usize) -> Option<u64> {
        let draws = self.identify(now);
        match self.decide(draws, now, length) {
            Verdict::Lost => None,
            Verdict::Deliver(delivery) => Some(delivery.at),
        }
    }
}

/// Damages a copy of a frame (not empty): in one case of four its end is cut off, otherwise one to three bits flip.
pub(crate) fn damage(draws: Draws, second_copy: bool, bytes: &mut Vec<u8>) {
    let draws = draws.part(if second_copy { 8 } else { 7 });
    if draws.below(0, 4) == 0 {
        bytes.truncate(draws.below(1, bytes.len() as u64) as usize);
        return;
    }
    let bits = bytes.len() as u64 * 8;
    let first = draws.below(1, bits);
    bytes[(first / 8) as usize] ^= 1 << (first % 8);
    for flip in 1..=draws.below(2, 3) {
        let bit = draws.below(2 + flip, bits);
        // The first flip stays, so that the copy always differs from the original.
        if bit != first {
            bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(network: Network) -> Link {
        let mut link = Link::default();
        link.reset(99);
        link.behave(&network);
        link
    }

    #[test]
    fn messages_of_one_instant_have_draws_of_their_own() {
        let mut link = link(Network::default());
        let (first, second) = (link.identify(5), link.identify(5));
        assert_ne!(first, second);
        assert_ne!(link.identify(6), first);
    }

    #[test]
    fn loss_does_not_touch_the_latency_of_what_arrives() {
        let calm = Network { latency_min: 10, latency_max: 1_000, ..Network::default() };
        let (mut calm, mut lossy) = (link(calm), link(Network { loss: 300_000, ..calm }));
        let mut lost = 0;
        for now in 0..1_000 {
            let (a, b) = (calm.identify(now), lossy.identify(now));
            match (calm.decide(a, now, 8), lossy.decide(b, now, 8)) {
                (Verdict::Deliver(a), Verdict::Deliver(b)) => assert_eq!(a.at, b.at),
                (_, Verdict::Lost) => lost += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!((250..350).contains(&lost), "{lost}");
    }

    #[test]
    fn damage_always_changes_the_bytes() {
        for identity in 0..5_000 {
            let mut bytes = vec![0xaa; 1 + identity as usize % 9];
            let before = bytes.clone();
            damage(Draws::of(3, identity), identity % 2 == 0, &mut bytes);
            assert_ne!(bytes, before);
        }
    }

    #[test]
    fn a_throttled_link_queues() {
        let mut link = link(Network { throttle: 1_000_000, ..Network::default() });
        let at = |link: &mut Link| {
            let draws = link.identify(0);
            match link.decide(draws, 0, 1_000) {
                Verdict::Deliver(delivery) => delivery.at,
                Verdict::Lost => panic!("nothing is lost here"),
            }
        };
        assert_eq!((at(&mut link), at(&mut link)), (1_000_000, 2_000_000));
    }
}
