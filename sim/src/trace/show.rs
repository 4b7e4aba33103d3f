//! One aligned line per event, for people.

use super::event::{Event, Reason, Sent, Step, What, Who};
use core::fmt;
use seedfast_core::OperationId;

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::World => f.pad("-"),
            Who::Node(node) => f.pad(&format!("n{node}")),
            Who::Client(client) => f.pad(&format!("c{client}")),
        }
    }
}

/// An operation as `life.number`.
struct Op(OperationId);

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0.incarnation.0, self.0.number)
    }
}

/// The first bytes of a payload.
struct Bytes<'a>(&'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())?;
        for (index, byte) in self.0.iter().take(12).enumerate() {
            write!(f, "{}{byte:02x}", if index == 0 { " " } else { "" })?;
        }
        if self.0.len() > 12 { f.write_str("..") } else { Ok(()) }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.message)?;
        if self.to != 255 {
            write!(f, " to n{}", self.to)?;
        }
        if self.fate != "on its way" {
            write!(f, " {}", self.fate)?;
        }
        if let Some(at) = self.at {
            write!(f, " at {at}")?;
        }
        if let Some(copy) = self.copy {
            write!(f, " again at {copy}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Start { devices, .. } => write!(f, "start         {} devices", devices.len()),
            Reason::Receive { message, from, kind, changed } => {
                write!(f, "receive       #{message} from n{from} kind {kind}")?;
                match changed {
                    Some(bytes) => write!(f, " damaged: {}", Bytes(bytes)),
                    None => Ok(()),
                }
            }
            Reason::Timer { id } => write!(f, "timer         {id}"),
            Reason::EndOfBurst => f.write_str("end-of-burst"),
            Reason::Completed { op, result, data } => {
                write!(f, "completed     {} {result}", Op(*op))?;
                match data {
                    Some((length, hash)) => write!(f, " {length} bytes, hash {hash:016x}"),
                    None => Ok(()),
                }
            }
            Reason::Request { message, connection, session, sequence } => {
                write!(
                    f,
                    "request       #{message} connection {connection} session {session} sequence {sequence}"
                )
            }
            Reason::Closed { connection } => write!(f, "closed        connection {connection}"),
            Reason::Control { bytes, .. } => write!(f, "control       {}", Bytes(bytes)),
            Reason::Writable { peer } => write!(f, "writable      n{peer}"),
            Reason::Landed { from, region, range } => {
                write!(f, "landed        from n{from} region {region} at {}+{}", range.at, range.length)
            }
        }
    }
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Turn { reason, .. } => write!(f, "{reason}"),
            What::SlowTurnEnded => f.write_str("slow turn ended"),
            What::Send { kind, frame, messages, .. } => {
                write!(f, "  send        kind {kind}, {}", Bytes(frame))?;
                messages.iter().try_for_each(|sent| write!(f, "; {sent}"))
            }
            What::SetTimer { id, due: Some(due) } => write!(f, "  set timer   {id} to {due} local"),
            What::SetTimer { id, due: None } => write!(f, "  cancel      timer {id}"),
            What::Submit { op, device, durable, steps } => {
                write!(f, "  submit      {} device {device}", Op(*op))?;
                for step in steps {
                    match step {
                        Step::Write { at, bytes } => write!(f, "; write {} at {at}", Bytes(bytes))?,
                        Step::Barrier => f.write_str("; barrier")?,
                        Step::Drain => f.write_str("; drain")?,
                        Step::Persist(range) => write!(f, "; persist {}+{}", range.at, range.length)?,
                    }
                }
                if *durable { f.write_str("; durable") } else { Ok(()) }
            }
            What::Read { op, device, range } => {
                write!(f, "  read        {} device {device} at {}+{}", Op(*op), range.at, range.length)
            }
            What::Respond { connection, sent, bytes } => {
                write!(f, "  respond     connection {connection}, {}; {sent}", Bytes(bytes))
            }
            What::Observe { kind: 255, bytes } => {
                write!(f, "  probe       {}", String::from_utf8_lossy(bytes))
            }
            What::Observe { kind, bytes } => write!(f, "  observe     kind {kind}, {}", Bytes(bytes)),
            What::Unsupported { op } => write!(f, "  unsupported {}", Op(*op)),
            What::Peer { node, address } => match address {
                Some(address) => {
                    write!(f, "  peer        n{node} is at {}", String::from_utf8_lossy(address))
                }
                None => write!(f, "  peer        forget n{node}"),
            },
            What::Halt { why } => write!(f, "  halt        {}", String::from_utf8_lossy(why)),
            What::Stopped { message, why } => write!(f, "stopped       #{message}: {why}"),
            What::Fault { number, target, text } => {
                write!(f, "fault {number:<7} {text}")?;
                match target {
                    Some(target) => write!(f, " (n{target})"),
                    None => Ok(()),
                }
            }
            What::FaultEnded { number } => write!(f, "fault {number:<7} ended"),
            What::Down { power, dropped } => {
                f.write_str(if *power { "power lost" } else { "crashed" })?;
                if *dropped > 0 { write!(f, "; {dropped} outputs never existed") } else { Ok(()) }
            }
            What::Image { device, writes } => {
                write!(f, "image         device {device}")?;
                for write in writes {
                    let kept: u32 = write.survived.iter().map(|byte| byte.count_ones()).sum();
                    write!(f, "; {} step {} kept {kept} of {}", Op(write.op), write.step, write.units)?;
                }
                Ok(())
            }
            What::Landed { device, op, step } => {
                write!(f, "landed        {} step {step} device {device}", Op(*op))
            }
            What::Durable { device, op, step } => {
                write!(f, "durable       {} step {step} device {device}", Op(*op))
            }
            What::Vanished { device, op, step } => {
                write!(f, "vanished      {} step {step} device {device}", Op(*op))
            }
            What::ClientStart { .. } => f.write_str("start"),
            What::ClientResponse { connection, message } => {
                write!(f, "response      #{message} connection {connection}")
            }
            What::ClientClosed { connection } => write!(f, "closed        connection {connection}"),
            What::ClientTimer { id } => write!(f, "timer         {id}"),
            What::ClientRequest { connection, session, sequence, sent, bytes } => write!(
                f,
                "  request     connection {connection} session {session} sequence {sequence}, {}; {sent}",
                Bytes(bytes)
            ),
            What::ClientClose { connection, sent } => {
                write!(f, "  close       connection {connection}; {sent}")
            }
            What::ClientSetTimer { id, due: Some(due) } => write!(f, "  set timer   {id} to {due}"),
            What::ClientSetTimer { id, due: None } => write!(f, "  cancel      timer {id}"),
            What::Verdict { invariant: "", .. } => f.write_str("verdict       all held"),
            What::Verdict { invariant, what } => write!(f, "verdict       {invariant}: {what}"),
        }
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>14} {:<4}", self.at.to_string(), self.who)?;
        match self.life {
            0 => f.write_str("    ")?,
            life => write!(f, "/{life:<3}")?,
        }
        write!(f, "{}", self.what)
    }
}
