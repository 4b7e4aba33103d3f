//! What can be seen of a running replica: sections of `INFO`, metrics, readiness, and changes worth a line in the log.

use crate::identity::Identity;
use crate::seat::Seat;
use crate::size;
use seedfast_core::journal;
use seedfast_core::paxos::{Slot, Standing};
use seedfast_core::runtime::Runtime;
use seedfast_core::transport::{Counts, Watch};
use seedfast_core::{Duration, NodeId, PeerSet};
use seedfast_kv::server::Service;
use seedfast_runtime_real::device::Means;
use seedfast_runtime_real::{RealRuntime, open_more_files};
use std::fmt::{Display, Write};
use std::rc::Rc;
use tracing::{info, warn};

/// Below so many files that may be open, somebody is told.
const FEW_FILES: u64 = 4096;
/// How often changes are looked for.
const GLANCE: Duration = Duration::from_millis(250);

type Teller = fn(&Overlook, &mut String);

/// Everything that can be looked at.
#[derive(Clone)]
pub(crate) struct Overlook(Rc<Parts>);

struct Parts {
    runtime: RealRuntime,
    seat: Seat,
    mesh: Watch<RealRuntime>,
    means: Means,
    identity: Identity,
}

impl Overlook {
    pub(crate) fn new(
        runtime: RealRuntime,
        seat: Seat,
        mesh: Watch<RealRuntime>,
        means: Means,
        identity: Identity,
    ) -> Self {
        Overlook(Rc::new(Parts { runtime, seat, mesh, means, identity }))
    }

