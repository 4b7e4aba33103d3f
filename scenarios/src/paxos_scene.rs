//! The scene of the replicated store: multi-Paxos replicas of the key-value service, clients, and the judge.
//!
//! The last client endpoint is the probe: it issues the command that liveness waits for after faults have ended. When
//! all clients rest, the last one to do so reads every key once more, so that no lost append stays unseen.

use crate::client::operations::keys;
use crate::client::{Client, Ledger, Part};
use crate::efficacy::{CRASH, LEADER_CHANGE, REFUSAL, Watch};
use crate::history::Key;
use crate::linearizable;
use crate::oracles::events::Events;
use crate::oracles::{By, Judge, Step};
use crate::states::States;
use crate::strange;
use crate::workload::Workload;
use seedfast_core::journal::{Identity, Layout, Options};
use seedfast_core::paxos::observe::HaltCause;
use seedfast_core::paxos::{Ballot, Config, Replica};
use seedfast_core::{
    Duration, Geometry, GroupId, Incarnation, Instant, NodeId, ObservationKind, PeerSet, Process, SessionId,
    paxos,
};
use seedfast_kv::Store;
use seedfast_sim::{
    Atlas, CLUSTER, ClientId, ClientInput, ClientOutbox, Damage, DamageKind, Fault, Formatted, Plan,
    Progress, Scene, Schedule, Seen, Violation,
};
use std::cell::Cell;
use std::collections::BTreeMap;

/// The one group of these scenarios.
pub const GROUP: GroupId = GroupId(0);
/// The largest cluster that makes sense here.
pub const MOST_NODES: u8 = 15;
/// Ten clients and the probe: with more on one key the general judge could not decide.
pub const MOST_CLIENTS: u8 = 11;
/// A segment of a replica's journal, in bytes; of a small journal half as much.
const SEGMENT: u64 = 16 << 10;
/// How long the transfer of a log takes at most.
const TRANSFER: Duration = Duration::from_secs(2);
/// One seed in so many has one of its lists judged by the search too.
const SAMPLE: u64 = 16;
/// How long after the heal the probe speaks.
const PROBE_AFTER: u64 = 1_000_000;

/// How a replica's device is formatted: small, because every restart reads all of it, and large enough for the state that
/// the workload can build.
pub fn format_of(workload: &Workload) -> Options {
    let segment = if workload.journal_kib < 160 { SEGMENT / 2 } else { SEGMENT };
    let state = (32 << 10) + workload.commands * (workload.padding + 160);
    let segments = ((workload.journal_kib << 10) / segment) as u32;
    Options { copy: 512, area: state.next_multiple_of(4096), segment, segments }
}

/// The device of a replica.
pub fn device_of(workload: &Workload, node: NodeId) -> Geometry {
    let Options { copy, area, segment, segments } = format_of(workload);
    let capacity = 2 * copy + 1024 + 2 * area + segment * u64::from(segments);
    if workload.nvm >> node.0 & 1 == 1 { Geometry::nvm(capacity) } else { Geometry::disk(capacity) }
}

/// The configuration of a group of `nodes`: the server's, but for what the workload sets.
pub fn config(nodes: u8, workload: &Workload) -> Config {
    let server = Config::new(GROUP, PeerSet::first(nodes.into()));
    let log_bytes = workload.log_kib << 10;
    Config {
        log_bytes,
        // A batch is one record of the journal, and lies within one segment.
        batch_bytes: server
            .batch_bytes
            .min(log_bytes as u32 / 4)
            .min(format_of(workload).segment as u32 / 4 * 3),
        window: workload.window as u32,
        eager: workload.eager as u32,
        gather: Duration::from_micros(workload.gather_micros),
        rest: Duration::from_micros(workload.rest_micros),
        batch_commands: workload.batch_commands as u32,
        sessions: workload.sessions as u32,
        // Runs are short: several snapshots fall in each, and lagging replicas need them.
        snapshot_slots: 32,
        tail_slots: 8,
        piece_bytes: (format_of(workload).area as u32 / 64).clamp(920, 6 << 10),
        ..server
    }
}

