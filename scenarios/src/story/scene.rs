//! What a story brings to the world: replicas, a client beside each, the oracles, and a memory of what was seen.

use crate::oracles::{By, Judge, Step};
use seedfast_core::client::{Response, Status};
use seedfast_core::journal::{Identity, Options, Standing};
use seedfast_core::paxos::observe::CommandSeen;
use seedfast_core::paxos::{Ballot, Config, Replica, Slot, format, founding};
use seedfast_core::{Duration, Geometry, GroupId, Incarnation, Instant, NodeId, PeerSet, Process, SessionId};
use seedfast_kv::{Reply, Store};
use seedfast_sim::CLUSTER;
use seedfast_sim::{ClientId, ClientInput, ClientOutbox, Scene, Seen, Violation};
use std::collections::BTreeMap;

/// The group that clients of a world ask.
const GROUP: GroupId = GroupId(0);
/// A replica's device: one that a story does not fill.
const DEVICE: Geometry = Geometry::disk(1100 << 10);
const FORMAT: Options = Options { copy: 512, area: 4 << 10, segment: 272 << 10, segments: 4 };

/// The configuration of `node`: the server's, but with election timeouts that tell the nodes apart, and a snapshot every
/// so many `slots`, if any are asked for, behind which nothing but the last slot stays in memory.
pub(super) fn config(nodes: u8, node: u8, slots: Option<u64>) -> Config {
    let mut config = Config::new(GROUP, PeerSet::first(usize::from(nodes)));
    config.election_min = Duration::from_millis(300 + 200 * u64::from(node));
    config.election_max = config.election_min + Duration::from_millis(20);
    // Stories tell of slots: each command has one of its own, and each group its mark.
    (config.eager, config.gather, config.rest) = (config.window, Duration::ZERO, Duration::ZERO);
    if let Some(slots) = slots {
        (config.snapshot_slots, config.tail_slots, config.piece_bytes) = (slots, 1, 128);
    }
    config
}

/// An answer that a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// From which node.
    pub node: u8,
    /// The word asked to be appended; `None` for a read.
    pub word: Option<String>,
    /// How it ended.
    pub status: Status,
    /// The leader, if the node knew it.
    pub leader: Option<NodeId>,
    /// For a read: the words.
    pub list: Vec<String>,
}

/// A step of the protocol in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// Who.
    pub node: u8,
    /// What.
    pub what: String,
}

/// What is known of one node.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) leads: Option<Ballot>,
    pub(super) promised: Ballot,
    pub(super) slots: u64,
    pub(super) applied: Vec<String>,
}

pub(super) struct StoryScene {
    /// After how many slots a snapshot is taken.
    pub(super) slots: Option<u64>,
    nodes: Vec<Known>,
    judge: Judge,
    opened: Option<SessionId>,
    words: BTreeMap<CommandSeen, String>,
    /// What took effect at each slot.
    by_slot: BTreeMap<Slot, Vec<String>>,
    answers: Vec<Answer>,
    events: Vec<Event>,
    /// What the judge said about an answer; reported with the next observation.
    broken: Option<Violation>,
}

impl StoryScene {
    pub(super) fn new(nodes: u8, slots: Option<u64>) -> Self {
        // Liveness is the teller's business: the bound is longer than any story.
        let mut judge = Judge::new(usize::from(nodes), Duration::from_secs(100_000));
        judge.sent(CommandSeen { session: SessionId::NONE, sequence: 0 });
        StoryScene {
            slots,
            nodes: vec![Known::default(); usize::from(nodes)],
            judge,
            opened: None,
            words: BTreeMap::new(),
            by_slot: BTreeMap::new(),
            answers: Vec::new(),
            events: Vec::new(),
            broken: None,
        }
    }

    pub(super) fn node(&self, node: u8) -> &Known {
        &self.nodes[usize::from(node)]
    }

    pub(super) fn opened(&self) -> Option<SessionId> {
        self.opened
    }

    pub(super) fn word(&mut self, session: SessionId, sequence: u64, word: &str) {
        let command = CommandSeen { session, sequence };
        self.judge.sent(command);
        self.words.insert(command, word.to_owned());
    }

    pub(super) fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    pub(super) fn answer_count(&self) -> usize {
        self.answers.len()
    }

    pub(super) fn event_count(&self) -> usize {
        self.events.len()
    }

