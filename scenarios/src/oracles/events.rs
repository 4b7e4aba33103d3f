//! The protocol trace: one JSON object for each step, in the world's total order, for a specification to be checked
//! against. `docs/trace.md` defines every field.

use super::step::{Commands, Votes};
use super::{By, Step};
use seedfast_core::{GroupId, Incarnation, Instant, NodeId};
use std::fmt::Write as _;

/// Kept at most, in bytes; a trace that would be longer ends with a line that says so.
const MOST: usize = 64 << 20;

/// The lines so far.
pub struct Events {
    group: GroupId,
    lines: String,
    full: bool,
}

impl Events {
    /// An empty trace of `group`.
    pub fn new(group: GroupId) -> Self {
        Events { group, lines: String::new(), full: false }
    }

    /// The JSON lines.
    pub fn lines(&self) -> &str {
        &self.lines
    }

    /// Appends a step.
    pub fn step(&mut self, by: By, step: &Step<'_>) {
        match *step {
            Step::Prepare { ballot, from } => {
                self.line(by, "prepare", format_args!("\"b\":{},\"s\":{from}", ballot.0));
            }
            Step::Promise { ballot, from, votes } => {
                let acc = accepted(votes);
                self.line(by, "promise", format_args!("\"b\":{},\"s\":{from},\"acc\":{acc}", ballot.0));
            }
            Step::Propose { ballot, slot, value, quorum, commands } => {
                let quorum: Vec<String> = quorum.iter().map(|node| node.0.to_string()).collect();
                self.line(
                    by,
                    "propose",
                    format_args!(
                        "\"b\":{},\"s\":{slot},\"v\":\"{:016x}\",\"q\":[{}],\"c\":{}",
                        ballot.0,
                        value.0,
                        quorum.join(","),
                        list(commands)
                    ),
                );
            }
            Step::Accept { vote } => self.line(
                by,
                "accept",
                format_args!("\"b\":{},\"s\":{},\"v\":\"{:016x}\"", vote.ballot.0, vote.slot, vote.value.0),
            ),
            Step::Decide { slot, value } => {
                self.line(by, "decide", format_args!("\"s\":{slot},\"v\":\"{:016x}\"", value.0));
            }
            Step::Leader { ballot } => self.line(by, "leader", format_args!("\"b\":{}", ballot.0)),
            Step::StepDown { ballot } => self.line(by, "step-down", format_args!("\"b\":{}", ballot.0)),
            Step::Restart { promised, first, votes } => {
                let acc = accepted(votes);
                self.line(by, "restart", format_args!("\"b\":{},\"s\":{first},\"acc\":{acc}", promised.0));
            }
            Step::Apply { slot, value, digest, executed } => self.line(
                by,
                "apply",
                format_args!(
                    "\"s\":{slot},\"v\":\"{:016x}\",\"d\":\"{digest:016x}\",\"c\":{}",
                    value.0,
                    list(executed)
                ),
            ),
            Step::Read { index, ballot } => {
                self.line(by, "read", format_args!("\"b\":{},\"s\":{index}", ballot.0));
            }
            Step::Refused { from, why } => {
                self.line(by, "refused", format_args!("\"from\":{},\"why\":{why}", from.0));
            }
            Step::Halt { cause, why } => {
                self.line(by, "halt", format_args!("\"cause\":{},\"why\":\"{}\"", cause as u8, escaped(why)));
            }
            Step::Snapshot { slot, digest } => {
                self.line(by, "snapshot", format_args!("\"s\":{slot},\"d\":\"{digest:016x}\""));
            }
            Step::Install { slot, digest } => {
                self.line(by, "install", format_args!("\"s\":{slot},\"d\":\"{digest:016x}\""));
            }
            Step::Trim { below } => self.line(by, "trim", format_args!("\"s\":{below}")),
            Step::Amnesiac => self.bare(by, "amnesiac"),
            Step::Durable { last, .. } => self.line(by, "durable", format_args!("\"r\":{last}")),
        }
    }

    /// Appends the start or the crash of a node.
    pub fn lifecycle(&mut self, at: Instant, node: NodeId, incarnation: Incarnation, up: bool) {
        self.bare(By { at, node, incarnation }, if up { "start" } else { "crash" });
    }