/// How long after the heal every replica may take to apply a fresh command: ten times the largest election timeout,
/// and the time that a transfer of the log takes.
pub fn bound(config: &Config) -> Duration {
    config.election_max.times(10) + TRANSFER
}

/// When faults end, if the schedule says so.
pub fn heal_time(schedule: &Schedule) -> Option<u64> {
    schedule.faults.iter().filter(|timed| timed.fault == Fault::Heal).map(|timed| timed.at).min()
}

/// The cast and the judge of one run.
pub struct PaxosScene {
    config: Config,
    workload: Workload,
    seed: u64,
    heals: bool,
    clients: Vec<Client>,
    ledger: Ledger,
    resting: usize,
    /// The final reads have begun.
    reading: bool,
    /// Every client rests and every key was read.
    quiet: bool,
    judge: Judge,
    watch: Watch,
    /// The ballot under which each node leads, as far as it said.
    leads: Vec<Option<Ballot>>,
    /// What broke in a client's turn, which cannot say so itself.
    pending: Option<Violation>,
    /// Where each node's journal has its newest durable records, as far as it said: offset and length.
    newest: Vec<Option<(u64, u64)>>,
    /// Whose devices were damaged, a bit each, since the judge was told last.
    struck: Cell<u64>,
    /// How often each node lost its devices.
    losses: Vec<u32>,
    /// How many lives ended because a device was found damaged.
    refusals: u64,
    events: Option<Events>,
    states: Option<States>,
}

impl PaxosScene {
    /// The scene of a plan.
    ///
    /// # Errors
    /// What is wrong with the plan, in one sentence.
    pub fn new(plan: &Plan, seed: u64) -> Result<Self, String> {
        let workload = Workload::from_plan(&plan.workload)?;
        let schedule = &plan.schedule;
        let (nodes, clients) = (schedule.nodes, schedule.clients);
        if !(1..=MOST_NODES).contains(&nodes) {
            return Err(format!("a group has 1 to {MOST_NODES} replicas, and this plan {nodes}"));
        }
        if !(2..=MOST_CLIENTS).contains(&clients) {
            return Err(format!(
                "there are 2 to {MOST_CLIENTS} clients, the probe included, and this plan has {clients}"
            ));
        }
        let heal = heal_time(schedule);
        let workers = clients - 1;
        let part = |number: u8| {
            if number == workers {
                return heal.map(|at| Part::Probe { at: at + PROBE_AFTER });
            }
            let (number, workers) = (u64::from(number), u64::from(workers));
            let share = workload.commands / workers + u64::from(number < workload.commands % workers);
            Some(Part::Worker { share, until: heal.unwrap_or(u64::MAX) })
        };
        // Without a heal nobody waits for the probe, and it has nothing to do.
        let nothing = Part::Worker { share: 0, until: 0 };
        let clients = (0..clients)
            .map(|number| Client::new(number, clients, nodes, part(number).unwrap_or(nothing), workload));
        let config = config(nodes, &workload);
        let nodes = usize::from(nodes);
        let mut judge = Judge::new(nodes, bound(&config));
        if schedule.disk.atlas != Atlas::Minority {
            judge.spare_nobody();
        }
        Ok(PaxosScene {
            judge,
            config,
            workload,
            seed,
            heals: heal.is_some(),
            clients: clients.collect(),
            ledger: Ledger::default(),
            resting: 0,
            reading: false,
            quiet: false,
            watch: Watch::new(nodes),
            leads: vec![None; nodes],
            pending: None,
            newest: vec![None; nodes],
            struck: Cell::new(0),
            losses: vec![0; nodes],
            refusals: 0,
            events: None,
            states: None,
        })
    }

    /// Passes on what a client's turn left in the ledger.
    fn settle(&mut self, client: usize) {
        let probe = client + 1 == self.clients.len();
        for command in self.ledger.sent.drain(..) {
            self.judge.sent(command);
            if probe && command.session != SessionId::NONE {
                self.judge.fresh(command);
            }
        }
        for command in self.ledger.acknowledged.drain(..) {
            if let Err(violation) = self.judge.acknowledge(command) {
                self.pending.get_or_insert(violation);
            }
        }
        if let Some(trouble) = self.ledger.trouble.take() {
            self.pending.get_or_insert(trouble);
        }
    }

