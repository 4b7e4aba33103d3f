//! A node: a process that is driven from a runtime, and a task for each stream of a client.
//!
//! Generic over the runtime; nothing here knows that it is simulated.

use super::frame::{put_answer, take_request};
use crate::paxos_scene::GROUP;
use seedfast_core::runtime::clients::{Clients, Connection};
use seedfast_core::runtime::drive::{Ended, Ports, Stop, drive};
use seedfast_core::runtime::race::{Either, race};
use seedfast_core::runtime::{Listener, Membership, Runtime, Stream, accept};
use seedfast_core::{NodeId, Process, Start};
use std::future::poll_fn;

/// A connection may have so many requests under way.
const UNDER_WAY: usize = 16;
/// Above so many bytes that its client does not take, a connection asks for nothing more.
const BACKLOG: usize = 64 << 10;
/// A read brings at most so many bytes.
const READ: usize = 16 << 10;

/// Where node `node` listens for its clients.
pub fn address(node: NodeId) -> String {
    format!("{node}:7000")
}

/// Runs `process` as one of `nodes`, on the device `disk0`, until it halts; says why it did.
pub async fn serve<R: Runtime>(runtime: R, mut process: Box<dyn Process>, start: Start, nodes: u8) -> String {
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
    match drive(&runtime, &mut *process, start, &mut ports, &mut ()).await {
        Ended::Halted(why) => why,
        Ended::Stopped => "stopped".into(),
    }
}

/// Takes in streams, each as a task of its own.
async fn welcome<R: Runtime>(runtime: R, mut listener: R::Listener, clients: Clients) {
    while let Ok(stream) = accept::<R::Listener>(&mut listener).await {
        let connection = clients.connect();
        runtime.spawn(attend(runtime.clone(), stream, connection));
    }
}

/// One client's stream, until either end is done with it.
async fn attend<R: Runtime>(
    runtime: R,
    mut stream: <R::Listener as Listener>::Stream,
    connection: Connection,
) {
    let (mut came, mut answers, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let mut ended = false;
    loop {
        // Not one more request than may be under way, nor for a client that does not take its answers.
        while connection.has_room() && stream.backlog() < BACKLOG {
            match take_request(&mut came) {
                Ok(Some(request)) => {
                    connection.request(GROUP, request.session, request.sequence, request.bytes);
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
        let reads = !ended && connection.has_room() && stream.backlog() < BACKLOG;
        let answered = poll_fn(|cx| connection.poll_answers(cx, &mut answers));
        let moved = poll_fn(|cx| {
            if reads {
                return stream.poll_read(cx, &mut came, READ).map(|read| read.map(|count| count == 0));
            }
            if stream.backlog() > 0 {
                return stream.poll_flush(cx).map(|flushed| flushed.map(|()| false));
            }
            std::task::Poll::Pending
        });
        match race(&runtime, answered, moved).await {
            Either::First(()) => {
                answers.drain(..).for_each(|answer| put_answer(&mut out, &answer));
                stream.write(&mut out);
            }
            Either::Second(Ok(end)) => ended |= end,
            Either::Second(Err(_)) => return,
        }
        if ended {
            // The client asks for nothing more, and waits for nothing.
            return stream.close();
        }
    }
}
