//! The scene of the replicated store: multi-Paxos replicas of the key-value service, clients, and the judge.
//!
//! The last client endpoint is the probe: it issues the command that liveness waits for after faults have ended. When
//! all clients rest, the last one to do so reads every key once more, so that no lost append stays unseen.

use crate::client::operations::keys;
use crate::client::{Client, Ledger, Part};
use crate::efficacy::{CRASH, LEADER_CHANGE, Watch};
use crate::history::Key;
use crate::linearizable;
use crate::oracles::events::Events;
use crate::oracles::{By, Judge, Step};
use crate::workload::Workload;
use seedfast_core::journal::Options;
use seedfast_core::paxos::{Ballot, Config, Replica};
use seedfast_core::{
    Duration, Geometry, GroupId, Incarnation, Instant, NodeId, ObservationKind, PeerSet, Process, SessionId,
    paxos,
};
use seedfast_kv::Store;
use seedfast_sim::{
    CLUSTER, ClientId, ClientInput, ClientOutbox, Fault, Plan, Progress, Scene, Schedule, Seen, Violation,
};
use std::collections::BTreeMap;

/// The one group of these scenarios.
pub const GROUP: GroupId = GroupId(0);
/// The largest cluster that makes sense here.
pub const MOST_NODES: u8 = 15;
/// Ten clients and the probe: with more on one key the general judge could not decide.
pub const MOST_CLIENTS: u8 = 11;
/// A replica's device.
pub const DEVICE: Geometry = Geometry::disk(600 << 10);
/// How it is formatted: small, because every restart reads all of it.
pub const FORMAT: Options = Options { copy: 512, area: 128 << 10, segment: 16 << 10, segments: 20 };
/// No batch is larger, in bytes: a record of the journal lies within one segment.
pub const BATCH: u32 = 12 << 10;
/// How long the transfer of a log takes at most.
const TRANSFER: Duration = Duration::from_secs(2);
/// One seed in so many has one of its lists judged by the search too.
const SAMPLE: u64 = 16;
/// How long after the heal the probe speaks.
const PROBE_AFTER: u64 = 1_000_000;

/// The configuration of a group of `nodes`: the server's, but for what the workload sets.
pub fn config(nodes: u8, workload: &Workload) -> Config {
    let server = Config::new(GROUP, PeerSet::first(nodes.into()));
    let log_bytes = workload.log_kib << 10;
    Config {
        log_bytes,
        batch_bytes: server.batch_bytes.min(log_bytes as u32 / 4).min(BATCH),
        window: workload.window as u32,
        batch_commands: workload.batch_commands as u32,
        sessions: workload.sessions as u32,
        // Runs are short: several snapshots fall in each, and lagging replicas need them.
        snapshot_slots: 32,
        tail_slots: 8,
        piece_bytes: 920,
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
    events: Option<Events>,
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
        Ok(PaxosScene {
            judge: Judge::new(nodes, bound(&config)),
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
            events: None,
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

    fn sampled(&self, key: Key) -> bool {
        let list = (self.seed / SAMPLE % (self.workload.lists + 1)) as u16;
        self.seed.is_multiple_of(SAMPLE) && key == Key::List(list)
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

    fn devices(&mut self, node: NodeId) -> Vec<(Geometry, Vec<(u64, Vec<u8>)>)> {
        let contents = paxos::format(&paxos::founding(CLUSTER, GROUP, node), &DEVICE, &FORMAT);
        vec![(DEVICE, contents.expect("the journal fits its device"))]
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
        self.watch.see(by, &step);
        match step {
            Step::Leader { ballot } => self.leads[usize::from(by.node.0)] = Some(ballot),
            Step::StepDown { .. } | Step::Halt { .. } => self.leads[usize::from(by.node.0)] = None,
            _ => {}
        }
        self.judge.see(by, &step)
    }

    fn lifecycle(&mut self, at: Instant, node: NodeId, incarnation: Incarnation, up: bool) {
        if let Some(events) = &mut self.events {
            events.lifecycle(at, node, incarnation, up);
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
        let mut effects =
            BTreeMap::from([(CRASH, self.watch.crashes), (LEADER_CHANGE, self.watch.leader_changes)]);
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
}
