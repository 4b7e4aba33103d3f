//! Runs the cases in the simulated world: every role a process or a client of one scene.

use seedfast_core::runtime::conformance::host::LEAST_CAPACITY;
use seedfast_core::runtime::conformance::{Case, Host, Place, Site, Verdict};
use seedfast_core::{ClusterId, Geometry, Instant, NodeId, Process};
use seedfast_runtime_sim::{AsyncClient, AsyncNode, SimRuntime};
use seedfast_sim::{
    CLUSTER, ClientId, ClientInput, ClientOutbox, Fault, Formatted, NoTrace, Outcome, Progress, Scene,
    Schedule, TraceSink, World,
};
use std::cell::RefCell;
use std::rc::Rc;

/// What the parts have come to so far.
#[derive(Default)]
struct Told {
    failed: Option<String>,
    /// Last parts that have returned.
    ended: usize,
}

/// The cast of one case.
struct Cast {
    case: Case<SimRuntime>,
    machines: usize,
    lives: Vec<usize>,
    clients: Vec<AsyncClient>,
    told: Rc<RefCell<Told>>,
}

fn site(machines: usize, me: usize, life: usize) -> Site {
    let nodes = || (0..machines).map(|node| NodeId(node as u8));
    Site {
        me: NodeId(me as u8),
        life: life as u32,
        cluster: ClusterId(CLUSTER.0),
        members: nodes().map(|node| (node, node.to_string())).collect(),
        services: nodes().map(|node| format!("{node}:7000")).collect(),
        devices: if me < machines { vec!["disk0".into(), "disk1".into()] } else { Vec::new() },
    }
}

fn tell(told: &RefCell<Told>, who: &str, verdict: Verdict, last: bool) {
    let mut told = told.borrow_mut();
    told.ended += usize::from(last);
    if let Err(what) = verdict {
        told.failed.get_or_insert(format!("{who}: {what}"));
    }
}

impl Cast {
    fn new(case: &Case<SimRuntime>, outside: bool) -> Self {
        let is_machine = |place| place == Place::Machine || !outside;
        let machines = case.roles.iter().filter(|role| is_machine(role.place)).count();
        assert!(case.roles[..machines].iter().all(|role| is_machine(role.place)), "machines come first");
        let told: Rc<RefCell<Told>> = Rc::default();
        let clients = case.roles[machines..].iter().enumerate().map(|(number, role)| {
            let (part, told) = (role.lives[0], told.clone());
            let site = site(machines, machines + number, 1);
            AsyncClient::new(ClientId(number as u8), move |runtime| async move {
                let verdict = part(runtime, site).await;
                tell(&told, &format!("c{number}"), verdict, true);
            })
        });
        let clients = clients.collect();
        Cast { case: case.clone(), machines, lives: vec![0; machines], clients, told }
    }

    fn is_over(&self) -> bool {
        let told = self.told.borrow();
        told.failed.is_some() || told.ended == self.case.roles.len()
    }
}

impl Scene for Cast {
    fn process(&mut self, node: NodeId) -> Box<dyn Process> {
        let me = usize::from(node.0);
        let lives = &self.case.roles[me].lives;
        self.lives[me] += 1;
        let life = self.lives[me];
        let Some(part) = lives.get(life - 1).copied() else {
            return Box::new(AsyncNode::new(|_, _| std::future::pending()));
        };
        let (last, told) = (life == lives.len(), self.told.clone());
        let site = site(self.machines, me, life);
        Box::new(AsyncNode::new(move |runtime, _| async move {
            let verdict = part(runtime, site).await;
            tell(&told, &format!("n{me} in life {life}"), verdict, last);
            if last {
                std::future::pending::<()>().await;
            }
            "this life is over".into()
        }))
    }

    fn devices(&mut self, _: NodeId) -> Formatted {
        vec![(Geometry::disk(LEAST_CAPACITY), Vec::new()), (Geometry::disk(2 * LEAST_CAPACITY), Vec::new())]
    }

    fn client(&mut self, client: ClientId, now: Instant, input: ClientInput, out: &mut dyn ClientOutbox) {
        self.clients[usize::from(client.0)].turn(now, input, out);
    }

    fn progress(&self) -> Progress {
        if self.is_over() { Progress::Done } else { Progress::Continue }
    }
}

/// A world in which cases run.
pub(crate) struct SimHost {
    /// The next case's seed.
    pub(crate) seed: u64,
    /// Its network, disks, clocks and faults; how many machines and clients there are is the case's.
    pub(crate) schedule: Schedule,
    /// Whether clients stand outside, or are machines too, whose streams are frames.
    pub(crate) outside: bool,
    /// The last run's outcome.
    pub(crate) outcome: Outcome,
}

/// No case takes so long.
const HOURS: u64 = 10 * 3_600_000_000_000;

impl SimHost {
    pub(crate) fn new(seed: u64, schedule: Schedule) -> Self {
        SimHost { seed, schedule, outside: true, outcome: Outcome::default() }
    }

    /// Runs a case and writes its trace.
    pub(crate) fn run_traced(&mut self, case: &Case<SimRuntime>, trace: &mut dyn TraceSink) -> Verdict {
        let mut cast = Cast::new(case, self.outside);
        let (nodes, clients) = (cast.machines as u8, cast.clients.len() as u8);
        let mut schedule = Schedule { nodes, clients, end: HOURS, ..self.schedule.clone() };
        schedule.clocks.truncate(nodes.into());
        schedule.faults.retain(|timed| timed.fault.target().is_none_or(|target| exists(target, nodes)));
        let mut world = World::new();
        world.reset(self.seed, &schedule, &mut cast);
        while !cast.is_over() && world.step(&mut cast, trace) {
            for node in (0..nodes).filter(|node| !world.is_up(NodeId(*node))).collect::<Vec<_>>() {
                world.inject(Fault::Restart { node }, &mut cast, trace);
            }
        }
        let broken =
            world.broken().map(|broken| format!("{}: {}", broken.violation.invariant, broken.violation.what));
        self.outcome = world.stop(&mut cast, trace);
        let told = cast.told.borrow();
        match (broken, &told.failed) {
            (Some(broken), _) => Err(broken),
            (None, Some(failed)) => Err(failed.clone()),
            (None, None) if cast.is_over() => Ok(()),
            (None, None) => Err(format!(
                "{} of {} roles came to their end, and nothing more happens (at {})",
                told.ended,
                case.roles.len(),
                Instant::from_nanos(self.outcome.sim_nanos),
            )),
        }
    }
}

fn exists(target: seedfast_sim::Target, nodes: u8) -> bool {
    match target {
        seedfast_sim::Target::Node(node) => node < nodes,
        seedfast_sim::Target::Focus => true,
    }
}

impl Host for SimHost {
    type Runtime = SimRuntime;

    fn run(&mut self, case: &Case<SimRuntime>) -> Verdict {
        self.run_traced(case, &mut NoTrace)
    }
}
