//! Faults in words.

use crate::schedule::{Cut, Fault, Loss, Place, Target};
use core::fmt;
use seedfast_core::Duration;

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Node(node) => write!(f, "n{node}"),
            Target::Focus => f.write_str("focus"),
        }
    }
}

/// A length of time.
fn time(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

/// ` for 1.500s`, or ` until healed`.
struct For(Option<u64>);

impl fmt::Display for For {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nanos) => write!(f, " for {}", time(nanos)),
            None => f.write_str(" until healed"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Drawn(1) => f.write_str("one drawn block"),
            Place::Drawn(blocks) => write!(f, "{blocks} drawn blocks"),
            Place::Range { at, length } => write!(f, "{length} bytes at {at}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Crash { target, loss, cut, restart_after } => {
                match loss {
                    Loss::Process => write!(f, "crash {target}")?,
                    Loss::Power => write!(f, "power loss {target}")?,
                }
                match cut {
                    Cut::Now => {}
                    Cut::AfterOutput(count) => write!(f, " after output {count} of a turn")?,
                    Cut::Drawn => f.write_str(" inside a turn")?,
                    Cut::AfterWrite => f.write_str(" with a write in flight")?,
                    Cut::Tear => f.write_str(" tearing a write")?,
                }
                match restart_after {
                    Some(after) => write!(f, ", restart after {}", time(*after)),
                    None => f.write_str(", no restart"),
                }
            }
            Fault::Restart { node } => write!(f, "restart n{node}"),
            Fault::Pause { target, sampled, .. } => {
                let sampled = if *sampled { ", between clock sample and turn" } else { "" };
                write!(f, "pause {target}{}{sampled}", For(self.lasts()))
            }
            Fault::Slow { target, turn, .. } => {
                write!(f, "slow {target}: {} a turn{}", time(*turn), For(self.lasts()))
            }
            Fault::Partition { groups, .. } => write!(f, "partition {groups:?}{}", For(self.lasts())),
            Fault::Isolate { target, clients_too, .. } => {
                let whom = if *clients_too { " from nodes and clients" } else { " from nodes" };
                write!(f, "isolate {target}{whom}{}", For(self.lasts()))
            }
            Fault::Sever { from, to, .. } => write!(f, "sever {from} -> {to}{}", For(self.lasts())),
            Fault::Flap { from, to, period, .. } => {
                write!(f, "flap {from} -> {to} every {}{}", time(*period), For(self.lasts()))
            }
            Fault::Clog { from, to, .. } => write!(f, "clog {from} -> {to}{}", For(self.lasts())),
            Fault::Degrade { from, to, network, .. } => {
                let end = |endpoint: &Option<u8>| endpoint.map_or("all".to_string(), |e| e.to_string());
                write!(
                    f,
                    "degrade {} -> {}{}: latency {} to {}, tail {} ppm of {}, loss {} ppm, duplication {} ppm, \
                     reordering {} ppm, corruption {} ppm, throttle {} B/s",
                    end(from),
                    end(to),
                    For(self.lasts()),
                    time(network.latency_min),
                    time(network.latency_max),
                    network.tail,
                    time(network.tail_max),
                    network.loss,
                    network.duplication,
                    network.reordering,
                    network.corruption,
                    network.throttle
                )
            }
            Fault::Starve { message, to, .. } => {
                write!(f, "starve messages of kind {message}")?;
                if let Some(to) = to {
                    write!(f, " to n{to}")?;
                }
                write!(f, "{}", For(self.lasts()))
            }
            Fault::Drift { target, drift } => write!(f, "drift {target}: {drift:+} ppb"),
            Fault::Step { target, by } => write!(f, "step {target}: wall clock {by:+} ns"),
            Fault::Freeze { target, .. } => write!(f, "freeze the clocks of {target}{}", For(self.lasts())),
            Fault::DiskDegrade { target, disk, .. } => {
                write!(
                    f,
                    "degrade the devices of {target}{}: write {} to {}, sync {} to {}, stall {} ppm of {}",
                    For(self.lasts()),
                    time(disk.write_min),
                    time(disk.write_max),
                    time(disk.sync_min),
                    time(disk.sync_max),
                    disk.stall,
                    time(disk.stall_max)
                )?;
                for (name, ppm) in disk.failures() {
                    if ppm > 0 {
                        write!(f, ", {name} {ppm} ppm")?;
                    }
                }
                Ok(())
            }
            Fault::FailSync { target, device } => write!(f, "fail the next sync of {target} device {device}"),
            Fault::FailWrite { target, device } => {
                write!(f, "fail the next write of {target} device {device}")
            }
            Fault::LoseWrite { target, device } => {
                write!(f, "lose the next write of {target} device {device}")
            }
            Fault::Misdirect { target, device } => {
                write!(f, "misdirect the next write of {target} device {device}")
            }
            Fault::DiskFull { target, device, .. } => {
                write!(f, "{target} device {device} is full{}", For(self.lasts()))
            }
            Fault::Unreadable { target, device, place, lasts } => {
                write!(f, "{target} device {device} cannot read {place}")?;
                match lasts {
                    Some(lasts) => write!(f, "{}", For(Some(*lasts))),
                    None => f.write_str(" until rewritten"),
                }
            }
            Fault::Rot { target, device, place, bits } => {
                write!(f, "{bits} bits rot in {place} of {target} device {device}")
            }
            Fault::LoseDevices { target, restart_after } => {
                write!(f, "{target} loses its devices")?;
                match restart_after {
                    Some(after) => write!(f, ", restart after {}", time(*after)),
                    None => f.write_str(", no restart"),
                }
            }
            Fault::Heal => f.write_str("heal"),
        }
    }
}
