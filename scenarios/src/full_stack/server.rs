//! A node: a process that is driven from a runtime, and a task for each stream of a client, native or of RESP.
//!
//! Generic over the runtime; nothing here knows that it is simulated.

use crate::paxos_scene::GROUP;
use seedfast_core::runtime::clients::Clients;
use seedfast_core::runtime::drive::{Ended, Ports, Stop, Tap, drive};
use seedfast_core::runtime::{Listener, Membership, Runtime, accept};
use seedfast_core::{NodeId, Process, Start};
use seedfast_kv::native::{self, Guests};
use seedfast_kv::server::{self, Limits, Member, Service, Settings};
use std::rc::Rc;

/// A connection may have so many requests under way.
const UNDER_WAY: usize = 16;

/// Where node `node` listens for clients of the native protocol.
pub fn address(node: NodeId) -> String {
    format!("{node}:7000")
}

const RESP: u16 = 7001;

/// Where it listens for clients of RESP.
pub fn resp_address(node: NodeId) -> String {
    format!("{node}:{RESP}")
}

fn settings(start: &Start, nodes: u8) -> Settings {
    let member = |node| Member { node, host: node.to_string(), port: RESP, peer_port: 7002 };
    Settings {
        cluster: start.cluster,
        node: start.node,
        group: GROUP,
        members: (0..nodes).map(NodeId).map(member).collect(),
        version: env!("CARGO_PKG_VERSION"),
        limits: Limits::DEFAULT,
    }
}

/// Who watches a node's life, which begins so.
pub type Watch = dyn Fn(&Start) -> Box<dyn Tap>;

/// Runs `process` as one of `nodes`, on the device `disk0`, until it halts; says why it did.
pub async fn serve<R: Runtime>(
    runtime: R,
    mut process: Box<dyn Process>,
    start: Start,
    nodes: u8,
    watch: Rc<Watch>,
) -> String {
    let members = (0..nodes).map(|node| (NodeId(node), NodeId(node).to_string())).collect();
    let membership = Membership { cluster: start.cluster, me: start.node, members };
    let ports = async {
        let endpoint = runtime.endpoint(membership).await?;
        let device = runtime.device("disk0").await?;
        let listener = runtime.listen(&address(start.node)).await?;
        let resp = runtime.listen(&resp_address(start.node)).await?;
        Ok::<_, seedfast_core::runtime::Error>((endpoint, device, listener, resp))
    };
    let (endpoint, device, listener, resp) = match ports.await {
        Ok(opened) => opened,
        Err(error) => return format!("{} cannot begin: {error}", start.node),
    };
    let clients = Clients::new(UNDER_WAY);
    let (host, meeting) = (runtime.clone(), clients.clone());
    runtime.spawn(welcome(listener, move |stream| {
        host.spawn(native::serve(host.clone(), stream, meeting.connect(), GROUP, Guests::default()));
    }));
    let clock = runtime.clone();
    let service = Service::new(settings(&start, nodes), move || clock.now());
    runtime.spawn(server::watch(runtime.alarm(), clients.clone(), service.clone(), server::watch::PERIOD));
    let (host, meeting) = (runtime.clone(), clients.clone());
    runtime.spawn(welcome(resp, move |stream| {
        host.spawn(server::serve(service.clone(), stream, meeting.connect()));
    }));
    let mut ports = Ports { endpoint, devices: vec![device], clients, stop: Stop::default() };
    let start = Start { entropy: runtime.entropy(), ..start };
    let mut tap = watch(&start);
    match drive(&runtime, &mut *process, start, &mut ports, &mut *tap).await {
        Ended::Halted(why) => why,
        Ended::Stopped => "stopped".into(),
    }
}

/// Takes in streams.
async fn welcome<L: Listener>(mut listener: L, attend: impl Fn(L::Stream)) {
    while let Ok(stream) = accept(&mut listener).await {
        attend(stream);
    }
}