    /// What each replica is made from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn formatted(&self, identity: &Identity) -> Formatted {
        let device = device_of(&self.workload, identity.node);
        let contents = paxos::format(identity, &device, &format_of(&self.workload));
        vec![(device, contents.expect("the journal fits its device"))]
    }

    /// Whether damage would strike what nothing on the device bears witness of: the newest durable records, or what is
    /// about to become them (the next group is on its way in their segment, or in the one behind it).
    fn is_newest(&self, damage: &Damage<'_>) -> bool {
        let geometry = device_of(&self.workload, damage.node);
        let layout = Layout::new(&geometry, &format_of(&self.workload)).expect("the journal fits its device");
        let (log, lap) = (layout.log(), layout.lap());
        let (from, to) = (damage.range.at.max(log), damage.range.at + damage.range.length);
        if from >= to {
            return false;
        }
        let Some((at, length)) = self.newest[usize::from(damage.node.0)] else { return true };
        // As a stretch of the ring, up to the end of the segment behind the one in which the records end.
        let ahead = (at + length - log).next_multiple_of(layout.segment) + layout.segment - (at - log);
        let behind = |offset: u64| (offset + lap - at) % lap;
        behind(from) < ahead || behind(to - 1) < ahead
    }

    fn sampled(&self, key: Key) -> bool {
        let list = (self.seed / SAMPLE % (self.workload.lists + 1)) as u16;
        self.seed.is_multiple_of(SAMPLE) && key == Key::List(list)
    }

    fn tell_of_damage(&mut self) {
        let mut struck = self.struck.take();
        while struck != 0 {
            self.judge.struck(NodeId(struck.trailing_zeros() as u8));
            struck &= struck - 1;
        }
    }

    fn pending(&mut self) -> Result<(), Violation> {
        self.pending.take().map_or(Ok(()), Err)
    }
}

impl Scene for PaxosScene {
    fn process(&mut self, _: NodeId) -> Box<dyn Process> {
        Box::new(
            Replica::new(self.config.clone(), Store::new()).expect("the workload's numbers are in range"),
        )
    }

    fn devices(&mut self, node: NodeId) -> Formatted {
        self.formatted(&paxos::founding(CLUSTER, GROUP, node))
    }

    fn replacement_devices(&mut self, node: NodeId, _: &[Geometry]) -> Formatted {
        self.judge.struck(node);
        self.newest[usize::from(node.0)] = None;
        let times = &mut self.losses[usize::from(node.0)];
        *times += 1;
        let identity = strange::replacement(paxos::founding(CLUSTER, GROUP, node), *times);
        // What the operator brings first may be the wrong thing.
        if *times == 1 && self.workload.strange > 0 {
            let (device, options) = (device_of(&self.workload, node), format_of(&self.workload));
            return strange::device(self.workload.strange, &identity, device, &options);
        }
        self.formatted(&identity)
    }

    fn may_damage(&self, damage: &Damage<'_>) -> bool {
        let may = damage.kind == DamageKind::DeviceLost || (damage.later && !self.is_newest(damage));
        if may {
            self.struck.set(self.struck.get() | 1 << damage.node.0);
        }
        may
    }

    fn client(&mut self, client: ClientId, now: Instant, input: ClientInput, out: &mut dyn ClientOutbox) {
        let index = usize::from(client.0);
        let rested = self.clients[index].is_resting();
        self.clients[index].turn(now, input, &mut self.ledger, out);
        if self.clients[index].is_resting() && !rested {
            self.resting += 1;
            if self.resting == self.clients.len() {
                if self.reading {
                    self.quiet = true;
                    self.judge.quiet(now);
                } else {
                    self.reading = true;
                    self.resting -= 1;
                    self.clients[index].read_finally(keys(&self.workload), now, &mut self.ledger, out);
                }
            }
        }
        self.settle(index);
    }

