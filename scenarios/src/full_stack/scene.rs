//! The scene: that of the replicated store, its nodes and clients played by async code.

use super::bridge::{self, Dialect};
use super::server;
use crate::paxos_scene::PaxosScene;
use seedfast_core::paxos::Config;
use seedfast_core::runtime::drive::Tap;
use seedfast_core::{Geometry, Incarnation, Instant, Kind, NodeId, Process, Start, paxos};
use seedfast_runtime_sim::{AsyncClient, AsyncNode};
use seedfast_sim::{
    ClientId, ClientInput, ClientOutbox, Damage, Formatted, Plan, Progress, Scene, Seen, Violation,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The cast and the judge of one run. The inner scene's clients are told what their streams bring; it judges as ever.
pub struct FullStack {
    inner: Rc<RefCell<PaxosScene>>,
    nodes: u8,
    clients: Vec<AsyncClient>,
    watch: Rc<server::Watch>,
}

impl FullStack {
    /// The scene of a plan.
    ///
    /// # Errors
    /// What is wrong with the plan, in one sentence.
    pub fn new(plan: &Plan, seed: u64) -> Result<Self, String> {
        let inner = Rc::new(RefCell::new(PaxosScene::new(plan, seed)?));
        let nodes = plan.schedule.nodes;
        let resp = plan.workload.get("resp").copied().unwrap_or(0);
        if resp >= u64::from(plan.schedule.clients) {
            return Err(format!(
                "{resp} clients of {} speak RESP, which has no sessions: the last one needs one; lower `resp`",
                plan.schedule.clients
            ));
        }
        let clients = (0..plan.schedule.clients).map(|number| {
            let scene = inner.clone();
            let client = ClientId(number);
            let dialect = if u64::from(number) < resp { Dialect::Resp } else { Dialect::Native };
            AsyncClient::new(client, move |runtime| {
                bridge::play(runtime, nodes, dialect, move |now, input, out| {
                    scene.borrow_mut().client(client, now, input, out);
                })
            })
        });
        let clients = clients.collect();
        Ok(FullStack { inner, nodes, clients, watch: Rc::new(|_| Box::new(())) })
    }

    /// The same scene, each life of which is watched. Whoever watches changes nothing.
    #[must_use]
    pub fn watched(mut self, watch: impl Fn(&Config, &Start) -> Box<dyn Tap> + 'static) -> Self {
        let config = self.inner.borrow().config().clone();
        self.watch = Rc::new(move |start| watch(&config, start));
        self
    }
}

/// What a frame says; a stream's chunks between nodes say nothing.
fn describe(kind: Kind, frame: &[u8]) -> Option<String> {
    paxos::wire::describe(kind, frame)
}

impl Scene for FullStack {
    fn process(&mut self, node: NodeId) -> Box<dyn Process> {
        let (process, nodes, watch) = (self.inner.borrow_mut().process(node), self.nodes, self.watch.clone());
        let node = AsyncNode::new(move |runtime, start| server::serve(runtime, process, start, nodes, watch));
        Box::new(node.described_by(describe))
    }

    fn devices(&mut self, node: NodeId) -> Formatted {
        self.inner.borrow_mut().devices(node)
    }

    fn replacement_devices(&mut self, node: NodeId, lost: &[Geometry]) -> Formatted {
        self.inner.borrow_mut().replacement_devices(node, lost)
    }

    fn may_damage(&self, damage: &Damage<'_>) -> bool {
        self.inner.borrow().may_damage(damage)
    }

    fn client(&mut self, client: ClientId, now: Instant, input: ClientInput, out: &mut dyn ClientOutbox) {
        self.clients[usize::from(client.0)].turn(now, input, out);
    }

    fn observe(&mut self, seen: Seen<'_>) -> Result<(), Violation> {
        self.inner.borrow_mut().observe(seen)
    }

    fn lifecycle(&mut self, at: Instant, node: NodeId, incarnation: Incarnation, up: bool) {
        self.inner.borrow_mut().lifecycle(at, node, incarnation, up);
    }

    fn healed(&mut self, at: Instant) {
        self.inner.borrow_mut().healed(at);
    }

    fn focus(&self) -> Option<NodeId> {
        self.inner.borrow().focus()
    }

    fn progress(&self) -> Progress {
        self.inner.borrow().progress()
    }

    fn finish(&mut self, at: Instant) -> Result<(), Violation> {
        self.inner.borrow_mut().finish(at)
    }

    fn effects(&self) -> BTreeMap<&'static str, u64> {
        self.inner.borrow().effects()
    }

    fn history(&self) -> String {
        self.inner.borrow().history()
    }

    fn events(&self) -> String {
        self.inner.borrow().events()
    }

    fn collect_events(&mut self) {
        self.inner.borrow_mut().collect_events();
    }

    fn states(&self) -> Vec<u64> {
        self.inner.borrow().states()
    }

    fn collect_states(&mut self) {
        self.inner.borrow_mut().collect_states();
    }
}
