//! `serve`: one replica, from its data directory to its clients.
//!
//! Everything runs on one thread: the loop that drives the replica, a task for each connection, one that watches who
//! leads, and one that waits to be told to end.

use crate::cli;
use crate::cluster::{Cluster, Replica as Place};
use crate::ending;
use crate::format::{GROUP, config, limits};
use crate::identity::{Identity, journal};
use crate::trouble::Trouble;
use seedfast_core::paxos::Replica;
use seedfast_core::runtime::clients::Clients;
use seedfast_core::runtime::drive::{Ended, Ports, Stop, drive};
use seedfast_core::runtime::{Device, Endpoint, Error, Membership, Runtime, Task};
use seedfast_core::{Duration, Incarnation, Input, Now, Outbox, Process, Start};
use seedfast_kv::Store;
use seedfast_kv::server::{self, Service, Settings};
use seedfast_runtime_real::{Options, RealListener, RealRuntime};
use std::cell::{Cell, RefCell};
use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// A connection may have so many requests under way.
const UNDER_WAY: usize = 1024;
/// How long clients that are owed answers are waited for when the replica is told to end.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a watcher's HTTP request may take.
const HTTP: Duration = Duration::from_secs(10);
/// How long to wait before accepting again when this machine could not.
const BREATH: Duration = Duration::from_millis(50);

/// Runs a replica until it is told to end.
///
/// # Errors
/// It cannot begin, or cannot go on.
pub(crate) fn run(options: cli::Serve) -> Result<(), Trouble> {
    let identity = Identity::read(&options.data)?;
    check(&options, &identity)?;
    let runtime = Options::new().busy_poll(options.busy_poll);
    let ended = seedfast_runtime_real::run(runtime, move |runtime| node(runtime, options, identity));
    ended.map_err(|why| Trouble::usage(why.to_string()))?
}

/// Whether the data directory is the one that was asked for, and whole as far as its size tells.
fn check(options: &cli::Serve, identity: &Identity) -> Result<(), Trouble> {
    let cli::Serve { id, cluster, data, .. } = options;
    let at = data.display();
    cluster.replica(*id).map_err(Trouble::usage)?;
    if identity.cluster != cluster.id(identity.name.as_deref(), identity.size) {
        let why = match same_members(cluster, identity) {
            true => "which follows from other addresses",
            false => "of other replicas",
        };
        return Err(Trouble::usage(format!(
            "{at} belongs to another cluster, {why}: it was formatted with --cluster {}, and now --cluster says \
             {cluster}",
            identity.members
        )));
    }
    if identity.node != *id {
        return Err(Trouble::usage(format!(
            "{at} belongs to replica {} and --id says {}: correct one of them",
            identity.node.0, id.0
        )));
    }
    let path = journal(data);
    let at = path.display();
    let length = fs::metadata(&path).map(|found| found.len());
    match length {
        Err(why) => Err(Trouble::usage(format!(
            "{at} cannot be opened ({why}): put the journal back; if it is lost, replace this replica with `format \
             --replacement` in a new directory"
        ))),
        Ok(length) if length < identity.size => Err(Trouble::usage(format!(
            "{at} has {length} bytes and was formatted with {}: put the whole journal back; if it is lost, replace \
             this replica with `format --replacement` in a new directory",
            identity.size
        ))),
        Ok(_) => Ok(()),
    }
}

fn same_members(cluster: &Cluster, identity: &Identity) -> bool {
    cluster.voters() == identity.members.voters()
}

/// The replica, looked at by others between its turns.
#[derive(Clone)]
struct Seat {
    replica: Rc<RefCell<Replica<Store>>>,
    /// Whether it has read its journal in this life.
    began: Rc<Cell<bool>>,
}

impl Process for Seat {
    fn turn(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let end = matches!(input, Input::EndOfBurst);
        let mut replica = self.replica.borrow_mut();
        replica.turn(now, input, out);
        if end && !self.began.get() {
            self.began.set(replica.status().is_some());
        }
    }
}