    /// Whether `node` did `what` (as its event begins, in whole words) after the first `since` events.
    pub(super) fn happened(&self, since: usize, node: u8, what: &str) -> bool {
        self.events.iter().skip(since).any(|event| {
            let rest = event.what.strip_prefix(what).map(|rest| rest.as_bytes().first());
            event.node == node && matches!(rest, Some(None | Some(b' ' | b',')))
        })
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    fn words_of(&self, commands: impl Iterator<Item = CommandSeen>) -> Vec<String> {
        commands
            .map(|command| self.words.get(&command).cloned().unwrap_or_else(|| "(session)".into()))
            .collect()
    }

    fn tell(&mut self, by: By, what: String) {
        self.events.push(Event { at: by.at, node: by.node.0, what });
    }

    fn remember(&mut self, by: By, step: &Step<'_>) {
        let index = by.index();
        let raise = |known: &mut Known, ballot: Ballot| known.promised = known.promised.max(ballot);
        match step {
            Step::Prepare { ballot, from } => self.tell(by, format!("prepares {ballot} from slot {from}")),
            Step::Promise { ballot, votes, .. } => {
                raise(&mut self.nodes[index], *ballot);
                let votes: Vec<String> =
                    votes.iter().map(|vote| format!("{}@{}", vote.slot, vote.ballot)).collect();
                let votes =
                    if votes.is_empty() { "no votes".into() } else { format!("votes {}", votes.join(" ")) };
                self.tell(by, format!("promises {ballot}, {votes}"));
            }
            Step::Leader { ballot } => {
                self.nodes[index].leads = Some(*ballot);
                self.tell(by, format!("leads {ballot}"));
            }
            Step::StepDown { ballot } => {
                self.nodes[index].leads = None;
                self.tell(by, format!("gives up {ballot}"));
            }
            Step::Propose { ballot, slot, commands, .. } => {
                let words = self.words_of(commands.iter()).join(" ");
                let words = if words.is_empty() { "a no-op".into() } else { words };
                self.tell(by, format!("proposes {words} at {slot} under {ballot}"));
            }
            Step::Accept { vote } => {
                raise(&mut self.nodes[index], vote.ballot);
                self.tell(by, format!("accepts slot {} under {}", vote.slot, vote.ballot));
            }
            Step::Decide { slot, .. } => self.tell(by, format!("knows slot {slot} decided")),
            Step::Restart { promised, first, votes } => {
                let known = &mut self.nodes[index];
                *known = Known { promised: *promised, ..Known::default() };
                if by.incarnation.0 > 1 {
                    let behind = if first.0 > 0 {
                        format!(" behind a snapshot below slot {first}")
                    } else {
                        String::new()
                    };
                    let votes = votes.iter().count();
                    self.tell(by, format!("restarts, promised {promised}, {votes} votes{behind}"));
                }
            }
            Step::Apply { slot, executed, .. } => {
                let words = self.words_of(executed.iter());
                let known = &mut self.nodes[index];
                known.slots += 1;
                known.applied.extend(words.iter().cloned());
                self.by_slot.insert(*slot, words);
            }
            Step::Snapshot { slot, .. } => self.tell(by, format!("has a durable snapshot below slot {slot}")),
            Step::Install { slot, .. } => {
                let words =
                    self.by_slot.range(..*slot).flat_map(|(_, words)| words.iter().cloned()).collect();
                let known = &mut self.nodes[index];
                (known.slots, known.applied) = (slot.0, words);
                self.tell(by, format!("installs a snapshot below slot {slot}"));
            }
            Step::Trim { below } => self.tell(by, format!("forgets what is below slot {below}")),
            Step::Amnesiac => self.tell(by, "has lost its memory and only learns".into()),
            Step::Halt { why, .. } => self.tell(by, format!("halts: {why}")),
            Step::Read { index, ballot } => {
                self.tell(by, format!("answers a read below slot {index} under {ballot}"));
            }
            Step::Refused { .. } | Step::Durable { .. } => {}
        }
    }
}

impl Scene for StoryScene {
    fn process(&mut self, node: NodeId) -> Box<dyn Process> {
        let config = config(self.nodes.len() as u8, node.0, self.slots);
        Box::new(Replica::new(config, Store::default()).expect("the story's configuration is valid"))
    }

    fn devices(&mut self, node: NodeId) -> Vec<(Geometry, Vec<(u64, Vec<u8>)>)> {
        let contents = format(&founding(CLUSTER, GROUP, node), &DEVICE, &FORMAT);
        vec![(DEVICE, contents.expect("the journal fits its device"))]
    }

    fn replacement_devices(&mut self, node: NodeId, _: &[Geometry]) -> Vec<(Geometry, Vec<(u64, Vec<u8>)>)> {
        self.judge.struck(node);
        let founding = founding(CLUSTER, GROUP, node);
        let identity = Identity { serial: !founding.serial, standing: Standing::Replacement, ..founding };
        let contents = format(&identity, &DEVICE, &FORMAT);
        vec![(DEVICE, contents.expect("the journal fits its device"))]
    }

    fn client(&mut self, client: ClientId, _: Instant, input: ClientInput, _: &mut dyn ClientOutbox) {
        let ClientInput::Response { bytes, .. } = input else { return };
        let response = Response::decode(&bytes).expect("a replica answers in its own format");
        if response.sequence == 0 {
            if response.status == Status::Done {
                self.opened = Some(response.session);
            }
            return;
        }
        let command = CommandSeen { session: response.session, sequence: response.sequence };
        let word = self.words.get(&command).cloned();
        if word.is_some() && response.status == Status::Done {
            self.broken = self.judge.acknowledge(command).err().or(self.broken.take());
        }
        let list = match Reply::decode(response.payload) {
            Ok(Reply::List(elements)) if word.is_none() => elements
                .iter()
                .flatten()
                .map(|element| String::from_utf8_lossy(element).into_owned())
                .collect(),
            _ => Vec::new(),
        };
        self.answers.push(Answer {
            node: client.0,
            word,
            status: response.status,
            leader: response.leader,
            list,
        });
    }

    fn observe(&mut self, seen: Seen<'_>) -> Result<(), Violation> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        let by = By { at: seen.at, node: seen.node, incarnation: seen.incarnation };
        let Ok(Some(step)) = Step::decode(seen.kind, seen.bytes) else {
            return Err(Violation {
                invariant: "observation".into(),
                what: "an observation is malformed".into(),
            });
        };
        self.judge.see(by, &step)?;
        self.remember(by, &step);
        Ok(())
    }

    fn lifecycle(&mut self, _: Instant, node: NodeId, incarnation: Incarnation, up: bool) {
        self.judge.lifecycle(node, incarnation, up);
        if !up {
            self.nodes[usize::from(node.0)].leads = None;
        }
    }

    fn focus(&self) -> Option<NodeId> {
        let nodes = (0..self.nodes.len()).filter(|node| self.nodes[*node].leads.is_some());
        nodes.max_by_key(|node| self.nodes[*node].leads).map(|node| NodeId(node as u8))
    }
}
