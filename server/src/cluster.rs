//! Who the replicas are and where: the value of `--cluster`.
//!
//! ```text
//! 1=127.0.0.1:7101,2=127.0.0.1:7102,3=127.0.0.1:7103
//! 1=10.0.0.1:7101/6379,2=10.0.0.2:7101/6379,3=10.0.0.3:7101/kv3.example.org:6379
//! ```
//! Before the slash stands where a replica speaks to its peers, behind it where it serves clients: a port of the same
//! host, or another host and port. Without a slash clients are served [`CLIENTS_ABOVE`] above the peers' port. Every
//! replica must know this of every other one, because a follower sends clients to the leader.

use seedfast_core::id::MAX_NODES;
use seedfast_core::{ClusterId, NodeId, PeerSet};
use std::fmt;
use std::str::FromStr;
use xxhash_rust::xxh3::xxh3_128;

/// How far the port for clients stands above the one for peers, unless it is given.
pub(crate) const CLIENTS_ABOVE: u16 = 1000;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no address: write host:port, as in 127.0.0.1:7101 or [::1]:7101");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => host,
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        let sane = |c: char| c.is_ascii_alphanumeric() || "-_.:%".contains(c);
        let port: u16 = port.parse().map_err(|_| wrong())?;
        if host.is_empty() || !host.chars().all(sane) {
            return Err(wrong());
        }
        Ok(Address { host: host.into(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replica {
    pub(crate) node: NodeId,
    /// Where its peers find it.
    pub(crate) peers: Address,
    /// Where clients find it.
    pub(crate) clients: Address,
}

/// All replicas of a cluster, in ascending order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) replicas: Vec<Replica>,
}

impl Cluster {
    /// The replica of that number.
    ///
    /// # Errors
    /// There is none; one sentence.
    pub(crate) fn replica(&self, node: NodeId) -> Result<&Replica, String> {
        self.replicas.iter().find(|replica| replica.node == node).ok_or_else(|| {
            format!(
                "--id {} is not among the replicas of --cluster {self}: add it there, or correct it",
                node.0
            )
        })
    }

    /// Everybody who votes.
    pub(crate) fn voters(&self) -> PeerSet {
        self.replicas.iter().map(|replica| replica.node).collect()
    }

    /// The members and their peers' addresses alone: what a cluster without a name is told apart by.
    pub(crate) fn peers(&self) -> String {
        let peers = self.replicas.iter().map(|replica| format!("{}={}", replica.node.0, replica.peers));
        peers.collect::<Vec<_>>().join(",")
    }

    /// The cluster's identity, which every node works out for itself. It follows from the numbers of the replicas, from
    /// the size of their devices (which bounds what the store takes, and must be the same for all), and from the
    /// cluster's name; without a name from the addresses of the peers.
    pub(crate) fn id(&self, name: Option<&str>, size: u64) -> ClusterId {
        let numbers: Vec<String> = self.replicas.iter().map(|replica| replica.node.0.to_string()).collect();
        let what = match name {
            Some(name) => format!("name {name}\nnodes {}\nsize {size}\n", numbers.join(",")),
            None => format!("peers {}\nsize {size}\n", self.peers()),
        };
        ClusterId(xxh3_128(format!("seedfast-kv cluster 1\n{what}").as_bytes()))
    }
}

impl FromStr for Cluster {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut replicas: Vec<Replica> = Vec::new();
        for entry in text.split(',') {
            let replica = replica(entry)?;
            if replicas.iter().any(|known| known.node == replica.node) {
                return Err(format!(
                    "replica {} stands twice: give each a number of its own",
                    replica.node.0
                ));
            }
            for address in [&replica.peers, &replica.clients] {
                let taken = replicas.iter().any(|known| known.peers == *address || known.clients == *address);
                if taken || replica.peers == replica.clients {
                    return Err(format!("{address} stands twice: give each replica addresses of its own"));
                }
            }
            replicas.push(replica);
        }
        replicas.sort_by_key(|replica| replica.node);
        Ok(Cluster { replicas })
    }
}

fn replica(entry: &str) -> Result<Replica, String> {
    let form = || {
        format!(
            "{entry:?} is no replica: write id=host:port, or id=host:port/clientport, as in 1=127.0.0.1:7101"
        )
    };
    let (number, places) = entry.trim().split_once('=').ok_or_else(form)?;
    let number: u8 = number.parse().map_err(|_| form())?;
    if usize::from(number) >= MAX_NODES {
        return Err(format!("replica {number}: numbers go from 0 to {}", MAX_NODES - 1));
    }
    let (peers, clients) = match places.split_once('/') {
        Some((peers, clients)) => (peers, Some(clients)),
        None => (places, None),
    };
    let peers: Address = peers.parse()?;
    let clients = match clients {
        Some(port) if port.parse::<u16>().is_ok() => {
            Address { host: peers.host.clone(), port: port.parse().map_err(|_| form())? }
        }
        Some(address) => address.parse()?,
        None => {
            let port = peers.port.checked_add(CLIENTS_ABOVE).ok_or_else(|| {
                format!(
                    "replica {number}: no port stands {CLIENTS_ABOVE} above {}; say where clients are served, as \
                     in {number}={peers}/6379",
                    peers.port
                )
            })?;
            Address { host: peers.host.clone(), port }
        }
    };
    if peers.port == 0 || clients.port == 0 {
        return Err(format!("replica {number}: port 0 is no address that others could find; name a port"));
    }
    Ok(Replica { node: NodeId(number), peers, clients })
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Replica { node, peers, clients }) in self.replicas.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{}={peers}", node.0)?;
            if clients.host != peers.host {
                write!(f, "/{clients}")?;
            } else if Some(clients.port) != peers.port.checked_add(CLIENTS_ABOVE) {
                write!(f, "/{}", clients.port)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Cluster {
        text.parse().expect("it is well written")
    }

    #[test]
    fn a_list_says_where_peers_and_clients_are_served_and_is_written_as_it_was_read() {
        let cluster = parse("2=b.example:7101/6379,1=127.0.0.1:7101,3=[::1]:7101/kv3.example.org:1");
        let told: Vec<_> = cluster
            .replicas
            .iter()
            .map(|Replica { node, peers, clients }| format!("{node} {peers} {clients}"))
            .collect();
        let expected = [
            "n1 127.0.0.1:7101 127.0.0.1:8101",
            "n2 b.example:7101 b.example:6379",
            "n3 [::1]:7101 kv3.example.org:1",
        ];
        assert_eq!(told, expected);
        let text = "1=127.0.0.1:7101,2=b.example:7101/6379,3=[::1]:7101/kv3.example.org:1";
        assert_eq!(cluster.to_string(), text);
        assert_eq!(parse(text), cluster);
    }

    #[test]
    fn nonsense_is_named() {
        for (text, part) in [
            ("", "id=host:port"),
            ("1=a:1,", "id=host:port"),
            ("1", "id=host:port"),
            ("x=a:1", "id=host:port"),
            ("64=a:1", "0 to 63"),
            ("1=a", "host:port"),
            ("1=:7101", "host:port"),
            ("1=a:99999", "host:port"),
            ("1=::1:7101", "host:port"),
            ("1=a b:7101", "host:port"),
            ("1=a:7101/", "host:port"),
            ("1=a:0", "port 0"),
            ("1=a:65000", "6379"),
            ("1=a:1,1=b:1", "twice"),
            ("1=a:1,2=a:1", "twice"),
            ("1=a:1,2=b:1/a:1001", "twice"),
        ] {
            let error = text.parse::<Cluster>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_cluster_is_told_apart_by_its_name_or_its_peers_and_by_the_size_of_its_devices() {
        let (here, moved) = (parse("1=a:1,2=b:1/6379"), parse("2=c:1,1=a:1"));
        assert_ne!(here.id(None, 1), moved.id(None, 1));
        assert_ne!(here.id(None, 1), here.id(None, 2));
        assert_ne!(here.id(None, 1), here.id(Some("x"), 1));
        assert_eq!(here.id(Some("x"), 1), moved.id(Some("x"), 1));
        assert_eq!(here.id(None, 1), parse("2=b:1,1=a:1").id(None, 1), "where clients are served may change");
    }
}
