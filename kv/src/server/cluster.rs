//! `CLUSTER`: one group serves every slot, so the leader is the master of all of them and everybody else its replica.
//!
//! Where no leader is known, nobody serves a slot, and that is what is told.

use super::service::{Member, Service};
use crate::resp::slot::SLOTS;
use crate::resp::{Args, Writer, slot_of};
use alloc::string::String;
use core::fmt::Write;
use seedfast_core::NodeId;

/// How many hexadecimal digits name a node.
const NAME: usize = 40;

/// A node's name: 32 digits of the cluster, 8 of the node.
pub fn name(service: &Service, node: NodeId) -> String {
    let mut name = String::with_capacity(NAME);
    let _ = write!(name, "{:032x}{:08x}", service.settings().cluster.0, node.0);
    name
}

fn leader(service: &Service) -> Option<&Member> {
    service.leader().and_then(|leader| service.member(leader))
}

/// The leader first, then the others; nobody if no leader is known.
fn in_order(service: &Service) -> impl Iterator<Item = &Member> {
    let leader = leader(service);
    let others =
        service.settings().members.iter().filter(move |member| leader.is_some_and(|l| l.node != member.node));
    leader.into_iter().chain(others)
}

/// The subcommands and a sentence on each.
pub(super) const HELP: [(&str, &str); 7] = [
    ("INFO", "Tells whether a leader is known."),
    ("KEYSLOT <key>", "Returns the slot of a key."),
    ("MYID", "Returns the name of this node."),
    ("MYSHARDID", "Returns the name of the group, which is the cluster's."),
    ("NODES", "Returns a line for each node."),
    ("SHARDS", "Returns the nodes, and that they serve every slot."),
    ("SLOTS", "Returns who serves every slot: the leader, then its replicas."),
];

/// Answers `CLUSTER ...`; false if there is no such subcommand with so many words.
pub(super) fn answer(service: &Service, args: Args<'_>, out: &mut Writer<'_>) -> Result<(), ()> {
    let is = |name: &str, words: usize| {
        args.get(1).eq_ignore_ascii_case(name.as_bytes()) && args.len() == words + 2
    };
    let me = service.settings().node;
    if is("KEYSLOT", 1) {
        out.integer(slot_of(args.get(2)).into());
    } else if is("MYID", 0) {
        out.bulk(name(service, me).as_bytes());
    } else if is("MYSHARDID", 0) {
        let mut shard = String::new();
        let _ = write!(shard, "{:032x}{:08x}", service.settings().cluster.0, u32::MAX);
        out.bulk(shard.as_bytes());
    } else if is("SLOTS", 0) {
        slots(service, out);
    } else if is("SHARDS", 0) {
        shards(service, out);
    } else if is("NODES", 0) {
        out.text(&nodes(service));
    } else if is("INFO", 0) {
        out.text(&info(service));
    } else {
        return Err(());
    }
    Ok(())
}

fn slots(service: &Service, out: &mut Writer<'_>) {
    let nodes = in_order(service).count();
    out.array(usize::from(nodes > 0));
    if nodes == 0 {
        return;
    }
    out.array(2 + nodes);
    out.integer(0);
    out.integer(i64::from(SLOTS) - 1);
    for member in in_order(service) {
        out.array(4);
        out.bulk(member.host.as_bytes());
        out.integer(member.port.into());
        out.bulk(name(service, member.node).as_bytes());
        out.map(0);
    }
}

fn shards(service: &Service, out: &mut Writer<'_>) {
    let leader = leader(service);
    out.array(1);
    out.map(2);
    out.bulk(b"slots");
    out.array(if leader.is_some() { 2 } else { 0 });
    if leader.is_some() {
        out.integer(0);
        out.integer(i64::from(SLOTS) - 1);
    }
    let members = &service.settings().members;
    out.bulk(b"nodes");
    out.array(members.len());
    for member in members {
        let role = if leader == Some(member) { "master" } else { "replica" };
        out.map(7);
        out.bulk(b"id");
        out.bulk(name(service, member.node).as_bytes());
        out.bulk(b"port");
        out.integer(member.port.into());
        for field in ["ip", "endpoint"] {
            out.bulk(field.as_bytes());
            out.bulk(member.host.as_bytes());
        }
        out.bulk(b"role");
        out.bulk(role.as_bytes());
        out.bulk(b"replication-offset");
        out.integer(0);
        // Who is alive is not known to this node, only who leads.
        out.bulk(b"health");
        out.bulk(b"online");
    }
}

fn nodes(service: &Service) -> String {
    let leader = leader(service);
    let mut text = String::new();
    for member in &service.settings().members {
        let Member { node, host, port, peer_port } = member;
        let myself = if *node == service.settings().node { "myself," } else { "" };
        let _ = write!(text, "{} {host}:{port}@{peer_port} {myself}", name(service, *node));
        let _ = match leader {
            Some(leader) if leader == member => {
                writeln!(text, "master - 0 0 0 connected 0-{}", SLOTS - 1)
            }
            Some(leader) => writeln!(text, "slave {} 0 0 0 connected", name(service, leader.node)),
            None => writeln!(text, "slave - 0 0 0 connected"),
        };
    }
    text
}

fn info(service: &Service) -> String {
    let known = leader(service).is_some();
    let (state, slots) = if known { ("ok", SLOTS) } else { ("fail", 0) };
    let mut text = String::new();
    let _ = write!(
        text,
        "cluster_state:{state}\r\ncluster_slots_assigned:{slots}\r\ncluster_slots_ok:{slots}\r\n\
         cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:{}\r\ncluster_size:{}\r\n\
         cluster_current_epoch:0\r\ncluster_my_epoch:0\r\n",
        service.settings().members.len(),
        u8::from(known),
    );
    text
}
