//! The workload's numbers: what a plan says of the clients.

use std::collections::BTreeMap;

/// One number of the workload: its name, its range, what it means.
pub struct Setting {
    /// Its name in the plan.
    pub name: &'static str,
    /// The lowest value that makes sense.
    pub least: u64,
    /// The highest value that makes sense.
    pub most: u64,
    /// What it says.
    pub about: &'static str,
}

macro_rules! settings {
    ($($field:ident, $name:literal, $least:literal..=$most:literal, $about:literal;)*) => {
        /// What clients do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Workload {
            $(#[doc = $about] pub $field: u64,)*
        }

        /// Every number that a plan must hold.
        pub const SETTINGS: &[Setting] =
            &[$(Setting { name: $name, least: $least, most: $most, about: $about },)*];

        impl Workload {
            /// The numbers as a plan holds them.
            pub fn to_plan(&self) -> BTreeMap<String, u64> {
                BTreeMap::from([$(($name.to_string(), self.$field),)*])
            }

            /// Reads a plan's numbers.
            ///
            /// # Errors
            /// The first one that is unknown, missing or out of range, in one sentence.
            pub fn from_plan(plan: &BTreeMap<String, u64>) -> Result<Self, String> {
                if let Some(unknown) = plan.keys().find(|key| SETTINGS.iter().all(|known| known.name != *key)) {
                    return Err(format!("the workload has no number called `{unknown}`"));
                }
                let read = |setting: &Setting| match plan.get(setting.name) {
                    None => Err(format!("the workload lacks `{}`: {}", setting.name, setting.about)),
                    Some(value) if !(setting.least..=setting.most).contains(value) => Err(format!(
                        "the workload's `{}` is {value} and must lie between {} and {}",
                        setting.name, setting.least, setting.most
                    )),
                    Some(value) => Ok(*value),
                };
                let mut values = SETTINGS.iter().map(read);
                Ok(Workload { $($field: values.next().expect("one for each setting")?,)* })
            }
        }
    };
}

settings! {
    commands, "commands", 0..=100_000, "How many operations all clients together begin.";
    lists, "lists", 1..=64, "How many list keys there are.";
    registers, "registers", 0..=16, "How many register keys there are.";
    register_percent, "register-percent", 0..=100, "How many operations of a hundred are on registers.";
    read_percent, "read-percent", 0..=100, "How many list operations of a hundred are reads.";
    in_log_percent, "in-log-percent", 0..=100, "How many reads of a hundred go through the log.";
    once_percent, "once-percent", 0..=100, "How many commands of a hundred are sent outside the session, once.";
    think_micros, "think-micros", 0..=10_000_000, "The longest pause between two operations of a client.";
    attempt_millis, "attempt-millis", 1..=60_000, "After how long without an answer another node is asked, at most.";
    patience_millis, "patience-millis", 1..=600_000, "After how long an operation is given up, at most.";
    window, "window", 1..=4096, "How many slots a leader proposes before the first is decided.";
    eager, "eager", 1..=4096, "While so many slots are in flight, a leader lets a batch that is not full wait for more commands.";
    gather_micros, "gather-micros", 0..=1_000_000, "How long a batch waits at most for those who were just answered.";
    rest_micros, "rest-micros", 0..=1_000_000, "How long a journal rests before its mark is written.";
    batch_commands, "batch-commands", 1..=4096, "How many commands a batch holds at most.";
    sessions, "sessions", 1..=4096, "How many client sessions the group remembers.";
    log_kib, "log-kib", 16..=65_536, "How many KiB of decided values a replica holds before the leader refuses commands.";
    resp, "resp", 0..=64, "How many clients, the first ones, speak RESP to a server instead of the native protocol (full-stack).";
    padding, "padding", 0..=65_536, "How many bytes an appended number is followed by, so that writes span sectors.";
    nvm, "nvm", 0..=32_767, "Which replicas stand on NVM instead of a disk: bit n for replica n.";
    journal_kib, "journal-kib", 32..=65_536, "How many KiB of log a replica's journal has.";
    strange, "strange", 0..=16, "What a node that lost its devices is given first: 0 the right thing, else a kind of wrong one.";
    whole, "whole", 0..=1, "1: the run goes on to its end even if there is nothing left to see.";
}

impl Workload {
    /// How many operations of a hundred are on registers, given that there are any.
    pub fn registers_of_hundred(&self) -> u64 {
        if self.registers == 0 { 0 } else { self.register_percent }
    }
}

/// The workload in which there is least to see: nobody asks for anything, and no limit is near.
pub const fn calm() -> Workload {
    Workload {
        commands: 0,
        lists: 1,
        registers: 0,
        register_percent: 0,
        read_percent: 0,
        in_log_percent: 0,
        once_percent: 0,
        resp: 0,
        think_micros: 0,
        attempt_millis: 300,
        patience_millis: 3_000,
        // As a server has it: a test below compares.
        window: 32,
        eager: 1,
        gather_micros: 1_000,
        rest_micros: 10_000,
        batch_commands: 1_024,
        sessions: 1_024,
        log_kib: 65_536,
        padding: 0,
        nvm: 0,
        journal_kib: 320,
        strange: 0,
        whole: 0,
    }
}

#[cfg(test)]
pub(crate) const EXAMPLE: Workload = Workload {
    commands: 20,
    lists: 2,
    registers: 1,
    register_percent: 25,
    read_percent: 25,
    in_log_percent: 25,
    once_percent: 0,
    think_micros: 10_000,
    attempt_millis: 200,
    patience_millis: 2_000,
    window: 32,
    eager: 1,
    gather_micros: 1_000,
    rest_micros: 10_000,
    batch_commands: 64,
    sessions: 64,
    log_kib: 1_024,
    resp: 0,
    padding: 3,
    nvm: 2,
    journal_kib: 320,
    strange: 0,
    whole: 0,
};

#[cfg(test)]
mod tests {
    use super::*;
    use seedfast_core::paxos::Config;

    #[test]
    fn calm_replicas_are_those_that_a_server_runs() {
        let calm = crate::paxos_scene::config(3, &calm());
        let shipped = Config::new(calm.group, calm.voters);
        let same = Config {
            // Runs are short and devices small: snapshots fall more often, pieces and batches are smaller.
            snapshot_slots: calm.snapshot_slots,
            tail_slots: calm.tail_slots,
            piece_bytes: calm.piece_bytes,
            batch_bytes: calm.batch_bytes,
            ..shipped
        };
        assert_eq!(calm, same);
    }

    #[test]
    fn a_plan_holds_every_number_and_gives_it_back() {
        let plan = EXAMPLE.to_plan();
        assert_eq!(plan.len(), SETTINGS.len());
        assert_eq!(Workload::from_plan(&plan), Ok(EXAMPLE));
    }

    #[test]
    fn what_is_wrong_with_a_plan_is_said_in_one_sentence() {
        let wrong = |change: fn(&mut BTreeMap<String, u64>)| {
            let mut plan = EXAMPLE.to_plan();
            change(&mut plan);
            Workload::from_plan(&plan).expect_err("it makes no sense")
        };
        let unknown = wrong(|plan| _ = plan.insert("colour".into(), 3));
        assert_eq!(unknown, "the workload has no number called `colour`");
        let missing = wrong(|plan| _ = plan.remove("lists"));
        assert_eq!(missing, "the workload lacks `lists`: How many list keys there are.");
        let range = wrong(|plan| _ = plan.insert("lists".into(), 65));
        assert_eq!(range, "the workload's `lists` is 65 and must lie between 1 and 64");
    }
}