/// A whole replica on `runtime`, until it ends.
async fn node(runtime: RealRuntime, options: cli::Serve, identity: Identity) -> Result<(), Trouble> {
    let cli::Serve { id, cluster, data, .. } = &options;
    let me = cluster.replica(*id).map_err(Trouble::usage)?;
    let path = journal(data);
    let at = path.display();
    let device = runtime.device(&identity.device(data)).await.map_err(|why| match why {
        Error::InUse(_) => Trouble::usage(format!(
            "{} is in use by another process: a replica has its data directory alone; end that one first",
            data.display()
        )),
        why => Trouble::usage(why.to_string()),
    })?;
    let means = device.means();

    let own = options.listen_peers.as_ref().unwrap_or(&me.peers).to_string();
    let place = |replica: &Place| {
        (replica.node, if replica.node == *id { own.clone() } else { replica.peers.to_string() })
    };
    let members = cluster.replicas.iter().map(place).collect();
    let membership = Membership { cluster: identity.cluster, me: *id, members };
    let endpoint =
        runtime.endpoint(membership).await.map_err(|why| unheard("the other replicas", &own, &why))?;

    let here = options.listen.as_ref().unwrap_or(&me.clients).to_string();
    let listener = runtime.listen(&here).await.map_err(|why| unheard("clients", &here, &why))?;
    let http = match &options.metrics {
        Some(address) => {
            let address = address.to_string();
            Some(
                runtime
                    .listen(&address)
                    .await
                    .map_err(|why| unheard("those who watch over it", &address, &why))?,
            )
        }
        None => None,
    };

    let clients = Clients::new(UNDER_WAY);
    let clock = runtime.clone();
    let service = Service::new(settings(&options, &identity), move || clock.now());
    let replica =
        Replica::new(config(identity.size, cluster.voters()), Store::with_limits(limits(identity.size)));
    let replica = replica.map_err(|why| Trouble::usage(why.to_string()))?;
    let mut seat = Seat { replica: Rc::new(RefCell::new(replica)), began: Rc::default() };

    let stop = Stop::default();
    let (meeting, serving) = (clients.clone(), service.clone());
    let doors = vec![welcome(&runtime, listener, move |stream| {
        Box::pin(server::serve(serving.clone(), stream, meeting.connect()))
    })];
    if let Some(listener) = http {
        let (watched, timer) = (service.clone(), runtime.clone());
        welcome(&runtime, listener, move |stream| {
            let (served, timer) = (server::http::serve(watched.clone(), stream), timer.clone());
            Box::pin(async move {
                let late = timer.sleep(timer.now().monotonic + HTTP);
                seedfast_core::runtime::race::race(&timer, served, late).await;
            })
        });
    }
    runtime.spawn(server::watch(runtime.alarm(), clients.clone(), service.clone(), server::watch::PERIOD));
    let asked = ending::asked(runtime.clone(), options.with_parent);
    runtime.spawn(farewell(runtime.clone(), asked, service.clone(), doors, stop.clone()));

    eprintln!(
        "replica {} of cluster {:032x}: clients at {here}, other replicas at {own}, journal by {means}",
        id.0, identity.cluster.0
    );
    let start = Start {
        incarnation: Incarnation(1),
        entropy: runtime.entropy(),
        cluster: identity.cluster,
        node: *id,
        devices: vec![device.geometry()],
        queue_depth: device.queue_depth(),
        frame_limit: endpoint.frame_limit(),
    };
    let mut ports = Ports { endpoint, devices: vec![device], clients, stop };
    match drive(&runtime, &mut seat, start, &mut ports, &mut ()).await {
        Ended::Stopped => Ok(()),
        Ended::Halted(why) if seat.began.get() => Err(Trouble::halted(format!("{at}: {why}"))),
        Ended::Halted(why) => Err(Trouble::usage(format!("{at}: {why}"))),
    }
}

fn unheard(whom: &str, address: &str, why: &Error) -> Trouble {
    Trouble::usage(match why {
        Error::InUse(_) => format!(
            "cannot wait for {whom} at {address}: the address is in use by another process; end that one, or name \
             another address"
        ),
        why => format!("cannot wait for {whom} at {address}: {why}"),
    })
}

fn settings(options: &cli::Serve, identity: &Identity) -> Settings {
    let member = |replica: &Place| server::Member {
        node: replica.node,
        host: replica.clients.host.clone(),
        port: replica.clients.port,
        peer_port: replica.peers.port,
    };
    Settings {
        cluster: identity.cluster,
        node: options.id,
        group: GROUP,
        members: options.cluster.replicas.iter().map(member).collect(),
        version: env!("CARGO_PKG_VERSION"),
        limits: server::Limits::DEFAULT,
    }
}

type Visit = Pin<Box<dyn Future<Output = ()>>>;
type RealStream = <RealListener as seedfast_core::runtime::Listener>::Stream;

/// Takes in streams, each as a task of its own, until the task returned is cancelled.
fn welcome(
    runtime: &RealRuntime,
    mut listener: RealListener,
    mut attend: impl FnMut(RealStream) -> Visit + 'static,
) -> <RealRuntime as Runtime>::Task {
    let host = runtime.clone();
    runtime.spawn(async move {
        loop {
            match seedfast_core::runtime::accept(&mut listener).await {
                Ok(stream) => {
                    host.spawn(attend(stream));
                }
                // No more descriptors, most likely: those who leave give theirs back.
                Err(_) => host.sleep(host.now().monotonic + BREATH).await,
            }
        }
    })
}

/// Waits to be told to end; then nobody new is served, whoever is owed an answer gets it within bounds, and the drive
/// ends. What was acknowledged is durable already.
async fn farewell(
    runtime: RealRuntime,
    asked: impl Future<Output = Result<(), Error>>,
    service: Service,
    doors: Vec<<RealRuntime as Runtime>::Task>,
    stop: Stop,
) {
    if let Err(why) = asked.await {
        eprintln!("seedfast-kv: {why}");
        return;
    }
    doors.into_iter().for_each(Task::cancel);
    service.stop();
    let until = runtime.now().monotonic + FAREWELL;
    while service.connected() > 0 && runtime.now().monotonic < until {
        runtime.sleep(runtime.now().monotonic + Duration::from_millis(5)).await;
    }
    stop.ask();
}
