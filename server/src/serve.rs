//! `serve`: one replica, from its data directory to its clients.
//!
//! Everything runs on one thread: the loop that drives the replica, a task for each connection, one that watches who
//! leads, one that says in the log what changes, and one that waits to be told to end.

use crate::admin;
use crate::cli;
use crate::cluster::{Cluster, Replica as Place};
use crate::doors::{self, Doors};
use crate::ending::{self, Next};
use crate::format::{GROUP, config, limits};
use crate::identity::{Identity, journal};
use crate::overlook::Overlook;
use crate::record::{self, Record};
use crate::seat::Seat;
use crate::trouble::Trouble;
use seedfast_core::paxos::Replica;
use seedfast_core::runtime::clients::Clients;
use seedfast_core::runtime::drive::{Ended, Ports, Stop, drive, start};
use seedfast_core::runtime::{Error, Membership, Runtime};
use seedfast_kv::Store;
use seedfast_kv::server::{self, Service, Settings};
use seedfast_runtime_real::{Options, RealDevice, RealRuntime};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use tracing::{error_span, info};

/// A connection may have so many requests under way.
const UNDER_WAY: usize = 1024;

/// Runs a replica until it is told to end.
///
/// # Errors
/// It cannot begin, or cannot go on.
pub(crate) fn run(options: cli::Serve) -> Result<(), Trouble> {
    options.log.begin();
    // One thread does everything: each line of the log says whose it is.
    let _span = error_span!("replica", node = options.who.id.0).entered();
    let identity = Identity::read(&options.data)?;
    check(&options, &identity)?;
    let runtime = Options::new().busy_poll(options.busy_poll);
    let ended = seedfast_runtime_real::run(runtime, move |runtime| node(runtime, options, identity));
    match ended.map_err(|why| Trouble::usage(why.to_string()))?? {
        Next::Nothing => Ok(()),
        Next::Life => record::again(),
    }
}

/// Whether the data directory is the one that was asked for, and whole as far as its size tells.
fn check(options: &cli::Serve, identity: &Identity) -> Result<(), Trouble> {
    let cli::Serve { who, data, .. } = options;
    let at = data.display();
    who.replica()?;
    let cli::Who { id, cluster } = who;
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

/// The journal, for this process alone.
async fn device(runtime: &RealRuntime, identity: &Identity, data: &Path) -> Result<RealDevice, Trouble> {
    let name = identity.device(data);
    let device = doors::patiently(runtime, || runtime.device(&name)).await;
    device.map_err(|why| match why {
        Error::InUse(_) => Trouble::usage(format!(
            "{} is in use by another process: a replica has its data directory alone; end that one first",
            data.display()
        )),
        why => Trouble::usage(why.to_string()),
    })
}

/// A whole replica on `runtime`, until it ends.
async fn node(runtime: RealRuntime, options: cli::Serve, identity: Identity) -> Result<Next, Trouble> {
    let cli::Serve { who, data, .. } = &options;
    let me = who.replica()?;
    let cli::Who { id, cluster } = who;
    // Everything that can be in somebody's way is had before anything begins.
    let device = device(&runtime, &identity, data).await?;
    let here = options.listen.as_ref().unwrap_or(&me.clients);
    let listener = doors::listen(&runtime, "clients", here).await?;
    let native = match &options.native {
        Some(address) => Some(doors::listen(&runtime, "native clients", address).await?),
        None => None,
    };
    let watchers = match &options.metrics {
        Some(address) => Some(doors::listen(&runtime, "those who watch over it", address).await?),
        None => None,
    };
    let own = options.listen_peers.as_ref().unwrap_or(&me.peers).to_string();
    let place =
        |peer: &Place| (peer.node, if peer.node == *id { own.clone() } else { peer.peers.to_string() });
    let members = cluster.replicas.iter().map(place).collect();
    let membership = Membership { cluster: identity.cluster, me: *id, members };
    let endpoint = doors::patiently(&runtime, || runtime.endpoint(membership.clone())).await;
    let endpoint = endpoint.map_err(|why| doors::unheard("the other replicas", &own, &why))?;

    let clients = Clients::new(UNDER_WAY);
    let clock = runtime.clone();
    let service = Service::new(settings(&options, &identity), move || clock.now());
    let (config, limits) = (config(identity.size, cluster.voters()), limits(identity.size));
    let replica = Replica::new(config.clone(), Store::with_limits(limits));
    let mut seat = Seat::new(replica.map_err(|why| Trouble::usage(why.to_string()))?);
    let overlook =
        Overlook::new(runtime.clone(), seat.clone(), endpoint.watch(), device.means(), identity.clone());
    overlook.register(&service);
    admin::register(&service, &runtime, &clients, &overlook);
    overlook.introduce(&here.to_string(), &own);

    let stop = Stop::default();
    let mut doors = Doors::open(&runtime, listener, &service, &clients);
    if let Some(listener) = native {
        doors.native(&runtime, listener, GROUP, &clients);
    }
    if let Some(listener) = watchers {
        Doors::watchers(&runtime, listener, &service);
    }
    runtime.spawn(server::watch(runtime.alarm(), clients.clone(), service.clone(), server::watch::PERIOD));
    runtime.spawn(overlook.report(service.clone()));

    let devices = vec![device];
    let start = start(&runtime, identity.cluster, *id, &endpoint, &devices);
    let mut record = Record::begin(&options.record, &config, limits, &start, seat.clone(), runtime.now())?;
    let renewal = record.renewal(&options.record, &runtime, *id, cluster.voters(), endpoint.watch());
    let next = Rc::new(Cell::new(Next::Nothing));
    runtime.spawn(ending::farewell(
        runtime.clone(),
        options.with_parent,
        renewal,
        next.clone(),
        service,
        doors,
        stop.clone(),
    ));
    let mut ports = Ports { endpoint, devices, clients, stop };
    let ended = drive(&runtime, &mut seat, start, &mut ports, &mut record).await;
    record.end(&ended);
    let path = journal(data);
    match ended {
        Ended::Stopped => {
            if next.get() == Next::Nothing {
                info!("the replica ended as it was asked to");
            }
            Ok(next.get())
        }
        Ended::Halted(why) if seat.began() => Err(Trouble::halted(format!("{}: {why}", path.display()))),
        // It never began: this is about its data directory, and nothing of it was changed.
        Ended::Halted(why) => Err(Trouble::usage(format!("{}: {why}", path.display()))),
    }
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
        node: options.who.id,
        group: GROUP,
        members: options.who.cluster.replicas.iter().map(member).collect(),
        version: env!("CARGO_PKG_VERSION"),
        limits: server::Limits::DEFAULT,
    }
}
