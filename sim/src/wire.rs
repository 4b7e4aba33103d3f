//! Messages between nodes, from the send to the delivery.
//!
//! A cut link stops a message twice: when it is sent, and when it would be delivered. One that was on its way when a
//! cut began is therefore lost if the cut still stands when it would arrive, and arrives if it does not.

use crate::effects::Effect;
use crate::event::{Event, Message};
use crate::network::{Verdict, damage};
use crate::scene::{Scene, Violation};
use crate::timers::NEVER;
use crate::trace::encode::Carried;
use crate::trace::{fate, stop};
use crate::world::{FRAME_LIMIT, World};
use seedfast_core::{Buffer, GroupId, Input, Kind, NodeId, PeerSet};

impl World {
    /// A process sends one frame to several peers.
    #[inline]
    pub(crate) fn send(&mut self, from: usize, to: PeerSet, kind: Kind, group: GroupId, frame: Buffer) {
        self.nodes[from].spoke = true;
        if frame.len() > FRAME_LIMIT as usize {
            let what = format!("n{from} sent a frame of {} bytes; the limit is {FRAME_LIMIT}", frame.len());
            self.violate(Violation { invariant: "boundary".into(), what });
            return;
        }
        let to = to.without(NodeId(from as u8));
        self.trace.send(to, kind, group, self.messages + 1, &frame);
        let endpoints = self.endpoints();
        let mut rest = to.0;
        while rest != 0 {
            let peer = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let id = self.next_id();
            if peer >= self.node_count {
                self.trace.fate(fate::NOBODY, 0, 0);
                continue;
            }
            let index = from * endpoints + peer;
            let link = &mut self.links[index];
            let draws = link.identify(self.now);
            if (link.troubled || self.starving)
                && let Some(stopped) = self.stopped_at_send(from, peer, kind)
            {
                self.trace.fate(stopped, 0, 0);
                continue;
            }
            let Verdict::Deliver(delivery) = self.links[index].decide(draws, self.now, frame.len()) else {
                self.effects.count(Effect::Lost);
                self.trace.fate(fate::LOST, 0, 0);
                continue;
            };
            if delivery.late {
                self.effects.count(Effect::Late);
            }
            if delivery.throttled {
                self.effects.count(Effect::Throttled);
            }
            let mut encoded = fate::ON_ITS_WAY;
            let message = |frame, flags| {
                Event::Deliver(Message {
                    id,
                    frame,
                    group: group.0,
                    from: from as u8,
                    to: peer as u8,
                    kind: kind.0,
                    flags,
                })
            };
            if delivery.held_back {
                encoded |= fate::HELD_BACK;
            }
            if delivery.corrupt {
                encoded |= fate::CORRUPT;
            }
            if delivery.copy != NEVER {
                encoded |= fate::DOUBLED;
                if delivery.corrupt_copy {
                    encoded |= fate::COPY_CORRUPT;
                }
            }
            self.trace.fate(encoded, delivery.at, delivery.copy);
            let bytes = if delivery.corrupt {
                let mut copy = self.out.buffer();
                copy.extend_from_slice(&frame);
                damage(draws, false, &mut copy);
                copy.freeze()
            } else {
                frame.clone()
            };
            self.queue.push(delivery.at, message(bytes, if delivery.corrupt { Message::CHANGED } else { 0 }));
            if delivery.copy != NEVER {
                let mut flags = Message::COPY;
                let bytes = if delivery.corrupt_copy {
                    flags |= Message::CHANGED;
                    let mut copy = self.out.buffer();
                    copy.extend_from_slice(&frame);
                    damage(draws, true, &mut copy);
                    copy.freeze()
                } else {
                    frame.clone()
                };
                self.queue.push(delivery.copy, message(bytes, flags));
            }
        }
        // If nobody will receive it, its buffer is free already.
        self.out.pool().recycle(frame);
    }

    #[cold]
    fn stopped_at_send(&mut self, from: usize, to: usize, kind: Kind) -> Option<u8> {
        if self.is_cut(from, to) {
            self.effects.count(Effect::PartitionStopped);
            return Some(fate::CUT);
        }
        if self.is_starved(to, kind) {
            self.effects.count(Effect::Starved);
            return Some(fate::STARVED);
        }
        None
    }

    /// A message reaches its destination, unless something stands in its way.
    #[inline]
    pub(crate) fn deliver(&mut self, message: Message, scene: &mut dyn Scene) {
        let (from, to) = (usize::from(message.from), usize::from(message.to));
        let index = self.link(from, to);
        if self.links[index].troubled {
            if self.is_cut(from, to) {
                self.effects.count(Effect::PartitionStopped);
                self.trace.stopped(self.now, message.id, stop::CUT);
                self.out.pool().recycle(message.frame);
                return;
            }
            if self.links[index].clogged {
                self.effects.count(Effect::Clogged);
                self.trace.stopped(self.now, message.id, stop::CLOGGED);
                self.held.push((index, Event::Deliver(message)));
                return;
            }
        }
        if self.nodes[to].process.is_none() {
            self.effects.count(Effect::ArrivedAtDead);
            self.trace.stopped(self.now, message.id, stop::NODE_DOWN);
            self.out.pool().recycle(message.frame);
            return;
        }
        self.delivered += 1;
        let link = &mut self.links[index];
        if message.id > link.newest {
            link.newest = message.id;
        } else if message.flags & Message::COPY == 0 && message.id < link.newest {
            self.effects.count(Effect::Reordered);
        }
        if message.flags != 0 {
            if message.flags & Message::COPY != 0 {
                self.effects.count(Effect::Duplicated);
            }
            if message.flags & Message::CHANGED != 0 {
                self.effects.count(Effect::Corrupted);
            }
        }
        let carried = Carried { id: message.id, changed: message.flags & Message::CHANGED != 0 };
        let input = Input::Receive {
            from: NodeId(message.from),
            kind: Kind(message.kind),
            group: GroupId(message.group),
            frame: message.frame,
        };
        self.arrive(to, input, carried, scene);
    }
}
