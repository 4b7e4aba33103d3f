//! The probes of the replica: places that campaigns must reach. A report names those that it did not.

use seedfast_core::journal::Row;

/// What the protocol marks, in alphabetical order. A test holds this list against the sources.
const PROTOCOL: &[&str] = &[
    "a batch held several commands",
    "a batch waited for those who were just answered",
    "a candidate had no room for what its quorum had voted for",
    "a command came for a session that is not in the table",
    "a command was decided twice and carried out once",
    "a command was refused for want of room",
    "a fetched snapshot was not what its name says",
    "a frame was refused",
    "a leader out of reach of a quorum stepped down",
    "a leader proposed for a slot that is forgotten",
    "a leader stepped down",
    "a learner had no room",
    "a new leader closed a hole with a no-op",
    "a new leader proposed a value again that it had heard of",
    "a peer's snapshot did not fit this device",
    "a pre-vote was refused to a node far behind",
    "a promise began behind what was asked for",
    "a promise reported votes",
    "a replica asked to catch up",
    "a replica had no room to lead",
    "a replica handed out a piece of its snapshot",
    "a replica installed the snapshot of a peer",
    "a replica learned a value that it had not voted for in time",
    "a replica lost its snapshot and has to fetch one",
    "a replica recovered votes from its journal",
    "a retried command was answered from the session table",
    "a slot was decided out of order",
    "a snapshot did not fit its area",
    "a snapshot that was asked for could not be read",
    "a transfer went on where a former life had stopped",
    "a withheld reply was overtaken by a higher promise",
    "a write found the device full and waits",
    "an accept was sent again",
    "an acceptor had no room to vote",
    "an acceptor refused to vote too far ahead",
    "an acceptor voted again for the value that it has",
    "an acceptor voted out of order",
    "an amnesiac kept silent",
    "the window was full",
    "two proposals were in flight at once",
];

/// All of them: the protocol's, and every row of the journal's recovery table.
pub fn of_a_replica() -> Vec<&'static str> {
    PROTOCOL.iter().copied().chain(Row::ALL.iter().map(|row| row.probe())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// The literals among the arguments of every call of `sometimes` in a directory.
    fn marked(directory: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).expect("the sources are there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                marked(&path, found);
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source is text");
            for call in text.split("sometimes(").skip(1) {
                let mut depth = 1;
                let end = call.find(|letter| {
                    depth += i32::from(letter == '(') - i32::from(letter == ')');
                    depth == 0
                });
                let literals = call[..end.expect("a call ends")].split('"').skip(1).step_by(2);
                found.extend(literals.map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_probe_of_the_core_is_listed() {
        let mut found = Vec::new();
        marked(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src"), &mut found);
        found.sort();
        found.dedup();
        assert_eq!(found, PROTOCOL);
        assert!(of_a_replica().len() > found.len());
    }
}