    /// Adds what it sees to what the service tells.
    pub(crate) fn register(&self, service: &Service) {
        let sections: [(&'static str, Teller); 5] = [
            ("Persistence", Overlook::persistence),
            ("Paxos", Overlook::paxos),
            ("Peers", Overlook::peers),
            ("Keyspace", Overlook::keyspace),
            ("Ring", Overlook::ring),
        ];
        for (name, tell) in sections {
            let overlook = self.clone();
            service.add_section(name, move |text| tell(&overlook, text));
        }
        let overlook = self.clone();
        service.add_metrics(move |text| overlook.metrics(text));
        let overlook = self.clone();
        service.add_status(move |text| overlook.status(text));
        let overlook = self.clone();
        service.set_ready(move || overlook.ready());
    }

    /// Whether this replica is of use beyond knowing who leads.
    fn ready(&self) -> Result<(), String> {
        match self.0.seat.standing() {
            None => Err("this node reads its journal".into()),
            Some(_) => Ok(()),
        }
    }

    fn status(&self, text: &mut String) {
        let Parts { seat, mesh, means, identity, .. } = &*self.0;
        let Some(standing) = seat.standing() else { return text.push_str("journal: is being read\n") };
        let (keys, bytes) = seat.store(|store| (store.len(), store.bytes()));
        let (size, most) = (size::print(identity.size), crate::format::limits(identity.size).total);
        let Standing { promised, decided, applied, snapshot, first, digest, log_used, log_bytes, .. } =
            standing;
        let _ = writeln!(text, "journal: {size}, {means}");
        let _ = writeln!(text, "promised: ballot {promised}");
        let _ = writeln!(text, "decided: below slot {}", decided.0);
        let _ = writeln!(text, "applied: below slot {}, digest {digest:016x}", applied.0);
        let _ = writeln!(text, "snapshot: below slot {}; the log begins with slot {}", snapshot.0, first.0);
        let _ = writeln!(text, "log: {log_used} of {log_bytes} bytes in use");
        let _ = writeln!(text, "store: {keys} keys, {bytes} of at most {most} bytes");
        let _ = writeln!(text, "peers heard: {}", mesh.heard().len());
        if standing.amnesiac {
            text.push_str("memory: lost; this replica learns and never votes\n");
        }
    }

    fn persistence(&self, text: &mut String) {
        let standing = self.0.seat.standing();
        line(text, "loading", u8::from(standing.is_none()));
        line(text, "aof_enabled", 1);
        line(text, "journal_writes", self.0.means);
        line(text, "journal_bytes", self.0.identity.size);
        if let Some(standing) = standing {
            line(text, "snapshot_slot", standing.snapshot.0);
            line(text, "log_first_slot", standing.first.0);
            line(text, "log_used_bytes", standing.log_used);
            line(text, "log_free_bytes", standing.log_bytes - standing.log_used);
        }
    }

    fn paxos(&self, text: &mut String) {
        let Some(standing) = self.0.seat.standing() else { return };
        line(text, "paxos_leads", u8::from(standing.leads.is_some()));
        line(text, "paxos_ballot", standing.leads.unwrap_or(standing.promised));
        line(text, "paxos_promised", standing.promised);
        line(text, "paxos_decided", standing.decided.0);
        line(text, "paxos_applied", standing.applied.0);
        line(text, "paxos_state_digest", format_args!("{:016x}", standing.digest));
        line(text, "paxos_learns_only", u8::from(standing.amnesiac));
    }

    fn peers(&self, text: &mut String) {
        let counts = self.0.mesh.counts();
        line(text, "peers_heard", self.0.mesh.heard().len());
        for (name, _, value) in transport(&counts) {
            line(text, name, value);
        }
        if let Some(why) = counts.last_refused {
            line(text, "peers_last_refused", why);
        }
    }

    fn keyspace(&self, text: &mut String) {
        let (keys, bytes) = self.0.seat.store(|store| (store.len(), store.bytes()));
        if keys > 0 {
            line(text, "db0", format_args!("keys={keys},expires=0,avg_ttl=0"));
        }
        line(text, "bytes_of_keys_and_values", bytes);
        line(text, "bytes_at_most", crate::format::limits(self.0.identity.size).total);
    }

    fn ring(&self, text: &mut String) {
        let counts = self.0.runtime.counts();
        line(text, "ring_enters", counts.enters);
        line(text, "ring_requests", counts.submissions);
        line(text, "ring_requests_registered", counts.registered);
        line(text, "ring_completions", counts.completions);
        line(text, "ring_has", self.0.runtime.abilities());
    }

    fn metrics(&self, text: &mut String) {
        let mut metric = |name: &str, kind: &str, help: &str, value: &dyn Display| {
            let _ = writeln!(
                text,
                "# HELP seedfast_{name} {help}\n# TYPE seedfast_{name} {kind}\nseedfast_{name} {value}"
            );
        };
        if let Some(standing) = self.0.seat.standing() {
            let gauges: [(&str, &str, u64); 8] = [
                ("ballot_round", "The round of the highest ballot promised.", standing.promised.round()),
                ("decided_slots", "Below this slot, everything is known to be decided.", standing.decided.0),
                ("applied_slots", "Below this slot, everything is applied.", standing.applied.0),
                ("snapshot_slot", "The slot of the durable snapshot.", standing.snapshot.0),
                ("log_used_bytes", "Bytes of the journal's log in use.", standing.log_used),
                (
                    "log_free_bytes",
                    "Bytes of the journal's log that are free; a snapshot frees more.",
                    standing.log_bytes - standing.log_used,
                ),
                ("log_slots", "Slots held as a log.", standing.decided.0.saturating_sub(standing.first.0)),
                (
                    "learns_only",
                    "Whether this replica lost its memory and never votes.",
                    standing.amnesiac.into(),
                ),
            ];
            gauges.into_iter().for_each(|(name, help, value)| metric(name, "gauge", help, &value));
        }
        let (keys, bytes) = self.0.seat.store(|store| (store.len(), store.bytes()));
        metric("keys", "gauge", "Keys that hold something.", &keys);
        metric("stored_bytes", "gauge", "Bytes of keys and values.", &bytes);
        metric(
            "peers_heard",
            "gauge",
            "Peers whose stream to this node is open.",
            &self.0.mesh.heard().len(),
        );
        for (name, help, value) in transport(&self.0.mesh.counts()) {
            metric(&[name, "_total"].concat(), "counter", help, &value);
        }
        let ring = self.0.runtime.counts();
        metric(
            "ring_enters_total",
            "counter",
            "System calls that hand requests to the kernel and wait.",
            &ring.enters,
        );
        metric("ring_requests_total", "counter", "Requests handed to the kernel.", &ring.submissions);
    }

    /// Says in the log what changes, for as long as it is polled.
    pub(crate) async fn report(self, service: Service) {
        let Parts { runtime, seat, mesh, .. } = &*self.0;
        let (mut leader, mut heard, mut refused) = (None, PeerSet::EMPTY, 0);
        let mut known: Option<Standing> = None;
        loop {
            runtime.sleep(runtime.now().monotonic + GLANCE).await;
            let standing = seat.standing();
            if let Some(now) = standing {
                self.compare(known, now);
            }
            known = standing;
            if service.leader() != leader {
                leader = service.leader();
                lead(leader, service.settings().node);
            }
            let peers = mesh.heard();
            for node in PeerSet(peers.0 ^ heard.0).iter() {
                match peers.contains(node) {
                    true => info!(peer = node.0, "a peer is connected"),
                    false => warn!(peer = node.0, "a peer is gone"),
                }
            }
            heard = peers;
            let counts = mesh.counts();
            if counts.refused > refused
                && let Some(why) = counts.last_refused
            {
                refused = counts.refused;
                warn!(times = refused, "a stream of a peer was refused: {why}");
            }
        }
    }

    fn compare(&self, known: Option<Standing>, now: Standing) {
        let Some(known) = known else {
            info!(decided = now.decided.0, snapshot = now.snapshot.0, "the journal was read");
            if now.amnesiac {
                warn!(
                    "this replica took the place of one that lost its journal: it learns and never votes, so the \
                     cluster has one vote less"
                );
            }
            return;
        };
        if known.snapshot != now.snapshot {
            info!(slot = now.snapshot.0, "a snapshot is durable");
        }
        if known.leads != now.leads
            && let Some(ballot) = now.leads
        {
            info!(%ballot, "this replica leads");
        } else if known.leads.is_some() && now.leads.is_none() {
            warn!("this replica leads no more");
        }
    }

    /// The slot of the durable snapshot, once the journal was read.
    pub(crate) fn snapshot(&self) -> Option<Slot> {
        self.0.seat.standing().map(|standing| standing.snapshot)
    }

    /// Says how the replica is served, and what this machine lacks. What it has and does not give by itself is asked for.
    pub(crate) fn introduce(&self, clients: &str, peers: &str) {
        let Parts { runtime, means, identity, .. } = &*self.0;
        let standing = match identity.standing {
            journal::Standing::Founding => "founding",
            journal::Standing::Replacement => "replacement",
        };
        info!(
            cluster = format_args!("{:032x}", identity.cluster.0),
            version = env!("CARGO_PKG_VERSION"),
            standing,
            clients,
            peers,
            "the replica starts"
        );
        info!(bytes = identity.size, "the journal is written by {means}");
        match means {
            Means::Buffered => {
                warn!("this file system has no direct writes: each goes through the page cache")
            }
            Means::Pages => {
                warn!("the journal does not lie on persistent memory (DAX): every sync is an msync")
            }
            Means::Direct | Means::Through | Means::Quicker | Means::Lines(_) => {}
        }
        let abilities = runtime.abilities();
        info!("the ring has {abilities}");
        let lacks = [
            (abilities.deferred, "deferred task runs (Linux 6.1)"),
            (abilities.multishot, "multishot accept and receive (Linux 6.0)"),
            (abilities.linked_sync, "writes linked with their sync (Linux 5.17)"),
            (
                abilities.registered_blocks,
                "registered buffers (they count as locked memory: see RLIMIT_MEMLOCK)",
            ),
            (abilities.registered_files, "registered files and sockets (Linux 6.15)"),
            (abilities.registered_ring, "a registered ring (Linux 5.18)"),
        ];
        for (_, what) in lacks.into_iter().filter(|(has, _)| !has) {
            warn!("this machine does without {what}: the slower way is taken");
        }
        match open_more_files() {
            Ok(FEW_FILES..) => {}
            Ok(files) => {
                warn!(
                    files,
                    "this process may open few files, and each client is one: raise the limit (ulimit -Hn)"
                )
            }
            Err(why) => warn!("how many files may be open, and so how many clients, stays as it is: {why}"),
        }
    }
}

fn lead(leader: Option<NodeId>, me: NodeId) {
    match leader {
        // The replica said so itself.
        Some(leader) if leader == me => {}
        Some(leader) => info!(leader = leader.0, "another replica leads"),
        None => warn!("no leader is known"),
    }
}

fn line(text: &mut String, name: &str, value: impl Display) {
    let _ = write!(text, "{name}:{value}\r\n");
}

/// Each count of the transport: its word, what it counts, its value.
fn transport(counts: &Counts) -> [(&'static str, &'static str, u64); 5] {
    [
        ("peers_frames_sent", "Frames handed to streams to peers.", counts.sent),
        ("peers_frames_received", "Frames received whole from peers.", counts.received),
        ("peers_frames_dropped", "Frames dropped for want of room or of a stream.", counts.dropped),
        ("peers_links_opened", "Streams to peers that were opened and answered.", counts.links),
        ("peers_refused", "Streams from and to peers that ended because of what came.", counts.refused),
    ]
}