    fn bare(&mut self, by: By, name: &str) {
        if !self.full {
            self.open(name, by);
            self.lines.push_str("}\n");
        }
    }

    fn open(&mut self, name: &str, by: By) {
        let _ = write!(
            self.lines,
            "{{\"e\":\"{name}\",\"t\":{},\"g\":{},\"n\":{},\"i\":{}",
            by.at.as_nanos(),
            self.group.0,
            by.node.0,
            by.incarnation.0
        );
    }

    fn line(&mut self, by: By, name: &str, fields: std::fmt::Arguments<'_>) {
        if self.full {
            return;
        }
        if self.lines.len() > MOST {
            self.full = true;
            self.lines.push_str("{\"e\":\"truncated\"}\n");
            return;
        }
        self.open(name, by);
        let _ = writeln!(self.lines, ",{fields}}}");
    }
}

fn accepted(votes: Votes<'_>) -> String {
    let votes: Vec<String> = votes
        .iter()
        .map(|vote| format!("[{},{},\"{:016x}\"]", vote.slot, vote.ballot.0, vote.value.0))
        .collect();
    format!("[{}]", votes.join(","))
}

fn list(commands: Commands<'_>) -> String {
    let commands: Vec<String> =
        commands.iter().map(|command| format!("[{},{}]", command.session.0, command.sequence)).collect();
    format!("[{}]", commands.join(","))
}

fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|letter| match letter {
            '"' | '\\' => vec!['\\', letter],
            letter if letter.is_control() => vec![' '],
            letter => vec![letter],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn the_trace_reads_as_documented() {
        let mut events = Events::new(GroupId(1));
        events.lifecycle(Instant::from_nanos(5), NodeId(0), Incarnation(1), true);
        let story = [
            at(0).prepare(b(1, 0), 3),
            at(1).promise(b(1, 0), &[(3, b(1, 0), 10)]),
            at(0).propose(b(1, 0), 3, 10, &[0, 1], &[(4, 2)]),
            at(1).accept(3, b(1, 0), 10),
            at(1).life(2).amnesiac(),
            at(1).life(2).restart_from(b(1, 0), 2, &[]),
            at(1).snapshot(3, 254),
            at(1).trim(3),
            at(1).install(3, 254),
            at(1).apply(3, 10, 255, &[(4, 2)]),
            at(1).halt("a \"bad\" disk"),
        ];
        let told = tell(&story, |by, step| {
            events.step(by, step);
            Ok(())
        });
        assert_eq!(told, Ok(()));
        let expected = r#"{"e":"start","t":5,"g":1,"n":0,"i":1}
{"e":"prepare","t":0,"g":1,"n":0,"i":1,"b":256,"s":3}
{"e":"promise","t":0,"g":1,"n":1,"i":1,"b":256,"s":0,"acc":[[3,256,"000000000000000a"]]}
{"e":"propose","t":0,"g":1,"n":0,"i":1,"b":256,"s":3,"v":"000000000000000a","q":[0,1],"c":[[4,2]]}
{"e":"accept","t":0,"g":1,"n":1,"i":1,"b":256,"s":3,"v":"000000000000000a"}
{"e":"amnesiac","t":0,"g":1,"n":1,"i":2}
{"e":"restart","t":0,"g":1,"n":1,"i":2,"b":256,"s":2,"acc":[]}
{"e":"snapshot","t":0,"g":1,"n":1,"i":1,"s":3,"d":"00000000000000fe"}
{"e":"trim","t":0,"g":1,"n":1,"i":1,"s":3}
{"e":"install","t":0,"g":1,"n":1,"i":1,"s":3,"d":"00000000000000fe"}
{"e":"apply","t":0,"g":1,"n":1,"i":1,"s":3,"v":"000000000000000a","d":"00000000000000ff","c":[[4,2]]}
{"e":"halt","t":0,"g":1,"n":1,"i":1,"cause":1,"why":"a \"bad\" disk"}
"#;
        let expected = expected.replace("a \"bad\" disk", "a \\\"bad\\\" disk");
        assert_eq!(events.lines(), expected);
    }
}
