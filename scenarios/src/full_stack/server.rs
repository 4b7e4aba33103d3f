//! A node: a process that is driven from a runtime, and a task for each stream of a client.
//!
//! Generic over the runtime; nothing here knows that it is simulated.

use crate::paxos_scene::GROUP;
use seedfast_core::runtime::clients::Clients;
use seedfast_core::runtime::drive::{Ended, Ports, Stop, Tap, drive};
use seedfast_core::runtime::{Membership, Runtime, accept};
use seedfast_core::{NodeId, Process, Start};
use seedfast_kv::native;
use std::rc::Rc;

/// A connection may have so many requests under way.
const UNDER_WAY: usize = 16;

/// Where node `node` listens for its clients.
pub fn address(node: NodeId) -> String {
    format!("{node}:7000")
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
        Ok::<_, seedfast_core::runtime::Error>((endpoint, device, listener))
    };
    let (endpoint, device, listener) = match ports.await {
        Ok(opened) => opened,
        Err(error) => return format!("{} cannot begin: {error}", start.node),
    };
    let clients = Clients::new(UNDER_WAY);
    runtime.spawn(welcome(runtime.clone(), listener, clients.clone()));
    let mut ports = Ports { endpoint, devices: vec![device], clients, stop: Stop::default() };
    let start = Start { entropy: runtime.entropy(), ..start };
    let mut tap = watch(&start);
    match drive(&runtime, &mut *process, start, &mut ports, &mut *tap).await {
        Ended::Halted(why) => why,
        Ended::Stopped => "stopped".into(),
    }
}

/// Takes in streams, each as a task of its own.
async fn welcome<R: Runtime>(runtime: R, mut listener: R::Listener, clients: Clients) {
    while let Ok(stream) = accept::<R::Listener>(&mut listener).await {
        let connection = clients.connect();
        runtime.spawn(native::serve(runtime.clone(), stream, connection, GROUP));
    }
}