    fn observe(&mut self, seen: Seen<'_>) -> Result<(), Violation> {
        self.pending()?;
        self.tell_of_damage();
        let by = By { at: seen.at, node: seen.node, incarnation: seen.incarnation };
        if seen.kind == ObservationKind::CONTRACT {
            let text = String::from_utf8_lossy(seen.bytes);
            let (rule, what) = text.split_once(' ').unwrap_or(("contract", &text));
            return Err(Violation { invariant: rule.trim_end_matches(':').into(), what: what.into() });
        }
        let step = match Step::decode(seen.kind, seen.bytes) {
            Ok(Some(step)) => step,
            Ok(None) => return Ok(()),
            Err(_) => {
                let what =
                    format!("{} made an observation of kind {} that nobody can read", by.node, seen.kind.0);
                return Err(Violation { invariant: "observation".into(), what });
            }
        };
        if let Some(events) = &mut self.events {
            events.step(by, &step);
        }
        if let Some(states) = &mut self.states {
            states.step(by, seen.kind, &step);
        }
        self.watch.see(by, &step);
        match step {
            Step::Leader { ballot } => self.leads[usize::from(by.node.0)] = Some(ballot),
            Step::Halt { cause, .. } => {
                self.refusals += u64::from(cause == HaltCause::Lost);
                self.leads[usize::from(by.node.0)] = None;
            }
            Step::StepDown { .. } => self.leads[usize::from(by.node.0)] = None,
            Step::Durable { at, length, .. } => self.newest[usize::from(by.node.0)] = Some((at, length)),
            _ => {}
        }
        self.judge.see(by, &step)
    }

    fn lifecycle(&mut self, at: Instant, node: NodeId, incarnation: Incarnation, up: bool) {
        if let Some(events) = &mut self.events {
            events.lifecycle(at, node, incarnation, up);
        }
        if let Some(states) = self.states.as_mut().filter(|_| !up) {
            states.down(node);
        }
        self.leads[usize::from(node.0)] = None;
        self.judge.lifecycle(node, incarnation, up);
        if !up {
            self.watch.down(node, incarnation, self.ledger.in_flight > 0);
        }
    }

    fn healed(&mut self, at: Instant) {
        self.judge.healed(at);
    }

    fn focus(&self) -> Option<NodeId> {
        let leaders =
            self.leads.iter().enumerate().filter_map(|(node, ballot)| ballot.map(|ballot| (ballot, node)));
        leaders.max().map(|(_, node)| NodeId(node as u8))
    }

    fn progress(&self) -> Progress {
        let seen_all = self.quiet && self.heals && self.workload.whole == 0 && self.pending.is_none();
        if seen_all && self.judge.is_settled() { Progress::Done } else { Progress::Continue }
    }

    fn finish(&mut self, at: Instant) -> Result<(), Violation> {
        self.pending()?;
        self.judge.finish(at)?;
        linearizable::judge(&self.ledger.history, |key| self.sampled(key))
    }

    fn effects(&self) -> BTreeMap<&'static str, u64> {
        let mut effects = BTreeMap::from([
            (CRASH, self.watch.crashes),
            (LEADER_CHANGE, self.watch.leader_changes),
            (REFUSAL, self.refusals),
        ]);
        for operation in self.ledger.history.operations() {
            let name = match operation.ended.as_ref().map(|(_, end)| end.kind()) {
                Some("ok") => "client.ok",
                Some("fail") => "client.fail",
                _ => "client.info",
            };
            *effects.entry(name).or_default() += 1;
        }
        effects.retain(|_, count| *count > 0);
        effects
    }

    fn history(&self) -> String {
        self.ledger.history.json_lines()
    }

    fn events(&self) -> String {
        self.events.as_ref().map(|events| events.lines().to_string()).unwrap_or_default()
    }

    fn collect_events(&mut self) {
        self.events = Some(Events::new(GROUP));
    }

    fn states(&self) -> Vec<u64> {
        self.states.as_ref().map(States::all).unwrap_or_default()
    }

    fn collect_states(&mut self) {
        self.states = Some(States::new(self.leads.len()));
    }
}
