//! What `INFO`, `SEEDFAST STATUS` and `/metrics` tell.

use super::service::{COUNTERS, Service};
use alloc::string::String;
use core::fmt::Write;

/// The version of Redis whose commands and replies are spoken here, for clients that choose by it.
pub(super) const SPEAKS: &str = "7.0.0";

type Teller = fn(&Service, &mut String);

/// The text of `INFO` with the sections named, all of them if none is.
pub fn info<'a>(service: &Service, wanted: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> String {
    let mut text = String::new();
    let all = |word: &[u8]| {
        ["all", "default", "everything"].into_iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    let is_wanted = |name: &str| {
        wanted.len() == 0
            || wanted.clone().any(|word| all(word) || word.eq_ignore_ascii_case(name.as_bytes()))
    };
    let sections: [(&str, Teller); 5] = [
        ("Server", server),
        ("Clients", clients),
        ("Stats", stats),
        ("Replication", replication),
        ("Cluster", |_, text| line(text, "cluster_enabled", 1)),
    ];
    for (name, tell) in sections {
        if is_wanted(name) {
            head(&mut text, name);
            tell(service, &mut text);
        }
    }
    service.each_section(|name, tell| {
        if is_wanted(name) {
            head(&mut text, name);
            tell(&mut text);
        }
    });
    text
}

fn head(text: &mut String, name: &str) {
    if !text.is_empty() {
        text.push_str("\r\n");
    }
    let _ = write!(text, "# {name}\r\n");
}

fn line(text: &mut String, name: &str, value: impl core::fmt::Display) {
    // Writing into a string cannot fail.
    let _ = write!(text, "{name}:{value}\r\n");
}

fn server(service: &Service, text: &mut String) {
    let settings = service.settings();
    line(text, "redis_version", SPEAKS);
    line(text, "redis_mode", "cluster");
    line(text, "seedfast_version", settings.version);
    line(text, "seedfast_node", settings.node.0);
    line(text, "arch_bits", usize::BITS);
    if let Some(me) = service.member(settings.node) {
        line(text, "tcp_port", me.port);
    }
    let uptime = service.uptime();
    line(text, "uptime_in_seconds", uptime);
    line(text, "uptime_in_days", uptime / 86_400);
}

fn clients(service: &Service, text: &mut String) {
    line(text, "connected_clients", service.connected());
}

fn stats(service: &Service, text: &mut String) {
    for (counter, name, _) in COUNTERS {
        let _ = write!(text, "total_{name}:{}\r\n", service.count(*counter));
    }
}

fn replication(service: &Service, text: &mut String) {
    let others = service.settings().members.len().saturating_sub(1);
    if service.leads() {
        line(text, "role", "master");
        line(text, "connected_slaves", others);
        return;
    }
    line(text, "role", "slave");
    match service.leader().and_then(|leader| service.member(leader)) {
        Some(leader) => {
            line(text, "master_host", &leader.host);
            line(text, "master_port", leader.port);
            line(text, "master_link_status", "up");
        }
        None => line(text, "master_link_status", "down"),
    }
    line(text, "connected_slaves", 0);
}

/// The text of `SEEDFAST STATUS`: `word: value` lines for a person.
pub fn status(service: &Service) -> String {
    let settings = service.settings();
    let mut text = String::new();
    let role = match (service.leads(), service.leader()) {
        (true, _) => "leader",
        (false, Some(_)) => "follower",
        (false, None) => "no leader known",
    };
    let _ = writeln!(text, "node: {}", settings.node.0);
    let _ = writeln!(text, "cluster: {:032x}", settings.cluster.0);
    let _ = writeln!(text, "role: {role}");
    for member in &settings.members {
        let leads = if service.leader() == Some(member.node) { ", leads" } else { "" };
        let _ = writeln!(text, "member {}: {}:{}{leads}", member.node.0, member.host, member.port);
    }
    let _ = match service.ready() {
        Ok(()) => writeln!(text, "ready: yes"),
        Err(why) => writeln!(text, "ready: no, {why}"),
    };
    let _ = writeln!(text, "uptime: {} s", service.uptime());
    let _ = writeln!(text, "clients: {}", service.connected());
    for (counter, name, _) in COUNTERS {
        let _ = writeln!(text, "{}: {}", name.replace('_', " "), service.count(*counter));
    }
    service.each_status(&mut text);
    text
}

/// The text of `/metrics`, in Prometheus's format.
pub fn metrics(service: &Service) -> String {
    let mut text = String::new();
    for (counter, name, help) in COUNTERS {
        metric(&mut text, &["seedfast_", name, "_total"].concat(), "counter", help, service.count(*counter));
    }
    let gauges = [
        ("seedfast_connected_clients", "Clients connected now.", service.connected() as u64),
        ("seedfast_uptime_seconds", "Seconds since the start of this node.", service.uptime()),
        ("seedfast_leads", "Whether this node leads, as far as it knows.", service.leads().into()),
        ("seedfast_ready", "Whether clients should be sent here.", service.ready().is_ok().into()),
    ];
    for (name, help, value) in gauges {
        metric(&mut text, name, "gauge", help, value);
    }
    service.each_metric(&mut text);
    text
}

fn metric(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
}
